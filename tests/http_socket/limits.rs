//! Clients that send too much, too slowly, or are too many (contract R39, R156, R157).

use std::io::Write as _;
use std::net::{SocketAddr, UdpSocket};
use std::time::Duration;

use crate::raw::Raw;
use crate::server::{Server, server, wait_until};

#[test]
fn r156_a_gigabyte_is_refused_from_its_header() {
    let server = server();
    let mut client = server.connect();
    let head = "POST /a=TrainFace HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000000\r\n\r\n";
    let answer = client.send(head).answer();
    assert_eq!(answer.error(), 20);
    assert!(answer.body.contains("more than the limit of 268435456 (setting MaxRequestSize)"), "{}", answer.body);
    assert_eq!(answer.header("connection"), Some("close"));
    client.expect_end();
}

#[test]
fn r156_a_client_that_does_not_listen_while_it_sends_still_gets_its_answer() {
    let server = Server::start(|settings| settings.limits.max_request_size = 1_000_000);
    let piece = vec![b'x'; 1_000_000];
    let head = "POST /a=TrainFace HTTP/1.1\r\nHost: localhost\r\n";
    let mut client = server.connect();
    client.send(format!("{head}Content-Length: 50000000\r\n\r\n"));
    for _ in 0..50 {
        assert!(client.try_send(&piece));
    }
    assert_eq!(client.answer().error(), 20);
    client.expect_end();

    let mut client = server.connect();
    client.send(format!("{head}Transfer-Encoding: chunked\r\n\r\n"));
    for _ in 0..50 {
        assert!(client.try_send(b"f4240\r\n") && client.try_send(&piece) && client.try_send(b"\r\n"));
    }
    let answer = client.answer();
    assert_eq!(answer.error(), 20);
    client.expect_end();
}

#[test]
fn r156_lingering_has_an_end() {
    let server = Server::start(|settings| {
        settings.limits.max_request_size = 1000;
        settings.linger_timeout = Duration::from_millis(200);
    });
    let mut client = server.connect();
    client.send("POST /a=q HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000000000\r\n\r\n");
    let piece = vec![b'x'; 1_000_000];
    while client.try_send(&piece) {}
}

#[test]
fn r156_values_and_images_are_refused_while_they_arrive() {
    let server = server();
    let form = "application/x-www-form-urlencoded";
    let head =
        format!("POST /a=q HTTP/1.1\r\nHost: localhost\r\nContent-Type: {form}\r\nContent-Length: 200000000\r\n\r\n");
    for (start, setting) in [("x=", "MaxInputString"), ("imagedata=", "MaxFileUploadSize"), ("", "MaxInputString")] {
        let mut client = server.connect();
        client.send(&head).send(start);
        let piece = vec![b'A'; 1_000_000];
        for _ in 0..20 {
            assert!(client.try_send(&piece));
        }
        let answer = client.answer();
        assert_eq!(answer.error(), 20);
        assert!(answer.body.contains(&format!("(setting {setting})")), "{}", answer.body);
    }
    let value = format!("x={}", "é".repeat(64_000));
    assert_eq!(server.connect().post("/a=q", form, &value).echo()[0].chars().count(), 64_002);
    assert_eq!(server.connect().post("/a=q", form, value + "é").error(), 20);
}

#[test]
fn r156_parts_without_an_end_to_their_head_are_refused() {
    let server = server();
    for start in ["", "--b1\r\nContent-Disposition: form-data; name=\"x", "--b1\r\n\r\n\r\n--b1\r\nX: "] {
        let body = format!("{start}{}", "y".repeat(5_000_000));
        assert_eq!(server.connect().post("/a=q", "multipart/form-data; boundary=b1", body).error(), 13, "{start}");
    }
}

#[test]
fn an_import_file_goes_to_disk_while_it_arrives_and_vanishes_with_its_client() {
    const PIECE: usize = 1_000_000;
    let server = server();
    let mut client = server.connect();
    client.send("POST /a=ImportFaceDatabase HTTP/1.1\r\nHost: localhost\r\nContent-Length: 200000000\r\n");
    client.send("Content-Type: multipart/form-data; boundary=b1\r\n\r\n");
    client.send("--b1\r\nContent-Disposition: form-data; name=\"dbdata\"; filename=\"f\"\r\n\r\n");
    let piece = vec![b'x'; PIECE];
    for _ in 0..100 {
        assert!(client.try_send(&piece));
    }
    let on_disk = || -> u64 {
        let files = std::fs::read_dir(server.spool.path()).unwrap();
        files.filter_map(|file| file.ok()?.metadata().ok()).map(|file| file.len()).sum()
    };
    wait_until("it is on the disk", || on_disk() >= 99 * PIECE as u64);
    drop(client);
    wait_until("it is on the disk no more", || on_disk() == 0);
}

