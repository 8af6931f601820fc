//! Decisions whose images and faces are lost: told, and by a repair put aside with them.

use std::path::Path;

use faceclique::engine::{Engine, NewDecision, Settings, Subject, Verdict, Wanted};
use faceclique::face::{DatabaseName, Embedding, Identifier, ImageLabel};
use faceclique::store::{Batch, Disk, Store as _, keys};

fn name() -> DatabaseName {
    DatabaseName::new("people").unwrap()
}

fn subject(identifier: &str, label: Option<&str>) -> Subject {
    let label = label.map(|label| ImageLabel::new(label).unwrap());
    Subject { database: name(), identifier: Identifier::new(identifier).unwrap(), label }
}

/// The decisions of a data directory.
fn ids(data: &Path) -> Vec<u64> {
    let engine = Engine::open(Settings::new(data)).unwrap();
    engine.list_decisions(&Wanted::default(), usize::MAX).unwrap().iter().map(|decision| decision.id).collect()
}

/// A database of four faces of two images with decisions of every kind, the first of them the decision 1.
fn make(data: &Path) {
    let engine = Engine::open(Settings::new(data)).unwrap();
    engine.create_database(&name(), None).unwrap();
    for face in ["ann", "bob", "cat", "dan"] {
        let identifier = Identifier::new(face).unwrap();
        engine.new_face(&name(), Some(&identifier)).unwrap();
        let images = ["1", "2"].map(|label| {
            let embedding = Embedding::new([f32::from(face.as_bytes()[0]), f32::from(label.as_bytes()[0])]).unwrap();
            (Some(ImageLabel::new(label).unwrap()), embedding)
        });
        engine.add_embeddings(&name(), &identifier, images.into(), None).unwrap();
    }
    let decided = [
        (Verdict::LabelRight, subject("ann", Some("1")), None), // 1
        (Verdict::LabelRight, subject("ann", Some("2")), None), // 2
        (Verdict::NotSame, subject("ann", Some("1")), Some(subject("bob", None))), // 3
        (Verdict::Same, subject("ann", None), Some(subject("bob", None))), // 4
        (Verdict::NotSame, subject("bob", None), Some(subject("cat", Some("2")))), // 5
        (Verdict::NotSame, subject("bob", None), Some(subject("dan", None))), // 6
    ];
    for (verdict, first, second) in decided {
        engine.decide(NewDecision { verdict, first, second, comment: String::new() }).unwrap();
    }
}

/// Changes the store of a data directory that no process has.
fn spoil(data: &Path, change: impl FnOnce(&mut Batch)) {
    let disk = Disk::open(data, 8 << 20).unwrap();
    let mut batch = Batch::new();
    change(&mut batch);
    disk.commit(batch).unwrap();
}

#[test]
fn a_decision_goes_with_an_image_or_face_that_a_repair_puts_aside() {
    let folder = tempfile::tempdir().unwrap();
    make(folder.path());
    assert_eq!(super::fsck(folder.path(), &[]).0, 0, "{}", super::fsck(folder.path(), &[]).1);
    let number = 1;
    let [ann, dan] = ["ann", "dan"].map(|name| Identifier::new(name).unwrap());
    let [one, two] = ["1", "2"].map(|label| ImageLabel::new(label).unwrap());
    spoil(folder.path(), |batch| {
        batch.put(keys::image(number, &ann, &one), b"not a record".to_vec());
        batch.remove(keys::face(number, &dan));
        batch.remove(keys::image(number, &dan, &one));
        batch.remove(keys::image(number, &dan, &two));
    });
    assert_eq!(ids(folder.path()), [1, 2, 3, 4, 5, 6]);
    let (code, said) = super::fsck(folder.path(), &[]);
    let why = |what: &str| format!("{what} of database 'people', which it is about, is not there");
    let image = why("image '1' of face 'ann'");
    assert_eq!(code, 1, "{said}");
    assert_eq!(said.matches(&image).count(), 2, "decisions 1 and 3: {said}");
    assert_eq!(said.matches(&why("face 'dan'")).count(), 1, "decision 6: {said}");
    assert_eq!(ids(folder.path()), [1, 2, 3, 4, 5, 6], "looking changes nothing");
    let (code, said) = super::fsck(folder.path(), &["--repair"]);
    assert!(code == 0 && said.matches(&image).count() == 2, "{said}");
    assert_eq!(ids(folder.path()), [2, 4, 5]);
    let (code, said) = super::fsck(folder.path(), &[]);
    assert_eq!(code, 0, "what is left is whole: {said}");
}

#[test]
fn decisions_of_a_database_whose_record_is_lost_stay_with_its_images() {
    let folder = tempfile::tempdir().unwrap();
    make(folder.path());
    spoil(folder.path(), |batch| batch.remove(keys::database(&name())));
    let (code, said) = super::fsck(folder.path(), &["--repair"]);
    assert!(code == 0 && said.contains("here 'recovered-1'"), "{said}");
    let engine = Engine::open(Settings::new(folder.path())).unwrap();
    let listed = engine.list_decisions(&Wanted::default(), usize::MAX).unwrap();
    assert_eq!(listed.len(), 6, "{said}");
    assert!(listed.iter().all(|info| info.decision.first.database.as_str() == "recovered-1"), "{listed:?}");
    drop(engine);
    let (code, said) = super::fsck(folder.path(), &[]);
    assert_eq!(code, 0, "what was recovered is whole: {said}");
}
