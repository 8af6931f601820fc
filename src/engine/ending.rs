//! How a run of a job ends, and how ended jobs are forgotten.

use std::sync::atomic::Ordering;

use tracing::{info, warn};

use super::Engine;
use super::error::EngineError;
use super::jobs::{Removed, put, put_into};
use super::orders::Order;
use super::records::{JobRecord, JobResult, Task};
use super::turn::Turn;
use crate::job::{Event, Queue, State, Token, expired, too_much};
use crate::store::{Batch, keys};

impl Engine {
    /// Notes that a job at work has durably saved more than the runs before it: the unclean ends before that are not
    /// held against it any more (contract R77), and it need not run alone any longer (R78).
    pub(super) fn advance(&self, token: Token) {
        let mut jobs = self.turn();
        let Some(entry) = jobs.get(token).filter(|entry| entry.record.life.attempts > 1) else { return };
        let Ok((life, _)) = entry.record.life.after(entry.run(), Event::Advance, self.clock.now()) else { return };
        let record = JobRecord { life, ..entry.record.as_ref().clone() };
        if let Err(error) = jobs.commit(put(token, &record, self.lived())) {
            warn!(%token, error = &error as &dyn std::error::Error, "the progress of a job could not be noted");
            return;
        }
        jobs.put(token, record, self.lived());
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
        if event == Event::Finish {
            self.store.sync()?; // what it has written is on the disk before it is said to be done
        }
        let mut jobs = self.turn();
        let entry = jobs.get(token).expect("a job that a thread has is not forgotten");
        if entry.state().is_ended() {
            let state = entry.state();
            if state != State::Finished {
                jobs.aside(|| self.clear_result(token))?; // stopped while it was paused, perhaps in the middle of writing it
            }
            self.leave(jobs, token, state);
            return Ok(state);
        }
        let (life, run) = (entry.record.life)
            .after(entry.run(), event, self.clock.now())
            .expect("a job at work can end in any of these ways");
        let state = life.state(run);
        let result = result.filter(|_| matches!(state, State::Finished | State::Error));
        let control = entry.control.as_ref().filter(|_| state.is_ended());
        let reached = control.map(|control| control.reached(state == State::Finished));
        let kept = entry.control.as_ref().filter(|_| state == State::Finished).map_or(0, |control| control.kept());
        let record = JobRecord { life, result, kept, reached, ..entry.record.as_ref().clone() };
        let mut batch = if state == State::Finished { with } else { Batch::new() };
        let now = self.lived();
        put_into(&mut batch, token, &record, now);
        jobs.post_into(&mut batch, token, &record);
        // What a build has noted is no result; the next start removes it, if this process does not come to it.
        let is_void = state.is_ended() && state != State::Finished && self.has_result_rows(token)?;
        if is_void {
            batch.put(keys::forgotten_job(token), Vec::new());
        }
        jobs.commit(batch)?;
        jobs.put(token, record, now);
        self.leave(jobs, token, state);
        if is_void && let Err(error) = self.clear_result(token) {
            warn!(%token, error = &error as &dyn std::error::Error, "what a job leaves is not cleared; the next start does it");
        }
        Ok(state)
    }

    /// The job has left its thread, and stands where it stands now; what it needs no longer goes. Only the first call
    /// does something.
    fn leave(&self, mut jobs: Turn<'_>, token: Token, state: State) {
        let Some(entry) = jobs.get_mut(token) else { return };
        if entry.control.take().is_none() {
            return;
        }
        let record = entry.record.clone();
        jobs.suspects.remove(&token);
        drop(jobs);
        if state.is_ended() && state != State::Finished {
            self.remove_log(token); // that of a Finished job is kept, or removed, by its run
        }
        if state.is_ended() {
            self.remove_uploads(&record.task);
            self.ended.notify_all();
            self.posted.notify_one();
        }
        let queue = record.queue;
        drop(record); // or it would count as being shown
        info!(%token, %queue, %state, "job left its thread");
        self.forget_expired(queue);
        self.wake.notify_one();
    }

