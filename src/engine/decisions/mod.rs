//! What people have decided of faces and images: not the same person, the same person, the label is right.
//!
//! **Promises.** A decision is on the disk before it is answered, and is about the same pictures ever after: it follows
//! them when they are moved, relabelled or renamed, in the batch that moves them, and goes with them when they go. Of one
//! pair there is one decision, the last.
//!
//! **Not here.** What a decision means for a clustering (`constraints`) and who follows whom (`book`).

mod book;
mod constraints;

use serde::{Deserialize, Serialize};

use super::Engine;
use super::change::Change;
use super::error::{EngineError, ErrorKind};
use crate::face::{DatabaseName, Identifier, ImageLabel};
use crate::job::Timestamp;

pub(super) use book::{Book, Moves};
pub use constraints::DecisionOn;
pub(super) use constraints::{OfFaces, RespectRecord};

/// Decisions that are kept at most; each is held in memory.
pub(super) const MAX_DECISIONS: usize = 100_000;

/// What a decision says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Verdict {
    /// Two faces or images do not show the same person.
    NotSame,
    /// They do.
    Same,
    /// An image shows whom its identifier says.
    LabelRight,
}

impl Verdict {
    /// Every one.
    pub const ALL: [Self; 3] = [Self::NotSame, Self::Same, Self::LabelRight];

    /// Its name, as clients know it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NotSame => "notsame",
            Self::Same => "same",
            Self::LabelRight => "labelright",
        }
    }
}

/// What a decision is about: all of a face, or one image of it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Subject {
    /// Its database.
    pub database: DatabaseName,
    /// The face.
    pub identifier: Identifier,
    /// The image; none if all of the face is meant.
    pub label: Option<ImageLabel>,
}

/// A decision, as it is made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewDecision {
    /// What it says.
    pub verdict: Verdict,
    /// What it is about.
    pub first: Subject,
    /// And the other one; none of [`Verdict::LabelRight`].
    pub second: Option<Subject>,
    /// What whoever made it has to say.
    pub comment: String,
}

/// A decision, as listed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DecisionInfo {
    /// Its number, given once.
    pub id: u64,
    /// What was decided.
    pub decision: NewDecision,
    /// When.
    pub at: Timestamp,
}

/// In which order decisions are listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Sequence {
    /// As they were made.
    #[default]
    FirstToLast,
    /// The last first.
    LastToFirst,
}

/// Which decisions are listed; by default all.
#[derive(Debug, Clone, Copy, Default)]
pub struct Wanted<'a> {
    /// Those about this database.
    pub database: Option<&'a DatabaseName>,
    /// Those about this face of it and its images; nothing without a database.
    pub identifier: Option<&'a Identifier>,
    /// Those with higher numbers.
    pub after: u64,
    /// Those with lower numbers.
    pub before: Option<u64>,
    /// In which order.
    pub order: Sequence,
}

/// What became of a decision that was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Decided {
    /// Its number.
    pub id: u64,
    /// The one of the same pair that said something else and has gone.
    pub replaced: Option<u64>,
}

/// A subject by the number of its database.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) struct Place {
    pub(super) number: u64,
    pub(super) identifier: String,
    pub(super) label: Option<String>,
}

impl Place {
    /// An image.
    pub(super) fn image(number: u64, identifier: &Identifier, label: &ImageLabel) -> Self {
        Self { label: Some(label.as_str().to_owned()), ..Self::face(number, identifier) }
    }

    /// All of a face.
    pub(super) fn face(number: u64, identifier: &Identifier) -> Self {
        Self { number, identifier: identifier.as_str().to_owned(), label: None }
    }
}

/// A decision, as it is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct DecisionRecord {
    pub(super) verdict: Verdict,
    /// The smaller of the two.
    pub(super) first: Place,
    pub(super) second: Option<Place>,
    pub(super) comment: String,
    /// Microseconds since 1970.
    pub(super) at: i64,
}

impl DecisionRecord {
    /// The same when a database has another number.
    pub(super) fn renumber(&mut self, from: u64, to: u64) {
        for place in [Some(&mut self.first), self.second.as_mut()].into_iter().flatten() {
            if place.number == from {
                place.number = to;
            }
        }
        if let Some(second) = &mut self.second
            && *second < self.first
        {
            std::mem::swap(second, &mut self.first);
        }
    }
}

