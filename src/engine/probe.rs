//! A look at the store of a data directory that no server has, without mending anything.
//!
//! **Why.** [`Engine::open`](super::Engine::open) finishes and undoes what a crash left; who only wants to know whether the
//! store is readable must not have that done. The database itself does what it does at every opening: it
//! cuts off a damaged end of its log.

use super::error::EngineError;
use super::records::JobRecord;
use super::settings::Settings;
use crate::store::{Disk, Store as _, decode, keys};

/// What a store holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Probe {
    /// Bytes of the store on the disk.
    pub bytes: u64,
    /// Face databases.
    pub databases: usize,
    /// Jobs that are kept.
    pub jobs: usize,
    /// Those of them that have not ended.
    pub open_jobs: usize,
}

/// Opens the store, reads every job and the names of the databases, and closes it.
pub fn probe(settings: &Settings) -> Result<Probe, EngineError> {
    let disk = Disk::open(&settings.data, settings.cache)?;
    let mut found = Probe { bytes: disk.bytes()?, databases: 0, jobs: 0, open_jobs: 0 };
    for entry in disk.scan(&keys::databases()) {
        entry?;
        found.databases += 1;
    }
    for entry in disk.scan(&keys::jobs()) {
        let (key, value) = entry?;
        let record: JobRecord = decode(&key, &value)?;
        found.jobs += 1;
        found.open_jobs += usize::from(!record.life.has_ended());
    }
    Ok(found)
}
