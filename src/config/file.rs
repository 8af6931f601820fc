//! The configuration file from the disk: its text, and which of the two forms it has.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

use super::report::Report;
use super::said::Said;
use super::{ini, media, toml_file};

/// A configuration file has at most so many bytes.
const MAX_FILE: u64 = 4 << 20;

/// A certificate, key or list of authorities has at most so many bytes.
pub(super) const MAX_PEM: u64 = 4 << 20;

/// Reads the file in whichever form it has.
pub(super) fn read(path: &Path, said: &mut Said, report: &mut Report) {
    match read_limited(path, MAX_FILE) {
        Ok(text) => read_text(&text, path, &open, said, report),
        Err(why) => report.fault(why),
    }
}

fn open(path: &Path) -> io::Result<String> {
    read_limited(path, MAX_FILE).map_err(io::Error::other)
}

/// Reads the text of a file; `open` reads those it includes.
pub(super) fn read_text(text: &str, path: &Path, open: ini::Open<'_>, said: &mut Said, report: &mut Report) {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    match Form::of(path, text) {
        Form::Toml => toml_file::read(text, &path.display().to_string(), said, report),
        Form::Ini => media::read(&ini::read(text, path, open, report), said, report),
    }
}

/// The two forms of a configuration file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    /// This program's own.
    Toml,
    /// A media server's.
    Ini,
}

impl Form {
    /// By the ending: `.toml`, `.cfg`, `.ini`. With another ending a text that is no TOML and has a section that a
    /// media server's file always has is one.
    fn of(path: &Path, text: &str) -> Self {
        let ending = path.extension().and_then(|ending| ending.to_str()).unwrap_or_default().to_ascii_lowercase();
        match ending.as_str() {
            "toml" => Self::Toml,
            "cfg" | "ini" => Self::Ini,
            _ => {
                let is_section = |line: &str| {
                    ["[server]", "[service]", "[license]", "[authorizationroles]"]
                        .iter()
                        .any(|section| line.trim().to_ascii_lowercase().starts_with(section))
                };
                let is_ini = text.lines().any(is_section) && !toml_file::is_toml(text);
                if is_ini { Self::Ini } else { Self::Toml }
            }
        }
    }
}

/// The bytes of a file of certificates, or why they cannot be had.
pub(crate) fn read_pem(path: &Path) -> Result<Vec<u8>, String> {
    bytes_limited(path, MAX_PEM)
}

/// The text of a file of at most `most` bytes, or why it cannot be had.
pub(super) fn read_limited(path: &Path, most: u64) -> Result<String, String> {
    String::from_utf8(bytes_limited(path, most)?).map_err(|error| {
        let valid = error.utf8_error().valid_up_to();
        let line = error.as_bytes()[..valid].split(|&byte| byte == b'\n').count();
        format!("{} line {line} is not UTF-8", path.display())
    })
}

/// All of a file or nothing: what has more than `most` bytes is refused, never cut.
fn bytes_limited(path: &Path, most: u64) -> Result<Vec<u8>, String> {
    let shown = path.display();
    let mut bytes = Vec::new();
    File::open(path)
        .and_then(|file| file.take(most + 1).read_to_end(&mut bytes))
        .map_err(|error| format!("cannot read {shown}: {error}"))?;
    if bytes.len() as u64 > most {
        return Err(format!("{shown} has more than {most} bytes"));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_form_is_told_by_the_ending_and_then_by_the_content() {
        let form = |name: &str, text| Form::of(Path::new(name), text);
        assert_eq!(form("a.toml", "[Server]\nPort=x"), Form::Toml);
        assert_eq!(form("a.CFG", "[server]\nlisten = 'x'"), Form::Ini);
        assert_eq!(form("a.ini", ""), Form::Ini);
        assert_eq!(form("a", "[Server]\nPort=14000\nName=x y"), Form::Ini);
        assert_eq!(form("a.conf", "// comment\n[License] < \"x.cfg\" [License]"), Form::Ini);
        assert_eq!(form("a", "[server]\nlisten = '127.0.0.1:1'"), Form::Toml);
        assert_eq!(form("a", "what is this"), Form::Toml);
    }

    #[test]
    fn a_file_that_cannot_be_had_says_why() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.toml");
        assert!(read_limited(&path, 10).unwrap_err().contains("cannot read"));
        std::fs::write(&path, "12345678901").unwrap();
        assert!(read_limited(&path, 10).unwrap_err().ends_with("has more than 10 bytes"));
        assert!(read_limited(&path, 11).is_ok());
        std::fs::write(&path, b"a\nb\xff").unwrap();
        assert!(read_limited(&path, 10).unwrap_err().ends_with("line 2 is not UTF-8"));
    }
}
