//! Kinds of settings, and the reading and writing of their values.
//!
//! **Promises.** What is not a value of the kind is refused with what it may be; nothing is repaired. A secret is in
//! no message.

use std::net::SocketAddr;

use toml::de::DeValue;
use tracing_subscriber::EnvFilter;

use crate::aci::access::{MIN_SECRET, Secret};
use crate::callback::Places;

/// What a setting may be.
#[derive(Debug, Clone, Copy)]
pub(super) enum Kind {
    /// true or false.
    Boolean,
    /// A whole number.
    Count { least: u64, most: u64 },
    /// A number of bytes.
    Bytes { least: u64, most: u64 },
    /// A number of seconds.
    Seconds { least: u64, most: u64 },
    /// An IP address and a port.
    Address,
    /// The same, or `off`.
    AddressOrOff,
    /// A path.
    Path,
    /// Paths.
    Paths,
    /// Names of machines.
    HostNames,
    /// Hosts by name, address or network.
    Hosts,
    /// Origins of web pages.
    Origins,
    /// One of these words.
    OneOf(&'static [&'static str]),
    /// What the log shows.
    Filter,
    /// A bearer token.
    Secret,
}

/// What was said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Value {
    Boolean(bool),
    Integer(u64),
    Text(String),
    List(Vec<String>),
    Secret(Secret),
}

/// Why something is not a value of its kind: how it is shown, and what else is wrong with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Bad {
    /// The value as it is shown; a secret is masked.
    pub(super) shown: String,
    /// What it must be.
    pub(super) expected: String,
}

/// The longest piece of a value that is repeated in a message, in characters.
const SHOWN: usize = 100;

impl Kind {
    /// What a value of this kind is, for "it must be ...".
    pub(super) fn expected(&self) -> String {
        match *self {
            Self::Boolean => "true or false".to_owned(),
            Self::Count { least, most } => format!("a whole number from {least} to {most}"),
            Self::Bytes { least, most } => {
                format!("a number of bytes from {least} to {most}, such as 4096 or \"512MiB\"")
            }
            Self::Seconds { least, most } => {
                format!("a number of seconds from {least} to {most}, such as 90 or \"15m\"")
            }
            Self::Address => "an IP address with a port, such as \"127.0.0.1:14000\"".to_owned(),
            Self::AddressOrOff => "an IP address with a port, such as \"127.0.0.1:14001\", or \"off\"".to_owned(),
            Self::Path => "a path".to_owned(),
            Self::Paths => "a list of paths".to_owned(),
            Self::HostNames => "a list of names of machines, without scheme and port".to_owned(),
            Self::Hosts => {
                "a list of host names, *.domains, addresses and networks such as 10.0.0.0/8, without scheme and port"
                    .to_owned()
            }
            Self::Origins => {
                "a list of origins: http:// or https://, a host, perhaps a port, and nothing more".to_owned()
            }
            Self::OneOf(words) => format!("one of {}", words.join(", ")),
            Self::Filter => "a filter of the log, such as \"info\" or \"faceclique=debug\"".to_owned(),
            Self::Secret => format!("a token of at least {MIN_SECRET} characters, without blanks"),
        }
    }

    fn bad(&self, shown: &str) -> Bad {
        let shown = match self {
            Self::Secret => "********".to_owned(),
            _ if shown.chars().nth(SHOWN).is_some() => format!("{}...", shown.chars().take(SHOWN).collect::<String>()),
            _ => shown.to_owned(),
        };
        Bad { shown, expected: self.expected() }
    }

    /// Reads a value from an environment variable, a flag or a file without types.
    pub(super) fn text(&self, text: &str) -> Result<Value, Bad> {
        let bad = || self.bad(&format!("'{text}'"));
        let text = text.trim();
        match *self {
            Self::Boolean => boolean(text).map(Value::Boolean),
            Self::Count { least, most } => number(text).filter(|n| (least..=most).contains(n)).map(Value::Integer),
            Self::Bytes { least, most } => {
                with_unit(text, &BYTES).filter(|n| (least..=most).contains(n)).map(Value::Integer)
            }
            Self::Seconds { least, most } => {
                with_unit(text, &SECONDS).filter(|n| (least..=most).contains(n)).map(Value::Integer)
            }
            Self::Paths | Self::HostNames | Self::Hosts | Self::Origins => {
                list(text).and_then(|items| self.list(items))
            }
            _ => self.string(text),
        }
        .ok_or_else(bad)
    }

    /// Reads a value from a TOML file.
    pub(super) fn toml(&self, value: &DeValue<'_>) -> Result<Value, Bad> {
        let read = match (*self, value) {
            (Self::Boolean, DeValue::Boolean(value)) => Some(Value::Boolean(*value)),
            (Self::Count { .. } | Self::Bytes { .. } | Self::Seconds { .. }, DeValue::Integer(integer)) => {
                return self.text(&decimal(integer)).map_err(|_| self.bad(&decimal(integer)));
            }
            (Self::Bytes { .. } | Self::Seconds { .. }, DeValue::String(text)) => return self.text(text),
            (Self::Paths | Self::HostNames | Self::Hosts | Self::Origins, DeValue::Array(items)) => {
                let items = items.iter().map(|item| item.get_ref().as_str().map(str::to_owned));
                items.collect::<Option<Vec<_>>>().and_then(|items| self.list(items))
            }
            (Self::Boolean | Self::Count { .. } | Self::Paths | Self::HostNames | Self::Hosts | Self::Origins, _) => {
                None
            }
            (_, DeValue::String(text)) => self.string(text),
            _ => None,
        };
        read.ok_or_else(|| self.bad(&shown(value)))
    }

