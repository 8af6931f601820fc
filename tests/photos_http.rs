//! Real photos through the real program: a pack installed, photos added by their paths, trained, exported and clustered,
//! beside the embeddings of another runtime and the naive complete linkage of those.
//!
//! Some of the photos by default; all with `FACECLIQUE_ALL_PHOTOS=1`, as `make photos-http` does. The server is killed twice
//! in the middle of its work; with `PHOTOS=1 KILLS=20`, as `PHOTOS=1 make soak-train` does, all photos and so many times.
#![cfg(all(feature = "server", feature = "vision"))]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[path = "support/expected.rs"]
mod expected;
#[path = "support/random.rs"]
mod random;
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
use random::Random;
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
    let paths = format!(
        "[paths]\nallowed_input_directories = ['{}']\nallowed_output_directories = ['{}']\n",
        data.join("photos").display(),
        folder.display()
    );
    fs::write(folder.join("faceclique.toml"), paths).unwrap();
    serve(folder, pack)
}

/// Serves with a pack that is installed.
fn serve(folder: &Path, pack: &str) -> Server {
    let config = folder.join("faceclique.toml");
    Server::start_with(folder, &["--config", config.to_str().unwrap(), "--pack", pack])
}

/// Adds the photos by their paths, an identity a request, to a new database.
fn add(server: &Server, database: &str, photos: &Path, files: &[&String]) {
    let mut faces: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for file in files {
        let (face, photo) = file.split_once('/').unwrap();
        faces.entry(face).or_default().push(photo.strip_suffix(".jpg").unwrap());
    }
    success(&server.get(&format!("/action=CreateFaceDatabase&database={database}")));
    for (face, labels) in faces {
        success(&server.get(&format!("/action=NewFace&database={database}&identifier={face}")));
        let path = |label: &&str| photos.join(face).join(format!("{label}.jpg")).display().to_string();
        let paths: Vec<String> = labels.iter().map(path).collect();
        let (labels, paths) = (labels.join(","), paths.join(","));
        let target = format!("/action=AddFaceImages&database={database}&identifier={face}&imagelabels={labels}");
        success(&server.get(&format!("{target}&imagepath={paths}")));
    }
}

