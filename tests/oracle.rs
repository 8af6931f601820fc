//! The fast clustering equals the naive one; the approximate one keeps every promise it makes.
#![allow(clippy::unwrap_used, clippy::print_stderr, reason = "a test that cannot go on panics, and says what it skips")]

mod support;

use std::num::NonZeroUsize;

use faceclique::cluster::{Clustering, MatchScope, Method, Parameters, Resources, Search, Unwatched, cluster};
use faceclique::confidence::{Confidence, ConfidenceScale, Threshold};
use faceclique::face::{Embedding, FaceSet};
use faceclique::kernel::{Heads, Instructions};
use proptest::prelude::*;
use support::{faces, id, naive_clusters, naive_matches};

fn run(faces: &FaceSet, scale: &ConfidenceScale, parameters: &Parameters, threads: usize) -> Clustering {
    let resources = Resources { threads: NonZeroUsize::new(threads).unwrap(), ..Resources::default() };
    cluster(faces, scale, parameters, &resources, &Unwatched).unwrap()
}

/// Rows on a coarse grid in few dimensions, so that equal rows and equal cosines abound; some sets are not on it.
fn rows() -> impl Strategy<Value = Vec<Vec<f32>>> {
    let grid = (1usize..5).prop_flat_map(|d| proptest::collection::vec(proptest::collection::vec(-1i8..=1, d), 0..24));
    let free =
        (1usize..20).prop_flat_map(|d| proptest::collection::vec(proptest::collection::vec(-1.0f32..1.0, d), 0..24));
    prop_oneof![grid.prop_map(|rows| rows.into_iter().map(|r| r.into_iter().map(f32::from).collect()).collect()), free]
        .prop_map(|rows: Vec<Vec<f32>>| rows.into_iter().filter(|row| row.iter().any(|&v| v != 0.0)).collect())
}

fn threshold() -> impl Strategy<Value = Threshold> {
    prop_oneof![Just(0), Just(10_000), Just(5_000), 0u16..=10_000]
        .prop_map(|hundredths| Threshold::at(Confidence::from_hundredths(hundredths).unwrap()))
}

fn scale() -> impl Strategy<Value = ConfidenceScale> {
    prop_oneof![
        Just(vec![(-1.0, 0.0), (1.0, 100.0)]),
        Just(vec![(-1.0, 0.0), (0.43, 50.0), (1.0, 100.0)]),
        Just(vec![(-1.0, 0.0), (0.0, 0.0), (0.5, 80.0), (0.7, 80.0), (1.0, 100.0)]),
    ]
    .prop_map(|knots| ConfidenceScale::new(knots).unwrap())
}

