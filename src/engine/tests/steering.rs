//! Clients that steer jobs and queues, case by case; in any order against a model (`model`).

mod model;

use std::thread::JoinHandle;

use super::*;
use crate::job::Priority;

const QUEUE: Queue = Queue::FaceClustering;
const MAX_JOBS: usize = 2;

fn few_at_work(folder: &TempDir) -> Settings {
    Settings { max_jobs: BTreeMap::from([(QUEUE, NonZeroUsize::new(MAX_JOBS).unwrap())]), ..settings(folder) }
}

/// A job of an import whose work rests on a thread of its own.
fn resting(engine: &Arc<Engine>) -> (Token, JoinHandle<()>) {
    let token = import(engine, "people", THREE).unwrap();
    let started = engine.start_next().unwrap().unwrap();
    assert_eq!(engine.pause(Queue::ImportFaceDatabase, token).unwrap(), State::Pausing);
    let worker = {
        let engine = Arc::clone(engine);
        std::thread::spawn(move || engine.work(&started))
    };
    until("it rests", || engine.job(Queue::ImportFaceDatabase, token).unwrap().state == State::Resting);
    (token, worker)
}

#[test]
fn r72_work_that_is_paused_waits_and_goes_on_when_it_is_resumed() {
    let folder = tempfile::tempdir().unwrap();
    let engine = fresh(&folder);
    let (token, worker) = resting(&engine);
    let job = engine.job(Queue::ImportFaceDatabase, token).unwrap();
    assert_eq!((job.state.word(), job.started.is_some(), job.progress.remaining), ("Paused", true, None));
    import(&engine, "others", THREE).unwrap();
    assert!(engine.start_next().unwrap().is_none(), "it keeps its thread");
    assert_eq!(engine.resume(Queue::ImportFaceDatabase, token).unwrap(), State::Processing);
    worker.join().unwrap();
    assert_eq!(queues(&engine), "ImportFaceDatabase Finished\nImportFaceDatabase Queued\n");
    assert_eq!(shown(&engine, "people").len(), 2);
}

#[test]
fn r72_a_stop_ends_work_that_is_paused_at_once_and_nothing_of_it_is_left() {
    let folder = tempfile::tempdir().unwrap();
    let store = Mortal::with(Map::new(), u64::MAX);
    let engine = open(&store, settings(&folder));
    let (token, worker) = resting(&engine);
    assert_eq!(engine.stop(Queue::ImportFaceDatabase, token).unwrap(), State::Stopped);
    let dead = Mortal::with(store.map(), u64::MAX);
    worker.join().unwrap();
    let other = tempfile::tempdir().unwrap();
    for (store, engine) in [(store, engine), (Arc::clone(&dead), open(&dead, settings(&other)))] {
        assert_eq!(queues(&engine), "ImportFaceDatabase Stopped\n");
        assert!(shown(&engine, "people").is_empty());
        let left: Vec<_> = store.map().into_keys().filter(|key| b"smagxrif".contains(&key[0])).collect();
        assert!(left.is_empty(), "leftovers {left:?}");
    }
    assert_eq!(std::fs::read_dir(folder.path().join("uploads")).unwrap().count(), 0);
}

#[test]
fn r72_a_shutdown_wakes_work_that_is_paused_and_leaves_it_paused() {
    let folder = tempfile::tempdir().unwrap();
    let store = Mortal::with(Map::new(), u64::MAX);
    let engine = open(&store, settings(&folder));
    let (token, worker) = resting(&engine);
    engine.release_all();
    worker.join().unwrap();
    let engine = open(&store, settings(&folder));
    assert_eq!(queues(&engine), "ImportFaceDatabase Paused\n");
    assert!(engine.start_next().unwrap().is_none());
    assert_eq!(engine.resume(Queue::ImportFaceDatabase, token).unwrap(), State::Queued);
    work_all(&engine);
    assert_eq!(queues(&engine), "ImportFaceDatabase Finished\n");
}

