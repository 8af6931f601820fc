//! Settings written again: as a TOML file that can be read back, as JSON, and as a page of help.
//!
//! **Promises.** A secret is masked, and stands in a comment, so that the mask is never taken for a token.

use std::fmt::Write as _;

use serde_json::json;

use super::Reading;
use super::said::{Said, Set};
use super::settings::{self, SSL, Setting, Unsaid};
use super::value::{Kind, Value};

/// How settings are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// A configuration file.
    Toml,
    /// An object with every setting, model and role.
    Json,
}

/// What is printed.
#[derive(Debug)]
pub enum Print<'a> {
    /// What holds, with where it was said.
    Effective(&'a Reading),
    /// Every default; what depends on the machine, or has no default, as an example in a comment.
    Defaults,
}

impl Print<'_> {
    /// The settings, in the order of the table.
    pub fn write(&self, form: Form) -> String {
        match (self, form) {
            (Self::Effective(reading), Form::Toml) => effective_toml(&reading.said),
            (Self::Defaults, Form::Toml) => defaults_toml(),
            (Self::Effective(reading), Form::Json) => in_json(&reading.said),
            (Self::Defaults, Form::Json) => in_json(&Said::defaults()),
        }
    }
}

const HEAD: &str = "# Every setting of `faceclique serve --config FILE`, at its default. Every key may be left out.\n\
                    # Written by `faceclique config print --defaults`.\n";

const EXAMPLES: &str = r#"
# Who may do what. Without roles this machine may do everything, and everybody else Query if the server listens beyond
# loopback; with roles exactly these count. A client has the roles of all entries of which an address or an identity
# matches. Standard roles: Query, Admin, ServiceStatus, ServiceControl, or "*" for all. Clients: addresses, networks
# (10.0.0.0/8), patterns (10.1.*.*), localhost, or "*". Identities: names in client certificates; * for any characters.
# [[security.roles]]
# name = "operators"
# standard_roles = ["Admin", "ServiceControl"]
# clients = ["localhost", "10.1.*.*"]
# identities = ["*.ops.example.com"]

# Embedding models that databases can be bound to, besides the built-in `cosine` (any dimension, 50 * (1 + cosine)).
# Under the name of the pack that pictures are trained by, the knots count instead of the pack's own.
# [[models]]
# name = "mobilefacenet"
# dimension = 128
# knots = [[-1, 0], [0.43, 50], [1, 100]] # cosine and confidence, linear in between
"#;

/// Writes the settings, each with what `line` gives for it, below their sections.
fn by_section(mut line: impl FnMut(&Setting) -> String) -> String {
    let (mut text, mut section) = (String::new(), "");
    for setting in settings::all() {
        if setting.section != section {
            section = setting.section;
            let _ = writeln!(text, "\n[{section}]");
        }
        let _ = writeln!(text, "# {}\n{}", setting.doc, line(setting));
    }
    text
}

fn defaults_toml() -> String {
    let settings = by_section(|setting| {
        let (text, comment) = match setting.unsaid {
            Unsaid::Is(text) => (text, ""),
            Unsaid::OfMachine(_, text) | Unsaid::Nothing(text) => (text, "# "),
        };
        format!("{comment}{} = {}", setting.key, example(setting, text))
    });
    format!("{HEAD}{settings}{EXAMPLES}")
}

/// Every setting with its section, name, value and where it was said.
pub(super) fn settings(said: &Said) -> impl Iterator<Item = [String; 4]> {
    settings::all().map(|setting| {
        let (value, source) = match said.set(&setting.name()) {
            Some(Set { value, place }) => (in_toml(value), place.source()),
            None => (String::new(), "not set".to_owned()),
        };
        [setting.section.to_owned(), setting.key.to_owned(), value, source]
    })
}

/// A default or example in TOML. That of a secret is no value of its kind.
fn example(setting: &Setting, text: &str) -> String {
    match setting.kind.text(text) {
        Ok(Value::Secret(_)) | Err(_) => toml_text(text),
        Ok(value) => in_toml(&value),
    }
}

