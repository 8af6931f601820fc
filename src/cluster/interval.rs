//! How sure an estimated share is: a 95 % interval out of a sample of faces.
//!
//! The pairs of one face are found or missed together: a face that the index cannot reach misses all of its pairs at
//! once. So faces are the units, not pairs, and the share is a ratio of two sums over faces. Its variance is that of a
//! proportion in cluster sampling (Cochran, Sampling Techniques, 3rd edition, 1977, section 3.12, a ratio estimate as in
//! chapter 6), with the correction for a finite population. The variance becomes an *effective* number of independent
//! pairs, and that becomes an interval by Wilson's score (1927), which keeps its coverage for small shares (Franco, Little,
//! Louis and Slud, Journal of Survey Statistics and Methodology 7, 2019).
//!
//! **Promises.** The interval holds the estimate. It is a point only when every face was looked at. Where nothing was
//! missed its upper end is not zero: then, and as a floor always, it is the one of no miss in so many *faces* (the rule
//! of three, with faces as units), for a sample without a miss has no variance to go by and yet proves little.

/// The quantile of the normal distribution for 95 %.
const Z: f64 = 1.959_963_984_540_054;

/// What was seen of one face.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Seen {
    /// Its pairs.
    pub(super) pairs: u64,
    /// How many of them were missed.
    pub(super) missed: u64,
}

/// The interval of the share missed, by what was seen of a simple random sample out of `population` faces.
pub(super) fn of_missed(sample: &[Seen], population: usize) -> (f64, f64) {
    let total = |count: fn(&Seen) -> u64| sample.iter().map(count).sum::<u64>();
    let (pairs, missed) = (total(|seen| seen.pairs), total(|seen| seen.missed));
    let share = if pairs == 0 { 0.0 } else { missed as f64 / pairs as f64 };
    if sample.len() >= population {
        return (share, share);
    }
    if pairs == 0 {
        return (0.0, 1.0); // no pair was seen, so nothing is known
    }
    let unseen = 1.0 - sample.len() as f64 / population as f64;
    let (low, high) = wilson(share, effective(sample, share, pairs as f64) / unseen);
    let concerned = sample.iter().filter(|seen| seen.pairs > 0).count() as f64 / unseen;
    (low.min(wilson(1.0, concerned).0), high.max(wilson(0.0, concerned).1))
}

/// As many independent pairs as would tell the share as well: the fewest by three measures.
fn effective(sample: &[Seen], share: f64, pairs: f64) -> f64 {
    let spread = share * (1.0 - share);
    let off = |seen: &Seen| seen.missed as f64 - share * seen.pairs as f64;
    let n = sample.len() as f64;
    // The variance as it was seen. A few faces have most of the pairs, and where none of those is among the missed it
    // is too small:
    let squares: f64 = sample.iter().map(|seen| off(seen).powi(2)).sum();
    let variance = n * squares / (n - 1.0).max(1.0) / (pairs * pairs);
    let by_variance = if variance > 0.0 { spread / variance } else { pairs };
    // so also how alike the pairs of one face are, every face counting the same, and what that means where a few faces
    // have most of the pairs (Kish, Survey Sampling, 1965, section 5.4: the design effect 1 + rho * (b - 1)).
    let (mut alike, mut alone, mut beyond, mut heaped) = (0.0, 0.0, 0.0, 0.0);
    for seen in sample.iter().filter(|seen| seen.pairs > 0) {
        let own = seen.pairs as f64;
        alike += (off(seen) / own).powi(2);
        alone += 1.0 / own;
        beyond += 1.0 - 1.0 / own;
        heaped += own * own / pairs;
    }
    let rho = if spread > 0.0 && beyond > 0.0 { ((alike / spread - alone) / beyond).clamp(0.0, 1.0) } else { 0.0 };
    by_variance.min(pairs / (1.0 + rho * (heaped - 1.0))).min(pairs) // and never better than if all were independent
}

