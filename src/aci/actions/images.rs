//! Images of a face (contract R131-R136, R173, R177).

use std::collections::BTreeSet;
use std::io;

use super::changes::applied;
use super::face_image::get_image;
use super::faces::face_names;
use super::table::{Action, Needs, Way, example};
use super::{Actions, Caller, Prepare, Write, fault, nothing};
use crate::aci::parameter::{depending, optional, required};
use crate::aci::{Code, Fault, Form, Parameters, Role, Upload};
use crate::engine::{EngineError, ErrorKind, StagedPictures};
use crate::face::{DatabaseName, Embedding, Identifier, ImageLabel};

/// The rows of this family.
pub(super) const ACTIONS: &[Action] = &[
    Action {
        name: "AddFaceImages",
        about: "Adds images to a face.",
        needs: Needs::Role(Role::Admin),
        way: Way::AtOnce,
        parameters: &[
            required("database", Form::Name, "The database."),
            required("identifier", Form::Name, "The face."),
            depending("imagedata", Form::Uploads, "one of imagedata, imagepath, embedding", "Pictures."),
            depending(
                "imagepath",
                Form::Paths,
                "one of imagedata, imagepath, embedding",
                "Files of pictures on the server.",
            ),
            depending("embedding", Form::Uploads, "one of imagedata, imagepath, embedding", EMBEDDING),
            optional("imagelabels", Form::Names, "generated", "The labels, in the order of the images and as many."),
            optional(
                "model",
                Form::Text,
                "the database's, or cosine",
                "The embedding model; the first embedding binds the database to it.",
            ),
        ],
        answer: "images with, for each, image: index, label",
        example: example!(
            "AddFaceImages",
            "/action=AddFaceImages&database=people&identifier=JohnSmith&imagelabels=F&embedding=AACAPwAAAAAAAAAAAAAAAA=="
        ),
        prepare: Prepare::Elements(add_images),
    },
    Action {
        name: "GetFaceImage",
        about: "Answers the picture of an image as it was stored: bytes with their image type, no document.",
        needs: Needs::Role(Role::Admin),
        way: Way::AtOnce,
        parameters: &[
            required("database", Form::Name, "The database."),
            required("identifier", Form::Name, "The face."),
            required("imagelabel", Form::Name, "The image."),
            optional("thumbnail", Form::Boolean, "false", "A JPEG of at most 160 x 160 pixels instead."),
            optional("crop", Form::Boolean, "false", "A JPEG of the face as the embedding model sees it instead."),
        ],
        answer: "the bytes of the picture",
        example: example!("GetFaceImage", "/action=GetFaceImage&database=people&identifier=JohnSmith&imagelabel=E"),
        prepare: Prepare::Bytes(get_image),
    },
    Action {
        name: "MoveFaceImage",
        about: "Moves an image to another face, which must be there. To a database of another model it goes without its training.",
        needs: Needs::Role(Role::Admin),
        way: Way::AtOnce,
        parameters: &[
            required("database", Form::Name, "The database."),
            required("identifier", Form::Name, "The face."),
            required("imagelabel", Form::Name, "The image."),
            required("newidentifier", Form::Name, "The face it moves to."),
            optional("newdatabase", Form::Name, "that of the image", "The database of that face."),
            optional(
                "undoable",
                Form::Boolean,
                "false",
                "Within a database: log it, so that it can be undone; a label that is taken there gets a number.",
            ),
        ],
        answer: "nothing; with undoable: id, images with image: identifier, imagelabel, newidentifier, newimagelabel",
        example: example!(
            "MoveFaceImage",
            "/action=MoveFaceImage&database=people&identifier=JamesBond007&imagelabel=B&newidentifier=JamesBond"
        ),
        prepare: Prepare::Elements(move_image),
    },
    Action {
        name: "NullFaceImageData",
        about: "Drops the pixels of images and keeps their training.",
        needs: Needs::Role(Role::Admin),
        way: Way::AtOnce,
        parameters: &[
            required("database", Form::Name, "The database."),
            required("identifier", Form::Name, "The face."),
            optional("imagelabels", Form::Names, "all", "The images; an empty list is error 11."),
        ],
        answer: "nothing",
        example: example!("NullFaceImageData", "/action=NullFaceImageData&database=people&identifier=JohnSmith"),
        prepare: Prepare::Elements(null_images),
    },
    Action {
        name: "RelabelFaceImage",
        about: "Gives an image another label.",
        needs: Needs::Role(Role::Admin),
        way: Way::AtOnce,
        parameters: &[
            required("database", Form::Name, "The database."),
            required("identifier", Form::Name, "The face."),
            required("imagelabel", Form::Name, "The image."),
            required("newimagelabel", Form::Name, "Its new label."),
        ],
        answer: "nothing",
        example: example!(
            "RelabelFaceImage",
            "/action=RelabelFaceImage&database=people&identifier=JohnSmith&imagelabel=D&newimagelabel=portrait"
        ),
        prepare: Prepare::Elements(relabel_image),
    },
    Action {
        name: "RemoveFaceImages",
        about: "Removes images of a face, all of these or none.",
        needs: Needs::Role(Role::Admin),
        way: Way::AtOnce,
        parameters: &[
            required("database", Form::Name, "The database."),
            required("identifier", Form::Name, "The face."),
            depending("imagelabels", Form::Names, "required; an empty list is error 11", "The images."),
        ],
        answer: "nothing",
        example: example!(
            "RemoveFaceImages",
            "/action=RemoveFaceImages&database=people&identifier=JohnSmith&imagelabels=D"
        ),
        prepare: Prepare::Elements(remove_images),
    },
];

