//! What `http` asks of whoever answers requests, and what it offers in return.
//!
//! **Promises.** A [`Service`] is called on a thread that may block, one call for each request.

use std::fmt;
use std::io;
use std::net::SocketAddr;

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

    /// What `GET /health` says (R180).
    fn health(&self, client: &Client) -> Health;
}

/// Who asks.
#[derive(Debug, Clone)]
pub struct Client {
    /// The address of the TCP peer; forwarding headers are ignored (R160).
    pub address: SocketAddr,
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
    /// It is not well, in one line.
    Unwell(String),
    /// This client may not know.
    NotAuthorised,
}
