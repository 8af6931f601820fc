//! The socket under a connection, and the pulse by which it is judged too slow.
//!
//! **Why.** hyper's own header timeout begins with the end of the request before, so it cannot tell a client that is
//! idle (R43: kept at least 60 s) from one that has begun a request and does not go on (R157: 30 s). The bytes on the
//! wire can. (One thing they cannot tell: whether the last bytes read with one request were the beginning of the
//! next. A client that stops there is idle.)

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

use super::Settings;

/// A stream of bytes, a socket or TLS over one, that keeps the pulse of its connection.
pub(crate) struct Wire<S> {
    pub(crate) stream: S,
    pub(crate) pulse: Arc<Pulse>,
}

/// What the connection is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// No request is under way since then.
    Idle(Instant),
    /// Since then the headers of a request are arriving.
    Head(Instant),
    /// A request is being answered.
    Busy,
}

#[derive(Debug)]
struct State {
    phase: Phase,
    /// Since then the client takes no bytes that we have for it.
    stalled: Option<Instant>,
    /// Whether anything was written since the phase began.
    written: bool,
}

/// How a client was too slow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Overdue {
    /// It was idle for too long.
    Idle,
    /// It did not send its headers in time.
    Head,
    /// It does not take its answer.
    Answer,
}

/// When something last happened on a connection.
#[derive(Debug)]
pub(crate) struct Pulse {
    state: Mutex<State>,
    changed: Notify,
    begun: Notify,
}

impl Pulse {
    pub(crate) fn new() -> Self {
        let state = State { phase: Phase::Idle(Instant::now()), stalled: None, written: false };
        Self { state: Mutex::new(state), changed: Notify::new(), begun: Notify::new() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn enter(&self, phase: Phase) {
        let mut state = self.state();
        state.phase = phase;
        state.written = false;
        drop(state);
        self.changed.notify_one();
    }

    /// A request is complete up to its body; it is answered until what is returned is dropped.
    pub(crate) fn busy(self: &Arc<Self>) -> Busy {
        self.enter(Phase::Busy);
        Busy(Arc::clone(self))
    }

    /// Whether headers have arrived to which nothing was said yet.
    pub(crate) fn is_unanswered(&self) -> bool {
        let state = self.state();
        matches!(state.phase, Phase::Head(_)) && !state.written && state.stalled.is_none()
    }

    fn is_in_head(&self) -> bool {
        matches!(self.state().phase, Phase::Head(_))
    }

    fn read(&self) {
        let idle = matches!(self.state().phase, Phase::Idle(_));
        if idle {
            self.enter(Phase::Head(Instant::now()));
            self.begun.notify_one(); // kept for who asks later
        }
    }

    fn wrote(&self) {
        let mut state = self.state();
        state.stalled = None;
        state.written = true;
        if let Phase::Idle(since) = &mut state.phase {
            *since = Instant::now();
        }
    }

    /// Everything written was taken.
    fn flushed(&self) {
        self.state().stalled = None;
    }

    fn stalled(&self) {
        let mut state = self.state();
        if state.stalled.is_none() {
            state.stalled = Some(Instant::now());
            drop(state);
            self.changed.notify_one();
        }
    }

    /// Ready as soon as the client has begun a request, or when it has before. For one who asks once.
    pub(crate) async fn begun(&self) {
        self.begun.notified().await;
    }

    /// When the client is too slow if nothing happens, and in what way.
    fn deadline(&self, settings: &Settings) -> Option<(Instant, Overdue)> {
        let state = self.state();
        let phase = match state.phase {
            Phase::Idle(since) => Some((since + settings.idle_timeout, Overdue::Idle)),
            Phase::Head(since) => Some((since + settings.header_timeout, Overdue::Head)),
            Phase::Busy => None,
        };
        let answer = state.stalled.map(|since| (since + settings.answer_timeout, Overdue::Answer));
        phase.into_iter().chain(answer).min_by_key(|&(deadline, _)| deadline)
    }

    /// Ready when the client has been too slow.
    pub(crate) async fn overdue(&self, settings: &Settings) -> Overdue {
        loop {
            let Some((deadline, overdue)) = self.deadline(settings) else {
                self.changed.notified().await;
                continue;
            };
            if deadline <= Instant::now() {
                return overdue;
            }
            tokio::select! {
                () = sleep_until(deadline) => {}
                () = self.changed.notified() => {}
            }
        }
    }
}

/// As long as it lives a request is being answered.
#[derive(Debug)]
pub(crate) struct Busy(Arc<Pulse>);

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.enter(Phase::Idle(Instant::now()));
    }
}

/// hyper's own answer to a request line that does not fit into its type for it, and one that R39 does not know.
const URI_TOO_LONG: &[u8] = b"HTTP/1.1 414";

impl<S> Wire<S> {
    /// Whether these bytes are an answer of hyper's that is not to be sent; the connection sends another.
    fn is_held_back(&self, bytes: &[u8]) -> bool {
        bytes.starts_with(URI_TOO_LONG) && self.pulse.is_in_head()
    }

    /// Notes what a write came to.
    fn noted(&self, result: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        match result {
            Poll::Pending => self.pulse.stalled(),
            Poll::Ready(_) => self.pulse.wrote(),
        }
        result
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Wire<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(cx, buffer))?;
        if buffer.filled().len() > before {
            self.pulse.read();
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Wire<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if self.is_held_back(bytes) {
            return Poll::Ready(Ok(bytes.len()));
        }
        let result = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.noted(result)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if pieces.first().is_some_and(|first| self.is_held_back(first)) {
            return Poll::Ready(Ok(pieces.iter().map(|piece| piece.len()).sum()));
        }
        let result = Pin::new(&mut self.stream).poll_write_vectored(cx, pieces);
        self.noted(result)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    /// TLS takes bytes before the socket does: a client that does not read may show only here.
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let result = Pin::new(&mut self.stream).poll_flush(cx);
        match result {
            Poll::Pending => self.pulse.stalled(),
            Poll::Ready(_) => self.pulse.flushed(),
        }
        result
    }

    /// Only flushes: the connection may have something to say yet, and shuts the socket down itself.
    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_flush(cx)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn settings() -> Settings {
        let seconds = Duration::from_secs;
        Settings {
            header_timeout: seconds(30),
            idle_timeout: seconds(75),
            answer_timeout: seconds(300),
            ..Settings::default()
        }
    }

    fn waits_for(pulse: &Pulse) -> Option<Overdue> {
        pulse.deadline(&settings()).map(|(_, overdue)| overdue)
    }

    #[test]
    fn r43_r157_an_idle_client_has_longer_than_one_that_has_begun_a_request() {
        let pulse = Arc::new(Pulse::new());
        assert_eq!(waits_for(&pulse), Some(Overdue::Idle));
        pulse.read();
        assert_eq!(waits_for(&pulse), Some(Overdue::Head));
        let (begun, _) = pulse.deadline(&settings()).unwrap();
        pulse.read();
        assert_eq!(pulse.deadline(&settings()).unwrap().0, begun, "more bytes do not extend the time for the headers");
        let busy = pulse.busy();
        assert_eq!(waits_for(&pulse), None);
        drop(busy);
        assert_eq!(waits_for(&pulse), Some(Overdue::Idle));
    }

    #[test]
    fn a_client_that_takes_no_bytes_is_noticed_and_one_that_does_is_forgiven() {
        let pulse = Arc::new(Pulse::new());
        let _busy = pulse.busy();
        pulse.stalled();
        assert_eq!(waits_for(&pulse), Some(Overdue::Answer));
        pulse.wrote();
        assert_eq!(waits_for(&pulse), None);
    }
}
