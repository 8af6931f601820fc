//! An orthonormal basis in which a few coordinates hold most of the length: principal components, near enough.
//!
//! **Promises.** [`Rotation::defect`] bounds how far the rows are from orthonormal, whatever was done to find them: a
//! bad basis costs time, never a pair.
//!
//! **How.** Orthogonal iteration (Golub and Van Loan, Matrix Computations, 4th ed., section 8.2.4) on the covariance of a
//! sample, then a random rotation inside the head, so that no coordinate and no phase of it stands out.

use super::random::SplitMix64;

/// The most rows of the sample.
const SAMPLE: usize = 2_048;
/// Rounds of orthogonal iteration, each on the square of the covariance. A higher power would lose the small components
/// in the rounding of the large ones.
const ROUNDS: usize = 3;

/// The rows of a matrix: h vectors of d numbers that are nearly orthonormal.
#[derive(Debug, Clone)]
pub(super) struct Rotation {
    /// h x d, row after row.
    pub(super) rows: Vec<f32>,
    /// A bound on the spectral norm of rows * rows^T - 1.
    pub(super) defect: f64,
    /// The greatest length of a row.
    pub(super) longest: f64,
}

/// An orthonormal basis of all d dimensions, d x d, row after row, the coordinates with most of the length first.
pub(super) fn principal(values: &[f32], dimension: usize) -> Vec<f64> {
    let n = values.len() / dimension;
    let step = n.div_ceil(SAMPLE).max(1);
    let sample: Vec<f64> = (0..n)
        .step_by(step)
        .flat_map(|row| values[row * dimension..][..dimension].iter().map(|&v| f64::from(v)))
        .collect();
    let rows = sample.len() / dimension;
    let mut covariance = vec![0.0; dimension * dimension];
    multiply(&sample, Form::Transposed, &sample, [dimension, rows, dimension], &mut covariance);
    let largest = covariance.iter().fold(f64::MIN_POSITIVE, |most, v| v.abs().max(most));
    let scaled: Vec<f64> = covariance.iter().map(|v| v / largest).collect();
    multiply(&scaled, Form::Plain, &scaled, [dimension, dimension, dimension], &mut covariance);
    let mut basis = identity(dimension);
    for _ in 0..ROUNDS {
        let mut next = vec![0.0; dimension * dimension];
        // the covariance is symmetric: rows times it are it times columns
        multiply(&basis, Form::Plain, &covariance, [dimension, dimension, dimension], &mut next);
        orthonormalise(&mut next, dimension);
        basis = next;
    }
    basis
}

/// The first `head` rows of a basis, rotated among themselves at random and rounded to float32.
pub(super) fn mixed(basis: &[f64], dimension: usize, head: usize) -> Rotation {
    let mut random = SplitMix64(0x5EED);
    let mut mixing: Vec<f64> = (0..head * head).map(|_| random.signed()).collect();
    orthonormalise(&mut mixing, head);
    let mut rows = vec![0.0; head * dimension];
    multiply(&mixing, Form::Plain, &basis[..head * dimension], [head, head, dimension], &mut rows);
    Rotation::new(rows.iter().map(|&v| v as f32).collect(), dimension)
}

impl Rotation {
    fn new(rows: Vec<f32>, dimension: usize) -> Self {
        let exact: Vec<f64> = rows.iter().map(|&v| f64::from(v)).collect();
        let head = rows.len() / dimension;
        let mut gram = vec![0.0; head * head];
        multiply(&exact, Form::Plain, &transposed(&exact, dimension), [head, dimension, head], &mut gram);
        let mut squares = 0.0;
        let mut longest = 0.0f64;
        for (i, row) in gram.chunks_exact(head).enumerate() {
            longest = longest.max(row[i].sqrt());
            for (j, v) in row.iter().enumerate() {
                let off = v - f64::from(u8::from(i == j));
                squares += off * off;
            }
        }
        // The Frobenius norm bounds the spectral norm; the rest is more than float64 rounds off in d terms.
        let defect = squares.sqrt() * 1.001 + 1e-12 * head as f64;
        Self { rows, defect, longest: longest * 1.001 }
    }
}

fn identity(n: usize) -> Vec<f64> {
    let mut matrix = vec![0.0; n * n];
    matrix.iter_mut().step_by(n + 1).for_each(|v| *v = 1.0);
    matrix
}

