//! The lives that are cut off: what clients ask, step by step, and the work between.

use super::super::outbox::deliver_due;
use super::super::training::{Fake, build, build_all, request, train, trained_by, untrained};
use super::*;
use crate::engine::{NewDecision, Subject, Verdict};
use crate::job::Priority;

/// What is done; it panics if the engine refuses it.
pub(super) type Act = fn(&Engine, &mut Told);

pub(super) enum Step {
    /// One request, done or not at any moment.
    Request(Act),
    /// Work, of which a part may be done; doing it again does the rest.
    Work(Act),
}

impl Step {
    pub(super) fn act(&self) -> Act {
        match self {
            Self::Request(act) | Self::Work(act) => *act,
        }
    }
}

/// A life in steps, each of which can be seen from outside.
pub(super) struct Life {
    pub(super) name: &'static str,
    pub(super) settings: fn(&TempDir) -> Settings,
    pub(super) steps: &'static [Step],
}

pub(super) const LIVES: [Life; 9] = [
    Life { name: "queues", settings, steps: &QUEUES },
    Life { name: "faces", settings, steps: &FACES },
    Life { name: "review", settings: reviewing, steps: &REVIEW },
    Life { name: "imports", settings, steps: &IMPORTS },
    Life { name: "exports", settings: exporting, steps: &EXPORTS },
    Life { name: "training", settings: training, steps: &TRAINING },
    Life { name: "clustering", settings: clustering, steps: &CLUSTERING },
    Life { name: "terms", settings: telling, steps: &TERMS },
    Life { name: "retention", settings: forgetting, steps: &RETENTION },
];

use Step::{Request, Work};

/// Works until no job waits.
const WORK: Step = Work(|engine, _| work_all(engine));

fn imported(engine: &Engine, told: &mut Told, database: &str, text: &str) {
    told.accepted(Queue::ImportFaceDatabase, import(engine, database, text).unwrap());
}

fn cluster(engine: &Engine, told: &mut Told, task: ClusterTask) {
    told.accepted(Queue::FaceClustering, engine.submit(Ticket::default(), Task::Cluster(task)).unwrap());
}

const QUEUES: [Step; 17] = [
    Request(|engine, told| imported(engine, told, "people", THREE)),
    Request(|engine, told| cluster(engine, told, ClusterTask::default())),
    Request(|engine, told| {
        let (queue, token) = told.jobs[1];
        engine.change_priority(queue, token, Priority::MAX).unwrap();
    }),
    Request(|engine, told| {
        let (queue, token) = told.jobs[0];
        engine.pause(queue, token).unwrap();
    }),
    Request(|engine, told| {
        let (queue, token) = told.jobs[0];
        told.accepted(queue, engine.duplicate(queue, token).unwrap());
    }),
    Request(|engine, _| {
        engine.pause_queue(Queue::FaceClustering).unwrap();
    }),
    WORK, // the duplicate
    Request(|engine, told| {
        let (queue, token) = told.jobs[0];
        engine.resume(queue, token).unwrap();
    }),
    WORK, // which finds that all is there already
    Request(|engine, told| imported(engine, told, "people", MORE)),
    Request(|engine, told| {
        let (queue, token) = told.last();
        engine.cancel(queue, token).unwrap();
    }),
    Request(|engine, told| cluster(engine, told, ClusterTask::default())),
    Request(|engine, _| {
        engine.resume_queue(Queue::FaceClustering).unwrap();
    }),
    Work(|engine, told| {
        // the first is stopped at work
        let (queue, token) = told.jobs[1];
        if !engine.job(queue, token).unwrap().state.is_ended() {
            let started = engine.start_next().unwrap().unwrap();
            assert_eq!(started.token, token, "it has the higher priority");
            engine.stop(queue, token).unwrap();
            engine.work(&started);
        }
    }),
    WORK,
    Request(|engine, told| cluster(engine, told, ClusterTask::default())),
    Request(|engine, told| {
        let (queue, token) = told.last();
        engine.stop(queue, token).unwrap();
    }),
];

