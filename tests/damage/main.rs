//! Data directories that were damaged: what the program says of them is true, or it says that it does not know.
//!
//! Each experiment takes a copy of a data directory, damages one file of it and has a process of its own open it and ask
//! everything. `make soak-damage` makes many of them and prints a table.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[path = "../support/appliance.rs"]
#[allow(dead_code, reason = "each test binary uses its part")]
mod appliance;
mod decisions;
#[path = "../support/random.rs"]
mod random;
mod spoil;
mod world;

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use faceclique::engine::{Engine, ErrorKind, Settings};
use faceclique::face::DatabaseName;
use faceclique::job::Queue;
use faceclique::store::{Batch, Disk, Store as _, keys};
use random::Random;
use spoil::{HARMS, Harm};

/// Where the process that is to ask finds the data directory.
const PROBE: &str = "DAMAGE_PROBE";
/// What its answers begin with.
const MARK: &str = "ANSWERS\n";
const DEADLINE: Duration = Duration::from_mins(3);

/// What came of an experiment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Outcome {
    /// All answers are those of the undamaged store.
    Same,
    /// Some are errors, the others the same.
    Partly,
    /// It is not opened, and why is said.
    Refused,
    /// The process panicked and ended.
    Panicked,
    /// It did not end.
    Hung,
    /// An answer is another one.
    Wrong,
}

const OUTCOMES: [Outcome; 6] =
    [Outcome::Same, Outcome::Partly, Outcome::Refused, Outcome::Panicked, Outcome::Hung, Outcome::Wrong];

/// Not a test by itself: the process that opens a damaged directory and asks.
#[test]
fn probe() {
    if let Some(data) = std::env::var_os(PROBE) {
        println!("{MARK}{}", world::answers(Path::new(&data)));
    }
}

/// What a process of its own says of a data directory; none if it does not end or does not come to an answer.
fn asked(data: &Path) -> Result<String, (Outcome, String)> {
    let program = std::env::current_exe().unwrap();
    let mut command = Command::new(program);
    command.args(["--exact", "probe", "--nocapture"]).env(PROBE, data).env("RUST_BACKTRACE", "0");
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let (mut out, mut err) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
    let said = std::thread::spawn(move || {
        let mut text = String::new();
        out.read_to_string(&mut text).map(|_| text)
    });
    let cried = std::thread::spawn(move || {
        let mut text = String::new();
        err.read_to_string(&mut text).map(|_| text)
    });
    let begun = Instant::now();
    let status = loop {
        match child.try_wait().unwrap() {
            Some(status) => break status,
            None if begun.elapsed() > DEADLINE => {
                child.kill().unwrap();
                child.wait().unwrap();
                return Err((Outcome::Hung, String::new()));
            }
            None => std::thread::sleep(Duration::from_millis(2)), // between two looks
        }
    };
    let (said, cried) = (said.join().unwrap().unwrap(), cried.join().unwrap().unwrap());
    match said.split_once(MARK) {
        Some((_, answers)) if status.success() => {
            Ok(answers.split("\ntest probe").next().unwrap().trim_end().to_owned())
        }
        _ => Err((Outcome::Panicked, cried)),
    }
}

/// What the answers of a damaged store are worth, and the most telling line.
fn judged(expected: &str, answers: &str) -> (Outcome, String) {
    if answers.starts_with("refused: ") {
        return (Outcome::Refused, answers.to_owned());
    }
    let mut outcome = (Outcome::Same, String::new());
    let (expected, answers): (Vec<_>, Vec<_>) = (expected.lines().collect(), answers.lines().collect());
    if expected.len() != answers.len() {
        return (Outcome::Wrong, format!("{} answers of {}", answers.len(), expected.len()));
    }
    for (expected, answer) in expected.into_iter().zip(answers) {
        if expected == answer {
            continue;
        }
        let mut parts = answer.splitn(3, '\t');
        let (question, kind, text) = (parts.next().unwrap(), parts.next().unwrap(), parts.next().unwrap());
        if kind != "error" {
            let (expected, text) =
                expected.split_at(expected.bytes().zip(answer.bytes()).take_while(|(a, b)| a == b).count());
            return (
                Outcome::Wrong,
                format!("{question}: same for {} bytes, expected {text:.200}, answer {answer:.600}", expected.len()),
            );
        }
        if outcome.0 == Outcome::Same {
            outcome = (Outcome::Partly, format!("{question}: {}", sentence(text)));
        }
    }
    outcome
}

