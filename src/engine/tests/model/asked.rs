//! What clients and jobs can be asked to do, out of few names so that they meet, and how the engine is asked.

use proptest::prelude::*;

use super::super::training::{build, build_all, request, train};
use super::super::*;

/// Names out of few, so that they meet.
pub(super) type Few = u8;

#[derive(Debug, Clone)]
pub(super) enum Op {
    Create(Few),
    RemoveDatabase(Few),
    RenameDatabase(Few, Few),
    Sync(Few),
    NewFace(Few, Few),
    RemoveFace(Few, Few),
    RenameFace(Few, Few, Few),
    MoveFace(Few, Few, Few),
    AddMetadata(Few, Few, Few, Few),
    UpdateMetadata(Few, Few, Few, Few),
    RemoveMetadata(Few, Few, Few),
    AddPictures(Few, Few, Vec<Few>),
    AddEmbedding(Few, Few, Few, usize),
    RemoveImages(Few, Few, BTreeSet<Few>),
    Relabel(Few, Few, Few, Few),
    MoveImage((Few, Few, Few), Few, Few),
    Null(Few, Few, Option<BTreeSet<Few>>),
    Train(Few, Few, BTreeSet<Few>, bool),
    Build(Few, Few),
    BuildAll(Few),
}

pub(super) fn op() -> impl Strategy<Value = Op> {
    let (few, label) = (|| 0u8..3, || 0u8..4);
    let set = || proptest::collection::btree_set(0u8..4, 1..3);
    prop_oneof![
        3 => few().prop_map(Op::Create),
        1 => few().prop_map(Op::RemoveDatabase),
        2 => (few(), few()).prop_map(|(a, b)| Op::RenameDatabase(a, b)),
        2 => few().prop_map(Op::Sync),
        5 => (few(), few()).prop_map(|(d, f)| Op::NewFace(d, f)),
        1 => (few(), few()).prop_map(|(d, f)| Op::RemoveFace(d, f)),
        3 => (few(), few(), few()).prop_map(|(d, f, g)| Op::RenameFace(d, f, g)),
        4 => (few(), few(), few()).prop_map(|(d, f, e)| Op::MoveFace(d, f, e)),
        1 => (few(), few(), few(), few()).prop_map(|(d, f, k, v)| Op::AddMetadata(d, f, k, v)),
        1 => (few(), few(), few(), few()).prop_map(|(d, f, k, v)| Op::UpdateMetadata(d, f, k, v)),
        1 => (few(), few(), few()).prop_map(|(d, f, k)| Op::RemoveMetadata(d, f, k)),
        4 => (few(), few(), proptest::collection::vec(label(), 1..3)).prop_map(|(d, f, l)| Op::AddPictures(d, f, l)),
        5 => (few(), few(), label(), 2usize..4).prop_map(|(d, f, l, n)| Op::AddEmbedding(d, f, l, n)),
        2 => (few(), few(), set()).prop_map(|(d, f, l)| Op::RemoveImages(d, f, l)),
        2 => (few(), few(), label(), label()).prop_map(|(d, f, l, m)| Op::Relabel(d, f, l, m)),
        4 => ((few(), few(), label()), few(), few()).prop_map(|(image, d, f)| Op::MoveImage(image, d, f)),
        2 => (few(), few(), proptest::option::of(set())).prop_map(|(d, f, l)| Op::Null(d, f, l)),
        2 => (few(), few(), set(), any::<bool>()).prop_map(|(d, f, l, null)| Op::Train(d, f, l, null)),
        2 => (few(), few()).prop_map(|(d, f)| Op::Build(d, f)),
        1 => few().prop_map(Op::BuildAll),
    ]
}

pub(super) fn d(few: Few) -> DatabaseName {
    name(&format!("d{few}"))
}

pub(super) fn f(few: Few) -> Identifier {
    identifier(&format!("f{few}"))
}

pub(super) fn l(few: Few) -> ImageLabel {
    label(&few.to_string())
}

pub(super) fn set_of(labels: &BTreeSet<Few>) -> BTreeSet<ImageLabel> {
    labels.iter().map(|&few| l(few)).collect()
}

