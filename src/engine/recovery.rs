//! What is done at every start: finish what was decided, undo what was not, queue again what was at work.
//!
//! Every step is idempotent, and each marker is removed after what it stands for, so that a crash during recovery is
//! just another crash. A record that is damaged does not hold up the others: the start goes on without it and says so, and
//! removes nothing that it may have stood for.

use std::collections::BTreeSet;
use std::sync::atomic::Ordering;

use tracing::{error, info, warn};

use super::Engine;
use super::changes::ChangeRecord;
use super::databases::Pictures;
use super::error::{EngineError, ErrorKind};
use super::files::clear_folder;
use super::jobs::{Jobs, put};
use super::ledger::{kept_name, log_name};
use super::records::{JobRecord, JobResult, Task};
use crate::job::{Run, State, Token};
use crate::store::{self, Batch, StoreError, decode, keys};

impl Engine {
    /// Brings the store, the table of jobs and the uploads to where a clean shutdown would have left them.
    pub(super) fn recover(&self) -> Result<(), EngineError> {
        for entry in self.collect(&keys::applications())? {
            let read = || Ok((keys::token(&entry.0)?, decode(&entry.0, &entry.1)?));
            let Some((token, number)) = self.unless_damaged(read())? else { continue };
            info!(%token, "an import that was committed is applied again");
            self.apply(&mut self.write_faces(), token, number)?;
        }
        self.load_review()?;
        self.write_faces().views.clear(); // the start is a synchronisation, and this was before it (contract R103)
        if self.n_damaged() == 0 {
            // else there may be rows among them that a decision was made for which cannot be read
            self.discard_staged(&keys::all_staged(), &keys::all_staged_metadata())?;
        }
        for (key, marker) in self.collect(&keys::clearances())? {
            self.clear_database(keys::database_number(&key)?, Pictures::of(&marker))?;
        }
        self.clear_loose_pictures()?;
        for (key, _) in self.collect(&keys::forgotten())? {
            self.clear_result(keys::token(&key)?)?;
        }
        self.load_jobs()?;
        self.clear_exports()?;
        self.forget_all_expired();
        if let Some(databases) = self.unless_damaged(self.read_databases())? {
            let numbers: Vec<u64> = databases.iter().map(|(_, record)| record.number).collect();
            self.sweep_indexes(&numbers);
        }
        if self.n_damaged() > 0 {
            return Ok(()); // what nobody refers to may be that of a record that cannot be read
        }
        self.clear_uploads()?;
        self.clear_pairs()
    }

    /// What was read, or nothing where the record is damaged: that is told, and the start goes on without it.
    pub(super) fn unless_damaged<T>(&self, read: Result<T, StoreError>) -> Result<Option<T>, EngineError> {
        match read {
            Err(error @ StoreError::Damaged { .. }) => {
                error!(%error, "left as it is; `faceclique fsck` says more");
                self.damaged.fetch_add(1, Ordering::Relaxed);
                Ok(None)
            }
            read => Ok(Some(read?)),
        }
    }

    /// How many damaged records the start has met: what they say is missing here.
    pub fn n_damaged(&self) -> u64 {
        self.damaged.load(Ordering::Relaxed)
    }

    pub(super) fn collect(&self, prefix: &[u8]) -> Result<Vec<store::Entry>, EngineError> {
        Ok(self.store.scan(prefix).collect::<Result<_, _>>()?)
    }

    /// Reads what was decided and changed.
    fn load_review(&self) -> Result<(), EngineError> {
        let mut faces = self.write_faces();
        let last = keys::last_number();
        let given = self.store.get(&last)?.map(|value| decode(&last, &value)).transpose();
        if let Some(Some(given)) = self.unless_damaged(given)? {
            faces.book.given(given);
        }
        for (key, value) in self.collect(&keys::decisions())? {
            let read = || Ok((keys::database_number(&key)?, decode(&key, &value)?));
            let Some((id, record)) = self.unless_damaged(read())? else { continue };
            faces.book.set(id, Some(record));
        }
        for entry in self.store.scan(&keys::changes()) {
            let (key, value) = entry?; // one at a time: each may hold thousands of images
            let read = || Ok((keys::database_number(&key)?, decode::<ChangeRecord>(&key, &value)?));
            let Some((id, record)) = self.unless_damaged(read())? else { continue };
            faces.log.set(id, Some(record.kept()));
            faces.book.given(id);
        }
        Ok(())
    }

