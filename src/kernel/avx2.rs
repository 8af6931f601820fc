//! AVX2: products of 8-bit heads, 6 rows by 16 columns at a time.
//!
//! **Promises.** The same pairs as the portable path: the sums are exact. A product of an unsigned byte below 128 and a
//! signed one of at most 63 and its neighbour's add up to less than 2^15, so `vpmaddubsw` does not saturate; the 16-bit
//! sums may wrap on their way, and are right at the end, where the sum of a phase is known to fit.
//!
//! **Why 6 by 16.** Twelve sums, two columns and a row take fifteen of the sixteen registers, and four numbers of each cost
//! 12 multiplications for 8 loads.

use std::arch::x86_64::{
    __m256i, _mm256_add_epi16, _mm256_add_epi32, _mm256_and_si256, _mm256_castsi256_ps, _mm256_cmpgt_epi32,
    _mm256_loadu_si256, _mm256_madd_epi16, _mm256_maddubs_epi16, _mm256_max_epi32, _mm256_min_epi32,
    _mm256_movemask_epi8, _mm256_movemask_ps, _mm256_set1_epi16, _mm256_set1_epi32,
};

use super::int8::{BLOCK_ROWS, Block, LANES, Layout, Survivors};

/// What this path wants.
pub(super) const LAYOUT: Layout = Layout::Phases;
/// Columns of a block.
pub(super) const WIDTH: usize = LANES;

/// The proof that this processor has AVX2.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Avx2(());

impl Avx2 {
    /// The proof, if there is one.
    pub(super) fn detect() -> Option<Self> {
        std::arch::is_x86_feature_detected!("avx2").then_some(Self(()))
    }

    /// The pairs of a block that survive.
    #[allow(unsafe_code, reason = "calling a function that needs AVX2")]
    #[allow(clippy::unused_self, reason = "that there is one is the proof")]
    #[inline]
    pub(super) fn survivors(self, block: &Block<'_>) -> Survivors {
        // SAFETY: `self` exists only where AVX2 was detected.
        unsafe { survivors(block) }
    }

    /// See [`Instructions::exercise`](super::Instructions::exercise).
    #[allow(unsafe_code, reason = "calling a function that needs AVX2")]
    #[allow(clippy::unused_self, reason = "that there is one is the proof")]
    pub(super) fn exercise(self, rounds: u64) -> u64 {
        // SAFETY: `self` exists only where AVX2 was detected.
        unsafe { exercise(rounds) }
    }
}

/// Eight numbers of 32 bits.
#[target_feature(enable = "avx2")]
#[allow(unsafe_code, reason = "loading from memory into a register")]
fn load_i32(from: &[i32; LANES / 2]) -> __m256i {
    // SAFETY: the array has the 32 bytes that are read, and any alignment is allowed.
    unsafe { _mm256_loadu_si256(from.as_ptr().cast()) }
}

/// Four numbers of each of eight columns.
#[target_feature(enable = "avx2")]
#[allow(unsafe_code, reason = "loading from memory into a register")]
fn load_i8(from: &[i8; 2 * LANES]) -> __m256i {
    // SAFETY: the array has the 32 bytes that are read, and any alignment is allowed.
    unsafe { _mm256_loadu_si256(from.as_ptr().cast()) }
}

/// The two halves of sixteen numbers.
#[target_feature(enable = "avx2")]
fn halves(numbers: &[i32]) -> [__m256i; 2] {
    let (halves, _) = numbers.as_chunks();
    [load_i32(&halves[0]), load_i32(&halves[1])]
}

/// The sums of a block: for each row, of sixteen columns, the two phases of each beside each other.
#[target_feature(enable = "avx2")]
fn sums(block: &Block<'_>) -> [[__m256i; 2]; BLOCK_ROWS] {
    let mut sums = [halves(block.begins); BLOCK_ROWS];
    for (rows, columns) in block.rows.iter().zip(block.columns) {
        let (columns, _) = columns.0.as_chunks();
        let (left, right) = (load_i8(&columns[0]), load_i8(&columns[1]));
        for (sum, &four) in sums.iter_mut().zip(rows.as_chunks::<4>().0) {
            let four = _mm256_set1_epi32(i32::from_ne_bytes(four));
            sum[0] = _mm256_add_epi16(sum[0], _mm256_maddubs_epi16(four, left));
            sum[1] = _mm256_add_epi16(sum[1], _mm256_maddubs_epi16(four, right));
        }
    }
    sums
}

#[target_feature(enable = "avx2")]
fn survivors(block: &Block<'_>) -> Survivors {
    let sums = sums(block);
    let ones = _mm256_set1_epi16(1);
    let terms = halves(block.column_terms);
    // The product of both phases and the term of the column.
    let mut reached = sums;
    let mut below = _mm256_set1_epi32(-1);
    for (r, row) in reached.iter_mut().enumerate() {
        for half in 0..2 {
            row[half] = _mm256_add_epi32(_mm256_madd_epi16(row[half], ones), terms[half]);
        }
        let need = _mm256_set1_epi32(block.row_needs[r]);
        below = _mm256_and_si256(below, _mm256_cmpgt_epi32(need, _mm256_max_epi32(row[0], row[1])));
    }
    let mut survivors = [0; BLOCK_ROWS];
    if _mm256_movemask_epi8(below) == -1 {
        return survivors; // most blocks have none
    }
    let cuts = halves(block.column_cuts);
    for (r, survivors) in survivors.iter_mut().enumerate() {
        for half in 0..2 {
            let reached = _mm256_add_epi32(reached[r][half], _mm256_set1_epi32(block.row_terms[r]));
            let cut = _mm256_min_epi32(cuts[half], _mm256_set1_epi32(block.row_cuts[r]));
            let below = _mm256_movemask_ps(_mm256_castsi256_ps(_mm256_cmpgt_epi32(cut, reached)));
            *survivors |= (!below & 0xFF).cast_unsigned() << (8 * half);
        }
    }
    survivors
}

/// The multiplications and additions of a block without its loads: of 32 bytes each, into 16 sums.
#[target_feature(enable = "avx2")]
fn exercise(rounds: u64) -> u64 {
    const SUMS: usize = 2 * BLOCK_ROWS;
    let mut sums = std::hint::black_box([_mm256_set1_epi16(1); SUMS]);
    let factor = std::hint::black_box(_mm256_set1_epi16(1));
    for _ in 0..rounds {
        for sum in &mut sums {
            *sum = _mm256_add_epi16(*sum, _mm256_maddubs_epi16(*sum, factor));
        }
    }
    std::hint::black_box(sums);
    rounds * (SUMS * 2 * 32) as u64
}
