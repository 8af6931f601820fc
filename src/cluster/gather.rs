//! Where proven pairs go: edges for the linkage, matches for their two faces. And how much that may be.
//!
//! **Promises.** What is held does not depend on the order in which pairs come. The bytes held never pass the limit
//! unsaid: whether they do depends on the pairs only, not on threads.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use super::matches::Best;
use super::verify::Edge;
use super::{ClusterError, MatchScope, Run};

/// What an edge costs until the linkage is done: a link in the lists of its two faces (32), and then a place in a queue
/// (16) and in that of changed links (16).
pub(super) const EDGE_BYTES: u64 = 64;
/// What a match costs: itself (8) in a growing list, and once more in the result.
pub(super) const MATCH_BYTES: u64 = 24;

/// The edges of a piece.
const PIECE: usize = 1 << 18;

/// A count of bytes with a limit.
#[derive(Debug)]
pub(super) struct Budget {
    limit: u64,
    used: AtomicU64,
    found: AtomicU64,
}

impl Budget {
    pub(super) fn new(limit: u64) -> Self {
        Self { limit, used: AtomicU64::new(0), found: AtomicU64::new(0) }
    }

    /// Takes `count` times `each` bytes, or says that they do not fit.
    pub(super) fn charge(&self, count: u64, each: u64) -> Result<(), ClusterError> {
        let more = count.saturating_mul(each);
        let found = self.found.fetch_add(count, Ordering::Relaxed).saturating_add(count);
        let bytes = self.used.fetch_add(more, Ordering::Relaxed).saturating_add(more);
        if bytes > self.limit {
            return Err(ClusterError::TooManyPairs { found, bytes, limit: self.limit });
        }
        Ok(())
    }
}

/// Takes proven pairs from any number of threads.
pub(super) struct Gather<'a> {
    run: Run<'a>,
    cluster_floor: f64,
    /// Infinite when no match is ranked before the clusters are known.
    output_floor: f64,
    /// In pieces, so that none is ever moved.
    edges: Mutex<Vec<Vec<Edge>>>,
    best: Best,
    budget: Budget,
}

impl<'a> Gather<'a> {
    pub(super) fn new(run: &Run<'a>) -> Self {
        let parameters = run.parameters;
        let ranks_now = parameters.scope == MatchScope::All && parameters.max_matches != Some(0);
        Self {
            run: *run,
            cluster_floor: run.scale.lowest_cosine(parameters.cluster_threshold),
            output_floor: if ranks_now { run.scale.lowest_cosine(parameters.output_threshold) } else { f64::INFINITY },
            edges: Mutex::new(Vec::new()),
            best: Best::new(run),
            budget: Budget::new(run.resources.max_bytes),
        }
    }

    /// The least cosine that can matter: for the linkage, or for a match that is shown.
    pub(super) fn floor(&self) -> f64 {
        self.cluster_floor.min(self.output_floor)
    }

    /// All pairs with at least this cosine are found, whatever the matches are.
    pub(super) fn complete(&self) -> f64 {
        if self.best.is_limited() { self.cluster_floor } else { self.floor() }
    }

    /// For each of `faces`, the cut of the least cosine with which a pair may matter to the linkage or to the matches of
    /// this face. It rises while the matches of a face improve, which discards nothing that would be kept.
    pub(super) fn cuts<C>(&self, cut: impl Fn(f64) -> C, faces: impl Iterator<Item = u32>, cuts: &mut Vec<C>) {
        let floor = |face: u32| self.best.floor(face as usize).unwrap_or(self.output_floor).min(self.cluster_floor);
        cuts.clear();
        cuts.extend(faces.map(|face| cut(floor(face))));
    }

    /// Takes these edges and leaves the list empty.
    pub(super) fn take(&self, edges: &mut Vec<Edge>) -> Result<(), ClusterError> {
        let mut matches = 0;
        for edge in edges.iter().filter(|e| e.cosine() >= self.output_floor) {
            matches += self.best.offer(edge, self.run.scale.confidence(edge.cosine()));
        }
        self.budget.charge(matches, MATCH_BYTES)?;
        edges.retain(|e| e.cosine() >= self.cluster_floor);
        self.budget.charge(edges.len() as u64, EDGE_BYTES)?;
        if !edges.is_empty() {
            let mut pieces = self.edges.lock().expect("appending does not panic");
            match pieces.last_mut() {
                Some(piece) if piece.len() + edges.len() <= piece.capacity() => piece.append(edges),
                _ => {
                    let mut piece = Vec::with_capacity(edges.len().max(PIECE));
                    piece.append(edges);
                    pieces.push(piece);
                }
            }
        }
        Ok(())
    }

    /// The edges at or above the cluster threshold, in no order and in pieces, and the matches so far.
    pub(super) fn finish(self) -> (Vec<Vec<Edge>>, Best) {
        (self.edges.into_inner().expect("appending does not panic"), self.best)
    }
}
