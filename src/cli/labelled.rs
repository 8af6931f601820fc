//! Labelled faces for a command that works without a server: from a file, or from a database.

use std::io::{self, Write as _};
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use super::progress::{BYTES, Counter};
use super::serve::with_cause;
use super::{DataArguments, Failure, LogArguments};
use crate::cluster::audit::Decided;
use crate::confidence::ConfidenceScale;
use crate::engine::{Contents, DecisionOn, Done, Engine, Settings};
use crate::exchange::{ExchangeError, Format, ImageData, Options, Progress, Reader, Source, Unit};
use crate::face::{DatabaseName, FaceId, FaceSet};

/// How a file of faces is read.
#[derive(Debug, clap::Args)]
pub(super) struct Rows {
    /// The format of FILE: jsonl, csv, npy or npz; by default its ending says.
    #[arg(long, value_name = "FORMAT")]
    format: Option<Format>,
    /// The ids file of an NPY array; by default FILE with the ending .ids.csv.
    #[arg(long, value_name = "FILE")]
    ids: Option<PathBuf>,
    /// Leave out rows that cannot be read, and list them.
    #[arg(long = "skip-bad-rows")]
    skip_bad: bool,
}

/// Where labelled faces are.
#[derive(Debug, clap::Args)]
pub(super) struct Labelled {
    /// The file of faces.
    #[arg(value_name = "FILE", required_unless_present = "database", conflicts_with = "database")]
    file: Option<PathBuf>,
    /// A database of the data directory, which no server has open, instead of a file.
    #[arg(long, value_name = "NAME")]
    database: Option<String>,
    #[command(flatten)]
    data: DataArguments,
    #[command(flatten)]
    rows: Rows,
    /// Threads; by default as many as there are processors.
    #[arg(long, value_name = "N")]
    threads: Option<NonZeroUsize>,
}

/// What was read.
pub(super) struct LabelledFaces {
    /// The trained faces.
    pub(super) faces: FaceSet,
    /// The model of the database, or the stem of the file.
    pub(super) name: String,
    /// The scale that jobs of the database have; of a file that of `cosine`.
    pub(super) scale: ConfidenceScale,
    /// What people have decided of them; of a file nothing.
    pub(super) decided: Decided,
    /// The same, decision by decision.
    pub(super) decisions: Vec<DecisionOn>,
}

impl Labelled {
    pub(super) fn read(&self, log: &LogArguments) -> Result<LabelledFaces, Failure> {
        match (&self.database, &self.file) {
            (Some(database), _) => self.rows.read_database(database, &self.data, log),
            (None, Some(file)) => {
                log.start()?;
                self.rows.read_labelled(file)
            }
            (None, None) => Err("a FILE or --database is needed".into()),
        }
    }

    /// How many threads compute.
    pub(super) fn threads(&self) -> NonZeroUsize {
        self.threads.unwrap_or(Settings::new("").threads)
    }
}

impl Rows {
    /// Those of a file, on the scale of `cosine`.
    pub(super) fn read_labelled(&self, file: &Path) -> Result<LabelledFaces, Failure> {
        let stem = file.file_stem().map_or("faces".into(), |stem| stem.to_string_lossy());
        Ok(LabelledFaces {
            faces: self.read(file)?,
            name: stem.into_owned(),
            scale: ConfidenceScale::cosine(),
            decided: Decided::default(),
            decisions: Vec::new(),
        })
    }

    /// Those of a database, which is exported and read like any other file, so that there is one way of reading.
    pub(super) fn read_database(
        &self,
        name: &str,
        data: &DataArguments,
        log: &LogArguments,
    ) -> Result<LabelledFaces, Failure> {
        let database = DatabaseName::new(name).map_err(|error| format!("--database: {error}"))?;
        let engine = Engine::open(data.config(log)?.engine).map_err(with_cause)?;
        let model = engine.model_of(&database).map_err(with_cause)?;
        let folder = tempfile::tempdir()?;
        let file = folder.path().join("faces.npz");
        let contents = Contents { metadata: false, image_data: false };
        let mut counter = Counter::new("reading", "rows");
        engine.export(&database, &file, Format::Npz, contents, &mut |done| counter.show(done)).map_err(with_cause)?;
        drop(counter);
        let faces = self.read_as(&file, Format::Npz, &database)?;
        let decided = engine.decided(faces.ids()).map_err(with_cause)?;
        let decisions = engine.decisions_on(faces.ids()).map_err(with_cause)?;
        let scale = engine.scale_of(&database).map_err(with_cause)?;
        Ok(LabelledFaces { faces, name: model.unwrap_or_else(|| name.to_owned()), scale, decided, decisions })
    }

    /// The trained faces of a file; its name stands for the database.
    pub(super) fn read(&self, file: &Path) -> Result<FaceSet, Failure> {
        let shown = file.display();
        let format = self
            .format
            .or_else(|| Format::from_path(file))
            .ok_or_else(|| format!("{shown}: its ending names no format; say --format jsonl, csv, npy or npz"))?;
        let stem = file.file_stem().and_then(|stem| stem.to_str()).unwrap_or("faces");
        let database = DatabaseName::new(stem).map_err(|error| format!("{shown}: {error}"))?;
        self.read_as(file, format, &database)
    }

    /// The trained faces of a file as those of a database.
    fn read_as(&self, file: &Path, format: Format, database: &DatabaseName) -> Result<FaceSet, Failure> {
        let shown = file.display();
        let at = |error: ExchangeError| format!("{shown}: {error}");
        let source = Source::open(file, format, self.ids.as_deref()).map_err(at)?;
        let options = Options { image_data: ImageData::LeaveOut, ..Options::default() };
        let mut reader = Reader::open(source, &options).map_err(at)?;
        let mut counter = Counter::new("reading", if reader.progress().unit == Unit::Bytes { BYTES } else { "faces" });
        let records = std::iter::from_fn(|| {
            let next = reader.next();
            let Progress { done, total, .. } = reader.progress();
            counter.show(Done { n: done, total: Some(total) });
            next
        });
        let (mut failure, mut skipped) = (None, Vec::new());
        let faces = records.filter_map(|record| match record {
            Ok(record) => {
                let id = FaceId { database: database.clone(), identifier: record.identifier, label: record.label };
                record.embedding.map(|embedding| Some((id, embedding)))
            }
            Err(ExchangeError::BadRow(bad)) if self.skip_bad => {
                skipped.push(bad);
                None
            }
            Err(error) => {
                failure.get_or_insert(error);
                Some(None)
            }
        });
        let set = FaceSet::new(faces.map_while(|face| face));
        drop(counter);
        if let Some(error) = failure {
            return Err(at(error).into());
        }
        let mut messages = io::stderr().lock();
        for bad in skipped {
            writeln!(messages, "left out: {bad}")?;
        }
        set.map_err(|error| format!("{shown}: {error}").into())
    }
}
