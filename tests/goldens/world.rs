//! The world in which every golden request is made: the four faces of the contract's example, clustered.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use faceclique::aci::Limits;
use faceclique::aci::access::{Access, Reach};
use faceclique::aci::actions::{Actions, Facts, ServicePort, Setting};
use faceclique::engine::{Clock, Engine, Settings, SystemClock, worker};
use faceclique::http;
use faceclique::store::{Disk, Store};
use flate2::read::GzDecoder;
use jiff::tz::TimeZone;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::masked::TOKEN;
use crate::trainer::OfBitmaps;

/// A picture of one pixel, in base64.
pub(crate) const BITMAP: &str = "Qk06AAAAAAAAADYAAAAoAAAAAQAAAAEAAAABABgAAAAAAAQAAAATCwAAEwsAAAAAAAAAAAAAICAgAA==";

/// No picture at all, in base64.
pub(crate) const NO_PICTURE: &str = "bm90IGEgcGljdHVyZQ==";

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

/// What may be different in a world.
pub(crate) struct Setup {
    pub(crate) settings: Settings,
    pub(crate) limits: Limits,
    pub(crate) access: Access,
    /// Where it keeps things; by default in a store of its own on the disk.
    pub(crate) store: Option<Arc<dyn Store>>,
    pub(crate) clock: Arc<dyn Clock>,
}

impl Setup {
    fn new(folder: &Path) -> Self {
        let mut settings = Settings::new(folder.join("data"));
        let exports = folder.join("exports");
        fs::create_dir(&exports).unwrap();
        settings.allowed_output = vec![exports.clone()];
        settings.allowed_input = vec![exports];
        settings.trainer = Some(Arc::new(OfBitmaps::new()));
        let limits = Limits { spool_directory: settings.spool_folder(), ..Limits::default() };
        let access = Access::by_default(Reach::Loopback, None);
        Self { settings, limits, access, store: None, clock: Arc::new(SystemClock) }
    }

    fn engine(self) -> Arc<Engine> {
        let Self { settings, store, clock, .. } = self;
        let store = store.unwrap_or_else(|| Arc::new(Disk::open(&settings.data, settings.cache).unwrap()));
        Engine::with(store, clock, settings).unwrap()
    }
}

impl World {
    /// With the database `people`, and one finished clustering of it.
    pub(crate) fn new() -> Self {
        let mut world = Self::people(|_| {});
        let answer = world.get("/action=FaceClustering&database=people");
        world.token = between(&answer, "<token>", "</token>");
        world.finish("FaceClustering", &world.token);
        world.get("/action=CreateFaceDatabase&database=staff");
        world.get("/action=AddFaceMetadata&database=people&identifier=SeanConnery&key=note&value=actor");
        world.get(&format!(
            "/action=AddFaceImages&database=people&identifier=JohnSmith&imagelabels=E&imagedata={BITMAP}"
        ));
        world.get("/action=AddDecision&decision=labelright&database=people&identifier=JamesBond&imagelabel=A");
        // set aside and brought back: two changes, and all is as before
        world.get("/action=SetAsideFaceImages&database=people&identifier=JohnSmith&imagelabels=E");
        world.get("/action=UndoChange&id=2");
        world
    }

    /// With one finished clustering with an audit, of people one image of whom is under a wrong identifier, and one of whom
    /// is there twice.
    pub(crate) fn audited() -> Self {
        let rows: String =
            ["A", "B", "C"].iter().enumerate().map(|(at, label)| row_of("SeanConnery", label, 0, at)).collect();
        let rows = rows
            + &["A", "B"].iter().enumerate().map(|(at, label)| row_of("JamesBond", label, 1, at)).collect::<String>()
            + &row_of("JamesBond", "C", 0, 3)
            + &row_of("JohnSmith", "D", 2, 0)
            + &row_of("SmithJohn", "D", 2, 0);
        Self::audited_of(&rows, |_| {})
    }

    /// The same of these rows; the setup may be changed.
    pub(crate) fn audited_of(rows: &str, change: impl FnOnce(&mut Setup)) -> Self {
        let mut world = Self::empty(change);
        let answer = text(&world.send(upload("/action=ImportFaceDatabase&database=people", "dbdata", rows).as_bytes()));
        world.finish("ImportFaceDatabase", &between(&answer, "<token>", "</token>"));
        let answer = world.get("/action=FaceClustering&database=people&clusterthreshold=75&audit=true");
        world.token = between(&answer, "<token>", "</token>");
        world.finish("FaceClustering", &world.token);
        world
    }

    /// With the four faces in the database `people`; the setup may be changed.
    pub(crate) fn people(change: impl FnOnce(&mut Setup)) -> Self {
        let world = Self::empty(change);
        let people = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/people.jsonl")).unwrap();
        let request = upload("/action=ImportFaceDatabase&database=people", "dbdata", &people);
        let answer = text(&world.send(request.as_bytes()));
        world.finish("ImportFaceDatabase", &between(&answer, "<token>", "</token>"));
        world
    }

