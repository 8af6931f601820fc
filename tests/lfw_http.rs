//! Real faces through the whole program: imported over the ACI, clustered over HTTP, compared with SciPy's partition.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[path = "support/server.rs"]
mod server;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use faceclique::exchange::{Format, Options, Reader, Source};
use faceclique::{ConfidenceScale, Parameters, Resources, Search, Unwatched, cluster, face_id};
use server::{Partition, Server, between, partition};

/// With the number of clusters that SciPy gives for each of the two files.
const THRESHOLDS: [(&str, [usize; 2]); 4] =
    [("67.5", [4_304, 4_126]), ("71.5", [5_690, 5_448]), ("75", [6_455, 6_266]), ("80", [7_482, 7_309])];

const FILES: [&str; 2] = ["lfw_mobilefacenet_y1", "lfw_reid0095"];

/// Says something although the test passes; the test harness swallows `eprintln!` then.
fn say(text: &str) {
    let _ = writeln!(std::io::stderr(), "{text}");
}

/// The folder of real data, if it is there.
fn data() -> Option<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data");
    if !folder.join(FILES[0]).with_extension("npz").exists() {
        say(&format!("SKIPPED: no real faces, {} is not there", folder.display()));
        return None;
    }
    Some(folder)
}

/// The faces of a file in its order, as `identifier/label`.
fn names(file: &Path) -> Vec<String> {
    let reader = Reader::open(Source::open(file, Format::Npz, None).unwrap(), &Options::default()).unwrap();
    reader.map(|record| record.unwrap()).map(|record| format!("{}/{}", record.identifier, record.label)).collect()
}

/// The partition of a column of SciPy's table: each face has the smallest face number of its cluster.
fn expected(table: &str, column: usize, names: &[String]) -> Partition {
    let mut clusters: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    for (line, name) in table.lines().skip(1).zip(names) {
        let smallest = line.split(',').nth(1 + column).unwrap();
        clusters.entry(smallest).or_default().insert(name.clone());
    }
    clusters.into_values().collect()
}

#[test]
fn lfw_over_http_is_partitioned_as_scipy_does_at_four_thresholds_for_two_embedders() {
    let Some(folder) = data() else { return };
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start(directory.path());
    for (which, name) in FILES.into_iter().enumerate() {
        let file = folder.join(name).with_extension("npz");
        let (names, table) = (names(&file), fs::read_to_string(folder.join(format!("expected/{name}.csv"))).unwrap());
        server.import(name, &fs::read(&file).unwrap());
        for (column, (threshold, counts)) in THRESHOLDS.into_iter().enumerate() {
            let answer =
                server.cluster(&format!("database={name}&clusterthreshold={threshold}&search=exact&maxresults=1"));
            let ours = partition(&answer);
            assert_eq!(ours.len(), counts[which], "{name} at {threshold}");
            assert_eq!(ours.iter().map(BTreeSet::len).sum::<usize>(), 13_233);
            assert!(ours == expected(&table, column, &names), "{name} at {threshold} is another partition");
            say(&format!("{name} at {threshold}: {} clusters, the same as SciPy's", ours.len()));
        }
    }
}

#[test]
fn lfw_by_the_index_over_http_is_proven_and_its_recall_is_said() {
    let Some(folder) = data() else { return };
    let file = folder.join(FILES[0]).with_extension("npz");
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start(directory.path());
    server.import("lfw", &fs::read(&file).unwrap());
    let asked = "database=lfw&clusterthreshold=67.5&outputthreshold=67.5";
    let exact = server.cluster(&format!("{asked}&search=exact"));
    let hnsw = server.cluster(&format!("{asked}&search=hnsw"));
    let pairs = |answer: &str| answer.matches("<match>").count() / 2;
    let recall = 100.0 * pairs(&hnsw) as f64 / pairs(&exact) as f64;
    say(&format!(
        "hnsw: {} of {} pairs found, recall {recall:.3} %, estimated missed {} %",
        pairs(&hnsw),
        pairs(&exact),
        between(&hnsw, "<estimatedmissed>", "<")
    ));
    assert_eq!(pairs(&exact), 341_960, "the number that SciPy's table gives");
    assert!(pairs(&hnsw) <= pairs(&exact), "a pair was invented");
    // the same run by the library, so that every promise can be proven again from the vectors
    let reader = Reader::open(Source::open(&file, Format::Npz, None).unwrap(), &Options::default()).unwrap();
    let faces = reader.map(|record| record.unwrap()).map(|record| {
        let id = face_id("lfw", record.identifier.as_str(), record.label.as_str()).unwrap();
        (id, record.embedding.unwrap())
    });
    let faces = faceclique::FaceSet::new(faces).unwrap();
    let threshold = "67.5".parse().unwrap();
    let parameters = Parameters {
        cluster_threshold: threshold,
        output_threshold: threshold,
        search: Search::Hnsw,
        ..Parameters::default()
    };
    let scale = ConfidenceScale::cosine();
    let result = cluster(&faces, &scale, &parameters, &Resources::default(), &Unwatched).unwrap();
    result.verify(&faces, &scale, &parameters).unwrap();
    let ours: Partition = result
        .clusters()
        .iter()
        .map(|members| {
            let name =
                |&face: &u32| format!("{}/{}", faces.id(face as usize).identifier, faces.id(face as usize).label);
            members.iter().map(name).collect()
        })
        .collect();
    assert!(ours == partition(&hnsw), "the server's clusters are those that were proven");
}
