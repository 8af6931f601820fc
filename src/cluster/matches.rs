//! The matches of each face: the best others, ranked.
//!
//! **Promises.** Ordered by the confidence shown, descending, then by image order; cut after ordering (contract R117).
//! A face holds at most as many as will be shown, however many reach the threshold.

use std::cmp::Ordering;
use std::collections::BinaryHeap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use super::gather::{Budget, MATCH_BYTES};
use super::verify::{Candidate, Edge, keep};
use super::watch::Stage;
use super::{ClusterError, MatchScope, Run, workers};
use crate::confidence::{Confidence, Threshold};

/// Another face, and how sure it is that it shows the same person.
///
/// The order is that of a listing: higher confidence first, then the smaller face.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Match {
    /// The other face.
    pub face: u32,
    /// The confidence of the pair.
    pub confidence: Confidence,
}

impl Ord for Match {
    fn cmp(&self, other: &Self) -> Ordering {
        other.confidence.cmp(&self.confidence).then(self.face.cmp(&other.face))
    }
}

impl PartialOrd for Match {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// The matches of every face, one list after the other.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Matches {
    /// Where each face's list ends; it begins where the one before ends.
    ends: Vec<usize>,
    listed: Vec<Match>,
}

impl Matches {
    /// Those of face 0, 1, 2, ..., each list in order.
    pub fn from_lists(lists: impl IntoIterator<Item = impl IntoIterator<Item = Match>>) -> Self {
        let mut matches = Self::default();
        for list in lists {
            matches.listed.extend(list);
            matches.ends.push(matches.listed.len());
        }
        matches
    }

    /// How many faces have a list, be it empty.
    pub fn faces(&self) -> usize {
        self.ends.len()
    }

    /// How many matches there are, of all faces.
    pub fn total(&self) -> usize {
        self.listed.len()
    }

    /// The matches of face `face`, best first.
    ///
    /// # Panics
    /// If there is no such face.
    pub fn of(&self, face: usize) -> &[Match] {
        let start = if face == 0 { 0 } else { self.ends[face - 1] };
        &self.listed[start..self.ends[face]]
    }
}

/// No worst match yet: a face still takes every match that reaches the output threshold.
const OPEN: u64 = 0;

/// The best matches of each face so far, filled from any number of threads in any order.
pub(super) struct Best {
    most: usize,
    /// For each face a heap with the worst on top.
    lists: Vec<Mutex<BinaryHeap<Match>>>,
    /// For each face with a full list the worst match in it, as one number, since its two parts belong together: above
    /// its hundredths of confidence and one more, below its face.
    worst: Vec<AtomicU64>,
    /// The least cosine of each confidence, by hundredths; only where lists are limited.
    cosines: Vec<f64>,
}

impl Best {
    pub(super) fn new(run: &Run<'_>) -> Self {
        let most = run.parameters.max_matches.unwrap_or(usize::MAX);
        let limited = (1..run.faces.len()).contains(&most);
        let lowest = |h| Confidence::from_hundredths(h).map(|c| run.scale.lowest_cosine(Threshold::at(c)));
        Self {
            most,
            lists: (0..run.faces.len()).map(|_| Mutex::default()).collect(),
            worst: (0..if limited { run.faces.len() } else { 0 }).map(|_| AtomicU64::new(OPEN)).collect(),
            cosines: if limited { (0..=Confidence::MAX.hundredths()).filter_map(lowest).collect() } else { Vec::new() },
        }
    }

    /// Whether a list may be full.
    pub(super) fn is_limited(&self) -> bool {
        !self.worst.is_empty()
    }

    /// The least cosine that could still enter the full list of `face`; none while it is not full.
    pub(super) fn floor(&self, face: usize) -> Option<f64> {
        Some(self.cosines[self.worst(face)?.0])
    }

    /// The same if it is this other face that may enter: with equal confidence it must be smaller than the worst.
    pub(super) fn floor_beside(&self, face: u32, other: u32) -> Option<f64> {
        let (hundredths, worst) = self.worst(face as usize)?;
        let least = hundredths + usize::from(other > worst);
        Some(self.cosines.get(least).copied().unwrap_or(f64::INFINITY))
    }

