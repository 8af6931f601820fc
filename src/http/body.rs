//! The body of a request, read as a stream into an intake (contract R4, R19-R21, R41, R156, R157).
//!
//! **Promises.** The limit is judged from the headers where they say the length, otherwise while reading; nothing is
//! read after a fault. Only one piece of the body is in memory besides what the intake keeps.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use futures_util::Stream;
use futures_util::StreamExt as _;
use hyper::Method;
use hyper::body::Body;
use hyper::header::{CONTENT_TYPE, HeaderMap};
use thiserror::Error;
use tokio::runtime::{Handle, RuntimeFlavor};
use tokio::time::{Instant, Sleep};

use super::Settings;
use super::coding::{Coding, Unpacked};
use super::header::Tagged;
use super::multipart;
use crate::aci::Fault;
use crate::aci::form::Form;
use crate::aci::intake::Intake;

/// Why a body was not read to its end.
#[derive(Debug, Error)]
pub(crate) enum BodyError {
    /// Something to be answered in ACI.
    #[error(transparent)]
    Fault(#[from] Fault),
    /// No byte came for too long, or not all of them in the time for a whole request.
    #[error("the body has not come in time")]
    TimedOut,
    /// The client has gone, or does not speak HTTP.
    #[error("the body is broken off")]
    Broken,
}

/// The bytes of a body, as they come and under the limits.
pub(crate) struct Source<B> {
    body: B,
    received: u64,
    limit: u64,
    /// The longest pause between two bytes.
    timeout: Duration,
    /// When all of it must have come.
    deadline: Instant,
    alarm: Pin<Box<Sleep>>,
    ended: bool,
}

impl<B: Body<Data = Bytes> + Unpin> Source<B> {
    /// Error 20 if the headers say already that the body is too large.
    pub(crate) fn new(body: B, settings: &Settings) -> Result<Self, Fault> {
        let limit = settings.limits.max_request_size;
        if body.size_hint().lower() > limit {
            return Err(body_too_large(limit));
        }
        let (timeout, deadline) = (settings.body_timeout, Instant::now() + settings.request_timeout);
        let alarm = Box::pin(tokio::time::sleep_until(deadline.min(Instant::now() + timeout)));
        Ok(Self { body, received: 0, limit, timeout, deadline, alarm, ended: false })
    }

    /// Whether everything was read.
    pub(crate) fn is_at_end(&self) -> bool {
        self.ended || self.body.is_end_stream()
    }
}

fn body_too_large(limit: u64) -> Fault {
    too_large("the body of the request has too many bytes", limit)
}

/// Error 20 for a body, packed or unpacked, over its limit.
pub(crate) fn too_large(what: &str, limit: u64) -> Fault {
    Fault::too_large(what, limit, "MaxRequestSize")
}

/// Reads to the end without looking.
async fn drain(body: &mut (impl Stream<Item = Result<Bytes, BodyError>> + Unpin)) -> Result<(), BodyError> {
    while let Some(piece) = body.next().await {
        piece?;
    }
    Ok(())
}

impl<B: Body<Data = Bytes> + Unpin> Stream for Source<B> {
    type Item = Result<Bytes, BodyError>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        loop {
            let Poll::Ready(frame) = Pin::new(&mut this.body).poll_frame(cx) else {
                ready!(this.alarm.as_mut().poll(cx));
                return Poll::Ready(Some(Err(BodyError::TimedOut)));
            };
            let now = Instant::now();
            if now > this.deadline {
                return Poll::Ready(Some(Err(BodyError::TimedOut)));
            }
            this.alarm.as_mut().reset(this.deadline.min(now + this.timeout));
            let piece = match frame {
                None => {
                    this.ended = true;
                    return Poll::Ready(None);
                }
                Some(Err(_)) => return Poll::Ready(Some(Err(BodyError::Broken))),
                Some(Ok(frame)) => frame.into_data().unwrap_or_default(),
            };
            if piece.is_empty() {
                continue;
            }
            this.received += piece.len() as u64;
            if this.received > this.limit {
                return Poll::Ready(Some(Err(body_too_large(this.limit).into())));
            }
            return Poll::Ready(Some(Ok(piece)));
        }
    }
}

/// Reads the body into `intake`, unpacked if it is packed.
pub(crate) async fn receive<B>(
    method: &Method,
    headers: &HeaderMap,
    source: &mut Source<B>,
    intake: &mut Intake,
) -> Result<(), BodyError>
where
    B: Body<Data = Bytes> + Unpin + Send,
{
    if method == Method::GET {
        return drain(source).await;
    }
    match Coding::of_body(headers)? {
        Coding::Plain => receive_as(headers, source, intake).await,
        Coding::Gzip => {
            let limit = source.limit;
            receive_as(headers, &mut Unpacked::new(source, limit), intake).await
        }
    }
}

/// Reads a body by its Content-Type.
async fn receive_as<S>(headers: &HeaderMap, body: &mut S, intake: &mut Intake) -> Result<(), BodyError>
where
    S: Stream<Item = Result<Bytes, BodyError>> + Unpin + Send,
{
    let content_type = headers.get(CONTENT_TYPE).map(|value| Tagged::parse(value.as_bytes()));
    let Some(content_type) = content_type else { return receive_form(body, intake).await };
    match content_type.word.as_str() {
        "application/x-www-form-urlencoded" | "text/plain" | "" => receive_form(body, intake).await,
        "multipart/form-data" => {
            let boundary = multipart::boundary(&content_type)?;
            multipart::receive(&mut *body, boundary, intake).await?;
            drain(body).await
        }
        other => match body.next().await {
            None => Ok(()),
            Some(Err(error)) => Err(error),
            Some(Ok(_)) => Err(Fault::not_understood("a body of Content-Type", other).into()),
        },
    }
}

async fn receive_form<S>(body: &mut S, intake: &mut Intake) -> Result<(), BodyError>
where
    S: Stream<Item = Result<Bytes, BodyError>> + Unpin,
{
    let mut form = Form::new();
    while let Some(piece) = body.next().await {
        let piece = piece?;
        on_disk(intake, piece.len(), |intake| form.push(&piece, intake))?;
    }
    Ok(form.finish(intake)?)
}

/// So many bytes are handled without further ado while uploads are in memory.
const SMALL: usize = 64 << 10;

/// Adds to `intake`; if that may take its time, other work of this thread is moved away meanwhile.
pub(crate) fn on_disk<T>(intake: &mut Intake, bytes: usize, add: impl FnOnce(&mut Intake) -> T) -> T {
    let slow = intake.is_on_disk() || bytes > SMALL;
    let can_move = || Handle::try_current().is_ok_and(|handle| handle.runtime_flavor() == RuntimeFlavor::MultiThread);
    if slow && can_move() { tokio::task::block_in_place(|| add(intake)) } else { add(intake) }
}
