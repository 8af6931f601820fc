//! One connection: requests in turn, until either side has enough.
//!
//! **Promises.** Whatever ends it, an answer that was written is not lost: what the client still sends is read for a
//! while, because closing a socket with unread input makes the system discard what it has not yet delivered.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout, timeout_at};
use tokio_rustls::server::TlsStream;

use super::origin::{Scheme, Trust};
use super::places::Places;
use super::review::{Guard, Held};
use super::turns::Turns;
use super::wire::{Overdue, Pulse, Wire};
use super::{Settings, Tls};
use super::{exchange, tls};
use crate::aci::{Client, Limits, Service, Traffic};

/// What all connections share.
pub(crate) struct Shared {
    pub(crate) service: Arc<dyn Service>,
    pub(crate) settings: Settings,
    pub(crate) limits: Arc<Limits>,
    pub(crate) trust: Trust,
    pub(crate) places: Arc<Places>,
    pub(crate) turns: Arc<Turns>,
    pub(crate) guard: Guard,
    pub(crate) held: Held,
    handshakes_failed: AtomicU64,
}

impl Shared {
    pub(crate) fn new(service: Arc<dyn Service>, settings: Settings) -> Self {
        let limits = Arc::new(settings.limits.clone());
        let scheme = if settings.tls.is_some() { Scheme::Https } else { Scheme::Http };
        let trust = Trust::new(&settings.host_names, &settings.origins, scheme);
        let places = Places::new(settings.max_connections, settings.max_connections_per_address);
        let turns = Turns::new(settings.request_threads);
        let guard = Guard::new(scheme);
        Self {
            service,
            settings,
            limits,
            trust,
            places,
            turns,
            guard,
            held: Held::default(),
            handshakes_failed: AtomicU64::new(0),
        }
    }

    /// The figures so far.
    pub(crate) fn traffic(&self) -> Traffic {
        Traffic {
            connections: self.places.n_taken(),
            connections_total: self.places.n_taken_total(),
            turned_away_total: self.places.n_refused_total(),
            handshakes_failed_total: self.handshakes_failed.load(Ordering::Relaxed),
            requests_waiting: self.turns.n_queued(),
            answers_waiting: self.turns.n_waiting(),
        }
    }
}

const TOO_SLOW: &[u8] = b"HTTP/1.1 408 Request Timeout\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";
const HEAD_TOO_LARGE: &[u8] =
    b"HTTP/1.1 431 Request Header Fields Too Large\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";
const NOT_HTTP: &[u8] = b"HTTP/1.1 400 Bad Request\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";

/// hyper reads at most so much at once, besides the headers.
const READ_AHEAD: usize = 64 << 10;

/// While lingering, a client that sends nothing for so long has read its answer.
const LINGER_PAUSE: Duration = Duration::from_secs(2);

/// How a connection ended.
enum End {
    /// By the protocol: closed by either side.
    Closed,
    /// By something that is not HTTP/1, to which hyper itself says nothing.
    NotHttp,
    /// By a request line that is too long, to which what hyper said was held back.
    HeadTooLarge,
    Overdue(Overdue),
}

/// Serves one connection to its end, through TLS if that is set.
pub(crate) async fn serve(stream: TcpStream, shared: Arc<Shared>, stopping: watch::Receiver<()>) {
    let Ok(peer) = stream.peer_addr() else { return };
    // Without it small answers wait for the client's acknowledgement of the piece before.
    let _ = stream.set_nodelay(true);
    let client = Client::at(peer);
    let Some(tls) = &shared.settings.tls else { return talk(stream, client, shared, stopping).await };
    let mut told = stopping.clone(); // of which the talk that follows is to hear too
    let too_late = async {
        let _ = told.changed().await;
        sleep(shared.settings.first_timeout).await;
    };
    let shaken = tokio::select! {
        shaken = handshake(tls, stream, &shared.settings) => shaken,
        () = too_late => return, // nothing was asked yet
    };
    match shaken {
        Ok(stream) => {
            let client = Client { identity: tls::identity(&stream), ..client };
            talk(stream, client, shared, stopping).await;
        }
        Err(error) => {
            shared.handshakes_failed.fetch_add(1, Ordering::Relaxed);
            if tls::is_not_tls(&error) {
                tracing::debug!(client = %peer, "a client that does not speak TLS is disconnected; plain HTTP on the TLS port?");
            } else {
                tracing::debug!(client = %peer, %error, "a TLS handshake has failed");
            }
        }
    }
}

