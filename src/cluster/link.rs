//! Complete linkage over the proven edges.
//!
//! The link of two clusters is the lowest cosine between a face of one and a face of the other; as long as a link
//! reaches the threshold, the two clusters with the highest are merged (contract R111), and of several equally high the
//! pair with the smallest keys (R112). The key of a cluster is its first face.
//!
//! **Promises.** Every pair inside a cluster is proven. If the edges are all there are, no two clusters could be
//! merged.
//!
//! **Why it is sparse.** A link exists only if *every* pair across reaches the threshold. So each cluster keeps just
//! its links, and merging two clusters keeps a link to a third only if both had one, as the lower of the two.
//!
//! **Why two ways.** Most merging is done in `rounds`, on all threads. What they leave, and what an index proposed, is
//! merged here from one queue for each component.
//!
//! **Not here.** What a merge does to the clusters of a component and their links (`forest`).

use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;
use std::collections::binary_heap::PeekMut;
use std::sync::Mutex;

use super::components::{Component, components};
use super::forest::Forest;
use super::gather::{EDGE_BYTES, Edges};
use super::lists::Lists;
use super::verify::Edge;
use super::watch::{Stage, Watch};
use super::{ClusterError, Method, Run, levels, rounds, workers};

/// How many merges are sorted at once, between two looks at whether to stop.
pub(super) const SORTED_RUN: usize = 1 << 18;

/// A possible merge: two keys, the smaller first, and the link. The greatest is the next to be merged.
#[derive(Debug, Clone, Copy)]
pub(super) struct Merge {
    pub(super) cosine: f64,
    pub(super) first: u32,
    pub(super) second: u32,
}

impl From<Edge> for Merge {
    fn from(edge: Edge) -> Self {
        Self { cosine: edge.cosine(), first: edge.first(), second: edge.second() }
    }
}

impl Ord for Merge {
    fn cmp(&self, other: &Self) -> Ordering {
        self.cosine.total_cmp(&other.cosine).then_with(|| (other.first, other.second).cmp(&(self.first, self.second)))
    }
}

impl PartialOrd for Merge {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Merge {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Merge {}

/// The merges of a component, highest first: those at the beginning in sorted runs, and the links that sank since.
struct Queue<'a> {
    runs: Vec<std::slice::Iter<'a, Merge>>,
    /// The head of each run.
    heads: BinaryHeap<(Merge, usize)>,
    sunk: BinaryHeap<Merge>,
}

impl<'a> Queue<'a> {
    fn new(merges: &'a mut [Merge], watch: &dyn Watch) -> Result<Self, ClusterError> {
        for run in merges.chunks_mut(SORTED_RUN) {
            check(watch)?;
            run.sort_unstable_by_key(|&merge| Reverse(merge));
        }
        let mut runs: Vec<_> = merges.chunks(SORTED_RUN).map(<[Merge]>::iter).collect();
        let heads = runs.iter_mut().enumerate().filter_map(|(i, run)| Some((*run.next()?, i))).collect();
        Ok(Self { runs, heads, sunk: BinaryHeap::new() })
    }

