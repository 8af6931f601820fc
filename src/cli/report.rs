//! `faceclique report`: a finished clustering as one HTML file, of a running server or of a data directory.

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use jiff::tz::TimeZone;
use serde_json::{Value, json};

use super::client::{Client, ServerArguments};
use super::cluster::write_whole;
use super::here::Here;
use super::{DataArguments, Failure, LogArguments, terminal};
use crate::http::ReportLimits;

/// Write a finished clustering into one HTML file: what looks wrong, and the clusters with their pictures.
///
/// The file stands alone: pictures and style are in it, and nothing is asked for from anywhere. It can be kept, sent and
/// printed; who has it sees the pictures. Clusters of several identities come first.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  faceclique report 0176fba5-bbb9-7852-afa3-1cf7a302e404 --html report.html
  faceclique report TOKEN --html report.html --max-clusters 1000 --timeout 300
  faceclique report TOKEN --html report.html --data /var/lib/faceclique    when no server has the directory

Exit code: 0 written; 1 refused, or not written; 2 the server cannot be reached.")]
pub struct Report {
    #[command(flatten)]
    server: ServerArguments,
    /// The token of the job.
    #[arg(value_name = "TOKEN")]
    token: String,
    /// Where the report is written; it appears whole or not at all, in the place of what is there.
    #[arg(long, value_name = "FILE")]
    html: PathBuf,
    /// A data directory to read instead of asking a server.
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// With --data, its configuration file.
    #[arg(long, value_name = "FILE", env = "FACECLIQUE_CONFIG")]
    config: Option<PathBuf>,
    /// At most so many clusters; the report says how many are left out.
    #[arg(long, value_name = "N", default_value_t = ReportLimits::default().clusters)]
    max_clusters: usize,
    /// At most so many images of each identity in a cluster.
    #[arg(long, value_name = "N", default_value_t = ReportLimits::default().images)]
    max_images: usize,
    /// At most so many findings of the audit.
    #[arg(long, value_name = "N", default_value_t = ReportLimits::default().findings)]
    max_findings: usize,
}

impl Report {
    pub(super) fn run(self, log: &LogArguments) -> Result<(), Failure> {
        let text = match &self.data {
            Some(data) => self.from_directory(data, log)?,
            None => self.from_server(&self.server.client()?)?,
        };
        write_whole(&self.html, |out| Ok(out.write_all(text.as_bytes())?))?;
        let (file, n_bytes) = (self.html.display().to_string(), text.len());
        let mut out = io::stdout().lock();
        if self.server.json {
            writeln!(out, "{}", terminal::json(&json!({ "file": file, "bytes": n_bytes })))?;
        } else {
            writeln!(out, "{file}: {}", indicatif::HumanBytes(n_bytes as u64))?;
        }
        Ok(())
    }

    fn from_directory(&self, data: &Path, log: &LogArguments) -> Result<String, Failure> {
        if !data.is_dir() {
            return Err(format!("--data {}: there is no such directory", data.display()).into());
        }
        let arguments = DataArguments { config: self.config.clone(), data: Some(data.to_owned()) };
        let config = arguments.config(log)?;
        let zone = if config.utc { TimeZone::UTC } else { TimeZone::system() };
        let here = Here::idle(config.engine, zone)?;
        let limits = ReportLimits { clusters: self.max_clusters, images: self.max_images, findings: self.max_findings };
        let made = here.report(&self.token, limits);
        here.close()?;
        Ok(made?)
    }

    /// Asks for the job first: a server says more about a token as an action than as a page.
    fn from_server(&self, client: &Client) -> Result<String, Failure> {
        let queue = [("queuename", "FaceClustering"), ("queueaction", "getStatus"), ("resultmaxclusters", "0")];
        let job = client.ask("QueueInfo", &[&queue[..], &[("token", &*self.token)]].concat())?;
        let status = find(&job, "status").unwrap_or_default();
        if status != "Finished" {
            return Err(format!("the job has no result: it is {}", terminal::shown(status)).into());
        }
        let token = find(&job, "token").unwrap_or(&self.token);
        let Self { max_clusters, max_images, max_findings, .. } = self;
        let limits = format!("maxclusters={max_clusters}&maximages={max_images}&maxfindings={max_findings}");
        Ok(client.page(&format!("/review/result/{token}/report.html?{limits}"))?)
    }
}

/// The text of a member of the one job in the answer of QueueInfo.
fn find<'v>(data: &'v Value, name: &str) -> Option<&'v str> {
    let job = &data["actions"]["action"];
    job.get(0).unwrap_or(job)[name].as_str()
}
