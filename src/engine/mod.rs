//! The marriage: the one place that knows faces, jobs, clusters and the store. This is what an appliance embeds.
//!
//! An [`Engine`] owns a data directory. Its methods block (they wait for the disk) and may be called from any thread;
//! [`worker::run`] works the queues until it is told to shut down.
//!
//! **Promises.** A change is on the disk before the method that makes it returns, and is there whole or not at all.
//! A token is returned only after its job is on the disk. What a crash interrupted is finished or undone by
//! [`Engine::open`], and jobs that were at work are queued again.
//!
//! **Not here.** The language in which clients ask (`aci`) and sockets (`http`).
//!
//! Large changes, an import or the removal of a database, are *redo logs*: one durable batch decides, then the rows
//! follow, and a marker that stands until they are all there lets [`Engine::open`] do it again after a crash.

mod accept;
mod audit;
mod backup;
mod build;
mod built;
mod bundle;
mod change;
mod changes;
mod chores;
mod clustering;
mod databases;
mod decisions;
mod ending;
mod error;
mod everyone;
mod export;
mod faces;
mod figures;
mod files;
mod fingerprint;
mod fsck;
mod images;
mod import;
mod index;
mod jobs;
mod lanes;
mod ledger;
mod lived;
mod metadata;
mod orders;
mod outbox;
#[cfg(feature = "vision")]
mod pack;
mod paths;
mod pictures;
mod probe;
mod progress;
mod records;
mod recovery;
mod result;
mod retrain;
mod room;
mod settings;
mod snapshot;
mod staging;
mod start;
mod steer;
mod tally;
mod terms;
#[cfg(test)]
mod tests;
#[cfg(feature = "vision")]
mod thumbnail;
mod train;
mod trainer;
mod turn;
mod verdict;
mod view;
mod waiting;
mod watchdog;
pub mod worker;

use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, LazyLock, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use tokio::sync::Notify;

pub use crate::store::{Failure, is_left_open, is_there};
pub use accept::Ticket;
pub use audit::AuditReader;
pub use backup::{Manifest, Written, restore_backup, verify_backup};
pub use built::{BuiltFace, BuiltReader};
pub use bundle::Bundle;
pub use changes::{Applied, ChangeInfo, ChangeKind, MovedImage};
pub use databases::DatabaseInfo;
pub use decisions::{Decided, DecisionInfo, DecisionOn, NewDecision, Sequence, Subject, Verdict, Wanted};
pub use error::{EngineError, ErrorKind};
pub use everyone::Everyone;
pub use export::{Contents, ExportRequest};
pub use faces::{FaceInfo, FacePage, ImageInfo, ListFrom};
pub use figures::{ContentFigures, DatabaseFigures, Figures, Histogram};
pub use fsck::{Finding, Mending, Report, fsck};
pub use import::{ImportRequest, Input, Place};
pub use jobs::{JobView, QueueFigures};
pub use outbox::{Delivery, Messenger};
#[cfg(feature = "vision")]
pub use pack::PackTrainer;
pub use pictures::{Picture, StagedPictures};
pub use probe::{Probe, probe};
pub use progress::{Done, Progress, Stage};
pub use records::{
    BuildAllTask, BuildOutcome, BuildTask, ClusterTask, ClusteringOutcome, ExportOutcome, ExportTask, ImportOutcome,
    ImportTask, JobResult, OnError, SkippedRow, Task, TrainOutcome, TrainTask, Upload,
};
pub use result::{ResultFace, ResultReader};
pub use retrain::{Observe, Retrained, WithoutPicture};
pub use room::Room;
pub use settings::{COSINE, Model, Settings};
pub use steer::Concerned;
pub use terms::{Key, Sameness, Terms};
pub use train::TrainRequest;
pub use trainer::{Fingerprint, Found, Template, Trained, Trainer, Untrainable};
pub use verdict::ImageFacts;
pub use waiting::{Attendance, Waited};

use crate::job::{Timestamp, micros};
use crate::store::{Disk, Store};
use change::Faces;
use figures::Pace;
use jobs::Jobs;
use tally::Tally;

/// Where the engine takes the time from.
pub trait Clock: Send + Sync + 'static {
    /// Now, as it is shown; may jump.
    fn now(&self) -> Timestamp;

    /// How long something that began before the engine has lasted: the difference of two looks is the time between them.
    fn uptime(&self) -> Duration;
}

/// The system's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Timestamp(micros(since))
    }

    fn uptime(&self) -> Duration {
        static BEGUN: LazyLock<Instant> = LazyLock::new(Instant::now);
        BEGUN.elapsed()
    }
}

