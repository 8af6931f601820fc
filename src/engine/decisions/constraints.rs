//! What was decided of names, said of the faces of a job: by their places in its set.
//!
//! A job sees decisions as it sees images, as they are at the moment of its snapshot; one that runs again after a crash
//! reads both anew. Decisions about images that take no part in it, and about images that have other names in the past that
//! it sees (`syncdatabase=false`), mean nothing to it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::super::Engine;
use super::super::error::EngineError;
use super::{Book, DecisionRecord, Place, Verdict};
use crate::cluster::audit::Decided;
use crate::cluster::{Bond, Who};
use crate::face::{DatabaseName, FaceId, FaceSet};
use crate::job::Token;
use crate::store::{decode, keys};

/// That a clustering respects decisions.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::engine) struct RespectRecord {
    /// How many concerned its images, once it has Finished.
    pub(in crate::engine) respected: Option<u64>,
}

/// A decision on images of a job, by their places in its set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DecisionOn {
    /// Its number.
    pub id: u64,
    /// What was decided.
    pub verdict: Verdict,
    /// What it is about.
    pub first: Who,
    /// And the other one; none of [`Verdict::LabelRight`].
    pub second: Option<Who>,
}

/// The decisions on the images of a job.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in crate::engine) struct OfFaces {
    /// On two faces or identities.
    pub(in crate::engine) pairs: Vec<(Bond, Who, Who)>,
    /// Faces whose label is right.
    pub(in crate::engine) right: Vec<u32>,
}

impl Book {
    /// What is decided of these faces, which are in image order, of databases with these numbers.
    pub(in crate::engine) fn of_faces(&self, databases: &BTreeMap<u64, DatabaseName>, faces: &[FaceId]) -> OfFaces {
        let mut of = OfFaces::default();
        for DecisionOn { verdict, first, second, .. } in self.on(databases, faces) {
            match (verdict, first, second) {
                (Verdict::NotSame, first, Some(second)) => of.pairs.push((Bond::Apart, first, second)),
                (Verdict::Same, first, Some(second)) => of.pairs.push((Bond::Together, first, second)),
                (Verdict::LabelRight, Who::Face(face), _) => of.right.push(face),
                _ => {} // there is no other
            }
        }
        of.right.sort_unstable();
        of
    }

    /// The decisions on these faces, in the order in which they were made.
    fn on(&self, databases: &BTreeMap<u64, DatabaseName>, faces: &[FaceId]) -> Vec<DecisionOn> {
        let who = |place: &Place| self::who(databases, faces, place);
        let decisions = self.behind(0).filter_map(|(id, DecisionRecord { verdict, first, second, .. })| {
            let second = match second {
                Some(second) => Some(who(second)?),
                None => None,
            };
            Some(DecisionOn { id, verdict: *verdict, first: who(first)?, second })
        });
        decisions.collect()
    }
}

impl OfFaces {
    /// What the audit makes of it.
    pub(in crate::engine) fn decided(&self) -> Decided {
        let pairs = |wanted: Bond| {
            let such = self.pairs.iter().filter(move |(bond, ..)| *bond == wanted);
            such.map(|(_, a, b)| (a.clone(), b.clone())).collect()
        };
        Decided { not_same: pairs(Bond::Apart), same: pairs(Bond::Together), right: self.right.clone() }
    }

    /// What a clustering makes of it. Two images of one identity whose labels are right show one person.
    pub(in crate::engine) fn bonds(mut self, faces: &FaceSet) -> Vec<(Bond, Who, Who)> {
        let identity = |face: u32| {
            let id = faces.id(face as usize);
            (&id.database, &id.identifier)
        };
        let right = self.right.windows(2).filter(|two| identity(two[0]) == identity(two[1]));
        self.pairs.extend(right.map(|two| (Bond::Together, Who::Face(two[0]), Who::Face(two[1]))));
        self.pairs
    }
}

/// The faces of a place, if there are any.
fn who(databases: &BTreeMap<u64, DatabaseName>, ids: &[FaceId], place: &Place) -> Option<Who> {
    let database = databases.get(&place.number)?;
    let identity = (database.as_str(), place.identifier.as_str());
    match &place.label {
        Some(label) => {
            let name = (identity.0, identity.1, label.as_str());
            let place =
                ids.binary_search_by(|id| (id.database.as_str(), id.identifier.as_str(), id.label.as_str()).cmp(&name));
            place.ok().map(|face| Who::Face(face as u32))
        }
        None => {
            let first = ids.partition_point(|id| (id.database.as_str(), id.identifier.as_str()) < identity);
            let n = ids[first..].partition_point(|id| (id.database.as_str(), id.identifier.as_str()) <= identity);
            (n > 0).then_some(Who::Identity(first as u32, (first + n) as u32))
        }
    }
}

impl Engine {
    /// Whether a job respects decisions, and once it has Finished how many.
    pub(in crate::engine) fn respect(&self, token: Token) -> Result<Option<RespectRecord>, EngineError> {
        let key = keys::respect(token);
        Ok(self.store.get(&key)?.map(|value| decode(&key, &value)).transpose()?)
    }

    /// What was decided of these images, which are in image order, as the audit takes it.
    pub fn decided(&self, ids: &[FaceId]) -> Result<Decided, EngineError> {
        let faces = self.read_faces();
        let names = self.databases()?.into_iter().map(|(name, record)| (record.number, name)).collect();
        Ok(faces.book.of_faces(&names, ids).decided())
    }

    /// The decisions on these images, which are in image order, in the order in which they were made.
    pub fn decisions_on(&self, ids: &[FaceId]) -> Result<Vec<DecisionOn>, EngineError> {
        let faces = self.read_faces();
        let names = self.databases()?.into_iter().map(|(name, record)| (record.number, name)).collect();
        Ok(faces.book.on(&names, ids))
    }

    /// How many decisions a finished clustering has respected; none if it was not asked to.
    pub fn respected(&self, token: Token) -> Result<Option<u64>, EngineError> {
        Ok(self.respect(token)?.and_then(|record| record.respected))
    }
}
