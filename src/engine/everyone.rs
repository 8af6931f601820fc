//! Pictures of many people into a database: every usable face becomes an identity of its own, for nobody knows who it is.
//!
//! **Promises.** The faces of a picture come in one step, or none. A picture of which a face is there is not looked at
//! again, so that an interrupted run is gone on with.
//!
//! **Why a part is stored.** The whole picture, once for each of its faces, costs many times the room, and no later
//! training could tell which of its faces is meant. So with each face goes what is around it.

use super::Engine;
use super::change::Change;
use super::error::{EngineError, ErrorKind};
use super::records::{FaceRecord, ImageRecord};
use super::trainer::Found;
use crate::face::{DatabaseName, FailReason, Identifier, ImageLabel};
use crate::store::keys;

/// The label of such an image.
const LABEL: &str = "face";

/// What came of a picture.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Everyone {
    /// How many faces are new in the database.
    pub n_added: usize,
    /// Why others were left out.
    pub left_out: Vec<(FailReason, String)>,
}

impl Engine {
    /// Whether a face of the picture of this name is in the database.
    pub fn has_faces_of(&self, database: &DatabaseName, picture: &str) -> Result<bool, EngineError> {
        let _faces = self.read_faces();
        let number = self.database(database)?.number;
        let stem = format!("{picture}#");
        for entry in self.store.scan(&keys::face(number, &numbered(picture, "")?)) {
            let identifier = keys::face_identifier(&entry?.0)?;
            let end = identifier.as_str().strip_prefix(&stem).unwrap_or_default();
            if end.parse::<u32>().is_ok() {
                return Ok(true); // and not one of a picture whose name begins so
            }
        }
        Ok(false)
    }

    /// Adds each usable face of a picture as an identity of its own: the name of the picture, `#`, and its number by size,
    /// 1 for the largest. A picture that cannot be looked at is one thing left out.
    pub fn add_everyone(&self, database: &DatabaseName, picture: &str, bytes: &[u8]) -> Result<Everyone, EngineError> {
        let trainer = {
            let _faces = self.read_faces();
            let record = self.database(database)?;
            let trainer = self.trainer()?;
            trainer.check_fits(database, &record)?;
            trainer
        };
        let (mut found, mut left_out) = (Vec::new(), Vec::new());
        for face in trainer.look_at_everyone(bytes)? {
            match face {
                Ok(face) => found.push(face),
                Err(why) => left_out.push(why),
            }
        }
        if found.is_empty() {
            return Ok(Everyone { n_added: 0, left_out });
        }
        let names = (1..=found.len()).map(|number| numbered(picture, &number.to_string()));
        let names = names.collect::<Result<Vec<_>, _>>()?;
        let mut staged = self.stage_pictures(found.len())?;
        found.iter().try_for_each(|face| staged.keep(&mut &face.part[..]).map(drop))?;
        staged.seal()?;
        let faces = self.write_faces();
        let mut record = self.database(database)?;
        let mut change = Change::default();
        let everyone = Everyone { n_added: found.len(), left_out };
        let label = ImageLabel::new(LABEL).expect("it is a name");
        let pictures = staged.hand_over(&mut change.also);
        for ((Found { trained, .. }, identifier), part) in found.into_iter().zip(names).zip(pictures) {
            if let Some(model) = self.binding(trainer, database, &record, &trained.embedding)? {
                record.model = Some(model);
                change.also.record(&keys::database(database), &record);
            }
            let face = self.no_face(database, record.number, &identifier)?;
            change.put(record.number, face, None, &FaceRecord::default());
            let image = ImageRecord::looked_at(Ok(trained), Some(part));
            change.put(record.number, keys::image(record.number, &identifier, &label), None, &image);
        }
        self.change(faces, change)?;
        Ok(everyone)
    }
}

/// The identifier of a face of a picture.
fn numbered(picture: &str, number: &str) -> Result<Identifier, EngineError> {
    Identifier::new(&format!("{picture}#{number}")).map_err(|error| {
        EngineError::new(ErrorKind::Limit, format!("'{picture}#{number}' is not an identifier: {error}"))
    })
}
