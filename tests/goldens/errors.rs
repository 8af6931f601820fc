//! Every error of the catalogue, got from a server by asking it (contract R50-R59).
//!
//! A row whose name ends in `-job` shows the error in the answer of QueueInfo, where a job ended in it (R56).

use std::collections::BTreeSet;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::sync::Arc;

use faceclique::aci::{Code, Role};
use faceclique::confidence::ConfidenceScale;
use faceclique::engine::Model;
use faceclique::store::Memory;

use crate::actions::are_golden;
use crate::masked::{TOKEN, masked};
use crate::roles::loopback_has;
use crate::seams::{Trouble, Troubled};
use crate::world::{BITMAP, NO_PICTURE, World, between, get, upload};

/// The answer to a request that is refused in a world of the row's making.
type Ask = fn(&str) -> String;

/// A way to an error.
struct Row {
    code: Code,
    name: &'static str,
    request: String,
    ask: Ask,
}

/// A new face with two images.
const TRAINING: &str = "database=people&identifier=Moneypenny&imagelabels=F,G";

fn row(code: Code, name: &'static str, request: String, ask: Ask) -> Row {
    Row { code, name, request, ask }
}

/// An answer of the four faces.
fn of_people(request: &str) -> String {
    World::new().ask(request)
}

/// Those that show from the request and the settings alone.
fn from_the_request() -> Vec<Row> {
    let long = |n| "x".repeat(n);
    vec![
        row(Code::UnknownAction, "error-1", get("/action=Frobnicate"), of_people),
        row(Code::NotOffered, "error-2", get("/action=GetRequestLog"), of_people),
        row(
            Code::NotOffered,
            "error-2-callbackurl",
            get("/action=FaceClustering&callbackurl=https://hooks.example/jobs"),
            of_people,
        ),
        row(Code::NoAction, "error-3", get("/"), of_people),
        row(Code::Missing, "error-10", get("/action=RemoveFace&database=people"), of_people),
        row(Code::ValueNotValid, "error-11", get("/action=FaceClustering&clusterthreshold=abc"), of_people),
        row(
            Code::NameNotValid,
            "error-12",
            get(&format!("/action=CreateFaceDatabase&database={}", long(255))),
            of_people,
        ),
        row(Code::Undecodable, "error-13", get("/action=ListFaces&database=%zz"), of_people),
        row(Code::Contradiction, "error-14", get("/action=ListFaces&database=people&database=staff"), of_people),
        row(
            Code::Contradiction,
            "error-14-idempotencykey",
            get("/action=FaceClustering&idempotencykey=night-1&clusterthreshold=80"),
            |request| {
                let world = World::new();
                world.get("/action=FaceClustering&idempotencykey=night-1");
                masked(&world.ask(request))
            },
        ),
        row(
            Code::CountsDisagree,
            "error-15",
            get(&format!(
                "/action=AddFaceImages&database=people&identifier=JohnSmith&imagelabels=F,G&imagedata={BITMAP}"
            )),
            of_people,
        ),
        row(Code::TooLarge, "error-20", get(&format!("/action=ListFaces&database={}", long(101))), |request| {
            World::empty(|setup| setup.limits.max_input_string = 100).ask(request)
        }),
        row(Code::NotAuthorised, "error-30", get("/action=RemoveFaceDatabase&database=people"), |request| {
            World::empty(|setup| setup.access = loopback_has([Role::Query])).ask(request)
        }),
        row(
            Code::NotAuthorised,
            "error-30-origin",
            get("/action=FaceClustering").replace("Connection:", "Origin: https://evil.example\r\nConnection:"),
            of_people,
        ),
        row(
            Code::PathNotAllowed,
            "error-31",
            get("/action=ImportFaceDatabase&database=new&dbpath=/etc/passwd"),
            of_people,
        ),
        row(
            Code::FileNotAccessible,
            "error-32",
            get("/action=ImportFaceDatabase&database=new&dbpath=/srv/exports/lost.jsonl"),
            of_people,
        ),
    ]
}

