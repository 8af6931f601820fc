//! How a server goes on when its store has failed: the engine is closed and opened again within the process.
//!
//! **Why.** After a failed write nobody knows what is on the disk, so the store takes no more changes. What brings it back
//! is what a start does: it reads what is there, finishes and undoes what was left, and puts jobs back that were at work. The
//! ports stay bound meanwhile, and clients that connect wait for the second that it takes.
//!
//! **Promises.** It is tried only when the disk can be written, later and later while that does not last, and never beside the
//! old engine: if that is still held after [`LATE`], the process ends with an exit code of its own.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use thiserror::Error;
use tracing::{info, warn};

use super::serve::{LATE, Signals};
use super::{Failure, serve};
use crate::config::Config;
use crate::engine::{self, Engine};

/// How long is waited before the disk is tried the first time, and at most between two trials.
const SOON: Duration = Duration::from_millis(500);
const SELDOM: Duration = Duration::from_secs(30);

/// A store that has been open for so long was well.
const WELL: Duration = Duration::from_mins(2);

/// The store has failed, and this process cannot open it again; another one can.
#[derive(Debug, Error)]
#[error("the store has failed and could not be closed within {} s: start the program again", LATE.as_secs())]
pub(super) struct StillHeld;

/// The pauses between trials, each twice as long as the one before.
#[derive(Debug)]
pub(super) struct Pauses {
    next: Duration,
    opened: Instant,
}

impl Pauses {
    pub(super) fn new() -> Self {
        Self { next: SOON, opened: Instant::now() }
    }

    fn next(&mut self) -> Duration {
        let pause = self.next;
        self.next = (pause * 2).min(SELDOM);
        pause
    }

    /// The store has been opened.
    fn opened(&mut self) {
        self.opened = Instant::now();
    }

    /// It has failed.
    fn failed(&mut self) {
        if self.opened.elapsed() > WELL {
            self.next = SOON;
        }
    }
}

/// Returns when the store has failed and its disk can be written again.
pub(super) async fn until_it_can_go_on(engine: Arc<Engine>, pauses: &mut Pauses) {
    engine.until_it_fails().await;
    pauses.failed();
    loop {
        tokio::time::sleep(pauses.next()).await;
        let room = engine.room().clone();
        match tokio::task::spawn_blocking(move || room.try_disk()).await {
            Ok(Ok(())) => return,
            Ok(Err(error)) => warn!(%error, "the disk cannot be written yet"),
            Err(error) => warn!(%error, "the disk could not be tried"),
        }
    }
}

/// Lets an engine go; one whose database waits for a disk that has failed is left behind after [`LATE`]. Whether it
/// was closed.
pub(super) async fn close(engine: Arc<Engine>) -> bool {
    // the database syncs its files when it is closed, and panics if it cannot
    let closing = tokio::task::spawn_blocking(move || catch_unwind(AssertUnwindSafe(move || drop(engine))));
    let closed = tokio::time::timeout(LATE, closing).await;
    match &closed {
        Ok(Ok(Ok(()))) => {}
        Ok(_) => warn!("the store was closed with a panic: what was acknowledged had been synced before"),
        Err(_) => {
            warn!("the store is not closed after {} s: what was acknowledged had been synced before", LATE.as_secs());
        }
    }
    closed.is_ok()
}

/// The same of one that has failed; returns when nobody has it any more.
pub(super) async fn close_surely(engine: Arc<Engine>) -> Result<(), Failure> {
    let held = Arc::downgrade(&engine);
    if close(engine).await && is_let_go(&held).await && !engine::is_left_open() {
        Ok(())
    } else {
        Err(StillHeld.into())
    }
}

/// Waits for threads that are about to end.
async fn is_let_go(held: &Weak<Engine>) -> bool {
    let begun = Instant::now();
    while held.strong_count() > 0 {
        if begun.elapsed() > LATE {
            return false;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    true
}

/// Opens the engine, again and again for as long as it is the disk that prevents it; none if a signal ended that.
pub(super) async fn open(
    config: &Config,
    pauses: &mut Pauses,
    signals: &mut Signals,
) -> Result<Option<Arc<Engine>>, Failure> {
    loop {
        let of_engine = config.clone();
        let error = match tokio::task::spawn_blocking(move || serve::open(of_engine)).await? {
            Ok(engine) => {
                pauses.opened();
                return Ok(Some(engine));
            }
            Err(error) => error,
        };
        if engine::is_left_open() {
            warn!(%error, "the store cannot be opened");
            return Err(StillHeld.into());
        }
        if !error.downcast_ref().is_some_and(|serve::CannotOpen { is_full, .. }| *is_full) {
            return Err(error);
        }
        let pause = pauses.next();
        warn!(%error, "the store cannot be opened; it is tried again in {} s", pause.as_secs_f64());
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            signal = signals.next() => {
                info!("{signal}: ended while the store could not be opened");
                return Ok(None);
            }
        }
    }
}

/// The same behind a failure. A data directory that this process has still is one that it could not let go.
pub(super) async fn open_again(
    config: &Config,
    pauses: &mut Pauses,
    signals: &mut Signals,
) -> Result<Option<Arc<Engine>>, Failure> {
    open(config, pauses, signals).await.map_err(|error| {
        let is_locked = error.downcast_ref().is_some_and(|serve::CannotOpen { is_locked, .. }| *is_locked);
        if is_locked { StillHeld.into() } else { error }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_until_the_store_was_well_for_a_while() {
        let mut pauses = Pauses::new();
        let first: Vec<_> = (0..3).map(|_| pauses.next().as_millis()).collect();
        assert_eq!(first, [500, 1_000, 2_000]);
        assert_eq!((0..9).map(|_| pauses.next()).max(), Some(SELDOM));
        pauses.opened();
        pauses.failed();
        assert_eq!(pauses.next(), SELDOM, "it failed at once");
    }
}
