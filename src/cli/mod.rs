//! The command line: one file a subcommand.
//!
//! Results go to the standard output, progress and messages to the standard error, so that a result can be piped.

mod audit;
mod backup;
mod calibrate;
mod client;
mod cluster;
mod colour;
mod completions;
mod config;
mod decide;
#[cfg(feature = "vision")]
mod demo;
mod doctor;
mod everyone;
mod exit;
mod export;
mod figures;
mod fsck;
mod help;
mod here;
mod import;
mod labelled;
mod man;
#[cfg(feature = "vision")]
mod models;
mod notify;
mod parquet;
mod partition;
mod photos;
mod plot;
mod progress;
mod queue;
mod reopen;
mod report;
mod retrain;
mod serve;
mod status;
mod sweep;
mod terminal;

use std::io;
use std::path::PathBuf;

use clap::{CommandFactory as _, FromArgMatches as _, Parser, Subcommand, ValueEnum};
use tracing_subscriber::EnvFilter;

pub use self::exit::{code as exit_code, tell};
use self::progress::{finished, percent_bar};

use crate::config::{Flag, LogForm, Reading, Sources};

/// Face clustering: every pair compared, every cluster proven.
#[derive(Debug, Parser)]
#[command(name = "faceclique", version, about, long_about = None, max_term_width = 100, disable_help_subcommand = true)]
#[command(after_help = format!("{EXAMPLES}\n{}", exit::help()))]
pub struct Arguments {
    #[command(flatten)]
    log: LogArguments,
    /// When help, tables and messages are coloured: on a terminal, unless `NO_COLOR` is set; always; or never.
    #[arg(long, value_enum, value_name = "WHEN", default_value = "auto", hide_possible_values = true, global = true)]
    color: colour::When,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What is logged, and how.
#[derive(Debug, Clone, clap::Args)]
pub struct LogArguments {
    /// How the log on the standard error is written; by default what the configuration says, or text.
    #[arg(long, value_enum, global = true)]
    log_format: Option<LogFormat>,
    /// What is logged, such as `info` or `faceclique=debug`; by default what the configuration says, or `info` when
    /// serving, else `warn`.
    #[arg(long, env = "FACECLIQUE_LOG", global = true)]
    log: Option<String>,
}

/// How the log is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// Lines for people.
    Text,
    /// One JSON object a line.
    Json,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Serve the ACI over HTTP and work the queues.
    Serve(serve::Serve),
    /// Make a database of drawn faces with planted errors, cluster it, and serve the page to look at it.
    #[cfg(feature = "vision")]
    Demo(demo::Demo),
    /// Take files of faces, or a folder of pictures, into a database, without a server.
    Import(import::Import),
    /// Write a database into a file, without a server.
    Export(export::Export),
    /// Write a backup of a data directory that no server has, or verify one.
    Backup(backup::Backup),
    /// Make a data directory of a backup.
    Restore(backup::Restore),
    /// Check every record and picture of a data directory, without a server, and repair it.
    Fsck(fsck::Fsck),
    /// Cluster a file of faces, without a server or a database.
    Cluster(cluster::Cluster),
    /// List what is probably filed wrongly in a file, a database, or the result of a job.
    Audit(audit::Audit),
    /// Train every picture of a database anew by another model pack, without a server.
    Retrain(retrain::Retrain),
    /// Fit the confidence scale of a model from labelled faces.
    Calibrate(calibrate::Calibrate),
    /// Show what a database falls into at many thresholds.
    Sweep(sweep::Sweep),
    /// List the model packs that pictures are trained by, and install one.
    #[cfg(feature = "vision")]
    Models(models::Models),
    /// List, look at and steer the jobs of a running server.
    Queue(queue::Queue),
    /// Keep what was decided of faces, on a running server.
    Decide(decide::Decide),
    /// Undo a change of faces, on a running server.
    Undo(decide::Undo),
    /// Show how a running server is.
    Status(status::Status),
    /// Write a finished clustering into one HTML file.
    Report(report::Report),
    /// Check a configuration, or print what holds and where it was said.
    Config(config::Config),
    /// Check configuration, data directory, disk and machine, and say what to do.
    Doctor(doctor::Doctor),
    /// Print the script by which a shell completes command lines.
    Completions(completions::Completions),
    /// Print the manual page, or write those of all commands into a folder.
    #[command(name = "man")]
    Manual(man::Manual),
    /// Explain an action of the server, or list them all.
    Help(help::Help),
}

/// Where the data are.
#[derive(Debug, Clone, clap::Args)]
pub struct DataArguments {
    /// The configuration file: TOML, or a media server's (.cfg, .ini).
    #[arg(long, value_name = "FILE", env = "FACECLIQUE_CONFIG")]
    config: Option<PathBuf>,
    /// The data directory; made if it is not there.
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
}

/// Why a command failed; its text is for the person who typed it.
pub type Failure = Box<dyn std::error::Error>;

/// What the help of the program shows first.
const EXAMPLES: &str = "\
Examples:
  faceclique cluster faces.npz --threshold 71.5 --out clusters.csv
  faceclique serve --data data
  faceclique import --database people --data data faces.npz
  faceclique queue list --watch
  faceclique help FaceClustering
";

impl LogArguments {
    /// Starts the log of a command that has no configuration.
    fn start(&self) -> Result<(), Failure> {
        let form = if self.log_format == Some(LogFormat::Json) { LogForm::Json } else { LogForm::Text };
        start_log(form, self.log.as_deref().unwrap_or(QUIET))
    }
}

