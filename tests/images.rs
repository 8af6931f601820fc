//! The actions of contract chapter 7 and the export, asked of the engine without a socket: what each answers, each of its
//! errors, and the order in which errors are reported (R58).

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::fs;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use faceclique::aci::actions::{Actions, Facts};
use faceclique::aci::{Client, Media, Part, Reply, Request, Service, Upload, Value};
use faceclique::engine::{Engine, Settings, worker};
use jiff::tz::TimeZone;
use tempfile::TempDir;
use tokio::sync::oneshot;

/// An engine with its actions and a worker.
struct World {
    actions: Actions,
    folder: TempDir,
    _stop: oneshot::Sender<()>,
    _runtime: tokio::runtime::Runtime,
}

/// An answer and what it is.
#[derive(Default)]
struct Answered {
    media: Option<Media>,
    bytes: Vec<u8>,
}

impl io::Write for Answered {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Reply for Answered {
    fn declare(&mut self, media: Media) {
        self.media = Some(media);
    }
}

impl World {
    /// Database `d` with the face `ann`, and database `e` without faces.
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        for name in ["in", "out"] {
            fs::create_dir(folder.path().join(name)).unwrap();
        }
        let mut settings = Settings::new(folder.path().join("data"));
        settings.allowed_input = vec![folder.path().join("in")];
        settings.allowed_output = vec![folder.path().join("out")];
        (settings.max_picture, settings.max_pictures) = (1_000, 3);
        let engine = Engine::open(settings).unwrap();
        let (stop, stopped) = oneshot::channel();
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
        runtime.spawn(worker::run(Arc::clone(&engine), async {
            let _ = stopped.await;
        }));
        let facts = Facts::now(SocketAddr::from(([127, 0, 0, 1], 14_000)), None, 1);
        let world =
            Self { actions: Actions::new(engine, facts, TimeZone::UTC), folder, _stop: stop, _runtime: runtime };
        world.done("CreateFaceDatabase", "database=d");
        world.done("CreateFaceDatabase", "database=e");
        world.done("NewFace", "database=d&identifier=ann");
        world
    }

    fn path(&self, name: &str) -> String {
        self.folder.path().join(name).to_str().unwrap().to_owned()
    }

    fn asked(&self, action: &str, parameters: &str, uploads: &[(&str, &[u8])]) -> Answered {
        let text = |(name, value): (&str, &str)| Part { name: name.to_owned(), value: Value::Text(value.to_owned()) };
        let mut parts = vec![text(("action", action))];
        parts.extend(parameters.split('&').filter_map(|pair| pair.split_once('=')).map(text));
        parts.extend(uploads.iter().map(|(name, bytes)| Part {
            name: (*name).to_owned(),
            value: Value::Upload(Upload::from_bytes(bytes.to_vec(), Some("text/plain".to_owned()))),
        }));
        let mut answered = Answered::default();
        let client = Client { address: SocketAddr::from(([127, 0, 0, 1], 1)), bearer: None, identity: None };
        self.actions.answer(Ok(Request::new(parts).unwrap()), &client, &mut answered).unwrap();
        answered
    }

    /// The answer, which must be a success.
    fn with(&self, action: &str, parameters: &str, uploads: &[(&str, &[u8])]) -> String {
        let text = String::from_utf8(self.asked(action, parameters, uploads).bytes).unwrap();
        assert!(text.contains("<response>SUCCESS</response>"), "{action} {parameters}: {text}");
        between(&text, "<responsedata>", "</responsedata></autnresponse>").to_owned()
    }

    fn done(&self, action: &str, parameters: &str) -> String {
        self.with(action, parameters, &[])
    }

    /// The error: its number and its description.
    fn refused_with(&self, action: &str, parameters: &str, uploads: &[(&str, &[u8])]) -> (u16, String) {
        let text = String::from_utf8(self.asked(action, parameters, uploads).bytes).unwrap();
        assert!(text.contains("<response>ERROR</response>"), "{action} {parameters}: {text}");
        let number = u16::from_str_radix(between(&text, "<rawerrorid>0x", "</"), 16).unwrap();
        (number, between(&text, "<errordescription>", "</").to_owned())
    }

