//! Changes of faces that can be undone (beyond the contract).

use super::decisions::id;
use super::faces::face_names;
use super::images::{distinct, image_labels};
use super::table::{Action, Needs, Way, example};
use super::{Actions, Caller, Prepare, Write, cut, fault};
use crate::aci::parameter::{depending, optional, required};
use crate::aci::{Answer, Fault, Form, Parameters, Role};
use crate::engine::{Applied, ChangeInfo, EngineError, MovedImage};
use crate::face::{DatabaseName, Identifier};

/// Changes read at a time while a list is written.
const PER_PAGE: usize = 100;

const ANSWER: &str =
    "id, images with, for each that has moved, image: (identifier, imagelabel), (newidentifier, newimagelabel)";

/// The rows of this family.
pub(super) const ACTIONS: &[Action] = &[
    Action {
        name: "ListChanges",
        about: "Lists the changes that can be undone, and those that were, the last first.",
        needs: Needs::Role(Role::Admin),
        way: Way::AtOnce,
        parameters: &[
            optional("database", Form::Name, "all", "Only those of this database."),
            optional("before", Form::Integer(1, u64::MAX), "all", "Only those with lower numbers than this."),
            optional("maxresults", Form::Integer(0, u64::MAX), "all", "At most so many."),
        ],
        answer: "change with, for each: id, time, kind, database, (newface), (goneface), images with image: (identifier, imagelabel), (newidentifier, newimagelabel), (undoes), (undoneby)",
        example: example!("ListChanges", "/action=ListChanges&database=people&maxresults=10"),
        prepare: Prepare::Elements(list_changes),
    },
    Action {
        name: "MergeFaces",
        about: "Makes two faces one: the images of the first go to the second, with the metadata that only the first has, and the first goes. Labels that are taken there get a number. It can be undone.",
        needs: Needs::Role(Role::Admin),
        way: Way::AtOnce,
        parameters: &[
            required("database", Form::Name, "The database."),
            required("identifier", Form::Name, "The face that goes."),
            required("intoidentifier", Form::Name, "The face that it becomes a part of."),
        ],
        answer: ANSWER,
        example: example!(
            "MergeFaces",
            "/action=MergeFaces&database=people&identifier=JamesBond007&intoidentifier=JamesBond"
        ),
        prepare: Prepare::Elements(merge_faces),
    },
    Action {
        name: "SetAsideFace",
        about: "Takes a face with its images and metadata out of the database, so that it can be brought back.",
        needs: Needs::Role(Role::Admin),
        way: Way::AtOnce,
        parameters: &[
            required("database", Form::Name, "The database."),
            required("identifier", Form::Name, "The face."),
        ],
        answer: ANSWER,
        example: example!("SetAsideFace", "/action=SetAsideFace&database=people&identifier=JohnSmith"),
        prepare: Prepare::Elements(set_aside_face),
    },
    Action {
        name: "SetAsideFaceImages",
        about: "Takes images of a face out of the database, all of these or none, so that they can be brought back.",
        needs: Needs::Role(Role::Admin),
        way: Way::AtOnce,
        parameters: &[
            required("database", Form::Name, "The database."),
            required("identifier", Form::Name, "The face."),
            depending("imagelabels", Form::Names, "required; an empty list is error 11", "The images."),
        ],
        answer: ANSWER,
        example: example!(
            "SetAsideFaceImages",
            "/action=SetAsideFaceImages&database=people&identifier=JohnSmith&imagelabels=D"
        ),
        prepare: Prepare::Elements(set_aside_images),
    },
    Action {
        name: "SplitFace",
        about: "Makes a new face of some images of a face; at least one image stays. It can be undone.",
        needs: Needs::Role(Role::Admin),
        way: Way::AtOnce,
        parameters: &[
            required("database", Form::Name, "The database."),
            required("identifier", Form::Name, "The face."),
            depending("imagelabels", Form::Names, "required; an empty list is error 11", "The images that leave it."),
            required("newidentifier", Form::Name, "The face that they become."),
        ],
        answer: ANSWER,
        example: example!(
            "SplitFace",
            "/action=SplitFace&database=people&identifier=JohnSmith&imagelabels=E&newidentifier=JohnSmithJunior"
        ),
        prepare: Prepare::Elements(split_face),
    },
    Action {
        name: "UndoChange",
        about: "Undoes a change, if what it would restore is still as the change left it. To do the change again, undo the undoing.",
        needs: Needs::Role(Role::Admin),
        way: Way::AtOnce,
        parameters: &[required("id", Form::Integer(1, u64::MAX), "The number of the change.")],
        answer: ANSWER,
        example: example!("UndoChange", "/action=UndoChange&id=3"),
        prepare: Prepare::Elements(undo_change),
    },
];

