//! Requests as clients send them, and what they are decoded to: `fixtures/aci/*.http` against `*.expected`.
//!
//! A line of a fixture ends with CR LF, as on the wire. To write the expectation of a new fixture, put an empty file
//! in its place and read the failure.

use std::fmt::Write as _;
use std::fs;
use std::net::SocketAddr;
use std::path::Path;

use futures_util::stream;
use http_body_util::{Full, StreamBody};
use hyper::body::Frame;
use proptest::prelude::*;

use super::*;
use crate::aci::{Envelope, Health, Limits, Reply, ResponseFormat};
use crate::http::Settings;

/// A service that is never asked.
struct Nobody;

impl Service for Nobody {
    fn admit(&self, _: &Client) -> Result<(), Fault> {
        Ok(())
    }

    fn answer(&self, _: Result<Request, Refused>, _: &Client, _: &mut dyn Reply) -> io::Result<Outcome> {
        unreachable!("decoding only")
    }

    fn health(&self, _: &Client) -> Health {
        Health::Well
    }
}

fn shared(directory: &Path) -> Shared {
    let limits = Limits {
        max_input_string: 100,
        max_file_upload_size: 1000,
        max_request_size: 10_000,
        max_parts: 10,
        spool_from: 64,
        spool_directory: directory.to_owned(),
        ..Limits::default()
    };
    Shared::new(Arc::new(Nobody), Settings { limits, ..Settings::default() })
}

/// How a body arrives.
#[derive(Debug, Clone, Copy)]
enum Arrival {
    /// With its length, at once.
    Whole,
    /// Chunked, in pieces of so many bytes.
    Pieces(usize),
}

/// Decodes a raw request, head and body; nothing if hyper would not have taken it for HTTP.
fn decoded(raw: &[u8], arrival: Arrival, shared: &Shared) -> Option<Result<Request, Refused>> {
    let end = raw.windows(4).position(|four| four == b"\r\n\r\n")?;
    let head = str::from_utf8(&raw[..end]).ok()?;
    let mut lines = head.split("\r\n");
    let (method, rest) = lines.next()?.split_once(' ')?;
    let (target, _) = rest.rsplit_once(' ')?;
    let mut builder = hyper::Request::builder().method(method).uri(target);
    for line in lines {
        let (name, value) = line.split_once(':')?;
        builder = builder.header(name, value.trim());
    }
    let (head, ()) = builder.body(()).ok()?.into_parts();
    let body = Bytes::copy_from_slice(&raw[end + 4..]);
    let client = Client::at(SocketAddr::from(([127, 0, 0, 1], 50_000)));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let decoding = async {
        match arrival {
            Arrival::Whole => decode(&head, Full::new(body), &client, shared).await,
            Arrival::Pieces(size) => {
                let pieces: Vec<_> =
                    body.chunks(size).map(|piece| Ok::<_, io::Error>(Frame::data(body.slice_ref(piece)))).collect();
                decode(&head, StreamBody::new(stream::iter(pieces)), &client, shared).await
            }
        }
    };
    runtime.block_on(decoding).ok().map(|(request, _)| request)
}

fn shown(request: Result<Request, Refused>) -> String {
    let mut text = String::new();
    match request {
        Ok(request) => {
            writeln!(text, "action {:?}", request.action).unwrap();
            if request.format != ResponseFormat::Xml {
                writeln!(text, "answered as {:?}", request.format).unwrap();
            }
            for (name, value) in request.parameters.texts() {
                writeln!(text, "{name} = {value:?}").unwrap();
            }
            for (name, uploads) in request.parameters.all_uploads() {
                for upload in uploads {
                    let content_type = upload.content_type.as_deref().unwrap_or("-");
                    let bytes = String::from_utf8_lossy(&upload.read_all().unwrap()).into_owned();
                    writeln!(text, "{name} : {content_type:?}, {} bytes, {:?}", upload.len(), cut(&bytes)).unwrap();
                }
            }
            if let Err(fault) = request.parameters.read(|_| Ok(())) {
                writeln!(text, "then {} {}", fault.code.number(), fault.description).unwrap();
            }
        }
        Err(Refused { action, format, fault }) => {
            let mut answer = Vec::new();
            Envelope::new(&mut answer, format).refuse(&action, &fault, "DD Mon YY hh:mm:ss").unwrap();
            writeln!(text, "{}", String::from_utf8(answer).unwrap()).unwrap();
        }
    }
    text
}

fn cut(text: &str) -> String {
    text.chars().take(100).collect()
}

#[test]
fn requests_are_decoded_as_expected() {
    let directory = tempfile::tempdir().unwrap();
    let shared = shared(directory.path());
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/aci");
    let mut names: Vec<_> = fs::read_dir(fixtures).unwrap().map(|entry| entry.unwrap().path()).collect();
    names.retain(|path| path.extension().is_some_and(|extension| extension == "http"));
    names.sort();
    assert!(names.len() >= 30, "{}", names.len());
    let mut wrong = String::new();
    for name in names {
        let expected = fs::read_to_string(name.with_extension("expected")).unwrap_or_default();
        let raw = fs::read(&name).unwrap();
        for arrival in [Arrival::Whole, Arrival::Pieces(1), Arrival::Pieces(7), Arrival::Pieces(64)] {
            let found = decoded(&raw, arrival, &shared).map_or_else(|| "not HTTP\n".to_owned(), shown);
            if found != expected {
                writeln!(wrong, "{} {arrival:?}\nexpected:\n{expected}found:\n{found}", name.display()).unwrap();
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn any_body_of_any_type_is_decoded_or_refused(
        content_type in prop::sample::select(vec![
            "", "text/plain", "multipart/form-data; boundary=b", "multipart/form-data", "image/jpeg",
        ]),
        pieces in prop::collection::vec(prop::sample::select(vec![
            &b"--b\r\n"[..], b"--b--", b"\r\n", b"Content-Disposition: form-data; name=\"imagedata\"\r\n", b"--c\r\n",
            b"Content-Type: multipart/mixed; boundary=c\r\n\r\n", b"--c--", b"\xFF\x00", b"a=b&imagedata=aGk%3D,",
            b"Content-Disposition: form-data; name=x\r\n\r\n", b"Content-Transfer-Encoding: base64\r\n", b"aGk=", b"--",
        ]), 0..20),
        size in 1usize..50,
    ) {
        let directory = tempfile::tempdir().unwrap();
        let head = format!("POST /a=x HTTP/1.1\r\nContent-Type: {content_type}\r\n\r\n");
        let raw = [head.as_bytes(), &pieces.concat()].concat();
        let shared = shared(directory.path());
        let whole = decoded(&raw, Arrival::Whole, &shared).map(shown);
        prop_assert!(whole.is_some());
        prop_assert_eq!(decoded(&raw, Arrival::Pieces(size), &shared).map(shown), whole);
    }
}
