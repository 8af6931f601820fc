//! The main job, end to end, on the fixture: the example of the contract's appendix, figure by figure.
//!
//! The fixture is written by this file: `UPDATE_FIXTURES=1` writes it anew, without that it is compared.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[path = "support/server.rs"]
mod server;

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use server::{Server, clusters, masked};

/// JamesBond A, JamesBond007 B, SeanConnery C, JohnSmith D.
const FACES: [(&str, &str); 4] = [("JamesBond", "A"), ("JamesBond007", "B"), ("SeanConnery", "C"), ("JohnSmith", "D")];

/// Confidences of the contract's example; D with any of the others is the last three.
const CONFIDENCES: [(usize, usize, f64); 6] =
    [(0, 1, 76.33), (0, 2, 68.17), (1, 2, 73.86), (0, 3, 40.0), (1, 3, 45.0), (2, 3, 42.5)];

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(name)
}

/// Compares a fixture with what it should be, or writes it.
fn is_fixture(name: &str, text: &str) {
    let path = fixture(name);
    if std::env::var_os("UPDATE_FIXTURES").is_some() {
        fs::write(&path, text).unwrap();
    }
    let found = fs::read_to_string(&path).unwrap();
    assert!(found == text, "{name} is not what its generator makes; see `make fixtures`\n{found}\n{text}");
}

