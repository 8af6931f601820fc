//! The real server under a mix of real clients, killed again and again at random moments, while it works, while it starts
//! and while it recovers. The clients keep a ledger of what was acknowledged; afterwards everything is audited.
//!
//! `KILLS=500 SEED=1` are read from the environment; `make soak-crash` sets them.

#![cfg(all(feature = "server", feature = "vision"))]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod acts;
mod client;
#[path = "../support/drawn.rs"]
mod drawn;
mod job;
mod ledger;
#[path = "../support/random.rs"]
mod random;
mod server;
mod world;

use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use client::{Client, Still};
use random::Random;
use server::{Process, STUCK, Start};
use world::{Broken, Phase, World, element, get, is_success, post};

const CLIENTS: usize = 4;

const QUEUES: [&str; 6] =
    ["FaceClustering", "TrainFace", "BuildFace", "BuildAllFaces", "ImportFaceDatabase", "ExportFaceDatabase"];

/// What is clustered again and again: a small database and one that takes a while, in several ways.
const STILLS: [&str; 5] = [
    "database=small&clusterthreshold=75&maxresults=5",
    "database=small&clusterthreshold=85&outputthreshold=60",
    "database=mid&clusterthreshold=75&maxresults=5&search=exact",
    "database=mid&clusterthreshold=82&maxresults=3&search=exact",
    "database=small&clusterthreshold=75&maxresults=2&search=hnsw",
];

fn from_environment(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).ok().filter(|text| !text.is_empty()).map_or(otherwise, |text| text.parse().unwrap())
}

/// People with eight images each, as CSV.
fn crowd(seed: u64, n_images: usize, dimension: usize) -> Vec<u8> {
    let mut random = Random::of(seed, 0);
    let mut unit = || (random.next() >> 11) as f64 / (1u64 << 53) as f64 * 2.0 - 1.0;
    let mut text = String::from("identifier,imagelabel");
    (0..dimension).for_each(|at| write!(text, ",e{at}").unwrap());
    let mut centre = Vec::new();
    for image in 0..n_images {
        if image % 8 == 0 {
            centre = (0..dimension).map(|_| unit()).collect::<Vec<f64>>();
        }
        write!(text, "\nperson {},{}", image / 8, image % 8).unwrap();
        for value in &centre {
            write!(text, ",{:.4}", value + 0.6 * unit()).unwrap();
        }
    }
    text.push('\n');
    text.into_bytes()
}

/// Asks until a job has ended; its answer.
fn ended(address: SocketAddr, queue: &str, token: &str) -> String {
    let begun = Instant::now();
    loop {
        let answer = get(address, &format!("QueueInfo&QueueName={queue}&QueueAction=getStatus&Token={token}")).unwrap();
        if job::has_ended(element(&answer, "status").unwrap()) {
            assert!(answer.contains("<status>Finished</status>"), "{answer}");
            return answer;
        }
        assert!(begun.elapsed() < STUCK, "it does not end: {answer}");
        std::thread::sleep(Duration::from_millis(5)); // between two polls
    }
}

/// The databases that all cluster, and what comes of it when nobody is killed.
fn prepare(data: &Path, config: &Path) -> Vec<Still> {
    let process = Process::spawn(data, config);
    let Start::Serving(address) = process.wait(STUCK) else { panic!("it does not start: {:?}", process.complaints) };
    for (database, content) in [("small", crowd(1, 64, 8)), ("mid", crowd(2, 1_000, 32))] {
        let answer = post(address, &format!("ImportFaceDatabase&database={database}"), "dbdata", &[&content]).unwrap();
        ended(address, "ImportFaceDatabase", element(&answer, "token").unwrap());
    }
    let still = |parameters| {
        let answer = get(address, &format!("FaceClustering&{parameters}")).unwrap();
        let answer = ended(address, "FaceClustering", element(&answer, "token").unwrap());
        Still { parameters, clusters: job::clusters(&answer).unwrap() }
    };
    let stills = STILLS.into_iter().map(still).collect();
    assert!(process.terminate());
    stills
}

