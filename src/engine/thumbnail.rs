//! Pictures made for people who look through many: small (contract R177), or the face alone.
//!
//! **Why one at a time.** A picture in memory takes a hundred times its file. Small ones are made as they are asked for;
//! of large ones only one is in memory, however many clients ask.

use std::sync::PoisonError;

use super::Engine;
use super::error::{EngineError, ErrorKind};
use super::records::ImageRecord;
use super::trainer::Template;
use crate::face::{DatabaseName, FailReason, Identifier, ImageLabel};
use crate::store::decode;
use crate::vision::{Picture, Point, Unusable};

/// Pictures of so many pixels are decoded beside others.
const SMALL: u64 = 1 << 20;

impl Engine {
    /// A JPEG of an image's picture, at most 160 pixels wide and high.
    pub fn thumbnail(
        &self,
        database: &DatabaseName,
        identifier: &Identifier,
        label: &ImageLabel,
    ) -> Result<Vec<u8>, EngineError> {
        let bytes = self.picture(database, identifier, label)?.read()?;
        self.with_pixels(&bytes, |picture| Ok(picture.thumbnail()))
            .map_err(|unusable| unshowable(database, identifier, label, &format!("can be shown small: {unusable}")))
    }

    /// A JPEG of an image's face as an embedder sees it: turned, scaled and cut so that the landmarks that were found when
    /// it was trained lie on the template of the model that this server trains by. No model runs.
    pub fn face_crop(
        &self,
        database: &DatabaseName,
        identifier: &Identifier,
        label: &ImageLabel,
    ) -> Result<Vec<u8>, EngineError> {
        let (picture, verdict) = {
            let _faces = self.read_faces(); // until the file is open nobody removes it
            let number = self.database(database)?.number;
            self.face(database, number, identifier)?;
            let (key, value) = self.image_row(database, number, identifier, label)?;
            let ImageRecord { picture, verdict, .. } = decode(&key, &value)?;
            let picture = picture.ok_or_else(|| EngineError::no_picture(database, identifier, label))?;
            (self.open_picture(picture)?, verdict)
        };
        let Some(facts) = verdict.told().1 else {
            let why = "a face was found in: it was not trained from its pixels by this program";
            return Err(unshowable(database, identifier, label, why));
        };
        let Some(Template { side, points }) = self.trainer()?.template() else {
            return Err(unshowable(database, identifier, label, "the model of this server shows faces of"));
        };
        let [found, wanted] = [facts.landmarks, points].map(|points| points.map(|(x, y)| Point { x, y }));
        self.with_pixels(&picture.read()?, |picture| picture.aligned(&found, &wanted, side))
            .map_err(|unusable| unshowable(database, identifier, label, &format!("a face can be cut of: {unusable}")))?
            .jpeg()
            .ok_or_else(|| {
                unshowable(database, identifier, label, &format!("fits a JPEG with a side of {side} pixels"))
            })
    }

    /// What `make` makes of the pixels of a picture.
    fn with_pixels<T>(&self, bytes: &[u8], make: impl FnOnce(&Picture) -> Result<T, Unusable>) -> Result<T, Unusable> {
        let most = self.settings.max_pixels;
        match Picture::decode(bytes, SMALL.min(most)) {
            Err(large) if large.reason == FailReason::TooLarge => {
                // held until the pixels are gone
                let _alone = self.large_picture.lock().unwrap_or_else(PoisonError::into_inner);
                let picture = Picture::decode(bytes, most)?;
                make(&picture)
            }
            picture => make(&picture?),
        }
    }
}

/// That an image's picture cannot be shown so.
fn unshowable(database: &DatabaseName, identifier: &Identifier, label: &ImageLabel, why: &str) -> EngineError {
    let image = format!("'imagelabel={label}' in 'identifier={identifier}' of 'database={database}'");
    EngineError::new(ErrorKind::NoPicture, format!("{image} holds no picture that {why}"))
}
