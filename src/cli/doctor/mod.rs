//! `faceclique doctor`: would a server of this configuration be well on this machine, and if not, what is to be done?
//!
//! **Promises.** Nothing is changed: what is written to measure the disk is a file that vanishes, and a store is opened
//! only if no server has it, by which the database cuts off a damaged end of its log. A check that cannot be made says so and is no failure.

mod data;
mod disk;
mod machine;

use std::io::{self, Write as _};

use serde_json::{Value, json};

use super::serve::ServerArguments;
use super::terminal::{self, Column};
use super::{Failure, LogArguments};
use crate::config::{self, Reading};

const COLUMNS: [Column; 3] =
    [Column::text("", 3, 4).painted(terminal::state), Column::text("check", 2, 10), Column::text("found", 0, 20)];

/// Check configuration, data directory, disk and machine, and say what to do about whatever is wrong.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  faceclique doctor --config faceclique.toml
  faceclique doctor --config faceclique.toml --json | jq '.[] | select(.verdict != \"ok\")'

Exit code: 0 nothing failed, though there may be warnings; 1 something failed.")]
pub struct Doctor {
    #[command(flatten)]
    server: ServerArguments,
    /// Print JSON instead of a table.
    #[arg(long)]
    json: bool,
}

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Ok,
    /// The server starts; somebody should know.
    Warn,
    /// The server would not start, or not keep its promises.
    Fail,
}

impl Verdict {
    fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warn => "warn",
            Self::Fail => "FAIL",
        }
    }
}

/// What one check found.
#[derive(Debug)]
struct Finding {
    check: &'static str,
    verdict: Verdict,
    found: String,
    /// What to do; empty if nothing.
    advice: String,
}

impl Finding {
    fn ok(check: &'static str, found: impl Into<String>) -> Self {
        Self { check, verdict: Verdict::Ok, found: found.into(), advice: String::new() }
    }

    fn warn(check: &'static str, found: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { check, verdict: Verdict::Warn, found: found.into(), advice: advice.into() }
    }

    fn fail(check: &'static str, found: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { check, verdict: Verdict::Fail, found: found.into(), advice: advice.into() }
    }
}

impl Doctor {
    pub(super) fn run(self, log: &LogArguments) -> Result<(), Failure> {
        let findings = match self.server.read(log) {
            Ok(reading) => examine(&reading),
            Err(why) => vec![Finding::fail("configuration", why.to_string(), ADVICE_CONFIGURATION)],
        };
        let mut out = io::stdout().lock();
        if self.json {
            writeln!(out, "{}", terminal::json(&as_json(&findings)))?;
        } else {
            out.write_all(as_text(&findings).as_bytes())?;
        }
        drop(out);
        match findings.iter().filter(|finding| finding.verdict == Verdict::Fail).count() {
            0 => Ok(()),
            1 => Err("1 check failed".into()),
            n => Err(format!("{n} checks failed").into()),
        }
    }
}

const ADVICE_CONFIGURATION: &str = "correct the file, variable or flag named; `faceclique config check` says the same";

fn examine(reading: &Reading) -> Vec<Finding> {
    let config = &reading.config;
    let mut findings = vec![configuration(reading)];
    findings.extend(machine::pack(config));
    findings.extend(machine::tls(config));
    let holder = data::holder(&config.engine.data);
    findings.push(data::folder(&config.engine.data));
    findings.push(data::store(config, holder.as_deref()));
    findings.extend(disk::all(&config.engine.data));
    findings.push(machine::open_files(config));
    findings.push(machine::memory(config));
    findings.push(machine::processor());
    findings.extend(machine::ports(config, holder.is_some()));
    findings.push(machine::clock(&config.engine.data));
    findings
}

fn configuration(reading: &Reading) -> Finding {
    match config::check(reading) {
        Ok(warnings) if warnings.is_empty() => Finding::ok("configuration", "valid"),
        Ok(warnings) => Finding::warn("configuration", warnings.join("; "), "see `faceclique config print`"),
        Err(error) => Finding::fail("configuration", error.faults.join("; "), ADVICE_CONFIGURATION),
    }
}

fn as_json(findings: &[Finding]) -> Value {
    findings
        .iter()
        .map(|Finding { check, verdict, found, advice }| {
            json!({ "check": check, "verdict": verdict.name().to_lowercase(), "found": found, "advice": advice })
        })
        .collect()
}

fn as_text(findings: &[Finding]) -> String {
    let row =
        |finding: &Finding| vec![finding.verdict.name().to_owned(), finding.check.to_owned(), finding.found.clone()];
    let rows: Vec<_> = findings.iter().map(row).collect();
    let mut text = terminal::table(&COLUMNS, &rows, terminal::width());
    let todo: Vec<_> = findings.iter().filter(|finding| !finding.advice.is_empty()).collect();
    if !todo.is_empty() {
        text.push_str("\nwhat to do\n");
    }
    for Finding { check, found, advice, .. } in todo {
        text.push_str(&format!("  {check}: {}\n    {}\n", terminal::shown(found), terminal::shown(advice)));
    }
    text
}

/// A number of bytes for people.
fn size(bytes: u64) -> String {
    match bytes {
        0..0x10_0000 => format!("{} KiB", bytes >> 10),
        0x10_0000..0x4000_0000 => format!("{} MiB", bytes >> 20),
        _ => format!("{:.1} GiB", bytes as f64 / f64::from(1u32 << 30)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_ok_says_what_to_do() {
        let findings = [
            Finding::ok("clock", "2026"),
            Finding::warn("space", "700 MiB free", "free some"),
            Finding::fail("sync", "it fails", "another disk"),
        ];
        let text = as_text(&findings);
        let lines: Vec<&str> = text.lines().map(str::trim_end).collect();
        assert!(lines[1].starts_with("ok") && lines[2].starts_with("warn") && lines[3].starts_with("FAIL"), "{text}");
        assert_eq!(
            &lines[5..],
            ["what to do", "  space: 700 MiB free", "    free some", "  sync: it fails", "    another disk"]
        );
        let json = as_json(&findings);
        assert_eq!(json[2]["verdict"], "fail");
        assert_eq!(json[0]["advice"], "");
    }

    #[test]
    fn sizes_are_readable() {
        assert_eq!([size(2048), size(5 << 20), size(3 << 29)], ["2 KiB", "5 MiB", "1.5 GiB"]);
    }
}
