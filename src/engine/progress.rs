//! How far a running job is, and how it is told to stop: shared by the thread that works and the clients that ask.

use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tracing::info;

use crate::cluster;

/// What a running job may be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Order {
    /// A client stops it for good.
    Stop,
    /// The server shuts down; it will be run again.
    Release,
}

/// A part of a job's work, with the share of the whole it is taken for, in percent.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Stage {
    name: &'static str,
    begin: f64,
    end: f64,
}

const LOAD: usize = 0;
const INDEX: usize = 1;
const COMPARE: usize = 2;
const LINK: usize = 3;
const RANK: usize = 4;
/// Writing the result of a clustering.
pub(super) const KEEP: usize = 5;
/// Reading the file of an import.
pub(super) const READ: usize = 6;
/// Taking the rows of an import into the database.
pub(super) const APPLY: usize = 7;

/// The shares are those of an exact clustering of some ten thousand images; they only shape the percentage.
const STAGES: [Stage; 8] = [
    Stage { name: "load", begin: 0.0, end: 3.0 },
    Stage { name: "index", begin: 3.0, end: 60.0 },
    Stage { name: "compare", begin: 3.0, end: 85.0 },
    Stage { name: "link", begin: 85.0, end: 92.0 },
    Stage { name: "rank", begin: 92.0, end: 95.0 },
    Stage { name: "keep", begin: 95.0, end: 100.0 },
    Stage { name: "read", begin: 0.0, end: 70.0 },
    Stage { name: "apply", begin: 70.0, end: 100.0 },
];

/// How far a job is.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Progress {
    /// Of the whole, 0 to 100; never falls during one run.
    pub percent: f64,
    /// The running stage, with the percentage of it that is done.
    pub stage: Option<(&'static str, f64)>,
    /// The stages before it, in the order of the work.
    pub before: Vec<&'static str>,
}

/// One run of a job.
#[derive(Debug, Default)]
pub(super) struct Control {
    order: AtomicU8,
    at: Mutex<At>,
}

/// Where a run is.
#[derive(Debug, Default)]
struct At {
    stage: Option<usize>,
    done: u64,
    total: u64,
    /// The stages before this one, in the order of the work.
    before: Vec<&'static str>,
    /// The largest percentage so far.
    percent: f64,
}

impl Control {
    /// A run that has just begun.
    pub(super) fn new() -> Self {
        Self::default()
    }

    /// Tells the run to end. The first word counts: a stop that was acknowledged is not undone by a shutdown.
    pub(super) fn tell(&self, order: Order) {
        let code = match order {
            Order::Stop => 1,
            Order::Release => 2,
        };
        let _ = self.order.compare_exchange(0, code, Ordering::Relaxed, Ordering::Relaxed);
    }

    /// What the run was told, if anything.
    pub(super) fn order(&self) -> Option<Order> {
        match self.order.load(Ordering::Relaxed) {
            0 => None,
            1 => Some(Order::Stop),
            _ => Some(Order::Release),
        }
    }

    fn at(&self) -> MutexGuard<'_, At> {
        self.at.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes that `done` of `total` steps of a stage are done; a total of 0 means unknown.
    pub(super) fn note(&self, stage: usize, done: u64, total: u64) {
        let mut at = self.at();
        if at.stage != Some(stage) {
            let left = at.stage.map(|left| STAGES[left].name);
            at.before.extend(left);
        }
        (at.stage, at.done, at.total) = (Some(stage), done, total);
        let Stage { begin, end, .. } = STAGES[stage];
        at.percent = at.percent.max(begin + (end - begin) * at.share());
    }

    /// How far the run is.
    pub(super) fn progress(&self) -> Progress {
        let at = self.at();
        let stage = at.stage.map(|stage| (STAGES[stage].name, at.share() * 100.0));
        Progress { percent: at.percent, stage, before: at.before.clone() }
    }
}

impl At {
    /// How much of the stage is done, 0 to 1.
    fn share(&self) -> f64 {
        if self.total == 0 { 0.0 } else { (self.done as f64 / self.total as f64).min(1.0) }
    }
}

impl cluster::Watch for Control {
    fn should_stop(&self) -> bool {
        self.order().is_some()
    }

    fn report(&self, stage: cluster::Stage, done: u64, total: u64) {
        let stage = match stage {
            cluster::Stage::Index => INDEX,
            cluster::Stage::Compare => COMPARE,
            cluster::Stage::Link => LINK,
            cluster::Stage::Rank => RANK,
        };
        self.note(stage, done, total);
    }

    fn expect(&self, estimate: &cluster::Estimate) {
        let cluster::Estimate { pairs, edges, matches, bytes, limit, time } = *estimate;
        info!(
            pairs,
            edges,
            matches,
            bytes,
            limit,
            seconds = time.as_secs_f64(),
            "the job is expected to find and to need"
        );
    }
}

impl Control {
    /// Notes that the images are being loaded.
    pub(super) fn loading(&self) {
        self.note(LOAD, 0, 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::Watch as _;

    #[test]
    fn r96_the_percentage_never_falls() {
        let control = Control::new();
        assert_eq!(control.progress(), Progress::default());
        control.report(cluster::Stage::Index, 9, 10);
        let high = control.progress().percent;
        control.report(cluster::Stage::Compare, 1, 10);
        let after = control.progress();
        assert!((after.percent - high).abs() < 1e-9);
        assert_eq!((after.stage, after.before), (Some(("compare", 10.0)), vec!["index"]));
    }

    #[test]
    fn the_first_order_counts() {
        let control = Control::new();
        control.tell(Order::Stop);
        control.tell(Order::Release);
        assert_eq!(control.order(), Some(Order::Stop));
    }
}
