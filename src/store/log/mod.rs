//! sled's files, read by a reader of our own: what is whole in them, and where they are damaged.
//!
//! ```text
//! db          segments of 512 KiB: header, messages; each has a sum, and its segment's number
//! snap.X      where the messages of each page are, up to a place in the log: X, which is written when sled opens
//! blobs/N     the body of a message that is too large for the log
//! ```
//!
//! **Why.** sled recovers its log for a crash and not for damage. Behind a damaged message it leaves out the rest of the
//! segment and goes on with the next one, so that some records are as they were long ago and nobody is told; a damaged node
//! of its tree hides everything below. Both are seen here: before sled opens ([`Log::first_damage`]), and when what is
//! left is to be read ([`pages`]).
//!
//! **Promises.** Nothing is written, and no bytes make it panic.

mod pages;
mod table;
mod wire;

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use super::{decode, keys};
pub(super) use pages::{Item, Pages};
use table::{Place, Table};
use wire::{Kind, LONGEST_HEADER, Link, Message, SEGMENT, SEGMENT_HEADER, segment_start};

/// The files of a store.
#[derive(Debug)]
pub(super) struct Log {
    folder: PathBuf,
    file: File,
    /// Where each segment is in the file, by the place of its beginning in the order of the log.
    segments: BTreeMap<u64, u64>,
}

