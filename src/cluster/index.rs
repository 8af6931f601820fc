//! The approximate index: a graph of near neighbours proposes the pairs worth proving.
//!
//! Hierarchical navigable small worlds (Malkov and Yashunin, 2018, arXiv 1603.09320), by the crate `hnsw_rs`. M is the
//! paper's; `ef` is its width of the search.
//!
//! **Promises.** It may miss pairs, never invent them: what it proposes is a candidate. It proposes the same pairs on
//! every run and with any number of threads: the faces are inserted one by one in image order, the crate draws the
//! layers from a generator with a fixed seed, the distance is summed in a fixed order, and searching changes nothing.
//! (Not promised: the same pairs from another version of the crate, or where the C library's logarithm rounds
//! otherwise, which decides the layer of a face.)
//!
//! **Why not in parallel.** Parallel insertion in this crate depends on timing, and leaves some faces unreachable.
//!
//! **Why equal embeddings are one.** Many copies of one picture fill each other's neighbour lists and cut themselves
//! off from the rest. So one of them stands for all, and a proposal counts for every copy.

use std::sync::Mutex;

use hnsw_rs::prelude::{Distance, Hnsw};

use super::gather::Budget;
use super::verify::Candidate;
use super::watch::{Meter, Stage};
use super::{ClusterError, Run, workers};
use crate::kernel::{Screen, product};

/// M: links of a face in each layer (twice as many in the lowest).
const M: usize = 16;
/// efConstruction: the width of the search for the neighbours of a new face.
const EF_CONSTRUCTION: usize = 200;
/// The most layers the crate has.
const LAYERS: usize = 16;
/// So many neighbours are asked for first; doubled while the last of them still reaches the floor.
const FIRST_K: usize = 32;
/// ef is k and this.
const EF_BEYOND_K: usize = 64;
/// Beyond this k, and beyond a share of all faces, looking at all is cheaper than walking the graph.
const WIDEST_K: usize = 4096;
const WIDEST_SHARE: usize = 32;

/// One minus the product, which orders unit vectors as the angle does. Cut at zero, as the crate insists.
#[derive(Clone, Copy)]
struct Angle;

impl Distance<f32> for Angle {
    fn eval(&self, a: &[f32], b: &[f32]) -> f32 {
        (1.0 - product(a, b)).max(0.0)
    }
}

/// Holds copies of what was inserted, by the number of its group.
type Graph = Hnsw<'static, f32, Angle>;

/// The candidates, by the smaller of their two faces.
pub(super) struct Proposals {
    /// For each face the greater ones it is proposed with, ascending.
    partners: Vec<Vec<u32>>,
}

impl Proposals {
    /// The candidates whose smaller face is `face`.
    pub(super) fn of(&self, face: u32) -> impl Iterator<Item = Candidate> + '_ {
        self.partners[face as usize].iter().map(move |&other| Candidate::new(face, other))
    }

    /// Whether this pair is among them.
    pub(super) fn holds(&self, a: u32, b: u32) -> bool {
        self.partners[a.min(b) as usize].binary_search(&a.max(b)).is_ok()
    }
}

/// The graph over the faces of a run, and what it needs to be asked.
pub(super) struct Index<'a> {
    run: &'a Run<'a>,
    groups: Vec<Vec<u32>>,
    graph: Graph,
}

impl<'a> Index<'a> {
    /// Inserts every face.
    pub(super) fn build(run: &'a Run<'a>) -> Result<Self, ClusterError> {
        let groups = equal_embeddings(run)?;
        let graph = build(run, &groups)?;
        Ok(Self { run, groups, graph })
    }

    /// Proposes the pairs that may reach `floor`.
    pub(super) fn propose(&self, floor: f64) -> Result<Proposals, ClusterError> {
        let (run, groups) = (self.run, &self.groups);
        let cut = Screen::new(run.faces.dimension()).cut(floor);
        let partners: Vec<Mutex<Vec<u32>>> = (0..run.faces.len()).map(|_| Mutex::default()).collect();
        let budget = Budget::new(run.resources.max_bytes);
        // A budget of its own: proposals come from both sides and in growing lists, but what is left of them below is
        // small beside the edges they become.
        let bytes = 2 * size_of::<u32>() as u64;
        workers::for_each(
            run,
            Stage::Index,
            groups.len() as u64,
            || (),
            |(), unit| {
                let group = unit as usize;
                let copies = &groups[group];
                let near = self.near(group, cut);
                let beside: usize = near.iter().map(|&g| groups[g as usize].len()).sum();
                budget.charge((copies.len() * beside + copies.len() * (copies.len() - 1) / 2) as u64, bytes)?;
                let propose = |a: u32, b: u32| {
                    let mut list = partners[a.min(b) as usize].lock().expect("appending does not panic");
                    list.push(a.max(b));
                };
                for (at, &copy) in copies.iter().enumerate() {
                    copies[..at].iter().for_each(|&other| propose(copy, other));
                    near.iter().flat_map(|&g| &groups[g as usize]).for_each(|&other| propose(copy, other));
                }
                Ok(())
            },
        )?;
        let lists = partners.into_iter().map(|list| {
            if run.watch.should_stop() {
                return Err(ClusterError::Stopped);
            }
            let mut list = list.into_inner().expect("appending does not panic");
            list.sort_unstable();
            list.dedup();
            list.shrink_to_fit();
            Ok(list)
        });
        Ok(Proposals { partners: lists.collect::<Result<_, _>>()? })
    }

