//! What a run is expected to find and to need, from a sample, before it begins.
//!
//! **Promises.** The sample depends on the number of faces only. Nothing depends on the estimate: it is for people.

use std::time::Duration;

use super::gather::{EDGE_BYTES, MATCH_BYTES};
use super::{ClusterError, MatchScope, Run, method};
use crate::kernel::products;

/// At most so many faces are compared with all others.
const SAMPLE: usize = 64;
/// So many others at a time.
const BLOCK: usize = 4_096;
/// With fewer faces the run itself is over as soon.
const LEAST_FACES: usize = 4_096;

/// What a run is expected to find and to need.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Estimate {
    /// The pairs of all faces.
    pub pairs: u64,
    /// How many of them are expected to reach the cluster threshold.
    pub edges: u64,
    /// How many matches are expected to be listed, of all faces together.
    pub matches: u64,
    /// The memory that edges and matches would take, beside the vectors.
    pub bytes: u64,
    /// The memory they may take. With less than they would, edges are found more than once.
    pub limit: u64,
    /// How long the comparison takes on a processor like that of the cost model.
    pub time: Duration,
}

/// Estimates an exact run; nothing where there are few faces.
pub(super) fn exact(run: &Run<'_>) -> Result<Option<Estimate>, ClusterError> {
    let (faces, parameters) = (run.faces, run.parameters);
    let (n, dimension) = (faces.len(), faces.dimension());
    if n < LEAST_FACES {
        return Ok(None);
    }
    let sampled: Vec<usize> = (0..SAMPLE).map(|at| (2 * at + 1) * n / (2 * SAMPLE)).collect();
    let rows: Vec<f32> = sampled.iter().flat_map(|&face| faces.row(face)).copied().collect();
    let floor = |threshold| run.scale.lowest_cosine(threshold) as f32;
    let (edge, output) = (floor(parameters.cluster_threshold), floor(parameters.output_threshold));
    let most = parameters.max_matches.unwrap_or(usize::MAX);
    let (mut n_edges, mut n_matches) = (0u64, vec![0usize; SAMPLE]);
    let mut out = vec![0.0; SAMPLE * BLOCK];
    for (at, others) in faces.values().chunks(BLOCK * dimension).enumerate() {
        if run.watch.should_stop() {
            return Err(ClusterError::Stopped);
        }
        let n_others = others.len() / dimension;
        products(&rows, others, dimension, &mut out[..SAMPLE * n_others]);
        for ((line, &face), matches) in out.chunks_exact(n_others).zip(&sampled).zip(&mut n_matches) {
            let itself = face.checked_sub(at * BLOCK).filter(|&place| place < n_others);
            let count = |floor| {
                let all = line.iter().filter(|&&product| product >= floor).count();
                all - usize::from(itself.is_some_and(|place| line[place] >= floor))
            };
            n_edges += count(edge) as u64;
            *matches += count(output);
        }
    }
    let of_all = |n_sampled: f64| (n_sampled * n as f64 / SAMPLE as f64) as u64;
    let edges = of_all(n_edges as f64) / 2;
    let listed: u64 = n_matches.iter().map(|&count| count.min(most) as u64).sum();
    let matches = if parameters.scope == MatchScope::All { of_all(listed as f64) } else { 0 };
    let bytes = edges.saturating_mul(EDGE_BYTES).saturating_add(matches.saturating_mul(MATCH_BYTES));
    let pairs = n as u64 * (n as u64 - 1) / 2;
    let time = method::exact_time(n) / u32::try_from(run.resources.threads.get()).unwrap_or(u32::MAX);
    Ok(Some(Estimate { pairs, edges, matches, bytes, limit: run.resources.max_bytes, time }))
}
