//! `faceclique sweep`: what a database falls into at many thresholds, as a table and a picture.

use std::io::{self, Write};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use plotters::prelude::{RGBColor, SeriesLabelPosition};
use serde_json::{Value, json};

use super::cluster::{scale, write_whole};
use super::labelled::{Labelled, LabelledFaces};
use super::plot::{self, Axis, Curve, Look, Panel, Scale};
use super::progress::Stages;
use super::terminal::{self, Column};
use super::{Failure, LogArguments};
use crate::cluster::{self, Agreement, Resources};
use crate::confidence::{Confidence, ConfidenceScale, Threshold};
use crate::engine::Settings;
use crate::face::FaceSet;

/// The most thresholds that are swept.
const MOST: usize = 1_000;

/// Show what a database falls into at many thresholds: clusters, singletons, and how they agree with the labels.
///
/// Every row is exactly what a clustering at its threshold gives; pairs are compared once.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
cross-identity pairs are in one cluster under two identifiers, missed pairs under one identifier but not in one cluster;
precision, recall and F are BCubed. Wrong labels count as errors of the clustering.

Examples:
  faceclique sweep faces.npz --knots -1:0,0.45:50,1:100 --plot sweep.svg
  faceclique sweep --database people --data /var/lib/faceclique --from 50 --to 70 --step 1 --csv")]
pub struct Sweep {
    #[command(flatten)]
    faces: Labelled,
    /// The lowest threshold.
    #[arg(long, value_name = "CONFIDENCE", default_value = "40")]
    from: Threshold,
    /// The highest.
    #[arg(long, value_name = "CONFIDENCE", default_value = "80")]
    to: Threshold,
    /// The distance of two.
    #[arg(long, value_name = "CONFIDENCE", default_value = "2.5")]
    step: Threshold,
    /// The model's confidence scale as cosine:confidence pairs, such as -1:0,0.43:50,1:100; by default that of the
    /// database's model, and for a file 50*(1+cosine).
    #[arg(long, value_name = "KNOTS", value_parser = scale, allow_hyphen_values = true)]
    knots: Option<ConfidenceScale>,
    /// The memory that may be taken, such as 6GiB; by default half of the machine's.
    #[arg(long, value_name = "BYTES", value_parser = super::bytes)]
    memory: Option<u64>,
    /// A picture of the table.
    #[arg(long, value_name = "FILE.svg")]
    plot: Option<PathBuf>,
    /// Print CSV.
    #[arg(long, conflicts_with = "json")]
    csv: bool,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// One threshold and what it gives.
struct Row {
    threshold: Threshold,
    cosine: f64,
    agreement: Agreement,
}

impl Sweep {
    pub(super) fn run(self, log: &LogArguments) -> Result<(), Failure> {
        if let Some(path) = self.plot.as_deref().filter(|path| path.extension().is_none_or(|ending| ending != "svg")) {
            return Err(format!("--plot {}: the ending must be .svg", path.display()).into());
        }
        let thresholds = self.thresholds()?;
        let LabelledFaces { faces, name, scale, .. } = self.faces.read(log)?;
        let scale = self.knots.clone().unwrap_or(scale);
        let begun = Instant::now();
        let resources = Resources {
            threads: self.faces.threads(),
            max_bytes: self
                .memory
                .unwrap_or(Settings::new("").memory)
                .saturating_sub(size_of_val(faces.values()) as u64),
            ..Resources::default()
        };
        let bar = Stages::new("sweeping", faces.len());
        let partitions = cluster::sweep(&faces, &scale, &thresholds, &resources, &bar)?;
        bar.end();
        let rows = partitions.into_iter().map(|(threshold, clusters)| Row {
            threshold,
            cosine: scale.lowest_cosine(threshold),
            agreement: Agreement::of(&faces, &clusters),
        });
        let rows: Vec<Row> = rows.collect();
        let took = begun.elapsed();
        if let Some(path) = &self.plot {
            let svg = plot::svg(&format!("Clusters of {name} by threshold"), &panels(&rows))?;
            write_whole(path, |out| Ok(out.write_all(svg.as_bytes())?))?;
        }
        let mut out = io::stdout().lock();
        if self.json {
            writeln!(out, "{:#}", rows.iter().map(Row::json).collect::<Value>())?;
        } else if self.csv {
            csv(&mut out, &rows)?;
        } else {
            table(&mut out, &faces, &rows, took)?;
        }
        Ok(())
    }

