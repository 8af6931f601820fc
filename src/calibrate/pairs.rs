//! All pairs of labelled faces, counted by their cosine: same identifier here, different identifiers there.
//!
//! **Promises.** Every pair once. Memory does not grow with the number of pairs: blocks of products, and [`BINS`] counts
//! for each of at most [`GROUPS`] groups of identities. The counts are the same for every number of threads.
//!
//! **Why weights.** An identity of n images has n (n - 1) / 2 pairs, so one of 530 images would outvote a thousand of
//! ten. Each of its pairs weighs 2 / n instead: together n - 1, as many as it has images beyond the first.
//!
//! **Why groups.** Pairs of one face are not independent, so the uncertainty of a fit is that over identities: the fit is
//! repeated without each group of identities in turn (see [`Pairs::without`]).

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::thread;

use crate::face::FaceSet;
use crate::kernel::products;

/// Bins of cosine, equally wide from -1 to 1.
pub const BINS: usize = 4_096;
/// Groups of identities, at most; with fewer identities each is a group.
pub(super) const GROUPS: usize = 20;
/// Faces in one side of a block of products.
const BLOCK: usize = 512;
/// A weight of 1.
const WHOLE: f64 = (1u64 << 32) as f64;

/// Pairs by cosine, unit: pairs, or weights of pairs.
pub(super) type Histogram = Vec<f64>;

/// The cosine in the middle of a bin.
pub fn cosine_of(bin: usize) -> f64 {
    (bin as f64 + 0.5) * 2.0 / BINS as f64 - 1.0
}

/// The bin of a float32 product; those a rounding beyond -1 and 1 are in the outermost.
fn bin_of(product: f32) -> usize {
    (((product + 1.0) * (BINS as f32 / 2.0)) as usize).min(BINS - 1)
}

/// The pairs of labelled faces, counted.
#[derive(Debug, Clone, PartialEq)]
pub struct Pairs {
    /// Pairs with one identifier, weighted so that large identities do not dominate.
    pub same: Vec<f64>,
    /// Pairs with two identifiers.
    pub different: Vec<f64>,
    /// How many pairs have one identifier, unweighted.
    pub n_same: u64,
    /// How many have two.
    pub n_different: u64,
    /// Identities, and those of them with several images.
    pub n_identities: usize,
    /// Identities with at least two images.
    pub n_several: usize,
    /// For each group of identities the part of both histograms that goes without it.
    pub(super) groups: Vec<(Histogram, Histogram)>,
}

/// Where a face belongs.
#[derive(Clone, Copy)]
struct Filed {
    identity: u32,
    group: u32,
    /// Of a pair within the identity, in parts of [`WHOLE`].
    weight: u64,
}

/// What one thread has counted: whole numbers, whose sums do not depend on the order.
struct Counts {
    /// By group, weights in parts of [`WHOLE`].
    same: Vec<Vec<u64>>,
    different: Vec<u64>,
    touching: Vec<Vec<u64>>,
    n_same: u64,
}

impl Pairs {
    /// Compares every face with every other.
    pub fn count(faces: &FaceSet, threads: NonZeroUsize) -> Self {
        Self::count_watched(faces, threads, &|_, _| ())
    }

    /// The same; `observe` is told, by any thread, how many of how many pairs are compared.
    pub fn count_watched(faces: &FaceSet, threads: NonZeroUsize, observe: &(dyn Fn(u64, u64) + Sync)) -> Self {
        let (filed, n_identities, n_several) = file(faces);
        let n_groups = n_several.clamp(1, GROUPS);
        let blocks = faces.len().div_ceil(BLOCK);
        let next = AtomicUsize::new(0);
        let n_faces = faces.len() as u64;
        let (compared, n_pairs) = (AtomicU64::new(0), n_faces * n_faces.saturating_sub(1) / 2);
        let all = Mutex::new(Counts::new(n_groups));
        let work = || {
            let (mut counts, mut products) = (Counts::new(n_groups), vec![0.0; BLOCK * BLOCK]);
            // One thread takes whole rows of blocks, the long ones first.
            loop {
                let row = next.fetch_add(1, Ordering::Relaxed);
                if row >= blocks {
                    break;
                }
                for column in row..blocks {
                    counts.block(faces, &filed, (row, column), &mut products);
                }
                let [high, wide] = [BLOCK, faces.len() - row * BLOCK].map(|n| n.min(faces.len() - row * BLOCK) as u64);
                let more = high * (high - 1) / 2 + high * (wide - high); // the triangle, and what is beside it
                observe(compared.fetch_add(more, Ordering::Relaxed) + more, n_pairs);
            }
            all.lock().expect("adding counts does not panic").add(&counts);
        };
        thread::scope(|scope| {
            for _ in 1..threads.get().min(blocks.max(1)) {
                scope.spawn(work);
            }
            work();
        });
        let all = all.into_inner().expect("adding counts does not panic");
        all.finish(n_identities, n_several)
    }

