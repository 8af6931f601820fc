//! `faceclique sweep`: each row is what a clustering at its threshold gives, and counts what it says.

#![allow(clippy::unwrap_used, reason = "a test that cannot read its data has failed")]

use std::fs;
use std::process::Command;

use faceclique::cluster::{Agreement, ClusterError, sweep};
use faceclique::{
    Confidence, ConfidenceScale, Embedding, FaceSet, Parameters, Resources, Search, Threshold, Unwatched, cluster,
    face_id,
};
use proptest::prelude::*;

/// Faces with coarse numbers, so that many pairs are equally near.
fn faces() -> impl Strategy<Value = FaceSet> {
    let vector = proptest::collection::vec(-2i8..=2, 3).prop_filter("has a direction", |v| v.iter().any(|&x| x != 0));
    proptest::collection::vec((vector, 0u8..6), 1..60).prop_map(|rows| {
        let faces = rows.into_iter().enumerate().map(|(at, (vector, name))| {
            let values: Vec<f32> = vector.into_iter().map(f32::from).collect();
            (face_id("people", &format!("p{name}"), &at.to_string()).unwrap(), Embedding::new(values).unwrap())
        });
        FaceSet::new(faces).unwrap()
    })
}

fn thresholds(hundredths: impl IntoIterator<Item = u16>) -> Vec<Threshold> {
    hundredths.into_iter().map(|h| Threshold::at(Confidence::from_hundredths(h).unwrap())).collect()
}

proptest! {
    #[test]
    fn each_partition_is_that_of_a_run_at_its_threshold(
        faces in faces(), asked in proptest::collection::vec(0u16..=10_000, 1..8),
    ) {
        let (scale, resources) = (ConfidenceScale::cosine(), Resources::default());
        let swept = sweep(&faces, &scale, &thresholds(asked.clone()), &resources, &Unwatched).unwrap();
        let mut rising = thresholds(asked);
        rising.sort_unstable();
        rising.dedup();
        prop_assert_eq!(swept.iter().map(|(threshold, _)| *threshold).collect::<Vec<_>>(), rising);
        for (threshold, partition) in swept {
            let parameters =
                Parameters { cluster_threshold: threshold, search: Search::Exact, ..Parameters::default() };
            let alone = cluster(&faces, &scale, &parameters, &resources, &Unwatched).unwrap();
            prop_assert_eq!(&partition, alone.clusters(), "at {}", threshold);
            // the pairs counted one by one
            let agreement = Agreement::of(&faces, &partition);
            let cluster_of = |face: u32| partition.iter().position(|members| members.contains(&face));
            let (mut cross, mut missed) = (0, 0);
            for a in 0..faces.len() as u32 {
                for b in 0..a {
                    let is_one = faces.id(a as usize).identifier == faces.id(b as usize).identifier;
                    let is_together = cluster_of(a) == cluster_of(b);
                    cross += u64::from(is_together && !is_one);
                    missed += u64::from(is_one && !is_together);
                }
            }
            prop_assert_eq!((agreement.cross_pairs, agreement.missed_pairs), (cross, missed));
            prop_assert!((0.0..=1.0 + 1e-9).contains(&agreement.f()));
        }
    }
}

#[test]
fn precision_and_recall_are_bcubed() {
    let name = |identity: &str, label: usize| face_id("people", identity, &label.to_string()).unwrap();
    let faces = FaceSet::new(
        (0..3)
            .map(|at| (name("a", at), Embedding::new([1.0, at as f32]).unwrap()))
            .chain([(name("b", 0), Embedding::new([0.0, 1.0]).unwrap())]),
    )
    .unwrap();
    let agreement = Agreement::of(&faces, &[vec![0, 3], vec![1], vec![2]]);
    // precision: 1/2, 1, 1, 1/2; recall: 1/3, 1/3, 1/3, 1
    assert!((agreement.precision - 0.75).abs() < 1e-12 && (agreement.recall - 0.5).abs() < 1e-12, "{agreement:?}");
    assert_eq!((agreement.cross_pairs, agreement.missed_pairs, agreement.mixed, agreement.split), (1, 3, 1, 1));
    assert_eq!((agreement.clusters, agreement.singletons, agreement.largest), (3, 2, 2));
}

#[test]
fn pairs_that_do_not_fit_are_said() {
    let faces = (0..200)
        .map(|at| (face_id("people", "a", &at.to_string()).unwrap(), Embedding::new([1.0, at as f32 / 1e3]).unwrap()));
    let resources = Resources { max_bytes: 100_000, ..Resources::default() };
    let faces = FaceSet::new(faces).unwrap();
    let swept = sweep(&faces, &ConfidenceScale::cosine(), &thresholds([5_000, 6_000]), &resources, &Unwatched);
    assert!(matches!(swept, Err(ClusterError::TooManyPairs { .. })), "{swept:?}");
}

#[test]
fn the_table_is_also_csv_json_and_a_picture() {
    let folder = tempfile::tempdir().unwrap();
    let rows = "identifier,imagelabel,e0,e1\na,1,1,0\na,2,0.9,0.1\nb,1,0,1\nb,2,0.3,0.9\n";
    fs::write(folder.path().join("people.csv"), rows).unwrap();
    let run = |arguments: &[&str]| {
        let mut program = Command::new(env!("CARGO_BIN_EXE_faceclique"));
        let output = program.current_dir(folder.path()).args(["sweep", "people.csv"]).args(arguments).output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (output.status.success(), text(output.stdout), text(output.stderr))
    };
    let (is_good, csv, _) = run(&["--from", "60", "--to", "98", "--step", "38", "--csv", "--plot", "sweep.svg"]);
    assert!(is_good);
    let mut lines = csv.lines();
    assert!(lines.next().unwrap().starts_with("threshold,cosine,clusters,singletons,largest,mixed,split,cross,missed"));
    assert_eq!(lines.next().unwrap(), "60.00,0.1999,2,0,2,0,0,0,0,1.0000,1.0000,1.0000");
    assert_eq!(lines.next().unwrap(), "98.00,0.9599,3,2,2,0,1,0,1,1.0000,0.7500,0.8571");
    let (_, json, _) = run(&["--json"]);
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json.as_array().unwrap().len(), 17, "from 40 to 80 by 2.5");
    assert!(run(&[]).1.starts_with("4 x 2 at 17 thresholds in "));
    let svg = fs::read_to_string(folder.path().join("sweep.svg")).unwrap();
    assert!(svg.contains("cluster threshold") && !svg.contains("NaN"));
    assert!(run(&["--from", "90"]).2.contains("from 90.00 to 80.00 by 2.50: that is no range"));
}
