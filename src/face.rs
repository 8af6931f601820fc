//! The vocabulary: names, face images, embeddings, and the set of them that a clustering works on.
//!
//! **Promises.** An [`Embedding`] is finite and of unit length; a [`FaceSet`] holds embeddings of one dimension in
//! image order, no image twice. Both are checked once, at the only door in, so that nothing behind it checks again.
//!
//! **Not here.** Where faces come from (`exchange`, `store`) and what is computed from them (`cluster`).

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use thiserror::Error;

/// The longest name, in bytes of UTF-8 (contract R13).
pub const MAX_NAME_BYTES: usize = 254;

/// The largest dimension of an embedding.
pub const MAX_DIMENSION: usize = 4096;

/// A vector whose length differs from 1 by no more than this is kept bit for bit (contract R173).
pub const UNIT_TOLERANCE: f64 = 1e-6;

/// Why a text is not a name.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum NameError {
    /// Nothing at all.
    #[error("a name has at least 1 byte")]
    Empty,
    /// More than [`MAX_NAME_BYTES`].
    #[error("a name has at most {MAX_NAME_BYTES} bytes, this one has {bytes}")]
    TooLong {
        /// Its length in bytes of UTF-8.
        bytes: usize,
    },
    /// A control character, or one of the two that XML cannot carry.
    #[error("a name holds no control characters, this one has U+{:04X} at byte {at}", u32::from(*character))]
    Control {
        /// The character.
        character: char,
        /// Its offset in bytes.
        at: usize,
    },
}

/// Whether a name may hold this character: no controls (U+0000-U+001F, U+007F-U+009F), nothing XML 1.0 cannot carry.
fn is_allowed(character: char) -> bool {
    !character.is_control() && !matches!(character, '\u{FFFE}' | '\u{FFFF}')
}

/// Whether `text` may be a name of any kind; for those without a type of their own, such as metadata keys and values.
pub fn check_name(text: &str) -> Result<(), NameError> {
    if text.is_empty() {
        return Err(NameError::Empty);
    }
    if text.len() > MAX_NAME_BYTES {
        return Err(NameError::TooLong { bytes: text.len() });
    }
    match text.char_indices().find(|&(_, c)| !is_allowed(c)) {
        Some((at, character)) => Err(NameError::Control { character, at }),
        None => Ok(()),
    }
}

macro_rules! name {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        ///
        /// 1 to 254 bytes of UTF-8 without control characters, kept exactly as given (contract R13); ordered byte by
        /// byte; cheap to clone.
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Arc<str>);

        impl $name {
            /// Checks `text` and keeps it as it is.
            pub fn new(text: &str) -> Result<Self, NameError> {
                check_name(text).map(|()| Self(Arc::from(text)))
            }

            /// The name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&self.0, f)
            }
        }
    };
}

name!(
    /// The name of a face database.
    DatabaseName
);
name!(
    /// The name of an identity (a face, in the words of the ACI) within a database.
    Identifier
);
name!(
    /// The name of an image within its identity.
    ImageLabel
);

/// Which face image is meant. The order of these is *image order*: database, identifier, label, each byte by byte.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FaceId {
    /// The database it is in.
    pub database: DatabaseName,
    /// The identity it is filed under.
    pub identifier: Identifier,
    /// Its label within that identity.
    pub label: ImageLabel,
}

/// The image of these names.
pub fn face_id(database: &str, identifier: &str, label: &str) -> Result<FaceId, NameError> {
    Ok(FaceId {
        database: DatabaseName::new(database)?,
        identifier: Identifier::new(identifier)?,
        label: ImageLabel::new(label)?,
    })
}

impl fmt::Display for FaceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.database, self.identifier, self.label)
    }
}

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

/// Why numbers are not an embedding.
#[derive(Debug, Clone, PartialEq, Error)]
pub enum EmbeddingError {
    /// No numbers.
    #[error("an embedding has at least 1 number, this one has none")]
    Empty,
    /// More than [`MAX_DIMENSION`] numbers.
    #[error("an embedding has at most {MAX_DIMENSION} numbers, this one has {dimension}")]
    TooLong {
        /// How many there are.
        dimension: usize,
    },
    /// NaN or an infinity.
    #[error("number {} of the embedding is {value}, not a finite number", index + 1)]
    NotFinite {
        /// Its index, from 0.
        index: usize,
        /// The value.
        value: f32,
    },
    /// Length zero: it has no direction.
    #[error("all {dimension} numbers of the embedding are zero, so it has no direction")]
    Zero {
        /// How many zeros.
        dimension: usize,
    },
}

