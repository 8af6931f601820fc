//! Pictures made small, for people who look through many (contract R177).
//!
//! **Why one at a time.** A picture in memory takes a hundred times its file. Small ones are made as they are asked for;
//! of large ones only one is in memory, however many clients ask.

use std::sync::PoisonError;

use super::Engine;
use super::error::{EngineError, ErrorKind};
use crate::face::{DatabaseName, FailReason, Identifier, ImageLabel};
use crate::vision::Picture;

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
        let most = self.settings.max_pixels;
        let picture = match Picture::decode(&bytes, SMALL.min(most)) {
            Err(large) if large.reason == FailReason::TooLarge => {
                let _alone = self.large_picture.lock().unwrap_or_else(PoisonError::into_inner);
                Picture::decode(&bytes, most)
            }
            other => other,
        };
        let picture = picture.map_err(|unusable| {
            let image = format!("'imagelabel={label}' in 'identifier={identifier}' of 'database={database}'");
            EngineError::new(
                ErrorKind::NoPicture,
                format!("{image} holds no picture that can be shown small: {unusable}"),
            )
        })?;
        Ok(picture.thumbnail())
    }
}
