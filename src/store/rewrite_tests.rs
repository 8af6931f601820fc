//! A store that is written anew: what it holds, what its users notice, and every crash in between.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use super::super::{Batch, Store as _, StoreError};
use super::*;

/// A state of the disk that a crash can leave, and how it is made.
type Step<'a> = (&'a str, &'a dyn Fn(&Path));

const CACHE: u64 = 8 << 20;
const ALWAYS: &dyn Fn() -> bool = &|| true;

fn put(disk: &Disk, key: &str, value: &[u8]) {
    let mut batch = Batch::new();
    batch.put(key, value.to_vec());
    disk.commit(batch).unwrap();
}

fn all(disk: &Disk) -> Vec<(Vec<u8>, Vec<u8>)> {
    disk.scan(b"").map(Result::unwrap).collect()
}

fn copy_folder(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy_folder(&entry.path(), &to);
        } else {
            fs::copy(entry.path(), to).unwrap();
        }
    }
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<_> =
        fs::read_dir(folder).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn only_files_that_are_large_and_mostly_empty_are_written_anew() {
    let mib = 1 << 20;
    assert!(!is_due(64 * mib, 0) && is_due(64 * mib + 1, 0));
    assert!(!is_due(300 * mib, 100 * mib) && is_due(301 * mib, 100 * mib));
}

#[test]
fn a_store_that_is_written_anew_holds_the_same_and_is_smaller_also_after_a_start() {
    let folder = tempfile::tempdir().unwrap();
    let disk = Disk::open(folder.path(), CACHE).unwrap();
    for round in 0..20u8 {
        for at in 0..20 {
            put(&disk, &format!("{at}"), &vec![round; 200_000 * usize::from(at % 2 == 0) + 10]);
        }
    }
    let (before, held) = (all(&disk), disk.bytes().unwrap());
    disk.rewrite(ALWAYS).unwrap().unwrap();
    assert_eq!(all(&disk), before);
    assert!(disk.bytes().unwrap() < held, "{held}");
    put(&disk, "more", b"x");
    disk.rewrite(ALWAYS).unwrap().unwrap();
    drop(disk);
    let disk = Disk::open(folder.path(), CACHE).unwrap();
    assert_eq!(disk.get(b"more").unwrap(), Some(b"x".to_vec()));
    assert_eq!(all(&disk).len(), before.len() + 1);
    assert_eq!(names(folder.path()), ["db.2", "doubt", "generation", "lock", "witness"]);
}

/// Ends what goes on for as long as this is there, also when the test fails.
struct Ends<'a>(&'a AtomicBool);

impl Drop for Ends<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn what_is_written_while_the_store_is_copied_is_in_the_new_one() {
    let folder = tempfile::tempdir().unwrap();
    let disk = Disk::open(folder.path(), CACHE).unwrap();
    for at in 0..2_000 {
        put(&disk, &format!("old {at}"), &[1; 500]);
    }
    let is_done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let ends = Ends(&is_done);
        let writer = scope.spawn(|| {
            let mut n = 0u64;
            while !is_done.load(Ordering::Relaxed) {
                let mut batch = Batch::new(); // the three change together
                batch.put("a", n.to_be_bytes().to_vec());
                batch.put("z", n.to_be_bytes().to_vec());
                batch.put(format!("new {n}"), vec![2]);
                batch.remove(format!("old {n}"));
                disk.commit(batch).unwrap();
                let (a, z) = (disk.get(b"a").unwrap(), disk.get(b"z").unwrap());
                assert_eq!((&a, &z), (&Some(n.to_be_bytes().to_vec()), &a), "a writer reads what it wrote");
                n += 1;
            }
            n
        });
        for _ in 0..5 {
            disk.rewrite(ALWAYS).unwrap().unwrap();
        }
        drop(ends);
        let n = writer.join().unwrap();
        assert_eq!(disk.scan(b"new ").count() as u64, n);
        assert_eq!(disk.scan(b"old ").count() as u64, 2_000u64.saturating_sub(n));
    });
}

#[test]
fn a_scan_goes_on_in_the_store_it_began_in() {
    let folder = tempfile::tempdir().unwrap();
    let disk = Disk::open(folder.path(), CACHE).unwrap();
    for at in 0..50 {
        put(&disk, &format!("r{at:02}"), &vec![at; 300_000]);
    }
    let mut scan = disk.scan(b"r");
    assert_eq!(scan.next().unwrap().unwrap().0, b"r00");
    disk.rewrite(ALWAYS).unwrap().unwrap();
    assert!(names(folder.path()).contains(&"db".to_owned()), "it is read still");
    assert_eq!(scan.map(Result::unwrap).count(), 49);
    assert!(!names(folder.path()).contains(&"db".to_owned()), "nobody reads it any more");
}

