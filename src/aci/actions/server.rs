//! About the server itself (contract R150, R151).

use std::net::SocketAddr;
use std::sync::atomic::Ordering;
use std::time::Instant;

use jiff::Timestamp;

use super::table::{Action, Needs, Way, example};
use super::{Actions, Caller, Prepare, Setting, Write, help, offered, queue};
use crate::aci::parameter::optional;
use crate::aci::{Fault, Form, Parameters, Role, date};
use crate::job::Queue;

pub(super) const PRODUCT: &str = "FaceClique";

/// What the server says of itself.
#[derive(Debug, Clone)]
pub struct Facts {
    /// Where the ACI port listens.
    pub listen: SocketAddr,
    /// Where the service port listens, if it does.
    pub service: Option<SocketAddr>,
    /// The configuration file, if there is one.
    pub config: Option<String>,
    /// Every setting, as GetConfig shows it.
    pub settings: Vec<Setting>,
    /// When it was started.
    pub started: Timestamp,
    /// The same, by a clock that does not jump.
    pub since: Instant,
    /// How many requests are answered at a time.
    pub threads: usize,
    /// How often the store was opened again after it had failed.
    pub n_reopened: u64,
}

impl Facts {
    /// The facts of a server that starts now.
    pub fn now(listen: SocketAddr, config: Option<String>, threads: usize) -> Self {
        Self {
            listen,
            service: None,
            config,
            settings: Vec::new(),
            started: Timestamp::now(),
            since: Instant::now(),
            threads,
            n_reopened: 0,
        }
    }
}

/// The rows of this family.
pub(super) const ACTIONS: &[Action] = &[
    Action {
        name: "GetChildren",
        about: "Names the servers behind this one: none.",
        needs: Needs::Role(Role::Query),
        way: Way::AtOnce,
        parameters: &[],
        answer: "autn:name, autn:host, autn:port, autn:serviceport, autn:serviceport_ssl_enabled, autn:children with autn:num_children",
        example: example!("GetChildren", "/action=GetChildren"),
        prepare: Prepare::Elements(get_children),
    },
    Action {
        name: "GetLicenseInfo",
        about: "Names the offered actions, all of which may be used.",
        needs: Needs::Role(Role::Query),
        way: Way::AtOnce,
        parameters: &[],
        answer: "autn:license with autn:validlicense; autn:actions with autn:section: autn:name, autn:action: autn:name, autn:licensed",
        example: example!("GetLicenseInfo", "/action=GetLicenseInfo"),
        prepare: Prepare::Elements(get_license_info),
    },
    Action {
        name: "GetPID",
        about: "Says the number of the server's process.",
        needs: Needs::Role(Role::Query),
        way: Way::AtOnce,
        parameters: &[],
        answer: "pid",
        example: example!("GetPID", "/action=GetPID"),
        prepare: Prepare::Elements(get_pid),
    },
    Action {
        name: "GetStatus",
        about: "Says how the server is and how long its queues are.",
        needs: Needs::Role(Role::Query),
        way: Way::AtOnce,
        parameters: &[],
        answer: "product, version, build, aciport, serviceport, directory, acithreads, cpuinstructionsets, uptimeseconds, queues with queue: name, paused, pending, running, completed",
        example: example!("GetStatus", "/action=GetStatus"),
        prepare: Prepare::Elements(get_status),
    },
    Action {
        name: "GetVersion",
        about: "Says what the server is.",
        needs: Needs::Role(Role::Query),
        way: Way::AtOnce,
        parameters: &[],
        answer: "autn:version, autn:aciversion, autn:productname, autn:commonname, autn:producttypecsv, autn:productUID, autn:build, autn:wordsize, autn:operatingsystem, autn:compiler, autn:directory, autn:configpath, autn:servertime, autn:performance, autn:uptime",
        example: example!("GetVersion", "/action=GetVersion"),
        prepare: Prepare::Elements(get_version),
    },
    Action {
        name: "Help",
        about: "Lists the actions, or explains one.",
        needs: Needs::Role(Role::Query),
        way: Way::AtOnce,
        parameters: &[optional("helpaction", Form::Text, "all", "The action to explain.")],
        answer: "actions with action: name, about; of one action: name, about, needs, (queue), parameters with parameter: name, form, need, about; answer, example",
        example: example!("Help", "/action=Help&helpaction=NewFace"),
        prepare: Prepare::Elements(help::help),
    },
    Action {
        name: "ShowPermissions",
        about: "Says which roles the client has.",
        needs: Needs::Role(Role::Query),
        way: Way::AtOnce,
        parameters: &[],
        answer: "permissions with clientaddress, role: name, granted",
        example: example!("ShowPermissions", "/action=ShowPermissions"),
        prepare: Prepare::Elements(show_permissions),
    },
];

