//! How images fit each other: the canonical confidence of pairs, and what a list of them amounts to.
//!
//! **Promises.** Whatever is said of a pair is computed here from the two vectors. Sums are of whole hundredths, so that
//! no order of summation matters.

use super::super::Run;
use super::finding::{Cross, Evidence, Fit};
use super::identities::Identities;
use super::ruler::Ruler;
use super::{MOST_COMPARED, MOST_EVIDENCE};
use crate::confidence::Confidence;
use crate::kernel;

/// What is compared, and by which measure.
#[derive(Clone, Copy)]
pub(super) struct Compare<'a> {
    pub(super) run: &'a Run<'a>,
    pub(super) identities: &'a Identities,
    pub(super) ruler: Ruler,
}

/// Pairs with the strongest first.
pub(super) fn strongest(mut pairs: Vec<Evidence>) -> Vec<Evidence> {
    pairs.sort_unstable_by_key(|e| (std::cmp::Reverse(e.confidence), e.first, e.second));
    pairs.truncate(MOST_EVIDENCE);
    pairs
}

/// The mean of these, to the nearest hundredth; 0 of none.
pub(super) fn mean(confidences: &[Confidence]) -> Confidence {
    mean_of(confidences.iter().map(|c| u64::from(c.hundredths())).sum(), confidences.len() as u64)
}

/// The mean of so many hundredths.
pub(super) fn mean_of(sum: u64, count: u64) -> Confidence {
    let mean = if count == 0 { 0 } else { (2 * sum + count) / (2 * count) };
    Confidence::from_hundredths(mean as u16).expect("a mean is not above the largest")
}

/// The mean of the better half.
pub(super) fn typical(confidences: &mut [Confidence]) -> Confidence {
    confidences.sort_unstable_by(|a, b| b.cmp(a));
    mean(&confidences[..confidences.len().div_ceil(2)])
}

/// At most [`MOST_COMPARED`] of these, evenly chosen.
pub(super) fn some(faces: &[u32]) -> impl ExactSizeIterator<Item = u32> + Clone + '_ {
    let n = faces.len().min(MOST_COMPARED);
    (0..n).map(move |at| faces[at * faces.len() / n])
}

impl Compare<'_> {
    /// The confidence of two faces.
    pub(super) fn confidence(&self, a: u32, b: u32) -> Confidence {
        let faces = self.run.faces;
        self.run.scale.confidence(kernel::dot(faces.row(a as usize), faces.row(b as usize)))
    }

    /// The pair of two faces, the smaller first.
    pub(super) fn pair(&self, a: u32, b: u32) -> Evidence {
        Evidence { first: a.min(b), second: a.max(b), confidence: self.confidence(a, b) }
    }

    /// How a face fits an identity, and its best pairs with it; none if there is no other image in it.
    pub(super) fn fit(&self, face: u32, identity: u32) -> Option<(Fit, Vec<Evidence>)> {
        let others: Vec<u32> = self.identities.faces(identity).filter(|&other| other != face).collect();
        let pairs: Vec<Evidence> = some(&others).map(|other| self.pair(face, other)).collect();
        let fit = self.fit_of(identity, others.len(), pairs.iter().map(|pair| pair.confidence).collect())?;
        Some((fit, strongest(pairs)))
    }

    /// What these confidences of a face with the `images` others of an identity amount to.
    pub(super) fn fit_of(&self, identity: u32, images: usize, mut confidences: Vec<Confidence>) -> Option<Fit> {
        let best = confidences.iter().copied().max()?;
        Some(Fit {
            identity,
            images: images as u32,
            compared: confidences.len() as u32,
            reaching: confidences.iter().filter(|&&c| self.ruler.reaches(c)).count() as u32,
            best,
            typical: typical(&mut confidences),
        })
    }

    /// All pairs of a face of one list with one of the other, row by row.
    pub(super) fn matrix(&self, left: &[u32], right: &[u32]) -> Matrix {
        let (left, right): (Vec<u32>, Vec<u32>) = (some(left).collect(), some(right).collect());
        let confidences = left.iter().flat_map(|&a| right.iter().map(move |&b| self.confidence(a, b))).collect();
        Matrix { left, right, confidences }
    }

    /// What all pairs of a matrix amount to.
    pub(super) fn cross(&self, matrix: &Matrix) -> Cross {
        matrix.tally(self.ruler).cross()
    }
}

/// The confidences of all pairs of two lists of faces.
pub(super) struct Matrix {
    pub(super) left: Vec<u32>,
    pub(super) right: Vec<u32>,
    confidences: Vec<Confidence>,
}

impl Matrix {
    /// All of them, counted.
    pub(super) fn tally(&self, ruler: Ruler) -> Tally {
        Tally::of(&self.confidences, ruler)
    }

    /// The strongest pairs.
    pub(super) fn strongest(&self) -> Vec<Evidence> {
        let pair = |(at, &confidence): (usize, &Confidence)| {
            let (a, b) = (self.left[at / self.right.len()], self.right[at % self.right.len()]);
            Evidence { first: a.min(b), second: a.max(b), confidence }
        };
        strongest(self.confidences.iter().enumerate().map(pair).collect())
    }
}

/// Confidences being counted.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Tally {
    pub(super) count: u64,
    pub(super) sum: u64,
    reaching: u64,
    best: u16,
}

impl Tally {
    fn of(confidences: &[Confidence], ruler: Ruler) -> Self {
        let count = |tally: Self, &confidence: &Confidence| Self {
            count: tally.count + 1,
            sum: tally.sum + u64::from(confidence.hundredths()),
            reaching: tally.reaching + u64::from(ruler.reaches(confidence)),
            best: tally.best.max(confidence.hundredths()),
        };
        confidences.iter().fold(Self::default(), count)
    }

    /// With those of another.
    pub(super) fn and(self, other: Self) -> Self {
        Self {
            count: self.count + other.count,
            sum: self.sum + other.sum,
            reaching: self.reaching + other.reaching,
            best: self.best.max(other.best),
        }
    }

    pub(super) fn cross(self) -> Cross {
        Cross {
            compared: self.count,
            reaching: self.reaching,
            best: Confidence::from_hundredths(self.best).expect("it was one"),
            mean: mean_of(self.sum, self.count),
        }
    }
}
