//! A data directory with every kind of record in it, and everything it can be asked, as text.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use faceclique::aci::actions::{Actions, Facts};
use faceclique::aci::{Client, Part, Request, Service as _, Value};
use faceclique::engine::{Contents, Engine, Settings};
use faceclique::exchange::{Format, Record, Writer};
use faceclique::face::{DatabaseName, Embedding, Identifier, ImageLabel, ImageStatus};
use jiff::tz::TimeZone;

use crate::appliance::Appliance;
use crate::random::Random;

pub(crate) const DATABASES: [&str; 2] = ["crowd", "couple"];

/// The file in which the questions are, beside the data directory.
const QUESTIONS: &str = "questions";

fn record(row: u64, random: &mut Random, centre: &[f64], picture: Option<Vec<u8>>) -> Record {
    let unit = |random: &mut Random| random.below(2_001) as f64 / 1_000.0 - 1.0;
    let numbers: Vec<f32> = centre.iter().map(|value| (value + 0.4 * unit(random)) as f32).collect();
    let is_trained = picture.is_none() || row.is_multiple_of(2);
    Record {
        row,
        identifier: Identifier::new(&format!("person {}", row / 8)).unwrap(),
        label: ImageLabel::new(&format!("image {}", row % 8)).unwrap(),
        status: if is_trained { ImageStatus::Trained } else { ImageStatus::Untrained },
        model: None,
        embedding: is_trained.then(|| Embedding::new(numbers).unwrap()),
        reason: None,
        picture,
        metadata: if row.is_multiple_of(8) { vec![("row".to_owned(), row.to_string())] } else { Vec::new() },
    }
}

fn write(path: &Path, n_images: u64, n_pictures: u64, random: &mut Random) {
    let mut writer = Writer::create(path, Format::Jsonl, None).unwrap();
    let mut centre = Vec::new();
    for row in 0..n_images {
        if row.is_multiple_of(8) {
            centre = (0..32).map(|_| random.below(2_001) as f64 / 1_000.0 - 1.0).collect();
        }
        let picture = (row < n_pictures).then(|| {
            let n = 300 + random.below(500);
            std::iter::repeat_with(|| random.next() as u8).take(n).collect()
        });
        writer.push(&record(row, random, &centre, picture)).unwrap();
    }
    writer.finish().unwrap();
}

