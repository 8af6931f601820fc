//! What a change does, row by row, in a form that can be turned round.
//!
//! **Promises.** The inverse of an inverse is the change itself. What is applied is found to be what it was when the
//! change was made, or the change is refused with the first thing that is not.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::RwLockWriteGuard;

use serde::{Deserialize, Serialize};

use super::super::Engine;
use super::super::change::{Change, Faces};
use super::super::decisions::{DecisionRecord, Moves};
use super::super::error::{EngineError, ErrorKind};
use super::super::faces::{bind_to_mover, training};
use super::super::pictures::PictureId;
use super::super::records::{DatabaseRecord, FaceRecord, ImageRecord};
use super::log::{ChangeKind, ChangeRecord, MovedImage};
use super::{Applied, MAX_IMAGES_OF_CHANGE};
use crate::face::{DatabaseName, Identifier, ImageLabel, ImageStatus};
use crate::store::{decode, keys};

/// Identifier and label.
pub(super) type Name = (String, String);

/// By what an image is known again, although it may have been trained or lost its pixels meanwhile.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Looks {
    picture: Option<PictureId>,
    /// The first bytes of the BLAKE3 of its embedding.
    embedding: Option<[u8; 16]>,
}

/// An image that goes from one name to another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Moved {
    pub(super) from: Name,
    pub(super) to: Name,
    pub(super) looks: Looks,
}

/// An image that goes into the log or comes out of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Aside {
    pub(super) name: Name,
    pub(super) looks: Looks,
    /// The change that has it.
    pub(super) held_by: u64,
}

/// A face that comes or goes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct FaceRow {
    pub(super) identifier: String,
    pub(super) metadata: Vec<(String, String)>,
}

/// What the metadata of a face become.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Metadata {
    pub(super) identifier: String,
    pub(super) before: Vec<(String, String)>,
    pub(super) after: Vec<(String, String)>,
}

/// What becomes of a decision.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Redecided {
    id: u64,
    before: Option<DecisionRecord>,
    after: Option<DecisionRecord>,
}

/// Everything that a change does to the rows of one database and what is decided of them.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(in crate::engine) struct Effects {
    pub(super) moved: Vec<Moved>,
    /// Images that go into the log.
    pub(super) aside: Vec<Aside>,
    /// Images that come out of it.
    pub(super) back: Vec<Aside>,
    pub(super) made: Vec<FaceRow>,
    pub(super) gone: Vec<FaceRow>,
    pub(super) metadata: Vec<Metadata>,
    /// A face that is another one from now on, so that what was decided of it is decided of that.
    pub(super) became: Option<(String, String)>,
    /// The same of a change that this one undoes.
    pub(super) was: Option<(String, String)>,
    pub(super) decisions: Vec<Redecided>,
}

impl Looks {
    pub(super) fn of(image: &ImageRecord) -> Self {
        let hash = |values: &Vec<f32>| {
            let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
            *blake3::hash(&bytes).as_bytes().first_chunk().expect("a hash has 32 bytes")
        };
        Self { picture: image.picture.map(|picture| picture.id), embedding: image.embedding.as_ref().map(hash) }
    }

    /// Whether it is the same image: the same picture or, where one of the two has none, the same embedding.
    fn is_of(&self, image: &ImageRecord) -> bool {
        let now = Self::of(image);
        match (self.picture, now.picture) {
            (Some(then), Some(now)) => then == now,
            _ => self.embedding == now.embedding,
        }
    }
}

impl Redecided {
    /// The same when a database has another number.
    pub(super) fn renumber(&mut self, from: u64, to: u64) {
        for record in [&mut self.before, &mut self.after].into_iter().flatten() {
            record.renumber(from, to);
        }
    }
}

