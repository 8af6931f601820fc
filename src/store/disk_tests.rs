//! The data directory: its lock, its witness, its format, and the twin in memory.

use super::super::Memory;
use super::*;
use proptest::prelude::*;

const CACHE: u64 = 8 << 20;

#[test]
fn a_second_process_is_told_who_has_the_directory() {
    let folder = tempfile::tempdir().unwrap();
    let first = Disk::open(folder.path(), CACHE).unwrap();
    let error = Disk::open(folder.path(), CACHE).unwrap_err().to_string();
    let holder = format!("(process {})", std::process::id());
    assert_eq!(error, format!("the data directory is in use by another process {holder}"));
    drop(first);
    Disk::open(folder.path(), CACHE).unwrap();
}

#[test]
fn a_store_that_has_lost_what_was_synced_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let commit = |disk: &Disk| {
        let mut batch = Batch::new();
        batch.put(b"k".to_vec(), vec![1]);
        disk.commit(batch).unwrap();
    };
    commit(&Disk::open(folder.path(), CACHE).unwrap());
    fs::copy(path("witness"), path("older")).unwrap();
    let disk = Disk::open(folder.path(), CACHE).unwrap();
    (0..3).for_each(|_| commit(&disk));
    disk.sync().unwrap(); // of nothing
    drop(disk);
    assert_eq!(witness::hear(&path("witness")).unwrap(), Testimony::Synced(5));
    fs::rename(path("older"), path("witness")).unwrap();
    drop(Disk::open(folder.path(), CACHE).unwrap()); // a witness may be behind
    assert_eq!(witness::hear(&path("witness")).unwrap(), Testimony::Synced(5), "it learns from the store");
    fs::rename(path("db"), path("away")).unwrap();
    let error = Disk::open(folder.path(), CACHE).unwrap_err();
    assert!(matches!(error, StoreError::Behind { found: 0, synced: 5 }), "{error}");
}

#[test]
fn a_store_of_another_format_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let disk = Disk::open(folder.path(), CACHE).unwrap();
    let mut batch = Batch::new();
    batch.put(keys::version(), vec![77]);
    disk.commit(batch).unwrap();
    drop(disk);
    assert!(matches!(Disk::open(folder.path(), CACHE), Err(StoreError::Format { found: 77 })));
}

#[test]
fn a_snapshot_that_a_kill_left_unfinished_keeps_no_store_from_opening() {
    let folder = tempfile::tempdir().unwrap();
    let mut batch = Batch::new();
    batch.put(*b"k", vec![1; 100]);
    Disk::open(folder.path(), CACHE).unwrap().commit(batch).unwrap();
    drop(Disk::open(folder.path(), CACHE).unwrap()); // which makes a snapshot
    let db = folder.path().join("db");
    let is_whole = |name: &str| name.starts_with("snap.") && name.strip_suffix(".generating").is_none();
    let names = || fs::read_dir(&db).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let whole = fs::read(db.join(names().find(|name| is_whole(name)).unwrap())).unwrap();
    for end in 0..=whole.len() {
        // one behind all others, and one that may be the next
        for name in ["snap.FFFFFFFFFFFFFFFF.generating", "snap.0000000000000001.generating"] {
            fs::write(db.join(name), &whole[..end]).unwrap();
        }
        let disk = Disk::open(folder.path(), CACHE).unwrap();
        assert_eq!(disk.get(b"k").unwrap(), Some(vec![1; 100]), "cut off at {end}");
        drop(disk);
        assert!(names().all(|name| name.strip_suffix(".generating").is_none()));
    }
}

/// Short keys over few letters, so that they meet.
fn key() -> impl Strategy<Value = Vec<u8>> {
    proptest::collection::vec(0u8..3, 1..4)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]
    #[test]
    fn the_disk_and_its_twin_in_memory_say_the_same(
        batches in proptest::collection::vec(
            proptest::collection::vec((key(), proptest::option::of(any::<Vec<u8>>())), 0..6), 0..12),
        prefix in key(),
    ) {
        let folder = tempfile::tempdir().unwrap();
        let (mut disk, memory) = (Disk::open(folder.path(), CACHE).unwrap(), Memory::default());
        for changes in batches {
            let batch = Batch { changes };
            disk.commit(batch.clone()).unwrap();
            memory.commit(batch).unwrap();
        }
        for round in 0..2 {
            let on_disk: Vec<_> = disk.scan(&prefix).map(Result::unwrap).collect();
            let in_memory: Vec<_> = memory.scan(&prefix).map(Result::unwrap).collect();
            prop_assert_eq!(on_disk, in_memory, "round {}", round);
            let after = [&prefix[..], &[1]].concat();
            let on_disk: Vec<_> = disk.scan_behind(&prefix, &after).map(Result::unwrap).collect();
            let in_memory: Vec<_> = memory.scan_behind(&prefix, &after).map(Result::unwrap).collect();
            prop_assert_eq!(on_disk, in_memory, "round {}", round);
            drop(disk);
            disk = Disk::open(folder.path(), CACHE).unwrap();
        }
    }
}
