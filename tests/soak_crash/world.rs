//! What the killer and the clients share: where the server is, and what was found to be wrong.

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::{Condvar, Mutex};
use std::time::{Duration, Instant};

/// Longer than any request may take.
const PATIENCE: Duration = Duration::from_mins(2);

/// Ways in which a promise is broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Broken {
    Lost,
    Second,
    Differs,
    Faces,
    Files,
    Stuck,
    Server,
}

impl Broken {
    pub(crate) const ALL: [(Self, &'static str); 7] = [
        (Self::Lost, "acknowledged jobs lost, or an acknowledged wish about one"),
        (Self::Second, "jobs run to a second result"),
        (Self::Differs, "results that differ"),
        (Self::Faces, "faces or images lost, halved or invented"),
        (Self::Files, "files that are nobody's"),
        (Self::Stuck, "jobs or servers stuck"),
        (Self::Server, "faults in the server's log, unexpected answers"),
    ];
}

/// The server went away in the middle of a request: whether it was done is not known.
#[derive(Debug)]
pub(crate) struct Gone;

/// Where the server is, counted by its starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    /// It is being killed or started.
    Down,
    Up(u64, SocketAddr),
    /// It will not be killed any more.
    Last(u64, SocketAddr),
    /// It does not start any more.
    Over,
}

pub(crate) struct World {
    phase: Mutex<Phase>,
    changed: Condvar,
    faults: Mutex<BTreeMap<Broken, Vec<String>>>,
    counts: Mutex<BTreeMap<&'static str, u64>>,
}

impl World {
    pub(crate) fn new() -> Self {
        let (phase, changed) = (Mutex::new(Phase::Down), Condvar::new());
        Self { phase, changed, faults: Mutex::default(), counts: Mutex::default() }
    }

    pub(crate) fn tell(&self, phase: Phase) {
        *self.phase.lock().unwrap() = phase;
        self.changed.notify_all();
    }

    /// Waits until there is a server: its start, its address, and whether it will not be killed any more. None if
    /// there will be no other.
    pub(crate) fn server(&self) -> Option<(u64, SocketAddr, bool)> {
        let mut phase = self.phase.lock().unwrap();
        loop {
            match *phase {
                Phase::Down => phase = self.changed.wait(phase).unwrap(),
                Phase::Up(start, address) => return Some((start, address, false)),
                Phase::Over => return None,
                Phase::Last(start, address) => return Some((start, address, true)),
            }
        }
    }

    /// Waits until the server of that start is gone.
    pub(crate) fn leave(&self, start: u64) {
        let is_up = |phase: &mut Phase| matches!(phase, Phase::Up(up, _) if *up == start);
        drop(self.changed.wait_while(self.phase.lock().unwrap(), is_up).unwrap());
    }

    pub(crate) fn fault(&self, kind: Broken, text: String) {
        self.faults.lock().unwrap().entry(kind).or_default().push(text);
    }

    pub(crate) fn faults(&self, kind: Broken) -> Vec<String> {
        self.faults.lock().unwrap().get(&kind).cloned().unwrap_or_default()
    }

    pub(crate) fn count(&self, what: &'static str) {
        *self.counts.lock().unwrap().entry(what).or_default() += 1;
    }

    pub(crate) fn counts(&self) -> BTreeMap<&'static str, u64> {
        self.counts.lock().unwrap().clone()
    }
}

/// The answer to a request, unless the server goes away before all of it is there.
pub(crate) fn ask(address: SocketAddr, request: &[u8]) -> Result<String, Gone> {
    let gone = |_| Gone;
    let begun = Instant::now();
    let mut stream = TcpStream::connect(address).map_err(gone)?;
    stream.set_read_timeout(Some(PATIENCE)).map_err(gone)?;
    stream.write_all(request).map_err(gone)?;
    let mut answer = Vec::new();
    let read = stream.read_to_end(&mut answer);
    assert!(begun.elapsed() < PATIENCE, "a request is not answered in {PATIENCE:?}");
    read.map_err(gone)?;
    let text = String::from_utf8(answer).map_err(|_| Gone)?;
    let body = text.split_once("\r\n\r\n").map(|(_, body)| body.to_owned());
    body.filter(|body| body.ends_with("</autnresponse>")).ok_or(Gone)
}

/// `GET`, in the version of HTTP whose answers end with the connection.
pub(crate) fn get(address: SocketAddr, target: &str) -> Result<String, Gone> {
    ask(address, format!("GET /action={target} HTTP/1.0\r\nHost: localhost\r\n\r\n").as_bytes())
}

/// `POST` of parts under one name.
pub(crate) fn post(address: SocketAddr, target: &str, name: &str, parts: &[&[u8]]) -> Result<String, Gone> {
    let mut body = Vec::new();
    for part in parts {
        body.extend(format!("--b\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n").into_bytes());
        body.extend_from_slice(part);
        body.extend(b"\r\n");
    }
    body.extend(b"--b--\r\n");
    let kind = "Content-Type: multipart/form-data; boundary=b";
    let head = format!(
        "POST /action={target} HTTP/1.0\r\nHost: localhost\r\n{kind}\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    ask(address, &[head.as_bytes(), &body].concat())
}

/// The text between two others, if it is there.
pub(crate) fn between<'a>(text: &'a str, begin: &str, end: &str) -> Option<&'a str> {
    Some(text.split_once(begin)?.1.split_once(end)?.0)
}

/// What an element holds.
pub(crate) fn element<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    between(text, &format!("<{name}>"), &format!("</{name}>"))
}

pub(crate) fn is_success(answer: &str) -> bool {
    answer.contains("<response>SUCCESS</response>")
}

/// The number of the error in an answer: of `FACECLIQUEQUEUEINFO51` it is 51.
pub(crate) fn error(answer: &str) -> Option<u32> {
    let digits: String = element(answer, "errorid")?.chars().filter(char::is_ascii_digit).collect();
    digits.parse().ok()
}
