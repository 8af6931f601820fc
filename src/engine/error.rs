//! What the engine cannot do, said twice: a sentence for the client, and the cause for the log.

use std::error::Error;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::face::{DatabaseName, Identifier, ImageLabel};
use crate::job::{Queue, State, Token};
use crate::store::{Failure, StoreError, is_full};

/// The system's number of an input or output error.
const EIO: i32 = 5;

/// The kinds of failure. Part of the record format: new kinds are added at the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum ErrorKind {
    /// No such database.
    DatabaseNotFound,
    /// No such face.
    FaceNotFound,
    /// No such image.
    ImageNotFound,
    /// The database is there already.
    DatabaseExists,
    /// The face is there already.
    FaceExists,
    /// The image label is there already.
    ImageExists,
    /// No such job in this queue.
    UnknownToken,
    /// The job's state does not allow it.
    State,
    /// The queue takes no more jobs.
    QueueFull,
    /// The databases of one job have different models.
    MixedModels,
    /// The embedding model cannot be used.
    Model,
    /// A configured limit.
    Limit,
    /// The job ended the process again and again.
    Crashed,
    /// The content of a file.
    Content,
    /// The store.
    Storage,
    /// The server is stopping.
    Stopping,
    /// A defect of the program.
    Internal,
    /// A path outside the folders from which files are read.
    PathNotAllowed,
    /// A file that cannot be read or written.
    FileNotAccessible,
    /// No such key among the metadata of a face.
    MetadataKeyNotFound,
    /// The key is among the metadata of the face already.
    MetadataKeyExists,
    /// The image has no pixels.
    NoPicture,
    /// More bytes than a request may bring.
    TooLarge,
    /// No image of a new face could be trained.
    NothingTrained,
    /// An idempotency key that was given with another request.
    KeyTaken,
    /// What this server is not set up for.
    NotOffered,
    /// A URL that may not be told of the end of a job.
    Receiver,
}

/// A failure: its kind, the sentence for the client, and the cause for the log.
#[derive(Debug)]
pub struct EngineError {
    kind: ErrorKind,
    text: String,
    cause: Option<Box<dyn Error + Send + Sync>>,
}

impl fmt::Display for EngineError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Error for EngineError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.cause.as_deref().map(|cause| cause as &(dyn Error + 'static))
    }
}

impl From<StoreError> for EngineError {
    fn from(error: StoreError) -> Self {
        let text = match &error {
            StoreError::Damaged { key, .. } => format!("the stored record {key} is damaged"),
            StoreError::Unreadable(_) | StoreError::Unopened(_) | StoreError::Behind { .. } => {
                "a part of the store is damaged and cannot be read; the server's log says where, and what to do"
                    .to_owned()
            }
            StoreError::File { what, source } if is_full(source) => format!("the disk is full: {what}"),
            StoreError::File { what, source } if source.raw_os_error() == Some(EIO) => format!("{what}: {source}"),
            StoreError::Disk(failure) => {
                format!("{failure}; whether the change is stored is known when the store has been opened again")
            }
            StoreError::Lost(failure) => {
                format!("{failure}; the store takes no changes until it has been opened again")
            }
            _ => "the store could not be read or written; the server's log says why".to_owned(),
        };
        Self { kind: ErrorKind::Storage, text, cause: Some(Box::new(error)) }
    }
}

impl EngineError {
    /// A failure of this kind with this sentence for the client.
    pub fn new(kind: ErrorKind, text: impl Into<String>) -> Self {
        Self { kind, text: text.into(), cause: None }
    }

    /// The same, with a cause for the log.
    pub fn caused(kind: ErrorKind, text: impl Into<String>, cause: impl Error + Send + Sync + 'static) -> Self {
        Self { kind, text: text.into(), cause: Some(Box::new(cause)) }
    }

    /// Its kind.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// What is wrong with the disk, if it is that.
    pub fn failure(&self) -> Option<Failure> {
        self.cause.as_ref()?.downcast_ref::<StoreError>()?.failure()
    }

