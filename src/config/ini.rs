//! The form of a media server's configuration file: sections, `key=value`, comments, and parts of other files.
//!
//! Comments begin with `//`, `#` or `;`, at the beginning of a line or behind a blank; inside double quotes they do
//! not. Sections and keys are compared without regard to letter case. Of a key given twice the last counts, so that a
//! file may include another one's section and then say what differs:
//!
//! ```text
//! < "other.cfg"                        every section of the other file
//! < "other.cfg" [Shared]               that section
//! [Server] < "other.cfg" [Shared]      its keys, in a section of this file
//! < "other.cfg" [Shared] Key=default   one key of it, in the section in which this stands
//! ```
//!
//! Paths of other files are relative to the file in which they are named.
//!
//! **Promises.** Reading ends: files include one another to a limited depth and number.
//!
//! **Not here.** What the keys mean: `media`.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::report::{Place, Report};

/// Files may include files that include files, so deep and no deeper.
const MAX_DEPTH: usize = 8;
/// Inclusions in all.
const MAX_INCLUDES: usize = 256;

/// `key=value`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) key: String,
    /// As it stands there, quotes and all, without a comment.
    pub(super) value: String,
    pub(super) place: Place,
}

/// A section, or a part of one that is continued elsewhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Section {
    pub(super) name: String,
    pub(super) entries: Vec<Entry>,
    pub(super) place: Place,
}

/// Gives the text of a file.
pub(super) type Open<'a> = &'a dyn Fn(&Path) -> io::Result<String>;

/// Reads a file; `open` reads those it includes.
pub(super) fn read(text: &str, path: &Path, open: Open<'_>, report: &mut Report) -> Vec<Section> {
    let mut includes = MAX_INCLUDES;
    parse(text, path, 0, &mut Reader { open, includes: &mut includes, report })
}

/// The value of an entry: quotes around the whole are dropped.
pub(super) fn unquoted(value: &str) -> String {
    let quoted = value.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
    quoted.map_or_else(|| value.to_owned(), |inner| inner.replace("\\\"", "\""))
}

struct Reader<'a> {
    open: Open<'a>,
    includes: &'a mut usize,
    report: &'a mut Report,
}

fn parse(text: &str, path: &Path, depth: usize, reader: &mut Reader<'_>) -> Vec<Section> {
    let file: Arc<str> = path.display().to_string().into();
    let mut sections: Vec<Section> = Vec::new();
    for (n, line) in text.lines().enumerate() {
        let place = Place::Line { file: Arc::clone(&file), line: n + 1 };
        let line = without_comment(line.trim());
        let heading = line.strip_prefix('[').and_then(|rest| rest.split_once(']'));
        let (name, rest) = match heading {
            Some((name, rest)) => (Some(name.trim()), rest.trim()),
            None => (None, line),
        };
        if let Some(name) = name {
            sections.push(Section { name: name.to_owned(), entries: Vec::new(), place: place.clone() });
        }
        if rest.is_empty() {
            continue;
        }
        if let Some(include) = rest.strip_prefix('<') {
            match Include::parse(include) {
                Some(include) => included(&include, name, path, depth, place, &mut sections, reader),
                None => reader.report.fault(format!("{place}: it must be < \"FILE\" [SECTION] KEY")),
            }
            continue;
        }
        match (rest.split_once('='), sections.last_mut()) {
            (Some((key, value)), Some(section)) if name.is_none() && !key.trim().is_empty() => {
                let (key, value) = (key.trim().to_owned(), value.trim().to_owned());
                section.entries.push(Entry { key, value, place });
            }
            (Some(_), None) => reader.report.fault(format!("{place}: a key must stand below a [section]")),
            _ => reader.report.fault(format!("{place}: it is neither [section], nor key=value, nor a comment")),
        }
    }
    sections
}

/// `< "FILE" [SECTION] KEY=DEFAULT`
struct Include {
    file: PathBuf,
    section: Option<String>,
    key: Option<(String, Option<String>)>,
}

impl Include {
    fn parse(text: &str) -> Option<Self> {
        let (file, rest) = text.trim_start().strip_prefix('"')?.split_once('"')?;
        let rest = rest.trim();
        let mut include = Self { file: file.into(), section: None, key: None };
        if rest.is_empty() {
            return (!file.is_empty()).then_some(include);
        }
        let (section, key) = rest.strip_prefix('[')?.split_once(']')?;
        include.section = Some(section.trim().to_owned());
        let key = key.trim();
        if !key.is_empty() {
            let (key, default) = key.split_once('=').map_or((key, None), |(key, default)| (key.trim(), Some(default)));
            include.key = Some((key.to_owned(), default.map(|default| default.trim().to_owned())));
        }
        Some(include)
    }
}

