//! Many clients that each submit one job after the other over a connection that they keep.
//!
//! usage: submit ADDRESS TARGET CLIENTS SECONDS
//!
//! Each client asks for TARGET as soon as its last request is answered with a token, for SECONDS seconds. One line is printed:
//!
//! accepted N seconds S rate R/s p50 MS p99 MS max MS lost L
//!
//! A request is lost if no whole answer with a token came. `submit.py` runs it beside a server. It is of the standard
//! library alone, with a thread a client, so that `rustc` builds it in seconds.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program for the command line")]
#![allow(missing_docs, reason = "a program")]

use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::process::ExitCode;
use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant};

/// An answer that does not come within this time is lost.
const PATIENCE: Duration = Duration::from_mins(1);

struct Asked {
    address: SocketAddr,
    request: String,
    clients: usize,
    time: Duration,
}

fn asked() -> Option<Asked> {
    let mut arguments = std::env::args().skip(1).filter(|argument| argument != "--bench");
    let mut next = || arguments.next();
    let address = next()?.parse().ok()?;
    let target = next()?;
    Some(Asked {
        address,
        request: format!("GET {target} HTTP/1.1\r\nHost: {address}\r\n\r\n"),
        clients: next()?.parse().ok()?,
        time: Duration::from_secs(next()?.parse().ok()?),
    })
}

/// What one client saw.
#[derive(Default)]
struct Seen {
    /// Of each accepted job, how long that took.
    latencies: Vec<Duration>,
    lost: u64,
}

fn submit(asked: &Asked, start: &Barrier) -> Seen {
    let mut seen = Seen::default();
    let mut stream = connect(asked.address).ok();
    start.wait();
    let begun = Instant::now();
    while begun.elapsed() < asked.time {
        let asking = Instant::now();
        let answered = match &mut stream {
            Some(stream) => ask(asked, stream),
            None => connect(asked.address).and_then(|new| ask(asked, stream.insert(new))),
        };
        if answered.is_ok() {
            seen.latencies.push(asking.elapsed());
        } else {
            seen.lost += 1;
            stream = None;
        }
    }
    seen
}

fn connect(address: SocketAddr) -> io::Result<TcpStream> {
    let stream = TcpStream::connect(address)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    Ok(stream)
}

/// One request and its whole answer, which must have a token.
fn ask(asked: &Asked, stream: &mut TcpStream) -> io::Result<()> {
    stream.write_all(asked.request.as_bytes())?;
    let mut answer = Vec::new();
    let mut part = [0; 4096];
    loop {
        let n = stream.read(&mut part)?;
        if n == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        answer.extend_from_slice(&part[..n]);
        let text = String::from_utf8_lossy(&answer);
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
        let length: usize = length.and_then(|length| length.trim().parse().ok()).ok_or(io::ErrorKind::InvalidData)?;
        if body.len() >= length {
            return if body.contains("<token>") { Ok(()) } else { Err(io::Error::other(body.to_owned())) };
        }
    }
}

fn main() -> ExitCode {
    let Some(asked) = asked() else {
        eprintln!("usage: submit ADDRESS TARGET CLIENTS SECONDS");
        return ExitCode::FAILURE;
    };
    let start = Barrier::new(asked.clients);
    let begun = Instant::now();
    let all: Vec<Seen> = thread::scope(|scope| {
        let clients: Vec<_> = (0..asked.clients).map(|_| scope.spawn(|| submit(&asked, &start))).collect();
        clients.into_iter().filter_map(|client| client.join().ok()).collect()
    });
    let seconds = begun.elapsed().as_secs_f64();
    let lost: u64 = all.iter().map(|seen| seen.lost).sum();
    let mut latencies: Vec<Duration> = all.into_iter().flat_map(|seen| seen.latencies).collect();
    latencies.sort_unstable();
    let at = |share: f64| {
        let place = (latencies.len() as f64 * share) as usize;
        latencies.get(place.min(latencies.len().saturating_sub(1))).map_or(0.0, |latency| latency.as_secs_f64() * 1e3)
    };
    println!(
        "accepted {} seconds {seconds:.3} rate {:.0}/s p50 {:.2} p99 {:.2} max {:.2} lost {lost}",
        latencies.len(),
        latencies.len() as f64 / seconds,
        at(0.5),
        at(0.99),
        at(1.0),
    );
    ExitCode::SUCCESS
}
