//! Cosine to confidence: the one map between what is computed and what is said.
//!
//! **Promises.** A [`Confidence`] is a whole number of hundredths; the score is rounded once and the rounded value is
//! the confidence everywhere (contract R105). A [`ConfidenceScale`] never decreases, so that a threshold on the
//! confidence is a threshold on the cosine: [`ConfidenceScale::lowest_cosine`] is the exact one, to the last bit.
//!
//! **Why knots.** Models differ in where "the same person" begins. A piecewise linear scale through a few measured
//! points puts 50.00 there for every model (contract R108).

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

/// The steepest last segment of a scale, in confidence per unit of cosine.
///
/// The length of a stored float32 vector is known only within 1e-6, so the cosine of a vector with itself only within
/// 2e-6. With at most this slope that uncertainty is less than half a hundredth, and equal embeddings show 100.00.
pub const MAX_LAST_SLOPE: f64 = 2_000.0;

/// How sure it is that two images show one person: 0.00 to 100.00, in hundredths.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "server", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "server", serde(try_from = "u16", into = "u16"))]
pub struct Confidence(u16);

impl From<Confidence> for u16 {
    fn from(confidence: Confidence) -> Self {
        confidence.0
    }
}

impl TryFrom<u16> for Confidence {
    type Error = ConfidenceError;

    fn try_from(hundredths: u16) -> Result<Self, Self::Error> {
        Self::from_hundredths(hundredths).ok_or(ConfidenceError(hundredths))
    }
}

/// A number that is no confidence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("a confidence is at most 10000 hundredths, not {0}")]
pub struct ConfidenceError(u16);

impl Confidence {
    /// 0.00, the least there is.
    pub const MIN: Self = Self(0);
    /// 100.00, the confidence of equal embeddings.
    pub const MAX: Self = Self(10_000);

    /// From a number of hundredths, 0 to 10,000; none if it is larger.
    pub fn from_hundredths(hundredths: u16) -> Option<Self> {
        (hundredths <= Self::MAX.0).then_some(Self(hundredths))
    }

    /// In hundredths, 0 to 10,000.
    pub fn hundredths(self) -> u16 {
        self.0
    }
}

impl fmt::Display for Confidence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:02}", self.0 / 100, self.0 % 100)
    }
}

/// A text that is not a decimal from 0 to 100.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("'{0}' is not a number from 0 to 100")]
pub struct ThresholdError(String);

/// The least confidence that counts, inclusive.
///
/// It is taken as written: 50.005 is reached by 50.01 and not by 50.00 (contract R106), so it is kept as the smallest
/// number of hundredths that reaches it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Threshold(Confidence);

impl Threshold {
    /// The threshold that exactly the confidences from `least` on reach.
    pub fn at(least: Confidence) -> Self {
        Self(least)
    }

    /// The least confidence that reaches it.
    pub fn least(self) -> Confidence {
        self.0
    }

    /// Whether `confidence` reaches it.
    pub fn is_reached_by(self, confidence: Confidence) -> bool {
        confidence >= self.0
    }
}

impl Default for Threshold {
    /// 50, the decision point of every scale (contract R99).
    fn default() -> Self {
        Self(Confidence(5_000))
    }
}

impl fmt::Display for Threshold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for Threshold {
    type Err = ThresholdError;

    /// Reads digits, optionally with a point and more digits, at most 20 characters, blanks around them dropped
    /// (contract R15); from 0 to 100.
    fn from_str(text: &str) -> Result<Self, ThresholdError> {
        let refuse = || ThresholdError(text.to_owned());
        let number = text.trim_matches(' ');
        let (whole, fraction) = match number.split_once('.') {
            Some((whole, fraction)) if !fraction.is_empty() => (whole, fraction),
            Some(_) => return Err(refuse()),
            None => (number, ""),
        };
        let all_digits = |part: &str| part.bytes().all(|b| b.is_ascii_digit());
        if whole.is_empty() || number.len() > 20 || !all_digits(whole) || !all_digits(fraction) {
            return Err(refuse());
        }
        let digit = |at: usize| fraction.as_bytes().get(at).map_or(0, |b| u64::from(b - b'0'));
        let rest = fraction.bytes().skip(2).any(|b| b != b'0');
        let whole: u64 = whole.parse().map_err(|_| refuse())?;
        let hundredths =
            whole.saturating_mul(100).saturating_add(digit(0) * 10 + digit(1)).saturating_add(u64::from(rest));
        u16::try_from(hundredths).ok().and_then(Confidence::from_hundredths).map(Self).ok_or_else(refuse)
    }
}

