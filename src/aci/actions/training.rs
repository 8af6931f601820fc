//! TrainFace, BuildFace and BuildAllFaces (contract chapter 8), and how their results are shown.

use std::collections::BTreeMap;
use std::io;

use super::faces::face_names;
use super::images::{check_labels, paths, unreadable};
use super::metadata::text;
use super::queued::Wanted;
use super::table::{Action, Needs, Way, example};
use super::{Actions, Caller, Prepare, Write, cut};
use crate::aci::parameter::{Parameter, depending, optional, required};
use crate::aci::{Answer, Code, Fault, Form, Parameters, Role};
use crate::engine::{
    BuildAllTask, BuildOutcome, BuildTask, BuiltFace, Bundle, EngineError, JobView, Task, TrainOutcome, TrainRequest,
    TrainTask,
};
use crate::face::{DatabaseName, Identifier, ImageLabel};
use crate::job::{Queue, Token};

/// The rows of this family.
pub(super) const ACTIONS: &[Action] = &[
    Action {
        name: "BuildAllFaces",
        about: "Trains the untrained images of all faces. What was trained before a stop or crash stays.",
        needs: Needs::Role(Role::Admin),
        way: Way::Queued(Queue::BuildAllFaces),
        parameters: &[optional("database", Form::Name, "all", "The database."), PARALLEL],
        answer: "entry with, for each face that had untrained images: build with image: index, label, status; database, identifier, numimages, numtrained",
        example: example!("BuildAllFaces", "/action=BuildAllFaces&database=people"),
        prepare: Prepare::Elements(build_all),
    },
    Action {
        name: "BuildFace",
        about: "Trains the untrained images of a face. What was trained before a stop or crash stays.",
        needs: Needs::Role(Role::Admin),
        way: Way::Queued(Queue::BuildFace),
        parameters: &[
            required("database", Form::Name, "The database."),
            required("identifier", Form::Name, "The face."),
            PARALLEL,
            optional("gpudeviceid", Form::Text, "CPU", "A number or CPU; a hint."),
        ],
        answer: "database, identifier, numImages, numTrained, token, build with image: index, label, status",
        example: example!("BuildFace", "/action=BuildFace&database=people&identifier=JohnSmith"),
        prepare: Prepare::Elements(build_face),
    },
    Action {
        name: "TrainFace",
        about: "Makes a face with images and metadata and trains it, all or nothing: if no image can be trained, or the job is stopped, the database is as before.",
        needs: Needs::Role(Role::Admin),
        way: Way::Queued(Queue::TrainFace),
        parameters: &[
            required("database", Form::Name, "The database; it must be there."),
            optional("identifier", Form::Name, "generated", "The name of the new face."),
            depending("imagedata", Form::Uploads, "one of imagedata, imagepath", "Pictures."),
            depending("imagepath", Form::Paths, "one of imagedata, imagepath", "Files of pictures on the server."),
            optional("imagelabels", Form::Names, "generated", "The labels, in the order of the images and as many."),
            optional("metadata", Form::Pairs, "none", "The metadata of the face."),
            optional("nullimagedata", Form::Boolean, "false", "Drop the pixels of images that are trained."),
            PARALLEL,
        ],
        answer: "database, identifier, numImages, numTrained, token, build with image: index, label, status",
        example: example!(
            "TrainFace",
            "/action=TrainFace&database=people&identifier=Moneypenny&imagelabels=F&metadata=born:1930&imagedata=Qk06AAAAAAAAADYAAAAoAAAAAQAAAAEAAAABABgAAAAAAAQAAAATCwAAEwsAAAAAAAAAAAAAICAgAA=="
        ),
        prepare: Prepare::Elements(train_face),
    },
];

const PARALLEL: Parameter = optional(
    "numparallel",
    Form::Integer(1, u64::MAX),
    "1",
    "How many images are looked at at a time, reduced to what the server allows; a hint.",
);

fn parallel(p: &Parameters) -> Result<u64, Fault> {
    Ok(p.integer("numparallel", 1..=u64::MAX)?.unwrap_or(1))
}

/// Refuses what is neither a number nor `CPU` (R143).
fn check_device(p: &Parameters) -> Result<(), Fault> {
    let Some(text) = p.text("gpudeviceid").filter(|text| !text.eq_ignore_ascii_case("CPU")) else { return Ok(()) };
    match p.integer("gpudeviceid", 0..=u64::MAX) {
        Ok(_) => Ok(()),
        Err(_) => Err(Fault::value("gpudeviceid", text, "is neither a whole number of 1 to 18 digits nor CPU")),
    }
}

/// What TrainFace is asked to do, besides its pictures.
struct Training {
    wanted: Wanted,
    request: TrainRequest,
    paths: Option<Vec<String>>,
}

impl Training {
    fn read(actions: &Actions, p: &Parameters, max_paths: usize) -> Result<Self, Fault> {
        let given: Vec<&str> = ["imagedata", "imagepath"].into_iter().filter(|name| p.is_given(name)).collect();
        if given.is_empty() {
            return Err(Fault::new(Code::Missing, "one of 'imagedata', 'imagepath' is required"));
        }
        let wanted = Wanted::read(actions, p)?;
        let request = TrainRequest {
            database: p.required_name("database", DatabaseName::new)?,
            identifier: p.name("identifier", Identifier::new)?,
            labels: p.names("imagelabels", ImageLabel::new)?,
            metadata: metadata(p)?,
            null_image_data: p.boolean("nullimagedata")?.unwrap_or(false),
            parallel: parallel(p)?,
        };
        let paths = paths(p, max_paths)?;
        if given.len() > 1 {
            let text = "'imagedata' and 'imagepath' are both given; one says what the images are";
            return Err(Fault::new(Code::Contradiction, text));
        }
        Ok(Self { wanted, request, paths })
    }
}

