//! What an earlier job has found in the same database: the log it left, with the faces it compared.
//!
//! **Promises.** Only a whole file is used: every sum fits, and every unit is there once. Its pairs are given in the
//! numbers of today's faces, without those of faces that are gone.
//!
//! **Not here.** Whether the pairs reach a threshold: they are proven again, each of them, from the vectors.

use std::collections::BTreeSet;
use std::fs::File;
use std::ops::Range;
use std::path::Path;

use super::format::{Head, Records, Unusable, read_head};
use crate::cluster::{Known, Pair};
use crate::engine::fingerprint::{Identity, Print};

/// A piece ends when it has so many pairs or bytes.
const PIECE_PAIRS: usize = 1 << 16;
const PIECE_BYTES: u64 = 1 << 16;

/// What is read of the file at a time.
const SCANNED: usize = 1 << 20;

/// No face: it is gone.
const GONE: u32 = u32::MAX;

/// Pairs that are known.
#[derive(Debug)]
pub(super) struct Kept {
    file: File,
    head: Head,
    /// Of the whole file.
    pub(super) identity: Identity,
    pub(super) known: Known,
    pub(super) n_known: usize,
    /// Where each piece is.
    pieces: Vec<Range<u64>>,
    /// For each of its faces the number it has now.
    now: Vec<u32>,
}

impl Kept {
    /// Reads a file of pairs and checks all of it; none if less than half of the faces are known, for then comparing all
    /// is about as cheap.
    pub(super) fn load(path: &Path, prints: &[Print]) -> Result<Option<Self>, Unusable> {
        let file = File::open(path)?;
        let head = read_head(&file)?;
        if head.plan.complete.is_nan() {
            return Err(Unusable::Damaged("its plan makes no sense"));
        }
        let old = head.read_prints(&file)?;
        let now = today(&old, prints)?;
        let mut is_known = vec![false; prints.len()];
        for &face in now.iter().filter(|&&face| face != GONE) {
            is_known[face as usize] = true;
        }
        let n_known = is_known.iter().filter(|&&known| known).count();
        if n_known == 0 || n_known < prints.len() - n_known {
            return Ok(None);
        }
        let (pieces, identity) = scan(&file, &head, &old)?;
        let known = Known { is_known, floor: head.plan.complete, pieces: pieces.len() as u64 };
        Ok(Some(Self { file, head, identity, known, n_known, pieces, now }))
    }

    /// Sets `pairs` to a piece, in today's numbers.
    pub(super) fn read(&self, piece: u64, pairs: &mut Vec<Pair>) -> Result<(), Unusable> {
        let range = self.pieces[piece as usize].clone();
        let mut records = Records::new(&self.file, &self.head, range, PIECE_BYTES as usize);
        let mut of_unit = Vec::new();
        pairs.clear();
        while records.next(&mut of_unit)?.is_some() {
            let today = of_unit.iter().map(|&(a, b)| (self.now[a as usize], self.now[b as usize]));
            pairs.extend(today.filter(|&(a, b)| a != GONE && b != GONE).map(|(a, b)| (a.min(b), a.max(b))));
        }
        Ok(())
    }

    /// Whether it says all that a run over today's faces finds which looks for pairs from `complete` on.
    pub(super) fn says_all(&self, complete: f64) -> bool {
        self.n_known == self.now.len() && self.n_known == self.known.is_known.len() && self.known.floor <= complete
    }

    /// The bytes of the file.
    pub(super) fn bytes(&self) -> u64 {
        self.file.metadata().map_or(0, |file| file.len())
    }
}

/// For each old face the number of the face with the same fingerprint.
fn today(old: &[Print], prints: &[Print]) -> Result<Vec<u32>, Unusable> {
    let sorted = |prints: &[Print]| {
        let mut sorted: Vec<(Print, u32)> = prints.iter().copied().zip(0..).collect();
        sorted.sort_unstable();
        sorted
    };
    let (before, today) = (sorted(old), sorted(prints));
    if [&before, &today].iter().any(|list| list.windows(2).any(|two| two[0].0 == two[1].0)) {
        return Err(Unusable::Damaged("two faces have one fingerprint"));
    }
    let mut now = vec![GONE; old.len()];
    let mut today = today.into_iter().peekable();
    for (print, face) in before {
        while today.next_if(|next| next.0 < print).is_some() {}
        if let Some((_, same)) = today.next_if(|next| next.0 == print) {
            now[face as usize] = same;
        }
    }
    Ok(now)
}

/// Reads all records, and says where the pieces are and what the file is.
fn scan(file: &File, head: &Head, prints: &[Print]) -> Result<(Vec<Range<u64>>, Identity), Unusable> {
    let mut hash = blake3::Hasher::new();
    hash.update(&head.to_bytes()).update(prints.as_flattened());
    let end = file.metadata()?.len();
    let mut records = Records::new(file, head, head.body()..end, SCANNED);
    let (mut pieces, mut begin, mut n_pairs) = (Vec::new(), records.at(), 0);
    let (mut units, mut pairs) = (Units::default(), Vec::new());
    while let Some(unit) = records.next(&mut pairs)? {
        units.note(unit)?;
        hash.update(records.raw());
        n_pairs += pairs.len();
        let at = records.at();
        if n_pairs >= PIECE_PAIRS || at - begin >= PIECE_BYTES || at == end {
            if n_pairs > 0 {
                pieces.push(begin..at);
            }
            (begin, n_pairs) = (at, 0);
        }
    }
    if units.next != head.plan.units || !units.early.is_empty() {
        return Err(Unusable::Damaged("a unit is missing"));
    }
    Ok((pieces, hash.finalize().into()))
}

/// The units seen. They come nearly in order, so few are held.
#[derive(Default)]
struct Units {
    /// All before this one.
    next: u64,
    /// Those behind it.
    early: BTreeSet<u64>,
}

impl Units {
    fn note(&mut self, unit: u64) -> Result<(), Unusable> {
        if unit < self.next || !self.early.insert(unit) {
            return Err(Unusable::Damaged("a unit is there twice"));
        }
        while self.early.remove(&self.next) {
            self.next += 1;
        }
        Ok(())
    }
}
