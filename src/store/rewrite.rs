//! Giving space back: the store is copied into a new one, record by record, while it is used.
//!
//! sled reuses the room of what was removed only in part, and blobs and segments may outlive it. So when the files take
//! several times what the records do, the records are copied into the next generation, which then counts.
//!
//! **Promises.** Readers never wait, and a scan goes on in the store it began in. Writers wait only while the last changed
//! records are copied. Until the file `generation` names it the new store is nobody's, so that a crash or a failure at
//! any moment leaves one of the two whole (design.md, C30 to C32). Where there is no room for both nothing is tried.

use std::collections::BTreeSet;
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use tracing::warn;

use super::disk::{Disk, guarded};
use super::generation::Generation;
use super::{StoreError, Tidied};

/// Files that take no more than this are left alone.
const LEAST: u64 = 64 << 20;

/// How many times what the records take the files may take.
const TIMES: u64 = 3;

/// Bytes written between two syncs, so that the last one is short.
const BYTES_PER_SYNC: usize = 64 << 20;

/// So many changed records are copied while writers wait.
const FEW: usize = 500;

/// So often changed records are copied before writers wait for what is left; each time it is less, unless they are as fast.
const ROUNDS: usize = 10;

/// When so many records change while the store is copied, it is left for a quieter time.
pub(super) const MANY: usize = 500_000;

/// What the copying of records needs to know from one to the next.
struct Copy<'a> {
    to: &'a Generation,
    unsynced: usize,
}

impl<'a> Copy<'a> {
    fn new(to: &'a Generation) -> Self {
        Self { to, unsynced: 0 }
    }

    /// Each by itself and not in batches: for one of sled's batches all others in the process wait, and who flushes behind one
    /// that could not be written may wait for ever.
    fn add(&mut self, key: &[u8], value: Option<&[u8]>) -> Result<(), StoreError> {
        match value {
            Some(value) => self.to.tree.insert(key, value)?,
            None => self.to.tree.remove(key)?,
        };
        self.unsynced += key.len() + value.map_or(0, <[u8]>::len);
        if self.unsynced >= BYTES_PER_SYNC {
            self.unsynced = 0;
            self.to.sync()?;
        }
        Ok(())
    }
}

/// Copies what the records with these keys are now.
fn copy_keys(keys: &BTreeSet<Vec<u8>>, from: &Generation, to: &Generation) -> Result<(), StoreError> {
    let mut copy = Copy::new(to);
    for key in keys {
        copy.add(key, from.tree.get(key)?.as_deref())?;
    }
    Ok(())
}

impl Disk {
    /// Writes the store anew if its files take much more than its records, and as long as `is_wanted`.
    pub(super) fn tidy_up(&self, is_wanted: &dyn Fn() -> bool) -> Result<Option<Tidied>, StoreError> {
        let Ok(mut measured) = self.measured.try_lock() else { return Ok(None) }; // somebody is at it
        let before = self.generation().tree.size_on_disk()?;
        if !is_due(before, *measured) {
            return Ok(None);
        }
        let mut live = 0;
        for entry in self.generation().tree.iter() {
            let (key, value) = entry?;
            live += (key.len() + value.len()) as u64;
            if !is_wanted() {
                return Ok(None);
            }
        }
        *measured = live;
        if !is_due(before, live) {
            return Ok(None);
        }
        *measured = before / 2; // if it comes to nothing, not again before the files have grown by half
        if !self.has_room(live)? {
            warn!(bytes = before, live, "the store takes too much, and there is no room on the disk to write it anew");
            return Ok(None);
        }
        let begun = Instant::now();
        let Some(pause) = self.rewrite(is_wanted)? else { return Ok(None) };
        let after = self.generation().tree.size_on_disk()?;
        *measured = live.max(after);
        Ok(Some(Tidied { before, after, live, took: begun.elapsed(), pause }))
    }

    /// Whether the disk holds the records once more, with as much again for whoever else writes meanwhile.
    fn has_room(&self, live: u64) -> Result<bool, StoreError> {
        let failed = |error: rustix::io::Errno| StoreError::File {
            what: "cannot ask for the room on the disk".to_owned(),
            source: error.into(),
        };
        let disk = rustix::fs::statvfs(&self.folder).map_err(failed)?;
        Ok(disk.f_bavail.saturating_mul(disk.f_frsize) > LEAST.saturating_add(live.saturating_mul(3)))
    }

    /// Copies everything into the next generation and lets that count; says how long writers waited. None if too much
    /// was changed meanwhile, it is not wanted any more, or it has failed before.
    pub(super) fn rewrite(&self, is_wanted: &dyn Fn() -> bool) -> Result<Option<Duration>, StoreError> {
        if self.has_left_behind.load(Ordering::Relaxed) {
            warn!("writing the store anew has failed before: it is left as it is until it is opened again");
            return Ok(None);
        }
        let old = self.generation();
        let new = Arc::new(old.next(&self.folder, self.cache)?);
        new.supersede(); // it goes with whatever ends this early
        *self.lock_changed() = Some(BTreeSet::new()); // from here on it is noted what changes
        let outcome = guarded(|| {
            let is_whole = self.copy(&old, &new, is_wanted)?;
            if is_whole { self.switch(&old, &new) } else { Ok(None) }
        });
        *self.lock_changed() = None;
        if outcome.is_err()
            && let Some(new) = Arc::into_inner(new).filter(Generation::is_superseded)
        {
            self.has_left_behind.store(true, Ordering::Relaxed);
            new.leave_behind();
        }
        outcome
    }

    /// Copies all records, then again what has changed meanwhile, until that is little. False: it comes to nothing.
    fn copy(&self, old: &Generation, new: &Generation, is_wanted: &dyn Fn() -> bool) -> Result<bool, StoreError> {
        let mut copy = Copy::new(new);
        for entry in old.tree.iter() {
            let (key, value) = entry?;
            copy.add(&key, Some(&value))?;
            if !is_wanted() {
                return Ok(false);
            }
        }
        for _ in 0..ROUNDS {
            new.sync()?;
            let changed = match &mut *self.lock_changed() {
                Some(changed) if changed.len() <= FEW => break,
                Some(changed) => std::mem::take(changed),
                None => return Ok(false),
            };
            copy_keys(&changed, old, new)?;
        }
        // with writers as fast as this nobody is to wait for what is left
        Ok(self.lock_changed().as_ref().is_some_and(|changed| changed.len() <= 10 * FEW))
    }

    fn switch(&self, old: &Generation, new: &Arc<Generation>) -> Result<Option<Duration>, StoreError> {
        let begun = Instant::now();
        let mut changed = self.lock_changed(); // writers wait
        let Some(keys) = changed.take() else { return Ok(None) };
        self.check()?;
        copy_keys(&keys, old, new)?;
        new.sync()?;
        new.be_ready_to_count(&self.folder)?;
        new.keep(); // from here on the disk may name it
        // A failure leaves open which of the two the disk names, so neither may be written to.
        Generation::ready_one_counts(&self.folder).inspect_err(|error| self.lose(error))?;
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = Arc::clone(new);
        old.supersede();
        Ok(Some(begun.elapsed()))
    }
}

fn is_due(size: u64, live: u64) -> bool {
    size > LEAST.max(live.saturating_mul(TIMES))
}

#[cfg(test)]
#[path = "rewrite_tests.rs"]
mod tests;
