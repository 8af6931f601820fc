//! What is kept: one ordered map of bytes, written atomically and made durable on request.
//!
//! **Promises.** A [`Batch`] is written whole or not at all, also across a crash. After [`Store::sync`] returns,
//! everything written before it survives a killed process and a power cut. Every record carries its format version
//! and a checksum over itself and its key; a damaged one is an error that names the key, never a wrong answer.
//!
//! **Why one map.** sled's batches are atomic within one tree. With everything in one tree (and the kind of record in
//! the first byte of the key) any set of records changes in one step, without a transaction to retry.
//!
//! **Not here.** What the records hold and what they mean together (`engine`).

mod codec;
mod disk;
mod doubt;
mod failure;
pub(crate) mod files;
mod generation;
mod group;
pub mod keys;
mod log;
mod memory;
mod repair;
mod rewrite;
mod salvage;
#[cfg(test)]
pub(crate) mod torn;
mod witness;

use std::time::Duration;

use serde::Serialize;
use thiserror::Error;

pub use codec::{decode, decode_first, encode, verify};
pub use disk::{Disk, is_left_open};
pub use failure::Failure;
pub(crate) use failure::is_full;
pub use generation::is_there;
pub use memory::Memory;
pub use repair::Repair;
pub use salvage::{Gap, Salvage};

/// The version of the records' format; written into each, and once into the store itself.
pub const FORMAT_VERSION: u8 = 1;

/// Why the store could not do what it was asked.
#[derive(Debug, Error)]
pub enum StoreError {
    /// The database underneath failed otherwise.
    #[error("the store failed: {0}")]
    Backend(String),
    /// The disk failed: it is full, or there was an input or output error.
    #[error("the store failed: {0}")]
    Disk(Failure),
    /// An earlier write or sync failed, so that nothing is known of the disk any more.
    #[error("the store failed earlier and takes no more changes until it is opened again: {0}")]
    Lost(Failure),
    /// A record is not what was written.
    #[error("the record {key} is damaged: {why}")]
    Damaged {
        /// Its key, printable.
        key: String,
        /// What is wrong with it.
        why: String,
    },
    /// A part of the database underneath is not what was written.
    #[error(
        "the store is damaged: a checksum does not match{0}. `faceclique fsck` says what is left, `faceclique fsck --repair` \
         keeps that; a backup may have more"
    )]
    Unreadable(String),
    /// The database underneath cannot be opened.
    #[error(
        "the store (db/ in the data directory) cannot be opened, it is damaged: {0}. `faceclique fsck` says what is left of it, \
         `faceclique fsck --repair` keeps that; a backup may have more"
    )]
    Unopened(String),
    /// What was synced is not there any more.
    #[error(
        "the store is damaged: the last {} of the {synced} syncs that it was acknowledged by are lost from it, or an older copy \
         was put in its place. `faceclique fsck` says what is left, `faceclique fsck --repair` goes on with that; a backup \
         may have more",
        synced - found
    )]
    Behind {
        /// The number of the last sync that it knows of.
        found: u64,
        /// The number of the last one there was.
        synced: u64,
    },
    /// A repair was interrupted while it put the repaired store in its place.
    #[error("a repair of the store was interrupted; `faceclique fsck --repair` finishes it")]
    HalfRepaired,
    /// The store was written by another version of the program.
    #[error("the store has format {found}, this program reads format {FORMAT_VERSION}")]
    Format {
        /// The version found.
        found: u8,
    },
    /// Another process has the data directory.
    #[error("the data directory is in use by another process{0}")]
    Locked(String),
    /// A file or folder beside the database could not be read or written.
    #[error("{what}: {source}")]
    File {
        /// What was tried.
        what: String,
        /// The system's answer.
        source: std::io::Error,
    },
}

impl StoreError {
    /// That sled does not open its files: damage, unless the system itself says what is wrong.
    fn unopened(self) -> Self {
        match self {
            Self::Backend(why) => Self::Unopened(why),
            other => other,
        }
    }

    /// What is wrong with the disk, if it is that.
    pub fn failure(&self) -> Option<Failure> {
        match self {
            Self::Disk(failure) | Self::Lost(failure) => Some(failure.clone()),
            Self::File { source, .. } if is_full(source) => Some(source.into()),
            _ => None,
        }
    }
}

/// Changes that happen together: each key is given a value or loses it. The last word about a key counts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Batch {
    changes: Vec<(Vec<u8>, Option<Vec<u8>>)>,
}

impl Batch {
    /// No changes yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Gives `key` the value.
    pub fn put(&mut self, key: impl Into<Vec<u8>>, value: Vec<u8>) {
        self.changes.push((key.into(), Some(value)));
    }

    /// Gives `key` the record, encoded.
    pub fn record<T: Serialize>(&mut self, key: &[u8], record: &T) {
        self.put(key, encode(key, record));
    }

    /// Takes `key` away.
    pub fn remove(&mut self, key: impl Into<Vec<u8>>) {
        self.changes.push((key.into(), None));
    }

    /// The changes in order: a key with its value, or without one where it is taken away.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], Option<&[u8]>)> {
        self.changes.iter().map(|(key, value)| (key.as_slice(), value.as_deref()))
    }

    /// How many changes.
    pub fn len(&self) -> usize {
        self.changes.len()
    }

    /// Whether nothing changes.
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }
}

impl IntoIterator for Batch {
    type Item = (Vec<u8>, Option<Vec<u8>>);
    type IntoIter = std::vec::IntoIter<Self::Item>;

    fn into_iter(self) -> Self::IntoIter {
        self.changes.into_iter()
    }
}

/// A key and its value.
pub type Entry = (Vec<u8>, Vec<u8>);

/// Entries in key order, read as they are asked for.
pub type Scan<'a> = Box<dyn Iterator<Item = Result<Entry, StoreError>> + 'a>;

/// What writing the store anew has brought.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tidied {
    /// Bytes of the files before.
    pub before: u64,
    /// And after.
    pub after: u64,
    /// Bytes of keys and values.
    pub live: u64,
    /// How long it took.
    pub took: Duration,
    /// How long writers waited.
    pub pause: Duration,
}

/// An ordered map of bytes that lasts.
pub trait Store: Send + Sync + 'static {
    /// The value of `key`.
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError>;

    /// The entries whose key begins with `prefix`, in key order.
    fn scan(&self, prefix: &[u8]) -> Scan<'_>;

    /// Those of them that are behind the key `after`, which begins with `prefix` too.
    fn scan_behind(&self, prefix: &[u8], after: &[u8]) -> Scan<'_>;

    /// Makes all changes of `batch`, or none; visible at once, durable after the next [`Store::sync`].
    fn write(&self, batch: Batch) -> Result<(), StoreError>;

    /// Returns when everything written before is on the disk.
    fn sync(&self) -> Result<(), StoreError>;

    /// Why the store takes no more changes, if it does not. What is read is what was written before.
    /// No default: whoever stands before a store must hand it on.
    fn failure(&self) -> Option<Failure>;

    /// Bytes used on the disk.
    fn bytes(&self) -> Result<u64, StoreError>;

    /// Gives the disk back what removed records took, if that is much; may take long, holds nobody up for long,
    /// and is given up when it is not wanted any more.
    /// No default: whoever stands before a store must hand it on.
    fn tidy(&self, is_wanted: &dyn Fn() -> bool) -> Result<Option<Tidied>, StoreError>;

    /// Makes all changes of `batch`, or none, durably.
    fn commit(&self, batch: Batch) -> Result<(), StoreError> {
        self.write(batch)?;
        self.sync()
    }
}
