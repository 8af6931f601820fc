//! The engine over stores that fail on purpose: what was acknowledged is there, and nothing is there by halves.

mod audits;
mod binding;
mod clock;
mod crash;
mod model;
mod mortal;
mod outbox;
mod pairs;
mod paths;
mod pictures;
mod retrain;
mod review;
mod steering;
mod terms;
mod training;
mod training_crashes;
mod training_meanwhile;
mod years;

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroUsize;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tempfile::TempDir;

use super::*;
use crate::exchange::Format;
use crate::face::{DatabaseName, Embedding, Identifier, ImageLabel};
use crate::job::{Queue, Retention, State, Token};
use crate::store::{Batch, Scan, StoreError};
use mortal::{Map, Mortal};

/// A clock that goes on by a second with every look.
#[derive(Default)]
struct Ticking(AtomicI64);

impl Clock for Ticking {
    fn now(&self) -> Timestamp {
        Timestamp(self.0.fetch_add(1_000_000, Ordering::Relaxed))
    }

    fn uptime(&self) -> Duration {
        Duration::from_micros(self.now().0.unsigned_abs())
    }
}

fn settings(folder: &TempDir) -> Settings {
    let mut settings = Settings::new(folder.path());
    settings.threads = NonZeroUsize::MIN;
    settings
}

fn open(store: &Arc<Mortal>, settings: Settings) -> Arc<Engine> {
    Engine::with(Arc::clone(store) as Arc<dyn Store>, Arc::new(Ticking::default()), settings).unwrap()
}

fn fresh(folder: &TempDir) -> Arc<Engine> {
    open(&Mortal::with(Map::new(), u64::MAX), settings(folder))
}

/// Works until no job waits.
fn work_all(engine: &Engine) {
    while let Some(started) = engine.start_next().unwrap() {
        engine.work(&started);
    }
}

fn name(text: &str) -> DatabaseName {
    DatabaseName::new(text).unwrap()
}

fn identifier(text: &str) -> Identifier {
    Identifier::new(text).unwrap()
}

fn image(label: &str, values: &[f32]) -> (Option<ImageLabel>, Embedding) {
    (Some(ImageLabel::new(label).unwrap()), Embedding::new(values).unwrap())
}

fn import(engine: &Engine, database: &str, text: &str) -> Result<Token, EngineError> {
    import_with(engine, Ticket::default(), database, text)
}

fn import_with(engine: &Engine, ticket: Ticket, database: &str, text: &str) -> Result<Token, EngineError> {
    let text = text.to_owned();
    let request = ImportRequest {
        database: name(database),
        data: Input::Received(Box::new(move |path| std::fs::write(path, text))),
        ids: None,
        format: Format::Jsonl,
        model: None,
        on_error: OnError::Stop,
        include_metadata: true,
        include_image_data: true,
    };
    engine.submit_import(ticket, request)
}

fn label(text: &str) -> ImageLabel {
    ImageLabel::new(text).unwrap()
}

fn labels(texts: &[&str]) -> BTreeSet<ImageLabel> {
    texts.iter().map(|text| label(text)).collect()
}

/// Adds pictures under labels; the pixels of each are its label and something.
fn add_pictures(engine: &Engine, database: &str, face: &str, given: &[(&str, &str)]) -> Result<(), EngineError> {
    let mut staged = engine.stage_pictures(given.len())?;
    for (_, pixels) in given {
        staged.add(&mut pixels.as_bytes())?;
    }
    let labels = given.iter().map(|(text, _)| label(text)).collect();
    engine.add_pictures(&name(database), &identifier(face), Some(labels), staged).map(|_| ())
}

