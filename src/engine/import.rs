//! ImportFaceDatabase: a file of faces into a database, all or nothing (contract R174).
//!
//! The rows are staged, then checked against the database under its lock. One batch decides: the job is Finished, the
//! database is there and bound, and a marker stands. Then the staged rows are applied and the marker goes. Clients see
//! nothing in between, because the lock is held; a crash sees the marker, and the applying is done again.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::thread;

use tracing::error;

use super::Engine;
use super::error::{EngineError, ErrorKind};
use super::faces::{Faces, ROWS_PER_BATCH};
use super::progress::{APPLY, Control, READ};
use super::records::{
    DatabaseRecord, FaceRecord, ImageRecord, ImportOutcome, ImportTask, JobResult, OnError, SkippedRow, Task, Upload,
};
use super::worker::{RETRY, Unfinished};
use crate::exchange::{self, BadRow, ExchangeError, Format, ImageData, Options, Reader, Record, Source};
use crate::face::{DatabaseName, Identifier, ImageLabel};
use crate::job::{Event, Queue, State, Token};
use crate::store::{Batch, StoreError, decode, encode, keys};

/// How many of the rows left out are listed.
const MAX_SKIPPED_LISTED: usize = 100;

/// Makes a file that was received already the file at a path, on the file system of the data directory.
pub type Place = Box<dyn FnOnce(&Path) -> io::Result<()> + Send>;

/// A file to import.
pub enum Input {
    /// Received already.
    Received(Place),
    /// Anywhere; it is copied.
    Path(PathBuf),
}

impl fmt::Debug for Input {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Received(_) => f.write_str("Received"),
            Self::Path(path) => f.debug_tuple("Path").field(path).finish(),
        }
    }
}

/// What a client wants imported.
#[derive(Debug)]
pub struct ImportRequest {
    /// The database; created if absent.
    pub database: DatabaseName,
    /// The file of faces.
    pub data: Input,
    /// The file of names of an NPY array.
    pub ids: Option<Input>,
    /// The format.
    pub format: Format,
    /// The model of the embeddings.
    pub model: Option<String>,
    /// What to do about a row that cannot be read.
    pub on_error: OnError,
    /// Whether metadata in the file is taken.
    pub include_metadata: bool,
    /// Whether pictures in the file are asked for.
    pub include_image_data: bool,
}

/// What was read of a file.
#[derive(Debug, Default)]
struct Staged {
    n_images: u64,
    dimension: Option<usize>,
    model: Option<String>,
    n_skipped: u64,
    skipped: Vec<SkippedRow>,
    /// Rows not written yet, and their keys.
    batch: Batch,
    names: BTreeSet<Vec<u8>>,
}

impl Engine {
    /// Accepts an import. The files are kept with the job: what happens to the originals afterwards has no effect.
    pub fn submit_import(&self, request: ImportRequest) -> Result<Token, EngineError> {
        self.check_capacity(Queue::ImportFaceDatabase)?;
        let token = Token::generate();
        let format = request.format.to_string();
        let data = self.keep(request.data, format!("{token}.{format}"))?;
        let ids = request.ids.map(|ids| self.keep(ids, format!("{token}.ids.csv"))).transpose()?;
        let task = ImportTask {
            database: request.database.as_str().to_owned(),
            format,
            data,
            ids,
            model: request.model,
            on_error: request.on_error,
            include_metadata: request.include_metadata,
            include_image_data: request.include_image_data,
        };
        let uploads = task.clone();
        self.accept(token, Task::Import(task)).inspect_err(|_| self.remove_uploads(&Task::Import(uploads)))
    }