/// The sentence of an error in an ACI answer, or what there is.
fn sentence(answer: &str) -> &str {
    if answer.contains("<errorstring>") {
        appliance::between(answer, "<errorstring>", "</errorstring>")
    } else {
        answer
    }
}

/// Experiments, in a table by file and outcome.
#[derive(Default)]
struct Table {
    counts: BTreeMap<(&'static str, Harm), BTreeMap<Outcome, u32>>,
    /// For each, one case to be told.
    told: BTreeMap<(Outcome, String), (u32, String)>,
}

impl Table {
    fn note(&mut self, kind: &'static str, harm: Harm, outcome: Outcome, why: &str, case: &str) {
        *self.counts.entry((kind, harm)).or_default().entry(outcome).or_default() += 1;
        let gist: String = why.chars().filter(|c| !c.is_ascii_digit()).take(160).collect();
        let (n, _) = self.told.entry((outcome, gist)).or_insert((0, format!("{case}: {why}")));
        *n += 1;
    }

    fn sum(&self, outcome: Outcome) -> u32 {
        self.counts.values().filter_map(|row| row.get(&outcome)).sum()
    }
}

impl std::fmt::Display for Table {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(f, "{:<10} {:<6} {}", "file", "harm", OUTCOMES.map(|o| format!("{:>8}", format!("{o:?}"))).join(" "))?;
        for ((kind, harm), row) in &self.counts {
            let numbers = OUTCOMES.map(|o| format!("{:>8}", row.get(&o).copied().unwrap_or(0)));
            writeln!(f, "{kind:<10} {:<6} {}", format!("{harm:?}"), numbers.join(" "))?;
        }
        for ((outcome, _), (n, case)) in &self.told {
            writeln!(f, "{outcome:?} x{n}: {case:.700}")?;
        }
        Ok(())
    }
}

fn number(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).map_or(otherwise, |text| text.parse().unwrap())
}

#[test]
fn a_damaged_store_gives_true_answers_or_says_that_it_is_damaged() {
    let (n, seed) = (number("DAMAGES", 24), number("SEED", 1));
    println!("DAMAGES={n} SEED={seed}");
    let folder = tempfile::tempdir().unwrap();
    let whole = folder.path().join("whole");
    world::make(&whole, number("IMAGES", 320), seed);
    let copy = folder.path().join("copy");
    spoil::copy(&whole, &copy);
    let expected = asked(&copy).unwrap();
    assert!(expected.lines().count() > 30 && !expected.contains("\terror\tno such"), "{expected:.2000}");
    let mut table = Table::default();
    for round in 0..n {
        let mut random = Random::of(seed, round + 1);
        std::fs::remove_dir_all(&copy).unwrap();
        spoil::copy(&whole, &copy);
        let files = spoil::files(&copy);
        let kind = random.choose(&["db", "db", "db", "db", "snap", "conf", "blobs", "pictures", "pairs", "witness"]);
        let candidates: Vec<_> = files.iter().filter(|(of, _)| *of == kind).collect();
        let Some((kind, path)) = (!candidates.is_empty()).then(|| candidates[random.below(candidates.len())]) else {
            continue;
        };
        let harm = if random.one_in(12) { Harm::Gone } else { random.choose(&HARMS[..4]) };
        let place = spoil::spoil(path, harm, &mut random);
        let (outcome, why) = asked(&copy).map_or_else(|failed| failed, |answers| judged(&expected, &answers));
        let shown = path.strip_prefix(&copy).unwrap().display().to_string();
        println!(
            "round {round}: {harm:?} {} {place}: {outcome:?} {why:.200}",
            path.strip_prefix(&copy).unwrap().display()
        );
        table.note(kind, harm, outcome, &why, &format!("round {round}, {shown} {place}"));
    }
    println!("{table}");
    for outcome in [Outcome::Wrong, Outcome::Panicked, Outcome::Hung] {
        assert_eq!(table.sum(outcome), 0, "{outcome:?}\n{table}");
    }
}