/// Trains a database and gives the answer of the ended job.
fn build(server: &Server, database: &str) -> String {
    let token = server.submit(&format!("/action=BuildAllFaces&database={database}&numparallel=64"));
    let answer = wait_for_long(|| server.status("BuildAllFaces", &token));
    assert!(answer.contains("<status>Finished</status>"), "{answer}");
    answer
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
    add(&server, "people", &data.join("photos"), &files);
    let begun = Instant::now();
    build(&server, "people");
    let took = begun.elapsed();
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

/// What of a database is compared: all its rows in a file, the status and reason of each image, and what the build said.
#[derive(PartialEq)]
struct Outcome {
    rows: String,
    list: String,
    entries: String,
}

impl Outcome {
    fn of(server: &Server, folder: &Path, database: &str, build: &str) -> Self {
        let path = folder.join(format!("{database}.jsonl"));
        let target =
            format!("/action=ExportFaceDatabase&database={database}&includeimagedata=false&dbpath={}", path.display());
        let answer = server.ended("ExportFaceDatabase", &server.submit(&target));
        assert!(answer.contains("<status>Finished</status>"), "{answer}");
        let list = format!("/action=ListFaces&database={database}&imagestatus=true&failreason=true&maxresults=1000");
        let (_, entries) = build.split_once("<entry>").unwrap();
        let (entries, _) = entries.split_once("<token>").unwrap();
        let unnamed = |text: &str| text.replace(&format!("<database>{database}<"), "<database><");
        Self { rows: fs::read_to_string(path).unwrap(), list: unnamed(&server.get(&list)), entries: unnamed(entries) }
    }

    /// How many images have this status: in the list, and in what the build said.
    fn count(&self, status: &str) -> (usize, usize) {
        let status = format!("<status>{status}<");
        (self.list.matches(&status).count(), self.entries.matches(&status).count())
    }
}

/// How many images of a database were looked at, of whatever came.
fn n_done(server: &Server, database: &str) -> usize {
    let list = format!("/action=ListFaces&database={database}&imagestatus=true&maxresults=1000");
    let list = server.get(&list);
    list.matches("<status>trained<").count() + list.matches("<status>failed<").count()
}

/// A number in the environment.
fn number(name: &str, otherwise: usize) -> usize {
    std::env::var(name).ok().map_or(otherwise, |text| text.parse().unwrap())
}

/// One build of all photos that is killed again and again ends as one that was left alone.
fn survives(pack: &str) {
    let Some(data) = data() else { return };
    let data = data.canonicalize().unwrap();
    let files = Expected::of(&data, "reid0095").files;
    let one_in = if std::env::var_os("PHOTOS").is_some() { 1 } else { 10 };
    let files: Vec<&String> = files.iter().step_by(one_in).collect();
    let (kills, seed) = (number("KILLS", 2), number("SEED", 7));
    let mut random = Random::of(seed as u64, 0);
    let mut moments: Vec<usize> = (0..kills).map(|_| random.below(files.len())).collect();
    moments.sort_unstable();
    say(&format!("{pack}: seed {seed}, killed when so many of {} images are done: {moments:?}", files.len()));

    let folder = tempfile::tempdir().unwrap();
    let mut server = start(folder.path(), &data, pack);
    add(&server, "people", &data.join("photos"), &files);
    let answer = build(&server, "people");
    let left_alone = Outcome::of(&server, folder.path(), "people", &answer);

    add(&server, "killed", &data.join("photos"), &files);
    let token = server.submit("/action=BuildAllFaces&database=killed&numparallel=2");
    let (mut within, mut recovery) = (0, Duration::ZERO);
    for moment in moments {
        let begun = Instant::now();
        let mut seen = n_done(&server, "killed");
        while seen < moment {
            assert!(begun.elapsed() < Duration::from_mins(15), "{seen} images are done");
            seen = n_done(&server, "killed");
        }
        // not always just behind a commit
        (0..random.below(30)).for_each(|_| seen = n_done(&server, "killed"));
        server.kill();
        let begun = Instant::now();
        server = serve(folder.path(), pack);
        let after = n_done(&server, "killed");
        recovery = recovery.max(begun.elapsed());
        assert!(after >= seen, "{seen} images were done before the kill, {after} are after it");
        within += usize::from(!server.status("BuildAllFaces", &token).contains("<status>Finished<"));
    }
    let answer = wait_for_long(|| server.status("BuildAllFaces", &token));
    assert!(answer.contains("<status>Finished</status>"), "{answer}");
    let outcome = Outcome::of(&server, folder.path(), "killed", &answer);
    let ((trained, _), (failed, _)) = (outcome.count("trained"), outcome.count("failed"));
    say(&format!(
        "{pack}: {kills} kills, {within} before the end of the build, at most {recovery:.2?} until it served again; \
         {trained} trained, {failed} failed, as without kills"
    ));
    assert_eq!(outcome.entries.matches("<image>").count(), files.len(), "the build names each image once");
    for status in ["trained", "failed", "untrained"] {
        let (in_list, by_build) = outcome.count(status);
        assert_eq!(in_list, by_build, "{status}");
    }
    assert_eq!(trained + failed, files.len());
    assert!(outcome == left_alone, "another result than without kills");
    assert!(within * 3 >= kills, "only {within} of {kills} kills came before the end of the build");
}

#[test]
fn photos_are_trained_once_by_a_killed_server_with_face_reidentification_retail_0095() {
    survives("face-reid-retail-0095");
}

#[test]
fn photos_are_trained_once_by_a_killed_server_with_mobilefacenet() {
    survives("mobilefacenet-y1");
}