    fn refused(&self, action: &str, parameters: &str) -> (u16, String) {
        self.refused_with(action, parameters, &[])
    }

    fn number(&self, action: &str, parameters: &str) -> u16 {
        self.refused(action, parameters).0
    }

    /// All faces of both databases.
    fn listed(&self) -> String {
        let list = |database: &str| {
            let parameters = format!("database={database}&imagestatus=true&metadata=true&failreason=true");
            self.done("ListFaces", &parameters)
        };
        format!("{}|{}", list("d"), list("e"))
    }

    /// What a job came to, as QueueInfo shows it.
    fn job(&self, action: &str, parameters: &str, uploads: &[(&str, &[u8])]) -> String {
        let answer = self.with(action, parameters, uploads);
        let token = between(&answer, "<token>", "</token>");
        let begun = Instant::now();
        loop {
            let shown = self.done("QueueInfo", &format!("queuename={action}&queueaction=getstatus&token={token}"));
            if !["Queued", "Processing"].iter().any(|state| shown.contains(&format!("<status>{state}<"))) {
                return shown;
            }
            assert!(begun.elapsed() < Duration::from_mins(2), "it does not end: {shown}");
            std::thread::sleep(Duration::from_millis(2)); // between two polls
        }
    }
}

/// The text between two others.
fn between<'a>(text: &'a str, begin: &str, end: &str) -> &'a str {
    let (_, text) = text.split_once(begin).unwrap_or_else(|| panic!("no {begin} in {text}"));
    text.split_once(end).unwrap_or_else(|| panic!("no {end} in {text}")).0
}

const PNG: &[u8] = b"\x89PNG\r\n\x1A\n and so on";