/// Those that show from what is there.
fn from_what_is_there() -> Vec<Row> {
    let people = |code, name, target: &str| row(code, name, get(target), of_people);
    let note = "key=note&value=spy&newvalue=spy";
    vec![
        people(Code::DatabaseNotFound, "error-40", "/action=RemoveFaceDatabase&database=LFW"),
        people(Code::FaceNotFound, "error-41", "/action=RemoveFace&database=people&identifier=Zo%C3%AB"),
        people(
            Code::ImageNotFound,
            "error-42",
            "/action=RemoveFaceImages&database=people&identifier=JohnSmith&imagelabels=Z",
        ),
        people(
            Code::MetadataKeyNotFound,
            "error-43",
            &format!("/action=UpdateFaceMetadata&database=people&identifier=JohnSmith&{note}"),
        ),
        people(Code::NoPicture, "error-44", "/action=GetFaceImage&database=people&identifier=SeanConnery&imagelabel=C"),
        people(Code::DatabaseExists, "error-45", "/action=CreateFaceDatabase&database=people"),
        people(Code::FaceExists, "error-46", "/action=NewFace&database=people&identifier=JohnSmith"),
        people(
            Code::ImageLabelExists,
            "error-47",
            &format!("/action=AddFaceImages&database=people&identifier=JohnSmith&imagelabels=D&imagedata={BITMAP}"),
        ),
        people(
            Code::MetadataKeyExists,
            "error-48",
            &format!("/action=AddFaceMetadata&database=people&identifier=SeanConnery&{note}"),
        ),
        people(
            Code::ModelNotUsable,
            "error-61",
            "/action=AddFaceImages&database=people&identifier=JohnSmith&embedding=AACAPwAAAAAAAAAA",
        ),
        row(Code::Storage, "error-70", get("/action=CreateFaceDatabase&database=new"), |request| {
            in_trouble(Trouble::WriteFails).0.ask(request)
        }),
        row(Code::Internal, "error-79", get("/action=ListFaces&database=people"), |request| {
            in_trouble(Trouble::ScanPanics).0.ask(request)
        }),
    ]
}

/// Those of queues and of jobs that are waited for.
fn of_queues() -> Vec<Row> {
    let people = |code, name, target: &str| row(code, name, get(target), of_people);
    let now = get("/action=FaceClustering&synchronous=true");
    vec![
        people(Code::UnknownQueue, "error-50", "/action=QueueInfo&queuename=Lost&queueaction=getStatus"),
        people(
            Code::UnknownToken,
            "error-51",
            "/action=QueueInfo&queuename=ExportFaceDatabase&queueaction=getStatus&token={token}",
        ),
        people(
            Code::StateNotPossible,
            "error-52",
            "/action=QueueInfo&queuename=FaceClustering&queueaction=cancel&token={token}",
        ),
        row(Code::QueueFull, "error-53", get("/action=FaceClustering"), |request| {
            let world = World::empty(|setup| setup.settings.max_queue = 1);
            world.get("/action=QueueInfo&queuename=FaceClustering&queueaction=pause");
            world.get("/action=FaceClustering");
            world.ask(request)
        }),
        row(Code::ActionEnded, "error-54", now.clone(), |request| {
            let (world, waiting) = waiting(request);
            world.get(&format!(
                "/action=QueueInfo&queuename=FaceClustering&queueaction=cancel&token={}",
                world.waiting_job("FaceClustering")
            ));
            world.anywhere(&rest(waiting))
        }),
        row(Code::Stopping, "error-71", now.clone(), |request| {
            let (mut world, waiting) = waiting(request);
            world.waiting_job("FaceClustering");
            world.stop();
            rest(waiting)
        }),
        row(
            Code::NothingTrained,
            "error-62",
            get(&format!("/action=TrainFace&synchronous=true&{TRAINING}&imagedata={NO_PICTURE},{NO_PICTURE}")),
            of_people,
        ),
        row(Code::ModelsDiffer, "error-60", now.clone(), |request| two_models().ask(request)),
        row(Code::JobLimit, "error-63", now, |request| World::people(|setup| setup.settings.memory = 100).ask(request)),
        row(
            Code::FileContent,
            "error-65",
            upload("/action=ImportFaceDatabase&database=new&synchronous=true", "dbdata", "{\"identifier\":7}\n"),
            |request| World::empty(|_| {}).ask(request),
        ),
    ]
}