/// The metadata of a new face; keys and values are names (R13, R140).
fn metadata(p: &Parameters) -> Result<BTreeMap<String, String>, Fault> {
    let pairs = p.pairs("metadata")?.unwrap_or_default();
    for name in pairs.iter().flat_map(|(key, value)| [key, value]) {
        text(name).map_err(|error| Fault::name("metadata", name, &error))?;
    }
    Ok(pairs.into_iter().collect())
}

fn train_face<'a>(actions: &'a Actions, caller: &Caller, parameters: &mut Parameters) -> Result<Write<'a>, Fault> {
    let max_paths = actions.engine.settings().max_pictures;
    let Training { wanted, request, paths } = parameters.read(|p| Training::read(actions, p, max_paths))?;
    let uploads = parameters.take_uploads("imagedata");
    check_labels(request.labels.as_deref(), paths.as_ref().map_or(uploads.len(), Vec::len))?;
    let fill = |bundle: &mut Bundle<'_>| -> Result<(), EngineError> {
        match &paths {
            Some(paths) => paths.iter().try_for_each(|path| bundle.add_file("imagepath", path)),
            None => uploads.iter().try_for_each(|upload| bundle.add(&mut upload.open().map_err(unreadable)?)),
        }
    };
    wanted.submit(actions, caller, |engine, ticket| engine.submit_training(ticket, request, fill))
}

fn build_face<'a>(actions: &'a Actions, caller: &Caller, parameters: &mut Parameters) -> Result<Write<'a>, Fault> {
    let (wanted, task) = parameters.read(|p| {
        let wanted = Wanted::read(actions, p)?;
        let (database, identifier) = face_names(p)?;
        check_device(p)?;
        let (database, identifier) = (database.to_string(), identifier.to_string());
        Ok((wanted, BuildTask { database, identifier, parallel: parallel(p)? }))
    })?;
    wanted.submit(actions, caller, |engine, ticket| engine.submit(ticket, Task::Build(task)))
}

fn build_all<'a>(actions: &'a Actions, caller: &Caller, parameters: &mut Parameters) -> Result<Write<'a>, Fault> {
    let (wanted, task) = parameters.read(|p| {
        let wanted = Wanted::read(actions, p)?;
        let database = p.name("database", DatabaseName::new)?.map(|database| database.to_string());
        Ok((wanted, BuildAllTask { database, parallel: parallel(p)? }))
    })?;
    wanted.submit(actions, caller, |engine, ticket| engine.submit(ticket, Task::BuildAll(task)))
}

/// The elements of a finished TrainFace, the token among them (R144).
pub(super) fn write_trained(
    answer: &mut Answer<'_>,
    job: &JobView,
    task: &TrainTask,
    outcome: &TrainOutcome,
) -> io::Result<()> {
    write_face(answer, [&task.database, &task.identifier], [task.labels.len(), outcome.n_trained()], job.token)?;
    write_images(answer, task.labels.iter().zip(outcome.statuses.iter().map(|status| status.as_str())))
}

/// The elements of a finished BuildFace, the token among them (R144).
pub(super) fn write_built(
    actions: &Actions,
    answer: &mut Answer<'_>,
    job: &JobView,
    outcome: &BuildOutcome,
) -> io::Result<()> {
    let face = actions.engine.read_built(job.token, outcome).next_face().map_err(cut)?;
    let BuiltFace { database, identifier, n_images, n_trained, images } = face.ok_or_else(lost)?;
    write_face(answer, [database.as_str(), identifier.as_str()], [n_images, n_trained], job.token)?;
    write_images(answer, images.iter().map(|(label, status)| (label, status.as_str())))
}

fn lost() -> io::Error {
    io::Error::other("the result of a build has no face")
}

/// The elements of a finished BuildAllFaces, read from the store as they are written, and the token (R145).
pub(super) fn write_all_built(
    actions: &Actions,
    answer: &mut Answer<'_>,
    job: &JobView,
    outcome: &BuildOutcome,
) -> io::Result<()> {
    let mut reader = actions.engine.read_built(job.token, outcome);
    while let Some(face) = reader.next_face().map_err(cut)? {
        answer.open("entry")?;
        write_images(answer, face.images.iter().map(|(label, status)| (label, status.as_str())))?;
        answer.value("database", face.database)?;
        answer.value("identifier", face.identifier)?;
        answer.value("numimages", face.n_images)?;
        answer.value("numtrained", face.n_trained)?;
        answer.close("entry")?;
    }
    answer.value("token", job.token)
}

fn write_face<N: std::fmt::Display>(
    answer: &mut Answer<'_>,
    [database, identifier]: [&str; 2],
    [n_images, n_trained]: [N; 2],
    token: Token,
) -> io::Result<()> {
    answer.text("database", database)?;
    answer.text("identifier", identifier)?;
    answer.value("numImages", n_images)?;
    answer.value("numTrained", n_trained)?;
    answer.value("token", token)
}

/// The images that were tried (R146).
fn write_images<L: std::fmt::Display>(
    answer: &mut Answer<'_>,
    images: impl Iterator<Item = (L, &'static str)>,
) -> io::Result<()> {
    answer.open("build")?;
    for (index, (label, status)) in images.enumerate() {
        answer.open("image")?;
        answer.value("index", index + 1)?;
        answer.value("label", label)?;
        answer.text("status", status)?;
        answer.close("image")?;
    }
    answer.close("build")
}
