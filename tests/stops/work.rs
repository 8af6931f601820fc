//! The jobs that are stopped, and what they work on.

use std::fs;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use faceclique::cluster::Search;
use faceclique::confidence::ConfidenceScale;
use faceclique::engine::{
    BuildAllTask, ClusterTask, Contents, Engine, ExportRequest, ImportRequest, Input, Model, OnError, Settings, Task,
    Ticket, TrainRequest, Trained, Trainer, Untrainable,
};
use faceclique::exchange::{Format, Record, Writer};
use faceclique::face::{DatabaseName, Embedding, Identifier, ImageLabel, ImageStatus};
use faceclique::job::{Queue, Token};

use super::appliance::Appliance;
use super::invented::{self, Faces};

const DIMENSION: usize = 128;
/// Pictures that are trained, and how long a look at one takes.
const PICTURES: usize = 60;
const LOOK: Duration = Duration::from_millis(5);
/// Bytes a face that a job has beside the embeddings, if it has little.
const ROOM: u64 = 400;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Every pair is compared.
    Exact,
    /// The same with room for few edges, so that clusters are merged level by level.
    Levels,
    /// By the approximate index.
    Hnsw,
    /// Into a new database.
    ImportNew,
    /// Beside images that are there.
    ImportBeside,
    /// As JSONL.
    ExportText,
    /// As NPZ.
    ExportArray,
    TrainFace,
    BuildAll,
}

impl Kind {
    pub(crate) const ALL: [Self; 9] = [
        Self::Exact,
        Self::Levels,
        Self::Hnsw,
        Self::ImportNew,
        Self::ImportBeside,
        Self::ExportText,
        Self::ExportArray,
        Self::TrainFace,
        Self::BuildAll,
    ];

    pub(crate) fn queue(self) -> Queue {
        match self {
            Self::Exact | Self::Levels | Self::Hnsw => Queue::FaceClustering,
            Self::ImportNew | Self::ImportBeside => Queue::ImportFaceDatabase,
            Self::ExportText | Self::ExportArray => Queue::ExportFaceDatabase,
            Self::TrainFace => Queue::TrainFace,
            Self::BuildAll => Queue::BuildAllFaces,
        }
    }
}

/// Looks at a picture for a while.
#[derive(Debug)]
struct Slow(Model);

impl Trainer for Slow {
    fn model(&self) -> &Model {
        &self.0
    }

    fn train(&self, _: &[u8]) -> Result<Trained, Untrainable> {
        let begun = Instant::now();
        while begun.elapsed() < LOOK {
            std::hint::spin_loop(); // as a model does
        }
        Ok(Embedding::new([0.5, 0.5, 0.5, 0.5]).unwrap().into())
    }
}

/// Two engines over the same faces, one of them with little memory.
pub(crate) struct World {
    appliance: Appliance,
    file: PathBuf,
    text: PathBuf,
    out: PathBuf,
    /// The same faces with so little memory that edges are counted and not held.
    poor: Appliance,
    _folder: tempfile::TempDir,
}

fn name(text: &str) -> DatabaseName {
    DatabaseName::new(text).unwrap()
}

/// Writes invented faces into files of both kinds.
fn write(n: usize, files: [&Path; 2]) {
    let mut writers = files.map(|file| Writer::create(file, Format::from_path(file).unwrap(), None).unwrap());
    let mut row = 0;
    Faces::new(invented::Kind::People, n, DIMENSION).for_each(1, |face| {
        row += 1;
        let record = Record {
            row,
            identifier: Identifier::new(&format!("{:05}", row / 8)).unwrap(),
            label: ImageLabel::new(&format!("{row:07}")).unwrap(),
            status: ImageStatus::Trained,
            model: None,
            embedding: Some(Embedding::new(face).unwrap()),
            reason: None,
            picture: None,
            metadata: Vec::new(),
        };
        for writer in &mut writers {
            writer.push(&record).unwrap();
        }
    });
    for writer in writers {
        writer.finish().unwrap();
    }
}

