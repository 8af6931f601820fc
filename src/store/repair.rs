//! A repaired store, written beside the damaged one and put in its place.
//!
//! ```text
//! data/fsck/new/        a data directory of its own while it is written
//! data/fsck/swap        the repaired store is whole; it is being put in place
//! data/db.damaged-N/    the damaged one, as it was found
//! ```
//!
//! **Promises.** Until the repaired store is whole and synced nothing changes. From then on nobody opens the directory
//! before it is in place, and a crash in between leaves what the next repair goes on with.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use super::StoreError;
use super::disk::{Disk, REPAIR, lock};
use super::files::sync;
use super::generation::{folder_that_counts, forget_name};

/// The marker before it is whole: one that is not must not be found, for nothing could go on with it.
const NEW_MARKER: &str = "swap.new";

/// Asked before each change of the directory; who dies there is not told from an error.
type Step<'a> = &'a mut dyn FnMut() -> io::Result<()>;

/// A data directory under repair, or looked at for one: nobody else has it.
#[derive(Debug)]
pub struct Repair {
    data: PathBuf,
    _lock: File,
}

fn failed(source: io::Error) -> StoreError {
    StoreError::File { what: "cannot put the repaired store in place".to_owned(), source }
}

impl Repair {
    /// Takes the data directory `data`, which must be there, and finishes a repair that was interrupted; whether there was
    /// one.
    pub fn begin(data: &Path) -> Result<(Self, bool), StoreError> {
        Self::begin_with(data, &mut || Ok(()))
    }

    fn begin_with(data: &Path, step: Step<'_>) -> Result<(Self, bool), StoreError> {
        let lock = lock(&data.join("lock"))?;
        let repair = Self { data: data.to_owned(), _lock: lock };
        let is_half_done = data.join(REPAIR).exists();
        if is_half_done {
            repair.swap(step).map_err(failed)?;
        }
        repair.clear().map_err(failed)?;
        Ok((repair, is_half_done))
    }

    /// Where copies and the repaired store are meanwhile.
    pub fn folder(&self) -> PathBuf {
        self.data.join("fsck")
    }

    /// A new and empty store for what is kept.
    pub fn create(&self) -> Result<Disk, StoreError> {
        Disk::open(&self.folder().join("new"), 32 << 20)
    }

    /// Puts what [`Self::create`] gave, closed by now, in the place of the store, which is kept under the name `aside` in
    /// the data directory.
    pub fn finish(self, aside: &str) -> Result<(), StoreError> {
        self.decide(aside, &mut || Ok(())).map_err(failed)?;
        self.end()
    }

    /// Writes the marker and does what it stands for.
    fn decide(&self, aside: &str, step: Step<'_>) -> io::Result<()> {
        sync(&self.folder().join("new"))?;
        let new = self.folder().join(NEW_MARKER);
        step()?;
        let mut file = File::create(&new)?;
        step()?;
        write!(file, "{aside}\n{}", folder_that_counts(&self.data)?)?;
        file.sync_all()?;
        step()?;
        fs::rename(new, self.data.join(REPAIR))?;
        sync(&self.folder())?;
        self.swap(step)
    }

    /// Lets go of the directory, and leaves it as it was but for what [`Self::finish`] did.
    pub fn end(self) -> Result<(), StoreError> {
        self.clear().map_err(failed)
    }

    /// Does what the marker stands for; each step only if it is not done yet.
    fn swap(&self, step: Step<'_>) -> io::Result<()> {
        let marker = fs::read_to_string(self.data.join(REPAIR))?;
        let (aside, damaged) = marker.split_once('\n').ok_or(io::ErrorKind::InvalidData)?;
        let (aside, damaged) = (self.data.join(aside), self.data.join(damaged));
        let (store, new) = (self.data.join("db"), self.folder().join("new"));
        if new.join("db").exists() {
            if !aside.exists() {
                step()?;
                fs::rename(&damaged, &aside)?;
                sync(&self.data)?;
            }
            step()?;
            forget_name(&self.data)?;
            if store.exists() {
                // one that did not count; nothing is lost by keeping it until somebody has looked
                step()?;
                fs::rename(&store, aside.with_added_extension("older"))?;
                sync(&self.data)?;
            }
            step()?;
            fs::rename(new.join("db"), &store)?;
            sync(&self.data)?;
        }
        if new.join("witness").exists() {
            step()?;
            fs::rename(new.join("witness"), self.data.join("witness"))?;
            sync(&self.data)?;
        }
        step()?;
        fs::remove_file(self.data.join(REPAIR))?;
        sync(&self.folder())
    }

    /// Removes what was written meanwhile.
    fn clear(&self) -> io::Result<()> {
        match fs::remove_dir_all(self.folder()) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
#[path = "repair_tests.rs"]
mod tests;
