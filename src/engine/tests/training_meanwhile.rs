//! Training while the database changes under it, and while clients steer its jobs: at the moment at which the trainer looks
//! at a certain picture.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use super::training::{Fake, build, build_all, request, told, train, trained_by, untrained};
use super::*;
use crate::engine::start::Started;

/// An engine whose trainer does something when it looks at the picture.
fn acting(picture: &'static str, act: impl Fn(&Engine) + Send + Sync + 'static) -> (TempDir, Arc<Fake>, Arc<Engine>) {
    let (folder, trainer) = (tempfile::tempdir().unwrap(), Fake::new());
    let engine = open(&Mortal::with(Map::new(), u64::MAX), trained_by(&trainer, &folder));
    untrained(&engine);
    let own = Arc::downgrade(&engine);
    trainer.at(picture, move || act(&own.upgrade().unwrap()));
    (folder, trainer, engine)
}

#[test]
fn r126_a_database_removed_while_it_is_trained_ends_its_jobs_in_error_40_and_not_those_on_all() {
    let remove = |engine: &Engine| engine.remove_database(&name("a")).unwrap();
    let replace = |engine: &Engine| {
        let number = |database| engine.find_database(&name(database)).unwrap().unwrap().number;
        engine.remove_database(&name("b")).unwrap(); // or its number would be the last one
        let old = number("a");
        engine.remove_database(&name("a")).unwrap();
        engine.create_database(&name("a"), None).unwrap();
        assert_eq!(number("a"), old, "the new one has the number of the old one");
    };
    for (picture, submit) in [
        ("face:0.6,0.8", (|engine: &Engine| build(engine, "a", "ann")) as fn(&Engine) -> Token),
        ("face:0.6,0.8", |engine| build_all(engine, Some("a"), 1)),
        ("new", |engine| train(engine, request("a", "new"), &[("1", "face:1,0"), ("2", "new")]).unwrap()),
    ] {
        let (folder, _, engine) = acting(picture, remove);
        let token = submit(&engine);
        work_all(&engine);
        assert_eq!(told(&engine, token), "Error ('database=a' does not exist)");
        assert!(whole(&engine, &folder).starts_with("b\n"), "and its pictures are gone");
        let (folder, _, engine) = acting(picture, replace);
        let token = submit(&engine);
        work_all(&engine);
        assert_eq!(told(&engine, token), "Error ('database=a' does not exist)", "another one has its name now");
        assert_eq!(whole(&engine, &folder), "a\n");
    }
    let (_folder, _, engine) = acting("face:0.6,0.8", remove);
    let token = build_all(&engine, None, 1);
    work_all(&engine);
    assert_eq!(told(&engine, token), "Finished\na/ann 0/0 1=trained 2=failed\nb/bob 1/1 1=trained");
}

#[test]
fn a_face_made_while_its_name_is_trained_ends_the_training() {
    let (folder, _, engine) = acting("new", |engine| {
        engine.new_face(&name("a"), Some(&identifier("new"))).unwrap();
    });
    let token = train(&engine, request("a", "new"), &[("1", "face:1,0"), ("2", "new")]).unwrap();
    work_all(&engine);
    assert_eq!(told(&engine, token), "Error ('identifier=new' exists already in 'database=a')");
    whole(&engine, &folder); // no picture is left
}

#[test]
fn an_image_that_changes_while_it_is_looked_at_is_not_given_what_the_old_one_shows() {
    let ann = || (name("a"), identifier("ann"));
    let replace = move |engine: &Engine| {
        engine.remove_images(&ann().0, &ann().1, &labels(&["1", "3"])).unwrap();
        add_pictures(engine, "a", "ann", &[("1", "face:0,1")]).unwrap();
        engine.null_images(&ann().0, &ann().1, Some(&labels(&["2"]))).unwrap();
        engine.new_face(&name("a"), Some(&identifier("0"))).unwrap();
    };
    for parallel in [1, 4] {
        let (folder, _, engine) = acting("face:1,0", replace);
        let token = build_all(&engine, Some("a"), parallel);
        work_all(&engine);
        let text = told(&engine, token);
        assert!(text.starts_with("Finished\na/ann "), "{text}");
        let text = whole(&engine, &folder);
        assert!(text.contains("    1 trained None [0.0, 1.0] pixels \"face:0,1\"\n    2 failed"), "{text}");
        let a = text.split_once("\nb\n").unwrap().0;
        assert!(!a.contains("[1.0, 0.0]") && !a.contains("untrained"), "{a}");
    }
    let (_folder, _, engine) = acting("face:1,0", move |engine| {
        engine.rename_face(&ann().0, &ann().1, &identifier("zoe")).unwrap();
    });
    let (token, next) = (build_all(&engine, Some("a"), 1), build_all(&engine, Some("a"), 1));
    work_all(&engine);
    assert_eq!(told(&engine, token), "Finished\na/bob 1/1 1=trained", "what has another name now is left alone");
    assert_eq!(told(&engine, next), "Finished\na/zoe 2/4 1=trained 2=failed 3=trained 4=failed");
}