const FACES: [Step; 16] = [
    Request(|engine, _| engine.create_database(&name("a"), None).unwrap()),
    Request(|engine, _| engine.create_database(&name("b"), None).unwrap()),
    Request(|engine, _| drop(engine.new_face(&name("a"), Some(&identifier("ann"))).unwrap())),
    Request(|engine, _| add_pictures(engine, "a", "ann", &[("1", "one"), ("2", "two"), ("3", "three")]).unwrap()),
    Request(|engine, _| {
        let images = vec![image("4", &[1.0, 0.0])];
        engine.add_embeddings(&name("a"), &identifier("ann"), images, None).unwrap();
    }),
    Request(|engine, _| engine.add_metadata(&name("a"), &identifier("ann"), "born", "1930").unwrap()),
    Request(|engine, _| engine.update_metadata(&name("a"), &identifier("ann"), "born", "1931").unwrap()),
    Request(|engine, _| drop(engine.new_face(&name("b"), Some(&identifier("dan"))).unwrap())),
    Request(|engine, _| engine.relabel_image(&name("a"), &identifier("ann"), &label("1"), &label("one")).unwrap()),
    Request(|engine, _| {
        let (a, ann, two) = (name("a"), identifier("ann"), label("2"));
        engine.move_image((&a, &ann, &two), &name("b"), &identifier("dan")).unwrap();
    }),
    Request(|engine, _| engine.rename_face(&name("a"), &identifier("ann"), &identifier("eve")).unwrap()),
    Request(|engine, _| engine.move_face(&name("a"), &identifier("eve"), &name("b")).unwrap()),
    Request(|engine, _| engine.null_images(&name("b"), &identifier("eve"), Some(&labels(&["3"]))).unwrap()),
    Request(|engine, _| engine.remove_images(&name("b"), &identifier("eve"), &labels(&["4"])).unwrap()),
    Request(|engine, _| engine.rename_database(&name("b"), &name("c")).unwrap()),
    Request(|engine, _| engine.remove_database(&name("c")).unwrap()),
];

/// Few changes are kept, so that one is forgotten with its pictures.
fn reviewing(folder: &TempDir) -> Settings {
    Settings { max_changes: 3, ..settings(folder) }
}

fn decided(engine: &Engine, verdict: Verdict, first: &str, second: Option<&str>) {
    let subject = |text: &str| {
        let (face, label) = text.split_once('/').map_or((text, None), |(face, label)| (face, Some(label)));
        Subject { database: name("people"), identifier: identifier(face), label: label.map(self::label) }
    };
    let (first, second) = (subject(first), second.map(subject));
    engine.decide(NewDecision { verdict, first, second, comment: String::new() }).unwrap();
}

/// Undoes the last change.
fn undone(engine: &Engine) {
    let last = engine.list_changes(None, u64::MAX, 1).unwrap()[0].id;
    engine.undo_change(last).unwrap();
}

const REVIEW: [Step; 19] = [
    Request(|engine, told| imported(engine, told, "people", THREE)),
    WORK,
    Request(|engine, _| add_pictures(engine, "people", "ann", &[("3", "three"), ("4", "four")]).unwrap()),
    Request(|engine, _| decided(engine, Verdict::NotSame, "ann/1", Some("bob"))),
    Request(|engine, _| decided(engine, Verdict::Same, "ann", Some("bob"))),
    Request(|engine, _| decided(engine, Verdict::LabelRight, "ann/3", None)),
    Request(|engine, _| drop(engine.set_aside_images(&name("people"), &identifier("ann"), &labels(&["3"])).unwrap())),
    Request(|engine, _| undone(engine)),
    Request(|engine, _| {
        engine.refile_image(&name("people"), (&identifier("ann"), &label("1")), &identifier("bob")).unwrap();
    }),
    Request(|engine, _| {
        engine.split_face(&name("people"), &identifier("ann"), &labels(&["3"]), &identifier("eve")).unwrap();
    }),
    Request(|engine, _| drop(engine.merge_faces(&name("people"), &identifier("bob"), &identifier("ann")).unwrap())),
    Request(|engine, _| undone(engine)),
    Request(|engine, _| drop(engine.set_aside_face(&name("people"), &identifier("ann")).unwrap())),
    Request(|engine, _| engine.remove_decision(1).unwrap()),
    Request(|engine, _| drop(engine.merge_faces(&name("people"), &identifier("bob"), &identifier("eve")).unwrap())),
    Request(|engine, _| undone(engine)),
    Request(|engine, _| undone(engine)), // and ann is forgotten with her picture
    Request(|engine, _| drop(engine.set_aside_images(&name("people"), &identifier("eve"), &labels(&["3"])).unwrap())),
    Request(|engine, _| engine.remove_database(&name("people")).unwrap()),
];

