//! What jobs leave for themselves and for the next one: it changes no result, whatever becomes of it.

use std::fs;
use std::path::{Path, PathBuf};

use super::super::ledger::{Earlier, JobLedger};
use super::super::progress::Control;
use super::*;
use crate::cluster::{self, Ledger as _, Parameters, Resources, Search, cluster_with};
use crate::confidence::ConfidenceScale;
use crate::face::{FaceSet, face_id};

/// splitmix64
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    fn below(&mut self, n: u64) -> u64 {
        self.next() % n
    }

    /// A face near one of `people` centres.
    fn row(&mut self, people: u64) -> Vec<f32> {
        let unit = |random: &mut Self| random.below(2_000) as f32 / 1_000.0 - 1.0;
        let mut centre = Self(self.below(people) + 1_000);
        (0..8).map(|_| unit(&mut centre) + 0.6 * unit(self)).collect()
    }
}

/// A database `d` of so many images under `x`.
fn filled(engine: &Engine, n: usize) {
    engine.create_database(&name("d"), None).unwrap();
    engine.new_face(&name("d"), Some(&identifier("x"))).unwrap();
    let mut random = Random(1);
    let images = (0..n).map(|label| image(&format!("{label:05}"), &random.row(n as u64 / 5)));
    engine.add_embeddings(&name("d"), &identifier("x"), images.collect(), None).unwrap();
}

fn task() -> Task {
    let task = ClusterTask {
        database: Some("d".to_owned()),
        cluster_threshold: 8_500,
        output_threshold: 8_500,
        ..ClusterTask::default()
    };
    Task::Cluster(task)
}

fn clustered(engine: &Engine, task: Task) -> String {
    let token = engine.submit(Ticket::default(), task).unwrap();
    work_all(engine);
    result_text(engine, token)
}

fn file(folder: &TempDir, name: &str) -> PathBuf {
    folder.path().join("pairs").join(name)
}

/// The files of pairs.
fn left(folder: &TempDir) -> Vec<String> {
    let entries = fs::read_dir(folder.path().join("pairs")).unwrap();
    let mut names: Vec<String> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// How many faces were compared by the run that left this file, and how many of them were new to it.
fn compared(path: &Path) -> (u32, u32) {
    let bytes = fs::read(path).unwrap();
    let number = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap());
    (number(12), number(16))
}

/// The bytes, damaged in one of many ways: cut short, or with a bit flipped.
fn damaged(bytes: &[u8], how: u64) -> Vec<u8> {
    let mut random = Random(how);
    // the head more often than its size deserves
    let at = random.below(if how.is_multiple_of(4) { 100 } else { bytes.len() as u64 }) as usize;
    let mut bytes = bytes.to_vec();
    match how % 3 {
        0 => bytes.truncate(at),
        1 => bytes[at] ^= 1 << random.below(8),
        _ => bytes[at..].iter_mut().for_each(|byte| *byte = 0),
    }
    bytes
}

#[test]
fn r114_a_job_that_knows_the_pairs_of_the_last_one_gives_the_bytes_of_a_full_run() {
    let mut random = Random(7);
    let (mut n_known, mut n_jobs) = (0, 0);
    for _ in 0..6 {
        let folders = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
        let engines = [true, false].map(|keep_pairs| {
            let folder = &folders[usize::from(!keep_pairs)];
            open(&Mortal::with(Map::new(), u64::MAX), Settings { keep_pairs, ..settings(folder) })
        });
        for engine in &engines {
            engine.create_database(&name("d"), None).unwrap();
        }
        let mut people: Vec<String> = Vec::new();
        for round in 0..12 {
            for _ in 0..random.below(if round == 0 { 100 } else { 12 }) {
                let (person, images) = (format!("p{}", random.next()), 1 + random.below(5));
                let rows: Vec<Vec<f32>> = (0..images).map(|_| random.row(30)).collect();
                for engine in &engines {
                    engine.new_face(&name("d"), Some(&identifier(&person))).unwrap();
                    let images = rows.iter().enumerate().map(|(label, row)| image(&label.to_string(), row));
                    engine.add_embeddings(&name("d"), &identifier(&person), images.collect(), None).unwrap();
                }
                people.push(person);
            }
            for _ in 0..random.below(8).min(people.len() as u64) {
                let person = people.swap_remove(random.below(people.len() as u64) as usize);
                for engine in &engines {
                    engine.remove_face(&name("d"), &identifier(&person)).unwrap();
                }
            }
            let cluster_threshold = 7_000 + 250 * random.below(8) as u16;
            let task = Task::Cluster(ClusterTask {
                database: (random.below(5) > 0).then(|| "d".to_owned()),
                cluster_threshold,
                output_threshold: cluster_threshold - 500 * random.below(2) as u16,
                max_results: [None, Some(0), Some(3)][random.below(3) as usize],
                ..ClusterTask::default()
            });
            let [with, without] = engines.each_ref().map(|engine| clustered(engine, task.clone()));
            assert!(with == without, "round {round}: {task:?}");
            assert!(left(&folders[1]).is_empty());
            for file in left(&folders[0]) {
                let (faces, fresh) = compared(&folders[0].path().join("pairs").join(file));
                n_known += u32::from(fresh < faces);
                n_jobs += 1;
            }
        }
    }
    assert!(n_known > n_jobs / 4 && n_known < n_jobs, "{n_known} of {n_jobs} files are of jobs that knew pairs");
}

