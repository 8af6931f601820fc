//! The fit: from counted pairs to knots, error rates and their uncertainty.
//!
//! **How.**
//! 1. The share e of wrong pairs among the same, from where right ones are not: below the median of the different pairs
//!    nearly every same pair is a wrong one, and half of the wrong ones are there. Likewise the share f among the
//!    different above the median of the same. (The two maximal proportions of Scott, Blanchard, Handy: Classification with
//!    asymmetric label noise, 2013, at fixed tails instead of the best ones.)
//! 2. Densities: both histograms smoothed by a Gaussian (Silverman's width, by the quartiles), unmixed by e and f.
//! 3. The share of same among both rises with the cosine: the nearest rising curve (pool adjacent violators).
//! 4. Knots where its odds are 1:100, 1:10, 1:1, 10:1 and 100:1, as far as there are pairs enough to say.
//! 5. The uncertainty of 50: without each group of identities in turn (the delete-a-group jackknife).

use thiserror::Error;

use super::density::{crossing, normal, quantile, rising, smooth, tail, width};
use super::pairs::{BINS, Histogram, Pairs, cosine_of};
use crate::confidence::ConfidenceScale;

/// Same pairs below which nothing is fitted, and different ones.
const LEAST_PAIRS: u64 = 50;
/// Identities of several images below which nothing is fitted.
const LEAST_IDENTITIES: usize = 3;
/// A knot is kept if this much weight of the rarer kind lies beyond it.
const LEAST_BEYOND: f64 = 10.0;
/// The least distance of two knots in cosine.
const LEAST_STEP: f64 = 0.005;
/// The confidence that a tenfold of the odds adds.
pub(super) const PER_DECADE: f64 = 12.5;
/// Decades of odds at which knots are set.
const DECADES: [f64; 5] = [-2.0, -1.0, 0.0, 1.0, 2.0];

/// How likely a pair shows one person before its cosine is known.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Prior(f64);

impl Prior {
    /// As likely as not.
    pub const EVEN: Self = Self(0.5);

    /// A probability, above 0 and below 1.
    pub fn new(probability: f64) -> Option<Self> {
        (probability > 0.0 && probability < 1.0).then_some(Self(probability))
    }

    /// The probability.
    pub fn probability(self) -> f64 {
        self.0
    }
}

/// Why there is no fit.
#[derive(Debug, Clone, PartialEq, Error)]
pub enum FitError {
    /// Too little to compare.
    #[error(
        "{same} pairs of one identifier, from {identities} identifiers of several images, and {different} pairs of two: \
         at least {LEAST_PAIRS}, {LEAST_IDENTITIES} and {LEAST_PAIRS} are needed"
    )]
    TooFew {
        /// Pairs of one identifier.
        same: u64,
        /// Pairs of two.
        different: u64,
        /// Identities with several images.
        identities: usize,
    },
    /// The labels say nothing about the cosines.
    #[error(
        "pairs of one identifier are not nearer than others (medians {same:.3} and {different:.3}): the labels or the \
         embeddings are wrong"
    )]
    NoDifference {
        /// The median cosine under one identifier.
        same: f64,
        /// Under two.
        different: f64,
    },
    /// The even point is not between the extremes.
    #[error(
        "at no cosine from {low:.3} to {high:.3} is a pair as likely the same person as not, with a prior of {prior}"
    )]
    NoCrossing {
        /// The median of the different pairs.
        low: f64,
        /// The highest cosine there is.
        high: f64,
        /// The prior.
        prior: f64,
    },
}

/// A part of both kinds of pairs at one cosine.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rates {
    /// The share of the pairs of different people at or above it.
    pub false_match: f64,
    /// The share of the pairs of one person below it.
    pub false_non_match: f64,
}

/// One cosine of the curve.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Point {
    /// The cosine.
    pub cosine: f64,
    /// P(same person | cosine), under the prior.
    pub probability: f64,
    /// The density of the pairs of one person, per unit of cosine.
    pub same: f64,
    /// The density of the pairs of different people.
    pub different: f64,
    /// The errors of a threshold here.
    pub rates: Rates,
}

/// A point of given odds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Level {
    /// The power of ten of the odds.
    pub decade: f64,
    /// Where.
    pub cosine: f64,
    /// The confidence there.
    pub confidence: f64,
}