impl World {
    pub(crate) fn new(n: usize) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let [file, text, out] = ["faces.npz", "faces.jsonl", "out"].map(|name| folder.path().join(name));
        write(n, [&file, &text]);
        fs::create_dir(&out).unwrap();
        let model = Model { name: "slow".to_owned(), dimension: Some(4), scale: ConfidenceScale::cosine() };
        let settings = |data: &str| Settings {
            allowed_output: vec![out.clone()],
            keep_pairs: false, // or the second run would know what the first found
            max_num_parallel: NonZeroUsize::new(2).unwrap(),
            ..Settings::new(folder.path().join(data))
        };
        let appliance = Appliance::open(Settings { trainer: Some(Arc::new(Slow(model))), ..settings("data") });
        let memory = n as u64 * (DIMENSION as u64 * 4 + ROOM);
        let poor = Appliance::open(Settings { memory, ..settings("poor") });
        appliance.import("faces", &file);
        poor.import("faces", &file);
        for database in ["train", "beside"] {
            appliance.engine.create_database(&name(database), None).unwrap();
        }
        let world = Self { appliance, file, text, out, poor, _folder: folder };
        world.add_pictures();
        world
    }

    /// Pictures that are not trained.
    fn add_pictures(&self) {
        let (engine, database, face) = (&self.appliance.engine, name("train"), Identifier::new("x").unwrap());
        let mut staged = engine.stage_pictures(PICTURES).unwrap();
        for at in 0..PICTURES {
            staged.add(&mut format!("picture {at}").as_bytes()).unwrap();
        }
        engine.new_face(&database, Some(&face)).unwrap();
        engine.add_pictures(&database, &face, None, staged).unwrap();
    }

    /// Whoever works jobs of this kind.
    pub(crate) fn engine(&self, kind: Kind) -> &Arc<Engine> {
        if kind == Kind::Levels { &self.poor.engine } else { &self.appliance.engine }
    }

    /// A new job of this kind.
    pub(crate) fn submit(&self, kind: Kind) -> Token {
        let engine = self.engine(kind);
        match kind {
            Kind::Exact => cluster(engine, Search::Exact, None),
            Kind::Levels => cluster(engine, Search::Exact, Some(0)),
            Kind::Hnsw => cluster(engine, Search::Hnsw, None),
            Kind::ImportNew => self.import("new", &self.file),
            Kind::ImportBeside => self.import("beside", &self.text),
            Kind::ExportText => self.export("faces.jsonl", Format::Jsonl),
            Kind::ExportArray => self.export("faces.npz", Format::Npz),
            Kind::TrainFace => self.train(),
            Kind::BuildAll => {
                let task = BuildAllTask { database: Some("train".to_owned()), parallel: 2 };
                engine.submit(Ticket::default(), Task::BuildAll(task)).unwrap()
            }
        }
    }

    fn import(&self, database: &str, file: &Path) -> Token {
        let request = ImportRequest {
            database: name(database),
            data: Input::Path(file.to_owned()),
            ids: None,
            format: Format::from_path(file).unwrap(),
            model: None,
            on_error: OnError::Stop,
            include_metadata: true,
            include_image_data: true,
        };
        self.appliance.engine.submit_import(Ticket::default(), request).unwrap()
    }

    fn export(&self, file: &str, format: Format) -> Token {
        let path = self.out.join(file).to_str().unwrap().to_owned();
        let request = ExportRequest { database: name("faces"), path, format, contents: Contents::default() };
        self.appliance.engine.submit_export(Ticket::default(), request).unwrap()
    }

    fn train(&self) -> Token {
        let request = TrainRequest {
            database: name("train"),
            identifier: Some(Identifier::new("new").unwrap()),
            labels: None,
            metadata: std::collections::BTreeMap::new(),
            null_image_data: false,
            parallel: 2,
        };
        let fill = |bundle: &mut faceclique::engine::Bundle<'_>| {
            (0..PICTURES).try_for_each(|at| bundle.add(&mut format!("picture {at}").as_bytes()))
        };
        self.appliance.engine.submit_training(Ticket::default(), request, fill).unwrap()
    }

    /// Makes it possible that another job of this kind runs behind one that has Finished.
    pub(crate) fn undo(&self, kind: Kind) {
        let engine = &self.appliance.engine;
        let identifier = |text: &str| Identifier::new(text).unwrap();
        match kind {
            Kind::Exact | Kind::Levels | Kind::Hnsw => {}
            Kind::ImportNew => engine.remove_database(&name("new")).unwrap(),
            Kind::ImportBeside => {
                engine.remove_database(&name("beside")).unwrap();
                engine.create_database(&name("beside"), None).unwrap();
            }
            Kind::ExportText => fs::remove_file(self.out.join("faces.jsonl")).unwrap(),
            Kind::ExportArray => fs::remove_file(self.out.join("faces.npz")).unwrap(),
            Kind::TrainFace => engine.remove_face(&name("train"), &identifier("new")).unwrap(),
            Kind::BuildAll => {
                engine.remove_face(&name("train"), &identifier("x")).unwrap();
                self.add_pictures();
            }
        }
    }
}

fn cluster(engine: &Engine, search: Search, max_results: Option<u64>) -> Token {
    let task =
        ClusterTask { database: Some("faces".to_owned()), search: Some(search), max_results, ..ClusterTask::default() };
    engine.submit(Ticket::default(), Task::Cluster(task)).unwrap()
}
