//! Faces clustered and audited in this process, told as a server would tell it.

use std::num::NonZeroUsize;
use std::time::Instant;

use serde_json::Value;

use super::super::client::answered;
use super::super::cluster::{resources, scale, search};
use super::super::labelled::LabelledFaces;
use super::super::progress::Stages;
use super::super::{Failure, bytes};
use crate::aci::actions::{About, Listed, write_audit};
use crate::aci::{Answer, ResponseFormat};
use crate::cluster::audit::{Audit, Identities, Subject, audit};
use crate::cluster::{self, NoShelf, Parameters, Search};
use crate::confidence::{ConfidenceScale, Threshold};

/// How faces are clustered and audited.
#[derive(Debug, clap::Args)]
pub(super) struct Making {
    /// The least confidence of every pair inside a cluster, 0 to 100; by default 50.
    #[arg(long, value_name = "CONFIDENCE")]
    threshold: Option<Threshold>,
    /// How pairs are looked for: auto, exact or hnsw; by default auto.
    #[arg(long, value_name = "METHOD", value_parser = search)]
    search: Option<Search>,
    /// The model's confidence scale as cosine:confidence pairs, such as -1:0,0.43:50,1:100; by default that of the
    /// database's model, and for a file 50*(1+cosine).
    #[arg(long, value_name = "KNOTS", value_parser = scale, allow_hyphen_values = true)]
    knots: Option<ConfidenceScale>,
    /// Threads; by default as many as there are processors.
    #[arg(long, value_name = "N")]
    threads: Option<NonZeroUsize>,
    /// The memory that may be taken, faces included, such as 6GiB; by default half of the machine's.
    #[arg(long, value_name = "BYTES", value_parser = bytes)]
    memory: Option<u64>,
}

impl Making {
    /// Of a job nothing of this can be said any more.
    pub(super) fn refuse(&self, token: &str) -> Result<(), Failure> {
        let given = [
            ("--threshold", self.threshold.is_some()),
            ("--search", self.search.is_some()),
            ("--knots", self.knots.is_some()),
            ("--threads", self.threads.is_some()),
            ("--memory", self.memory.is_some()),
        ];
        match given.into_iter().find(|(_, is_given)| *is_given) {
            Some((flag, _)) => Err(format!(
                "{flag}: the job {token} has been audited as it was asked; {flag} is for a file or --database"
            )
            .into()),
            None => Ok(()),
        }
    }

    /// The answer, and in words what was audited.
    pub(super) fn audit(&self, read: &LabelledFaces, listed: &Listed) -> Result<(Value, String), Failure> {
        let LabelledFaces { faces, decided, .. } = read;
        let scale = self.knots.as_ref().unwrap_or(&read.scale);
        let threshold = self.threshold.unwrap_or_default();
        let parameters = Parameters {
            cluster_threshold: threshold,
            output_threshold: threshold,
            max_matches: Some(0), // they are not asked for
            search: self.search.unwrap_or_default(),
            ..Parameters::default()
        };
        let resources = resources(faces, self.threads, self.memory);
        let begun = Instant::now();
        let bar = Stages::new("auditing", faces.len());
        let clustering = cluster::cluster(faces, scale, &parameters, &resources, &bar)?;
        let subject = Subject { faces, scale, parameters: &parameters, clustering: &clustering, decided };
        let found = audit(&subject, &resources, &bar, &NoShelf)?;
        bar.end();
        let (n, d, took) = (faces.len(), faces.dimension(), begun.elapsed().as_secs_f64());
        let identities = Identities::new(faces.ids()).len();
        let (method, clusters) = (clustering.method().name(), clustering.clusters().len());
        let about = format!(
            "{n} x {d} of {identities} identities in {clusters} clusters at confidence {threshold} ({method}), audited in {took:.2} s"
        );
        Ok((told(read, found, listed)?, about))
    }
}

/// What GetIdentityAudit would answer.
fn told(read: &LabelledFaces, audit: Audit, listed: &Listed) -> Result<Value, Failure> {
    let mut text = Vec::new();
    let mut answer = Answer::begin(&mut text, ResponseFormat::SimpleJson, "GetIdentityAudit")?;
    let about = About { ids: read.faces.ids().to_vec(), chance: audit.chance, decisions: read.decisions.clone() };
    let mut findings = audit.findings.into_iter();
    write_audit(&mut answer, about, listed, &mut || Ok(findings.next()))?;
    answer.finish()?;
    Ok(answered(&String::from_utf8_lossy(&text), "this process")?)
}
