//! The store on disk: sled, in a data directory that one process has to itself.
//!
//! **Promises.** The directory is locked before anything in it is read; a second process is told who has it. After a
//! failed write or sync nothing more is written: a memory that may differ from the disk must not go on being added to.
//! A store that has lost what was synced is not opened (`witness`), and where sled panics over what it reads, that is an
//! error like any other.
//!
//! A sync is one of the disk, which those share who ask for it at the same time ([`group`](super::group)).
//!
//! **What is assumed of the disk.** A file system call that syncs returns after the data are on stable storage, and a
//! rename within a folder is atomic. sled writes a log with checksums and recovers to the last whole batch. That its
//! flush is a sync is *not* assumed, for it is none on Linux ([`files`]).

use std::collections::BTreeSet;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{Read as _, Write as _};
use std::ops::Bound;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, RwLock};
use std::thread;
use std::time::{Duration, Instant};

use tracing::{error, info, warn};

use super::doubt::Doubt;
use super::generation::{self, Generation};
use super::group::Group;
use super::log::Log;
use super::witness::{self, Testimony, Witness};
use super::{
    Batch, Entry, FORMAT_VERSION, Failure, Scan, Store, StoreError, Tidied, decode, encode, files, keys, rewrite,
};

/// In the data directory, while a repaired store takes the place of the damaged one.
pub(super) const REPAIR: &str = "fsck/swap";

/// A data directory with its database open and its lock held.
#[derive(Debug)]
pub struct Disk {
    pub(super) current: RwLock<Arc<Generation>>,
    /// Held by whoever writes. While the store is copied: the keys written since then.
    changed: Mutex<Option<BTreeSet<Vec<u8>>>>,
    /// What the records took when they were last measured; held while the store is written anew.
    pub(super) measured: Mutex<u64>,
    /// A copy of the store that failed is in memory still.
    pub(super) has_left_behind: AtomicBool,
    pub(super) folder: PathBuf,
    pub(super) cache: u64,
    group: Group,
    /// A write or sync has failed: what is on the disk is not known any more.
    lost: OnceLock<Failure>,
    doubt: Doubt,
    alarm: Alarm,
    /// The number of the last sync that was begun, and whether something was written since; changed while `changed` is held.
    n_syncs: AtomicU64,
    is_written: AtomicBool,
    witness: Witness,
    /// Behind `current`: what closes it if it has failed.
    closing: Closing,
    _lock: File,
}

/// The database of a store that has failed, which is held to be closed with a deadline.
///
/// sled flushes as it closes. Where a writer of its has had no room for a page of more than 128 KiB it waits then for a buffer of
/// its log that nobody will finish, and so does every batch in the process.
#[derive(Debug, Default)]
struct Closing(OnceLock<sled::Db>);

impl Drop for Closing {
    fn drop(&mut self) {
        let Some(database) = self.0.take() else { return };
        let close = move || {
            guarded(move || {
                drop(database);
                Ok(())
            })
        };
        if in_time(close).is_none() {
            error!("a store that has failed cannot be closed: the program has to be started again");
            IS_LEFT_OPEN.store(true, Ordering::Relaxed);
        }
    }
}

/// A store could not be closed in this process.
static IS_LEFT_OPEN: AtomicBool = AtomicBool::new(false);

/// Whether a store that has failed could not be closed in this process, so that it cannot be opened again.
pub fn is_left_open() -> bool {
    IS_LEFT_OPEN.load(Ordering::Relaxed)
}

/// Who is told that the store has failed.
#[derive(Default)]
struct Alarm(OnceLock<Box<dyn Fn() + Send + Sync>>);

impl std::fmt::Debug for Alarm {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Alarm")
    }
}

impl From<sled::Error> for StoreError {
    fn from(error: sled::Error) -> Self {
        match error {
            sled::Error::Corruption { at: Some(at), .. } => Self::Unreadable(format!(" at {at:?} of its log")),
            sled::Error::Corruption { at: None, .. } => Self::Unreadable(String::new()),
            sled::Error::Io(error) => Self::Disk((&error).into()),
            error => Self::Backend(error.to_string()),
        }
    }
}

