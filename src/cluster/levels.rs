//! Complete linkage when the edges do not fit: level by level, from the highest links down.
//!
//! Merging goes from the highest link to the lowest. So it can begin with as many of the highest as fit, say all at or
//! above a level, merge what they allow, forget them, and go on with the links of the clusters that there are by then: of
//! clusters there are fewer, and two have a link only if every pair of their faces reaches the next level.
//!
//! **Promises.** The partition is that of all edges at once, whatever the levels are: see the theorem in `rounds`.
//!
//! **How links are found.** The first faces of all clusters are compared like faces, by the same kernel. Where two reach
//! the level, the other pairs of their clusters are computed until one does not.
//!
//! **Why copies are merged first.** The pairs of many copies of one picture are all equally high, so that no level
//! divides them. If no other face is as near to the picture as it is to itself, its copies are merged before anything
//! else (the theorem again). Where another face is that near, its copies are left alone; should they be very many, their
//! equal links are more than fit, which is an error.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};

use super::exhaustive::{MOST_ROWS, Order, Scratch, Tiles, heads, survivors};
use super::gather::EDGE_BYTES;
use super::link::{Merge, members, merge_all};
use super::verify::Candidate;
use super::watch::Stage;
use super::{ClusterError, Run, constraints, copies, workers};
use crate::kernel::{Heads, dot};

/// How many pairs are computed between two looks at whether to stop.
const LOOK: usize = 1 << 14;

/// A cluster so far.
struct Cluster {
    /// Its faces, ascending.
    members: Vec<u32>,
    /// For copies of one picture: the cosine of the picture with itself. No other face may reach it.
    tight: f64,
    is_too_near: AtomicBool,
}

/// The highest links, as many as fit.
struct Highest {
    most: usize,
    links: Mutex<Vec<Merge>>,
    /// The bits of the level: all links at or above it are here, others are not looked for.
    level: AtomicU64,
}

/// Merges the faces `among`, which are linked with no others, by complete linkage, holding at most `most` links at a time.
pub(super) fn merge(run: &Run<'_>, among: &[u32], most: usize, parents: &mut [u32]) -> Result<(), ClusterError> {
    let floor = run.scale.lowest_cosine(run.parameters.cluster_threshold);
    // With room for fewer links than faces there would be very many levels.
    if most < among.len() {
        return Err(too_many(run, most, among.len()));
    }
    let mut clusters = beginning(run, among, floor)?;
    loop {
        let highest = Highest { most, links: Mutex::default(), level: AtomicU64::new(floor.to_bits()) };
        find(run, &clusters, &highest)?;
        if clusters.iter().any(|cluster| cluster.is_too_near.load(Relaxed)) {
            clusters = divided(clusters);
            continue;
        }
        let level = highest.level();
        let links = highest.links.into_inner().expect("adding a link does not panic");
        if links.is_empty() && level > floor {
            return Err(too_many(run, most, most + 1)); // so many and more are equal, and higher than all others
        }
        let mut sizes = vec![1; parents.len()];
        for Cluster { members, .. } in &clusters {
            for &face in members {
                parents[face as usize] = members[0];
            }
            sizes[members[0] as usize] = members.len() as u32;
        }
        merge_all(run, vec![links], sizes, parents)?;
        if level <= floor {
            return Ok(());
        }
        clusters = members(among.iter().copied(), parents).into_iter().map(Cluster::new).collect();
    }
}

/// Copies of one picture together, if nothing is decided of them; everything else alone.
fn beginning(run: &Run<'_>, among: &[u32], floor: f64) -> Result<Vec<Cluster>, ClusterError> {
    let groups = copies::groups(run.faces, among, run.watch)?;
    let decided = |&face: &u32| run.parameters.constraints.concern(face);
    let mut groups: Vec<Vec<u32>> = groups
        .into_iter()
        .flat_map(|members| {
            let (alone, copies): (Vec<u32>, Vec<u32>) = members.into_iter().partition(decided);
            std::iter::once(copies).filter(|copies| !copies.is_empty()).chain(alone.into_iter().map(|face| vec![face]))
        })
        .collect();
    groups.sort_unstable_by_key(|members| members[0]);
    let clusters = groups.into_iter().map(|members| {
        let row = run.faces.row(members[0] as usize);
        let tight = if members.len() > 1 { dot(row, row) } else { f64::INFINITY };
        Cluster { members, tight, is_too_near: AtomicBool::new(tight < floor) }
    });
    let clusters: Vec<Cluster> = clusters.collect();
    let is_divisible = clusters.iter().any(|cluster| cluster.is_too_near.load(Relaxed));
    Ok(if is_divisible { divided(clusters) } else { clusters })
}

/// The same with the copies that must not be together apart.
fn divided(clusters: Vec<Cluster>) -> Vec<Cluster> {
    let mut all = Vec::new();
    for cluster in clusters {
        if cluster.is_too_near.into_inner() {
            all.extend(cluster.members.into_iter().map(|face| Cluster::new(vec![face])));
        } else {
            all.push(Cluster { is_too_near: AtomicBool::new(false), ..cluster });
        }
    }
    all.sort_unstable_by_key(|cluster| cluster.members[0]);
    all
}

