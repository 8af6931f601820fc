//! `faceclique audit`: a file, a database and a job say the same of the same faces, and what is asked wrongly is said.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "support/server.rs"]
mod server;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;
use server::{Server, program};
use tempfile::TempDir;

/// What the program came to.
#[derive(Debug)]
struct Ran {
    code: i32,
    out: String,
    err: String,
}

fn ran(command: &mut Command) -> Ran {
    let output = command.stdin(Stdio::null()).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Ran { code: output.status.code().unwrap(), out: text(output.stdout), err: text(output.stderr) }
}

fn audit(arguments: &[&str]) -> Ran {
    ran(program(&["audit"]).args(arguments))
}

/// What it prints when all is well.
fn told(arguments: &[&str]) -> String {
    let ran = audit(arguments);
    assert_eq!((ran.code, &*ran.err), (0, ""), "{arguments:?}: {ran:?}");
    ran.out
}

/// The whitespace of a table made one.
fn lines(text: &str) -> Vec<String> {
    text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect()
}

/// Ann, Bob and Cid around a direction each. One image of Ann is filed under Bob; Cid is there twice, once as Sid, and has a
/// picture twice; Dan is alone.
fn rows() -> String {
    let row = |identifier: &str, label: &str, direction: usize, beside: usize| {
        let mut values = [0.0; 10];
        (values[direction], values[4 + beside]) = (1.0, 0.4);
        let values = values.map(|value| value.to_string()).join(",");
        format!("{identifier},{label},{values}\n")
    };
    let mut text = String::from("identifier,imagelabel,e0,e1,e2,e3,e4,e5,e6,e7,e8,e9\n");
    for (at, label) in ["1", "2", "3"].into_iter().enumerate() {
        text += &row("Ann", label, 0, at);
        text += &row("Bob", label, 1, at);
        text += &row("Cid", label, 2, at);
        text += &row("Sid", label, 2, at + 3);
    }
    text + &row("Bob", "4", 0, 4) + &row("Cid", "4", 2, 0) + &row("Dan", "1", 3, 0)
}

/// A folder with these faces in `people.csv`.
fn folder() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("people.csv");
    fs::write(&file, rows()).unwrap();
    (folder, file)
}

const AT: [&str; 2] = ["--threshold", "75"];

#[test]
fn a_file_is_audited_without_a_server() {
    let (_folder, file) = folder();
    let file = file.to_str().unwrap();
    let text = told(&[&[file], &AT[..]].concat());
    let found = lines(&text);
    assert!(found[0].starts_with("faces 15 x 10 of 5 identities in 4 clusters at confidence 75.00 (exact)"), "{text}");
    assert_eq!(found[1], "found 1 misfiled, 1 sameperson, 1 duplicates, 1 unsupported", "{text}");
    assert_eq!(found[2], "likely 1 misfiled, 1 sameperson, 1 duplicates (score 0.5 or more)");
    assert_eq!((&*found[3], &*found[4], found.len()), ("", "score kind who reason", 9), "{text}");
    let is_there = |line: &str| assert!(found.iter().any(|found| found.contains(line)), "{line}: {text}");
    is_there("misfiled Bob/4 -> Ann It matches 3 of 3 (best 93.10) of Ann, and matches 0 of 3");
    is_there("sameperson Cid = Sid 12 of 12 pairs match between Cid and Sid");
    is_there("duplicates Cid/1 = Cid/4 2 images of Cid have equal embeddings.");
    assert!(found[8].ends_with("unsupported Dan/1 It is the only image of Dan, and matches no other."), "{text}");
    let scores: Vec<f64> = found[5..].iter().map(|line| line[..6].parse().unwrap()).collect();
    assert!(scores.is_sorted_by(|a, b| a >= b), "the most probable first: {scores:?}");
}

#[test]
fn kinds_scores_and_how_many_can_be_chosen() {
    let (_folder, file) = folder();
    let file = file.to_str().unwrap();
    let of = |more: &[&str]| lines(&told(&[&[file], &AT[..], more].concat()));
    let few = of(&["--max", "1"]);
    assert_eq!((few.len(), few.last().unwrap().as_str()), (7, "… 3 more (--max 0 shows all)"));
    assert_eq!(of(&["--max", "0"])[3..], of(&[])[3..], "into a pipe nothing is left out");
    let two = of(&["--kind", "Misfiled,unsupported", "--kind", "nobody"]);
    assert_eq!((&*two[1], two.len()), ("found 1 misfiled, 1 unsupported", 7), "{two:?}");
    let likely = of(&["--min-score", "0.5"]);
    assert_eq!((&*likely[1], likely.len()), ("found 1 misfiled, 1 sameperson, 1 duplicates", 8), "{likely:?}");
    let nothing = of(&["--kind", "fragments"]);
    assert_eq!(nothing[1..], ["found nothing"]);
}

