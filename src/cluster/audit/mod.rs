//! The identity audit: which labels are probably wrong, who is probably one person, and what says so.
//!
//! ```text
//! own    every identity by itself: how each image fits the others; parts    -> severalpersons, duplicates
//! near   the best images of other identities beside each image, proven      -> duplicates
//! labels images that fit another identity, nobody, or stand alone           -> misfiled, nobody, unsupported
//! people pairs of identities of which both sides match                      -> sameperson
//! fragments  clusters that match on average, though not in every pair       -> fragments
//! score  how probable each is
//! ```
//!
//! **Promises.** No finding rests on an unproven pair: whatever decides or is shown is the canonical confidence of two
//! vectors. The same findings, scores and order in any thread count and whatever order the faces came in. Memory grows
//! with the number of faces, not of pairs. What people have decided is not contradicted ([`Decided`]).
//!
//! **Not here.** Names (but for what is said of a finding, `say`), disk, clock, log.
//!
//! **What was taken from whom.** From confident learning (Northcutt, Jiang, Chuang 2021; cleanlab): an example is judged
//! by how well its own label fits beside the best other one, not by either alone (here [`Fit`] to its own identity and to
//! the suggested one); what is probable is compared with what this class of examples usually shows, not with an absolute
//! line (here the better half of the images, so that one bad picture of an identity does not speak for it); and the
//! outcome is a ranking to be looked at from the top. From record linkage (Fellegi, Sunter 1969; Splink, dedupe): what
//! agrees is weighed against how often it agrees by chance ([`Chance`]); a score is a probability, so that a line can be
//! drawn and its cost be known; every decision can be taken apart into the pairs it is made of ([`Evidence`]); and what
//! a person has said once is asked no more. Not taken: training on the data at hand, for an audit must say the same of
//! the same faces, with ten of them as with a million.

mod compare;
mod decided;
mod finding;
mod fragments;
mod identities;
mod labels;
mod near;
mod own;
mod parts;
mod people;
mod pictures;
mod ruler;
mod say;
mod score;

use std::cmp::Reverse;

pub use decided::{Answers, Decided};
pub use finding::{Audit, Case, Chance, Cross, Evidence, Finding, Fit, Kind, Score, ScoreError, share};
pub use identities::Identities;

use super::{ClusterError, Clustering, Forgetful, MatchScope, Parameters, Resources, Run, Search, Shelf, Stage, Watch};
use crate::confidence::ConfidenceScale;
use crate::face::FaceSet;
use compare::Compare;
use decided::Verdicts;
use ruler::Ruler;

/// Of an identity or a cluster with more images, so many are compared, evenly chosen.
pub const MOST_COMPARED: usize = 1_024;
/// A finding shows at most so many pairs.
pub const MOST_EVIDENCE: usize = 5;

/// What is audited.
#[derive(Debug, Clone, Copy)]
pub struct Subject<'a> {
    /// The faces, with the names they are filed under.
    pub faces: &'a FaceSet,
    /// The scale of their model.
    pub scale: &'a ConfidenceScale,
    /// What the clustering was asked for.
    pub parameters: &'a Parameters,
    /// What it answered.
    pub clustering: &'a Clustering,
    /// What people have decided.
    pub decided: &'a Decided,
}

/// Every report is of one stage.
struct OneStage<'a>(&'a dyn Watch);

impl Watch for OneStage<'_> {
    fn should_stop(&self) -> bool {
        self.0.should_stop()
    }

    fn report(&self, _: Stage, done: u64, total: u64) {
        self.0.report(Stage::Audit, done, total);
    }
}

/// Audits a clustering. The pairs of different identities are found as the clustering found its own: all of them, or
/// those that the index on `shelf` proposes.
pub fn audit(
    subject: &Subject<'_>,
    resources: &Resources,
    watch: &dyn Watch,
    shelf: &dyn Shelf,
) -> Result<Audit, ClusterError> {
    let Subject { faces, scale, clustering, .. } = *subject;
    let threshold = subject.parameters.cluster_threshold;
    let parameters = Parameters {
        cluster_threshold: threshold,
        output_threshold: threshold,
        max_matches: Some(near::MOST_NEAR),
        scope: MatchScope::All,
        search: Search::Exact,
        ..Parameters::default()
    };
    let watch = OneStage(watch);
    let run = Run { faces, scale, parameters: &parameters, resources, watch: &watch, ledger: &Forgetful };
    let identities = Identities::new(faces.ids());
    let compare = Compare { run: &run, identities: &identities, ruler: Ruler::new(scale, threshold) };
    let verdicts = Verdicts::new(subject.decided);
    let clusters = clustering.clusters();
    let mut cluster_of = vec![0; faces.len()];
    for (cluster, members) in clusters.iter().enumerate() {
        for &face in members {
            cluster_of[face as usize] = cluster as u32;
        }
    }

    let near = near::find(&run, &identities, clustering.method(), shelf)?;
    let own = own::look(&compare, &cluster_of)?;
    let mut findings = labels::find(&compare, &own, &near, &verdicts)?;
    labels::settle_pairs(&mut findings, &identities);
    labels::settle_exchanges(&mut findings);
    labels::score_unsupported(&mut findings, own.fits.iter().flatten().count());
    let several = people::several(&compare, &own, &verdicts)?;
    let several = people::several_unless_misfiled(several, &findings);
    let same = people::same(&compare, &near, &verdicts)?;
    let same = people::same_unless_misfiled(same, &findings, &identities);
    findings.extend(several);
    findings.extend(same);
    findings.extend(pictures::duplicates(&compare, &own, &near, &verdicts)?);
    findings.extend(fragments::find(&compare, clusters, (&own, &near), &cluster_of, &verdicts)?);
    rank(&mut findings);
    Ok(Audit { threshold, chance: near.chance, findings })
}

/// By kind; the highest score first, then the first face, identity or cluster.
fn rank(findings: &mut [Finding]) {
    let about = |case: &Case| match case {
        Case::Misfiled { face, .. } | Case::Nobody { face, .. } | Case::Unsupported { face } => (*face, 0),
        Case::SamePerson { first, second, .. } => (*first, *second),
        Case::SeveralPersons { identity, .. } => (*identity, 0),
        Case::Duplicates { faces, .. } => (faces[0], 0),
        Case::Fragments { clusters, .. } => (clusters[0], 0),
    };
    findings.sort_unstable_by_key(|finding| (finding.case.kind(), Reverse(finding.score), about(&finding.case)));
}
