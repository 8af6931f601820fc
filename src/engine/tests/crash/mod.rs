//! Crash by enumeration: lives of every kind of thing that is stored, each cut off at every write, in every way that a
//! process or a disk can end; then the store is opened again, everything is audited, and the life goes on to its end.
//!
//! The ways: *stopped*, the process dies before write k, and what it wrote is there; *cut*, power goes, and of the batches
//! that were not synced some are there, from the first on; *reordered*, others than those; *again*, the process dies at
//! every write of the start behind a death too; *torn*, power goes in the middle of a sync, and any choice of sectors is
//! there (`store::torn`), which must come to a disk that *stopped* or *cut* has been through.
//!
//! The audit: everything is as before or as behind the step that was under way, jobs included; a job that was seen to
//! have ended says what it said; nothing is left over; when the life has gone on to its end, everything, each result
//! included, is as in a life without a death.

mod lives;

use std::fmt::Write as _;
use std::io::Write as _;

use super::training::told;
use super::*;
use crate::engine::Wanted;
use crate::store::keys;
use crate::store::torn::Filmed;
use lives::{LIVES, Life, Step};

/// What a client was told: its jobs in the order of acceptance, and what those said that had ended.
#[derive(Debug, Default, Clone, PartialEq)]
pub(super) struct Told {
    jobs: Vec<(Queue, Token)>,
    seen: Vec<Option<String>>,
}

impl Told {
    /// A token has left the engine.
    fn accepted(&mut self, queue: Queue, token: Token) {
        self.jobs.push((queue, token));
        self.seen.push(None);
    }

    /// The job accepted last.
    fn last(&self) -> (Queue, Token) {
        *self.jobs.last().unwrap()
    }

    /// Polls all jobs. What one said when it had ended it goes on saying, until it is forgotten.
    fn look(&mut self, engine: &Engine) {
        for ((queue, token), seen) in self.jobs.iter().zip(&mut self.seen) {
            match (engine.job(*queue, *token), seen) {
                (None, Some(seen)) if engine.settings.retention.count < 100 => "forgotten".clone_into(seen),
                (None, _) => panic!("an acknowledged job of {queue} is lost"),
                (Some(job), seen) if job.state.is_ended() => {
                    let says = said(engine, &job);
                    assert!(seen.as_ref().is_none_or(|seen| *seen == says), "it ended twice: {seen:?}, {says}");
                    *seen = Some(says);
                }
                (Some(job), Some(seen)) => panic!("a job that had ended is {}: {seen}", job.state),
                (Some(_), None) => {}
            }
        }
    }

    /// The jobs that are there although nobody was told so.
    fn adopt(&mut self, engine: &Engine) {
        for queue in Queue::ALL {
            for job in engine.jobs(queue) {
                if !self.jobs.contains(&(queue, job.token)) {
                    self.accepted(queue, job.token);
                }
            }
        }
    }
}

/// What a job that has ended says of itself.
fn said(engine: &Engine, job: &JobView) -> String {
    match job.result() {
        Some(JobResult::Clustering(_)) if job.state == State::Finished => result_text(engine, job.token),
        Some(JobResult::Train(_) | JobResult::Build(_)) => told(engine, job.token),
        result => format!("{} {result:?}", job.state),
    }
}

/// Everything that clients can see, and the files of exports.
fn everything(engine: &Engine, folder: &TempDir) -> String {
    let mut text = whole(engine, folder);
    for queue in Queue::ALL {
        if engine.figures(queue).is_paused {
            writeln!(text, "{queue} is paused").unwrap();
        }
        for job in engine.jobs(queue) {
            let says = if job.state.is_ended() { said(engine, &job) } else { String::new() };
            let delay = if job.start_after.is_some() { "delayed " } else { "" };
            writeln!(text, "{queue} {} {:?} {delay}{says}", job.state, job.priority).unwrap();
        }
    }
    for kind in [b'k', b'o'] {
        let n = engine.store.scan(&[kind]).count();
        writeln!(text, "{n} records of {}", char::from(kind)).unwrap();
    }
    text += &review::decisions(engine);
    for change in engine.list_changes(None, u64::MAX, usize::MAX).unwrap() {
        let timeless = ChangeInfo { at: Timestamp(0), ..change };
        writeln!(text, "{timeless:?}").unwrap();
    }
    for name in file_names(&folder.path().join("out")) {
        let content = std::fs::read_to_string(folder.path().join("out").join(&name)).unwrap();
        writeln!(text, "{name}: {content}").unwrap();
    }
    text
}

