//! What `syncdatabase=false` sees: each database as it was at its last synchronisation (contract R103).
//!
//! The store holds the present. A [`View`] remembers, for every image row changed since the synchronisation, what stood
//! there then: the past is the store with these rows put back. A row that is as it was then is not remembered, so the
//! memory taken is that of the difference, not of the history.

use std::collections::BTreeMap;
use std::iter::Peekable;
use std::ops::Bound;

use crate::job::Timestamp;
use crate::store::{Entry, Scan, StoreError};

/// One database's past.
#[derive(Debug)]
pub(super) struct View {
    /// When it was last synchronised.
    pub(super) synced: Timestamp,
    past: Past,
}

/// How a database was then.
#[derive(Debug)]
enum Past {
    /// Not there.
    Unborn,
    /// As now, but for the rows that differ: their value then.
    Changed(Before),
}

/// The rows that have changed since some moment, with their value then; what is as it was then is not here.
#[derive(Debug, Default)]
pub(super) struct Before(BTreeMap<Vec<u8>, Option<Vec<u8>>>);

impl Before {
    /// Notes that the row `key` changes from `old` to `new`.
    pub(super) fn change(&mut self, key: &[u8], old: Option<&[u8]>, new: Option<&[u8]>) {
        let then = self.0.remove(key).unwrap_or_else(|| old.map(<[u8]>::to_vec));
        if then.as_deref() != new {
            self.0.insert(key.to_vec(), then);
        }
    }

    /// The rows under `prefix` and behind `after` as they were then, given those rows as they are.
    pub(super) fn behind<'a>(&'a self, prefix: &[u8], after: &[u8], present: Scan<'a>) -> Scan<'a> {
        let prefix = prefix.to_vec();
        let before = self.0.range::<[u8], _>((Bound::Excluded(after), Bound::Unbounded));
        let before: Remembered<'a> = Box::new(before.take_while(move |(key, _)| key.starts_with(&prefix)));
        let mut merge = Merge { present: present.peekable(), before: before.peekable() };
        Box::new(std::iter::from_fn(move || merge.next_entry().transpose()))
    }
}

impl View {
    /// The present, at `now`.
    pub(super) fn new(now: Timestamp) -> Self {
        Self { synced: now, past: Past::Changed(Before::default()) }
    }

    /// A database that came into being after `synced`: it has no images then.
    pub(super) fn unborn(synced: Timestamp) -> Self {
        Self { synced, past: Past::Unborn }
    }

    /// Makes the present at `now` what is seen.
    pub(super) fn sync(&mut self, now: Timestamp) {
        *self = Self::new(now);
    }

    /// Notes that the row `key` changes from `old` to `new`.
    pub(super) fn change(&mut self, key: &[u8], old: Option<&[u8]>, new: Option<&[u8]>) {
        if let Past::Changed(before) = &mut self.past {
            before.change(key, old, new);
        }
    }

    /// The rows as they were then, given the rows as they are.
    pub(super) fn past<'a>(&'a self, present: Scan<'a>) -> Scan<'a> {
        let Past::Changed(before) = &self.past else { return Box::new(std::iter::empty()) };
        before.behind(b"", b"", present)
    }
}

/// Rows and what they were.
type Remembered<'a> = Box<dyn Iterator<Item = (&'a Vec<u8>, &'a Option<Vec<u8>>)> + 'a>;

/// Two ordered streams of rows; where both have a key, the remembered one counts.
struct Merge<'a> {
    present: Peekable<Scan<'a>>,
    before: Peekable<Remembered<'a>>,
}

impl Merge<'_> {
    fn next_entry(&mut self) -> Result<Option<Entry>, StoreError> {
        loop {
            let is_present_first = match (self.present.peek(), self.before.peek()) {
                (None, None) => return Ok(None),
                (Some(Err(_)), _) | (Some(_), None) => true,
                (None, Some(_)) => false,
                (Some(Ok((key, _))), Some((remembered, _))) => {
                    if key == *remembered {
                        self.present.next();
                        continue;
                    }
                    key < *remembered
                }
            };
            if is_present_first {
                return self.present.next().transpose();
            }
            if let Some((key, Some(value))) = self.before.next() {
                return Ok(Some((key.clone(), value.clone())));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{Batch, Memory, Store};
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn r103_the_past_is_seen_whatever_changed_since(
            start in proptest::collection::btree_map(0u8..20, any::<u8>(), 0..10),
            changes in proptest::collection::vec((0u8..20, proptest::option::of(any::<u8>())), 0..40),
        ) {
            let store = Memory::default();
            let mut batch = Batch::new();
            for (&key, &value) in &start {
                batch.put([b'i', key], vec![value]);
            }
            store.write(batch).unwrap();
            let mut view = View::new(Timestamp(0));
            for (key, value) in changes {
                let key = [b'i', key];
                let (old, new) = (store.get(&key).unwrap(), value.map(|v| vec![v]));
                view.change(&key, old.as_deref(), new.as_deref());
                let mut batch = Batch::new();
                match new {
                    Some(new) => batch.put(key, new),
                    None => batch.remove(key),
                }
                store.write(batch).unwrap();
            }
            let seen: Vec<Entry> = view.past(store.scan(b"i")).map(Result::unwrap).collect();
            let expected: Vec<Entry> = start.into_iter().map(|(k, v)| (vec![b'i', k], vec![v])).collect();
            prop_assert_eq!(seen, expected);
        }
    }

    #[test]
    fn a_row_that_came_and_went_is_not_remembered() {
        let mut view = View::new(Timestamp(0));
        view.change(b"k", None, Some(b"v"));
        view.change(b"k", Some(b"v"), None);
        assert!(matches!(view.past, Past::Changed(Before(rows)) if rows.is_empty()));
    }
}
