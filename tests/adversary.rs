//! No pair is ever lost: vectors chosen to be hard for 8-bit heads and float32 products, against a naive float64 oracle.
//!
//! The oracle sums products in the order of the numbers. Far from the floor its word counts; so near that its rounding
//! could matter, the canonical `dot` decides.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]

mod support;

use std::num::NonZeroUsize;

use faceclique::cluster::{Parameters, Resources, Search, Unwatched, cluster};
use faceclique::confidence::{ConfidenceScale, Threshold};
use faceclique::face::FaceSet;
use faceclique::kernel::{Heads, Instructions, dot};
use support::faces;

/// From so many faces on heads are tried.
const MANY: usize = 8_192;
/// More than the oracle rounds off in 4,096 terms, and than stored lengths do.
const ROUNDING: f64 = 1e-11;

/// Numbers that are the same everywhere.
struct Random(u64);

impl Random {
    fn uniform(&mut self) -> f64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 11) as f64 / (1u64 << 52) as f64 - 1.0
    }

    fn below(&mut self, n: usize) -> usize {
        (f64::midpoint(self.uniform(), 1.0) * n as f64) as usize % n
    }

    /// A unit vector; number k has the size decay^k, on average.
    fn vector(&mut self, dimension: usize, decay: f64) -> Vec<f64> {
        let power = |k| decay.powf(f64::from(u16::try_from(k).unwrap()));
        unit((0..dimension).map(|k| (0..4).map(|_| self.uniform()).sum::<f64>() * power(k)).collect())
    }
}

fn unit(mut numbers: Vec<f64>) -> Vec<f64> {
    let length = numbers.iter().map(|v| v * v).sum::<f64>().sqrt();
    for value in &mut numbers {
        *value /= length;
    }
    numbers
}

fn rounded(numbers: &[f64]) -> Vec<f32> {
    numbers.iter().map(|&v| v as f32).collect()
}

fn naive(a: &[f32], b: &[f32]) -> f64 {
    a.iter().zip(b).map(|(&x, &y)| f64::from(x) * f64::from(y)).sum()
}

fn reaches(a: &[f32], b: &[f32], floor: f64) -> bool {
    let cosine = naive(a, b);
    if (cosine - floor).abs() > ROUNDING { cosine > floor } else { dot(a, b) >= floor }
}

/// Two unit vectors, kept bit for bit, whose cosine is `target` to the last bit, from four places of their numbers.
///
/// The 53 bits of the target are cut into 24 + 24 + 5; each part is one product, and every sum of parts is exact.
fn exactly(target: f64, dimension: usize, [p, q, r, s]: [usize; 4]) -> [Vec<f32>; 2] {
    let small = 1.0 / 2048.0;
    let (mut a, mut b) = (vec![0.0f32; dimension], vec![-0.0f32; dimension]);
    a[p] = 1.0;
    a[q] = small as f32;
    a[r] = small as f32;
    b[p] = target as f32;
    let rest = target - f64::from(b[p]);
    b[q] = (rest / small) as f32;
    b[r] = ((rest - f64::from(b[q]) * small) / small) as f32;
    b[s] = (1.0 - naive(&b, &b)).sqrt() as f32;
    assert_eq!(dot(&a, &b).to_bits(), target.to_bits(), "the pair is exactly on the edge");
    [a, b]
}

/// The pairs on the edge of a floor: the last that reaches it, and the neighbours of its cosine on both sides.
fn edges(floor: f64, dimension: usize, random: &mut Random) -> Vec<Vec<f32>> {
    let mut rows = Vec::new();
    for target in [floor, floor.next_down(), floor.next_up()] {
        let first = random.below(dimension);
        let places = [0, 1, 2, 3].map(|step| (first + step * (dimension / 4)) % dimension);
        rows.extend(exactly(target, dimension, places));
    }
    rows
}

/// Two vectors of a cosine near `cosine`: what they share may lie in the numbers from `tail` on, where the others have
/// least and a head sees nothing.
fn near(cosine: f64, dimension: usize, decay: f64, tail: usize, random: &mut Random) -> [Vec<f32>; 2] {
    let mut shared = random.vector(dimension, decay);
    shared[..tail].fill(0.0);
    let shared = unit(shared);
    let mut apart = |from: &[&[f64]]| {
        let mut own = random.vector(dimension, decay);
        for _ in 0..2 {
            for axis in from {
                let share: f64 = axis.iter().zip(&own).map(|(x, y)| x * y).sum();
                own.iter_mut().zip(*axis).for_each(|(v, x)| *v -= share * x);
            }
            own = unit(own);
        }
        own
    };
    let one = apart(&[&shared]);
    let two = apart(&[&shared, &one]);
    let (along, across) = (cosine.abs().sqrt(), (1.0 - cosine.abs()).sqrt());
    let row = |own: &[f64], sign: f64| {
        rounded(&unit(shared.iter().zip(own).map(|(s, o)| sign * along * s + across * o).collect()))
    };
    [row(&one, 1.0), row(&two, cosine.signum())]
}