/// What was fitted.
#[derive(Debug, Clone, PartialEq)]
pub struct Fit {
    /// The scale.
    pub scale: ConfidenceScale,
    /// Its inner knots.
    pub levels: Vec<Level>,
    /// The cosine of 50.
    pub even: f64,
    /// The standard error of `even`, over identities.
    pub even_error: f64,
    /// The prior that holds: the one asked for, or that of the pairs.
    pub prior: Prior,
    /// The share of pairs of one person among all, corrected for wrong labels.
    pub prior_of_pairs: Prior,
    /// Where the densities of both kinds are equal; none if nowhere.
    pub even_densities: Option<f64>,
    /// The equal error rate and its cosine.
    pub equal_error: (f64, f64),
    /// The share of pairs of one identifier that show two people.
    pub wrong_same: f64,
    /// The share of pairs of two identifiers that show one person.
    pub wrong_different: f64,
    /// Errors at 50 as the labels have it, before the correction.
    pub rates_by_labels: Rates,
    /// By bin, in order.
    pub curve: Vec<Point>,
}

impl Fit {
    /// The curve at the bin of a cosine.
    pub fn at(&self, cosine: f64) -> &Point {
        let bin = ((cosine + 1.0) * (BINS as f64 / 2.0)).clamp(0.0, BINS as f64 - 1.0);
        &self.curve[bin as usize]
    }
}

/// Fits the scale whose 50 is where a pair is as likely the same person as not under `prior`; with none, under that of
/// these pairs.
pub fn fit(pairs: &Pairs, prior: Option<Prior>) -> Result<Fit, FitError> {
    let (same, different, identities) = (pairs.n_same, pairs.n_different, pairs.n_several);
    if same < LEAST_PAIRS || different < LEAST_PAIRS || identities < LEAST_IDENTITIES {
        return Err(FitError::TooFew { same, different, identities });
    }
    let model = Model::of(&pairs.same, &pairs.different, effective(pairs))?;
    let asked = prior;
    let prior_of_pairs = model.prior(pairs);
    let prior = asked.unwrap_or(prior_of_pairs);
    let share = model.share(prior);
    let even = model.even(prior)?;
    let levels = levels(&model, &share, even);
    let inner = levels.iter().map(|level| (level.cosine, level.confidence));
    let knots: Vec<_> = [(-1.0, 0.0)].into_iter().chain(inner).chain([(1.0, 100.0)]).collect();
    let scale = ConfidenceScale::new(knots).expect("the levels rise, and end well below a cosine of 1");
    let curve = curve(&model, &share);
    let equal_error = equal_error(&curve);
    let by_labels = |histogram: &[f64]| tail(histogram, even) / histogram.iter().sum::<f64>();
    Ok(Fit {
        scale,
        levels,
        even,
        even_error: jackknife(pairs, asked),
        prior,
        prior_of_pairs,
        even_densities: model.even(Prior::EVEN).ok(),
        equal_error,
        wrong_same: model.wrong_same,
        wrong_different: model.wrong_different,
        rates_by_labels: Rates {
            false_match: by_labels(&pairs.different),
            false_non_match: 1.0 - by_labels(&pairs.same),
        },
        curve,
    })
}

/// How many independent pairs there are about: images beyond the first of each identity, and faces.
fn effective(pairs: &Pairs) -> (f64, f64) {
    (pairs.same.iter().sum(), pairs.n_different as f64)
}

/// Densities of the two kinds, unmixed.
struct Model {
    /// Per bin, each sums to 1.
    same: Histogram,
    different: Histogram,
    wrong_same: f64,
    wrong_different: f64,
    /// The medians of the two kinds as labelled.
    medians: (f64, f64),
    weights: (f64, f64),
}

impl Model {
    fn of(same: &[f64], different: &[f64], weights: (f64, f64)) -> Result<Self, FitError> {
        let (same, different) = (normal(same), normal(different));
        let medians = (quantile(&same, 0.5), quantile(&different, 0.5));
        if tail(&different, medians.0) > 0.25 {
            return Err(FitError::NoDifference { same: medians.0, different: medians.1 });
        }
        // a = e / (1 - f) and b = f / (1 - e)
        let a = (1.0 - tail(&same, medians.1)) / (1.0 - tail(&different, medians.1));
        let b = tail(&different, medians.0) / tail(&same, medians.0);
        let (a, b) = (a.min(0.9), b.min(0.9));
        let (e, f) = (a * (1.0 - b) / (1.0 - a * b), b * (1.0 - a) / (1.0 - a * b));
        let smooth_same = smooth(&same, width(&same, e, weights.0));
        let smooth_different = smooth(&different, width(&different, 0.0, weights.1));
        let unmix = |mine: &[f64], part: f64, other: &[f64], wrong: f64| {
            let pure: Histogram = mine.iter().zip(other).map(|(m, o)| (part * m - wrong * o).max(0.0)).collect();
            normal(&pure)
        };
        Ok(Self {
            same: unmix(&smooth_same, 1.0 - f, &smooth_different, e),
            different: unmix(&smooth_different, 1.0 - e, &smooth_same, f),
            wrong_same: e,
            wrong_different: f,
            medians,
            weights,
        })
    }

