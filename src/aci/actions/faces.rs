//! Databases, faces and images (contract chapter 7, R173).

use std::collections::BTreeSet;

use super::table::{Action, Needs, Way, example};
use super::{Actions, Caller, Write, cut, fault, nothing};
use crate::aci::parameter::{depending, optional, required};
use crate::aci::{Answer, Code, Fault, Form, Parameters, Role, Upload};
use crate::engine::{ErrorKind, FaceInfo, ListFrom};
use crate::face::{DatabaseName, Embedding, Identifier, ImageLabel, ImageStatus};

/// Faces read from the store at a time while a list is written.
const FACES_PER_PAGE: usize = 256;

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
                Form::Path,
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
            "/action=AddFaceImages&database=people&identifier=JohnSmith&imagelabels=E&embedding=AACAPwAAAAAAAAAAAAAAAA=="
        ),
        prepare: add_images,
    },
    Action {
        name: "CreateFaceDatabase",
        about: "Makes an empty face database.",
        needs: Needs::Role(Role::Admin),
        way: Way::AtOnce,
        parameters: &[
            required("database", Form::Name, "The name of the new database."),
            optional("model", Form::Text, "that of the first trained image", "The embedding model to bind it to."),
        ],
        answer: "nothing",
        example: example!("CreateFaceDatabase", "/action=CreateFaceDatabase&database=actors"),
        prepare: create_database,
    },
    Action {
        name: "ListFaceDatabases",
        about: "Lists the face databases, in name order.",
        needs: Needs::Role(Role::Query),
        way: Way::AtOnce,
        parameters: &[],
        answer: "database with, for each: database (its name), numentries (its faces)",
        example: example!("ListFaceDatabases", "/action=ListFaceDatabases"),
        prepare: list_databases,
    },
    Action {
        name: "ListFaces",
        about: "Lists the faces of a database, in identifier order.",
        needs: Needs::Role(Role::Query),
        way: Way::AtOnce,
        parameters: &[
            required("database", Form::Name, "The database."),
            optional("identifier", Form::Names, "all", "Only these faces."),
            optional("imagestatus", Form::Boolean, "false", "Show each face's images with their status."),
            optional("metadata", Form::Boolean, "false", "Show each face's metadata."),
            optional("maxresults", Form::Integer(0, u64::MAX), "all", "At most so many faces."),
            optional("start", Form::Integer(1, u64::MAX), "1", "The number of the first face shown."),
        ],
        answer: "entry with, for each face: identifier, numimages, numtrained, numfailed, numuntrained, (images with image: label, status, hasimagedata), (metadata with item: key, value)",
        example: example!("ListFaces", "/action=ListFaces&database=people&imagestatus=true&metadata=true"),
        prepare: list_faces,
    },
    Action {
        name: "NewFace",
        about: "Makes a face without images.",
        needs: Needs::Role(Role::Admin),
        way: Way::AtOnce,
        parameters: &[
            required("database", Form::Name, "The database."),
            optional("identifier", Form::Name, "generated", "The name of the new face."),
        ],
        answer: "identifier",
        example: example!("NewFace", "/action=NewFace&database=people&identifier=Moneypenny"),
        prepare: new_face,
    },
    Action {
        name: "RemoveFace",
        about: "Removes a face with its images and metadata.",
        needs: Needs::Role(Role::Admin),
        way: Way::AtOnce,
        parameters: &[
            required("database", Form::Name, "The database."),
            required("identifier", Form::Name, "The face."),
        ],
        answer: "nothing",
        example: example!("RemoveFace", "/action=RemoveFace&database=people&identifier=JohnSmith"),
        prepare: remove_face,
    },
    Action {
        name: "RemoveFaceDatabase",
        about: "Removes a database with everything in it.",
        needs: Needs::Role(Role::Admin),
        way: Way::AtOnce,
        parameters: &[required("database", Form::Name, "The database.")],
        answer: "nothing",
        example: example!("RemoveFaceDatabase", "/action=RemoveFaceDatabase&database=people"),
        prepare: remove_database,
    },
    Action {
        name: "SyncFaces",
        about: "Makes the present what jobs with syncdatabase=false see.",
        needs: Needs::Role(Role::Admin),
        way: Way::AtOnce,
        parameters: &[optional("database", Form::Name, "all", "The database.")],
        answer: "nothing",
        example: example!("SyncFaces", "/action=SyncFaces"),
        prepare: sync_faces,
    },
];