    fn thresholds(&self) -> Result<Vec<Threshold>, Failure> {
        let hundredths = |threshold: Threshold| threshold.least().hundredths();
        let (from, to, step) = (hundredths(self.from), hundredths(self.to), hundredths(self.step));
        if step == 0 || from > to {
            return Err(format!("from {} to {} by {}: that is no range", self.from, self.to, self.step).into());
        }
        let n = usize::from((to - from) / step) + 1;
        if n > MOST {
            return Err(format!("{n} thresholds, at most {MOST} are swept").into());
        }
        let all = (from..=to).step_by(usize::from(step)).filter_map(Confidence::from_hundredths);
        Ok(all.map(Threshold::at).collect())
    }
}

const HEADER: [&str; 12] = [
    "threshold",
    "cosine",
    "clusters",
    "singletons",
    "largest",
    "mixed",
    "split",
    "cross",
    "missed",
    "precision",
    "recall",
    "f",
];

impl Row {
    fn cells(&self) -> [String; 12] {
        let Agreement { clusters, singletons, largest, mixed, split, cross_pairs, missed_pairs, precision, recall } =
            self.agreement;
        let counts = [clusters, singletons, largest, mixed, split, cross_pairs, missed_pairs].map(|n| n.to_string());
        let [a, b, c, d, e, f, g] = counts;
        let part = |value: f64| format!("{value:.4}");
        let cosine = format!("{:.4}", self.cosine.max(-1.0));
        let (precision, recall, both) = (part(precision), part(recall), part(self.agreement.f()));
        [self.threshold.to_string(), cosine, a, b, c, d, e, f, g, precision, recall, both]
    }

    fn json(&self) -> Value {
        let it = &self.agreement;
        json!({
            "threshold": f64::from(self.threshold.least().hundredths()) / 100.0, "cosine": self.cosine.max(-1.0),
            "clusters": it.clusters, "singletons": it.singletons, "largest": it.largest, "mixed_clusters": it.mixed,
            "split_identities": it.split, "cross_pairs": it.cross_pairs, "missed_pairs": it.missed_pairs,
            "precision": it.precision, "recall": it.recall, "f": it.f(),
        })
    }
}

fn csv(out: &mut dyn Write, rows: &[Row]) -> Result<(), Failure> {
    let mut csv = csv::Writer::from_writer(out);
    csv.write_record(HEADER)?;
    for row in rows {
        csv.write_record(row.cells())?;
    }
    Ok(csv.flush()?)
}

fn table(out: &mut dyn Write, faces: &FaceSet, rows: &[Row], took: Duration) -> io::Result<()> {
    let (n, d, took) = (faces.len(), faces.dimension(), took.as_secs_f64());
    writeln!(out, "{n} x {d} at {} thresholds in {took:.2} s\n", rows.len())?;
    let rows: Vec<_> = rows.iter().map(|row| row.cells().to_vec()).collect();
    write!(out, "{}", terminal::table(&HEADER.map(Column::number), &rows, terminal::width()))
}

/// Counts of clusters, wrong pairs, and the agreement.
fn panels(rows: &[Row]) -> [Panel; 3] {
    let at = |row: &Row| f64::from(row.threshold.least().hundredths()) / 100.0;
    let range = match rows {
        [first, .., last] => at(first)..at(last),
        [only] => at(only) - 1.0..at(only) + 1.0,
        [] => 0.0..100.0,
    };
    let curve = |name: &str, colour: RGBColor, value: &dyn Fn(&Agreement) -> f64| Curve {
        name: name.to_owned(),
        colour,
        look: Look::Dots,
        points: rows.iter().map(|row| (at(row), value(&row.agreement))).collect(),
    };
    let panel = |name: &'static str, range_of_y, scale, curves: Vec<Curve>, legend| Panel {
        x: Axis { name: "cluster threshold (confidence)", range: range.clone() },
        y: Axis { name, range: range_of_y },
        scale,
        curves,
        marks: Vec::new(),
        legend,
    };
    let most = |curves: &[Curve]| {
        let values = curves.iter().flat_map(|curve| curve.points.iter().map(|&(_, value)| value));
        values.fold(1.0, f64::max) * 1.08
    };
    let counts = vec![
        curve("clusters", plot::BLUE, &|it| it.clusters as f64),
        curve("of one image", plot::GREEN, &|it| it.singletons as f64),
        curve("of several identities", plot::ORANGE, &|it| it.mixed as f64),
        curve("identities in several clusters", plot::PURPLE, &|it| it.split as f64),
    ];
    let pairs = vec![
        curve("cross-identity, in a cluster", plot::ORANGE, &|it| it.cross_pairs as f64),
        curve("one identity, missed", plot::BLUE, &|it| it.missed_pairs as f64),
    ];
    let parts = vec![
        curve("precision", plot::ORANGE, &|it| it.precision),
        curve("recall", plot::BLUE, &|it| it.recall),
        curve("F", plot::GREEN, &|it| it.f()),
    ];
    let decades = 10f64.powf(most(&pairs).log10().ceil());
    [
        panel("clusters, identities", 0.0..most(&counts), Scale::Linear, counts, SeriesLabelPosition::UpperLeft),
        panel("wrong pairs", 1.0..decades, Scale::Logarithmic, pairs, SeriesLabelPosition::LowerLeft),
        panel("agreement with labels (BCubed)", 0.0..1.0, Scale::Linear, parts, SeriesLabelPosition::LowerLeft),
    ]
}
