//! The service port: the same server, for those who look after it (contract R153, R154).
//!
//! **Not here.** GetStatus and ShowPermissions of the ACI port (`server`).

use std::fmt;
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::table::{Action, Needs, Way, example};
use super::{Actions, Caller, Port, Prepare, Write, queue, server};
use crate::aci::parameter::required;
use crate::aci::{
    Client, Code, Fault, Form, Health, Outcome, Parameters, Refused, Reply, Request, Role, Service, Traffic,
};
use crate::job::Queue;

/// The rows of the service port.
pub(super) const ACTIONS: &[Action] = &[
    Action {
        name: "BackupServer",
        about: "Writes a backup of everything the server has, as of one moment, while others go on.",
        needs: Needs::Role(Role::ServiceControl),
        way: Way::AtOnce,
        parameters: &[required(
            "path",
            Form::Path,
            "The folder that is to be made, below one of allowed_output_directories.",
        )],
        answer: "backup with path, records, files",
        example: example!("BackupServer", "/action=BackupServer&path=/srv/exports/monday"),
        prepare: Prepare::Elements(backup),
    },
    Action {
        name: "GetConfig",
        about: "Shows every setting with its value and where it is from; secrets are masked.",
        needs: Needs::Role(Role::ServiceControl),
        way: Way::AtOnce,
        parameters: &[],
        answer: "configuration with section: name, setting: name, value, source",
        example: example!("GetConfig", "/action=GetConfig"),
        prepare: Prepare::Elements(get_config),
    },
    Action {
        name: "GetStatistics",
        about: "Counts requests and jobs since the start.",
        needs: Needs::Role(Role::ServiceStatus),
        way: Way::AtOnce,
        parameters: &[],
        answer: "statistics with uptimeseconds, requests, queues with queue: name, paused, pending, running, completed",
        example: example!("GetStatistics", "/action=GetStatistics"),
        prepare: Prepare::Elements(get_statistics),
    },
    Action {
        name: "GetStatus",
        about: "Says that the server runs.",
        needs: Needs::Role(Role::ServiceStatus),
        way: Way::AtOnce,
        parameters: &[],
        answer: "nothing; the names of the answer are in upper case and RESPONSE is Running",
        example: example!("Service-GetStatus", "/action=GetStatus"),
        prepare: Prepare::Elements(get_status),
    },
    Action {
        name: "GetStatusInfo",
        about: "Says what the server is and how it is.",
        needs: Needs::Role(Role::ServiceStatus),
        way: Way::AtOnce,
        parameters: &[],
        answer: "product, version, build, aciport, serviceport, state (ok, or what is wrong), uptimeseconds, starttime",
        example: example!("GetStatusInfo", "/action=GetStatusInfo"),
        prepare: Prepare::Elements(get_status_info),
    },
    Action {
        name: "ShowPermissions",
        about: "Says which roles the client has.",
        needs: Needs::Role(Role::ServiceStatus),
        way: Way::AtOnce,
        parameters: &[],
        answer: "permissions with clientaddress, role: name, granted",
        example: example!("ShowPermissions", "/action=ShowPermissions"),
        prepare: Prepare::Elements(server::show_permissions),
    },
    Action {
        name: "Stop",
        about: "Stops the server cleanly, once this is answered; jobs at work go on at the next start.",
        needs: Needs::Role(Role::ServiceControl),
        way: Way::AtOnce,
        parameters: &[],
        answer: "nothing",
        example: example!("Stop", "/action=Stop"),
        prepare: Prepare::Elements(stop),
    },
];

/// A setting as GetConfig shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setting {
    /// Its section.
    pub section: String,
    /// Its name.
    pub name: String,
    /// Its value; that of a secret is masked already.
    pub value: String,
    /// Where it is from.
    pub source: String,
}

/// What ends the server.
pub(super) struct Stop(pub(super) Box<dyn Fn() + Send + Sync>);

impl fmt::Debug for Stop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Stop")
    }
}

/// Answers requests on the service port.
#[derive(Debug)]
pub struct ServicePort(Arc<Actions>);

impl ServicePort {
    /// The service port beside the ACI port that `actions` answers.
    pub fn new(actions: Arc<Actions>) -> Self {
        Self(actions)
    }
}

impl Service for ServicePort {
    fn admit(&self, client: &Client) -> Result<(), Fault> {
        self.0.admit(client)
    }

    fn answer(&self, request: Result<Request, Refused>, client: &Client, reply: &mut dyn Reply) -> io::Result<Outcome> {
        self.0.answer_on(Port::Service, request, client, reply)
    }

    fn health(&self, client: &Client) -> Health {
        self.0.health(client)
    }

