//! The queues: jobs accepted, started, steered and ended, each step on the disk before anyone is told.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use tracing::{info, warn};

use super::error::{EngineError, ErrorKind};
use super::progress::{Control, Order, Progress};
use super::records::{JobRecord, JobResult, Task};
use super::{Engine, Upload};
use crate::job::{DEFAULT_PRIORITY, Event, Life, Queue, Run, State, Timestamp, Token, Waiting, expired, next};
use crate::store::{Batch, keys};

/// A job and, while it is at work, its run.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) record: JobRecord,
    pub(super) control: Option<Arc<Control>>,
    /// How far its last run in this process came.
    reached: Progress,
}

impl Entry {
    /// A job that is not at work.
    pub(super) fn new(record: JobRecord) -> Self {
        Self { record, control: None, reached: Progress::default() }
    }

    fn run(&self) -> Run {
        if self.control.is_some() { Run::Running } else { Run::Idle }
    }

    fn state(&self) -> State {
        self.record.life.state(self.run())
    }
}

/// All jobs that are kept.
#[derive(Debug, Default)]
pub(super) struct Jobs {
    pub(super) table: BTreeMap<Token, Entry>,
    /// Jobs that were at work when the process ended uncleanly and have not ended since (contract R78).
    pub(super) suspects: BTreeSet<Token>,
    /// Nothing is accepted or started any more.
    stopping: bool,
}

/// A job, as shown to clients.
#[derive(Debug, Clone)]
pub struct JobView {
    /// Its token.
    pub token: Token,
    /// Where it stands.
    pub state: State,
    /// When it was accepted.
    pub queued: Timestamp,
    /// When it was started, if it was.
    pub started: Option<Timestamp>,
    /// When it ended, if it has.
    pub ended: Option<Timestamp>,
    /// What it is to do.
    pub task: Task,
    /// What came of it.
    pub result: Option<JobResult>,
    /// How far it is: 0 before the start, 100 when Finished.
    pub progress: Progress,
    /// When this was looked at.
    pub now: Timestamp,
}

/// What a job's thread is handed.
#[derive(Debug)]
pub(super) struct Started {
    pub(super) token: Token,
    pub(super) task: Task,
    pub(super) control: Arc<Control>,
}

impl Engine {
    /// Accepts a job: when this returns, it is on the disk (contract R63).
    pub fn submit(&self, task: Task) -> Result<Token, EngineError> {
        self.accept(Token::generate(), task)
    }

    /// Refuses if the queue takes no more, before anything is written for a job that will not be.
    pub(super) fn check_capacity(&self, queue: Queue) -> Result<(), EngineError> {
        let jobs = self.lock_jobs();
        self.check_capacity_of(&jobs, queue)
    }

    fn check_capacity_of(&self, jobs: &Jobs, queue: Queue) -> Result<(), EngineError> {
        if jobs.stopping {
            return Err(EngineError::new(ErrorKind::Stopping, "the server is stopping and takes no more jobs"));
        }
        let of_queue = jobs.table.values().filter(|entry| entry.record.queue == queue);
        let n_open = of_queue.filter(|entry| !entry.state().is_ended()).count();
        if n_open >= self.settings.max_queue {
            return Err(EngineError::queue_full(queue, self.settings.max_queue));
        }
        Ok(())
    }

    pub(super) fn accept(&self, token: Token, task: Task) -> Result<Token, EngineError> {
        let queue = match task {
            Task::Cluster(_) => Queue::FaceClustering,
            Task::Import(_) => Queue::ImportFaceDatabase,
        };
        let mut jobs = self.lock_jobs();
        self.check_capacity_of(&jobs, queue)?;
        let order = 1 + jobs.table.values().map(|entry| entry.record.order).max().unwrap_or(0);
        let life = Life::new(self.clock.now());
        let record = JobRecord { queue, order, priority: DEFAULT_PRIORITY, life, task, result: None };
        self.store.commit(put(token, &record))?;
        jobs.table.insert(token, Entry::new(record));
        drop(jobs);
        tracing::Span::current().record("token", tracing::field::display(token)); // of the request, if it has the field
        info!(%token, %queue, "job accepted");
        self.wake.notify_one();
        Ok(token)
    }

