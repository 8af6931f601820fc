//! The queues: their names, which job is next, and which ended jobs are forgotten.

use std::cmp::Reverse;
use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::lived::Lived;
use super::token::Token;

/// How soon a job is started: 0 to 100, a higher number earlier (contract R68).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Priority(u8);

impl Priority {
    /// The lowest.
    pub const MIN: Self = Self(0);
    /// The highest.
    pub const MAX: Self = Self(100);

    /// The priority of this number, if there is one.
    pub fn new(number: u64) -> Option<Self> {
        u8::try_from(number).ok().map(Self).filter(|&priority| priority <= Self::MAX)
    }

    /// Its number.
    pub fn number(self) -> u8 {
        self.0
    }
}

impl Default for Priority {
    /// That of a job that names none.
    fn default() -> Self {
        Self(50)
    }
}

impl fmt::Display for Priority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The jobs of one asynchronous action (contract R60). Queues do not wait for each other. Kept by its number: new ones
/// go to the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Queue {
    /// Clusterings.
    FaceClustering,
    /// Imports.
    ImportFaceDatabase,
    /// Exports.
    ExportFaceDatabase,
    /// New faces with their images, trained.
    TrainFace,
    /// The images of one face, trained.
    BuildFace,
    /// The images of all faces, trained.
    BuildAllFaces,
}

impl Queue {
    /// Every queue, in the order of the contract.
    pub const ALL: [Self; 6] = [
        Self::FaceClustering,
        Self::TrainFace,
        Self::BuildFace,
        Self::BuildAllFaces,
        Self::ImportFaceDatabase,
        Self::ExportFaceDatabase,
    ];

    /// Its name, which is the name of its action.
    pub fn name(self) -> &'static str {
        match self {
            Self::FaceClustering => "FaceClustering",
            Self::ImportFaceDatabase => "ImportFaceDatabase",
            Self::ExportFaceDatabase => "ExportFaceDatabase",
            Self::TrainFace => "TrainFace",
            Self::BuildFace => "BuildFace",
            Self::BuildAllFaces => "BuildAllFaces",
        }
    }

    /// The queue of that name, in any letter case.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|queue| queue.name().eq_ignore_ascii_case(name))
    }
}

impl fmt::Display for Queue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A job that waits for a thread.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Waiting {
    /// The job.
    pub token: Token,
    /// A higher one starts earlier.
    pub priority: Priority,
    /// Its number in the order of acceptance.
    pub order: u64,
}

/// The job to start next: the highest priority, among equals the one accepted first (contract R68).
pub fn next(waiting: impl IntoIterator<Item = Waiting>) -> Option<Token> {
    waiting.into_iter().min_by_key(|job| (Reverse(job.priority), job.order)).map(|job| job.token)
}

/// How long ended jobs are kept: whichever limit comes first (contract R79).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retention {
    /// How long after its end a job can still be asked for.
    pub age: Duration,
    /// How many ended jobs of one queue are kept, the latest.
    pub count: usize,
}

impl Default for Retention {
    fn default() -> Self {
        Self { age: Duration::from_hours(7 * 24), count: 1_000 }
    }
}

/// Of the ended jobs of one queue, with the moment each ended, those to forget at `now`.
pub fn expired(ended: impl IntoIterator<Item = (Token, Lived)>, now: Lived, retention: Retention) -> Vec<Token> {
    let mut ended: Vec<_> = ended.into_iter().collect();
    ended.sort_by_key(|&(token, at)| Reverse((at, token)));
    let is_old = |at: Lived| now.since(at) > retention.age;
    ended
        .into_iter()
        .enumerate()
        .filter(|&(place, (_, at))| place >= retention.count || is_old(at))
        .map(|(_, (token, _))| token)
        .collect()
}