/// What the killer did and saw.
#[derive(Default)]
struct Killed {
    at_work: u64,
    starting: u64,
    /// From the start of each process to its first answer.
    recoveries: Vec<Duration>,
    longest: Duration,
}

struct Killer<'a> {
    world: &'a World,
    data: PathBuf,
    config: PathBuf,
    random: Random,
    killed: Killed,
}

impl Killer<'_> {
    fn spawn(&self) -> Process {
        Process::spawn(&self.data, &self.config)
    }

    /// Kills so many times, and starts once more.
    fn run(&mut self, kills: u64) -> Process {
        for nth in 1..=kills {
            let process = self.spawn();
            if self.random.one_in(3) {
                // in the middle of its start, which is its recovery from the kill before
                let moment = Duration::from_micros(self.random.next() % 100_000);
                if process.wait(moment) == Start::Ended {
                    self.world.fault(Broken::Server, format!("it ended by itself within {moment:?} of its start"));
                    self.bury(process);
                    break; // it will not get better
                }
                self.killed.starting += 1;
            } else if let Some(address) = self.serving(&process) {
                self.world.tell(Phase::Up(nth, address));
                // a random moment, which is the point; now and then late enough for work that takes longer
                let most = if self.random.one_in(4) { 1_200_000 } else { 400_000 };
                std::thread::sleep(Duration::from_micros(self.random.next() % most));
                self.world.tell(Phase::Down);
                self.killed.at_work += 1;
            }
            self.bury(process);
        }
        let process = self.spawn();
        if let Some(address) = self.serving(&process) {
            self.world.tell(Phase::Last(kills + 1, address));
        } else {
            self.world.tell(Phase::Over);
        }
        process
    }

    /// Where it serves, once it has answered about its queues.
    fn serving(&mut self, process: &Process) -> Option<SocketAddr> {
        match process.wait(STUCK) {
            Start::Serving(address) => {
                let answer = get(address, "QueueInfo&QueueName=FaceClustering&QueueAction=queueStatus");
                let recovery = process.born.elapsed();
                if !answer.as_ref().is_ok_and(|answer| is_success(answer)) {
                    self.world.fault(Broken::Server, format!("its first answer: {answer:?}"));
                    return None;
                }
                self.killed.longest = self.killed.longest.max(recovery);
                self.killed.recoveries.push(recovery);
                Some(address)
            }
            other => {
                self.world.fault(Broken::Stuck, format!("a start within {STUCK:?}: {other:?}"));
                None
            }
        }
    }

    fn bury(&self, process: Process) {
        let complaints = std::sync::Arc::clone(&process.complaints);
        drop(process);
        complaints.lock().unwrap().drain(..).for_each(|line| self.world.fault(Broken::Server, line));
    }
}

/// Lets the clients go if the test fails, or they would wait for a server for ever.
struct LetGo<'a>(&'a World);

impl Drop for LetGo<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.tell(Phase::Over);
        }
    }
}

/// Jobs of which no client knows end too.
fn wait_for_all(world: &World, address: SocketAddr) {
    let begun = Instant::now();
    for queue in QUEUES {
        loop {
            let answer = get(address, &format!("QueueInfo&QueueName={queue}&QueueAction=queueStatus")).unwrap();
            if answer.contains("<pending>0</pending><running>0</running>") {
                break;
            }
            if begun.elapsed() > STUCK {
                world.fault(Broken::Stuck, answer);
                break;
            }
            std::thread::sleep(Duration::from_millis(5)); // between two polls
        }
    }
}

fn count_files(folder: &Path) -> usize {
    let entries = fs::read_dir(folder).into_iter().flatten().map(|entry| entry.unwrap().path());
    entries.map(|path| if path.is_dir() { count_files(&path) } else { 1 }).sum()
}

/// Behind the end: only what somebody needs is there.
fn look_at_files(world: &World, data: &Path, n_pictures: usize) {
    for (folder, expected) in [("uploads", 0), ("spool", 0), ("pictures", n_pictures)] {
        let found = count_files(&data.join(folder));
        if found != expected {
            world.fault(Broken::Files, format!("{found} files in {folder}, expected {expected}"));
        }
    }
    for entry in fs::read_dir(data.join("pairs")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension() != Some("pairs".as_ref()) {
            world.fault(Broken::Files, format!("{} is left", path.display()));
        }
    }
}

