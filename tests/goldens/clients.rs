//! What real clients send, answered by a real server (contract R181): the answer and what it did to the database.

use crate::actions::are_golden;
use crate::masked::{TOKEN, masked};
use crate::sent::{self, PICTURE, PICTURE_IN_BASE64, other_picture};
use crate::world::World;

/// A request as a client sends it.
struct Row {
    name: &'static str,
    request: String,
    effect: Effect,
}

/// What the request does.
enum Effect {
    /// The face is there then.
    Face(&'static str),
    /// Zoë has these pictures then, labelled F, G, ...
    Pictures(Vec<String>),
    /// The face is there when its job has ended, with an image that is trained.
    Trained(&'static str),
    /// It only asks.
    None,
}

/// The database and the face that pictures are added to.
const FIELDS: [(&str, &str); 2] = [("database", "my db"), ("identifier", "Zoë")];

fn fields(labels: &str) -> Vec<(&str, &str)> {
    FIELDS.into_iter().chain([("imagelabels", labels)]).collect()
}

fn of_java() -> Vec<Row> {
    let (one, other) = (PICTURE, &*other_picture());
    vec![
        Row {
            name: "client-java-get",
            request: sent::java_get("/?Action=NewFace&database=my%20db&identifier=Zo%C3%AB%20%26%20Co&n=3"),
            effect: Effect::Face("Zoë &amp; Co"),
        },
        Row {
            name: "client-java-form",
            request: sent::java_form("Action=NewFace&database=my+db&identifier=Zo%C3%AB+%26+Co"),
            effect: Effect::Face("Zoë &amp; Co"),
        },
        Row {
            name: "client-java-upload",
            request: sent::java_upload("/?Action=AddFaceImages", &fields("F,G"), &[one, other], 2_048),
            effect: Effect::Pictures(vec![one.to_owned(), other.to_owned()]),
        },
        Row {
            name: "client-java-train",
            request: sent::java_upload(
                "/?Action=TrainFace",
                &[("database", "my db"), ("identifier", "Q & Co"), ("imagelabels", "F,G")],
                &[one, other],
                2_048,
            ),
            effect: Effect::Trained("Q &amp; Co"),
        },
        Row {
            name: "client-java-path",
            request: sent::java_get(&format!(
                "/mediaserver/?Action=QueueInfo&QueueAction=GetStatus&QueueName=FaceClustering&Token={TOKEN}"
            )),
            effect: Effect::None,
        },
        Row {
            name: "client-java-error",
            request: sent::java_get("/?Action=NewFace&database=LFW&identifier=Zo%C3%AB"),
            effect: Effect::None,
        },
    ]
}

fn of_curl() -> Vec<Row> {
    let (one, other) = (PICTURE, &*other_picture());
    let both = || Effect::Pictures(vec![one.to_owned(), other.to_owned()]);
    let files = [("a.jpg", one), ("b.jpg", other)];
    let with_action: Vec<_> = [("action", "AddFaceImages")].into_iter().chain(fields("F")).collect();
    vec![
        Row {
            name: "client-curl-file",
            request: sent::curl_files("/", &with_action, &files[..1]),
            effect: Effect::Pictures(vec![one.to_owned()]),
        },
        Row {
            name: "client-curl-files",
            request: sent::curl_files("/action=AddFaceImages", &fields("F,G"), &files),
            effect: both(),
        },
        Row {
            name: "client-curl-files-in-one-field",
            request: sent::curl_files_in_one_field("/action=AddFaceImages", &fields("F,G"), &files),
            effect: both(),
        },
        Row {
            name: "client-curl-data",
            request: sent::curl_data(&format!(
                "action=AddFaceImages&database=my+db&identifier=Zo%C3%AB&imagelabels=F&imagedata={PICTURE_IN_BASE64}"
            )),
            effect: Effect::Pictures(vec![one.to_owned()]),
        },
        Row { name: "client-curl-probe", request: sent::curl_get("/a=getpid"), effect: Effect::None },
    ]
}

fn of_scripts() -> Vec<Row> {
    let poll = "/?action=QueueInfo&QueueAction=GetStatus&maxResults=100&queueName=FACECLUSTERING&responseformat=json";
    let status = |format| format!("/?action=GetStatus&responseformat={format}&actionid=exporter");
    vec![
        Row {
            name: "client-python-requests",
            request: sent::python_requests_file(
                "/action=AddFaceImages&database=my%20db&identifier=Zo%C3%AB&imagelabels=F",
                "a.jpg",
                PICTURE,
            ),
            effect: Effect::Pictures(vec![PICTURE.to_owned()]),
        },
        Row { name: "client-script-poll", request: sent::python_requests_get(poll), effect: Effect::None },
        Row {
            name: "client-script-poll-trainings",
            request: sent::python_requests_get(&poll.replace("FACECLUSTERING", "TRAINFACE")),
            effect: Effect::None,
        },
        Row { name: "client-exporter-json", request: sent::python_urllib_get(&status("json")), effect: Effect::None },
        Row {
            name: "client-exporter-simplejson",
            request: sent::python_requests_get(&status("simplejson")),
            effect: Effect::None,
        },
    ]
}

fn rows() -> impl Iterator<Item = Row> {
    [of_java(), of_curl(), of_scripts()].into_iter().flatten()
}

/// The names of the goldens.
pub(crate) fn names() -> impl Iterator<Item = &'static str> {
    rows().map(|row| row.name)
}

/// The world with the database that the clients know.
pub(crate) fn world() -> World {
    let world = World::new();
    world.get("/action=CreateFaceDatabase&database=my%20db");
    world.get("/action=NewFace&database=my%20db&identifier=Zo%C3%AB");
    world
}

/// The bytes of Zoë's picture.
pub(crate) fn stored(world: &World, label: &str) -> String {
    let target = format!("/action=GetFaceImage&database=my%20db&identifier=Zo%C3%AB&imagelabel={label}");
    let answer = world.get(&target);
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.contains("content-type: image/bmp"), "{answer}");
    body.to_owned()
}