fn get_pid<'a>(_: &'a Actions, _: &Caller, parameters: &mut Parameters) -> Result<Write<'a>, Fault> {
    parameters.read(|_| Ok(()))?;
    Ok(Box::new(|answer| answer.value("pid", std::process::id())))
}

fn get_version<'a>(actions: &'a Actions, _: &Caller, parameters: &mut Parameters) -> Result<Write<'a>, Fault> {
    parameters.read(|_| Ok(()))?;
    let facts = &actions.facts;
    Ok(Box::new(move |answer| {
        let now = Timestamp::now();
        let uptime = facts.since.elapsed().as_secs();
        answer.text("autn:version", env!("CARGO_PKG_VERSION"))?;
        answer.text("autn:aciversion", "1.0")?;
        answer.text("autn:productname", PRODUCT)?;
        answer.text("autn:commonname", PRODUCT)?;
        answer.text("autn:producttypecsv", "FACECLIQUE")?;
        answer.text("autn:productUID", "FACECLIQUE")?;
        answer.text("autn:build", build())?;
        answer.value("autn:wordsize", usize::BITS)?;
        answer.text("autn:operatingsystem", std::env::consts::OS)?;
        answer.text("autn:compiler", "rustc")?;
        answer.text("autn:directory", &directory())?;
        answer.text("autn:configpath", facts.config.as_deref().unwrap_or_default())?;
        answer.open("autn:servertime")?;
        answer.value("autn:epoch", now.as_second())?;
        answer.text("autn:string", &date::job_date(now, &actions.zone))?;
        answer.close("autn:servertime")?;
        answer.open("autn:performance")?;
        answer.open("autn:qps")?;
        let (queries, period) = (actions.n_requests.load(Ordering::Relaxed), uptime.max(1));
        answer.value("autn:qps", format_args!("{:.3}", queries as f64 / period as f64))?;
        answer.value("autn:queries", queries)?;
        answer.value("autn:period", period)?;
        answer.close("autn:qps")?;
        answer.close("autn:performance")?;
        answer.open("autn:uptime")?;
        answer.text("autn:uptime", &spoken(uptime))?;
        answer.value("autn:seconds", uptime)?;
        answer.text("autn:starttime", &date::job_date(facts.started, &actions.zone))?;
        answer.close("autn:uptime")
    }))
}

fn get_status<'a>(actions: &'a Actions, _: &Caller, parameters: &mut Parameters) -> Result<Write<'a>, Fault> {
    parameters.read(|_| Ok(()))?;
    let facts = &actions.facts;
    Ok(Box::new(move |answer| {
        answer.text("product", PRODUCT)?;
        answer.text("version", env!("CARGO_PKG_VERSION"))?;
        answer.text("build", build())?;
        answer.value("aciport", facts.listen.port())?;
        answer.value("serviceport", facts.service.map_or(0, |address| address.port()))?;
        answer.text("directory", &directory())?;
        answer.value("acithreads", facts.threads)?;
        answer.text("cpuinstructionsets", &instruction_sets())?;
        answer.value("uptimeseconds", facts.since.elapsed().as_secs())?;
        answer.open("queues")?;
        for queue in Queue::ALL {
            queue::write_queue(actions, answer, queue)?;
        }
        answer.close("queues")
    }))
}