    fn pop(&mut self) -> Option<Merge> {
        match (self.heads.peek_mut(), self.sunk.peek()) {
            (Some(mut head), sunk) if sunk.is_none_or(|sunk| head.0 >= *sunk) => {
                let (next, run) = *head;
                match self.runs[run].next() {
                    Some(merge) => head.0 = *merge,
                    None => drop(PeekMut::pop(head)),
                }
                Some(next)
            }
            _ => self.sunk.pop(),
        }
    }
}

pub(super) fn check(watch: &dyn Watch) -> Result<(), ClusterError> {
    if watch.should_stop() { Err(ClusterError::Stopped) } else { Ok(()) }
}

/// The partition by complete linkage, in the order of output: most faces first, then by first face; in each cluster the
/// faces in image order (contract R119).
pub(super) fn cliques(run: &Run<'_>, edges: Edges, method: Method) -> Result<Vec<Vec<u32>>, ClusterError> {
    let n = run.faces.len();
    let mut parents: Vec<u32> = (0..n as u32).collect();
    match (edges, method) {
        (Edges::Held(edges), Method::Exact) => merge_all(run, edges, vec![1; n], &mut parents)?,
        (Edges::Held(edges), Method::Hnsw) => {
            let merges = edges.iter().flatten().map(|&edge| Merge::from(edge)).collect();
            drop(edges);
            queue(run, merges, method, &mut parents)?;
        }
        (Edges::Counted(census, most), _) => {
            let others = census.merge_complete(&mut parents);
            drop(census);
            if !others.is_empty() {
                // The heads of a level take about a byte for each number of a vector.
                let heads = (others.len() * run.faces.dimension()) as u64 / EDGE_BYTES;
                levels::merge(run, &others, most.saturating_sub(heads as usize), &mut parents)?;
            }
        }
    }
    let mut clusters = members(0..n as u32, &mut parents);
    clusters.sort_by_key(|members| Reverse(members.len()));
    Ok(clusters)
}

/// Merges clusters, of which `sizes` has the number of faces, along all their links.
pub(super) fn merge_all<L: Copy + Sync + Into<Merge>>(
    run: &Run<'_>,
    links: Vec<Vec<L>>,
    sizes: Vec<u32>,
    parents: &mut [u32],
) -> Result<(), ClusterError> {
    let lists = Lists::new(run, links, &sizes)?;
    let left = rounds::merge(run, lists, sizes, parents)?;
    if left.is_empty() { Ok(()) } else { queue(run, left, Method::Exact, parents) }
}

/// Merges what is linked, highest first, one component on each thread.
fn queue(run: &Run<'_>, merges: Vec<Merge>, method: Method, parents: &mut [u32]) -> Result<(), ClusterError> {
    let components: Vec<Mutex<Component>> = components(run.faces.len(), merges).into_iter().map(Mutex::new).collect();
    let linked = Mutex::new(Vec::new());
    workers::for_each(
        run,
        Stage::Link,
        components.len() as u64,
        || (),
        |(), unit| {
            let mut component = components[unit as usize].lock().expect("each component is taken once");
            let Component { keys, merges } = &mut *component;
            let mut clusters = link(run, merges, keys, method)?;
            linked.lock().expect("appending does not panic").append(&mut clusters);
            Ok(())
        },
    )?;
    for members in linked.into_inner().expect("appending does not panic") {
        for &face in &members {
            parents[face as usize] = members[0];
        }
    }
    Ok(())
}

/// The clusters of one component that have several faces, the smallest face of each first.
fn link(run: &Run<'_>, merges: &mut [Merge], faces: &[u32], method: Method) -> Result<Vec<Vec<u32>>, ClusterError> {
    let mut forest = Forest::new(run, merges, faces, method)?;
    let mut queue = Queue::new(merges, run.watch)?;
    while let Some(merge) = queue.pop() {
        if forest.is_current(merge) {
            forest.merge(merge, &mut queue.sunk)?;
        }
        forest.step(1)?;
    }
    let clusters = forest.members.into_iter().filter(|members| members.len() > 1);
    Ok(clusters.map(|members| members.into_iter().map(|place| faces[place as usize]).collect()).collect())
}

/// The faces `among`, which ascend, each with those that were merged into the same cluster; by first face.
pub(super) fn members(among: impl Iterator<Item = u32>, parents: &mut [u32]) -> Vec<Vec<u32>> {
    let mut clusters: Vec<Vec<u32>> = Vec::new();
    let mut places = vec![0; parents.len()];
    for face in among {
        // The key of a cluster is its smallest face, so a parent comes before its children and points at a root already.
        let root = parents[parents[face as usize] as usize];
        parents[face as usize] = root;
        if root == face {
            places[face as usize] = clusters.len();
            clusters.push(Vec::new());
        }
        clusters[places[root as usize]].push(face);
    }
    clusters
}

#[cfg(test)]
mod tests {
    use super::super::verify::{Candidate, keep};
    use super::super::{Forgetful, Parameters, Resources, Unwatched};
    use super::*;
    use crate::confidence::ConfidenceScale;
    use crate::face::{DatabaseName, Embedding, FaceId, FaceSet, Identifier, ImageLabel};
    use proptest::prelude::*;

    fn faces(rows: &[Vec<f32>]) -> FaceSet {
        let id = |i: usize| FaceId {
            database: DatabaseName::new("d").unwrap(),
            identifier: Identifier::new(&format!("{i:08}")).unwrap(),
            label: ImageLabel::new("x").unwrap(),
        };
        let face = |(i, row): (usize, &Vec<f32>)| (id(i), Embedding::new(row.clone()).unwrap());
        FaceSet::new(rows.iter().enumerate().map(face)).unwrap()
    }