    /// Without any database; the setup may be changed.
    pub(crate) fn empty(change: impl FnOnce(&mut Setup)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut setup = Setup::new(folder.path());
        change(&mut setup);
        let (limits, access) = (setup.limits.clone(), setup.access.clone());
        let engine = setup.engine();
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
        let actions = Actions::new(Arc::clone(&engine), facts, TimeZone::UTC).allowing(access).stopped_by(|| {});
        let actions = Arc::new(actions);
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

    /// Tells the server to stop, and does not wait until it has.
    pub(crate) fn stop(&mut self) {
        drop(self.stop.take());
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

    /// The target as it is in this world: the token is that of the clustering.
    pub(crate) fn here(&self, target: &str) -> String {
        let exports = self.folder.path().join("exports");
        target.replace("{token}", &self.token).replace(TOKEN, &self.token).replace(EXPORTS, exports.to_str().unwrap())
    }

    /// The answer to a request as written for any world, and as any world would give it.
    pub(crate) fn ask(&self, request: &str) -> String {
        self.ask_on(self.address, request)
    }

    /// The same of a port.
    pub(crate) fn ask_on(&self, port: SocketAddr, request: &str) -> String {
        self.anywhere(&String::from_utf8_lossy(&Self::send_to(port, self.here(request).as_bytes())))
    }

    /// The answer, unpacked, to a request whose client may want the connection to go on; if so, it can be used again.
    pub(crate) fn converse(&self, request: &str) -> String {
        let mut stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(Duration::from_mins(1))).unwrap();
        stream.write_all(self.here(request).as_bytes()).unwrap();
        let mut reader = BufReader::new(stream);
        let mut answer = String::new();
        while !answer.ends_with("\r\n\r\n") {
            assert!(reader.read_line(&mut answer).unwrap() > 0, "the connection ended: {answer}");
        }
        let is_closed = answer.contains("connection: close");
        let mut body = vec![0; between(&answer, "content-length: ", "\r\n").parse().unwrap()];
        reader.read_exact(&mut body).unwrap();
        if answer.contains("content-encoding: gzip") {
            GzDecoder::new(&*body).read_to_string(&mut answer).unwrap();
        } else {
            answer += &text(&body);
        }
        if !is_closed {
            reader.get_mut().write_all(get("/a=getpid").as_bytes()).unwrap();
        }
        let mut rest = String::new();
        reader.read_to_string(&mut rest).unwrap();
        assert_eq!(rest.contains("<response>SUCCESS</response>"), !is_closed, "{rest}");
        self.anywhere(&answer)
    }

    /// An answer of this world as any would give it.
    pub(crate) fn anywhere(&self, answer: &str) -> String {
        answer.replace(self.folder.path().join("exports").to_str().unwrap(), EXPORTS)
    }

    /// The whole answer to a `GET` of this target.
    pub(crate) fn get(&self, target: &str) -> String {
        text(&self.send(get(&self.here(target)).as_bytes()))
    }

    /// Waits until a job has ended.
    pub(crate) fn finish(&self, queue: &str, token: &str) {
        self.watch(queue, token, |answer| {
            !["<status>Queued<", "<status>Processing<"].iter().any(|waiting| answer.contains(waiting))
        });
    }

    /// Waits until a job has this status.
    pub(crate) fn reaches(&self, queue: &str, token: &str, status: &str) {
        self.watch(queue, token, |answer| answer.contains(&format!("<status>{status}<")));
    }

    fn watch(&self, queue: &str, token: &str, is_there: impl Fn(&str) -> bool) {
        let target = format!("/action=QueueInfo&queuename={queue}&queueaction=progress&token={token}");
        wait_for(|| is_there(&self.get(&target)).then_some(()));
    }

    /// The token of the one job of a queue, as soon as there is one.
    pub(crate) fn waiting_job(&self, queue: &str) -> String {
        let target = format!("/action=QueueInfo&queuename={queue}&queueaction=getStatus");
        wait_for(|| {
            let answer = self.get(&target);
            answer.contains("<token>").then(|| between(&answer, "<token>", "</token>"))
        })
    }
}

/// A row of a file to import: an image near one of three directions, beside it by one of five ways.
pub(crate) fn row_of(identifier: &str, label: &str, direction: usize, mixed: usize) -> String {
    let mut numbers = [0.0; 8];
    (numbers[direction], numbers[3 + mixed]) = (1.0, 0.4);
    let numbers = numbers.map(|number: f64| number.to_string()).join(",");
    format!("{{\"identifier\":\"{identifier}\",\"imagelabel\":\"{label}\",\"embedding\":[{numbers}]}}\n")
}

/// Asks again and again until there is an answer.
fn wait_for<T>(ask: impl Fn() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(begun.elapsed() < Duration::from_mins(1), "waited too long");
        std::thread::sleep(Duration::from_millis(2)); // between two questions
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

/// A request that uploads `content` as the part `name`.
pub(crate) fn upload(target: &str, name: &str, content: &str) -> String {
    let body = format!("--b\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{content}\r\n--b--\r\n");
    format!(
        "POST {target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\
         Content-Type: multipart/form-data; boundary=b\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// The text between two others.
pub(crate) fn between(text: &str, begin: &str, end: &str) -> String {
    let (_, text) = text.split_once(begin).unwrap_or_else(|| panic!("no {begin} in {text}"));
    text.split_once(end).unwrap_or_else(|| panic!("no {end} in {text}")).0.to_owned()
}
