//! A database to try things on: portraits of people who do not exist, drawn from the numbers that make their embeddings,
//! with errors planted among them.
//!
//! **Promises.** One seed gives the same names, embeddings, pictures and errors, byte for byte, in every run: nothing
//! asks a clock or the platform's mathematics. What was planted is known ([`Planted`]), so that what finds it can be judged.
//!
//! **Not here.** Where the database lives and who clusters it (`cli`).

#![allow(clippy::unreadable_literal, reason = "colours are written as a stylesheet writes them")]
#![allow(clippy::cast_possible_wrap, reason = "a picture has few pixels, a path few points")]
#![allow(clippy::manual_midpoint, reason = "coordinates are small, and a formula is read as it is written")]

mod canvas;
mod embed;
mod names;
mod path;
mod person;
mod plan;
mod portrait;
mod random;
#[cfg(test)]
mod tests;

use std::num::NonZeroUsize;
use std::path::Path;
use std::thread;

pub use embed::DIMENSION;
pub use plan::{Merged, Misfiled, Place, Plan, Planted};

use crate::exchange::{ExchangeError, Format, Record, Writer};
use crate::face::{Embedding, FailReason, Identifier, ImageLabel, ImageStatus};
use crate::vision::Picture;
use embed::Embedder;
use plan::{Image, Shows};

/// The model that the embeddings are said to be of.
pub const MODEL: &str = "demo";

/// Cosine and confidence: between what two people show and what one does.
pub const KNOTS: [(f64, f64); 3] = [(-1.0, 0.0), (0.45, 50.0), (1.0, 100.0)];

/// The seed of the database that `faceclique demo` makes.
pub const SEED: u64 = 7;

/// Pixels of a side of a portrait, if nothing else is asked.
pub const SIDE: usize = 320;

impl Plan {
    /// Draws all images, `side` pixels high and wide, and writes them as a file of JSON lines, `threads` at once; `observe`
    /// is told how many are done.
    pub fn write(
        &self,
        path: &Path,
        side: usize,
        threads: NonZeroUsize,
        observe: &mut dyn FnMut(usize),
    ) -> Result<(), ExchangeError> {
        let model = Model::of(self);
        let mut writer = Writer::create(path, Format::Jsonl, None)?;
        let mut row = 0;
        for images in self.images.chunks(4 * threads.get()) {
            let share = images.len().div_ceil(threads.get()).max(1);
            let drawn: Vec<Vec<Record>> = thread::scope(|scope| {
                let model = &model;
                let record = move |image| self.record(image, side, model);
                let workers: Vec<_> = images
                    .chunks(share)
                    .map(|images| scope.spawn(move || images.iter().map(record).collect()))
                    .collect();
                workers.into_iter().map(|worker| worker.join().expect("drawing does not panic")).collect()
            });
            for record in drawn.into_iter().flatten() {
                row += 1;
                writer.push(&Record { row, ..record })?;
            }
            observe(row as usize);
        }
        writer.finish().map(|_| ())
    }

    /// Every image with a face: where it is filed, which person it shows, and its embedding.
    pub fn embeddings(&self) -> Vec<(&Place, usize, Embedding)> {
        let model = Model::of(self);
        self.images.iter().filter_map(|image| Some((&image.place, image.person, model.embedding(image)?))).collect()
    }

    fn record(&self, image: &Image, side: usize, model: &Model) -> Record {
        let person = &self.people[image.person];
        let embedding = model.embedding(image);
        let draw = if embedding.is_some() { portrait::draw } else { portrait::empty };
        let pixels = draw(person, &image.shot, side);
        Record {
            row: 0,
            identifier: Identifier::new(&image.place.identifier).expect("names of the demo are short"),
            label: ImageLabel::new(&image.place.imagelabel).expect("labels of the demo are short"),
            status: if embedding.is_some() { ImageStatus::Trained } else { ImageStatus::Failed },
            model: Some(MODEL.to_owned()),
            reason: embedding.is_none().then_some(FailReason::NoFace),
            embedding,
            picture: Picture::new(side, side, pixels).jpeg(),
            metadata: Vec::new(),
        }
    }
}

/// What is said to have made the embeddings, with the people it is shown.
struct Model {
    embedder: Embedder,
    people: Vec<Vec<f32>>,
}

impl Model {
    fn of(plan: &Plan) -> Self {
        let embedder = Embedder::new(plan.seed, &plan.people);
        let people = plan.people.iter().map(|person| embedder.person(person)).collect();
        Self { embedder, people }
    }

    /// What it makes of an image; none if that shows nobody.
    fn embedding(&self, image: &Image) -> Option<Embedding> {
        match image.shows {
            Shows::Face { chance } => {
                let numbers = self.embedder.picture(&self.people[image.person], &image.shot, chance);
                Some(Embedding::new(numbers).expect("it is finite and long"))
            }
            Shows::Nobody => None,
        }
    }
}