/// Rows with pictures: one that is there by then, one that is new, and a face without images.
const PICTURED: &str = r#"{"identifier":"ann","imagelabel":"1","embedding":[1,0]}
{"identifier":"dan","imagelabel":"1","status":"untrained","imagedata":"cGl4ZWxz"}
{"identifier":"eve","metadata":{"k":"v"}}
"#;

/// A row of another dimension behind good ones.
const BAD: &str = r#"{"identifier":"zoe","imagelabel":"1","embedding":[0,1]}
{"identifier":"zoe","imagelabel":"2","embedding":[0,1,0]}
"#;

const IMPORTS: [Step; 9] = [
    Request(|engine, told| imported(engine, told, "people", THREE)),
    WORK,
    Request(|engine, told| imported(engine, told, "people", MORE)),
    WORK,
    Request(|engine, told| imported(engine, told, "people", PICTURED)),
    WORK,
    Request(|engine, told| imported(engine, told, "people", BAD)),
    WORK,
    Request(|engine, _| engine.remove_database(&name("people")).unwrap()),
];

fn exporting(folder: &TempDir) -> Settings {
    let out = folder.path().join("out");
    std::fs::create_dir_all(&out).unwrap();
    Settings { allowed_output: vec![out], base: Some(folder.path().to_owned()), ..settings(folder) }
}

fn exported(engine: &Engine, told: &mut Told, file: &str, format: Format) {
    let request =
        ExportRequest { database: name("people"), path: format!("out/{file}"), format, contents: Contents::default() };
    told.accepted(Queue::ExportFaceDatabase, engine.submit_export(Ticket::default(), request).unwrap());
}

const EXPORTS: [Step; 6] = [
    Request(|engine, told| imported(engine, told, "people", PICTURED)),
    WORK,
    Request(|engine, told| exported(engine, told, "people.jsonl", Format::Jsonl)),
    WORK,
    Request(|engine, told| exported(engine, told, "people.csv", Format::Csv)),
    WORK,
];

fn training(folder: &TempDir) -> Settings {
    trained_by(&Fake::new(), folder)
}

const TRAINING: [Step; 9] = [
    Work(|engine, _| {
        if engine.list_databases().unwrap().is_empty() {
            untrained(engine);
        } else {
            engine.remove_database(&name("a")).unwrap(); // half of it is there: it is begun anew
            drop(engine.remove_database(&name("b")));
            untrained(engine);
        }
    }),
    Request(|engine, told| {
        let images = [("1", "face:1,0"), ("2", "crowd"), ("3", "face:0,1")];
        told.accepted(Queue::TrainFace, train(engine, request("a", "new"), &images).unwrap());
    }),
    WORK,
    Request(|engine, told| told.accepted(Queue::BuildFace, build(engine, "a", "ann"))),
    WORK,
    Request(|engine, told| told.accepted(Queue::BuildAllFaces, build_all(engine, None, 1))),
    WORK,
    Request(|engine, told| {
        let request = TrainRequest { null_image_data: true, ..request("b", "last") };
        told.accepted(Queue::TrainFace, train(engine, request, &[("1", "face:0.6,0.8")]).unwrap());
    }),
    WORK,
];

/// Finished work is made durable as soon as it is.
fn clustering(folder: &TempDir) -> Settings {
    Settings { save_every: Duration::ZERO, ..settings(folder) }
}

fn of_crowd() -> ClusterTask {
    ClusterTask {
        database: Some("d".to_owned()),
        cluster_threshold: 8_500,
        output_threshold: 8_500,
        ..ClusterTask::default()
    }
}

