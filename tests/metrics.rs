//! `/metrics`, `/health` and `/ready` of the real program (contract R179, R180), read by a strict reader of the format.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "support/server.rs"]
mod server;

use std::collections::{BTreeMap, BTreeSet};

use server::{Server, wait_for};

const PEOPLE: &[u8] = include_bytes!("../fixtures/people.jsonl");

/// Samples by name and labels, as written.
type Samples = BTreeMap<String, f64>;

/// Reads the text format 0.0.4; whatever is not as it says, or as its naming rules say, is a panic.
fn read(text: &str) -> Samples {
    assert!(text.ends_with('\n'));
    let (mut samples, mut kinds, mut current) = (Samples::new(), BTreeMap::new(), String::new());
    let mut helped = BTreeSet::new();
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            let (name, help) = rest.split_once(' ').unwrap();
            assert!(helped.insert(name.to_owned()) && help.ends_with('.'), "{line}");
        } else if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').unwrap();
            assert!(["counter", "gauge", "histogram"].contains(&kind), "{line}");
            assert_eq!(name.ends_with("_total"), kind == "counter", "{line}");
            assert!(helped.contains(name) && kinds.insert(name.to_owned(), kind.to_owned()).is_none(), "{line}");
            name.clone_into(&mut current);
        } else {
            let (name_and_labels, value) = line.rsplit_once(' ').unwrap();
            let (name, labels) = name_and_labels.split_once('{').unwrap_or((name_and_labels, "}"));
            assert!(name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_'), "{line}");
            let family = match kinds[&current].as_str() {
                "histogram" => ["_bucket", "_sum", "_count"].iter().find_map(|end| name.strip_suffix(end)).unwrap(),
                _ => name,
            };
            assert_eq!(family, current, "{line} stands in another family");
            let labels = labels.strip_suffix('}').unwrap();
            for label in labels.split(',').filter(|label| !label.is_empty()) {
                let (label, value) = label.split_once("=\"").unwrap();
                assert!(
                    !label.is_empty() && value.strip_suffix('"').is_some_and(|value| !value.contains('"')),
                    "{line}"
                );
            }
            let value = if value == "+Inf" { f64::INFINITY } else { value.parse().unwrap() };
            assert!(samples.insert(name_and_labels.to_owned(), value).is_none(), "{line} is there twice");
        }
    }
    check_histograms(&samples, &kinds);
    samples
}

/// Buckets do not fall, and the last holds all.
fn check_histograms(samples: &Samples, kinds: &BTreeMap<String, String>) {
    for name in kinds.iter().filter(|(_, kind)| *kind == "histogram").map(|(name, _)| name) {
        let mut by_labels: BTreeMap<String, Vec<(f64, f64)>> = BTreeMap::new();
        for (sample, &n) in samples.iter().filter(|(sample, _)| sample.starts_with(&format!("{name}_bucket{{"))) {
            let (labels, bound) = sample.split_once("le=\"").unwrap();
            let bound = bound.strip_suffix("\"}").unwrap();
            let bound = if bound == "+Inf" { f64::INFINITY } else { bound.parse().unwrap() };
            by_labels.entry(labels.trim_end_matches(',').to_owned()).or_default().push((bound, n));
        }
        assert!(!by_labels.is_empty(), "{name}");
        for (labels, mut buckets) in by_labels {
            buckets.sort_by(|a, b| a.0.total_cmp(&b.0));
            assert!(buckets.is_sorted_by(|a, b| a.1 <= b.1), "{buckets:?}");
            let labels = labels.split_once('{').unwrap().1;
            let labels = if labels.is_empty() { String::new() } else { format!("{{{labels}}}") };
            let (last, all) = buckets[buckets.len() - 1];
            assert!(last.is_infinite());
            assert!((samples[&format!("{name}_count{labels}")] - all).abs() < 0.5);
            assert!(samples.contains_key(&format!("{name}_sum{labels}")));
        }
    }
}

