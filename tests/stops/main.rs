//! A job that is told to end leaves, wherever it is, and then the machine is idle: how long that takes.
//!
//! Each kind of job runs once undisturbed, so that it is known how long each of its stages takes. Then it is stopped at
//! moments all over each stage. A moment in `cargo test`; `make bench-cancel` asks for more faces and tries, of the
//! optimised program, and prints the table.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
#![allow(clippy::print_stdout, reason = "a table is printed")]

#[path = "../support/appliance.rs"]
#[allow(dead_code, reason = "each test binary uses its part")]
mod appliance;
#[path = "../bench/invented.rs"]
#[allow(dead_code, reason = "every benchmark uses its part")]
mod invented;
#[path = "../support/random.rs"]
mod random;
mod work;

use std::collections::BTreeMap;
use std::fs;
use std::thread;
use std::time::{Duration, Instant};

use faceclique::engine::{JobView, Stage};
use faceclique::job::{State, Token};
use random::Random;
use work::{Kind, World};

/// A job that has not left by then hangs.
const HANGS: Duration = Duration::from_mins(2);
/// The longest that a job may run that nobody stops; some of them have 100,000 faces.
const RUNS: Duration = Duration::from_mins(30);
/// The machine is idle if this process takes at most one hundredth of a second of so much time.
const WINDOW: Duration = Duration::from_millis(50);
/// A job that has little to do may be faster than whoever stops it; so often that is tried.
const ROUNDS: usize = 30;

fn number(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).map_or(otherwise, |text| text.parse().unwrap())
}

/// Processor time of all threads of this process, in hundredths of a second.
fn ticks() -> u64 {
    let stat = fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = stat.rsplit_once(") ").unwrap().1.split(' ').collect();
    fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()
}

/// Returns when no thread of this process works any more.
fn until_idle() -> Duration {
    let begun = Instant::now();
    loop {
        let before = ticks();
        thread::sleep(WINDOW); // what is measured over
        if ticks() <= before + 1 {
            return begun.elapsed().saturating_sub(WINDOW);
        }
        assert!(begun.elapsed() < HANGS, "the processor is busy, and no job is at work");
    }
}

/// Where a job is: its stage, and whether that is in its second part, which begins it anew.
type Place = (Stage, u32);

/// A run of a job, watched.
struct Watched<'a> {
    world: &'a World,
    kind: Kind,
    token: Token,
    place: Option<Place>,
    last: (Option<Stage>, f64),
}

impl<'a> Watched<'a> {
    fn begin(world: &'a World, kind: Kind) -> Self {
        Self { world, kind, token: world.submit(kind), place: None, last: (None, 0.0) }
    }

    fn look(&mut self) -> JobView {
        let job = self.world.engine(self.kind).job(self.kind.queue(), self.token).unwrap();
        if let Some((stage, share)) = job.progress.stage {
            let (before, share_before) = self.last;
            self.place = match self.place {
                Some((same, part)) if before == Some(stage) && same == stage => {
                    Some((stage, part + u32::from(share + 1.0 < share_before)))
                }
                _ => Some((stage, 0)),
            };
            self.last = (Some(stage), share);
        }
        job
    }
}

/// How long a job of a kind is in each place.
fn undisturbed(world: &World, kind: Kind) -> Vec<(Place, Duration)> {
    let mut watched = Watched::begin(world, kind);
    let mut places: Vec<(Place, Instant)> = Vec::new();
    let begun = Instant::now();
    loop {
        let job = watched.look();
        if let Some(place) = watched.place
            && places.last().is_none_or(|last| last.0 != place)
        {
            places.push((place, Instant::now()));
        }
        if job.state.is_ended() {
            assert_eq!(job.state, State::Finished, "{kind:?}: {:?}", job.result());
            let end = Instant::now();
            let ends = places.iter().skip(1).map(|&(_, at)| at).chain([end]);
            world.undo(kind);
            return places.iter().zip(ends).map(|(&(place, at), end)| (place, end - at)).collect();
        }
        assert!(begun.elapsed() < RUNS, "{kind:?} does not end: {:?}", job.progress);
        thread::yield_now();
    }
}