    fn ready(&self, client: &Client) -> Health {
        self.0.ready(client)
    }

    fn metrics(&self, client: &Client, traffic: &Traffic) -> Result<String, Fault> {
        self.0.metrics(client, traffic)
    }
}

/// The row of an action on this port, or why there is none.
pub(super) fn find(name: &str) -> Result<&'static Action, Fault> {
    match ACTIONS.iter().find(|action| action.name.eq_ignore_ascii_case(name)) {
        Some(action) => Ok(action),
        None => match super::offered::find(name) {
            Ok(_) => Err(Fault::not_offered("action", name, "is not offered on the service port")),
            Err(fault) => Err(fault),
        },
    }
}

fn get_config<'a>(actions: &'a Actions, _: &Caller, parameters: &mut Parameters) -> Result<Write<'a>, Fault> {
    parameters.read(|_| Ok(()))?;
    Ok(Box::new(move |answer| {
        answer.open("configuration")?;
        for section in actions.facts.settings.chunk_by(|a, b| a.section == b.section) {
            answer.open("section")?;
            answer.text("name", &section[0].section)?;
            for setting in section {
                answer.open("setting")?;
                answer.text("name", &setting.name)?;
                answer.text("value", &setting.value)?;
                answer.text("source", &setting.source)?;
                answer.close("setting")?;
            }
            answer.close("section")?;
        }
        answer.close("configuration")
    }))
}

fn get_statistics<'a>(actions: &'a Actions, _: &Caller, parameters: &mut Parameters) -> Result<Write<'a>, Fault> {
    parameters.read(|_| Ok(()))?;
    Ok(Box::new(move |answer| {
        answer.open("statistics")?;
        answer.value("uptimeseconds", actions.facts.since.elapsed().as_secs())?;
        answer.value("requests", actions.n_requests.load(Ordering::Relaxed))?;
        answer.open("queues")?;
        for queue in Queue::ALL {
            queue::write_queue(actions, answer, queue)?;
        }
        answer.close("queues")?;
        answer.close("statistics")
    }))
}

/// GetStatus as the service port says it; its frame is the dispatcher's (R154).
fn get_status<'a>(_: &'a Actions, _: &Caller, parameters: &mut Parameters) -> Result<Write<'a>, Fault> {
    parameters.read(|_| Ok(()))?;
    Ok(super::nothing())
}

fn get_status_info<'a>(actions: &'a Actions, _: &Caller, parameters: &mut Parameters) -> Result<Write<'a>, Fault> {
    parameters.read(|_| Ok(()))?;
    let facts = &actions.facts;
    Ok(Box::new(move |answer| {
        answer.text("product", server::PRODUCT)?;
        answer.text("version", env!("CARGO_PKG_VERSION"))?;
        answer.text("build", server::build())?;
        answer.value("aciport", facts.listen.port())?;
        answer.value("serviceport", facts.service.map_or(0, |address| address.port()))?;
        let state = match actions.wellness() {
            Health::Well => "ok".to_owned(),
            Health::Alarmed(line) | Health::Unwell(line) => line,
            Health::NotAuthorised => unreachable!("wellness asks for no role"),
        };
        answer.text("state", &state)?;
        answer.value("uptimeseconds", facts.since.elapsed().as_secs())?;
        answer.text("starttime", &crate::aci::date::job_date(facts.started, &actions.zone))
    }))
}

fn backup<'a>(actions: &'a Actions, _: &Caller, parameters: &mut Parameters) -> Result<Write<'a>, Fault> {
    let path = parameters.read(|p| Ok(p.required_text("path")?.to_owned()))?;
    let manifest = actions.engine.backup_for_client(&path).map_err(|error| super::fault(&error))?;
    tracing::info!(path, records = manifest.n_records, files = manifest.n_files, "a backup is written");
    Ok(Box::new(move |answer| {
        answer.open("backup")?;
        answer.text("path", &path)?;
        answer.value("records", manifest.n_records)?;
        answer.value("files", manifest.n_files)?;
        answer.close("backup")
    }))
}

fn stop<'a>(actions: &'a Actions, _: &Caller, parameters: &mut Parameters) -> Result<Write<'a>, Fault> {
    parameters.read(|_| Ok(()))?;
    let Some(Stop(stop)) = &actions.stop else {
        return Err(Fault::new(Code::NotOffered, "'action=Stop' is not offered: whoever embeds this server stops it"));
    };
    Ok(Box::new(move |_| {
        tracing::info!("a client on the service port stops the server");
        stop(); // requests in flight, this one included, are answered first
        Ok(())
    }))
}