fn file_names(folder: &std::path::Path) -> BTreeSet<String> {
    let entries = std::fs::read_dir(folder).into_iter().flatten();
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

/// Whether the disk has written batches in their order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Order {
    Kept,
    /// Later ones may be there without earlier ones; then the counts of rows may be wrong, and nothing else.
    Lost,
}

/// Nothing is there that nobody needs.
fn swept(engine: &Engine, map: &Map, folder: &TempDir, order: Order) {
    let jobs: Vec<JobView> = Queue::ALL.into_iter().flat_map(|queue| engine.jobs(queue)).collect();
    let open: BTreeSet<Token> = jobs.iter().filter(|job| !job.state.is_ended()).map(|job| job.token).collect();
    let kept: BTreeSet<Token> = jobs.iter().map(|job| job.token).collect();
    let numbers: BTreeSet<u64> = engine.databases().unwrap().into_iter().map(|(_, record)| record.number).collect();
    let changes = engine.list_changes(None, u64::MAX, usize::MAX).unwrap().into_iter().map(|change| change.id);
    let changes: BTreeSet<u64> = changes.collect();
    let decided =
        engine.list_decisions(&Wanted::default(), usize::MAX).unwrap().into_iter().map(|decision| decision.id);
    let reviewed: BTreeSet<u64> = decided.chain(changes.iter().copied()).collect();
    for (key, value) in map {
        let is_needed = match key[0] {
            b'b' | b'u' => reviewed.contains(&keys::database_number(key).unwrap()),
            b'h' => changes.contains(&keys::database_number(key).unwrap()),
            b'v' | b'd' | b'j' | b'q' | b'l' | b'n' | b'o' => true,
            b'c' => kept.contains(&keys::token(key).unwrap()),
            b'k' => kept.contains(&of_key(key, value)),
            b't' => kept.contains(&keys::token(key).unwrap()) && !open.contains(&keys::token(key).unwrap()),
            b'#' if order == Order::Lost => true,
            b'f' | b'i' | b'#' => numbers.contains(&keys::database_number(key).unwrap()),
            b'r' | b'y' | b'z' => kept.contains(&keys::token(key).unwrap()),
            b'e' => open.contains(&keys::token(key).unwrap()),
            _ => false,
        };
        assert!(is_needed, "the record {} is left over", keys::printable(key));
    }
    let uploads: BTreeSet<String> = jobs
        .iter()
        .filter(|job| open.contains(&job.token))
        .flat_map(|job| job.task().uploads())
        .map(|upload| upload.file.clone())
        .collect();
    assert_eq!(file_names(&folder.path().join("uploads")), uploads, "each waiting job has its uploads, nobody else");
    assert_eq!(file_names(&folder.path().join("spool")), BTreeSet::new());
    for name in file_names(&folder.path().join("pairs")) {
        let owner = name.strip_suffix(".log").map(|token| Token::parse(token).unwrap());
        let number = name.strip_suffix(".pairs").and_then(|number| number.parse().ok());
        let is_needed = owner.is_some_and(|token| open.contains(&token))
            || number.is_some_and(|number| numbers.contains(&number))
            || name == "all.pairs";
        assert!(is_needed, "the file pairs/{name} is left over");
    }
    let is_open_export = |name: &String| open.iter().any(|token| name.contains(&token.to_string()));
    let hidden = file_names(&folder.path().join("out")).into_iter().filter(|name| name.starts_with('.'));
    assert!(hidden.into_iter().all(|name| is_open_export(&name)), "half an export is left over");
}

/// The job that a key leads to.
fn of_key(key: &[u8], value: &[u8]) -> Token {
    let known: crate::engine::terms::KeyRecord = crate::store::decode(key, value).unwrap();
    Token::from_bytes(known.token)
}

/// How many deaths a life died, and the disks that were opened behind them.
#[derive(Debug, Default)]
struct Counted {
    writes: u64,
    stopped: u64,
    cut: u64,
    reordered: u64,
    again: u64,
}

/// A life and what is seen of it when nobody dies.
struct Trial {
    life: &'static Life,
    /// Everything, before the first step and behind each.
    states: Vec<String>,
    told: Told,
    writes: u64,
}