fn effective_toml(said: &Said) -> String {
    let mut text = "# The settings that hold, each with where it was said.\n".to_owned();
    text += &by_section(|setting| match (said.set(&setting.name()), setting.unsaid) {
        (Some(Set { value: value @ Value::Secret(_), place }), _) => {
            format!("# {} = {} # {}", setting.key, in_toml(value), place.source())
        }
        (Some(Set { value, place }), _) => format!("{} = {} # {}", setting.key, in_toml(value), place.source()),
        (None, Unsaid::Is(text) | Unsaid::OfMachine(_, text) | Unsaid::Nothing(text)) => {
            format!("# {} = {} # not set", setting.key, example(setting, text))
        }
    });
    if said.roles.as_ref().is_some_and(Vec::is_empty) {
        // Not the same as saying nothing: it gives nobody any role.
        text = text.replacen("[security]\n", "[security]\nroles = []\n", 1);
    }
    for role in said.roles.iter().flatten() {
        let _ = writeln!(text, "\n[[security.roles]] # {}", role.place.source());
        let _ = writeln!(text, "name = {}", toml_text(&role.name));
        let lists =
            [("standard_roles", &role.standard_roles), ("clients", &role.clients), ("identities", &role.identities)];
        for (key, items) in lists {
            let _ = writeln!(text, "{key} = {}", in_toml(&Value::List(items.clone())));
        }
    }
    for model in &said.models {
        let knots: Vec<_> =
            model.knots.iter().map(|(cosine, confidence)| format!("[{cosine:?}, {confidence:?}]")).collect();
        let _ = writeln!(text, "\n[[models]] # {}", model.place.source());
        let _ = writeln!(text, "name = {}\ndimension = {}", toml_text(&model.name), model.dimension);
        let _ = writeln!(text, "knots = [{}]", knots.join(", "));
    }
    text
}

fn toml_text(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}

fn in_toml(value: &Value) -> String {
    match value {
        Value::Boolean(value) => value.to_string(),
        Value::Integer(number) => number.to_string(),
        Value::Text(text) => toml_text(text),
        Value::List(items) => format!("[{}]", items.iter().map(|item| toml_text(item)).collect::<Vec<_>>().join(", ")),
        Value::Secret(masked) => toml_text(&masked.to_string()),
    }
}

fn in_json(said: &Said) -> String {
    let settings: Vec<_> = settings::all()
        .map(|setting| {
            let set = said.set(&setting.name());
            let value = set.map(|set| match &set.value {
                Value::Boolean(value) => json!(value),
                Value::Integer(number) => json!(number),
                Value::Text(text) => json!(text),
                Value::List(items) => json!(items),
                Value::Secret(masked) => json!(masked.to_string()),
            });
            json!({
                "name": setting.name(),
                "value": value,
                "source": set.map_or("not set".to_owned(), |set| set.place.source()),
                "doc": setting.doc,
                "expected": setting.kind.expected(),
                "environment": setting.variable(),
            })
        })
        .collect();
    let roles = said.roles.as_ref().map(|roles| {
        let role = |role: &super::said::SaidRole| {
            json!({
                "name": role.name, "standard_roles": role.standard_roles, "clients": role.clients,
                "identities": role.identities, "source": role.place.source(),
            })
        };
        roles.iter().map(role).collect::<Vec<_>>()
    });
    let models: Vec<_> = said
        .models
        .iter()
        .map(|model| {
            let (name, dimension, knots) = (&model.name, model.dimension, &model.knots);
            json!({ "name": name, "dimension": dimension, "knots": knots, "source": model.place.source() })
        })
        .collect();
    let all = json!({ "settings": settings, "roles": roles, "models": models });
    serde_json::to_string_pretty(&all).expect("its keys are texts") + "\n"
}

/// Every setting with its default, range, variable and what it is called in a media server's file, for `--help`.
pub fn settings_page() -> String {
    let mut page = "Settings, strongest source first: flag, environment, file (--config), default.\n".to_owned();
    let mut section = "";
    for setting in settings::all().filter(|setting| !setting.section.starts_with("jobs.queues.")) {
        if setting.section != section {
            section = setting.section;
            let _ = writeln!(page, "\n[{section}]");
        }
        let default = match setting.unsaid {
            Unsaid::Is(text) => format!("{} = {}", setting.key, example(setting, text)),
            Unsaid::OfMachine(..) | Unsaid::Nothing(_) => setting.key.to_owned(),
        };
        let expected =
            if matches!(setting.kind, Kind::Path) { String::new() } else { format!(" ({})", setting.kind.expected()) };
        let _ = writeln!(page, "  {default}\n      {}{expected}\n      {}", setting.doc, setting.variable());
        for (section, key) in setting.ini {
            let section = if *section == SSL { "the section of [Server] SSLConfig:" } else { &format!("[{section}]") };
            let _ = writeln!(page, "      {section} {key} in a media server's file");
        }
    }
    page += "\n[jobs.queues.NAME]\n  maximum_threads, max_queue_size\n      as in [jobs], for one queue: ";
    page += &settings::QUEUES.join(", ");
    page += "\n\n[[security.roles]] and [[models]]: see the file that `faceclique config print --defaults` writes.\n";
    page
}
