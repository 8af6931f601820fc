//! What can still be read of a store, damaged or not.
//!
//! **Promises.** The store itself is not touched: sled mends its files while it opens them, so a copy is opened. Every
//! entry that sled can read is given, in key order; where it cannot, the reading goes on behind.
//!
//! **Why copies.** What a damaged log has behind the damage is zeroed when sled opens it. Somebody may know a way to read
//! it all the same.

use std::fs;
use std::io;
use std::ops::Bound;
use std::path::{Path, PathBuf};

use super::disk::{all, guarded, n_syncs};
use super::generation::{folder_that_counts, open_tree};
use super::witness::{self, Testimony};
use super::{Entry, Scan, StoreError};

/// The page cache of a copy that is read once.
const CACHE: u64 = 32 << 20;

/// Files of sled that say nothing that is not in its log.
const DERIVED: [&str; 2] = ["conf", "snap."];

/// A stretch of keys in which something could not be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gap {
    /// The last key before it; empty at the beginning.
    pub after: Vec<u8>,
    /// The first key behind it, unless it goes on to the end.
    pub before: Option<Vec<u8>>,
    /// What sled says.
    pub why: String,
}

/// A copy of a store, opened as far as it goes.
#[derive(Debug)]
pub struct Salvage {
    tree: sled::Db,
    /// Files that had to be left out to open it.
    pub left_out: Vec<String>,
    /// The number of the last sync that it knows of.
    pub found: u64,
    /// The number of the last one, if the witness can be believed.
    pub synced: Option<u64>,
    /// Whether the witness is missing or damaged.
    pub is_unattested: bool,
}

impl Salvage {
    /// Copies the store of the data directory `data` into the folder `work` and opens the copy.
    pub fn open(data: &Path, work: &Path) -> Result<Self, StoreError> {
        let failed = |source| StoreError::File { what: "cannot copy the store".to_owned(), source };
        let testimony = witness::hear(&data.join("witness")).map_err(failed)?;
        let store = data.join(folder_that_counts(data).map_err(failed)?);
        let mut last = None;
        // what a failed attempt leaves may still be held, so each has a folder of its own
        for (attempt, left_out) in [&[][..], &DERIVED[..1], &DERIVED[1..], &DERIVED[..]].into_iter().enumerate() {
            let copy = work.join(format!("copy{attempt}"));
            let left_out = copy_store(&store, &copy, left_out).map_err(failed)?;
            match open_tree(&copy, CACHE) {
                Ok(tree) => {
                    let found = n_syncs(&tree).unwrap_or(0);
                    let synced = if let Testimony::Synced(synced) = testimony { Some(synced) } else { None };
                    let is_unattested = synced.is_none() && found > 0;
                    return Ok(Self { tree, left_out, found, synced, is_unattested });
                }
                Err(error) => last = Some(error),
            }
            fs::remove_dir_all(&copy).map_err(failed)?;
        }
        Err(last.expect("it was tried"))
    }

    /// Gives `take` every entry that can be read; what cannot.
    pub fn read<E>(&self, mut take: impl FnMut(Entry) -> Result<(), E>) -> Result<Vec<Gap>, E> {
        let (mut gaps, mut last, mut from) = (Vec::new(), Vec::new(), Bound::Unbounded);
        loop {
            let mut failure = None;
            for entry in all(self.tree.range::<Vec<u8>, _>((from, Bound::Unbounded))) {
                match entry {
                    Ok((key, value)) => {
                        last.clone_from(&key);
                        take((key, value))?;
                    }
                    Err(error) => failure = Some(error.to_string()),
                }
            }
            let Some(why) = failure else { return Ok(gaps) };
            let behind = self.behind(&last);
            let before = behind.first().map(|(key, _)| key.clone());
            gaps.push(Gap { after: last.clone(), before, why });
            let Some((key, _)) = behind.last() else { return Ok(gaps) };
            last.clone_from(key);
            from = Bound::Excluded(key.clone());
            behind.into_iter().try_for_each(&mut take)?;
        }
    }

    /// The entries under a prefix, up to the first that cannot be read.
    pub fn scan(&self, prefix: &[u8]) -> Scan<'_> {
        Box::new(all(self.tree.scan_prefix(prefix)).take_while(Result::is_ok))
    }

    /// The first entries that can be read behind a gap that begins at `last`: somewhere behind it one is found, and from
    /// there it is read backwards.
    fn behind(&self, last: &[u8]) -> Vec<Entry> {
        let probes = (2..=last.len()).rev().filter_map(|n| {
            let mut probe = last[..n].to_vec();
            let end = probe.last_mut()?;
            *end = end.checked_add(1)?;
            Some(probe)
        });
        let kinds = last.first().map_or(0, |&kind| u16::from(kind) + 1)..=255;
        for probe in probes.chain(kinds.map(|kind| vec![kind as u8])) {
            let range = (Bound::Included(probe), Bound::Unbounded);
            let Some(Ok(found)) = all(self.tree.range::<Vec<u8>, _>(range)).next() else { continue };
            let range = (Bound::Excluded(last.to_vec()), Bound::Excluded(found.0.clone()));
            let backwards = all(self.tree.range::<Vec<u8>, _>(range).rev());
            let mut read: Vec<Entry> = backwards.map_while(Result::ok).collect();
            read.reverse();
            read.push(found);
            return read;
        }
        Vec::new()
    }

    /// Ends it.
    pub fn close(self) -> Result<(), StoreError> {
        guarded(|| {
            drop(self.tree);
            Ok(())
        })
    }
}

/// Copies the files of a store but those whose name begins so; which these were.
fn copy_store(from: &Path, to: &PathBuf, leave_out: &[&str]) -> io::Result<Vec<String>> {
    let mut left_out = Vec::new();
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let (entry, name) = entry.map(|entry| (entry.path(), entry.file_name()))?;
        let name = name.to_string_lossy().into_owned();
        if entry.is_dir() {
            copy_store(&entry, &to.join(name), &[])?;
        } else if leave_out.iter().any(|beginning| name.starts_with(beginning)) {
            left_out.push(name);
        } else {
            fs::copy(&entry, to.join(name))?;
        }
    }
    Ok(left_out)
}
