//! How many faces and images each database has, kept right with every write.
//!
//! The store of an engine is wrapped in one that looks at what a batch does to rows of faces and images, and writes the new
//! counts in the same batch. So they are as right and as durable as the rows, at a start they are read and not counted, and
//! whoever changes rows need not think of them.
//!
//! **Promises.** The counts of a number are those of the rows under it, after every write and after every crash. Nothing is
//! counted by scanning: asking costs nothing even with a million images.
//!
//! **What it costs.** A look at the old row for each row written, and one small record a batch and database.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};
use tracing::error;

use super::error::EngineError;
use crate::face::ImageStatus;
use crate::store::{Batch, Failure, Scan, Store, StoreError, Tidied, decode, decode_first, keys};

/// The rows under the number of a database.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Count {
    pub(super) faces: u64,
    pub(super) untrained: u64,
    pub(super) trained: u64,
    pub(super) failed: u64,
}

impl Count {
    /// Those of a status.
    pub(super) fn of(&mut self, status: ImageStatus) -> &mut u64 {
        match status {
            ImageStatus::Untrained => &mut self.untrained,
            ImageStatus::Trained => &mut self.trained,
            ImageStatus::Failed => &mut self.failed,
        }
    }

    /// All images.
    pub(super) fn images(self) -> u64 {
        self.untrained + self.trained + self.failed
    }

    /// The sum of two.
    pub(super) fn plus(self, other: Self) -> Self {
        Self {
            faces: self.faces + other.faces,
            untrained: self.untrained + other.untrained,
            trained: self.trained + other.trained,
            failed: self.failed + other.failed,
        }
    }
}

/// A store that keeps the counts of what is in it.
pub(super) struct Tally {
    store: Arc<dyn Store>,
    counts: Mutex<BTreeMap<u64, Count>>,
    /// Counts that could not be read at the start, and were made anew.
    pub(super) n_damaged: u64,
}

impl Tally {
    /// The counts that are in `store`, and the store behind them.
    pub(super) fn open(store: Arc<dyn Store>) -> Result<Self, EngineError> {
        let (mut counts, mut n_damaged) = (BTreeMap::new(), 0);
        for entry in store.scan(&keys::counts()) {
            let (key, value) = entry?;
            let number = keys::database_number(&key)?;
            let count = match decode(&key, &value) {
                Err(error @ StoreError::Damaged { .. }) => {
                    error!(%error, "the rows are counted; `faceclique fsck` says more");
                    n_damaged += 1;
                    counted(&*store, number)?
                }
                count => count?,
            };
            counts.insert(number, count);
        }
        Ok(Self { store, counts: Mutex::new(counts), n_damaged })
    }

    fn counts(&self) -> MutexGuard<'_, BTreeMap<u64, Count>> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The rows under a number.
    pub(super) fn count(&self, number: u64) -> Count {
        self.counts().get(&number).copied().unwrap_or_default()
    }

    /// The rows of all numbers.
    pub(super) fn total(&self) -> Count {
        self.counts().values().fold(Count::default(), |sum, count| sum.plus(*count))
    }

    /// The counts that `batch` changes, as they will be.
    fn after(&self, counts: &BTreeMap<u64, Count>, batch: &Batch) -> Result<BTreeMap<u64, Count>, StoreError> {
        let last: BTreeMap<&[u8], Option<&[u8]>> =
            batch.iter().filter(|(key, _)| keys::is_face(key) || keys::is_image(key)).collect();
        let mut changed = BTreeMap::new();
        for (key, new) in last {
            let number = keys::database_number(key)?;
            let old = self.store.get(key)?;
            let count: &mut Count =
                changed.entry(number).or_insert_with(|| counts.get(&number).copied().unwrap_or_default());
            let (old, new) = (old.as_deref(), new);
            if keys::is_face(key) {
                replace(&mut count.faces, u64::from(old.is_some()), u64::from(new.is_some()));
                continue;
            }
            for (value, n_before, n_after) in [(old, 1, 0), (new, 0, 1)] {
                if let Some(status) = value.and_then(|value| status(key, value)) {
                    replace(count.of(status), n_before, n_after);
                }
            }
        }
        changed.retain(|number, count| counts.get(number).copied().unwrap_or_default() != *count);
        Ok(changed)
    }
}

