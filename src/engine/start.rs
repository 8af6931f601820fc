//! Which job is started next, and its start.

use std::sync::Arc;

use tracing::info;

use super::Engine;
use super::error::EngineError;
use super::jobs::{Entry, Jobs, put};
use super::orders::Order;
use super::progress::Control;
use super::records::{JobRecord, Task};
use crate::job::{Event, Queue, Run, State, Token, Waiting, next};

/// What a job's thread is handed.
#[derive(Debug)]
pub(super) struct Started {
    pub(super) token: Token,
    record: Arc<JobRecord>,
    pub(super) control: Arc<Control>,
}

impl Started {
    pub(super) fn task(&self) -> &Task {
        &self.record.task
    }
}

impl Engine {
    /// Takes up the next job, if there is one and its queue has a thread free. Its start is on the disk before its
    /// work begins, so that a job that kills the process is known by its attempts (contract R77).
    pub(super) fn start_next(&self) -> Result<Option<Started>, EngineError> {
        let is_low = self.watch_room();
        let mut jobs = self.turn();
        if jobs.stopping || is_low {
            return Ok(None);
        }
        jobs.end_delays(|| self.clock.uptime());
        let Some(token) = Queue::ALL.into_iter().find_map(|queue| self.choose(&jobs, queue)) else {
            return Ok(None);
        };
        let record = &jobs.get(token).expect("a chosen job is in the table").record;
        let (life, _) =
            record.life.after(Run::Idle, Event::Start, self.clock.now()).expect("only jobs that wait are chosen");
        let record = JobRecord { life, ..record.as_ref().clone() };
        let mut batch = put(token, &record, self.lived());
        let terms = jobs.start_into(&mut batch, token);
        jobs.commit(batch)?;
        if let Some(terms) = terms {
            jobs.terms.insert(token, Arc::new(terms));
        }
        info!(%token, queue = %record.queue, attempt = record.life.attempts, "job started");
        jobs.put(token, record, self.lived());
        let entry = jobs.get_mut(token).expect("it was put there");
        let control = Arc::new(Control::new());
        entry.control = Some(Arc::clone(&control));
        let started = Arc::clone(&entry.record);
        if jobs.stopping {
            control.orders.end(Order::Release); // it was told to all runs meanwhile
        }
        Ok(Some(Started { token, record: started, control }))
    }

    /// The job of a queue to start now. While a job is left that was at work at an unclean end, only such jobs run, one
    /// at a time over all queues, so that none is condemned with another (contract R78); but only if it can run at
    /// all: one that is paused holds nobody up.
    fn choose(&self, jobs: &Jobs, queue: Queue) -> Option<Token> {
        // At every acceptance all queues are looked at: those with nothing to do must not cost a walk over all jobs.
        if jobs.paused.contains(&queue) || jobs.n_open(queue) == 0 {
            return None;
        }
        let is_busy = |entry: &Entry| entry.control.is_some() && entry.state() != State::Resting;
        let is_in_doubt = jobs.suspects.iter().filter_map(|&token| jobs.get(token)).any(|entry| {
            is_busy(entry) || (entry.state() == State::Queued && !self.is_held_up(jobs, entry.record.queue))
        });
        let is_taken = if is_in_doubt {
            jobs.iter().any(|(_, entry)| is_busy(entry))
        } else {
            jobs.of(queue).filter(|(_, entry)| entry.control.is_some()).count() >= self.settings.max_jobs_of(queue)
        };
        if is_taken || self.is_held_up(jobs, queue) {
            return None;
        }
        let is_ready = |token: Token, entry: &Entry| {
            let is_free = !is_in_doubt || jobs.suspects.contains(&token);
            entry.state() == State::Queued && is_free && !jobs.delayed.contains_key(&token)
        };
        let candidates = jobs.of(queue).filter(|&(token, entry)| is_ready(token, entry));
        next(candidates.map(|(token, entry)| Waiting {
            token,
            priority: entry.record.priority,
            order: entry.record.order,
        }))
    }

    /// Whether no job of a queue can start before somebody resumes something.
    fn is_held_up(&self, jobs: &Jobs, queue: Queue) -> bool {
        let n_resting = jobs.of(queue).filter(|(_, entry)| entry.state() == State::Resting).count();
        jobs.paused.contains(&queue) || n_resting >= self.settings.max_jobs_of(queue)
    }
}
