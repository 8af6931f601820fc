//! Changes that can be undone: an image moved, two faces merged, one split, images or a face set aside.
//!
//! **Promises.** A change is one batch with everything that belongs to it: rows, counts, decisions, and the record by
//! which it can be undone. Undoing is a change like any other and can itself be undone; it is refused, and says why, if
//! what it would restore is not there any more or something else has its place. No picture is copied, moved or removed:
//! images that are set aside wait in the log with theirs until the change is forgotten.
//!
//! **Not here.** What is done row by row (`effects`), and what is kept and for how long (`log`).

mod effects;
mod log;

use std::collections::BTreeSet;

use super::Engine;
use super::error::{EngineError, ErrorKind};
use super::records::{DatabaseRecord, FaceRecord, ImageRecord};
use crate::face::{DatabaseName, Identifier, ImageLabel, MAX_NAME_BYTES};
use crate::store::{decode, keys};
use effects::{Aside, Effects, FaceRow, Looks, Metadata, Moved};

pub use log::{ChangeInfo, ChangeKind, MovedImage};
pub(super) use log::{ChangeRecord, Kept, Log};

/// Images of one change at most.
pub(super) const MAX_IMAGES_OF_CHANGE: usize = 10_000;

/// An image where it is now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Applied {
    /// The number of the change.
    pub id: u64,
    /// What it moved.
    pub images: Vec<MovedImage>,
}

/// What a change is made of, before it is made.
struct Draft<'a> {
    engine: &'a Engine,
    database: &'a DatabaseName,
    record: DatabaseRecord,
    effects: Effects,
    /// Labels that are given in this change already.
    given: BTreeSet<(String, String)>,
}

impl Engine {
    /// Moves an image to another face of its database, which must be there. If its label is taken there, it gets a free
    /// one made of it.
    pub fn refile_image(
        &self,
        database: &DatabaseName,
        (identifier, label): (&Identifier, &ImageLabel),
        to: &Identifier,
    ) -> Result<Applied, EngineError> {
        let faces = self.write_faces();
        let mut draft = Draft::new(self, database)?;
        self.face(database, draft.number(), identifier)?;
        self.face(database, draft.number(), to)?;
        if identifier == to {
            let text = format!("'imagelabel={label}' is in 'identifier={identifier}' already");
            return Err(EngineError::new(ErrorKind::ImageExists, text));
        }
        draft.moves(identifier, label, to)?;
        self.carry_out(faces, database, ChangeKind::Move, draft.effects, None)
    }

    /// Makes two faces one: the images of the first go to the second, metadata that only the first has go with them, and
    /// the first goes.
    pub fn merge_faces(
        &self,
        database: &DatabaseName,
        identifier: &Identifier,
        into: &Identifier,
    ) -> Result<Applied, EngineError> {
        let faces = self.write_faces();
        let mut draft = Draft::new(self, database)?;
        let number = draft.number();
        let (from, to) = (self.face(database, number, identifier)?, self.face(database, number, into)?);
        if identifier == into {
            return Err(EngineError::face_exists(database, into));
        }
        let (ours, theirs): (FaceRecord, FaceRecord) = (decode(&from.0, &from.1)?, decode(&to.0, &to.1)?);
        for label in self.labels_of(number, identifier)? {
            draft.moves(identifier, &label, into)?;
        }
        let mut joined = theirs.metadata.clone();
        joined.extend(ours.metadata.iter().filter(|(key, _)| theirs.metadata.iter().all(|(k, _)| k != key)).cloned());
        joined.sort();
        if joined != theirs.metadata {
            let metadata = Metadata { identifier: into.to_string(), before: theirs.metadata, after: joined };
            draft.effects.metadata.push(metadata);
        }
        draft.effects.gone.push(FaceRow { identifier: identifier.to_string(), metadata: ours.metadata });
        draft.effects.became = Some((identifier.to_string(), into.to_string()));
        self.carry_out(faces, database, ChangeKind::Merge, draft.effects, None)
    }

    /// Makes of some images of a face a new face; at least one image stays.
    pub fn split_face(
        &self,
        database: &DatabaseName,
        identifier: &Identifier,
        labels: &BTreeSet<ImageLabel>,
        new: &Identifier,
    ) -> Result<Applied, EngineError> {
        let faces = self.write_faces();
        let mut draft = Draft::new(self, database)?;
        let number = draft.number();
        self.face(database, number, identifier)?;
        self.no_face(database, number, new)?;
        for label in labels {
            draft.moves(identifier, label, new)?;
        }
        if self.labels_of(number, identifier)?.len() == labels.len() {
            let text = format!(
                "these are all images of 'identifier={identifier}': to split it, some must stay; to rename it there is RenameFace"
            );
            return Err(EngineError::new(ErrorKind::State, text));
        }
        draft.effects.made.push(FaceRow { identifier: new.to_string(), metadata: Vec::new() });
        self.carry_out(faces, database, ChangeKind::Split, draft.effects, None)
    }

