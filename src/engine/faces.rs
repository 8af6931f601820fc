//! Databases, faces and images: what clients do with them directly (contract chapter 7).
//!
//! Every method checks and changes under one lock, so that what it found is still so when it writes.

use std::collections::{BTreeMap, BTreeSet};

use tracing::warn;

use super::error::EngineError;
use super::records::{DatabaseRecord, FaceRecord, ImageRecord};
use super::view::View;
use super::{Engine, ErrorKind};
use crate::face::{DatabaseName, Embedding, Identifier, ImageLabel, ImageStatus};
use crate::job::Timestamp;
use crate::store::{Batch, StoreError, decode, encode, keys};

/// Rows changed in one batch when there are many.
pub(super) const ROWS_PER_BATCH: usize = 1_000;

/// What is known of the databases beside the store.
#[derive(Debug)]
pub(super) struct Faces {
    /// The past of each database, by its number; a database that is not here was last synchronised at `opened`.
    pub(super) views: BTreeMap<u64, View>,
    /// When the engine was opened.
    pub(super) opened: Timestamp,
}

impl Faces {
    /// The view of a database.
    pub(super) fn view(&mut self, number: u64) -> &mut View {
        let opened = self.opened;
        self.views.entry(number).or_insert_with(|| View::new(opened))
    }
}

/// A database, as listed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DatabaseInfo {
    /// Its name.
    pub name: DatabaseName,
    /// How many faces it has.
    pub n_faces: u64,
}

/// An image, as listed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageInfo {
    /// Its label.
    pub label: ImageLabel,
    /// Its training.
    pub status: ImageStatus,
}

/// A face, as listed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FaceInfo {
    /// Its identifier.
    pub identifier: Identifier,
    /// Its images, in label order.
    pub images: Vec<ImageInfo>,
    /// Pairs of key and value, in key order.
    pub metadata: Vec<(String, String)>,
}

impl FaceInfo {
    /// How many of its images have this status.
    pub fn count(&self, status: ImageStatus) -> usize {
        self.images.iter().filter(|image| image.status == status).count()
    }
}

/// Faces listed in one step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FacePage {
    /// The number of the database; another database of the same name has another.
    pub database: u64,
    /// The faces, in identifier order.
    pub faces: Vec<FaceInfo>,
}

/// Where a listing of faces begins.
#[derive(Debug, Clone, Copy)]
pub enum ListFrom<'a> {
    /// After so many faces.
    Skip(u64),
    /// Behind this face.
    After(&'a Identifier),
}

/// 32 lower-case hexadecimal digits (contract R128).
fn generated() -> Result<String, EngineError> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes)
        .map_err(|error| EngineError::new(ErrorKind::Internal, format!("the system has no random numbers: {error}")))?;
    Ok(format!("{:032x}", u128::from_be_bytes(bytes)))
}

