//! A backup of a data directory, made while others change it; verified, and made into a data directory again.
//!
//! ```text
//! manifest.json     format, program, time, and for each of the files below its length and BLAKE3
//! records-000.bin   every record as it was found, in key order
//! records-001.bin   what was written meanwhile, in its order: after it all records are those of one moment
//! files.txt         BLAKE3, length and path of every file below pictures/ and uploads/
//! pictures/         as in the data directory, those that records refer to
//! uploads/          those of jobs that wait
//! ```
//!
//! A record is the length of its key and that of its value, four bytes each, little-endian, and both; the length
//! `u32::MAX` says that the key is removed. The values have checksums of their own (`store`).
//!
//! **Promises.** What is in a backup is the store of one moment, the end of the reading, and everything of it. Others go
//! on meanwhile, and writers wait at its end while the changes made during it are read. It appears whole or not at all, replaces nothing, and takes the memory of its pictures' names.
//!
//! **Not here.** Graphs and pairs, which are made anew, and the configuration.

mod journal;
mod part;
mod restore;

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::Engine;
use super::error::{EngineError, ErrorKind};
use super::files::{folder_of, sync};
use super::pictures::PictureRecord;
use super::progress::Done;
use super::records::{ImageRecord, JobRecord};
use crate::store::{StoreError, decode};
pub(super) use journal::Journal;
use part::Part;
pub use restore::{restore_backup, verify_backup};

/// The version of what a backup looks like.
const FORMAT: u32 = 1;
const MANIFEST: &str = "manifest.json";
const FILES: &str = "files.txt";
const PARTS: [&str; 2] = ["records-000.bin", "records-001.bin"];

/// The parameter that names the folder of a backup.
const PATH: &str = "path";

/// What a backup says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// The version of its format.
    pub format: u32,
    /// The version of the records in it.
    pub records_format: u8,
    /// The program that made it.
    pub program: String,
    /// When, in seconds since 1970.
    pub time: i64,
    /// Records read and changes written meanwhile.
    pub n_records: u64,
    /// Pictures and uploads.
    pub n_files: u64,
    /// Each file with its length and BLAKE3.
    parts: BTreeMap<String, Sum>,
}

/// How much of a backup is written: first its records, then its files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Written {
    /// So many records, of about so many.
    Records(Done),
    /// So many pictures and uploads.
    Files(Done),
}

/// What a file has to be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Sum {
    bytes: u64,
    blake3: String,
}

fn failed(what: &str, source: io::Error) -> EngineError {
    let text = format!("{what}: {source}");
    EngineError::caused(ErrorKind::FileNotAccessible, text, source)
}

/// Files that records refer to, as the records pass by.
#[derive(Default)]
struct Named {
    pictures: BTreeMap<Vec<u8>, PictureRecord>,
    uploads: BTreeMap<Vec<u8>, Vec<String>>,
}

impl Named {
    fn take(&mut self, key: &[u8], value: Option<&[u8]>) -> Result<(), StoreError> {
        match key.first() {
            Some(b'i' | b's' | b'h') => {
                self.pictures.remove(key);
                let record = value.map(|value| decode::<ImageRecord>(key, value)).transpose()?;
                if let Some(picture) = record.and_then(|record| record.picture) {
                    self.pictures.insert(key.to_vec(), picture);
                }
            }
            Some(b'j') => {
                self.uploads.remove(key);
                let record = value.map(|value| decode::<JobRecord>(key, value)).transpose()?;
                if let Some(record) = record.filter(|record| !record.life.has_ended()) {
                    let files = record.task.uploads().map(|upload| upload.file.clone()).collect();
                    self.uploads.insert(key.to_vec(), files);
                }
            }
            _ => {}
        }
        Ok(())
    }
}

impl Engine {
    /// Writes a backup into the folder that a client names, below a folder in which clients may have files written
    /// (contract R159).
    pub fn backup_for_client(&self, path: &str) -> Result<Manifest, EngineError> {
        let place = self.allowed_output(PATH, path)?;
        place.check_free(PATH, path, &place.file())?;
        self.backup(&place.file(), &mut |_| {})
    }

    /// Writes a backup into the folder `to`, which must not be there. `observe` is told how much is written.
    pub fn backup(&self, to: &Path, observe: &mut dyn FnMut(Written)) -> Result<Manifest, EngineError> {
        let cannot = |source| failed("the backup cannot be written", source);
        let name = to.file_name().ok_or_else(|| cannot(io::ErrorKind::InvalidInput.into()))?;
        let work = to.with_file_name([std::ffi::OsStr::new(".partial-"), name].join(std::ffi::OsStr::new("")));
        if to.symlink_metadata().is_ok() {
            return Err(cannot(io::ErrorKind::AlreadyExists.into()));
        }
        let _only = self.journal.reserve()?;
        let _spared = self.spare_pictures();
        let _ = fs::remove_dir_all(&work); // of a process that was killed
        fs::create_dir(&work).map_err(cannot)?;
        let written = self.write_backup(&work, observe).and_then(|manifest| {
            // an empty folder that somebody has made there meanwhile would be replaced, and nothing else
            fs::rename(&work, to).and_then(|()| sync(folder_of(to))).map_err(cannot)?;
            Ok(manifest)
        });
        if written.is_err() {
            let _ = fs::remove_dir_all(&work); // the failure itself is told
        }
        written
    }

