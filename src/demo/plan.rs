//! Who is in the database, under which names, and what is wrong with it.

use serde::Serialize;

use super::names;
use super::person::{Person, Shot};
use super::random::Random;

/// People of the database.
const N_PEOPLE: usize = 60;

/// An image by its names.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Place {
    /// Whom it is filed under.
    pub identifier: String,
    /// Its label.
    pub imagelabel: String,
}

/// An image filed under somebody else.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Misfiled {
    /// Where it is.
    #[serde(flatten)]
    pub place: Place,
    /// Whom it shows.
    pub belongs_to: String,
}

/// An identity that holds two people.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Merged {
    /// Its name.
    pub identifier: String,
    /// The labels of each person's images.
    pub parts: [Vec<String>; 2],
}

/// The errors that were planted.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Planted {
    /// Images under a wrong identifier.
    pub misfiled: Vec<Misfiled>,
    /// Two identifiers of one person.
    pub same_person: Vec<[String; 2]>,
    /// Identifiers of two people.
    pub several_people: Vec<Merged>,
    /// Pictures that are there twice, byte for byte.
    pub duplicates: Vec<[Place; 2]>,
    /// Pictures that are there twice, the second one cut and lit a little differently.
    pub near_duplicates: Vec<[Place; 2]>,
    /// Images so bad that they match nothing.
    pub fits_nobody: Vec<Place>,
    /// Pictures without a face.
    pub failed: Vec<Place>,
}

/// What an image shows.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Shows {
    /// A face; its embedding has so much more noise than others.
    Face { chance: f32 },
    /// A wall.
    Nobody,
}

/// One image to be drawn.
#[derive(Debug, Clone)]
pub(super) struct Image {
    pub(super) place: Place,
    pub(super) person: usize,
    pub(super) shot: Shot,
    pub(super) shows: Shows,
}

/// The database before it is drawn.
#[derive(Debug)]
pub struct Plan {
    pub(super) seed: u64,
    pub(super) people: Vec<Person>,
    pub(super) images: Vec<Image>,
    planted: Planted,
}

impl Plan {
    /// Of this seed.
    pub fn new(seed: u64) -> Self {
        let people: Vec<Person> = (0..N_PEOPLE).map(|i| Person::new(seed, i, N_PEOPLE)).collect();
        let mut author = Author::new(seed, &people);
        author.same_person();
        author.several_people();
        author.misfile();
        author.copy();
        author.spoil();
        author.fail();
        let Author { mut images, planted, .. } = author;
        images.sort_by(|a, b| a.place.cmp(&b.place));
        Self { seed, people, images, planted }
    }

    /// How many images there are.
    pub fn len(&self) -> usize {
        self.images.len()
    }

    /// There always are some.
    pub fn is_empty(&self) -> bool {
        self.images.is_empty()
    }

    /// How many people there are.
    pub fn n_people(&self) -> usize {
        self.people.len()
    }

    /// What was planted.
    pub fn planted(&self) -> &Planted {
        &self.planted
    }
}

/// Makes the true database and then spoils it. Errors of one kind keep away from people who have others, so that each
/// can be told.
struct Author<'a> {
    random: Random,
    people: &'a [Person],
    names: Vec<String>,
    images: Vec<Image>,
    planted: Planted,
    /// People with enough images and nothing wrong so far.
    free: Vec<usize>,
    next_label: Vec<usize>,
}

impl<'a> Author<'a> {
    fn new(seed: u64, people: &'a [Person]) -> Self {
        let mut random = Random::of(seed, 21);
        let names = names::of(people, &mut random);
        let mut free = random.order(people.len());
        let few: Vec<usize> = free.drain(..7).collect();
        let next_label = random.order(9_000);
        let planted = Planted::default();
        let mut author = Self { random, people, names, images: Vec::new(), planted, free, next_label };
        for person in 0..people.len() {
            let n = match few.iter().position(|&it| it == person) {
                Some(at) => 1 + at / 3,
                None => 5 + author.random.below(9),
            };
            for _ in 0..n {
                author.add(person, person);
            }
        }
        author
    }

