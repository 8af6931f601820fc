//! The images of other identities that match an image: the best of them, each pair proven.
//!
//! **Promises.** Bounded: at most [`MOST_NEAR`] for each face, however many there are. The same in any thread count. Every
//! pair of different identities that reaches the threshold is seen, or with an index those that it proposes.

use super::super::exhaustive::{Floors, Order, Scratch, Tiles, heads, survivors};
use super::super::gather::{Budget, MATCH_BYTES};
use super::super::index::Index;
use super::super::matches::{Best, Matches, rank};
use super::super::verify::{Candidate, Edge, keep};
use super::super::watch::Stage;
use super::super::{ClusterError, Method, Run, Shelf, workers};
use super::finding::Chance;
use super::identities::Identities;

/// So many of the best images of other identities are kept for each face.
pub(super) const MOST_NEAR: usize = 64;
/// How many faces' candidates make a unit of work with an index.
const UNIT: usize = 64;
/// With fewer faces, float32 products are faster than making heads.
const LEAST_FOR_HEADS: usize = 1_000;

/// What the pass over all pairs of different identities leaves behind.
pub(super) struct Near {
    /// For each face its best matches in other identities.
    pub(super) matches: Matches,
    /// How many pairs there are, and how many of those kept reach the threshold.
    pub(super) chance: Chance,
}

/// The lists being filled.
struct Lists<'a> {
    run: &'a Run<'a>,
    identities: &'a Identities,
    best: Best,
    floor: f64,
    budget: Budget,
}

impl Floors for Lists<'_> {
    fn cuts<C>(&self, cut: impl Fn(f64) -> C, faces: impl Iterator<Item = u32>, cuts: &mut Vec<C>) {
        cuts.clear();
        cuts.extend(faces.map(|face| cut(self.best.floor(face as usize).unwrap_or(self.floor))));
    }
}

impl Lists<'_> {
    fn is_cross(&self, a: u32, b: u32) -> bool {
        self.identities.of(a) != self.identities.of(b)
    }

    fn take(&self, edge: &Edge) -> Result<(), ClusterError> {
        let grown = self.best.offer(edge, self.run.scale.confidence(edge.cosine()));
        self.budget.charge(grown, MATCH_BYTES)
    }
}

/// Looks at every pair of different identities that may reach the cluster threshold. `run` asks for [`MOST_NEAR`] matches
/// at that threshold.
pub(super) fn find(
    run: &Run<'_>,
    identities: &Identities,
    method: Method,
    shelf: &dyn Shelf,
) -> Result<Near, ClusterError> {
    let floor = run.scale.lowest_cosine(run.parameters.output_threshold);
    let budget = Budget::new(run.resources.max_bytes);
    let lists = Lists { run, identities, best: Best::new(run), floor, budget };
    match method {
        Method::Exact => every_pair(&lists)?,
        Method::Hnsw => proposed(&lists, shelf)?,
    }
    let pairs = |n: u64| n * n.saturating_sub(1) / 2;
    let own: u64 = (0..identities.len() as u32).map(|identity| pairs(u64::from(identities.size(identity)))).sum();
    let matches = rank(run, lists.best, &[])?;
    // Each is in the lists of both its faces, unless one of these is full. What is listed does not depend on threads.
    let chance = Chance { pairs: pairs(run.faces.len() as u64) - own, reaching: (matches.total() as u64).div_ceil(2) };
    Ok(Near { matches, chance })
}

fn every_pair(lists: &Lists<'_>) -> Result<(), ClusterError> {
    let run = lists.run;
    let n = run.faces.len();
    let order = Order::every(n);
    let tiles = Tiles::new(n, n, run.faces.dimension());
    let has_room = run.resources.max_bytes >= (n * run.faces.dimension()) as u64;
    let heads = (n >= LEAST_FOR_HEADS && has_room).then(|| heads(run, &order, lists.floor)).flatten();
    let scratch = || (Scratch::default(), Vec::new());
    workers::for_each(run, Stage::Audit, tiles.len(), scratch, |(scratch, found), unit| {
        survivors(run, heads.as_ref(), &order, tiles.of(unit), lists, scratch, |a, b| {
            let (a, b) = (a as u32, b as u32);
            if lists.is_cross(a, b) {
                found.push((a, b));
            }
        });
        for (a, b) in found.drain(..) {
            if let Some(edge) = keep(run.faces, Candidate::new(a, b), lists.floor) {
                lists.take(&edge)?;
            }
        }
        Ok(())
    })
}

fn proposed(lists: &Lists<'_>, shelf: &dyn Shelf) -> Result<(), ClusterError> {
    let run = lists.run;
    let proposals = Index::build(run, shelf)?.propose(lists.floor)?;
    let n = run.faces.len();
    workers::for_each(
        run,
        Stage::Audit,
        n.div_ceil(UNIT) as u64,
        || (),
        |(), unit| {
            let start = unit as usize * UNIT;
            for face in start..n.min(start + UNIT) {
                for candidate in proposals.of(face as u32).filter(|candidate| {
                    let (a, b) = candidate.faces();
                    lists.is_cross(a, b)
                }) {
                    if let Some(edge) = keep(run.faces, candidate, lists.floor) {
                        lists.take(&edge)?;
                    }
                }
            }
            Ok(())
        },
    )
}
