//! The durability that `src/design.md` promises is numbered, and each test that it names is there.

#![allow(clippy::unwrap_used, reason = "a test that cannot read the source has failed")]

#[path = "support/sources.rs"]
mod sources;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use sources::rust_files;

fn design() -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("src/design.md")).unwrap()
}

/// The names of the tests below a folder: functions behind `#[test]`.
fn tests(folder: &Path) -> BTreeSet<String> {
    let named = |path: PathBuf| -> Vec<String> {
        let text = fs::read_to_string(path).unwrap();
        let behind = text.split("#[test]").skip(1).filter_map(|behind| behind.split_once("fn ")?.1.split_once('('));
        behind.map(|(name, _)| name.to_owned()).collect()
    };
    rust_files(folder).into_iter().flat_map(named).collect()
}

/// What stands in backticks and is a claim: words joined by at least three underscores.
fn claims(text: &str) -> Vec<&str> {
    let names = text.split('`').skip(1).step_by(2).filter_map(|quoted| quoted.rsplit("::").next());
    names.filter(|name| name.matches('_').count() >= 3 && !name.contains([' ', '/', '.'])).collect()
}

/// The numbers behind a letter at the beginnings of lines that begin so.
fn numbers(text: &str, begin: &str) -> Vec<u32> {
    let behind = text.lines().filter_map(|line| line.strip_prefix(begin));
    behind.filter_map(|rest| rest.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()).collect()
}

#[test]
fn every_promise_names_a_test_and_every_test_that_is_named_is_there() {
    let (text, root) = (design(), Path::new(env!("CARGO_MANIFEST_DIR")));
    let there: BTreeSet<String> =
        [tests(&root.join("src")), tests(&root.join("tests"))].into_iter().flatten().collect();
    assert!(there.len() > 300, "the tests are found");
    let missing: Vec<_> = claims(&text).into_iter().filter(|name| !there.contains(*name)).collect();
    assert!(missing.is_empty(), "src/design.md names tests that are not there: {missing:#?}");
    let promises: Vec<&str> = text.lines().filter(|line| line.starts_with("| P")).collect();
    assert!(promises.len() >= 18, "the promises are found");
    for promise in promises {
        assert!(!claims(promise).is_empty(), "no test holds this: {promise}");
    }
}

#[test]
fn promises_assumptions_and_crash_cases_have_each_a_number_of_their_own() {
    let text = design();
    for (what, begin) in [("promise", "| P"), ("assumption", "| A"), ("crash case", "* C")] {
        let found = numbers(&text, begin);
        let distinct: BTreeSet<u32> = found.iter().copied().collect();
        assert_eq!(distinct.len(), found.len(), "the numbers of each {what}: {found:?}");
    }
}
