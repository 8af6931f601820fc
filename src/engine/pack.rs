//! Training by a model pack: the pipeline of `vision` as the [`Trainer`] of the jobs.
//!
//! **Why here.** `vision` knows no jobs and the jobs know no pictures; the engine is where the two meet.

use std::path::Path;

use super::settings::{COSINE, Model};
use super::trainer::{Fingerprint, Found, Template, Trained, Trainer, Untrainable};
use super::verdict::ImageFacts;
use crate::face::FailReason;
use crate::vision::{Apart, Facts, LookError, Pack, PackError, Pipeline, Seen, Warning};

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

    fn train(&self, picture: &[u8]) -> Result<Trained, Untrainable> {
        self.pipeline.look(picture).map(trained).map_err(untrainable)
    }

    fn train_everyone(&self, picture: &[u8]) -> Result<Vec<Result<Found, Untrainable>>, Untrainable> {
        let faces = self.pipeline.look_apart(picture).map_err(untrainable)?;
        let found = |Apart { seen, part }| {
            let part = part.fine_jpeg().ok_or_else(|| {
                let detail = format!("the face and its surroundings are {} x {} pixels", part.width(), part.height());
                Untrainable::Picture { reason: FailReason::TooLarge, detail }
            });
            Ok(Found { trained: trained(seen), part: part? })
        };
        Ok(faces.into_iter().map(|face| face.map_err(|face| untrainable(face.into())).and_then(found)).collect())
    }

    fn template(&self) -> Option<Template> {
        let (points, side) = self.pipeline.template();
        Some(Template { side, points: points.map(|point| (point.x, point.y)) })
    }
}

fn untrainable(error: LookError) -> Untrainable {
    match error {
        LookError::Unusable(unusable) => Untrainable::Picture { reason: unusable.reason, detail: unusable.detail },
        broken @ LookError::Runtime(_) => Untrainable::Model { detail: broken.to_string() },
    }
}

/// What was seen, as the jobs keep it.
fn trained(seen: Seen) -> Trained {
    let facts = facts(&seen.facts, &seen.warnings);
    Trained { embedding: seen.embedding, facts: Some(facts) }
}

fn facts(facts: &Facts, warnings: &[Warning]) -> ImageFacts {
    let region = facts.face.region;
    ImageFacts {
        region: [region.x, region.y, region.width, region.height],
        landmarks: facts.face.landmarks.map(|point| (point.x, point.y)),
        score: facts.face.score,
        n_faces: u32::try_from(facts.n_faces).unwrap_or(u32::MAX),
        sharpness: facts.sharpness,
        frontalness: facts.frontalness,
        norm: facts.norm,
        warnings: warnings.iter().map(ToString::to_string).collect(),
    }
}
