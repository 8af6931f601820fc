//! JSON lines: one object an image, the only format that carries everything (contract R176).
//!
//! **Promises.** A number is parsed as float32 directly, rounded once, so that the shortest text of a float32 comes
//! back as the same bits. A field that is not known is a fault that names it: nothing is dropped in silence.
//!
//! A face without images has a line of its own, with `identifier` and perhaps `metadata` and without `imagelabel`. Beside
//! the fields of contract R176 a failed image may have a `reason`, one of the words of R178.

use std::fmt;
use std::fs::File;

use base64::Engine as _;
use base64::alphabet::STANDARD as ALPHABET;
use base64::display::Base64Display;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig, STANDARD};
use serde::Serialize;
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::error::Category;

use super::lines::{Line, Lines};
use super::read::{ImageData, Options, Progress, Records, Unit};
use super::{
    BadRow, Entry, ExchangeError, Face, Format, Place, Record, embedding_of, identifier_of, label_of, shown, tamed,
};
use crate::face::{FailReason, ImageStatus, check_name};

/// Pictures as text: the standard alphabet, padding optional.
const PICTURES: GeneralPurpose = GeneralPurpose::new(
    &ALPHABET,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// The records of a JSON lines file.
pub(super) struct Jsonl {
    lines: Lines,
    image_data: ImageData,
}

impl Jsonl {
    pub(super) fn open(file: File, options: &Options) -> Result<Self, ExchangeError> {
        let lines = Lines::new(file, options.limits.max_line_bytes).map_err(ExchangeError::io("read the file"))?;
        Ok(Self { lines, image_data: options.image_data })
    }
}

impl Records for Jsonl {
    fn next_entry(&mut self) -> Option<Result<Entry, ExchangeError>> {
        let Line { number: row, text } = match self.lines.next_line() {
            Ok(line) => line?,
            Err(source) => return Some(Err(ExchangeError::io("read the file")(source))),
        };
        let image_data = self.image_data;
        let entry = text.and_then(|text| Object::parse(text, image_data)).and_then(|object| object.entry(row));
        Some(entry.map_err(|reason| BadRow { place: Place::Line, row, reason }.into()))
    }

    fn progress(&self) -> Progress {
        let (done, total) = self.lines.progress();
        Progress { done, total, unit: Unit::Bytes }
    }
}

const FIELDS: [&str; 8] =
    ["identifier", "imagelabel", "status", "model", "embedding", "imagedata", "metadata", "reason"];

/// What a line says, unchecked.
#[derive(Default)]
struct Object {
    seen: Vec<String>,
    identifier: Option<String>,
    label: Option<String>,
    status: Option<String>,
    model: Option<String>,
    embedding: Option<Vec<f32>>,
    reason: Option<String>,
    picture: Option<Vec<u8>>,
    metadata: Option<Pairs>,
}

impl Object {
    fn parse(line: &str, image_data: ImageData) -> Result<Self, String> {
        let mut json = serde_json::Deserializer::from_str(line);
        let object = json.deserialize_map(ObjectVisitor { image_data }).and_then(|object| json.end().map(|()| object));
        object.map_err(|error| {
            // The parser sees one line and calls it line 1.
            let text = error.to_string();
            let text = text.rsplit_once(" at line 1 column ").map_or(text.as_str(), |(text, _)| text);
            let column = error.column();
            match error.classify() {
                Category::Syntax => format!("column {column}: this is not JSON ({})", tamed(text)),
                Category::Eof => format!("column {column}: the line ends in the middle of its JSON ({})", tamed(text)),
                Category::Data | Category::Io => format!("column {column}: {}", tamed(text)),
            }
        })
    }

    fn entry(mut self, row: u64) -> Result<Entry, String> {
        let identifier = self.identifier.take().ok_or("there is no identifier")?;
        let identifier = identifier_of(&identifier)?;
        let Pairs(metadata) = self.metadata.take().unwrap_or_default();
        for (key, value) in &metadata {
            named("metadata key", key)?;
            named(&format!("the value of metadata '{}'", shown(key)), value)?;
        }
        let Some(label) = self.label.take() else {
            return match self.of_an_image() {
                None => Ok(Entry::Face(Face { row, identifier, metadata })),
                Some(field) => Err(format!("there is no imagelabel, but {field}")),
            };
        };
        let label = label_of(&label)?;
        let status = match (self.status, &self.embedding) {
            (Some(status), _) => status.parse().map_err(|_| wrong_status(&status))?,
            (None, Some(_)) => ImageStatus::Trained,
            (None, None) => ImageStatus::Untrained,
        };
        let embedding = match (status, self.embedding) {
            (ImageStatus::Trained, Some(numbers)) => Some(embedding_of(numbers)?),
            (ImageStatus::Trained, None) => return Err("status is trained, but there is no embedding".to_owned()),
            (status, Some(_)) => return Err(format!("status is {status}, but there is an embedding")),
            (_, None) => None,
        };
        let reason = match (self.reason, status) {
            (Some(reason), ImageStatus::Failed) => {
                let wrong = || format!("reason is '{}', not a word for one", shown(&reason));
                Some(reason.parse::<FailReason>().map_err(|_| wrong())?)
            }
            (Some(_), status) => return Err(format!("status is {status}, but there is a reason for failing")),
            (None, _) => None,
        };
        if let Some(model) = &self.model {
            named("model", model)?;
        }
        let (model, picture) = (self.model, self.picture);
        Ok(Entry::Image(Record { row, identifier, label, status, model, embedding, reason, picture, metadata }))
    }

    /// A field that is there and belongs to an image.
    fn of_an_image(&self) -> Option<&'static str> {
        let is_there = [
            ("a status", self.status.is_some()),
            ("a model", self.model.is_some()),
            ("an embedding", self.embedding.is_some()),
            ("a picture", self.picture.is_some()),
            ("a reason", self.reason.is_some()),
        ];
        is_there.into_iter().find(|&(_, is_there)| is_there).map(|(field, _)| field)
    }
}

