//! Figures about the engine, for whoever watches it.
//!
//! **Promises.** Asking is cheap: nothing is scanned but the names of the databases, and no lock is waited for that is held
//! over more than one write. No figure names a database or a person.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::records::DatabaseRecord;
use super::tally::Count;
use super::{Engine, EngineError};
use crate::face::DatabaseName;
use crate::job::{Life, Queue, Run, State};

/// Upper bounds of the time jobs take, in seconds.
const JOB_SECONDS: [f64; 12] = [0.1, 0.5, 1.0, 5.0, 15.0, 60.0, 300.0, 900.0, 3_600.0, 14_400.0, 43_200.0, 86_400.0];

/// How often something took how long.
#[derive(Debug, Clone, PartialEq)]
pub struct Histogram {
    /// The upper bounds, ascending.
    pub bounds: &'static [f64],
    /// How many were at most each bound and above the one before; behind the last bound all others.
    pub counts: Vec<u64>,
    /// All together.
    pub sum: f64,
}

impl Histogram {
    /// Nothing measured yet.
    pub fn new(bounds: &'static [f64]) -> Self {
        Self { bounds, counts: vec![0; bounds.len() + 1], sum: 0.0 }
    }

    /// Adds a measurement.
    pub fn add(&mut self, value: f64) {
        let place = self.bounds.partition_point(|&bound| bound < value);
        self.counts[place] += 1;
        self.sum += value;
    }
}

