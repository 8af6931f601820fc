//! The table of jobs: what is kept of each, and how it is shown.
//!
//! **Promises.** What the table says is on the disk already. A view shares what it shows with the table, so that a
//! client that polls costs next to nothing.
//!
//! **Not here.** How a job comes in (`accept`), is chosen to start (`start`), is told something (`steer`), ends and is forgotten (`ending`).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use super::Engine;
use super::error::EngineError;
use super::figures::EndedJobs;
use super::outbox::Outbox;
use super::progress::{Control, Progress};
use super::records::{JobRecord, JobResult, Task};
use super::terms::TermsRecord;
use crate::job::{Lived, Priority, Queue, Run, State, Timestamp, Token};
use crate::store::{Batch, keys};

/// A job and, while it is at work, its run.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) record: Arc<JobRecord>,
    /// When it ended, if it has, in the time the store has lived: by this it is forgotten.
    pub(super) ended: Option<Lived>,
    /// There as long as a thread has the job, also if that has not noticed yet that the job has ended.
    pub(super) control: Option<Arc<Control>>,
}

impl Entry {
    /// A job that is not at work.
    fn new(record: JobRecord) -> Self {
        Self { record: Arc::new(record), ended: None, control: None }
    }

    pub(super) fn run(&self) -> Run {
        match &self.control {
            None => Run::Idle,
            Some(control) if control.orders.is_resting() => Run::Resting,
            Some(_) => Run::Running,
        }
    }

    pub(super) fn state(&self) -> State {
        self.record.life.state(self.run())
    }
}

/// All jobs that are kept.
#[derive(Debug, Default)]
pub(super) struct Jobs {
    table: BTreeMap<Token, Entry>,
    /// Jobs that were at work when the process ended uncleanly and have not ended since (contract R78).
    pub(super) suspects: BTreeSet<Token>,
    /// Queues that start nothing.
    pub(super) paused: BTreeSet<Queue>,
    /// Jobs whose records are damaged; of which queue they are nobody knows.
    pub(super) damaged: BTreeSet<Token>,
    /// For each job whose end is awaited, by how many; such a job is not forgotten.
    pub(super) attended: BTreeMap<Token, usize>,
    /// Forgotten jobs whose results are there still, because somebody may be reading them.
    forgotten: Vec<Removed>,
    /// Jobs that are written and not yet synced: nobody sees them, but they have their places.
    arriving: BTreeMap<Token, Queue>,
    /// What is agreed on with jobs besides their tasks, where that is something.
    pub(super) terms: BTreeMap<Token, Arc<TermsRecord>>,
    /// Jobs whose start is delayed, with the uptime at which that is over.
    pub(super) delayed: BTreeMap<Token, Duration>,
    /// Ends of jobs that are to be told.
    pub(super) outbox: Outbox,
    /// How many jobs of each queue have not ended.
    n_open: BTreeMap<Queue, usize>,
    /// What ended since the start.
    pub(super) ended: EndedJobs,
    /// The number that the last accepted job has in the order of acceptance.
    last_order: u64,
    /// Nothing is accepted or started any more.
    pub(super) stopping: bool,
}

/// A job that is forgotten, whose result is not removed yet.
pub(super) type Removed = (Token, Arc<JobRecord>);

impl Jobs {
    /// All jobs, in the order of their tokens.
    pub(super) fn iter(&self) -> impl Iterator<Item = (Token, &Entry)> {
        self.table.iter().map(|(&token, entry)| (token, entry))
    }

    /// Those of a queue.
    pub(super) fn of(&self, queue: Queue) -> impl Iterator<Item = (Token, &Entry)> {
        self.iter().filter(move |(_, entry)| entry.record.queue == queue)
    }

    pub(super) fn get(&self, token: Token) -> Option<&Entry> {
        self.table.get(&token)
    }

    pub(super) fn get_mut(&mut self, token: Token) -> Option<&mut Entry> {
        self.table.get_mut(&token)
    }

