//! The data directory: whose it is, whether a server has it, and whether its store opens.

use std::fs::{self, File, TryLockError};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use super::super::client::Client;
use super::{Finding, size};
use crate::config::Config;
use crate::engine;

/// Who has the directory, if somebody has: what stands in its lock.
pub(super) fn holder(data: &Path) -> Option<String> {
    let path = data.join("lock");
    let lock = File::open(&path).ok()?;
    match lock.try_lock_shared() {
        Err(TryLockError::WouldBlock) => Some(
            fs::read_to_string(path).ok().filter(|text| !text.is_empty()).unwrap_or_else(|| "a process".to_owned()),
        ),
        _ => None,
    }
}

/// The folder itself: there or to be made, ours, and nobody else's to change.
pub(super) fn folder(data: &Path) -> Finding {
    const CHECK: &str = "data directory";
    let there = nearest(data);
    let shown = data.display();
    let probe = match tempfile::tempfile_in(there) {
        Ok(probe) => probe,
        Err(error) => {
            let advice = format!("let the server's user write in {}", there.display());
            return Finding::fail(CHECK, format!("{}: {error}", there.display()), advice);
        }
    };
    let (Ok(about), Ok(own)) = (fs::metadata(there), probe.metadata()) else {
        return Finding::warn(CHECK, format!("{}: its permissions cannot be read", there.display()), "look at it");
    };
    if there != data {
        return Finding::ok(CHECK, format!("{shown} is not there yet and can be made"));
    }
    let mode = about.mode() & 0o777;
    if about.uid() != own.uid() {
        let advice = format!("run this and the server as the user {}, or chown the directory", about.uid());
        return Finding::warn(
            CHECK,
            format!("{shown} belongs to the user {}, this is {}", about.uid(), own.uid()),
            advice,
        );
    }
    if mode & 0o002 != 0 {
        return Finding::fail(CHECK, format!("{shown} has mode {mode:o}: everybody may change it"), "chmod 700 it");
    }
    if mode & 0o005 != 0 {
        let found = format!("{shown} has mode {mode:o}: every user of this machine may look into it");
        return Finding::warn(CHECK, found, "chmod 700 it, for embeddings tell who somebody is");
    }
    Finding::ok(CHECK, format!("{shown}, mode {mode:o}"))
}

/// The store, if no server has it; otherwise what that says of its health.
pub(super) fn store(config: &Config, holder: Option<&str>) -> Finding {
    const CHECK: &str = "store";
    if let Some(holder) = holder {
        return running(config, holder);
    }
    if !engine::is_there(&config.engine.data) {
        return Finding::ok(CHECK, "none yet; the first start makes it");
    }
    match engine::probe(&config.engine) {
        Ok(found) => Finding::ok(
            CHECK,
            format!(
                "opens: {}, {} databases, {} jobs, {} to be done",
                size(found.bytes),
                found.databases,
                found.jobs,
                found.open_jobs
            ),
        ),
        Err(error) => {
            let why = super::super::serve::with_cause(error).to_string();
            Finding::fail(CHECK, why, "keep a copy of the data directory as it is before anything else is tried")
        }
    }
}

fn running(config: &Config, holder: &str) -> Finding {
    const CHECK: &str = "store";
    if config.tls.is_some() {
        return Finding::ok(CHECK, format!("in use by {holder}; `faceclique status` asks it how it is"));
    }
    let address = match config.listen {
        address if address.ip().is_unspecified() => format!("127.0.0.1:{}", address.port()),
        address => address.to_string(),
    };
    match Client::local(format!("http://{address}")).health() {
        Ok((200, _)) => Finding::ok(CHECK, format!("in use by {holder}, which is well")),
        Ok((503, text)) => {
            Finding::fail(CHECK, format!("in use by {holder}: {}", text.trim()), "see the server's log, and the disk")
        }
        Ok((status, _)) => Finding::warn(
            CHECK,
            format!("in use by {holder}; /health answers {status}"),
            "ask with `faceclique status`",
        ),
        Err(error) => Finding::warn(
            CHECK,
            format!("in use by {holder}, which does not answer at {address}: {error}"),
            "is it another server's data directory, or one that is starting?",
        ),
    }
}

/// The directory, or the nearest above it that is there.
pub(super) fn nearest(data: &Path) -> &Path {
    let here = Path::new(".");
    let above = data.ancestors().map(|path| if path.as_os_str().is_empty() { here } else { path });
    above.into_iter().find(|path| path.exists()).unwrap_or(here)
}
