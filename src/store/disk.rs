//! The store on disk: sled, in a data directory that one process has to itself.
//!
//! **Promises.** The directory is locked before anything in it is read; a second process is told who has it. After a
//! failed write or sync nothing more is written: a memory that may differ from the disk must not go on being added to.
//!
//! A sync is one of the disk, which those share who ask for it at the same time ([`group`](super::group)).
//!
//! **What is assumed of the disk.** A file system call that syncs returns after the data are on stable storage, and a
//! rename within a folder is atomic. sled writes a log with checksums and recovers to the last whole batch. That its
//! flush is a sync is *not* assumed, for it is none on Linux ([`files`](super::files)).

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{Read as _, Write as _};
use std::ops::Bound;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::files::Files;
use super::group::Group;
use super::{Batch, Entry, FORMAT_VERSION, Scan, Store, StoreError, keys};

/// The longest that a database closed by this process is taken to be held still.
const HELD: Duration = Duration::from_secs(5);

/// A data directory with its database open and its lock held.
#[derive(Debug)]
pub struct Disk {
    tree: sled::Db,
    files: Files,
    group: Group,
    /// A write or sync has failed: what is on the disk is not known any more.
    lost: AtomicBool,
    _lock: File,
}

impl From<sled::Error> for StoreError {
    fn from(error: sled::Error) -> Self {
        Self::Backend(error.to_string())
    }
}

impl Disk {
    /// Opens the data directory `folder`, making it if it is not there, with at most `cache` bytes of page cache.
    pub fn open(folder: &Path, cache: u64) -> Result<Self, StoreError> {
        let failed = |source| StoreError::File { what: "cannot make the data directory".to_owned(), source };
        fs::create_dir_all(folder).map_err(failed)?;
        let lock = lock(&folder.join("lock"))?;
        let tree = open_tree(&folder.join("db"), cache)?;
        let files = Files::open(&folder.join("db")).map_err(failed)?;
        let disk = Self { tree, files, group: Group::default(), lost: AtomicBool::new(false), _lock: lock };
        disk.check_version()?;
        Ok(disk)
    }

    /// A change of one key is whole by itself. As a batch it would close the buffer of sled's log, and as many buffers as
    /// there are jobs would be written one behind the other where one would do.
    fn write_one(&self, batch: Batch) -> sled::Result<()> {
        for (key, value) in batch {
            match value {
                Some(value) => self.tree.insert(key, value)?,
                None => self.tree.remove(key)?,
            };
        }
        Ok(())
    }

    fn write_all(&self, batch: Batch) -> sled::Result<()> {
        let mut sled_batch = sled::Batch::default();
        for (key, value) in batch {
            match value {
                Some(value) => sled_batch.insert(key, value),
                None => sled_batch.remove(key),
            }
        }
        self.tree.apply_batch(sled_batch)
    }

    fn lose(&self) {
        self.lost.store(true, Ordering::Relaxed);
    }

    fn check(&self) -> Result<(), StoreError> {
        let is_lost = self.lost.load(Ordering::Relaxed);
        if is_lost { Err(StoreError::Lost) } else { Ok(()) }
    }

    /// Refuses a store of another format; marks a new one with ours.
    fn check_version(&self) -> Result<(), StoreError> {
        match self.get(&keys::version())?.as_deref() {
            None if self.tree.is_empty() => {
                let mut batch = Batch::new();
                batch.put(keys::version(), vec![FORMAT_VERSION]);
                self.commit(batch)
            }
            None => Err(StoreError::Damaged { key: "v".to_owned(), why: "the format version is missing".to_owned() }),
            Some([FORMAT_VERSION]) => Ok(()),
            Some(other) => Err(StoreError::Format { found: other.first().copied().unwrap_or(0) }),
        }
    }
}

/// Opens sled's files. A database that this process closed a moment ago may still be held by a thread of sled's that is
/// about to end; nobody else can have it, for our lock is taken.
fn open_tree(path: &Path, cache: u64) -> Result<sled::Db, StoreError> {
    let config =
        sled::Config::new().path(path).cache_capacity(cache).mode(sled::Mode::HighThroughput).flush_every_ms(None); // we say when
    let begun = Instant::now();
    loop {
        match config.open() {
            Err(sled::Error::Io(error))
                if error.to_string().contains("could not acquire lock") && begun.elapsed() < HELD =>
            {
                thread::sleep(Duration::from_millis(10));
            }
            opened => return Ok(opened?),
        }
    }
}

