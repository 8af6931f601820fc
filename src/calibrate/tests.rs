//! The fit on pairs whose truth is known.

use std::num::NonZeroUsize;

use super::pairs::{BINS, Pairs, cosine_of};
use super::*;
use crate::face::{Embedding, FaceSet, face_id};
use crate::kernel::SplitMix64;

/// Where normal densities of one person, (.6, .1), and of two, (.0, .1), are equal.
const EVEN: f64 = 0.3;

fn normal(mean: f64, deviation: f64, n: f64) -> Vec<f64> {
    let density = (0..BINS).map(|bin| (-0.5 * ((cosine_of(bin) - mean) / deviation).powi(2)).exp());
    let density: Vec<f64> = density.collect();
    let sum: f64 = density.iter().sum();
    density.iter().map(|part| part / sum * n).collect()
}

/// Pairs of both kinds, of which the parts `e` and `f` are of the other.
fn mixed(e: f64, f: f64) -> Pairs {
    let (n_same, n_different) = (20_000.0, 2_000_000.0);
    let (one, two) = (normal(0.6, 0.1, 1.0), normal(0.0, 0.1, 1.0));
    let mix = |mine: &[f64], other: &[f64], wrong: f64, n: f64| -> Vec<f64> {
        mine.iter().zip(other).map(|(m, o)| n * ((1.0 - wrong) * m + wrong * o)).collect()
    };
    let (same, different) = (mix(&one, &two, e, n_same), mix(&two, &one, f, n_different));
    let part = |of: &[f64], part: f64| -> Vec<f64> { of.iter().map(|count| count * part).collect() };
    let groups = vec![(part(&same, 0.1), part(&different, 0.19)); 10];
    Pairs {
        same,
        different,
        n_same: n_same as u64,
        n_different: n_different as u64,
        n_identities: 1000,
        n_several: 1000,
        groups,
    }
}

/// Where equal parts of both are, given the prior: the log of the odds of two normals of one deviation is linear.
fn expected(prior: f64) -> f64 {
    EVEN + 0.01 / 0.6 * ((1.0 - prior) / prior).ln()
}

#[test]
fn fifty_is_where_the_densities_cross() {
    let fit = fit(&mixed(0.0, 0.0), Some(Prior::EVEN)).unwrap();
    assert!((fit.even - EVEN).abs() < 0.004, "{}", fit.even);
    assert_eq!(fit.scale.confidence(fit.even).hundredths(), 5_000);
    // 3 deviations on either side
    let rates = fit.at(EVEN).rates;
    assert!((0.00120..0.0017).contains(&rates.false_match), "{rates:?}");
    assert!((0.00120..0.0030).contains(&rates.false_non_match), "{rates:?}");
    assert!((fit.equal_error.1 - EVEN).abs() < 0.01, "{:?}", fit.equal_error);
}

#[test]
fn the_prior_of_the_pairs_moves_fifty_to_where_every_second_of_them_is_of_one_person() {
    let fit = fit(&mixed(0.0, 0.0), None).unwrap();
    let prior = 20_000.0 / 2_020_000.0;
    assert!((fit.prior.probability() / prior - 1.0).abs() < 0.01, "{:?}", fit.prior);
    assert!((fit.even - expected(prior)).abs() < 0.004, "{} {}", fit.even, expected(prior));
    assert!((fit.even_densities.unwrap() - EVEN).abs() < 0.004);
}

#[test]
fn a_tenfold_of_the_odds_is_twelve_and_a_half_points() {
    let fit = fit(&mixed(0.0, 0.0), None).unwrap();
    for Level { decade, cosine, confidence } in &fit.levels {
        let odds = 10f64.powf(*decade);
        let at = expected(20.0 / 2_020.0) + 0.01 / 0.6 * odds.ln();
        assert!((cosine - at).abs() < 0.01, "{decade}: {cosine}, expected {at}");
        assert!((confidence - (50.0 + 12.5 * decade)).abs() < 1e-9);
    }
    assert!(fit.levels.len() >= 4, "{:?}", fit.levels);
}

