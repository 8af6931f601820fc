//! The rows of a file, read and checked one by one, and written where nobody looks.
//!
//! **Promises.** A row is checked by itself and against those before it: no label twice in an identity, one dimension,
//! one model, no metadata key with two values. What is wrong names its line or row. Of the pictures one is in memory; a
//! file of one belongs to its row, which is written and synced together with the removal of the file's marker.
//!
//! **Not here.** Whether the rows fit a database that is there already, and when they are seen (`import`).

use std::collections::{BTreeMap, BTreeSet};

use super::Engine;
use super::error::{EngineError, ErrorKind};
use super::faces::ROWS_PER_BATCH;
use super::pictures::{PictureId, PictureRecord};
use super::progress::{Control, Stage};
use super::records::{FaceRecord, ImageRecord, ImportTask, OnError, SkippedRow};
use super::worker::Unfinished;
use crate::exchange::{self, BadRow, Entry, ExchangeError, Face, Format, ImageData, Options, Reader, Record, Source};
use crate::face::{Identifier, ImageLabel};
use crate::job::Token;
use crate::store::{Batch, decode, keys};

/// How many of the rows left out are listed.
const MAX_SKIPPED_LISTED: usize = 100;

/// So many names for pictures are made and marked at a time.
const PICTURES_AT_A_TIME: usize = 256;

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
    /// Rows not written yet, the keys of the images among them, and the faces among them.
    batch: Batch,
    pending: BTreeSet<Vec<u8>>,
    faces: BTreeMap<Vec<u8>, FaceRecord>,
    /// Names for pictures, marked as loose and not used.
    free: Vec<PictureId>,
    /// Pictures whose rows are not written yet; they are marked too.
    loose: Vec<PictureId>,
}

impl<'a> Staging<'a> {
    pub(super) fn new(engine: &'a Engine, place: Place, task: &'a ImportTask) -> Self {
        Self {
            engine,
            place,
            task,
            staged: Staged::default(),
            batch: Batch::new(),
            pending: BTreeSet::new(),
            faces: BTreeMap::new(),
            free: Vec::new(),
            loose: Vec::new(),
        }
    }

    /// Reads the whole file.
    pub(super) fn read(mut self, control: &Control) -> Result<Staged, Unfinished> {
        let read = self.read_rows(control);
        self.loose.append(&mut self.free);
        self.engine.forget_pictures(&self.loose);
        read.map(|()| self.staged)
    }

    fn read_rows(&mut self, control: &Control) -> Result<(), Unfinished> {
        let mut reader = self.open().map_err(content)?;
        while let Some(next) = reader.next_entry() {
            if control.orders.obey().is_some() {
                return Err(Unfinished::Told);
            }
            let progress = reader.progress();
            control.note(Stage::Read, progress.done, progress.total);
            let outcome = match next {
                Ok(Entry::Image(record)) => {
                    let taken = self.take(&record)?;
                    self.staged.n_images += u64::from(taken.is_ok());
                    taken.map_err(|reason| BadRow { place: self.unit(), row: record.row, reason })
                }
                Ok(Entry::Face(face)) => {
                    self.take_face(&face)?.map_err(|reason| BadRow { place: self.unit(), row: face.row, reason })
                }
                Err(ExchangeError::BadRow(bad)) => Err(bad),
                Err(error) => return Err(content(error)),
            };
            match (outcome, self.task.on_error) {
                (Ok(()), _) => {}
                (Err(bad), OnError::Stop) => return Err(content(bad.into())),
                (Err(bad), OnError::Skip) => self.staged.skip(bad),
            }
            if self.batch.len() >= ROWS_PER_BATCH {
                self.flush()?;
            }
        }
        Ok(self.flush()?)
    }

    fn open(&self) -> Result<Reader, ExchangeError> {
        let path = self.engine.upload_path(&self.task.data);
        let ids = self.task.ids.as_ref().map(|ids| self.engine.upload_path(ids));
        let format: Format = self.task.format.parse().expect("the format was written from a Format");
        let image_data = if self.task.include_image_data { ImageData::Take } else { ImageData::LeaveOut };
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
        if self.pending.contains(&image) || self.engine.store.get(&image)?.is_some() {
            return Ok(Err(format!("imagelabel '{}' of '{}' is there twice", record.label, record.identifier)));
        }
        if let Err(reason) = self.staged.fits(record) {
            return Ok(Err(reason));
        }
        let has_metadata = self.task.include_metadata && !record.metadata.is_empty();
        let has_face = has_metadata || matches!(self.place, Place::Unnamed(_));
        if has_face && let Err(reason) = self.note_face(&record.identifier, &record.metadata)? {
            return Ok(Err(reason));
        }
        self.staged.remember(record);
        let picture = record.picture.as_deref().map(|bytes| self.keep(bytes)).transpose()?;
        let embedding = record.embedding.as_ref().map(|embedding| embedding.values().to_vec());
        let row = ImageRecord { status: record.status, embedding, verdict: record.reason.into(), picture };
        self.batch.record(&image, &row);
        self.pending.insert(image);
        Ok(Ok(()))
    }

    /// Takes a face that has no images, or says what is wrong with it.
    fn take_face(&mut self, face: &Face) -> Result<Result<(), String>, EngineError> {
        self.note_face(&face.identifier, &face.metadata)
    }

    /// Adds metadata to the record of an identity, which is made if there is none yet.
    fn note_face(
        &mut self,
        identifier: &Identifier,
        metadata: &[(String, String)],
    ) -> Result<Result<(), String>, EngineError> {
        let metadata = if self.task.include_metadata { metadata } else { &[] };
        let key = self.place.face(identifier);
        let there = match self.faces.get(&key) {
            Some(face) => Some(face.clone()),
            None => self.engine.store.get(&key)?.map(|value| decode(&key, &value)).transpose()?,
        };
        if there.is_some() && metadata.is_empty() {
            return Ok(Ok(()));
        }
        let is_new = there.is_none();
        let mut merged: BTreeMap<String, String> = there.unwrap_or_default().metadata.into_iter().collect();
        for (key, value) in metadata {
            let before = merged.insert(key.clone(), value.clone());
            if before.is_some_and(|before| before != *value) {
                return Ok(Err(format!("metadata '{key}' of '{identifier}' has another value before")));
            }
        }
        self.staged.n_faces += u64::from(is_new);
        let record = FaceRecord { metadata: merged.into_iter().collect() };
        self.batch.record(&key, &record);
        self.faces.insert(key, record);
        Ok(Ok(()))
    }

    /// Stores a picture.
    fn keep(&mut self, bytes: &[u8]) -> Result<PictureRecord, EngineError> {
        if self.free.is_empty() {
            self.free = self.engine.reserve_pictures(PICTURES_AT_A_TIME)?;
        }
        let id = self.free.pop().expect("there are some now");
        self.loose.push(id);
        self.engine.write_picture(id, &mut &bytes[..])
    }

    /// Writes the rows. Those with pictures are synced with that their pictures are loose no more.
    fn flush(&mut self) -> Result<(), EngineError> {
        self.engine.check_room()?;
        self.pending.clear();
        self.faces.clear();
        let mut batch = std::mem::take(&mut self.batch);
        if self.loose.is_empty() {
            return Ok(self.engine.store.write(batch)?);
        }
        self.engine.sync_picture_folders(self.loose.iter().copied())?;
        for id in std::mem::take(&mut self.loose) {
            batch.remove(id.marker());
        }
        Ok(self.engine.store.commit(batch)?)
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
