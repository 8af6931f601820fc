//! Any sequence of requests against a naive model in memory: the same answers, the same listings, before and after the
//! engine is opened again, and without synchronisation the past of the last one.

use proptest::prelude::*;

use super::*;
use crate::engine::records::ImageRecord;
use crate::face::ImageStatus;
use crate::store::{decode, keys};

/// Names out of few, so that they meet.
type Few = u8;

#[derive(Debug, Clone)]
enum Op {
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
}

fn op() -> impl Strategy<Value = Op> {
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
    ]
}

fn d(few: Few) -> DatabaseName {
    name(&format!("d{few}"))
}

fn f(few: Few) -> Identifier {
    identifier(&format!("f{few}"))
}

fn l(few: Few) -> ImageLabel {
    label(&few.to_string())
}

fn set_of(labels: &BTreeSet<Few>) -> BTreeSet<ImageLabel> {
    labels.iter().map(|&few| l(few)).collect()
}

fn vector(dimension: usize) -> Vec<f32> {
    let mut values = vec![0.0; dimension];
    (values[0], values[dimension - 1]) = (0.6, 0.8);
    values
}

/// An image of the model.
#[derive(Debug, Clone, PartialEq)]
struct Image {
    dimension: Option<usize>,
    pixels: Option<String>,
}

#[derive(Debug, Clone, Default, PartialEq)]
struct Face {
    metadata: BTreeMap<String, String>,
    images: BTreeMap<ImageLabel, Image>,
}

/// The trained images, as a job sees them.
type Seen = Vec<(Identifier, ImageLabel, Vec<f32>)>;

#[derive(Debug, Clone, Default, PartialEq)]
struct Database {
    dimension: Option<usize>,
    faces: BTreeMap<Identifier, Face>,
    synced: Seen,
}

impl Database {
    fn seen(&self) -> Seen {
        let images = self.faces.iter().flat_map(|(face, content)| content.images.iter().map(move |i| (face, i)));
        let trained = images.filter_map(|(face, (label, image))| Some((face, label, image.dimension?)));
        trained.map(|(face, label, dimension)| (face.clone(), label.clone(), vector(dimension))).collect()
    }

    fn face(&mut self, face: &Identifier) -> Result<&mut Face, ErrorKind> {
        self.faces.get_mut(face).ok_or(ErrorKind::FaceNotFound)
    }
}

#[derive(Debug, Clone, Default)]
struct Model {
    databases: BTreeMap<DatabaseName, Database>,
    n_pictures: u32,
}

impl Model {
    fn database(&mut self, name: &DatabaseName) -> Result<&mut Database, ErrorKind> {
        self.databases.get_mut(name).ok_or(ErrorKind::DatabaseNotFound)
    }

    fn face(&mut self, database: Few, face: Few) -> Result<&mut Face, ErrorKind> {
        self.database(&d(database))?.face(&f(face))
    }

    /// Puts images into a database that had other ones: between dimensions they lose their training.
    fn adopt(&mut self, from: Few, to: Few, images: &mut [&mut Image]) {
        let from = self.databases[&d(from)].dimension;
        let to = self.databases.get_mut(&d(to)).unwrap();
        if to.dimension.is_some() && to.dimension != from {
            for image in images.iter_mut() {
                image.dimension = None;
            }
        } else if images.iter().any(|image| image.dimension.is_some()) {
            to.dimension = from;
        }
    }