#[test]
fn wrong_labels_do_not_move_fifty_and_are_counted() {
    for prior in [None, Some(Prior::EVEN)] {
        let clean = fit(&mixed(0.0, 0.0), prior).unwrap().even;
        for (e, f) in [(0.02, 0.0), (0.1, 0.0002), (0.3, 0.002)] {
            let fit = fit(&mixed(e, f), prior).unwrap();
            assert!((fit.even - clean).abs() < 0.006, "{e}: {} instead of {clean}", fit.even);
            assert!((fit.wrong_same - e).abs() < 0.01, "{e}: {}", fit.wrong_same);
            assert!((fit.wrong_different - f).abs() < 0.0003, "{f}: {}", fit.wrong_different);
        }
    }
}

#[test]
fn labels_that_say_nothing_are_refused() {
    let mut pairs = mixed(0.0, 0.0);
    pairs.same = normal(0.0, 0.1, 20_000.0);
    assert!(matches!(fit(&pairs, None), Err(FitError::NoDifference { .. })));
}

/// Faces around the centres of identities, some under another's name.
fn faces(seed: u64, sizes: &[usize], d: usize) -> FaceSet {
    let mut random = SplitMix64(seed);
    let mut next = || (random.next() >> 11) as f64 / (1u64 << 52) as f64 - 1.0;
    let mut all = Vec::new();
    for (identity, &n) in sizes.iter().enumerate() {
        let centre: Vec<f64> = (0..d).map(|_| next()).collect();
        for image in 0..n {
            let values: Vec<f32> = centre.iter().map(|c| (c + 0.8 * next()) as f32).collect();
            let id = face_id("people", &format!("p{identity}"), &image.to_string()).unwrap();
            all.push((id, Embedding::new(values).unwrap()));
        }
    }
    FaceSet::new(all).unwrap()
}

#[test]
fn every_pair_is_counted_once_whatever_the_threads() {
    let sizes: Vec<usize> = (0..160).map(|k| 1 + k % 12).collect(); // more than a block
    let faces = faces(1, &sizes, 32);
    let one = Pairs::count(&faces, NonZeroUsize::MIN);
    assert_eq!(one, Pairs::count(&faces, NonZeroUsize::new(3).unwrap()));
    let n = faces.len() as u64;
    assert!(n > 1024 - 100, "{n}");
    let same: u64 = sizes.iter().map(|&n| (n * (n - 1) / 2) as u64).sum();
    assert_eq!((one.n_same, one.n_same + one.n_different), (same, n * (n - 1) / 2));
    let weight: usize = sizes.iter().map(|n| n - 1).sum();
    assert!((one.same.iter().sum::<f64>() - weight as f64).abs() < 1e-3);
    assert!((one.different.iter().sum::<f64>() - one.n_different as f64).abs() < 0.5);
}

#[test]
fn a_group_that_goes_takes_all_pairs_of_its_identities_along() {
    let sizes: Vec<usize> = (0..30).map(|_| 4).collect();
    let pairs = Pairs::count(&faces(2, &sizes, 16), NonZeroUsize::MIN);
    assert_eq!(pairs.n_groups(), 20);
    for group in 0..20 {
        let left = if group < 10 { 28.0 } else { 29.0 }; // 30 identities dealt out to 20 groups
        let (same, different) = pairs.without(group);
        assert!((same.iter().sum::<f64>() - 3.0 * left).abs() < 1e-3);
        assert!((different.iter().sum::<f64>() - left * (left - 1.0) / 2.0 * 16.0).abs() < 0.5);
    }
}

#[test]
fn too_little_is_said_with_numbers() {
    let pairs = Pairs::count(&faces(3, &[5, 5, 1], 16), NonZeroUsize::MIN);
    let error = fit(&pairs, None).unwrap_err();
    assert_eq!(error, FitError::TooFew { same: 20, different: 35, identities: 2 });
    assert!(error.to_string().starts_with("20 pairs of one identifier, from 2 identifiers of several images"));
    assert!(matches!(fit(&Pairs::count(&faces(3, &[], 16), NonZeroUsize::MIN), None), Err(FitError::TooFew { .. })));
}