/// Takes the lock file, and leaves the process number in it for whoever comes second.
fn lock(path: &Path) -> Result<File, StoreError> {
    let failed = |source| StoreError::File { what: "cannot lock the data directory".to_owned(), source };
    let mut file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path).map_err(failed)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let mut holder = String::new();
            let _ = file.read_to_string(&mut holder); // only for the message
            let holder = holder.trim();
            return Err(StoreError::Locked(if holder.is_empty() { String::new() } else { format!(" ({holder})") }));
        }
        Err(TryLockError::Error(source)) => return Err(failed(source)),
    }
    file.set_len(0).map_err(failed)?;
    write!(file, "process {}", std::process::id()).map_err(failed)?;
    Ok(file)
}

fn owned(entry: sled::Result<(sled::IVec, sled::IVec)>) -> Result<Entry, StoreError> {
    let (key, value) = entry?;
    Ok((key.to_vec(), value.to_vec()))
}

impl Store for Disk {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self.tree.get(key)?.map(|value| value.to_vec()))
    }

    fn scan(&self, prefix: &[u8]) -> Scan<'_> {
        Box::new(self.tree.scan_prefix(prefix).map(owned))
    }

    fn scan_behind(&self, prefix: &[u8], after: &[u8]) -> Scan<'_> {
        let prefix = prefix.to_vec();
        let is_inside =
            move |entry: &Result<Entry, StoreError>| entry.as_ref().map_or(true, |(key, _)| key.starts_with(&prefix));
        let behind = (Bound::Excluded(after.to_vec()), Bound::Unbounded);
        Box::new(self.tree.range::<Vec<u8>, _>(behind).map(owned).take_while(is_inside))
    }

    fn write(&self, batch: Batch) -> Result<(), StoreError> {
        self.check()?;
        let written = if batch.len() == 1 { self.write_one(batch) } else { self.write_all(batch) };
        Ok(written.inspect_err(|_| self.lose())?)
    }

    fn sync(&self) -> Result<(), StoreError> {
        self.check()?;
        self.group
            .sync(|| {
                self.tree.flush()?;
                self.files.sync().map_err(|error| StoreError::Backend(error.to_string()))
            })
            .inspect_err(|_| self.lose())
    }

    fn bytes(&self) -> Result<u64, StoreError> {
        self.check()?;
        Ok(self.tree.size_on_disk()?)
    }
}

#[cfg(test)]
mod tests {
    use super::super::Memory;
    use super::*;
    use proptest::prelude::*;

    const CACHE: u64 = 8 << 20;

    #[test]
    fn a_second_process_is_told_who_has_the_directory() {
        let folder = tempfile::tempdir().unwrap();
        let first = Disk::open(folder.path(), CACHE).unwrap();
        let error = Disk::open(folder.path(), CACHE).unwrap_err().to_string();
        let holder = format!("(process {})", std::process::id());
        assert_eq!(error, format!("the data directory is in use by another process {holder}"));
        drop(first);
        Disk::open(folder.path(), CACHE).unwrap();
    }

    #[test]
    fn a_store_of_another_format_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let disk = Disk::open(folder.path(), CACHE).unwrap();
        let mut batch = Batch::new();
        batch.put(keys::version(), vec![77]);
        disk.commit(batch).unwrap();
        drop(disk);
        assert!(matches!(Disk::open(folder.path(), CACHE), Err(StoreError::Format { found: 77 })));
    }

    /// Short keys over few letters, so that they meet.
    fn key() -> impl Strategy<Value = Vec<u8>> {
        proptest::collection::vec(0u8..3, 1..4)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(16))]
        #[test]
        fn the_disk_and_its_twin_in_memory_say_the_same(
            batches in proptest::collection::vec(
                proptest::collection::vec((key(), proptest::option::of(any::<Vec<u8>>())), 0..6), 0..12),
            prefix in key(),
        ) {
            let folder = tempfile::tempdir().unwrap();
            let (mut disk, memory) = (Disk::open(folder.path(), CACHE).unwrap(), Memory::default());
            for changes in batches {
                let batch = Batch { changes };
                disk.commit(batch.clone()).unwrap();
                memory.commit(batch).unwrap();
            }
            for round in 0..2 {
                let on_disk: Vec<_> = disk.scan(&prefix).map(Result::unwrap).collect();
                let in_memory: Vec<_> = memory.scan(&prefix).map(Result::unwrap).collect();
                prop_assert_eq!(on_disk, in_memory, "round {}", round);
                let after = [&prefix[..], &[1]].concat();
                let on_disk: Vec<_> = disk.scan_behind(&prefix, &after).map(Result::unwrap).collect();
                let in_memory: Vec<_> = memory.scan_behind(&prefix, &after).map(Result::unwrap).collect();
                prop_assert_eq!(on_disk, in_memory, "round {}", round);
                drop(disk);
                disk = Disk::open(folder.path(), CACHE).unwrap();
            }
        }
    }
}