    #[allow(clippy::too_many_lines, reason = "one arm an operation")]
    fn apply(&mut self, op: &Op) -> Result<(), ErrorKind> {
        match op {
            Op::Create(new) => {
                if self.databases.contains_key(&d(*new)) {
                    return Err(ErrorKind::DatabaseExists);
                }
                self.databases.insert(d(*new), Database::default());
            }
            Op::RemoveDatabase(old) => drop(self.databases.remove(&d(*old)).ok_or(ErrorKind::DatabaseNotFound)?),
            Op::RenameDatabase(old, new) => {
                self.database(&d(*old))?;
                if self.databases.contains_key(&d(*new)) {
                    return Err(ErrorKind::DatabaseExists);
                }
                let database = self.databases.remove(&d(*old)).unwrap();
                self.databases.insert(d(*new), database);
            }
            Op::Sync(database) => {
                let database = self.database(&d(*database))?;
                database.synced = database.seen();
            }
            Op::NewFace(database, face) => {
                let database = self.database(&d(*database))?;
                if database.faces.contains_key(&f(*face)) {
                    return Err(ErrorKind::FaceExists);
                }
                database.faces.insert(f(*face), Face::default());
            }
            Op::RemoveFace(database, face) => {
                self.face(*database, *face)?;
                self.database(&d(*database))?.faces.remove(&f(*face));
            }
            Op::RenameFace(database, face, new) => {
                let content = self.face(*database, *face)?.clone();
                let database = self.database(&d(*database))?;
                if database.faces.contains_key(&f(*new)) {
                    return Err(ErrorKind::FaceExists);
                }
                database.faces.remove(&f(*face));
                database.faces.insert(f(*new), content);
            }
            Op::MoveFace(database, face, new) => {
                let mut content = self.face(*database, *face)?.clone();
                if self.database(&d(*new))?.faces.contains_key(&f(*face)) {
                    return Err(ErrorKind::FaceExists);
                }
                self.adopt(*database, *new, &mut content.images.values_mut().collect::<Vec<_>>());
                self.database(&d(*database))?.faces.remove(&f(*face));
                self.database(&d(*new))?.faces.insert(f(*face), content);
            }
            Op::AddMetadata(database, face, key, value) => {
                let metadata = &mut self.face(*database, *face)?.metadata;
                if metadata.contains_key(&key.to_string()) {
                    return Err(ErrorKind::MetadataKeyExists);
                }
                metadata.insert(key.to_string(), value.to_string());
            }
            Op::UpdateMetadata(database, face, key, value) => {
                let metadata = &mut self.face(*database, *face)?.metadata;
                *metadata.get_mut(&key.to_string()).ok_or(ErrorKind::MetadataKeyNotFound)? = value.to_string();
            }
            Op::RemoveMetadata(database, face, key) => {
                let metadata = &mut self.face(*database, *face)?.metadata;
                metadata.remove(&key.to_string()).ok_or(ErrorKind::MetadataKeyNotFound)?;
            }
            Op::AddPictures(database, face, labels) => {
                let n = self.n_pictures;
                let images = &mut self.face(*database, *face)?.images;
                for (label, number) in labels.iter().zip(n..) {
                    let image = Image { dimension: None, pixels: Some(format!("picture {number}")) };
                    if images.insert(l(*label), image).is_some() {
                        return Err(ErrorKind::ImageExists);
                    }
                }
            }
            Op::AddEmbedding(database, face, label, dimension) => {
                let image = Image { dimension: Some(*dimension), pixels: None };
                if self.face(*database, *face)?.images.insert(l(*label), image).is_some() {
                    return Err(ErrorKind::ImageExists);
                }
                let database = self.database(&d(*database))?;
                if *database.dimension.get_or_insert(*dimension) != *dimension {
                    return Err(ErrorKind::Model);
                }
            }
            Op::RemoveImages(database, face, labels) => {
                let images = &mut self.face(*database, *face)?.images;
                for label in labels {
                    images.remove(&l(*label)).ok_or(ErrorKind::ImageNotFound)?;
                }
            }
            Op::Relabel(database, face, label, new) => {
                let images = &mut self.face(*database, *face)?.images;
                let image = images.get(&l(*label)).ok_or(ErrorKind::ImageNotFound)?.clone();
                if images.contains_key(&l(*new)) {
                    return Err(ErrorKind::ImageExists);
                }
                images.remove(&l(*label));
                images.insert(l(*new), image);
            }
            Op::MoveImage((database, face, label), new_database, new_face) => {
                let images = &self.face(*database, *face)?.images;
                let mut image = images.get(&l(*label)).ok_or(ErrorKind::ImageNotFound)?.clone();
                if self.face(*new_database, *new_face)?.images.contains_key(&l(*label)) {
                    return Err(ErrorKind::ImageExists);
                }
                if database != new_database {
                    self.adopt(*database, *new_database, &mut [&mut image]);
                }
                self.face(*database, *face)?.images.remove(&l(*label));
                self.face(*new_database, *new_face)?.images.insert(l(*label), image);
            }
            Op::Null(database, face, labels) => {
                let images = &mut self.face(*database, *face)?.images;
                let all: BTreeSet<ImageLabel> = images.keys().cloned().collect();
                for label in labels.as_ref().map_or(all, set_of) {
                    images.get_mut(&label).ok_or(ErrorKind::ImageNotFound)?.pixels = None;
                }
            }
        }
        Ok(())
    }

