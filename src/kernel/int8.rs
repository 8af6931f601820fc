//! Products of 8-bit heads, and the pairs of them that reach a line: what every instruction set must do alike.
//!
//! A head is h whole numbers from -63 to 63, h a multiple of 4. Its numbers 0 and 1 of every four are its phase 0, the
//! numbers 2 and 3 its phase 1; each phase has a length of at most [`MAX_PHASE_NORM`], so that (Cauchy-Schwarz) the
//! product of two phases fits into 16 bits, whatever the two heads are.
//!
//! **Promises.** The product of two heads is exact, so every path finds the same pairs.
//!
//! **Why two forms.** The processor multiplies unsigned by signed bytes. As a row a head is kept with 64 added to each
//! number; as a column it is signed, eight columns interleaved by four numbers each, with -64 times the sum of each of
//! its phases, modulo 2^16, to begin the sums with: that takes the 64 out again.

/// The greatest length of a phase: its square is below 2^15.
pub(super) const MAX_PHASE_NORM: f64 = 181.0;
/// The greatest size of a number.
pub(super) const MAX_NUMBER: f64 = 63.0;
/// Columns that are interleaved.
pub(super) const LANES: usize = 8;
/// Rows and columns of the smallest block; blocks begin at multiples of these.
pub(super) const BLOCK_ROWS: usize = 6;
pub(super) const BLOCK_COLUMNS: usize = 2 * LANES;

/// Which instructions are used; making one is the proof that the processor has them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Path {
    /// What every processor has.
    Portable,
    /// AVX2.
    #[cfg(target_arch = "x86_64")]
    Avx2(super::x86::Avx2),
}

impl Path {
    /// The fastest that this processor has.
    pub(super) fn best() -> Self {
        #[cfg(target_arch = "x86_64")]
        if let Some(avx2) = super::x86::Avx2::detect() {
            return Self::Avx2(avx2);
        }
        Self::Portable
    }
}

/// Heads of n faces in both forms, with room for whole blocks.
#[derive(Debug)]
pub(super) struct Packed {
    pub(super) length: usize,
    /// Row after row, 64 added.
    rows: Vec<u8>,
    /// Groups of eight columns; in each, four numbers of every column after four numbers of every column.
    columns: Vec<i8>,
    /// For each group: of every column, of each phase, what its sum begins with.
    begins: Vec<i16>,
}

impl Packed {
    /// Room for `n` heads of `length` numbers, all zero.
    pub(super) fn new(n: usize, length: usize) -> Self {
        assert!(length.is_multiple_of(4), "a head is a whole number of fours");
        let n_columns = n.next_multiple_of(BLOCK_COLUMNS);
        let n_rows = n.next_multiple_of(BLOCK_ROWS);
        Self {
            length,
            rows: vec![64; n_rows * length],
            columns: vec![0; n_columns * length],
            begins: vec![0; n_columns * 2],
        }
    }

    /// The memory they take.
    pub(super) fn bytes(&self) -> u64 {
        (self.rows.len() + self.columns.len() + self.begins.len() * size_of::<i16>()) as u64
    }

    /// Cuts the room into parts of `rows_each` heads that can be filled at the same time.
    pub(super) fn parts(&mut self, rows_each: usize) -> impl Iterator<Item = Part<'_>> {
        assert!(rows_each.is_multiple_of(BLOCK_ROWS * BLOCK_COLUMNS), "parts are whole blocks");
        let length = self.length;
        let rows = self.rows.chunks_mut(rows_each * length);
        let columns = self.columns.chunks_mut(rows_each * length);
        let begins = self.begins.chunks_mut(rows_each * 2);
        rows.zip(columns).zip(begins).map(move |((rows, columns), begins)| Part { length, rows, columns, begins })
    }

    pub(super) fn row(&self, row: usize) -> &[u8] {
        &self.rows[row * self.length..][..self.length]
    }

    /// The rows from `row` on, at least one block of them.
    pub(super) fn rows_from(&self, row: usize) -> &[u8] {
        &self.rows[row * self.length..]
    }

    /// The two groups of columns that begin at `column`, and what their sums begin with.
    pub(super) fn columns_from(&self, column: usize) -> (&[i8], &[i16]) {
        let columns = &self.columns[column * self.length..][..BLOCK_COLUMNS * self.length];
        (columns, &self.begins[column * 2..][..BLOCK_COLUMNS * 2])
    }

    /// Number `k` of a column.
    fn number(&self, column: usize, k: usize) -> i8 {
        let group = column / LANES * LANES * self.length;
        self.columns[group + k / 4 * 4 * LANES + column % LANES * 4 + k % 4]
    }
}

/// Heads of consecutive faces, to be filled.
pub(super) struct Part<'a> {
    length: usize,
    rows: &'a mut [u8],
    columns: &'a mut [i8],
    begins: &'a mut [i16],
}

impl Part<'_> {
    /// Sets head `at` of the part.
    pub(super) fn set(&mut self, at: usize, head: &[i8]) {
        debug_assert!(head.iter().all(|v| (-63..=63).contains(v)), "numbers are small");
        let group = at / LANES * LANES * self.length;
        for (k, &value) in head.iter().enumerate() {
            self.rows[at * self.length + k] = (value + 64).cast_unsigned();
            self.columns[group + k / 4 * 4 * LANES + at % LANES * 4 + k % 4] = value;
        }
        for phase in 0..2 {
            let sum: i32 =
                head.chunks_exact(4).map(|four| i32::from(four[2 * phase]) + i32::from(four[2 * phase + 1])).sum();
            self.begins[at * 2 + phase] = (-64 * sum) as i16; // modulo 2^16, on purpose
        }
    }
}

/// What decides whether a pair survives: product + term of the row + term of the column >= the lower of their cuts.
#[derive(Debug, Clone, Copy)]
pub(super) struct Lines<'a> {
    pub(super) row_terms: &'a [i32],
    pub(super) row_cuts: &'a [i32],
    pub(super) column_terms: &'a [i32],
    pub(super) column_cuts: &'a [i32],
}

/// Calls `survivor(row, column)` for each pair of the block at (`row`, `column`) that survives; the lines are those of
/// the block, as long as it is.
pub(super) fn survivors_of_block(
    packed: &Packed,
    (row, column): (usize, usize),
    lines: Lines<'_>,
    mut survivor: impl FnMut(usize, usize),
) {
    for (r, (&term, &cut)) in lines.row_terms.iter().zip(lines.row_cuts).enumerate() {
        let head = packed.row(row + r);
        for (c, (&column_term, &column_cut)) in lines.column_terms.iter().zip(lines.column_cuts).enumerate() {
            let product: i32 = head
                .iter()
                .enumerate()
                .map(|(k, &value)| (i32::from(value) - 64) * i32::from(packed.number(column + c, k)))
                .sum();
            if product + term + column_term >= cut.min(column_cut) {
                survivor(r, c);
            }
        }
    }
}
