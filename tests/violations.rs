//! Every promise a result can break is noticed, and named.
#![allow(clippy::unwrap_used, clippy::print_stderr, reason = "a test that cannot go on panics, and says what it skips")]

mod support;

use faceclique::cluster::{
    Choice, Clustering, Match, MatchScope, Matches, Method, Parameters, Resources, Search, Unwatched, Violation,
    cluster,
};
use faceclique::confidence::{Confidence, ConfidenceScale};
use faceclique::face::FaceSet;
use support::faces;

/// Two people with three and two pictures, and one with a single picture between them: 1, 3, 5 and 0, 4 and 2.
fn people() -> FaceSet {
    let rows = [[0.0, 1.0], [1.0, 0.0], [0.7, 0.7], [0.99, 0.05], [0.05, 0.99], [0.98, 0.02]];
    faces(&rows.map(|row| row.to_vec()))
}

fn parameters() -> Parameters {
    Parameters { cluster_threshold: "95".parse().unwrap(), output_threshold: "80".parse().unwrap(), ..<_>::default() }
}

fn answer(parameters: &Parameters) -> Clustering {
    cluster(&people(), &ConfidenceScale::cosine(), parameters, &Resources::default(), &Unwatched).unwrap()
}

fn lists(result: &Clustering) -> Vec<Vec<Match>> {
    (0..6).map(|face| result.matches_of(face).to_vec()).collect()
}

fn verify(result: &Clustering, parameters: &Parameters) -> Result<(), Violation> {
    result.verify(&people(), &ConfidenceScale::cosine(), parameters)
}

/// What is said of a result with other clusters.
fn with_clusters(change: impl FnOnce(&mut Vec<Vec<u32>>)) -> Violation {
    let right = answer(&parameters());
    let mut clusters = right.clusters().to_vec();
    change(&mut clusters);
    verify(&Clustering::new(clusters, right.matches().clone(), Choice::asked(Method::Exact), None), &parameters())
        .unwrap_err()
}

/// What is said of a result with other matches.
fn with_matches(parameters: &Parameters, change: impl FnOnce(&mut Vec<Vec<Match>>)) -> Violation {
    let right = answer(parameters);
    let mut lists = lists(&right);
    change(&mut lists);
    let matches = Matches::from_lists(lists);
    verify(&Clustering::new(right.clusters().to_vec(), matches, Choice::asked(Method::Exact), None), parameters)
        .unwrap_err()
}

#[test]
fn the_right_answer_passes() {
    let right = answer(&parameters());
    assert_eq!(right.clusters(), [vec![1, 3, 5], vec![0, 4], vec![2]]);
    assert_eq!(verify(&right, &parameters()), Ok(()));
}

#[test]
fn a_broken_partition_is_noticed() {
    assert_eq!(with_clusters(|c| c[2][0] = 6), Violation::NoSuchFace { cluster: 2, face: 6, faces: 6 });
    assert_eq!(with_clusters(|c| c.truncate(2)), Violation::NotAPartition { face: 2, clusters: 0 });
    assert_eq!(with_clusters(|c| c[1].push(2)), Violation::NotAPartition { face: 2, clusters: 2 });
    assert_eq!(with_clusters(|c| c.push(vec![])), Violation::Empty { cluster: 3 });
}

#[test]
fn a_wrong_order_is_noticed() {
    assert_eq!(with_clusters(|c| c[0].swap(0, 1)), Violation::FaceOrder { cluster: 0 });
    assert_eq!(with_clusters(|c| c.swap(1, 2)), Violation::ClusterOrder { cluster: 2 });
    let twice_alone = with_clusters(|c| *c = vec![vec![1, 3, 5], vec![2], vec![0], vec![4]]);
    assert_eq!(twice_alone, Violation::ClusterOrder { cluster: 2 });
}

#[test]
fn a_pair_below_the_threshold_is_noticed() {
    let wrong = with_clusters(|c| *c = vec![vec![1, 2, 3, 5], vec![0, 4]]);
    assert!(matches!(wrong, Violation::BelowClusterThreshold { cluster: 0, first: 1, second: 2, .. }), "{wrong}");
}

#[test]
fn clusters_that_could_be_merged_are_noticed() {
    let wrong = with_clusters(|c| *c = vec![vec![1, 3, 5], vec![0], vec![2], vec![4]]);
    assert_eq!(wrong, Violation::Mergeable { first: 1, second: 3 });
}

#[test]
fn an_approximate_result_may_miss_but_not_invent() {
    let clusters = vec![vec![1, 3, 5], vec![0], vec![2], vec![4]];
    let nothing = Clustering::new(clusters, Matches::from_lists(vec![vec![]; 6]), Choice::asked(Method::Hnsw), None);
    assert_eq!(verify(&nothing, &parameters()), Ok(()));
}

#[test]
fn a_wrong_match_is_noticed() {
    let all = &parameters();
    assert_eq!(with_matches(all, |m| m.truncate(5)), Violation::MatchLists { lists: 5, faces: 6 });
    assert_eq!(with_matches(all, |m| m[0][0].face = 0), Violation::NoSuchMatch { face: 0, other: 0 });
    assert_eq!(with_matches(all, |m| m[0][0].face = 9), Violation::NoSuchMatch { face: 0, other: 9 });
    let low = Confidence::from_hundredths(8_000).unwrap();
    let wrong = with_matches(all, |m| m[0][0].confidence = low);
    assert!(matches!(wrong, Violation::MatchConfidence { face: 0, other: 4, stated, .. } if stated == low), "{wrong}");
    let half = Confidence::from_hundredths(5_000).unwrap();
    let wrong = with_matches(all, |m| m[0].push(Match { face: 1, confidence: half }));
    assert_eq!(wrong, Violation::BelowOutputThreshold { face: 0, other: 1, confidence: half });
}

#[test]
fn matches_out_of_order_or_beyond_the_cut_are_noticed() {
    let all = &parameters();
    assert_eq!(with_matches(all, |m| m[1].swap(0, 1)), Violation::MatchOrder { face: 1, place: 1 });
    let twice = with_matches(all, |m| {
        let first = m[1][0];
        m[1].insert(0, first);
    });
    assert_eq!(twice, Violation::MatchOrder { face: 1, place: 1 });
    let two = Parameters { max_matches: Some(2), ..parameters() };
    let whole = lists(&answer(all));
    let wrong = with_matches(&two, |m| m[1].clone_from(&whole[1]));
    assert_eq!(wrong, Violation::TooManyMatches { face: 1, count: 3, most: 2 });
}

#[test]
fn a_missing_match_is_noticed() {
    let all = &parameters();
    let last = lists(&answer(all))[1].last().unwrap().face;
    assert_eq!(with_matches(all, |m| _ = m[1].pop()), Violation::MatchMissing { face: 1, other: last });
    let one = Parameters { max_matches: Some(1), ..parameters() };
    let whole = lists(&answer(all));
    let best = whole[1][0].face;
    // The second best in place of the best.
    assert_eq!(with_matches(&one, |m| m[1] = vec![whole[1][1]]), Violation::MatchMissing { face: 1, other: best });
}

#[test]
fn a_match_of_another_cluster_is_noticed_where_only_the_own_was_asked_for() {
    let own = Parameters { scope: MatchScope::Cluster, search: Search::Exact, ..parameters() };
    let everywhere = lists(&answer(&parameters()));
    let wrong = with_matches(&own, |m| m[0].clone_from(&everywhere[0]));
    assert_eq!(wrong, Violation::MatchOutside { face: 0, other: 2 });
}
