//! A database that moves to another model is the old one or the new one, whenever and however that ends.

use std::ops::ControlFlow;

use super::training::{Fake, build_all, request, train, trained_by, untrained};
use super::*;
use crate::store::keys;

/// The model it moves to.
fn second() -> Arc<Fake> {
    Fake::called("second", 3, Some(2))
}

fn go_on(_: u64, _: u64) -> ControlFlow<()> {
    ControlFlow::Continue(())
}

fn retrain(engine: &Engine, database: &str) -> Result<Retrained, EngineError> {
    engine.retrain(&name(database), WithoutPicture::Refuse, &go_on)
}

/// Databases trained by the first model, in which every kind of image is.
fn trained(folder: &TempDir) -> Arc<Mortal> {
    let store = Mortal::with(Map::new(), u64::MAX);
    let engine = open(&store, trained_by(&Fake::called("first", 2, Some(1)), folder));
    untrained(&engine);
    engine.add_metadata(&name("a"), &identifier("ann"), "born", "1970").unwrap();
    build_all(&engine, None, 1);
    work_all(&engine);
    add_pictures(&engine, "a", "bob", &[("2", "face:1,1")]).unwrap(); // untrained still
    store
}

/// The new one, as text: the images of the old, looked at by the second model.
const MOVED: &str = r#"a second Some(3)
  ann [("born", "1970")]
    1 trained None [0.70710677, 0.0, 0.70710677] pixels "face:1,0"
    2 failed Some(SeveralFaces) pixels "crowd"
    3 trained None [0.42426407, 0.56568545, 0.70710677] pixels "face:0.6,0.8"
    4 failed Some(NoData)
  bob []
    1 trained None [0.0, 0.70710677, 0.70710677] pixels "face:0,1"
    2 trained None [0.57735026, 0.57735026, 0.57735026] pixels "face:1,1"
"#;

fn leftovers(store: &Mortal, numbers: &[u64]) -> Vec<String> {
    let is_odd = |key: &Vec<u8>| match key[0] {
        b'f' | b'i' | b'#' => !numbers.contains(&keys::database_number(key).unwrap()),
        kind => b"smagxpe".contains(&kind),
    };
    store.map().into_keys().filter(is_odd).map(|key| keys::printable(&key)).collect()
}

fn numbers(engine: &Engine) -> Vec<u64> {
    engine.databases().unwrap().into_iter().map(|(_, record)| record.number).collect()
}

#[test]
fn every_image_is_looked_at_by_the_new_model_and_nothing_else_changes() {
    let folder = tempfile::tempdir().unwrap();
    let store = trained(&folder);
    let trainer = second();
    let engine = open(&store, trained_by(&trainer, &folder));
    let other = whole(&engine, &folder).split_once("b first").unwrap().1.to_owned();
    let outcome = retrain(&engine, "a").unwrap();
    let expected = Retrained {
        before: Some("'first' (fingerprint 0101010101010101)".to_owned()),
        model: "'second' (fingerprint 0202020202020202)".to_owned(),
        n_faces: 2,
        n_images: 6,
        n_trained: 4,
        n_dropped: 0,
    };
    assert_eq!(outcome, expected);
    let mut asked = trainer.asked();
    asked.sort();
    assert_eq!(asked, ["crowd", "face:0,1", "face:0.6,0.8", "face:1,0", "face:1,1"]);
    let whole_now = whole(&engine, &folder);
    assert_eq!(whole_now, format!("{MOVED}b first{other}"));
    assert_eq!(leftovers(&store, &numbers(&engine)), Vec::<String>::new());
    assert_eq!(engine.database(&name("a")).unwrap().model.unwrap().fingerprint, Some(Fingerprint([2; 32])));
    // it goes on with that model, and pictures come and go as before
    train(&engine, request("a", "cid"), &[("1", "face:0,1")]).unwrap();
    work_all(&engine);
    engine.remove_face(&name("a"), &identifier("ann")).unwrap();
    whole(&engine, &folder);
    retrain(&engine, "a").unwrap();
    engine.remove_database(&name("a")).unwrap();
    assert_eq!(whole(&engine, &folder), format!("b first{other}"));
}

