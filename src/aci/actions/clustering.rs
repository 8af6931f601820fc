//! FaceClustering, and how its result is shown (contract chapter 6, R94, R164-R167).

use std::io;

use super::queued::Wanted;
use super::table::{Action, Needs, Way, example};
use super::{Actions, Caller, Prepare, Write, cut};
use crate::aci::parameter::optional;
use crate::aci::{Answer, Fault, Form, Parameters, Role};
use crate::cluster::{MatchScope, Method, Search};
use crate::engine::{ClusterTask, ClusteringOutcome, ResultFace, Task};
use crate::face::{DatabaseName, FaceId};
use crate::job::{Queue, Timestamp, Token};

/// The rows of this family.
pub(super) const ACTIONS: &[Action] = &[Action {
    name: "FaceClustering",
    about: "Compares every trained image with every other, groups the images of one person, and lists each image's best matches.",
    needs: Needs::Role(Role::Admin),
    way: Way::Queued(Queue::FaceClustering),
    parameters: &[
        optional("database", Form::Name, "all, clustered together", "The database to process."),
        optional(
            "clusterthreshold",
            Form::Threshold,
            "50",
            "Every pair inside a cluster has at least this confidence.",
        ),
        optional("outputthreshold", Form::Threshold, "50", "A match is listed only with at least this confidence."),
        optional(
            "maxresults",
            Form::Integer(0, u64::MAX),
            "all",
            "At most so many matches for each image, the best; 0 lists none.",
        ),
        optional(
            "syncdatabase",
            Form::Boolean,
            "true",
            "See every change up to the start of the job; false: as of the last synchronisation.",
        ),
        optional(
            "search",
            Form::Choice(&["auto", "exact", "hnsw"]),
            "auto",
            "How pairs are looked for; what is found is always proven.",
        ),
        optional(
            "matchscope",
            Form::Choice(&["all", "cluster"]),
            "all",
            "List matches everywhere, or only in the image's own cluster.",
        ),
        optional(
            "respectdecisions",
            Form::Boolean,
            "false",
            "Images decided not to be one person are in no cluster together; those decided to be one count as reaching the threshold.",
        ),
        optional("audit", Form::Boolean, "false", "Keep an identity audit with the result, for GetIdentityAudit."),
    ],
    answer: "clusters with cluster with face: database, identifier, imagelabel, match: confidence, database, identifier, imagelabel",
    example: example!("FaceClustering", "/action=FaceClustering&database=people&maxresults=5"),
    prepare: Prepare::Elements(face_clustering),
}];

fn face_clustering<'a>(actions: &'a Actions, caller: &Caller, parameters: &mut Parameters) -> Result<Write<'a>, Fault> {
    let (wanted, task) = parameters.read(|p| {
        let mut wanted = Wanted::read(actions, p)?.auditing(p.boolean("audit")?.unwrap_or(false));
        if p.boolean("respectdecisions")? == Some(true) {
            wanted = wanted.respecting_decisions();
        }
        let default = ClusterTask::default();
        let hundredths = |name: &str| Ok(p.threshold(name)?.map(|threshold| threshold.least().hundredths()));
        let task = ClusterTask {
            database: p.name("database", DatabaseName::new)?.map(|name| name.as_str().to_owned()),
            cluster_threshold: hundredths("clusterthreshold")?.unwrap_or(default.cluster_threshold),
            output_threshold: hundredths("outputthreshold")?.unwrap_or(default.output_threshold),
            max_results: p.integer("maxresults", 0..=u64::MAX)?,
            sync: p.boolean("syncdatabase")?.unwrap_or(default.sync),
            search: p.choice("search", &[("auto", Search::Auto), ("exact", Search::Exact), ("hnsw", Search::Hnsw)])?,
            scope: p
                .choice("matchscope", &[("all", MatchScope::All), ("cluster", MatchScope::Cluster)])?
                .unwrap_or(default.scope),
        };
        Ok((wanted, task))
    })?;
    wanted.submit(actions, caller, |engine, ticket| engine.submit(ticket, Task::Cluster(task)))
}

/// Which clusters of a result are shown (R94).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Page {
    /// The first, from 1.
    pub first: u64,
    /// At most so many.
    pub max: u64,
}

impl Page {
    /// All clusters.
    pub const ALL: Self = Self { first: 1, max: u64::MAX };

