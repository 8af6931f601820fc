//! What was said: the values of the settings with the place where each was said, and the models and roles.
//!
//! **Promises.** What is said later wins, so the sources are read from the weakest to the strongest. A value that
//! another one would cover is checked all the same.

use std::collections::BTreeMap;

use super::report::{Place, Report};
use super::settings::{self, Setting, Unsaid};
use super::value::{Bad, Value};

/// One value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Set {
    pub(super) value: Value,
    pub(super) place: Place,
}

/// `[[models]]`, as it stands there.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct SaidModel {
    pub(super) name: String,
    pub(super) dimension: u64,
    pub(super) knots: Vec<(f64, f64)>,
    pub(super) place: Place,
}

/// `[[security.roles]]`, as it stands there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SaidRole {
    pub(super) name: String,
    pub(super) standard_roles: Vec<String>,
    pub(super) clients: Vec<String>,
    pub(super) identities: Vec<String>,
    pub(super) place: Place,
}

/// Everything that was said.
#[derive(Debug, Default)]
pub(super) struct Said {
    values: BTreeMap<String, Set>,
    pub(super) models: Vec<SaidModel>,
    /// None: nothing was said of roles. An empty list gives nobody any.
    pub(super) roles: Option<Vec<SaidRole>>,
}

impl Said {
    /// The defaults.
    pub(super) fn defaults() -> Self {
        let mut said = Self::default();
        for setting in settings::all() {
            let value = match setting.unsaid {
                Unsaid::Is(text) => setting.kind.text(text).expect("a test reads every default"),
                Unsaid::OfMachine(number, _) => Value::Integer(number()),
                Unsaid::Nothing(_) => continue,
            };
            said.values.insert(setting.name(), Set { value, place: Place::Default });
        }
        said
    }

    /// Takes a value that was read, or reports why it could not be.
    pub(super) fn take(&mut self, setting: &Setting, read: Result<Value, Bad>, place: Place, report: &mut Report) {
        match read {
            Ok(value) => {
                self.values.insert(setting.name(), Set { value, place });
            }
            Err(Bad { shown, expected }) => {
                report.fault(format!("{} is {shown} in {place}; it must be {expected}", setting.name()));
            }
        }
    }

    /// What was said of a setting.
    pub(super) fn set(&self, name: &str) -> Option<&Set> {
        debug_assert!(settings::find(name).is_some(), "{name} is in the table");
        self.values.get(name)
    }

    fn value(&self, name: &str) -> Option<&Value> {
        self.set(name).map(|set| &set.value)
    }

    /// A text that may be missing.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        match self.value(name) {
            Some(Value::Text(text)) => Some(text),
            _ => None,
        }
    }

    /// A number that may be missing.
    pub(super) fn number(&self, name: &str) -> Option<u64> {
        match self.value(name) {
            Some(Value::Integer(number)) => Some(*number),
            _ => None,
        }
    }

    /// A number with a default.
    pub(super) fn count(&self, name: &str) -> u64 {
        self.number(name).expect("it has a default")
    }

    /// The same, as a size of this machine.
    pub(super) fn size(&self, name: &str) -> usize {
        usize::try_from(self.count(name)).unwrap_or(usize::MAX)
    }

    /// A truth with a default.
    pub(super) fn is(&self, name: &str) -> bool {
        self.value(name) == Some(&Value::Boolean(true))
    }

    /// A list with a default.
    pub(super) fn list(&self, name: &str) -> &[String] {
        match self.value(name) {
            Some(Value::List(items)) => items,
            _ => &[],
        }
    }

    /// The token.
    pub(super) fn secret(&self, name: &str) -> Option<&crate::aci::access::Secret> {
        match self.value(name) {
            Some(Value::Secret(secret)) => Some(secret),
            _ => None,
        }
    }
}
