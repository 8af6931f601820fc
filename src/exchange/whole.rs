//! A file that appears whole or not at all.
//!
//! **Promises.** Until [`WholeFile::publish`] nothing is at the path that was not there before; afterwards the file is
//! on the disk, its directory entry too. A file that is there already is replaced in one step. Dropped, it leaves
//! nothing. Only the owner may read it: faces are nobody else's business.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

/// A file being written under another name in the same directory.
#[derive(Debug)]
pub(super) struct WholeFile {
    written: NamedTempFile,
    path: PathBuf,
}

impl WholeFile {
    pub(super) fn create(path: &Path) -> io::Result<Self> {
        let written = tempfile::Builder::new().prefix(".faceclique-").tempfile_in(directory(path))?;
        Ok(Self { written, path: path.to_owned() })
    }

    /// A handle for writing.
    pub(super) fn handle(&self) -> io::Result<File> {
        self.written.as_file().try_clone()
    }

    /// Lets the file appear. What was written through [`handle`](Self::handle) must have been flushed.
    pub(super) fn publish(self) -> io::Result<()> {
        self.written.as_file().sync_all()?;
        self.written.persist(&self.path).map_err(|error| error.error)?;
        File::open(directory(&self.path))?.sync_all()
    }
}

/// The directory a path is in.
pub(super) fn directory(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}