/// What an embedding model says of a face: a finite vector of unit length, 1 to [`MAX_DIMENSION`] numbers.
#[derive(Debug, Clone, PartialEq)]
pub struct Embedding(Box<[f32]>);

impl Embedding {
    /// Checks the numbers and scales them to unit length, unless their length is 1 within [`UNIT_TOLERANCE`]: then
    /// they are kept bit for bit, so that what was exported comes back the same.
    pub fn new(values: impl Into<Box<[f32]>>) -> Result<Self, EmbeddingError> {
        let mut values = values.into();
        let dimension = values.len();
        if dimension == 0 {
            return Err(EmbeddingError::Empty);
        }
        if dimension > MAX_DIMENSION {
            return Err(EmbeddingError::TooLong { dimension });
        }
        if let Some((index, &value)) = values.iter().enumerate().find(|(_, v)| !v.is_finite()) {
            return Err(EmbeddingError::NotFinite { index, value });
        }
        let length = values.iter().map(|&v| f64::from(v) * f64::from(v)).sum::<f64>().sqrt();
        if length == 0.0 {
            return Err(EmbeddingError::Zero { dimension });
        }
        if (length - 1.0).abs() > UNIT_TOLERANCE {
            for value in &mut values {
                *value = (f64::from(*value) / length) as f32;
            }
        }
        Ok(Self(values))
    }

    /// The numbers.
    pub fn values(&self) -> &[f32] {
        &self.0
    }

    /// How many numbers.
    pub fn dimension(&self) -> usize {
        self.0.len()
    }
}

/// Why faces do not make a set.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum FaceSetError {
    /// An embedding of another dimension than the first one's.
    #[error("image {face} has dimension {dimension}, expected {expected} like the first image")]
    Dimension {
        /// The image.
        face: FaceId,
        /// The dimension of its embedding.
        dimension: usize,
        /// The dimension of the set.
        expected: usize,
    },
    /// The same image twice.
    #[error("image {face} is there twice")]
    Duplicate {
        /// The image.
        face: FaceId,
    },
    /// More faces than a 32-bit index can count.
    #[error("a set holds at most {} faces", u32::MAX)]
    TooMany,
}

/// Face images with their embeddings: row-major, one dimension, in image order, no image twice.
///
/// A face is spoken of by its index, 0 to `len() - 1`; the order of the indices is image order.
#[derive(Debug, Clone, PartialEq)]
pub struct FaceSet {
    ids: Vec<FaceId>,
    dimension: usize,
    values: Vec<f32>,
}

impl FaceSet {
    /// The set of these faces, given in any order.
    pub fn new(faces: impl IntoIterator<Item = (FaceId, Embedding)>) -> Result<Self, FaceSetError> {
        let mut set = Self { ids: Vec::new(), dimension: 0, values: Vec::new() };
        for (id, embedding) in faces {
            set.push(id, &embedding)?;
        }
        set.sort();
        match set.ids.windows(2).find(|pair| pair[0] == pair[1]) {
            Some(pair) => Err(FaceSetError::Duplicate { face: pair[0].clone() }),
            None => Ok(set),
        }
    }

    fn push(&mut self, id: FaceId, embedding: &Embedding) -> Result<(), FaceSetError> {
        let dimension = embedding.dimension();
        if self.ids.is_empty() {
            self.dimension = dimension;
        } else if dimension != self.dimension {
            return Err(FaceSetError::Dimension { face: id, dimension, expected: self.dimension });
        }
        if self.ids.len() >= u32::MAX as usize {
            return Err(FaceSetError::TooMany);
        }
        self.ids.push(id);
        self.values.extend_from_slice(embedding.values());
        Ok(())
    }

    /// Brings the rows into image order; a store yields them so already, and then nothing is copied.
    fn sort(&mut self) {
        if self.ids.is_sorted() {
            return;
        }
        let mut order: Vec<usize> = (0..self.ids.len()).collect();
        order.sort_by(|&a, &b| self.ids[a].cmp(&self.ids[b]));
        self.values = order.iter().flat_map(|&i| self.row(i).iter().copied()).collect();
        self.ids = order.iter().map(|&i| self.ids[i].clone()).collect();
    }

    /// How many faces.
    pub fn len(&self) -> usize {
        self.ids.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }

