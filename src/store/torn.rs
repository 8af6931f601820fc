//! The store on a disk that loses power: of what was written and not synced any sectors may be there and others not.
//!
//! A [`Filmed`] store looks at its files at every sync. Between two of them the disk may have written any of the sectors
//! that changed, in any order. Each such disk is opened, and must hold what was synced and, of what was written since,
//! whole batches from the first on.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::witness::{self, Testimony, Witness};
use super::{Batch, Disk, Entry, Scan, Store, StoreError, keys};

const SECTOR: usize = 512;
const CACHE: u64 = 8 << 20;

/// Of so many sectors every beginning, each alone and all without each are tried; of more, as many of each kind by chance.
const FEW: usize = 6;

type Map = BTreeMap<Vec<u8>, Vec<u8>>;
type Files = BTreeMap<PathBuf, Vec<u8>>;

/// A store on the disk and what became of the disks that it may have left.
pub(crate) struct Filmed {
    disk: Disk,
    folder: PathBuf,
    film: Mutex<Film>,
}

/// What was seen.
struct Film {
    /// The files at the last sync, and the number of that.
    synced: Files,
    n_syncs: u64,
    /// What the store held then, and behind every batch since.
    states: Vec<Map>,
    random: u64,
    /// How many syncs are passed over between two that are looked at.
    skipped: u64,
    report: Report,
}

/// How many disks were opened, and what was wrong with some.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Report {
    pub(crate) syncs: u64,
    pub(crate) disks: u64,
    pub(crate) faults: Vec<String>,
}

impl Filmed {
    /// Opens a data directory. Of `skipped + 1` syncs one is looked at.
    pub(crate) fn open(folder: &Path, skipped: u64) -> Self {
        let (before, n_before) = (files(&folder.join("db")), n_syncs(folder));
        let disk = Disk::open(folder, CACHE).unwrap();
        let states = vec![content(&disk).unwrap()];
        disk.sync().unwrap();
        let (synced, n_syncs) = (files(&folder.join("db")), n_syncs(folder));
        let mut film = Film { synced, n_syncs: n_before, states, random: 1, skipped, report: Report::default() };
        if !before.is_empty() {
            let now = std::mem::replace(&mut film.synced, before);
            film.examine(now, n_syncs); // the opening itself may lose power
        }
        film.n_syncs = n_syncs;
        Self { disk, folder: folder.to_owned(), film: Mutex::new(film) }
    }

    pub(crate) fn report(&self) -> Report {
        self.film().report.clone()
    }

