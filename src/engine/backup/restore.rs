//! A backup verified, and made into a data directory.
//!
//! **Promises.** Every byte of a backup is checked before the first is used. The data directory appears whole or not at all.
//! Jobs that were at work wait, and nothing is held against them.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io;
use std::path::{Component, Path};

use super::super::error::{EngineError, ErrorKind};
use super::super::faces::ROWS_PER_BATCH;
use super::super::files::{folder_of, sync};
use super::super::progress::Done;
use super::super::records::JobRecord;
use super::super::{Clock as _, SystemClock};
use super::{FILES, FORMAT, MANIFEST, Manifest, PARTS, Sum, copy, failed, part, sum, sync_folders};
use crate::job::{Event, Run};
use crate::store::{Batch, Disk, FORMAT_VERSION, Store, decode, keys};

fn damaged(text: String) -> EngineError {
    EngineError::new(ErrorKind::Content, text)
}

/// Reads all of a backup; what it says of itself, if it is what was written. `observe` is told the bytes that are read.
pub fn verify_backup(from: &Path, observe: &mut dyn FnMut(Done)) -> Result<Manifest, EngineError> {
    let manifest = manifest(from)?;
    let total = Some(bytes(from, &manifest));
    let mut n = 0;
    let mut read = |more| {
        n += more;
        observe(Done { n, total });
    };
    for name in PARTS.into_iter().chain([FILES]) {
        let expected = manifest.parts.get(name).ok_or_else(|| damaged(format!("the manifest does not know {name}")))?;
        check(&from.join(name), name, expected, &mut read)?;
    }
    let files = files(from)?;
    for (expected, path) in &files {
        check(&from.join(path), path, expected, &mut read)?;
    }
    if files.len() as u64 != manifest.n_files {
        let n_files = files.len();
        return Err(damaged(format!("{FILES} names {n_files} files, the manifest {}", manifest.n_files)));
    }
    Ok(manifest)
}

/// What a backup says of itself, if this program can read it.
fn manifest(from: &Path) -> Result<Manifest, EngineError> {
    let text = fs::read(from.join(MANIFEST)).map_err(|source| failed("the backup cannot be read", source))?;
    let manifest: Manifest =
        serde_json::from_slice(&text).map_err(|error| damaged(format!("the manifest of the backup: {error}")))?;
    if manifest.format != FORMAT || manifest.records_format != FORMAT_VERSION {
        let (format, records) = (manifest.format, manifest.records_format);
        let text = format!(
            "the backup has format {format} with records of format {records}, this program reads {FORMAT} with {FORMAT_VERSION}"
        );
        return Err(damaged(text));
    }
    Ok(manifest)
}

/// How many bytes a backup has by what it says, for those who wait; a list of files that cannot be read counts for nothing
/// here, and is complained of where its turn comes.
fn bytes(from: &Path, manifest: &Manifest) -> u64 {
    let parts = manifest.parts.values().map(|sum| sum.bytes);
    let files = files(from).unwrap_or_default();
    parts.chain(files.iter().map(|(sum, _)| sum.bytes)).fold(0, u64::saturating_add)
}

fn check(path: &Path, name: &str, expected: &Sum, read: &mut dyn FnMut(u64)) -> Result<(), EngineError> {
    let found = sum(path, read).map_err(|source| failed(&format!("{name} of the backup cannot be read"), source))?;
    if found == *expected {
        return Ok(());
    }
    let (is, was) = (found.bytes, expected.bytes);
    Err(damaged(format!(
        "{name} of the backup is damaged: it has {is} bytes and another checksum; {was} bytes were written"
    )))
}

