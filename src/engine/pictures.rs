//! Pictures: the pixels of images, each a file below `data/pictures`.
//!
//! ```text
//! data/pictures/3f/3f0c...e1    named by 128 random bits in hexadecimal; the folder is their first byte
//! ```
//!
//! **Promises.** A file is there whole and synced before a row refers to it, and goes after the last row that did. At
//! every moment a file either has a row that refers to it or is *loose*: a marker under its name stands. So nothing has
//! to be searched after a crash: what is loose at the start goes.
//!
//! **Not here.** What is in a picture: bytes come in and go out as they are (contract R133).
//!
//! **Why files.** A store of a million pictures would be a hundred times one of a million embeddings, and sled gives
//! space back only in its own time.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek as _};
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use tracing::warn;

use super::Engine;
use super::error::{EngineError, ErrorKind};
use super::faces::{ROWS_PER_BATCH, random};
use super::files::sync;
use super::records::ImageRecord;
use crate::store::{Batch, StoreError, decode, keys};

/// The name of a picture's file; given once and never again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) struct PictureId([u8; 16]);

/// A picture, as the image refers to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct PictureRecord {
    pub(super) id: PictureId,
    /// The length of its file.
    pub(super) bytes: u64,
    /// The CRC-32 of its file, so that a damaged picture is an error and never an answer.
    pub(super) sum: u32,
}

impl PictureId {
    /// The key of its marker.
    pub(super) fn marker(self) -> Vec<u8> {
        keys::loose_picture(self.0)
    }

    fn name(self) -> String {
        format!("{:032x}", u128::from_be_bytes(self.0))
    }
}

impl PictureRecord {
    /// Where its file is, below the data directory.
    pub(super) fn path(self) -> String {
        path_of(self.id.0)
    }

    /// What is wrong with its file, which is read to the end.
    pub(super) fn fault(self, file: &mut File) -> io::Result<Option<String>> {
        let bytes = file.metadata()?.len();
        if bytes != self.bytes {
            return Ok(Some(format!("its file has {bytes} bytes, {} were stored", self.bytes)));
        }
        let mut summed = Summed { from: file, hasher: crc32fast::Hasher::new() };
        io::copy(&mut summed, &mut io::sink())?;
        let is_right = summed.hasher.finalize() == self.sum;
        Ok((!is_right).then(|| "the checksum of its file does not match".to_owned()))
    }

    fn damaged(self, why: &str) -> StoreError {
        StoreError::Damaged { key: self.path(), why: why.to_owned() }
    }
}

/// Where the file of a picture of this name is, below the data directory.
pub(super) fn path_of(id: [u8; 16]) -> String {
    format!("pictures/{:02x}/{}", id[0], PictureId(id).name())
}

fn unreadable(source: io::Error) -> StoreError {
    StoreError::File { what: "cannot read a stored picture".to_owned(), source }
}

/// Bytes on their way, with the checksum of what has passed.
struct Summed<'a> {
    from: &'a mut dyn Read,
    hasher: crc32fast::Hasher,
}

impl Read for Summed<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.from.read(buffer)?;
        self.hasher.update(&buffer[..n]);
        Ok(n)
    }
}

/// A picture that was opened: it can be read although its image goes meanwhile.
#[derive(Debug)]
pub struct Picture {
    /// Its bytes, from the beginning.
    pub file: File,
    /// How many.
    pub bytes: u64,
}

impl Picture {
    /// All of its bytes.
    pub(super) fn read(mut self) -> Result<Vec<u8>, EngineError> {
        let mut content = Vec::with_capacity(usize::try_from(self.bytes).unwrap_or(0));
        self.file
            .read_to_end(&mut content)
            .map_err(|source| StoreError::File { what: "cannot read a stored picture".to_owned(), source })?;
        Ok(content)
    }
}

/// That a picture has more bytes than are taken.
pub(super) fn too_large(limit: u64) -> EngineError {
    let text = format!("a picture has too many bytes, more than the limit of {limit} (setting MaxFileUploadSize)");
    EngineError::new(ErrorKind::TooLarge, text)
}

/// Pictures that are stored and that no image refers to yet. Dropped, they go.
#[derive(Debug)]
pub struct StagedPictures<'a> {
    engine: &'a Engine,
    /// Names that are marked and not used.
    free: Vec<PictureId>,
    pictures: Vec<PictureRecord>,
}