    /// Links the edges that `listed` lets through, at confidence 75: cosine 0.5.
    fn link(faces: &FaceSet, method: Method, mut listed: impl FnMut(u32, u32) -> bool) -> Vec<Vec<u32>> {
        let (scale, resources) = (ConfidenceScale::cosine(), Resources::default());
        let parameters = Parameters { cluster_threshold: "75".parse().unwrap(), ..Parameters::default() };
        let run = Run {
            faces,
            scale: &scale,
            parameters: &parameters,
            resources: &resources,
            watch: &Unwatched,
            ledger: &Forgetful,
        };
        let floor = scale.lowest_cosine(parameters.cluster_threshold);
        let pairs = (0..faces.len() as u32).flat_map(|b| (0..b).map(move |a| (a, b)));
        let edges: Vec<Edge> = pairs
            .filter(|&(a, b)| listed(a, b))
            .filter_map(|(a, b)| keep(faces, Candidate::new(a, b), floor))
            .collect();
        cliques(&run, Edges::Held(vec![edges]), method).unwrap()
    }

    #[test]
    fn of_equal_links_the_one_with_the_smallest_keys_is_merged() {
        // One face between two others, which do not reach each other: exactly equal links to both.
        let (left, middle, right) = (vec![0.8, 0.6], vec![1.0, 0.0], vec![0.8, -0.6]);
        let merged = |rows: [&Vec<f32>; 3]| link(&faces(&rows.map(Clone::clone)), Method::Exact, |_, _| true);
        assert_eq!(merged([&middle, &left, &right]), [vec![0, 1], vec![2]]);
        assert_eq!(merged([&left, &middle, &right]), [vec![0, 1], vec![2]]);
        assert_eq!(merged([&left, &right, &middle]), [vec![0, 2], vec![1]]);
    }

    #[test]
    fn a_pair_the_index_did_not_propose_is_computed_before_it_decides() {
        let near = faces(&[vec![1.0, 0.0], vec![0.9, 0.1], vec![0.9, -0.1]]);
        let without_12 = |a: u32, b: u32| (a, b) != (1, 2);
        assert_eq!(link(&near, Method::Hnsw, without_12), [[0, 1, 2]]);
        assert_eq!(link(&near, Method::Exact, without_12), [vec![0, 1], vec![2]], "there nothing is missing");
        // 0 reaches both others, which do not reach each other.
        let far = faces(&[vec![1.0, 0.0], vec![0.6, 0.8], vec![0.6, -0.8]]);
        assert_eq!(link(&far, Method::Hnsw, |_, _| true), [vec![0, 1], vec![2]]);
    }

    proptest! {
        #[test]
        fn rounds_and_queue_end_in_the_same_partition(
            rows in prop_oneof![
                proptest::collection::vec(proptest::collection::vec(-1.0f32..1.0, 3), 1..60),
                // a coarse grid, for equal links
                proptest::collection::vec(proptest::collection::vec((-1i8..=1).prop_map(f32::from), 4), 1..60)
                    .prop_map(|rows| rows.into_iter().filter(|row| row.iter().any(|&v| v != 0.0)).collect()),
            ],
        ) {
            let faces = faces(&rows);
            prop_assert_eq!(link(&faces, Method::Exact, |_, _| true), link(&faces, Method::Hnsw, |_, _| true));
        }

        #[test]
        fn whatever_edges_are_missing_every_pair_in_a_cluster_is_proven(
            rows in proptest::collection::vec(proptest::collection::vec(-1.0f32..1.0, 3), 1..30),
            listed in proptest::collection::vec(any::<bool>(), 30 * 30),
        ) {
            let faces = faces(&rows);
            let clusters = link(&faces, Method::Hnsw, |a, b| listed[(a * 30 + b) as usize]);
            for members in &clusters {
                for (at, &b) in members.iter().enumerate() {
                    for &a in &members[..at] {
                        prop_assert!(keep(&faces, Candidate::new(a, b), 0.5 - 1e-4).is_some());
                    }
                }
            }
            prop_assert_eq!(clusters.iter().map(Vec::len).sum::<usize>(), faces.len());
        }
    }
}
