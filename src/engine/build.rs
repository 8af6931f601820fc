//! BuildFace and BuildAllFaces: the untrained images of one face, or of all, image by image (contract R141-R149).
//!
//! **Promises.** What was made of an image is written in one step with the note that this job tried it; so a run after a
//! crash goes on with the others, and tells of all. An image that was replaced, moved or removed while its picture was
//! looked at is not given what was made of the old one. Images that come meanwhile are tried if they come behind those
//! that were; a later build tries the others.
//!
//! **Not here.** How the notes are read when the job is shown (`built`).

use std::sync::atomic::{AtomicU64, Ordering};

use super::Engine;
use super::change::{Change, Faces, Which};
use super::error::{EngineError, ErrorKind};
use super::faces::ROWS_PER_BATCH;
use super::lanes;
use super::pictures::Picture;
use super::progress::{Control, Stage};
use super::records::{BuildAllTask, BuildTask, DatabaseRecord, ImageRecord};
use super::trainer::{Looked, Trainer};
use super::worker::Unfinished;
use crate::face::{DatabaseName, FailReason, Identifier, ImageStatus};
use crate::job::{State, Token};
use crate::store::{decode, decode_first, keys};

/// Images taken up in one step.
const IMAGES_PER_PIECE: usize = 64;

/// One run.
struct Build<'a> {
    engine: &'a Engine,
    token: Token,
    trainer: &'a dyn Trainer,
    lanes: usize,
    control: &'a Control,
    /// Images that were tried, by this run and those before it.
    done: AtomicU64,
    /// Those, and the ones that were untrained when the run began.
    total: u64,
}

/// Where images are looked for.
struct Site {
    database: DatabaseName,
    number: u64,
    which: Which,
    /// What the keys of the images begin with.
    prefix: Vec<u8>,
}

/// Whether the database is there still when its images have been tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Went {
    Through,
    Gone,
}

/// Some keys of images that are untrained.
struct Piece {
    keys: Vec<Vec<u8>>,
    /// Whether none are behind them.
    is_last: bool,
}

/// An image that is untrained.
struct Opened {
    row: Vec<u8>,
    picture: Option<Picture>,
}

impl Engine {
    /// Works a BuildFace to its end.
    pub(super) fn run_build(&self, token: Token, task: &BuildTask, control: &Control) -> Result<State, Unfinished> {
        let database = DatabaseName::new(&task.database).expect("checked when the job was accepted");
        let identifier = Identifier::new(&task.identifier).expect("checked when the job was accepted");
        let (site, trainer, n_untrained) = {
            let faces = self.read_faces();
            let record = self.database(&database)?;
            let (number, which) = (record.number, faces.which(record.number));
            self.face(&database, number, &identifier)?;
            let trainer = self.trainer()?;
            trainer.check_fits(&database, &record)?;
            let count = self.count_face(number, &identifier)?;
            (Site { database, number, which, prefix: keys::images_of(number, &identifier) }, trainer, count.untrained)
        };
        let build = Build::new(self, token, trainer, (task.parallel, n_untrained), control)?;
        if build.site(&site)? == Went::Gone {
            return Err(EngineError::database_not_found(&site.database).into());
        }
        self.end_build(token, Some((&site.database, site.number, &identifier)), control)
    }

    /// Works a BuildAllFaces to its end.
    pub(super) fn run_build_all(
        &self,
        token: Token,
        task: &BuildAllTask,
        control: &Control,
    ) -> Result<State, Unfinished> {
        let named = task.database.as_deref();
        let named = named.map(|name| DatabaseName::new(name).expect("checked when the job was accepted"));
        let (trainer, n_untrained) = {
            let _faces = self.read_faces();
            let records = match &named {
                Some(name) => vec![(name.clone(), self.database(name)?)],
                None => self.databases()?,
            };
            let trainer = self.trainer()?;
            if let (Some(_), [(name, record)]) = (&named, records.as_slice()) {
                trainer.check_fits(name, record)?;
            }
            let fitting = records.iter().filter(|(name, record)| trainer.check_fits(name, record).is_ok());
            (trainer, fitting.map(|(_, record)| self.tally.count(record.number).untrained).sum())
        };
        let build = Build::new(self, token, trainer, (task.parallel, n_untrained), control)?;
        match named {
            Some(name) => {
                let site = {
                    let faces = self.read_faces();
                    Site::of(&faces, name.clone(), self.database(&name)?.number)
                };
                if build.site(&site)? == Went::Gone {
                    return Err(EngineError::database_not_found(&name).into());
                }
            }
            None => build.all_sites()?,
        }
        self.end_build(token, None, control)
    }
}

impl Site {
    /// All images of a database.
    fn of(faces: &Faces, database: DatabaseName, number: u64) -> Self {
        Self { database, number, which: faces.which(number), prefix: keys::images(number) }
    }
}

impl<'a> Build<'a> {
    fn new(
        engine: &'a Engine,
        token: Token,
        trainer: &'a dyn Trainer,
        (parallel, n_untrained): (u64, u64),
        control: &'a Control,
    ) -> Result<Self, EngineError> {
        let n_tried = engine.count_tried(token)?;
        let total = n_tried + n_untrained;
        control.note(Stage::Train, n_tried, total);
        let lanes = engine.lanes(parallel);
        Ok(Self { engine, token, trainer, lanes, control, done: AtomicU64::new(n_tried), total })
    }