#[test]
fn r72_r147_a_stopped_build_keeps_what_it_trained_and_a_stopped_training_nothing() {
    let submits = [
        (Queue::BuildFace, (|engine: &Engine| build(engine, "a", "ann")) as fn(&Engine) -> Token),
        (Queue::BuildAllFaces, |engine| build_all(engine, Some("a"), 1)),
        (Queue::TrainFace, |engine| train(engine, request("a", "new"), &[("1", "crowd"), ("2", "face:1,0")]).unwrap()),
    ];
    for (queue, submit) in submits {
        let (folder, trainer, engine) = acting("crowd", move |engine| {
            let token = engine.jobs(queue)[0].token;
            assert_eq!(engine.stop(queue, token).unwrap(), State::Stopping);
        });
        let token = submit(&engine);
        work_all(&engine);
        assert_eq!(told(&engine, token), "Stopped");
        let (n_asked, n_done) = if queue == Queue::TrainFace { (1, 0) } else { (2, 2) };
        assert_eq!(trainer.asked().len(), n_asked);
        let text = whole(&engine, &folder);
        assert_eq!(text.matches(" failed ").count() + text.matches(" trained ").count(), n_done, "{text}");
        assert_eq!(engine.store.scan(&crate::store::keys::result(token)).count(), 0, "it has no result");
        assert_eq!(engine.store.scan(&crate::store::keys::forgotten()).count(), 0);
        assert_eq!(std::fs::read_dir(engine.uploads_folder()).unwrap().count(), 0);
    }
}

#[test]
fn r72_a_paused_build_waits_between_images_and_a_restart_goes_on_with_the_others() {
    let (folder, trainer) = (tempfile::tempdir().unwrap(), Fake::new());
    let store = Mortal::with(Map::new(), u64::MAX);
    let engine = open(&store, trained_by(&trainer, &folder));
    untrained(&engine);
    let token = build_all(&engine, Some("a"), 2);
    let (own, is_paused) = (Arc::downgrade(&engine), AtomicBool::new(false));
    trainer.at_each(move |picture| {
        let Some(engine) = own.upgrade() else { return }; // it goes on behind the restart, and nobody pauses it
        match picture {
            "face:1,0" => {}
            "crowd" => {
                // the other thread has done the first image by then, and no more than that
                until("one is done", || engine.job(Queue::BuildAllFaces, token).unwrap().progress.percent > 0.0);
                engine.pause(Queue::BuildAllFaces, token).unwrap();
                is_paused.store(true, Ordering::Release);
            }
            _ => until("it is paused", || is_paused.load(Ordering::Acquire)),
        }
    });
    let started = engine.start_next().unwrap().unwrap();
    let worker = at_work(&engine, started);
    rests(&engine, Queue::BuildAllFaces, token);
    let job = engine.job(Queue::BuildAllFaces, token).unwrap();
    assert!(job.progress.percent > 0.0 && job.progress.percent < 100.0, "{:?}", job.progress);
    engine.release_all();
    worker.join().unwrap();
    let first = trainer.asked();
    drop(engine);
    let engine = open(&store, trained_by(&trainer, &folder));
    assert_eq!(told(&engine, token), "Paused");
    engine.resume(Queue::BuildAllFaces, token).unwrap();
    work_all(&engine);
    let text = "Finished\na/ann 2/4 1=trained 2=failed 3=trained 4=failed\na/bob 1/1 1=trained";
    assert_eq!(told(&engine, token), text, "as if it had been one run");
    let mut asked = trainer.asked();
    assert!(first.len() <= asked.len());
    asked.sort();
    assert_eq!(asked, ["crowd", "face:0,1", "face:0.6,0.8", "face:1,0"], "none was looked at twice");
}

