//! Waiting for the end of a job, without asking again and again (contract R80-R83).
//!
//! **Promises.** A job that is attended is not forgotten before whoever attends has gone, so that its result can be
//! read. Waiting ends with the job, at a shutdown, or when the time is up.
//!
//! **Why a limit.** Whoever waits has a thread, and threads are what requests and jobs are worked with.

use std::sync::PoisonError;
use std::time::{Duration, Instant};

use super::Engine;
use super::error::{EngineError, ErrorKind};
use super::jobs::JobView;
use crate::job::Token;

/// The right to wait for the end of one job, which may not be accepted yet.
#[derive(Debug)]
pub struct Attendance<'a> {
    engine: &'a Engine,
    token: Token,
}

/// What waiting came to.
#[derive(Debug)]
pub enum Waited {
    /// The job has ended.
    Ended(Box<JobView>),
    /// The time is up.
    NotYet,
    /// The server is stopping; the job stays.
    Stopping,
    /// There is no such job.
    Unknown,
}

impl Engine {
    /// Attends the job of this token; refused when as many are attended as may be. To be taken before the job is
    /// submitted, so that it is not forgotten before anyone has looked.
    pub fn attend(&self, token: Token) -> Result<Attendance<'_>, EngineError> {
        let mut jobs = self.lock_jobs();
        let limit = self.settings.max_waiting;
        if jobs.attended.values().sum::<usize>() >= limit {
            let text = format!(
                "{limit} requests wait for the end of a job already, the most that do (max_waiting); \
                 without 'synchronous=true' the answer comes at once"
            );
            return Err(EngineError::new(ErrorKind::QueueFull, text));
        }
        *jobs.attended.entry(token).or_default() += 1;
        Ok(Attendance { engine: self, token })
    }
}

impl Attendance<'_> {
    /// The job's token.
    pub fn token(&self) -> Token {
        self.token
    }

    /// Blocks until the job has ended, for at most so long.
    pub fn wait(&self, at_most: Duration) -> Waited {
        let deadline = Instant::now().checked_add(at_most);
        let mut jobs = self.engine.lock_jobs();
        loop {
            let Some(entry) = jobs.get(self.token) else { return Waited::Unknown };
            if entry.state().is_ended() {
                return Waited::Ended(Box::new(self.engine.view(&jobs, self.token, entry)));
            }
            if jobs.stopping {
                return Waited::Stopping;
            }
            let left = deadline.map_or(Duration::MAX, |deadline| deadline.saturating_duration_since(Instant::now()));
            if left.is_zero() {
                return Waited::NotYet;
            }
            let woken = self.engine.ended.wait_timeout(jobs, left);
            jobs = woken.unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

impl Drop for Attendance<'_> {
    fn drop(&mut self) {
        let mut jobs = self.engine.lock_jobs();
        if let Some(count) = jobs.attended.get_mut(&self.token) {
            *count -= 1;
            if *count == 0 {
                jobs.attended.remove(&self.token);
            }
        }
    }
}
