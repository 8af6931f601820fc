//! Where the messages are that make each page, up to a place in the log.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;

use super::wire::{Kind, take, varint};

/// Where a message is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    /// In the order of the log.
    pub(super) nth: u64,
    /// In the file.
    pub(super) at: u64,
    /// Bytes of all of it.
    pub(super) len: usize,
}

/// The messages of each page: first the page as a whole, then what changed it.
#[derive(Debug, Default)]
pub(super) struct Table {
    /// What is before this place is in it.
    pub(super) up_to: u64,
    pub(super) pages: BTreeMap<u64, Vec<Place>>,
}

impl Table {
    /// That of the newest snapshot that is whole.
    pub(super) fn newest(folder: &Path) -> io::Result<Option<Self>> {
        let mut names: Vec<_> = fs::read_dir(folder)?.collect::<io::Result<Vec<_>>>()?;
        names.retain(|entry| {
            let name = entry.file_name();
            name.to_str().is_some_and(|name| name.starts_with("snap.") && !name.ends_with(".generating"))
        });
        names.sort_by_key(fs::DirEntry::file_name);
        for entry in names.into_iter().rev() {
            let bytes = fs::read(entry.path())?;
            let Some((rest, sum)) = bytes.split_last_chunk::<4>() else { continue };
            let Some((rest, _)) = rest.split_last_chunk::<8>() else { continue };
            if crc32fast::hash(rest) != u32::from_le_bytes(*sum) {
                continue;
            }
            if let Some(table) = Self::read(rest) {
                return Ok(Some(table));
            }
        }
        Ok(None)
    }

    /// Whether a message of the page at this place would count: nothing behind it says what the page is as a whole.
    pub(super) fn may_count(&self, page: u64, nth: u64) -> bool {
        self.pages.get(&page).is_none_or(|places| places.first().is_none_or(|first| first.nth < nth))
    }

    fn read(mut bytes: &[u8]) -> Option<Self> {
        let rest = &mut bytes;
        // a number that may be missing is one more than it is
        let up_to = i64::from_le_bytes(*take(rest)?).checked_sub(1).and_then(|at| u64::try_from(at).ok())?;
        let _active_segment = varint(rest)?;
        let mut table = Self { up_to, pages: BTreeMap::new() };
        for page in 0.. {
            let Some(&[n]) = take::<1>(rest) else { break };
            if n == 0 {
                place_of(rest)?; // it is free
                continue;
            }
            let places = (0..n).map(|_| {
                let (nth, at) = place_of(rest)?;
                Some(Place { nth, at, len: usize::try_from(varint(rest)?).ok()? })
            });
            table.pages.insert(page, places.collect::<Option<_>>()?);
        }
        Some(table)
    }

    /// Notes a message of the log.
    pub(super) fn note(&mut self, kind: Kind, page: u64, place: Place) {
        match kind {
            _ if place.nth < self.up_to => {}
            Kind::Free => drop(self.pages.remove(&page)),
            Kind::Node { .. } | Kind::Own => drop(self.pages.insert(page, vec![place])),
            Kind::Link { .. } => {
                if let Some(places) = self.pages.get_mut(&page) {
                    places.push(place);
                }
            }
            Kind::Canceled | Kind::Cap | Kind::Manifest => {}
        }
    }
}

fn place_of(rest: &mut &[u8]) -> Option<(u64, u64)> {
    let nth = u64::try_from(i64::from_le_bytes(*take(rest)?)).ok()?;
    let [is_apart] = *take::<1>(rest)?;
    let at = varint(rest)?;
    match is_apart {
        0 => {}
        1 => drop(take::<8>(rest)?),
        _ => return None,
    }
    Some((nth, at))
}