/// Everything there is, as text: a line a database, face and image, with the pixels. That every picture on the disk is
/// one of an image, be it set aside, and no other is there, is looked at too.
fn whole(engine: &Engine, folder: &TempDir) -> String {
    use std::io::Read as _;
    let (mut text, mut n_pictures) = (String::new(), 0);
    for database in engine.list_databases().unwrap() {
        let model = engine.find_database(&database.name).unwrap().unwrap().model;
        let model = model.map(|model| format!(" {} {:?}", model.name, model.dimension)).unwrap_or_default();
        text += &format!("{}{model}\n", database.name);
        for face in engine.list_faces(&database.name, ListFrom::Skip(0), usize::MAX).unwrap().faces {
            text += &format!("  {} {:?}\n", face.identifier, face.metadata);
            for image in face.images {
                let (status, embedding) = engine.image(&database.name, &face.identifier, &image.label).unwrap();
                text += &format!("    {} {status} {:?}", image.label, image.reason);
                text += &embedding.map(|e| format!(" {:?}", e.values())).unwrap_or_default();
                if image.has_picture {
                    n_pictures += 1;
                    let mut picture = engine.picture(&database.name, &face.identifier, &image.label).unwrap();
                    let mut pixels = String::new();
                    picture.file.read_to_string(&mut pixels).unwrap();
                    text += &format!(" pixels {pixels:?}");
                }
                text += "\n";
            }
        }
    }
    for entry in engine.store.scan(b"h") {
        let (key, value) = entry.unwrap();
        n_pictures +=
            usize::from(crate::store::decode::<records::ImageRecord>(&key, &value).unwrap().picture.is_some());
    }
    assert_eq!(pictures(folder), n_pictures, "every picture on the disk is of an image\n{text}");
    text
}

/// How many pictures are on the disk.
fn pictures(folder: &TempDir) -> usize {
    let folders = std::fs::read_dir(folder.path().join("pictures")).unwrap();
    folders.map(|folder| std::fs::read_dir(folder.unwrap().path()).unwrap().count()).sum()
}

/// Two people, three images; one row has metadata.
const THREE: &str = r#"{"identifier":"ann","imagelabel":"1","embedding":[1,0],"metadata":{"born":"1970"}}
{"identifier":"ann","imagelabel":"2","embedding":[0.8,0.6]}
{"identifier":"bob","imagelabel":"1","embedding":[-1,0]}
"#;

/// One more image of the first, one person more, and one image that is there already.
const MORE: &str = r#"{"identifier":"bob","imagelabel":"1","embedding":[-1,0]}
{"identifier":"cid","imagelabel":"1","embedding":[0,1],"metadata":{"born":"1990"}}
{"identifier":"ann","imagelabel":"3","embedding":[0.6,0.8],"metadata":{"note":"x"}}
"#;

fn cluster_all() -> Task {
    Task::Cluster(ClusterTask::default())
}

/// Everything clients can see of a database.
fn shown(engine: &Engine, database: &str) -> Vec<FaceInfo> {
    match engine.list_faces(&name(database), ListFrom::Skip(0), 1000) {
        Ok(page) => page.faces,
        Err(error) => {
            assert_eq!(error.kind(), ErrorKind::DatabaseNotFound, "{error}");
            Vec::new()
        }
    }
}

/// A result as text.
fn result_text(engine: &Engine, token: Token) -> String {
    let job = engine.job(Queue::FaceClustering, token).unwrap();
    let Some(JobResult::Clustering(outcome)) = job.result() else { panic!("{job:?}") };
    let mut reader = engine.read_result(token, outcome).unwrap();
    let names = reader.take_names();
    let mut text = String::new();
    while let Some(face) = reader.next_face().unwrap() {
        text += &format!("{} {}", face.cluster, names[face.face as usize]);
        for (other, confidence) in face.matches {
            text += &format!(" {confidence}={}", names[other as usize]);
        }
        text += "\n";
    }
    text
}

/// The queues as text: a line a job, in the order of acceptance.
fn queues(engine: &Engine) -> String {
    let mut text = String::new();
    for queue in Queue::ALL {
        for job in engine.jobs(queue) {
            let fault = match job.result() {
                Some(JobResult::Fault { text, .. }) => format!(" ({text})"),
                _ => String::new(),
            };
            text += &format!("{queue} {}{fault}\n", job.state);
        }
    }
    text
}

