//! The review page over a real socket: what a browser is told, whatever names there are, and who may change what.

#![allow(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "a test that cannot go on has failed; one that is not tried says so"
)]

mod browser;
mod canned;
mod drawn;
mod forms;
mod other;
mod photos;
#[path = "../support/server.rs"]
mod server;

use std::fmt::Write as _;
use std::fs;

use server::{Server, between};
use tempfile::TempDir;

const CSP: &str = "content-security-policy: default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; \
                   connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// Names that are meant to do harm where they are not taken for text.
const HOSTILE: [&str; 7] = [
    "<script>alert(1)</script>",
    "\u{202E}gnp.exe",
    "\" onmouseover=\"alert(1)",
    "'><img src=x onerror=alert(1)>",
    "</title><script>alert(2)</script>",
    "../../etc/passwd",
    "&lt;b&gt;",
];

/// A server and a person before it.
struct World {
    server: Server,
    _folder: TempDir,
}

/// An answer: head and text.
type Answered = (String, String);

impl World {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self { server: Server::start(&folder.path().join("data")), _folder: folder }
    }

    /// One whose clients have the role Query and no other.
    fn for_readers() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("data");
        let filled = Server::start(&data);
        filled.import("people", &people(3));
        filled.cluster("database=people");
        assert!(filled.terminate().success());
        let config = folder.path().join("faceclique.toml");
        let roles = "[[security.roles]]\nname = \"readers\"\nstandard_roles = [\"Query\"]\nclients = [\"127.0.0.1\"]\n";
        fs::write(&config, roles).unwrap();
        Self { server: Server::start_with(&data, &["--config", config.to_str().unwrap()]), _folder: folder }
    }

    fn ask(&self, method: &str, target: &str, headers: &str, body: &str) -> Answered {
        let request = format!(
            "{method} {target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{headers}Content-Length: {}\r\n\r\n{body}",
            body.len()
        );
        let (head, body) = self.server.raw(request.as_bytes());
        (head, String::from_utf8_lossy(&body).into_owned())
    }

    fn get(&self, target: &str) -> Answered {
        self.ask("GET", target, "", "")
    }

    /// A page that must be there.
    fn page(&self, target: &str) -> String {
        let (head, text) = self.get(target);
        assert!(head.starts_with("HTTP/1.1 200 "), "{target}: {head}\n{text}");
        text
    }

    /// The header with the cookie that a first page gives, and what its forms carry.
    fn visit(&self) -> (String, String) {
        let (head, text) = self.get("/review");
        let cookie = between(&head, "set-cookie: ", ";");
        (format!("Cookie: {cookie}\r\n"), between(&text, "name=\"visit\" value=\"", "\"").to_owned())
    }

    fn post(&self, headers: &str, fields: &str) -> Answered {
        let kind = "Content-Type: application/x-www-form-urlencoded\r\n";
        self.ask("POST", "/review/act", &format!("{kind}{headers}"), fields)
    }

    /// The tokens of the jobs, the last first.
    fn jobs(&self) -> Vec<String> {
        let jobs: serde_json::Value = serde_json::from_str(&self.page("/review/jobs.json")).unwrap();
        jobs["jobs"].as_array().unwrap().iter().map(|job| job["token"].as_str().unwrap().to_owned()).collect()
    }

    /// A clustering that has ended.
    fn clustered(&self, parameters: &str) -> String {
        self.server.cluster(parameters);
        self.jobs().remove(0)
    }
}

/// So many people with four images each, one of which is filed under the next.
fn people(n: usize) -> Vec<u8> {
    let mut lines = String::new();
    for person in 0..n {
        for image in 0..4 {
            let filed = if image == 3 { (person + 1) % n } else { person };
            let mut embedding = vec![0.0; n + 4];
            (embedding[person], embedding[n + image]) = (1.0, 0.3);
            let line = serde_json::json!({ "identifier": format!("person {filed}"), "imagelabel": format!("{person}-{image}"), "embedding": embedding });
            writeln!(lines, "{line}").unwrap();
        }
    }
    lines.into_bytes()
}

/// One image of each of these names, all alike, and one of the longest name there is.
fn hostile() -> Vec<u8> {
    let mut lines = String::new();
    for name in HOSTILE.into_iter().chain([&*"\u{e9}".repeat(127), &*"a".repeat(254)]) {
        for label in [name, "2"] {
            let line = serde_json::json!({ "identifier": name, "imagelabel": label, "embedding": [1.0, 0.2, 0.1] });
            writeln!(lines, "{line}").unwrap();
        }
    }
    lines.into_bytes()
}