/// Twins, opposites, zeros of both signs, numbers too small to be normal, all in one number: of up to 4 dimensions on.
fn oddities(dimension: usize, random: &mut Random) -> Vec<Vec<f32>> {
    let mut rows = Vec::new();
    let any = rounded(&random.vector(dimension, 1.0));
    rows.push(any.clone());
    rows.push(any.clone());
    rows.push(any.iter().map(|v| -v).collect());
    for at in [0, dimension / 2, dimension - 1] {
        for sign in [1.0, -1.0] {
            let mut axis = vec![-0.0f32; dimension];
            axis[at] = sign;
            rows.push(axis.clone());
            for (k, v) in axis.iter_mut().enumerate().filter(|&(k, _)| k != at) {
                *v = if k % 2 == 0 { 1e-40 } else { -1e-42 };
            }
            rows.push(axis);
        }
    }
    let mut nearly = vec![1e-20f32; dimension];
    nearly[0] = 1.0;
    rows.push(nearly);
    rows
}

/// The pairs of a result.
fn found(
    faces: &FaceSet,
    scale: &ConfidenceScale,
    threshold: Threshold,
    instructions: Instructions,
) -> Vec<(usize, usize)> {
    let parameters = Parameters {
        cluster_threshold: threshold,
        output_threshold: threshold,
        search: Search::Exact,
        ..Parameters::default()
    };
    let threads = NonZeroUsize::new(2).unwrap();
    let resources = Resources { threads, instructions, ..Resources::default() };
    let result = cluster(faces, scale, &parameters, &resources, &Unwatched).unwrap();
    let mut pairs = Vec::new();
    for face in 0..faces.len() {
        let mut others: Vec<_> =
            result.matches_of(face as u32).iter().map(|m| m.face as usize).filter(|&other| other > face).collect();
        others.sort_unstable();
        pairs.extend(others.into_iter().map(|other| (face, other)));
    }
    pairs
}

/// With all instructions `cluster` finds exactly the pairs of the oracle. Says whether heads were used.
fn no_pair_is_lost(name: &str, rows: &[Vec<f32>], scale: &ConfidenceScale, threshold: &str) -> bool {
    let faces = faces(rows);
    let threshold: Threshold = threshold.parse().unwrap();
    let floor = scale.lowest_cosine(threshold);
    let n = faces.len();
    let pairs = (0..n).flat_map(|a| (a + 1..n).map(move |b| (a, b)));
    let expected: Vec<_> = pairs.filter(|&(a, b)| reaches(faces.row(a), faces.row(b), floor)).collect();
    for &instructions in Instructions::available() {
        let ours = found(&faces, scale, threshold, instructions);
        let lost = expected.iter().find(|pair| ours.binary_search(pair).is_err());
        let invented = ours.iter().find(|pair| expected.binary_search(pair).is_err());
        assert_eq!((lost, invented), (None, None), "{name} at {threshold} with {instructions}: lost, invented");
    }
    Heads::build(faces.values(), faces.dimension(), None, floor, NonZeroUsize::MIN, Instructions::best(), &|| false)
        .is_some()
}

#[test]
fn few_faces_of_any_dimension_at_any_threshold_lose_no_pair() {
    let scale = ConfidenceScale::cosine();
    for dimension in [1, 2, 32, 63, 512, 1024, 2048] {
        for threshold in ["20", "49.99", "50", "50.01", "67.5", "80", "99.99", "100"] {
            let confidence: f64 = threshold.parse().unwrap();
            let floor = scale.lowest_cosine(threshold.parse().unwrap());
            assert!((floor - ((confidence - 0.005) / 50.0 - 1.0)).abs() < 1e-14, "halves of hundredths round up");
            let mut random = Random(dimension as u64);
            let mut rows = oddities(dimension, &mut random);
            for _ in 0..30 {
                rows.push(rounded(&random.vector(dimension, 0.95)));
            }
            if dimension >= 4 {
                (0..4).for_each(|_| rows.extend(edges(floor, dimension, &mut random)));
                for off in [-1e-3, -1e-6, -1e-8, 0.0, 1e-8, 1e-6] {
                    rows.extend(near((floor + off).min(0.999_999), dimension, 1.0, 0, &mut random));
                }
            }
            no_pair_is_lost(&format!("dimension {dimension}"), &rows, &scale, threshold);
        }
    }
}

