//! Faces (contract R127-R130, R178), and what was measured of their images.

use super::table::{Action, Needs, Way, example};
use super::{Actions, Caller, Prepare, Write, cut, fault, nothing};
use crate::aci::parameter::{optional, required};
use crate::aci::{Answer, Fault, Form, Parameters, Role};
use crate::engine::{ErrorKind, FaceInfo, ImageInfo, ListFrom};
use crate::face::{DatabaseName, FailReason, Identifier, ImageStatus};

/// Faces read from the store at a time while a list is written.
const FACES_PER_PAGE: usize = 256;

/// The rows of this family.
pub(super) const ACTIONS: &[Action] = &[
    Action {
        name: "ListFaces",
        about: "Lists the faces of a database, in identifier order.",
        needs: Needs::Role(Role::Query),
        way: Way::AtOnce,
        parameters: &[
            required("database", Form::Name, "The database."),
            optional("identifier", Form::Names, "all", "Only these faces."),
            optional("imagestatus", Form::Boolean, "false", "Show each face's images with their status."),
            optional("failreason", Form::Boolean, "false", "With imagestatus: show why images failed."),
            optional("facts", Form::Boolean, "false", "With imagestatus: show what was measured of each image."),
            optional("metadata", Form::Boolean, "false", "Show each face's metadata."),
            optional("maxresults", Form::Integer(0, u64::MAX), "all", "At most so many faces."),
            optional("start", Form::Integer(1, u64::MAX), "1", "The number of the first face shown."),
        ],
        answer: "entry with, for each face: identifier, numimages, numtrained, numfailed, numuntrained, (images with image: label, status, hasimagedata, (reason), (detail), (facts)), (metadata with item: key, value)",
        example: example!("ListFaces", "/action=ListFaces&database=people&imagestatus=true&metadata=true"),
        prepare: Prepare::Elements(list_faces),
    },
    Action {
        name: "MoveFace",
        about: "Moves a face to another database with its images and metadata. To a database of another model the images go without their training.",
        needs: Needs::Role(Role::Admin),
        way: Way::AtOnce,
        parameters: &[
            required("database", Form::Name, "The database."),
            required("identifier", Form::Name, "The face."),
            required("newdatabase", Form::Name, "The database it moves to."),
        ],
        answer: "nothing",
        example: example!("MoveFace", "/action=MoveFace&database=people&identifier=JohnSmith&newdatabase=staff"),
        prepare: Prepare::Elements(move_face),
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
        prepare: Prepare::Elements(new_face),
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
        prepare: Prepare::Elements(remove_face),
    },
    Action {
        name: "RenameFace",
        about: "Gives a face another identifier.",
        needs: Needs::Role(Role::Admin),
        way: Way::AtOnce,
        parameters: &[
            required("database", Form::Name, "The database."),
            required("identifier", Form::Name, "The face."),
            required("newidentifier", Form::Name, "Its new identifier."),
        ],
        answer: "nothing",
        example: example!(
            "RenameFace",
            "/action=RenameFace&database=people&identifier=JamesBond007&newidentifier=Moneypenny"
        ),
        prepare: Prepare::Elements(rename_face),
    },
];

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

fn rename_face<'a>(actions: &'a Actions, _: &Caller, parameters: &mut Parameters) -> Result<Write<'a>, Fault> {
    let ((database, identifier), new) =
        parameters.read(|p| Ok((face_names(p)?, p.required_name("newidentifier", Identifier::new)?)))?;
    actions.engine.rename_face(&database, &identifier, &new).map_err(|error| fault(&error))?;
    Ok(nothing())
}

fn move_face<'a>(actions: &'a Actions, _: &Caller, parameters: &mut Parameters) -> Result<Write<'a>, Fault> {
    let ((database, identifier), new) =
        parameters.read(|p| Ok((face_names(p)?, p.required_name("newdatabase", DatabaseName::new)?)))?;
    actions.engine.move_face(&database, &identifier, &new).map_err(|error| fault(&error))?;
    Ok(nothing())
}

/// Database and identifier.
pub(super) fn face_names(parameters: &Parameters) -> Result<(DatabaseName, Identifier), Fault> {
    let database = parameters.required_name("database", DatabaseName::new)?;
    Ok((database, parameters.required_name("identifier", Identifier::new)?))
}

/// What of images was asked for, beside their status.
struct OfImages {
    reasons: bool,
    facts: bool,
}

/// What ListFaces was asked for.
struct Listing {
    database: DatabaseName,
    identifiers: Option<Vec<Identifier>>,
    images: Option<OfImages>,
    with_metadata: bool,
    skip: u64,
    max: u64,
}

fn list_faces<'a>(actions: &'a Actions, _: &Caller, parameters: &mut Parameters) -> Result<Write<'a>, Fault> {
    let listing = parameters.read(|p| {
        let reasons = p.boolean("failreason")?.unwrap_or(false);
        let facts = p.boolean("facts")?.unwrap_or(false);
        let with_images = p.boolean("imagestatus")?.unwrap_or(false);
        Ok(Listing {
            database: p.required_name("database", DatabaseName::new)?,
            identifiers: p.names("identifier", Identifier::new)?,
            images: with_images.then_some(OfImages { reasons, facts }),
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
    if let Some(shown) = &listing.images {
        answer.open("images")?;
        for image in &face.images {
            answer.open("image")?;
            answer.value("label", &image.label)?;
            answer.text("status", image.status.as_str())?;
            answer.value("hasimagedata", image.has_picture)?;
            if let Some(reason) = reason(image).filter(|_| shown.reasons) {
                answer.text("reason", reason.as_str())?;
            }
            if shown.facts {
                write_facts(answer, image)?;
            }
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

/// What was measured of an image that was trained from a picture; of one that failed, the values behind the reason.
fn write_facts(answer: &mut Answer<'_>, image: &ImageInfo) -> std::io::Result<()> {
    if let Some(detail) = &image.detail {
        answer.text("detail", detail)?;
    }
    let Some(facts) = &image.facts else { return Ok(()) };
    answer.open("facts")?;
    answer.value("facewidth", format_args!("{:.1}", facts.face_width()))?;
    answer.value("score", format_args!("{:.4}", facts.score))?;
    answer.value("sharpness", format_args!("{:.2}", facts.sharpness))?;
    answer.value("frontalness", format_args!("{:.4}", facts.frontalness))?;
    answer.value("norm", format_args!("{:.4}", facts.norm))?;
    answer.value("numfaces", facts.n_faces)?;
    answer.open("region")?;
    for (name, value) in ["left", "top", "width", "height"].into_iter().zip(facts.region) {
        answer.value(name, format_args!("{value:.1}"))?;
    }
    answer.close("region")?;
    answer.open("landmarks")?;
    for (x, y) in facts.landmarks {
        answer.open("point")?;
        answer.value("x", format_args!("{x:.1}"))?;
        answer.value("y", format_args!("{y:.1}"))?;
        answer.close("point")?;
    }
    answer.close("landmarks")?;
    answer.open("warnings")?;
    for warning in &facts.warnings {
        answer.text("warning", warning)?;
    }
    answer.close("warnings")?;
    answer.close("facts")
}

/// Why an image failed (R178). One that came as failed, without pixels and without a word, cannot be tried anyway.
fn reason(image: &ImageInfo) -> Option<FailReason> {
    if image.status != ImageStatus::Failed {
        return None;
    }
    image.reason.or((!image.has_picture).then_some(FailReason::NoData))
}
