//! What `faceclique cluster` gives to programs: the figures of a clustering as JSON and as CSV, its clusters as Parquet.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "support/server.rs"]
mod server;

use std::fs;

use parquet::file::reader::{FileReader as _, SerializedFileReader};
use parquet::record::{Row, RowAccessor as _};
use serde_json::{Value, json};
use server::program;

const PEOPLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/people.jsonl");

fn cluster(arguments: &[&str]) -> String {
    let output = program(&[&["cluster", PEOPLE, "--threshold", "75"], arguments].concat()).output().unwrap();
    assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn the_figures_are_the_same_for_people_and_for_programs() {
    let told = cluster(&[]);
    let figures: Value = serde_json::from_str(&cluster(&["--json"])).unwrap();
    let csv = cluster(&["--csv"]);
    let (names, row) = csv.trim_end().split_once('\n').unwrap();
    let row: Vec<_> = names.split(',').zip(row.split(',')).collect();
    assert!(row.len() > 10 && !row.iter().any(|(name, _)| name.is_empty()), "{csv}");
    for (name, cell) in row.iter().filter(|(name, _)| *name != "seconds") {
        let value = match &figures[name] {
            Value::Null => String::new(),
            Value::String(text) => text.clone(),
            number => number.to_string(),
        };
        assert_eq!(&value, cell, "{name}");
    }
    assert_eq!((&figures["faces"], &figures["threshold"]), (&json!(4), &json!(75.0)));
    let clusters = format!("{} at confidence 75.00", figures["clusters"]);
    assert!(told.contains(&clusters) && told.contains("stages       compare"), "{told}");
}

#[test]
fn parquet_holds_what_csv_holds() {
    let folder = tempfile::tempdir().unwrap();
    let [csv, file] = ["a.csv", "a.parquet"].map(|name| folder.path().join(name));
    for path in [&csv, &file] {
        cluster(&["--out", path.to_str().unwrap()]);
    }
    let reader = SerializedFileReader::new(fs::File::open(file).unwrap()).unwrap();
    let row = |row: Row| {
        format!("{},{},{}", row.get_long(0).unwrap(), row.get_string(1).unwrap(), row.get_string(2).unwrap())
    };
    let rows: Vec<String> = reader.get_row_iter(None).unwrap().map(|it| row(it.unwrap())).collect();
    let csv = fs::read_to_string(csv).unwrap();
    assert_eq!(rows, csv.lines().skip(1).collect::<Vec<_>>());
    let columns =
        reader.metadata().file_metadata().schema_descr().columns().iter().map(|column| column.name().to_owned());
    assert_eq!(columns.collect::<Vec<_>>().join(","), csv.lines().next().unwrap());
}

#[test]
fn figures_are_printed_in_one_way_at_a_time() {
    let output = program(&["cluster", PEOPLE, "--json", "--csv"]).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
}
