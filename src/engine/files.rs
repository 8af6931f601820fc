//! What the engine does with the folders of its data directory.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::Path;

pub(super) use crate::store::files::{folder_of, sync};

/// Removes everything in a folder but what is named; makes the folder if it is not there.
pub(super) fn clear_folder(folder: &Path, keep: &BTreeSet<String>) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    if let Some(parent) = folder.parent() {
        sync(parent)?; // so that the folder is there after a power cut
    }
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if !entry.file_name().to_str().is_some_and(|name| keep.contains(name)) {
            let is_folder = entry.file_type()?.is_dir();
            if is_folder { fs::remove_dir_all(entry.path())? } else { fs::remove_file(entry.path())? }
        }
    }
    Ok(())
}
