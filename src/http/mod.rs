//! Sockets: one call of [`run`] is the whole server.
//!
//! A connection takes one of the `places` and lives in `connection` (its timeouts: `wire`; its encryption: `tls`); one
//! request waits for one of the `turns` and is answered in `exchange`, its body read in `body`, `coding` and `multipart`, its
//! answer sent by `reply`; `review` is the page for people.
//!
//! **Promises.** A client that is slow, gone, hostile or greedy costs a bounded amount of memory and no thread for long;
//! it gets the answer that R39 and R156 promise it. One request that goes wrong harms no other.
//!
//! **Not here.** What a request means and what an answer looks like: `aci`. This folder passes bytes on.

mod body;
mod coding;
mod connection;
mod exchange;
mod files;
mod header;
mod multipart;
mod origin;
mod paths;
mod places;
mod reply;
mod review;
mod tls;
mod turns;
mod wire;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;

pub use files::{allow_files, files_needed};
pub use review::{ReportLimits, report};
pub use tls::{ClientAuth, Tls, TlsError};
pub use turns::MAX_BLOCKING;

use crate::aci::{self, Service};
use connection::Shared;
use places::Full;

/// What the server allows and how long it waits.
#[derive(Debug, Clone)]
pub struct Settings {
    /// What one request may hold.
    pub limits: aci::Limits,
    /// `MaxHeaderSize`: bytes of request line and headers; more is HTTP 431. Default 128 KiB. A request target alone
    /// has at most 65,534 bytes, whatever this says: no more fits into hyper's type for it.
    pub max_header_size: usize,
    /// Connections at a time; one more is answered HTTP 503 and closed. Default 2,000, for a thousand clients that poll
    /// and as many that come and go; one that is idle takes some 20 KiB, with TLS some 28 KiB.
    pub max_connections: usize,
    /// Connections at a time of one address beyond loopback, or of one IPv6 network of 64 bits; one more is answered HTTP
    /// 503 and closed. Default 1,000.
    pub max_connections_per_address: usize,
    /// Requests answered at a time; others wait in the order in which they came. At most 64. Default 64: most of them
    /// wait for the disk or for a lock.
    pub request_threads: usize,
    /// TLS, if the port has it; plain HTTP is not spoken then. Default none.
    pub tls: Option<Tls>,
    /// For the whole of a TLS handshake; then the connection is closed. Default 10 s.
    pub handshake_timeout: Duration,
    /// From the first byte of a request to the end of its headers; later is HTTP 408 (R157). Default 30 s.
    pub header_timeout: Duration,
    /// Between two bytes of a body; later is HTTP 408 (R157). Default 60 s.
    pub body_timeout: Duration,
    /// For a whole body, however steadily it comes; later is HTTP 408. Default 1 h, in which `MaxRequestSize` comes at
    /// 75 kB a second.
    pub request_timeout: Duration,
    /// Between two requests, or before the first; then the connection is closed (R43). Default 75 s.
    pub idle_timeout: Duration,
    /// A client that takes no byte of its answer for so long is disconnected. Default 300 s.
    pub answer_timeout: Duration,
    /// After an answer behind which the connection is closed, what the client still sends is read and thrown away
    /// for at most so long, so that it gets to read the answer. Default 30 s.
    pub linger_timeout: Duration,
    /// At shutdown requests in flight have so long to end. Default 10 s.
    pub shutdown_timeout: Duration,
    /// At shutdown a client that has connected and asked nothing has so long to begin: what it asks may be on its way, and a
    /// store that is opened again is a shutdown too. Default 1 s.
    pub first_timeout: Duration,
    /// Host names under which clients may address the server, besides IP addresses and `localhost` (R161).
    pub host_names: Vec<String>,
    /// Origins such as `https://faces.example` of web pages that may call the server, besides its own (R161).
    pub origins: Vec<String>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            limits: aci::Limits::default(),
            max_header_size: 128 << 10,
            max_connections: 2_000,
            max_connections_per_address: 1_000,
            request_threads: 64,
            tls: None,
            handshake_timeout: Duration::from_secs(10),
            header_timeout: Duration::from_secs(30),
            body_timeout: Duration::from_mins(1),
            request_timeout: Duration::from_hours(1),
            idle_timeout: Duration::from_secs(75),
            answer_timeout: Duration::from_mins(5),
            linger_timeout: Duration::from_secs(30),
            shutdown_timeout: Duration::from_secs(10),
            first_timeout: Duration::from_secs(1),
            host_names: Vec::new(),
            origins: Vec::new(),
        }
    }
}

