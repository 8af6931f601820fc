//! `faceclique queue`: the jobs of a running server listed, looked at and steered, as any client could (contract
//! chapter 5).
//!
//! **Not here.** The server itself and all queues in figures (`status`).

mod list;
mod show;
mod watch;

use std::io::{self, Write as _};

use serde_json::{Value, json};

use self::list::List;
use super::Failure;
use super::client::{Client, ServerArguments, Trouble};
use super::terminal::{self, Column};
use crate::job::Token;

/// The error number of a token that a queue does not know.
const UNKNOWN_TOKEN: u16 = 51;

/// List, look at and steer the jobs of a running server.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  faceclique queue                                  the latest jobs of all queues
  faceclique queue list FaceClustering --watch      one queue, refreshed every second
  faceclique queue list --state queued,processing   what waits and runs
  faceclique queue show 0176fba5-bbb9-7852-afa3-1cf7a302e404
  faceclique queue pause FaceClustering             starts no more jobs, and pauses those that run
  faceclique queue list --json | jq '.[].token'

Exit code: 0 done; 1 the server refused, its description is on the standard error; 2 the server cannot be reached.")]
pub struct Queue {
    #[command(flatten)]
    server: ServerArguments,
    #[command(subcommand)]
    command: Option<Command>,
}

/// What to do with jobs; nothing lists them.
#[derive(Debug, clap::Subcommand)]
enum Command {
    /// List jobs, the newest first.
    List(List),
    /// Show one job: its times, how far it is, its result in figures, its error.
    #[command(after_help = "\
Examples:
  faceclique queue show 0176fba5-bbb9-7852-afa3-1cf7a302e404
  faceclique queue show 0176fba5-bbb9-7852-afa3-1cf7a302e404 --json | jq .status")]
    Show(One),
    /// End a job that has not started.
    #[command(after_help = "\
Examples:
  faceclique queue cancel 0176fba5-bbb9-7852-afa3-1cf7a302e404
  faceclique queue cancel --queue TrainFace 0176fba5-bbb9-7852-afa3-1cf7a302e404")]
    Cancel(One),
    /// End a job, also a running one; or all that a queue is running.
    #[command(after_help = "\
Examples:
  faceclique queue stop 0176fba5-bbb9-7852-afa3-1cf7a302e404
  faceclique queue stop FaceClustering")]
    Stop(Target),
    /// Let a job wait, or a queue with all its jobs, until it is resumed; also across a restart of the server.
    #[command(after_help = "\
Examples:
  faceclique queue pause 0176fba5-bbb9-7852-afa3-1cf7a302e404
  faceclique queue pause FaceClustering")]
    Pause(Target),
    /// Let a paused job, or a paused queue, go on.
    #[command(after_help = "\
Examples:
  faceclique queue resume 0176fba5-bbb9-7852-afa3-1cf7a302e404
  faceclique queue resume FaceClustering")]
    Resume(Target),
    /// Change the priority of a job that has not started; a higher number starts earlier.
    #[command(after_help = "\
Examples:
  faceclique queue priority 0176fba5-bbb9-7852-afa3-1cf7a302e404 80")]
    Priority {
        #[command(flatten)]
        job: One,
        /// 0 to 100; a job has 50 unless it was given another.
        #[arg(value_parser = clap::value_parser!(u8).range(0..=100))]
        priority: u8,
    },
}

/// A job.
#[derive(Debug, clap::Args)]
struct One {
    /// The token of the job.
    token: String,
    /// The queue of the job; by default it is looked for in all.
    #[arg(long, value_name = "QUEUE")]
    queue: Option<String>,
}

/// A job or a queue.
#[derive(Debug, clap::Args)]
struct Target {
    /// The token of a job, or the name of a queue.
    #[arg(value_name = "TOKEN|QUEUE")]
    target: String,
    /// The queue of the job; by default it is looked for in all.
    #[arg(long, value_name = "QUEUE")]
    queue: Option<String>,
}

impl Queue {
    pub(super) fn run(self) -> Result<(), Failure> {
        let client = self.server.client()?;
        let json = self.server.json;
        match self.command.unwrap_or_else(|| Command::List(List::default())) {
            Command::List(list) if list.watch => watch::run(&client, &list, json),
            Command::List(list) => list.run(&client, json),
            Command::Show(One { token, queue }) => show::run(&client, &token, queue.as_deref(), json),
            Command::Cancel(job) => steer(&client, "cancel", &job.of(&client)?, None, json),
            Command::Stop(target) => steer(&client, "stop", &target.of(&client)?, None, json),
            Command::Pause(target) => steer(&client, "pause", &target.of(&client)?, None, json),
            Command::Resume(target) => steer(&client, "resume", &target.of(&client)?, None, json),
            Command::Priority { job, priority } => {
                steer(&client, "changePriority", &job.of(&client)?, Some(&priority.to_string()), json)
            }
        }
    }
}

