//! Uploaded bytes: in memory while small, in a spool file when large, in a file of its own when it is to be imported.
//!
//! **Promises.** Spool files vanish with the request. Ten thousand images need one spool file, not ten thousand.
//!
//! **Why two kinds of file.** Images are copied into the store anyway; an import file may have many gigabytes, so it
//! can be moved to where the job will read it ([`Upload::into_path`]).

use std::fs::File;
use std::io::{self, Cursor, Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use tempfile::{NamedTempFile, TempPath};

use super::budget::Share;
use super::limits::Limits;

/// One uploaded image, embedding or file.
#[derive(Debug)]
pub struct Upload {
    /// The Content-Type of its part, if it had one.
    pub content_type: Option<String>,
    content: Content,
}

/// Where the bytes of an upload are.
#[derive(Debug)]
pub enum Content {
    /// In memory.
    Memory(Vec<u8>),
    /// A stretch of the request's spool file.
    Spooled(Stretch),
    /// A file of its own, removed when dropped.
    File {
        /// Where it is.
        path: TempPath,
        /// Its bytes.
        len: u64,
    },
}

/// A stretch of a spool file that several uploads share.
#[derive(Debug, Clone)]
pub struct Stretch {
    file: Arc<Mutex<File>>,
    at: u64,
    len: u64,
}

impl Read for Stretch {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let most = usize::try_from(self.len).unwrap_or(usize::MAX).min(buffer.len());
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        file.seek(SeekFrom::Start(self.at))?;
        let read = file.read(&mut buffer[..most])?;
        self.at += read as u64;
        self.len -= read as u64;
        Ok(read)
    }
}

impl Upload {
    /// An upload of these bytes.
    pub fn from_bytes(bytes: Vec<u8>, content_type: Option<String>) -> Self {
        Self { content_type, content: Content::Memory(bytes) }
    }

    /// How many bytes.
    pub fn len(&self) -> u64 {
        match &self.content {
            Content::Memory(bytes) => bytes.len() as u64,
            Content::Spooled(stretch) => stretch.len,
            Content::File { len, .. } => *len,
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Where the bytes are.
    pub fn content(&self) -> &Content {
        &self.content
    }

    /// The bytes, from the beginning.
    pub fn open(&self) -> io::Result<Box<dyn Read + Send + '_>> {
        Ok(match &self.content {
            Content::Memory(bytes) => Box::new(Cursor::new(bytes.as_slice())),
            Content::Spooled(stretch) => Box::new(stretch.clone()),
            Content::File { path, .. } => Box::new(File::open(path)?),
        })
    }

    /// All bytes in memory.
    pub fn read_all(&self) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::with_capacity(usize::try_from(self.len()).unwrap_or(0));
        self.open()?.read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    /// Makes the upload the file `path`, by renaming where it has a file of its own on the same file system, else by
    /// copying. The content is flushed to disk; the directory entry is the caller's to flush. An existing file is
    /// replaced.
    pub fn into_path(self, path: &Path) -> io::Result<()> {
        let from = match self.content {
            Content::File { path: from, len } => {
                File::open(&from)?.sync_all()?;
                match from.persist(path) {
                    Ok(()) => return Ok(()),
                    Err(failed) => Self { content_type: None, content: Content::File { path: failed.path, len } },
                }
            }
            content => Self { content_type: None, content },
        };
        let mut file = File::create(path)?;
        io::copy(&mut from.open()?, &mut file)?;
        file.sync_all()
    }
}

/// The spool of one request: what of its uploads is in memory, and the file for the rest.
#[derive(Debug)]
pub(crate) struct Spool {
    limits: Arc<Limits>,
    /// Bytes of finished uploads in memory.
    in_memory: usize,
    /// What all uploads have of the memory of all requests, also the one being received.
    share: Share,
    shared: Option<Arc<Mutex<File>>>,
    end: u64,
}

/// An upload that is being received.
#[derive(Debug)]
pub(crate) enum Receiving {
    Memory(Vec<u8>),
    Spooled {
        file: Arc<Mutex<File>>,
        at: u64,
        len: u64,
    },
    /// A file of its own, made when the first byte arrives.
    File {
        file: Option<NamedTempFile>,
        len: u64,
    },
}

impl Receiving {
    /// Bytes so far.
    pub(crate) fn len(&self) -> u64 {
        match self {
            Self::Memory(bytes) => bytes.len() as u64,
            Self::Spooled { len, .. } | Self::File { len, .. } => *len,
        }
    }
}

impl Spool {
    pub(crate) fn new(limits: Arc<Limits>) -> Self {
        let share = limits.request_memory.share();
        Self { limits, in_memory: 0, share, shared: None, end: 0 }
    }

