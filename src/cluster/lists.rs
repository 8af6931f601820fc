//! Links in lists: for each cluster the others it is linked to.
//!
//! **Promises.** Lists are in order, highest link first, and a link is in the lists of both its clusters.

use std::cmp::Ordering;

use super::link::Merge;
use super::{ClusterError, Run, workers};

/// How many edges are moved between two looks at whether to stop.
const MOVED: usize = 1 << 20;

/// A link in the list of a cluster.
#[derive(Debug, Clone, Copy)]
pub(super) struct Link {
    pub(super) cosine: f64,
    /// The other cluster.
    pub(super) key: u32,
    /// The number of its faces when the link was listed.
    pub(super) n_faces: u32,
}

impl Link {
    /// Highest first; of equal ones that with the smallest key.
    pub(super) fn order(&self, other: &Self) -> Ordering {
        other.cosine.total_cmp(&self.cosine).then(self.key.cmp(&other.key))
    }
}

/// The links of every cluster.
pub(super) struct Lists {
    /// By key.
    pub(super) of: Vec<Vec<Link>>,
}

/// The lists of consecutive clusters, filled by one thread.
struct Stretch<'a> {
    start: u32,
    lists: &'a mut [Vec<Link>],
}

impl Lists {
    /// The lists of these links, which are given up piece by piece as those grow. `sizes` has the faces of each cluster.
    pub(super) fn new<L: Copy + Sync + Into<Merge>>(
        run: &Run<'_>,
        links: Vec<Vec<L>>,
        sizes: &[u32],
    ) -> Result<Self, ClusterError> {
        let n = run.faces.len();
        let mut degrees = vec![0u32; n];
        for &link in links.iter().flatten() {
            let Merge { first, second, .. } = link.into();
            degrees[first as usize] += 1;
            degrees[second as usize] += 1;
        }
        let mut lists: Vec<Vec<Link>> = degrees.iter().map(|&degree| Vec::with_capacity(degree as usize)).collect();
        // Every thread looks at all edges and takes the ends that are its own: looking is cheap, and nothing is locked.
        let bounds = stretches(&degrees, run.resources.threads.get());
        let mut idle = vec![(); run.resources.threads.get()];
        let mut left = links;
        while !left.is_empty() {
            let mut moved = Vec::new();
            let mut n_moved = 0;
            while n_moved < MOVED
                && let Some(piece) = left.pop()
            {
                n_moved += piece.len();
                moved.push(piece);
            }
            let mut stretches = cut(&mut lists, &bounds);
            workers::for_each_mut(run, &mut stretches, 1, &mut idle, |(), stretch| {
                for &link in moved.iter().flatten() {
                    let Merge { cosine, first, second } = link.into();
                    stretch.take(first, second, cosine, sizes);
                    stretch.take(second, first, cosine, sizes);
                }
            })?;
        }
        workers::for_each_mut(run, &mut lists, 256, &mut idle, |(), list| list.sort_unstable_by(Link::order))?;
        Ok(Self { of: lists })
    }
}

impl Stretch<'_> {
    fn take(&mut self, cluster: u32, key: u32, cosine: f64, sizes: &[u32]) {
        if let Some(list) = cluster.checked_sub(self.start).and_then(|at| self.lists.get_mut(at as usize)) {
            list.push(Link { cosine, key, n_faces: sizes[key as usize] });
        }
    }
}

/// Where stretches of clusters with about equally many links end.
fn stretches(degrees: &[u32], n: usize) -> Vec<usize> {
    let total: u64 = degrees.iter().map(|&degree| u64::from(degree)).sum();
    let (mut ends, mut sum) = (Vec::new(), 0);
    for (at, &degree) in degrees.iter().enumerate() {
        sum += u64::from(degree);
        if sum * n as u64 >= total * (ends.len() as u64 + 1) && ends.len() + 1 < n {
            ends.push(at + 1);
        }
    }
    ends.push(degrees.len());
    ends
}

fn cut<'a>(mut lists: &'a mut [Vec<Link>], ends: &[usize]) -> Vec<Stretch<'a>> {
    let mut start = 0;
    let stretch = |&end: &usize| {
        let (own, rest) = std::mem::take(&mut lists).split_at_mut(end - start);
        let stretch = Stretch { start: start as u32, lists: own };
        (lists, start) = (rest, end);
        stretch
    };
    ends.iter().map(stretch).collect()
}
