//! One database at many thresholds: the partitions that [`cluster`] would give at each, with every pair compared once.
//!
//! **Promises.** Each partition is that of a run at its threshold alone.
//!
//! **Why.** Merging goes from the highest link to the lowest, so a run at a higher threshold is the beginning of a run at
//! a lower one: its clusters lie within those of the lower. Merges in one of these change no link within another, and
//! none across them reaches even the lower threshold. So all that the higher thresholds need are the pairs inside the
//! clusters of the lowest, which are few; they are linked anew for each.

use super::gather::{EDGE_BYTES, Edges};
use super::verify::{Candidate, Edge, keep};
use super::{ClusterError, Forgetful, Method, Parameters, Resources, Run, Search, Watch, cluster, link};
use crate::confidence::{Confidence, ConfidenceScale, Threshold};
use crate::face::FaceSet;

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

pub(super) fn pairs_of(n: u64) -> u64 {
    n * n.saturating_sub(1) / 2
}
