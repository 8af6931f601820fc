//! A data directory looked at record by record, and mended: what is damaged, what that means, and what is left.
//!
//! **Promises.** Looking changes nothing. A repair writes what is healthy into a new store, and only when that is whole
//! and synced it takes the place of the damaged one, which is kept beside it. What is left out goes into a file first, byte
//! for byte. What remains is what was stored: nothing is guessed, but for a database whose record is lost, which gets a
//! name that says so (`recovered-N`) and the model that embeddings of unknown origin have.
//!
//! **Not here.** Graphs and pairs: they are derived, have checksums of their own, and who finds them damaged makes them
//! anew.

mod check;
mod decisions;
mod files;
mod rows;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use super::error::{EngineError, ErrorKind};
use super::faces::ROWS_PER_BATCH;
use super::files::sync;
use super::progress::Done;
use super::tally::Tally;
use crate::store::{Batch, Gap, Repair, Salvage, Store, StoreError, keys};
use check::{Check, Fate};

/// What is done about damage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mending {
    /// It is only told.
    Tell,
    /// What is healthy is kept, the rest put aside.
    Repair,
}

/// One thing that is not as it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// What, in the words of its user: a database, face, image, job or file.
    pub what: String,
    /// What is wrong with it.
    pub why: String,
    /// What a repair does about it.
    pub remedy: &'static str,
}

/// What was found in a data directory.
#[derive(Debug, Default)]
pub struct Report {
    /// How many records of each kind there are, and how many of them are damaged.
    pub kinds: BTreeMap<&'static str, (u64, u64)>,
    /// Everything that is wrong.
    pub findings: Vec<Finding>,
    /// Where a repair put what it left out.
    pub aside: Vec<PathBuf>,
    /// Pictures of images that are told of already.
    told: BTreeSet<String>,
}

impl Report {
    fn find(&mut self, what: impl Into<String>, why: impl Into<String>, remedy: &'static str) {
        self.findings.push(Finding { what: what.into(), why: why.into(), remedy });
    }

    /// A record goes, and why is told.
    fn give_up(&mut self, what: impl Into<String>, why: String) -> Fate {
        self.find(what, why.clone(), "it is put aside");
        Fate::Drop(why)
    }
}

/// Records that a repair leaves out, and the new store.
struct Mended {
    store: Arc<dyn Store>,
    batch: Batch,
    aside: BufWriter<File>,
}

/// Looks at the data directory `data`, which no process has. `observe` is told how many records were read, of about how many.
pub fn fsck(data: &Path, mending: Mending, observe: &mut dyn FnMut(Done)) -> Result<Report, EngineError> {
    if !crate::store::is_there(data) && !data.join("witness").exists() {
        return Err(EngineError::new(
            ErrorKind::Storage,
            format!("{} is no data directory: it has no store and no witness", data.display()),
        ));
    }
    let (repair, was_interrupted) = Repair::begin(data)?;
    let mut report = Report::default();
    if was_interrupted {
        report.find("the store", "a repair was interrupted", "it is finished already");
    }
    let salvage = Salvage::open(data, &repair.folder())?;
    of_store(&salvage, &mut report);
    let number = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let (aside, name) = (data.join(format!("damaged-{number}.jsonl")), format!("db.damaged-{number}"));
    let mut mended = match mending {
        Mending::Tell => None,
        Mending::Repair => Some(begin(&repair, &aside)?),
    };
    let mut check = Check::new(data, &salvage, &mut report);
    let (mut n, total) = (0, check.n_expected());
    let gaps = salvage.read(|(key, value)| -> Result<(), EngineError> {
        n += 1;
        observe(Done { n, total: Some(total.max(n)) });
        let fate = check.take(&key, &value);
        mended.as_mut().map_or(Ok(()), |mended| mended.take(&key, value, fate))
    })?;
    for ((key, value), fate) in check.held() {
        mended.as_mut().map_or(Ok(()), |mended| mended.take(&key, value, fate))?;
    }
    let pictures = check.finish(mended.as_mut().map(|mended| &mut mended.batch));
    for gap in &gaps {
        of_gap(gap, &mut report);
    }
    let loose = files::loose(data, &pictures, &mut report);
    salvage.close()?;
    let Some(mended) = mended else {
        repair.end()?;
        return Ok(report);
    };
    if report.findings.is_empty() {
        drop(mended);
        std::fs::remove_file(&aside).map_err(unwritten)?;
        repair.end()?;
        return Ok(report);
    }
    mended.finish(data)?;
    report.aside = vec![aside, data.join(&name)];
    files::put_aside(data, &loose, &data.join(format!("damaged-{number}-files")), &mut report).map_err(unwritten)?;
    repair.finish(&name)?;
    Ok(report)
}

