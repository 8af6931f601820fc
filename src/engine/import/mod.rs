//! ImportFaceDatabase: a file of faces into a database, all or nothing (contract R174).
//!
//! The rows are written where nobody looks ([`Staging`]): under the number of a database that has no name yet, or, if
//! the database is there already, under the job's token. One batch decides: the job is Finished, and the database has
//! its name and model. Of a new database that is all. Rows of an old one are checked under its lock before, and applied
//! behind the decision; a marker stands until they are, so that a crash does it again, and the lock is held, so that
//! clients see nothing in between.

mod aside;

use std::fmt;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use tracing::warn;

use super::Engine;
use super::accept::{Ticket, may_be_accepted};
use super::databases::Pictures;
use super::error::{EngineError, ErrorKind};
use super::files::sync;
use super::paths::shown;
use super::progress::Control;
use super::records::{DatabaseRecord, ImportOutcome, ImportTask, JobResult, OnError, Task, Upload};
use super::staging::{Place as StagingPlace, Staged, Staging};
use super::view::View;
use super::worker::Unfinished;
use crate::exchange::Format;
use crate::face::DatabaseName;
use crate::job::{Event, Queue, State, Token};
use crate::store::{Batch, StoreError, keys};

/// Makes a file that was received already the file at a path, on the file system of the data directory.
pub type Place = Box<dyn FnOnce(&Path) -> io::Result<()> + Send>;

/// A file to import.
pub enum Input {
    /// Received already.
    Received(Place),
    /// Open already; it is copied from its beginning.
    File(File),
    /// Anywhere; it is copied.
    Path(PathBuf),
}

impl fmt::Debug for Input {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Received(_) => f.write_str("Received"),
            Self::File(file) => f.debug_tuple("File").field(file).finish(),
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
    /// Whether pictures in the file are taken.
    pub include_image_data: bool,
}

impl Engine {
    /// Accepts an import. The files are kept with the job: what happens to the originals afterwards has no effect.
    pub fn submit_import(&self, ticket: Ticket, request: ImportRequest) -> Result<Token, EngineError> {
        if let Some(token) = self.repeated(Queue::ImportFaceDatabase, &ticket)? {
            return Ok(token);
        }
        if let Some(model) = &request.model {
            self.settings.model(model)?;
        }
        self.check_capacity(Queue::ImportFaceDatabase)?;
        let token = ticket.token;
        let format = request.format.to_string();
        let (data, ids) = (format!("{token}.{format}"), format!("{token}.ids.csv"));
        let mut may_be_there = false;
        let accepted = self.keep(request.data, &data).and_then(|data| {
            let ids = request.ids.map(|input| self.keep(input, &ids)).transpose()?;
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
            let accepted = self.submit(ticket, Task::Import(task));
            may_be_there = may_be_accepted(&accepted, token);
            accepted
        });
        if !may_be_there {
            // refused, or the same request came in meanwhile
            for name in [&data, &ids] {
                let _ = fs::remove_file(self.uploads_folder().join(name)); // there may be none
            }
        }
        accepted
    }

    /// Puts a file durably into the folder of uploads.
    fn keep(&self, input: Input, name: &str) -> Result<Upload, EngineError> {
        let failed = |source| StoreError::File { what: "cannot keep the upload".to_owned(), source };
        let folder = self.uploads_folder();
        let path = folder.join(name);
        match input {
            Input::Received(place) => place(&path).map_err(failed)?,
            Input::File(mut from) => {
                File::create(&path).and_then(|mut to| io::copy(&mut from, &mut to)).map_err(failed)?;
            }
            Input::Path(from) => {
                let from = File::open(&from).map_err(|error| {
                    let text = format!("a file to import cannot be read: {error}");
                    EngineError::caused(ErrorKind::FileNotAccessible, text, error)
                })?;
                return self.keep(Input::File(from), name);
            }
        }
        let bytes = sync_file(&folder, &path).map_err(failed)?;
        Ok(Upload { file: name.to_owned(), bytes })
    }

    pub(super) fn upload_path(&self, upload: &Upload) -> PathBuf {
        self.uploads_folder().join(&upload.file)
    }

