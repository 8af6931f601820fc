//! Bytes of sled's files, read without believing them: whatever they are, there is no panic.

/// Bytes of a segment.
pub(crate) const SEGMENT: usize = 512 << 10;

/// Bytes of the header of a segment.
pub(super) const SEGMENT_HEADER: usize = 20;

/// No message begins nearer to the end of its segment, and no header of one is longer.
pub(super) const LONGEST_HEADER: usize = 32;

/// What a message is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Nothing.
    Canceled,
    /// The segment ends here.
    Cap,
    /// Those up to a place count together or not at all.
    Manifest,
    /// A page is no more.
    Free,
    /// A page of sled's own.
    Own,
    /// A page as it is from here on; in the log or in a file of its own.
    Node { is_apart: bool },
    /// A change of a page; in the log or in a file of its own.
    Link { is_apart: bool },
}

impl Kind {
    fn of(byte: u8) -> Option<Self> {
        Some(match byte {
            1 => Self::Canceled,
            2 => Self::Cap,
            3 => Self::Manifest,
            4 => Self::Free,
            5..=7 => Self::Own,
            8 => Self::Node { is_apart: false },
            9 => Self::Node { is_apart: true },
            10 => Self::Link { is_apart: false },
            11 => Self::Link { is_apart: true },
            _ => return None,
        })
    }
}

/// A message of the log that is whole.
#[derive(Debug, Clone, Copy)]
pub(super) struct Message<'a> {
    pub(super) kind: Kind,
    pub(super) page: u64,
    pub(super) body: &'a [u8],
    /// Bytes of all of it.
    pub(super) len: usize,
    /// The number of its segment.
    pub(super) segment: u64,
}

impl<'a> Message<'a> {
    /// Whether its body is in a file of its own.
    pub(super) fn is_apart(&self) -> bool {
        matches!(self.kind, Kind::Node { is_apart: true } | Kind::Link { is_apart: true })
    }

    /// The message that `bytes`, which go to the end of the segment, begin with: by what it says of itself, and its sum.
    fn framed(bytes: &'a [u8]) -> Option<(Self, [u8; 4], u32)> {
        let mut rest = bytes;
        let sum = *take::<4>(&mut rest)?;
        let kind = Kind::of(take::<1>(&mut rest)?[0])?;
        let len = usize::try_from(varint(&mut rest)?).ok()?;
        let segment = varint(&mut rest)?;
        let page = varint(&mut rest)?;
        let header = &bytes[..bytes.len() - rest.len()];
        let body = rest.get(..len)?;
        let mut hasher = crc32fast::Hasher::new();
        hasher.update(body);
        hasher.update(&header[4..]);
        Some((Self { kind, page, body, len: header.len() + len, segment }, sum, hasher.finalize() ^ u32::MAX))
    }

    /// The message that `bytes` begin with, if it is whole.
    pub(super) fn whole(bytes: &'a [u8]) -> Option<Self> {
        Kind::of(*bytes.get(4)?)?;
        let (message, sum, expected) = Self::framed(bytes)?;
        (u32::from_le_bytes(sum) == expected).then_some(message)
    }

    /// The same, of this segment. Cheap where there is none.
    pub(super) fn read(bytes: &'a [u8], segment: u64) -> Option<Self> {
        let mut rest = bytes.get(5..)?;
        Kind::of(bytes[4])?;
        varint(&mut rest)?;
        if varint(&mut rest)? != segment {
            return None;
        }
        Self::whole(bytes)
    }

    /// The body of a message that may be damaged, if it is in the log.
    pub(super) fn hurt(bytes: &'a [u8]) -> Option<&'a [u8]> {
        let (message, ..) = Self::framed(bytes)?;
        let is_inside = matches!(message.kind, Kind::Node { is_apart: false } | Kind::Link { is_apart: false });
        (is_inside && message.len == bytes.len()).then_some(message.body)
    }

    /// What a damaged message was, but for its body: known only if one flipped bit, and just one, explains its sum. The
    /// body stays as it is: of more bits than one this could be the wrong one.
    pub(super) fn guessed(bytes: &'a [u8], segment: u64) -> Option<(Kind, u64)> {
        let fits = |len: usize| len == bytes.len() || (len < bytes.len() && bytes.len() - len < LONGEST_HEADER);
        let mut copy = bytes.to_vec();
        for bit in 0..8 * LONGEST_HEADER.min(bytes.len()) {
            copy[bit / 8] ^= 1 << (bit % 8);
            if let Some(message) = Message::read(&copy, segment).filter(|message| fits(message.len)) {
                return Some((message.kind, message.page));
            }
            copy[bit / 8] ^= 1 << (bit % 8);
        }
        let (message, sum, expected) = Self::framed(bytes)?;
        if message.segment != segment || !fits(message.len) {
            return None;
        }
        // the difference that a flipped bit makes, from the last one backwards: behind the body is the header without its sum
        let (mut difference, found) = (1_u32, u32::from_le_bytes(sum) ^ expected);
        for at in 0..8 * (message.len - 4) {
            difference = if difference & 1 == 1 { (difference >> 1) ^ 0xEDB8_8320 } else { difference >> 1 };
            if difference == found {
                let is_in_body = at / 8 >= message.len - 4 - message.body.len();
                return is_in_body.then_some((message.kind, message.page));
            }
        }
        None
    }
}

/// A leaf of sled's tree, or what is above leaves.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Node {
    pub(super) lo: Vec<u8>,
    /// Empty: there is no end.
    pub(super) hi: Vec<u8>,
    /// The page to the right, 0 if there is none.
    pub(super) next: u64,
    n_prefix: usize,
    /// What was in it goes to its left neighbour, or has gone.
    pub(super) is_merging: bool,
    pub(super) data: Data,
}

