//! Every death in the swap of a repaired store, and every death in what goes on with it.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use super::super::{Batch, Store as _};
use super::*;

const CACHE: u64 = 8 << 20;
const ASIDE: &str = "db.damaged-1";

/// The store that is damaged: under which name, and whether another one is beside it.
#[derive(Debug, Clone, Copy)]
enum Damaged {
    Plain,
    Numbered,
    NumberedBesideAnother,
}

fn put(disk: &Disk, value: &[u8]) {
    let mut batch = Batch::new();
    batch.put(b"record".to_vec(), value.to_vec());
    disk.commit(batch).unwrap();
}

fn read(disk: &Disk) -> Vec<u8> {
    disk.get(b"record").unwrap().unwrap()
}

/// A data directory with an old store, and a repaired one that is whole.
fn prepare(data: &Path, damaged: Damaged) {
    put(&Disk::open(data, CACHE).unwrap(), b"old");
    match damaged {
        Damaged::Plain => {}
        Damaged::Numbered | Damaged::NumberedBesideAnother => {
            fs::rename(data.join("db"), data.join("db.1")).unwrap();
            fs::write(data.join("generation"), "1").unwrap();
        }
    }
    if matches!(damaged, Damaged::NumberedBesideAnother) {
        fs::create_dir(data.join("db")).unwrap();
        fs::write(data.join("db/leftover"), "of a store that did not count").unwrap();
    }
    let (repair, was_interrupted) = Repair::begin(data).unwrap();
    assert!(!was_interrupted);
    put(&repair.create().unwrap(), b"new");
}

/// Lets so many steps be done, and dies at the next; how many more there would have been is not known.
fn mortal(n: usize) -> impl FnMut() -> io::Result<()> {
    let mut left = n;
    move || match left {
        0 => Err(io::Error::other("dead")),
        _ => {
            left -= 1;
            Ok(())
        }
    }
}

/// Dies at step `first` of the swap and at step `second` of what goes on with it; whether each was there.
fn died(damaged: Damaged, first: usize, second: usize) -> [bool; 2] {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path();
    prepare(data, damaged);
    let case = format!("{damaged:?}, dead at {first}, then at {second}");
    let repair = Repair { data: data.to_owned(), _lock: lock(&data.join("lock")).unwrap() };
    let first = repair.decide(ASIDE, &mut mortal(first)).is_err();
    drop(repair);
    if first && !data.join(REPAIR).exists() {
        assert_eq!(read(&Disk::open(data, CACHE).unwrap()), b"old", "{case}: nothing has changed");
        assert!(!Repair::begin(data).unwrap().1, "{case}");
        assert!(!data.join("fsck").exists(), "{case}: what was written meanwhile goes");
        return [true, false];
    }
    let mut was_second = false;
    if first {
        assert!(matches!(Disk::open(data, CACHE), Err(StoreError::HalfRepaired)), "{case}: it is opened half way");
        was_second = Repair::begin_with(data, &mut mortal(second)).is_err();
        let (repair, was_interrupted) = Repair::begin(data).unwrap();
        assert_eq!(was_interrupted, was_second, "{case}");
        repair.end().unwrap();
    } else {
        Repair::begin(data).unwrap().0.end().unwrap();
    }
    assert_eq!(read(&Disk::open(data, CACHE).unwrap()), b"new", "{case}");
    assert!(!data.join("fsck").exists() && !data.join("generation").exists(), "{case}");
    assert!(data.join(ASIDE).join("conf").exists(), "{case}: the damaged store is kept");
    let older = data.join(format!("{ASIDE}.older/leftover"));
    assert_eq!(older.exists(), matches!(damaged, Damaged::NumberedBesideAnother), "{case}");
    [first, was_second]
}

#[test]
fn a_death_at_any_step_of_the_swap_of_a_repair_leaves_the_old_store_or_the_new_one() {
    for damaged in [Damaged::Plain, Damaged::Numbered, Damaged::NumberedBesideAnother] {
        let mut deaths = 0;
        for first in 0.. {
            let mut second = 0;
            let [was_first, mut was_second] = died(damaged, first, second);
            while was_second {
                second += 1;
                was_second = died(damaged, first, second)[1];
            }
            deaths += usize::from(was_first) + second;
            if !was_first {
                break;
            }
        }
        println!("{damaged:?}: {deaths} deaths");
    }
}
