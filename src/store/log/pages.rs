//! The records of a damaged store: the leaves of sled's tree that are whole, without the way that leads to them.
//!
//! **Promises.** What is given is what the store held last, or held at one moment before that ([`Pages::is_cut`]); of a
//! record of which this is not certain nothing is given:
//!
//! * Which messages make a page is said by sled's snapshot, and behind that by the log. If a damaged message of the log
//!   may be of any page, what is behind it is left out, all of it.
//! * Of a damaged leaf those records stay whose own sums are right. Of one of whose changes one is damaged, those that a
//!   later change has written.
//! * Leaves are side by side. Where one is missing nothing takes its place, be it older or left over.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::Path;

use super::super::{Entry, verify};
use super::table::{Place, Table};
use super::wire::{Data, Kind, Link, Message, Node, SEGMENT};
use super::{Apart, Damage, Found, Log, Piece, What, read_to_end};

type Records = BTreeMap<Vec<u8>, Vec<u8>>;

/// What is read, in the order of keys.
#[derive(Debug)]
pub(in super::super) enum Item {
    Entry(Entry),
    /// Here something is lost.
    Gap(String),
}

/// A leaf.
#[derive(Debug)]
struct Leaf {
    lo: Vec<u8>,
    /// Empty: there is no end.
    hi: Vec<u8>,
    page: u64,
    is_merging: bool,
}

/// A stretch of keys.
#[derive(Debug)]
enum Tile {
    /// Those of a leaf.
    Leaf { hi: Vec<u8>, page: u64 },
    /// Nobody says what is there, but for these.
    Hole { hi: Vec<u8>, records: Records },
}

/// The leaves of a store.
#[derive(Debug)]
pub(in super::super) struct Pages {
    log: Log,
    table: Table,
    tiles: Vec<Tile>,
    /// Where in the file damage was found.
    pub(in super::super) damages: BTreeSet<u64>,
    /// Whether the end is left out, because a damaged message may have changed anything.
    pub(in super::super) is_cut: bool,
}

/// What a page is.
enum Content {
    Leaf {
        node: Node,
        is_hurt: bool,
    },
    /// The leaf itself is damaged; these of its records are right.
    Rest(Records),
    Index(Vec<u64>),
    Other,
}

impl Pages {
    /// Those in `folder`, none if there is no log; `synced` is how many syncs are known to have been made.
    pub(in super::super) fn read(folder: &Path, synced: Option<u64>) -> io::Result<Option<Self>> {
        let Some(log) = Log::open(folder)? else { return Ok(None) };
        let table = Table::newest(folder)?.unwrap_or_default();
        let (tiles, damages) = (Vec::new(), BTreeSet::new());
        let mut pages = Self { log, table, tiles, damages, is_cut: false };
        pages.follow(synced.unwrap_or(0))?;
        pages.survey()?;
        Ok(Some(pages))
    }

    /// Brings the table up to the end of the log, or to the damage behind which nothing is certain.
    fn follow(&mut self, synced: u64) -> io::Result<()> {
        let up_to = self.table.up_to;
        let Found { damages, told, mut end } = self.log.find(up_to, synced)?;
        let is_clear = |damage: &Damage| {
            let is_before = damage.nth + damage.len as u64 <= up_to; // the table knows what it was
            let is_known = match damage.what {
                What::Message(guess) => guess.is_some() && damage.nth >= up_to,
                What::Header | What::Body { .. } => true, // the message itself is whole
            };
            is_before || is_known
        };
        // behind the last sync that was made a crash may leave anything
        if let Some(cut) = damages.iter().find(|damage| damage.nth > told || !is_clear(damage)) {
            (end, self.is_cut) = (cut.nth, cut.nth < told);
        }
        self.damages = damages.iter().filter(|damage| damage.nth < told).map(|damage| damage.at).collect();
        let table = &mut self.table;
        self.log.read(table.up_to, |nth, at, piece| {
            if nth >= end {
                return false;
            }
            let (kind, page, len) = match piece {
                Piece::Message(message) if message.kind == Kind::Manifest => {
                    let last = message.body.first_chunk().map_or(u64::MAX, |bytes| u64::from_le_bytes(*bytes));
                    return last < end; // else the batch is not whole
                }
                Piece::Message(message) => (message.kind, message.page, message.len),
                Piece::Damage(bytes) => match Message::guessed(bytes, nth / SEGMENT as u64) {
                    Some((kind, page)) => (kind, page, bytes.len()),
                    None => return true, // the table knows, or it counts no more
                },
            };
            table.note(kind, page, Place { nth, at, len });
            true
        })?;
        if self.is_cut { self.leave_out_replaced(end) } else { Ok(()) }
    }

