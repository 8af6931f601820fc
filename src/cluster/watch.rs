//! The one seam to whoever waits: progress out, "stop" in, and a breakpoint for tests.
//!
//! **Promises.** `should_stop` is asked before every unit of work, and a unit takes well under a second.

use std::fmt;
use std::sync::Mutex;

use super::{ClusterError, Estimate};

/// The steps of a run, in order. `Index` is there only with the approximate index.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Stage {
    /// Building the index and asking it.
    Index,
    /// Comparing pairs.
    Compare,
    /// Merging clusters.
    Link,
    /// Ranking matches.
    Rank,
    /// Looking for wrong identities.
    Audit,
}

impl Stage {
    /// In lower case.
    pub fn name(self) -> &'static str {
        match self {
            Self::Index => "index",
            Self::Compare => "compare",
            Self::Link => "link",
            Self::Rank => "rank",
            Self::Audit => "audit",
        }
    }
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Watches a run. Called from several threads, but never by two at once with `report`.
pub trait Watch: Sync {
    /// Whether to end with [`ClusterError::Stopped`]; asked often, so it should be cheap. It may take its time now and
    /// then: that is how a run is paused. So it is never asked with a lock that others need.
    fn should_stop(&self) -> bool;

    /// `done` of `total` units of `stage` are done; within a stage with one total, `done` does not decrease. A stage
    /// may begin anew with another total.
    fn report(&self, stage: Stage, done: u64, total: u64);

    /// What the run is expected to find and to need; said once, before an exact comparison of many faces.
    fn expect(&self, _: &Estimate) {}
}

/// Nobody watches.
#[derive(Debug, Clone, Copy, Default)]
pub struct Unwatched;

impl Watch for Unwatched {
    fn should_stop(&self) -> bool {
        false
    }

    fn report(&self, _: Stage, _: u64, _: u64) {}
}

/// Counts the units of one stage and asks whether to stop.
pub(super) struct Meter<'a> {
    watch: &'a dyn Watch,
    stage: Stage,
    total: u64,
    done: Mutex<u64>,
}

impl<'a> Meter<'a> {
    pub(super) fn new(watch: &'a dyn Watch, stage: Stage, total: u64) -> Self {
        watch.report(stage, 0, total);
        Self { watch, stage, total, done: Mutex::new(0) }
    }

    /// An error if the run is to stop.
    pub(super) fn check(&self) -> Result<(), ClusterError> {
        if self.watch.should_stop() { Err(ClusterError::Stopped) } else { Ok(()) }
    }

    /// Counts `units` more as done.
    pub(super) fn advance(&self, units: u64) {
        let mut done = self.done.lock().expect("nothing panics between lock and unlock but the watch itself");
        *done += units;
        self.watch.report(self.stage, *done, self.total);
    }
}
