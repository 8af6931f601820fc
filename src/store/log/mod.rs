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
//! of its tree hides everything below. Behind a body in a file of its own that is not whole it reads nothing at all, and takes
//! a segment without a header for a free one. All of that is seen here: before sled opens ([`Log::first_damage`]), and when what is
//! left is to be read ([`pages`]).
//!
//! **Promises.** Nothing is written, and no bytes make it panic.

mod pages;
mod table;
mod wire;

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use super::{decode, keys};
pub(super) use pages::{Item, Pages};
use table::{Place, Table};
pub(super) use wire::SEGMENT;
use wire::{Kind, LONGEST_HEADER, Link, Message, SEGMENT_HEADER, segment_start, stable_then};

/// The files of a store.
#[derive(Debug)]
pub(super) struct Log {
    folder: PathBuf,
    file: File,
    /// Where each segment is in the file, by the place of its beginning in the order of the log.
    segments: BTreeMap<u64, u64>,
    /// The beginnings of those whose headers are damaged, which sled takes for free.
    headless: BTreeSet<u64>,
    /// From the segment that begins here on, sled takes whatever is not whole for the end of the log.
    tail: u64,
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
    what: What,
}

/// What is not whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum What {
    /// A message, of this kind and page if that can be known.
    Message(Option<(Kind, u64)>),
    /// The header of a segment.
    Header,
    /// The file that has a message's body, of this page; or it is gone.
    Body { page: u64, is_gone: bool },
}

/// The file of a message's body.
#[derive(Debug, PartialEq, Eq)]
enum Apart {
    Whole(Vec<u8>),
    Damaged,
    Gone,
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
        let (mut segments, mut guessed, mut stable) = (BTreeMap::new(), BTreeMap::new(), 0);
        for at in (0..file.metadata()?.len()).step_by(SEGMENT) {
            let mut header = [0; SEGMENT_HEADER];
            if read_to_end(&file, &mut header, at)? < SEGMENT_HEADER {
                break;
            }
            if let Some(start) = segment_start(&header) {
                stable = stable.max(stable_then(&header));
                segments.insert(start, at);
            } else if let Some(start) = start_by_messages(&file, at)? {
                guessed.insert(start, at);
            }
        }
        guessed.retain(|start, _| !segments.contains_key(start));
        let headless = guessed.keys().copied().collect();
        segments.append(&mut guessed);
        let tail = stable / SEGMENT as u64 * SEGMENT as u64;
        Ok(Some(Self { folder: folder.to_owned(), file, segments, headless, tail }))
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
            let (len, what) = match piece {
                Piece::Message(message) => {
                    found.end = nth + message.len as u64;
                    if is_before_sync(&message, synced) {
                        found.told = nth;
                    }
                    let is_gone = match message.is_apart().then(|| self.body_apart(message.body)) {
                        Some(Apart::Damaged) => false,
                        Some(Apart::Gone) => true,
                        Some(Apart::Whole(_)) | None => return true,
                    };
                    (message.len, What::Body { page: message.page, is_gone })
                }
                Piece::Damage(bytes) => (bytes.len(), What::Message(Message::guessed(bytes, nth / SEGMENT as u64))),
            };
            found.damages.push(Damage { nth, at, len, what });
            true
        })?;
        let first = from / SEGMENT as u64 * SEGMENT as u64;
        let header = |&nth: &u64| Damage { nth, at: self.segments[&nth], len: SEGMENT_HEADER, what: What::Header };
        found.damages.extend(self.headless.range(first..).map(header));
        found.damages.sort_by_key(|damage| damage.nth);
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
            let is_of = |page: u64, nth: u64| {
                table.pages.get(&page).is_some_and(|places| places.iter().any(|place| place.nth == nth))
            };
            let is_there = |nth: u64| nth >= self.tail || used.contains(&segment(nth));
            let counts = |damage: &Damage| match damage.what {
                What::Message(Some((_, page))) => is_there(damage.nth) || table.may_count(page, damage.nth),
                What::Message(None) | What::Header => is_there(damage.nth),
                // sled reads no further than a file that is not whole; that of what counts no more may be gone
                What::Body { page, is_gone } => !is_gone || is_of(page, damage.nth),
            };
            found.damages.retain(|damage| damage.nth > told || counts(damage));
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

    /// The body of a message that is in a file of its own.
    fn body_apart(&self, body: &[u8]) -> Apart {
        let Some(name) = body.first_chunk() else { return Apart::Damaged };
        let name = i64::from_le_bytes(*name).to_string();
        let bytes = match fs::read(self.folder.join("blobs").join(name)) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Apart::Gone,
            Err(_) => return Apart::Damaged, // a place that cannot be read
            Ok(bytes) => bytes,
        };
        match bytes.split_first_chunk() {
            Some((sum, [_, content @ ..])) if crc32fast::hash(&bytes[4..]) == u32::from_le_bytes(*sum) => {
                Apart::Whole(content.to_vec())
            }
            _ => Apart::Damaged,
        }
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

/// Reads what there is, up to the length of `bytes`; zeros for places that the disk cannot read, which are damage then.
fn read_to_end(file: &impl FileExt, bytes: &mut [u8], at: u64) -> io::Result<usize> {
    let (mut n, mut most) = (0, bytes.len());
    while n < bytes.len() {
        let end = bytes.len().min(n + most);
        match file.read_at(&mut bytes[n..end], at + n as u64) {
            Ok(0) => break,
            Ok(more) => n += more,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) if error.raw_os_error() != Some(rustix::io::Errno::IO.raw_os_error()) => return Err(error),
            // block by block, to lose no more than those that cannot be read
            Err(_) if most > BLOCK => most = BLOCK,
            Err(_) => {
                bytes[n..end].fill(0);
                n = end;
            }
        }
    }
    Ok(n)
}

/// Bytes that a disk reads together or not at all.
const BLOCK: usize = 4 << 10;

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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

    use super::*;

    /// A file of the number 7 of which some bytes cannot be read.
    struct Worn(std::ops::Range<u64>, u64);

    impl FileExt for Worn {
        fn read_at(&self, bytes: &mut [u8], at: u64) -> io::Result<usize> {
            let end = self.1.min(at + bytes.len() as u64);
            if at < self.0.end && end > self.0.start {
                return Err(rustix::io::Errno::IO.into());
            }
            let n = end.saturating_sub(at) as usize;
            bytes[..n].fill(7);
            Ok(n)
        }

        fn write_at(&self, _: &[u8], _: u64) -> io::Result<usize> {
            Err(ErrorKind::Unsupported.into())
        }
    }

    #[test]
    fn of_a_place_that_cannot_be_read_no_more_is_lost_than_its_block() {
        let size = SEGMENT as u64 + 5_000;
        let mut bytes = vec![1; SEGMENT];
        assert_eq!(read_to_end(&Worn(20_000..20_001, size), &mut bytes, 0).unwrap(), SEGMENT);
        let lost = bytes.iter().position(|&byte| byte == 0).unwrap();
        assert_eq!(lost, 16_384);
        assert!(bytes[lost..lost + BLOCK].iter().all(|&byte| byte == 0));
        assert!(bytes[..lost].iter().chain(&bytes[lost + BLOCK..]).all(|&byte| byte == 7));
        assert_eq!(read_to_end(&Worn(0..0, size), &mut bytes, SEGMENT as u64).unwrap(), 5_000);
    }
}
