//! `faceclique queue list`: jobs in a table, the newest first.

use std::collections::BTreeMap;
use std::io::{self, Write as _};

use jiff::civil::DateTime;
use serde_json::Value;

use super::{QUEUE, STATUS, TOKEN, items, names, seconds, text};
use crate::cli::Failure;
use crate::cli::client::{Client, Trouble};
use crate::cli::terminal::{self, Column};

/// The words for a job's status (contract R71).
const STATES: [&str; 7] = ["Queued", "Processing", "Paused", "Finished", "Error", "Cancelled", "Stopped"];

/// Jobs shown unless more are asked for.
const MAX: usize = 50;

const COLUMNS: [Column; 8] = [
    QUEUE,
    TOKEN,
    STATUS,
    Column::text("queued", 1, 8),
    Column::number("waiting"),
    Column::number("running"),
    Column::number("percent"),
    Column::text("error", 0, 8),
];

/// Which jobs are listed.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  faceclique queue list
  faceclique queue list FaceClustering --watch
  faceclique queue list --state queued,processing --max 10
  faceclique queue list --json | jq -r '.[].token'")]
pub(super) struct List {
    /// The queue; by default all.
    queue: Option<String>,
    /// Only jobs in these states, separated by commas: Queued, Processing, Paused, Finished, Error, Cancelled, Stopped.
    #[arg(long, value_name = "STATE", value_delimiter = ',', value_parser = state)]
    state: Vec<String>,
    /// At most so many jobs, the newest.
    #[arg(long, value_name = "N", default_value_t = MAX)]
    max: usize,
    /// Refresh every second until interrupted, with a bar for every running job. Into a pipe: the whole list each time,
    /// with --json in one line.
    #[arg(long)]
    pub(super) watch: bool,
}

impl Default for List {
    fn default() -> Self {
        Self { queue: None, state: Vec::new(), max: MAX, watch: false }
    }
}

fn state(word: &str) -> Result<String, String> {
    let known = STATES.iter().find(|state| state.eq_ignore_ascii_case(word));
    known.map(|&state| state.to_owned()).ok_or_else(|| format!("it is one of {}", STATES.join(", ")))
}

/// The jobs of a list.
pub(super) struct Jobs {
    pub(super) jobs: Vec<Job>,
    /// Whether there are more.
    is_cut: bool,
}

/// A job, as its queue says.
pub(super) struct Job {
    /// The elements of its `action`, with its queue.
    said: Value,
    /// What `progress` says of it, if it has not ended.
    progress: Option<Value>,
}

impl List {
    pub(super) fn run(&self, client: &Client, as_json: bool) -> Result<(), Failure> {
        let jobs = self.fetch(client)?;
        let mut out = io::stdout().lock();
        if as_json {
            writeln!(out, "{}", terminal::json(&jobs.json()))?;
        } else {
            write!(out, "{}", self.table(&jobs, terminal::width()))?;
        }
        Ok(())
    }

    /// Asks for the jobs.
    pub(super) fn fetch(&self, client: &Client) -> Result<Jobs, Trouble> {
        let queues = match &self.queue {
            Some(queue) => vec![queue.clone()],
            None => names(client)?,
        };
        let (most, state) = (self.max.saturating_add(1).to_string(), self.state.join(","));
        let mut jobs = Vec::new();
        for queue in &queues {
            let mut asked = vec![("queuename", queue.as_str()), ("queueaction", "getStatus"), ("maxresults", &most)];
            asked.push(("resultmaxclusters", "0")); // a list shows no results
            if !state.is_empty() {
                asked.push(("state", &state));
            }
            let answer = client.ask("QueueInfo", &asked)?;
            let mut listed: Vec<Job> =
                items(&answer["actions"]["action"]).iter().map(|said| job(queue, said)).collect();
            if listed.iter().any(Job::goes_on) {
                add_progress(client, queue, &mut listed)?;
            }
            jobs.append(&mut listed);
        }
        if queues.len() > 1 {
            jobs.sort_by_cached_key(|job| std::cmp::Reverse(job.queued())); // stable: each queue is in order already
        }
        let is_cut = jobs.len() > self.max;
        jobs.truncate(self.max);
        Ok(Jobs { jobs, is_cut })
    }

    /// The jobs as a table, in words if there are none.
    pub(super) fn table(&self, jobs: &Jobs, width: Option<usize>) -> String {
        if jobs.jobs.is_empty() && !jobs.is_cut {
            return "no jobs\n".to_owned();
        }
        let rows: Vec<_> = jobs.jobs.iter().map(Job::row).collect();
        let mut table = terminal::table(&COLUMNS, &rows, width);
        if jobs.is_cut {
            table.push_str(&format!("there are more than these {} (--max)\n", self.max));
        }
        table
    }
}

impl Jobs {
    /// All that is known of them.
    pub(super) fn json(&self) -> Value {
        let job = |job: &Job| {
            let mut said = job.said.clone();
            if let Some(progress) = &job.progress {
                said["progress"] = progress.clone();
            }
            said
        };
        self.jobs.iter().map(job).collect()
    }
}

