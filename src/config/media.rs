//! A media server's configuration file, brought along: which of its keys say what here.
//!
//! **Promises.** Only a value that is wrong is a fault. What that family of servers knows and this one has no use for
//! is said once, in one line; what nobody knows is said with the nearest known name. Nothing that is left out gives a
//! client more than the file gives it.
//!
//! **Why loopback.** Such a file names ports, no addresses. A port alone never opens this server to other machines;
//! for that `server.listen` must be said, in the environment or by a flag.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::ini::{Entry, Section, unquoted};
use super::media_roles::{self, Roles};
use super::report::{Place, Report, did_you_mean};
use super::said::Said;
use super::settings::{self, QUEUES, SSL, Setting};
use super::value::{Bad, Kind, Value};

/// Sections of which everything is without meaning here. `*` at the end: every section that begins so.
const FOREIGN_SECTIONS: [&str; 15] = [
    "License",
    "LicenseSSL*",
    "Channels",
    "Modules",
    "Resources",
    "Process",
    "Session",
    "Encoding*",
    "Event*",
    "Schedule*",
    "EnableSSL",
    "RollingBuffer*",
    "Statistics*",
    "ACIEncryption",
    "GSSAPI*",
];

/// Keys without meaning here, in sections of which other keys have one.
const FOREIGN_KEYS: [(&str, &[&str]); 7] = [
    (
        "Server",
        &[
            "Threads",
            "XSLTemplates",
            "SSLEnable",
            "SSLPort",
            "StrictActionValidation",
            "AdminMode",
            "EncryptedAciOnly",
            "KeepAliveTimeout",
            "MaxKeepAliveRequests",
            "ResponseCompression",
            "Access-Control-Allow-Origin",
            "ActionEvent",
            "IconFile",
            "TemplateDirectory",
        ],
    ),
    (
        "Service",
        &[
            "SSLEnable",
            "SSLServicePort",
            "SSLConfig",
            "Access-Control-Allow-Origin",
            "UseEventLog",
            "XSLTemplates",
            "ServiceThreads",
        ],
    ),
    (
        "Actions",
        &[
            "UseInMemoryDatastore",
            "UseStringentDatastore",
            "DatastoreFile",
            "DatastorePath",
            "QueueMemorySize",
            "MaxScheduledSize",
        ],
    ),
    (
        "Paths",
        &[
            "AllowedEngineOutputDirectories",
            "ConfigDirectory",
            "FFmpegDirectory",
            "KeyViewDirectory",
            "LibHeifDirectory",
            "LuaDirectory",
            "RollingBufferConfigPath",
            "SceneAnalysisTrainingDirectory",
            "SceneAnalysisAlarmDirectory",
            "XslDirectory",
            "RollingBufferPath",
            "StaticDataDirectory",
            "ModulesPath",
            "TempDirectory",
        ],
    ),
    ("Database", &["DatabaseType", "ConnectionString", "ODBCConnectionString", "DatabaseName", "ReadOnly"]),
    (
        "Logging",
        &[
            "LogDirectory",
            "LogArchiveDirectory",
            "LogHistorySize",
            "LogTime",
            "LogEcho",
            "LogMaxSizeKBs",
            "LogExpireAction",
            "LogOldAction",
            "LogMaxOldFiles",
            "LogCompressionMode",
            "LogSysLog",
            "LogFile",
            "LogTypeCSVs",
            "LogOutput",
            "LogFormat",
        ],
    ),
    (
        SSL,
        &[
            "SSLMethod",
            "SSLCACertificatesPath",
            "SSLCheckCommonName",
            "SSLDisabledCiphers",
            "SSLPrivateKeyPassword",
            "SSLIssuedCertificate",
        ],
    ),
];

/// What belongs together in the sections of one name.
struct Merged<'a> {
    name: &'a str,
    place: &'a Place,
    /// By key in lower case; of a key given twice the last.
    entries: BTreeMap<String, &'a Entry>,
}

/// Takes what the sections say.
pub(super) fn read(sections: &[Section], said: &mut Said, report: &mut Report) {
    let mut merged: BTreeMap<String, Merged<'_>> = BTreeMap::new();
    for Section { name, entries, place } in sections {
        let one = merged.entry(name.to_ascii_lowercase());
        let one = one.or_insert_with(|| Merged { name, place, entries: BTreeMap::new() });
        one.entries.extend(entries.iter().map(|entry| (entry.key.to_ascii_lowercase(), entry)));
    }
    let value = |section: &str, key: &str| merged.get(section)?.entries.get(key).map(|entry| unquoted(&entry.value));
    let numbered = |section: &str| -> BTreeSet<String> {
        let entries = merged.get(section).map(|one| one.entries.iter()).into_iter().flatten();
        entries
            .filter(|(key, _)| is_number(key))
            .map(|(_, entry)| unquoted(&entry.value).to_ascii_lowercase())
            .collect()
    };
    let ssl = value("server", "sslconfig").map(|name| name.to_ascii_lowercase());
    let (role_sections, streams) = (numbered("authorizationroles"), numbered("logging"));
    let mut roles = Roles::new(merged.contains_key("authorizationroles"));
    let mut foreign = Foreign::default();
    for (lower, one) in &merged {
        if role_sections.contains(lower) {
            roles.section(one.name, &one.entries, one.place, report);
        } else if streams.contains(lower) || is_foreign_section(lower) {
            foreign.sections.push(one.name.to_owned());
        } else if lower == "authorizationroles" {
            for (key, entry) in &one.entries {
                if is_number(key) && !merged.contains_key(&unquoted(&entry.value).to_ascii_lowercase()) {
                    media_roles::missing(entry, report);
                }
            }
        } else {
            let section = if Some(lower) == ssl.as_ref() { SSL } else { one.name };
            for (key, entry) in &one.entries {
                let is_used = key == "sslconfig" && lower == "server" || is_number(key) && lower == "logging";
                if !is_used && !roles.deprecated(lower, key, entry, report) {
                    take(section, one.name, entry, said, &mut foreign, report);
                }
            }
        }
    }
    foreign.report(report);
    said.roles = roles.end();
}

