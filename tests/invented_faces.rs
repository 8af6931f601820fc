//! The faces that the benchmarks invent are what they are said to be.

#[allow(dead_code, reason = "every benchmark uses its part")]
#[path = "bench/invented.rs"]
mod invented;

use invented::{Faces, Kind};

const DIMENSION: usize = 128;

/// The cosines of all pairs, ascending.
fn cosines(kind: Kind, n: usize) -> Vec<f64> {
    let values = Faces::new(kind, n, DIMENSION).values(2);
    let rows: Vec<&[f32]> = values.chunks_exact(DIMENSION).collect();
    let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(&a, &b)| f64::from(a) * f64::from(b)).sum::<f64>();
    let mut all: Vec<f64> =
        (0..n).flat_map(|i| (0..i).map(move |j| (i, j))).map(|(i, j)| dot(rows[i], rows[j])).collect();
    all.sort_unstable_by(f64::total_cmp);
    all
}

#[test]
fn any_number_of_threads_invents_the_same_faces() {
    for kind in [Kind::People, Kind::OneIdentity(300), Kind::Alike, Kind::Copies] {
        let faces = Faces::new(kind, 2_000, 16);
        let alone = faces.values(1);
        assert_eq!(alone.len(), 2_000 * 16);
        assert!([2, 3, 8].iter().all(|&threads| faces.values(threads) == alone), "{kind:?}");
    }
}

#[test]
fn of_one_identity_there_are_as_many_pairs_as_asked_for() {
    let all = cosines(Kind::OneIdentity(400), 800);
    let high = all.len() - all.partition_point(|&cosine| cosine < 0.5);
    let pairs = 400 * 399 / 2;
    assert!((pairs * 6 / 10..pairs + 5_000).contains(&high), "{high} of {pairs}");
}

#[test]
fn of_faces_alike_every_pair_is_a_match() {
    let all = cosines(Kind::Alike, 800);
    assert!(all[0] > 0.5 && all[all.len() - 1] < 0.95, "{} to {}", all[0], all[all.len() - 1]);
}

#[test]
fn of_copies_one_half_is_equal_and_the_other_nearly() {
    let all = cosines(Kind::Copies, 800);
    assert!(all[0] > 0.98, "{}", all[0]);
    let equal = all.len() - all.partition_point(|&cosine| cosine < 1.0 - 1e-6);
    assert_eq!(equal, 400 * 399 / 2);
}
