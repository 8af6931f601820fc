//! The answer: every face in one cluster, every pair in a cluster proven, every face's matches ranked.
//!
//! ```text
//!            exhaustive (recalls what a ledger has) --+
//! FaceSet <                                           +-> verify -> gather -> edges -> rounds, link -> clusters
//!            index -> candidates (recall counts what -+      |        \-> too many: census, levels -----^
//!                     it missed)                             +-> matches of each face
//! ```
//!
//! **Promises.** Same faces, same parameters, same result: on any processor, with any number of threads, in any memory,
//! with or without a past. A candidate is proposed, an edge is proven: only `verify` turns the one into the other, so an
//! unproven pair cannot reach a result. Nothing is cut short: a run ends with a whole answer, or says that it was stopped
//! or how much memory it would need. [`Clustering::verify`] re-proves a result from the vectors.
//!
//! **Not here.** Disk (but for the folder that passes through `graph`), clock, sockets, logs, names: faces are indices in
//! image order.
//!
//! **Why complete linkage.** Linking whatever is similar enough chains people together through a few look-alikes. Here
//! every pair inside a cluster reaches the threshold (contract R110), and the highest link is merged first (R111). What
//! people have decided of faces comes before that, if the parameters say so (`constraints`).

mod agreement;
pub mod audit;
mod census;
mod clustering;
mod components;
mod constraints;
mod copies;
mod estimate;
mod exhaustive;
mod forest;
mod gather;
mod graph;
mod index;
mod interval;
mod ledger;
mod levels;
mod link;
mod lists;
mod matches;
mod method;
mod proof;
mod recall;
mod relink;
mod roots;
mod rounds;
mod sweep;
mod verify;
mod violation;
mod watch;
mod workers;

use std::num::NonZeroUsize;
use std::time::Duration;

use thiserror::Error;

pub use agreement::Agreement;
pub use clustering::Clustering;
pub use constraints::{Bond, Constraints, Who};
pub use estimate::Estimate;
pub use graph::{Graph, GraphError, NoShelf, Shelf};
pub use ledger::{Forgetful, Known, Ledger, Pair, Plan, RECIPE};
pub use matches::{Match, Matches};
pub use method::{Choice, Method, Reason};
pub use recall::RecallAudit;
pub use relink::{Merges, relink};
pub use sweep::{Partition, sweep};
pub use violation::Violation;
pub use watch::{Stage, Unwatched, Watch};

use crate::confidence::{ConfidenceScale, Threshold};
use crate::face::FaceSet;
use crate::kernel::Instructions;

/// Whose faces may be matches of a face.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[cfg_attr(feature = "server", derive(serde::Serialize, serde::Deserialize))]
pub enum MatchScope {
    /// All faces (contract R116).
    #[default]
    All,
    /// Those in its own cluster (contract R167).
    Cluster,
}

/// How pairs are found (contract R164).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[cfg_attr(feature = "server", derive(serde::Serialize, serde::Deserialize))]
pub enum Search {
    /// Exactly, unless the cost model expects that to take long and the index to be faster.
    #[default]
    Auto,
    /// Every pair.
    Exact,
    /// The pairs an approximate index proposes, each proven.
    Hnsw,
}

/// What is asked for (contract R99).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Parameters {
    /// Every pair inside a cluster has at least this confidence.
    pub cluster_threshold: Threshold,
    /// A match is listed only with at least this confidence.
    pub output_threshold: Threshold,
    /// At most so many matches of each face, the best; `None` for all.
    pub max_matches: Option<usize>,
    /// Whose faces may be matches.
    pub scope: MatchScope,
    /// How pairs are found.
    pub search: Search,
    /// What was decided of faces, which the clusters obey; by default nothing.
    pub constraints: Constraints,
}