    /// The file that a client names by its path, if clients may read it (contract R158).
    pub fn allowed_input(&self, path: &str) -> Result<PathBuf, EngineError> {
        let refuse = || {
            let text = format!("'{path}' is not a regular file below a folder from which files are read");
            EngineError::new(ErrorKind::PathNotAllowed, text)
        };
        let program = std::env::current_exe().ok();
        let base = program.as_deref().and_then(Path::parent).unwrap_or(Path::new("/"));
        let real = base.join(path).canonicalize().map_err(|_| refuse())?;
        let folders = self.settings.allowed_input.iter().filter_map(|folder| folder.canonicalize().ok());
        let is_allowed = folders.into_iter().any(|folder| real.starts_with(folder)) && real.is_file();
        if is_allowed { Ok(real) } else { Err(refuse()) }
    }

    /// Puts a file durably into the folder of uploads.
    fn keep(&self, input: Input, name: String) -> Result<Upload, EngineError> {
        let failed = |source| StoreError::File { what: "cannot keep the upload".to_owned(), source };
        let folder = self.uploads_folder();
        let bytes = keep_file(input, &folder, &folder.join(&name)).map_err(failed)?;
        Ok(Upload { file: name, bytes })
    }

    pub(super) fn upload_path(&self, upload: &Upload) -> PathBuf {
        self.uploads_folder().join(&upload.file)
    }

    /// Works an import to its end, which it commits itself together with its effect.
    pub(super) fn run_import(&self, token: Token, task: &ImportTask, control: &Control) -> Result<State, Unfinished> {
        self.unstage(token)?;
        let staged = match self.stage(token, task, control) {
            Ok(staged) => staged,
            Err(unfinished) => {
                self.unstage(token)?;
                return Err(unfinished);
            }
        };
        let state = self.commit_import(token, task, staged, control);
        if !matches!(state, Ok(State::Finished)) {
            self.unstage(token)?;
        }
        state
    }

    fn unstage(&self, token: Token) -> Result<(), EngineError> {
        self.clear_rows(&[keys::staged(token), keys::staged_metadata(token)])
    }

    /// Reads the file into staged rows, checking each by itself and against those before it.
    fn stage(&self, token: Token, task: &ImportTask, control: &Control) -> Result<Staged, Unfinished> {
        let mut reader = self.open_upload(task).map_err(content)?;
        let mut staged = Staged::default();
        while let Some(next) = reader.next() {
            if control.order().is_some() {
                return Err(Unfinished::Told);
            }
            let progress = reader.progress();
            control.note(READ, progress.done, progress.total);
            let outcome = match next {
                Ok(record) => self.stage_record(token, task, &mut staged, &record)?,
                Err(ExchangeError::BadRow(bad)) => Err(bad),
                Err(error) => return Err(content(error)),
            };
            match (outcome, task.on_error) {
                (Ok(()), _) => staged.n_images += 1,
                (Err(bad), OnError::Stop) => return Err(content(bad.into())),
                (Err(bad), OnError::Skip) => staged.skip(bad),
            }
            if staged.batch.len() >= ROWS_PER_BATCH {
                self.flush_staged(&mut staged)?;
            }
        }
        self.flush_staged(&mut staged)?;
        Ok(staged)
    }

    fn open_upload(&self, task: &ImportTask) -> Result<Reader, ExchangeError> {
        let path = self.upload_path(&task.data);
        let ids = task.ids.as_ref().map(|ids| self.upload_path(ids));
        let format: Format = task.format.parse().expect("the format was written from a Format");
        let image_data = if task.include_image_data { ImageData::Refuse } else { ImageData::LeaveOut };
        let options = Options { limits: self.settings.exchange.clone(), image_data };
        Reader::open(Source::open(&path, format, ids.as_deref())?, &options)
    }

