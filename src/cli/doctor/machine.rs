//! The machine and what is configured of it: files of TLS and models, limits, memory, processor, ports, clock.

use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::{Finding, size};
use crate::config::{Config, TlsFiles};
use crate::http;
use crate::job::Queue;

/// Since 1970 to 2026-01-01, UTC, before which the program was not written.
const NOT_BEFORE: Duration = Duration::from_hours(20_454 * 24);

/// A century later something is wrong as well.
const NOT_AFTER: Duration = Duration::from_hours((20_454 + 100 * 365) * 24);

/// The model pack, if one is configured; its files are checked and its models are tried.
pub(super) fn pack(config: &Config) -> Option<Finding> {
    const CHECK: &str = "model pack";
    let folder = config.pack.as_ref()?;
    Some(match config.trainer() {
        Ok(Some(trainer)) => {
            Finding::ok(CHECK, format!("{} in {}, checked and tried", trainer.model().name, folder.display()))
        }
        Ok(None) => Finding::ok(CHECK, "none"),
        Err(why) => Finding::fail(CHECK, why, "install it anew: `faceclique models add`"),
    })
}

/// The files of TLS, if it is configured. When certificates end is not looked at.
pub(super) fn tls(config: &Config) -> Option<Finding> {
    let files @ TlsFiles { certificate, .. } = config.tls.as_ref()?;
    Some(match files.read() {
        Ok(_) => Finding::ok("TLS", format!("certificate and key fit: {}", certificate.display())),
        Err(error) => Finding::fail("TLS", error.to_string(), "see server.tls_certificate and server.tls_key"),
    })
}

/// The limit of open files that the server can raise its own to.
pub(super) fn open_files(config: &Config) -> Finding {
    const CHECK: &str = "open files";
    let needed = http::files_needed(&config.http);
    let limits = fs::read_to_string("/proc/self/limits").unwrap_or_default();
    let hard = limits.lines().find_map(|line| line.strip_prefix("Max open files")?.split_whitespace().nth(1));
    match hard {
        None => Finding::warn(CHECK, "the limit is not known", ""),
        Some(hard) => match hard.parse::<u64>() {
            Ok(hard) if hard < needed => Finding::warn(
                CHECK,
                format!("{hard} allowed, {needed} needed by max_connections = {}", config.http.max_connections),
                "raise the limit (LimitNOFILE of the unit, ulimit -Hn) or lower server.max_connections",
            ),
            _ => Finding::ok(CHECK, format!("{hard} allowed, {needed} needed")), // or "unlimited"
        },
    }
}

/// What clusterings may take beside what there is.
pub(super) fn memory(config: &Config) -> Finding {
    const CHECK: &str = "memory";
    let n_jobs = config.engine.max_jobs_of(Queue::FaceClustering) as u64;
    let wanted = config.engine.memory.saturating_mul(n_jobs).saturating_add(config.engine.cache);
    let Some(total) = meminfo("MemTotal") else { return Finding::warn(CHECK, "not known", "") };
    let allowed = limit_of_group().map_or(total, |limit| limit.min(total));
    let available = meminfo("MemAvailable").unwrap_or(allowed).min(allowed);
    let found = format!(
        "clusterings may take {} ({n_jobs} at a time), {} of {} are available",
        size(wanted),
        size(available),
        size(allowed)
    );
    let advice = "lower jobs.max_job_memory: with less a job takes longer and gives the same result";
    if wanted > allowed {
        Finding::fail(CHECK, found, advice)
    } else if wanted > available {
        Finding::warn(CHECK, found, advice)
    } else {
        Finding::ok(CHECK, found)
    }
}

fn meminfo(name: &str) -> Option<u64> {
    let text = fs::read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
    Some(line.split_whitespace().next()?.parse::<u64>().ok()? << 10)
}

/// What the control group of this process is given, if it has a limit: of a container, or of a unit with `MemoryMax`.
fn limit_of_group() -> Option<u64> {
    let group = fs::read_to_string("/proc/self/cgroup").ok()?;
    let path = group.lines().find_map(|line| line.strip_prefix("0::"))?;
    let file = Path::new("/sys/fs/cgroup").join(path.trim_start_matches('/')).join("memory.max");
    fs::read_to_string(file).ok()?.trim().parse().ok()
}

/// Which arithmetic the processor allows.
pub(super) fn processor() -> Finding {
    const CHECK: &str = "processor";
    #[cfg(target_arch = "x86_64")]
    let (avx512, avx2) = (
        std::arch::is_x86_feature_detected!("avx512f") && std::arch::is_x86_feature_detected!("avx512vnni"),
        std::arch::is_x86_feature_detected!("avx2"),
    );
    #[cfg(not(target_arch = "x86_64"))]
    let (avx512, avx2) = (false, false);
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    if avx512 {
        Finding::ok(CHECK, format!("{threads} threads, AVX-512 with VNNI"))
    } else if avx2 {
        Finding::ok(CHECK, format!("{threads} threads, AVX2"))
    } else if cfg!(target_arch = "x86_64") {
        let advice = "the results are the same; a virtual machine may hide AVX2 (its CPU model should be the host's)";
        Finding::warn(CHECK, format!("{threads} threads without AVX2: comparing takes several times as long"), advice)
    } else {
        Finding::ok(CHECK, format!("{threads} threads, {}", std::env::consts::ARCH))
    }
}

/// Whether the ports are free, unless a server that has this data directory has them.
pub(super) fn ports(config: &Config, is_running: bool) -> Vec<Finding> {
    let addresses = [("ACI port", Some(config.listen)), ("service port", config.service_listen)];
    let one = |(check, address): (&'static str, Option<SocketAddr>)| {
        let address = address?;
        Some(match TcpListener::bind(address) {
            Ok(_) => Finding::ok(check, format!("{address} is free")),
            Err(error) if is_running && error.kind() == std::io::ErrorKind::AddrInUse => {
                Finding::ok(check, format!("{address}, in use, as a server is running"))
            }
            Err(error) => {
                Finding::fail(check, format!("{address}: {error}"), "stop who has it, or say another in [server]")
            }
        })
    };
    addresses.into_iter().filter_map(one).collect()
}

/// Whether the clock can be right: the times of jobs that are shown are its.
pub(super) fn clock(data: &Path) -> Finding {
    const CHECK: &str = "clock";
    const ADVICE: &str = "set the clock (timedatectl): the times of jobs that are shown are its";
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    if !(NOT_BEFORE..NOT_AFTER).contains(&now) {
        return Finding::warn(CHECK, format!("{} seconds since 1970 cannot be right", now.as_secs()), ADVICE);
    }
    let last = fs::metadata(data.join("lock")).and_then(|about| about.modified()).ok();
    let ahead = last.and_then(|last| last.duration_since(SystemTime::now()).ok());
    match ahead {
        Some(ahead) if ahead > Duration::from_mins(1) => {
            Finding::warn(CHECK, format!("{} s before the last start of a server", ahead.as_secs()), ADVICE)
        }
        _ => Finding::ok(CHECK, "plausible"),
    }
}