fn job(queue: &str, said: &Value) -> Job {
    let mut said = if said.is_object() { said.clone() } else { Value::Object(serde_json::Map::new()) };
    said["queue"] = queue.into();
    Job { said, progress: None }
}

/// Adds how far the jobs of a queue are.
fn add_progress(client: &Client, queue: &str, jobs: &mut [Job]) -> Result<(), Trouble> {
    let answer = client.ask("QueueInfo", &[("queuename", queue), ("queueaction", "progress")])?;
    let progress: BTreeMap<&str, &Value> =
        items(&answer["action"]).iter().map(|action| (text(action, "token"), &action["progress"])).collect();
    for job in jobs {
        job.progress = progress.get(job.token()).map(|&progress| progress.clone());
    }
    Ok(())
}

impl Job {
    pub(super) fn token(&self) -> &str {
        text(&self.said, "token")
    }

    pub(super) fn queue(&self) -> &str {
        text(&self.said, "queue")
    }

    fn status(&self) -> &str {
        text(&self.said, "status")
    }

    /// Whether it has not ended.
    fn goes_on(&self) -> bool {
        ["Queued", "Processing", "Paused"].contains(&self.status())
    }

    pub(super) fn is_running(&self) -> bool {
        self.status() == "Processing"
    }

    /// How far it is, 0 to 100.
    pub(super) fn percent(&self) -> Option<f64> {
        if self.status() == "Finished" {
            return Some(100.0);
        }
        text(self.progress.as_ref()?, "percent").parse().ok()
    }

    /// The name of what it is doing.
    pub(super) fn stage(&self) -> &str {
        self.progress
            .as_ref()
            .map_or("", |progress| items(&progress["stage"]).first().map_or("", |at| text(at, "name")))
    }

    /// Seconds it is expected to take yet.
    pub(super) fn remaining(&self) -> Option<u64> {
        text(self.progress.as_ref()?, "estimated_time_remaining").parse().ok()
    }

    fn queued(&self) -> Option<DateTime> {
        DateTime::strptime("%Y-%b-%d %H:%M:%S", text(&self.said, "queued_time")).ok()
    }

    fn row(&self) -> Vec<String> {
        let own = |name: &str| text(&self.said, name).to_owned();
        vec![
            own("queue"),
            own("token"),
            own("status"),
            own("queued_time"),
            seconds(&self.said, "time_in_queue"),
            seconds(&self.said, "time_processing"),
            self.percent().map(|percent| format!("{percent:.1}")).unwrap_or_default(),
            own("error"),
        ]
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn one(said: &Value, progress: Option<Value>) -> Job {
        Job { progress, ..job("FaceClustering", said) }
    }

    #[test]
    fn a_row_shows_what_the_server_says_and_leaves_out_what_it_does_not() {
        let running = one(
            &json!({"token": "t", "status": "Processing", "queued_time": "2021-Jan-13 12:08:31", "time_in_queue": "2",
                "time_processing": "187"}),
            Some(json!({"percent": "26.407", "estimated_time_remaining": "198", "stage": [{"name": "compare"}]})),
        );
        let row = ["FaceClustering", "t", "Processing", "2021-Jan-13 12:08:31", "2s", "3m07s", "26.4", ""];
        assert_eq!(running.row(), row);
        assert_eq!((running.stage(), running.remaining()), ("compare", Some(198)));
        let failed = one(&json!({"status": "Error", "error": "'database=LFW' does not exist"}), None);
        assert_eq!(failed.row(), ["FaceClustering", "", "Error", "", "", "", "", "'database=LFW' does not exist"]);
        assert_eq!(one(&json!({"status": "Finished"}), None).row()[6], "100.0");
        assert_eq!(one(&json!("no object"), None).row()[0], "FaceClustering");
    }

    #[test]
    fn jobs_are_in_order_of_their_time_over_months() {
        let queued = |time: &str| one(&json!({"queued_time": time}), None).queued();
        assert!(queued("2021-Feb-01 00:00:00") > queued("2021-Jan-31 23:59:59"));
        assert!(queued("2021-Apr-01 00:00:00") < queued("2021-Aug-01 00:00:00"));
        assert!(queued("soon").is_none());
    }

    #[test]
    fn a_list_that_is_cut_says_so() {
        let list = List { max: 1, ..List::default() };
        let jobs = |is_cut| Jobs { jobs: vec![one(&json!({"status": "Queued"}), None)], is_cut };
        assert!(list.table(&jobs(true), None).ends_with("there are more than these 1 (--max)\n"));
        assert_eq!(list.table(&jobs(false), None).lines().count(), 2);
        assert_eq!(list.table(&Jobs { jobs: Vec::new(), is_cut: false }, None), "no jobs\n");
    }

    #[test]
    fn states_are_the_words_of_the_contract_in_any_case() {
        assert_eq!(state("PROCESSING"), Ok("Processing".to_owned()));
        assert!(state("running").unwrap_err().contains("Processing"));
    }
}