impl Trial {
    fn undisturbed(life: &'static Life) -> Self {
        let folder = scratch();
        let store = Mortal::with(Map::new(), u64::MAX);
        let engine = open(&store, (life.settings)(&folder));
        let mut told = Told::default();
        let mut states = vec![everything(&engine, &folder)];
        for step in life.steps {
            step.act()(&engine, &mut told);
            told.look(&engine);
            states.push(everything(&engine, &folder));
        }
        assert!(states.windows(2).all(|two| two[0] != two[1]), "{}: every step can be seen", life.name);
        let writes = u64::MAX - store.left.load(Ordering::Relaxed);
        Self { life, states, told, writes }
    }

    /// Lives in `folder` until the process dies: how many steps are done, and what the client knows.
    fn die(&self, store: &Arc<Mortal>, folder: &TempDir) -> (usize, Told) {
        let seen = Mutex::new((0, Told::default()));
        let death = catch_unwind(AssertUnwindSafe(|| {
            let engine = open(store, (self.life.settings)(folder));
            let mut told = Told::default();
            for step in self.life.steps {
                step.act()(&engine, &mut told);
                told.look(&engine);
                let mut seen = seen.lock().unwrap();
                *seen = (seen.0 + 1, told.clone());
            }
        }));
        let seen = seen.into_inner().unwrap_or_else(PoisonError::into_inner);
        // behind the end of the last job a worker outlives what it meets
        assert!(death.is_err() || seen.0 == self.life.steps.len(), "every write is reached");
        seen
    }

    /// Opens what is left, looks at everything, and lives on to the end.
    fn audit(&self, store: &Arc<Mortal>, folder: &TempDir, seen: &(usize, Told), order: Order) {
        let (mut done, mut told) = seen.clone();
        let engine = open(store, (self.life.settings)(folder));
        swept(&engine, &store.map(), folder, order);
        told.look(&engine);
        let state = everything(&engine, folder);
        if self.states.get(done + 1) == Some(&state) {
            done += 1;
            told.adopt(&engine);
        } else if !matches!(self.life.steps.get(done), Some(Step::Work(_))) {
            assert_eq!(state, self.states[done], "neither before nor behind step {done}");
        }
        for step in &self.life.steps[done..] {
            step.act()(&engine, &mut told);
            told.look(&engine);
        }
        let last = self.states.last().unwrap();
        assert_eq!(everything(&engine, folder), *last, "the end is another one");
        assert_eq!(told.seen, self.told.seen, "jobs say something else");
        drop(engine);
        let engine = open(store, (self.life.settings)(folder));
        assert_eq!(everything(&engine, folder), *last, "a start changes nothing");
        swept(&engine, &store.map(), folder, order);
    }

    /// Dies before each write and audits each disk that may be left.
    fn enumerate(&self) -> Counted {
        let mut counted = Counted { writes: self.writes, ..Counted::default() };
        for at in 0..self.writes {
            let folder = scratch();
            let mortal = Mortal::with(Map::new(), at);
            let seen = self.die(&mortal, &folder);
            for (nth, (map, order)) in disks(&mortal).into_iter().enumerate() {
                let copy = copied(&folder);
                if nth % 2 == 1 {
                    tear_logs(&copy, at);
                }
                self.audited(map, &copy, &seen, order, &format!("write {at}, disk {nth}"));
                match (nth, order) {
                    (0, _) => counted.stopped += 1,
                    (_, Order::Kept) => counted.cut += 1,
                    (_, Order::Lost) => counted.reordered += 1,
                }
            }
            counted.again += self.die_again(&mortal.map(), &folder, &seen, at);
        }
        counted
    }

    /// Dies at each write of the start behind a death; how many disks that left.
    fn die_again(&self, map: &Map, folder: &TempDir, seen: &(usize, Told), at: u64) -> u64 {
        let mut n_disks = 0;
        for again in 0.. {
            let copy = copied(folder);
            let mortal = Mortal::with(map.clone(), again);
            let start = || drop(open(&mortal, (self.life.settings)(&copy)));
            if catch_unwind(AssertUnwindSafe(start)).is_ok() {
                break;
            }
            for (map, order) in disks(&mortal) {
                self.audited(map, &copied(&copy), seen, order, &format!("write {at}, write {again} of the start"));
                n_disks += 1;
            }
        }
        n_disks
    }

