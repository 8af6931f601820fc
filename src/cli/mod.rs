//! The command line: one file a subcommand.
//!
//! Results go to the standard output, progress and messages to the standard error, so that a result can be piped.

mod client;
mod cluster;
mod export;
mod help;
mod import;
mod queue;
mod serve;
mod status;
mod terminal;

use std::io::{self, IsTerminal as _};
use std::path::PathBuf;

use clap::{Parser, Subcommand, ValueEnum};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use tracing_subscriber::EnvFilter;

/// Face clustering: every pair compared, every cluster proven.
#[derive(Debug, Parser)]
#[command(name = "faceclique", version, about, long_about = None, max_term_width = 100, disable_help_subcommand = true)]
pub struct Arguments {
    /// How the log on the standard error is written.
    #[arg(long, value_enum, default_value_t = LogFormat::Text, global = true)]
    pub log_format: LogFormat,
    /// What is logged, such as `info` or `faceclique=debug`; by default `info` when serving, else `warn`.
    #[arg(long, env = "FACECLIQUE_LOG", global = true)]
    pub log: Option<String>,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
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
    /// Take a file of faces into a database, without a server.
    Import(import::Import),
    /// Write a database into a file, without a server.
    Export(export::Export),
    /// Cluster a file of faces, without a server or a database.
    Cluster(cluster::Cluster),
    /// List, look at and steer the jobs of a running server.
    Queue(queue::Queue),
    /// Show how a running server is.
    Status(status::Status),
    /// Explain an action of the server, or list them all.
    Help(help::Help),
}

/// Where the data are.
#[derive(Debug, clap::Args)]
pub struct DataArguments {
    /// The configuration file (TOML).
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The data directory; made if it is not there.
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
}

/// Why a command failed; its text is for the person who typed it.
pub type Failure = Box<dyn std::error::Error>;

/// The exit code of a command that failed: 2 if a server could not be reached, else 1.
pub fn exit_code(failure: &Failure) -> u8 {
    match failure.downcast_ref() {
        Some(client::Trouble::Unreachable { .. }) => 2,
        _ => 1,
    }
}

impl DataArguments {
    /// The configuration file with the flags over it.
    fn config(&self) -> Result<crate::config::Config, Failure> {
        let mut raw = crate::config::Raw::read(self.config.as_deref())?;
        if let Some(data) = &self.data {
            raw.paths.data = Some(data.clone());
        }
        Ok(raw.config()?)
    }
}

impl Arguments {
    /// Does it.
    pub fn run(self) -> Result<(), Failure> {
        // The index crate tells of every build and file in twenty lines.
        let default = if matches!(self.command, Command::Serve(_)) { "info,hnsw_rs=warn" } else { "warn" };
        start_log(self.log_format, self.log.as_deref().unwrap_or(default))?;
        match self.command {
            Command::Serve(serve) => serve.run(),
            Command::Import(import) => import.run(),
            Command::Export(export) => export.run(),
            Command::Cluster(cluster) => cluster.run(),
            Command::Queue(queue) => queue.run(),
            Command::Status(status) => status.run(),
            Command::Help(help) => help.run(),
        }
    }
}

fn start_log(format: LogFormat, filter: &str) -> Result<(), Failure> {
    let filter = EnvFilter::try_new(filter).map_err(|error| format!("--log {filter}: {error}"))?;
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr);
    match format {
        LogFormat::Text => log.with_ansi(io::stderr().is_terminal()).init(),
        LogFormat::Json => log.json().init(),
    }
    Ok(())
}

/// A progress bar in percent, on the standard error if that is a terminal.
fn percent_bar(what: &str) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(Some(100_000), ProgressDrawTarget::stderr());
    let style = ProgressStyle::with_template("{prefix} [{bar:40}] {percent_precise}% {msg} {eta_precise} left");
    bar.set_style(style.expect("the template is right").progress_chars("=> "));
    bar.set_prefix(what.to_owned());
    bar
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
