//! What the service manager is told (systemd, `Type=notify`): that the server serves, that it is alive, that it stops.
//!
//! **Why.** So that a unit counts as started when its ports answer, and a server whose runtime hangs is restarted. It
//! is a datagram to the socket that `NOTIFY_SOCKET` names; without that variable nothing is sent.

use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::sync::Arc;
use std::time::Duration;

use tracing::{debug, warn};

use crate::engine::Engine;

/// A service manager, if there is one.
#[derive(Debug, Clone)]
pub(super) struct Notify {
    to: Option<SocketAddr>,
    /// How often it wants to hear that the server is alive, at least.
    watchdog: Option<Duration>,
}

impl Notify {
    /// As the environment says.
    pub(super) fn of_environment() -> Self {
        let socket = std::env::var_os("NOTIFY_SOCKET").filter(|name| !name.is_empty());
        let to = socket.and_then(|name| {
            address(&name).inspect_err(|error| warn!(%error, "the service manager cannot be told anything")).ok()
        });
        let watchdog = std::env::var("WATCHDOG_USEC").ok().and_then(|text| text.parse().ok());
        // meant for another process of the unit, if it names one
        let is_meant = std::env::var("WATCHDOG_PID").ok().is_none_or(|pid| pid == std::process::id().to_string());
        Self { to, watchdog: watchdog.filter(|&micros| is_meant && micros > 0).map(Duration::from_micros) }
    }

    /// Sends a word such as `READY=1`.
    pub(super) fn tell(&self, word: &str) {
        let Some(to) = &self.to else { return };
        match UnixDatagram::unbound().and_then(|socket| socket.send_to_addr(word.as_bytes(), to)) {
            Ok(_) => debug!(word, "the service manager is told"),
            Err(error) => warn!(%error, word, "the service manager cannot be told"),
        }
    }

    /// Says twice in each interval that the server is alive, for as long as there is a worker.
    pub(super) async fn keep_alive(self, engine: Arc<Engine>) {
        let Some(interval) = self.watchdog else { return };
        loop {
            tokio::time::sleep(interval / 2).await;
            if engine.is_worked() {
                self.tell("WATCHDOG=1");
            }
        }
    }
}

/// A path, or an abstract name where it begins with `@`.
fn address(name: &OsStr) -> io::Result<SocketAddr> {
    #[cfg(target_os = "linux")]
    if let Some(name) = name.as_bytes().strip_prefix(b"@") {
        use std::os::linux::net::SocketAddrExt as _;
        return SocketAddr::from_abstract_name(name);
    }
    SocketAddr::from_pathname(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_reaches_the_socket_and_without_one_nothing_happens() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        let manager = UnixDatagram::bind(&path).unwrap();
        Notify { to: None, watchdog: None }.tell("READY=1");
        Notify { to: Some(address(path.as_os_str()).unwrap()), watchdog: None }.tell("STOPPING=1");
        let mut word = [0; 32];
        let n = manager.recv(&mut word).unwrap();
        assert_eq!(&word[..n], b"STOPPING=1");
    }
}
