//! The review page: what a person sees of databases, jobs and results, and decides about them.
//!
//! A request is one of the [`route`]s; its page is made on a thread that may block, of what the desk tells (`aci`) and as
//! HTML by functions whose text is escaped by its type. Everything that looks is GET. Everything that changes is a POST to
//! `/review/act`, in which a form asks for an action like any client does.
//!
//! **Promises.** Nothing is loaded from elsewhere, no script stands in a page, and the headers make a browser hold to
//! that (`guard`). Pages work without the script for reading; it makes them live and gives them keys.
//!
//! **Why no framework.** The page is as old as its server: no build step, no second language for templates.

mod act;
mod assets;
mod audit;
mod cluster;
mod compare;
mod done;
mod export;
mod finding;
mod frame;
mod guard;
mod held;
mod home;
mod job;
mod made;
mod parts;
mod picture;
mod plot;
mod report;
mod result;
mod route;
mod sides;
mod sweep;
mod threshold;

use std::io::{self, Write as _};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use bytes::Bytes;
use hyper::Method;
use hyper::body::Body;
use hyper::header::{ACCEPT, COOKIE, HOST, HeaderMap, IF_NONE_MATCH};
use hyper::http::request;
use tokio::sync::oneshot;

pub(crate) use guard::Guard;
pub(crate) use held::Held;
pub use report::{ReportLimits, report};

use super::body::BodyError;
use super::coding::Coding;
use super::connection::Shared;
use super::exchange::{Answered, Unread, below_aci, decode, response};
use super::reply::Outlet;
use super::wire::Busy;
use crate::aci::{Client, Fault, Media, Refused, Reply as _, Request};
use made::{Head, Made, Oops};

/// What a page is made of.
struct Asked {
    method: Method,
    /// The path behind `/review`.
    path: String,
    /// Its parameters.
    request: Request,
    client: Client,
    /// The cookie that goes with the forms of the page, and what they carry.
    visit: guard::Visit,
    /// The name by which the server was asked.
    host: Option<String>,
    /// Whether the script asks, which wants JSON.
    is_script: bool,
    known: Option<String>,
}

impl Asked {
    /// A parameter of the query.
    fn text(&self, name: &str) -> Option<&str> {
        self.request.parameters.text(name)
    }

    /// One that is a number.
    fn number(&self, name: &str) -> Option<usize> {
        self.text(name)?.trim().parse().ok()
    }
}

/// Whether a request is for the page: all under `/review`, and `/` as a browser asks for it.
pub(crate) fn is_asked_for(head: &request::Parts) -> bool {
    let path = head.uri.path();
    let is_browser = || header(&head.headers, &ACCEPT).is_some_and(|types| types.contains("text/html"));
    path == "/review"
        || path.starts_with("/review/")
        || (path == "/" && head.uri.query().is_none() && head.method == Method::GET && is_browser())
}

fn header(headers: &HeaderMap, name: &hyper::header::HeaderName) -> Option<String> {
    headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned)
}

/// Answers such a request.
pub(crate) async fn answer<B: Body<Data = Bytes> + Send + Unpin>(
    head: request::Parts,
    body: B,
    client: Client,
    shared: Arc<Shared>,
    busy: Busy,
) -> Answered {
    let (request, unread) = match decode(&head, body, &client, &shared).await {
        Ok(decoded) => decoded,
        Err(error) => {
            let is_late = matches!(error, BodyError::TimedOut);
            let status = if is_late { hyper::StatusCode::REQUEST_TIMEOUT } else { hyper::StatusCode::BAD_REQUEST };
            return Ok(below_aci(status, "", busy, Unread::Yes));
        }
    };
    let turn = shared.turns.take(client.address.ip()).await;
    let (mut outlet, started) = Outlet::new(Coding::accepted(&head.headers), turn);
    let (tell, told) = oneshot::channel::<Head>();
    tokio::task::spawn_blocking(move || {
        let made = catch_unwind(AssertUnwindSafe(|| make(&head, request, client, &shared)));
        let Made { head, content } = made.unwrap_or_else(|_| Oops::of(&Fault::internal()).page(None));
        outlet.declare(Media::Other(head.kind.to_owned()));
        if tell.send(head).is_err() {
            return; // the client has gone
        }
        let sent = outlet.write_all(&content).and_then(|()| outlet.finish());
        if let Err(error) = sent {
            tracing::debug!(%error, "a page is broken off");
        }
    });
    let gone = |_| io::Error::other("the page was not made");
    let (head, start) = (told.await.map_err(gone)?, started.await.map_err(gone)?);
    let mut response = response(start, busy, unread)?;
    head.put_on(&mut response)?;
    Ok(response)
}

/// Makes the page.
fn make(head: &request::Parts, request: Result<Request, Refused>, client: Client, shared: &Shared) -> Made {
    if head.uri.path() == "/" {
        return Made::elsewhere("/review");
    }
    let request = match request {
        Ok(request) => request,
        Err(Refused { fault, .. }) => return Oops::of(&fault).page(None),
    };
    let asked = Asked {
        method: head.method.clone(),
        path: head.uri.path().trim_start_matches("/review").to_owned(),
        request,
        client,
        visit: shared.guard.visit(header(&head.headers, &COOKIE).as_deref()),
        host: header(&head.headers, &HOST),
        is_script: header(&head.headers, &ACCEPT).is_some_and(|types| types.starts_with("application/json")),
        known: header(&head.headers, &IF_NONE_MATCH),
    };
    route::make(asked, shared.service.as_ref(), &shared.held)
}