/// What a run may use. None of it changes a result, except that `auto_exact` may change the method.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resources {
    /// How many threads compute.
    pub threads: NonZeroUsize,
    /// How many bytes pairs and matches may take, beside the vectors and the index. Pairs that do not fit are found more
    /// than once instead; only matches, and equal pairs beyond number, may be too many.
    pub max_bytes: u64,
    /// `Auto` is exact as long as the cost model expects no more than this.
    pub auto_exact: Duration,
    /// Which instructions compare faces. All find the same pairs.
    pub instructions: Instructions,
}

impl Default for Resources {
    /// One thread, 4 GiB, 15 minutes, the best instructions.
    fn default() -> Self {
        Self {
            threads: NonZeroUsize::MIN,
            max_bytes: 4 << 30,
            auto_exact: Duration::from_mins(15),
            instructions: Instructions::best(),
        }
    }
}

/// Why there is no result.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ClusterError {
    /// The [`Watch`] said so.
    #[error("stopped")]
    Stopped,
    /// More pairs reach the thresholds than fit.
    #[error(
        "{found} pairs and matches so far need {bytes} bytes, the limit is {limit}; \
         higher thresholds or a lower maxresults need less"
    )]
    TooManyPairs {
        /// Pairs and matches held when the limit was passed. There may be more.
        found: u64,
        /// The bytes they need.
        bytes: u64,
        /// The limit, [`Resources::max_bytes`].
        limit: u64,
    },
}

/// What earlier runs have left, and where this one leaves the like.
#[derive(Clone, Copy)]
pub struct Past<'a> {
    /// For exact runs: which pairs were found.
    pub ledger: &'a dyn Ledger,
    /// For approximate ones: the graph.
    pub shelf: &'a dyn Shelf,
}

impl Past<'static> {
    /// There is none, and nothing is kept.
    pub const NONE: Self = Self { ledger: &Forgetful, shelf: &NoShelf };
}

/// What every step of one run needs to know.
#[derive(Clone, Copy)]
struct Run<'a> {
    faces: &'a FaceSet,
    scale: &'a ConfidenceScale,
    parameters: &'a Parameters,
    resources: &'a Resources,
    watch: &'a dyn Watch,
    ledger: &'a dyn Ledger,
}

/// Groups `faces` by complete linkage and ranks the matches of each.
pub fn cluster(
    faces: &FaceSet,
    scale: &ConfidenceScale,
    parameters: &Parameters,
    resources: &Resources,
    watch: &dyn Watch,
) -> Result<Clustering, ClusterError> {
    cluster_with(faces, scale, parameters, resources, watch, Past::NONE)
}

/// The same with the past: an exact run does not compare again what its ledger has, which never changes a result; an
/// approximate one takes its graph from the shelf. Both leave there what they found.
pub fn cluster_with(
    faces: &FaceSet,
    scale: &ConfidenceScale,
    parameters: &Parameters,
    resources: &Resources,
    watch: &dyn Watch,
    past: Past<'_>,
) -> Result<Clustering, ClusterError> {
    let run = Run { faces, scale, parameters, resources, watch, ledger: past.ledger };
    let choice = method::choose(&run);
    let gather = gather::Gather::new(&run, choice.method);
    let recall = match choice.method {
        Method::Exact => {
            if let Some(estimate) = estimate::exact(&run)? {
                watch.expect(&estimate);
            }
            exhaustive::compare(&run, &gather)?;
            None
        }
        Method::Hnsw => {
            let index = index::Index::build(&run, past.shelf)?;
            let candidates = index.propose(gather.floor())?;
            verify::keep_all(&run, &candidates, &gather)?;
            Some(recall::recall(&run, gather.floor(), &index, &candidates)?)
        }
    };
    constraints::gather_linked(&run, &gather)?;
    let (edges, best) = gather.finish();
    let clusters = link::cliques(&run, edges, choice.method)?;
    let matches = matches::rank(&run, best, &clusters)?;
    Ok(Clustering::new(clusters, matches, choice, recall))
}