const EMBEDDING: &str = "Embeddings: little-endian 32-bit floats, or numbers as text/plain or application/json.";

/// What AddFaceImages was given.
enum Source {
    Uploads,
    Paths(Vec<String>),
    Embeddings(Vec<Embedding>),
}

impl Source {
    fn count(&self, parameters: &Parameters) -> usize {
        match self {
            Self::Uploads => parameters.uploads("imagedata").len(),
            Self::Paths(paths) => paths.len(),
            Self::Embeddings(embeddings) => embeddings.len(),
        }
    }
}

/// What AddFaceImages is asked to do.
struct Adding {
    database: DatabaseName,
    identifier: Identifier,
    labels: Option<Vec<ImageLabel>>,
    source: Source,
    model: Option<String>,
}

impl Adding {
    fn read(p: &Parameters, max_paths: usize) -> Result<Self, Fault> {
        let given: Vec<&str> =
            ["imagedata", "imagepath", "embedding"].into_iter().filter(|name| p.is_given(name)).collect();
        if given.is_empty() {
            return Err(Fault::new(Code::Missing, "one of 'imagedata', 'imagepath', 'embedding' is required"));
        }
        let (database, identifier) = face_names(p)?;
        let labels = p.names("imagelabels", ImageLabel::new)?;
        let paths = paths(p, max_paths)?;
        let embeddings = p.uploads("embedding").iter().map(embedding).collect::<Result<Vec<_>, _>>()?;
        let model = p.text("model").map(str::to_owned);
        if let [first, second, ..] = given[..] {
            let text = format!("'{first}' and '{second}' are both given; one says what the images are");
            return Err(Fault::new(Code::Contradiction, text));
        }
        if model.is_some() && embeddings.is_empty() {
            let text = format!("'model' goes with 'embedding', not with '{}'", given[0]);
            return Err(Fault::new(Code::Contradiction, text));
        }
        let source = match paths {
            Some(paths) => Source::Paths(paths),
            None if embeddings.is_empty() => Source::Uploads,
            None => Source::Embeddings(embeddings),
        };
        Ok(Self { database, identifier, labels, source, model })
    }
}

