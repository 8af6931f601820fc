//! The graph of near neighbours, and how it outlives a run.
//!
//! Hierarchical navigable small worlds (Malkov and Yashunin, 2018, arXiv 1603.09320), by the crate `hnsw_rs`. M is the
//! paper's; `ef` is its width of the search.
//!
//! **Promises.** Inserting one by one and searching have no chance in them: the crate draws the layers from a generator
//! with a fixed seed, and the distance is summed in a fixed order. A graph that was kept and loaded again proposes what
//! it proposed before (`a_kept_graph_gives_the_same_answer`). A graph is never trusted: it holds copies of the
//! embeddings, and whoever asks it proves what it says from the faces of the run.
//!
//! **What loading changes.** The crate keeps neither the state of the generator of layers nor its scale (it reads the
//! scale back squared), so that what is inserted after loading has other layers than it would have had, nearly always
//! the lowest. The result is the same for the same history, and another for another. The layers above thin out as a
//! kept graph grows, which is why it is built anew before it has doubled (`index`).
//!
//! **Disk.** The crate writes and reads files by itself, and so this is the one place of the pure core through which a
//! folder passes. That the files are whole is for the caller to know *before* it loads them: the crate answers some
//! damage with a panic, which is caught here, and a data file that ends early with the end of the process.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use hnsw_rs::prelude::{AnnT, Distance, Hnsw, HnswIo};
use thiserror::Error;

use super::watch::Watch;
use crate::kernel::product;

/// M: links of a face in each layer (twice as many in the lowest).
const M: usize = 16;
/// efConstruction: the width of the search for the neighbours of a new face.
const EF_CONSTRUCTION: usize = 200;
/// The most layers the crate has, and the only number with which it writes files.
const LAYERS: usize = 16;
/// ef is k and this.
const EF_BEYOND_K: usize = 64;

/// One minus the product, which orders unit vectors as the angle does. Cut at zero, as the crate insists.
#[derive(Clone, Copy)]
struct Angle;

impl Distance<f32> for Angle {
    fn eval(&self, a: &[f32], b: &[f32]) -> f32 {
        (1.0 - product(a, b)).max(0.0)
    }
}

/// Embeddings, each linked to some near ones. Points are numbered from 0 in the order of their insertion.
pub struct Graph {
    hnsw: Hnsw<'static, f32, Angle>,
    founded: u32,
}

impl std::fmt::Debug for Graph {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Graph").field("points", &self.len()).field("founded", &self.founded).finish_non_exhaustive()
    }
}

/// Why a graph cannot be kept or used again.
#[derive(Debug, Error)]
pub enum GraphError {
    /// The crate says so, or panicked.
    #[error("the graph cannot be {0}: {1}")]
    Crate(&'static str, String),
    /// It is another than was announced.
    #[error("the graph has {found} points of dimension {dimension}, or others than these")]
    Other {
        /// Its points.
        found: usize,
        /// Their dimension.
        dimension: usize,
    },
}

/// Where a graph is kept from one run to the next. Both take long for a large one, and are given up when the run is to stop;
/// the crate's own reading and writing of the files is one call each, though, in which nobody is asked.
pub trait Shelf {
    /// The graph that was kept last, if there is one and it is whole.
    fn take(&self, watch: &dyn Watch) -> Option<Graph>;

    /// Keeps this graph in place of the last one. It is a matter of time only, so that failing is not the run's error.
    fn put(&self, graph: &Graph, watch: &dyn Watch);
}

/// Nothing is kept.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoShelf;

impl Shelf for NoShelf {
    fn take(&self, _: &dyn Watch) -> Option<Graph> {
        None
    }

    fn put(&self, _: &Graph, _: &dyn Watch) {}
}

impl Graph {
    /// How graphs are built. One built otherwise is not to be loaded.
    pub const RECIPE: &'static str = "hnsw_rs 0.3.5, M 16, efConstruction 200, 1 - product of 16 lanes, f32";

    /// An empty graph that is to be founded with so many points.
    pub(super) fn new(founded: usize) -> Self {
        Self { hnsw: Hnsw::new(M, founded, LAYERS, EF_CONSTRUCTION, Angle), founded: founded as u32 }
    }

    /// How many points there are.
    #[allow(clippy::len_without_is_empty, reason = "an empty graph is never handed out")]
    pub fn len(&self) -> usize {
        self.hnsw.get_nb_point()
    }

    /// With how many points it was built at once; the others came after it was loaded again.
    pub fn founded(&self) -> u32 {
        self.founded
    }

