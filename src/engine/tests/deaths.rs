//! A life cut off at every write, a recovery cut off at every write, and stores that fail without dying.

use super::*;

/// What a client was told before the process died.
#[derive(Default)]
struct Ledger {
    created: bool,
    added: bool,
    import: Option<Token>,
    /// An import into the database that the first one made.
    second: Option<Token>,
    clustering: Option<Token>,
    cancelled: Option<Token>,
    removed: bool,
}

/// A scripted life that touches everything that is stored.
fn life(engine: &Engine, ledger: &mut Ledger) {
    engine.create_database(&name("gone"), None).unwrap();
    ledger.created = true;
    engine.new_face(&name("gone"), Some(&identifier("x"))).unwrap();
    let images = vec![image("1", &[1.0, 0.0]), image("2", &[0.0, 1.0])];
    engine.add_embeddings(&name("gone"), &identifier("x"), images, None).unwrap();
    ledger.added = true;
    ledger.import = Some(import(engine, "people", THREE).unwrap());
    let cancelled = engine.submit(Ticket::default(), cluster_all()).unwrap();
    engine.cancel(Queue::FaceClustering, cancelled).unwrap();
    ledger.cancelled = Some(cancelled);
    work_all(engine);
    ledger.second = Some(import(engine, "people", MORE).unwrap());
    work_all(engine);
    engine.remove_database(&name("gone")).unwrap();
    ledger.removed = true;
    let task = ClusterTask { database: Some("people".to_owned()), ..ClusterTask::default() };
    ledger.clustering = Some(engine.submit(Ticket::default(), Task::Cluster(task)).unwrap());
    work_all(engine);
}

/// Looks at everything after a death, and again after one more start.
fn audit(engine: &Engine, ledger: &Ledger, expected: &str, at: u64) {
    let gone = shown(engine, "gone");
    let images: usize = gone.iter().map(|face| face.images.len()).sum();
    assert!(matches!(images, 0 | 2), "write {at}: {images} of 2 images");
    assert!(!ledger.removed || gone.is_empty(), "write {at}: a removed database is there");
    if ledger.added && ledger.import.is_none() {
        assert_eq!(images, 2, "write {at}: acknowledged images are lost");
    }
    if ledger.created && ledger.import.is_none() {
        assert!(engine.find_database(&name("gone")).unwrap().is_some(), "write {at}: a created database is lost");
    }
    let before: usize = shown(engine, "people").iter().map(|face| face.images.len()).sum();
    assert!(matches!(before, 0 | 3 | 5), "write {at}: {before} of 3 or 5 imported images");
    work_all(engine);
    if let Some(token) = ledger.import {
        let job = engine.job(Queue::ImportFaceDatabase, token).expect("an acknowledged import is known");
        assert_eq!(job.state, State::Finished, "write {at}: {:?}", job.result());
        // a job that was written and not acknowledged runs too
        let n_faces = 1 + engine.jobs(Queue::ImportFaceDatabase).len();
        assert_eq!(shown(engine, "people").len(), n_faces, "write {at}");
        assert_eq!(shown(engine, "people")[0].metadata.len(), n_faces - 1, "write {at}");
    }
    if let Some(token) = ledger.second {
        let job = engine.job(Queue::ImportFaceDatabase, token).expect("an acknowledged import is known");
        assert_eq!(job.state, State::Finished, "write {at}: {:?}", job.result());
    }
    if let Some(token) = ledger.cancelled {
        let job = engine.job(Queue::FaceClustering, token).expect("an acknowledged job is known");
        assert_eq!(job.state, State::Cancelled, "write {at}");
    }
    if let Some(token) = ledger.clustering {
        let job = engine.job(Queue::FaceClustering, token).expect("an acknowledged clustering is known");
        assert_eq!(job.state, State::Finished, "write {at}: {:?}", job.result());
        assert_eq!(result_text(engine, token), expected, "write {at}");
    }
}

#[test]
fn a_death_at_any_write_loses_nothing_that_was_acknowledged() {
    let folder = tempfile::tempdir().unwrap();
    let whole = Mortal::with(Map::new(), u64::MAX);
    let engine = open(&whole, settings(&folder));
    let mut ledger = Ledger::default();
    life(&engine, &mut ledger);
    let expected = result_text(&engine, ledger.clustering.unwrap());
    let writes = u64::MAX - whole.left.load(Ordering::Relaxed);
    assert!(writes > 30, "{writes} writes and syncs are worth dying at");
    for at in 0..writes {
        let folder = tempfile::tempdir().unwrap();
        let mortal = Mortal::with(Map::new(), at);
        let mut ledger = Ledger::default();
        let death = catch_unwind(AssertUnwindSafe(|| {
            let engine = open(&mortal, settings(&folder));
            life(&engine, &mut ledger);
        }));
        assert!(death.is_err(), "write {at} is reached");
        for remains in mortal.remains() {
            let copy = tempfile::tempdir().unwrap();
            copy_files(&folder, &copy);
            let store = Mortal::with(remains, u64::MAX);
            audit(&open(&store, settings(&copy)), &ledger, &expected, at);
            audit(&open(&store, settings(&copy)), &ledger, &expected, at);
            let left: Vec<_> = store.map().into_keys().filter(|key| b"smagxpe".contains(&key[0])).collect();
            assert!(left.is_empty(), "write {at}: leftovers {left:?}");
            let of = |kind: u8| -> BTreeSet<Token> {
                let keys = store.map().into_keys().filter(move |key| key[0] == kind);
                keys.map(|key| crate::store::keys::token(&key).unwrap()).collect()
            };
            assert!(of(b'r').is_subset(&of(b'j')), "write {at}: results without a job");
            let uploads = std::fs::read_dir(copy.path().join("uploads")).unwrap().count();
            assert_eq!(uploads, 0, "write {at}: uploads of ended jobs");
            let pairs = std::fs::read_dir(copy.path().join("pairs")).unwrap();
            let mut is_log = pairs.map(|file| file.unwrap().path().extension() == Some("log".as_ref()));
            assert!(is_log.all(|is_log| !is_log), "write {at}: logs of ended jobs");
        }
    }
}

