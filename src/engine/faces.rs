//! Faces: what clients do with them directly (contract R127-R130, R136).
//!
//! Every method checks and changes under one lock, so that what it found is still so when it writes. A face with all its
//! images moves in one batch: nobody sees half of it.

use super::Engine;
use super::change::Change;
use super::decisions::Moves;
use super::error::{EngineError, ErrorKind};
use super::records::{DatabaseRecord, FaceRecord, ImageRecord};
use super::verdict::{ImageFacts, Verdict};
use crate::face::{DatabaseName, FailReason, Identifier, ImageLabel, ImageStatus};
use crate::store::{Batch, Entry, decode, keys};

/// Rows changed in one batch when there are many.
pub(super) const ROWS_PER_BATCH: usize = 1_000;

/// Images after which a page of faces ends, so that a page of large faces fits into memory.
const IMAGES_PER_PAGE: usize = 10_000;

/// An image, as listed.
#[derive(Debug, Clone, PartialEq)]
pub struct ImageInfo {
    /// Its label.
    pub label: ImageLabel,
    /// Its training.
    pub status: ImageStatus,
    /// Why it failed, if it did and that is known.
    pub reason: Option<FailReason>,
    /// The values and limits behind the reason.
    pub detail: Option<String>,
    /// What was measured of its face, if it was trained from a picture.
    pub facts: Option<Box<ImageFacts>>,
    /// Whether there are pixels.
    pub has_picture: bool,
}

/// A face, as listed.
#[derive(Debug, Clone, PartialEq)]
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
#[derive(Debug, Clone, PartialEq)]
pub struct FacePage {
    /// The number of the database; another database of the same name has another.
    pub database: u64,
    /// The faces, in identifier order; none only behind the last.
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

/// What becomes of the training of images that move to another database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Training {
    Kept,
    Lost,
}

/// So many random bits that they are given only once.
pub(super) fn random() -> Result<[u8; 16], EngineError> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes)
        .map_err(|error| EngineError::new(ErrorKind::Internal, format!("the system has no random numbers: {error}")))?;
    Ok(bytes)
}

/// 32 lower-case hexadecimal digits (contract R128).
pub(super) fn generated() -> Result<String, EngineError> {
    Ok(format!("{:032x}", u128::from_be_bytes(random()?)))
}

impl Engine {
    /// Makes a face without images; its identifier is generated if none is given.
    pub fn new_face(
        &self,
        database: &DatabaseName,
        identifier: Option<&Identifier>,
    ) -> Result<Identifier, EngineError> {
        self.check_room()?;
        let faces = self.write_faces();
        let number = self.database(database)?.number;
        let identifier = match identifier {
            Some(identifier) => identifier.clone(),
            None => Identifier::new(&generated()?).expect("hexadecimal digits are a name"),
        };
        let key = self.no_face(database, number, &identifier)?;
        let mut change = Change::default();
        change.put(number, key, None, &FaceRecord::default());
        self.change(faces, change)?;
        Ok(identifier)
    }

    /// Removes a face with its images and metadata.
    pub fn remove_face(&self, database: &DatabaseName, identifier: &Identifier) -> Result<(), EngineError> {
        let faces = self.write_faces();
        let number = self.database(database)?.number;
        let (key, value) = self.face(database, number, identifier)?;
        let mut change = Change::default();
        change.remove(number, key, value);
        for entry in self.store.scan(&keys::images_of(number, identifier)) {
            let (key, value) = entry?;
            if let Some(picture) = decode::<ImageRecord>(&key, &value)?.picture {
                change.drop_picture(picture.id);
            }
            change.remove(number, key, value);
        }
        let mut moves = Moves::default();
        moves.no_face(number, identifier);
        change.follow(&faces.book, &moves);
        self.change(faces, change)
    }

    /// Gives a face another identifier.
    pub fn rename_face(
        &self,
        database: &DatabaseName,
        identifier: &Identifier,
        new: &Identifier,
    ) -> Result<(), EngineError> {
        let faces = self.write_faces();
        let number = self.database(database)?.number;
        let face = self.face(database, number, identifier)?;
        let to = self.no_face(database, number, new)?;
        let mut change = Change::default();
        move_face_row(&mut change, number, face, number, to)?;
        for entry in self.store.scan(&keys::images_of(number, identifier)) {
            let (key, value) = entry?;
            let (_, label) = keys::image_names(&key)?;
            let image: ImageRecord = decode(&key, &value)?;
            change.remove(number, key, value);
            change.put(number, keys::image(number, new, &label), None, &image);
        }
        let mut moves = Moves::default();
        moves.face(number, identifier, (number, new));
        change.follow(&faces.book, &moves);
        self.change(faces, change)
    }

