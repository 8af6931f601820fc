//! A run ends whole, or stopped, or saying how much it would need; never in between.
#![allow(clippy::unwrap_used, clippy::print_stderr, reason = "a test that cannot go on panics, and says what it skips")]

mod support;

use std::num::NonZeroUsize;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use faceclique::cluster::{
    ClusterError, Clustering, MatchScope, Method, Parameters, Resources, Search, Stage, Unwatched, Watch, cluster,
};
use faceclique::confidence::ConfidenceScale;
use faceclique::face::FaceSet;
use support::faces;

/// So many faces around each of `people` directions, from a fixed generator.
fn crowd(people: usize, pictures: usize, dimension: usize) -> FaceSet {
    let mut state = 1u64;
    let mut random = move || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f32 / (1u64 << 23) as f32 - 1.0
    };
    let mut rows = Vec::new();
    for _ in 0..people {
        let person: Vec<f32> = (0..dimension).map(|_| random()).collect();
        for _ in 0..pictures {
            rows.push(person.iter().map(|v| v + 0.7 * random()).collect());
        }
    }
    faces(&rows)
}

fn parameters(search: Search) -> Parameters {
    let threshold = "75".parse().unwrap();
    Parameters { cluster_threshold: threshold, output_threshold: threshold, search, ..Parameters::default() }
}

fn resources(threads: usize, max_bytes: u64) -> Resources {
    Resources { threads: NonZeroUsize::new(threads).unwrap(), max_bytes, ..Resources::default() }
}

fn run(faces: &FaceSet, parameters: &Parameters, resources: &Resources) -> Result<Clustering, ClusterError> {
    cluster(faces, &ConfidenceScale::cosine(), parameters, resources, &Unwatched)
}

/// Stops at the given question, counts all of them, and keeps what was reported.
struct StopAt {
    at: u64,
    asked: AtomicU64,
    reports: Mutex<Vec<(Stage, u64, u64)>>,
}

impl StopAt {
    fn new(at: u64) -> Self {
        Self { at, asked: AtomicU64::new(0), reports: Mutex::default() }
    }
}

impl Watch for StopAt {
    fn should_stop(&self) -> bool {
        self.asked.fetch_add(1, Ordering::Relaxed) >= self.at
    }

    fn report(&self, stage: Stage, done: u64, total: u64) {
        self.reports.lock().unwrap().push((stage, done, total));
    }
}

#[test]
fn a_run_that_is_told_to_stop_stops_wherever_it_is() {
    let faces = crowd(10, 5, 16);
    let scale = ConfidenceScale::cosine();
    for search in [Search::Exact, Search::Hnsw] {
        for scope in [MatchScope::All, MatchScope::Cluster] {
            let parameters = Parameters { scope, ..parameters(search) };
            let resources = resources(1, u64::MAX);
            let never = StopAt::new(u64::MAX);
            cluster(&faces, &scale, &parameters, &resources, &never).unwrap();
            let questions = never.asked.into_inner();
            assert!(questions > 5);
            for at in 0..questions {
                let result = cluster(&faces, &scale, &parameters, &resources, &StopAt::new(at));
                assert_eq!(result, Err(ClusterError::Stopped), "{search:?}, question {at} of {questions}");
            }
        }
    }
    let many = cluster(&faces, &scale, &parameters(Search::Exact), &resources(3, u64::MAX), &StopAt::new(0));
    assert_eq!(many, Err(ClusterError::Stopped));
}

#[test]
fn progress_runs_through_the_stages_in_order_and_each_to_its_end() {
    let faces = crowd(150, 4, 8);
    for search in [Search::Exact, Search::Hnsw] {
        let watch = StopAt::new(u64::MAX);
        cluster(&faces, &ConfidenceScale::cosine(), &parameters(search), &resources(3, u64::MAX), &watch).unwrap();
        let mut reports = watch.reports.into_inner().unwrap();
        reports.dedup(); // a stage may say twice that it begins
        assert!(reports.is_sorted_by_key(|&(stage, _, _)| stage));
        let rounds = reports.chunk_by(|a, b| b.1 > 0 && a.0 == b.0);
        for round in rounds {
            assert!(round.is_sorted() && round[0].1 == 0, "{round:?}");
            let (stage, done, total) = round[round.len() - 1];
            assert_eq!(done, total, "{stage}");
        }
        let indexed = reports.iter().any(|&(stage, _, _)| stage == Stage::Index);
        assert_eq!(indexed, search == Search::Hnsw);
    }
    assert_eq!(
        [Stage::Index, Stage::Compare, Stage::Link, Stage::Rank].map(Stage::name).join(" "),
        "index compare link rank"
    );
}

