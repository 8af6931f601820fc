//! One request and its answer (contract R3, R4, R39-R42, R58).
//!
//! **Promises.** Faults are found in the order of R58: who asks, then sizes and decoding; the rest is the service's.
//! The service runs on a thread that may block; if it panics its client gets error 79, or sees its answer broken off.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use hyper::body::{Body, Incoming};
use hyper::header::{
    ALLOW, AUTHORIZATION, CACHE_CONTROL, CONNECTION, CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderValue, VARY,
    X_CONTENT_TYPE_OPTIONS,
};
use hyper::http::request;
use hyper::{Method, Response, StatusCode};
use tracing::{Instrument as _, Span};

use super::body::{self, BodyError, Source};
use super::coding::Coding;
use super::connection::Shared;
use super::header::unquoted;
use super::paths::{self, Path};
use super::reply::{AnswerBody, Content, Outlet, Start};
use super::review;
use super::wire::{Busy, Pulse};
use crate::aci::form::read_target;
use crate::aci::intake::Intake;
use crate::aci::{Client, Fault, Outcome, Refused, Request, Service};

/// The header that stands for a parameter of queued actions.
const IDEMPOTENCY_KEY: &str = "idempotency-key";

pub(crate) type Answered = io::Result<Response<AnswerBody>>;

/// Answers one request. An error closes the connection without an answer.
pub(crate) async fn answer(
    request: hyper::Request<Incoming>,
    client: Client,
    shared: Arc<Shared>,
    pulse: Arc<Pulse>,
) -> Answered {
    let busy = pulse.busy();
    let (head, body) = request.into_parts();
    let unread = Unread::of(&body);
    if !matches!(head.method, Method::GET | Method::POST) {
        let mut response = below_aci(StatusCode::METHOD_NOT_ALLOWED, "", busy, unread);
        response.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, POST"));
        return Ok(response);
    }
    let client = Client { bearer: bearer(&head.headers), ..client };
    if review::is_asked_for(&head) {
        return review::answer(head, body, client, shared, busy).await;
    }
    if let Some(path) = Path::of(head.uri.path()) {
        return paths::answer(path, &head, client, &shared, busy, unread).await;
    }
    let span = tracing::info_span!(
        "request",
        method = %head.method,
        client = %client.address,
        token = tracing::field::Empty,
        action = tracing::field::Empty,
        outcome = tracing::field::Empty,
        bytes = tracing::field::Empty,
        milliseconds = tracing::field::Empty,
    );
    let (request, unread) = match decode(&head, body, &client, &shared).instrument(span.clone()).await {
        Ok(decoded) => decoded,
        Err(BodyError::TimedOut) => {
            tracing::debug!(parent: &span, "the body did not come in time");
            return Ok(below_aci(StatusCode::REQUEST_TIMEOUT, "", busy, Unread::Yes));
        }
        Err(error) => {
            tracing::debug!(parent: &span, %error, "the body cannot be read");
            return Ok(below_aci(StatusCode::BAD_REQUEST, "", busy, Unread::Yes));
        }
    };
    let turn = shared.turns.take(client.address.ip()).await;
    let (outlet, started) = Outlet::new(Coding::accepted(&head.headers), turn);
    serve(Arc::clone(&shared.service), request, client, span, outlet);
    let Ok(start) = started.await else { return Err(io::Error::other("the service gave no answer")) };
    response(start, busy, unread)
}

/// The request with its idempotency key, if a header has that: a text, in quotes or not.
fn keyed(request: Request, headers: &HeaderMap) -> Result<Request, Fault> {
    let mut values = headers.get_all(IDEMPOTENCY_KEY).iter();
    let Some(value) = values.next() else { return Ok(request) };
    if values.any(|other| other != value) {
        return Err(Fault::given_twice("Idempotency-Key"));
    }
    let key = String::from_utf8(unquoted(value.as_bytes().trim_ascii()));
    let key = key.map_err(|_| Fault::undecodable("the value of the header 'Idempotency-Key' is not UTF-8"))?;
    Ok(request.with_idempotency_key(&key))
}

/// The token that a client shows, if it shows one; the name of the scheme may be in any letter case.
fn bearer(headers: &HeaderMap) -> Option<String> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let (value, None) = (values.next()?, values.next()) else { return None };
    let (scheme, token) = value.to_str().ok()?.trim().split_once(' ')?;
    let token = token.trim_start();
    (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty()).then(|| token.to_owned())
}

/// The response that begins so.
pub(crate) fn response(start: Start, busy: Busy, unread: Unread) -> Answered {
    let Start { media, coding, content } = start;
    let mut response = Response::new(AnswerBody::new(content, busy));
    let headers = response.headers_mut();
    if coding == Coding::Gzip {
        headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        headers.insert(VARY, HeaderValue::from_static("accept-encoding")); // of no answer a cache may keep anything
    }
    let media = HeaderValue::from_str(&media.to_string()).map_err(io::Error::other)?;
    headers.insert(CONTENT_TYPE, media);
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    close_if(unread, headers);
    Ok(response)
}