impl Disk {
    /// Opens the data directory `folder`, making it if it is not there, with at most `cache` bytes of page cache.
    pub fn open(folder: &Path, cache: u64) -> Result<Self, StoreError> {
        let failed = |source| StoreError::File { what: "cannot make the data directory".to_owned(), source };
        fs::create_dir_all(folder).map_err(failed)?;
        let lock = lock(&folder.join("lock"))?;
        if folder.join(REPAIR).exists() {
            return Err(StoreError::HalfRepaired);
        }
        let doubt = dispel_doubt(folder)?;
        examine(folder)?;
        let current = Generation::current(folder, cache)?;
        let n_syncs = n_syncs(&current.tree)?;
        let disk = Self {
            current: RwLock::new(Arc::new(current)),
            changed: Mutex::default(),
            measured: Mutex::default(),
            has_left_behind: AtomicBool::new(false),
            folder: folder.to_owned(),
            cache,
            group: Group::default(),
            lost: OnceLock::new(),
            doubt,
            alarm: Alarm::default(),
            n_syncs: AtomicU64::new(n_syncs),
            is_written: AtomicBool::new(false),
            witness: attest(&folder.join("witness"), n_syncs)?,
            closing: Closing::default(),
            _lock: lock,
        };
        disk.generation().remove_others(folder)?;
        disk.check_version()?;
        Ok(disk)
    }

    /// Has `tell` called, once, when the store takes no more changes; it must not wait for the store.
    pub fn tell_of_failure(&self, tell: impl Fn() + Send + Sync + 'static) {
        if self.alarm.0.set(Box::new(tell)).is_err() {
            warn!("somebody is told of a failure of the store already");
        }
    }

