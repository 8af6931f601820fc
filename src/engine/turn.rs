//! Changing jobs one after the other, while others look at them.
//!
//! **Promises.** Whoever has the turn is alone in changing what is stored of jobs, also while that is being synced; the table is
//! locked only around it. So a disk that takes seconds for a sync holds up no client that asks how its job stands, and what
//! the table says is on the disk already.

use std::ops::{Deref, DerefMut};
use std::sync::{MutexGuard, PoisonError};

use super::Engine;
use super::jobs::Jobs;
use crate::store::{Batch, StoreError};

/// The turn to change jobs, with the table of them.
pub(super) struct Turn<'a> {
    // dropped in this order
    jobs: Option<MutexGuard<'a, Jobs>>,
    _alone: MutexGuard<'a, ()>,
    engine: &'a Engine,
}

const THERE: &str = "the table is let go only within a commit";

impl Engine {
    /// Waits for the turn.
    pub(super) fn turn(&self) -> Turn<'_> {
        let alone = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        Turn { jobs: Some(self.lock_jobs()), _alone: alone, engine: self }
    }
}

impl Turn<'_> {
    /// Makes the changes durable; meanwhile others look at the table, and jobs may be accepted.
    pub(super) fn commit(&mut self, batch: Batch) -> Result<(), StoreError> {
        let engine = self.engine;
        self.aside(|| engine.store.commit(batch))
    }

    /// Does what waits for the disk; likewise.
    pub(super) fn aside<T>(&mut self, work: impl FnOnce() -> T) -> T {
        self.jobs = None;
        let done = work();
        self.jobs = Some(self.engine.lock_jobs());
        done
    }
}

impl Deref for Turn<'_> {
    type Target = Jobs;

    fn deref(&self) -> &Jobs {
        self.jobs.as_ref().expect(THERE)
    }
}

impl DerefMut for Turn<'_> {
    fn deref_mut(&mut self) -> &mut Jobs {
        self.jobs.as_mut().expect(THERE)
    }
}
