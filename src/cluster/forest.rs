//! The clusters of a component while they are merged, and the links between them.
//!
//! **Why it is lazy.** A merge writes one new list, that of the merged cluster, and leaves those of all others as they
//! are: of two linked clusters the one that changed last knows their link. A list is brought up to date when its
//! cluster is merged. Of the entries a merge looks at, two become one at best; so all merges together look at no more
//! than four times as many as there are edges.
//!
//! **When edges may be missing.** Then no link to a cluster says nothing. Where only one of two merged clusters is
//! linked to a third, the pairs of the other with the third are computed, until one is below the threshold or all are
//! proven.

use std::cell::Cell;
use std::collections::BinaryHeap;

use super::link::{Merge, SORTED_RUN, check};
use super::roots::Roots;
use super::verify::Candidate;
use super::{ClusterError, Method, Run, constraints};

/// How many steps - a link looked at, a pair computed - between two looks.
const LOOK: usize = 1 << 14;

/// A link in the list of a cluster.
#[derive(Debug, Clone, Copy)]
struct Link {
    cosine: f64,
    /// The other cluster.
    key: u32,
}

/// The clusters of a component so far, by key, which is a place within the component.
pub(super) struct Forest<'a> {
    run: &'a Run<'a>,
    floor: f64,
    method: Method,
    /// The faces of the component.
    faces: &'a [u32],
    /// The places of the faces of each cluster; none once it was merged into another.
    pub(super) members: Vec<Vec<u32>>,
    /// The cluster each was merged into.
    roots: Roots,
    /// The number of the last merge that made each what it is; 0 for a cluster of one.
    changed: Vec<u32>,
    /// For each cluster its links, by key, as they were when it last changed.
    links: Vec<Vec<Link>>,
    merges: u32,
    steps: Cell<usize>,
}

impl<'a> Forest<'a> {
    pub(super) fn new(
        run: &'a Run<'a>,
        merges: &[Merge],
        faces: &'a [u32],
        method: Method,
    ) -> Result<Self, ClusterError> {
        let n = faces.len();
        let mut degrees = vec![0usize; n];
        for chunk in merges.chunks(SORTED_RUN) {
            check(run.watch)?;
            for merge in chunk {
                degrees[merge.first as usize] += 1;
                degrees[merge.second as usize] += 1;
            }
        }
        let mut links: Vec<Vec<Link>> = degrees.into_iter().map(Vec::with_capacity).collect();
        for chunk in merges.chunks(SORTED_RUN) {
            check(run.watch)?;
            for &Merge { cosine, first, second } in chunk {
                links[first as usize].push(Link { cosine, key: second });
                links[second as usize].push(Link { cosine, key: first });
            }
        }
        for list in &mut links {
            check(run.watch)?;
            list.sort_unstable_by_key(|link| link.key);
        }
        Ok(Self {
            run,
            floor: run.scale.lowest_cosine(run.parameters.cluster_threshold),
            method,
            faces,
            members: (0..n as u32).map(|place| vec![place]).collect(),
            roots: Roots::new(n),
            changed: vec![0; n],
            links,
            merges: 0,
            steps: Cell::new(0),
        })
    }

    /// Counts steps and looks now and then whether to stop.
    pub(super) fn step(&self, steps: usize) -> Result<(), ClusterError> {
        self.steps.set(self.steps.get() + steps);
        if self.steps.get() < LOOK {
            return Ok(());
        }
        self.steps.set(0);
        check(self.run.watch)
    }

    /// Whether both clusters still exist and are linked by exactly this cosine.
    pub(super) fn is_current(&self, merge: Merge) -> bool {
        let Merge { cosine, first, second } = merge;
        let exist = [first, second].iter().all(|&key| self.roots.is_root(key));
        exist && self.link(first, second).is_some_and(|link| link.to_bits() == cosine.to_bits())
    }

    /// The link of two clusters that exist, as the one that changed last knows it.
    fn link(&self, a: u32, b: u32) -> Option<f64> {
        let (knows, other) = if self.changed[a as usize] >= self.changed[b as usize] { (a, b) } else { (b, a) };
        let list = &self.links[knows as usize];
        list.binary_search_by_key(&other, |link| link.key).ok().map(|at| list[at].cosine)
    }

