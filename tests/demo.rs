//! The demo: what it plants is found by clustering, the command makes it, says it and serves it, and a report shows it.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[path = "support/server.rs"]
mod server;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::Stdio;

use faceclique::cluster::{self, Agreement, Parameters, Resources, Unwatched};
use faceclique::confidence::{Confidence, ConfidenceScale, Threshold};
use faceclique::demo::{KNOTS, Place, Plan, SEED};
use faceclique::face::{DatabaseName, FaceId, FaceSet, Identifier, ImageLabel};
use serde_json::Value;
use server::{Mortal, program};

/// The demo clustered, by the names of its images.
struct Clustered {
    plan: Plan,
    cluster_of: BTreeMap<Place, usize>,
    by_person: Agreement,
}

fn faces(plan: &Plan, name: impl Fn(&Place, usize) -> String) -> FaceSet {
    let database = DatabaseName::new("people").unwrap();
    let rows = plan.embeddings().into_iter().map(|(place, person, embedding)| {
        let id = FaceId {
            database: database.clone(),
            identifier: Identifier::new(&name(place, person)).unwrap(),
            label: ImageLabel::new(&place.imagelabel).unwrap(),
        };
        (id, embedding)
    });
    FaceSet::new(rows).unwrap()
}

fn clustered() -> Clustered {
    let plan = Plan::new(SEED);
    let scale = ConfidenceScale::new(KNOTS.to_vec()).unwrap();
    let fifty = Threshold::at(Confidence::from_hundredths(5_000).unwrap());
    let parameters = Parameters { cluster_threshold: fifty, output_threshold: fifty, ..Parameters::default() };
    let run =
        |faces: &FaceSet| cluster::cluster(faces, &scale, &parameters, &Resources::default(), &Unwatched).unwrap();
    let filed = faces(&plan, |place, _| place.identifier.clone());
    let clustering = run(&filed);
    clustering.verify(&filed, &scale, &parameters).unwrap();
    let place = |face: u32| {
        let id = filed.id(face as usize);
        Place { identifier: id.identifier.to_string(), imagelabel: id.label.to_string() }
    };
    let members = clustering.clusters().iter().enumerate();
    let cluster_of = members.flat_map(|(at, faces)| faces.iter().map(move |&face| (place(face), at))).collect();
    let truth = faces(&plan, |_, person| format!("person {person}"));
    let by_person = Agreement::of(&truth, run(&truth).clusters());
    Clustered { plan, cluster_of, by_person }
}

#[test]
fn clustering_finds_the_people_that_were_drawn() {
    let agreement = clustered().by_person;
    assert!(agreement.precision > 0.97 && agreement.recall > 0.85, "{agreement:?}");
}

#[test]
fn planted_errors_are_in_the_clusters() {
    let Clustered { plan, cluster_of, .. } = clustered();
    let of = |identifier: &str| -> BTreeSet<usize> {
        cluster_of.iter().filter(|(place, _)| place.identifier == identifier).map(|(_, &at)| at).collect()
    };
    let planted = plan.planted();
    let beside_their_own = planted.misfiled.iter().filter(|it| of(&it.belongs_to).contains(&cluster_of[&it.place]));
    assert!(beside_their_own.count() >= 8);
    for [a, b] in &planted.same_person {
        assert!(!of(a).is_disjoint(&of(b)), "{a}, {b}");
    }
    for merged in &planted.several_people {
        let place = |label: &String| Place { identifier: merged.identifier.clone(), imagelabel: label.clone() };
        let clusters =
            |part: &Vec<String>| -> BTreeSet<usize> { part.iter().map(|it| cluster_of[&place(it)]).collect() };
        assert!(clusters(&merged.parts[0]).is_disjoint(&clusters(&merged.parts[1])), "{merged:?}");
    }
    for [a, b] in planted.duplicates.iter().chain(&planted.near_duplicates) {
        assert_eq!(cluster_of[a], cluster_of[b]);
    }
    for place in &planted.fits_nobody {
        assert_eq!(cluster_of.values().filter(|&&at| at == cluster_of[place]).count(), 1, "{place:?}");
    }
}

