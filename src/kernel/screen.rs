//! Screening: float32 products of whole blocks, and the proven line below which a pair cannot reach a floor.
//!
//! **Promises.** If `dot(a, b) >= floor` then every float32 product of a and b passes the screen for that floor: the
//! block product, [`product`](super::product), and, for floors up to 1, the distance `max(0, 1 - product)`. If a product
//! reaches the upper line for a floor, then `dot(a, b) >= floor`.
//!
//! **Why it holds.** In any order of summation, with or without fused operations, the computed product of d terms
//! differs from the true one by at most gamma(d) * sum |a_i b_i|, with gamma(d) = d u / (1 - d u) and u the unit
//! roundoff (Higham, Accuracy and Stability of Numerical Algorithms, 2nd ed., sections 3.1 and 4.2), and the sum is at
//! most |a| |b| (Cauchy-Schwarz). That holds for float32 (u = 2^-24) and, far smaller, for the float64 of `dot`
//! (u = 2^-53). Products that underflow add at most the smallest normal number each.

use crate::face::UNIT_TOLERANCE;

/// Unit roundoff of float32 and float64.
pub(super) const U32: f64 = f32::EPSILON as f64 / 2.0;
const U64: f64 = f64::EPSILON / 2.0;

/// The bound gamma(d) for sums of d products, with unit roundoff u.
pub(super) fn gamma(dimension: usize, u: f64) -> f64 {
    let d = dimension as f64;
    d * u / (1.0 - d * u)
}

/// The line in float32 below which no pair reaches a floor.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Screen {
    margin: f64,
}

impl Screen {
    /// The screen for stored unit vectors of this dimension.
    pub fn new(dimension: usize) -> Self {
        // Lengths are 1 within the tolerance; twice that covers the float64 rounding of the check itself.
        let lengths = (1.0 + 2.0 * UNIT_TOLERANCE).powi(2);
        let underflow = dimension as f64 * f64::from(f32::MIN_POSITIVE);
        // The last term: `1 - product` in float32, a distance, is rounded once more and at most 2 in size.
        Self { margin: (gamma(dimension, U32) + gamma(dimension, U64)) * lengths + underflow + 4.0 * U32 }
    }

    /// The least float32 product of a pair that may reach `floor`. Whatever is smaller is discarded with proof.
    pub fn cut(self, floor: f64) -> f32 {
        // The conversion may round up by half a step, so one step down is surely at or below.
        ((floor - self.margin) as f32).next_down()
    }

    /// The line from which on a pair surely reaches `floor`.
    pub fn surely(self, floor: f64) -> SureLine {
        SureLine(((floor + self.margin) as f32).next_up())
    }
}

/// A line in float32 from which on every pair reaches a floor.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SureLine(f32);

impl SureLine {
    /// Whether a pair with this float32 product surely reaches the floor.
    pub fn is_reached_by(self, product: f32) -> bool {
        product >= self.0
    }
}

/// The float32 products of every row of `a` with every row of `b`, row after row into `out`.
///
/// # Panics
/// If `a` and `b` are not whole rows of `dimension` numbers, or `out` is smaller than the products.
pub fn products(a: &[f32], b: &[f32], dimension: usize, out: &mut [f32]) {
    assert!(dimension > 0 && a.len().is_multiple_of(dimension) && b.len().is_multiple_of(dimension), "whole rows");
    let (rows, columns) = (a.len() / dimension, b.len() / dimension);
    assert!(out.len() >= rows * columns, "room for every product");
    if rows == 0 || columns == 0 {
        return;
    }
    let stride = |n: usize| isize::try_from(n).expect("a slice is never longer than isize::MAX");
    #[allow(unsafe_code, reason = "the block product is called through pointers")]
    // SAFETY: a holds rows * dimension numbers and is read at r * dimension + k; b holds columns * dimension and is
    // read, transposed, at c * dimension + k; out holds at least rows * columns and is written at r * columns + c. The
    // asserts above are these bounds; no two places of out are the same, and it is borrowed alone.
    unsafe {
        matrixmultiply::sgemm(
            rows,
            dimension,
            columns,
            1.0,
            a.as_ptr(),
            stride(dimension),
            1,
            b.as_ptr(),
            1,
            stride(dimension),
            0.0,
            out.as_mut_ptr(),
            stride(columns),
            1,
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::face::Embedding;
    use crate::kernel::{dot, product};
    use proptest::prelude::*;

    #[test]
    fn every_row_meets_every_row() {
        let a = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0];
        let b = [1.0, 0.0, 0.0, 1.0];
        let mut out = [0.0; 6];
        products(&a, &b, 2, &mut out);
        assert_eq!(out.map(f32::to_bits), a.map(f32::to_bits));
        products(&[], &b, 2, &mut []);
    }

    #[test]
    fn a_floor_that_everything_reaches_discards_nothing() {
        assert!(-1.0 >= Screen::new(512).cut(f64::NEG_INFINITY));
    }

    fn unit(dimension: usize) -> impl Strategy<Value = Vec<f32>> {
        proptest::collection::vec(-1.0f32..1.0, dimension)
            .prop_filter_map("has a direction", |v| Embedding::new(v).ok().map(|e| e.values().to_vec()))
    }

    proptest! {
        #[test]
        fn a_pair_that_reaches_the_floor_passes_every_screen(
            (a, b) in prop_oneof![Just(1usize), Just(2), 3usize..40, Just(512), Just(4096)]
                .prop_flat_map(|d| (unit(d), unit(d)))
        ) {
            let d = a.len();
            let mut out = [0.0];
            products(&a, &b, d, &mut out);
            // The hardest floor is the cosine itself.
            let cosine = dot(&a, &b);
            let cut = Screen::new(d).cut(cosine);
            let beyond = Screen::new(d).surely(cosine.next_up());
            prop_assert!(!beyond.is_reached_by(out[0]) && !beyond.is_reached_by(product(&a, &b)));
            prop_assert!(out[0] >= cut);
            prop_assert!(product(&a, &b) >= cut);
            prop_assert!(1.0 - (1.0 - product(&a, &b)).max(0.0) >= cut);
        }
    }
}
