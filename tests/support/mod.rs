//! What several integration tests need: sets made from plain rows, the naive oracle, and files of real embeddings.
#![allow(dead_code, reason = "each test binary uses its part")]

use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use faceclique::cluster::Match;
use faceclique::confidence::{ConfidenceScale, Threshold};
use faceclique::face::{DatabaseName, Embedding, FaceId, FaceSet, Identifier, ImageLabel};
use faceclique::kernel::dot;

/// An image named by two texts.
pub(crate) fn id(identifier: &str, label: &str) -> FaceId {
    FaceId {
        database: DatabaseName::new("people").unwrap(),
        identifier: Identifier::new(identifier).unwrap(),
        label: ImageLabel::new(label).unwrap(),
    }
}

/// A set of these rows, in this order.
pub(crate) fn faces(rows: &[Vec<f32>]) -> FaceSet {
    let named = |(i, row): (usize, &Vec<f32>)| (id(&format!("{i:08}"), "x"), Embedding::new(row.clone()).unwrap());
    FaceSet::new(rows.iter().enumerate().map(named)).unwrap()
}

/// Complete linkage as contract R111 and R112 say it, from all pairs: O(n^3) and worse.
pub(crate) fn naive_clusters(faces: &FaceSet, scale: &ConfidenceScale, threshold: Threshold) -> Vec<Vec<u32>> {
    let cosine = |&a: &u32, &b: &u32| dot(faces.row(a as usize), faces.row(b as usize));
    let mut clusters: Vec<Vec<u32>> = (0..faces.len() as u32).map(|face| vec![face]).collect();
    loop {
        // In order of keys, and only a higher link replaces the best so far: so the smallest keys win a tie.
        let mut best = None;
        for b in 0..clusters.len() {
            for a in 0..b {
                let pairs = clusters[a].iter().flat_map(|x| clusters[b].iter().map(move |y| cosine(x, y)));
                let link = pairs.fold(f64::INFINITY, f64::min);
                let reaches = threshold.is_reached_by(scale.confidence(link));
                if reaches && best.is_none_or(|(highest, i, j)| link > highest || (link >= highest && (a, b) < (i, j)))
                {
                    best = Some((link, a, b));
                }
            }
        }
        let Some((_, a, b)) = best else { break };
        let joining = clusters.remove(b);
        clusters[a].extend(joining);
        clusters[a].sort_unstable();
    }
    clusters.sort_by_key(|members| (std::cmp::Reverse(members.len()), members[0]));
    clusters
}

/// The matches of a face, from all pairs.
pub(crate) fn naive_matches(
    faces: &FaceSet,
    scale: &ConfidenceScale,
    threshold: Threshold,
    most: Option<usize>,
    face: u32,
    among: &[u32],
) -> Vec<Match> {
    let entry = |&other: &u32| Match {
        face: other,
        confidence: scale.confidence(dot(faces.row(face as usize), faces.row(other as usize))),
    };
    let others = among.iter().filter(|&&other| other != face);
    let mut matches: Vec<_> = others.map(entry).filter(|m| threshold.is_reached_by(m.confidence)).collect();
    matches.sort_by_key(|m| (std::cmp::Reverse(m.confidence), m.face));
    matches.truncate(most.unwrap_or(usize::MAX));
    matches
}

/// The folder of real data, if it is there.
pub(crate) fn data() -> Option<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data");
    if folder.is_dir() {
        return Some(folder);
    }
    // not `eprintln!`, which the test harness swallows when the test passes
    let _ = writeln!(std::io::stderr(), "SKIPPED: no real embeddings in {}", folder.display());
    None
}

/// The array `x` of an NPZ file and the texts of its array `files`: `Name/Name_0001.jpg`.
pub(crate) fn npz(path: &Path) -> (Vec<Vec<f32>>, Vec<String>) {
    let mut archive = zip::ZipArchive::new(File::open(path).unwrap()).unwrap();
    let x = npyz::NpyFile::new(archive.by_name("x.npy").unwrap()).unwrap();
    let columns = usize::try_from(x.shape()[1]).unwrap();
    let values: Vec<f32> = x.into_vec().unwrap();
    let files = npyz::NpyFile::new(archive.by_name("files.npy").unwrap()).unwrap();
    (values.chunks(columns).map(<[f32]>::to_vec).collect(), files.into_vec().unwrap())
}

/// A set of the embeddings in an NPZ file, and for each face its number in the file.
pub(crate) fn read_npz(path: &Path) -> (FaceSet, Vec<usize>) {
    let (rows, files) = npz(path);
    let name = |file: &str| {
        let (folder, image) = file.split_once('/').unwrap();
        id(folder, image.strip_suffix(".jpg").unwrap())
    };
    let ids: Vec<FaceId> = files.iter().map(|file| name(file)).collect();
    let mut order: Vec<usize> = (0..ids.len()).collect();
    order.sort_by(|&a, &b| ids[a].cmp(&ids[b]));
    let embeddings = rows.into_iter().map(|row| Embedding::new(row).unwrap());
    (FaceSet::new(ids.into_iter().zip(embeddings)).unwrap(), order)
}
