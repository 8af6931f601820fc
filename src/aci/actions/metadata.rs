//! The metadata of faces (contract R127, R128).

use super::faces::face_names;
use super::table::{Action, Needs, Way, example};
use super::{Actions, Caller, Prepare, Write, fault, nothing};
use crate::aci::parameter::required;
use crate::aci::{Fault, Form, Parameters, Role};
use crate::face::{NameError, check_name};

/// The rows of this family.
pub(super) const ACTIONS: &[Action] = &[
    Action {
        name: "AddFaceMetadata",
        about: "Adds a key to the metadata of a face.",
        needs: Needs::Role(Role::Admin),
        way: Way::AtOnce,
        parameters: &[
            required("database", Form::Name, "The database."),
            required("identifier", Form::Name, "The face."),
            required("key", Form::Name, "The key; the face has none of that name yet."),
            required("value", Form::Name, "Its value."),
        ],
        answer: "nothing",
        example: example!(
            "AddFaceMetadata",
            "/action=AddFaceMetadata&database=people&identifier=JohnSmith&key=born&value=1930"
        ),
        prepare: Prepare::Elements(add),
    },
    Action {
        name: "RemoveFaceMetadata",
        about: "Removes a key from the metadata of a face.",
        needs: Needs::Role(Role::Admin),
        way: Way::AtOnce,
        parameters: &[
            required("database", Form::Name, "The database."),
            required("identifier", Form::Name, "The face."),
            required("key", Form::Name, "The key."),
        ],
        answer: "nothing",
        example: example!(
            "RemoveFaceMetadata",
            "/action=RemoveFaceMetadata&database=people&identifier=SeanConnery&key=note"
        ),
        prepare: Prepare::Elements(remove),
    },
    Action {
        name: "UpdateFaceMetadata",
        about: "Gives a key of the metadata of a face another value.",
        needs: Needs::Role(Role::Admin),
        way: Way::AtOnce,
        parameters: &[
            required("database", Form::Name, "The database."),
            required("identifier", Form::Name, "The face."),
            required("key", Form::Name, "The key."),
            required("newvalue", Form::Name, "Its new value."),
        ],
        answer: "nothing",
        example: example!(
            "UpdateFaceMetadata",
            "/action=UpdateFaceMetadata&database=people&identifier=SeanConnery&key=note&newvalue=agent"
        ),
        prepare: Prepare::Elements(update),
    },
];

/// A key or a value: a name without a type of its own.
pub(super) fn text(text: &str) -> Result<String, NameError> {
    check_name(text).map(|()| text.to_owned())
}

fn add<'a>(actions: &'a Actions, _: &Caller, parameters: &mut Parameters) -> Result<Write<'a>, Fault> {
    let ((database, identifier), key, value) =
        parameters.read(|p| Ok((face_names(p)?, p.required_name("key", text)?, p.required_name("value", text)?)))?;
    actions.engine.add_metadata(&database, &identifier, &key, &value).map_err(|error| fault(&error))?;
    Ok(nothing())
}

fn update<'a>(actions: &'a Actions, _: &Caller, parameters: &mut Parameters) -> Result<Write<'a>, Fault> {
    let ((database, identifier), key, value) =
        parameters.read(|p| Ok((face_names(p)?, p.required_name("key", text)?, p.required_name("newvalue", text)?)))?;
    actions.engine.update_metadata(&database, &identifier, &key, &value).map_err(|error| fault(&error))?;
    Ok(nothing())
}

fn remove<'a>(actions: &'a Actions, _: &Caller, parameters: &mut Parameters) -> Result<Write<'a>, Fault> {
    let ((database, identifier), key) = parameters.read(|p| Ok((face_names(p)?, p.required_name("key", text)?)))?;
    actions.engine.remove_metadata(&database, &identifier, &key).map_err(|error| fault(&error))?;
    Ok(nothing())
}
