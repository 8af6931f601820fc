//! The desk: what somebody who looks through databases, jobs and results is told, as values and not as a document.
//!
//! **Promises.** It only reads. A [`Desk`] is given to nobody without the role Query, and shows pictures to nobody
//! without Admin, as the actions do (contract R160).
//!
//! **Not here.** How it looks (`http`). Changes: whoever makes one asks for the action, like every other client.

mod compare;
mod moves;
mod other;
mod read;
mod sheet;

pub use compare::{Change, Difference, Fate};
use moves::Moves;
pub use other::Obeyed;
pub use sheet::{Cluster, Fit, Order, Sheet, Show};

use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{Actions, address, fault};
use crate::aci::access::Roles;
use crate::aci::{Client, Code, Fault, Role};
pub use crate::cluster::Agreement;
pub use crate::engine::DatabaseFigures;
use crate::engine::{ClusterTask, Engine, EngineError, ErrorKind, JobResult, JobView, Task};
use crate::face::FaceId;
use crate::job::{Queue, Timestamp, Token};

/// So many results are held, those asked for last.
const HELD: usize = 2;

/// Of ended jobs the last so many are watched, and at most so many jobs altogether.
const LAST: usize = 100;
const MOST_LIVE: usize = 1_000;

/// The results that were looked at last.
#[derive(Debug, Default)]
pub(super) struct Sheets {
    held: Mutex<Vec<Arc<Sheet>>>,
    /// Held while one is read, so that nobody reads the same meanwhile.
    reading: Mutex<()>,
    /// What was refiled since the job of a result, up to a change.
    moves: Mutex<Option<(Token, u64, Arc<Moves>)>>,
}

impl Sheets {
    fn held(&self) -> MutexGuard<'_, Vec<Arc<Sheet>>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// That of this job, which is then the one asked for last.
    fn find(&self, token: Token) -> Option<Arc<Sheet>> {
        let mut held = self.held();
        let at = held.iter().position(|sheet| sheet.token == token)?;
        let sheet = held.remove(at);
        held.push(Arc::clone(&sheet));
        Some(sheet)
    }

    fn keep(&self, sheet: &Arc<Sheet>) {
        let mut held = self.held();
        let n_over = (held.len() + 1).saturating_sub(HELD);
        held.drain(..n_over);
        held.push(Arc::clone(sheet));
    }
}

/// What is shown to one client.
#[derive(Debug)]
pub struct Desk<'a> {
    actions: &'a Actions,
    roles: Roles,
}

/// A clustering job.
#[derive(Debug, Clone, PartialEq)]
pub struct Job {
    /// Its token.
    pub token: String,
    /// The status word (contract R71).
    pub status: &'static str,
    /// Whether nothing can happen to it any more.
    pub has_ended: bool,
    /// The database; none means all.
    pub database: Option<String>,
    /// In hundredths.
    pub cluster_threshold: u16,
    /// In hundredths.
    pub output_threshold: u16,
    /// The most matches that are kept of each image, if there is a limit.
    pub max_results: Option<u64>,
    /// What the client asked for, names in lower case.
    pub parameters: Vec<(String, String)>,
    /// When it was accepted, started and ended, as printed.
    pub times: [Option<String>; 3],
    /// Seconds it has been, or was, at work.
    pub seconds: Option<u64>,
    /// How far it is.
    pub percent: f64,
    /// What it is doing.
    pub stage: Option<&'static str>,
    /// Seconds it is expected to need.
    pub remaining: Option<u64>,
    /// Images and clusters of its result.
    pub outcome: Option<(u64, u64)>,
    /// Why it ended in Error.
    pub error: Option<String>,
}

/// Why a picture is not shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotShown {
    /// There is none, or none that can be shown.
    None,
    /// The client may not see it.
    NotAuthorised,
}

impl Actions {
    /// What is shown to this client; error 30 if it may not look.
    pub(super) fn desk_for(&self, client: &Client) -> Result<Desk<'_>, Fault> {
        let roles = self.roles(client);
        if roles.contains(Role::Query) {
            return Ok(Desk { actions: self, roles });
        }
        let text =
            format!("the review page needs the role {}, which the address {} lacks", Role::Query, address(client));
        Err(Fault::new(Code::NotAuthorised, text))
    }
}