#[test]
fn csv_has_a_row_for_each_finding_and_json_the_proof() {
    let (_folder, file) = folder();
    let file = file.to_str().unwrap();
    let csv = told(&[&[file], &AT[..], &["--csv"]].concat());
    let mut reader = csv::Reader::from_reader(csv.as_bytes());
    let header = "kind,rank,score,id,database,identifier,imagelabel,otherdatabase,otheridentifier,otherimagelabel,images,decision,reason";
    assert_eq!(csv.lines().next().unwrap(), header);
    let records: Vec<Vec<String>> =
        reader.records().map(|record| record.unwrap().iter().map(str::to_owned).collect()).collect();
    let of = |kind: &str| {
        let record = records.iter().find(|record| record[0] == kind).unwrap();
        (record[4..11].join(","), record[1].clone())
    };
    assert_eq!(of("misfiled"), ("people,Bob,4,people,Ann,,1".to_owned(), "1".to_owned()));
    assert_eq!(of("sameperson").0, "people,Cid,,people,Sid,,7");
    assert_eq!(of("duplicates").0, "people,Cid,1,people,Cid,4,2");
    assert_eq!(of("unsupported").0, "people,Dan,1,,,,1");
    assert_eq!(records.len(), 4);
    let json: Value = serde_json::from_str(&told(&[&[file], &AT[..], &["--json", "--max", "1"]].concat())).unwrap();
    let lists = json["identityaudit"].as_object().unwrap();
    let told: usize = lists
        .values()
        .flat_map(|list| list.as_object().unwrap().values())
        .filter_map(Value::as_array)
        .map(Vec::len)
        .sum();
    assert_eq!((lists.len(), told), (7, 1), "{json:#}");
    assert_eq!((&lists["misfiled"]["total"], &lists["misfiled"]["likely"]), (&"1".into(), &"1".into()));
    assert_eq!(lists["nobody"]["total"], "0");
}

/// Serves a data directory, with the file in its database `people`.
fn serve(data: &Path, file: &Path) -> Server {
    let server = Server::start(data);
    let token = server::token(
        &server
            .post("/action=ImportFaceDatabase&database=people&format=csv", &[("dbdata", "", &fs::read(file).unwrap())]),
    );
    let ended = server.ended("ImportFaceDatabase", &token);
    assert!(ended.contains("<status>Finished<"), "{ended}");
    server
}

fn clustered(server: &Server, parameters: &str) -> String {
    let token = server.submit(&format!("/action=FaceClustering&database=people&clusterthreshold=75{parameters}"));
    let ended = server.ended("FaceClustering", &token);
    assert!(ended.contains("<status>Finished<"), "{ended}");
    token
}

#[test]
fn a_file_a_database_and_a_job_say_the_same_of_the_same_faces() {
    let (folder, file) = folder();
    let data = folder.path().join("data");
    let server = serve(&data, &file);
    let url = format!("http://{}", server.address);
    let token = clustered(&server, "&audit=true");
    let (file, data) = (file.to_str().unwrap(), data.to_str().unwrap());
    let expected = told(&[&[file], &AT[..], &["--json"]].concat());
    assert!(expected.contains("Bob"), "{expected}");
    assert_eq!(told(&[&token, "--server", &url, "--json"]), expected, "of a running server");
    let table = told(&[&token, "--server", &url]);
    assert!(lines(&table)[0].starts_with("found 1 misfiled") && table.contains("Bob/4 -> Ann"), "{table}");

    // what is decided is not asked again: not of the audit that is there, nor by a new job or by the command itself
    let decided = server.get("/action=AddDecision&decision=labelright&database=people&identifier=Bob&imagelabel=4");
    assert!(decided.contains("SUCCESS"), "{decided}");
    let left = told(&[&token, "--server", &url]);
    assert!(lines(&left)[0] == "found 1 sameperson, 1 duplicates, 1 unsupported" && !left.contains("Bob"), "{left}");
    let named = told(&[&token, "--server", &url, "--decided"]);
    assert!(
        lines(&named).iter().any(|line| line.contains("Bob/4 -> Ann Decision 1: labelright. It matches")),
        "{named}"
    );
    let same = "&database=people&identifier=Sid&otheridentifier=Cid";
    assert!(server.get(&format!("/action=AddDecision&decision=same{same}")).contains("SUCCESS"));
    let again = clustered(&server, "&audit=true");
    let after = told(&[&again, "--server", &url, "--json"]);
    let counts = lines(&told(&[&again, "--server", &url]));
    assert_eq!(counts[0], "found 1 duplicates, 1 unsupported");
    assert_eq!(
        lines(&told(&[&again, "--server", &url, "--decided"]))[0],
        "found 1 sameperson, 1 duplicates, 1 unsupported"
    );
    assert!(server.terminate().success());
    let here = ["--data", data];
    assert_eq!(told(&[&["--database", "people", "--json"], &AT[..], &here].concat()), after);
    assert_eq!(told(&[&[&*again, "--json"], &here[..]].concat()), after, "of a job of a directory that no server has");
}

