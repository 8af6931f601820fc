//! What another runtime found in the real photos.

#![allow(dead_code, reason = "each test binary uses its part")]

use std::fs::File;
use std::path::Path;

/// For each photo its file, the box of its largest face, how many faces there are, and the embedding of the largest.
pub(crate) struct Expected {
    pub(crate) files: Vec<String>,
    pub(crate) boxes: Vec<Vec<f32>>,
    pub(crate) n_faces: Vec<i64>,
    pub(crate) embeddings: Vec<Vec<f32>>,
}

impl Expected {
    /// Of this embedder, from the folder of real data.
    pub(crate) fn of(data: &Path, embedder: &str) -> Self {
        let mut archive = zip::ZipArchive::new(File::open(data.join("expected/photos.npz")).unwrap()).unwrap();
        let mut rows = |name: &str| {
            let array = npyz::NpyFile::new(archive.by_name(name).unwrap()).unwrap();
            let columns = usize::try_from(array.shape()[1]).unwrap();
            array.into_vec::<f32>().unwrap().chunks(columns).map(<[f32]>::to_vec).collect()
        };
        let (boxes, embeddings) = (rows("box.npy"), rows(&format!("{embedder}.npy")));
        let files = npyz::NpyFile::new(archive.by_name("files.npy").unwrap()).unwrap().into_vec().unwrap();
        let n_faces = npyz::NpyFile::new(archive.by_name("nfaces.npy").unwrap()).unwrap().into_vec().unwrap();
        Self { files, boxes, n_faces, embeddings }
    }
}
