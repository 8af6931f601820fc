//! How partitions agree with the identities that images are filed under: of one, and of all on the way from the highest
//! merge to the lowest.
//!
//! Precision and recall are BCubed (Bagga, Baldwin 1998; Amigo, Gonzalo, Artiles, Verdejo 2009): of an image's cluster
//! the part with its identity, of its identity the part in its cluster, averaged over all images.

use std::collections::BTreeMap;

use super::Merges;
use super::sweep::pairs_of;
use crate::confidence::Confidence;
use crate::face::{FaceSet, Identifier};

/// How a partition agrees with the labels.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Agreement {
    /// Clusters.
    pub clusters: u64,
    /// Those of one image.
    pub singletons: u64,
    /// Images in the largest.
    pub largest: u64,
    /// Clusters that hold several identities.
    pub mixed: u64,
    /// Identities that are in several clusters.
    pub split: u64,
    /// Pairs within a cluster of two identities.
    pub cross_pairs: u64,
    /// Pairs of one identity that are not within a cluster.
    pub missed_pairs: u64,
    /// BCubed precision, 0 to 1.
    pub precision: f64,
    /// BCubed recall, 0 to 1.
    pub recall: f64,
}

impl Agreement {
    /// Of clusters of `faces`, each face in exactly one.
    pub fn of(faces: &FaceSet, clusters: &[Vec<u32>]) -> Self {
        let mut numbers: BTreeMap<&Identifier, u32> = BTreeMap::new();
        for id in faces.ids() {
            let next = numbers.len() as u32;
            numbers.entry(&id.identifier).or_insert(next);
        }
        let identities: Vec<u32> = faces.ids().iter().map(|id| numbers[&id.identifier]).collect();
        Self::of_numbered(&identities, clusters)
    }

    /// The same, where `identities` are the numbers of the identities of the faces, from 0.
    pub fn of_numbered(identities: &[u32], clusters: &[Vec<u32>]) -> Self {
        Count::new(identities, clusters).agreement()
    }

    /// The harmonic mean of precision and recall.
    pub fn f(&self) -> f64 {
        2.0 * self.precision * self.recall / (self.precision + self.recall).max(f64::MIN_POSITIVE)
    }
}

impl Merges {
    /// How the clusters at each of these thresholds agree with the number of the identity of each face, numbers that are
    /// given without gaps. The thresholds fall.
    pub fn agreements(&self, identities: &[u32], falling: impl IntoIterator<Item = Confidence>) -> Vec<Agreement> {
        let mut count = Count::new(identities, self.groups());
        let mut done = 0;
        let at = |threshold| {
            let behind = self.n_reaching(threshold);
            for (kept, gone) in self.merged(done..behind.max(done)) {
                count.merge(kept as usize, gone as usize);
            }
            done = done.max(behind);
            count.agreement()
        };
        falling.into_iter().map(at).collect()
    }
}

/// A cluster: its images, and how many are of which identity.
#[derive(Debug, Clone, Default)]
struct Cluster {
    n: u64,
    parts: Vec<(u32, u64)>,
}

/// Whether a cluster comes or goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    In,
    Out,
}

/// The figures of a partition, kept up while its clusters are merged.
#[derive(Debug)]
struct Count {
    clusters: Vec<Cluster>,
    /// Images of each identity, and in how many clusters they are.
    identities: Vec<(u64, u64)>,
    singletons: u64,
    largest: u64,
    mixed: u64,
    split: u64,
    n_clusters: u64,
    /// Pairs within clusters, and those of one identity among them.
    within: u64,
    together: u64,
    precision: f64,
    recall: f64,
}

impl Count {
    fn new(identities: &[u32], clusters: &[Vec<u32>]) -> Self {
        let n_identities = identities.iter().max().map_or(0, |&last| last as usize + 1);
        let mut images = vec![(0, 0); n_identities];
        for &identity in identities {
            images[identity as usize].0 += 1;
        }
        let mut count = Self {
            clusters: Vec::with_capacity(clusters.len()),
            identities: images,
            singletons: 0,
            largest: 0,
            mixed: 0,
            split: 0,
            n_clusters: 0,
            within: 0,
            together: 0,
            precision: 0.0,
            recall: 0.0,
        };
        for members in clusters {
            let mut numbers: Vec<u32> = members.iter().map(|&face| identities[face as usize]).collect();
            numbers.sort_unstable();
            let parts = numbers.chunk_by(|a, b| a == b).map(|run| (run[0], run.len() as u64)).collect();
            let cluster = Cluster { n: members.len() as u64, parts };
            count.weigh(&cluster, Way::In);
            count.clusters.push(cluster);
        }
        count
    }

