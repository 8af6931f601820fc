//! Databases: made, listed, renamed and removed (contract R123-R126).
//!
//! Every method checks and changes under one lock, so that what it found is still so when it writes.

use tracing::warn;

use super::Engine;
use super::change::{Change, Faces};
use super::error::EngineError;
use super::faces::ROWS_PER_BATCH;
use super::records::{DatabaseRecord, ModelRecord};
use super::view::View;
use crate::confidence::ConfidenceScale;
use crate::face::DatabaseName;
use crate::store::{Batch, StoreError, decode, keys};

/// A database, as listed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DatabaseInfo {
    /// Its name.
    pub name: DatabaseName,
    /// How many faces it has.
    pub n_faces: u64,
}

/// What becomes of the pictures that rows to be cleared refer to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pictures {
    /// They go with the rows.
    Go,
    /// Rows of another number refer to them, too.
    Stay,
}

impl Pictures {
    /// The value of a clearance that says so.
    pub(super) fn marker(self) -> Vec<u8> {
        match self {
            Self::Go => Vec::new(),
            Self::Stay => b"stay".to_vec(),
        }
    }

    /// What the value of a clearance says.
    pub(super) fn of(marker: &[u8]) -> Self {
        if marker.is_empty() { Self::Go } else { Self::Stay }
    }
}

impl Engine {
    /// Makes an empty database, bound to `model` if one is named.
    pub fn create_database(&self, name: &DatabaseName, model: Option<&str>) -> Result<(), EngineError> {
        self.check_room()?;
        let mut faces = self.write_faces();
        if self.find_database(name)?.is_some() {
            return Err(EngineError::database_exists(name));
        }
        let model = model.map(|model| self.settings.model(model)).transpose()?;
        let record = self.new_database(&mut faces, model)?;
        let key = keys::database(name);
        let mut batch = Batch::new();
        batch.record(&key, &record);
        Ok(self.store.commit(batch)?)
    }

    /// A record with a number that no rows have. Its past is empty (contract R103).
    pub(super) fn new_database(
        &self,
        faces: &mut Faces,
        model: Option<ModelRecord>,
    ) -> Result<DatabaseRecord, EngineError> {
        let number = self.unused_number()?;
        let opened = faces.opened;
        faces.views.insert(number, View::unborn(opened));
        Ok(DatabaseRecord { number, model })
    }

    /// A number under which there are no rows, nor any to be cleared; asked for with the lock held.
    pub(super) fn unused_number(&self) -> Result<u64, EngineError> {
        let mut largest = 0;
        for (_, record) in self.databases()? {
            largest = largest.max(record.number);
        }
        for entry in self.store.scan(&keys::clearances()) {
            largest = largest.max(keys::database_number(&entry?.0)?);
        }
        Ok(largest + 1)
    }

    /// The databases with their number of faces, in name order.
    pub fn list_databases(&self) -> Result<Vec<DatabaseInfo>, EngineError> {
        let _faces = self.read_faces();
        let mut list = Vec::new();
        for (name, record) in self.databases()? {
            let mut n_faces = 0;
            for entry in self.store.scan(&keys::faces(record.number)) {
                entry?;
                n_faces += 1;
            }
            list.push(DatabaseInfo { name, n_faces });
        }
        Ok(list)
    }

    /// Gives a database another name.
    pub fn rename_database(&self, name: &DatabaseName, new: &DatabaseName) -> Result<(), EngineError> {
        let _faces = self.write_faces();
        let record = self.database(name)?;
        if self.find_database(new)?.is_some() {
            return Err(EngineError::database_exists(new));
        }
        let mut batch = Batch::new();
        batch.remove(keys::database(name));
        batch.record(&keys::database(new), &record);
        Ok(self.store.commit(batch)?)
    }

    /// Removes a database with everything in it.
    pub fn remove_database(&self, name: &DatabaseName) -> Result<(), EngineError> {
        let faces = self.write_faces();
        let record = self.database(name)?;
        let mut change = Change::default();
        change.also.remove(keys::database(name));
        change.also.put(keys::clearance(record.number), Pictures::Go.marker());
        self.forget_review(&faces, &mut change, record.number)?;
        self.change_and(faces, change, |faces| faces.forget(record.number))?;
        // decided: nobody finds the rows any more, and nobody is given their number
        if let Err(error) = self.clear_database(record.number, Pictures::Go) {
            warn!(
                error = &error as &dyn std::error::Error,
                "a removed database is not cleared; the next start does it"
            );
        }
        Ok(())
    }

