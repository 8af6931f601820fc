//! Model packs: a folder with `pack.toml`, which says what its models are and how they want to be asked.
//!
//! **Promises.** A pack that is open holds the very files its `pack.toml` names, byte for byte by SHA-256, and settings
//! that are within their ranges.
//!
//! **Why the file and not the code.** Two models of one architecture differ in colour order, scale and template; told
//! wrongly, they still answer, only worse. So all that is written beside the weights, once, with its source.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use sha2::{Digest as _, Sha256};
use thiserror::Error;

use super::choose::Choice;
use super::detect::{Landmarks, Point};
use super::facts::Quality;
use crate::confidence::{ConfidenceScale, ScaleError};
use crate::face::MAX_DIMENSION;

/// The file of a pack that describes it.
pub(super) const PACK_FILE: &str = "pack.toml";

/// Stands for a checksum that the writer of a pack did not know.
pub(super) const UNKNOWN: &str = "unknown";

/// The largest side of an embedder's input, in pixels.
const MAX_SIZE: usize = 1024;

/// The largest long side that a detector is shown, in pixels.
const MAX_LONG_SIDE: usize = 4096;

/// Why a pack does not open.
#[derive(Debug, Error)]
pub enum PackError {
    /// A file is not there, or cannot be read.
    #[error("{} cannot be read: {source}", path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The text is not a `pack.toml`.
    #[error("the description of the pack is not understood: {0}")]
    Toml(#[from] toml::de::Error),
    /// A value is outside its range.
    #[error("'{key} = {value}' in the description of the pack: expected {expected}")]
    Value {
        /// The key, with its section.
        key: &'static str,
        /// What stands there.
        value: String,
        /// What may.
        expected: String,
    },
    /// The knots are no scale.
    #[error("'embedder.confidence' in the description of the pack: {0}")]
    Scale(#[from] ScaleError),
    /// A file is not the one that the pack was written for.
    #[error("'{file}' has the SHA-256 {found}, the pack says {expected}")]
    Checksum {
        /// Which.
        file: String,
        /// By the pack.
        expected: String,
        /// In fact.
        found: String,
    },
    /// The pack does not say what the file has to be.
    #[error("the pack gives no SHA-256 for '{file}'; if the file there is the right one, write sha256 = \"{found}\"")]
    Unpinned {
        /// Which.
        file: String,
        /// The checksum of the file that is there.
        found: String,
    },
    /// A model does not load or run, or is not of the shape that the pack says.
    #[error("the model '{file}' does not fit: {text}")]
    Model {
        /// Its file.
        file: String,
        /// What is wrong.
        text: String,
    },
}

/// What detectors can be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DetectorKind {
    /// The one kind so far; see `detect.rs`.
    Yunet,
}

/// The detector, as `pack.toml` describes it.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DetectorPart {
    /// How its outputs are read.
    pub kind: DetectorKind,
    /// Its file in the folder.
    pub file: String,
    /// The checksum of that, in hexadecimal.
    pub sha256: String,
    /// Under which it may be used.
    pub licence: String,
    /// Larger pictures are scaled down until their long side has so many pixels.
    pub long_side: usize,
    /// The least score that is a face, 0 to 1.
    pub min_score: f32,
    /// The largest overlap (intersection over union) of two faces, 0 to 1.
    pub max_overlap: f32,
}

/// In which order a model wants the colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ColourOrder {
    /// Red, green, blue.
    Rgb,
    /// Blue, green, red, as OpenCV keeps pictures.
    Bgr,
}

/// The embedder, as `pack.toml` describes it.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EmbedderPart {
    /// Its file in the folder.
    pub file: String,
    /// The checksum of that, in hexadecimal.
    pub sha256: String,
    /// Under which it may be used.
    pub licence: String,
    /// The side of the square it is shown, in pixels.
    pub size: usize,
    /// The order of its three planes.
    pub colours: ColourOrder,
    /// Subtracted from each channel, which is 0 to 255 ...
    pub mean: f32,
    /// ... and then multiplied with it.
    pub scale: f32,
    /// Where the five landmarks lie in the square, in pixels.
    #[serde(deserialize_with = "landmarks")]
    pub template: Landmarks,
    /// How many numbers an embedding has.
    pub dimension: usize,
    /// Knots from cosine to confidence.
    pub confidence: Vec<(f64, f64)>,
}

