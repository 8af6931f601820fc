//! Decisions and changes: what they follow, what they refuse, and that undoing restores all of it.

use super::*;
use crate::engine::{ChangeKind, NewDecision, Sequence, Subject, Verdict, Wanted};

fn subject(identifier: &str, label: Option<&str>) -> Subject {
    Subject { database: name("a"), identifier: self::identifier(identifier), label: label.map(self::label) }
}

fn decision(verdict: Verdict, first: Subject, second: Option<Subject>) -> NewDecision {
    NewDecision { verdict, first, second, comment: String::new() }
}

fn not_same(engine: &Engine, one: Subject, other: Subject) -> u64 {
    engine.decide(decision(Verdict::NotSame, one, Some(other))).unwrap().id
}

/// Database `a` with ann (1, 2, 3), bob (1) and cat (1); the third of ann has a picture.
fn open_review(folder: &TempDir) -> Arc<Engine> {
    let engine = Engine::open(settings(folder)).unwrap();
    engine.create_database(&name("a"), None).unwrap();
    for (face, images) in [("ann", vec!["1", "2"]), ("bob", vec!["1"]), ("cat", vec!["1"])] {
        engine.new_face(&name("a"), Some(&identifier(face))).unwrap();
        let n = f32::from(face.as_bytes()[0] - b'a' + 1);
        let images = images.iter().zip(1_u8..).map(|(label, at)| image(label, &[n, f32::from(at)])).collect();
        engine.add_embeddings(&name("a"), &identifier(face), images, None).unwrap();
    }
    add_pictures(&engine, "a", "ann", &[("3", "pixels")]).unwrap();
    engine.add_metadata(&name("a"), &identifier("ann"), "born", "1930").unwrap();
    engine
}

/// Everything that undoing must restore.
fn state(engine: &Engine, folder: &TempDir) -> String {
    format!("{}{}", whole(engine, folder), decisions(engine))
}

/// The decisions, one a line.
pub(super) fn decisions(engine: &Engine) -> String {
    let shown = |subject: &Subject| {
        let label = subject.label.as_ref().map_or_else(String::new, |label| format!("/{label}"));
        format!("{}/{}{label}", subject.database, subject.identifier)
    };
    let listed = engine.list_decisions(&Wanted::default(), usize::MAX).unwrap();
    let lines = listed.iter().map(|info| {
        let NewDecision { verdict, first, second, .. } = &info.decision;
        let second = second.as_ref().map_or_else(String::new, |second| format!(" {}", shown(second)));
        format!("{} {} {}{second}\n", info.id, verdict.as_str(), shown(first))
    });
    lines.collect()
}

#[test]
fn a_decision_is_there_behind_a_restart_and_said_once() {
    let folder = tempfile::tempdir().unwrap();
    let engine = open_review(&folder);
    let id = not_same(&engine, subject("ann", None), subject("bob", Some("1")));
    assert_eq!(not_same(&engine, subject("bob", Some("1")), subject("ann", None)), id, "the same two");
    let changed = decision(Verdict::Same, subject("ann", None), Some(subject("bob", Some("1"))));
    let decided = engine.decide(changed).unwrap();
    assert_eq!(decided.replaced, Some(id), "the last word counts");
    let before = decisions(&engine);
    drop(engine);
    let engine = Engine::open(settings(&folder)).unwrap();
    assert_eq!(decisions(&engine), before);
    engine.remove_decision(decided.id).unwrap();
    assert_eq!(engine.remove_decision(decided.id).unwrap_err().kind(), ErrorKind::UnknownToken);
    let next = not_same(&engine, subject("ann", None), subject("cat", None));
    assert!(next > decided.id, "a number is given once");
}

