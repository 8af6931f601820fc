//! Pictures trained by the real program: what is found, what fails and why, and what a kill in the middle leaves.
//!
//! Three kills by default; `KILLS=20` for more, as `make soak-train` does.
#![cfg(all(feature = "server", feature = "vision"))]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[path = "support/drawn.rs"]
mod drawn;
#[path = "support/random.rs"]
mod random;
#[path = "support/server.rs"]
mod server;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Write as _;
use std::path::Path;

use drawn::{draw, encoded, portrait, tiny_pack, wall};
use image::{ImageFormat, RgbImage};
use random::Random;
use server::{Server, between, partition, program, token, wait_for};

fn png(image: RgbImage) -> Vec<u8> {
    encoded(image, ImageFormat::Png)
}

/// A server that trains by the tiny pack, with these lines of configuration.
fn start(data: &Path, config: &str) -> Server {
    let file = data.join("faceclique.toml");
    fs::write(&file, format!("{config}\n[vision]\npack = '{}'\n", tiny_pack().display())).unwrap();
    Server::start_with(data, &["--config", file.to_str().unwrap()])
}

fn success(answer: &str) -> &str {
    assert!(answer.contains("<response>SUCCESS</response>"), "{answer}");
    answer
}

/// A new face with these pictures, labelled from 1.
fn add(server: &Server, database: &str, face: &str, pictures: &[Vec<u8>]) {
    success(&server.get(&format!("/action=NewFace&database={database}&identifier={face}")));
    let labels: Vec<String> = (1..=pictures.len()).map(|label| label.to_string()).collect();
    let target =
        format!("/action=AddFaceImages&database={database}&identifier={face}&imagelabels={}", labels.join(","));
    let parts: Vec<_> = pictures.iter().map(|picture| ("imagedata", "image/png", &picture[..])).collect();
    success(&server.post(&target, &parts));
}

/// A job that ends well, by its answer in the queue of its name.
fn done(server: &Server, action: &str, parameters: &str) -> String {
    let token = server.submit(&format!("/action={action}&{parameters}"));
    let answer = server.ended(action, &token);
    assert!(answer.contains("<status>Finished</status>"), "{answer}");
    answer
}

/// Two faces, of about one size.
fn couple() -> RgbImage {
    let mut image = wall(600, 300);
    draw(&mut image, 1, (150.0, 150.0), 40.0);
    draw(&mut image, 2, (450.0, 150.0), 38.0);
    image
}

fn with_face(width: u32, height: u32, person: u32, eyes: f32) -> Vec<u8> {
    let mut image = wall(width, height);
    draw(&mut image, person, (width as f32 / 2.0, height as f32 / 2.0), eyes);
    png(image)
}

/// What ListFaces says of each image of a face: its label, status and reason.
fn images(server: &Server, database: &str, face: &str) -> Vec<String> {
    let list = server.get(&format!("/action=ListFaces&database={database}&imagestatus=true&failreason=true"));
    let (_, rest) = list.split_once(&format!("<identifier>{face}</identifier>")).unwrap_or_else(|| panic!("{list}"));
    let of = |image: &str| {
        let reason = image.split_once("<reason>").map_or("", |(_, rest)| rest.split('<').next().unwrap());
        format!("{} {} {reason}", between(image, "<label>", "<"), between(image, "<status>", "<"))
    };
    rest.split("</images>").next().unwrap().split("<image>").skip(1).map(of).collect()
}

