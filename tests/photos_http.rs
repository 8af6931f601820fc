//! Real photos through the real program: a pack installed, photos added by their paths, trained, exported and clustered,
//! beside the embeddings of another runtime and the naive complete linkage of those.
//!
//! Some of the photos by default; all with `FACECLIQUE_ALL_PHOTOS=1`, as `make photos-http` does.
#![cfg(all(feature = "server", feature = "vision"))]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[path = "support/expected.rs"]
mod expected;
#[path = "support/server.rs"]
mod server;
mod support;

use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::time::{Duration, Instant};

use expected::Expected;
use faceclique::confidence::{Confidence, ConfidenceScale, Threshold};
use faceclique::exchange::{Format, Options, Reader, Source};
use faceclique::face::{Embedding, FaceSet};
use faceclique::kernel::dot;
use server::{Partition, Server, partition, program, wait_for};
use support::{data, id, naive_clusters};

/// Cosine 0.287, 0.358, 0.43 and 0.487 by the knots of both packs.
const THRESHOLDS: [&str; 4] = ["45", "47.5", "50", "55"];

/// Says something although the test passes; the test harness swallows `eprintln!` then.
fn say(text: &str) {
    let _ = writeln!(std::io::stderr(), "{text}");
}

fn success(answer: &str) {
    assert!(answer.contains("<response>SUCCESS</response>"), "{answer}");
}

/// Precision, recall and their harmonic mean after BCubed, where the folder of a photo is the truth.
fn bcubed(partition: &Partition) -> (f64, f64, f64) {
    let identity = |name: &str| name.split_once('/').unwrap().0.to_owned();
    let mut sizes: BTreeMap<String, f64> = BTreeMap::new();
    for name in partition.iter().flatten() {
        *sizes.entry(identity(name)).or_default() += 1.0;
    }
    let (mut precision, mut recall) = (0.0, 0.0);
    for cluster in partition {
        for name in cluster {
            let alike = cluster.iter().filter(|other| identity(other) == identity(name)).count() as f64;
            precision += alike / cluster.len() as f64;
            recall += alike / sizes[&identity(name)];
        }
    }
    let n: f64 = sizes.values().sum();
    (precision / n, recall / n, 2.0 * precision * recall / (precision + recall) / n)
}

/// Installs a pack by the command line and serves with it.
fn start(folder: &Path, data: &Path, pack: &str) -> Server {
    let models = data.join("models");
    let installed = program(&["models", "add", pack, models.to_str().unwrap(), "--data", folder.to_str().unwrap()])
        .output()
        .unwrap();
    assert!(installed.status.success(), "{}", String::from_utf8(installed.stderr).unwrap());
    let config = folder.join("faceclique.toml");
    let paths = format!(
        "[paths]\nallowed_input_directories = ['{}']\nallowed_output_directories = ['{}']\n",
        data.join("photos").display(),
        folder.display()
    );
    fs::write(&config, paths).unwrap();
    Server::start_with(folder, &["--config", config.to_str().unwrap(), "--pack", pack])
}

/// Adds the photos by their paths, an identity a request, and trains them. Says how long that took.
fn train(server: &Server, photos: &Path, files: &[&String]) -> Duration {
    let mut faces: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for file in files {
        let (face, photo) = file.split_once('/').unwrap();
        faces.entry(face).or_default().push(photo.strip_suffix(".jpg").unwrap());
    }
    success(&server.get("/action=CreateFaceDatabase&database=people"));
    for (face, labels) in faces {
        success(&server.get(&format!("/action=NewFace&database=people&identifier={face}")));
        let path = |label: &&str| photos.join(face).join(format!("{label}.jpg")).display().to_string();
        let paths: Vec<String> = labels.iter().map(path).collect();
        let (labels, paths) = (labels.join(","), paths.join(","));
        let target = format!("/action=AddFaceImages&database=people&identifier={face}&imagelabels={labels}");
        success(&server.get(&format!("{target}&imagepath={paths}")));
    }
    let begun = Instant::now();
    let token = server.submit("/action=BuildAllFaces&database=people&numparallel=64");
    let answer = wait_for_long(|| server.status("BuildAllFaces", &token));
    assert!(answer.contains("<status>Finished</status>"), "{answer}");
    begun.elapsed()
}

/// As [`Server::ended`], with time for all photos on a busy machine.
fn wait_for_long(mut status: impl FnMut() -> String) -> String {
    let begun = Instant::now();
    loop {
        let next = wait_for(|| Ok(status()));
        let waits = next.contains("<status>Queued<") || next.contains("<status>Processing<");
        if !waits {
            return next;
        }
        assert!(begun.elapsed() < Duration::from_mins(15), "{next}");
        std::thread::sleep(Duration::from_millis(50)); // between two questions
    }
}

