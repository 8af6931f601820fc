//! A server over a disk that fails on order: the rules of `faults.c`, and a ledger of what was acknowledged.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use crate::server::{Mortal, Server, between, program, wait_for};

/// The library that is preloaded, built once; none where there is no C compiler for it.
fn library() -> Option<&'static Path> {
    static BUILT: OnceLock<Option<PathBuf>> = OnceLock::new();
    let build = || {
        let to = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("faults-{}.so", std::process::id()));
        let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/full_disk/faults.c");
        let mut compiler = Command::new("cc");
        compiler.args(["-O1", "-shared", "-fPIC", "-o"]).arg(&to).args([source, "-ldl"]);
        compiler.status().is_ok_and(|status| status.success()).then_some(to)
    };
    BUILT.get_or_init(build).as_deref()
}

/// The library; none, said loudly, where it cannot be built.
pub(crate) fn library_or_skip() -> Option<&'static Path> {
    let library = library();
    if library.is_none() {
        skipped("no C compiler builds what makes a disk fail");
    }
    library
}

/// Says on the terminal itself that a test could not run.
pub(crate) fn skipped(why: &str) {
    use std::io::Write as _;
    let _ = writeln!(std::io::stderr(), "SKIPPED: {why}"); // not `eprintln!`, which the harness keeps
}

/// A data directory, a folder for exports and a log below one folder, on a disk that fails on order.
pub(crate) struct World {
    folder: tempfile::TempDir,
    server: Option<Server>,
    /// Faces whose making was acknowledged.
    ledger: Vec<String>,
    /// Jobs that were, with their queues.
    jobs: Vec<(&'static str, String)>,
}

impl World {
    /// With a database `a`; none, said loudly, where no library can be built.
    pub(crate) fn new(more: &str) -> Option<Self> {
        library_or_skip()?;
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("out")).unwrap();
        let pack = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/packs/tiny");
        let out = folder.path().join("out");
        let text = format!(
            "[paths]\nallowed_output_directories = ['{}']\n[limits]\nmin_free_space = 0\n[vision]\npack = '{pack}'\n{more}",
            out.display()
        );
        fs::write(folder.path().join("faceclique.toml"), text).unwrap();
        let mut world = Self { folder, server: None, ledger: Vec::new(), jobs: Vec::new() };
        world.start();
        assert!(is_success(&world.get("/action=CreateFaceDatabase&database=a")));
        assert!(world.new_face("first") && world.new_face("second"));
        Some(world)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn out(&self) -> String {
        self.path("out").display().to_string()
    }

    pub(crate) fn start(&mut self) {
        let log = self.path("server.log");
        let [data, config] = ["data", "faceclique.toml"].map(|name| self.path(name).display().to_string());
        let mut command = program(&["serve", "--data", &data, "--config", &config, "--listen", "127.0.0.1:0"]);
        command.args(["--service-listen", "127.0.0.1:0", "--log", "info"]);
        command.env("LD_PRELOAD", library().unwrap()).env("FAULTS", self.path("faults"));
        command.env("FAULTS_ROOT", self.folder.path()).stderr(File::create(&log).unwrap()).stdout(Stdio::null());
        let child = Mortal(command.spawn().unwrap());
        let address = wait_for(|| {
            let said = fs::read_to_string(&log).unwrap_or_default();
            let address = said.split_once("serving address=").and_then(|(_, rest)| rest.split_once(' '));
            address.and_then(|(address, _)| address.parse().ok()).ok_or(said)
        });
        self.server = Some(Server::at(child, address));
    }

    pub(crate) fn server(&self) -> &Server {
        self.server.as_ref().unwrap()
    }

    /// From now on calls fail as these rules say; none is a healthy disk.
    pub(crate) fn fail(&self, rules: &str) {
        fs::write(self.path("faults.new"), format!("{rules}\n")).unwrap();
        fs::rename(self.path("faults.new"), self.path("faults")).unwrap();
    }

    pub(crate) fn get(&self, target: &str) -> String {
        self.server().get(target)
    }

