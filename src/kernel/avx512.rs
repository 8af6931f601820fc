//! AVX-512 with VNNI: products of 8-bit heads, 6 rows by 32 columns at a time.
//!
//! **Promises.** The same pairs as the portable path: `vpdpbusd` adds four products to a 32-bit sum without rounding or
//! saturating, and no sum of a head's products comes near 2^31.
//!
//! Compiled, but not yet run on such a processor: there the first use compares it with the portable path and leaves it
//! unused if they differ (see [`Instructions`](super::Instructions)).

use std::arch::x86_64::{
    __m512i, _mm512_add_epi32, _mm512_cmpge_epi32_mask, _mm512_dpbusd_epi32, _mm512_loadu_si512, _mm512_max_epi32,
    _mm512_min_epi32, _mm512_set1_epi32,
};

use super::int8::{BLOCK_ROWS, Block, ColumnFours, LANES, Layout, Survivors};

/// What this path wants.
pub(super) const LAYOUT: Layout = Layout::Whole;
/// Columns of a block.
pub(super) const WIDTH: usize = 2 * LANES;

/// The proof that this processor has AVX-512 (F) and its VNNI.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Avx512Vnni(());

impl Avx512Vnni {
    /// The proof, if there is one.
    pub(super) fn detect() -> Option<Self> {
        let has = std::arch::is_x86_feature_detected!("avx512f") && std::arch::is_x86_feature_detected!("avx512vnni");
        has.then_some(Self(()))
    }

    /// The pairs of a block that survive.
    #[allow(unsafe_code, reason = "calling a function that needs AVX-512")]
    #[allow(clippy::unused_self, reason = "that there is one is the proof")]
    #[inline]
    pub(super) fn survivors(self, block: &Block<'_>) -> Survivors {
        // SAFETY: `self` exists only where AVX-512 F and VNNI were detected.
        unsafe { survivors(block) }
    }

    /// See [`Instructions::exercise`](super::Instructions::exercise).
    #[allow(unsafe_code, reason = "calling a function that needs AVX-512")]
    #[allow(clippy::unused_self, reason = "that there is one is the proof")]
    pub(super) fn exercise(self, rounds: u64) -> u64 {
        // SAFETY: `self` exists only where AVX-512 F and VNNI were detected.
        unsafe { exercise(rounds) }
    }
}

/// Sixteen numbers of 32 bits.
#[target_feature(enable = "avx512f")]
#[allow(unsafe_code, reason = "loading from memory into a register")]
fn load_i32(from: &[i32; LANES]) -> __m512i {
    // SAFETY: the array has the 64 bytes that are read, and any alignment is allowed.
    unsafe { _mm512_loadu_si512(from.as_ptr().cast()) }
}

/// Four numbers of each of sixteen columns.
#[target_feature(enable = "avx512f")]
#[allow(unsafe_code, reason = "loading from memory into a register")]
fn load_i8(from: &ColumnFours) -> __m512i {
    // SAFETY: the array has the 64 bytes that are read, and any alignment is allowed.
    unsafe { _mm512_loadu_si512(from.0.as_ptr().cast()) }
}

/// The two halves of 32 numbers.
#[target_feature(enable = "avx512f")]
fn halves(numbers: &[i32]) -> [__m512i; 2] {
    let (halves, _) = numbers.as_chunks();
    [load_i32(&halves[0]), load_i32(&halves[1])]
}

/// The products of a block.
#[target_feature(enable = "avx512f,avx512vnni")]
fn products(block: &Block<'_>) -> [[__m512i; 2]; BLOCK_ROWS] {
    let mut sums = [halves(block.begins); BLOCK_ROWS];
    let (left, right) = block.columns.split_at(block.columns.len() / 2);
    for ((rows, left), right) in block.rows.iter().zip(left).zip(right) {
        let (left, right) = (load_i8(left), load_i8(right));
        for (sum, &four) in sums.iter_mut().zip(rows.as_chunks::<4>().0) {
            let four = _mm512_set1_epi32(i32::from_ne_bytes(four));
            sum[0] = _mm512_dpbusd_epi32(sum[0], four, left);
            sum[1] = _mm512_dpbusd_epi32(sum[1], four, right);
        }
    }
    sums
}

#[target_feature(enable = "avx512f,avx512vnni")]
fn survivors(block: &Block<'_>) -> Survivors {
    let mut reached = products(block);
    let terms = halves(block.column_terms);
    let mut any = 0;
    for (r, row) in reached.iter_mut().enumerate() {
        for half in 0..2 {
            row[half] = _mm512_add_epi32(row[half], terms[half]);
        }
        let need = _mm512_set1_epi32(block.row_needs[r]);
        any |= _mm512_cmpge_epi32_mask(_mm512_max_epi32(row[0], row[1]), need);
    }
    let mut survivors = [0; BLOCK_ROWS];
    if any == 0 {
        return survivors; // most blocks have none
    }
    let cuts = halves(block.column_cuts);
    for (r, survivors) in survivors.iter_mut().enumerate() {
        for half in 0..2 {
            let reached = _mm512_add_epi32(reached[r][half], _mm512_set1_epi32(block.row_terms[r]));
            let cut = _mm512_min_epi32(cuts[half], _mm512_set1_epi32(block.row_cuts[r]));
            *survivors |= u32::from(_mm512_cmpge_epi32_mask(reached, cut)) << (LANES * half);
        }
    }
    survivors
}

/// The multiplications and additions of a block without its loads: of 64 bytes each.
#[target_feature(enable = "avx512f,avx512vnni")]
fn exercise(rounds: u64) -> u64 {
    const SUMS: usize = 2 * BLOCK_ROWS;
    let mut sums = std::hint::black_box([_mm512_set1_epi32(1); SUMS]);
    let factor = std::hint::black_box(_mm512_set1_epi32(1));
    for _ in 0..rounds {
        for sum in &mut sums {
            *sum = _mm512_dpbusd_epi32(*sum, factor, factor);
        }
    }
    std::hint::black_box(sums);
    rounds * (SUMS * 2 * 64) as u64
}
