//! Training by a model pack: the pipeline of `vision` as the [`Trainer`] of the jobs.
//!
//! **Why here.** `vision` knows no jobs and the jobs know no pictures; the engine is where the two meet.

use std::path::Path;

use super::settings::{COSINE, Model};
use super::trainer::{Fingerprint, Trainer, Untrainable};
use crate::face::Embedding;
use crate::vision::{LookError, Pack, PackError, Pipeline};

/// Trains by the models of a pack; its name and confidence scale are those that databases are bound to.
#[derive(Debug)]
pub struct PackTrainer {
    model: Model,
    pipeline: Pipeline,
}

impl PackTrainer {
    /// Loads the pack in a folder and tries its models; pictures of more pixels than this are `toolarge`. One of the
    /// models that is configured under the pack's name has the confidence scale that counts, and must have the dimension.
    pub fn open(folder: &Path, max_pixels: u64, configured: &[Model]) -> Result<Self, PackError> {
        let pipeline = Pipeline::open(Pack::open(folder)?, max_pixels)?;
        if pipeline.name() == COSINE {
            let expected = "another name, that one belongs to the built-in model".to_owned();
            return Err(PackError::Value { key: "name", value: format!("{COSINE:?}"), expected });
        }
        let (name, dimension) = (pipeline.name().to_owned(), Some(pipeline.dimension()));
        let scale = match configured.iter().find(|model| model.name == name) {
            Some(model) if model.dimension != dimension => {
                let said = model.dimension.unwrap_or_default();
                let expected = format!("{said}, as [[models]] of the configuration says of '{name}'");
                let value = pipeline.dimension().to_string();
                return Err(PackError::Value { key: "embedder.dimension", value, expected });
            }
            Some(model) => model.scale.clone(),
            None => pipeline.scale().clone(),
        };
        Ok(Self { model: Model { name, dimension, scale }, pipeline })
    }
}

impl Trainer for PackTrainer {
    fn model(&self) -> &Model {
        &self.model
    }

    fn fingerprint(&self) -> Option<Fingerprint> {
        Some(Fingerprint(self.pipeline.fingerprint()))
    }

    fn train(&self, picture: &[u8]) -> Result<Embedding, Untrainable> {
        match self.pipeline.look(picture) {
            Ok(seen) => Ok(seen.embedding),
            Err(LookError::Unusable(unusable)) => {
                Err(Untrainable::Picture { reason: unusable.reason, detail: unusable.detail })
            }
            Err(broken @ LookError::Runtime(_)) => Err(Untrainable::Model { detail: broken.to_string() }),
        }
    }
}