impl StagedPictures<'_> {
    /// How many.
    pub fn len(&self) -> usize {
        self.pictures.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.pictures.is_empty()
    }

    /// Stores one more picture, up to the limit of [`Settings::max_picture`](super::Settings).
    pub fn add(&mut self, from: &mut dyn Read) -> Result<(), EngineError> {
        let limit = self.engine.settings.max_picture;
        let bytes = self.keep(&mut from.take(limit.saturating_add(1)))?;
        if bytes > limit { Err(too_large(limit)) } else { Ok(()) }
    }

    /// Stores one more picture, which was accepted before; how many bytes it has.
    pub(super) fn keep(&mut self, from: &mut dyn Read) -> Result<u64, EngineError> {
        let id = self.free.pop().expect("there are as many names as pictures were announced");
        self.pictures.push(PictureRecord { id, bytes: 0, sum: 0 }); // so that the file goes, whatever happens
        let written = self.engine.write_picture(id, from)?;
        *self.pictures.last_mut().expect("it was pushed") = written;
        Ok(written.bytes)
    }

    /// Stores the file that a client names by its path, if clients may read it (contract R158).
    pub fn add_file(&mut self, parameter: &str, path: &str) -> Result<(), EngineError> {
        let mut file = self.engine.allowed_input(parameter, path)?;
        self.add(&mut file).map_err(|error| error.about(parameter, path))
    }

    /// Makes the files' names durable: now rows may refer to them.
    pub(super) fn seal(&self) -> Result<(), EngineError> {
        self.engine.sync_picture_folders(self.pictures.iter().map(|picture| picture.id))
    }

    /// Gives the pictures to whoever writes the rows that refer to them, and removes the markers in the same batch. From
    /// here on a failure leaves them to the next start, which knows what was written.
    pub(super) fn hand_over(&mut self, batch: &mut Batch) -> Vec<PictureRecord> {
        let pictures = std::mem::take(&mut self.pictures);
        for id in pictures.iter().map(|picture| picture.id).chain(self.free.drain(..)) {
            batch.remove(id.marker());
        }
        pictures
    }
}

impl Drop for StagedPictures<'_> {
    fn drop(&mut self) {
        let ids: Vec<PictureId> = self.pictures.iter().map(|picture| picture.id).chain(self.free.drain(..)).collect();
        if !ids.is_empty() && !std::thread::panicking() {
            self.engine.forget_pictures(&ids);
        }
    }
}

