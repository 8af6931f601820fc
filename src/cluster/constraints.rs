//! What people have decided of faces, as the linkage obeys it: pairs that must be apart, and pairs that count as linked.
//!
//! **Rules.** (1) Two faces that are decided not to be one person are never in one cluster. (2) Two that are decided to
//! be one count as reaching the threshold, and as nearer to each other than any two about whom nothing is decided; among
//! themselves such pairs go by their cosine. (3) Of two faces for which both holds, the first counts. Otherwise linkage is
//! what it is without: a face joins a cluster only if its pair with every face in it reaches the threshold or counts as
//! doing so. Matches and their confidences are those of the vectors.
//!
//! **What follows from what.** Faces: a = b and b = c give a = c. Identities too: A = B and B = C count for every face of A
//! with every face of C; two faces of A are not decided upon by that, for one of them may be misfiled. Of a face and an
//! identity nothing more follows.
//!
//! **Why nearer than any other.** A pair that only just reached the threshold would come last, when its two faces have long
//! found others who do not fit together.

use std::collections::BTreeMap;
use std::ops::Range;

use super::gather::Gather;
use super::roots::Roots;
use super::verify::{Candidate, Edge, decided, keep};
use super::watch::Stage;
use super::{ClusterError, Run, workers};

/// One face, or those of an identity.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
#[cfg_attr(feature = "server", derive(serde::Serialize, serde::Deserialize))]
pub enum Who {
    /// A face, by its index.
    Face(u32),
    /// The faces of an identity: first, and behind the last.
    Identity(u32, u32),
}

/// What was decided of two.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[cfg_attr(feature = "server", derive(serde::Serialize, serde::Deserialize))]
pub enum Bond {
    /// They are not the same person.
    Apart,
    /// They are.
    Together,
}

/// Everything that was decided of the faces of a run.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Constraints {
    /// The faces of each group that something is decided of.
    groups: Vec<(u32, u32)>,
    /// The smallest group that each is one person with, of the same kind.
    person: Vec<u32>,
    /// The groups of each face, one list after the other; where each list ends.
    ends: Vec<u32>,
    of: Vec<u32>,
    /// Pairs of groups in order, the smaller first.
    apart: Vec<(u32, u32)>,
    /// The same of a face and an identity that are one person.
    mixed: Vec<(u32, u32)>,
    /// The groups of each person that has several.
    persons: BTreeMap<u32, Vec<u32>>,
    decisions: usize,
}

impl Who {
    /// Its faces.
    pub fn faces(&self) -> Range<u32> {
        match *self {
            Self::Face(face) => face..face.saturating_add(1),
            Self::Identity(first, behind) => first..behind,
        }
    }
}

impl Constraints {
    /// What these decisions mean for `n_faces` faces. Those about nobody, or about one face and itself, mean nothing.
    ///
    /// # Panics
    /// If there is no such face.
    pub fn new(n_faces: usize, decisions: impl IntoIterator<Item = (Bond, Who, Who)>) -> Self {
        let is_any = |(_, a, b): &(Bond, Who, Who)| !a.faces().is_empty() && !b.faces().is_empty() && a != b;
        let decisions: Vec<_> = decisions.into_iter().filter(is_any).collect();
        if decisions.is_empty() {
            return Self::default();
        }
        let mut places: BTreeMap<&Who, u32> = decisions.iter().flat_map(|(_, a, b)| [(a, 0), (b, 0)]).collect();
        places.values_mut().zip(0..).for_each(|(place, group)| *place = group);
        let mut constraints = Self { decisions: decisions.len(), ..Self::default() };
        constraints.groups = places.keys().map(|who| (who.faces().start, who.faces().end)).collect();
        let persons = Roots::new(places.len());
        for (bond, a, b) in &decisions {
            let (first, second) = (places[a].min(places[b]), places[a].max(places[b]));
            match (bond, a, b) {
                (Bond::Apart, ..) => constraints.apart.push((first, second)),
                (_, Who::Face(_), Who::Face(_)) | (_, Who::Identity(..), Who::Identity(..)) => {
                    persons.unite(first, second);
                }
                _ => constraints.mixed.push((first, second)),
            }
        }
        for pairs in [&mut constraints.apart, &mut constraints.mixed] {
            pairs.sort_unstable();
            pairs.dedup();
        }
        for group in 0..places.len() as u32 {
            let person = persons.root(group);
            constraints.person.push(person);
            constraints.persons.entry(person).or_default().push(group);
        }
        constraints.persons.retain(|_, groups| groups.len() > 1);
        constraints.list(n_faces);
        constraints
    }

    /// Lists the groups of each face.
    fn list(&mut self, n_faces: usize) {
        let mut counts = vec![0u32; n_faces];
        let faces = |groups: &[(u32, u32)], group: u32| groups[group as usize].0..groups[group as usize].1;
        for group in 0..self.groups.len() as u32 {
            faces(&self.groups, group).for_each(|face| counts[face as usize] += 1);
        }
        let mut end = 0;
        let mut nexts: Vec<u32> = Vec::with_capacity(n_faces);
        for count in counts {
            nexts.push(end);
            end += count;
            self.ends.push(end);
        }
        self.of = vec![0; end as usize];
        for group in 0..self.groups.len() as u32 {
            for face in faces(&self.groups, group) {
                self.of[nexts[face as usize] as usize] = group;
                nexts[face as usize] += 1;
            }
        }
    }

    /// How many decisions there are that mean something here.
    pub fn len(&self) -> usize {
        self.decisions
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.decisions == 0
    }