fn transposed(matrix: &[f64], columns: usize) -> Vec<f64> {
    let rows = matrix.len() / columns;
    (0..columns).flat_map(|c| (0..rows).map(move |r| matrix[r * columns + c])).collect()
}

/// Makes the rows orthonormal, in their order (modified Gram-Schmidt, twice: Giraud, Langou and Rozloznik 2005); a row
/// that depends on those before it is replaced.
fn orthonormalise(rows: &mut [f64], dimension: usize) {
    let mut random = SplitMix64(1);
    for i in 0..rows.len() / dimension {
        let (done, rest) = rows.split_at_mut(i * dimension);
        let row = &mut rest[..dimension];
        loop {
            for _ in 0..2 {
                let length = norm(row).max(f64::MIN_POSITIVE);
                scale(row, 1.0 / length);
                for before in done.chunks_exact(dimension) {
                    let share = product(before, row);
                    row.iter_mut().zip(before).for_each(|(v, b)| *v -= share * b);
                }
            }
            let length = norm(row);
            if length > 0.5 {
                scale(row, 1.0 / length);
                break;
            }
            row.fill_with(|| random.signed());
        }
    }
}

fn scale(row: &mut [f64], factor: f64) {
    for value in row {
        *value *= factor;
    }
}

fn norm(row: &[f64]) -> f64 {
    product(row, row).sqrt()
}

/// In eight sums side by side, which the processor adds at once.
fn product(a: &[f64], b: &[f64]) -> f64 {
    let (a, a_rest) = a.as_chunks::<8>();
    let (b, b_rest) = b.as_chunks::<8>();
    let mut sums = [0.0; 8];
    for (a, b) in a.iter().zip(b) {
        for ((sum, a), b) in sums.iter_mut().zip(a).zip(b) {
            *sum += a * b;
        }
    }
    sums.iter().sum::<f64>() + a_rest.iter().zip(b_rest).map(|(a, b)| a * b).sum::<f64>()
}

/// How a left factor is read.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    Plain,
    Transposed,
}

/// `out` = a * b, where a is m x k (or k x m, read transposed) and b is k x n, all row after row.
fn multiply(a: &[f64], form: Form, b: &[f64], [m, k, n]: [usize; 3], out: &mut [f64]) {
    assert!(a.len() == m * k && b.len() == k * n && out.len() == m * n, "the matrices fit");
    let stride = |n: usize| isize::try_from(n).expect("a slice is never longer than isize::MAX");
    let (row, column) = if form == Form::Plain { (stride(k), 1) } else { (1, stride(m)) };
    #[allow(unsafe_code, reason = "the block product is called through pointers")]
    // SAFETY: by the assert above a is read at its m * k places, b at its k * n, and out written at its m * n, each once;
    // out is borrowed alone.
    unsafe {
        matrixmultiply::dgemm(
            m,
            k,
            n,
            1.0,
            a.as_ptr(),
            row,
            column,
            b.as_ptr(),
            stride(n),
            1,
            0.0,
            out.as_mut_ptr(),
            stride(n),
            1,
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_basis_is_orthonormal_and_begins_with_most_of_the_length() {
        let (n, d) = (300, 24);
        let mut random = SplitMix64(7);
        let values: Vec<f32> =
            (0..n * d).map(|at| (random.signed() * 0.7f64.powf((at % d * 7 % d) as f64)) as f32).collect();
        let basis = principal(&values, d);
        let rotation = mixed(&basis, d, 8);
        assert!(rotation.defect < 1e-5, "{}", rotation.defect);
        let held: f64 = values
            .chunks_exact(d)
            .flat_map(|row| {
                rotation.rows.chunks_exact(d).map(move |axis| {
                    let y: f64 = axis.iter().zip(row).map(|(&a, &b)| f64::from(a) * f64::from(b)).sum();
                    y * y
                })
            })
            .sum();
        let whole: f64 = values.iter().map(|&v| f64::from(v) * f64::from(v)).sum();
        assert!(held / whole > 0.98, "{}", held / whole);
    }

    #[test]
    fn rows_that_depend_on_each_other_still_make_a_basis() {
        let values = vec![1.0f32; 50 * 8]; // one direction only
        let rotation = mixed(&principal(&values, 8), 8, 8);
        assert!(rotation.defect < 1e-5);
    }
}
