//! Content codings: bodies that come gzipped, answers that go gzipped (contract R41).
//!
//! **Promises.** A body is unpacked piece by piece, and what comes out counts against `MaxRequestSize` as what goes in
//! does: a bomb costs one piece of memory and is refused at the limit. Damaged gzip is error 13, never a shorter body.
//!
//! **Why only gzip.** It is what the clients of the contract name; `*` in Accept-Encoding names nothing.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf as _, Bytes};
use flate2::{Decompress, FlushDecompress, Status};
use futures_util::Stream;
use futures_util::StreamExt as _;
use hyper::header::{ACCEPT_ENCODING, CONTENT_ENCODING, HeaderMap, HeaderName};

use super::body::{BodyError, too_large};
use crate::aci::{Fault, Media};

/// How a body or an answer is packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Coding {
    /// As it is.
    Plain,
    /// By gzip, which is `x-gzip` too.
    Gzip,
}

impl Coding {
    /// How a request's body is packed, by Content-Encoding; error 13 for anything but one gzip.
    pub(crate) fn of_body(headers: &HeaderMap) -> Result<Self, Fault> {
        let named: Vec<String> = elements(headers, &CONTENT_ENCODING).filter(|name| name != "identity").collect();
        match named.as_slice() {
            [] => Ok(Self::Plain),
            [one] if is_gzip(one) => Ok(Self::Gzip),
            several => Err(Fault::not_understood("a body of Content-Encoding", &several.join(", "))),
        }
    }

    /// How an answer may be packed, by Accept-Encoding: by gzip if it is named, and nowhere with `q=0`.
    pub(crate) fn accepted(headers: &HeaderMap) -> Self {
        let mut named = elements(headers, &ACCEPT_ENCODING)
            .filter_map(|element| {
                let (name, parameters) = element.split_once(';').unwrap_or((&element, ""));
                is_gzip(name.trim_end()).then(|| is_wanted(parameters))
            })
            .peekable();
        let is_named = named.peek().is_some();
        if is_named && named.all(|is_wanted| is_wanted) { Self::Gzip } else { Self::Plain }
    }
}

fn is_gzip(name: &str) -> bool {
    matches!(name, "gzip" | "x-gzip")
}

/// The elements of a list header, in lower case.
fn elements<'h>(headers: &'h HeaderMap, name: &HeaderName) -> impl Iterator<Item = String> + use<'h> {
    headers.get_all(name).iter().flat_map(|value| {
        let text = String::from_utf8_lossy(value.as_bytes()).to_ascii_lowercase();
        let list: Vec<String> = text.split(',').map(|element| element.trim().to_owned()).collect();
        list.into_iter().filter(|element| !element.is_empty())
    })
}

/// Whether a weight is above nothing; there is none if it is not said, and one that cannot be read is nothing.
fn is_wanted(parameters: &str) -> bool {
    let weight = parameters.split(';').find_map(|parameter| parameter.trim().strip_prefix("q="));
    weight.is_none_or(|weight| weight.trim().parse::<f32>().is_ok_and(|weight| weight > 0.0 && weight <= 1.0))
}

/// Whether an answer of this kind gets smaller by packing. Pictures are packed already.
pub(crate) fn gets_smaller(media: &Media) -> bool {
    match media {
        Media::Xml | Media::Json => true,
        Media::Other(name) => {
            let name = name.to_ascii_lowercase();
            name.starts_with("text/") || ["json", "xml", "javascript", "csv"].iter().any(|word| name.contains(word))
        }
    }
}

/// The most that is unpacked at once.
const PIECE: usize = 64 << 10;

/// So many pieces are unpacked in a row before other work of the thread gets its turn.
const IN_A_ROW: u32 = 8;

/// What a gzipped body holds.
pub(crate) struct Unpacked<'s, S> {
    source: &'s mut S,
    inflate: Decompress,
    /// Received and not unpacked yet.
    packed: Bytes,
    /// A member of the file has begun and not ended.
    is_inside: bool,
    /// More may come out without anything going in.
    is_full: bool,
    scratch: Vec<u8>,
    given: u64,
    limit: u64,
    in_a_row: u32,
}

