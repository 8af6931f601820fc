//! How much the index missed: a sample of faces, compared exactly with all others.
//!
//! **Promises.** The sample is the same on every run: it depends on the number of faces only. The figures are counts;
//! the percentage is an estimate made of them.

use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};

use super::index::Proposals;
use super::verify::{Candidate, keep};
use super::watch::Stage;
use super::{ClusterError, Run, workers};
use crate::kernel::{Screen, products};

/// At most so many faces are looked at.
const SAMPLE: usize = 256;
/// How many others make a unit of work.
const UNIT: usize = 512;

/// What an exact comparison of a sample of faces with all others found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RecallAudit {
    /// How many faces were looked at.
    pub sampled: u32,
    /// How many pairs of them with any other face reach the lowest threshold that matters.
    pub pairs: u64,
    /// How many of these the index had proposed.
    pub found: u64,
}

impl RecallAudit {
    /// The estimated share of pairs missed, in hundredths of a percent, rounded to the nearest (contract R166).
    ///
    /// A pair missed is never shown as nothing missed: it counts as at least one hundredth.
    pub fn missed_hundredths(&self) -> u16 {
        let missed = self.pairs.saturating_sub(self.found);
        if missed == 0 {
            return 0;
        }
        // Both counts are below 2^40 (256 faces, 2^32 others): nothing overflows.
        ((missed * 20_000 + self.pairs) / (2 * self.pairs)).max(1) as u16
    }
}

/// A generator of well mixed numbers (Steele, Lea and Flood, Fast splittable pseudorandom number generators, 2014).
struct SplitMix64(u64);

impl SplitMix64 {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
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

/// Compares a sample of faces exactly with all others and counts which pairs the index had proposed.
pub(super) fn recall(run: &Run<'_>, floor: f64, proposals: &Proposals) -> Result<RecallAudit, ClusterError> {
    let faces = run.faces;
    let (n, dimension) = (faces.len(), faces.dimension());
    let sampled = sample(n);
    let rows: Vec<f32> = sampled.iter().flat_map(|&face| faces.row(face as usize)).copied().collect();
    let cut = Screen::new(dimension).cut(floor);
    let (pairs, found) = (AtomicU64::new(0), AtomicU64::new(0));
    workers::for_each(run, Stage::Compare, n.div_ceil(UNIT) as u64, Vec::new, |block, unit| {
        let start = unit as usize * UNIT;
        let others: Range<usize> = start..n.min(start + UNIT);
        block.resize(sampled.len() * others.len(), 0.0);
        products(&rows, &faces.values()[others.start * dimension..others.end * dimension], dimension, block);
        for (&face, line) in sampled.iter().zip(block.chunks_exact(others.len())) {
            for (other, _) in others.clone().zip(line).filter(|&(other, &p)| p >= cut && other != face as usize) {
                let candidate = Candidate::new(face, other as u32);
                if keep(faces, candidate, floor).is_some() {
                    pairs.fetch_add(1, Ordering::Relaxed);
                    found.fetch_add(u64::from(proposals.holds(face, other as u32)), Ordering::Relaxed);
                }
            }
        }
        Ok(())
    })?;
    Ok(RecallAudit { sampled: sampled.len() as u32, pairs: pairs.into_inner(), found: found.into_inner() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_holds_different_faces_of_the_whole_range_and_is_repeatable() {
        for n in [0, 1, 2, 255, 256, 257, 1000, 1_000_000] {
            let faces = sample(n);
            assert_eq!(faces.len(), n.min(256));
            assert!(faces.is_sorted_by(|a, b| a < b) && faces.iter().all(|&f| (f as usize) < n));
            assert_eq!(faces, sample(n));
        }
    }

    #[test]
    fn the_share_missed_is_rounded_but_never_to_nothing() {
        let missed = |pairs, found| RecallAudit { sampled: 1, pairs, found }.missed_hundredths();
        assert_eq!(missed(0, 0), 0);
        assert_eq!(missed(10_000, 10_000), 0);
        assert_eq!(missed(10_000, 9_987), 13);
        assert_eq!(missed(3, 1), 6_667);
        assert_eq!(missed(1_000_000_000, 999_999_999), 1);
        assert_eq!(missed(7, 0), 10_000);
    }
}
