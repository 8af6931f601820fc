//! A flood of mutated requests against the real program: whatever is sent, it neither panics nor hangs nor grows, and
//! every answer is well-formed.
//!
//! Eight seconds in `cargo test`, with the same seed each time; three minutes in `make soak`, with another one. `SOAK_SEED`,
//! `SOAK_SECONDS` and `SOAK_CONNECTIONS` say otherwise; the seed of a run is printed, and with a failure what was sent and
//! received, which is also written to a file below `target`. The same seed sends the same requests on each connection, tokens
//! excepted; how connections interleave differs.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "../support/answer.rs"]
mod answer;
mod client;
mod janitor;
#[path = "../support/judge.rs"]
mod judge;
mod message;
mod plan;
#[path = "../support/random.rs"]
mod random;
mod server;
mod spoil;
mod tally;

use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use client::Client;
use faceclique::exchange::{Format, Options, Reader, Source, Writer, ids_path_beside};
use plan::{Faces, World};
use random::Random;
use server::Server;
use tally::Tally;

/// The server never has more memory than this, in KiB: 64 MiB for each of the jobs of two queues that may run at a
/// time, 16 MiB of cache, 8 MiB of uploads for each connection, threads and the program itself.
const MOST_MEMORY: u64 = 400 << 10;
/// What it may have grown by since it was warm, in KiB.
const MOST_GROWTH: u64 = 64 << 10;
/// What is promised of `make soak`.
const LEAST_PER_MINUTE: f64 = 10_000.0;
/// From so long on a run says something about growth and speed, and looks for what was not met before.
const LONG: Duration = Duration::from_mins(1);

/// A number from the environment.
fn said(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().map_or(default, |text| text.parse().unwrap_or_else(|_| panic!("{name}={text}")))
}

/// Not `println!`, which the test harness swallows when the test passes.
fn say(text: &str) {
    let _ = writeln!(std::io::stderr(), "{text}");
}

