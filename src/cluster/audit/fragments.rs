//! Clusters of one person that the all-match rule keeps apart.
//!
//! Two clusters stay apart as soon as one pair of their images misses the threshold. Where all pairs together reach it on
//! average, they are put together again: average linkage on top of complete linkage, from the highest mean down.

use std::cmp::Reverse;
use std::sync::Mutex;

use super::super::watch::Stage;
use super::super::{ClusterError, workers};
use super::compare::{Compare, Tally, strongest};
use super::decided::Verdicts;
use super::finding::{Case, Cross, Evidence, Finding};
use super::near::Near;
use super::own::Own;
use super::score;
use crate::confidence::Confidence;

/// How many pairs of clusters make a unit of work.
const UNIT: usize = 16;

/// The pairs of clusters with a pair of images that reaches the threshold.
fn linked(own: &Own, near: &Near, cluster_of: &[u32]) -> Vec<(u32, u32)> {
    let mut pairs = own.clusters.clone();
    for (face, &own) in cluster_of.iter().enumerate() {
        let others = near.matches.of(face).iter().map(|entry| cluster_of[entry.face as usize]);
        pairs.extend(others.filter(|&other| other > own).map(|other| (own, other)));
    }
    pairs.sort_unstable();
    pairs.dedup();
    pairs
}

/// A pair of clusters, with its mean.
struct Pair {
    mean: Confidence,
    clusters: (u32, u32),
}

/// Groups of clusters that are probably one person each, in no order.
pub(super) fn find(
    compare: &Compare<'_>,
    clusters: &[Vec<u32>],
    (own, near): (&Own, &Near),
    cluster_of: &[u32],
    verdicts: &Verdicts,
) -> Result<Vec<Finding>, ClusterError> {
    let linked = linked(own, near, cluster_of);
    let found = Mutex::new(Vec::new());
    workers::for_each(
        compare.run,
        Stage::Audit,
        linked.len().div_ceil(UNIT) as u64,
        || (),
        |(), unit| {
            let start = unit as usize * UNIT;
            for &(a, b) in &linked[start..linked.len().min(start + UNIT)] {
                let mean = between(compare, &clusters[a as usize], &clusters[b as usize]).cross().mean;
                if compare.ruler.reaches(mean) {
                    found.lock().expect("appending does not panic").push(Pair { mean, clusters: (a, b) });
                }
            }
            Ok(())
        },
    )?;
    let mut pairs = found.into_inner().expect("appending does not panic");
    pairs.sort_unstable_by_key(|pair| (Reverse(pair.mean), pair.clusters));
    let mut groups: Vec<Group> = Vec::new();
    let mut group_of: Vec<Option<usize>> = vec![None; clusters.len()];
    for Pair { clusters: (a, b), .. } in pairs {
        if compare.run.watch.should_stop() {
            return Err(ClusterError::Stopped);
        }
        join(compare, clusters, &mut groups, &mut group_of, (a, b), verdicts);
    }
    let groups = groups.into_iter().filter(|group| group.clusters.len() > 1);
    Ok(groups.filter_map(|group| finding(compare, clusters, group)).collect())
}

/// Clusters put together.
#[derive(Default)]
struct Group {
    clusters: Vec<u32>,
    faces: Vec<u32>,
    /// The pairs of images in different clusters.
    between: Tally,
}

fn join(
    compare: &Compare<'_>,
    clusters: &[Vec<u32>],
    groups: &mut Vec<Group>,
    group_of: &mut [Option<usize>],
    (a, b): (u32, u32),
    verdicts: &Verdicts,
) {
    let mut group = |cluster: u32| {
        *group_of[cluster as usize].get_or_insert_with(|| {
            let faces = clusters[cluster as usize].clone();
            groups.push(Group { clusters: vec![cluster], faces, ..Group::default() });
            groups.len() - 1
        })
    };
    let (to, from) = (group(a), group(b));
    if to == from || verdicts.parts(&groups[to].faces, &groups[from].faces) {
        return;
    }
    let tally = between(compare, &groups[to].faces, &groups[from].faces);
    if !compare.ruler.reaches(tally.cross().mean) {
        return;
    }
    let moved = std::mem::take(&mut groups[from]);
    moved.clusters.iter().for_each(|&cluster| group_of[cluster as usize] = Some(to));
    let group = &mut groups[to];
    group.clusters.extend(moved.clusters);
    group.faces.extend(moved.faces);
    group.faces.sort_unstable();
    group.between = group.between.and(moved.between).and(tally);
}

fn between(compare: &Compare<'_>, left: &[u32], right: &[u32]) -> Tally {
    compare.matrix(left, right).tally(compare.ruler)
}

fn finding(compare: &Compare<'_>, clusters: &[Vec<u32>], mut group: Group) -> Option<Finding> {
    group.clusters.sort_unstable();
    let mut evidence: Vec<Evidence> = Vec::new();
    for (at, &a) in group.clusters.iter().enumerate() {
        for &b in &group.clusters[at + 1..] {
            evidence.extend(compare.matrix(&clusters[a as usize], &clusters[b as usize]).strongest());
            evidence = strongest(evidence);
        }
    }
    let between: Cross = group.between.cross();
    let score = score::fragments(compare.ruler, &between, group.faces.len())?;
    let images = group.faces.len() as u32;
    Some(Finding { score, case: Case::Fragments { clusters: group.clusters, images, between }, evidence })
}
