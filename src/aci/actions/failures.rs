//! What becomes of a failure of the engine: a code, a sentence for the client, and the cause for the log.

use std::io;

use tracing::{error, warn};

use super::{Code, Fault};
use crate::engine::{EngineError, ErrorKind};

/// The code of each kind of failure.
pub(super) fn code(kind: ErrorKind) -> Code {
    match kind {
        ErrorKind::DatabaseNotFound => Code::DatabaseNotFound,
        ErrorKind::FaceNotFound => Code::FaceNotFound,
        ErrorKind::ImageNotFound => Code::ImageNotFound,
        ErrorKind::DatabaseExists => Code::DatabaseExists,
        ErrorKind::FaceExists => Code::FaceExists,
        ErrorKind::ImageExists => Code::ImageLabelExists,
        ErrorKind::UnknownToken => Code::UnknownToken,
        ErrorKind::State => Code::StateNotPossible,
        ErrorKind::QueueFull => Code::QueueFull,
        ErrorKind::MixedModels => Code::ModelsDiffer,
        ErrorKind::Model => Code::ModelNotUsable,
        ErrorKind::Limit => Code::JobLimit,
        ErrorKind::Crashed => Code::JobCrashes,
        ErrorKind::Content => Code::FileContent,
        ErrorKind::Storage => Code::Storage,
        ErrorKind::Stopping => Code::Stopping,
        ErrorKind::Internal => Code::Internal,
        ErrorKind::PathNotAllowed => Code::PathNotAllowed,
        ErrorKind::FileNotAccessible => Code::FileNotAccessible,
        ErrorKind::MetadataKeyNotFound => Code::MetadataKeyNotFound,
        ErrorKind::MetadataKeyExists => Code::MetadataKeyExists,
        ErrorKind::NoPicture => Code::NoPicture,
        ErrorKind::TooLarge => Code::TooLarge,
        ErrorKind::NothingTrained => Code::NothingTrained,
        ErrorKind::KeyTaken => Code::Contradiction,
        ErrorKind::NotOffered => Code::NotOffered,
        ErrorKind::Receiver => Code::ValueNotValid,
    }
}

/// What the client is told; the cause goes to the log, once, here.
pub(super) fn fault(failure: &EngineError) -> Fault {
    let cause = std::error::Error::source(failure);
    match failure.kind() {
        ErrorKind::Internal => error!(%failure, cause, "internal error"),
        ErrorKind::Storage => warn!(%failure, cause, "storage failure"),
        _ => {}
    }
    Fault::new(code(failure.kind()), failure.to_string())
}

/// A failure in the middle of an answer that has begun.
pub(super) fn cut(failure: EngineError) -> io::Error {
    io::Error::other(failure)
}