    /// Adds a cluster to the figures, or takes it from them.
    fn weigh(&mut self, Cluster { n, parts }: &Cluster, way: Way) {
        let add = |to: &mut u64, what: u64| match way {
            Way::In => *to += what,
            Way::Out => *to -= what,
        };
        let sign = if way == Way::In { 1.0 } else { -1.0 };
        add(&mut self.n_clusters, 1);
        add(&mut self.singletons, u64::from(*n == 1));
        add(&mut self.mixed, u64::from(parts.len() > 1));
        add(&mut self.within, pairs_of(*n));
        for &(identity, part) in parts {
            let (images, clusters) = &mut self.identities[identity as usize];
            let was_split = *clusters > 1;
            add(clusters, 1);
            add(&mut self.split, u64::from((*clusters > 1) != was_split));
            add(&mut self.together, pairs_of(part));
            let square = (part * part) as f64 * sign;
            self.precision += square / *n as f64;
            self.recall += square / *images as f64;
        }
        self.largest = self.largest.max(*n);
    }

    /// Merges the second into the first.
    fn merge(&mut self, kept: usize, gone: usize) {
        let [one, other] = [kept, gone].map(|at| std::mem::take(&mut self.clusters[at]));
        self.weigh(&one, Way::Out);
        self.weigh(&other, Way::Out);
        let n = one.n + other.n;
        let mut parts = one.parts;
        parts.extend(other.parts);
        parts.sort_unstable();
        parts.dedup_by(|next, first| {
            let is_same = next.0 == first.0;
            if is_same {
                first.1 += next.1;
            }
            is_same
        });
        let cluster = Cluster { n, parts };
        self.weigh(&cluster, Way::In);
        self.clusters[kept] = cluster;
    }

    fn agreement(&self) -> Agreement {
        let all: u64 = self.identities.iter().map(|&(n, _)| pairs_of(n)).sum();
        let n = self.identities.iter().map(|&(n, _)| n).sum::<u64>().max(1) as f64;
        Agreement {
            clusters: self.n_clusters,
            singletons: self.singletons,
            largest: self.largest,
            mixed: self.mixed,
            split: self.split,
            cross_pairs: self.within - self.together,
            missed_pairs: all - self.together,
            precision: self.precision / n,
            recall: self.recall / n,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::cluster::{Constraints, relink};

    /// The figures from their definitions, pair by pair and image by image.
    fn naive(identities: &[u32], clusters: &[Vec<u32>]) -> Agreement {
        let n = identities.len();
        let cluster_of = |face: usize| clusters.iter().position(|members| members.contains(&(face as u32))).unwrap();
        let kinds = |members: &Vec<u32>| {
            let mut kinds: Vec<u32> = members.iter().map(|&face| identities[face as usize]).collect();
            kinds.sort_unstable();
            kinds.dedup();
            kinds.len()
        };
        let pairs = || (0..n).flat_map(|a| (0..a).map(move |b| (a, b)));
        let is_one = |&(a, b): &(usize, usize)| identities[a] == identities[b];
        let is_within = |&(a, b): &(usize, usize)| cluster_of(a) == cluster_of(b);
        let mut split: Vec<u32> = pairs().filter(|p| is_one(p) && !is_within(p)).map(|(a, _)| identities[a]).collect();
        split.sort_unstable();
        split.dedup();
        let share = |of: &dyn Fn(usize, usize) -> bool| -> f64 {
            let both = |a: usize, b: usize| identities[a] == identities[b] && cluster_of(a) == cluster_of(b);
            let one =
                |a: usize| (0..n).filter(|&b| both(a, b)).count() as f64 / (0..n).filter(|&b| of(a, b)).count() as f64;
            (0..n).map(one).sum::<f64>() / n as f64
        };
        Agreement {
            clusters: clusters.len() as u64,
            singletons: clusters.iter().filter(|members| members.len() == 1).count() as u64,
            largest: clusters.iter().map(Vec::len).max().unwrap() as u64,
            mixed: clusters.iter().filter(|members| kinds(members) > 1).count() as u64,
            split: split.len() as u64,
            cross_pairs: pairs().filter(|p| is_within(p) && !is_one(p)).count() as u64,
            missed_pairs: pairs().filter(|p| !is_within(p) && is_one(p)).count() as u64,
            precision: share(&|a, b| cluster_of(a) == cluster_of(b)),
            recall: share(&|a, b| identities[a] == identities[b]),
        }
    }

    proptest! {
        #[test]
        fn what_is_counted_on_the_way_is_what_each_partition_has(
            identities in proptest::collection::vec(0u32..5, 1..16),
            pairs in proptest::collection::vec((any::<u32>(), any::<u32>(), 0u16..100), 0..120),
        ) {
            let n = identities.len() as u32;
            let confidence = |tens: u16| Confidence::from_hundredths(tens * 100).unwrap();
            let pairs = pairs.iter().map(|&(a, b, tens)| (a % n, b % n, confidence(tens))).filter(|pair| pair.0 != pair.1);
            let merges = relink((0..n).map(|face| vec![face]).collect(), pairs, &Constraints::default());
            let falling: Vec<Confidence> = (0..=100).rev().step_by(7).map(confidence).collect();
            for (&threshold, counted) in falling.iter().zip(merges.agreements(&identities, falling.clone())) {
                let naive = naive(&identities, &merges.at(threshold));
                let (precision, recall) = (counted.precision, counted.recall);
                prop_assert!((precision - naive.precision).abs() < 1e-9 && (recall - naive.recall).abs() < 1e-9);
                prop_assert_eq!(counted, Agreement { precision, recall, ..naive });
            }
        }
    }
}
