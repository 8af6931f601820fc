//! Turns: how many requests are answered at a time, and in which order the others wait.
//!
//! **Promises.** Requests get their turn in the order in which they ask. Whoever waits, for its client to read on or for
//! a job to end, lets another have its turn meanwhile. Of those that wait for their client there is a bounded number: one more
//! is broken off, so that clients who do not read cannot take the threads of those who do.
//!
//! **Why.** Every answer is written on a thread that may block. A thousand clients who ask at once need no thousand
//! threads: on a few processors those would only take the time from each other.

use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::places::Places;

/// Answers that wait at a time, for their client or for a job. Together with the turns these are fewer threads than tokio
/// makes, so that some are left for jobs.
const MAX_WAITING: usize = 384;

/// The most turns there can be, whatever the setting says.
const MAX_TURNS: usize = 64;

/// The most threads of tokio that may block for the requests of a server.
pub const MAX_BLOCKING: usize = MAX_TURNS + MAX_WAITING;

/// The turns of a server.
#[derive(Debug)]
pub(crate) struct Turns {
    free: Arc<Semaphore>,
    /// Requests that wait for a turn.
    queued: AtomicU64,
    waiting: Arc<Places>,
}

impl Turns {
    /// So many at a time, at least one and at most 64.
    pub(crate) fn new(at_a_time: usize) -> Arc<Self> {
        let free = Arc::new(Semaphore::new(at_a_time.clamp(1, MAX_TURNS)));
        Arc::new(Self { free, queued: AtomicU64::new(0), waiting: Places::new(MAX_WAITING, MAX_WAITING / 2) })
    }

    /// Waits for a turn of a client at `address`.
    pub(crate) async fn take(self: &Arc<Self>, address: IpAddr) -> Turn {
        let permit = match Arc::clone(&self.free).try_acquire_owned() {
            Ok(permit) => permit,
            Err(_) => {
                let _queued = Queued::new(&self.queued);
                Arc::clone(&self.free).acquire_owned().await.expect("the semaphore is never closed")
            }
        };
        Turn { turns: Arc::clone(self), address, permit: Some(permit) }
    }

    /// Requests that wait for a turn.
    pub(crate) fn n_queued(&self) -> u64 {
        self.queued.load(Ordering::Relaxed)
    }

    /// Answers that let others have their turn.
    pub(crate) fn n_waiting(&self) -> u64 {
        self.waiting.n_taken()
    }
}

/// Counts one that waits, however its waiting ends.
struct Queued<'a>(&'a AtomicU64);

impl<'a> Queued<'a> {
    fn new(count: &'a AtomicU64) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(count)
    }
}

impl Drop for Queued<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A turn, until this is dropped.
#[derive(Debug)]
pub(crate) struct Turn {
    turns: Arc<Turns>,
    address: IpAddr,
    permit: Option<OwnedSemaphorePermit>,
}

impl Turn {
    /// Waits for the client by `wait`; an error if too many do so already. Called on a thread that may block.
    pub(crate) fn wait_for_client<T>(&mut self, wait: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
        let Ok(place) = self.turns.waiting.take(self.address) else {
            let text = "the answer is broken off: too many clients do not read theirs";
            return Err(io::Error::new(io::ErrorKind::TimedOut, text));
        };
        drop(self.permit.take());
        let waited = wait()?; // a client that has gone needs no turn any more
        drop(place);
        self.again();
        Ok(waited)
    }

    /// Waits for something else than the client. If too many wait already, this one keeps its turn meanwhile.
    pub(crate) fn wait_for_work(&mut self, wait: &mut dyn FnMut()) {
        let Ok(place) = self.turns.waiting.take(self.address) else { return wait() };
        drop(self.permit.take());
        wait();
        drop(place);
        self.again();
    }

    fn again(&mut self) {
        let taken = Handle::current().block_on(self.turns.take(self.address));
        *self = taken;
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;
    use std::sync::mpsc;
    use std::time::{Duration, Instant};

    use super::*;

    const HERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

    fn runtime() -> tokio::runtime::Runtime {
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).build().unwrap()
    }

    #[test]
    fn requests_get_their_turn_in_the_order_in_which_they_ask() {
        runtime().block_on(async {
            let turns = Turns::new(1);
            let first = turns.take(HERE).await;
            let (said, heard) = mpsc::channel();
            let mut asked = Vec::new();
            for n in 0..20 {
                let (turns, said) = (Arc::clone(&turns), said.clone());
                let others = Arc::clone(&turns);
                asked.push(tokio::spawn(async move {
                    let _turn = turns.take(HERE).await;
                    said.send(n).unwrap();
                }));
                let begun = Instant::now();
                while others.n_queued() <= n {
                    assert!(begun.elapsed() < Duration::from_mins(1), "{n} does not ask");
                    tokio::task::yield_now().await;
                }
            }
            drop(first);
            for task in asked {
                task.await.unwrap();
            }
            assert_eq!(heard.try_iter().collect::<Vec<_>>(), (0..20).collect::<Vec<_>>());
            assert_eq!(turns.n_queued(), 0);
        });
    }

    #[test]
    fn whoever_waits_lets_another_have_its_turn() {
        let runtime = runtime();
        let turns = Turns::new(1);
        let mut turn = runtime.block_on(turns.take(HERE));
        let others = Arc::clone(&turns);
        let waited = runtime.spawn_blocking(move || {
            let handle = Handle::current();
            let other = turn.wait_for_client(|| Ok(handle.block_on(others.take(HERE)).address)).unwrap();
            assert_eq!(other, HERE);
            turn.wait_for_work(&mut || drop(handle.block_on(others.take(HERE))));
            (others.n_waiting(), others.free.available_permits())
        });
        assert_eq!(runtime.block_on(waited).unwrap(), (0, 0), "it has its turn again");
    }

    #[test]
    fn one_that_waits_too_many_is_broken_off_and_one_that_waits_for_a_job_keeps_its_turn() {
        let runtime = runtime();
        let turns = Turns::new(1);
        let places: Vec<_> = (0..MAX_WAITING).map(|_| turns.waiting.take(HERE).unwrap()).collect();
        let mut turn = runtime.block_on(turns.take(HERE));
        let error = turn.wait_for_client(|| Ok(())).unwrap_err();
        assert!(error.to_string().contains("too many clients"), "{error}");
        let mut waited = false;
        turn.wait_for_work(&mut || waited = turns.free.available_permits() == 0);
        assert!(waited);
        drop(places);
        runtime.block_on(async { tokio::task::block_in_place(|| turn.wait_for_client(|| Ok(()))) }).unwrap();
    }
}
