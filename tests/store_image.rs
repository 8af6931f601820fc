//! Data directories and backups that earlier programs left: this one reads them.
//!
//! `fixtures/store-v1` is made by `UPDATE_FIXTURES=1 cargo test --test store_image`, once for each format and not again: as it
//! is, it is what was released.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[path = "support/appliance.rs"]
#[allow(dead_code, reason = "each test binary uses its part")]
mod appliance;
#[path = "support/random.rs"]
mod random;
#[path = "damage/world.rs"]
mod world;

use std::fs;
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};

use faceclique::engine::{Engine, Mending, Settings, fsck, restore_backup};
use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;

/// What the fixture is made of: few images, so that it stays small.
const IMAGES: u64 = 40;

fn fixture() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/store-v1")
}

/// Every file below a folder, by its path in it.
fn files(folder: &Path, below: &str) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder.join(below)).unwrap() {
        let entry = entry.unwrap();
        let path = Path::new(below).join(entry.file_name()).to_str().unwrap().to_owned();
        if entry.path().is_dir() { found.extend(files(folder, &path)) } else { found.push(path) }
    }
    found
}

/// Packs each file of a folder.
fn pack(from: &Path, to: &Path) {
    for path in files(from, "") {
        let packed = to.join(format!("{path}.gz"));
        fs::create_dir_all(packed.parent().unwrap()).unwrap();
        let mut encoder = GzEncoder::new(fs::File::create(packed).unwrap(), Compression::best());
        encoder.write_all(&fs::read(from.join(path)).unwrap()).unwrap();
        encoder.finish().unwrap();
    }
}

fn unpack(from: &Path, to: &Path) {
    for path in files(from, "") {
        let unpacked = to.join(path.strip_suffix(".gz").unwrap());
        fs::create_dir_all(unpacked.parent().unwrap()).unwrap();
        let mut content = Vec::new();
        GzDecoder::new(fs::File::open(from.join(&path)).unwrap()).read_to_end(&mut content).unwrap();
        fs::write(unpacked, content).unwrap();
    }
}

/// The answers that say what is in the store, whatever the words of others are.
fn contents(answers: &str) -> String {
    let told = answers.lines().filter(|line| line.starts_with("export ") || line.starts_with("picture "));
    told.collect::<Vec<_>>().join("\n") + "\n"
}

fn make() {
    let folder = tempfile::tempdir().unwrap();
    let [data, backup] = ["data", "backup"].map(|name| folder.path().join(name));
    world::make(&data, IMAGES, 1);
    Engine::open(Settings::new(&data)).unwrap().backup(&backup, &mut |_| {}).unwrap();
    let _ = fs::remove_dir_all(fixture());
    pack(&data, &fixture().join("data"));
    pack(&backup, &fixture().join("backup"));
    fs::write(fixture().join("contents.txt"), contents(&world::answers(&data))).unwrap();
}

/// That a data directory says what was in it when it was made.
fn holds_everything(data: &Path) {
    let report = fsck(data, Mending::Tell, &mut |_| {}).unwrap();
    assert!(report.findings.is_empty(), "{:?}", report.findings);
    for kind in ["databases", "faces", "images", "jobs", "results", "counts", "paused queues"] {
        assert!(report.kinds.get(kind).is_some_and(|&(n, _)| n > 0), "no {kind} in {:?}", report.kinds);
    }
    let answers = world::answers(data);
    for answer in answers.lines() {
        assert!(answer.split('\t').nth(1) == Some("ok"), "{answer}");
    }
    assert!(contents(&answers) == fs::read_to_string(fixture().join("contents.txt")).unwrap());
}

#[test]
fn a_store_of_format_1_is_read_and_says_what_it_said() {
    if std::env::var_os("UPDATE_FIXTURES").is_some() {
        make();
    }
    let folder = tempfile::tempdir().unwrap();
    let [data, backup, restored] = ["data", "backup", "restored"].map(|name| folder.path().join(name));
    unpack(&fixture().join("data"), &data);
    holds_everything(&data);
    unpack(&fixture().join("backup"), &backup);
    restore_backup(&backup, &restored, &mut |_| {}).unwrap();
    fs::copy(data.join("questions"), restored.join("questions")).unwrap();
    holds_everything(&restored);
}
