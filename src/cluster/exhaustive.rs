//! Every pair, in tiles of the upper triangle.
//!
//! **Promises.** Every pair whose cosine reaches the floor is found. Tiles are independent of each other, and small
//! enough that one takes well under a second. Of faces whose pairs with each other are known only those pairs are looked
//! at.
//!
//! **Why tiles.** A block of products runs at the speed of the processor and fits its caches; the whole matrix of pairs
//! would not fit in memory. The products are those of 8-bit heads where these are expected to be faster, else of float32
//! vectors; both only discard.

use std::ops::Range;

use super::census::Census;
use super::gather::Gather;
use super::ledger::{Known, Pair, Plan};
use super::verify::{Candidate, Edge, Sure, keep, sure};
use super::watch::Stage;
use super::{ClusterError, Run, workers};
use crate::kernel::{Heads, Screen, products};

/// The most rows of a tile, and the most multiplications.
pub(super) const MOST_ROWS: usize = 480;
const MOST_PRODUCTS: usize = 1 << 27;
/// A tile is dense if one of so many of its pairs survives.
const DENSE: usize = 8;
/// With fewer fresh faces, making heads of all takes longer than comparing the few as they are.
const LEAST_FRESH: usize = 1_000;
const _: () = assert!(MOST_ROWS.is_multiple_of(Heads::ALIGNMENT), "tiles of heads begin where blocks do");

/// The order in which faces are compared: the fresh ones first, so that the tiles with them are the first rows.
pub(super) struct Order {
    /// The face at each place; none if every face is at its own.
    faces: Option<Vec<u32>>,
    n_fresh: usize,
}

impl Order {
    fn new(n: usize, known: Option<&Known>) -> Self {
        let Some(Known { is_known, .. }) = known else { return Self { faces: None, n_fresh: n } };
        let (fresh, old): (Vec<u32>, Vec<u32>) = (0..n as u32).partition(|&face| !is_known[face as usize]);
        Self { n_fresh: fresh.len(), faces: Some([fresh, old].concat()) }
    }

    /// All of `n` faces, each at its own place.
    pub(super) fn every(n: usize) -> Self {
        Self { faces: None, n_fresh: n }
    }

    /// These faces, in this order.
    pub(super) fn of(faces: Vec<u32>) -> Self {
        Self { n_fresh: faces.len(), faces: Some(faces) }
    }

    /// The face at each place, unless every face is at its own.
    pub(super) fn faces(&self) -> Option<&[u32]> {
        self.faces.as_deref()
    }

    fn candidate(&self, a: u32, b: u32) -> Candidate {
        Candidate::new(self.face(a as usize), self.face(b as usize))
    }

    fn face(&self, place: usize) -> u32 {
        self.faces.as_ref().map_or(place as u32, |faces| faces[place])
    }
}

/// The pairs of which one is among the first `n_fresh` of `n` places: the upper triangle, diagonal included, or its first
/// rows, cut into squares.
pub(super) struct Tiles {
    n: usize,
    n_fresh: usize,
    side: usize,
}

impl Tiles {
    pub(super) fn new(n: usize, n_fresh: usize, dimension: usize) -> Self {
        Self::with(n, n_fresh, dimension, MOST_ROWS)
    }

    /// With at most so many rows in a tile.
    pub(super) fn with(n: usize, n_fresh: usize, dimension: usize, most_rows: usize) -> Self {
        let mut side = most_rows;
        while side * side * dimension > MOST_PRODUCTS {
            side -= Heads::ALIGNMENT;
        }
        Self { n, n_fresh, side }
    }

    fn blocks(&self, places: usize) -> u64 {
        places.div_ceil(self.side) as u64
    }

    /// The tiles of the square columns, down to the diagonal.
    fn in_triangle(&self) -> u64 {
        let rows = self.blocks(self.n_fresh);
        rows * (rows + 1) / 2
    }

    pub(super) fn len(&self) -> u64 {
        let (rows, columns) = (self.blocks(self.n_fresh), self.blocks(self.n));
        self.in_triangle() + (columns - rows) * rows
    }

    /// The rows and the columns of tile `tile`: column block after column block, in each from the top to the diagonal or
    /// to the last fresh one.
    pub(super) fn of(&self, tile: u64) -> (Range<usize>, Range<usize>) {
        let rows = self.blocks(self.n_fresh);
        let (row, column) = match tile.checked_sub(self.in_triangle()) {
            None => {
                let column = ((8 * tile + 1).isqrt() - 1) / 2;
                (tile - column * (column + 1) / 2, column)
            }
            Some(beyond) => (beyond % rows, rows + beyond / rows),
        };
        let block = |index: u64, n: usize| {
            let start = index as usize * self.side;
            start..n.min(start + self.side)
        };
        (block(row, self.n_fresh), block(column, self.n))
    }
}

