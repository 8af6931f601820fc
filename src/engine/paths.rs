//! Files that clients name by their path: which they may have read, and where they may have one written (contract R158,
//! R159).
//!
//! **Promises.** A path is made absolute and its links are resolved before it is judged by whole components. What was
//! judged is what is opened: from the allowed folder on every component is opened by itself and no link is followed, so
//! that nobody who swaps one meanwhile leads us outside. Only regular files are read, and opening never waits.
//!
//! **Not here.** What is in the files; a hard link is a file like any other.

use std::ffi::OsString;
use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::path::{Component, Path, PathBuf};

use rustix::fs::{AtFlags, FileType, Mode, OFlags, openat, statat};

use super::Engine;
use super::error::{EngineError, ErrorKind};

/// So much of a path is repeated in a message (contract R53).
const SHOWN_BYTES: usize = 254;

/// A file that may be written: a name in a folder that is open, whatever becomes of the folder's path.
#[derive(Debug)]
pub(super) struct OutputPlace {
    folder: OwnedFd,
    /// The folder's path when it was judged.
    real: PathBuf,
    name: OsString,
}

impl OutputPlace {
    /// A path of a file in the folder, to be used while this lives.
    pub(super) fn path(&self, name: &std::ffi::OsStr) -> PathBuf {
        let by_handle = PathBuf::from(format!("/proc/self/fd/{}", self.folder.as_raw_fd()));
        // Where the system has no such names the path is as good as any.
        if by_handle.exists() { by_handle.join(name) } else { self.real.join(name) }
    }

    /// The path of the file itself.
    pub(super) fn file(&self) -> PathBuf {
        self.path(&self.name)
    }

    /// That nothing of the name of this file is in the folder.
    pub(super) fn check_free(&self, parameter: &str, path: &str, file: &Path) -> Result<(), EngineError> {
        let name = file.file_name().unwrap_or(&self.name);
        match statat(&self.folder, name, AtFlags::SYMLINK_NOFOLLOW) {
            Err(rustix::io::Errno::NOENT) => Ok(()),
            Ok(_) => {
                let text = format!("'{parameter}={}': the file is there already and is not overwritten", shown(path));
                Err(EngineError::new(ErrorKind::FileNotAccessible, text))
            }
            Err(error) => {
                let text = format!("'{parameter}={}': {}", shown(path), told(&error.into()));
                Err(EngineError::new(ErrorKind::FileNotAccessible, text))
            }
        }
    }
}

/// Where a path leads.
enum Lead {
    /// To what is at `rest` below an allowed folder.
    Below { folder: PathBuf, rest: PathBuf },
    /// To nothing that is there; it would be below an allowed folder.
    Missing,
    /// Elsewhere.
    Outside,
}

impl Engine {
    /// Opens the file that a client names in `parameter`, if clients may have it read.
    pub fn allowed_input(&self, parameter: &str, path: &str) -> Result<File, EngineError> {
        let folders = &self.settings.allowed_input;
        let refused = || {
            let text = format!(
                "'{parameter}={}' is not a regular file below a folder from which files are read \
                 (setting allowed_input_directories)",
                shown(path)
            );
            EngineError::new(ErrorKind::PathNotAllowed, text)
        };
        let unreadable = |error: io::Error| {
            EngineError::new(ErrorKind::FileNotAccessible, format!("'{parameter}={}': {}", shown(path), told(&error)))
        };
        match lead(&absolute(path, self.settings.base.as_deref()), folders) {
            Lead::Outside => Err(refused()),
            Lead::Missing => Err(unreadable(io::ErrorKind::NotFound.into())),
            Lead::Below { folder, rest } => match open_below(&folder, &rest) {
                Ok(file) if file.metadata().map_err(unreadable)?.is_file() => Ok(file),
                Ok(_) => Err(refused()),
                Err(error) if is_swapped(&error) => Err(refused()),
                Err(error) => Err(unreadable(error)),
            },
        }
    }

