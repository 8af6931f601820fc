//! A database as it was at one moment, read piece by piece while others change it.
//!
//! An export may take an hour. It holds no lock for longer than a piece takes to read; instead, what changes behind its
//! back is remembered as it was, as far as the export has not read it yet. Pictures that lose their image meanwhile stay
//! until no export is under way; their markers stand, so that a crash forgets none.
//!
//! **Promises.** The rows read are those of one moment, all of them. If the database is removed meanwhile, the next piece
//! is error 40, never a short result.

use std::collections::BTreeMap;

use super::Engine;
use super::error::EngineError;
use super::pictures::PictureId;
use super::records::{FaceRecord, ImageRecord};
use super::view::Before;
use crate::face::{DatabaseName, Identifier, ImageLabel};
use crate::store::{decode, keys};

/// Rows read under one lock.
const ROWS_PER_PIECE: usize = 256;

/// The exports that are under way.
#[derive(Debug, Default)]
pub(super) struct Snapshots {
    open: BTreeMap<u64, Open>,
    next: u64,
    /// Pictures that go when none is open any more.
    spared: Vec<PictureId>,
}

/// What is remembered for one of them.
#[derive(Debug)]
struct Open {
    number: u64,
    before: Before,
    /// The last face and the last image that were read; everything up to them is not needed any more.
    face: Vec<u8>,
    image: Vec<u8>,
    is_gone: bool,
}

impl Snapshots {
    /// Notes that a row changes.
    pub(super) fn change(&mut self, number: u64, key: &[u8], old: Option<&[u8]>, new: Option<&[u8]>) {
        for open in self.open.values_mut().filter(|open| open.number == number) {
            let read = if keys::is_image(key) { &open.image } else { &open.face };
            if key > read.as_slice() {
                open.before.change(key, old, new);
            }
        }
    }

    /// Notes that a database is removed.
    pub(super) fn remove(&mut self, number: u64) {
        for open in self.open.values_mut().filter(|open| open.number == number) {
            open.is_gone = true;
        }
    }

    /// Which of these pictures may go now.
    pub(super) fn spare(&mut self, pictures: Vec<PictureId>) -> Vec<PictureId> {
        if self.open.is_empty() {
            return pictures;
        }
        self.spared.extend(pictures);
        Vec::new()
    }
}

/// A row of the past.
#[derive(Debug)]
pub(super) enum PastRow {
    /// A face; its images follow.
    Face(Identifier, FaceRecord),
    /// An image of the face before.
    Image(ImageLabel, ImageRecord),
}

/// The images of a face while they are read.
#[derive(Debug)]
struct Images {
    prefix: Vec<u8>,
    /// The key of the last one that was read; at first the prefix.
    last: Vec<u8>,
}

/// A database as it was.
#[derive(Debug)]
pub(super) struct Snapshot<'a> {
    engine: &'a Engine,
    name: DatabaseName,
    id: u64,
    number: u64,
    /// The name of its model then.
    pub(super) model: Option<String>,
    /// The last face that was begun.
    face: Vec<u8>,
    /// Its images, if they are not all read.
    images: Option<Images>,
}

impl Engine {
    /// The database as it is now.
    pub(super) fn take_snapshot(&self, name: &DatabaseName) -> Result<Snapshot<'_>, EngineError> {
        let mut faces = self.write_faces();
        let record = self.database(name)?;
        let number = record.number;
        let snapshots = &mut faces.snapshots;
        let id = snapshots.next;
        snapshots.next += 1;
        let before = Before::default();
        snapshots.open.insert(id, Open { number, before, face: Vec::new(), image: Vec::new(), is_gone: false });
        let model = record.model.map(|model| model.name);
        Ok(Snapshot { engine: self, name: name.clone(), id, number, model, face: keys::faces(number), images: None })
    }

    /// How many faces and images it has now, for showing how far an export is.
    pub(super) fn count_rows(&self, name: &DatabaseName) -> Result<u64, EngineError> {
        let count = self.tally.count(self.database(name)?.number);
        Ok(count.faces + count.images())
    }
}

