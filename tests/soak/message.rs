//! A request as bytes, in any of its forms; or in one that is wrong.

use std::io::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flate2::Compression;
use flate2::write::GzEncoder;

use crate::answer::Bodied;
use crate::plan::{Given, Plan, Port};
use crate::random::{Random, mangle};

/// What goes over the wire.
#[derive(Debug)]
pub(crate) struct Message {
    pub(crate) port: Port,
    pub(crate) bytes: Vec<u8>,
    /// Whether its end is where its head says: then exactly one answer comes, without anything further being sent.
    pub(crate) is_framed: bool,
    /// Whether the server is told that nothing follows.
    pub(crate) is_last: bool,
    pub(crate) bodied: Bodied,
    /// The action, if the request makes sense.
    pub(crate) sound: Option<String>,
}

/// A request being written.
struct Draft {
    method: &'static str,
    target: Vec<u8>,
    version: &'static str,
    headers: Vec<(String, Vec<u8>)>,
    body: Vec<u8>,
    is_chunked: bool,
    is_framed: bool,
    is_sound: bool,
}

/// More than this does not fit into the head: it goes into the body.
const MAX_TARGET: usize = 6 << 10;

/// The bytes of a plan.
pub(crate) fn message(plan: &Plan, random: &mut Random) -> Message {
    let mut draft = draft(plan, random);
    if random.one_in(5) {
        spoil(&mut draft, random);
    }
    let mut bytes = written(&draft, random);
    if !draft.is_framed && random.one_in(2) || random.one_in(20) {
        let other = bytes.clone();
        mangle(&mut bytes, &other, random);
        draft.is_framed = false;
    }
    let is_last = draft.version != "HTTP/1.1" || draft.headers.iter().any(|(name, _)| name == "Connection");
    Message {
        port: plan.port,
        is_framed: draft.is_framed,
        is_last,
        bodied: if draft.method == "HEAD" { Bodied::No } else { Bodied::Yes },
        sound: (plan.is_sound && draft.is_sound && draft.is_framed).then(|| plan.action.clone()),
        bytes,
    }
}

fn draft(plan: &Plan, random: &mut Random) -> Draft {
    let mut given = plan.given.clone();
    if !plan.action.is_empty() {
        let name = random.choose(&["action", "Action", "a"]);
        given.insert(0, Given::text(name, plan.action.as_bytes()));
    }
    let size: usize = given.iter().map(|one| one.value.len() + one.name.len()).sum();
    let in_target =
        if size > MAX_TARGET / 3 && !random.one_in(50) { 0 } else { [given.len(), given.len(), 1, 0][random.below(4)] };
    let behind = given.split_off(in_target.min(given.len()));
    let mut draft = Draft {
        method: "GET",
        target: target(&given, random),
        version: "HTTP/1.1",
        headers: vec![("Host".to_owned(), b"localhost".to_vec())],
        body: Vec::new(),
        is_chunked: false,
        is_framed: true,
        is_sound: true,
    };
    if random.one_in(4) {
        draft.headers.push(("Accept-Encoding".to_owned(), b"gzip, deflate".to_vec()));
    }
    if !behind.is_empty() || random.one_in(20) {
        draft.method = "POST";
        with_body(&mut draft, &behind, random);
    }
    draft
}

fn target(given: &[Given], random: &mut Random) -> Vec<u8> {
    let text = urlencoded(given, random);
    let is_path_form =
        text.to_ascii_lowercase().starts_with(b"a=") || text.to_ascii_lowercase().starts_with(b"action=");
    let begin: &[u8] = match random.below(4) {
        0 if is_path_form => b"/",
        1 if is_path_form => b"/mediaserver/",
        2 => b"/mediaserver/?",
        _ => b"/?",
    };
    [begin, &text].concat()
}

