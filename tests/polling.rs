//! A client that polls without end costs no growing memory, and is answered while a job has every processor (R183).
#![cfg(target_os = "linux")] // the memory of the server is read from /proc
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[path = "support/server.rs"]
mod server;

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use server::{Server, between};

/// How long the Java client waits for an answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// The job that is polled has ended by then.
const END: Duration = Duration::from_mins(10);

/// So many polls are an hour of them, each second one.
const HOUR: usize = 3_600;

/// So many KiB may come to the process in an hour: a kilobyte for each poll would show.
const SLACK: u64 = 3 << 10;

/// Invented faces with numbers that are random enough to be compared for a while.
fn faces(n: usize, dimension: usize) -> String {
    let mut seed = 0x9e37_79b9_7f4a_7c15_u64;
    let mut number = || {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 40) as f32 / (1 << 23) as f32 - 1.0
    };
    let mut lines = String::new();
    for i in 0..n {
        let numbers: Vec<String> = (0..dimension).map(|_| format!("{:.3}", number())).collect();
        let numbers = numbers.join(",");
        writeln!(lines, "{{\"identifier\":\"P{i}\",\"imagelabel\":\"x\",\"embedding\":[{numbers}]}}").unwrap();
    }
    lines
}

/// The answers to this many polls, of which none was waited for too long; the last one.
fn poll(server: &Server, token: &str, times: usize) -> String {
    let mut last = String::new();
    for _ in 0..times {
        let asked = Instant::now();
        last = server.status("FaceClustering", token);
        assert!(asked.elapsed() < PATIENCE, "{:?}", asked.elapsed());
    }
    last
}

fn polls_cost_nothing(server: &Server, token: &str) {
    poll(server, token, HOUR / 4); // threads, buffers and pools are there then
    let before = server.resident_kib();
    poll(server, token, HOUR);
    let after = server.resident_kib();
    assert!(after <= before + SLACK, "{before} KiB before an hour of polls, {after} KiB after it");
}

#[test]
fn r183_polls_are_answered_while_a_job_has_every_processor() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path());
    server.import("people", faces(30_000, 64).as_bytes());
    let token =
        server.submit("/action=FaceClustering&database=people&clusterthreshold=70&outputthreshold=70&search=exact");
    let (mut n_at_work, begun) = (0, Instant::now());
    loop {
        assert!(begun.elapsed() < END, "the job does not end");
        let answer = poll(&server, &token, 1);
        match between(&answer, "<status>", "</status>") {
            "Queued" => {}
            "Processing" => n_at_work += 1,
            status => {
                assert_eq!(status, "Finished", "{answer}");
                break;
            }
        }
    }
    assert!(n_at_work > 0, "no poll met the job at work");
}

#[test]
fn r183_an_hour_of_polls_costs_no_memory() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path());
    server.import("people", faces(100, 16).as_bytes());
    server.get("/action=QueueInfo&QueueName=FaceClustering&QueueAction=pause");
    let waiting = server.submit("/action=FaceClustering&database=people");
    polls_cost_nothing(&server, &waiting);
    server.get("/action=QueueInfo&QueueName=FaceClustering&QueueAction=resume");
    server.ended("FaceClustering", &waiting);
    polls_cost_nothing(&server, &waiting);
}
