//! The demo: what it plants is found by clustering, the command makes it, says it and serves it, and a report shows it.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[path = "support/server.rs"]
mod server;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::Stdio;

use faceclique::cluster::audit::{Audit, Case, Decided, Finding, Identities, Kind, Score, Subject, audit};
use faceclique::cluster::{self, Agreement, NoShelf, Parameters, Resources, Unwatched};
use faceclique::confidence::{Confidence, ConfidenceScale, Threshold};
use faceclique::demo::{KNOTS, Merged, Misfiled, Place, Plan, Planted, SEED};
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

fn parameters() -> Parameters {
    let fifty = Threshold::at(Confidence::from_hundredths(5_000).unwrap());
    Parameters { cluster_threshold: fifty, output_threshold: fifty, ..Parameters::default() }
}

fn clustered() -> Clustered {
    let plan = Plan::new(SEED);
    let scale = ConfidenceScale::new(KNOTS.to_vec()).unwrap();
    let parameters = parameters();
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

/// The audit of the demo, as the command asks for it.
struct Audited {
    filed: FaceSet,
    clusters: Vec<Vec<u32>>,
    audit: Audit,
}

fn audited(plan: &Plan) -> Audited {
    let filed = faces(plan, |place, _| place.identifier.clone());
    let scale = ConfidenceScale::new(KNOTS.to_vec()).unwrap();
    let (parameters, resources, decided) = (parameters(), Resources::default(), Decided::default());
    let clustering = cluster::cluster(&filed, &scale, &parameters, &resources, &Unwatched).unwrap();
    let subject =
        Subject { faces: &filed, scale: &scale, parameters: &parameters, clustering: &clustering, decided: &decided };
    let audit = audit(&subject, &resources, &Unwatched, &NoShelf).unwrap();
    Audited { clusters: clustering.clusters().to_vec(), filed, audit }
}

impl Audited {
    fn place(&self, face: u32) -> Place {
        let id = self.filed.id(face as usize);
        Place { identifier: id.identifier.to_string(), imagelabel: id.label.to_string() }
    }

    fn places(&self, faces: &[u32]) -> BTreeSet<Place> {
        faces.iter().map(|&face| self.place(face)).collect()
    }

    fn labels(&self, faces: &[u32]) -> BTreeSet<String> {
        faces.iter().map(|&face| self.filed.id(face as usize).label.to_string()).collect()
    }

    /// The planted error that a finding names in every particular; none if it names no planted one.
    fn named(&self, planted: &Planted, finding: &Finding) -> Option<String> {
        let identities = Identities::new(self.filed.ids());
        let identifier = |identity: u32| self.place(identities.faces(identity).start).identifier;
        match &finding.case {
            Case::Misfiled { face, own, suggested } => {
                let (place, belongs_to) = (self.place(*face), identifier(suggested.identity));
                assert_eq!(identifier(own.identity), place.identifier);
                let is_it = |it: &&Misfiled| it.place == place && it.belongs_to == belongs_to;
                planted.misfiled.iter().find(is_it).map(|it| it.place.imagelabel.clone())
            }
            Case::SamePerson { first, second, .. } => {
                let found = BTreeSet::from([identifier(*first), identifier(*second)]);
                let is_it = |it: &&[String; 2]| BTreeSet::from_iter((*it).clone()) == found;
                planted.same_person.iter().find(is_it).map(|it| it[0].clone())
            }
            Case::SeveralPersons { identity, parts, .. } => {
                let parts: BTreeSet<_> = parts.iter().map(|part| self.labels(part)).collect();
                let is_it = |it: &&Merged| {
                    let people = it.parts.iter().map(|part| BTreeSet::from_iter(part.clone()));
                    it.identifier == identifier(*identity) && people.collect::<BTreeSet<_>>() == parts
                };
                planted.several_people.iter().find(is_it).map(|it| it.identifier.clone())
            }
            Case::Duplicates { faces, is_exact } => {
                let places = self.places(faces);
                let of_kind = if *is_exact { &planted.duplicates } else { &planted.near_duplicates };
                let is_it = |it: &&[Place; 2]| BTreeSet::from_iter((*it).clone()) == places;
                of_kind.iter().find(is_it).map(|it| it[0].imagelabel.clone())
            }
            Case::Nobody { face, .. } => {
                let place = self.place(*face);
                planted.fits_nobody.iter().find(|it| **it == place).map(|it| it.imagelabel.clone())
            }
            Case::Fragments { .. } | Case::Unsupported { .. } => None,
        }
    }
}

#[test]
fn the_audit_names_every_planted_error_and_no_other() {
    let plan = Plan::new(SEED);
    let (planted, audited) = (plan.planted(), audited(&plan));
    for (kind, n_planted) in [
        (Kind::Misfiled, planted.misfiled.len()),
        (Kind::SamePerson, planted.same_person.len()),
        (Kind::SeveralPersons, planted.several_people.len()),
        (Kind::Duplicates, planted.duplicates.len() + planted.near_duplicates.len()),
        (Kind::Nobody, planted.fits_nobody.len()),
    ] {
        let named: Vec<Option<String>> =
            audited.audit.of(kind).iter().map(|finding| audited.named(planted, finding)).collect();
        let all: BTreeSet<&String> = named.iter().flatten().collect();
        assert_eq!((all.len(), named.len()), (n_planted, n_planted), "{kind}: {named:?}");
    }
}

#[test]
fn whoever_looks_from_the_top_meets_planted_errors_and_no_false_alarm() {
    let plan = Plan::new(SEED);
    let (planted, audited) = (plan.planted(), audited(&plan));
    // fragments speak of the clusters: they are no errors of filing
    let mut ranked: Vec<&Finding> =
        audited.audit.findings.iter().filter(|finding| finding.case.kind() != Kind::Fragments).collect();
    ranked.sort_by_key(|finding| std::cmp::Reverse(finding.score));
    let is_planted = |finding: &&Finding| audited.named(planted, finding).is_some();
    let likely = ranked.iter().filter(|finding| finding.score >= Score::LIKELY).count();
    assert_eq!((likely, ranked.iter().take_while(|it| is_planted(it)).count()), (9 + 4 + 3 + 9, 9 + 4 + 3 + 9 + 4));
    for finding in audited.audit.of(Kind::Unsupported) {
        let Case::Unsupported { face } = finding.case else { unreachable!() };
        let identifier = audited.place(face).identifier;
        let of_it = audited.filed.ids().iter().filter(|id| id.identifier.as_str() == identifier);
        assert_eq!(of_it.count(), 1, "{identifier}");
    }
    let person: BTreeMap<Place, usize> =
        plan.embeddings().into_iter().map(|(place, person, _)| (place.clone(), person)).collect();
    for finding in audited.audit.of(Kind::Fragments) {
        let Case::Fragments { clusters, .. } = &finding.case else { unreachable!() };
        let faces = clusters.iter().flat_map(|&cluster| &audited.clusters[cluster as usize]);
        let people: BTreeSet<usize> = faces.map(|&face| person[&audited.place(face)]).collect();
        assert_eq!(people.len(), 1, "{finding:?}");
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
