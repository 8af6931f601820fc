//! How much the index missed: a sample of faces, compared exactly with all others.
//!
//! **Promises.** The sample is the same on every run: it depends on the number of faces only. The figures are counts;
//! the percentage is an estimate made of them, and the interval says how good.
//!
//! **Which pairs.** Those that reach the lower of the two thresholds, whatever else was asked for (contract R166). With
//! matches of the own cluster only, or none at all, the run does not ask for pairs below the cluster threshold, for
//! they cannot be shown. They are missed no more than found then, and to count them as either would make the figure say
//! nothing: so for the faces of the sample the index is asked for them here, and the figure is what it says it is, how
//! good the index is at this threshold. (Asked from one side only, so that it may look a little worse than it is.)

use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};

use super::index::{Index, Proposals};
use super::interval::{self, Seen};
use super::verify::{Candidate, keep};
use super::watch::Stage;
use super::{ClusterError, Run, workers};
use crate::kernel::{Screen, SplitMix64, products};

/// At most so many faces are looked at: enough for an interval below half a percent where none is missed, and a
/// hundredth of the time the index takes.
const SAMPLE: usize = 1024;
/// How many others make a unit of work.
const UNIT: usize = 512;

/// What an exact comparison of a sample of faces with all others found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "server", derive(serde::Serialize, serde::Deserialize))]
pub struct RecallAudit {
    /// How many faces were looked at.
    pub sampled: u32,
    /// How many pairs of them with any other face reach the lower of the two thresholds.
    pub pairs: u64,
    /// How many of these the index had proposed.
    pub found: u64,
    /// The lower end of the 95 % interval of the share missed, in hundredths of a percent, rounded down.
    pub low: u16,
    /// The upper end, rounded up.
    pub high: u16,
}

impl RecallAudit {
    /// By what was seen of a sample out of `population` faces.
    fn new(sample: &[Seen], population: usize) -> Self {
        let total = |count: fn(&Seen) -> u64| sample.iter().map(count).sum::<u64>();
        let (pairs, missed) = (total(|seen| seen.pairs), total(|seen| seen.missed));
        let mut audit = Self { sampled: sample.len() as u32, pairs, found: pairs - missed, low: 0, high: 0 };
        let (low, high) = interval::of_missed(sample, population);
        // Rounded away from the estimate, which itself may have been rounded out of the interval.
        audit.low = ((low * 10_000.0).floor() as u16).min(audit.missed_hundredths());
        audit.high = ((high * 10_000.0).ceil() as u16).max(audit.missed_hundredths());
        audit
    }

    /// The estimated share of pairs missed, in hundredths of a percent, rounded to the nearest (contract R166).
    ///
    /// A pair missed is never shown as nothing missed: it counts as at least one hundredth.
    pub fn missed_hundredths(&self) -> u16 {
        let missed = self.pairs.saturating_sub(self.found);
        if missed == 0 {
            return 0;
        }
        // Both counts are below 2^42 (1024 faces, 2^32 others): nothing overflows.
        ((missed * 20_000 + self.pairs) / (2 * self.pairs)).max(1) as u16
    }
}

/// Up to `SAMPLE` different faces of `n`: one drawn from each of so many equal stretches.
fn sample(n: usize) -> Vec<u32> {
    let count = SAMPLE.min(n);
    let mut random = SplitMix64(n as u64);
    let stretch = |index: usize| n * index / count;
    (0..count)
        .map(|index| {
            let (start, end) = (stretch(index), stretch(index + 1));
            (start as u64 + random.next() % (end - start) as u64) as u32
        })
        .collect()
}

/// Compares a sample of faces exactly with all others and counts which pairs the index had proposed, or, of those below
/// `asked`, does propose.
pub(super) fn recall(
    run: &Run<'_>,
    asked: f64,
    index: &Index<'_>,
    proposals: &Proposals,
) -> Result<RecallAudit, ClusterError> {
    let (faces, parameters) = (run.faces, run.parameters);
    let (n, dimension) = (faces.len(), faces.dimension());
    let floor = [parameters.cluster_threshold, parameters.output_threshold].map(|t| run.scale.lowest_cosine(t));
    let floor = floor[0].min(floor[1]);
    let sampled = sample(n);
    let below = if floor < asked { index.beside(&sampled, floor)? } else { Vec::new() };
    let rows: Vec<f32> = sampled.iter().flat_map(|&face| faces.row(face as usize)).copied().collect();
    let cut = Screen::new(dimension).cut(floor);
    let counts: Vec<[AtomicU64; 2]> = sampled.iter().map(|_| Default::default()).collect();
    workers::for_each(run, Stage::Compare, n.div_ceil(UNIT) as u64, Vec::new, |block, unit| {
        let start = unit as usize * UNIT;
        let others: Range<usize> = start..n.min(start + UNIT);
        block.resize(sampled.len() * others.len(), 0.0);
        products(&rows, &faces.values()[others.start * dimension..others.end * dimension], dimension, block);
        for (place, (&face, line)) in sampled.iter().zip(block.chunks_exact(others.len())).enumerate() {
            for (other, _) in others.clone().zip(line).filter(|&(other, &p)| p >= cut && other != face as usize) {
                let Some(edge) = keep(faces, Candidate::new(face, other as u32), floor) else { continue };
                let other = other as u32;
                let is_found =
                    proposals.holds(face, other) || edge.cosine() < asked && below[place].binary_search(&other).is_ok();
                counts[place][0].fetch_add(1, Ordering::Relaxed);
                counts[place][1].fetch_add(u64::from(!is_found), Ordering::Relaxed);
            }
        }
        Ok(())
    })?;
    let seen =
        counts.into_iter().map(|[pairs, missed]| Seen { pairs: pairs.into_inner(), missed: missed.into_inner() });
    Ok(RecallAudit::new(&seen.collect::<Vec<_>>(), n))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_holds_different_faces_of_the_whole_range_and_is_repeatable() {
        for n in [0, 1, 2, 1023, 1024, 1025, 4000, 1_000_000] {
            let faces = sample(n);
            assert_eq!(faces.len(), n.min(1024));
            assert!(faces.is_sorted_by(|a, b| a < b) && faces.iter().all(|&f| (f as usize) < n));
            assert_eq!(faces, sample(n));
        }
    }

    #[test]
    fn the_share_missed_is_rounded_but_never_to_nothing() {
        let missed = |pairs, found| RecallAudit { sampled: 1, pairs, found, low: 0, high: 0 }.missed_hundredths();
        assert_eq!(missed(0, 0), 0);
        assert_eq!(missed(10_000, 10_000), 0);
        assert_eq!(missed(10_000, 9_987), 13);
        assert_eq!(missed(3, 1), 6_667);
        assert_eq!(missed(1_000_000_000, 999_999_999), 1);
        assert_eq!(missed(7, 0), 10_000);
    }

    #[test]
    fn the_interval_holds_the_estimate_after_rounding() {
        let ends = |sample: &[Seen], n| {
            let audit = RecallAudit::new(sample, n);
            (audit.low, audit.missed_hundredths(), audit.high)
        };
        assert_eq!(ends(&[Seen { pairs: 3, missed: 1 }, Seen { pairs: 0, missed: 0 }], 2), (3_333, 3_333, 3_334));
        assert_eq!(ends(&[Seen { pairs: 1_000_000, missed: 1 }], 1), (0, 1, 1));
        let (low, missed, high) = ends(&[Seen { pairs: 10, missed: 0 }; 1024], 100_000);
        assert_eq!((low, missed), (0, 0));
        assert!((30..40).contains(&high), "{high}");
    }
}
