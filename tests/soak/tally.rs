//! What was sent and answered, counted.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::time::Duration;

use crate::judge::Verdict;

/// The counts of one client, or of all.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    /// Requests answered, or left by their client.
    pub(crate) n_requests: u64,
    counts: BTreeMap<String, u64>,
    /// Actions that were answered SUCCESS.
    pub(crate) succeeded: BTreeSet<String>,
    n_sound: u64,
    pub(crate) n_successes: u64,
    slowest: Duration,
}

impl Tally {
    pub(crate) fn count(&mut self, what: String) {
        *self.counts.entry(what).or_default() += 1;
    }

    pub(crate) fn answer(&mut self, verdict: &Verdict, sound: Option<&str>, took: Duration) {
        self.n_requests += 1;
        self.n_sound += u64::from(sound.is_some());
        self.slowest = self.slowest.max(took);
        match verdict {
            Verdict::Below(status) => self.count(format!("status {status}")),
            Verdict::Bytes => self.count("bytes".to_owned()),
            Verdict::Success { action, .. } => {
                self.n_successes += 1;
                self.succeeded.insert(action.clone());
                self.count("success".to_owned());
            }
            Verdict::Error { number, .. } => self.count(format!("error {number:02}")),
        }
    }

    pub(crate) fn add(&mut self, other: Self) {
        self.n_requests += other.n_requests;
        self.n_sound += other.n_sound;
        self.n_successes += other.n_successes;
        self.slowest = self.slowest.max(other.slowest);
        self.succeeded.extend(other.succeeded);
        for (what, n) in other.counts {
            *self.counts.entry(what).or_default() += n;
        }
    }

    /// The table.
    pub(crate) fn table(&self, elapsed: Duration) -> String {
        let per_minute = self.n_requests as f64 / elapsed.as_secs_f64() * 60.0;
        let mut text = format!("{:<28}{:>10}\n", "requests", self.n_requests);
        writeln!(text, "{:<28}{per_minute:>10.0}", "requests a minute").unwrap();
        writeln!(text, "{:<28}{:>10}", "of them sound", self.n_sound).unwrap();
        for (what, n) in &self.counts {
            writeln!(text, "{what:<28}{n:>10}").unwrap();
        }
        writeln!(text, "{:<28}{:>10.3}", "slowest answer, s", self.slowest.as_secs_f64()).unwrap();
        text
    }
}