/// Vectors whose cosines are the wanted ones: the rows of the Cholesky factor of their matrix.
fn people() -> String {
    let mut cosines = [[0.0f64; 4]; 4];
    for (i, row) in cosines.iter_mut().enumerate() {
        row[i] = 1.0;
    }
    for (i, j, confidence) in CONFIDENCES {
        let cosine = confidence / 50.0 - 1.0;
        (cosines[i][j], cosines[j][i]) = (cosine, cosine);
    }
    let mut factor = [[0.0f64; 4]; 4];
    for i in 0..4 {
        for j in 0..=i {
            let known: f64 = (0..j).map(|k| factor[i][k] * factor[j][k]).sum();
            let rest = cosines[i][j] - known;
            factor[i][j] = if i == j { rest.sqrt() } else { rest / factor[j][j] };
        }
    }
    let mut text = String::new();
    for ((identifier, label), row) in FACES.iter().zip(factor) {
        let numbers: Vec<String> = row.iter().map(|&v| (v as f32).to_string()).collect();
        let embedding = numbers.join(",");
        writeln!(text, r#"{{"identifier":"{identifier}","imagelabel":"{label}","embedding":[{embedding}]}}"#).unwrap();
    }
    text
}

#[test]
fn the_fixture_is_what_its_generator_makes() {
    is_fixture("people.jsonl", &people());
}

/// A server with the fixture imported.
fn with_people() -> (tempfile::TempDir, Server) {
    let data = tempfile::tempdir().unwrap();
    let server = Server::start(data.path());
    server.import("people", people().as_bytes());
    (data, server)
}

#[test]
fn a2_the_main_job_answers_as_the_contract_says_byte_for_byte() {
    let (_data, server) = with_people();
    let accepted = masked(&server.get("/action=FaceClustering&database=people"));
    is_fixture("people.accepted.xml", &accepted);
    is_fixture("people.queueinfo.xml", &masked(&server.cluster("database=people")));
    // over the database of everybody it is the same
    assert_eq!(masked(&server.cluster("")), fs::read_to_string(fixture("people.queueinfo.xml")).unwrap());
}

/// The labels of a result, cluster by cluster.
fn labels(answer: &str) -> String {
    let mut text = Vec::new();
    for cluster in clusters(answer).split("<cluster>").skip(1) {
        let faces = cluster.split("<face>").skip(1);
        text.push(faces.map(|face| server::between(face, "<imagelabel>", "<")).collect::<String>());
    }
    text.join(" ")
}

#[test]
fn r115_the_worked_example_at_every_threshold() {
    let (_data, server) = with_people();
    let at = |threshold: &str| labels(&server.cluster(&format!("database=people&clusterthreshold={threshold}")));
    for (threshold, expected) in [
        ("50", "ABC D"),
        ("68.17", "ABC D"),
        ("68.18", "AB D C"),
        ("73.86", "AB D C"),
        ("76.33", "AB D C"),
        ("76.34", "A B D C"),
        ("50.00000000000000001", "ABC D"),
    ] {
        assert_eq!(at(threshold), expected, "at {threshold}");
    }
    let answer = server.cluster("database=people&clusterthreshold=73.86");
    let alone = answer.split("<cluster>").last().unwrap();
    let confidences: Vec<&str> =
        alone.split("<confidence>").skip(1).map(|text| text.split('<').next().unwrap()).collect();
    assert_eq!(confidences, ["73.86", "68.17"], "alone in its cluster, C still lists its matches");
}

#[test]
fn r99_every_parameter_does_what_it_says() {
    let (_data, server) = with_people();
    let matches =
        |parameters: &str| server.cluster(&format!("database=people&{parameters}")).matches("<match>").count();
    assert_eq!(matches(""), 6);
    assert_eq!(matches("maxresults=1"), 3);
    assert_eq!(matches("maxresults=0"), 0);
    assert_eq!(matches("outputthreshold=40.01"), 10);
    assert_eq!(matches("outputthreshold=0"), 12);
    assert_eq!(matches("outputthreshold=70"), 4);
    assert_eq!(matches("clusterthreshold=76.33&matchscope=cluster"), 2);
    let exact = server.cluster("database=people&search=exact");
    let search = "</clusters><search><method>exact</method><estimatedmissed>0.00</estimatedmissed>\
                  <reason>asked for</reason></search><token>";
    assert!(exact.contains(search), "{exact}");
    let hnsw = server.cluster("database=people&search=HNSW");
    let search = "</clusters><search><method>hnsw</method><estimatedmissed>0.00</estimatedmissed>\
                  <estimatedmissedlow>0.00</estimatedmissedlow><estimatedmissedhigh>0.00</estimatedmissedhigh>\
                  <sampledfaces>4</sampledfaces><sampledpairs>6</sampledpairs><reason>asked for</reason></search><token>";
    assert!(hnsw.contains(search), "{hnsw}");
    assert_eq!(clusters(&hnsw), clusters(&exact));
    let audited = server.cluster("database=people&audit=true");
    assert_eq!(clusters(&audited), clusters(&server.cluster("database=people")), "R168: an audit changes no clusters");
}

#[test]
fn r94_a_page_of_clusters_says_which_it_is() {
    let (_data, server) = with_people();
    let token = server.submit("/action=FaceClustering&database=people&clusterthreshold=100");
    server.ended("FaceClustering", &token);
    let page = |page: &str| server.status("FaceClustering", &format!("{token}&{page}"));
    let third = page("resultfirstcluster=3&resultmaxclusters=1");
    assert_eq!(labels(&third), "D");
    let told = "<resultclusters><first>3</first><count>1</count><total>4</total></resultclusters><token>";
    assert!(third.contains(told), "{third}");
    assert_eq!(labels(&page("resultfirstcluster=4&resultmaxclusters=9")), "C");
    assert!(page("resultfirstcluster=5").contains("<clusters/><resultclusters><first>5</first><count>0</count>"));
    assert!(page("resultmaxclusters=0").contains("<clusters/>"));
}

#[test]
fn r103_without_synchronisation_the_last_one_is_seen_and_said() {
    let data = tempfile::tempdir().unwrap();
    let server = Server::start(data.path());
    server.import("people", people().as_bytes());
    let past = server.cluster("database=people&syncdatabase=false");
    assert!(past.contains("<clusters/><syncdatabase>false</syncdatabase><synctime>"), "{past}");
    server.get("/action=SyncFaces&database=people");
    server.get("/action=RemoveFace&database=people&identifier=JohnSmith");
    assert_eq!(labels(&server.cluster("database=people&syncdatabase=false")), "ABC D");
    assert_eq!(labels(&server.cluster("database=people")), "ABC");
    server.get("/action=RemoveFace&database=people&identifier=JamesBond");
    assert_eq!(labels(&server.cluster("database=people&syncdatabase=false")), "ABC");
    server.kill();
    let server = Server::start(data.path());
    let now = server.cluster("database=people&syncdatabase=false");
    assert_eq!(labels(&now), "BC", "the server's start is a synchronisation");
}

#[test]
fn r93_an_ended_job_answers_the_same_bytes_after_a_restart() {
    let data = tempfile::tempdir().unwrap();
    let server = Server::start(data.path());
    server.import("people", people().as_bytes());
    let token = server.submit("/action=FaceClustering&database=people");
    let before = server.ended("FaceClustering", &token);
    assert!(server.terminate().success());
    let server = Server::start(data.path());
    assert_eq!(server.status("FaceClustering", &token), before);
}

#[test]
fn r41_a_long_result_needs_little_memory_to_answer() {
    let data = tempfile::tempdir().unwrap();
    let server = Server::start(data.path());
    let mut same = String::new();
    for i in 0..1_200 {
        writeln!(same, r#"{{"identifier":"one of many copies","imagelabel":"{i}","embedding":[1,0]}}"#).unwrap();
    }
    server.import("copies", same.as_bytes());
    let token = server.submit("/action=FaceClustering&database=copies");
    let status = format!("/action=QueueInfo&QueueName=FaceClustering&QueueAction=getStatus&Token={token}");
    server::wait_for(|| {
        let answer = server.get(&format!("{status}&resultmaxclusters=0"));
        if answer.contains("<status>Finished</status>") { Ok(()) } else { Err(answer) }
    });
    server.kill(); // the job's own memory is not asked about
    let server = Server::start(data.path());
    let before = server.peak_kib();
    let bytes = server.count(&status);
    let grown = server.peak_kib() - before;
    assert!(bytes > 180 << 20, "{bytes} bytes are long");
    assert!(grown < 64 << 10, "{bytes} bytes of answer took {grown} KiB of memory");
}

#[test]
fn a3_errors_are_as_the_contract_says_byte_for_byte() {
    let (_data, server) = with_people();
    is_fixture(
        "people.refused.xml",
        &masked(&server.get("/action=FaceClustering&database=people&clusterthreshold=abc")),
    );
    is_fixture("people.error.xml", &masked(&server.cluster("database=LFW")));
}
