//! The fuzz targets over their corpus and seeded mutations of it: a short run of what `make fuzz` does for long.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "../support/random.rs"]
mod random;
mod targets;

use std::fs;
use std::path::Path;

use random::{Random, mangle};
use targets::TARGETS;

/// The corpus of a target; of requests it is the fixtures of the decoder.
fn corpus(target: &str) -> Vec<Vec<u8>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folder = match target {
        "request" => root.join("fixtures/aci"),
        other => root.join("tests/fuzz/corpus").join(other),
    };
    let mut paths: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.is_file());
    paths.sort();
    paths.into_iter().map(|path| fs::read(path).unwrap()).collect()
}

/// Each target with its corpus and so many mutations. The bytes of the one that fails are shown.
fn survive(names: &[&str], n_mutations: usize) {
    for (name, target) in TARGETS.into_iter().filter(|(name, _)| names.contains(name)) {
        let corpus = corpus(name);
        assert!(corpus.len() > 1, "{name} has a corpus");
        let mut random = Random::of(1, name.len() as u64);
        let mutation = |_| {
            let mut bytes = corpus[random.below(corpus.len())].clone();
            mangle(&mut bytes, &corpus[random.below(corpus.len())], &mut random);
            bytes
        };
        let mutations: Vec<_> = (0..n_mutations).map(mutation).collect();
        for bytes in corpus.iter().chain(&mutations) {
            let result = std::panic::catch_unwind(|| target(bytes));
            assert!(result.is_ok(), "{name} has failed on '{}'", bytes.escape_ascii());
        }
    }
}

#[test]
fn mutated_requests_are_answered() {
    survive(&["request", "multipart"], 1000);
}

#[test]
fn mutated_forms_and_values_are_decoded_or_refused() {
    survive(&["form", "values"], 5000);
}

#[test]
fn mutated_files_of_faces_are_read_or_refused() {
    survive(&["jsonl", "csv", "npy", "npz"], 2500);
}

#[test]
fn mutated_configurations_are_understood_or_refused() {
    survive(&["toml", "ini"], 700);
}
