//! An answer on its way: written by a thread that may block, sent by one that may not (contract R40-R42).
//!
//! **Promises.** An answer up to [`PIECE`] bytes is sent with its length, a longer one in pieces; of a long one a few
//! pieces are in memory, whatever its length, because the writer waits for the client. When the client has gone,
//! writing fails. An answer that was not finished is seen by the client to be broken off.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use tokio::sync::{mpsc, oneshot};

use super::wire::Busy;
use crate::aci::{Media, Reply};

/// The longest answer that is sent in one piece, and the size of the pieces of a longer one.
pub(crate) const PIECE: usize = 64 << 10;

/// Pieces waiting to be sent.
const WAITING: usize = 2;

/// How an answer begins.
pub(crate) struct Start {
    pub(crate) media: Media,
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
    buffer: Vec<u8>,
    sent: u64,
}

impl Outlet {
    /// An outlet, and where the beginning of what is written to it appears.
    pub(crate) fn new() -> (Self, oneshot::Receiver<Start>) {
        let (start, started) = oneshot::channel();
        (Self { start: Some(start), pieces: None, media: Media::Xml, buffer: Vec::new(), sent: 0 }, started)
    }

    /// Forgets what was written, if nothing of it was sent yet; otherwise it is too late.
    pub(crate) fn start_over(&mut self) -> bool {
        self.buffer.clear();
        self.media = Media::Xml;
        self.start.is_some()
    }

    /// Sends the rest and says that the answer is complete.
    pub(crate) fn finish(mut self) -> io::Result<u64> {
        let total = self.sent + self.buffer.len() as u64;
        if let Some(start) = self.start.take() {
            let content = Content::Whole(Bytes::from(std::mem::take(&mut self.buffer)));
            start.send(Start { media: self.media, content }).map_err(|_| gone())?;
            return Ok(total);
        }
        if !self.buffer.is_empty() {
            self.send()?;
        }
        self.hand_over(Piece::End)?;
        Ok(total)
    }

    fn send(&mut self) -> io::Result<()> {
        if let Some(start) = self.start.take() {
            let (pieces, receiver) = mpsc::channel(WAITING);
            self.pieces = Some(pieces);
            let start_of_answer = Start { media: self.media.clone(), content: Content::Pieces(receiver) };
            start.send(start_of_answer).map_err(|_| gone())?;
        }
        let piece = std::mem::take(&mut self.buffer);
        self.sent += piece.len() as u64;
        self.hand_over(Piece::Bytes(Bytes::from(piece)))
    }

    fn hand_over(&self, piece: Piece) -> io::Result<()> {
        let pieces = self.pieces.as_ref().ok_or_else(gone)?;
        pieces.blocking_send(piece).map_err(|_| gone())
    }
}

fn gone() -> io::Error {
    io::Error::new(io::ErrorKind::BrokenPipe, "the client has gone")
}

impl io::Write for Outlet {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.buffer.len() == PIECE {
            self.send()?;
        }
        let taken = bytes.len().min(PIECE - self.buffer.len());
        self.buffer.extend_from_slice(&bytes[..taken]);
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.buffer.is_empty() { Ok(()) } else { self.send() }
    }
}

impl Reply for Outlet {
    fn declare(&mut self, media: Media) {
        self.media = media;
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
