//! `faceclique cluster`: a file of faces clustered without a server or a database, with a summary for people.

use std::fs::Permissions;
use std::io::{self, BufWriter, Write};
use std::num::NonZeroUsize;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Instant;

use super::figures::Figures;
use super::labelled::Rows;
use super::partition::{self, Output};
use super::progress::{Stages, percent_bar};
use super::{Failure, terminal};
use crate::cluster::{self, MatchScope, Parameters, Resources, Search};
use crate::confidence::{ConfidenceScale, Threshold};
use crate::engine::Settings;
use crate::face::FaceSet;

/// Cluster a file of faces, without a server or a database.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  faceclique cluster faces.npz
  faceclique cluster faces.npz --threshold 71.5 --verify --out clusters.csv
  faceclique cluster faces.csv --knots -1:0,0.43:50,1:100 --max-results 5 --out matches.xml
  faceclique cluster faces.npy --ids names.csv --search hnsw --memory 2GiB
  faceclique cluster faces.npz --threshold 60 --out clusters.parquet
  faceclique cluster faces.npz --threshold 60 --json | jq .clusters")]
pub struct Cluster {
    /// The file of faces.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// The least confidence of every pair inside a cluster, 0 to 100.
    #[arg(long, value_name = "CONFIDENCE", default_value = "50")]
    threshold: Threshold,
    /// The least confidence of a listed match, 0 to 100.
    #[arg(long, value_name = "CONFIDENCE", default_value = "50")]
    output_threshold: Threshold,
    /// At most so many matches of each image, the best; by default all.
    #[arg(long, value_name = "N")]
    max_results: Option<usize>,
    /// How pairs are looked for: auto, exact or hnsw.
    #[arg(long, value_name = "METHOD", default_value = "auto", value_parser = search)]
    search: Search,
    /// Which matches are listed: all, or those in the image's own cluster.
    #[arg(long, value_name = "SCOPE", default_value = "all", value_parser = scope)]
    match_scope: MatchScope,
    /// The model's confidence scale as cosine:confidence pairs, such as -1:0,0.43:50,1:100; by default 50*(1+cosine).
    #[arg(long, value_name = "KNOTS", value_parser = scale, allow_hyphen_values = true)]
    knots: Option<ConfidenceScale>,
    /// Threads; by default as many as there are processors.
    #[arg(long, value_name = "N")]
    threads: Option<NonZeroUsize>,
    /// The memory that may be taken, faces included, such as 6GiB; by default half of the machine's. With less, more is
    /// computed twice; the result is the same.
    #[arg(long, value_name = "BYTES", value_parser = super::bytes)]
    memory: Option<u64>,
    /// Prove the result once more from the vectors: partition, every pair, no two clusters mergeable, every match.
    #[arg(long)]
    verify: bool,
    /// Where the clusters are written: .csv, .json, .xml or .parquet by the ending; by default only a summary is printed.
    #[arg(long, value_name = "OUT")]
    out: Option<PathBuf>,
    /// Print the figures of the summary as CSV: names, and one row.
    #[arg(long, conflicts_with = "json")]
    csv: bool,
    /// Print them as JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    rows: Rows,
}

/// A method by its name.
pub(super) fn search(text: &str) -> Result<Search, String> {
    match text {
        "auto" => Ok(Search::Auto),
        "exact" => Ok(Search::Exact),
        "hnsw" => Ok(Search::Hnsw),
        _ => Err("it is one of auto, exact, hnsw".to_owned()),
    }
}

fn scope(text: &str) -> Result<MatchScope, String> {
    match text {
        "all" => Ok(MatchScope::All),
        "cluster" => Ok(MatchScope::Cluster),
        _ => Err("it is one of all, cluster".to_owned()),
    }
}

/// A scale as cosine:confidence pairs.
pub(super) fn scale(text: &str) -> Result<ConfidenceScale, String> {
    let number = |text: &str| text.trim().parse::<f64>().map_err(|_| format!("'{text}' is not a number"));
    let knots = text.split(',').map(|knot| {
        let (cosine, confidence) = knot.split_once(':').ok_or(format!("'{knot}' is not cosine:confidence"))?;
        Ok((number(cosine)?, number(confidence)?))
    });
    let knots = knots.collect::<Result<Vec<_>, String>>()?;
    ConfidenceScale::new(knots).map_err(|error| error.to_string())
}

/// What a run over these faces may use: what is given, or what a server would take.
pub(super) fn resources(faces: &FaceSet, threads: Option<NonZeroUsize>, memory: Option<u64>) -> Resources {
    let defaults = Settings::new("");
    Resources {
        threads: threads.unwrap_or(defaults.threads),
        max_bytes: memory.unwrap_or(defaults.memory).saturating_sub(size_of_val(faces.values()) as u64),
        auto_exact: defaults.auto_exact,
        ..Resources::default()
    }
}

impl Cluster {
    pub(super) fn run(self) -> Result<(), Failure> {
        let output = self.out.as_deref().map(|path| Ok::<_, Failure>((path, Output::of(path)?))).transpose()?;
        let begun = Instant::now();
        let faces = self.rows.read(&self.file)?;
        let read_in = begun.elapsed();
        let scale = self.knots.clone().unwrap_or_else(ConfidenceScale::cosine);
        let parameters = Parameters {
            cluster_threshold: self.threshold,
            output_threshold: self.output_threshold,
            max_matches: self.max_results,
            scope: self.match_scope,
            search: self.search,
            ..Parameters::default()
        };
        let resources = resources(&faces, self.threads, self.memory);
        let begun = Instant::now();
        let bar = Stages::new("clustering", faces.len());
        let clustering = cluster::cluster(&faces, &scale, &parameters, &resources, &bar)?;
        let stages = bar.end();
        let clustered_in = begun.elapsed();
        if self.verify {
            let bar = percent_bar("verifying");
            let told = |done: u64, total: u64| bar.set_position(done * 100_000 / total.max(1));
            let verified = clustering.verify_with(&faces, &scale, &parameters, &resources, &told);
            bar.finish_and_clear();
            verified.map_err(|violation| {
                format!("the result does not hold, which is a defect of this program: {violation}")
            })?;
        }
        if let Some((path, output)) = output {
            write_whole(path, |out| partition::write(out, output, &faces, &clustering))?;
        }
        let figures = Figures::of(&faces, &clustering, &parameters, [read_in, clustered_in], stages);
        let mut out = io::stdout().lock();
        if self.json {
            writeln!(out, "{}", terminal::json(&figures.json()))?;
        } else if self.csv {
            figures.csv(&mut out)?;
        } else {
            figures.tell(&mut out)?;
            if self.verify {
                writeln!(out, "verified     every promise proven again from the vectors")?;
            }
            if let Some((path, _)) = output {
                writeln!(out, "written      {}", path.display())?;
            }
        }
        Ok(())
    }
}

/// Writes a file that appears whole or not at all.
pub(super) fn write_whole(
    path: &Path,
    write: impl FnOnce(&mut (dyn Write + Send)) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let at = |error: io::Error| format!("cannot write {}: {error}", path.display());
    let like_any_file = Permissions::from_mode(0o666); // less what the umask takes; a temporary one is its owner's alone
    let file = tempfile::Builder::new().permissions(like_any_file).tempfile_in(folder).map_err(at)?;
    let mut out = BufWriter::new(file);
    write(&mut out)?;
    let file = out.into_inner().map_err(|error| at(error.into_error()))?;
    file.as_file().sync_all().map_err(at)?;
    file.persist(path).map_err(|error| at(error.error))?;
    Ok(())
}
