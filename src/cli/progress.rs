//! How far something is, how fast it goes, and how much longer it takes: on the standard error, if that is a terminal.
//!
//! **Promises.** Bars vanish when they end, so that what stays on the screen is the result. Where a total is not known
//! before the end, what is done is counted, and nothing is guessed.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{HumanBytes, ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};

use super::terminal::duration;
use crate::cluster::{Estimate, Stage, Watch};
use crate::engine::{Done, Engine, JobResult};
use crate::job::{Queue, Token};

/// What is counted when it is bytes.
pub(super) const BYTES: &str = "bytes";

/// A bar is drawn so often at most.
const DRAWN_EVERY: Duration = Duration::from_millis(50);

/// A progress bar in percent; what is said beside it is up to the caller.
pub(super) fn percent_bar(what: &str) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(Some(100_000), ProgressDrawTarget::stderr());
    bar.set_style(style("{prefix} [{bar:40}] {percent_precise}% {msg} {left} left"));
    bar.set_prefix(what.to_owned());
    bar
}

fn style(template: &str) -> ProgressStyle {
    let style = ProgressStyle::with_template(template).expect("the template is right").progress_chars("=> ");
    style.with_key("left", |state: &ProgressState, out: &mut dyn std::fmt::Write| {
        let _ = out.write_str(&duration(state.eta().as_secs())); // into a String
    })
}

/// A number as one reads it at a glance.
fn many(n: f64) -> String {
    match n {
        ..99.5 => format!("{n:.1}"),
        ..99_500.0 => format!("{n:.0}"),
        ..1e6 => format!("{:.0} thousand", n / 1e3),
        ..1e9 => format!("{:.1} million", n / 1e6),
        _ => format!("{:.1} billion", n / 1e9),
    }
}

/// So many things each second.
fn rate(n: f64, things: &str, took: Duration) -> String {
    let n = n / took.as_secs_f64().max(1e-3);
    if things == BYTES { format!("{}/s", HumanBytes(n as u64)) } else { format!("{} {things}/s", many(n)) }
}

/// Counts things, of which there may be a known number.
pub(super) struct Counter {
    bar: ProgressBar,
    things: &'static str,
    begun: Instant,
    /// When it was shown last, and whether the total was known then.
    shown: Option<(Instant, bool)>,
}

impl Counter {
    pub(super) fn new(what: &str, things: &'static str) -> Self {
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
        bar.set_prefix(what.to_owned());
        Self { bar, things, begun: Instant::now(), shown: None }
    }

    /// Shows it, if it was not shown just now.
    pub(super) fn show(&mut self, done: Done) {
        if self.shown.is_some_and(|(at, _)| at.elapsed() < DRAWN_EVERY) {
            return;
        }
        let is_known = done.total.is_some();
        if self.shown.is_none_or(|(_, was_known)| was_known != is_known) {
            let open = "{prefix} {spinner} {msg}, for {elapsed}";
            let known = "{prefix} [{bar:40}] {percent_precise}% {msg}, {left} left";
            self.bar.set_style(style(if is_known { known } else { open }));
        }
        self.shown = Some((Instant::now(), is_known));
        self.bar.set_length(done.total.unwrap_or(done.n).max(1));
        let n = match self.things {
            BYTES => HumanBytes(done.n).to_string(),
            things => format!("{} {things}", done.n),
        };
        let n = if is_known && self.things == BYTES { String::new() } else { n + ", " };
        self.bar.set_message(format!("{n}{}", rate(done.n as f64, self.things, self.begun.elapsed())));
        self.bar.set_position(done.n);
        self.bar.tick();
    }
}

impl Drop for Counter {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

/// Shows the stages of a clustering, and notes when each begins.
pub(super) struct Stages {
    bar: ProgressBar,
    /// Of faces.
    pairs: f64,
    begun: Mutex<Vec<(Stage, Instant)>>,
}

impl Stages {
    /// Of a clustering of so many faces.
    pub(super) fn new(what: &str, faces: usize) -> Self {
        let n = faces as f64;
        Self { bar: percent_bar(what), pairs: n * (n - 1.0).max(0.0) / 2.0, begun: Mutex::default() }
    }

