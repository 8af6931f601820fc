//! `faceclique calibrate`: what it prints is a configuration, its picture is a picture, and real faces bear it out.

#![allow(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "a test that cannot read its data has failed, and says why it skips"
)]

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::process::Command;

use faceclique::calibrate::{Fit, Pairs, Prior, fit};
use faceclique::exchange::{Format, Options, Reader, Source};
use faceclique::face::{DatabaseName, FaceId, FaceSet, Identifier};

/// Numbers that look like chance.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        self.0 >> 33
    }

    /// Between -1 and 1.
    fn signed(&mut self) -> f64 {
        self.next() as f64 / f64::from(1u32 << 30) - 1.0
    }
}

/// A CSV file of faces around the centres of identities.
fn people(folder: &Path, n_identities: usize) -> PathBuf {
    let (d, mut random) = (32, Random(7));
    let mut text = "identifier,imagelabel".to_owned();
    for k in 0..d {
        write!(text, ",e{k}").unwrap();
    }
    for identity in 0..n_identities {
        let centre: Vec<f64> = (0..d).map(|_| random.signed()).collect();
        for image in 0..6 {
            write!(text, "\np{identity},{image}").unwrap();
            for c in &centre {
                write!(text, ",{:.5}", c + 0.7 * random.signed()).unwrap();
            }
        }
    }
    let path = folder.join("people.csv");
    fs::write(&path, text + "\n").unwrap();
    path
}

/// The standard output of the program, or what it says when it fails.
fn run(folder: &Path, arguments: &[&str]) -> Result<String, String> {
    let mut program = Command::new(env!("CARGO_BIN_EXE_faceclique"));
    let output = program.current_dir(folder).args(arguments).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    if output.status.success() { Ok(text(output.stdout)) } else { Err(text(output.stderr)) }
}

