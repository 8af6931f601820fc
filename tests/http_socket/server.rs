//! A server of its own for a test, and the service behind it.

use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use faceclique::aci::{
    Answer, Client, Code, Envelope, Fault, Health, Media, Outcome, Refused, Reply, Request, Service,
};
use faceclique::http::{self, Settings};
use tempfile::TempDir;
use tokio::sync::oneshot;

use crate::raw::Raw;

const TIME: &str = "13 Jan 21 12:08:31";

/// The longest that anything here is waited for.
pub(crate) const PATIENCE: Duration = Duration::from_mins(1);

/// Waits until it is so.
pub(crate) fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < PATIENCE, "waited too long: {what}");
        std::thread::sleep(Duration::from_millis(2)); // between two looks
    }
}

/// Says what it was asked; some actions go wrong on purpose.
#[derive(Default)]
pub(crate) struct Echo {
    /// Bytes of `stream` answers given to the server.
    pub(crate) written: AtomicU64,
    /// Bytes of them that the client says it has read.
    pub(crate) read: AtomicU64,
    /// How far `written` was ahead of `read` at most.
    pub(crate) lead: AtomicU64,
    /// Whether every client is refused.
    pub(crate) admits_nobody: AtomicBool,
    /// What happened, for tests that wait for it.
    events: Mutex<Option<Sender<String>>>,
    /// `wait` answers when something comes from here.
    gate: Mutex<Option<Receiver<()>>>,
}

impl Echo {
    fn happened(&self, event: impl Into<String>) {
        if let Some(events) = &*self.events.lock().unwrap() {
            let _ = events.send(event.into());
        }
    }

    /// Where it is told what happens.
    pub(crate) fn events(&self) -> Receiver<String> {
        let (sender, receiver) = mpsc::channel();
        *self.events.lock().unwrap() = Some(sender);
        receiver
    }

    /// What lets `wait` go on.
    pub(crate) fn gate(&self) -> Sender<()> {
        let (sender, receiver) = mpsc::channel();
        *self.gate.lock().unwrap() = Some(receiver);
        sender
    }

    fn stream(&self, request: &Request, reply: &mut dyn Reply) -> io::Result<Outcome> {
        let total = request.parameters.integer("bytes", 0..=u64::MAX).unwrap().unwrap();
        let piece = [b'x'; 1000];
        let mut left = total;
        while left > 0 {
            let some = left.min(1000);
            if let Err(error) = reply.write_all(&piece[..usize::try_from(some).unwrap()]) {
                self.happened(format!("write failed: {:?}", error.kind()));
                return Err(error);
            }
            left -= some;
            let written = self.written.fetch_add(some, Ordering::SeqCst) + some;
            self.lead.fetch_max(written.saturating_sub(self.read.load(Ordering::SeqCst)), Ordering::SeqCst);
            if written.is_multiple_of(1_000_000) {
                self.happened(format!("{written} bytes"));
            }
        }
        Ok(Outcome::Success)
    }
}

impl Service for Echo {
    fn admit(&self, _: &Client) -> Result<(), Fault> {
        if self.admits_nobody.load(Ordering::SeqCst) {
            return Err(Fault::new(Code::NotAuthorised, "no role for this address"));
        }
        Ok(())
    }

