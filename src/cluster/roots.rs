//! Which cluster or component a face is part of by now: a forest in which every root is the smallest of its tree
//! (disjoint sets; Tarjan and van Leeuwen, Worst-case analysis of set union algorithms, 1984, path halving).
//!
//! **Promises.** Joining and asking from any number of threads ends in the same trees, and loses no join.

use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

/// For each its parent; a root is its own.
#[derive(Debug)]
pub(super) struct Roots(Vec<AtomicU32>);

impl Roots {
    /// Everyone alone.
    pub(super) fn new(n: usize) -> Self {
        Self((0..n as u32).map(AtomicU32::new).collect())
    }

    /// The trees that these parents say.
    pub(super) fn from_parents(parents: &[u32]) -> Self {
        Self(parents.iter().copied().map(AtomicU32::new).collect())
    }

    fn parent(&self, key: u32) -> u32 {
        self.0[key as usize].load(Relaxed)
    }

    /// Whether it is the smallest of its tree.
    pub(super) fn is_root(&self, key: u32) -> bool {
        self.parent(key) == key
    }

    /// The smallest of its tree.
    pub(super) fn root(&self, mut key: u32) -> u32 {
        loop {
            let parent = self.parent(key);
            if parent == key {
                return key;
            }
            // Halves the path for the next time. Whoever does it at the same moment writes an ancestor too.
            let above = self.parent(parent);
            self.0[key as usize].store(above, Relaxed);
            key = above;
        }
    }

    /// Puts the tree of the root `gone` under the root `kept`, which is smaller; nobody else joins at the same time.
    pub(super) fn join(&mut self, kept: u32, gone: u32) {
        debug_assert!(kept < gone && self.is_root(kept) && self.is_root(gone), "two roots, the smaller first");
        *self.0[gone as usize].get_mut() = kept;
    }

    /// Makes the trees of both one, whatever others do.
    pub(super) fn unite(&self, a: u32, b: u32) {
        if self.parent(a) == self.parent(b) {
            return;
        }
        let (mut a, mut b) = (self.root(a), self.root(b));
        while a != b {
            let (low, high) = (a.min(b), a.max(b));
            // Fails if another thread has just put a root above `high`.
            if self.0[high as usize].compare_exchange(high, low, Relaxed, Relaxed).is_ok() {
                return;
            }
            (a, b) = (self.root(low), self.root(high));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::thread;

    proptest! {
        #[test]
        fn whoever_unites_what_the_smallest_of_each_tree_is_its_root(
            n in 1u32..50, pairs in proptest::collection::vec((any::<u32>(), any::<u32>()), 0..80),
        ) {
            let pairs: Vec<(u32, u32)> = pairs.iter().map(|&(a, b)| (a % n, b % n)).collect();
            let mut expected: Vec<u32> = (0..n).collect();
            for &(a, b) in &pairs {
                let (a, b) = (expected[a as usize], expected[b as usize]);
                expected.iter_mut().filter(|root| **root == a.max(b)).for_each(|root| *root = a.min(b));
            }
            let roots = Roots::new(n as usize);
            thread::scope(|scope| {
                for part in pairs.chunks(pairs.len().div_ceil(3).max(1)) {
                    let roots = &roots;
                    scope.spawn(move || part.iter().for_each(|&(a, b)| roots.unite(a, b)));
                }
            });
            prop_assert_eq!((0..n).map(|key| roots.root(key)).collect::<Vec<_>>(), expected);
        }
    }
}