    /// The store as it counts now.
    pub(super) fn generation(&self) -> Arc<Generation> {
        Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner))
    }

    pub(super) fn lock_changed(&self) -> MutexGuard<'_, Option<BTreeSet<Vec<u8>>>> {
        self.changed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes no more changes: whatever is added to a disk of which nothing is known could be lost with it.
    pub(super) fn lose(&self, error: &StoreError) {
        let failure = error.failure().unwrap_or_else(|| Failure::of(error.to_string()));
        if self.lost.set(failure).is_ok() {
            let _ = self.closing.0.set(self.generation().tree.clone()); // it is the first
            error!(%error, "the store takes no more changes until it is opened again");
            if let Err(error) = self.doubt.raise() {
                warn!(%error, "it cannot be noted that the store is in doubt: whoever opens it after a kill does not know");
            }
            if let Some(tell) = self.alarm.0.get() {
                tell();
            }
        }
    }

    /// Reading failed by the disk: perhaps because sled, which writes in threads of its own, had failed to write before, and
    /// tells whoever comes first. Another sync finds out; a place that cannot be read is no reason to give up the others.
    fn suspect(&self, error: &StoreError) {
        let Some(failure) = error.failure().filter(|_| self.lost.get().is_none()) else { return };
        if failure.is_full {
            return self.lose(error); // whoever reads asks for no room: sled wrote a page in two, and did not come to the end of it
        }
        let tree = self.generation().tree.clone();
        match in_time(move || guarded(|| Ok(tree.flush()?))) {
            Some(Ok(_)) => {}
            Some(Err(error)) => self.lose(&error),
            None => self.lose(error),
        }
    }

    /// Entries that keep the store they are read from.
    fn entries(
        &self,
        generation: Arc<Generation>,
        iter: sled::Iter,
    ) -> impl Iterator<Item = Result<Entry, StoreError>> {
        all(iter).inspect(move |entry| {
            let _kept = &generation;
            if let Err(error) = entry {
                self.suspect(error);
            }
        })
    }

    pub(super) fn check(&self) -> Result<(), StoreError> {
        self.lost.get().map_or(Ok(()), |failure| Err(StoreError::Lost(failure.clone())))
    }

    /// Gives the sync that begins a number, which is written before it; none if nothing was written since the last one.
    fn begin_sync(&self) -> Result<Option<u64>, StoreError> {
        let mut changed = self.lock_changed();
        if !self.is_written.swap(false, Ordering::Relaxed) {
            return Ok(None);
        }
        let (key, number) = (keys::last_sync(), self.n_syncs.load(Ordering::Relaxed) + 1);
        if let Some(keys) = &mut *changed {
            keys.insert(key.clone());
        }
        guarded(|| Ok(self.generation().tree.insert(&key, encode(&key, &number))?))?;
        self.n_syncs.store(number, Ordering::Relaxed);
        Ok(Some(number))
    }

    fn sync_once(&self) -> Result<(), StoreError> {
        let number = self.begin_sync()?;
        guarded(|| self.generation().sync())?;
        if let Some(Err(error)) = number.map(|number| self.witness.note(number)) {
            warn!(%error, "the store's witness is not written: a later loss may go unseen");
        }
        Ok(())
    }

    /// Refuses a store of another format; marks a new one with ours.
    fn check_version(&self) -> Result<(), StoreError> {
        match self.get(&keys::version())?.as_deref() {
            None if self.generation().tree.is_empty() => {
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

/// The number of the last sync that the store knows of.
pub(super) fn n_syncs(tree: &sled::Db) -> Result<u64, StoreError> {
    let key = keys::last_sync();
    let value = guarded(|| Ok(tree.get(&key)?))?;
    value.map_or(Ok(0), |value| decode(&key, &value))
}

/// Has the disk hold what the files of a store read as, if that is in doubt.
fn dispel_doubt(data: &Path) -> Result<Doubt, StoreError> {
    let failed = |source| StoreError::File { what: "cannot find out whether the store is in doubt".to_owned(), source };
    let doubt = Doubt::open(&data.join("doubt")).map_err(failed)?;
    if doubt.is_raised().map_err(failed)? {
        let failed = |source| StoreError::File { what: "cannot write the files of the store again".to_owned(), source };
        let folder = data.join(generation::folder_that_counts(data).map_err(failed)?);
        let bytes = if folder.exists() { files::write_again(&folder).map_err(failed)? } else { 0 };
        doubt.settle().map_err(failed)?;
        info!(bytes, "a write or sync of the store had failed: its files are written again");
    }
    Ok(doubt)
}

/// Refuses a store whose log is damaged before its end: sled would leave out a part of it and not say so.
fn examine(data: &Path) -> Result<(), StoreError> {
    let failed = |source| StoreError::File { what: "cannot read the log of the store".to_owned(), source };
    let Testimony::Synced(synced) = witness::hear(&data.join("witness")).map_err(failed)? else { return Ok(()) };
    let Ok(name) = generation::folder_that_counts(data) else { return Ok(()) }; // whoever opens it says what is wrong
    let log = Log::open(&data.join(name)).map_err(failed)?;
    match log.map(|log| log.first_damage(synced)).transpose().map_err(failed)?.flatten() {
        Some(at) => Err(StoreError::Unreadable(format!(" at {at} of its log"))),
        None => Ok(()),
    }
}

/// Opens the witness of a store, unless it says that the store has lost something.
fn attest(path: &Path, found: u64) -> Result<Witness, StoreError> {
    let failed = |source| StoreError::File { what: "cannot read or write the store's witness".to_owned(), source };
    match witness::hear(path).map_err(failed)? {
        Testimony::Synced(synced) if synced > found => return Err(StoreError::Behind { found, synced }),
        Testimony::Missing if found > 0 => warn!("the store has no witness: it is not known whether it is whole"),
        Testimony::Damaged => warn!("the store's witness is damaged: it is not known whether the store is whole"),
        Testimony::Synced(_) | Testimony::Missing => {}
    }
    Witness::open(path, found).map_err(failed)
}

/// What `work` does in sled; where that panics over damage it is an error.
pub(super) fn guarded<T>(work: impl FnOnce() -> Result<T, StoreError>) -> Result<T, StoreError> {
    // sled is not asked to change anything after a panic: the store is lost then, or was being read.
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| {
        let said = panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref::<&str>().copied());
        Err(StoreError::Backend(said.unwrap_or("it gave up without a reason").to_owned()))
    })
}

/// The longest that is waited for sled where it may never answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// What `work` comes to, if that takes no longer; else it goes on in a thread of its own.
fn in_time<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Option<T> {
    let (tell, told) = mpsc::channel();
    let work = move || drop(tell.send(work())); // perhaps nobody waits for it any more
    thread::Builder::new().name("store".to_owned()).spawn(work).ok()?;
    told.recv_timeout(PATIENCE).ok()
}

/// How long a lock may take to become free: a killed process leaves it a moment later than its socket, and a child
/// that is being started holds it until it runs a program of its own.
const LOCK_PATIENCE: Duration = Duration::from_secs(1);

/// Takes the lock file, and leaves the process number in it for whoever comes second.
pub(super) fn lock(path: &Path) -> Result<File, StoreError> {
    let failed = |source| StoreError::File { what: "cannot lock the data directory".to_owned(), source };
    let mut file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path).map_err(failed)?;
    let begun = Instant::now();
    loop {
        match file.try_lock() {
            Ok(()) => break,
            Err(TryLockError::WouldBlock) if begun.elapsed() < LOCK_PATIENCE => thread::sleep(LOCK_PATIENCE / 50),
            Err(TryLockError::WouldBlock) => {
                let mut holder = String::new();
                let _ = file.read_to_string(&mut holder); // only for the message
                let holder = holder.trim();
                return Err(StoreError::Locked(if holder.is_empty() { String::new() } else { format!(" ({holder})") }));
            }
            Err(TryLockError::Error(source)) => return Err(failed(source)),
        }
    }
    file.set_len(0).map_err(failed)?;
    write!(file, "process {}", std::process::id()).map_err(failed)?;
    Ok(file)
}