impl<'s, S> Unpacked<'s, S> {
    /// Unpacks `source` to at most `limit` bytes.
    pub(crate) fn new(source: &'s mut S, limit: u64) -> Self {
        Self {
            source,
            inflate: Decompress::new_gzip(15),
            packed: Bytes::new(),
            is_inside: false,
            is_full: false,
            scratch: vec![0; PIECE],
            given: 0,
            limit,
            in_a_row: 0,
        }
    }

    /// Unpacks some of what was received; how many bytes came out.
    fn step(&mut self) -> Result<usize, BodyError> {
        let before = (self.inflate.total_in(), self.inflate.total_out());
        let status = self
            .inflate
            .decompress(&self.packed, &mut self.scratch, FlushDecompress::None)
            .map_err(|_| damaged("it is damaged"))?;
        let taken = (self.inflate.total_in() - before.0) as usize;
        let made = (self.inflate.total_out() - before.1) as usize;
        self.packed.advance(taken);
        self.is_full = made == self.scratch.len();
        self.is_inside |= taken > 0;
        match status {
            Status::StreamEnd => {
                self.inflate.reset(true); // another member may follow
                (self.is_inside, self.is_full) = (false, false);
            }
            _ if taken == 0 && made == 0 && !self.packed.is_empty() => return Err(damaged("it is damaged")),
            Status::Ok | Status::BufError => {}
        }
        self.given += made as u64;
        if self.given > self.limit {
            return Err(too_large("the unpacked body of the request has too many bytes", self.limit).into());
        }
        Ok(made)
    }
}

fn damaged(reason: &str) -> BodyError {
    Fault::undecodable(format!("the gzipped body cannot be unpacked: {reason}")).into()
}