    /// The job with this token, if it is of this queue.
    pub(super) fn find(&self, queue: Queue, token: Token) -> Result<&Entry, EngineError> {
        let entry = self.table.get(&token).filter(|entry| entry.record.queue == queue);
        entry.ok_or_else(|| {
            if self.damaged.contains(&token) {
                return EngineError::damaged_job(token);
            }
            EngineError::unknown_token(queue, &token.to_string())
        })
    }

    /// Jobs of a queue that have not ended, with those that are about to be there.
    pub(super) fn n_open(&self, queue: Queue) -> usize {
        let n_arriving = self.arriving.values().filter(|&&other| other == queue).count();
        self.n_open.get(&queue).copied().unwrap_or(0) + n_arriving
    }

    /// Whether a job has this token, or is about to.
    pub(super) fn is_taken(&self, token: Token) -> bool {
        self.table.contains_key(&token) || self.arriving.contains_key(&token)
    }

    /// Whether a job is written and not yet synced.
    pub(super) fn is_arriving(&self, token: Token) -> bool {
        self.arriving.contains_key(&token)
    }

    /// The number in the order of acceptance that no other job has or is given.
    pub(super) fn take_order(&mut self) -> u64 {
        self.last_order += 1;
        self.last_order
    }

    /// Keeps a place for a job until it has [arrived](Self::arrived).
    pub(super) fn arrives(&mut self, token: Token, queue: Queue, is_told: bool) {
        self.arriving.insert(token, queue);
        if is_told {
            self.outbox.promise(token);
        }
    }

    /// Its place is its own from now on, or nobody's.
    pub(super) fn arrived(&mut self, token: Token) {
        self.arriving.remove(&token);
        self.outbox.take_back(token);
    }

    /// Takes up what was stored of a job: a new one, or what a known one is from now on. The one place where records
    /// come into the table, so that what is counted of them is right. One that has ended did so at `now` if it was not known
    /// before.
    pub(super) fn put(&mut self, token: Token, record: JobRecord, now: Lived) {
        let queue = record.queue;
        self.last_order = self.last_order.max(record.order);
        let is_open = !record.life.has_ended();
        let was_open = match self.table.get_mut(&token) {
            Some(entry) => {
                let was_open = !entry.record.life.has_ended();
                if was_open {
                    let took = entry.control.as_ref().map(|control| control.lasted());
                    self.ended.note(queue, &record.life, took);
                }
                entry.record = Arc::new(record);
                was_open
            }
            None => {
                if is_open && self.terms(token).is_some_and(|terms| terms.callback.is_some()) {
                    self.outbox.promise(token);
                }
                self.table.insert(token, Entry::new(record));
                false
            }
        };
        if was_open && !is_open {
            self.delayed.remove(&token);
            let record = Arc::clone(&self.table[&token].record);
            self.posted(token, &record);
        }
        if let Some(entry) = self.table.get_mut(&token).filter(|_| !is_open) {
            entry.ended.get_or_insert(now);
        }
        let n_open = self.n_open.entry(queue).or_default();
        *n_open = *n_open + usize::from(is_open) - usize::from(was_open);
    }

    /// Removes a job; its result stays until [`Self::unseen`] gives it.
    pub(super) fn remove(&mut self, token: Token) {
        self.terms.remove(&token);
        if let Some(entry) = self.table.remove(&token) {
            self.forgotten.push((token, entry.record));
        }
    }

    /// The removed jobs that no [`JobView`] shows any more, once each; nobody can get another view of them.
    pub(super) fn unseen(&mut self) -> Vec<Removed> {
        let is_unseen = |(_, record): &mut Removed| Arc::strong_count(record) == 1;
        self.forgotten.extract_if(.., is_unseen).collect()
    }

    /// Their results could not be removed: they are given again the next time.
    pub(super) fn still_there(&mut self, removed: Vec<Removed>) {
        self.forgotten.extend(removed);
    }
}