fn metrics(server: &Server) -> (String, Samples) {
    let (head, body) = server.raw(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    assert!(
        head.starts_with("HTTP/1.1 200 ") && head.contains("content-type: text/plain; version=0.0.4\r\n"),
        "{head}"
    );
    let text = String::from_utf8(body).unwrap();
    let samples = read(&text);
    (text, samples)
}

/// The whole number of these samples.
fn whole(samples: &Samples, name: &str) -> u64 {
    let value = *samples.get(name).unwrap_or_else(|| panic!("no {name} in {samples:#?}"));
    assert!(value >= 0.0 && value.fract() == 0.0, "{name} {value}");
    value as u64
}

const CONTENTS: [&str; 5] = [
    "faceclique_databases",
    "faceclique_faces",
    "faceclique_images{status=\"failed\"}",
    "faceclique_images{status=\"trained\"}",
    "faceclique_images{status=\"untrained\"}",
];

fn contents(server: &Server) -> [u64; 5] {
    let (_, samples) = metrics(server);
    CONTENTS.map(|name| whole(&samples, name))
}

#[test]
fn r179_the_metrics_follow_every_change_and_are_right_after_a_kill() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path());
    assert_eq!(contents(&server), [0, 0, 0, 0, 0]);
    server.import("people", PEOPLE);
    assert_eq!(contents(&server), [1, 4, 0, 4, 0]);
    server.import("people", PEOPLE); // nothing new
    server.import("others", PEOPLE);
    assert_eq!(contents(&server), [2, 8, 0, 8, 0]);
    server.get("/a=NewFace&database=people&identifier=empty");
    server.get("/a=RemoveFace&database=people&identifier=JamesBond");
    assert_eq!(contents(&server), [2, 8, 0, 7, 0]);
    server.kill();
    let server = Server::start(folder.path());
    assert_eq!(contents(&server), [2, 8, 0, 7, 0]);
    server.get("/a=RemoveFaceDatabase&database=others");
    assert_eq!(contents(&server), [1, 4, 0, 3, 0]);
}

#[test]
fn r179_jobs_requests_and_the_process_are_counted_and_nobody_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path());
    server.import("people", PEOPLE);
    server.cluster("database=people");
    server.cluster("database=SecretName");
    for n in 0..50 {
        server.get(&format!("/a=Invented{n}&database=SecretName"));
    }
    server.get("/a=ListFaces&database=SecretName");
    server.get("/a=getpid");
    server.get("/A=GETPID&x=%zz");
    let expected = [
        ("faceclique_jobs{queue=\"FaceClustering\",status=\"Finished\"}", 1),
        ("faceclique_jobs{queue=\"FaceClustering\",status=\"Queued\"}", 0),
        ("faceclique_jobs{queue=\"ImportFaceDatabase\",status=\"Finished\"}", 1),
        ("faceclique_jobs_ended_total{queue=\"FaceClustering\",status=\"Finished\"}", 1),
        ("faceclique_jobs_ended_total{queue=\"FaceClustering\",status=\"Stopped\"}", 0),
        ("faceclique_job_seconds_count{queue=\"FaceClustering\"}", 2),
        ("faceclique_job_seconds_count{queue=\"ImportFaceDatabase\"}", 1),
        ("faceclique_requests_total{action=\"unknown\",result=\"1\"}", 50),
        ("faceclique_requests_total{action=\"FaceClustering\",result=\"success\"}", 2),
        ("faceclique_requests_total{action=\"ListFaces\",result=\"40\"}", 1),
        ("faceclique_requests_total{action=\"GetPID\",result=\"success\"}", 1),
        ("faceclique_requests_total{action=\"GetPID\",result=\"13\"}", 1),
        ("faceclique_pairs_compared_total", 6),
        ("faceclique_connections", 1),
        ("faceclique_stuck_jobs", 0),
        ("faceclique_build_info{version=\"0.1.0\"}", 1),
    ];
    // a request is counted when it has been answered, and a connection ends behind its client's
    let (text, samples) = wait_for(|| {
        let (text, samples) = metrics(&server);
        let is_not_yet = |name: &str, expected| !samples.contains_key(name) || whole(&samples, name) != expected;
        match expected.iter().find(|&&(name, expected)| is_not_yet(name, expected)) {
            None => Ok((text, samples)),
            Some((name, expected)) => Err(format!("{name} is not {expected}: {text}")),
        }
    });
    for name in [
        "faceclique_store_bytes",
        "faceclique_result_bytes",
        "faceclique_connections_total",
        "faceclique_request_seconds_count",
    ] {
        assert!(whole(&samples, name) > 0, "{name}");
    }
    if cfg!(target_os = "linux") {
        assert!(samples["process_resident_memory_bytes"] > 1e6 && samples["process_start_time_seconds"] > 1e9);
        assert!(samples["process_open_fds"] > 3.0 && samples["process_cpu_seconds_total"] >= 0.0);
    }
    for name in ["people", "SecretName", "JamesBond", "Invented"] {
        assert!(!text.contains(name), "{name} is in the metrics");
    }
}

#[test]
fn r180_a_server_at_work_is_well_and_ready() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path());
    wait_for(|| match server.raw(b"GET /ready HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n") {
        (head, body) if head.starts_with("HTTP/1.1 200 ") && body == b"ready" => Ok(()),
        (head, _) => Err(head), // the worker is about to begin
    });
    assert_eq!(server.get("/health"), "ok");
}
