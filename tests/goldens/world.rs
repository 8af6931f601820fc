//! The world in which every golden request is made: the four faces of the contract's example, clustered.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use faceclique::aci::actions::{Actions, Facts, ServicePort, Setting};
use faceclique::engine::{Engine, Settings, worker};
use faceclique::http;
use jiff::tz::TimeZone;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// A picture of one pixel, in base64.
const BITMAP: &str = "Qk06AAAAAAAAADYAAAAoAAAAAQAAAAEAAAABABgAAAAAAAQAAAATCwAAEwsAAAAAAAAAAAAAICAgAA==";

/// Where examples have files written; in the world it is a folder of its own.
const EXPORTS: &str = "/srv/exports";

/// A server at work on a data directory of its own.
pub(crate) struct World {
    pub(crate) address: SocketAddr,
    pub(crate) service: SocketAddr,
    /// The token of the finished FaceClustering.
    pub(crate) token: String,
    stop: Option<watch::Sender<()>>,
    ends: Vec<JoinHandle<()>>,
    runtime: Runtime,
    folder: TempDir,
}

impl World {
    /// With the database `people`, and one finished clustering of it.
    pub(crate) fn new() -> Self {
        let mut world = Self::empty(|_| {});
        let people = fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/people.jsonl")).unwrap();
        let body =
            [b"--b\r\nContent-Disposition: form-data; name=\"dbdata\"\r\n\r\n".as_slice(), &people, b"\r\n--b--\r\n"]
                .concat();
        let head = format!(
            "POST /action=ImportFaceDatabase&database=people HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\
             Content-Type: multipart/form-data; boundary=b\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        let answer = text(&world.send(&[head.as_bytes(), &body].concat()));
        world.finish("ImportFaceDatabase", &between(&answer, "<token>", "</token>"));
        let answer = world.get("/action=FaceClustering&database=people");
        world.token = between(&answer, "<token>", "</token>");
        world.finish("FaceClustering", &world.token);
        world.get("/action=CreateFaceDatabase&database=staff");
        world.get("/action=AddFaceMetadata&database=people&identifier=SeanConnery&key=note&value=actor");
        world.get(&format!(
            "/action=AddFaceImages&database=people&identifier=JohnSmith&imagelabels=E&imagedata={BITMAP}"
        ));
        world
    }

    /// Without any database; the settings may be changed.
    pub(crate) fn empty(change: impl FnOnce(&mut Settings)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut settings = Settings::new(folder.path().join("data"));
        let exports = folder.path().join("exports");
        fs::create_dir(&exports).unwrap();
        settings.allowed_output = vec![exports];
        change(&mut settings);
        let limits =
            faceclique::aci::Limits { spool_directory: settings.spool_folder(), ..faceclique::aci::Limits::default() };
        let engine = Engine::open(settings).unwrap();
        let runtime = Runtime::new().unwrap();
        let (stop, stopping) = watch::channel(());
        let stopped = |mut stopping: watch::Receiver<()>| async move {
            let _ = stopping.changed().await;
        };
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let address = listener.local_addr().unwrap();
        let service_listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let service = service_listener.local_addr().unwrap();
        let listen = Setting {
            section: "server".to_owned(),
            name: "listen".to_owned(),
            value: "127.0.0.1:14000".to_owned(),
            source: "default".to_owned(),
        };
        let facts = Facts { service: Some(service), settings: vec![listen], ..Facts::now(address, None, 256) };
        let actions = Arc::new(Actions::new(Arc::clone(&engine), facts, TimeZone::UTC).stopped_by(|| {}));
        let worker = runtime.spawn(worker::run(engine, stopped(stopping.clone())));
        let settings = http::Settings { limits, ..http::Settings::default() };
        let port = Arc::new(ServicePort::new(Arc::clone(&actions)));
        let server = http::run(listener, actions, settings.clone(), stopped(stopping.clone()));
        let service_server = http::run(service_listener, port, settings, stopped(stopping));
        let ends = vec![
            worker,
            runtime.spawn(async move { server.await.unwrap() }),
            runtime.spawn(async move { service_server.await.unwrap() }),
        ];
        Self { address, service, token: String::new(), stop: Some(stop), ends, runtime, folder }
    }

    /// The whole answer to these bytes on the ACI port.
    pub(crate) fn send(&self, request: &[u8]) -> Vec<u8> {
        Self::send_to(self.address, request)
    }

    /// The whole answer to these bytes.
    pub(crate) fn send_to(port: SocketAddr, request: &[u8]) -> Vec<u8> {
        let mut stream = TcpStream::connect(port).unwrap();
        stream.set_read_timeout(Some(Duration::from_mins(1))).unwrap();
        stream.write_all(request).unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        answer
    }

    /// The target as it is in this world: `{token}` is that of the clustering.
    pub(crate) fn here(&self, target: &str) -> String {
        let exports = self.folder.path().join("exports");
        target.replace("{token}", &self.token).replace(EXPORTS, exports.to_str().unwrap())
    }

    /// The whole answer to a `GET` of this target.
    pub(crate) fn get(&self, target: &str) -> String {
        text(&self.send(get(&self.here(target)).as_bytes()))
    }

    /// Waits until a job has ended.
    pub(crate) fn finish(&self, queue: &str, token: &str) {
        let target = format!("/action=QueueInfo&queuename={queue}&queueaction=progress&token={token}");
        loop {
            let answer = self.get(&target);
            if !["<status>Queued<", "<status>Processing<"].iter().any(|waiting| answer.contains(waiting)) {
                return;
            }
            std::thread::sleep(Duration::from_millis(2)); // between two polls
        }
    }
}

impl Drop for World {
    fn drop(&mut self) {
        drop(self.stop.take());
        for end in self.ends.drain(..) {
            let _ = self.runtime.block_on(end);
        }
    }
}

/// A request for a target.
pub(crate) fn get(target: &str) -> String {
    format!("GET {target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
}

pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// The text between two others.
pub(crate) fn between(text: &str, begin: &str, end: &str) -> String {
    let (_, text) = text.split_once(begin).unwrap_or_else(|| panic!("no {begin} in {text}"));
    text.split_once(end).unwrap_or_else(|| panic!("no {end} in {text}")).0.to_owned()
}