#[test]
fn r86_a_duplicate_has_files_of_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let engine = fresh(&folder);
    let queue = Queue::ImportFaceDatabase;
    let token = import(&engine, "people", THREE).unwrap();
    engine.pause(queue, token).unwrap();
    let copy = engine.duplicate(queue, token).unwrap();
    assert_eq!(engine.stop(queue, token).unwrap(), State::Cancelled);
    let files: Vec<_> =
        std::fs::read_dir(folder.path().join("uploads")).unwrap().map(|f| f.unwrap().file_name()).collect();
    assert_eq!(files, [format!("{copy}.jsonl").as_str()]);
    let refused = engine.duplicate(queue, token).unwrap_err();
    assert_eq!(refused.to_string(), "'duplicate' is not possible: the job's status is Cancelled");
    work_all(&engine);
    assert_eq!(queues(&engine), "ImportFaceDatabase Cancelled\nImportFaceDatabase Finished\n");
    assert_eq!(shown(&engine, "people").len(), 2);
}

#[test]
fn r86_pausing_a_queue_is_one_write_that_its_jobs_and_it_know_or_not() {
    let folder = tempfile::tempdir().unwrap();
    let prepared = Mortal::with(Map::new(), u64::MAX);
    let engine = open(&prepared, few_at_work(&folder));
    for _ in 0..2 {
        engine.submit(Ticket::default(), cluster_all()).unwrap();
    }
    for at in 0..3 {
        let mortal = Mortal::with(prepared.map(), u64::MAX);
        let engine = open(&mortal, few_at_work(&folder));
        let _runs = [engine.start_next().unwrap().unwrap(), engine.start_next().unwrap().unwrap()];
        mortal.left.store(at, Ordering::Relaxed);
        let answered = catch_unwind(AssertUnwindSafe(|| engine.pause_queue(QUEUE))).is_ok();
        assert_eq!(answered, at == 2, "one write and one sync");
        for remains in mortal.remains() {
            let engine = open(&Mortal::with(remains, u64::MAX), few_at_work(&folder));
            let is_paused = engine.figures(QUEUE).is_paused;
            assert!(is_paused || !answered, "an acknowledged pause is lost");
            let expected = if is_paused { State::Held } else { State::Queued };
            assert!(engine.jobs(QUEUE).iter().all(|job| job.state == expected), "{}", queues(&engine));
        }
    }
}

#[test]
fn r78_a_suspect_that_is_paused_holds_nobody_up() {
    let folder = tempfile::tempdir().unwrap();
    let store = Mortal::with(Map::new(), u64::MAX);
    let engine = open(&store, settings(&folder));
    let suspect = engine.submit(Ticket::default(), cluster_all()).unwrap();
    engine.start_next().unwrap().unwrap();
    let engine = open(&Mortal::with(store.map(), u64::MAX), settings(&folder));
    let other = import(&engine, "people", THREE).unwrap();
    engine.pause_queue(QUEUE).unwrap();
    let started = engine.start_next().unwrap().unwrap();
    assert_eq!(started.token, other);
    engine.work(&started);
    engine.resume_queue(QUEUE).unwrap();
    assert_eq!(engine.start_next().unwrap().unwrap().token, suspect);
}

#[test]
fn r67_a_queue_runs_as_many_jobs_as_it_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let settings = Settings {
        default_max_jobs: NonZeroUsize::new(3).unwrap(),
        max_jobs: BTreeMap::from([(Queue::ImportFaceDatabase, NonZeroUsize::MIN)]),
        ..settings(&folder)
    };
    let engine = open(&Mortal::with(Map::new(), u64::MAX), settings);
    for _ in 0..5 {
        engine.submit(Ticket::default(), cluster_all()).unwrap();
        import(&engine, "people", THREE).unwrap();
    }
    while engine.start_next().unwrap().is_some() {}
    let running = Queue::ALL.map(|queue| (queue, engine.figures(queue).running));
    for (queue, n) in running {
        assert_eq!(
            n,
            if queue == Queue::ImportFaceDatabase {
                1
            } else if queue == QUEUE {
                3
            } else {
                0
            },
            "{queue}"
        );
    }
}