#[test]
fn decisions_are_listed_from_either_end_in_pages_and_by_face() {
    let folder = tempfile::tempdir().unwrap();
    let engine = open_review(&folder);
    let pairs = [("ann", "bob"), ("bob", "cat"), ("ann", "cat")];
    let made = pairs.map(|(one, other)| not_same(&engine, subject(one, None), subject(other, None)));
    let ids = |wanted: Wanted<'_>, limit| -> Vec<u64> {
        engine.list_decisions(&wanted, limit).unwrap().iter().map(|info| info.id).collect()
    };
    let last_first = Wanted { order: Sequence::LastToFirst, ..Wanted::default() };
    assert_eq!(ids(Wanted::default(), 9), made);
    assert_eq!(ids(last_first, 2), [made[2], made[1]]);
    assert_eq!(ids(Wanted { before: Some(made[1]), ..last_first }, 2), [made[0]]);
    assert_eq!(ids(Wanted { after: made[0], before: Some(made[2]), ..Wanted::default() }, 9), [made[1]]);
    assert!(ids(Wanted { after: u64::MAX, before: Some(1), ..last_first }, 9).is_empty());
    let (database, ann, nobody) = (name("a"), identifier("ann"), identifier("nobody"));
    let about = |face| Wanted { database: Some(&database), identifier: Some(face), ..last_first };
    assert_eq!(ids(about(&ann), 9), [made[2], made[0]]);
    assert_eq!(ids(Wanted { after: made[0], ..about(&ann) }, 9), [made[2]]);
    assert!(ids(about(&nobody), 9).is_empty());
}

#[test]
fn a_decision_follows_what_it_is_about_and_goes_with_it() {
    let folder = tempfile::tempdir().unwrap();
    let engine = open_review(&folder);
    let (a, ann, bob) = (name("a"), identifier("ann"), identifier("bob"));
    not_same(&engine, subject("ann", Some("1")), subject("cat", None));
    engine.decide(decision(Verdict::LabelRight, subject("ann", Some("2")), None)).unwrap();
    engine.relabel_image(&a, &ann, &label("1"), &label("one")).unwrap();
    engine.rename_face(&a, &identifier("cat"), &identifier("zoe")).unwrap();
    assert_eq!(decisions(&engine), "1 notsame a/ann/one a/zoe\n2 labelright a/ann/2\n");
    engine.move_image((&a, &ann, &label("2")), &a, &bob).unwrap();
    assert_eq!(decisions(&engine), "1 notsame a/ann/one a/zoe\n", "its label is another one now");
    engine.create_database(&name("b"), None).unwrap();
    engine.move_face(&a, &ann, &name("b")).unwrap();
    assert_eq!(decisions(&engine), "1 notsame a/zoe b/ann/one\n");
    engine.rename_database(&name("b"), &name("c")).unwrap();
    assert_eq!(decisions(&engine), "1 notsame a/zoe c/ann/one\n");
    engine.remove_face(&a, &identifier("zoe")).unwrap();
    assert_eq!(decisions(&engine), "");
}

#[test]
fn a_decision_goes_with_either_of_its_databases() {
    let folder = tempfile::tempdir().unwrap();
    let engine = open_review(&folder);
    engine.create_database(&name("b"), None).unwrap();
    engine.new_face(&name("b"), Some(&identifier("dan"))).unwrap();
    let dan = Subject { database: name("b"), identifier: identifier("dan"), label: None };
    not_same(&engine, subject("ann", None), dan);
    engine.remove_database(&name("b")).unwrap();
    assert_eq!(decisions(&engine), "");
}

/// Changes, undoes, does again and undoes again; every step is what it says.
fn undone(change: impl Fn(&Engine) -> u64) {
    let folder = tempfile::tempdir().unwrap();
    let engine = open_review(&folder);
    not_same(&engine, subject("ann", None), subject("cat", None));
    not_same(&engine, subject("ann", Some("1")), subject("cat", None));
    engine.decide(decision(Verdict::LabelRight, subject("ann", Some("1")), None)).unwrap();
    engine.decide(decision(Verdict::Same, subject("ann", None), Some(subject("bob", None)))).unwrap();
    let before = state(&engine, &folder);
    let id = change(&engine);
    let behind = state(&engine, &folder);
    assert_ne!(before, behind);
    drop(engine);
    let engine = Engine::open(settings(&folder)).unwrap();
    let undo = engine.undo_change(id).unwrap().id;
    assert_eq!(state(&engine, &folder), before, "undone");
    assert!(engine.undo_change(id).unwrap_err().to_string().contains("was undone by change"));
    let redo = engine.undo_change(undo).unwrap().id;
    assert_eq!(state(&engine, &folder), behind, "done again");
    engine.undo_change(redo).unwrap();
    assert_eq!(state(&engine, &folder), before, "undone again");
    let log = |engine: &Engine| format!("{:?}", engine.read_faces().log);
    let known = log(&engine);
    drop(engine);
    let engine = Engine::open(settings(&folder)).unwrap();
    assert_eq!(log(&engine), known, "what each has set aside is known behind a restart");
    drop(engine);
    let report = crate::engine::fsck(folder.path(), crate::engine::Mending::Tell, &mut |_| {}).unwrap();
    assert_eq!(report.findings, [], "nothing is left over and nothing is missing");
}

