//! The doubt: whether what the files of the store read as is also what the disk has.
//!
//! ```text
//! data/doubt    one byte: `0`, or `1` while a write or sync of the store has failed
//! ```
//!
//! **Why.** A system that cannot write a page tells so once, to one sync. Then it may take the page for written: it is read
//! as if it were on the disk, the next sync succeeds, and after a power cut it is not there, nor, since a log is read to its
//! first gap, is anything behind it. So whoever opens a store after a failed sync writes all of its files again, with the
//! bytes they have, and syncs them, before anything is built on them ([`files::write_again`](super::files::write_again)).
//! That also holds for another process that opens it after this one was killed.
//!
//! The byte is written over one that is there, which needs no room on the disk, and is not synced: a power cut, which alone
//! could lose it, also ends the doubt, for then only what the disk has is read.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

/// The file, open.
#[derive(Debug)]
pub(super) struct Doubt {
    file: File,
}

impl Doubt {
    /// Opens the file at `path`; where there is none there is no doubt.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)?;
        if file.metadata()?.len() == 0 {
            file.write_all_at(b"0", 0)?;
        }
        Ok(Self { file })
    }

    /// Whether there is doubt.
    pub(super) fn is_raised(&self) -> io::Result<bool> {
        let mut byte = [0];
        self.file.read_exact_at(&mut byte, 0)?;
        Ok(byte != *b"0")
    }

    pub(super) fn raise(&self) -> io::Result<()> {
        self.file.write_all_at(b"1", 0)
    }

    /// Everything was written again and synced.
    pub(super) fn settle(&self) -> io::Result<()> {
        self.file.write_all_at(b"0", 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubt_outlives_the_process_until_it_is_settled() {
        let folder = tempfile::tempdir().unwrap();
        let open = || Doubt::open(&folder.path().join("doubt")).unwrap();
        assert!(!open().is_raised().unwrap());
        open().raise().unwrap();
        assert!(open().is_raised().unwrap());
        open().settle().unwrap();
        assert!(!open().is_raised().unwrap());
    }
}
