//! Threads: units of work drawn from one counter.
//!
//! **Promises.** Each unit is done once. The first error ends all workers within a unit; a panic does too and is passed
//! on. With one thread nothing is spawned.
//!
//! **Not here.** Order: units finish in any order, so what they produce must not depend on it.

use std::panic::resume_unwind;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;

use super::watch::{Meter, Stage};
use super::{ClusterError, Run};

/// Tells the others to end when its worker does, for whatever reason.
struct Leaving<'a>(&'a AtomicBool);

impl Drop for Leaving<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Does `work` for each of `units`, every thread with a `scratch` of its own.
pub(super) fn for_each<S>(
    run: &Run<'_>,
    stage: Stage,
    units: u64,
    scratch: impl Fn() -> S + Sync,
    work: impl Fn(&mut S, u64) -> Result<(), ClusterError> + Sync,
) -> Result<(), ClusterError> {
    let meter = Meter::new(run.watch, stage, units);
    let (next, ending) = (AtomicU64::new(0), AtomicBool::new(false));
    let worker = || {
        // A worker that finds no unit left also ends the others, but only after the last unit was taken.
        let _leaving = Leaving(&ending);
        let mut scratch = scratch();
        while !ending.load(Ordering::Relaxed) {
            meter.check()?;
            let unit = next.fetch_add(1, Ordering::Relaxed);
            if unit >= units {
                break;
            }
            work(&mut scratch, unit)?;
            meter.advance(1);
        }
        Ok(())
    };
    let threads = u64::try_from(run.resources.threads.get()).unwrap_or(u64::MAX).min(units).max(1);
    thread::scope(|scope| {
        let others: Vec<_> = (1..threads).map(|_| scope.spawn(worker)).collect();
        let mine = worker();
        others
            .into_iter()
            .map(|other| other.join().unwrap_or_else(|panic| resume_unwind(panic)))
            .fold(mine, Result::and)
    })
}

/// Does `work` for each of `items`, which the threads take `each` at a time, each thread with one of `scratch`.
pub(super) fn for_each_mut<T: Send, S: Send>(
    run: &Run<'_>,
    items: &mut [T],
    each: usize,
    scratch: &mut [S],
    work: impl Fn(&mut S, &mut T) + Sync,
) -> Result<(), ClusterError> {
    let threads = scratch.len().min(items.len().div_ceil(each)).max(1);
    let pieces = Mutex::new(items.chunks_mut(each));
    let worker = |scratch: &mut S| {
        loop {
            if run.watch.should_stop() {
                return Err(ClusterError::Stopped);
            }
            let Some(piece) = pieces.lock().expect("taking the next piece does not panic").next() else {
                return Ok(());
            };
            for item in piece {
                work(scratch, item);
            }
        }
    };
    let (mine, others) = scratch[..threads].split_first_mut().expect("there is one thread at least");
    thread::scope(|scope| {
        let worker = &worker;
        let others: Vec<_> = others.iter_mut().map(|own| scope.spawn(move || worker(own))).collect();
        let mine = worker(mine);
        others
            .into_iter()
            .map(|other| other.join().unwrap_or_else(|panic| resume_unwind(panic)))
            .fold(mine, Result::and)
    })
}
