//! A result in memory, compact, so that any page of it is at hand.
//!
//! **Promises.** All numbers it gives are those of the result. Of matches it holds at most so many; if there were more it
//! says so.

use std::cmp::Reverse;
use std::ops::Range;

use super::other::{Obeyed, Others};
use super::read::Read;
use crate::cluster::{MatchScope, Method};
use crate::confidence::Confidence;
use crate::engine::{ClusterTask, ClusteringOutcome, Engine, EngineError};
use crate::face::{DatabaseName, FaceId, Identifier, face_id};
use crate::job::Token;

/// Which clusters are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Show {
    /// All.
    All,
    /// Those that hold several identities.
    Mixed,
    /// Those of several images.
    Several,
    /// Those of one image.
    Single,
}

/// In which order they are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// Those of most identities first, then of most images.
    Interest,
    /// As in the result: those of most images first.
    Size,
    /// Those whose weakest image fits worst first.
    Weakest,
}

/// A cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cluster {
    /// Its number, from 0, in output order.
    pub number: u32,
    /// Where its members are.
    members: Range<usize>,
    /// How many identities it holds.
    pub n_identities: u32,
    /// The lowest confidence within it that was kept.
    pub lowest: Option<Confidence>,
}

impl Cluster {
    /// How many images it has.
    pub fn len(&self) -> usize {
        self.members.len()
    }

    /// Never: a cluster has an image.
    pub fn is_empty(&self) -> bool {
        self.members.is_empty()
    }
}

/// How well an image fits into its cluster, by the pairs that were kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fit {
    /// The lowest.
    pub lowest: Confidence,
    /// The mean.
    pub mean: Confidence,
    /// The highest.
    pub highest: Confidence,
    /// How many pairs these are.
    pub n: usize,
}

/// A clustering to be looked through.
#[derive(Debug)]
pub struct Sheet {
    pub(super) token: Token,
    /// In hundredths.
    pub cluster_threshold: u16,
    /// In hundredths.
    pub output_threshold: u16,
    /// The lowest confidence from which on all pairs are held; none if some are missing at any.
    pub complete_from: Option<Confidence>,
    /// Whether matches were left out, of which there were too many.
    pub is_cut_short: bool,
    /// The images that took part, in image order.
    pub names: Vec<FaceId>,
    /// The number of the identity of each, in image order.
    pub(super) identities: Vec<u32>,
    /// The clusters, in output order.
    pub clusters: Vec<Cluster>,
    members: Vec<u32>,
    pub(super) cluster_of: Vec<u32>,
    /// Where the matches of each image are; one more than images.
    firsts: Vec<usize>,
    matches: Vec<(u32, Confidence)>,
    /// Whether it obeyed decisions, and whether other thresholds can.
    pub obeyed: Obeyed,
    /// What it would be at other thresholds.
    pub(super) others: Others,
}

impl Sheet {
    /// Reads a result to its end.
    pub(super) fn read(
        engine: &Engine,
        token: Token,
        task: &ClusterTask,
        outcome: &ClusteringOutcome,
    ) -> Result<Self, EngineError> {
        let Read { names, members, cluster_of, lists, bonds, kept_from } = Read::all(engine, token, outcome)?;
        let (obeyed, others) = Others::of(names.len(), engine.respected(token)?, bonds);
        let mut sheet = Self {
            token,
            cluster_threshold: task.cluster_threshold,
            output_threshold: task.output_threshold,
            complete_from: complete_from(task, outcome)
                .and_then(|from| Confidence::from_hundredths(from.hundredths().max(kept_from))),
            is_cut_short: kept_from > 0,
            identities: numbered(&names),
            names,
            clusters: Vec::new(),
            members,
            cluster_of,
            firsts: std::iter::once(0)
                .chain(lists.iter().scan(0, |sum, list| {
                    *sum += list.len();
                    Some(*sum)
                }))
                .collect(),
            matches: lists.into_iter().flatten().collect(),
            obeyed,
            others,
        };
        sheet.clusters = sheet.found();
        Ok(sheet)
    }

    /// The clusters of the members, which stand in output order.
    fn found(&self) -> Vec<Cluster> {
        let mut at = 0;
        let runs = self.members.chunk_by(|&a, &b| self.cluster_of[a as usize] == self.cluster_of[b as usize]);
        runs.enumerate()
            .map(|(number, run)| {
                let members = at..at + run.len();
                at = members.end;
                let lowest = run.iter().filter_map(|&face| self.fit(face)).map(|fit| fit.lowest).min();
                Cluster { number: number as u32, members, n_identities: self.n_identities(run), lowest }
            })
            .collect()
    }

    pub(super) fn n_identities(&self, faces: &[u32]) -> u32 {
        let mut identities: Vec<u32> = faces.iter().map(|&face| self.identities[face as usize]).collect();
        identities.sort_unstable();
        identities.dedup();
        identities.len() as u32
    }

    /// The images of a cluster, in image order.
    pub fn members(&self, cluster: &Cluster) -> &[u32] {
        &self.members[cluster.members.clone()]
    }

    /// The cluster of an image.
    pub fn cluster_of(&self, face: u32) -> &Cluster {
        &self.clusters[self.cluster_of[face as usize] as usize]
    }

    /// The matches of an image, best first.
    pub fn matches_of(&self, face: u32) -> &[(u32, Confidence)] {
        &self.matches[self.firsts[face as usize]..self.firsts[face as usize + 1]]
    }

    /// The confidence of two images, if that was kept.
    pub fn pair(&self, a: u32, b: u32) -> Option<Confidence> {
        let listed = |a: u32, b: u32| self.matches_of(a).iter().find(|&&(other, _)| other == b).map(|&(_, c)| c);
        listed(a, b).or_else(|| listed(b, a))
    }