#[test]
fn a_life_without_a_crash() {
    let folder = tempfile::tempdir().unwrap();
    let engine = fresh(&folder);
    import(&engine, "people", THREE).unwrap();
    let token = engine.submit(Ticket::default(), cluster_all()).unwrap();
    let unknown = ClusterTask { database: Some("LFW".to_owned()), ..ClusterTask::default() };
    engine.submit(Ticket::default(), Task::Cluster(unknown)).unwrap();
    // each queue has its own order; the import is worked first here because it is all that the clustering sees
    let import = engine.jobs(Queue::ImportFaceDatabase)[0].token;
    let started = engine.start_next().unwrap().unwrap();
    assert_ne!(started.token, import, "the queues are looked at in their order");
    engine.work(&started);
    work_all(&engine);
    assert_eq!(
        queues(&engine),
        "FaceClustering Finished\nFaceClustering Error ('database=LFW' does not exist)\nImportFaceDatabase Finished\n"
    );
    assert_eq!(result_text(&engine, token), "", "the database was not there yet");
    let token = engine.submit(Ticket::default(), cluster_all()).unwrap();
    work_all(&engine);
    let expected = "0 people/ann/1 90.00=people/ann/2\n0 people/ann/2 90.00=people/ann/1\n1 people/bob/1\n";
    assert_eq!(result_text(&engine, token), expected);
    assert_eq!(shown(&engine, "people")[0].metadata, [("born".to_owned(), "1970".to_owned())]);
}

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

/// Copies the files beside the store.
fn copy_files(from: &TempDir, to: &TempDir) {
    for folder in ["uploads", "pairs", "pictures"] {
        copy_folder(&from.path().join(folder), &to.path().join(folder));
    }
}

fn copy_folder(from: &std::path::Path, to: &std::path::Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).into_iter().flatten() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy_folder(&entry.path(), &to);
        } else {
            std::fs::copy(entry.path(), to).unwrap();
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

#[test]
fn the_chores_reach_the_store_through_all_that_stands_before_it() {
    let folder = tempfile::tempdir().unwrap();
    let store = Mortal::with(Map::new(), u64::MAX);
    open(&store, settings(&folder)).do_chores();
    assert!(store.is_tidied.load(Ordering::Relaxed));
}

#[test]
fn a_result_that_is_forgotten_while_it_is_read_is_an_error_and_never_short() {
    let folder = tempfile::tempdir().unwrap();
    let settings = Settings { retention: Retention { age: Duration::MAX, count: 1 }, ..settings(&folder) };
    let engine = open(&Mortal::with(Map::new(), u64::MAX), settings);
    let mut rows = String::new();
    for i in 0..9_000 {
        let (sine, cosine) = (f64::from(i) / 1_432.0).sin_cos(); // all around
        rows += &format!("{{\"identifier\":\"x\",\"imagelabel\":\"{i}\",\"embedding\":[{cosine},{sine}]}}\n");
    }
    import(&engine, "people", &rows).unwrap();
    work_all(&engine);
    let task = ClusterTask { max_results: Some(0), cluster_threshold: 10_000, ..ClusterTask::default() };
    let token = engine.submit(Ticket::default(), Task::Cluster(task)).unwrap();
    work_all(&engine);
    let Some(JobResult::Clustering(outcome)) = engine.job(Queue::FaceClustering, token).unwrap().result().cloned()
    else {
        panic!("it is finished")
    };
    assert!(outcome.n_chunks > 3, "{} chunks", outcome.n_chunks);
    engine.submit(Ticket::default(), cluster_all()).unwrap();
    let started = engine.start_next().unwrap().unwrap();
    engine.stop(Queue::FaceClustering, started.token).unwrap();
    engine.work(&started); // and the first job is forgotten
    assert!(engine.job(Queue::FaceClustering, token).is_none());
    let error = engine.read_result(token, &outcome).map(|_| ()).unwrap_err();
    assert_eq!(error.to_string(), "the result ends early: its job was forgotten");
}

#[test]
fn r77_a_job_that_is_at_work_at_three_deaths_in_a_row_is_given_up() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = Mortal::with(Map::new(), u64::MAX);
    open(&store, settings(&folder)).submit(Ticket::default(), cluster_all()).unwrap();
    for death in 1..=3 {
        let engine = open(&store, settings(&folder));
        assert!(engine.start_next().unwrap().is_some(), "death {death}");
        store = Mortal::with(store.map(), u64::MAX);
    }
    let engine = open(&store, settings(&folder));
    assert_eq!(
        queues(&engine),
        "FaceClustering Error (the process ended 3 times in a row while this job was at work)\n"
    );
    assert!(engine.start_next().unwrap().is_none());
}