/// What `faceclique fsck` says of a data directory, and its exit code.
fn fsck(data: &Path, arguments: &[&str]) -> (i32, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_faceclique"));
    command.args(["fsck", "--json", "--data", data.to_str().unwrap()]).args(arguments);
    let output = command.output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    (output.status.code().unwrap_or(-1), String::from_utf8_lossy(&said).into_owned())
}

/// The rows of the exported databases, each without what may move to the next row when the first of a face is lost.
fn rows(answers: &str) -> BTreeSet<String> {
    let exports = answers.lines().filter(|line| line.starts_with("export ") && line.contains("\tok\t"));
    let rows = exports.flat_map(|line| line.split("{\"identifier\":").skip(1));
    let rows = rows.filter(|row| row.contains("\"imagelabel\":")); // a face may lose all of its images
    // nor the picture, which may be lost and the embedding be there
    let plain = |row: &str| {
        let end = ["\"metadata\"", "\"imagedata\""].iter().filter_map(|name| row.find(name)).min();
        row[..end.unwrap_or(row.len())].to_owned()
    };
    rows.map(|row| plain(row).trim_matches(['{', '}', ' ', ',']).to_owned()).collect()
}

#[test]
fn what_a_repair_leaves_is_what_was_stored_and_looking_changes_nothing() {
    let (n, seed) = (number("REPAIRS", 8), number("SEED", 1));
    println!("REPAIRS={n} SEED={seed}");
    let folder = tempfile::tempdir().unwrap();
    let (whole, copy) = (folder.path().join("whole"), folder.path().join("copy"));
    world::make(&whole, number("IMAGES", 320), seed);
    assert_eq!(fsck(&whole, &[]).0, 0, "{}", fsck(&whole, &[]).1);
    spoil::copy(&whole, &copy);
    let expected = asked(&copy).unwrap();
    let mut kept = Vec::new();
    for round in 0..n {
        let mut random = Random::of(seed, 1_000_000 + round);
        std::fs::remove_dir_all(&copy).unwrap();
        spoil::copy(&whole, &copy);
        let files = spoil::files(&copy);
        let kind = random.choose(&["db", "db", "db", "snap", "conf", "pictures", "witness"]);
        let candidates: Vec<_> = files.iter().filter(|(of, _)| *of == kind).collect();
        let (_, path) = candidates[random.below(candidates.len())];
        let harm = random.choose(&HARMS);
        let place = spoil::spoil(path, harm, &mut random);
        let case = format!("round {round}: {harm:?} {} {place}", path.strip_prefix(&copy).unwrap().display());
        let before = spoil::contents(&copy);
        let (found, said) = fsck(&copy, &[]);
        assert!(spoil::contents(&copy) == before, "{case}: looking changed something");
        assert!(matches!(found, 0 | 1), "{case}: {said}");
        let (repaired, how) = fsck(&copy, &["--repair"]);
        assert_eq!(repaired, 0, "{case}: {how}");
        let (left, said_then) = fsck(&copy, &[]);
        // what a repair cannot mend is told again: results and uploads that are lost
        let is_left = said_then.contains("the result of job") || said_then.contains("uploads/");
        assert!(left == 0 || is_left, "{case}: after the repair {said_then}");
        let answers = asked(&copy).unwrap_or_else(|(outcome, why)| panic!("{case}: {outcome:?} {why}"));
        assert!(!answers.starts_with("refused"), "{case}: {answers}");
        let (rows, all) = (rows(&answers), rows(&expected));
        assert!(rows.is_subset(&all), "{case}: {:?} was never stored", rows.difference(&all).next());
        let is_same = judged(&expected, &answers).0 == Outcome::Same;
        assert!(is_same || found == 1, "{case}: nothing was found, and yet the answers are others");
        kept.push(format!(
            "{case}: fsck {found}, {} of {} rows are left, answers same: {is_same}",
            rows.len(),
            all.len()
        ));
    }
    println!("{}", kept.join("\n"));
}

