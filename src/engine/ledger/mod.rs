//! What a clustering job has found is kept twice: for itself, should its process be killed, and for the next job on the
//! same database.
//!
//! While a job compares, `pairs/TOKEN.log` takes what each unit has found. When the job is Finished, its log holds the
//! pairs of all its faces, and becomes `pairs/NUMBER.pairs` of its database (`pairs/all.pairs` for jobs over all). The
//! next job finds in it the pairs of all faces that are still the same, and compares only the others with all.
//!
//! **Promises.** A result does not depend on these files. They are derived from the images, checked against them by
//! fingerprints, and whatever is odd about one costs work, never a pair: it is removed, and the work done again.
//!
//! **Not here.** The bytes of a record (`format`, `code`).

mod code;
mod format;
mod kept;
mod log;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

use tracing::{info, warn};

use self::format::{Head, Unusable};
use self::kept::Kept;
use self::log::Log;
use super::Engine;
use super::files::sync;
use super::fingerprint::{Identity, Print, prints};
use super::progress::Control;
use crate::cluster::{self, Known, Pair, Plan};
use crate::face::FaceSet;
use crate::job::Token;

/// A run has made progress when it has added one unit in so many. A job that kills the process again and again
/// therefore ends after a few hundred kills at most, and one that is killed by others is not given up as long as it gets
/// anywhere between two kills.
const PROGRESS: u64 = 100;

/// Whether pairs of an earlier job are looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Earlier {
    /// They are.
    Asked,
    /// They are not.
    Unasked,
}

/// The ledger of one run.
pub(super) struct JobLedger<'a> {
    engine: &'a Engine,
    token: Token,
    control: &'a Control,
    faces: &'a FaceSet,
    /// The number of its database; none for all databases.
    database: Option<u64>,
    earlier: Earlier,
    prints: OnceLock<Vec<Print>>,
    kept: OnceLock<Option<Kept>>,
    /// What is compared; none while that is not known, and none with an approximate index.
    plan: OnceLock<Plan>,
    /// None within if it could not be made.
    log: OnceLock<Option<Log>>,
    /// What is known could not be read a second time.
    is_misread: AtomicBool,
    has_advanced: AtomicBool,
}

impl<'a> JobLedger<'a> {
    /// The ledger of a job over these faces.
    pub(super) fn new(
        engine: &'a Engine,
        token: Token,
        control: &'a Control,
        faces: &'a FaceSet,
        database: Option<u64>,
        earlier: Earlier,
    ) -> Self {
        Self {
            engine,
            token,
            control,
            faces,
            database,
            earlier,
            prints: OnceLock::new(),
            kept: OnceLock::new(),
            plan: OnceLock::new(),
            log: OnceLock::new(),
            is_misread: AtomicBool::new(false),
            has_advanced: AtomicBool::new(false),
        }
    }

    fn prints(&self) -> &[Print] {
        self.prints.get_or_init(|| prints(self.faces, self.engine.settings.threads))
    }

    fn kept(&self) -> Option<&Kept> {
        let load = || {
            if self.earlier == Earlier::Unasked || !self.engine.settings.keep_pairs {
                return None;
            }
            let path = self.engine.kept_path(self.database);
            Kept::load(&path, self.prints()).unwrap_or_else(|error| {
                remove_odd(&path, &error);
                None
            })
        };
        self.kept.get_or_init(load).as_ref()
    }

    fn log(&self) -> Option<&Log> {
        self.log.get()?.as_ref()
    }

    /// Whether the run is worth nothing, because what is known could not be read a second time. Nothing of it is kept.
    pub(super) fn is_misread(&self) -> bool {
        self.is_misread.load(Ordering::Relaxed)
    }

    /// How many pairs this run has compared, given how many of its units were not recalled.
    pub(super) fn n_compared(&self, units: u64) -> u64 {
        let Some(Plan { faces, fresh, pieces, units: all, .. }) = self.plan.get().copied() else { return 0 };
        let pairs = |n: u32| u128::from(n) * u128::from(n.saturating_sub(1)) / 2;
        let to_compare = pairs(faces) - pairs(faces - fresh);
        let tiles = u128::from(all.saturating_sub(pieces)).max(1);
        u64::try_from(to_compare * u128::from(units).min(tiles) / tiles).unwrap_or(u64::MAX)
    }

    /// What is compared, and what is known of it: a log is of the same work only if all of this is the same.
    fn identity(&self, kept: Option<&Kept>) -> Identity {
        let mut hash = blake3::Hasher::new();
        hash.update(&self.token.to_bytes()).update(self.prints().as_flattened());
        if let Some(kept) = kept {
            hash.update(&kept.identity);
        }
        hash.finalize().into()
    }

    /// The job is Finished: its log becomes what the next job on the database knows, unless there is as much already.
    pub(super) fn keep(self) {
        let path = self.engine.log_path(self.token);
        if let Err(error) = self.try_to_keep(&path) {
            warn!(%error, "what this job found is not kept; the next job compares all faces");
        }
        remove(&path); // if it is still there under this name
    }