/// The rows under a number, one by one.
fn counted(store: &dyn Store, number: u64) -> Result<Count, StoreError> {
    let mut count = Count::default();
    for entry in store.scan(&keys::faces(number)) {
        entry?;
        count.faces += 1;
    }
    for entry in store.scan(&keys::images(number)) {
        let (key, value) = entry?;
        if let Some(status) = status(&key, &value) {
            *count.of(status) += 1;
        }
    }
    Ok(count)
}

fn replace(n: &mut u64, before: u64, after: u64) {
    *n = n.saturating_add(after).saturating_sub(before);
}

/// The status in the row of an image, its first field; a damaged row counts nowhere, and whoever reads it is told.
fn status(key: &[u8], value: &[u8]) -> Option<ImageStatus> {
    decode_first(key, value).ok()
}

impl Store for Tally {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        self.store.get(key)
    }

    fn scan(&self, prefix: &[u8]) -> Scan<'_> {
        self.store.scan(prefix)
    }

    fn scan_behind(&self, prefix: &[u8], after: &[u8]) -> Scan<'_> {
        self.store.scan_behind(prefix, after)
    }

    fn write(&self, mut batch: Batch) -> Result<(), StoreError> {
        if !batch.iter().any(|(key, _)| keys::is_face(key) || keys::is_image(key)) {
            return self.store.write(batch);
        }
        let mut counts = self.counts(); // held, or two batches would count from the same state
        let changed = self.after(&counts, &batch)?;
        for (&number, count) in &changed {
            let key = keys::count(number);
            if *count == Count::default() {
                batch.remove(key);
            } else {
                batch.record(&key, count);
            }
        }
        self.store.write(batch)?;
        for (number, count) in changed {
            if count == Count::default() {
                counts.remove(&number);
            } else {
                counts.insert(number, count);
            }
        }
        Ok(())
    }

    fn sync(&self) -> Result<(), StoreError> {
        self.store.sync()
    }

    fn failure(&self) -> Option<Failure> {
        self.store.failure()
    }

    fn bytes(&self) -> Result<u64, StoreError> {
        self.store.bytes()
    }

    fn tidy(&self, is_wanted: &dyn Fn() -> bool) -> Result<Option<Tidied>, StoreError> {
        self.store.tidy(is_wanted)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::engine::records::{FaceRecord, ImageRecord};
    use crate::engine::verdict::Verdict;
    use crate::face::{Identifier, ImageLabel};
    use crate::store::Memory;

    const STATES: [ImageStatus; 3] = [ImageStatus::Untrained, ImageStatus::Trained, ImageStatus::Failed];

    proptest! {
        #[test]
        fn the_counts_are_those_of_the_rows_whatever_is_written(
            batches in prop::collection::vec(
                prop::collection::vec((1u64..3, any::<bool>(), 0u8..4, prop::option::of(0usize..3)), 0..8), 0..20),
        ) {
            let store: Arc<Memory> = Arc::default();
            let tally = Tally::open(Arc::<Memory>::clone(&store)).unwrap();
            for changes in batches {
                let mut batch = Batch::new();
                batch.put(b"j other".to_vec(), vec![1]);
                for (number, is_face, name, value) in changes {
                    let identifier = Identifier::new(&name.to_string()).unwrap();
                    let label = ImageLabel::new("x").unwrap();
                    let image = || keys::image(number, &identifier, &label);
                    let key = if is_face { keys::face(number, &identifier) } else { image() };
                    match value {
                        None => batch.remove(key),
                        Some(_) if is_face => batch.record(&key, &FaceRecord::default()),
                        Some(at) => batch.record(&key, &ImageRecord { status: STATES[at], embedding: Some(vec![1.0]), picture: None, verdict: Verdict::Unknown }),
                    }
                }
                tally.commit(batch).unwrap();
                let again = Tally::open(Arc::<Memory>::clone(&store)).unwrap();
                for number in 1..3 {
                    prop_assert_eq!(tally.count(number), counted(&*store, number).unwrap());
                    prop_assert_eq!(again.count(number), tally.count(number));
                    let is_kept = store.get(&keys::count(number)).unwrap().is_some();
                    prop_assert_eq!(is_kept, tally.count(number) != Count::default());
                }
            }
        }
    }
}
