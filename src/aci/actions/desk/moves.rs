//! What images were called before they were refiled, from the log of changes.
//!
//! **Not here.** Images that were moved by a change that cannot be undone, or whose change is forgotten: nothing says where
//! they came from.

use std::collections::{BTreeMap, BTreeSet};

use crate::engine::{ChangeInfo, Engine, EngineError, MovedImage};
use crate::face::{FaceId, face_id};
use crate::job::Timestamp;

/// Changes that are read at once.
const AT_ONCE: usize = 256;

/// What an image was called at the beginning; none if it was not there.
type First = Option<FaceId>;

/// Names of images behind some changes, each with the one before these.
#[derive(Debug, Default)]
pub(super) struct Moves {
    before: BTreeMap<FaceId, First>,
    /// Of those that are set aside, by the last name they had.
    aside: BTreeMap<FaceId, First>,
    /// Names of the beginning whose images are elsewhere: who has one of them now came later.
    left: BTreeSet<FaceId>,
    /// The other way round.
    now: BTreeMap<FaceId, FaceId>,
}

impl Moves {
    /// What changed from one moment to another.
    pub(super) fn between(engine: &Engine, since: Timestamp, until: Timestamp) -> Result<Self, EngineError> {
        let (changes, _) = changes_since(engine, since)?;
        Ok(Self::along(changes.iter().rev().filter(|change| change.at <= until)))
    }

    /// The number of the last change before a moment, 0 if there is none.
    pub(super) fn last_before(engine: &Engine, moment: Timestamp) -> Result<u64, EngineError> {
        changes_since(engine, moment).map(|(_, last_before)| last_before)
    }

    /// What these changes did, the first of them first.
    fn along<'c>(changes: impl Iterator<Item = &'c ChangeInfo>) -> Self {
        let mut moves = Self::default();
        changes.for_each(|change| moves.follow(change));
        let known = moves.before.iter().filter_map(|(now, first)| Some((first.clone()?, now.clone())));
        moves.now = known.collect();
        moves
    }

    /// Takes a change in that comes behind all others.
    fn follow(&mut self, change: &ChangeInfo) {
        let id = |place: &Option<(String, String)>| {
            let (identifier, label) = place.as_ref()?;
            face_id(change.database.as_str(), identifier, label).ok()
        };
        // first all leave, then all come: within a change one may take the place of another
        let left: Vec<Option<First>> =
            change.images.iter().map(|MovedImage { from, .. }| id(from).map(|from| self.leave(from))).collect();
        for (MovedImage { from, to }, first) in change.images.iter().zip(left) {
            match (id(from), id(to), first) {
                (_, Some(to), Some(first)) => self.come(to, first),
                (None, Some(to), None) => {
                    if let Some(first) = self.aside.remove(&to) {
                        self.come(to, first);
                    }
                }
                (Some(from), None, Some(first)) => drop(self.aside.insert(from, first)),
                _ => {}
            }
        }
    }

    fn leave(&mut self, name: FaceId) -> First {
        let known = self.before.remove(&name);
        known.unwrap_or_else(|| self.left.insert(name.clone()).then_some(name))
    }

    fn come(&mut self, name: FaceId, first: First) {
        if first.as_ref() == Some(&name) {
            self.left.remove(&name);
        } else {
            self.before.insert(name, first);
        }
    }

    /// What an image of this name was called, if otherwise.
    pub(super) fn before(&self, now: &FaceId) -> Option<&FaceId> {
        self.before.get(now)?.as_ref()
    }

    /// What an image that was called so is called now, if otherwise.
    pub(super) fn now(&self, before: &FaceId) -> Option<&FaceId> {
        self.now.get(before)
    }
}