fn add_images<'a>(actions: &'a Actions, _: &Caller, parameters: &mut Parameters) -> Result<Write<'a>, Fault> {
    let max_paths = actions.engine.settings().max_pictures;
    let Adding { database, identifier, labels, source, model } = parameters.read(|p| Adding::read(p, max_paths))?;
    check_labels(labels.as_deref(), source.count(parameters))?;
    let engine = &actions.engine;
    let added = match source {
        Source::Embeddings(embeddings) => {
            let labels = labels.map_or_else(|| vec![None; embeddings.len()], |l| l.into_iter().map(Some).collect());
            let images = labels.into_iter().zip(embeddings).collect();
            engine.add_embeddings(&database, &identifier, images, model.as_deref())
        }
        Source::Paths(paths) => staged_files(actions, &paths)
            .and_then(|pictures| engine.add_pictures(&database, &identifier, labels, pictures)),
        Source::Uploads => {
            let checked = engine.check_face(&database, &identifier); // before anything is stored
            let staged = checked.and_then(|()| staged_uploads(actions, parameters.uploads("imagedata")));
            staged.and_then(|pictures| engine.add_pictures(&database, &identifier, labels, pictures))
        }
    };
    let labels = added.map_err(|error| fault(&error))?;
    Ok(Box::new(move |answer| {
        answer.open("images")?;
        for (index, label) in labels.into_iter().enumerate() {
            answer.open("image")?;
            answer.value("index", index + 1)?;
            answer.value("label", label)?;
            answer.close("image")?;
        }
        answer.close("images")
    }))
}

/// Files named by a client, not too many.
pub(super) fn paths(p: &Parameters, max: usize) -> Result<Option<Vec<String>>, Fault> {
    let paths = p.list("imagepath")?;
    if paths.as_ref().is_some_and(|paths| paths.len() > max) {
        return Err(Fault::too_large("'imagepath' names too many files", max, "MaxParts"));
    }
    Ok(paths)
}

/// Files named by a client, stored.
fn staged_files<'a>(actions: &'a Actions, paths: &[String]) -> Result<StagedPictures<'a>, EngineError> {
    let mut pictures = actions.engine.stage_pictures(paths.len())?;
    paths.iter().try_for_each(|path| pictures.add_file("imagepath", path))?;
    Ok(pictures)
}

/// Uploads, stored.
fn staged_uploads<'a>(actions: &'a Actions, uploads: &[Upload]) -> Result<StagedPictures<'a>, EngineError> {
    let mut pictures = actions.engine.stage_pictures(uploads.len())?;
    for upload in uploads {
        pictures.add(&mut upload.open().map_err(unreadable)?)?;
    }
    Ok(pictures)
}

/// That what a client sent is not there any more.
pub(super) fn unreadable(error: io::Error) -> EngineError {
    EngineError::caused(ErrorKind::Storage, "an upload could not be read; the server's log says why", error)
}

/// Labels go with images one to one, or not at all, and none is there twice (R132).
pub(super) fn check_labels(labels: Option<&[ImageLabel]>, n_images: usize) -> Result<(), Fault> {
    let Some(labels) = labels else { return Ok(()) };
    if labels.len() != n_images {
        let text = format!("the number of labels ('imagelabels') is {}, that of images {n_images}", labels.len());
        return Err(Fault::new(Code::CountsDisagree, text));
    }
    distinct(labels).map(|_| ())
}

/// The labels, none of them there twice.
pub(super) fn distinct(labels: &[ImageLabel]) -> Result<BTreeSet<ImageLabel>, Fault> {
    let mut seen = BTreeSet::new();
    match labels.iter().find(|&label| !seen.insert(label.clone())) {
        Some(label) => Err(Fault::new(Code::CountsDisagree, format!("'imagelabels' names '{label}' twice"))),
        None => Ok(seen),
    }
}

/// The embedding in an upload: little-endian 32-bit floats, or numbers as text (R173).
fn embedding(upload: &Upload) -> Result<Embedding, Fault> {
    let refused = |reason: String| Fault::new(Code::ValueNotValid, format!("'embedding' {reason}"));
    let bytes = upload.read_all().map_err(|_| Fault::storage())?;
    let kind = upload.content_type.as_deref().unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim();
    let is_text = ["text/plain", "application/json"].iter().any(|text| kind.eq_ignore_ascii_case(text));
    let numbers: Vec<f32> = if is_text {
        let text = std::str::from_utf8(&bytes).map_err(|_| refused("is not UTF-8 text".to_owned()))?.trim();
        let inner = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
        let number = |(index, text): (usize, &str)| {
            let text = text.trim();
            let shown: String = text.chars().take(60).collect();
            text.parse::<f32>().map_err(|_| refused(format!("has '{shown}' as number {}, not a number", index + 1)))
        };
        inner.split(',').enumerate().map(number).collect::<Result<_, _>>()?
    } else {
        let (chunks, rest) = bytes.as_chunks::<4>();
        if !rest.is_empty() {
            return Err(refused(format!("has {} bytes, not a multiple of 4", bytes.len())));
        }
        chunks.iter().map(|&chunk| f32::from_le_bytes(chunk)).collect()
    };
    Embedding::new(numbers).map_err(|error| refused(format!("is not valid: {error}")))
}

