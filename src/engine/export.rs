//! A database into a file, for the command line; it appears whole or not at all (contract R175).

use std::path::Path;

use super::Engine;
use super::error::{EngineError, ErrorKind};
use super::faces::embedding;
use super::records::{FaceRecord, ImageRecord};
use crate::exchange::{ExchangeError, Format, Record, Writer};
use crate::face::{DatabaseName, Identifier};
use crate::store::{decode, keys};

impl Engine {
    /// Writes all images of a database, in image order; returns how many there are in the file. Nothing changes the
    /// database meanwhile. `observe` is told the number written so far.
    pub fn export(
        &self,
        database: &DatabaseName,
        path: &Path,
        format: Format,
        observe: &mut dyn FnMut(u64),
    ) -> Result<u64, EngineError> {
        let _faces = self.read_faces();
        let record = self.database(database)?;
        let model = record.model.map(|model| model.name);
        let mut writer = Writer::create(path, format, None).map_err(unwritable)?;
        let mut face: Option<Identifier> = None;
        for (row, entry) in (1..).zip(self.store.scan(&keys::images(record.number))) {
            let (key, value) = entry?;
            let image: ImageRecord = decode(&key, &value)?;
            let (identifier, label) = keys::image_names(&key)?;
            let is_first = face.as_ref() != Some(&identifier);
            let metadata = if is_first { self.metadata(record.number, &identifier)? } else { Vec::new() };
            face = Some(identifier.clone());
            let embedding = image.embedding.map(|values| embedding(&key, values)).transpose()?;
            let model = embedding.as_ref().and_then(|_| model.clone());
            let record = Record { row, identifier, label, status: image.status, model, embedding, metadata };
            writer.push(&record).map_err(unwritable)?;
            observe(row);
        }
        writer.finish().map_err(unwritable)
    }

    fn metadata(&self, number: u64, identifier: &Identifier) -> Result<Vec<(String, String)>, EngineError> {
        let key = keys::face(number, identifier);
        Ok(self
            .store
            .get(&key)?
            .map(|value| decode::<FaceRecord>(&key, &value))
            .transpose()?
            .unwrap_or_default()
            .metadata)
    }
}

fn unwritable(error: ExchangeError) -> EngineError {
    EngineError::caused(ErrorKind::FileNotAccessible, error.to_string(), error)
}