async fn handshake(tls: &Tls, stream: TcpStream, settings: &Settings) -> io::Result<TlsStream<TcpStream>> {
    let too_slow = |_| io::Error::new(io::ErrorKind::TimedOut, "it has not ended in time");
    timeout(settings.handshake_timeout, tls.accept(stream)).await.map_err(too_slow)?
}

/// Answers the requests on a stream until it ends.
async fn talk<S>(stream: S, client: Client, shared: Arc<Shared>, mut stopping: watch::Receiver<()>)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let peer = client.address;
    let pulse = Arc::new(Pulse::new());
    let wire = TokioIo::new(Wire { stream, pulse: Arc::clone(&pulse) });
    let service = service_fn(|request| {
        // In a box, for hyper keeps room for it as long as the connection lives, and most connections are idle.
        Box::pin(exchange::answer(request, client.clone(), Arc::clone(&shared), Arc::clone(&pulse)))
    });
    let settings = &shared.settings;
    let mut builder = http1::Builder::new();
    builder
        .half_close(true) // a client may close its sending side and still wait for the answer
        .header_read_timeout(None) // the pulse sees to it
        .max_header_size(settings.max_header_size)
        .max_buf_size(settings.max_header_size.saturating_add(READ_AHEAD));
    let mut connection = builder.serve_connection(wire, service);
    let told_to_end = async {
        let _ = stopping.changed().await; // also when nobody can tell any more
        let _ = timeout(settings.first_timeout, pulse.begun()).await; // a new client is about to ask
    };
    tokio::pin!(told_to_end);
    let mut told = false;
    let end = loop {
        tokio::select! {
            result = &mut connection => break judge(result, peer, &pulse),
            overdue = pulse.overdue(settings) => break End::Overdue(overdue),
            () = &mut told_to_end, if !told => {
                told = true;
                std::pin::Pin::new(&mut connection).graceful_shutdown();
            }
        }
    };
    let unanswered = pulse.is_unanswered();
    let mut stream = connection.into_parts().io.into_inner().stream;
    match end {
        End::Closed => linger(stream, settings.linger_timeout).await,
        End::NotHttp => close_with(&mut stream, NOT_HTTP, settings).await,
        End::HeadTooLarge => close_with(&mut stream, HEAD_TOO_LARGE, settings).await,
        End::Overdue(Overdue::Head) if unanswered => close_with(&mut stream, TOO_SLOW, settings).await,
        End::Overdue(overdue) => tracing::debug!(client = %peer, ?overdue, "a connection is closed"),
    }
}

fn judge(result: hyper::Result<()>, peer: SocketAddr, pulse: &Pulse) -> End {
    match result {
        Ok(()) => End::Closed,
        Err(error) => {
            tracing::debug!(client = %peer, %error, "a connection has failed");
            match pulse.is_unanswered() {
                true if error.is_parse_too_large() => End::HeadTooLarge,
                true if error.is_parse() => End::NotHttp,
                _ => End::Closed,
            }
        }
    }
}

async fn close_with<S>(stream: &mut S, answer: &[u8], settings: &Settings)
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let answered = timeout(settings.header_timeout, async {
        stream.write_all(answer).await?;
        stream.flush().await
    })
    .await;
    if matches!(answered, Ok(Ok(()))) {
        discard(stream, settings.linger_timeout).await;
    }
}

/// Closes a connection whose last answer was written, giving the client time to read it.
pub(crate) async fn linger(mut stream: impl AsyncRead + AsyncWrite + Unpin, at_most: Duration) {
    discard(&mut stream, at_most).await;
}

async fn discard(stream: &mut (impl AsyncRead + AsyncWrite + Unpin), at_most: Duration) {
    let deadline = Instant::now() + at_most;
    // Fails if the client has gone: then there is nobody to be told. TLS has a last word that must find room.
    let _ = timeout_at(deadline, stream.shutdown()).await;
    let mut waste = vec![0; 16 << 10];
    loop {
        let until = deadline.min(Instant::now() + LINGER_PAUSE);
        match timeout_at(until, stream.read(&mut waste)).await {
            Ok(Ok(read)) if read > 0 && Instant::now() < deadline => {}
            _ => return,
        }
    }
}