    /// Removes the ended jobs of a queue that are kept no longer (contract R79); if that fails it is tried again later.
    /// A result that is being shown stays until the next time, or the next start, so that no answer breaks off.
    pub(super) fn forget_expired(&self, queue: Queue) {
        let warned = |error: &EngineError| {
            warn!(error = error as &dyn std::error::Error, "ended jobs could not be removed");
        };
        let unseen = self.try_to_forget(queue).inspect_err(warned).unwrap_or_default();
        // outside the lock: a result may be large, and nobody can ask for it any more
        let kept = unseen.into_iter().filter(|(token, _)| self.clear_result(*token).inspect_err(warned).is_err());
        let kept: Vec<_> = kept.collect();
        if !kept.is_empty() {
            self.lock_jobs().still_there(kept);
        }
    }

    fn has_result_rows(&self, token: Token) -> Result<bool, EngineError> {
        Ok(self.store.scan(&keys::result(token)).next().transpose()?.is_some())
    }

    /// The same of every queue.
    pub(super) fn forget_all_expired(&self) {
        for queue in Queue::ALL {
            self.forget_expired(queue);
        }
    }

    /// Forgets jobs, those of the queue and by their size those of all, and says whose results can be removed. Jobs that a thread has still, or whose end is awaited, are
    /// not forgotten yet.
    fn try_to_forget(&self, queue: Queue) -> Result<Vec<Removed>, EngineError> {
        let mut jobs = self.turn();
        let ended = jobs.of(queue).filter_map(|(token, entry)| Some((token, entry.ended?)));
        let mut tokens = expired(ended, self.lived(), self.settings.retention);
        let sizes = jobs.iter().filter_map(|(token, entry)| Some((token, entry.ended?, entry.record.kept)));
        tokens.extend(too_much(sizes, self.settings.max_results));
        tokens.sort_unstable();
        tokens.dedup();
        tokens.retain(|token| {
            let is_at_work = jobs.get(*token).is_some_and(|entry| entry.control.is_some());
            !is_at_work && !jobs.attended.contains_key(token)
        });
        let mut batch = Batch::new();
        for &token in &tokens {
            jobs.forget_into(&mut batch, token);
            batch.put(keys::forgotten_job(token), Vec::new());
        }
        if !tokens.is_empty() {
            jobs.commit(batch)?;
        }
        for &token in &tokens {
            jobs.remove(token);
        }
        Ok(jobs.unseen())
    }

    /// Removes the result of a job that is forgotten already, or that has none, with what says where in it the findings of its
    /// audit are: whoever is shown a result is shown these too.
    pub(super) fn clear_result(&self, token: Token) -> Result<(), EngineError> {
        self.clear_rows_of(&[keys::result(token), keys::audit(token)], keys::forgotten_job(token))
    }

    /// Accepts and starts nothing more, and tells every run to put its job back into the queue. Whoever awaits the end
    /// of a job is told.
    pub(super) fn release_all(&self) {
        self.stopping.store(true, Ordering::Relaxed);
        let mut jobs = self.lock_jobs();
        jobs.stopping = true;
        for control in jobs.iter().filter_map(|(_, entry)| entry.control.as_ref()) {
            control.orders.end(Order::Release);
        }
        self.ended.notify_all();
    }

    /// The files of a job that ended without a run.
    pub(super) fn remove_files(&self, token: Token, task: &Task) {
        self.remove_log(token);
        self.remove_uploads(task);
        if let Task::Export(task) = task {
            self.remove_export_leftovers(token, task);
        }
    }

    fn remove_uploads(&self, task: &Task) {
        for upload in task.uploads() {
            if let Err(error) = std::fs::remove_file(self.upload_path(upload)) {
                warn!(file = upload.file, %error, "an upload could not be removed; the next start tries again");
            }
        }
    }
}
