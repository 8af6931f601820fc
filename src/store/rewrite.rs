//! Giving space back: the store is copied into a new one, record by record, while it is used.
//!
//! sled reuses the room of what was removed only in part, and blobs and segments may outlive it. So when the files take
//! several times what the records do, the records are copied into the next generation, which then counts.
//!
//! **Promises.** Readers never wait, and a scan goes on in the store it began in. Writers wait only while the last changed
//! records are copied. Until the file `generation` names it the new store is nobody's, so that a crash or a failure at
//! any moment leaves one of the two whole (design.md, C50 to C52). Where there is no room for both nothing is tried.

use std::collections::BTreeSet;
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use tracing::warn;

use super::disk::Disk;
use super::generation::Generation;
use super::{StoreError, Tidied};

/// Files that take no more than this are left alone.
const LEAST: u64 = 64 << 20;

/// How many times what the records take the files may take.
const TIMES: u64 = 3;

/// Records written in one step.
const BYTES_PER_BATCH: usize = 1 << 20;

/// Bytes written between two syncs, so that the last one is short.
const BYTES_PER_SYNC: usize = 64 << 20;

/// So many changed records are copied while writers wait.
const FEW: usize = 500;

/// So often changed records are copied before writers wait for what is left; each time it is less, unless they are as fast.
const ROUNDS: usize = 10;

/// When so many records change while the store is copied, it is left for a quieter time.
pub(super) const MANY: usize = 500_000;

/// What the copying of records needs to know from one batch to the next.
struct Copy<'a> {
    to: &'a Generation,
    batch: sled::Batch,
    in_batch: usize,
    unsynced: usize,
}

impl<'a> Copy<'a> {
    fn new(to: &'a Generation) -> Self {
        Self { to, batch: sled::Batch::default(), in_batch: 0, unsynced: 0 }
    }

    fn add(&mut self, key: &[u8], value: Option<&[u8]>) -> Result<(), StoreError> {
        self.in_batch += key.len() + value.map_or(0, <[u8]>::len);
        match value {
            Some(value) => self.batch.insert(key, value),
            None => self.batch.remove(key),
        }
        if self.in_batch >= BYTES_PER_BATCH { self.write() } else { Ok(()) }
    }