impl Engine {
    /// Keeps a decision. One that says the same is answered with its number; one of the same two that says another thing
    /// makes room for it.
    pub fn decide(&self, new: NewDecision) -> Result<Decided, EngineError> {
        let mut faces = self.write_faces();
        let first = self.place_of(&new.first)?;
        let second = new.second.as_ref().map(|subject| self.place_of(subject)).transpose()?;
        if second.is_some() == (new.verdict == Verdict::LabelRight) || (second.is_none() && first.label.is_none()) {
            let text =
                format!("'{}' is a decision on two faces or images, 'labelright' on one image", new.verdict.as_str());
            return Err(EngineError::new(ErrorKind::Internal, text));
        }
        let (first, second) = match second {
            Some(second) if second < first => (second, Some(first)),
            second => (first, second),
        };
        let record =
            DecisionRecord { verdict: new.verdict, first, second, comment: new.comment, at: self.clock.now().0 };
        let twin = faces.book.twin(&record);
        if let Some((id, old)) = twin
            && (old.verdict, &old.comment) == (record.verdict, &record.comment)
        {
            return Ok(Decided { id, replaced: None });
        }
        if twin.is_none() && faces.book.len() >= MAX_DECISIONS {
            let text =
                format!("there are {MAX_DECISIONS} decisions, and no more are kept; remove some (ListDecisions)");
            return Err(EngineError::new(ErrorKind::Limit, text));
        }
        let replaced = twin.map(|(id, _)| id);
        let mut change = Change::default();
        if let Some(id) = replaced {
            change.decide(id, None);
        }
        let id = change.take_number(&mut faces.book);
        change.decide(id, Some(record));
        self.change(faces, change)?;
        Ok(Decided { id, replaced })
    }

    /// Forgets a decision.
    pub fn remove_decision(&self, id: u64) -> Result<(), EngineError> {
        let faces = self.write_faces();
        if faces.book.get(id).is_none() {
            return Err(EngineError::new(ErrorKind::UnknownToken, format!("'id={id}' is no decision")));
        }
        let mut change = Change::default();
        change.decide(id, None);
        self.change(faces, change)
    }

    /// At most `limit` of the decisions that are wanted.
    pub fn list_decisions(&self, wanted: &Wanted<'_>, limit: usize) -> Result<Vec<DecisionInfo>, EngineError> {
        let faces = self.read_faces();
        let number = wanted.database.map(|name| self.database(name).map(|record| record.number)).transpose()?;
        let names = self.databases()?;
        let name_of = |number: u64| names.iter().find(|(_, record)| record.number == number).map(|(name, _)| name);
        let subject = |place: &Place| {
            Some(Subject {
                database: name_of(place.number)?.clone(),
                identifier: Identifier::new(&place.identifier).ok()?,
                label: place.label.as_deref().map(ImageLabel::new).transpose().ok()?,
            })
        };
        let is_of = |record: &DecisionRecord| {
            let places = [Some(&record.first), record.second.as_ref()];
            number.is_none_or(|number| places.into_iter().flatten().any(|place| place.number == number))
        };
        let listed = |(id, record): (u64, &DecisionRecord)| {
            let first = subject(&record.first)?;
            let second = match &record.second {
                Some(place) => Some(subject(place)?),
                None => None,
            };
            let decision = NewDecision { verdict: record.verdict, first, second, comment: record.comment.clone() };
            Some(DecisionInfo { id, decision, at: Timestamp(record.at) })
        };
        let Wanted { identifier, after, before, order, .. } = *wanted;
        let mut about = number.zip(identifier).map(|(number, identifier)| faces.book.about(number, identifier));
        let is_asked = |id: u64| id > after && before.is_none_or(|before| id < before);
        let mut all: Box<dyn DoubleEndedIterator<Item = (u64, &DecisionRecord)>> = match &mut about {
            Some(ids) => Box::new(ids.filter_map(|id| Some((id, faces.book.get(id)?)))),
            None => Box::new(faces.book.between(after, before)),
        };
        let next = || match order {
            Sequence::FirstToLast => all.next(),
            Sequence::LastToFirst => all.next_back(),
        };
        let wanted = std::iter::from_fn(next).filter(|(id, record)| is_asked(*id) && is_of(record));
        Ok(wanted.filter_map(listed).take(limit).collect())
    }

    /// Where a subject is, which must be there.
    fn place_of(&self, subject: &Subject) -> Result<Place, EngineError> {
        let number = self.database(&subject.database)?.number;
        self.face(&subject.database, number, &subject.identifier)?;
        match &subject.label {
            None => Ok(Place::face(number, &subject.identifier)),
            Some(label) => {
                self.image_row(&subject.database, number, &subject.identifier, label)?;
                Ok(Place::image(number, &subject.identifier, label))
            }
        }
    }
}
