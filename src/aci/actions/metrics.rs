//! `/metrics`: the figures of the engine, the requests, the sockets and the process (contract R179).
//!
//! **Promises.** Every label has few values, whatever clients send: an action that is not offered is counted as `unknown`.
//! No database and no person is named. A scrape scans nothing, however much is stored.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::{Actions, process};
use crate::aci::exposition::{Exposition, Kind, Labels};
use crate::aci::{Fault, Outcome, Traffic};
use crate::engine::{Figures, Histogram};
use crate::job::Queue;

use Kind::{Counter, Gauge};

/// Upper bounds of the time an answer takes, in seconds.
const REQUEST_SECONDS: [f64; 12] = [0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 30.0];

/// How a request ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Ending {
    Success,
    Error(u16),
    /// The client has gone, or the server failed in the middle of the answer.
    BrokenOff,
}

impl Ending {
    fn label(self) -> String {
        match self {
            Self::Success => "success".to_owned(),
            Self::Error(number) => number.to_string(),
            Self::BrokenOff => "broken off".to_owned(),
        }
    }
}

/// What was answered since the start.
#[derive(Debug)]
pub(super) struct Requests(Mutex<Answered>);

#[derive(Debug)]
struct Answered {
    by: BTreeMap<(&'static str, Ending), u64>,
    seconds: Histogram,
}

impl Default for Requests {
    fn default() -> Self {
        Self(Mutex::new(Answered { by: BTreeMap::new(), seconds: Histogram::new(&REQUEST_SECONDS) }))
    }
}

impl Requests {
    fn answered(&self) -> MutexGuard<'_, Answered> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts an answer; `action` is the name in its row, none if it has no row. No outcome means broken off.
    pub(super) fn count(&self, action: Option<&'static str>, outcome: Option<Outcome>, took: Duration) {
        let ending = match outcome {
            Some(Outcome::Success) => Ending::Success,
            Some(Outcome::Error(code)) => Ending::Error(code.number()),
            None => Ending::BrokenOff,
        };
        let mut answered = self.answered();
        *answered.by.entry((action.unwrap_or("unknown"), ending)).or_default() += 1;
        answered.seconds.add(took.as_secs_f64());
    }

    fn write(&self, text: &mut Exposition) {
        let (by, seconds) = {
            let answered = self.answered();
            (answered.by.clone(), answered.seconds.clone())
        };
        let endings: Vec<_> = by.iter().map(|(&(action, ending), &n)| (action, ending.label(), n)).collect();
        text.family(
            Counter,
            "faceclique_requests_total",
            "Requests answered, by action and by success or the number of the error.",
            endings.iter().map(|(action, result, n)| ([("action", *action), ("result", result.as_str())], *n as f64)),
        );
        let none: Labels<'_> = &[];
        let help = "Time from the decoded request to the last byte that its client took up.";
        text.histograms("faceclique_request_seconds", help, [(none, &seconds)]);
    }
}

/// All metrics.
pub(super) fn page(actions: &Actions, traffic: &Traffic) -> Result<String, Fault> {
    let figures = actions.engine.overview().map_err(|error| super::fault(&error))?;
    let mut text = Exposition::default();
    let version = [("version", env!("CARGO_PKG_VERSION"))];
    text.family(Gauge, "faceclique_build_info", "Always 1; the label says what runs.", [(version, 1.0)]);
    write_jobs(&mut text, &figures);
    write_contents(&mut text, &figures);
    let help = "Damaged records that the start has met and left out.";
    text.single(Gauge, "faceclique_damaged_records", help, actions.engine.n_damaged() as f64);
    write_disk(&mut text, actions);
    actions.requests.write(&mut text);
    write_traffic(&mut text, traffic);
    process::write(&mut text);
    Ok(text.finish())
}

fn write_jobs(text: &mut Exposition, figures: &Figures) {
    fn labelled<'f>(
        counts: &'f BTreeMap<(Queue, &'static str), u64>,
    ) -> impl Iterator<Item = ([(&'f str, &'f str); 2], f64)> {
        counts.iter().map(|(&(queue, status), &n)| ([("queue", queue.name()), ("status", status)], n as f64))
    }
    text.family(Gauge, "faceclique_jobs", "Jobs that are kept, by status.", labelled(&figures.jobs));
    let help = "Jobs that have ended, by status.";
    text.family(Counter, "faceclique_jobs_ended_total", help, labelled(&figures.jobs_ended));
    let labels: Vec<_> = figures.job_seconds.keys().map(|queue| [("queue", queue.name())]).collect();
    let histograms = labels.iter().map(|labels| &labels[..]).zip(figures.job_seconds.values());
    text.histograms("faceclique_job_seconds", "Time from the last start of a job to its end.", histograms);
    let compared = figures.pairs_compared as f64;
    text.single(
        Counter,
        "faceclique_pairs_compared_total",
        "Pairs of images that clusterings have compared.",
        compared,
    );
    let help = "Jobs at work whose progress stands still (jobs.stuck_after).";
    text.single(Gauge, "faceclique_stuck_jobs", help, figures.stuck_jobs as f64);
    let help = "Jobs whose start is delayed (delay).";
    text.single(Gauge, "faceclique_delayed_jobs", help, figures.delayed_jobs as f64);
    let help = "Ends of jobs that receivers are still to be told of (callbackurl).";
    text.single(Gauge, "faceclique_callbacks_waiting", help, figures.callbacks_waiting as f64);
    let help = "Attempts to tell a receiver that were delivered or failed, and callbacks that were given up.";
    let callbacks = figures.callbacks.map(|(result, n)| ([("result", result)], n as f64));
    text.family(Counter, "faceclique_callbacks_total", help, callbacks);
    let help = "Pairs that the last clustering compared in a second.";
    text.single(Gauge, "faceclique_pairs_per_second", help, figures.pairs_per_second);
}