#[test]
fn every_page_forbids_what_it_does_not_need() {
    let world = World::new();
    world.server.import("people", &people(3));
    let token = world.clustered("database=people");
    let result = format!("/review/result/{token}");
    for target in [
        "/review",
        "/review/jobs.json",
        "/review/style.css",
        "/review/script.js",
        "/review/icon.svg",
        "/review/nowhere",
        "/review/job/nonsense",
        "/review/result/nonsense/audit",
        &format!("/review/job/{token}"),
        &result,
        &format!("{result}?show=all&order=weakest&find=person&page=99"),
        &format!("{result}/cluster/1"),
        &format!("{result}/cluster/0"),
        &format!("{result}/threshold?at=80"),
        &format!("{result}/threshold.json?at=nonsense"),
        &format!("{result}/changes"),
        &format!("{result}/audit"),
        &format!("{result}/export.csv"),
        &format!("{result}/export.json"),
        &format!("/review/image/{token}/0"),
        &format!("/review/image/{token}/999999"),
    ] {
        let (head, text) = world.get(target);
        for header in [CSP, "x-content-type-options: nosniff", "referrer-policy: same-origin", "x-frame-options: DENY"]
        {
            assert!(head.contains(header), "{target}: {head}");
        }
        for foreign in ["http://", "https://", " style=", " onclick=", "<script>"] {
            let text = text.replace("http://www.w3.org/2000/svg", "");
            assert!(!text.contains(foreign) || target.contains("script.js"), "{target} holds {foreign}");
        }
        let status: u16 = head[9..12].parse().unwrap();
        let is_there = !["nowhere", "nonsense/audit", "job/nonsense", "cluster/0", "999999"]
            .iter()
            .any(|end| target.ends_with(end));
        assert_eq!(status, if is_there { 200 } else { 404 }, "{target}");
    }
}

#[test]
fn a_browser_finds_the_page_at_the_root_and_a_client_its_error() {
    let world = World::new();
    let (head, _) = world.ask("GET", "/", "Accept: text/html,*/*;q=0.8\r\n", "");
    assert!(head.starts_with("HTTP/1.1 303 ") && head.contains("location: /review\r\n"), "{head}");
    for (target, headers) in [("/", ""), ("/", "Accept: */*\r\n"), ("/?x=1", "Accept: text/html\r\n")] {
        let (_, text) = world.ask("GET", target, headers, "");
        assert!(text.contains("<error"), "{target}: {text}");
    }
    let (_, text) = world.ask("GET", "/action=GetPID", "Accept: text/html\r\n", "");
    assert!(text.contains("<pid>"), "{text}");
}

#[test]
fn hostile_names_are_text_on_every_page() {
    let world = World::new();
    world.server.import("people", &hostile());
    let token = world.clustered("database=people&clusterthreshold=90");
    let result = format!("/review/result/{token}");
    for target in [
        "/review".to_owned(),
        format!("{result}?show=all"),
        format!("{result}?find=%3Cscript%3E%22"),
        format!("{result}/cluster/1"),
        format!("{result}/threshold"),
        format!("{result}/changes"),
        format!("{result}/audit"),
        format!("{result}/report.html?maxclusters=9&maximages=3"),
    ] {
        let text = world.page(&target);
        for raw in ["<script>alert", "<img src=x", "\u{202E}", "\" onmouseover", "</title><script>"] {
            let is_within_attribute = raw == "\u{202E}"; // alt and title cannot turn the text around them
            assert!(is_within_attribute || !text.contains(raw), "{target} holds {raw}");
        }
        assert!(text.len() <= 100_000, "{target} has {} bytes", text.len());
    }
    let cluster = world.page(&format!("{result}/cluster/1"));
    assert!(cluster.contains("&lt;script&gt;alert(1)&lt;/script&gt;") && cluster.contains("U+202E"), "{cluster}");
    assert!(cluster.contains(&"a".repeat(254)) && cluster.contains("&amp;lt;b&amp;gt;"), "{cluster}");
    let csv = world.page(&format!("{result}/export.csv?show=all"));
    assert!(csv.contains("\"\"\" onmouseover=\"\"alert(1)\""), "{csv}");
}

