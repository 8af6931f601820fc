//! What trains in the world: no model, but a trainer that tells pictures by their first bytes.

use faceclique::confidence::ConfidenceScale;
use faceclique::engine::{COSINE, ImageFacts, Model, Trained, Trainer, Untrainable};
use faceclique::face::{Embedding, FailReason};

/// Makes the same embedding of every bitmap; anything else is no picture. Its model is that of the four faces.
#[derive(Debug)]
pub(crate) struct OfBitmaps(Model);

impl OfBitmaps {
    pub(crate) fn new() -> Self {
        Self(Model { name: COSINE.to_owned(), dimension: Some(4), scale: ConfidenceScale::cosine() })
    }
}

impl Trainer for OfBitmaps {
    fn model(&self) -> &Model {
        &self.0
    }

    fn train(&self, picture: &[u8]) -> Result<Trained, Untrainable> {
        if picture.starts_with(b"BM") {
            let facts = ImageFacts {
                region: [10.5, -2.0, 40.25, 50.0],
                landmarks: [(20.0, 15.0), (40.0, 15.5), (30.0, 25.0), (22.0, 35.0), (38.0, 35.0)],
                score: 0.98765,
                n_faces: 2,
                sharpness: 12.345,
                frontalness: 0.9,
                norm: 7.5,
                warnings: vec!["the sharpness of the face is 12.35, at least 20.00 is asked for".to_owned()],
            };
            return Ok(Trained { embedding: Embedding::new([0.5, 0.5, 0.5, 0.5]).unwrap(), facts: Some(facts) });
        }
        let detail = "the bytes are no picture that is understood".to_owned();
        Err(Untrainable::Picture { reason: FailReason::Unreadable, detail })
    }
}
