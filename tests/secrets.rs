//! What a client sends in confidence is in no line of the log, however much is logged (contract R162).
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "support/server.rs"]
mod server;

use server::{Server, between, token, wait_for};

const BEARER: &str = "bearer-4f1b9c2d7e";
const PICTURE: &str = "picture-8a6c3e5b0d";
/// The same in base64.
const PICTURE_BASE64: &str = "cGljdHVyZS04YTZjM2U1YjBk";
const EMBEDDING: &str = "0.1234567,0.7654321";

/// The head of a request that shows the token.
fn head(rest: &str) -> String {
    format!("{rest} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {BEARER}\r\nConnection: close\r\n")
}

fn posted(server: &Server, target: &str, content_type: &str, body: &str) {
    let head = head(&format!("POST {target}"));
    let (length, more) = (body.len(), format!("Content-Type: {content_type}\r\n"));
    server.raw(format!("{head}{more}Content-Length: {length}\r\n\r\n{body}").as_bytes());
}

#[test]
fn r162_no_token_no_picture_and_no_embedding_is_in_the_log() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start_with(folder.path(), &["--log", "trace"]);
    server.get("/a=CreateFaceDatabase&database=people");
    server.get("/a=NewFace&database=people&identifier=ann");
    let target = "/action=AddFaceImages&database=people&identifier=ann";
    let part = |name: &str, content: &str| {
        format!(
            "--b\r\nContent-Disposition: form-data; name=\"{name}\"\r\nContent-Type: text/plain\r\n\r\n{content}\r\n"
        )
    };
    let multipart = "multipart/form-data; boundary=b";
    for content in [part("imagedata", PICTURE), part("embedding", EMBEDDING)] {
        posted(&server, target, multipart, &format!("{content}--b--\r\n"));
        posted(&server, target, multipart, &content); // broken: its end is missing
        posted(&server, "/action=Nonsense", multipart, &format!("{content}--b--\r\n"));
    }
    let form = "application/x-www-form-urlencoded";
    posted(&server, target, form, &format!("imagedata={PICTURE_BASE64}"));
    posted(&server, target, form, &format!("imagedata={PICTURE_BASE64}&imagedata=%zz"));
    server.get(&format!("{target}&imagedata={PICTURE_BASE64}"));
    server.raw(format!("{}Origin: http://evil.example\r\n\r\n", head("GET /a=getpid")).as_bytes());
    server.raw(format!("{}bad header\r\n\r\n", head("GET /a=getpid")).as_bytes());
    let clustering = token(&server.get("/action=FaceClustering&database=people"));
    server.status("FaceClustering", &clustering);
    let log = wait_for(|| {
        let lines = server.said("");
        // each is written when its request has been answered, perhaps behind the one of the next request
        let is_there = |action| lines.iter().any(|line: &String| line.contains(action) && line.contains("answered"));
        if is_there("FaceClustering") && is_there("QueueInfo") { Ok(lines) } else { Err(lines.join("\n")) }
    });
    for secret in [BEARER, PICTURE, PICTURE_BASE64, "0.1234567", "0.7654321"] {
        let found: Vec<_> = log.iter().filter(|line| line.contains(secret)).collect();
        assert!(found.is_empty(), "{found:#?}");
    }
    let of = |action: &str| log.iter().find(|line| line.contains(action) && line.contains("answered")).unwrap();
    for action in ["FaceClustering", "QueueInfo"] {
        let line = of(&format!("action=\"{action}\""));
        assert_eq!(between(line, "token=", " "), clustering, "each request says which job it is about: {line}");
    }
}
