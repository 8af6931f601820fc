//! The way from a picture to an embedding with the tiny pack and drawn faces: what is found, and why something is not.
#![cfg(feature = "vision")]
#![allow(clippy::unwrap_used, clippy::float_cmp, reason = "a test that cannot go on panics; equal bits are meant")]

#[path = "support/cmyk.rs"]
mod cmyk;
#[path = "support/drawn.rs"]
mod drawn;

use std::thread;

use cmyk::{cmyk_jpeg, cmyk_tiff};
use drawn::{draw, encoded, png_header, portrait, tiny_pack, wall, with_orientation};
use faceclique::face::FailReason;
use faceclique::kernel::dot;
use faceclique::vision::{LookError, MAX_IMAGE_PIXELS, Pack, Picture, Pipeline, Seen, Unusable};
use image::imageops::{FilterType, resize};
use image::metadata::Orientation;
use image::{DynamicImage, ImageFormat};

const FORMATS: [ImageFormat; 6] =
    [ImageFormat::Jpeg, ImageFormat::Png, ImageFormat::WebP, ImageFormat::Bmp, ImageFormat::Gif, ImageFormat::Tiff];

fn pipeline() -> Pipeline {
    Pipeline::open(Pack::open(&tiny_pack()).unwrap(), MAX_IMAGE_PIXELS).unwrap()
}

fn png(image: impl Into<DynamicImage>) -> Vec<u8> {
    encoded(image, ImageFormat::Png)
}

fn refusal(looked: Result<Seen, LookError>) -> Unusable {
    match looked {
        Err(LookError::Unusable(unusable)) => unusable,
        other => panic!("{other:?}"),
    }
}

fn cosine(a: &Seen, b: &Seen) -> f64 {
    dot(a.embedding.values(), b.embedding.values())
}

#[test]
fn a_drawn_face_is_found_where_it_was_drawn() {
    let pipeline = pipeline();
    let mut image = wall(500, 400);
    draw(&mut image, 1, (300.0, 150.0), 50.0);
    let seen = pipeline.look(&png(image)).unwrap();
    assert_eq!((pipeline.name(), pipeline.dimension(), seen.embedding.dimension()), ("tiny", 32, 32));
    let expected = [(275.0, 121.5), (325.0, 121.5), (300.0, 150.0), (279.3, 179.25), (320.7, 179.25)];
    for (found, (x, y)) in seen.facts.face.landmarks.iter().zip(expected) {
        assert!((found.x - x).abs() < 1.0 && (found.y - y).abs() < 1.0, "{found:?} is not ({x}, {y})");
    }
    assert!((seen.facts.width() - 110.0).abs() < 3.0, "{}", seen.facts.width());
    assert!(
        seen.facts.frontalness > 0.97 && seen.facts.face.score > 0.8 && seen.facts.n_faces == 1,
        "{:?}",
        seen.facts
    );
    assert_eq!((seen.crop.width(), seen.crop.height()), (32, 32));
    assert_eq!(seen.warnings, []);
}

#[test]
fn one_person_is_nearer_than_two_whatever_size_and_place() {
    let pipeline = pipeline();
    let look = |person, nose, eyes| {
        let mut image = wall(420, 400);
        draw(&mut image, person, nose, eyes);
        pipeline.look(&png(image)).unwrap()
    };
    let (ann, again, bob) =
        (look(1, (100.0, 120.0), 40.0), look(1, (217.0, 222.0), 71.0), look(2, (100.0, 120.0), 40.0));
    assert!(cosine(&ann, &again) > 0.95, "{}", cosine(&ann, &again));
    assert!(cosine(&ann, &bob) < 0.9, "{}", cosine(&ann, &bob));
}

#[test]
fn every_format_is_understood() {
    let pipeline = pipeline();
    let original = pipeline.look(&png(portrait(3))).unwrap();
    for format in FORMATS {
        let seen = pipeline.look(&encoded(portrait(3), format)).unwrap();
        assert!(cosine(&original, &seen) > 0.98, "{format:?}: {}", cosine(&original, &seen));
    }
    for deep in
        [DynamicImage::from(portrait(3)).into_rgb16().into(), DynamicImage::from(portrait(3)).into_rgba8().into()]
    {
        let deep: DynamicImage = deep;
        assert_eq!(pipeline.look(&png(deep.clone())).unwrap(), original, "{:?}", deep.color());
    }
}