/// Whether some of the body was left unread: then the connection ends with the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unread {
    Yes,
    No,
}

impl Unread {
    pub(crate) fn of(body: &impl Body) -> Self {
        if body.is_end_stream() { Self::No } else { Self::Yes }
    }
}

fn close_if(unread: Unread, headers: &mut HeaderMap) {
    if unread == Unread::Yes {
        headers.insert(CONNECTION, HeaderValue::from_static("close"));
    }
}

/// An answer that is not ACI.
pub(crate) fn below_aci(status: StatusCode, text: &str, busy: Busy, unread: Unread) -> Response<AnswerBody> {
    let content = Content::Whole(Bytes::copy_from_slice(text.as_bytes()));
    let mut response = Response::new(AnswerBody::new(content, busy));
    *response.status_mut() = status;
    if !text.is_empty() {
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=UTF-8"));
    }
    close_if(unread, response.headers_mut());
    response
}

pub(crate) fn foreign(head: &request::Parts, shared: &Shared) -> Result<(), Fault> {
    shared.trust.check(&head.headers, head.uri.authority().map(hyper::http::uri::Authority::as_str))
}

/// Decodes the request, or says how it is refused. An error is not for ACI to answer.
pub(crate) async fn decode<B: Body<Data = Bytes> + Send + Unpin>(
    head: &request::Parts,
    body: B,
    client: &Client,
    shared: &Shared,
) -> Result<(Result<Request, Refused>, Unread), BodyError> {
    let unread = Unread::of(&body);
    let mut intake = Intake::new(Arc::clone(&shared.limits));
    let target = head.uri.path_and_query().map_or("", hyper::http::uri::PathAndQuery::as_str);
    let target = read_target(target, &mut intake);
    let admitted = foreign(head, shared).and_then(|()| shared.service.admit(client));
    let source = admitted.and_then(|()| Source::new(body, &shared.settings));
    let (mut source, received) = match (source, target) {
        (Ok(mut source), Ok(())) => {
            let received = body::receive(&head.method, &head.headers, &mut source, &mut intake).await;
            (Some(source), received)
        }
        (Err(fault), _) | (_, Err(fault)) => (None, Err(fault.into())),
    };
    let unread = match &mut source {
        Some(source) if source.is_at_end() => Unread::No,
        Some(_) => Unread::Yes,
        None => unread,
    };
    let (action, format) = (intake.action().to_owned(), intake.format());
    let request = match received {
        Ok(()) => intake.request().and_then(|request| keyed(request, &head.headers)),
        Err(BodyError::Fault(fault)) => Err(fault),
        Err(error) => return Err(error),
    };
    Ok((request.map_err(|fault| Refused { action, format, fault }), unread))
}

/// Lets the service answer on a thread that may block; how the answer begins appears where the outlet says.
fn serve(service: Arc<dyn Service>, request: Result<Request, Refused>, client: Client, span: Span, outlet: Outlet) {
    let begun = Instant::now();
    tokio::task::spawn_blocking(move || {
        let _entered = span.enter();
        let (action, format) = match &request {
            Ok(request) => (request.action.clone(), request.format),
            Err(refused) => (refused.action.clone(), refused.format),
        };
        span.record("action", shown(&action));
        let failed = Refused { action, format, fault: Fault::internal() };
        let written = write(service.as_ref(), request, failed, &client, outlet);
        span.record("milliseconds", begun.elapsed().as_millis() as u64);
        match written {
            Ok((outcome, bytes)) => {
                span.record("outcome", outcome.to_string());
                span.record("bytes", bytes);
                match outcome {
                    Outcome::Success => tracing::debug!("answered"), // clients poll
                    Outcome::Error(_) => tracing::info!("refused"),
                }
            }
            Err(error) => tracing::info!(%error, "broken off"),
        }
    });
}

/// Writes the answer; `failed` if the service fails before anything was sent.
fn write(
    service: &dyn Service,
    request: Result<Request, Refused>,
    failed: Refused,
    client: &Client,
    mut outlet: Outlet,
) -> io::Result<(Outcome, u64)> {
    let mut attempt = |request: Result<Request, Refused>| {
        catch_unwind(AssertUnwindSafe(|| service.answer(request, client, &mut outlet)))
            .unwrap_or_else(|_| Err(io::Error::other("the service has panicked")))
    };
    let outcome = match attempt(request) {
        Ok(outcome) => outcome,
        Err(error) if outlet.start_over() => {
            tracing::error!(%error, "a request has failed");
            catch_unwind(AssertUnwindSafe(|| service.answer(Err(failed), client, &mut outlet)))
                .unwrap_or_else(|_| Err(io::Error::other("the service has panicked again")))?
        }
        Err(error) => return Err(error),
    };
    Ok((outcome, outlet.finish()?))
}

/// An action as it may stand in the log (R162).
fn shown(action: &str) -> String {
    action.chars().take(64).flat_map(char::escape_debug).collect()
}

#[cfg(test)]
#[path = "golden.rs"]
mod golden;