#[test]
fn a_server_trains_pictures_and_finds_the_one_that_is_filed_wrongly() {
    let data = tempfile::tempdir().unwrap();
    let server = start(data.path(), "");
    success(&server.get("/action=CreateFaceDatabase&database=people"));
    add(&server, "people", "ann", &[png(portrait(1)), with_face(420, 400, 1, 71.0), with_face(300, 300, 2, 55.0)]);
    add(&server, "people", "bob", &[png(portrait(2)), encoded(portrait(2), ImageFormat::Jpeg)]);
    let built = done(&server, "BuildFace", "database=people&identifier=ann");
    assert!(built.contains("<numImages>3</numImages><numTrained>3</numTrained>"), "{built}");
    let all = done(&server, "BuildAllFaces", "database=people&numparallel=4");
    assert!(all.contains("<identifier>bob</identifier><numimages>2</numimages><numtrained>2</numtrained>"), "{all}");
    assert!(!all.contains("<identifier>ann<"), "nothing of hers was left: {all}");
    let target = "/action=TrainFace&database=people&identifier=cleo&imagelabels=1,2&metadata=born:1930";
    let (third, blank) = (png(portrait(3)), png(wall(90, 70)));
    let trained = token(&server.post(target, &[("imagedata", "", &third), ("imagedata", "", &blank)]));
    let trained = server.ended("TrainFace", &trained);
    assert!(trained.contains("<numImages>2</numImages><numTrained>1</numTrained>"), "{trained}");
    assert_eq!(images(&server, "people", "cleo"), ["1 trained ", "2 failed noface"]);

    let names = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect::<BTreeSet<String>>();
    let answer = server.cluster("database=people&clusterthreshold=80&search=exact");
    let expected = [names(&["ann/1", "ann/2"]), names(&["ann/3", "bob/1", "bob/2"]), names(&["cleo/1"])];
    assert_eq!(partition(&answer), expected.into_iter().collect(), "{answer}");
    assert_eq!(
        server.said("training pictures").len() + server.said("ERROR").len(),
        0,
        "all of it was said at the start"
    );
}