impl Effects {
    /// What undoes it. What an undone merge decided of both is undone decision by decision.
    pub(super) fn inverse(&self) -> Self {
        let swapped =
            |moved: &Moved| Moved { from: moved.to.clone(), to: moved.from.clone(), looks: moved.looks.clone() };
        let other = |metadata: &Metadata| Metadata {
            identifier: metadata.identifier.clone(),
            before: metadata.after.clone(),
            after: metadata.before.clone(),
        };
        let undecided = |decision: &Redecided| Redecided {
            id: decision.id,
            before: decision.after.clone(),
            after: decision.before.clone(),
        };
        Self {
            moved: self.moved.iter().map(swapped).collect(),
            aside: self.back.clone(),
            back: self.aside.clone(),
            made: self.gone.clone(),
            gone: self.made.clone(),
            metadata: self.metadata.iter().map(other).collect(),
            became: self.was.clone(),
            was: self.became.clone(),
            decisions: self.decisions.iter().map(undecided).collect(),
        }
    }

    /// The images, for people.
    pub(super) fn images(&self) -> Vec<MovedImage> {
        let moved = self.moved.iter();
        let moved = moved.map(|moved| MovedImage { from: Some(moved.from.clone()), to: Some(moved.to.clone()) });
        let aside = self.aside.iter().map(|image| MovedImage { from: Some(image.name.clone()), to: None });
        let back = self.back.iter().map(|image| MovedImage { from: None, to: Some(image.name.clone()) });
        moved.chain(aside).chain(back).collect()
    }
}

fn conflict(text: String) -> EngineError {
    EngineError::new(ErrorKind::State, text)
}

fn names(name: &Name) -> Result<(Identifier, ImageLabel), EngineError> {
    let read = || Some((Identifier::new(&name.0).ok()?, ImageLabel::new(&name.1).ok()?));
    read().ok_or_else(|| EngineError::new(ErrorKind::Internal, "a change holds a name that is none"))
}

fn identifier(text: &str) -> Result<Identifier, EngineError> {
    Identifier::new(text)
        .map_err(|error| EngineError::caused(ErrorKind::Internal, "a change holds a name that is none", error))
}

/// That nobody has decided that two faces are not the same person.
fn not_kept_apart(faces: &Faces, number: u64, from: &str, to: &str) -> Result<(), EngineError> {
    let Some(id) = faces.book.keeps_apart(number, from, to) else { return Ok(()) };
    let text = format!(
        "decision {id} says that 'identifier={from}' and 'identifier={to}' are not the same person; if they are, remove it \
         first (RemoveDecision)"
    );
    Err(conflict(text))
}

/// A change on its way into one batch.
struct Work<'a> {
    engine: &'a Engine,
    name: &'a DatabaseName,
    database: DatabaseRecord,
    id: u64,
    change: Change,
    moves: Moves,
    /// Faces that come with it, and that go.
    made: BTreeSet<String>,
    gone: BTreeSet<String>,
    /// Images that leave their places.
    left: BTreeSet<Name>,
}

impl Engine {
    /// Does it in one batch, if everything is as it was when it was drafted, and logs it.
    pub(super) fn carry_out(
        &self,
        mut faces: RwLockWriteGuard<'_, Faces>,
        name: &DatabaseName,
        kind: ChangeKind,
        mut effects: Effects,
        undoes: Option<u64>,
    ) -> Result<Applied, EngineError> {
        let mut change = Change::default();
        let id = change.take_number(&mut faces.book);
        effects.aside.iter_mut().for_each(|image| image.held_by = id);
        let of = |rows: &[FaceRow]| rows.iter().map(|face| face.identifier.clone()).collect();
        let (made, gone) = (of(&effects.made), of(&effects.gone));
        let (moves, left) = (Moves::default(), BTreeSet::new());
        let database = self.database(name)?;
        if let Some((from, to)) = &effects.became {
            not_kept_apart(&faces, database.number, from, to)?;
        }
        let mut work = Work { engine: self, name, database, id, change, moves, made, gone, left };
        work.rows(&effects)?;
        effects.decisions = work.decisions(&faces, &effects);
        let Work { mut change, database, .. } = work;
        let n_aside = effects.aside.len() as u64;
        let surplus = faces.log.surplus(self.settings.max_changes, n_aside);
        // an image that this very change brings back is not forgotten with the change that had it
        for old in surplus.into_iter().filter(|old| Some(*old) != undoes) {
            self.forget_change(&mut change, old)?;
        }
        if let Some(undone) = undoes {
            let mut record = self.logged(undone)?;
            record.undone_by = Some(id);
            change.also.record(&keys::change(undone), &record);
            change.log(undone, Some(record.kept()));
        }
        let images = effects.images();
        let (number, model, at) = (database.number, database.model, self.clock.now().0);
        let record = ChangeRecord { number, kind, at, effects, model, undoes, undone_by: None };
        change.also.record(&keys::change(id), &record);
        change.log(id, Some(record.kept()));
        self.change(faces, change)?;
        Ok(Applied { id, images })
    }
}