    fn string(&self, text: &str) -> Option<Value> {
        let is_one = match *self {
            Self::Address => text.parse::<SocketAddr>().is_ok(),
            Self::AddressOrOff => text == "off" || text.parse::<SocketAddr>().is_ok(),
            Self::Path => is_path(text),
            Self::OneOf(words) => words.contains(&text),
            Self::Filter => !text.is_empty() && EnvFilter::try_new(text).is_ok(),
            Self::Secret => return Secret::new(text).ok().map(Value::Secret),
            _ => false,
        };
        is_one.then(|| Value::Text(text.to_owned()))
    }

    fn list(&self, items: Vec<String>) -> Option<Value> {
        let is_one = |item: &String| match self {
            Self::Paths => is_path(item),
            Self::HostNames => is_host_name(item),
            Self::Hosts => Places::of(std::slice::from_ref(item)).is_ok(),
            Self::Origins => item
                .strip_prefix("http://")
                .or_else(|| item.strip_prefix("https://"))
                .is_some_and(|host| !host.is_empty() && !host.contains(['/', '?', '#', '*', '@']) && is_plain(host)),
            _ => false,
        };
        items.iter().all(is_one).then_some(Value::List(items))
    }
}

fn is_plain(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_graphic())
}

fn is_path(text: &str) -> bool {
    !text.is_empty() && !text.contains('\0')
}

fn is_host_name(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-_".contains(&byte))
}

/// A TOML value as it is shown in a message.
fn shown(value: &DeValue<'_>) -> String {
    match value {
        DeValue::String(text) => format!("'{text}'"),
        DeValue::Integer(integer) => decimal(integer),
        DeValue::Float(float) => float.as_str().to_owned(),
        DeValue::Boolean(value) => value.to_string(),
        DeValue::Datetime(date) => date.to_string(),
        DeValue::Array(items) => {
            let items: Vec<_> = items.iter().take(4).map(|item| shown(item.get_ref())).collect();
            format!("[{}]", items.join(", "))
        }
        DeValue::Table(_) => "a table".to_owned(),
    }
}

/// An integer of a TOML file in decimal digits.
pub(super) fn decimal(integer: &toml::de::DeInteger<'_>) -> String {
    match i128::from_str_radix(integer.as_str(), integer.radix()) {
        Ok(number) => number.to_string(),
        Err(_) => integer.as_str().to_owned(),
    }
}

/// True and false, and the other words that a media server's file may use for them.
fn boolean(text: &str) -> Option<bool> {
    let is_one_of = |words: [&str; 4]| words.iter().any(|word| word.eq_ignore_ascii_case(text));
    match () {
        () if is_one_of(["true", "on", "y", "1"]) => Some(true),
        () if is_one_of(["false", "off", "n", "0"]) => Some(false),
        () => None,
    }
}

fn number(text: &str) -> Option<u64> {
    let is_digits = (1..=20).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    is_digits.then(|| text.parse().ok()).flatten()
}

type Units = [(&'static [&'static str], u64)];

const BYTES: [(&[&str], u64); 5] =
    [(&["", "b"], 1), (&["kib"], 1 << 10), (&["mib"], 1 << 20), (&["gib"], 1 << 30), (&["tib"], 1 << 40)];

const SECONDS: [(&[&str], u64); 4] = [
    (&["", "s", "sec", "secs", "second", "seconds"], 1),
    (&["m", "min", "mins", "minute", "minutes"], 60),
    (&["h", "hour", "hours"], 3_600),
    (&["d", "day", "days"], 86_400),
];

/// A number followed by a unit; none is the first one.
fn with_unit(text: &str, units: &Units) -> Option<u64> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (digits, unit) = text.split_at(digits);
    let unit = unit.trim_start();
    let (_, factor) = units.iter().find(|(names, _)| names.iter().any(|name| name.eq_ignore_ascii_case(unit)))?;
    number(digits)?.checked_mul(*factor)
}

/// The elements of a comma-separated list. An element with a comma stands in double quotes, in which `\"` is a quote;
/// outside of them `\,` is a comma. Blanks around an element are dropped. None if an element is empty or a quote open.
pub(super) fn list(text: &str) -> Option<Vec<String>> {
    if text.trim().is_empty() {
        return Some(Vec::new());
    }
    let mut items = Vec::new();
    let mut more = Some(text);
    while let Some(rest) = more {
        let rest = rest.trim_start();
        let item;
        (item, more) = match rest.strip_prefix('"') {
            None => until(rest, ',', ",\""),
            Some(quoted) => {
                let (item, behind) = until(quoted, '"', "\"\\");
                match behind?.trim_start() {
                    "" => (item, None),
                    behind => (item, Some(behind.strip_prefix(',')?)),
                }
            }
        };
        let item = if rest.starts_with('"') { item.as_str() } else { item.trim_end() };
        if item.is_empty() {
            return None;
        }
        items.push(item.to_owned());
    }
    Some(items)
}

