//! Confidence in units that mean the same for every model and threshold.
//!
//! 0 is the cluster threshold, 1 is what equal embeddings show, -1 is what unrelated ones show (cosine 0). So the
//! constants of the audit do not speak of a model's cosines, nor of where its scale puts which confidence.

use crate::confidence::{Confidence, ConfidenceScale, Threshold};

/// Measures confidences from the cluster threshold.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ruler {
    threshold: Threshold,
    above: f64,
    below: f64,
}

/// A unit is at least so many hundredths, for thresholds at either end of the scale.
const LEAST_UNIT: u16 = 100;

impl Ruler {
    pub(super) fn new(scale: &ConfidenceScale, threshold: Threshold) -> Self {
        let at = threshold.least().hundredths();
        let unrelated = scale.confidence(0.0).hundredths();
        let unit = |hundredths: u16| f64::from(hundredths.max(LEAST_UNIT));
        Self { threshold, above: unit(Confidence::MAX.hundredths() - at), below: unit(at.saturating_sub(unrelated)) }
    }

    /// Whether a confidence reaches the cluster threshold.
    pub(super) fn reaches(&self, confidence: Confidence) -> bool {
        self.threshold.is_reached_by(confidence)
    }

    /// The confidence at so many units, to the nearest hundredth.
    pub(super) fn at(&self, units: f64) -> Confidence {
        let unit = if units < 0.0 { self.below } else { self.above };
        let hundredths = f64::from(self.threshold.least().hundredths()) + units * unit;
        let hundredths = (hundredths + 0.5).floor().clamp(0.0, f64::from(Confidence::MAX.hundredths()));
        Confidence::from_hundredths(hundredths as u16).unwrap_or(Confidence::MAX)
    }

    /// The confidence in units.
    pub(super) fn of(&self, confidence: Confidence) -> f64 {
        let beyond = f64::from(confidence.hundredths()) - f64::from(self.threshold.least().hundredths());
        beyond / if beyond < 0.0 { self.below } else { self.above }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_scales_of_one_model_have_the_same_units() {
        let own = ConfidenceScale::new(vec![(-1.0, 0.0), (0.43, 50.0), (1.0, 100.0)]).unwrap();
        let plain = ConfidenceScale::cosine();
        let rulers = [(&own, "50"), (&plain, "71.5")].map(|(s, t)| (s, Ruler::new(s, t.parse().unwrap())));
        for cosine in [-0.2, 0.0, 0.2, 0.43, 0.6, 1.0] {
            let [a, b] = rulers.map(|(scale, ruler)| ruler.of(scale.confidence(cosine)));
            assert!((a - b).abs() < 2e-3, "{cosine}: {a} {b}");
        }
        let (scale, ruler) = rulers[0];
        assert_eq!((ruler.of(Confidence::MAX), ruler.of(scale.confidence(0.0))), (1.0, -1.0));
        assert_eq!((ruler.at(0.0).to_string(), ruler.at(0.9).to_string()), ("50.00".into(), "95.00".into()));
        assert_eq!(ruler.at(-9.0).to_string(), "0.00");
    }

    #[test]
    fn a_threshold_at_either_end_has_units_too() {
        for threshold in ["0", "100"] {
            let ruler = Ruler::new(&ConfidenceScale::cosine(), threshold.parse().unwrap());
            assert!(ruler.of(Confidence::MAX).is_finite() && ruler.of(ruler.at(-1.0)).is_finite());
        }
    }
}
