//! What is different in a result from an earlier one over the same database.
//!
//! Images are known by their names, and those that were refiled by the log of changes; one that was renamed in a way that
//! is not logged has gone under its old name and come under its new one.

use std::collections::{BTreeMap, BTreeSet};

use super::moves::Moves;
use super::sheet::{Cluster, Sheet};
use crate::face::FaceId;

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
    /// The images are the same, some under other names.
    Refiled,
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
    /// Images that were refiled: in the earlier result and in the later.
    pub moved: Vec<(u32, u32)>,
    /// Clusters of the later result that are as they were.
    pub n_same: usize,
    /// The others, the weightiest first.
    pub changes: Vec<Change>,
}

impl Difference {
    /// What is different in `later`, when images were moved so in between.
    pub(super) fn between(earlier: &Sheet, later: &Sheet, moves: &Moves) -> Self {
        let Matched { then, come, gone, moved } = matched(earlier, later, moves);
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
        let refiled: BTreeSet<u32> = moved.iter().map(|&(_, face)| later.cluster_of(face).number).collect();
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
                    if !refiled.contains(&cluster.number) {
                        n_same += 1;
                        continue;
                    }
                    Fate::Refiled
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
        Self { come, gone, moved, n_same, changes }
    }
}

/// Which images of two results are the same.
struct Matched {
    /// For each image of the later result the same one in the earlier.
    then: Vec<Option<u32>>,
    come: Vec<u32>,
    gone: Vec<u32>,
    moved: Vec<(u32, u32)>,
}

fn matched(earlier: &Sheet, later: &Sheet, moves: &Moves) -> Matched {
    let find = |name: &FaceId| earlier.names.binary_search(name).ok().map(|at| at as u32);
    let refiled = |name: &FaceId| moves.before(name).and_then(find);
    let mut then: Vec<Option<u32>> = later.names.iter().map(refiled).collect();
    let moved: Vec<(u32, u32)> = (0u32..).zip(&then).filter_map(|(face, then)| then.map(|then| (then, face))).collect();
    // a name that was left may have been given anew: that is another image
    let mut is_taken = vec![false; earlier.names.len()];
    moved.iter().for_each(|&(then, _)| is_taken[then as usize] = true);
    for (then, name) in then.iter_mut().zip(&later.names).filter(|(then, _)| then.is_none()) {
        *then = find(name).filter(|&same| !is_taken[same as usize]);
    }
    then.iter().flatten().for_each(|&then| is_taken[then as usize] = true);
    let come = (0u32..).zip(&then).filter(|(_, then)| then.is_none()).map(|(face, _)| face).collect();
    let gone = (0u32..).zip(is_taken).filter(|(_, is_taken)| !is_taken).map(|(face, _)| face).collect();
    Matched { then, come, gone, moved }
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
        let difference = Difference::between(&sheet(earlier), &sheet(later), &Moves::default());
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
    /// The same when images of ann were renamed so.
    fn refiled(earlier: &[&str], later: &[&str], moved: &[(char, char)]) -> (Vec<Fate>, usize, [usize; 3]) {
        let names: Vec<[String; 2]> =
            moved.iter().map(|(from, to)| [format!("ann/{from}"), format!("ann/{to}")]).collect();
        let change: Vec<(&str, &str)> = names.iter().map(|[from, to]| (&**from, &**to)).collect();
        let moves = super::super::moves::tests::moves(&[&change]);
        let difference = Difference::between(&sheet(earlier), &sheet(later), &moves);
        let counts = [difference.come.len(), difference.gone.len(), difference.moved.len()];
        (difference.changes.iter().map(|change| change.fate).collect(), difference.n_same, counts)
    }

    #[test]
    fn an_image_under_another_name_is_the_same_image() {
        assert_eq!(refiled(&["ab", "c"], &["xb", "c"], &[('a', 'x')]), (vec![Fate::Refiled], 1, [0, 0, 1]));
        assert_eq!(refiled(&["ab", "c"], &["b", "xc"], &[('a', 'x')]), (vec![Fate::Rearranged], 0, [0, 0, 1]));
        assert_eq!(refiled(&["ab"], &["ab"], &[('x', 'a')]), (vec![], 1, [0, 0, 0]), "it was not there then");
        assert_eq!(
            refiled(&["ab"], &["axb"], &[('a', 'x')]),
            (vec![Fate::Grown], 0, [1, 0, 1]),
            "the name is given anew"
        );
    }
}
