//! All decisions in memory, by what they are about; and how they follow what they are about.
//!
//! Whoever moves, renames or removes rows of faces and images tells the [`Moves`] of it, and puts what the book then says
//! into the same batch.

use std::collections::{BTreeMap, BTreeSet};

use super::{DecisionRecord, Place, Verdict};
use crate::face::{Identifier, ImageLabel};

/// All decisions.
#[derive(Debug, Default)]
pub(in crate::engine) struct Book {
    records: BTreeMap<u64, DecisionRecord>,
    /// The decisions about each face and its images, by the number of the database and the identifier.
    about: BTreeMap<(u64, String), BTreeSet<u64>>,
    /// The number given last, to a decision or a change.
    last: u64,
}

/// What becomes of faces and images whose rows change.
#[derive(Debug, Default)]
pub(in crate::engine) struct Moves {
    images: BTreeMap<Place, Option<Place>>,
    faces: BTreeMap<(u64, String), Option<(u64, String)>>,
}

impl Moves {
    /// An image is elsewhere.
    pub(in crate::engine) fn image(
        &mut self,
        (number, identifier, label): (u64, &Identifier, &ImageLabel),
        to: (u64, &Identifier, &ImageLabel),
    ) {
        self.images.insert(Place::image(number, identifier, label), Some(Place::image(to.0, to.1, to.2)));
    }

    /// An image goes.
    pub(in crate::engine) fn no_image(&mut self, number: u64, identifier: &Identifier, label: &ImageLabel) {
        self.images.insert(Place::image(number, identifier, label), None);
    }

    /// A face is another one now: renamed, merged, or in another database. Those of its images that are not moved one by
    /// one go with it under their labels.
    pub(in crate::engine) fn face(&mut self, number: u64, identifier: &Identifier, to: (u64, &Identifier)) {
        let to = (to.0, to.1.as_str().to_owned());
        self.faces.insert((number, identifier.as_str().to_owned()), Some(to));
    }

    /// A face goes with all its images.
    pub(in crate::engine) fn no_face(&mut self, number: u64, identifier: &Identifier) {
        self.faces.insert((number, identifier.as_str().to_owned()), None);
    }

    /// Where something is now; nothing if it goes. The flag says whether an image left a face that stays.
    fn of(&self, place: &Place) -> Option<(Place, bool)> {
        let face = self.faces.get(&(place.number, place.identifier.clone()));
        if let Some(to) = self.images.get(place) {
            let to = to.clone()?;
            let goes_along = face.is_some_and(|face| *face == Some((to.number, to.identifier.clone())));
            let stays = (to.number, &to.identifier) == (place.number, &place.identifier);
            return Some((to, !goes_along && !stays));
        }
        match face {
            Some(Some((number, identifier))) => {
                Some((Place { number: *number, identifier: identifier.clone(), label: place.label.clone() }, false))
            }
            Some(None) => None,
            None => Some((place.clone(), false)),
        }
    }

    /// A decision behind the moves: about what it was about, or none if that has gone, or if an image has left the face
    /// under which its label was right.
    fn follow(&self, record: &DecisionRecord) -> Option<DecisionRecord> {
        let (first, has_left) = self.of(&record.first)?;
        if record.verdict == Verdict::LabelRight {
            return (!has_left).then(|| DecisionRecord { first, ..record.clone() });
        }
        let (second, _) = self.of(record.second.as_ref()?)?;
        let (first, second) = if second < first { (second, first) } else { (first, second) };
        (first != second).then(|| DecisionRecord { first, second: Some(second), ..record.clone() })
    }

    fn faces(&self) -> impl Iterator<Item = (u64, String)> {
        let images = self.images.keys().map(|place| (place.number, place.identifier.clone()));
        images.chain(self.faces.keys().cloned()).collect::<BTreeSet<_>>().into_iter()
    }
}

impl Book {
    pub(in crate::engine) fn len(&self) -> usize {
        self.records.len()
    }

    pub(in crate::engine) fn get(&self, id: u64) -> Option<&DecisionRecord> {
        self.records.get(&id)
    }

    /// Those with numbers above `after`, in their order.
    pub(in crate::engine) fn behind(&self, after: u64) -> impl Iterator<Item = (u64, &DecisionRecord)> {
        self.between(after, None)
    }

    /// Those of them with numbers below `before`.
    pub(in crate::engine) fn between(
        &self,
        after: u64,
        before: Option<u64>,
    ) -> impl DoubleEndedIterator<Item = (u64, &DecisionRecord)> {
        let (from, behind) = (after.checked_add(1), before.unwrap_or(u64::MAX));
        let from = from.filter(|&from| from <= behind);
        from.into_iter().flat_map(move |from| self.records.range(from..behind)).map(|(&id, record)| (id, record))
    }

