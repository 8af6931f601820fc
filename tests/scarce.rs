//! With too little memory for the edges the partition is the same, and what cannot be done is said.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]

mod support;

use std::num::NonZeroUsize;

use faceclique::cluster::{ClusterError, Clustering, Parameters, Resources, Search, Unwatched, cluster};
use faceclique::confidence::{Confidence, ConfidenceScale, Threshold};
use faceclique::face::FaceSet;
use proptest::prelude::*;
use support::faces;

/// Clusters only: matches would need memory of their own.
fn run(faces: &FaceSet, threshold: Threshold, max_bytes: u64, threads: usize) -> Result<Clustering, ClusterError> {
    let parameters = Parameters {
        cluster_threshold: threshold,
        output_threshold: threshold,
        max_matches: Some(0),
        search: Search::Exact,
        ..Parameters::default()
    };
    let resources = Resources { threads: NonZeroUsize::new(threads).unwrap(), max_bytes, ..Resources::default() };
    cluster(faces, &ConfidenceScale::cosine(), &parameters, &resources, &Unwatched)
}

fn at(hundredths: u16) -> Threshold {
    Threshold::at(Confidence::from_hundredths(hundredths).unwrap())
}

/// Rows around a few directions, with copies of some of them and near copies.
fn rows() -> impl Strategy<Value = Vec<Vec<f32>>> {
    let row = |d: usize| proptest::collection::vec(-1.0f32..1.0, d);
    (2usize..12).prop_flat_map(move |d| {
        let persons = proptest::collection::vec(row(d), 1..8);
        let faces = proptest::collection::vec((any::<prop::sample::Index>(), row(d), 0u8..6), 60..150);
        (persons, faces).prop_map(|(persons, faces)| {
            let face = |(person, own, kind): (prop::sample::Index, Vec<f32>, u8)| {
                let noise = [0.0, 0.0, 1e-7, 1e-3, 0.3, 1.0][usize::from(kind)];
                let person: &Vec<f32> = person.get(&persons);
                person.iter().zip(own).map(|(p, o)| p + noise * o).collect::<Vec<f32>>()
            };
            let rows = faces.into_iter().map(face);
            rows.filter(|row| row.iter().any(|&v| v.abs() > 1e-3)).collect()
        })
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn whatever_fits_the_partition_is_the_same(
        rows in rows(), threshold in 0u16..10_001, held in 0u64..4_000, threads in 1usize..4,
    ) {
        let faces = faces(&rows);
        let plenty = run(&faces, at(threshold), u64::MAX, threads).unwrap();
        match run(&faces, at(threshold), held * 64, threads) {
            Ok(scarce) => prop_assert_eq!(scarce.clusters(), plenty.clusters()),
            // only where so many pairs are exactly alike that no level divides them, as near copies are in float32
            Err(error) => prop_assert!(error != ClusterError::Stopped, "{}", error),
        }
    }
}

/// So many rows of `dimension` around one direction; the cosine of two is about 1 / (1 + noise^2).
fn crowd(n: usize, dimension: usize, noise: f32, seed: u64) -> Vec<Vec<f32>> {
    let mut state = seed;
    let mut random = move || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f32 / (1u64 << 23) as f32 - 1.0
    };
    let person: Vec<f32> = (0..dimension).map(|_| random()).collect();
    (0..n).map(|_| person.iter().map(|p| p + noise * random()).collect()).collect()
}

#[test]
fn copies_and_near_copies_are_one_cluster_in_little_memory() {
    let copies = vec![crowd(1, 16, 0.0, 1).remove(0); 1_500];
    let near = crowd(1_500, 16, 0.05, 1);
    let faces = faces(&[copies, near].concat());
    let held = run(&faces, at(6_000), 1 << 20, 2).unwrap(); // 4.5 million pairs would need 288 MB
    assert_eq!(held.clusters().len(), 1);
    assert_eq!(held.clusters()[0].len(), 3_000);
}

#[test]
fn the_best_of_very_many_matches_are_the_same() {
    // Many copies, many near copies, and some in between, so that some matches are better than others.
    let copies = vec![crowd(1, 16, 0.0, 1).remove(0); 300];
    let faces = faces(&[copies, crowd(900, 16, 0.05, 1), crowd(300, 16, 0.4, 1)].concat());
    let parameters = Parameters {
        cluster_threshold: at(6_000),
        output_threshold: at(6_000),
        max_matches: Some(4),
        search: Search::Exact,
        ..Parameters::default()
    };
    let run = |max_bytes| {
        let resources = Resources { threads: NonZeroUsize::new(2).unwrap(), max_bytes, ..Resources::default() };
        cluster(&faces, &ConfidenceScale::cosine(), &parameters, &resources, &Unwatched).unwrap()
    };
    let plenty = run(u64::MAX);
    assert_eq!(plenty, run(400_000)); // 1.1 million pairs would need 72 MB
    assert_eq!(plenty.verify(&faces, &ConfidenceScale::cosine(), &parameters), Ok(()));
}

#[test]
fn a_crowd_with_a_link_to_somebody_else_is_linked_level_by_level() {
    // The second crowd is some way off, so that some pairs across reach the threshold and others do not.
    let rows = [crowd(400, 16, 0.4, 1), crowd(400, 16, 1.2, 1), vec![crowd(1, 16, 0.0, 1).remove(0); 300]].concat();
    let faces = faces(&rows);
    let plenty = run(&faces, at(8_500), u64::MAX, 2).unwrap();
    assert!(plenty.clusters().len() > 20, "{} clusters are no test", plenty.clusters().len());
    for held in [2_000, 20_000] {
        let scarce = run(&faces, at(8_500), held * 64, 2).unwrap();
        assert_eq!(scarce.clusters(), plenty.clusters(), "{held} links held");
    }
}

#[test]
fn equal_links_that_do_not_fit_are_an_error() {
    // The corners of a simplex: every two are exactly as far from each other, and one more face makes it no clique.
    let n = 200;
    let corner = |i: usize| (0..=n).map(|k| f32::from(u8::from(k == i))).collect::<Vec<f32>>();
    let mut rows: Vec<Vec<f32>> = (0..n).map(corner).collect();
    rows.push((0..=n).map(|k| if k < n / 2 { -1.0 } else { 1.0 }).collect());
    let error = run(&faces(&rows), at(5_000), 64 * 2_000, 2).unwrap_err();
    assert!(error.to_string().contains("the limit is"), "{error}");
}
