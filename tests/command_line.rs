//! `faceclique queue` and `faceclique status`, against a server of canned answers and against the real one.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "support/canned.rs"]
mod canned;
#[path = "support/server.rs"]
mod server;

use std::io::{BufRead as _, BufReader};
use std::net::TcpListener;
use std::process::{Command, Stdio};

use canned::Canned;
use serde_json::Value;
use server::{Mortal, Server};

const TOKEN: &str = "0176fba5-bbb9-7852-afa3-1cf7a302e404";
const OTHER: &str = "0176fba8-9e60-7c44-b1d7-20f9ab63c51e";
const QUEUES: &str = r#"{"queues":{"queue":[{"name":"FaceClustering"},{"name":"TrainFace"}]}}"#;

/// What the program came to.
#[derive(Debug)]
struct Ran {
    code: i32,
    out: String,
    err: String,
}

fn program(arguments: &[&str]) -> Command {
    let mut command = server::program(arguments);
    for name in ["FACECLIQUE_SERVER", "FACECLIQUE_BEARER_TOKEN"] {
        command.env_remove(name);
    }
    command
}

fn ran(command: &mut Command) -> Ran {
    let output = command.output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Ran { code: output.status.code().unwrap(), out: text(output.stdout), err: text(output.stderr) }
}

fn run(url: &str, arguments: &[&str]) -> Ran {
    ran(program(arguments).args(["--server", url]))
}

/// The whitespace of a table made one.
fn lines(text: &str) -> Vec<String> {
    text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect()
}

