//! `faceclique retrain`: a database moves to another model pack, whole or not at all, without a server.

use std::io::Write as _;
use std::num::NonZeroUsize;
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use super::photos::{self, Looked};
use super::progress::Counter;
use super::serve::with_cause;
use super::{DataArguments, Failure, LogArguments};
use crate::config::Flag;
use crate::engine::{Done, Engine, ErrorKind, Settings, WithoutPicture};
use crate::face::DatabaseName;

/// Train every picture of a database anew by another model pack, without a server.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  faceclique retrain --database people --pack mobilefacenet-y1
  faceclique retrain --database people --pack ./pack --data /srv/faces --threads 2
  faceclique retrain --database people --pack sface --drop-without-picture

Embeddings of different models cannot be compared, so the whole database moves: until all of its pictures were looked at
it is the old one, from then on the new one, whatever happens in between. Afterwards start the server with the same pack.
The same pack again takes over what has changed about it, such as the knots of its confidence scale.")]
pub struct Retrain {
    #[command(flatten)]
    data: DataArguments,
    /// The database.
    #[arg(long, value_name = "NAME")]
    database: String,
    /// The model pack to train by: the name of an installed one, or a folder.
    #[arg(long, value_name = "PACK")]
    pack: String,
    /// Pictures looked at at a time; by default as many as limits.max_num_parallel allows.
    #[arg(long, value_name = "N")]
    threads: Option<NonZeroUsize>,
    /// Images that came as embeddings, or whose pictures were dropped, lose their embedding and become failed (nodata);
    /// without this they keep the database from being moved.
    #[arg(long)]
    drop_without_picture: bool,
}

impl Retrain {
    pub(super) fn run(self, log: &LogArguments) -> Result<(), Failure> {
        let database = DatabaseName::new(&self.database).map_err(|error| format!("--database: {error}"))?;
        let pack = Flag { setting: "vision.pack", flag: "--pack", value: self.pack.clone() };
        let config = super::begun(self.data.read(log, vec![pack])?, super::QUIET)?;
        let max_num_parallel = self.threads.unwrap_or(config.engine.max_num_parallel);
        let settings = Settings { trainer: config.trainer()?, max_num_parallel, ..config.engine };
        let engine = Engine::open(settings).map_err(|error| {
            format!("{}; a database is trained anew while no server has its data", with_cause(error))
        })?;
        self.retrain(&engine, &database)
    }

    fn retrain(&self, engine: &Engine, database: &DatabaseName) -> Result<(), Failure> {
        let begun = Instant::now();
        let without = if self.drop_without_picture { WithoutPicture::Drop } else { WithoutPicture::Refuse };
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        let (listener, told) = told_to_end();
        runtime.spawn(listener);
        let counter = Mutex::new(Counter::new("training", "pictures"));
        let observe = |n: u64, total: u64| {
            let mut counter = counter.lock().unwrap_or_else(PoisonError::into_inner);
            counter.show(Done { n, total: Some(total) });
            if told.load(Ordering::Relaxed) { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        };
        let moved = engine.retrain(database, without, &observe);
        drop(counter);
        let moved = moved.map_err(|error| match error.kind() {
            ErrorKind::NoPicture => format!("{error}; --drop-without-picture moves the database without them").into(),
            _ => with_cause(error),
        })?;
        let (n_trained, untrained) = photos::count(engine, database, |_| true)?;
        let looked = Looked { n_images: moved.n_images, n_faces: moved.n_faces, n_trained, untrained };
        let mut out = std::io::stdout().lock();
        let model = moved.model;
        let before = match moved.before {
            Some(before) if before == model => ", as before".to_owned(),
            Some(before) => format!(", before to {before}"),
            None => String::new(),
        };
        writeln!(out, "'{database}' is bound to the model {model}{before}")?;
        if moved.n_dropped > 0 {
            writeln!(out, "embeddings dropped: {} of images without a picture", moved.n_dropped)?;
        }
        drop(out); // it is taken again
        looked.report(database, begun.elapsed())?;
        Ok(())
    }
}

/// What waits for Ctrl-C, and what it sets then: the image that is looked at is the last.
fn told_to_end() -> (impl Future<Output = ()> + Send, Arc<AtomicBool>) {
    let told = Arc::new(AtomicBool::new(false));
    let tell = Arc::clone(&told);
    let listener = async move {
        if tokio::signal::ctrl_c().await.is_ok() {
            tell.store(true, Ordering::Relaxed);
        }
    };
    (listener, told)
}
