//! The files of pairs, version 1: what a run has found, unit by unit.
//!
//! ```text
//! head          "facepair", version, plan, identity of what is compared, CRC-32
//! fingerprints  16 bytes a face, in image order, CRC-32
//! record ...    number of the unit, length, pairs (see `code`), CRC-32
//! ```
//!
//! Numbers are little-endian; those of a record take a byte for each seven bits. The sum of a record begins with that of
//! the head, so that a record of another file is none of this one. The records are in the order in which units were
//! finished.
//!
//! **Promises.** What is read is what was written, or it is said to be damaged.

use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Read};
use std::ops::Range;
use std::os::unix::fs::FileExt as _;

use thiserror::Error;

use super::code;
use crate::cluster::{Pair, Plan, RECIPE};
use crate::engine::fingerprint::{Identity, Print};

const MAGIC: [u8; 8] = *b"facepair";
const FORMAT: &str = "pairs 1";

/// What a file must have been written by: this format, this way of finding pairs, this program. That no pair is missing
/// cannot be seen from a file, so what another program found counts for nothing.
fn version() -> u32 {
    crc32fast::hash(format!("{FORMAT}, {RECIPE}, {}", env!("CARGO_PKG_VERSION")).as_bytes())
}

/// The bytes of a sum.
const SUM: usize = 4;

/// No record is longer: that of a tile has less than a megabyte, and pieces of known pairs are not much longer.
const LONGEST: u64 = 64 << 20;

/// Why a file of pairs is not used.
#[derive(Debug, Error)]
pub(super) enum Unusable {
    /// The system says so.
    #[error("it cannot be read: {0}")]
    Unreadable(#[from] io::Error),
    /// It is not what was written.
    #[error("it is damaged: {0}")]
    Damaged(&'static str),
    /// Another program wrote it.
    #[error("it has another format")]
    Format,
}

/// The first bytes of a file.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Head {
    pub(super) plan: Plan,
    pub(super) identity: Identity,
}

impl Head {
    /// How many bytes.
    pub(super) const BYTES: usize = 8 + 4 + 3 * 4 + 4 * 8 + 32 + SUM;

    pub(super) fn to_bytes(&self) -> [u8; Self::BYTES] {
        let Plan { faces, fresh, side, floor, complete, pieces, units } = self.plan;
        let mut bytes = MAGIC.to_vec();
        for number in [version(), faces, fresh, side] {
            bytes.extend(number.to_le_bytes());
        }
        for number in [floor.to_bits(), complete.to_bits(), pieces, units] {
            bytes.extend(number.to_le_bytes());
        }
        bytes.extend(self.identity);
        bytes.extend(crc32fast::hash(&bytes).to_le_bytes());
        bytes.try_into().expect("the sizes add up")
    }

    pub(super) fn from_bytes(bytes: &[u8; Self::BYTES]) -> Result<Self, Unusable> {
        if bytes[..8] != MAGIC {
            return Err(Unusable::Format);
        }
        let (content, sum) = bytes.split_at(Self::BYTES - SUM);
        if crc32fast::hash(content).to_le_bytes() != sum {
            return Err(Unusable::Damaged("the sum of its head"));
        }
        let short = |at: usize| u32::from_le_bytes(*content[at..].first_chunk().expect("within the head"));
        let long = |at: usize| u64::from_le_bytes(*content[at..].first_chunk().expect("within the head"));
        if short(8) != version() {
            return Err(Unusable::Format);
        }
        let plan = Plan {
            faces: short(12),
            fresh: short(16),
            side: short(20),
            floor: f64::from_bits(long(24)),
            complete: f64::from_bits(long(32)),
            pieces: long(40),
            units: long(48),
        };
        Ok(Self { plan, identity: *content[56..].first_chunk().expect("within the head") })
    }

    /// With what the sums of the records begin.
    pub(super) fn seed(&self) -> u32 {
        let bytes = self.to_bytes();
        u32::from_le_bytes(*bytes.last_chunk().expect("a head ends with its sum"))
    }

    /// Where the records begin.
    pub(super) fn body(&self) -> u64 {
        (Self::BYTES + SUM) as u64 + u64::from(self.plan.faces) * size_of::<Print>() as u64
    }

    /// The sum behind the fingerprints.
    pub(super) fn sum_of(&self, prints: &[Print]) -> [u8; SUM] {
        let mut sum = crc32fast::Hasher::new_with_initial(self.seed());
        sum.update(prints.as_flattened());
        sum.finalize().to_le_bytes()
    }