    /// The jobs of a queue that are kept, in the order of acceptance.
    pub fn jobs(&self, queue: Queue) -> Vec<JobView> {
        let jobs = self.lock_jobs();
        let mut list: Vec<_> = jobs.table.iter().filter(|(_, entry)| entry.record.queue == queue).collect();
        list.sort_by_key(|(_, entry)| entry.record.order);
        list.into_iter().map(|(&token, entry)| self.view(token, entry)).collect()
    }

    /// How many jobs are kept, by queue and status word.
    pub(super) fn job_counts(&self) -> BTreeMap<(Queue, &'static str), u64> {
        let mut counts = BTreeMap::new();
        for entry in self.lock_jobs().table.values() {
            *counts.entry((entry.record.queue, entry.state().word())).or_default() += 1;
        }
        counts
    }

    /// One job of a queue.
    pub fn job(&self, queue: Queue, token: Token) -> Option<JobView> {
        let jobs = self.lock_jobs();
        let entry = jobs.table.get(&token).filter(|entry| entry.record.queue == queue)?;
        Some(self.view(token, entry))
    }

    fn view(&self, token: Token, entry: &Entry) -> JobView {
        let JobRecord { life, task, result, .. } = &entry.record;
        let state = entry.state();
        let progress = match (&entry.control, state) {
            (Some(control), _) => control.progress(),
            (None, State::Finished) => Progress { percent: 100.0, ..Progress::default() },
            (None, State::Queued) => Progress::default(),
            (None, _) => Progress { remaining: None, ..entry.reached.clone() },
        };
        JobView {
            token,
            state,
            queued: life.queued,
            started: life.started.filter(|_| entry.control.is_some() || state.is_ended()),
            ended: life.ended,
            task: task.clone(),
            result: result.clone(),
            progress,
            now: self.clock.now(),
        }
    }

    /// Cancels a job that has not started (contract R88: an error in any other state).
    pub fn cancel(&self, queue: Queue, token: Token) -> Result<State, EngineError> {
        self.steer(queue, token, Event::Cancel, "cancel")
    }

    /// Asks a job to end; one that has not started is Cancelled, a running one is Stopped as soon as it notices.
    pub fn stop(&self, queue: Queue, token: Token) -> Result<State, EngineError> {
        self.steer(queue, token, Event::Stop, "stop")
    }

    /// Asks every job at work in the queue to end; returns them with their state after the request.
    pub fn stop_all(&self, queue: Queue) -> Result<Vec<(Token, State)>, EngineError> {
        let at_work: Vec<Token> = {
            let jobs = self.lock_jobs();
            let of_queue = jobs.table.iter().filter(|(_, entry)| entry.record.queue == queue);
            of_queue.filter(|(_, entry)| entry.control.is_some()).map(|(&token, _)| token).collect()
        };
        let mut list = Vec::new();
        for token in at_work {
            match self.stop(queue, token) {
                Ok(state) => list.push((token, state)),
                Err(error) if error.kind() == ErrorKind::State => {} // it ended meanwhile
                Err(error) => return Err(error),
            }
        }
        Ok(list)
    }

    fn steer(&self, queue: Queue, token: Token, event: Event, asked: &str) -> Result<State, EngineError> {
        let mut jobs = self.lock_jobs();
        let entry = jobs.table.get_mut(&token).filter(|entry| entry.record.queue == queue);
        let entry = entry.ok_or_else(|| EngineError::unknown_token(queue, &token.to_string()))?;
        let (life, run) = (entry.record.life)
            .after(entry.run(), event, self.clock.now())
            .map_err(|refused| EngineError::wrong_state(asked, refused.state))?;
        let record = JobRecord { life, ..entry.record.clone() };
        self.store.commit(put(token, &record))?;
        let task = record.task.clone();
        entry.record = record;
        if let Some(control) = &entry.control {
            control.tell(Order::Stop);
        }
        let state = entry.state();
        debug_assert_eq!(state, entry.record.life.state(run), "steering starts no run and ends none");
        if state.is_ended() {
            jobs.suspects.remove(&token);
            drop(jobs);
            self.recorder.job_ended(queue, state, None); // it was never started
            self.remove_files(token, &task);
            self.forget_expired(queue);
            self.wake.notify_one();
        }
        info!(%token, %queue, %state, "job told to {asked}");
        Ok(state)
    }