fn landmarks<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Landmarks, D::Error> {
    <[(f32, f32); 5]>::deserialize(from).map(|points| points.map(|(x, y)| Point { x, y }))
}

/// What `pack.toml` says.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Description {
    /// The name of the embedding model.
    pub name: String,
    /// Finds faces.
    pub detector: DetectorPart,
    /// Tells them apart.
    pub embedder: EmbedderPart,
    /// Which of several faces is meant.
    #[serde(default)]
    pub choice: Choice,
    /// The least that is asked of a face.
    #[serde(default)]
    pub quality: Quality,
}

impl Description {
    /// Reads the text of a `pack.toml`, whose values are within their ranges.
    pub fn parse(text: &str) -> Result<Self, PackError> {
        let description: Self = toml::from_str(text)?;
        check(&description.name, &description.detector, &description.embedder)?;
        check_faces(description.choice, &description.quality)?;
        Ok(description)
    }

    /// Reads the `pack.toml` of a folder.
    pub fn open(folder: &Path) -> Result<Self, PackError> {
        Self::parse(&read(folder)?)
    }

    /// File and checksum of each model.
    pub fn models(&self) -> [(&str, &str); 2] {
        [(&self.detector.file, &self.detector.sha256), (&self.embedder.file, &self.embedder.sha256)]
    }
}

fn read(folder: &Path) -> Result<String, PackError> {
    let path = folder.join(PACK_FILE);
    fs::read_to_string(&path).map_err(|source| PackError::Read { path, source })
}

/// A pack, read and checked.
#[derive(Debug)]
pub struct Pack {
    /// The name of the embedding model.
    pub name: String,
    /// Finds faces.
    pub detector: DetectorPart,
    /// Tells them apart.
    pub embedder: EmbedderPart,
    /// Which of several faces is meant.
    pub choice: Choice,
    /// The least that is asked of a face.
    pub quality: Quality,
    /// From cosine to confidence.
    pub scale: ConfidenceScale,
    pub(super) detector_model: Vec<u8>,
    pub(super) embedder_model: Vec<u8>,
}

impl Pack {
    /// Reads the pack in a folder that holds a `pack.toml` and the models.
    pub fn open(folder: &Path) -> Result<Self, PackError> {
        Self::read(&read(folder)?, folder)
    }

    /// Reads a pack of this description, which may be one of [`READY_PACKS`](super::READY_PACKS), and the models in a
    /// folder.
    pub fn read(description: &str, folder: &Path) -> Result<Self, PackError> {
        let Description { name, detector, embedder, choice, quality } = Description::parse(description)?;
        let scale = ConfidenceScale::new(embedder.confidence.clone())?;
        let detector_model = model(folder, &detector.file, &detector.sha256)?;
        let embedder_model = model(folder, &embedder.file, &embedder.sha256)?;
        Ok(Self { name, detector, embedder, choice, quality, scale, detector_model, embedder_model })
    }

    /// The SHA-256 over all that an embedding depends on: the models, and what they are shown. Names, licences and the
    /// confidence scale are no part of it, nor what decides which face is taken and whether it is good enough: that
    /// changes which pictures are trained, not what an embedding of a face can be compared with.
    pub fn fingerprint(&self) -> [u8; 32] {
        let Self { detector, embedder, detector_model, embedder_model, .. } = self;
        let mut hash = Sha256::new();
        hash.update(b"model pack 1");
        hash.update(match detector.kind {
            DetectorKind::Yunet => b"yunet",
        });
        hash.update(match embedder.colours {
            ColourOrder::Rgb => b"rgb",
            ColourOrder::Bgr => b"bgr",
        });
        for model in [detector_model, embedder_model] {
            hash.update(Sha256::digest(model));
        }
        for number in [detector.long_side, embedder.size, embedder.dimension] {
            hash.update((number as u64).to_le_bytes());
        }
        for number in
            [embedder.mean, embedder.scale].into_iter().chain(embedder.template.iter().flat_map(|p| [p.x, p.y]))
        {
            hash.update(number.to_le_bytes());
        }
        hash.finalize().into()
    }
}