pub(super) fn vector(dimension: usize) -> Vec<f32> {
    let mut values = vec![0.0; dimension];
    (values[0], values[dimension - 1]) = (0.6, 0.8);
    values
}

/// The same, asked of the engine.
pub(super) fn ask(engine: &Engine, op: &Op, n_pictures: u32) -> Result<(), EngineError> {
    match op {
        Op::Create(new) => engine.create_database(&d(*new), None),
        Op::RemoveDatabase(old) => engine.remove_database(&d(*old)),
        Op::RenameDatabase(old, new) => engine.rename_database(&d(*old), &d(*new)),
        Op::Sync(database) => engine.sync_faces(Some(&d(*database))),
        Op::NewFace(database, face) => engine.new_face(&d(*database), Some(&f(*face))).map(|_| ()),
        Op::RemoveFace(database, face) => engine.remove_face(&d(*database), &f(*face)),
        Op::RenameFace(database, face, new) => engine.rename_face(&d(*database), &f(*face), &f(*new)),
        Op::MoveFace(database, face, new) => engine.move_face(&d(*database), &f(*face), &d(*new)),
        Op::AddMetadata(database, face, key, value) => {
            engine.add_metadata(&d(*database), &f(*face), &key.to_string(), &value.to_string())
        }
        Op::UpdateMetadata(database, face, key, value) => {
            engine.update_metadata(&d(*database), &f(*face), &key.to_string(), &value.to_string())
        }
        Op::RemoveMetadata(database, face, key) => engine.remove_metadata(&d(*database), &f(*face), &key.to_string()),
        Op::AddPictures(database, face, labels) => {
            let mut staged = engine.stage_pictures(labels.len())?;
            for (_, number) in labels.iter().zip(n_pictures..) {
                staged.add(&mut format!("picture {number}").as_bytes())?;
            }
            let labels = labels.iter().map(|&few| l(few)).collect();
            engine.add_pictures(&d(*database), &f(*face), Some(labels), staged).map(|_| ())
        }
        Op::AddEmbedding(database, face, label, dimension) => {
            let images = vec![(Some(l(*label)), Embedding::new(vector(*dimension)).unwrap())];
            engine.add_embeddings(&d(*database), &f(*face), images, None).map(|_| ())
        }
        Op::RemoveImages(database, face, labels) => engine.remove_images(&d(*database), &f(*face), &set_of(labels)),
        Op::Relabel(database, face, label, new) => engine.relabel_image(&d(*database), &f(*face), &l(*label), &l(*new)),
        Op::MoveImage((database, face, label), new_database, new_face) => {
            let (database, face, label) = (d(*database), f(*face), l(*label));
            engine.move_image((&database, &face, &label), &d(*new_database), &f(*new_face))
        }
        Op::Null(database, face, labels) => {
            let labels = labels.as_ref().map(set_of);
            engine.null_images(&d(*database), &f(*face), labels.as_ref())
        }
        Op::Train(database, face, labels, null_image_data) => {
            let pictures =
                labels.iter().zip(n_pictures..).map(|(label, n)| (label.to_string(), format!("picture {n}")));
            let pictures: Vec<_> = pictures.collect();
            let images: Vec<_> = pictures.iter().map(|(text, pixels)| (text.as_str(), pixels.as_str())).collect();
            let new = request(d(*database).as_str(), f(*face).as_str());
            let token = train(engine, TrainRequest { null_image_data: *null_image_data, ..new }, &images)?;
            worked(engine, token, Queue::TrainFace)
        }
        Op::Build(database, face) => {
            worked(engine, build(engine, d(*database).as_str(), f(*face).as_str()), Queue::BuildFace)
        }
        Op::BuildAll(database) => {
            worked(engine, build_all(engine, Some(d(*database).as_str()), 2), Queue::BuildAllFaces)
        }
    }
}

/// What a job came to.
fn worked(engine: &Engine, token: Token, queue: Queue) -> Result<(), EngineError> {
    work_all(engine);
    match engine.job(queue, token).unwrap().result() {
        Some(JobResult::Fault { kind, text }) => Err(EngineError::new(*kind, text.clone())),
        Some(_) => Ok(()),
        None => panic!("it has not ended"),
    }
}
