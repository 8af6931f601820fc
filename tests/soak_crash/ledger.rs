//! What a client knows of its databases: what was acknowledged, and what may have happened besides.

use std::collections::{BTreeMap, BTreeSet};

use super::world::{element, error};

/// An image, and what it will be when it has been tried.
#[derive(Debug, Clone)]
pub(crate) struct Image {
    /// Whom it shows; nobody, and it fails.
    pub(crate) person: Option<u32>,
    /// Whether it was seen, or acknowledged, to be trained or failed; then it stays so.
    pub(crate) is_done: bool,
    pub(crate) has_picture: bool,
}

#[derive(Debug, Clone, Default)]
pub(crate) struct Face {
    pub(crate) images: BTreeMap<String, Image>,
    pub(crate) metadata: BTreeMap<String, String>,
}

/// Faces that a job will add: all of them at one moment.
#[derive(Debug, Clone)]
pub(crate) struct Effect {
    pub(crate) token: Option<String>,
    pub(crate) faces: BTreeMap<String, Face>,
}

#[derive(Debug, Clone, Default)]
pub(crate) struct Database {
    /// Whether it is there; the first import into it makes it.
    pub(crate) is_born: bool,
    pub(crate) faces: BTreeMap<String, Face>,
    pub(crate) effects: Vec<Effect>,
}

/// A face as the server shows it: each image with its status, and whether it has pixels.
#[derive(Debug, Default)]
pub(crate) struct Shown {
    images: BTreeMap<String, (String, bool)>,
    metadata: BTreeMap<String, String>,
}

/// What `ListFaces` shows, or none if the database is not there.
pub(crate) fn shown(answer: &str) -> Option<BTreeMap<String, Shown>> {
    if error(answer) == Some(40) {
        return None;
    }
    let text = |part: &str, name: &str| element(part, name).unwrap_or_default().to_owned();
    let face = |entry: &str| {
        let image = |part: &str| (text(part, "label"), (text(part, "status"), text(part, "hasimagedata") == "true"));
        let images = entry.split("<image>").skip(1).map(image).collect();
        let metadata = entry.split("<item>").skip(1).map(|part| (text(part, "key"), text(part, "value"))).collect();
        (text(entry, "identifier"), Shown { images, metadata })
    };
    Some(answer.split("<entry>").skip(1).map(face).collect())
}

impl Image {
    fn take(&mut self, name: &str, (status, has_picture): &(String, bool)) -> Result<(), String> {
        let will = if self.person.is_some() { "trained" } else { "failed" };
        if *has_picture != self.has_picture {
            return Err(format!("{name} has pixels: {has_picture}"));
        }
        if status != will && (self.is_done || status != "untrained") {
            return Err(format!("{name} is {status}, not {will}"));
        }
        self.is_done |= status == will;
        Ok(())
    }
}

impl Face {
    fn take(&mut self, name: &str, shown: &Shown) -> Result<(), String> {
        if !self.images.keys().eq(shown.images.keys()) || self.metadata != shown.metadata {
            return Err(format!("{name} is {shown:?}, not {self:?}"));
        }
        self.images
            .iter_mut()
            .try_for_each(|(label, image)| image.take(&format!("{name}/{label}"), &shown.images[label]))
    }
}

impl Database {
    /// Takes in what the server shows, or says what is wrong with it.
    fn take(&mut self, shown: &BTreeMap<String, Shown>) -> Result<(), String> {
        let mut foreign: BTreeSet<&String> = shown.keys().collect();
        for (name, face) in &mut self.faces {
            face.take(name, shown.get(name).ok_or_else(|| format!("{name} is lost"))?)?;
            foreign.remove(name);
        }
        for effect in std::mem::take(&mut self.effects) {
            let n_there = effect.faces.keys().filter(|name| shown.contains_key(*name)).count();
            if n_there == 0 {
                self.effects.push(effect);
                continue;
            }
            if n_there < effect.faces.len() {
                return Err(format!("{n_there} of {} faces of one job are there", effect.faces.len()));
            }
            for (name, mut face) in effect.faces {
                face.take(&name, &shown[&name])?;
                foreign.remove(&name);
                self.faces.insert(name, face);
            }
        }
        if foreign.is_empty() { Ok(()) } else { Err(format!("nobody made {foreign:?}")) }
    }

    /// Whom its trained images show: what complete linkage makes of them, people being far from each other.
    pub(crate) fn partition(&self) -> BTreeSet<BTreeSet<String>> {
        let mut people: BTreeMap<u32, BTreeSet<String>> = BTreeMap::new();
        for (name, face) in &self.faces {
            for (label, image) in face.images.iter().filter(|(_, image)| image.is_done) {
                if let Some(person) = image.person {
                    people.entry(person).or_default().insert(format!("{name}/{label}"));
                }
            }
        }
        people.into_values().collect()
    }

    /// The images that no job has tried.
    pub(crate) fn untried(&self, face: Option<&str>) -> Vec<(String, String)> {
        let faces = self.faces.iter().filter(|(name, _)| face.is_none_or(|face| face == *name));
        let images = faces.flat_map(|(name, face)| face.images.iter().map(move |(label, image)| (name, label, image)));
        images.filter(|(.., image)| !image.is_done).map(|(name, label, _)| (name.clone(), label.clone())).collect()
    }
}

/// Takes in what the server shows of a database that may be there or not.
pub(crate) fn take(known: &mut Option<Database>, shown: Option<&BTreeMap<String, Shown>>) -> Result<(), String> {
    match (known, shown) {
        (None, None) => Ok(()),
        (Some(database), Some(shown)) => {
            let mut after = database.clone();
            after.take(shown)?;
            after.is_born = true;
            *database = after;
            Ok(())
        }
        (Some(database), None) if !database.is_born => Ok(()),
        (known, shown) => Err(format!("it is there: {}, and should be: {}", shown.is_some(), known.is_some())),
    }
}
