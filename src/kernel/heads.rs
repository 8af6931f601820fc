//! 8-bit heads: a screen that looks at a few small whole numbers of each face, and discards with proof.
//!
//! **Theorem.** Let x_i be stored vectors, Q a matrix of h rows with |Q Q^T - 1| <= e, and y_i a vector of h numbers with
//! |y_i - Q x_i| <= d. Let u_i = q_i / s for whole numbers q_i, and
//!
//! ```text
//! r_i   = |y_i - u_i| + d
//! t_i^2 = max(0, |x_i|^2 - max(0, |y_i| - d)^2) + e |x_i|^2
//! U     = max |u_i|
//! b_i   = U r_i + (r_i^2 + t_i^2) / 2
//! ```
//!
//! Then for every i and j: x_i x_j <= q_i q_j / s^2 + b_i + b_j + e |x_i| |x_j|.
//!
//! **Proof.** Split x_i x_j = (Q x_i)(Q x_j) + x_i M x_j with M = 1 - Q^T Q. The non-zero eigenvalues of Q^T Q are those of
//! Q Q^T, so those of M are in [-e, e], or 1 outside the span of Q's rows. Write M = P - N, its positive and negative
//! parts: both are positive semidefinite and |N| <= e. By Cauchy-Schwarz for P, and since
//! x P x = x M x + x N x <= |x|^2 - |Q x|^2 + e |x|^2 with |Q x| >= max(0, |y| - d),
//!
//! ```text
//! x_i M x_j <= sqrt(x_i P x_i) sqrt(x_j P x_j) + e |x_i| |x_j| <= t_i t_j + e |x_i| |x_j|.
//! ```
//!
//! With Q x_i = u_i + z_i, |z_i| <= r_i, the first part is
//!
//! ```text
//! u_i u_j + u_i z_j + z_i u_j + z_i z_j <= q_i q_j / s^2 + U r_j + U r_i + r_i r_j,
//! ```
//!
//! and a b <= (a^2 + b^2) / 2 for r_i r_j and t_i t_j gives the claim.
//!
//! **What is compared.** A pair with `dot` >= c has q_i q_j + s^2 b_i + s^2 b_j >= s^2 (c - e |x_i| |x_j|); terms are
//! rounded up and lines down to whole numbers, each by one more than needed, which is more than all that float64 rounds
//! off here (sums of at most 4096 terms below 2: under 1e-12 each, times s^2 below 10^5).
//!
//! **Promises.** A pair whose [`dot`](super::dot) reaches the floor is never discarded. Which pairs survive beyond those
//! depends on the data, not on the processor's instructions.

use std::num::NonZeroUsize;
use std::ops::Range;
use std::thread;

use super::instructions::Instructions;
use super::int8::{ALIGNMENT, MAX_NUMBER, MAX_PHASE_NORM, Packed, Part, Tile};
use super::rotation::{Rotation, mixed, principal};
use super::screen::{U32, gamma, products};
use crate::face::UNIT_TOLERANCE;

/// Fewer faces than this are compared as they are: finding the rotation would take longer.
const LEAST_FACES: usize = 8_192;
/// Dimensions for which heads are tried.
const DIMENSIONS: Range<usize> = 32..1_025;
/// Rows rotated at a time: whole blocks, and few enough for a cache.
const PART: usize = 16 * ALIGNMENT;
/// Faces of the sample on which head lengths are compared.
const SAMPLE: usize = 480;

/// What things cost, in the time of one 8-bit multiplication: a float32 one, and a float64 one when a survivor is
/// decided (measured on AVX2; they choose the way, never the result).
const FLOAT32: f64 = 2.4;
const DECIDE: f64 = 40.0;

/// The heads of all faces, and their terms.
#[derive(Debug)]
pub struct Heads {
    packed: Packed,
    /// s^2 b_i, rounded up; as many as there is room for heads.
    terms: Vec<i32>,
    instructions: Instructions,
    scale: f64,
    /// e |x_i| |x_j|, and the rounding of `dot`.
    slack: f64,
}

/// The rotation and the scale, without the faces.
struct Design {
    rotation: Rotation,
    dimension: usize,
    length: usize,
    /// A bound on |y - Q x|.
    error: f64,
    scale: f64,
    /// A bound on |u|; no head is let be longer.
    longest: f64,
}

/// One head: its numbers and s^2 b.
struct Head {
    numbers: Vec<i8>,
    term: i32,
}