    /// About how many records there are: rows of faces and images, jobs and their results. Few are of other kinds.
    fn n_records(&self) -> u64 {
        let count = self.tally.total();
        let chunks = |job: &JobRecord| u64::from(job.n_chunks().unwrap_or(0));
        let of_jobs: u64 = self.lock_jobs().iter().map(|(_, entry)| 1 + chunks(&entry.record)).sum();
        count.faces + count.images() + of_jobs
    }

    fn write_backup(&self, work: &Path, observe: &mut dyn FnMut(Written)) -> Result<Manifest, EngineError> {
        let cannot = |source| failed("the backup cannot be written", source);
        let mut named = Named::default();
        let mut part = Part::create(&work.join(PARTS[0])).map_err(cannot)?;
        self.journal.begin(Part::create(&work.join(PARTS[1])).map_err(cannot)?);
        let (mut n, total) = (0, self.n_records());
        let mut read = || -> Result<(), EngineError> {
            for entry in self.store.scan(&[]) {
                let (key, value) = entry?;
                named.take(&key, Some(&value))?;
                part.push(&key, Some(&value)).map_err(cannot)?;
                n += 1;
                observe(Written::Records(Done { n, total: Some(total.max(n)) })); // there may be more by now
            }
            Ok(())
        };
        let read = read();
        // open files outlive their names, so that a job may end while its upload is copied
        let ended = self.journal.end(|| {
            part::read(&work.join(PARTS[1]), &mut |key, value| Ok(named.take(key, value)?))?;
            let open = |name: &String| Ok((format!("uploads/{name}"), File::open(self.uploads_folder().join(name))?));
            named.uploads.values().flatten().map(open).collect::<io::Result<Vec<_>>>().map_err(cannot)
        });
        read?;
        let (journal, uploads) = ended?;
        let mut parts = BTreeMap::new();
        let mut n_records = 0;
        for (name, part) in PARTS.into_iter().zip([part, journal]) {
            let (n, sum) = part.finish().map_err(cannot)?;
            n_records += n;
            parts.insert(name.to_owned(), sum);
        }
        let mut files = Vec::new();
        let total = Some((uploads.len() + named.pictures.len()) as u64);
        let pictures = named.pictures.values().map(|picture| picture.path());
        let pictures = pictures.map(|path| File::open(self.settings.data.join(&path)).map(|file| (path, file)));
        for file in uploads.into_iter().map(Ok).chain(pictures) {
            let (path, mut file) = file.map_err(|source: io::Error| {
                failed("a picture went while the backup was made, with its database; make it again", source)
            })?;
            let sum = copy(&mut file, &work.join(&path)).map_err(cannot)?;
            files.push(format!("{} {} {path}\n", sum.blake3, sum.bytes));
            observe(Written::Files(Done { n: files.len() as u64, total }));
        }
        parts.insert(FILES.to_owned(), write(&work.join(FILES), files.concat().as_bytes()).map_err(cannot)?);
        let manifest = Manifest {
            format: FORMAT,
            records_format: crate::store::FORMAT_VERSION,
            program: format!("faceclique {}", env!("CARGO_PKG_VERSION")),
            time: self.clock.now().seconds(),
            n_records,
            n_files: files.len() as u64,
            parts,
        };
        let text = serde_json::to_vec_pretty(&manifest).expect("plain data becomes JSON");
        write(&work.join(MANIFEST), &text).map_err(cannot)?;
        sync_folders(work).map_err(cannot)?;
        Ok(manifest)
    }
}

/// Writes a file, synced.
fn write(path: &Path, mut content: &[u8]) -> io::Result<Sum> {
    copy(&mut content, path)
}

/// Writes what is read into a new file, synced, making its folder.
fn copy(from: &mut dyn io::Read, to: &Path) -> io::Result<Sum> {
    if let Some(folder) = to.parent() {
        fs::create_dir_all(folder)?;
    }
    let mut file = File::create_new(to)?;
    let (mut hasher, mut bytes, mut buffer) = (blake3::Hasher::new(), 0, vec![0; 1 << 16]);
    loop {
        let n = from.read(&mut buffer)?;
        if n == 0 {
            break;
        }
        hasher.update(&buffer[..n]);
        file.write_all(&buffer[..n])?;
        bytes += n as u64;
    }
    file.sync_all()?;
    Ok(Sum { bytes, blake3: hasher.finalize().to_hex().to_string() })
}

/// What a file is. `observe` is told the bytes that are read, piece by piece.
fn sum(path: &Path, observe: &mut dyn FnMut(u64)) -> io::Result<Sum> {
    let (mut file, mut hasher, mut bytes, mut buffer) = (File::open(path)?, blake3::Hasher::new(), 0, vec![0; 1 << 16]);
    loop {
        let n = file.read(&mut buffer)?;
        if n == 0 {
            return Ok(Sum { bytes, blake3: hasher.finalize().to_hex().to_string() });
        }
        hasher.update(&buffer[..n]);
        bytes += n as u64;
        observe(n as u64);
    }
}

/// Makes the names in a folder and those below it durable.
fn sync_folders(folder: &Path) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path: PathBuf = entry?.path();
        if path.is_dir() {
            sync_folders(&path)?;
        }
    }
    sync(folder)
}
