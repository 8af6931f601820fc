//! The proof that a result keeps its promises, or the first one it breaks.
//!
//! **Promises.** Nothing but the vectors, the scale and the definition of the cosine is trusted: no screen, no edge.

use std::collections::BTreeMap;

use thiserror::Error;

use super::matches::Match;
use super::{Bond, Clustering, MatchScope, Method, Parameters};
use crate::confidence::{Confidence, ConfidenceScale};
use crate::face::FaceSet;
use crate::kernel;

/// A promise that a result breaks. Clusters and faces are given by index.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Violation {
    /// A face that is not in the set.
    #[error("cluster {cluster} holds face {face}, there are only {faces}")]
    NoSuchFace {
        /// The cluster.
        cluster: usize,
        /// The face.
        face: u32,
        /// How many there are.
        faces: usize,
    },
    /// A face in no cluster, or in several.
    #[error("face {face} is in {clusters} clusters")]
    NotAPartition {
        /// The face.
        face: u32,
        /// In how many places it is.
        clusters: usize,
    },
    /// A cluster without faces.
    #[error("cluster {cluster} is empty")]
    Empty {
        /// The cluster.
        cluster: usize,
    },
    /// Faces of a cluster not in image order.
    #[error("cluster {cluster} is not in image order")]
    FaceOrder {
        /// The cluster.
        cluster: usize,
    },
    /// A cluster that belongs before the one before it.
    #[error("cluster {cluster} belongs before the one before it")]
    ClusterOrder {
        /// The later of the two.
        cluster: usize,
    },
    /// A pair in a cluster below the cluster threshold.
    #[error("faces {first} and {second} of cluster {cluster} have a confidence of {confidence} only")]
    BelowClusterThreshold {
        /// The cluster.
        cluster: usize,
        /// A face.
        first: u32,
        /// Another.
        second: u32,
        /// Their confidence.
        confidence: Confidence,
    },
    /// A pair in a cluster that was decided not to be one person.
    #[error("faces {first} and {second} of cluster {cluster} were decided not to be one person")]
    KeptApart {
        /// The cluster.
        cluster: usize,
        /// A face.
        first: u32,
        /// Another.
        second: u32,
    },
    /// Two clusters whose pairs all reach the threshold, or are decided to be one person.
    #[error("clusters {first} and {second} could be merged")]
    Mergeable {
        /// A cluster.
        first: usize,
        /// A later one.
        second: usize,
    },
    /// Not one list of matches for each face.
    #[error("there are {lists} lists of matches for {faces} faces")]
    MatchLists {
        /// How many lists.
        lists: usize,
        /// How many faces.
        faces: usize,
    },
    /// A match that is the face itself or none in the set.
    #[error("face {face} cannot have face {other} as a match")]
    NoSuchMatch {
        /// The face.
        face: u32,
        /// Its match.
        other: u32,
    },
    /// A match with another confidence than the vectors give.
    #[error("faces {face} and {other} have confidence {actual}, not {stated}")]
    MatchConfidence {
        /// The face.
        face: u32,
        /// Its match.
        other: u32,
        /// What the result says.
        stated: Confidence,
        /// What the vectors give.
        actual: Confidence,
    },
    /// A match below the output threshold.
    #[error("face {face} has face {other} as a match with {confidence}, below the threshold")]
    BelowOutputThreshold {
        /// The face.
        face: u32,
        /// Its match.
        other: u32,
        /// Their confidence.
        confidence: Confidence,
    },
    /// A match in another cluster, though only the own one was asked for.
    #[error("face {face} has face {other} of another cluster as a match")]
    MatchOutside {
        /// The face.
        face: u32,
        /// Its match.
        other: u32,
    },
    /// A match that belongs before the one before it, or is there twice.
    #[error("match {place} of face {face} belongs before the one before it")]
    MatchOrder {
        /// The face.
        face: u32,
        /// Which of its matches, from 0.
        place: usize,
    },
    /// More matches than were asked for.
    #[error("face {face} has {count} matches, at most {most} were asked for")]
    TooManyMatches {
        /// The face.
        face: u32,
        /// How many it has.
        count: usize,
        /// How many were asked for.
        most: usize,
    },
    /// A match that is missing.
    #[error("face {face} lacks face {other} as a match")]
    MatchMissing {
        /// The face.
        face: u32,
        /// The match.
        other: u32,
    },
}

/// What the proof looks at.
struct Proof<'a> {
    result: &'a Clustering,
    faces: &'a FaceSet,
    scale: &'a ConfidenceScale,
    parameters: &'a Parameters,
    /// The cluster of each face.
    cluster_of: Vec<usize>,
}

/// Proves every promise of `result`, or names one it breaks.
pub(super) fn find(
    result: &Clustering,
    faces: &FaceSet,
    scale: &ConfidenceScale,
    parameters: &Parameters,
) -> Result<(), Violation> {
    let cluster_of = partition(result.clusters(), faces.len())?;
    let proof = Proof { result, faces, scale, parameters, cluster_of };
    order(result.clusters())?;
    proof.clusters_are_cliques()?;
    proof.matches_are_right()?;
    match result.method() {
        Method::Exact => proof.nothing_is_missing(),
        Method::Hnsw => Ok(()),
    }
}

/// The cluster of each face, if each is in exactly one.
fn partition(clusters: &[Vec<u32>], faces: usize) -> Result<Vec<usize>, Violation> {
    let mut places = vec![0usize; faces];
    let mut cluster_of = vec![0; faces];
    for (cluster, members) in clusters.iter().enumerate() {
        for &face in members {
            let index = face as usize;
            if index >= faces {
                return Err(Violation::NoSuchFace { cluster, face, faces });
            }
            places[index] += 1;
            cluster_of[index] = cluster;
        }
    }
    match places.iter().position(|&count| count != 1) {
        Some(face) => Err(Violation::NotAPartition { face: face as u32, clusters: places[face] }),
        None => Ok(cluster_of),
    }
}