#[test]
fn r178_each_picture_that_fails_says_why_and_the_others_are_trained() {
    let data = tempfile::tempdir().unwrap();
    let server = start(data.path(), "[limits]\nmax_image_pixels = 200000");
    success(&server.get("/action=CreateFaceDatabase&database=people"));
    let jpeg = encoded(portrait(1), ImageFormat::Jpeg);
    let pictures = [
        png(portrait(1)),
        png(wall(90, 70)),
        png(couple()),
        with_face(100, 100, 1, 8.5),
        b"Dear Ann, here is the picture.".to_vec(),
        with_face(500, 401, 1, 60.0),
        jpeg[..jpeg.len() / 2].to_vec(),
        png(portrait(1)),
        with_face(500, 400, 1, 60.0), // as many pixels as are allowed
    ];
    add(&server, "people", "ann", &pictures);
    success(&server.get("/action=NullFaceImageData&database=people&identifier=ann&imagelabels=8"));
    let built = done(&server, "BuildFace", "database=people&identifier=ann&numparallel=2");
    assert!(built.contains("<numImages>9</numImages><numTrained>2</numTrained>"), "{built}");
    let expected = [
        "1 trained ",
        "2 failed noface",
        "3 failed severalfaces",
        "4 failed toosmall",
        "5 failed unreadable",
        "6 failed toolarge",
        "7 failed unreadable",
        "8 failed nodata",
        "9 trained ",
    ];
    assert_eq!(images(&server, "people", "ann"), expected);
    let again = done(&server, "BuildAllFaces", "");
    assert!(!again.contains("<entry>"), "failed images are left alone: {again}");
    assert_eq!(images(&server, "people", "ann"), expected);

    // what is too large for the server, or no picture, has no thumbnail
    let get = |label: u32, how: &str| {
        let image = format!("database=people&identifier=ann&imagelabel={label}&{how}");
        let request =
            format!("GET /action=GetFaceImage&{image} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
        server.raw(request.as_bytes())
    };
    let small = |label: u32| get(label, "thumbnail=true");
    let shown = |label: u32, how: &str| get(label, how).1;
    for (label, size) in [(1, (133, 160)), (9, (160, 128))] {
        let (head, body) = small(label);
        assert!(head.to_ascii_lowercase().contains("content-type: image/jpeg"), "{head}");
        let picture = image::load_from_memory(&body).unwrap();
        assert_eq!((picture.width(), picture.height()), size, "{label}");
    }
    // the face alone is a square of the model's side, also of a picture that shows more than the face
    for label in [1, 9] {
        let crop = shown(label, "crop=true");
        let crop = image::load_from_memory(&crop).unwrap();
        assert_eq!((crop.width(), crop.height()), (32, 32), "{label}");
    }
    for label in [2, 8] {
        let answer = String::from_utf8(shown(label, "crop=true")).unwrap();
        assert!(answer.contains("<errorid>FACECLIQUEGETFACEIMAGE44</errorid>"), "{label}: {answer}");
    }
    let both = String::from_utf8(shown(1, "crop=true&thumbnail=true")).unwrap();
    assert!(both.contains("'thumbnail' and 'crop' are both true"), "{both}");

    // what was measured is told of those that are trained, and the values behind the reason of the others
    let list = server.get("/action=ListFaces&database=people&imagestatus=true&facts=true");
    let told = |label: u32| between(&list, &format!("<label>{label}</label>"), "</image>");
    let width: f32 = between(told(1), "<facewidth>", "</facewidth>").parse().unwrap();
    assert!(width > 60.0 && told(1).contains("<numfaces>1</numfaces>"), "{}", told(1));
    assert!(told(3).contains("<detail>the picture shows 2 faces, the second largest with"), "{}", told(3));
    assert!(told(4).contains("pixels wide, at least") && !told(4).contains("<facts>"), "{}", told(4));
    for label in [5, 6, 8] {
        let answer = String::from_utf8(small(label).1).unwrap();
        assert!(answer.contains("<errorid>FACECLIQUEGETFACEIMAGE44</errorid>"), "{label}: {answer}");
    }

    // with nothing to show for it there is no face
    let target = "/action=TrainFace&database=people&identifier=bob";
    let none = server.ended("TrainFace", &token(&server.post(target, &[("imagedata", "", &pictures[1])])));
    assert!(none.contains("<status>Error</status>") && none.contains("(FACECLIQUETRAINFACE62)"), "{none}");
    assert!(!server.get("/action=ListFaces&database=people").contains("bob"));
}

#[test]
fn r149_a_server_without_a_pack_or_with_another_says_so_and_leaves_images_untrained() {
    let data = tempfile::tempdir().unwrap();
    let server = Server::start(data.path());
    success(&server.get("/action=CreateFaceDatabase&database=people"));
    add(&server, "people", "ann", &[png(portrait(1))]);
    let build = "/action=BuildFace&database=people&identifier=ann";
    let answer = server.ended("BuildFace", &server.submit(build));
    assert!(answer.contains("<status>Error</status>"), "{answer}");
    assert!(answer.contains("this server has no embedding model for pictures: start it with --pack PACK"), "{answer}");
    assert!(answer.contains("(FACECLIQUEBUILDFACE61)"), "{answer}");
    assert_eq!(images(&server, "people", "ann"), ["1 untrained "]);
    server.import("others", b"identifier,imagelabel,e0,e1\nann,1,1,0\n");
    assert!(server.terminate().success());

    let server = start(data.path(), "");
    add(&server, "others", "bob", &[png(portrait(2))]);
    let answer = server.ended("BuildFace", &server.submit("/action=BuildFace&database=others&identifier=bob"));
    assert!(answer.contains("(FACECLIQUEBUILDFACE61)") && answer.contains("'cosine'"), "{answer}");
    assert_eq!(images(&server, "others", "bob"), ["1 untrained "]);
    done(&server, "BuildFace", "database=people&identifier=ann");
    assert_eq!(images(&server, "people", "ann"), ["1 trained "]);
}

#[test]
fn a_folder_of_pictures_is_imported_with_its_folders_as_identities_and_gone_on_with() {
    let data = tempfile::tempdir().unwrap();
    let photos = tempfile::tempdir().unwrap();
    let write = |name: &str, bytes: &[u8]| {
        let path = photos.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    };
    write("Ann Smith/1.png", &png(portrait(1)));
    write("Ann Smith/2.JPG", &encoded(portrait(1), ImageFormat::Jpeg));
    write("Ann Smith/notes.txt", b"not a picture, and not taken for one");
    write("bob/a.jpg", b"not a picture");
    write("bob/a.png", &png(portrait(2)));
    let import = |more: &[&str]| {
        let (data, photos) = (data.path().to_str().unwrap(), photos.path().to_str().unwrap());
        let output = program(&["import", "--data", data, "--database", "people", photos]).args(more).output().unwrap();
        let said = [output.stdout, output.stderr].concat();
        (output.status.success(), String::from_utf8(said).unwrap())
    };
    let (ok, said) = import(&[]);
    assert!(!ok && said.contains("nothing to train them by is named: --pack PACK"), "{said}");
    let tiny = tiny_pack();
    let pack = ["--pack", tiny.to_str().unwrap()];
    let (ok, said) = import(&pack);
    assert!(ok && said.contains("4 pictures of 2 identities looked at"), "{said}");
    assert!(said.contains("trained: 3, not trained: 1") && said.contains("bob       a.jpg    unreadable"), "{said}");
    assert!(!said.contains("left out"), "{said}");
    write("cleo/1.png", &png(portrait(3)));
    write("dan/2019/1.png", &png(portrait(4)));
    write("loose.png", &png(portrait(4)));
    let (ok, said) = import(&pack);
    assert!(said.contains("left out: 2 pictures that are not directly in the folder of an identity"), "{said}");
    assert!(said.contains("dan/2019/1.png"), "{said}");
    assert!(ok && said.contains("1 picture of 3 identities looked at"), "the others were: {said}");
    assert!(said.contains("trained: 4, not trained: 1"), "{said}");
    let server = start(data.path(), "");
    assert_eq!(images(&server, "people", "bob"), ["a.jpg failed unreadable", "a.png trained "]);
    assert_eq!(images(&server, "people", "Ann Smith"), ["1 trained ", "2 trained "]);
}

/// Pictures of six people, of whom each has eight; some show nobody.
fn crowd() -> BTreeMap<String, Vec<Vec<u8>>> {
    let picture = |person: u32, nth: u32| match (person + nth) % 7 {
        3 => png(wall(120, 90 + nth)),
        _ => with_face(200 + 9 * nth, 240 + 7 * person, person, 40.0 + nth as f32),
    };
    (0..6).map(|person| (format!("p{person}"), (0..8).map(|nth| picture(person, nth)).collect())).collect()
}

/// How many images a BuildAllFaces has behind it, by its percentage.
fn percent(server: &Server, token: &str) -> f64 {
    let answer = server.get(&format!("/action=QueueInfo&QueueName=BuildAllFaces&QueueAction=progress&Token={token}"));
    between(&answer, "<percent>", "</percent>").parse().unwrap()
}

/// The database in a file, for comparison.
fn exported(server: &Server, data: &Path, database: &str) -> String {
    let path = data.join(format!("{database}.jsonl"));
    let parameters = format!("database={database}&includeimagedata=false&dbpath={}", path.display());
    done(server, "ExportFaceDatabase", &parameters);
    fs::read_to_string(path).unwrap()
}

#[test]
fn a_build_killed_at_any_moment_goes_on_and_trains_every_image_once() {
    let data = tempfile::tempdir().unwrap();
    let config = format!("[paths]\nallowed_output_directories = ['{}']", data.path().display());
    let kills: usize = std::env::var("KILLS").ok().map_or(3, |text| text.parse().unwrap());
    let (crowd, mut random) = (crowd(), Random::of(7, 0));
    let mut server = start(data.path(), &config);
    let (mut expected, mut unfinished) = (None, 0);
    for round in 0..=kills {
        let database = format!("round{round}");
        success(&server.get(&format!("/action=CreateFaceDatabase&database={database}")));
        for (face, pictures) in &crowd {
            add(&server, &database, face, pictures);
        }
        let token = server.submit(&format!("/action=BuildAllFaces&database={database}&numparallel=2"));
        if round > 0 {
            let moment = random.below(95) as f64;
            wait_for(|| match percent(&server, &token) {
                percent if percent >= moment => Ok(()),
                percent => Err(percent.to_string()),
            });
            server.kill();
            server = start(data.path(), &config);
            unfinished += usize::from(!server.status("BuildAllFaces", &token).contains("<status>Finished<"));
        }
        let answer = server.ended("BuildAllFaces", &token);
        assert!(answer.contains("<status>Finished</status>"), "round {round}: {answer}");
        // the answer names every image once, whichever run has tried it
        let (_, entries) = answer.split_once("<entry>").unwrap();
        let seen = (entries.to_owned(), exported(&server, data.path(), &database));
        assert_eq!(seen.0.matches("<image>").count(), 48, "round {round}: {answer}");
        assert_eq!(seen.1.lines().count(), 48);
        assert_eq!(seen.0.matches("<status>failed<").count(), seen.1.matches("noface").count());
        let unnamed = |text: &str| text.replace(&format!("<database>{database}<"), "<database><").replace(&token, "");
        let seen = (unnamed(&seen.0), seen.1);
        match &expected {
            None => expected = Some(seen),
            Some(expected) => assert!(*expected == seen, "round {round}: another result than without a kill: {answer}"),
        }
    }
    let _ = writeln!(std::io::stderr(), "{unfinished} of {kills} kills came before the end of the build");
    assert!(unfinished * 3 >= kills, "only {unfinished} of {kills} kills came before the end of the build");
}