fn write_contents(text: &mut Exposition, figures: &Figures) {
    let contents = figures.contents.as_ref();
    let images = contents.into_iter().flat_map(|contents| {
        let by = [("untrained", contents.untrained), ("trained", contents.trained), ("failed", contents.failed)];
        by.map(|(status, n)| ([("status", status)], n as f64))
    });
    text.family(Gauge, "faceclique_images", "Images in all databases, by status.", images);
    let faces = contents.map(|contents| contents.faces as f64);
    text.single(Gauge, "faceclique_faces", "Faces in all databases.", faces);
    let databases = contents.map(|contents| contents.databases as f64);
    text.single(Gauge, "faceclique_databases", "Face databases.", databases);
    let bytes = figures.store_bytes.map(|bytes| bytes as f64);
    text.single(Gauge, "faceclique_store_bytes", "Size of the store on the disk.", bytes);
    let results = figures.result_bytes as f64;
    text.single(Gauge, "faceclique_result_bytes", "Size of the results of ended jobs, in the store.", results);
    let folders = figures.folder_bytes.iter().map(|(&folder, &bytes)| ([("folder", folder)], bytes as f64));
    let help = "Sizes of the folders beside the store, looked at every quarter of an hour.";
    text.family(Gauge, "faceclique_folder_bytes", help, folders);
}

fn write_disk(text: &mut Exposition, actions: &Actions) {
    let (engine, room) = (&actions.engine, actions.engine.room());
    let help = "1 while the store takes no changes because a write or sync has failed.";
    text.single(Gauge, "faceclique_store_failed", help, f64::from(engine.failure().is_some()));
    let help = "How often the store was opened again after it had failed.";
    text.single(Counter, "faceclique_store_reopened_total", help, actions.facts.n_reopened as f64);
    let free = room.free().map(|free| free as f64);
    text.single(Gauge, "faceclique_disk_free_bytes", "Bytes that are free on the disk of the data directory.", free);
    let help = "Bytes that are to stay free (limits.min_free_space); below that what needs room is refused.";
    text.single(Gauge, "faceclique_disk_reserve_bytes", help, room.reserve() as f64);
}

fn write_traffic(text: &mut Exposition, traffic: &Traffic) {
    let Traffic {
        connections,
        connections_total,
        turned_away_total,
        handshakes_failed_total,
        requests_waiting,
        answers_waiting,
    } = *traffic;
    for (kind, name, help, n) in [
        (Gauge, "faceclique_connections", "Open connections.", connections),
        (Counter, "faceclique_connections_total", "Connections that were served.", connections_total),
        (
            Counter,
            "faceclique_connections_refused_total",
            "Connections refused for want of a place.",
            turned_away_total,
        ),
        (Counter, "faceclique_tls_handshakes_failed_total", "TLS handshakes that failed.", handshakes_failed_total),
        (Gauge, "faceclique_requests_waiting", "Requests that wait for their turn.", requests_waiting),
        (Gauge, "faceclique_answers_waiting", "Answers that wait for their client or for a job.", answers_waiting),
    ] {
        text.single(kind, name, help, n as f64);
    }
}
