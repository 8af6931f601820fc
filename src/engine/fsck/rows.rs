//! Faces and images: of a database that is there, with each other, and with their pictures.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::path::Path;

use super::super::pictures::PictureRecord;
use super::super::records::{DatabaseRecord, FaceRecord, ImageRecord, ModelRecord, Upload};
use super::super::tally::Count;
use super::Report;
use super::check::Fate;
use crate::face::{DatabaseName, Embedding, ImageStatus};
use crate::store::{Batch, StoreError, encode, keys};

/// What is known of faces and images while they pass by.
pub(super) struct Rows<'a> {
    data: &'a Path,
    named: BTreeMap<u64, (DatabaseRecord, DatabaseName)>,
    /// Numbers whose rows are to be cleared.
    cleared: BTreeSet<u64>,
    /// Keys of faces without their first byte, which begin the keys of their images.
    faces: BTreeSet<Vec<u8>>,
    /// Faces that only their images tell of.
    missing: BTreeSet<Vec<u8>>,
    /// Numbers whose database was lost and is made anew under another name.
    recovered: BTreeSet<u64>,
    counts: BTreeMap<u64, Count>,
}

impl<'a> Rows<'a> {
    pub(super) fn new(
        data: &'a Path,
        named: impl Iterator<Item = (DatabaseRecord, DatabaseName)>,
        cleared: BTreeSet<u64>,
    ) -> Self {
        let named = named.map(|(record, name)| (record.number, (record, name))).collect();
        let (faces, missing, recovered) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
        Self { data, named, cleared, faces, missing, recovered, counts: BTreeMap::new() }
    }

    /// What is wrong with the file of an upload.
    pub(super) fn fault_of_upload(&self, upload: &Upload) -> Option<String> {
        match fs::metadata(self.data.join("uploads").join(&upload.file)) {
            Err(error) => Some(format!("it cannot be read: {error}")),
            Ok(file) if file.len() != upload.bytes => {
                Some(format!("it has {} bytes, {} were received", file.len(), upload.bytes))
            }
            Ok(_) => None,
        }
    }

    /// Whether there is a database of this number, or one that is being cleared.
    pub(super) fn knows(&self, number: u64) -> bool {
        self.named.contains_key(&number) || self.cleared.contains(&number)
    }

    /// The name of a database that is there, or is made anew.
    pub(super) fn name_of(&self, number: u64) -> Option<&DatabaseName> {
        self.named.get(&number).map(|(_, name)| name)
    }

    /// Whether there is a face under this key, or is made anew for its images.
    pub(super) fn has_face(&self, key: &[u8]) -> bool {
        self.faces.contains(&key[1..]) || self.missing.contains(&key[1..])
    }

    /// Gives the rows of a number that nobody knows a database of their own: what its clients would miss most are the
    /// rows, and a name that nobody expects tells that something was lost.
    fn name(&mut self, number: u64) {
        if self.knows(number) {
            return;
        }
        let names =
            (1..).map(|n| if n == 1 { format!("recovered-{number}") } else { format!("recovered-{number}-{n}") });
        let free = names.filter_map(|name| DatabaseName::new(&name).ok());
        let mut free = free.filter(|name| self.named.values().all(|(_, other)| other != name));
        let name = free.next().expect("there are fewer databases than numbers");
        self.named.insert(number, (DatabaseRecord { number, model: None }, name));
        self.recovered.insert(number);
    }

    /// Which model a lost database had nobody knows: it gets what embeddings of an unknown model are bound to, of the
    /// dimension of its first one.
    fn bind(&mut self, number: u64, image: &ImageRecord) {
        if !self.recovered.contains(&number) || fault(image, None).is_some() {
            return;
        }
        let (Some(embedding), Some((record, _))) = (&image.embedding, self.named.get_mut(&number)) else { return };
        record.model.get_or_insert_with(|| ModelRecord {
            dimension: u32::try_from(embedding.len()).ok(),
            ..ModelRecord::cosine()
        });
    }

    pub(super) fn face(&mut self, key: &[u8], _: &FaceRecord, _: &mut Report) -> Result<Fate, StoreError> {
        let number = keys::database_number(key)?;
        self.counts.entry(number).or_default().faces += 1;
        self.name(number);
        self.faces.insert(key[1..].to_vec());
        Ok(Fate::Keep)
    }