    fn shows(self, cluster: u64) -> bool {
        (cluster + 1).checked_sub(self.first).is_some_and(|place| place < self.max)
    }

    fn is_behind(self, cluster: u64) -> bool {
        (cluster + 1).checked_sub(self.first).is_some_and(|place| place >= self.max)
    }
}

/// The elements of a finished clustering (R118), read from the store as they are written.
pub(super) fn write_outcome(
    actions: &Actions,
    answer: &mut Answer<'_>,
    token: Token,
    task: &ClusterTask,
    outcome: &ClusteringOutcome,
    page: Option<Page>,
) -> io::Result<()> {
    let shown = page.unwrap_or(Page::ALL);
    if shown.max == 0 || shown.first > outcome.n_clusters {
        write_clusters(answer, &[], std::iter::empty(), shown)?; // pollers ask so: the names of all images are not read
    } else {
        let mut reader = actions.engine.read_result(token, outcome).map_err(cut)?;
        let names = reader.take_names();
        let faces = std::iter::from_fn(|| reader.next_face().map_err(cut).transpose());
        write_clusters(answer, &names, faces, shown)?;
    }
    if let Some(page) = page {
        answer.open("resultclusters")?;
        answer.value("first", page.first)?;
        let behind = outcome.n_clusters.saturating_sub(page.first - 1);
        answer.value("count", behind.min(page.max))?;
        answer.value("total", outcome.n_clusters)?;
        answer.close("resultclusters")?;
    }
    if let Some(synced) = outcome.synced {
        answer.text("syncdatabase", "false")?;
        answer.text("synctime", &actions.date(Timestamp(synced)))?;
    }
    if let Some(n) = actions.engine.respected(token).map_err(cut)? {
        answer.text("respectdecisions", "true")?;
        answer.value("numdecisions", n)?;
    }
    if outcome.choice.method == Method::Hnsw || task.search.is_some() {
        write_search(answer, outcome)?;
    }
    Ok(())
}

/// A share with two decimals.
pub(super) fn percent(answer: &mut Answer<'_>, name: &'static str, hundredths: u16) -> io::Result<()> {
    answer.value(name, format_args!("{}.{:02}", hundredths / 100, hundredths % 100))
}

/// How pairs were found and how many were missed (R166), and, of our own, how sure that is and why it was done so (R37).
fn write_search(answer: &mut Answer<'_>, outcome: &ClusteringOutcome) -> io::Result<()> {
    answer.open("search")?;
    answer.text("method", outcome.choice.method.name())?;
    percent(answer, "estimatedmissed", outcome.audit.map_or(0, |audit| audit.missed_hundredths()))?;
    if let Some(audit) = outcome.audit {
        percent(answer, "estimatedmissedlow", audit.low)?;
        percent(answer, "estimatedmissedhigh", audit.high)?;
        answer.value("sampledfaces", audit.sampled)?;
        answer.value("sampledpairs", audit.pairs)?;
    }
    answer.text("reason", &outcome.choice.reason.to_string())?;
    answer.close("search")
}

/// The element `clusters`: images in output order, cluster by cluster.
pub fn write_clusters(
    answer: &mut Answer<'_>,
    names: &[FaceId],
    faces: impl Iterator<Item = io::Result<ResultFace>>,
    page: Page,
) -> io::Result<()> {
    answer.open("clusters")?;
    let mut open = None;
    for face in faces {
        let face = face?;
        if page.is_behind(face.cluster) {
            break;
        }
        if !page.shows(face.cluster) {
            continue;
        }
        if open != Some(face.cluster) {
            if open.is_some() {
                answer.close("cluster")?;
            }
            answer.open("cluster")?;
            open = Some(face.cluster);
        }
        answer.open("face")?;
        write_id(answer, &names[face.face as usize])?;
        for (other, confidence) in face.matches {
            answer.open("match")?;
            answer.value("confidence", confidence)?;
            write_id(answer, &names[other as usize])?;
            answer.close("match")?;
        }
        answer.close("face")?;
    }
    if open.is_some() {
        answer.close("cluster")?;
    }
    answer.close("clusters")
}

fn write_id(answer: &mut Answer<'_>, id: &FaceId) -> io::Result<()> {
    answer.text("database", id.database.as_str())?;
    answer.text("identifier", id.identifier.as_str())?;
    answer.text("imagelabel", id.label.as_str())
}
