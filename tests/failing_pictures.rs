//! Every kind of failing picture through the real server: each says why, and nothing is lost.
//!
//! Each picture is an image of a face of its own, between two good ones: these are trained whatever comes of it, and all
//! three can be had back byte for byte. What came of each is printed as a table (`--nocapture`). Drawn pictures and the tiny
//! pack always; photos and a real model where they are.
#![cfg(all(feature = "server", feature = "vision"))]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[path = "support/cmyk.rs"]
mod cmyk;
#[path = "support/drawn.rs"]
mod drawn;
#[path = "support/server.rs"]
mod server;
mod support;

use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::path::Path;

use cmyk::{cmyk_jpeg, cmyk_tiff};
use drawn::{draw, encoded, png_header, portrait, tiny_pack, wall, with_orientation};
use faceclique::face::Embedding;
use faceclique::kernel::dot;
use faceclique::vision::READY_PACKS;
use image::imageops::{FilterType, resize};
use image::metadata::Orientation;
use image::{DynamicImage, ImageFormat, RgbImage};
use serde_json::Value;
use server::{Server, between, program};
use support::data;

/// A picture, and what is expected of it.
struct Case {
    what: &'static str,
    picture: Vec<u8>,
    becomes: Becomes,
}

/// What becomes of a picture.
enum Becomes {
    /// Failed with this reason.
    Failed(&'static str),
    /// Trained; the embedding has at least this cosine to that of the good picture, which shows the same.
    Trained(f64),
}

use Becomes::{Failed, Trained};

/// Stored again as a JPEG, a picture of the same face loses up to 0.03; lying or mirrored it would be far from this.
const TURNED: f64 = 0.95;

fn case(what: &'static str, picture: Vec<u8>, becomes: Becomes) -> Case {
    Case { what, picture, becomes }
}

fn png(image: impl Into<DynamicImage>) -> Vec<u8> {
    encoded(image, ImageFormat::Png)
}

/// The picture as a camera stores it that was turned, with the orientation that says so.
fn turned(image: &DynamicImage, orientation: u8) -> Vec<u8> {
    // 6 and 8 undo each other, the others themselves
    let undone = match orientation {
        6 => 8,
        8 => 6,
        other => other,
    };
    let mut image = image.clone();
    image.apply_orientation(Orientation::from_exif(undone).unwrap());
    with_orientation(&encoded(image, ImageFormat::Jpeg), orientation)
}

/// What fails, or is uncommon and does not, made of a picture of a person; `grey` is what becomes of it without colours.
fn cases(person: &DynamicImage, grey: Becomes) -> Vec<Case> {
    let jpeg = encoded(person.clone(), ImageFormat::Jpeg);
    vec![
        case("no face", png(wall(90, 70)), Failed("noface")),
        case("1 x 1", png(wall(1, 1)), Failed("noface")),
        case("half a JPEG", jpeg[..jpeg.len() / 2].to_vec(), Failed("unreadable")),
        case("a JPEG without its end", jpeg[..jpeg.len() - 2].to_vec(), Failed("unreadable")),
        case("a PNG header of 65000 x 65000", png_header(65_000, 65_000), Failed("toolarge")),
        case("a PNG header alone", png_header(65, 65), Failed("unreadable")),
        case("a text file", b"Dear Ann, here is the picture.".to_vec(), Failed("unreadable")),
        case("EXIF orientation 3", turned(person, 3), Trained(TURNED)),
        case("EXIF orientation 6", turned(person, 6), Trained(TURNED)),
        case("EXIF orientation 8", turned(person, 8), Trained(TURNED)),
        case("EXIF orientation 5", turned(person, 5), Trained(TURNED)),
        case("grey", encoded(person.to_luma8(), ImageFormat::Jpeg), grey),
        case("16 bits a channel", png(person.to_rgb16()), Trained(0.9999)),
        case("CMYK TIFF", cmyk_tiff(&person.to_rgb8()), Trained(0.999)),
    ]
}

fn success(answer: &str) -> &str {
    assert!(answer.contains("<response>SUCCESS</response>"), "{answer}");
    answer
}

/// A server that trains by the pack in a folder and may export into its data directory.
fn start(data: &Path, pack: &Path) -> Server {
    let file = data.join("faceclique.toml");
    let config = format!(
        "[paths]\nallowed_output_directories = ['{}']\n[vision]\npack = '{}'\n",
        data.display(),
        pack.display()
    );
    fs::write(&file, config).unwrap();
    Server::start_with(data, &["--config", file.to_str().unwrap()])
}

/// Uploads the cases, trains them, and says what each became.
fn judge(title: &str, pack: &Path, good: &[u8], cases: &[Case]) {
    let data = tempfile::tempdir().unwrap();
    let server = start(data.path(), pack);
    success(&server.get("/action=CreateFaceDatabase&database=people"));
    let mut table = format!("\n| {title} | status | reason | cosine to the good one |\n");
    for (nth, case) in cases.iter().enumerate() {
        success(&server.get(&format!("/action=NewFace&database=people&identifier=face{nth:02}")));
        let target =
            format!("/action=AddFaceImages&database=people&identifier=face{nth:02}&imagelabels=before,it,behind");
        success(
            &server
                .post(&target, &[("imagedata", "", good), ("imagedata", "", &case.picture), ("imagedata", "", good)]),
        );
        let job = server.submit(&format!("/action=BuildFace&database=people&identifier=face{nth:02}"));
        let built = server.ended("BuildFace", &job);
        let n_trained = if matches!(case.becomes, Trained(_)) { 3 } else { 2 };
        let counts = format!("<numImages>3</numImages><numTrained>{n_trained}</numTrained>");
        assert!(built.contains("<status>Finished</status>") && built.contains(&counts), "{}: {built}", case.what);
        for (label, picture) in [("before", good), ("it", &case.picture), ("behind", good)] {
            let image = format!("database=people&identifier=face{nth:02}&imagelabel={label}");
            let request =
                format!("GET /action=GetFaceImage&{image} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
            assert!(server.raw(request.as_bytes()).1 == picture, "{}: {label} is not what was stored", case.what);
        }
    }
    let (images, embeddings) = (listed(&server), exported(&server, data.path()));
    for (nth, case) in cases.iter().enumerate() {
        let face = format!("face{nth:02}");
        let of = |label: &str| images[&format!("{face}/{label}")].clone();
        let trained = ("trained".to_owned(), String::new());
        assert_eq!((of("before"), of("behind")), (trained.clone(), trained), "{}", case.what);
        let (status, reason) = of("it");
        let cosine = embeddings.get(&format!("{face}/it")).map(|it| {
            let good = &embeddings[&format!("{face}/before")];
            dot(it.values(), good.values())
        });
        let shown = cosine.map_or_else(String::new, |cosine| format!("{cosine:.4}"));
        table += &format!("| {} | {status} | {reason} | {shown} |\n", case.what);
        match case.becomes {
            Failed(expected) => assert_eq!((&*status, &*reason, cosine), ("failed", expected, None), "{}", case.what),
            Trained(least) => assert!(status == "trained" && cosine.unwrap() >= least, "{}{table}", case.what),
        }
    }
    let _ = writeln!(std::io::stderr(), "{table}");
}

/// Status and reason of each image by `identifier/label`, as ListFaces says.
fn listed(server: &Server) -> BTreeMap<String, (String, String)> {
    let list = server.get("/action=ListFaces&database=people&imagestatus=true&failreason=true&maxresults=1000");
    let mut images = BTreeMap::new();
    for face in list.split("<identifier>").skip(1) {
        let identifier = face.split('<').next().unwrap();
        for image in face.split("<image>").skip(1) {
            let reason = image.split_once("<reason>").map_or("", |(_, rest)| rest.split('<').next().unwrap());
            let name = format!("{identifier}/{}", between(image, "<label>", "<"));
            images.insert(name, (between(image, "<status>", "<").to_owned(), reason.to_owned()));
        }
    }
    images
}

/// The embeddings by `identifier/label`.
fn exported(server: &Server, folder: &Path) -> BTreeMap<String, Embedding> {
    let path = folder.join("people.jsonl");
    let target = format!("/action=ExportFaceDatabase&database=people&includeimagedata=false&dbpath={}", path.display());
    let answer = server.ended("ExportFaceDatabase", &server.submit(&target));
    assert!(answer.contains("<status>Finished</status>"), "{answer}");
    let mut embeddings = BTreeMap::new();
    for line in fs::read_to_string(path).unwrap().lines() {
        let record: Value = serde_json::from_str(line).unwrap();
        let Some(values) = record["embedding"].as_array() else { continue };
        let values: Vec<f32> = values.iter().map(|value| value.as_f64().unwrap() as f32).collect();
        let name = format!("{}/{}", record["identifier"].as_str().unwrap(), record["imagelabel"].as_str().unwrap());
        embeddings.insert(name, Embedding::new(values).unwrap());
    }
    embeddings
}

#[test]
fn a_drawn_picture_that_fails_says_why_and_takes_nothing_with_it() {
    let person = DynamicImage::from(portrait(3));
    // the tiny pack finds faces by the colours of their spots
    let mut cases = cases(&person, Failed("noface"));
    let mut two = wall(600, 300);
    draw(&mut two, 1, (150.0, 150.0), 40.0);
    draw(&mut two, 2, (450.0, 150.0), 40.0);
    cases.push(case("two equal faces", png(two), Failed("severalfaces")));
    let mut small = wall(100, 100);
    draw(&mut small, 1, (50.0, 50.0), 8.5);
    cases.push(case("a small face", png(small), Failed("toosmall")));
    let mut blocks = wall(50, 60);
    draw(&mut blocks, 3, (25.0, 30.0), 10.0);
    let large: RgbImage = resize(&blocks, 400, 480, FilterType::Nearest);
    judge("drawn", &tiny_pack(), &png(person), &cases);
    judge("four inks", &tiny_pack(), &png(large), &[case("CMYK JPEG", cmyk_jpeg(&blocks), Trained(0.999))]);
}

/// A folder with a ready pack and its models; `change` may alter the description.
fn ready(folder: &Path, models: &Path, name: &str, change: impl Fn(&str) -> String) {
    let (_, description) = READY_PACKS.into_iter().find(|(ready, _)| *ready == name).unwrap();
    fs::write(folder.join("pack.toml"), change(description)).unwrap();
    for model in fs::read_dir(models).unwrap() {
        let model = model.unwrap();
        fs::copy(model.path(), folder.join(model.file_name())).unwrap();
    }
}

#[test]
fn a_photo_that_fails_says_why_and_takes_nothing_with_it() {
    let Some(data) = data() else { return };
    let folder = data.join("photos");
    let mut faces: Vec<_> = fs::read_dir(&folder).unwrap().map(|face| face.unwrap().path()).collect();
    faces.sort();
    let mut photos: Vec<_> = fs::read_dir(&faces[0]).unwrap().map(|photo| photo.unwrap().path()).collect();
    photos.sort();
    let good = fs::read(&photos[0]).unwrap();
    let mut cases = cases(&image::load_from_memory(&good).unwrap(), Trained(0.7));
    for (what, file) in [("several faces, bbt1", "bbt1.jpg"), ("several faces, bbt2", "bbt2.jpg")] {
        cases.push(case(what, fs::read(data.join("photos_group").join(file)).unwrap(), Failed("severalfaces")));
    }
    for name in ["face-reid-retail-0095", "mobilefacenet-y1"] {
        let pack = tempfile::tempdir().unwrap();
        ready(pack.path(), &data.join("models"), name, str::to_owned);
        judge(name, pack.path(), &good, &cases);
    }
}

/// What a server says that does not start with this pack.
fn refusal(pack: &Path) -> String {
    let data = tempfile::tempdir().unwrap();
    let (data, pack) = (data.path().to_str().unwrap(), pack.to_str().unwrap());
    let flags = ["serve", "--data", data, "--listen", "127.0.0.1:0", "--service-listen", "off", "--pack", pack];
    let output = program(&flags).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.code() == Some(1) && output.stdout.is_empty(), "it has started: {said}");
    assert!(!said.contains("panicked"), "{said}");
    let _ = writeln!(std::io::stderr(), "{}", said.trim());
    said
}

/// The value of the `nth` key `sha256` of a description, from 1.
fn sha256(text: &str, nth: usize) -> String {
    text.split("sha256 = \"").nth(nth).unwrap()[..64].to_owned()
}

#[test]
fn a_server_does_not_start_with_a_model_that_was_tampered_with_or_has_another_shape() {
    let pack = tempfile::tempdir().unwrap();
    for file in ["pack.toml", "detector.onnx", "embedder.onnx"] {
        fs::copy(tiny_pack().join(file), pack.path().join(file)).unwrap();
    }
    let text = fs::read_to_string(pack.path().join("pack.toml")).unwrap();
    for (nth, file) in [(1, "detector.onnx"), (2, "embedder.onnx")] {
        let path = pack.path().join(file);
        let whole = fs::read(&path).unwrap();
        let mut bytes = whole.clone();
        bytes[whole.len() / 2] ^= 1;
        fs::write(&path, bytes).unwrap();
        let said = refusal(pack.path());
        let expected = format!("the pack says {}", sha256(&text, nth));
        assert!(said.contains(&format!("'{file}' has the SHA-256 ")) && said.contains(&expected), "{said}");
        fs::write(&path, whole).unwrap();
    }
    for (from, to, expected) in [
        (
            "dimension = 32",
            "dimension = 31",
            "'embedder.onnx' does not fit: its output has 32 numbers [1, 32], the pack says dimension = 31",
        ),
        ("size = 32", "size = 40", "'embedder.onnx' does not fit: its input is 32 x 32, the pack says size = 40"),
    ] {
        fs::write(pack.path().join("pack.toml"), text.replace(from, to)).unwrap();
        let said = refusal(pack.path());
        assert!(said.contains(expected), "{said}");
    }
    let swapped = text.replace("detector.onnx", "embedder.onnx").replace(&sha256(&text, 1), &sha256(&text, 2));
    fs::write(pack.path().join("pack.toml"), swapped).unwrap();
    let said = refusal(pack.path());
    assert!(said.contains("'embedder.onnx' does not fit: no output 'cls_8'"), "{said}");
}

#[test]
fn a_server_does_not_start_with_the_embedder_of_another_pack() {
    let Some(data) = data() else { return };
    let pack = tempfile::tempdir().unwrap();
    let (_, other) = READY_PACKS.into_iter().find(|(name, _)| *name == "mobilefacenet-y1").unwrap();
    ready(pack.path(), &data.join("models"), "face-reid-retail-0095", |text| {
        text.replace("face_reid_retail_0095.onnx", "mobilefacenet_y1_insightface.onnx")
            .replace(&sha256(text, 2), &sha256(other, 2))
    });
    let said = refusal(pack.path());
    assert!(said.contains("'mobilefacenet_y1_insightface.onnx' does not fit: "), "{said}");
}
