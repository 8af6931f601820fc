//! An import into a database that is there: its rows wait beside it until it is decided that all of them go in.

use std::collections::BTreeMap;
use std::thread;

use tracing::error;

use super::super::Engine;
use super::super::change::Faces;
use super::super::error::EngineError;
use super::super::faces::ROWS_PER_BATCH;
use super::super::progress::{Control, Stage};
use super::super::records::{DatabaseRecord, FaceRecord, ImageRecord, ImportOutcome, ImportTask, JobResult};
use super::super::staging::Staged;
use super::super::worker::{RETRY, Unfinished};
use crate::face::{DatabaseName, Identifier};
use crate::job::{Event, State, Token};
use crate::store::{Batch, decode, encode, keys};

impl Engine {
    /// Checks the rows against the database they are for, decides, and applies them.
    pub(super) fn take_aside(
        &self,
        token: Token,
        name: &DatabaseName,
        task: &ImportTask,
        staged: Staged,
        control: &Control,
    ) -> Result<State, Unfinished> {
        let mut faces = self.write_faces();
        let mut record = match self.find_database(name)? {
            Some(record) => record,
            None => self.new_database(&mut faces, None)?,
        };
        self.bind_import(name, &mut record, task, &staged)?;
        let outcome = self.check_aside(token, name, &record, staged, control)?;
        let mut batch = Batch::new();
        batch.record(&keys::database(name), &record);
        batch.record(&keys::application(token), &record.number);
        let state = self.end(token, Event::Finish, Some(JobResult::Import(outcome)), batch)?;
        if state == State::Finished {
            self.apply_surely(&mut faces, token, record.number);
        }
        Ok(state)
    }

    /// Counts what the rows add; a row that is there already must be there with the same embedding.
    fn check_aside(
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
            control.note(Stage::Apply, done as u64, total * 2);
            let (key, value) = entry?;
            let (identifier, label) = keys::staged_names(&key)?;
            let row = keys::image(database.number, &identifier, &label);
            match self.store.get(&row)? {
                None => outcome.n_images += 1,
                Some(there) => {
                    let there: ImageRecord = decode(&row, &there)?;
                    let new: ImageRecord = decode(&key, &value)?;
                    if !self.is_same(&there, &new)? {
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
        for entry in self.store.scan(&keys::staged_metadata(token)) {
            let identifier = keys::staged_metadata_identifier(&entry?.0)?;
            let has_images = self.store.scan(&keys::staged_images_of(token, &identifier)).next().transpose()?.is_some();
            let is_there = self.store.get(&keys::face(database.number, &identifier))?.is_some();
            outcome.n_faces += u64::from(!has_images && !is_there);
        }
        Ok(outcome)
    }

    /// Whether an image of a file is the one that is there: by the embedding, and where there is none by the picture.
    fn is_same(&self, there: &ImageRecord, new: &ImageRecord) -> Result<bool, EngineError> {
        if there.embedding != new.embedding {
            return Ok(false);
        }
        match (&there.embedding, there.picture, new.picture) {
            (None, Some(there), Some(new)) => {
                Ok(there.bytes == new.bytes && self.read_picture(there)? == self.read_picture(new)?)
            }
            _ => Ok(true),
        }
    }

    /// Applies a decided import, trying again for as long as the store fails: clients must not see half of it. If the
    /// server stops meanwhile, the next start does it.
    fn apply_surely(&self, faces: &mut Faces, token: Token, number: u64) {
        while let Err(error) = self.apply(faces, token, number) {
            error!(cause = std::error::Error::source(&error), "a decided import could not be applied yet");
            if self.is_stopping() {
                return;
            }
            thread::sleep(RETRY);
        }
    }

    /// Takes the rows of a decided import into their database. Done again after a crash, it changes nothing more:
    /// nobody else can have changed the database in between.
    pub(in crate::engine) fn apply(&self, faces: &mut Faces, token: Token, number: u64) -> Result<(), EngineError> {
        let mut batch = Batch::new();
        for entry in self.store.scan(&keys::staged(token)) {
            let (key, value) = entry?;
            let (identifier, label) = keys::staged_names(&key)?;
            let row = keys::image(number, &identifier, &label);
            if self.store.get(&row)?.is_none() {
                let image: ImageRecord = decode(&key, &value)?;
                let value = encode(&row, &image);
                faces.note(number, &row, None, Some(&value));
                batch.put(row, value);
            }
            let face = keys::face(number, &identifier);
            if self.store.get(&face)?.is_none() {
                let value = encode(&face, &FaceRecord::default());
                faces.note(number, &face, None, Some(&value));
                batch.put(face, value);
            }
            if batch.len() >= ROWS_PER_BATCH {
                self.store.write(std::mem::take(&mut batch))?;
            }
        }
        self.store.write(batch)?;
        self.apply_metadata(faces, token, number)?;
        self.store.sync()?; // the rows before what they were made of goes
        self.remove_pictures_of(&keys::staged(token), |key, picture| {
            let (identifier, label) = keys::staged_names(key)?;
            let row = keys::image(number, &identifier, &label);
            let taken = self.store.get(&row)?.map(|value| decode::<ImageRecord>(&row, &value)).transpose()?;
            Ok(taken.and_then(|image| image.picture).is_none_or(|taken| taken.id != picture))
        })?;
        // never the marker without them: staged rows that no marker stands for are discarded, and their pictures with them
        self.clear_rows_of(&[keys::staged(token), keys::staged_metadata(token)], keys::application(token))?;
        Ok(self.store.sync()?)
    }

    /// Adds the metadata of the file to the faces, and faces that have no images; a key that a face has already keeps its
    /// value.
    fn apply_metadata(&self, faces: &mut Faces, token: Token, number: u64) -> Result<(), EngineError> {
        for entry in self.store.scan(&keys::staged_metadata(token)) {
            let (key, value) = entry?;
            let new: FaceRecord = decode(&key, &value)?;
            let face = keys::face(number, &keys::staged_metadata_identifier(&key)?);
            let old = self.store.get(&face)?;
            let there: Option<FaceRecord> = old.as_ref().map(|there| decode(&face, there)).transpose()?;
            let mut merged: BTreeMap<String, String> = new.metadata.into_iter().collect();
            merged.extend(there.unwrap_or_default().metadata);
            let value = encode(&face, &FaceRecord { metadata: merged.into_iter().collect() });
            faces.note(number, &face, old.as_deref(), Some(&value));
            let mut batch = Batch::new();
            batch.put(face, value);
            self.store.write(batch)?;
        }
        Ok(())
    }
}
