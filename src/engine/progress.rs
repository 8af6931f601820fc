//! How far a running job is, and what it is told: shared by the threads that work and the clients that ask.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use tracing::info;

use super::orders::{Order, Orders};
use super::staging::Place;
use super::watchdog::Vigil;
use crate::cluster;

/// A part of a job's work. Kept with ended jobs by its number: new ones go to the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Stage {
    /// Loading the images of a clustering.
    Load,
    /// Building the index.
    Index,
    /// Comparing pairs.
    Compare,
    /// Merging clusters.
    Link,
    /// Ordering matches.
    Rank,
    /// Writing the result of a clustering.
    Keep,
    /// Reading the file of an import.
    Read,
    /// Taking the rows of an import into the database.
    Apply,
    /// Writing the file of an export.
    Write,
    /// Looking at the pictures of a training.
    Train,
    /// Auditing the identities of a clustering.
    Audit,
}

impl Stage {
    /// Its name in answers (contract R95).
    pub fn name(self) -> &'static str {
        match self {
            Self::Load => "load",
            Self::Index => "index",
            Self::Compare => "compare",
            Self::Link => "link",
            Self::Rank => "rank",
            Self::Keep => "keep",
            Self::Read => "read",
            Self::Apply => "apply",
            Self::Write => "write",
            Self::Train => "train",
            Self::Audit => "audit",
        }
    }

    /// Where of the whole job, in percent, it is taken to begin and to end.
    ///
    /// The shares are those of an exact clustering of some hundred thousand images, which compares nine tenths of its
    /// time; they shape the percentage, and how long the stages behind the comparison are expected to take. An audit
    /// looks at every pair once more, so that a job with one has half of the way before it.
    fn share(self, is_audited: bool) -> (f64, f64) {
        let (begin, end) = match self {
            Self::Load => (0.0, 2.0),
            Self::Index => (2.0, 60.0),
            Self::Compare => (2.0, 92.0),
            Self::Link => (92.0, 96.0),
            Self::Rank => (96.0, 97.0),
            Self::Audit => (97.0, 194.0),
            Self::Keep => return (97.0, 100.0),
            Self::Read => (0.0, 70.0),
            Self::Apply => (70.0, 100.0),
            Self::Write | Self::Train => (0.0, 100.0),
        };
        if is_audited { (begin / 2.0, end / 2.0) } else { (begin, end) }
    }
}

/// How much of something without a job is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Done {
    /// So much.
    pub n: u64,
    /// Of so much, if that is known yet.
    pub total: Option<u64>,
}

/// Before this time there is no estimate.
const FIRST_ESTIMATE: Duration = Duration::from_secs(1);

/// How far a job is, or was when it ended.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Progress {
    /// Of the whole, 0 to 100; never falls during one run.
    pub percent: f64,
    /// The running stage, or the last one, with the percentage of it that is done.
    pub stage: Option<(Stage, f64)>,
    /// The stages before it, in the order of the work.
    pub before: Vec<Stage>,
    /// How much longer it is expected to take.
    pub remaining: Option<Duration>,
}

/// One run of a job.
#[derive(Debug)]
pub(super) struct Control {
    pub(super) orders: Orders,
    at: Mutex<At>,
    begun: Instant,
    /// Units of the comparison that cost little, because what they find is known already: all of them, and those done.
    n_light: AtomicU64,
    n_light_done: AtomicU64,
    /// Bytes of the rows of its result.
    kept: AtomicU64,
    /// Rows of an import that was told to end.
    left: OnceLock<Place>,
    pub(super) vigil: Vigil,
}

/// Where a run is.
#[derive(Debug, Default)]
struct At {
    stage: Option<Stage>,
    done: u64,
    total: u64,
    /// The stages before this one, in the order of the work.
    before: Vec<Stage>,
    /// The largest percentage so far.
    percent: f64,
    pace: Pace,
    /// Whether an audit follows the clustering.
    is_audited: bool,
}

/// How fast the comparison is, by the units that do cost something.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
struct Pace {
    /// When the comparison began.
    begun: Option<Duration>,
    /// The first moment at which one was done, and how many were.
    first: Option<(Duration, u64)>,
    last: (Duration, u64),
    total: u64,
}

