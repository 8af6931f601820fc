//! The proof that a result keeps its promises, or the first one it breaks.
//!
//! **Promises.** Nothing but the vectors, the scale and the definition of the cosine is trusted: no screen, no edge. With
//! any number of threads the same violation is named. Beside the result a thread needs 12 bytes for each face.

use std::sync::{Mutex, PoisonError};

use super::matches::Match;
use super::watch::Stage;
use super::workers;
use super::{Bond, Clustering, Forgetful, MatchScope, Method, Parameters, Resources, Run, Violation, Watch};
use crate::confidence::{Confidence, ConfidenceScale};
use crate::face::FaceSet;
use crate::kernel;

/// How many faces of a cluster make a unit of work.
const UNIT: usize = 64;

/// What the proof looks at.
struct Proof<'a> {
    result: &'a Clustering,
    faces: &'a FaceSet,
    scale: &'a ConfidenceScale,
    parameters: &'a Parameters,
    /// The cluster of each face.
    cluster_of: Vec<u32>,
    /// From here on a cosine reaches the cluster threshold, and the output threshold.
    floors: (f64, f64),
}

/// Some faces of one cluster.
#[derive(Clone, Copy)]
struct Unit<'a> {
    cluster: u32,
    faces: &'a [u32],
}

/// What a thread needs for one face after the other.
#[derive(Default)]
struct Scratch {
    /// The cosine of the face with each.
    cosines: Vec<f64>,
    /// How many faces of each cluster it is linked to; zeros between two faces.
    linked: Vec<u32>,
    /// The clusters that it is linked to.
    touched: Vec<u32>,
}

/// The later clusters all of whose faces are linked to all faces of a unit.
type Whole = Vec<u32>;

/// Tells how many of the units are proven.
struct Told<'a>(&'a (dyn Fn(u64, u64) + Sync));

impl Watch for Told<'_> {
    fn should_stop(&self) -> bool {
        false
    }

    fn report(&self, _: Stage, done: u64, total: u64) {
        (self.0)(done, total);
    }
}

/// Proves every promise of `result`, or names one it breaks; `told` hears how many of how many units are proven.
pub(super) fn find(
    result: &Clustering,
    (faces, scale, parameters): (&FaceSet, &ConfidenceScale, &Parameters),
    resources: &Resources,
    told: &(dyn Fn(u64, u64) + Sync),
) -> Result<(), Violation> {
    let cluster_of = partition(result.clusters(), faces.len())?;
    order(result.clusters())?;
    let lists = result.matches().faces();
    if lists != faces.len() {
        return Err(Violation::MatchLists { lists, faces: faces.len() });
    }
    let lowest = |threshold| scale.lowest_cosine(threshold);
    let floors = (lowest(parameters.cluster_threshold), lowest(parameters.output_threshold));
    let proof = Proof { result, faces, scale, parameters, cluster_of, floors };
    let clusters = result.clusters().iter().enumerate();
    let units: Vec<_> = clusters
        .flat_map(|(cluster, members)| members.chunks(UNIT).map(move |faces| Unit { cluster: cluster as u32, faces }))
        .collect();
    let run = Run { faces, scale, parameters, resources, watch: &Told(told), ledger: &Forgetful };
    let first: Mutex<Option<(u64, Violation)>> = Mutex::default();
    let wholes: Vec<Mutex<Whole>> = units.iter().map(|_| Mutex::default()).collect();
    let went = workers::for_each(&run, Stage::Compare, units.len() as u64, Scratch::default, |scratch, n| {
        let is_late = |first: &Option<(u64, Violation)>| first.as_ref().is_some_and(|&(at, _)| at < n);
        if is_late(&first.lock().unwrap_or_else(PoisonError::into_inner)) {
            return Ok(());
        }
        match proof.unit(units[n as usize], scratch) {
            Ok(whole) => *wholes[n as usize].lock().unwrap_or_else(PoisonError::into_inner) = whole,
            Err(violation) => {
                let mut first = first.lock().unwrap_or_else(PoisonError::into_inner);
                if !is_late(&first) {
                    *first = Some((n, violation));
                }
            }
        }
        Ok(())
    });
    went.expect("it is never stopped, and keeps no pairs");
    if let Some((_, violation)) = first.into_inner().unwrap_or_else(PoisonError::into_inner) {
        return Err(violation);
    }
    let wholes = wholes.into_iter().map(|whole| whole.into_inner().unwrap_or_else(PoisonError::into_inner));
    nothing_is_mergeable(&units, wholes)
}

