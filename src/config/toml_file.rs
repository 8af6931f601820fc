//! The configuration file in TOML.
//!
//! **Promises.** Every fault of the file is reported with its line. A message never repeats a line of the file, which
//! may hold a secret.

use std::ops::Range;
use std::sync::Arc;

use toml::Spanned;
use toml::de::{DeArray, DeTable, DeValue};

use super::report::{Place, Report, did_you_mean};
use super::said::{Said, SaidModel, SaidRole};
use super::settings;
use super::value::decimal;

/// Whether the text is TOML as far as its form goes.
pub(super) fn is_toml(text: &str) -> bool {
    DeTable::parse(text).is_ok()
}

/// Reads a file.
pub(super) fn read(text: &str, name: &str, said: &mut Said, report: &mut Report) {
    let mut reader = Reader { text, file: name.into(), said, report };
    let (table, mut errors) = DeTable::parse_recoverable(text);
    errors.sort_by_key(|error| error.span().map_or(0, |span| span.start));
    for error in &errors {
        let place = reader.place(&error.span().unwrap_or_default());
        reader.report.fault(format!("{place}: {}", error.message()));
    }
    if errors.is_empty() {
        reader.table("", table.get_ref());
    }
}

struct Reader<'a> {
    text: &'a str,
    file: Arc<str>,
    said: &'a mut Said,
    report: &'a mut Report,
}

impl Reader<'_> {
    fn place(&self, span: &Range<usize>) -> Place {
        let before = self.text.get(..span.start).unwrap_or_default();
        Place::Line { file: Arc::clone(&self.file), line: before.matches('\n').count() + 1 }
    }

    fn table(&mut self, prefix: &str, table: &DeTable<'_>) {
        for (key, value) in table {
            let (name, place) = (format!("{prefix}{}", key.get_ref()), self.place(&key.span()));
            match (name.as_str(), value.get_ref()) {
                ("models", DeValue::Array(items)) => self.models(items),
                ("security.roles", DeValue::Array(items)) => self.roles(items),
                ("models" | "security.roles", _) => {
                    self.report.fault(format!("{name} in {place} must be written as [[{name}]]"));
                }
                _ => self.setting_or_section(&name, place, value),
            }
        }
    }

    fn setting_or_section(&mut self, name: &str, place: Place, value: &Spanned<DeValue<'_>>) {
        if let Some(setting) = settings::find(name) {
            self.said.take(setting, setting.kind.toml(value.get_ref()), place, self.report);
            return;
        }
        let begin = format!("{name}.").to_ascii_lowercase();
        let is_section = settings::all().any(|setting| setting.name().to_ascii_lowercase().starts_with(&begin));
        match value.get_ref() {
            DeValue::Table(table) if is_section => self.table(&format!("{name}."), table),
            _ if is_section => {
                self.report.fault(format!("{name} in {place} is a section, not a key: write [{name}]"));
            }
            DeValue::Table(_) => {
                let known = settings::all().map(|setting| setting.section).chain(["models", "security.roles"]);
                let near = did_you_mean(name, known);
                self.report.fault(format!("unknown section {} in {place}{near}", shown(name)));
            }
            _ => {
                let known = settings::all().map(settings::Setting::name);
                let known = known.chain(["models".to_owned(), "security.roles".to_owned()]);
                let near = did_you_mean(name, known);
                self.report.fault(format!("unknown key {} in {place}{near}", shown(name)));
            }
        }
    }

    /// The entries of an array of tables, with what they are called in messages.
    fn entries<'t, 'i>(&mut self, what: &str, known: &[&str], items: &'t DeArray<'i>) -> Vec<(&'t DeTable<'i>, Place)> {
        let mut entries = Vec::new();
        for item in items {
            let place = self.place(&item.span());
            let DeValue::Table(table) = item.get_ref() else {
                self.report.fault(format!("an entry of {what} in {place} is not a table: write [[{what}]]"));
                continue;
            };
            for key in table.keys() {
                if !known.contains(&key.get_ref().as_ref()) {
                    let near = did_you_mean(key.get_ref(), known);
                    let place = self.place(&key.span());
                    self.report.fault(format!("unknown key {}.{} in {place}{near}", what, shown(key.get_ref())));
                }
            }
            entries.push((table, place));
        }
        entries
    }

    fn wrong(&mut self, what: &str, place: &Place, expected: &str) {
        self.report.fault(format!("{what} in {place} must be {expected}"));
    }

    fn text(&mut self, what: &str, key: &str, table: &DeTable<'_>, place: &Place) -> Option<String> {
        match table.get(key).map(|value| value.get_ref().as_str()) {
            Some(Some(text)) if !text.is_empty() => Some(text.to_owned()),
            _ => {
                self.wrong(&format!("{what}.{key}"), place, "a text that is not empty");
                None
            }
        }
    }

    fn texts(&mut self, what: &str, key: &str, table: &DeTable<'_>, place: &Place) -> Vec<String> {
        let Some(value) = table.get(key) else { return Vec::new() };
        let items = value.get_ref().as_array().map(|items| items.iter().map(|item| item.get_ref().as_str()));
        let items = items.and_then(|items| items.map(|item| item.map(str::to_owned)).collect::<Option<Vec<_>>>());
        items.unwrap_or_else(|| {
            self.wrong(&format!("{what}.{key}"), place, "a list of texts");
            Vec::new()
        })
    }

    fn models(&mut self, items: &DeArray<'_>) {
        for (table, place) in self.entries("models", &["name", "dimension", "knots"], items) {
            let name = self.text("models", "name", table, &place);
            let dimension = table.get("dimension").and_then(|value| value.get_ref().as_integer());
            let dimension = dimension.and_then(|dimension| decimal(dimension).parse().ok());
            if dimension.is_none() {
                self.wrong("models.dimension", &place, "a whole number");
            }
            let knots = table.get("knots").and_then(|value| value.get_ref().as_array());
            let knots = knots.and_then(|knots| knots.iter().map(|knot| pair(knot.get_ref())).collect());
            if knots.is_none() {
                self.wrong("models.knots", &place, "a list of pairs of cosine and confidence");
            }
            if let (Some(name), Some(dimension), Some(knots)) = (name, dimension, knots) {
                self.said.models.push(SaidModel { name, dimension, knots, place });
            }
        }
    }

    fn roles(&mut self, items: &DeArray<'_>) {
        const WHAT: &str = "security.roles";
        let entries = self.entries(WHAT, &["name", "standard_roles", "clients", "identities"], items);
        let mut roles = Vec::new();
        for (table, place) in entries {
            let name = self.text(WHAT, "name", table, &place);
            let standard_roles = self.texts(WHAT, "standard_roles", table, &place);
            let clients = self.texts(WHAT, "clients", table, &place);
            let identities = self.texts(WHAT, "identities", table, &place);
            if let Some(name) = name {
                roles.push(SaidRole { name, standard_roles, clients, identities, place });
            }
        }
        self.said.roles = Some(roles);
    }
}

fn pair(knot: &DeValue<'_>) -> Option<(f64, f64)> {
    let numbers = knot.as_array()?;
    let number = |value: &DeValue<'_>| match value {
        DeValue::Integer(integer) => decimal(integer).parse::<f64>().ok(),
        DeValue::Float(float) => float.as_str().parse().ok(),
        _ => None,
    };
    let mut numbers = numbers.iter().map(|value| number(value.get_ref()));
    let pair = (numbers.next()??, numbers.next()??);
    numbers.next().is_none().then_some(pair)
}

/// A name from a file, as long as anybody would read.
fn shown(name: &str) -> String {
    name.chars().take(100).collect()
}
