//! Backups: of one moment although others write meanwhile, verified to the last byte, and a data directory again.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[path = "support/appliance.rs"]
#[allow(dead_code, reason = "each test binary uses its part")]
mod appliance;
#[path = "support/random.rs"]
mod random;
#[path = "damage/spoil.rs"]
#[allow(dead_code, reason = "each test binary uses its part")]
mod spoil;
#[path = "damage/world.rs"]
mod world;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use faceclique::engine::{Engine, Mending, Settings, Written, fsck, restore_backup, verify_backup};
use faceclique::face::DatabaseName;

/// What is wrong with a data directory.
fn findings(data: &Path) -> Vec<String> {
    let report = fsck(data, Mending::Tell, &mut |_| {}).unwrap();
    report.findings.into_iter().map(|finding| format!("{}: {}", finding.what, finding.why)).collect()
}

#[test]
fn a_restored_backup_gives_every_answer_of_the_store_it_is_of() {
    let folder = tempfile::tempdir().unwrap();
    let [data, backup, again] = ["data", "backup", "again"].map(|name| folder.path().join(name));
    world::make(&data, 400, 3);
    let engine = Engine::open(Settings::new(&data)).unwrap();
    let made = engine.backup(&backup, &mut |_| {}).unwrap();
    let refused = engine.backup(&backup, &mut |_| {}).unwrap_err().to_string();
    assert!(refused.contains("the backup cannot be written"), "{refused}");
    drop(engine);
    assert_eq!(verify_backup(&backup, &mut |_| {}).unwrap(), made);
    assert_eq!(restore_backup(&backup, &again, &mut |_| {}).unwrap(), made);
    fs::copy(data.join("questions"), again.join("questions")).unwrap();
    let (expected, found) = (world::answers(&data), world::answers(&again));
    assert!(expected.lines().count() > 30);
    for (expected, found) in expected.lines().zip(found.lines()) {
        assert!(expected == found, "expected {expected:.300}\nfound {found:.300}");
    }
    assert_eq!(findings(&again), Vec::<String>::new());
    let refused = restore_backup(&backup, &again, &mut |_| {}).unwrap_err().to_string();
    assert!(refused.contains("is not empty"), "{refused}");
}

#[test]
fn how_many_records_and_files_there_are_is_known_from_the_first() {
    let folder = tempfile::tempdir().unwrap();
    let [data, backup] = ["data", "backup"].map(|name| folder.path().join(name));
    world::make(&data, 64, 5);
    let engine = Engine::open(Settings::new(&data)).unwrap();
    let overview = engine.overview().unwrap();
    let (mut records, mut n_files) = (Vec::new(), Vec::new());
    let made = engine.backup(&backup, &mut |written| match written {
        Written::Records(done) => {
            assert!(n_files.is_empty(), "files come behind the records");
            records.push((done.n, done.total.unwrap()));
        }
        Written::Files(done) => n_files.push((done.n, done.total.unwrap())),
    });
    drop(engine);
    let (n_files_made, n_records) = (made.unwrap().n_files, records.len() as u64);
    assert_eq!(n_files, (1..=n_files_made).map(|n| (n, n_files_made)).collect::<Vec<_>>());
    let mut looked = Vec::new();
    fsck(&data, Mending::Tell, &mut |done| looked.push((done.n, done.total.unwrap()))).unwrap();
    for (what, told) in [("backup", records), ("fsck", looked)] {
        let first = told.first().unwrap().1;
        assert!(
            first > overview.contents.unwrap().faces && first <= n_records,
            "{what}: of {first}, {n_records} it became"
        );
        assert!(first * 2 > n_records, "{what}: of {first}, {n_records} it became");
        assert!(told.iter().zip(1..).all(|(&(n, total), expected)| n == expected && n <= total), "{what}: {told:?}");
    }
}

/// Every file below a folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut found: Vec<PathBuf> =
        entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect();
    found.sort();
    found
}

#[test]
fn a_backup_with_one_byte_changed_is_refused_and_nothing_is_made_of_it() {
    let folder = tempfile::tempdir().unwrap();
    let [data, backup, again] = ["data", "backup", "again"].map(|name| folder.path().join(name));
    world::make(&data, 64, 4);
    Engine::open(Settings::new(&data)).unwrap().backup(&backup, &mut |_| {}).unwrap();
    let mut random = random::Random::of(4, 4);
    for path in files(&backup) {
        let good = fs::read(&path).unwrap();
        if good.is_empty() {
            continue; // nothing was written meanwhile
        }
        let is_manifest = path.ends_with("manifest.json");
        let at = random.below(good.len());
        let mut bad = good.clone();
        bad[at] ^= 1;
        for bad in [bad, good[..at].to_vec()] {
            fs::write(&path, bad).unwrap();
            // a manifest says what the others are, so a change of what is only told is not seen
            let refused = restore_backup(&backup, &again, &mut |_| {});
            assert!(refused.is_err() || is_manifest, "{} byte {at}", path.display());
            assert!(refused.is_ok() || !again.exists(), "{}", path.display());
            let _ = fs::remove_dir_all(&again);
        }
        fs::write(&path, good).unwrap();
    }
    restore_backup(&backup, &again, &mut |_| {}).unwrap();
}

/// Ends what goes on for as long as this is there, also when the test fails.
struct Ends<'a>(&'a AtomicBool);

impl Drop for Ends<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn a_backup_that_is_made_while_others_write_is_of_one_moment() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    world::make(&data, 2_000, 5);
    let engine = Engine::open(Settings::new(&data)).unwrap();
    let (name, written, enough) = (DatabaseName::new("couple").unwrap(), AtomicUsize::new(0), AtomicBool::new(false));
    let write = || {
        // every face is put in, and the one before it removed: at any moment there are one or two
        for n in 0.. {
            if enough.load(Ordering::Relaxed) {
                return;
            }
            let identifier = |n: usize| faceclique::face::Identifier::new(&format!("passer-by {n:06}")).unwrap();
            engine.new_face(&name, Some(&identifier(n))).unwrap();
            if n > 0 {
                engine.remove_face(&name, &identifier(n - 1)).unwrap();
            }
            written.store(n, Ordering::Relaxed);
        }
    };
    std::thread::scope(|scope| {
        let _ends = Ends(&enough);
        scope.spawn(write);
        let begun = Instant::now();
        while written.load(Ordering::Relaxed) == 0 {
            assert!(begun.elapsed() < Duration::from_mins(1), "nobody writes");
            std::thread::sleep(Duration::from_millis(1)); // between two looks
        }
        for round in 0..5 {
            let [backup, again] = ["backup", "again"].map(|name| folder.path().join(format!("{name}{round}")));
            let before = written.load(Ordering::Relaxed);
            engine.backup(&backup, &mut |_| {}).unwrap();
            let after = written.load(Ordering::Relaxed) + 1;
            restore_backup(&backup, &again, &mut |_| {}).unwrap();
            assert_eq!(findings(&again), Vec::<String>::new(), "round {round}");
            let restored = Engine::open(Settings::new(&again)).unwrap();
            let there: BTreeSet<usize> = (before..=after)
                .filter(|n| {
                    let identifier = faceclique::face::Identifier::new(&format!("passer-by {n:06}")).unwrap();
                    restored.check_face(&name, &identifier).is_ok()
                })
                .collect();
            assert!(matches!(there.len(), 1 | 2), "round {round}: {there:?} of {before} to {after}");
            println!("round {round}: from {before} to {after}, {there:?} is there");
        }
    });
}
