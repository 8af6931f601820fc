//! What `faceclique cluster` prints for programs: the figures of a clustering as JSON and as CSV.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "support/server.rs"]
mod server;

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
fn figures_are_printed_in_one_way_at_a_time() {
    let output = program(&["cluster", PEOPLE, "--json", "--csv"]).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
}
