//! Bodies and answers packed by gzip (contract R41, R83, R156).

use std::io::{Read as _, Write as _};

use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;

use crate::raw::{Answer, Raw};
use crate::server::{Server, server};

fn packed(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// Posts a body whose Content-Encoding is said to be `coding`.
fn post(client: &mut Raw, coding: &str, content_type: &str, body: &[u8]) -> Answer {
    let head = format!(
        "POST /a=q HTTP/1.1\r\nHost: localhost\r\nContent-Encoding: {coding}\r\nContent-Type: {content_type}\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    client.send(head).send(body).answer()
}

fn get(client: &mut Raw, target: &str, accepted: &str) -> Answer {
    client.send(format!("GET {target} HTTP/1.1\r\nHost: localhost\r\nAccept-Encoding: {accepted}\r\n\r\n")).answer()
}

#[test]
fn a_gzipped_form_is_unpacked() {
    let server = server();
    let mut client = server.connect();
    for coding in ["gzip", "X-GZIP"] {
        assert_eq!(post(&mut client, coding, "text/plain", &packed(b"x=1&y=Zo%C3%AB")).echo(), ["x=1", "y=Zoë"]);
    }
    assert_eq!(post(&mut client, "identity", "text/plain", b"x=2").echo(), ["x=2"]);
    let body = packed(b"x=3");
    client
        .send("POST /a=q HTTP/1.1\r\nHost: localhost\r\nContent-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n");
    for byte in body {
        client.send("1\r\n").send([byte]).send("\r\n");
    }
    assert_eq!(client.send("0\r\n\r\n").answer().echo(), ["x=3"]);
}

#[test]
fn a_gzipped_upload_goes_through_multipart_to_disk_as_it_comes() {
    let server = server();
    let head = "--b1\r\nContent-Disposition: form-data; name=\"dbdata\"\r\n\r\n";
    let body = [head.as_bytes(), &b"row ".repeat(2_000_000), b"\r\n--b1--\r\n"].concat();
    let body = packed(&body);
    assert!(body.len() < 100_000);
    let answer = post(&mut server.connect(), "gzip", "multipart/form-data; boundary=b1", &body);
    assert_eq!(answer.echo(), [format!("dbdata:8000000:{}", "row ".repeat(5))]);
}

#[test]
fn r156_a_bomb_is_refused_at_the_limit() {
    let server = Server::start(|settings| settings.limits.max_request_size = 1_000_000);
    let bomb = packed(&vec![b'x'; 30_000_000]);
    for content_type in ["text/plain", "multipart/form-data; boundary=b", "image/jpeg"] {
        let mut client = server.connect();
        let answer = post(&mut client, "gzip", content_type, &bomb);
        assert!([13, 20].contains(&answer.error()), "{}", answer.body); // as parts and pictures it is nonsense at once
    }
    let head = b"--b\r\nContent-Disposition: form-data; name=dbdata\r\n\r\n";
    let bomb = packed(&[&head[..], &vec![b'x'; 30_000_000]].concat());
    let mut client = server.connect();
    let answer = post(&mut client, "gzip", "multipart/form-data; boundary=b", &bomb);
    assert_eq!(answer.error(), 20);
    assert!(
        answer.body.contains("the unpacked body of the request has too many bytes, more than the limit of 1000000")
    );
    assert_eq!(std::fs::read_dir(server.spool.path()).unwrap().count(), 0);
}

#[test]
fn r12_what_cannot_be_unpacked_is_error_13() {
    let server = server();
    let good = packed(b"x=1");
    let mut flipped = good.clone();
    flipped[12] ^= 0xFF;
    for (coding, body) in [
        ("gzip", &b"x=1"[..]),
        ("gzip", &good[..good.len() - 1]),
        ("gzip", &flipped),
        ("br", b"x=1"),
        ("deflate", b"x=1"),
        ("gzip, gzip", &packed(&good)),
    ] {
        let mut client = server.connect();
        let answer = post(&mut client, coding, "text/plain", body);
        assert_eq!(answer.error(), 13, "{coding}");
    }
    let mut client = server.connect();
    let head = "POST /a=q HTTP/1.1\r\nHost: localhost\r\nContent-Encoding: zstd\r\nExpect: 100-continue\r\nContent-Length: 9\r\n\r\n";
    let answer = client.send(head).answer();
    assert_eq!(answer.error(), 13, "R21: judged before 100 Continue");
    assert!(answer.body.contains("a body of Content-Encoding 'zstd' is not understood"), "{}", answer.body);
}

#[test]
fn r41_a_long_answer_is_packed_for_who_names_gzip_and_for_nobody_else() {
    let server = server();
    let mut client = server.connect();
    for bytes in [1_024, 65_536, 65_537, 3_000_000] {
        let target = format!("/a=stream&bytes={bytes}");
        let answer = get(&mut client, &target, "gzip, x-gzip, deflate");
        assert_eq!((answer.header("content-encoding"), answer.body.len()), (Some("gzip"), bytes));
        assert!(answer.bytes < bytes / 5, "{} of {bytes} bytes", answer.bytes);
        for accepted in ["deflate, br", "*", "gzip;q=0", "identity"] {
            let answer = get(&mut client, &target, accepted);
            assert_eq!((answer.header("content-encoding"), answer.bytes), (None, bytes), "{accepted}");
        }
    }
    let short = get(&mut client, "/a=stream&bytes=1023", "gzip");
    assert_eq!((short.header("content-encoding"), short.bytes), (None, 1_023));
    let picture = get(&mut client, "/a=picture", "gzip");
    assert_eq!((picture.header("content-encoding"), picture.bytes), (None, 100_000));
    let old = client.send("GET /a=stream&bytes=300000 HTTP/1.0\r\nAccept-Encoding: gzip\r\n\r\n").answer();
    assert_eq!((old.header("content-encoding"), old.body.len()), (Some("gzip"), 300_000));
}

#[test]
fn r83_what_is_flushed_is_sent_at_once_and_can_be_unpacked() {
    let server = server();
    let mut client = server.connect();
    let head = client.send("GET /a=trickle HTTP/1.1\r\nHost: localhost\r\nAccept-Encoding: gzip\r\n\r\n").head();
    assert_eq!(head.header("content-encoding"), Some("gzip"));
    let mut all = Vec::new();
    for word in ["one", "onetwo"] {
        all.extend(client.chunk());
        let mut text = vec![0; word.len()];
        GzDecoder::new(&all[..]).read_exact(&mut text).unwrap();
        assert_eq!(text, word.as_bytes());
    }
    while let piece @ [_, ..] = &client.chunk()[..] {
        all.extend(piece);
    }
    let mut text = String::new();
    GzDecoder::new(&all[..]).read_to_string(&mut text).unwrap();
    assert_eq!(text, "onetwo");
}

#[test]
fn a_packed_answer_that_breaks_off_is_seen_to_be_broken_off() {
    let server = server();
    let mut client = server.connect();
    client.send("GET /a=panic%20late HTTP/1.1\r\nHost: localhost\r\nAccept-Encoding: gzip\r\n\r\n");
    // perhaps nothing of it was sent: packed, so much of the same is little
    assert!(!client.rest().ends_with(b"0\r\n\r\n"), "the last chunk must not be there");
}