/// What a worker needs again for each tile.
#[derive(Default)]
pub(super) struct Scratch {
    gathered: [Vec<f32>; 2],
    products: Vec<f32>,
    cuts: [Vec<f32>; 2],
    lines: [Vec<i32>; 2],
    /// Survivors, by place.
    places: Vec<(u32, u32)>,
    pairs: Vec<Pair>,
    edges: Vec<Edge>,
    sure: Vec<Sure>,
}

/// Compares every face with every other, except where the ledger knows the pairs.
pub(super) fn compare(run: &Run<'_>, gather: &Gather<'_>) -> Result<(), ClusterError> {
    let (faces, ledger) = (run.faces, run.ledger);
    let known = ledger.known().filter(|known| known.is_known.len() == faces.len() && known.floor <= gather.floor());
    let order = Order::new(faces.len(), known);
    let tiles = Tiles::new(faces.len(), order.n_fresh, faces.dimension());
    let pieces = known.map_or(0, |known| known.pieces);
    let plan = Plan {
        faces: faces.len() as u32,
        fresh: order.n_fresh as u32,
        side: tiles.side as u32,
        floor: gather.floor(),
        complete: gather.complete(),
        pieces,
        units: pieces + tiles.len(),
    };
    ledger.begin(&plan);
    run.watch.report(Stage::Compare, 0, plan.units); // making the heads is part of it
    // They take about a byte for each number; where there is no room for them, float32 products need none.
    let is_worth_it = order.n_fresh >= LEAST_FRESH && gather.left() >= (faces.len() * faces.dimension()) as u64;
    let heads = is_worth_it.then(|| heads(run, &order, gather.floor())).flatten();
    let heads = heads.filter(|heads| gather.reserve(heads.bytes()));
    workers::for_each(run, Stage::Compare, plan.units, Scratch::default, |scratch, unit| {
        let is_recalled = ledger.recall(unit, &mut scratch.pairs);
        if !is_recalled && unit < pieces {
            ledger.known_pairs(unit, &mut scratch.pairs);
        }
        if is_recalled || unit < pieces {
            scratch.pairs.iter_mut().for_each(|pair| *pair = (pair.0.min(pair.1), pair.0.max(pair.1)));
            scratch.pairs.sort_unstable();
            scratch.pairs.dedup();
            let candidates = scratch.pairs.iter().map(|&(a, b)| Candidate::new(a, b));
            scratch.edges.extend(candidates.filter_map(|candidate| keep(faces, candidate, gather.floor())));
        } else {
            let tile = tiles.of(unit - pieces);
            let mut places = std::mem::take(&mut scratch.places);
            survivors(run, heads.as_ref(), &order, tile.clone(), gather, scratch, |a, b| {
                places.push((a as u32, b as u32));
            });
            let is_dense = places.len() * DENSE > tile.0.len() * tile.1.len();
            match gather.census().filter(|_| is_dense) {
                Some(census) => prove_many(run, (gather, census), heads.is_some(), &order, tile, &places, scratch),
                None => {
                    let candidates = places.iter().map(|&(a, b)| order.candidate(a, b));
                    scratch.edges.extend(candidates.filter_map(|candidate| keep(faces, candidate, gather.floor())));
                }
            }
            places.clear();
            scratch.places = places;
        }
        if !is_recalled {
            scratch.pairs.clear();
            scratch.pairs.extend(scratch.edges.iter().map(|edge| (edge.first(), edge.second())));
            scratch.pairs.extend(scratch.sure.drain(..).map(|pair| (pair.first(), pair.second())));
            scratch.pairs.sort_unstable();
            ledger.finish(unit, &scratch.pairs);
        }
        gather.take(&mut scratch.edges)
    })?;
    gather.release(heads.map_or(0, |heads| heads.bytes()));
    Ok(())
}

/// The heads of these faces, if there are to be any.
pub(super) fn heads(run: &Run<'_>, order: &Order, floor: f64) -> Option<Heads> {
    Heads::build(
        run.faces.values(),
        run.faces.dimension(),
        order.faces(),
        floor,
        run.resources.threads,
        run.resources.instructions,
        &|| run.watch.should_stop(),
    )
}