#[test]
fn what_is_kept_stands_for_its_faces_until_they_change_or_the_database_goes() {
    let folder = tempfile::tempdir().unwrap();
    let engine = fresh(&folder);
    filled(&engine, 1_000);
    let with_threshold = |threshold| match task() {
        Task::Cluster(task) => {
            Task::Cluster(ClusterTask { cluster_threshold: threshold, output_threshold: threshold, ..task })
        }
        other => other,
    };
    let kept = file(&folder, "1.pairs");
    clustered(&engine, with_threshold(8_500));
    assert_eq!((compared(&kept), left(&folder)), ((1_000, 1_000), vec!["1.pairs".to_owned()]));
    let first = fs::read(&kept).unwrap();
    clustered(&engine, with_threshold(9_000));
    assert!(fs::read(&kept).unwrap() == first, "the same faces and fewer pairs say nothing more");
    clustered(&engine, with_threshold(8_000));
    assert_eq!(compared(&kept), (1_000, 1_000), "more pairs are looked for than are known");
    assert!(fs::read(&kept).unwrap().len() > first.len());
    engine.add_embeddings(&name("d"), &identifier("x"), vec![image("new", &[1.0; 8])], None).unwrap();
    clustered(&engine, with_threshold(9_000));
    assert_eq!(compared(&kept), (1_001, 1), "one face is compared with all");
    clustered(&engine, cluster_all());
    assert_eq!(left(&folder), ["1.pairs", "all.pairs"]);
    let Task::Cluster(hnsw) = task() else { panic!("it is a clustering") };
    clustered(&engine, Task::Cluster(ClusterTask { search: Some(Search::Hnsw), ..hnsw }));
    let stopped = engine.submit(Ticket::default(), task()).unwrap();
    let started = engine.start_next().unwrap().unwrap();
    engine.stop(Queue::FaceClustering, stopped).unwrap();
    engine.work(&started);
    assert_eq!(left(&folder), ["1.pairs", "all.pairs"], "neither leaves anything");
    fs::write(file(&folder, "7.pairs"), "of a database that is gone").unwrap();
    fs::write(file(&folder, &format!("{stopped}.log")), "of a job that has ended").unwrap();
    let engine = open(&Mortal::with(engine_map(&engine), u64::MAX), settings(&folder));
    assert_eq!(left(&folder), ["1.pairs", "all.pairs"], "the start clears");
    engine.remove_database(&name("d")).unwrap();
    assert_eq!(left(&folder), ["all.pairs"]);
}

/// What the store of an engine holds.
fn engine_map(engine: &Engine) -> Map {
    engine.store.scan(&[]).map(|entry| entry.unwrap()).collect()
}

#[test]
fn a_damaged_file_of_kept_pairs_costs_a_full_run_and_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let engine = fresh(&folder);
    filled(&engine, 1_000);
    clustered(&engine, task());
    let kept = file(&folder, "1.pairs");
    let whole = fs::read(&kept).unwrap();
    engine.add_embeddings(&name("d"), &identifier("x"), vec![image("new", &[1.0; 8])], None).unwrap();
    let expected = clustered(&engine, task());
    assert_eq!(compared(&kept), (1_001, 1));
    for how in 0..100 {
        let bytes = damaged(&whole, how);
        let is_whole = bytes == whole;
        fs::write(&kept, bytes).unwrap();
        assert!(clustered(&engine, task()) == expected, "damage {how}");
        let fresh = if is_whole { 1 } else { 1_001 };
        assert_eq!(compared(&kept), (1_001, fresh), "damage {how}: it is not used");
    }
    fs::write(&kept, [&whole[..], b"\0"].concat()).unwrap();
    assert!(clustered(&engine, task()) == expected, "something follows");
    assert_eq!(compared(&kept), (1_001, 1_001));
}

