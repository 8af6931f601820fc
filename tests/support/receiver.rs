//! A receiver of callbacks: a real listener that keeps what it is told and answers as it was set up to.

#![allow(dead_code, reason = "each test binary uses its part")]

use std::collections::{BTreeMap, VecDeque};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver as Letters, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::net::TcpSocket;
use tokio::runtime::Runtime;

/// The longest that anything here is waited for.
const DEADLINE: Duration = Duration::from_mins(1);

/// A request that was received.
#[derive(Debug)]
pub(crate) struct Letter {
    /// Method and target.
    pub(crate) line: String,
    /// By names in lower case.
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: String,
}

/// An address that nobody else is given, at which nobody listens.
pub(crate) struct Away {
    pub(crate) address: SocketAddr,
    socket: TcpSocket,
}

impl Away {
    pub(crate) fn new() -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        Self { address: socket.local_addr().unwrap(), socket }
    }

    /// Listens there from now on.
    pub(crate) fn comes(self) -> Receiver {
        let runtime = Runtime::new().unwrap();
        let _entered = runtime.enter();
        let listener = self.socket.listen(16).unwrap().into_std().unwrap();
        listener.set_nonblocking(false).unwrap();
        Receiver::on(listener)
    }
}

/// Listens until it is dropped with the test.
pub(crate) struct Receiver {
    pub(crate) address: SocketAddr,
    letters: Letters<Letter>,
    answers: Arc<Mutex<VecDeque<String>>>,
}

impl Receiver {
    fn on(listener: TcpListener) -> Self {
        let address = listener.local_addr().unwrap();
        let (told, letters) = channel();
        let answers = Arc::new(Mutex::new(VecDeque::new()));
        let of_thread = Arc::clone(&answers);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                answer(stream.unwrap(), &told, &of_thread);
            }
        });
        Self { address, letters, answers }
    }

    pub(crate) fn start() -> Self {
        Self::on(TcpListener::bind("127.0.0.1:0").unwrap())
    }

    /// What the next request is answered with that has none yet, such as `500 No\r\n`; further ones with 204. The empty one
    /// is no answer at all.
    pub(crate) fn answers(&self, head: &str) {
        self.answers.lock().unwrap().push_back(head.to_owned());
    }

    /// A URL here.
    pub(crate) fn url(&self) -> String {
        format!("http://{}/told?secret=of-the-receiver", self.address)
    }

    /// Waits for a request.
    pub(crate) fn next(&self) -> Letter {
        self.letters.recv_timeout(DEADLINE).expect("it is told")
    }

    /// Whether nothing has come that was not asked for.
    pub(crate) fn is_idle(&self) -> bool {
        self.letters.try_recv().is_err()
    }
}

fn answer(stream: TcpStream, told: &Sender<Letter>, answers: &Mutex<VecDeque<String>>) {
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    if reader.read_line(&mut line).unwrap_or(0) == 0 {
        return; // it was only connected to
    }
    let mut headers = BTreeMap::new();
    loop {
        let mut header = String::new();
        reader.read_line(&mut header).unwrap();
        let Some((name, value)) = header.split_once(':') else { break };
        headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
    }
    let mut body = vec![0; headers["content-length"].parse().unwrap()];
    reader.read_exact(&mut body).unwrap();
    let letter = Letter { line: line.trim().to_owned(), headers, body: String::from_utf8(body).unwrap() };
    let head = answers.lock().unwrap().pop_front().unwrap_or_else(|| "204 No Content\r\n".to_owned());
    if head.is_empty() {
        let _ = told.send(letter); // nobody listens any more when the test has ended
        let _ = reader.read(&mut [0]); // until the other side has gone
        return;
    }
    let answer = format!("HTTP/1.1 {head}Content-Length: 0\r\nConnection: close\r\n\r\n");
    let _ = reader.into_inner().write_all(answer.as_bytes());
    let _ = told.send(letter);
}
