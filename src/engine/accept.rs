//! How a job comes in: with a token, the client's words and a place in its queue, on the disk before anyone is told.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::MutexGuard;

use tracing::field::display;
use tracing::{Span, info};

use super::Engine;
use super::audit::AuditRecord;
use super::decisions::RespectRecord;
use super::error::{EngineError, ErrorKind};
use super::files::sync;
use super::jobs::{Jobs, put};
use super::records::{JobRecord, Task};
use super::terms::Terms;
use crate::job::{Life, Priority, Queue, Token};
use crate::store::{StoreError, keys};

/// What goes with a job besides what it is to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ticket {
    /// Its token; a new one.
    pub token: Token,
    /// The parameters as the client gave them, names in lower case and in their order; shown, never read (contract
    /// R97).
    pub parameters: Vec<(String, String)>,
    /// How soon it is started.
    pub priority: Priority,
    /// What is agreed on with it besides its task.
    pub terms: Terms,
    /// Whether a clustering obeys what was decided of its images.
    pub respects_decisions: bool,
    /// Whether an identity audit is kept with the result of a clustering.
    pub audits: bool,
}

impl Default for Ticket {
    /// A new token, no parameters, the usual priority, no terms.
    fn default() -> Self {
        Self {
            token: Token::generate(),
            parameters: Vec::new(),
            priority: Priority::default(),
            terms: Terms::default(),
            respects_decisions: false,
            audits: false,
        }
    }
}

/// The parameter that names the key of a job, which its duplicate does not have.
const KEY_PARAMETER: &str = "idempotencykey";

impl Engine {
    /// Accepts a job: when this returns, it is on the disk (contract R63). If its key was given with the same request
    /// before, nothing is accepted, and the token is that of the earlier job.
    pub fn submit(&self, ticket: Ticket, task: Task) -> Result<Token, EngineError> {
        if let Some(url) = &ticket.terms.callback {
            self.check_callback(url)?;
        }
        self.accept(self.lock_jobs(), ticket, task)
    }

    /// Refuses if the queue takes no more, before anything is written for a job that will not be.
    pub(super) fn check_capacity(&self, queue: Queue) -> Result<(), EngineError> {
        let jobs = self.lock_jobs();
        self.check_capacity_of(&jobs, queue)
    }

    fn check_capacity_of(&self, jobs: &Jobs, queue: Queue) -> Result<(), EngineError> {
        if jobs.stopping {
            return Err(EngineError::new(ErrorKind::Stopping, "the server is stopping and takes no more jobs"));
        }
        self.check_room()?;
        let limit = self.settings.max_queue_of(queue);
        if jobs.n_open(queue) >= limit {
            return Err(EngineError::queue_full(queue, limit));
        }
        Ok(())
    }

    fn accept(&self, mut jobs: MutexGuard<'_, Jobs>, ticket: Ticket, task: Task) -> Result<Token, EngineError> {
        let Ticket { token, parameters, priority, respects_decisions, audits, terms } = ticket;
        let queue = task.queue();
        if let Some(key) = &terms.key
            && let Some(earlier) = self.known(&jobs, queue, key)?
        {
            return self.arrival(jobs, earlier);
        }
        self.check_capacity_of(&jobs, queue)?;
        if terms.callback.is_some() {
            self.check_outbox(&jobs)?;
        }
        if jobs.is_taken(token) {
            return Err(EngineError::new(ErrorKind::Internal, format!("'token={token}' names another job already")));
        }
        let life = Life::new(self.clock.now());
        let agreed = terms.record(life.queued);
        let record = JobRecord {
            queue,
            order: jobs.take_order(),
            priority,
            life,
            task,
            parameters,
            result: None,
            kept: 0,
            reached: None,
        };
        // Written under the lock, so that what was checked still holds; synced outside, together with others that come
        // at the same time. Until then nobody sees it, for what the table says is on the disk.
        let mut batch = put(token, &record, self.lived());
        terms.put_into(&mut batch, queue, token, &agreed);
        if respects_decisions {
            batch.record(&keys::respect(token), &RespectRecord::default());
        }
        if audits {
            batch.record(&keys::audit(token), &AuditRecord::default());
        }
        self.store.write(batch)?;
        jobs.arrives(token, queue, terms.callback.is_some());
        drop(jobs);
        let synced = self.store.sync();
        let mut jobs = self.lock_jobs();
        jobs.arrived(token);
        if terms.key.is_some() {
            self.arrived.notify_all(); // they look when the lock is free
        }
        synced?;
        let delay = terms.delay.unwrap_or_default();
        jobs.agree(token, agreed, if delay.is_zero() { delay } else { self.clock.uptime() }, delay);
        jobs.put(token, record, self.lived());
        drop(jobs);
        Span::current().record("token", display(token)); // of the request, if it has such a field
        info!(%token, %queue, %priority, "job accepted");
        self.wake.notify_one();
        Ok(token)
    }

