//! Real photos: boxes and embeddings agree with those that another runtime found.
//!
//! A part of the photos by default; all with `FACECLIQUE_ALL_PHOTOS=1`, as `make photos` does.
#![cfg(all(feature = "server", feature = "vision"))]
#![allow(clippy::unwrap_used, clippy::print_stderr, reason = "a test that cannot go on panics, and says what it skips")]

#[path = "support/drawn.rs"]
mod drawn;
#[path = "support/expected.rs"]
mod expected;
mod support;

use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use drawn::{encoded, with_orientation};
use expected::Expected;
use faceclique::face::FailReason;
use faceclique::kernel::dot;
use faceclique::vision::{LookError, MAX_IMAGE_PIXELS, Pack, Pipeline, READY_PACKS, Region, Seen};
use image::ImageFormat;
use support::data;

/// Of how many photos one is looked at by default.
const ONE_IN: usize = 8;

fn pipeline(data: &Path, name: &str) -> Pipeline {
    let (_, description) = READY_PACKS.into_iter().find(|(ready, _)| *ready == name).unwrap();
    Pipeline::open(Pack::read(description, &data.join("models")).unwrap(), MAX_IMAGE_PIXELS).unwrap()
}

/// What was seen of one photo.
struct Looked {
    /// Its largest face.
    seen: Option<Seen>,
    /// Whether that is clearly the one that is meant.
    is_chosen: bool,
    took: Duration,
}

/// Looks at each photo, with as many threads as there are processors.
fn look(pipeline: &Pipeline, photos: &[Vec<u8>]) -> Vec<Looked> {
    let next = AtomicUsize::new(0);
    let work = || {
        let mut done = Vec::new();
        while let at = next.fetch_add(1, Ordering::Relaxed)
            && let Some(photo) = photos.get(at)
        {
            let start = Instant::now();
            let one = pipeline.look(photo).ok();
            let (took, is_chosen) = (start.elapsed(), one.is_some());
            let largest = || pipeline.look_at_all(photo).unwrap().into_iter().next().and_then(Result::ok);
            done.push((at, Looked { seen: one.or_else(largest), is_chosen, took }));
        }
        done
    };
    let n_threads = thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let mut seen = thread::scope(|scope| {
        let threads: Vec<_> = (0..n_threads).map(|_| scope.spawn(work)).collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect::<Vec<_>>()
    });
    seen.sort_by_key(|(at, _)| *at);
    seen.into_iter().map(|(_, seen)| seen).collect()
}

fn agrees(pack: &str, embedder: &str) {
    let Some(data) = data() else { return };
    let expected = Expected::of(&data, embedder);
    let one_in = if std::env::var_os("FACECLIQUE_ALL_PHOTOS").is_some() { 1 } else { ONE_IN };
    let chosen: Vec<usize> = (0..expected.files.len()).step_by(one_in).collect();
    let photos: Vec<Vec<u8>> =
        chosen.iter().map(|&at| fs::read(data.join("photos").join(&expected.files[at])).unwrap()).collect();
    let pipeline = pipeline(&data, pack);
    let seen = look(&pipeline, &photos);

    let (mut n_boxes, mut cosines, mut n_chosen) = (0, Vec::new(), 0);
    let mut spent = Duration::ZERO;
    for (&at, Looked { seen, is_chosen, took }) in chosen.iter().zip(&seen) {
        let file = &expected.files[at];
        spent += *took;
        n_chosen += usize::from(*is_chosen);
        let Some(seen) = seen else {
            eprintln!("{file}: no face, expected {}", expected.n_faces[at]);
            cosines.push(0.0);
            continue;
        };
        let [x, y, width, height] = expected.boxes[at][..] else { panic!("a box has four numbers") };
        let overlap = seen.facts.face.region.overlap(&Region { x, y, width, height });
        let cosine = dot(seen.embedding.values(), &expected.embeddings[at]);
        if overlap < 0.9 || cosine < 0.98 {
            eprintln!("{file}: overlap {overlap:.3}, cosine {cosine:.4}, {} faces", seen.facts.n_faces);
        }
        n_boxes += usize::from(overlap >= 0.9);
        cosines.push(cosine);
    }
    let n = chosen.len();
    let n_close = cosines.iter().filter(|&&cosine| cosine >= 0.98).count();
    let mean = cosines.iter().sum::<f64>() / n as f64;
    let least = cosines.iter().copied().fold(1.0, f64::min);
    eprintln!(
        "| {pack} | photos | box IoU >= 0.9 | cosine >= 0.98 | mean cosine | least | one face chosen | ms a photo |"
    );
    eprintln!(
        "| | {n} | {n_boxes} | {n_close} | {mean:.5} | {least:.4} | {n_chosen} | {:.1} |",
        spent.as_secs_f64() * 1e3 / n as f64
    );
    assert!(n_boxes * 100 >= n * 99, "{n_boxes} of {n} boxes agree");
    assert!(n_close * 100 >= n * 97, "{n_close} of {n} embeddings agree");
    assert!(mean >= 0.99, "the mean cosine is {mean}");
}

