//! Keys and delays: the same request is one job whatever happens, and a job starts no earlier than it was told to.

use std::thread;

use super::training::{Fake, request, trained_by, untrained};
use super::*;

const QUEUE: Queue = Queue::FaceClustering;

fn keyed(text: &str, sameness: u8) -> Ticket {
    let key = Some(Key { text: text.to_owned(), sameness: [sameness; 32] });
    Ticket { terms: Terms { key, ..Terms::default() }, ..Ticket::default() }
}

fn delayed(seconds: u64) -> Ticket {
    let delay = Some(Duration::from_secs(seconds));
    Ticket { terms: Terms { delay, ..Terms::default() }, ..Ticket::default() }
}

fn uploads(folder: &TempDir) -> usize {
    std::fs::read_dir(folder.path().join("uploads")).unwrap().count()
}

fn import_three(engine: &Engine, ticket: Ticket) -> Result<Token, EngineError> {
    import_with(engine, ticket, "people", THREE)
}

#[test]
fn the_same_key_and_request_is_one_job_and_another_request_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let store = Mortal::with(Map::new(), u64::MAX);
    let engine = open(&store, settings(&folder));
    let token = engine.submit(keyed("a", 1), cluster_all()).unwrap();
    assert_eq!(engine.submit(keyed("a", 1), cluster_all()).unwrap(), token);
    assert_ne!(engine.submit(keyed("b", 1), cluster_all()).unwrap(), token, "another key is another job");
    assert_ne!(import_three(&engine, keyed("a", 1)).unwrap(), token, "keys are those of one action");
    let refused = engine.submit(keyed("a", 2), cluster_all()).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::KeyTaken);
    assert!(refused.to_string().contains(&format!("'idempotencykey=a' was given with the job {token}")), "{refused}");
    // across a kill, and whatever became of the job
    drop(engine);
    let engine = open(&store, settings(&folder));
    assert_eq!(engine.submit(keyed("a", 1), cluster_all()).unwrap(), token);
    engine.cancel(QUEUE, token).unwrap();
    assert_eq!(engine.submit(keyed("a", 1), cluster_all()).unwrap(), token);
    assert_eq!(engine.job(QUEUE, token).unwrap().state, State::Cancelled, "a new attempt needs a new key");
    assert_eq!(engine.jobs(QUEUE).len(), 2);
}

#[test]
fn submissions_with_one_key_at_the_same_time_are_one_job_with_one_upload() {
    let folder = tempfile::tempdir().unwrap();
    let engine = fresh(&folder);
    let tokens: BTreeSet<Token> = thread::scope(|scope| {
        let clients: Vec<_> = (0..8).map(|_| scope.spawn(|| import_three(&engine, keyed("a", 1)).unwrap())).collect();
        clients.into_iter().map(|client| client.join().unwrap()).collect()
    });
    assert_eq!((tokens.len(), engine.jobs(Queue::ImportFaceDatabase).len()), (1, 1));
    assert_eq!(uploads(&folder), 1, "those of the others are gone");
    work_all(&engine);
    assert_eq!(import_three(&engine, keyed("a", 1)).unwrap(), *tokens.first().unwrap());
    assert_eq!(uploads(&folder), 0);
}

#[test]
fn a_repeated_request_is_answered_although_the_queue_is_full_or_its_file_is_there() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out");
    std::fs::create_dir(&out).unwrap();
    let settings = Settings { allowed_output: vec![out.clone()], max_queue: 1, ..trained_by(&Fake::new(), &folder) };
    let engine = open(&Mortal::with(Map::new(), u64::MAX), settings);
    untrained(&engine);
    let train = |ticket| {
        let request = TrainRequest { labels: Some(vec![label("1")]), ..request("a", "new") };
        engine.submit_training(ticket, request, |bundle| bundle.add(&mut "face:1,0".as_bytes()))
    };
    let trained = train(keyed("a", 1)).unwrap();
    assert_eq!(train(keyed("b", 1)).unwrap_err().kind(), ErrorKind::QueueFull);
    assert_eq!(train(keyed("a", 1)).unwrap(), trained);
    assert_eq!(uploads(&folder), 1);
    let export = |ticket| {
        let (path, format) = (out.join("a.jsonl").to_str().unwrap().to_owned(), Format::Jsonl);
        engine.submit_export(ticket, ExportRequest { database: name("a"), path, format, contents: Contents::default() })
    };
    let exported = export(keyed("a", 1)).unwrap();
    work_all(&engine);
    assert!(out.join("a.jsonl").exists());
    assert_eq!(export(keyed("a", 1)).unwrap(), exported);
    assert!(export(keyed("b", 1)).is_err());
}

