//! What trains in the world: no model, but a trainer that tells pictures by their first bytes.

use faceclique::confidence::ConfidenceScale;
use faceclique::engine::{COSINE, Model, Trainer, Untrainable};
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

    fn train(&self, picture: &[u8]) -> Result<Embedding, Untrainable> {
        if picture.starts_with(b"BM") {
            return Ok(Embedding::new([0.5, 0.5, 0.5, 0.5]).unwrap());
        }
        let detail = "the bytes are no picture that is understood".to_owned();
        Err(Untrainable::Picture { reason: FailReason::Unreadable, detail })
    }
}
