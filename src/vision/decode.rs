//! Bytes to pixels: JPEG, PNG, WebP, BMP, GIF (its first frame) and TIFF, upright and in 8-bit colour.
//!
//! **Promises.** The kind is found from the bytes (contract R134); the size is read from the header and judged before
//! room is made for pixels. A picture is decoded as a whole or not at all: half a JPEG is not a grey lower half.

use std::io::Cursor;

use image::{DynamicImage, ImageDecoder as _, ImageError, ImageReader, Limits};

use super::picture::Picture;
use super::unusable::Unusable;
use crate::face::FailReason;

/// Memory a decoder may take, in bytes per allowed pixel: 16-bit colour with transparency.
const BYTES_PER_PIXEL: u64 = 8;

/// Memory a decoder may take besides its pixels.
const WORKING_BYTES: u64 = 64 << 20;

impl Picture {
    /// Decodes a picture of at most `max_pixels` pixels and turns it as its EXIF orientation says.
    pub fn decode(bytes: &[u8], max_pixels: u64) -> Result<Self, Unusable> {
        if bytes.is_empty() {
            return Err(Unusable::new(FailReason::NoData, "the picture has 0 bytes"));
        }
        let max_bytes = max_pixels.saturating_mul(BYTES_PER_PIXEL).saturating_add(WORKING_BYTES);
        let mut limits = Limits::no_limits();
        limits.max_alloc = Some(max_bytes);
        let mut reader = ImageReader::new(Cursor::new(bytes)).with_guessed_format().map_err(|e| unreadable(&e))?;
        if reader.format().is_none() {
            return Err(unreadable(&"it begins like no kind of picture that is understood"));
        }
        if bytes.starts_with(&JPEG_START) && !is_whole_jpeg(bytes) {
            return Err(unreadable(&format!("its {} bytes end before the picture does", bytes.len())));
        }
        reader.limits(limits);
        let mut decoder = reader.into_decoder().map_err(|error| refused(&error))?;
        let (width, height) = decoder.dimensions();
        let n_pixels = u64::from(width) * u64::from(height);
        if n_pixels > max_pixels {
            let detail = format!(
                "the picture has {width} x {height} = {n_pixels} pixels, at most {max_pixels} are decoded (setting MaxImagePixels)"
            );
            return Err(Unusable::new(FailReason::TooLarge, detail));
        }
        if n_pixels == 0 {
            return Err(unreadable(&format!("it has {width} x {height} pixels")));
        }
        let n_bytes = decoder.total_bytes(); // four times as many for floating point as for 8 bits
        if n_bytes > max_bytes {
            let detail = format!("the picture's pixels take {n_bytes} bytes, at most {max_bytes} are decoded");
            return Err(Unusable::new(FailReason::TooLarge, detail));
        }
        let orientation = decoder.orientation().map_err(|error| refused(&error))?;
        let image = DynamicImage::from_decoder(decoder).map_err(|error| refused(&error))?;
        let mut image = DynamicImage::ImageRgb8(image.into_rgb8()); // first, for turning it takes its size again
        image.apply_orientation(orientation);
        let image = image.into_rgb8();
        Ok(Self::new(image.width() as usize, image.height() as usize, image.into_raw()))
    }
}

fn unreadable(why: &dyn std::fmt::Display) -> Unusable {
    Unusable::new(FailReason::Unreadable, format!("the picture cannot be read: {why}"))
}

/// What a decoder's error means.
fn refused(error: &ImageError) -> Unusable {
    match error {
        ImageError::Limits(_) => Unusable::new(FailReason::TooLarge, format!("the picture is too large: {error}")),
        _ => unreadable(error),
    }
}

/// The marker that a JPEG begins with.
const JPEG_START: [u8; 2] = [0xFF, 0xD8];

/// Whether the end marker follows the scans of a JPEG. Decoders do without it and paint what is missing grey.
fn is_whole_jpeg(bytes: &[u8]) -> bool {
    let mut at = JPEG_START.len();
    // whether the bytes at `at` are compressed pixels: anything until the next marker
    let mut in_scan = false;
    while let (Some(&first), Some(&second)) = (bytes.get(at), bytes.get(at + 1)) {
        match (first, second) {
            (0xFF, 0xD9) => return true,
            // a filling byte, a stuffed byte, a restart, or a marker without a length
            (0xFF, 0xFF) => at += 1,
            (0xFF, 0x00 | 0x01 | 0xD0..=0xD8) => at += 2,
            (0xFF, marker) => {
                let Some(&[high, low]) = bytes.get(at + 2..at + 4) else { return false };
                at += 2 + usize::from(u16::from_be_bytes([high, low])).max(2);
                in_scan = marker == 0xDA;
            }
            _ if in_scan => at += 1,
            _ => return false,
        }
    }
    false
}
