//! The definition of the cosine, and its cheap float32 relative.
//!
//! **Promises.** Both have one written order of summation and are symmetric, so that they give the same bits on every
//! processor and for (a, b) as for (b, a).

/// The cosine of two stored unit vectors: *the* similarity that decides every threshold, merge and confidence.
///
/// Float64, in one fixed order: lane l of eight sums the products at the indices l, l + 8, l + 16, ... from the first
/// on, then the lanes are added as `((0 + 4) + (2 + 6)) + ((1 + 5) + (3 + 7))`. The product of two float32 numbers has
/// at most 48 significant bits and is exact in float64, so a fused multiply-add rounds as the two operations do:
/// neither the compiler nor the processor can change a bit.
///
/// # Panics
/// If the vectors differ in length; those of one `FaceSet` do not.
pub fn dot(a: &[f32], b: &[f32]) -> f64 {
    assert_eq!(a.len(), b.len(), "two vectors of one dimension");
    let mut lanes = [0.0f64; 8];
    let (a_chunks, a_rest) = a.as_chunks::<8>();
    let (b_chunks, b_rest) = b.as_chunks::<8>();
    for (x, y) in a_chunks.iter().zip(b_chunks) {
        for lane in 0..8 {
            lanes[lane] += f64::from(x[lane]) * f64::from(y[lane]);
        }
    }
    for (lane, (&x, &y)) in lanes.iter_mut().zip(a_rest.iter().zip(b_rest)) {
        *lane += f64::from(x) * f64::from(y);
    }
    let [s0, s1, s2, s3, s4, s5, s6, s7] = lanes;
    ((s0 + s4) + (s2 + s6)) + ((s1 + s5) + (s3 + s7))
}

/// The product of two vectors in float32, for screening only: within the margin of a [`Screen`](super::Screen).
///
/// Sixteen lanes in a fixed order; Rust neither reorders nor fuses float operations, so this too has the same bits
/// everywhere, and a graph built with it is the same graph everywhere.
///
/// # Panics
/// If the vectors differ in length.
pub fn product(a: &[f32], b: &[f32]) -> f32 {
    assert_eq!(a.len(), b.len(), "two vectors of one dimension");
    let mut lanes = [0.0f32; 16];
    let (a_chunks, a_rest) = a.as_chunks::<16>();
    let (b_chunks, b_rest) = b.as_chunks::<16>();
    for (x, y) in a_chunks.iter().zip(b_chunks) {
        for lane in 0..16 {
            lanes[lane] += x[lane] * y[lane];
        }
    }
    for (lane, (&x, &y)) in lanes.iter_mut().zip(a_rest.iter().zip(b_rest)) {
        *lane += x * y;
    }
    lanes.iter().sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_cosine_is_summed_in_the_written_order() {
        // 2^53 + 1 - 2^53: the 1 survives only where the order says so.
        let big = 9_007_199_254_740_992.0f32;
        let with = |places: [(usize, f32); 3]| {
            let mut v = vec![0.0; 16];
            for (at, value) in places {
                v[at] = value;
            }
            dot(&v, &[1.0; 16]).to_bits()
        };
        assert_eq!(with([(0, big), (8, 1.0), (4, -big)]), 0.0f64.to_bits(), "lane 0 loses the 1");
        assert_eq!(with([(0, big), (4, -big), (1, 1.0)]), 1.0f64.to_bits(), "0 + 4 cancel before 1 comes");
        assert_eq!(with([(0, big), (1, -big), (2, 1.0)]), 0.0f64.to_bits(), "2 joins 0 before 1 does");
    }

    #[test]
    fn vectors_of_every_length_are_summed_whole() {
        for d in 1..70 {
            let a: Vec<f32> = (0..d).map(|i| i as f32).collect();
            let expected: usize = (0..d).map(|i| i * i).sum();
            assert_eq!(dot(&a, &a).to_bits(), (expected as f64).to_bits(), "dimension {d}");
            assert_eq!(product(&a, &a).to_bits(), (expected as f32).to_bits(), "dimension {d}");
        }
    }

    proptest! {
        #[test]
        fn both_products_are_symmetric(pairs in proptest::collection::vec((-1.0f32..1.0, -1.0f32..1.0), 1..80)) {
            let (a, b): (Vec<f32>, Vec<f32>) = pairs.into_iter().unzip();
            prop_assert_eq!(dot(&a, &b).to_bits(), dot(&b, &a).to_bits());
            prop_assert_eq!(product(&a, &b).to_bits(), product(&b, &a).to_bits());
        }
    }
}