    /// For each of `faces`, ascending, the others that may reach `floor` with it, ascending.
    pub(super) fn beside(&self, faces: &[u32], floor: f64) -> Result<Vec<Vec<u32>>, ClusterError> {
        let cut = Screen::new(self.run.faces.dimension()).cut(floor);
        let asked = self.groups.iter().enumerate().flat_map(|(group, copies)| {
            copies.iter().filter(|face| faces.binary_search(face).is_ok()).map(move |&face| (face, group))
        });
        let mut asked: Vec<(u32, usize)> = asked.collect();
        asked.sort_unstable();
        let beside = asked.into_iter().map(|(_, group)| {
            if self.run.watch.should_stop() {
                return Err(ClusterError::Stopped);
            }
            // Its own copies are beside it too, and so is itself, which nobody asks for.
            let near = std::iter::once(group).chain(self.near(group, cut).into_iter().map(|g| g as usize));
            let mut list: Vec<u32> = near.flat_map(|g| &self.groups[g]).copied().collect();
            list.sort_unstable();
            Ok(list)
        });
        beside.collect()
    }

    /// The other groups that may reach the cut with this one.
    fn near(&self, group: usize, cut: f32) -> Vec<u32> {
        let faces = self.run.faces;
        let n = self.groups.len();
        let row = faces.row(self.groups[group][0] as usize);
        let widest = WIDEST_K.max(n / WIDEST_SHARE);
        let mut k = FIRST_K;
        while k <= widest {
            let found = self.graph.search(row, k, k + EF_BEYOND_K);
            let passing = found.partition_point(|neighbour| 1.0 - neighbour.distance >= cut);
            // The floor was passed, or everything the graph reaches has been seen.
            if passing < found.len() || found.len() < k {
                let others = found[..passing].iter().map(|n| n.d_id as u32);
                return others.filter(|&other| other as usize != group).collect();
            }
            k *= 2;
        }
        let passes = |other: usize| product(row, faces.row(self.groups[other][0] as usize)) >= cut;
        (0..n).filter(|&other| other != group && passes(other)).map(|other| other as u32).collect()
    }
}

/// The faces in groups of equal embeddings, bit for bit; groups and their members in image order.
fn equal_embeddings(run: &Run<'_>) -> Result<Vec<Vec<u32>>, ClusterError> {
    let bits = |face: u32| run.faces.row(face as usize).iter().map(|v| v.to_bits());
    // Sorted by a hash (FNV-1a by words), so that equal rows are neighbours. Should different rows share a hash, then
    // some group may be split, which costs time but no pair.
    let hash = |face: u32| {
        bits(face).fold(0xcbf2_9ce4_8422_2325u64, |h, b| (h ^ u64::from(b)).wrapping_mul(0x0000_0100_0000_01b3))
    };
    let mut order = Vec::with_capacity(run.faces.len());
    for face in 0..run.faces.len() as u32 {
        if face % 4096 == 0 && run.watch.should_stop() {
            return Err(ClusterError::Stopped);
        }
        order.push((hash(face), face));
    }
    order.sort_unstable();
    let equal = |a: &(u64, u32), b: &(u64, u32)| a.0 == b.0 && bits(a.1).eq(bits(b.1));
    let mut groups: Vec<Vec<u32>> = order.chunk_by(equal).map(|g| g.iter().map(|&(_, face)| face).collect()).collect();
    groups.sort_unstable_by_key(|group| group[0]);
    Ok(groups)
}

/// Inserts the first face of each group, in image order, one after the other.
fn build(run: &Run<'_>, groups: &[Vec<u32>]) -> Result<Graph, ClusterError> {
    const REPORT: usize = 64;
    let meter = Meter::new(run.watch, Stage::Index, groups.len() as u64);
    let graph = Hnsw::new(M, groups.len(), LAYERS, EF_CONSTRUCTION, Angle);
    for (at, members) in groups.chunks(REPORT).enumerate() {
        for (place, group) in members.iter().enumerate() {
            meter.check()?;
            graph.insert((run.faces.row(group[0] as usize), at * REPORT + place));
        }
        meter.advance(members.len() as u64);
    }
    Ok(graph)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_distance_is_never_negative() {
        let long = [1.000_001f32, 0.0];
        assert_eq!(Angle.eval(&long, &long).to_bits(), 0);
    }
}
