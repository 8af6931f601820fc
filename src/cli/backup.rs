//! `faceclique backup` and `faceclique restore`: a data directory into a folder, and back.

use std::io::{self, Write as _};
use std::path::PathBuf;

use super::progress::{BYTES, Counter};
use super::serve::with_cause;
use super::{DataArguments, Failure, LogArguments};
use crate::engine::{Engine, Manifest, Written, restore_backup, verify_backup};

/// Write a backup of a data directory that no server has, or verify one.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
A running server makes its own, of one moment and without keeping anybody waiting, by the action BackupServer of its service \
port:
  curl 'http://127.0.0.1:14001/action=BackupServer&path=/backups/monday'

Examples:
  faceclique backup --data /var/lib/faceclique /backups/monday
  faceclique backup --verify /backups/monday
  faceclique restore /backups/monday --data /var/lib/faceclique-new")]
pub struct Backup {
    #[command(flatten)]
    data: DataArguments,
    /// Write nothing; read all of the backup FOLDER and say whether it is what was written.
    #[arg(long)]
    verify: bool,
    /// The backup; it appears whole or not at all, and replaces nothing.
    #[arg(value_name = "FOLDER")]
    folder: PathBuf,
}

/// Make a data directory of a backup.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
The directory must not be there, or be empty; it appears whole or not at all. Jobs that waited come along.

Examples:
  faceclique restore /backups/monday --data /var/lib/faceclique-new
  faceclique fsck --data /var/lib/faceclique-new")]
pub struct Restore {
    #[command(flatten)]
    data: DataArguments,
    /// The backup; all of it is verified first.
    #[arg(value_name = "FOLDER")]
    folder: PathBuf,
}

fn told(what: &str, manifest: &Manifest) -> io::Result<()> {
    let Manifest { n_records, n_files, program, .. } = manifest;
    writeln!(io::stdout().lock(), "{what}: {n_records} records and {n_files} files, by {program}")
}

impl Backup {
    pub(super) fn run(self, log: &LogArguments) -> Result<(), Failure> {
        let folder = self.folder.display().to_string();
        if self.verify {
            let mut counter = Counter::new("verifying", BYTES);
            let manifest = verify_backup(&self.folder, &mut |done| counter.show(done));
            drop(counter);
            return Ok(told(&format!("{folder} is what was written"), &manifest.map_err(with_cause)?)?);
        }
        let engine = Engine::open(self.data.config(log)?.engine).map_err(|error| {
            format!("{}; a running server makes a backup by the action BackupServer", with_cause(error))
        })?;
        let (mut records, mut files) = (None, None);
        let manifest = engine.backup(&self.folder, &mut |written| match written {
            Written::Records(done) => records.get_or_insert_with(|| Counter::new("writing", "records")).show(done),
            Written::Files(done) => {
                records = None; // each goes at a speed of its own
                files.get_or_insert_with(|| Counter::new("writing", "files")).show(done);
            }
        });
        drop((records, files));
        Ok(told(&folder, &manifest.map_err(|error| error.to_string())?)?)
    }
}

impl Restore {
    pub(super) fn run(self, log: &LogArguments) -> Result<(), Failure> {
        let data = self.data.config(log)?.engine.data;
        let mut counter = Counter::new("verifying, writing", BYTES);
        let manifest = restore_backup(&self.folder, &data, &mut |done| counter.show(done));
        drop(counter);
        Ok(told(&data.display().to_string(), &manifest.map_err(|error| error.to_string())?)?)
    }
}
