//! An answer on its way: written by a thread that may block, sent by one that may not (contract R40-R42).
//!
//! **Promises.** An answer up to [`PIECE`] bytes is sent with its length, a longer one in pieces; of a long one a few
//! pieces are in memory, whatever its length, because the writer waits for the client, and lets other requests have its
//! turn meanwhile. When the client has gone, writing fails. An answer that was not finished is seen by the client to be
//! broken off. What is flushed is sent at once, packed or not (R83).

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use hyper::body::{Body, Frame, SizeHint};
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{mpsc, oneshot};

use super::coding::{Coding, gets_smaller};
use super::turns::Turn;
use super::wire::Busy;
use crate::aci::{Media, Reply};

/// The longest answer that is sent in one piece, and the size of the pieces of a longer one.
pub(crate) const PIECE: usize = 64 << 10;

/// A shorter answer is not worth packing: it fits into one packet of the network as it is.
const WORTH_PACKING: usize = 1 << 10;

/// What is packed of a long answer is sent in pieces of about this size.
const PACKED_PIECE: usize = 16 << 10;

/// Pieces waiting to be sent.
const WAITING: usize = 2;

/// How an answer begins.
pub(crate) struct Start {
    pub(crate) media: Media,
    /// How the content is packed.
    pub(crate) coding: Coding,
    pub(crate) content: Content,
}

/// What is sent.
pub(crate) enum Content {
    /// All of it.
    Whole(Bytes),
    /// Piece by piece.
    Pieces(mpsc::Receiver<Piece>),
}

/// A piece of a long answer.
pub(crate) enum Piece {
    Bytes(Bytes),
    /// The answer is complete.
    End,
}

/// Where a service writes.
pub(crate) struct Outlet {
    start: Option<oneshot::Sender<Start>>,
    pieces: Option<mpsc::Sender<Piece>>,
    media: Media,
    /// How the client takes an answer.
    accepted: Coding,
    packer: Option<GzEncoder<Vec<u8>>>,
    buffer: Vec<u8>,
    sent: u64,
    turn: Turn,
}

/// Whether what was written is sent now or with what comes behind it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum When {
    /// When it is worth a piece.
    WorthIt,
    Now,
}

impl Outlet {
    /// An outlet, and where the beginning of what is written to it appears. `turn` is that of the request.
    pub(crate) fn new(accepted: Coding, turn: Turn) -> (Self, oneshot::Receiver<Start>) {
        let (start, started) = oneshot::channel();
        let outlet = Self {
            start: Some(start),
            pieces: None,
            media: Media::Xml,
            accepted,
            packer: None,
            buffer: Vec::new(),
            sent: 0,
            turn,
        };
        (outlet, started)
    }

    /// Forgets what was written, if nothing of it was sent yet; otherwise it is too late.
    pub(crate) fn start_over(&mut self) -> bool {
        self.buffer.clear();
        self.media = Media::Xml;
        self.start.is_some()
    }

    /// Sends the rest and says that the answer is complete; how many bytes of it were sent.
    pub(crate) fn finish(mut self) -> io::Result<u64> {
        if let Some(start) = self.start.take() {
            let (coding, bytes) = self.whole()?;
            let total = bytes.len() as u64;
            let content = Content::Whole(Bytes::from(bytes));
            start.send(Start { media: self.media, coding, content }).map_err(|_| gone())?;
            return Ok(total);
        }
        let rest = std::mem::take(&mut self.buffer);
        let rest = match self.packer.take() {
            None => rest,
            Some(mut packer) => {
                io::Write::write_all(&mut packer, &rest)?;
                packer.finish()?
            }
        };
        self.send_piece(rest)?;
        self.hand_over(Piece::End)?;
        Ok(self.sent)
    }

    /// How this answer may be packed.
    fn coding(&self) -> Coding {
        if gets_smaller(&self.media) { self.accepted } else { Coding::Plain }
    }

