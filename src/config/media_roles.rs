//! The roles of a media server's configuration file: `[AuthorizationRoles]`, the sections it numbers, and the older
//! `AdminClients`, `QueryClients`, `ServiceControlClients`, `ServiceStatusClients`.
//!
//! **Promises.** A part of a role that has no meaning here is left out with a warning, and then gives nobody anything.

use std::collections::BTreeMap;

use super::ini::{Entry, unquoted};
use super::report::{Place, Report, did_you_mean};
use super::said::SaidRole;
use super::value::list;
use crate::aci::access::{ClientError, Clients, Role};

/// The roles read so far.
pub(super) struct Roles {
    is_given: bool,
    roles: Vec<SaidRole>,
}

impl Roles {
    /// None yet; `is_given` if the file has `[AuthorizationRoles]`, so that an empty one gives nobody anything.
    pub(super) fn new(is_given: bool) -> Self {
        Self { is_given, roles: Vec::new() }
    }

    /// Takes the section of a role.
    pub(super) fn section(
        &mut self,
        name: &str,
        entries: &BTreeMap<String, &Entry>,
        place: &Place,
        report: &mut Report,
    ) {
        let mut role = SaidRole {
            name: name.to_owned(),
            standard_roles: Vec::new(),
            clients: Vec::new(),
            identities: Vec::new(),
            place: place.clone(),
        };
        for (key, entry) in entries {
            match key.as_str() {
                "standardroles" => role.standard_roles = standard_roles(name, entry, report),
                "clients" => role.clients = clients(name, entry, report),
                "sslidentities" => role.identities = items(name, entry, report),
                "actions" | "serviceactions" | "indexactions" | "gssprincipals" => {
                    if !unquoted(&entry.value).is_empty() {
                        let Entry { key, place, .. } = entry;
                        report.warn(format!("[{name}] {key} in {place} has no meaning here and gives nobody anything"));
                    }
                }
                _ => {
                    let near = did_you_mean(key, ["StandardRoles", "Clients", "SSLIdentities"]);
                    let Entry { key, place, .. } = entry;
                    report.warn(format!("[{name}] {key} in {place} is not known{near}"));
                }
            }
        }
        if role.standard_roles.is_empty() || role.clients.is_empty() && role.identities.is_empty() {
            report.warn(format!("[{name}] in {place} gives nobody any role"));
        } else {
            self.roles.push(role);
        }
    }

    /// Takes a key of the older form, if it is one.
    pub(super) fn deprecated(&mut self, section: &str, key: &str, entry: &Entry, report: &mut Report) -> bool {
        let role = match (section, key) {
            ("server", "adminclients") => Role::Admin,
            ("server", "queryclients") => Role::Query,
            ("service", "servicecontrolclients") => Role::ServiceControl,
            ("service", "servicestatusclients") => Role::ServiceStatus,
            _ => return false,
        };
        let clients = clients(section, entry, report);
        self.is_given |= !clients.is_empty();
        if !clients.is_empty() {
            let (standard_roles, identities) = (vec![role.name().to_owned()], Vec::new());
            let place = entry.place.clone();
            self.roles.push(SaidRole { name: entry.key.clone(), standard_roles, clients, identities, place });
        }
        true
    }

    /// The roles, if the file says anything of them.
    pub(super) fn end(self) -> Option<Vec<SaidRole>> {
        self.is_given.then_some(self.roles)
    }
}

/// Reports a role that is numbered and has no section.
pub(super) fn missing(Entry { value, place, .. }: &Entry, report: &mut Report) {
    report.warn(format!("the role {value} in {place} has no section and gives nobody anything"));
}

fn items(name: &str, entry: &Entry, report: &mut Report) -> Vec<String> {
    list(&entry.value).unwrap_or_else(|| {
        report.fault(format!("[{name}] {} in {} must be a comma-separated list", entry.key, entry.place));
        Vec::new()
    })
}

fn standard_roles(name: &str, entry: &Entry, report: &mut Report) -> Vec<String> {
    let (known, foreign): (Vec<_>, Vec<_>) =
        items(name, entry, report).into_iter().partition(|role| role == "*" || Role::parse(role).is_some());
    for role in foreign {
        let place = &entry.place;
        if ["index", "user"].iter().any(|known| known.eq_ignore_ascii_case(&role)) {
            report.warn(format!("[{name}] {} in {place}: the role {role} has no meaning here", entry.key));
        } else {
            let near = did_you_mean(&role, Role::ALL.map(Role::name));
            report.fault(format!("[{name}] {} in {place}: {} is no role{near}", entry.key, role));
        }
    }
    known
}

fn clients(name: &str, entry: &Entry, report: &mut Report) -> Vec<String> {
    let place = &entry.place;
    let mut kept = Vec::new();
    for text in items(name, entry, report) {
        match text.parse::<Clients>() {
            Ok(_) => kept.push(text),
            Err(error @ ClientError::Name(_)) => {
                report.warn(format!("[{name}] {} in {place}: {error}; it is left out", entry.key));
            }
            Err(error) => {
                report.fault(format!("[{name}] {} in {place}: {}", entry.key, error));
            }
        }
    }
    kept
}
