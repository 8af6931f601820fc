//! Seeded chance, the same everywhere, and what it does to bytes.

#![allow(dead_code, reason = "each test binary uses its part")]

/// A seeded generator (splitmix64).
#[derive(Debug, Clone)]
pub(crate) struct Random(u64);

impl Random {
    /// That of one of several streams of a seed.
    pub(crate) fn of(seed: u64, stream: u64) -> Self {
        let mut random = Self(seed ^ stream.wrapping_mul(0xD134_2543_DE82_EF95));
        random.next();
        random
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// A number below `n`, which is not 0.
    pub(crate) fn below(&mut self, n: usize) -> usize {
        (self.next() % n as u64) as usize
    }

    /// True once in `n` times.
    pub(crate) fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }

    pub(crate) fn choose<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.below(of.len())]
    }

    /// A stretch of `len` bytes: where it begins and ends. Mostly a short one.
    fn stretch(&mut self, len: usize) -> std::ops::Range<usize> {
        let begin = self.below(len + 1);
        let most = if self.one_in(4) { len - begin } else { (len - begin).min(16) };
        begin..begin + self.below(most + 1)
    }
}

/// Bytes that parsers look at twice.
const TELLING: [&[u8]; 24] = [
    b"\0",
    b"\r",
    b"\n",
    b"\r\n",
    b"\r\n\r\n",
    b"\"",
    b"'",
    b"\\",
    b"%",
    b"&",
    b"=",
    b",",
    b":",
    b"--",
    b"<",
    b">",
    b"{",
    b"[",
    b"\xff",
    b"\xc3",
    b"\xef\xbb\xbf",
    b"\xed\xa0\x80",
    b"9999999999999999999999",
    b"-1",
];

/// Changes bytes a little: bits flipped, stretches cut out, repeated, put in from `other`, the end cut off.
pub(crate) fn mangle(bytes: &mut Vec<u8>, other: &[u8], random: &mut Random) {
    for _ in 0..=random.below(3) {
        let at = random.below(bytes.len() + 1);
        match random.below(8) {
            0 | 1 if !bytes.is_empty() => {
                let at = random.below(bytes.len());
                bytes[at] ^= 1 << random.below(8);
            }
            2 if !bytes.is_empty() => {
                let at = random.below(bytes.len());
                bytes[at] = random.next() as u8;
            }
            3 => drop(bytes.drain(random.stretch(bytes.len()))),
            4 => {
                let again = bytes[random.stretch(bytes.len())].to_vec();
                let times = if random.one_in(8) { 40 } else { 1 };
                bytes.splice(at..at, again.repeat(times));
            }
            5 => drop(bytes.splice(at..at, other[random.stretch(other.len())].iter().copied())),
            6 => bytes.truncate(at),
            _ => drop(bytes.splice(at..at, random.choose(&TELLING).iter().copied())),
        }
    }
}