    /// Stages one record, or says what is wrong with it.
    fn stage_record(
        &self,
        token: Token,
        task: &ImportTask,
        staged: &mut Staged,
        record: &Record,
    ) -> Result<Result<(), BadRow>, EngineError> {
        let bad = |reason: String| Ok(Err(BadRow { place: place(task), row: record.row, reason }));
        let key = keys::staged_image(token, &record.identifier, &record.label);
        if staged.names.contains(&key) || self.store.get(&key)?.is_some() {
            return bad(format!("imagelabel '{}' of '{}' is there twice", record.label, record.identifier));
        }
        if let (Some(expected), Some(model)) = (&staged.model, &record.model)
            && expected != model
        {
            return bad(format!("model '{model}', the rows before have model '{expected}'"));
        }
        if let Some(embedding) = &record.embedding {
            let dimension = embedding.dimension();
            match staged.dimension {
                Some(expected) if expected != dimension => {
                    return bad(format!("the embedding has dimension {dimension}, expected {expected} like the first"));
                }
                _ => staged.dimension = Some(dimension),
            }
        }
        if staged.model.is_none() {
            staged.model.clone_from(&record.model);
        }
        let values = record.embedding.as_ref().map(|embedding| embedding.values().to_vec());
        staged.batch.put(&key[..], encode(&key, &ImageRecord { status: record.status, embedding: values }));
        staged.names.insert(key);
        if task.include_metadata && !record.metadata.is_empty() {
            let key = keys::staged_metadata_of(token, &record.identifier);
            staged.batch.put(&key[..], encode(&key, &record.metadata));
        }
        Ok(Ok(()))
    }

    fn flush_staged(&self, staged: &mut Staged) -> Result<(), EngineError> {
        staged.names.clear();
        Ok(self.store.write(std::mem::take(&mut staged.batch))?)
    }

    /// Checks the staged rows against the database, decides, and applies them.
    fn commit_import(
        &self,
        token: Token,
        task: &ImportTask,
        staged: Staged,
        control: &Control,
    ) -> Result<State, Unfinished> {
        let name = DatabaseName::new(&task.database).expect("checked when the job was accepted");
        let mut faces = self.write_faces();
        let mut record = match self.find_database(&name)? {
            Some(record) => record,
            None => self.new_database(&mut faces, None)?,
        };
        if let Some(dimension) = staged.dimension {
            let wanted = task.model.as_deref().or(staged.model.as_deref());
            record.model = Some(self.settings.bind(&name, &record, wanted, dimension)?);
        }
        let outcome = self.check_staged(token, &name, &record, staged, control)?;
        let mut batch = Batch::new();
        let key = keys::database(&name);
        batch.put(&key[..], encode(&key, &record));
        let key = keys::application(token);
        batch.put(&key[..], encode(&key, &record.number));
        let state = self.end(token, Event::Finish, Some(JobResult::Import(outcome)), batch)?;
        if state == State::Finished {
            self.apply_surely(&mut faces, token, record.number, control);
        }
        Ok(state)
    }

    /// Applies a decided import, trying again for as long as the store fails: clients must not see half of it. If the
    /// server stops meanwhile, the next start does it.
    fn apply_surely(&self, faces: &mut Faces, token: Token, number: u64, control: &Control) {
        while let Err(error) = self.apply(faces, token, number) {
            error!(cause = std::error::Error::source(&error), "a decided import could not be applied yet");
            if control.order().is_some() {
                return;
            }
            thread::sleep(RETRY);
        }
    }

    /// Counts what the staged rows add; a row that is there already must be there with the same embedding.
    fn check_staged(
        &self,
        token: Token,
        name: &DatabaseName,
        database: &DatabaseRecord,
        staged: Staged,
        control: &Control,
    ) -> Result<ImportOutcome, Unfinished> {
        let Staged { n_images: total, n_skipped, skipped, .. } = staged;
        let mut outcome = ImportOutcome { n_faces: 0, n_images: 0, n_skipped, skipped };
        let mut face: Option<Identifier> = None;
        for (done, entry) in self.store.scan(&keys::staged(token)).enumerate() {
            if control.order().is_some() {
                return Err(Unfinished::Told);
            }
            control.note(APPLY, done as u64, total * 2);
            let (key, value) = entry?;
            let (identifier, label) = staged_names(&key)?;
            let row = keys::image(database.number, &identifier, &label);
            match self.store.get(&row)? {
                None => outcome.n_images += 1,
                Some(there) => {
                    let there: ImageRecord = decode(&row, &there)?;
                    let new: ImageRecord = decode(&key, &value)?;
                    if there.embedding != new.embedding {
                        return Err(EngineError::image_exists(name, &identifier, &label).into());
                    }
                }
            }
            if face.as_ref() != Some(&identifier) {
                let key = keys::face(database.number, &identifier);
                outcome.n_faces += u64::from(self.store.get(&key)?.is_none());
                face = Some(identifier);
            }
        }
        Ok(outcome)
    }