impl Pace {
    fn note(&mut self, at: Duration, done: u64, total: u64) {
        self.begun.get_or_insert(at);
        if done > 0 {
            self.first.get_or_insert((at, done));
        }
        (self.last, self.total) = ((at, done), total);
    }

    /// What a unit takes; none if that is not known yet.
    fn of_a_unit(&self) -> Option<f64> {
        let (begin, before) = self.first?;
        let (end, done) = self.last;
        let time = end.saturating_sub(begin);
        (time >= FIRST_ESTIMATE && done > before).then(|| time.as_secs_f64() / (done - before) as f64)
    }

    /// What is left of the comparison and of the stages behind it, which take their share of what all of it would take.
    fn remaining(&self, percent: f64, is_audited: bool) -> Option<Duration> {
        let unit = self.of_a_unit()?;
        let (begin, end) = Stage::Compare.share(is_audited);
        let behind = (100.0 - percent.max(end)) / (end - begin) * self.total as f64;
        let left = (self.total - self.last.1.min(self.total)) as f64;
        Duration::try_from_secs_f64(unit * (left + behind)).ok()
    }
}

impl Control {
    /// A run that has just begun.
    pub(super) fn new() -> Self {
        Self {
            orders: Orders::default(),
            at: Mutex::default(),
            begun: Instant::now(),
            n_light: AtomicU64::new(0),
            n_light_done: AtomicU64::new(0),
            kept: AtomicU64::new(0),
            left: OnceLock::new(),
            vigil: Vigil::default(),
        }
    }

    /// So many units of the comparison will be recalled instead of computed.
    pub(super) fn expect_recalled(&self, units: u64) {
        self.n_light.store(units, Ordering::Relaxed);
        self.n_light_done.store(0, Ordering::Relaxed);
    }

    /// One of them was.
    pub(super) fn recalled(&self) {
        self.n_light_done.fetch_add(1, Ordering::Relaxed);
    }

    /// How many units of the comparison cost something, and how long it took so far.
    pub(super) fn compared(&self) -> (u64, Duration) {
        let Pace { begun, last, .. } = self.at().pace;
        (last.1, begun.map_or(Duration::ZERO, |begun| last.0.saturating_sub(begun)))
    }

    /// How the run was told to end, if it was.
    pub(super) fn order(&self) -> Option<Order> {
        self.orders.order()
    }

    /// How long the run lasts, pauses included.
    pub(super) fn lasted(&self) -> Duration {
        self.begun.elapsed()
    }

    /// How long the run has worked: the time without that in which it was paused.
    fn worked(&self) -> Duration {
        self.begun.elapsed().saturating_sub(self.orders.rested())
    }

    /// Notes what the rows of its result take.
    pub(super) fn keeps(&self, bytes: u64) {
        self.kept.store(bytes, Ordering::Relaxed);
    }

    /// What they take.
    pub(super) fn kept(&self) -> u64 {
        self.kept.load(Ordering::Relaxed)
    }

    /// Rows of an import that nobody needs: clearing them may take longer than whoever stopped it should wait.
    pub(super) fn leave_rows(&self, place: Place) {
        self.left.get_or_init(|| place);
    }

    /// Where they are.
    pub(super) fn left_rows(&self) -> Option<Place> {
        self.left.get().copied()
    }

    /// Where the run is: its stage, and how many steps of it are done.
    pub(super) fn mark(&self) -> Option<(Stage, u64)> {
        let at = self.at();
        at.stage.map(|stage| (stage, at.done))
    }

    fn at(&self) -> MutexGuard<'_, At> {
        self.at.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes that `done` of `total` steps of a stage are done; a total of 0 means unknown.
    pub(super) fn note(&self, stage: Stage, done: u64, total: u64) {
        let worked = self.worked();
        let mut at = self.at();
        if at.stage != Some(stage) {
            let left = at.stage;
            at.before.extend(left);
        }
        (at.stage, at.done, at.total) = (Some(stage), done, total);
        if stage == Stage::Compare {
            let [light, light_done] = [&self.n_light, &self.n_light_done].map(|n| n.load(Ordering::Relaxed));
            at.pace.note(worked, done.saturating_sub(light_done), total.saturating_sub(light));
        }
        let (begin, end) = stage.share(at.is_audited);
        at.percent = at.percent.max(begin + (end - begin) * at.share());
    }

