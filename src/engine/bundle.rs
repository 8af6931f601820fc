//! The pictures that come with a TrainFace: one file of the job, in which they stand one behind the other.
//!
//! **Promises.** The file is whole and synced before the job is accepted, and goes when the job ends or was not accepted
//! (contract R64). What happens to the originals afterwards has no effect.
//!
//! **Why one file.** A request may bring ten thousand pictures; they are synced, copied for a duplicate and removed
//! together.

use std::fs::{self, File};
use std::io::{self, Read, Seek as _, SeekFrom};
use std::path::PathBuf;

use super::Engine;
use super::error::{EngineError, ErrorKind};
use super::import::sync_file;
use super::pictures::too_large;
use super::records::{TrainTask, Upload};
use crate::job::Token;
use crate::store::StoreError;

/// Pictures on their way into a job. Dropped, they go.
#[derive(Debug)]
pub struct Bundle<'a> {
    engine: &'a Engine,
    name: String,
    path: PathBuf,
    file: File,
    lengths: Vec<u64>,
    is_taken: bool,
}

impl<'a> Bundle<'a> {
    /// An empty one, of the job that will have this token.
    pub(super) fn new(engine: &'a Engine, token: Token) -> Result<Self, EngineError> {
        let name = format!("{token}.pictures");
        let path = engine.uploads_folder().join(&name);
        let file = File::create(&path).map_err(unkept)?;
        Ok(Self { engine, name, path, file, lengths: Vec::new(), is_taken: false })
    }

    /// How many pictures are in it.
    pub fn len(&self) -> usize {
        self.lengths.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.lengths.is_empty()
    }

    /// Puts one more picture in, up to the limit of [`Settings::max_picture`](super::Settings).
    pub fn add(&mut self, from: &mut dyn Read) -> Result<(), EngineError> {
        let limit = self.engine.settings.max_picture;
        let bytes = io::copy(&mut from.take(limit.saturating_add(1)), &mut self.file).map_err(unkept)?;
        if bytes > limit {
            return Err(too_large(limit));
        }
        self.lengths.push(bytes);
        Ok(())
    }

    /// Puts the file in that a client names by its path, if clients may read it (contract R158).
    pub fn add_file(&mut self, parameter: &str, path: &str) -> Result<(), EngineError> {
        let mut file = self.engine.allowed_input(parameter, path)?;
        self.add(&mut file).map_err(|error| error.about(parameter, path))
    }

    /// The file, durable, and how many bytes each picture has. What is made of it goes with the job.
    pub(super) fn seal(&self) -> Result<(Upload, Vec<u64>), EngineError> {
        let bytes = sync_file(&self.engine.uploads_folder(), &self.path).map_err(unkept)?;
        Ok((Upload { file: self.name.clone(), bytes }, self.lengths.clone()))
    }

    /// It belongs to a job now.
    pub(super) fn hand_over(mut self) {
        self.is_taken = true;
    }
}

impl Drop for Bundle<'_> {
    fn drop(&mut self) {
        // After a panic nobody knows whether there is a job; the next start does.
        if !self.is_taken && !std::thread::panicking() {
            let _ = fs::remove_file(&self.path); // the next start does it otherwise
        }
    }
}

fn unkept(source: io::Error) -> StoreError {
    StoreError::File { what: "cannot keep the upload".to_owned(), source }
}

impl Engine {
    /// One of the pictures that came with a job.
    pub(super) fn bundled(&self, task: &TrainTask, index: usize) -> Result<Vec<u8>, EngineError> {
        let read = || -> io::Result<Vec<u8>> {
            let mut file = File::open(self.upload_path(&task.pictures))?;
            file.seek(SeekFrom::Start(task.lengths[..index].iter().sum()))?;
            let length = usize::try_from(task.lengths[index]).map_err(io::Error::other)?;
            let mut picture = vec![0; length];
            file.read_exact(&mut picture)?;
            Ok(picture)
        };
        read().map_err(|error| {
            EngineError::caused(ErrorKind::Storage, "the pictures kept with the job could not be read", error)
        })
    }
}
