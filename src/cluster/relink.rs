//! Clusters at any threshold, from the pairs that a result has kept and without a vector: all merges in one pass, from
//! the highest link to the lowest, of which each threshold takes the beginning.
//!
//! **Promises.** With all pairs that reach the threshold, and no two of them equally high after rounding, the partition
//! is that of a run at this threshold that obeys the same decisions (see `constraints`). A pair that is not given counts as
//! one that does not reach it; one that is decided to be one person reaches every threshold, given or not, and if it is
//! not given its cosine counts as lower than that of all that are.
//!
//! **Why one pass does for all.** Merging goes from the highest link to the lowest, and no merge makes a link higher than
//! itself. So the clusters at a higher threshold are a stage on the way to those at a lower one; that is also why it may
//! begin with the clusters of a run (see `sweep`).
//!
//! **Why it is lazy.** As in `link`: a merge writes the list of the merged group alone, and of two linked groups the one
//! that changed last knows their link.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::Partition;
use super::constraints::{Bond, Constraints};
use crate::confidence::Confidence;

/// How high two groups are linked: decided to be one person, or not; and the lowest confidence across.
type Link = (bool, Confidence);

/// A merge that was possible when it was noted; the greatest comes first (contract R111, R112).
type Possible = (Link, Reverse<u32>, Reverse<u32>);

/// What can be merged, and in which order it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Merges {
    /// What was there at the beginning; each ascends, and they are in the order of first faces.
    groups: Vec<Vec<u32>>,
    /// The link, the group that stays and the one that goes into it, the highest link first.
    merges: Vec<(Link, u32, u32)>,
}

/// Groups on their way: the key of each is its place in the order of first faces.
struct Groups {
    is_there: Vec<bool>,
    /// The number of the last merge that made each what it is.
    changed: Vec<u32>,
    /// For each group, as it was when it last changed, those with which every pair is known, by key.
    links: Vec<Vec<(u32, Link)>>,
}

/// Merges `groups`, of which no two share a face, along `pairs` of faces, each given once or from both sides, and along
/// those that `constraints` link.
pub fn relink(
    groups: Vec<Vec<u32>>,
    pairs: impl IntoIterator<Item = (u32, u32, Confidence)>,
    constraints: &Constraints,
) -> Merges {
    let mut members = groups;
    members.retain(|group| !group.is_empty());
    for group in &mut members {
        group.sort_unstable();
    }
    members.sort_unstable_by_key(|group| group[0]);
    let mut possible = possible(&members, pairs, constraints);
    let mut groups = Groups::new(members.len(), &possible);
    possible.sort_unstable();
    let (mut merges, mut sunk) = (Vec::new(), BinaryHeap::new());
    while let Some(next) = highest(&mut possible, &mut sunk) {
        let (link, Reverse(a), Reverse(b)) = next;
        if groups.link(a, b) == Some(link) {
            merges.push((link, a, b));
            groups.merge(a, b, merges.len() as u32, &mut sunk);
        }
    }
    Merges { groups: members, merges }
}

/// The highest of both, which is taken away.
fn highest(sorted: &mut Vec<Possible>, sunk: &mut BinaryHeap<Possible>) -> Option<Possible> {
    if sorted.last() >= sunk.peek() { sorted.pop() } else { sunk.pop() }
}

/// The links between groups of which every pair is given, or counts as given.
fn possible(
    members: &[Vec<u32>],
    pairs: impl IntoIterator<Item = (u32, u32, Confidence)>,
    constraints: &Constraints,
) -> Vec<Possible> {
    let n = members.iter().flatten().max().map_or(0, |&last| last as usize + 1);
    let mut group_of = vec![u32::MAX; n];
    for (group, members) in members.iter().enumerate() {
        for &face in members {
            group_of[face as usize] = group as u32;
        }
    }
    let group = |face: u32| group_of.get(face as usize).copied().filter(|&group| group != u32::MAX);
    let across = |a: u32, b: u32, link: Link| {
        let (x, y) = (group(a)?, group(b)?);
        (x != y).then(|| (x.min(y), x.max(y), a.min(b), a.max(b), Reverse(link)))
    };
    let given = pairs.into_iter().filter_map(|(a, b, confidence)| {
        let bond = if constraints.is_empty() { None } else { constraints.bond(a, b) };
        if bond == Some(Bond::Apart) { None } else { across(a, b, (bond.is_some(), confidence)) }
    });
    let mut all: Vec<_> = given.collect();
    for face in (0..n as u32).filter(|&face| constraints.concern(face)) {
        let others = constraints.linked_behind(face).into_iter();
        all.extend(others.filter_map(|other| across(face, other, (true, Confidence::MIN))));
    }
    all.sort_unstable();
    all.dedup_by_key(|&mut (x, y, a, b, _)| (x, y, a, b)); // the first is the highest
    let runs = all.chunk_by(|one, next| (one.0, one.1) == (next.0, next.1));
    runs.filter_map(|run| {
        let (x, y, ..) = run[0];
        let is_complete = run.len() == members[x as usize].len() * members[y as usize].len();
        let lowest = run.iter().map(|pair| pair.4.0).min().filter(|_| is_complete)?;
        Some((lowest, Reverse(x), Reverse(y)))
    })
    .collect()
}

