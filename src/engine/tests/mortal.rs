//! A store whose process dies at a given write, and everything that its disk may hold then.

use std::ops::Bound;

use super::*;

pub(super) type Map = BTreeMap<Vec<u8>, Vec<u8>>;

/// A store whose process dies at a given write: there it panics, and so does everything after it.
#[derive(Default)]
pub(super) struct Mortal {
    kept: Mutex<Kept>,
    /// Writes and syncs before death.
    pub(super) left: AtomicU64,
    /// What happens then: the process ends, or only the store does.
    end: End,
    /// Whether it was asked to tidy up.
    pub(super) is_tidied: AtomicBool,
}

#[derive(Default)]
struct Kept {
    /// What a reader of the same process sees.
    written: Map,
    /// What was there at the last sync.
    durable: Map,
    /// What was written since, in its order.
    loose: Vec<Batch>,
}

#[derive(Clone, Copy, PartialEq, Eq, Default)]
enum End {
    #[default]
    Death,
    Failure,
}

/// The most loose batches of which every choice is looked at; of more, those that say most.
const EVERY_CHOICE: usize = 4;

impl Mortal {
    pub(super) fn with(map: Map, left: u64) -> Arc<Self> {
        Self::new(map, left, End::Death)
    }

    /// A store that fails after so many writes and syncs, and stays so.
    pub(super) fn failing(map: Map, left: u64) -> Arc<Self> {
        Self::new(map, left, End::Failure)
    }

    fn new(map: Map, left: u64, end: End) -> Arc<Self> {
        let kept = Kept { written: map.clone(), durable: map, loose: Vec::new() };
        Arc::new(Self { kept: Mutex::new(kept), left: AtomicU64::new(left), end, is_tidied: AtomicBool::new(false) })
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn live(&self) -> Result<(), StoreError> {
        let left = self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1));
        assert!(left.is_ok() || self.end == End::Failure, "the process is dead");
        left.map(|_| ()).map_err(|_| StoreError::Backend("it fails".to_owned()))
    }

    pub(super) fn map(&self) -> Map {
        self.kept().written.clone()
    }

    /// What the disk may hold after the death: everything that was written, or only what was synced, or batches behind
    /// that from the first on.
    pub(super) fn cut(&self) -> Vec<Map> {
        let n = self.kept().loose.len();
        let ends = [n].into_iter().chain(0..n);
        self.disks(ends.map(|end| (0..n).map(|at| at < end).collect()))
    }

    /// What it may hold if it wrote the batches that were not synced in any order: later ones without earlier ones. The
    /// log of our store keeps the order.
    pub(super) fn reordered(&self) -> Vec<Map> {
        let cut = self.cut();
        let n = self.kept().loose.len();
        self.disks(choices(n).into_iter()).into_iter().filter(|map| !cut.contains(map)).collect()
    }

    /// Both.
    pub(super) fn remains(&self) -> Vec<Map> {
        [self.cut(), self.reordered()].concat()
    }

    /// The disks that hold these of the batches that were not synced, each disk once.
    fn disks(&self, choices: impl Iterator<Item = Vec<bool>>) -> Vec<Map> {
        let kept = self.kept();
        let mut disks = Vec::new();
        for choice in choices {
            let mut map = kept.durable.clone();
            for batch in kept.loose.iter().zip(&choice).filter_map(|(batch, is_there)| is_there.then_some(batch)) {
                apply(&mut map, batch.clone());
            }
            if !disks.contains(&map) {
                disks.push(map);
            }
        }
        disks
    }

    fn from(&self, prefix: &[u8], begin: Bound<Vec<u8>>) -> Scan<'_> {
        let prefix = prefix.to_vec();
        let entries: Vec<_> =
            self.kept().written.range((begin, Bound::Unbounded)).map(|(k, v)| (k.clone(), v.clone())).collect();
        Box::new(entries.into_iter().filter(move |(key, _)| key.starts_with(&prefix)).map(Ok))
    }
}

/// Which of `n` batches are there: every choice of a few; of many each alone, and all without each.
fn choices(n: usize) -> Vec<Vec<bool>> {
    if n <= EVERY_CHOICE {
        return (0..1usize << n).map(|bits| (0..n).map(|at| bits >> at & 1 == 1).collect()).collect();
    }
    let alone = (0..n).map(|one| (0..n).map(|at| at == one).collect());
    let without = (0..n).map(|one| (0..n).map(|at| at != one).collect());
    alone.chain(without).collect()
}

pub(super) fn apply(map: &mut Map, batch: Batch) {
    for (key, value) in batch {
        match value {
            Some(value) => map.insert(key, value),
            None => map.remove(&key),
        };
    }
}

impl Store for Mortal {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self.kept().written.get(key).cloned())
    }

    fn scan(&self, prefix: &[u8]) -> Scan<'_> {
        self.from(prefix, Bound::Unbounded)
    }

    fn scan_behind(&self, prefix: &[u8], after: &[u8]) -> Scan<'_> {
        self.from(prefix, Bound::Excluded(after.to_vec()))
    }

    fn write(&self, batch: Batch) -> Result<(), StoreError> {
        self.live()?;
        let mut kept = self.kept();
        kept.loose.push(batch.clone());
        apply(&mut kept.written, batch);
        Ok(())
    }

    fn sync(&self) -> Result<(), StoreError> {
        self.live()?;
        let mut kept = self.kept();
        for batch in std::mem::take(&mut kept.loose) {
            apply(&mut kept.durable, batch);
        }
        Ok(())
    }

    fn failure(&self) -> Option<crate::store::Failure> {
        let has_failed = self.end == End::Failure && self.left.load(Ordering::Relaxed) == 0;
        has_failed.then(|| crate::store::Failure { is_full: false, why: "it fails".to_owned() })
    }

    fn bytes(&self) -> Result<u64, StoreError> {
        Ok(0)
    }

    fn tidy(&self, _: &dyn Fn() -> bool) -> Result<Option<crate::store::Tidied>, StoreError> {
        self.is_tidied.store(true, Ordering::Relaxed);
        Ok(None)
    }
}
