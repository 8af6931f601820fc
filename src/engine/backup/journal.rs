//! A store that, while a backup reads it, writes down what is written to it.
//!
//! **Why.** The store has no reading of one moment, and nobody shall wait while all of it is read. What was read of it while it changed,
//! and behind that all changes since in their order, is the store of the moment at which the changes end. Only while these are read once more, writers wait.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError};

use super::super::error::{EngineError, ErrorKind};
use super::part::Part;
use crate::store::{Batch, Failure, Scan, Store, StoreError, Tidied};

/// The store of an engine.
pub(in super::super) struct Journal {
    store: Arc<dyn Store>,
    /// Held while something is written, so that the order here is that of the store.
    part: Mutex<Option<Result<Part, std::io::Error>>>,
    /// Held by whoever makes a backup, from before its first file until behind its last.
    only: Mutex<()>,
}

impl Journal {
    pub(in super::super) fn over(store: Arc<dyn Store>) -> Self {
        Self { store, part: Mutex::new(None), only: Mutex::new(()) }
    }

    fn part(&self) -> MutexGuard<'_, Option<Result<Part, std::io::Error>>> {
        self.part.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One backup at a time: another is refused until this is dropped.
    pub(super) fn reserve(&self) -> Result<MutexGuard<'_, ()>, EngineError> {
        match self.only.try_lock() {
            Ok(only) => Ok(only),
            Err(TryLockError::Poisoned(only)) => Ok(only.into_inner()),
            Err(TryLockError::WouldBlock) => Err(EngineError::new(ErrorKind::State, "another backup is being made")),
        }
    }

    /// From now on what is written goes into `part` too.
    pub(super) fn begin(&self, part: Part) {
        *self.part() = Some(Ok(part));
    }

    /// That ends, and nothing is written while `look` looks.
    pub(super) fn end<T>(&self, look: impl FnOnce() -> Result<T, EngineError>) -> Result<(Part, T), EngineError> {
        let mut open = self.part();
        let part = open.take().expect("it was begun");
        let cannot = |source| super::failed("the backup cannot be written", source);
        let mut part = part.map_err(cannot)?;
        part.flush().map_err(cannot)?;
        Ok((part, look()?))
    }
}

impl Store for Journal {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        self.store.get(key)
    }

    fn scan(&self, prefix: &[u8]) -> Scan<'_> {
        self.store.scan(prefix)
    }

    fn scan_behind(&self, prefix: &[u8], after: &[u8]) -> Scan<'_> {
        self.store.scan_behind(prefix, after)
    }

    fn write(&self, batch: Batch) -> Result<(), StoreError> {
        let mut open = self.part();
        let Some(Ok(part)) = open.as_mut() else { return self.store.write(batch) };
        self.store.write(batch.clone())?;
        // what goes wrong with the backup is told to whoever makes it
        if let Err(error) = batch.iter().try_for_each(|(key, value)| part.push(key, value)) {
            *open = Some(Err(error));
        }
        Ok(())
    }

    fn sync(&self) -> Result<(), StoreError> {
        self.store.sync()
    }

    fn failure(&self) -> Option<Failure> {
        self.store.failure()
    }

    fn bytes(&self) -> Result<u64, StoreError> {
        self.store.bytes()
    }

    fn tidy(&self, is_wanted: &dyn Fn() -> bool) -> Result<Option<Tidied>, StoreError> {
        self.store.tidy(is_wanted)
    }
}