/// So many faces that heads are used, made by `face`, with hard pairs strewn in.
fn strewn(
    threshold: &str,
    dimension: usize,
    decay: f64,
    seed: u64,
    face: impl Fn(&mut Random) -> Vec<f64>,
) -> Vec<Vec<f32>> {
    let floor = ConfidenceScale::cosine().lowest_cosine(threshold.parse().unwrap());
    let mut random = Random(seed);
    let mut rows = oddities(dimension, &mut random);
    for round in 0..40 {
        rows.extend(edges(floor, dimension, &mut random));
        for off in [-1e-2, -1e-4, -1e-6, -1e-8, 0.0, 1e-8, 1e-6, 1e-4] {
            let tail = [0, dimension / 2, dimension - 4][round % 3];
            rows.extend(near(floor + off, dimension, decay, tail, &mut random));
        }
    }
    while rows.len() < MANY + 37 {
        rows.push(rounded(&face(&mut random)));
    }
    for i in (1..rows.len()).rev() {
        rows.swap(i, random.below(i + 1));
    }
    rows
}

#[test]
fn equal_energies_in_all_dimensions_lose_no_pair() {
    let d = 40;
    let rows = strewn("85", d, 1.0, 1, |random| random.vector(d, 1.0));
    assert!(no_pair_is_lost("flat", &rows, &ConfidenceScale::cosine(), "85"), "heads are used");
}

#[test]
fn tails_of_nearly_no_length_lose_no_pair() {
    let d = 64;
    let rows = strewn("94", d, 0.8, 2, |random| random.vector(d, 0.8));
    assert!(no_pair_is_lost("decaying", &rows, &ConfidenceScale::cosine(), "94"), "heads are used");
}

#[test]
fn all_energy_in_one_dimension_of_each_loses_no_pair() {
    let d = 63;
    let axis = |random: &mut Random| {
        let mut row = vec![0.0; d];
        row[random.below(d)] = random.uniform().signum();
        row[random.below(d)] += 1e-5 * random.uniform();
        unit(row)
    };
    let rows = strewn("75", d, 1.0, 3, axis);
    assert!(no_pair_is_lost("axes", &rows, &ConfidenceScale::cosine(), "75"), "heads are used");
}

/// Each hard pair is looked at with its own cosine as the floor: not a unit of the bound is to spare.
fn survives_its_own_cosine(dimension: usize, decay: f64, seed: u64, with: &[Instructions]) {
    const PAIRS: usize = 240;
    let mut random = Random(seed);
    let mut rows = Vec::new();
    for pair in 0..PAIRS {
        let cosine = [0.3, 0.6, 0.9, 0.999][pair % 4];
        rows.extend(near(cosine, dimension, decay, [0, dimension / 2, dimension - 4][pair % 3], &mut random));
    }
    rows.resize_with(MANY, || rounded(&random.vector(dimension, decay)));
    let faces = faces(&rows);
    for &instructions in with {
        let threads = NonZeroUsize::new(2).unwrap();
        let heads = Heads::build(faces.values(), dimension, None, 0.9, threads, instructions, &|| false)
            .expect("heads are used");
        let row_cuts: Vec<i32> =
            (0..2 * PAIRS).map(|row| heads.cut(dot(faces.row(row & !1), faces.row(row | 1)))).collect();
        let mut survived = vec![false; 2 * PAIRS];
        heads.survivors(0..2 * PAIRS, 0..2 * PAIRS, (&row_cuts, &vec![i32::MAX; 2 * PAIRS]), |row, column| {
            survived[row] |= column == row ^ 1;
        });
        let lost = survived.iter().position(|survived| !survived);
        assert_eq!(lost, None, "dimension {dimension}, decay {decay}, {instructions}");
    }
}

#[test]
fn a_hard_pair_survives_its_own_cosine_in_32_dimensions() {
    for decay in [1.0, 0.9] {
        survives_its_own_cosine(32, decay, 4, Instructions::available());
    }
}

#[test]
fn a_hard_pair_survives_its_own_cosine_in_512_dimensions() {
    survives_its_own_cosine(512, 0.99, 5, Instructions::available());
}

#[test]
fn a_hard_pair_survives_its_own_cosine_in_1024_dimensions() {
    // one set of instructions, for the rotation takes long
    survives_its_own_cosine(1024, 1.0, 6, &[Instructions::best()]);
}