#[test]
fn a_move_is_undone_and_done_again() {
    undone(|engine| engine.refile_image(&name("a"), (&identifier("ann"), &label("1")), &identifier("bob")).unwrap().id);
}

#[test]
fn a_merge_is_undone_and_done_again() {
    undone(|engine| engine.merge_faces(&name("a"), &identifier("ann"), &identifier("bob")).unwrap().id);
}

#[test]
fn a_split_is_undone_and_done_again() {
    undone(|engine| {
        engine.split_face(&name("a"), &identifier("ann"), &labels(&["1", "3"]), &identifier("eve")).unwrap().id
    });
}

#[test]
fn images_set_aside_come_back_with_their_pictures() {
    undone(|engine| engine.set_aside_images(&name("a"), &identifier("ann"), &labels(&["1", "3"])).unwrap().id);
}

#[test]
fn a_face_set_aside_comes_back_with_everything() {
    undone(|engine| engine.set_aside_face(&name("a"), &identifier("ann")).unwrap().id);
}

#[test]
fn a_label_that_is_taken_gets_a_number() {
    let folder = tempfile::tempdir().unwrap();
    let engine = open_review(&folder);
    let (a, bob, cat) = (name("a"), identifier("bob"), identifier("cat"));
    let applied = engine.refile_image(&a, (&identifier("ann"), &label("1")), &bob).unwrap();
    assert_eq!(applied.images[0].to, Some(("bob".to_owned(), "1~2".to_owned())));
    engine.merge_faces(&a, &bob, &cat).unwrap();
    let shown = engine.show_face(&a, &cat).unwrap();
    let labels: Vec<&str> = shown.images.iter().map(|image| image.label.as_str()).collect();
    assert_eq!(labels, ["1", "1~2", "1~2~2"], "bob's 1 had to give way, his 1~2 too");
    let long = "é".repeat(127);
    engine.add_embeddings(&a, &cat, vec![image(&long, &[1.0, 0.0])], None).unwrap();
    engine.add_embeddings(&a, &identifier("ann"), vec![image(&long, &[1.0, 0.5])], None).unwrap();
    let applied = engine.refile_image(&a, (&identifier("ann"), &label(&long)), &cat).unwrap();
    assert_eq!(applied.images[0].to.as_ref().unwrap().1, format!("{}~2", "é".repeat(126)));
}

#[test]
fn faces_that_somebody_keeps_apart_are_not_merged() {
    let folder = tempfile::tempdir().unwrap();
    let engine = open_review(&folder);
    let id = not_same(&engine, subject("ann", None), subject("bob", None));
    let refused = engine.merge_faces(&name("a"), &identifier("bob"), &identifier("ann")).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::State);
    assert!(refused.to_string().starts_with(&format!("decision {id} says")), "{refused}");
}

