//! The log of one running job: the units it has finished, appended as they are, read back after a kill.
//!
//! **Promises.** Appending costs about a microsecond and now and then a write; every few seconds one thread waits for
//! the disk, without the lock. A log that cannot be written is given up with a warning and removed: the job goes on.
//! After a kill the whole records before the first damaged one are found, and the log goes on behind them.
//!
//! **Why no record is waited for.** A unit that is lost is computed again; what is lost is at most what was finished since
//! the last write (a killed process) or sync (a power cut).

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tracing::{info, warn};

use super::format::{Head, Records, Unusable, put_record, read_head};
use crate::cluster::{Pair, Plan};
use crate::engine::files::sync;
use crate::engine::fingerprint::Print;

/// What is in memory is given to the system when it is as large or as old as this.
const MOST_HELD: usize = 1 << 18;
const LONGEST_HELD: Duration = Duration::from_millis(100);

/// What is read of the file at a time, at the start and when a record is asked for.
const SCANNED: usize = 1 << 20;
const ASKED: usize = 1 << 9;

/// A log that is open.
#[derive(Debug)]
pub(super) struct Log {
    path: PathBuf,
    file: File,
    head: Head,
    seed: u32,
    /// Where the record of each unit is that was found at the start, 0 if there is none; nothing if none was found.
    found: Vec<u64>,
    /// Where the records end that were found, and of how many units they are.
    found_end: u64,
    n_found: u64,
    every: Duration,
    tail: Mutex<Tail>,
    is_lost: AtomicBool,
}

/// The end of the log, where it grows.
#[derive(Debug)]
struct Tail {
    held: Vec<u8>,
    /// Units appended by this run.
    n_new: u64,
    written: Instant,
    synced: Instant,
    is_syncing: bool,
    /// Whether the file's name is on the disk.
    is_named: bool,
}

impl Log {
    /// Goes on with the log at `path` if it is of the same work, else begins a new one.
    pub(super) fn open(path: &Path, head: Head, prints: &[Print], every: Duration) -> io::Result<Self> {
        match Self::reopen(path, &head, prints, every) {
            Ok(log) => return Ok(log),
            Err(Unusable::Unreadable(error)) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => info!(%error, "the log of an earlier run is not used"),
        }
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(true).open(path)?;
        let mut writer = BufWriter::with_capacity(SCANNED, &file);
        writer.write_all(&head.to_bytes())?;
        writer.write_all(prints.as_flattened())?;
        writer.write_all(&head.sum_of(prints))?;
        writer.flush()?;
        drop(writer);
        let body = head.body();
        Ok(Self::with(path, file, head, Vec::new(), body, every))
    }

    fn with(path: &Path, file: File, head: Head, found: Vec<u64>, found_end: u64, every: Duration) -> Self {
        let now = Instant::now();
        let tail = Tail { held: Vec::new(), n_new: 0, written: now, synced: now, is_syncing: false, is_named: false };
        let (path, tail) = (path.to_owned(), Mutex::new(tail));
        let (seed, n_found) = (head.seed(), found.iter().filter(|&&at| at > 0).count() as u64);
        Self { path, file, head, seed, found, found_end, n_found, every, tail, is_lost: AtomicBool::new(false) }
    }

    fn reopen(path: &Path, head: &Head, prints: &[Print], every: Duration) -> Result<Self, Unusable> {
        let mut file = OpenOptions::new().read(true).write(true).open(path)?;
        if read_head(&file)? != *head {
            return Err(Unusable::Damaged("it is of other work"));
        }
        if head.read_prints(&file)? != prints {
            return Err(Unusable::Damaged("it is of other faces"));
        }
        let end = file.metadata()?.len();
        let mut records = Records::new(&file, head, head.body()..end, SCANNED);
        let (mut found, mut pairs) = (Vec::new(), Vec::new());
        let good_end = loop {
            let at = records.at();
            match records.next(&mut pairs) {
                Ok(Some(unit)) => {
                    found.resize(head.plan.units as usize, 0);
                    found[unit as usize] = at;
                }
                Ok(None) => break at,
                Err(error) => {
                    info!(%error, lost = end - at, "the log ends early; what is missing is done again");
                    break at;
                }
            }
        };
        file.set_len(good_end)?;
        file.seek(SeekFrom::End(0))?;
        Ok(Self::with(path, file, head.clone(), found, good_end, every))
    }

