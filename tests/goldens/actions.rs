//! Every action, by the example of its row.

use std::fs;
use std::path::{Path, PathBuf};

use faceclique::aci::actions::{offered, offered_on_service_port, page};

use crate::FORMATS;
use crate::demands;
use crate::masked::{TOKEN, masked};
use crate::world::{World, get, text};

/// Where a request is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Port {
    Aci,
    Service,
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/aci/answers")
}

/// Compares a file of fixtures with what it should be, or writes it.
pub(crate) fn is_fixture(path: &Path, found: &str) {
    if std::env::var_os("UPDATE_FIXTURES").is_some() {
        fs::write(path, found).unwrap();
    }
    let expected = fs::read_to_string(path).unwrap_or_default();
    let name = path.display();
    assert!(expected == found, "{name} differs (make fixtures)\nexpected:\n{expected}\nfound:\n{found}");
}

/// Asks `request` in a world and compares with the golden answer, in every form of answer.
pub(crate) fn is_golden(name: &str, request: &str, port: Port, world: impl Fn() -> World) {
    is_fixture(&folder().join(format!("{name}.http")), &get(&request.replace("{token}", TOKEN)));
    for format in FORMATS {
        let target = if format == "xml" { request.to_owned() } else { format!("{request}&responseformat={format}") };
        let world = world();
        let request = get(&world.here(&target));
        let port = if port == Port::Aci { world.address } else { world.service };
        let found = masked(&text(&World::send_to(port, request.as_bytes())));
        demands::check(name, format, &found);
        is_fixture(&folder().join(format!("{name}.{format}.http")), &found);
    }
}

#[test]
fn every_action_answers_its_example_as_the_reference_shows() {
    for action in offered() {
        is_golden(action.example.name, action.example.request, Port::Aci, World::new);
    }
    for action in offered_on_service_port().filter(|action| action.name != "ShowPermissions") {
        is_golden(action.example.name, action.example.request, Port::Service, World::new);
    }
}

#[test]
fn the_page_in_the_docs_is_what_the_table_says() {
    is_fixture(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src/aci/actions/reference.md"), &page());
}

#[test]
fn no_golden_answer_is_left_over() {
    let mut left = Vec::new();
    for entry in fs::read_dir(folder()).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let action = name.split('.').next().unwrap();
        let mut rows = offered().chain(offered_on_service_port());
        let known = rows.any(|row| action == row.example.name || action.starts_with(&format!("{}-", row.name)));
        if !known && !action.starts_with("error-") {
            left.push(name);
        }
    }
    assert!(left.is_empty(), "no test asks for these: {left:?}");
}