impl Engine {
    /// Makes an empty database, bound to `model` if one is named.
    pub fn create_database(&self, name: &DatabaseName, model: Option<&str>) -> Result<(), EngineError> {
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
        model: Option<super::records::ModelRecord>,
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

    /// Removes a database with everything in it.
    pub fn remove_database(&self, name: &DatabaseName) -> Result<(), EngineError> {
        let mut faces = self.write_faces();
        let record = self.database(name)?;
        let mut batch = Batch::new();
        batch.remove(keys::database(name));
        batch.put(keys::clearance(record.number), Vec::new());
        self.store.commit(batch)?;
        faces.views.remove(&record.number);
        drop(faces); // decided: nobody finds the rows any more, and nobody is given their number
        if let Err(error) = self.clear_database(record.number) {
            warn!(
                error = &error as &dyn std::error::Error,
                "a removed database is not cleared; the next start does it"
            );
        }
        Ok(())
    }

    /// Removes the rows of a database that is gone already, and what is kept of its pairs.
    pub(super) fn clear_database(&self, number: u64) -> Result<(), EngineError> {
        self.remove_kept(number);
        self.clear_rows(&[keys::images(number), keys::faces(number)])?;
        self.remove_index(number);
        let mut batch = Batch::new();
        batch.remove(keys::clearance(number));
        Ok(self.store.commit(batch)?)
    }

    /// Removes every row under these prefixes, a batch at a time; not durable by itself.
    pub(super) fn clear_rows(&self, prefixes: &[Vec<u8>]) -> Result<(), EngineError> {
        let mut batch = Batch::new();
        for prefix in prefixes {
            for entry in self.store.scan(prefix) {
                batch.remove(entry?.0);
                if batch.len() >= ROWS_PER_BATCH {
                    self.store.write(std::mem::take(&mut batch))?;
                }
            }
        }
        Ok(self.store.write(batch)?)
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

    /// Makes a face without images; its identifier is generated if none is given.
    pub fn new_face(
        &self,
        database: &DatabaseName,
        identifier: Option<&Identifier>,
    ) -> Result<Identifier, EngineError> {
        let _faces = self.write_faces();
        let number = self.database(database)?.number;
        let identifier = match identifier {
            Some(identifier) => identifier.clone(),
            None => Identifier::new(&generated()?).expect("hexadecimal digits are a name"),
        };
        let key = keys::face(number, &identifier);
        if self.store.get(&key)?.is_some() {
            return Err(EngineError::face_exists(database, &identifier));
        }
        let mut batch = Batch::new();
        batch.record(&key, &FaceRecord::default());
        self.store.commit(batch)?;
        Ok(identifier)
    }

    /// Removes a face with its images and metadata.
    pub fn remove_face(&self, database: &DatabaseName, identifier: &Identifier) -> Result<(), EngineError> {
        let mut faces = self.write_faces();
        let number = self.database(database)?.number;
        let key = self.face(database, number, identifier)?;
        let rows = self.store.scan(&keys::images_of(number, identifier)).collect::<Result<Vec<_>, _>>()?;
        let mut batch = Batch::new();
        batch.remove(key);
        for (key, _) in &rows {
            batch.remove(&key[..]);
        }
        self.store.commit(batch)?;
        for (key, value) in &rows {
            faces.view(number).change(key, Some(value), None);
        }
        Ok(())
    }

    /// Adds images that are embeddings already, under the given labels or generated ones; returns the labels.
    ///
    /// The first embedding binds the database to `model`, or to `cosine` if none is named (contract R108).
    pub fn add_embeddings(
        &self,
        database: &DatabaseName,
        identifier: &Identifier,
        images: Vec<(Option<ImageLabel>, Embedding)>,
        model: Option<&str>,
    ) -> Result<Vec<ImageLabel>, EngineError> {
        let mut faces = self.write_faces();
        let mut record = self.database(database)?;
        self.face(database, record.number, identifier)?;
        let mut batch = Batch::new();
        let mut rows = Vec::new();
        let mut labels = Vec::new();
        let mut seen = BTreeSet::new();
        for (label, embedding) in images {
            let label = match label {
                Some(label) => label,
                None => ImageLabel::new(&generated()?).expect("hexadecimal digits are a name"),
            };
            let key = keys::image(record.number, identifier, &label);
            if self.store.get(&key)?.is_some() || !seen.insert(label.clone()) {
                return Err(EngineError::image_exists(database, identifier, &label));
            }
            record.model = Some(self.settings.bind(database, &record, model, embedding.dimension())?);
            let image = ImageRecord { status: ImageStatus::Trained, embedding: Some(embedding.values().to_vec()) };
            let value = encode(&key, &image);
            batch.put(&key[..], value.clone());
            rows.push((key, value));
            labels.push(label);
        }
        let key = keys::database(database);
        batch.record(&key, &record);
        self.store.commit(batch)?;
        for (key, value) in &rows {
            faces.view(record.number).change(key, None, Some(value));
        }
        Ok(labels)
    }

    /// At most `limit` faces of a database, in identifier order.
    pub fn list_faces(
        &self,
        database: &DatabaseName,
        from: ListFrom<'_>,
        limit: usize,
    ) -> Result<FacePage, EngineError> {
        let _faces = self.read_faces();
        let number = self.database(database)?.number;
        let mut skip = 0;
        let mut scan = match from {
            ListFrom::Skip(n) => {
                skip = n;
                self.store.scan(&keys::faces(number))
            }
            ListFrom::After(identifier) => {
                self.store.scan_behind(&keys::faces(number), &keys::face(number, identifier))
            }
        };
        while skip > 0 && scan.next().transpose()?.is_some() {
            skip -= 1;
        }
        let faces = scan.take(limit).map(|entry| self.face_info(number, entry?));
        Ok(FacePage { database: number, faces: faces.collect::<Result<_, _>>()? })
    }

    /// The face of that identifier.
    pub fn show_face(&self, database: &DatabaseName, identifier: &Identifier) -> Result<FaceInfo, EngineError> {
        let _faces = self.read_faces();
        let number = self.database(database)?.number;
        let key = self.face(database, number, identifier)?;
        let value = self.store.get(&key)?.ok_or_else(|| EngineError::face_not_found(database, identifier))?;
        self.face_info(number, (key, value))
    }

    fn face_info(&self, number: u64, (key, value): (Vec<u8>, Vec<u8>)) -> Result<FaceInfo, EngineError> {
        let identifier = keys::face_identifier(&key)?;
        let FaceRecord { metadata } = decode(&key, &value)?;
        let mut images = Vec::new();
        for entry in self.store.scan(&keys::images_of(number, &identifier)) {
            let (key, value) = entry?;
            let (_, label) = keys::image_names(&key)?;
            images.push(ImageInfo { label, status: decode::<ImageRecord>(&key, &value)?.status });
        }
        Ok(FaceInfo { identifier, images, metadata })
    }

    /// One image's status and embedding, for an export.
    pub fn image(
        &self,
        database: &DatabaseName,
        identifier: &Identifier,
        label: &ImageLabel,
    ) -> Result<(ImageStatus, Option<Embedding>), EngineError> {
        let _faces = self.read_faces();
        let number = self.database(database)?.number;
        self.face(database, number, identifier)?;
        let key = keys::image(number, identifier, label);
        let value = self.store.get(&key)?.ok_or_else(|| EngineError::image_not_found(database, identifier, label))?;
        let image: ImageRecord = decode(&key, &value)?;
        Ok((image.status, image.embedding.map(|values| embedding(&key, values)).transpose()?))
    }

    /// The name of the model a database is bound to.
    pub fn model_of(&self, database: &DatabaseName) -> Result<Option<String>, EngineError> {
        let _faces = self.read_faces();
        Ok(self.database(database)?.model.map(|model| model.name))
    }

    /// All databases, in name order.
    pub(super) fn databases(&self) -> Result<Vec<(DatabaseName, DatabaseRecord)>, EngineError> {
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

    /// The key of a face that must be there.
    fn face(&self, database: &DatabaseName, number: u64, identifier: &Identifier) -> Result<Vec<u8>, EngineError> {
        let key = keys::face(number, identifier);
        match self.store.get(&key)? {
            Some(_) => Ok(key),
            None => Err(EngineError::face_not_found(database, identifier)),
        }
    }
}

/// The embedding in a stored row.
pub(super) fn embedding(key: &[u8], values: Vec<f32>) -> Result<Embedding, StoreError> {
    Embedding::new(values).map_err(|error| StoreError::Damaged { key: keys::printable(key), why: error.to_string() })
}