    /// The fingerprints behind the head; the file is long enough for them.
    pub(super) fn read_prints(&self, file: &File) -> Result<Vec<Print>, Unusable> {
        if file.metadata()?.len() < self.body() {
            return Err(Unusable::Damaged("it is too short"));
        }
        let mut prints = vec![Print::default(); self.plan.faces as usize];
        file.read_exact_at(prints.as_flattened_mut(), Self::BYTES as u64)?;
        let mut sum = [0; SUM];
        file.read_exact_at(&mut sum, self.body() - SUM as u64)?;
        if sum == self.sum_of(&prints) { Ok(prints) } else { Err(Unusable::Damaged("the sum of the fingerprints")) }
    }
}

/// Reads the head of a file.
pub(super) fn read_head(file: &File) -> Result<Head, Unusable> {
    let mut bytes = [0; Head::BYTES];
    file.read_exact_at(&mut bytes, 0)?;
    Head::from_bytes(&bytes)
}

/// Appends the record of a unit.
pub(super) fn put_record(seed: u32, unit: u64, pairs: &[Pair], out: &mut Vec<u8>) {
    let begin = out.len();
    code::put_number(out, unit);
    if pairs.is_empty() {
        code::put_number(out, 0);
    } else {
        let mut content = Vec::with_capacity(pairs.len() * 3);
        code::encode(pairs, &mut content);
        code::put_number(out, content.len() as u64);
        out.append(&mut content);
    }
    let mut sum = crc32fast::Hasher::new_with_initial(seed);
    sum.update(&out[begin..]);
    out.extend(sum.finalize().to_le_bytes());
}

/// A part of a file, read without moving the place where others write it.
struct Part<'a> {
    file: &'a File,
    range: Range<u64>,
}

impl Read for Part<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = usize::try_from(self.range.end - self.range.start).unwrap_or(usize::MAX);
        let most = buffer.len().min(left);
        let n = self.file.read_at(&mut buffer[..most], self.range.start)?;
        self.range.start += n as u64;
        Ok(n)
    }
}

/// The records of a part of a file, one after the other.
pub(super) struct Records<'a> {
    reader: BufReader<Part<'a>>,
    seed: u32,
    faces: u32,
    units: u64,
    /// Where the next one begins, and where the part ends.
    left: Range<u64>,
    /// The last one, without its sum.
    raw: Vec<u8>,
}

impl<'a> Records<'a> {
    /// Those in `range`, read `buffer` bytes at a time.
    pub(super) fn new(file: &'a File, head: &Head, range: Range<u64>, buffer: usize) -> Self {
        let reader = BufReader::with_capacity(buffer, Part { file, range: range.clone() });
        let (seed, Plan { faces, units, .. }) = (head.seed(), head.plan);
        Self { reader, seed, faces, units, left: range, raw: Vec::new() }
    }

    /// Where the next record begins.
    pub(super) fn at(&self) -> u64 {
        self.left.start
    }

    /// The bytes of the last record, without its sum.
    pub(super) fn raw(&self) -> &[u8] {
        &self.raw
    }

    /// The next unit, with its pairs; none at the end.
    pub(super) fn next(&mut self, pairs: &mut Vec<Pair>) -> Result<Option<u64>, Unusable> {
        if self.left.is_empty() {
            return Ok(None);
        }
        self.raw.clear();
        let (unit, length) = (self.number()?, self.number()?);
        let begin = self.raw.len();
        if length > (self.left.end - self.left.start).min(LONGEST) {
            return Err(Unusable::Damaged("a record is torn"));
        }
        self.raw.resize(begin + length as usize, 0);
        self.reader.read_exact(&mut self.raw[begin..])?;
        let mut sum = [0; SUM];
        self.reader.read_exact(&mut sum)?;
        let mut expected = crc32fast::Hasher::new_with_initial(self.seed);
        expected.update(&self.raw);
        if sum != expected.finalize().to_le_bytes() {
            return Err(Unusable::Damaged("the sum of a record"));
        }
        if unit >= self.units || !code::decode(&self.raw[begin..], self.faces, pairs) {
            return Err(Unusable::Damaged("a record makes no sense"));
        }
        self.left.start += (self.raw.len() + SUM) as u64;
        Ok(Some(unit))
    }

    fn number(&mut self) -> Result<u64, Unusable> {
        let begin = self.raw.len();
        loop {
            let Some(&byte) = self.reader.fill_buf()?.first() else {
                return Err(Unusable::Damaged("a record is torn"));
            };
            self.reader.consume(1);
            self.raw.push(byte);
            if byte < 0x80 {
                break;
            }
            if self.raw.len() - begin > 10 {
                return Err(Unusable::Damaged("a number is too long"));
            }
        }
        code::take_number(&mut &self.raw[begin..]).ok_or(Unusable::Damaged("a number is too large"))
    }
}
