//! What a test puts under an engine to have its way: a store that fails, and one that makes work wait; a clock.

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Condvar, Mutex};
use std::time::Duration;

use faceclique::engine::Clock;
use faceclique::job::Timestamp;
use faceclique::store::{Batch, Memory, Scan, Store, StoreError, keys};

/// 2021-Jan-13 12:00:00 UTC, in seconds.
const NOON: i64 = 1_610_539_200;

/// The longest that work waits, so that a test that fails ends.
const PATIENCE: Duration = Duration::from_mins(1);

/// What goes wrong, once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Trouble {
    WriteFails,
    ScanFails,
    ScanPanics,
    AuditIsLost,
}

/// A store in memory that can be told to fail, and to make those wait who read images.
#[derive(Default)]
pub(crate) struct Troubled {
    kept: Memory,
    next: Mutex<Option<Trouble>>,
    is_held: Mutex<bool>,
    released: Condvar,
}

impl Troubled {
    /// On what an earlier one held.
    pub(crate) fn on(kept: Memory) -> Self {
        Self { kept, ..Self::default() }
    }

    /// What it holds now.
    pub(crate) fn copy(&self) -> Memory {
        let copy = Memory::default();
        let mut all = Batch::new();
        for entry in self.kept.scan(&[]) {
            let (key, value) = entry.unwrap();
            all.put(key, value);
        }
        copy.write(all).unwrap();
        copy
    }

    /// The next who gives occasion to it meets this trouble.
    pub(crate) fn expect(&self, trouble: Trouble) {
        *self.next.lock().unwrap() = Some(trouble);
    }

    /// From now on a job that reads images waits.
    pub(crate) fn hold(&self) {
        *self.is_held.lock().unwrap() = true;
    }

    pub(crate) fn release(&self) {
        *self.is_held.lock().unwrap() = false;
        self.released.notify_all();
    }

    fn meets(&self, trouble: Trouble) -> bool {
        self.next.lock().unwrap().take_if(|next| *next == trouble).is_some()
    }
}

impl Store for Troubled {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        if key.first() == Some(&b'z') && self.meets(Trouble::AuditIsLost) {
            return Ok(None);
        }
        self.kept.get(key)
    }

    fn scan(&self, prefix: &[u8]) -> Scan<'_> {
        if prefix.first() == keys::images(0).first() {
            let held = self.is_held.lock().unwrap();
            drop(self.released.wait_timeout_while(held, PATIENCE, |is_held| *is_held).unwrap());
        }
        assert!(!self.meets(Trouble::ScanPanics), "the trouble that was asked for");
        if self.meets(Trouble::ScanFails) {
            return Box::new(std::iter::once(Err(StoreError::Backend("a trouble".to_owned()))));
        }
        self.kept.scan(prefix)
    }

    fn scan_behind(&self, prefix: &[u8], after: &[u8]) -> Scan<'_> {
        self.kept.scan_behind(prefix, after)
    }

    fn write(&self, batch: Batch) -> Result<(), StoreError> {
        if self.meets(Trouble::WriteFails) {
            return Err(StoreError::Backend("a trouble".to_owned()));
        }
        self.kept.write(batch)
    }

    fn sync(&self) -> Result<(), StoreError> {
        Ok(())
    }

    fn failure(&self) -> Option<faceclique::store::Failure> {
        None
    }

    fn bytes(&self) -> Result<u64, StoreError> {
        self.kept.bytes()
    }

    fn tidy(&self, is_wanted: &dyn Fn() -> bool) -> Result<Option<faceclique::store::Tidied>, StoreError> {
        self.kept.tidy(is_wanted)
    }
}

/// A clock that stands where it is set; the half second must not be seen.
pub(crate) struct Stopped(AtomicI64);

impl Stopped {
    /// At noon.
    pub(crate) fn new() -> Self {
        let clock = Self(AtomicI64::new(0));
        clock.set(0);
        clock
    }

    /// So many seconds past noon.
    pub(crate) fn set(&self, seconds: i64) {
        self.0.store((NOON + seconds) * 1_000_000 + 500_000, Ordering::SeqCst);
    }
}

impl Clock for Stopped {
    fn now(&self) -> Timestamp {
        Timestamp(self.0.load(Ordering::SeqCst))
    }

    fn uptime(&self) -> Duration {
        Duration::ZERO // it is set, and nothing passes
    }
}
