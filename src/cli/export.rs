//! `faceclique export`: a database into a file.

use std::io::Write as _;
use std::path::PathBuf;

use super::progress::Counter;
use super::serve::with_cause;
use super::{DataArguments, Failure, LogArguments};
use crate::engine::{Contents, Engine};
use crate::exchange::Format;
use crate::face::DatabaseName;

/// Write a database into a file, without a server.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
A running server writes files by the action ExportFaceDatabase.

Examples:
  faceclique export --database people --data /var/lib/faceclique people.jsonl
  faceclique export --database people people.npz
  faceclique export --database people --no-pictures --no-metadata people.jsonl")]
pub struct Export {
    #[command(flatten)]
    data: DataArguments,
    /// The database.
    #[arg(long, value_name = "NAME")]
    database: String,
    /// The format: jsonl carries everything, pictures too; csv, npy and npz only the embeddings of trained images; by default the
    /// ending of FILE says.
    #[arg(long, value_name = "FORMAT")]
    format: Option<Format>,
    /// Leave out the pictures.
    #[arg(long)]
    no_pictures: bool,
    /// Leave out the metadata.
    #[arg(long)]
    no_metadata: bool,
    /// The file; it appears whole or not at all.
    #[arg(value_name = "FILE")]
    to: PathBuf,
}

impl Export {
    pub(super) fn run(self, log: &LogArguments) -> Result<(), Failure> {
        let database = DatabaseName::new(&self.database).map_err(|error| format!("--database: {error}"))?;
        let format = self.format.or_else(|| Format::from_path(&self.to)).ok_or_else(|| {
            format!("{}: its ending names no format; say --format jsonl, csv, npy or npz", self.to.display())
        })?;
        if self.to.exists() {
            return Err(format!("{} is there already and is not overwritten", self.to.display()).into());
        }
        let engine = Engine::open(self.data.config(log)?.engine).map_err(with_cause)?;
        let mut counter = Counter::new("writing", "rows");
        let contents = Contents { metadata: !self.no_metadata, image_data: !self.no_pictures };
        let outcome = engine.export(&database, &self.to, format, contents, &mut |done| counter.show(done));
        drop(counter);
        let outcome = outcome.map_err(with_cause)?;
        let (images, faces) = (outcome.n_images, outcome.n_faces);
        writeln!(std::io::stdout().lock(), "{}: {images} images of '{database}', of {faces} faces", self.to.display())?;
        if outcome.n_skipped > 0 {
            let skipped = outcome.n_skipped;
            writeln!(std::io::stdout().lock(), "left out: {skipped} images without an embedding")?;
        }
        Ok(())
    }
}
