//! Installing a pack: a folder with `pack.toml` and the models, there whole and tried or not at all.
//!
//! **Promises.** What stands below the name of the pack is complete, has the checksums that its description gives, and
//! its models have run; it appears in one step, and replaces another only if it was told to, in one step too.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, RenameFlags, renameat_with};
use thiserror::Error;

use super::pack::{PACK_FILE, UNKNOWN, checksum, is_file_name};
use super::{Description, MAX_IMAGE_PIXELS, Pack, PackError, Pipeline};

/// Why a pack was not installed.
#[derive(Debug, Error)]
pub enum InstallError {
    /// It would not open.
    #[error(transparent)]
    Pack(#[from] PackError),
    /// Its name cannot be that of a folder.
    #[error("the pack's name {name:?} cannot be the name of a folder")]
    Name {
        /// Which.
        name: String,
    },
    /// It is there.
    #[error("{} is there already; --replace puts this one in its place", folder.display())]
    Exists {
        /// Where.
        folder: PathBuf,
    },
    /// A model is not among the files that were given.
    #[error("no file given is '{file}' of the pack (SHA-256 {sha256})")]
    Missing {
        /// Its file.
        file: String,
        /// Its checksum by the pack.
        sha256: String,
    },
    /// A file or folder cannot be read or written.
    #[error("{}: {source}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// What becomes of a pack that is there under the name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Namesake {
    /// It stays, and nothing is installed.
    Stays,
    /// It goes when the new one is whole.
    Goes,
}

/// What happened to a file.
fn at(path: &Path) -> impl FnOnce(io::Error) -> InstallError {
    let path = path.to_owned();
    move |source| InstallError::File { path, source }
}

/// Installs the pack of this description below the folder `packs`, with its models found by checksum, whatever they are
/// called, among the files `given`, which may be folders that hold them. Returns the folder of the pack.
pub fn install(
    description: &str,
    given: &[PathBuf],
    packs: &Path,
    namesake: Namesake,
) -> Result<PathBuf, InstallError> {
    let parsed = Description::parse(description)?;
    let name = &parsed.name;
    if !is_file_name(name) || name.starts_with('.') {
        return Err(InstallError::Name { name: name.clone() });
    }
    let folder = packs.join(name);
    let is_there = folder.exists();
    if is_there && namesake == Namesake::Stays {
        return Err(InstallError::Exists { folder });
    }
    fs::create_dir_all(packs).map_err(at(packs))?;
    let begun = Begun::new(packs.join(format!(".{name}.{}", std::process::id())))?;
    write(&begun.0.join(PACK_FILE), description.as_bytes())?;
    for (file, sha256) in parsed.models() {
        write(&begun.0.join(file), &find(file, sha256, given)?)?;
    }
    Pipeline::open(Pack::open(&begun.0)?, MAX_IMAGE_PIXELS)?;
    sync(&begun.0)?;
    if is_there {
        // the old one goes under the name of what was begun, and then with it
        renameat_with(CWD, &begun.0, CWD, &folder, RenameFlags::EXCHANGE).map_err(|error| at(&folder)(error.into()))?;
    } else {
        fs::rename(&begun.0, &folder).map_err(at(&folder))?; // one that has appeared meanwhile is not empty, and stays
    }
    sync(packs)?;
    Ok(folder)
}

/// The folder while it is filled; dropped, it goes, unless it has got its name.
struct Begun(PathBuf);

impl Begun {
    fn new(path: PathBuf) -> Result<Self, InstallError> {
        let _ = fs::remove_dir_all(&path); // of a process of the same number that was killed
        fs::create_dir(&path).map_err(at(&path))?;
        Ok(Self(path))
    }
}

impl Drop for Begun {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// The bytes of a model.
fn find(file: &str, sha256: &str, given: &[PathBuf]) -> Result<Vec<u8>, InstallError> {
    let mut other = None;
    for path in given {
        let path = if path.is_dir() { path.join(file) } else { path.clone() };
        if !path.exists() && given.len() > 1 {
            continue; // one of several folders may have it
        }
        let is_namesake = path.file_name().is_some_and(|name| name == file);
        let bytes = fs::read(&path).map_err(at(&path))?;
        let found = checksum(&bytes);
        if found.eq_ignore_ascii_case(sha256) || (sha256 == UNKNOWN && is_namesake) {
            return Ok(bytes);
        }
        if is_namesake {
            other = Some(found);
        }
    }
    let (file, expected) = (file.to_owned(), sha256.to_owned());
    Err(match other {
        Some(found) => PackError::Checksum { file, expected, found }.into(),
        None => InstallError::Missing { file, sha256: expected },
    })
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), InstallError> {
    fs::write(path, bytes).map_err(at(path))?;
    sync(path)
}

fn sync(path: &Path) -> Result<(), InstallError> {
    File::open(path).and_then(|file| file.sync_all()).map_err(at(path))
}