/// What was changed, under the number by which it can be undone.
pub(super) fn applied<'a>(applied: Result<Applied, EngineError>) -> Result<Write<'a>, Fault> {
    let Applied { id, images } = applied.map_err(|error| fault(&error))?;
    Ok(Box::new(move |answer| {
        answer.value("id", id)?;
        write_images(answer, &images)
    }))
}

fn merge_faces<'a>(actions: &'a Actions, _: &Caller, parameters: &mut Parameters) -> Result<Write<'a>, Fault> {
    let ((database, identifier), into) =
        parameters.read(|p| Ok((face_names(p)?, p.required_name("intoidentifier", Identifier::new)?)))?;
    applied(actions.engine.merge_faces(&database, &identifier, &into))
}

fn split_face<'a>(actions: &'a Actions, _: &Caller, parameters: &mut Parameters) -> Result<Write<'a>, Fault> {
    let ((database, identifier), labels, new) = parameters.read(|p| {
        let labels = image_labels(p)?.ok_or_else(|| Fault::missing("imagelabels"))?;
        Ok((face_names(p)?, labels, p.required_name("newidentifier", Identifier::new)?))
    })?;
    applied(actions.engine.split_face(&database, &identifier, &distinct(&labels)?, &new))
}

fn set_aside_images<'a>(actions: &'a Actions, _: &Caller, parameters: &mut Parameters) -> Result<Write<'a>, Fault> {
    let ((database, identifier), labels) = parameters.read(|p| {
        let labels = image_labels(p)?.ok_or_else(|| Fault::missing("imagelabels"))?;
        Ok((face_names(p)?, labels))
    })?;
    applied(actions.engine.set_aside_images(&database, &identifier, &distinct(&labels)?))
}

fn set_aside_face<'a>(actions: &'a Actions, _: &Caller, parameters: &mut Parameters) -> Result<Write<'a>, Fault> {
    let (database, identifier) = parameters.read(face_names)?;
    applied(actions.engine.set_aside_face(&database, &identifier))
}

fn undo_change<'a>(actions: &'a Actions, _: &Caller, parameters: &mut Parameters) -> Result<Write<'a>, Fault> {
    let id = parameters.read(id)?;
    applied(actions.engine.undo_change(id))
}

fn list_changes<'a>(actions: &'a Actions, _: &Caller, parameters: &mut Parameters) -> Result<Write<'a>, Fault> {
    let (database, before, max) = parameters.read(|p| {
        let database = p.name("database", DatabaseName::new)?;
        let before = p.integer("before", 1..=u64::MAX)?.unwrap_or(u64::MAX);
        Ok((database, before, p.integer("maxresults", 0..=u64::MAX)?.unwrap_or(u64::MAX)))
    })?;
    let page = move |before, max: u64| {
        let limit = PER_PAGE.min(usize::try_from(max).unwrap_or(usize::MAX));
        actions.engine.list_changes(database.as_ref(), before, limit)
    };
    let mut shown = page(before, max).map_err(|error| fault(&error))?;
    Ok(Box::new(move |answer| {
        let mut left = max;
        while let Some(last) = shown.last().map(|info| info.id) {
            shown.iter().try_for_each(|info| write_change(actions, answer, info))?;
            left -= shown.len() as u64;
            shown = page(last, left).map_err(cut)?;
        }
        Ok(())
    }))
}

fn write_change(actions: &Actions, answer: &mut Answer<'_>, info: &ChangeInfo) -> std::io::Result<()> {
    answer.open("change")?;
    answer.value("id", info.id)?;
    answer.text("time", &actions.date(info.at))?;
    answer.text("kind", info.kind.as_str())?;
    answer.text("database", info.database.as_str())?;
    for (name, face) in [("newface", &info.made), ("goneface", &info.gone)] {
        if let Some(face) = face {
            answer.text(name, face)?;
        }
    }
    write_images(answer, &info.images)?;
    for (name, id) in [("undoes", info.undoes), ("undoneby", info.undone_by)] {
        if let Some(id) = id {
            answer.value(name, id)?;
        }
    }
    answer.close("change")
}

fn write_images(answer: &mut Answer<'_>, images: &[MovedImage]) -> std::io::Result<()> {
    answer.open("images")?;
    for MovedImage { from, to } in images {
        answer.open("image")?;
        for (names, place) in [(["identifier", "imagelabel"], from), (["newidentifier", "newimagelabel"], to)] {
            if let Some((identifier, label)) = place {
                answer.text(names[0], identifier)?;
                answer.text(names[1], label)?;
            }
        }
        answer.close("image")?;
    }
    answer.close("images")
}