impl Engine {
    /// Prepares for so many pictures to be stored.
    pub fn stage_pictures(&self, n: usize) -> Result<StagedPictures<'_>, EngineError> {
        self.check_room()?;
        Ok(StagedPictures { engine: self, free: self.reserve_pictures(n)?, pictures: Vec::with_capacity(n) })
    }

    /// Names for `n` pictures, marked durably as loose.
    pub(super) fn reserve_pictures(&self, n: usize) -> Result<Vec<PictureId>, EngineError> {
        let ids = (0..n).map(|_| random().map(PictureId)).collect::<Result<Vec<_>, _>>()?;
        let mut batch = Batch::new();
        for id in &ids {
            batch.put(id.marker(), Vec::new());
        }
        self.store.commit(batch)?;
        Ok(ids)
    }

    /// Writes the file of a picture, synced. Its name is durable only when its folder is synced.
    pub(super) fn write_picture(&self, id: PictureId, from: &mut dyn Read) -> Result<PictureRecord, EngineError> {
        let mut write = || -> io::Result<PictureRecord> {
            let folder = self.picture_folder(id.0[0]);
            match fs::create_dir(&folder) {
                Ok(()) => sync(&self.pictures_folder())?,
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
            }
            let mut file = OpenOptions::new().write(true).create_new(true).open(folder.join(id.name()))?;
            let mut hasher = Summed { from, hasher: crc32fast::Hasher::new() };
            let bytes = io::copy(&mut hasher, &mut file)?;
            file.sync_all()?;
            Ok(PictureRecord { id, bytes, sum: hasher.hasher.finalize() })
        };
        Ok(write().map_err(|source| StoreError::File { what: "cannot store a picture".to_owned(), source })?)
    }

    /// Makes the names of pictures durable.
    pub(super) fn sync_picture_folders(&self, ids: impl Iterator<Item = PictureId>) -> Result<(), EngineError> {
        let mut folders = Folders::default();
        ids.for_each(|id| folders.note(id));
        Ok(self.sync_folders(&folders)?)
    }

    /// Opens the file of a picture, after it was read once and found to be what was stored.
    pub(super) fn open_picture(&self, picture: PictureRecord) -> Result<Picture, EngineError> {
        let path = self.picture_path(picture.id);
        let mut file = match File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(picture.damaged("it is missing").into());
            }
            Err(source) => return Err(unreadable(source).into()),
        };
        if let Some(why) = picture.fault(&mut file).map_err(unreadable)? {
            return Err(picture.damaged(&why).into());
        }
        file.rewind().map_err(unreadable)?;
        Ok(Picture { file, bytes: picture.bytes })
    }

    /// The bytes of a picture.
    pub(super) fn read_picture(&self, picture: PictureRecord) -> Result<Vec<u8>, EngineError> {
        self.open_picture(picture)?.read()
    }

    /// Removes pictures that are marked as loose. What fails is done at the next start.
    pub(super) fn forget_pictures(&self, ids: &[PictureId]) {
        if let Err(error) = ids.chunks(ROWS_PER_BATCH).try_for_each(|ids| self.remove_loose(ids)) {
            warn!(error = &error as &dyn std::error::Error, "pictures are not removed; the next start does it");
        }
    }

    /// Removes files and then their markers.
    fn remove_loose(&self, ids: &[PictureId]) -> Result<(), EngineError> {
        let mut folders = Folders::default();
        ids.iter().try_for_each(|&id| self.remove_picture(id, &mut folders))?;
        self.sync_folders(&folders)?;
        let mut batch = Batch::new();
        for id in ids {
            batch.remove(id.marker());
        }
        Ok(self.store.write(batch)?)
    }

    /// Removes what was loose when the process ended.
    pub(super) fn clear_loose_pictures(&self) -> Result<(), EngineError> {
        let folder = self.pictures_folder();
        let made = fs::create_dir_all(&folder).and_then(|()| sync(&self.settings.data));
        made.map_err(|source| StoreError::File { what: "cannot make the folder of pictures".to_owned(), source })?;
        loop {
            let some = self.store.scan(&keys::loose_pictures()).take(ROWS_PER_BATCH);
            let ids = some.map(|entry| Ok(PictureId(keys::picture(&entry?.0)?)));
            let ids = ids.collect::<Result<Vec<_>, StoreError>>()?;
            if ids.is_empty() {
                return Ok(());
            }
            self.remove_loose(&ids)?;
            self.store.sync()?;
        }
    }

    /// Removes the pictures of image rows that are about to go; the rows under `prefix` stand for them until then. `goes`
    /// says of each whether its picture goes too.
    pub(super) fn remove_pictures_of(
        &self,
        prefix: &[u8],
        mut goes: impl FnMut(&[u8], PictureId) -> Result<bool, EngineError>,
    ) -> Result<(), EngineError> {
        let mut folders = Folders::default();
        for entry in self.store.scan(prefix) {
            let (key, value) = entry?;
            match decode::<ImageRecord>(&key, &value) {
                Ok(ImageRecord { picture: Some(picture), .. }) => {
                    if goes(&key, picture.id)? {
                        self.remove_picture(picture.id, &mut folders)?;
                    }
                }
                Ok(_) => {}
                // Its row must be able to go all the same.
                Err(error) => warn!(%error, "the picture of a damaged row stays where it is"),
            }
        }
        Ok(self.sync_folders(&folders)?)
    }

    fn remove_picture(&self, id: PictureId, folders: &mut Folders) -> Result<(), StoreError> {
        match fs::remove_file(self.picture_path(id)) {
            Ok(()) => folders.note(id),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(source) => return Err(StoreError::File { what: "cannot remove a picture".to_owned(), source }),
        }
        Ok(())
    }

    fn sync_folders(&self, folders: &Folders) -> Result<(), StoreError> {
        let noted = (0..=u8::MAX).filter(|&first| folders.0[usize::from(first)]);
        let synced = noted.map(|first| self.picture_folder(first)).try_for_each(|folder| sync(&folder));
        synced.map_err(|source| StoreError::File { what: "cannot sync a folder of pictures".to_owned(), source })
    }

    fn pictures_folder(&self) -> PathBuf {
        self.settings.data.join("pictures")
    }

    fn picture_folder(&self, first: u8) -> PathBuf {
        self.pictures_folder().join(format!("{first:02x}"))
    }

    fn picture_path(&self, id: PictureId) -> PathBuf {
        self.picture_folder(id.0[0]).join(id.name())
    }
}

/// Folders in which names have changed.
struct Folders([bool; 256]);

impl Default for Folders {
    fn default() -> Self {
        Self([false; 256])
    }
}

impl Folders {
    fn note(&mut self, id: PictureId) {
        self.0[usize::from(id.0[0])] = true;
    }
}