/// A job, as shown to clients.
#[derive(Debug, Clone)]
pub struct JobView {
    /// Its token.
    pub token: Token,
    /// Where it stands.
    pub state: State,
    /// How soon it is started.
    pub priority: Priority,
    /// When it was accepted.
    pub queued: Timestamp,
    /// When it was started, if it was.
    pub started: Option<Timestamp>,
    /// When it ended, if it has.
    pub ended: Option<Timestamp>,
    /// How far it is: 0 before the start, 100 when Finished.
    pub progress: Progress,
    /// When this was looked at.
    pub now: Timestamp,
    /// Before when it does not start; until it has started.
    pub start_after: Option<Timestamp>,
    record: Arc<JobRecord>,
}

impl JobView {
    /// What it is to do.
    pub fn task(&self) -> &Task {
        &self.record.task
    }

    /// What came of it, once it has Finished or ended in Error.
    pub fn result(&self) -> Option<&JobResult> {
        self.record.result.as_ref()
    }

    /// The parameters as the client gave them, names in lower case and in their order (contract R97).
    pub fn parameters(&self) -> &[(String, String)] {
        &self.record.parameters
    }
}

/// The figures of a queue (contract R98).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct QueueFigures {
    /// Whether it starts nothing.
    pub is_paused: bool,
    /// Jobs that have not started.
    pub pending: usize,
    /// Jobs at work, or paused at work.
    pub running: usize,
    /// Jobs that have ended and are kept.
    pub completed: usize,
}

impl Engine {
    /// The jobs of a queue that are kept, in the order of acceptance.
    pub fn jobs(&self, queue: Queue) -> Vec<JobView> {
        let jobs = self.lock_jobs();
        let mut list: Vec<JobView> = jobs.of(queue).map(|(token, entry)| self.view(&jobs, token, entry)).collect();
        drop(jobs);
        list.sort_by_key(|job| job.record.order);
        list
    }

    /// One job of a queue.
    pub fn job(&self, queue: Queue, token: Token) -> Option<JobView> {
        self.find_job(queue, token).ok()
    }

    /// The same, with why there is none: it is not known, or its record is damaged.
    pub fn find_job(&self, queue: Queue, token: Token) -> Result<JobView, EngineError> {
        let jobs = self.lock_jobs();
        jobs.find(queue, token).map(|entry| self.view(&jobs, token, entry))
    }

    /// How many jobs of a queue are where.
    pub fn figures(&self, queue: Queue) -> QueueFigures {
        let jobs = self.lock_jobs();
        let mut figures = QueueFigures { is_paused: jobs.paused.contains(&queue), ..QueueFigures::default() };
        for (_, entry) in jobs.of(queue) {
            let state = entry.state();
            if state.is_ended() {
                figures.completed += 1;
            } else if state.is_waiting() {
                figures.pending += 1;
            } else {
                figures.running += 1;
            }
        }
        figures
    }

    pub(super) fn view(&self, jobs: &Jobs, token: Token, entry: &Entry) -> JobView {
        let record = Arc::clone(&entry.record);
        let state = entry.state();
        let terms = jobs.terms(token).filter(|_| !state.is_ended());
        let start_after = terms.and_then(|terms| Some(terms.delay?.until));
        let mut progress = match (&record.reached, &entry.control) {
            (Some(reached), _) => reached.clone(),
            (None, Some(control)) => control.progress(),
            (None, None) => Progress::default(),
        };
        if state == State::Resting {
            progress.remaining = None; // nobody knows how long a pause takes
        }
        JobView {
            token,
            state,
            priority: record.priority,
            queued: record.life.queued,
            started: record.life.started,
            ended: record.life.ended,
            progress,
            now: self.clock.now(),
            start_after,
            record,
        }
    }
}

/// A batch with one job; if it has ended, it did so at `now`.
pub(super) fn put(token: Token, record: &JobRecord, now: Lived) -> Batch {
    let mut batch = Batch::new();
    put_into(&mut batch, token, record, now);
    batch
}

/// Adds a job to a batch.
pub(super) fn put_into(batch: &mut Batch, token: Token, record: &JobRecord, now: Lived) {
    batch.record(&keys::job(token), record);
    if record.life.has_ended() {
        batch.record(&keys::end(token), &now);
    }
}
