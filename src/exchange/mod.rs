//! Files of faces in and out: JSON lines, CSV, and the arrays of NumPy.
//!
//! **Promises.** Files are streamed: memory does not grow with the number of embeddings, and every size that a file
//! declares is held against [`Limits`] before anything is unpacked. Nothing a file contains can panic or run code;
//! pickled arrays are refused (contract R176). Embeddings come back bit for bit in every format, and an export appears
//! whole or not at all (R175). A fault names the array, row or line, the value and the limit.
//!
//! **Not here.** Whether an image is there already, and what an import may change (`engine`). One image twice in one
//! file is not noticed here either.
//!
//! ```text
//! read.rs       Reader: a file -> records          write.rs     Writer: records -> a file
//!   jsonl.rs    one object a line                    whole.rs   a file that appears at once
//!   csv.rs      one row a line
//!   lines.rs    lines of limited length
//!   npy.rs      one array and its ids file
//!   npz.rs      several arrays in a zip archive      npz_write.rs
//!     archive.rs  the entries, unpacked as they are read
//!     labels.rs   labels from the file names of strangers
//!   array.rs    rows of numbers, texts, integers     header.rs   what an array says of itself
//! ```
//!
//! From one format to another, leaving out what cannot be read:
//!
//! ```
//! use faceclique::exchange::{ExchangeError, Format, Options, Reader, Source, Writer};
//!
//! # let folder = tempfile::tempdir()?;
//! let (from, to) = (folder.path().join("faces.csv"), folder.path().join("faces.npz"));
//! std::fs::write(&from, "identifier,imagelabel,e0,e1\nAnn,1,0.6,0.8\nAnn,2,0.6\n")?;
//!
//! let mut writer = Writer::create(&to, Format::Npz, None)?;
//! for record in Reader::open(Source::open(&from, Format::Csv, None)?, &Options::default())? {
//!     match record {
//!         Ok(record) => writer.push(&record)?,
//!         Err(ExchangeError::BadRow(bad)) => {
//!             assert_eq!(bad.to_string(), "line 3: 3 fields, expected 4 as in the header");
//!         }
//!         Err(error) => return Err(error.into()),
//!     }
//! }
//! assert_eq!(writer.finish()?, 1);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod archive;
mod array;
mod csv;
mod error;
mod header;
mod jsonl;
mod labels;
mod lines;
mod npy;
mod npz;
mod npz_write;
mod read;
#[cfg(test)]
mod tests;
mod whole;
mod write;

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use thiserror::Error;

use crate::face::{Embedding, FailReason, Identifier, ImageLabel, ImageStatus};

pub use error::{ArrayProblem, BadRow, ExchangeError, Place};
pub use read::{ImageData, Limits, Options, Progress, Reader, Source, Unit};
pub use write::{Complete, GoOn, Writer};

/// The formats of a file of faces (contract R176).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Format {
    /// One JSON object a line: the only format that carries everything.
    Jsonl,
    /// `identifier,imagelabel,e0,e1,...`
    Csv,
    /// An array of embeddings, with an ids file beside it.
    Npy,
    /// A zip archive of arrays.
    Npz,
}

impl Format {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Jsonl, Self::Csv, Self::Npy, Self::Npz];

    /// Its name, which is also the ending of its files.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Jsonl => "jsonl",
            Self::Csv => "csv",
            Self::Npy => "npy",
            Self::Npz => "npz",
        }
    }

    /// The format that the ending of a path names, in any letter case.
    pub fn from_path(path: &Path) -> Option<Self> {
        path.extension()?.to_str()?.parse().ok()
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A text that names no format.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("'{}' is not a format: jsonl, csv, npy or npz", .0.escape_debug())]
pub struct FormatError(String);

impl FromStr for Format {
    type Err = FormatError;

    fn from_str(text: &str) -> Result<Self, FormatError> {
        let found = Self::ALL.into_iter().find(|format| format.as_str().eq_ignore_ascii_case(text));
        found.ok_or_else(|| FormatError(text.to_owned()))
    }
}

/// Where the ids file of an NPY file is when nobody says: beside it, `faces.npy` and `faces.ids.csv`.
pub fn ids_path_beside(npy: &Path) -> PathBuf {
    npy.with_extension("ids.csv")
}

/// One image of a file, checked.
#[derive(Debug, Clone, PartialEq)]
pub struct Record {
    /// Where it stands in the file, from 1: the line of a text file, the row of an array.
    pub row: u64,
    /// The identity it is filed under.
    pub identifier: Identifier,
    /// Its label within that identity.
    pub label: ImageLabel,
    /// How far it has come; trained exactly when there is an embedding.
    pub status: ImageStatus,
    /// The embedding model, where the file names one (JSON lines only).
    pub model: Option<String>,
    /// The embedding.
    pub embedding: Option<Embedding>,
    /// Why a failed image has none, where the file says so (JSON lines only).
    pub reason: Option<FailReason>,
    /// The picture, its bytes as they were stored (JSON lines only, and only if asked for).
    pub picture: Option<Vec<u8>>,
    /// Key and value, in the order of the file, no key twice (JSON lines only, on the first line of a face).
    pub metadata: Vec<(String, String)>,
}

/// A face without images, which only JSON lines can say: a line with `identifier` and perhaps `metadata`, and with no
/// `imagelabel`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Face {
    /// Its line in the file, from 1.
    pub row: u64,
    /// Who.
    pub identifier: Identifier,
    /// Key and value, in the order of the file, no key twice.
    pub metadata: Vec<(String, String)>,
}

/// What one line or row of a file says.
#[derive(Debug, Clone, PartialEq)]
pub enum Entry {
    /// There is an image.
    Image(Record),
    /// There is a face; by this line alone it has no images.
    Face(Face),
}

impl Record {
    /// A trained image, as the formats other than JSON lines have it: ids and embedding.
    fn trained(row: u64, identifier: &str, label: &str, numbers: Vec<f32>) -> Result<Self, String> {
        Ok(Self {
            row,
            identifier: identifier_of(identifier)?,
            label: label_of(label)?,
            status: ImageStatus::Trained,
            model: None,
            embedding: Some(embedding_of(numbers)?),
            reason: None,
            picture: None,
            metadata: Vec::new(),
        })
    }
}

fn identifier_of(text: &str) -> Result<Identifier, String> {
    Identifier::new(text).map_err(|error| format!("identifier '{}': {error}", shown(text)))
}

fn label_of(text: &str) -> Result<ImageLabel, String> {
    ImageLabel::new(text).map_err(|error| format!("imagelabel '{}': {error}", shown(text)))
}

fn embedding_of(numbers: Vec<f32>) -> Result<Embedding, String> {
    Embedding::new(numbers).map_err(|error| error.to_string())
}

/// The longest part of a file's own text that a message repeats, in bytes.
const SHOWN_BYTES: usize = 254;

/// A text of a file as messages show it: escaped, and cut when long.
fn shown(text: &str) -> String {
    let mut shown = String::new();
    for character in text.chars() {
        let before = shown.len();
        shown.extend(character.escape_debug());
        if shown.len() > SHOWN_BYTES {
            shown.truncate(before);
            shown.push_str("...");
            break;
        }
    }
    shown
}

/// A message of a parser, which may repeat any part of the file: controls escaped, and cut when long.
fn tamed(message: &str) -> String {
    let mut tamed = String::new();
    for character in message.chars() {
        if character.is_control() {
            tamed.extend(character.escape_debug());
        } else {
            tamed.push(character);
        }
        if tamed.len() > 2 * SHOWN_BYTES {
            tamed.push_str("...");
            break;
        }
    }
    tamed
}
