//! The rows of a file, read and checked one by one, and written where nobody looks.
//!
//! **Promises.** A row is checked by itself and against those before it: no label twice in an identity, one dimension,
//! one model, no metadata key with two values. What is wrong names its line or row.
//!
//! **Not here.** Whether the rows fit a database that is there already, and when they are seen (`import`).

use std::collections::{BTreeMap, BTreeSet};

use super::Engine;
use super::error::{EngineError, ErrorKind};
use super::faces::ROWS_PER_BATCH;
use super::progress::{Control, READ};
use super::records::{FaceRecord, ImageRecord, ImportTask, OnError, SkippedRow};
use super::worker::Unfinished;
use crate::exchange::{self, BadRow, ExchangeError, Format, ImageData, Options, Reader, Record, Source};
use crate::face::{Identifier, ImageLabel};
use crate::job::Token;
use crate::store::{Batch, decode, keys};

/// How many of the rows left out are listed.
const MAX_SKIPPED_LISTED: usize = 100;

/// Where rows are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// Under the number of a database that has no name yet.
    Unnamed(u64),
    /// Under the token of the import, beside the database that they are for.
    Aside(Token),
}

impl Place {
    fn image(self, identifier: &Identifier, label: &ImageLabel) -> Vec<u8> {
        match self {
            Self::Unnamed(number) => keys::image(number, identifier, label),
            Self::Aside(token) => keys::staged_image(token, identifier, label),
        }
    }

    /// The record of an identity; aside there is one only if the file has metadata of it.
    fn face(self, identifier: &Identifier) -> Vec<u8> {
        match self {
            Self::Unnamed(number) => keys::face(number, identifier),
            Self::Aside(token) => keys::staged_metadata_of(token, identifier),
        }
    }
}

/// What was read of a file.
#[derive(Debug, Default)]
pub(super) struct Staged {
    pub(super) n_images: u64,
    /// Identities; not counted aside.
    pub(super) n_faces: u64,
    pub(super) dimension: Option<usize>,
    /// The model that the file names.
    pub(super) model: Option<String>,
    pub(super) n_skipped: u64,
    pub(super) skipped: Vec<SkippedRow>,
}

/// A file being read.
pub(super) struct Staging<'a> {
    engine: &'a Engine,
    place: Place,
    task: &'a ImportTask,
    staged: Staged,
    /// Rows not written yet, and the keys in them.
    batch: Batch,
    pending: BTreeSet<Vec<u8>>,
}

impl<'a> Staging<'a> {
    pub(super) fn new(engine: &'a Engine, place: Place, task: &'a ImportTask) -> Self {
        Self { engine, place, task, staged: Staged::default(), batch: Batch::new(), pending: BTreeSet::new() }
    }

    /// Reads the whole file.
    pub(super) fn read(mut self, control: &Control) -> Result<Staged, Unfinished> {
        let mut reader = self.open().map_err(content)?;
        while let Some(next) = reader.next() {
            if control.orders.obey().is_some() {
                return Err(Unfinished::Told);
            }
            let progress = reader.progress();
            control.note(READ, progress.done, progress.total);
            let outcome = match next {
                Ok(record) => {
                    self.take(&record)?.map_err(|reason| BadRow { place: self.unit(), row: record.row, reason })
                }
                Err(ExchangeError::BadRow(bad)) => Err(bad),
                Err(error) => return Err(content(error)),
            };
            match (outcome, self.task.on_error) {
                (Ok(()), _) => self.staged.n_images += 1,
                (Err(bad), OnError::Stop) => return Err(content(bad.into())),
                (Err(bad), OnError::Skip) => self.staged.skip(bad),
            }
            if self.batch.len() >= ROWS_PER_BATCH {
                self.flush()?;
            }
        }
        self.flush()?;
        Ok(self.staged)
    }

    fn open(&self) -> Result<Reader, ExchangeError> {
        let path = self.engine.upload_path(&self.task.data);
        let ids = self.task.ids.as_ref().map(|ids| self.engine.upload_path(ids));
        let format: Format = self.task.format.parse().expect("the format was written from a Format");
        let image_data = if self.task.include_image_data { ImageData::Refuse } else { ImageData::LeaveOut };
        let options = Options { limits: self.engine.settings.exchange.clone(), image_data };
        Reader::open(Source::open(&path, format, ids.as_deref())?, &options)
    }

