//! Reading a result into memory, with no more of its matches than can be held.
//!
//! **Promises.** What is left out is the lowest: from some confidence on all matches of the result are there.

use crate::cluster::{Bond, Who};
use crate::confidence::Confidence;
use crate::engine::{ClusteringOutcome, Engine, EngineError};
use crate::face::FaceId;
use crate::job::Token;

/// At most so many matches are held of a result, 8 bytes each.
const MAX_MATCHES: usize = 8 << 20;

/// A result as it is read.
#[derive(Default)]
pub(super) struct Read {
    pub(super) names: Vec<FaceId>,
    pub(super) members: Vec<u32>,
    pub(super) cluster_of: Vec<u32>,
    /// The matches of each image.
    pub(super) lists: Vec<Vec<(u32, Confidence)>>,
    /// What it has obeyed, as far as that was kept.
    pub(super) bonds: Vec<(Bond, Who, Who)>,
    /// Matches below so many hundredths were left out, because there are too many; beyond the highest confidence: all were.
    pub(super) kept_from: u16,
}

impl Read {
    /// Reads to the end. Where the matches become too many the lowest are left out, so that what is there is still all
    /// there is from some confidence on.
    pub(super) fn all(engine: &Engine, token: Token, outcome: &ClusteringOutcome) -> Result<Self, EngineError> {
        let mut reader = engine.read_result(token, outcome)?;
        let names = reader.take_names();
        let n = names.len();
        let mut read = Self { names, cluster_of: vec![0; n], lists: vec![Vec::new(); n], ..Self::default() };
        let mut n_held = 0;
        while let Some(face) = reader.next_face()? {
            let place = face.face as usize;
            read.cluster_of[place] = face.cluster as u32;
            read.members.push(face.face);
            let mut list = face.matches;
            list.truncate(list.partition_point(|&(_, confidence)| confidence.hundredths() >= read.kept_from));
            n_held += list.len();
            read.lists[place] = list;
            if n_held > MAX_MATCHES {
                n_held = read.leave_out();
            }
        }
        read.bonds = reader.take_bonds();
        Ok(read)
    }

    /// Leaves the lower half of the matches out; how many are left.
    fn leave_out(&mut self) -> usize {
        let mut counts = vec![0usize; usize::from(Confidence::MAX.hundredths()) + 2];
        for &(_, confidence) in self.lists.iter().flatten() {
            counts[usize::from(confidence.hundredths())] += 1;
        }
        let (mut n, mut from) = (0, Confidence::MAX.hundredths());
        while from > 0 && n + counts[usize::from(from)] <= MAX_MATCHES / 2 {
            n += counts[usize::from(from)];
            from -= 1;
        }
        let kept_from = from + 1;
        self.kept_from = kept_from;
        for list in &mut self.lists {
            list.truncate(list.partition_point(|&(_, confidence)| confidence.hundredths() >= kept_from));
            list.shrink_to_fit();
        }
        self.lists.iter().map(Vec::len).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_too_many_matches_the_lowest_are_left_out_and_none_above_them() {
        let confidence = |hundredths| Confidence::from_hundredths(hundredths).unwrap();
        let list: Vec<_> = (0..9_000u16).rev().map(|value| (0, confidence(value))).collect();
        let mut read = Read { lists: vec![list; 1_000], ..Read::default() };
        let n = read.leave_out();
        let from = confidence(read.kept_from);
        assert!(n <= MAX_MATCHES / 2 && n + 1_000 > MAX_MATCHES / 2, "{n}");
        assert!(read.lists.iter().all(|list| list.last().unwrap().1 == from && list.len() == n / 1_000));
        let mut alike = Read { lists: vec![vec![(0, Confidence::MAX); 10]; MAX_MATCHES / 10 + 1], ..Read::default() };
        assert_eq!(alike.leave_out(), 0, "all alike cannot be held, and none is left that has no fellow");
        assert!(alike.kept_from > Confidence::MAX.hundredths());
    }
}
