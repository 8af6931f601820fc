//! `faceclique models`: what is listed, what is installed, and what is refused.
#![cfg(all(feature = "server", feature = "vision"))]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[path = "support/drawn.rs"]
mod drawn;
#[path = "support/server.rs"]
mod server;

use std::fs;
use std::path::Path;

use drawn::tiny_pack;
use faceclique::config::{Flag, Sources};
use serde_json::Value;
use server::{Server, program};

/// Whether it went well, and what it said: on the one output or the other.
fn run(data: &Path, arguments: &[&str]) -> (bool, String) {
    let output = program(&["models"]).args(arguments).args(["--data", data.to_str().unwrap()]).output().unwrap();
    let said = if output.status.success() { output.stdout } else { output.stderr };
    (output.status.success(), String::from_utf8(said).unwrap())
}

fn listed(data: &Path) -> Value {
    let (ok, out) = run(data, &["list", "--json"]);
    assert!(ok, "{out}");
    serde_json::from_str(&out).unwrap()
}

fn state(list: &Value, name: &str) -> String {
    let pack = list["packs"].as_array().unwrap().iter().find(|pack| pack["name"] == name);
    pack.map_or("absent", |pack| pack["state"].as_str().unwrap()).to_owned()
}

#[test]
fn a_pack_that_is_installed_is_listed_and_a_server_finds_it_by_its_name() {
    let data = tempfile::tempdir().unwrap();
    let list = listed(data.path());
    assert_eq!((state(&list, "tiny"), state(&list, "sface")), ("absent".to_owned(), "not installed".to_owned()));
    // named as they like, in any order: the checksums tell
    let files = tempfile::tempdir().unwrap();
    let [a, b] = [("a.onnx", "embedder.onnx"), ("b", "detector.onnx")].map(|(name, model)| {
        fs::copy(tiny_pack().join(model), files.path().join(name)).unwrap();
        files.path().join(name).to_str().unwrap().to_owned()
    });
    let description = tiny_pack().join("pack.toml");
    let (ok, out) = run(data.path(), &["add", description.to_str().unwrap(), &a, &b]);
    assert!(ok && out.contains("pack = \"tiny\""), "{out}");
    let list = listed(data.path());
    assert_eq!(state(&list, "tiny"), "installed");
    let mut installed: Vec<_> =
        fs::read_dir(data.path().join("packs/tiny")).unwrap().map(|f| f.unwrap().file_name()).collect();
    installed.sort();
    assert_eq!(installed, ["detector.onnx", "embedder.onnx", "pack.toml"]);
    drop(Server::start_with(data.path(), &["--pack", "tiny"]));

    let (ok, err) = run(data.path(), &["add", tiny_pack().to_str().unwrap()]);
    assert!(!ok && err.contains("is there already"), "{err}");
    fs::remove_file(data.path().join("packs/tiny/embedder.onnx")).unwrap();
    assert_eq!(state(&listed(data.path()), "tiny"), "broken: embedder.onnx is missing");
    let (ok, out) = run(data.path(), &["list"]);
    assert!(ok && out.contains("tiny") && out.contains("face_reid_retail_0095.onnx"), "{out}");
}

#[test]
fn a_pack_that_does_not_fit_is_refused_and_leaves_nothing() {
    let data = tempfile::tempdir().unwrap();
    let files = tempfile::tempdir().unwrap();
    let text = fs::read_to_string(tiny_pack().join("pack.toml")).unwrap();
    let write = |name: &str, text: &[u8]| {
        fs::write(files.path().join(name), text).unwrap();
        files.path().join(name).to_str().unwrap().to_owned()
    };
    let right = write("pack.toml", text.as_bytes());
    let flat = write("flat.toml", text.replace("dimension = 32", "dimension = 31").as_bytes());
    let escaping = write("escaping.toml", text.replace("file = \"detector", "file = \"../detector").as_bytes());
    let hidden = write("hidden.toml", text.replace("name = \"tiny\"", "name = \"../tiny\"").as_bytes());
    let tiny = tiny_pack().to_str().unwrap().to_owned();
    let detector = tiny_pack().join("detector.onnx").to_str().unwrap().to_owned();
    let tampered = write("embedder.onnx", b"something else");
    for (arguments, expected) in [
        (vec![&*right, &detector], "no file given is 'embedder.onnx' of the pack (SHA-256 d7711bd0"),
        (vec![&right, &detector, &tampered], "'embedder.onnx' has the SHA-256 "),
        (vec![&right, "/nowhere/x.onnx"], "/nowhere/x.onnx"),
        (vec![&flat, &tiny], "its output has 32 numbers [1, 32], the pack says dimension = 31"),
        (vec![&escaping, &tiny], "expected the name of a file in the folder of the pack"),
        (vec![&hidden, &tiny], "cannot be the name of a folder"),
        (vec!["sphinx"], "ready packs are: face-reid-retail-0095, mobilefacenet-y1"),
        (vec!["face-reid-retail-0095"], "no file given is 'yunet_n_dynamic.onnx'"),
    ] {
        let (ok, err) = run(data.path(), &[vec!["add"], arguments.clone()].concat());
        assert!(!ok && err.contains(expected), "{arguments:?}: {err}");
    }
    let left: Vec<_> = fs::read_dir(data.path().join("packs")).map_or(Vec::new(), Iterator::collect);
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn a_server_with_a_pack_that_is_not_there_does_not_start_and_says_what_to_do() {
    let data = tempfile::tempdir().unwrap();
    let folder = data.path().to_str().unwrap();
    for (pack, expected) in
        [("sface", "`faceclique models` lists the packs"), ("./nowhere", "./nowhere/pack.toml cannot be read")]
    {
        let output =
            program(&["serve", "--data", folder, "--listen", "127.0.0.1:0", "--service-listen", "off", "--pack", pack])
                .output()
                .unwrap();
        let err = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.code() == Some(1) && err.contains("vision.pack: ") && err.contains(expected), "{err}");
    }
}

