//! Training over a store that dies at every write: a TrainFace is done or it is not, and no image of a build that has its
//! training is looked at again.

use super::training::{Fake, build_all, request, told, train, trained_by, untrained};
use super::*;
use crate::face::ImageStatus;

/// The pictures of images that are untrained, as far as they have some.
fn left(engine: &Engine) -> Vec<String> {
    use std::io::Read as _;
    let mut left = Vec::new();
    for database in engine.list_databases().unwrap() {
        for face in shown(engine, database.name.as_str()) {
            for image in face.images.iter().filter(|image| image.status == ImageStatus::Untrained && image.has_picture)
            {
                let mut picture = engine.picture(&database.name, &face.identifier, &image.label).unwrap();
                let mut pixels = String::new();
                picture.file.read_to_string(&mut pixels).unwrap();
                left.push(pixels);
            }
        }
    }
    left
}

fn nothing_is_left(store: &Mortal, folder: &TempDir, at: u64) {
    let left: Vec<_> = store.map().into_keys().filter(|key| b"smagxpe".contains(&key[0])).collect();
    assert!(left.is_empty(), "write {at}: leftovers {left:?}");
    let uploads = std::fs::read_dir(folder.path().join("uploads")).unwrap().count();
    assert_eq!(uploads, 0, "write {at}: uploads of ended jobs");
}

#[test]
fn r73_r138_a_training_that_dies_at_any_write_is_done_or_not_and_then_done() {
    let life = |engine: &Engine| {
        let token = train(engine, request("a", "new"), &[("1", "face:1,0"), ("2", "crowd"), ("3", "face:0,1")]);
        work_all(engine);
        token.unwrap()
    };
    let (folder, trainer) = (tempfile::tempdir().unwrap(), Fake::new());
    let store = Mortal::with(Map::new(), u64::MAX);
    let engine = open(&store, trained_by(&trainer, &folder));
    untrained(&engine);
    let start = store.map();
    let begun = u64::MAX - store.left.load(Ordering::Relaxed);
    let before = whole(&engine, &folder);
    let pristine = tempfile::tempdir().unwrap();
    copy_files(&folder, &pristine);
    life(&engine);
    let after = whole(&engine, &folder);
    let writes = u64::MAX - store.left.load(Ordering::Relaxed) - begun;
    assert!(writes > 6, "{writes} writes and syncs are worth dying at");
    for at in 0.. {
        let folder = tempfile::tempdir().unwrap();
        copy_files(&pristine, &folder);
        let mortal = Mortal::with(start.clone(), at);
        let mut token = None;
        let is_alive = catch_unwind(AssertUnwindSafe(|| {
            let engine = open(&mortal, trained_by(&Fake::new(), &folder));
            token = Some(life(&engine));
        }))
        .is_ok();
        for remains in mortal.remains() {
            let copy = tempfile::tempdir().unwrap();
            copy_files(&folder, &copy);
            let store = Mortal::with(remains, u64::MAX);
            let engine = open(&store, trained_by(&Fake::new(), &copy));
            let state = whole(&engine, &copy);
            assert!(state == before || state == after, "write {at}: half of it is there\n{state}");
            work_all(&engine);
            let is_there = !engine.jobs(Queue::TrainFace).is_empty();
            assert_eq!(whole(&engine, &copy), if is_there { after.as_str() } else { &before }, "write {at}");
            if let Some(token) = token {
                assert_eq!(told(&engine, token), "Finished [Trained, Failed, Trained]", "write {at}");
            }
            drop(engine);
            let engine = open(&store, trained_by(&Fake::new(), &copy));
            whole(&engine, &copy);
            nothing_is_left(&store, &copy, at);
        }
        if is_alive {
            assert!(at > 6);
            break;
        }
    }
}

#[test]
fn r77_r147_a_build_that_dies_at_any_write_goes_on_and_looks_at_no_image_twice() {
    let (folder, trainer) = (tempfile::tempdir().unwrap(), Fake::new());
    let store = Mortal::with(Map::new(), u64::MAX);
    let engine = open(&store, trained_by(&trainer, &folder));
    untrained(&engine);
    let token = build_all(&engine, None, 1);
    let start = store.map();
    work_all(&engine);
    let (expected, after) = (told(&engine, token), whole(&engine, &folder));
    assert!(expected.starts_with("Finished\na/ann 2/4 1=trained"), "{expected}");
    for at in 0.. {
        let copy = tempfile::tempdir().unwrap();
        copy_files(&folder, &copy);
        let mortal = Mortal::with(start.clone(), at);
        let life = || work_all(&open(&mortal, trained_by(&Fake::new(), &copy)));
        let is_alive = catch_unwind(AssertUnwindSafe(life)).is_ok();
        for remains in mortal.remains() {
            let again = tempfile::tempdir().unwrap();
            copy_files(&copy, &again);
            let (store, trainer) = (Mortal::with(remains, u64::MAX), Fake::new());
            let engine = open(&store, trained_by(&trainer, &again));
            let left = left(&engine);
            let counts = counted(&engine);
            assert_eq!(counts.0, counts.1 as u64, "write {at}: the counts are those of the rows");
            work_all(&engine);
            assert_eq!(trainer.asked(), left, "write {at}: what is trained is not looked at again");
            assert_eq!(told(&engine, token), expected, "write {at}: as if it had been one run");
            assert_eq!(whole(&engine, &again), after, "write {at}");
            drop(engine);
            let engine = open(&store, trained_by(&trainer, &again));
            assert_eq!(told(&engine, token), expected, "write {at}: R93");
            nothing_is_left(&store, &again, at);
        }
        if is_alive {
            assert!(at > 15, "every image is a write");
            break;
        }
    }
}

/// Untrained images by the counts, and by the rows.
fn counted(engine: &Engine) -> (u64, usize) {
    let numbers = engine.databases().unwrap().into_iter().map(|(_, record)| record.number);
    let counts = numbers.map(|number| engine.tally.count(number).untrained).sum();
    let faces = ["a", "b"].into_iter().flat_map(|database| shown(engine, database));
    (counts, faces.map(|face| face.count(ImageStatus::Untrained)).sum())
}

#[test]
fn r77_a_build_that_makes_progress_is_not_given_up_however_often_the_process_dies() {
    let (folder, trainer) = (tempfile::tempdir().unwrap(), Fake::new());
    let store = Mortal::with(Map::new(), u64::MAX);
    let engine = open(&store, trained_by(&trainer, &folder));
    untrained(&engine);
    let token = build_all(&engine, None, 1);
    drop(engine);
    let mut map = store.map();
    for round in 0.. {
        // it dies behind the first image that it has trained and said so
        let (mortal, trainer) = (Mortal::with(map.clone(), 8), Fake::new());
        let _ = catch_unwind(AssertUnwindSafe(|| work_all(&open(&mortal, trained_by(&trainer, &folder)))));
        map = mortal.map();
        let store = Mortal::with(map.clone(), u64::MAX);
        let state = told(&open(&store, trained_by(&Fake::new(), &folder)), token);
        assert!(!state.starts_with("Error"), "round {round}: {state}");
        if state.starts_with("Finished") {
            assert!(round >= 3, "more often than a job without progress may be started");
            break;
        }
        assert!(round < 50, "it goes on");
    }
}