fn get_license_info<'a>(_: &'a Actions, _: &Caller, parameters: &mut Parameters) -> Result<Write<'a>, Fault> {
    parameters.read(|_| Ok(()))?;
    Ok(Box::new(|answer| {
        answer.open("autn:license")?;
        answer.text("autn:validlicense", "true")?;
        answer.close("autn:license")?;
        answer.open("autn:actions")?;
        answer.open("autn:section")?;
        answer.text("autn:name", PRODUCT)?;
        for action in offered() {
            answer.open("autn:action")?;
            answer.text("autn:name", action.name)?;
            answer.text("autn:licensed", "true")?;
            answer.close("autn:action")?;
        }
        answer.close("autn:section")?;
        answer.close("autn:actions")
    }))
}

fn get_children<'a>(actions: &'a Actions, _: &Caller, parameters: &mut Parameters) -> Result<Write<'a>, Fault> {
    parameters.read(|_| Ok(()))?;
    let facts = &actions.facts;
    Ok(Box::new(move |answer| {
        answer.text("autn:name", PRODUCT)?;
        answer.value("autn:host", facts.listen.ip())?;
        answer.value("autn:port", facts.listen.port())?;
        answer.value("autn:serviceport", facts.service.map_or(0, |address| address.port()))?;
        answer.text("autn:serviceport_ssl_enabled", "false")?;
        answer.open("autn:children")?;
        answer.text("autn:num_children", "0")?;
        answer.close("autn:children")
    }))
}

pub(super) fn show_permissions<'a>(
    _: &'a Actions,
    caller: &Caller,
    parameters: &mut Parameters,
) -> Result<Write<'a>, Fault> {
    parameters.read(|_| Ok(()))?;
    let (address, granted) = (caller.address, Role::ALL.map(|role| (role, caller.has(role))));
    Ok(Box::new(move |answer| {
        answer.open("permissions")?;
        answer.value("clientaddress", address)?;
        for (role, is_granted) in granted {
            answer.open("role")?;
            answer.value("name", role)?;
            answer.value("granted", is_granted)?;
            answer.close("role")?;
        }
        answer.close("permissions")
    }))
}

/// The build: what the one who built it set as `FACECLIQUE_BUILD`.
pub(super) fn build() -> &'static str {
    option_env!("FACECLIQUE_BUILD").unwrap_or("0")
}

/// The folder of the program.
fn directory() -> String {
    let program = std::env::current_exe().ok();
    program.as_deref().and_then(std::path::Path::parent).map(|folder| folder.display().to_string()).unwrap_or_default()
}

/// What of the processor is used or could be.
fn instruction_sets() -> String {
    #[cfg(target_arch = "x86_64")]
    let sets = [
        ("SSE2", true),
        ("AVX", std::arch::is_x86_feature_detected!("avx")),
        ("FMA", std::arch::is_x86_feature_detected!("fma")),
        ("AVX2", std::arch::is_x86_feature_detected!("avx2")),
        ("AVX512F", std::arch::is_x86_feature_detected!("avx512f")),
    ];
    #[cfg(not(target_arch = "x86_64"))]
    let sets = [(std::env::consts::ARCH, true)];
    let there: Vec<&str> = sets.into_iter().filter(|&(_, is_there)| is_there).map(|(name, _)| name).collect();
    there.join(",")
}

/// A duration in words: `1 day 2 hours 3 minutes 4 seconds`.
fn spoken(seconds: u64) -> String {
    let parts = [
        (seconds / 86_400, "day"),
        (seconds / 3_600 % 24, "hour"),
        (seconds / 60 % 60, "minute"),
        (seconds % 60, "second"),
    ];
    let begin = parts.iter().position(|&(n, _)| n > 0).unwrap_or(parts.len() - 1);
    let words = parts[begin..].iter().map(|&(n, unit)| format!("{n} {unit}{}", if n == 1 { "" } else { "s" }));
    words.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_uptime_is_said_in_words() {
        assert_eq!(spoken(0), "0 seconds");
        assert_eq!(spoken(61), "1 minute 1 second");
        assert_eq!(spoken(90_000), "1 day 1 hour 0 minutes 0 seconds");
    }
}
