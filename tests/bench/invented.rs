//! Invented faces with the statistics of real embeddings, and sets of them that are hard to cluster.
//!
//! Identities of Zipf-like sizes: 1 / u images for a u drawn evenly from 0 to 1, at most 500. Within an identity the
//! cosines are about .6 +- .12, between two identities 0 +- .07 (dimension 512). The spectrum decays as exp(-k / 200),
//! likewise at dimension 512, and is hidden by 16 reflections, so that no coordinate says more than another.
//!
//! **Promises.** The same kind, number and dimension give the same faces, bit for bit, with any number of threads: a
//! face is computed from its place in one sequence of random numbers, which can be entered anywhere. Memory is 16 bytes
//! a face and some blocks of faces.
//!
//! Shared by the benchmarks; `faces.rs` writes them into a file.

use std::sync::mpsc::sync_channel;
use std::thread;

/// What faces to invent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Identities of Zipf-like sizes, 1 to 500.
    People,
    /// As `People`, but the first identity has so many images.
    OneIdentity(usize),
    /// Every face resembles every other: all cosines are about .75, so that every pair is a match.
    Alike,
    /// One half are copies of one vector, the other half nearly so: cosines of about .995 with it, .99 among each other.
    Copies,
}

/// The faces computed at a time.
const BLOCK: usize = 512;
/// The most images of an identity of `Kind::People`.
const LARGEST: usize = 500;
/// How many reflections hide the spectrum.
const MIRRORS: usize = 16;

/// The sequence `SplitMix64`, which can be entered anywhere: the state is a multiple of a constant.
#[derive(Debug, Clone, Copy)]
struct Random(u64);

impl Random {
    const STEP: u64 = 0x9E37_79B9_7F4A_7C15;
    /// Steps that a normal number takes.
    const NORMAL: usize = 12;

    fn skip(&mut self, steps: usize) {
        self.0 = self.0.wrapping_add(Self::STEP.wrapping_mul(steps as u64));
    }

    fn uniform(&mut self) -> f64 {
        self.skip(1);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ (z >> 31)) >> 11) as f64 / (1u64 << 53) as f64
    }

    /// By the central limit theorem, which is near enough.
    fn normal(&mut self) -> f64 {
        (0..Self::NORMAL).map(|_| self.uniform()).sum::<f64>() - 6.0
    }

    /// A unit vector whose numbers decay as `scales` do.
    fn direction(&mut self, scales: &[f64]) -> Vec<f64> {
        unit(scales.iter().map(|scale| self.normal() * scale).collect())
    }
}

fn unit(mut numbers: Vec<f64>) -> Vec<f64> {
    let length = numbers.iter().map(|v| v * v).sum::<f64>().sqrt();
    for value in &mut numbers {
        *value /= length;
    }
    numbers
}

/// Where the random numbers of a face begin.
#[derive(Debug, Clone, Copy)]
struct Place {
    /// Those of its identity's centre.
    centre: Random,
    /// Its own.
    own: Random,
}

/// Invented faces, computed when they are asked for.
#[derive(Debug)]
pub(crate) struct Faces {
    kind: Kind,
    /// How the spectrum decays.
    scales: Vec<f64>,
    mirrors: Vec<Vec<f64>>,
    places: Vec<Place>,
}

impl Faces {
    /// `n` faces of a kind.
    pub(crate) fn new(kind: Kind, n: usize, dimension: usize) -> Self {
        let mut random = Random(1);
        let even = vec![1.0; dimension];
        let mirrors = (0..MIRRORS).map(|_| random.direction(&even)).collect();
        let decay = 200.0 * dimension as f64 / 512.0;
        let scales = (0..dimension).map(|k| (-(k as f64) / decay).exp()).collect();
        Self { kind, scales, mirrors, places: places(kind, n, dimension, random) }
    }

    /// All of them, row after row.
    pub(crate) fn values(&self, threads: usize) -> Vec<f32> {
        let mut values = Vec::with_capacity(self.places.len() * self.scales.len());
        self.for_each(threads, |face| values.extend_from_slice(face));
        values
    }

    /// A number for the identity of a face.
    pub(crate) fn identity(&self, index: usize) -> u64 {
        self.places[index].centre.0
    }

    /// Calls `each` with every face, in order.
    pub(crate) fn for_each(&self, threads: usize, mut each: impl FnMut(&[f32])) {
        let blocks = self.places.len().div_ceil(BLOCK);
        thread::scope(|scope| {
            let workers: Vec<_> = (0..threads)
                .map(|first| {
                    let (send, receive) = sync_channel(1);
                    scope.spawn(move || {
                        (first..blocks).step_by(threads).all(|block| send.send(self.block(block)).is_ok())
                    });
                    receive
                })
                .collect();
            for block in 0..blocks {
                let faces = workers[block % threads].recv().expect("a worker ends after its last block");
                faces.chunks_exact(self.scales.len()).for_each(&mut each);
            }
        });
    }

    fn block(&self, block: usize) -> Vec<f32> {
        let end = self.places.len().min((block + 1) * BLOCK);
        (block * BLOCK..end).flat_map(|index| self.face(index)).collect()
    }

    fn face(&self, index: usize) -> Vec<f32> {
        let Place { mut centre, mut own } = self.places[index];
        let centre = centre.direction(&self.scales);
        // what two images of an identity have in common: the expected cosine between them
        let common: f64 = match self.kind {
            Kind::People | Kind::OneIdentity(_) => (0.6 + 0.12 * own.normal()).clamp(0.1, 0.95),
            Kind::Alike => 0.75,
            Kind::Copies if index.is_multiple_of(2) => 1.0,
            Kind::Copies => 0.99,
        };
        let weight = common.sqrt();
        let rest = (1.0 - weight * weight).sqrt();
        let own = own.direction(&self.scales);
        let mut face = unit(centre.iter().zip(&own).map(|(c, o)| weight * c + rest * o).collect());
        reflect(&mut face, &self.mirrors);
        face.iter().map(|&v| v as f32).collect()
    }
}

/// Where each face begins, identity after identity, then shuffled.
fn places(kind: Kind, n: usize, dimension: usize, mut random: Random) -> Vec<Place> {
    let mut places = Vec::with_capacity(n);
    while places.len() < n {
        let drawn = ((1.0 / random.uniform().max(1e-9)) as usize).clamp(1, LARGEST);
        let size = match kind {
            Kind::People => drawn,
            Kind::OneIdentity(images) => {
                if places.is_empty() {
                    images
                } else {
                    drawn
                }
            }
            Kind::Alike | Kind::Copies => n,
        };
        let centre = random;
        random.skip(dimension * Random::NORMAL);
        for _ in 0..size.min(n - places.len()) {
            places.push(Place { centre, own: random });
            random.skip((1 + dimension) * Random::NORMAL);
        }
    }
    for i in (1..n).rev() {
        places.swap(i, (random.uniform() * (i + 1) as f64) as usize);
    }
    places
}

/// Householder reflections: an orthogonal change of coordinates that leaves no spectrum to be seen.
fn reflect(row: &mut [f64], mirrors: &[Vec<f64>]) {
    for mirror in mirrors {
        let share: f64 = 2.0 * mirror.iter().zip(&*row).map(|(a, b)| a * b).sum::<f64>();
        row.iter_mut().zip(mirror).for_each(|(v, m)| *v -= share * m);
    }
}