/// Wilson's interval of a share among `n`, which need not be whole.
fn wilson(share: f64, n: f64) -> (f64, f64) {
    let shrink = 1.0 + Z * Z / n;
    let middle = (share + Z * Z / (2.0 * n)) / shrink;
    let half = Z / shrink * (share * (1.0 - share) / n + Z * Z / (4.0 * n * n)).sqrt();
    // The estimate is inside; only the rounding of the last digit could say otherwise.
    ((middle - half).clamp(0.0, share), (middle + half).clamp(share, 1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(pairs: u64, missed: u64) -> Seen {
        Seen { pairs, missed }
    }

    fn near(found: (f64, f64), expected: (f64, f64)) {
        assert!((found.0 - expected.0).abs() < 5e-4 && (found.1 - expected.1).abs() < 5e-4, "{found:?}");
    }

    #[test]
    fn wilsons_interval_is_that_of_the_textbooks() {
        near(wilson(0.1, 100.0), (0.0552, 0.1744)); // R: prop.test(10, 100, correct = FALSE)
        near(wilson(0.0, 10.0), (0.0, 0.2775));
        near(wilson(1.0, 10.0), (0.7225, 1.0));
    }

    #[test]
    fn nothing_missed_is_not_certainty() {
        let (low, high) = of_missed(&[seen(40, 0); 1024], 1_000_000);
        assert_eq!(low.to_bits(), 0.0f64.to_bits());
        assert!((0.0036..0.0038).contains(&high), "about three and a bit in 1024 faces: {high}");
        assert!(of_missed(&[seen(1, 0), seen(0, 0)], 1_000).1 > 0.7, "a single pair says next to nothing");
        assert_eq!(of_missed(&[seen(0, 0); 100], 1_000), (0.0, 1.0));
    }

    #[test]
    fn who_has_seen_every_face_knows() {
        assert_eq!(of_missed(&[], 0), (0.0, 0.0));
        assert_eq!(of_missed(&[seen(0, 0)], 1), (0.0, 0.0));
        assert_eq!(of_missed(&[seen(3, 1), seen(1, 0)], 2), (0.25, 0.25));
    }

    #[test]
    fn misses_in_few_faces_are_less_sure_than_the_same_number_spread_out() {
        let spread = of_missed(&[seen(100, 2); 1000], 100_000);
        let mut heaped = vec![seen(100, 0); 1000];
        heaped[..20].fill(seen(100, 100));
        let heaped = of_missed(&heaped, 100_000);
        assert!(spread.0 > 0.018 && heaped.0 < 0.014 && heaped.1 > 0.03, "{spread:?} {heaped:?}");
    }

    /// The interval holds the truth about as often as it says, also when whole faces are missed.
    #[test]
    fn the_interval_covers_the_truth() {
        let mut state = 1u64;
        let mut uniform = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) as f64 / f64::from(1u32 << 31)
        };
        for (lost, share) in [(0.0, 0.01), (0.002, 0.0), (0.01, 0.005), (0.0, 0.3), (0.05, 0.0)] {
            let population: Vec<Seen> = (0..20_000)
                .map(|_| {
                    let pairs = (1.0 / uniform().max(1e-9)).min(200.0) as u64;
                    let is_lost = uniform() < lost;
                    seen(pairs, (0..pairs).filter(|_| is_lost || uniform() < share).count() as u64)
                })
                .collect();
            let (pairs, missed) = population.iter().fold((0, 0), |sum, s| (sum.0 + s.pairs, sum.1 + s.missed));
            let truth = missed as f64 / pairs as f64;
            let covered = (0..400)
                .filter(|_| {
                    let sample: Vec<Seen> =
                        (0..1024).map(|at| population[at * 19 + (uniform() * 19.0) as usize]).collect();
                    let (low, high) = of_missed(&sample, population.len());
                    (low..=high).contains(&truth)
                })
                .count();
            // Not quite 95 of 100 where a few lost faces have most of the pairs.
            assert!(covered >= 400 * 90 / 100, "{covered} of 400 hold {truth} ({lost}, {share})");
        }
    }
}