    /// Takes the staged rows of a decided import into its database. Done again after a crash, it changes nothing more:
    /// nobody else can have changed the database in between.
    pub(super) fn apply(&self, faces: &mut Faces, token: Token, number: u64) -> Result<(), EngineError> {
        let mut batch = Batch::new();
        for entry in self.store.scan(&keys::staged(token)) {
            let (key, value) = entry?;
            let (identifier, label) = staged_names(&key)?;
            let row = keys::image(number, &identifier, &label);
            if self.store.get(&row)?.is_none() {
                let image: ImageRecord = decode(&key, &value)?;
                let value = encode(&row, &image);
                faces.view(number).change(&row, None, Some(&value));
                batch.put(row, value);
            }
            let face = keys::face(number, &identifier);
            if self.store.get(&face)?.is_none() {
                let value = encode(&face, &FaceRecord::default());
                batch.put(face, value);
            }
            if batch.len() >= ROWS_PER_BATCH {
                self.store.write(std::mem::take(&mut batch))?;
            }
        }
        self.store.write(batch)?;
        self.apply_metadata(token, number)?;
        self.store.sync()?; // the rows before what they were made of goes
        self.unstage(token)?;
        let mut batch = Batch::new();
        batch.remove(keys::application(token));
        Ok(self.store.commit(batch)?)
    }

    /// Adds the metadata of the file to the faces; a key that a face has already keeps its value.
    fn apply_metadata(&self, token: Token, number: u64) -> Result<(), EngineError> {
        for entry in self.store.scan(&keys::staged_metadata(token)) {
            let (key, value) = entry?;
            let new: Vec<(String, String)> = decode(&key, &value)?;
            let Some(identifier) = keys::staged_metadata_identifier(&key) else { continue };
            let face = keys::face(number, &identifier);
            let Some(there) = self.store.get(&face)? else { continue };
            let FaceRecord { metadata } = decode(&face, &there)?;
            let mut merged: BTreeMap<String, String> = new.into_iter().collect();
            merged.extend(metadata);
            let record = FaceRecord { metadata: merged.into_iter().collect() };
            let mut batch = Batch::new();
            batch.put(&face[..], encode(&face, &record));
            self.store.write(batch)?;
        }
        Ok(())
    }
}

impl Staged {
    fn skip(&mut self, bad: BadRow) {
        self.n_skipped += 1;
        if self.skipped.len() < MAX_SKIPPED_LISTED {
            self.skipped.push(SkippedRow { row: bad.row, reason: bad.reason });
        }
    }
}

/// What the row numbers of this file count.
fn place(task: &ImportTask) -> exchange::Place {
    match task.format.parse() {
        Ok(Format::Npy | Format::Npz) => exchange::Place::Row,
        _ => exchange::Place::Line,
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

fn staged_names(key: &[u8]) -> Result<(Identifier, ImageLabel), StoreError> {
    keys::staged_names(key)
        .ok_or_else(|| StoreError::Damaged { key: keys::printable(key), why: "its key holds no names".to_owned() })
}

fn keep_file(input: Input, folder: &Path, path: &Path) -> io::Result<u64> {
    match input {
        Input::Received(place) => place(path)?,
        Input::Path(from) => {
            fs::copy(from, path)?;
        }
    }
    let file = File::open(path)?;
    file.sync_all()?;
    File::open(folder)?.sync_all()?;
    Ok(file.metadata()?.len())
}