/// Those that a job ended in, as its queue shows them.
fn of_jobs() -> Vec<Row> {
    let clustering = get("/action=QueueInfo&queuename=FaceClustering&queueaction=getStatus&token={token}");
    let import = get("/action=QueueInfo&queuename=ImportFaceDatabase&queueaction=getStatus&token={token}");
    let training = get("/action=QueueInfo&queuename=TrainFace&queueaction=getStatus&token={token}");
    vec![
        row(Code::DatabaseNotFound, "error-40-job", clustering.clone(), |request| {
            ended(World::new(), "FaceClustering", &get("/action=FaceClustering&database=LFW"), request)
        }),
        row(Code::ImageLabelExists, "error-47-job", import.clone(), |request| {
            let other = "{\"identifier\":\"JohnSmith\",\"imagelabel\":\"D\",\"embedding\":[0,1,0,0]}\n";
            let again = upload("/action=ImportFaceDatabase&database=people", "dbdata", other);
            ended(World::new(), "ImportFaceDatabase", &again, request)
        }),
        row(Code::ModelNotUsable, "error-61-job", import, |request| {
            let other = "{\"identifier\":\"JohnSmith\",\"imagelabel\":\"X\",\"embedding\":[0,1,0]}\n";
            let shorter = upload("/action=ImportFaceDatabase&database=people", "dbdata", other);
            ended(World::new(), "ImportFaceDatabase", &shorter, request)
        }),
        row(Code::ModelsDiffer, "error-60-job", clustering.clone(), |request| {
            ended(two_models(), "FaceClustering", &get("/action=FaceClustering"), request)
        }),
        row(Code::FaceExists, "error-46-job", training.clone(), |request| {
            let again = format!("/action=TrainFace&database=people&identifier=JohnSmith&imagedata={BITMAP}");
            ended(World::new(), "TrainFace", &get(&again), request)
        }),
        row(Code::ModelNotUsable, "error-61-training-job", training.clone(), |request| {
            let world = World::people(|setup| setup.settings.trainer = None);
            let train = format!("/action=TrainFace&database=people&identifier=Moneypenny&imagedata={BITMAP}");
            ended(world, "TrainFace", &get(&train), request)
        }),
        row(Code::NothingTrained, "error-62-job", training, |request| {
            let train = format!("/action=TrainFace&{TRAINING}&imagedata={NO_PICTURE},{NO_PICTURE}");
            ended(World::new(), "TrainFace", &get(&train), request)
        }),
        row(Code::JobCrashes, "error-64-job", clustering.clone(), crashing),
        row(Code::Storage, "error-70-job", clustering.clone(), |request| {
            let (world, _) = in_trouble(Trouble::ScanFails);
            ended(world, "FaceClustering", &get("/action=FaceClustering&database=people"), request)
        }),
        row(Code::Internal, "error-79-job", clustering, |request| {
            let (world, _) = in_trouble(Trouble::ScanPanics);
            ended(world, "FaceClustering", &get("/action=FaceClustering&database=people"), request)
        }),
    ]
}

/// Those of jobs that have no audit, or not yet.
fn of_audits() -> Vec<Row> {
    let audit = get("/action=GetIdentityAudit&token={token}");
    vec![
        row(
            Code::UnknownToken,
            "error-51-audit",
            get("/action=GetIdentityAudit&token=0176fba8-9e60-7c44-b1d7-20f9ab63c51e"),
            of_people,
        ),
        row(Code::UnknownToken, "error-51-audit-of-an-import", audit.clone(), |request| {
            let one = "{\"identifier\":\"Q\",\"imagelabel\":\"A\",\"embedding\":[1,0]}\n";
            let import = upload("/action=ImportFaceDatabase&database=staff", "dbdata", one);
            ended(World::people(|_| {}), "ImportFaceDatabase", &import, request)
        }),
        row(Code::StateNotPossible, "error-52-audit-not-asked-for", audit.clone(), of_people),
        row(Code::StateNotPossible, "error-52-audit-not-finished", audit.clone(), |request| {
            let mut world = World::people(|_| {});
            world.get("/action=QueueInfo&queuename=FaceClustering&queueaction=pause");
            world.token =
                between(&world.get("/action=FaceClustering&database=people&audit=true"), "<token>", "</token>");
            world.ask(request)
        }),
        row(Code::StateNotPossible, "error-52-audit-of-an-error", audit.clone(), |request| {
            let failing = get("/action=FaceClustering&database=LFW&audit=true");
            ended(World::people(|_| {}), "FaceClustering", &failing, request)
        }),
        row(Code::Storage, "error-70-audit-lost", audit, |request| crate::audit::lost().ask(request)),
    ]
}