#[test]
fn a_change_needs_a_form_of_this_server_in_this_browser() {
    let world = World::new();
    world.server.import("people", &people(3));
    let (cookie, visit) = world.visit();
    let (other_cookie, _) = world.visit();
    let form = format!("action=FaceClustering&database=people&visit={visit}");
    let cross = format!("{cookie}Sec-Fetch-Site: cross-site\r\n");
    let foreign = format!("{cookie}Origin: http://evil.example\r\n");
    for (headers, fields) in [
        ("", "action=FaceClustering&database=people"),
        ("", &*form),
        (&*cookie, "action=FaceClustering&database=people"),
        (&*cookie, "action=FaceClustering&database=people&visit=0"),
        (&*other_cookie, &*form),
        (&*cross, &*form),
        (&*foreign, &*form),
    ] {
        let (head, _) = world.post(headers, fields);
        assert!(head.starts_with("HTTP/1.1 403 ") && head.contains(CSP), "{headers}{fields}: {head}");
    }
    let (head, _) = world.ask("GET", &format!("/review/act?{form}"), &cookie, "");
    assert!(head.starts_with("HTTP/1.1 404 "), "{head}");
    assert!(world.jobs().is_empty(), "nothing was done");

    let (head, text) = world.post(&cookie, &format!("action=Stop&visit={visit}"));
    assert!(head.starts_with("HTTP/1.1 400 "), "only what the page needs: {head}{text}");
    let (head, text) =
        world.post(&cookie, &format!("action=FaceClustering&database=nobody&visit={visit}&clusterthreshold=x"));
    assert!(head.starts_with("HTTP/1.1 400 ") && text.contains("clusterthreshold"), "{head}{text}");

    let (head, _) = world.post(&format!("{cookie}Origin: http://localhost\r\n"), &form);
    assert!(head.starts_with("HTTP/1.1 303 "), "{head}");
    let place = between(&head, "location: ", "\r\n");
    assert_eq!(place, format!("/review/job/{}", world.jobs()[0]));
    let json = format!("{cookie}Accept: application/json\r\n");
    for (back, place) in
        [("/review/job/x", "/review/job/x"), ("//evil.example", "/review"), ("/review/%0d%0a", "/review/\r")]
    {
        let steer =
            format!("action=QueueInfo&queuename=FaceClustering&queueaction=queueStatus&visit={visit}&back={back}");
        let (head, _) = world.post(&cookie, &steer);
        let place = if place.contains('\r') { "/review" } else { place };
        assert!(head.contains(&format!("location: {place}\r\n")), "{head}");
        let (_, text) = world.post(&json, &steer);
        assert!(text.starts_with("{\"ok\":true"), "{text}");
    }
}

#[test]
fn r160_who_may_only_look_is_offered_nothing_and_can_change_nothing() {
    let world = World::for_readers();
    let token = world.jobs().remove(0);
    let (head, text) = world.get("/review");
    assert!(
        text.contains("Read only") && !text.contains("<form method=\"post\"") && !text.contains("FaceClustering"),
        "{text}"
    );
    let result = world.page(&format!("/review/result/{token}"));
    assert!(
        result.contains("Pictures are shown to the role Admin only") && !result.contains("method=\"post\""),
        "{result}"
    );
    let report = world.page(&format!("/review/result/{token}/report.html"));
    assert!(report.contains("role Admin only") && !report.contains("image/jpeg"), "{report}");
    let (head_of_picture, drawing) = world.get(&format!("/review/image/{token}/0"));
    assert!(
        head_of_picture.contains("content-type: image/svg+xml") && drawing.starts_with("<svg"),
        "{head_of_picture}"
    );
    let cookie = between(&head, "set-cookie: ", ";");
    for fields in ["action=FaceClustering&database=people", "action=RemoveFaceDatabase&database=people"] {
        let (head, text) = world.post(&format!("Cookie: {cookie}\r\nAccept: application/json\r\n"), fields);
        assert!(head.starts_with("HTTP/1.1 403 ") && text.contains("Admin"), "{head}{text}");
    }
    assert_eq!(world.jobs().len(), 1);
}

#[test]
fn an_empty_server_and_an_empty_database_say_what_to_do() {
    let world = World::new();
    let text = world.page("/review");
    assert!(text.contains("There is no face database yet") && !text.contains("New clustering"), "{text}");
    world.server.get("/action=CreateFaceDatabase&database=people");
    let token = world.clustered("database=people");
    assert!(world.page("/review").contains("0 trained"));
    let text = world.page(&format!("/review/result/{token}?show=all"));
    assert!(text.contains("No image took part"), "{text}");
    for tab in ["threshold", "changes", "audit", "export.csv", "export.json", "report.html"] {
        world.page(&format!("/review/result/{token}/{tab}"));
    }
}