    /// Behind the end that is taken some pages were written anew, and what they had been before may be gone with segments
    /// that were used again since. So only those stay whose last word before the end is known.
    fn leave_out_replaced(&mut self, end: u64) -> io::Result<()> {
        let size = SEGMENT as u64;
        let (mut expected, mut known_from) = (self.table.up_to / size * size, 0);
        for &start in self.log.segments.range(expected..end).map(|(start, _)| start) {
            if start != expected {
                known_from = start;
            }
            expected = start + size;
        }
        let mut replaced = BTreeSet::new();
        self.log.read(end, |nth, _, piece| {
            if let Piece::Message(message) = piece
                && nth >= end
                && matches!(message.kind, Kind::Node { .. } | Kind::Own | Kind::Free)
            {
                replaced.insert(message.page);
            }
            true
        })?;
        self.table.pages.retain(|page, places| places[0].nth >= known_from || !replaced.contains(page));
        Ok(())
    }

    /// Looks at every page, and lays the leaves side by side.
    fn survey(&mut self) -> io::Result<()> {
        let (mut leaves, mut rests, mut pointed) = (Vec::new(), Vec::new(), BTreeSet::new());
        let mut damages = BTreeSet::new();
        for (&page, places) in &self.table.pages {
            match self.content(page, places, &mut damages)? {
                Content::Leaf { node, .. } => {
                    pointed.insert(node.next);
                    leaves.push(Leaf { lo: node.lo, hi: node.hi, page, is_merging: node.is_merging });
                }
                Content::Rest(records) => rests.push((page, records)),
                Content::Index(pages) => pointed.extend(pages),
                Content::Other => {}
            }
        }
        self.damages.extend(damages);
        // a page that nobody points to was never finished
        leaves.retain(|leaf| leaf.lo.is_empty() || pointed.contains(&leaf.page));
        let rests = rests.into_iter().filter(|(page, _)| pointed.contains(page));
        let mut rest: Records = rests.flat_map(|(_, records)| records).collect();
        leaves.sort_by(|a, b| a.lo.cmp(&b.lo));
        let (mut from, mut is_open) = (Vec::new(), true);
        for leaf in leaves {
            if !is_open || leaf.lo < from {
                continue; // its left neighbour has it
            }
            if leaf.lo > from {
                if leaf.is_merging {
                    continue; // whether its left neighbour has it already nobody knows
                }
                self.tiles.push(hole(&mut rest, &leaf.lo));
            } else if leaf.is_merging && matches!(self.tiles.last(), Some(Tile::Hole { .. }) | None) {
                continue;
            }
            is_open = !leaf.hi.is_empty();
            rest = if is_open { rest.split_off(&leaf.hi) } else { Records::new() };
            from.clone_from(&leaf.hi);
            self.tiles.push(Tile::Leaf { hi: leaf.hi, page: leaf.page });
        }
        if is_open && !self.table.pages.is_empty() {
            self.tiles.push(hole(&mut rest, &[]));
        }
        Ok(())
    }

    /// Whether there is nothing at all, not even what is lost.
    pub(in super::super) fn is_empty(&self) -> bool {
        self.table.pages.is_empty()
    }

    /// Whether all is there, as sled reads it.
    pub(in super::super) fn is_whole(&self) -> bool {
        let is_leaf = |tile: &Tile| matches!(tile, Tile::Leaf { .. });
        self.damages.is_empty() && !self.is_cut && self.tiles.iter().all(is_leaf)
    }

