//! What is read of a store whose log is damaged, place by place.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::collections::BTreeMap;
use std::io::Write as _;

use super::super::log::SEGMENT;
use super::super::{Batch, Disk, Store as _, encode};
use super::*;

const CACHE: u64 = 8 << 20;

type Map = BTreeMap<Vec<u8>, Vec<u8>>;

/// Chance that is the same in every run.
struct Chance(u64);

impl Chance {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % end
    }
}

/// What befalls a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Harm {
    /// One bit is another.
    Bit,
    /// 512 bytes are chance.
    Sector,
    /// 4 KiB are zeros.
    Page,
    /// One bit of the header of a segment is another.
    Header,
    /// One bit of a file beside the log is another.
    Blob,
    /// A file beside the log is gone.
    Gone,
}

const HARMS: [Harm; 6] = [Harm::Bit, Harm::Sector, Harm::Page, Harm::Header, Harm::Blob, Harm::Gone];

fn scratch() -> tempfile::TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap()
}

/// Changes records of `data` in `n` batches, most of them synced; `states` are all that there were.
fn live(data: &Path, n: usize, states: &mut Vec<Map>, chance: &mut Chance) {
    let disk = Disk::open(data, CACHE).unwrap();
    for nth in 0..n {
        let (mut batch, mut map) = (Batch::new(), states.last().unwrap().clone());
        for _ in 0..=chance.below(20) {
            let key = [&b"i"[..], &(chance.below(2_000) as u32).to_be_bytes()].concat();
            if chance.below(5) == 0 {
                map.remove(&key);
                batch.remove(key);
            } else {
                let len = if chance.below(1_000) == 0 { 200_000 } else { 20 + chance.below(900) };
                let value = encode(&key, &(nth, vec![chance.below(256) as u8; len]));
                map.insert(key.clone(), value.clone());
                batch.put(key, value);
            }
        }
        disk.write(batch).unwrap();
        states.push(map);
        if nth % 3 == 0 {
            disk.sync().unwrap();
        }
    }
    disk.sync().unwrap();
}

/// Harms the log of `data` somewhere where something is written; where.
fn spoil(data: &Path, harm: Harm, chance: &mut Chance) -> usize {
    let mut path = data.join("db/db");
    if matches!(harm, Harm::Blob | Harm::Gone) {
        let mut blobs: Vec<_> =
            fs::read_dir(data.join("db/blobs")).unwrap().map(|entry| entry.unwrap().path()).collect();
        blobs.sort();
        path = blobs.swap_remove(chance.below(blobs.len()));
    }
    let mut log = fs::read(&path).unwrap();
    let filled = log.iter().rposition(|&byte| byte != 0).unwrap() + 1;
    let at = chance.below(filled);
    let stretch = |size: usize| at / size * size..(at / size * size + size).min(filled);
    match harm {
        Harm::Bit => log[at] ^= 1 << chance.below(8),
        Harm::Sector => log[stretch(512)].fill_with(|| chance.below(256) as u8),
        Harm::Page => log[stretch(4_096)].fill(0),
        Harm::Header => log[at / SEGMENT * SEGMENT + at % 20] ^= 1 << chance.below(8),
        Harm::Blob => log[at] ^= 1 << chance.below(8),
        Harm::Gone => {
            fs::remove_file(path).unwrap();
            return at;
        }
    }
    fs::write(path, log).unwrap();
    at
}

/// The records, but for those of the store itself.
fn records(entries: impl Iterator<Item = Entry>) -> Map {
    entries.filter(|(key, _)| key[0] == b'i').collect()
}

fn is_of(part: &Map, state: &Map) -> bool {
    part.iter().all(|(key, value)| state.get(key) == Some(value))
}

/// What came of the places that were harmed.
#[derive(Default)]
struct Row {
    /// Of each, how many records are left.
    left: Vec<usize>,
    n_refused: usize,
    n_told: usize,
}

