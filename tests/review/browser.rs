//! The page in a real browser, which `make test-page` gets and names in `FACECLIQUE_PAGE`; without it nothing is asked.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use crate::server::Server;
use crate::{canned, drawn, photos};

/// Where a browser is to be found, if one is; otherwise what is not tried is said.
fn browser(what: &str) -> Option<OsString> {
    let folder = std::env::var_os("FACECLIQUE_PAGE");
    if folder.is_none() {
        eprintln!("not tried: `make test-page` tries {what} in a browser");
    }
    folder
}

/// Lets the browser do a part of `page.mjs`.
fn browses(folder: &OsString, part: &str, address: SocketAddr, more: &[&str]) {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/review/page.mjs");
    let mut command = Command::new("node");
    command.arg(script).arg(folder).arg(part).arg(format!("http://{address}")).args(more);
    assert!(command.status().unwrap().success(), "{part}");
}

#[test]
fn a_person_starts_a_job_watches_it_and_looks_through_its_clusters() {
    let Some(browser) = browser("an empty database, hostile names and a slow job") else { return };
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path());
    browses(&browser, "jobs", server.address, &[]);
}

#[test]
fn a_person_finds_planted_errors_decides_them_by_keys_and_sees_what_came_of_it() {
    let Some(browser) = browser("the drawn database") else { return };
    let (world, _) = drawn::world();
    browses(&browser, "drawn", world.server.address, &[]);
}

#[test]
fn a_person_finds_photos_under_wrong_names() {
    let Some(browser) = browser("photos") else { return };
    let Some(world) = photos::world() else { return };
    browses(&browser, "photos", world.server.address, &[]);
}

#[test]
fn hostile_names_and_odd_findings_are_decided_by_keys_too() {
    let Some(browser) = browser("odd findings") else { return };
    let world = canned::World::new();
    browses(&browser, "canned", world.address, &[&world.token]);
    let asked = world.asked();
    let names: Vec<&str> = asked.iter().map(|asked| asked.split(' ').next().unwrap()).collect();
    let on_the_first = "MoveFaceImage AddDecision MoveFaceImage AddDecision MergeFaces UndoChange AddDecision";
    let on_the_odd = "SplitFace SetAsideFaceImages AddDecision SetAsideFaceImages AddDecision";
    assert_eq!(names.join(" "), format!("{on_the_first} {on_the_odd}"), "{asked:?}");
    assert!(asked.iter().any(|asked| asked.contains("identifier=<script>alert(1)</script> ")), "{asked:?}");
}