    fn write(&mut self) -> Result<(), StoreError> {
        self.to.tree.apply_batch(std::mem::take(&mut self.batch))?;
        self.unsynced += std::mem::take(&mut self.in_batch);
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
    copy.write()
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
    /// was changed meanwhile, or it is not wanted any more.
    pub(super) fn rewrite(&self, is_wanted: &dyn Fn() -> bool) -> Result<Option<Duration>, StoreError> {
        let old = self.generation();
        let new = old.next(&self.folder, self.cache)?;
        new.supersede(); // it goes with whatever ends this early
        *self.lock_changed() = Some(BTreeSet::new()); // from here on it is noted what changes
        let outcome = match self.copy(&old, &new, is_wanted) {
            Ok(true) => self.switch(&old, new),
            other => other.map(|_| None),
        };
        *self.lock_changed() = None;
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
        copy.write()?;
        for _ in 0..ROUNDS {
            new.sync()?;
            let changed = match &mut *self.lock_changed() {
                Some(changed) if changed.len() <= FEW => break,
                Some(changed) => std::mem::take(changed),
                None => return Ok(false),
            };
            copy_keys(&changed, old, new)?;
        }
        Ok(true)
    }

    fn switch(&self, old: &Generation, new: Generation) -> Result<Option<Duration>, StoreError> {
        let begun = Instant::now();
        let mut changed = self.lock_changed(); // writers wait
        let Some(keys) = changed.take() else { return Ok(None) };
        self.check()?;
        copy_keys(&keys, old, &new)?;
        new.sync()?;
        new.keep(); // from here on the disk may name it
        // A failure leaves open which of the two the disk names, so neither may be written to.
        new.count_from_now_on(&self.folder).inspect_err(|_| self.lose())?;
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(new);
        old.supersede();
        Ok(Some(begun.elapsed()))
    }
}

fn is_due(size: u64, live: u64) -> bool {
    size > LEAST.max(live.saturating_mul(TIMES))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::super::{Batch, Store as _, StoreError};
    use super::*;

    const CACHE: u64 = 8 << 20;
    const ALWAYS: &dyn Fn() -> bool = &|| true;

    fn put(disk: &Disk, key: &str, value: &[u8]) {
        let mut batch = Batch::new();
        batch.put(key, value.to_vec());
        disk.commit(batch).unwrap();
    }

    fn all(disk: &Disk) -> Vec<(Vec<u8>, Vec<u8>)> {
        disk.scan(b"").map(Result::unwrap).collect()
    }

    fn copy_folder(from: &Path, to: &Path) {
        fs::create_dir_all(to).unwrap();
        for entry in fs::read_dir(from).unwrap() {
            let entry = entry.unwrap();
            let to = to.join(entry.file_name());
            if entry.file_type().unwrap().is_dir() {
                copy_folder(&entry.path(), &to);
            } else {
                fs::copy(entry.path(), to).unwrap();
            }
        }
    }

    fn names(folder: &Path) -> Vec<String> {
        let mut names: Vec<_> =
            fs::read_dir(folder).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn only_files_that_are_large_and_mostly_empty_are_written_anew() {
        let mib = 1 << 20;
        assert!(!is_due(64 * mib, 0) && is_due(64 * mib + 1, 0));
        assert!(!is_due(300 * mib, 100 * mib) && is_due(301 * mib, 100 * mib));
    }

    #[test]
    fn a_store_that_is_written_anew_holds_the_same_and_is_smaller_also_after_a_start() {
        let folder = tempfile::tempdir().unwrap();
        let disk = Disk::open(folder.path(), CACHE).unwrap();
        for round in 0..20u8 {
            for at in 0..20 {
                put(&disk, &format!("{at}"), &vec![round; 200_000 * usize::from(at % 2 == 0) + 10]);
            }
        }
        let (before, held) = (all(&disk), disk.bytes().unwrap());
        disk.rewrite(ALWAYS).unwrap().unwrap();
        assert_eq!(all(&disk), before);
        assert!(disk.bytes().unwrap() < held, "{held}");
        put(&disk, "more", b"x");
        disk.rewrite(ALWAYS).unwrap().unwrap();
        drop(disk);
        let disk = Disk::open(folder.path(), CACHE).unwrap();
        assert_eq!(disk.get(b"more").unwrap(), Some(b"x".to_vec()));
        assert_eq!(all(&disk).len(), before.len() + 1);
        assert_eq!(names(folder.path()), ["db.2", "generation", "lock"]);
    }

    #[test]
    fn what_is_written_while_the_store_is_copied_is_in_the_new_one() {
        let folder = tempfile::tempdir().unwrap();
        let disk = Disk::open(folder.path(), CACHE).unwrap();
        for at in 0..2_000 {
            put(&disk, &format!("old {at}"), &[1; 500]);
        }
        let is_done = AtomicBool::new(false);
        std::thread::scope(|scope| {
            let writer = scope.spawn(|| {
                let mut n = 0u64;
                while !is_done.load(Ordering::Relaxed) {
                    let mut batch = Batch::new(); // the three change together
                    batch.put("a", n.to_be_bytes().to_vec());
                    batch.put("z", n.to_be_bytes().to_vec());
                    batch.put(format!("new {n}"), vec![2]);
                    batch.remove(format!("old {n}"));
                    disk.write(batch).unwrap();
                    let (a, z) = (disk.get(b"a").unwrap(), disk.get(b"z").unwrap());
                    assert_eq!((&a, &z), (&Some(n.to_be_bytes().to_vec()), &a), "a writer reads what it wrote");
                    n += 1;
                }
                n
            });
            for _ in 0..5 {
                disk.rewrite(ALWAYS).unwrap().unwrap();
            }
            is_done.store(true, Ordering::Relaxed);
            let n = writer.join().unwrap();
            assert_eq!(disk.scan(b"new ").count() as u64, n);
            assert_eq!(disk.scan(b"old ").count() as u64, 2_000u64.saturating_sub(n));
        });
    }

    #[test]
    fn a_scan_goes_on_in_the_store_it_began_in() {
        let folder = tempfile::tempdir().unwrap();
        let disk = Disk::open(folder.path(), CACHE).unwrap();
        for at in 0..50 {
            put(&disk, &format!("r{at:02}"), &vec![at; 300_000]);
        }
        let mut scan = disk.scan(b"r");
        assert_eq!(scan.next().unwrap().unwrap().0, b"r00");
        disk.rewrite(ALWAYS).unwrap().unwrap();
        assert!(names(folder.path()).contains(&"db".to_owned()), "it is read still");
        assert_eq!(scan.map(Result::unwrap).count(), 49);
        assert!(!names(folder.path()).contains(&"db".to_owned()), "nobody reads it any more");
    }

    /// The states of the disk between the steps of a rewriting: C50 before the new store is named, with a part of it or
    /// all; C51 while it is being named; C52 behind that, with all of the old one or a part.
    #[test]
    fn c50_to_c52_a_crash_at_any_step_leaves_one_of_the_two_stores_whole() {
        let origin = tempfile::tempdir().unwrap();
        let disk = Disk::open(origin.path(), CACHE).unwrap();
        for at in 0..40 {
            put(&disk, &format!("{at}"), &vec![at; 20_000]);
        }
        drop(disk);
        let anew = tempfile::tempdir().unwrap();
        copy_folder(origin.path(), anew.path());
        let disk = Disk::open(anew.path(), CACHE).unwrap();
        let expected = all(&disk);
        disk.rewrite(ALWAYS).unwrap().unwrap();
        drop(disk);
        let new = anew.path().join("db.1");
        type Step<'a> = (&'a str, &'a dyn Fn(&Path));
        let steps: [Step<'_>; 6] = [
            ("C50, nothing of it", &|data| fs::create_dir(data.join("db.1")).unwrap()),
            ("C50, a part of it", &|data| {
                copy_folder(&new, &data.join("db.1"));
                fs::write(data.join("db.1/db"), b"torn").unwrap();
            }),
            ("C50, all of it", &|data| copy_folder(&new, &data.join("db.1"))),
            ("C51, its number is written and not in place", &|data| {
                copy_folder(&new, &data.join("db.1"));
                fs::write(data.join("generation.new"), b"").unwrap();
            }),
            ("C52, the old one is there", &|data| {
                copy_folder(&new, &data.join("db.1"));
                fs::write(data.join("generation"), b"1\n").unwrap();
            }),
            ("C52, a part of the old one is there", &|data| {
                copy_folder(&new, &data.join("db.1"));
                fs::write(data.join("generation"), b"1\n").unwrap();
                fs::remove_file(data.join("db/conf")).unwrap();
            }),
        ];
        for (case, step) in steps {
            let folder = tempfile::tempdir().unwrap();
            copy_folder(origin.path(), folder.path());
            step(folder.path());
            let disk = Disk::open(folder.path(), CACHE).unwrap_or_else(|error| panic!("{case}: {error}"));
            assert!(all(&disk) == expected, "{case}");
            disk.rewrite(ALWAYS).unwrap_or_else(|error| panic!("{case}: {error}"));
            put(&disk, "more", b"x");
            drop(disk);
            let disk = Disk::open(folder.path(), CACHE).unwrap();
            assert_eq!(all(&disk).len(), expected.len() + 1, "{case}");
            let n_stores = names(folder.path()).iter().filter(|name| name.starts_with("db")).count();
            assert_eq!(n_stores, 1, "{case}");
        }
    }

    #[test]
    fn no_store_is_made_or_removed_where_it_is_not_known_which_counts() {
        for (pointer, why) in [
            (None, "it is missing, and there is a folder db.1"),
            (Some("x"), "'x' is no number"),
            (Some("7"), "it names the folder db.7, which is not there"),
        ] {
            let folder = tempfile::tempdir().unwrap();
            let disk = Disk::open(folder.path(), CACHE).unwrap();
            put(&disk, "key", b"value");
            disk.rewrite(ALWAYS).unwrap().unwrap();
            drop(disk);
            let file = folder.path().join("generation");
            match pointer {
                None => fs::remove_file(&file).unwrap(),
                Some(text) => fs::write(&file, text).unwrap(),
            }
            match Disk::open(folder.path(), CACHE) {
                Err(StoreError::Damaged { key, why: found }) => {
                    assert_eq!((key.as_str(), found.as_str()), ("generation", why))
                }
                other => panic!("{why}: {other:?}"),
            }
            fs::write(&file, "1").unwrap();
            let disk = Disk::open(folder.path(), CACHE).unwrap();
            assert_eq!(disk.get(b"key").unwrap(), Some(b"value".to_vec()));
        }
    }

    #[test]
    fn a_store_that_changes_too_much_meanwhile_is_left_as_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let disk = Disk::open(folder.path(), CACHE).unwrap();
        put(&disk, "key", b"value");
        let (old, new) = (disk.generation(), disk.generation().next(folder.path(), CACHE).unwrap());
        new.supersede();
        assert!(!disk.copy(&old, &new, ALWAYS).unwrap(), "what changed is not noted any more");
        assert_eq!(disk.switch(&old, new).unwrap(), None);
        assert_eq!(disk.rewrite(&|| false).unwrap(), None);
        assert_eq!(names(folder.path()), ["db", "lock"]);
        assert_eq!(disk.get(b"key").unwrap(), Some(b"value".to_vec()));
    }
}