impl Heads {
    /// The heads of `values`, rows of `dimension` numbers, if they are expected to find the pairs at or above `floor`
    /// sooner than float32 products would. Whether they are, and what they discard, is the same for all `instructions`.
    /// With an order, place p holds the head of row `order[p]`. None too when it should stop.
    pub fn build(
        values: &[f32],
        dimension: usize,
        order: Option<&[u32]>,
        floor: f64,
        threads: NonZeroUsize,
        instructions: Instructions,
        should_stop: &(dyn Fn() -> bool + Sync),
    ) -> Option<Self> {
        let n = order.map_or(values.len().checked_div(dimension)?, <[u32]>::len);
        if n < LEAST_FACES || !DIMENSIONS.contains(&dimension) || floor <= 0.0 {
            return None;
        }
        let sample = sample(values, dimension);
        let basis = principal(values, dimension);
        let plain = FLOAT32 * dimension as f64;
        let (cost, design) = lengths(dimension)
            .map(|length| {
                let design = Design::new(&basis, dimension, length, &sample);
                (design.cost(&sample, floor, instructions), design)
            })
            .min_by(|(a, _), (b, _)| a.total_cmp(b))?;
        if cost >= plain {
            return None;
        }
        let heads = Self::new(&design, values, order, instructions, threads, should_stop);
        (!should_stop()).then_some(heads)
    }

    fn new(
        design: &Design,
        values: &[f32],
        order: Option<&[u32]>,
        instructions: Instructions,
        threads: NonZeroUsize,
        should_stop: &(dyn Fn() -> bool + Sync),
    ) -> Self {
        let n = order.map_or(values.len() / design.dimension, <[u32]>::len);
        let mut packed = Packed::new(n, design.length, instructions.layout());
        let mut terms = vec![0; packed.room()];
        {
            let parts = packed.parts(PART).zip(terms.chunks_mut(PART)).enumerate();
            let queue = std::sync::Mutex::new(parts);
            let row = |row: usize| &values[row * design.dimension..][..design.dimension];
            let work = || {
                loop {
                    let next = queue.lock().expect("taking the next part does not panic").next();
                    let Some((at, (part, terms))) = next.filter(|_| !should_stop()) else { return };
                    let places = at * PART..n.min(at * PART + PART);
                    match order {
                        None => design.fill(
                            &values[places.start * design.dimension..places.end * design.dimension],
                            part,
                            terms,
                        ),
                        Some(order) => {
                            let rows: Vec<f32> = order[places].iter().flat_map(|&r| row(r as usize)).copied().collect();
                            design.fill(&rows, part, terms);
                        }
                    }
                }
            };
            thread::scope(|scope| {
                for _ in 1..threads.get() {
                    scope.spawn(work);
                }
                work();
            });
        }
        let slack = design.rotation.defect * (1.0 + 3.0 * UNIT_TOLERANCE) + 1e-12;
        Self { packed, terms, instructions, scale: design.scale, slack }
    }

    /// The memory they take.
    pub fn bytes(&self) -> u64 {
        self.packed.bytes() + (self.terms.len() * size_of::<i32>()) as u64
    }

    /// The numbers of a head.
    pub fn length(&self) -> usize {
        self.packed.length
    }

    /// The line for a floor: a pair that reaches the floor reaches the line.
    pub fn cut(&self, floor: f64) -> i32 {
        let line = self.scale * self.scale * (floor - self.slack);
        (line.floor() - 1.0).clamp(-1e9, 1e9) as i32 // far beyond every sum of a product and two terms
    }

    /// Calls `survivor(row, column)` for every pair of these faces that may reach the lower of its two cuts; `rows` and
    /// `columns` begin at multiples of [`Heads::ALIGNMENT`].
    pub fn survivors(
        &self,
        rows: Range<usize>,
        columns: Range<usize>,
        (row_cuts, column_cuts): (&[i32], &[i32]),
        survivor: impl FnMut(usize, usize),
    ) {
        let tile = Tile { rows, columns, terms: &self.terms, row_cuts, column_cuts };
        self.instructions.survivors(&self.packed, &tile, survivor);
    }

    /// Where tiles may begin.
    pub const ALIGNMENT: usize = ALIGNMENT;
}

/// The head lengths that are compared.
fn lengths(dimension: usize) -> impl Iterator<Item = usize> {
    (3..=8).map(move |eighths| (dimension * eighths / 8).next_multiple_of(4).min(dimension / 4 * 4))
}

/// Some faces, from everywhere.
fn sample(values: &[f32], dimension: usize) -> Vec<f32> {
    let n = values.len() / dimension;
    let step = n.div_ceil(SAMPLE).max(1);
    (0..n).step_by(step).flat_map(|row| &values[row * dimension..][..dimension]).copied().collect()
}