#[test]
fn the_first_view_has_at_most_a_hundred_kilobytes_and_is_asked_for_once() {
    let world = World::new();
    world.server.import("people", &people(150));
    let token = world.clustered("database=people");
    let files = ["/review/style.css", "/review/script.js", "/review/icon.svg"];
    let n_files: usize = files.iter().map(|target| world.page(target).len()).sum();
    for target in
        ["/review".to_owned(), format!("/review/result/{token}"), format!("/review/result/{token}?show=single")]
    {
        let n = world.page(&target).len() + n_files;
        assert!(n <= 100_000, "{target} with its files has {n} bytes");
    }
    for target in files {
        let (head, _) = world.get(target);
        let tag = between(&head, "etag: ", "\r\n");
        assert!(tag.starts_with('"'), "strong: {tag}");
        let (head, text) = world.ask("GET", target, &format!("If-None-Match: {tag}\r\n"), "");
        assert!(head.starts_with("HTTP/1.1 304 ") && text.is_empty(), "{head}");
    }
}

#[test]
fn clusters_are_shown_as_they_are_and_what_differs_from_the_run_before() {
    let world = World::new();
    world.server.import("people", &people(6));
    let before = world.clustered("database=people&clusterthreshold=80");
    let text = world.page(&format!("/review/result/{before}"));
    assert!(text.contains("<b>6</b> with several identities"), "{text}");
    let found = world.page(&format!("/review/result/{before}?find=PERSON%205"));
    assert!(found.contains("2 clusters"), "{found}");
    let (none, all) = (
        world.page(&format!("/review/result/{before}?show=single")),
        world.page(&format!("/review/result/{before}/threshold?at=100")),
    );
    assert!(none.contains("Every image matches another") && all.contains("<b>24</b> clusters"), "{none}{all}");
    let text = world.page(&format!("/review/result/{before}/cluster/1"));
    assert!(text.contains("How similar each is to each") && text.contains("Cluster 2"), "{text}");

    world.server.get("/action=RemoveFace&database=people&identifier=person%200");
    let after = world.clustered("database=people&clusterthreshold=99");
    let text = world.page(&format!("/review/result/{after}/changes"));
    assert!(text.contains("<b>4</b> images gone") && text.contains("split"), "{text}");
    let json: serde_json::Value =
        serde_json::from_str(&world.page(&format!("/review/result/{after}/export.json?show=all"))).unwrap();
    let n: usize =
        json["clusters"].as_array().unwrap().iter().map(|cluster| cluster["images"].as_array().unwrap().len()).sum();
    assert_eq!(n, 20);
}

#[test]
fn decisions_and_changes_are_made_listed_and_taken_back() {
    let world = World::new();
    world.server.import("people", &people(3));
    assert!(world.page("/review/decisions").contains("Nothing was decided"));
    let (cookie, visit) = world.visit();
    let act = |fields: &str| -> serde_json::Value {
        let (head, text) =
            world.post(&format!("{cookie}Accept: application/json\r\n"), &format!("{fields}&visit={visit}"));
        assert!(head.starts_with("HTTP/1.1 200 "), "{fields}: {head}{text}");
        serde_json::from_str(&text).unwrap()
    };
    let about = "database=people&identifier=person+1&imagelabel=0-3";
    for (fields, action, words) in [
        (format!("action=MoveFaceImage&{about}&newidentifier=person+0&undoable=true"), "UndoChange", "Moved"),
        (
            "action=MergeFaces&database=people&identifier=person+2&intoidentifier=person+0".into(),
            "UndoChange",
            "Merged",
        ),
        ("action=SetAsideFaceImages&database=people&identifier=person+1&imagelabels=1-0".into(), "UndoChange", "1-0"),
        (format!("action=AddDecision&decision=labelright&{about}"), "RemoveDecision", "The label is right"),
    ] {
        let undo = act(&fields)["undo"].clone();
        assert_eq!(undo["action"], action, "{fields}");
        let page = world.page("/review/decisions");
        assert!(page.contains(words) && page.contains("name=\"id\""), "{page}");
        act(&format!("action={action}&id={}", undo["id"].as_str().unwrap()));
    }
    let page = world.page("/review/decisions");
    assert!(page.contains("Nothing was decided") && page.contains("Undone."), "{page}");
}
