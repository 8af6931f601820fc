//! What a run tells of its work, so that a later one need not do it again.
//!
//! A comparison of all pairs is made of *units*, each of which finds some pairs: pieces of what is known already, and
//! tiles. A unit depends on nothing but the faces and the [`Plan`], so what it found can be kept and used again: by the
//! same run after its process was killed, and by another one for the faces that are still there.
//!
//! **Promises.** What a ledger says is proposed, never believed: its pairs are proven again. (That none is missing is
//! the ledger's own promise: it must find out whether what it kept is whole.)
//!
//! **Not here.** Where it is kept, and how.

/// How units are cut and pairs are found. Changed whenever a unit of equal plans may find other pairs, or finds them in
/// another way: what was kept before must not be used then.
pub const RECIPE: &str = "tiles 1, screens 1, heads 1";

/// Two faces, the smaller index first.
pub type Pair = (u32, u32);

/// Faces whose pairs with each other an earlier run has found.
#[derive(Debug, Clone, PartialEq)]
pub struct Known {
    /// For each face whether it is one of them.
    pub is_known: Vec<bool>,
    /// All their pairs with at least this cosine are known.
    pub floor: f64,
    /// In so many pieces.
    pub pieces: u64,
}

/// What a run is going to do: equal plans for equal faces have equal units.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Plan {
    /// How many faces are compared.
    pub faces: u32,
    /// How many of them are not known: these are compared with all.
    pub fresh: u32,
    /// The faces of a tile's side.
    pub side: u32,
    /// Pairs below this cosine are not looked for.
    pub floor: f64,
    /// All pairs with at least this cosine will have been found. Others only if they are among a face's best matches.
    pub complete: f64,
    /// The pieces of known pairs, which are the first units.
    pub pieces: u64,
    /// All units.
    pub units: u64,
}

/// Keeps what units found. Called from several threads.
pub trait Ledger: Sync {
    /// The faces whose pairs are known, if any.
    fn known(&self) -> Option<&Known>;

    /// Sets `pairs` to a piece of what is known, in any order. A pair is in one piece only.
    fn known_pairs(&self, piece: u64, pairs: &mut Vec<Pair>);

    /// The work begins; said once.
    fn begin(&self, plan: &Plan);

    /// Whether a unit was finished before; then sets `pairs` to what it found.
    fn recall(&self, unit: u64, pairs: &mut Vec<Pair>) -> bool;

    /// A unit is finished and has found these pairs, in order.
    fn finish(&self, unit: u64, pairs: &[Pair]);
}

/// Keeps nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct Forgetful;

impl Ledger for Forgetful {
    fn known(&self) -> Option<&Known> {
        None
    }

    fn known_pairs(&self, _: u64, pairs: &mut Vec<Pair>) {
        pairs.clear();
    }

    fn begin(&self, _: &Plan) {}

    fn recall(&self, _: u64, _: &mut Vec<Pair>) -> bool {
        false
    }

    fn finish(&self, _: u64, _: &[Pair]) {}
}
