//! What is done now and then, whatever else happens: forgetting, tidying up, and a look at the jobs and at the disk.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;
use std::sync::PoisonError;
use std::time::{Duration, Instant};

use tracing::{info, warn};

use super::Engine;

/// How old the sizes of the folders may be: a million pictures are looked at one by one.
const SIZES_LAST: Duration = Duration::from_mins(15);

/// The folders of the data directory beside the store.
const FOLDERS: [&str; 4] = ["pictures", "index", "pairs", "uploads"];

/// How much the folders take, and when that was looked at.
#[derive(Debug, Clone, Default)]
pub(super) struct Sizes {
    at: Option<Instant>,
    bytes: BTreeMap<&'static str, u64>,
}

impl Engine {
    /// All of it, once; may take long.
    pub(super) fn do_chores(&self) {
        self.watch_jobs();
        self.note_lived_now_and_then();
        self.forget_all_expired();
        self.measure_folders();
        match self.store.tidy(&|| !self.is_stopping()) {
            Ok(None) => {}
            Ok(Some(tidied)) => info!(
                before = tidied.before,
                after = tidied.after,
                records = tidied.live,
                seconds = tidied.took.as_secs_f64(),
                pause = tidied.pause.as_secs_f64(),
                "the store was written anew"
            ),
            Err(error) => {
                warn!(error = &error as &dyn std::error::Error, "the store could not be written anew");
            }
        }
    }

    fn measure_folders(&self) {
        {
            let mut sizes = self.sizes.lock().unwrap_or_else(PoisonError::into_inner);
            if sizes.at.is_some_and(|last| last.elapsed() < SIZES_LAST) {
                return;
            }
            sizes.at = Some(Instant::now()); // before the walk, which may outlast the next round: one is enough
        }
        let mut bytes = BTreeMap::new();
        for folder in FOLDERS {
            match size(&self.settings.data.join(folder)) {
                Ok(size) => drop(bytes.insert(folder, size)),
                Err(error) => warn!(folder, %error, "the size of a folder cannot be found out"),
            }
        }
        self.sizes.lock().unwrap_or_else(PoisonError::into_inner).bytes = bytes;
    }

    /// Bytes of the folders beside the store, by their names, as they were a quarter of an hour ago at most.
    pub(super) fn folder_bytes(&self) -> BTreeMap<&'static str, u64> {
        self.sizes.lock().unwrap_or_else(PoisonError::into_inner).bytes.clone()
    }
}

/// Bytes of all files below a folder; what goes meanwhile counts as gone.
fn size(folder: &Path) -> io::Result<u64> {
    let is_gone = |error: &io::Error| error.kind() == io::ErrorKind::NotFound;
    let entries = match fs::read_dir(folder) {
        Err(error) if is_gone(&error) => return Ok(0),
        entries => entries?,
    };
    let mut bytes = 0;
    for entry in entries {
        let entry = entry?;
        bytes += match entry.metadata() {
            Ok(about) if about.is_dir() => size(&entry.path())?,
            Ok(about) => about.len(),
            Err(error) if is_gone(&error) => 0,
            Err(error) => return Err(error),
        };
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_size_of_a_folder_is_that_of_all_files_below_it() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir_all(folder.path().join("a/b")).unwrap();
        fs::write(folder.path().join("a/b/c"), [0; 10]).unwrap();
        fs::write(folder.path().join("d"), [0; 5]).unwrap();
        assert_eq!(size(folder.path()).unwrap(), 15);
        assert_eq!(size(&folder.path().join("none")).unwrap(), 0);
    }
}