/// Fills `data` with two databases, pictures, jobs that have ended and jobs that wait.
pub(crate) fn make(data: &Path, n_images: u64, seed: u64) {
    let folder = tempfile::tempdir().unwrap();
    let mut random = Random::of(seed, 0);
    let mut questions = vec![vec![("action", "ListFaceDatabases".to_owned())]];
    let mut ask = |parameters: &[(&'static str, &str)]| {
        questions.push(parameters.iter().map(|&(name, value)| (name, value.to_owned())).collect());
    };
    let appliance = Appliance::open(Settings::new(data));
    for (name, n_images, n_pictures) in [(DATABASES[0], n_images, 24), (DATABASES[1], 16, 0)] {
        let path = folder.path().join(format!("{name}.jsonl"));
        write(&path, n_images, n_pictures, &mut random);
        appliance.import(name, &path);
        ask(&[("action", "ListFaces"), ("database", name), ("imagestatus", "true"), ("metadata", "true")]);
    }
    let cluster =
        [("action", "FaceClustering"), ("database", DATABASES[0]), ("clusterthreshold", "75"), ("maxresults", "2")];
    appliance.cluster(&cluster[1..]);
    appliance.cluster(&[&cluster[1..], &[("audit", "true")]].concat());
    let newest = appliance.ask(&[
        ("action", "QueueInfo"),
        ("queuename", "FaceClustering"),
        ("queueaction", "getStatus"),
        ("resultmaxclusters", "0"),
    ]);
    let audited = newest.split_once("<token>").unwrap().1.split('<').next().unwrap();
    ask(&[("action", "GetIdentityAudit"), ("token", audited)]);
    appliance.ask(&[("action", "QueueInfo"), ("queuename", "FaceClustering"), ("queueaction", "pause")]);
    (0..3).for_each(|_| drop(appliance.ask(&cluster)));
    for queue in ["FaceClustering", "ImportFaceDatabase"] {
        let status = [("action", "QueueInfo"), ("queuename", queue), ("queueaction", "getStatus")];
        ask(&status);
        let all = appliance.ask(&status);
        for token in all.split("<token>").skip(1).map(|rest| rest.split('<').next().unwrap()) {
            ask(&[&status[..], &[("token", token)]].concat());
        }
    }
    drop(appliance);
    let lines: Vec<String> = questions
        .iter()
        .map(|asked| asked.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("&"))
        .collect();
    fs::write(data.join(QUESTIONS), lines.join("\n")).unwrap();
    drop(Engine::open(Settings::new(data)).unwrap()); // so that there is what a second start leaves, too
}

/// What the program says of `data`: a line for each thing it is asked, or why it does not open it.
pub(crate) fn answers(data: &Path) -> String {
    let engine = match Engine::open(Settings::new(data)) {
        Ok(engine) => engine,
        Err(error) => {
            let cause = std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default();
            return format!("refused: {error}: {cause}");
        }
    };
    let mut lines = Vec::new();
    let facts = Facts::now(([127, 0, 0, 1], 14000).into(), None, 1);
    let actions = Actions::new(Arc::clone(&engine), facts, TimeZone::UTC);
    for question in fs::read_to_string(data.join(QUESTIONS)).unwrap().lines() {
        let parts = question.split('&').map(|pair| pair.split_once('=').unwrap());
        let parts = parts.map(|(name, value)| Part { name: name.to_owned(), value: Value::Text(value.to_owned()) });
        let request = Request::new(parts.collect()).unwrap();
        let mut answer = Vec::new();
        let whole = actions.answer(Ok(request), &Client::at(([127, 0, 0, 1], 1).into()), &mut answer);
        let answer = String::from_utf8(answer).unwrap();
        let is_error = whole.is_err() || answer.contains("<response>ERROR</response>");
        lines.push(line(question, if is_error { Err(answer) } else { Ok(masked(&answer)) }));
    }
    for name in DATABASES {
        let database = DatabaseName::new(name).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("out.jsonl");
        let contents = Contents { metadata: true, image_data: true };
        let exported = engine.export(&database, &file, Format::Jsonl, contents, &mut |_| {});
        let exported = exported.map(|_| fs::read_to_string(&file).unwrap()).map_err(|error| error.to_string());
        lines.push(line(&format!("export {name}"), exported));
    }
    for row in 0..24 {
        let names = (DatabaseName::new(DATABASES[0]), Identifier::new(&format!("person {}", row / 8)));
        let label = ImageLabel::new(&format!("image {}", row % 8)).unwrap();
        let picture = engine.picture(&names.0.unwrap(), &names.1.unwrap(), &label);
        let read = picture.map_err(|error| error.to_string()).map(|mut picture| {
            let mut bytes = Vec::new();
            std::io::Read::read_to_end(&mut picture.file, &mut bytes).unwrap();
            format!(
                "{:?}",
                bytes
                    .iter()
                    .fold((0u64, 0u64), |(n, sum), &byte| (n + 1, sum.wrapping_mul(31).wrapping_add(u64::from(byte))))
            )
        });
        lines.push(line(&format!("picture {row}"), read));
    }
    lines.join("\n")
}

fn line(question: &str, answer: Result<String, String>) -> String {
    match answer {
        Ok(answer) => format!("{question}\tok\t{}", answer.replace(['\n', '\t'], " ")),
        Err(error) => format!("{question}\terror\t{}", error.replace(['\n', '\t'], " ")),
    }
}

/// The answer without what the time of the question is in.
fn masked(answer: &str) -> String {
    let mut parts = answer.split("<time_in_queue>");
    let mut text = parts.next().unwrap().to_owned();
    for part in parts {
        text += part.split_once("</time_in_queue>").unwrap().1;
    }
    text
}
