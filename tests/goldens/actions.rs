//! Every action, by the example of its row.

use std::fs;
use std::path::{Path, PathBuf};

use faceclique::aci::actions::{offered, offered_on_service_port, page};

use crate::masked::{TOKEN, masked};
use crate::world::{World, get};
use crate::{FORMATS, audit, clients, demands, errors, queue_info, training};

/// Where a request is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Port {
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

/// Compares with the golden pairs of a name: the request and, in every form of answer unless it asks for one, what `ask`
/// gets for it, in which nothing differs from run to run.
pub(crate) fn are_golden(name: &str, request: &str, ask: impl Fn(&str) -> String) {
    is_fixture(&folder().join(format!("{name}.http")), request);
    let asked = FORMATS.into_iter().find(|format| request.contains(&format!("responseformat={format}&")));
    let asked = asked.or_else(|| FORMATS.into_iter().find(|f| request.contains(&format!("responseformat={f} "))));
    for format in FORMATS.into_iter().filter(|format| asked.is_none_or(|asked| asked == *format)) {
        let found = ask(&in_format(request, format));
        demands::check(name, format, &found);
        is_fixture(&folder().join(format!("{name}.{format}.http")), &found);
    }
}

/// The request for an answer in this format, said before whatever may be wrong; XML is given without asking.
fn in_format(request: &str, format: &str) -> String {
    if format == "xml" || request.contains("responseformat=") {
        return request.to_owned();
    }
    let (target, rest) = request.split_once(" HTTP/1.1\r\n").unwrap();
    let (action, parameters) = target.find('&').map_or((target, ""), |at| target.split_at(at));
    let join = if action.contains('=') { "&" } else { "?" };
    format!("{action}{join}responseformat={format}{parameters} HTTP/1.1\r\n{rest}")
}

fn is_golden(name: &str, request: &str, port: Port) {
    are_golden(name, &get(&request.replace("{token}", TOKEN)), |request| {
        let world = if name == "GetIdentityAudit" { World::audited() } else { World::new() };
        let port = if port == Port::Aci { world.address } else { world.service };
        masked(&world.ask_on(port, request))
    });
}

#[test]
fn every_action_answers_its_example_as_the_reference_shows() {
    for action in offered() {
        is_golden(action.example.name, action.example.request, Port::Aci);
    }
    for action in offered_on_service_port() {
        is_golden(action.example.name, action.example.request, Port::Service);
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
        let is_example = rows.any(|row| row.example.name == action);
        let others = errors::names().chain(queue_info::names()).chain(clients::names()).chain(training::names());
        if !is_example && !others.chain(audit::names()).any(|name| name == action) {
            left.push(name);
        }
    }
    assert!(left.is_empty(), "no test asks for these: {left:?}");
}
