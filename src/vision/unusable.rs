//! Why a picture gave no embedding: because of the picture, or because of the machine.

use thiserror::Error;

use super::runtime::RuntimeError;
use crate::face::FailReason;

/// A picture that cannot be trained.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{detail}")]
pub struct Unusable {
    /// The word for it (contract R178).
    pub reason: FailReason,
    /// The values and limits behind it, for people.
    pub detail: String,
}

impl Unusable {
    pub(super) fn new(reason: FailReason, detail: impl Into<String>) -> Self {
        Self { reason, detail: detail.into() }
    }
}

/// Why looking at a picture gave nothing.
#[derive(Debug, Error)]
pub enum LookError {
    /// The picture is at fault: it is `failed`.
    #[error(transparent)]
    Unusable(#[from] Unusable),
    /// The runtime is at fault, with a model that worked when it was opened: the job is in error.
    #[error("a model does not run: {0}")]
    Runtime(#[from] RuntimeError),
}
