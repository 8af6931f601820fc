//! HTTP itself: methods, versions, connections, what is below ACI (contract R3, R4, R21, R39-R43).

use std::sync::atomic::Ordering;
use std::time::Duration;

use crate::server::{Server, server};

#[test]
fn r39_r40_r42_an_answer_has_status_200_and_its_headers_even_for_errors() {
    let server = server();
    let mut client = server.connect();
    for target in ["/a=getpid", "/a=q&x=%zz"] {
        let answer = client.get(target);
        assert_eq!(answer.status, 200);
        assert_eq!(answer.header("content-type"), Some("text/xml; charset=UTF-8"));
        assert_eq!(answer.header("cache-control"), Some("no-store"));
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
        assert_eq!(answer.header("content-length"), Some(answer.body.len().to_string().as_str()));
        assert!(answer.body.starts_with("<?xml version='1.0' encoding='UTF-8' ?><autnresponse "), "{}", answer.body);
    }
}

#[test]
fn r4_other_methods_are_405_with_an_empty_body() {
    let server = server();
    for method in ["PUT", "DELETE", "HEAD", "OPTIONS", "BREW"] {
        let mut client = server.connect();
        let request = format!("{method} /a=getpid HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
        let head = client.send(request).head();
        assert_eq!((head.status, head.header("allow")), (405, Some("GET, POST")), "{method}");
        client.expect_end();
    }
}

#[test]
fn r4_the_body_of_a_get_is_read_and_ignored() {
    let server = server();
    let mut client = server.connect();
    let answer = client.send("GET /a=q&x=1 HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\na=%zz").answer();
    assert_eq!(answer.echo(), ["x=1"]);
    assert_eq!(client.get("/a=q&x=2").echo(), ["x=2"]);
}

#[test]
fn r21_keep_alive_and_pipelined_requests() {
    let server = server();
    let mut client = server.connect();
    let one = |n: u8| format!("POST /a=q HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\n\r\nx={n}");
    client.send(one(1) + &one(2) + &one(3)[..20]);
    assert_eq!(client.answer().echo(), ["x=1"]);
    assert_eq!(client.answer().echo(), ["x=2"]);
    assert_eq!(client.send(&one(3)[20..]).answer().echo(), ["x=3"]);
}

#[test]
fn r21_http_1_0_and_connection_close() {
    let server = server();
    for request in
        ["GET /a=q&x=1 HTTP/1.0\r\n\r\n", "GET /a=q&x=1 HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"]
    {
        let mut client = server.connect();
        assert_eq!(client.send(request).answer().echo(), ["x=1"]);
        client.expect_end();
    }
    let mut client = server.connect();
    let keep = "GET /a=q&x=1 HTTP/1.0\r\nConnection: keep-alive\r\n\r\n";
    assert_eq!(client.send(keep).answer().echo(), ["x=1"]);
    assert_eq!(client.send(keep).answer().echo(), ["x=1"]);
    let long = server.connect().send("GET /a=stream&bytes=300000 HTTP/1.0\r\n\r\n").answer();
    assert_eq!((long.header("transfer-encoding"), long.body.len()), (None, 300_000));
}

#[test]
fn r21_a_client_that_closes_its_sending_side_gets_its_answer() {
    let server = server();
    let mut client = server.connect();
    client.send("GET /a=q&x=1 HTTP/1.1\r\nHost: localhost\r\n\r\n").close_sending();
    assert_eq!(client.answer().echo(), ["x=1"]);
    client.expect_end();
}

#[test]
fn r21_expect_100_continue() {
    let server = server();
    let mut client = server.connect();
    client.send("POST /a=q HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n");
    assert_eq!(client.head().status, 100);
    assert_eq!(client.send("x=1").answer().echo(), ["x=1"]);
}

#[test]
fn r21_what_the_headers_show_is_refused_before_100_continue() {
    let server = server();
    for head in [
        "POST /a=q HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nContent-Length: 1000000000\r\n\r\n",
        "POST /a=q&x=%zz HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n",
        "POST /a=q HTTP/1.1\r\nHost: evil.example\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n",
    ] {
        let mut client = server.connect();
        let answer = client.send(head).answer();
        assert_eq!(answer.header("connection"), Some("close"));
        assert!([20, 13, 30].contains(&answer.error()));
        client.expect_end();
    }
}

#[test]
fn r21_chunked_bodies_may_have_extensions_and_trailers() {
    let server = server();
    let mut client = server.connect();
    client.send("POST /a=q HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n");
    client.send("3;why=not\r\nx=1\r\n4\r\n&y=2\r\n0\r\nX-Sum: 7\r\na: b\r\n\r\n");
    assert_eq!(client.answer().echo(), ["x=1", "y=2"]);
    assert_eq!(client.get("/a=q&x=3").echo(), ["x=3"]);
}

#[test]
fn r1_a_target_may_be_a_whole_address() {
    let server = server();
    let ask = |target: &str| {
        server.connect().send(format!("GET {target} HTTP/1.1\r\nHost: localhost:14000\r\n\r\n")).answer()
    };
    assert_eq!(ask("http://localhost:14000/a=q&x=1").echo(), ["x=1"]);
    assert_eq!(ask("http://127.0.0.1/?action=q&x=1").echo(), ["x=1"]);
    assert_eq!(ask("http://localhost/health").body, "ok");
    assert_eq!(ask("http://evil.example/a=q&x=1").error(), 30);
    assert_eq!(ask("*").echo(), [""; 0]);
}

#[test]
fn two_lengths_are_not_a_length() {
    let server = server();
    for headers in ["Content-Length: 3\r\nContent-Length: 4", "Content-Length: -3", "Transfer-Encoding: gzip"] {
        let mut client = server.connect();
        let answer = client.send(format!("POST /a=q HTTP/1.1\r\nHost: localhost\r\n{headers}\r\n\r\nx=1")).answer();
        assert_eq!(answer.status, 400, "{headers}");
    }
}

#[test]
fn a_bearer_token_reaches_the_service_whatever_the_letter_case_of_its_scheme() {
    let server = server();
    let ask = |headers: &str| {
        let answer =
            server.connect().send(format!("GET /a=client HTTP/1.1\r\nHost: localhost\r\n{headers}\r\n")).answer();
        answer.echo()[0].to_owned()
    };
    for scheme in ["Bearer", "bearer", "BEARER "] {
        assert_eq!(ask(&format!("Authorization: {scheme} s3c.r-e_t/+~==\r\n")), "s3c.r-e_t/+~==");
    }
    for headers in [
        "",
        "Authorization: Basic czNjcmV0\r\n",
        "Authorization: Bearer\r\n",
        "Authorization: Bearer \r\n",
        "Authorization: s3cret\r\n",
        "Authorization: Bearer a\r\nAuthorization: Bearer b\r\n",
        "Authorization: Bearer \u{e9}\r\n",
    ] {
        assert_eq!(ask(headers), "-", "{headers}");
    }
}

#[test]
fn r39_what_is_not_http_is_400() {
    let server = server();
    for bytes in [
        &b"hello\r\n\r\n"[..],
        b"GET /a=q HTTP/1.1\r\nbad header\r\n\r\n",
        b"GET / HTTP/3.7\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: x\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
        b"GET /a=\xFF HTTP/1.1\r\n\r\n",
    ] {
        let mut client = server.connect();
        let answer = client.send(bytes).answer();
        assert_eq!((answer.status, answer.body.as_str()), (400, ""), "{}", String::from_utf8_lossy(bytes));
        client.expect_end();
    }
}

#[test]
fn r39_a_broken_chunked_body_is_400() {
    let server = server();
    let mut client = server.connect();
    client.send("POST /a=q HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n");
    assert_eq!(client.answer().status, 400);
    client.expect_end();
}

#[test]
fn r12_broken_utf8_and_control_characters_are_error_13() {
    let server = server();
    let mut client = server.connect();
    for target in ["/a=q&x=%FF", "/a=q&x=%00", "/a=q&x=%C3", "/a=q&x=%1b%5B"] {
        assert_eq!(client.get(target).error(), 13, "{target}");
    }
    assert_eq!(client.post("/a=q", "", b"x=\xFF").error(), 13);
    let raw = "/a=q&x=Zoë&metadata=born:1930,\"note,|{}^long\":1";
    assert_eq!(client.get(raw).echo(), ["metadata=born:1930,\"note,|{}^long\":1", "x=Zoë"]);
}

#[test]
fn r161_foreign_pages_are_error_30() {
    let server = server();
    let ask = |headers: &str| server.connect().send(format!("GET /a=q HTTP/1.1\r\n{headers}\r\n\r\n")).answer();
    for headers in [
        "Host: evil.example",
        "Host: localhost\r\nOrigin: http://evil.example",
        "Host: localhost\r\nOrigin: null",
        "Host: localhost\r\nSec-Fetch-Site: cross-site",
    ] {
        assert_eq!(ask(headers).error(), 30, "{headers}");
    }
    assert_eq!(
        ask("Host: 127.0.0.1:14000\r\nOrigin: http://127.0.0.1:14000\r\nSec-Fetch-Site: same-origin").status,
        200
    );
    assert_eq!(server.connect().send("GET /health HTTP/1.1\r\nHost: evil.example\r\n\r\n").answer().status, 403);
}

#[test]
fn r58_r160_a_client_without_a_role_is_refused_before_its_body_is_read() {
    let server = server();
    server.service.admits_nobody.store(true, Ordering::SeqCst);
    let mut client = server.connect();
    let head = "POST /a=TrainFace&x=%zz HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000000\r\n\r\n";
    let answer = client.send(head).answer();
    assert_eq!(answer.error(), 30);
    assert!(answer.body.contains("<action>TRAINFACE</action>"), "{}", answer.body);
    client.expect_end();
}

#[test]
fn r3_r180_paths_that_are_not_aci() {
    let server = server();
    let mut client = server.connect();
    let answer = client.get("/health");
    assert_eq!((answer.status, answer.body.as_str()), (200, "ok"));
    for path in ["/metrics", "/review", "/review/x?action=q"] {
        assert_eq!(client.get(path).status, 404, "{path}");
    }
    let answer = client.get("/ready");
    assert_eq!((answer.status, answer.body.as_str()), (200, "ready"));
    for path in ["/healthy", "/metrics/", "/reviews", "/x/health", "/ready/"] {
        assert_eq!(client.get(path).echo(), [""; 0], "{path}");
    }
    client.get("/a=stream&bytes=10");
    let answer = client.get("/health");
    assert_eq!((answer.status, answer.body.as_str()), (503, "the worker has stopped"));
    assert_eq!(client.get("/ready").status, 503);
}

#[test]
fn r43_an_idle_connection_outlives_the_time_for_headers() {
    let server = Server::start(|settings| settings.header_timeout = Duration::from_millis(100));
    let mut client = server.connect();
    for _ in 0..2 {
        std::thread::sleep(Duration::from_millis(250)); // longer than the timeout that must not strike
        assert_eq!(client.get("/a=q&x=1").echo(), ["x=1"]);
    }
}

#[test]
fn an_idle_connection_is_closed_in_the_end_without_a_word() {
    // long enough for a client that is slow to begin
    let server = Server::start(|settings| settings.idle_timeout = Duration::from_secs(2));
    let mut client = server.connect();
    assert_eq!(client.get("/a=q&x=1").echo(), ["x=1"]);
    client.expect_end();
    server.connect().expect_end();
}
