//! What jobs are to do, as it is kept with them.

use serde::{Deserialize, Serialize};

use crate::cluster::{MatchScope, Search};
use crate::confidence::{Confidence, Threshold};
use crate::job::Queue;

/// What a job is to do.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Task {
    /// Cluster face images.
    Cluster(ClusterTask),
    /// Take a file of faces into a database.
    Import(ImportTask),
    /// Write a database into a file.
    Export(ExportTask),
    /// Add a face with trained images.
    Train(TrainTask),
    /// Train the images of one face.
    Build(BuildTask),
    /// Train the images of all faces.
    BuildAll(BuildAllTask),
}

impl Task {
    /// The queue of such jobs.
    pub fn queue(&self) -> Queue {
        match self {
            Self::Cluster(_) => Queue::FaceClustering,
            Self::Import(_) => Queue::ImportFaceDatabase,
            Self::Export(_) => Queue::ExportFaceDatabase,
            Self::Train(_) => Queue::TrainFace,
            Self::Build(_) => Queue::BuildFace,
            Self::BuildAll(_) => Queue::BuildAllFaces,
        }
    }

    /// The files that came with the job.
    pub(in crate::engine) fn uploads(&self) -> impl Iterator<Item = &Upload> {
        let (data, ids) = match self {
            Self::Import(import) => (Some(&import.data), import.ids.as_ref()),
            Self::Train(train) => (Some(&train.pictures), None),
            Self::Cluster(_) | Self::Export(_) | Self::Build(_) | Self::BuildAll(_) => (None, None),
        };
        data.into_iter().chain(ids)
    }

    /// The same, to be given other names.
    pub(in crate::engine) fn uploads_mut(&mut self) -> impl Iterator<Item = &mut Upload> {
        let (data, ids) = match self {
            Self::Import(import) => (Some(&mut import.data), import.ids.as_mut()),
            Self::Train(train) => (Some(&mut train.pictures), None),
            Self::Cluster(_) | Self::Export(_) | Self::Build(_) | Self::BuildAll(_) => (None, None),
        };
        data.into_iter().chain(ids)
    }
}

/// A FaceClustering job (contract R99).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClusterTask {
    /// The database; none means all, clustered together.
    pub database: Option<String>,
    /// In hundredths, as a [`Threshold`] keeps it.
    pub cluster_threshold: u16,
    /// In hundredths.
    pub output_threshold: u16,
    /// At most so many matches for each image.
    pub max_results: Option<u64>,
    /// Whether changes since the last synchronisation are seen (contract R103).
    pub sync: bool,
    /// How pairs are looked for; none if the request did not say.
    pub search: Option<Search>,
    /// Which matches are listed.
    pub scope: MatchScope,
}

impl Default for ClusterTask {
    fn default() -> Self {
        let threshold = Threshold::default().least().hundredths();
        Self {
            database: None,
            cluster_threshold: threshold,
            output_threshold: threshold,
            max_results: None,
            sync: true,
            search: None,
            scope: MatchScope::All,
        }
    }
}

impl ClusterTask {
    /// The cluster threshold.
    pub fn cluster_threshold(&self) -> Threshold {
        threshold(self.cluster_threshold)
    }

    /// The output threshold.
    pub fn output_threshold(&self) -> Threshold {
        threshold(self.output_threshold)
    }
}

fn threshold(hundredths: u16) -> Threshold {
    Threshold::at(Confidence::from_hundredths(hundredths).unwrap_or(Confidence::MAX))
}

/// What to do about a row that cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum OnError {
    /// End the import; nothing changes.
    Stop,
    /// Leave the row out and say so.
    Skip,
}

/// A file that came with a request and is kept with its job, in the data directory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Upload {
    /// Its name in the folder of uploads.
    pub file: String,
    /// Its size.
    pub bytes: u64,
}

/// An ImportFaceDatabase job (contract R174).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImportTask {
    /// The database; created if absent.
    pub database: String,
    /// The format, by its name.
    pub format: String,
    /// The file of faces.
    pub data: Upload,
    /// The file of names of an NPY array.
    pub ids: Option<Upload>,
    /// The model of the embeddings, if named.
    pub model: Option<String>,
    /// What to do about a row that cannot be read.
    pub on_error: OnError,
    /// Whether metadata in the file is taken.
    pub include_metadata: bool,
    /// Whether pictures in the file are taken; without, they are left out silently.
    pub include_image_data: bool,
}

/// An ExportFaceDatabase job (contract R175).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExportTask {
    /// The database.
    pub database: String,
    /// The file, as the client named it.
    pub path: String,
    /// The format, by its name.
    pub format: String,
    /// Whether metadata go into the file.
    pub include_metadata: bool,
    /// Whether pictures go into the file.
    pub include_image_data: bool,
}

/// A TrainFace job (contract R137). Names that were not given are generated when it is accepted, so that every run of it
/// gives the same.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrainTask {
    /// The database.
    pub database: String,
    /// The new face.
    pub identifier: String,
    /// Whether its name was generated.
    pub is_generated: bool,
    /// The labels of its images, in the order of the request.
    pub labels: Vec<String>,
    /// The pictures in the same order, one behind the other.
    pub pictures: Upload,
    /// How many bytes each of them has.
    pub lengths: Vec<u64>,
    /// Pairs of key and value, in key order.
    pub metadata: Vec<(String, String)>,
    /// Whether the pixels of trained images are dropped.
    pub null_image_data: bool,
    /// How many pictures may be looked at at a time.
    pub parallel: u64,
}

/// A BuildFace job (contract R141).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BuildTask {
    /// The database.
    pub database: String,
    /// The face.
    pub identifier: String,
    /// How many pictures may be looked at at a time.
    pub parallel: u64,
}

/// A BuildAllFaces job (contract R142).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BuildAllTask {
    /// The database; none means all.
    pub database: Option<String>,
    /// How many pictures may be looked at at a time.
    pub parallel: u64,
}
