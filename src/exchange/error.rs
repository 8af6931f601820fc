//! What can be wrong with a file of faces, said so that its owner finds the place.

use std::fmt;
use std::io;

use thiserror::Error;

use super::Format;
use super::header::MAX_HEADER_BYTES;
use crate::face::MAX_DIMENSION;

/// What the number of a record counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// Lines of a text file.
    Line,
    /// Rows of an array.
    Row,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Line => "line",
            Self::Row => "row",
        })
    }
}

/// One record that cannot be read; those after it can.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{place} {row}: {reason}")]
pub struct BadRow {
    /// What `row` counts.
    pub place: Place,
    /// Which, from 1.
    pub row: u64,
    /// What is wrong with it, naming value and limit.
    pub reason: String,
}

/// Why a file of faces cannot be read or written.
///
/// After every error but [`BadRow`](Self::BadRow) a reader is at its end.
#[derive(Debug, Error)]
pub enum ExchangeError {
    /// The disk, not the content.
    #[error("cannot {action}: {source}")]
    Io {
        /// What was being done.
        action: &'static str,
        /// What the system said.
        source: io::Error,
    },
    /// One bad record; the iteration goes on.
    #[error(transparent)]
    BadRow(#[from] BadRow),
    /// The first line of a CSV file.
    #[error("the header of the {file} is '{found}', expected '{expected}'")]
    Header {
        /// Which file.
        file: &'static str,
        /// The header.
        found: String,
        /// What it should be.
        expected: &'static str,
    },
    /// Not a zip archive, a damaged one, or one cut short.
    #[error("not a whole zip archive: {source}")]
    Archive {
        /// What the archive's reader said.
        source: zip::result::ZipError,
    },
    /// An NPZ file without the arrays that make faces.
    #[error(
        "the npz file has no array '{missing}'; it has {found}, expected embeddings, identifiers and imagelabels, or x and y"
    )]
    Missing {
        /// The array.
        missing: &'static str,
        /// The arrays there are.
        found: String,
    },
    /// An array that cannot be read.
    #[error("{what} {problem}")]
    Array {
        /// Which one: "array 'x'", "the npy file".
        what: String,
        /// What is wrong with it.
        #[source]
        problem: ArrayProblem,
    },
    /// Two parts of a file that should go row by row do not.
    #[error("{left} has {left_rows} rows, {right} has {right_rows}")]
    Counts {
        /// One part.
        left: String,
        /// Its rows.
        left_rows: u64,
        /// The other.
        right: String,
        /// Its rows.
        right_rows: u64,
    },
    /// More rows than [`Limits::max_rows`](super::Limits::max_rows).
    #[error("the file has more than {limit} rows, the limit")]
    TooManyRows {
        /// The limit.
        limit: u64,
    },
    /// More bytes than [`Limits::max_unpacked_bytes`](super::Limits::max_unpacked_bytes).
    #[error("the arrays of the file take {bytes} bytes unpacked, the limit is {limit}")]
    TooLarge {
        /// What they take.
        bytes: u64,
        /// The limit.
        limit: u64,
    },
    /// An NPY file without its ids file, or another format with one.
    #[error("an ids file goes with npy and with nothing else; the format is {format} and there is {}", if *.format == Format::Npy { "none" } else { "one" })]
    Ids {
        /// The format of the file.
        format: Format,
    },
    /// A record that the format cannot carry.
    #[error("image {image} cannot be written as {format}: {reason}")]
    Unwritable {
        /// Identifier and label.
        image: String,
        /// The format.
        format: Format,
        /// Why.
        reason: String,
    },
}

impl ExchangeError {
    /// For `map_err`: the disk failed while doing this.
    pub(super) fn io(action: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io { action, source }
    }

    pub(super) fn array(what: &str, problem: ArrayProblem) -> Self {
        Self::Array { what: what.to_owned(), problem }
    }
}

/// What is wrong with an array.
#[derive(Debug, Error)]
pub enum ArrayProblem {
    /// Not an array at all.
    #[error("is not an array: it does not begin with \\x93NUMPY")]
    NotAnArray,
    /// An array format of the future.
    #[error("has format version {major}.{minor}, only 1.0, 2.0 and 3.0 are read")]
    Version {
        /// Before the point.
        major: u8,
        /// After it.
        minor: u8,
    },
    /// A header larger than NumPy itself would read.
    #[error("has a header of {bytes} bytes, at most {MAX_HEADER_BYTES} are read")]
    HeaderSize {
        /// Its size.
        bytes: u64,
    },
    /// A header that is not a description of an array.
    #[error("has a header that cannot be read: {0}")]
    Header(String),
    /// Objects of Python: reading them would run what they say.
    #[error("holds pickled Python objects, which are never read; save plain numbers or text")]
    Pickled,
    /// Columns first.
    #[error("is in Fortran order, only C order is read; save numpy.ascontiguousarray of it")]
    Fortran,
    /// Another type of element.
    #[error("holds elements of type '{found}', expected {expected}")]
    Type {
        /// The type, as NumPy writes it.
        found: String,
        /// What it should be.
        expected: &'static str,
    },
    /// Another number of axes.
    #[error("has shape {found}, expected {expected}")]
    Shape {
        /// The shape.
        found: String,
        /// What it should be.
        expected: &'static str,
    },
    /// Rows longer than an embedding may be.
    #[error("has rows of {dimension} numbers, an embedding has 1 to {MAX_DIMENSION}")]
    Dimension {
        /// Numbers a row.
        dimension: u64,
    },
    /// Text elements larger than a path could be.
    #[error("has elements of {bytes} bytes, the limit is {limit}")]
    Width {
        /// Bytes of an element.
        bytes: u64,
        /// The limit.
        limit: u64,
    },
    /// More text than [`Limits::max_text_bytes`](super::Limits::max_text_bytes).
    #[error("has more than {limit} bytes of text, the limit")]
    Text {
        /// The limit.
        limit: u64,
    },
    /// The declared size is not that of the shape.
    #[error("needs {needs} bytes for its header and shape, the file has {has}: cut short, or not what it says")]
    Size {
        /// What the shape needs.
        needs: u64,
        /// What is there.
        has: u64,
    },
    /// The data end too early.
    #[error("ends within row {row} of {rows}")]
    Truncated {
        /// The row that is not whole, from 1.
        row: u64,
        /// How many there should be.
        rows: u64,
    },
    /// The header ends too early.
    #[error("ends within its header")]
    NoHeader,
    /// The data cannot be unpacked or read.
    #[error("cannot be read on from row {row} of {rows}: {source}")]
    Unreadable {
        /// The row, from 1.
        row: u64,
        /// How many there should be.
        rows: u64,
        /// Why.
        source: io::Error,
    },
    /// The data are not those that were packed.
    #[error("does not match its checksum: the file is damaged")]
    Checksum,
    /// More data than declared.
    #[error("unpacks to more than the {declared} bytes that the archive declares")]
    Overlong {
        /// The declared size.
        declared: u64,
    },
    /// A way of packing that NumPy does not use.
    #[error("is packed by {0}, only stored and deflated entries are read")]
    Packing(String),
    /// An integer beyond all use.
    #[error("has {value} in row {row}, at most {} is read", i64::MAX)]
    Integer {
        /// The value.
        value: u64,
        /// The row, from 1.
        row: u64,
    },
}