/// The states of the disk between the steps of a rewriting: C30 before the new store is named, with a part of it or
/// all; C31 while it is being named; C32 behind that, with all of the old one or a part.
#[test]
fn c30_to_c32_a_crash_at_any_step_leaves_one_of_the_two_stores_whole() {
    let origin = tempfile::tempdir().unwrap();
    let disk = Disk::open(origin.path(), CACHE).unwrap();
    for at in 0..40 {
        put(&disk, &format!("{at}"), &vec![at; 20_000]);
    }
    drop(disk);
    let anew = tempfile::tempdir().unwrap();
    copy_folder(origin.path(), anew.path());
    let disk = Disk::open(anew.path(), CACHE).unwrap();
    let expected = all(&disk);
    disk.rewrite(ALWAYS).unwrap().unwrap();
    drop(disk);
    let new = anew.path().join("db.1");
    let steps: [Step<'_>; 6] = [
        ("C30, nothing of it", &|data| fs::create_dir(data.join("db.1")).unwrap()),
        ("C30, a part of it", &|data| {
            copy_folder(&new, &data.join("db.1"));
            fs::write(data.join("db.1/db"), b"torn").unwrap();
        }),
        ("C30, all of it", &|data| copy_folder(&new, &data.join("db.1"))),
        ("C31, its number is written and not in place", &|data| {
            copy_folder(&new, &data.join("db.1"));
            fs::write(data.join("generation.new"), b"").unwrap();
        }),
        ("C32, the old one is there", &|data| {
            copy_folder(&new, &data.join("db.1"));
            fs::write(data.join("generation"), b"1\n").unwrap();
        }),
        ("C32, a part of the old one is there", &|data| {
            copy_folder(&new, &data.join("db.1"));
            fs::write(data.join("generation"), b"1\n").unwrap();
            fs::remove_file(data.join("db/conf")).unwrap();
        }),
    ];
    for (case, step) in steps {
        let folder = tempfile::tempdir().unwrap();
        copy_folder(origin.path(), folder.path());
        step(folder.path());
        goes_on(case, folder.path(), &expected);
    }
}

/// The store holds what is expected, can be written anew and to, and is the only one after the next start.
fn goes_on(case: &str, data: &Path, expected: &[(Vec<u8>, Vec<u8>)]) {
    let disk = Disk::open(data, CACHE).unwrap_or_else(|error| panic!("{case}: {error}"));
    assert!(all(&disk) == expected, "{case}");
    disk.rewrite(ALWAYS).unwrap_or_else(|error| panic!("{case}: {error}"));
    put(&disk, "more", b"x");
    drop(disk);
    let disk = Disk::open(data, CACHE).unwrap();
    assert_eq!(all(&disk).len(), expected.len() + 1, "{case}");
    let n_stores = names(data).iter().filter(|name| name.starts_with("db")).count();
    assert_eq!(n_stores, 1, "{case}");
}

#[test]
fn no_store_is_made_or_removed_where_it_is_not_known_which_counts() {
    for (pointer, why) in [
        (None, "it is missing, and there is a folder db.1"),
        (Some("x"), "'x' is no number"),
        (Some("7"), "it names the folder db.7, which is not there"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let disk = Disk::open(folder.path(), CACHE).unwrap();
        put(&disk, "key", b"value");
        disk.rewrite(ALWAYS).unwrap().unwrap();
        drop(disk);
        let file = folder.path().join("generation");
        match pointer {
            None => fs::remove_file(&file).unwrap(),
            Some(text) => fs::write(&file, text).unwrap(),
        }
        match Disk::open(folder.path(), CACHE) {
            Err(StoreError::Damaged { key, why: found }) => {
                assert_eq!((key.as_str(), found.as_str()), ("generation", why));
            }
            other => panic!("{why}: {other:?}"),
        }
        fs::write(&file, "1").unwrap();
        let disk = Disk::open(folder.path(), CACHE).unwrap();
        assert_eq!(disk.get(b"key").unwrap(), Some(b"value".to_vec()));
    }
}

#[test]
fn a_store_that_changes_too_much_meanwhile_is_left_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let disk = Disk::open(folder.path(), CACHE).unwrap();
    put(&disk, "key", b"value");
    let (old, new) = (disk.generation(), Arc::new(disk.generation().next(folder.path(), CACHE).unwrap()));
    new.supersede();
    assert!(!disk.copy(&old, &new, ALWAYS).unwrap(), "what changed is not noted any more");
    assert_eq!(disk.switch(&old, &new).unwrap(), None);
    drop(new);
    assert_eq!(disk.rewrite(&|| false).unwrap(), None);
    assert_eq!(names(folder.path()), ["db", "doubt", "lock", "witness"]);
    assert_eq!(disk.get(b"key").unwrap(), Some(b"value".to_vec()));
}

#[test]
fn a_store_whose_copy_has_failed_is_left_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let disk = Disk::open(folder.path(), CACHE).unwrap();
    put(&disk, "key", b"value");
    // the number is written into a file of this name
    fs::create_dir(folder.path().join("generation.new")).unwrap();
    assert!(matches!(disk.rewrite(ALWAYS), Err(StoreError::File { .. })));
    fs::remove_dir(folder.path().join("generation.new")).unwrap();
    assert_eq!(names(folder.path()), ["db", "doubt", "lock", "witness"]);
    assert_eq!(disk.rewrite(ALWAYS).unwrap(), None);
    put(&disk, "more", b"x");
    assert_eq!(all(&disk).len(), 4, "the two, the format and the number of the last sync");
}
