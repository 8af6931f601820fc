//! The actions: what each asks of the engine, and what its answer holds.
//!
//! An action has two steps. *Prepare* reads the parameters and does the work; whatever is wrong shows there, and becomes
//! an ERROR answer. It returns the second step, *write*, which puts the elements into `responsedata`, streaming what is
//! long. So nothing is answered SUCCESS that can still fail, except by the disk in the middle of a long result: then the
//! connection is cut.
//!
//! **Not here.** What is done (`engine`); how a request became parameters and how elements become bytes (beside this
//! folder).

mod clustering;
mod faces;
mod import;
mod queue;
mod server;

pub use clustering::{Page, write_clusters};
pub use server::Facts;

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use jiff::Timestamp;
use jiff::tz::TimeZone;
use tracing::{error, warn};

use super::date;
use super::{
    Answer, Client, Code, Envelope, Fault, Health, Outcome, Parameters, Refused, Reply, Request, ResponseFormat,
    Service,
};
use crate::engine::{Engine, EngineError, ErrorKind};
use crate::job;

/// The second step of an action.
type Write<'a> = Box<dyn FnOnce(&mut Answer<'_>) -> io::Result<()> + 'a>;

/// The first step of an action.
type Prepare = for<'a> fn(&'a Actions, &mut Parameters) -> Result<Write<'a>, Fault>;

/// The actions offered, by name.
const OFFERED: [(&str, Prepare); 14] = [
    ("AddFaceImages", faces::add_images),
    ("CreateFaceDatabase", faces::create_database),
    ("FaceClustering", clustering::face_clustering),
    ("GetPID", server::get_pid),
    ("GetStatus", server::get_status),
    ("GetVersion", server::get_version),
    ("ImportFaceDatabase", import::import_database),
    ("ListFaceDatabases", faces::list_databases),
    ("ListFaces", faces::list_faces),
    ("NewFace", faces::new_face),
    ("QueueInfo", queue::queue_info),
    ("RemoveFace", faces::remove_face),
    ("RemoveFaceDatabase", faces::remove_database),
    ("SyncFaces", faces::sync_faces),
];

/// Actions of the documented family that are not offered (contract R152), or not yet.
const NOT_OFFERED: [&str; 37] = [
    "AddFaceMetadata",
    "Admin",
    "BuildAllFaces",
    "BuildFace",
    "DiskReport",
    "Encrypted",
    "ExportFaceDatabase",
    "FaceDemographics",
    "FaceDetect",
    "FaceRecognize",
    "FaceState",
    "FinetuneFaceDatabase",
    "GetChildren",
    "GetConfig",
    "GetFaceImage",
    "GetIdentityAudit",
    "GetLicenseInfo",
    "GetRequestLog",
    "GetStatistics",
    "GetStatusInfo",
    "Help",
    "MoveFace",
    "MoveFaceImage",
    "NullFaceImageData",
    "Process",
    "RelabelFaceImage",
    "RemoveFaceImages",
    "RemoveFaceMetadata",
    "RenameFace",
    "RenameFaceDatabase",
    "ShowPermissions",
    "Stop",
    "ThreadStatus",
    "TrainFace",
    "UpdateFaceMetadata",
    "UnlockFaces",
    "ListFaceImages",
];

/// Answers requests by an engine.
#[derive(Debug)]
pub struct Actions {
    engine: Arc<Engine>,
    facts: Facts,
    zone: TimeZone,
    /// Requests since the start.
    n_requests: AtomicU64,
}

impl Actions {
    /// The actions of this engine; dates are printed in `zone` (contract R49).
    pub fn new(engine: Arc<Engine>, facts: Facts, zone: TimeZone) -> Self {
        Self { engine, facts, zone, n_requests: AtomicU64::new(0) }
    }

    /// A date of a job, as printed (R48).
    fn date(&self, at: job::Timestamp) -> String {
        date::job_date(Timestamp::from_microsecond(at.0).unwrap_or(Timestamp::UNIX_EPOCH), &self.zone)
    }