    /// What the work is.
    pub(super) fn plan(&self) -> &Plan {
        &self.head.plan
    }

    /// Where the record of a unit is that was found at the start.
    fn place(&self, unit: u64) -> Option<u64> {
        self.found.get(unit as usize).copied().filter(|&at| at > 0)
    }

    /// How many units were found at the start.
    pub(super) fn n_found(&self) -> u64 {
        self.n_found
    }

    /// How many units from `begin` on were.
    pub(super) fn n_found_from(&self, begin: u64) -> u64 {
        self.found.iter().skip(begin as usize).filter(|&&at| at > 0).count() as u64
    }

    /// The bytes of the log when it was opened.
    pub(super) fn found_bytes(&self) -> u64 {
        self.found_end
    }

    /// Sets `pairs` to what a unit found in an earlier run; whether that is known.
    pub(super) fn read(&self, unit: u64, pairs: &mut Vec<Pair>) -> bool {
        let Some(at) = self.place(unit) else { return false };
        let read = Records::new(&self.file, &self.head, at..self.found_end, ASKED).next(pairs);
        matches!(read, Ok(Some(found)) if found == unit)
    }

    /// Appends what a unit found. If this call made the log durable, says how many units this run has on the disk.
    pub(super) fn append(&self, unit: u64, pairs: &[Pair]) -> Option<u64> {
        if self.is_lost.load(Ordering::Relaxed) {
            return None;
        }
        let mut record = Vec::with_capacity(32);
        put_record(self.seed, unit, pairs, &mut record);
        let (n_new, is_named) = {
            let mut tail = self.tail();
            tail.held.append(&mut record);
            tail.n_new += 1;
            let now = Instant::now();
            // What follows the last unit may take long, and appends nothing.
            let is_last = self.n_found + tail.n_new == self.head.plan.units;
            let is_due = (is_last || now - tail.synced >= self.every) && !tail.is_syncing;
            if is_due || is_last || tail.held.len() >= MOST_HELD || now - tail.written >= LONGEST_HELD {
                self.write_held(&mut tail, now);
            }
            if !is_due || self.is_lost.load(Ordering::Relaxed) {
                return None;
            }
            tail.is_syncing = true;
            (tail.n_new, tail.is_named)
        };
        let synced = self
            .file
            .sync_data()
            .and_then(|()| if is_named { Ok(()) } else { self.path.parent().map_or(Ok(()), sync) });
        let mut tail = self.tail();
        (tail.is_syncing, tail.is_named, tail.synced) = (false, true, Instant::now());
        match synced {
            Ok(()) => Some(n_new),
            Err(error) => {
                self.give_up(&error.to_string());
                None
            }
        }
    }

    fn tail(&self) -> MutexGuard<'_, Tail> {
        self.tail.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn write_held(&self, tail: &mut Tail, now: Instant) {
        if let Err(error) = (&self.file).write_all(&tail.held) {
            self.give_up(&error.to_string());
        }
        tail.held.clear();
        tail.written = now;
    }

    /// Removes the log, with a warning the first time. The work goes on without.
    pub(super) fn give_up(&self, why: &str) {
        if !self.is_lost.swap(true, Ordering::Relaxed) {
            warn!(why, "the log of this job is given up; after a kill it would begin again");
            let _ = fs::remove_file(&self.path); // the next start tries again
            // The file is open still, and perhaps all that fills the disk. What was found can be computed.
            let _ = self.file.set_len(0);
        }
    }

    /// Writes and syncs what is in memory; whether the log is whole on the disk.
    pub(super) fn sync(&self) -> bool {
        self.write_held(&mut self.tail(), Instant::now());
        if let Err(error) = self.file.sync_data() {
            self.give_up(&error.to_string());
        }
        !self.is_lost.load(Ordering::Relaxed)
    }

    /// The bytes of the log now.
    pub(super) fn bytes(&self) -> u64 {
        self.file.metadata().map_or(0, |file| file.len())
    }
}