impl Snapshot<'_> {
    /// The next rows, in image order, each face before its images; none at the end.
    pub(super) fn read(&mut self) -> Result<Vec<PastRow>, EngineError> {
        let mut faces = self.engine.write_faces();
        let open = faces.snapshots.open.get_mut(&self.id).expect("it is open until this is dropped");
        if open.is_gone {
            return Err(self.gone());
        }
        let mut rows = Vec::new();
        while rows.len() < ROWS_PER_PIECE {
            let is_at_end = match self.images.take() {
                Some(images) => {
                    self.images = self.read_images(&open.before, images, &mut rows)?;
                    false
                }
                None => self.read_face(&open.before, &mut rows)?,
            };
            if is_at_end {
                break;
            }
        }
        open.face.clone_from(&self.face);
        if let Some(Images { last, .. }) = &self.images {
            open.image.clone_from(last);
        }
        Ok(rows)
    }

    /// Whether the database has been removed; then its pictures go too.
    pub(super) fn is_gone(&self) -> bool {
        let faces = self.engine.read_faces();
        faces.snapshots.open.get(&self.id).is_some_and(|open| open.is_gone)
    }

    /// That the database has been removed.
    pub(super) fn gone(&self) -> EngineError {
        EngineError::database_not_found(&self.name)
    }

    /// Reads the next face; true if there is none.
    fn read_face(&mut self, before: &Before, rows: &mut Vec<PastRow>) -> Result<bool, EngineError> {
        let prefix = keys::faces(self.number);
        let present = self.engine.store.scan_behind(&prefix, &self.face);
        let Some(entry) = before.behind(&prefix, &self.face, present).next() else { return Ok(true) };
        let (key, value) = entry?;
        let identifier = keys::face_identifier(&key)?;
        let images = keys::images_of(self.number, &identifier);
        rows.push(PastRow::Face(identifier, decode(&key, &value)?));
        self.face = key;
        self.images = Some(Images { last: images.clone(), prefix: images });
        Ok(false)
    }

    /// Reads images of the face; what is left of them, if the piece is full.
    fn read_images(
        &self,
        before: &Before,
        Images { prefix, mut last }: Images,
        rows: &mut Vec<PastRow>,
    ) -> Result<Option<Images>, EngineError> {
        let present = self.engine.store.scan_behind(&prefix, &last);
        for entry in before.behind(&prefix, &last.clone(), present) {
            let (key, value) = entry?;
            let (_, label) = keys::image_names(&key)?;
            rows.push(PastRow::Image(label, decode(&key, &value)?));
            last = key;
            if rows.len() >= ROWS_PER_PIECE {
                return Ok(Some(Images { prefix, last }));
            }
        }
        Ok(None)
    }
}

impl Drop for Snapshot<'_> {
    fn drop(&mut self) {
        self.engine.close_snapshot(self.id);
    }
}

/// While it is there, pictures that lose their image stay where they are.
pub(super) struct Spared<'a> {
    engine: &'a Engine,
    id: u64,
}

impl Drop for Spared<'_> {
    fn drop(&mut self) {
        self.engine.close_snapshot(self.id);
    }
}

impl Engine {
    /// Keeps pictures from going, of all databases; those of a database that is removed go all the same.
    pub(super) fn spare_pictures(&self) -> Spared<'_> {
        const NO_DATABASE: u64 = 0;
        let mut faces = self.write_faces();
        let snapshots = &mut faces.snapshots;
        let id = snapshots.next;
        snapshots.next += 1;
        let (before, face, image) = (Before::default(), Vec::new(), Vec::new());
        snapshots.open.insert(id, Open { number: NO_DATABASE, before, face, image, is_gone: false });
        Spared { engine: self, id }
    }

    fn close_snapshot(&self, id: u64) {
        let mut faces = self.write_faces();
        faces.snapshots.open.remove(&id);
        let may_go =
            if faces.snapshots.open.is_empty() { std::mem::take(&mut faces.snapshots.spared) } else { Vec::new() };
        drop(faces);
        if !std::thread::panicking() {
            self.forget_pictures(&may_go);
        }
    }
}