    /// Takes the links of a cluster and brings them up to date: to clusters that exist, by key, each once.
    fn take_links(&mut self, key: u32) -> Result<Vec<Link>, ClusterError> {
        let mut list = std::mem::take(&mut self.links[key as usize]);
        let (mut kept, mut moved) = (0, false);
        for at in 0..list.len() {
            self.step(1)?;
            let Link { cosine, key: other } = list[at];
            // A link to a cluster that is gone lives on in the link to what it was merged into. Where edges are
            // complete, the list has that one too.
            let root = match self.method {
                Method::Exact if !self.roots.is_root(other) => continue,
                Method::Exact => other,
                Method::Hnsw => self.roots.root(other),
            };
            let is_newer = self.changed[root as usize] > self.changed[key as usize];
            let link = if is_newer { self.link(root, key) } else { Some(cosine) };
            if let Some(cosine) = link {
                moved |= root != other;
                list[kept] = Link { cosine, key: root };
                kept += 1;
            }
        }
        list.truncate(kept);
        if moved {
            list.sort_unstable_by_key(|link| link.key);
            list.dedup_by_key(|link| link.key);
        }
        Ok(list)
    }

    /// Merges the second cluster into the first, keeps the links of both to a third, and queues those that sank.
    pub(super) fn merge(&mut self, merge: Merge, sunk: &mut BinaryHeap<Merge>) -> Result<(), ClusterError> {
        let (kept, gone) = (merge.first, merge.second);
        // Those of the second are taken while the first's are still in place, and neither needs the other's.
        let theirs = self.take_links(gone)?;
        let ours = self.take_links(kept)?;
        let mut links = Vec::with_capacity(ours.len().min(theirs.len()));
        for (key, our, their) in Zipped::new(&ours, &theirs) {
            if key == kept || key == gone {
                continue;
            }
            let link = match (our, their) {
                (Some(our), Some(their)) => Some(our.cosine.min(their.cosine)),
                (Some(our), None) => self.extend(our, gone)?,
                (None, Some(their)) => self.extend(their, kept)?,
                (None, None) => None,
            };
            let Some(cosine) = link else { continue };
            links.push(Link { cosine, key });
            if our.is_none_or(|our| our.cosine.to_bits() != cosine.to_bits()) {
                sunk.push(Merge { cosine, first: kept.min(key), second: kept.max(key) });
            }
        }
        links.shrink_to_fit();
        self.links[kept as usize] = links;
        self.merges += 1;
        self.changed[kept as usize] = self.merges;
        self.roots.join(kept, gone);
        let mut joining = std::mem::take(&mut self.members[gone as usize]);
        self.members[kept as usize].append(&mut joining);
        Ok(())
    }

    /// A link of one of two merged clusters, extended to the other, `unlinked`: gone where the edges are complete,
    /// computed where they may not be.
    fn extend(&self, link: Link, unlinked: u32) -> Result<Option<f64>, ClusterError> {
        match self.method {
            Method::Exact => Ok(None),
            Method::Hnsw => Ok(self.lowest(link.key, unlinked)?.map(|lowest| lowest.min(link.cosine))),
        }
    }

    /// The link of two clusters, from the vectors; none as soon as one pair is below the threshold.
    fn lowest(&self, a: u32, b: u32) -> Result<Option<f64>, ClusterError> {
        let (ours, theirs) = (&self.members[a as usize], &self.members[b as usize]);
        let mut lowest = f64::INFINITY;
        for (&x, &y) in ours.iter().flat_map(|x| theirs.iter().map(move |y| (x, y))) {
            self.step(1)?;
            let candidate = Candidate::new(self.faces[x as usize], self.faces[y as usize]);
            match constraints::link(self.run, candidate, self.floor) {
                Some(cosine) => lowest = lowest.min(cosine),
                None => return Ok(None),
            }
        }
        Ok(Some(lowest))
    }
}

/// Two lists of links side by side, in order of key.
struct Zipped<'a> {
    ours: &'a [Link],
    theirs: &'a [Link],
}

impl<'a> Zipped<'a> {
    fn new(ours: &'a [Link], theirs: &'a [Link]) -> Self {
        Self { ours, theirs }
    }
}

impl Iterator for Zipped<'_> {
    type Item = (u32, Option<Link>, Option<Link>);

    fn next(&mut self) -> Option<Self::Item> {
        let key = self.ours.first().into_iter().chain(self.theirs.first()).map(|link| link.key).min()?;
        let take = |list: &mut &[Link]| {
            let (first, rest) = list.split_first()?;
            (first.key == key).then(|| {
                *list = rest;
                *first
            })
        };
        Some((key, take(&mut self.ours), take(&mut self.theirs)))
    }
}
