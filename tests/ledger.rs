//! A run that is told what was found before gives the same result as one that finds all of it itself.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroUsize;
use std::sync::Mutex;

use faceclique::cluster::{
    Clustering, Forgetful, Known, Ledger, Pair, Parameters, Past, Plan, Resources, Search, Unwatched, cluster_with,
};
use faceclique::confidence::{Confidence, ConfidenceScale, Threshold};
use faceclique::face::{Embedding, FaceSet, face_id};
use proptest::prelude::*;

/// A ledger in memory.
#[derive(Default)]
struct Memory {
    known: Option<Known>,
    pieces: Vec<Vec<Pair>>,
    recalled: BTreeMap<u64, Vec<Pair>>,
    plan: Mutex<Option<Plan>>,
    finished: Mutex<BTreeMap<u64, Vec<Pair>>>,
}

impl Ledger for Memory {
    fn known(&self) -> Option<&Known> {
        self.known.as_ref()
    }

    fn known_pairs(&self, piece: u64, pairs: &mut Vec<Pair>) {
        pairs.clone_from(&self.pieces[usize::try_from(piece).unwrap()]);
    }

    fn begin(&self, plan: &Plan) {
        assert!(self.plan.lock().unwrap().replace(*plan).is_none(), "it begins once");
    }

    fn recall(&self, unit: u64, pairs: &mut Vec<Pair>) -> bool {
        let found = self.recalled.get(&unit);
        pairs.clone_from(found.unwrap_or(&Vec::new()));
        found.is_some()
    }

    fn finish(&self, unit: u64, pairs: &[Pair]) {
        assert!(pairs.is_sorted_by(|a, b| a < b) && pairs.iter().all(|&(a, b)| a < b), "unit {unit}: {pairs:?}");
        assert!(self.finished.lock().unwrap().insert(unit, pairs.to_vec()).is_none(), "unit {unit} is finished twice");
    }
}

impl Memory {
    fn plan(&self) -> Plan {
        self.plan.lock().unwrap().expect("it has begun")
    }

    /// Every unit with what it found, in this run or before.
    fn units(&self) -> BTreeMap<u64, Vec<Pair>> {
        let mut units = self.recalled.clone();
        units.extend(self.finished.lock().unwrap().clone());
        assert!(units.keys().copied().eq(0..self.plan().units), "units are missing");
        units
    }
}

/// A face of so many numbers that belongs to one of many people; its number decides.
fn row(number: u64, dimension: usize) -> Vec<f32> {
    let noise = |seed: u64, at: usize| {
        let mut z = seed.wrapping_mul(1_000).wrapping_add(at as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ (z >> 31)) >> 40) as f32 / (1u64 << 23) as f32 - 1.0
    };
    (0..dimension).map(|at| noise(number / 6 + 1_000_000, at) + 0.5 * noise(number, at)).collect()
}

/// The faces of these numbers; their order is that of another number, so that new ones come between.
fn faces(numbers: &BTreeSet<u64>, dimension: usize) -> (FaceSet, Vec<u64>) {
    let name = |number: u64| number.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    let mut order: Vec<u64> = numbers.iter().copied().collect();
    order.sort_by_key(|&number| name(number));
    let named = order.iter().map(|&number| {
        let id = face_id("people", &format!("{:020}", name(number)), "x").unwrap();
        (id, Embedding::new(row(number, dimension)).unwrap())
    });
    (FaceSet::new(named).unwrap(), order)
}

fn run(faces: &FaceSet, parameters: &Parameters, threads: usize, ledger: &dyn Ledger) -> Clustering {
    let resources = Resources { threads: NonZeroUsize::new(threads).unwrap(), ..Resources::default() };
    cluster_with(faces, &ConfidenceScale::cosine(), parameters, &resources, &Unwatched, Past { ledger, ..Past::NONE })
        .unwrap()
}

fn threshold(hundredths: u16) -> Threshold {
    Threshold::at(Confidence::from_hundredths(hundredths).unwrap())
}

fn parameters() -> impl Strategy<Value = Parameters> {
    let most = prop_oneof![Just(None), (0usize..5).prop_map(Some)];
    (7_500u16..9_500, 7_500u16..9_500, most).prop_map(|(cluster, output, max_matches)| Parameters {
        cluster_threshold: threshold(cluster),
        output_threshold: threshold(output),
        max_matches,
        search: Search::Exact,
        ..Parameters::default()
    })
}

