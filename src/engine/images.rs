//! Images of a face: added, removed, relabelled, moved, and their pixels (contract R131-R136, R173, R177).
//!
//! Every method checks and changes under one lock, so that what it found is still so when it writes.

use std::collections::BTreeSet;

use super::Engine;
use super::change::Change;
use super::decisions::Moves;
use super::error::EngineError;
use super::faces::{bind_to_mover, generated, training};
use super::pictures::{Picture, StagedPictures};
use super::records::{DatabaseRecord, ImageRecord};
use crate::face::{DatabaseName, Embedding, Identifier, ImageLabel, ImageStatus};
use crate::store::{Entry, StoreError, decode, keys};

impl Engine {
    /// That there is such a face. For saying no before much is done; what is done later asks again.
    pub fn check_face(&self, database: &DatabaseName, identifier: &Identifier) -> Result<(), EngineError> {
        let _faces = self.read_faces();
        let number = self.database(database)?.number;
        self.face(database, number, identifier).map(|_| ())
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
        self.check_room()?;
        let faces = self.write_faces();
        let mut record = self.database(database)?;
        self.face(database, record.number, identifier)?;
        let (labels, embeddings): (Vec<_>, Vec<_>) = images.into_iter().unzip();
        let labels = self.new_labels(database, record.number, identifier, labels)?;
        let mut change = Change::default();
        for (label, embedding) in labels.iter().zip(embeddings) {
            record.model = Some(self.settings.bind(database, &record, model, embedding.dimension())?);
            let image = ImageRecord::trained(embedding.values().to_vec());
            change.put(record.number, keys::image(record.number, identifier, label), None, &image);
        }
        change.also.record(&keys::database(database), &record);
        self.change(faces, change)?;
        Ok(labels)
    }

    /// Adds pictures as untrained images, under the given labels or generated ones; returns the labels.
    ///
    /// # Panics
    /// If there are labels and not as many as pictures.
    pub fn add_pictures(
        &self,
        database: &DatabaseName,
        identifier: &Identifier,
        labels: Option<Vec<ImageLabel>>,
        mut pictures: StagedPictures<'_>,
    ) -> Result<Vec<ImageLabel>, EngineError> {
        pictures.seal()?;
        let labels = labels.map_or_else(|| vec![None; pictures.len()], |labels| labels.into_iter().map(Some).collect());
        assert_eq!(labels.len(), pictures.len(), "labels go with pictures one to one");
        let faces = self.write_faces();
        let number = self.database(database)?.number;
        self.face(database, number, identifier)?;
        let labels = self.new_labels(database, number, identifier, labels)?;
        let mut change = Change::default();
        for (label, picture) in labels.iter().zip(pictures.hand_over(&mut change.also)) {
            let image = ImageRecord::untrained(picture);
            change.put(number, keys::image(number, identifier, label), None, &image);
        }
        self.change(faces, change)?;
        Ok(labels)
    }

    /// The labels, generated where none is given; none of them is there yet, nor there twice.
    fn new_labels(
        &self,
        database: &DatabaseName,
        number: u64,
        identifier: &Identifier,
        labels: Vec<Option<ImageLabel>>,
    ) -> Result<Vec<ImageLabel>, EngineError> {
        let mut seen = BTreeSet::new();
        let mut new = Vec::with_capacity(labels.len());
        for label in labels {
            let label = match label {
                Some(label) => label,
                None => ImageLabel::new(&generated()?).expect("hexadecimal digits are a name"),
            };
            self.no_image(database, number, identifier, &label)?;
            if !seen.insert(label.clone()) {
                return Err(EngineError::image_exists(database, identifier, &label));
            }
            new.push(label);
        }
        Ok(new)
    }

    /// Removes images of a face; all of these or none.
    pub fn remove_images(
        &self,
        database: &DatabaseName,
        identifier: &Identifier,
        labels: &BTreeSet<ImageLabel>,
    ) -> Result<(), EngineError> {
        let faces = self.write_faces();
        let number = self.database(database)?.number;
        self.face(database, number, identifier)?;
        let (mut change, mut moves) = (Change::default(), Moves::default());
        for label in labels {
            moves.no_image(number, identifier, label);
            let (key, value) = self.image_row(database, number, identifier, label)?;
            if let Some(picture) = decode::<ImageRecord>(&key, &value)?.picture {
                change.drop_picture(picture.id);
            }
            change.remove(number, key, value);
        }
        change.follow(&faces.book, &moves);
        self.change(faces, change)
    }

    /// Gives an image another label.
    pub fn relabel_image(
        &self,
        database: &DatabaseName,
        identifier: &Identifier,
        label: &ImageLabel,
        new: &ImageLabel,
    ) -> Result<(), EngineError> {
        let faces = self.write_faces();
        let record = self.database(database)?;
        self.face(database, record.number, identifier)?;
        let image = self.image_row(database, record.number, identifier, label)?;
        let to = self.no_image(database, record.number, identifier, new)?;
        let mut change = Change::default();
        move_image_row(&mut change, image, &record, to, &record)?;
        let mut moves = Moves::default();
        moves.image((record.number, identifier, label), (record.number, identifier, new));
        change.follow(&faces.book, &moves);
        self.change(faces, change)
    }

