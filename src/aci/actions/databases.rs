//! Databases (contract R123-R126).

use super::table::{Action, Needs, Way, example};
use super::{Actions, Caller, Prepare, Write, fault, nothing};
use crate::aci::parameter::{optional, required};
use crate::aci::{Fault, Form, Parameters, Role};
use crate::face::DatabaseName;

/// The rows of this family.
pub(super) const ACTIONS: &[Action] = &[
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
        prepare: Prepare::Elements(create_database),
    },
    Action {
        name: "ListFaceDatabases",
        about: "Lists the face databases, in name order.",
        needs: Needs::Role(Role::Query),
        way: Way::AtOnce,
        parameters: &[],
        answer: "database with, for each: database (its name), numentries (its faces)",
        example: example!("ListFaceDatabases", "/action=ListFaceDatabases"),
        prepare: Prepare::Elements(list_databases),
    },
    Action {
        name: "RemoveFaceDatabase",
        about: "Removes a database with everything in it.",
        needs: Needs::Role(Role::Admin),
        way: Way::AtOnce,
        parameters: &[required("database", Form::Name, "The database.")],
        answer: "nothing",
        example: example!("RemoveFaceDatabase", "/action=RemoveFaceDatabase&database=people"),
        prepare: Prepare::Elements(remove_database),
    },
    Action {
        name: "RenameFaceDatabase",
        about: "Gives a database another name.",
        needs: Needs::Role(Role::Admin),
        way: Way::AtOnce,
        parameters: &[
            required("database", Form::Name, "The database."),
            required("newdatabase", Form::Name, "Its new name."),
        ],
        answer: "nothing",
        example: example!("RenameFaceDatabase", "/action=RenameFaceDatabase&database=people&newdatabase=actors"),
        prepare: Prepare::Elements(rename_database),
    },
    Action {
        name: "SyncFaces",
        about: "Makes the present what jobs with syncdatabase=false see.",
        needs: Needs::Role(Role::Admin),
        way: Way::AtOnce,
        parameters: &[optional("database", Form::Name, "all", "The database.")],
        answer: "nothing",
        example: example!("SyncFaces", "/action=SyncFaces"),
        prepare: Prepare::Elements(sync_faces),
    },
];

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

fn rename_database<'a>(actions: &'a Actions, _: &Caller, parameters: &mut Parameters) -> Result<Write<'a>, Fault> {
    let (database, new) = parameters.read(|p| {
        Ok((p.required_name("database", DatabaseName::new)?, p.required_name("newdatabase", DatabaseName::new)?))
    })?;
    actions.engine.rename_database(&database, &new).map_err(|error| fault(&error))?;
    Ok(nothing())
}