    /// The decisions about a face and its images.
    pub(in crate::engine) fn about(
        &self,
        number: u64,
        identifier: &Identifier,
    ) -> impl DoubleEndedIterator<Item = u64> {
        self.about.get(&(number, identifier.as_str().to_owned())).into_iter().flatten().copied()
    }

    /// The decision on the same two, or on the same label.
    pub(in crate::engine) fn twin(&self, record: &DecisionRecord) -> Option<(u64, &DecisionRecord)> {
        let about = self.about.get(&face_of(&record.first))?;
        let all = about.iter().filter_map(|id| Some((*id, self.records.get(id)?)));
        let is_twin = |other: &DecisionRecord| (&other.first, &other.second) == (&record.first, &record.second);
        all.into_iter().find(|(_, other)| is_twin(other))
    }

    /// The decision that two faces are not the same person.
    pub(in crate::engine) fn keeps_apart(&self, number: u64, one: &str, other: &str) -> Option<u64> {
        let face = |identifier: &str| Place { number, identifier: identifier.to_owned(), label: None };
        let (first, second) = (face(one.min(other)), face(one.max(other)));
        let record = |verdict| DecisionRecord { verdict, first, second: Some(second), comment: String::new(), at: 0 };
        self.twin(&record(Verdict::NotSame)).filter(|(_, twin)| twin.verdict == Verdict::NotSame).map(|(id, _)| id)
    }

    /// The decisions about anything in a database.
    pub(in crate::engine) fn of_database(&self, number: u64) -> BTreeSet<u64> {
        let faces = self.about.range((number, String::new())..).take_while(|((of, _), _)| *of == number);
        faces.flat_map(|(_, ids)| ids.iter().copied()).collect()
    }

    /// Decisions that are not as before behind these moves, with what becomes of each. Where two come to be on the same
    /// pair, as those of two faces that are merged, the last one counts.
    pub(in crate::engine) fn follow(&self, moves: &Moves) -> Vec<(u64, Option<DecisionRecord>)> {
        let faces = moves.faces().filter_map(|face| self.about.get(&face));
        let ids: BTreeSet<u64> = faces.flatten().copied().collect();
        let after = ids.into_iter().filter_map(|id| Some((id, self.records.get(&id)?)));
        let after = after.map(|(id, record)| (id, record, moves.follow(record)));
        let mut changed: BTreeMap<u64, Option<DecisionRecord>> = after
            .filter(|(_, before, after)| Some(*before) != after.as_ref())
            .map(|(id, _, after)| (id, after))
            .collect();
        let mut last: BTreeMap<(Place, Option<Place>), u64> = BTreeMap::new();
        let moved: Vec<(u64, DecisionRecord)> =
            changed.iter().filter_map(|(&id, after)| Some((id, after.clone()?))).collect();
        for (id, record) in moved {
            let resident = self.twin(&record).map(|(id, _)| id).filter(|twin| !changed.contains_key(twin));
            let pair = (record.first, record.second);
            let rival = last.get(&pair).copied().or(resident);
            let (winner, loser) = match rival {
                Some(rival) => (rival.max(id), Some(rival.min(id))),
                None => (id, None),
            };
            last.insert(pair, winner);
            if let Some(loser) = loser {
                changed.insert(loser, None);
            }
        }
        changed.into_iter().collect()
    }

    /// The same when all of a database has another number.
    pub(in crate::engine) fn renumbered(&self, from: u64, to: u64) -> Vec<(u64, Option<DecisionRecord>)> {
        let of = |id: u64| {
            let mut record = self.records.get(&id)?.clone();
            record.renumber(from, to);
            Some((id, Some(record)))
        };
        self.of_database(from).into_iter().filter_map(of).collect()
    }

    /// Notes what is on the disk by now.
    pub(in crate::engine) fn set(&mut self, id: u64, record: Option<DecisionRecord>) {
        if let Some(old) = self.records.remove(&id) {
            for place in [Some(&old.first), old.second.as_ref()].into_iter().flatten() {
                let face = face_of(place);
                if let Some(ids) = self.about.get_mut(&face) {
                    ids.remove(&id);
                    if ids.is_empty() {
                        self.about.remove(&face);
                    }
                }
            }
        }
        let Some(record) = record else { return };
        for place in [Some(&record.first), record.second.as_ref()].into_iter().flatten() {
            self.about.entry(face_of(place)).or_default().insert(id);
        }
        self.records.insert(id, record);
        self.last = self.last.max(id);
    }

    /// A number that was never given.
    pub(in crate::engine) fn take_number(&mut self) -> u64 {
        self.last += 1;
        self.last
    }

    /// Notes that this number was given.
    pub(in crate::engine) fn given(&mut self, number: u64) {
        self.last = self.last.max(number);
    }
}

fn face_of(place: &Place) -> (u64, String) {
    (place.number, place.identifier.clone())
}