#[test]
fn matches_beyond_the_limit_are_an_error_that_names_figure_and_limit() {
    let faces = crowd(2, 40, 8);
    for search in [Search::Exact, Search::Hnsw] {
        let parameters = parameters(search);
        let pairs = run(&faces, &parameters, &resources(1, u64::MAX)).unwrap().matches().total() as u64 / 2;
        assert!(pairs > 2 * 40 * 39 / 4);
        // 24 bytes a match, two matches a pair; 64 an edge. Edges can be found again, as many at a time as there are
        // faces; what an index proposed is held.
        let edges = if search == Search::Exact { faces.len() as u64 } else { pairs };
        let heads = if search == Search::Exact { faces.len() as u64 * 8 / 64 * 64 } else { 0 };
        let needed = pairs * 2 * 24 + edges * 64 + heads;
        for threads in 1..4 {
            assert!(run(&faces, &parameters, &resources(threads, needed)).is_ok());
            let error = run(&faces, &parameters, &resources(threads, needed - 1)).unwrap_err();
            let ClusterError::TooManyPairs { found, bytes, limit } = error.clone() else { panic!("{error}") };
            assert_eq!((bytes > limit, limit), (true, needed - 1));
            let text = error.to_string();
            assert!([found, bytes, limit].iter().all(|n| text.contains(&n.to_string())), "{text}");
        }
    }
}

#[test]
fn limited_matches_need_limited_memory_however_low_the_threshold() {
    let faces = crowd(100, 4, 8);
    let parameters = Parameters {
        output_threshold: "0".parse().unwrap(),
        max_matches: Some(3),
        cluster_threshold: "100".parse().unwrap(),
        search: Search::Exact,
        ..Parameters::default()
    };
    let bytes = 400 * 3 * 24;
    for threads in 1..4 {
        let result = run(&faces, &parameters, &resources(threads, bytes)).unwrap();
        assert_eq!(result.matches().total(), 400 * 3);
        assert_eq!(result.verify(&faces, &ConfidenceScale::cosine(), &parameters), Ok(()));
    }
    let none = Parameters { max_matches: Some(0), ..parameters };
    assert_eq!(run(&faces, &none, &resources(1, 0)).unwrap().matches().total(), 0);
}

#[test]
fn the_number_of_threads_changes_nothing() {
    let faces = crowd(200, 4, 24);
    for search in [Search::Exact, Search::Hnsw] {
        for max_matches in [None, Some(2)] {
            let parameters = Parameters { max_matches, output_threshold: "60".parse().unwrap(), ..parameters(search) };
            let one = run(&faces, &parameters, &resources(1, u64::MAX)).unwrap();
            assert_eq!(one.verify(&faces, &ConfidenceScale::cosine(), &parameters), Ok(()));
            for threads in 2..4 {
                assert_eq!(one, run(&faces, &parameters, &resources(threads, u64::MAX)).unwrap(), "{search:?}");
            }
        }
    }
}

#[test]
fn auto_is_exact_and_says_so_while_that_is_quick() {
    let faces = crowd(10, 2, 8);
    let auto = Parameters { search: Search::Auto, ..parameters(Search::Auto) };
    let result = run(&faces, &auto, &Resources { auto_exact: Duration::ZERO, ..Resources::default() }).unwrap();
    assert_eq!((result.method(), result.audit()), (Method::Exact, None));
    let nothing = run(&support::faces(&[]), &auto, &Resources::default()).unwrap();
    assert_eq!((nothing.clusters().len(), nothing.matches().total()), (0, 0));
}

#[test]
fn many_copies_of_a_picture_do_not_hide_the_others_from_the_index() {
    let mut rows = vec![vec![1.0, 0.0, 0.0]; 300];
    rows.extend((0..40).map(|i| vec![1.0, 0.01 * (i + 1) as f32, 0.0]));
    let faces = support::faces(&rows);
    let parameters = parameters(Search::Hnsw);
    let result = run(&faces, &parameters, &resources(2, u64::MAX)).unwrap();
    let audit = result.audit().unwrap();
    assert_eq!((audit.sampled, audit.pairs, audit.found, audit.high), (340, 340 * 339, 340 * 339, 0));
    assert_eq!(result.missed_hundredths(), 0);
    let exact = run(&faces, &Parameters { search: Search::Exact, ..parameters }, &resources(2, u64::MAX)).unwrap();
    assert_eq!(result.clusters(), exact.clusters());
    assert_eq!(result.matches(), exact.matches());
}

#[test]
fn the_audit_counts_pairs_at_the_lower_threshold_whatever_may_be_shown() {
    let faces = crowd(300, 4, 24);
    let of = |scope, max_matches, output: &str| {
        let parameters = Parameters {
            scope,
            max_matches,
            output_threshold: output.parse().unwrap(),
            cluster_threshold: "95".parse().unwrap(),
            ..parameters(Search::Hnsw)
        };
        run(&faces, &parameters, &resources(2, u64::MAX)).unwrap().audit().unwrap()
    };
    let shown = of(MatchScope::All, None, "80");
    assert_eq!(of(MatchScope::Cluster, None, "80").pairs, shown.pairs);
    assert_eq!(of(MatchScope::All, Some(0), "80").pairs, shown.pairs);
    assert!(of(MatchScope::All, None, "95").pairs < shown.pairs);
    assert!(of(MatchScope::Cluster, None, "80").missed_hundredths() < 100, "the index is asked, not taken as silent");
}
