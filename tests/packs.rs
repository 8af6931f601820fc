//! Model packs: what a `pack.toml` promises is checked when it is opened.
#![cfg(feature = "vision")]
#![allow(clippy::unwrap_used, clippy::print_stderr, reason = "a test that cannot go on panics, and says what it skips")]

#[path = "support/drawn.rs"]
mod drawn;

use std::fs;
use std::io::ErrorKind;
use std::path::PathBuf;
use std::process::Command;

use drawn::tiny_pack;
use faceclique::vision::{MAX_IMAGE_PIXELS, Pack, PackError, Pipeline, READY_PACKS};

/// A folder of its own with the files of the tiny pack; gone with the test.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("faceclique-packs-{name}-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        for file in ["pack.toml", "detector.onnx", "embedder.onnx", "make.py"] {
            fs::write(folder.join(file), fs::read(tiny_pack().join(file)).unwrap()).unwrap();
        }
        Self(folder)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn description() -> String {
    fs::read_to_string(tiny_pack().join("pack.toml")).unwrap()
}

/// What opening the tiny pack says with `from` in its description replaced.
fn refusal(from: &str, to: &str) -> String {
    let text = description();
    assert!(text.contains(from), "{from}");
    let opened =
        Pack::read(&text.replace(from, to), &tiny_pack()).and_then(|pack| Pipeline::open(pack, MAX_IMAGE_PIXELS));
    opened.map(|_| ()).unwrap_err().to_string()
}

#[test]
fn the_tiny_pack_is_what_its_script_writes() {
    let folder = Folder::new("script");
    for file in ["pack.toml", "detector.onnx", "embedder.onnx"] {
        fs::remove_file(folder.0.join(file)).unwrap();
    }
    match Command::new("python3").arg(folder.0.join("make.py")).status() {
        Err(error) if error.kind() == ErrorKind::NotFound => return eprintln!("SKIPPED: no python3"),
        status => assert!(status.unwrap().success()),
    }
    for file in ["pack.toml", "detector.onnx", "embedder.onnx"] {
        assert!(fs::read(folder.0.join(file)).unwrap() == fs::read(tiny_pack().join(file)).unwrap(), "{file}");
    }
}

#[test]
fn a_model_that_was_tampered_with_is_refused() {
    let folder = Folder::new("tampered");
    let path = folder.0.join("embedder.onnx");
    let mut bytes = fs::read(&path).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(&path, bytes).unwrap();
    let refused = Pack::open(&folder.0).unwrap_err();
    assert!(matches!(&refused, PackError::Checksum { file, .. } if file == "embedder.onnx"), "{refused}");
    fs::remove_file(&path).unwrap();
    assert!(matches!(Pack::open(&folder.0).unwrap_err(), PackError::Read { path: missing, .. } if missing == path));
}

#[test]
fn a_model_of_another_shape_than_said_is_refused() {
    let refused = refusal("dimension = 32", "dimension = 31");
    assert_eq!(
        refused,
        "the model 'embedder.onnx' does not fit: its output has 32 numbers [1, 32], the pack says dimension = 31"
    );
    let refused = refusal("size = 32", "size = 40");
    assert_eq!(refused, "the model 'embedder.onnx' does not fit: its input is 32 x 32, the pack says size = 40");
}

#[test]
fn an_embedder_is_no_detector() {
    let text = description();
    let sha256 = |text: &str, nth: usize| text.split("sha256 = ").nth(nth).unwrap()[..66].to_owned();
    let text = text.replace("detector.onnx", "embedder.onnx").replace(&sha256(&text, 1), &sha256(&text, 2));
    let refused = Pipeline::open(Pack::read(&text, &tiny_pack()).unwrap(), MAX_IMAGE_PIXELS).unwrap_err().to_string();
    assert!(refused.contains("no output 'cls_8'"), "{refused}");
}

#[test]
fn a_file_that_is_no_model_is_refused() {
    let folder = Folder::new("no-model");
    fs::write(folder.0.join("embedder.onnx"), "Dear Ann, here is the model.").unwrap();
    let PackError::Checksum { expected, found, .. } = Pack::open(&folder.0).unwrap_err() else {
        panic!("it is another file")
    };
    let text = description().replace(&expected, &found);
    let refused = Pipeline::open(Pack::read(&text, &folder.0).unwrap(), MAX_IMAGE_PIXELS).unwrap_err();
    assert!(matches!(&refused, PackError::Model { file, .. } if file == "embedder.onnx"), "{refused}");
}