    /// Works an import to its end, which it commits itself together with its effect.
    pub(super) fn run_import(&self, token: Token, task: &ImportTask, control: &Control) -> Result<State, Unfinished> {
        let name = DatabaseName::new(&task.database).expect("checked when the job was accepted");
        loop {
            let place = self.place(token, &name)?;
            let staged = Staging::new(self, place, task).read(control);
            // The last point where it can wait: behind it others wait for its lock.
            let staged = if control.orders.obey().is_some() { Err(Unfinished::Told) } else { staged };
            let state = staged.and_then(|staged| match place {
                StagingPlace::Unnamed(number) => self.name_database(token, &name, number, task, staged),
                StagingPlace::Aside(_) => self.take_aside(token, &name, task, staged, control).map(Some),
            });
            match state {
                Ok(Some(State::Finished)) => {}
                Err(Unfinished::Told) => control.leave_rows(place),
                _ => self.clear_place(place),
            }
            if let Some(state) = state? {
                return Ok(state);
            }
            // somebody else made the database meanwhile: again, beside it
        }
    }

    /// Where the rows are written; it is empty.
    fn place(&self, token: Token, name: &DatabaseName) -> Result<StagingPlace, EngineError> {
        let _faces = self.write_faces();
        if self.find_database(name)?.is_some() {
            self.unstage(token)?;
            return Ok(StagingPlace::Aside(token));
        }
        let number = self.unused_number()?;
        let mut batch = Batch::new();
        batch.put(keys::clearance(number), Pictures::Go.marker()); // so that a crash leaves no rows without a name
        self.store.commit(batch)?;
        Ok(StagingPlace::Unnamed(number))
    }

    /// Takes rows away that were not taken over. What fails here is done at the next start.
    pub(super) fn clear_place(&self, place: StagingPlace) {
        let cleared = match place {
            StagingPlace::Unnamed(number) => self.clear_database(number, Pictures::Go),
            StagingPlace::Aside(token) => self.unstage(token),
        };
        if let Err(error) = cleared {
            warn!(
                error = &error as &dyn std::error::Error,
                "rows of an import are not cleared; the next start does it"
            );
        }
    }

    fn unstage(&self, token: Token) -> Result<(), EngineError> {
        self.discard_staged(&keys::staged(token), &keys::staged_metadata(token))
    }

    /// Removes staged rows that were not taken, with their pictures.
    pub(super) fn discard_staged(&self, images: &[u8], metadata: &[u8]) -> Result<(), EngineError> {
        self.remove_pictures_of(images, |_, _| Ok(true))?;
        self.clear_rows(&[images.to_vec(), metadata.to_vec()])
    }

    /// Decides an import into a new database: its rows get a name. None if there is a database of that name by now.
    fn name_database(
        &self,
        token: Token,
        name: &DatabaseName,
        number: u64,
        task: &ImportTask,
        staged: Staged,
    ) -> Result<Option<State>, Unfinished> {
        let mut faces = self.write_faces();
        if self.find_database(name)?.is_some() {
            return Ok(None);
        }
        let mut record = DatabaseRecord { number, model: None };
        self.bind_import(name, &mut record, task, &staged)?;
        let (n_faces, n_images) = (staged.n_faces, staged.n_images);
        let outcome = ImportOutcome { n_faces, n_images, n_skipped: staged.n_skipped, skipped: staged.skipped };
        let mut batch = Batch::new();
        batch.record(&keys::database(name), &record);
        batch.remove(keys::clearance(number));
        let state = self.end(token, Event::Finish, Some(JobResult::Import(outcome)), batch)?;
        if state == State::Finished {
            let opened = faces.opened;
            faces.views.insert(number, View::unborn(opened));
        }
        Ok(Some(state))
    }

    /// Binds the database to the model of the embeddings read, or checks it against them.
    fn bind_import(
        &self,
        name: &DatabaseName,
        record: &mut DatabaseRecord,
        task: &ImportTask,
        staged: &Staged,
    ) -> Result<(), EngineError> {
        if let (Some(asked), Some(said)) = (&task.model, &staged.model)
            && asked != said
        {
            let (said, asked) = (shown(said), shown(asked));
            let text = format!("the file says model '{said}', the request says 'model={asked}'");
            return Err(EngineError::new(ErrorKind::Model, text));
        }
        if let Some(dimension) = staged.dimension {
            let wanted = task.model.as_deref().or(staged.model.as_deref());
            record.model = Some(self.settings.bind(name, record, wanted, dimension)?);
        }
        Ok(())
    }
}

/// Makes a new file of a folder durable; its size.
pub(super) fn sync_file(folder: &Path, path: &Path) -> io::Result<u64> {
    sync(path)?;
    sync(folder)?;
    Ok(path.metadata()?.len())
}