/// Proves the survivors of a tile of which very many are edges, where these are counted only: most by their float32
/// product alone. The exact cosine is computed where a pair may be a match, or the product does not decide.
fn prove_many(
    run: &Run<'_>,
    (gather, census): (&Gather<'_>, &Census),
    has_heads: bool,
    order: &Order,
    (rows, columns): (Range<usize>, Range<usize>),
    places: &[(u32, u32)],
    scratch: &mut Scratch,
) {
    let dimension = run.faces.dimension();
    let Scratch { gathered: [left, right], products: out, edges, sure: many, .. } = scratch;
    let screen = Screen::new(dimension);
    let line = screen.surely(gather.cluster_floor());
    if has_heads {
        out.resize(rows.len() * columns.len(), 0.0);
        products(block(run, order, &rows, left), block(run, order, &columns, right), dimension, out);
    } // else they are there: they found the survivors
    for &(a, b) in places {
        let (row, column) = (a as usize - rows.start, b as usize - columns.start);
        let product = out[row * columns.len() + column];
        let candidate = order.candidate(a, b);
        let may_match = product >= screen.cut(gather.match_floor(order.face(a as usize), order.face(b as usize)));
        let is_free = candidate.bond(&run.parameters.constraints).is_none();
        match sure(candidate, product, line).filter(|_| !may_match && is_free) {
            Some(pair) => {
                census.count_sure(pair);
                many.push(pair);
            }
            None => edges.extend(keep(run.faces, candidate, gather.floor())),
        }
    }
}

/// A line below which a pair cannot matter, perhaps another for each face.
pub(super) trait Floors {
    /// Sets `cuts` to the cut of the floor of each of `faces`.
    fn cuts<C>(&self, cut: impl Fn(f64) -> C, faces: impl Iterator<Item = u32>, cuts: &mut Vec<C>);
}

impl Floors for f64 {
    fn cuts<C>(&self, cut: impl Fn(f64) -> C, faces: impl Iterator<Item = u32>, cuts: &mut Vec<C>) {
        cuts.clear();
        cuts.extend(faces.map(|_| cut(*self)));
    }
}

/// Calls `survivor` with the places of every pair of a tile that may reach the lower floor of its two faces, the smaller
/// place first.
pub(super) fn survivors(
    run: &Run<'_>,
    heads: Option<&Heads>,
    order: &Order,
    (rows, columns): (Range<usize>, Range<usize>),
    floors: &impl Floors,
    scratch: &mut Scratch,
    mut survivor: impl FnMut(usize, usize),
) {
    let in_rows = rows.clone().map(|place| order.face(place));
    let in_columns = columns.clone().map(|place| order.face(place));
    if let Some(heads) = heads {
        let [row_lines, column_lines] = &mut scratch.lines;
        floors.cuts(|floor| heads.cut(floor), in_rows, row_lines);
        floors.cuts(|floor| heads.cut(floor), in_columns, column_lines);
        return heads.survivors(rows, columns, (row_lines, column_lines), |row, column| {
            if column > row {
                survivor(row, column);
            }
        });
    }
    let dimension = run.faces.dimension();
    let Scratch { gathered: [left, right], products: out, cuts: [row_cuts, column_cuts], .. } = scratch;
    let screen = Screen::new(dimension);
    floors.cuts(|floor| screen.cut(floor), in_rows, row_cuts);
    floors.cuts(|floor| screen.cut(floor), in_columns, column_cuts);
    out.resize(rows.len() * columns.len(), 0.0);
    products(block(run, order, &rows, left), block(run, order, &columns, right), dimension, out);
    for ((row, line), &row_cut) in rows.zip(out.chunks_exact(columns.len())).zip(&*row_cuts) {
        for_each_survivor(line, row_cut, column_cuts, |at| {
            if columns.start + at > row {
                survivor(row, columns.start + at);
            }
        });
    }
}

/// The vectors of these places, one after the other; gathered if they are not.
fn block<'a>(run: &Run<'a>, order: &Order, places: &Range<usize>, gathered: &'a mut Vec<f32>) -> &'a [f32] {
    let dimension = run.faces.dimension();
    let Some(faces) = &order.faces else {
        return &run.faces.values()[places.start * dimension..places.end * dimension];
    };
    gathered.clear();
    for &face in &faces[places.clone()] {
        gathered.extend_from_slice(run.faces.row(face as usize));
    }
    gathered
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
    fn tiles_cover_every_pair_with_a_fresh_face_once() {
        for (n, n_fresh) in
            [(0, 0), (1, 1), (127, 127), (128, 128), (129, 129), (640, 640), (640, 0), (640, 1), (640, 200), (640, 639)]
        {
            let tiles = Tiles::new(n, n_fresh, 4096);
            let mut seen = vec![0; n * n];
            for (rows, columns) in (0..tiles.len()).map(|t| tiles.of(t)) {
                for (row, column) in rows.flat_map(|r| columns.clone().map(move |c| (r, c))).filter(|(r, c)| r < c) {
                    seen[row * n + column] += 1;
                }
            }
            let all_once = (0..n).all(|r| (0..n).all(|c| seen[r * n + c] == i32::from(r < c && r < n_fresh)));
            assert!(all_once, "{n} faces, {n_fresh} fresh");
        }
    }

    #[test]
    fn the_last_of_very_many_tiles_is_the_last_corner() {
        let tiles = Tiles::new(u32::MAX as usize, u32::MAX as usize, 512);
        let (rows, columns) = tiles.of(tiles.len() - 1);
        assert_eq!((rows.end, &rows), (u32::MAX as usize, &columns));
    }
}
