//! How far an image has come, and why it failed if it did.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

/// How far an image has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "server", derive(serde::Serialize, serde::Deserialize))]
pub enum ImageStatus {
    /// Not yet tried.
    Untrained,
    /// Has an embedding.
    Trained,
    /// Tried, no usable face.
    Failed,
}

impl ImageStatus {
    /// The word of the ACI for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Untrained => "untrained",
            Self::Trained => "trained",
            Self::Failed => "failed",
        }
    }
}

impl fmt::Display for ImageStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A text that is none of the words for an image status.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("an image status is 'untrained', 'trained' or 'failed', not '{}'", .0.escape_debug())]
pub struct ImageStatusError(String);

impl FromStr for ImageStatus {
    type Err = ImageStatusError;

    /// Reads the word without regard to ASCII letter case (contract R6).
    fn from_str(text: &str) -> Result<Self, ImageStatusError> {
        let all = [Self::Untrained, Self::Trained, Self::Failed];
        let found = all.into_iter().find(|status| status.as_str().eq_ignore_ascii_case(text));
        found.ok_or_else(|| ImageStatusError(text.to_owned()))
    }
}

/// Why an image could not be trained (contract R178).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "server", derive(serde::Serialize, serde::Deserialize))]
pub enum FailReason {
    /// No face was found in the picture.
    NoFace,
    /// Several faces, none of them clearly the largest.
    SeveralFaces,
    /// The face has too few pixels.
    TooSmall,
    /// The bytes are not a picture that is understood.
    Unreadable,
    /// The picture has more pixels than are decoded.
    TooLarge,
    /// There are no pixels.
    NoData,
}

impl FailReason {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::NoFace, Self::SeveralFaces, Self::TooSmall, Self::Unreadable, Self::TooLarge, Self::NoData];

    /// The word of the ACI for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NoFace => "noface",
            Self::SeveralFaces => "severalfaces",
            Self::TooSmall => "toosmall",
            Self::Unreadable => "unreadable",
            Self::TooLarge => "toolarge",
            Self::NoData => "nodata",
        }
    }
}

impl fmt::Display for FailReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A text that is none of the words for a reason.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error(
    "a reason is 'noface', 'severalfaces', 'toosmall', 'unreadable', 'toolarge' or 'nodata', not '{}'",
    .0.escape_debug()
)]
pub struct FailReasonError(String);

impl FromStr for FailReason {
    type Err = FailReasonError;

    /// Reads the word without regard to ASCII letter case (contract R6).
    fn from_str(text: &str) -> Result<Self, FailReasonError> {
        let found = Self::ALL.into_iter().find(|reason| reason.as_str().eq_ignore_ascii_case(text));
        found.ok_or_else(|| FailReasonError(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_reads_back_from_its_word_in_any_case() {
        for status in [ImageStatus::Untrained, ImageStatus::Trained, ImageStatus::Failed] {
            assert_eq!(status.as_str().parse(), Ok(status));
            assert_eq!(status.to_string().to_ascii_uppercase().parse(), Ok(status));
        }
        assert!("train".parse::<ImageStatus>().is_err());
        for reason in FailReason::ALL {
            assert_eq!(reason.to_string().to_ascii_uppercase().parse(), Ok(reason));
        }
        assert!("nothing".parse::<FailReason>().is_err());
    }
}