    /// The dimension of its embeddings; 0 without any.
    pub fn dimension(&self) -> usize {
        self.hnsw.get_point_indexation().get_data_dimension()
    }

    /// Inserts an embedding as the next point. Never from two threads at once: in parallel this crate depends on timing
    /// and leaves some points unreachable.
    pub(super) fn insert(&mut self, row: &[f32]) {
        self.hnsw.insert((row, self.len()));
    }

    /// The `k` nearest points, or all that can be reached, nearest first, each with its product.
    pub(super) fn near(&self, row: &[f32], k: usize) -> impl ExactSizeIterator<Item = (u32, f32)> {
        self.hnsw.search(row, k, k + EF_BEYOND_K).into_iter().map(|found| (found.d_id as u32, 1.0 - found.distance))
    }

    /// Calls `visit` with every point and its embedding.
    pub(super) fn for_each(&self, mut visit: impl FnMut(u32, &[f32])) {
        let points = self.hnsw.get_point_indexation();
        for layer in 0..=usize::from(self.hnsw.get_max_level_observed()) {
            for point in points.get_layer_iterator(layer) {
                visit(point.get_origin_id() as u32, point.get_v());
            }
        }
    }

    /// The two files that [`dump`](Self::dump) writes under a name.
    pub fn files(name: &str) -> [String; 2] {
        ["graph", "data"].map(|kind| format!("{name}.hnsw.{kind}"))
    }

    /// Writes the graph into `folder`, unsynced, over files of that name.
    pub fn dump(&self, folder: &Path, name: &str) -> Result<(), GraphError> {
        attempt("written", || self.hnsw.file_dump(folder, name).map(drop).map_err(|error| error.to_string()))
    }

    /// Reads a graph of `points` points, built by the same recipe, back from files that are known to be whole.
    pub fn load(folder: &Path, name: &str, founded: u32, points: usize) -> Result<Self, GraphError> {
        // The crate ties what it loads to the loader, for the sake of memory maps, which are not used here. So the
        // loader, some hundred bytes, is never given back.
        let loader: &'static HnswIo = Box::leak(Box::new(HnswIo::new(folder, name)));
        let mut hnsw =
            attempt("read", || loader.load_hnsw_with_dist::<f32, Angle>(Angle).map_err(|error| error.to_string()))?;
        // The crate sets this on loading and not on making; with it the order of a hash map would decide.
        hnsw.set_extend_candidates(false);
        let graph = Self { hnsw, founded };
        let dimension = graph.dimension();
        let mut is_there = vec![false; points];
        graph.for_each(|point, row| {
            if let Some(seen) = is_there.get_mut(point as usize).filter(|_| row.len() == dimension) {
                *seen = true;
            }
        });
        if graph.len() != points || is_there.contains(&false) {
            return Err(GraphError::Other { found: graph.len(), dimension });
        }
        Ok(graph)
    }
}

/// Does `work`, whose panic is an error.
fn attempt<T>(what: &'static str, work: impl FnOnce() -> Result<T, String>) -> Result<T, GraphError> {
    let said = |panic: &(dyn Any + Send)| {
        let text = panic.downcast_ref::<String>().cloned();
        text.or_else(|| panic.downcast_ref::<&str>().map(ToString::to_string)).unwrap_or_default()
    };
    catch_unwind(AssertUnwindSafe(work))
        .unwrap_or_else(|panic| Err(said(&*panic)))
        .map_err(|text| GraphError::Crate(what, text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_distance_is_never_negative() {
        let long = [1.000_001f32, 0.0];
        assert_eq!(Angle.eval(&long, &long).to_bits(), 0);
    }

    #[test]
    fn the_recipe_names_the_crate_that_is_locked() {
        let lock = include_str!("../../Cargo.lock");
        let version = lock.split("name = \"hnsw_rs\"\nversion = \"").nth(1).and_then(|rest| rest.split('"').next());
        let recipe = format!("hnsw_rs {}, M {M}, efConstruction {EF_CONSTRUCTION}, ", version.unwrap_or("?"));
        assert!(Graph::RECIPE.starts_with(&recipe), "{recipe}");
    }

    #[test]
    fn what_is_not_there_cannot_be_loaded_and_ends_nothing() {
        assert!(Graph::load(Path::new("/nowhere/at/all"), "a", 1, 1).is_err());
        assert!(Graph::new(0).dump(Path::new("/nowhere/at/all"), "a").is_err());
    }
}
