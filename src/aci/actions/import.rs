//! ImportFaceDatabase (contract R174, R176), and how its result is shown.

use std::io::{self, Read as _};
use std::path::Path;

use super::queued::Wanted;
use super::table::{Action, Needs, Way, example};
use super::{Actions, Caller, Prepare, Write, fault};
use crate::aci::parameter::{depending, optional, required};
use crate::aci::{Answer, Code, Fault, Form, Parameters, Role, Upload};
use crate::engine::{ImportOutcome, ImportRequest, ImportTask, Input, OnError};
use crate::exchange::Format;
use crate::face::DatabaseName;
use crate::job::Queue;

/// The rows of this family.
pub(super) const ACTIONS: &[Action] = &[Action {
    name: "ImportFaceDatabase",
    about: "Takes a file of faces into a database, all or nothing.",
    needs: Needs::Role(Role::Admin),
    way: Way::Queued(Queue::ImportFaceDatabase),
    parameters: &[
        required("database", Form::Name, "The database; created if it is not there."),
        depending("dbdata", Form::Upload, "dbdata or dbpath", "The file."),
        depending("dbpath", Form::Path, "dbdata or dbpath", "The file, on the server."),
        depending(
            "ids",
            Form::Upload,
            "with format npy: ids or idspath",
            "The names of the rows of an array: CSV with the header identifier,imagelabel.",
        ),
        depending("idspath", Form::Path, "with format npy: ids or idspath", "The same, on the server."),
        optional("format", Form::Choice(&["jsonl", "csv", "npy", "npz"]), "by the file", "The format of the file."),
        optional("model", Form::Text, "the file's, the database's, or cosine", "The embedding model."),
        optional("includeimagedata", Form::Boolean, "true", "Take pictures in the file."),
        optional("includemetadata", Form::Boolean, "true", "Take metadata in the file."),
        optional("onerror", Form::Choice(&["stop", "skip"]), "stop", "What to do about a row that cannot be read."),
    ],
    answer: "database, numfaces, numimages (added), numskipped, (skipped with row: number, reason)",
    example: example!(
        "ImportFaceDatabase",
        "/action=ImportFaceDatabase&database=actors&format=csv&dbdata=aWRlbnRpZmllcixpbWFnZWxhYmVsLGUwLGUxCkFubiwxLDEsMAo="
    ),
    prepare: Prepare::Elements(import_database),
}];

fn import_database<'a>(actions: &'a Actions, caller: &Caller, parameters: &mut Parameters) -> Result<Write<'a>, Fault> {
    let asked = parameters.read(|p| {
        let wanted = Wanted::read(actions, p)?;
        let formats: Vec<(&str, Format)> = Format::ALL.into_iter().map(|format| (format.as_str(), format)).collect();
        Ok(Asked {
            wanted,
            database: p.required_name("database", DatabaseName::new)?,
            format: p.choice("format", &formats)?,
            model: p.text("model").map(str::to_owned),
            on_error: p.choice("onerror", &[("stop", OnError::Stop), ("skip", OnError::Skip)])?,
            include_metadata: p.boolean("includemetadata")?.unwrap_or(true),
            include_image_data: p.boolean("includeimagedata")?.unwrap_or(true),
        })
    })?;
    if asked.wanted.is_repeated(actions, Queue::ImportFaceDatabase)? {
        return asked.wanted.repeat(actions, caller, Queue::ImportFaceDatabase); // dbpath may be gone by now
    }
    let data = file(actions, parameters, "dbdata", "dbpath")?.ok_or_else(|| Fault::missing("dbdata"))?;
    let ids = file(actions, parameters, "ids", "idspath")?;
    let Some(format) = asked.format.or(data.format) else {
        return Err(Fault::new(Code::Missing, "'format' is required: the file does not show what it is"));
    };
    if (format == Format::Npy) != ids.is_some() {
        let text = if ids.is_some() {
            format!("'ids' goes with format npy, not with {format}")
        } else {
            "format npy needs 'ids' (or 'idspath'), the file of names".to_owned()
        };
        return Err(Fault::new(if ids.is_some() { Code::Contradiction } else { Code::Missing }, text));
    }
    let request = ImportRequest {
        database: asked.database,
        data: data.input,
        ids: ids.map(|ids| ids.input),
        format,
        model: asked.model,
        on_error: asked.on_error.unwrap_or(OnError::Stop),
        include_metadata: asked.include_metadata,
        include_image_data: asked.include_image_data,
    };
    asked.wanted.submit(actions, caller, |engine, ticket| engine.submit_import(ticket, request))
}

struct Asked {
    wanted: Wanted,
    database: DatabaseName,
    format: Option<Format>,
    model: Option<String>,
    on_error: Option<OnError>,
    include_metadata: bool,
    include_image_data: bool,
}

/// A file given as an upload or by its path.
struct Given {
    input: Input,
    /// The format that its first bytes or its ending show.
    format: Option<Format>,
}

fn file(actions: &Actions, parameters: &mut Parameters, upload: &str, parameter: &str) -> Result<Option<Given>, Fault> {
    let by_path = parameters.text(parameter).map(str::to_owned);
    let uploaded = parameters.take_uploads(upload).into_iter().next();
    match (uploaded, by_path) {
        (Some(_), Some(_)) => {
            let text = format!("'{upload}' and '{parameter}' are both given; one names the file");
            Err(Fault::new(Code::Contradiction, text))
        }
        (Some(uploaded), None) => {
            let format = sniff(&uploaded).map_err(|_| Fault::storage())?;
            let input = Input::Received(Box::new(move |to| uploaded.into_path(to)));
            Ok(Some(Given { input, format }))
        }
        (None, Some(path)) => {
            let allowed = actions.engine.allowed_input(parameter, &path).map_err(|error| fault(&error))?;
            Ok(Some(Given { input: Input::File(allowed), format: Format::from_path(Path::new(&path)) }))
        }
        (None, None) => Ok(None),
    }
}

/// What the first bytes of an upload show; its filename is never used (R25).
fn sniff(upload: &Upload) -> io::Result<Option<Format>> {
    let mut head = [0; 64];
    let mut reader = upload.open()?.take(head.len() as u64);
    let mut have = 0;
    loop {
        match reader.read(&mut head[have..])? {
            0 => break,
            n => have += n,
        }
    }
    let head = &head[..have];
    let trimmed = head.trim_ascii_start();
    Ok(if head.starts_with(b"PK\x03\x04") {
        Some(Format::Npz)
    } else if head.starts_with(b"\x93NUMPY") {
        Some(Format::Npy)
    } else if trimmed.starts_with(b"{") {
        Some(Format::Jsonl)
    } else if trimmed.starts_with(b"identifier,") {
        Some(Format::Csv)
    } else {
        None
    })
}

/// The elements of a finished import.
pub(super) fn write_outcome(answer: &mut Answer<'_>, task: &ImportTask, outcome: &ImportOutcome) -> io::Result<()> {
    answer.text("database", &task.database)?;
    answer.value("numfaces", outcome.n_faces)?;
    answer.value("numimages", outcome.n_images)?;
    answer.value("numskipped", outcome.n_skipped)?;
    if !outcome.skipped.is_empty() {
        answer.open("skipped")?;
        for row in &outcome.skipped {
            answer.open("row")?;
            answer.value("number", row.row)?;
            answer.text("reason", &row.reason)?;
            answer.close("row")?;
        }
        answer.close("skipped")?;
    }
    Ok(())
}
