//! A database moves to another model: every picture is looked at anew, and all of what comes of it takes the place of all
//! of the old in one write.
//!
//! The new rows are written under a number without a name, like those of an import into a new database, so that nobody
//! finds them. One batch decides: the database has that number, the model and its fingerprint. Then the old rows go.
//!
//! **Promises.** Whatever ends it before that batch (a fault, a crash, whoever watches) leaves the database as it was; from
//! then on it is the new one, whole. No picture is copied, and none goes: the rows of both numbers refer to the same
//! files, so what clears either leaves them alone. At most a piece of images is in memory.
//!
//! **Not here.** Others wait: the database is locked all the while, so this is for a process that serves nobody.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use tracing::warn;

use super::Engine;
use super::change::Change;
use super::databases::Pictures;
use super::error::{EngineError, ErrorKind};
use super::faces::ROWS_PER_BATCH;
use super::lanes;
use super::records::{DatabaseRecord, FaceRecord, ImageRecord, ModelRecord, Task};
use super::trainer::Trainer;
use super::worker::Unfinished;
use crate::face::{DatabaseName, FailReason, Identifier, ImageLabel, ImageStatus};
use crate::store::{Batch, Entry, StoreError, decode, keys};

/// Images looked at in one step.
const IMAGES_PER_PIECE: usize = 256;

/// Jobs named in an error.
const JOBS_NAMED: usize = 3;

/// What becomes of trained images without a picture, which no other model can look at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WithoutPicture {
    /// They keep the database from being moved.
    Refuse,
    /// They lose their embedding and are `failed` with the reason `nodata`.
    Drop,
}

/// What came of a database that was moved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Retrained {
    /// The model that it was bound to, if it was, by its name and fingerprint, for people.
    pub before: Option<String>,
    /// The model that it is bound to now.
    pub model: String,
    /// Its faces.
    pub n_faces: u64,
    /// Its images.
    pub n_images: u64,
    /// How many of them are trained now.
    pub n_trained: u64,
    /// How many lost the training that they had because they have no picture.
    pub n_dropped: u64,
}

/// Told how many of how many images were looked at; says whether to go on.
pub type Observe<'a> = &'a (dyn Fn(u64, u64) -> ControlFlow<()> + Sync);

/// A move under way.
struct Move<'a> {
    engine: &'a Engine,
    name: &'a DatabaseName,
    trainer: &'a dyn Trainer,
    /// The numbers of the old rows and of the new.
    from: u64,
    to: u64,
    observe: Observe<'a>,
    done: AtomicU64,
    total: u64,
}

/// Trained images without a picture.
struct Pictureless {
    n: u64,
    first: Option<(Identifier, ImageLabel)>,
}

impl Engine {
    /// Trains every image of a database anew by the trainer of this engine, whatever the database is bound to now.
    pub fn retrain(
        &self,
        name: &DatabaseName,
        without: WithoutPicture,
        observe: Observe<'_>,
    ) -> Result<Retrained, EngineError> {
        let trainer = self.trainer()?;
        let faces = self.write_faces();
        let old = self.database(name)?;
        self.no_open_jobs(name)?;
        let pictureless = self.pictureless(old.number)?;
        if without == WithoutPicture::Refuse {
            pictureless.refuse(name)?;
        }
        let to = self.unused_number()?;
        let mut batch = Batch::new();
        batch.put(keys::clearance(to), Pictures::Stay.marker()); // so that a crash leaves no rows without a name
        self.store.commit(batch)?;
        let total = self.tally.count(old.number).images();
        let done = AtomicU64::new(0);
        let moving = Move { engine: self, name, trainer, from: old.number, to, observe, done, total };
        let model = moving.rows().inspect_err(|_| self.clear_moved(to))?;
        let outcome = Retrained {
            before: old.model.map(|model| model.to_string()),
            model: model.to_string(),
            n_faces: self.tally.count(to).faces,
            n_images: total,
            n_trained: self.tally.count(to).trained,
            n_dropped: pictureless.n,
        };
        self.store.sync().inspect_err(|_| self.clear_moved(to))?; // the rows, before what stands on them
        let mut change = Change::default();
        change.also.record(&keys::database(name), &DatabaseRecord { number: to, model: Some(model) });
        change.also.remove(keys::clearance(to));
        change.also.put(keys::clearance(old.number), Pictures::Stay.marker());
        self.renumber_review(&faces, &mut change, (old.number, to))?;
        // if it fails, only the next start knows which of the two is the database
        self.change_and(faces, change, |faces| faces.forget(old.number))?;
        self.clear_moved(old.number);
        Ok(outcome)
    }

    /// Removes rows that are not the database's, or not any more.
    fn clear_moved(&self, number: u64) {
        if let Err(error) = self.clear_database(number, Pictures::Stay) {
            warn!(
                error = &error as &dyn std::error::Error,
                "rows of a database that was trained anew are not cleared; the next start does it"
            );
        }
    }

    /// Error if a job that has not ended is on this database: it was accepted for the embeddings that are there now.
    fn no_open_jobs(&self, name: &DatabaseName) -> Result<(), EngineError> {
        let jobs = self.lock_jobs();
        let open = jobs.iter().filter(|(_, entry)| !entry.record.life.has_ended());
        let concerned = open.filter(|(_, entry)| entry.record.task.may_touch(name));
        let mut concerned: Vec<String> =
            concerned.map(|(token, entry)| format!("{} {token}", entry.record.queue)).collect();
        let n = concerned.len();
        if n == 0 {
            return Ok(());
        }
        concerned.truncate(JOBS_NAMED);
        let more = if n > JOBS_NAMED { ", ..." } else { "" };
        let text = format!(
            "{n} jobs on 'database={name}' have not ended: {}{more}; let the server end them, or cancel them, before the \
             database is trained anew",
            concerned.join(", ")
        );
        Err(EngineError::new(ErrorKind::State, text))
    }

