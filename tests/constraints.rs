//! Clusters obey what was decided of faces, and are what a naive linkage that obeys it makes.
#![allow(clippy::unwrap_used, clippy::print_stderr, reason = "a test that cannot go on panics, and says what it skips")]

mod support;

use std::cmp::Reverse;
use std::num::NonZeroUsize;
use std::ops::Range;

use faceclique::cluster::{
    Bond, Clustering, Constraints, Method, Parameters, Resources, Search, Unwatched, Violation, Who, cluster,
};
use faceclique::confidence::{Confidence, ConfidenceScale, Threshold};
use faceclique::face::FaceSet;
use faceclique::kernel::dot;
use proptest::prelude::*;
use support::{faces, naive_clusters};

type Decision = (Bond, Who, Who);

fn members(who: &Who) -> Range<u32> {
    match *who {
        Who::Face(face) => face..face + 1,
        Who::Identity(first, behind) => first..behind,
    }
}

/// What is decided of two faces, from the rules alone: every fact that follows is added until none is new.
struct Facts {
    decisions: Vec<Decision>,
}

impl Facts {
    fn new(decisions: &[Decision]) -> Self {
        let mut decisions = decisions.to_vec();
        let kind = |who: &Who| matches!(who, Who::Face(_));
        loop {
            let mut new = Vec::new();
            let together: Vec<&Decision> = decisions.iter().filter(|d| d.0 == Bond::Together).collect();
            let ends = |d: &Decision| [(d.1.clone(), d.2.clone()), (d.2.clone(), d.1.clone())];
            for (a, b) in together.iter().flat_map(|d| ends(d)) {
                for (c, d) in together.iter().flat_map(|d| ends(d)) {
                    let is_of_one_kind = kind(&a) == kind(&b) && kind(&c) == kind(&d);
                    let fact = (Bond::Together, a.clone(), d.clone());
                    if b == c && a != d && is_of_one_kind && !decisions.contains(&fact) && !new.contains(&fact) {
                        new.push(fact);
                    }
                }
            }
            if new.is_empty() {
                return Self { decisions };
            }
            decisions.extend(new);
        }
    }

    fn says(&self, bond: Bond, a: u32, b: u32) -> bool {
        let is_of = |x: &Who, y: &Who| x != y && members(x).contains(&a) && members(y).contains(&b);
        self.decisions.iter().any(|(says, x, y)| *says == bond && (is_of(x, y) || is_of(y, x)))
    }
}

/// Complete linkage over all pairs, those that were decided upon as it was decided.
fn naive(faces: &FaceSet, scale: &ConfidenceScale, threshold: Threshold, decisions: &[Decision]) -> Vec<Vec<u32>> {
    let facts = Facts::new(decisions);
    let pair = |a: u32, b: u32| -> Option<f64> {
        let cosine = dot(faces.row(a as usize), faces.row(b as usize));
        if facts.says(Bond::Apart, a, b) {
            None
        } else if facts.says(Bond::Together, a, b) {
            Some(4.0 + cosine) // above every cosine
        } else {
            threshold.is_reached_by(scale.confidence(cosine)).then_some(cosine)
        }
    };
    let mut clusters: Vec<Vec<u32>> = (0..faces.len() as u32).map(|face| vec![face]).collect();
    loop {
        let mut best: Option<(f64, usize, usize)> = None;
        for b in 0..clusters.len() {
            for a in 0..b {
                let mut pairs = clusters[a].iter().flat_map(|&x| clusters[b].iter().map(move |&y| pair(x, y)));
                let link = pairs.try_fold(f64::INFINITY, |lowest, pair| Some(lowest.min(pair?)));
                let Some(link) = link else { continue };
                if best.is_none_or(|(highest, i, j)| link > highest || (link >= highest && (a, b) < (i, j))) {
                    best = Some((link, a, b));
                }
            }
        }
        let Some((_, a, b)) = best else { break };
        let joining = clusters.remove(b);
        clusters[a].extend(joining);
        clusters[a].sort_unstable();
    }
    clusters.sort_by_key(|members| (Reverse(members.len()), members[0]));
    clusters
}

fn run(faces: &FaceSet, parameters: &Parameters, threads: usize, max_bytes: u64) -> Clustering {
    let resources = Resources { threads: NonZeroUsize::new(threads).unwrap(), max_bytes, ..Resources::default() };
    cluster(faces, &ConfidenceScale::cosine(), parameters, &resources, &Unwatched).unwrap()
}

/// Rows on a coarse grid, so that equal rows and equal cosines abound, or off it.
fn rows(n: usize) -> impl Strategy<Value = Vec<Vec<f32>>> {
    let grid = proptest::collection::vec(proptest::collection::vec((-1i8..=1).prop_map(f32::from), 3), 2..n);
    let free = proptest::collection::vec(proptest::collection::vec(-1.0f32..1.0, 3), 2..n);
    prop_oneof![grid, free].prop_map(|rows| rows.into_iter().filter(|row| row.iter().any(|&v| v != 0.0)).collect())
}

/// Decisions on faces and on identities of three faces each.
fn decisions(n: usize) -> impl Strategy<Value = Vec<Decision>> {
    let who = || prop_oneof![2 => (0..n as u32).prop_map(|face| (true, face)), 1 => (0..n as u32).prop_map(|face| (false, face / 3))];
    let bond = prop_oneof![Just(Bond::Apart), Just(Bond::Together)];
    let raw = proptest::collection::vec((bond, who(), who()), 0..10);
    raw.prop_map(|raw| {
        let of = |(is_face, at)| if is_face { Who::Face(at) } else { Who::Identity(at * 3, at * 3 + 3) };
        raw.into_iter().map(|(bond, a, b)| (bond, of(a), of(b))).collect()
    })
}

