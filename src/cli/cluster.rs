//! `faceclique cluster`: a file of faces clustered without a server or a database, with a summary for people.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::Permissions;
use std::io::{self, BufWriter, Write};
use std::num::NonZeroUsize;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{HumanBytes, ProgressBar};
use serde::Serialize;

use super::labelled::Rows;
use super::{Failure, percent_bar};
use crate::aci::actions::{Page, write_clusters};
use crate::aci::{Answer, ResponseFormat};
use crate::cluster::{self, Clustering, Estimate, MatchScope, Parameters, Resources, Search, Stage, Watch};
use crate::confidence::{ConfidenceScale, Threshold};
use crate::engine::{ResultFace, Settings};
use crate::face::FaceSet;

/// Cluster a file of faces, without a server or a database.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  faceclique cluster faces.npz
  faceclique cluster faces.npz --threshold 71.5 --verify --out clusters.csv
  faceclique cluster faces.csv --knots -1:0,0.43:50,1:100 --max-results 5 --out matches.xml
  faceclique cluster faces.npy --ids names.csv --search hnsw --memory 2GiB")]
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
    /// Where the clusters are written: .csv, .json or .xml by the ending; by default only a summary is printed.
    #[arg(long, value_name = "OUT")]
    out: Option<PathBuf>,
    #[command(flatten)]
    rows: Rows,
}

fn search(text: &str) -> Result<Search, String> {
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

/// What the result is written as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Output {
    Csv,
    Json,
    Xml,
}

impl Output {
    fn of(path: &Path) -> Result<Self, Failure> {
        match path.extension().and_then(|ending| ending.to_str()) {
            Some("csv") => Ok(Self::Csv),
            Some("json") => Ok(Self::Json),
            Some("xml") => Ok(Self::Xml),
            _ => Err(format!("--out {}: the ending must be .csv, .json or .xml", path.display()).into()),
        }
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
        let defaults = Settings::new("");
        let resources = Resources {
            threads: self.threads.unwrap_or(defaults.threads),
            max_bytes: self.memory.unwrap_or(defaults.memory).saturating_sub(size_of_val(faces.values()) as u64),
            auto_exact: defaults.auto_exact,
            ..Resources::default()
        };
        let begun = Instant::now();
        let bar = Bar { bar: percent_bar("clustering"), begun: Mutex::default() };
        let clustering = cluster::cluster(&faces, &scale, &parameters, &resources, &bar)?;
        let stages = bar.stages();
        bar.bar.finish_and_clear();
        let clustered_in = begun.elapsed();
        if self.verify {
            clustering.verify(&faces, &scale, &parameters).map_err(|violation| {
                format!("the result does not hold, which is a defect of this program: {violation}")
            })?;
        }
        if let Some((path, output)) = output {
            write_whole(path, |out| write(out, output, &faces, &clustering))?;
        }
        let mut out = io::stdout().lock();
        summary(&mut out, &self, &faces, &clustering, [read_in, clustered_in])?;
        let stages: Vec<String> =
            stages.iter().map(|(stage, took)| format!("{stage} {:.2} s", took.as_secs_f64())).collect();
        writeln!(out, "stages       {}", stages.join(", "))?;
        if let Some((path, _)) = output {
            writeln!(out, "written      {}", path.display())?;
        }
        Ok(())
    }
}

/// Shows the stage and how much of it is done, and notes when each begins.
struct Bar {
    bar: ProgressBar,
    begun: Mutex<Vec<(Stage, Instant)>>,
}

impl Bar {
    /// The stages so far, with the time that each took; they have ended now.
    fn stages(&self) -> Vec<(Stage, Duration)> {
        let begun = self.begun.lock().unwrap_or_else(PoisonError::into_inner);
        let ends = begun.iter().skip(1).map(|&(_, next)| next).chain([Instant::now()]);
        begun.iter().zip(ends).map(|(&(stage, begun), ended)| (stage, ended - begun)).collect()
    }
}

impl Watch for Bar {
    fn should_stop(&self) -> bool {
        false
    }

    fn report(&self, stage: Stage, done: u64, total: u64) {
        let mut begun = self.begun.lock().unwrap_or_else(PoisonError::into_inner);
        if begun.last().is_none_or(|&(last, _)| last != stage) {
            begun.push((stage, Instant::now()));
            self.bar.set_message(stage.name());
        }
        self.bar.set_position(done * 100_000 / total.max(1));
    }

    fn expect(&self, estimate: &Estimate) {
        let Estimate { pairs, edges, bytes, limit, .. } = estimate;
        let (bytes, limit) = (HumanBytes(*bytes), HumanBytes(*limit));
        self.bar.println(format!("expecting    {edges} of {pairs} pairs to match, {bytes} for them of {limit}"));
    }
}