/// Why knots do not make a scale.
#[derive(Debug, Clone, PartialEq, Error)]
pub enum ScaleError {
    /// Fewer than two.
    #[error("a confidence scale has at least 2 knots, this one has {0}")]
    TooFew(usize),
    /// The ends are fixed: cosine -1 and (1, 100).
    #[error(
        "a confidence scale begins at cosine -1 and ends at cosine 1 with confidence 100, this one goes from {first} to ({last}, {confidence})"
    )]
    Ends {
        /// The first cosine.
        first: f64,
        /// The last cosine.
        last: f64,
        /// The last confidence.
        confidence: f64,
    },
    /// A knot that is not a number, is outside 0..100, or goes back.
    #[error(
        "knot {knot} of the confidence scale is ({cosine}, {confidence}): cosines must rise, confidences must not fall, from 0 to 100"
    )]
    Order {
        /// Which, from 1.
        knot: usize,
        /// Its cosine.
        cosine: f64,
        /// Its confidence.
        confidence: f64,
    },
    /// The last segment is so steep that equal embeddings would not show 100.00.
    #[error(
        "the last segment of the confidence scale rises by {slope} per unit of cosine, at most {MAX_LAST_SLOPE} are allowed"
    )]
    Steep {
        /// The slope.
        slope: f64,
    },
}

/// A model's map from cosine to confidence: piecewise linear through knots, never decreasing.
#[derive(Debug, Clone, PartialEq)]
pub struct ConfidenceScale {
    knots: Vec<(f64, f64)>,
}

impl ConfidenceScale {
    /// A scale through `knots`, pairs of (cosine, confidence), from cosine -1 to (1, 100).
    pub fn new(knots: impl Into<Vec<(f64, f64)>>) -> Result<Self, ScaleError> {
        let knots = knots.into();
        let [(first, _), .., (last, confidence)] = knots[..] else {
            return Err(ScaleError::TooFew(knots.len()));
        };
        let mut before = (f64::NEG_INFINITY, 0.0);
        for (index, &(cosine, confidence)) in knots.iter().enumerate() {
            // written so that NaN fails too
            let rises = cosine > before.0 && confidence >= before.1 && confidence <= 100.0;
            if !rises {
                return Err(ScaleError::Order { knot: index + 1, cosine, confidence });
            }
            before = (cosine, confidence);
        }
        if (first, last, confidence) != (-1.0, 1.0, 100.0) {
            return Err(ScaleError::Ends { first, last, confidence });
        }
        let (x, y) = knots[knots.len() - 2];
        let slope = (100.0 - y) / (1.0 - x);
        if slope > MAX_LAST_SLOPE {
            return Err(ScaleError::Steep { slope });
        }
        Ok(Self { knots })
    }

    /// The scale of the built-in model `cosine`: confidence = 50 * (1 + cosine).
    pub fn cosine() -> Self {
        Self { knots: vec![(-1.0, 0.0), (1.0, 100.0)] }
    }

    /// The knots, pairs of (cosine, confidence).
    pub fn knots(&self) -> &[(f64, f64)] {
        &self.knots
    }

    /// The confidence of a cosine, rounded to the nearest hundredth, halves up.
    pub fn confidence(&self, cosine: f64) -> Confidence {
        let cosine = cosine.clamp(-1.0, 1.0);
        let upper = self.knots.partition_point(|&(x, _)| x < cosine).clamp(1, self.knots.len() - 1);
        let ((x0, y0), (x1, y1)) = (self.knots[upper - 1], self.knots[upper]);
        // Correctly rounded operations keep order, and the clamp keeps it across knots: the map cannot decrease.
        let score = (y0 + (cosine - x0) * ((y1 - y0) / (x1 - x0))).clamp(y0, y1);
        Confidence((score * 100.0 + 0.5).floor() as u16)
    }

    /// The smallest cosine whose confidence reaches `threshold`; minus infinity if every cosine does.
    ///
    /// For every f64 `c`: `confidence(c) >= threshold` exactly when `c >= lowest_cosine(threshold)`.
    pub fn lowest_cosine(&self, threshold: Threshold) -> f64 {
        let reaches = |cosine: f64| threshold.is_reached_by(self.confidence(cosine));
        if reaches(-1.0) {
            return f64::NEG_INFINITY;
        }
        // The scale does not decrease, -1 does not reach the threshold and 1 (100.00) does: bisect over every f64.
        let (mut below, mut above) = (ordinal(-1.0), ordinal(1.0));
        while above - below > 1 {
            let middle = below + (above - below) / 2;
            if reaches(from_ordinal(middle)) { above = middle } else { below = middle }
        }
        from_ordinal(above)
    }
}

/// The place of a finite f64 among all of them, in order.
fn ordinal(value: f64) -> i64 {
    let bits = value.to_bits().cast_signed();
    if bits < 0 { i64::MIN - bits } else { bits }
}

