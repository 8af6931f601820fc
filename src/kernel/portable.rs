//! Products of 8-bit heads without any particular instructions, 6 rows by 16 columns at a time.
//!
//! **Promises.** Exact: 16-bit sums may wrap on their way, and are right at the end, where the sum of a phase is known to
//! fit.
//!
//! **Why so.** It is what processors get that have no path of their own (ARM, and x86 before AVX2). Loops over arrays of
//! fixed length, sixteen 16-bit numbers side by side, become what vector instructions every such processor has, when
//! they are compiled for speed (opt-level 3, as a release is).

use super::int8::{BLOCK_ROWS, Block, LANES, Layout, Survivors};

/// What this path wants.
pub(super) const LAYOUT: Layout = Layout::Lanes;
/// Columns of a block.
pub(super) const WIDTH: usize = LANES;

/// The sums of one phase, which fit into 16 bits.
fn phase<const PHASE: usize>(block: &Block<'_>) -> [[i16; LANES]; BLOCK_ROWS] {
    let begin = std::array::from_fn(|lane| (block.begins[lane] >> (16 * PHASE)) as i16);
    let mut sums = [begin; BLOCK_ROWS];
    for (rows, columns) in block.rows.iter().zip(block.columns) {
        let columns = columns.0.as_chunks::<LANES>().0;
        for k in [2 * PHASE, 2 * PHASE + 1] {
            let column = columns[k].map(i16::from);
            for (r, sums) in sums.iter_mut().enumerate() {
                let row = i16::from(rows[4 * r + k]);
                for (sum, column) in sums.iter_mut().zip(column) {
                    *sum = sum.wrapping_add(row.wrapping_mul(column));
                }
            }
        }
    }
    sums
}

/// The pairs of a block that survive.
pub(super) fn survivors(block: &Block<'_>) -> Survivors {
    let phases = (phase::<0>(block), phase::<1>(block));
    let mut survivors = [0; BLOCK_ROWS];
    for (r, found) in survivors.iter_mut().enumerate() {
        let sums = phases.0[r].iter().zip(&phases.1[r]).map(|(&a, &b)| i32::from(a) + i32::from(b));
        for (c, sum) in sums.enumerate() {
            let reached = sum + block.column_terms[c] + block.row_terms[r];
            *found |= u32::from(reached >= block.row_cuts[r].min(block.column_cuts[c])) << c;
        }
    }
    survivors
}

/// See [`Instructions::exercise`](super::Instructions::exercise).
pub(super) fn exercise(rounds: u64) -> u64 {
    let mut sums = std::hint::black_box([[1i16; LANES]; BLOCK_ROWS]);
    let factor = std::hint::black_box([3i16; LANES]);
    for _ in 0..rounds {
        for sums in &mut sums {
            for (sum, factor) in sums.iter_mut().zip(factor) {
                *sum = sum.wrapping_add(sum.wrapping_mul(factor));
            }
        }
    }
    std::hint::black_box(sums);
    rounds * (2 * LANES * BLOCK_ROWS) as u64
}
