//! Where the faces of a picture are: the boxes and five landmarks that a `YuNet` detector finds.
//!
//! Wu, Peng, Yu: "YuNet: A Tiny Millisecond-level Face Detector", 2023. The model is shown blue, green and red from 0 to
//! 255, and says for every cell of three grids (of 8, 16 and 32 pixels) how sure it is of a face, and where it is,
//! relative to the cell.

use super::pack::{DetectorPart, PackError};
use super::picture::Picture;
use super::runtime::{Lane, Network, Output, RuntimeError};

/// A point of a picture, in pixels from the centre of its upper left one, to the right and down.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Point {
    /// To the right.
    pub x: f32,
    /// Down.
    pub y: f32,
}

/// As seen in the picture: left eye, right eye, tip of the nose, left and right corner of the mouth.
pub type Landmarks = [Point; 5];

/// A rectangle of a picture, in pixels; it may reach beyond the edges.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Region {
    /// Its left edge.
    pub x: f32,
    /// Its upper edge.
    pub y: f32,
    /// From left to right.
    pub width: f32,
    /// From top to bottom.
    pub height: f32,
}

impl Region {
    /// In square pixels.
    pub fn area(&self) -> f32 {
        self.width * self.height
    }

    /// Intersection over union: 0 for regions apart, 1 for the same.
    pub fn overlap(&self, other: &Self) -> f32 {
        let shared = |from: f32, length: f32, other_from: f32, other_length: f32| {
            ((from + length).min(other_from + other_length) - from.max(other_from)).max(0.0)
        };
        let both =
            shared(self.x, self.width, other.x, other.width) * shared(self.y, self.height, other.y, other.height);
        both / (self.area() + other.area() - both)
    }
}

/// A face that was found.
#[derive(Debug, Clone, PartialEq)]
pub struct Face {
    /// Around it.
    pub region: Region,
    /// In it.
    pub landmarks: Landmarks,
    /// How sure the detector is, 0 to 1.
    pub score: f32,
}

/// The sides of the grids' cells, in pixels.
const STRIDES: [usize; 3] = [8, 16, 32];

/// The outputs for each grid, and how many numbers each has a cell.
const PARTS: [(&str, usize); 4] = [("cls", 1), ("obj", 1), ("bbox", 4), ("kps", 10)];

/// A model's input is a multiple of this in both directions.
const LARGEST_STRIDE: usize = STRIDES[2];

/// A detector, ready.
#[derive(Debug)]
pub(super) struct Detector {
    network: Network,
    /// Height and width of the model's input, if it takes no other.
    fixed: Option<(usize, usize)>,
    settings: DetectorPart,
}

impl Detector {
    /// Loads a model and runs it once.
    pub(super) fn open(part: &DetectorPart, onnx: &[u8], lane: &Lane<'_>) -> Result<Self, PackError> {
        let refuse = |text: String| PackError::Model { file: part.file.clone(), text };
        let outputs: Vec<String> =
            PARTS.iter().flat_map(|(part, _)| STRIDES.iter().map(move |stride| format!("{part}_{stride}"))).collect();
        let network = Network::open_with_shortcuts(onnx, &outputs).map_err(|error| refuse(error.to_string()))?;
        let fixed = network.fixed_size();
        if let Some((height, width)) = fixed
            && (height % LARGEST_STRIDE != 0 || width % LARGEST_STRIDE != 0 || height == 0 || width == 0)
        {
            return Err(refuse(format!("its input is {width} x {height}, expected multiples of {LARGEST_STRIDE}")));
        }
        let detector = Self { network, fixed, settings: part.clone() };
        detector.faces(&Picture::new(1, 1, vec![0; 3]), lane).map_err(|error| refuse(error.to_string()))?;
        Ok(detector)
    }

    /// The faces of a picture, the largest first.
    pub(super) fn faces(&self, picture: &Picture, lane: &Lane<'_>) -> Result<Vec<Face>, RuntimeError> {
        let (longest, size) = match self.fixed {
            Some((height, width)) => (self.settings.long_side.min(height).min(width), Some((height, width))),
            None => (self.settings.long_side, None),
        };
        let shown = picture.shrunk(longest);
        let padded = |side: usize| side.next_multiple_of(LARGEST_STRIDE);
        let (height, width) = size.unwrap_or((padded(shown.height()), padded(shown.width())));
        let outputs = self.network.run((height, width), planes(&shown, height, width), lane)?;
        let zoom_x = picture.width() as f32 / shown.width() as f32;
        let zoom_y = picture.height() as f32 / shown.height() as f32;
        let mut found = Vec::new();
        for (at, stride) in STRIDES.into_iter().enumerate() {
            let grid = Grid::new(&outputs, at, stride, (height / stride, width / stride))?;
            found.extend(grid.faces(self.settings.min_score));
        }
        let mut faces = distinct(found, self.settings.max_overlap);
        for face in &mut faces {
            enlarge(face, zoom_x, zoom_y);
        }
        faces.sort_by(|a, b| b.region.area().total_cmp(&a.region.area())); // stable: then the better score
        Ok(faces)
    }
}