#[test]
fn the_command_makes_the_demo_once_and_serves_it() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("demo");
    let data = data.to_str().unwrap();
    let made = program(&["demo", "--data", data, "--no-serve", "--planted", "--side", "64"]).output().unwrap();
    let said = String::from_utf8(made.stdout).unwrap();
    assert!(made.status.success(), "{said}{}", String::from_utf8_lossy(&made.stderr));
    assert!(said.starts_with("drawn ") && said.contains("\nclustered ") && said.contains("\nmisfiled "), "{said}");
    let planted: Value = serde_json::from_slice(&fs::read(format!("{data}/planted.json")).unwrap()).unwrap();
    assert_eq!(planted["misfiled"].as_array().unwrap().len(), 9);
    assert!(planted["misfiled"][0]["imagelabel"].is_string(), "{planted}");

    let child = program(&["demo", "--data", data, "--port", "0", "--no-open"]).stdout(Stdio::piped()).spawn();
    let mut child = Mortal(child.unwrap());
    let mut lines = BufReader::new(child.0.stdout.take().unwrap()).lines().map(Result::unwrap);
    let first = lines.next().unwrap();
    assert!(first.starts_with("clustered "), "it is not drawn again: {first}");
    let url = lines.find(|line| line.starts_with("http://127.0.0.1:")).unwrap();
    let url = url.split_whitespace().next().unwrap();
    let listed = program(&["queue", "list", "FaceClustering", "--server", url, "--json"]).output().unwrap();
    let listed: Value = serde_json::from_slice(&listed.stdout).unwrap();
    assert_eq!(listed.as_array().unwrap().len(), 1, "it is not clustered again: {listed}");
    let token = listed[0]["token"].as_str().unwrap();
    let asked = report(folder.path(), token, &["--server", url]);
    child.kill();

    let config = format!("{data}/faceclique.toml");
    let read = report(folder.path(), token, &["--data", data, "--config", &config]);
    assert!(asked == read, "a server and its directory make the same report");
    judge(&read);
    let few = ["--max-clusters", "3", "--max-findings", "3"];
    let short = report(folder.path(), token, &[&["--data", data, "--config", &config][..], &few].concat());
    assert!(short.len() < read.len() / 3 && short.contains("Shown: 3 of "), "{}", short.len());
    let refused = program(&["report", "nonsense", "--html", "x.html", "--data", data, "--config", &config]).output();
    let refused = refused.unwrap();
    assert!(!refused.status.success() && String::from_utf8_lossy(&refused.stderr).contains("nonsense"), "{refused:?}");
    let nowhere = program(&["report", token, "--html", "x.html", "--data", "/nowhere"]).output().unwrap();
    assert!(!nowhere.status.success() && !Path::new("/nowhere").exists(), "a mistyped directory is not made");
}

/// What `faceclique report` writes.
fn report(folder: &Path, token: &str, from: &[&str]) -> String {
    let file = folder.join("report.html");
    let arguments = [&["report", token, "--html", file.to_str().unwrap()], from].concat();
    let made = program(&arguments).output().unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    fs::read_to_string(file).unwrap()
}

/// A report stands alone, shows faces, and begins with what is mixed.
fn judge(text: &str) {
    let sources = text.split("src=\"").skip(1);
    let n_pictures = sources.map(|source| assert!(source.starts_with("data:image/"), "{}", &source[..60])).count();
    assert!(n_pictures > 400 && text.contains("data:image/jpeg;base64,"), "{n_pictures}");
    for foreign in ["http://", "https://", "<script", "<link", "url(", "@import", "href=\"/"] {
        assert!(!text.contains(foreign), "it holds {foreign}");
    }
    let first = text.find("<article class=\"cluster mixed\">").unwrap();
    assert!(first < text.find("<article class=\"cluster\">").unwrap());
    for (a, b) in [("Every pair of a cluster", "50"), ("Finished", "20")] {
        assert!(text[text.find(a).unwrap()..][..120].contains(b), "{a}");
    }
}