fn unwritten(source: std::io::Error) -> EngineError {
    StoreError::File { what: "cannot put aside what is damaged".to_owned(), source }.into()
}

fn begin(repair: &Repair, aside: &Path) -> Result<Mended, EngineError> {
    let store: Arc<dyn Store> = Arc::new(repair.create()?);
    let file = File::create_new(aside).map_err(unwritten)?;
    // counts are made anew by the tally, as the rows are written
    Ok(Mended { store: Arc::new(Tally::open(store)?), batch: Batch::new(), aside: BufWriter::new(file) })
}

impl Mended {
    fn take(&mut self, key: &[u8], value: Vec<u8>, fate: Fate) -> Result<(), EngineError> {
        match fate {
            Fate::Keep => self.batch.put(key, value),
            Fate::Remake | Fate::Later => {}
            Fate::Replace(new, why) => {
                self.put_aside(key, &value, why)?;
                self.batch.put(key, new);
            }
            Fate::Drop(why) => self.put_aside(key, &value, &why)?,
        }
        if self.batch.len() >= ROWS_PER_BATCH { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> Result<(), EngineError> {
        Ok(self.store.write(std::mem::take(&mut self.batch))?)
    }

    fn put_aside(&mut self, key: &[u8], value: &[u8], why: &str) -> Result<(), EngineError> {
        let hex = |bytes: &[u8]| {
            bytes.iter().fold(String::new(), |mut text, byte| {
                let _ = write!(text, "{byte:02x}"); // writing to a String cannot fail
                text
            })
        };
        let line = serde_json::json!({ "key": hex(key), "value": hex(value), "why": why });
        writeln!(self.aside, "{line}").map_err(unwritten)
    }

    /// Closes both, synced.
    fn finish(mut self, data: &Path) -> Result<(), EngineError> {
        self.flush()?;
        self.store.sync()?;
        let file = self.aside.into_inner().map_err(|error| unwritten(error.into_error()))?;
        file.sync_all().and_then(|()| sync(data)).map_err(unwritten)
    }
}

/// What is to be said of the files of the store.
fn of_store(salvage: &Salvage, report: &mut Report) {
    for name in &salvage.left_out {
        report.find(format!("db/{name}"), "it is damaged; the store opens without it", "it is made anew");
    }
    if let [first, others @ ..] = &salvage.damages[..] {
        let more = if others.is_empty() { String::new() } else { format!(" and {} more places", others.len()) };
        let why = format!("a checksum does not match at {first}{more}; what is lost by that is said besides");
        report.find("the log of the store", why, "what can be proven to be whole is kept");
    }
    if let Some(lost) = salvage.synced.and_then(|synced| synced.checked_sub(salvage.found)).filter(|&lost| lost > 0) {
        let why = format!(
            "what its last {lost} syncs of {} made durable is lost: it ends at the damage, or is an older copy",
            salvage.found + lost
        );
        report.find("the store", why, "what is left is taken as it is; a backup may have more");
    }
    if salvage.is_unattested {
        report.find("witness", "it is missing or damaged: whether the store is whole is not known", "it is made anew");
    }
}

fn of_gap(gap: &Gap, report: &mut Report) {
    let shown = |key: &[u8]| if key.is_empty() { "the beginning".to_owned() } else { check::shown(key) };
    let before = gap.before.as_deref().map_or_else(|| "the end".to_owned(), shown);
    let what = format!("records between {} and {before}", shown(&gap.after));
    report.find(what, format!("they cannot be read: {}", gap.why), "they are given up; a backup may have them");
}

/// The kind of a record, as the report names it.
fn kind(key: &[u8]) -> &'static str {
    match key.first() {
        Some(b'd') => "databases",
        Some(b'f') => "faces",
        Some(b'i') => "images",
        Some(b'j') => "jobs",
        Some(b'r') => "results",
        Some(b's' | b'm') => "staged rows",
        Some(b'b') => "decisions",
        Some(b'u' | b'h') => "changes",
        Some(b'#' | b'n') => "counts",
        Some(b't' | b'l') => "times",
        Some(b'q') => "paused queues",
        Some(b'c') => "terms of jobs",
        Some(b'k') => "idempotency keys",
        Some(b'o') => "callbacks",
        Some(b'a' | b'g' | b'x' | b'p' | b'e' | b'y' | b'z') => "markers",
        _ if key == keys::version() || key == keys::last_sync() => "format",
        _ => "others",
    }
}
