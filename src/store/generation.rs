//! One database of sled's, in a folder of its own, and which of several folders counts.
//!
//! **Promises.** The file `generation` is replaced in one step, and says which folder is the store; without it that is
//! `db`. A folder that is not named is nobody's and goes at the next start, and none is ever made where the named one
//! should be. A folder that was replaced goes when its last reader has gone.
//!
//! sled (0.34) leaves two things to us. It takes a snapshot that a killed process has not finished, `snap.X.generating`, for
//! the newest one and then cannot be opened; so these are removed before, and the one before is still there. And it does
//! not sync the names of the files that it makes, nor the one that holds its settings; that is done before the first record.

use std::collections::BTreeSet;
use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Write as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use tracing::warn;

use super::StoreError;
use super::disk::guarded;
use super::files::{Files, folder_of, sync};

/// The longest that a database closed by this process is taken to be held still.
const HELD: Duration = Duration::from_secs(5);

/// The file that names the folder that counts.
const POINTER: &str = "generation";

/// What is about to become that file.
const NEXT_POINTER: &str = "generation.new";

/// A database and its folder.
#[derive(Debug)]
pub(super) struct Generation {
    // dropped in this order: first the database, then perhaps its folder
    pub(super) tree: sled::Db,
    folder: Folder,
    pub(super) number: u64,
    files: Files,
}

/// A folder that goes when it is nobody's any more.
#[derive(Debug)]
struct Folder {
    path: PathBuf,
    is_superseded: AtomicBool,
}

impl Drop for Folder {
    fn drop(&mut self) {
        if self.is_superseded.load(Ordering::Relaxed) {
            let _ = fs::remove_dir_all(&self.path); // else the next start does it
        }
    }
}

fn failed(what: &str) -> impl FnOnce(io::Error) -> StoreError + '_ {
    move |source| StoreError::File { what: what.to_owned(), source }
}

/// The name of the folder of a generation.
fn name(number: u64) -> String {
    if number == 0 { "db".to_owned() } else { format!("db.{number}") }
}

/// The number of a folder's name, if it is one of ours.
fn number(name: &str) -> Option<u64> {
    if name == "db" { Some(0) } else { name.strip_prefix("db.")?.parse().ok() }
}

impl Generation {
    /// Opens the one that counts, which is made if there is none at all.
    pub(super) fn current(data: &Path, cache: u64) -> Result<Self, StoreError> {
        let there = folders(data).map_err(failed("cannot read the data directory"))?;
        let damaged = |why: String| StoreError::Damaged { key: POINTER.to_owned(), why };
        let counts = match fs::read_to_string(data.join(POINTER)) {
            Ok(text) => {
                let counts = text.trim().parse().map_err(|_| damaged(format!("'{}' is no number", text.trim())))?;
                if !there.contains(&counts) {
                    return Err(damaged(format!("it names the folder {}, which is not there", name(counts))));
                }
                counts
            }
            Err(error) if error.kind() == ErrorKind::NotFound => {
                if let Some(&other) = there.first().filter(|&&first| first != 0) {
                    return Err(damaged(format!("it is missing, and there is a folder {}", name(other))));
                }
                0
            }
            Err(error) => return Err(failed("cannot read which store counts")(error)),
        };
        Self::open(data, counts, cache)
    }

    /// Removes the others: what an unfinished rewriting left, or what was replaced. Only once this one is known to be whole.
    pub(super) fn remove_others(&self, data: &Path) -> Result<(), StoreError> {
        let there = folders(data).map_err(failed("cannot read the data directory"))?;
        for other in there.into_iter().filter(|&number| number != self.number) {
            fs::remove_dir_all(data.join(name(other))).map_err(failed("cannot remove a store that was replaced"))?;
        }
        Ok(())
    }

