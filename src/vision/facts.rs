//! What can be measured of a face, and when it is too weak to be trained.

use std::fmt;

use serde::Deserialize;

use super::detect::{Face, Landmarks};
use super::picture::Picture;
use super::unusable::Unusable;
use crate::face::FailReason;

/// Measurements of a face.
#[derive(Debug, Clone, PartialEq)]
pub struct Facts {
    /// Where it is, and how sure the detector is.
    pub face: Face,
    /// How many faces the picture shows.
    pub n_faces: usize,
    /// The variance of the Laplacian of the crop's brightness (Pech-Pacheco et al., "Diatom autofocusing in brightfield
    /// microscopy", 2000): near 0 for a blur. Taken from the crop, so that pictures of any size compare.
    pub sharpness: f32,
    /// 1 if the nose lies in the middle between the eyes and between the corners of the mouth, 0 if at their edge.
    pub frontalness: f32,
    /// The length of the embedding before it was scaled to 1: with most models small for what is hardly a face.
    pub norm: f32,
}

impl Facts {
    pub(super) fn measure(face: &Face, n_faces: usize, crop: &Picture, norm: f32) -> Self {
        let frontalness = frontalness(&face.landmarks);
        Self { face: face.clone(), n_faces, sharpness: sharpness(crop), frontalness, norm }
    }

    /// The width of the face in pixels of the picture.
    pub fn width(&self) -> f32 {
        self.face.region.width
    }
}

fn sharpness(crop: &Picture) -> f32 {
    let (width, height) = (crop.width(), crop.height());
    // ITU-R BT.601
    let brightness =
        |pixel: &[u8]| 0.299 * f64::from(pixel[0]) + 0.587 * f64::from(pixel[1]) + 0.114 * f64::from(pixel[2]);
    let grey: Vec<f64> = crop.rgb().chunks_exact(3).map(brightness).collect();
    let (mut n, mut sum, mut squares) = (0.0, 0.0, 0.0);
    for row in 1..height.saturating_sub(1) {
        for at in row * width + 1..(row + 1) * width - 1 {
            let value = grey[at - 1] + grey[at + 1] + grey[at - width] + grey[at + width] - 4.0 * grey[at];
            n += 1.0;
            sum += value;
            squares += value * value;
        }
    }
    if n > 0.0 { ((squares - sum * sum / n) / n) as f32 } else { 0.0 }
}

fn frontalness([left_eye, right_eye, nose, left_mouth, right_mouth]: &Landmarks) -> f32 {
    // where the nose falls on the way from one to the other, 0 to 1
    let share = |from: &super::Point, to: &super::Point| {
        let (dx, dy) = (to.x - from.x, to.y - from.y);
        let along = ((nose.x - from.x) * dx + (nose.y - from.y) * dy) / (dx * dx + dy * dy);
        if along.is_finite() { along } else { 0.0 }
    };
    let middle = f32::midpoint(share(left_eye, right_eye), share(left_mouth, right_mouth));
    (1.0 - 2.0 * (middle - 0.5).abs()).clamp(0.0, 1.0)
}

/// What becomes of a face below a threshold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LowQuality {
    /// The image is failed.
    Fail,
    /// It is trained, with a warning.
    #[default]
    Warn,
}

/// The least that a pack asks of a face. All are inclusive; 0 asks nothing.
#[derive(Debug, Clone, Copy, PartialEq, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Quality {
    /// In pixels of the picture; a narrower face is always failed.
    pub min_face_width: f32,
    /// See [`Facts::sharpness`].
    pub min_sharpness: f32,
    /// See [`Facts::frontalness`].
    pub min_frontalness: f32,
    /// See [`Facts::norm`].
    pub min_norm: f32,
    /// What becomes of a face below one of the last three.
    pub below: LowQuality,
}

/// Something weak about a face that was trained all the same.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Warning {
    /// Which fact.
    pub fact: &'static str,
    /// Its value.
    pub value: f32,
    /// The least that the pack asks.
    pub least: f32,
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the {} of the face is {:.2}, at least {:.2} is asked for", self.fact, self.value, self.least)
    }
}