    /// The bar goes; the stages so far, with the time that each took.
    pub(super) fn end(self) -> Vec<(Stage, Duration)> {
        let begun = self.begun.into_inner().unwrap_or_else(PoisonError::into_inner);
        let ends = begun.iter().skip(1).map(|&(_, next)| next).chain([Instant::now()]);
        let stages = begun.iter().zip(ends).map(|(&(stage, begun), ended)| (stage, ended - begun)).collect();
        self.bar.finish_and_clear();
        stages
    }
}

impl Watch for Stages {
    fn should_stop(&self) -> bool {
        false
    }

    fn report(&self, stage: Stage, done: u64, total: u64) {
        let now = Instant::now();
        let mut begun = self.begun.lock().unwrap_or_else(PoisonError::into_inner);
        let since = match begun.last() {
            Some(&(last, since)) if last == stage => since,
            _ => {
                begun.push((stage, now));
                self.bar.set_message(stage.name());
                now
            }
        };
        if done == 0 {
            self.bar.reset_eta(); // each stage goes at a speed of its own
        }
        if stage == Stage::Compare && done > 0 {
            let pairs = self.pairs * done as f64 / total.max(1) as f64;
            self.bar.set_message(format!("compare, {},", rate(pairs, "pairs", now - since)));
        }
        self.bar.set_position(done * 100_000 / total.max(1));
    }

    fn expect(&self, estimate: &Estimate) {
        let Estimate { pairs, edges, bytes, limit, .. } = estimate;
        let (bytes, limit) = (HumanBytes(*bytes), HumanBytes(*limit));
        self.bar.println(format!("expecting    {edges} of {pairs} pairs to match, {bytes} for them of {limit}"));
    }
}

/// Waits for a job of an engine in this process to end, showing how far it is; what it Finished with, as `outcome`
/// takes it, or why there is none. `total` is how many things of which name there are, to say how many a second.
pub(super) async fn finished<T>(
    engine: &Engine,
    (queue, token): (Queue, Token),
    (what, total): (&str, Option<(usize, &str)>),
    outcome: impl Fn(&JobResult) -> Option<T>,
) -> Result<T, String> {
    let bar = percent_bar(what);
    let mut first = None;
    loop {
        let job = engine.job(queue, token).ok_or("the job is gone")?;
        bar.set_position((job.progress.percent * 1000.0) as u64);
        let (since, before) = *first.get_or_insert_with(|| (Instant::now(), job.progress.percent));
        if let Some((total, things)) = total {
            let done = (job.progress.percent - before) / 100.0 * total as f64;
            bar.set_message(rate(done, things, since.elapsed()) + ",");
        }
        if job.state.is_ended() {
            bar.finish_and_clear();
            return match job.result() {
                Some(JobResult::Fault { text, .. }) => Err(text.clone()),
                result => result.and_then(outcome).ok_or_else(|| format!("the job ended as {}", job.state)),
            };
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_short() {
        let shown = [0.0, 12.34, 99.6, 4_321.0, 99_600.0, 1_234_567.0, 1.3e9].map(many);
        assert_eq!(shown, ["0.0", "12.3", "100", "4321", "100 thousand", "1.2 million", "1.3 billion"]);
        assert_eq!(rate(10.0, "faces", Duration::from_secs(4)), "2.5 faces/s");
        assert_eq!(rate(4096.0, BYTES, Duration::from_secs(1)), "4.00 KiB/s");
    }

    #[test]
    fn a_bar_says_what_is_known_and_no_more() {
        let mut counter = Counter::new("reading", "faces");
        counter.show(Done { n: 3, total: None });
        assert!(counter.bar.message().starts_with("3 faces, "), "{}", counter.bar.message());
        counter.shown = None; // as if a while had gone by
        counter.show(Done { n: 4, total: Some(8) });
        assert_eq!((counter.bar.position(), counter.bar.length()), (4, Some(8)));
    }

    #[test]
    fn the_stages_of_a_run_are_those_reported() {
        let stages = Stages::new("clustering", 100);
        for (stage, done) in [(Stage::Compare, 0), (Stage::Compare, 5), (Stage::Link, 0), (Stage::Link, 1)] {
            stages.report(stage, done, 5);
        }
        let names: Vec<_> = stages.end().into_iter().map(|(stage, _)| stage).collect();
        assert_eq!(names, [Stage::Compare, Stage::Link]);
    }
}
