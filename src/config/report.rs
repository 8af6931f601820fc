//! What is wrong, what is only worth saying, and where things were said.
//!
//! **Promises.** Every fault is reported, not only the first, up to a number that nobody would read beyond. What comes
//! from a file or the environment cannot upset the terminal or begin a line of its own.

use std::fmt;
use std::sync::Arc;

use strsim::damerau_levenshtein;
use thiserror::Error;

/// Where something was said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Place {
    /// Nowhere: it is the default.
    Default,
    /// In a line of a file.
    Line { file: Arc<str>, line: usize },
    /// In an environment variable.
    Variable(String),
    /// On the command line.
    Flag(&'static str),
}

impl fmt::Display for Place {
    /// For "in ...".
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("the defaults"),
            Self::Line { file, line } => write!(f, "{} line {line}", safe(file)),
            Self::Variable(name) => f.write_str(name),
            Self::Flag(name) => f.write_str(name),
        }
    }
}

impl Place {
    /// For a list of sources.
    pub(super) fn source(&self) -> String {
        match self {
            Self::Default => "default".to_owned(),
            Self::Line { file, line } => format!("{}:{line}", safe(file)),
            Self::Variable(name) => format!("environment {name}"),
            Self::Flag(name) => format!("flag {name}"),
        }
    }
}

/// A text from outside with what would upset a terminal escaped.
pub(super) fn safe(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_control() { safe.extend(c.escape_debug()) } else { safe.push(c) }
    }
    safe
}

/// The faults that are listed; of more only the number is said.
const MOST: usize = 100;

/// What reading has found.
#[derive(Debug, Default)]
pub(super) struct Report {
    faults: Vec<String>,
    n_more: usize,
    warnings: Vec<String>,
}

impl Report {
    /// Something that makes the configuration unusable.
    pub(super) fn fault(&mut self, text: impl Into<String>) {
        if self.faults.len() < MOST { self.faults.push(safe(&text.into())) } else { self.n_more += 1 }
    }

    /// Something that is worth saying.
    pub(super) fn warn(&mut self, text: impl Into<String>) {
        if self.warnings.len() < MOST {
            self.warnings.push(safe(&text.into()));
        }
    }

    /// Whether there is no fault so far.
    pub(super) fn is_well(&self) -> bool {
        self.faults.is_empty()
    }

    /// The warnings, or the faults if there are any.
    pub(super) fn end(mut self) -> Result<Vec<String>, ConfigError> {
        if self.n_more > 0 {
            self.faults.push(format!("... and {} more", self.n_more));
        }
        if self.faults.is_empty() { Ok(self.warnings) } else { Err(ConfigError { faults: self.faults }) }
    }
}

/// Why there is no configuration: every fault, for whoever wrote it.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub struct ConfigError {
    /// One text each; none holds a secret.
    pub faults: Vec<String>,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.faults[..] {
            [fault] => write!(f, "the configuration is not valid: {fault}"),
            faults => {
                f.write_str("the configuration is not valid:")?;
                faults.iter().try_for_each(|fault| write!(f, "\n  {fault}"))
            }
        }
    }
}

/// Of the known names the one that was probably meant, if one is near, as "; did you mean NAME?".
pub(super) fn did_you_mean<T: AsRef<str>>(name: &str, known: impl IntoIterator<Item = T>) -> String {
    // A name that nobody could have meant is not worth the time that its comparison takes.
    let given = name.to_ascii_lowercase();
    if given.len() > 200 {
        return String::new();
    }
    let last = |name: &str| name.rsplit('.').next().unwrap_or(name).to_owned();
    let distance = |known: &str| {
        let lower = known.to_ascii_lowercase();
        // The right key in the wrong section is near too.
        let in_other_section = if last(&lower) == last(&given) && given.contains('.') { 1 } else { usize::MAX };
        damerau_levenshtein(&given, &lower).min(in_other_section)
    };
    let nearest =
        known.into_iter().map(|known| (distance(known.as_ref()), known)).min_by_key(|(distance, _)| *distance);
    match nearest {
        Some((distance, known)) if distance <= (given.chars().count() / 4).max(2) => {
            format!("; did you mean {}?", known.as_ref())
        }
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_name_is_suggested_and_a_far_one_is_not() {
        let known = ["jobs.max_queue_size", "jobs.max_ended_jobs", "server.listen"];
        assert_eq!(did_you_mean("jobs.max_queu_size", known), "; did you mean jobs.max_queue_size?");
        assert_eq!(did_you_mean("server.LISTEN", known), "; did you mean server.listen?");
        assert_eq!(did_you_mean("server.max_queue_size", known), "; did you mean jobs.max_queue_size?");
        assert_eq!(did_you_mean("server.colour", known), "");
        assert_eq!(did_you_mean(&"x".repeat(100_000), known), "");
    }

    #[test]
    fn faults_are_listed_up_to_a_number() {
        let mut report = Report::default();
        report.warn("w");
        assert_eq!(report.end(), Ok(vec!["w".to_owned()]));
        let mut report = Report::default();
        (0..150).for_each(|n| report.fault(format!("fault {n}")));
        let error = report.end().unwrap_err();
        assert_eq!((error.faults.len(), error.faults[100].as_str()), (101, "... and 50 more"));
        let one = ConfigError { faults: vec!["a".to_owned()] };
        assert_eq!(one.to_string(), "the configuration is not valid: a");
    }
}
