//! What the engine is told at its start: places, limits, models.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use super::error::{EngineError, ErrorKind};
use super::outbox::Messenger;
use super::paths::shown;
use super::records::{DatabaseRecord, ModelRecord};
use super::room::Room;
use super::trainer::Trainer;
use crate::confidence::ConfidenceScale;
use crate::exchange;
use crate::face::DatabaseName;
use crate::job::{Queue, Retention};

/// The name of the model that takes embeddings of any dimension (contract R108).
pub const COSINE: &str = "cosine";

/// An embedding model that databases can be bound to.
#[derive(Debug, Clone, PartialEq)]
pub struct Model {
    /// Its name.
    pub name: String,
    /// The dimension of its embeddings; none if a database's first embedding decides.
    pub dimension: Option<usize>,
    /// From cosine to confidence.
    pub scale: ConfidenceScale,
}

/// What the engine is told at its start.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The data directory.
    pub data: PathBuf,
    /// Threads of one clustering.
    pub threads: NonZeroUsize,
    /// Bytes that the images, pairs and matches of one job may take in memory.
    pub memory: u64,
    /// Bytes that the stored result of one job may take.
    pub max_result: u64,
    /// Bytes that the stored results of all ended jobs may take together; beyond it the oldest are forgotten.
    pub max_results: u64,
    /// How long the progress of a job at work may stand still before it is named in the log; none if never.
    pub stuck_after: Option<Duration>,
    /// `search=auto` takes the exact way whenever it is expected to take no longer than this.
    pub auto_exact: Duration,
    /// Bytes of the disk that are to stay free: below that what needs room is refused, or waits.
    pub min_free: u64,
    /// Bytes of the store's page cache.
    pub cache: u64,
    /// Jobs of one queue that have not ended.
    pub max_queue: usize,
    /// The same of queues that have a limit of their own.
    pub max_queues: BTreeMap<Queue, NonZeroUsize>,
    /// Where relative paths of clients start; by default the folder of the program (contract R158).
    pub base: Option<PathBuf>,
    /// How many jobs a queue runs at a time, where that is not said of the queue itself. Each job may take
    /// [`Settings::memory`].
    pub default_max_jobs: NonZeroUsize,
    /// How many jobs certain queues run at a time.
    pub max_jobs: BTreeMap<Queue, NonZeroUsize>,
    /// How many requests may wait for the end of a job (`synchronous=true`); each takes a thread meanwhile.
    pub max_waiting: usize,
    /// How long ended jobs are kept.
    pub retention: Retention,
    /// Starts in a row without an orderly end after which a job is given up.
    pub max_attempts: u32,
    /// Whether the pairs that a clustering finds are kept for the next one on the same database.
    pub keep_pairs: bool,
    /// How often the finished work of a clustering is made durable.
    pub save_every: Duration,
    /// The configured models, besides `cosine`. Under the trainer's name the trainer's own counts.
    pub models: Vec<Model>,
    /// What images are trained by; without, training jobs end in Error 61 (contract R149).
    pub trainer: Option<Arc<dyn Trainer>>,
    /// What tells receivers of the ends of jobs; without, nobody is told.
    pub messenger: Option<Arc<dyn Messenger>>,
    /// How often a receiver is told in vain before it is given up.
    pub callback_attempts: u32,
    /// The pause behind the first attempt in vain; each further one is twice as long.
    pub callback_pause: Duration,
    /// How many ends of jobs are to be told at most, those of jobs included that have not ended.
    pub max_callbacks: usize,
    /// The most pixels of a picture that is made small; the trainer has its own limit (contract R156).
    pub max_pixels: u64,
    /// The most threads that one training job may ask for (contract R143).
    pub max_num_parallel: NonZeroUsize,
    /// Folders below which clients may name files to read; by default none (contract R158).
    pub allowed_input: Vec<PathBuf>,
    /// Folders below which clients may have files written; by default none (contract R159).
    pub allowed_output: Vec<PathBuf>,
    /// Bytes of one picture (contract R156, MaxFileUploadSize).
    pub max_picture: u64,
    /// Pictures of one request (contract R156, MaxParts).
    pub max_pictures: usize,
    /// Changes that can be undone at most; beyond it the oldest are forgotten.
    pub max_changes: usize,
    /// Limits on imported files.
    pub exchange: exchange::Limits,
}