#[test]
fn r86_a_queue_is_paused_without_a_token() {
    let server = Canned::start();
    let data = format!(r#"{{"actions":{{"action":[{{"status":"Paused","token":"{TOKEN}"}}]}}}}"#);
    server.success(&["queueaction=pause", "queuename=TrainFace"], &data);
    let ran = run(&server.url(), &["queue", "pause", "TrainFace"]);
    assert_eq!(
        (ran.code, lines(&ran.out)),
        (0, vec!["queue token status".into(), format!("TrainFace {TOKEN} Paused")])
    );
    let asked = server.asked();
    assert!(asked.len() == 1 && asked[0].contains("responseformat=simplejson") && !asked[0].contains("token="));
}

#[test]
fn r86_a_job_is_looked_for_in_all_queues() {
    let server = Canned::start();
    server
        .success(&["action=GetStatus"], QUEUES)
        .error(&["queuename=FaceClustering", "queueaction=getStatus"], "0x33", "not known to queue 'FaceClustering'")
        .success(&["queuename=TrainFace", "queueaction=getStatus"], r#"{"actions":{"action":[{"status":"Queued"}]}}"#)
        .success(
            &["queuename=TrainFace"],
            &format!(r#"{{"actions":{{"action":[{{"status":"done","token":"{TOKEN}"}}]}}}}"#),
        );
    for (arguments, sent) in [
        (&["pause", TOKEN][..], "queueaction=pause"),
        (&["resume", TOKEN], "queueaction=resume"),
        (&["cancel", TOKEN], "queueaction=cancel"),
        (&["stop", TOKEN], "queueaction=stop"),
        (&["priority", TOKEN, "80"], "queueaction=changePriority"),
    ] {
        let ran = run(&server.url(), &[&["queue"], arguments].concat());
        assert_eq!((ran.code, ran.out.contains("done")), (0, true), "{ran:?}");
        let last = server.asked().pop().unwrap();
        assert!(last.contains(sent) && last.contains(&format!("token={TOKEN}")), "{last}");
        assert_eq!(last.contains("priority=80"), sent == "queueaction=changePriority");
    }
}

#[test]
fn a_token_that_no_queue_knows_and_a_priority_out_of_range_are_refused() {
    let server = Canned::start();
    server.success(&["action=GetStatus"], QUEUES).error(&["QueueInfo"], "0x33", "not known");
    let ran = run(&server.url(), &["queue", "show", OTHER]);
    assert_eq!(ran.code, 1);
    assert!(ran.err.contains(&format!("'token={OTHER}' is not known to any queue of {}", server.url())), "{ran:?}");
    let ran = run(&server.url(), &["queue", "priority", TOKEN, "101"]);
    assert!(ran.code == 2 && ran.err.contains("0..=100"), "{ran:?}");
}

#[test]
fn r87_nothing_concerned_is_said_so() {
    let server = Canned::start();
    server.success(&["queueaction=stop"], r#"{"actions":{}}"#);
    let ran = run(&server.url(), &["queue", "stop", "TrainFace"]);
    assert_eq!((ran.code, ran.out.as_str()), (0, "stop TrainFace: done; no job is concerned\n"));
    let ran = run(&server.url(), &["queue", "stop", "TrainFace", "--json"]);
    let json: Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!(json, serde_json::json!({"queue": "TrainFace", "jobs": []}));
}

#[test]
fn an_error_is_exit_code_1_with_the_description_and_steers_no_terminal() {
    let server = Canned::start();
    server.error(&["QueueInfo"], "0x34", "'token=\u{1b}[2J\u{9b}31m' is Finished");
    let ran = run(&server.url(), &["queue", "cancel", TOKEN, "--queue", "TrainFace"]);
    assert_eq!(ran.code, 1);
    assert_eq!(ran.err, "faceclique: 'token=\\u{1b}[2J\\u{9b}31m' is Finished\n");
    assert_eq!(ran.out, "");
}

#[test]
fn a_server_that_is_not_there_is_exit_code_2_with_address_and_reason() {
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap(); // free again
    for arguments in [&["status"][..], &["queue"], &["queue", "list", "TrainFace", "--watch"]] {
        let ran = run(&format!("http://{address}"), arguments);
        assert_eq!(ran.code, 2, "{ran:?}");
        let expected = format!("faceclique: cannot reach http://{address}: Connection refused");
        assert!(ran.err.starts_with(&expected), "{ran:?}");
    }
}

#[test]
fn a_server_that_is_silent_or_speaks_otherwise_is_exit_code_2() {
    let server = Canned::start();
    server
        .silence(&["queuename=Silent"])
        .raw(&["queuename=Gone"], "404 Not Found", "<html>")
        .raw(&["queuename=Page"], "200 OK", "<html>")
        .raw(&["queuename=Other"], "200 OK", r#"{"autnresponse":{}}"#);
    for (queue, expected) in [
        ("Silent", "did not answer in time"),
        ("Gone", "HTTP status 404"),
        ("Page", "no FaceClique server"),
        ("Other", "no FaceClique server"),
    ] {
        let ran = run(&server.url(), &["queue", "list", queue, "--timeout", "1"]);
        assert!(ran.code == 2 && ran.err.contains(expected), "{queue}: {ran:?}");
    }
}

#[test]
fn the_bearer_token_goes_to_the_server_named_and_nowhere_else() {
    let (server, elsewhere) = (Canned::start(), Canned::start());
    server.success(&["queuename=Q", "uthorization: Bearer s3cret\r\n"], r#"{"actions":{}}"#);
    let ran = ran(program(&["queue", "list", "Q"])
        .env("FACECLIQUE_SERVER", server.url())
        .env("FACECLIQUE_BEARER_TOKEN", "s3cret"));
    assert_eq!((ran.code, ran.out.as_str()), (0, "no jobs\n"), "{ran:?}");
    server.raw(&["queuename=Away"], &format!("302 Found\r\nLocation: {}/", elsewhere.url()), "");
    let ran = run(&server.url(), &["queue", "list", "Away", "--bearer-token", "s3cret"]);
    assert_eq!(ran.code, 2, "{ran:?}");
    assert!(elsewhere.asked().is_empty());
    let help = self::ran(program(&["queue", "--help"]).env("FACECLIQUE_BEARER_TOKEN", "s3cret"));
    assert!(help.out.contains("FACECLIQUE_BEARER_TOKEN") && !help.out.contains("s3cret"), "{}", help.out);
    assert!(help.out.contains("Examples:") && help.out.contains("Exit code:"), "{}", help.out);
}

#[test]
fn wrong_arguments_are_named() {
    for (arguments, expected) in [
        (&["queue", "list", "--state", "busy"][..], "it is one of Queued, Processing"),
        (&["status", "--server", "14000"], "--server 14000: it begins with http://"),
        (&["status", "--ca-file", "/nowhere.pem"], "--ca-file: cannot read /nowhere.pem: No such file"),
        (&["status", "--bearer-token", "a b"], "--bearer-token: it is letters"),
    ] {
        let ran = ran(&mut program(arguments));
        assert!(ran.code != 0 && ran.err.contains(expected), "{ran:?}");
    }
}

/// Two queues: a running clustering and an older training that failed.
fn two_queues() -> Canned {
    let server = Canned::start();
    let running = format!(
        r#"{{"actions":{{"action":[{{"status":"Processing","queued_time":"2021-Feb-01 12:08:31","time_in_queue":"2","time_processing":"187","token":"{TOKEN}"}}]}}}}"#
    );
    let failed = format!(
        r#"{{"actions":{{"action":[{{"status":"Error","queued_time":"2021-Jan-31 12:11:40","time_in_queue":"0","error":"'database=\u001b[2J' does not exist","token":"{OTHER}"}}]}}}}"#
    );
    let progress = format!(
        r#"{{"action":[{{"token":"{TOKEN}","status":"Processing","progress":{{"percent":"26.407","stage":[{{"name":"compare","percent":"41.000"}}]}}}}]}}"#
    );
    server
        .success(&["action=GetStatus"], QUEUES)
        .success(&["queuename=FaceClustering", "queueaction=getStatus"], &running)
        .success(&["queuename=TrainFace", "queueaction=getStatus"], &failed)
        .success(&["queuename=FaceClustering", "queueaction=progress"], &progress);
    server
}

#[test]
fn all_queues_are_listed_the_newest_job_first() {
    let server = two_queues();
    let ran = run(&server.url(), &["queue", "list", "--state", "processing,ERROR", "--max", "7"]);
    let expected = vec![
        "queue token status queued waiting running percent error".to_owned(),
        format!("FaceClustering {TOKEN} Processing 2021-Feb-01 12:08:31 2s 3m07s 26.4"),
        format!("TrainFace {OTHER} Error 2021-Jan-31 12:11:40 0s 'database=\\u{{1b}}[2J' does not exist"),
    ];
    assert_eq!((ran.code, lines(&ran.out)), (0, expected), "{}", ran.err);
    let asked = server.asked();
    let of_clustering = asked.iter().find(|request| request.contains("queueaction=getStatus")).unwrap();
    for sent in ["state=Processing%2CError", "maxresults=8", "resultmaxclusters=0"] {
        assert!(of_clustering.contains(sent), "{of_clustering}");
    }
    assert_eq!(run(&server.url(), &["queue"]).out, ran.out, "listing is what happens without a word");
    let one = run(&server.url(), &["queue", "list", "--max", "1"]).out;
    assert!(one.contains(TOKEN) && !one.contains(OTHER) && one.ends_with("more than these 1 (--max)\n"), "{one}");
}

#[test]
fn a_list_as_json_is_what_the_server_says() {
    let server = two_queues();
    let ran = run(&server.url(), &["queue", "list", "--json"]);
    let json: Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!(json[0]["queue"], "FaceClustering");
    assert_eq!(json[0]["progress"]["percent"], "26.407");
    assert_eq!(json[1]["error"], "'database=\u{1b}[2J' does not exist");
    assert!(!ran.out.contains('\u{1b}'));
}

#[test]
fn a_watch_goes_on_when_the_server_is_away_for_a_while() {
    let server = Canned::start();
    let asked = ["queuename=Q", "queueaction=getStatus"];
    server.success_times(1, &asked, r#"{"actions":{"action":[{"status":"Queued","token":"first"}]}}"#);
    server.success_times(1, &["queueaction=progress"], "{}");
    server.success(&asked, r#"{"actions":{"action":[{"status":"Finished","token":"second"}]}}"#);
    let child =
        program(&["queue", "list", "Q", "--watch", "--json", "--server", &server.url()]).stdout(Stdio::piped()).spawn();
    let mut child = Mortal(child.unwrap());
    let mut lines = BufReader::new(child.0.stdout.take().unwrap()).lines();
    let mut next = || serde_json::from_str::<Value>(&lines.next().unwrap().unwrap()).unwrap();
    assert_eq!(next()[0]["token"], "first");
    assert_eq!(next()[0]["token"], "second");
    child.kill();
}

#[test]
fn the_real_server_is_listed_shown_and_refuses() {
    let data = tempfile::tempdir().unwrap();
    let server = Server::start(data.path());
    let url = format!("http://{}", server.address);
    assert_eq!(run(&url, &["queue"]).out, "no jobs\n");
    let rows = br#"{"identifier":"ann","imagelabel":"1","embedding":[1,0]}"#;
    server.import("d", rows);
    let token = server.submit("/action=FaceClustering");
    server.ended("FaceClustering", &token);
    let failing = server.submit("/action=FaceClustering&database=none");
    server.ended("FaceClustering", &failing);
    let list = run(&url, &["queue", "list"]);
    assert_eq!(list.code, 0, "{list:?}");
    let rows = lines(&list.out);
    assert_eq!(rows.len(), 4, "{list:?}");
    assert!(list.out.contains("'database=none' does not exist (FACECLIQUEFACECLUSTERING40)"), "{list:?}");
    assert!(rows.iter().any(|row| row.starts_with("ImportFaceDatabase ")));
    let list = run(&url, &["queue", "list", "FaceClustering", "--json"]);
    let json: Value = serde_json::from_str(&list.out).unwrap();
    assert_eq!((&json[0]["token"], &json[1]["token"]), (&failing.as_str().into(), &token.as_str().into()));
    let show = run(&url, &["queue", "show", &token.to_uppercase()]);
    let shown = lines(&show.out);
    for line in ["queue FaceClustering", "status Finished", "percent 100.000", "resultclusters total 1"] {
        assert!(shown.iter().any(|shown| shown == line), "{line} in {show:?}");
    }
    let stop = run(&url, &["queue", "stop", &token]);
    assert!(stop.code == 1 && stop.err.starts_with("faceclique: ") && stop.out.is_empty(), "{stop:?}");
    let unknown = run(&url, &["queue", "list", "Process"]);
    assert!(unknown.code == 1 && unknown.err.contains("'queuename=Process' is not a queue"), "{unknown:?}");
    assert_eq!(run(&url, &["queue", "stop", "FaceClustering"]).code, 0);
}

#[test]
fn r86_the_jobs_and_queues_of_the_real_server_are_steered() {
    let data = tempfile::tempdir().unwrap();
    let server = Server::start(data.path());
    let url = format!("http://{}", server.address);
    assert_eq!(run(&url, &["queue", "pause", "FaceClustering"]).code, 0);
    assert!(lines(&run(&url, &["status"]).out).contains(&"FaceClustering paused 0 0 0".to_owned()));
    let (token, other) = (server.submit("/action=FaceClustering"), server.submit("/action=FaceClustering"));
    let after = |arguments: &[&str]| {
        let ran = run(&url, &[&["queue"], arguments].concat());
        assert_eq!(ran.code, 0, "{ran:?}");
        lines(&ran.out).pop().unwrap()
    };
    assert_eq!(after(&["priority", &token, "80"]), format!("FaceClustering {token} Queued"));
    assert_eq!(after(&["pause", &token]), format!("FaceClustering {token} Paused"));
    let waiting = run(&url, &["queue", "list", "--state", "queued", "--json"]);
    let json: Value = serde_json::from_str(&waiting.out).unwrap();
    assert_eq!((json.as_array().unwrap().len(), &json[0]["token"]), (1, &other.as_str().into()), "{waiting:?}");
    assert_eq!(after(&["cancel", &other]), format!("FaceClustering {other} Cancelled"));
    assert_eq!(after(&["resume", &token]), format!("FaceClustering {token} Queued"));
    assert_eq!(run(&url, &["queue", "resume", "FaceClustering"]).code, 0);
    assert!(server.ended("FaceClustering", &token).contains("<status>Finished<"));
}

#[test]
fn the_status_of_the_real_server_is_shown() {
    let data = tempfile::tempdir().unwrap();
    let server = Server::start(data.path());
    let url = format!("http://{}/", server.address);
    let status = run(&url, &["status"]);
    let shown = lines(&status.out);
    assert_eq!(status.code, 0, "{status:?}");
    assert!(shown.contains(&"health ok".to_owned()), "{status:?}");
    assert!(shown.contains(&"FaceClustering open 0 0 0".to_owned()), "{status:?}");
    let csv = run(&url, &["status", "--csv"]).out;
    assert!(
        csv.starts_with("queue,state,waiting,running,ended\n") && csv.contains("\nFaceClustering,open,0,0,0\n"),
        "{csv}"
    );
    let json: Value = serde_json::from_str(&run(&url, &["status", "--json"]).out).unwrap();
    assert_eq!(json["health"], "ok");
    assert_eq!(json["status"]["product"], "FaceClique");
}

#[test]
fn a_server_that_is_not_well_is_exit_code_1() {
    let server = Canned::start();
    server.success(&["action=GetStatus"], QUEUES);
    server.raw(&["GET /health"], "503 Service Unavailable", "no worker works the queues");
    let ran = run(&server.url(), &["status"]);
    assert_eq!(ran.code, 1);
    assert_eq!(ran.err, "faceclique: the server is not well: no worker works the queues\n");
    assert!(ran.out.contains("no worker works the queues"), "{ran:?}");
}