/// The files that a backup names, each with what it has to be. None is outside of its folders.
fn files(from: &Path) -> Result<Vec<(Sum, String)>, EngineError> {
    let text = fs::read_to_string(from.join(FILES)).map_err(|source| failed("the backup cannot be read", source))?;
    let file = |line: &str| {
        let mut words = line.splitn(3, ' ');
        let (blake3, bytes, path) = (words.next()?.to_owned(), words.next()?.parse().ok()?, words.next()?.to_owned());
        let is_plain = Path::new(&path).components().all(|part| matches!(part, Component::Normal(_)));
        let is_inside = path.starts_with("pictures/") || path.starts_with("uploads/");
        (is_plain && is_inside).then_some((Sum { bytes, blake3 }, path))
    };
    text.lines()
        .map(|line| file(line).ok_or_else(|| damaged(format!("{FILES} has a line that is none: {line}"))))
        .collect()
}

/// Makes the backup `from` into the data directory `to`, which is not there, or empty. `observe` is told the bytes that are
/// verified, and then those that are written.
pub fn restore_backup(from: &Path, to: &Path, observe: &mut dyn FnMut(Done)) -> Result<Manifest, EngineError> {
    let cannot = |source| failed("the data directory cannot be written", source);
    match fs::read_dir(to).map(|mut entries| entries.next().is_some()) {
        Ok(false) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(cannot(error)),
        Ok(true) => {
            let text = format!("{} is not empty: a backup is restored into a new data directory", to.display());
            return Err(EngineError::new(ErrorKind::FileNotAccessible, text));
        }
    }
    let both = |done: Done| Done { total: done.total.map(|total| 2 * total), ..done };
    let manifest = verify_backup(from, &mut |done| observe(both(done)))?;
    let verified = bytes(from, &manifest);
    let mut n = verified + manifest.parts.values().map(|sum| sum.bytes).sum::<u64>();
    let name = to.file_name().ok_or_else(|| cannot(io::ErrorKind::InvalidInput.into()))?;
    let work = to.with_file_name([name, OsStr::new(".restoring")].join(OsStr::new("")));
    match fs::remove_dir_all(&work) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(cannot(error)),
        _ => {} // of a process that was killed
    }
    let mut put = verified;
    let mut step = |more: u64| {
        put = (put + more).min(n);
        observe(Done { n: put, total: Some(2 * verified) });
    };
    let written = write_records(from, &work, &mut step).and_then(|()| {
        for (expected, path) in files(from)? {
            let mut file = File::open(from.join(&path)).map_err(cannot)?;
            copy(&mut file, &work.join(&path)).map_err(cannot)?;
            n += expected.bytes;
            observe(Done { n, total: Some(2 * verified) });
        }
        sync_folders(&work).map_err(cannot)?;
        fs::rename(&work, to).and_then(|()| sync(folder_of(to))).map_err(cannot)
    });
    if written.is_err() {
        let _ = fs::remove_dir_all(&work); // the failure itself is told
    }
    written.map(|()| manifest)
}

fn write_records(from: &Path, work: &Path, step: &mut dyn FnMut(u64)) -> Result<(), EngineError> {
    let disk = Disk::open(work, 64 << 20)?;
    let own = [keys::version(), keys::last_sync()];
    for name in PARTS {
        let mut batch = Batch::new();
        part::read(&from.join(name), &mut |key, value| {
            step((key.len() + value.map_or(0, <[u8]>::len)) as u64);
            match value {
                _ if own.iter().any(|own| own == key) => {}
                Some(value) => batch.put(key, value.to_vec()),
                None => batch.remove(key),
            }
            if batch.len() >= ROWS_PER_BATCH { Ok(disk.write(std::mem::take(&mut batch))?) } else { Ok(()) }
        })?;
        disk.write(batch)?;
    }
    let jobs: Vec<_> = disk.scan(&keys::jobs()).collect::<Result<_, _>>()?;
    for (key, value) in jobs {
        let mut record: JobRecord = decode(&key, &value)?;
        let released = record.life.after(Run::Running, Event::Release, SystemClock.now());
        if let (true, Ok((life, _))) = (record.life.was_at_work(), released) {
            record.life = life;
            let mut batch = Batch::new();
            batch.record(&key, &record);
            disk.write(batch)?;
        }
    }
    Ok(disk.sync()?)
}
