//! Which actions there are, on which port, and which are known and not offered.

use super::{Action, Fault};
use super::{
    audit, changes, clustering, databases, decisions, export, faces, images, import, metadata, queue, server,
    service_port, training,
};

/// The rows of the ACI port, family by family.
const FAMILIES: [&[Action]; 13] = [
    databases::ACTIONS,
    faces::ACTIONS,
    metadata::ACTIONS,
    images::ACTIONS,
    decisions::ACTIONS,
    changes::ACTIONS,
    training::ACTIONS,
    clustering::ACTIONS,
    audit::ACTIONS,
    import::ACTIONS,
    export::ACTIONS,
    queue::ACTIONS,
    server::ACTIONS,
];

/// Every action that is offered on the ACI port.
pub fn offered() -> impl Iterator<Item = &'static Action> {
    FAMILIES.into_iter().flatten()
}

/// Every action that is offered on the service port.
pub fn offered_on_service_port() -> impl Iterator<Item = &'static Action> {
    service_port::ACTIONS.iter()
}

/// Actions of the documented family that are not offered (contract R152), or not yet.
const NOT_OFFERED: [&str; 14] = [
    "Admin",
    "DiskReport",
    "Encrypted",
    "FaceDemographics",
    "FaceDetect",
    "FaceRecognize",
    "FaceState",
    "FinetuneFaceDatabase",
    "GetRequestLog",
    "ListFaceImages",
    "Process",
    "ThreadStatus",
    "UnlockFaces",
    "Video",
];

/// Where a request came in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Port {
    Aci,
    Service,
}

impl Port {
    /// The row of an action on this port, or why there is none.
    pub(super) fn find(self, name: &str) -> Result<&'static Action, Fault> {
        match self {
            Self::Aci => find(name),
            Self::Service => service_port::find(name),
        }
    }
}

/// The row of an action of the ACI port.
pub(super) fn find(name: &str) -> Result<&'static Action, Fault> {
    let is_named = |known: &str| known.eq_ignore_ascii_case(name);
    match offered().find(|action| is_named(action.name)) {
        Some(action) => Ok(action),
        None if name.is_empty() => Err(Fault::no_action()),
        None if service_port::ACTIONS.iter().any(|action| is_named(action.name)) => {
            Err(Fault::not_offered("action", name, "is offered on the service port only"))
        }
        None if NOT_OFFERED.iter().any(|known| is_named(known)) => {
            Err(Fault::not_offered("action", name, "is not offered by this server"))
        }
        None => Err(Fault::unknown_action(name)),
    }
}