#[test]
fn what_has_no_audit_says_why() {
    let (folder, file) = folder();
    let data = folder.path().join("data");
    let server = serve(&data, &file);
    let url = format!("http://{}", server.address);
    let token = clustered(&server, "");
    let refused = |subject: &str, more: &[&str], why: &str| {
        let ran = audit(&[&[subject, "--server", &url], more].concat());
        assert!(ran.code == 1 && ran.out.is_empty() && ran.err.contains(why), "{subject} {more:?}: {ran:?}");
    };
    refused(&token, &[], "has no audit: it was not asked for with audit=true");
    let unknown = "0176fba8-9e60-7c44-b1d7-20f9ab63c51e";
    refused(unknown, &[], &format!("'token={unknown}' is not known"));
    refused(&token, &AT, &format!("--threshold: the job {token} has been audited as it was asked"));
    refused("0176fba8", &[], "'0176fba8' is neither a file nor the token of a job");
    let held = audit(&["--database", "people", "--data", data.to_str().unwrap()]);
    assert!(held.code == 1 && held.err.contains("in use"), "a server has the directory: {held:?}");
}

#[test]
fn what_is_asked_wrongly_is_said() {
    let (folder, file) = folder();
    let at = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let file = file.to_str().unwrap();
    fs::write(at("nameless.csv"), "imagelabel,e0,e1\n1,1,0\n2,0,1\n").unwrap();
    fs::write(at("empty.csv"), "identifier,imagelabel,e0,e1\n").unwrap();
    let wrong = |code: i32, arguments: &[&str], why: &str| {
        let ran = audit(arguments);
        assert!(ran.code == code && ran.out.is_empty() && ran.err.contains(why), "{arguments:?}: {ran:?}");
    };
    wrong(1, &[&at("nameless.csv")], "identifier");
    wrong(1, &[&at("missing.csv")], "missing.csv");
    wrong(1, &[&at("people.txt")], "its ending names no format");
    wrong(1, &["--database", "people", "--data", &at("nowhere")], "there is no such directory");
    wrong(1, &[file, "--memory", "1KiB"], "the limit is 424");
    wrong(2, &[file, "--kind", "moved"], "it is one of misfiled, sameperson, severalpersons, duplicates");
    wrong(2, &[file, "--min-score", "2"], "'2' is not a number from 0 to 1");
    wrong(2, &[file, "--csv", "--json"], "cannot be used with");
    wrong(2, &[file, "--database", "people"], "cannot be used with");
    wrong(2, &[], "FILE|TOKEN");
    wrong(2, &["0176fba8-9e60-7c44-b1d7-20f9ab63c51e", "--server", "http://127.0.0.1:1"], "cannot reach");
    let none = told(&[&at("empty.csv")]);
    assert_eq!(lines(&none)[1..], ["found nothing"], "{none}");
}

#[test]
fn a_terminal_shows_what_fits_and_scores_have_colours() {
    let (_folder, file) = folder();
    let file = file.to_str().unwrap();
    let coloured = told(&[&[file, "--color=always"], &AT[..]].concat());
    assert!(coloured.contains("\u{1b}[31m") && !told(&[&[file], &AT[..]].concat()).contains('\u{1b}'), "{coloured:?}");
    if !Path::new("/usr/bin/script").exists() {
        return; // it makes the terminal
    }
    let shown = |rows: usize| {
        let line =
            format!("stty rows {rows} cols 70; {} audit {file} --threshold 40", env!("CARGO_BIN_EXE_faceclique"));
        let mut command = Command::new("script");
        command.args(["-qec", &line, "/dev/null"]).env("TERM", "xterm").env("NO_COLOR", "1");
        for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("FACECLIQUE_")) {
            command.env_remove(name);
        }
        let text = ran(&mut command).out.replace('\r', "");
        text.rsplit("\u{1b}[K").next().unwrap().trim().to_owned()
    };
    let all = shown(60);
    assert!(!all.contains("more (--max 0"), "{all}");
    let table = all.split_once("score").unwrap().1;
    assert!(table.lines().all(|line| line.chars().count() <= 70), "{table}");
}
