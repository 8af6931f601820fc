//! What a BuildFace or BuildAllFaces has to tell: rows of its result, one a tried image and one a face.
//!
//! The row of an image is written with its training, by whichever run of the job; that of a face when the job ends. They
//! lie in image order, each face before its images, and are read as a stream.

use std::iter::Peekable;

use super::Engine;
use super::error::{EngineError, ErrorKind};
use super::faces::ROWS_PER_BATCH;
use super::progress::Control;
use super::records::{BuildOutcome, JobResult};
use super::tally::Count;
use super::worker::Unfinished;
use crate::face::{DatabaseName, Identifier, ImageLabel, ImageStatus};
use crate::job::{Event, State, Token};
use crate::store::{Batch, Scan, StoreError, decode, decode_first, keys};

/// A face that was built.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BuiltFace {
    /// Its database.
    pub database: DatabaseName,
    /// Its name.
    pub identifier: Identifier,
    /// How many images it had in the end; none if it had gone.
    pub n_images: u64,
    /// How many of them were trained.
    pub n_trained: u64,
    /// Those that the job tried, in label order.
    pub images: Vec<(ImageLabel, ImageStatus)>,
}

/// The faces of a result, in image order, read as they are asked for.
pub struct BuiltReader<'a> {
    rows: Peekable<Scan<'a>>,
    /// Faces that are still to come.
    n_left: u64,
}

impl std::fmt::Debug for BuiltReader<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("BuiltReader").field("n_left", &self.n_left).finish_non_exhaustive()
    }
}

impl BuiltReader<'_> {
    /// The next face; none at the end.
    pub fn next_face(&mut self) -> Result<Option<BuiltFace>, EngineError> {
        let Some(left) = self.n_left.checked_sub(1) else { return Ok(None) };
        let Some(entry) = self.rows.next() else {
            return Err(EngineError::new(ErrorKind::Storage, "the result ends early: its job was forgotten"));
        };
        let (key, value) = entry?;
        let (database, identifier, None) = keys::built_names(&key)? else {
            return Err(EngineError::new(ErrorKind::Storage, "the rows of the result are out of order"));
        };
        let count: Count = decode(&key, &value)?;
        let mut images = Vec::new();
        while let Some(entry) = self.rows.next_if(is_of_image) {
            let (key, value) = entry?;
            if let (_, _, Some(label)) = keys::built_names(&key)? {
                images.push((label, decode(&key, &value)?));
            }
        }
        self.n_left = left;
        let (n_images, n_trained) = (count.images(), count.trained);
        Ok(Some(BuiltFace { database, identifier, n_images, n_trained, images }))
    }
}

/// Whether it is the row of an image; a row that cannot be read is, so that reading it shows the error.
fn is_of_image(entry: &Result<(Vec<u8>, Vec<u8>), StoreError>) -> bool {
    match entry {
        Ok((key, _)) => !matches!(keys::built_names(key), Ok((_, _, None))),
        Err(_) => true,
    }
}

impl Engine {
    /// Reads the result of a finished BuildFace or BuildAllFaces. As long as somebody has a
    /// [`JobView`](super::JobView) of the job its result stays, even if the job is forgotten.
    pub fn read_built(&self, token: Token, outcome: &BuildOutcome) -> BuiltReader<'_> {
        BuiltReader { rows: self.store.scan(&keys::result(token)).peekable(), n_left: outcome.n_faces }
    }

    /// How many images earlier runs of a job have tried.
    pub(super) fn count_tried(&self, token: Token) -> Result<u64, EngineError> {
        let mut n_tried = 0;
        for entry in self.store.scan(&keys::result(token)) {
            n_tried += u64::from(keys::built_names(&entry?.0)?.2.is_some());
        }
        Ok(n_tried)
    }

    /// The images of a face as they are now.
    pub(super) fn count_face(&self, number: u64, identifier: &Identifier) -> Result<Count, EngineError> {
        let mut count = Count { faces: 1, ..Count::default() };
        for entry in self.store.scan(&keys::images_of(number, identifier)) {
            let (key, value) = entry?;
            *count.of(decode_first(&key, &value)?) += 1;
        }
        Ok(count)
    }

    /// Ends a build: notes how many images each face that was tried has, and `face` in any case.
    pub(super) fn end_build(
        &self,
        token: Token,
        face: Option<(&DatabaseName, u64, &Identifier)>,
        control: &Control,
    ) -> Result<State, Unfinished> {
        let mut outcome = BuildOutcome { n_faces: 0, n_images: 0 };
        let (mut batch, mut bytes) = (Batch::new(), 0);
        if let Some((database, number, identifier)) = face {
            let _faces = self.read_faces();
            self.face(database, number, identifier)?;
            batch.record(&keys::built_face(token, database, identifier), &self.count_face(number, identifier)?);
            outcome.n_faces = 1;
        }
        let mut last: Option<(DatabaseName, Identifier)> =
            face.map(|(database, _, identifier)| (database.clone(), identifier.clone()));
        for entry in self.store.scan(&keys::result(token)) {
            if control.orders.obey().is_some() {
                return Err(Unfinished::Told);
            }
            let (key, value) = entry?;
            bytes += (key.len() + value.len()) as u64;
            let (database, identifier, Some(_)) = keys::built_names(&key)? else { continue };
            outcome.n_images += 1;
            let name = (database, identifier);
            if last.as_ref() == Some(&name) {
                continue;
            }
            let _faces = self.read_faces();
            let count = match self.find_database(&name.0)? {
                Some(record) => self.count_face(record.number, &name.1)?,
                None => Count::default(),
            };
            batch.record(&keys::built_face(token, &name.0, &name.1), &count);
            outcome.n_faces += 1;
            last = Some(name);
            if batch.len() >= ROWS_PER_BATCH {
                self.store.write(std::mem::take(&mut batch))?; // nobody looks at it before the job is Finished
            }
        }
        control.keeps(bytes);
        Ok(self.end(token, Event::Finish, Some(JobResult::Build(outcome)), batch)?)
    }
}
