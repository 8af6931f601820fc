//! Answers that are long, late or go wrong, and the end of the server (contract R41, R83).

use std::net::TcpStream;
use std::sync::atomic::Ordering;
use std::time::Duration;

use crate::server::{PATIENCE, Server, server};

#[test]
fn a_panic_is_error_79_and_the_server_goes_on() {
    let server = server();
    let mut client = server.connect();
    for action in ["panic", "fail"] {
        let answer = client.get(&format!("/a={action}"));
        assert_eq!(answer.error(), 79);
        assert!(answer.body.contains(&format!("<errorid>FACECLIQUE{}79</errorid>", action.to_uppercase())));
    }
    assert_eq!(client.get("/a=q&x=1").echo(), ["x=1"]);
}

#[test]
fn an_answer_that_breaks_off_is_seen_to_be_broken_off() {
    let server = server();
    let mut client = server.connect();
    let head = client.send("GET /a=panic%20late HTTP/1.1\r\nHost: localhost\r\n\r\n").head();
    assert_eq!(head.header("transfer-encoding"), Some("chunked"));
    let rest = client.rest();
    assert!(!rest.ends_with(b"0\r\n\r\n"), "the last chunk must not be there");
    assert_eq!(server.connect().get("/a=q&x=1").echo(), ["x=1"]);
}

#[test]
fn r41_up_to_64_kib_have_a_length_and_more_is_chunked() {
    let server = server();
    let mut client = server.connect();
    let answer = client.get("/a=stream&bytes=65536");
    assert_eq!((answer.header("content-length"), answer.body.len()), (Some("65536"), 65_536));
    let answer = client.get("/a=stream&bytes=65537");
    assert_eq!((answer.header("content-length"), answer.body.len()), (None, 65_537));
}

#[test]
fn r41_a_long_answer_waits_for_its_client() {
    const TOTAL: u64 = 100_000_000;
    let server = server();
    let events = server.service.events();
    let mut client = server.connect();
    let head = client.send(format!("GET /a=stream&bytes={TOTAL} HTTP/1.1\r\nHost: localhost\r\n\r\n")).head();
    assert_eq!(head.header("transfer-encoding"), Some("chunked"));
    events.recv_timeout(PATIENCE).unwrap(); // the first million bytes are written, and none is read
    let mut read = 0;
    loop {
        let chunk = client.chunk().len() as u64;
        if chunk == 0 {
            break;
        }
        read += chunk;
        server.service.read.store(read, Ordering::SeqCst);
    }
    assert_eq!(read, TOTAL);
    let lead = server.service.lead.load(Ordering::SeqCst);
    assert!(lead < 25_000_000, "the service was {lead} bytes ahead, which is more than the buffers of two sockets");
}

#[test]
fn writing_fails_when_the_client_has_gone() {
    let server = server();
    let events = server.service.events();
    let mut client = server.connect();
    client.send("GET /a=stream&bytes=1000000000 HTTP/1.1\r\nHost: localhost\r\n\r\n").head();
    drop(client);
    let last =
        std::iter::from_fn(|| events.recv_timeout(PATIENCE).ok()).find(|event| event.starts_with("write failed"));
    assert_eq!(last.as_deref(), Some("write failed: BrokenPipe"));
}

#[test]
fn r157_a_client_that_does_not_read_is_disconnected() {
    let server = Server::start(|settings| settings.answer_timeout = Duration::from_millis(200));
    let events = server.service.events();
    let mut client = server.connect();
    client.send("GET /a=stream&bytes=1000000000 HTTP/1.1\r\nHost: localhost\r\n\r\n").head();
    let last =
        std::iter::from_fn(|| events.recv_timeout(PATIENCE).ok()).find(|event| event.starts_with("write failed"));
    assert_eq!(last.as_deref(), Some("write failed: BrokenPipe"));
}

#[test]
fn r83_what_is_flushed_is_sent_at_once() {
    let server = server();
    let mut client = server.connect();
    client.send("GET /a=trickle HTTP/1.1\r\nHost: localhost\r\n\r\n").head();
    assert_eq!([client.chunk(), client.chunk(), client.chunk()], [&b"one"[..], b"two", b""]);
}

