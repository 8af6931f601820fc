//! ExportFaceDatabase (contract R175, R176), and how its result is shown.

use std::io;
use std::path::Path;

use super::queued::Wanted;
use super::table::{Action, Needs, Way, example};
use super::{Actions, Caller, Prepare, Write};
use crate::aci::parameter::{optional, required};
use crate::aci::{Answer, Code, Fault, Form, Parameters, Role};
use crate::engine::{Contents, ExportOutcome, ExportRequest, ExportTask};
use crate::exchange::Format;
use crate::face::DatabaseName;
use crate::job::Queue;

/// The rows of this family.
pub(super) const ACTIONS: &[Action] = &[Action {
    name: "ExportFaceDatabase",
    about: "Writes a database into a file on the server, which appears whole or not at all and replaces none.",
    needs: Needs::Role(Role::Admin),
    way: Way::Queued(Queue::ExportFaceDatabase),
    parameters: &[
        required("database", Form::Name, "The database."),
        required("dbpath", Form::Path, "The file, on the server. Beside an array, NAME.npy, appears NAME.ids.csv."),
        optional(
            "format",
            Form::Choice(&["jsonl", "csv", "npy", "npz"]),
            "the ending of dbpath",
            "The format of the file; jsonl carries everything, the others the embeddings of trained images.",
        ),
        optional("includeimagedata", Form::Boolean, "true", "Write the pictures, if the format can carry them."),
        optional("includemetadata", Form::Boolean, "true", "Write the metadata, if the format can carry them."),
    ],
    answer: "database, numfaces, numimages (written), numskipped (images that the format cannot carry)",
    example: example!(
        "ExportFaceDatabase",
        "/action=ExportFaceDatabase&database=people&dbpath=/srv/exports/people.jsonl"
    ),
    prepare: Prepare::Elements(export_database),
}];

fn export_database<'a>(actions: &'a Actions, caller: &Caller, parameters: &mut Parameters) -> Result<Write<'a>, Fault> {
    let (wanted, request) = parameters.read(|p| {
        let path = p.required_text("dbpath")?.to_owned();
        let formats: Vec<(&str, Format)> = Format::ALL.into_iter().map(|format| (format.as_str(), format)).collect();
        let by_ending = Format::from_path(Path::new(&path));
        if by_ending.is_none() && !p.is_given("format") {
            return Err(Fault::new(Code::Missing, "'format' is required: the ending of 'dbpath' names none"));
        }
        let wanted = Wanted::read(actions, p)?;
        let database = p.required_name("database", DatabaseName::new)?;
        let format = p.choice("format", &formats)?.or(by_ending).expect("one of them is there");
        let contents = Contents {
            metadata: p.boolean("includemetadata")?.unwrap_or(true),
            image_data: p.boolean("includeimagedata")?.unwrap_or(true),
        };
        Ok((wanted, ExportRequest { database, path, format, contents }))
    })?;
    wanted.submit(actions, caller, |engine, ticket| engine.submit_export(ticket, request))
}

/// The elements of a finished export, as for import.
pub(super) fn write_outcome(answer: &mut Answer<'_>, task: &ExportTask, outcome: &ExportOutcome) -> io::Result<()> {
    answer.text("database", &task.database)?;
    answer.value("numfaces", outcome.n_faces)?;
    answer.value("numimages", outcome.n_images)?;
    answer.value("numskipped", outcome.n_skipped)
}
