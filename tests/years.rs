//! Years of work in minutes: neither the disk nor the memory grows with the jobs and databases that were.
//!
//! A moment in `cargo test`, as long as it takes with `make soak-years`; `YEARS_JOBS`, `YEARS_CYCLES` and `YEARS_FACES` say
//! how much. A line for each twentieth is printed and, with `YEARS_CSV`, written into that file.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use faceclique::engine::{ClusterTask, Engine, ImportRequest, Input, OnError, Settings, Task, Ticket, Waited, worker};
use faceclique::exchange::Format;
use faceclique::face::DatabaseName;
use faceclique::job::{Queue, Retention, Token};

/// What the store may take on the disk at the end: what is left alone, and as much again.
const MOST_DISK: u64 = 128 << 20;
/// What memory may grow by between a tenth of the work and its end, in KiB.
const MOST_GROWTH: u64 = 64 << 10;

fn said(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().map_or(default, |text| text.parse().unwrap_or_else(|_| panic!("{name}={text}")))
}

/// Resident memory of this process, in KiB.
fn memory() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// An engine with its worker at work.
struct World {
    engine: Arc<Engine>,
    stop: Arc<tokio::sync::Notify>,
    worker: Option<thread::JoinHandle<()>>,
    begun: Instant,
    lines: String,
    warm: u64,
}

impl World {
    fn open(folder: &Path) -> Self {
        let mut settings = Settings::new(folder);
        settings.retention = Retention { age: Duration::MAX, count: 1_000 };
        let engine = Engine::open(settings).unwrap();
        let stop = Arc::new(tokio::sync::Notify::new());
        let (worked, told) = (Arc::clone(&engine), Arc::clone(&stop));
        let worker = thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(worker::run(worked, async move { told.notified().await }));
        });
        Self { engine, stop, worker: Some(worker), begun: Instant::now(), lines: String::new(), warm: 0 }
    }

    fn wait(&self, token: Token) {
        let waited = self.engine.attend(token).unwrap().wait(Duration::from_mins(5));
        assert!(matches!(waited, Waited::Ended(_)), "{waited:?}");
    }

    fn import(&self, name: &str, faces: u64) {
        let mut text = String::new();
        for face in 0..faces {
            let values: Vec<String> =
                (0..128u64).map(|at| ((face * 131 + at * 7_919) % 1_009 + 1).to_string()).collect();
            let embedding = values.join(",");
            writeln!(text, "{{\"identifier\":\"{face}\",\"imagelabel\":\"1\",\"embedding\":[{embedding}]}}").unwrap();
        }
        let request = ImportRequest {
            database: DatabaseName::new(name).unwrap(),
            data: Input::Received(Box::new(move |path| fs::write(path, text))),
            ids: None,
            format: Format::Jsonl,
            model: None,
            on_error: OnError::Stop,
            include_metadata: true,
            include_image_data: true,
        };
        self.wait(self.engine.submit_import(Ticket::default(), request).unwrap());
    }

    fn note(&mut self, what: &str, at: u64, of: u64) {
        let (disk, memory) = (self.engine.store_bytes().unwrap(), memory());
        if self.warm == 0 && at * 10 >= of {
            self.warm = memory;
        }
        let line = format!("{what},{at},{:.1},{},{memory}\n", self.begun.elapsed().as_secs_f64(), disk >> 10);
        let _ = std::io::stderr().write_all(line.as_bytes()); // `print!` is swallowed when the test passes
        self.lines += &line;
    }

    fn end(mut self) {
        self.stop.notify_one();
        self.worker.take().unwrap().join().unwrap();
        if let Some(path) = std::env::var_os("YEARS_CSV") {
            let mut file = fs::OpenOptions::new().append(true).create(true).open(path).unwrap();
            file.write_all(self.lines.as_bytes()).unwrap();
        }
        let (disk, memory) = (self.engine.store_bytes().unwrap(), memory());
        assert!(disk < MOST_DISK, "the store takes {disk} bytes");
        assert!(memory < self.warm + MOST_GROWTH, "from {} KiB to {memory} KiB", self.warm);
    }
}

/// One test, or each would measure the memory of the other.
#[test]
fn neither_jobs_nor_databases_that_were_leave_anything_behind() {
    let (jobs, cycles, faces) = (said("YEARS_JOBS", 2_000), said("YEARS_CYCLES", 3), said("YEARS_FACES", 200));
    let folder = tempfile::tempdir().unwrap();
    let mut world = World::open(folder.path());
    world.import("few", 4);
    let task = || Task::Cluster(ClusterTask { database: Some("few".to_owned()), ..ClusterTask::default() });
    // nine of ten jobs are cancelled before they start, for a tenth of the syncs
    for at in 1..=jobs {
        let token = world.engine.submit(Ticket::default(), task()).unwrap();
        if at % 10 == 0 {
            world.wait(token);
        } else {
            let _ = world.engine.cancel(Queue::FaceClustering, token); // it may have started
        }
        if at % (jobs / 20).max(1) == 0 {
            world.note("jobs", at, jobs);
        }
    }
    assert!(world.engine.jobs(Queue::FaceClustering).len() <= 1_001);
    world.warm = 0;
    for at in 1..=cycles {
        world.import("many", faces);
        if at % (cycles / 10).max(1) == 0 {
            world.note("full", at, cycles);
        }
        world.engine.remove_database(&DatabaseName::new("many").unwrap()).unwrap();
        if at % (cycles / 10).max(1) == 0 {
            world.note("removed", at, cycles);
        }
    }
    world.end();
}