    fn film(&self) -> MutexGuard<'_, Film> {
        self.film.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Film {
    /// Opens the disks that may be there if power goes between the last sync and this one, which left the files `now`. The
    /// witness is as exact as it can be.
    fn examine(&mut self, now: Files, n_syncs: u64) {
        self.report.syncs += 1;
        if self.report.syncs.is_multiple_of(self.skipped + 1) {
            let changed = changed(&self.synced, &now);
            for choice in self.choices(changed.len()) {
                let there: Vec<_> =
                    changed.iter().zip(&choice).filter_map(|(s, is_there)| is_there.then_some(s)).collect();
                self.report.disks += 1;
                let fault = match opened(&torn(&self.synced, &now, &there), self.n_syncs) {
                    Ok(map) if self.states.contains(&map) => continue,
                    Ok(map) => format!("{} records, and those of no moment", map.len()),
                    Err(error) => error,
                };
                let fault =
                    format!("sync {}, {} of {} sectors: {fault}", self.report.syncs, there.len(), changed.len());
                self.report.faults.push(fault);
            }
        }
        (self.synced, self.n_syncs) = (now, n_syncs);
        self.states.drain(..self.states.len() - 1);
    }

    fn chance(&mut self, below: usize) -> usize {
        self.random = self.random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((self.random >> 33) % below.max(1) as u64) as usize
    }

    /// Which of `n` sectors are there.
    fn choices(&mut self, n: usize) -> BTreeSet<Vec<bool>> {
        let mut choices = BTreeSet::from([vec![false; n], vec![true; n]]);
        for nth in 0..n.min(FEW) {
            let place = if n <= FEW { nth } else { self.chance(n) };
            choices.insert((0..n).map(|at| at < place).collect());
            choices.insert((0..n).map(|at| at == place).collect());
            choices.insert((0..n).map(|at| at != place).collect());
            choices.insert((0..n).map(|_| self.chance(2) == 0).collect());
        }
        choices
    }
}

/// A sector of a file, and the last that a file has also stands for its length.
type Sector = (PathBuf, usize);

fn changed(before: &Files, now: &Files) -> Vec<Sector> {
    let mut changed = Vec::new();
    for (path, bytes) in now {
        let old = before.get(path).map_or(&[][..], |old| old);
        let n = bytes.len().max(old.len()).max(1).div_ceil(SECTOR);
        let of = |bytes: &[u8], nth: usize| bytes.chunks(SECTOR).nth(nth).map(<[u8]>::to_vec);
        let is_new = !before.contains_key(path);
        let differs = (0..n).filter(|&nth| of(bytes, nth) != of(old, nth) && (is_new || !is_hole(bytes, old, nth)));
        changed.extend(differs.map(|nth| (path.clone(), nth)));
    }
    changed
}

/// Whether the file only grew by zeros here, which says nothing that its length does not.
fn is_hole(bytes: &[u8], old: &[u8], nth: usize) -> bool {
    let begin = nth * SECTOR;
    begin >= old.len() && bytes[begin.min(bytes.len())..].iter().take(SECTOR).all(|&byte| byte == 0)
}

/// Whether sled writes the file under another name, syncs it, and gives it its own by renaming: it is there whole.
fn is_renamed(path: &Path) -> bool {
    path.to_string_lossy().starts_with("snap.")
}

/// A snapshot of which not all sectors are there.
fn unfinished(path: &Path) -> PathBuf {
    path.with_file_name(format!("{}.generating", path.display()))
}

/// The files with these sectors as they are now and all others as they were. A file that is no more is there still, unless
/// all sectors of its successors are there.
fn torn(before: &Files, now: &Files, there: &[&Sector]) -> Files {
    let mut torn = before.clone();
    let is_all = changed(before, now).len() == there.len();
    torn.retain(|path, _| !is_all || now.contains_key(path));
    for (path, nth) in there {
        let n_there = there.iter().filter(|(other, _)| other == path).count();
        let is_whole = n_there == now[path].len().div_ceil(SECTOR);
        let name = if is_renamed(path) && !is_whole { unfinished(path) } else { path.clone() };
        let (new, file) = (&now[path], torn.entry(name).or_default());
        let (begin, end) = (nth * SECTOR, ((nth + 1) * SECTOR).min(new.len()));
        if file.len() < end {
            file.resize(end, 0);
        }
        if begin < end {
            file[begin..end].copy_from_slice(&new[begin..end]);
        }
    }
    torn
}

fn files(folder: &Path) -> Files {
    let mut found = Files::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(next).into_iter().flatten() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if let Ok(bytes) = fs::read(&path) {
                found.insert(path.strip_prefix(folder).unwrap().to_owned(), bytes); // one that went meanwhile is none
            }
        }
    }
    found
}

fn content(store: &dyn Store) -> Result<Map, StoreError> {
    let is_counted = |entry: &Result<Entry, StoreError>| !matches!(entry, Ok((key, _)) if *key == keys::last_sync());
    store.scan(&[]).filter(is_counted).collect::<Result<_, _>>()
}

/// What the witness says.
fn n_syncs(folder: &Path) -> u64 {
    match witness::hear(&folder.join("witness")).unwrap() {
        Testimony::Synced(number) => number,
        Testimony::Missing | Testimony::Damaged => 0,
    }
}

