//! One face of a picture of many, with what is around it, as a picture of its own.

use super::detect::{Point, Region};
use super::picture::Picture;
use super::{Lane, LookError, Pipeline, Seen, Unusable};

/// How much of the picture goes along, in widths and heights of the face: half a face on every side. Enough for the
/// detector to find it again, and little enough that the neighbours are cut.
const AROUND: f32 = 2.0;

/// A face, cut out with its surroundings.
#[derive(Debug, Clone, PartialEq)]
pub struct Apart {
    /// What was seen of the face in the whole picture, but its places are in pixels of the part.
    pub seen: Seen,
    /// The part.
    pub part: Picture,
}

impl Pipeline {
    /// Each face of a picture with its surroundings, the largest first; a face that is not usable with its reason.
    pub fn look_apart(&self, bytes: &[u8]) -> Result<Vec<Result<Apart, Unusable>>, LookError> {
        let picture = Picture::decode(bytes, self.max_pixels)?;
        let lane: Lane<'_> = self.lanes.enter();
        let seen = self.see_all(&picture, &lane)?;
        Ok(seen.into_iter().map(|seen| seen.map(|seen| apart(&picture, seen))).collect())
    }
}

fn apart(picture: &Picture, mut seen: Seen) -> Apart {
    let face = &mut seen.facts.face;
    let (columns, rows) = around(&face.region, picture);
    let part = picture.part(columns.clone(), rows.clone());
    let (left, top) = (columns.start as f32, rows.start as f32);
    face.region = Region { x: face.region.x - left, y: face.region.y - top, ..face.region };
    face.landmarks = face.landmarks.map(|Point { x, y }| Point { x: x - left, y: y - top });
    Apart { seen, part }
}

/// The columns and rows around a face, at least one of each.
fn around(face: &Region, picture: &Picture) -> (std::ops::Range<usize>, std::ops::Range<usize>) {
    let stretch = |from: f32, length: f32, side: usize| {
        let margin = (AROUND - 1.0) / 2.0 * length;
        let begin = ((from - margin).floor() as usize).min(side - 1); // saturates at 0, also for what is no number
        let end = ((from + length + margin).ceil() as usize).clamp(begin + 1, side);
        begin..end
    };
    (stretch(face.x, face.width, picture.width()), stretch(face.y, face.height, picture.height()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_around_a_face_ends_at_the_edges_of_the_picture() {
        let picture = Picture::new(100, 50, vec![0; 15_000]);
        let around = |x, y, width, height| around(&Region { x, y, width, height }, &picture);
        assert_eq!(around(40.0, 20.0, 10.0, 8.0), (35..55, 16..32));
        assert_eq!(around(-5.0, 40.0, 20.0, 20.0), (0..25, 30..50));
        assert_eq!(around(500.0, -90.0, 10.0, 10.0), (99..100, 0..1));
        assert_eq!(around(f32::NAN, f32::INFINITY, 1.0, 1.0), (0..1, 49..50));
    }

    #[test]
    fn a_part_holds_the_pixels_of_its_columns_and_rows() {
        let picture = Picture::new(4, 3, (0..36).collect());
        let part = picture.part(1..3, 2..3);
        assert_eq!((part.width(), part.height(), part.rgb()), (2, 1, &[27, 28, 29, 30, 31, 32][..]));
    }
}