/// The embeddings in a file that the server has exported, by `identifier/label`.
fn exported(server: &Server, file: &Path) -> BTreeMap<String, Embedding> {
    let target = format!("/action=ExportFaceDatabase&database=people&dbpath={}", file.display());
    let answer = server.ended("ExportFaceDatabase", &server.submit(&target));
    assert!(answer.contains("<status>Finished</status>"), "{answer}");
    let reader = Reader::open(Source::open(file, Format::Npz, None).unwrap(), &Options::default()).unwrap();
    let records = reader.map(|record| record.unwrap());
    records.map(|record| (format!("{}/{}", record.identifier, record.label), record.embedding.unwrap())).collect()
}

/// The partition by the naive complete linkage.
fn naive(embeddings: &BTreeMap<String, Embedding>, scale: &ConfidenceScale, threshold: &str) -> Partition {
    let named = embeddings.iter().map(|(name, embedding)| {
        let (face, label) = name.split_once('/').unwrap();
        (id(face, label), embedding.clone())
    });
    let faces = FaceSet::new(named).unwrap();
    let names: Vec<&String> = embeddings.keys().collect();
    let hundredths = (threshold.parse::<f64>().unwrap() * 100.0) as u16;
    let threshold = Threshold::at(Confidence::from_hundredths(hundredths).unwrap());
    let clusters = naive_clusters(&faces, scale, threshold);
    clusters.iter().map(|cluster| cluster.iter().map(|&face| names[face as usize].clone()).collect()).collect()
}

fn agrees(pack: &str, embedder: &str) {
    let Some(data) = data() else { return };
    let data = data.canonicalize().unwrap();
    let expected = Expected::of(&data, embedder);
    // all, or three photos of every third person
    let all = std::env::var_os("FACECLIQUE_ALL_PHOTOS").is_some();
    let chosen: Vec<usize> = (0..expected.files.len()).filter(|at| all || (at % 30 < 10 && at % 10 < 3)).collect();
    let files: Vec<&String> = chosen.iter().map(|&at| &expected.files[at]).collect();
    let folder = tempfile::tempdir().unwrap();
    let server = start(folder.path(), &data, pack);
    let took = train(&server, &data.join("photos"), &files);
    let ours = exported(&server, &folder.path().join("people.npz"));
    let name = |at: usize| expected.files[at].strip_suffix(".jpg").unwrap().to_owned();
    let theirs = chosen.iter().map(|&at| (name(at), Embedding::new(expected.embeddings[at].clone()).unwrap()));
    let theirs: BTreeMap<String, Embedding> = theirs.filter(|(name, _)| ours.contains_key(name)).collect();

    let (n, n_trained) = (chosen.len(), ours.len());
    let cosines: Vec<f64> = ours.iter().map(|(name, ours)| dot(ours.values(), theirs[name].values())).collect();
    let n_close = cosines.iter().filter(|&&cosine| cosine >= 0.98).count();
    let mean = cosines.iter().sum::<f64>() / n_trained as f64;
    let least = cosines.iter().copied().fold(1.0, f64::min);
    let each = took.as_secs_f64() * 1e3 / n as f64;
    let list = server.get("/action=ListFaces&database=people&imagestatus=true&failreason=true&maxresults=1000");
    let mut reasons: BTreeMap<&str, u32> = BTreeMap::new();
    for reason in list.split("<reason>").skip(1) {
        *reasons.entry(reason.split('<').next().unwrap()).or_default() += 1;
    }
    say(&format!(
        "{pack}: {n} photos, {n_trained} trained ({each:.0} ms each), not: {reasons:?}; cosine to the other runtime \
         {mean:.5} in the mean, {least:.4} at least, >= 0.98 for {n_close}"
    ));
    assert!(n_close * 100 >= n_trained * 97 && n_trained * 100 >= n * 85, "{n_close} of {n_trained} of {n} agree");

    let scale = ConfidenceScale::new(vec![(-1.0, 0.0), (0.43, 50.0), (1.0, 100.0)]).unwrap();
    say("| threshold | clusters | precision | recall | F | F of the other runtime's embeddings |");
    for threshold in THRESHOLDS {
        let answer = server.cluster(&format!("database=people&clusterthreshold={threshold}&search=exact&maxresults=1"));
        let partition = partition(&answer);
        assert!(partition == naive(&ours, &scale, threshold), "{threshold}: not the complete linkage");
        let ((precision, recall, f), (_, _, other)) = (bcubed(&partition), bcubed(&naive(&theirs, &scale, threshold)));
        let count = partition.len();
        say(&format!("| {threshold} | {count} | {precision:.4} | {recall:.4} | {f:.4} | {other:.4} |"));
        assert!((f - other).abs() < 0.05, "{threshold}: {f} beside {other}");
    }
}

#[test]
fn photos_trained_by_face_reidentification_retail_0095_cluster_as_another_runtimes_do() {
    agrees("face-reid-retail-0095", "reid0095");
}

#[test]
fn photos_trained_by_mobilefacenet_cluster_as_another_runtimes_do() {
    agrees("mobilefacenet-y1", "mobilefacenet_y1");
}