    /// In the form of `whole`.
    fn text(&self) -> String {
        let mut text = String::new();
        for (name, database) in &self.databases {
            let model = database.dimension.map(|dimension| format!(" cosine Some({dimension})")).unwrap_or_default();
            text += &format!("{name}{model}\n");
            for (identifier, face) in &database.faces {
                text += &format!("  {identifier} {:?}\n", face.metadata.iter().collect::<Vec<_>>());
                for (label, image) in &face.images {
                    let status = if image.dimension.is_some() { ImageStatus::Trained } else { ImageStatus::Untrained };
                    text += &format!("    {label} {status} {:?}", None::<()>);
                    text += &image.dimension.map(|n| format!(" {:?}", vector(n))).unwrap_or_default();
                    text += &image.pixels.as_ref().map(|pixels| format!(" pixels {pixels:?}")).unwrap_or_default();
                    text += "\n";
                }
            }
        }
        text
    }
}

/// The same, asked of the engine.
fn ask(engine: &Engine, op: &Op, n_pictures: u32) -> Result<(), EngineError> {
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
    }
}

/// The trained images that a job without synchronisation sees.
fn past(engine: &Engine, database: &DatabaseName) -> Seen {
    let faces = engine.read_faces();
    let number = engine.find_database(database).unwrap().unwrap().number;
    let present = engine.store.scan(&keys::images(number));
    let rows = match faces.views.get(&number) {
        Some(view) => view.past(present),
        None => present,
    };
    let image = |(key, value): (Vec<u8>, Vec<u8>)| {
        let (identifier, label) = keys::image_names(&key).unwrap();
        Some((identifier, label, decode::<ImageRecord>(&key, &value).unwrap().embedding?))
    };
    rows.filter_map(|row| image(row.unwrap())).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn r122_any_sequence_of_requests_does_what_a_naive_model_does(ops in proptest::collection::vec(op(), 1..60)) {
        let folder = tempfile::tempdir().unwrap();
        let store = Mortal::with(Map::new(), u64::MAX);
        let engine = open(&store, settings(&folder));
        let mut model = Model::default();
        for op in &ops {
            let mut after = model.clone();
            let expected = after.apply(op);
            let answer = ask(&engine, op, model.n_pictures);
            prop_assert_eq!(answer.as_ref().map_err(EngineError::kind).copied(), expected, "{:?}", op);
            if expected.is_ok() {
                model = after;
            }
            model.n_pictures += 2;
            prop_assert_eq!(whole(&engine, &folder), model.text(), "{:?}", op);
            for (name, database) in &model.databases {
                prop_assert_eq!(&past(&engine, name), &database.synced, "R103: {} after {:?}", name, op);
            }
        }
        let engine = open(&store, settings(&folder));
        prop_assert_eq!(whole(&engine, &folder), model.text());
        for (name, database) in &model.databases {
            prop_assert_eq!(past(&engine, name), database.seen(), "the start is a synchronisation");
        }
        prop_assert!(store.map().keys().all(|key| key[0] != b'p'), "a marker is left");
    }
}
