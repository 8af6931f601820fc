//! `faceclique queue list --watch`: the list again every second, with a bar for every running job.
//!
//! **Promises.** Once the list was there, a server that is away for a while, because it restarts, does not end the watch:
//! it is said, and asked again.

use std::collections::BTreeMap;
use std::io::{self, Write as _};
use std::thread;
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::list::{Job, Jobs, List};
use crate::cli::Failure;
use crate::cli::client::{Client, Trouble};
use crate::cli::terminal;

/// Between two lists.
const PAUSE: Duration = Duration::from_secs(1);

/// Runs until it is interrupted.
pub(super) fn run(client: &Client, list: &List, as_json: bool) -> Result<(), Failure> {
    let mut screen = (terminal::width().is_some() && !as_json).then(Screen::new);
    let mut show = |jobs: Result<&Jobs, &Trouble>| match &mut screen {
        Some(screen) => {
            screen.show(list, jobs);
            Ok(())
        }
        None => print(list, jobs, as_json),
    };
    let jobs = list.fetch(client)?;
    show(Ok(&jobs))?;
    loop {
        thread::sleep(PAUSE);
        show(list.fetch(client).as_ref())?;
    }
}

/// Prints a list behind the one before.
fn print(list: &List, jobs: Result<&Jobs, &Trouble>, as_json: bool) -> io::Result<()> {
    let mut out = io::stdout().lock();
    match jobs {
        Ok(jobs) if as_json => writeln!(out, "{}", terminal::json_line(&jobs.json()))?,
        Ok(jobs) => writeln!(out, "{}", list.table(jobs, None))?,
        Err(trouble) => writeln!(io::stderr(), "faceclique: {trouble}; asking again")?,
    }
    out.flush()
}

/// A terminal on which the list stands still.
struct Screen {
    all: MultiProgress,
    table: ProgressBar,
    /// By token.
    bars: BTreeMap<String, ProgressBar>,
}

impl Screen {
    fn new() -> Self {
        let all = MultiProgress::with_draw_target(ProgressDrawTarget::stdout());
        let table = all.add(ProgressBar::new_spinner());
        table.set_style(ProgressStyle::with_template("{msg}").expect("the template is right"));
        Self { all, table, bars: BTreeMap::new() }
    }

    fn show(&mut self, list: &List, jobs: Result<&Jobs, &Trouble>) {
        match jobs {
            Ok(jobs) => {
                self.table.set_message(list.table(jobs, terminal::width()));
                self.show_bars(&jobs.jobs);
            }
            Err(trouble) => {
                self.table.set_message(format!("{trouble}; asking again"));
                self.show_bars(&[]);
            }
        }
        self.table.tick();
    }

    /// A bar for each running job, and none for others.
    fn show_bars(&mut self, jobs: &[Job]) {
        let running: Vec<&Job> = jobs.iter().filter(|job| job.is_running()).collect();
        self.bars.retain(|token, bar| {
            let stays = running.iter().any(|job| job.token() == token);
            if !stays {
                bar.finish_and_clear();
            }
            stays
        });
        for job in running {
            let bar = self.bars.entry(job.token().to_owned()).or_insert_with(|| {
                let bar = self.all.add(ProgressBar::new(100_000));
                let style = ProgressStyle::with_template("{prefix} [{wide_bar}] {percent:>3}% {msg}");
                bar.set_style(style.expect("the template is right").progress_chars("=> "));
                bar.set_prefix(format!("{} {}", terminal::shown(job.queue()), terminal::shown(job.token())));
                bar
            });
            let left = job.remaining().map(|left| format!(", {} left", terminal::duration(left))).unwrap_or_default();
            bar.set_message(format!("{}{left}", terminal::shown(job.stage())));
            bar.set_position((job.percent().unwrap_or(0.0) * 1_000.0) as u64);
        }
    }
}