fn at_work(engine: &Arc<Engine>, started: Started) -> thread::JoinHandle<()> {
    let engine = Arc::clone(engine);
    thread::spawn(move || engine.work(&started))
}

/// Waits until a job rests.
fn rests(engine: &Engine, queue: Queue, token: Token) {
    until("it rests", || engine.job(queue, token).unwrap().state == State::Resting);
}

#[test]
fn r86_a_duplicate_has_pictures_of_its_own_and_a_new_name_where_none_was_given() {
    let (folder, trainer) = (tempfile::tempdir().unwrap(), Fake::new());
    let engine = open(&Mortal::with(Map::new(), u64::MAX), trained_by(&trainer, &folder));
    engine.create_database(&name("a"), None).unwrap();
    let unnamed = TrainRequest { identifier: None, ..request("a", "-") };
    let token = train(&engine, unnamed, &[("1", "face:1,0")]).unwrap();
    let copy = engine.duplicate(Queue::TrainFace, token).unwrap();
    engine.cancel(Queue::TrainFace, token).unwrap();
    let again = engine.duplicate(Queue::TrainFace, copy).unwrap();
    work_all(&engine);
    for token in [copy, again] {
        assert_eq!(told(&engine, token), "Finished [Trained]");
    }
    assert_eq!(shown(&engine, "a").len(), 2);
}

#[test]
fn a_stop_that_is_acknowledged_before_the_decision_leaves_nothing_of_a_training() {
    let (folder, _, engine) = acting("face:0,1", |engine| {
        let token = engine.jobs(Queue::TrainFace)[0].token;
        engine.stop(Queue::TrainFace, token).unwrap();
    });
    let before = whole(&engine, &folder);
    // with the last picture, and without a picture to be stored: nothing asks whether to end before the decision
    let nulled = TrainRequest { null_image_data: true, ..request("a", "new") };
    let token = train(&engine, nulled, &[("1", "face:1,0"), ("2", "face:0,1")]).unwrap();
    work_all(&engine);
    assert_eq!(told(&engine, token), "Stopped");
    assert_eq!(whole(&engine, &folder), before);
}

#[test]
fn a_trainer_that_panics_ends_its_job_and_no_other() {
    for parallel in [1, 4] {
        let (_folder, _, engine) = acting("crowd", |_| panic!("the trainer has a defect"));
        let (first, second) = (build_all(&engine, Some("a"), parallel), build_all(&engine, None, parallel));
        work_all(&engine);
        let text = told(&engine, first);
        assert_eq!(text, "Error (a defect of the program ended this job; the server's log has the details)");
        assert!(told(&engine, second).starts_with("Finished\na/ann 2/4 "), "{}", told(&engine, second));
    }
}

#[test]
fn a_store_that_fails_leaves_a_training_whole_or_away_at_the_next_start() {
    for left in 0..16 {
        let (folder, trainer) = (tempfile::tempdir().unwrap(), Fake::new());
        let store = Mortal::failing(Map::new(), u64::MAX);
        let engine = open(&store, trained_by(&trainer, &folder));
        untrained(&engine);
        let token = train(&engine, request("a", "new"), &[("1", "face:1,0"), ("2", "crowd")]).unwrap();
        let started = engine.start_next().unwrap().unwrap();
        store.left.store(left, Ordering::Relaxed);
        let worker = at_work(&engine, started);
        engine.release_all();
        worker.join().expect("no panic, whatever fails");
        for remains in store.remains() {
            let copy = tempfile::tempdir().unwrap();
            copy_files(&folder, &copy);
            let engine = open(&Mortal::with(remains, u64::MAX), trained_by(&Fake::new(), &copy));
            whole(&engine, &copy); // no picture is alone
            work_all(&engine);
            assert_eq!(told(&engine, token), "Finished [Trained, Failed]", "write {left}");
            assert_eq!(shown(&engine, "a").len(), 3);
            whole(&engine, &copy);
        }
    }
}
