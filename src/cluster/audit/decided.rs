//! What people have decided, as the audit honours it.

use std::ops::Range;

use super::super::Who;

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
        let ranges = |pairs: &[(Who, Who)]| {
            let both = pairs.iter().flat_map(|(a, b)| [(a.faces(), b.faces()), (b.faces(), a.faces())]);
            let mut ranges: Ranges = both.collect();
            ranges.sort_unstable_by_key(|(a, b)| (a.start, a.end, b.start, b.end));
            ranges
        };
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
}
