//! What a client knows of a job: what it asked for, what it was told, and what must come of it.

use std::collections::BTreeSet;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use super::world::{between, element};

/// Whether something was asked for: surely not, perhaps (the server went away meanwhile), surely.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Asked {
    No,
    Perhaps,
    Yes,
}

/// What must come of it if nobody ends it.
#[derive(Debug, Clone)]
pub(crate) enum Expected {
    Import {
        n_faces: usize,
        n_images: usize,
    },
    Train {
        n_images: usize,
        n_trained: usize,
    },
    /// These images, `identifier` and `label`, have been tried.
    Build(Vec<(String, String)>),
    /// Clusters with these bytes.
    Clusters(u64),
    /// Clusters of these images.
    Partition(BTreeSet<BTreeSet<String>>),
}

#[derive(Debug, Clone)]
pub(crate) struct Job {
    pub(crate) queue: &'static str,
    pub(crate) token: String,
    pub(crate) database: String,
    pub(crate) expected: Expected,
    pub(crate) paused: Asked,
    /// The start of the server that was told so; there its work may go on for a moment.
    pub(crate) paused_in: u64,
    /// To cancel it, or to stop it.
    pub(crate) ended_early: Asked,
    /// What the answer about it was when it had ended: status and checksum.
    pub(crate) ended: Option<(String, u64)>,
}

pub(crate) fn checksum(text: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    text.hash(&mut hasher);
    hasher.finish()
}

pub(crate) fn has_ended(status: &str) -> bool {
    !matches!(status, "Queued" | "Processing" | "Paused")
}

impl Job {
    pub(crate) fn new(queue: &'static str, database: &str, expected: Expected, token: &str) -> Self {
        Self {
            queue,
            token: token.to_owned(),
            database: database.to_owned(),
            expected,
            paused: Asked::No,
            paused_in: 0,
            ended_early: Asked::No,
            ended: None,
        }
    }

    pub(crate) fn is_open(&self) -> bool {
        self.ended.is_none()
    }

    /// What is wrong with a job in this state, if anything.
    pub(crate) fn wrong_state(&self, status: &str, may_be_paused_with_queue: bool, start: u64) -> Option<String> {
        let is_early = matches!(status, "Stopped" | "Cancelled");
        let is_wrong = match (self.paused, self.ended_early) {
            (_, Asked::Yes) => has_ended(status) && !is_early,
            (_, Asked::No) if is_early => true,
            (Asked::Yes, _) if status == "Processing" && self.paused_in == start => false,
            (Asked::Yes, _) => !has_ended(status) && status != "Paused",
            (Asked::No, _) => status == "Paused" && !may_be_paused_with_queue,
            (Asked::Perhaps, _) => false,
        };
        let is_wrong = is_wrong || status == "Error";
        is_wrong
            .then(|| format!("{} of {} is {status}: {:?}, {:?}", self.token, self.queue, self.paused, self.ended_early))
    }

    /// What is wrong with the result of a job that is Finished, if anything.
    pub(crate) fn wrong_result(&self, answer: &str) -> Option<String> {
        let number = |name: &str| element(answer, name).and_then(|text| text.parse::<usize>().ok());
        let is_right = match &self.expected {
            Expected::Import { n_faces, n_images } => {
                number("numfaces") == Some(*n_faces) && number("numimages") == Some(*n_images)
            }
            Expected::Train { n_images, n_trained } => {
                number("numImages") == Some(*n_images) && number("numTrained") == Some(*n_trained)
            }
            Expected::Build(_) => true, // its database says what became of the images
            Expected::Clusters(sum) => clusters(answer) == Some(*sum),
            Expected::Partition(expected) => partition(answer) == *expected,
        };
        let shown = &answer[..answer.len().min(3_000)];
        (!is_right).then(|| format!("{} of {}: expected {:?}, got {shown}", self.token, self.queue, self.expected))
    }
}

/// The checksum of the clusters in an answer.
pub(crate) fn clusters(answer: &str) -> Option<u64> {
    element(answer, "clusters").map(checksum)
}

fn partition(answer: &str) -> BTreeSet<BTreeSet<String>> {
    let Some(clusters) = element(answer, "clusters") else { return BTreeSet::new() };
    let image = |face: &str| {
        let name = between(face, "<identifier>", "<").unwrap_or_default();
        format!("{name}/{}", between(face, "<imagelabel>", "<").unwrap_or_default())
    };
    let images = |cluster: &str| cluster.split("<face>").skip(1).map(image).collect();
    clusters.split("<cluster>").skip(1).map(images).collect()
}