const EMBEDDING: &str = "Embeddings: little-endian 32-bit floats, or numbers as text/plain or application/json.";

fn create_database<'a>(actions: &'a Actions, _: &Caller, parameters: &mut Parameters) -> Result<Write<'a>, Fault> {
    let (database, model) = parameters
        .read(|p| Ok((p.required_name("database", DatabaseName::new)?, p.text("model").map(str::to_owned))))?;
    actions.engine.create_database(&database, model.as_deref()).map_err(|error| fault(&error))?;
    Ok(nothing())
}

fn list_databases<'a>(actions: &'a Actions, _: &Caller, parameters: &mut Parameters) -> Result<Write<'a>, Fault> {
    parameters.read(|_| Ok(()))?;
    let databases = actions.engine.list_databases().map_err(|error| fault(&error))?;
    Ok(Box::new(move |answer| {
        for database in databases {
            answer.open("database")?;
            answer.value("database", database.name)?;
            answer.value("numentries", database.n_faces)?;
            answer.close("database")?;
        }
        Ok(())
    }))
}

fn remove_database<'a>(actions: &'a Actions, _: &Caller, parameters: &mut Parameters) -> Result<Write<'a>, Fault> {
    let database = parameters.read(|p| p.required_name("database", DatabaseName::new))?;
    actions.engine.remove_database(&database).map_err(|error| fault(&error))?;
    Ok(nothing())
}

fn sync_faces<'a>(actions: &'a Actions, _: &Caller, parameters: &mut Parameters) -> Result<Write<'a>, Fault> {
    let database = parameters.read(|p| p.name("database", DatabaseName::new))?;
    actions.engine.sync_faces(database.as_ref()).map_err(|error| fault(&error))?;
    Ok(nothing())
}

fn new_face<'a>(actions: &'a Actions, _: &Caller, parameters: &mut Parameters) -> Result<Write<'a>, Fault> {
    let (database, identifier) = parameters
        .read(|p| Ok((p.required_name("database", DatabaseName::new)?, p.name("identifier", Identifier::new)?)))?;
    let identifier = actions.engine.new_face(&database, identifier.as_ref()).map_err(|error| fault(&error))?;
    Ok(Box::new(move |answer| answer.value("identifier", identifier)))
}

fn remove_face<'a>(actions: &'a Actions, _: &Caller, parameters: &mut Parameters) -> Result<Write<'a>, Fault> {
    let (database, identifier) = parameters.read(face_names)?;
    actions.engine.remove_face(&database, &identifier).map_err(|error| fault(&error))?;
    Ok(nothing())
}

fn face_names(parameters: &Parameters) -> Result<(DatabaseName, Identifier), Fault> {
    let database = parameters.required_name("database", DatabaseName::new)?;
    Ok((database, parameters.required_name("identifier", Identifier::new)?))
}

/// AddFaceImages with embeddings; pictures are not offered yet.
fn add_images<'a>(actions: &'a Actions, _: &Caller, parameters: &mut Parameters) -> Result<Write<'a>, Fault> {
    for name in ["imagedata", "imagepath"] {
        if parameters.is_given(name) {
            return Err(Fault::new(Code::NotOffered, format!("'{name}' is not offered yet: give 'embedding'")));
        }
    }
    let (database, identifier, labels, embeddings, model) = parameters.read(|p| {
        let (database, identifier) = face_names(p)?;
        let labels = p.names("imagelabels", ImageLabel::new)?;
        let embeddings = p.uploads("embedding").iter().map(embedding).collect::<Result<Vec<_>, _>>()?;
        Ok((database, identifier, labels, embeddings, p.text("model").map(str::to_owned)))
    })?;
    let images = with_labels(labels, embeddings)?;
    let labels = actions.engine.add_embeddings(&database, &identifier, images, model.as_deref());
    let labels = labels.map_err(|error| fault(&error))?;
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

