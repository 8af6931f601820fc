//! What makes an embedding of a picture: the seam between the jobs that train and the models that look.
//!
//! **Promises** that a [`Trainer`] makes: the same picture gives the same answer, whatever runs beside it and however
//! often it is asked, so that a job that is run again after a crash leaves what one run would have left.
//!
//! **Not here.** Which pictures are looked at, and when (`train`, `build`); decoding, finding and embedding faces.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::Engine;
use super::error::{EngineError, ErrorKind};
use super::records::{DatabaseRecord, ModelRecord};
use super::settings::Model;
use super::verdict::ImageFacts;
use crate::face::{DatabaseName, Embedding, FailReason};

/// What tells models of one name apart: equal ones make the same embedding of the same picture.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fingerprint(pub [u8; 32]);

impl fmt::Display for Fingerprint {
    /// As many digits as people compare.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0[..8].iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Fingerprint({self})")
    }
}

/// Makes embeddings of pictures, by one model. Asked by several threads at a time.
pub trait Trainer: fmt::Debug + Send + Sync + 'static {
    /// The model of its embeddings.
    fn model(&self) -> &Model;

    /// Which of the models of that name it is; none if there can be only one.
    fn fingerprint(&self) -> Option<Fingerprint> {
        None
    }

    /// The one usable face of a picture (contract R148).
    fn train(&self, picture: &[u8]) -> Result<Trained, Untrainable>;

    /// Each face of a picture, the largest first; a trainer that knows only one face a picture finds that.
    fn train_everyone(&self, picture: &[u8]) -> Result<Vec<Result<Found, Untrainable>>, Untrainable> {
        let trained = self.train(picture)?;
        Ok(vec![Ok(Found { trained, part: picture.to_owned() })])
    }

    /// Where the landmarks of a face lie when the model is shown it; none if it is not shown faces so.
    fn template(&self) -> Option<Template> {
        None
    }
}

/// A face of a picture of many.
#[derive(Debug, Clone, PartialEq)]
pub struct Found {
    /// What was seen of it in the whole picture; its places are in pixels of the part.
    pub trained: Trained,
    /// The face and what is around it, as the bytes of a picture.
    pub part: Vec<u8>,
}

/// How a model is shown a face: a square in which the landmarks lie on these points.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Template {
    /// The side of the square, in pixels.
    pub side: usize,
    /// In the order of [`ImageFacts::landmarks`].
    pub points: [(f32, f32); 5],
}

/// What a picture gave.
#[derive(Debug, Clone, PartialEq)]
pub struct Trained {
    /// What the model says of the face.
    pub embedding: Embedding,
    /// What was measured of it, by a trainer that measures.
    pub facts: Option<ImageFacts>,
}

impl From<Embedding> for Trained {
    fn from(embedding: Embedding) -> Self {
        Self { embedding, facts: None }
    }
}

/// Why a picture gave no embedding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Untrainable {
    /// The picture is at fault: it is `failed`.
    Picture {
        /// The word for it (contract R178).
        reason: FailReason,
        /// The values and limits behind it, for people.
        detail: String,
    },
    /// The model is at fault, and would be with other pictures too: the job is in error.
    Model {
        /// What is wrong.
        detail: String,
    },
}

/// What came of a picture that was looked at: its face, or why it is `failed`.
pub(super) type Looked<T = Trained> = Result<T, (FailReason, String)>;

impl dyn Trainer {
    /// What comes of a picture.
    pub(super) fn look(&self, picture: &[u8]) -> Result<Looked, EngineError> {
        self.looked(self.train(picture))
    }

    /// What comes of each face of a picture.
    pub(super) fn look_at_everyone(&self, picture: &[u8]) -> Result<Vec<Looked<Found>>, EngineError> {
        match self.looked(self.train_everyone(picture))? {
            Ok(faces) => faces.into_iter().map(|face| self.looked(face)).collect(),
            Err(why) => Ok(vec![Err(why)]),
        }
    }

    /// A picture at fault is an outcome, a model at fault an error.
    fn looked<T>(&self, trained: Result<T, Untrainable>) -> Result<Looked<T>, EngineError> {
        match trained {
            Ok(trained) => Ok(Ok(trained)),
            Err(Untrainable::Picture { reason, detail }) => Ok(Err((reason, detail))),
            Err(Untrainable::Model { detail }) => {
                let text = format!("the embedding model '{}' fails: {detail}", self.model().name);
                Err(EngineError::new(ErrorKind::Model, text))
            }
        }
    }

    /// Error 61 if the database is bound to another model (contract R149), or to another of the same name.
    pub(super) fn check_fits(&self, name: &DatabaseName, database: &DatabaseRecord) -> Result<(), EngineError> {
        let Some(bound) = &database.model else { return Ok(()) };
        let Model { name: model, dimension, .. } = self.model();
        let refuse = |text: String| {
            let text = format!(
                "{text}; train by the model that it is bound to, or move the database over by `faceclique retrain`"
            );
            Err(EngineError::new(ErrorKind::Model, text))
        };
        if bound.name != *model {
            let bound = &bound.name;
            return refuse(format!(
                "'database={name}' is bound to the model '{bound}', and this server trains by the model '{model}'"
            ));
        }
        if let (Some(bound), Some(own)) = (bound.fingerprint, self.fingerprint())
            && bound != own
        {
            return refuse(format!(
                "'database={name}' is bound to the model '{model}' with the fingerprint {bound}, and this server trains \
                 by another '{model}', with the fingerprint {own}"
            ));
        }
        match (bound.dimension, dimension) {
            (Some(bound), Some(dimension)) if usize::try_from(bound) != Ok(*dimension) => refuse(format!(
                "'database={name}' holds embeddings of dimension {bound}, and the model '{model}' makes those of \
                 dimension {dimension}"
            )),
            _ => Ok(()),
        }
    }
}

impl Engine {
    /// What this server trains by; error 61 if by nothing (contract R149).
    pub(super) fn trainer(&self) -> Result<&dyn Trainer, EngineError> {
        self.settings.trainer.as_deref().ok_or_else(|| {
            let text = "this server has no embedding model for pictures: start it with --pack PACK, or with vision.pack \
                        in its configuration, where PACK is a model pack that `faceclique models` lists and \
                        `faceclique models add` installs; until then the images stay untrained";
            EngineError::new(ErrorKind::Model, text)
        })
    }

    /// The model that a trained image binds the database to (contract R125), if that is not what it is bound to.
    pub(super) fn binding(
        &self,
        trainer: &dyn Trainer,
        name: &DatabaseName,
        database: &DatabaseRecord,
        embedding: &Embedding,
    ) -> Result<Option<ModelRecord>, EngineError> {
        trainer.check_fits(name, database)?;
        let wanted = Some(trainer.model().name.as_str());
        let mut model = self.settings.bind(name, database, wanted, embedding.dimension())?;
        model.fingerprint = model.fingerprint.or_else(|| trainer.fingerprint());
        Ok(Some(model).filter(|model| database.model.as_ref() != Some(model)))
    }
}