impl Design {
    fn new(basis: &[f64], dimension: usize, length: usize, sample: &[f32]) -> Self {
        let rotation = mixed(basis, dimension, length);
        let lengths = (1.0 + 2.0 * UNIT_TOLERANCE) * rotation.longest;
        let error = (length as f64).sqrt() * (gamma(dimension, U32) * lengths + 1e-30);
        let mut rotated = vec![0.0; sample.len() / dimension * length];
        products(sample, &rotation.rows, dimension, &mut rotated);
        let longest_phase = rotated
            .chunks_exact(length)
            .flat_map(|y| [phase_norm(y, 0), phase_norm(y, 1)])
            .fold(f64::MIN_POSITIVE, f64::max);
        // A little room: a head that does not fit is made smaller, at a price. A smaller scale rounds more and cuts off
        // fewer large numbers; what is better depends on the length, so it is tried.
        let full = ((MAX_PHASE_NORM - 1.0) / (longest_phase * 1.02)).min(1e3);
        let with = |scale: f64| Self {
            rotation: rotation.clone(),
            dimension,
            length,
            error,
            scale,
            longest: MAX_PHASE_NORM.min(longest_phase * 1.02 * scale + 1.0) * 2f64.sqrt() / scale,
        };
        let pairs = || sample.chunks_exact(dimension).zip(rotated.chunks_exact(length)).step_by(4);
        let loss = |design: &Self| {
            let terms = pairs().map(|(x, y)| f64::from(design.head(x, y).term));
            terms.sum::<f64>() / design.scale.powi(2)
        };
        let designs = [1.0, 0.85, 0.7, 0.55, 0.4].map(|part| with(full * part));
        let best = designs.into_iter().map(|design| (loss(&design), design)).min_by(|(a, _), (b, _)| a.total_cmp(b));
        best.expect("there are five").1
    }

    /// Rotates rows, and sets their heads and terms.
    fn fill(&self, values: &[f32], mut part: Part<'_>, terms: &mut [i32]) {
        let n = values.len() / self.dimension;
        let mut rotated = vec![0.0; n * self.length];
        products(values, &self.rotation.rows, self.dimension, &mut rotated);
        let rows = values.chunks_exact(self.dimension).zip(rotated.chunks_exact(self.length));
        for (at, ((x, y), term)) in rows.zip(terms).enumerate() {
            let head = self.head(x, y);
            part.set(at, &head.numbers);
            *term = head.term;
        }
    }

    fn head(&self, x: &[f32], y: &[f32]) -> Head {
        let mut scale = self.scale;
        let numbers = loop {
            let number = |&v: &f32| (f64::from(v) * scale).round().clamp(-MAX_NUMBER, MAX_NUMBER) as i8;
            let numbers: Vec<i8> = y.iter().map(number).collect();
            let as_floats: Vec<f32> = numbers.iter().map(|&q| f32::from(q)).collect();
            let longest = phase_norm(&as_floats, 0).max(phase_norm(&as_floats, 1));
            if longest * 2f64.sqrt() <= self.longest * self.scale {
                break numbers;
            }
            scale *= 0.97;
        };
        let squares = |values: &mut dyn Iterator<Item = f64>| values.map(|v| v * v).sum::<f64>();
        let residual = squares(&mut y.iter().zip(&numbers).map(|(&v, &q)| f64::from(v) - f64::from(q) / self.scale));
        let r = residual.sqrt() + self.error;
        let whole = squares(&mut x.iter().map(|&v| f64::from(v)));
        let held = (squares(&mut y.iter().map(|&v| f64::from(v))).sqrt() - self.error).max(0.0);
        let t_squared = (whole - held * held).max(0.0) + self.rotation.defect * whole;
        let term = self.scale * self.scale * (self.longest * r + f64::midpoint(r * r, t_squared));
        Head { numbers, term: term.ceil() as i32 + 1 }
    }

    /// What a pair of the sample costs on average, in 8-bit multiplications.
    fn cost(&self, sample: &[f32], floor: f64, instructions: Instructions) -> f64 {
        let heads = Heads::new(self, sample, None, instructions, NonZeroUsize::MIN, &|| false);
        let n = sample.len() / self.dimension;
        let cuts = vec![heads.cut(floor); n];
        let (mut survivors, mut pairs) = (0u64, 0u64);
        heads.survivors(0..n, 0..n, (&cuts, &cuts), |row, column| survivors += u64::from(row < column));
        pairs += (n * n.saturating_sub(1) / 2) as u64;
        self.length as f64 + DECIDE * self.dimension as f64 * survivors as f64 / pairs.max(1) as f64
    }
}