impl Quality {
    /// Refuses a face that has too few pixels.
    pub(super) fn large_enough(&self, face: &Face) -> Result<(), Unusable> {
        let (value, least) = (face.region.width, self.min_face_width);
        if value >= least {
            return Ok(());
        }
        let detail = format!("the face is {value:.1} pixels wide, at least {least:.1} are needed");
        Err(Unusable::new(FailReason::TooSmall, detail))
    }

    /// What is weak about a face; if the pack says so, that is a reason to refuse it.
    ///
    /// The contract has no word of its own for it (R178): no *usable* face was found.
    pub(super) fn judge(&self, facts: &Facts) -> Result<Vec<Warning>, Unusable> {
        let asked = [
            ("sharpness", facts.sharpness, self.min_sharpness),
            ("frontalness", facts.frontalness, self.min_frontalness),
            ("embedding norm", facts.norm, self.min_norm),
        ];
        let weak = asked.into_iter().filter(|(_, value, least)| value < least);
        let warnings: Vec<Warning> = weak.map(|(fact, value, least)| Warning { fact, value, least }).collect();
        match (self.below, warnings.first()) {
            (LowQuality::Fail, Some(worst)) => Err(Unusable::new(FailReason::NoFace, worst.to_string())),
            _ => Ok(warnings),
        }
    }
}

#[cfg(test)]
#[allow(clippy::float_cmp, reason = "exact by their arithmetic")]
mod tests {
    use super::super::detect::{Point, Region};
    use super::*;

    fn points(nose: f32) -> Landmarks {
        [(0.0, 0.0), (10.0, 0.0), (nose, 5.0), (1.0, 10.0), (9.0, 10.0)].map(|(x, y)| Point { x, y })
    }

    #[test]
    fn a_nose_in_the_middle_is_a_face_from_the_front() {
        assert_eq!(frontalness(&points(5.0)), 1.0);
        assert!(frontalness(&points(7.0)) < 0.6);
        assert_eq!(frontalness(&points(12.0)), 0.0);
        assert_eq!(frontalness(&[Point::default(); 5]), 0.0);
    }

    #[test]
    fn what_is_flat_is_not_sharp() {
        let flat = Picture::new(8, 8, vec![99; 192]);
        let stripes = Picture::new(8, 8, (0..192).map(|i| if i / 3 % 2 == 0 { 0 } else { 255 }).collect());
        assert!(sharpness(&flat) < 1e-6, "{}", sharpness(&flat));
        assert!(sharpness(&stripes) > 10_000.0, "{}", sharpness(&stripes));
        assert_eq!(sharpness(&Picture::new(1, 1, vec![1, 2, 3])), 0.0);
    }

    #[test]
    fn a_weak_face_is_warned_of_or_refused_as_the_pack_says() {
        let region = Region { x: 0.0, y: 0.0, width: 20.0, height: 20.0 };
        let face = Face { region, landmarks: points(5.0), score: 0.9 };
        let facts = Facts { face, n_faces: 1, sharpness: 3.0, frontalness: 0.5, norm: 9.0 };
        let warn = Quality { min_sharpness: 4.0, min_frontalness: 0.5, ..Quality::default() };
        let warnings = warn.judge(&facts).unwrap();
        assert_eq!(warnings.len(), 1);
        assert_eq!(warnings[0].to_string(), "the sharpness of the face is 3.00, at least 4.00 is asked for");
        let refused = Quality { below: LowQuality::Fail, ..warn }.judge(&facts).unwrap_err();
        assert_eq!((refused.reason, refused.detail), (FailReason::NoFace, warnings[0].to_string()));
        let narrow = Quality { min_face_width: 20.5, ..warn }.large_enough(&facts.face).unwrap_err();
        assert_eq!(narrow.reason, FailReason::TooSmall);
        assert_eq!(narrow.detail, "the face is 20.0 pixels wide, at least 20.5 are needed");
    }
}