fn named(what: &str, text: &str) -> Result<(), String> {
    check_name(text).map_err(|error| format!("{what} '{}': {error}", shown(text)))
}

fn wrong_status(status: &str) -> String {
    format!("status is '{}', expected untrained, trained or failed", shown(status))
}

struct ObjectVisitor {
    image_data: ImageData,
}

impl<'de> Visitor<'de> for ObjectVisitor {
    type Value = Object;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Object, A::Error> {
        let mut object = Object::default();
        while let Some(field) = map.next_key::<String>()? {
            if object.seen.contains(&field) {
                return Err(serde::de::Error::custom(format_args!("field '{}' is there twice", shown(&field))));
            }
            match field.as_str() {
                "identifier" => object.identifier = map.next_value()?,
                "imagelabel" => object.label = map.next_value()?,
                "status" => object.status = map.next_value()?,
                "model" => object.model = map.next_value()?,
                "embedding" => object.embedding = map.next_value()?,
                "imagedata" if self.image_data == ImageData::LeaveOut => drop(map.next_value::<IgnoredAny>()?),
                "imagedata" => object.picture = map.next_value::<Option<Picture>>()?.map(|Picture(bytes)| bytes),
                "reason" => object.reason = map.next_value()?,
                "metadata" => object.metadata = map.next_value()?,
                other => {
                    let (known, field) = (nearest(other), shown(other));
                    let unknown = format_args!("unknown field '{field}', the nearest known one is '{known}'");
                    return Err(serde::de::Error::custom(unknown));
                }
            }
            object.seen.push(field);
        }
        Ok(object)
    }
}

/// A picture in base64.
struct Picture(Vec<u8>);

impl<'de> serde::Deserialize<'de> for Picture {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(PictureVisitor)
    }
}

struct PictureVisitor;

impl Visitor<'_> for PictureVisitor {
    type Value = Picture;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a picture in base64")
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Picture, E> {
        let refused = |error| E::custom(format_args!("imagedata is not base64: {error}"));
        PICTURES.decode(text).map(Picture).map_err(refused)
    }
}

/// The known field that holds the unknown one, or else takes the fewest changed letters.
fn nearest(unknown: &str) -> &'static str {
    let unknown: String = unknown.chars().take(64).flat_map(char::to_lowercase).collect();
    let letters: Vec<char> = unknown.chars().collect();
    FIELDS.into_iter().min_by_key(|field| (!field.contains(&unknown), distance(&letters, field))).unwrap_or(FIELDS[0])
}

