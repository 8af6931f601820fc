//! Environment variables: `FACECLIQUE_SECTION_KEY`.
//!
//! **Why an unknown one is only a warning.** Container platforms invent variables that begin with the name of a
//! service (`FACECLIQUE_PORT_14000_TCP`); refusing them would keep the server from starting there.

use std::ffi::OsString;

use super::report::{Place, Report, did_you_mean};
use super::said::Said;
use super::settings::{self, OTHER_VARIABLES, PREFIX, Setting};

/// Reads the variables that begin with `FACECLIQUE_`. An empty one counts as not set.
pub(super) fn read(variables: impl IntoIterator<Item = (OsString, OsString)>, said: &mut Said, report: &mut Report) {
    for (name, value) in variables {
        let Some(name) = name.to_str().filter(|name| name.starts_with(PREFIX)) else { continue };
        if OTHER_VARIABLES.contains(&name) || value.is_empty() {
            continue;
        }
        let Some(setting) = settings::all().find(|setting| setting.variable() == name) else {
            let known = settings::all().map(Setting::variable).chain(OTHER_VARIABLES.map(str::to_owned));
            report.warn(format!("the environment variable {name} is not known{}", did_you_mean(name, known)));
            continue;
        };
        let Some(value) = value.to_str() else {
            report.fault(format!("{} in {name} is not UTF-8", setting.name()));
            continue;
        };
        said.take(setting, setting.kind.text(value), Place::Variable(name.to_owned()), report);
    }
}
