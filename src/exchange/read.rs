//! A file of faces as records, whatever its format.
//!
//! **Promises.** A bad record does not end the iteration, every other error does; after it there is nothing more.

use std::fs::File;
use std::io::Seek;
use std::iter::FusedIterator;
use std::path::Path;

use super::{Entry, ExchangeError, Format, Record, csv, ids_path_beside, jsonl, npy, npz};

/// What a file may ask for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// All arrays of an NPZ that are read, unpacked. Default: 16 GiB.
    pub max_unpacked_bytes: u64,
    /// The text of one array of an NPZ, which is held in memory, as UTF-8. Default: 512 MiB.
    pub max_text_bytes: u64,
    /// Records. Default: 10,000,000. Of an NPZ the ids are held in memory: with short names about 100 bytes a record,
    /// 200 where most file names repeat.
    pub max_rows: u64,
    /// One line of JSON or CSV, which is held in memory. Default: 32 MiB.
    pub max_line_bytes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { max_unpacked_bytes: 16 << 30, max_text_bytes: 512 << 20, max_rows: 10_000_000, max_line_bytes: 32 << 20 }
    }
}

/// What becomes of the pictures in a JSON lines file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ImageData {
    /// They are read.
    #[default]
    Take,
    /// Pictures are passed over (`includeimagedata=false`).
    LeaveOut,
}

/// How a file is read.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Options {
    /// What it may ask for.
    pub limits: Limits,
    /// What becomes of pictures.
    pub image_data: ImageData,
}

/// A file of faces to be read, from its beginning.
#[derive(Debug)]
pub struct Source {
    /// The file.
    pub file: File,
    /// The ids file, which an NPY needs and nothing else has.
    pub ids: Option<File>,
    /// What the file is.
    pub format: Format,
}

impl Source {
    /// Opens a file, and for an NPY its ids file: `ids`, or else the one [beside](ids_path_beside) it.
    pub fn open(path: &Path, format: Format, ids: Option<&Path>) -> Result<Self, ExchangeError> {
        let file = File::open(path).map_err(ExchangeError::io("open the file"))?;
        let beside = (format == Format::Npy).then(|| ids_path_beside(path));
        let ids = match ids.or(beside.as_deref()) {
            Some(path) => Some(File::open(path).map_err(ExchangeError::io("open the ids file"))?),
            None => None,
        };
        Ok(Self { file, ids, format })
    }
}

/// How far a reader has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Rows of an array, or bytes of a text file, that have been read.
    pub done: u64,
    /// All of them.
    pub total: u64,
    /// What is counted.
    pub unit: Unit,
}

/// What progress counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// Bytes of a text file.
    Bytes,
    /// Rows of an array.
    Rows,
}

/// What the formats have in common.
pub(super) trait Records {
    /// The next record or face. Not called again after none or an error other than a bad row.
    fn next_entry(&mut self) -> Option<Result<Entry, ExchangeError>>;

    fn progress(&self) -> Progress;
}

/// The records of a file of faces, one at a time. As an iterator it passes over faces without images; those are seen by
/// [`next_entry`](Self::next_entry).
pub struct Reader {
    records: Box<dyn Records + Send>,
    state: State,
    left: u64,
    limit: u64,
}

#[derive(Debug, PartialEq)]
enum State {
    Reading,
    Ended,
}

impl Reader {
    /// Opens the file and checks whatever can be checked before its first record.
    pub fn open(source: Source, options: &Options) -> Result<Self, ExchangeError> {
        let Source { mut file, mut ids, format } = source;
        for handle in [Some(&mut file), ids.as_mut()].into_iter().flatten() {
            handle.rewind().map_err(ExchangeError::io("read the file"))?;
        }
        let records: Box<dyn Records + Send> = match (format, ids) {
            (Format::Jsonl, None) => Box::new(jsonl::Jsonl::open(file, options)?),
            (Format::Csv, None) => Box::new(csv::Csv::open(file, &options.limits)?),
            (Format::Npy, Some(ids)) => Box::new(npy::Npy::open(file, ids, &options.limits)?),
            (Format::Npz, None) => Box::new(npz::Npz::open(file, &options.limits)?),
            (Format::Npy, None) | (_, Some(_)) => return Err(ExchangeError::Ids { format }),
        };
        let limit = options.limits.max_rows;
        Ok(Self { records, state: State::Reading, left: limit, limit })
    }

    /// The next record, or face without images; none behind the last, and behind an error other than a bad row.
    pub fn next_entry(&mut self) -> Option<Result<Entry, ExchangeError>> {
        if self.state == State::Ended {
            return None;
        }
        let mut next = self.records.next_entry();
        if matches!(next, Some(Ok(_) | Err(ExchangeError::BadRow(_)))) {
            match self.left.checked_sub(1) {
                Some(left) => self.left = left,
                None => next = Some(Err(ExchangeError::TooManyRows { limit: self.limit })),
            }
        }
        if !matches!(next, Some(Ok(_) | Err(ExchangeError::BadRow(_)))) {
            self.state = State::Ended;
        }
        next
    }

    /// How many records there are, bad ones included, if the format says so beforehand (NPY and NPZ).
    pub fn len_hint(&self) -> Option<u64> {
        let progress = self.progress();
        (progress.unit == Unit::Rows).then_some(progress.total)
    }

    /// How far it has come.
    pub fn progress(&self) -> Progress {
        self.records.progress()
    }
}

impl std::fmt::Debug for Reader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reader").field("state", &self.state).field("progress", &self.progress()).finish_non_exhaustive()
    }
}

impl Iterator for Reader {
    type Item = Result<Record, ExchangeError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            match self.next_entry()? {
                Ok(Entry::Image(record)) => return Some(Ok(record)),
                Ok(Entry::Face(_)) => {}
                Err(error) => return Some(Err(error)),
            }
        }
    }
}

impl FusedIterator for Reader {}