/// What the log has, in its order.
enum Piece<'a> {
    Message(Message<'a>),
    /// Something that is not whole, up to the next message or the end of the segment.
    Damage(&'a [u8]),
}

/// A place that is not whole.
struct Damage {
    /// In the order of the log.
    nth: u64,
    /// In the file.
    at: u64,
    len: usize,
    /// What the message was and of which page, if that can be known.
    guess: Option<(Kind, u64)>,
}

/// What was found of damage.
#[derive(Default)]
struct Found {
    damages: Vec<Damage>,
    /// Up to here everything was on the disk when a sync was made.
    told: u64,
    /// Behind the last message.
    end: u64,
}

impl Log {
    /// Those in `folder`; none if there is no log.
    pub(super) fn open(folder: &Path) -> io::Result<Option<Self>> {
        let file = match File::open(folder.join("db")) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            opened => opened?,
        };
        let mut segments = BTreeMap::new();
        for at in (0..file.metadata()?.len()).step_by(SEGMENT) {
            let mut header = [0; SEGMENT_HEADER];
            if read_to_end(&file, &mut header, at)? < SEGMENT_HEADER {
                break;
            }
            let start = segment_start(&header);
            if let Some(start) = if start.is_some() { start } else { start_by_messages(&file, at)? } {
                segments.insert(start, at);
            }
        }
        Ok(Some(Self { folder: folder.to_owned(), file, segments }))
    }

    /// The place in the file of the first damage that is no end of the log: behind it something is found that was synced,
    /// for `synced` syncs were made. Looks only at what sled reads when it opens.
    pub(super) fn first_damage(&self, synced: u64) -> io::Result<Option<u64>> {
        let from = Table::newest(&self.folder)?.map_or(0, |table| table.up_to);
        let Found { damages, told, .. } = self.find(from, synced)?;
        Ok(damages.iter().find(|damage| damage.nth < told).map(|damage| damage.at))
    }

    /// Looks for damage from the segment of `from` on.
    fn find(&self, from: u64, synced: u64) -> io::Result<Found> {
        let mut found = Found::default();
        self.read(from, |nth, at, piece| {
            match piece {
                Piece::Message(message) => {
                    found.end = nth + message.len as u64;
                    if is_before_sync(&message, synced) {
                        found.told = nth;
                    }
                }
                Piece::Damage(bytes) => {
                    let guess = Message::guessed(bytes, nth / SEGMENT as u64);
                    found.damages.push(Damage { nth, at, len: bytes.len(), guess });
                }
            }
            true
        })?;
        let told = found.told;
        if found.damages.iter().any(|damage| damage.nth < told) {
            // a segment of which nothing counts any more may have been about to be used again when the power went
            let mut table = Table::newest(&self.folder)?.unwrap_or_default();
            self.read(table.up_to, |nth, at, piece| {
                if let Piece::Message(message) = piece {
                    table.note(message.kind, message.page, Place { nth, at, len: message.len });
                }
                true
            })?;
            let segment = |nth: u64| nth / SEGMENT as u64;
            let used: BTreeSet<u64> = table.pages.values().flatten().map(|place| segment(place.nth)).collect();
            let counts = |damage: &Damage| damage.guess.is_some_and(|(_, page)| table.may_count(page, damage.nth));
            found.damages.retain(|damage| damage.nth > told || used.contains(&segment(damage.nth)) || counts(damage));
        }
        Ok(found)
    }

    /// Reads the log from the segment of `from` on, in its order, as long as `visit` says so; it is given the place in that
    /// order, and in the file.
    fn read(&self, from: u64, mut visit: impl FnMut(u64, u64, Piece<'_>) -> bool) -> io::Result<()> {
        let mut segment = vec![0; SEGMENT];
        let from = from / SEGMENT as u64 * SEGMENT as u64;
        let mut left = self.segments.range(from..).count();
        for (&start, &offset) in self.segments.range(from..) {
            left -= 1;
            let n = read_to_end(&self.file, &mut segment, offset)?;
            let (bytes, number) = (&segment[..n], start / SEGMENT as u64);
            let mut at = SEGMENT_HEADER;
            loop {
                if at + LONGEST_HEADER > SEGMENT {
                    break; // sled begins no message here
                }
                let message = bytes.get(at..).and_then(|rest| Message::read(rest, number));
                let place = (start + at as u64, offset + at as u64);
                if let Some(message) = message {
                    at += message.len;
                    if !visit(place.0, place.1, Piece::Message(message)) {
                        return Ok(());
                    }
                    if message.kind == Kind::Cap {
                        break;
                    }
                    continue;
                }
                let last = n.min(SEGMENT - LONGEST_HEADER);
                let next = (at + 1..=last).find(|&next| Message::read(&bytes[next..], number).is_some());
                if next.is_none() && left == 0 {
                    return Ok(()); // the end of the log
                }
                let end = next.unwrap_or(n).max(at.min(n));
                if !visit(place.0, place.1, Piece::Damage(&bytes[at.min(n)..end])) {
                    return Ok(());
                }
                match next {
                    Some(next) => at = next,
                    None => break,
                }
            }
        }
        Ok(())
    }

    /// The body of a message that is in a file of its own, if that is whole.
    fn body_apart(&self, body: &[u8]) -> Option<Vec<u8>> {
        let name = i64::from_le_bytes(*body.first_chunk()?);
        let bytes = fs::read(self.folder.join("blobs").join(name.to_string())).ok()?;
        let (sum, content) = bytes.split_first_chunk()?;
        let is_whole = crc32fast::hash(content) == u32::from_le_bytes(*sum);
        is_whole.then(|| content.get(1..).map(<[u8]>::to_vec)).flatten()
    }
}

/// Whether the message was written before one of the `synced` syncs that were made, so that all before it was on the disk
/// then. Only the record of the sync itself says so, as it was written: in a leaf that is written anew it may be repeated at
/// any time.
fn is_before_sync(message: &Message<'_>, synced: u64) -> bool {
    if message.kind != (Kind::Link { is_apart: false }) {
        return false;
    }
    let key = keys::last_sync();
    let Some(Link::Set(suffix, value)) = Link::read(message.body) else { return false };
    suffix == key && decode::<u64>(&key, value).is_ok_and(|number| number <= synced)
}

/// Reads what there is, up to the length of `bytes`.
fn read_to_end(file: &File, bytes: &mut [u8], at: u64) -> io::Result<usize> {
    let mut n = 0;
    while n < bytes.len() {
        match file.read_at(&mut bytes[n..], at + n as u64)? {
            0 => break,
            more => n += more,
        }
    }
    Ok(n)
}

/// Where a segment with a damaged header begins, by the first whole message in it.
fn start_by_messages(file: &File, at: u64) -> io::Result<Option<u64>> {
    let mut bytes = vec![0; SEGMENT];
    let n = read_to_end(file, &mut bytes, at)?;
    if bytes[..n].iter().all(|&byte| byte == 0) {
        return Ok(None); // it is not used
    }
    let message = (SEGMENT_HEADER..n).find_map(|at| Message::whole(&bytes[at..n]));
    let start = message.and_then(|message| message.segment.checked_mul(SEGMENT as u64));
    Ok(start.filter(|start| start >> 62 == 0))
}
