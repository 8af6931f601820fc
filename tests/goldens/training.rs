//! What training answers, and how its queues show it, while a clock of the test's stands (contract chapter 8).

use std::sync::Arc;

use crate::actions::are_golden;
use crate::masked::{TOKEN, named};
use crate::seams::Stopped;
use crate::world::{BITMAP, NO_PICTURE, World, between, get};

/// A request, and what is done before it.
struct Row {
    name: &'static str,
    target: String,
    /// The token that the request means, if it means one.
    before: fn(&World) -> Option<String>,
}

/// A new face, of whose images one is trained.
fn train_face() -> String {
    let face = "database=people&identifier=Moneypenny&imagelabels=G,F&metadata=born:1930,%22note,+long%22:x";
    format!("/action=TrainFace&{face}&imagedata={BITMAP},{NO_PICTURE}")
}

const BUILD_FACE: &str = "/action=BuildFace&database=people&identifier=JohnSmith&gpudeviceid=CPU";
const BUILD_ALL: &str = "/action=BuildAllFaces&numparallel=4";

fn at_once(target: &str) -> String {
    format!("{target}&synchronous=true")
}

fn done(world: &World, target: &str) {
    let answer = world.get(&at_once(target));
    assert!(answer.contains("SUCCESS"), "{answer}");
}

fn queue(name: &str, queue_action: &str) -> String {
    format!("/action=QueueInfo&queuename={name}&queueaction={queue_action}")
}

fn results() -> Vec<Row> {
    let row = |name, target: &str, before| Row { name, target: at_once(target), before };
    vec![
        row("TrainFace-synchronous", &train_face(), |_| None),
        row("BuildFace-synchronous", BUILD_FACE, |_| None),
        row("BuildFace-again", BUILD_FACE, |world| {
            done(world, BUILD_FACE);
            None
        }),
        row("BuildAllFaces-synchronous", BUILD_ALL, |_| None),
        row("BuildAllFaces-again", BUILD_ALL, |world| {
            done(world, BUILD_ALL);
            None
        }),
        row("ListFaces-failreason", "/action=ListFaces&database=people&imagestatus=true&failreason=true", |world| {
            done(world, BUILD_ALL);
            None
        }),
        row(
            "ListFaces-facts",
            "/action=ListFaces&database=people&imagestatus=true&failreason=true&facts=true",
            |world| {
                done(world, BUILD_ALL);
                None
            },
        ),
    ]
}

fn questions() -> Vec<Row> {
    let row = |name, target: String, before| Row { name, target, before };
    vec![
        row("QueueInfo-getStatus-trainings", queue("TrainFace", "getStatus"), |world| {
            done(world, &train_face());
            None
        }),
        row("QueueInfo-getStatus-builds", queue("BuildFace", "getStatus"), |world| {
            done(world, BUILD_FACE);
            None
        }),
        row("QueueInfo-getStatus-builds-of-all", queue("BuildAllFaces", "getStatus"), |world| {
            done(world, BUILD_ALL);
            None
        }),
        row(
            "QueueInfo-progress-training",
            queue("TrainFace", &format!("progress&allstages=true&token={TOKEN}")),
            |world| {
                let answer = world.get(&at_once(&train_face()));
                Some(between(&answer, "<token>", "</token>"))
            },
        ),
        row("QueueInfo-getActionParameters-pictures", queue("TrainFace", "getActionParameters"), |world| {
            world.get(&queue("TrainFace", "pause"));
            world.get(&train_face());
            None
        }),
    ]
}

fn rows() -> impl Iterator<Item = Row> {
    results().into_iter().chain(questions())
}

/// The names of the goldens.
pub(crate) fn names() -> impl Iterator<Item = &'static str> {
    rows().map(|row| row.name)
}

/// The four faces, one of them with untrained images too.
fn world() -> World {
    let world = World::people(|setup| setup.clock = Arc::new(Stopped::new()));
    let images = format!("imagelabels=F,E&imagedata={NO_PICTURE},{BITMAP}");
    world.get(&format!("/action=AddFaceImages&database=people&identifier=JohnSmith&{images}"));
    world
}

#[test]
fn r144_r146_what_training_does_is_answered_and_shown_so() {
    for Row { name, target, before } in rows() {
        are_golden(name, &get(&target), |request| {
            let mut world = world();
            if let Some(token) = before(&world) {
                world.token = token;
            }
            named(&world.ask(request), &[])
        });
    }
}

#[test]
fn r140_r143_parameters_that_are_not_valid_are_refused_at_once() {
    let world = world();
    let train = format!("/action=TrainFace&database=people&imagedata={BITMAP}");
    for (target, number, part) in [
        ("/action=TrainFace&database=people".to_owned(), 10, "one of 'imagedata', 'imagepath' is required"),
        (format!("{train}&imagepath=/srv/exports/x.bmp"), 14, "'imagedata' and 'imagepath' are both given"),
        (format!("{train}&imagelabels=a,b"), 15, "the number of labels ('imagelabels') is 2, that of images 1"),
        (format!("{train},{BITMAP}&imagelabels=a,a"), 15, "'imagelabels' names 'a' twice"),
        (format!("{train}&metadata=born"), 11, "a colon is missing"),
        (format!("{train}&metadata=a:1,a:2"), 11, "a key is there twice"),
        (format!("{train}&metadata=a:{}", "x".repeat(255)), 12, "a name has at most 254 bytes"),
        (format!("{train}&nullimagedata=yes"), 11, "'nullimagedata=yes' is not one of true, false"),
        (format!("{train}&numparallel=0"), 11, "'numparallel=0' is not a whole number of 1 to 18 digits from 1 on"),
        (format!("{BUILD_FACE}x"), 11, "'gpudeviceid=CPUx' is neither a whole number of 1 to 18 digits nor CPU"),
        ("/action=TrainFace&database=people&imagepath=/etc/passwd".to_owned(), 31, "/etc/passwd"),
        ("/action=TrainFace&database=people&imagepath=/srv/exports/no.bmp".to_owned(), 32, "/srv/exports/no.bmp"),
    ] {
        let answer = world.ask(&get(&target));
        let is_so = answer.contains(&format!("<rawerrorid>0x{number:X}<")) && answer.contains(part);
        assert!(is_so, "{target}: error {number}, {part}\n{answer}");
    }
    for name in ["TrainFace", "BuildFace"] {
        let answer = world.get(&queue(name, "getStatus"));
        assert!(answer.contains("<actions/>"), "what is refused makes no job: {answer}");
    }
}

#[test]
fn r64_pictures_named_by_their_paths_are_read_when_the_job_is_accepted() {
    let world = world();
    let path = world.here("/srv/exports/one.bmp");
    std::fs::write(&path, b"BM a picture").unwrap();
    world.get(&queue("TrainFace", "pause"));
    let target = "/action=TrainFace&database=people&identifier=Q&imagelabels=X&imagepath=/srv/exports/one.bmp";
    let token = between(&world.get(target), "<token>", "</token>");
    std::fs::remove_file(&path).unwrap();
    world.get(&queue("TrainFace", "resume"));
    world.finish("TrainFace", &token);
    let answer = world.get("/action=GetFaceImage&database=people&identifier=Q&imagelabel=X");
    assert!(answer.ends_with("BM a picture"), "{answer}");
}
