//! What `http` asks of whoever answers requests, and what it offers in return.
//!
//! **Promises.** A [`Service`] is called on a thread that may block, one call for each request.

use std::fmt;
use std::io;
use std::net::SocketAddr;

use super::actions::Desk;
use super::answer::ResponseFormat;
use super::fault::{Code, Fault};
use super::request::Request;

/// Answers requests.
pub trait Service: Send + Sync + 'static {
    /// Whether anything is answered to this client, judged before its request is decoded (R58, R160). A fault is
    /// passed on to [`Service::answer`]. It must not block.
    fn admit(&self, client: &Client) -> Result<(), Fault>;

    /// Writes the answer to `request`, or to one that was refused before it reached the service.
    ///
    /// An error means that the answer could not be written to its end; the connection is then closed. A service that
    /// stops with an error or panics before anything was sent is called once more, with error 79.
    fn answer(&self, request: Result<Request, Refused>, client: &Client, reply: &mut dyn Reply) -> io::Result<Outcome>;

    /// What `GET /health` says (R180): whether the process is worth keeping.
    fn health(&self, client: &Client) -> Health;

    /// What `GET /ready` says: whether requests should be sent here now.
    fn ready(&self, client: &Client) -> Health {
        self.health(client)
    }

    /// What somebody who looks through the review page is shown.
    ///
    /// Error 2 if the service has nothing to show, error 30 if this client may not look.
    fn desk(&self, client: &Client) -> Result<Desk<'_>, Fault> {
        let _ = client;
        Err(Fault::new(Code::NotOffered, "this service has no review page"))
    }

    /// What `GET /metrics` says (R179): text in the Prometheus format 0.0.4, with the figures of the sockets in it.
    ///
    /// Error 2 if the service has none, error 30 if this client may not see them.
    fn metrics(&self, client: &Client, traffic: &Traffic) -> Result<String, Fault> {
        let _ = (client, traffic);
        Err(Fault::new(Code::NotOffered, "this service has no metrics"))
    }
}

/// Who asks.
///
/// **Promises.** Printed for a log it shows neither the bearer token nor how long it is.
#[derive(Clone, PartialEq, Eq)]
pub struct Client {
    /// The address of the TCP peer; forwarding headers are ignored (R160).
    pub address: SocketAddr,
    /// The token of `Authorization: Bearer`; a secret.
    pub bearer: Option<String>,
    /// Whom its TLS certificate names, which was verified: the first DNS name, else the subject's common name.
    pub identity: Option<String>,
}

impl Client {
    /// A client of which nothing but the address is known.
    pub fn at(address: SocketAddr) -> Self {
        Self { address, bearer: None, identity: None }
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bearer = self.bearer.as_ref().map(|_| "***");
        let Self { address, identity, .. } = self;
        f.debug_struct("Client").field("address", address).field("bearer", &bearer).field("identity", identity).finish()
    }
}

/// What the sockets have seen since they are served, for the metrics.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Connections that are open.
    pub connections: u64,
    /// Connections that were ever given a place.
    pub connections_total: u64,
    /// Clients turned away because there were too many connections, of all or of theirs.
    pub turned_away_total: u64,
    /// TLS handshakes that came to nothing.
    pub handshakes_failed_total: u64,
    /// Requests that wait for a thread.
    pub requests_waiting: u64,
    /// Long answers that wait for their client to read on.
    pub answers_waiting: u64,
}

/// A request that was refused, with what of it was known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// The action as given; empty when none was, or not yet.
    pub action: String,
    /// The format in which that is answered: the one asked for, or XML when none was, or not yet (R28, R47).
    pub format: ResponseFormat,
    /// Why.
    pub fault: Fault,
}

/// Where an answer is written.
///
/// A short answer is kept back until it is complete and then sent with its length; a longer one is sent in pieces as
/// it is written. `flush` sends what there is at once, so it is called only to show a waiting client that the server
/// lives (R83). Writing blocks while the client does not read, and fails when it has gone.
pub trait Reply: io::Write {
    /// Says what the answer is; it is XML unless this is called before anything is written.
    fn declare(&mut self, media: Media);

    /// Runs `wait`, which does no work but waits for some (R80), so that other requests can be answered meanwhile.
    fn aside(&mut self, wait: &mut dyn FnMut()) {
        wait();
    }
}

/// What an answer is (R40, R177).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Media {
    /// `text/xml`.
    Xml,
    /// `application/json`.
    Json,
    /// Bytes of this type, such as `image/jpeg`.
    Other(String),
}

impl fmt::Display for Media {
    /// As in Content-Type.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Xml => f.write_str("text/xml; charset=UTF-8"),
            Self::Json => f.write_str("application/json; charset=UTF-8"),
            Self::Other(name) => f.write_str(name),
        }
    }
}

/// An answer in memory, for embedding and for tests; what it is, is not kept.
impl Reply for Vec<u8> {
    fn declare(&mut self, _: Media) {}
}

/// How a request ended, for logs and metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// With SUCCESS.
    Success,
    /// With ERROR.
    Error(Code),
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Success => f.write_str("success"),
            Self::Error(code) => write!(f, "error {}", code.number()),
        }
    }
}

/// How the server is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Health {
    /// The store is open and the worker runs.
    Well,
    /// The same, and there is something that an operator should see to, in one line.
    Alarmed(String),
    /// It is not well, in one line.
    Unwell(String),
    /// This client may not know.
    NotAuthorised,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_is_printed_without_its_token() {
        let client = Client { bearer: Some("s3cret".to_owned()), ..Client::at(SocketAddr::from(([127, 0, 0, 1], 9))) };
        let shown = format!("{client:?}");
        assert!(shown.contains("127.0.0.1:9") && shown.contains("***") && !shown.contains("s3cret"), "{shown}");
    }
}
