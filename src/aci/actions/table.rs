//! What an action is: one row says its name, who may ask for it, its parameters and an example, and leads to its code.
//!
//! **Promises.** The row is what the dispatcher goes by (name, role, required parameters) and what the reference shows
//! (`Help`, `faceclique help`, the page in the docs), so that neither can differ from the other. A parameter that is
//! read and not in the row fails in a debug build; tests ask every row what its forms promise.
//!
//! **Not here.** The rows themselves: each stands beside its code, in the file of its family.

use std::fmt;

use super::Prepare;
use crate::aci::parameter::{COMMON, Parameter, QUEUED};
use crate::aci::{Parameters, Role};
use crate::job::Queue;

/// One action.
pub struct Action {
    /// Its name, as documented; requests may use any letter case.
    pub name: &'static str,
    /// What it does, in a sentence.
    pub about: &'static str,
    /// Who may ask for it.
    pub needs: Needs,
    /// When its work is done.
    pub way: Way,
    /// Its parameters, those of every action and of every queued one excepted.
    pub parameters: &'static [Parameter],
    /// What `responsedata` holds, or, of a queued action, its job once it is Finished.
    pub answer: &'static str,
    /// A request with its answer.
    pub example: Example,
    pub(super) prepare: Prepare,
}

impl Action {
    /// All its parameters: its own, and those of every action like it.
    pub fn all_parameters(&self) -> impl Iterator<Item = &'static Parameter> {
        let of_queued: &[Parameter] = if self.way == Way::AtOnce { &[] } else { &QUEUED };
        self.parameters.iter().chain(of_queued).chain(&COMMON)
    }
}

impl fmt::Debug for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Action").field(&self.name).finish()
    }
}

/// Who may ask for an action (contract R160).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Needs {
    /// Whoever has this role.
    Role(Role),
    /// Whoever has the role Query for these values of the parameter, in any letter case, and Admin for all others.
    QueryFor {
        /// The parameter.
        parameter: &'static str,
        /// The values.
        values: &'static [&'static str],
    },
}

impl Needs {
    /// The role that a request needs.
    pub(super) fn role(self, parameters: &Parameters) -> Role {
        match self {
            Self::Role(role) => role,
            Self::QueryFor { parameter, values } => {
                let asked = parameters.text(parameter).unwrap_or_default();
                let is_one = values.iter().any(|value| value.eq_ignore_ascii_case(asked));
                if is_one { Role::Query } else { Role::Admin }
            }
        }
    }
}

impl fmt::Display for Needs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Role(role) => role.fmt(f),
            Self::QueryFor { parameter, values } => {
                write!(f, "Query for {parameter} {}, else Admin", values.join(", "))
            }
        }
    }
}

/// When the work of an action is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// Before it is answered.
    AtOnce,
    /// As a job of this queue; the answer is its token.
    Queued(Queue),
}

/// A request with its answer, kept equal to what the server says by a test (`tests/goldens`).
#[derive(Debug, Clone, Copy)]
pub struct Example {
    /// The name of its fixtures.
    pub name: &'static str,
    /// The target of the request.
    pub request: &'static str,
    /// The whole HTTP answer.
    pub answer: &'static str,
}

impl Example {
    /// The answer without the HTTP around it.
    pub fn body(&self) -> &'static str {
        self.answer.split_once("\r\n\r\n").map_or(self.answer, |(_, body)| body)
    }
}

/// The example of an action: its request, and the answer from the fixture of that name.
macro_rules! example {
    ($action:literal, $request:literal) => {
        $crate::aci::actions::table::Example {
            name: $action,
            request: $request,
            answer: include_str!(concat!("../../../fixtures/aci/answers/", $action, ".xml.http")),
        }
    };
}
pub(super) use example;
