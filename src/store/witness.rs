//! The witness: a file beside the database that says how many syncs the store had seen when somebody was told so.
//!
//! ```text
//! data/witness    two slots of 16 bytes: the number of a sync, CRC-32, zeros
//! ```
//!
//! **Why.** A log is recovered up to its first damaged message and what is behind it is dropped: after a crash that is what
//! is wanted, but after damage it loses acknowledged changes without a word. Therefore every sync has a number, which
//! is written to the store before it and here behind it. A store that is behind its witness has lost
//! something.
//!
//! **Promises.** The witness is never ahead of a disk that keeps what it syncs. It is written after every sync and synced
//! itself only now and then, so that it costs next to nothing: a killed process leaves it exact, a power cut may leave it
//! behind by what the system had not written yet.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _};
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

const SLOT: usize = 16;

/// So many changes of the witness are left to the system to write.
const SYNC_EVERY: u64 = 4_096;

/// The file, open for writing.
#[derive(Debug)]
pub(super) struct Witness {
    file: File,
    /// What it says.
    noted: Mutex<u64>,
    n_notes: AtomicU64,
}

/// What a witness says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Testimony {
    /// There is no file.
    Missing,
    /// The file holds no number that can be believed.
    Damaged,
    /// So many syncs were made.
    Synced(u64),
}

fn slot(number: u64) -> [u8; SLOT] {
    let mut slot = [0; SLOT];
    slot[..8].copy_from_slice(&number.to_le_bytes());
    let sum = crc32fast::hash(&slot[..8]) ^ u32::MAX; // so that zeros are no slot
    slot[8..12].copy_from_slice(&sum.to_le_bytes());
    slot
}

fn number(bytes: &[u8]) -> Option<u64> {
    let number = u64::from_le_bytes(bytes.get(..8)?.try_into().ok()?);
    (bytes == slot(number)).then_some(number)
}

/// Reads the file at `path`.
pub(super) fn hear(path: &Path) -> io::Result<Testimony> {
    let mut content = Vec::new();
    match File::open(path) {
        Ok(mut file) => file.read_to_end(&mut content)?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Testimony::Missing),
        Err(error) => return Err(error),
    };
    let largest = content.chunks(SLOT).filter_map(number).max();
    Ok(largest.map_or(Testimony::Damaged, Testimony::Synced))
}

impl Witness {
    /// Opens the file at `path`, making it if it is not there, and has it say `number`, synced.
    pub(super) fn open(path: &Path, number: u64) -> io::Result<Self> {
        let file = OpenOptions::new().write(true).create(true).truncate(false).open(path)?;
        file.set_len(2 * SLOT as u64)?;
        for at in [0, SLOT as u64] {
            file.write_all_at(&slot(number), at)?;
        }
        file.sync_all()?;
        Ok(Self { file, noted: Mutex::new(number), n_notes: AtomicU64::new(0) })
    }

    /// Notes that sync `number` was made. The two slots are written in turn, so that a torn one leaves
    /// the other.
    pub(super) fn note(&self, number: u64) -> io::Result<()> {
        let mut noted = self.noted.lock().unwrap_or_else(PoisonError::into_inner);
        if number <= *noted {
            return Ok(());
        }
        let n_notes = self.n_notes.fetch_add(1, Ordering::Relaxed);
        self.file.write_all_at(&slot(number), n_notes % 2 * SLOT as u64)?;
        *noted = number;
        if n_notes % SYNC_EVERY == SYNC_EVERY - 1 { self.file.sync_data() } else { Ok(()) }
    }
}

impl Drop for Witness {
    fn drop(&mut self) {
        let _ = self.file.sync_data(); // the numbers are there already, this is only against a power cut
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_witness_says_the_last_number_although_one_slot_is_torn() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("witness");
        assert_eq!(hear(&path).unwrap(), Testimony::Missing);
        let witness = Witness::open(&path, 3).unwrap();
        assert_eq!(hear(&path).unwrap(), Testimony::Synced(3));
        for number in [4, 5, 5, 9] {
            witness.note(number).unwrap();
        }
        assert_eq!(hear(&path).unwrap(), Testimony::Synced(9));
        let good = std::fs::read(&path).unwrap();
        for at in 0..good.len() {
            let mut torn = good.clone();
            torn[at] ^= 4;
            std::fs::write(&path, torn).unwrap();
            assert!(matches!(hear(&path).unwrap(), Testimony::Synced(5 | 9)), "byte {at}");
        }
        for nonsense in [vec![0; 32], Vec::new(), vec![7; 5]] {
            std::fs::write(&path, nonsense).unwrap();
            assert_eq!(hear(&path).unwrap(), Testimony::Damaged);
        }
    }
}
