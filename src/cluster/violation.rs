//! What a result can break: the promises, each by a name.

use thiserror::Error;

use crate::confidence::Confidence;

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