/// The cluster of each face, if each is in exactly one.
fn partition(clusters: &[Vec<u32>], faces: usize) -> Result<Vec<u32>, Violation> {
    let mut places = vec![0usize; faces];
    let mut cluster_of = vec![0; faces];
    for (cluster, members) in clusters.iter().enumerate() {
        for &face in members {
            let index = face as usize;
            if index >= faces {
                return Err(Violation::NoSuchFace { cluster, face, faces });
            }
            places[index] += 1;
            cluster_of[index] = cluster as u32;
        }
    }
    match places.iter().position(|&count| count != 1) {
        Some(face) => Err(Violation::NotAPartition { face: face as u32, clusters: places[face] }),
        None => Ok(cluster_of),
    }
}

/// Faces in image order; clusters by size, descending, then by first face.
fn order(clusters: &[Vec<u32>]) -> Result<(), Violation> {
    for (cluster, members) in clusters.iter().enumerate() {
        if members.is_empty() {
            return Err(Violation::Empty { cluster });
        }
        if !members.is_sorted() {
            return Err(Violation::FaceOrder { cluster });
        }
    }
    let comes_first = |a: &[u32], b: &[u32]| a.len() > b.len() || (a.len() == b.len() && a[0] < b[0]);
    match clusters.windows(2).position(|pair| !comes_first(&pair[0], &pair[1])) {
        Some(before) => Err(Violation::ClusterOrder { cluster: before + 1 }),
        None => Ok(()),
    }
}