#[test]
fn what_is_printed_is_a_configuration_that_holds() {
    let folder = tempfile::tempdir().unwrap();
    people(folder.path(), 60);
    let printed = run(folder.path(), &["calibrate", "people.csv", "--model", "a \"model\""]).unwrap();
    fs::write(folder.path().join("faceclique.toml"), &printed).unwrap();
    run(folder.path(), &["config", "check", "--config", "faceclique.toml"]).unwrap();
    let holds = run(folder.path(), &["config", "print", "--config", "faceclique.toml"]).unwrap();
    assert!(holds.contains(r#"a "model""#) || holds.contains(r#"a \"model\""#), "{holds}");
    let json = run(folder.path(), &["calibrate", "people.csv", "--json", "--threads", "3"]).unwrap();
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    let knots = json["knots"].as_array().unwrap();
    assert!((3..=8).contains(&knots.len()), "{knots:?}");
    let even = json["even"]["cosine"].as_f64().unwrap();
    assert!(knots.iter().any(|knot| knot[0].as_f64() == Some(even) && knot[1] == 50.0), "{knots:?}");
    assert_eq!((json["same_pairs"].as_u64(), json["identities"].as_u64()), (Some(60 * 15), Some(60)));
    assert!(printed.contains(&format!("[{even}, 50]")), "the same with one thread and three: {printed}");
}

#[test]
fn the_picture_is_whole_xml_with_axes_and_both_kinds_of_pairs() {
    let folder = tempfile::tempdir().unwrap();
    people(folder.path(), 60);
    let arguments = ["calibrate", "people.csv", "--model", "<&>", "--plot", "curve.svg"];
    run(folder.path(), &arguments).unwrap();
    let svg = fs::read_to_string(folder.path().join("curve.svg")).unwrap();
    let mut reader = quick_xml::Reader::from_str(&svg);
    let mut texts = String::new();
    loop {
        match reader.read_event().unwrap() {
            quick_xml::events::Event::Text(text) => texts.push_str(&text),
            quick_xml::events::Event::Eof => break,
            _ => {}
        }
    }
    for expected in ["cosine", "pairs of one person", "pairs of two people", "confidence", "50 at 0."] {
        assert!(texts.contains(expected), "{expected} is not in {texts}");
    }
    assert!(!svg.contains("<&>") && !svg.contains("NaN") && !svg.contains("inf"));
}

#[test]
fn a_database_gives_the_knots_of_its_file() {
    let folder = tempfile::tempdir().unwrap();
    people(folder.path(), 60);
    run(folder.path(), &["import", "--data", "data", "--database", "people", "people.csv"]).unwrap();
    let knots = |printed: String| printed.lines().find(|line| line.starts_with("knots")).unwrap().to_owned();
    let of_database = run(folder.path(), &["calibrate", "--data", "data", "--database", "people"]).unwrap();
    assert_eq!(knots(of_database), knots(run(folder.path(), &["calibrate", "people.csv"]).unwrap()));
}

#[test]
fn what_cannot_be_is_said() {
    let folder = tempfile::tempdir().unwrap();
    people(folder.path(), 2);
    for (arguments, expected) in [
        (&["people.csv"][..], "30 pairs of one identifier, from 2 identifiers of several images"),
        (&["people.csv", "--plot", "curve.png"], "the ending must be .svg"),
        (&["people.csv", "--prior", "1"], "a number above 0 and below 1"),
        (&["people.csv", "--database", "people"], "cannot be used with"),
        (&[], "FILE"),
        (&["--database", "nobody", "--data", "data"], "nobody"),
    ] {
        let said = run(folder.path(), &[&["calibrate"], arguments].concat()).unwrap_err();
        assert!(said.contains(expected), "{arguments:?}: {said}");
    }
}

/// Labeled Faces in the Wild, if it is here.
fn lfw(name: &str) -> Option<Vec<(FaceId, faceclique::Embedding)>> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data").join(name);
    if !path.exists() {
        eprintln!("skipped: {} is not there", path.display());
        return None;
    }
    let database = DatabaseName::new("lfw").unwrap();
    let reader = Reader::open(Source::open(&path, Format::Npz, None).unwrap(), &Options::default()).unwrap();
    let faces = reader.map(|record| {
        let record = record.unwrap();
        let id = FaceId { database: database.clone(), identifier: record.identifier, label: record.label };
        (id, record.embedding.unwrap())
    });
    Some(faces.collect())
}

fn fitted(faces: Vec<(FaceId, faceclique::Embedding)>, prior: Option<Prior>) -> Fit {
    fit(&counted(faces), prior).unwrap()
}

fn counted(faces: Vec<(FaceId, faceclique::Embedding)>) -> Pairs {
    Pairs::count(&FaceSet::new(faces).unwrap(), NonZeroUsize::new(2).unwrap())
}

/// The same faces, a part of them filed under the identifier of another; no label twice.
fn mislabelled(mut faces: Vec<(FaceId, faceclique::Embedding)>, part: f64) -> Vec<(FaceId, faceclique::Embedding)> {
    let mut random = Random(11);
    let names: Vec<Identifier> = faces.iter().map(|(id, _)| id.identifier.clone()).collect();
    for (id, _) in &mut faces {
        if (random.next() as f64) < part * f64::from(1u32 << 31) {
            let other = random.next() as usize % names.len();
            id.identifier = names[other].clone();
        }
    }
    faces
}

#[test]
fn wrong_labels_planted_among_real_faces_hardly_move_fifty() {
    for file in ["lfw_mobilefacenet_y1.npz", "lfw_reid0095.npz"] {
        let Some(faces) = lfw(file) else { return };
        for prior in [None, Some(Prior::EVEN)] {
            let clean = fitted(faces.clone(), prior);
            for part in [0.01, 0.05, 0.1] {
                let fit = fitted(mislabelled(faces.clone(), part), prior);
                eprintln!(
                    "{file} {prior:?} {part}: {:.4} instead of {:.4}, e {:.4}, f {:.6}",
                    fit.even, clean.even, fit.wrong_same, fit.wrong_different
                );
                assert!((fit.even - clean.even).abs() < 0.005, "{file} {part}: {} {}", fit.even, clean.even);
            }
        }
    }
}

#[test]
fn fifty_of_half_of_the_people_holds_for_the_other_half() {
    for file in ["lfw_mobilefacenet_y1.npz", "lfw_reid0095.npz"] {
        let Some(faces) = lfw(file) else { return };
        let names: BTreeMap<Identifier, usize> = faces.iter().map(|(id, _)| (id.identifier.clone(), 0)).collect();
        let half = |which: usize| {
            let chosen: Vec<_> = names.keys().enumerate().filter(|(at, _)| at % 2 == which).map(|(_, n)| n).collect();
            let is_in = |(id, _): &&(FaceId, faceclique::Embedding)| chosen.binary_search(&&id.identifier).is_ok();
            counted(faces.iter().filter(is_in).cloned().collect())
        };
        let (one, two) = (half(0), half(1));
        let prior = Prior::new(1.0 / 361.0);
        let (one, two) = (fit(&one, prior).unwrap(), fit(&two, prior).unwrap());
        let share = two.at(one.even).probability;
        eprintln!("{file}: 50 at {:.4} and {:.4}; P(same) in the other half {share:.3}", one.even, two.even);
        eprintln!("  {:?} fitted, {:?} held out", one.at(one.even).rates, two.at(one.even).rates);
        let error = one.even_error.hypot(two.even_error);
        assert!((one.even - two.even).abs() < 3.0 * error + 0.005, "{} {} {error}", one.even, two.even);
    }
}
