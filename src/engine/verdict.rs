//! What is known of how an image came to its status: why it failed, or what was measured of its face.
//!
//! **Why one enum.** The rows of images are read by the hundred thousand, and most came as embeddings, of which nothing
//! is known: they pay one byte. The first two variants are written as `Option<FailReason>` was before there was more to
//! say, so that an image without a picture reads as it did.

use serde::{Deserialize, Serialize};

use crate::face::FailReason;

/// The longest detail that is kept, in bytes.
const MAX_DETAIL: usize = 254;

/// How an image came to its status, as far as that is known. The order of the variants is the format.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) enum Verdict {
    /// It was not looked at, or came as it is.
    #[default]
    Unknown,
    /// It failed.
    Failed(FailReason),
    /// It failed, and the values and limits behind the word are known.
    Explained(FailReason, String),
    /// It is trained, and this was measured.
    Measured(Box<ImageFacts>),
}

impl Verdict {
    /// That an image failed, with its detail, which is shortened if it is very long.
    pub(super) fn failed(reason: FailReason, mut detail: String) -> Self {
        let end = (0..=MAX_DETAIL.min(detail.len())).rev().find(|&end| detail.is_char_boundary(end));
        detail.truncate(end.unwrap_or(0));
        if detail.is_empty() { Self::Failed(reason) } else { Self::Explained(reason, detail) }
    }

    /// The word for why it failed.
    pub(super) fn reason(&self) -> Option<FailReason> {
        match self {
            Self::Failed(reason) | Self::Explained(reason, _) => Some(*reason),
            Self::Unknown | Self::Measured(_) => None,
        }
    }

    /// The values and limits behind that, or what was measured.
    pub(super) fn told(self) -> (Option<String>, Option<Box<ImageFacts>>) {
        match self {
            Self::Explained(_, detail) => (Some(detail), None),
            Self::Measured(facts) => (None, Some(facts)),
            Self::Unknown | Self::Failed(_) => (None, None),
        }
    }
}

impl From<Option<FailReason>> for Verdict {
    fn from(reason: Option<FailReason>) -> Self {
        reason.map_or(Self::Unknown, Self::Failed)
    }
}

/// What was measured of the face of an image when it was trained. Places are in pixels of its picture.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ImageFacts {
    /// The box around the face: left, top, width, height. It may reach beyond the edges of the picture.
    pub region: [f32; 4],
    /// Left eye, right eye, tip of the nose, left and right corner of the mouth, as seen in the picture: right and down.
    pub landmarks: [(f32, f32); 5],
    /// How sure the detector is, 0 to 1.
    pub score: f32,
    /// How many faces the picture shows.
    pub n_faces: u32,
    /// The variance of the Laplacian of the aligned face: near 0 for a blur.
    pub sharpness: f32,
    /// 0 to 1: 1 for a face seen from the front.
    pub frontalness: f32,
    /// The length of the embedding before it was scaled to 1.
    pub norm: f32,
    /// A sentence for each fact that is weaker than the model asks.
    pub warnings: Vec<String>,
}

impl ImageFacts {
    /// The width of the face in pixels of the picture.
    pub fn face_width(&self) -> f32 {
        self.region[2]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{decode, encode};

    #[test]
    fn rows_that_know_only_a_reason_are_written_as_they_always_were() {
        for reason in [None, Some(FailReason::NoFace), Some(FailReason::NoData)] {
            let row = encode(b"k", &reason);
            assert_eq!(row, encode(b"k", &Verdict::from(reason)));
            assert_eq!(decode::<Verdict>(b"k", &row).unwrap().reason(), reason);
        }
    }

    #[test]
    fn a_detail_is_kept_up_to_254_bytes_and_whole_characters() {
        let kept = |detail: &str| Verdict::failed(FailReason::NoFace, detail.to_owned()).told().0;
        assert_eq!(kept("it is blurred").as_deref(), Some("it is blurred"));
        assert_eq!(kept(&"é".repeat(200)), Some("é".repeat(127)));
        assert_eq!(kept(&format!("a{}", "é".repeat(200))), Some(format!("a{}", "é".repeat(126))));
        assert_eq!(kept(""), None);
    }

    #[test]
    fn facts_take_some_seventy_bytes_a_row() {
        let facts = ImageFacts {
            region: [1.0, 2.0, 30.0, 40.0],
            landmarks: [(1.5, 2.5); 5],
            score: 0.9,
            n_faces: 2,
            sharpness: 1234.5,
            frontalness: 0.75,
            norm: 9.5,
            warnings: Vec::new(),
        };
        let measured = Verdict::Measured(Box::new(facts));
        let row = encode(b"k", &measured);
        assert_eq!(row.len() - encode(b"k", &Verdict::Unknown).len(), 74);
        assert_eq!(decode::<Verdict>(b"k", &row).unwrap(), measured);
    }
}