/// Of the ended jobs of all queues, with the moment each ended and the bytes of its result, those to forget so that all
/// results together take no more than `limit`: the oldest first, and never the latest of those that have one.
pub fn too_much(ended: impl IntoIterator<Item = (Token, Lived, u64)>, limit: u64) -> Vec<Token> {
    let mut ended: Vec<_> = ended.into_iter().filter(|&(_, _, bytes)| bytes > 0).collect();
    let total = |ended: &[(Token, Lived, u64)]| ended.iter().fold(0u64, |sum, job| sum.saturating_add(job.2));
    if total(&ended) <= limit {
        return Vec::new();
    }
    ended.sort_by_key(|&(token, at, _)| Reverse((at, token)));
    let mut sum = 0u64;
    let fits = ended.iter().take_while(|&&(_, _, bytes)| {
        sum = sum.saturating_add(bytes);
        sum <= limit
    });
    let kept = fits.count().max(1);
    ended.into_iter().skip(kept).map(|(token, ..)| token).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn r68_priority_first_then_the_order_of_acceptance() {
        let tokens: Vec<Token> = (0..4).map(|_| Token::generate()).collect();
        let job = |at: usize, priority, order| Waiting {
            token: tokens[at],
            priority: Priority::new(priority).unwrap(),
            order,
        };
        assert_eq!(next([job(0, 50, 7), job(1, 50, 3), job(2, 49, 1), job(3, 51, 9)]), Some(tokens[3]));
        assert_eq!(next([job(0, 50, 7), job(1, 50, 3), job(2, 49, 1)]), Some(tokens[1]));
        assert_eq!(next([]), None);
    }

    #[test]
    fn r79_ended_jobs_are_forgotten_by_age_or_by_number() {
        let tokens: Vec<Token> = (0..4).map(|_| Token::generate()).collect();
        let ended = || tokens.iter().zip([10, 40, 20, 30]).map(|(&t, s)| (t, Lived(s * 1_000_000)));
        let now = Lived(50_000_000);
        let keep = |seconds, count| Retention { age: Duration::from_secs(seconds), count };
        assert_eq!(expired(ended(), now, keep(100, 10)), []);
        assert_eq!(expired(ended(), now, keep(100, 2)), [tokens[2], tokens[0]]);
        assert_eq!(expired(ended(), now, keep(25, 10)), [tokens[2], tokens[0]]);
        assert_eq!(expired(ended(), now, keep(0, 0)).len(), 4);
    }

    #[test]
    fn results_are_forgotten_by_their_bytes_the_oldest_first_and_never_the_latest() {
        let tokens: Vec<Token> = (0..5).map(|_| Token::generate()).collect();
        let jobs = [(10, 5), (40, 3), (20, 4), (30, 2), (5, 0)];
        let ended = || tokens.iter().zip(jobs).map(|(&token, (at, bytes))| (token, Lived(at), bytes));
        assert_eq!(too_much(ended(), 14), []);
        assert_eq!(too_much(ended(), 13), [tokens[0]]);
        assert_eq!(too_much(ended(), 9), [tokens[0]]);
        assert_eq!(too_much(ended(), 8), [tokens[2], tokens[0]]);
        assert_eq!(too_much(ended(), 0), [tokens[3], tokens[2], tokens[0]], "what has no result gains nothing");
        assert_eq!(too_much([(tokens[0], Lived(1), u64::MAX)], 1), []);
    }

    #[test]
    fn a_queue_is_found_by_its_name_in_any_letter_case() {
        assert_eq!(Queue::parse("FACECLUSTERING"), Some(Queue::FaceClustering));
        assert_eq!(Queue::parse("Face Clustering"), None);
    }

    #[test]
    fn r68_a_priority_is_a_number_from_0_to_100_and_50_by_default() {
        assert_eq!(Priority::new(100), Some(Priority::MAX));
        assert_eq!((Priority::new(101), Priority::new(u64::MAX)), (None, None));
        assert_eq!(Priority::default().number(), 50);
    }
}
