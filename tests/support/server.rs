//! The real program, started on a data directory and spoken to over a raw socket.

#![allow(dead_code, reason = "each test binary uses its part")]

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// The longest that anything here is waited for.
const DEADLINE: Duration = Duration::from_mins(5);

/// A process that dies with the test, and before it if it has to end and does not.
pub(crate) struct Mortal(pub(crate) Child);

impl Mortal {
    /// Ends it without a word, as a pulled plug does.
    pub(crate) fn kill(mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }

    /// Sends it a signal, such as `-TERM`.
    pub(crate) fn signal(&self, name: &str) {
        assert!(Command::new("kill").args([name, &self.0.id().to_string()]).status().unwrap().success());
    }

    /// Waits until it has ended.
    pub(crate) fn ended(mut self) -> ExitStatus {
        wait_for(|| self.0.try_wait().unwrap().ok_or_else(|| format!("process {} has not ended", self.0.id())))
    }
}

impl Drop for Mortal {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A server at work.
pub(crate) struct Server {
    child: Mortal,
    pub(crate) address: SocketAddr,
    /// What the server has said, line by line.
    said: Arc<Mutex<Vec<String>>>,
}

/// The program with these arguments.
pub(crate) fn program(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_faceclique"));
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("FACECLIQUE_")) {
        command.env_remove(name);
    }
    command.args(arguments);
    command
}

impl Server {
    /// Serves a data directory on a free port.
    pub(crate) fn start(data: &Path) -> Self {
        Self::start_with(data, &[])
    }

    pub(crate) fn start_with(data: &Path, arguments: &[&str]) -> Self {
        let data = data.to_str().unwrap();
        let mut command =
            program(&["serve", "--data", data, "--listen", "127.0.0.1:0", "--service-listen", "127.0.0.1:0"]);
        let mut child = Mortal(command.args(arguments).stderr(Stdio::piped()).spawn().unwrap());
        let log = BufReader::new(child.0.stderr.take().unwrap());
        // all of it is read, or it would fill the pipe and stop the server
        let (tell, serves) = channel();
        let said = Arc::new(Mutex::new(Vec::new()));
        let heard = Arc::clone(&said);
        std::thread::spawn(move || {
            let mut tell = Some(tell);
            for line in log.lines() {
                let line = line.unwrap_or_default();
                let mut heard = heard.lock().unwrap();
                match line.split_once("serving address=").and_then(|(_, rest)| Some((rest, tell.take()?))) {
                    Some((rest, tell)) => {
                        heard.clear();
                        let _ = tell.send(rest.split_whitespace().next().unwrap().parse().unwrap());
                    }
                    None => heard.push(line),
                }
            }
        });
        let address = serves.recv_timeout(DEADLINE);
        let address = address.unwrap_or_else(|why| panic!("it does not serve, {why}: {:#?}", said.lock().unwrap()));
        Self { child, address, said }
    }

    /// A server that was started otherwise, and logs elsewhere.
    pub(crate) fn at(child: Mortal, address: SocketAddr) -> Self {
        Self { child, address, said: Arc::default() }
    }

    /// The lines of the server's log with this text, since it serves.
    pub(crate) fn said(&self, text: &str) -> Vec<String> {
        self.said.lock().unwrap().iter().filter(|line| line.contains(text)).cloned().collect()
    }

    /// The same as soon as there are so many of them: what the server says is heard a moment after it has answered.
    pub(crate) fn has_said(&self, n: usize, text: &str) -> Vec<String> {
        wait_for(|| {
            let lines = self.said(text);
            if lines.len() >= n { Ok(lines) } else { Err(self.said("").join("\n")) }
        })
    }

    /// Ends the process without a word, as a pulled plug does.
    pub(crate) fn kill(self) {
        self.child.kill();
    }

    /// Waits until it has ended by itself.
    pub(crate) fn exit(self) -> ExitStatus {
        self.child.ended()
    }

    /// Asks the process to end, and waits for it.
    pub(crate) fn terminate(self) -> ExitStatus {
        self.child.signal("-TERM");
        self.child.ended()
    }

    /// The peak memory of the process so far, in KiB.
    pub(crate) fn peak_kib(&self) -> u64 {
        self.kib("VmHWM:")
    }

    /// The memory of the process now, in KiB.
    pub(crate) fn resident_kib(&self) -> u64 {
        self.kib("VmRSS:")
    }

