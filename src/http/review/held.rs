//! The findings that were looked at last, so that going through them does not read all of them for every card.
//!
//! **Why it may.** The findings of a job that has Finished never change. Whoever asks was allowed to see the job before.

use std::sync::{Arc, Mutex, PoisonError};

use super::finding::Finding;
use super::made::Oops;

/// So many jobs' are held.
const HELD: usize = 2;

/// The findings of the jobs looked at last, the very last at the end.
#[derive(Debug, Default)]
pub(crate) struct Held(Mutex<Vec<(String, Arc<Vec<Finding>>)>>);

impl Held {
    /// Those of a job, by `read` if they are not at hand.
    pub(super) fn findings(
        &self,
        token: &str,
        read: impl FnOnce() -> Result<Vec<Finding>, Oops>,
    ) -> Result<Arc<Vec<Finding>>, Oops> {
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let found = match held.iter().position(|(of, _)| of == token) {
            Some(at) => held.remove(at).1,
            None => Arc::new(read()?), // whoever asks for the same meanwhile waits for it
        };
        let n_over = (held.len() + 1).saturating_sub(HELD);
        held.drain(..n_over);
        held.push((token.to_owned(), Arc::clone(&found)));
        Ok(found)
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
}
