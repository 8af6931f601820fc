//! Clocks that jump: nothing is forgotten too early, nor kept for ever, and no time that is shown is negative.

use super::*;
use crate::job::micros;
use crate::store::keys;

const QUEUE: Queue = Queue::FaceClustering;
const HOUR: Duration = Duration::from_hours(1);
const DAY: Duration = Duration::from_hours(24);
const TEN_YEARS: i64 = 10 * 365 * 24 * 3_600;
const A_DAY_BACK: i64 = -24 * 3_600;
/// 2021-01-13 12:00:00 UTC, in seconds.
const NOON: i64 = 1_610_539_200;

/// A clock that can be set, and the time that passes whatever it is set to.
struct Set {
    shown: AtomicI64,
    passed: AtomicU64,
}

impl Clock for Set {
    fn now(&self) -> Timestamp {
        Timestamp(self.shown.load(Ordering::Relaxed))
    }

    fn uptime(&self) -> Duration {
        Duration::from_micros(self.passed.load(Ordering::Relaxed))
    }
}

impl Set {
    fn at(seconds: i64) -> Arc<Self> {
        Arc::new(Self { shown: AtomicI64::new(seconds * 1_000_000), passed: AtomicU64::new(0) })
    }

    /// Time passes.
    fn pass(&self, time: Duration) {
        self.shown.fetch_add(micros(time), Ordering::Relaxed);
        self.passed.fetch_add(micros(time).unsigned_abs(), Ordering::Relaxed);
    }

    /// The clock is set to so many seconds later, or earlier.
    fn jump(&self, seconds: i64) {
        self.shown.fetch_add(seconds * 1_000_000, Ordering::Relaxed);
    }
}

struct World {
    folder: TempDir,
    store: Arc<Mortal>,
    clock: Arc<Set>,
    engine: Arc<Engine>,
    retention: Retention,
}

impl World {
    fn new(age: Duration, count: usize) -> Self {
        let (folder, store, clock) = (tempfile::tempdir().unwrap(), Mortal::with(Map::new(), u64::MAX), Set::at(NOON));
        let retention = Retention { age, count };
        let engine = opened(&folder, &store, &clock, retention);
        engine.do_chores(); // as a worker does first
        Self { folder, store, clock, engine, retention }
    }

    /// The process ends, and the next one, whose clock has been set to so many seconds later, finds what is on the disk.
    fn again(&mut self, off: Duration, jump: i64) {
        let now = self.clock.now().seconds() + off.as_secs().cast_signed();
        self.clock = Set::at(now + jump);
        self.store = Mortal::with(self.store.map(), u64::MAX);
        self.engine = opened(&self.folder, &self.store, &self.clock, self.retention);
        self.engine.do_chores();
    }

    /// A job that ends at once: there is nothing to be clustered.
    fn ended(&self) -> Token {
        let token = self.waiting();
        work_all(&self.engine);
        token
    }

    fn waiting(&self) -> Token {
        self.engine.submit(Ticket::default(), cluster_all()).unwrap()
    }

    fn keeps(&self, token: Token) -> bool {
        self.engine.do_chores();
        self.engine.job(QUEUE, token).is_some()
    }

    /// Every time that is shown comes behind those before it.
    fn in_order(&self) {
        for job in self.engine.jobs(QUEUE) {
            let times = [Some(job.queued), job.started, job.ended];
            assert!(times.into_iter().flatten().is_sorted(), "{times:?}");
        }
    }
}

fn opened(folder: &TempDir, store: &Arc<Mortal>, clock: &Arc<Set>, retention: Retention) -> Arc<Engine> {
    let settings = Settings { retention, stuck_after: Some(HOUR), ..settings(folder) };
    let (store, clock) = (Arc::clone(store) as Arc<dyn Store>, Arc::clone(clock) as Arc<dyn Clock>);
    Engine::with(store, clock, settings).unwrap()
}

#[test]
fn a_clock_that_jumps_and_is_put_right_forgets_nothing_and_then_each_job_in_its_time() {
    for jump in [TEN_YEARS, A_DAY_BACK] {
        let world = World::new(7 * DAY, 100);
        let first = world.ended();
        world.clock.pass(DAY);
        world.clock.jump(jump);
        assert!(world.keeps(first), "{jump}");
        let meanwhile = world.ended();
        world.clock.pass(DAY);
        world.clock.jump(-jump);
        assert!(world.keeps(first) && world.keeps(meanwhile), "{jump}");
        world.in_order();
        world.clock.pass(5 * DAY + HOUR);
        assert!(!world.keeps(first) && world.keeps(meanwhile), "{jump}: seven days are over for the first");
        world.clock.pass(DAY);
        assert!(!world.keeps(meanwhile), "{jump}: and for the one of the wrong time");
    }
}

#[test]
fn a_clock_that_jumps_between_two_processes_costs_a_quarter_of_the_time_at_most() {
    let mut world = World::new(8 * DAY, 100);
    let first = world.ended();
    world.again(HOUR, TEN_YEARS);
    let second = world.ended();
    assert!(world.keeps(first));
    for _ in 0..20 {
        world.again(HOUR, 0); // twenty hours, but the jump counts once, not with each start
    }
    world.again(HOUR, -TEN_YEARS);
    world.again(HOUR, A_DAY_BACK);
    world.again(HOUR, TEN_YEARS);
    world.again(HOUR, -TEN_YEARS);
    assert!(world.keeps(first) && world.keeps(second));
    world.in_order();
    world.clock.pass(5 * DAY);
    assert!(world.keeps(first) && world.keeps(second));
    world.clock.pass(DAY);
    assert!(!world.keeps(first) && world.keeps(second), "the jump counts for two days");
    world.clock.pass(2 * DAY);
    assert!(!world.keeps(second));
}

