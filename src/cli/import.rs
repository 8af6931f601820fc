//! `faceclique import`: a file, every file of a folder, or the pictures of its folders into a database, by the same
//! durable jobs as over the ACI.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use super::everyone::{self, Pictures};
use super::photos::{self, Photos};
use super::progress::BYTES;
use super::serve::with_cause;
use super::{DataArguments, Failure, LogArguments, finished};
use crate::config::Flag;
use crate::engine::{Engine, ImportOutcome, ImportRequest, Input, JobResult, OnError, Settings, Ticket, worker};
use crate::exchange::{Format, ids_path_beside};
use crate::face::DatabaseName;
use crate::job::Queue;

/// Take files of faces, or a folder of pictures, into a database, without a server.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
A running server takes files by the action ImportFaceDatabase.

Examples:
  faceclique import --database people --data /var/lib/faceclique faces.npz
  faceclique import --database people --skip-bad-rows exports/
  faceclique import --database people --pack face-reid-retail-0095 photos/
  faceclique import --database unsorted --pack face-reid-retail-0095 --all-faces holiday/")]
pub struct Import {
    #[command(flatten)]
    data: DataArguments,
    /// The database; made if it is not there.
    #[arg(long, value_name = "NAME")]
    database: String,
    /// The embedding model; by default the database's, or `cosine`.
    #[arg(long, value_name = "NAME")]
    model: Option<String>,
    /// The format of the file: jsonl, csv, npy or npz; by default its ending says.
    #[arg(long, value_name = "FORMAT")]
    format: Option<Format>,
    /// The ids file of an NPY array; by default FILE with the ending .ids.csv.
    #[arg(long, value_name = "FILE")]
    ids: Option<PathBuf>,
    /// Leave out rows that cannot be read, and list them, instead of importing nothing.
    #[arg(long)]
    skip_bad_rows: bool,
    /// The model pack that pictures are trained by: the name of an installed one, or a folder.
    #[arg(long, value_name = "PACK")]
    pack: Option<String>,
    /// DIR holds unsorted pictures, also in folders: every face found becomes an identity of its own, to be clustered.
    #[arg(long, conflicts_with_all = ["model", "format", "ids", "skip_bad_rows"])]
    all_faces: bool,
    /// The file, or a folder: one whose files (.jsonl, .csv, .npy, .npz) are imported one after the other, or one with a folder of
    /// pictures for each identity.
    #[arg(value_name = "FILE|DIR")]
    from: PathBuf,
}

impl Import {
    pub(super) fn run(self, log: &LogArguments) -> Result<(), Failure> {
        let database = DatabaseName::new(&self.database).map_err(|error| format!("--database: {error}"))?;
        let everyone = if self.all_faces { everyone::find(&self.from)? } else { Pictures::new() };
        if self.all_faces && everyone.is_empty() {
            return Err(format!("{}: no picture is in it", self.from.display()).into());
        }
        let (files, photos) = if self.all_faces { (Vec::new(), Photos::new()) } else { self.files()? };
        let pack = self.pack.iter().map(|pack| Flag { setting: "vision.pack", flag: "--pack", value: pack.clone() });
        let config = super::begun(self.data.read(log, pack.collect())?, super::QUIET)?;
        // jobs that wait in the data directory are worked too, trainings among them
        let settings = Settings { trainer: config.trainer()?, ..config.engine };
        if (self.all_faces || !photos.is_empty()) && settings.trainer.is_none() {
            let from = self.from.display();
            return Err(format!("{from} holds pictures, and nothing to train them by is named: --pack PACK").into());
        }
        let engine = Engine::open(settings).map_err(|error| {
            format!("{}; a running server takes files by the action ImportFaceDatabase", with_cause(error))
        })?;
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
        runtime.block_on(async {
            let (stop, stopped) = oneshot::channel::<()>();
            let worker = tokio::spawn(worker::run(Arc::clone(&engine), async {
                let _ = stopped.await; // also when the sender is gone
            }));
            let mut outcome = Ok(());
            if !everyone.is_empty() {
                outcome = everyone::import(&engine, &database, &everyone);
            }
            if !photos.is_empty() {
                outcome = photos::import(&engine, &database, &photos).await;
                if outcome.is_ok() {
                    photos::report_strays(&self.from, &photos);
                }
            }
            for (path, format) in files {
                outcome = self.import(&engine, &database, &path, format).await;
                if outcome.is_err() {
                    break;
                }
            }
            let _ = stop.send(()); // the worker may have ended already
            worker.await?;
            outcome
        })
    }

