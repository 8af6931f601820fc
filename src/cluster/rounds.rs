//! Merging in rounds: in each, all pairs of clusters that are each other's highest link, at once and on all threads.
//!
//! **Theorem.** Order links by cosine, and equal ones by the smaller pair of keys. If clusters a and b are each other's
//! highest link, then merging the highest link of all until none is left (contract R111, R112) merges a and b before it
//! merges either with anything else.
//!
//! **Proof.** Let it merge c and d, neither of them a or b, into a cluster with the key c. Its link with a exists only if
//! both had one, is the lower of the two, and has the pair of keys that the link of a and c had: so it is not higher than
//! that one, which was not as high as the link of a and b. The same goes for b. So a and b stay each other's highest
//! link; and as long as they are two clusters there is a link, so it has not ended. (Reducibility: Bruynooghe 1977;
//! Murtagh, A survey of recent advances in hierarchical clustering algorithms, 1983. Here with ties.)
//!
//! Merging a and b at once changes no other choice, for the links of the two together are no higher than those either
//! had, which were not as high as theirs. So merging all such pairs at once, again and again, ends in the same partition.
//!
//! **Why lists are left as they are.** A list is made when its cluster is merged, highest link first, and says of every
//! other cluster how many faces it had then. Later merges of the others are seen by walking down the list and adding up
//! the faces of what each other cluster is by now: the first that is complete has the highest link, for the link to its
//! last part is the lowest of all its parts. Most walks end after a few steps, so a merge touches its own two lists only.
//!
//! **Promises.** What is left when it ends early are clusters, and all links between them, from which merging the highest
//! link again and again ends in that same partition.
//!
//! **Why it may end early.** Where links are equal, or lie on a slope, a round may find a single pair and look at many
//! lists for it. Then one queue of all links is faster (`link`).

use super::link::Merge;
use super::lists::{Link, Lists};
use super::roots::Roots;
use super::watch::{Meter, Stage};
use super::{ClusterError, Run, workers};

/// No cluster.
const NONE: u32 = u32::MAX;
/// A round must merge one of so many clusters that have links.
const LEAST_SHARE: usize = 1_024;
/// How many clusters a thread takes at a time.
const PIECE: usize = 32;
/// A walk longer than this, and than this part of its list, is worth making the list anew.
const LONG_WALK: usize = 32;
const LONG_PART: usize = 4;

/// The clusters so far.
struct Clusters {
    /// What each was merged into.
    roots: Roots,
    /// The number of faces of each.
    sizes: Vec<u32>,
}

/// What a cluster needs in a round: a new list and its highest link, or the latter alone.
struct Change {
    key: u32,
    links: Vec<Link>,
    /// The cluster that is merged into it, with its links.
    joining: Option<Vec<Link>>,
    best: u32,
}

/// What a thread notes of other clusters, by key, during one walk.
struct Notes {
    /// The walk that a note is of.
    walk: u32,
    notes: Vec<Note>,
}

#[derive(Clone, Copy)]
struct Note {
    lowest: f64,
    walk: u32,
    n_faces: u32,
}

/// Merges the clusters of these lists until none is linked any more or a round is no longer worth it; returns the links that
/// are left. `parents` says of each cluster which it was merged into.
///
/// `sizes` has the number of faces of each cluster.
pub(super) fn merge(
    run: &Run<'_>,
    links: Lists,
    sizes: Vec<u32>,
    parents: &mut [u32],
) -> Result<Vec<Merge>, ClusterError> {
    let mut lists = links.of;
    let n = lists.len();
    let mut clusters = Clusters { roots: Roots::from_parents(parents), sizes };
    let mut notes: Vec<Notes> = (0..run.resources.threads.get()).map(|_| Notes::new(n)).collect();
    // Lists begin highest first, so the first link is the highest.
    let mut best: Vec<u32> = lists.iter().map(|list| list.first().map_or(NONE, |link| link.key)).collect();
    let mut linked: Vec<u32> = (0..n as u32).filter(|&key| best[key as usize] != NONE).collect();
    let meter = Meter::new(run.watch, Stage::Link, linked.len() as u64);
    let mut is_merging = vec![false; n];
    loop {
        let before = linked.len();
        let pairs: Vec<(u32, u32)> = linked
            .iter()
            .map(|&key| (key, best[key as usize]))
            .filter(|&(key, other)| key < other && best[other as usize] == key)
            .collect();
        if pairs.is_empty() || pairs.len() * LEAST_SHARE < before {
            break;
        }
        for &(kept, gone) in &pairs {
            clusters.join(kept, gone);
            (is_merging[kept as usize], is_merging[gone as usize]) = (true, true);
        }
        let has_lost_its_best = |&&key: &&u32| !is_merging[key as usize] && is_merging[best[key as usize] as usize];
        let walking = linked.iter().filter(has_lost_its_best).map(|&key| (key, None));
        let merging = pairs.iter().map(|&(kept, gone)| (kept, Some(gone)));
        let mut take = |key: u32| std::mem::take(&mut lists[key as usize]);
        let mut changes: Vec<Change> = merging
            .chain(walking)
            .map(|(key, gone)| Change { key, links: take(key), joining: gone.map(&mut take), best: NONE })
            .collect();
        workers::for_each_mut(run, &mut changes, PIECE, &mut notes, |notes, change| change.work(&clusters, notes))?;
        for &(kept, gone) in &pairs {
            (is_merging[kept as usize], is_merging[gone as usize]) = (false, false);
            best[gone as usize] = NONE;
        }
        for Change { key, links, best: highest, .. } in changes {
            best[key as usize] = highest;
            lists[key as usize] = links;
        }
        linked.retain(|&key| best[key as usize] != NONE);
        meter.advance((before - linked.len()) as u64);
    }
    for (key, parent) in parents.iter_mut().enumerate() {
        *parent = clusters.roots.root(key as u32);
    }
    Ok(left(&clusters, &mut lists, &linked, &mut notes[0]))
}

