//! The real program as a child, watched: its memory, what it says, whether it lives.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// Small limits, so that they are met.
const SETTINGS: &str = r#"
[server]
utc = true
max_connections = 200
max_header_size = 16384
header_timeout = 3
body_timeout = 3
linger_timeout = 3
[jobs]
maximum_threads = 2
max_queue_size = 30
max_ended_jobs = 30
max_waiting = 8
max_job_memory = 67108864
max_result_size = 1048576
cache_size = 16777216
[limits]
max_input_string = 2000
max_file_upload_size = 100000
max_request_size = 1000000
max_parts = 200
max_request_text = 100000
max_image_pixels = 1000000
[[models]]
name = "tiny"
dimension = 4
knots = [[-1, 0], [0.4, 50], [1, 100]]
"#;

/// A server at work.
#[derive(Debug)]
pub(crate) struct Server {
    child: Mutex<Child>,
    pid: u32,
    /// The ACI port and the service port.
    pub(crate) ports: [SocketAddr; 2],
    /// Lines of its log that no input should bring about.
    complaints: Arc<Mutex<Vec<String>>>,
}

impl Server {
    /// Serves a data directory below `folder`.
    pub(crate) fn start(folder: &Path) -> Self {
        let config = folder.join("soak.toml");
        let paths = format!(
            "[paths]\ndata = \"{}\"\nallowed_input_directories = [\"{}\"]\nallowed_output_directories = [\"{}\"]\n",
            folder.join("data").display(),
            folder.join("inputs").display(),
            folder.join("exports").display()
        );
        fs::write(&config, format!("{paths}{SETTINGS}")).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_faceclique"));
        for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("FACECLIQUE_")) {
            command.env_remove(name);
        }
        command.args(["serve", "--listen", "127.0.0.1:0", "--service-listen", "127.0.0.1:0", "--config"]).arg(config);
        let mut child = command.stdin(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let mut log = BufReader::new(child.stderr.take().unwrap());
        let mut seen = String::new();
        let mut address = |key: &str| {
            loop {
                let begin = seen.len();
                assert!(log.read_line(&mut seen).unwrap() > 0, "the server has ended: {seen}");
                if let Some((_, rest)) = seen[begin..].split_once(key) {
                    return rest.split_whitespace().next().unwrap().parse().unwrap();
                }
            }
        };
        let ports = [address("serving address="), address("service=")];
        let complaints = Arc::new(Mutex::new(Vec::new()));
        let heard = Arc::clone(&complaints);
        std::thread::spawn(move || {
            for line in log.split(b'\n').map_while(Result::ok) {
                let mut heard = heard.lock().unwrap();
                if let Some(why) = complaint(&line)
                    && heard.len() < 100
                {
                    heard.push(format!("{why}: {}", line.escape_ascii()));
                }
            }
        });
        let pid = child.id();
        Self { child: Mutex::new(child), pid, ports, complaints }
    }

    pub(crate) fn complaints(&self) -> Vec<String> {
        self.complaints.lock().unwrap().clone()
    }

    pub(crate) fn is_alive(&self) -> bool {
        self.child.lock().unwrap().try_wait().unwrap().is_none()
    }

    /// Its memory now, in KiB.
    pub(crate) fn memory(&self) -> u64 {
        let Ok(status) = fs::read_to_string(format!("/proc/{}/status", self.pid)) else { return 0 };
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or(0)
    }

    /// The answer to a clean request, head and body, or why there is none.
    pub(crate) fn get(&self, target: &str) -> Result<String, String> {
        let ask = || {
            let mut stream = TcpStream::connect(self.ports[0])?;
            stream.set_read_timeout(Some(Duration::from_secs(30)))?;
            let request = format!("GET {target} HTTP/1.0\r\nHost: localhost\r\n\r\n");
            stream.write_all(request.as_bytes())?;
            let mut answer = Vec::new();
            stream.read_to_end(&mut answer)?;
            Ok(answer)
        };
        let answer = ask().map_err(|error: std::io::Error| format!("GET {target}: {error}"))?;
        String::from_utf8(answer).map_err(|error| format!("GET {target}: {error}"))
    }
}

/// Why a line of the log should not be there.
fn complaint(line: &[u8]) -> Option<&'static str> {
    let text = String::from_utf8_lossy(line);
    let begins_with_a_date = line.len() > 20 && line[..4].iter().all(u8::is_ascii_digit) && line[4] == b'-';
    if text.contains("panicked at") {
        Some("a panic")
    } else if text.chars().any(char::is_control) {
        Some("a control character in the log")
    } else if text.split_whitespace().nth(1) == Some("ERROR") {
        Some("an error in the log")
    } else if !begins_with_a_date {
        Some("a line that the log did not begin")
    } else {
        None
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Ok(mut child) = self.child.lock() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}