/// Finds the highest links of `clusters`.
fn find(run: &Run<'_>, clusters: &[Cluster], highest: &Highest) -> Result<(), ClusterError> {
    let order = Order::of(clusters.iter().map(|cluster| cluster.members[0]).collect());
    // Pairs of clusters take longer than pairs of faces, so that few clusters are cut into small tiles.
    let most_rows = (clusters.len() / 32).next_multiple_of(Heads::ALIGNMENT).clamp(Heads::ALIGNMENT, MOST_ROWS);
    let tiles = Tiles::with(clusters.len(), clusters.len(), run.faces.dimension(), most_rows);
    let tight = clusters.iter().map(|cluster| cluster.tight).fold(f64::INFINITY, f64::min);
    let heads = heads(run, &order, highest.level().min(tight));
    let scratch = || (Scratch::default(), Vec::new());
    let constraints = &run.parameters.constraints;
    let first = |cluster: usize| clusters[cluster].members[0];
    workers::for_each(run, Stage::Link, tiles.len(), scratch, |(scratch, found), tile| {
        let floor = highest.level().min(tight);
        let mut stopped = Ok(());
        survivors(run, heads.as_ref(), &order, tiles.of(tile), &floor, scratch, |a, b| {
            // those of which the first faces were decided upon come below
            if stopped.is_ok() && Candidate::new(first(a), first(b)).bond(constraints).is_none() {
                stopped = link(run, &clusters[a], &clusters[b], highest.level()).map(|link| found.extend(link));
            }
        });
        stopped?;
        highest.take(found);
        Ok(())
    })?;
    let mut found = Vec::new();
    for a in (0..clusters.len()).filter(|&a| constraints.concern(first(a))) {
        for face in constraints.linked_behind(first(a)) {
            let Ok(b) = clusters.binary_search_by_key(&face, |cluster| cluster.members[0]) else { continue };
            found.extend(link(run, &clusters[a], &clusters[b], highest.level())?);
        }
        highest.take(&mut found);
    }
    Ok(())
}

/// The link of two clusters, if it reaches the level.
fn link(run: &Run<'_>, a: &Cluster, b: &Cluster, level: f64) -> Result<Option<Merge>, ClusterError> {
    let (first, second) = (a.members[0], b.members[0]);
    let nearest = dot(run.faces.row(first as usize), run.faces.row(second as usize));
    for cluster in [a, b] {
        if nearest >= cluster.tight {
            cluster.is_too_near.store(true, Relaxed);
        }
    }
    let Some(mut cosine) = constraints::link(run, Candidate::new(first, second), level) else { return Ok(None) };
    if !(a.is_uniform() && b.is_uniform()) {
        for (at, (&x, &y)) in a.members.iter().flat_map(|x| b.members.iter().map(move |y| (x, y))).enumerate() {
            if at % LOOK == LOOK - 1 && run.watch.should_stop() {
                return Err(ClusterError::Stopped);
            }
            match constraints::link(run, Candidate::new(x, y), level) {
                Some(link) => cosine = cosine.min(link),
                None => return Ok(None),
            }
        }
    }
    Ok(Some(Merge { cosine, first, second }))
}

fn too_many(run: &Run<'_>, most: usize, found: usize) -> ClusterError {
    let limit = run.resources.max_bytes;
    let bytes = limit.saturating_add((found - most) as u64 * EDGE_BYTES);
    ClusterError::TooManyPairs { found: found as u64, bytes, limit }
}

impl Highest {
    fn level(&self) -> f64 {
        f64::from_bits(self.level.load(Relaxed))
    }

    /// Takes these links and leaves the list empty. If they do not fit, the lower half of all goes, and the level rises.
    fn take(&self, found: &mut Vec<Merge>) {
        let mut links = self.links.lock().expect("adding a link does not panic");
        let level = self.level();
        links.extend(found.drain(..).filter(|link| link.cosine >= level));
        if links.len() <= self.most {
            return;
        }
        let half = links.len() / 2;
        let (_, middle, _) = links.select_nth_unstable_by(half, |a, b| b.cosine.total_cmp(&a.cosine));
        let mut level = middle.cosine;
        let n_kept = links.iter().filter(|link| link.cosine >= level).count();
        let is_highest = links.iter().all(|link| link.cosine <= level);
        if n_kept > self.most || (n_kept > self.most / 4 * 3 && !is_highest) {
            level = level.next_up(); // very many are equal: all of them go
        }
        links.retain(|link| link.cosine >= level);
        self.level.store(level.to_bits(), Relaxed);
    }
}

impl Cluster {
    /// Whether all its faces have the same embedding.
    fn is_uniform(&self) -> bool {
        self.members.len() == 1 || self.tight.is_finite()
    }

    fn new(members: Vec<u32>) -> Self {
        Self { members, tight: f64::INFINITY, is_too_near: AtomicBool::new(false) }
    }
}
