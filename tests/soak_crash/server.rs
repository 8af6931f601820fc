//! The real program, started, watched and killed, at whatever moment.

use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// The longest that a start may take before it counts as stuck.
pub(crate) const STUCK: Duration = Duration::from_mins(2);

/// A process of the server, which dies with this.
pub(crate) struct Process {
    child: Child,
    pub(crate) born: Instant,
    address: Receiver<SocketAddr>,
    /// Lines of its log that tell of a fault.
    pub(crate) complaints: Arc<Mutex<Vec<String>>>,
}

/// How a start went.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Start {
    Serving(SocketAddr),
    NotYet,
    /// It ended by itself.
    Ended,
}

impl Process {
    pub(crate) fn spawn(data: &Path, config: &Path) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_faceclique"));
        for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("FACECLIQUE_")) {
            command.env_remove(name);
        }
        command.args(["serve", "--listen", "127.0.0.1:0", "--service-listen", "127.0.0.1:0"]);
        command.arg("--data").arg(data).arg("--config").arg(config).stderr(Stdio::piped());
        let born = Instant::now();
        let mut child = command.spawn().unwrap();
        let log = BufReader::new(child.stderr.take().unwrap());
        let (tell, address) = channel();
        let complaints: Arc<Mutex<Vec<String>>> = Arc::default();
        let heard = Arc::clone(&complaints);
        std::thread::spawn(move || {
            for line in log.lines().map_while(Result::ok) {
                if let Some((_, rest)) = line.split_once("serving address=") {
                    let _ = tell.send(rest.split_whitespace().next().unwrap().parse().unwrap()); // nobody may listen now
                }
                if line.contains("ERROR") || line.contains("panicked") || line.starts_with("faceclique: ") {
                    heard.lock().unwrap().push(line);
                }
            }
        });
        Self { child, born, address, complaints }
    }

    /// Waits for it to serve, so long at most.
    pub(crate) fn wait(&self, at_most: Duration) -> Start {
        match self.address.recv_timeout(at_most) {
            Ok(address) => Start::Serving(address),
            Err(RecvTimeoutError::Timeout) => Start::NotYet,
            Err(RecvTimeoutError::Disconnected) => Start::Ended,
        }
    }

    /// Asks it to end, and waits; whether it ended well.
    pub(crate) fn terminate(mut self) -> bool {
        let pid = self.child.id().to_string();
        Command::new("kill").args(["-TERM", &pid]).status().unwrap().success() && self.child.wait().unwrap().success()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill(); // SIGKILL
        let _ = self.child.wait();
    }
}
