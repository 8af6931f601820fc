//! The approximate index: a graph of near neighbours proposes the pairs worth proving.
//!
//! **Promises.** It may miss pairs, never invent them: what it proposes is a candidate. It proposes the same pairs with
//! any number of threads, and for the same history on every run: a new graph takes the faces one by one in image order,
//! a kept one takes those it does not have, in image order, and searching changes nothing. (Not promised: the same
//! pairs from another history, such as faces that came in two steps or in one; from another version of the crate; or
//! where the C library's logarithm rounds otherwise, which decides the layer of a face.)
//!
//! **A kept graph** is known by its embeddings only, not by who they belong to. Points of no face stay as stepping
//! stones and are proposed with nobody. It is built anew when a third of its points is of no face, or when it has twice
//! the points it was built with, which costs no more than building it once in all over its life, and keeps its upper
//! layers as dense as half of what they should be.
//!
//! **Why equal embeddings are one.** Many copies of one picture fill each other's neighbour lists and cut themselves
//! off from the rest. So one of them stands for all, and a proposal counts for every copy.

use std::sync::Mutex;

use super::gather::Budget;
use super::graph::{Graph, Shelf};
use super::verify::Candidate;
use super::watch::{Meter, Stage};
use super::{ClusterError, Run, copies, workers};
use crate::kernel::{Screen, product};

/// So many neighbours are asked for first; doubled while the last of them still reaches the floor.
const FIRST_K: usize = 32;
/// Beyond this k, and beyond a share of all faces, looking at all is cheaper than walking the graph.
const WIDEST_K: usize = 4096;
const WIDEST_SHARE: usize = 32;

/// A kept graph is built anew when more than one in so many of its points is of no face any more...
const GONE: usize = 3;
/// ... or when it would have more than so many times the points it was built with.
const GROWN: usize = 2;
/// A point of no face.
const NOBODY: u32 = u32::MAX;

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
    /// The faces of each embedding.
    groups: Vec<Vec<u32>>,
    graph: Graph,
    /// The group of each point, or nobody's.
    group_of: Vec<u32>,
}

impl<'a> Index<'a> {
    /// Brings the graph on the shelf up to date with the faces, or builds one, and keeps it there if it changed.
    pub(super) fn build(run: &'a Run<'a>, shelf: &dyn Shelf) -> Result<Self, ClusterError> {
        let every_face: Vec<u32> = (0..run.faces.len() as u32).collect();
        let groups = copies::groups(run.faces, &every_face, run.watch)?;
        if groups.is_empty() {
            return Ok(Self { run, groups, graph: Graph::new(0), group_of: Vec::new() });
        }
        let kept = shelf.take(run.watch).filter(|graph| graph.dimension() == run.faces.dimension());
        let (mut graph, mut group_of) = match kept {
            Some(graph) => {
                let group_of = group_of_points(run, &groups, &graph)?;
                let n_known = group_of.iter().filter(|&&group| group != NOBODY).count();
                let n_all = graph.len() + groups.len() - n_known;
                let is_of_use = (graph.len() - n_known) * GONE <= graph.len();
                let is_layered = n_all <= graph.founded() as usize * GROWN;
                if is_of_use && is_layered { (graph, group_of) } else { (Graph::new(groups.len()), Vec::new()) }
            }
            None => (Graph::new(groups.len()), Vec::new()),
        };
        if insert(run, &groups, &mut graph, &mut group_of)? {
            shelf.put(&graph, run.watch);
        }
        Ok(Self { run, groups, graph, group_of })
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
            let found = self.graph.near(row, k);
            let n_found = found.len();
            let passing: Vec<u32> = found.take_while(|&(_, p)| p >= cut).map(|(point, _)| point).collect();
            // The floor was passed, or everything the graph reaches has been seen.
            if passing.len() < n_found || n_found < k {
                let groups = passing.into_iter().map(|point| self.group_of[point as usize]);
                return groups.filter(|&other| other as usize != group && other != NOBODY).collect();
            }
            k *= 2;
        }
        let passes = |other: usize| product(row, faces.row(self.groups[other][0] as usize)) >= cut;
        (0..n).filter(|&other| other != group && passes(other)).map(|other| other as u32).collect()
    }
}

/// FNV-1a by words.
fn hash(row: &[f32]) -> u64 {
    row.iter().fold(0xcbf2_9ce4_8422_2325, |h, v| (h ^ u64::from(v.to_bits())).wrapping_mul(0x0000_0100_0000_01b3))
}

fn same_bits(a: &[f32], b: &[f32]) -> bool {
    a.iter().map(|v| v.to_bits()).eq(b.iter().map(|v| v.to_bits()))
}

/// The group of each point of the graph, by its embedding, bit for bit. The graph has copies of them, so that no
/// fingerprint is needed, and none can be forged.
fn group_of_points(run: &Run<'_>, groups: &[Vec<u32>], graph: &Graph) -> Result<Vec<u32>, ClusterError> {
    let row = |group: u32| run.faces.row(groups[group as usize][0] as usize);
    let mut hashed: Vec<(u64, u32)> = (0..groups.len() as u32).map(|group| (hash(row(group)), group)).collect();
    hashed.sort_unstable();
    let mut group_of = vec![NOBODY; graph.len()];
    graph.for_each(|point, embedding| {
        let own = hash(embedding);
        let alike = &hashed[hashed.partition_point(|&(other, _)| other < own)..];
        let mut alike = alike.iter().take_while(|&&(other, _)| other == own).map(|&(_, group)| group);
        if let Some(group) = alike.find(|&group| same_bits(row(group), embedding)) {
            group_of[point as usize] = group;
        }
    });
    if run.watch.should_stop() { Err(ClusterError::Stopped) } else { Ok(group_of) }
}

/// Inserts the first face of each group that has no point yet, in image order, one after the other. Says whether there
/// was any.
fn insert(
    run: &Run<'_>,
    groups: &[Vec<u32>],
    graph: &mut Graph,
    group_of: &mut Vec<u32>,
) -> Result<bool, ClusterError> {
    const REPORT: usize = 64;
    let mut is_known = vec![false; groups.len()];
    group_of.iter().filter(|&&group| group != NOBODY).for_each(|&group| is_known[group as usize] = true);
    let new: Vec<u32> = (0..groups.len() as u32).filter(|&group| !is_known[group as usize]).collect();
    let meter = Meter::new(run.watch, Stage::Index, new.len() as u64);
    for some in new.chunks(REPORT) {
        for &group in some {
            meter.check()?;
            graph.insert(run.faces.row(groups[group as usize][0] as usize));
            group_of.push(group);
        }
        meter.advance(some.len() as u64);
    }
    Ok(!new.is_empty())
}