impl<S: Stream<Item = Result<Bytes, BodyError>> + Unpin> Stream for Unpacked<'_, S> {
    type Item = Result<Bytes, BodyError>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        loop {
            if this.packed.is_empty() && !this.is_full {
                this.in_a_row = 0;
                match ready!(this.source.poll_next_unpin(cx)) {
                    Some(Ok(piece)) => this.packed = piece,
                    Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                    None if this.is_inside => return Poll::Ready(Some(Err(damaged("its end is missing")))),
                    None => return Poll::Ready(None),
                }
            }
            if this.in_a_row == IN_A_ROW {
                this.in_a_row = 0;
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            this.in_a_row += 1;
            match this.step() {
                Ok(0) => {}
                Ok(made) => return Poll::Ready(Some(Ok(Bytes::copy_from_slice(&this.scratch[..made])))),
                Err(error) => return Poll::Ready(Some(Err(error))),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use flate2::Compression;
    use flate2::write::GzEncoder;
    use futures_util::stream;
    use hyper::header::HeaderValue;
    use proptest::prelude::*;

    use super::*;

    fn packed(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    /// What comes out of `bytes` in pieces of `size`, or the description of the fault.
    fn unpacked(bytes: &[u8], size: usize, limit: u64) -> Result<Vec<u8>, String> {
        let pieces: Vec<_> = bytes.chunks(size).map(|piece| Ok(Bytes::copy_from_slice(piece))).collect();
        let mut source = stream::iter(pieces);
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let mut stream = Unpacked::new(&mut source, limit);
            let mut all = Vec::new();
            while let Some(piece) = stream.next().await {
                let piece = piece.map_err(|error| error.to_string())?;
                assert!(piece.len() <= PIECE);
                all.extend_from_slice(&piece);
            }
            Ok(all)
        })
    }

    fn headers(name: &HeaderName, values: &[&str]) -> HeaderMap {
        values.iter().map(|value| (name.clone(), HeaderValue::from_str(value).unwrap())).collect()
    }

    #[test]
    fn r41_gzip_is_used_only_where_it_is_named_and_wanted() {
        for (values, expected) in [
            (&["gzip, x-gzip, deflate"][..], Coding::Gzip), // the Java client
            (&["deflate", "GZip;q=0.5"], Coding::Gzip),
            (&["x-gzip"], Coding::Gzip),
            (&["gzip ; q=1.000"], Coding::Gzip),
            (&[], Coding::Plain),
            (&["*"], Coding::Plain),
            (&["deflate, br, identity"], Coding::Plain),
            (&["gzip;q=0"], Coding::Plain),
            (&["gzip;q=0.000, x-gzip"], Coding::Plain),
            (&["gzip;q=lots"], Coding::Plain),
            (&["gzipped"], Coding::Plain),
            (&["", ", ,"], Coding::Plain),
        ] {
            assert_eq!(Coding::accepted(&headers(&ACCEPT_ENCODING, values)), expected, "{values:?}");
        }
    }

    #[test]
    fn a_body_is_plain_or_gzipped_once() {
        for (values, expected) in [
            (&[][..], Ok(Coding::Plain)),
            (&["identity"], Ok(Coding::Plain)),
            (&["GZIP"], Ok(Coding::Gzip)),
            (&["x-gzip", "identity"], Ok(Coding::Gzip)),
            (&["br"], Err("a body of Content-Encoding 'br' is not understood")),
            (&["gzip, gzip"], Err("a body of Content-Encoding 'gzip, gzip' is not understood")),
            (&["gzip", "deflate"], Err("a body of Content-Encoding 'gzip, deflate' is not understood")),
        ] {
            let found = Coding::of_body(&headers(&CONTENT_ENCODING, values));
            assert_eq!(found.map_err(|fault| fault.description), expected.map_err(str::to_owned), "{values:?}");
        }
    }

    #[test]
    fn r156_what_is_unpacked_counts_and_a_bomb_is_refused_at_the_limit() {
        let bomb = packed(&vec![0; 20 << 20]);
        assert!(bomb.len() < 30_000);
        let expected = "the unpacked body of the request has too many bytes, more than the limit of 1000000 (setting MaxRequestSize)";
        assert_eq!(unpacked(&bomb, 4096, 1_000_000), Err(expected.to_owned()));
        assert_eq!(unpacked(&bomb, 4096, 20 << 20).unwrap().len(), 20 << 20);
    }

    #[test]
    fn members_behind_each_other_are_one_body_and_anything_else_is_not() {
        let two = [packed(b"one"), packed(b""), packed(b" two")].concat();
        assert_eq!(unpacked(&two, 3, 100).unwrap(), b"one two");
        assert_eq!(unpacked(b"", 1, 100).unwrap(), b"");
        for broken in [&b"plain text"[..], b"\x1f", &[packed(b"x"), b"rest".to_vec()].concat(), &packed(b"abc")[..20]] {
            assert!(
                unpacked(broken, 5, 100).unwrap_err().starts_with("the gzipped body cannot be unpacked"),
                "{broken:?}"
            );
        }
        let mut flipped = packed(b"abcabcabcabc");
        let at = flipped.len() - 6; // in the checksum
        flipped[at] ^= 1;
        assert!(unpacked(&flipped, 100, 100).is_err());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn what_was_packed_comes_out_whatever_the_pieces(
            bytes in prop::collection::vec(any::<u8>(), 0..2000),
            repeat in 1usize..100,
            size in 1usize..3000,
        ) {
            let bytes = bytes.repeat(repeat);
            prop_assert_eq!(unpacked(&packed(&bytes), size, u64::MAX).unwrap(), bytes);
        }

        #[test]
        fn no_bytes_make_it_panic_or_wait_for_ever(bytes in prop::collection::vec(any::<u8>(), 0..300), at in 0usize..300) {
            let mut some = packed(&bytes);
            let at = at % some.len();
            some[at] ^= 0x10;
            let _ = unpacked(&some, 7, 100_000);
            let _ = unpacked(&bytes, 7, 100_000);
        }
    }
}
