//! Faces that edges connect, directly or through others: what complete linkage can take apart one by one.
//!
//! **Promises.** Edges of different components have no face in common, so no link joins two components and no merge in
//! one changes another. Within a component faces keep their order, so keys compare as they do among all faces.
//!
//! **Why.** Components are linked on all threads, and each in lists and heaps that fit a cache.

use std::cmp::Reverse;
use std::ops::Range;

use super::verify::Edge;

/// The components of a set of edges.
pub(super) struct Components {
    /// Faces, component after component, ascending in each.
    faces: Vec<u32>,
    /// The place of each face within its component.
    places: Vec<u32>,
    parts: Vec<Part>,
}

/// Where the faces and the edges of one component are.
struct Part {
    faces: Range<usize>,
    edges: Range<usize>,
}

impl Components {
    /// The components of `n` faces, those with most edges first; `edges` are put in their order.
    pub(super) fn new(n: usize, edges: &mut Vec<Edge>) -> Self {
        let mut roots: Vec<u32> = (0..n as u32).collect();
        for edge in &*edges {
            let (a, b) = (root(&mut roots, edge.first()), root(&mut roots, edge.second()));
            roots[a.max(b) as usize] = a.min(b);
        }
        let mut n_faces = vec![0usize; n];
        let mut n_edges = vec![0usize; n];
        for face in 0..n as u32 {
            n_faces[root(&mut roots, face) as usize] += 1;
        }
        for edge in &*edges {
            n_edges[roots_of(&roots, edge.first()) as usize] += 1;
        }
        let mut order: Vec<u32> = (0..n as u32).filter(|&root| n_faces[root as usize] > 0).collect();
        order.sort_by_key(|&root| Reverse(n_edges[root as usize]));
        let (mut face, mut edge) = (0, 0);
        let parts: Vec<Part> = order
            .iter()
            .map(|&root| {
                let part =
                    Part { faces: face..face + n_faces[root as usize], edges: edge..edge + n_edges[root as usize] };
                (face, edge) = (part.faces.end, part.edges.end);
                part
            })
            .collect();
        let mut next_face = vec![0; n];
        let mut next_edge = vec![0; n];
        for (&root, part) in order.iter().zip(&parts) {
            next_face[root as usize] = part.faces.start;
            next_edge[root as usize] = part.edges.start;
        }
        let mut faces = vec![0; n];
        let mut places = vec![0; n];
        let firsts = next_face.clone();
        for face in 0..n as u32 {
            let root = roots_of(&roots, face) as usize;
            places[face as usize] = (next_face[root] - firsts[root]) as u32;
            faces[next_face[root]] = face;
            next_face[root] += 1;
        }
        let mut sorted = edges.clone();
        for edge in &*edges {
            let root = roots_of(&roots, edge.first()) as usize;
            sorted[next_edge[root]] = *edge;
            next_edge[root] += 1;
        }
        *edges = sorted;
        Self { faces, places, parts }
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.parts.len()
    }

    /// The faces of a component, ascending.
    pub(super) fn faces(&self, component: usize) -> &[u32] {
        &self.faces[self.parts[component].faces.clone()]
    }

    /// Where its edges are among all.
    pub(super) fn edges(&self, component: usize) -> Range<usize> {
        self.parts[component].edges.clone()
    }

    /// The place of a face within its component.
    pub(super) fn place(&self, face: u32) -> u32 {
        self.places[face as usize]
    }
}

/// The smallest face known to be connected with `face`; what leads to it is made shorter for the next time.
fn root(roots: &mut [u32], mut face: u32) -> u32 {
    while roots[face as usize] != face {
        roots[face as usize] = roots[roots[face as usize] as usize];
        face = roots[face as usize];
    }
    face
}

fn roots_of(roots: &[u32], mut face: u32) -> u32 {
    while roots[face as usize] != face {
        face = roots[face as usize];
    }
    face
}

#[cfg(test)]
mod tests {
    use super::super::verify::{Candidate, keep};
    use super::*;
    use crate::face::{Embedding, FaceSet, face_id};
    use proptest::prelude::*;

    /// Edges of these pairs: all faces are alike, so every pair is one.
    fn edges(n: u32, pairs: &[(u32, u32)]) -> Vec<Edge> {
        let face = |i| (face_id("d", &format!("{i:04}"), "x").unwrap(), Embedding::new([1.0]).unwrap());
        let faces = FaceSet::new((0..n).map(face)).unwrap();
        let pairs = pairs.iter().map(|&(a, b)| (a % n, b % n)).filter(|(a, b)| a != b);
        pairs.filter_map(|(a, b)| keep(&faces, Candidate::new(a, b), 0.5)).collect()
    }

    proptest! {
        #[test]
        fn every_face_and_every_edge_is_in_one_component_and_none_is_between_two(
            n in 1u32..40, pairs in proptest::collection::vec((any::<u32>(), any::<u32>()), 0..40),
        ) {
            let mut edges = edges(n, &pairs);
            let before = edges.len();
            let components = Components::new(n as usize, &mut edges);
            let mut faces = Vec::new();
            let mut of_face = vec![usize::MAX; n as usize];
            for component in 0..components.len() {
                let own = components.faces(component);
                prop_assert!(own.is_sorted_by(|a, b| a < b));
                for (place, &face) in own.iter().enumerate() {
                    prop_assert_eq!(components.place(face) as usize, place);
                    of_face[face as usize] = component;
                    faces.push(face);
                }
            }
            faces.sort_unstable();
            prop_assert_eq!(faces, (0..n).collect::<Vec<_>>());
            let mut counted = 0;
            for component in 0..components.len() {
                let own = &edges[components.edges(component)];
                // as few edges as a tree has, at least, so that it hangs together
                prop_assert!(own.len() + 1 >= components.faces(component).len());
                prop_assert!(own.iter().all(|e| of_face[e.first() as usize] == component && of_face[e.second() as usize] == component));
                counted += own.len();
            }
            prop_assert_eq!(counted, before);
        }
    }
}
