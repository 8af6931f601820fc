//! Files that no record refers to.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::super::files::sync;
use super::Report;

/// The pictures below `data` that no record knows, and those of images that are told of already.
pub(super) fn loose(data: &Path, known: &BTreeSet<String>, report: &mut Report) -> Vec<PathBuf> {
    let mut loose = Vec::new();
    for folder in listed(&data.join("pictures")) {
        for file in listed(&folder) {
            let shown = file.strip_prefix(data).unwrap_or(&file).display().to_string();
            if report.told.contains(&shown) {
                loose.push(file);
            } else if !known.contains(&shown) {
                report.find(shown, "no image refers to this picture: its image is lost", "it is put aside");
                loose.push(file);
            }
        }
    }
    loose
}

fn listed(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten();
    let mut paths: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    paths.sort();
    paths
}

/// Moves files into the folder `to`.
pub(super) fn put_aside(data: &Path, files: &[PathBuf], to: &Path, report: &mut Report) -> io::Result<()> {
    if files.is_empty() {
        return Ok(());
    }
    fs::create_dir_all(to)?;
    for file in files {
        if let Some(name) = file.file_name() {
            fs::rename(file, to.join(name))?;
        }
    }
    sync(to)?;
    sync(data)?;
    report.aside.push(to.to_owned());
    Ok(())
}