impl Settings {
    /// The defaults, for a data directory.
    pub fn new(data: impl Into<PathBuf>) -> Self {
        Self {
            data: data.into(),
            threads: thread::available_parallelism().unwrap_or(NonZeroUsize::MIN),
            memory: default_memory(),
            max_result: 4 << 30,
            max_results: 8 << 30,
            stuck_after: Some(Duration::from_mins(15)),
            auto_exact: Duration::from_mins(15),
            min_free: 64 << 20,
            cache: 64 << 20,
            max_queue: 1_000,
            max_queues: BTreeMap::new(),
            base: None,
            default_max_jobs: NonZeroUsize::MIN,
            max_jobs: BTreeMap::new(),
            max_waiting: 64,
            retention: Retention::default(),
            max_attempts: 3,
            keep_pairs: true,
            save_every: Duration::from_secs(2),
            models: Vec::new(),
            trainer: None,
            messenger: None,
            callback_attempts: 10,
            callback_pause: Duration::from_secs(5),
            max_callbacks: 10_000,
            max_pixels: 100_000_000,
            max_num_parallel: thread::available_parallelism().unwrap_or(NonZeroUsize::MIN),
            allowed_input: Vec::new(),
            allowed_output: Vec::new(),
            max_picture: 10_000_000,
            max_pictures: 10_000,
            max_changes: 1_000,
            exchange: exchange::Limits::default(),
        }
    }

    /// The room of the data directory.
    pub fn room(&self) -> Room {
        Room::keeping(self.min_free, &self.data)
    }

    /// Where requests spool what is too large for memory; on the same file system as the uploads.
    pub fn spool_folder(&self) -> PathBuf {
        self.data.join("spool")
    }

    /// How many jobs of a queue may not have ended (contract R66).
    pub fn max_queue_of(&self, queue: Queue) -> usize {
        self.max_queues.get(&queue).map_or(self.max_queue, |limit| limit.get())
    }

    /// How many jobs a queue runs at a time (contract R67).
    pub fn max_jobs_of(&self, queue: Queue) -> usize {
        self.max_jobs.get(&queue).unwrap_or(&self.default_max_jobs).get()
    }

    /// The model that an embedding of `dimension` binds `database` to, or is checked against (contract R108, R125).
    pub(super) fn bind(
        &self,
        name: &DatabaseName,
        database: &DatabaseRecord,
        wanted: Option<&str>,
        dimension: usize,
    ) -> Result<ModelRecord, EngineError> {
        let mut model = match (&database.model, wanted) {
            (Some(bound), Some(wanted)) if bound.name != wanted => {
                let wanted = shown(wanted);
                let text = format!("'database={name}' is bound to the model '{}', not to 'model={wanted}'", bound.name);
                return Err(EngineError::new(ErrorKind::Model, text));
            }
            (Some(bound), _) => bound.clone(),
            (None, wanted) => self.model(wanted.unwrap_or(COSINE))?,
        };
        let dimension = u32::try_from(dimension).expect("an embedding has at most 4096 numbers");
        match model.dimension {
            Some(expected) if expected != dimension => {
                let text = format!(
                    "an embedding of dimension {dimension} does not fit 'database={name}': its model '{}' has dimension {expected}",
                    model.name
                );
                Err(EngineError::new(ErrorKind::Model, text))
            }
            _ => {
                model.dimension = Some(dimension);
                Ok(model)
            }
        }
    }

    /// The record of a model by its name.
    pub(super) fn model(&self, name: &str) -> Result<ModelRecord, EngineError> {
        if name == COSINE {
            return Ok(ModelRecord::cosine());
        }
        let models = || self.trainer.iter().map(|trainer| trainer.model()).chain(&self.models);
        let Some(model) = models().find(|model| model.name == name) else {
            let mut known = vec![COSINE];
            known.extend(models().map(|model| model.name.as_str()));
            known.dedup(); // the trainer's may be that, or be among the configured ones
            let text = format!("'model={}' is not configured; known are: {}", shown(name), known.join(", "));
            return Err(EngineError::new(ErrorKind::Model, text));
        };
        Ok(ModelRecord {
            name: model.name.clone(),
            dimension: model.dimension.and_then(|d| u32::try_from(d).ok()),
            knots: model.scale.knots().to_vec(),
            fingerprint: None, // embeddings bind to a name, only training to the model itself
        })
    }
}

/// Half of the machine's memory, or 1 GiB where that cannot be found out.
fn default_memory() -> u64 {
    let total = std::fs::read_to_string("/proc/meminfo").ok().and_then(|text| {
        let line = text.lines().find(|line| line.starts_with("MemTotal:"))?;
        line.split_whitespace().nth(1)?.parse::<u64>().ok()
    });
    total.map_or(1 << 30, |kib| kib * 1024 / 2)
}
