//! ExportFaceDatabase: a database into a file that appears whole or not at all (contract R175), as a durable job and for
//! the command line.
//!
//! The rows are those of the moment at which the export begins ([`Snapshot`]); clients go on changing the database.
//! Before the file appears a mark is made that says which file it is, so that a run after a crash knows its own file from
//! one that somebody else put there.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use tracing::warn;

use super::Engine;
use super::accept::Ticket;
use super::error::{EngineError, ErrorKind};
use super::images::embedding;
use super::progress::{Control, Done, Stage};
use super::records::{ExportMark, ExportOutcome, ExportTask, FaceRecord, ImageRecord, JobResult, Task};
use super::snapshot::{PastRow, Snapshot};
use super::worker::Unfinished;
use crate::exchange::{Complete, ExchangeError, Face, Format, Record, Writer, ids_path_beside};
use crate::face::{DatabaseName, Identifier, ImageLabel};
use crate::job::{Event, Queue, Run, State, Token};
use crate::store::{Batch, StoreError, decode, keys};

/// What a client wants exported.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExportRequest {
    /// The database.
    pub database: DatabaseName,
    /// The file.
    pub path: String,
    /// Its format.
    pub format: Format,
    /// What goes into it.
    pub contents: Contents,
}

/// What goes into a file besides embeddings, where its format can carry it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Contents {
    /// The metadata of faces.
    pub metadata: bool,
    /// The pictures.
    pub image_data: bool,
}

impl Default for Contents {
    /// All of it.
    fn default() -> Self {
        Self { metadata: true, image_data: true }
    }
}

/// Told how many rows were read; says when to stop.
type Step<'a> = dyn FnMut(u64) -> Result<(), Unfinished> + 'a;

/// The parameter that names the file.
const DBPATH: &str = "dbpath";

impl Engine {
    /// Accepts an export. Its path is judged at once, and again when the job runs.
    pub fn submit_export(&self, ticket: Ticket, request: ExportRequest) -> Result<Token, EngineError> {
        if let Some(token) = self.repeated(Queue::ExportFaceDatabase, &ticket)? {
            return Ok(token); // its file may be there by now
        }
        let place = self.allowed_output(DBPATH, &request.path)?;
        for file in files(&place.file(), request.format) {
            place.check_free(DBPATH, &request.path, &file)?;
        }
        self.check_capacity(Queue::ExportFaceDatabase)?;
        let task = ExportTask {
            database: request.database.as_str().to_owned(),
            path: request.path,
            format: request.format.to_string(),
            include_metadata: request.contents.metadata,
            include_image_data: request.contents.image_data,
        };
        self.submit(ticket, Task::Export(task))
    }

    /// Writes a database into a file that is not there yet. `observe` is told how many of its rows are read.
    pub fn export(
        &self,
        database: &DatabaseName,
        path: &Path,
        format: Format,
        contents: Contents,
        observe: &mut dyn FnMut(Done),
    ) -> Result<ExportOutcome, EngineError> {
        let total = self.count_rows(database)?;
        let mut snapshot = self.take_snapshot(database)?;
        let mut step = |n: u64| {
            observe(Done { n, total: Some(total.max(n)) }); // there may be more by now
            Ok(())
        };
        let temporary = format!(".faceclique-export-{}", std::process::id());
        let writer = Writer::create_new(path, format, &temporary).map_err(unwritable)?;
        let written = Rows { engine: self, format, contents, writer }.write(&mut snapshot, &mut step);
        match written {
            Ok((complete, outcome)) => complete.publish().map(|_| outcome).map_err(unwritable),
            Err(reason) => Err(unfinished(reason)),
        }
    }

    /// Works an export to its end, which it commits itself.
    pub(super) fn run_export(&self, token: Token, task: &ExportTask, control: &Control) -> Result<State, Unfinished> {
        let name = DatabaseName::new(&task.database).expect("checked when the job was accepted");
        let format: Format = task.format.parse().expect("the format was written from a Format");
        let place = self.allowed_output(DBPATH, &task.path)?;
        let files = files(&place.file(), format);
        if let Some(outcome) = self.has_appeared(token, &files)? {
            return self.end_export(token, outcome, &files);
        }
        for file in &files {
            place.check_free(DBPATH, &task.path, file)?;
        }
        let contents = Contents { metadata: task.include_metadata, image_data: task.include_image_data };
        let total = self.count_rows(&name)?;
        let mut step = |rows| {
            control.note(Stage::Write, rows, total);
            control.orders.obey().map_or(Ok(()), |_| Err(Unfinished::Told))
        };
        let mut snapshot = self.take_snapshot(&name)?;
        let writer = Writer::create_new(&place.file(), format, &temporary(token)).map_err(unwritable)?;
        let (complete, outcome) = Rows { engine: self, format, contents, writer }.write(&mut snapshot, &mut step)?;
        drop(snapshot);
        self.mark_export(token, &complete, outcome)?;
        if let Err(error) = complete.publish() {
            self.take_back(token, &files);
            return Err(unwritable(error).into());
        }
        self.end_export(token, outcome, &files)
    }

