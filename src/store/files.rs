//! The files underneath sled, synced as a power cut needs it.
//!
//! **Why.** On Linux sled 0.34 makes its log stable by `sync_file_range`. That waits until the pages were handed to the
//! disk; it neither has the disk empty its own cache nor writes down how long the file has become, and its manual says
//! that nothing is guaranteed after a crash of the machine. What is too large for the log goes into files of its own
//! (`blobs/`), which sled does not sync at all. So both are synced here, behind each flush of sled's.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

/// The files of a database of sled's that is open.
#[derive(Debug)]
pub(super) struct Files {
    log: File,
    blobs: PathBuf,
    /// Of the files in `blobs` that are synced, how long they were then. One that another thread is writing is listed
    /// shorter than it will be, and is synced again.
    synced: Mutex<BTreeMap<OsString, u64>>,
}

impl Files {
    /// Those in `folder`, which sled has made; that they are there is durable when this returns.
    pub(super) fn open(folder: &Path) -> io::Result<Self> {
        let files = Self { log: File::open(folder.join("db"))?, blobs: folder.join("blobs"), synced: Mutex::default() };
        files.sync()?;
        for made in [Some(folder), folder.parent()].into_iter().flatten() {
            sync(made)?;
        }
        Ok(files)
    }

    /// Returns when all that was written to them before is on the disk.
    pub(super) fn sync(&self) -> io::Result<()> {
        self.sync_blobs()?;
        self.log.sync_data()
    }

    /// The same of what is too large for the log.
    pub(super) fn sync_blobs(&self) -> io::Result<()> {
        let mut synced = self.synced.lock().unwrap_or_else(PoisonError::into_inner);
        let mut there = BTreeMap::new();
        let mut is_new = false;
        for entry in fs::read_dir(&self.blobs)? {
            let entry = entry?;
            // sled may remove it meanwhile
            let Some(length) = unless_gone(entry.metadata().map(|about| about.len()))? else { continue };
            let name = entry.file_name();
            if synced.get(&name) != Some(&length) {
                let Some(()) = unless_gone(File::open(entry.path()).and_then(|file| file.sync_all()))? else {
                    continue;
                };
                is_new = true;
            }
            there.insert(name, length);
        }
        *synced = there;
        if is_new { File::open(&self.blobs)?.sync_all() } else { Ok(()) }
    }
}

/// Makes a file durable, or the names in a folder.
pub(crate) fn sync(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

/// The folder that a path is in, also of a name alone.
pub(crate) fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Has the disk hold what the files of a folder, and of those in it, read as: writes all of them again, in place, and syncs
/// them; says how many bytes that were. A sector that has the same bytes already stays as it is, whatever happens meanwhile.
pub(super) fn write_again(folder: &Path) -> io::Result<u64> {
    let mut total = 0;
    let mut buffer = vec![0; 1 << 20];
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            total += write_again(&entry.path())?;
            continue;
        }
        let file = File::options().read(true).write(true).open(entry.path())?;
        let mut at = 0;
        loop {
            let n = file.read_at(&mut buffer, at)?;
            if n == 0 {
                break;
            }
            file.write_all_at(&buffer[..n], at)?;
            at += n as u64;
        }
        file.sync_all()?;
        total += at;
    }
    sync(folder)?;
    Ok(total)
}

fn unless_gone<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_blob_is_synced_once_and_again_when_it_has_grown() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("db"), "log").unwrap();
        let blobs = folder.path().join("blobs");
        fs::create_dir(&blobs).unwrap();
        let files = Files::open(folder.path()).unwrap();
        let synced = || files.synced.lock().unwrap().values().copied().collect::<Vec<_>>();
        for (content, expected) in [("ab", vec![2]), ("abcd", vec![4])] {
            fs::write(blobs.join("17"), content).unwrap();
            files.sync().unwrap();
            assert_eq!(synced(), expected);
        }
        fs::remove_file(blobs.join("17")).unwrap();
        files.sync().unwrap();
        assert!(synced().is_empty());
    }

    #[test]
    fn files_that_are_written_again_stay_what_they_were() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("blobs")).unwrap();
        let files = [("db", 3 << 20), ("blobs/17", 5), ("empty", 0)];
        let content = |n: usize| (0..n).map(|at| (at * 7 % 251) as u8).collect::<Vec<_>>();
        for (name, n) in files {
            fs::write(folder.path().join(name), content(n)).unwrap();
        }
        assert_eq!(write_again(folder.path()).unwrap(), (3 << 20) + 5);
        for (name, n) in files {
            assert_eq!(fs::read(folder.path().join(name)).unwrap(), content(n), "{name}");
        }
    }

    #[test]
    fn sled_keeps_its_log_and_what_is_too_large_for_it_where_they_are_synced() {
        let folder = tempfile::tempdir().unwrap();
        let tree = sled::Config::new().path(folder.path()).flush_every_ms(None).open().unwrap();
        let files = Files::open(folder.path()).unwrap();
        tree.insert("large", vec![7; 4 << 20]).unwrap();
        tree.flush().unwrap();
        files.sync().unwrap();
        assert!(files.log.metadata().unwrap().len() > 0);
        assert!(files.synced.lock().unwrap().values().any(|&length| length > 4 << 20), "blobs are elsewhere now");
    }
}
