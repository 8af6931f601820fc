//! The table of settings: everything that can be said, once.
//!
//! From it come reading, `config print`, `fixtures/faceclique.toml`, the page of settings in the help, and the
//! suggestion for a misspelt name. A new setting is a new row here and a line in `meaning`.

use std::thread;

use super::value::Kind;
use crate::engine;

/// What a setting is when nobody says anything.
#[derive(Debug, Clone, Copy)]
pub(super) enum Unsaid {
    /// This, written as in an environment variable.
    Is(&'static str),
    /// A number that depends on the machine; with an example.
    OfMachine(fn() -> u64, &'static str),
    /// Nothing; with an example.
    Nothing(&'static str),
}

/// One setting.
#[derive(Debug)]
pub(super) struct Setting {
    /// The section of the TOML file.
    pub(super) section: &'static str,
    /// The key in it.
    pub(super) key: &'static str,
    /// What it may be.
    pub(super) kind: Kind,
    /// What it is when nobody says anything.
    pub(super) unsaid: Unsaid,
    /// Sections and keys of a media server's configuration file that say the same.
    pub(super) ini: &'static [(&'static str, &'static str)],
    /// What it is for, in a line.
    pub(super) doc: &'static str,
}

impl Setting {
    /// Its full name, such as `jobs.max_queue_size`.
    pub(super) fn name(&self) -> String {
        format!("{}.{}", self.section, self.key)
    }

    /// Its environment variable, such as `FACECLIQUE_JOBS_MAX_QUEUE_SIZE`.
    pub(super) fn variable(&self) -> String {
        format!("{PREFIX}{}_{}", self.section.replace('.', "_"), self.key).to_ascii_uppercase()
    }
}

/// What every environment variable of the program begins with.
pub(super) const PREFIX: &str = "FACECLIQUE_";

/// Variables with that beginning that are no settings: flags of the program, and one read when it is built.
pub(super) const OTHER_VARIABLES: [&str; 5] =
    ["FACECLIQUE_CONFIG", "FACECLIQUE_LOG", "FACECLIQUE_SERVER", "FACECLIQUE_BEARER_TOKEN", "FACECLIQUE_BUILD"];

/// The queues that can have limits of their own (contract R60).
pub(super) const QUEUES: [&str; 6] =
    ["FaceClustering", "TrainFace", "BuildFace", "BuildAllFaces", "ImportFaceDatabase", "ExportFaceDatabase"];

/// Stands for whichever section of a media server's file `[Server] SSLConfig` names.
pub(super) const SSL: &str = "section of SSLConfig";

/// Every setting, in the order it is printed.
pub(super) fn all() -> impl Iterator<Item = &'static Setting> {
    [SERVER, PATHS, JOBS, QUEUE_LIMITS, LIMITS, CALLBACKS, VISION, DATABASE, LOGGING, SECURITY].into_iter().flatten()
}

/// The setting of that full name; queue names in any letter case (contract R6).
pub(super) fn find(name: &str) -> Option<&'static Setting> {
    all().find(|setting| match setting.section.strip_prefix("jobs.queues.") {
        Some(_) => setting.name().eq_ignore_ascii_case(name),
        None => setting.name() == name,
    })
}

fn processors() -> u64 {
    thread::available_parallelism().map_or(1, |n| n.get() as u64)
}

fn half_of_memory() -> u64 {
    engine::Settings::new("").memory
}

const fn row(
    section: &'static str,
    key: &'static str,
    kind: Kind,
    unsaid: Unsaid,
    ini: &'static [(&'static str, &'static str)],
    doc: &'static str,
) -> Setting {
    Setting { section, key, kind, unsaid, ini, doc }
}

const fn count(least: u64, most: u64) -> Kind {
    Kind::Count { least, most }
}

const fn bytes(least: u64, most: u64) -> Kind {
    Kind::Bytes { least, most }
}

const fn seconds(least: u64, most: u64) -> Kind {
    Kind::Seconds { least, most }
}

use Unsaid::{Is, Nothing, OfMachine};

/// A number of bytes that no machine has.
const PIB: u64 = 1 << 50;
const CENTURY: u64 = 100 * 366 * 86_400;
const DAY: u64 = 86_400;

#[rustfmt::skip]
const SERVER: &[Setting] = &[
    row("server", "listen", Kind::Address, Is("127.0.0.1:14000"), &[("Server", "Port")],
        "address and port of the ACI; port 0 takes any free one"),
    row("server", "service_listen", Kind::AddressOrOff, Is("127.0.0.1:14001"), &[("Service", "ServicePort")],
        "address and port of the service actions; \"off\" to have none"),
    row("server", "tls_certificate", Kind::Path, Nothing("server.pem"), &[(SSL, "SSLCertificate")],
        "the certificate and its chain (PEM); with it both ports speak TLS"),
    row("server", "tls_key", Kind::Path, Nothing("server.key"), &[(SSL, "SSLPrivateKey")],
        "the private key of the certificate (PEM)"),
    row("server", "tls_client_ca", Kind::Path, Nothing("clients.pem"), &[(SSL, "SSLCACertificate")],
        "the authorities that client certificates are verified with (PEM)"),
    row("server", "tls_client_auth", Kind::OneOf(&["none", "optional", "required"]), Is("none"), &[(SSL, "SSLCheckCertificate")],
        "whether clients are asked for a certificate"),
    row("server", "utc", Kind::Boolean, Is("false"), &[],
        "print dates in UTC instead of the local time zone"),
    row("server", "max_connections", count(1, 100_000), Is("2000"), &[],
        "connections served at a time; one more gets HTTP 503"),
    row("server", "max_connections_per_address", count(1, 100_000), Is("1000"), &[],
        "connections of one address beyond loopback; one more gets HTTP 503"),
    row("server", "request_threads", count(1, 64), Is("64"), &[],
        "requests answered at a time; others wait in the order in which they came"),
    row("server", "handshake_timeout", seconds(1, DAY), Is("10"), &[],
        "seconds for the whole of a TLS handshake"),
    row("server", "host_names", Kind::HostNames, Is(""), &[],
        "names the server may be called by, besides addresses and localhost"),
    row("server", "origins", Kind::Origins, Is(""), &[],
        "origins of web pages that may call the server, such as https://faces.example, besides its own"),
    row("server", "max_header_size", bytes(8 << 10, 16 << 20), Is("131072"), &[],
        "bytes of request line and headers; more is HTTP 431"),
    row("server", "header_timeout", seconds(1, DAY), Is("30"), &[],
        "seconds from the first byte of a request to the end of its headers; later is HTTP 408"),
    row("server", "body_timeout", seconds(1, DAY), Is("60"), &[],
        "seconds between two bytes of a body; later is HTTP 408"),
    row("server", "idle_timeout", seconds(60, DAY), Is("75"), &[],
        "seconds an idle connection is kept"),
    row("server", "answer_timeout", seconds(1, DAY), Is("300"), &[],
        "seconds a client may take no byte of its answer before it is disconnected"),
    row("server", "request_timeout", seconds(1, 30 * DAY), Is("3600"), &[],
        "seconds from the first byte of a request to its last, however steadily it arrives"),
    row("server", "linger_timeout", seconds(1, DAY), Is("30"), &[],
        "seconds that what a refused client still sends is read, so that it gets to read the answer"),
    row("server", "shutdown_timeout", seconds(0, DAY), Is("10"), &[],
        "seconds that requests have to end when the server stops"),
];

#[rustfmt::skip]
const PATHS: &[Setting] = &[
    row("paths", "data", Kind::Path, Is("data"), &[("Paths", "DatabasePath"), ("Database", "DatabasePath")],
        "the data directory; one process has it to itself"),
    row("paths", "allowed_input_directories", Kind::Paths, Is(""),
        &[("Paths", "AllowedInputDirectories"), ("Server", "AllowedInputDirectories")],
        "clients may name files to read below these folders (imagepath, dbpath, idspath)"),
    row("paths", "allowed_output_directories", Kind::Paths, Is(""),
        &[("Paths", "AllowedOutputDirectoryCSVs"), ("Server", "AllowedOutputDirectoryCSVs")],
        "clients may name files to write below these folders (dbpath of exports)"),
    row("paths", "base", Kind::Path, Nothing("/srv/faces"), &[],
        "where relative paths that clients name start; by default the folder of the program"),
];

#[rustfmt::skip]
const JOBS: &[Setting] = &[
    row("jobs", "threads", count(1, 1_024), OfMachine(processors, "2"), &[],
        "threads of one clustering; by default as many as there are processors"),
    row("jobs", "maximum_threads", count(1, 64), Is("1"), &[("Actions", "MaximumThreads")],
        "jobs of one queue at work at a time"),
    row("jobs", "max_queue_size", count(1, 1_000_000), Is("1000"), &[("Actions", "MaxQueueSize")],
        "jobs of one queue that have not ended"),
    row("jobs", "max_waiting", count(0, 10_000), Is("64"), &[],
        "requests that may wait for the end of a job (Synchronous=true)"),
    row("jobs", "max_job_memory", bytes(0, PIB), OfMachine(half_of_memory, "8589934592"), &[],
        "bytes of one clustering, images, pairs and matches; by default half of the machine's memory"),
    row("jobs", "max_result_size", bytes(0, PIB), Is("4294967296"), &[],
        "bytes of the stored result of one job"),
    row("jobs", "max_results_size", bytes(0, PIB), Is("8589934592"), &[],
        "bytes of all stored results together; beyond it the oldest ended jobs are forgotten, never the latest"),
    row("jobs", "stuck_after", seconds(0, CENTURY), Is("900"), &[],
        "seconds without progress after which a job at work is named in the log and counted in the metrics; 0: never"),
    row("jobs", "auto_exact_time", seconds(0, CENTURY), Is("900"), &[],
        "seconds; search=auto is exact as long as no more are expected"),
    row("jobs", "result_retention", seconds(0, CENTURY), Is("604800"), &[],
        "seconds that an ended job is kept"),
    row("jobs", "max_ended_jobs", count(1, 1_000_000), Is("1000"), &[("Actions", "MaxFinishedSize")],
        "ended jobs of one queue that are kept"),
    row("jobs", "max_changes", count(1, 100_000), Is("1000"), &[],
        "changes of the review that can be undone; of more the oldest are forgotten"),
    row("jobs", "max_attempts", count(1, 1_000), Is("3"), &[],
        "unclean ends in a row after which a job is given up"),
    row("jobs", "keep_pairs", Kind::Boolean, Is("true"), &[],
        "keep the pairs a clustering finds, so that the next one on the database compares only what is new"),
    row("jobs", "cache_size", bytes(1 << 20, PIB), Is("67108864"), &[],
        "bytes of the store's page cache"),
];

macro_rules! limits_of_queues {
    ($($queue:literal),*) => {
        &[$(
            row(concat!("jobs.queues.", $queue), "maximum_threads", count(1, 64), Nothing("1"), &[($queue, "MaximumThreads")],
                concat!($queue, " jobs at work at a time; by default jobs.maximum_threads")),
            row(concat!("jobs.queues.", $queue), "max_queue_size", count(1, 1_000_000), Nothing("1000"), &[($queue, "MaxQueueSize")],
                concat!($queue, " jobs that have not ended; by default jobs.max_queue_size")),
        )*]
    };
}

const QUEUE_LIMITS: &[Setting] = limits_of_queues!(
    "FaceClustering",
    "TrainFace",
    "BuildFace",
    "BuildAllFaces",
    "ImportFaceDatabase",
    "ExportFaceDatabase"
);

#[rustfmt::skip]
const LIMITS: &[Setting] = &[
    row("limits", "max_input_string", count(1, 1 << 40), Is("64000"), &[("Server", "MaxInputString")],
        "characters of one parameter value"),
    row("limits", "max_file_upload_size", bytes(1, PIB), Is("10000000"), &[("Server", "MaxFileUploadSize")],
        "bytes of one uploaded image or embedding"),
    row("limits", "max_request_size", bytes(1, PIB), Is("268435456"), &[],
        "bytes of one request, an uploaded import file included"),
    row("limits", "max_parts", count(1, 1_000_000), Is("10000"), &[],
        "parts or parameters of one request"),
    row("limits", "max_request_text", bytes(1, PIB), Is("16777216"), &[],
        "bytes of all names and values of one request together, uploads excepted"),
    row("limits", "max_request_memory", bytes(1, PIB), Is("268435456"), &[],
        "bytes in memory of all requests at hand together; beyond it uploads go to disk and more text is refused"),
    row("limits", "max_image_pixels", count(1, 1 << 40), Is("100000000"), &[],
        "pixels of one picture; one with more is failed, not decoded"),
    row("limits", "min_free_space", bytes(0, PIB), Is("67108864"), &[],
        "bytes of the data directory's disk that stay free: below it what needs room is refused, and jobs wait"),
    row("limits", "max_num_parallel", count(1, 1_024), OfMachine(processors, "2"), &[],
        "the most that numparallel may ask for; by default as many as there are processors"),
];

#[rustfmt::skip]
const CALLBACKS: &[Setting] = &[
    row("callbacks", "enabled", Kind::Boolean, Is("false"), &[],
        "whether clients may name a URL that is told of the end of a job (callbackurl)"),
    row("callbacks", "allowed_hosts", Kind::Hosts, Is(""), &[],
        "hosts, *.domains, addresses and networks that may be told; by default all public ones, others only if listed by address"),
    row("callbacks", "secret_file", Kind::Path, Nothing("callback-secret"), &[],
        "a file with the secret that callbacks are signed with (HMAC-SHA256)"),
    row("callbacks", "secret", Kind::Secret, Nothing("at least 16 characters"), &[],
        "the secret itself; better kept in a file of its own or in the environment"),
    row("callbacks", "ca_file", Kind::Path, Nothing("authority.pem"), &[],
        "certificates (PEM) of the authorities to trust for https, instead of the public ones"),
    row("callbacks", "timeout", seconds(1, 300), Is("10"), &[],
        "seconds that one attempt may take"),
    row("callbacks", "attempts", count(1, 100), Is("10"), &[],
        "attempts in vain after which a callback is given up"),
    row("callbacks", "retry_pause", seconds(1, 3_600), Is("5"), &[],
        "seconds behind the first attempt in vain; each further pause is twice as long, up to an hour"),
    row("callbacks", "max_outstanding", count(1, 1_000_000), Is("10000"), &[],
        "jobs whose end is still to be told, ended or not; one more is refused"),
];

#[rustfmt::skip]
const VISION: &[Setting] = &[
    row("vision", "pack", Kind::Path, Nothing("face-reid-retail-0095"), &[],
        "the model pack pictures are trained by: the name of an installed one or a folder; without one they stay untrained"),
];

#[rustfmt::skip]
const DATABASE: &[Setting] = &[
    row("database", "sync_interval", seconds(0, CENTURY), Is("0"), &[("Database", "SyncInterval")],
        "seconds between synchronisations of all databases (syncdatabase=false); 0: only when asked"),
];

#[rustfmt::skip]
const LOGGING: &[Setting] = &[
    row("logging", "level", Kind::Filter, Nothing("info"), &[("Logging", "LogLevel")],
        "what is logged, such as info or faceclique=debug; by default info when serving, else warn"),
    row("logging", "format", Kind::OneOf(&["text", "json"]), Is("text"), &[],
        "lines for people, or one JSON object a line"),
];

#[rustfmt::skip]
const SECURITY: &[Setting] = &[
    row("security", "bearer_token_file", Kind::Path, Nothing("token"), &[],
        "a file with the token that every client must send as Authorization: Bearer"),
    row("security", "bearer_token", Kind::Secret, Nothing("at least 16 characters"), &[],
        "the token itself; better kept in a file of its own or in the environment"),
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::job::Queue;

    #[test]
    fn names_and_variables_are_unique() {
        let names: BTreeSet<_> = all().map(Setting::name).collect();
        let variables: BTreeSet<_> = all().map(Setting::variable).chain(OTHER_VARIABLES.map(str::to_owned)).collect();
        assert_eq!(names.len(), all().count());
        assert_eq!(variables.len(), all().count() + OTHER_VARIABLES.len());
        assert!(variables.contains("FACECLIQUE_JOBS_MAX_QUEUE_SIZE"));
        assert!(variables.contains("FACECLIQUE_JOBS_QUEUES_FACECLUSTERING_MAXIMUM_THREADS"));
    }

    #[test]
    fn every_default_and_example_is_a_value_of_its_kind() {
        for setting in all() {
            let (Is(text) | OfMachine(_, text) | Nothing(text)) = setting.unsaid;
            if !matches!(setting.kind, Kind::Secret) {
                setting.kind.text(text).unwrap_or_else(|bad| panic!("{}: {bad:?}", setting.name()));
            }
        }
    }

    #[test]
    fn r60_every_queue_can_have_limits() {
        for queue in Queue::ALL {
            assert!(QUEUES.contains(&queue.name()), "{queue}");
        }
        for queue in QUEUES {
            assert!(find(&format!("jobs.queues.{}.max_queue_size", queue.to_lowercase())).is_some(), "{queue}");
        }
    }
}