    /// Moves a face to another database with its images and metadata. Between models the images lose their training
    /// (contract R136); a database without a model takes the one that trained images bring.
    pub fn move_face(
        &self,
        database: &DatabaseName,
        identifier: &Identifier,
        new_database: &DatabaseName,
    ) -> Result<(), EngineError> {
        let faces = self.write_faces();
        let from = self.database(database)?;
        let face = self.face(database, from.number, identifier)?;
        let mut to = self.database(new_database)?;
        let new_face = self.no_face(new_database, to.number, identifier)?;
        let mut change = Change::default();
        move_face_row(&mut change, from.number, face, to.number, new_face)?;
        let training = training(&from, &to);
        let mut n_trained = 0;
        for entry in self.store.scan(&keys::images_of(from.number, identifier)) {
            let (key, value) = entry?;
            let (_, label) = keys::image_names(&key)?;
            let image = training.of(decode(&key, &value)?);
            n_trained += usize::from(image.status == ImageStatus::Trained);
            change.remove(from.number, key, value);
            change.put(to.number, keys::image(to.number, identifier, &label), None, &image);
        }
        let mut moves = Moves::default();
        moves.face(from.number, identifier, (to.number, identifier));
        change.follow(&faces.book, &moves);
        if n_trained > 0 {
            bind_to_mover(&mut change.also, new_database, &mut to, &from);
        }
        self.change(faces, change)
    }

    /// At most `limit` faces of a database, in identifier order; fewer if they have very many images.
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
        let (mut faces, mut n_images) = (Vec::new(), 0);
        for entry in scan.take(limit) {
            let face = self.face_info(number, entry?)?;
            n_images += face.images.len();
            faces.push(face);
            if n_images >= IMAGES_PER_PAGE {
                break;
            }
        }
        Ok(FacePage { database: number, faces })
    }

    /// The face of that identifier.
    pub fn show_face(&self, database: &DatabaseName, identifier: &Identifier) -> Result<FaceInfo, EngineError> {
        let _faces = self.read_faces();
        let number = self.database(database)?.number;
        self.face_info(number, self.face(database, number, identifier)?)
    }

    fn face_info(&self, number: u64, (key, value): Entry) -> Result<FaceInfo, EngineError> {
        let identifier = keys::face_identifier(&key)?;
        let FaceRecord { metadata } = decode(&key, &value)?;
        let mut images = Vec::new();
        for entry in self.store.scan(&keys::images_of(number, &identifier)) {
            let (key, value) = entry?;
            let (_, label) = keys::image_names(&key)?;
            let ImageRecord { status, verdict, picture, .. } = decode(&key, &value)?;
            let reason = verdict.reason();
            let (detail, facts) = verdict.told();
            images.push(ImageInfo { label, status, reason, detail, facts, has_picture: picture.is_some() });
        }
        Ok(FaceInfo { identifier, images, metadata })
    }

    /// The row of a face that must be there.
    pub(super) fn face(
        &self,
        database: &DatabaseName,
        number: u64,
        identifier: &Identifier,
    ) -> Result<Entry, EngineError> {
        let key = keys::face(number, identifier);
        match self.store.get(&key)? {
            Some(value) => Ok((key, value)),
            None => Err(EngineError::face_not_found(database, identifier)),
        }
    }

    /// The key of a face that must not be there.
    pub(super) fn no_face(
        &self,
        database: &DatabaseName,
        number: u64,
        identifier: &Identifier,
    ) -> Result<Vec<u8>, EngineError> {
        let key = keys::face(number, identifier);
        match self.store.get(&key)? {
            Some(_) => Err(EngineError::face_exists(database, identifier)),
            None => Ok(key),
        }
    }
}

/// The row of a face goes and comes under another key.
fn move_face_row(
    change: &mut Change,
    from: u64,
    (key, value): Entry,
    to: u64,
    new: Vec<u8>,
) -> Result<(), EngineError> {
    let record: FaceRecord = decode(&key, &value)?;
    change.remove(from, key, value);
    change.put(to, new, None, &record);
    Ok(())
}

/// What becomes of the training of images that move from one database to another: it stays within one model, and where
/// there was none (contract R136).
pub(super) fn training(from: &DatabaseRecord, to: &DatabaseRecord) -> Training {
    let is_kept = from.number == to.number
        || match (&from.model, &to.model) {
            (_, None) => true,
            (None, Some(_)) => false,
            (Some(from), Some(to)) => {
                let is_same = match (from.fingerprint, to.fingerprint) {
                    (Some(from), Some(to)) => from == to,
                    _ => true, // embeddings from elsewhere go by the name
                };
                from.name == to.name && is_same && (to.dimension.is_none() || to.dimension == from.dimension)
            }
        };
    if is_kept { Training::Kept } else { Training::Lost }
}

impl Training {
    /// The image as it is in the other database.
    pub(super) fn of(self, image: ImageRecord) -> ImageRecord {
        match self {
            Self::Kept => image,
            Self::Lost => {
                ImageRecord { status: ImageStatus::Untrained, embedding: None, verdict: Verdict::Unknown, ..image }
            }
        }
    }
}

/// Binds a database to the model of the trained images that move there, if it is not bound yet (contract R125).
pub(super) fn bind_to_mover(batch: &mut Batch, name: &DatabaseName, to: &mut DatabaseRecord, from: &DatabaseRecord) {
    if to.number == from.number {
        return;
    }
    let before = to.model.clone();
    match (&mut to.model, &from.model) {
        (Some(to), Some(from)) => {
            to.dimension = to.dimension.or(from.dimension);
            to.fingerprint = to.fingerprint.or(from.fingerprint);
        }
        (to, from) => to.clone_from(from),
    }
    if to.model != before {
        batch.record(&keys::database(name), to);
    }
}