#[test]
fn the_threads_and_the_pieces_make_no_difference() {
    let moved_with = |threads| {
        let folder = tempfile::tempdir().unwrap();
        let store = trained(&folder);
        let settings =
            Settings { max_num_parallel: NonZeroUsize::new(threads).unwrap(), ..trained_by(&second(), &folder) };
        let engine = open(&store, settings);
        let images: Vec<_> = (0..600).map(|n| (format!("{n:03}"), format!("face:1,{n}"))).collect();
        let images: Vec<_> = images.iter().map(|(label, pixels)| (&**label, &**pixels)).collect();
        add_pictures(&engine, "b", "ann", &images).unwrap();
        let (seen, last) = (AtomicU64::new(0), Mutex::new((0, 0)));
        let watch = |done, total| {
            seen.fetch_add(1, Ordering::Relaxed);
            *last.lock().unwrap() = (done, total);
            ControlFlow::Continue(())
        };
        let outcome = engine.retrain(&name("b"), WithoutPicture::Refuse, &watch).unwrap();
        assert_eq!((outcome.n_images, outcome.n_trained), (601, 601));
        assert_eq!((*last.lock().unwrap(), seen.into_inner()), ((601, 601), 602));
        whole(&engine, &folder)
    };
    assert_eq!(moved_with(1), moved_with(4));
}

#[test]
fn images_that_no_model_can_look_at_keep_a_database_where_it_is_unless_they_may_go() {
    let folder = tempfile::tempdir().unwrap();
    let store = trained(&folder);
    let engine = open(&store, trained_by(&second(), &folder));
    engine.null_images(&name("a"), &identifier("ann"), Some(&labels(&["1", "3"]))).unwrap();
    let (before, map) = (whole(&engine, &folder), store.map());
    let error = retrain(&engine, "a").unwrap_err();
    assert_eq!(
        (error.kind(), error.to_string()),
        (
            ErrorKind::NoPicture,
            "2 trained images of 'database=a' have no picture that another model could look at, the first is \
             'imagelabel=1' of 'identifier=ann': they came as embeddings, or their pictures were dropped"
                .to_owned()
        )
    );
    assert!(whole(&engine, &folder) == before && store.map() == map, "nothing was done");
    let outcome = engine.retrain(&name("a"), WithoutPicture::Drop, &go_on).unwrap();
    assert_eq!((outcome.n_trained, outcome.n_dropped), (2, 2));
    let text = whole(&engine, &folder);
    assert!(text.contains("1 failed Some(NoData)\n") && text.contains("3 failed Some(NoData)\n"), "{text}");
}

#[test]
fn a_database_with_jobs_that_have_not_ended_stays_and_they_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let store = trained(&folder);
    let engine = open(&store, trained_by(&second(), &folder));
    let cluster = |database: Option<&str>| {
        let task = ClusterTask { database: database.map(str::to_owned), ..ClusterTask::default() };
        engine.submit(Ticket::default(), Task::Cluster(task)).unwrap()
    };
    let tokens = [cluster(Some("a")), cluster(None)];
    cluster(Some("b"));
    let error = retrain(&engine, "a").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::State);
    let text = error.to_string();
    assert!(text.starts_with("2 jobs on 'database=a' have not ended: FaceClustering "), "{text}");
    assert!(tokens.iter().all(|token| text.contains(&token.to_string())), "{text}");
    work_all(&engine);
    retrain(&engine, "a").unwrap();
    let error = retrain(&engine, "lost").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::DatabaseNotFound);
    let error = retrain(&open(&Mortal::with(Map::new(), u64::MAX), settings(&folder)), "a").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Model);
}

#[test]
fn one_that_is_interrupted_or_meets_a_fault_leaves_the_old_database_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let store = trained(&folder);
    let engine = open(&store, trained_by(&second(), &folder));
    let before = whole(&engine, &folder);
    let kept = numbers(&engine);
    for last in 0..=6 {
        let watch = |done, _| if done >= last { ControlFlow::Break(()) } else { ControlFlow::Continue(()) };
        let error = engine.retrain(&name("a"), WithoutPicture::Refuse, &watch).unwrap_err();
        assert_eq!(error.to_string(), "interrupted; 'database=a' is as it was");
        assert_eq!(whole(&engine, &folder), before, "after {last}");
        assert_eq!((numbers(&engine), leftovers(&store, &kept)), (kept.clone(), Vec::new()), "after {last}");
    }
    add_pictures(&engine, "a", "bob", &[("3", "broken model")]).unwrap();
    let before = whole(&engine, &folder);
    let error = retrain(&engine, "a").unwrap_err();
    assert_eq!(error.to_string(), "the embedding model 'second' fails: it is broken");
    assert_eq!(whole(&engine, &folder), before);
    assert_eq!(leftovers(&store, &kept), Vec::<String>::new());
}