/// Refuses what is outside its range.
fn check(name: &str, detector: &DetectorPart, embedder: &EmbedderPart) -> Result<(), PackError> {
    let refuse =
        |key, value: String, expected: &str| Err(PackError::Value { key, value, expected: expected.to_owned() });
    if let Err(error) = crate::face::check_name(name) {
        return refuse("name", format!("{name:?}"), &error.to_string());
    }
    // a pack comes from somewhere else: its files are in its folder
    for (key, file) in [("detector.file", &detector.file), ("embedder.file", &embedder.file)] {
        if !is_file_name(file) {
            return refuse(key, format!("{file:?}"), "the name of a file in the folder of the pack");
        }
    }
    let unit = 0.0..=1.0;
    if !unit.contains(&detector.min_score) {
        return refuse("detector.min_score", detector.min_score.to_string(), "0 to 1");
    }
    if !unit.contains(&detector.max_overlap) {
        return refuse("detector.max_overlap", detector.max_overlap.to_string(), "0 to 1");
    }
    if !(32..=MAX_LONG_SIDE).contains(&detector.long_side) {
        return refuse("detector.long_side", detector.long_side.to_string(), &format!("32 to {MAX_LONG_SIDE} pixels"));
    }
    if !(8..=MAX_SIZE).contains(&embedder.size) {
        return refuse("embedder.size", embedder.size.to_string(), &format!("8 to {MAX_SIZE} pixels"));
    }
    if !(1..=MAX_DIMENSION).contains(&embedder.dimension) {
        return refuse("embedder.dimension", embedder.dimension.to_string(), &format!("1 to {MAX_DIMENSION}"));
    }
    let is_usable = embedder.mean.is_finite() && embedder.scale.is_finite() && embedder.scale != 0.0;
    if !is_usable {
        let value = format!("{} (mean = {})", embedder.scale, embedder.mean);
        return refuse("embedder.scale", value, "finite numbers, the scale not 0");
    }
    check_template(embedder)
}

/// Refuses landmarks outside the square, and those to which no face can be aligned because they are all in one place.
fn check_template(embedder: &EmbedderPart) -> Result<(), PackError> {
    let refuse = |value: String, expected: String| Err(PackError::Value { key: "embedder.template", value, expected });
    let square = 0.0..=embedder.size as f32;
    for Point { x, y } in embedder.template {
        if !(square.contains(&x) && square.contains(&y)) {
            return refuse(format!("[{x}, {y}]"), format!("points inside the square of {} pixels", embedder.size));
        }
    }
    let [first, rest @ ..] = embedder.template;
    if rest.iter().all(|point| (point.x - first.x).hypot(point.y - first.y) < 1.0) {
        return refuse(format!("five times [{}, {}]", first.x, first.y), "landmarks apart from each other".to_owned());
    }
    Ok(())
}

/// Refuses a choice or a quality that no face, or every face, would meet by mistake.
fn check_faces(choice: Choice, quality: &Quality) -> Result<(), PackError> {
    let refuse = |key, value: f32, expected: &str| {
        Err(PackError::Value { key, value: value.to_string(), expected: expected.to_owned() })
    };
    if !(0.0..=1.0).contains(&choice.max_second_area) {
        return refuse("choice.max_second_area", choice.max_second_area, "0 to 1");
    }
    for (key, value) in [
        ("quality.min_face_width", quality.min_face_width),
        ("quality.min_sharpness", quality.min_sharpness),
        ("quality.min_frontalness", quality.min_frontalness),
        ("quality.min_norm", quality.min_norm),
    ] {
        if !value.is_finite() || value < 0.0 {
            return refuse(key, value, "0 or more");
        }
    }
    Ok(())
}

/// Whether a text is the name of a file, and no path.
pub(super) fn is_file_name(text: &str) -> bool {
    Path::new(text).components().count() == 1 && Path::new(text).file_name().is_some_and(|name| name == text)
}

/// The SHA-256 of these bytes, in lower case digits.
pub(super) fn checksum(bytes: &[u8]) -> String {
    let digit = |nibble: u8| char::from_digit(nibble.into(), 16).expect("a nibble is below 16");
    Sha256::digest(bytes).iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

/// A model's file, which has this checksum.
fn model(folder: &Path, file: &str, sha256: &str) -> Result<Vec<u8>, PackError> {
    let path = folder.join(file);
    let bytes = fs::read(&path).map_err(|source| PackError::Read { path, source })?;
    let found = checksum(&bytes);
    if sha256 == UNKNOWN {
        return Err(PackError::Unpinned { file: file.to_owned(), found });
    }
    if !sha256.eq_ignore_ascii_case(&found) {
        return Err(PackError::Checksum { file: file.to_owned(), expected: sha256.to_owned(), found });
    }
    Ok(bytes)
}
