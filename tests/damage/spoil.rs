//! What may befall the files of a data directory, and every file that it may befall.

use std::fs;
use std::path::{Path, PathBuf};

use crate::random::Random;

/// Kinds of files, as the table tells them apart.
pub(crate) const KINDS: [&str; 8] = ["db", "snap", "conf", "blobs", "pictures", "pairs", "witness", "lock"];

/// One damage.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Harm {
    /// One bit is another.
    Bit,
    /// A page of 4 KiB is zeros.
    Zero,
    /// 512 bytes are chance.
    Noise,
    /// The end is missing.
    Cut,
    /// The file is missing.
    Gone,
}

pub(crate) const HARMS: [Harm; 5] = [Harm::Bit, Harm::Zero, Harm::Noise, Harm::Cut, Harm::Gone];

/// The files of a data directory by their kind, in a fixed order.
pub(crate) fn files(data: &Path) -> Vec<(&'static str, PathBuf)> {
    let mut found = Vec::new();
    let mut folders = vec![data.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let shown = path.strip_prefix(data).unwrap().to_str().unwrap().to_owned();
            let kind = KINDS.into_iter().find(|kind| {
                let inside = shown.strip_prefix("db/").unwrap_or(&shown);
                inside.starts_with(kind)
            });
            if let Some(kind) = kind {
                found.push((kind, path));
            }
        }
    }
    found.sort();
    found
}

/// Does it to the file; where, for the table.
pub(crate) fn spoil(path: &Path, harm: Harm, random: &mut Random) -> String {
    let mut bytes = fs::read(path).unwrap();
    let len = bytes.len().max(1);
    // the end of a log is mostly empty: what is looked for is where something is
    let filled = bytes.iter().rposition(|&byte| byte != 0).map_or(1, |last| last + 1);
    let most = if random.one_in(8) { len } else { filled };
    let at = random.below(most);
    match harm {
        Harm::Gone => {
            fs::remove_file(path).unwrap();
            return String::new();
        }
        _ if bytes.is_empty() => {}
        Harm::Bit => bytes[at] ^= 1 << random.below(8),
        Harm::Zero => {
            let at = at / 4_096 * 4_096;
            bytes[at..(at + 4_096).min(len)].fill(0);
        }
        Harm::Noise => {
            let end = (at + 512).min(bytes.len());
            bytes[at..end].fill_with(|| random.next() as u8);
        }
        Harm::Cut => bytes.truncate(at),
    }
    fs::write(path, bytes).unwrap();
    format!("at {at} of {len}")
}

/// A copy of a folder with everything in it.
pub(crate) fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let (path, to) = (entry.path(), to.join(entry.file_name()));
        if path.is_dir() { copy(&path, &to) } else { assert!(fs::copy(&path, &to).is_ok()) }
    }
}

/// Every file of a data directory with what is in it, but the lock.
pub(crate) fn contents(data: &Path) -> Vec<(&'static str, PathBuf, Vec<u8>)> {
    let files = files(data).into_iter().filter(|(kind, _)| *kind != "lock");
    files.map(|(kind, path)| (kind, path.clone(), fs::read(path).unwrap())).collect()
}
