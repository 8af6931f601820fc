//! GetVersion, GetStatus, GetPID: about the server itself (contract R150, R151).

use std::net::SocketAddr;
use std::sync::atomic::Ordering;
use std::time::Instant;

use jiff::Timestamp;

use super::{Actions, Write, queue};
use crate::aci::{Fault, Parameters, date};
use crate::job::Queue;

const PRODUCT: &str = "FaceClique";

/// What the server says of itself.
#[derive(Debug, Clone)]
pub struct Facts {
    /// Where the ACI port listens.
    pub listen: SocketAddr,
    /// The configuration file, if there is one.
    pub config: Option<String>,
    /// When it was started.
    pub started: Timestamp,
    /// The same, by a clock that does not jump.
    pub since: Instant,
    /// How many connections are served at a time.
    pub threads: usize,
}

impl Facts {
    /// The facts of a server that starts now.
    pub fn now(listen: SocketAddr, config: Option<String>, threads: usize) -> Self {
        Self { listen, config, started: Timestamp::now(), since: Instant::now(), threads }
    }
}

pub(super) fn get_pid<'a>(_: &'a Actions, parameters: &mut Parameters) -> Result<Write<'a>, Fault> {
    parameters.read(&[], |_| Ok(()))?;
    Ok(Box::new(|answer| answer.value("pid", std::process::id())))
}

pub(super) fn get_version<'a>(actions: &'a Actions, parameters: &mut Parameters) -> Result<Write<'a>, Fault> {
    parameters.read(&[], |_| Ok(()))?;
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

pub(super) fn get_status<'a>(actions: &'a Actions, parameters: &mut Parameters) -> Result<Write<'a>, Fault> {
    parameters.read(&[], |_| Ok(()))?;
    let facts = &actions.facts;
    Ok(Box::new(move |answer| {
        answer.text("product", PRODUCT)?;
        answer.text("version", env!("CARGO_PKG_VERSION"))?;
        answer.text("build", build())?;
        answer.value("aciport", facts.listen.port())?;
        answer.text("directory", &directory())?;
        answer.value("acithreads", facts.threads)?;
        answer.text("cpuinstructionsets", &instruction_sets())?;
        answer.value("uptimeseconds", facts.since.elapsed().as_secs())?;
        answer.open("queues")?;
        for queue in Queue::ALL {
            queue::write_queue(answer, queue, &actions.engine.jobs(queue))?;
        }
        answer.close("queues")
    }))
}

/// The build: what the one who built it set as `FACECLIQUE_BUILD`.
fn build() -> &'static str {
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