impl Merges {
    /// The clusters at a threshold that is no lower than those of the pairs and of the groups, in the order of output.
    pub fn at(&self, threshold: Confidence) -> Partition {
        let mut clusters = self.groups.clone();
        for (kept, gone) in self.merged(0..self.n_reaching(threshold)) {
            let moved = std::mem::take(&mut clusters[gone as usize]);
            clusters[kept as usize].extend(moved);
        }
        clusters.retain(|members| !members.is_empty());
        for members in &mut clusters {
            members.sort_unstable();
        }
        clusters.sort_by_key(|members| Reverse(members.len())); // stable: equal ones stay in the order of first faces
        clusters
    }

    pub(super) fn groups(&self) -> &[Vec<u32>] {
        &self.groups
    }

    /// How many merges reach a threshold; they are the first.
    pub(super) fn n_reaching(&self, threshold: Confidence) -> usize {
        self.merges.partition_point(|&((is_decided, lowest), ..)| is_decided || lowest >= threshold)
    }

    /// The group that stays and the one that goes into it, by their places among the groups.
    pub(super) fn merged(&self, which: std::ops::Range<usize>) -> impl Iterator<Item = (u32, u32)> {
        self.merges[which].iter().map(|&(_, kept, gone)| (kept, gone))
    }
}

impl Groups {
    /// Groups with these links, which are in the order of their groups.
    fn new(n: usize, possible: &[Possible]) -> Self {
        let mut links: Vec<Vec<(u32, Link)>> = vec![Vec::new(); n];
        for &(link, Reverse(a), Reverse(b)) in possible {
            links[b as usize].push((a, link)); // from all smaller ones, which ascend
        }
        for &(link, Reverse(a), Reverse(b)) in possible {
            links[a as usize].push((b, link));
        }
        Self { is_there: vec![true; n], changed: vec![0; n], links }
    }

    /// The link of two groups, as the one that changed last knows it; none if one of them has gone.
    fn link(&self, a: u32, b: u32) -> Option<Link> {
        let (knows, other) = if self.changed[a as usize] >= self.changed[b as usize] { (a, b) } else { (b, a) };
        let list = &self.links[knows as usize];
        let found = list.binary_search_by_key(&other, |&(key, _)| key).ok()?;
        (self.is_there[a as usize] && self.is_there[b as usize]).then(|| list[found].1)
    }

    /// Takes the links of a group as they are now.
    fn take(&mut self, key: u32) -> Vec<(u32, Link)> {
        let mut list = std::mem::take(&mut self.links[key as usize]);
        let changed = self.changed[key as usize];
        list.retain_mut(|(other, link)| {
            if !self.is_there[*other as usize] {
                return false;
            }
            if self.changed[*other as usize] <= changed {
                return true;
            }
            let newer = self.link(*other, key);
            *link = newer.unwrap_or(*link);
            newer.is_some()
        });
        list
    }

