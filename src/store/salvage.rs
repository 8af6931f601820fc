//! What can still be read of a store, damaged or not.
//!
//! **Promises.** The store itself is not touched: sled mends its files while it opens them, so a copy is opened. One that is
//! whole is read by sled, one that is not by a reader of our own ([`log`](super::log)), which gives of a record what it was
//! last, or nothing. Entries are given in the order of their keys, and where something is lost the reading goes on behind.
//!
//! **Why copies.** What a damaged log has behind the damage is zeroed when sled opens it. Somebody may know a way to read
//! it all the same.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::disk::{all, guarded, n_syncs};
use super::generation::{folder_that_counts, open_tree};
use super::log::{Item, Pages};
use super::witness::{self, Testimony};
use super::{Entry, Scan, StoreError, decode, keys};

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
    /// Why it cannot.
    pub why: String,
}

/// A store, opened as far as it goes.
#[derive(Debug)]
pub struct Salvage {
    reader: Reader,
    /// Files that had to be left out to open it.
    pub left_out: Vec<String>,
    /// Where in the file of the log damage was found.
    pub damages: Vec<u64>,
    /// The number of the last sync that it knows of.
    pub found: u64,
    /// The number of the last one, if the witness can be believed.
    pub synced: Option<u64>,
    /// Whether the witness is missing or damaged.
    pub is_unattested: bool,
}

/// Who reads it.
#[derive(Debug)]
enum Reader {
    /// sled, a copy.
    Tree(sled::Db),
    /// We ourselves.
    Pages(Box<Pages>),
}

impl Salvage {
    /// Opens the store of the data directory `data`, or a copy of it in the folder `work`.
    pub fn open(data: &Path, work: &Path) -> Result<Self, StoreError> {
        let failed = |source| StoreError::File { what: "cannot read the store".to_owned(), source };
        let testimony = witness::hear(&data.join("witness")).map_err(failed)?;
        let synced = if let Testimony::Synced(synced) = testimony { Some(synced) } else { None };
        let store = data.join(folder_that_counts(data).map_err(failed)?);
        let pages = Pages::read(&store, synced).map_err(failed)?;
        let mut pages = pages.filter(|pages| !pages.is_empty());
        let mut last = None;
        if pages.as_ref().is_none_or(Pages::is_whole) {
            match copied(&store, work) {
                Ok((tree, left_out)) => {
                    let found = n_syncs(&tree).unwrap_or(0);
                    // what sled does not find and we do not either is nowhere
                    let is_right = pages.is_none() || synced.is_none_or(|synced| found >= synced);
                    if is_right || pages.as_ref().is_some_and(|pages| n_syncs_of(pages) <= found) {
                        let is_unattested = synced.is_none() && found > 0;
                        let reader = Reader::Tree(tree);
                        return Ok(Self { reader, left_out, damages: Vec::new(), found, synced, is_unattested });
                    }
                }
                Err(error) => last = Some(error),
            }
        }
        let Some(pages) = pages.take() else { return Err(last.expect("it was tried")) };
        let (found, damages) = (n_syncs_of(&pages), pages.damages.iter().copied().collect());
        let is_unattested = synced.is_none() && found > 0;
        let reader = Reader::Pages(Box::new(pages));
        Ok(Self { reader, left_out: Vec::new(), damages, found, synced, is_unattested })
    }

    /// Gives `take` every entry that can be read; what cannot.
    pub fn read<E>(&self, mut take: impl FnMut(Entry) -> Result<(), E>) -> Result<Vec<Gap>, E> {
        let (mut gaps, mut last) = (Vec::<Gap>::new(), Vec::new());
        let mut is_open = false;
        for item in self.items(&[]) {
            match item {
                Ok(Item::Entry((key, value))) => {
                    if std::mem::take(&mut is_open)
                        && let Some(gap) = gaps.last_mut()
                    {
                        gap.before = Some(key.clone());
                    }
                    last.clone_from(&key);
                    take((key, value))?;
                }
                Ok(Item::Gap(why)) if !is_open => {
                    gaps.push(Gap { after: last.clone(), before: None, why });
                    is_open = true;
                }
                Ok(Item::Gap(_)) => {}
                Err(error) => gaps.push(Gap { after: last.clone(), before: None, why: error.to_string() }),
            }
        }
        Ok(gaps)
    }

    /// The entries under a prefix, up to the first that cannot be read.
    pub fn scan(&self, prefix: &[u8]) -> Scan<'_> {
        let prefix = prefix.to_vec();
        let entries = self.items(&prefix).filter_map(|item| match item {
            Ok(Item::Entry(entry)) => Some(Ok(entry)),
            Ok(Item::Gap(_)) => None,
            Err(error) => Some(Err(error)),
        });
        let entries = entries.take_while(Result::is_ok);
        let from = prefix.clone();
        let entries = entries.skip_while(move |entry| entry.as_ref().is_ok_and(|(key, _)| *key < from));
        Box::new(entries.take_while(move |entry| entry.as_ref().is_ok_and(|(key, _)| key.starts_with(&prefix))))
    }

    /// What there is from a key on, and perhaps some before it.
    fn items(&self, from: &[u8]) -> Box<dyn Iterator<Item = Result<Item, StoreError>> + '_> {
        let failed = |source| StoreError::File { what: "cannot read the store".to_owned(), source };
        match &self.reader {
            Reader::Tree(tree) => Box::new(all(tree.range(from.to_vec()..)).map(|entry| entry.map(Item::Entry))),
            Reader::Pages(pages) => Box::new(pages.items(from).map(move |item| item.map_err(failed))),
        }
    }

    /// Ends it.
    pub fn close(self) -> Result<(), StoreError> {
        guarded(|| {
            drop(self.reader);
            Ok(())
        })
    }
}

/// Opens a copy by sled; without which files.
fn copied(store: &Path, work: &Path) -> Result<(sled::Db, Vec<String>), StoreError> {
    let failed = |source| StoreError::File { what: "cannot copy the store".to_owned(), source };
    let mut last = None;
    // what a failed attempt leaves may still be held, so each has a folder of its own
    for (attempt, left_out) in [&[][..], &DERIVED[..1], &DERIVED[1..], &DERIVED[..]].into_iter().enumerate() {
        let copy = work.join(format!("copy{attempt}"));
        let left_out = copy_store(store, &copy, left_out).map_err(failed)?;
        match open_tree(&copy, CACHE) {
            Ok(tree) => return Ok((tree, left_out)),
            Err(error) => last = Some(error),
        }
        fs::remove_dir_all(&copy).map_err(failed)?;
    }
    Err(last.expect("it was tried"))
}

/// The number of the last sync that the leaves know of.
fn n_syncs_of(pages: &Pages) -> u64 {
    let key = keys::last_sync();
    let entries = pages.items(&key).map_while(Result::ok).filter_map(|item| match item {
        Item::Entry(entry) => Some(entry),
        Item::Gap(_) => None,
    });
    let entry = entries.take_while(|(found, _)| *found <= key).find(|(found, _)| *found == key);
    entry.and_then(|(key, value)| decode(&key, &value).ok()).unwrap_or(0)
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

#[cfg(test)]
#[path = "salvage_tests.rs"]
mod tests;
