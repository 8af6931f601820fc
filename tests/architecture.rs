//! Which room may know which, and which outside crate may be named where. The source is read as text.

#![allow(clippy::unwrap_used, reason = "a test that cannot read the source has failed")]

#[path = "support/sources.rs"]
mod sources;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use sources::rust_files;

/// Every room of `src` with the rooms it may import.
const ROOMS: [(&str, &[&str]); 17] = [
    // the pure core, which builds alone
    ("face", &[]),
    ("confidence", &[]),
    ("kernel", &["face"]),
    ("cluster", &["face", "confidence", "kernel"]),
    ("calibrate", &["face", "confidence", "kernel"]),
    // pictures to embeddings, which an appliance may use alone
    ("vision", &["face", "confidence"]),
    // pure too: the life of jobs, without a clock or a store
    ("job", &[]),
    // bytes that last
    ("store", &["face", "job"]),
    ("exchange", &["face"]),
    // the marriage, and the only place that knows faces, jobs, clusters and the store
    ("engine", &["face", "confidence", "cluster", "vision", "job", "store", "exchange"]),
    // the edge: the language does not know sockets, the sockets do not know the engine
    ("aci", &["face", "confidence", "cluster", "job", "exchange", "engine"]),
    ("http", &["face", "confidence", "aci"]),
    // the other way round: the end of a job goes out
    ("callback", &["engine", "aci"]),
    // something to try it on
    ("demo", &["face", "kernel", "exchange", "vision"]),
    // the program
    ("config", &["face", "confidence", "job", "engine", "aci", "http", "callback"]),
    (
        "cli",
        &[
            "face",
            "confidence",
            "cluster",
            "calibrate",
            "vision",
            "job",
            "exchange",
            "engine",
            "aci",
            "http",
            "callback",
            "demo",
            "config",
        ],
    ),
    ("lib", &[]),
];

/// Outside crates that belong to certain rooms.
const CRATES: [(&str, &[&str]); 40] = [
    ("bincode", &["store"]),
    ("base64", &["aci", "exchange", "http"]),
    ("blake3", &["engine", "http"]),
    ("clap", &["cli"]),
    ("clap_complete", &["cli"]),
    ("clap_mangen", &["cli"]),
    ("console", &["cli"]),
    ("crc32fast", &["store", "exchange", "engine"]),
    ("csv", &["exchange", "http", "cli"]),
    ("flate2", &["exchange", "http"]),
    ("hmac", &["callback"]),
    ("hnsw_rs", &["cluster"]),
    ("http_body_util", &["http"]),
    ("hyper", &["http"]),
    ("hyper_util", &["http"]),
    ("image", &["vision"]),
    ("indicatif", &["cli"]),
    ("jiff", &["aci", "callback", "cli"]),
    ("matrixmultiply", &["kernel"]),
    ("maud", &["http"]),
    ("multer", &["http"]),
    ("npyz", &["exchange"]),
    ("parquet", &["cli"]),
    ("plotters", &["cli"]),
    ("quick_xml", &["aci"]),
    ("rustix", &["cli", "engine", "store", "vision"]),
    ("rlimit", &["http"]),
    ("rten", &["vision"]),
    ("rten_onnx", &["vision"]),
    ("sha2", &["callback", "vision"]),
    ("sled", &["store"]),
    ("strsim", &["config"]),
    ("subtle", &["aci"]),
    ("tokio", &["engine", "http", "cli"]),
    ("tokio_rustls", &["http"]),
    ("toml", &["config", "vision"]),
    ("ureq", &["callback", "cli"]),
    ("uuid", &["job"]),
    ("webpki", &["http"]),
    ("zip", &["exchange"]),
];

/// The code of each source file without comments, by its path relative to `src`, with its room.
fn sources() -> Vec<(String, String, String)> {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut sources = Vec::new();
    for path in rust_files(&src) {
        let shown = path.strip_prefix(&src).unwrap().to_str().unwrap().to_owned();
        let room = shown.split('/').next().unwrap().trim_end_matches(".rs").to_owned();
        let text = fs::read_to_string(&path).unwrap();
        let code = text.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n");
        sources.push((shown, room, code));
    }
    assert!(sources.len() > 50, "the source is found");
    sources
}

/// The names that follow `prefix` in the code.
fn names_after<'a>(code: &'a str, prefix: &str) -> BTreeSet<&'a str> {
    let is_name = |c: char| c.is_alphanumeric() || c == '_';
    code.match_indices(prefix)
        .filter(|&(at, _)| !code[..at].ends_with(is_name))
        .map(|(at, _)| code[at + prefix.len()..].split(|c| !is_name(c)).next().unwrap())
        .collect()
}

#[test]
fn a_room_imports_only_the_rooms_below_it() {
    let rooms: BTreeMap<_, _> = ROOMS.into_iter().collect();
    let mut broken = Vec::new();
    for (file, room, code) in sources() {
        if room == "main" {
            continue; // the program may know everything, and is ten lines
        }
        let allowed =
            rooms.get(room.as_str()).unwrap_or_else(|| panic!("{file}: the room '{room}' is not in the table"));
        for name in names_after(&code, "crate::") {
            if name != room && rooms.contains_key(name) && !allowed.contains(&name) {
                broken.push(format!("{file} imports {name}; '{room}' may know only {allowed:?}"));
            }
        }
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

#[test]
fn an_outside_crate_is_named_only_in_its_rooms() {
    let mut broken = Vec::new();
    for (file, room, code) in sources() {
        for (name, allowed) in CRATES {
            let is_named = [format!("{name}::"), format!("use {name};")].iter().any(|text| {
                code.match_indices(text.as_str()).any(|(at, _)| {
                    let before = code[..at].chars().next_back();
                    !before.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == ':')
                })
            });
            if is_named && !allowed.contains(&room.as_str()) && room != "main" {
                broken.push(format!("{file} names the crate {name}, which belongs to {allowed:?}"));
            }
        }
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

#[test]
fn only_the_kernel_is_unsafe() {
    for (file, room, code) in sources() {
        let is_unsafe = code.contains("unsafe {") || code.contains("unsafe fn") || code.contains("unsafe impl");
        assert!(!is_unsafe || room == "kernel", "{file} is unsafe; only the kernel may be");
    }
}

#[test]
fn every_file_says_what_it_is_for() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR"));
    for folder in ["src", "tests"] {
        for path in rust_files(&src.join(folder)) {
            let text = fs::read_to_string(&path).unwrap();
            assert!(text.starts_with("//! "), "{} does not begin with a line of //!", path.display());
        }
    }
}

#[test]
fn the_pure_core_reads_no_clock_no_disk_and_no_hash_map_order() {
    for (file, room, code) in sources() {
        if ["face", "confidence", "kernel", "cluster", "calibrate", "job"].contains(&room.as_str()) {
            for name in ["std::fs", "std::net", "SystemTime", "Instant::now", "HashMap", "HashSet", "tracing::"] {
                let production = code.split("#[cfg(test)]").next().unwrap();
                assert!(!production.contains(name), "{file} names {name}; the pure core does not");
            }
        }
    }
}