#[test]
fn pairs_that_cannot_be_read_a_second_time_are_told_from_no_pairs() {
    let folder = tempfile::tempdir().unwrap();
    let engine = fresh(&folder);
    filled(&engine, 1_000);
    clustered(&engine, task());
    let mut random = Random(1);
    let faces = (0..1_000).map(|label| {
        let row = random.row(200);
        (face_id("d", "x", &format!("{label:05}")).unwrap(), Embedding::new(row).unwrap())
    });
    let (faces, control) = (FaceSet::new(faces).unwrap(), Control::new());
    let ledger = JobLedger::new(&engine, Token::generate(), &control, &faces, Some(1), Earlier::Asked);
    assert!(ledger.known().is_some(), "the faces are the same");
    let kept = file(&folder, "1.pairs");
    let mut bytes = fs::read(&kept).unwrap();
    let at = bytes.len() - 10;
    bytes[at] ^= 1;
    fs::write(&kept, bytes).unwrap();
    let parameters = Parameters {
        search: Search::Exact,
        cluster_threshold: crate::confidence::Threshold::at(crate::Confidence::MAX),
        ..Parameters::default()
    };
    let parameters = Parameters { output_threshold: parameters.cluster_threshold, ..parameters };
    let past = cluster::Past { ledger: &ledger, ..cluster::Past::NONE };
    cluster_with(&faces, &ConfidenceScale::cosine(), &parameters, &Resources::default(), &control, past).unwrap();
    assert!(ledger.is_misread());
    drop(ledger);
    assert!(left(&folder).is_empty(), "nothing of that run is kept");
}

/// A job that died behind its comparison: what its store held, and its token.
fn died(folder: &TempDir) -> (Map, Token) {
    let store = Mortal::with(Map::new(), u64::MAX);
    let engine = open(&store, settings(folder));
    filled(&engine, 1_000);
    let token = engine.submit(Ticket::default(), task()).unwrap();
    die_at_the_end(&store, &engine);
    (store.map(), token)
}

/// Works the next job until its result is written, which is its death.
fn die_at_the_end(store: &Mortal, engine: &Engine) {
    let started = engine.start_next().unwrap().unwrap();
    store.left.store(2, Ordering::Relaxed); // enough to note progress, or to begin the result
    let death = catch_unwind(AssertUnwindSafe(|| engine.work(&started)));
    assert!(death.is_err(), "it dies");
}

#[test]
fn a_log_that_is_damaged_anywhere_costs_work_and_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (map, token) = died(&folder);
    let whole = fs::read(file(&folder, &format!("{token}.log"))).unwrap();
    let expected = {
        let folder = tempfile::tempdir().unwrap();
        let engine = open(&Mortal::with(map.clone(), u64::MAX), settings(&folder));
        work_all(&engine);
        result_text(&engine, token)
    };
    for how in 0..100 {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("pairs")).unwrap();
        let bytes = if how == 0 { whole.clone() } else { damaged(&whole, how) };
        fs::write(file(&folder, &format!("{token}.log")), bytes).unwrap();
        let engine = open(&Mortal::with(map.clone(), u64::MAX), settings(&folder));
        work_all(&engine);
        assert!(result_text(&engine, token) == expected, "damage {how}");
        assert_eq!(left(&folder), ["1.pairs"]);
        assert_eq!(fs::read(file(&folder, "1.pairs")).unwrap().len(), whole.len(), "damage {how}: it is whole again");
    }
}

#[test]
fn a_job_whose_log_cannot_be_written_does_its_work_all_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let engine = fresh(&folder);
    filled(&engine, 600);
    let expected = clustered(&engine, task());
    fs::remove_dir_all(folder.path().join("pairs")).unwrap();
    fs::write(folder.path().join("pairs"), "not a folder").unwrap();
    assert!(clustered(&engine, task()) == expected);
}

#[test]
fn r77_a_job_that_saves_progress_between_two_deaths_is_not_given_up_and_one_that_does_not_is() {
    let folder = tempfile::tempdir().unwrap();
    let settings = || Settings { save_every: Duration::ZERO, ..settings(&folder) };
    let mut store = Mortal::with(Map::new(), u64::MAX);
    filled(&open(&store, settings()), 1_000);
    let token = open(&store, settings()).submit(Ticket::default(), task()).unwrap();
    let log = file(&folder, &format!("{token}.log"));
    let attempts = |engine: &Engine| engine.lock_jobs().get(token).unwrap().record.life.attempts;
    for death in 0..6 {
        let engine = open(&store, settings());
        die_at_the_end(&store, &engine);
        assert_eq!(attempts(&engine), 1, "death {death}");
        assert!(engine.lock_jobs().suspects.is_empty(), "death {death}: others may run beside it again (R78)");
        let bytes = fs::read(&log).unwrap();
        fs::write(&log, &bytes[..bytes.len() - 9]).unwrap(); // so that there is progress to be made
        store = Mortal::with(store.map(), u64::MAX);
    }
    for death in 0..3 {
        let engine = open(&store, settings());
        assert_eq!(queues(&engine), "FaceClustering Queued\n");
        die_at_the_end(&store, &engine);
        assert_eq!(attempts(&engine), 1 + death);
        store = Mortal::with(store.map(), u64::MAX);
    }
    let engine = open(&store, settings());
    assert_eq!(
        queues(&engine),
        "FaceClustering Error (the process ended 3 times in a row while this job was at work)\n"
    );
    assert!(left(&folder).is_empty());
}