    /// Makes a face in database `a`; it goes into the ledger if that was acknowledged.
    pub(crate) fn new_face(&mut self, name: &str) -> bool {
        let is_made = is_success(&self.get(&format!("/action=NewFace&database=a&identifier={name}")));
        if is_made {
            self.ledger.push(name.to_owned());
        }
        is_made
    }

    /// Notes the token in an answer, if there is one.
    pub(crate) fn note_job(&mut self, queue: &'static str, answer: &str) -> Option<String> {
        let token = is_success(answer).then(|| between(answer, "<token>", "<").to_owned())?;
        self.jobs.push((queue, token.clone()));
        Some(token)
    }

    /// What `/health` says: the status and the line.
    pub(crate) fn health(&self) -> (u16, String) {
        let (head, body) = self.server().raw(b"GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
        (head[9..12].parse().unwrap(), String::from_utf8(body).unwrap())
    }

    /// The disk is well again; returns when the server is, and has shown that by a change.
    pub(crate) fn mend(&self) {
        self.fail("");
        let mut trials = 0;
        wait_for(|| {
            trials += 1;
            let target = format!("/action=NewFace&database=a&identifier=trial{trials}-{}", self.ledger.len());
            let (made, (status, line)) = (self.get(&target), self.health());
            if is_success(&made) && status == 200 { Ok(()) } else { Err(format!("{line}: {made}")) }
        });
    }

    /// A pulled plug, and a start.
    pub(crate) fn kill_and_start(&mut self) {
        self.server.take().unwrap().kill();
        self.start();
    }

    /// The exit code of a server that ends by itself.
    pub(crate) fn exit_code(&mut self) -> Option<i32> {
        self.server.take().unwrap().exit().code()
    }

    /// Everything that was acknowledged is there; jobs come to an end.
    pub(crate) fn audit(&self, when: &str) {
        let list = self.get("/action=ListFaces&database=a&maxresults=1000");
        for face in &self.ledger {
            assert!(list.contains(&format!("<identifier>{face}</identifier>")), "{when}: {face} is lost: {list}");
        }
        for (queue, token) in &self.jobs {
            let answer = self.server().ended(queue, token);
            assert!(
                ["Finished", "Error"].iter().any(|end| answer.contains(&format!("<status>{end}<"))),
                "{when}: {answer}"
            );
        }
    }

    /// Jobs noted so far need not be there any more.
    pub(crate) fn forget_jobs(&mut self) {
        self.jobs.clear();
    }

    /// A figure of `/metrics`.
    pub(crate) fn figure(&self, name: &str) -> f64 {
        let page = self.get("/metrics");
        let line = page.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.unwrap_or_else(|| panic!("no {name} in {page}")).parse().unwrap()
    }

    /// What `work` comes to, which waits for a sync: nothing is said of it for as long as that hangs, and polls of a job are
    /// answered meanwhile.
    pub(crate) fn polled_during<T: Send>(&self, target: &str, work: impl FnOnce() -> T + Send) -> T {
        self.fail("sync hangs 0 -");
        std::thread::scope(|scope| {
            let working = scope.spawn(work);
            for _ in 0..200 {
                assert!(is_success(&self.get(target)));
            }
            let is_over = working.is_finished();
            self.fail("");
            assert!(!is_over, "it does not wait for its sync");
            working.join().unwrap()
        })
    }
}

pub(crate) fn is_success(answer: &str) -> bool {
    answer.contains("<response>SUCCESS</response>")
}

/// Why a request or a job failed, in short, or that it did not.
pub(crate) fn outcome(answer: &str) -> String {
    for name in ["errordescription", "error"] {
        if let Some((_, rest)) = answer.split_once(&format!("<{name}>")) {
            let text = rest.split('<').next().unwrap();
            return text.chars().take(60).collect();
        }
    }
    match answer.split_once("<status>") {
        Some((_, rest)) => rest.split('<').next().unwrap().to_owned(),
        None => "success".to_owned(),
    }
}
