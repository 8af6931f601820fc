//! The twin in memory, for tests: the same map, and nothing outlives it.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::{PoisonError, RwLock};

use super::{Batch, Scan, Store, StoreError};

/// A store that forgets everything when it is dropped.
#[derive(Debug, Default)]
pub struct Memory {
    map: RwLock<BTreeMap<Vec<u8>, Vec<u8>>>,
}

impl Memory {
    fn range(&self, prefix: &[u8], mut after: Bound<Vec<u8>>) -> Scan<'_> {
        let prefix = prefix.to_vec();
        Box::new(std::iter::from_fn(move || {
            let map = self.map.read().unwrap_or_else(PoisonError::into_inner);
            let (key, value) = map.range((after.clone(), Bound::Unbounded)).next()?;
            if !key.starts_with(&prefix) {
                return None;
            }
            after = Bound::Excluded(key.clone());
            Some(Ok((key.clone(), value.clone())))
        }))
    }
}

impl Store for Memory {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self.map.read().unwrap_or_else(PoisonError::into_inner).get(key).cloned())
    }

    fn scan(&self, prefix: &[u8]) -> Scan<'_> {
        self.range(prefix, Bound::Included(prefix.to_vec()))
    }

    fn scan_behind(&self, prefix: &[u8], after: &[u8]) -> Scan<'_> {
        self.range(prefix, Bound::Excluded(after.to_vec()))
    }

    fn write(&self, batch: Batch) -> Result<(), StoreError> {
        let mut map = self.map.write().unwrap_or_else(PoisonError::into_inner);
        for (key, value) in batch {
            match value {
                Some(value) => map.insert(key, value),
                None => map.remove(&key),
            };
        }
        Ok(())
    }

    fn sync(&self) -> Result<(), StoreError> {
        Ok(())
    }

    fn failure(&self) -> Option<super::Failure> {
        None
    }

    fn bytes(&self) -> Result<u64, StoreError> {
        let map = self.map.read().unwrap_or_else(PoisonError::into_inner);
        Ok(map.iter().map(|(key, value)| (key.len() + value.len()) as u64).sum())
    }

    fn tidy(&self, _: &dyn Fn() -> bool) -> Result<Option<super::Tidied>, StoreError> {
        Ok(None) // it keeps no room
    }
}