    /// Takes up the next job, if there is one and its queue has a thread free. Its start is on the disk before its
    /// work begins, so that a job that kills the process is known by its attempts (contract R77).
    pub(super) fn start_next(&self) -> Result<Option<Started>, EngineError> {
        let mut jobs = self.lock_jobs();
        if jobs.stopping {
            return Ok(None);
        }
        let Some(token) = Queue::ALL.into_iter().find_map(|queue| choose(&jobs, queue)) else {
            return Ok(None);
        };
        let entry = jobs.table.get_mut(&token).expect("a chosen job is in the table");
        let (life, _) = (entry.record.life)
            .after(Run::Idle, Event::Start, self.clock.now())
            .expect("only jobs that wait are chosen");
        let record = JobRecord { life, ..entry.record.clone() };
        self.store.commit(put(token, &record))?;
        entry.record = record;
        let control = Arc::new(Control::new());
        entry.control = Some(Arc::clone(&control));
        info!(%token, queue = %entry.record.queue, attempt = entry.record.life.attempts, "job started");
        Ok(Some(Started { token, task: entry.record.task.clone(), control }))
    }

    /// Notes that a job at work has durably saved more than the runs before it: the unclean ends before that are not
    /// held against it any more (contract R77), and it need not run alone any longer (R78).
    pub(super) fn advance(&self, token: Token) {
        let mut jobs = self.lock_jobs();
        let Some(entry) = jobs.table.get_mut(&token).filter(|entry| entry.record.life.attempts > 1) else { return };
        let Ok((life, _)) = entry.record.life.after(entry.run(), Event::Advance, self.clock.now()) else { return };
        let record = JobRecord { life, ..entry.record.clone() };
        if let Err(error) = self.store.commit(put(token, &record)) {
            warn!(%token, error = &error as &dyn std::error::Error, "the progress of a job could not be noted");
            return;
        }
        entry.record = record;
        jobs.suspects.remove(&token);
        drop(jobs);
        info!(%token, "progress saved; the unclean ends before it do not count any more");
        self.wake.notify_one();
    }

    /// Ends or puts back a job at work. `with` is written in the same step, only if the job is Finished by it. A job
    /// that has ended already stays as it is.
    pub(super) fn end(
        &self,
        token: Token,
        event: Event,
        result: Option<JobResult>,
        with: Batch,
    ) -> Result<State, EngineError> {
        let mut jobs = self.lock_jobs();
        let entry = jobs.table.get_mut(&token).expect("only ended jobs are forgotten, and this one is at work");
        if entry.state().is_ended() {
            return Ok(entry.state());
        }
        let (life, run) = (entry.record.life)
            .after(entry.run(), event, self.clock.now())
            .expect("a job at work can end in any of these ways");
        let state = life.state(run);
        let result = result.filter(|_| matches!(state, State::Finished | State::Error));
        let record = JobRecord { life, result, ..entry.record.clone() };
        let mut batch = if state == State::Finished { with } else { Batch::new() };
        let key = keys::job(token);
        batch.record(&key, &record);
        self.store.commit(batch)?;
        let (queue, task, took) = (record.queue, record.task.clone(), record.life.took());
        entry.record = record;
        entry.reached = entry.control.take().map(|control| control.progress()).unwrap_or_default();
        jobs.suspects.remove(&token);
        drop(jobs);
        if state.is_ended() && state != State::Finished {
            self.remove_log(token); // that of a Finished job is kept, or removed, by its run
        }
        if state.is_ended() {
            self.recorder.job_ended(queue, state, took);
            self.remove_uploads(&task);
        }
        info!(%token, %queue, %state, "job left its thread");
        self.forget_expired(queue);
        self.wake.notify_one();
        Ok(state)
    }