    /// Ends the job whose file has appeared. If it was stopped in the last moment, the file goes again.
    fn end_export(&self, token: Token, outcome: ExportOutcome, files: &[PathBuf]) -> Result<State, Unfinished> {
        let mut batch = Batch::new();
        batch.remove(keys::export(token));
        let state = self.end(token, Event::Finish, Some(JobResult::Export(outcome)), batch)?;
        if state != State::Finished {
            self.take_back(token, files);
        }
        Ok(state)
    }

    /// Notes which file is about to appear.
    fn mark_export(&self, token: Token, complete: &Complete, outcome: ExportOutcome) -> Result<(), EngineError> {
        let identity = |file: &fs::File| -> io::Result<(u64, u64, u64)> {
            file.sync_all()?;
            let file = file.metadata()?;
            Ok((file.dev(), file.ino(), file.len()))
        };
        let files = complete.files().map(identity).collect::<io::Result<Vec<_>>>().map_err(|error| {
            EngineError::caused(ErrorKind::FileNotAccessible, format!("cannot write the file: {error}"), error)
        })?;
        let key = keys::export(token);
        let mut batch = Batch::new();
        batch.record(&key, &ExportMark { files, outcome });
        Ok(self.store.commit(batch)?)
    }

    fn export_mark(&self, token: Token) -> Result<Option<ExportMark>, StoreError> {
        let key = keys::export(token);
        self.store.get(&key)?.map(|value| decode(&key, &value)).transpose()
    }

    /// What an earlier run has to say whose file has appeared, all of it. If only a part has, it goes.
    fn has_appeared(&self, token: Token, files: &[PathBuf]) -> Result<Option<ExportOutcome>, EngineError> {
        let Some(mark) = self.export_mark(token)? else { return Ok(None) };
        if own(&mark, files).count() == files.len() {
            return Ok(Some(mark.outcome));
        }
        self.take_back(token, files);
        Ok(None)
    }

    /// Removes those of the files that this job has made to appear, and its mark.
    fn take_back(&self, token: Token, files: &[PathBuf]) {
        let removed = self.export_mark(token).and_then(|mark| {
            for file in mark.iter().flat_map(|mark| own(mark, files)) {
                fs::remove_file(file)
                    .map_err(|source| StoreError::File { what: "cannot remove an export".to_owned(), source })?;
            }
            let mut batch = Batch::new();
            batch.remove(keys::export(token));
            self.store.write(batch)
        });
        if let Err(error) = removed {
            warn!(%token, error = &error as &dyn std::error::Error, "the file of an export that did not end well stays");
        }
    }

    /// Removes what runs of an export that has ended, and was not Finished, have left beside its file.
    pub(super) fn remove_export_leftovers(&self, token: Token, task: &ExportTask) {
        let (Ok(place), Ok(format)) = (self.allowed_output(DBPATH, &task.path), task.format.parse()) else { return };
        self.take_back(token, &files(&place.file(), format));
        for ending in ["", ".ids"] {
            let _ = fs::remove_file(place.path(format!("{}{ending}", temporary(token)).as_ref())); // mostly there is none
        }
    }

    /// Clears up behind exports that ended, but not by a run of their own, when the process did.
    pub(super) fn clear_exports(&self) -> Result<(), EngineError> {
        let marks = self.store.scan(&keys::exports()).map(|entry| keys::token(&entry?.0));
        for token in marks.collect::<Result<Vec<_>, StoreError>>()? {
            let task = {
                let jobs = self.lock_jobs();
                jobs.get(token).map(|entry| (entry.record.life.state(Run::Idle), entry.record.task.clone()))
            };
            match task {
                Some((state, Task::Export(task))) if state.is_ended() => self.remove_export_leftovers(token, &task),
                Some((_, Task::Export(_))) => {} // its next run looks for itself
                _ => self.take_back(token, &[]),
            }
        }
        Ok(())
    }
}

/// The files of an export in the order in which they appear.
fn files(path: &Path, format: Format) -> Vec<PathBuf> {
    let ids = (format == Format::Npy).then(|| ids_path_beside(path));
    ids.into_iter().chain([path.to_owned()]).collect()
}

/// What the file is called before it appears.
fn temporary(token: Token) -> String {
    format!(".faceclique-{token}")
}

