//! A face turned, scaled and shifted so that its five points come to lie on a model's template.
//!
//! The similarity that brings five points nearest to five others in the least squares sense (Umeyama, "Least-squares
//! estimation of transformation parameters between two point patterns", 1991, without reflection). In the plane it needs
//! no singular values: with points as complex numbers it is `q = a p + b`, and `a` is one division.

use super::detect::{Landmarks, Point};
use super::picture::{Picture, to_byte};
use super::unusable::Unusable;
use crate::face::FailReason;

/// Points closer together than this, in pixels, show no direction.
const LEAST_SPREAD: f64 = 0.1;

/// `(x, y) -> (a x - b y + dx, b x + a y + dy)`.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Similarity {
    a: f64,
    b: f64,
    dx: f64,
    dy: f64,
}

impl Similarity {
    /// The one that brings `from` nearest to `to`; none if `from` is all but one point.
    fn between(from: &Landmarks, to: &Landmarks) -> Option<Self> {
        let (from_centre, to_centre) = (centre(from), centre(to));
        let (mut a, mut b, mut spread) = (0.0, 0.0, 0.0);
        for (p, q) in from.iter().zip(to) {
            let (px, py) = (f64::from(p.x) - from_centre.0, f64::from(p.y) - from_centre.1);
            let (qx, qy) = (f64::from(q.x) - to_centre.0, f64::from(q.y) - to_centre.1);
            a += px * qx + py * qy;
            b += px * qy - py * qx;
            spread += px * px + py * py;
        }
        // written so that NaN fails too
        let is_spread = spread > from.len() as f64 * LEAST_SPREAD * LEAST_SPREAD && spread.is_finite();
        if !is_spread {
            return None;
        }
        let (a, b) = (a / spread, b / spread);
        let dx = to_centre.0 - (a * from_centre.0 - b * from_centre.1);
        let dy = to_centre.1 - (b * from_centre.0 + a * from_centre.1);
        Some(Self { a, b, dx, dy })
    }

    fn apply(&self, x: f64, y: f64) -> (f64, f64) {
        (self.a * x - self.b * y + self.dx, self.b * x + self.a * y + self.dy)
    }
}

fn centre(points: &Landmarks) -> (f64, f64) {
    let mean = |of: fn(&Point) -> f32| points.iter().map(|p| f64::from(of(p))).sum::<f64>() / points.len() as f64;
    (mean(|p| p.x), mean(|p| p.y))
}

/// The face as a square of `side` pixels in which its landmarks lie on the template; black where the picture ends.
pub(super) fn crop(
    picture: &Picture,
    landmarks: &Landmarks,
    template: &Landmarks,
    side: usize,
) -> Result<Picture, Unusable> {
    let refuse = || Unusable::new(FailReason::NoFace, "the landmarks of the face are all but one point");
    let forth = Similarity::between(landmarks, template).ok_or_else(refuse)?;
    let determinant = forth.a * forth.a + forth.b * forth.b;
    let is_invertible = determinant > 1e-12 && determinant.is_finite();
    if !is_invertible {
        return Err(refuse());
    }
    // the way back, from the crop to the picture
    let (a, b) = (forth.a / determinant, -forth.b / determinant);
    let back = Similarity { a, b, dx: -(a * forth.dx - b * forth.dy), dy: -(b * forth.dx + a * forth.dy) };
    let mut rgb = Vec::with_capacity(3 * side * side);
    for row in 0..side {
        for column in 0..side {
            let (x, y) = back.apply(column as f64, row as f64);
            rgb.extend(picture.sample(x as f32, y as f32).map(to_byte));
        }
    }
    Ok(Picture::new(side, side, rgb))
}

impl Picture {
    /// The face with these landmarks as a square of `side` pixels in which they lie on the template.
    pub fn aligned(&self, landmarks: &Landmarks, template: &Landmarks, side: usize) -> Result<Self, Unusable> {
        crop(self, landmarks, template, side)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn points(of: [(f32, f32); 5]) -> Landmarks {
        of.map(|(x, y)| Point { x, y })
    }

    const TEMPLATE: [(f32, f32); 5] = [(10.0, 12.0), (22.0, 12.0), (16.0, 18.0), (11.0, 24.0), (21.0, 24.0)];

    #[test]
    fn a_similarity_is_found_again() {
        let template = points(TEMPLATE);
        let (a, b, dx, dy) = (1.5, -0.7, 30.0, -4.0);
        let known = Similarity { a, b, dx, dy };
        let moved = template.map(|p| {
            let (x, y) = known.apply(p.x.into(), p.y.into());
            Point { x: x as f32, y: y as f32 }
        });
        let found = Similarity::between(&template, &moved).unwrap();
        for (found, known) in [(found.a, a), (found.b, b), (found.dx, dx), (found.dy, dy)] {
            assert!((found - known).abs() < 1e-5, "{found} is not {known}");
        }
    }

    #[test]
    fn a_face_on_the_template_is_cut_out_as_it_is() {
        let pixels: Vec<u8> = (0..32 * 32 * 3).map(|i| (i * 7 % 251) as u8).collect();
        let picture = Picture::new(32, 32, pixels);
        assert_eq!(crop(&picture, &points(TEMPLATE), &points(TEMPLATE), 32), Ok(picture));
    }

    #[test]
    fn landmarks_without_spread_are_no_face() {
        let picture = Picture::new(1, 1, vec![1, 2, 3]);
        for points in [[(3.0, 3.0); 5], [(f32::NAN, 0.0); 5], [(f32::INFINITY, 0.0); 5]].map(points) {
            let unusable = crop(&picture, &points, &self::points(TEMPLATE), 32).unwrap_err();
            assert_eq!(unusable.reason, FailReason::NoFace);
        }
    }
}