const CLUSTERING: [Step; 8] = [
    Request(|engine, told| imported(engine, told, "d", &crowd(0, 120))),
    WORK,
    Request(|engine, told| cluster(engine, told, of_crowd())),
    WORK,
    Request(|engine, told| imported(engine, told, "d", &crowd(120, 20))),
    WORK,
    Request(|engine, told| {
        let ticket = Ticket { audits: true, ..Ticket::default() };
        told.accepted(Queue::FaceClustering, engine.submit(ticket, Task::Cluster(of_crowd())).unwrap());
    }),
    WORK, // from the pairs that the first one kept, and audited
];

/// People with five images each, around a circle of eight dimensions.
fn crowd(from: u32, n: u32) -> String {
    let row = |image: u32| {
        let values: Vec<String> = (0..8)
            .map(|at| {
                let mixed = (image / 5 * 8 + at + 1).wrapping_mul(0x9E37_79B9) >> 16;
                let noise = (image * 8 + at + 1).wrapping_mul(0x85EB_CA6B) >> 16;
                format!("{:.3}", f64::from(mixed) / 32_768.0 - 1.0 + f64::from(noise) / 131_072.0)
            })
            .collect();
        let (person, values) = (image / 5, values.join(","));
        format!("{{\"identifier\":\"p{person:03}\",\"imagelabel\":\"{}\",\"embedding\":[{values}]}}\n", image % 5)
    };
    (from..from + n).map(row).collect()
}

fn forgetting(folder: &TempDir) -> Settings {
    Settings { retention: Retention { age: Duration::MAX, count: 1 }, ..settings(folder) }
}

const RETENTION: [Step; 8] = [
    Request(|engine, told| imported(engine, told, "people", THREE)),
    WORK,
    Request(|engine, told| cluster(engine, told, ClusterTask::default())),
    WORK,
    Request(|engine, told| cluster(engine, told, ClusterTask::default())),
    WORK, // and the first one is forgotten
    Request(|engine, told| imported(engine, told, "people", MORE)),
    WORK,
];

/// Leaves a file for each end it tells, which lasts as what a receiver was told does.
#[derive(Debug)]
struct Filing(std::path::PathBuf);

impl Messenger for Filing {
    fn check(&self, _: &str) -> Result<(), String> {
        Ok(())
    }

    fn deliver(&self, delivery: &Delivery) -> Result<(), String> {
        let name = format!("{}-{}", delivery.url.trim_start_matches("http://"), delivery.status);
        std::fs::write(self.0.join(name), "told").map_err(|error| error.to_string())
    }
}

fn telling(folder: &TempDir) -> Settings {
    let out = folder.path().join("out");
    std::fs::create_dir_all(&out).unwrap();
    Settings { messenger: Some(Arc::new(Filing(out))), ..forgetting(folder) }
}

/// A clustering with a key, which is asked for twice, a delay, and somebody to be told.
fn agreed(engine: &Engine, told: &mut Told, key: Option<&str>, delay: u64, callback: &str) {
    let terms = Terms {
        key: key.map(|text| Key { text: text.to_owned(), sameness: [7; 32] }),
        delay: Some(Duration::from_secs(delay)),
        callback: Some(format!("http://{callback}")),
    };
    let ticket = || Ticket { terms: terms.clone(), ..Ticket::default() };
    let task = || Task::Cluster(ClusterTask::default());
    let token = engine.submit(ticket(), task()).unwrap();
    if key.is_some() {
        assert_eq!(engine.submit(ticket(), task()).unwrap(), token, "the same again is the same job");
    }
    told.accepted(Queue::FaceClustering, token);
}

/// More than any life lasts.
const LONG: u64 = 1_000_000_000;

const TERMS: [Step; 9] = [
    Request(|engine, told| agreed(engine, told, Some("a"), 0, "first")),
    Request(|engine, told| agreed(engine, told, Some("b"), LONG, "second")),
    WORK, // the first
    Work(|engine, _| {
        deliver_due(engine);
    }),
    Request(|engine, told| {
        let (queue, token) = told.last();
        engine.cancel(queue, token).unwrap(); // and the first is forgotten, and its key
    }),
    Request(|engine, told| agreed(engine, told, None, 2, "third")),
    Work(|engine, _| {
        for _ in 0..100 {
            work_all(engine); // the clock goes on with every look
        }
    }),
    Request(|engine, told| agreed(engine, told, Some("a"), LONG, "fourth")),
    Work(|engine, _| {
        deliver_due(engine);
    }),
];