#[test]
fn face_reidentification_retail_0095_agrees_with_another_runtime() {
    agrees("face-reid-retail-0095", "reid0095");
}

#[test]
fn mobilefacenet_agrees_with_another_runtime() {
    agrees("mobilefacenet-y1", "mobilefacenet_y1");
}

#[test]
fn a_photo_of_several_people_is_not_one_person() {
    let Some(data) = data() else { return };
    let pipeline = pipeline(&data, "face-reid-retail-0095");
    for file in ["bbt1.jpg", "bbt2.jpg"] {
        let photo = fs::read(data.join("photos_group").join(file)).unwrap();
        let Err(LookError::Unusable(unusable)) = pipeline.look(&photo) else { panic!("{file} has several faces") };
        eprintln!("{file}: {unusable}");
        assert_eq!(unusable.reason, FailReason::SeveralFaces);
        let all = pipeline.look_at_all(&photo).unwrap();
        assert!(all.len() > 1 && all.iter().all(Result::is_ok), "each of them can be trained alone");
    }
}

#[test]
fn a_detector_of_fixed_input_finds_the_same_face() {
    let Some(data) = data() else { return };
    let photo = fs::read(data.join("photos").join(&Expected::of(&data, "reid0095").files[0])).unwrap();
    let of_any_size = pipeline(&data, "face-reid-retail-0095").look(&photo).unwrap().facts.face.region;
    let (_, description) = READY_PACKS[0];
    let sha256 = description.split("sha256 = ").nth(1).unwrap()[..66].to_owned();
    for (file, fixed) in [
        ("yunet_n_320_320.onnx", "\"81dbde155e982455488235acb8ec2dec5d647edf7cf7080d33e4abb69b93a0d2\""),
        ("yunet_n_640_640.onnx", "\"25a606a145a5b6d7271ae138fbd00eba91dad8b83222ae3f2c7ecd0f4a7b0e31\""),
    ] {
        let text = description.replace("yunet_n_dynamic.onnx", file).replace(&sha256, fixed);
        let pack = Pack::read(&text, &data.join("models")).unwrap();
        let seen = Pipeline::open(pack, MAX_IMAGE_PIXELS).unwrap().look(&photo).unwrap();
        let overlap = seen.facts.face.region.overlap(&of_any_size);
        assert!(overlap > 0.8, "{file}: {overlap}");
    }
}

#[test]
fn a_photo_turned_grey_or_deep_shows_the_same_person() {
    let Some(data) = data() else { return };
    let pipeline = pipeline(&data, "face-reid-retail-0095");
    let photo = fs::read(data.join("photos").join(&Expected::of(&data, "reid0095").files[0])).unwrap();
    let image = image::load_from_memory(&photo).unwrap();
    let seen = pipeline.look(&encoded(image.clone(), ImageFormat::Png)).unwrap();
    let cosine = |other: &[u8]| dot(seen.embedding.values(), pipeline.look(other).unwrap().embedding.values());

    // shot with the camera on its side: stored turned to the left, 6 says to turn it to the right
    let turned = with_orientation(&encoded(image.rotate270(), ImageFormat::Jpeg), 6);
    assert!(cosine(&turned) > 0.98, "turned: {}", cosine(&turned));
    let grey = encoded(image.to_luma8(), ImageFormat::Jpeg);
    assert!(cosine(&grey) > 0.7, "grey: {}", cosine(&grey));
    let deep = encoded(image.to_rgb16(), ImageFormat::Png);
    assert_eq!(pipeline.look(&deep).unwrap(), seen, "of 16 bits a channel");
    let half = pipeline.look(&photo[..photo.len() / 2]);
    assert!(matches!(half, Err(LookError::Unusable(unusable)) if unusable.reason == FailReason::Unreadable));
}

#[test]
fn the_same_photo_gives_the_same_bits_on_every_thread() {
    let Some(data) = data() else { return };
    let pipeline = pipeline(&data, "face-reid-retail-0095");
    let photo = fs::read(data.join("photos").join(&Expected::of(&data, "reid0095").files[0])).unwrap();
    let first = pipeline.look(&photo).unwrap();
    for looked in look(&pipeline, &vec![photo; 9]) {
        assert_eq!(looked.seen.as_ref(), Some(&first));
    }
}