    /// All of a short answer, packed if that is worth it.
    fn whole(&mut self) -> io::Result<(Coding, Vec<u8>)> {
        let bytes = std::mem::take(&mut self.buffer);
        if self.coding() == Coding::Plain || bytes.len() < WORTH_PACKING {
            return Ok((Coding::Plain, bytes));
        }
        let mut packer = packer();
        io::Write::write_all(&mut packer, &bytes)?;
        Ok((Coding::Gzip, packer.finish()?))
    }

    fn send(&mut self, when: When) -> io::Result<()> {
        if let Some(start) = self.start.take() {
            let (pieces, receiver) = mpsc::channel(WAITING);
            self.pieces = Some(pieces);
            let coding = self.coding();
            self.packer = (coding == Coding::Gzip).then(packer);
            let start_of_answer = Start { media: self.media.clone(), coding, content: Content::Pieces(receiver) };
            start.send(start_of_answer).map_err(|_| gone())?;
        }
        let written = std::mem::take(&mut self.buffer);
        let Some(packer) = &mut self.packer else { return self.send_piece(written) };
        io::Write::write_all(packer, &written)?;
        if when == When::Now {
            io::Write::flush(packer)?; // to a boundary from which the client can unpack everything
        } else if packer.get_ref().len() < PACKED_PIECE {
            return Ok(());
        }
        let packed = std::mem::take(packer.get_mut());
        self.send_piece(packed)
    }

    fn send_piece(&mut self, piece: Vec<u8>) -> io::Result<()> {
        if piece.is_empty() {
            return Ok(());
        }
        self.sent += piece.len() as u64;
        self.hand_over(Piece::Bytes(Bytes::from(piece)))
    }

    fn hand_over(&mut self, piece: Piece) -> io::Result<()> {
        let pieces = self.pieces.as_ref().ok_or_else(gone)?;
        match pieces.try_send(piece) {
            Ok(()) => Ok(()),
            Err(TrySendError::Closed(_)) => Err(gone()),
            Err(TrySendError::Full(piece)) => {
                self.turn.wait_for_client(|| pieces.blocking_send(piece).map_err(|_| gone()))
            }
        }
    }
}

/// The fast level: answers of a hundred megabytes go to clients on the same machine too, which name gzip without need.
fn packer() -> GzEncoder<Vec<u8>> {
    GzEncoder::new(Vec::new(), Compression::fast())
}

fn gone() -> io::Error {
    io::Error::new(io::ErrorKind::BrokenPipe, "the client has gone")
}

impl io::Write for Outlet {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.buffer.len() == PIECE {
            self.send(When::WorthIt)?;
        }
        let taken = bytes.len().min(PIECE - self.buffer.len());
        self.buffer.extend_from_slice(&bytes[..taken]);
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.buffer.is_empty() && self.packer.is_none() { Ok(()) } else { self.send(When::Now) }
    }
}

impl Reply for Outlet {
    fn declare(&mut self, media: Media) {
        self.media = media;
    }

    fn aside(&mut self, wait: &mut dyn FnMut()) {
        self.turn.wait_for_work(wait);
    }
}

/// The body of a response. While it lives its request is being answered.
pub(crate) struct AnswerBody {
    content: Content,
    _busy: Busy,
}

impl AnswerBody {
    pub(crate) fn new(content: Content, busy: Busy) -> Self {
        Self { content, _busy: busy }
    }
}

impl Body for AnswerBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        match &mut self.content {
            Content::Whole(bytes) if bytes.is_empty() => Poll::Ready(None),
            Content::Whole(bytes) => Poll::Ready(Some(Ok(Frame::data(std::mem::take(bytes))))),
            Content::Pieces(pieces) => Poll::Ready(match ready!(pieces.poll_recv(cx)) {
                Some(Piece::Bytes(bytes)) => Some(Ok(Frame::data(bytes))),
                Some(Piece::End) => None,
                None => Some(Err(io::Error::other("the answer was broken off"))),
            }),
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(&self.content, Content::Whole(bytes) if bytes.is_empty())
    }

    fn size_hint(&self) -> SizeHint {
        match &self.content {
            Content::Whole(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Content::Pieces(_) => SizeHint::default(),
        }
    }
}
