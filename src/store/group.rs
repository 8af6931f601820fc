//! Group commit: one sync of the disk serves everybody whose writes were there before it began.
//!
//! **Promises.** Whoever asks returns only after a sync that *began* after it asked: one that is under way may have
//! looked at the disk before. At most one sync is under way. One that fails fails everybody whom it was to serve, and
//! all who come later.
//!
//! **Why.** A disk syncs some hundred times a second, however little there is to sync; with a sync for each job that would
//! be the number of jobs accepted in a second.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use super::{Failure, StoreError};

/// Those who wait for a sync, and what became of it.
#[derive(Debug, Default)]
pub(super) struct Group {
    state: Mutex<State>,
    /// Told when a sync has ended.
    ended: Condvar,
}

#[derive(Debug, Default)]
struct State {
    /// Syncs that have begun.
    n_begun: u64,
    /// The last of them that succeeded.
    last_done: u64,
    is_running: bool,
    /// Why there will be no further sync.
    failure: Option<Failure>,
}

impl Group {
    /// Returns when a sync that began after this call has succeeded, by whomever it was made; `sync` makes one.
    pub(super) fn sync(&self, sync: impl FnOnce() -> Result<(), StoreError>) -> Result<(), StoreError> {
        let mut state = self.lock();
        let needed = state.n_begun + 1;
        loop {
            if state.last_done >= needed {
                return Ok(());
            }
            if let Some(failure) = &state.failure {
                return Err(StoreError::Disk(failure.clone()));
            }
            if !state.is_running {
                break;
            }
            state = self.ended.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state.is_running = true;
        state.n_begun += 1;
        let number = state.n_begun;
        drop(state);
        // A panic must not leave the others waiting for ever.
        let outcome = catch_unwind(AssertUnwindSafe(sync));
        let mut state = self.lock();
        state.is_running = false;
        match &outcome {
            Ok(Ok(())) => state.last_done = number,
            Ok(Err(error)) => {
                state.failure = Some(error.failure().unwrap_or_else(|| Failure::of(error.to_string())));
            }
            Err(_) => state.failure = Some(Failure::of("a sync panicked")),
        }
        drop(state);
        self.ended.notify_all();
        outcome.unwrap_or_else(|panic| resume_unwind(panic))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};
    use std::sync::mpsc;
    use std::thread;

    use super::*;

    /// Runs a sync that waits to be let go, with `n` others that ask meanwhile, and gives what they were answered.
    fn behind_a_slow_one(n: usize, first: Result<(), StoreError>, syncs: &AtomicU64) -> Vec<Result<(), StoreError>> {
        let group = Group::default();
        let (begun, has_begun) = mpsc::channel();
        let (go, may_go) = mpsc::channel();
        thread::scope(|scope| {
            let group = &group;
            let slow = scope.spawn(move || {
                group.sync(|| {
                    begun.send(()).unwrap();
                    may_go.recv().unwrap();
                    first
                })
            });
            has_begun.recv().unwrap();
            let others: Vec<_> = (0..n)
                .map(|_| {
                    scope.spawn(|| {
                        group.sync(|| {
                            syncs.fetch_add(1, Ordering::Relaxed);
                            Ok(())
                        })
                    })
                })
                .collect();
            // Whether they wait already or come later, none of them is served by the sync that has begun.
            go.send(()).unwrap();
            let mut answers = vec![slow.join().unwrap()];
            answers.extend(others.into_iter().map(|other| other.join().unwrap()));
            answers
        })
    }

    #[test]
    fn nobody_is_served_by_a_sync_that_began_before_it_asked() {
        let syncs = AtomicU64::new(0);
        let answers = behind_a_slow_one(16, Ok(()), &syncs);
        assert!(answers.iter().all(Result::is_ok));
        let n = syncs.load(Ordering::Relaxed);
        assert!((1..=16).contains(&n), "{n} syncs for 16 who asked while one was under way");
    }

    #[test]
    fn a_sync_that_fails_fails_everybody_and_is_the_last() {
        let syncs = AtomicU64::new(0);
        let answers =
            behind_a_slow_one(8, Err(StoreError::Disk(Failure { is_full: true, why: "no room".to_owned() })), &syncs);
        assert_eq!(syncs.load(Ordering::Relaxed), 0);
        for answer in answers {
            assert_eq!(answer.unwrap_err().to_string(), "the store failed: the disk is full: no room");
        }
    }

    #[test]
    fn a_sync_that_panics_leaves_nobody_waiting() {
        let group = Group::default();
        let died = thread::scope(|scope| scope.spawn(|| group.sync(|| panic!("on purpose"))).join());
        assert!(died.is_err());
        assert!(group.sync(|| Ok(())).is_err());
    }
}
