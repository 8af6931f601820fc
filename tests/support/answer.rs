//! An HTTP answer taken off the wire by a reader that forgives nothing.

#![allow(dead_code, reason = "each test binary uses its part")]

use std::io::{self, BufRead, Read as _};

/// No answer is longer.
const MOST: usize = 64 << 20;

/// One answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// Names in lower case.
    pub(crate) headers: Vec<(String, String)>,
    /// Chunks joined, unpacked.
    pub(crate) body: Vec<u8>,
}

impl Answer {
    /// The value of a header, if it is there exactly once.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut values = self.headers.iter().filter(|(known, _)| known == name);
        let (Some((_, value)), None) = (values.next(), values.next()) else { return None };
        Some(value)
    }

    /// Whether the connection ends with it.
    pub(crate) fn closes(&self) -> bool {
        self.header("connection").is_some_and(|value| value.eq_ignore_ascii_case("close"))
    }
}

/// Why there is no answer.
#[derive(Debug)]
pub(crate) enum NoAnswer {
    /// The connection ended before its first byte.
    Ended,
    /// The connection ended in the middle of it.
    CutOff(String),
    /// It did not come in time, or not at all.
    Late(io::Error),
    /// It is not HTTP.
    Malformed(String),
}

impl From<io::Error> for NoAnswer {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => Self::Late(error),
            _ => Self::CutOff(error.to_string()),
        }
    }
}

fn malformed<T>(why: impl Into<String>) -> Result<T, NoAnswer> {
    Err(NoAnswer::Malformed(why.into()))
}

/// Whether an answer has a body, which its request decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Bodied {
    Yes,
    /// It answers HEAD.
    No,
}

/// Reads one answer; interim ones (100 Continue) are passed over.
pub(crate) fn read(from: &mut impl BufRead, bodied: Bodied) -> Result<Answer, NoAnswer> {
    loop {
        let (status, headers) = head(from)?;
        if (100..200).contains(&status) {
            continue;
        }
        let mut answer = Answer { status, headers, body: Vec::new() };
        if bodied == Bodied::Yes {
            answer.body = body(from, &answer)?;
        }
        match answer.header("content-encoding") {
            None => {}
            Some("gzip") => {
                let mut unpacked = Vec::new();
                if let Err(error) = flate2::read::GzDecoder::new(answer.body.as_slice()).read_to_end(&mut unpacked) {
                    return malformed(format!("the body is not gzip: {error}"));
                }
                answer.body = unpacked;
            }
            Some(other) => return malformed(format!("the body is packed as '{other}'")),
        }
        return Ok(answer);
    }
}

/// A line without its CR LF; nothing at the end.
fn line(from: &mut impl BufRead) -> Result<Option<String>, NoAnswer> {
    let mut line = Vec::new();
    from.take(64 << 10).read_until(b'\n', &mut line)?;
    if line.is_empty() {
        return Ok(None);
    }
    let Some(text) = line.strip_suffix(b"\r\n") else {
        let shown = line.escape_ascii().to_string();
        return if line.ends_with(b"\n") {
            malformed(format!("a bare line feed behind '{shown}'"))
        } else {
            Err(NoAnswer::CutOff(shown))
        };
    };
    match String::from_utf8(text.to_vec()) {
        Ok(text) if text.chars().all(|c| !c.is_control()) => Ok(Some(text)),
        _ => malformed(format!("a line of the head is '{}'", text.escape_ascii())),
    }
}

fn head(from: &mut impl BufRead) -> Result<(u16, Vec<(String, String)>), NoAnswer> {
    let Some(first) = line(from)? else { return Err(NoAnswer::Ended) };
    let status = first.strip_prefix("HTTP/1.1 ").or_else(|| first.strip_prefix("HTTP/1.0 "));
    let digits = status.and_then(|rest| rest.get(..3)).unwrap_or_default();
    let Ok(status) = digits.parse() else { return malformed(format!("the status line is '{first}'")) };
    let mut headers = Vec::new();
    loop {
        match line(from)? {
            None => return Err(NoAnswer::CutOff("in the head".to_owned())),
            Some(line) if line.is_empty() => return Ok((status, headers)),
            Some(line) => match line.split_once(':') {
                Some((name, value)) if !name.is_empty() && !name.contains(' ') => {
                    headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
                }
                _ => return malformed(format!("a header is '{line}'")),
            },
        }
    }
}

fn body(from: &mut impl BufRead, answer: &Answer) -> Result<Vec<u8>, NoAnswer> {
    match (answer.header("content-length"), answer.header("transfer-encoding")) {
        (Some(length), None) => match length.parse::<usize>() {
            Ok(length) if length <= MOST => exactly(from, length),
            _ => malformed(format!("Content-Length is '{length}'")),
        },
        (None, Some("chunked")) => chunks(from),
        (None, None) if answer.closes() || answer.status == 200 => {
            let mut body = Vec::new(); // to a client of HTTP/1.0
            from.take(MOST as u64).read_to_end(&mut body)?;
            Ok(body)
        }
        (length, encoding) => malformed(format!("Content-Length {length:?} with Transfer-Encoding {encoding:?}")),
    }
}

fn exactly(from: &mut impl BufRead, length: usize) -> Result<Vec<u8>, NoAnswer> {
    let mut bytes = vec![0; length];
    from.read_exact(&mut bytes)?;
    Ok(bytes)
}

fn chunks(from: &mut impl BufRead) -> Result<Vec<u8>, NoAnswer> {
    let mut body = Vec::new();
    loop {
        let Some(size) = line(from)? else { return Err(NoAnswer::CutOff("between two chunks".to_owned())) };
        let Ok(size) = usize::from_str_radix(&size, 16) else { return malformed(format!("a chunk size is '{size}'")) };
        if size > MOST || body.len() + size > MOST {
            return malformed(format!("the body has more than {MOST} bytes"));
        }
        body.extend(exactly(from, size)?);
        match line(from)? {
            Some(end) if end.is_empty() => {}
            None => return Err(NoAnswer::CutOff("behind a chunk".to_owned())),
            Some(end) => return malformed(format!("behind a chunk is '{end}'")),
        }
        if size == 0 {
            return Ok(body);
        }
    }
}