/// The example faces in every format, and a picture, where the server may read them.
fn world(folder: &Path) -> World {
    let (inputs, exports) = (folder.join("inputs"), folder.join("exports"));
    fs::create_dir(&inputs).unwrap();
    fs::create_dir(&exports).unwrap();
    let people = inputs.join("people.jsonl");
    fs::copy(Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/people.jsonl"), &people).unwrap();
    let faces = Format::ALL.map(|format| {
        let path = people.with_extension(format.as_str());
        let ids = (format == Format::Npy).then(|| ids_path_beside(&path));
        if path != people {
            let mut writer = Writer::create(&path, format, ids.as_deref()).unwrap();
            let source = Source::open(&people, Format::Jsonl, None).unwrap();
            for record in Reader::open(source, &Options::default()).unwrap() {
                writer.push(&record.unwrap()).unwrap();
            }
            writer.finish().unwrap();
        }
        let bytes = fs::read(&path).unwrap();
        let ids = ids.map(|ids| (ids.clone(), fs::read(ids).unwrap()));
        Faces { format: format.as_str(), path, bytes, ids }
    });
    let picture = inputs.join("picture.bmp");
    let bitmap =
        [&b"BM\x3a\0\0\0\0\0\0\0\x36\0\0\0\x28\0\0\0\x01\0\0\0\x01\0\0\0\x01\0\x18\0"[..], &[0; 24], b"   \0"].concat();
    fs::write(&picture, &bitmap).unwrap();
    World { faces: faces.into(), picture: (picture, bitmap), exports, tokens: Mutex::default() }
}

/// How much memory the server had.
#[derive(Default)]
struct Memory {
    start: u64,
    warm: u64,
    peak: u64,
    end: u64,
}

/// The flood: clients on their threads, the janitor and the memory watched on this one.
fn flood(server: &Server, world: &World, seed: u64, time: Duration) -> (Tally, Memory, Result<(), String>) {
    let (stop, failed) = (AtomicBool::new(false), Mutex::new(None::<String>));
    let fail = |why: String| {
        stop.store(true, Ordering::Relaxed);
        failed.lock().unwrap().get_or_insert(why);
    };
    let begun = Instant::now();
    let mut memory = Memory { start: server.memory(), ..Memory::default() };
    let mut tally = Tally::default();
    thread::scope(|scope| {
        let one = |stream| {
            let mut client = Client::new(world, server.ports, Random::of(seed, stream));
            while !stop.load(Ordering::Relaxed) {
                if let Err(failure) = client.step() {
                    fail(format!("connection {stream}: {failure}"));
                }
            }
            client.tally
        };
        let clients: Vec<_> =
            (0..said("SOAK_CONNECTIONS", 12)).map(|stream| scope.spawn(move || one(stream))).collect();
        while !stop.load(Ordering::Relaxed) {
            if begun.elapsed() > time {
                stop.store(true, Ordering::Relaxed);
            }
            let now = server.memory();
            memory.peak = memory.peak.max(now);
            if begun.elapsed() < time / 3 {
                memory.warm = memory.warm.max(now);
            }
            if let Err(why) = janitor::tidy(server, world) {
                fail(format!("the janitor: {why}"));
            }
            thread::sleep(Duration::from_millis(100)); // between two rounds
        }
        for client in clients {
            tally.add(client.join().unwrap());
        }
    });
    memory.end = server.memory();
    let failed = failed.into_inner().unwrap();
    (tally, memory, failed.map_or(Ok(()), Err))
}

/// What must hold behind the flood.
fn aftermath(server: &Server, world: &World) -> Result<(), String> {
    if !server.is_alive() {
        return Err("the server has ended".to_owned());
    }
    janitor::settle(server)?;
    janitor::still_right(server, world)
}

#[test]
fn a_flood_of_mutated_requests_meets_only_well_formed_answers() {
    let time = Duration::from_secs(said("SOAK_SECONDS", 8));
    let clock = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let seed = said("SOAK_SEED", if time < LONG { 1 } else { clock });
    say(&format!("SOAK_SEED={seed} SOAK_SECONDS={}", time.as_secs()));
    let folder = tempfile::tempdir().unwrap();
    let world = world(folder.path());
    let server = Server::start(folder.path());
    let begun = Instant::now();
    let (tally, memory, flooded) = flood(&server, &world, seed, time);
    let elapsed = begun.elapsed();
    let result = flooded.and_then(|()| aftermath(&server, &world));
    say(&tally.table(elapsed));
    let Memory { start, warm, peak, end } = memory;
    say(&format!("memory in KiB: {start} at the start, {warm} warm, {peak} at most, {end} at the end"));
    let mut wrong: Vec<String> = result.err().into_iter().collect();
    wrong.extend(server.complaints());
    if peak > MOST_MEMORY {
        wrong.push(format!("the server had {} KiB, more than {MOST_MEMORY}", memory.peak));
    }
    if time >= LONG && end > warm + MOST_GROWTH {
        wrong.push(format!("the server grew from {warm} KiB to {end}"));
    }
    let per_minute = tally.n_requests as f64 / elapsed.as_secs_f64() * 60.0;
    if time >= LONG && per_minute < LEAST_PER_MINUTE {
        wrong.push(format!("{per_minute:.0} requests a minute, expected {LEAST_PER_MINUTE}"));
    }
    if wrong.is_empty() && tally.n_successes * 10 < tally.n_requests {
        wrong.push(format!("only {} of {} requests succeeded", tally.n_successes, tally.n_requests));
    }
    if !wrong.is_empty() {
        let report = format!("SOAK_SEED={seed}\n{}", wrong.join("\n"));
        let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("soak-{seed}.txt"));
        fs::write(&file, &report).unwrap();
        panic!("{report}\nwritten to {}", file.display());
    }
}
