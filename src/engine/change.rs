//! What is known of the databases beside the store, and how rows change so that it stays right.
//!
//! **Promises.** A [`Change`] is one batch, whole or not at all. When it is on the disk, the views (contract R103) and
//! the exports that are under way know what the rows were, and only then the pictures that it dropped go.

use std::collections::BTreeMap;
use std::sync::RwLockWriteGuard;

use super::Engine;
use super::changes::{Kept, Log};
use super::decisions::{Book, DecisionRecord, Moves};
use super::error::EngineError;
use super::pictures::PictureId;
use super::records::JobResult;
use super::snapshot::Snapshots;
use super::view::View;
use crate::job::{Event, State, Timestamp, Token};
use crate::store::{Batch, encode, keys};

/// What is known of the databases beside the store.
#[derive(Debug)]
pub(super) struct Faces {
    /// The past of each database, by its number; a database that is not here was last synchronised at `opened`.
    pub(super) views: BTreeMap<u64, View>,
    /// What exports that are under way see.
    pub(super) snapshots: Snapshots,
    /// When the engine was opened.
    pub(super) opened: Timestamp,
    /// How often a database of a number was removed since then.
    removals: BTreeMap<u64, u64>,
    /// The decisions.
    pub(super) book: Book,
    /// The changes that can be undone.
    pub(super) log: Log,
}

/// Which database is meant: one that is made when it has gone may have its name, and even its number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Which {
    number: u64,
    n_before: u64,
}

impl Faces {
    /// Nothing has changed yet.
    pub(super) fn new(opened: Timestamp) -> Self {
        Self {
            views: BTreeMap::new(),
            snapshots: Snapshots::default(),
            opened,
            removals: BTreeMap::new(),
            book: Book::default(),
            log: Log::default(),
        }
    }

    /// The database that has this number now.
    pub(super) fn which(&self, number: u64) -> Which {
        Which { number, n_before: self.removals.get(&number).copied().unwrap_or(0) }
    }

    /// Notes that a database is removed.
    pub(super) fn forget(&mut self, number: u64) {
        self.views.remove(&number);
        self.snapshots.remove(number);
        *self.removals.entry(number).or_default() += 1;
    }

    /// The view of a database.
    pub(super) fn view(&mut self, number: u64) -> &mut View {
        let opened = self.opened;
        self.views.entry(number).or_insert_with(|| View::new(opened))
    }

    /// Notes that a row of a face or an image has changed.
    pub(super) fn note(&mut self, number: u64, key: &[u8], old: Option<&[u8]>, new: Option<&[u8]>) {
        if keys::is_image(key) {
            self.view(number).change(key, old, new);
        }
        self.snapshots.change(number, key, old, new);
    }
}

/// Rows of faces and images that change together; each row once.
#[derive(Debug, Default)]
pub(super) struct Change {
    rows: Vec<Row>,
    /// What else is written in the same step.
    pub(super) also: Batch,
    dropped: Vec<PictureId>,
    /// What becomes of decisions.
    decisions: Vec<(u64, Option<DecisionRecord>)>,
    /// What becomes of the log of changes.
    logged: Vec<(u64, Option<Kept>)>,
}

#[derive(Debug)]
struct Row {
    number: u64,
    key: Vec<u8>,
    old: Option<Vec<u8>>,
    new: Option<Vec<u8>>,
}

impl Change {
    /// The row becomes this record.
    pub(super) fn put(&mut self, number: u64, key: Vec<u8>, old: Option<Vec<u8>>, record: &impl serde::Serialize) {
        let new = Some(encode(&key, record));
        self.rows.push(Row { number, key, old, new });
    }

    /// The row goes.
    pub(super) fn remove(&mut self, number: u64, key: Vec<u8>, old: Vec<u8>) {
        self.rows.push(Row { number, key, old: Some(old), new: None });
    }

    /// A decision is made, is about something else now, or goes.
    pub(super) fn decide(&mut self, id: u64, record: Option<DecisionRecord>) {
        let key = keys::decision(id);
        match &record {
            Some(record) => self.also.record(&key, record),
            None => self.also.remove(key),
        }
        self.decisions.push((id, record));
    }

    /// A number for a decision or a change, never given before.
    pub(super) fn take_number(&mut self, book: &mut Book) -> u64 {
        let number = book.take_number();
        self.also.record(&keys::last_number(), &number);
        number
    }

    /// Decisions follow what they are about.
    pub(super) fn follow(&mut self, book: &Book, moves: &Moves) {
        for (id, record) in book.follow(moves) {
            self.decide(id, record);
        }
    }

    /// What is kept of a change; its record is in `also`.
    pub(super) fn log(&mut self, id: u64, kept: Option<Kept>) {
        self.logged.push((id, kept));
    }

    /// All of it.
    fn batch(&self) -> Batch {
        let mut batch = self.also.clone();
        for row in &self.rows {
            match &row.new {
                Some(new) => batch.put(&row.key[..], new.clone()),
                None => batch.remove(&row.key[..]),
            }
        }
        batch
    }

    /// No row refers to the picture any more.
    pub(super) fn drop_picture(&mut self, id: PictureId) {
        self.also.put(id.marker(), Vec::new());
        self.dropped.push(id);
    }
}

impl Engine {
    /// Makes the change durable, then tells whoever sees the past of it.
    pub(super) fn change(&self, faces: RwLockWriteGuard<'_, Faces>, change: Change) -> Result<(), EngineError> {
        self.change_and(faces, change, |_| {})
    }

    /// The same; what else is known of the databases is noted before anyone else looks.
    pub(super) fn change_and(
        &self,
        mut faces: RwLockWriteGuard<'_, Faces>,
        change: Change,
        also: impl FnOnce(&mut Faces),
    ) -> Result<(), EngineError> {
        let batch = change.batch();
        if !batch.is_empty() {
            self.store.commit(batch)?;
            also(&mut faces);
            self.note_changed(faces, change);
        }
        Ok(())
    }

    /// Makes the change durable in one step with the end of the job whose work it is (contract R73); nothing changes if
    /// the job ends in another way than Finished.
    pub(super) fn finish(
        &self,
        faces: RwLockWriteGuard<'_, Faces>,
        token: Token,
        result: JobResult,
        change: Change,
    ) -> Result<State, EngineError> {
        let state = self.end(token, Event::Finish, Some(result), change.batch())?;
        if state == State::Finished {
            self.note_changed(faces, change);
        }
        Ok(state)
    }

    fn note_changed(&self, mut faces: RwLockWriteGuard<'_, Faces>, change: Change) {
        let Change { rows, dropped, decisions, logged, .. } = change;
        for (id, record) in decisions {
            faces.book.set(id, record);
        }
        for (id, kept) in logged {
            faces.log.set(id, kept);
        }
        for Row { number, key, old, new } in &rows {
            faces.note(*number, key, old.as_deref(), new.as_deref());
        }
        let dropped = faces.snapshots.spare(dropped);
        drop(faces);
        self.forget_pictures(&dropped);
    }
}
