//! Convolutions of one channel each, 3 x 3, in place, and what else goes over planes: halving and doubling them.
//!
//! **Promises.** The bits of the plain loop: a sum begins with the bias and takes the products row by row, each rounded on
//! its own; beyond the edge all is 0.
//!
//! **Why here.** They are two thirds of the detector's time in the runtime, which goes over a row nine times, one number
//! at a time. Here a sum is made at once, and the compiler makes vectors of neighbours.

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

/// Three rows as they were, each with a 0 before and behind it.
struct Rows {
    width: usize,
    rows: [Vec<f32>; 3],
}

impl Rows {
    fn new(width: usize) -> Self {
        let row = vec![0.0; width + 2];
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
        let n = out.len();
        // of one length, so that the compiler sees that nothing is beyond it and makes vectors of the loop
        let [[a, b, c], [d, e, f], [g, h, i]] =
            [0, 1, 2].map(|row: usize| [0, 1, 2].map(|shift: usize| &self.rows[row][shift..shift + n]));
        for (at, out) in out.iter_mut().enumerate() {
            let mut sum = bias;
            sum += a[at] * taps[0];
            sum += b[at] * taps[1];
            sum += c[at] * taps[2];
            sum += d[at] * taps[3];
            sum += e[at] * taps[4];
            sum += f[at] * taps[5];
            sum += g[at] * taps[6];
            sum += h[at] * taps[7];
            sum += i[at] * taps[8];
            *out = then(sum);
        }
    }
}

/// The largest of each 2 x 2 neighbours of planes of this height and width; a last odd row or column is left out.
pub(super) fn halve(values: &[f32], (height, width): (usize, usize)) -> Vec<f32> {
    let mut halved = Vec::with_capacity(values.len() / 4);
    let mut larger = vec![0.0; width];
    for plane in values.chunks_exact(height * width) {
        for rows in plane.chunks_exact(2 * width) {
            let (upper, lower) = rows.split_at(width);
            for ((larger, &a), &b) in larger.iter_mut().zip(upper).zip(lower) {
                *larger = if a > b { a } else { b };
            }
            halved.extend(larger.as_chunks().0.iter().map(|&[a, b]| if a > b { a } else { b }));
        }
    }
    halved
}

/// Every number of planes of rows of this width four times, as 2 x 2 neighbours.
pub(super) fn double(values: &[f32], width: usize) -> Vec<f32> {
    let mut doubled = vec![0.0; 4 * values.len()];
    for (row, rows) in values.chunks_exact(width).zip(doubled.chunks_exact_mut(4 * width)) {
        let (upper, lower) = rows.split_at_mut(2 * width);
        for (two, &one) in upper.as_chunks_mut().0.iter_mut().zip(row) {
            *two = [one, one];
        }
        lower.copy_from_slice(upper);
    }
    doubled
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
    fn planes_are_halved_to_the_largest_of_four_and_doubled_to_four_of_one() {
        let plane = [1.0, 5.0, 9.0, 2.0, 3.0, 0.0, 7.0, 7.0, 7.0];
        assert_eq!(halve(&plane, (3, 3)), [5.0], "an odd row and column");
        let two = [1.0, 2.0, 3.0, -4.0, -8.0, -7.0, -6.0, -5.0];
        assert_eq!(halve(&two, (2, 4)), [2.0, 3.0]);
        assert_eq!(halve(&two, (2, 2)), [3.0, -5.0], "two planes");
        assert_eq!(halve(&two, (1, 8)), [0.0; 0]);
        assert_eq!(double(&[1.0, 2.0, 3.0], 3), [1.0, 1.0, 2.0, 2.0, 3.0, 3.0, 1.0, 1.0, 2.0, 2.0, 3.0, 3.0]);
        assert_eq!(double(&[1.0, 2.0], 1), [1.0, 1.0, 1.0, 1.0, 2.0, 2.0, 2.0, 2.0]);
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
