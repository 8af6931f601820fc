//! The findings that were looked at last, so that going through them does not read all of them for every card.
//!
//! **Why it may.** The findings of a job that has Finished never change. Whoever asks was allowed to see the job before.
//!
//! **Promises.** Who waits for a long audit to be read holds up nobody who looks at another. No more are held than
//! [`HELD`] of at most [`MOST`] findings.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::finding::Finding;
use super::made::Oops;

/// So many jobs' are held.
const HELD: usize = 2;

/// Longer ones are read each time; these take some 40 MB.
const MOST: usize = 50_000;

/// The findings of a job; none before they are read.
type Cell = Arc<Mutex<Option<Arc<Vec<Finding>>>>>;

/// The findings of the jobs looked at last, the very last at the end.
#[derive(Debug, Default)]
pub(crate) struct Held(Mutex<Vec<(String, Cell)>>);

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Held {
    /// Those of a job, by `read` if they are not at hand.
    pub(super) fn findings(
        &self,
        token: &str,
        read: impl FnOnce() -> Result<Vec<Finding>, Oops>,
    ) -> Result<Arc<Vec<Finding>>, Oops> {
        let cell = self.cell(token);
        let mut held = locked(&cell);
        if let Some(found) = &*held {
            return Ok(Arc::clone(found));
        }
        let found = Arc::new(read()?); // whoever asks for the same meanwhile waits for it
        if found.len() <= MOST {
            *held = Some(Arc::clone(&found));
        }
        Ok(found)
    }

    /// Where those of a job are, which is then the last.
    fn cell(&self, token: &str) -> Cell {
        let mut held = locked(&self.0);
        let cell = match held.iter().position(|(of, _)| of == token) {
            Some(at) => held.remove(at).1,
            None => Cell::default(),
        };
        let n_over = (held.len() + 1).saturating_sub(HELD);
        held.drain(..n_over);
        held.push((token.to_owned(), Arc::clone(&cell)));
        cell
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_two_are_held_and_nothing_of_a_failure() {
        let held = Held::default();
        let reads = |token: &str| {
            let mut n = 0;
            let read = || {
                n += 1;
                Ok(Vec::new())
            };
            held.findings(token, read).unwrap();
            n
        };
        assert_eq!(["a", "b", "a", "c", "a", "b"].map(reads), [1, 1, 0, 1, 0, 1]);
        assert!(held.findings("d", || Err(Oops::not_found("gone"))).is_err());
        assert_eq!(["d", "b"].map(reads), [1, 0]);
    }

    #[test]
    fn another_can_be_looked_at_while_one_is_read() {
        let held = Held::default();
        let outer = || Ok(held.findings("b", || Ok(Vec::new())).unwrap().to_vec());
        assert!(held.findings("a", outer).unwrap().is_empty());
    }
}