/// Clients turned away at a time; of more than these the connection is just closed.
const MAX_TURNED_AWAY: usize = 64;

const BUSY: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";

/// Serves `listener` until `shutdown` is ready; then requests in flight are finished, within the deadline.
pub async fn run(
    listener: TcpListener,
    service: Arc<dyn Service>,
    settings: Settings,
    shutdown: impl Future<Output = ()>,
) -> io::Result<()> {
    let (stop, stopping) = watch::channel(());
    let turned_away = Arc::new(Semaphore::new(MAX_TURNED_AWAY));
    let shutdown_timeout = settings.shutdown_timeout;
    let shared = Arc::new(Shared::new(service, settings));
    let mut connections = JoinSet::new();
    tokio::pin!(shutdown);
    loop {
        let (stream, peer) = tokio::select! {
            () = &mut shutdown => break,
            Some(_) = connections.join_next() => continue,
            accepted = listener.accept() => match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    refused_by_system(&error).await;
                    continue;
                }
            },
        };
        let shared = Arc::clone(&shared);
        match shared.places.take(peer.ip()) {
            Ok(place) => {
                let stopping = stopping.clone();
                connections.spawn(async move {
                    connection::serve(stream, shared, stopping).await;
                    drop(place);
                });
            }
            Err(full) => {
                warn_at_times(&shared, peer, full);
                if let Ok(place) = Arc::clone(&turned_away).try_acquire_owned() {
                    connections.spawn(async move {
                        turn_away(stream, &shared).await;
                        drop(place);
                    });
                }
            }
        }
    }
    drop(listener);
    drop(stopping);
    // Fails only if there is no connection that could hear it.
    let _ = stop.send(());
    let ended = async { while connections.join_next().await.is_some() {} };
    if tokio::time::timeout(shutdown_timeout, ended).await.is_err() {
        tracing::warn!(connections = connections.len(), "connections are cut off: the shutdown deadline has passed");
        connections.shutdown().await;
    }
    Ok(())
}

/// Waits a little after `accept` has failed, which is mostly for want of file descriptors.
async fn refused_by_system(error: &io::Error) {
    tracing::warn!(%error, "a connection cannot be accepted");
    tokio::time::sleep(Duration::from_millis(50)).await;
}

/// Says that a client is turned away: the first time and then less and less often, for it may be done a thousand times a
/// second. How often it was done is in the metrics.
fn warn_at_times(shared: &Shared, client: SocketAddr, full: Full) {
    let n = shared.places.n_refused_total();
    let Settings { max_connections, max_connections_per_address, .. } = shared.settings;
    let (reason, limit) = match full {
        Full::All => ("there are too many connections", max_connections),
        Full::Share => ("its address has too many connections", max_connections_per_address),
    };
    if n.is_power_of_two() || n.is_multiple_of(1 << 16) {
        tracing::warn!(%client, limit, turned_away = n, "a client is turned away: {reason}");
    } else {
        tracing::debug!(%client, limit, "a client is turned away: {reason}");
    }
}

/// Tells a client that there is no place for it; with TLS there is no language for that before a costly handshake.
async fn turn_away(mut stream: TcpStream, shared: &Shared) {
    if shared.settings.tls.is_none() && stream.write_all(BUSY).await.is_ok() {
        connection::linger(stream, shared.settings.linger_timeout.min(Duration::from_secs(1))).await;
    }
}
