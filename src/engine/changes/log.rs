//! The log of changes: what is kept of each, for how long, and what clients see of it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::super::Engine;
use super::super::change::Change;
use super::super::error::{EngineError, ErrorKind};
use super::super::records::{ImageRecord, ModelRecord};
use super::effects::Effects;
use crate::face::DatabaseName;
use crate::job::Timestamp;
use crate::store::{StoreError, decode, keys};

/// Images that all changes together may have set aside; beyond it the oldest changes are forgotten.
pub(super) const MAX_ASIDE: u64 = 100_000;

/// What was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum ChangeKind {
    /// An image went to another face.
    Move,
    /// Two faces became one.
    Merge,
    /// Images of a face became a new one.
    Split,
    /// Images were set aside.
    SetAsideImages,
    /// A face was set aside.
    SetAsideFace,
    /// Another change was undone.
    Undo,
}

impl ChangeKind {
    /// Its name, as clients know it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Move => "move",
            Self::Merge => "merge",
            Self::Split => "split",
            Self::SetAsideImages => "setasideimages",
            Self::SetAsideFace => "setasideface",
            Self::Undo => "undo",
        }
    }
}

/// An image that a change has moved, set aside or brought back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MovedImage {
    /// Face and label before; none if it was set aside then.
    pub from: Option<(String, String)>,
    /// The same behind the change; none if it is set aside.
    pub to: Option<(String, String)>,
}

/// A change, as listed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChangeInfo {
    /// Its number.
    pub id: u64,
    /// What was done.
    pub kind: ChangeKind,
    /// When.
    pub at: Timestamp,
    /// Its database.
    pub database: DatabaseName,
    /// The images.
    pub images: Vec<MovedImage>,
    /// The face that came into being, if one did.
    pub made: Option<String>,
    /// The face that went, if one did.
    pub gone: Option<String>,
    /// The change that it undid.
    pub undoes: Option<u64>,
    /// The change that has undone it.
    pub undone_by: Option<u64>,
}

/// A change, as it is kept.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(in crate::engine) struct ChangeRecord {
    /// The number of the database.
    pub(in crate::engine) number: u64,
    pub(super) kind: ChangeKind,
    /// Microseconds since 1970.
    pub(super) at: i64,
    pub(super) effects: Effects,
    /// What the database was bound to: images that it has set aside were trained by that.
    pub(super) model: Option<ModelRecord>,
    pub(super) undoes: Option<u64>,
    pub(super) undone_by: Option<u64>,
}

/// What is known of each change without reading its record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::engine) struct Kept {
    pub(super) number: u64,
    pub(super) n_aside: u64,
}

/// The changes that can be undone.
#[derive(Debug, Default)]
pub(in crate::engine) struct Log(BTreeMap<u64, Kept>);

impl Log {
    /// Notes what is on the disk by now.
    pub(in crate::engine) fn set(&mut self, id: u64, kept: Option<Kept>) {
        match kept {
            Some(kept) => self.0.insert(id, kept),
            None => self.0.remove(&id),
        };
    }

    fn of_database(&self, number: u64) -> Vec<u64> {
        self.0.iter().filter(|(_, kept)| kept.number == number).map(|(&id, _)| id).collect()
    }

    /// Which are too many when one comes that sets aside so many images, the oldest first.
    pub(super) fn surplus(&self, most: usize, n_aside: u64) -> Vec<u64> {
        let mut n = self.0.len() + 1;
        let mut aside = self.0.values().map(|kept| kept.n_aside).sum::<u64>() + n_aside;
        let mut surplus = Vec::new();
        for (&id, kept) in &self.0 {
            let is_needed_room = aside > MAX_ASIDE && kept.n_aside > 0;
            if n > most || is_needed_room {
                n -= 1;
                aside -= kept.n_aside;
                surplus.push(id);
            }
        }
        surplus
    }
}

impl ChangeRecord {
    /// What is known of it in memory. What one that was undone had set aside has come back.
    pub(in crate::engine) fn kept(&self) -> Kept {
        let n_aside = if self.undone_by.is_some() { 0 } else { self.effects.aside.len() as u64 };
        Kept { number: self.number, n_aside }
    }
}

impl Engine {
    /// The record of a change that must be there.
    pub(super) fn logged(&self, id: u64) -> Result<ChangeRecord, EngineError> {
        let key = keys::change(id);
        match self.store.get(&key)? {
            Some(value) => Ok(decode(&key, &value)?),
            None => {
                let text = format!("'id={id}' is no change that can be undone, or was forgotten");
                Err(EngineError::new(ErrorKind::UnknownToken, text))
            }
        }
    }

    /// At most `limit` changes with numbers below `before`, of one database or all, the last first.
    pub fn list_changes(
        &self,
        database: Option<&DatabaseName>,
        before: u64,
        limit: usize,
    ) -> Result<Vec<ChangeInfo>, EngineError> {
        let faces = self.read_faces();
        let number = database.map(|name| self.database(name).map(|record| record.number)).transpose()?;
        let names = self.databases()?;
        let mut listed = Vec::new();
        for (&id, kept) in faces.log.0.range(..before).rev() {
            let name = names.iter().find(|(_, record)| record.number == kept.number);
            let Some((name, _)) = name.filter(|_| number.is_none_or(|number| number == kept.number)) else { continue };
            if listed.len() == limit {
                break;
            }
            let record = self.logged(id)?;
            listed.push(ChangeInfo {
                id,
                kind: record.kind,
                at: Timestamp(record.at),
                database: name.clone(),
                images: record.effects.images(),
                made: record.effects.made.first().map(|face| face.identifier.clone()),
                gone: record.effects.gone.first().map(|face| face.identifier.clone()),
                undoes: record.undoes,
                undone_by: record.undone_by,
            });
        }
        Ok(listed)
    }

    /// Forgets a change for good, with what it has set aside.
    pub(super) fn forget_change(&self, change: &mut Change, id: u64) -> Result<(), EngineError> {
        for entry in self.store.scan(&keys::aside_images(id)) {
            let (key, value) = entry?;
            match decode::<ImageRecord>(&key, &value) {
                Ok(record) => record.picture.into_iter().for_each(|picture| change.drop_picture(picture.id)),
                Err(StoreError::Damaged { .. }) => {} // its picture stays where it is; fsck finds it
                Err(error) => return Err(error.into()),
            }
            change.also.remove(key);
        }
        change.also.remove(keys::change(id));
        change.log(id, None);
        Ok(())
    }

    /// Forgets all that was decided and changed of a database that goes.
    pub(in crate::engine) fn forget_review(
        &self,
        faces: &super::super::change::Faces,
        change: &mut Change,
        number: u64,
    ) -> Result<(), EngineError> {
        for id in faces.book.of_database(number) {
            change.decide(id, None);
        }
        faces.log.of_database(number).into_iter().try_for_each(|id| self.forget_change(change, id))
    }

    /// Moves all that was decided and changed of a database to its new number.
    pub(in crate::engine) fn renumber_review(
        &self,
        faces: &super::super::change::Faces,
        change: &mut Change,
        (from, to): (u64, u64),
    ) -> Result<(), EngineError> {
        for (id, record) in faces.book.renumbered(from, to) {
            change.decide(id, record);
        }
        for (id, kept) in faces.log.0.iter().filter(|(_, kept)| kept.number == from) {
            let mut record = self.logged(*id)?;
            record.number = to;
            record.effects.decisions.iter_mut().for_each(|decision| decision.renumber(from, to));
            change.also.record(&keys::change(*id), &record);
            change.log(*id, Some(Kept { number: to, ..*kept }));
        }
        Ok(())
    }
}
