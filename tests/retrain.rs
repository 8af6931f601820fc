//! `faceclique retrain`: a database moves from one pack to another by the command line, or is left alone and it says why.
#![cfg(all(feature = "server", feature = "vision"))]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[path = "support/drawn.rs"]
mod drawn;
#[path = "support/server.rs"]
mod server;

use std::fs;
use std::path::Path;

use drawn::{encoded, portrait, tiny_pack, wall};
use image::ImageFormat;
use serde_json::Value;
use server::program;
use tempfile::TempDir;

/// Whether it went well, and all that it said.
fn run(data: &Path, arguments: &[&str]) -> (bool, String) {
    let output = program(arguments).args(["--data", data.to_str().unwrap()]).output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8(said).unwrap())
}

/// The tiny pack with something else in its description.
fn pack(replaced: &[(&str, &str)]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for file in ["detector.onnx", "embedder.onnx"] {
        fs::copy(tiny_pack().join(file), folder.path().join(file)).unwrap();
    }
    let mut text = fs::read_to_string(tiny_pack().join("pack.toml")).unwrap();
    for (from, to) in replaced {
        assert!(text.contains(from), "{from}");
        text = text.replace(from, to);
    }
    fs::write(folder.path().join("pack.toml"), text).unwrap();
    folder
}

fn path(folder: &TempDir) -> &str {
    folder.path().to_str().unwrap()
}

/// Two people, one picture of which shows nobody.
fn photos() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, picture) in [
        ("ann/1.png", portrait(1)),
        ("ann/2.png", portrait(2)),
        ("bob/1.png", portrait(3)),
        ("bob/2.png", wall(90, 90)),
    ] {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, encoded(picture, ImageFormat::Png)).unwrap();
    }
    folder
}

/// The database as it is exported: everything, pictures too.
fn exported(data: &Path, name: &str) -> Vec<Value> {
    let to = data.join(name);
    let (ok, said) = run(data, &["export", "--database", "people", to.to_str().unwrap()]);
    assert!(ok, "{said}");
    fs::read_to_string(to).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn without_embeddings(mut rows: Vec<Value>) -> Vec<Value> {
    for row in &mut rows {
        row.as_object_mut().unwrap().remove("embedding");
        row.as_object_mut().unwrap().remove("model");
    }
    rows
}

/// Rows of which another embedding is told by `other`.
fn n_other(rows: &[Value], other: &[Value]) -> usize {
    rows.iter().zip(other).filter(|(row, other)| row.get("embedding") != other.get("embedding")).count()
}

#[test]
fn a_database_moves_to_another_pack_with_all_its_pictures() {
    let (data, photos) = (tempfile::tempdir().unwrap(), photos());
    let data = data.path();
    let tiny = tiny_pack();
    let import = |pack: &str| run(data, &["import", "--database", "people", "--pack", pack, path(&photos)]);
    let (ok, said) = import(tiny.to_str().unwrap());
    assert!(ok && said.contains("trained: 3, not trained: 1"), "{said}");
    let before = exported(data, "before.jsonl");

    let other = pack(&[("mean = 127.5", "mean = 60.5")]); // of the same name
    fs::copy(photos.path().join("bob/1.png"), photos.path().join("bob/3.png")).unwrap();
    let (ok, said) = import(path(&other));
    assert!(!ok && said.contains("and this server trains by another 'tiny', with the fingerprint"), "{said}");
    assert!(said.contains("`faceclique retrain`"), "{said}");

    let (ok, said) = run(data, &["retrain", "--database", "people", "--pack", path(&other)]);
    assert!(ok && said.contains("'people' is bound to the model 'tiny' (fingerprint "), "{said}");
    assert!(said.contains("), before to 'tiny' (fingerprint "), "{said}");
    assert!(said.contains("'people': 5 pictures of 2 identities looked at in"), "{said}");
    assert!(said.contains("trained: 4, not trained: 1") && said.contains("bob       2        noface"), "{said}");
    let after = exported(data, "after.jsonl");
    assert_eq!(without_embeddings(after[..4].to_vec()), without_embeddings(before.clone()));
    assert_eq!(n_other(&after[..4], &before), 3, "every embedding is another");
    let (ok, said) = import(path(&other));
    assert!(ok && said.contains("0 pictures of 2 identities"), "{said}");

    let (ok, said) = run(data, &["retrain", "--database", "people", "--pack", path(&other)]);
    assert!(ok && said.contains("), as before\n"), "{said}");
    assert_eq!(exported(data, "same.jsonl"), after);

    let back = pack(&[("name = \"tiny\"", "name = \"small\"")]);
    let (ok, said) = run(data, &["retrain", "--database", "people", "--pack", path(&back), "--threads", "1"]);
    assert!(ok && said.contains("bound to the model 'small' (fingerprint "), "{said}");
    let again = exported(data, "again.jsonl");
    assert_eq!(n_other(&again[..4], &before), 0, "the same models make the same embeddings");
}

#[test]
fn what_cannot_be_moved_is_refused_and_left_as_it_is() {
    let (data, photos) = (tempfile::tempdir().unwrap(), photos());
    let data = data.path();
    let tiny = tiny_pack();
    let tiny = tiny.to_str().unwrap();
    let faces = data.join("faces.jsonl");
    let numbers = vec!["0.5"; 32].join(",");
    fs::write(&faces, format!("{{\"identifier\":\"cid\",\"imagelabel\":\"1\",\"embedding\":[{numbers}]}}\n")).unwrap();
    let add = ["import", "--database", "people", "--pack", tiny, "--model", "tiny", faces.to_str().unwrap()];
    assert!(run(data, &["import", "--database", "people", "--pack", tiny, path(&photos)]).0);
    assert!(run(data, &add).0);
    let before = exported(data, "before.jsonl");
    let other = pack(&[("name = \"tiny\"", "name = \"small\""), ("mean = 127.5", "mean = 60.5")]);
    for (arguments, expected) in [
        (vec!["--database", "people", "--pack", path(&other)], "1 trained images of 'database=people' have no picture"),
        (vec!["--database", "people", "--pack", path(&other)], "the first is 'imagelabel=1' of 'identifier=cid'"),
        (
            vec!["--database", "people", "--pack", path(&other)],
            "--drop-without-picture moves the database without them",
        ),
        (vec!["--database", "lost", "--pack", path(&other)], "'database=lost' does not exist"),
        (vec!["--database", "people", "--pack", "sface"], "`faceclique models` lists the packs"),
        (vec!["--database", "people"], "--pack <PACK>"),
    ] {
        let (ok, said) = run(data, &[vec!["retrain"], arguments].concat());
        assert!(!ok && said.contains(expected), "{expected}: {said}");
    }
    assert_eq!(exported(data, "refused.jsonl"), before);
    let arguments = ["retrain", "--database", "people", "--pack", path(&other), "--drop-without-picture"];
    let (ok, said) = run(data, &arguments);
    assert!(ok && said.contains("embeddings dropped: 1 of images without a picture"), "{said}");
    assert!(said.contains("trained: 3, not trained: 2") && said.contains("cid       1        nodata"), "{said}");
}