    /// The share of pairs of one person among all of these, from that of one identifier.
    fn prior(&self, pairs: &Pairs) -> Prior {
        let labelled = pairs.prior();
        // both kinds are there, so that this is neither 0 nor 1
        Prior(labelled * (1.0 - self.wrong_same) + (1.0 - labelled) * self.wrong_different)
    }

    /// P(same | cosine) by bin, rising.
    fn share(&self, prior: Prior) -> Histogram {
        let prior = prior.probability();
        let of_bin = |(s, d): (&f64, &f64)| {
            let (s, d) = (prior * s, (1.0 - prior) * d);
            (s, s + d)
        };
        let mut share = rising(self.same.iter().zip(&self.different).map(of_bin));
        // What the bins beyond all pairs say is nothing: the curve goes on as it was.
        let last = self.same.iter().rposition(|&s| s > 0.0).unwrap_or(0);
        let value = share[last];
        share[last..].fill(value);
        share
    }

    /// Where same and different are equally likely.
    fn even(&self, prior: Prior) -> Result<f64, FitError> {
        crossing(&self.share(prior), 0.5).filter(|&at| at > self.medians.1).ok_or_else(|| {
            let high = self.same.iter().rposition(|&s| s > 0.0).map_or(1.0, cosine_of);
            FitError::NoCrossing { low: self.medians.1, high, prior: prior.probability() }
        })
    }
}

/// The knots between the ends: at the even point always, elsewhere where there are pairs to tell.
fn levels(model: &Model, share: &[f64], even: f64) -> Vec<Level> {
    let mut levels: Vec<Level> = Vec::new();
    for decade in DECADES {
        let odds = 10f64.powf(decade);
        let cosine = if decade == 0.0 { Some(even) } else { crossing(share, odds / (1.0 + odds)) };
        let Some(cosine) = cosine else { continue };
        let beyond = if decade < 0.0 {
            (1.0 - tail(&model.same, cosine)) * model.weights.0
        } else {
            tail(&model.different, cosine) * model.weights.1
        };
        let is_apart = levels.last().is_none_or(|before| cosine - before.cosine >= LEAST_STEP);
        let is_inside = cosine > -1.0 + LEAST_STEP && cosine < 1.0 - 0.05;
        if decade == 0.0 {
            levels.retain(|before| even - before.cosine >= LEAST_STEP);
        } else if !(beyond >= LEAST_BEYOND && is_apart && is_inside) {
            continue;
        }
        levels.push(Level { decade, cosine, confidence: 50.0 + PER_DECADE * decade });
    }
    levels
}

fn curve(model: &Model, share: &[f64]) -> Vec<Point> {
    let per_unit = BINS as f64 / 2.0;
    let mut points: Vec<Point> = Vec::with_capacity(BINS);
    let mut below = (0.0, 0.0);
    for (bin, &probability) in share.iter().enumerate() {
        let (s, d) = (model.same[bin], model.different[bin]);
        // at the middle of the bin
        let rates = Rates {
            false_match: (1.0 - below.1 - d / 2.0).clamp(0.0, 1.0),
            false_non_match: (below.0 + s / 2.0).clamp(0.0, 1.0),
        };
        points.push(Point { cosine: cosine_of(bin), probability, same: s * per_unit, different: d * per_unit, rates });
        below = (below.0 + s, below.1 + d);
    }
    points
}

/// The rate at which both errors are equal, and where.
fn equal_error(curve: &[Point]) -> (f64, f64) {
    let at = curve.partition_point(|point| point.rates.false_non_match < point.rates.false_match);
    let Point { cosine, rates, .. } = curve[at.min(BINS - 1)];
    (f64::midpoint(rates.false_match, rates.false_non_match), cosine)
}

/// The standard error of the even point: Kott, The delete-a-group jackknife, 2001.
fn jackknife(pairs: &Pairs, prior: Option<Prior>) -> f64 {
    let even = |group: usize| {
        let (same, different) = pairs.without(group);
        let weights = (same.iter().sum(), different.iter().sum());
        let model = Model::of(&same, &different, weights).ok()?;
        model.even(prior.unwrap_or_else(|| model.prior(pairs))).ok()
    };
    let evens: Vec<f64> = (0..pairs.n_groups()).filter_map(even).collect();
    let n = evens.len() as f64;
    if evens.len() < 2 {
        return f64::INFINITY;
    }
    let mean = evens.iter().sum::<f64>() / n;
    ((n - 1.0) / n * evens.iter().map(|even| (even - mean).powi(2)).sum::<f64>()).sqrt()
}