/// Adds what an inclusion brings to the sections read so far; `heading` is the section that begins in its line.
fn included(
    include: &Include,
    heading: Option<&str>,
    path: &Path,
    depth: usize,
    place: Place,
    sections: &mut Vec<Section>,
    reader: &mut Reader<'_>,
) {
    if depth == MAX_DEPTH || *reader.includes == 0 {
        reader.report.fault(format!(
            "{place}: files are included more than {MAX_DEPTH} deep, or more than {MAX_INCLUDES} times"
        ));
        return;
    }
    *reader.includes -= 1;
    let file = path.parent().unwrap_or(Path::new("")).join(&include.file);
    let other = match (reader.open)(&file) {
        Ok(text) => parse(&text, &file, depth + 1, reader),
        Err(error) => {
            reader.report.fault(format!("{place}: cannot read {}: {error}", file.display()));
            return;
        }
    };
    let Some(wanted) = &include.section else {
        sections.extend(other);
        return;
    };
    let parts = || other.iter().filter(|section| section.name.eq_ignore_ascii_case(wanted));
    let entries = || parts().flat_map(|section| section.entries.iter().cloned());
    match &include.key {
        Some((key, default)) => {
            let Some(section) = sections.last_mut() else {
                reader.report.fault(format!("{place}: a key must stand below a [section]"));
                return;
            };
            let found = entries().rfind(|entry| entry.key.eq_ignore_ascii_case(key));
            let default = default.clone().map(|value| Entry { key: key.clone(), value, place: place.clone() });
            match found.or(default) {
                Some(entry) => section.entries.push(entry),
                None => reader.report.fault(format!("{place}: {} has no [{wanted}] {key}", file.display())),
            }
        }
        None if parts().next().is_none() => {
            reader.report.fault(format!("{place}: {} has no section [{wanted}]", file.display()));
        }
        None => match (heading, sections.last_mut()) {
            (Some(_), Some(section)) => section.entries.extend(entries()),
            _ => sections.push(Section { name: wanted.clone(), entries: entries().collect(), place }),
        },
    }
}

/// The line without the comment at its end.
fn without_comment(line: &str) -> &str {
    let (mut is_quoted, mut before) = (false, ' ');
    for (at, c) in line.char_indices() {
        let begins = line[at..].starts_with("//") || c == '#' || c == ';';
        if begins && !is_quoted && before.is_whitespace() {
            return line[..at].trim_end();
        }
        if c == '"' && before != '\\' {
            is_quoted = !is_quoted;
        }
        before = c;
    }
    line
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The sections as `[name] key=value ...`, or the faults.
    fn parsed(text: &str) -> Result<String, Vec<String>> {
        let open = |path: &Path| match path.to_str() {
            Some("etc/common.cfg") => Ok("[Roles]\nClients=*\nOther=1\n[Log]\nLevel=full\n[roles]\nLast=2".to_owned()),
            Some("etc/self.cfg") => Ok("< \"self.cfg\"".to_owned()),
            _ => Err(io::ErrorKind::NotFound.into()),
        };
        let mut report = Report::default();
        let sections = read(text, Path::new("etc/main.cfg"), &open, &mut report);
        report.end().map_err(|error| error.faults)?;
        let shown = sections.iter().map(|section| {
            let entries = section.entries.iter().map(|entry| format!(" {}={}", entry.key, entry.value));
            format!("[{}]{}", section.name, entries.collect::<String>())
        });
        Ok(shown.collect::<Vec<_>>().join(" "))
    }

    #[test]
    fn comments_quotes_and_blanks() {
        let text = "// a\n# b\n; c\n\n [ Server ] \n Port = 1 // c\nA=\"x // y\" # c\nB=http://h/#x\nC=\nD=a;b=c\r\n";
        assert_eq!(parsed(text).unwrap(), r#"[Server] Port=1 A="x // y" B=http://h/#x C= D=a;b=c"#);
        assert_eq!(unquoted(r#""a \"b\"""#), r#"a "b""#);
        assert_eq!(unquoted(r#""a"#), r#""a"#);
    }

    #[test]
    fn what_is_no_line_of_such_a_file_is_named_by_its_number() {
        let faults = parsed("key=1\n[A]\nhello\n=1\n[B] x=1\n[unclosed\n< file").unwrap_err();
        assert_eq!(faults[0], "etc/main.cfg line 1: a key must stand below a [section]");
        assert_eq!(faults[1], "etc/main.cfg line 3: it is neither [section], nor key=value, nor a comment");
        assert_eq!(faults.len(), 6, "{faults:?}");
    }

    #[test]
    fn other_files_are_included_in_four_ways() {
        let common = "\"common.cfg\"";
        assert_eq!(
            parsed(&format!("< {common}")).unwrap(),
            "[Roles] Clients=* Other=1 [Log] Level=full [roles] Last=2"
        );
        assert_eq!(parsed(&format!("[A]\n< {common} [ROLES]")).unwrap(), "[A] [ROLES] Clients=* Other=1 Last=2");
        assert_eq!(
            parsed(&format!("[Mine] < {common} [Roles]\nClients=::1")).unwrap(),
            "[Mine] Clients=* Other=1 Last=2 Clients=::1"
        );
        let text = format!("[A]\n< {common} [roles] LAST\n< {common} [Roles] New=7");
        assert_eq!(parsed(&text).unwrap(), "[A] Last=2 New=7");
    }

    #[test]
    fn an_inclusion_that_fails_is_a_fault() {
        let one = |text: &str| parsed(text).unwrap_err().remove(0);
        assert!(one("< \"gone.cfg\"").starts_with("etc/main.cfg line 1: cannot read etc/gone.cfg: "));
        assert_eq!(one("< \"common.cfg\" [X]"), "etc/main.cfg line 1: etc/common.cfg has no section [X]");
        assert_eq!(one("[A]\n< \"common.cfg\" [Log] X"), "etc/main.cfg line 2: etc/common.cfg has no [Log] X");
        assert!(one("< \"self.cfg\"").contains("more than 8 deep"));
    }

    proptest! {
        #[test]
        fn no_text_makes_the_reader_panic(text in "([\\[\\]<\"=/#; a\n]|\\PC){0,60}") {
            let _ = parsed(&text);
        }
    }
}
