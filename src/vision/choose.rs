//! Which face of a picture is meant.

use serde::Deserialize;

use super::detect::Face;
use super::unusable::Unusable;
use crate::face::FailReason;

/// When one face is clearly larger than the others (contract R148).
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Choice {
    /// The area of the second largest face, at most, as a share of the largest one's. A half: then the person in front
    /// is about 1.4 times as near to the camera as anybody behind.
    pub max_second_area: f32,
}

impl Default for Choice {
    fn default() -> Self {
        Self { max_second_area: 0.5 }
    }
}

impl Choice {
    /// The only face, or the one that is clearly larger than the rest. `faces` begins with the largest.
    pub(super) fn one(self, faces: &[Face]) -> Result<&Face, Unusable> {
        let [largest, others @ ..] = faces else {
            return Err(Unusable::new(FailReason::NoFace, "no face was found in the picture"));
        };
        if let Some(second) = others.first() {
            let share = second.region.area() / largest.region.area();
            if share > self.max_second_area {
                let detail = format!(
                    "the picture shows {} faces, the second largest with {:.0} % of the largest one's area, at most {:.0} % is allowed",
                    faces.len(),
                    share * 100.0,
                    self.max_second_area * 100.0
                );
                return Err(Unusable::new(FailReason::SeveralFaces, detail));
            }
        }
        Ok(largest)
    }
}

#[cfg(test)]
mod tests {
    use super::super::detect::{Point, Region};
    use super::*;

    fn face(side: f32) -> Face {
        let region = Region { x: 0.0, y: 0.0, width: side, height: side };
        Face { region, landmarks: [Point { x: 0.0, y: 0.0 }; 5], score: 0.9 }
    }

    #[test]
    fn one_face_is_chosen_and_of_several_only_one_clearly_larger() {
        let chosen = |faces: &[Face]| Choice::default().one(faces).cloned().map_err(|unusable| unusable.reason);
        assert_eq!(chosen(&[]), Err(FailReason::NoFace));
        assert_eq!(chosen(&[face(10.0)]), Ok(face(10.0)));
        assert_eq!(chosen(&[face(10.0), face(10.0)]), Err(FailReason::SeveralFaces));
        assert_eq!(chosen(&[face(10.0), face(7.2)]), Err(FailReason::SeveralFaces));
        assert_eq!(chosen(&[face(10.0), face(7.0), face(1.0)]), Ok(face(10.0)));
    }

    #[test]
    fn why_not_is_said_with_its_numbers() {
        let unusable = Choice::default().one(&[face(10.0), face(8.0)]).unwrap_err();
        let expected = "the picture shows 2 faces, the second largest with 64 % of the largest one's area, at most 50 % is allowed";
        assert_eq!(unusable.to_string(), expected);
    }
}
