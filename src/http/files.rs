//! Open files: every connection is one, and the system gives a process only so many.

use super::Settings;

/// Files that a server has open besides its connections: the store, graphs, logs.
const FILES_OF_THE_STORE: u64 = 256;

/// Of so many connections one is expected to be sending an upload that is spooled to files.
const CONNECTIONS_A_SPOOL: u64 = 4;

/// How many files a server with these settings may have open.
pub fn files_needed(settings: &Settings) -> u64 {
    let connections = settings.max_connections as u64;
    connections + connections / CONNECTIONS_A_SPOOL + FILES_OF_THE_STORE
}

/// Raises the process' limit of open files to what these settings need, as far as the system allows it, and warns
/// with the numbers where it does not. To be called once, at the start of a program.
pub fn allow_files(settings: &Settings) {
    let needed = files_needed(settings);
    match rlimit::increase_nofile_limit(needed) {
        Ok(allowed) if allowed >= needed => tracing::debug!(allowed, needed, "the limit of open files is sufficient"),
        Ok(allowed) => tracing::warn!(
            allowed,
            needed,
            max_connections = settings.max_connections,
            "the system allows fewer open files than so many connections may need; raise the limit (ulimit -n) or lower max_connections"
        ),
        Err(error) => tracing::warn!(%error, needed, "the limit of open files cannot be found out"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_is_raised_to_what_is_needed_or_to_what_there_is() {
        let (before, hard) = rlimit::Resource::NOFILE.get().unwrap();
        let needed = 2_000 + 500 + FILES_OF_THE_STORE;
        allow_files(&Settings::default());
        let (after, still) = rlimit::Resource::NOFILE.get().unwrap();
        assert_eq!((after, still), (before.max(needed.min(hard)), hard));
    }
}
