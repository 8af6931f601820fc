//! From proposed to proven: the one place where a pair becomes an edge.
//!
//! **Promises.** An [`Edge`] is a pair of different faces whose exact cosine reached the floor, or of which somebody has
//! decided that it is one person; it has no other constructors than [`keep`] and [`decided`]. A [`Sure`] pair reached the cluster threshold by more than float32 rounds off.

use super::constraints::{Bond, Constraints};
use super::gather::Gather;
use super::index::Proposals;
use super::watch::Stage;
use super::{ClusterError, Run, workers};
use crate::face::FaceSet;
use crate::kernel::{self, SureLine};

/// A pair of faces that may reach the floor. Nothing is proven.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Candidate {
    first: u32,
    second: u32,
}

impl Candidate {
    /// The pair of two different faces, in either order.
    pub(super) fn new(a: u32, b: u32) -> Self {
        debug_assert_ne!(a, b, "a face is no pair");
        Self { first: a.min(b), second: a.max(b) }
    }

    /// Its faces, the smaller first.
    pub(super) fn faces(self) -> (u32, u32) {
        (self.first, self.second)
    }

    /// What is decided of it.
    pub(super) fn bond(self, constraints: &Constraints) -> Option<Bond> {
        if constraints.is_empty() { None } else { constraints.bond(self.first, self.second) }
    }
}

/// A proven pair: two faces, the smaller index first, with their exact cosine.
#[derive(Debug, Clone, Copy)]
pub(super) struct Edge {
    cosine: f64,
    first: u32,
    second: u32,
}

impl Edge {
    pub(super) fn first(&self) -> u32 {
        self.first
    }

    pub(super) fn second(&self) -> u32 {
        self.second
    }

    /// For the linkage; of a pair that was decided upon higher than any cosine is.
    pub(super) fn cosine(&self) -> f64 {
        self.cosine
    }

    /// Whether nothing is decided of it.
    pub(super) fn is_free(&self, constraints: &Constraints) -> bool {
        constraints.is_empty() || constraints.bond(self.first, self.second).is_none()
    }
}

/// What is added to the cosine of a pair that was decided to be one person: with it, it is higher than any cosine.
const DECIDED: f64 = 4.0;

/// The candidate as an edge because it was decided to be one person.
pub(super) fn decided(faces: &FaceSet, candidate: Candidate) -> Edge {
    let Candidate { first, second } = candidate;
    let cosine = DECIDED + kernel::dot(faces.row(first as usize), faces.row(second as usize));
    Edge { cosine, first, second }
}

/// The candidate as an edge, if its exact cosine reaches `floor`.
pub(super) fn keep(faces: &FaceSet, candidate: Candidate, floor: f64) -> Option<Edge> {
    let Candidate { first, second } = candidate;
    let cosine = kernel::dot(faces.row(first as usize), faces.row(second as usize));
    (cosine >= floor).then_some(Edge { cosine, first, second })
}

/// A pair that reaches the cluster threshold by so much that float32 proves it. Its cosine is not known.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sure {
    first: u32,
    second: u32,
}

impl Sure {
    pub(super) fn first(self) -> u32 {
        self.first
    }

    pub(super) fn second(self) -> u32 {
        self.second
    }
}

/// The candidate as a sure pair, if its float32 product reaches the line.
pub(super) fn sure(candidate: Candidate, product: f32, line: SureLine) -> Option<Sure> {
    line.is_reached_by(product).then_some(Sure { first: candidate.first, second: candidate.second })
}

/// How many faces' candidates make a unit of work.
const UNIT: usize = 64;

/// Keeps the proposals that reach the floor.
pub(super) fn keep_all(run: &Run<'_>, proposals: &Proposals, gather: &Gather<'_>) -> Result<(), ClusterError> {
    let n = run.faces.len();
    workers::for_each(run, Stage::Compare, n.div_ceil(UNIT) as u64, Vec::new, |edges, unit| {
        let start = unit as usize * UNIT;
        for face in start..n.min(start + UNIT) {
            edges.extend(proposals.of(face as u32).filter_map(|c| keep(run.faces, c, gather.floor())));
            gather.take(edges)?;
        }
        Ok(())
    })
}