impl Drop for Log {
    /// A run that is put down in order leaves nothing to be done again.
    fn drop(&mut self) {
        if !self.is_lost.load(Ordering::Relaxed) {
            self.write_held(&mut self.tail(), Instant::now());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::ledger::kept::Kept;

    const UNITS: u64 = 9;
    const PRINTS: [Print; 3] = [[1; 16], [2; 16], [3; 16]];

    fn head() -> Head {
        let (floor, complete) = (0.25, 0.5);
        let plan = Plan { faces: 3, fresh: 3, side: 1, floor, complete, pieces: 0, units: UNITS };
        Head { plan, identity: [7; 32] }
    }

    fn open(path: &Path) -> Log {
        Log::open(path, head(), &PRINTS, Duration::ZERO).unwrap()
    }

    fn pairs_of(unit: u64) -> Vec<Pair> {
        [(0, 1), (0, 2), (1, 2)].into_iter().take(unit as usize % 4).collect()
    }

    /// A whole log, its units not in order.
    fn whole(path: &Path) -> Vec<u8> {
        let log = open(path);
        for unit in (0..UNITS).map(|at| at ^ 1).filter(|&unit| unit < UNITS).chain([8]) {
            log.append(unit, &pairs_of(unit));
        }
        drop(log);
        fs::read(path).unwrap()
    }

    /// What is found of a log, which is what was written.
    fn found(log: &Log) -> u64 {
        let mut pairs = Vec::new();
        let read = |&unit: &u64| {
            let is_found = log.read(unit, &mut pairs);
            assert!(!is_found || pairs == pairs_of(unit), "unit {unit}");
            is_found
        };
        (0..UNITS).filter(read).count() as u64
    }

    #[test]
    fn a_log_cut_or_changed_anywhere_gives_what_was_written_or_nothing_and_goes_on() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        let bytes = whole(&path);
        assert_eq!(found(&open(&path)), UNITS);
        assert_eq!(Kept::load(&path, &PRINTS).unwrap().map(|kept| kept.n_known), Some(3));
        let body = head().body() as usize;
        let cut = (0..bytes.len()).map(|at| bytes[..at].to_vec());
        let changed = (0..bytes.len() * 8).map(|at| {
            let mut bytes = bytes.clone();
            bytes[at / 8] ^= 1 << (at % 8);
            bytes
        });
        for damaged in cut.chain(changed) {
            fs::write(&path, &damaged).unwrap();
            assert!(Kept::load(&path, &PRINTS).is_err());
            let log = open(&path);
            let n_found = found(&log);
            assert!(n_found < UNITS, "something is missing");
            assert_eq!(log.n_found(), n_found);
            if damaged.len() < bytes.len() && damaged.len() >= body + 8 {
                assert!(n_found > 0, "{} of {} bytes", damaged.len(), bytes.len());
            }
            for unit in (0..UNITS).filter(|&unit| !log.read(unit, &mut Vec::new())) {
                log.append(unit, &pairs_of(unit));
            }
            drop(log);
            assert_eq!(found(&open(&path)), UNITS, "the log goes on behind what was found");
            assert!(Kept::load(&path, &PRINTS).unwrap().is_some());
        }
    }

    #[test]
    fn a_log_of_other_work_is_begun_anew() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        whole(&path);
        let other = Head { identity: [8; 32], ..head() };
        let log = Log::open(&path, other, &PRINTS, Duration::ZERO).unwrap();
        assert_eq!((found(&log), log.bytes()), (0, head().body()));
    }

    #[test]
    fn a_log_that_cannot_be_written_is_removed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        let mut log = open(&path);
        log.file = File::open(&path).unwrap(); // for reading
        assert_eq!(log.append(0, &pairs_of(3)), None);
        assert_eq!(log.append(1, &pairs_of(3)), None);
        assert!(!log.sync() && !path.exists());
    }

    #[test]
    fn a_unit_that_is_there_twice_is_not_kept() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        whole(&path);
        open(&path).append(3, &pairs_of(3));
        assert!(Kept::load(&path, &PRINTS).is_err());
        assert_eq!(found(&open(&path)), UNITS);
    }
}