#[test]
fn a_grey_picture_is_read_although_its_face_has_no_colours() {
    let grey = DynamicImage::from(portrait(3)).into_luma8();
    for format in [ImageFormat::Png, ImageFormat::Jpeg] {
        let bytes = encoded(grey.clone(), format);
        assert_eq!(refusal(pipeline().look(&bytes)).reason, FailReason::NoFace, "{format:?}");
        let picture = Picture::decode(&bytes, MAX_IMAGE_PIXELS).unwrap();
        assert!(picture.rgb().chunks(3).all(|pixel| pixel[0] == pixel[1] && pixel[1] == pixel[2]));
    }
}

#[test]
fn a_picture_of_four_inks_is_seen_in_its_colours() {
    let pipeline = pipeline();
    let mut small = wall(50, 60);
    draw(&mut small, 3, (25.0, 30.0), 10.0);
    let large = resize(&small, 400, 480, FilterType::Nearest);
    let original = pipeline.look(&png(large.clone())).unwrap();
    for (kind, bytes) in [("JPEG", cmyk_jpeg(&small)), ("TIFF", cmyk_tiff(&large))] {
        let seen = pipeline.look(&bytes).unwrap();
        assert!(cosine(&original, &seen) > 0.999, "{kind}: {}", cosine(&original, &seen));
    }
}

#[test]
fn a_picture_is_turned_as_its_orientation_says() {
    let pipeline = pipeline();
    let upright = pipeline.look(&encoded(portrait(3), ImageFormat::Jpeg)).unwrap();
    for number in 1..=8 {
        // 6 and 8 undo each other, the others themselves
        let undone = Orientation::from_exif(match number {
            6 => 8,
            8 => 6,
            other => other,
        })
        .unwrap();
        let mut image = DynamicImage::from(portrait(3));
        image.apply_orientation(undone);
        let jpeg = encoded(image, ImageFormat::Jpeg);
        let seen = pipeline.look(&with_orientation(&jpeg, number)).unwrap();
        assert!(cosine(&upright, &seen) > 0.98, "orientation {number}: {}", cosine(&upright, &seen));
        if number != 1 {
            assert_eq!(
                refusal(pipeline.look(&jpeg)).reason,
                FailReason::NoFace,
                "the face lies, stands on its head or is mirrored"
            );
        }
    }
}

#[test]
fn what_cannot_be_trained_has_its_reason() {
    let pipeline = pipeline();
    let mut two = wall(600, 300);
    draw(&mut two, 1, (150.0, 150.0), 40.0);
    draw(&mut two, 2, (450.0, 150.0), 38.0);
    let mut small = wall(100, 100);
    draw(&mut small, 1, (50.0, 50.0), 8.5);
    let jpeg = encoded(portrait(1), ImageFormat::Jpeg);
    let cases: [(&str, Vec<u8>, FailReason, &str); 12] = [
        ("nothing", vec![], FailReason::NoData, "the picture has 0 bytes"),
        ("a text", b"Dear Ann, here is the picture.".to_vec(), FailReason::Unreadable, "like no kind of picture"),
        ("a wall", png(wall(90, 70)), FailReason::NoFace, "no face was found"),
        ("1 x 1", png(wall(1, 1)), FailReason::NoFace, "no face was found"),
        ("1 x 3000", png(wall(1, 3000)), FailReason::NoFace, "no face was found"),
        ("two faces", png(two), FailReason::SeveralFaces, "2 faces, the second largest with 90 %"),
        ("a small face", png(small), FailReason::TooSmall, "pixels wide, at least 20.0 are needed"),
        ("half a JPEG", jpeg[..jpeg.len() / 2].to_vec(), FailReason::Unreadable, "end before the picture does"),
        ("a JPEG without its end", jpeg[..jpeg.len() - 2].to_vec(), FailReason::Unreadable, "end before"),
        ("half a PNG", png(portrait(1))[..900].to_vec(), FailReason::Unreadable, "cannot be read"),
        (
            "a bomb",
            png_header(65_000, 65_000),
            FailReason::TooLarge,
            "65000 x 65000 = 4225000000 pixels, at most 100000000",
        ),
        ("a header", png_header(65, 65), FailReason::Unreadable, "cannot be read"),
    ];
    for (what, bytes, reason, detail) in cases {
        let refused = refusal(pipeline.look(&bytes));
        assert_eq!(refused.reason, reason, "{what}: {refused}");
        assert!(refused.detail.contains(detail), "{what}: {refused}");
    }
}

#[test]
fn no_more_pixels_than_allowed_are_decoded() {
    for format in FORMATS {
        let bytes = encoded(portrait(1), format);
        assert!(Picture::decode(&bytes, 200 * 240).is_ok(), "{format:?}");
        let refused = Picture::decode(&bytes, 200 * 240 - 1).unwrap_err();
        assert_eq!(refused.reason, FailReason::TooLarge);
        assert!(refused.detail.contains("200 x 240 = 48000 pixels, at most 47999"), "{format:?}: {refused}");
    }
}

