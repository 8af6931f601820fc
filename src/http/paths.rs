//! The paths for those who watch the server: `/health`, `/ready`, `/metrics` (contract R3, R179, R180).
//!
//! **Promises.** Who may not see them gets HTTP 403 and learns nothing else. The checks get their turn like any request,
//! so that a flood of them takes no thread from others.

use std::io;
use std::sync::Arc;

use hyper::http::request;
use hyper::{Response, StatusCode};

use super::coding::Coding;
use super::connection::Shared;
use super::exchange::{Answered, Unread, below_aci, foreign, response};
use super::reply::{AnswerBody, Outlet};
use super::turns::Turn;
use super::wire::Busy;
use crate::aci::{Client, Code, Fault, Health, Media, Reply as _};

/// Such a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Path {
    Health,
    Ready,
    Metrics,
}

impl Path {
    pub(crate) fn of(path: &str) -> Option<Self> {
        match path {
            "/health" => Some(Self::Health),
            "/ready" => Some(Self::Ready),
            "/metrics" => Some(Self::Metrics),
            _ => None,
        }
    }
}

/// The type of metrics (R179).
const METRICS: &str = "text/plain; version=0.0.4";

/// Answers a request for one of the paths.
pub(crate) async fn answer(
    path: Path,
    head: &request::Parts,
    client: Client,
    shared: &Arc<Shared>,
    busy: Busy,
    unread: Unread,
) -> Answered {
    if foreign(head, shared).is_err() {
        return Ok(below_aci(StatusCode::FORBIDDEN, "", busy, unread));
    }
    let turn = shared.turns.take(client.address.ip()).await;
    match path {
        Path::Metrics => metrics(head, client, Arc::clone(shared), turn, busy, unread).await,
        Path::Health | Path::Ready => Ok(check(path, client, Arc::clone(shared), turn, busy, unread).await),
    }
}

async fn check(
    path: Path,
    client: Client,
    shared: Arc<Shared>,
    turn: Turn,
    busy: Busy,
    unread: Unread,
) -> Response<AnswerBody> {
    let checked = tokio::task::spawn_blocking(move || {
        let _turn = turn;
        if path == Path::Ready { shared.service.ready(&client) } else { shared.service.health(&client) }
    });
    match checked.await.unwrap_or_else(|_| Health::Unwell("the check itself has failed".to_owned())) {
        Health::Well if path == Path::Ready => below_aci(StatusCode::OK, "ready", busy, unread),
        Health::Well => below_aci(StatusCode::OK, "ok", busy, unread),
        Health::Alarmed(_) if path == Path::Ready => below_aci(StatusCode::OK, "ready", busy, unread),
        Health::Alarmed(line) => below_aci(StatusCode::OK, &format!("ok, but {line}"), busy, unread),
        Health::NotAuthorised => below_aci(StatusCode::FORBIDDEN, "", busy, unread),
        Health::Unwell(line) => below_aci(StatusCode::SERVICE_UNAVAILABLE, &line, busy, unread),
    }
}

async fn metrics(
    head: &request::Parts,
    client: Client,
    shared: Arc<Shared>,
    turn: Turn,
    busy: Busy,
    unread: Unread,
) -> Answered {
    let (mut outlet, started) = Outlet::new(Coding::accepted(&head.headers), turn);
    let written = tokio::task::spawn_blocking(move || {
        let text = shared.service.metrics(&client, &shared.traffic())?;
        outlet.declare(Media::Other(METRICS.to_owned()));
        let sent = io::Write::write_all(&mut outlet, text.as_bytes()).and_then(|()| outlet.finish());
        if let Err(error) = sent {
            tracing::debug!(%error, "the metrics are broken off");
        }
        Ok(())
    });
    if let Ok(start) = started.await {
        return response(start, busy, unread);
    }
    let fault = written.await.unwrap_or_else(|_| Err(Fault::internal())).err().unwrap_or_else(Fault::internal);
    let status = match fault.code {
        Code::NotAuthorised => StatusCode::FORBIDDEN,
        Code::NotOffered => StatusCode::NOT_FOUND,
        _ => StatusCode::INTERNAL_SERVER_ERROR,
    };
    Ok(below_aci(status, "", busy, unread))
}
