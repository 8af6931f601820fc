//! `faceclique demo`: drawn faces with planted errors, clustered and served, in one command.

use std::fs;
use std::io::{self, IsTerminal as _, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use jiff::tz::TimeZone;

use super::cluster::write_whole;
use super::here::Here;
use super::progress::Counter;
use super::serve::{self, with_cause};
use super::{DataArguments, Failure, LogArguments, finished, terminal};
use crate::config::{Flag, PORT, Reading};
use crate::demo::{self, KNOTS, MODEL, Place, Plan, Planted};
use crate::engine::{
    ClusteringOutcome, Done, ImportOutcome, ImportRequest, Input, JobResult, JobView, OnError, Ticket,
};
use crate::exchange::Format;
use crate::face::DatabaseName;
use crate::job::{Queue, Token};

/// The database.
const DATABASE: &str = "people";

/// What the job is asked, beside the database.
const ASKED: [(&str, &str); 4] =
    [("clusterthreshold", "50"), ("outputthreshold", "40"), ("maxresults", "12"), ("audit", "true")];

/// Make a database of drawn faces with planted errors, cluster it, and serve the page to look at it.
///
/// About 500 portraits of 60 people who do not exist, drawn from the numbers that make their embeddings: the same in every
/// run. Among them are images under a wrong name, people with two names, names with two people, and copies.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
What was planted is written into planted.json of the directory. A directory that has the demo already is not made again.

Examples:
  faceclique demo
  faceclique demo --planted                                the errors that should be found
  faceclique demo --data /tmp/demo --port 0                elsewhere, on any free port
  faceclique demo --no-serve && faceclique serve --config faceclique-demo/faceclique.toml")]
pub struct Demo {
    /// The data directory.
    #[arg(long, value_name = "DIR", default_value = "faceclique-demo")]
    data: PathBuf,
    /// The port on this machine, 0 for any free one; by default 14000, or any free one if that is taken.
    #[arg(long, value_name = "N")]
    port: Option<u16>,
    /// Make and cluster the database, and end.
    #[arg(long)]
    no_serve: bool,
    /// Open no browser.
    #[arg(long)]
    no_open: bool,
    /// Pixels of a side of a portrait; fewer are drawn sooner.
    #[arg(long, value_name = "PIXELS", default_value_t = demo::SIDE as u64, value_parser = clap::value_parser!(u64).range(32..=1024))]
    side: u64,
    /// Also list what was planted.
    #[arg(long)]
    planted: bool,
}

impl Demo {
    pub(super) fn run(self, log: &LogArguments) -> Result<(), Failure> {
        let plan = Plan::new(demo::SEED);
        let config = self.data.join("faceclique.toml");
        fs::create_dir_all(&self.data).map_err(|error| format!("--data {}: {error}", self.data.display()))?;
        write_new(&config, &configuration())?;
        let planted = serde_json::to_string_pretty(plan.planted())? + "\n";
        write_new(&self.data.join("planted.json"), &planted)?;
        let reading = self.reading(&config, log)?;
        super::begin(&reading, super::QUIET)?;
        self.make(&plan, reading.config.engine.clone())?;
        if self.planted {
            write!(io::stdout().lock(), "\n{}", list(plan.planted()))?;
        }
        if self.no_serve {
            let shown = config.display();
            writeln!(
                io::stdout().lock(),
                "\nto look at it: faceclique serve --config {shown} --data {}",
                self.data.display()
            )?;
            return Ok(());
        }
        let opens = !self.no_open && io::stdout().is_terminal();
        serve::until_told(reading, Some(config.display().to_string()), move |address| tell(address, opens))
    }

    /// The demo's own configuration with what was said here.
    fn reading(&self, config: &Path, log: &LogArguments) -> Result<Reading, Failure> {
        let port = self.port.unwrap_or_else(|| if is_free(PORT) { PORT } else { 0 });
        let listen = SocketAddr::from((Ipv4Addr::LOCALHOST, port)).to_string();
        let flags = vec![
            Flag { setting: "server.listen", flag: "--port", value: listen },
            Flag { setting: "server.service_listen", flag: "--port", value: "off".to_owned() },
        ];
        DataArguments { config: Some(config.to_owned()), data: Some(self.data.clone()) }.read(log, flags)
    }

    /// The database and a clustering of it, unless they are there.
    fn make(&self, plan: &Plan, settings: crate::engine::Settings) -> Result<(), Failure> {
        let threads = settings.threads;
        let here = Here::at_work(settings, TimeZone::system())?;
        let database = DatabaseName::new(DATABASE).map_err(|error| error.to_string())?;
        let there = here.engine().list_databases().map_err(with_cause)?;
        if there.iter().all(|info| info.name != database) {
            let folder = tempfile::tempdir()?;
            let file = folder.path().join("faces.jsonl");
            let mut counter = Counter::new("drawing", "portraits");
            let total = Some(plan.len() as u64);
            plan.write(&file, self.side as usize, threads, &mut |n| counter.show(Done { n: n as u64, total }))?;
            drop(counter);
            let imported = import(&here, &database, &file)?;
            writeln!(
                io::stdout().lock(),
                "drawn        {} portraits of {} people, under {} names, into '{database}'",
                imported.n_images,
                plan.n_people(),
                imported.n_faces
            )?;
        }
        let clustered = |job: JobView| match job.result() {
            Some(JobResult::Clustering(outcome)) => Some((job.token, outcome.clone())),
            _ => None,
        };
        let (token, outcome) = match here.engine().jobs(Queue::FaceClustering).into_iter().rev().find_map(clustered) {
            Some(clustered) => clustered,
            None => cluster(&here)?,
        };
        let n = outcome.n_clusters;
        writeln!(io::stdout().lock(), "clustered    {} faces in {n} clusters, token {token}", outcome.n_faces)?;
        here.close()
    }
}

/// The file that says what the model's confidence means, for every later start.
fn configuration() -> String {
    let knots = KNOTS.map(|(cosine, confidence)| format!("[{cosine:?}, {confidence:?}]")).join(", ");
    let dimension = demo::DIMENSION;
    format!(
        "# The demo's model: 50 is where its people begin to be told apart.\n[[models]]\nname = \"{MODEL}\"\n\
         dimension = {dimension}\nknots = [{knots}]\n"
    )
}

/// Writes a file that is not there; what is there may have been changed by somebody, and stays.
fn write_new(path: &Path, text: &str) -> Result<(), Failure> {
    if path.exists() {
        return Ok(());
    }
    write_whole(path, |out| Ok(out.write_all(text.as_bytes())?))
}

fn is_free(port: u16) -> bool {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok()
}

fn import(here: &Here, database: &DatabaseName, file: &Path) -> Result<ImportOutcome, Failure> {
    let request = ImportRequest {
        database: database.clone(),
        data: Input::Path(file.to_owned()),
        ids: None,
        format: Format::Jsonl,
        model: Some(MODEL.to_owned()),
        on_error: OnError::Stop,
        include_metadata: true,
        include_image_data: true,
    };
    let token = here.engine().submit_import(Ticket::default(), request).map_err(with_cause)?;
    let imported = |result: &JobResult| match result {
        JobResult::Import(outcome) => Some(outcome.clone()),
        _ => None,
    };
    let job = (Queue::ImportFaceDatabase, token);
    Ok(here.wait(finished(here.engine(), job, ("importing", None), imported))??)
}

/// Asks for the job as a client would, so that queues and pages show what was asked.
fn cluster(here: &Here) -> Result<(Token, ClusteringOutcome), Failure> {
    let answer = here.ask("FaceClustering", &[&[("database", DATABASE)], &ASKED[..]].concat())?;
    let token = answer["token"].as_str().and_then(Token::parse).ok_or("the job has no token")?;
    let clustered = |result: &JobResult| match result {
        JobResult::Clustering(outcome) => Some(outcome.clone()),
        _ => None,
    };
    let job = (Queue::FaceClustering, token);
    Ok((token, here.wait(finished(here.engine(), job, ("clustering", None), clustered))??))
}

/// Says where the page is and shows it to whoever sits in front of a display.
fn tell(address: SocketAddr, opens: bool) {
    let url = format!("http://{address}/");
    let _ = writeln!(io::stdout().lock(), "\n{url}  (Ctrl-C ends it)"); // a closed pipe ends no server
    let has_display = ["DISPLAY", "WAYLAND_DISPLAY"].iter().any(|name| std::env::var_os(name).is_some());
    if opens && (has_display || cfg!(target_os = "macos")) {
        let opener = if cfg!(target_os = "macos") { "open" } else { "xdg-open" };
        let _ = Command::new(opener).arg(&url).stdout(Stdio::null()).stderr(Stdio::null()).spawn(); // there may be none
    }
}

/// What was planted, a line each.
fn list(planted: &Planted) -> String {
    let place = |place: &Place| format!("{} of {}", place.imagelabel, place.identifier);
    let mut rows: Vec<[String; 2]> = Vec::new();
    let mut add = |kind: &str, text: String| rows.push([kind.to_owned(), text]);
    for it in &planted.misfiled {
        add("misfiled", format!("{} belongs to {}", place(&it.place), it.belongs_to));
    }
    for [a, b] in &planted.same_person {
        add("same person", format!("{a} and {b}"));
    }
    for it in &planted.several_people {
        let [a, b] = &it.parts;
        add("several people", format!("{}: {} and {} images", it.identifier, a.len(), b.len()));
    }
    for [a, b] in &planted.duplicates {
        add("duplicate", format!("{} and {}", place(a), b.imagelabel));
    }
    for [a, b] in &planted.near_duplicates {
        add("near duplicate", format!("{} and {}", place(a), b.imagelabel));
    }
    planted.fits_nobody.iter().for_each(|it| add("fits nobody", place(it)));
    planted.failed.iter().for_each(|it| add("no face", place(it)));
    let columns = [terminal::Column::text("planted", u8::MAX, 14), terminal::Column::text("what", 0, 20)];
    let rows: Vec<Vec<String>> = rows.into_iter().map(Vec::from).collect();
    terminal::table(&columns, &rows, terminal::width())
}
