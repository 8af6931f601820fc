//! What a pack asks of a face: below it an image is failed with the values, or trained with a warning, as the pack says.
#![cfg(all(feature = "server", feature = "vision"))]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[path = "support/drawn.rs"]
mod drawn;
#[path = "support/server.rs"]
mod server;

use std::fs;
use std::path::Path;

use drawn::{encoded, portrait, tiny_pack};
use image::ImageFormat;
use server::{Server, between};

/// A server whose pack asks for more sharpness than there is.
fn start(folder: &Path, below: &str) -> Server {
    let (data, pack) = (folder.join("data"), folder.join("pack"));
    fs::create_dir_all(&data).unwrap();
    fs::create_dir_all(&pack).unwrap();
    for file in ["detector.onnx", "embedder.onnx"] {
        fs::copy(tiny_pack().join(file), pack.join(file)).unwrap();
    }
    let text = fs::read_to_string(tiny_pack().join("pack.toml")).unwrap();
    let text = text.replace("min_sharpness = 20", "min_sharpness = 50000");
    fs::write(pack.join("pack.toml"), text.replace("below = \"warn\"", &format!("below = \"{below}\""))).unwrap();
    Server::start_with(&data, &["--pack", pack.to_str().unwrap()])
}

/// Adds a picture of a face and trains it.
fn train(server: &Server) {
    for target in ["/action=CreateFaceDatabase&database=people", "/action=NewFace&database=people&identifier=ann"] {
        done(server, target);
    }
    let picture = encoded(portrait(1), ImageFormat::Png);
    let target = "/action=AddFaceImages&database=people&identifier=ann&imagelabels=one";
    assert!(server.post(target, &[("imagedata", "image/png", &picture)]).contains("SUCCESS"));
    let token = server.submit("/action=BuildAllFaces&database=people");
    assert!(server.ended("BuildAllFaces", &token).contains("<status>Finished</status>"));
}

fn done(server: &Server, target: &str) {
    let answer = server.get(target);
    assert!(answer.contains("<response>SUCCESS</response>"), "{answer}");
}

fn image(server: &Server, database: &str, asked: &str) -> String {
    let list = server.get(&format!("/action=ListFaces&database={database}&imagestatus=true&{asked}"));
    between(&list, "<image>", "</image>").to_owned()
}

const SENTENCE: &str = "the sharpness of the face is ";

#[test]
fn a_face_below_a_limit_is_failed_with_its_value_and_the_limit() {
    let folder = tempfile::tempdir().unwrap();
    let server = start(folder.path(), "fail");
    train(&server);
    let told = image(&server, "people", "failreason=true&facts=true");
    assert!(told.contains(&format!("<reason>noface</reason><detail>{SENTENCE}")), "{told}");
    assert!(told.contains(", at least 50000.00 is asked for</detail>") && !told.contains("<facts>"), "{told}");
    let documented = image(&server, "people", "failreason=true");
    assert!(documented.ends_with("<reason>noface</reason>"), "only when asked: {documented}");
}

#[test]
fn a_face_trained_with_a_warning_keeps_its_facts_wherever_it_goes_until_its_training_is_lost() {
    let folder = tempfile::tempdir().unwrap();
    let server = start(folder.path(), "warn");
    train(&server);
    let told = image(&server, "people", "facts=true");
    assert!(told.contains(&format!("<warnings><warning>{SENTENCE}")), "{told}");
    assert!(!image(&server, "people", "failreason=true").contains("facts"), "only when asked");
    let facts = between(&told, "<facts>", "</facts>");
    for target in [
        "/action=RelabelFaceImage&database=people&identifier=ann&imagelabel=one&newimagelabel=two",
        "/action=RenameFace&database=people&identifier=ann&newidentifier=bob",
        "/action=CreateFaceDatabase&database=staff",
        "/action=MoveFace&database=people&identifier=bob&newdatabase=staff",
    ] {
        done(&server, target);
    }
    assert_eq!(between(&image(&server, "staff", "facts=true"), "<facts>", "</facts>"), facts);
    // a database of another model takes the picture without its training
    server.import("others", b"identifier,imagelabel,e0,e1\nzoe,1,1,0\n");
    done(&server, "/action=MoveFace&database=staff&identifier=bob&newdatabase=others");
    let moved = image(&server, "others", "facts=true");
    assert!(moved.contains("<status>untrained</status>") && !moved.contains("<facts>"), "{moved}");
    let crop = "/action=GetFaceImage&database=others&identifier=bob&imagelabel=two&crop=true";
    assert!(server.get(crop).contains("it was not trained from its pixels by this program"));
    // without pixels there is nothing to cut
    done(&server, "/action=NullFaceImageData&database=others&identifier=bob");
    assert!(server.get(crop).contains("<errorid>FACECLIQUEGETFACEIMAGE44</errorid>"));
}
