//! Every pair, in tiles of the upper triangle.
//!
//! **Promises.** Every pair whose cosine reaches the floor is found. Tiles are independent of each other, and small
//! enough that one takes well under a second.
//!
//! **Why tiles.** A block of products runs at the speed of the processor and fits its caches; the whole matrix of pairs
//! would not fit in memory. The products are those of 8-bit heads where these are expected to be faster, else of float32
//! vectors; both only discard.

use super::gather::Gather;
use super::verify::{Candidate, Edge, keep};
use super::watch::Stage;
use super::{ClusterError, Run, workers};
use crate::kernel::{Heads, Screen, products};

/// The most rows of a tile, and the most multiplications.
const MOST_ROWS: usize = 480;
const MOST_PRODUCTS: usize = 1 << 27;
const _: () = assert!(MOST_ROWS.is_multiple_of(Heads::ALIGNMENT), "tiles of heads begin where blocks do");

/// The upper triangle, diagonal included, cut into squares.
pub(super) struct Tiles {
    faces: usize,
    rows: usize,
}

impl Tiles {
    pub(super) fn new(faces: usize, dimension: usize) -> Self {
        let mut rows = MOST_ROWS;
        while rows * rows * dimension > MOST_PRODUCTS {
            rows -= Heads::ALIGNMENT;
        }
        Self { faces, rows }
    }

    pub(super) fn len(&self) -> u64 {
        let blocks = self.faces.div_ceil(self.rows) as u64;
        blocks * (blocks + 1) / 2
    }

    /// The rows and the columns of tile `tile`: column block after column block, in each from the top to the diagonal.
    fn of(&self, tile: u64) -> (std::ops::Range<usize>, std::ops::Range<usize>) {
        let column = ((8 * tile + 1).isqrt() - 1) / 2;
        let row = tile - column * (column + 1) / 2;
        let block = |index: u64| {
            let start = index as usize * self.rows;
            start..self.faces.min(start + self.rows)
        };
        (block(row), block(column))
    }
}

/// What a worker needs again for each tile.
#[derive(Default)]
struct Scratch {
    products: Vec<f32>,
    cuts: [Vec<f32>; 2],
    lines: [Vec<i32>; 2],
    edges: Vec<Edge>,
}

/// Compares every face with every other.
pub(super) fn compare(run: &Run<'_>, gather: &Gather<'_>) -> Result<(), ClusterError> {
    let faces = run.faces;
    let tiles = Tiles::new(faces.len(), faces.dimension());
    let heads = Heads::build(
        faces.values(),
        faces.dimension(),
        gather.floor(),
        run.resources.threads,
        run.resources.instructions,
    );
    workers::for_each(run, Stage::Compare, tiles.len(), Scratch::default, |scratch, tile| {
        match &heads {
            Some(heads) => compare_heads(heads, tiles.of(tile), run, gather, scratch),
            None => compare_products(tiles.of(tile), run, gather, scratch),
        }
        gather.take(&mut scratch.edges)
    })
}

type Block = (std::ops::Range<usize>, std::ops::Range<usize>);

/// Proves the pairs of a tile that its 8-bit heads do not discard.
fn compare_heads(heads: &Heads, (rows, columns): Block, run: &Run<'_>, gather: &Gather<'_>, scratch: &mut Scratch) {
    let Scratch { lines: [row_lines, column_lines], edges, .. } = scratch;
    gather.cuts(|floor| heads.cut(floor), rows.clone(), row_lines);
    gather.cuts(|floor| heads.cut(floor), columns.clone(), column_lines);
    heads.survivors(rows, columns, (row_lines, column_lines), |row, column| {
        if column > row {
            edges.extend(keep(run.faces, Candidate::new(row as u32, column as u32), gather.floor()));
        }
    });
}

/// Proves the pairs of a tile that float32 products do not discard.
fn compare_products((rows, columns): Block, run: &Run<'_>, gather: &Gather<'_>, scratch: &mut Scratch) {
    let (faces, dimension) = (run.faces, run.faces.dimension());
    let Scratch { products: out, cuts: [row_cuts, column_cuts], edges, .. } = scratch;
    let screen = Screen::new(dimension);
    let block = |range: &std::ops::Range<usize>| &faces.values()[range.start * dimension..range.end * dimension];
    out.resize(rows.len() * columns.len(), 0.0);
    products(block(&rows), block(&columns), dimension, out);
    gather.cuts(|floor| screen.cut(floor), rows.clone(), row_cuts);
    gather.cuts(|floor| screen.cut(floor), columns.clone(), column_cuts);
    for ((row, line), &row_cut) in rows.zip(out.chunks_exact(columns.len())).zip(&*row_cuts) {
        for_each_survivor(line, row_cut, column_cuts, |at| {
            let column = columns.start + at;
            if column > row {
                edges.extend(keep(faces, Candidate::new(row as u32, column as u32), gather.floor()));
            }
        });
    }
}

/// Calls `survivor` with the place of each product that reaches the cut of its row or of its column.
fn for_each_survivor(line: &[f32], row_cut: f32, column_cuts: &[f32], mut survivor: impl FnMut(usize)) {
    // Most chunks hold none, and whether one does is found without branches.
    const CHUNK: usize = 32;
    for (chunk, (products, cuts)) in line.chunks(CHUNK).zip(column_cuts.chunks(CHUNK)).enumerate() {
        let passes = |(&product, &cut): (&f32, &f32)| product >= row_cut.min(cut);
        if products.iter().zip(cuts).fold(false, |any, pair| any | passes(pair)) {
            for (at, pair) in products.iter().zip(cuts).enumerate() {
                if passes(pair) {
                    survivor(chunk * CHUNK + at);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tiles_cover_every_pair_once() {
        for n in [0, 1, 127, 128, 129, 640] {
            let tiles = Tiles::new(n, 4096);
            let mut seen = vec![0; n * n];
            for (rows, columns) in (0..tiles.len()).map(|t| tiles.of(t)) {
                for (row, column) in rows.flat_map(|r| columns.clone().map(move |c| (r, c))).filter(|(r, c)| r < c) {
                    seen[row * n + column] += 1;
                }
            }
            let all_once = (0..n).all(|r| (0..n).all(|c| seen[r * n + c] == i32::from(r < c)));
            assert!(all_once, "{n} faces");
        }
    }

    #[test]
    fn the_last_of_very_many_tiles_is_the_last_corner() {
        let tiles = Tiles::new(u32::MAX as usize, 512);
        let (rows, columns) = tiles.of(tiles.len() - 1);
        assert_eq!((rows.end, &rows), (u32::MAX as usize, &columns));
    }
}