    /// Merges `b` into `a`, the smaller key. A link to a third remains only if both had one.
    fn merge(&mut self, a: u32, b: u32, number: u32, sunk: &mut BinaryHeap<Possible>) {
        let [of_a, of_b] = [a, b].map(|key| self.take(key));
        let mut others = of_b.into_iter().peekable();
        let mut both = Vec::new();
        for (third, link) in of_a {
            while others.next_if(|&(key, _)| key < third).is_some() {}
            if let Some((_, other)) = others.next_if(|&(key, _)| key == third) {
                both.push((third, link.min(other)));
                if other < link {
                    sunk.push((other, Reverse(a.min(third)), Reverse(a.max(third)))); // else it waits already
                }
            }
        }
        self.is_there[b as usize] = false;
        self.changed[a as usize] = number;
        self.links[a as usize] = both;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::Who;
    use super::*;
    use crate::cluster::{Parameters, Resources, Search, Unwatched, cluster};
    use crate::confidence::{ConfidenceScale, Threshold};
    use crate::face::{Embedding, FaceSet, face_id};

    fn faces(rows: &[Vec<f32>]) -> FaceSet {
        let named = rows.iter().enumerate().map(|(i, row)| {
            (face_id("people", &format!("{i:04}"), "x").unwrap(), Embedding::new(row.clone()).unwrap())
        });
        FaceSet::new(named).unwrap()
    }

    fn confidence(hundredths: u16) -> Confidence {
        Confidence::from_hundredths(hundredths).unwrap()
    }

    fn at(threshold: u16, constraints: &Constraints) -> Parameters {
        Parameters {
            cluster_threshold: Threshold::at(confidence(threshold)),
            output_threshold: Threshold::at(Confidence::MIN),
            search: Search::Exact,
            constraints: constraints.clone(),
            ..Parameters::default()
        }
    }

    fn alone(n: usize) -> Vec<Vec<u32>> {
        (0..n as u32).map(|face| vec![face]).collect()
    }

    /// Decisions on faces and on identities of three faces each.
    fn decisions(n: usize) -> impl Strategy<Value = Vec<(Bond, Who, Who)>> {
        let who = move || (any::<bool>(), 0..n as u32);
        let bond = prop_oneof![Just(Bond::Apart), Just(Bond::Together)];
        proptest::collection::vec((bond, who(), who()), 0..6).prop_map(|raw| {
            let of = |(is_face, at): (bool, u32)| {
                if is_face { Who::Face(at) } else { Who::Identity(at / 3 * 3, at / 3 * 3 + 3) }
            };
            raw.into_iter().map(|(bond, a, b)| (bond, of(a), of(b))).collect()
        })
    }

    /// The decisions on the first `n` faces.
    fn among(n: u32, decisions: &[(Bond, Who, Who)]) -> Constraints {
        let clip = |who: &Who| match *who {
            Who::Face(face) => (face < n).then_some(Who::Face(face)),
            Who::Identity(first, behind) => (first < n).then_some(Who::Identity(first, behind.min(n))),
        };
        let clipped = decisions.iter().filter_map(|(bond, a, b)| Some((*bond, clip(a)?, clip(b)?)));
        Constraints::new(n as usize, clipped)
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 400, max_global_rejects: 20_000, ..ProptestConfig::default() })]

        #[test]
        fn what_was_kept_gives_the_partition_of_a_run_at_any_threshold_that_obeys_the_same_decisions(
            rows in proptest::collection::vec(proptest::collection::vec(-1.0f32..1.0, 3), 1..15),
            decisions in decisions(14), is_free in any::<bool>(),
            (kept_at, floor, wanted_at) in (4_000u16..9_500, 4_000u16..9_500, 4_000u16..9_500),
        ) {
            prop_assume!(rows.iter().all(|row| row.iter().any(|v| v.abs() > 0.01)));
            let (faces, scale, n) = (faces(&rows), ConfidenceScale::cosine(), rows.len());
            let constraints = if is_free { Constraints::default() } else { among(n as u32, &decisions) };
            let run = |threshold| {
                cluster(&faces, &scale, &at(threshold, &constraints), &Resources::default(), &Unwatched).unwrap()
            };
            let (kept, wanted) = (run(kept_at), run(wanted_at));
            let floor = confidence(floor.min(wanted_at));
            let is_together = |a, b| constraints.bond(a, b) == Some(Bond::Together);
            let pairs: Vec<_> = (0..n as u32)
                .flat_map(|face| kept.matches_of(face).iter().map(move |m| (face, m.face, m.confidence)))
                .filter(|&(a, b, confidence)| confidence >= floor || is_together(a, b))
                .collect();
            let mut values: Vec<_> = pairs.iter().filter(|pair| pair.0 < pair.1).map(|pair| pair.2).collect();
            values.sort_unstable();
            prop_assume!(values.windows(2).all(|two| two[0] != two[1])); // ties of rounded values may be broken otherwise
            let merges = relink(alone(n), pairs.clone(), &constraints);
            prop_assert_eq!(merges.at(confidence(wanted_at)), wanted.clusters());
            let half: Vec<_> = pairs.iter().copied().filter(|pair| pair.0 < pair.1).collect();
            prop_assert_eq!(&relink(alone(n), half, &constraints), &merges, "from one side or both");
            if wanted_at <= kept_at {
                let further = relink(kept.clusters().to_vec(), pairs, &constraints);
                prop_assert_eq!(further.at(confidence(wanted_at)), wanted.clusters());
            }
        }
    }

    #[test]
    fn a_pair_that_is_not_given_keeps_groups_apart() {
        let high = confidence(9_000);
        let from = |pairs: &[(u32, u32, Confidence)]| {
            let groups = vec![vec![0, 1], vec![2], vec![3]];
            relink(groups, pairs.iter().copied(), &Constraints::default()).at(Confidence::MIN)
        };
        assert_eq!(from(&[(0, 2, high), (3, 2, high), (2, 3, high)]), [vec![0, 1], vec![2, 3]]);
        assert_eq!(from(&[(0, 2, high), (1, 2, high)]), [vec![0, 1, 2], vec![3]]);
        assert!(relink(Vec::new(), [], &Constraints::default()).at(high).is_empty());
    }

    #[test]
    fn what_is_decided_to_be_one_is_so_at_every_threshold_and_comes_first() {
        let one = |a, b| (Bond::Together, Who::Face(a), Who::Identity(b, b + 1));
        // 0 is one with 1, 2 and 3; only the pair 0 and 2 is given, and nothing is known of 2 and 3
        let constraints =
            Constraints::new(5, [one(0, 1), one(0, 2), one(0, 3), (Bond::Apart, Who::Face(1), Who::Face(4))]);
        let pairs = [(0, 2, confidence(100)), (1, 4, Confidence::MAX), (3, 4, confidence(9_999))];
        let merges = relink(alone(5), pairs, &constraints);
        assert_eq!(merges.at(Confidence::MAX), [vec![0, 2], vec![1], vec![3], vec![4]], "the one that is given");
        assert_eq!(merges.at(confidence(9_000)), [vec![0, 2], vec![3, 4], vec![1]]);
    }
}
