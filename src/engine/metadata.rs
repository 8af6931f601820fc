//! The metadata of faces: keys and values that clients add, update and remove.

use std::collections::BTreeMap;

use super::Engine;
use super::change::Change;
use super::error::EngineError;
use super::records::FaceRecord;
use crate::face::{DatabaseName, Identifier};
use crate::store::decode;

/// What becomes of a key of a face's metadata.
#[derive(Debug, Clone, Copy)]
enum Metadata<'a> {
    Add(&'a str),
    Update(&'a str),
    Remove,
}

impl Engine {
    /// Adds a key to the metadata of a face. Key and value are names (contract R13), which the caller has checked.
    pub fn add_metadata(
        &self,
        database: &DatabaseName,
        identifier: &Identifier,
        key: &str,
        value: &str,
    ) -> Result<(), EngineError> {
        self.change_metadata(database, identifier, key, Metadata::Add(value))
    }

    /// Gives a key of the metadata of a face another value.
    pub fn update_metadata(
        &self,
        database: &DatabaseName,
        identifier: &Identifier,
        key: &str,
        value: &str,
    ) -> Result<(), EngineError> {
        self.change_metadata(database, identifier, key, Metadata::Update(value))
    }

    /// Removes a key from the metadata of a face.
    pub fn remove_metadata(
        &self,
        database: &DatabaseName,
        identifier: &Identifier,
        key: &str,
    ) -> Result<(), EngineError> {
        self.change_metadata(database, identifier, key, Metadata::Remove)
    }

    fn change_metadata(
        &self,
        database: &DatabaseName,
        identifier: &Identifier,
        key: &str,
        how: Metadata<'_>,
    ) -> Result<(), EngineError> {
        if !matches!(how, Metadata::Remove) {
            self.check_room()?;
        }
        let faces = self.write_faces();
        let number = self.database(database)?.number;
        let (row, old) = self.face(database, number, identifier)?;
        let record: FaceRecord = decode(&row, &old)?;
        let mut metadata: BTreeMap<String, String> = record.metadata.into_iter().collect();
        match (how, metadata.contains_key(key)) {
            (Metadata::Add(_), true) => return Err(EngineError::metadata_key_exists(database, identifier, key)),
            (Metadata::Update(_) | Metadata::Remove, false) => {
                return Err(EngineError::metadata_key_not_found(database, identifier, key));
            }
            (Metadata::Add(value) | Metadata::Update(value), _) => {
                metadata.insert(key.to_owned(), value.to_owned());
            }
            (Metadata::Remove, true) => {
                metadata.remove(key);
            }
        }
        let mut change = Change::default();
        change.put(number, row, Some(old), &FaceRecord { metadata: metadata.into_iter().collect() });
        self.change(faces, change)
    }
}