/// Those of the files that the mark is of.
fn own<'a>(mark: &ExportMark, files: &'a [PathBuf]) -> impl Iterator<Item = &'a PathBuf> {
    let is_own = |(file, &identity): (&'a PathBuf, &(u64, u64, u64))| {
        let there = file.symlink_metadata().ok()?;
        ((there.dev(), there.ino(), there.len()) == identity).then_some(file)
    };
    files.iter().zip(&mark.files).filter_map(is_own).collect::<Vec<_>>().into_iter()
}

/// A file being written.
struct Rows<'a> {
    engine: &'a Engine,
    format: Format,
    contents: Contents,
    writer: Writer,
}

/// The face whose images are being written.
struct Current {
    identifier: Identifier,
    /// What the file has not said yet of it.
    unsaid: Option<Vec<(String, String)>>,
    /// Whether it is counted.
    is_counted: bool,
}

impl Rows<'_> {
    /// Writes all rows of the snapshot.
    fn write(
        mut self,
        snapshot: &mut Snapshot<'_>,
        step: &mut Step<'_>,
    ) -> Result<(Complete, ExportOutcome), Unfinished> {
        let mut outcome = ExportOutcome::default();
        let (mut current, mut n_rows): (Option<Current>, u64) = (None, 0);
        loop {
            step(n_rows)?;
            let rows = snapshot.read()?;
            if rows.is_empty() {
                break;
            }
            for row in rows {
                n_rows += 1;
                step(n_rows)?;
                match row {
                    PastRow::Face(identifier, FaceRecord { metadata }) => {
                        self.leave(current.take(), &mut outcome)?;
                        let unsaid = if self.contents.metadata { metadata } else { Vec::new() };
                        current = Some(Current { identifier, unsaid: Some(unsaid), is_counted: false });
                    }
                    PastRow::Image(label, image) => {
                        let current = current.as_mut().expect("a face comes before its images");
                        self.image(snapshot, current, label, image, &mut outcome)?;
                    }
                }
            }
        }
        self.leave(current, &mut outcome)?;
        let mut told = None;
        let mut go_on = || {
            step(n_rows).map_err(|why| {
                told = Some(why);
                io::Error::other("told to end")
            })
        };
        let complete = self.writer.complete_while(&mut go_on);
        match told {
            Some(why) => Err(why),
            None => Ok((complete.map_err(unwritable)?, outcome)),
        }
    }

    /// The images of a face are written; one without gets a line of its own.
    fn leave(&mut self, face: Option<Current>, outcome: &mut ExportOutcome) -> Result<(), EngineError> {
        let Some(Current { identifier, unsaid: Some(metadata), .. }) = face else { return Ok(()) };
        if self.format == Format::Jsonl {
            self.writer.push_face(&Face { row: 0, identifier, metadata }).map_err(unwritable)?;
            outcome.n_faces += 1;
        }
        Ok(())
    }

    fn image(
        &mut self,
        snapshot: &Snapshot<'_>,
        face: &mut Current,
        label: ImageLabel,
        image: ImageRecord,
        outcome: &mut ExportOutcome,
    ) -> Result<(), EngineError> {
        let ImageRecord { status, embedding: values, verdict, picture } = image;
        if self.format != Format::Jsonl && values.is_none() {
            outcome.n_skipped += 1;
            return Ok(());
        }
        let embedding = values.map(|values| embedding(b"an image", values)).transpose()?;
        let picture = picture.filter(|_| self.format == Format::Jsonl && self.contents.image_data);
        let picture = picture
            .map(|picture| self.engine.read_picture(picture))
            .transpose()
            .map_err(|error| if snapshot.is_gone() { snapshot.gone() } else { error })?;
        let record = Record {
            row: 0,
            identifier: face.identifier.clone(),
            label,
            status,
            model: embedding.as_ref().and(snapshot.model.clone()),
            embedding,
            reason: verdict.reason(),
            picture,
            metadata: face.unsaid.take().unwrap_or_default(),
        };
        self.writer.push(&record).map_err(unwritable)?;
        outcome.n_images += 1;
        outcome.n_faces += u64::from(!std::mem::replace(&mut face.is_counted, true));
        Ok(())
    }
}

/// Of an export without a job, which nobody can tell to stop.
fn unfinished(reason: Unfinished) -> EngineError {
    match reason {
        Unfinished::Fault(error) => error,
        Unfinished::Told => EngineError::new(ErrorKind::Internal, "nobody told the export to stop"),
    }
}

fn unwritable(error: ExchangeError) -> EngineError {
    EngineError::caused(ErrorKind::FileNotAccessible, error.to_string(), error)
}
