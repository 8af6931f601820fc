//! The result.

use super::matches::{Match, Matches};
use super::{Choice, Method, Parameters, RecallAudit, Resources, Violation, proof};
use crate::confidence::ConfidenceScale;
use crate::face::FaceSet;

/// Every face in one cluster, and the matches of each.
///
/// It can be built from any parts, so it promises nothing by itself; what [`cluster`](super::cluster) returns passes
/// [`verify`](Self::verify).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Clustering {
    clusters: Vec<Vec<u32>>,
    matches: Matches,
    choice: Choice,
    audit: Option<RecallAudit>,
}

impl Clustering {
    /// A result of these parts, as they are.
    pub fn new(clusters: Vec<Vec<u32>>, matches: Matches, choice: Choice, audit: Option<RecallAudit>) -> Self {
        Self { clusters, matches, choice, audit }
    }

    /// The clusters, most faces first, then by first face; each with its faces in image order (contract R119).
    pub fn clusters(&self) -> &[Vec<u32>] {
        &self.clusters
    }

    /// The matches of face `face`, best first.
    ///
    /// # Panics
    /// If there is no such face.
    pub fn matches_of(&self, face: u32) -> &[Match] {
        self.matches.of(face as usize)
    }

    /// The matches of all faces.
    pub fn matches(&self) -> &Matches {
        &self.matches
    }

    /// How pairs were found.
    pub fn method(&self) -> Method {
        self.choice.method
    }

    /// How pairs were found, and why so.
    pub fn choice(&self) -> Choice {
        self.choice
    }

    /// What the index missed in a sample; none when every pair was compared.
    pub fn audit(&self) -> Option<RecallAudit> {
        self.audit
    }

    /// The estimated share of pairs missed, in hundredths of a percent; 0 when every pair was compared (contract R166).
    pub fn missed_hundredths(&self) -> u16 {
        self.audit.map_or(0, |audit| audit.missed_hundredths())
    }

    /// Proves every promise again, from the vectors alone: each face in exactly one cluster; every pair in a cluster at
    /// or above the threshold; the orders; every match right, at or above the threshold, ordered and cut. When every
    /// pair was compared also that no match is missing and no two clusters could be merged.
    ///
    /// Computes the exact cosine of every pair, from both of its faces.
    pub fn verify(&self, faces: &FaceSet, scale: &ConfidenceScale, parameters: &Parameters) -> Result<(), Violation> {
        self.verify_with(faces, scale, parameters, &Resources::default(), &|_, _| {})
    }

    /// The same with several threads, telling how many of how many parts are proven.
    pub fn verify_with(
        &self,
        faces: &FaceSet,
        scale: &ConfidenceScale,
        parameters: &Parameters,
        resources: &Resources,
        told: &(dyn Fn(u64, u64) + Sync),
    ) -> Result<(), Violation> {
        proof::find(self, (faces, scale, parameters), resources, told)
    }
}
