//! Convolutions of one channel each, 3 x 3, in place.
//!
//! **Promises.** The bits of the plain loop: a sum begins with the bias and takes the products row by row, each rounded on
//! its own; beyond the edge all is 0.
//!
//! **Why here.** They are two thirds of the detector's time in the runtime, which goes over a row nine times, one number
//! at a time. Here the sums of [`BLOCK`] neighbours stay in registers, and the compiler makes vectors of them.

/// Sums that are made together: four vectors of the least that x86-64 and Arm have.
const BLOCK: usize = 16;

/// The taps of a channel, row by row.
pub(super) type Taps = [f32; 9];

/// A convolution with a stride of 1 whose output is of the size of its input, and maybe what follows it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Depthwise {
    /// Of each channel.
    pub(super) taps: Vec<Taps>,
    /// Of each channel.
    pub(super) bias: Vec<f32>,
    /// What becomes of the sums.
    pub(super) then: Then,
}

/// What follows a convolution.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Then {
    /// Nothing.
    Keep,
    /// What is below 0 becomes 0.
    Relu,
}

impl Depthwise {
    /// Over planes of this width, each as long as any other: those of all channels, of one picture after another.
    ///
    /// # Panics
    /// If `values` are not as many planes as there are channels, or a multiple of that, each of whole rows.
    pub(super) fn apply(&self, values: &mut [f32], (height, width): (usize, usize)) {
        let size = height * width;
        assert!(size > 0 && values.len().is_multiple_of(size * self.taps.len()), "whole planes of {height} x {width}");
        let mut rows = Rows::new(width);
        let channels = self.taps.iter().zip(&self.bias).cycle();
        for (plane, (taps, &bias)) in values.chunks_exact_mut(size).zip(channels) {
            rows.clear();
            rows.push(Some(&plane[..width]));
            for row in 0..height {
                rows.push(plane.get((row + 1) * width..(row + 2) * width));
                let sums = &mut plane[row * width..(row + 1) * width];
                match self.then {
                    Then::Keep => rows.sums(sums, taps, bias, |sum| sum),
                    Then::Relu => rows.sums(sums, taps, bias, |sum| if sum < 0.0 { 0.0 } else { sum }),
                }
            }
        }
    }
}

/// Three rows as they were, each with a 0 before it and at least one behind it.
struct Rows {
    width: usize,
    rows: [Vec<f32>; 3],
}

impl Rows {
    fn new(width: usize) -> Self {
        let row = vec![0.0; width.next_multiple_of(BLOCK) + 2];
        Self { width, rows: [row.clone(), row.clone(), row] }
    }

    fn clear(&mut self) {
        self.rows.iter_mut().for_each(|row| row.fill(0.0));
    }

    /// The next row comes in below, or one of zeros, and the uppermost goes.
    fn push(&mut self, next: Option<&[f32]>) {
        self.rows.rotate_left(1);
        let lowest = &mut self.rows[2][1..=self.width];
        match next {
            Some(next) => lowest.copy_from_slice(next),
            None => lowest.fill(0.0),
        }
    }

    /// The sums around the row in the middle.
    fn sums(&self, out: &mut [f32], taps: &Taps, bias: f32, then: impl Fn(f32) -> f32) {
        for (at, out) in out.chunks_mut(BLOCK).enumerate() {
            let mut sums = [bias; BLOCK];
            for (row, taps) in self.rows.iter().zip(taps.as_chunks::<3>().0) {
                let (window, _) =
                    row[at * BLOCK..].split_first_chunk::<{ BLOCK + 2 }>().expect("rows are padded so far");
                for (shift, tap) in taps.iter().enumerate() {
                    for (i, sum) in sums.iter_mut().enumerate() {
                        *sum += window[shift + i] * tap;
                    }
                }
            }
            let sums = sums.map(&then);
            out.copy_from_slice(&sums[..out.len()]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One sum after the other.
    fn naive(values: &[f32], (height, width): (usize, usize), taps: &Taps, bias: f32) -> Vec<f32> {
        let at = |row: usize, column: usize| {
            // both are one too large
            let is_inside = (1..=height).contains(&row) && (1..=width).contains(&column);
            if is_inside { values[(row - 1) * width + column - 1] } else { 0.0 }
        };
        let sum = |row: usize, column: usize| {
            (0..9).fold(bias, |sum, tap| sum + at(row + tap / 3, column + tap % 3) * taps[tap])
        };
        (0..height).flat_map(|row| (0..width).map(move |column| sum(row, column))).collect()
    }

    #[test]
    fn the_sums_are_those_of_the_plain_loop_bit_for_bit_in_every_size() {
        let mut state = 1_u32;
        let mut number = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 8) as f32 / 8_388_608.0 - 1.0
        };
        for (height, width) in [(1, 1), (1, 2), (2, 1), (3, 15), (4, 16), (2, 17), (5, 33), (40, 24)] {
            let n_channels = 3;
            let taps: Vec<Taps> = (0..n_channels).map(|_| std::array::from_fn(|_| number())).collect();
            let bias: Vec<f32> = (0..n_channels).map(|_| number()).collect();
            // two pictures
            let values: Vec<f32> = (0..2 * n_channels * height * width).map(|_| number()).collect();
            let planes = values.chunks_exact(height * width).enumerate();
            let expected: Vec<f32> = planes
                .flat_map(|(i, plane)| naive(plane, (height, width), &taps[i % n_channels], bias[i % n_channels]))
                .collect();
            let mut kept = values.clone();
            Depthwise { taps: taps.clone(), bias: bias.clone(), then: Then::Keep }.apply(&mut kept, (height, width));
            let bits = |values: &[f32]| values.iter().map(|value| value.to_bits()).collect::<Vec<_>>();
            assert_eq!(bits(&kept), bits(&expected), "{height} x {width}");
            let mut cut = values;
            Depthwise { taps, bias, then: Then::Relu }.apply(&mut cut, (height, width));
            assert_eq!(cut, expected.iter().map(|value| value.max(0.0)).collect::<Vec<_>>(), "{height} x {width}");
        }
    }

    #[test]
    fn what_is_no_number_stays_none() {
        let mut values = [f32::NAN, 1.0];
        let convolution =
            Depthwise { taps: vec![[0.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0]], bias: vec![0.0], then: Then::Relu };
        convolution.apply(&mut values, (2, 1));
        assert!(values[0].is_nan());
    }
}