    pub(super) fn image(&mut self, key: &[u8], record: ImageRecord, report: &mut Report) -> Result<Fate, StoreError> {
        let number = keys::database_number(key)?;
        *self.counts.entry(number).or_default().of(record.status) += 1;
        let path = record.picture.map(PictureRecord::path);
        self.name(number);
        self.bind(number, &record);
        let Some((database, name)) = self.named.get(&number) else { return Ok(Fate::Keep) }; // to be cleared
        let (identifier, label) = keys::image_names(key)?;
        let what = format!("image '{label}' of face '{identifier}' in database '{name}'");
        let face = key[1..9 + identifier.as_str().len()].to_vec();
        if !self.faces.contains(&face) {
            self.missing.insert(face);
        }
        let dimension = database.model.as_ref().and_then(|model| model.dimension);
        if let Some(why) = fault(&record, dimension) {
            report.told.extend(path);
            return Ok(report.give_up(what, why));
        }
        Ok(self.picture(key, &what, record, report))
    }

    /// An image that was set aside.
    pub(super) fn aside(&self, key: &[u8], what: &str, record: ImageRecord, report: &mut Report) -> Fate {
        match fault(&record, None) {
            Some(why) => {
                report.told.extend(record.picture.map(PictureRecord::path));
                report.give_up(what, why)
            }
            None => self.picture(key, what, record, report),
        }
    }

    /// What becomes of an image whose row is right, by its picture.
    fn picture(&self, key: &[u8], what: &str, record: ImageRecord, report: &mut Report) -> Fate {
        let path = record.picture.map(PictureRecord::path);
        let Some(picture) = record.picture else { return Fate::Keep };
        let fault = match File::open(self.data.join(picture.path())) {
            Ok(mut file) => {
                picture.fault(&mut file).unwrap_or_else(|error| Some(format!("it cannot be read: {error}")))
            }
            Err(error) => Some(format!("it cannot be read: {error}")),
        };
        let Some(why) = fault else { return Fate::Keep };
        report.told.extend(path);
        let what = format!("{}, the picture of {what}", picture.path());
        if record.status == ImageStatus::Trained {
            report.find(what, why, "the image goes on without its picture, its embedding stays");
            let record = ImageRecord { picture: None, ..record };
            return Fate::Replace(encode(key, &record), "its picture is damaged");
        }
        report.find(what, why.clone(), "the image, which has nothing else, is put aside");
        Fate::Drop(why)
    }

    /// What is there under each number. Faces that are missing are added to `batch`.
    pub(super) fn finish(mut self, mut batch: Option<&mut Batch>, report: &mut Report) -> BTreeMap<u64, Count> {
        for face in std::mem::take(&mut self.missing) {
            let key = [b"f", face.as_slice()].concat();
            report.find(
                super::check::shown(&key),
                "it is missing, its images are there",
                "it is made anew, without metadata",
            );
            if let Some(batch) = &mut batch {
                batch.record(&key, &FaceRecord::default());
            }
        }
        for (number, record, name) in self.recovered() {
            let count = self.counts.get(&number).copied().unwrap_or_default();
            let (faces, images) = (count.faces, count.images());
            let why =
                format!("its record is lost, its name and model with it; {faces} faces and {images} images are there");
            let what = format!("the database of number {number}, here '{name}'");
            report.find(what, why, "it gets this name, and the model 'cosine'");
            if let Some(batch) = &mut batch {
                batch.record(&keys::database(&name), &record);
            }
        }
        self.counts
    }

    /// The databases that were lost, as they are from now on.
    fn recovered(&self) -> Vec<(u64, DatabaseRecord, DatabaseName)> {
        let known = self.recovered.iter().filter_map(|number| Some((*number, self.named.get(number)?)));
        known.map(|(number, (record, name))| (number, record.clone(), name.clone())).collect()
    }
}

/// What no image can be.
fn fault(record: &ImageRecord, dimension: Option<u32>) -> Option<String> {
    let is_trained = record.status == ImageStatus::Trained;
    let Some(embedding) = &record.embedding else {
        return is_trained.then(|| "it is trained and has no embedding".to_owned());
    };
    if !is_trained {
        return Some("it has an embedding and is not trained".to_owned());
    }
    if dimension.is_some_and(|dimension| dimension as usize != embedding.len()) {
        return Some(format!("its embedding has dimension {}, that of its database has another", embedding.len()));
    }
    Embedding::new(embedding.clone()).err().map(|error| error.to_string())
}
