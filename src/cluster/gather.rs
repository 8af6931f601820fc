//! Where proven pairs go: edges for the linkage, matches for their two faces. And how much that may be.
//!
//! **Promises.** What is held does not depend on the order in which pairs come, nor on threads. The bytes held never pass
//! the limit unsaid: edges that do not fit are counted and found again later (`levels`), matches that do not are an error.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, OnceLock};

use super::census::Census;
use super::exhaustive::Floors;
use super::matches::Best;
use super::verify::Edge;
use super::{ClusterError, MatchScope, Method, Run};

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

    /// Takes `count` times `each` bytes if they fit.
    fn takes(&self, count: u64, each: u64) -> bool {
        let has_taken = self.takes_bytes(count.saturating_mul(each));
        if has_taken {
            self.found.fetch_add(count, Ordering::Relaxed);
        }
        has_taken
    }

    fn takes_bytes(&self, more: u64) -> bool {
        let fits = |used: u64| used.checked_add(more).filter(|&used| used <= self.limit);
        self.used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, fits).is_ok()
    }

    fn release(&self, bytes: u64) {
        self.used.fetch_sub(bytes, Ordering::Relaxed);
    }

    fn left(&self) -> u64 {
        self.limit.saturating_sub(self.used.load(Ordering::Relaxed))
    }
}

/// The edges at or above the cluster threshold.
pub(super) enum Edges {
    /// All of them, in no order and in pieces.
    Held(Vec<Vec<Edge>>),
    /// They do not fit, but so many links do.
    Counted(Census, usize),
}

/// Takes proven pairs from any number of threads.
pub(super) struct Gather<'a> {
    run: Run<'a>,
    cluster_floor: f64,
    /// Infinite when no match is ranked before the clusters are known.
    output_floor: f64,
    method: Method,
    /// In pieces, so that none is ever moved.
    edges: Mutex<Vec<Vec<Edge>>>,
    /// There when the edges are too many to be held.
    census: OnceLock<Census>,
    best: Best,
    budget: Budget,
}

impl<'a> Gather<'a> {
    pub(super) fn new(run: &Run<'a>, method: Method) -> Self {
        let parameters = run.parameters;
        let ranks_now = parameters.scope == MatchScope::All && parameters.max_matches != Some(0);
        Self {
            run: *run,
            cluster_floor: run.scale.lowest_cosine(parameters.cluster_threshold),
            output_floor: if ranks_now { run.scale.lowest_cosine(parameters.output_threshold) } else { f64::INFINITY },
            method,
            edges: Mutex::new(Vec::new()),
            census: OnceLock::new(),
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

    /// What pairs that surely are edges are counted by, once edges are no longer held.
    pub(super) fn census(&self) -> Option<&Census> {
        self.census.get()
    }

    /// The line of the cluster threshold.
    pub(super) fn cluster_floor(&self) -> f64 {
        self.cluster_floor
    }

    /// The least cosine with which these two faces may be a match of either.
    pub(super) fn match_floor(&self, a: u32, b: u32) -> f64 {
        let floor = |face, other| self.best.floor_beside(face, other).unwrap_or(self.output_floor);
        floor(a, b).min(floor(b, a))
    }

    /// Takes these edges and leaves the list empty.
    pub(super) fn take(&self, edges: &mut Vec<Edge>) -> Result<(), ClusterError> {
        let mut matches = 0;
        for edge in edges.iter().filter(|e| e.cosine() >= self.output_floor) {
            matches += self.best.offer(edge, self.run.scale.confidence(edge.cosine()));
        }
        if !self.budget.takes(matches, MATCH_BYTES) {
            if self.method == Method::Exact {
                self.count(&mut self.edges.lock().expect("appending does not panic"));
            }
            self.budget.charge(matches, MATCH_BYTES)?;
        }
        let constraints = &self.run.parameters.constraints; // whose pairs come by themselves, or never
        edges.retain(|e| e.cosine() >= self.cluster_floor && e.is_free(constraints));
        self.hold(edges)?;
        edges.clear();
        Ok(())
    }

    /// Holds these edges, or from the first that do not fit counts them and all others. Those of an index, which would not
    /// be found again, are held or an error.
    pub(super) fn hold(&self, edges: &mut Vec<Edge>) -> Result<(), ClusterError> {
        if let Some(census) = self.census.get() {
            for edge in &*edges {
                census.count(edge);
            }
            return Ok(());
        }
        let mut pieces = self.edges.lock().expect("appending does not panic");
        if self.census.get().is_none() && self.budget.takes(edges.len() as u64, EDGE_BYTES) {
            match pieces.last_mut() {
                Some(piece) if piece.len() + edges.len() <= piece.capacity() => piece.append(edges),
                _ => {
                    let mut piece = Vec::with_capacity(edges.len().max(PIECE));
                    piece.append(edges);
                    pieces.push(piece);
                }
            }
            return Ok(());
        }
        if self.method == Method::Hnsw {
            return self.budget.charge(edges.len() as u64, EDGE_BYTES);
        }
        let census = self.count(&mut pieces);
        drop(pieces);
        for edge in &*edges {
            census.count(edge);
        }
        Ok(())
    }

    /// Counts the edges that are held and lets them go.
    fn count(&self, pieces: &mut Vec<Vec<Edge>>) -> &Census {
        let census = self.census.get_or_init(|| Census::new(self.run.faces.len()));
        for piece in std::mem::take(pieces) {
            for edge in &piece {
                census.count(edge);
            }
            self.budget.release(piece.len() as u64 * EDGE_BYTES);
        }
        census
    }

    /// For how many bytes there is room.
    pub(super) fn left(&self) -> u64 {
        self.budget.left()
    }

    /// Takes room that is needed for as long as pairs are compared; whether there is so much.
    pub(super) fn reserve(&self, bytes: u64) -> bool {
        self.budget.takes_bytes(bytes)
    }

    /// Gives it back.
    pub(super) fn release(&self, bytes: u64) {
        self.budget.release(bytes);
    }

    /// The edges at or above the cluster threshold, and the matches so far.
    pub(super) fn finish(self) -> (Edges, Best) {
        let edges = match self.census.into_inner() {
            Some(census) => Edges::Counted(census, (self.budget.left() / EDGE_BYTES) as usize),
            None => Edges::Held(self.edges.into_inner().expect("appending does not panic")),
        };
        (edges, self.best)
    }
}

impl Floors for Gather<'_> {
    /// For each of `faces` the cut of the least cosine with which a pair may matter to the linkage or to the matches of
    /// this face. It rises while the matches of a face improve, which discards nothing that would be kept.
    fn cuts<C>(&self, cut: impl Fn(f64) -> C, faces: impl Iterator<Item = u32>, cuts: &mut Vec<C>) {
        let floor = |face: u32| self.best.floor(face as usize).unwrap_or(self.output_floor).min(self.cluster_floor);
        cuts.clear();
        cuts.extend(faces.map(|face| cut(floor(face))));
    }
}