    /// Removes the ended jobs of a queue that are kept no longer (contract R79); if that fails it is tried again later.
    pub(super) fn forget_expired(&self, queue: Queue) {
        let forgotten = self.try_to_forget(queue).and_then(|tokens| {
            // outside the lock: a result may be large, and nobody can ask for it any more
            tokens.into_iter().try_for_each(|token| self.clear_result(token))
        });
        if let Err(error) = forgotten {
            warn!(error = &error as &dyn std::error::Error, "ended jobs could not be removed");
        }
    }

    /// The same of every queue.
    pub(super) fn forget_all_expired(&self) {
        for queue in Queue::ALL {
            self.forget_expired(queue);
        }
    }

    fn try_to_forget(&self, queue: Queue) -> Result<Vec<Token>, EngineError> {
        let mut jobs = self.lock_jobs();
        let ended = jobs.table.iter().filter(|(_, entry)| entry.record.queue == queue);
        let ended = ended.filter_map(|(&token, entry)| Some((token, entry.record.life.ended?)));
        let tokens = expired(ended, self.clock.now(), self.settings.retention);
        let mut batch = Batch::new();
        for &token in &tokens {
            batch.remove(keys::job(token));
            batch.put(keys::forgotten_job(token), Vec::new());
        }
        if !tokens.is_empty() {
            self.store.commit(batch)?;
        }
        for token in &tokens {
            jobs.table.remove(token);
        }
        Ok(tokens)
    }

    /// Removes the result of a job that is forgotten already.
    pub(super) fn clear_result(&self, token: Token) -> Result<(), EngineError> {
        self.clear_rows(&[keys::result(token)])?;
        let mut batch = Batch::new();
        batch.remove(keys::forgotten_job(token));
        Ok(self.store.write(batch)?)
    }

    /// Accepts and starts nothing more, and tells every run to put its job back into the queue.
    pub(super) fn release_all(&self) {
        self.stopping.store(true, Ordering::Relaxed);
        let mut jobs = self.lock_jobs();
        jobs.stopping = true;
        for control in jobs.table.values().filter_map(|entry| entry.control.as_ref()) {
            control.tell(Order::Release);
        }
    }

    /// The files that came with a job.
    pub(super) fn uploads(task: &Task) -> impl Iterator<Item = &Upload> {
        let (data, ids) = match task {
            Task::Import(import) => (Some(&import.data), import.ids.as_ref()),
            Task::Cluster(_) => (None, None),
        };
        data.into_iter().chain(ids)
    }

    /// The files of a job that ended without a run.
    fn remove_files(&self, token: Token, task: &Task) {
        self.remove_log(token);
        self.remove_uploads(task);
    }

    pub(super) fn remove_uploads(&self, task: &Task) {
        for upload in Self::uploads(task) {
            if let Err(error) = std::fs::remove_file(self.upload_path(upload)) {
                warn!(file = upload.file, %error, "an upload could not be removed; the next start tries again");
            }
        }
    }
}

/// A batch with one job.
pub(super) fn put(token: Token, record: &JobRecord) -> Batch {
    let key = keys::job(token);
    let mut batch = Batch::new();
    batch.record(&key, record);
    batch
}

/// The job of a queue to start now. Each queue has one thread; while a job is left that was at work at an unclean end,
/// only such jobs run, one at a time over all queues, so that none is condemned with another (contract R78).
fn choose(jobs: &Jobs, queue: Queue) -> Option<Token> {
    let is_busy = |entry: &Entry| entry.control.is_some();
    let is_suspicious = !jobs.suspects.is_empty();
    let is_blocked = jobs.table.values().any(|entry| is_busy(entry) && (is_suspicious || entry.record.queue == queue));
    if is_blocked {
        return None;
    }
    let candidates = jobs.table.iter().filter(|(token, entry)| {
        entry.record.queue == queue
            && entry.state() == State::Queued
            && (!is_suspicious || jobs.suspects.contains(token))
    });
    next(candidates.map(|(&token, entry)| Waiting {
        token,
        priority: entry.record.priority,
        order: entry.record.order,
    }))
}
