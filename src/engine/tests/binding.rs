//! A database is bound to one model, and to which of those of a name (contract R125, R149).

use super::training::{Fake, build_all, request, told, train, trained_by, untrained};
use super::*;
use crate::face::ImageStatus;

/// The fingerprint a database is bound to.
fn bound(engine: &Engine, database: &str) -> Option<Fingerprint> {
    engine.database(&name(database)).unwrap().model.unwrap().fingerprint
}

/// Opens the store again, with a server that trains by this.
fn again(store: &Arc<Mortal>, folder: &TempDir, trainer: &Arc<Fake>) -> Arc<Engine> {
    open(&Mortal::with(store.map(), u64::MAX), trained_by(trainer, folder))
}

#[test]
fn r149_another_model_of_the_same_name_is_refused_and_leaves_all_as_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let store = Mortal::with(Map::new(), u64::MAX);
    let engine = open(&store, trained_by(&Fake::called("fake", 2, Some(1)), &folder));
    untrained(&engine);
    build_all(&engine, Some("a"), 1);
    work_all(&engine);
    assert_eq!(bound(&engine, "a"), Some(Fingerprint([1; 32])));
    add_pictures(&engine, "a", "bob", &[("2", "face:1,0")]).unwrap();
    drop(engine);

    let engine = again(&store, &folder, &Fake::called("fake", 2, Some(2)));
    let before = whole(&engine, &folder);
    let tokens = [train(&engine, request("a", "new"), &[("1", "face:1,0")]).unwrap(), build_all(&engine, Some("a"), 1)];
    work_all(&engine);
    for token in tokens {
        assert_eq!(
            told(&engine, token),
            "Error ('database=a' is bound to the model 'fake' with the fingerprint 0101010101010101, and this server \
             trains by another 'fake', with the fingerprint 0202020202020202; train by the model that it is bound to, or \
             move the database over by `faceclique retrain`)"
        );
    }
    assert_eq!(whole(&engine, &folder), before);
    let all = build_all(&engine, None, 1);
    work_all(&engine);
    assert_eq!(
        told(&engine, all),
        "Error (untrained images are left of databases that are bound to another model than 'fake' (fingerprint \
         0202020202020202), by which this server trains: 'database=a' (model 'fake' (fingerprint 0101010101010101)); \
         `faceclique retrain` moves a database over)"
    );
    assert_eq!(bound(&engine, "b"), Some(Fingerprint([2; 32])), "the others were trained");
    drop(engine);

    let engine = again(&store, &folder, &Fake::called("fake", 2, Some(1)));
    build_all(&engine, Some("a"), 1);
    work_all(&engine);
    assert_eq!(shown(&engine, "a")[1].count(ImageStatus::Trained), 2, "its own model goes on");
}

#[test]
fn r125_embeddings_from_elsewhere_bind_to_a_name_and_the_first_training_to_the_model() {
    let folder = tempfile::tempdir().unwrap();
    let store = Mortal::with(Map::new(), u64::MAX);
    let engine = open(&store, trained_by(&Fake::called("fake", 2, Some(1)), &folder));
    engine.create_database(&name("a"), Some("fake")).unwrap();
    engine.new_face(&name("a"), Some(&identifier("ann"))).unwrap();
    let add = |engine: &Engine, label| {
        engine.add_embeddings(&name("a"), &identifier("ann"), vec![image(label, &[1.0, 0.0])], Some("fake")).unwrap();
    };
    add(&engine, "1");
    assert_eq!(bound(&engine, "a"), None);
    train(&engine, request("a", "bob"), &[("1", "face:1,0")]).unwrap();
    work_all(&engine);
    assert_eq!(bound(&engine, "a"), Some(Fingerprint([1; 32])));
    add(&engine, "2"); // still by name and dimension
    drop(engine);
    let engine = again(&store, &folder, &Fake::called("fake", 2, Some(2)));
    add(&engine, "3");
    assert_eq!(bound(&engine, "a"), Some(Fingerprint([1; 32])));
}

#[test]
fn r136_a_face_keeps_its_training_only_within_the_model_that_made_it() {
    let folder = tempfile::tempdir().unwrap();
    let store = Mortal::with(Map::new(), u64::MAX);
    let engine = open(&store, trained_by(&Fake::called("fake", 2, Some(1)), &folder));
    engine.create_database(&name("old"), None).unwrap();
    for face in ["ann", "bob", "cid"] {
        train(&engine, request("old", face), &[("1", "face:1,0")]).unwrap();
    }
    work_all(&engine);
    drop(engine);
    let engine = again(&store, &folder, &Fake::called("fake", 2, Some(2)));
    for (database, model) in [("new", None), ("empty", None), ("named", Some("fake"))] {
        engine.create_database(&name(database), model).unwrap();
    }
    train(&engine, request("new", "dan"), &[("1", "face:1,0")]).unwrap();
    work_all(&engine);
    for (face, to) in [("ann", "new"), ("bob", "empty"), ("cid", "named")] {
        engine.move_face(&name("old"), &identifier(face), &name(to)).unwrap();
    }
    let is_trained = |database: &str| shown(&engine, database)[0].count(ImageStatus::Trained) == 1;
    assert_eq!(["new", "empty", "named"].map(is_trained), [false, true, true]);
    assert_eq!(["new", "empty", "named"].map(|d| bound(&engine, d).unwrap().0[0]), [2, 1, 1]);
}