#[test]
fn a_description_is_refused_with_the_value_and_what_is_expected() {
    for (from, to, expected) in [
        (
            "min_score = 0.6",
            "min_score = 1.5",
            "'detector.min_score = 1.5' in the description of the pack: expected 0 to 1",
        ),
        ("min_score = 0.6", "min_score = nan", "'detector.min_score = NaN'"),
        (
            "long_side = 640",
            "long_side = 8",
            "'detector.long_side = 8' in the description of the pack: expected 32 to 4096 pixels",
        ),
        (
            "size = 32",
            "size = 4000000000",
            "'embedder.size = 4000000000' in the description of the pack: expected 8 to 1024 pixels",
        ),
        ("scale = 0.00784313725", "scale = 0.0", "'embedder.scale = 0 (mean = 127.5)'"),
        (
            "file = \"detector.onnx\"",
            "file = \"../tiny/detector.onnx\"",
            "expected the name of a file in the folder of the pack",
        ),
        ("file = \"detector.onnx\"", "file = \"..\"", "expected the name of a file in the folder of the pack"),
        ("max_second_area = 0.5", "max_second_area = nan", "'choice.max_second_area = NaN'"),
        ("min_sharpness = 20", "min_sharpness = -1", "'quality.min_sharpness = -1'"),
        ("[[10.94, 14.77]", "[[nan, 14.77]", "'embedder.template = [NaN, 14.77]'"),
        (
            "[[10.94, 14.77], [21.01, 14.71], [16.01, 20.5], [11.87, 26.39], [20.21, 26.34]]",
            "[[9, 9], [9, 9], [9, 9], [9, 9], [9, 9]]",
            "'embedder.template = five times [9, 9]'",
        ),
        ("name = \"tiny\"", "name = \"\"", "'name = \"\"'"),
        ("[1.0, 100.0]]", "[1.0, 99.0]]", "a confidence scale begins at cosine -1 and ends at cosine 1"),
        ("mean = 127.5", "maen = 127.5", "unknown field `maen`"),
        ("colours = \"rgb\"", "colours = \"grb\"", "unknown variant `grb`"),
        ("template = [[10.94, 14.77], ", "template = [", "length"),
    ] {
        let refused = refusal(from, to);
        assert!(refused.contains(expected), "{to}: {refused}");
    }
}

#[test]
fn a_pack_without_a_checksum_says_what_it_would_be() {
    let text = description();
    let sha256 = text.split("sha256 = ").nth(1).unwrap()[..66].to_owned();
    let refused = refusal(&sha256, "\"unknown\"");
    assert!(refused.ends_with(&format!("write sha256 = {sha256}")), "{refused}");
}

#[test]
fn the_ready_packs_are_complete_but_for_their_weights() {
    let folder = Folder::new("ready");
    for (name, text) in READY_PACKS {
        assert!(text.contains(&format!("\nname = \"{name}\"\n")), "{name}");
        let refused = Pack::read(text, &folder.0).unwrap_err();
        assert!(matches!(refused, PackError::Read { .. }), "{name}: {refused}"); // all but the files is right
    }
}

#[test]
fn a_fingerprint_is_over_what_an_embedding_depends_on_and_nothing_else() {
    let of = |text: &str| Pack::read(text, &tiny_pack()).unwrap().fingerprint();
    let changed = |from: &str, to: &str| {
        assert!(description().contains(from), "{from}");
        of(&description().replace(from, to)) != of(&description())
    };
    for (from, to) in [
        ("long_side = 640", "long_side = 320"),
        ("size = 32", "size = 40"),
        ("colours = \"rgb\"", "colours = \"bgr\""),
        ("mean = 127.5", "mean = 128"),
        ("scale = 0.00784313725", "scale = 0.0078"),
        ("[[10.94, 14.77]", "[[10.94, 14.78]"),
        ("dimension = 32", "dimension = 31"),
    ] {
        assert!(changed(from, to), "{to}");
    }
    for (from, to) in [
        ("name = \"tiny\"", "name = \"small\""),
        ("licence = \"as the program\"", "licence = \"none\""),
        ("min_score = 0.6", "min_score = 0.7"),
        ("[0.8, 50.0]", "[0.7, 50.0]"),
        ("min_sharpness = 20", "min_sharpness = 10"),
        ("max_second_area = 0.5", "max_second_area = 0.4"),
    ] {
        assert!(!changed(from, to), "{to}");
    }
    let folder = Folder::new("fingerprint");
    let path = folder.0.join("embedder.onnx");
    let mut bytes = fs::read(&path).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(&path, bytes).unwrap();
    let PackError::Checksum { expected, found, .. } = Pack::open(&folder.0).unwrap_err() else { panic!() };
    let other = Pack::read(&description().replace(&expected, &found), &folder.0).unwrap().fingerprint();
    assert_ne!(other, of(&description()), "other weights");
}