/// The text before `end` and what is behind it, if it is there; a backslash before one of `escaped` hides that.
fn until<'a>(text: &'a str, end: char, escaped: &str) -> (String, Option<&'a str>) {
    let mut before = String::new();
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        if c == end {
            return (before, Some(&text[at + c.len_utf8()..]));
        }
        let next = chars.clone().next().map(|(_, next)| next);
        match next {
            Some(next) if c == '\\' && escaped.contains(next) => {
                chars.next();
                before.push(next);
            }
            _ => before.push(c),
        }
    }
    (before, None)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn lists_have_commas_quotes_and_backslashes() {
        let table: &[(&str, Option<&[&str]>)] = &[
            ("", Some(&[])),
            ("  ", Some(&[])),
            ("a", Some(&["a"])),
            (" a , b c ,d", Some(&["a", "b c", "d"])),
            (r#""a,b", "say \"hi\"", "C:\\x""#, Some(&["a,b", "say \"hi\"", "C:\\x"])),
            (r"wing\,beak,C:\Open\Text", Some(&["wing,beak", r"C:\Open\Text"])),
            (r"\\server\share", Some(&[r"\\server\share"])),
            ("a,,b", None),
            ("a,", None),
            (",", None),
            (r#""a"#, None),
            (r#""a" b"#, None),
            (r#""""#, None),
        ];
        for (text, expected) in table {
            let expected = expected.map(|items| items.iter().map(|&item| item.to_owned()).collect());
            assert_eq!(list(text), expected, "{text}");
        }
    }

    #[test]
    fn numbers_may_have_units() {
        let seconds = Kind::Seconds { least: 0, most: 1_000_000 };
        for (text, expected) in [("90", 90), ("10s", 10), ("15 minutes", 900), ("2h", 7_200), ("7 days", 604_800)] {
            assert_eq!(seconds.text(text), Ok(Value::Integer(expected)), "{text}");
        }
        let bytes = Kind::Bytes { least: 1, most: 1 << 40 };
        for (text, expected) in [("4096", 4_096), ("512MiB", 512 << 20), ("6 gib", 6 << 30)] {
            assert_eq!(bytes.text(text), Ok(Value::Integer(expected)), "{text}");
        }
        for text in ["", "s", "-1", "1.5h", "1w", "6GB", "99999999999999999999GiB", "0x10", "1_000", "０"] {
            assert!(seconds.text(text).is_err() && bytes.text(text).is_err(), "{text}");
        }
        assert!(bytes.text("0").is_err() && bytes.text("2TiB").is_err(), "out of range");
        let bad = Kind::Count { least: 1, most: 64 }.text("65").unwrap_err();
        assert_eq!((bad.shown.as_str(), bad.expected.as_str()), ("'65'", "a whole number from 1 to 64"));
    }

    #[test]
    fn words_for_true_and_false() {
        for text in ["true", "TRUE", "On", "y", "1"] {
            assert_eq!(Kind::Boolean.text(text), Ok(Value::Boolean(true)));
        }
        for text in ["false", "OFF", "n", "0"] {
            assert_eq!(Kind::Boolean.text(text), Ok(Value::Boolean(false)));
        }
        for text in ["", "yes", "2", "tru"] {
            assert!(Kind::Boolean.text(text).is_err());
        }
    }

    #[test]
    fn an_origin_is_a_scheme_and_a_host() {
        assert!(Kind::Origins.text("http://a, https://b.example:8443").is_ok());
        for text in ["*", "a.example", "http://", "https://a/", "https://*.example", "https://u@a", "ftp://a"] {
            assert!(Kind::Origins.text(text).is_err(), "{text}");
        }
        for text in ["https://a.example", "a:80", "a b"] {
            assert!(Kind::HostNames.text(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_message_shows_no_secret_and_no_endless_value() {
        let bad = Kind::Secret.text("too-short").unwrap_err();
        assert!(!format!("{bad:?}").contains("too-short"));
        assert!(Kind::Boolean.text(&"x".repeat(100_000)).unwrap_err().shown.len() < 200);
    }

    proptest! {
        #[test]
        fn no_text_makes_a_kind_panic(text in "\\PC{0,40}|[0-9]{0,25}[a-zA-Z]{0,6}|[\\\\,\" a]{0,12}") {
            for setting in super::super::settings::all() {
                let _ = setting.kind.text(&text);
            }
        }

        #[test]
        fn a_list_that_is_quoted_is_read_back(items in proptest::collection::vec("[a-z,\\\\\" ]{0,5}[a-z]", 0..4)) {
            let quoted: Vec<_> = items.iter().map(|item| format!("\"{}\"", item.replace('\\', "\\\\").replace('"', "\\\""))).collect();
            prop_assert_eq!(list(&quoted.join(",")), Some(items));
        }
    }
}
