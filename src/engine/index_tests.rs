//! Kept graphs that are whole, damaged, half written, outgrown: the answer keeps its promises, and the files theirs.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::num::NonZeroUsize;
use std::sync::Arc;

use tempfile::TempDir;

use super::*;
use crate::cluster::{
    ClusterError, Clustering, NoShelf, Parameters, Past, Resources, Search, Stage, Unwatched, cluster, cluster_with,
};
use crate::confidence::ConfidenceScale;
use crate::engine::{Settings, SystemClock};
use crate::face::{DatabaseName, Embedding, FaceSet, face_id};
use crate::store::Memory;

const DIMENSION: usize = 16;

/// These faces of a crowd of people with five images each. A face is the same in every crowd it is in.
fn crowd(numbers: impl Iterator<Item = u64>) -> FaceSet {
    let unit = |seed: u64| {
        let mut state = seed.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let mut numbers = move || {
            state = (state ^ (state >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9).wrapping_add(1);
            (state >> 40) as f32 / (1 << 23) as f32 - 1.0
        };
        let row: Vec<f32> = (0..DIMENSION).map(|_| numbers()).collect();
        let length = row.iter().map(|v| v * v).sum::<f32>().sqrt();
        row.into_iter().map(move |v| v / length)
    };
    let face = |number: u64| {
        let row: Vec<f32> = unit(number / 5).zip(unit(number + (1 << 32))).map(|(c, own)| c + 0.6 * own).collect();
        let length = row.iter().map(|v| v * v).sum::<f32>().sqrt();
        let row: Vec<f32> = row.into_iter().map(|v| v / length).collect();
        (face_id("people", &format!("{number:06}"), "x").unwrap(), Embedding::new(row).unwrap())
    };
    FaceSet::new(numbers.map(face)).unwrap()
}

fn parameters(search: Search) -> Parameters {
    let threshold: crate::confidence::Threshold = "80".parse().unwrap();
    Parameters { cluster_threshold: threshold, output_threshold: threshold, search, ..Parameters::default() }
}

/// An approximate clustering that keeps what it promises.
fn run(faces: &FaceSet, shelf: &dyn Shelf) -> Clustering {
    let (scale, parameters) = (ConfidenceScale::cosine(), parameters(Search::Hnsw));
    let resources = Resources { threads: NonZeroUsize::new(2).unwrap(), ..Resources::default() };
    let clustering =
        cluster_with(faces, &scale, &parameters, &resources, &Unwatched, Past { shelf, ..Past::NONE }).unwrap();
    assert_eq!(clustering.verify(faces, &scale, &parameters), Ok(()));
    clustering
}

/// The share of all matches that an approximate clustering found.
fn recall(faces: &FaceSet, clustering: &Clustering) -> f64 {
    let parameters = parameters(Search::Exact);
    let all = cluster(faces, &ConfidenceScale::cosine(), &parameters, &Resources::default(), &Unwatched).unwrap();
    assert!(all.matches().total() > 0);
    clustering.matches().total() as f64 / all.matches().total() as f64
}

fn shelf(data: &TempDir) -> DatabaseShelf {
    DatabaseShelf::at(data.path().join("index").join("7"))
}

fn names(shelf: &DatabaseShelf) -> Vec<String> {
    let entries = fs::read_dir(&shelf.folder).unwrap();
    let mut names: Vec<String> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn a_kept_graph_gives_the_same_answer() {
    let data = TempDir::new().unwrap();
    let faces = crowd(0..400);
    let first = run(&faces, &shelf(&data));
    assert_eq!(first, run(&faces, &NoShelf));
    let head = fs::read(shelf(&data).folder.join(HEAD)).unwrap();
    assert_eq!(run(&faces, &shelf(&data)), first);
    assert_eq!(fs::read(shelf(&data).folder.join(HEAD)).unwrap(), head, "nothing new, nothing written");
    assert_eq!(shelf(&data).read(&Unwatched).unwrap().unwrap().len(), 400);
}

#[test]
fn what_is_damaged_is_built_anew() {
    let data = TempDir::new().unwrap();
    let faces = crowd(0..60);
    let whole = run(&faces, &shelf(&data));
    let head = fs::read(shelf(&data).folder.join(HEAD)).unwrap();
    let damages: [fn(&mut Vec<u8>); 4] = [
        |bytes| *bytes.last_mut().unwrap() ^= 1,
        |bytes| bytes[9] ^= 0x80,
        |bytes| bytes.truncate(bytes.len() / 2),
        Vec::clear,
    ];
    for file in [HEAD, "graph", "data"] {
        for damage in damages {
            let file = names(&shelf(&data)).into_iter().find(|name| name.ends_with(file)).unwrap();
            let path = shelf(&data).folder.join(file);
            let mut bytes = fs::read(&path).unwrap();
            damage(&mut bytes);
            fs::write(&path, bytes).unwrap();
            assert!(shelf(&data).read(&Unwatched).is_err(), "{}", path.display());
            assert_eq!(run(&faces, &shelf(&data)), whole);
            assert_eq!(shelf(&data).read(&Unwatched).unwrap().unwrap().len(), 60, "and there is a whole one again");
        }
    }
    fs::remove_file(shelf(&data).folder.join("b.hnsw.data"))
        .or_else(|_| fs::remove_file(shelf(&data).folder.join("a.hnsw.data")))
        .unwrap();
    assert!(shelf(&data).take(&Unwatched).is_none());
    fs::write(shelf(&data).folder.join(HEAD), head).unwrap();
    assert_eq!(run(&faces, &shelf(&data)), whole);
}

#[test]
fn a_graph_of_another_recipe_is_not_loaded() {
    let data = TempDir::new().unwrap();
    run(&crowd(0..30), &shelf(&data));
    let head = shelf(&data).head().unwrap().unwrap();
    shelf(&data).publish(&Head { recipe: "another crate".to_owned(), ..head.clone() }).unwrap();
    assert!(matches!(shelf(&data).read(&Unwatched), Err(Unfit::Recipe(_))));
    // Files that are whole and yet not what the head says.
    shelf(&data).publish(&Head { points: 31, ..head.clone() }).unwrap();
    assert!(matches!(
        shelf(&data).read(&Unwatched),
        Err(Unfit::Graph(GraphError::Other { found: 30, dimension: DIMENSION }))
    ));
    let files = Graph::files(NAMES[usize::from(head.name)]);
    fs::write(shelf(&data).folder.join(&files[0]), b"nonsense of some length, with a sum that is right").unwrap();
    let files = files.map(|file| sum(&shelf(&data).folder.join(file), &Unwatched).unwrap());
    shelf(&data).publish(&Head { files, ..head }).unwrap();
    assert!(matches!(shelf(&data).read(&Unwatched), Err(Unfit::Graph(GraphError::Crate(..)))));
}

#[test]
fn faces_that_come_and_go_are_followed_and_recall_stays() {
    let data = TempDir::new().unwrap();
    run(&crowd(0..400), &shelf(&data));
    for step in 1..=6 {
        // 40 go at the front and 60 come behind: at first they are inserted, later the graph is built anew.
        let faces = crowd(step * 40..400 + step * 60);
        let kept = run(&faces, &shelf(&data));
        let (kept, fresh) = (recall(&faces, &kept), recall(&faces, &run(&faces, &NoShelf)));
        assert!(kept > 0.98 && kept > fresh - 0.01, "step {step}: {kept} of the matches, {fresh} with a new graph");
        let graph = shelf(&data).read(&Unwatched).unwrap().unwrap();
        assert!(graph.len() >= faces.len() && graph.len() <= 2 * graph.founded() as usize, "{graph:?}");
        assert!(graph.len() * 2 <= faces.len() * 3, "a third of {graph:?} is gone at most");
    }
}

#[test]
fn one_face_at_a_time_is_inserted_and_the_graph_is_built_anew_when_it_has_doubled() {
    let data = TempDir::new().unwrap();
    let mut founded = Vec::new();
    for n in 5..=45 {
        let faces = crowd(0..n);
        assert!(recall(&faces, &run(&faces, &shelf(&data))) > 0.99);
        let graph = shelf(&data).read(&Unwatched).unwrap().unwrap();
        assert_eq!(graph.len() as u64, n);
        founded.push(graph.founded());
    }
    founded.dedup();
    assert_eq!(founded, [5, 11, 23]);
}

#[test]
fn a_death_between_writing_and_renaming_leaves_the_old_graph() {
    let data = TempDir::new().unwrap();
    run(&crowd(0..50), &shelf(&data));
    let old = names(&shelf(&data));
    let larger = TempDir::new().unwrap();
    run(&crowd(0..60), &shelf(&larger));
    let graph = shelf(&larger).read(&Unwatched).unwrap().unwrap();
    shelf(&data).write(&graph, &Unwatched).unwrap(); // and here it dies
    fs::write(shelf(&data).folder.join(NEW_HEAD), b"half").unwrap();
    assert_eq!(shelf(&data).read(&Unwatched).unwrap().unwrap().len(), 50);
    let mut settings = Settings::new(data.path());
    settings.threads = NonZeroUsize::MIN;
    Engine::with(Arc::new(Memory::default()), Arc::new(SystemClock), settings).unwrap();
    // The start has swept it all away, for the store knows no such database.
    assert!(shelf(&data).take(&Unwatched).is_none());
    shelf(&data).write(&graph, &Unwatched).unwrap();
    assert!(shelf(&data).take(&Unwatched).is_none(), "no head, no graph");
    shelf(&data).put(&graph, &Unwatched);
    assert_eq!(shelf(&data).read(&Unwatched).unwrap().unwrap().len(), 60);
    shelf(&data).write(&graph, &Unwatched).unwrap();
    shelf(&data).sweep().unwrap();
    assert_eq!(names(&shelf(&data)), old, "only what the head names is left");
}

#[test]
fn a_graph_goes_with_its_database_and_with_a_run_that_panics_over_it() {
    let data = TempDir::new().unwrap();
    let engine = Engine::open(Settings::new(data.path())).unwrap();
    let people = DatabaseName::new("people").unwrap();
    engine.create_database(&people, None).unwrap();
    let number = engine.database(&people).unwrap().number;
    let faces = crowd(0..30);
    run(&faces, &engine.shelf(number));
    drop(engine);
    let engine = Engine::open(Settings::new(data.path())).unwrap();
    assert!(engine.shelf(number).take(&Unwatched).is_some(), "a start leaves it");
    let panicked = std::panic::catch_unwind(|| {
        let shelf = DatabaseShelf::at(data.path().join("index").join(number.to_string()));
        assert!(shelf.take(&Unwatched).is_none(), "a panic with a graph at work");
    });
    assert!(panicked.is_err());
    assert!(engine.shelf(number).take(&Unwatched).is_none());
    run(&faces, &engine.shelf(number));
    engine.remove_database(&people).unwrap();
    assert!(!engine.shelf(number).folder.exists());
}

#[test]
fn r67_of_two_runs_on_one_database_only_one_has_its_graph() {
    let data = TempDir::new().unwrap();
    let engine = Engine::open(Settings::new(data.path())).unwrap();
    let first = engine.borrow_shelf(7).expect("nobody has it");
    assert!(engine.borrow_shelf(7).is_none());
    assert!(engine.borrow_shelf(8).is_some());
    drop(first);
    assert!(engine.borrow_shelf(7).is_some());
}

/// A run that is to stop when it has asked so often.
struct Stopping(std::sync::atomic::AtomicUsize);

impl Stopping {
    fn at(n: usize) -> Self {
        Self(n.into())
    }
}

impl Watch for Stopping {
    fn should_stop(&self) -> bool {
        use std::sync::atomic::Ordering::Relaxed;
        self.0.fetch_update(Relaxed, Relaxed, |left| left.checked_sub(1)).is_err()
    }

    fn report(&self, _: Stage, _: u64, _: u64) {}
}

#[test]
fn a_run_that_is_to_stop_neither_reads_a_graph_on_nor_keeps_another() {
    let data = TempDir::new().unwrap();
    run(&crowd(0..60), &shelf(&data));
    let head = fs::read(shelf(&data).folder.join(HEAD)).unwrap();
    let graph = shelf(&data).read(&Unwatched).unwrap().unwrap();
    let mut n_read = 0;
    while shelf(&data).take(&Stopping::at(n_read)).is_none() {
        n_read += 1;
    }
    assert!(n_read >= 4, "each of the files is asked for at its beginning and its end: {n_read}");
    for n in 0..6 {
        shelf(&data).put(&graph, &Stopping::at(n));
        assert_eq!(fs::read(shelf(&data).folder.join(HEAD)).unwrap(), head, "{n}");
    }
    assert_eq!(shelf(&data).take(&Unwatched).unwrap().len(), 60, "the one before is still there");
    let (scale, parameters) = (ConfidenceScale::cosine(), parameters(Search::Hnsw));
    let (faces, own) = (crowd(0..60), shelf(&data));
    let past = Past { shelf: &own, ..Past::NONE };
    let stopped = cluster_with(&faces, &scale, &parameters, &Resources::default(), &Stopping::at(0), past);
    assert!(matches!(stopped, Err(ClusterError::Stopped)));
}