    /// Takes images out of the database so that they can be brought back: rows and pictures wait in the log.
    pub fn set_aside_images(
        &self,
        database: &DatabaseName,
        identifier: &Identifier,
        labels: &BTreeSet<ImageLabel>,
    ) -> Result<Applied, EngineError> {
        let faces = self.write_faces();
        let mut draft = Draft::new(self, database)?;
        self.face(database, draft.number(), identifier)?;
        for label in labels {
            draft.sets_aside(identifier, label)?;
        }
        self.carry_out(faces, database, ChangeKind::SetAsideImages, draft.effects, None)
    }

    /// The same with a face, its images and metadata.
    pub fn set_aside_face(&self, database: &DatabaseName, identifier: &Identifier) -> Result<Applied, EngineError> {
        let faces = self.write_faces();
        let mut draft = Draft::new(self, database)?;
        let (key, value) = self.face(database, draft.number(), identifier)?;
        let FaceRecord { metadata } = decode(&key, &value)?;
        for label in self.labels_of(draft.number(), identifier)? {
            draft.sets_aside(identifier, &label)?;
        }
        draft.effects.gone.push(FaceRow { identifier: identifier.to_string(), metadata });
        self.carry_out(faces, database, ChangeKind::SetAsideFace, draft.effects, None)
    }

    /// Undoes a change; that is a change, too.
    pub fn undo_change(&self, id: u64) -> Result<Applied, EngineError> {
        let faces = self.write_faces();
        let cannot = |why: String| EngineError::new(ErrorKind::State, format!("change {id} cannot be undone: {why}"));
        let record = self.logged(id)?;
        if let Some(by) = record.undone_by {
            return Err(cannot(format!("it was undone by change {by}; to do it again, undo that one")));
        }
        let names = self.databases()?;
        let name = names.into_iter().find(|(_, database)| database.number == record.number);
        let (name, _) = name.ok_or_else(|| cannot("its database is not there".to_owned()))?;
        let undone = self.carry_out(faces, &name, ChangeKind::Undo, record.effects.inverse(), Some(id));
        undone.map_err(|error| match error.kind() {
            ErrorKind::Storage | ErrorKind::Internal => error,
            _ => cannot(error.to_string()),
        })
    }

    /// The labels of a face, in their order.
    fn labels_of(&self, number: u64, identifier: &Identifier) -> Result<Vec<ImageLabel>, EngineError> {
        let rows = self.store.scan(&keys::images_of(number, identifier));
        rows.map(|entry| Ok(keys::image_names(&entry?.0)?.1)).collect()
    }
}

impl<'a> Draft<'a> {
    fn new(engine: &'a Engine, database: &'a DatabaseName) -> Result<Self, EngineError> {
        let record = engine.database(database)?;
        Ok(Self { engine, database, record, effects: Effects::default(), given: BTreeSet::new() })
    }

    fn number(&self) -> u64 {
        self.record.number
    }

    fn looks(&self, identifier: &Identifier, label: &ImageLabel) -> Result<Looks, EngineError> {
        let (key, value) = self.engine.image_row(self.database, self.number(), identifier, label)?;
        Ok(Looks::of(&decode::<ImageRecord>(&key, &value)?))
    }

    fn check_room(&self) -> Result<(), EngineError> {
        if self.effects.moved.len() + self.effects.aside.len() < MAX_IMAGES_OF_CHANGE {
            return Ok(());
        }
        let text =
            format!("a change that can be undone is of at most {MAX_IMAGES_OF_CHANGE} images; this one is of more");
        Err(EngineError::new(ErrorKind::Limit, text))
    }

    /// An image goes to another face.
    fn moves(&mut self, identifier: &Identifier, label: &ImageLabel, to: &Identifier) -> Result<(), EngineError> {
        self.check_room()?;
        let looks = self.looks(identifier, label)?;
        let new = self.free_label(to, label)?;
        self.given.insert((to.to_string(), new.to_string()));
        self.effects.moved.push(Moved {
            from: (identifier.to_string(), label.to_string()),
            to: (to.to_string(), new.to_string()),
            looks,
        });
        Ok(())
    }

    fn sets_aside(&mut self, identifier: &Identifier, label: &ImageLabel) -> Result<(), EngineError> {
        self.check_room()?;
        let looks = self.looks(identifier, label)?;
        let name = (identifier.to_string(), label.to_string());
        self.effects.aside.push(Aside { name, looks, held_by: 0 });
        Ok(())
    }

    /// The label itself, or `label~2`, `label~3` and so on, shortened where that is too long for a name.
    fn free_label(&self, identifier: &Identifier, label: &ImageLabel) -> Result<ImageLabel, EngineError> {
        let mut candidate = label.clone();
        for n in 2_u64.. {
            let is_given = self.given.contains(&(identifier.to_string(), candidate.to_string()));
            if !is_given && self.engine.store.get(&keys::image(self.number(), identifier, &candidate))?.is_none() {
                return Ok(candidate);
            }
            let end = format!("~{n}");
            let kept = label.as_str().floor_char_boundary(MAX_NAME_BYTES - end.len());
            candidate =
                ImageLabel::new(&format!("{}{end}", &label.as_str()[..kept])).expect("no longer than a name may be");
        }
        unreachable!("there are fewer images than numbers")
    }
}
