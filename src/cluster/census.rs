//! When there are too many edges to hold: how many each face has, and which faces hang together.
//!
//! **Promises.** Counts do not depend on the order in which edges come, or on threads.
//!
//! **Why.** A component in which every face is linked to every other is one cluster, whatever the cosines are: nobody
//! need hold its edges to know that. Fifty thousand pictures of one face are like this.

use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

use super::roots::Roots;
use super::verify::{Edge, Sure};

/// Counts edges instead of holding them.
#[derive(Debug)]
pub(super) struct Census {
    degrees: Vec<AtomicU32>,
    /// The components.
    roots: Roots,
}

impl Census {
    /// No edges yet.
    pub(super) fn new(n: usize) -> Self {
        Self { degrees: (0..n).map(|_| AtomicU32::new(0)).collect(), roots: Roots::new(n) }
    }

    /// Counts an edge.
    pub(super) fn count(&self, edge: &Edge) {
        self.count_pair(edge.first(), edge.second());
    }

    /// Counts an edge whose cosine is not known.
    pub(super) fn count_sure(&self, pair: Sure) {
        self.count_pair(pair.first(), pair.second());
    }

    fn count_pair(&self, first: u32, second: u32) {
        self.degrees[first as usize].fetch_add(1, Relaxed);
        self.degrees[second as usize].fetch_add(1, Relaxed);
        self.roots.unite(first, second);
    }

    /// Merges each component whose faces are all linked with each other; returns the faces of the other components,
    /// ascending.
    pub(super) fn merge_complete(&self, parents: &mut [u32]) -> Vec<u32> {
        let n = parents.len();
        let (mut sizes, mut ends) = (vec![0u64; n], vec![0u64; n]);
        for face in 0..n as u32 {
            let root = self.roots.root(face) as usize;
            sizes[root] += 1;
            ends[root] += u64::from(self.degrees[face as usize].load(Relaxed));
        }
        let mut others = Vec::new();
        for face in 0..n as u32 {
            let root = self.roots.root(face);
            if ends[root as usize] == sizes[root as usize] * (sizes[root as usize] - 1) {
                parents[face as usize] = root;
            } else {
                others.push(face);
            }
        }
        others
    }
}