#[test]
fn a_key_goes_with_its_job() {
    let folder = tempfile::tempdir().unwrap();
    let store = Mortal::with(Map::new(), u64::MAX);
    let retention = Retention { age: Duration::MAX, count: 1 };
    let engine = open(&store, Settings { retention, ..settings(&folder) });
    let first = engine.submit(keyed("a", 1), cluster_all()).unwrap();
    engine.submit(keyed("b", 1), cluster_all()).unwrap();
    work_all(&engine);
    assert!(engine.job(QUEUE, first).is_none(), "it is forgotten");
    let of_terms = |map: &Map| map.keys().filter(|key| matches!(key[0], b'k' | b'c')).count();
    assert_eq!(of_terms(&store.map()), 2, "those of the second job");
    let again = engine.submit(keyed("a", 2), cluster_all()).unwrap();
    assert_ne!(again, first);
}

#[test]
fn a_duplicate_has_no_key_and_what_is_left_of_the_delay() {
    let folder = tempfile::tempdir().unwrap();
    let engine = fresh(&folder);
    let mut ticket = keyed("a", 1);
    ticket.terms.delay = Some(Duration::from_secs(1_000));
    ticket.parameters = vec![("delay".to_owned(), "1000".to_owned()), ("idempotencykey".to_owned(), "a".to_owned())];
    let token = engine.submit(ticket, cluster_all()).unwrap();
    let copy = engine.duplicate(QUEUE, token).unwrap();
    let (job, copied) = (engine.job(QUEUE, token).unwrap(), engine.job(QUEUE, copy).unwrap());
    assert!(copied.start_after <= job.start_after.map(|at| Timestamp(at.0 + 1_000_000)), "{copied:?}");
    assert_eq!(copied.parameters(), [("delay".to_owned(), "1000".to_owned())]);
    assert!(engine.start_next().unwrap().is_none());
    engine.cancel(QUEUE, token).unwrap();
    assert_eq!(engine.submit(keyed("a", 1), cluster_all()).unwrap(), token, "the key is the first one's");
}

/// A clock whose two hands are set by the test, in seconds.
#[derive(Default)]
struct Hands {
    wall: AtomicI64,
    up: AtomicU64,
}

impl Hands {
    fn set(&self, wall: i64, up: u64) {
        self.wall.store(wall, Ordering::Relaxed);
        self.up.store(up, Ordering::Relaxed);
    }
}

impl Clock for Hands {
    fn now(&self) -> Timestamp {
        Timestamp(self.wall.load(Ordering::Relaxed) * 1_000_000)
    }

    fn uptime(&self) -> Duration {
        Duration::from_secs(self.up.load(Ordering::Relaxed))
    }
}

fn open_at(store: &Arc<Mortal>, clock: &Arc<Hands>, folder: &TempDir) -> Arc<Engine> {
    Engine::with(Arc::clone(store) as Arc<dyn Store>, Arc::clone(clock) as Arc<dyn Clock>, settings(folder)).unwrap()
}

const DAY: i64 = 86_400;

#[test]
fn a_delayed_job_starts_when_its_time_has_come_and_holds_up_nobody() {
    let folder = tempfile::tempdir().unwrap();
    let (store, clock) = (Mortal::with(Map::new(), u64::MAX), Arc::new(Hands::default()));
    let engine = open_at(&store, &clock, &folder);
    clock.set(1_000, 50);
    let late = engine.submit(delayed(60), cluster_all()).unwrap();
    let soon = engine.submit(Ticket::default(), cluster_all()).unwrap();
    assert_eq!(engine.next_delayed(), Some(Duration::from_mins(1)));
    assert_eq!(engine.figures(QUEUE).pending, 2, "it counts as a job of the queue");
    let started = engine.start_next().unwrap().unwrap();
    assert_eq!(started.token, soon);
    engine.work(&started);
    let job = engine.job(QUEUE, late).unwrap();
    assert_eq!((job.state, job.start_after), (State::Queued, Some(Timestamp(1_060_000_000))));
    // the clock jumps, the time that passes counts
    for wall in [1_000 + 3_650 * DAY, 1_000 - DAY] {
        clock.set(wall, 109);
        assert!(engine.start_next().unwrap().is_none(), "a second is missing");
    }
    clock.set(1_000 - DAY, 110);
    let started = engine.start_next().unwrap().unwrap();
    assert_eq!((started.token, engine.next_delayed()), (late, None));
    assert_eq!(engine.job(QUEUE, late).unwrap().start_after, None, "it has started");
    engine.work(&started);
    assert!(!store.map().keys().any(|key| key[0] == b'c'), "a delay that is over leaves nothing");
}