/// What is in a node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Data {
    /// Keys, whole, with their values.
    Leaf(Vec<(Vec<u8>, Vec<u8>)>),
    /// Pages.
    Index(Vec<u64>),
}

impl Default for Data {
    fn default() -> Self {
        Self::Leaf(Vec::new())
    }
}

impl Node {
    pub(super) fn read(mut bytes: &[u8]) -> Option<Self> {
        let rest = &mut bytes;
        let next = varint(rest)?;
        let _merging_child = varint(rest)?;
        let [merging, n_prefix] = *take::<2>(rest)?;
        let (n_prefix, lo, hi) = (usize::from(n_prefix), text(rest)?.to_vec(), text(rest)?.to_vec());
        let prefix = lo.get(..n_prefix)?.to_vec();
        let [kind] = *take::<1>(rest)?;
        let n = usize::try_from(varint(rest)?).ok().filter(|&n| n <= rest.len())?;
        let keys: Vec<Vec<u8>> = (0..n).map(|_| Some([&prefix, text(rest)?].concat())).collect::<Option<_>>()?;
        let data = match kind {
            0 => {
                let entries = keys.into_iter().map(|key| Some((key, text(rest)?.to_vec())));
                Data::Leaf(entries.collect::<Option<_>>()?)
            }
            1 => Data::Index((0..n).map(|_| varint(rest)).collect::<Option<_>>()?),
            _ => return None,
        };
        rest.is_empty().then_some(Self { lo, hi, next, n_prefix, is_merging: merging != 0, data })
    }

    /// A key whole, from how it is written in a change.
    pub(super) fn key(&self, suffix: &[u8]) -> Vec<u8> {
        [&self.lo[..self.n_prefix], suffix].concat()
    }
}

/// A change of a leaf: a key as it is written there, and its value if it has one from now on.
#[derive(Debug, Clone, Copy)]
pub(super) enum Link<'a> {
    Set(&'a [u8], &'a [u8]),
    Remove(&'a [u8]),
    /// The leaf is about to go to its left neighbour.
    Merge,
    /// Another of sled's own, which changes no record.
    Other,
}

impl<'a> Link<'a> {
    pub(super) fn read(mut bytes: &'a [u8]) -> Option<Self> {
        let rest = &mut bytes;
        let link = match take::<1>(rest)? {
            [0] => Self::Set(text(rest)?, text(rest)?),
            [1] => Self::Remove(text(rest)?),
            [2] => {
                varint(rest)?;
                Self::Other
            }
            [3] => Self::Other,
            [4] => Self::Merge,
            _ => return None,
        };
        rest.is_empty().then_some(link)
    }
}

/// The place in the order of the log at which a segment begins, if its header is whole.
pub(super) fn segment_start(header: &[u8; SEGMENT_HEADER]) -> Option<u64> {
    let sum = u32::from_le_bytes(*header.first_chunk()?) ^ u32::MAX;
    let start = u64::from_le_bytes(header[4..12].try_into().ok()?) ^ (u64::MAX >> 1);
    let is_whole = sum == crc32fast::hash(&header[4..]) && start % SEGMENT as u64 == 0 && start >> 62 == 0;
    is_whole.then_some(start)
}

/// Up to where the log was on the disk when the segment of this header was begun, 0 if nothing was.
pub(super) fn stable_then(header: &[u8; SEGMENT_HEADER]) -> u64 {
    let [.., a, b, c, d, e, f, g, h] = *header;
    let stable = u64::from_le_bytes([a, b, c, d, e, f, g, h]) ^ (u64::MAX >> 1);
    if stable >> 62 == 0 { stable } else { 0 }
}

pub(super) fn take<'a, const N: usize>(rest: &mut &'a [u8]) -> Option<&'a [u8; N]> {
    let (taken, behind) = rest.split_first_chunk()?;
    *rest = behind;
    Some(taken)
}

/// A number of sled's: 1 to 9 bytes.
pub(super) fn varint(rest: &mut &[u8]) -> Option<u64> {
    let [first] = *take::<1>(rest)?;
    Some(match first {
        0..=240 => u64::from(first),
        241..=248 => 240 + 256 * (u64::from(first) - 241) + u64::from(take::<1>(rest)?[0]),
        249 => {
            let [high, low] = *take::<2>(rest)?;
            2_288 + 256 * u64::from(high) + u64::from(low)
        }
        250.. => {
            let (bytes, behind) = rest.split_at_checked(usize::from(first) - 247)?;
            *rest = behind;
            let mut number = [0; 8];
            number[..bytes.len()].copy_from_slice(bytes);
            u64::from_le_bytes(number)
        }
    })
}

/// Bytes behind their number.
fn text<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let n = usize::try_from(varint(rest)?).ok()?;
    let (text, behind) = rest.split_at_checked(n)?;
    *rest = behind;
    Some(text)
}
