//! What images were called before they were refiled, from the log of changes.
//!
//! **Not here.** Images that were moved by a change that cannot be undone, or whose change is forgotten: nothing says where
//! they came from.

use std::collections::BTreeMap;

use crate::engine::{ChangeInfo, Engine, EngineError, MovedImage};
use crate::face::{FaceId, face_id};
use crate::job::Timestamp;

/// Changes that are read at once.
const AT_ONCE: usize = 256;

/// Names of images behind some changes, each with the one before these.
#[derive(Debug, Default)]
pub(super) struct Moves {
    before: BTreeMap<FaceId, FaceId>,
    /// Of those that are set aside, by the last name they had.
    aside: BTreeMap<FaceId, FaceId>,
}

impl Moves {
    /// What changed from one moment to another.
    pub(super) fn between(engine: &Engine, since: Timestamp, until: Timestamp) -> Result<Self, EngineError> {
        let (mut changes, mut before) = (Vec::new(), u64::MAX);
        loop {
            let page = engine.list_changes(None, before, AT_ONCE)?;
            let n_all = page.len();
            changes.extend(page.into_iter().take_while(|change| change.at >= since));
            let Some(last) = changes.last().filter(|_| changes.len().is_multiple_of(AT_ONCE) && n_all == AT_ONCE)
            else {
                break;
            };
            before = last.id;
        }
        let mut moves = Self::default();
        changes.iter().rev().filter(|change| change.at <= until).for_each(|change| moves.follow(change));
        Ok(moves)
    }

    /// Takes a change in that comes behind all others.
    fn follow(&mut self, change: &ChangeInfo) {
        let id = |place: &Option<(String, String)>| {
            let (identifier, label) = place.as_ref()?;
            face_id(change.database.as_str(), identifier, label).ok()
        };
        // first all leave, then all come: within a change one may take the place of another
        let left: Vec<Option<FaceId>> =
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

    fn leave(&mut self, name: FaceId) -> FaceId {
        self.before.remove(&name).unwrap_or(name)
    }

    fn come(&mut self, name: FaceId, first: FaceId) {
        if name != first {
            self.before.insert(name, first);
        }
    }

    /// What an image of this name was called, if otherwise.
    pub(super) fn before(&self, now: &FaceId) -> Option<&FaceId> {
        self.before.get(now)
    }

    /// What an image that was called so is called now, if otherwise.
    pub(super) fn now(&self, before: &FaceId) -> Option<&FaceId> {
        self.before.iter().find(|(_, first)| *first == before).map(|(now, _)| now)
    }
}

#[cfg(test)]
mod tests {
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
        let mut moves = Moves::default();
        for (at, images) in changes.iter().enumerate() {
            let images = images.iter().map(|(from, to)| MovedImage { from: place(from), to: place(to) }).collect();
            moves.follow(&ChangeInfo {
                id: at as u64 + 1,
                kind: ChangeKind::Move,
                at: Timestamp(0),
                database: DatabaseName::new("people").unwrap(),
                images,
                made: None,
                gone: None,
                undoes: None,
                undone_by: None,
            });
        }
        moves
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
    fn an_image_that_comes_back_from_aside_is_the_one_that_went() {
        let back = moves(&[&[("ann/1", "bob/1")], &[("bob/1", "-")], &[("-", "bob/1")]]);
        assert_eq!(back.before(&id("bob/1")), Some(&id("ann/1")));
        let gone = moves(&[&[("ann/1", "bob/1")], &[("bob/1", "-")]]);
        assert_eq!(gone.now(&id("ann/1")), None);
        let as_it_was = moves(&[&[("ann/1", "-")], &[("-", "ann/1")]]);
        assert_eq!(as_it_was.before(&id("ann/1")), None);
    }
}