    fn pictureless(&self, number: u64) -> Result<Pictureless, EngineError> {
        let mut found = Pictureless { n: 0, first: None };
        for entry in self.store.scan(&keys::images(number)) {
            let (key, value) = entry?;
            let image: ImageRecord = decode(&key, &value)?;
            if image.status == ImageStatus::Trained && image.picture.is_none() {
                found.n += 1;
                if found.first.is_none() {
                    found.first = Some(keys::image_names(&key)?);
                }
            }
        }
        Ok(found)
    }
}

impl Task {
    /// Whether it reads or changes this database.
    fn may_touch(&self, name: &DatabaseName) -> bool {
        let database = match self {
            Self::Cluster(task) => task.database.as_deref(),
            Self::BuildAll(task) => task.database.as_deref(),
            Self::Import(task) => Some(&*task.database),
            Self::Export(task) => Some(&*task.database),
            Self::Train(task) => Some(&*task.database),
            Self::Build(task) => Some(&*task.database),
        };
        database.is_none_or(|database| database == name.as_str())
    }
}

impl Pictureless {
    fn refuse(&self, name: &DatabaseName) -> Result<(), EngineError> {
        let Some((identifier, label)) = &self.first else { return Ok(()) };
        let text = format!(
            "{} trained images of 'database={name}' have no picture that another model could look at, the first is \
             'imagelabel={label}' of 'identifier={identifier}': they came as embeddings, or their pictures were dropped",
            self.n
        );
        Err(EngineError::new(ErrorKind::NoPicture, text))
    }
}

impl Move<'_> {
    /// Writes all rows under the new number; the model they are of.
    fn rows(&self) -> Result<ModelRecord, EngineError> {
        let mut model = self.engine.settings.model(&self.trainer.model().name)?;
        model.fingerprint = self.trainer.fingerprint();
        self.faces()?;
        let mut behind = keys::images(self.from);
        loop {
            let piece = self.engine.store.scan_behind(&keys::images(self.from), &behind).take(IMAGES_PER_PIECE);
            let piece = piece.collect::<Result<Vec<Entry>, StoreError>>()?;
            let Some((last, _)) = piece.last() else { break };
            behind.clone_from(last);
            let mut batch = Batch::new();
            for (key, image) in self.look_at(piece)? {
                if let Some(embedding) = &image.embedding {
                    let record = DatabaseRecord { number: self.to, model: Some(model) };
                    model = self.engine.settings.bind(self.name, &record, None, embedding.len())?;
                }
                batch.record(&key, &image);
            }
            self.engine.store.write(batch)?;
        }
        self.go_on(self.total)?;
        Ok(model)
    }

    fn faces(&self) -> Result<(), EngineError> {
        let mut batch = Batch::new();
        for entry in self.engine.store.scan(&keys::faces(self.from)) {
            let (key, value) = entry?;
            let face: FaceRecord = decode(&key, &value)?;
            batch.record(&keys::face(self.to, &keys::face_identifier(&key)?), &face);
            if batch.len() >= ROWS_PER_BATCH {
                self.engine.store.write(std::mem::take(&mut batch))?;
            }
        }
        Ok(self.engine.store.write(batch)?)
    }

    /// What becomes of some images, in their order, by their new keys.
    fn look_at(&self, piece: Vec<Entry>) -> Result<BTreeMap<Vec<u8>, ImageRecord>, EngineError> {
        let looked: Mutex<BTreeMap<Vec<u8>, ImageRecord>> = Mutex::default();
        let work = |(key, value): Entry| {
            self.go_on(self.done.load(Ordering::Relaxed))?;
            let ImageRecord { picture, .. } = decode(&key, &value)?;
            let answer = match picture {
                Some(picture) => self.trainer.look(&self.engine.read_picture(picture)?)?,
                None => Err((FailReason::NoData, "there are no pixels".to_owned())),
            };
            let (identifier, label) = keys::image_names(&key)?;
            let image = ImageRecord::looked_at(answer, picture);
            let mut looked = looked.lock().unwrap_or_else(PoisonError::into_inner);
            looked.insert(keys::image(self.to, &identifier, &label), image);
            self.done.fetch_add(1, Ordering::Relaxed);
            Ok(())
        };
        match lanes::each(piece, self.engine.lanes(u64::MAX), work) {
            Ok(()) => Ok(looked.into_inner().unwrap_or_else(PoisonError::into_inner)),
            Err(Unfinished::Fault(error)) => Err(error),
            Err(Unfinished::Told) => Err(EngineError::new(ErrorKind::Internal, "only its watch can end it")),
        }
    }

    /// Says how far it is; an error if that is as far as it goes.
    fn go_on(&self, done: u64) -> Result<(), EngineError> {
        match (self.observe)(done, self.total) {
            ControlFlow::Continue(()) => Ok(()),
            ControlFlow::Break(()) => {
                let text = format!("interrupted; 'database={}' is as it was", self.name);
                Err(EngineError::new(ErrorKind::Stopping, text))
            }
        }
    }
}