    /// Reads all jobs; one that was at work is queued again, or ended if that happened too often (contract R75, R77).
    fn load_jobs(&self) -> Result<(), EngineError> {
        let (mut read, mut damaged) = (Vec::new(), BTreeSet::new());
        for (key, value) in self.collect(&keys::jobs())? {
            let record = || Ok((keys::token(&key)?, decode::<JobRecord>(&key, &value)?));
            match self.unless_damaged(record())? {
                Some(job) => read.push(job),
                None => damaged.extend(keys::token(&key)),
            }
        }
        let mut ends = self.read_ends()?;
        self.begin_to_live(&read, &ends)?;
        let mut jobs = self.lock_jobs();
        jobs.damaged = damaged;
        self.load_terms(&mut jobs)?;
        let mut unknown = Batch::new();
        for (token, mut record) in read {
            if record.life.was_at_work() {
                self.crashed(&jobs, token, &mut record)?;
                jobs.ended.note(record.queue, &record.life, None);
            } else if record.life.has_ended() && !ends.contains_key(&token) {
                let end = self.end_by_the_clock(&record);
                ends.insert(token, end);
                unknown.record(&keys::end(token), &end);
            }
            if record.life.is_suspect() {
                jobs.suspects.insert(token);
            }
            let end = ends.remove(&token).unwrap_or_else(|| self.lived());
            jobs.put(token, record, end);
        }
        if self.n_damaged() == 0 {
            // else they may be those of a record that cannot be read
            for token in ends.into_keys() {
                unknown.remove(keys::end(token));
            }
        }
        if !unknown.is_empty() {
            self.store.commit(unknown)?;
        }
        self.load_letters(&mut jobs)?;
        for (key, _) in self.collect(&keys::paused_queues())? {
            jobs.paused.insert(keys::queue(&key)?);
        }
        let n_waiting = jobs.iter().filter(|(_, entry)| !entry.record.life.has_ended()).count();
        info!(
            jobs = jobs.iter().count(),
            waiting = n_waiting,
            killed = jobs.suspects.len(),
            paused_queues = jobs.paused.len(),
            "queues loaded"
        );
        Ok(())
    }

    fn crashed(&self, jobs: &Jobs, token: Token, record: &mut JobRecord) -> Result<(), EngineError> {
        let attempts = record.life.attempts;
        let event = record.life.event_of_crash(self.settings.max_attempts);
        let (life, run) = record.life.after(Run::Running, event, self.clock.now()).expect("a job at work can crash");
        record.life = life;
        if record.life.state(run).is_ended() {
            if record.life.state(run) == State::Error {
                let often = if attempts == 1 { "once".to_owned() } else { format!("{attempts} times in a row") };
                let text = format!("the process ended {often} while this job was at work");
                record.result = Some(JobResult::Fault { kind: ErrorKind::Crashed, text });
            }
            self.clear_rows(&[keys::result(token)])?;
            if let Task::Export(task) = &record.task {
                self.remove_export_leftovers(token, task);
            }
        }
        warn!(%token, attempts, state = %record.life.state(run), "a job was at work when the process ended");
        let mut batch = put(token, record, self.lived());
        jobs.post_into(&mut batch, token, record);
        Ok(self.store.commit(batch)?)
    }

    /// Removes uploads that no waiting job needs, and whatever was half received.
    fn clear_uploads(&self) -> Result<(), EngineError> {
        let needed: BTreeSet<String> = {
            let jobs = self.lock_jobs();
            let waiting = jobs.iter().filter(|(_, entry)| !entry.record.life.has_ended());
            waiting.flat_map(|(_, entry)| entry.record.task.uploads()).map(|upload| upload.file.clone()).collect()
        };
        for (folder, keep) in [(self.uploads_folder(), &needed), (self.settings.spool_folder(), &BTreeSet::new())] {
            clear_folder(&folder, keep)
                .map_err(|source| StoreError::File { what: "cannot clear the folder of uploads".to_owned(), source })?;
        }
        Ok(())
    }

    /// Removes the logs of jobs that do not wait to run again, and the pairs of databases that are gone.
    fn clear_pairs(&self) -> Result<(), EngineError> {
        let mut needed: BTreeSet<String> = {
            let jobs = self.lock_jobs();
            let waiting = jobs.iter().filter(|(_, entry)| !entry.record.life.has_ended());
            waiting.map(|(token, _)| log_name(token)).collect()
        };
        if self.settings.keep_pairs {
            let numbers = self.databases()?.into_iter().map(|(_, record)| Some(record.number));
            needed.extend(numbers.chain([None]).map(kept_name));
        }
        if let Err(error) = clear_folder(&self.pairs_folder(), &needed) {
            warn!(%error, "the folder of pairs cannot be cleared; nothing depends on it");
        }
        Ok(())
    }

    pub(super) fn uploads_folder(&self) -> std::path::PathBuf {
        self.settings.data.join("uploads")
    }
}