#[test]
fn r78_after_a_death_the_jobs_that_were_at_work_run_alone() {
    let folder = tempfile::tempdir().unwrap();
    let store = Mortal::with(Map::new(), u64::MAX);
    let engine = open(&store, settings(&folder));
    let first = engine.submit(Ticket::default(), cluster_all()).unwrap();
    engine.submit(Ticket::default(), cluster_all()).unwrap();
    let import = import(&engine, "people", THREE).unwrap();
    let at_work = [engine.start_next().unwrap().unwrap().token, engine.start_next().unwrap().unwrap().token];
    assert_eq!(at_work, [first, import], "queues do not wait for each other");
    let engine = open(&Mortal::with(store.map(), u64::MAX), settings(&folder));
    let suspect = engine.start_next().unwrap().unwrap();
    assert_eq!(suspect.token, first);
    assert!(engine.start_next().unwrap().is_none(), "one at a time");
    engine.work(&suspect);
    let suspect = engine.start_next().unwrap().unwrap();
    assert_eq!(suspect.token, import);
    assert!(engine.start_next().unwrap().is_none(), "nor an innocent one beside it");
    engine.work(&suspect);
    work_all(&engine);
    assert!(queues(&engine).lines().all(|line| line.ends_with("Finished")));
}

#[test]
fn a_shutdown_in_order_counts_no_attempt() {
    let folder = tempfile::tempdir().unwrap();
    let store = Mortal::with(Map::new(), u64::MAX);
    for _ in 0..5 {
        let engine = open(&store, settings(&folder));
        if engine.jobs(Queue::ImportFaceDatabase).is_empty() {
            import(&engine, "people", THREE).unwrap();
        }
        let started = engine.start_next().unwrap().unwrap();
        engine.release_all();
        engine.work(&started);
        assert_eq!(queues(&engine), "ImportFaceDatabase Queued\n");
        let refused = engine.submit(Ticket::default(), cluster_all()).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Stopping);
    }
    let engine = open(&store, settings(&folder));
    work_all(&engine);
    assert_eq!(queues(&engine), "ImportFaceDatabase Finished\n");
}

#[test]
fn r74_a_stop_that_was_acknowledged_wins_over_the_work_and_over_a_death() {
    let folder = tempfile::tempdir().unwrap();
    let store = Mortal::with(Map::new(), u64::MAX);
    let engine = open(&store, settings(&folder));
    let token = import(&engine, "people", THREE).unwrap();
    let started = engine.start_next().unwrap().unwrap();
    assert_eq!(engine.stop(Queue::ImportFaceDatabase, token).unwrap(), State::Stopping);
    let dead = Mortal::with(store.map(), u64::MAX);
    let other = tempfile::tempdir().unwrap();
    engine.work(&started);
    for engine in [open(&dead, settings(&other)), engine] {
        assert_eq!(queues(&engine), "ImportFaceDatabase Stopped\n");
        assert!(shown(&engine, "people").is_empty());
        let refused = engine.stop(Queue::ImportFaceDatabase, token).unwrap_err();
        assert_eq!(refused.to_string(), "'stop' is not possible: the job's status is Stopped");
    }
}

#[test]
fn r66_a_full_queue_refuses_and_the_other_does_not_mind() {
    let folder = tempfile::tempdir().unwrap();
    let settings = Settings { max_queue: 2, ..settings(&folder) };
    let engine = open(&Mortal::with(Map::new(), u64::MAX), settings);
    engine.submit(Ticket::default(), cluster_all()).unwrap();
    let second = engine.submit(Ticket::default(), cluster_all()).unwrap();
    assert_eq!(engine.submit(Ticket::default(), cluster_all()).unwrap_err().kind(), ErrorKind::QueueFull);
    import(&engine, "people", THREE).unwrap();
    engine.cancel(Queue::FaceClustering, second).unwrap();
    engine.submit(Ticket::default(), cluster_all()).unwrap();
}

