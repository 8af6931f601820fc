//! A file that appears whole or not at all.
//!
//! **Promises.** Until [`WholeFile::publish`] nothing is at the path that was not there before; afterwards the file is
//! on the disk, its directory entry too. A file that is there already is replaced in one step, or is never touched, as
//! the owner asked. Dropped, it leaves nothing. Only the owner may read it: faces are nobody else's business.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

/// A file being written under another name in the same directory.
#[derive(Debug)]
pub(super) struct WholeFile {
    written: NamedTempFile,
    path: PathBuf,
    if_there: IfThere,
}

/// What becomes of a file that is there already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum IfThere {
    Replaced,
    Kept,
}

impl WholeFile {
    pub(super) fn create(path: &Path) -> io::Result<Self> {
        let written = tempfile::Builder::new().prefix(".faceclique-").tempfile_in(directory(path))?;
        Ok(Self { written, path: path.to_owned(), if_there: IfThere::Replaced })
    }

    /// A file that replaces none. Until it appears it is called `temporary`; a file of that name is what a run that was
    /// killed has left, and goes.
    pub(super) fn create_new(path: &Path, temporary: &str) -> io::Result<Self> {
        if path.symlink_metadata().is_ok() {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        let folder = directory(path);
        match fs::remove_file(folder.join(temporary)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let written = tempfile::Builder::new().prefix(temporary).rand_bytes(0).tempfile_in(folder)?;
        Ok(Self { written, path: path.to_owned(), if_there: IfThere::Kept })
    }

    /// The file itself, as it is now and as it will be.
    pub(super) fn file(&self) -> &File {
        self.written.as_file()
    }

    /// A handle for writing.
    pub(super) fn handle(&self) -> io::Result<File> {
        self.written.as_file().try_clone()
    }

    /// Lets the file appear. What was written through [`handle`](Self::handle) must have been flushed.
    pub(super) fn publish(self) -> io::Result<()> {
        self.written.as_file().sync_all()?;
        let appeared = match self.if_there {
            IfThere::Replaced => self.written.persist(&self.path),
            IfThere::Kept => self.written.persist_noclobber(&self.path),
        };
        appeared.map_err(|error| error.error)?;
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