    /// The files to import, with their formats, or if there are none the pictures.
    fn files(&self) -> Result<(Vec<(PathBuf, Format)>, Photos), Failure> {
        let format = |path: &Path| self.format.or_else(|| Format::from_path(path));
        if !self.from.is_dir() {
            let format = format(&self.from).ok_or_else(|| {
                format!("{}: its ending names no format; say --format jsonl, csv, npy or npz", self.from.display())
            })?;
            return Ok((vec![(self.from.clone(), format)], Photos::new()));
        }
        let mut files = Vec::new();
        for entry in fs::read_dir(&self.from)? {
            let path = entry?.path();
            let is_ids = path.to_string_lossy().ends_with(".ids.csv");
            if let Some(format) = format(&path).filter(|_| path.is_file() && !is_ids) {
                files.push((path, format));
            }
        }
        files.sort_by(|(a, _), (b, _)| a.cmp(b));
        let photos = if files.is_empty() { photos::find(&self.from)? } else { Photos::new() };
        if files.is_empty() && photos.is_empty() {
            let from = self.from.display();
            let wanted = "no file with the ending .jsonl, .csv, .npy or .npz, and no folder of pictures";
            return Err(format!("{from}: {wanted}").into());
        }
        Ok((files, photos))
    }

    async fn import(
        &self,
        engine: &Engine,
        database: &DatabaseName,
        path: &Path,
        format: Format,
    ) -> Result<(), Failure> {
        let begun = Instant::now();
        let ids = self.ids.clone().or_else(|| (format == Format::Npy).then(|| ids_path_beside(path)));
        let token = engine.submit_import(
            Ticket::default(),
            ImportRequest {
                database: database.clone(),
                data: Input::Path(path.to_owned()),
                ids: ids.map(Input::Path),
                format,
                model: self.model.clone(),
                on_error: if self.skip_bad_rows { OnError::Skip } else { OnError::Stop },
                include_metadata: true,
                include_image_data: true,
            },
        );
        let token = token.map_err(|error| format!("{}: {}", path.display(), with_cause(error)))?;
        let imported = |result: &JobResult| match result {
            JobResult::Import(outcome) => Some(outcome.clone()),
            _ => None,
        };
        let size = fs::metadata(path).map_or(0, |file| usize::try_from(file.len()).unwrap_or(usize::MAX));
        let shown = ("importing", Some((size, BYTES)));
        match finished(engine, (Queue::ImportFaceDatabase, token), shown, imported).await {
            Ok(outcome) => Ok(report(database, path, &outcome, begun.elapsed())?),
            Err(text) => Err(format!("{}: {text}; nothing was imported", path.display()).into()),
        }
    }
}

fn report(database: &DatabaseName, path: &Path, outcome: &ImportOutcome, took: Duration) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    let rate = outcome.n_images as f64 / took.as_secs_f64().max(1e-9);
    writeln!(
        out,
        "{}: {} images of {} new identities into '{database}' in {:.2} s ({rate:.0} images/s)",
        path.display(),
        outcome.n_images,
        outcome.n_faces,
        took.as_secs_f64(),
    )?;
    if outcome.n_skipped > 0 {
        writeln!(out, "left out: {} rows", outcome.n_skipped)?;
        for row in &outcome.skipped {
            writeln!(out, "  {:>8}  {}", row.row, row.reason)?;
        }
    }
    Ok(())
}