    /// How far the run came, at its end: done, or cut short.
    pub(super) fn reached(&self, is_done: bool) -> Progress {
        let mut reached = Progress { remaining: None, ..self.progress() };
        if is_done {
            reached.percent = 100.0;
            reached.stage = reached.stage.map(|(stage, _)| (stage, 100.0));
        }
        reached
    }

    /// How far the run is.
    pub(super) fn progress(&self) -> Progress {
        let worked = self.worked();
        let at = self.at();
        let stage = at.stage.map(|stage| (stage, at.share() * 100.0));
        let remaining = at.remaining(worked);
        Progress { percent: at.percent, stage, before: at.before.clone(), remaining }
    }
}

impl At {
    /// How much of the stage is done, 0 to 1.
    fn share(&self) -> f64 {
        if self.total == 0 { 0.0 } else { (self.done as f64 / self.total as f64).min(1.0) }
    }

    /// How much longer the run is expected to take, after `spent`: by the pace of the comparison of all pairs, and where
    /// there is none by the percentage.
    fn remaining(&self, spent: Duration) -> Option<Duration> {
        match self.stage? {
            Stage::Compare | Stage::Link | Stage::Rank | Stage::Audit | Stage::Keep
                if !self.before.contains(&Stage::Index) =>
            {
                self.pace.remaining(self.percent, self.is_audited)
            }
            _ if self.percent < 1.0 || spent < FIRST_ESTIMATE => None,
            _ => Duration::try_from_secs_f64(spent.as_secs_f64() * (100.0 - self.percent) / self.percent).ok(),
        }
    }
}

impl cluster::Watch for Control {
    /// Also where a paused run waits, each of its threads.
    fn should_stop(&self) -> bool {
        self.orders.obey().is_some()
    }

    fn report(&self, stage: cluster::Stage, done: u64, total: u64) {
        let stage = match stage {
            cluster::Stage::Index => Stage::Index,
            cluster::Stage::Compare => Stage::Compare,
            cluster::Stage::Link => Stage::Link,
            cluster::Stage::Rank => Stage::Rank,
            cluster::Stage::Audit => Stage::Audit,
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
    /// The clustering will be audited.
    pub(super) fn expect_audit(&self) {
        self.at().is_audited = true;
    }

    /// Notes that the images are being loaded.
    pub(super) fn loading(&self) {
        self.note(Stage::Load, 0, 1);
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
        control.expect_recalled(3);
        control.recalled();
        control.report(cluster::Stage::Index, 9, 10);
        let high = control.progress().percent;
        control.report(cluster::Stage::Compare, 1, 10);
        let after = control.progress();
        assert!((after.percent - high).abs() < 1e-9);
        assert_eq!((after.stage, after.before), (Some((Stage::Compare, 10.0)), vec![Stage::Index]));
    }

    #[test]
    fn r96_there_is_an_estimate_by_the_units_that_were_computed_and_none_before() {
        let second = Duration::from_secs;
        let mut at = At { stage: Some(Stage::Compare), percent: 2.0, ..At::default() };
        assert_eq!(at.remaining(second(9)), None);
        at.pace.note(second(1), 0, 900);
        at.pace.note(second(10), 1, 900); // what came before was recalled
        assert_eq!(at.remaining(second(10)), None);
        at.pace.note(second(20), 101, 900);
        let behind = 8.0 / 90.0 * 900.0;
        assert_eq!(at.remaining(second(20)), Some(Duration::from_secs_f64(0.1 * (799.0 + behind))));
        at.pace.note(second(100), 900, 900);
        (at.stage, at.percent) = (Some(Stage::Link), 96.0);
        let unit = 90.0 / 899.0;
        let remaining = at.remaining(second(101)).unwrap().as_secs_f64();
        assert!((remaining - unit * behind / 2.0).abs() < 1e-6, "{remaining}");
        let at = At { stage: Some(Stage::Read), percent: 20.0, ..At::default() };
        assert_eq!((at.remaining(second(0)), at.remaining(second(3))), (None, Some(second(12))));
    }
}
