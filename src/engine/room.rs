//! Room on the disk: how much is left, and whether that is enough to begin something new.
//!
//! **Promises.** Below the reserve whatever needs room is refused, or waits, before anything of it is written; what gives
//! room back, ends something or only notes something goes on, and has the reserve for it. Asking is cheap.
//!
//! **Why a reserve.** A store that meets the end of the disk in the middle of a write knows nothing of the disk any more and
//! must be opened again; and it needs some room even to remove things.

use std::fmt;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tracing::{info, warn};

use super::Engine;
use super::error::{EngineError, ErrorKind};
use super::files::sync;

/// How long an answer of the system is believed; the fastest disks fill a small part of the reserve meanwhile.
const BELIEVED: Duration = Duration::from_millis(50);

/// The file that is written to see whether the disk can be, and its size.
const TRIAL: &str = "trial";
const TRIAL_BYTES: usize = 1 << 20;

/// What may be a file system of its own; what is not there does not count.
const FOLDERS: [&str; 5] = ["", "db", "uploads", "pictures", "spool"];

/// The room of a data directory.
#[derive(Clone)]
pub struct Room(Arc<Inner>);

struct Inner {
    data: PathBuf,
    reserve: u64,
    seen: Mutex<Seen>,
}

#[derive(Debug, Default)]
struct Seen {
    at: Option<Instant>,
    free: Option<u64>,
    is_low: bool,
}

impl fmt::Debug for Room {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Room").field("data", &self.0.data).field("reserve", &self.0.reserve).finish()
    }
}

impl Room {
    /// That of the data directory `data`, of which `reserve` bytes are to stay free; with 0 nothing is ever refused.
    pub fn keeping(reserve: u64, data: impl Into<PathBuf>) -> Self {
        Self(Arc::new(Inner { data: data.into(), reserve, seen: Mutex::default() }))
    }

    /// Bytes that are to stay free.
    pub fn reserve(&self) -> u64 {
        self.0.reserve
    }

    /// Bytes that are free, on the fullest of its file systems; none if the system does not say.
    pub fn free(&self) -> Option<u64> {
        self.seen().free
    }

    /// Whether less is free than is to stay so.
    pub fn is_low(&self) -> bool {
        self.seen().is_low
    }

    /// An error for whoever would take some if there is too little.
    pub fn check(&self) -> Result<(), EngineError> {
        self.alarm().map_or(Ok(()), |text| Err(EngineError::new(ErrorKind::Storage, text)))
    }

    /// What an operator is to know, if there is too little.
    pub fn alarm(&self) -> Option<String> {
        let seen = self.seen();
        seen.free.filter(|_| seen.is_low).map(|free| low(free, self.0.reserve))
    }

    /// Whether the disk can be written: writes a small file into the data directory, syncs it, and removes it.
    pub fn try_disk(&self) -> io::Result<()> {
        let path = self.0.data.join(TRIAL);
        let tried = File::create(&path).and_then(|mut file| {
            file.write_all(&vec![0x5A; TRIAL_BYTES])?;
            file.sync_all()?;
            sync(&self.0.data)
        });
        let removed = fs::remove_file(&path);
        tried.and(removed)
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        let Inner { data, reserve, seen } = &*self.0;
        let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.at.is_some_and(|at| at.elapsed() < BELIEVED) {
            return seen;
        }
        let disks = FOLDERS.iter().filter_map(|folder| rustix::fs::statvfs(data.join(folder)).ok());
        let free = disks.map(|disk| disk.f_bavail.saturating_mul(disk.f_frsize)).min();
        let is_low = free.is_some_and(|free| free < *reserve);
        *seen = Seen { at: Some(Instant::now()), free, is_low };
        seen
    }
}

impl Engine {
    /// The room of its data directory.
    pub fn room(&self) -> &Room {
        &self.room
    }

    /// Error 70 for whoever would take room if there is too little.
    pub(super) fn check_room(&self) -> Result<(), EngineError> {
        self.watch_room();
        self.room.check()
    }

    /// Whether there is too little room to begin something; that this has changed is said once.
    pub(super) fn watch_room(&self) -> bool {
        let is_low = self.room.is_low();
        let (free, reserve) = (self.room.free(), self.room.reserve());
        match (self.was_low.swap(is_low, Ordering::Relaxed), is_low) {
            (false, true) => warn!(free, reserve, "the disk is nearly full: what needs room is refused, and jobs wait"),
            (true, false) => info!(free, reserve, "the disk has room again"),
            _ => {}
        }
        is_low
    }
}

fn low(free: u64, reserve: u64) -> String {
    format!(
        "the disk is nearly full: {free} bytes are free and {reserve} are to stay so (min_free_space); what needs room is \
         refused until then"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn below_the_reserve_there_is_no_room_and_above_it_there_is() {
        let folder = tempfile::tempdir().unwrap();
        let room = |reserve| Room::keeping(reserve, folder.path());
        assert!(room(0).check().is_ok() && room(0).alarm().is_none());
        assert!(room(0).free().is_some());
        let error = room(u64::MAX).check().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Storage);
        assert!(error.to_string().contains("18446744073709551615 are to stay so"), "{error}");
        assert_eq!(room(u64::MAX).alarm(), Some(error.to_string()));
    }

    #[test]
    fn a_disk_that_says_nothing_refuses_nothing() {
        let room = Room::keeping(u64::MAX, "/nowhere/at/all");
        assert!(room.check().is_ok() && room.free().is_none() && !room.is_low());
    }
}