/// What a store of these files holds, of which so many syncs were made.
fn opened(files: &Files, n_syncs: u64) -> Result<Map, String> {
    let folder = scratch();
    drop(Witness::open(&folder.path().join("witness"), n_syncs).unwrap());
    for (path, bytes) in files {
        let path = folder.path().join("db").join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::File::create(path).unwrap().write_all(bytes).unwrap();
    }
    let open = || Disk::open(folder.path(), CACHE).and_then(|disk| content(&disk)).map_err(|error| error.to_string());
    std::panic::catch_unwind(open).unwrap_or_else(|_| Err("a panic".to_owned()))
}

impl Store for Filmed {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        self.disk.get(key)
    }

    fn scan(&self, prefix: &[u8]) -> Scan<'_> {
        self.disk.scan(prefix)
    }

    fn scan_behind(&self, prefix: &[u8], after: &[u8]) -> Scan<'_> {
        self.disk.scan_behind(prefix, after)
    }

    fn write(&self, batch: Batch) -> Result<(), StoreError> {
        let mut film = self.film();
        self.disk.write(batch.clone())?;
        let mut state = film.states.last().unwrap().clone();
        for (key, value) in batch {
            match value {
                Some(value) => state.insert(key, value),
                None => state.remove(&key),
            };
        }
        film.states.push(state);
        Ok(())
    }

    fn sync(&self) -> Result<(), StoreError> {
        let mut film = self.film();
        self.disk.sync()?;
        film.examine(files(&self.folder.join("db")), n_syncs(&self.folder));
        Ok(())
    }

    fn failure(&self) -> Option<super::Failure> {
        self.disk.failure()
    }

    fn bytes(&self) -> Result<u64, StoreError> {
        self.disk.bytes()
    }

    fn tidy(&self, is_wanted: &dyn Fn() -> bool) -> Result<Option<super::Tidied>, StoreError> {
        self.disk.tidy(is_wanted)
    }
}

/// A folder in memory where the machine has that: the power cuts here are of our making.
fn scratch() -> tempfile::TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap()
}

/// A batch of records over a few keys, small ones and some of many sectors.
fn batch(random: &mut u64) -> Batch {
    let mut chance = |below: u64| {
        *random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (*random >> 33) % below
    };
    let mut batch = Batch::new();
    for _ in 0..=chance(5) {
        let key = vec![b'k', chance(60) as u8];
        match chance(4) {
            0 => batch.remove(key),
            1 => batch.put(key, vec![chance(256) as u8; chance(40_000) as usize]),
            _ => batch.put(key, vec![chance(256) as u8; chance(200) as usize]),
        }
    }
    batch
}

#[test]
fn whatever_sectors_a_power_cut_leaves_the_store_holds_whole_batches_and_all_that_were_synced() {
    let folder = scratch();
    let (mut random, mut total) = (7, Report::default());
    for _ in 0..3 {
        let store = Filmed::open(folder.path(), 3);
        for nth in 0..150 {
            store.write(batch(&mut random)).unwrap();
            if nth % 4 == 3 {
                store.sync().unwrap();
            }
        }
        store.sync().unwrap();
        let report = store.report();
        (total.syncs, total.disks) = (total.syncs + report.syncs, total.disks + report.disks);
        total.faults.extend(report.faults);
    }
    let text =
        format!("torn store: {} syncs, {} disks, {} of them wrong\n", total.syncs, total.disks, total.faults.len());
    std::io::stdout().write_all(text.as_bytes()).unwrap(); // past the harness, which would keep it for a failure
    assert!(total.faults.is_empty(), "{:#?}", total.faults);
    assert!(total.disks > 100, "{} disks", total.disks);
}

#[test]
fn entries_are_looked_at_as_the_scan_gives_them() {
    let folder = scratch();
    let store = Filmed::open(folder.path(), 0);
    let mut batch = Batch::new();
    batch.put(*b"ka", vec![1]);
    store.commit(batch).unwrap();
    let entries: Vec<Entry> = store.scan(b"k").map(Result::unwrap).collect();
    assert_eq!(entries, [(b"ka".to_vec(), vec![1])]);
    assert!(store.report().disks > 1);
}