/// Faces in image order; clusters by size, descending, then by first face.
fn order(clusters: &[Vec<u32>]) -> Result<(), Violation> {
    for (cluster, members) in clusters.iter().enumerate() {
        if members.is_empty() {
            return Err(Violation::Empty { cluster });
        }
        if !members.is_sorted() {
            return Err(Violation::FaceOrder { cluster });
        }
    }
    let comes_first = |a: &[u32], b: &[u32]| a.len() > b.len() || (a.len() == b.len() && a[0] < b[0]);
    match clusters.windows(2).position(|pair| !comes_first(&pair[0], &pair[1])) {
        Some(before) => Err(Violation::ClusterOrder { cluster: before + 1 }),
        None => Ok(()),
    }
}

impl Proof<'_> {
    fn confidence(&self, a: u32, b: u32) -> Confidence {
        self.scale.confidence(kernel::dot(self.faces.row(a as usize), self.faces.row(b as usize)))
    }

    fn share_a_cluster(&self, a: u32, b: u32) -> bool {
        self.cluster_of[a as usize] == self.cluster_of[b as usize]
    }

    fn clusters_are_cliques(&self) -> Result<(), Violation> {
        for (cluster, members) in self.result.clusters().iter().enumerate() {
            for (at, &second) in members.iter().enumerate() {
                for &first in &members[..at] {
                    let bond = self.parameters.constraints.bond(first, second);
                    if bond == Some(Bond::Apart) {
                        return Err(Violation::KeptApart { cluster, first, second });
                    }
                    let confidence = self.confidence(first, second);
                    if bond.is_none() && !self.parameters.cluster_threshold.is_reached_by(confidence) {
                        return Err(Violation::BelowClusterThreshold { cluster, first, second, confidence });
                    }
                }
            }
        }
        Ok(())
    }

    fn matches_are_right(&self) -> Result<(), Violation> {
        let (lists, faces) = (self.result.matches().faces(), self.faces.len());
        if lists != faces {
            return Err(Violation::MatchLists { lists, faces });
        }
        for face in 0..faces as u32 {
            let matches = self.result.matches_of(face);
            for &entry in matches {
                self.is_right(face, entry)?;
            }
            if let Some(before) = matches.windows(2).position(|pair| pair[0] >= pair[1]) {
                return Err(Violation::MatchOrder { face, place: before + 1 });
            }
            if let Some(most) = self.parameters.max_matches.filter(|&most| matches.len() > most) {
                return Err(Violation::TooManyMatches { face, count: matches.len(), most });
            }
        }
        Ok(())
    }

    fn is_right(&self, face: u32, entry: Match) -> Result<(), Violation> {
        let Match { face: other, confidence: stated } = entry;
        if other == face || other as usize >= self.faces.len() {
            return Err(Violation::NoSuchMatch { face, other });
        }
        let actual = self.confidence(face, other);
        if stated != actual {
            return Err(Violation::MatchConfidence { face, other, stated, actual });
        }
        if !self.parameters.output_threshold.is_reached_by(actual) {
            return Err(Violation::BelowOutputThreshold { face, other, confidence: actual });
        }
        if self.parameters.scope == MatchScope::Cluster && !self.share_a_cluster(face, other) {
            return Err(Violation::MatchOutside { face, other });
        }
        Ok(())
    }

    /// Looks at every pair once: for matches not listed, and for clusters all of whose pairs reach the threshold.
    fn nothing_is_missing(&self) -> Result<(), Violation> {
        // How many pairs of two clusters reach the threshold; two clusters are mergeable when all do.
        let mut reaching: BTreeMap<(usize, usize), usize> = BTreeMap::new();
        let lowest = |threshold| self.scale.lowest_cosine(threshold);
        let (cluster_floor, output_floor) =
            (lowest(self.parameters.cluster_threshold), lowest(self.parameters.output_threshold));
        for second in 0..self.faces.len() as u32 {
            for first in 0..second {
                let cosine = kernel::dot(self.faces.row(first as usize), self.faces.row(second as usize));
                let together = self.share_a_cluster(first, second);
                let is_link = match self.parameters.constraints.bond(first, second) {
                    None => cosine >= cluster_floor,
                    Some(bond) => bond == Bond::Together,
                };
                if is_link && !together {
                    let (a, b) = (self.cluster_of[first as usize], self.cluster_of[second as usize]);
                    *reaching.entry((a.min(b), a.max(b))).or_default() += 1;
                }
                if cosine >= output_floor && (together || self.parameters.scope == MatchScope::All) {
                    let confidence = self.scale.confidence(cosine);
                    self.is_listed(first, Match { face: second, confidence })?;
                    self.is_listed(second, Match { face: first, confidence })?;
                }
            }
        }
        let size = |cluster: usize| self.result.clusters()[cluster].len();
        match reaching.into_iter().find(|&((a, b), count)| count == size(a) * size(b)) {
            Some(((first, second), _)) => Err(Violation::Mergeable { first, second }),
            None => Ok(()),
        }
    }

    /// That a match is in the list of `face`, or ranks behind the last of a full list.
    fn is_listed(&self, face: u32, entry: Match) -> Result<(), Violation> {
        let listed = self.result.matches_of(face);
        match listed.binary_search(&entry) {
            Err(place) if self.parameters.max_matches.is_none_or(|most| place < most) => {
                Err(Violation::MatchMissing { face, other: entry.face })
            }
            _ => Ok(()),
        }
    }
}