    fn groups_of(&self, face: u32) -> &[u32] {
        let Some(&end) = self.ends.get(face as usize) else { return &[] };
        let start = (face as usize).checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.of[start as usize..end as usize]
    }

    /// Whether anything is decided of a face.
    pub(super) fn concern(&self, face: u32) -> bool {
        !self.groups_of(face).is_empty()
    }

    /// What is decided of two different faces.
    pub fn bond(&self, a: u32, b: u32) -> Option<Bond> {
        let (ours, theirs) = (self.groups_of(a), self.groups_of(b));
        if ours.is_empty() || theirs.is_empty() {
            return None;
        }
        let mut bond = None;
        for (&x, &y) in ours.iter().flat_map(|x| theirs.iter().map(move |y| (x, y))) {
            let pair = (x.min(y), x.max(y));
            if x == y {
                continue;
            }
            if self.apart.binary_search(&pair).is_ok() {
                return Some(Bond::Apart);
            }
            let is_one = self.person[x as usize] == self.person[y as usize] || self.mixed.binary_search(&pair).is_ok();
            bond = bond.or(is_one.then_some(Bond::Together));
        }
        bond
    }

    /// Whether no more than so many pairs of faces count as linked.
    pub fn link_at_most(&self, most: usize) -> bool {
        let mut left = Some(most);
        for face in (0..self.ends.len() as u32).filter(|&face| self.concern(face)) {
            left = left.and_then(|left| left.checked_sub(self.linked_behind(face).len()));
            if left.is_none() {
                return false;
            }
        }
        true
    }

    /// The faces behind `face` that count as linked with it, in their order.
    pub(super) fn linked_behind(&self, face: u32) -> Vec<u32> {
        let mut linked = Vec::new();
        for &group in self.groups_of(face) {
            let person = self.persons.get(&self.person[group as usize]).into_iter().flatten().copied();
            let mixed = self.mixed.iter().filter(|(a, b)| *a == group || *b == group);
            for other in person.chain(mixed.map(|(a, b)| a + b - group)).filter(|&other| other != group) {
                let (first, behind) = self.groups[other as usize];
                linked.extend(first.max(face + 1)..behind);
            }
        }
        linked.sort_unstable();
        linked.dedup();
        linked.retain(|&other| self.bond(face, other) == Some(Bond::Together));
        linked
    }
}

/// What the linkage takes for the cosine of two faces, if that reaches `level`.
pub(super) fn link(run: &Run<'_>, candidate: Candidate, level: f64) -> Option<f64> {
    match candidate.bond(&run.parameters.constraints) {
        None => keep(run.faces, candidate, level).map(|edge| edge.cosine()),
        Some(Bond::Apart) => None,
        Some(Bond::Together) => Some(decided(run.faces, candidate).cosine()).filter(|&cosine| cosine >= level),
    }
}

/// How many faces make a unit of work.
const UNIT: usize = 64;

/// Gives the linkage all pairs that count as linked, whatever their cosines are.
pub(super) fn gather_linked(run: &Run<'_>, gather: &Gather<'_>) -> Result<(), ClusterError> {
    let constraints = &run.parameters.constraints;
    if constraints.is_empty() {
        return Ok(());
    }
    let concerned: Vec<u32> = (0..run.faces.len() as u32).filter(|&face| constraints.concern(face)).collect();
    workers::for_each(run, Stage::Link, concerned.len().div_ceil(UNIT) as u64, Vec::<Edge>::new, |edges, unit| {
        let start = unit as usize * UNIT;
        for &face in &concerned[start..concerned.len().min(start + UNIT)] {
            let others = constraints.linked_behind(face).into_iter();
            edges.extend(others.map(|other| decided(run.faces, Candidate::new(face, other))));
            gather.hold(edges)?;
            edges.clear();
        }
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_faces_and_of_identities_it_follows_that_those_in_between_are_one_person() {
        // identities A = 0..2, B = 2..4, C = 4..6
        let of = |first| Who::Identity(first, first + 2);
        let (one, other) = ((Bond::Together, of(0), of(2)), (Bond::Together, of(2), of(4)));
        let constraints = Constraints::new(6, [one, other, (Bond::Apart, Who::Face(0), Who::Face(5))]);
        assert_eq!(constraints.bond(0, 4), Some(Bond::Together));
        assert_eq!(constraints.bond(5, 0), Some(Bond::Apart), "it counts more");
        assert_eq!(constraints.bond(0, 1), None, "one of them may be misfiled");
        assert_eq!(constraints.linked_behind(0), [2, 3, 4]);
        assert_eq!(constraints.linked_behind(3), [4, 5]);
        assert!(constraints.link_at_most(11) && !constraints.link_at_most(10), "3 times 4, and one that is apart");
        let chain = [(Bond::Together, Who::Face(0), Who::Face(3)), (Bond::Together, Who::Face(3), Who::Face(1))];
        assert_eq!(Constraints::new(6, chain).bond(0, 1), Some(Bond::Together));
    }

    #[test]
    fn a_face_may_be_apart_from_the_others_of_its_own_identity() {
        let constraints = Constraints::new(3, [(Bond::Apart, Who::Face(1), Who::Identity(0, 3))]);
        assert_eq!((constraints.bond(0, 1), constraints.bond(0, 2)), (Some(Bond::Apart), None));
        assert!(Constraints::new(3, [(Bond::Apart, Who::Face(1), Who::Identity(2, 2))]).is_empty(), "nobody");
    }
}