    /// An empty one with the next number.
    pub(super) fn next(&self, data: &Path, cache: u64) -> Result<Self, StoreError> {
        let next = self.number + 1;
        match fs::remove_dir_all(data.join(name(next))) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                Err(failed("cannot remove what is left of an earlier rewriting")(error))
            }
            _ => Self::open(data, next, cache).inspect_err(|_| {
                let _ = fs::remove_dir_all(data.join(name(next))); // the failure itself is told
            }),
        }
    }

    fn open(data: &Path, number: u64, cache: u64) -> Result<Self, StoreError> {
        let path = data.join(name(number));
        remove_unfinished(&path)?;
        let tree = open_tree(&path, cache)?;
        if tree.is_empty() {
            sync_names(data, &path)?;
        }
        let files = Files::open(&path).map_err(failed("cannot sync the files of the store"))?;
        let folder = Folder { path, is_superseded: AtomicBool::new(false) };
        Ok(Self { tree, folder, number, files })
    }

    /// Its folder is removed when nobody reads in it any more.
    pub(super) fn supersede(&self) {
        self.folder.is_superseded.store(true, Ordering::Relaxed);
    }

    /// Whether it does.
    pub(super) fn is_superseded(&self) -> bool {
        self.folder.is_superseded.load(Ordering::Relaxed)
    }

    /// Its folder stays.
    pub(super) fn keep(&self) {
        self.folder.is_superseded.store(false, Ordering::Relaxed);
    }

    /// Makes everything ready to name it; the other one still counts.
    pub(super) fn be_ready_to_count(&self, data: &Path) -> Result<(), StoreError> {
        let write = || {
            sync(&self.folder.path)?;
            let mut file = File::create(data.join(NEXT_POINTER))?;
            writeln!(file, "{}", self.number)?;
            file.sync_all()?;
            sync(data) // the folder that is about to be named
        };
        write().map_err(failed("cannot prepare to name the store that was written anew"))
    }

    /// From when this returns on, the one that was made ready counts. An error says nothing about which one does.
    pub(super) fn ready_one_counts(data: &Path) -> Result<(), StoreError> {
        fs::rename(data.join(NEXT_POINTER), data.join(POINTER))
            .and_then(|()| sync(data))
            .map_err(failed("cannot name the store that was written anew"))
    }

    /// Returns when everything written before is on the disk.
    pub(super) fn sync(&self) -> Result<(), StoreError> {
        let failed = |error: io::Error| StoreError::Disk((&error).into());
        self.files.sync_blobs().map_err(failed)?; // first what the log refers to
        self.tree.flush()?;
        self.files.sync().map_err(failed)
    }

    /// Removes its folder without closing it: its memory and its handle of an empty file stay until the process ends.
    ///
    /// When the disk has no room for a blob, sled's writer has entered a buffer of the log and does not leave it. Closing the
    /// database waits for that buffer, for ever, and holds a lock that batches of every database in the process wait for.
    pub(super) fn leave_behind(self) {
        let removed = OpenOptions::new()
            .write(true)
            .open(self.folder.path.join("db"))
            .and_then(|log| log.set_len(0)) // what is open keeps its room
            .and_then(|()| fs::remove_dir_all(&self.folder.path));
        if let Err(error) = removed {
            warn!(folder = %self.folder.path.display(), %error, "what was written anew in vain is removed at the next start");
        }
        std::mem::forget(self);
    }
}

/// The folder of the store that counts, for whoever only looks. If what names it cannot be believed, the only one that is
/// there; of several none is guessed, for one of them may be a copy that was never finished.
pub(super) fn folder_that_counts(data: &Path) -> io::Result<String> {
    let there = folders(data)?;
    let named = match fs::read_to_string(data.join(POINTER)) {
        Err(error) if error.kind() == ErrorKind::NotFound && (there.contains(&0) || there.is_empty()) => Some(0),
        read => read.ok().and_then(|text| text.trim().parse().ok()).filter(|number| there.contains(number)),
    };
    let only = || there.first().copied().filter(|_| there.len() == 1);
    named.or_else(only).map(name).ok_or_else(|| {
        let names: Vec<String> = there.iter().copied().map(name).collect();
        let text = format!(
            "{} is missing or damaged, and the folders {} are there: write the number of the one that counts into it (0 is db)",
            POINTER,
            names.join(", ")
        );
        io::Error::new(ErrorKind::InvalidData, text)
    })
}

/// Whether there is a store in a data directory, of whatever generation.
pub fn is_there(data: &Path) -> bool {
    folders(data).is_ok_and(|there| !there.is_empty())
}

/// What names the folder goes: it is `db` from now on.
pub(super) fn forget_name(data: &Path) -> io::Result<()> {
    match fs::remove_file(data.join(POINTER)) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// The numbers of the folders of `data` that are of a store.
fn folders(data: &Path) -> io::Result<BTreeSet<u64>> {
    let mut found = BTreeSet::new();
    for entry in fs::read_dir(data)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            found.extend(entry.file_name().to_str().and_then(number));
        }
    }
    Ok(found)
}

/// Removes snapshots that were not finished. Nothing depends on them: the one before goes only behind the new one.
fn remove_unfinished(db: &Path) -> Result<(), StoreError> {
    let failed = |source| StoreError::File { what: "cannot look through the folder of the store".to_owned(), source };
    let entries = match fs::read_dir(db) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        entries => entries.map_err(failed)?,
    };
    for entry in entries {
        let path = entry.map_err(failed)?.path();
        if path.extension().is_some_and(|ending| ending == "generating") {
            fs::remove_file(&path).map_err(failed)?;
            warn!(file = %path.display(), "a snapshot was not finished when the process ended; the one before is used");
        }
    }
    Ok(())
}

/// Makes durable that the files of a new store are there, and its settings.
fn sync_names(folder: &Path, db: &Path) -> Result<(), StoreError> {
    for path in [&db.join("conf"), db, folder, folder_of(folder)] {
        sync(path).map_err(|source| StoreError::File { what: format!("cannot sync {}", path.display()), source })?;
    }
    Ok(())
}

/// Opens sled's files. A database that this process closed a moment ago may still be held by a thread of sled's that is
/// about to end; nobody else can have it, for our lock is taken.
pub(super) fn open_tree(path: &Path, cache: u64) -> Result<sled::Db, StoreError> {
    let config =
        sled::Config::new().path(path).cache_capacity(cache).mode(sled::Mode::HighThroughput).flush_every_ms(None); // we say when
    let begun = Instant::now();
    loop {
        match guarded(|| Ok(config.open())) {
            Ok(Err(sled::Error::Io(error)))
                if error.to_string().contains("could not acquire lock") && begun.elapsed() < HELD =>
            {
                thread::sleep(Duration::from_millis(10));
            }
            opened => return opened.and_then(|opened| Ok(opened?)).map_err(StoreError::unopened),
        }
    }
}