/// The length of a phase: of every four numbers the first two, or the last two.
fn phase_norm(values: &[f32], phase: usize) -> f64 {
    values
        .chunks_exact(4)
        .flat_map(|four| &four[2 * phase..2 * phase + 2])
        .map(|&v| f64::from(v).powi(2))
        .sum::<f64>()
        .sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::face::Embedding;
    use crate::kernel::dot;
    use proptest::prelude::*;

    /// Faces whose coordinates decay, some of them near each other.
    fn faces(seed: u64, n: usize, dimension: usize, decay: f64) -> Vec<f32> {
        let mut state = seed | 1;
        let mut next = move || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state >> 11) as f64 / (1u64 << 52) as f64 - 1.0
        };
        let mut values = Vec::new();
        let mut before = vec![0.0; dimension];
        for row in 0..n {
            let fresh: Vec<f64> = (0..dimension).map(|k| next() * decay.powf(k as f64)).collect();
            let near = if row % 3 == 0 { 0.0 } else { 0.8 };
            before = before.iter().zip(&fresh).map(|(b, f)| near * b + (1.0 - near) * f).collect();
            let numbers: Vec<f32> = before.iter().map(|&v| v as f32).collect();
            values.extend_from_slice(Embedding::new(numbers).unwrap().values());
        }
        values
    }

    /// The pairs that survive, with all instructions the same.
    fn survivors(values: &[f32], dimension: usize, length: usize, floor: f64) -> Vec<(usize, usize)> {
        let n = values.len() / dimension;
        let design = Design::new(&principal(values, dimension), dimension, length, &sample(values, dimension));
        let mut found = Instructions::available().iter().map(|&instructions| {
            let heads = Heads::new(&design, values, None, instructions, NonZeroUsize::new(2).unwrap(), &|| false);
            let cuts = vec![heads.cut(floor); n];
            let mut pairs = Vec::new();
            heads.survivors(0..n, 0..n, (&cuts, &cuts), |row, column| pairs.push((row, column)));
            pairs.sort_unstable();
            pairs
        });
        let first = found.next().unwrap();
        for other in found {
            assert!(first == other, "two instruction sets find different pairs");
        }
        first
    }

    #[test]
    fn a_decaying_spectrum_leaves_few_survivors_beyond_the_true_pairs() {
        let (n, d) = (400, 64);
        let values = faces(5, n, d, 0.93);
        let row = |i: usize| &values[i * d..][..d];
        let floor = 0.6;
        let pairs = (0..n).flat_map(|i| (0..n).map(move |j| (i, j)));
        let is_true = pairs.filter(|&(i, j)| dot(row(i), row(j)) >= floor).count();
        let found = survivors(&values, d, 48, floor).len();
        assert!(found >= is_true && found < 2 * is_true, "{found} survivors of {is_true} pairs");
    }

    #[test]
    fn one_direction_and_one_face_far_from_the_rest_are_no_trouble() {
        let d = 32;
        let mut values = vec![1.0 / (d as f32).sqrt(); d * 60];
        values[..d].fill(0.0);
        values[0] = 1.0; // all in one number: it does not fit into 63 at the scale of the others
        let all = survivors(&values, d, 32, 0.99);
        assert!((1..60).all(|i| (1..60).all(|j| all.contains(&(i, j)))));
        assert!(all.contains(&(0, 0)));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(60))]
        #[test]
        fn a_pair_that_reaches_the_floor_survives(
            seed in any::<u64>(),
            n in 1usize..90,
            (dimension, length) in prop_oneof![Just((4, 4)), Just((63, 20)), Just((64, 64)), Just((128, 48)), Just((200, 196))],
            decay in 0.8f64..1.0,
            pick in any::<(prop::sample::Index, prop::sample::Index)>(),
        ) {
            let values = faces(seed, n, dimension, decay);
            let row = |i: usize| &values[i * dimension..][..dimension];
            // the hardest floor is the cosine of a pair itself
            let floor = dot(row(pick.0.index(n)), row(pick.1.index(n)));
            let found: std::collections::BTreeSet<_> = survivors(&values, dimension, length, floor).into_iter().collect();
            for i in 0..n {
                for j in 0..n {
                    prop_assert!(dot(row(i), row(j)) < floor || found.contains(&(i, j)), "{} {}", i, j);
                }
            }
        }
    }
}
