//! The HTTP server over real sockets, with a service that echoes what was decoded.
//!
//! **Not here.** Decoding in all its forms: `fixtures/aci`, without a socket.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod answers;
mod clients;
mod formats;
mod limits;
mod packed;
mod protocol;
mod raw;
#[path = "../support/clients.rs"]
mod sent;
mod server;
mod tls;
