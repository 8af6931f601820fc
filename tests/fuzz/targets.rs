//! What is fuzzed: functions that take any bytes and panic only if the product does, or says what it must not.
//!
//! The same bodies are run by libFuzzer (`make fuzz`) and, over the corpus and seeded mutations of it, by `cargo test`.

#[path = "../support/answer.rs"]
mod answer;
#[path = "../support/judge.rs"]
mod judge;
mod wire;

use std::cell::RefCell;
use std::fs::File;
use std::io::{Seek as _, Write as _};
use std::sync::Arc;

use faceclique::aci::form::Form;
use faceclique::aci::intake::Intake;
use faceclique::aci::{Fault, Limits, Parameters, Part, Request, Value, date};
use faceclique::config::Sources;
use faceclique::exchange::{ExchangeError, Format, Options, Reader, Source};
use faceclique::face::{DatabaseName, ImageLabel};
use jiff::Timestamp;
use jiff::tz::TimeZone;

/// A name and what it leads to.
type Target = (&'static str, fn(&[u8]));

/// All targets; each has a folder of that name in the corpus.
pub(crate) const TARGETS: [Target; 10] = [
    ("request", wire::request),
    ("multipart", wire::multipart),
    ("form", form),
    ("values", values),
    ("jsonl", |bytes| read(bytes, Format::Jsonl)),
    ("csv", |bytes| read(bytes, Format::Csv)),
    ("npy", npy),
    ("npz", |bytes| read(bytes, Format::Npz)),
    ("toml", |bytes| config(bytes, "toml")),
    ("ini", |bytes| config(bytes, "cfg")),
];

/// Runs one of them.
#[allow(dead_code, reason = "libFuzzer's entry; tests go through the table")]
pub(crate) fn run(name: &str, bytes: &[u8]) {
    let (_, target) = TARGETS.iter().find(|(known, _)| *known == name).expect("a target of the table");
    target(bytes);
}

/// What a client or an operator reads is one line of bearable length.
fn is_readable(message: &str) {
    assert!(!message.is_empty() && message.len() < 8 << 10, "{} bytes: {message:.200}", message.len());
    assert!(!message.chars().any(char::is_control), "{}", message.escape_debug());
}

/// An urlencoded body: the same parts however it is cut into pieces, and within the limits.
fn form(bytes: &[u8]) {
    let limits =
        Arc::new(Limits { max_input_string: 200, max_parts: 20, max_file_upload_size: 500, ..Limits::default() });
    let cut = |size: usize| {
        let mut intake = Intake::new(Arc::clone(&limits));
        let mut form = Form::new();
        for piece in bytes.chunks(size) {
            form.push(piece, &mut intake)?;
        }
        form.finish(&mut intake)?;
        Ok::<_, Fault>(intake.finish())
    };
    let (whole, pieces) = (cut(bytes.len().max(1)), cut(3));
    match (whole, pieces) {
        (Ok(whole), Ok(pieces)) => {
            assert!(whole.len() <= 20);
            assert_eq!(format!("{whole:?}"), format!("{pieces:?}"));
            if let Err(fault) = Request::new(whole) {
                is_readable(&fault.description);
            }
        }
        (Err(whole), Err(_)) => is_readable(&whole.description),
        (whole, pieces) => panic!("as a whole {whole:?}, in pieces {pieces:?}"),
    }
}

/// One text as every kind of value that a parameter may have.
fn values(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let part = Part { name: "x".to_owned(), value: Value::Text(text.to_owned()) };
    let Ok(Request { parameters, .. }) = Request::new(vec![part]) else { return };
    let zone = TimeZone::fixed(jiff::tz::offset(2));
    let now = Timestamp::from_second(1_800_000_000).unwrap();
    let elements = told(parameters.list("x"));
    if let Some(elements) = &elements {
        let again: Vec<_> = elements.iter().map(|element| quoted(element)).collect();
        let part = Part { name: "x".to_owned(), value: Value::Text(again.join(",")) };
        let again: Parameters = Request::new(vec![part]).unwrap().parameters;
        assert_eq!(told(again.list("x")).as_ref(), Some(elements), "quoted it is the same list");
    }
    if let Some(pairs) = told(parameters.pairs("x")) {
        assert!(pairs.iter().all(|(key, value)| !key.is_empty() && !value.is_empty()));
    }
    if let Some(at) = told(parameters.date("x", &zone, now)) {
        let shown = date::job_date(at, &zone);
        assert_eq!(date::parse(&shown, &zone, now).map(Timestamp::as_second), Some(at.as_second()), "{shown}");
    }
    told(parameters.integer("x", 0..=u64::MAX));
    told(parameters.integer("x", 1..=100));
    told(parameters.boolean("x"));
    told(parameters.threshold("x"));
    told(parameters.name("x", DatabaseName::new));
    told(parameters.names("x", ImageLabel::new));
    let _ = faceclique::job::Token::parse(text);
}

fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

fn told<T>(value: Result<Option<T>, Fault>) -> Option<T> {
    value.map_err(|fault| is_readable(&fault.description)).ok().flatten()
}

/// A file with these bytes, the same one again and again.
fn file(bytes: &[u8], which: usize) -> File {
    thread_local! {
        static FILES: RefCell<Vec<File>> = RefCell::new((0..2).map(|_| tempfile::tempfile().unwrap()).collect());
    }
    FILES.with_borrow_mut(|files| {
        let mut file = files[which].try_clone().unwrap();
        file.set_len(0).unwrap();
        file.rewind().unwrap();
        file.write_all(bytes).unwrap();
        file
    })
}

fn read(bytes: &[u8], format: Format) {
    read_all(Source { file: file(bytes, 0), ids: None, format });
}

/// An array; what stands before it is its ids file.
fn npy(bytes: &[u8]) {
    let at = bytes.windows(6).position(|six| six == b"\x93NUMPY").unwrap_or(0);
    let ids = if at == 0 { b"identifier,imagelabel\nAnn,1\nAnn,2\nBob,1\n" } else { &bytes[..at] };
    read_all(Source { file: file(&bytes[at..], 0), ids: Some(file(ids, 1)), format: Format::Npy });
}

/// Reads to the end: no more than the limits, at most one error that ends it, nothing behind that.
fn read_all(source: Source) {
    const MAX_ROWS: usize = 300;
    let limits = faceclique::exchange::Limits {
        max_unpacked_bytes: 1 << 20,
        max_text_bytes: 1 << 16,
        max_rows: MAX_ROWS as u64,
        max_line_bytes: 4096,
    };
    let mut reader = match Reader::open(source, &Options { limits, ..Options::default() }) {
        Ok(reader) => reader,
        Err(error) => return is_readable(&error.to_string()),
    };
    let mut n_entries = 0;
    while let Some(entry) = reader.next_entry() {
        let progress = reader.progress();
        assert!(progress.done <= progress.total, "{progress:?}");
        match entry {
            Ok(_) => n_entries += 1,
            Err(ExchangeError::BadRow(bad)) => {
                is_readable(&bad.to_string());
                n_entries += 1;
            }
            Err(error) => {
                is_readable(&error.to_string());
                assert!(reader.next_entry().is_none(), "nothing comes behind an error");
            }
        }
    }
    assert!(n_entries <= MAX_ROWS);
}

/// A configuration file of this form.
fn config(bytes: &[u8], ending: &str) {
    thread_local! {
        static FOLDER: tempfile::TempDir = tempfile::tempdir().unwrap();
    }
    let path = FOLDER.with(|folder| folder.path().join(format!("fuzz.{ending}")));
    std::fs::write(&path, bytes).unwrap();
    match (Sources { file: Some(path), ..Sources::default() }).read() {
        Ok(reading) => {
            reading.settings().flatten().for_each(drop);
            reading.warnings.iter().for_each(|warning| is_readable(warning));
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }
}