    /// How well an image fits into its cluster; none if no pair with another image of it was kept.
    pub fn fit(&self, face: u32) -> Option<Fit> {
        let own = self.cluster_of[face as usize];
        let (mut n, mut sum) = (0usize, 0u64);
        let (mut lowest, mut highest) = (Confidence::MAX, None);
        for &(other, confidence) in self.matches_of(face) {
            if self.cluster_of[other as usize] == own {
                (n, sum) = (n + 1, sum + u64::from(confidence.hundredths()));
                (lowest, highest) = (lowest.min(confidence), highest.max(Some(confidence)));
            }
        }
        let mean = Confidence::from_hundredths(sum.checked_div(n as u64)? as u16)?;
        Some(Fit { lowest, mean, highest: highest?, n })
    }

    /// The number of the identity of an image, by which identities are told apart.
    pub fn identity(&self, face: u32) -> u32 {
        self.identities[face as usize]
    }

    /// How many identities took part.
    pub fn identities(&self) -> u32 {
        self.identities.last().map_or(0, |last| last + 1)
    }

    /// How many identities are in several clusters.
    pub fn n_split(&self) -> usize {
        n_split(&self.identities, self.clusters.iter().map(|cluster| self.members(cluster)))
    }

    /// For each identity of a cluster one of its images and how many it has there, those of most images first.
    pub fn parts(&self, cluster: &Cluster) -> Vec<(u32, usize)> {
        let members = self.members(cluster);
        let mut parts: Vec<(u32, usize)> = members
            .chunk_by(|&a, &b| self.identity(a) == self.identity(b)) // in image order those of one stand together
            .map(|run| (run[0], run.len()))
            .collect();
        parts.sort_by_key(|&(first, n)| (Reverse(n), first));
        parts
    }

    /// The image of these names, if it took part.
    pub fn face(&self, database: &str, identifier: &str, label: &str) -> Option<u32> {
        let wanted = face_id(database, identifier, label).ok()?;
        self.names.binary_search(&wanted).ok().map(|at| at as u32)
    }

    /// The images of an identity, in image order.
    pub fn images_of(&self, database: &DatabaseName, identifier: &Identifier) -> Range<u32> {
        let is_before = |id: &FaceId| (&id.database, &id.identifier) < (database, identifier);
        let is_within = |id: &FaceId| (&id.database, &id.identifier) <= (database, identifier);
        self.names.partition_point(is_before) as u32..self.names.partition_point(is_within) as u32
    }

    /// The clusters that are shown, in this order.
    pub fn shown(&self, show: Show, order: Order) -> Vec<&Cluster> {
        let mut shown: Vec<&Cluster> = self
            .clusters
            .iter()
            .filter(|cluster| match show {
                Show::All => true,
                Show::Mixed => cluster.n_identities > 1,
                Show::Several => cluster.len() > 1,
                Show::Single => cluster.len() == 1,
            })
            .collect();
        match order {
            Order::Interest => {
                shown.sort_by_key(|cluster| (Reverse(cluster.n_identities), Reverse(cluster.len()), cluster.number));
            }
            Order::Size => {}
            Order::Weakest => {
                shown.sort_by_key(|cluster| (cluster.lowest.is_none(), cluster.lowest, cluster.number));
            }
        }
        shown
    }
}

/// From which confidence on the result has every pair.
fn complete_from(task: &ClusterTask, outcome: &ClusteringOutcome) -> Option<Confidence> {
    let is_limited = task.max_results.is_some() || outcome.choice.method == Method::Hnsw;
    let from = match task.scope {
        MatchScope::All => task.output_threshold,
        MatchScope::Cluster => task.output_threshold.max(task.cluster_threshold),
    };
    Confidence::from_hundredths(from).filter(|_| !is_limited)
}

/// The number of the identity of each image; in image order those of one identity stand together.
fn numbered(names: &[FaceId]) -> Vec<u32> {
    let mut number = 0;
    let mut numbers = Vec::with_capacity(names.len());
    for (at, name) in names.iter().enumerate() {
        let before = at.checked_sub(1).map(|before| &names[before]);
        let is_new = before.is_some_and(|b| (&b.database, &b.identifier) != (&name.database, &name.identifier));
        number += u32::from(is_new);
        numbers.push(number);
    }
    numbers
}

pub(super) fn n_split<'a>(identities: &[u32], clusters: impl Iterator<Item = &'a [u32]>) -> usize {
    let n = identities.last().map_or(0, |last| *last as usize + 1);
    let (mut last, mut is_split) = (vec![None; n], vec![false; n]);
    for (number, members) in clusters.enumerate() {
        for &face in members {
            let identity = identities[face as usize] as usize;
            is_split[identity] |= last[identity].is_some_and(|other| other != number);
            last[identity] = Some(number);
        }
    }
    is_split.into_iter().filter(|&is| is).count()
}

#[cfg(test)]
impl Sheet {
    /// A result of these clusters without matches.
    pub(super) fn of(names: Vec<FaceId>, clusters: &[Vec<u32>]) -> Self {
        let mut cluster_of = vec![0; names.len()];
        for (number, members) in clusters.iter().enumerate() {
            for &face in members {
                cluster_of[face as usize] = number as u32;
            }
        }
        let mut sheet = Self {
            token: Token::generate(),
            cluster_threshold: 5_000,
            output_threshold: 5_000,
            complete_from: None,
            is_cut_short: false,
            identities: numbered(&names),
            firsts: vec![0; names.len() + 1],
            names,
            clusters: Vec::new(),
            members: clusters.concat(),
            cluster_of,
            matches: Vec::new(),
            obeyed: Obeyed::Nothing,
            others: Others::default(),
        };
        sheet.clusters = sheet.found();
        sheet
    }
}
