//! Faces drawn by code, as the tiny pack finds them, and pictures of them in every format.

#![allow(dead_code, reason = "each test binary uses its part")]

use std::io::Cursor;
use std::path::PathBuf;

use image::{DynamicImage, ImageFormat, Rgb, RgbImage};

/// The folder of the tiny pack.
pub(crate) fn tiny_pack() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fixtures/packs/tiny")
}

/// The five spots of a face: colour, and place in distances between the eyes, from the nose.
const SPOTS: [([u8; 3], (f32, f32)); 5] = [
    ([0, 0, 255], (-0.5, -0.57)),
    ([0, 255, 0], (0.5, -0.57)),
    ([255, 0, 0], (0.0, 0.0)),
    ([0, 255, 255], (-0.414, 0.585)),
    ([255, 0, 255], (0.414, 0.585)),
];

/// A grey wall.
pub(crate) fn wall(width: u32, height: u32) -> RgbImage {
    RgbImage::from_pixel(width, height, Rgb([120, 125, 130]))
}

/// A picture of one face in its middle, 200 x 240 pixels.
pub(crate) fn portrait(person: u32) -> RgbImage {
    let mut image = wall(200, 240);
    draw(&mut image, person, (100.0, 120.0), 40.0);
    image
}

/// Draws a face: an ellipse of skin with bands that are the person's own, and the five spots. `eyes` is the distance
/// between the eyes in pixels.
pub(crate) fn draw(image: &mut RgbImage, person: u32, nose: (f32, f32), eyes: f32) {
    let (wide, high) = (1.05 * eyes, 1.35 * eyes);
    ellipse(image, nose, (wide, high), |down| band(person, ((down + 1.0) * 4.0) as u32));
    let radius = (0.12 * eyes).max(1.7);
    for (colour, (x, y)) in SPOTS {
        ellipse(image, (nose.0 + x * eyes, nose.1 + y * eyes), (radius, radius), |_| Rgb(colour));
    }
}

/// A muted colour, which is none of the spots'.
fn band(person: u32, number: u32) -> Rgb<u8> {
    let mut mixed = (person * 8 + number + 1).wrapping_mul(0x9E37_79B9);
    mixed ^= mixed >> 15;
    mixed = mixed.wrapping_mul(0x85EB_CA6B);
    Rgb([0, 8, 16].map(|shift| 90 + ((mixed >> shift) % 91) as u8))
}

/// Fills an ellipse; the colour may depend on the place from top (-1) to bottom (1).
fn ellipse(image: &mut RgbImage, centre: (f32, f32), radii: (f32, f32), colour: impl Fn(f32) -> Rgb<u8>) {
    for (x, y, pixel) in image.enumerate_pixels_mut() {
        let (right, down) = ((x as f32 - centre.0) / radii.0, (y as f32 - centre.1) / radii.1);
        if right * right + down * down <= 1.0 {
            *pixel = colour(down);
        }
    }
}

/// The bytes of a picture in a format.
pub(crate) fn encoded(image: impl Into<DynamicImage>, format: ImageFormat) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    image.into().write_to(&mut bytes, format).unwrap();
    bytes.into_inner()
}

/// A JPEG with an EXIF orientation, 1 to 8.
pub(crate) fn with_orientation(jpeg: &[u8], orientation: u8) -> Vec<u8> {
    let exif: &[u8] = b"Exif\0\0MM\0\x2A\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0";
    let length = u16::try_from(2 + exif.len() + 1 + 2 + 4).unwrap().to_be_bytes();
    [&jpeg[..2], b"\xFF\xE1", &length, exif, &[orientation], &[0; 6], &jpeg[2..]].concat()
}

/// The header of a PNG of this size, of 8-bit grey, and the beginning of its pixels.
pub(crate) fn png_header(width: u32, height: u32) -> Vec<u8> {
    let chunk = |kind: &[u8], data: &[u8]| {
        let named = [kind, data].concat();
        [&(data.len() as u32).to_be_bytes()[..], &named, &checksum(&named).to_be_bytes()].concat()
    };
    let header = [&width.to_be_bytes()[..], &height.to_be_bytes(), &[8, 0, 0, 0, 0]].concat();
    [b"\x89PNG\r\n\x1A\n".to_vec(), chunk(b"IHDR", &header), chunk(b"IDAT", &[0x78, 0x9C, 0x01])].concat()
}

/// CRC-32, bit by bit.
fn checksum(bytes: &[u8]) -> u32 {
    let step = |sum: u32, _| if sum & 1 == 1 { sum >> 1 ^ 0xEDB8_8320 } else { sum >> 1 };
    !bytes.iter().fold(u32::MAX, |sum, &byte| (0..8).fold(sum ^ u32::from(byte), step))
}
