//! `faceclique config`: is a configuration right, and what holds?

use std::io::{self, Write as _};

use clap::Subcommand;

use super::serve::ServerArguments;
use super::{Failure, LogArguments};
use crate::config::{self, Form, Print, Reading};

const EXAMPLES: &str = "\
Examples:
  faceclique config check --config faceclique.toml
  faceclique config print --config mediaserver.cfg > faceclique.toml
  faceclique config print --defaults";

/// Check a configuration, or print what holds and where it was said.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Config {
    #[command(subcommand)]
    command: ConfigCommand,
}

#[derive(Debug, Subcommand)]
enum ConfigCommand {
    /// Read everything as `serve` would; print `ok` with a summary, or every fault.
    #[command(after_help = EXAMPLES, after_long_help = format!("{EXAMPLES}\n\n{}", config::settings_page()))]
    Check(Check),
    /// Print every setting with its value and where it was said, as a file that `--config` reads again.
    #[command(after_help = EXAMPLES, after_long_help = format!("{EXAMPLES}\n\n{}", config::settings_page()))]
    Print(PrintArguments),
}

#[derive(Debug, clap::Args)]
struct Check {
    #[command(flatten)]
    server: ServerArguments,
}

#[derive(Debug, clap::Args)]
struct PrintArguments {
    #[command(flatten)]
    server: ServerArguments,
    /// The defaults, whatever is configured.
    #[arg(long)]
    defaults: bool,
    /// As JSON.
    #[arg(long)]
    json: bool,
}

impl Config {
    pub(super) fn run(self, log: &LogArguments) -> Result<(), Failure> {
        match self.command {
            ConfigCommand::Check(Check { server }) => {
                let reading = server.read(log)?;
                let warnings = config::check(&reading)?;
                let mut out = io::stdout().lock();
                for warning in warnings {
                    writeln!(out, "warning: {warning}")?;
                }
                Ok(out.write_all(summary(&reading).as_bytes())?)
            }
            ConfigCommand::Print(PrintArguments { server, defaults, json }) => {
                let form = if json { Form::Json } else { Form::Toml };
                let text = if defaults {
                    Print::Defaults.write(form)
                } else {
                    Print::Effective(&server.read(log)?).write(form)
                };
                Ok(io::stdout().lock().write_all(text.as_bytes())?)
            }
        }
    }
}

/// What a server of this configuration would do, for a last look.
fn summary(Reading { config, .. }: &Reading) -> String {
    let folders = |paths: &[std::path::PathBuf]| match paths {
        [] => "none".to_owned(),
        paths => paths.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(", "),
    };
    let rules = config.access.rules().iter().map(|rule| {
        let clients = rule.clients.iter().map(ToString::to_string);
        let identities = rule.identities.iter().map(|name| format!("certificate {name}"));
        let who = clients.chain(identities).collect::<Vec<_>>().join(", ");
        format!("  {}: {} for {who}", rule.name, rule.roles)
    });
    let lines = [
        "ok".to_owned(),
        format!("ACI: {}{}", config.listen, if config.tls.is_some() { ", TLS" } else { "" }),
        format!("service: {}", config.service_listen.map_or("off".to_owned(), |address| address.to_string())),
        format!("data: {}", config.engine.data.display()),
        match &config.pack {
            Some(pack) => format!("pictures: trained by the model pack in {}", pack.display()),
            None => "pictures: stored, not trained (vision.pack says by what)".to_owned(),
        },
        format!("clients may name files to read below: {}", folders(&config.engine.allowed_input)),
        format!("clients may name files to write below: {}", folders(&config.engine.allowed_output)),
        format!("bearer token: {}", if config.access.asks_for_token() { "every client needs it" } else { "none" }),
        "roles:".to_owned(),
    ];
    lines.into_iter().chain(rules).map(|line| line + "\n").collect()
}