    /// Tries the images of all databases, in name order; error 61 in the end if some are bound to another model.
    fn all_sites(&self) -> Result<(), Unfinished> {
        let mut left_out = Vec::new();
        let mut last: Option<DatabaseName> = None;
        loop {
            let databases = self.engine.databases()?;
            let next = databases.into_iter().find(|(name, _)| last.as_ref().is_none_or(|last| name > last));
            let Some((name, record)) = next else { break };
            last = Some(name.clone());
            if self.engine.tally.count(record.number).untrained == 0 {
                continue;
            }
            if self.trainer.check_fits(&name, &record).is_err() {
                let model = record.model.map_or_else(String::new, |model| model.to_string());
                left_out.push(format!("'database={name}' (model {model})"));
                continue;
            }
            let site = Site::of(&self.engine.read_faces(), name, record.number);
            self.site(&site)?; // one that is removed meanwhile is none of all
        }
        if left_out.is_empty() {
            return Ok(());
        }
        let text = format!(
            "untrained images are left of databases that are bound to another model than '{}'{}, by which this server \
             trains: {}; `faceclique retrain` moves a database over",
            self.trainer.model().name,
            self.trainer.fingerprint().map_or_else(String::new, |own| format!(" (fingerprint {own})")),
            left_out.join(", ")
        );
        Err(EngineError::new(ErrorKind::Model, text).into())
    }

    /// Tries the untrained images of a site.
    fn site(&self, site: &Site) -> Result<Went, Unfinished> {
        let mut behind = site.prefix.clone();
        loop {
            if self.control.orders.obey().is_some() {
                return Err(Unfinished::Told);
            }
            let Some(piece) = self.piece(site, &mut behind)? else { return Ok(Went::Gone) };
            lanes::each(piece.keys, self.lanes, |key| self.image(site, &key))?;
            if piece.is_last {
                let faces = self.engine.read_faces();
                return Ok(if self.record(&faces, site)?.is_some() { Went::Through } else { Went::Gone });
            }
        }
    }

    /// The database's record, if it is the one that the job began with.
    fn record(&self, faces: &Faces, site: &Site) -> Result<Option<DatabaseRecord>, EngineError> {
        let found = self.engine.find_database(&site.database)?;
        Ok(found.filter(|record| faces.which(record.number) == site.which))
    }

    /// The next untrained images; none if the database has gone.
    fn piece(&self, site: &Site, behind: &mut Vec<u8>) -> Result<Option<Piece>, EngineError> {
        let faces = self.engine.read_faces();
        if self.record(&faces, site)?.is_none() {
            return Ok(None);
        }
        let (mut keys, mut n_rows) = (Vec::new(), 0);
        let from = behind.clone();
        for entry in self.engine.store.scan_behind(&site.prefix, &from) {
            let (key, value) = entry?;
            behind.clone_from(&key);
            n_rows += 1;
            if decode_first::<ImageStatus>(&key, &value)? == ImageStatus::Untrained {
                keys.push(key);
            }
            if keys.len() >= IMAGES_PER_PIECE || n_rows >= ROWS_PER_BATCH {
                return Ok(Some(Piece { keys, is_last: false }));
            }
        }
        Ok(Some(Piece { keys, is_last: true }))
    }

    /// Tries one image, and again if it is another one by the time that the picture was looked at.
    fn image(&self, site: &Site, key: &[u8]) -> Result<(), Unfinished> {
        loop {
            if self.control.orders.obey().is_some() {
                return Err(Unfinished::Told);
            }
            self.engine.check_room()?;
            let Some(Opened { row, picture }) = self.open(site, key)? else { return Ok(()) };
            let looked = match picture {
                Some(picture) => self.trainer.look(&picture.read()?)?,
                None => Err((FailReason::NoData, "there are no pixels".to_owned())),
            };
            if self.keep(site, key, row, looked)? {
                let done = self.done.fetch_add(1, Ordering::Relaxed) + 1;
                self.control.note(Stage::Train, done, self.total.max(done));
                self.engine.advance(self.token);
                return Ok(());
            }
        }
    }

    /// The row of an image that is untrained still, and its picture; none if there is nothing to try.
    fn open(&self, site: &Site, key: &[u8]) -> Result<Option<Opened>, EngineError> {
        let faces = self.engine.read_faces(); // until the file is open nobody removes it
        if self.record(&faces, site)?.is_none() {
            return Ok(None);
        }
        let Some(row) = self.engine.store.get(key)? else { return Ok(None) };
        let image: ImageRecord = decode(key, &row)?;
        if image.status != ImageStatus::Untrained {
            return Ok(None);
        }
        let picture = image.picture.map(|picture| self.engine.open_picture(picture)).transpose()?;
        Ok(Some(Opened { row, picture }))
    }

    /// Writes what was made of the image with this row; false if the row is another one by now.
    fn keep(&self, site: &Site, key: &[u8], row: Vec<u8>, looked: Looked) -> Result<bool, EngineError> {
        let faces = self.engine.write_faces();
        let Some(record) = self.record(&faces, site)? else { return Ok(false) };
        if self.engine.store.get(key)?.as_ref() != Some(&row) {
            return Ok(false);
        }
        let mut change = Change::default();
        if let Ok(trained) = &looked
            && let Some(model) = self.engine.binding(self.trainer, &site.database, &record, &trained.embedding)?
        {
            let record = DatabaseRecord { model: Some(model), ..record };
            change.also.record(&keys::database(&site.database), &record);
        }
        let before: ImageRecord = decode(key, &row)?;
        let image = ImageRecord::looked_at(looked, before.picture);
        let (identifier, label) = keys::image_names(key)?;
        let tried = keys::tried_image(self.token, &site.database, &identifier, &label);
        change.also.record(&tried, &image.status);
        change.put(site.number, key.to_vec(), Some(row), &image);
        self.engine.change(faces, change)?;
        Ok(true)
    }
}