    /// The place of the file that a client names in `parameter`, if clients may have it written. There is none yet, nor
    /// one of a name that `beside` makes of its name.
    pub(super) fn allowed_output(&self, parameter: &str, path: &str) -> Result<OutputPlace, EngineError> {
        let refused = || {
            let text = format!(
                "'{parameter}={}' is not below a folder in which files are written \
                 (setting allowed_output_directories)",
                shown(path)
            );
            EngineError::new(ErrorKind::PathNotAllowed, text)
        };
        let unwritable =
            |why: &str| EngineError::new(ErrorKind::FileNotAccessible, format!("'{parameter}={}': {why}", shown(path)));
        let full = absolute(path, self.settings.base.as_deref());
        let (Some(parent), Some(name)) = (full.parent(), full.file_name()) else { return Err(refused()) };
        match lead(parent, &self.settings.allowed_output) {
            Lead::Outside => Err(refused()),
            Lead::Missing => Err(unwritable("its folder does not exist")),
            Lead::Below { folder, rest } => match open_folder_below(&folder, &rest) {
                Ok(handle) => Ok(OutputPlace { folder: handle, real: folder.join(rest), name: name.to_owned() }),
                Err(error) if is_swapped(&error) => Err(refused()),
                Err(error) => Err(unwritable(&told(&error))),
            },
        }
    }
}

/// A path or another text of a client's for a message, cut when long (contract R53).
pub(super) fn shown(path: &str) -> &str {
    &path[..path.floor_char_boundary(SHOWN_BYTES)]
}

/// What the system said, without paths.
fn told(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => "there is no such file".to_owned(),
        io::ErrorKind::PermissionDenied => "the server may not open it".to_owned(),
        kind => format!("it cannot be opened: {kind}"),
    }
}

/// Relative paths start at `base`, or at the program's folder.
fn absolute(path: &str, base: Option<&Path>) -> PathBuf {
    let program = std::env::current_exe().ok();
    base.or_else(|| program.as_deref().and_then(Path::parent)).unwrap_or(Path::new("/")).join(path)
}

fn lead(full: &Path, folders: &[PathBuf]) -> Lead {
    let folders: Vec<PathBuf> = folders.iter().filter_map(|folder| folder.canonicalize().ok()).collect();
    let below = |real: &Path| {
        let found = folders.iter().find_map(|folder| Some((folder, real.strip_prefix(folder).ok()?)));
        found.map(|(folder, rest)| (folder.clone(), rest.to_owned()))
    };
    match full.canonicalize() {
        Ok(real) => match below(&real) {
            Some((folder, rest)) => Lead::Below { folder, rest },
            None => Lead::Outside,
        },
        // The nearest folder that is there says where it would be. A link to nowhere is judged as one that leads outside.
        Err(error) if error.kind() == io::ErrorKind::NotFound && full.symlink_metadata().is_err() => {
            let is_plain = |path: &Path| path.components().all(|part| part != Component::ParentDir);
            let there = full.ancestors().skip(1).find(|folder| folder.symlink_metadata().is_ok());
            match there.and_then(|folder| folder.canonicalize().ok()) {
                Some(real) if is_plain(full) && below(&real).is_some() => Lead::Missing,
                _ => Lead::Outside,
            }
        }
        Err(_) => Lead::Outside,
    }
}

/// How a folder is opened: for finding what is in it, where the system has that.
const FOLDER: OFlags = OFlags::DIRECTORY.union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC).union(SEARCH);

#[cfg(any(target_os = "linux", target_os = "android"))]
const SEARCH: OFlags = OFlags::PATH;
#[cfg(not(any(target_os = "linux", target_os = "android")))]
const SEARCH: OFlags = OFlags::empty();

fn open_folder_below(folder: &Path, rest: &Path) -> io::Result<OwnedFd> {
    let mut at = rustix::fs::open(folder, FOLDER, Mode::empty())?;
    for part in rest.components() {
        at = openat(&at, part.as_os_str(), FOLDER, Mode::empty())?;
    }
    Ok(at)
}

fn open_below(folder: &Path, rest: &Path) -> io::Result<File> {
    let name = rest.file_name().ok_or(io::ErrorKind::IsADirectory)?;
    let folder = open_folder_below(folder, rest.parent().unwrap_or(Path::new("")))?;
    let kind = FileType::from_raw_mode(statat(&folder, name, AtFlags::SYMLINK_NOFOLLOW)?.st_mode);
    if kind != FileType::RegularFile {
        return Err(io::ErrorKind::IsADirectory.into()); // opening a device may already do something
    }
    // If it is something else by now: a pipe would make us wait for its writer, a terminal would become ours.
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    Ok(File::from(openat(&folder, name, flags, Mode::empty())?))
}

/// Whether there is a link, or no folder, where there was none, or one, a moment ago; or a folder itself was named.
fn is_swapped(error: &io::Error) -> bool {
    let links = [rustix::io::Errno::LOOP, rustix::io::Errno::NOTDIR, rustix::io::Errno::NXIO];
    error.kind() == io::ErrorKind::IsADirectory
        || links.iter().any(|errno| error.raw_os_error() == Some(errno.raw_os_error()))
}