/// What is steered.
#[derive(Debug, PartialEq, Eq)]
struct Aim {
    queue: String,
    /// Of one job; else the queue is meant.
    token: Option<String>,
}

impl One {
    fn of(self, client: &Client) -> Result<Aim, Failure> {
        let queue = match self.queue {
            Some(queue) => queue,
            None => find(client, &self.token)?.0,
        };
        Ok(Aim { queue, token: Some(self.token) })
    }
}

impl Target {
    fn of(self, client: &Client) -> Result<Aim, Failure> {
        if self.queue.is_some() || Token::parse(&self.target).is_some() {
            return One { token: self.target, queue: self.queue }.of(client);
        }
        Ok(Aim { queue: self.target, token: None })
    }
}

/// The names of all queues of the server.
fn names(client: &Client) -> Result<Vec<String>, Trouble> {
    let status = client.ask("GetStatus", &[])?;
    Ok(items(&status["queues"]["queue"]).iter().map(|queue| text(queue, "name").to_owned()).collect())
}

/// The queue of a job, and what it says of it; the clusters of a result are left out.
fn find(client: &Client, token: &str) -> Result<(String, Value), Failure> {
    for queue in names(client)? {
        match status_of(client, &queue, token) {
            Ok(job) => return Ok((queue, job)),
            Err(Trouble::Refused { number: UNKNOWN_TOKEN, .. }) => {}
            Err(trouble) => return Err(trouble.into()),
        }
    }
    Err(format!("'token={}' is not known to any queue of {}", terminal::shown(token), client.server()).into())
}

/// What a queue says of a job.
fn status_of(client: &Client, queue: &str, token: &str) -> Result<Value, Trouble> {
    let asked = [("queuename", queue), ("queueaction", "getStatus"), ("token", token), ("resultmaxclusters", "0")];
    let mut answer = client.ask("QueueInfo", &asked)?;
    Ok(answer.pointer_mut("/actions/action/0").map(Value::take).unwrap_or_default())
}

/// Does something to jobs and shows those concerned with their new status.
fn steer(client: &Client, queue_action: &str, aim: &Aim, priority: Option<&str>, as_json: bool) -> Result<(), Failure> {
    let mut asked = vec![("queuename", aim.queue.as_str()), ("queueaction", queue_action)];
    asked.extend(aim.token.as_deref().map(|token| ("token", token)));
    asked.extend(priority.map(|priority| ("priority", priority)));
    let answer = client.ask("QueueInfo", &asked)?;
    let jobs = items(&answer["actions"]["action"]);
    let mut out = io::stdout().lock();
    if as_json {
        writeln!(out, "{}", terminal::json(&json!({ "queue": aim.queue, "jobs": jobs })))?;
    } else if jobs.is_empty() {
        writeln!(out, "{queue_action} {}: done; no job is concerned", terminal::shown(&aim.queue))?;
    } else {
        let row = |job| vec![aim.queue.clone(), text(job, "token").to_owned(), text(job, "status").to_owned()];
        let rows: Vec<_> = jobs.iter().map(row).collect();
        write!(out, "{}", terminal::table(&[QUEUE, TOKEN, STATUS], &rows, terminal::width()))?;
    }
    Ok(())
}

// Columns that several tables have.
const QUEUE: Column = Column::text("queue", 2, 6);
const TOKEN: Column = Column::text("token", 4, 8);
const STATUS: Column = Column::text("status", 3, 6).painted(terminal::state);

/// The elements of a list, which is absent when there are none (contract R46).
fn items(list: &Value) -> &[Value] {
    list.as_array().map_or(&[], Vec::as_slice)
}

/// The text of a member, empty if there is none.
fn text<'v>(value: &'v Value, name: &str) -> &'v str {
    value[name].as_str().unwrap_or_default()
}

/// A member in whole seconds, shown short; empty if there is none.
fn seconds(value: &Value, name: &str) -> String {
    text(value, name).parse().map(terminal::duration).unwrap_or_default()
}
