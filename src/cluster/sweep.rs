//! One database at many thresholds: the partitions that [`cluster`] would give at each, with every pair compared once.
//!
//! **Promises.** Each partition is that of a run at its threshold alone.
//!
//! **Why.** Merging goes from the highest link to the lowest, so a run at a higher threshold is the beginning of a run at
//! a lower one: its clusters lie within those of the lower. Merges in one of these change no link within another, and
//! none across them reaches even the lower threshold. So all that the higher thresholds need are the pairs inside the
//! clusters of the lowest, which are few; they are linked anew for each.

use std::collections::BTreeMap;

use super::gather::{EDGE_BYTES, Edges};
use super::verify::{Candidate, Edge, keep};
use super::{ClusterError, Forgetful, Method, Parameters, Resources, Run, Search, Watch, cluster, link};
use crate::confidence::{Confidence, ConfidenceScale, Threshold};
use crate::face::{FaceSet, Identifier};

/// Clusters in the order of output, each with its faces in image order.
pub type Partition = Vec<Vec<u32>>;

/// The partitions at `thresholds`, in rising order and each once.
pub fn sweep(
    faces: &FaceSet,
    scale: &ConfidenceScale,
    thresholds: &[Threshold],
    resources: &Resources,
    watch: &dyn Watch,
) -> Result<Vec<(Threshold, Partition)>, ClusterError> {
    let mut rising = thresholds.to_vec();
    rising.sort_unstable();
    rising.dedup();
    let Some((&lowest, higher)) = rising.split_first() else { return Ok(Vec::new()) };
    let parameters = |threshold| Parameters {
        cluster_threshold: threshold,
        output_threshold: Threshold::at(Confidence::MAX),
        max_matches: Some(1), // matches are not asked for
        search: Search::Exact,
        ..Parameters::default()
    };
    let first = cluster(faces, scale, &parameters(lowest), resources, watch)?.clusters().to_vec();
    let mut edges = inside(faces, scale.lowest_cosine(lowest), &first, resources, watch)?;
    let mut partitions = vec![(lowest, first)];
    for &threshold in higher {
        let floor = scale.lowest_cosine(threshold);
        edges.retain(|edge| edge.cosine() >= floor);
        let parameters = parameters(threshold);
        let run = Run { faces, scale, parameters: &parameters, resources, watch, ledger: &Forgetful };
        let clusters = link::cliques(&run, Edges::Held(vec![edges.clone()]), Method::Exact)?;
        partitions.push((threshold, clusters));
    }
    Ok(partitions)
}

/// The pairs inside clusters, all of which reach the floor.
fn inside(
    faces: &FaceSet,
    floor: f64,
    clusters: &[Vec<u32>],
    resources: &Resources,
    watch: &dyn Watch,
) -> Result<Vec<Edge>, ClusterError> {
    let found: u64 = clusters.iter().map(|members| pairs_of(members.len() as u64)).sum();
    // twice: what is linked is a copy
    let bytes = found.saturating_mul(2 * EDGE_BYTES);
    if bytes > resources.max_bytes {
        return Err(ClusterError::TooManyPairs { found, bytes, limit: resources.max_bytes });
    }
    let mut edges = Vec::with_capacity(found as usize);
    for members in clusters {
        for (at, &a) in members.iter().enumerate() {
            if watch.should_stop() {
                return Err(ClusterError::Stopped);
            }
            edges.extend(members[at + 1..].iter().filter_map(|&b| keep(faces, Candidate::new(a, b), floor)));
        }
    }
    Ok(edges)
}

fn pairs_of(n: u64) -> u64 {
    n * n.saturating_sub(1) / 2
}

/// How a partition agrees with the identities that images are filed under.
///
/// Precision and recall are BCubed (Bagga, Baldwin 1998; Amigo, Gonzalo, Artiles, Verdejo 2009): of an image's cluster
/// the part with its identity, of its identity the part in its cluster, averaged over all images.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Agreement {
    /// Clusters.
    pub clusters: u64,
    /// Those of one image.
    pub singletons: u64,
    /// Images in the largest.
    pub largest: u64,
    /// Clusters that hold several identities.
    pub mixed: u64,
    /// Identities that are in several clusters.
    pub split: u64,
    /// Pairs within a cluster of two identities.
    pub cross_pairs: u64,
    /// Pairs of one identity that are not within a cluster.
    pub missed_pairs: u64,
    /// BCubed precision, 0 to 1.
    pub precision: f64,
    /// BCubed recall, 0 to 1.
    pub recall: f64,
}

impl Agreement {
    /// Of clusters of `faces`, each face in exactly one.
    pub fn of(faces: &FaceSet, clusters: &[Vec<u32>]) -> Self {
        let mut images: BTreeMap<&Identifier, (u64, u64)> = BTreeMap::new(); // and clusters
        for id in faces.ids() {
            images.entry(&id.identifier).or_default().0 += 1;
        }
        let mut parts = Vec::new();
        let mut mixed = 0;
        for members in clusters {
            let mut part: BTreeMap<&Identifier, u64> = BTreeMap::new();
            for &face in members {
                *part.entry(&faces.id(face as usize).identifier).or_default() += 1;
            }
            mixed += u64::from(part.len() > 1);
            parts.extend(part.into_iter().map(|(identity, n)| (identity, n, members.len() as u64)));
        }
        let (mut together, mut precision, mut recall) = (0, 0.0, 0.0);
        for &(identity, n, size) in &parts {
            let of_identity = images.entry(identity).or_default();
            of_identity.1 += 1;
            together += pairs_of(n);
            precision += (n * n) as f64 / size as f64;
            recall += (n * n) as f64 / of_identity.0 as f64;
        }
        let n = faces.len().max(1) as f64;
        Self {
            clusters: clusters.len() as u64,
            singletons: clusters.iter().filter(|members| members.len() == 1).count() as u64,
            largest: clusters.iter().map(Vec::len).max().unwrap_or(0) as u64,
            mixed,
            split: images.values().filter(|(_, clusters)| *clusters > 1).count() as u64,
            cross_pairs: clusters.iter().map(|members| pairs_of(members.len() as u64)).sum::<u64>() - together,
            missed_pairs: images.values().map(|&(n, _)| pairs_of(n)).sum::<u64>() - together,
            precision: precision / n,
            recall: recall / n,
        }
    }

    /// The harmonic mean of precision and recall.
    pub fn f(&self) -> f64 {
        2.0 * self.precision * self.recall / (self.precision + self.recall).max(f64::MIN_POSITIVE)
    }
}