/// The f64 at a place given by [`ordinal`].
fn from_ordinal(place: i64) -> f64 {
    f64::from_bits((if place < 0 { i64::MIN - place } else { place }).cast_unsigned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_confidence_has_two_decimals() {
        let shown = [0, 5, 750, 10_000].map(|h| Confidence(h).to_string());
        assert_eq!(shown, ["0.00", "0.05", "7.50", "100.00"]);
        assert_eq!(Confidence::from_hundredths(10_001), None);
    }

    #[test]
    fn a_threshold_is_taken_as_written() {
        let least = |text: &str| text.parse::<Threshold>().map(|t| t.least().hundredths());
        assert_eq!(least("50"), Ok(5_000));
        assert_eq!(least(" 50.005 "), Ok(5_001));
        assert_eq!(least("50.0000000000"), Ok(5_000));
        assert_eq!(least("0.0000000001"), Ok(1));
        assert_eq!(least("099.5"), Ok(9_950));
        assert_eq!(least("100.00"), Ok(10_000));
        for bad in ["", " ", ".5", "5.", "-1", "+1", "1e1", "NaN", "inf", "abc", "101", "100.001", "5,0", "0x5", "٥"] {
            assert_eq!(least(bad), Err(ThresholdError(bad.to_owned())), "{bad}");
        }
        assert!(least("000000000000000000005").is_err(), "21 characters");
        assert!(least("99999999999999999999").is_err());
    }

    #[test]
    fn the_score_is_rounded_once_to_the_nearest_hundredth_halves_up() {
        let scale = ConfidenceScale::new(vec![(-1.0, 0.0), (0.0, 0.125), (1.0, 100.0)]).unwrap();
        assert_eq!(scale.confidence(0.0).to_string(), "0.13", "0.125 is a half, exactly");
        assert_eq!(ConfidenceScale::cosine().confidence(0.5266).to_string(), "76.33");
        assert_eq!(ConfidenceScale::cosine().confidence(1.000_000_2), Confidence::MAX);
        assert_eq!(ConfidenceScale::cosine().confidence(-1.000_000_2), Confidence(0));
    }

    #[test]
    fn knots_that_fall_or_end_elsewhere_are_refused() {
        let refused = |knots: &[(f64, f64)]| ConfidenceScale::new(knots).unwrap_err();
        assert_eq!(refused(&[(-1.0, 0.0)]), ScaleError::TooFew(1));
        assert!(matches!(refused(&[(-1.0, 0.0), (1.0, 99.0)]), ScaleError::Ends { .. }));
        assert!(matches!(refused(&[(-0.5, 0.0), (1.0, 100.0)]), ScaleError::Ends { .. }));
        assert!(matches!(refused(&[(-1.0, 5.0), (0.0, 4.0), (1.0, 100.0)]), ScaleError::Order { knot: 2, .. }));
        assert!(matches!(refused(&[(-1.0, 0.0), (f64::NAN, 4.0), (1.0, 100.0)]), ScaleError::Order { knot: 2, .. }));
        assert!(matches!(refused(&[(-1.0, 0.0), (0.99, 1.0), (1.0, 100.0)]), ScaleError::Steep { .. }));
    }

    fn scales() -> impl Strategy<Value = ConfidenceScale> {
        proptest::collection::vec((-0.99f64..0.9, 0.0f64..100.0), 0..6).prop_map(|inner| {
            let (mut xs, mut ys): (Vec<f64>, Vec<f64>) = inner.into_iter().unzip();
            xs.sort_by(f64::total_cmp);
            xs.dedup();
            ys.sort_by(f64::total_cmp);
            let mut knots = vec![(-1.0, 0.0)];
            knots.extend(xs.into_iter().zip(ys));
            knots.push((1.0, 100.0));
            ConfidenceScale::new(knots).expect("sorted, with the fixed ends, and 0.1 wide at the top")
        })
    }

    proptest! {
        #[test]
        fn a_confidence_threshold_is_a_cosine_threshold_to_the_last_bit(
            scale in scales(), hundredths in 0u16..=10_000, other in -1.0f64..=1.0,
        ) {
            let threshold = Threshold::at(Confidence(hundredths));
            let lowest = scale.lowest_cosine(threshold);
            let reaches = |c: f64| threshold.is_reached_by(scale.confidence(c));
            if lowest.is_finite() {
                prop_assert!(reaches(lowest));
                prop_assert!(!reaches(lowest.next_down()));
            }
            prop_assert_eq!(reaches(other), other >= lowest);
        }

        #[test]
        fn a_scale_never_decreases(scale in scales(), a in -1.0f64..=1.0, steps in 0u32..1000) {
            let b = f64::from_bits(a.to_bits() + u64::from(steps));
            let (low, high) = if a < b { (a, b) } else { (b, a) };
            prop_assert!(scale.confidence(low) <= scale.confidence(high));
        }
    }
}