/// Face databases and the jobs on them, kept in one data directory.
pub struct Engine {
    /// What was given, behind the tally.
    store: Arc<dyn Store>,
    tally: Arc<Tally>,
    journal: Arc<backup::Journal>,
    pace: Pace,
    /// What the folders beside the store took a while ago.
    sizes: Mutex<chores::Sizes>,
    clock: Arc<dyn Clock>,
    /// The time that the store had lived when the clock's uptime began.
    lived_before: AtomicI64,
    /// When the time lived was written down.
    lived_noted: AtomicI64,
    settings: Settings,
    /// Taken before `turn` and `jobs` where several are needed.
    faces: RwLock<Faces>,
    /// Had by whoever changes what is stored of jobs; taken before `jobs`.
    turn: Mutex<()>,
    jobs: Mutex<Jobs>,
    /// Told when there may be a job to start.
    wake: Notify,
    /// Told, with `jobs`, when a job has ended and when the server shuts down.
    ended: Condvar,
    /// Told, with `jobs`, when a job that was submitted with a key is on the disk, or is not going to be.
    arrived: Condvar,
    /// Told when the end of a job is to be told to somebody.
    posted: Notify,
    /// The graphs that runs have.
    borrowed: index::Borrowed,
    /// The server shuts down: what cannot be done now is left to the next start.
    stopping: AtomicBool,
    /// Told when the store has failed.
    failed: Arc<Notify>,
    room: Room,
    /// Whether there was too little room when somebody looked last.
    was_low: AtomicBool,
    /// How many damaged records the start has met.
    damaged: AtomicU64,
    /// Held while a large picture is in memory for a thumbnail.
    #[cfg(feature = "vision")]
    large_picture: Mutex<()>,
    /// How many workers there are; one, or none.
    workers: AtomicUsize,
}

impl std::fmt::Debug for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Engine").field("data", &self.settings.data).finish_non_exhaustive()
    }
}

impl Engine {
    /// Opens the data directory of `settings`, making it if it is not there, and mends what a crash left.
    pub fn open(settings: Settings) -> Result<Arc<Self>, EngineError> {
        let store = Disk::open(&settings.data, settings.cache)?;
        let failed = Arc::new(Notify::new());
        let tell = Arc::clone(&failed);
        store.tell_of_failure(move || tell.notify_one());
        Self::over(Arc::new(store), Arc::new(SystemClock), settings, failed)
    }

    /// The same over any store and clock; the data directory holds only pictures, uploads, graphs and files of
    /// pairs then.
    pub fn with(store: Arc<dyn Store>, clock: Arc<dyn Clock>, settings: Settings) -> Result<Arc<Self>, EngineError> {
        Self::over(store, clock, settings, Arc::default())
    }

    fn over(
        store: Arc<dyn Store>,
        clock: Arc<dyn Clock>,
        settings: Settings,
        failed: Arc<Notify>,
    ) -> Result<Arc<Self>, EngineError> {
        let journal = Arc::new(backup::Journal::over(store));
        let tally = Arc::new(Tally::open(Arc::<backup::Journal>::clone(&journal))?);
        let engine = Self {
            faces: RwLock::new(Faces::new(clock.now())),
            turn: Mutex::default(),
            jobs: Mutex::new(Jobs::default()),
            wake: Notify::new(),
            ended: Condvar::new(),
            arrived: Condvar::new(),
            posted: Notify::new(),
            borrowed: index::Borrowed::default(),
            stopping: AtomicBool::new(false),
            failed,
            room: settings.room(),
            was_low: AtomicBool::new(false),
            damaged: AtomicU64::new(tally.n_damaged),
            #[cfg(feature = "vision")]
            large_picture: Mutex::new(()),
            workers: AtomicUsize::new(0),
            store: Arc::<Tally>::clone(&tally),
            tally,
            journal,
            pace: Pace::default(),
            sizes: Mutex::default(),
            clock,
            lived_before: AtomicI64::new(0),
            lived_noted: AtomicI64::new(0),
            settings,
        };
        engine.recover()?;
        Ok(Arc::new(engine))
    }

    /// What it was told at its start.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Whether the server shuts down.
    pub fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Relaxed)
    }

    /// Whether a worker works the queues.
    pub fn is_worked(&self) -> bool {
        self.workers.load(Ordering::Relaxed) > 0
    }

    /// Why the store takes no more changes, if it does not. Reading goes on. Whoever embeds the engine drops it and opens it
    /// again when the disk [can be written](Room::try_disk).
    pub fn failure(&self) -> Option<Failure> {
        self.store.failure()
    }

    /// Returns when the store that [`Engine::open`] has opened takes no more changes; to one caller.
    pub async fn until_it_fails(&self) {
        self.failed.notified().await;
    }

    /// Bytes of the store on the disk.
    pub fn store_bytes(&self) -> Result<u64, EngineError> {
        Ok(self.store.bytes()?)
    }

    // A panic while a lock was held is a defect that ends one job or one request; the others go on with what is there.

    fn read_faces(&self) -> RwLockReadGuard<'_, Faces> {
        self.faces.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write_faces(&self) -> RwLockWriteGuard<'_, Faces> {
        self.faces.write().unwrap_or_else(PoisonError::into_inner)
    }

    fn lock_jobs(&self) -> MutexGuard<'_, Jobs> {
        self.jobs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