/// Labels go with images one to one, or not at all (R132).
fn with_labels(
    labels: Option<Vec<ImageLabel>>,
    embeddings: Vec<Embedding>,
) -> Result<Vec<(Option<ImageLabel>, Embedding)>, Fault> {
    let Some(labels) = labels else {
        return Ok(embeddings.into_iter().map(|embedding| (None, embedding)).collect());
    };
    if labels.len() != embeddings.len() {
        let text = format!("'imagelabels' names {} labels for {} embeddings", labels.len(), embeddings.len());
        return Err(Fault::new(Code::CountsDisagree, text));
    }
    let mut seen = BTreeSet::new();
    if let Some(label) = labels.iter().find(|&label| !seen.insert(label)) {
        return Err(Fault::new(Code::CountsDisagree, format!("'imagelabels' names '{label}' twice")));
    }
    Ok(labels.into_iter().map(Some).zip(embeddings).collect())
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

/// What ListFaces was asked for.
struct Listing {
    database: DatabaseName,
    identifiers: Option<Vec<Identifier>>,
    with_images: bool,
    with_metadata: bool,
    skip: u64,
    max: u64,
}

fn list_faces<'a>(actions: &'a Actions, _: &Caller, parameters: &mut Parameters) -> Result<Write<'a>, Fault> {
    let listing = parameters.read(|p| {
        Ok(Listing {
            database: p.required_name("database", DatabaseName::new)?,
            identifiers: p.names("identifier", Identifier::new)?,
            with_images: p.boolean("imagestatus")?.unwrap_or(false),
            with_metadata: p.boolean("metadata")?.unwrap_or(false),
            skip: p.integer("start", 1..=u64::MAX)?.unwrap_or(1) - 1,
            max: p.integer("maxresults", 0..=u64::MAX)?.unwrap_or(u64::MAX),
        })
    })?;
    if let Some(mut identifiers) = listing.identifiers.clone() {
        identifiers.sort();
        identifiers.dedup();
        let shown = identifiers.iter().map(|identifier| actions.engine.show_face(&listing.database, identifier));
        let faces = shown.collect::<Result<Vec<_>, _>>().map_err(|error| fault(&error))?;
        let skip = usize::try_from(listing.skip).unwrap_or(usize::MAX);
        let max = usize::try_from(listing.max).unwrap_or(usize::MAX);
        return Ok(Box::new(move |answer| {
            faces.iter().skip(skip).take(max).try_for_each(|face| write_face(answer, &listing, face))
        }));
    }
    let page = |from, max: u64| {
        let limit = FACES_PER_PAGE.min(usize::try_from(max).unwrap_or(usize::MAX));
        actions.engine.list_faces(&listing.database, from, limit)
    };
    let mut shown = page(ListFrom::Skip(listing.skip), listing.max).map_err(|error| fault(&error))?;
    Ok(Box::new(move |answer| {
        let mut left = listing.max;
        while let Some(last) = shown.faces.last() {
            for face in &shown.faces {
                write_face(answer, &listing, face)?;
            }
            left -= shown.faces.len() as u64;
            let limit = FACES_PER_PAGE.min(usize::try_from(left).unwrap_or(usize::MAX));
            let next = actions.engine.list_faces(&listing.database, ListFrom::After(&last.identifier), limit);
            shown = match next {
                Ok(next) if next.database == shown.database => next,
                Ok(_) => break, // another database of that name: the one listed is gone
                Err(error) if error.kind() == ErrorKind::DatabaseNotFound => break,
                Err(error) => return Err(cut(error)),
            };
        }
        Ok(())
    }))
}

/// One face (R129).
fn write_face(answer: &mut Answer<'_>, listing: &Listing, face: &FaceInfo) -> std::io::Result<()> {
    answer.open("entry")?;
    answer.value("identifier", &face.identifier)?;
    answer.value("numimages", face.images.len())?;
    answer.value("numtrained", face.count(ImageStatus::Trained))?;
    answer.value("numfailed", face.count(ImageStatus::Failed))?;
    answer.value("numuntrained", face.count(ImageStatus::Untrained))?;
    if listing.with_images {
        answer.open("images")?;
        for image in &face.images {
            answer.open("image")?;
            answer.value("label", &image.label)?;
            answer.text("status", image.status.as_str())?;
            answer.text("hasimagedata", "false")?;
            answer.close("image")?;
        }
        answer.close("images")?;
    }
    if listing.with_metadata {
        answer.open("metadata")?;
        for (key, value) in &face.metadata {
            answer.open("item")?;
            answer.text("key", key)?;
            answer.text("value", value)?;
            answer.close("item")?;
        }
        answer.close("metadata")?;
    }
    answer.close("entry")
}
