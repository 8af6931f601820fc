//! Reads embeddings with names out of an NPZ that is not compressed, as NumPy's `savez` writes it, so that a benchmark of
//! the pure core needs nothing else: `x` (float32, a row for each image) and `files` (`Identity/Label.jpg`, UTF-32).
//!
//! The members of such a file follow one another: a local header of the ZIP, then the array, whose own header says how long
//! it is.

use std::path::Path;

use super::planted::Image;

/// The images of a file.
///
/// # Panics
/// If it is anything else.
pub(crate) fn read(path: &Path) -> Vec<Image> {
    let bytes = std::fs::read(path).unwrap();
    let (mut embeddings, mut files) = (Vec::new(), Vec::new());
    let mut at = 0;
    while bytes[at..].starts_with(b"PK\x03\x04") {
        let short = |offset: usize| usize::from(u16::from_le_bytes([bytes[at + offset], bytes[at + offset + 1]]));
        assert_eq!(short(8), 0, "the member at {at} is compressed");
        let (name, extra) = (short(26), short(28));
        let member = std::str::from_utf8(&bytes[at + 30..at + 30 + name]).unwrap().to_owned();
        let array = Array::at(&bytes, at + 30 + name + extra);
        match &*member {
            "x.npy" => embeddings = array.rows(4).map(floats).collect(),
            "files.npy" => files = array.rows(4).map(text).collect(),
            _ => {}
        }
        at = array.end;
    }
    assert!(!files.is_empty() && files.len() == embeddings.len(), "{} has no x and files", path.display());
    let image = |(file, embedding): (String, Vec<f32>)| {
        let (identity, label) = file.split_once('/').unwrap();
        let label = label.rsplit_once('.').map_or(label, |(stem, _)| stem);
        Image { identity: identity.to_owned(), label: label.to_owned(), embedding }
    };
    files.into_iter().zip(embeddings).map(image).collect()
}

/// An array of a file, by the bytes of its values.
struct Array<'a> {
    values: &'a [u8],
    n: usize,
    end: usize,
}

impl<'a> Array<'a> {
    fn at(bytes: &'a [u8], start: usize) -> Self {
        assert!(bytes[start..].starts_with(b"\x93NUMPY\x01"), "no array at {start}");
        let length = usize::from(u16::from_le_bytes([bytes[start + 8], bytes[start + 9]]));
        let begin = start + 10 + length;
        let header = std::str::from_utf8(&bytes[start + 10..begin]).unwrap();
        let between = |from: &str, to: char| header.split_once(from).unwrap().1.split_once(to).unwrap().0;
        let shape: Vec<usize> = between("'shape': (", ')').split(',').filter_map(|n| n.trim().parse().ok()).collect();
        let size = match between("'descr': '<", '\'') {
            "f4" | "i4" => 4,
            text => 4 * text.strip_prefix('U').unwrap().parse::<usize>().unwrap(),
        };
        let end = begin + shape.iter().product::<usize>() * size;
        Self { values: &bytes[begin..end], n: shape[0], end }
    }

    /// The values of each row, so many bytes each.
    fn rows(&self, size: usize) -> impl Iterator<Item = std::slice::ChunksExact<'a, u8>> {
        self.values.chunks_exact(self.values.len() / self.n).map(move |row| row.chunks_exact(size))
    }
}

fn floats(row: std::slice::ChunksExact<'_, u8>) -> Vec<f32> {
    row.map(|v| f32::from_le_bytes(v.try_into().unwrap())).collect()
}

fn text(row: std::slice::ChunksExact<'_, u8>) -> String {
    row.filter_map(|v| char::from_u32(u32::from_le_bytes(v.try_into().unwrap()))).filter(|&c| c != '\0').collect()
}
