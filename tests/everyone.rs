//! `faceclique import --all-faces`: unsorted pictures of many people, of which every face becomes an identity.
#![cfg(all(feature = "server", feature = "vision"))]
#![allow(clippy::unwrap_used, clippy::print_stderr, reason = "a test that cannot go on panics, and says what it skips")]

#[path = "support/drawn.rs"]
mod drawn;
#[path = "support/server.rs"]
mod server;
mod support;

use std::fs;
use std::path::Path;

use drawn::{draw, encoded, portrait, tiny_pack, wall};
use faceclique::kernel::dot;
use faceclique::vision::{Apart, MAX_IMAGE_PIXELS, Pack, Picture, Pipeline, READY_PACKS};
use image::{ImageFormat, RgbImage};
use server::{Server, between, clusters, program};

fn png(image: RgbImage) -> Vec<u8> {
    encoded(image, ImageFormat::Png)
}

/// Two people.
fn group() -> Vec<u8> {
    let mut image = wall(700, 300);
    draw(&mut image, 1, (150.0, 150.0), 38.0);
    draw(&mut image, 2, (400.0, 150.0), 40.0);
    png(image)
}

fn import(data: &Path, pictures: &Path, more: &[&str]) -> (bool, String) {
    let (data, pictures, tiny) = (data.to_str().unwrap(), pictures.to_str().unwrap(), tiny_pack());
    let output = program(&["import", "--data", data, "--database", "unsorted", "--all-faces", pictures])
        .args(more)
        .args(["--pack", tiny.to_str().unwrap()])
        .output()
        .unwrap();
    (output.status.success(), String::from_utf8([output.stdout, output.stderr].concat()).unwrap())
}

#[test]
fn every_face_of_unsorted_pictures_becomes_an_identity_and_clustering_finds_who_is_whom() {
    let (data, pictures) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    fs::create_dir_all(pictures.path().join("a/b")).unwrap();
    let write = |name: &str, bytes: &[u8]| fs::write(pictures.path().join(name), bytes).unwrap();
    write("group.png", &group());
    write("a/b/ann & co.PNG", &png(portrait(1)));
    write("a/wall.png", &png(wall(80, 60)));
    write("a/broken.jpg", b"not a picture");
    let mut small = wall(100, 100);
    draw(&mut small, 1, (50.0, 50.0), 8.5);
    write("small.png", &png(small));
    write("a/notes.txt", b"not taken for one");
    let (ok, said) = import(data.path(), pictures.path(), &[]);
    assert!(ok && said.contains("'unsorted': 3 faces of 5 pictures in "), "{said}");
    for line in [
        "a/broken.jpg  unreadable: ",
        "a/wall.png    noface: no face was found",
        "small.png     toosmall: the face is ",
    ] {
        assert!(said.contains(line), "{line}: {said}");
    }
    write("b.png", &png(portrait(2)));
    let (ok, said) = import(data.path(), pictures.path(), &[]);
    assert!(
        ok && said.contains("'unsorted': 1 face of 4 pictures in ")
            && said.contains("the faces of 2 pictures were there before")
    );

    let server = Server::start_with(data.path(), &["--pack", tiny_pack().to_str().unwrap()]);
    let list = server.get("/action=ListFaces&database=unsorted&imagestatus=true&facts=true");
    let names: Vec<&str> = list.split("<identifier>").skip(1).map(|rest| rest.split('<').next().unwrap()).collect();
    assert_eq!(names, ["a/b/ann &amp; co.PNG#1", "b.png#1", "group.png#1", "group.png#2"]);
    let facts = between(&list, "<identifier>group.png#1<", "</images>");
    assert!(facts.contains("<numfaces>2</numfaces>") && facts.contains("<status>trained</status>"), "{facts}");
    // the same person in two pictures, each
    let token = server.submit("/action=FaceClustering&database=unsorted&clusterthreshold=90");
    let answer = server.ended("FaceClustering", &token);
    let found: Vec<usize> =
        clusters(&answer).split("<cluster>").skip(1).map(|cluster| cluster.matches("<face>").count()).collect();
    assert_eq!(found, [2, 2], "{answer}");
}

#[test]
fn a_folder_without_pictures_is_said_to_be_one() {
    let (data, pictures) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (ok, said) = import(data.path(), pictures.path(), &[]);
    assert!(!ok && said.contains("no picture is in it"), "{said}");
    let (ok, said) = import(data.path(), pictures.path(), &["--model", "tiny"]);
    assert!(!ok && said.contains("cannot be used with"), "{said}");
}

#[test]
fn a_face_cut_out_with_its_surroundings_is_found_again_and_is_the_same_person() {
    let Some(data) = support::data() else { return };
    for (name, description) in READY_PACKS {
        let Ok(pack) = Pack::read(description, &data.join("models")) else { continue };
        let pipeline = Pipeline::open(pack, MAX_IMAGE_PIXELS).unwrap();
        let (template, side) = pipeline.template();
        for file in ["bbt1.jpg", "bbt2.jpg"] {
            let photo = fs::read(data.join("photos_group").join(file)).unwrap();
            for (nth, face) in pipeline.look_apart(&photo).unwrap().into_iter().enumerate() {
                let Apart { seen, part } = face.unwrap();
                let bytes = part.fine_jpeg().unwrap();
                // by the landmarks that were kept, the embedder is shown what it was shown
                let stored = Picture::decode(&bytes, MAX_IMAGE_PIXELS).unwrap();
                let again = stored.aligned(&seen.facts.face.landmarks, &template, side).unwrap();
                let pixels = again.rgb().iter().zip(seen.crop.rgb());
                let apart = pixels.map(|(&a, &b)| f64::from(a.abs_diff(b))).sum::<f64>() / again.rgb().len() as f64;
                assert!(apart < 2.0, "{name}, {file}, face {}: {apart} levels a pixel", nth + 1);
                // found again it is the same person; the detector sees it larger than in a photo that was scaled down for
                // it, and puts the landmarks a little elsewhere
                let found = pipeline.look(&bytes);
                let Ok(found) = found else { panic!("{name}, {file}, face {}: {found:?}", nth + 1) };
                let cosine = dot(seen.embedding.values(), found.embedding.values());
                eprintln!("{name}, {file}, face {}: {apart:.2} levels, cosine {cosine:.4}", nth + 1);
                assert!(cosine >= 0.9, "{name}, {file}, face {}: {cosine}", nth + 1);
            }
        }
    }
}
