//! A result at other thresholds than its own, from the pairs that are held.
//!
//! **Promises.** All thresholds together cost one pass over the pairs, when the first is asked for. What is decided of
//! images counts as it did in the run, or [`Sheet::obeyed`] says that it does not.

use std::sync::OnceLock;

use super::sheet::{Sheet, n_split};
use crate::cluster::{Agreement, Bond, Constraints, Merges, Partition, Who, relink};
use crate::confidence::Confidence;

/// At most so many pairs that are decided to be one person are taken into account.
const MAX_LINKED: usize = 4 << 20;

/// What a result has to do with decisions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Obeyed {
    /// The run was not asked to obey any, or there were none.
    Nothing,
    /// It obeyed so many, and other thresholds do too.
    Too(u64),
    /// It obeyed so many, but what they are was not kept, by an earlier version of the program: other thresholds do not.
    NotKept(u64),
    /// It obeyed so many, which link more pairs than are held here: other thresholds do not.
    TooMany(u64),
}

/// Merges at higher thresholds than that of the result, and at lower ones.
#[derive(Debug, Default)]
pub(super) struct Others {
    constraints: Constraints,
    higher: OnceLock<Merges>,
    lower: OnceLock<Merges>,
}

impl Others {
    /// Of a run over so many images that has obeyed so many decisions, of which these were kept.
    pub(super) fn of(n_faces: usize, respected: Option<u64>, bonds: Vec<(Bond, Who, Who)>) -> (Obeyed, Self) {
        let n = respected.unwrap_or(0);
        let constraints = Constraints::new(n_faces, bonds);
        let obeyed = match n {
            0 => Obeyed::Nothing,
            _ if constraints.len() as u64 != n => Obeyed::NotKept(n),
            _ if !constraints.link_at_most(MAX_LINKED) => Obeyed::TooMany(n),
            _ => Obeyed::Too(n),
        };
        let constraints = if matches!(obeyed, Obeyed::Too(_)) { constraints } else { Constraints::default() };
        (obeyed, Self { constraints, ..Self::default() })
    }
}

impl Sheet {
    /// The lowest threshold that can be answered: from it on all pairs are held that the result has.
    pub fn answers_from(&self) -> Confidence {
        let output = Confidence::from_hundredths(self.output_threshold).unwrap_or(Confidence::MAX);
        self.complete_from.map_or(output, |from| from.max(output))
    }

    fn is_higher(&self, threshold: Confidence) -> bool {
        threshold.hundredths() >= self.cluster_threshold
    }

    fn is_own(&self, threshold: Confidence) -> bool {
        threshold.hundredths() == self.cluster_threshold
    }

    /// Its own.
    fn partition(&self) -> Partition {
        self.clusters.iter().map(|cluster| self.members(cluster).to_vec()).collect()
    }

    /// The clusters at a threshold; at its own those of the run, whatever was rounded or left out since.
    pub fn at(&self, threshold: Confidence) -> Partition {
        if self.is_own(threshold) {
            return self.partition();
        }
        if self.is_higher(threshold) { self.higher().at(threshold) } else { self.lower().at(threshold) }
    }

    /// How many of these clusters hold several identities, and how many identities are in several of them.
    pub fn mixed_and_split(&self, clusters: &Partition) -> (usize, usize) {
        let n_mixed = clusters.iter().filter(|members| self.n_identities(members) > 1).count();
        (n_mixed, n_split(&self.identities, clusters.iter().map(Vec::as_slice)))
    }

    /// How the clusters at these thresholds agree with the identities; the highest threshold first, each once.
    pub fn sweep(&self, thresholds: &[Confidence]) -> Vec<(Confidence, Agreement)> {
        let mut falling = thresholds.to_vec();
        falling.sort_unstable_by(|a, b| b.cmp(a));
        falling.dedup();
        let (higher, lower) = falling.split_at(falling.partition_point(|&at| self.is_higher(at)));
        let agreements = |merges: fn(&Self) -> &Merges, falling: &[Confidence]| match falling {
            [] => Vec::new(),
            _ => merges(self).agreements(&self.identities, falling.iter().copied()),
        };
        let all = agreements(Self::higher, higher).into_iter().chain(agreements(Self::lower, lower));
        let of_run = || Agreement::of_numbered(&self.identities, &self.partition());
        let at = |(threshold, agreement)| (threshold, if self.is_own(threshold) { of_run() } else { agreement });
        falling.iter().copied().zip(all).map(at).collect()
    }

    /// At a higher threshold clusters lie within those of the result.
    fn higher(&self) -> &Merges {
        let alone = || (0..self.names.len() as u32).map(|face| vec![face]).collect();
        self.others.higher.get_or_init(|| relink(alone(), self.pairs(true), &self.others.constraints))
    }

    /// At a lower one those of the result are parts of clusters.
    fn lower(&self) -> &Merges {
        self.others.lower.get_or_init(|| relink(self.partition(), self.pairs(false), &self.others.constraints))
    }

    /// The pairs that are held within clusters, or across them.
    fn pairs(&self, is_within: bool) -> impl Iterator<Item = (u32, u32, Confidence)> {
        // where a list is cut short a pair may be in that of the second alone
        let is_first = move |a: u32, b: u32| a < b || self.complete_from.is_none();
        let is_wanted = move |a: u32, b: u32| is_within == (self.cluster_of[a as usize] == self.cluster_of[b as usize]);
        (0..self.names.len() as u32).flat_map(move |face| {
            let all = self.matches_of(face).iter().copied();
            let wanted = all.filter(move |&(other, _)| is_first(face, other) && is_wanted(face, other));
            wanted.map(move |(other, confidence)| (face, other, confidence))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decisions_that_were_obeyed_but_not_kept_are_said_to_be_missing() {
        let one = || (Bond::Together, Who::Face(0), Who::Face(1));
        assert_eq!(Others::of(2, None, Vec::new()).0, Obeyed::Nothing);
        assert_eq!(Others::of(2, Some(0), Vec::new()).0, Obeyed::Nothing);
        let (kept, others) = Others::of(2, Some(1), vec![one()]);
        assert_eq!((kept, others.constraints.len()), (Obeyed::Too(1), 1));
        for (n, bonds) in [(1, Vec::new()), (2, vec![one()])] {
            let (obeyed, others) = Others::of(2, Some(n), bonds);
            assert!(obeyed == Obeyed::NotKept(n) && others.constraints.is_empty(), "{obeyed:?}");
        }
        let all = vec![(Bond::Together, Who::Identity(0, 3_000), Who::Identity(3_000, 5_000))];
        let (obeyed, others) = Others::of(5_000, Some(1), all);
        assert!(obeyed == Obeyed::TooMany(1) && others.constraints.is_empty(), "{obeyed:?}");
    }
}