/// Harms a copy of `whole` at one place, and looks at what is said of it.
fn look(whole: &Path, copy: &Path, harm: Harm, states: &[Map], chance: &mut Chance, row: &mut Row) {
    let last = states.last().unwrap();
    let _ = fs::remove_dir_all(copy);
    copy_store(whole, &copy.to_path_buf(), &[]).unwrap();
    let at = spoil(copy, harm, chance);
    let case = format!("{harm:?} at {at}");
    let salvage = Salvage::open(copy, &copy.join("fsck")).unwrap();
    let mut entries = Vec::new();
    let gaps = salvage.read(|entry| -> Result<(), StoreError> {
        entries.push(entry);
        Ok(())
    });
    let gaps = gaps.unwrap();
    assert!(entries.is_sorted(), "{case}");
    let left = records(entries.into_iter());
    let is_behind = salvage.synced.is_none_or(|synced| salvage.found < synced);
    if is_behind {
        assert!(states.iter().any(|state| is_of(&left, state)), "{case}: what is left is of no one moment");
    } else {
        assert!(is_of(&left, last), "{case}: what is left is not what was there last");
        assert!(left.len() == last.len() || !gaps.is_empty(), "{case}: something is missing, and no gap is told");
    }
    row.left.push(left.len());
    row.n_told += usize::from(is_behind || !gaps.is_empty() || !salvage.damages.is_empty());
    salvage.close().unwrap();
    match Disk::open(copy, CACHE) {
        Err(_) => row.n_refused += 1,
        Ok(disk) => {
            let all: Result<Vec<_>, _> = disk.scan(&[]).collect();
            let there = records(disk.scan(&[]).map_while(Result::ok));
            assert!(is_of(&there, last), "{case}: a store was opened that says what is not so");
            assert!(all.is_err() || there.len() == last.len(), "{case}: a store was opened that leaves something out");
        }
    }
}

/// `PLACES=n` for more of them and a table.
#[test]
fn what_is_read_behind_a_damaged_place_of_the_log_is_what_was_stored_and_no_store_opens_that_would_leave_some_out() {
    let n: usize = std::env::var("PLACES").map_or(6, |text| text.parse().unwrap());
    let mut table = format!(
        "{:<36} {:<7} {:>9} {:>9} {:>9} {:>6} {:>8}\n",
        "log", "harm", "least", "tenth", "median", "told", "refused"
    );
    for (is_reopened, name) in [(false, "harmed where no start was since"), (true, "harmed where a start was since")] {
        let (folder, mut states, mut chance) = (scratch(), vec![Map::new()], Chance(5));
        let [whole, copy] = ["whole", "copy"].map(|name| folder.path().join(name));
        for _ in 0..2 {
            live(&whole, 250, &mut states, &mut chance);
        }
        if is_reopened {
            drop(Disk::open(&whole, CACHE).unwrap());
        }
        for harm in HARMS {
            let mut row = Row::default();
            for _ in 0..n {
                look(&whole, &copy, harm, &states, &mut chance, &mut row);
            }
            row.left.sort_unstable();
            let [least, tenth, median] = [0, n / 10, n / 2]
                .map(|nth| format!("{:.1} %", 100.0 * row.left[nth] as f64 / states.last().unwrap().len() as f64));
            let harm = format!("{harm:?}");
            table += &format!(
                "{name:<36} {harm:<7} {least:>9} {tenth:>9} {median:>9} {:>6} {:>8}\n",
                row.n_told, row.n_refused
            );
        }
    }
    std::io::stdout().write_all(table.as_bytes()).unwrap(); // past the harness, which would keep it for a failure
}

#[test]
fn a_store_that_is_whole_is_read_by_ourselves_as_by_sled() {
    let (folder, mut states, mut chance) = (scratch(), vec![Map::new()], Chance(11));
    for _ in 0..3 {
        live(folder.path(), 120, &mut states, &mut chance);
        let synced = witness::hear(&folder.path().join("witness")).unwrap();
        let Testimony::Synced(synced) = synced else { panic!("{synced:?}") };
        let pages = Pages::read(&folder.path().join("db"), Some(synced)).unwrap().unwrap();
        assert!(pages.is_whole());
        let entries = pages.items(&[]).map(|item| match item.unwrap() {
            Item::Entry(entry) => entry,
            Item::Gap(why) => panic!("{why}"),
        });
        assert!(records(entries) == *states.last().unwrap());
        let salvage = Salvage::open(folder.path(), &folder.path().join("fsck")).unwrap();
        assert!(matches!(salvage.reader, Reader::Tree(_)), "a store that is whole is read by sled");
        salvage.close().unwrap();
        fs::remove_dir_all(folder.path().join("fsck")).unwrap();
    }
}