fn parameters(search: Search) -> impl Strategy<Value = Parameters> {
    let most = prop_oneof![Just(None), (0usize..6).prop_map(Some)];
    let scope = prop_oneof![Just(MatchScope::All), Just(MatchScope::Cluster)];
    (threshold(), threshold(), most, scope).prop_map(
        move |(cluster_threshold, output_threshold, max_matches, scope)| Parameters {
            cluster_threshold,
            output_threshold,
            max_matches,
            scope,
            search,
            ..Parameters::default()
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn fast_equals_naive(
        rows in rows(), scale in scale(), parameters in parameters(Search::Exact), threads in 1usize..4,
    ) {
        let faces = faces(&rows);
        let result = run(&faces, &scale, &parameters, threads);
        prop_assert_eq!(result.clusters(), naive_clusters(&faces, &scale, parameters.cluster_threshold));
        let all: Vec<u32> = (0..faces.len() as u32).collect();
        for members in result.clusters() {
            for &face in members {
                let among = match parameters.scope {
                    MatchScope::All => &all,
                    MatchScope::Cluster => members,
                };
                let expected = naive_matches(
                    &faces, &scale, parameters.output_threshold, parameters.max_matches, face, among,
                );
                prop_assert_eq!(result.matches_of(face), expected);
            }
        }
        prop_assert_eq!(result.verify(&faces, &scale, &parameters), Ok(()));
        prop_assert_eq!(result.missed_hundredths(), 0);
    }

    #[test]
    fn an_approximate_result_keeps_every_promise_it_makes(
        rows in rows(), scale in scale(), parameters in parameters(Search::Hnsw),
    ) {
        let faces = faces(&rows);
        let result = run(&faces, &scale, &parameters, 2);
        prop_assert_eq!(result.verify(&faces, &scale, &parameters), Ok(()));
        prop_assert_eq!(result.method(), Method::Hnsw);
        prop_assert_eq!(&result, &run(&faces, &scale, &parameters, 1));
    }

    #[test]
    fn the_order_in_which_faces_come_does_not_matter(
        (rows, order) in rows().prop_flat_map(|rows| {
            let order: Vec<usize> = (0..rows.len()).collect();
            (Just(rows), Just(order).prop_shuffle())
        }),
        parameters in parameters(Search::Exact),
    ) {
        let scale = ConfidenceScale::cosine();
        let shuffled = order.iter().map(|&i| (id(&format!("{i:08}"), "x"), Embedding::new(rows[i].clone()).unwrap()));
        let (one, two) = (faces(&rows), FaceSet::new(shuffled).unwrap());
        prop_assert_eq!(run(&one, &scale, &parameters, 2), run(&two, &scale, &parameters, 3));
    }
}

/// Four unit vectors with the cosines of contract R115, by the Cholesky decomposition of their matrix of cosines.
fn bond() -> FaceSet {
    let cosine = |confidence: f64| confidence / 50.0 - 1.0;
    let (ab, bc, ac, d) = (cosine(76.33), cosine(73.86), cosine(68.17), cosine(20.0));
    let gram = [[1.0, ab, ac, d], [ab, 1.0, bc, d], [ac, bc, 1.0, d], [d, d, d, 1.0]];
    let mut factor = [[0.0f64; 4]; 4];
    for i in 0..4 {
        for j in 0..=i {
            let sum: f64 = (0..j).map(|k| factor[i][k] * factor[j][k]).sum();
            factor[i][j] = if i == j { (gram[i][i] - sum).sqrt() } else { (gram[i][j] - sum) / factor[j][j] };
        }
    }
    let names = ["JamesBond", "JamesBond007", "SeanConnery", "JohnSmith"];
    let row = |i: usize| Embedding::new(factor[i].map(|v| v as f32)).unwrap();
    FaceSet::new((0..4).map(|i| (id(names[i], "1"), row(i)))).unwrap()
}

#[test]
fn the_worked_example_of_the_contract_holds() {
    let faces = bond();
    let scale = ConfidenceScale::cosine();
    // In image order: JamesBond, JamesBond007, JohnSmith, SeanConnery.
    let letter = |&face: &u32| ["A", "B", "D", "C"][face as usize];
    let clusters = |threshold: &str| {
        let parameters = Parameters { cluster_threshold: threshold.parse().unwrap(), ..Parameters::default() };
        let result = run(&faces, &scale, &parameters, 1);
        result.clusters().iter().map(|members| members.iter().map(letter).collect::<String>()).collect::<Vec<_>>()
    };
    for threshold in ["50", "68.17"] {
        assert_eq!(clusters(threshold), ["ABC", "D"], "{threshold}");
    }
    for threshold in ["68.18", "73.86", "76.33"] {
        assert_eq!(clusters(threshold), ["AB", "D", "C"], "{threshold}");
    }
    assert_eq!(clusters("76.34"), ["A", "B", "D", "C"]);
    let parameters = Parameters { cluster_threshold: "73.86".parse().unwrap(), ..Parameters::default() };
    let result = run(&faces, &scale, &parameters, 1);
    let matches: Vec<_> = result.matches_of(3).iter().map(|m| (letter(&m.face), m.confidence.to_string())).collect();
    assert_eq!(matches, [("B", "73.86".to_owned()), ("A", "68.17".to_owned())]);
}

#[test]
fn fast_equals_naive_where_clusters_are_large_and_merges_many() {
    let scale = ConfidenceScale::cosine();
    let mut state = 7u64;
    let mut random = move || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        f32::from((state >> 56) as u8) - 127.5
    };
    let rows: Vec<Vec<f32>> = (0..240).map(|_| (0..3).map(|_| random()).collect()).collect();
    let faces = faces(&rows);
    for threshold in ["2", "20", "55", "80", "95"] {
        let cluster_threshold = threshold.parse().unwrap();
        let exact = Parameters { cluster_threshold, search: Search::Exact, ..Parameters::default() };
        let result = run(&faces, &scale, &exact, 2);
        assert_eq!(result.clusters(), naive_clusters(&faces, &scale, cluster_threshold), "{threshold}");
        let hnsw = Parameters { search: Search::Hnsw, ..exact };
        assert_eq!(run(&faces, &scale, &hnsw, 2).verify(&faces, &scale, &hnsw), Ok(()), "{threshold}");
    }
}

#[test]
fn so_many_faces_that_8_bit_heads_find_the_pairs_are_proven_again_from_the_vectors() {
    let scale = ConfidenceScale::cosine();
    let mut state = 3u64;
    let mut random = move || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f32 / (1u64 << 23) as f32 - 1.0
    };
    let mut rows: Vec<Vec<f32>> = Vec::new();
    let mut person = Vec::new();
    for image in 0..8_400 {
        if image % 7 == 0 {
            person = (0..48).map(|k| random() * 0.97f32.powi(k)).collect();
        }
        rows.push(person.iter().map(|&v| v + 0.4 * random()).collect());
    }
    let faces = faces(&rows);
    let floor = scale.lowest_cosine("80".parse().unwrap());
    let heads =
        Heads::build(faces.values(), faces.dimension(), None, floor, NonZeroUsize::MIN, Instructions::best(), &|| {
            false
        });
    assert!(heads.is_some(), "the heads are not used, so this tests nothing");
    for (max_matches, threshold) in [(None, "80"), (Some(3), "60")] {
        let parameters = Parameters {
            cluster_threshold: "80".parse().unwrap(),
            output_threshold: threshold.parse().unwrap(),
            max_matches,
            search: Search::Exact,
            ..Parameters::default()
        };
        let result = run(&faces, &scale, &parameters, 2);
        assert!(result.clusters().iter().filter(|members| members.len() > 1).count() > 500);
        assert_eq!(result.verify(&faces, &scale, &parameters), Ok(()));
        assert_eq!(result, run(&faces, &scale, &parameters, 3));
    }
}
