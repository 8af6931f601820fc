//! What must hold for years: results are bounded by their bytes, and a job that gets nowhere is named.

use std::thread;

use super::*;
use crate::engine::progress::Stage;
use crate::store::keys;

const QUEUE: Queue = Queue::FaceClustering;

fn people(engine: &Engine) {
    import(engine, "people", "{\"identifier\":\"x\",\"imagelabel\":\"1\",\"embedding\":[1,0]}\n").unwrap();
    work_all(engine);
}

fn cluster(engine: &Engine) -> Token {
    let token = engine.submit(Ticket::default(), cluster_all()).unwrap();
    work_all(engine);
    token
}

/// The clock of these tests begins anew with each engine; that of the world does not.
fn later(engine: &Engine) {
    for _ in 0..1_000 {
        engine.clock.now();
    }
}

fn has_rows(engine: &Engine, token: Token) -> bool {
    engine.store.scan(&keys::result(token)).next().is_some()
}

#[test]
fn ended_jobs_are_forgotten_by_the_bytes_of_their_results_but_never_the_latest() {
    let folder = tempfile::tempdir().unwrap();
    let store = Mortal::with(Map::new(), u64::MAX);
    let engine = open(&store, settings(&folder));
    people(&engine);
    let first = cluster(&engine);
    let one = engine.overview().unwrap().result_bytes;
    let rows: usize = engine.store.scan(&keys::result(first)).map(|row| row.unwrap().1.len()).sum();
    assert!(one > 0 && one == rows as u64, "{one} {rows}");
    let more = [cluster(&engine), cluster(&engine)];
    assert_eq!(engine.overview().unwrap().result_bytes, 3 * one);
    drop(engine);
    // a smaller limit holds at the next start, for the sizes are kept with the jobs
    let engine = open(&store, Settings { max_results: 2 * one, ..settings(&folder) });
    assert_eq!(engine.overview().unwrap().result_bytes, 2 * one);
    assert!(engine.job(QUEUE, first).is_none() && !has_rows(&engine, first));
    assert!(engine.jobs(Queue::ImportFaceDatabase).len() == 1, "what has no result is not forgotten for it");
    later(&engine);
    let last = cluster(&engine);
    assert!(engine.job(QUEUE, more[0]).is_none() && !has_rows(&engine, more[0]));
    assert!(has_rows(&engine, more[1]) && has_rows(&engine, last));
    drop(engine);
    let engine = open(&store, Settings { max_results: 0, ..settings(&folder) });
    let left: Vec<Token> = engine.jobs(QUEUE).iter().map(|job| job.token).collect();
    assert_eq!(left, [last], "the latest is kept whatever it takes");
    later(&engine);
    later(&engine);
    let next = cluster(&engine);
    assert!(has_rows(&engine, next) && !has_rows(&engine, last));
}

#[test]
fn a_job_whose_progress_stands_still_is_stuck_until_it_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let settings = Settings { stuck_after: Some(Duration::from_secs(5)), ..settings(&folder) };
    let engine = open(&Mortal::with(Map::new(), u64::MAX), settings);
    engine.submit(Ticket::default(), cluster_all()).unwrap();
    let started = Arc::new(engine.start_next().unwrap().unwrap());
    let waiting = engine.submit(Ticket::default(), cluster_all()).unwrap();
    started.control.note(Stage::Compare, 1, 9);
    let look = |times: usize| {
        for _ in 0..times {
            engine.watch_jobs(); // a second each
        }
        engine.overview().unwrap().stuck_jobs
    };
    assert_eq!([look(1), look(2)], [0, 0], "not yet");
    assert_eq!(look(5), 1);
    assert_eq!(engine.job(QUEUE, waiting).unwrap().state, State::Queued, "a job that waits is not stuck");
    started.control.note(Stage::Compare, 2, 9);
    assert_eq!(look(1), 0, "it goes on");
    engine.pause(QUEUE, started.token).unwrap();
    let resting = Arc::clone(&started);
    let work = thread::spawn(move || resting.control.orders.obey());
    until("it rests", || engine.job(QUEUE, started.token).unwrap().state == State::Resting);
    assert_eq!(look(20), 0, "a paused job is not stuck");
    engine.resume(QUEUE, started.token).unwrap();
    assert_eq!(work.join().unwrap(), None);
    assert_eq!(look(20), 1, "it stands still again");
    engine.work(&started);
    assert_eq!(look(1), 0, "it has ended");
}

#[test]
fn nothing_is_stuck_where_nobody_wants_to_know() {
    let folder = tempfile::tempdir().unwrap();
    let settings = Settings { stuck_after: None, ..settings(&folder) };
    let engine = open(&Mortal::with(Map::new(), u64::MAX), settings);
    engine.submit(Ticket::default(), cluster_all()).unwrap();
    let _started = engine.start_next().unwrap().unwrap();
    for _ in 0..10_000 {
        engine.watch_jobs();
    }
    assert_eq!(engine.overview().unwrap().stuck_jobs, 0);
}