impl DataArguments {
    /// The configuration: the file, the environment over it, these flags and those of the log and others over both.
    fn read(&self, log: &LogArguments, others: Vec<Flag>) -> Result<Reading, Failure> {
        let mut flags = others;
        if let Some(data) = &self.data {
            let value = data.to_str().ok_or_else(|| format!("--data {}: it is not UTF-8", data.display()))?.to_owned();
            flags.push(Flag { setting: "paths.data", flag: "--data", value });
        }
        if let Some(level) = &log.log {
            flags.push(Flag { setting: "logging.level", flag: "--log", value: level.clone() });
        }
        if let Some(format) = log.log_format {
            let value = if format == LogFormat::Json { "json" } else { "text" }.to_owned();
            flags.push(Flag { setting: "logging.format", flag: "--log-format", value });
        }
        let environment = std::env::vars_os().collect();
        Ok(Sources { file: self.config.clone(), environment, flags }.read()?)
    }

    /// The same for a command that works beside the server, with the log started.
    fn config(&self, log: &LogArguments) -> Result<crate::config::Config, Failure> {
        begun(self.read(log, Vec::new())?, QUIET)
    }
}

/// What commands log that people wait for.
const QUIET: &str = "warn";

/// Starts the log as the configuration says and tells what is worth saying about it.
fn begin(reading: &Reading, by_default: &str) -> Result<(), Failure> {
    let Reading { config, warnings, .. } = reading;
    start_log(config.log.form, config.log.level.as_deref().unwrap_or(by_default))?;
    for warning in warnings {
        tracing::warn!("configuration: {warning}");
    }
    Ok(())
}

/// The same, for those who need only the configuration.
fn begun(reading: Reading, by_default: &str) -> Result<crate::config::Config, Failure> {
    begin(&reading, by_default)?;
    Ok(reading.config)
}

impl Arguments {
    /// Those of this process; ends it if they ask for help or are wrong.
    pub fn of_process() -> Self {
        let choice = colour::When::of(std::env::args_os()).choice();
        let matches = Self::command().color(choice).get_matches();
        Self::from_arg_matches(&matches).unwrap_or_else(|error| error.format(&mut Self::command()).exit())
    }

    /// Does it.
    pub fn run(self) -> Result<(), Failure> {
        self.color.hold();
        let log = self.log;
        match self.command {
            Command::Serve(serve) => serve.run(&log),
            #[cfg(feature = "vision")]
            Command::Demo(demo) => demo.run(&log),
            Command::Import(import) => import.run(&log),
            Command::Export(export) => export.run(&log),
            Command::Backup(backup) => backup.run(&log),
            Command::Restore(restore) => restore.run(&log),
            Command::Fsck(fsck) => fsck.run(&log),
            Command::Retrain(retrain) => retrain.run(&log),
            Command::Cluster(cluster) => {
                log.start()?;
                cluster.run()
            }
            Command::Audit(audit) => audit.run(&log),
            Command::Calibrate(calibrate) => calibrate.run(&log),
            Command::Sweep(sweep) => sweep.run(&log),
            Command::Config(config) => config.run(&log),
            #[cfg(feature = "vision")]
            Command::Models(models) => models.run(&log),
            Command::Queue(queue) => queue.run(),
            Command::Decide(decide) => decide.run(),
            Command::Undo(undo) => undo.run(),
            Command::Status(status) => status.run(),
            Command::Report(report) => report.run(&log),
            Command::Doctor(doctor) => doctor.run(&log),
            Command::Completions(completions) => completions.run(),
            Command::Manual(manual) => manual.run(),
            Command::Help(help) => help.run(),
        }
    }
}

/// A log that loses lines where it cannot be written, on a full disk or into a pipe that nobody reads.
///
/// **Why.** Whoever writes a line panics otherwise, for that it could not is said on standard error too; and a thread of the
/// database that panics over the line about its failure leaves all others waiting for it for ever.
struct Lossy(io::Stderr);

impl io::Write for Lossy {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        Ok(self.0.write(line).unwrap_or(line.len()))
    }

    fn flush(&mut self) -> io::Result<()> {
        let _ = self.0.flush();
        Ok(())
    }
}

fn start_log(form: LogForm, filter: &str) -> Result<(), Failure> {
    let filter = EnvFilter::try_new(filter).map_err(|error| format!("--log {filter}: {error}"))?;
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(|| Lossy(io::stderr()))
        .log_internal_errors(false);
    match form {
        LogForm::Text => log.with_ansi(colour::on_err()).init(),
        LogForm::Json => log.json().init(),
    }
    Ok(())
}

/// So many of something, as one says it.
fn counted(n: usize, what: &str) -> String {
    if n == 1 { format!("1 {what}") } else { format!("{n} {what}s") }
}

/// A number of bytes, such as 4096, 512MiB or 6GiB.
fn bytes(text: &str) -> Result<u64, String> {
    let units = [("KiB", 10), ("MiB", 20), ("GiB", 30)];
    let unit = units.iter().find_map(|&(unit, shift)| Some((text.strip_suffix(unit)?, shift)));
    let (number, shift) = unit.unwrap_or((text, 0));
    let number = number.trim_end().parse::<u64>().ok();
    let number = number.and_then(|number| number.checked_mul(1 << shift));
    number.ok_or_else(|| "it is a number of bytes, such as 4096, 512MiB or 6GiB".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_may_have_a_unit() {
        for (text, expected) in [("0", 0), ("4096", 4096), ("3KiB", 3 << 10), ("512 MiB", 512 << 20), ("6GiB", 6 << 30)]
        {
            assert_eq!(bytes(text), Ok(expected));
        }
        for text in ["", "GiB", "-1", "6GB", "1.5GiB", "99999999999GiB"] {
            assert!(bytes(text).is_err(), "{text}");
        }
    }
}