/// What came of telling a job to end.
#[derive(Default)]
struct Seen {
    latencies: Vec<Duration>,
    idle: Duration,
}

/// Stops a job `behind` a moment in a place: where it was then, how long it took to leave, and how long the processor was busy after
/// that. None if it had ended before.
fn stopped(world: &World, kind: Kind, at: Place, behind: Duration) -> Option<(Place, Duration, Duration)> {
    let mut watched = Watched::begin(world, kind);
    let (begun, mut since) = (Instant::now(), None);
    loop {
        let job = watched.look();
        if job.state.is_ended() {
            world.undo(kind);
            return None;
        }
        if watched.place == Some(at) {
            let since = *since.get_or_insert_with(Instant::now);
            if since.elapsed() >= behind {
                break;
            }
        } else if since.is_some() {
            break; // it was faster than the one before
        }
        assert!(begun.elapsed() < RUNS, "{kind:?} does not come to {at:?}: {:?}", job.progress);
        thread::yield_now();
    }
    let (place, told) = (watched.place?, Instant::now());
    let _ = world.engine(kind).stop(kind.queue(), watched.token); // it may have ended by now
    let state = loop {
        let state = watched.look().state;
        if state.is_ended() {
            break state;
        }
        assert!(told.elapsed() < HANGS, "{kind:?} does not leave {place:?}");
        thread::yield_now();
    };
    let took = told.elapsed();
    if state == State::Finished {
        world.undo(kind); // the decision had been made
        return None;
    }
    assert_eq!(state, State::Stopped, "{kind:?} in {place:?}");
    Some((place, took, until_idle()))
}

fn shown(kind: Kind, (stage, part): Place) -> String {
    let part = if part == 0 { String::new() } else { format!(", part {}", part + 1) };
    format!("{kind:?}: {}{part}", stage.name())
}

/// Stops jobs of a kind at random moments of each place, `tries` times; at least one of them in its work.
fn stopped_everywhere(world: &World, kind: Kind, places: &[(Place, Duration)], tries: u64) -> BTreeMap<Place, Seen> {
    let mut seen: BTreeMap<Place, Seen> = BTreeMap::new();
    let mut random = Random::of(1, 1);
    for _ in 0..ROUNDS {
        for &(place, lasts) in places {
            for _ in 0..tries {
                let behind = lasts.mul_f64(random.below(1_000) as f64 / 1_000.0);
                let Some((place, took, idle)) = stopped(world, kind, place, behind) else { continue };
                let seen = seen.entry(place).or_default();
                seen.latencies.push(took);
                seen.idle = seen.idle.max(idle);
            }
        }
        if !seen.is_empty() {
            break;
        }
    }
    assert!(!seen.is_empty(), "{kind:?} always ended before it was stopped");
    seen
}

#[test]
fn a_job_that_is_stopped_leaves_every_stage_and_the_processor() {
    let (faces, tries) = (number("CANCEL_FACES", 300), number("CANCEL_TRIES", 1));
    let asked = std::env::var("CANCEL_KINDS").ok();
    let is_asked = |kind: &Kind| asked.as_ref().is_none_or(|asked| asked.contains(&format!("{kind:?}")));
    let world = World::new(faces as usize);
    println!("{faces} faces; milliseconds from the request to the end of the job, and of work behind that");
    println!("{:<34} {:>8} {:>5} {:>8} {:>8} {:>8}", "job and stage", "lasts", "tries", "p50", "max", "behind");
    for kind in Kind::ALL.into_iter().filter(is_asked) {
        let places = undisturbed(&world, kind);
        for (place, Seen { mut latencies, idle }) in stopped_everywhere(&world, kind, &places, tries) {
            latencies.sort_unstable();
            let lasts = places.iter().find(|(there, _)| *there == place).map_or(Duration::ZERO, |&(_, lasts)| lasts);
            let [lasts, p50, max, idle] = [lasts, latencies[latencies.len() / 2], latencies[latencies.len() - 1], idle]
                .map(|t| t.as_secs_f64() * 1e3);
            let shown = shown(kind, place);
            println!("{shown:<34} {lasts:>8.1} {:>5} {p50:>8.1} {max:>8.1} {idle:>8.1}", latencies.len());
        }
    }
}