fn report(world: &World, killed: &mut Killed, seed: u64, begun: Instant) -> (String, u64) {
    let mut text = format!("seed {seed}, {:.0} s\n", begun.elapsed().as_secs_f64());
    let mut row = |what: &str, n: String| writeln!(text, "{what:<56}{n:>12}").unwrap();
    row("kills at work", killed.at_work.to_string());
    row("kills during a start, which is a recovery", killed.starting.to_string());
    world.counts().into_iter().for_each(|(what, n)| row(what, n.to_string()));
    killed.recoveries.sort();
    let at = |share: f64| killed.recoveries[((killed.recoveries.len() - 1) as f64 * share) as usize];
    for (name, share) in [("p50", 0.5), ("p99", 0.99), ("max", 1.0)] {
        row(&format!("from start to first answer, {name}"), format!("{:.0} ms", at(share).as_secs_f64() * 1e3));
    }
    let mut n_faults = 0;
    for (kind, name) in Broken::ALL {
        let faults = world.faults(kind);
        n_faults += faults.len() as u64;
        row(name, faults.len().to_string());
    }
    for (kind, _) in Broken::ALL {
        world.faults(kind).iter().take(10).for_each(|fault| writeln!(text, "{kind:?}: {fault}").unwrap());
    }
    (text, n_faults)
}

#[test]
fn a_server_killed_at_random_moments_keeps_every_acknowledged_job_and_face() {
    let (kills, seed) = (from_environment("KILLS", 30), from_environment("SEED", 1));
    let begun = Instant::now();
    let folder = tempfile::tempdir().unwrap();
    let (data, config) = (folder.path().join("data"), folder.path().join("faceclique.toml"));
    // no job is condemned for being at work at kills, and none is forgotten
    let lines = "[jobs]\nmax_attempts = 1000\nmax_ended_jobs = 1000000\n[vision]\npack";
    fs::write(&config, format!("{lines} = '{}'\n", drawn::tiny_pack().display())).unwrap();
    let stills = prepare(&data, &config);
    let png = |image| drawn::encoded(image, image::ImageFormat::Png);
    let mut pictures: Vec<Vec<u8>> = (1..=3).map(|person| png(drawn::portrait(person))).collect();
    pictures.push(png(drawn::wall(90, 70)));
    let world = World::new();
    let random = Random::of(seed, 0);
    let mut killer = Killer { world: &world, data: data.clone(), config, random, killed: Killed::default() };
    let (process, n_pictures) = std::thread::scope(|scope| {
        let client = |number| Client::new(number, seed, &world, &stills, &pictures);
        let clients: Vec<_> = (0..CLIENTS).map(client).map(|client| scope.spawn(|| client.run())).collect();
        let _let_go = LetGo(&world);
        let process = killer.run(kills);
        let n_pictures: usize = clients.into_iter().map(|client| client.join().unwrap()).sum();
        (process, n_pictures)
    });
    if let Some((_, address, _)) = world.server() {
        wait_for_all(&world, address);
    }
    let complaints = std::sync::Arc::clone(&process.complaints);
    if !process.terminate() {
        world.fault(Broken::Server, "it did not end in order".to_owned());
    }
    complaints.lock().unwrap().drain(..).for_each(|line| world.fault(Broken::Server, line));
    look_at_files(&world, &data, n_pictures);
    if std::env::var_os("KEEP").is_some() {
        let _ = writeln!(std::io::stdout(), "kept: {}", folder.keep().display());
    }
    let (text, n_faults) = report(&world, &mut killer.killed, seed, begun);
    std::io::stdout().write_all(text.as_bytes()).unwrap(); // past the harness, which would keep it for a failure
    assert_eq!(n_faults, 0, "{text}");
    assert!(killer.killed.longest < STUCK);
}