/// Jobs that ended since the engine was opened.
#[derive(Debug, Clone, Default)]
pub(super) struct EndedJobs {
    by: BTreeMap<(Queue, &'static str), u64>,
    seconds: BTreeMap<Queue, Histogram>,
}

impl EndedJobs {
    /// Counts a job by its life, if that has ended, and how long its run `lasted`: the difference of its times where that is
    /// not known, for between those the clock may have jumped.
    pub(super) fn note(&mut self, queue: Queue, life: &Life, lasted: Option<Duration>) {
        if !life.has_ended() {
            return;
        }
        *self.by.entry((queue, life.state(Run::Idle).word())).or_default() += 1;
        if let Some(took) = lasted.or_else(|| life.took()) {
            self.seconds.entry(queue).or_insert_with(|| Histogram::new(&JOB_SECONDS)).add(took.as_secs_f64());
        }
    }
}

/// How fast clusterings compare.
#[derive(Debug, Default)]
struct Compared {
    pairs: u64,
    per_second: Option<f64>,
}

/// Figures about an engine at one moment.
#[derive(Debug, Clone, PartialEq)]
pub struct Figures {
    /// Jobs that are kept, by queue and status word; every queue has the words that can be.
    pub jobs: BTreeMap<(Queue, &'static str), u64>,
    /// Jobs that ended since the engine was opened, likewise.
    pub jobs_ended: BTreeMap<(Queue, &'static str), u64>,
    /// How long jobs that were started took to their end.
    pub job_seconds: BTreeMap<Queue, Histogram>,
    /// What is in all databases; none if a store that has failed cannot say which there are.
    pub contents: Option<ContentFigures>,
    /// Bytes of the store on the disk; none if that cannot be found out.
    pub store_bytes: Option<u64>,
    /// Bytes of the folders beside it, by their names, a quarter of an hour old at most; none before the first look.
    pub folder_bytes: BTreeMap<&'static str, u64>,
    /// Bytes of the results of ended jobs.
    pub result_bytes: u64,
    /// Jobs whose start is delayed.
    pub delayed_jobs: u64,
    /// Ends of jobs that receivers are still to be told of.
    pub callbacks_waiting: u64,
    /// What became of telling them since the engine was opened: delivered, failed (and tried again), given up.
    pub callbacks: [(&'static str, u64); 3],
    /// Jobs at work whose progress stands still.
    pub stuck_jobs: u64,
    /// Pairs compared by clusterings since the engine was opened; what was known already is not among them.
    pub pairs_compared: u64,
    /// How many the last clustering compared in a second; none if none has compared any.
    pub pairs_per_second: Option<f64>,
}

/// What is in all databases.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ContentFigures {
    /// Databases.
    pub databases: u64,
    /// Their faces.
    pub faces: u64,
    /// Images that were not tried yet.
    pub untrained: u64,
    /// Those that have an embedding.
    pub trained: u64,
    /// Those in which no usable face was found.
    pub failed: u64,
}

/// What is in one database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DatabaseFigures {
    /// Its name.
    pub name: DatabaseName,
    /// The model it is bound to, if it is.
    pub model: Option<String>,
    /// Its faces.
    pub faces: u64,
    /// Images that were not tried yet.
    pub untrained: u64,
    /// Those that have an embedding.
    pub trained: u64,
    /// Those in which no usable face was found.
    pub failed: u64,
}

/// What clusterings have compared.
#[derive(Debug, Default)]
pub(super) struct Pace(Mutex<Compared>);

impl Pace {
    fn compared(&self) -> MutexGuard<'_, Compared> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A clustering has compared so many pairs.
    pub(super) fn note(&self, pairs: u64, took: Duration) {
        let mut compared = self.compared();
        compared.pairs += pairs;
        if pairs > 0 && !took.is_zero() {
            compared.per_second = Some(pairs as f64 / took.as_secs_f64());
        }
    }
}

impl Engine {
    /// What is in each database, in name order.
    pub fn database_figures(&self) -> Result<Vec<DatabaseFigures>, EngineError> {
        let told = |(name, record): (DatabaseName, DatabaseRecord)| {
            let Count { faces, untrained, trained, failed } = self.tally.count(record.number);
            DatabaseFigures { name, model: record.model.map(|model| model.name), faces, untrained, trained, failed }
        };
        Ok(self.databases()?.into_iter().map(told).collect())
    }

    fn contents(&self) -> Result<ContentFigures, EngineError> {
        let records = self.databases()?;
        let count = |(_, record): &(_, DatabaseRecord)| self.tally.count(record.number);
        let Count { faces, untrained, trained, failed } = records.iter().map(count).fold(Count::default(), Count::plus);
        Ok(ContentFigures { databases: records.len() as u64, faces, untrained, trained, failed })
    }

    /// The figures now. They are there when the store has failed too, which is when they are looked at.
    pub fn overview(&self) -> Result<Figures, EngineError> {
        let contents = match self.contents() {
            Err(_) if self.failure().is_some() => None,
            contents => Some(contents?),
        };
        let mut jobs = nothing(|_| true);
        let mut result_bytes = 0u64;
        let (ended, delayed_jobs, callbacks_waiting, posted) = {
            let table = self.lock_jobs();
            for (_, entry) in table.iter() {
                result_bytes = result_bytes.saturating_add(entry.record.kept);
                *jobs.entry((entry.record.queue, entry.state().word())).or_default() += 1;
            }
            let (delayed, waiting) = (table.delayed.len() as u64, table.outbox.waiting() as u64);
            (table.ended.clone(), delayed, waiting, table.outbox.posted)
        };
        let mut jobs_ended = nothing(State::is_ended);
        jobs_ended.extend(ended.by);
        let mut job_seconds: BTreeMap<_, _> =
            Queue::ALL.into_iter().map(|queue| (queue, Histogram::new(&JOB_SECONDS))).collect();
        job_seconds.extend(ended.seconds);
        let compared = self.pace.compared();
        Ok(Figures {
            jobs,
            jobs_ended,
            job_seconds,
            contents,
            store_bytes: self.store.bytes().ok(),
            folder_bytes: self.folder_bytes(),
            result_bytes,
            delayed_jobs,
            callbacks_waiting,
            callbacks: [("delivered", posted.delivered), ("failed", posted.failed), ("given up", posted.given_up)],
            stuck_jobs: self.n_stuck(),
            pairs_compared: compared.pairs,
            pairs_per_second: compared.per_second,
        })
    }
}

/// No job of any queue in any of these states, by status word.
fn nothing(is: fn(State) -> bool) -> BTreeMap<(Queue, &'static str), u64> {
    let states = || State::ALL.into_iter().filter(|&state| is(state));
    Queue::ALL.into_iter().flat_map(|queue| states().map(move |state| ((queue, state.word()), 0))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_measurement_belongs_to_the_first_bound_that_holds_it() {
        let mut histogram = Histogram::new(&[1.0, 2.0]);
        for value in [0.0, 1.0, 1.5, 2.0, 2.5] {
            histogram.add(value);
        }
        assert_eq!((histogram.counts, histogram.sum), (vec![2, 2, 1], 7.0));
    }

    #[test]
    fn what_was_compared_adds_up_and_the_last_pace_counts() {
        let pace = Pace::default();
        pace.note(100, Duration::from_secs(2));
        pace.note(0, Duration::from_secs(9));
        pace.note(30, Duration::from_secs(1));
        let compared = pace.compared();
        assert_eq!((compared.pairs, compared.per_second), (130, Some(30.0)));
    }
}