#[test]
fn what_has_changed_since_is_not_undone_and_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let engine = open_review(&folder);
    let (a, ann, bob) = (name("a"), identifier("ann"), identifier("bob"));
    let refused = |id: u64, why: &str| {
        let before = state(&engine, &folder);
        let error = engine.undo_change(id).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::State);
        assert!(error.to_string().starts_with(&format!("change {id} cannot be undone: ")), "{error}");
        assert!(error.to_string().contains(why), "{error}");
        assert_eq!(state(&engine, &folder), before, "nothing has changed");
    };
    let moved = engine.refile_image(&a, (&ann, &label("1")), &bob).unwrap().id;
    engine.add_embeddings(&a, &ann, vec![image("1", &[5.0, 1.0])], None).unwrap();
    refused(moved, "'imagelabel=1' exists already in 'identifier=ann'");
    engine.remove_images(&a, &ann, &labels(&["1"])).unwrap();
    engine.remove_images(&a, &bob, &labels(&["1~2"])).unwrap();
    refused(moved, "'imagelabel=1~2' does not exist in 'identifier=bob'");
    engine.add_embeddings(&a, &bob, vec![image("1~2", &[5.0, 1.0])], None).unwrap();
    refused(moved, "'imagelabel=1~2' of 'identifier=bob' is another image since");
    let split = engine.split_face(&a, &ann, &labels(&["2"]), &identifier("eve")).unwrap().id;
    engine.add_metadata(&a, &identifier("eve"), "k", "v").unwrap();
    refused(split, "the metadata of 'identifier=eve' have changed since");
    engine.remove_metadata(&a, &identifier("eve"), "k").unwrap();
    engine.add_embeddings(&a, &identifier("eve"), vec![image("new", &[5.0, 1.0])], None).unwrap();
    refused(split, "'identifier=eve' has 'imagelabel=new' since");
    engine.remove_images(&a, &identifier("eve"), &labels(&["new"])).unwrap();
    engine.undo_change(split).unwrap();
    let aside = engine.set_aside_face(&a, &ann).unwrap().id;
    engine.new_face(&a, Some(&ann)).unwrap();
    refused(aside, "'identifier=ann' exists already");
}

#[test]
fn an_image_that_lost_its_pixels_meanwhile_is_still_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let engine = open_review(&folder);
    let (a, ann, bob) = (name("a"), identifier("ann"), identifier("bob"));
    let moved = engine.refile_image(&a, (&ann, &label("3")), &bob).unwrap().id;
    engine.null_images(&a, &bob, Some(&labels(&["3"]))).unwrap();
    engine.undo_change(moved).unwrap();
    assert!(!engine.show_face(&a, &ann).unwrap().images[2].has_picture);
}

#[test]
fn what_is_forgotten_takes_its_pictures_along() {
    let folder = tempfile::tempdir().unwrap();
    drop(open_review(&folder));
    let engine = Engine::open(Settings { max_changes: 2, ..settings(&folder) }).unwrap();
    let (a, ann, bob) = (name("a"), identifier("ann"), identifier("bob"));
    let n_pictures = || pictures(&folder);
    let aside = engine.set_aside_images(&a, &ann, &labels(&["3"])).unwrap().id;
    engine.refile_image(&a, (&ann, &label("1")), &bob).unwrap();
    assert_eq!((n_pictures(), engine.list_changes(None, u64::MAX, 9).unwrap().len()), (1, 2));
    engine.refile_image(&a, (&ann, &label("2")), &bob).unwrap();
    assert_eq!(n_pictures(), 0, "the first one is forgotten");
    let refused = engine.undo_change(aside).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::UnknownToken);
    let kinds: Vec<ChangeKind> = engine.list_changes(Some(&a), u64::MAX, 9).unwrap().iter().map(|c| c.kind).collect();
    assert_eq!(kinds, [ChangeKind::Move, ChangeKind::Move]);
}

#[test]
fn a_database_takes_its_log_along() {
    let folder = tempfile::tempdir().unwrap();
    let engine = open_review(&folder);
    let aside = engine.set_aside_face(&name("a"), &identifier("ann")).unwrap().id;
    engine.remove_database(&name("a")).unwrap();
    assert_eq!(pictures(&folder), 0);
    assert_eq!(engine.undo_change(aside).unwrap_err().kind(), ErrorKind::UnknownToken);
    drop(engine);
    let report = crate::engine::fsck(folder.path(), crate::engine::Mending::Tell, &mut |_| {}).unwrap();
    assert_eq!(report.findings, []);
}

