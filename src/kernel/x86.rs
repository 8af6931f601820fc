//! AVX2: products of 8-bit heads, 6 rows by 16 columns at a time.
//!
//! **Promises.** The same pairs as the portable path: the sums are exact. A product of an unsigned byte below 128 and a
//! signed one of at most 63 and its neighbour's add up to less than 2^15, so `vpmaddubsw` does not saturate; the 16-bit
//! sums may wrap on their way, and are right at the end, where the sum of a phase is known to fit.

use std::arch::x86_64::{
    __m256i, _mm256_add_epi16, _mm256_add_epi32, _mm256_castsi256_ps, _mm256_cmpgt_epi32, _mm256_loadu_si256,
    _mm256_madd_epi16, _mm256_maddubs_epi16, _mm256_min_epi32, _mm256_movemask_ps, _mm256_set1_epi16,
    _mm256_set1_epi32,
};

use super::int8::{BLOCK_COLUMNS, BLOCK_ROWS, LANES, Lines, Packed};

/// The proof that this processor has AVX2.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Avx2(());

impl Avx2 {
    /// The proof, if there is one.
    pub(super) fn detect() -> Option<Self> {
        std::arch::is_x86_feature_detected!("avx2").then_some(Self(()))
    }

    /// Like [`survivors_of_block`](super::int8::survivors_of_block), for a whole block.
    #[allow(unsafe_code, reason = "calling a function that needs AVX2")]
    #[allow(clippy::unused_self, reason = "that there is one is the proof")]
    pub(super) fn survivors(
        self,
        packed: &Packed,
        (row, column): (usize, usize),
        lines: Lines<'_>,
        survivor: impl FnMut(usize, usize),
    ) {
        assert!(lines.row_terms.len() == BLOCK_ROWS && lines.row_cuts.len() == BLOCK_ROWS, "a whole block of rows");
        assert!(
            lines.column_terms.len() == BLOCK_COLUMNS && lines.column_cuts.len() == BLOCK_COLUMNS,
            "a whole block of columns"
        );
        // SAFETY: `self` exists only where AVX2 was detected.
        unsafe { block(packed, row, column, lines, survivor) }
    }
}

/// Eight numbers of 32 bits.
#[target_feature(enable = "avx2")]
#[allow(unsafe_code, reason = "loading from memory into a register")]
fn load_i32(from: &[i32; LANES]) -> __m256i {
    // SAFETY: the array has the 32 bytes that are read, and any alignment is allowed.
    unsafe { _mm256_loadu_si256(from.as_ptr().cast()) }
}

#[target_feature(enable = "avx2")]
#[allow(unsafe_code, reason = "loading from memory into a register")]
fn load_i16(from: &[i16; 2 * LANES]) -> __m256i {
    // SAFETY: the array has the 32 bytes that are read, and any alignment is allowed.
    unsafe { _mm256_loadu_si256(from.as_ptr().cast()) }
}

#[target_feature(enable = "avx2")]
#[allow(unsafe_code, reason = "loading from memory into a register")]
fn load_i8(from: &[i8; 4 * LANES]) -> __m256i {
    // SAFETY: the array has the 32 bytes that are read, and any alignment is allowed.
    unsafe { _mm256_loadu_si256(from.as_ptr().cast()) }
}

/// Four numbers of a row, as one.
#[inline]
#[allow(unsafe_code, reason = "the check of bounds would cost as much as the multiplication")]
fn four(rows: &[u8], at: usize) -> i32 {
    debug_assert!(at + 4 <= rows.len(), "inside the rows");
    // SAFETY: called with r * length + 4 k, where r < BLOCK_ROWS, k < length / 4 (the columns have as many fours) and
    // rows has BLOCK_ROWS * length bytes.
    unsafe { rows.as_ptr().add(at).cast::<i32>().read_unaligned() }
}

/// The sums of a block: for each row, of sixteen columns, the two phases of each beside each other.
#[target_feature(enable = "avx2")]
fn sums(packed: &Packed, row: usize, column: usize) -> [[__m256i; 2]; BLOCK_ROWS] {
    let length = packed.length;
    let (columns, begins) = packed.columns_from(column);
    let (left, right) = columns.split_at(LANES * length);
    let (begins, _) = begins.as_chunks::<{ 2 * LANES }>();
    let begin = [load_i16(&begins[0]), load_i16(&begins[1])];
    let mut sums = [begin; BLOCK_ROWS];
    let rows = &packed.rows_from(row)[..BLOCK_ROWS * length];
    let (left, right) = (left.as_chunks::<{ 4 * LANES }>().0, right.as_chunks::<{ 4 * LANES }>().0);
    for (k, (left, right)) in left.iter().zip(right).enumerate() {
        let (left, right) = (load_i8(left), load_i8(right));
        for (r, sum) in sums.iter_mut().enumerate() {
            let four = _mm256_set1_epi32(four(rows, r * length + 4 * k));
            sum[0] = _mm256_add_epi16(sum[0], _mm256_maddubs_epi16(four, left));
            sum[1] = _mm256_add_epi16(sum[1], _mm256_maddubs_epi16(four, right));
        }
    }
    sums
}

#[target_feature(enable = "avx2")]
fn block(packed: &Packed, row: usize, column: usize, lines: Lines<'_>, mut survivor: impl FnMut(usize, usize)) {
    let sums = sums(packed, row, column);
    let ones = _mm256_set1_epi16(1);
    let (terms, _) = lines.column_terms.as_chunks::<LANES>();
    let (cuts, _) = lines.column_cuts.as_chunks::<LANES>();
    for (half, (terms, cuts)) in terms.iter().zip(cuts).enumerate() {
        let (terms, cuts) = (load_i32(terms), load_i32(cuts));
        for (r, sum) in sums.iter().enumerate() {
            let product = _mm256_madd_epi16(sum[half], ones); // both phases of each column
            let reached = _mm256_add_epi32(product, _mm256_add_epi32(terms, _mm256_set1_epi32(lines.row_terms[r])));
            let cut = _mm256_min_epi32(cuts, _mm256_set1_epi32(lines.row_cuts[r]));
            let below = _mm256_movemask_ps(_mm256_castsi256_ps(_mm256_cmpgt_epi32(cut, reached)));
            let mut survivors = !below & 0xFF;
            while survivors != 0 {
                survivor(r, half * LANES + survivors.trailing_zeros() as usize);
                survivors &= survivors - 1;
            }
        }
    }
}