fn rows() -> impl Iterator<Item = Row> {
    [from_the_request(), from_what_is_there(), of_queues(), of_jobs(), of_audits()].into_iter().flatten()
}

/// The names of the goldens.
pub(crate) fn names() -> impl Iterator<Item = &'static str> {
    rows().map(|row| row.name)
}

/// The four faces in a store that does this the next time it can.
fn in_trouble(trouble: Trouble) -> (World, Arc<Troubled>) {
    let store = Arc::new(Troubled::default());
    let world = World::people(|setup| setup.store = Some(Arc::<Troubled>::clone(&store)));
    store.expect(trouble);
    (world, store)
}

/// A second database, of another model.
fn two_models() -> World {
    let model = Model { name: "other".to_owned(), dimension: Some(2), scale: ConfidenceScale::cosine() };
    let world = World::people(|setup| setup.settings.models = vec![model]);
    world.get("/action=CreateFaceDatabase&database=staff&model=other");
    world.get("/action=NewFace&database=staff&identifier=Q");
    let answer = world.get("/action=AddFaceImages&database=staff&identifier=Q&embedding=AACAPwAAAAA=");
    assert!(answer.contains("SUCCESS"), "{answer}");
    world
}

/// A request that waits for a job, which cannot start.
fn waiting(request: &str) -> (World, TcpStream) {
    let world = World::empty(|_| {});
    world.get("/action=QueueInfo&queuename=FaceClustering&queueaction=pause");
    let mut stream = TcpStream::connect(world.address).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    (world, stream)
}

fn rest(mut stream: TcpStream) -> String {
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

/// What is answered to `request` about the job that `submit` makes, when it has ended.
fn ended(mut world: World, queue: &str, submit: &str, request: &str) -> String {
    world.token = between(&world.ask(submit), "<token>", "</token>");
    world.finish(queue, &world.token);
    world.ask(request)
}

/// The same of a job at whose work the process ended three times.
fn crashing(request: &str) -> String {
    let store = Arc::new(Troubled::default());
    let world = World::people(|setup| setup.store = Some(Arc::<Troubled>::clone(&store)));
    store.hold();
    let token = between(&world.get("/action=FaceClustering&database=people"), "<token>", "</token>");
    let mut kept = at_work(world, &store, &token);
    for _ in 1..3 {
        let store = Arc::new(Troubled::on(kept));
        store.hold();
        let world = World::empty(|setup| setup.store = Some(Arc::<Troubled>::clone(&store)));
        kept = at_work(world, &store, &token);
    }
    let mut world = World::empty(|setup| setup.store = Some(Arc::new(kept)));
    world.token = token;
    world.ask(request)
}

/// What the store holds while the job is at work.
fn at_work(world: World, store: &Troubled, token: &str) -> Memory {
    world.reaches("FaceClustering", token, "Processing");
    let kept = store.copy();
    store.release();
    drop(world);
    kept
}

#[test]
fn r59_every_error_is_answered_as_the_catalogue_says() {
    for Row { code, name, request, ask } in rows() {
        are_golden(name, &request.replace("{token}", TOKEN), |request| {
            let answer = ask(request);
            let n = code.number();
            if name.ends_with("-job") {
                assert!(answer.contains(&format!("{n})")), "{name}: error {n} expected\n{answer}");
            } else {
                let is_numbered = ['<', '"'].iter().any(|end| answer.contains(&format!("0x{n:X}{end}")));
                assert!(is_numbered, "{name}: error {n} expected\n{answer}");
                let has_texts = [code.errorcode(), code.errorstring()].iter().all(|text| answer.contains(text));
                assert!(has_texts, "{name}: the texts of error {n} expected\n{answer}");
            }
            masked(&answer)
        });
    }
}

#[test]
fn r59_no_error_of_the_catalogue_is_without_a_golden() {
    let shown: BTreeSet<u16> = rows().map(|row| row.code.number()).collect();
    for code in Code::ALL {
        assert!(shown.contains(&code.number()), "error {} has a golden", code.number());
    }
    for row in rows() {
        let number = row.name.split('-').nth(1).unwrap();
        assert_eq!(number, row.code.number().to_string(), "{}", row.name);
    }
}