/// The changes since a moment, the last one first, and the number of the one before them, 0 if there is none.
fn changes_since(engine: &Engine, moment: Timestamp) -> Result<(Vec<ChangeInfo>, u64), EngineError> {
    let (mut changes, mut before) = (Vec::new(), u64::MAX);
    loop {
        let page = engine.list_changes(None, before, AT_ONCE)?;
        if page.is_empty() {
            return Ok((changes, 0));
        }
        for change in page {
            before = change.id;
            if change.at < moment {
                return Ok((changes, before));
            }
            changes.push(change);
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::engine::ChangeKind;
    use crate::face::DatabaseName;

    fn id(name: &str) -> FaceId {
        let (identifier, label) = name.split_once('/').unwrap();
        face_id("people", identifier, label).unwrap()
    }

    /// Follows changes, each a list of names before and behind it; `-` is set aside.
    pub(crate) fn moves(changes: &[&[(&str, &str)]]) -> Moves {
        let place = |name: &str| name.split_once('/').map(|(face, label)| (face.to_owned(), label.to_owned()));
        let change = |(at, images): (usize, &&[(&str, &str)])| ChangeInfo {
            id: at as u64 + 1,
            kind: ChangeKind::Move,
            at: Timestamp(0),
            database: DatabaseName::new("people").unwrap(),
            images: images.iter().map(|(from, to)| MovedImage { from: place(from), to: place(to) }).collect(),
            made: None,
            gone: None,
            undoes: None,
            undone_by: None,
        };
        let changes: Vec<ChangeInfo> = changes.iter().enumerate().map(change).collect();
        Moves::along(changes.iter())
    }

    #[test]
    fn an_image_is_followed_through_every_change() {
        let chain = moves(&[&[("ann/1", "bob/1")], &[("bob/1", "eve/1-2")]]);
        assert_eq!(chain.before(&id("eve/1-2")), Some(&id("ann/1")));
        assert_eq!(chain.now(&id("ann/1")), Some(&id("eve/1-2")));
        assert_eq!((chain.before(&id("bob/1")), chain.now(&id("bob/1"))), (None, None));
        let undone = moves(&[&[("ann/1", "bob/1")], &[("bob/1", "ann/1")]]);
        assert_eq!((undone.before(&id("ann/1")), undone.now(&id("ann/1"))), (None, None));
        let exchanged = moves(&[&[("ann/1", "bob/1"), ("bob/1", "ann/1")]]);
        assert_eq!(exchanged.before(&id("ann/1")), Some(&id("bob/1")));
        assert_eq!(exchanged.before(&id("bob/1")), Some(&id("ann/1")));
    }

    #[test]
    fn who_takes_a_name_that_was_left_came_later() {
        // between the two somebody imports ann/1 again
        let again = moves(&[&[("ann/1", "bob/1")], &[("ann/1", "bob/1-2")], &[("bob/1-2", "eve/1")]]);
        assert_eq!((again.before(&id("bob/1")), again.now(&id("ann/1"))), (Some(&id("ann/1")), Some(&id("bob/1"))));
        assert_eq!((again.before(&id("bob/1-2")), again.before(&id("eve/1"))), (None, None));
        let back = moves(&[&[("ann/1", "bob/1")], &[("bob/1", "ann/1")], &[("ann/1", "eve/1")]]);
        assert_eq!(back.before(&id("eve/1")), Some(&id("ann/1")));
    }

    #[test]
    fn an_image_that_comes_back_from_aside_is_the_one_that_went() {
        let back = moves(&[&[("ann/1", "bob/1")], &[("bob/1", "-")], &[("-", "bob/1")]]);
        assert_eq!(back.before(&id("bob/1")), Some(&id("ann/1")));
        let gone = moves(&[&[("ann/1", "bob/1")], &[("bob/1", "-")]]);
        assert_eq!(gone.now(&id("ann/1")), None);
        let as_it_was = moves(&[&[("ann/1", "-")], &[("-", "ann/1")]]);
        assert_eq!(as_it_was.before(&id("ann/1")), None);
    }
}