    fn try_to_keep(&self, path: &Path) -> io::Result<()> {
        let Some(Some(log)) = self.log.get() else { return Ok(()) };
        let is_known = self.kept.get().and_then(Option::as_ref).is_some_and(|kept| kept.says_all(log.plan().complete));
        if !self.engine.settings.keep_pairs || is_known || !log.sync() {
            return Ok(());
        }
        let _faces = self.engine.read_faces(); // no database goes meanwhile
        let databases = self.engine.databases().map_err(io::Error::other)?;
        if self.database.is_some_and(|number| databases.iter().all(|(_, record)| record.number != number)) {
            return Ok(());
        }
        fs::rename(path, self.engine.kept_path(self.database))?;
        info!(faces = log.plan().faces, bytes = log.bytes(), "pairs kept for the next job");
        sync(&self.engine.pairs_folder())
    }
}

impl cluster::Ledger for JobLedger<'_> {
    fn known(&self) -> Option<&Known> {
        self.kept().map(|kept| &kept.known)
    }

    fn known_pairs(&self, piece: u64, pairs: &mut Vec<Pair>) {
        self.control.recalled();
        let read = self.kept().map_or(Ok(()), |kept| kept.read(piece, pairs));
        if let Err(error) = read {
            pairs.clear();
            self.is_misread.store(true, Ordering::Relaxed);
            if let Some(log) = self.log() {
                log.give_up("the pairs of an earlier job could not be read a second time");
            }
            remove_odd(&self.engine.kept_path(self.database), &error);
        }
    }

    fn begin(&self, plan: &Plan) {
        self.plan.get_or_init(|| *plan);
        let kept = self.kept().filter(|_| plan.fresh < plan.faces);
        let head = Head { plan: *plan, identity: self.identity(kept) };
        let path = self.engine.log_path(self.token);
        let log = Log::open(&path, head, self.prints(), self.engine.settings.save_every);
        let log = log.inspect_err(|error| {
            warn!(%error, "there is no log of this job; after a kill it would begin again");
            remove(&path);
        });
        let log = self.log.get_or_init(|| log.ok()).as_ref();
        let n_found = log.map_or(0, |log| log.n_found_from(plan.pieces));
        self.control.expect_recalled(plan.pieces + n_found);
        info!(
            units = plan.units,
            recalled = log.map_or(0, Log::n_found),
            recalled_bytes = log.map_or(0, Log::found_bytes),
            faces = plan.faces,
            known = plan.faces - plan.fresh,
            known_bytes = kept.map_or(0, Kept::bytes),
            "comparing"
        );
    }

    fn recall(&self, unit: u64, pairs: &mut Vec<Pair>) -> bool {
        let is_recalled = self.log().is_some_and(|log| log.read(unit, pairs));
        if is_recalled {
            self.control.recalled();
        }
        is_recalled
    }

    fn finish(&self, unit: u64, pairs: &[Pair]) {
        let Some(log) = self.log() else { return };
        let Some(n_new) = log.append(unit, pairs) else { return };
        // A log begun anew holds what a run before may have had already, and a first run needs no progress.
        let is_gone_on_with = log.n_found() > 0;
        if is_gone_on_with
            && n_new.saturating_mul(PROGRESS) >= log.plan().units
            && !self.has_advanced.swap(true, Ordering::Relaxed)
        {
            self.engine.advance(self.token);
        }
    }
}

impl Engine {
    /// Where logs and pairs are.
    pub(super) fn pairs_folder(&self) -> PathBuf {
        self.settings.data.join("pairs")
    }

    /// The log of a job.
    fn log_path(&self, token: Token) -> PathBuf {
        self.pairs_folder().join(log_name(token))
    }

    /// What is kept of a database, or of all.
    fn kept_path(&self, database: Option<u64>) -> PathBuf {
        self.pairs_folder().join(kept_name(database))
    }

    /// Removes the log of a job that has ended.
    pub(super) fn remove_log(&self, token: Token) {
        remove(&self.log_path(token));
    }

    /// Removes what is kept of a database that is gone.
    pub(super) fn remove_kept(&self, database: u64) {
        remove(&self.kept_path(Some(database)));
    }
}

/// The name of the log of a job.
pub(super) fn log_name(token: Token) -> String {
    format!("{token}.log")
}

/// The name of what is kept of a database, or of all.
pub(super) fn kept_name(database: Option<u64>) -> String {
    database.map_or_else(|| "all.pairs".to_owned(), |number| format!("{number}.pairs"))
}

fn remove(path: &Path) {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            warn!(file = %path.display(), %error, "a file of pairs could not be removed; the next start tries again");
        }
        _ => {}
    }
}

/// A file that is not there is nothing odd, and one that cannot be read now perhaps can be later.
fn remove_odd(path: &Path, error: &Unusable) {
    match error {
        Unusable::Unreadable(error) if error.kind() == io::ErrorKind::NotFound => return,
        Unusable::Unreadable(_) => {}
        Unusable::Damaged(_) | Unusable::Format => remove(path),
    }
    warn!(file = %path.display(), %error, "what an earlier job found is not used; all faces are compared");
}
