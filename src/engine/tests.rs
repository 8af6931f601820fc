//! The engine over stores that fail on purpose: what was acknowledged is there, and nothing is there by halves.

mod audits;
mod binding;
mod clock;
mod crash;
mod deaths;
mod export;
mod jobs;
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
use std::time::{Duration, Instant};

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

/// The longest that anything is waited for.
const PATIENCE: Duration = Duration::from_mins(1);

/// Waits until it is so.
pub(super) fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < PATIENCE, "waited too long: {what}");
        std::thread::yield_now();
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

#[test]
fn the_chores_reach_the_store_through_all_that_stands_before_it() {
    let folder = tempfile::tempdir().unwrap();
    let store = Mortal::with(Map::new(), u64::MAX);
    open(&store, settings(&folder)).do_chores();
    assert!(store.is_tidied.load(Ordering::Relaxed));
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