#[test]
fn a_death_at_any_write_leaves_the_old_database_or_the_new_one_with_its_pictures() {
    let folder = tempfile::tempdir().unwrap();
    let start = trained(&folder).map();
    let before = whole(&open(&Mortal::with(start.clone(), u64::MAX), trained_by(&second(), &folder)), &folder);
    let after = format!("{MOVED}b first{}", before.split_once("b first").unwrap().1);
    let mut seen = [0, 0];
    for at in 0.. {
        let copy = tempfile::tempdir().unwrap();
        copy_files(&folder, &copy);
        let mortal = Mortal::with(start.clone(), at);
        let life = || retrain(&open(&mortal, trained_by(&second(), &copy)), "a").unwrap();
        let is_alive = catch_unwind(AssertUnwindSafe(life)).is_ok();
        for remains in mortal.cut() {
            let again = tempfile::tempdir().unwrap();
            copy_files(&copy, &again);
            let store = Mortal::with(remains, u64::MAX);
            let engine = open(&store, trained_by(&second(), &again));
            let state = whole(&engine, &again);
            assert!(state == before || state == after, "write {at}: half of it is there\n{state}");
            assert!(!is_alive || state == after, "it was acknowledged");
            seen[usize::from(state == after)] += 1;
            assert_eq!(leftovers(&store, &numbers(&engine)), Vec::<String>::new(), "write {at}");
            // whichever it is, it can be moved, and then removed without a picture that is left behind
            retrain(&engine, "a").unwrap();
            assert_eq!(whole(&engine, &again), after, "write {at}");
            engine.remove_database(&name("a")).unwrap();
            whole(&engine, &again);
        }
        if is_alive {
            assert!(at > 8, "{at} writes and syncs are worth dying at");
            break;
        }
    }
    assert!(seen[0] > 4 && seen[1] > 2, "both were met: {seen:?}");
}

#[test]
fn a_death_while_the_rest_of_a_move_is_cleared_is_just_another_death() {
    let folder = tempfile::tempdir().unwrap();
    let start = trained(&folder).map();
    let after = {
        let copy = tempfile::tempdir().unwrap();
        copy_files(&folder, &copy);
        let engine = open(&Mortal::with(start.clone(), u64::MAX), trained_by(&second(), &copy));
        retrain(&engine, "a").unwrap();
        whole(&engine, &copy)
    };
    let before = whole(&open(&Mortal::with(start.clone(), u64::MAX), trained_by(&second(), &folder)), &folder);
    for first in 0..20 {
        let mortal = Mortal::with(start.clone(), first);
        let copy = tempfile::tempdir().unwrap();
        copy_files(&folder, &copy);
        let life = || retrain(&open(&mortal, trained_by(&second(), &copy)), "a").unwrap();
        let _ = catch_unwind(AssertUnwindSafe(life));
        for at in 0..20 {
            let next = Mortal::with(mortal.cut()[0].clone(), at);
            let _ = catch_unwind(AssertUnwindSafe(|| open(&next, trained_by(&second(), &copy))));
            for remains in next.cut() {
                let store = Mortal::with(remains, u64::MAX);
                let engine = open(&store, trained_by(&second(), &copy));
                let state = whole(&engine, &copy);
                assert!(state == before || state == after, "write {first}, then {at}\n{state}");
                assert_eq!(leftovers(&store, &numbers(&engine)), Vec::<String>::new());
            }
        }
    }
}

#[test]
fn what_was_kept_of_the_pairs_and_the_graph_of_the_old_database_does_not_outlive_it() {
    let folder = tempfile::tempdir().unwrap();
    let store = trained(&folder);
    let engine = open(&store, trained_by(&second(), &folder));
    let cluster = |search| {
        let task = ClusterTask { database: Some("a".to_owned()), search: Some(search), ..ClusterTask::default() };
        let token = engine.submit(Ticket::default(), Task::Cluster(task)).unwrap();
        work_all(&engine);
        result_text(&engine, token)
    };
    let names = |below: &str| {
        let entries = std::fs::read_dir(folder.path().join(below)).unwrap();
        let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    };
    let number = || engine.database(&name("a")).unwrap().number;
    let before = cluster(crate::cluster::Search::Exact);
    let kept = format!("{}.pairs", number());
    assert_eq!(names("pairs"), [kept]);
    let old = number();
    retrain(&engine, "a").unwrap();
    assert!(number() != old && names("pairs").is_empty());
    let after = cluster(crate::cluster::Search::Exact);
    assert_ne!(after, before, "other embeddings, other matches");
    assert_eq!(names("pairs"), [format!("{}.pairs", number())]);
    let fresh = tempfile::tempdir().unwrap();
    copy_files(&folder, &fresh);
    std::fs::remove_dir_all(fresh.path().join("pairs")).unwrap();
    let again = open(&Mortal::with(store.map(), u64::MAX), trained_by(&second(), &fresh));
    let task = ClusterTask { database: Some("a".to_owned()), ..ClusterTask::default() };
    let token = again.submit(Ticket::default(), Task::Cluster(task)).unwrap();
    work_all(&again);
    assert_eq!(result_text(&again, token), after, "the same without anything kept");
}
