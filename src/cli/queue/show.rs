//! `faceclique queue show`: one job in full.

use std::io::{self, Write as _};

use serde_json::{Value, json};

use super::{find, items, seconds, status_of, text};
use crate::cli::Failure;
use crate::cli::client::Client;
use crate::cli::terminal;

/// Elements that are shown under names of their own; everything else is of the result.
const OWN: [&str; 9] = [
    "token",
    "status",
    "queued_time",
    "time_in_queue",
    "process_start_time",
    "time_processing",
    "process_end_time",
    "error",
    "clusters", // not asked for: they may be very many
];

pub(super) fn run(client: &Client, token: &str, queue: Option<&str>, as_json: bool) -> Result<(), Failure> {
    let (queue, said) = match queue {
        Some(queue) => (queue.to_owned(), status_of(client, queue, token)?),
        None => find(client, token)?,
    };
    let asked = [("queuename", queue.as_str()), ("queueaction", "progress"), ("token", token), ("allstages", "true")];
    let answer = client.ask("QueueInfo", &asked)?;
    let progress = answer.pointer("/action/0/progress").unwrap_or(&Value::Null);
    let mut out = io::stdout().lock();
    if as_json {
        let mut said = said;
        if let Some(said) = said.as_object_mut() {
            said.remove("clusters"); // left out, not none
        }
        writeln!(out, "{}", terminal::json(&json!({ "queue": queue, "job": said, "progress": progress })))?;
    } else {
        write!(out, "{}", terminal::list(&pairs(&queue, &said, progress)))?;
    }
    Ok(())
}

/// What is shown of a job, with names for people.
fn pairs(queue: &str, said: &Value, progress: &Value) -> Vec<(String, String)> {
    let mut pairs: Vec<(&str, String)> = vec![
        ("queue", queue.to_owned()),
        ("token", text(said, "token").to_owned()),
        ("status", text(said, "status").to_owned()),
        ("error", text(said, "error").to_owned()),
        ("queued", text(said, "queued_time").to_owned()),
        ("started", text(said, "process_start_time").to_owned()),
        ("ended", text(said, "process_end_time").to_owned()),
        ("waiting", seconds(said, "time_in_queue")),
        ("running", seconds(said, "time_processing")),
        ("percent", text(progress, "percent").to_owned()),
        ("time left", seconds(progress, "estimated_time_remaining")),
    ];
    for stage in items(&progress["stage"]) {
        pairs.push(("stage", format!("{} {}", text(stage, "name"), text(stage, "percent"))));
    }
    pairs.retain(|(_, value)| !value.is_empty());
    let mut pairs: Vec<(String, String)> = pairs.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    for (name, value) in said.as_object().into_iter().flatten().filter(|(name, _)| !OWN.contains(&name.as_str())) {
        flatten(name, value, &mut pairs);
    }
    pairs
}

/// A part of a result: what is inside something else is named by both, and of a list only the length is shown.
fn flatten(name: &str, value: &Value, pairs: &mut Vec<(String, String)>) {
    match value {
        Value::String(text) => pairs.push((name.to_owned(), text.clone())),
        Value::Object(members) => {
            for (member, value) in members {
                flatten(&format!("{name} {member}"), value, pairs);
            }
        }
        Value::Array(list) => pairs.push((name.to_owned(), format!("{} of them", list.len()))),
        other => pairs.push((name.to_owned(), other.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_is_shown_with_its_times_stages_and_result_in_figures() {
        let said = json!({
            "token": "t", "status": "Finished", "queued_time": "q", "time_in_queue": "2", "process_start_time": "s",
            "time_processing": "60", "process_end_time": "e", "clusters": {},
            "resultclusters": {"first": "1", "count": "0", "total": "57"}, "build": {"image": [{}, {}]},
        });
        let progress = json!({"percent": "100.000", "stage": [{"name": "compare", "percent": "100.000"}]});
        let shown = terminal::list(&pairs("FaceClustering", &said, &progress));
        let expected = "queue                 FaceClustering\ntoken                 t\nstatus                Finished\n\
            queued                q\nstarted               s\nended                 e\nwaiting               2s\n\
            running               1m00s\npercent               100.000\nstage                 compare 100.000\n\
            build image           2 of them\nresultclusters count  0\nresultclusters first  1\n\
            resultclusters total  57\n";
        assert_eq!(shown, expected);
    }
}
