//! Clusters at another threshold, from the pairs that a result has kept and without a vector.
//!
//! **Promises.** With all pairs that reach the threshold, and no two of them equally high after rounding, the partition
//! is that of a run at this threshold. A pair that is not given counts as one that does not reach it.
//!
//! **Why it may begin with clusters.** Merging goes from the highest link to the lowest, so the clusters at a higher
//! threshold are a stage on the way to those at a lower one; see `sweep`.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};

use super::Partition;
use crate::confidence::Confidence;

/// A merge that was possible when it was noted; the greatest comes first (contract R111, R112).
type Possible = (Confidence, Reverse<u32>, Reverse<u32>);

/// Groups on their way: the key of each is its place in the order of first faces.
struct Groups {
    members: Vec<Vec<u32>>,
    /// For each group those with which every pair is known, and the lowest of these pairs.
    links: Vec<BTreeMap<u32, Confidence>>,
    possible: BinaryHeap<Possible>,
}

/// Merges `groups`, of which no two share a face, along `pairs` of faces, each given once or from both sides. All pairs
/// that are given reach the threshold.
pub fn relink(groups: &[Vec<u32>], pairs: impl IntoIterator<Item = (u32, u32, Confidence)>) -> Partition {
    let mut members: Vec<Vec<u32>> = groups.iter().filter(|group| !group.is_empty()).cloned().collect();
    for group in &mut members {
        group.sort_unstable();
    }
    members.sort_unstable_by_key(|group| group[0]);
    let links = links(&members, pairs);
    let mut groups = Groups { links: vec![BTreeMap::new(); members.len()], members, possible: BinaryHeap::new() };
    for (a, b, link) in links {
        groups.connect(a, b, link);
    }
    while let Some((link, Reverse(a), Reverse(b))) = groups.possible.pop() {
        if groups.links[a as usize].get(&b) == Some(&link) {
            groups.merge(a, b);
        }
    }
    let mut clusters = groups.members;
    clusters.retain(|members| !members.is_empty());
    clusters.sort_by_key(|members| Reverse(members.len())); // stable: equal ones stay in the order of first faces
    clusters
}

/// The links between groups of which every pair is given.
fn links(members: &[Vec<u32>], pairs: impl IntoIterator<Item = (u32, u32, Confidence)>) -> Vec<(u32, u32, Confidence)> {
    let n = members.iter().flatten().max().map_or(0, |&last| last as usize + 1);
    let mut group_of = vec![u32::MAX; n];
    for (group, members) in members.iter().enumerate() {
        for &face in members {
            group_of[face as usize] = group as u32;
        }
    }
    let group = |face: u32| group_of.get(face as usize).copied().filter(|&group| group != u32::MAX);
    let mut across: Vec<(u32, u32, u32, u32, Confidence)> = pairs
        .into_iter()
        .filter_map(|(a, b, confidence)| {
            let (a, b) = (a.min(b), a.max(b));
            let (x, y) = (group(a)?, group(b)?);
            (x != y).then(|| (x.min(y), x.max(y), a, b, confidence))
        })
        .collect();
    across.sort_unstable();
    across.dedup_by_key(|&mut (x, y, a, b, _)| (x, y, a, b));
    let is_complete = |run: &&[(u32, u32, u32, u32, Confidence)]| {
        let (x, y, ..) = run[0];
        run.len() == members[x as usize].len() * members[y as usize].len()
    };
    let lowest = |run: &[(u32, u32, u32, u32, Confidence)]| {
        let (x, y, ..) = run[0];
        (x, y, run.iter().map(|pair| pair.4).min().unwrap_or(Confidence::MAX))
    };
    across.chunk_by(|one, next| (one.0, one.1) == (next.0, next.1)).filter(is_complete).map(lowest).collect()
}

impl Groups {
    fn connect(&mut self, a: u32, b: u32, link: Confidence) {
        let (a, b) = (a.min(b), a.max(b));
        self.links[a as usize].insert(b, link);
        self.links[b as usize].insert(a, link);
        self.possible.push((link, Reverse(a), Reverse(b)));
    }

    /// Merges `b` into `a`, the smaller key. A link to a third remains only if both had one.
    fn merge(&mut self, a: u32, b: u32) {
        let moved = std::mem::take(&mut self.members[b as usize]);
        let members = &mut self.members[a as usize];
        members.extend(moved);
        members.sort_unstable();
        let [of_a, of_b] = [a, b].map(|key| std::mem::take(&mut self.links[key as usize]));
        for &third in of_a.keys().chain(of_b.keys()) {
            self.links[third as usize].remove(&a);
            self.links[third as usize].remove(&b);
        }
        for (&third, &link) in &of_a {
            if let Some(&other) = of_b.get(&third) {
                self.connect(a, third, link.min(other));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

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

    fn at(threshold: u16) -> Parameters {
        Parameters {
            cluster_threshold: Threshold::at(Confidence::from_hundredths(threshold).unwrap()),
            output_threshold: Threshold::at(Confidence::from_hundredths(5_000).unwrap()),
            search: Search::Exact,
            ..Parameters::default()
        }
    }

    proptest! {
        #[test]
        fn what_was_kept_gives_the_partition_of_a_run_at_any_threshold_above(
            rows in proptest::collection::vec(proptest::collection::vec(-1.0f32..1.0, 3), 1..24),
            thresholds in (5_000u16..9_500, 5_000u16..9_500),
        ) {
            prop_assume!(rows.iter().all(|row| row.iter().any(|v| v.abs() > 0.01)));
            let (faces, scale) = (faces(&rows), ConfidenceScale::cosine());
            let run = |threshold| cluster(&faces, &scale, &at(threshold), &Resources::default(), &Unwatched).unwrap();
            let (kept, wanted) = (run(thresholds.0), run(thresholds.1));
            let floor = Confidence::from_hundredths(thresholds.1).unwrap();
            let pairs: Vec<_> = (0..rows.len() as u32)
                .flat_map(|face| kept.matches_of(face).iter().map(move |m| (face, m.face, m.confidence)))
                .filter(|pair| pair.2 >= floor)
                .collect();
            let mut values: Vec<_> = pairs.iter().filter(|pair| pair.0 < pair.1).map(|pair| pair.2).collect();
            values.sort_unstable();
            prop_assume!(values.windows(2).all(|two| two[0] != two[1])); // ties of rounded values may be broken otherwise
            let alone: Vec<Vec<u32>> = (0..rows.len() as u32).map(|face| vec![face]).collect();
            prop_assert_eq!(relink(&alone, pairs.clone()), wanted.clusters());
            if thresholds.1 <= thresholds.0 {
                prop_assert_eq!(relink(kept.clusters(), pairs), wanted.clusters());
            }
        }
    }

    #[test]
    fn a_pair_that_is_not_given_keeps_groups_apart() {
        let high = Confidence::from_hundredths(9_000).unwrap();
        let groups = [vec![0, 1], vec![2], vec![3]];
        assert_eq!(relink(&groups, [(0, 2, high), (3, 2, high), (2, 3, high)]), [vec![0, 1], vec![2, 3]]);
        assert_eq!(relink(&groups, [(0, 2, high), (1, 2, high)]), [vec![0, 1, 2], vec![3]]);
        assert!(relink(&[], []).is_empty());
    }
}