    /// Accepts a job with the parameters, material and priority of another one, which must not have ended (contract
    /// R86, R88). It is Queued, whether or not the other is paused.
    pub fn duplicate(&self, queue: Queue, token: Token) -> Result<Token, EngineError> {
        let (JobRecord { priority, mut task, mut parameters, .. }, terms) = {
            let jobs = self.lock_jobs();
            self.check_capacity_of(&jobs, queue)?;
            let terms = jobs.terms(token).map(|terms| terms.of_duplicate(self.clock.now()));
            (open_job(&jobs, queue, token)?, terms.unwrap_or_default())
        };
        parameters.retain(|(name, _)| name != KEY_PARAMETER);
        let respects_decisions = self.respect(token)?.is_some();
        let audits = self.audit_record(token)?.is_some();
        let ticket = Ticket { parameters, priority, terms, respects_decisions, audits, ..Ticket::default() };
        let copy = ticket.token;
        // Outside the lock, for a file may be large; so the job may end meanwhile, and its files go.
        if let Task::Train(task) = &mut task {
            task.renew()?;
        }
        let copied = self.copy_uploads(token, copy, &mut task);
        let names: Vec<PathBuf> = task.uploads().map(|upload| self.upload_path(upload)).collect();
        let mut may_be_there = false;
        let accepted = copied.and_then(|()| {
            let jobs = self.lock_jobs();
            open_job(&jobs, queue, token)?;
            let accepted = self.accept(jobs, ticket, task);
            may_be_there = may_be_accepted(&accepted, copy);
            accepted
        });
        if !may_be_there {
            for name in names {
                let _ = fs::remove_file(name); // there may be none
            }
        }
        accepted.map_err(|error| open_job(&self.lock_jobs(), queue, token).err().unwrap_or(error))
    }

    /// Gives the copy of a job files of its own. The task names them all, also if this fails.
    fn copy_uploads(&self, token: Token, copy: Token, task: &mut Task) -> Result<(), EngineError> {
        let folder = self.uploads_folder();
        let mut files = Vec::new();
        for upload in task.uploads_mut() {
            let ending = upload.file.strip_prefix(&token.to_string()).unwrap_or_default();
            let file = format!("{copy}{ending}");
            files.push((std::mem::replace(&mut upload.file, file.clone()), file));
        }
        files
            .into_iter()
            .try_for_each(|(from, to)| copy_file(&folder, &folder.join(from), &folder.join(to)))
            .map_err(|source| StoreError::File { what: "cannot copy an upload".to_owned(), source }.into())
    }
}

/// Whether the job of this token is there, or may be at the next start although it could not be written: then it needs its
/// uploads.
pub(super) fn may_be_accepted(accepted: &Result<Token, EngineError>, token: Token) -> bool {
    accepted.as_ref().map_or_else(|error| error.kind() == ErrorKind::Storage, |accepted| *accepted == token)
}

/// What is to be duplicated, if the job has not ended.
fn open_job(jobs: &Jobs, queue: Queue, token: Token) -> Result<JobRecord, EngineError> {
    let entry = jobs.find(queue, token)?;
    if entry.state().is_ended() {
        return Err(EngineError::wrong_state("duplicate", entry.state()));
    }
    Ok(entry.record.as_ref().clone())
}

/// A second name for a file that nobody ever writes to; where the file system has no second names, a copy. Durable.
fn copy_file(folder: &Path, from: &Path, to: &Path) -> io::Result<()> {
    match fs::hard_link(from, to) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(error),
        Err(_) => {
            io::copy(&mut File::open(from)?, &mut File::create(to)?)?;
            sync(to)?;
        }
    }
    sync(folder)
}