fn urlencoded(given: &[Given], random: &mut Random) -> Vec<u8> {
    let mut text = Vec::new();
    for one in given {
        if !text.is_empty() {
            text.push(b'&');
        }
        escape(&one.name, &mut text, random);
        text.push(b'=');
        if one.is_upload {
            escape(STANDARD.encode(&one.value).as_bytes(), &mut text, random);
        } else {
            escape(&one.value, &mut text, random);
        }
    }
    text
}

fn escape(bytes: &[u8], text: &mut Vec<u8>, random: &mut Random) {
    let leaves_utf8 = random.one_in(8) && std::str::from_utf8(bytes).is_ok();
    for &byte in bytes {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'/' | b',' | b':' => text.push(byte),
            0xA0.. if leaves_utf8 => text.push(byte),
            b' ' if random.one_in(2) => text.push(b'+'),
            _ => text.extend(format!("%{byte:02X}").bytes()),
        }
    }
}

fn with_body(draft: &mut Draft, given: &[Given], random: &mut Random) {
    let (kind, body) = match random.below(4) {
        0 => ("application/x-www-form-urlencoded".to_owned(), urlencoded(given, random)),
        1 => ("text/plain; charset=ISO-8859-1".to_owned(), urlencoded(given, random)),
        _ => {
            let boundary = random.choose(&["b", "----WebKitFormBoundary7MA4YWxkTrZu0gW", "x.y'z"]);
            (format!("multipart/form-data; boundary=\"{boundary}\""), multipart(given, boundary, random))
        }
    };
    draft.body = body;
    if !random.one_in(12) || kind.starts_with("multipart") {
        draft.headers.push(("Content-Type".to_owned(), kind.into_bytes()));
    }
    if random.one_in(12) {
        let mut packer = GzEncoder::new(Vec::new(), Compression::fast());
        packer.write_all(&draft.body).unwrap();
        draft.body = packer.finish().unwrap();
        draft.headers.push(("Content-Encoding".to_owned(), b"gzip".to_vec()));
    }
    draft.is_chunked = random.one_in(4);
    if random.one_in(30) {
        draft.headers.push(("Expect".to_owned(), b"100-continue".to_vec()));
    }
}

fn multipart(given: &[Given], boundary: &str, random: &mut Random) -> Vec<u8> {
    let mut body = Vec::new();
    for one in given {
        body.extend(format!("--{boundary}\r\nContent-Disposition: form-data; name=\"").bytes());
        for &byte in &one.name {
            match byte {
                b'"' | b'\\' => body.extend([b'\\', byte]),
                other => body.push(other),
            }
        }
        body.push(b'"');
        match random.below(5) {
            0 if one.is_upload => {
                body.extend(b"\r\nContent-Type: multipart/mixed; boundary=inner\r\n\r\n--inner\r\nContent-Type: image/bmp\r\n\r\n");
                body.extend(&one.value);
                body.extend(b"\r\n--inner--\r\n");
            }
            1 => {
                body.extend(b"\r\nContent-Transfer-Encoding: base64\r\n\r\n");
                body.extend(STANDARD.encode(&one.value).bytes());
            }
            2 => {
                body.extend(b"; filename=\"../x.jpg\"\r\nContent-Type: application/octet-stream\r\n\r\n");
                body.extend(&one.value);
            }
            _ => {
                body.extend(b"\r\n\r\n");
                body.extend(&one.value);
            }
        }
        body.extend(b"\r\n");
    }
    body.extend(format!("--{boundary}--\r\n").bytes());
    body
}