/// The picture as planes of blue, green and red, black to the right and below.
fn planes(picture: &Picture, height: usize, width: usize) -> Vec<f32> {
    let mut planes = vec![0.0; 3 * height * width];
    for (row, pixels) in picture.rgb().chunks_exact(3 * picture.width()).enumerate() {
        for (column, pixel) in pixels.chunks_exact(3).enumerate() {
            for (plane, channel) in [2, 1, 0].into_iter().enumerate() {
                planes[(plane * height + row) * width + column] = f32::from(pixel[channel]);
            }
        }
    }
    planes
}

/// What the model says of one grid.
struct Grid<'a> {
    columns: usize,
    stride: f32,
    /// In the order of [`PARTS`].
    parts: [&'a [f32]; 4],
}

impl<'a> Grid<'a> {
    fn new(
        outputs: &'a [Output],
        at: usize,
        stride: usize,
        (rows, columns): (usize, usize),
    ) -> Result<Self, RuntimeError> {
        let mut parts = [&[][..]; 4];
        for (part, (name, n)) in PARTS.into_iter().enumerate() {
            let output = &outputs[part * STRIDES.len() + at];
            let expected = rows * columns * n;
            if output.values.len() != expected {
                let (shape, found) = (&output.shape, output.values.len());
                return Err(RuntimeError::new(format!(
                    "output '{name}_{stride}' has {found} numbers {shape:?}, expected {expected}: {rows} x {columns} cells of {n}"
                )));
            }
            parts[part] = &output.values;
        }
        Ok(Self { columns, stride: stride as f32, parts })
    }

    /// The faces of which the model is sure enough.
    fn faces(&self, min_score: f32) -> impl Iterator<Item = Face> + '_ {
        (0..self.parts[0].len()).map(|cell| self.face(cell)).filter(move |face| {
            let is_finite = face.region.area().is_finite() && face.landmarks.iter().all(|p| (p.x + p.y).is_finite());
            face.score >= min_score && is_finite
        })
    }

    fn face(&self, cell: usize) -> Face {
        let [class, object, region, points] = self.parts;
        let score = (class[cell].clamp(0.0, 1.0) * object[cell].clamp(0.0, 1.0)).sqrt();
        let (row, column) = ((cell / self.columns) as f32, (cell % self.columns) as f32);
        let region = &region[4 * cell..4 * cell + 4];
        let centre = Point { x: (column + region[0]) * self.stride, y: (row + region[1]) * self.stride };
        let (width, height) = (region[2].exp() * self.stride, region[3].exp() * self.stride);
        let points = &points[10 * cell..10 * cell + 10];
        Face {
            region: Region { x: centre.x - width / 2.0, y: centre.y - height / 2.0, width, height },
            landmarks: [0, 1, 2, 3, 4].map(|i| Point {
                x: (points[2 * i] + column) * self.stride,
                y: (points[2 * i + 1] + row) * self.stride,
            }),
            score,
        }
    }
}

/// Of faces that overlap too much the one with the best score, the first of equals; sorted by score.
fn distinct(mut faces: Vec<Face>, max_overlap: f32) -> Vec<Face> {
    faces.sort_by(|a, b| b.score.total_cmp(&a.score));
    let mut kept: Vec<Face> = Vec::new();
    for face in faces {
        if kept.iter().all(|better| better.region.overlap(&face.region) <= max_overlap) {
            kept.push(face);
        }
    }
    kept
}

/// From the picture as the model saw it to the picture as it is.
fn enlarge(face: &mut Face, x: f32, y: f32) {
    let Region { x: left, y: top, width, height } = face.region;
    face.region = Region { x: left * x, y: top * y, width: width * x, height: height * y };
    for point in &mut face.landmarks {
        *point = Point { x: point.x * x, y: point.y * y };
    }
}

#[cfg(test)]
#[allow(clippy::float_cmp, reason = "exact by their arithmetic")]
mod tests {
    use super::*;

    fn face(x: f32, score: f32) -> Face {
        Face { region: Region { x, y: 0.0, width: 10.0, height: 10.0 }, landmarks: [Point::default(); 5], score }
    }

    #[test]
    fn of_faces_that_overlap_the_best_stays() {
        let found = vec![face(0.0, 0.7), face(1.0, 0.9), face(20.0, 0.8), face(7.0, 0.6)];
        let kept: Vec<f32> = distinct(found, 0.3).iter().map(|face| face.region.x).collect();
        assert_eq!(kept, [1.0, 20.0, 7.0], "0 and 1 share 9 of 11; 1 and 7 share 4 of 16");
    }

    #[test]
    fn overlap_is_shared_area_over_covered_area() {
        assert_eq!(face(0.0, 1.0).region.overlap(&face(0.0, 1.0).region), 1.0);
        assert_eq!(face(0.0, 1.0).region.overlap(&face(5.0, 1.0).region), 50.0 / 150.0);
        assert_eq!(face(0.0, 1.0).region.overlap(&face(10.0, 1.0).region), 0.0);
    }
}
