//! Work on many things, several at a time.

use std::panic::resume_unwind;
use std::sync::{Mutex, PoisonError};
use std::thread;

use super::worker::Unfinished;

/// Does the work for each of the items, in their order, at most so many at a time. After the first that was not done
/// none is begun; those that are under way are ended.
pub(super) fn each<T: Send>(
    items: Vec<T>,
    parallel: usize,
    work: impl Fn(T) -> Result<(), Unfinished> + Sync,
) -> Result<(), Unfinished> {
    let parallel = parallel.min(items.len());
    if parallel <= 1 {
        return items.into_iter().try_for_each(work);
    }
    let (items, unfinished) = (Mutex::new(items.into_iter()), Mutex::new(None));
    let next = || {
        let is_over = unfinished.lock().unwrap_or_else(PoisonError::into_inner).is_some();
        if is_over { None } else { items.lock().unwrap_or_else(PoisonError::into_inner).next() }
    };
    thread::scope(|scope| {
        let lane = || {
            while let Some(item) = next() {
                if let Err(why) = work(item) {
                    unfinished.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(why);
                }
            }
        };
        let lanes: Vec<_> = (0..parallel).map(|_| scope.spawn(lane)).collect();
        for lane in lanes {
            lane.join().unwrap_or_else(|panic| resume_unwind(panic)); // the scope would lose what it said
        }
    });
    unfinished.into_inner().unwrap_or_else(PoisonError::into_inner).map_or(Ok(()), Err)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[test]
    fn every_item_is_worked_once_and_none_begun_behind_a_failure() {
        for parallel in [0, 1, 4, 100] {
            let sum = AtomicUsize::new(0);
            let count = |item: usize| {
                sum.fetch_add(item, Ordering::Relaxed);
                if item == 7 { Err(Unfinished::Told) } else { Ok(()) }
            };
            assert!(each((10..50).collect(), parallel, count).is_ok());
            assert_eq!(sum.swap(0, Ordering::Relaxed), (10..50).sum::<usize>());
            assert!(matches!(each(vec![7; 10], parallel, count), Err(Unfinished::Told)));
            assert!(sum.into_inner() <= 7 * parallel.max(1));
        }
    }
}