#[test]
fn knots_that_are_configured_under_the_name_of_the_pack_count_and_its_dimension_must_be_the_packs() {
    let folder = tempfile::tempdir().unwrap();
    let pack = tiny_pack().to_str().unwrap().to_owned();
    let scale = |models: &str| {
        let file = folder.path().join("faceclique.toml");
        fs::write(&file, models).unwrap();
        let flags = vec![Flag { setting: "vision.pack", flag: "--pack", value: pack.clone() }];
        let reading = Sources { file: Some(file), environment: Vec::new(), flags }.read().unwrap();
        let trainer = reading.config.trainer()?.unwrap();
        Ok::<_, String>(trainer.model().scale.knots().to_vec())
    };
    let entry = |name: &str, dimension: u32| {
        format!("[[models]]\nname = \"{name}\"\ndimension = {dimension}\nknots = [[-1, 0], [0.3, 50], [1, 100]]\n")
    };
    assert_eq!(scale("").unwrap()[1], (0.8, 50.0));
    assert_eq!(scale(&entry("other", 7)).unwrap()[1], (0.8, 50.0));
    assert_eq!(scale(&entry("tiny", 32)).unwrap()[1], (0.3, 50.0));
    let refused = scale(&entry("tiny", 64)).unwrap_err();
    assert_eq!(
        refused,
        format!(
            "vision.pack: the model pack in {pack} cannot be used: 'embedder.dimension = 32' in the description of the \
             pack: expected 64, as [[models]] of the configuration says of 'tiny'"
        )
    );
}

#[test]
fn a_pack_is_replaced_only_when_that_is_asked_and_only_by_one_that_is_whole() {
    let data = tempfile::tempdir().unwrap();
    let tiny = tiny_pack().to_str().unwrap().to_owned();
    let text = fs::read_to_string(tiny_pack().join("pack.toml")).unwrap();
    let described = |from: &str, to: &str| {
        let path = data.path().join("new.toml");
        fs::write(&path, text.replace(from, to)).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let installed = || fs::read_to_string(data.path().join("packs/tiny/pack.toml")).unwrap();
    assert!(run(data.path(), &["add", "--replace", &tiny]).0, "where there is none, it is as without");
    let (ok, err) = run(data.path(), &["add", &described("mean = 127.5", "mean = 120.5"), &tiny]);
    assert!(!ok && err.contains("is there already; --replace puts this one in its place"), "{err}");
    let broken = described("dimension = 32", "dimension = 31");
    assert!(!run(data.path(), &["add", "--replace", &broken, &tiny]).0);
    assert_eq!(installed(), text);
    let (ok, out) = run(data.path(), &["add", "--replace", &described("min_score = 0.6", "min_score = 0.7"), &tiny]);
    assert!(ok && !out.contains("retrain"), "{out}");
    let (ok, out) = run(data.path(), &["add", "--replace", &described("mean = 127.5", "mean = 120.5"), &tiny]);
    assert!(ok && out.contains("faceclique retrain --database NAME --pack \"tiny\""), "{out}");
    assert!(installed().contains("mean = 120.5"));
    let left: Vec<_> = fs::read_dir(data.path().join("packs")).unwrap().map(|f| f.unwrap().file_name()).collect();
    assert_eq!(left, ["tiny"]);
    drop(Server::start_with(data.path(), &["--pack", "tiny"]));
}