#[test]
fn r79_a_forgotten_job_leaves_nothing_behind() {
    let folder = tempfile::tempdir().unwrap();
    let settings = Settings { retention: Retention { age: Duration::MAX, count: 2 }, ..settings(&folder) };
    let store = Mortal::with(Map::new(), u64::MAX);
    let engine = open(&store, settings);
    import(&engine, "people", THREE).unwrap();
    work_all(&engine);
    let tokens: Vec<Token> = (0..4).map(|_| engine.submit(Ticket::default(), cluster_all()).unwrap()).collect();
    work_all(&engine);
    let kept: Vec<Token> = engine.jobs(Queue::FaceClustering).iter().map(|job| job.token).collect();
    assert_eq!(kept, tokens[2..]);
    let results: BTreeSet<_> = store
        .map()
        .into_keys()
        .filter(|key| key[0] == b'r')
        .map(|key| crate::store::keys::token(&key).unwrap())
        .collect();
    assert_eq!(Vec::from_iter(results), tokens[2..]);
}

#[test]
fn r53_the_name_of_a_model_is_cut_in_messages() {
    let folder = tempfile::tempdir().unwrap();
    let engine = open(&Mortal::with(Map::new(), u64::MAX), settings(&folder));
    let people = DatabaseName::new("people").unwrap();
    let error = engine.create_database(&people, Some(&"é".repeat(9_000))).unwrap_err();
    assert!(error.to_string().len() < 400, "{error}");
}

#[test]
fn r79_a_result_that_is_being_shown_outlives_its_job() {
    let folder = tempfile::tempdir().unwrap();
    let settings = Settings { retention: Retention { age: Duration::MAX, count: 1 }, ..settings(&folder) };
    let store = Mortal::with(Map::new(), u64::MAX);
    let engine = open(&store, settings);
    import(&engine, "people", THREE).unwrap();
    work_all(&engine);
    let cluster = || {
        let token = engine.submit(Ticket::default(), cluster_all()).unwrap();
        work_all(&engine);
        engine.job(Queue::FaceClustering, token).unwrap()
    };
    let shown = cluster();
    drop(cluster());
    assert!(engine.job(Queue::FaceClustering, shown.token).is_none(), "it is forgotten");
    let Some(JobResult::Clustering(outcome)) = shown.result() else { panic!("it was finished") };
    let mut reader = engine.read_result(shown.token, outcome).unwrap();
    let n_faces = std::iter::from_fn(|| reader.next_face().unwrap()).count();
    assert_eq!(n_faces, 3);
    drop((reader, shown.clone(), shown));
    let last = cluster();
    let results: BTreeSet<_> = store.map().into_keys().filter(|key| key[0] == b'r').collect();
    let tokens: BTreeSet<_> = results.iter().map(|key| crate::store::keys::token(key).unwrap()).collect();
    assert_eq!(Vec::from_iter(tokens), [last.token]);
}

#[test]
fn r79_cancelled_jobs_are_forgotten_too_and_age_counts_without_new_jobs() {
    let folder = tempfile::tempdir().unwrap();
    let retention = Retention { age: Duration::from_secs(500), count: 2 };
    let engine = open(&Mortal::with(Map::new(), u64::MAX), Settings { retention, ..settings(&folder) });
    for _ in 0..10 {
        let token = engine.submit(Ticket::default(), cluster_all()).unwrap();
        engine.cancel(Queue::FaceClustering, token).unwrap();
    }
    assert_eq!(engine.jobs(Queue::FaceClustering).len(), 2);
    for _ in 0..500 {
        engine.clock.now(); // a second each
    }
    engine.forget_all_expired();
    assert_eq!(engine.jobs(Queue::FaceClustering).len(), 0);
}

