//! The pictures of the page: faces cut out, and a drawing where there is none.

use maud::{Markup, html};

use super::frame::View;
use super::made::{Made, Oops};
use super::parts::{hue, shape};
use crate::aci::{NotShown, Sheet};

const JPEG: &str = "image/jpeg";
const SVG: &str = "image/svg+xml";

/// The face of an image of a result.
pub(super) fn picture(view: &View<'_>, token: &str, face: &str) -> Result<Made, Oops> {
    let sheet = view.desk.sheet(token)?;
    let face = face.parse::<u32>().ok().filter(|&face| (face as usize) < sheet.names.len());
    let Some(face) = face else { return Err(Oops::not_found("The result has no such image.")) };
    match view.desk.picture(&sheet, face) {
        Ok(bytes) => Ok(Made::new(JPEG, bytes).kept("private, max-age=300")),
        Err(why) => Ok(Made::new(SVG, drawn(&sheet, face, why).into_string()).kept("private, max-age=30")),
    }
}

/// A drawing in the colour of the identity: of nobody, with a lock if there is somebody who may not be seen.
pub(super) fn drawn(sheet: &Sheet, face: u32, why: NotShown) -> Markup {
    let id = &sheet.names[face as usize];
    let colour = format!("hsl({} 42% 62%)", u32::from(hue(id)) * 15);
    html! {
        svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 96 96" role="img" {
            rect width="96" height="96" fill=(colour) fill-opacity="0.28" {}
            circle cx="48" cy="38" r="17" fill=(colour) fill-opacity="0.85" {}
            path d="M14 96c0-22 15-34 34-34s34 12 34 34z" fill=(colour) fill-opacity="0.85" {}
            @if why == NotShown::NotAuthorised {
                path d="M41 40v-5a7 7 0 0 1 14 0v5h2v12H39V40zm3 0h8v-5a4 4 0 0 0-8 0z" fill="#fff" fill-rule="evenodd" {}
            } @else {
                text x="48" y="45" text-anchor="middle" font-size="20" fill="#fff" { (shape(id)) }
            }
        }
    }
}
