//! What a run is told: to wait, to go on, to end. Told by clients, obeyed by the threads that work.
//!
//! **Promises.** A thread that is to wait sleeps, and wakes at once when the run is to go on or to end. As long as
//! nothing was said, asking costs one load.
//!
//! **Not here.** Whether a job may be told so, and what of it is stored (`steer`).

use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How a run is told to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Order {
    /// A client stops it for good.
    Stop,
    /// The server shuts down; it will be run again.
    Release,
}

const GO: u8 = 0;
const PAUSE: u8 = 1;
const STOP: u8 = 2;
const RELEASE: u8 = 3;

/// What one run was told.
#[derive(Debug, Default)]
pub(super) struct Orders {
    /// Changed only under the lock of `rest`, so that no thread begins to wait behind the word that should wake it.
    word: AtomicU8,
    rest: Mutex<Rest>,
    changed: Condvar,
}

/// The threads that wait.
#[derive(Debug, Default)]
struct Rest {
    n_waiting: usize,
    /// Since when at least one does.
    since: Option<Instant>,
    /// How long at least one did before that.
    before: Duration,
}

impl Orders {
    /// Tells the run to end. The first word counts: a stop that was acknowledged is not undone by a shutdown.
    pub(super) fn end(&self, order: Order) {
        let word = match order {
            Order::Stop => STOP,
            Order::Release => RELEASE,
        };
        self.say(word, &[GO, PAUSE]);
    }

    /// Tells it to wait, unless it is to end.
    pub(super) fn pause(&self) {
        self.say(PAUSE, &[GO]);
    }

    /// Tells it to go on, if it is to wait.
    pub(super) fn resume(&self) {
        self.say(GO, &[PAUSE]);
    }

    fn say(&self, word: u8, instead_of: &[u8]) {
        let _rest = self.rest();
        if instead_of.contains(&self.word.load(Ordering::Relaxed)) {
            self.word.store(word, Ordering::Relaxed);
            self.changed.notify_all();
        }
    }

    /// How it is to end, if it is.
    pub(super) fn order(&self) -> Option<Order> {
        match self.word.load(Ordering::Relaxed) {
            STOP => Some(Order::Stop),
            RELEASE => Some(Order::Release),
            _ => None,
        }
    }

    /// The same, after waiting for as long as it is to wait. To be asked without a lock that others need.
    pub(super) fn obey(&self) -> Option<Order> {
        if self.word.load(Ordering::Relaxed) == PAUSE {
            self.wait();
        }
        self.order()
    }

    fn wait(&self) {
        let mut rest = self.rest();
        rest.n_waiting += 1;
        rest.since.get_or_insert_with(Instant::now);
        while self.word.load(Ordering::Relaxed) == PAUSE {
            rest = self.changed.wait(rest).unwrap_or_else(PoisonError::into_inner);
        }
        rest.n_waiting -= 1;
        if rest.n_waiting == 0 {
            let rested = rest.since.take().map_or(Duration::ZERO, |since| since.elapsed());
            rest.before += rested;
        }
    }

    /// Whether it is to wait, and a thread does: then the others do too, or are about to.
    pub(super) fn is_resting(&self) -> bool {
        self.rest().n_waiting > 0 && self.word.load(Ordering::Relaxed) == PAUSE
    }

    /// How long it has waited altogether.
    pub(super) fn rested(&self) -> Duration {
        let rest = self.rest();
        rest.before + rest.since.map_or(Duration::ZERO, |since| since.elapsed())
    }

    fn rest(&self) -> MutexGuard<'_, Rest> {
        self.rest.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::AtomicUsize;
    use std::thread;

    use super::*;
    use crate::engine::tests::until;

    #[test]
    fn the_first_word_to_end_counts_and_no_pause_comes_behind_it() {
        let orders = Orders::default();
        orders.pause();
        assert_eq!(orders.order(), None);
        orders.end(Order::Stop);
        orders.end(Order::Release);
        orders.pause();
        orders.resume();
        assert_eq!((orders.obey(), orders.is_resting()), (Some(Order::Stop), false));
    }

    #[test]
    fn r72_a_paused_run_waits_until_it_is_to_go_on_and_wakes_at_once_to_end() {
        for end in [None, Some(Order::Stop), Some(Order::Release)] {
            let shared = Arc::new((Orders::default(), AtomicUsize::new(0)));
            let (orders, n_gone_on) = &*shared;
            orders.pause();
            let workers = [(); 2].map(|()| {
                let shared = Arc::clone(&shared);
                thread::spawn(move || {
                    let told = shared.0.obey();
                    shared.1.fetch_add(1, Ordering::SeqCst);
                    told
                })
            });
            until("both wait", || orders.rest().n_waiting == 2);
            assert!(orders.is_resting());
            assert_eq!(n_gone_on.load(Ordering::SeqCst), 0);
            match end {
                Some(order) => orders.end(order),
                None => orders.resume(),
            }
            assert!(!orders.is_resting(), "it is not at rest any more, although its threads are about to wake");
            for worker in workers {
                assert_eq!(worker.join().unwrap(), end);
            }
            let rested = orders.rested();
            assert!(rested > Duration::ZERO && orders.rested() == rested, "the time of rest has ended");
        }
    }
}