    /// Moves an image to another face, which must be there, of this database or another one. To another model it goes
    /// without its training (contract R136); a database without a model takes the one that a trained image brings.
    pub fn move_image(
        &self,
        (database, identifier, label): (&DatabaseName, &Identifier, &ImageLabel),
        new_database: &DatabaseName,
        new_identifier: &Identifier,
    ) -> Result<(), EngineError> {
        let faces = self.write_faces();
        let from = self.database(database)?;
        self.face(database, from.number, identifier)?;
        let image = self.image_row(database, from.number, identifier, label)?;
        let mut to = self.database(new_database)?;
        self.face(new_database, to.number, new_identifier)?;
        let key = self.no_image(new_database, to.number, new_identifier, label)?;
        let mut change = Change::default();
        if move_image_row(&mut change, image, &from, key, &to)? == ImageStatus::Trained {
            bind_to_mover(&mut change.also, new_database, &mut to, &from);
        }
        let mut moves = Moves::default();
        moves.image((from.number, identifier, label), (to.number, new_identifier, label));
        change.follow(&faces.book, &moves);
        self.change(faces, change)
    }

    /// Drops the pixels of these images of a face, or of all, and keeps their training (contract R135).
    pub fn null_images(
        &self,
        database: &DatabaseName,
        identifier: &Identifier,
        labels: Option<&BTreeSet<ImageLabel>>,
    ) -> Result<(), EngineError> {
        let faces = self.write_faces();
        let number = self.database(database)?.number;
        self.face(database, number, identifier)?;
        let mut change = Change::default();
        let mut drop_pixels = |(key, value): Entry| -> Result<(), EngineError> {
            let image: ImageRecord = decode(&key, &value)?;
            if let Some(picture) = image.picture {
                change.drop_picture(picture.id);
                change.put(number, key, Some(value), &ImageRecord { picture: None, ..image });
            }
            Ok(())
        };
        match labels {
            Some(labels) => {
                for label in labels {
                    drop_pixels(self.image_row(database, number, identifier, label)?)?;
                }
            }
            None => {
                for entry in self.store.scan(&keys::images_of(number, identifier)) {
                    drop_pixels(entry?)?;
                }
            }
        }
        self.change(faces, change)
    }

    /// The pixels of an image, as they were given.
    pub fn picture(
        &self,
        database: &DatabaseName,
        identifier: &Identifier,
        label: &ImageLabel,
    ) -> Result<Picture, EngineError> {
        let _faces = self.read_faces(); // until the file is open nobody removes it
        let number = self.database(database)?.number;
        self.face(database, number, identifier)?;
        let (key, value) = self.image_row(database, number, identifier, label)?;
        let picture = decode::<ImageRecord>(&key, &value)?.picture;
        self.open_picture(picture.ok_or_else(|| EngineError::no_picture(database, identifier, label))?)
    }

    /// One image's status and embedding.
    pub fn image(
        &self,
        database: &DatabaseName,
        identifier: &Identifier,
        label: &ImageLabel,
    ) -> Result<(ImageStatus, Option<Embedding>), EngineError> {
        let _faces = self.read_faces();
        let number = self.database(database)?.number;
        self.face(database, number, identifier)?;
        let (key, value) = self.image_row(database, number, identifier, label)?;
        let image: ImageRecord = decode(&key, &value)?;
        Ok((image.status, image.embedding.map(|values| embedding(&key, values)).transpose()?))
    }

    /// The row of an image that must be there.
    pub(super) fn image_row(
        &self,
        database: &DatabaseName,
        number: u64,
        identifier: &Identifier,
        label: &ImageLabel,
    ) -> Result<Entry, EngineError> {
        let key = keys::image(number, identifier, label);
        match self.store.get(&key)? {
            Some(value) => Ok((key, value)),
            None => Err(EngineError::image_not_found(database, identifier, label)),
        }
    }

    /// The key of an image that must not be there.
    fn no_image(
        &self,
        database: &DatabaseName,
        number: u64,
        identifier: &Identifier,
        label: &ImageLabel,
    ) -> Result<Vec<u8>, EngineError> {
        let key = keys::image(number, identifier, label);
        match self.store.get(&key)? {
            Some(_) => Err(EngineError::image_exists(database, identifier, label)),
            None => Ok(key),
        }
    }
}

/// Moves a row; its status afterwards.
fn move_image_row(
    change: &mut Change,
    (key, value): Entry,
    from: &DatabaseRecord,
    new: Vec<u8>,
    to: &DatabaseRecord,
) -> Result<ImageStatus, EngineError> {
    let image = training(from, to).of(decode(&key, &value)?);
    change.remove(from.number, key, value);
    change.put(to.number, new, None, &image);
    Ok(image.status)
}

/// The embedding in a stored row.
pub(super) fn embedding(key: &[u8], values: Vec<f32>) -> Result<Embedding, StoreError> {
    Embedding::new(values).map_err(|error| StoreError::Damaged { key: keys::printable(key), why: error.to_string() })
}
