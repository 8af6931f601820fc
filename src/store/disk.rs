//! The store on disk: sled, in a data directory that one process has to itself.
//!
//! **Promises.** The directory is locked before anything in it is read; a second process is told who has it. After a
//! failed write or sync nothing more is written: a memory that may differ from the disk must not go on being added to.
//! A store that has lost batches which were synced is not opened (`witness`), and where sled panics over what it reads,
//! that is an error like any other.
//!
//! **What is assumed of the disk.** A file system call that syncs returns after the data are on stable storage, and a
//! rename within a folder is atomic. sled writes a log with checksums and recovers to the last whole batch.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{Read as _, Write as _};
use std::ops::Bound;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use tracing::warn;

use super::witness::{self, Testimony, Witness};
use super::{Batch, Entry, FORMAT_VERSION, Scan, Store, StoreError, decode, keys};

/// The longest that a database closed by this process is taken to be held still.
const HELD: Duration = Duration::from_secs(5);

/// In the data directory, while a repaired store takes the place of the damaged one.
pub(super) const REPAIR: &str = "fsck/swap";

/// A data directory with its database open and its lock held.
#[derive(Debug)]
pub struct Disk {
    tree: sled::Db,
    /// A write or sync has failed: what is on the disk is not known any more.
    lost: AtomicBool,
    /// The number of the last batch; held while one is written, so that their order is that of their numbers.
    writing: Mutex<()>,
    n_batches: AtomicU64,
    witness: Witness,
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
        fs::create_dir_all(folder)
            .map_err(|source| StoreError::File { what: "cannot make the data directory".to_owned(), source })?;
        let lock = lock(&folder.join("lock"))?;
        if folder.join(REPAIR).exists() {
            return Err(StoreError::HalfRepaired);
        }
        let tree = open_tree(&folder.join("db"), cache)?;
        let n_batches = n_batches(&tree)?;
        let witness = attest(&folder.join("witness"), n_batches)?;
        let (writing, n_batches) = (Mutex::new(()), AtomicU64::new(n_batches));
        let disk = Self { tree, lost: AtomicBool::new(false), writing, n_batches, witness, _lock: lock };
        disk.check_version()?;
        Ok(disk)
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

/// The number of the last batch in the store.
pub(super) fn n_batches(tree: &sled::Db) -> Result<u64, StoreError> {
    let key = keys::last_batch();
    let value = guarded(|| Ok(tree.get(&key)?))?;
    value.map_or(Ok(0), |value| decode(&key, &value))
}

/// Opens the witness of a store, unless it says that the store has lost something.
fn attest(path: &Path, n_batches: u64) -> Result<Witness, StoreError> {
    let failed = |source| StoreError::File { what: "cannot read or write the store's witness".to_owned(), source };
    match witness::hear(path).map_err(failed)? {
        Testimony::Synced(synced) if synced > n_batches => {
            return Err(StoreError::Behind { found: n_batches, synced });
        }
        Testimony::Missing if n_batches > 0 => warn!("the store has no witness: it is not known whether it is whole"),
        Testimony::Damaged => warn!("the store's witness is damaged: it is not known whether the store is whole"),
        Testimony::Synced(_) | Testimony::Missing => {}
    }
    Witness::open(path, n_batches).map_err(failed)
}

/// What `work` does in sled; where that panics over damage it is an error.
pub(super) fn guarded<T>(work: impl FnOnce() -> Result<T, StoreError>) -> Result<T, StoreError> {
    // sled is not asked to change anything after a panic: the store is lost then, or was being read.
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| {
        let said = panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref::<&str>().copied());
        Err(StoreError::Backend(said.unwrap_or("it gave up without a reason").to_owned()))
    })
}

/// Takes the lock file, and leaves the process number in it for whoever comes second.
pub(super) fn lock(path: &Path) -> Result<File, StoreError> {
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

/// The entries of sled's iterator; where that panics the scan ends with an error.
pub(super) fn entries(
    mut inner: impl Iterator<Item = sled::Result<(sled::IVec, sled::IVec)>>,
) -> impl Iterator<Item = Result<Entry, StoreError>> {
    let mut has_failed = false;
    std::iter::from_fn(move || {
        if has_failed {
            return None;
        }
        let entry = guarded(|| inner.next().map(owned).transpose()).transpose();
        has_failed = entry.as_ref().is_some_and(Result::is_err);
        entry
    })
}

impl Store for Disk {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        guarded(|| Ok(self.tree.get(key)?.map(|value| value.to_vec())))
    }

    fn scan(&self, prefix: &[u8]) -> Scan<'_> {
        Box::new(entries(self.tree.scan_prefix(prefix)))
    }

    fn scan_behind(&self, prefix: &[u8], after: &[u8]) -> Scan<'_> {
        let prefix = prefix.to_vec();
        let is_inside =
            move |entry: &Result<Entry, StoreError>| entry.as_ref().map_or(true, |(key, _)| key.starts_with(&prefix));
        let behind = (Bound::Excluded(after.to_vec()), Bound::Unbounded);
        Box::new(entries(self.tree.range::<Vec<u8>, _>(behind)).take_while(is_inside))
    }

    fn write(&self, mut batch: Batch) -> Result<(), StoreError> {
        if batch.is_empty() {
            return self.check();
        }
        let _writing = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        let number = self.n_batches.load(Ordering::Relaxed) + 1;
        batch.record(&keys::last_batch(), &number);
        let mut sled_batch = sled::Batch::default();
        for (key, value) in batch {
            match value {
                Some(value) => sled_batch.insert(key, value),
                None => sled_batch.remove(key),
            }
        }
        self.check()?;
        guarded(|| Ok(self.tree.apply_batch(sled_batch)?)).inspect_err(|_| self.lose())?;
        self.n_batches.store(number, Ordering::Release);
        Ok(())
    }

    fn sync(&self) -> Result<(), StoreError> {
        self.check()?;
        let number = self.n_batches.load(Ordering::Acquire);
        guarded(|| Ok(self.tree.flush()?)).inspect_err(|_| self.lose())?;
        if let Err(error) = self.witness.note(number) {
            warn!(%error, "the store's witness is not written: a later loss may go unseen");
        }
        Ok(())
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
    fn a_store_that_has_lost_synced_batches_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let commit = |disk: &Disk| {
            let mut batch = Batch::new();
            batch.put(b"k".to_vec(), vec![1]);
            disk.commit(batch).unwrap();
        };
        commit(&Disk::open(folder.path(), CACHE).unwrap());
        fs::copy(path("witness"), path("older")).unwrap();
        let disk = Disk::open(folder.path(), CACHE).unwrap();
        (0..3).for_each(|_| commit(&disk));
        drop(disk);
        fs::copy(path("witness"), path("newer")).unwrap();
        fs::rename(path("older"), path("witness")).unwrap();
        drop(Disk::open(folder.path(), CACHE).unwrap()); // a witness may be behind
        fs::rename(path("db"), path("away")).unwrap();
        let error = Disk::open(folder.path(), CACHE).unwrap_err();
        assert!(matches!(error, StoreError::Behind { found: 0, synced: 5 }), "{error}");
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