    fn prepare(&self, request: Result<Request, Refused>) -> (String, ResponseFormat, Result<Write<'_>, Fault>) {
        let mut request = match request {
            Ok(request) => request,
            Err(Refused { action, format, fault }) => return (action, format, Err(fault)),
        };
        let is_named = |name: &str| name.eq_ignore_ascii_case(&request.action);
        let prepared = match OFFERED.iter().find(|(name, _)| is_named(name)) {
            Some((_, prepare)) => prepare(self, &mut request.parameters),
            None if request.action.is_empty() => Err(Fault::no_action()),
            None if NOT_OFFERED.iter().any(|name| is_named(name)) => {
                Err(Fault::not_offered("action", &request.action, "is not offered by this server"))
            }
            None => Err(Fault::unknown_action(&request.action)),
        };
        (request.action, request.format, prepared)
    }
}

impl Service for Actions {
    /// Loopback has all roles and nobody else has any (contract R160).
    fn admit(&self, client: &Client) -> Result<(), Fault> {
        if client.address.ip().to_canonical().is_loopback() {
            return Ok(());
        }
        Err(Fault::new(Code::NotAuthorised, format!("the address {} has no role here", client.address.ip())))
    }

    fn answer(&self, request: Result<Request, Refused>, _: &Client, reply: &mut dyn Reply) -> io::Result<Outcome> {
        self.n_requests.fetch_add(1, Ordering::Relaxed);
        let (action, format, prepared) = self.prepare(request);
        let envelope = Envelope::new(reply, format);
        match prepared {
            Ok(write) => {
                let mut answer = envelope.begin(&action)?;
                write(&mut answer)?;
                answer.finish()
            }
            Err(fault) => envelope.refuse(&action, &fault, &date::error_time(Timestamp::now(), &self.zone)),
        }
    }

    fn health(&self, client: &Client) -> Health {
        if self.admit(client).is_err() {
            return Health::NotAuthorised;
        }
        match self.engine.store_bytes() {
            Ok(_) if self.engine.is_worked() => Health::Well,
            Ok(_) => Health::Unwell("no worker works the queues".to_owned()),
            Err(error) => Health::Unwell(error.to_string()),
        }
    }
}

/// The code of each kind of failure.
fn code(kind: ErrorKind) -> Code {
    match kind {
        ErrorKind::DatabaseNotFound => Code::DatabaseNotFound,
        ErrorKind::FaceNotFound => Code::FaceNotFound,
        ErrorKind::ImageNotFound => Code::ImageNotFound,
        ErrorKind::DatabaseExists => Code::DatabaseExists,
        ErrorKind::FaceExists => Code::FaceExists,
        ErrorKind::ImageExists => Code::ImageLabelExists,
        ErrorKind::UnknownToken => Code::UnknownToken,
        ErrorKind::State => Code::StateNotPossible,
        ErrorKind::QueueFull => Code::QueueFull,
        ErrorKind::MixedModels => Code::ModelsDiffer,
        ErrorKind::Model => Code::ModelNotUsable,
        ErrorKind::Limit => Code::JobLimit,
        ErrorKind::Crashed => Code::JobCrashes,
        ErrorKind::Content => Code::FileContent,
        ErrorKind::Storage => Code::Storage,
        ErrorKind::Stopping => Code::Stopping,
        ErrorKind::Internal => Code::Internal,
        ErrorKind::PathNotAllowed => Code::PathNotAllowed,
        ErrorKind::FileNotAccessible => Code::FileNotAccessible,
    }
}

/// What the client is told; the cause goes to the log, once, here.
fn fault(failure: &EngineError) -> Fault {
    let cause = std::error::Error::source(failure);
    match failure.kind() {
        ErrorKind::Internal => error!(%failure, cause, "internal error"),
        ErrorKind::Storage => warn!(%failure, cause, "storage failure"),
        _ => {}
    }
    Fault::new(code(failure.kind()), failure.to_string())
}

/// An answer without elements (R35).
fn nothing<'a>() -> Write<'a> {
    Box::new(|_| Ok(()))
}

/// A failure in the middle of an answer that has begun.
fn cut(failure: EngineError) -> io::Error {
    io::Error::other(failure)
}
