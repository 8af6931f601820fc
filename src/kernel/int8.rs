//! Products of 8-bit heads, and the pairs of them that reach a line: what every instruction set must do alike.
//!
//! A head is h whole numbers from -63 to 63, h a multiple of 4. Its numbers 0 and 1 of every four are its phase 0, the
//! numbers 2 and 3 its phase 1; each phase has a length of at most [`MAX_PHASE_NORM`], so that (Cauchy-Schwarz) the
//! product of two phases fits into 16 bits, whatever the two heads are.
//!
//! **Promises.** The product of two heads is exact, so every instruction set finds the same pairs.
//!
//! **Why two forms.** Processors multiply unsigned by signed bytes. As a row a head is kept with 64 added to each number;
//! as a column it is signed, with -64 times the sum of its numbers to begin the sums with: that takes the 64 out again.
//!
//! **Why this order of blocks.** A panel of rows stays in the first cache while the columns pass by it, and each block of
//! columns while the rows of the panel do. Rows and columns are interleaved, so that a block reads both from end to end.

use std::ops::Range;

/// The greatest length of a phase: its square is below 2^15.
pub(super) const MAX_PHASE_NORM: f64 = 181.0;
/// The greatest size of a number.
pub(super) const MAX_NUMBER: f64 = 63.0;
/// Columns that are interleaved.
pub(super) const LANES: usize = 16;
/// Rows of a block, interleaved.
pub(super) const BLOCK_ROWS: usize = 6;
/// Where tiles may begin: a multiple of the rows and of the columns of every block.
pub(super) const ALIGNMENT: usize = 2 * BLOCK_ROWS * LANES / 2;
/// Rows of a panel.
const PANEL: usize = 10 * BLOCK_ROWS;

/// Four numbers of each row of a block, row after row.
pub(super) type RowFours = [u8; 4 * BLOCK_ROWS];
/// Four numbers of each of sixteen columns: a line of the cache, so that no load crosses two.
#[derive(Debug, Clone, Copy)]
#[repr(align(64))]
pub(super) struct ColumnFours(pub(super) [i8; 4 * LANES]);
/// For each row of a block, bit by bit, whether its pair with a column survives.
pub(super) type Survivors = [u32; BLOCK_ROWS];

/// In which order a set of instructions wants columns, and what it begins its sums with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Layout {
    /// Four numbers of each column after another; a 16-bit sum for each phase.
    Phases,
    /// Four numbers of each column after another; one 32-bit sum.
    Whole,
    /// A number of each column after another, four times; a 16-bit sum for each phase.
    Lanes,
}

impl Layout {
    /// Where number `k` of four of a column is among the fours of its group.
    fn place(self, lane: usize, k: usize) -> usize {
        match self {
            Self::Phases | Self::Whole => lane * 4 + k,
            Self::Lanes => k * LANES + lane,
        }
    }

    /// What the sums of a column begin with.
    fn begin(self, head: &[i8]) -> i32 {
        let sum = |phase: usize| -> i32 {
            head.chunks_exact(4).map(|four| i32::from(four[2 * phase]) + i32::from(four[2 * phase + 1])).sum()
        };
        match self {
            Self::Whole => -64 * (sum(0) + sum(1)),
            // each modulo 2^16, on purpose; phase 0 stands first in the memory of every processor that cares
            Self::Phases | Self::Lanes => ((-64 * sum(1)) << 16) | ((-64 * sum(0)) & 0xFFFF),
        }
    }
}

/// Heads of n faces in both forms, with room for whole blocks.
#[derive(Debug)]
pub(super) struct Packed {
    pub(super) length: usize,
    layout: Layout,
    /// Block after block.
    rows: Vec<RowFours>,
    /// Group of sixteen after group.
    columns: Vec<ColumnFours>,
    /// Of every column, what its sums begin with.
    begins: Vec<i32>,
}

impl Packed {
    /// Room for `n` heads of `length` numbers, all zero.
    pub(super) fn new(n: usize, length: usize, layout: Layout) -> Self {
        assert!(length.is_multiple_of(4), "a head is a whole number of fours");
        let n = n.next_multiple_of(ALIGNMENT);
        let fours = length / 4;
        Self {
            length,
            layout,
            rows: vec![[64; 4 * BLOCK_ROWS]; n / BLOCK_ROWS * fours],
            columns: vec![ColumnFours([0; 4 * LANES]); n / LANES * fours],
            begins: vec![0; n],
        }
    }

    /// The memory they take.
    pub(super) fn bytes(&self) -> u64 {
        (size_of_val(&*self.rows) + size_of_val(&*self.columns) + size_of_val(&*self.begins)) as u64
    }

    /// Cuts the room into parts of `heads_each` heads that can be filled at the same time.
    pub(super) fn parts(&mut self, heads_each: usize) -> impl Iterator<Item = Part<'_>> {
        assert!(heads_each.is_multiple_of(ALIGNMENT), "parts are whole blocks");
        let (layout, fours) = (self.layout, self.length / 4);
        let rows = self.rows.chunks_mut(heads_each / BLOCK_ROWS * fours);
        let columns = self.columns.chunks_mut(heads_each / LANES * fours);
        let begins = self.begins.chunks_mut(heads_each);
        rows.zip(columns).zip(begins).map(move |((rows, columns), begins)| Part {
            layout,
            fours,
            rows,
            columns,
            begins,
        })
    }

    /// How many heads there is room for.
    pub(super) fn room(&self) -> usize {
        self.begins.len()
    }

    fn rows(&self, row: usize) -> &[RowFours] {
        let fours = self.length / 4;
        &self.rows[row / BLOCK_ROWS * fours..][..fours]
    }

    fn columns(&self, columns: Range<usize>) -> &[ColumnFours] {
        let fours = self.length / 4;
        &self.columns[columns.start / LANES * fours..columns.end / LANES * fours]
    }
}