    /// The worst match in a full list: hundredths of confidence, and face.
    fn worst(&self, face: usize) -> Option<(usize, u32)> {
        let worst = self.worst.get(face)?.load(Relaxed);
        (worst != OPEN).then(|| ((worst >> 32) as usize - 1, worst as u32))
    }

    /// Offers an edge to both its faces; returns by how many matches the lists grew.
    pub(super) fn offer(&self, edge: &Edge, confidence: Confidence) -> u64 {
        let (first, second) = (edge.first(), edge.second());
        let offer = |face, other| match self.floor_beside(face, other) {
            Some(floor) if edge.cosine() < floor => 0,
            _ => self.insert(face, Match { face: other, confidence }),
        };
        offer(first, second) + offer(second, first)
    }

    fn insert(&self, face: u32, entry: Match) -> u64 {
        let mut list = self.lists[face as usize].lock().expect("a heap of plain numbers does not panic");
        let grows = list.len() < self.most;
        if grows {
            list.push(entry);
        } else {
            match list.peek_mut() {
                Some(mut worst) if entry < *worst => *worst = entry,
                _ => return 0,
            }
        }
        if list.len() == self.most
            && let (Some(worst), Some(known)) = (list.peek(), self.worst.get(face as usize))
        {
            known.store((u64::from(worst.confidence.hundredths()) + 1) << 32 | u64::from(worst.face), Relaxed);
        }
        u64::from(grows)
    }
}

/// How many faces' lists make a unit of work.
const UNIT: usize = 256;

/// Orders what was gathered. With `MatchScope::Cluster` the matches are the pairs inside the clusters, computed again.
pub(super) fn rank(run: &Run<'_>, best: Best, clusters: &[Vec<u32>]) -> Result<Matches, ClusterError> {
    if run.parameters.scope == MatchScope::Cluster && best.most > 0 {
        offer_inside(run, &best, clusters)?;
    }
    let lists: Vec<Mutex<Vec<Match>>> = best
        .lists
        .into_iter()
        .map(|list| Mutex::new(list.into_inner().expect("a heap of plain numbers does not panic").into_vec()))
        .collect();
    let n = lists.len();
    workers::for_each(
        run,
        Stage::Rank,
        n.div_ceil(UNIT) as u64,
        || (),
        |(), unit| {
            let start = unit as usize * UNIT;
            for list in &lists[start..n.min(start + UNIT)] {
                list.lock().expect("sorting numbers does not panic").sort_unstable();
            }
            Ok(())
        },
    )?;
    let lists = lists.into_iter().map(|list| list.into_inner().expect("sorting numbers does not panic"));
    flatten(run, lists.collect())
}

/// One list after the other, each freed as soon as it is copied.
fn flatten(run: &Run<'_>, lists: Vec<Vec<Match>>) -> Result<Matches, ClusterError> {
    let total = lists.iter().map(Vec::len).sum();
    let mut matches = Matches { ends: Vec::with_capacity(lists.len()), listed: Vec::with_capacity(total) };
    for mut list in lists {
        if run.watch.should_stop() {
            return Err(ClusterError::Stopped);
        }
        matches.listed.append(&mut list);
        matches.ends.push(matches.listed.len());
    }
    Ok(matches)
}

/// Offers the pairs of each cluster, which were proven and are not kept.
fn offer_inside(run: &Run<'_>, best: &Best, clusters: &[Vec<u32>]) -> Result<(), ClusterError> {
    // A unit is a face with those before it in its cluster.
    let places: Vec<(u32, u32)> = clusters
        .iter()
        .enumerate()
        .flat_map(|(cluster, members)| (1..members.len()).map(move |place| (cluster as u32, place as u32)))
        .collect();
    let budget = Budget::new(run.resources.max_bytes);
    let floor = run.scale.lowest_cosine(run.parameters.output_threshold);
    workers::for_each(
        run,
        Stage::Rank,
        places.len() as u64,
        || (),
        |(), unit| {
            let (cluster, place) = places[unit as usize];
            let members = &clusters[cluster as usize];
            let face = members[place as usize];
            let edges =
                members[..place as usize].iter().filter_map(|&o| keep(run.faces, Candidate::new(o, face), floor));
            let grown = edges.map(|edge| best.offer(&edge, run.scale.confidence(edge.cosine()))).sum();
            budget.charge(grown, MATCH_BYTES)
        },
    )
}
