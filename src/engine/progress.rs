//! How far a running job is, and how it is told to stop: shared by the thread that works and the clients that ask.

use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};

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
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Progress {
    /// Of the whole, 0 to 100; never falls during one run.
    pub percent: f64,
    /// The running stage, with the percentage of it that is done.
    pub stage: Option<(&'static str, f64)>,
}

/// One run of a job.
#[derive(Debug)]
pub(super) struct Control {
    order: AtomicU8,
    stage: AtomicU8,
    done: AtomicU64,
    total: AtomicU64,
    /// The largest percentage shown so far, in thousandths.
    shown: AtomicU64,
}

impl Control {
    /// A run that has just begun.
    pub(super) fn new() -> Self {
        Self {
            order: AtomicU8::new(0),
            stage: AtomicU8::new(u8::MAX),
            done: AtomicU64::new(0),
            total: AtomicU64::new(0),
            shown: AtomicU64::new(0),
        }
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

    /// Notes that `done` of `total` steps of a stage are done; a total of 0 means unknown.
    pub(super) fn note(&self, stage: usize, done: u64, total: u64) {
        self.stage.store(stage as u8, Ordering::Relaxed);
        self.total.store(total, Ordering::Relaxed);
        self.done.store(done, Ordering::Relaxed);
    }

    /// How far the run is.
    pub(super) fn progress(&self) -> Progress {
        let Some(stage) = STAGES.get(usize::from(self.stage.load(Ordering::Relaxed))) else {
            return Progress::default();
        };
        let (done, total) = (self.done.load(Ordering::Relaxed), self.total.load(Ordering::Relaxed));
        let share = if total == 0 { 0.0 } else { (done as f64 / total as f64).min(1.0) };
        let percent = stage.begin + (stage.end - stage.begin) * share;
        let thousandths = (percent * 1000.0) as u64;
        let shown = self.shown.fetch_max(thousandths, Ordering::Relaxed).max(thousandths);
        Progress { percent: shown as f64 / 1000.0, stage: Some((stage.name, share * 100.0)) }
    }
}

impl Progress {
    /// The stages before the running one, in the order of the work.
    pub fn before(&self) -> &'static [&'static str] {
        const CLUSTERING: [&str; 6] = ["load", "index", "compare", "link", "rank", "keep"];
        const IMPORT: [&str; 2] = ["read", "apply"];
        let before = |stages: &'static [&'static str]| {
            let place = stages.iter().position(|&name| Some(name) == self.stage.map(|(name, _)| name))?;
            Some(&stages[..place])
        };
        before(&CLUSTERING).or_else(|| before(&IMPORT)).unwrap_or(&[])
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
        assert_eq!(after.stage, Some(("compare", 10.0)));
    }

    #[test]
    fn the_first_order_counts() {
        let control = Control::new();
        control.tell(Order::Stop);
        control.tell(Order::Release);
        assert_eq!(control.order(), Some(Order::Stop));
    }
}