#[test]
fn a_face_clearly_larger_than_the_others_is_chosen() {
    let pipeline = pipeline();
    let mut image = wall(600, 300);
    draw(&mut image, 2, (450.0, 150.0), 25.0);
    draw(&mut image, 1, (150.0, 150.0), 40.0);
    let bytes = png(image);
    let seen = pipeline.look(&bytes).unwrap();
    assert!(seen.facts.face.region.x < 300.0 && seen.facts.n_faces == 2);
    let all: Vec<Seen> = pipeline.look_at_all(&bytes).unwrap().into_iter().map(Result::unwrap).collect();
    assert_eq!(all.len(), 2, "each can be trained alone");
    assert_eq!(all[0], seen, "the largest first");
    assert!(pipeline.look_at_all(&png(wall(50, 50))).unwrap().is_empty());
}

#[test]
fn a_face_below_a_threshold_is_trained_with_a_warning_or_not_at_all() {
    let mut text = std::fs::read_to_string(tiny_pack().join("pack.toml")).unwrap();
    let open = |text: &str| Pipeline::open(Pack::read(text, &tiny_pack()).unwrap(), MAX_IMAGE_PIXELS).unwrap();
    text = text.replace("min_sharpness = 20", "min_sharpness = 50000");
    let seen = open(&text).look(&png(portrait(1))).unwrap();
    assert_eq!(seen.warnings.len(), 1, "{:?}", seen.facts);
    let warning = seen.warnings[0].to_string();
    assert!(warning.starts_with("the sharpness of the face is "), "{warning}");
    text = text.replace("below = \"warn\"", "below = \"fail\"");
    let refused = refusal(open(&text).look(&png(portrait(1))));
    assert_eq!((refused.reason, refused.detail), (FailReason::NoFace, warning));
}

#[test]
fn the_same_picture_gives_the_same_bits_on_every_thread() {
    let pipeline = pipeline();
    let bytes = encoded(portrait(5), ImageFormat::Jpeg);
    let first = pipeline.look(&bytes).unwrap();
    thread::scope(|scope| {
        let threads: Vec<_> = (0..4)
            .map(|_| scope.spawn(|| (0..5).map(|_| pipeline.look(&bytes).unwrap()).collect::<Vec<_>>()))
            .collect();
        for seen in threads.into_iter().flat_map(|thread| thread.join().unwrap()) {
            assert_eq!(seen, first);
        }
    });
    assert_eq!(self::pipeline().look(&bytes).unwrap(), first, "and by models loaded anew");
}

#[test]
fn a_thumbnail_is_a_jpeg_of_at_most_160_pixels() {
    for (width, height, expected) in [(640, 320, (160, 80)), (100, 20, (100, 20)), (7, 900, (1, 160))] {
        let picture = Picture::decode(&png(wall(width, height)), MAX_IMAGE_PIXELS).unwrap();
        let thumbnail = picture.thumbnail();
        assert!(thumbnail.starts_with(b"\xFF\xD8\xFF"));
        let thumbnail = Picture::decode(&thumbnail, MAX_IMAGE_PIXELS).unwrap();
        assert_eq!((thumbnail.width(), thumbnail.height()), expected);
    }
    let crop = pipeline().look(&png(portrait(1))).unwrap().crop.jpeg().unwrap();
    assert_eq!(Picture::decode(&crop, MAX_IMAGE_PIXELS).unwrap().width(), 32);
}

#[test]
fn no_damaged_picture_makes_it_panic() {
    let pipeline = pipeline();
    let mut state = 88_172_645_463_325_252_u64; // xorshift64
    let mut random = |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state % below as u64) as usize
    };
    let mut small = wall(64, 64);
    draw(&mut small, 1, (32.0, 32.0), 20.0);
    let (mut seen, mut refused) = (0, 0);
    for format in FORMATS {
        let whole = encoded(small.clone(), format);
        for round in 0..100 {
            let mut bytes = whole.clone();
            for _ in 0..=random(6) {
                // half of the changes among the first bytes, where sizes and tables are
                let among = if random(2) == 0 { bytes.len().min(200) } else { bytes.len() };
                bytes[random(among)] = random(256) as u8;
            }
            if round % 4 == 0 {
                bytes.truncate(random(bytes.len()));
            }
            match pipeline.look(&bytes) {
                Ok(_) => seen += 1,
                Err(LookError::Unusable(_)) => refused += 1,
                Err(broken) => panic!("{format:?}: {broken}"),
            }
        }
    }
    assert!(seen > 20 && refused > 200, "{seen} seen, {refused} refused: both ways are taken");
}
