//! GetFaceImage: the pixels of an image as they were stored, small, or the face alone (contract R134, R177).

use std::io::Read as _;

use super::images::image_names;
use super::{Actions, Bytes, fault};
use crate::aci::{Code, Fault, Parameters};
use crate::face::{DatabaseName, Identifier, ImageLabel};

/// What GetFaceImage shows.
enum Shown {
    Stored,
    Thumbnail,
    Crop,
}

pub(super) fn get_image(actions: &Actions, parameters: &mut Parameters) -> Result<Bytes, Fault> {
    let ((database, identifier, label), shown) = parameters.read(|p| {
        let shown = match (p.boolean("thumbnail")?.unwrap_or(false), p.boolean("crop")?.unwrap_or(false)) {
            (false, false) => Shown::Stored,
            (true, false) => Shown::Thumbnail,
            (false, true) => Shown::Crop,
            (true, true) => {
                let text = "'thumbnail' and 'crop' are both true; one says what is shown";
                return Err(Fault::new(Code::Contradiction, text));
            }
        };
        Ok((image_names(p)?, shown))
    })?;
    if !matches!(shown, Shown::Stored) {
        return made(actions, (&database, &identifier, &label), &shown);
    }
    let picture = actions.engine.picture(&database, &identifier, &label).map_err(|error| fault(&error))?;
    let mut content = picture.file;
    let mut head = Vec::new();
    content.by_ref().take(12).read_to_end(&mut head).map_err(|_| Fault::storage())?;
    Ok(Bytes { kind: picture_kind(&head), head, content: Some(content) })
}

/// The names of an image.
type Image<'a> = (&'a DatabaseName, &'a Identifier, &'a ImageLabel);

#[cfg(feature = "vision")]
fn made(actions: &Actions, (database, identifier, label): Image<'_>, shown: &Shown) -> Result<Bytes, Fault> {
    let made = match shown {
        Shown::Crop => actions.engine.face_crop(database, identifier, label),
        Shown::Stored | Shown::Thumbnail => actions.engine.thumbnail(database, identifier, label),
    };
    Ok(Bytes { kind: "image/jpeg", head: made.map_err(|error| fault(&error))?, content: None })
}

#[cfg(not(feature = "vision"))]
fn made(_: &Actions, _: Image<'_>, shown: &Shown) -> Result<Bytes, Fault> {
    let name = if matches!(shown, Shown::Crop) { "crop" } else { "thumbnail" };
    let text = format!("'{name}=true' is not offered by a program without the feature vision");
    Err(Fault::new(Code::NotOffered, text))
}

/// The type that the first bytes of a picture show (R134).
fn picture_kind(head: &[u8]) -> &'static str {
    match head {
        [0xFF, 0xD8, 0xFF, ..] => "image/jpeg",
        [0x89, b'P', b'N', b'G', b'\r', b'\n', 0x1A, b'\n', ..] => "image/png",
        [b'B', b'M', ..] => "image/bmp",
        [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P'] => "image/webp",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn r134_the_kind_of_a_picture_is_found_from_its_bytes() {
        assert_eq!(picture_kind(b"\xFF\xD8\xFF\xE0\0\x10JFIF\0\x01"), "image/jpeg");
        assert_eq!(picture_kind(b"\x89PNG\r\n\x1A\n\0\0\0\r"), "image/png");
        assert_eq!(picture_kind(b"BM"), "image/bmp");
        assert_eq!(picture_kind(b"RIFF\x24\0\0\0WEBP"), "image/webp");
        for other in [&b"RIFF\x24\0\0\0WAVE"[..], b"\xFF\xD8", b"", b"GIF89a", b"<svg"] {
            assert_eq!(picture_kind(other), "application/octet-stream", "{other:?}");
        }
    }
}