impl Desk<'_> {
    /// Whether the client may change anything.
    pub fn may_change(&self) -> bool {
        self.roles.contains(Role::Admin)
    }

    /// The databases, in name order.
    pub fn databases(&self) -> Result<Vec<DatabaseFigures>, Fault> {
        self.actions.engine.database_figures().map_err(|error| fault(&error))
    }

    /// How many clustering jobs are kept, and these of them, the last accepted first.
    pub fn jobs(&self, shown: impl FnOnce(usize) -> Range<usize>) -> (usize, Vec<Job>) {
        let jobs = self.actions.engine.jobs(Queue::FaceClustering);
        let shown = shown(jobs.len());
        let list = jobs.iter().rev().skip(shown.start).take(shown.len()).map(|job| self.job_of(job)).collect();
        (jobs.len(), list)
    }

    /// Those that somebody may be watching: that have not ended, or are among the last.
    pub fn live_jobs(&self) -> Vec<Job> {
        let jobs = self.actions.engine.jobs(Queue::FaceClustering);
        let is_watched = |&(at, job): &(usize, &JobView)| at < LAST || !job.state.is_ended();
        jobs.iter().rev().enumerate().filter(is_watched).take(MOST_LIVE).map(|(_, job)| self.job_of(job)).collect()
    }

    /// One of them.
    pub fn job(&self, token: &str) -> Result<Job, Fault> {
        self.view(token).map(|job| self.job_of(&job))
    }

    fn view(&self, token: &str) -> Result<JobView, Fault> {
        let found = Token::parse(token).and_then(|token| self.actions.engine.job(Queue::FaceClustering, token));
        found.ok_or_else(|| Fault::token_not_known(token, Queue::FaceClustering.name()))
    }

    fn job_of(&self, job: &JobView) -> Job {
        let date = |at: Timestamp| self.actions.date(at);
        let task = match job.task() {
            Task::Cluster(task) => task.clone(),
            _ => ClusterTask::default(),
        };
        let end = job.ended.unwrap_or(job.now);
        Job {
            token: job.token.to_string(),
            status: job.state.word(),
            has_ended: job.state.is_ended(),
            database: task.database,
            cluster_threshold: task.cluster_threshold,
            output_threshold: task.output_threshold,
            max_results: task.max_results,
            parameters: job.parameters().to_vec(),
            times: [Some(date(job.queued)), job.started.map(date), job.ended.map(date)],
            seconds: job.started.map(|started| (end.seconds() - started.seconds()).max(0).unsigned_abs()),
            percent: job.progress.percent,
            stage: job.progress.stage.map(|(stage, _)| stage.name()),
            remaining: job.progress.remaining.map(|left| left.as_secs_f64().ceil() as u64),
            outcome: match job.result() {
                Some(JobResult::Clustering(outcome)) => Some((outcome.n_faces, outcome.n_clusters)),
                _ => None,
            },
            error: match job.result() {
                Some(JobResult::Fault { text, .. }) => Some(text.clone()),
                _ => None,
            },
        }
    }

    /// The result of a finished job. It is held for a while, so that looking through it is fast.
    pub fn sheet(&self, token: &str) -> Result<Arc<Sheet>, Fault> {
        let job = self.view(token)?;
        let sheets = &self.actions.sheets;
        if let Some(sheet) = sheets.find(job.token) {
            return Ok(sheet);
        }
        let _alone = sheets.reading.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(sheet) = sheets.find(job.token) {
            return Ok(sheet);
        }
        let (Some(JobResult::Clustering(outcome)), Task::Cluster(task)) = (job.result(), job.task()) else {
            let text = format!("the job {token} has no result: it is {}", job.state.word());
            return Err(Fault::new(Code::StateNotPossible, text));
        };
        let sheet = Sheet::read(&self.actions.engine, job.token, task, outcome).map_err(|error| fault(&error))?;
        let sheet = Arc::new(sheet);
        sheets.keep(&sheet);
        Ok(sheet)
    }

    /// The finished job before this one over the same database.
    pub fn job_before(&self, token: &str) -> Option<Job> {
        let token = Token::parse(token)?;
        let jobs = self.actions.engine.jobs(Queue::FaceClustering);
        let at = jobs.iter().position(|job| job.token == token)?;
        let database = |job: &JobView| match job.task() {
            Task::Cluster(task) => task.database.clone(),
            _ => None,
        };
        let wanted = database(&jobs[at]);
        let is_like =
            |job: &&JobView| matches!(job.result(), Some(JobResult::Clustering(_))) && database(job) == wanted;
        jobs[..at].iter().rev().find(is_like).map(|job| self.job_of(job))
    }

    /// What is different in a later result from an earlier one.
    pub fn difference(&self, earlier: &Sheet, later: &Sheet) -> Result<Difference, Fault> {
        let moves = Moves::between(&self.actions.engine, self.began(earlier), self.began(later));
        Ok(Difference::between(earlier, later, &moves.map_err(|error| fault(&error))?))
    }

    /// What was refiled since a result took its images; read once, for all pictures of a page.
    fn moves_since(&self, sheet: &Sheet) -> Result<Arc<Moves>, EngineError> {
        let engine = &self.actions.engine;
        let newest = engine.list_changes(None, u64::MAX, 1)?.first().map_or(0, |change| change.id);
        let mut held = self.actions.sheets.moves.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((token, up_to, moves)) = &*held
            && (*token, *up_to) == (sheet.token, newest)
        {
            return Ok(Arc::clone(moves));
        }
        let moves = Arc::new(Moves::between(engine, self.began(sheet), Timestamp(i64::MAX))?);
        *held = Some((sheet.token, newest, Arc::clone(&moves)));
        Ok(moves)
    }

    /// The number of the last change that was made before a result took its images, 0 if there is none.
    pub fn last_change_before(&self, sheet: &Sheet) -> Result<u64, Fault> {
        Moves::last_before(&self.actions.engine, self.began(sheet)).map_err(|error| fault(&error))
    }

    /// When the job of a result took its images.
    fn began(&self, sheet: &Sheet) -> Timestamp {
        let job = self.actions.engine.job(Queue::FaceClustering, sheet.token);
        job.map_or(Timestamp(i64::MAX), |job| job.started.unwrap_or(job.queued))
    }

    /// A JPEG of an image's face: cut out if that is known where it is, else the whole picture, small. An image that was
    /// refiled since then is found where it is now.
    pub fn picture(&self, sheet: &Sheet, face: u32) -> Result<Vec<u8>, NotShown> {
        if !self.may_change() {
            return Err(NotShown::NotAuthorised);
        }
        let (engine, name) = (&self.actions.engine, &sheet.names[face as usize]);
        let is_gone = |error: &EngineError| matches!(error.kind(), ErrorKind::ImageNotFound | ErrorKind::FaceNotFound);
        let shown = small(engine, name).or_else(|error| {
            let moves = if is_gone(&error) { self.moves_since(sheet).ok() } else { None };
            moves.as_ref().and_then(|moves| moves.now(name)).map_or(Err(error), |now| small(engine, now))
        });
        shown.map_err(|error| {
            if !is_gone(&error) && !matches!(error.kind(), ErrorKind::NoPicture) {
                tracing::debug!(%error, "a picture is not shown");
            }
            NotShown::None
        })
    }
}

#[cfg(feature = "vision")]
fn small(engine: &Engine, FaceId { database, identifier, label }: &FaceId) -> Result<Vec<u8>, EngineError> {
    let cut = engine.face_crop(database, identifier, label);
    cut.or_else(|_| engine.thumbnail(database, identifier, label))
}

#[cfg(not(feature = "vision"))]
fn small(_: &Engine, face: &FaceId) -> Result<Vec<u8>, EngineError> {
    let text = format!("the picture of {face} is not shown by a program without the feature vision");
    Err(EngineError::new(ErrorKind::NoPicture, text))
}