    fn audited(&self, map: Map, folder: &TempDir, seen: &(usize, Told), order: Order, place: &str) {
        let store = Mortal::with(map, u64::MAX);
        let audit = catch_unwind(AssertUnwindSafe(|| self.audit(&store, folder, seen, order)));
        assert!(audit.is_ok(), "{}: {place}, behind step {}", self.life.name, seen.0);
    }

    /// Lives on real files, whose every disk between two syncs is opened: how many there were.
    fn tear(&self) -> u64 {
        let folder = scratch();
        let skipped = if is_complete() { 0 } else { 4 };
        let mut n_disks = 0;
        for round in 0..2 {
            // the second time all steps are done, and it is only opened
            let store = Arc::new(Filmed::open(folder.path(), skipped));
            let clock = Arc::new(Ticking::default());
            let engine = Engine::with(Arc::<Filmed>::clone(&store), clock, (self.life.settings)(&folder)).unwrap();
            if round == 0 {
                let mut told = Told::default();
                self.life.steps.iter().for_each(|step| step.act()(&engine, &mut told));
            }
            assert_eq!(everything(&engine, &folder), *self.states.last().unwrap(), "{} on a disk", self.life.name);
            let report = store.report();
            assert!(report.faults.is_empty(), "{}: {:#?}", self.life.name, report.faults);
            n_disks += report.disks;
        }
        n_disks
    }
}

/// The disks that a death may leave.
fn disks(mortal: &Mortal) -> Vec<(Map, Order)> {
    let cut = mortal.cut().into_iter().map(|map| (map, Order::Kept));
    cut.chain(mortal.reordered().into_iter().map(|map| (map, Order::Lost))).collect()
}

/// A folder in memory where the machine has that: here nothing is lost that is not synced to a disk, and syncs are many.
fn scratch() -> TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap()
}

/// Whether every sync is looked at, which takes minutes.
fn is_complete() -> bool {
    std::env::var_os("CRASH_TABLE").is_some()
}

/// A copy of the files beside the store; those of exports are known by their numbers and stay the same files.
fn copied(from: &TempDir) -> TempDir {
    let to = scratch();
    copy_files(from, &to);
    std::fs::create_dir(to.path().join("out")).unwrap();
    for name in file_names(&from.path().join("out")) {
        std::fs::hard_link(from.path().join("out").join(&name), to.path().join("out").join(&name)).unwrap();
    }
    to
}

/// Cuts off the end of what clusterings have noted of their work, as power does.
fn tear_logs(folder: &TempDir, seed: u64) {
    for name in file_names(&folder.path().join("pairs")).iter().filter(|name| name.strip_suffix(".log").is_some()) {
        let path = folder.path().join("pairs").join(name);
        let bytes = std::fs::read(&path).unwrap();
        let end = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) % (bytes.len() as u64 + 1);
        std::fs::write(path, &bytes[..end as usize]).unwrap();
    }
}

fn live(name: &str) {
    let trial = Trial::undisturbed(LIVES.iter().find(|life| life.name == name).unwrap());
    let counted = trial.enumerate();
    let torn = trial.tear();
    let Counted { writes, stopped, cut, reordered, again } = counted;
    let n_steps = trial.life.steps.len();
    let line =
        format!("{name:<12}{n_steps:>7}{writes:>9}{stopped:>9}{cut:>7}{reordered:>11}{again:>7}{torn:>8}       0\n");
    std::io::stdout().write_all(line.as_bytes()).unwrap(); // past the harness, which would keep it for a failure
}

#[test]
fn a_death_at_any_write_of_a_life_of_queues_loses_nothing() {
    live("queues");
}

#[test]
fn a_death_at_any_write_of_a_life_of_faces_loses_nothing() {
    live("faces");
}

#[test]
fn a_death_at_any_write_of_a_life_of_review_loses_nothing() {
    live("review");
}

#[test]
fn a_death_at_any_write_of_a_life_of_imports_loses_nothing() {
    live("imports");
}

#[test]
fn a_death_at_any_write_of_a_life_of_exports_loses_nothing() {
    live("exports");
}

#[test]
fn a_death_at_any_write_of_a_life_of_training_loses_nothing() {
    live("training");
}

#[test]
fn a_death_at_any_write_of_a_life_of_clustering_loses_nothing() {
    live("clustering");
}

#[test]
fn a_death_at_any_write_of_a_life_of_keys_delays_and_callbacks_loses_nothing() {
    live("terms");
}

#[test]
fn a_death_at_any_write_of_a_life_with_retention_loses_nothing() {
    live("retention");
}