fn is_number(key: &str) -> bool {
    !key.is_empty() && key.bytes().all(|byte| byte.is_ascii_digit())
}

fn is_foreign_section(name: &str) -> bool {
    FOREIGN_SECTIONS.iter().map(|known| known.to_ascii_lowercase()).any(|known| match known.strip_suffix('*') {
        Some(begin) => name.starts_with(begin),
        None => name == known,
    })
}

/// What has no meaning here.
#[derive(Default)]
struct Foreign {
    sections: Vec<String>,
    keys: BTreeMap<String, Vec<String>>,
}

impl Foreign {
    fn report(self, report: &mut Report) {
        let sections = self.sections.iter().map(|name| format!("[{name}]"));
        let keys = self.keys.iter().map(|(section, keys)| format!("[{section}] {}", keys.join(" ")));
        let all: Vec<_> = sections.chain(keys).collect();
        if !all.is_empty() {
            report.warn(format!("ignored, as it has no meaning here: {}", all.join(", ")));
        }
    }
}

/// Takes one key of an ordinary section; `section` is its name in the tables, `shown` as the file has it.
fn take(section: &str, shown: &str, entry: &Entry, said: &mut Said, foreign: &mut Foreign, report: &mut Report) {
    let Entry { key, value, place } = entry;
    let is_it = |name: &(&str, &str)| name.0.eq_ignore_ascii_case(section) && name.1.eq_ignore_ascii_case(key);
    if let Some(setting) = settings::all().find(|setting| setting.ini.iter().any(is_it)) {
        let value = if matches!(setting.kind, Kind::Paths) { value.clone() } else { unquoted(value) };
        if value.is_empty() {
            return; // which means the default there, too
        }
        let read = match translated(setting, &value) {
            Ok(text) => setting.kind.text(&text),
            Err(expected) => Err(Bad { shown: format!("'{value}'"), expected }),
        };
        match read {
            Ok(value) => said.take(setting, Ok(value), place.clone(), report),
            Err(Bad { shown: is, expected }) => {
                report.fault(format!("[{shown}] {key} is {is} in {place}; it must be {expected}"));
            }
        }
        return;
    }
    let foreign_keys = FOREIGN_KEYS.iter().filter(|(name, _)| name.eq_ignore_ascii_case(section));
    if foreign_keys.flat_map(|(_, keys)| keys.iter()).any(|known| known.eq_ignore_ascii_case(key)) {
        foreign.keys.entry(shown.to_owned()).or_default().push(key.clone());
        return;
    }
    let near = did_you_mean(&format!("[{shown}] {key}"), known_names());
    report.warn(format!("[{shown}] {key} in {place} is not known{near}"));
}

/// Every section and key that is known, for the suggestion.
fn known_names() -> BTreeSet<String> {
    let used = settings::all().flat_map(|setting| setting.ini.iter()).map(|&(section, key)| (section, key));
    let foreign = FOREIGN_KEYS.iter().flat_map(|&(section, keys)| keys.iter().map(move |&key| (section, key)));
    let queues = QUEUES.iter().map(|&queue| (queue, "MaximumThreads"));
    used.chain(foreign).chain(queues).map(|(section, key)| format!("[{section}] {key}")).collect()
}

/// A value of such a file in the words of this one; otherwise what it must be.
fn translated(setting: &Setting, value: &str) -> Result<String, String> {
    let text = match setting.name().as_str() {
        "server.listen" | "server.service_listen" => match value.parse::<u16>() {
            Ok(port) => format!("127.0.0.1:{port}"),
            Err(_) => return Err("a port from 0 to 65535".to_owned()),
        },
        "server.tls_client_auth" => match boolean(value) {
            Some(true) => "required".to_owned(),
            Some(false) => "none".to_owned(),
            None => return Err("true or false".to_owned()),
        },
        // Their database is a file in a form of their own, which must not be in the way of the folder.
        "paths.data" => Path::new(value).with_extension("faceclique").display().to_string(),
        "logging.level" => match value.to_ascii_lowercase().as_str() {
            "full" => "debug",
            "normal" => "info",
            "warning" => "warn",
            "error" | "always" => "error",
            _ => return Err("one of Full, Normal, Warning, Error, Always".to_owned()),
        }
        .to_owned(),
        "limits.max_input_string" | "limits.max_file_upload_size" if value == "-1" => match setting.kind {
            Kind::Count { most, .. } | Kind::Bytes { most, .. } => most.to_string(),
            _ => value.to_owned(),
        },
        _ => value.to_owned(),
    };
    Ok(text)
}

fn boolean(value: &str) -> Option<bool> {
    match Kind::Boolean.text(value) {
        Ok(Value::Boolean(value)) => Some(value),
        _ => None,
    }
}