/// Heads of consecutive faces, to be filled.
pub(super) struct Part<'a> {
    layout: Layout,
    fours: usize,
    rows: &'a mut [RowFours],
    columns: &'a mut [ColumnFours],
    begins: &'a mut [i32],
}

impl Part<'_> {
    /// Sets head `at` of the part.
    pub(super) fn set(&mut self, at: usize, head: &[i8]) {
        debug_assert!(head.iter().all(|v| (-63..=63).contains(v)), "numbers are small");
        let rows = &mut self.rows[at / BLOCK_ROWS * self.fours..][..self.fours];
        let columns = &mut self.columns[at / LANES * self.fours..][..self.fours];
        for ((four, rows), columns) in head.as_chunks::<4>().0.iter().zip(rows).zip(columns) {
            for (k, &value) in four.iter().enumerate() {
                rows[at % BLOCK_ROWS * 4 + k] = (value + 64).cast_unsigned();
                columns.0[self.layout.place(at % LANES, k)] = value;
            }
        }
        self.begins[at] = self.layout.begin(head);
    }
}

/// Which pairs are looked at, and what decides whether one survives: product + term of the row + term of the column >=
/// the lower of their cuts.
#[derive(Debug, Clone)]
pub(super) struct Tile<'a> {
    pub(super) rows: Range<usize>,
    pub(super) columns: Range<usize>,
    /// Of all faces, as many as there is room for.
    pub(super) terms: &'a [i32],
    /// Of `rows`.
    pub(super) row_cuts: &'a [i32],
    /// Of `columns`.
    pub(super) column_cuts: &'a [i32],
}

/// A few rows and columns whose products fit into the registers of a processor.
#[derive(Debug, Clone, Copy)]
pub(super) struct Block<'a> {
    pub(super) rows: &'a [RowFours],
    /// Of one group of sixteen after the other.
    pub(super) columns: &'a [ColumnFours],
    pub(super) begins: &'a [i32],
    pub(super) row_terms: &'a [i32; BLOCK_ROWS],
    pub(super) row_cuts: &'a [i32; BLOCK_ROWS],
    /// What product + term of the column must reach for a pair to survive with whatever column: a bound for all.
    pub(super) row_needs: &'a [i32; BLOCK_ROWS],
    pub(super) column_terms: &'a [i32],
    pub(super) column_cuts: &'a [i32],
}

/// Block `at` of numbers that come in whole blocks.
fn of_block(numbers: &[i32], at: usize) -> &[i32; BLOCK_ROWS] {
    numbers[at..].first_chunk().expect("there is room for whole blocks")
}

/// Calls `survivor(row, column)` for each pair of a tile that survives; `survivors` finds them in one block of `width`
/// columns.
pub(super) fn survivors_of_tile(
    packed: &Packed,
    tile: &Tile<'_>,
    width: usize,
    survivors: impl Fn(&Block<'_>) -> Survivors,
    mut survivor: impl FnMut(usize, usize),
) {
    let Tile { rows, columns, terms, .. } = tile;
    assert!(rows.start.is_multiple_of(ALIGNMENT) && columns.start.is_multiple_of(ALIGNMENT), "tiles of whole blocks");
    assert!(
        rows.end <= packed.room() && columns.end <= packed.room() && terms.len() == packed.room(),
        "faces there are"
    );
    let padded = |cuts: &[i32], block: usize| {
        let mut padded = cuts.to_vec();
        padded.resize(cuts.len().next_multiple_of(block), i32::MAX);
        padded
    };
    let (row_cuts, column_cuts) = (padded(tile.row_cuts, BLOCK_ROWS), padded(tile.column_cuts, width));
    assert!(tile.row_cuts.len() == rows.len() && tile.column_cuts.len() == columns.len(), "a cut for each");
    let lowest = tile.column_cuts.iter().copied().min().unwrap_or(i32::MAX);
    let row_needs: Vec<i32> =
        row_cuts.iter().zip(&terms[rows.start..]).map(|(&cut, &term)| cut.min(lowest).saturating_sub(term)).collect();
    for panel in rows.clone().step_by(PANEL) {
        for column in columns.clone().step_by(width) {
            for row in (panel..rows.end.min(panel + PANEL)).step_by(BLOCK_ROWS) {
                let found = survivors(&Block {
                    rows: packed.rows(row),
                    columns: packed.columns(column..column + width),
                    begins: &packed.begins[column..column + width],
                    row_terms: of_block(terms, row),
                    row_cuts: of_block(&row_cuts, row - rows.start),
                    row_needs: of_block(&row_needs, row - rows.start),
                    column_terms: &terms[column..column + width],
                    column_cuts: &column_cuts[column - columns.start..][..width],
                });
                for (row, mut lanes) in (row..rows.end).zip(found) {
                    while lanes != 0 {
                        let column = column + lanes.trailing_zeros() as usize;
                        if column < columns.end {
                            survivor(row, column);
                        }
                        lanes &= lanes - 1;
                    }
                }
            }
        }
    }
}