    /// The dimension of every embedding; 0 for an empty set.
    pub fn dimension(&self) -> usize {
        self.dimension
    }

    /// Which image face `index` is.
    ///
    /// # Panics
    /// If there is no such face.
    pub fn id(&self, index: usize) -> &FaceId {
        &self.ids[index]
    }

    /// All images, in image order.
    pub fn ids(&self) -> &[FaceId] {
        &self.ids
    }

    /// The embedding of face `index`, as numbers.
    ///
    /// # Panics
    /// If there is no such face.
    pub fn row(&self, index: usize) -> &[f32] {
        &self.values[index * self.dimension..][..self.dimension]
    }

    /// The embeddings of all faces, row after row (`len() * dimension()` numbers).
    pub fn values(&self) -> &[f32] {
        &self.values
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(identifier: &str, label: &str) -> FaceId {
        FaceId {
            database: DatabaseName::new("d").unwrap(),
            identifier: Identifier::new(identifier).unwrap(),
            label: ImageLabel::new(label).unwrap(),
        }
    }

    #[test]
    fn a_name_is_1_to_254_bytes_without_controls() {
        assert_eq!(DatabaseName::new(""), Err(NameError::Empty));
        assert!(DatabaseName::new(&"x".repeat(254)).is_ok());
        assert_eq!(DatabaseName::new(&"é".repeat(128)), Err(NameError::TooLong { bytes: 256 }));
        for character in ['\0', '\n', '\u{1F}', '\u{7F}', '\u{9F}', '\u{FFFE}', '\u{FFFF}'] {
            let text = format!("ab{character}");
            assert_eq!(Identifier::new(&text), Err(NameError::Control { character, at: 2 }));
        }
        assert_eq!(ImageLabel::new(" Zoë & Co ").unwrap().as_str(), " Zoë & Co ");
    }

    #[test]
    fn an_embedding_is_scaled_to_unit_length_once() {
        let once = Embedding::new(vec![3.0, 4.0]).unwrap();
        assert_eq!(once.values(), [0.6, 0.8]);
        assert_eq!(Embedding::new(once.values()).unwrap(), once);
        let tiny = Embedding::new(vec![f32::MIN_POSITIVE / 8.0, 0.0]).unwrap();
        assert_eq!(tiny.values(), [1.0, 0.0]);
        let huge = Embedding::new(vec![f32::MAX, f32::MAX]).unwrap();
        assert!((huge.values()[0] - 0.5f32.sqrt()).abs() < 1e-7);
    }

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

    #[test]
    fn numbers_without_a_direction_are_refused() {
        assert_eq!(Embedding::new(vec![]), Err(EmbeddingError::Empty));
        assert_eq!(Embedding::new(vec![0.0; 3]), Err(EmbeddingError::Zero { dimension: 3 }));
        assert_eq!(Embedding::new(vec![0.5; 4097]), Err(EmbeddingError::TooLong { dimension: 4097 }));
        let error = Embedding::new(vec![1.0, f32::NEG_INFINITY]).unwrap_err();
        assert_eq!(error.to_string(), "number 2 of the embedding is -inf, not a finite number");
        assert!(Embedding::new(vec![f32::NAN]).is_err());
    }

    #[test]
    fn a_set_is_in_image_order_whatever_the_order_it_came_in() {
        let faces = [(id("b", "1"), [1.0, 0.0]), (id("a", "2"), [0.0, 1.0]), (id("a", "10"), [0.6, 0.8])];
        let set = FaceSet::new(faces.map(|(id, v)| (id, Embedding::new(v).unwrap()))).unwrap();
        assert_eq!(set.ids(), [id("a", "10"), id("a", "2"), id("b", "1")]);
        assert_eq!(set.row(0), [0.6, 0.8]);
        assert_eq!(set.row(2), [1.0, 0.0]);
    }

    #[test]
    fn a_set_has_one_dimension_and_no_image_twice() {
        let embedding = |d: usize| Embedding::new(vec![1.0; d]).unwrap();
        let mixed = FaceSet::new([(id("a", "1"), embedding(2)), (id("a", "2"), embedding(3))]);
        assert_eq!(mixed, Err(FaceSetError::Dimension { face: id("a", "2"), dimension: 3, expected: 2 }));
        let twice = FaceSet::new([(id("a", "1"), embedding(2)), (id("a", "1"), embedding(2))]);
        assert_eq!(twice, Err(FaceSetError::Duplicate { face: id("a", "1") }));
    }
}