#[test]
fn r131_r133_pictures_are_added_listed_and_given_back_as_they_are() {
    let world = World::new();
    fs::write(world.path("in/x.jpg"), b"\xFF\xD8\xFF jpeg").unwrap();
    fs::write(world.path("in/a, b.bmp"), b"BM").unwrap();
    let uploads: [(&str, &[u8]); 2] = [("imagedata", PNG), ("imagedata", b"not a picture")];
    let added = world.with("AddFaceImages", "database=d&identifier=ann&imagelabels=one,two", &uploads);
    let expected = "<images><image><index>1</index><label>one</label></image>\
        <image><index>2</index><label>two</label></image></images>";
    assert_eq!(added, expected);
    let paths = format!("{},\"{}\"", world.path("in/x.jpg"), world.path("in/a, b.bmp"));
    world.done("AddFaceImages", &format!("database=d&identifier=ann&imagepath={paths}&imagelabels=3,4"));
    fs::remove_file(world.path("in/x.jpg")).unwrap(); // R64: read when the request was accepted
    let generated = world.with("AddFaceImages", "database=d&identifier=ann", &uploads[..1]);
    let generated = between(&generated, "<label>", "</label>");
    assert!(generated.len() == 32 && generated.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')), "{generated}");
    let image = "<label>one</label><status>untrained</status><hasimagedata>true</hasimagedata>";
    assert!(world.listed().contains(image), "{}", world.listed());
    for (label, kind, bytes) in [
        ("one", "image/png", PNG),
        ("two", "application/octet-stream", b"not a picture"),
        ("3", "image/jpeg", b"\xFF\xD8\xFF jpeg"),
        ("4", "image/bmp", b"BM"),
    ] {
        let answer = world.asked("GetFaceImage", &format!("database=d&identifier=ann&imagelabel={label}"), &[]);
        assert_eq!(answer.bytes, bytes, "{label}");
        assert_eq!(answer.media, Some(Media::Other(kind.to_owned())), "{label}");
    }
    let thumbnail = world.refused("GetFaceImage", "database=d&identifier=ann&imagelabel=one&thumbnail=true");
    assert_eq!(thumbnail.0, 44);
    assert!(thumbnail.1.starts_with(
        "'imagelabel=one' in 'identifier=ann' of 'database=d' holds no picture that can be shown small: "
    ));
}

#[test]
fn r58_the_errors_of_addfaceimages_in_their_order() {
    let world = World::new();
    world.with("AddFaceImages", "database=d&identifier=ann&imagelabels=old", &[("imagedata", PNG)]);
    fs::write(world.path("in/large"), [0; 1_001]).unwrap();
    fs::write(world.path("in/fits"), [0; 1_000]).unwrap();
    fs::write(world.path("secret"), "secret").unwrap();
    let before = world.listed();
    let (fits, large, secret) = (world.path("in/fits"), world.path("in/large"), world.path("secret"));
    let some: &[(&str, &[u8])] = &[("imagedata", PNG)];
    let two: &[(&str, &[u8])] = &[("imagedata", PNG), ("imagedata", PNG)];
    let embedding: &[(&str, &[u8])] = &[("embedding", b"1,0")];
    let both: &[(&str, &[u8])] = &[("embedding", b"1,0"), ("imagedata", PNG)];
    let long = "x".repeat(255);
    for (expected, parameters, uploads) in [
        (10, format!("database=d&identifier={long}"), &[][..]),
        (10, format!("database={long}"), some),
        (12, format!("database={long}&identifier=ann&imagepath={secret}&imagelabels=a,b"), some),
        (11, format!("database=d&identifier=ann&imagelabels=a,,b&imagepath={secret}"), some),
        (11, "database=no&identifier=ann".to_owned(), &[("embedding", b"zero")]),
        (20, format!("database=no&identifier=ann&imagepath={secret},b,c,d&imagelabels=a"), &[]),
        (14, format!("database=no&identifier=ann&imagelabels=a,b&imagepath={fits}"), some),
        (14, "database=no&identifier=ann".to_owned(), both),
        (14, format!("database=d&identifier=ann&imagepath={fits}"), embedding),
        (14, "database=d&identifier=ann&model=cosine".to_owned(), some),
        (15, format!("database=no&identifier=ann&imagelabels=a,b&imagepath={secret}"), &[]),
        (15, "database=no&identifier=ann&imagelabels=a".to_owned(), two),
        (15, "database=no&identifier=ann&imagelabels=a,a".to_owned(), two),
        (31, format!("database=no&identifier=ann&imagepath={fits},{secret}"), &[]),
        (31, format!("database=no&identifier=ann&imagepath={}/../secret", world.path("in")), &[]),
        (32, format!("database=no&identifier=ann&imagepath={}", world.path("in/nothing")), &[]),
        (20, format!("database=no&identifier=ann&imagepath={fits},{large}"), &[]),
        (20, "database=d&identifier=ann".to_owned(), &[("imagedata", &[0; 1_001])]),
        (40, "database=no&identifier=ann&imagelabels=old".to_owned(), some),
        (40, format!("database=no&identifier=ann&imagepath={fits}"), &[]),
        (41, "database=d&identifier=no&imagelabels=old".to_owned(), some),
        (47, "database=d&identifier=ann&imagelabels=new,old".to_owned(), two),
    ] {
        let (number, text) = world.refused_with("AddFaceImages", &parameters, uploads);
        assert_eq!(number, expected, "{parameters}: {text}");
    }
    let (_, text) = world.refused("AddFaceImages", &format!("database=d&identifier=ann&imagepath={large}"));
    assert_eq!(
        text,
        format!(
            "'imagepath={large}': a picture has too many bytes, more than the limit of 1000 (setting MaxFileUploadSize)"
        )
    );
    assert_eq!(world.listed(), before, "R57: nothing has changed");
    let pictures = fs::read_dir(world.path("data/pictures")).unwrap();
    let left: usize = pictures.map(|folder| fs::read_dir(folder.unwrap().path()).unwrap().count()).sum();
    assert_eq!(left, 1, "and nothing is left behind");
}

#[test]
fn r131_images_are_relabelled_moved_and_removed() {
    let world = World::new();
    world.done("NewFace", "database=e&identifier=bob");
    let three: [(&str, &[u8]); 3] = [("imagedata", b"1"), ("imagedata", b"2"), ("imagedata", b"3")];
    world.with("AddFaceImages", "database=d&identifier=ann&imagelabels=1,2,3", &three);
    assert_eq!(world.done("RelabelFaceImage", "database=d&identifier=ann&imagelabel=1&newimagelabel=one"), "");
    let moved = "database=d&identifier=ann&imagelabel=one&newidentifier=bob&newdatabase=e";
    assert_eq!(world.done("MoveFaceImage", moved), "");
    assert_eq!(world.asked("GetFaceImage", "database=e&identifier=bob&imagelabel=one", &[]).bytes, b"1");
    assert_eq!(world.done("NullFaceImageData", "database=e&identifier=bob"), "");
    assert_eq!(world.refused("GetFaceImage", "database=e&identifier=bob&imagelabel=one").0, 44);
    assert!(world.listed().contains("<label>one</label><status>untrained</status><hasimagedata>false</hasimagedata>"));
    assert_eq!(world.done("NullFaceImageData", "database=d&identifier=ann&imagelabels=2"), "");
    assert_eq!(world.done("RemoveFaceImages", "database=d&identifier=ann&imagelabels=2"), "");
    let before = world.listed();
    let image = "database=d&identifier=ann&imagelabel=3";
    for (expected, action, parameters) in [
        (40, "RelabelFaceImage", "database=no&identifier=ann&imagelabel=3&newimagelabel=x"),
        (41, "RelabelFaceImage", "database=d&identifier=no&imagelabel=3&newimagelabel=x"),
        (42, "RelabelFaceImage", "database=d&identifier=ann&imagelabel=no&newimagelabel=3"),
        (47, "RelabelFaceImage", "database=d&identifier=ann&imagelabel=3&newimagelabel=3"),
        (10, "RelabelFaceImage", image),
        (10, "MoveFaceImage", image),
        (40, "MoveFaceImage", &format!("{image}&newidentifier=bob&newdatabase=no")),
        (41, "MoveFaceImage", &format!("{image}&newidentifier=bob")),
        (42, "MoveFaceImage", "database=d&identifier=ann&imagelabel=no&newidentifier=no"),
        (47, "MoveFaceImage", &format!("{image}&newidentifier=ann")),
        (10, "RemoveFaceImages", "database=d&identifier=ann"),
        (11, "RemoveFaceImages", "database=d&identifier=ann&imagelabels="),
        (10, "RemoveFaceImages", "database=d&imagelabels="),
        (15, "RemoveFaceImages", "database=d&identifier=ann&imagelabels=3,3"),
        (41, "RemoveFaceImages", "database=d&identifier=no&imagelabels=3"),
        (42, "RemoveFaceImages", "database=d&identifier=ann&imagelabels=3,2"),
        (11, "NullFaceImageData", "database=d&identifier=ann&imagelabels="),
        (15, "NullFaceImageData", "database=d&identifier=ann&imagelabels=3,3"),
        (42, "NullFaceImageData", "database=d&identifier=ann&imagelabels=3,2"),
        (40, "GetFaceImage", "database=no&identifier=ann&imagelabel=3"),
        (41, "GetFaceImage", "database=d&identifier=no&imagelabel=3"),
        (42, "GetFaceImage", "database=d&identifier=ann&imagelabel=2"),
    ] {
        assert_eq!(world.number(action, parameters), expected, "{action} {parameters}");
    }
    let (_, text) = world.refused("RemoveFaceImages", "database=d&identifier=ann&imagelabels=3,2");
    assert_eq!(text, "'imagelabel=2' does not exist in 'identifier=ann' of 'database=d'", "R54");
    assert_eq!(world.listed(), before, "R57: nothing has changed");
}

#[test]
fn r127_faces_are_renamed_and_moved_with_images_and_metadata() {
    let world = World::new();
    world.with("AddFaceImages", "database=d&identifier=ann&imagelabels=1", &[("embedding", b"[1,0]")]);
    world.done("AddFaceMetadata", "database=d&identifier=ann&key=born&value=1930");
    assert_eq!(world.done("RenameFace", "database=d&identifier=ann&newidentifier=eve"), "");
    assert_eq!(world.done("MoveFace", "database=d&identifier=eve&newdatabase=e"), "");
    let face = "|<entry><identifier>eve</identifier><numimages>1</numimages><numtrained>1</numtrained>\
        <numfailed>0</numfailed><numuntrained>0</numuntrained>\
        <images><image><label>1</label><status>trained</status><hasimagedata>false</hasimagedata></image></images>\
        <metadata><item><key>born</key><value>1930</value></item></metadata></entry>";
    assert_eq!(world.listed(), face, "within one model the training stays");
    world.done("NewFace", "database=d&identifier=ann");
    world.done("NewFace", "database=d&identifier=eve");
    let before = world.listed();
    for (expected, action, parameters) in [
        (40, "RenameFace", "database=no&identifier=ann&newidentifier=x"),
        (41, "RenameFace", "database=d&identifier=no&newidentifier=ann"),
        (46, "RenameFace", "database=d&identifier=ann&newidentifier=ann"),
        (12, "RenameFace", "database=d&identifier=ann&newidentifier=a\u{85}"),
        (40, "MoveFace", "database=no&identifier=ann&newdatabase=e"),
        (41, "MoveFace", "database=d&identifier=no&newdatabase=e"),
        (40, "MoveFace", "database=d&identifier=ann&newdatabase=no"),
        (46, "MoveFace", "database=d&identifier=eve&newdatabase=e"),
        (46, "MoveFace", "database=d&identifier=ann&newdatabase=d"),
        (40, "RenameFaceDatabase", "database=no&newdatabase=d"),
        (45, "RenameFaceDatabase", "database=d&newdatabase=e"),
        (45, "RenameFaceDatabase", "database=d&newdatabase=d"),
    ] {
        assert_eq!(world.number(action, parameters), expected, "{action} {parameters}");
    }
    assert_eq!(world.listed(), before, "R57: nothing has changed");
    assert_eq!(world.done("RenameFaceDatabase", "database=e&newdatabase=f"), "");
    let databases = "<database><database>d</database><numentries>2</numentries></database>\
        <database><database>f</database><numentries>1</numentries></database>";
    assert_eq!(world.done("ListFaceDatabases", ""), databases);
}

#[test]
fn r136_what_moves_to_another_model_is_untrained() {
    let world = World::new();
    world.with("AddFaceImages", "database=d&identifier=ann&imagelabels=1", &[("embedding", b"1,0")]);
    world.done("NewFace", "database=e&identifier=bob");
    world.with("AddFaceImages", "database=e&identifier=bob&imagelabels=2", &[("embedding", b"1,0,0")]);
    world.done("MoveFaceImage", "database=d&identifier=ann&imagelabel=1&newidentifier=bob&newdatabase=e");
    let images = "<images><image><label>1</label><status>untrained</status><hasimagedata>false</hasimagedata></image>\
        <image><label>2</label><status>trained</status><hasimagedata>false</hasimagedata></image></images>";
    assert!(world.listed().contains(images), "{}", world.listed());
    world.done("MoveFace", "database=e&identifier=bob&newdatabase=d");
    assert!(
        world.listed().contains("<numtrained>0</numtrained><numfailed>0</numfailed><numuntrained>2</numuntrained>")
    );
}

#[test]
fn r127_r128_metadata_are_added_changed_and_removed() {
    let world = World::new();
    assert_eq!(world.done("AddFaceMetadata", "database=d&identifier=ann&key=note&value=a < b"), "");
    assert_eq!(world.done("AddFaceMetadata", "database=d&identifier=ann&key=born&value=1930"), "");
    assert_eq!(world.done("UpdateFaceMetadata", "database=d&identifier=ann&key=born&newvalue=1931"), "");
    let items = "<metadata><item><key>born</key><value>1931</value></item>\
        <item><key>note</key><value>a &lt; b</value></item></metadata>";
    assert!(world.listed().contains(items), "{}", world.listed());
    assert_eq!(world.done("RemoveFaceMetadata", "database=d&identifier=ann&key=note"), "");
    let before = world.listed();
    let face = "database=d&identifier=ann";
    for (expected, action, parameters) in [
        (48, "AddFaceMetadata", format!("{face}&key=born&value=1")),
        (10, "AddFaceMetadata", format!("{face}&key=x")),
        (12, "AddFaceMetadata", format!("{face}&key=x&value=\u{7F}")),
        (12, "AddFaceMetadata", format!("{face}&key={}&value=1", "k".repeat(255))),
        (43, "UpdateFaceMetadata", format!("{face}&key=note&newvalue=1")),
        (10, "UpdateFaceMetadata", format!("{face}&key=born&value=1")),
        (43, "RemoveFaceMetadata", format!("{face}&key=note")),
        (41, "RemoveFaceMetadata", "database=d&identifier=no&key=note".to_owned()),
        (40, "AddFaceMetadata", "database=no&identifier=ann&key=k&value=v".to_owned()),
    ] {
        assert_eq!(world.number(action, &parameters), expected, "{action} {parameters}");
    }
    let (_, text) = world.refused("RemoveFaceMetadata", &format!("{face}&key=note"));
    assert_eq!(text, "'key=note' does not exist in 'identifier=ann' of 'database=d'");
    assert_eq!(world.listed(), before, "R57: nothing has changed");
}

#[test]
fn r178_why_an_image_failed_is_shown_when_asked() {
    let world = World::new();
    let rows = "{\"identifier\":\"f\",\"imagelabel\":\"1\",\"status\":\"failed\",\"reason\":\"severalfaces\"}\n\
        {\"identifier\":\"f\",\"imagelabel\":\"2\",\"status\":\"failed\"}\n";
    let job = world.job("ImportFaceDatabase", "database=e&format=jsonl", &[("dbdata", rows.as_bytes())]);
    assert!(job.contains("<status>Finished</status>"), "{job}");
    let shown = world.done("ListFaces", "database=e&imagestatus=true&failreason=true");
    let images = "<image><label>1</label><status>failed</status><hasimagedata>false</hasimagedata>\
        <reason>severalfaces</reason></image><image><label>2</label><status>failed</status>\
        <hasimagedata>false</hasimagedata><reason>nodata</reason></image>";
    assert!(shown.contains(images), "{shown}");
    assert!(!world.done("ListFaces", "database=e&imagestatus=true").contains("reason"), "R163");
}

#[test]
fn r175_an_export_is_a_job_that_says_what_is_in_the_file() {
    let world = World::new();
    world.with("AddFaceImages", "database=d&identifier=ann&imagelabels=1", &[("imagedata", PNG)]);
    world.done("NewFace", "database=d&identifier=bob");
    let path = world.path("out/d.jsonl");
    let job = world.job("ExportFaceDatabase", &format!("database=d&dbpath={path}"), &[]);
    let result =
        "<database>d</database><numfaces>2</numfaces><numimages>1</numimages><numskipped>0</numskipped><token>";
    assert!(job.contains("<status>Finished</status>") && job.contains(result), "{job}");
    let file = fs::read(&path).unwrap();
    let job = world.job("ImportFaceDatabase", "database=e&format=jsonl", &[("dbdata", &file)]);
    assert!(job.contains("<numfaces>2</numfaces><numimages>1</numimages>"), "{job}");
    let (d, e) = world.listed().split_once('|').map(|(d, e)| (d.to_owned(), e.to_owned())).unwrap();
    assert_eq!(d, e);
    assert_eq!(world.asked("GetFaceImage", "database=e&identifier=ann&imagelabel=1", &[]).bytes, PNG);
    let out = world.path("out");
    for (expected, parameters) in [
        (10, "database=d".to_owned()),
        (10, format!("database=d&dbpath={out}/x")),
        (11, format!("database=d&dbpath={out}/x&format=xml")),
        (31, format!("database=no&dbpath={}", world.path("x.csv"))),
        (31, format!("database=no&dbpath={out}/../x.csv")),
        (32, format!("database=no&dbpath={path}")),
        (32, format!("database=no&dbpath={out}/none/x.csv")),
    ] {
        assert_eq!(world.number("ExportFaceDatabase", &parameters), expected, "{parameters}");
    }
    let job = world.job("ExportFaceDatabase", &format!("database=no&dbpath={out}/no.csv"), &[]);
    let error = "<error>'database=no' does not exist (FACECLIQUEEXPORTFACEDATABASE40)</error>";
    assert!(job.contains("<status>Error</status>") && job.contains(error), "R55: {job}");
    assert!(!std::path::Path::new(&format!("{out}/no.csv")).exists());
}
