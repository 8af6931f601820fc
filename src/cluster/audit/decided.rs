//! What people have decided, as the audit honours it.

use std::ops::Range;

use super::super::Who;
use super::finding::{Case, Finding};
use super::identities::Identities;

/// Decisions about the faces of a run. A finding that one of them contradicts is not made.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Decided {
    /// These two do not show one person.
    pub not_same: Vec<(Who, Who)>,
    /// These two do.
    pub same: Vec<(Who, Who)>,
    /// The label of this image is right.
    pub right: Vec<u32>,
}

/// Two ranges of faces, each pair both ways, ascending.
type Ranges = Vec<(Range<u32>, Range<u32>)>;

/// Decisions in the form in which they are asked for.
pub(super) struct Verdicts {
    not_same: Ranges,
    same: Ranges,
    right: Vec<u32>,
}

impl Verdicts {
    pub(super) fn new(decided: &Decided) -> Self {
        let mut right = decided.right.clone();
        right.sort_unstable();
        Self { not_same: ranges(&decided.not_same), same: ranges(&decided.same), right }
    }

    /// Whether the label of this face was found right.
    pub(super) fn is_right(&self, face: u32) -> bool {
        self.right.binary_search(&face).is_ok()
    }

    /// Whether it was decided that something among `left` and something among `right`, both ascending, are different
    /// people.
    pub(super) fn parts(&self, left: &[u32], right: &[u32]) -> bool {
        speaks_of(&self.not_same, left, right)
    }

    /// Whether it was decided that they are one person.
    pub(super) fn joins(&self, left: &[u32], right: &[u32]) -> bool {
        speaks_of(&self.same, left, right)
    }
}

/// Pairs, each both ways, in order.
fn ranges(pairs: &[(Who, Who)]) -> Ranges {
    let both = pairs.iter().flat_map(|(a, b)| [(a.faces(), b.faces()), (b.faces(), a.faces())]);
    let mut ranges: Ranges = both.collect();
    ranges.sort_unstable_by_key(|(a, b)| (a.start, a.end, b.start, b.end));
    ranges
}

/// Whether a pair of ranges is there of which one lies among `left` and the other among `right`.
fn speaks_of(ranges: &Ranges, left: &[u32], right: &[u32]) -> bool {
    if ranges.is_empty() {
        return false;
    }
    let lies_in = |range: &Range<u32>, faces: &[u32]| range.clone().all(|face| faces.binary_search(&face).is_ok());
    left.iter().any(|&face| {
        let first = ranges.partition_point(|(a, _)| a.start < face);
        let of_face = ranges[first..].iter().take_while(|(a, _)| a.start == face);
        of_face.into_iter().any(|(a, b)| lies_in(a, left) && lies_in(b, right))
    })
}

/// Decisions on two, or on the label of one, to be looked up for findings that were made before them.
#[derive(Debug, Clone, Default)]
pub struct Answers {
    decisions: Vec<(Who, Option<Who>)>,
    /// The first face of either side of each, with its place among them, ascending.
    starts: Vec<(u32, usize)>,
}

impl Answers {
    /// Of these decisions, whatever they say.
    pub fn new(decisions: Vec<(Who, Option<Who>)>) -> Self {
        let sides = decisions.iter().enumerate();
        let sides = sides.flat_map(|(at, (first, second))| [Some(first), second.as_ref()].map(|who| (at, who)));
        let mut starts: Vec<_> = sides.filter_map(|(at, who)| Some((who?.faces().start, at))).collect();
        starts.sort_unstable();
        Self { decisions, starts }
    }

    /// The last decision on what a finding asks, by its place among them.
    pub fn to(&self, finding: &Finding, identities: &Identities) -> Option<usize> {
        if self.decisions.is_empty() {
            return None;
        }
        let sides = sides(finding, identities);
        let answers = |&at: &usize| match &self.decisions[at] {
            (first, None) => label_of(finding).is_some_and(|face| first.faces() == (face..face + 1)),
            (first, Some(second)) => {
                let decided = ranges(&[(first.clone(), second.clone())]);
                sides.iter().any(|(left, right)| speaks_of(&decided, left, right))
            }
        };
        let faces = sides.iter().flat_map(|(left, _)| left).copied().chain(label_of(finding));
        let of_face = |face: u32| {
            let first = self.starts.partition_point(|&(start, _)| start < face);
            self.starts[first..].iter().take_while(move |&&(start, _)| start == face).map(|&(_, at)| at)
        };
        faces.flat_map(of_face).filter(answers).max()
    }
}

/// The image whose label a finding doubts.
fn label_of(finding: &Finding) -> Option<u32> {
    match finding.case {
        Case::Misfiled { face, .. } | Case::Nobody { face, .. } | Case::Unsupported { face } => Some(face),
        _ => None,
    }
}

