//! The records: the shape of what is kept, version 1. A change of shape is a new version of the format.

mod tasks;

use std::fmt;

use serde::{Deserialize, Serialize};

use super::error::{EngineError, ErrorKind};
use super::pictures::PictureRecord;
use super::progress::Progress;
use super::settings::COSINE;
use super::trainer::Fingerprint;
use super::verdict::Verdict;
use crate::cluster::{Choice, RecallAudit};
use crate::confidence::ConfidenceScale;
use crate::face::ImageStatus;
use crate::job::{Life, Priority, Queue};
pub use tasks::{BuildAllTask, BuildTask, ClusterTask, ExportTask, ImportTask, OnError, Task, TrainTask, Upload};

/// The embedding model a database is bound to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct ModelRecord {
    /// Its name.
    pub name: String,
    /// The dimension of its embeddings; none while the database has no embedding and the model takes any.
    pub dimension: Option<u32>,
    /// The knots of its confidence scale, pairs of (cosine, confidence).
    pub knots: Vec<(f64, f64)>,
    /// Which of the models of that name made the embeddings; none if all came from elsewhere.
    pub fingerprint: Option<Fingerprint>,
}

impl ModelRecord {
    /// What embeddings are bound to of which nobody says where they are from.
    pub(super) fn cosine() -> Self {
        let knots = ConfidenceScale::cosine().knots().to_vec();
        Self { name: COSINE.to_owned(), dimension: None, knots, fingerprint: None }
    }

    /// Its confidence scale.
    pub(super) fn scale(self) -> Result<ConfidenceScale, EngineError> {
        let name = self.name;
        ConfidenceScale::new(self.knots)
            .map_err(|error| EngineError::new(ErrorKind::Model, format!("the model '{name}' cannot be used: {error}")))
    }
}

impl fmt::Display for ModelRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "'{}'", self.name)?;
        self.fingerprint.map_or(Ok(()), |fingerprint| write!(f, " (fingerprint {fingerprint})"))
    }
}

/// A database. Its rows are found by its number, so that renaming and removing it is one write.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct DatabaseRecord {
    /// Used for no other database while there are rows under it.
    pub number: u64,
    /// The model it is bound to, from its creation or its first embedding on.
    pub model: Option<ModelRecord>,
}

/// A face: an identity of a database.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct FaceRecord {
    /// Pairs of key and value, in key order, one value a key.
    pub metadata: Vec<(String, String)>,
}

/// An image of a face.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct ImageRecord {
    /// Its training.
    pub status: ImageStatus,
    /// The embedding of a trained image, of unit length.
    pub embedding: Option<Vec<f32>>,
    /// Why it failed, or what was measured of it, if that is known.
    pub verdict: Verdict,
    /// Its pixels, which are in a file beside the store.
    pub picture: Option<PictureRecord>,
}

impl ImageRecord {
    /// A picture that was not looked at yet (contract R133).
    pub(super) fn untrained(picture: PictureRecord) -> Self {
        Self { status: ImageStatus::Untrained, embedding: None, verdict: Verdict::Unknown, picture: Some(picture) }
    }

    /// An image that came as an embedding (contract R173).
    pub(super) fn trained(embedding: Vec<f32>) -> Self {
        Self { status: ImageStatus::Trained, embedding: Some(embedding), verdict: Verdict::Unknown, picture: None }
    }
}

/// A job: everything that must outlive the process.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct JobRecord {
    /// Its queue.
    pub queue: Queue,
    /// Its number in the order of acceptance.
    pub order: u64,
    /// How soon it is started.
    pub priority: Priority,
    /// Its life.
    pub life: Life,
    /// What it is to do.
    pub task: Task,
    /// The parameters as the client gave them, in the order of their names; shown, never read.
    pub parameters: Vec<(String, String)>,
    /// What came of it, once it has Finished or ended in Error.
    pub result: Option<JobResult>,
    /// Bytes of the rows of its result, if it has any.
    pub kept: u64,
    /// How far it came, once it has ended in a run.
    pub reached: Option<Progress>,
}

impl JobRecord {
    /// How many chunks the result of a finished clustering has.
    pub(super) fn n_chunks(&self) -> Option<u32> {
        match &self.result {
            Some(JobResult::Clustering(outcome)) => Some(outcome.n_chunks),
            _ => None,
        }
    }
}

/// What came of a job.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum JobResult {
    /// A clustering; the clusters themselves are in result chunks.
    Clustering(ClusteringOutcome),
    /// An import.
    Import(ImportOutcome),
    /// An export.
    Export(ExportOutcome),
    /// A fault.
    Fault {
        /// Its kind.
        kind: ErrorKind,
        /// The sentence for the client.
        text: String,
    },
    /// A new face.
    Train(TrainOutcome),
    /// Faces that were built; they themselves are in rows of the result.
    Build(BuildOutcome),
}

/// The figures of a finished TrainFace.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrainOutcome {
    /// What became of each image, in the order of the request.
    pub statuses: Vec<ImageStatus>,
}

/// The figures of a finished BuildFace or BuildAllFaces.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct BuildOutcome {
    /// How many faces were handled.
    pub n_faces: u64,
    /// How many images were tried.
    pub n_images: u64,
}

/// The figures of a finished clustering.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClusteringOutcome {
    /// How many images took part.
    pub n_faces: u64,
    /// How many clusters there are.
    pub n_clusters: u64,
    /// How many result chunks hold them.
    pub n_chunks: u32,
    /// How pairs were looked for, and why so.
    pub choice: Choice,
    /// How many pairs the index is estimated to have missed; none when every pair was compared.
    pub audit: Option<RecallAudit>,
    /// The oldest synchronisation seen, in microseconds since 1970, when the job asked for no synchronisation.
    pub synced: Option<i64>,
}

/// The figures of a finished import.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImportOutcome {
    /// Faces added.
    pub n_faces: u64,
    /// Images added.
    pub n_images: u64,
    /// Rows left out.
    pub n_skipped: u64,
    /// The first of the rows left out.
    pub skipped: Vec<SkippedRow>,
}

/// The figures of a finished export.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExportOutcome {
    /// Faces in the file.
    pub n_faces: u64,
    /// Images in the file.
    pub n_images: u64,
    /// Images of the database that the format cannot carry.
    pub n_skipped: u64,
}

/// Noted before the file of an export appears, so that a run after a crash knows its own file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct ExportMark {
    /// Device, number and length of each file, in the order in which they appear.
    pub files: Vec<(u64, u64, u64)>,
    /// What the job will say.
    pub outcome: ExportOutcome,
}

/// A row that an import left out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SkippedRow {
    /// Its line in a text file, its row in an array; from 1.
    pub row: u64,
    /// Why.
    pub reason: String,
}