    fn kib(&self, name: &str) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.0.id())).unwrap();
        let line = status.lines().find(|line| line.starts_with(name)).unwrap();
        line.split_whitespace().nth(1).unwrap().parse().unwrap()
    }

    /// Sends these bytes and reads until the server closes: head and body, chunks joined.
    pub(crate) fn raw(&self, request: &[u8]) -> (String, Vec<u8>) {
        let mut stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        let _ = stream.write_all(request); // a refused upload is answered before it is sent
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        split(&answer)
    }

    /// The answer to `GET` of this target, as text.
    pub(crate) fn get(&self, target: &str) -> String {
        let request = format!("GET {target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
        let (head, body) = self.raw(request.as_bytes());
        assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
        String::from_utf8(body).unwrap()
    }

    /// How many bytes the answer to `GET` of this target has; they are not kept.
    pub(crate) fn count(&self, target: &str) -> u64 {
        let mut stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        let request = format!("GET {target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).unwrap();
        std::io::copy(&mut stream, &mut std::io::sink()).unwrap()
    }

    /// The answer to a multipart `POST` of these parts: name, Content-Type (none if empty), content.
    pub(crate) fn post(&self, target: &str, parts: &[(&str, &str, &[u8])]) -> String {
        let mut body = Vec::new();
        for (name, kind, content) in parts {
            let mut head = format!("--b\r\nContent-Disposition: form-data; name=\"{name}\"\r\n");
            if !kind.is_empty() {
                write!(head, "Content-Type: {kind}\r\n").unwrap();
            }
            body.extend_from_slice(head.as_bytes());
            body.extend_from_slice(b"\r\n");
            body.extend_from_slice(content);
            body.extend_from_slice(b"\r\n");
        }
        body.extend_from_slice(b"--b--\r\n");
        let head = format!(
            "POST {target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\
             Content-Type: multipart/form-data; boundary=b\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        let (head, body) = self.raw(&[head.as_bytes(), &body].concat());
        assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
        String::from_utf8(body).unwrap()
    }

    /// The token of an asynchronous action.
    pub(crate) fn submit(&self, target: &str) -> String {
        token(&self.get(target))
    }

    /// The token of an import of this content.
    pub(crate) fn submit_import(&self, database: &str, content: &[u8]) -> String {
        token(&self.post(&format!("/action=ImportFaceDatabase&database={database}"), &[("dbdata", "", content)]))
    }

    /// What QueueInfo says of a job now.
    pub(crate) fn status(&self, queue: &str, token: &str) -> String {
        self.get(&format!("/action=QueueInfo&QueueName={queue}&QueueAction=getStatus&Token={token}"))
    }

    /// What QueueInfo says of a job when it has ended.
    pub(crate) fn ended(&self, queue: &str, token: &str) -> String {
        wait_for(|| {
            let answer = self.status(queue, token);
            let waits = ["Queued", "Processing"].iter().any(|word| answer.contains(&format!("<status>{word}<")));
            if waits { Err(answer) } else { Ok(answer) }
        })
    }

    /// Imports this content and expects it to work.
    pub(crate) fn import(&self, database: &str, content: &[u8]) {
        let token = self.submit_import(database, content);
        let answer = self.ended("ImportFaceDatabase", &token);
        assert!(answer.contains("<status>Finished</status>"), "{answer}");
    }

    /// Clusters with these parameters and gives the answer of QueueInfo.
    pub(crate) fn cluster(&self, parameters: &str) -> String {
        let token = self.submit(&format!("/action=FaceClustering&{parameters}"));
        self.ended("FaceClustering", &token)
    }
}

/// Asks again and again until the answer is there; the last one is shown if it never is.
pub(crate) fn wait_for<T>(mut ask: impl FnMut() -> Result<T, String>) -> T {
    let begun = Instant::now();
    loop {
        match ask() {
            Ok(answer) => return answer,
            Err(last) => assert!(begun.elapsed() < DEADLINE, "waited too long; the last answer was {last}"),
        }
        std::thread::sleep(Duration::from_millis(5)); // between two questions
    }
}

/// The token in an answer.
pub(crate) fn token(answer: &str) -> String {
    between(answer, "<token>", "</token>").to_owned()
}

/// The text between two others.
pub(crate) fn between<'a>(text: &'a str, begin: &str, end: &str) -> &'a str {
    let (_, text) = text.split_once(begin).unwrap_or_else(|| panic!("no {begin} in {text}"));
    text.split_once(end).unwrap_or_else(|| panic!("no {end} in {text}")).0
}

/// The clusters in an answer, as their bytes.
pub(crate) fn clusters(answer: &str) -> &str {
    between(answer, "<clusters>", "</clusters>")
}

/// Clusters of images, each `identifier/label`.
pub(crate) type Partition = BTreeSet<BTreeSet<String>>;

/// The partition in an answer of QueueInfo.
pub(crate) fn partition(answer: &str) -> Partition {
    let of = |cluster: &str| {
        let faces = cluster.split("<face>").skip(1);
        faces
            .map(|face| format!("{}/{}", between(face, "<identifier>", "<"), between(face, "<imagelabel>", "<")))
            .collect()
    };
    clusters(answer).split("<cluster>").skip(1).map(of).collect()
}

/// Head and body of an answer.
fn split(answer: &[u8]) -> (String, Vec<u8>) {
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n").unwrap_or_else(|| {
        panic!("no head in {:?}", String::from_utf8_lossy(answer));
    });
    let head = String::from_utf8(answer[..end].to_vec()).unwrap();
    let mut rest = &answer[end + 4..];
    if !head.to_ascii_lowercase().contains("transfer-encoding: chunked") {
        return (head, rest.to_vec());
    }
    let mut body = Vec::new();
    loop {
        let end = rest.windows(2).position(|two| two == b"\r\n").unwrap();
        let size = usize::from_str_radix(std::str::from_utf8(&rest[..end]).unwrap(), 16).unwrap();
        if size == 0 {
            return (head, body);
        }
        body.extend_from_slice(&rest[end + 2..][..size]);
        rest = &rest[end + 2 + size + 2..];
    }
}

/// `answer` with every time and token replaced by its kind.
pub(crate) fn masked(answer: &str) -> String {
    let mut text = answer.to_owned();
    for name in [
        "queued_time",
        "time_in_queue",
        "process_start_time",
        "time_processing",
        "process_end_time",
        "synctime",
        "errortime",
        "token",
    ] {
        let (begin, end) = (format!("<{name}>"), format!("</{name}>"));
        let mut rest = std::mem::take(&mut text);
        while let Some((before, after)) = rest.split_once(&begin) {
            let (_, after) = after.split_once(&end).unwrap();
            write!(text, "{before}<{name}>*</{name}>").unwrap();
            rest = after.to_owned();
        }
        text += &rest;
    }
    text
}