/// Database, identifier and imagelabel.
pub(super) fn image_names(p: &Parameters) -> Result<(DatabaseName, Identifier, ImageLabel), Fault> {
    let (database, identifier) = face_names(p)?;
    Ok((database, identifier, p.required_name("imagelabel", ImageLabel::new)?))
}

/// The list `imagelabels`; given empty it is error 11, so that an empty list never means all (R10).
pub(super) fn image_labels(p: &Parameters) -> Result<Option<Vec<ImageLabel>>, Fault> {
    if p.is_given_empty("imagelabels") {
        return Err(Fault::value("imagelabels", "", "is empty; name the images"));
    }
    p.names("imagelabels", ImageLabel::new)
}

fn remove_images<'a>(actions: &'a Actions, _: &Caller, parameters: &mut Parameters) -> Result<Write<'a>, Fault> {
    let (database, identifier, labels) = parameters.read(|p| {
        if !p.is_given("imagelabels") && !p.is_given_empty("imagelabels") {
            return Err(Fault::missing("imagelabels"));
        }
        let (database, identifier) = face_names(p)?;
        Ok((database, identifier, image_labels(p)?.unwrap_or_default()))
    })?;
    let labels = distinct(&labels)?;
    actions.engine.remove_images(&database, &identifier, &labels).map_err(|error| fault(&error))?;
    Ok(nothing())
}

fn null_images<'a>(actions: &'a Actions, _: &Caller, parameters: &mut Parameters) -> Result<Write<'a>, Fault> {
    let (database, identifier, labels) = parameters.read(|p| {
        let (database, identifier) = face_names(p)?;
        Ok((database, identifier, image_labels(p)?))
    })?;
    let labels = labels.as_deref().map(distinct).transpose()?;
    actions.engine.null_images(&database, &identifier, labels.as_ref()).map_err(|error| fault(&error))?;
    Ok(nothing())
}

fn relabel_image<'a>(actions: &'a Actions, _: &Caller, parameters: &mut Parameters) -> Result<Write<'a>, Fault> {
    let (database, identifier, label, new) = parameters.read(|p| {
        let (database, identifier, label) = image_names(p)?;
        Ok((database, identifier, label, p.required_name("newimagelabel", ImageLabel::new)?))
    })?;
    actions.engine.relabel_image(&database, &identifier, &label, &new).map_err(|error| fault(&error))?;
    Ok(nothing())
}

fn move_image<'a>(actions: &'a Actions, _: &Caller, parameters: &mut Parameters) -> Result<Write<'a>, Fault> {
    let (database, identifier, label, new_identifier, new_database, is_undoable) = parameters.read(|p| {
        let (database, identifier, label) = image_names(p)?;
        let new_identifier = p.required_name("newidentifier", Identifier::new)?;
        let new_database = p.name("newdatabase", DatabaseName::new)?.unwrap_or_else(|| database.clone());
        let is_undoable = p.boolean("undoable")?.unwrap_or(false);
        if is_undoable && new_database != database {
            let text = "'undoable=true' goes with a move within a database, not with another 'newdatabase'";
            return Err(Fault::new(Code::Contradiction, text));
        }
        Ok((database, identifier, label, new_identifier, new_database, is_undoable))
    })?;
    if is_undoable {
        return applied(actions.engine.refile_image(&database, (&identifier, &label), &new_identifier));
    }
    let image = (&database, &identifier, &label);
    actions.engine.move_image(image, &new_database, &new_identifier).map_err(|error| fault(&error))?;
    Ok(nothing())
}