#[test]
fn r103_a_job_without_synchronisation_sees_the_last_one() {
    let folder = tempfile::tempdir().unwrap();
    let engine = fresh(&folder);
    let faces_seen = |sync| {
        let task = ClusterTask { database: Some("d".to_owned()), sync, ..ClusterTask::default() };
        let token = engine.submit(Ticket::default(), Task::Cluster(task)).unwrap();
        work_all(&engine);
        match engine.job(Queue::FaceClustering, token).unwrap().result().cloned() {
            Some(JobResult::Clustering(outcome)) => outcome.n_faces,
            other => panic!("{other:?}"),
        }
    };
    let add = |label| {
        let images = vec![image(label, &[1.0, 0.0])];
        engine.add_embeddings(&name("d"), &identifier("x"), images, None).unwrap();
    };
    engine.create_database(&name("d"), None).unwrap();
    engine.new_face(&name("d"), Some(&identifier("x"))).unwrap();
    add("1");
    assert_eq!(faces_seen(false), 0, "not there at the server's start");
    engine.sync_faces(Some(&name("d"))).unwrap();
    add("2");
    assert_eq!(faces_seen(false), 1, "as of SyncFaces");
    assert_eq!(faces_seen(true), 2);
    engine.remove_face(&name("d"), &identifier("x")).unwrap();
    assert_eq!(faces_seen(false), 2, "as of the start of the job that synchronised");
    assert_eq!(faces_seen(true), 0);
}

#[test]
fn r101_databases_of_different_models_are_not_clustered_together() {
    let folder = tempfile::tempdir().unwrap();
    let engine = fresh(&folder);
    for (database, values) in [("a", &[1.0, 0.0][..]), ("b", &[1.0, 0.0, 0.0][..])] {
        engine.create_database(&name(database), None).unwrap();
        engine.new_face(&name(database), Some(&identifier("x"))).unwrap();
        engine.add_embeddings(&name(database), &identifier("x"), vec![image("1", values)], None).unwrap();
    }
    engine.create_database(&name("empty"), None).unwrap();
    engine.submit(Ticket::default(), cluster_all()).unwrap();
    work_all(&engine);
    let expected = "FaceClustering Error (the databases have different embedding models: \
        'database=a' has 'cosine' of dimension 2, 'database=b' has 'cosine' of dimension 3)\n";
    assert_eq!(queues(&engine), expected);
    let wrong = engine.add_embeddings(&name("a"), &identifier("x"), vec![image("2", &[1.0])], None).unwrap_err();
    assert_eq!(
        wrong.to_string(),
        "an embedding of dimension 1 does not fit 'database=a': its model 'cosine' has dimension 2"
    );
}

#[test]
fn r174_an_import_is_all_or_nothing_and_repeating_it_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let engine = fresh(&folder);
    let run = |text: &str| {
        let token = import(&engine, "people", text).unwrap();
        work_all(&engine);
        match engine.job(Queue::ImportFaceDatabase, token).unwrap().result().cloned() {
            Some(JobResult::Import(outcome)) => format!("{} {}", outcome.n_faces, outcome.n_images),
            Some(JobResult::Fault { text, .. }) => text,
            other => panic!("{other:?}"),
        }
    };
    let bad = format!("{THREE}{}", r#"{"identifier":"ann","imagelabel":"1","embedding":[0,1]}"#);
    assert_eq!(run(&bad), "line 4: imagelabel '1' of 'ann' is there twice");
    assert!(engine.find_database(&name("people")).unwrap().is_none());
    assert_eq!(run(THREE), "2 3");
    assert_eq!(run(THREE), "0 0");
    let other = r#"{"identifier":"cid","imagelabel":"1","embedding":[1,0]}
{"identifier":"ann","imagelabel":"1","embedding":[0,1]}"#;
    assert_eq!(run(other), "'imagelabel=1' exists already in 'identifier=ann' of 'database=people'");
    assert_eq!(shown(&engine, "people").len(), 2);
    let wide = r#"{"identifier":"cid","imagelabel":"1","embedding":[1,0,0]}"#;
    assert_eq!(
        run(wide),
        "an embedding of dimension 3 does not fit 'database=people': its model 'cosine' has dimension 2"
    );
    assert!(std::fs::read_dir(folder.path().join("uploads")).unwrap().next().is_none(), "uploads go with their job");
}