#[test]
fn r80_whoever_waits_for_the_end_of_a_job_is_told_of_it_and_finds_its_result() {
    let folder = tempfile::tempdir().unwrap();
    let settings = Settings { retention: Retention { age: Duration::MAX, count: 0 }, ..settings(&folder) };
    let engine = open(&Mortal::with(Map::new(), u64::MAX), settings);
    let ticket = Ticket::default();
    let token = ticket.token;
    let attendance = engine.attend(token).unwrap();
    assert!(matches!(attendance.wait(Duration::ZERO), Waited::Unknown));
    engine.submit(ticket, cluster_all()).unwrap();
    assert!(matches!(attendance.wait(Duration::from_millis(1)), Waited::NotYet));
    std::thread::scope(|scope| {
        let waiter = || match engine.attend(token).unwrap().wait(PATIENCE) {
            Waited::Ended(job) => job.state,
            other => panic!("{other:?}"),
        };
        let waiters = [scope.spawn(waiter), scope.spawn(waiter)];
        until("both wait", || engine.lock_jobs().attended.get(&token) == Some(&3));
        work_all(&engine);
        for waiter in waiters {
            assert_eq!(waiter.join().unwrap(), State::Finished);
        }
    });
    engine.forget_all_expired();
    assert_eq!(result_text(&engine, token), "", "kept for whoever attends");
    drop(attendance);
    engine.forget_all_expired();
    assert!(engine.job(QUEUE, token).is_none());
}

#[test]
fn r82_a_shutdown_ends_the_waiting_and_too_many_do_not_wait() {
    let folder = tempfile::tempdir().unwrap();
    let engine = open(&Mortal::with(Map::new(), u64::MAX), Settings { max_waiting: 1, ..settings(&folder) });
    let token = engine.submit(Ticket::default(), cluster_all()).unwrap();
    let attendance = engine.attend(token).unwrap();
    let refused = engine.attend(token).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::QueueFull);
    assert!(refused.to_string().starts_with("1 requests wait for the end of a job already"), "{refused}");
    std::thread::scope(|scope| {
        let waiter = scope.spawn(|| attendance.wait(PATIENCE));
        engine.release_all();
        assert!(matches!(waiter.join().unwrap(), Waited::Stopping));
    });
    drop(attendance);
    engine.attend(token).unwrap();
    assert_eq!(queues(&engine), "FaceClustering Queued\n");
}

/// What a client that steers was told before the process died.
#[derive(Default)]
struct Told {
    original: Option<Token>,
    is_paused: bool,
    has_priority: bool,
    copy: Option<Token>,
    is_cancelled: bool,
}

fn steer(engine: &Engine, told: &mut Told) {
    let queue = Queue::ImportFaceDatabase;
    let original = import(engine, "people", THREE).unwrap();
    told.original = Some(original);
    engine.pause(queue, original).unwrap();
    told.is_paused = true;
    engine.change_priority(queue, original, Priority::MAX).unwrap();
    told.has_priority = true;
    told.copy = Some(engine.duplicate(queue, original).unwrap());
    engine.cancel(queue, original).unwrap();
    told.is_cancelled = true;
}

#[test]
fn r74_r86_a_death_at_any_write_of_steering_loses_nothing_that_was_acknowledged() {
    let queue = Queue::ImportFaceDatabase;
    for at in 0.. {
        let folder = tempfile::tempdir().unwrap();
        let mortal = Mortal::with(Map::new(), at);
        let mut told = Told::default();
        let life = catch_unwind(AssertUnwindSafe(|| steer(&open(&mortal, settings(&folder)), &mut told)));
        for remains in mortal.remains() {
            let copy = tempfile::tempdir().unwrap();
            copy_files(&folder, &copy);
            let engine = open(&Mortal::with(remains, u64::MAX), settings(&copy));
            let job = |token| engine.job(queue, token).expect("what was acknowledged is there");
            if let Some(original) = told.original.map(job) {
                assert!(!told.is_paused || original.state != State::Queued, "write {at}");
                assert!(!told.has_priority || original.priority == Priority::MAX, "write {at}");
                assert!(!told.is_cancelled || original.state == State::Cancelled, "write {at}");
            }
            assert!(told.copy.map(job).is_none_or(|copy| copy.state == State::Queued), "write {at}");
            let open_jobs: BTreeSet<_> = (engine.jobs(queue).iter())
                .filter(|job| !job.state.is_ended())
                .map(|job| format!("{}.jsonl", job.token))
                .collect();
            let files = std::fs::read_dir(copy.path().join("uploads")).unwrap();
            let files: BTreeSet<_> = files.map(|file| file.unwrap().file_name().into_string().unwrap()).collect();
            assert_eq!(files, open_jobs, "write {at}: each job has its file, and there is no other");
            work_all(&engine);
            if told.copy.is_some() {
                assert_eq!(shown(&engine, "people").len(), 2, "write {at}");
            }
        }
        if life.is_ok() {
            assert!(at > 10, "steering writes");
            break;
        }
    }
}
