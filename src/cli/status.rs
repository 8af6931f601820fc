//! `faceclique status`: how a running server is, and its queues in figures.

use std::io::{self, Write as _};

use serde_json::{Value, json};

use super::Failure;
use super::client::ServerArguments;
use super::terminal::{self, Column};

const COLUMNS: [Column; 5] = [
    Column::text("queue", 0, 6),
    Column::text("state", 1, 6).painted(terminal::state),
    Column::number("waiting"),
    Column::number("running"),
    Column::number("ended"),
];

/// Show how a running server is: its health, version and uptime, and its queues in figures.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  faceclique status
  faceclique status --server https://faces.example:14000 --ca-file authority.pem
  faceclique status --json | jq .health
  faceclique status --csv > queues.csv

Exit code: 0 well; 1 not well, or the server refused; 2 the server cannot be reached.")]
pub struct Status {
    #[command(flatten)]
    server: ServerArguments,
    /// Print the queues as CSV.
    #[arg(long, conflicts_with = "json")]
    csv: bool,
}

impl Status {
    pub(super) fn run(self) -> Result<(), Failure> {
        let client = self.server.client()?;
        let status = client.ask("GetStatus", &[])?;
        let health = match client.health()? {
            (200, _) => "ok".to_owned(),
            (403, _) => "not shown to this client".to_owned(),
            (503, line) => line.trim().to_owned(),
            (status, _) => format!("/health answers with the HTTP status {status}"),
        };
        let mut out = io::stdout().lock();
        if self.server.json {
            writeln!(
                out,
                "{}",
                terminal::json(&json!({ "server": client.server(), "health": health, "status": status }))
            )?;
        } else if self.csv {
            let mut csv = csv::Writer::from_writer(&mut out);
            csv.write_record(COLUMNS.map(|column| column.title()))?;
            queues(&status).iter().try_for_each(|queue| csv.write_record(row(queue)))?;
            csv.flush()?;
        } else {
            write!(out, "{}", terminal::list(&pairs(client.server(), &health, &status)))?;
            let rows: Vec<_> = queues(&status).iter().map(row).collect();
            write!(out, "\n{}", terminal::table(&COLUMNS, &rows, terminal::width()))?;
        }
        drop(out);
        if health == "ok" {
            Ok(())
        } else {
            Err(format!("the server is not well: {}", terminal::shown(&health)).into())
        }
    }
}

fn queues(status: &Value) -> &[Value] {
    status["queues"]["queue"].as_array().map_or(&[], Vec::as_slice)
}

fn text<'v>(value: &'v Value, name: &str) -> &'v str {
    value[name].as_str().unwrap_or_default()
}

fn pairs(server: &str, health: &str, status: &Value) -> Vec<(String, String)> {
    let version = format!("{} {}, build {}", text(status, "product"), text(status, "version"), text(status, "build"));
    let up = text(status, "uptimeseconds").parse().map(terminal::duration).unwrap_or_default();
    let pairs = [
        ("server", server),
        ("health", health),
        ("version", &version),
        ("up", &up),
        ("connections", text(status, "acithreads")),
        ("processor", text(status, "cpuinstructionsets")),
        ("program", text(status, "directory")),
    ];
    let given = pairs.into_iter().filter(|(_, value)| !value.is_empty());
    given.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

fn row(queue: &Value) -> Vec<String> {
    let state = if text(queue, "paused") == "true" { "paused" } else { "open" };
    let own = |name: &str| text(queue, name).to_owned();
    vec![own("name"), state.to_owned(), own("pending"), own("running"), own("completed")]
}