    fn answer(&self, request: Result<Request, Refused>, client: &Client, reply: &mut dyn Reply) -> io::Result<Outcome> {
        let request = match request {
            Ok(request) => request,
            Err(Refused { action, format, fault }) => {
                return Envelope::new(reply, format).refuse(&action, &fault, TIME);
            }
        };
        match request.action.as_str() {
            "panic" => panic!("on purpose"),
            "panic late" => {
                reply.write_all(&vec![b'x'; 200_000])?;
                panic!("on purpose, late")
            }
            "fail" => return Err(io::Error::other("on purpose")),
            "stream" => return self.stream(&request, reply),
            "trickle" => {
                for word in ["one", "two"] {
                    reply.write_all(word.as_bytes())?;
                    reply.flush()?;
                }
                return Ok(Outcome::Success);
            }
            "client" => {
                let mut answer = Answer::begin(reply, request.format, &request.action)?;
                answer.text("echo", client.bearer.as_deref().unwrap_or("-"))?;
                answer.text("echo", client.identity.as_deref().unwrap_or("-"))?;
                return answer.finish();
            }
            "picture" => {
                reply.declare(Media::Other("image/png".to_owned()));
                reply.write_all(&vec![b'x'; 100_000])?;
                return Ok(Outcome::Success);
            }
            "wait aside" => {
                self.happened("waiting");
                reply.aside(&mut || {
                    let _ = self.gate.lock().unwrap().as_ref().unwrap().recv_timeout(PATIENCE);
                });
            }
            "wait" => {
                self.happened("waiting");
                let _ = self.gate.lock().unwrap().as_ref().unwrap().recv_timeout(PATIENCE);
            }
            _ => {}
        }
        let envelope = Envelope::new(reply, request.format);
        if let Err(fault) = request.parameters.read(|_| Ok(())) {
            return envelope.refuse(&request.action, &fault, TIME);
        }
        let mut answer = envelope.begin(&request.action)?;
        if let Some(entries) = request.parameters.integer("entries", 0..=u64::MAX).unwrap() {
            for entry in 0..entries {
                answer.open("entry")?;
                answer.text("identifier", &format!("\"{entry}\" \\ \u{1F600}"))?;
                answer.close("entry")?;
            }
            return answer.finish();
        }
        answer.open("actions")?;
        for (name, text) in request.parameters.texts() {
            echo(&mut answer, &format!("{name}={text}"))?;
        }
        for (name, uploads) in request.parameters.all_uploads() {
            for upload in uploads {
                let bytes = upload.read_all()?;
                let begin = String::from_utf8_lossy(&bytes[..bytes.len().min(20)]).into_owned();
                echo(&mut answer, &format!("{name}:{}:{begin}", bytes.len()))?;
            }
        }
        answer.close("actions")?;
        answer.finish()
    }

    fn health(&self, _: &Client) -> Health {
        match self.written.load(Ordering::SeqCst) {
            0 => Health::Well,
            _ => Health::Unwell("the worker has stopped".to_owned()),
        }
    }
}

/// What was asked, in a place where elements may repeat (R45).
fn echo(answer: &mut Answer<'_>, text: &str) -> io::Result<()> {
    answer.open("action")?;
    answer.text("echo", text)?;
    answer.close("action")
}

/// A running server.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    pub(crate) service: Arc<Echo>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
    pub(crate) spool: TempDir,
}

impl Server {
    pub(crate) fn start(change: impl FnOnce(&mut Settings)) -> Self {
        Self::start_on("127.0.0.1:0", change)
    }

    fn start_on(listen: &'static str, change: impl FnOnce(&mut Settings)) -> Self {
        let spool = tempfile::tempdir().unwrap();
        let mut settings = Settings { linger_timeout: PATIENCE, ..Settings::default() };
        spool.path().clone_into(&mut settings.limits.spool_directory);
        change(&mut settings);
        let service = Arc::new(Echo::default());
        let serving: Arc<dyn Service> = Arc::<Echo>::clone(&service);
        let (stop, stopped) = oneshot::channel();
        let (address_sender, address) = mpsc::channel();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
            runtime.block_on(async {
                let listener = tokio::net::TcpListener::bind(listen).await.unwrap();
                address_sender.send(listener.local_addr().unwrap()).unwrap();
                let shutdown = async { drop(stopped.await) };
                http::run(listener, serving, settings, shutdown).await.unwrap();
            });
            runtime.shutdown_background();
        });
        Self { address: address.recv().unwrap(), service, stop: Some(stop), thread: Some(thread), spool }
    }

    /// Like [`Server::start`], on every address of the machine.
    pub(crate) fn start_everywhere(change: impl FnOnce(&mut Settings)) -> Self {
        Self::start_on("0.0.0.0:0", change)
    }

    pub(crate) fn connect(&self) -> Raw {
        Raw::connect(self.address)
    }

    /// Asks the server to shut down.
    pub(crate) fn stop(&mut self) {
        drop(self.stop.take());
    }

    /// Waits until it has.
    pub(crate) fn join(&mut self) {
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap();
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop();
        if !std::thread::panicking() {
            self.join();
        }
    }
}

pub(crate) fn server() -> Server {
    Server::start(|_| ())
}