    /// Removes the rows of a database that is gone already, and what is kept of its pairs.
    pub(super) fn clear_database(&self, number: u64, pictures: Pictures) -> Result<(), EngineError> {
        self.remove_kept(number);
        if pictures == Pictures::Go {
            self.remove_pictures_of(&keys::images(number), |_, _| Ok(true))?;
        }
        self.remove_index(number);
        self.clear_rows_of(&[keys::images(number), keys::faces(number)], keys::clearance(number))?;
        Ok(self.store.sync()?)
    }

    /// Removes every row under these prefixes, a batch at a time; not durable by itself.
    pub(super) fn clear_rows(&self, prefixes: &[Vec<u8>]) -> Result<(), EngineError> {
        let last = self.clear_most_rows(prefixes)?;
        Ok(self.store.write(last)?)
    }

    /// The same with the marker that stands until they are gone, which goes with the last of them: whatever a power cut
    /// leaves of these batches, there is no row without the marker.
    pub(super) fn clear_rows_of(&self, prefixes: &[Vec<u8>], marker: Vec<u8>) -> Result<(), EngineError> {
        let mut last = self.clear_most_rows(prefixes)?;
        last.remove(marker);
        Ok(self.store.write(last)?)
    }

    /// Removes the rows that do not fit into one batch, and gives the batch that removes the others. What was removed
    /// before it is synced.
    fn clear_most_rows(&self, prefixes: &[Vec<u8>]) -> Result<Batch, EngineError> {
        let mut batch = Batch::new();
        let mut is_synced = true;
        for prefix in prefixes {
            for entry in self.store.scan(prefix) {
                batch.remove(entry?.0);
                if batch.len() >= ROWS_PER_BATCH {
                    self.store.write(std::mem::take(&mut batch))?;
                    is_synced = false;
                }
            }
        }
        if !is_synced {
            self.store.sync()?;
        }
        Ok(batch)
    }

    /// Sets the synchronisation point of one database, or of all.
    pub fn sync_faces(&self, name: Option<&DatabaseName>) -> Result<(), EngineError> {
        let mut faces = self.write_faces();
        let records: Vec<DatabaseRecord> = match name {
            Some(name) => vec![self.database(name)?],
            None => self.databases()?.into_iter().map(|(_, record)| record).collect(),
        };
        let now = self.clock.now();
        for record in records {
            faces.view(record.number).sync(now);
        }
        Ok(())
    }

    /// The name of the model a database is bound to.
    pub fn model_of(&self, database: &DatabaseName) -> Result<Option<String>, EngineError> {
        let _faces = self.read_faces();
        Ok(self.database(database)?.model.map(|model| model.name))
    }

    /// The confidence scale that the jobs of a database have: that of its model, otherwise that of `cosine`.
    pub fn scale_of(&self, database: &DatabaseName) -> Result<ConfidenceScale, EngineError> {
        let model = {
            let _faces = self.read_faces();
            self.database(database)?.model
        };
        model.map_or_else(|| Ok(ConfidenceScale::cosine()), |model| model.scale())
    }

    /// All databases, in name order.
    pub(super) fn databases(&self) -> Result<Vec<(DatabaseName, DatabaseRecord)>, EngineError> {
        Ok(self.read_databases()?)
    }

    /// The same, with what the store says where it fails.
    pub(super) fn read_databases(&self) -> Result<Vec<(DatabaseName, DatabaseRecord)>, StoreError> {
        self.store
            .scan(&keys::databases())
            .map(|entry| {
                let (key, value) = entry?;
                let name = keys::database_name(&key)?;
                Ok((name, decode(&key, &value)?))
            })
            .collect()
    }

    /// The record of a database, if it is there.
    pub(super) fn find_database(&self, name: &DatabaseName) -> Result<Option<DatabaseRecord>, EngineError> {
        let key = keys::database(name);
        Ok(self.store.get(&key)?.map(|value| decode(&key, &value)).transpose()?)
    }

    /// The record of a database that must be there.
    pub(super) fn database(&self, name: &DatabaseName) -> Result<DatabaseRecord, EngineError> {
        self.find_database(name)?.ok_or_else(|| EngineError::database_not_found(name))
    }
}
