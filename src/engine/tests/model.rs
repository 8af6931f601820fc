//! Any sequence of requests against a naive model in memory: the same answers, the same listings, before and after the
//! engine is opened again, and without synchronisation the past of the last one.

mod asked;

use proptest::prelude::*;

use super::*;
use crate::confidence::ConfidenceScale;
use crate::engine::records::ImageRecord;
use crate::face::{FailReason, ImageStatus};
use crate::store::{decode, keys};
use asked::{Few, Op, ask, d, f, l, op, set_of, vector};

/// An image of the model.
#[derive(Debug, Clone, PartialEq)]
struct Image {
    dimension: Option<usize>,
    reason: Option<FailReason>,
    pixels: Option<String>,
}

/// The dimension of what is trained.
const TRAINED: usize = 3;

/// Trains the pictures with even numbers.
#[derive(Debug)]
struct OfEven(super::Model);

impl OfEven {
    fn shared() -> Arc<dyn Trainer> {
        let scale = ConfidenceScale::cosine();
        Arc::new(Self(super::Model { name: COSINE.to_owned(), dimension: Some(TRAINED), scale }))
    }
}

impl Trainer for OfEven {
    fn model(&self) -> &super::Model {
        &self.0
    }

    fn train(&self, picture: &[u8]) -> Result<Trained, Untrainable> {
        if is_even(std::str::from_utf8(picture).unwrap()) {
            Ok(Embedding::new(vector(TRAINED)).unwrap().into())
        } else {
            Err(Untrainable::Picture { reason: FailReason::NoFace, detail: "it is odd".to_owned() })
        }
    }
}

fn is_even(picture: &str) -> bool {
    picture.ends_with(['0', '2', '4', '6', '8'])
}

impl Image {
    fn picture(number: u32) -> Self {
        Self { dimension: None, reason: None, pixels: Some(format!("picture {number}")) }
    }

    /// Trained if it was not tried yet; whether it is trained now and was not before.
    fn build(&mut self) -> bool {
        if self.dimension.is_some() || self.reason.is_some() {
            return false;
        }
        match &self.pixels {
            None => self.reason = Some(FailReason::NoData),
            Some(pixels) if is_even(pixels) => self.dimension = Some(TRAINED),
            Some(_) => self.reason = Some(FailReason::NoFace),
        }
        self.dimension.is_some()
    }

    fn status(&self) -> ImageStatus {
        match (self.dimension, self.reason) {
            (Some(_), _) => ImageStatus::Trained,
            (None, Some(_)) => ImageStatus::Failed,
            (None, None) => ImageStatus::Untrained,
        }
    }
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
                (image.dimension, image.reason) = (None, None);
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
                    if images.insert(l(*label), Image::picture(number)).is_some() {
                        return Err(ErrorKind::ImageExists);
                    }
                }
            }
            Op::AddEmbedding(database, face, label, dimension) => {
                let image = Image { dimension: Some(*dimension), reason: None, pixels: None };
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
            Op::Train(database, face, labels, null) => self.train(*database, *face, labels, *null)?,
            Op::Build(database, face) => {
                self.face(*database, *face)?;
                self.build(*database, Some(*face))?;
            }
            Op::BuildAll(database) => self.build(*database, None)?,
        }
        Ok(())
    }

    fn train(&mut self, database: Few, face: Few, labels: &BTreeSet<Few>, null: bool) -> Result<(), ErrorKind> {
        if self.database(&d(database))?.faces.contains_key(&f(face)) {
            return Err(ErrorKind::FaceExists);
        }
        let images = labels.iter().zip(self.n_pictures..).map(|(label, number)| (l(*label), Image::picture(number)));
        let content = Face { images: images.collect(), ..Face::default() };
        self.database(&d(database))?.faces.insert(f(face), content);
        self.build(database, Some(face))?;
        let images = &mut self.face(database, face)?.images;
        if images.values().all(|image| image.dimension.is_none()) {
            return Err(ErrorKind::NothingTrained);
        }
        for image in images.values_mut().filter(|image| null && image.dimension.is_some()) {
            image.pixels = None;
        }
        Ok(())
    }

    /// Trains what is untrained of a face, or of all.
    fn build(&mut self, database: Few, face: Option<Few>) -> Result<(), ErrorKind> {
        let database = self.database(&d(database))?;
        if database.dimension.is_some_and(|dimension| dimension != TRAINED) {
            return Err(ErrorKind::Model);
        }
        for (_, face) in database.faces.iter_mut().filter(|(name, _)| face.is_none_or(|face| f(face) == **name)) {
            for image in face.images.values_mut() {
                if image.build() {
                    database.dimension = Some(TRAINED);
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
                    text += &format!("    {label} {} {:?}", image.status(), image.reason);
                    text += &image.dimension.map(|n| format!(" {:?}", vector(n))).unwrap_or_default();
                    text += &image.pixels.as_ref().map(|pixels| format!(" pixels {pixels:?}")).unwrap_or_default();
                    text += "\n";
                }
            }
        }
        text
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
        let settings = || Settings { trainer: Some(OfEven::shared()), ..settings(&folder) };
        let engine = open(&store, settings());
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
        let engine = open(&store, settings());
        prop_assert_eq!(whole(&engine, &folder), model.text());
        for (name, database) in &model.databases {
            prop_assert_eq!(past(&engine, name), database.seen(), "the start is a synchronisation");
        }
        prop_assert!(store.map().keys().all(|key| key[0] != b'p'), "a marker is left");
    }
}
