//! What clients tell jobs and queues: cancel, stop, pause, resume, another priority.
//!
//! **Promises.** What is answered is on the disk (contract R74). What concerns several jobs is one write: after a crash
//! all of them know it, or none.

use tracing::info;

use super::Engine;
use super::error::EngineError;
use super::jobs::{Entry, Jobs, put, put_into};
use super::orders::Order;
use super::records::JobRecord;
use super::turn::Turn;
use crate::job::{Event, Life, Priority, Queue, Refused, Run, State, Token};
use crate::store::{Batch, keys};

/// Jobs with their state after a request (contract R87).
pub type Concerned = Vec<(Token, State)>;

impl Engine {
    /// Cancels a job that has not started (contract R88: an error in any other state).
    pub fn cancel(&self, queue: Queue, token: Token) -> Result<State, EngineError> {
        self.steer(queue, token, Event::Cancel, "cancel")
    }

    /// Asks a job to end; one that has not started is Cancelled, a running one is Stopped as soon as it notices, one
    /// that is paused at work is Stopped.
    pub fn stop(&self, queue: Queue, token: Token) -> Result<State, EngineError> {
        self.steer(queue, token, Event::Stop, "stop")
    }

    /// Keeps a job from starting, or lets its work wait as soon as it can.
    pub fn pause(&self, queue: Queue, token: Token) -> Result<State, EngineError> {
        self.steer(queue, token, Event::Pause, "pause")
    }

    /// Undoes [`Engine::pause`]: the job works on, or is Queued at its old place.
    pub fn resume(&self, queue: Queue, token: Token) -> Result<State, EngineError> {
        self.steer(queue, token, Event::Resume, "resume")
    }

    /// Gives a job that has not started another priority (contract R88: an error in any other state).
    pub fn change_priority(&self, queue: Queue, token: Token, priority: Priority) -> Result<State, EngineError> {
        let mut jobs = self.turn();
        let entry = jobs.find(queue, token)?;
        let state = entry.state();
        if !state.is_waiting() {
            return Err(EngineError::wrong_state("changePriority", state));
        }
        let record = JobRecord { priority, ..entry.record.as_ref().clone() };
        jobs.commit(put(token, &record, self.lived()))?;
        jobs.put(token, record, self.lived());
        drop(jobs);
        info!(%token, %queue, %priority, "job given another priority");
        self.wake.notify_one();
        Ok(state)
    }

    /// Asks every job at work in the queue to end.
    pub fn stop_all(&self, queue: Queue) -> Result<Concerned, EngineError> {
        let now = self.clock.now();
        let mut jobs = self.turn();
        let at_work = |entry: &Entry| entry.control.is_some();
        let changes = changes(&jobs, queue, at_work, |life, run| life.after(run, Event::Stop, now));
        let concerned = self.put_steered(&mut jobs, &changes, Batch::new())?;
        Ok(self.changed(jobs, queue, concerned, "stop"))
    }

    /// Pauses the queue: jobs at work pause, those that wait do not start and stay Queued.
    pub fn pause_queue(&self, queue: Queue) -> Result<Concerned, EngineError> {
        let now = self.clock.now();
        let mut jobs = self.turn();
        let at_work = |entry: &Entry| entry.control.is_some() && entry.state() != State::Stopping;
        let changes = changes(&jobs, queue, at_work, |life, run| life.paused_with_queue(run, now));
        let mut batch = Batch::new();
        batch.put(keys::paused_queue(queue), Vec::new());
        let concerned = self.put_steered(&mut jobs, &changes, batch)?;
        jobs.paused.insert(queue);
        info!(%queue, "queue paused");
        Ok(self.changed(jobs, queue, concerned, "pause"))
    }

    /// Undoes [`Engine::pause_queue`]: jobs that it paused work on or are Queued, and jobs start. What was paused by its
    /// token stays so.
    pub fn resume_queue(&self, queue: Queue) -> Result<Concerned, EngineError> {
        let now = self.clock.now();
        let mut jobs = self.turn();
        let with_queue = |entry: &Entry| entry.record.life.is_paused_with_queue();
        let changes = changes(&jobs, queue, with_queue, |life, run| life.after(run, Event::Resume, now));
        let mut batch = Batch::new();
        batch.remove(keys::paused_queue(queue));
        let concerned = self.put_steered(&mut jobs, &changes, batch)?;
        jobs.paused.remove(&queue);
        info!(%queue, "queue resumed");
        Ok(self.changed(jobs, queue, concerned, "resume"))
    }

