//! Embeddings without a model: a fixed network of random weights looks at the features that the portrait is drawn from.
//!
//! **Why.** What looks alike has alike features and so a high cosine; pictures of one person differ by how they were
//! taken, the harder the more. Weights and squashing use basic arithmetic only, so that every machine makes the same bits.

use super::person::{Person, Shot};
use super::random::Random;

/// Numbers of an embedding.
pub const DIMENSION: usize = 128;

/// Units between features and embedding.
const HIDDEN: usize = 384;

/// How much of a look is in small differences: the greater, the less alike two people are who share some features.
const GAIN: f32 = 12.0;

/// How much a pose, a light or an expression moves an embedding.
const TAKEN: f32 = 0.8;

/// Length of what is left to chance, beside a face's own of 1.
const NOISE: f32 = 0.55;

/// The network.
#[derive(Debug)]
pub(super) struct Embedder {
    middle: Vec<f32>,
    first: Vec<f32>,
    second: Vec<f32>,
    taken: Vec<f32>,
}

impl Embedder {
    /// Of people like these, whose common features say nothing about who is who.
    pub(super) fn new(seed: u64, people: &[Person]) -> Self {
        let n_features = people.first().map_or(0, |person| person.features.len());
        let middle = (0..n_features).map(|i| people.iter().map(|it| it.features[i]).sum::<f32>() / people.len() as f32);
        let middle = middle.collect();
        let mut random = Random::of(seed, 11);
        let mut weights = |n: usize| (0..n).map(|_| random.bell()).collect();
        let (first, second) = (weights(HIDDEN * n_features), weights(DIMENSION * HIDDEN));
        Self { middle, first, second, taken: weights(DIMENSION * 6) }
    }

    /// A person as such, of length 1.
    pub(super) fn person(&self, person: &Person) -> Vec<f32> {
        let n = self.middle.len();
        let features: Vec<f32> =
            person.features.iter().zip(&self.middle).map(|(value, middle)| value - middle).collect();
        let length = features.iter().map(|value| value * value).sum::<f32>().sqrt().max(1e-6);
        let hidden: Vec<f32> = (0..HIDDEN)
            .map(|unit| {
                let sum: f32 =
                    self.first[unit * n..(unit + 1) * n].iter().zip(&features).map(|(w, value)| w * value).sum();
                let sum = GAIN * sum / length;
                sum / (1.0 + sum.abs())
            })
            .collect();
        let row = |i: usize| &self.second[i * HIDDEN..(i + 1) * HIDDEN];
        unit((0..DIMENSION).map(|i| row(i).iter().zip(&hidden).map(|(w, value)| w * value).sum()).collect())
    }

    /// A picture of somebody who as such is `who`; of `chance` more noise is added than a common picture has.
    pub(super) fn picture(&self, who: &[f32], shot: &Shot, chance: f32) -> Vec<f32> {
        let mut random = Random::of(shot.seed, 3);
        let taken = [
            shot.yaw * 2.0,
            shot.pitch * 2.0,
            shot.light * 0.3,
            shot.exposure * 2.0,
            shot.smile * 0.3,
            shot.blur as f32 * 0.3,
        ];
        let noise = NOISE * (0.7 + 0.6 * shot.hard) + chance;
        let scale = 1.0 / (DIMENSION as f32).sqrt();
        let numbers = who.iter().enumerate().map(|(i, value)| {
            let moved: f32 = taken.iter().enumerate().map(|(k, t)| t * self.taken[k * DIMENSION + i]).sum();
            value + scale * (TAKEN * moved + noise * random.bell())
        });
        unit(numbers.collect())
    }
}

fn unit(mut numbers: Vec<f32>) -> Vec<f32> {
    let length = numbers.iter().map(|value| value * value).sum::<f32>().sqrt().max(1e-6);
    for value in &mut numbers {
        *value /= length;
    }
    numbers
}