fn check(world: &World, name: &str, effect: &Effect) {
    let listed = world.get("/action=ListFaces&database=my%20db&imagestatus=true");
    match effect {
        Effect::None => assert!(listed.contains("<numimages>0<") && listed.matches("<entry>").count() == 1, "{name}"),
        Effect::Face(identifier) => {
            assert!(listed.contains(&format!("<identifier>{identifier}</identifier>")), "{name}: {listed}");
        }
        Effect::Trained(identifier) => {
            world.finish("TrainFace", &world.waiting_job("TrainFace"));
            let listed = world.get("/action=ListFaces&database=my%20db");
            let face = format!("<identifier>{identifier}</identifier><numimages>2</numimages><numtrained>2<");
            assert!(listed.contains(&face), "{name}: {listed}");
        }
        Effect::Pictures(pictures) => {
            assert!(listed.contains(&format!("<numimages>{}<", pictures.len())), "{name}: {listed}");
            for (label, picture) in ["F", "G"].into_iter().zip(pictures) {
                assert_eq!(&stored(world, label), picture, "{name}");
            }
        }
    }
}

#[test]
fn r181_r182_every_request_that_real_clients_send_is_answered_so() {
    for Row { name, request, effect } in rows() {
        are_golden(name, &request, |request| {
            let world = world();
            let answer = world.converse(request);
            check(&world, name, &effect);
            masked(&answer)
        });
    }
}

#[test]
fn r181_scripts_find_the_status_of_the_first_action_in_json() {
    let Some(poll) = rows().find(|row| row.name == "client-script-poll") else { panic!("it is there") };
    let answer = world().converse(&poll.request);
    let value: serde_json::Value = serde_json::from_str(answer.split_once("\r\n\r\n").unwrap().1).unwrap();
    assert_eq!(value["autnresponse"]["responsedata"]["actions"]["action"][0]["status"]["$"], "Finished");
}