/// Writes a file that appears whole or not at all.
pub(super) fn write_whole(
    path: &Path,
    write: impl FnOnce(&mut dyn Write) -> Result<(), Failure>,
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

/// The images in output order, as a stored result has them.
fn result_faces(clustering: &Clustering) -> impl Iterator<Item = ResultFace> {
    clustering.clusters().iter().enumerate().flat_map(move |(cluster, members)| {
        members.iter().map(move |&face| ResultFace {
            cluster: cluster as u64,
            face,
            matches: clustering.matches_of(face).iter().map(|m| (m.face, m.confidence)).collect(),
        })
    })
}

#[derive(Serialize)]
struct JsonFace<'a> {
    cluster: u64,
    identifier: &'a str,
    imagelabel: &'a str,
    matches: Vec<JsonMatch<'a>>,
}

#[derive(Serialize)]
struct JsonMatch<'a> {
    confidence: f64,
    identifier: &'a str,
    imagelabel: &'a str,
}

fn write(out: &mut dyn Write, output: Output, faces: &FaceSet, clustering: &Clustering) -> Result<(), Failure> {
    match output {
        Output::Csv => {
            let mut csv = csv::Writer::from_writer(out);
            csv.write_record(["cluster", "identifier", "imagelabel"])?;
            for face in result_faces(clustering) {
                let id = faces.id(face.face as usize);
                csv.write_record([&(face.cluster + 1).to_string(), id.identifier.as_str(), id.label.as_str()])?;
            }
            csv.flush()?;
        }
        Output::Json => {
            for face in result_faces(clustering) {
                serde_json::to_writer(&mut *out, &json(faces, &face))?;
                out.write_all(b"\n")?;
            }
        }
        Output::Xml => {
            let mut answer = Answer::begin(out, ResponseFormat::Xml, "FaceClustering")?;
            write_clusters(&mut answer, faces.ids(), result_faces(clustering).map(Ok), Page::ALL)?;
            answer.finish()?;
        }
    }
    Ok(())
}

fn json<'a>(faces: &'a FaceSet, face: &ResultFace) -> JsonFace<'a> {
    let id = faces.id(face.face as usize);
    let matches = face.matches.iter().map(|&(other, confidence)| {
        let other = faces.id(other as usize);
        JsonMatch {
            confidence: f64::from(confidence.hundredths()) / 100.0,
            identifier: other.identifier.as_str(),
            imagelabel: other.label.as_str(),
        }
    });
    JsonFace {
        cluster: face.cluster + 1,
        identifier: id.identifier.as_str(),
        imagelabel: id.label.as_str(),
        matches: matches.collect(),
    }
}

/// What a person wants to know first.
fn summary(
    out: &mut dyn Write,
    asked: &Cluster,
    faces: &FaceSet,
    clustering: &Clustering,
    [read_in, clustered_in]: [Duration; 2],
) -> io::Result<()> {
    let clusters = clustering.clusters();
    let identity = |face: u32| &faces.id(face as usize).identifier;
    let mut clusters_of: BTreeMap<_, usize> = BTreeMap::new();
    let mut mixed = 0;
    for members in clusters {
        let identities: BTreeSet<_> = members.iter().map(|&face| identity(face)).collect();
        mixed += usize::from(identities.len() > 1);
        for identifier in identities {
            *clusters_of.entry(identifier).or_default() += 1;
        }
    }
    let split = clusters_of.values().filter(|&&n| n > 1).count();
    let singletons = clusters.iter().filter(|members| members.len() == 1).count();
    let largest = clusters.first().map_or(0, Vec::len);
    let (n, d) = (faces.len(), faces.dimension());
    let bytes = HumanBytes((n * d * 4) as u64);
    writeln!(
        out,
        "faces        {n} x {d} of {} identities ({bytes}), read in {:.2} s",
        clusters_of.len(),
        read_in.as_secs_f64()
    )?;
    writeln!(
        out,
        "clusters     {} at confidence {} ({singletons} of one image, the largest of {largest})",
        clusters.len(),
        asked.threshold,
    )?;
    writeln!(out, "to look at   {mixed} clusters hold several identities, {split} identities are in several clusters")?;
    writeln!(
        out,
        "matches      {} listed, at confidence {} or more",
        clustering.matches().total(),
        asked.output_threshold
    )?;
    write!(out, "method       {} in {:.2} s", clustering.method().name(), clustered_in.as_secs_f64())?;
    writeln!(out, " ({})", clustering.choice().reason)?;
    if let Some(audit) = clustering.audit() {
        let percent = |hundredths: u16| format!("{}.{:02}", hundredths / 100, hundredths % 100);
        writeln!(
            out,
            "missed       an estimated {} % of the pairs, with 95 % confidence {} to {} % ({} pairs of {} faces looked at)",
            percent(audit.missed_hundredths()),
            percent(audit.low),
            percent(audit.high),
            audit.pairs,
            audit.sampled,
        )?;
    }
    if asked.verify {
        writeln!(out, "verified     every promise proven again from the vectors")?;
    }
    Ok(())
}
