//! Many clients that poll one job over connections that they keep, until it has ended.
//!
//! usage: cargo bench --bench load -- ADDRESS TARGET CONNECTIONS PERIOD_MS LIMIT_S
//!
//! Each connection asks for TARGET every PERIOD_MS milliseconds (0: again as soon as it is answered) until an answer
//! shows that the job has ended, or LIMIT_S seconds are over. One line is printed:
//!
//! requests N seconds S rate R/s p50 MS p99 MS max MS lost L ended yes|no
//!
//! A request is lost if no whole answer with the status 200 came. `load.py` runs it beside a server.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program for the command line")]
#![allow(missing_docs, reason = "a program")]

use std::io;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{sleep_until, timeout};

const USAGE: &str = "usage: cargo bench --bench load -- ADDRESS TARGET CONNECTIONS PERIOD_MS LIMIT_S";

/// An answer that does not come within this time is lost.
const PATIENCE: Duration = Duration::from_mins(1);

struct Asked {
    address: SocketAddr,
    request: String,
    connections: u32,
    period: Duration,
    limit: Duration,
}

fn asked() -> Option<Asked> {
    let mut arguments = std::env::args().skip(1).filter(|argument| argument != "--bench");
    let mut next = || arguments.next();
    let address = next()?.parse().ok()?;
    let target = next()?;
    Some(Asked {
        address,
        request: format!("GET {target} HTTP/1.1\r\nHost: {address}\r\n\r\n"),
        connections: next()?.parse().ok()?,
        period: Duration::from_millis(next()?.parse().ok()?),
        limit: Duration::from_secs(next()?.parse().ok()?),
    })
}

/// What one connection saw.
#[derive(Default)]
struct Seen {
    /// Of each answered request, how long it took.
    latencies: Vec<Duration>,
    lost: u64,
}

/// Polls over one connection, made anew when it breaks, until somebody has seen the end.
async fn poll(asked: Arc<Asked>, number: u32, ended: Arc<AtomicBool>) -> Seen {
    let mut seen = Seen::default();
    let begun = Instant::now();
    let mut stream = None;
    // spread over the period, as clients that know nothing of each other are
    let mut due = begun + asked.period * number / asked.connections;
    while !ended.load(Ordering::Relaxed) && begun.elapsed() < asked.limit {
        sleep_until(due.into()).await;
        let asking = Instant::now();
        match timeout(PATIENCE, ask(&asked, &mut stream)).await {
            Ok(Ok(answer)) => {
                seen.latencies.push(asking.elapsed());
                let is_waiting = ["<status>Queued<", "<status>Processing<"].iter().any(|word| answer.contains(word));
                if !is_waiting {
                    ended.store(true, Ordering::Relaxed);
                }
            }
            Ok(Err(_)) | Err(_) => {
                seen.lost += 1;
                stream = None;
            }
        }
        due = (due + asked.period).max(Instant::now());
    }
    seen
}

/// One request and its whole answer.
async fn ask(asked: &Asked, stream: &mut Option<TcpStream>) -> io::Result<String> {
    let stream = match stream {
        Some(stream) => stream,
        None => {
            let new = TcpStream::connect(asked.address).await?;
            new.set_nodelay(true)?;
            stream.insert(new)
        }
    };
    stream.write_all(asked.request.as_bytes()).await?;
    let mut answer = Vec::new();
    loop {
        if stream.read_buf(&mut answer).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let text = String::from_utf8_lossy(&answer);
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        if !head.starts_with("HTTP/1.1 200") {
            return Err(io::Error::other(head.to_owned()));
        }
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
        let length: usize = length.and_then(|length| length.trim().parse().ok()).ok_or(io::ErrorKind::InvalidData)?;
        if body.len() >= length {
            return Ok(body.to_owned());
        }
    }
}

fn main() -> ExitCode {
    let Some(asked) = asked() else {
        eprintln!("{USAGE}");
        return ExitCode::FAILURE;
    };
    let asked = Arc::new(asked);
    let ended = Arc::new(AtomicBool::new(false));
    // one thread: the server and its job shall have the rest of the machine
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime can be made");
    let begun = Instant::now();
    let all = runtime.block_on(async {
        let mut polling = JoinSet::new();
        for number in 0..asked.connections {
            polling.spawn(poll(Arc::clone(&asked), number, Arc::clone(&ended)));
        }
        polling.join_all().await
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
        "requests {} seconds {seconds:.3} rate {:.0}/s p50 {:.2} p99 {:.2} max {:.2} lost {lost} ended {}",
        latencies.len(),
        latencies.len() as f64 / seconds,
        at(0.5),
        at(0.99),
        at(1.0),
        if ended.load(Ordering::Relaxed) { "yes" } else { "no" },
    );
    ExitCode::SUCCESS
}
