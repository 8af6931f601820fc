//! What an appliance relies on: an orderly end within its deadline, a service manager that is told, and `doctor`.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[path = "support/server.rs"]
mod server;

use std::fmt::Write as _;
use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::Value;
use server::{Mortal, Server, program, wait_for};

/// The longest that a word is waited for.
const PATIENCE: Duration = Duration::from_mins(1);

/// Images in a deterministic order of small numbers; their index takes a while to be built.
fn crowd(n_images: u64) -> Vec<u8> {
    let mut text = String::from("identifier,imagelabel");
    (0..32).for_each(|i| write!(text, ",e{i}").unwrap());
    let mut seed = 1u64;
    for image in 0..n_images {
        write!(text, "\nperson {},{image}", image / 8).unwrap();
        for _ in 0..32 {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            write!(text, ",{:.4}", f64::from((seed >> 33) as u32) / f64::from(1u32 << 31) - 0.5).unwrap();
        }
    }
    text.push('\n');
    text.into_bytes()
}

/// A request whose body does not come, so that it is in flight for as long as it is let.
fn unfinished(server: &Server) -> TcpStream {
    let mut stream = TcpStream::connect(server.address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let head = "POST /action=CreateFaceDatabase HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\
                Content-Type: application/x-www-form-urlencoded\r\nExpect: 100-continue\r\n\r\n";
    stream.write_all(head.as_bytes()).unwrap();
    let mut word = [0; 25];
    stream.read_exact(&mut word).unwrap(); // it waits for the body now
    assert!(word.starts_with(b"HTTP/1.1 100"), "{:?}", String::from_utf8_lossy(&word));
    stream
}

#[test]
fn a_signal_ends_the_server_within_its_deadline_and_holds_nothing_against_the_job_at_work() {
    let data = tempfile::tempdir().unwrap();
    let config = data.path().join("faceclique.toml");
    fs::write(&config, "[server]\nshutdown_timeout = 1\n").unwrap();
    let config = config.to_str().unwrap();
    let server = Server::start_with(data.path(), &["--config", config]);
    server.import("crowd", &crowd(4_000));
    let job = server.submit("/action=FaceClustering&database=crowd&clusterthreshold=75&search=hnsw");
    let progress = format!("/action=QueueInfo&QueueName=FaceClustering&QueueAction=progress&Token={job}");
    wait_for(|| {
        let answer = server.get(&progress);
        if answer.contains("<name>index</name>") { Ok(()) } else { Err(answer) }
    });
    let idle = TcpStream::connect(server.address).unwrap();
    let busy = unfinished(&server);
    let ended = server.terminate(); // in time, although neither the requests nor the job would end by themselves
    assert!(ended.success(), "{ended}");
    drop((idle, busy));
    let log = data.path().join("log");
    let again = serve(data.path(), &["--config", config]).stderr(fs::File::create(&log).unwrap()).spawn().unwrap();
    let again = Mortal(again);
    let text = wait_for(|| {
        let text = fs::read_to_string(&log).unwrap();
        if text.contains("queues loaded") { Ok(text) } else { Err(text) }
    });
    again.kill();
    assert!(text.contains("waiting=1 killed=0"), "{text}");
}

/// The program, serving on free ports.
fn serve(data: &Path, arguments: &[&str]) -> Command {
    let data = data.to_str().unwrap();
    let mut command = program(&["serve", "--data", data, "--listen", "127.0.0.1:0", "--service-listen", "off"]);
    command.args(arguments);
    command
}

#[test]
fn a_second_signal_ends_the_server_at_once() {
    let data = tempfile::tempdir().unwrap();
    let config = data.path().join("faceclique.toml");
    fs::write(&config, "[server]\nshutdown_timeout = 3600\n").unwrap();
    let log = data.path().join("log");
    let mut command = serve(data.path(), &["--config", config.to_str().unwrap()]);
    let child = Mortal(command.stderr(fs::File::create(&log).unwrap()).spawn().unwrap());
    let said = |text: &str| {
        wait_for(|| {
            let log = fs::read_to_string(&log).unwrap();
            if log.contains(text) { Ok(log) } else { Err(log) }
        })
    };
    let text = said("serving address=");
    let address = server::between(&text, "serving address=", " ").to_owned();
    let mut stream = TcpStream::connect(&address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
        .write_all(b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\nExpect: 100-continue\r\nContent-Type: application/x-www-form-urlencoded\r\n\r\n")
        .unwrap();
    stream.read_exact(&mut [0; 25]).unwrap();
    child.signal("-TERM");
    said("SIGTERM: shutting down");
    child.signal("-INT");
    assert_eq!(child.ended().code(), Some(1));
    assert!(fs::read_to_string(&log).unwrap().contains("a second SIGINT"));
}

#[test]
fn the_service_manager_is_told_that_it_serves_lives_and_stops() {
    let data = tempfile::tempdir().unwrap();
    let path = data.path().join("notify");
    let manager = UnixDatagram::bind(&path).unwrap();
    manager.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut command = serve(data.path(), &[]);
    command.env("NOTIFY_SOCKET", &path).env("WATCHDOG_USEC", "100000").stderr(Stdio::null());
    let child = Mortal(command.spawn().unwrap());
    let next = || {
        let mut word = [0; 64];
        let n = manager.recv(&mut word).unwrap();
        String::from_utf8(word[..n].to_vec()).unwrap()
    };
    let mut words = Vec::new();
    while !["READY=1", "WATCHDOG=1"].iter().all(|word| words.iter().any(|said| said == word)) {
        words.push(next());
    }
    child.signal("-TERM");
    while next() != "STOPPING=1" {}
    assert!(child.ended().success());
}

/// The exit code of `doctor` and what it found, by check.
fn doctor(data: &Path, arguments: &[&str]) -> (i32, Value) {
    let mut command = program(&["doctor", "--json", "--data", data.to_str().unwrap()]);
    let output = command.args(arguments).output().unwrap();
    (output.status.code().unwrap(), serde_json::from_slice(&output.stdout).unwrap())
}

fn verdict<'f>(findings: &'f Value, check: &str) -> (&'f str, &'f str) {
    let all = findings.as_array().unwrap();
    let one =
        all.iter().find(|finding| finding["check"] == check).unwrap_or_else(|| panic!("no {check}: {findings:#}"));
    (one["verdict"].as_str().unwrap(), one["found"].as_str().unwrap())
}

const FREE_PORTS: [&str; 4] = ["--listen", "127.0.0.1:0", "--service-listen", "off"];

#[test]
fn doctor_finds_nothing_wrong_with_a_new_directory_and_leaves_it_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let (code, findings) = doctor(&data, &FREE_PORTS);
    let n_failed = findings.as_array().unwrap().iter().filter(|finding| finding["verdict"] == "fail").count();
    assert_eq!(code == 0, n_failed == 0, "{findings:#}"); // this machine may be short of something
    for check in ["configuration", "data directory", "store", "open files", "ACI port", "clock"] {
        assert_ne!(verdict(&findings, check).0, "fail", "{findings:#}");
    }
    assert_eq!(verdict(&findings, "store"), ("ok", "none yet; the first start makes it"));
    assert!(verdict(&findings, "data directory").1.ends_with("is not there yet and can be made"), "{findings:#}");
    assert!(fs::read_dir(folder.path()).unwrap().next().is_none(), "nothing is left behind");
}

#[test]
fn doctor_looks_into_a_store_that_nobody_has_and_asks_who_has_it() {
    let data = tempfile::tempdir().unwrap();
    let server = Server::start(data.path());
    server.get("/action=CreateFaceDatabase&database=people");
    server.get("/action=QueueInfo&queuename=FaceClustering&queueaction=pause");
    server.submit("/action=FaceClustering&database=people");
    let listen = server.address.to_string();
    let (_, findings) = doctor(data.path(), &["--listen", &listen, "--service-listen", "off"]);
    let (verdict_running, found) = verdict(&findings, "store");
    assert_eq!(verdict_running, "ok", "{findings:#}");
    assert!(found.starts_with("in use by process ") && found.ends_with("which is well"), "{found}");
    assert!(server.terminate().success());
    let (_, findings) = doctor(data.path(), &FREE_PORTS);
    let (verdict_closed, found) = verdict(&findings, "store");
    assert!(verdict_closed == "ok" && found.ends_with("1 databases, 1 jobs, 1 to be done"), "{found}");
}

#[test]
fn doctor_fails_with_what_would_fail_a_start() {
    let data = tempfile::tempdir().unwrap();
    fs::set_permissions(data.path(), fs::Permissions::from_mode(0o777)).unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let listen = taken.local_addr().unwrap().to_string();
    let (code, findings) = doctor(data.path(), &["--listen", &listen, "--service-listen", "off", "--pack", "/nowhere"]);
    assert_eq!(code, 1);
    for check in ["configuration", "model pack", "data directory", "ACI port"] {
        assert_eq!(verdict(&findings, check).0, "fail", "{findings:#}");
    }
    let wrong = program(&["doctor", "--config", "/nowhere.toml"]).output().unwrap();
    let text = String::from_utf8(wrong.stdout).unwrap();
    assert!(wrong.status.code() == Some(1) && text.contains("FAIL") && text.contains("what to do"), "{text}");
}