/// The edit distance of Levenshtein.
fn distance(a: &[char], b: &str) -> usize {
    let mut row: Vec<usize> = (0..=a.len()).collect();
    for (i, letter) in b.chars().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, other) in a.iter().enumerate() {
            let change = diagonal + usize::from(letter != *other);
            diagonal = row[j + 1];
            row[j + 1] = change.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[a.len()]
}

/// An object of texts, in the order of the file.
#[derive(Default)]
struct Pairs(Vec<(String, String)>);

impl<'de> serde::Deserialize<'de> for Pairs {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(PairsVisitor)
    }
}

struct PairsVisitor;

impl<'de> Visitor<'de> for PairsVisitor {
    type Value = Pairs;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of texts")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Pairs, A::Error> {
        let mut pairs: Vec<(String, String)> = Vec::new();
        let mut keys = std::collections::HashSet::new();
        while let Some(key) = map.next_key::<String>()? {
            let value = map.next_value_seed(Text { key: &key })?;
            if !keys.insert(key.clone()) {
                return Err(serde::de::Error::custom(format_args!("metadata '{}' is there twice", shown(&key))));
            }
            pairs.push((key, value));
        }
        Ok(Pairs(pairs))
    }
}

/// A text; anything else is refused with the name of its key.
struct Text<'a> {
    key: &'a str,
}

impl<'de> DeserializeSeed<'de> for Text<'_> {
    type Value = String;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<String, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for Text<'_> {
    type Value = String;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a text for metadata '{}'", shown(self.key))
    }

    fn visit_str<E>(self, text: &str) -> Result<String, E> {
        Ok(text.to_owned())
    }
}

/// A line as it is written.
#[derive(Serialize)]
struct Written<'a> {
    identifier: &'a str,
    imagelabel: &'a str,
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    model: Option<&'a str>,
    embedding: Option<&'a [f32]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    imagedata: Option<Pixels<'a>>,
    #[serde(skip_serializing_if = "<[_]>::is_empty", serialize_with = "as_object")]
    metadata: &'a [(String, String)],
}

/// The line of a face without images.
#[derive(Serialize)]
struct WrittenFace<'a> {
    identifier: &'a str,
    #[serde(skip_serializing_if = "<[_]>::is_empty", serialize_with = "as_object")]
    metadata: &'a [(String, String)],
}

/// A picture, written in base64.
struct Pixels<'a>(&'a [u8]);

impl Serialize for Pixels<'_> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&Base64Display::new(self.0, &STANDARD))
    }
}

fn as_object<S: serde::Serializer>(pairs: &&[(String, String)], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map(pairs.iter().map(|(key, value)| (key, value)))
}

/// Writes the line of a record.
pub(super) fn write_line(output: &mut impl std::io::Write, record: &Record) -> Result<(), ExchangeError> {
    if (record.status == ImageStatus::Trained) != record.embedding.is_some() {
        return Err(ExchangeError::Unwritable {
            image: format!("{}/{}", record.identifier, record.label),
            format: Format::Jsonl,
            reason: format!("its status is {}, which does not go with its embedding", record.status),
        });
    }
    let written = Written {
        identifier: record.identifier.as_str(),
        imagelabel: record.label.as_str(),
        status: record.status.as_str(),
        model: record.model.as_deref(),
        embedding: record.embedding.as_ref().map(crate::face::Embedding::values),
        reason: record.reason.map(FailReason::as_str),
        imagedata: record.picture.as_deref().map(Pixels),
        metadata: &record.metadata,
    };
    write_object(output, &written)
}

/// Writes the line of a face without images.
pub(super) fn write_face(output: &mut impl std::io::Write, face: &Face) -> Result<(), ExchangeError> {
    write_object(output, &WrittenFace { identifier: face.identifier.as_str(), metadata: &face.metadata })
}

fn write_object(output: &mut impl std::io::Write, object: &impl Serialize) -> Result<(), ExchangeError> {
    serde_json::to_writer(&mut *output, object)
        .map_err(std::io::Error::from)
        .and_then(|()| output.write_all(b"\n"))
        .map_err(ExchangeError::io("write the file"))
}
