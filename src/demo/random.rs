//! Numbers that look random and are the same every time, made of nothing but integer and basic float arithmetic.

use crate::kernel::SplitMix64;

/// A sequence of them, and what is drawn from it.
#[derive(Debug)]
pub(super) struct Random(SplitMix64);

impl Random {
    /// A sequence of its own for every seed and stream.
    pub(super) fn of(seed: u64, stream: u64) -> Self {
        let mut random = Self(SplitMix64(seed ^ stream.wrapping_mul(0xD1B5_4A32_D192_ED03)));
        random.next();
        random
    }

    pub(super) fn next(&mut self) -> u64 {
        self.0.next()
    }

    /// From 0 up to, without, 1.
    pub(super) fn unit(&mut self) -> f32 {
        (self.next() >> 40) as f32 / (1u32 << 24) as f32
    }

    /// From `low` up to `high`.
    pub(super) fn within(&mut self, low: f32, high: f32) -> f32 {
        low + (high - low) * self.unit()
    }

    /// Near the bell curve of mean 0 and deviation 1, never beyond 6: a sum of twelve, so that no logarithm of one
    /// platform or another has a say.
    pub(super) fn bell(&mut self) -> f32 {
        (0..12).map(|_| self.unit()).sum::<f32>() - 6.0
    }

    pub(super) fn below(&mut self, n: usize) -> usize {
        (self.next() % n.max(1) as u64) as usize
    }

    pub(super) fn chance(&mut self, share: f32) -> bool {
        self.unit() < share
    }

    pub(super) fn choose<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.below(of.len())]
    }

    /// The numbers below `n` in some order.
    pub(super) fn order(&mut self, n: usize) -> Vec<usize> {
        let mut order: Vec<usize> = (0..n).collect();
        for at in (1..n).rev() {
            order.swap(at, self.below(at + 1));
        }
        order
    }
}