#[test]
fn a_server_that_is_switched_off_every_night_forgets_in_time() {
    let mut world = World::new(4 * DAY, 100);
    let token = world.ended();
    for _ in 0..4 {
        world.again(12 * HOUR, 0);
        assert!(world.keeps(token));
        world.clock.pass(11 * HOUR);
    }
    world.again(12 * HOUR, 0);
    world.clock.pass(HOUR);
    assert!(!world.keeps(token));
}

#[test]
fn of_too_many_jobs_the_first_to_end_goes_whatever_the_clock_said() {
    for jump in [TEN_YEARS, A_DAY_BACK] {
        let mut world = World::new(7 * DAY, 2);
        let tokens = [world.ended(), world.ended()];
        world.clock.jump(jump);
        world.clock.pass(HOUR);
        let third = world.ended();
        assert!(!world.keeps(tokens[0]) && world.keeps(tokens[1]) && world.keeps(third), "{jump}");
        world.clock.jump(-jump);
        world.clock.pass(HOUR);
        let fourth = world.ended();
        assert!(!world.keeps(tokens[1]) && world.keeps(third) && world.keeps(fourth), "{jump}");
        world.again(HOUR, jump);
        let fifth = world.ended();
        assert!(!world.keeps(third) && world.keeps(fourth) && world.keeps(fifth), "{jump}");
        world.again(HOUR, -jump);
        let sixth = world.ended();
        assert!(!world.keeps(fourth) && world.keeps(fifth) && world.keeps(sixth), "{jump}");
    }
}

#[test]
fn jobs_wait_and_run_and_end_under_a_clock_that_jumps() {
    for jumps in [[TEN_YEARS, -TEN_YEARS], [A_DAY_BACK, -A_DAY_BACK], [A_DAY_BACK, TEN_YEARS]] {
        let mut world = World::new(7 * DAY, 100);
        let tokens: Vec<Token> = (0..3).map(|_| world.waiting()).collect();
        for (token, jump) in tokens.iter().zip([jumps[0], jumps[1], jumps[0]]) {
            world.clock.jump(jump);
            let started = world.engine.start_next().unwrap().unwrap();
            assert_eq!(started.token, *token, "the order is that of acceptance");
            world.clock.jump(-jump);
            world.engine.work(&started);
            assert!(world.engine.job(QUEUE, *token).unwrap().state.is_ended());
            world.in_order();
        }
        let running = world.waiting();
        let behind = world.waiting();
        let _started = world.engine.start_next().unwrap().unwrap();
        world.clock.jump(jumps[0]);
        world.again(HOUR, jumps[1]); // killed at work
        let next = world.engine.start_next().unwrap().unwrap();
        assert_eq!(next.token, running, "what was at work runs first, and again");
        world.engine.work(&next);
        work_all(&world.engine);
        for token in tokens.iter().chain([&running, &behind]) {
            assert!(world.keeps(*token));
        }
        world.in_order();
        let took = world.engine.overview().unwrap().job_seconds[&QUEUE].sum;
        assert!(took < 60.0, "{took}: how long jobs take is not measured by a clock that jumps");
    }
}

#[test]
fn a_clock_that_jumps_makes_no_job_look_stuck_and_hides_none() {
    let world = World::new(7 * DAY, 100);
    world.waiting();
    let _started = world.engine.start_next().unwrap().unwrap();
    let n_stuck = || {
        world.engine.do_chores();
        world.engine.overview().unwrap().stuck_jobs
    };
    assert_eq!(n_stuck(), 0);
    world.clock.jump(TEN_YEARS);
    assert_eq!(n_stuck(), 0);
    world.clock.jump(-TEN_YEARS + A_DAY_BACK);
    world.clock.pass(HOUR);
    assert_eq!(n_stuck(), 1);
}

#[test]
fn jobs_of_a_store_that_knew_no_time_of_its_own_are_not_forgotten_for_a_clock_that_is_wrong_at_once() {
    for jump in [TEN_YEARS, A_DAY_BACK, 0] {
        let mut world = World::new(8 * DAY, 2);
        world.ended();
        world.clock.pass(HOUR);
        let tokens = [world.ended(), world.ended()];
        let mut map = world.store.map();
        map.retain(|key, _| !matches!(key[0], b't' | b'l'));
        world.store = Mortal::with(map, u64::MAX);
        world.again(HOUR, jump);
        assert!(tokens.iter().all(|&token| world.keeps(token)), "{jump}");
        let ends = world.store.map().into_keys().filter(|key| key[0] == b't').count();
        assert_eq!(ends, 2, "{jump}: they have ends from now on");
        world.again(HOUR, -jump);
        world.clock.pass(5 * DAY);
        assert!(tokens.iter().all(|&token| world.keeps(token)), "{jump}");
        world.clock.pass(3 * DAY);
        assert!(!tokens.iter().any(|&token| world.keeps(token)), "{jump}");
        assert!(!world.store.map().into_keys().any(|key| key[0] == b't'), "{jump}: nothing is left of them");
    }
}

#[test]
fn a_damaged_time_costs_its_job_nothing_and_is_told() {
    let mut world = World::new(8 * DAY, 100);
    let token = world.ended();
    assert!(world.keeps(token));
    for key in [keys::lived(), keys::end(token)] {
        let mut map = world.store.map();
        *map.get_mut(&key).unwrap().last_mut().unwrap() ^= 1;
        world.store = Mortal::with(map, u64::MAX);
        world.again(HOUR, TEN_YEARS);
        assert_eq!(world.engine.n_damaged(), 1);
        assert!(world.keeps(token));
        world.again(HOUR, -TEN_YEARS);
        assert_eq!(world.engine.n_damaged(), 0, "it is written anew");
        assert!(world.keeps(token));
    }
}