    fn steer(&self, queue: Queue, token: Token, event: Event, asked: &str) -> Result<State, EngineError> {
        let now = self.clock.now();
        let mut jobs = self.turn();
        let entry = jobs.find(queue, token)?;
        let (life, _) = (entry.record.life)
            .after(entry.run(), event, now)
            .map_err(|refused| EngineError::wrong_state(asked, refused.state))?;
        let concerned = self.put_steered(&mut jobs, &[(token, life)], Batch::new())?;
        let state = concerned[0].1;
        self.changed(jobs, queue, concerned, asked);
        Ok(state)
    }

    /// Writes what jobs are from now on, and what else belongs to it, and then tells their runs.
    fn put_steered(
        &self,
        jobs: &mut Turn<'_>,
        changes: &[(Token, Life)],
        mut batch: Batch,
    ) -> Result<Concerned, EngineError> {
        let (lived, mut records) = (self.lived(), Vec::new());
        for (token, life) in changes {
            let entry = jobs.get(*token).expect("it was found under this lock");
            if entry.record.life == *life {
                continue;
            }
            let control = entry.control.as_ref().filter(|_| life.has_ended());
            let reached = control.map(|control| control.reached(false));
            let record = JobRecord { life: life.clone(), reached, ..entry.record.as_ref().clone() };
            put_into(&mut batch, *token, &record, lived);
            jobs.post_into(&mut batch, *token, &record);
            if life.has_ended() && entry.control.is_some() {
                // Its thread may have left parts of a result, and may not live to clear them.
                batch.put(keys::forgotten_job(*token), Vec::new());
            }
            records.push((*token, record));
        }
        if !batch.is_empty() {
            jobs.commit(batch)?;
        }
        for (token, record) in records {
            if record.life.has_ended() {
                jobs.suspects.remove(&token);
            }
            jobs.put(token, record, lived);
            if let Some(entry) = jobs.get(token) {
                tell(entry);
            }
        }
        let state = |token| jobs.get(token).expect("it is there still").state();
        Ok(changes.iter().map(|&(token, _)| (token, state(token))).collect())
    }

    /// Does what follows a change, without the lock.
    fn changed(&self, jobs: Turn<'_>, queue: Queue, concerned: Concerned, asked: &str) -> Concerned {
        let ended = concerned.iter().filter(|(_, state)| state.is_ended());
        let idle = ended.filter_map(|&(token, _)| Some((token, jobs.get(token)?)).filter(|(_, e)| e.control.is_none()));
        let without_thread: Vec<_> = idle.map(|(token, entry)| (token, entry.record.clone())).collect();
        drop(jobs);
        for (token, state) in &concerned {
            info!(%token, %queue, %state, "job told to {asked}");
        }
        for (token, record) in without_thread {
            self.remove_files(token, &record.task);
        }
        if concerned.iter().any(|(_, state)| state.is_ended()) {
            self.ended.notify_all();
            self.posted.notify_one();
            self.forget_expired(queue);
        }
        self.wake.notify_one();
        concerned
    }
}

/// Tells the run of a job, if it has one, what its record says.
fn tell(entry: &Entry) {
    let Some(control) = &entry.control else { return };
    match entry.record.life.state(Run::Running) {
        State::Pausing => control.orders.pause(),
        State::Processing => control.orders.resume(),
        _ => control.orders.end(Order::Stop),
    }
}

/// What becomes of those jobs of a queue that are meant, as far as it is possible where they stand.
fn changes(
    jobs: &Jobs,
    queue: Queue,
    is_meant: impl Fn(&Entry) -> bool,
    after: impl Fn(&Life, Run) -> Result<(Life, Run), Refused>,
) -> Vec<(Token, Life)> {
    let meant = jobs.of(queue).filter(|(_, entry)| is_meant(entry));
    meant.filter_map(|(token, entry)| Some((token, after(&entry.record.life, entry.run()).ok()?.0))).collect()
}
