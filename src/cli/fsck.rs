//! `faceclique fsck`: is everything in a data directory as it was written, and what is left if not.

use std::fmt;
use std::io::{self, Write as _};

use serde_json::json;

use super::progress::Counter;
use super::serve::with_cause;
use super::terminal::{self, Column};
use super::{DataArguments, Failure, LogArguments};
use crate::engine::{Mending, Report, fsck};

const COLUMNS: [Column; 3] = [Column::text("kind", 0, 6), Column::number("records"), Column::number("damaged")];

/// Check every record and picture of a data directory, without a server, and repair it.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Looking changes nothing: a copy of the store is opened, beside it. A repair writes what is healthy into a new store, puts \
that in the place of the damaged one, and keeps the damaged one as db.damaged-N, and what it left out in damaged-N.jsonl. \
Both need as much room on the disk as the store has, a repair twice. If there is a backup, look at that first: it may have \
what is lost here.

Examples:
  faceclique fsck --data /var/lib/faceclique
  faceclique fsck --data /var/lib/faceclique --repair

Exit code: 0 nothing is damaged, or it is repaired; 1 something is damaged; 2 it could not be looked at.")]
pub struct Fsck {
    #[command(flatten)]
    data: DataArguments,
    /// Keep what is healthy and put the rest aside.
    #[arg(long)]
    repair: bool,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// Why the directory could not be looked at.
#[derive(Debug)]
pub(super) struct NotLookedAt(String);

impl fmt::Display for NotLookedAt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for NotLookedAt {}

impl Fsck {
    pub(super) fn run(self, log: &LogArguments) -> Result<(), Failure> {
        let not_looked_at = |failure: Failure| -> Failure { Box::new(NotLookedAt(failure.to_string())) };
        let data = self.data.config(log).map_err(not_looked_at)?.engine.data;
        let mut counter = Counter::new("looking", "records");
        let mending = if self.repair { Mending::Repair } else { Mending::Tell };
        let report = fsck(&data, mending, &mut |done| counter.show(done));
        drop(counter);
        let report = report.map_err(|error| not_looked_at(with_cause(error)))?;
        let mut out = io::stdout().lock();
        if self.json {
            writeln!(out, "{}", in_json(&report))?;
        } else {
            write!(out, "{}", in_words(&report))?;
        }
        match report.findings.len() {
            0 => Ok(()),
            _ if self.repair => Ok(()),
            1 => Err("one thing is damaged; --repair keeps what is healthy".into()),
            n => Err(format!("{n} things are damaged; --repair keeps what is healthy").into()),
        }
    }
}

fn in_json(report: &Report) -> String {
    let kinds = report.kinds.iter();
    let kinds: Vec<_> = kinds
        .map(|(kind, (records, damaged))| json!({ "kind": kind, "records": records, "damaged": damaged }))
        .collect();
    let findings = report.findings.iter();
    let findings: Vec<_> =
        findings.map(|finding| json!({ "what": finding.what, "why": finding.why, "repair": finding.remedy })).collect();
    let aside: Vec<_> = report.aside.iter().map(|path| path.display().to_string()).collect();
    terminal::json(&json!({ "kinds": kinds, "findings": findings, "aside": aside }))
}

fn in_words(report: &Report) -> String {
    let kinds = report.kinds.iter();
    let rows: Vec<_> =
        kinds.map(|(kind, (n, damaged))| vec![(*kind).to_owned(), n.to_string(), damaged.to_string()]).collect();
    let mut text = terminal::table(&COLUMNS, &rows, terminal::width());
    for finding in &report.findings {
        let [what, why] = [&finding.what, &finding.why].map(|text| terminal::shown(text));
        text.push_str(&format!("\n{what}\n  {why}\n  repair: {}\n", finding.remedy));
    }
    for path in &report.aside {
        text.push_str(&format!("\nput aside: {}", terminal::shown(&path.display().to_string())));
    }
    if report.findings.is_empty() {
        text.push_str("\nnothing is damaged\n");
    } else {
        text.push('\n');
    }
    text
}