    /// What is there, from the first stretch on that has keys from `from` on.
    pub(in super::super) fn items(&self, from: &[u8]) -> impl Iterator<Item = io::Result<Item>> + '_ {
        let is_before = |tile: &Tile| {
            let (Tile::Leaf { hi, .. } | Tile::Hole { hi, .. }) = tile;
            !hi.is_empty() && **hi <= *from
        };
        let first = self.tiles.partition_point(is_before);
        self.tiles[first..].iter().flat_map(|tile| match self.of_tile(tile) {
            Ok(items) => items.into_iter().map(Ok).collect(),
            Err(error) => vec![Err(error)],
        })
    }

    fn of_tile(&self, tile: &Tile) -> io::Result<Vec<Item>> {
        let (records, is_hurt) = match tile {
            Tile::Hole { records, .. } => (records.clone(), true),
            Tile::Leaf { page, .. } => {
                match self.content(*page, &self.table.pages[page], &mut BTreeSet::new())? {
                    Content::Leaf { node: Node { data: Data::Leaf(entries), .. }, is_hurt } => {
                        (entries.into_iter().collect(), is_hurt)
                    }
                    _ => (Records::new(), true), // it was read a moment ago
                }
            }
        };
        let gap = is_hurt.then(|| Item::Gap("a checksum of the log does not match".to_owned()));
        Ok(gap.into_iter().chain(records.into_iter().map(Item::Entry)).collect())
    }

    /// What a page is, by its messages.
    fn content(&self, page: u64, places: &[Place], damages: &mut BTreeSet<u64>) -> io::Result<Content> {
        let Some((first, changes)) = places.split_first() else { return Ok(Content::Other) };
        let (body, is_right) = self.body(page, first, damages)?;
        let Some(body) = body else { return Ok(Content::Other) }; // or nothing of it can be read
        let Some(mut node) = Node::read(&body) else { return Ok(Content::Other) };
        let entries = match std::mem::take(&mut node.data) {
            Data::Index(pages) => return Ok(if is_right { Content::Index(pages) } else { Content::Other }),
            Data::Leaf(entries) => entries,
        };
        let is_sound = |(key, value): &(Vec<u8>, Vec<u8>)| is_right || verify(key, value).is_ok();
        let mut records: Records = entries.into_iter().filter(is_sound).collect();
        let mut is_hurt = false;
        for place in changes {
            let (body, is_whole) = self.body(page, place, damages)?;
            let link = body.as_deref().and_then(Link::read);
            match link {
                Some(Link::Set(suffix, value)) => {
                    let key = node.key(suffix);
                    if (is_right && is_whole) || verify(&key, value).is_ok() {
                        records.insert(key, value.to_vec());
                        continue;
                    }
                }
                Some(Link::Remove(suffix)) if is_whole => drop(records.remove(&node.key(suffix))),
                Some(Link::Merge) if is_whole => node.is_merging = true,
                Some(Link::Other) if is_whole => {}
                _ => {}
            }
            if !is_whole {
                // it may have been about any of them
                records.clear();
                is_hurt = true;
            }
        }
        if !is_right {
            return Ok(Content::Rest(if node.is_merging { Records::new() } else { records }));
        }
        node.data = Data::Leaf(records.into_iter().collect());
        Ok(Content::Leaf { node, is_hurt })
    }

    /// The body of a message as far as there is one, and whether it is whole.
    fn body(&self, page: u64, place: &Place, damages: &mut BTreeSet<u64>) -> io::Result<(Option<Vec<u8>>, bool)> {
        let mut bytes = vec![0; place.len.min(SEGMENT)];
        let n = read_to_end(&self.log.file, &mut bytes, place.at)?;
        bytes.truncate(n);
        let whole = Message::read(&bytes, place.nth / SEGMENT as u64).filter(|message| message.page == page);
        let body = match whole {
            Some(message) if message.kind == Kind::Own => return Ok((None, true)),
            Some(message) if message.is_apart() => match self.log.body_apart(message.body) {
                Apart::Whole(body) => Some(body),
                Apart::Damaged | Apart::Gone => None,
            },
            Some(message) => Some(message.body.to_vec()),
            None => None,
        };
        if body.is_none() {
            damages.insert(place.at);
            return Ok((Message::hurt(&bytes).map(<[u8]>::to_vec), false));
        }
        Ok((body, true))
    }
}

/// The stretch up to `hi` in which no leaf is known, with what is known of it; empty: to the end.
fn hole(rest: &mut Records, hi: &[u8]) -> Tile {
    let behind = if hi.is_empty() { Records::new() } else { rest.split_off(hi) };
    Tile::Hole { hi: hi.to_vec(), records: std::mem::replace(rest, behind) }
}