#[test]
fn a_delay_goes_on_over_a_restart_and_a_clock_that_goes_back_makes_it_no_longer() {
    let folder = tempfile::tempdir().unwrap();
    let clock = Arc::new(Hands::default());
    let store = Mortal::with(Map::new(), u64::MAX);
    clock.set(1_000, 50);
    let token = open_at(&store, &clock, &folder).submit(delayed(60), cluster_all()).unwrap();
    let restarted = |wall, up| {
        clock.set(wall, up);
        open_at(&Mortal::with(store.map(), u64::MAX), &clock, &folder)
    };
    assert_eq!(restarted(1_020, 3).next_delayed(), Some(Duration::from_secs(40)));
    assert_eq!(restarted(1_000 - DAY, 3).next_delayed(), Some(Duration::from_mins(1)), "no longer than it was");
    for late in [1_060, 1_000 + 3_650 * DAY] {
        let engine = restarted(late, 3);
        assert_eq!(engine.start_next().unwrap().unwrap().token, token);
    }
}

#[test]
fn a_delay_is_over_with_the_first_start_also_if_the_process_dies_and_the_clock_goes_back() {
    let folder = tempfile::tempdir().unwrap();
    let (store, clock) = (Mortal::with(Map::new(), u64::MAX), Arc::new(Hands::default()));
    clock.set(1_000, 50);
    let engine = open_at(&store, &clock, &folder);
    engine.submit(delayed(60), cluster_all()).unwrap();
    engine.submit(Ticket::default(), cluster_all()).unwrap();
    clock.set(1_060, 110);
    let started = engine.start_next().unwrap().unwrap();
    drop(engine);
    clock.set(0, 0);
    let engine = open_at(&Mortal::with(store.map(), u64::MAX), &clock, &folder);
    let again = engine.start_next().unwrap().expect("who was at work at the death does not keep others waiting");
    assert_eq!(again.token, started.token);
}

#[test]
fn a_delayed_job_is_steered_like_any_other_that_waits() {
    let folder = tempfile::tempdir().unwrap();
    let (store, clock) = (Mortal::with(Map::new(), u64::MAX), Arc::new(Hands::default()));
    let engine = open_at(&store, &clock, &folder);
    let tokens: Vec<Token> = (0..4).map(|_| engine.submit(delayed(60), cluster_all()).unwrap()).collect();
    assert_eq!(engine.cancel(QUEUE, tokens[0]).unwrap(), State::Cancelled);
    assert_eq!(engine.stop(QUEUE, tokens[1]).unwrap(), State::Cancelled);
    assert_eq!(engine.pause(QUEUE, tokens[2]).unwrap(), State::Held);
    engine.change_priority(QUEUE, tokens[3], crate::job::Priority::MIN).unwrap();
    assert_eq!(engine.job(QUEUE, tokens[0]).unwrap().start_after, None, "what has ended waits for nothing");
    clock.set(60, 60);
    assert_eq!(engine.start_next().unwrap().unwrap().token, tokens[3]);
    assert!(engine.start_next().unwrap().is_none(), "one is paused, two have ended");
    assert_eq!(engine.resume(QUEUE, tokens[2]).unwrap(), State::Queued);
    assert_eq!(engine.next_delayed(), None);
}

#[test]
fn a_job_that_may_be_on_the_disk_although_its_sync_failed_keeps_its_uploads() {
    type Accept = fn(&Engine) -> Result<Token, EngineError>;
    let accept: [(&str, Accept); 2] = [
        ("import", |engine| import_three(engine, Ticket::default())),
        ("duplicate", |engine| {
            let queue = Queue::ImportFaceDatabase;
            engine.duplicate(queue, engine.jobs(queue)[0].token)
        }),
    ];
    for (what, accept) in accept {
        for left in 0..2 {
            let folder = tempfile::tempdir().unwrap();
            let store = Mortal::failing(Map::new(), u64::MAX);
            let engine = open(&store, settings(&folder));
            import_three(&engine, Ticket::default()).unwrap();
            store.left.store(left, Ordering::Relaxed);
            assert_eq!(accept(&engine).unwrap_err().kind(), ErrorKind::Storage);
            for (nth, remains) in store.remains().into_iter().enumerate() {
                let copy = tempfile::tempdir().unwrap();
                copy_files(&folder, &copy);
                let engine = open(&Mortal::with(remains, u64::MAX), settings(&copy));
                let jobs = engine.jobs(Queue::ImportFaceDatabase);
                assert!(jobs.len() <= 1 + left as usize, "{what}: write {left}, disk {nth}");
                assert_eq!(uploads(&copy), jobs.len(), "{what}: write {left}, disk {nth}");
                work_all(&engine);
                for job in engine.jobs(Queue::ImportFaceDatabase) {
                    assert_eq!(job.state, State::Finished, "{what}: write {left}, disk {nth}");
                }
            }
        }
    }
}
