//! What a clustering came to, in figures: for people, as JSON, and as a row of CSV.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};
use std::time::Duration;

use indicatif::HumanBytes;
use serde_json::{Value, json};

use super::Failure;
use crate::cluster::{Clustering, Parameters, RecallAudit, Stage};
use crate::confidence::Threshold;
use crate::face::FaceSet;

/// The figures of a clustering.
pub(super) struct Figures {
    faces: usize,
    dimension: usize,
    identities: usize,
    threshold: Threshold,
    output_threshold: Threshold,
    clusters: usize,
    /// Clusters of one image.
    singletons: usize,
    largest: usize,
    /// Clusters of several identities.
    mixed: usize,
    /// Identities in several clusters.
    split: usize,
    matches: usize,
    method: &'static str,
    /// Why that method.
    reason: String,
    missed: Option<RecallAudit>,
    read_in: Duration,
    clustered_in: Duration,
    stages: Vec<(Stage, Duration)>,
}

/// Hundredths of a percent as percent.
fn percent(hundredths: u16) -> f64 {
    f64::from(hundredths) / 100.0
}

/// Seconds to the hundredth, which is as much as a clock is to be trusted.
fn seconds(took: Duration) -> f64 {
    (took.as_secs_f64() * 100.0).round() / 100.0
}

fn confidence(threshold: Threshold) -> f64 {
    f64::from(threshold.least().hundredths()) / 100.0
}

impl Figures {
    /// Counts them.
    pub(super) fn of(
        faces: &FaceSet,
        clustering: &Clustering,
        asked: &Parameters,
        [read_in, clustered_in]: [Duration; 2],
        stages: Vec<(Stage, Duration)>,
    ) -> Self {
        let clusters = clustering.clusters();
        let mut clusters_of: BTreeMap<_, usize> = BTreeMap::new();
        let mut mixed = 0;
        for members in clusters {
            let identities: BTreeSet<_> = members.iter().map(|&face| &faces.id(face as usize).identifier).collect();
            mixed += usize::from(identities.len() > 1);
            for identifier in identities {
                *clusters_of.entry(identifier).or_default() += 1;
            }
        }
        Self {
            faces: faces.len(),
            dimension: faces.dimension(),
            identities: clusters_of.len(),
            threshold: asked.cluster_threshold,
            output_threshold: asked.output_threshold,
            clusters: clusters.len(),
            singletons: clusters.iter().filter(|members| members.len() == 1).count(),
            largest: clusters.first().map_or(0, Vec::len),
            mixed,
            split: clusters_of.values().filter(|&&n| n > 1).count(),
            matches: clustering.matches().total(),
            method: clustering.method().name(),
            reason: clustering.choice().reason.to_string(),
            missed: clustering.audit(),
            read_in,
            clustered_in,
            stages,
        }
    }

    /// What a person wants to know first.
    pub(super) fn tell(&self, out: &mut dyn Write) -> io::Result<()> {
        let Self { faces: n, dimension: d, identities, clusters, singletons, largest, mixed, split, .. } = self;
        let (bytes, read_in) = (HumanBytes((n * d * 4) as u64), self.read_in.as_secs_f64());
        let at = self.threshold;
        writeln!(out, "faces        {n} x {d} of {identities} identities ({bytes}), read in {read_in:.2} s")?;
        writeln!(
            out,
            "clusters     {clusters} at confidence {at} ({singletons} of one image, the largest of {largest})"
        )?;
        writeln!(
            out,
            "to look at   {mixed} clusters hold several identities, {split} identities are in several clusters"
        )?;
        writeln!(out, "matches      {} listed, at confidence {} or more", self.matches, self.output_threshold)?;
        writeln!(out, "method       {} in {:.2} s ({})", self.method, self.clustered_in.as_secs_f64(), self.reason)?;
        if let Some(audit) = &self.missed {
            let [missed, low, high] = [audit.missed_hundredths(), audit.low, audit.high].map(percent);
            writeln!(
                out,
                "missed       an estimated {missed:.2} % of the pairs, with 95 % confidence {low:.2} to {high:.2} % ({} pairs of {} faces looked at)",
                audit.pairs, audit.sampled,
            )?;
        }
        let stage = |(stage, took): &(Stage, Duration)| format!("{stage} {:.2} s", took.as_secs_f64());
        writeln!(out, "stages       {}", self.stages.iter().map(stage).collect::<Vec<_>>().join(", "))
    }

    /// The figures with their names, in the order of the columns.
    fn named(&self) -> [(&'static str, Value); 16] {
        let missed = |value: fn(&RecallAudit) -> u16| json!(self.missed.as_ref().map(|audit| percent(value(audit))));
        [
            ("faces", json!(self.faces)),
            ("dimension", json!(self.dimension)),
            ("identities", json!(self.identities)),
            ("threshold", json!(confidence(self.threshold))),
            ("output_threshold", json!(confidence(self.output_threshold))),
            ("clusters", json!(self.clusters)),
            ("singletons", json!(self.singletons)),
            ("largest", json!(self.largest)),
            ("mixed_clusters", json!(self.mixed)),
            ("split_identities", json!(self.split)),
            ("matches", json!(self.matches)),
            ("method", json!(self.method)),
            ("missed_percent", missed(RecallAudit::missed_hundredths)),
            ("missed_percent_low", missed(|audit| audit.low)),
            ("missed_percent_high", missed(|audit| audit.high)),
            ("seconds", json!(seconds(self.clustered_in))),
        ]
    }

    /// An object of them; with the stages, and why the method was taken.
    pub(super) fn json(&self) -> Value {
        let mut value: Value = self.named().into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        value["reason"] = json!(self.reason);
        value["read_seconds"] = json!(seconds(self.read_in));
        let stage = |(stage, took): &(Stage, Duration)| json!({ "stage": stage.name(), "seconds": seconds(*took) });
        value["stages"] = self.stages.iter().map(stage).collect();
        value
    }

    /// Their names, and one row; what there is not is empty.
    pub(super) fn csv(&self, out: &mut dyn Write) -> Result<(), Failure> {
        let (names, values): (Vec<_>, Vec<_>) = self.named().into_iter().unzip();
        let cells = values.iter().map(|value| match value {
            Value::Null => String::new(),
            Value::String(text) => text.clone(),
            number => number.to_string(),
        });
        let mut csv = csv::Writer::from_writer(out);
        csv.write_record(names)?;
        csv.write_record(cells)?;
        Ok(csv.flush()?)
    }
}