/// Every link that is left, once.
fn left(clusters: &Clusters, lists: &mut [Vec<Link>], linked: &[u32], notes: &mut Notes) -> Vec<Merge> {
    let mut merges = Vec::new();
    for &first in linked {
        let mut links = std::mem::take(&mut lists[first as usize]);
        notes.renew(&mut links, clusters);
        let behind = links.into_iter().filter(|link| link.key > first);
        merges.extend(behind.map(|Link { cosine, key, .. }| Merge { cosine, first, second: key }));
    }
    merges
}

impl Clusters {
    /// Merges the second of two clusters into the first.
    fn join(&mut self, kept: u32, gone: u32) {
        self.roots.join(kept, gone);
        self.sizes[kept as usize] += self.sizes[gone as usize];
    }

    fn n_faces(&self, key: u32) -> u32 {
        self.sizes[key as usize]
    }
}

impl Change {
    fn work(&mut self, clusters: &Clusters, notes: &mut Notes) {
        if let Some(mut theirs) = self.joining.take() {
            notes.renew(&mut theirs, clusters);
            notes.renew(&mut self.links, clusters);
            notes.keep_common(&mut self.links, &theirs);
            self.best = self.links.first().map_or(NONE, |link| link.key);
            return;
        }
        let (best, walked) = notes.walk(&self.links, clusters);
        self.best = best;
        if best == NONE {
            self.links = Vec::new();
        } else if walked > LONG_WALK && walked * LONG_PART > self.links.len() {
            notes.renew(&mut self.links, clusters);
        }
    }
}

impl Notes {
    fn new(n: usize) -> Self {
        Self { walk: 0, notes: vec![Note { lowest: 0.0, walk: 0, n_faces: 0 }; n] }
    }

    /// A new walk: all notes are void.
    fn begin(&mut self) {
        self.walk = self.walk.wrapping_add(1);
        if self.walk == 0 {
            self.notes.iter_mut().for_each(|note| note.walk = 0);
            self.walk = 1;
        }
    }

    /// Adds a part to what is noted of `key`.
    fn add(&mut self, key: u32, link: Link) -> Note {
        let note = &mut self.notes[key as usize];
        *note = if note.walk == self.walk {
            Note { lowest: note.lowest.min(link.cosine), n_faces: note.n_faces + link.n_faces, ..*note }
        } else {
            Note { lowest: link.cosine, walk: self.walk, n_faces: link.n_faces }
        };
        *note
    }

    /// The other cluster of the highest link, of equal ones that with the smallest key, whichever side it is on; and how
    /// many links were looked at.
    fn walk(&mut self, links: &[Link], clusters: &Clusters) -> (u32, usize) {
        self.begin();
        let (mut best, mut lowest) = (NONE, f64::NEG_INFINITY);
        for (at, &link) in links.iter().enumerate() {
            if best != NONE && link.cosine < lowest {
                return (best, at);
            }
            let key = clusters.roots.root(link.key);
            if self.add(key, link).n_faces == clusters.n_faces(key) {
                (best, lowest) = (best.min(key), link.cosine);
            }
        }
        (best, links.len())
    }

    /// Makes a list anew: the links as they are by now, each with one that is there, highest first.
    fn renew(&mut self, links: &mut Vec<Link>, clusters: &Clusters) {
        self.begin();
        for link in &*links {
            self.add(clusters.roots.root(link.key), *link);
        }
        links.retain_mut(|link| {
            let key = clusters.roots.root(link.key);
            let n_faces = clusters.n_faces(key);
            let note = &mut self.notes[key as usize];
            let is_complete = note.n_faces == n_faces;
            note.n_faces = 0; // taken: its other parts are not complete any more
            *link = Link { cosine: note.lowest, key, n_faces };
            is_complete
        });
        shrink(links);
        links.sort_unstable_by(Link::order);
    }

    /// Of the links of two clusters that become one: those that both have, the lower of the two. Both lists are as new.
    fn keep_common(&mut self, ours: &mut Vec<Link>, theirs: &[Link]) {
        self.begin();
        for link in theirs {
            self.add(link.key, *link);
        }
        let walk = self.walk;
        ours.retain_mut(|link| {
            let note = self.notes[link.key as usize];
            link.cosine = link.cosine.min(note.lowest);
            note.walk == walk
        });
        shrink(ours);
        ours.sort_unstable_by(Link::order);
    }
}

/// Gives back the room of a list that has become much shorter.
fn shrink(links: &mut Vec<Link>) {
    if links.len() * 2 < links.capacity() {
        links.shrink_to_fit();
    }
}
