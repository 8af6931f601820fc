//! Pictures of four inks, as printers keep them: encoders for JPEG and TIFF that know nothing else.

#![allow(dead_code, reason = "each test binary uses its part")]

use image::RgbImage;

/// The side of a block of a JPEG, in pixels.
const BLOCK: usize = 8;

/// A JPEG in which each pixel of the picture is a block of 8 x 8 pixels of one colour; inks inverted, as Adobe does.
pub(crate) fn cmyk_jpeg(image: &RgbImage) -> Vec<u8> {
    let segment = |marker: u8, body: &[u8]| {
        [&[0xFF, marker][..], &u16::try_from(body.len() + 2).unwrap().to_be_bytes(), body].concat()
    };
    let size = |n: u32| u16::try_from(n as usize * BLOCK).unwrap().to_be_bytes();
    let components: Vec<u8> = (1..=4).flat_map(|component| [component, 0x11, 0]).collect();
    let frame = [&[8][..], &size(image.height()), &size(image.width()), &[4], &components].concat();
    // twelve codes of 4 bits for the magnitudes of the mean; for the rest the code 0 of 1 bit: nothing
    let means = [&[0x00, 0, 0, 0, 12][..], &[0; 12], &(0..12).collect::<Vec<u8>>()].concat();
    let rest = [&[0x10, 1][..], &[0; 15], &[0x00]].concat();
    let scan = [&[4][..], &[1, 0, 2, 0, 3, 0, 4, 0], &[0, 63, 0]].concat();
    [
        vec![0xFF, 0xD8],
        segment(0xEE, b"Adobe\0\x64\0\0\0\0\0"),
        segment(0xDB, &[&[0][..], &[BLOCK as u8; 64]].concat()),
        segment(0xC0, &frame),
        segment(0xC4, &means),
        segment(0xC4, &rest),
        segment(0xDA, &scan),
        blocks(image),
        vec![0xFF, 0xD9],
    ]
    .concat()
}

/// The compressed blocks: for each of four components the difference of its mean to that of the block before.
fn blocks(image: &RgbImage) -> Vec<u8> {
    let mut bits: Vec<bool> = Vec::new();
    let mut push = |value: u32, n: u32| bits.extend((0..n).rev().map(|bit| value >> bit & 1 == 1));
    let mut before = [0_i32; 4];
    for pixel in image.pixels() {
        let [red, green, blue] = pixel.0;
        for (component, value) in [red, green, blue, 255].into_iter().enumerate() {
            let mean = i32::from(value) - 128;
            let difference = mean - std::mem::replace(&mut before[component], mean);
            let magnitude = u32::BITS - difference.unsigned_abs().leading_zeros();
            push(magnitude, 4);
            let coded = if difference < 0 { difference + (1 << magnitude) - 1 } else { difference };
            push(coded as u32, magnitude);
            push(0, 1);
        }
    }
    bits.resize(bits.len().next_multiple_of(8), true);
    let byte = |bits: &[bool]| bits.iter().fold(0_u8, |byte, &bit| byte << 1 | u8::from(bit));
    bits.chunks(8).map(byte).flat_map(|byte| if byte == 0xFF { vec![0xFF, 0] } else { vec![byte] }).collect()
}

/// A TIFF of the picture, not compressed.
pub(crate) fn cmyk_tiff(image: &RgbImage) -> Vec<u8> {
    let inks = image.pixels().flat_map(|pixel| [255 - pixel[0], 255 - pixel[1], 255 - pixel[2], 0]);
    let inks: Vec<u8> = inks.collect();
    let (short, long) = (3_u16, 4_u16);
    let entries = [
        (256_u16, long, 1_u32, image.width()),
        (257, long, 1, image.height()),
        (258, short, 4, 8), // the bits of each ink stand after the header
        (259, short, 1, 1),
        (262, short, 1, 5),
        (273, long, 1, 16),
        (277, short, 1, 4),
        (278, long, 1, image.height()),
        (279, long, 1, inks.len() as u32),
    ];
    let mut bytes =
        [b"II\x2A\0", &(16 + inks.len() as u32).to_le_bytes()[..], &[8, 0, 8, 0, 8, 0, 8, 0], &inks].concat();
    bytes.extend((entries.len() as u16).to_le_bytes());
    for (tag, kind, n, value) in entries {
        bytes.extend([&tag.to_le_bytes()[..], &kind.to_le_bytes(), &n.to_le_bytes(), &value.to_le_bytes()].concat());
    }
    bytes.extend([0; 4]);
    bytes
}
