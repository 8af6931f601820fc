//! Training with a trainer whose answer can be read in the picture: what is trained, what is not, and why.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::*;
use crate::confidence::ConfidenceScale;
use crate::face::{FailReason, ImageStatus};

type Hook = Arc<dyn Fn(&str) + Send + Sync>;

/// Makes of the picture `face:1,0` that embedding, and fails others by the word that they are.
pub(super) struct Fake {
    model: Model,
    fingerprint: Option<Fingerprint>,
    /// The pictures it was asked about.
    pub(super) asked: Mutex<Vec<String>>,
    /// Called with each picture before it is answered.
    hook: Mutex<Option<Hook>>,
}

impl std::fmt::Debug for Fake {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Fake")
    }
}

impl Fake {
    pub(super) fn new() -> Arc<Self> {
        Self::called("fake", 2, None)
    }

    /// One of another name, of more numbers (those that the picture does not give are 1), or another of that name.
    pub(super) fn called(name: &str, dimension: usize, fingerprint: Option<u8>) -> Arc<Self> {
        let model = Model { name: name.to_owned(), dimension: Some(dimension), scale: ConfidenceScale::cosine() };
        let fingerprint = fingerprint.map(|byte| Fingerprint([byte; 32]));
        Arc::new(Self { model, fingerprint, asked: Mutex::default(), hook: Mutex::default() })
    }

    /// What is done when the picture is looked at for the first time.
    pub(super) fn at(&self, picture: &'static str, act: impl Fn() + Send + Sync + 'static) {
        let was_there = AtomicBool::new(false);
        self.at_each(move |looked_at| {
            if looked_at == picture && !was_there.swap(true, Ordering::Relaxed) {
                act();
            }
        });
    }

    /// What is done when a picture is looked at, which is said.
    pub(super) fn at_each(&self, act: impl Fn(&str) + Send + Sync + 'static) {
        *self.hook.lock().unwrap() = Some(Arc::new(act));
    }

    pub(super) fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

impl Trainer for Fake {
    fn model(&self) -> &Model {
        &self.model
    }

    fn fingerprint(&self) -> Option<Fingerprint> {
        self.fingerprint
    }