/// What a finished run knows of the faces that are still there, in pieces of several units.
fn known(before: &Memory, old: &[u64], new: &[u64]) -> Memory {
    let places: BTreeMap<u64, u32> = new.iter().copied().zip(0..).collect();
    let place = |face: u32| places.get(&old[face as usize]).copied();
    let units: Vec<Vec<Pair>> = before.units().into_values().collect();
    let moved = |&(a, b): &Pair| {
        let (a, b) = (place(a)?, place(b)?);
        Some((a.max(b), a.min(b)))
    };
    let pieces: Vec<Vec<Pair>> =
        units.chunks(3).map(|units| units.concat().iter().filter_map(moved).rev().collect()).collect();
    let was: BTreeSet<u64> = old.iter().copied().collect();
    let is_known = new.iter().map(|number| was.contains(number)).collect();
    let known = Known { is_known, floor: before.plan().complete, pieces: pieces.len() as u64 };
    Memory { known: Some(known), pieces, ..Memory::default() }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn whatever_units_are_recalled_the_result_is_the_same(
        n in 500u64..1_500, parameters in parameters(), threads in 1usize..4, share in 0u64..=100, seed in any::<u64>(),
    ) {
        let (faces, _) = faces(&(0..n).collect(), 8);
        let whole = Memory::default();
        let expected = run(&faces, &parameters, threads, &whole);
        prop_assert!(expected == run(&faces, &parameters, 1, &Forgetful));
        let chosen = |unit: u64| ((unit ^ seed).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 40) % 100 < share;
        let mut recalled = whole.units();
        recalled.retain(|&unit, _| chosen(unit));
        let n_recalled = recalled.len();
        let again = Memory { recalled, ..Memory::default() };
        prop_assert!(expected == run(&faces, &parameters, threads, &again));
        prop_assert_eq!(again.plan(), whole.plan());
        prop_assert_eq!(again.finished.lock().unwrap().len() + n_recalled, whole.units().len());
    }

    #[test]
    fn r114_a_run_that_knows_the_pairs_of_an_earlier_one_equals_a_full_one(
        first in 400u64..900, parameters in proptest::collection::vec(parameters(), 3),
        changes in proptest::collection::vec((0u64..300, 1u64..40), 3), threads in 1usize..4,
    ) {
        let mut numbers: BTreeSet<u64> = (0..first).collect();
        let mut next = first;
        let mut before: Option<(Memory, Vec<u64>)> = None;
        for (parameters, (n_more, stride)) in parameters.iter().zip(changes) {
            let (faces, order) = faces(&numbers, 8);
            let expected = run(&faces, parameters, 1, &Forgetful);
            let ledger = before.map_or_else(Memory::default, |(memory, old)| known(&memory, &old, &order));
            prop_assert!(run(&faces, parameters, threads, &ledger) == expected);
            // killed in the middle and begun again
            let mut recalled = ledger.units();
            recalled.retain(|unit, _| unit % 3 != 1);
            let again = Memory { known: ledger.known.clone(), pieces: ledger.pieces.clone(), recalled, ..Memory::default() };
            prop_assert!(run(&faces, parameters, threads, &again) == expected);
            before = Some((again, order));
            numbers.retain(|number| number % stride != 0);
            numbers.extend(next..next + n_more);
            next += n_more;
        }
    }
}

#[test]
fn r114_with_enough_faces_for_8_bit_heads_a_run_that_knows_most_pairs_equals_a_full_one() {
    let parameters = Parameters {
        cluster_threshold: threshold(8_500),
        output_threshold: threshold(8_000),
        max_matches: Some(3),
        search: Search::Exact,
        ..Parameters::default()
    };
    let mut numbers: BTreeSet<u64> = (0..9_000).collect();
    let (before, old) = faces(&numbers, 32);
    let ledger = Memory::default();
    run(&before, &Parameters { max_matches: None, ..parameters.clone() }, 2, &ledger);
    numbers.retain(|number| number % 11 != 5);
    numbers.extend(9_000..10_200); // enough that heads are made for them
    let (faces, new) = faces(&numbers, 32);
    let expected = run(&faces, &parameters, 2, &Forgetful);
    let ledger = known(&ledger, &old, &new);
    assert!(run(&faces, &parameters, 2, &ledger) == expected);
    let plan = ledger.plan();
    assert_eq!((plan.fresh, plan.faces), (1_200, faces.len() as u32), "what is known was used");
    assert!(plan.faces > 8_192 && expected.clusters().iter().any(|members| members.len() > 2));
}