#[test]
fn r157_clients_who_do_not_read_take_no_turn_from_others() {
    let server = Server::start(|settings| settings.request_threads = 1);
    let events = server.service.events();
    let mut lazy = server.connect();
    lazy.send("GET /a=stream&bytes=100000000 HTTP/1.1\r\nHost: localhost\r\n\r\n").head();
    events.recv_timeout(PATIENCE).unwrap(); // it writes, and nobody reads
    let mut client = server.connect();
    for _ in 0..3 {
        assert_eq!(client.get("/a=q&x=1").echo(), ["x=1"]);
    }
    let mut read = 0;
    while read < 100_000_000 {
        read += lazy.chunk().len();
    }
}

#[test]
fn r80_a_request_that_waits_for_a_job_takes_no_turn_from_others() {
    let server = Server::start(|settings| settings.request_threads = 1);
    let (events, gate) = (server.service.events(), server.service.gate());
    let mut waiting = server.connect();
    waiting.send("GET /a=wait%20aside&x=1 HTTP/1.1\r\nHost: localhost\r\n\r\n");
    events.recv_timeout(PATIENCE).unwrap();
    assert_eq!(server.connect().get("/a=q&x=2").echo(), ["x=2"]);
    gate.send(()).unwrap();
    assert_eq!(waiting.answer().echo(), ["x=1"]);
}

#[test]
fn a_panic_gives_its_turn_back() {
    let server = Server::start(|settings| settings.request_threads = 1);
    for _ in 0..3 {
        assert_eq!(server.connect().get("/a=panic").error(), 79);
        server.connect().send("GET /a=panic%20late HTTP/1.1\r\nHost: localhost\r\n\r\n").head();
    }
    assert_eq!(server.connect().get("/a=q&x=1").echo(), ["x=1"]);
}

#[test]
fn shutdown_finishes_what_is_in_flight_and_closes_what_is_idle() {
    let mut server = server();
    let (events, gate) = (server.service.events(), server.service.gate());
    let mut idle = server.connect();
    assert_eq!(idle.get("/a=q&x=1").echo(), ["x=1"]);
    let mut client = server.connect();
    client.send("GET /a=wait&x=2 HTTP/1.1\r\nHost: localhost\r\n\r\n");
    events.recv_timeout(PATIENCE).unwrap();
    server.stop();
    idle.expect_end();
    assert!(TcpStream::connect(server.address).is_err(), "nobody new is served");
    gate.send(()).unwrap();
    assert_eq!(client.answer().echo(), ["x=2"]);
    client.expect_end();
    server.join();
}

#[test]
fn a_client_that_connected_before_the_end_is_answered_what_it_asks_behind_it() {
    let mut server =
        Server::start(|settings| (settings.first_timeout, settings.shutdown_timeout) = (PATIENCE, PATIENCE));
    let mut client = server.connect();
    let mut next = server.connect();
    assert_eq!(next.get("/a=q&x=1").echo(), ["x=1"]); // they are taken in the order in which they came
    server.stop();
    next.expect_end();
    assert_eq!(client.get("/a=q&x=2").echo(), ["x=2"]);
    client.expect_end();
    server.join();
}

#[test]
fn shutdown_does_not_wait_for_a_client_that_never_asks() {
    let mut server = Server::start(|settings| {
        (settings.first_timeout, settings.shutdown_timeout) = (Duration::from_millis(1), 2 * PATIENCE);
    });
    let mut client = server.connect();
    assert_eq!(server.connect().get("/a=q&x=1").echo(), ["x=1"]);
    server.stop();
    client.expect_end();
    server.join();
}

#[test]
fn shutdown_does_not_wait_beyond_its_deadline() {
    let mut server = Server::start(|settings| settings.shutdown_timeout = Duration::from_millis(200));
    let (events, gate) = (server.service.events(), server.service.gate());
    let mut client = server.connect();
    client.send("GET /a=wait HTTP/1.1\r\nHost: localhost\r\n\r\n");
    events.recv_timeout(PATIENCE).unwrap();
    server.stop();
    server.join();
    client.expect_end();
    gate.send(()).unwrap();
}