fn owned(entry: sled::Result<(sled::IVec, sled::IVec)>) -> Result<Entry, StoreError> {
    let (key, value) = entry?;
    Ok((key.to_vec(), value.to_vec()))
}

/// The entries of sled's iterator; where that panics or fails they end with an error.
pub(super) fn all(
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

/// A change of one key is whole by itself. As a batch it would close the buffer of sled's log, and as many buffers as
/// there are jobs would be written one behind the other where one would do.
fn write_one(tree: &sled::Db, batch: Batch) -> sled::Result<()> {
    for (key, value) in batch {
        match value {
            Some(value) => tree.insert(key, value)?,
            None => tree.remove(key)?,
        };
    }
    Ok(())
}

fn write_all(tree: &sled::Db, batch: Batch) -> sled::Result<()> {
    let mut sled_batch = sled::Batch::default();
    for (key, value) in batch {
        match value {
            Some(value) => sled_batch.insert(key, value),
            None => sled_batch.remove(key),
        }
    }
    tree.apply_batch(sled_batch)
}

impl Store for Disk {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        let get = || Ok(self.generation().tree.get(key)?.map(|value| value.to_vec()));
        guarded(get).inspect_err(|error| self.suspect(error))
    }

    fn scan(&self, prefix: &[u8]) -> Scan<'_> {
        let generation = self.generation();
        let iter = generation.tree.scan_prefix(prefix);
        Box::new(self.entries(generation, iter))
    }

    fn scan_behind(&self, prefix: &[u8], after: &[u8]) -> Scan<'_> {
        let prefix = prefix.to_vec();
        let is_inside =
            move |entry: &Result<Entry, StoreError>| entry.as_ref().map_or(true, |(key, _)| key.starts_with(&prefix));
        let generation = self.generation();
        let iter = generation.tree.range::<Vec<u8>, _>((Bound::Excluded(after.to_vec()), Bound::Unbounded));
        Box::new(self.entries(generation, iter).take_while(is_inside))
    }

    fn write(&self, batch: Batch) -> Result<(), StoreError> {
        let mut changed = self.lock_changed(); // sled too makes one batch wait for the other
        if let Some(keys) = &mut *changed {
            keys.extend(batch.iter().map(|(key, _)| key.to_vec()));
            if keys.len() > rewrite::MANY {
                *changed = None;
            }
        }
        self.check()?;
        let tree = &self.generation().tree;
        let write = || Ok(if batch.len() == 1 { write_one(tree, batch) } else { write_all(tree, batch) }?);
        self.is_written.store(true, Ordering::Relaxed);
        guarded(write).inspect_err(|error| self.lose(error))
    }

    fn sync(&self) -> Result<(), StoreError> {
        self.check()?;
        self.group.sync(|| self.sync_once()).inspect_err(|error| self.lose(error))
    }

    fn failure(&self) -> Option<Failure> {
        self.lost.get().cloned()
    }

    fn bytes(&self) -> Result<u64, StoreError> {
        self.check()?;
        Ok(self.generation().tree.size_on_disk()?)
    }

    fn tidy(&self, is_wanted: &dyn Fn() -> bool) -> Result<Option<Tidied>, StoreError> {
        self.check()?;
        guarded(|| self.tidy_up(is_wanted)).inspect_err(|_| *self.lock_changed() = None)
    }
}

#[cfg(test)]
#[path = "disk_tests.rs"]
mod tests;