    /// What the row numbers of the file count.
    fn unit(&self) -> exchange::Place {
        match self.task.format.parse() {
            Ok(Format::Npy | Format::Npz) => exchange::Place::Row,
            _ => exchange::Place::Line,
        }
    }

    /// Takes one record, or says what is wrong with it.
    fn take(&mut self, record: &Record) -> Result<Result<(), String>, EngineError> {
        let image = self.place.image(&record.identifier, &record.label);
        if self.is_taken(&image)? {
            return Ok(Err(format!("imagelabel '{}' of '{}' is there twice", record.label, record.identifier)));
        }
        if let Err(reason) = self.staged.fits(record) {
            return Ok(Err(reason));
        }
        let face = self.place.face(&record.identifier);
        let has_metadata = self.task.include_metadata && !record.metadata.is_empty();
        if has_metadata {
            match self.with_metadata(&face, record)? {
                Ok(merged) => self.put(&face, &merged),
                Err(reason) => return Ok(Err(reason)),
            }
        } else if matches!(self.place, Place::Unnamed(_)) && !self.is_taken(&face)? {
            self.staged.n_faces += 1;
            self.put(&face, &FaceRecord::default());
        }
        self.staged.remember(record);
        let embedding = record.embedding.as_ref().map(|embedding| embedding.values().to_vec());
        self.put(&image, &ImageRecord { status: record.status, embedding });
        Ok(Ok(()))
    }

    /// The record of the identity with the metadata of this row added.
    fn with_metadata(&mut self, face: &[u8], record: &Record) -> Result<Result<FaceRecord, String>, EngineError> {
        self.flush()?; // so that what earlier rows said of the identity can be read
        let there = self.engine.store.get(face)?;
        self.staged.n_faces += u64::from(there.is_none());
        let there: FaceRecord = there.map(|value| decode(face, &value)).transpose()?.unwrap_or_default();
        let mut merged: BTreeMap<String, String> = there.metadata.into_iter().collect();
        for (key, value) in &record.metadata {
            let before = merged.insert(key.clone(), value.clone());
            if before.is_some_and(|before| before != *value) {
                return Ok(Err(format!("metadata '{key}' of '{}' has another value before", record.identifier)));
            }
        }
        Ok(Ok(FaceRecord { metadata: merged.into_iter().collect() }))
    }

    fn is_taken(&self, key: &[u8]) -> Result<bool, EngineError> {
        Ok(self.pending.contains(key) || self.engine.store.get(key)?.is_some())
    }

    fn put<T: serde::Serialize>(&mut self, key: &[u8], record: &T) {
        self.batch.record(key, record);
        self.pending.insert(key.to_vec());
    }

    fn flush(&mut self) -> Result<(), EngineError> {
        self.pending.clear();
        Ok(self.engine.store.write(std::mem::take(&mut self.batch))?)
    }
}

impl Staged {
    /// Whether a record has the model and the dimension of those before it.
    fn fits(&self, record: &Record) -> Result<(), String> {
        if let (Some(expected), Some(model)) = (&self.model, &record.model)
            && expected != model
        {
            return Err(format!("model '{model}', the rows before have model '{expected}'"));
        }
        match (self.dimension, record.embedding.as_ref().map(crate::face::Embedding::dimension)) {
            (Some(expected), Some(dimension)) if expected != dimension => {
                Err(format!("the embedding has dimension {dimension}, expected {expected} like the first"))
            }
            _ => Ok(()),
        }
    }

    fn remember(&mut self, record: &Record) {
        if self.dimension.is_none() {
            self.dimension = record.embedding.as_ref().map(crate::face::Embedding::dimension);
        }
        if self.model.is_none() {
            self.model.clone_from(&record.model);
        }
    }

    fn skip(&mut self, bad: BadRow) {
        self.n_skipped += 1;
        if self.skipped.len() < MAX_SKIPPED_LISTED {
            self.skipped.push(SkippedRow { row: bad.row, reason: bad.reason });
        }
    }
}

/// A fault of the file, or of the disk it is read from.
fn content(error: ExchangeError) -> Unfinished {
    match error {
        ExchangeError::Io { .. } => {
            EngineError::caused(ErrorKind::Storage, "the kept upload could not be read", error).into()
        }
        error => EngineError::new(ErrorKind::Content, error.to_string()).into(),
    }
}