    /// Adds `bytes` to `receiving`.
    pub(crate) fn write(&mut self, receiving: &mut Receiving, bytes: &[u8]) -> io::Result<()> {
        match receiving {
            Receiving::Memory(have) => {
                let total = have.len() + bytes.len();
                let fits = total <= self.limits.spool_from && self.in_memory + total <= self.limits.max_upload_memory;
                if fits && self.share.take_from_half(bytes.len()) {
                    have.extend_from_slice(bytes);
                    return Ok(());
                }
                self.share.give_back(have.len());
                let have = std::mem::take(have);
                *receiving = Receiving::Spooled { file: self.shared()?, at: self.end, len: 0 };
                self.write(receiving, &have)?;
                self.write(receiving, bytes)
            }
            Receiving::Spooled { file, len, .. } => {
                has_room(&self.limits)?;
                let mut file = file.lock().unwrap_or_else(PoisonError::into_inner);
                file.seek(SeekFrom::Start(self.end))?;
                file.write_all(bytes)?;
                self.end += bytes.len() as u64;
                *len += bytes.len() as u64;
                Ok(())
            }
            Receiving::File { file, len } => {
                has_room(&self.limits)?;
                let file = match file {
                    Some(file) => file,
                    None => file.insert(self.own_file()?),
                };
                file.as_file_mut().write_all(bytes)?;
                *len += bytes.len() as u64;
                Ok(())
            }
        }
    }

    /// The upload, complete.
    pub(crate) fn finish(&mut self, receiving: Receiving, content_type: Option<String>) -> Upload {
        let content = match receiving {
            Receiving::Memory(bytes) => {
                self.in_memory += bytes.len();
                Content::Memory(bytes)
            }
            Receiving::Spooled { file, at, len } => Content::Spooled(Stretch { file, at, len }),
            Receiving::File { file: Some(file), len } => Content::File { path: file.into_temp_path(), len },
            Receiving::File { file: None, .. } => Content::Memory(Vec::new()),
        };
        Upload { content_type, content }
    }

    /// What the finished uploads have of the memory of all requests.
    pub(crate) fn into_share(self) -> Share {
        self.share
    }

    fn own_file(&self) -> io::Result<NamedTempFile> {
        tempfile::Builder::new().prefix("upload-").tempfile_in(&self.limits.spool_directory)
    }

    fn shared(&mut self) -> io::Result<Arc<Mutex<File>>> {
        if let Some(file) = &self.shared {
            return Ok(Arc::clone(file));
        }
        let file = Arc::new(Mutex::new(tempfile::tempfile_in(&self.limits.spool_directory)?));
        self.shared = Some(Arc::clone(&file));
        Ok(file)
    }
}

/// An error if the disk is nearly full.
fn has_room(limits: &Limits) -> io::Result<()> {
    limits.spool_room.check().map_err(|error| io::Error::new(io::ErrorKind::StorageFull, error))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spool(directory: &Path) -> Spool {
        let limits = Limits {
            spool_directory: directory.to_owned(),
            spool_from: 10,
            max_upload_memory: 15,
            ..Limits::default()
        };
        Spool::new(Arc::new(limits))
    }

    fn receive(spool: &mut Spool, mut receiving: Receiving, pieces: &[&[u8]]) -> Upload {
        for piece in pieces {
            spool.write(&mut receiving, piece).unwrap();
        }
        spool.finish(receiving, None)
    }

    #[test]
    fn small_uploads_stay_in_memory_until_the_memory_is_used_up() {
        let directory = tempfile::tempdir().unwrap();
        let mut spool = spool(directory.path());
        let mut image = |pieces: &[&[u8]]| receive(&mut spool, Receiving::Memory(Vec::new()), pieces);
        let uploads =
            [image(&[b"01234", b"56789"]), image(&[b"abcdef"]), image(&[b"g"]), image(&[b"hijklm", b"nopqrstuvw"])];
        assert!(matches!(uploads[0].content(), Content::Memory(_)));
        assert!(matches!(uploads[1].content(), Content::Spooled(_)));
        assert!(matches!(uploads[2].content(), Content::Memory(_)));
        assert!(matches!(uploads[3].content(), Content::Spooled(_)));
        let all: Vec<Vec<u8>> = uploads.iter().map(|upload| upload.read_all().unwrap()).collect();
        assert_eq!(all, [&b"0123456789"[..], b"abcdef", b"g", b"hijklmnopqrstuvw"]);
        assert_eq!(uploads[3].len(), 16);
    }

    #[test]
    fn an_import_file_is_moved_and_everything_else_vanishes() {
        let directory = tempfile::tempdir().unwrap();
        let mut spool = spool(directory.path());
        let receiving = Receiving::File { file: None, len: 0 };
        let upload = receive(&mut spool, receiving, &[b"line 1\n", b"line 2\n"]);
        let receiving = Receiving::File { file: None, len: 0 };
        drop(receive(&mut spool, receiving, &[b"gone"]));
        let spooled = receive(&mut spool, Receiving::Memory(Vec::new()), &[b"a picture of some size"]);
        assert_eq!(upload.len(), 14);
        upload.into_path(&directory.path().join("kept")).unwrap();
        spooled.into_path(&directory.path().join("copied")).unwrap();
        drop(spool);
        let mut names: Vec<_> = std::fs::read_dir(directory.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
        names.sort();
        assert_eq!(names, ["copied", "kept"]);
        assert_eq!(std::fs::read(directory.path().join("kept")).unwrap(), b"line 1\nline 2\n");
        assert_eq!(std::fs::read(directory.path().join("copied")).unwrap(), b"a picture of some size");
    }
}