/// How many images a job sees that does not synchronise.
fn seen_without_sync(engine: &Engine) -> u64 {
    let task = ClusterTask { sync: false, ..ClusterTask::default() };
    let token = engine.submit(Ticket::default(), Task::Cluster(task)).unwrap();
    work_all(engine);
    match engine.job(Queue::FaceClustering, token).unwrap().result().cloned() {
        Some(JobResult::Clustering(outcome)) => outcome.n_faces,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_death_during_recovery_is_just_another_death() {
    let folder = tempfile::tempdir().unwrap();
    let mortal = Mortal::with(Map::new(), u64::MAX);
    let engine = open(&mortal, settings(&folder));
    import(&engine, "people", THREE).unwrap();
    work_all(&engine);
    import(&engine, "people", MORE).unwrap();
    // die right behind the decision: the marker stands, no row is applied
    let decided = (0..).find_map(|left| {
        let trial = Mortal::with(mortal.map(), left);
        let copy = tempfile::tempdir().unwrap();
        copy_files(&folder, &copy);
        let _ = catch_unwind(AssertUnwindSafe(|| work_all(&open(&trial, settings(&copy)))));
        trial.map().keys().any(|key| key[0] == b'a').then(|| trial.map())
    });
    let decided = decided.expect("the marker is written");
    for at in 0.. {
        let mortal = Mortal::with(decided.clone(), at);
        let empty = tempfile::tempdir().unwrap();
        if catch_unwind(AssertUnwindSafe(|| open(&mortal, settings(&empty)))).is_ok() {
            assert!(at > 3, "recovery writes");
            break;
        }
        for remains in mortal.remains() {
            let engine = open(&Mortal::with(remains, u64::MAX), settings(&empty));
            assert_eq!(shown(&engine, "people").len(), 3, "recovery write {at}");
            assert_eq!(queues(&engine), "ImportFaceDatabase Finished\nImportFaceDatabase Finished\n");
            assert_eq!(seen_without_sync(&engine), 5, "the start is a synchronisation, recovery was before it");
        }
    }
}

#[test]
fn a_store_that_fails_ends_nothing_by_halves_and_does_not_hold_up_a_shutdown() {
    let folder = tempfile::tempdir().unwrap();
    let whole = Mortal::with(Map::new(), u64::MAX);
    let engine = open(&whole, settings(&folder));
    import(&engine, "people", THREE).unwrap();
    work_all(&engine);
    import(&engine, "people", MORE).unwrap();
    let mut trials = Vec::new();
    for left in 0..30 {
        let (map, copy) = (whole.map(), tempfile::tempdir().unwrap());
        copy_files(&folder, &copy);
        trials.push(std::thread::spawn(move || {
            let store = Mortal::failing(map.clone(), u64::MAX);
            let engine = open(&store, settings(&copy));
            let started = engine.start_next().unwrap().unwrap();
            if left % 2 == 1 {
                engine.stop(Queue::ImportFaceDatabase, started.token).unwrap();
            }
            store.left.store(left, Ordering::Relaxed);
            let worker = {
                let engine = Arc::clone(&engine);
                std::thread::spawn(move || engine.work(&started))
            };
            engine.release_all();
            worker.join().expect("no panic, whatever fails"); // and it does end
            let after = open(&Mortal::with(store.map(), u64::MAX), settings(&copy));
            let images: usize = shown(&after, "people").iter().map(|face| face.images.len()).sum();
            assert!(matches!(images, 3 | 5), "write {left}: {images} images");
        }));
    }
    for trial in trials {
        trial.join().unwrap();
    }
}

#[test]
fn a_removal_that_was_decided_is_a_success_even_if_clearing_fails() {
    let folder = tempfile::tempdir().unwrap();
    let store = Mortal::failing(Map::new(), u64::MAX);
    let engine = open(&store, settings(&folder));
    import(&engine, "people", THREE).unwrap();
    work_all(&engine);
    store.left.store(2, Ordering::Relaxed); // the decision is one write and one sync
    engine.remove_database(&name("people")).unwrap();
    assert!(engine.list_databases().unwrap().is_empty());
    let store = Mortal::with(store.map(), u64::MAX);
    open(&store, settings(&folder));
    assert!(store.map().keys().all(|key| !b"fig".contains(&key[0])), "the next start clears");
}