    /// The groups of identities.
    pub fn n_groups(&self) -> usize {
        self.groups.len()
    }

    /// The same without the identities of a group, same and different.
    pub fn without(&self, group: usize) -> (Vec<f64>, Vec<f64>) {
        let (same, different) = &self.groups[group];
        let minus = |all: &[f64], part: &[f64]| all.iter().zip(part).map(|(a, b)| (a - b).max(0.0)).collect();
        (minus(&self.same, same), minus(&self.different, different))
    }

    /// The share of same pairs among all, unweighted: what a pair drawn from this database is beforehand.
    pub fn prior(&self) -> f64 {
        self.n_same as f64 / (self.n_same + self.n_different).max(1) as f64
    }
}

/// The identity, group and weight of every face; how many identities there are, and how many with several images.
///
/// Identities of several images are dealt out to the groups from the largest down, so that the groups are alike.
fn file(faces: &FaceSet) -> (Vec<Filed>, usize, usize) {
    let mut of_identity: BTreeMap<_, Vec<usize>> = BTreeMap::new();
    for (face, id) in faces.ids().iter().enumerate() {
        of_identity.entry((&id.database, &id.identifier)).or_default().push(face);
    }
    let mut members: Vec<Vec<usize>> = of_identity.into_values().collect();
    members.sort_by_key(|faces| std::cmp::Reverse(faces.len())); // stable: ties by name
    let n_several = members.iter().filter(|faces| faces.len() > 1).count();
    let n_groups = n_several.clamp(1, GROUPS);
    let mut filed = vec![Filed { identity: 0, group: 0, weight: 0 }; faces.len()];
    for (identity, faces) in members.iter().enumerate() {
        for &face in faces {
            filed[face] = Filed {
                identity: identity as u32,
                group: (identity % n_groups) as u32,
                weight: (2.0 / faces.len() as f64 * WHOLE).round() as u64,
            };
        }
    }
    (filed, members.len(), n_several)
}

impl Counts {
    fn new(n_groups: usize) -> Self {
        Self {
            same: vec![vec![0; BINS]; n_groups],
            different: vec![0; BINS],
            touching: vec![vec![0; BINS]; n_groups],
            n_same: 0,
        }
    }

    /// Counts the pairs of two blocks of faces; of one with itself, each pair once.
    fn block(&mut self, faces: &FaceSet, filed: &[Filed], (row, column): (usize, usize), scratch: &mut [f32]) {
        let d = faces.dimension();
        let range = |block: usize| block * BLOCK..((block + 1) * BLOCK).min(faces.len());
        let (rows, columns) = (range(row), range(column));
        let values = |range: &std::ops::Range<usize>| &faces.values()[range.start * d..range.end * d];
        products(values(&rows), values(&columns), d, scratch);
        for (at, a) in rows.enumerate() {
            let first = filed[a];
            let products = &scratch[at * columns.len()..][..columns.len()];
            for (b, &product) in columns.clone().zip(products).skip((a + 1).saturating_sub(columns.start)) {
                let (second, bin) = (filed[b], bin_of(product));
                if first.identity == second.identity {
                    self.same[first.group as usize][bin] += first.weight;
                    self.n_same += 1;
                    continue;
                }
                self.different[bin] += 1;
                self.touching[first.group as usize][bin] += 1;
                if first.group != second.group {
                    self.touching[second.group as usize][bin] += 1;
                }
            }
        }
    }

    fn add(&mut self, other: &Self) {
        let add = |mine: &mut Vec<u64>, theirs: &Vec<u64>| mine.iter_mut().zip(theirs).for_each(|(a, b)| *a += b);
        self.same.iter_mut().zip(&other.same).for_each(|(a, b)| add(a, b));
        self.touching.iter_mut().zip(&other.touching).for_each(|(a, b)| add(a, b));
        add(&mut self.different, &other.different);
        self.n_same += other.n_same;
    }

    fn finish(self, n_identities: usize, n_several: usize) -> Pairs {
        let floats = |counts: &[u64]| counts.iter().map(|&count| count as f64).collect::<Histogram>();
        let weights = |parts: &[u64]| parts.iter().map(|&part| part as f64 / WHOLE).collect::<Histogram>();
        let sum = |bin: usize| self.same.iter().map(|group| group[bin]).sum();
        let same = weights(&(0..BINS).map(sum).collect::<Vec<u64>>());
        let groups = self.same.iter().zip(&self.touching).map(|(same, different)| (weights(same), floats(different)));
        let groups = groups.collect();
        Pairs {
            same,
            different: floats(&self.different),
            n_same: self.n_same,
            n_different: self.different.iter().sum(),
            n_identities,
            n_several,
            groups,
        }
    }
}
