//! The page in a real browser, which `make test-page` gets and names in `FACECLIQUE_PAGE`; without it nothing is asked.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use crate::audit;
use crate::server::Server;

/// Lets the browser do a part of `page.mjs`; whether there is one.
fn browses(part: &str, address: SocketAddr, more: &[&str]) -> bool {
    let Some(folder) = std::env::var_os("FACECLIQUE_PAGE") else {
        eprintln!("not tried: `make test-page` tries {part} in a browser");
        return false;
    };
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/review/page.mjs");
    let mut command = Command::new("node");
    command.arg(script).arg(folder).arg(part).arg(format!("http://{address}")).args(more);
    assert!(command.status().unwrap().success(), "{part}");
    true
}

#[test]
fn a_person_starts_a_job_watches_it_and_looks_through_its_clusters() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path());
    browses("jobs", server.address, &[]);
}

#[test]
fn a_person_decides_findings_by_keys_and_takes_one_back() {
    let world = audit::World::new();
    if browses("audit", world.address, &[&world.token]) {
        let asked = world.asked();
        let names: Vec<&str> = asked.iter().map(|asked| asked.split(' ').next().unwrap()).collect();
        let wanted =
            ["MoveFaceImage", "AddDecision", "MoveFaceImage", "AddDecision", "MergeFaces", "UndoChange", "AddDecision"];
        assert_eq!(names, wanted, "{asked:?}");
    }
}