/// What a finding says to be one person or not.
fn sides(finding: &Finding, identities: &Identities) -> Vec<(Vec<u32>, Vec<u32>)> {
    let faces = |identity: u32| identities.faces(identity).collect::<Vec<u32>>();
    match &finding.case {
        Case::Misfiled { face, own, suggested } => {
            vec![(vec![*face], faces(suggested.identity)), (vec![*face], faces(own.identity))]
        }
        Case::Nobody { face, own } => vec![(vec![*face], faces(own.identity))],
        Case::SamePerson { first, second, .. } => vec![(faces(*first), faces(*second))],
        Case::SeveralPersons { parts, .. } => vec![(parts[0].clone(), parts[1].clone())],
        Case::Duplicates { faces, .. } => vec![(faces.clone(), faces.clone())],
        Case::Fragments { .. } => finding.evidence.iter().map(|pair| (vec![pair.first], vec![pair.second])).collect(),
        Case::Unsupported { .. } => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_decision_speaks_of_a_finding_only_if_it_is_about_what_the_finding_is_about() {
        let (x, y, z) = (Who::Identity(0, 2), Who::Identity(2, 4), Who::Identity(4, 5));
        let decided = Decided {
            not_same: vec![(y, Who::Face(0)), (z, x)],
            same: vec![(Who::Face(1), Who::Face(2))],
            right: vec![4],
        };
        let verdicts = Verdicts::new(&decided);
        assert!(verdicts.parts(&[0], &[2, 3]) && verdicts.parts(&[2, 3], &[0, 1]));
        assert!(!verdicts.parts(&[0], &[2]), "not the whole identity");
        assert!(verdicts.parts(&[0, 1], &[4]) && !verdicts.parts(&[0], &[4]));
        assert!(verdicts.joins(&[2], &[0, 1]) && !verdicts.joins(&[3], &[0, 1]));
        assert!(verdicts.is_right(4) && !verdicts.is_right(0));
    }

    #[test]
    fn a_finding_is_answered_by_a_decision_on_what_it_asks() {
        use crate::cluster::audit::{Cross, Evidence, Fit, Score};
        use crate::confidence::Confidence;
        use crate::face::face_id;
        let ids = [("a", "1"), ("a", "2"), ("b", "1"), ("b", "2"), ("c", "1")];
        let ids = ids.map(|(identifier, label)| face_id("d", identifier, label).unwrap());
        let identities = Identities::new(&ids);
        let best = Confidence::MAX;
        let fit = |identity| Fit { identity, images: 2, compared: 2, reaching: 0, best, typical: best };
        let cross = Cross { compared: 4, reaching: 4, best, mean: best };
        let of = |case, evidence| Finding { score: Score::MAX, case, evidence };
        let (face, a, b) = (Who::Face, Who::Identity(0, 2), Who::Identity(2, 4));
        let misfiled = of(Case::Misfiled { face: 1, own: fit(0), suggested: fit(1) }, Vec::new());
        let same = of(Case::SamePerson { first: 0, second: 1, cross }, Vec::new());
        let pair = Evidence { first: 1, second: 4, confidence: best };
        let fragments = of(Case::Fragments { clusters: vec![0, 1], images: 3, between: cross }, vec![pair]);
        let parts = vec![vec![0], vec![1]];
        let several = of(Case::SeveralPersons { identity: 0, parts, between: cross }, Vec::new());
        let copies = of(Case::Duplicates { faces: vec![0, 3], is_exact: true }, Vec::new());
        let nobody = of(Case::Nobody { face: 2, own: fit(1) }, Vec::new());
        let alone = of(Case::Unsupported { face: 4 }, Vec::new());
        let is = |finding: &Finding, first: Who, second: Option<Who>| {
            let asked = |decision| Answers::new(vec![(face(3), None), decision]).to(finding, &identities) == Some(1);
            let is_answered = asked((first.clone(), second.clone()));
            assert!(second.is_none_or(|second| asked((second, Some(first))) == is_answered), "either way round");
            is_answered
        };
        let twice = vec![(face(1), None), (face(1), Some(b.clone())), (face(0), None)];
        assert_eq!(Answers::new(twice).to(&misfiled, &identities), Some(1), "the last word counts");
        assert!(is(&misfiled, face(1), None) && !is(&misfiled, face(0), None));
        assert!(is(&misfiled, face(1), Some(b.clone())) && is(&misfiled, face(0), Some(face(1))));
        assert!(!is(&misfiled, face(0), Some(b.clone())) && !is(&misfiled, a.clone(), Some(b.clone())));
        assert!(is(&same, a.clone(), Some(b.clone())) && is(&same, face(0), Some(face(3))));
        assert!(!is(&same, a.clone(), Some(face(4))) && !is(&same, face(0), None));
        assert!(is(&several, face(0), Some(face(1))) && !is(&several, a, Some(b)));
        assert!(is(&copies, face(3), Some(face(0))) && !is(&copies, face(0), Some(face(1))));
        assert!(is(&fragments, face(1), Some(face(4))) && !is(&fragments, face(0), Some(face(4))));
        assert!(is(&nobody, face(2), None) && is(&nobody, face(2), Some(face(3))) && is(&alone, face(4), None));
        assert!(!is(&alone, face(4), Some(face(0))));
    }
}
