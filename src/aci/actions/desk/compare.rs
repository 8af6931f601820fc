//! What is different in a result from an earlier one over the same database.
//!
//! Images are known by their names: one that was moved to another identity has gone under its old name and come under
//! its new one.

use std::collections::{BTreeMap, BTreeSet};

use super::sheet::{Cluster, Sheet};

/// What has become of clusters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fate {
    /// One holds what were several.
    Joined,
    /// Several hold what was one.
    Split,
    /// Both: images were exchanged.
    Rearranged,
    /// One has images that were not there before.
    Grown,
    /// One has lost images that are not there any more.
    Shrunk,
}

/// Clusters that differ, together with all that share an image with them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// What it is.
    pub fate: Fate,
    /// Numbers of clusters of the earlier result.
    pub before: Vec<u32>,
    /// Numbers of clusters of the later one.
    pub after: Vec<u32>,
}

/// All that differs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// Images of the later result that were not in the earlier.
    pub come: Vec<u32>,
    /// Images of the earlier result that are not in the later.
    pub gone: Vec<u32>,
    /// Clusters of the later result that are as they were.
    pub n_same: usize,
    /// The others, the weightiest first.
    pub changes: Vec<Change>,
}

impl Difference {
    /// What is different in `later`.
    pub fn between(earlier: &Sheet, later: &Sheet) -> Self {
        let (then, come, gone) = matched(earlier, later);
        let mut after_of: BTreeMap<u32, BTreeSet<u32>> = BTreeMap::new();
        let mut before_of: BTreeMap<u32, BTreeSet<u32>> = BTreeMap::new();
        for (face, then) in then.iter().enumerate() {
            let after = later.cluster_of(face as u32).number;
            let before = then.map(|then| earlier.cluster_of(then).number);
            before_of.entry(after).or_default().extend(before);
            if let Some(before) = before {
                after_of.entry(before).or_default().insert(after);
            }
        }
        let lost: BTreeSet<u32> = gone.iter().map(|&face| earlier.cluster_of(face).number).collect();
        let (mut n_same, mut changes, mut seen) = (0, Vec::new(), BTreeSet::new());
        for cluster in &later.clusters {
            if !seen.insert(cluster.number) {
                continue;
            }
            let (before, after) = connected(cluster, &before_of, &after_of);
            seen.extend(&after);
            let size = |sheet: &Sheet, numbers: &BTreeSet<u32>| -> usize {
                numbers.iter().map(|&number| sheet.clusters[number as usize].len()).sum()
            };
            let has_lost = before.iter().any(|number| lost.contains(number));
            let fate = match (before.len(), after.len()) {
                (0, _) => continue, // all of it has come
                (1, 1) if size(earlier, &before) == size(later, &after) && !has_lost => {
                    n_same += 1;
                    continue;
                }
                (1, 1) if size(later, &after) > size(earlier, &before) => Fate::Grown,
                (1, 1) if has_lost && size(later, &after) < size(earlier, &before) => Fate::Shrunk,
                (1, 1) => Fate::Rearranged,
                (_, 1) => Fate::Joined,
                (1, _) => Fate::Split,
                _ => Fate::Rearranged,
            };
            changes.push(Change { fate, before: before.into_iter().collect(), after: after.into_iter().collect() });
        }
        changes.sort_by_key(|change| change.fate);
        Self { come, gone, n_same, changes }
    }
}

/// For each image of `later` the same one in `earlier`; those that have come, and those that have gone.
fn matched(earlier: &Sheet, later: &Sheet) -> (Vec<Option<u32>>, Vec<u32>, Vec<u32>) {
    let (mut then, mut come, mut gone) = (Vec::with_capacity(later.names.len()), Vec::new(), Vec::new());
    let mut at = 0;
    for (face, name) in later.names.iter().enumerate() {
        while earlier.names.get(at).is_some_and(|earlier| earlier < name) {
            gone.push(at as u32);
            at += 1;
        }
        if earlier.names.get(at) == Some(name) {
            then.push(Some(at as u32));
            at += 1;
        } else {
            then.push(None);
            come.push(face as u32);
        }
    }
    gone.extend(at as u32..earlier.names.len() as u32);
    (then, come, gone)
}

/// Everything that shares images with a cluster, with what shares images with that, and so on.
fn connected(
    start: &Cluster,
    before_of: &BTreeMap<u32, BTreeSet<u32>>,
    after_of: &BTreeMap<u32, BTreeSet<u32>>,
) -> (BTreeSet<u32>, BTreeSet<u32>) {
    let (mut before, mut after) = (BTreeSet::new(), BTreeSet::from([start.number]));
    let mut open = vec![start.number];
    while let Some(number) = open.pop() {
        for &old in before_of.get(&number).into_iter().flatten() {
            if before.insert(old) {
                open.extend(after_of.get(&old).into_iter().flatten().filter(|&&new| after.insert(new)));
            }
        }
    }
    (before, after)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::face::face_id;

    /// A result of these clusters of labels, all of one identity.
    fn sheet(clusters: &[&str]) -> Sheet {
        let mut labels: Vec<char> = clusters.iter().flat_map(|labels| labels.chars()).collect();
        labels.sort_unstable();
        let place = |label: char| labels.binary_search(&label).unwrap() as u32;
        let names = labels.iter().map(|label| face_id("people", "ann", &label.to_string()).unwrap()).collect();
        let clusters: Vec<Vec<u32>> = clusters.iter().map(|labels| labels.chars().map(place).collect()).collect();
        Sheet::of(names, &clusters)
    }

    fn fates(earlier: &[&str], later: &[&str]) -> (Vec<Fate>, usize, usize, usize) {
        let difference = Difference::between(&sheet(earlier), &sheet(later));
        let fates = difference.changes.iter().map(|change| change.fate).collect();
        (fates, difference.n_same, difference.come.len(), difference.gone.len())
    }

    #[test]
    fn every_cluster_that_differs_is_told_with_what_became_of_it() {
        assert_eq!(fates(&["ab", "c"], &["ab", "c"]), (vec![], 2, 0, 0));
        assert_eq!(fates(&["ab", "c"], &["abc"]), (vec![Fate::Joined], 0, 0, 0));
        assert_eq!(fates(&["abc", "de"], &["ab", "c", "de"]), (vec![Fate::Split], 1, 0, 0));
        assert_eq!(fates(&["abc", "de"], &["ab", "cde"]), (vec![Fate::Rearranged], 0, 0, 0));
        assert_eq!(fates(&["ab"], &["abx", "y"]), (vec![Fate::Grown], 0, 2, 0));
        assert_eq!(fates(&["abc", "d"], &["ab"]), (vec![Fate::Shrunk], 0, 0, 2));
        assert_eq!(fates(&["abc"], &["abx"]), (vec![Fate::Rearranged], 0, 1, 1), "one for another");
        assert_eq!(fates(&[], &[]), (vec![], 0, 0, 0));
    }
}