impl Work<'_> {
    fn number(&self) -> u64 {
        self.database.number
    }

    fn rows(&mut self, effects: &Effects) -> Result<(), EngineError> {
        if effects.moved.len() + effects.aside.len() + effects.back.len() > MAX_IMAGES_OF_CHANGE {
            return Err(EngineError::new(ErrorKind::Limit, "a change holds more images than one may"));
        }
        if let Some((from, to)) = &effects.became {
            self.moves.face(self.number(), &identifier(from)?, (self.number(), &identifier(to)?));
        }
        effects.made.iter().try_for_each(|face| self.make(face))?;
        effects.moved.iter().try_for_each(|moved| self.move_image(moved))?;
        effects.aside.iter().try_for_each(|image| self.set_aside(image))?;
        let mut from = None;
        effects.back.iter().try_for_each(|image| self.bring_back(image, &mut from))?;
        effects.metadata.iter().try_for_each(|metadata| self.metadata(metadata))?;
        let became = effects.became.as_ref().map(|(from, _)| from);
        effects.gone.iter().try_for_each(|face| self.unmake(face, became))
    }

    fn make(&mut self, face: &FaceRow) -> Result<(), EngineError> {
        let key = self.engine.no_face(self.name, self.number(), &identifier(&face.identifier)?)?;
        self.change.put(self.database.number, key, None, &FaceRecord { metadata: face.metadata.clone() });
        Ok(())
    }

    /// A face goes that has no images any more, and no other metadata than are known of it.
    fn unmake(&mut self, face: &FaceRow, became: Option<&String>) -> Result<(), EngineError> {
        let of = identifier(&face.identifier)?;
        let (key, value) = self.engine.face(self.name, self.number(), &of)?;
        if decode::<FaceRecord>(&key, &value)?.metadata != face.metadata {
            return Err(conflict(format!("the metadata of 'identifier={of}' have changed since")));
        }
        for label in self.engine.labels_of(self.number(), &of)? {
            if !self.left.contains(&(of.to_string(), label.to_string())) {
                return Err(conflict(format!("'identifier={of}' has 'imagelabel={label}' since, and cannot go")));
            }
        }
        if became != Some(&face.identifier) {
            self.moves.no_face(self.database.number, &of);
        }
        self.change.remove(self.database.number, key, value);
        Ok(())
    }

    /// The row of an image, which is still the same image.
    fn image(&mut self, name: &Name, looks: &Looks) -> Result<(Vec<u8>, Vec<u8>, ImageRecord), EngineError> {
        let (identifier, label) = names(name)?;
        self.engine.face(self.name, self.number(), &identifier)?;
        let (key, value) = self.engine.image_row(self.name, self.number(), &identifier, &label)?;
        let record: ImageRecord = decode(&key, &value)?;
        if !looks.is_of(&record) {
            let text = format!("'imagelabel={label}' of 'identifier={identifier}' is another image since");
            return Err(conflict(text));
        }
        self.left.insert(name.clone());
        Ok((key, value, record))
    }

    /// The key of a place where an image may come to be.
    fn free(&self, name: &Name) -> Result<Vec<u8>, EngineError> {
        let (identifier, label) = names(name)?;
        if !self.made.contains(&name.0) {
            self.engine.face(self.name, self.number(), &identifier)?;
        }
        if self.gone.contains(&name.0) {
            return Err(conflict(format!("'identifier={identifier}' goes")));
        }
        let key = keys::image(self.number(), &identifier, &label);
        match self.engine.store.get(&key)? {
            Some(_) => Err(EngineError::image_exists(self.name, &identifier, &label)),
            None => Ok(key),
        }
    }

    fn move_image(&mut self, moved: &Moved) -> Result<(), EngineError> {
        let (key, value, record) = self.image(&moved.from, &moved.looks)?;
        let to = self.free(&moved.to)?;
        let number = self.number();
        let ((from, label), (into, new)) = (names(&moved.from)?, names(&moved.to)?);
        self.moves.image((number, &from, &label), (number, &into, &new));
        self.change.remove(number, key, value);
        self.change.put(number, to, None, &record);
        Ok(())
    }

    fn set_aside(&mut self, image: &Aside) -> Result<(), EngineError> {
        let (key, value, record) = self.image(&image.name, &image.looks)?;
        let (identifier, label) = names(&image.name)?;
        let number = self.number();
        self.moves.no_image(number, &identifier, &label);
        self.change.remove(number, key, value);
        self.change.also.record(&keys::aside_image(self.id, &identifier, &label), &record);
        Ok(())
    }

    /// An image comes out of the log; of another model than the database has by now, without its training.
    /// `from` stands for where all images of its change come from, once one of them has been looked at.
    fn bring_back(&mut self, image: &Aside, from: &mut Option<DatabaseRecord>) -> Result<(), EngineError> {
        let (identifier, label) = names(&image.name)?;
        let key = keys::aside_image(image.held_by, &identifier, &label);
        let value = self.engine.store.get(&key)?;
        let value = value.ok_or_else(|| conflict(format!("'imagelabel={label}' is not in the log any more")))?;
        let to = self.free(&image.name)?;
        // as from another database, which had the model of that time
        let from = match from {
            Some(from) => from,
            None => from.insert(DatabaseRecord { number: 0, model: self.engine.logged(image.held_by)?.model }),
        };
        let record = training(from, &self.database).of(decode(&key, &value)?);
        if record.status == ImageStatus::Trained {
            bind_to_mover(&mut self.change.also, self.name, &mut self.database, from);
        }
        self.change.also.remove(key);
        self.change.put(self.database.number, to, None, &record);
        Ok(())
    }

    fn metadata(&mut self, metadata: &Metadata) -> Result<(), EngineError> {
        let of = identifier(&metadata.identifier)?;
        let (key, value) = self.engine.face(self.name, self.number(), &of)?;
        if decode::<FaceRecord>(&key, &value)?.metadata != metadata.before {
            return Err(conflict(format!("the metadata of 'identifier={of}' have changed since")));
        }
        self.change.put(self.database.number, key, Some(value), &FaceRecord { metadata: metadata.after.clone() });
        Ok(())
    }

    /// Decisions follow what they are about. One that a change has altered is as before it, unless somebody has decided
    /// otherwise since. Returns what became of each.
    fn decisions(&mut self, faces: &Faces, effects: &Effects) -> Vec<Redecided> {
        let mut after: BTreeMap<u64, Option<DecisionRecord>> = faces.book.follow(&self.moves).into_iter().collect();
        for Redecided { id, before, after: restored } in &effects.decisions {
            let is_free = |record: &DecisionRecord| faces.book.twin(record).is_none_or(|(twin, _)| twin == *id);
            if faces.book.get(*id) == before.as_ref() && restored.as_ref().is_none_or(is_free) {
                after.insert(*id, restored.clone());
            }
        }
        let mut redecided = Vec::new();
        for (id, after) in after {
            let before = faces.book.get(id).cloned();
            if before != after {
                self.change.decide(id, after.clone());
                redecided.push(Redecided { id, before, after });
            }
        }
        redecided
    }
}