#[test]
fn r156_too_many_parameters_are_refused() {
    let body = "p=1&".repeat(10_001);
    let answer = server().connect().post("/", "text/plain", body);
    assert_eq!(answer.error(), 20);
    assert!(answer.body.contains("(setting MaxParts)"));
}

#[test]
fn r39_headers_that_are_too_large_are_431() {
    let server = server();
    let mut client = server.connect();
    client.send("GET /a=q HTTP/1.1\r\nHost: localhost\r\n");
    let header = format!("X: {}\r\n", "x".repeat(10_000));
    for _ in 0..14 {
        assert!(client.try_send(header.as_bytes()));
    }
    assert!(client.try_send(b"\r\n"));
    assert_eq!(client.answer().status, 431);
    client.expect_end();
    let target = |length: usize| format!("/a=q&x={}", "y".repeat(length));
    assert_eq!(server.connect().get(&target(60_000)).status, 200, "a long request line is no harm");
    let mut client = server.connect();
    assert_eq!(client.get(&target(60_000)).status, 200);
    assert_eq!(client.get(&target(70_000)).status, 431);
    client.expect_end();
}

#[test]
fn r157_headers_that_do_not_end_are_408() {
    let server = Server::start(|settings| settings.header_timeout = Duration::from_millis(200));
    let mut client = server.connect();
    assert_eq!(client.send("GET /a=q HTT").answer().status, 408);
    client.expect_end();
    let mut client = server.connect();
    assert_eq!(client.get("/a=q&x=1").echo(), ["x=1"]);
    assert_eq!(client.send("GET /a=q HTTP/1.1\r\nHost: localh").answer().status, 408);
    client.expect_end();
}

#[test]
fn r157_a_body_that_does_not_come_is_408() {
    let server = Server::start(|settings| settings.body_timeout = Duration::from_millis(200));
    for content_type in ["text/plain", "multipart/form-data; boundary=b", "image/jpeg"] {
        let mut client = server.connect();
        let head = "POST /a=q HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\nContent-Type:";
        assert_eq!(client.send(format!("{head} {content_type}\r\n\r\n")).answer().status, 408, "{content_type}");
        client.expect_end();
    }
}

#[test]
fn r157_a_body_that_comes_byte_by_byte_does_not_hold_its_place_for_ever() {
    let server = Server::start(|settings| {
        settings.body_timeout = Duration::from_secs(10);
        settings.request_timeout = Duration::from_millis(300);
    });
    let mut client = server.connect();
    client.send("POST /a=q HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100000\r\n\r\n");
    let begun = std::time::Instant::now();
    let mut sent = 0;
    while begun.elapsed() < Duration::from_millis(600) && client.try_send(b"x") {
        sent += 1;
        std::thread::sleep(Duration::from_millis(5)); // the trickle itself
    }
    assert!(sent < 100_000, "all of it was sent");
    assert_eq!(client.answer().status, 408);
    client.expect_end();
}

/// An address of this machine that is not loopback, if it has one. Nothing is sent.
fn beyond_loopback(port: u16) -> Option<SocketAddr> {
    let socket = UdpSocket::bind("0.0.0.0:0").ok()?;
    socket.connect("192.0.2.1:9").ok()?; // a documentation address, which is nobody's
    let ip = socket.local_addr().ok()?.ip();
    (!ip.is_loopback()).then(|| SocketAddr::new(ip, port))
}

#[test]
fn r39_one_address_cannot_take_all_places() {
    let server = Server::start_everywhere(|settings| settings.max_connections_per_address = 2);
    let Some(address) = beyond_loopback(server.address.port()) else {
        let _ = writeln!(std::io::stderr(), "SKIPPED: this machine has no address but loopback");
        return;
    };
    let mut first = Raw::connect(address);
    let mut second = Raw::connect(address);
    assert_eq!((first.get("/a=q").status, second.get("/a=q").status), (200, 200));
    assert_eq!(Raw::connect(address).answer().status, 503);
    let here = SocketAddr::from(([127, 0, 0, 1], address.port()));
    let mut others: Vec<_> = (0..5).map(|_| Raw::connect(here)).collect();
    assert!(others.iter_mut().all(|other| other.get("/a=q").status == 200));
}

#[test]
fn r39_one_connection_too_many_is_503() {
    let server = Server::start(|settings| settings.max_connections = 1);
    let mut first = server.connect();
    assert_eq!(first.get("/a=q&x=1").echo(), ["x=1"]);
    let mut second = server.connect();
    assert_eq!(second.answer().status, 503);
    second.expect_end();
    assert_eq!(first.get("/a=q&x=2").echo(), ["x=2"]);
    drop(first);
    // The place is free again as soon as the server has seen the end of the first.
    wait_until("the place is free", || {
        let mut client = server.connect();
        client.try_send(b"GET /a=q HTTP/1.1\r\nHost: localhost\r\n\r\n") && client.answer().status == 200
    });
}