#[test]
fn a_damaged_record_of_a_job_or_a_count_holds_up_no_start_and_is_told() {
    let folder = tempfile::tempdir().unwrap();
    world::make(folder.path(), 64, 1);
    let open = || Engine::open(Settings::new(folder.path())).unwrap();
    let before = open().jobs(Queue::FaceClustering).len();
    let disk = Disk::open(folder.path(), 8 << 20).unwrap();
    let mut batch = Batch::new();
    let mut job = None;
    for prefix in [keys::counts(), keys::jobs()] {
        let (key, mut value) = disk.scan(&prefix).last().unwrap().unwrap();
        job = keys::token(&key).ok();
        *value.last_mut().unwrap() ^= 1;
        batch.put(key, value);
    }
    disk.commit(batch).unwrap();
    drop(disk);
    let engine = open();
    assert_eq!(engine.n_damaged(), 2);
    assert_eq!(engine.jobs(Queue::FaceClustering).len(), before - 1);
    let token = job.unwrap();
    let said = engine.find_job(Queue::FaceClustering, token).unwrap_err();
    assert_eq!(said.kind(), ErrorKind::Storage, "{said}");
    drop(engine);
    let appliance = appliance::Appliance::open(Settings::new(folder.path()));
    let status = [("action", "QueueInfo"), ("queuename", "FaceClustering"), ("queueaction", "getStatus")];
    let said = appliance.ask(&[&status[..], &[("token", &token.to_string())]].concat());
    assert!(said.contains("is damaged") && said.contains("70</errorid>"), "{said}");
    drop(appliance);
    let engine = open();
    assert_eq!(engine.list_databases().unwrap().iter().map(|database| database.n_faces).sum::<u64>(), 8 + 2);
    assert_eq!(engine.overview().unwrap().contents.unwrap().faces, 8 + 2, "the rows were counted");
    drop(engine);
    let (code, said) = fsck(folder.path(), &["--repair"]);
    assert!(code == 0 && said.contains("\"what\": \"job "), "{said}");
    assert_eq!(open().n_damaged(), 0);
}

#[test]
fn a_database_whose_record_is_lost_is_recovered_under_another_name() {
    let folder = tempfile::tempdir().unwrap();
    world::make(folder.path(), 64, 1);
    let open = || Engine::open(Settings::new(folder.path())).unwrap();
    let size = |name: &str| {
        let list = open().list_databases().unwrap();
        list.iter().find(|database| database.name.as_str() == name).map(|database| database.n_faces)
    };
    let n_faces = size(world::DATABASES[0]).unwrap();
    let disk = Disk::open(folder.path(), 8 << 20).unwrap();
    let lost = DatabaseName::new(world::DATABASES[0]).unwrap();
    let mut batch = Batch::new();
    batch.remove(keys::database(&lost));
    batch.put(keys::database(&DatabaseName::new("damaged").unwrap()), b"not a record".to_vec());
    disk.commit(batch).unwrap();
    drop(disk);
    let (code, said) = fsck(folder.path(), &["--repair"]);
    assert!(code == 0 && said.contains("here 'recovered-1'"), "{said}");
    let (code, said) = fsck(folder.path(), &[]);
    assert_eq!(code, 0, "what was recovered is whole: {said}");
    assert_eq!((size("recovered-1"), size(world::DATABASES[0])), (Some(n_faces), None));
    let appliance = appliance::Appliance::open(Settings::new(folder.path()));
    appliance.ask(&[("action", "QueueInfo"), ("queuename", "FaceClustering"), ("queueaction", "resume")]);
    appliance.cluster(&[("database", "recovered-1")]);
}