/// The clusters of a job that is asked to obey, and how many decisions it did.
fn obeyed(engine: &Engine) -> (String, Option<u64>) {
    let ticket = Ticket { respects_decisions: true, ..Ticket::default() };
    let task = ClusterTask { cluster_threshold: 9_000, ..ClusterTask::default() };
    let token = engine.submit(ticket, Task::Cluster(task)).unwrap();
    work_all(engine);
    (result_text(engine, token), engine.respected(token).unwrap())
}

#[test]
fn a_clustering_obeys_decisions_if_it_is_asked_to() {
    let folder = tempfile::tempdir().unwrap();
    let engine = fresh(&folder);
    import(&engine, "a", THREE).unwrap();
    work_all(&engine);
    let task = ClusterTask { cluster_threshold: 9_000, ..ClusterTask::default() };
    let plain = engine.submit(Ticket::default(), Task::Cluster(task)).unwrap();
    work_all(&engine);
    assert_eq!(engine.respected(plain).unwrap(), None);
    let (nothing, n) = obeyed(&engine);
    assert_eq!((&nothing, n), (&result_text(&engine, plain), Some(0)), "nothing is decided yet");
    not_same(&engine, subject("ann", Some("1")), subject("ann", Some("2")));
    let (apart, n) = obeyed(&engine);
    assert_ne!(apart, nothing);
    assert_eq!(n, Some(1));
    engine.decide(decision(Verdict::LabelRight, subject("ann", Some("1")), None)).unwrap();
    engine.decide(decision(Verdict::Same, subject("ann", Some("1")), Some(subject("bob", None)))).unwrap();
    let (joined, n) = obeyed(&engine);
    assert_ne!(joined, apart, "however far they are from each other");
    assert_eq!(n, Some(2), "one label alone that is right says nothing of others");
}

#[test]
fn a_database_that_is_trained_anew_keeps_what_was_decided_and_its_log() {
    use super::training::{Fake, trained_by, untrained};
    use crate::engine::WithoutPicture;
    let folder = tempfile::tempdir().unwrap();
    let engine = Engine::open(trained_by(&Fake::new(), &folder)).unwrap();
    untrained(&engine);
    let listed = engine.list_faces(&name("a"), ListFrom::Skip(0), 9).unwrap();
    let face = &listed.faces[0];
    let (first, second) = (&face.images[0].label, &face.images[1].label);
    let of = |label: &ImageLabel| subject(face.identifier.as_str(), Some(label.as_str()));
    engine.decide(decision(Verdict::LabelRight, of(first), None)).unwrap();
    let aside = engine.set_aside_images(&name("a"), &face.identifier, &BTreeSet::from([second.clone()])).unwrap().id;
    let before = decisions(&engine);
    engine.retrain(&name("a"), WithoutPicture::Drop, &|_, _| std::ops::ControlFlow::Continue(())).unwrap();
    assert_eq!(decisions(&engine), before);
    drop(engine);
    let engine = Engine::open(trained_by(&Fake::new(), &folder)).unwrap();
    assert_eq!(decisions(&engine), before);
    engine.undo_change(aside).unwrap();
    whole(&engine, &folder);
    assert_eq!(engine.show_face(&name("a"), &face.identifier).unwrap().images.len(), face.images.len());
}

#[test]
fn the_audit_is_told_what_was_decided() {
    use crate::cluster::{Who, audit::Decided};
    use crate::face::face_id;
    let folder = tempfile::tempdir().unwrap();
    let engine = open_review(&folder);
    not_same(&engine, subject("cat", None), subject("ann", Some("2")));
    engine.decide(decision(Verdict::Same, subject("ann", None), Some(subject("bob", None)))).unwrap();
    engine.decide(decision(Verdict::LabelRight, subject("bob", Some("1")), None)).unwrap();
    let ids = [("ann", "1"), ("ann", "2"), ("bob", "1"), ("cat", "1")]
        .map(|(face, label)| face_id("a", face, label).unwrap());
    let expected = Decided {
        not_same: vec![(Who::Face(1), Who::Identity(3, 4))],
        same: vec![(Who::Identity(0, 2), Who::Identity(2, 3))],
        right: vec![2],
    };
    assert_eq!(engine.decided(&ids).unwrap(), expected);
    assert_eq!(engine.decided(&ids[..1]).unwrap(), Decided::default(), "of images that take part");
}