    /// Whether a process has the data directory, be it this one.
    pub fn is_locked(&self) -> bool {
        matches!(self.cause.as_ref().and_then(|cause| cause.downcast_ref()), Some(StoreError::Locked(_)))
    }

    /// The same, naming the file that is too large.
    pub(super) fn about(self, parameter: &str, path: &str) -> Self {
        match self.kind {
            ErrorKind::TooLarge => Self::new(self.kind, format!("'{parameter}={path}': {self}")),
            _ => self,
        }
    }

    /// There is no such database (the text is contract R54's, like those below).
    pub fn database_not_found(name: &DatabaseName) -> Self {
        Self::new(ErrorKind::DatabaseNotFound, format!("'database={name}' does not exist"))
    }

    /// There is no such face.
    pub fn face_not_found(database: &DatabaseName, identifier: &Identifier) -> Self {
        let text = format!("'identifier={identifier}' does not exist in 'database={database}'");
        Self::new(ErrorKind::FaceNotFound, text)
    }

    /// There is no such image.
    pub fn image_not_found(database: &DatabaseName, identifier: &Identifier, label: &ImageLabel) -> Self {
        let text = format!("'imagelabel={label}' does not exist in 'identifier={identifier}' of 'database={database}'");
        Self::new(ErrorKind::ImageNotFound, text)
    }

    /// There is a database of that name.
    pub fn database_exists(name: &DatabaseName) -> Self {
        Self::new(ErrorKind::DatabaseExists, format!("'database={name}' exists already"))
    }

    /// There is a face of that name.
    pub fn face_exists(database: &DatabaseName, identifier: &Identifier) -> Self {
        let text = format!("'identifier={identifier}' exists already in 'database={database}'");
        Self::new(ErrorKind::FaceExists, text)
    }

    /// There is an image of that name.
    pub fn image_exists(database: &DatabaseName, identifier: &Identifier, label: &ImageLabel) -> Self {
        let text = format!("'imagelabel={label}' exists already in 'identifier={identifier}' of 'database={database}'");
        Self::new(ErrorKind::ImageExists, text)
    }

    /// The face has no metadata under that key.
    pub fn metadata_key_not_found(database: &DatabaseName, identifier: &Identifier, key: &str) -> Self {
        let text = format!("'key={key}' does not exist in 'identifier={identifier}' of 'database={database}'");
        Self::new(ErrorKind::MetadataKeyNotFound, text)
    }

    /// The face has metadata under that key.
    pub fn metadata_key_exists(database: &DatabaseName, identifier: &Identifier, key: &str) -> Self {
        let text = format!("'key={key}' exists already in 'identifier={identifier}' of 'database={database}'");
        Self::new(ErrorKind::MetadataKeyExists, text)
    }

    /// The image has no pixels.
    pub fn no_picture(database: &DatabaseName, identifier: &Identifier, label: &ImageLabel) -> Self {
        let text = format!(
            "'imagelabel={label}' in 'identifier={identifier}' of 'database={database}' holds no picture: it was dropped, \
             or the image came as an embedding"
        );
        Self::new(ErrorKind::NoPicture, text)
    }

    /// There was such a job, and what it was cannot be read any more.
    pub fn damaged_job(token: Token) -> Self {
        let text = format!("the record of the job 'token={token}' is damaged: it is not run, and its result is lost");
        Self::new(ErrorKind::Storage, text)
    }

    /// There is no such job in the queue.
    pub fn unknown_token(queue: Queue, token: &str) -> Self {
        Self::new(ErrorKind::UnknownToken, format!("'token={token}' is not known to queue '{queue}'"))
    }

    /// What was asked of a job is not possible where it stands.
    pub fn wrong_state(asked: &str, state: State) -> Self {
        Self::new(ErrorKind::State, format!("'{asked}' is not possible: the job's status is {state}"))
    }

    /// The queue is full.
    pub fn queue_full(queue: Queue, limit: usize) -> Self {
        let text =
            format!("queue '{queue}' is full: the limit of jobs that have not ended is {limit} (max_queue_size)");
        Self::new(ErrorKind::QueueFull, text)
    }
}