/// One fault of the head or the body.
fn spoil(draft: &mut Draft, random: &mut Random) {
    draft.is_sound = false;
    let mut header = |name: &str, value: &[u8]| draft.headers.push((name.to_owned(), value.to_vec()));
    match random.below(20) {
        0 => header(
            "Content-Type",
            random.choose(&[
                &b"image/jpeg"[..],
                b"multipart/form-data",
                b"multipart/form-data; boundary=\"\xff\"",
                b"",
                b"application/json",
            ]),
        ),
        1 => header("Content-Encoding", random.choose(&[&b"gzip"[..], b"br", b"gzip, gzip", b"identity"])),
        2 => header("Origin", b"https://evil.example"),
        3 => {
            draft.headers[0].1 =
                random.choose(&[&b"evil.example"[..], b"", b"[::1", b"localhost:99999", b"127.0.0.1\xff"]).to_vec();
        }
        4 => header("Sec-Fetch-Site", b"cross-site"),
        5 => header("X-Long", &vec![b'x'; 1 << (4 + random.below(12))]),
        6 => (0..random.below(150)).for_each(|i| header(&format!("X-{i}"), b"y")),
        7 => header("Connection", random.choose(&[&b"close"[..], b"keep-alive", b"upgrade"])),
        8 => header("Authorization", b"Bearer \x80\xff"),
        9 => draft.method = random.choose(&["PUT", "DELETE", "OPTIONS", "PATCH", "HEAD", "TRACE"]),
        10 => draft.version = "HTTP/1.0",
        11 => {
            draft.target = random
                .choose(&[
                    &b"/health"[..],
                    b"/metrics",
                    b"/ready",
                    b"/review/x",
                    b"/",
                    b"/a=",
                    b"/?",
                    b"/action",
                    b"//a=getpid",
                ])
                .to_vec();
        }
        12 => {
            let other = draft.body.clone();
            mangle(&mut draft.body, &other, random);
        }
        13 => draft.body.truncate(draft.body.len() / 2),
        14 => draft.body.resize(draft.body.len() + (1 << (8 + random.below(11))), b'z'),
        // From here on the end of the request is not where it says, or is nowhere.
        _ => {
            draft.is_framed = false;
            match random.below(7) {
                0 => header(
                    "Content-Length",
                    random.choose(&[&b"0"[..], b"5", b"99999999", b"18446744073709551616", b"-1", b"1, 2"]),
                ),
                1 => header(
                    "Transfer-Encoding",
                    random.choose(&[&b"chunked"[..], b"gzip, chunked", b"identity", b"chunked, chunked"]),
                ),
                2 => header("Content-Length", draft.body.len().to_string().as_bytes()),
                3 => draft.version = random.choose(&["HTTP/2.0", "HTTP/0.9", "HTTP/1.2", "", "HTTP/1.1 x"]),
                4 => {
                    draft.target = random
                        .choose(&[
                            &b""[..],
                            b"*",
                            b"http://[",
                            b"a b",
                            b"/\x01",
                            b"localhost:1",
                            b"http://evil.example/a=getpid",
                        ])
                        .to_vec();
                }
                5 => header("X\r\n: y\nZ", b"\0"),
                _ => draft.target.resize(70_000, b'y'),
            }
        }
    }
    if random.one_in(10) {
        draft.method = if draft.method == "GET" { "POST" } else { "GET" };
    }
}

fn written(draft: &Draft, random: &mut Random) -> Vec<u8> {
    let mut bytes = [draft.method.as_bytes(), b" ", &draft.target, b" ", draft.version.as_bytes(), b"\r\n"].concat();
    for (name, value) in &draft.headers {
        bytes.extend([name.as_bytes(), b": ", value, b"\r\n"].concat());
    }
    if draft.is_chunked {
        bytes.extend(b"Transfer-Encoding: chunked\r\n\r\n");
        let size = 1 + random.below(draft.body.len() + 1);
        for chunk in draft.body.chunks(size.max(draft.body.len() / 64)) {
            bytes.extend(format!("{:x}\r\n", chunk.len()).bytes());
            bytes.extend([chunk, b"\r\n"].concat());
        }
        bytes.extend(b"0\r\n\r\n");
    } else {
        if draft.method != "GET" || !draft.body.is_empty() {
            bytes.extend(format!("Content-Length: {}\r\n", draft.body.len()).bytes());
        }
        bytes.extend(b"\r\n");
        bytes.extend(&draft.body);
    }
    bytes
}