    fn train(&self, picture: &[u8]) -> Result<Trained, Untrainable> {
        let text = String::from_utf8(picture.to_vec()).unwrap();
        self.asked.lock().unwrap().push(text.clone());
        let hook = self.hook.lock().unwrap().clone();
        if let Some(hook) = hook {
            hook(&text);
        }
        let failed = |reason, detail: &str| Err(Untrainable::Picture { reason, detail: detail.to_owned() });
        match text.split_once(':') {
            Some(("face", numbers)) => {
                let mut numbers: Vec<f32> = numbers.split(',').map(|number| number.parse().unwrap()).collect();
                numbers.resize(self.model.dimension.unwrap().max(numbers.len()), 1.0);
                Ok(Embedding::new(numbers).unwrap().into())
            }
            _ if text == "crowd" => failed(FailReason::SeveralFaces, "it shows 3 faces"),
            _ if text == "broken model" => Err(Untrainable::Model { detail: "it is broken".to_owned() }),
            _ => failed(FailReason::NoFace, "it shows no face"),
        }
    }
}

pub(super) fn trained_by(trainer: &Arc<Fake>, folder: &TempDir) -> Settings {
    let trainer = Arc::<Fake>::clone(trainer) as Arc<dyn Trainer>;
    Settings { trainer: Some(trainer), max_num_parallel: NonZeroUsize::new(4).unwrap(), ..settings(folder) }
}

pub(super) fn request(database: &str, face: &str) -> TrainRequest {
    TrainRequest {
        database: name(database),
        identifier: Some(identifier(face)),
        labels: None,
        metadata: BTreeMap::new(),
        null_image_data: false,
        parallel: 1,
    }
}

/// Submits a TrainFace with these labels and pictures.
pub(super) fn train(engine: &Engine, request: TrainRequest, images: &[(&str, &str)]) -> Result<Token, EngineError> {
    let request = TrainRequest { labels: Some(images.iter().map(|(text, _)| label(text)).collect()), ..request };
    engine.submit_training(Ticket::default(), request, |bundle| {
        images.iter().try_for_each(|(_, pixels)| bundle.add(&mut pixels.as_bytes()))
    })
}

pub(super) fn build_all(engine: &Engine, database: Option<&str>, parallel: u64) -> Token {
    let task = BuildAllTask { database: database.map(str::to_owned), parallel };
    engine.submit(Ticket::default(), Task::BuildAll(task)).unwrap()
}

pub(super) fn build(engine: &Engine, database: &str, face: &str) -> Token {
    let task = BuildTask { database: database.to_owned(), identifier: face.to_owned(), parallel: 1 };
    engine.submit(Ticket::default(), Task::Build(task)).unwrap()
}

/// What a job came to, as text.
pub(super) fn told(engine: &Engine, token: Token) -> String {
    let queues = [Queue::TrainFace, Queue::BuildFace, Queue::BuildAllFaces];
    let job = queues.into_iter().find_map(|queue| engine.job(queue, token)).unwrap();
    let mut text = format!("{}", job.state);
    match job.result() {
        Some(JobResult::Fault { text: fault, .. }) => write!(text, " ({fault})").unwrap(),
        Some(JobResult::Train(outcome)) => write!(text, " {:?}", outcome.statuses).unwrap(),
        Some(JobResult::Build(outcome)) => {
            let mut reader = engine.read_built(token, outcome);
            while let Some(face) = reader.next_face().unwrap() {
                let (trained, all) = (face.n_trained, face.n_images);
                write!(text, "\n{}/{} {trained}/{all}", face.database, face.identifier).unwrap();
                for (label, status) in face.images {
                    write!(text, " {label}={status}").unwrap();
                }
            }
        }
        None => {}
        other => panic!("{other:?}"),
    }
    text
}

/// The databases `a` and `b` with two faces each and images that train and that do not.
pub(super) fn untrained(engine: &Engine) {
    for database in ["a", "b"] {
        engine.create_database(&name(database), None).unwrap();
        for face in ["ann", "bob"] {
            engine.new_face(&name(database), Some(&identifier(face))).unwrap();
        }
        add_pictures(engine, database, "bob", &[("1", "face:0,1")]).unwrap();
    }
    let images = [("1", "face:1,0"), ("2", "crowd"), ("3", "face:0.6,0.8"), ("4", "gone")];
    add_pictures(engine, "a", "ann", &images).unwrap();
    engine.null_images(&name("a"), &identifier("ann"), Some(&labels(&["4"]))).unwrap();
}

#[test]
fn r137_r138_a_new_face_is_trained_with_its_metadata_and_keeps_failed_images() {
    let (folder, trainer) = (tempfile::tempdir().unwrap(), Fake::new());
    let engine = open(&Mortal::with(Map::new(), u64::MAX), trained_by(&trainer, &folder));
    engine.create_database(&name("a"), None).unwrap();
    let metadata = BTreeMap::from([("born".to_owned(), "1930".to_owned())]);
    let images = [("z", "face:1,0"), ("a", "crowd")];
    let token = train(&engine, TrainRequest { metadata, ..request("a", "ann") }, &images).unwrap();
    let nulled = TrainRequest { null_image_data: true, ..request("a", "bob") };
    train(&engine, nulled, &images).unwrap();
    assert_eq!(engine.list_databases().unwrap()[0].n_faces, 0, "nothing is there before the job");
    work_all(&engine);
    assert_eq!(told(&engine, token), "Finished [Trained, Failed]", "in the order of the request");
    let expected = "a fake Some(2)\n  ann [(\"born\", \"1930\")]\n    a failed Some(SeveralFaces) pixels \"crowd\"\n    \
        z trained None [1.0, 0.0] pixels \"face:1,0\"\n  bob []\n    a failed Some(SeveralFaces) pixels \"crowd\"\n    \
        z trained None [1.0, 0.0]\n";
    assert_eq!(whole(&engine, &folder), expected);
    assert_eq!(std::fs::read_dir(engine.uploads_folder()).unwrap().count(), 0, "what came with the job has gone");
}

#[test]
fn r138_r139_r149_a_training_that_fails_changes_nothing_and_says_why() {
    let (folder, trainer) = (tempfile::tempdir().unwrap(), Fake::new());
    let engine = open(&Mortal::with(Map::new(), u64::MAX), trained_by(&trainer, &folder));
    for database in ["a", "other"] {
        engine.create_database(&name(database), None).unwrap();
        engine.new_face(&name(database), Some(&identifier("there"))).unwrap();
    }
    let embedding = vec![image("1", &[1.0, 0.0, 0.0])];
    engine.add_embeddings(&name("other"), &identifier("there"), embedding, None).unwrap();
    let before = whole(&engine, &folder);
    let good = [("1", "face:1,0")];
    for (database, face, images, expected) in [
        ("lost", "ann", &good[..], "Error ('database=lost' does not exist)"),
        ("a", "there", &good, "Error ('identifier=there' exists already in 'database=a')"),
        (
            "other",
            "ann",
            &good,
            "Error ('database=other' is bound to the model 'cosine', and this server trains by the model 'fake'; train by \
             the model that it is bound to, or move the database over by `faceclique retrain`)",
        ),
        (
            "a",
            "ann",
            &[("x", "crowd"), ("y", "wall")],
            "Error (no image could be trained: 'x': severalfaces, it shows 3 faces; 'y': noface, it shows no face)",
        ),
        (
            "a",
            "ann",
            &[("x", "face:1,0"), ("y", "broken model")],
            "Error (the embedding model 'fake' fails: it is broken)",
        ),
        (
            "a",
            "ann",
            &[("x", "face:1,0,0")],
            "Error (an embedding of dimension 3 does not fit 'database=a': its model 'fake' has dimension 2)",
        ),
    ] {
        let token = train(&engine, request(database, face), images).unwrap();
        work_all(&engine);
        assert_eq!(told(&engine, token), expected);
        assert_eq!(whole(&engine, &folder), before, "{expected}");
    }
    assert_eq!(std::fs::read_dir(engine.uploads_folder()).unwrap().count(), 0);
}

#[test]
fn r149_without_a_trainer_every_training_ends_in_an_error_and_images_stay_untrained() {
    let folder = tempfile::tempdir().unwrap();
    let engine = fresh(&folder);
    untrained(&engine);
    let before = whole(&engine, &folder);
    let tokens = [
        train(&engine, request("a", "cid"), &[("1", "face:1,0")]).unwrap(),
        build(&engine, "a", "ann"),
        build_all(&engine, None, 1),
        build_all(&engine, Some("b"), 1),
    ];
    work_all(&engine);
    for token in tokens {
        let text = told(&engine, token);
        assert!(text.starts_with("Error (this server has no embedding model for pictures: start it with"), "{text}");
        for what in ["--pack PACK", "vision.pack", "`faceclique models`", "`faceclique models add`"] {
            assert!(text.contains(what), "{text}");
        }
    }
    assert_eq!(whole(&engine, &folder), before);
}

#[test]
fn r141_r146_a_face_is_built_and_built_again_tries_nothing() {
    let (folder, trainer) = (tempfile::tempdir().unwrap(), Fake::new());
    let engine = open(&Mortal::with(Map::new(), u64::MAX), trained_by(&trainer, &folder));
    untrained(&engine);
    let (first, second) = (build(&engine, "a", "ann"), build(&engine, "a", "ann"));
    work_all(&engine);
    assert_eq!(told(&engine, first), "Finished\na/ann 2/4 1=trained 2=failed 3=trained 4=failed");
    assert_eq!(told(&engine, second), "Finished\na/ann 2/4");
    assert_eq!(trainer.asked(), ["face:1,0", "crowd", "face:0.6,0.8"], "an image without pixels is not looked at");
    let face = &shown(&engine, "a")[0];
    let reasons: Vec<_> = face.images.iter().map(|image| image.reason).collect();
    assert_eq!(reasons, [None, Some(FailReason::SeveralFaces), None, Some(FailReason::NoData)], "R135");
    assert_eq!(engine.model_of(&name("a")).unwrap().as_deref(), Some("fake"), "R125");
    for (face, database, expected) in [
        ("cid", "a", "Error ('identifier=cid' does not exist in 'database=a')"),
        ("ann", "lost", "Error ('database=lost' does not exist)"),
    ] {
        let token = build(&engine, database, face);
        work_all(&engine);
        assert_eq!(told(&engine, token), expected);
    }
}

#[test]
fn r142_r143_all_faces_are_built_and_the_threads_make_no_difference() {
    let build_with = |parallel| {
        let (folder, trainer) = (tempfile::tempdir().unwrap(), Fake::new());
        let engine = open(&Mortal::with(Map::new(), u64::MAX), trained_by(&trainer, &folder));
        untrained(&engine);
        for n in 0..200 {
            let (text, pixels) = (format!("{n:03}"), format!("face:1,{n}"));
            add_pictures(&engine, "b", "ann", &[(&text, &pixels)]).unwrap();
        }
        let token = build_all(&engine, None, parallel);
        work_all(&engine);
        let mut asked = trainer.asked();
        asked.sort();
        (
            told(&engine, token),
            whole(&engine, &folder),
            asked,
            engine.job(Queue::BuildAllFaces, token).unwrap().progress,
        )
    };
    let one = build_with(1);
    assert!(
        one.0.starts_with("Finished\na/ann 2/4 1=trained 2=failed 3=trained 4=failed\na/bob 1/1 1=trained\nb/ann 200")
    );
    assert_eq!(one.2.len(), 205);
    assert_eq!(build_with(4), one);
    assert_eq!(build_with(1_000), one, "reduced to what is allowed");
}

#[test]
fn r149_all_faces_of_all_databases_are_trained_but_those_of_another_model() {
    let (folder, trainer) = (tempfile::tempdir().unwrap(), Fake::new());
    let engine = open(&Mortal::with(Map::new(), u64::MAX), trained_by(&trainer, &folder));
    untrained(&engine);
    engine.add_embeddings(&name("a"), &identifier("bob"), vec![image("x", &[1.0])], None).unwrap();
    engine.create_database(&name("bound"), Some("cosine")).unwrap(); // without images it is not left out
    let (named, all) = (build_all(&engine, Some("a"), 1), build_all(&engine, None, 1));
    work_all(&engine);
    let text = "Error ('database=a' is bound to the model 'cosine', and this server trains by the model 'fake'; train by \
        the model that it is bound to, or move the database over by `faceclique retrain`)";
    assert_eq!(told(&engine, named), text);
    let text = "Error (untrained images are left of databases that are bound to another model than 'fake', by which this \
        server trains: 'database=a' (model 'cosine'); `faceclique retrain` moves a database over)";
    assert_eq!(told(&engine, all), text);
    let count = |database, face: usize, status| shown(&engine, database)[face].count(status);
    assert_eq!((count("a", 0, ImageStatus::Untrained), count("b", 1, ImageStatus::Trained)), (4, 1));
}

#[test]
fn r20_r31_a_picture_that_is_too_large_or_not_allowed_makes_no_job() {
    let (folder, trainer) = (tempfile::tempdir().unwrap(), Fake::new());
    let settings = Settings { max_picture: 8, ..trained_by(&trainer, &folder) };
    let engine = open(&Mortal::with(Map::new(), u64::MAX), settings);
    let error = train(&engine, request("a", "ann"), &[("1", "face:1,0"), ("2", "face:1,00")]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TooLarge);
    let by_path = |bundle: &mut Bundle<'_>| bundle.add_file("imagepath", "/etc/passwd");
    let error = engine.submit_training(Ticket::default(), request("a", "ann"), by_path).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::PathNotAllowed);
    assert!(engine.jobs(Queue::TrainFace).is_empty());
    assert_eq!(std::fs::read_dir(engine.uploads_folder()).unwrap().count(), 0);
}

#[test]
fn r125_a_database_can_be_bound_to_the_trainers_model_before_anything_is_trained() {
    let (folder, trainer) = (tempfile::tempdir().unwrap(), Fake::new());
    let engine = open(&Mortal::with(Map::new(), u64::MAX), trained_by(&trainer, &folder));
    engine.create_database(&name("a"), Some("fake")).unwrap();
    let token = train(&engine, request("a", "ann"), &[("1", "face:1,0")]).unwrap();
    work_all(&engine);
    assert_eq!(told(&engine, token), "Finished [Trained]");
    let error = engine.create_database(&name("b"), Some("other")).unwrap_err();
    assert_eq!(error.to_string(), "'model=other' is not configured; known are: cosine, fake");
}