/// That no cluster is linked as a whole to a later one: the same cluster by all units of it.
fn nothing_is_mergeable(units: &[Unit<'_>], wholes: impl Iterator<Item = Whole>) -> Result<(), Violation> {
    let mut of_cluster: Option<(u32, Whole)> = None;
    let told = |of_cluster: &Option<(u32, Whole)>| match of_cluster {
        Some((cluster, common)) if !common.is_empty() => {
            Err(Violation::Mergeable { first: *cluster as usize, second: common[0] as usize })
        }
        _ => Ok(()),
    };
    for (unit, whole) in units.iter().zip(wholes) {
        match &mut of_cluster {
            Some((cluster, common)) if *cluster == unit.cluster => {
                common.retain(|other| whole.binary_search(other).is_ok());
            }
            _ => {
                told(&of_cluster)?;
                of_cluster = Some((unit.cluster, whole));
            }
        }
    }
    told(&of_cluster)
}

impl Proof<'_> {
    /// Proves what is promised of some faces.
    fn unit(&self, unit: Unit<'_>, scratch: &mut Scratch) -> Result<Whole, Violation> {
        let is_exact = self.result.method() == Method::Exact;
        let mut common: Option<Whole> = None;
        for &face in unit.faces {
            self.is_linked_to_its_own(unit.cluster, face)?;
            self.matches_are_right(face)?;
            if is_exact {
                let whole = self.nothing_is_missing(face, scratch)?;
                match &mut common {
                    Some(common) => common.retain(|other| whole.binary_search(other).is_ok()),
                    None => common = Some(whole),
                }
            }
        }
        Ok(common.unwrap_or_default())
    }

    fn cosine(&self, a: u32, b: u32) -> f64 {
        kernel::dot(self.faces.row(a as usize), self.faces.row(b as usize))
    }

    fn confidence(&self, a: u32, b: u32) -> Confidence {
        self.scale.confidence(self.cosine(a, b))
    }

    fn share_a_cluster(&self, a: u32, b: u32) -> bool {
        self.cluster_of[a as usize] == self.cluster_of[b as usize]
    }

    fn bond(&self, a: u32, b: u32) -> Option<Bond> {
        let constraints = &self.parameters.constraints;
        if constraints.is_empty() { None } else { constraints.bond(a, b) }
    }

    /// That each pair with an earlier face of its cluster may be there.
    fn is_linked_to_its_own(&self, cluster: u32, second: u32) -> Result<(), Violation> {
        let cluster = cluster as usize;
        for &first in self.result.clusters()[cluster].iter().take_while(|&&first| first < second) {
            let bond = self.bond(first, second);
            if bond == Some(Bond::Apart) {
                return Err(Violation::KeptApart { cluster, first, second });
            }
            let confidence = self.confidence(first, second);
            if bond.is_none() && !self.parameters.cluster_threshold.is_reached_by(confidence) {
                return Err(Violation::BelowClusterThreshold { cluster, first, second, confidence });
            }
        }
        Ok(())
    }

    fn matches_are_right(&self, face: u32) -> Result<(), Violation> {
        let matches = self.result.matches_of(face);
        for &entry in matches {
            self.is_right(face, entry)?;
        }
        if let Some(before) = matches.windows(2).position(|pair| pair[0] >= pair[1]) {
            return Err(Violation::MatchOrder { face, place: before + 1 });
        }
        match self.parameters.max_matches {
            Some(most) if matches.len() > most => Err(Violation::TooManyMatches { face, count: matches.len(), most }),
            _ => Ok(()),
        }
    }

    fn is_right(&self, face: u32, entry: Match) -> Result<(), Violation> {
        let Match { face: other, confidence: stated } = entry;
        if other == face || other as usize >= self.faces.len() {
            return Err(Violation::NoSuchMatch { face, other });
        }
        let actual = self.confidence(face, other);
        if stated != actual {
            return Err(Violation::MatchConfidence { face, other, stated, actual });
        }
        if !self.parameters.output_threshold.is_reached_by(actual) {
            return Err(Violation::BelowOutputThreshold { face, other, confidence: actual });
        }
        if self.parameters.scope == MatchScope::Cluster && !self.share_a_cluster(face, other) {
            return Err(Violation::MatchOutside { face, other });
        }
        Ok(())
    }

    /// Compares a face with every other: no match is missing. Answers the later clusters all of whose faces it is
    /// linked to.
    fn nothing_is_missing(&self, face: u32, scratch: &mut Scratch) -> Result<Whole, Violation> {
        let Scratch { cosines, linked, touched } = scratch;
        let own = self.cluster_of[face as usize];
        linked.resize(self.result.clusters().len(), 0);
        cosines.clear();
        cosines.extend((0..self.faces.len() as u32).map(|other| self.cosine(face, other)));
        for (other, &cosine) in (0..).zip(cosines.iter()) {
            let cluster = self.cluster_of[other as usize];
            if cluster <= own {
                continue;
            }
            let is_linked = match self.bond(face, other) {
                None => cosine >= self.floors.0,
                Some(bond) => bond == Bond::Together,
            };
            if is_linked {
                if linked[cluster as usize] == 0 {
                    touched.push(cluster);
                }
                linked[cluster as usize] += 1;
            }
        }
        let size = |cluster: u32| self.result.clusters()[cluster as usize].len();
        let mut whole = Vec::new();
        for cluster in touched.drain(..) {
            if linked[cluster as usize] as usize == size(cluster) {
                whole.push(cluster);
            }
            linked[cluster as usize] = 0;
        }
        whole.sort_unstable();
        self.no_match_is_missing(face, cosines)?;
        Ok(whole)
    }

    /// That each face that reaches the output threshold is listed, or ranks behind the last of a full list. What is
    /// listed is known to be right, so that counting is enough.
    fn no_match_is_missing(&self, face: u32, cosines: &[f64]) -> Result<(), Violation> {
        let listed = self.result.matches_of(face);
        let is_full = self.parameters.max_matches.is_some_and(|most| listed.len() >= most);
        let last = match listed.last() {
            None if is_full => return Ok(()),
            last => last.filter(|_| is_full),
        };
        let belongs = |&(other, &cosine): &(u32, &f64)| {
            cosine >= self.floors.1
                && other != face
                && (self.parameters.scope == MatchScope::All || self.share_a_cluster(face, other))
        };
        let ranked = (0..).zip(cosines).filter(belongs).map(|(other, &cosine)| (other, cosine));
        let is_before = |(other, cosine): (u32, f64)| {
            let entry = Match { face: other, confidence: self.scale.confidence(cosine) };
            last.is_none_or(|last| entry <= *last).then_some(entry)
        };
        let count = match last {
            None => ranked.clone().count(),
            Some(_) => ranked.clone().filter_map(is_before).count(),
        };
        if count == listed.len() {
            return Ok(());
        }
        let mut missing = ranked.filter_map(is_before).filter(|entry| listed.binary_search(entry).is_err());
        missing.next().map_or(Ok(()), |Match { face: other, .. }| Err(Violation::MatchMissing { face, other }))
    }
}
