//! Memory that all requests at hand share, so that many of them together are bounded too.
//!
//! **Why not for the small ones.** What a request needs to be understood at all is outside of it (`intake`): polls and
//! Stop are answered however much others have sent. Uploads, which can go to disk instead, leave half of it to text.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// How many bytes are left to be taken. Clones share them.
#[derive(Debug, Clone)]
pub struct Budget {
    left: Arc<AtomicUsize>,
    size: usize,
}

impl Budget {
    /// A budget of so many bytes.
    pub fn new(size: usize) -> Self {
        Self { left: Arc::new(AtomicUsize::new(size)), size }
    }

    /// What it was at the beginning.
    pub fn size(&self) -> usize {
        self.size
    }

    /// Nothing taken yet.
    pub(crate) fn share(&self) -> Share {
        Share { budget: self.clone(), taken: 0 }
    }
}

/// What one request has taken of a budget; given back when it is dropped.
#[derive(Debug)]
pub(crate) struct Share {
    budget: Budget,
    taken: usize,
}

impl Share {
    /// Takes so many bytes more; false if there are not so many left.
    pub(crate) fn take(&mut self, bytes: usize) -> bool {
        self.take_leaving(bytes, 0)
    }

    /// The same, if half of the budget is left then.
    pub(crate) fn take_from_half(&mut self, bytes: usize) -> bool {
        self.take_leaving(bytes, self.budget.size / 2)
    }

    fn take_leaving(&mut self, bytes: usize, rest: usize) -> bool {
        let less = |left: usize| left.checked_sub(bytes).filter(|&left| left >= rest);
        let taken = self.budget.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less).is_ok();
        if taken {
            self.taken += bytes;
        }
        taken
    }

    /// Gives so many of them back.
    pub(crate) fn give_back(&mut self, bytes: usize) {
        debug_assert!(bytes <= self.taken, "only what was taken is given back");
        self.taken -= bytes;
        self.budget.left.fetch_add(bytes, Ordering::Relaxed);
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.give_back(self.taken);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_taken_by_one_is_not_there_for_another_until_it_is_dropped() {
        let budget = Budget::new(10);
        let (mut one, mut other) = (budget.share(), budget.clone().share());
        assert!(one.take(6) && !other.take(5) && other.take(4));
        one.give_back(2);
        assert!(other.take(2) && !other.take(1));
        drop(other);
        assert!(one.take_from_half(1) && !one.take_from_half(1));
        assert!(one.take(5) && !one.take(1));
    }
}