/// The decisions on faces that there are.
fn among(n: u32, decisions: &[Decision]) -> Vec<Decision> {
    let clip = |who: &Who| match *who {
        Who::Face(face) => (face < n).then_some(Who::Face(face)),
        Who::Identity(first, behind) => (first < n).then_some(Who::Identity(first, behind.min(n))),
    };
    let clipped = decisions.iter().filter_map(|(bond, a, b)| Some((*bond, clip(a)?, clip(b)?)));
    clipped.filter(|(_, a, b)| a != b).collect()
}

fn parameters(hundredths: u16, constraints: Constraints, search: Search) -> Parameters {
    let threshold = Threshold::at(Confidence::from_hundredths(hundredths).unwrap());
    Parameters { cluster_threshold: threshold, search, constraints, ..Parameters::default() }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn every_way_equals_the_naive_linkage_that_obeys(
        rows in rows(24), decisions in decisions(24), hundredths in 5_000u16..9_900, threads in 1usize..4,
    ) {
        let (faces, scale) = (faces(&rows), ConfidenceScale::cosine());
        let decisions = among(faces.len() as u32, &decisions);
        let constraints = Constraints::new(faces.len(), decisions.clone());
        let exact = parameters(hundredths, constraints.clone(), Search::Exact);
        let result = run(&faces, &exact, threads, u64::MAX);
        prop_assert_eq!(result.clusters(), naive(&faces, &scale, exact.cluster_threshold, &decisions));
        prop_assert_eq!(result.verify(&faces, &scale, &exact), Ok(()));
        let approximate = parameters(hundredths, constraints, Search::Hnsw);
        let proposed = run(&faces, &approximate, threads, u64::MAX);
        prop_assert_eq!(proposed.method(), Method::Hnsw);
        prop_assert_eq!(proposed.verify(&faces, &scale, &approximate), Ok(()));
        // of so few faces the index finds all
        prop_assert_eq!(proposed.clusters(), result.clusters());
        // matches are those of the vectors
        let free = run(&faces, &Parameters { constraints: Constraints::default(), ..exact.clone() }, threads, u64::MAX);
        prop_assert_eq!(result.matches(), free.matches());
        if decisions.is_empty() {
            prop_assert_eq!(result.clusters(), naive_clusters(&faces, &scale, exact.cluster_threshold));
        }
    }

    #[test]
    fn with_little_memory_the_clusters_are_the_same(
        rows in rows(40), decisions in decisions(40), hundredths in 5_000u16..9_000, threads in 1usize..4, spare in 0u64..60,
    ) {
        let faces = faces(&rows);
        let constraints = Constraints::new(faces.len(), among(faces.len() as u32, &decisions));
        let plenty = Parameters { max_matches: Some(0), ..parameters(hundredths, constraints, Search::Exact) };
        let expected = run(&faces, &plenty, threads, u64::MAX);
        let max_bytes = (faces.len() as u64 + spare) * 64;
        let resources =
            Resources { threads: NonZeroUsize::new(threads).unwrap(), max_bytes, ..Resources::default() };
        // too many equal links may be an error, never another answer
        if let Ok(scarce) = cluster(&faces, &ConfidenceScale::cosine(), &plenty, &resources, &Unwatched) {
            prop_assert_eq!(scarce, expected);
        }
    }
}

#[test]
fn what_is_decided_to_be_apart_counts_more_than_what_is_decided_to_be_one() {
    let faces = faces(&[vec![1.0, 0.0], vec![1.0, 0.1], vec![1.0, 0.2]]);
    let one = |a, b| (Bond::Together, Who::Face(a), Who::Face(b));
    let constraints = Constraints::new(3, [one(0, 1), one(1, 2), (Bond::Apart, Who::Face(0), Who::Face(2))]);
    let parameters = parameters(9_900, constraints, Search::Exact);
    assert_eq!(run(&faces, &parameters, 1, u64::MAX).clusters(), [vec![1, 2], vec![0]], "1 and 2 are the nearer");
}

#[test]
fn two_that_are_decided_to_be_one_find_each_other_before_others_do_and_keep_their_confidence() {
    // 0 and 1 do not reach the threshold; each has a neighbour, which the other does not reach
    let faces = faces(&[vec![1.0, 0.0], vec![0.0, 1.0], vec![1.0, -0.1], vec![-0.1, 1.0]]);
    let constraints = Constraints::new(4, [(Bond::Together, Who::Face(0), Who::Face(1))]);
    let parameters = parameters(9_000, constraints, Search::Exact);
    let result = run(&faces, &parameters, 1, u64::MAX);
    assert_eq!(result.clusters(), [vec![0, 1], vec![2], vec![3]]);
    let shown = result.matches_of(0).iter().find(|entry| entry.face == 1).unwrap();
    assert_eq!(shown.confidence.to_string(), "50.00", "that of the vectors");
}

#[test]
fn a_result_that_does_not_obey_is_found_out() {
    let faces = faces(&[vec![1.0, 0.0], vec![1.0, 0.1]]);
    let free = parameters(9_000, Constraints::default(), Search::Exact);
    let result = run(&faces, &free, 1, u64::MAX);
    let apart = Constraints::new(2, [(Bond::Apart, Who::Face(0), Who::Face(1))]);
    let told = result.verify(&faces, &ConfidenceScale::cosine(), &Parameters { constraints: apart, ..free });
    assert_eq!(told, Err(Violation::KeptApart { cluster: 0, first: 0, second: 1 }));
}
