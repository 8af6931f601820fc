//! Pixels to JPEG, for people: the crop that the embedder saw, and thumbnails.

use image::ExtendedColorType;
use image::codecs::jpeg::JpegEncoder;

use super::picture::Picture;

/// The long side of a thumbnail, in pixels (contract R177).
const THUMBNAIL_SIDE: usize = 160;

/// Above what eyes ask for; the files stay small all the same.
const QUALITY: u8 = 90;

/// For what may be trained again.
const FINE: u8 = 95;

impl Picture {
    /// The picture as a JPEG; none if a side has more than the 65,535 pixels that a JPEG can have.
    pub fn jpeg(&self) -> Option<Vec<u8>> {
        self.jpeg_of(QUALITY)
    }

    /// The same, so fine that a model sees hardly a difference.
    pub fn fine_jpeg(&self) -> Option<Vec<u8>> {
        self.jpeg_of(FINE)
    }

    fn jpeg_of(&self, quality: u8) -> Option<Vec<u8>> {
        let (width, height) = (u16::try_from(self.width()).ok()?, u16::try_from(self.height()).ok()?);
        let mut bytes = Vec::new();
        JpegEncoder::new_with_quality(&mut bytes, quality)
            .encode(self.rgb(), width.into(), height.into(), ExtendedColorType::Rgb8)
            .ok()?;
        Some(bytes)
    }

    /// A JPEG of the picture, at most 160 pixels wide and high.
    pub fn thumbnail(&self) -> Vec<u8> {
        self.shrunk(THUMBNAIL_SIDE).jpeg().expect("160 pixels fit into a JPEG, and memory takes every byte")
    }
}
