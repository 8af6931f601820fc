//! Decisions: what each is about has to be there.
//!
//! **Why last.** A decision goes with the face or image that it is about. Which of these a repair keeps is known when all have
//! passed by, and decisions come before them: they are held until then, and of images only those that decisions name.

use std::collections::BTreeMap;

use super::super::decisions::{DecisionRecord, Place};
use super::check::{Fate, shown};
use super::rows::Rows;
use super::{Report, kind};
use crate::face::{Identifier, ImageLabel};
use crate::store::{Entry, decode, keys};

/// The decisions of a store.
#[derive(Default)]
pub(super) struct Decisions {
    /// Keys of the images that decisions are about, and whether they stay.
    images: BTreeMap<Vec<u8>, bool>,
    held: Vec<(Entry, DecisionRecord)>,
}

fn places(record: &DecisionRecord) -> impl Iterator<Item = &Place> {
    [Some(&record.first), record.second.as_ref()].into_iter().flatten()
}

/// The key of the face or image; none if it has a name that no face or image can have.
fn key_of(place: &Place) -> Option<Vec<u8>> {
    let identifier = Identifier::new(&place.identifier).ok()?;
    match &place.label {
        None => Some(keys::face(place.number, &identifier)),
        Some(label) => Some(keys::image(place.number, &identifier, &ImageLabel::new(label).ok()?)),
    }
}

impl Decisions {
    /// Looks at `entries` for the images that are to be remembered.
    pub(super) fn new(entries: impl Iterator<Item = Entry>) -> Self {
        let records = entries.filter_map(|(key, value)| decode::<DecisionRecord>(&key, &value).ok());
        let keys = records.flat_map(|record| places(&record).filter_map(key_of).collect::<Vec<_>>());
        Self { images: keys.filter(|key| keys::is_image(key)).map(|key| (key, false)).collect(), held: Vec::new() }
    }

    /// Keeps a decision until everything has passed by.
    pub(super) fn hold(&mut self, key: &[u8], value: &[u8], record: DecisionRecord) -> Fate {
        self.held.push(((key.to_vec(), value.to_vec()), record));
        Fate::Later
    }

    /// An image stays.
    pub(super) fn stays(&mut self, key: &[u8]) {
        if let Some(stays) = self.images.get_mut(key) {
            *stays = true;
        }
    }

    /// What becomes of each, now that everything has passed by.
    pub(super) fn judge(self, rows: &Rows<'_>, report: &mut Report) -> Vec<(Entry, Fate)> {
        let Self { images, held } = self;
        // one whose decision could not be read beforehand was not watched, and nothing is said against it
        let is_there = |key: &[u8]| {
            if keys::is_image(key) { images.get(key).copied().unwrap_or(true) } else { rows.has_face(key) }
        };
        let lost = |place: &Place| {
            if !rows.knows(place.number) {
                return Some("its database is not there".to_owned());
            }
            let name = rows.name_of(place.number)?; // one that is to be cleared has none, and what is of it goes
            let face = format!("face '{}' of database '{name}', which it is about, is not there", place.identifier);
            let why = place.label.as_ref().map_or_else(|| face.clone(), |label| format!("image '{label}' of {face}"));
            (!key_of(place).is_some_and(|key| is_there(&key))).then_some(why)
        };
        let mut judged = Vec::with_capacity(held.len());
        for (entry, record) in held {
            let fate = match places(&record).find_map(lost) {
                None => Fate::Keep,
                Some(why) => {
                    report.kinds.entry(kind(&entry.0)).or_default().1 += 1;
                    report.give_up(shown(&entry.0), why)
                }
            };
            judged.push((entry, fate));
        }
        judged
    }
}