    /// Takes a picture of a person and files it under the name of another, or the same.
    fn add(&mut self, person: usize, under: usize) -> usize {
        let shot = Shot::new(&mut self.random, &self.people[person]);
        let place = Place { identifier: self.names[under].clone(), imagelabel: self.label() };
        self.images.push(Image { place, person, shot, shows: Shows::Face { chance: 0.0 } });
        self.images.len() - 1
    }

    /// As a camera names its pictures; none twice.
    fn label(&mut self) -> String {
        format!("IMG_{:04}", 1_000 + self.next_label.pop().unwrap_or(0))
    }

    fn of(&self, person: usize) -> Vec<usize> {
        (0..self.images.len()).filter(|&at| self.images[at].person == person).collect()
    }

    fn take(&mut self) -> usize {
        self.free.pop().expect("there are more people than errors")
    }

    /// Halves of four people get names of their own.
    fn same_person(&mut self) {
        for _ in 0..4 {
            let person = self.take();
            let name = self.names[person].clone();
            let other = names::variant(&name);
            let images = self.of(person);
            for &at in &images[images.len() / 2..] {
                self.images[at].place.identifier.clone_from(&other);
            }
            self.planted.same_person.push([name, other]);
        }
    }

    /// Three people are filed under somebody else.
    fn several_people(&mut self) {
        for _ in 0..3 {
            let (kept, lost) = (self.take(), self.take());
            let labels = |author: &Self, person| {
                let images = author.of(person).into_iter();
                let mut labels: Vec<_> = images.map(|at| author.images[at].place.imagelabel.clone()).collect();
                labels.sort();
                labels
            };
            let parts = [labels(self, kept), labels(self, lost)];
            for at in self.of(lost) {
                self.images[at].place.identifier.clone_from(&self.names[kept]);
            }
            self.planted.several_people.push(Merged { identifier: self.names[kept].clone(), parts });
        }
    }

    /// Nine images are under another name.
    fn misfile(&mut self) {
        for _ in 0..9 {
            let (person, under) = (self.take(), self.take());
            let images = self.of(person);
            let at = self.random.choose(&images);
            self.images[at].place.identifier.clone_from(&self.names[under]);
            let place = self.images[at].place.clone();
            self.planted.misfiled.push(Misfiled { place, belongs_to: self.names[person].clone() });
        }
    }

    /// Pictures that are there twice.
    fn copy(&mut self) {
        let mut people = self.free.clone();
        people.truncate(9);
        for (i, person) in people.into_iter().enumerate() {
            let images = self.of(person);
            let first = self.images[self.random.choose(&images)].clone();
            let mut second = first.clone();
            second.place.imagelabel = self.label();
            let places = [first.place, second.place.clone()];
            if i < 4 {
                self.planted.duplicates.push(places);
            } else {
                second.shot.zoom *= 1.03;
                second.shot.exposure += 0.04;
                self.planted.near_duplicates.push(places);
            }
            self.images.push(second);
        }
    }

    /// Four pictures out of focus and in the dark.
    fn spoil(&mut self) {
        for _ in 0..4 {
            let person = self.take();
            let at = self.add(person, person);
            let image = &mut self.images[at];
            image.shot.blur = 7;
            image.shot.exposure = -0.45;
            image.shows = Shows::Face { chance: 6.0 };
            self.planted.fits_nobody.push(image.place.clone());
        }
    }

    /// Three pictures of a wall.
    fn fail(&mut self) {
        for _ in 0..3 {
            let person = self.take();
            let at = self.add(person, person);
            self.images[at].shows = Shows::Nobody;
            self.planted.failed.push(self.images[at].place.clone());
        }
    }
}
