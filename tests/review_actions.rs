//! Decisions and changes over the wire: names that are meant to break something, every refusal by its code, and a
//! clustering that obeys.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[path = "support/server.rs"]
mod server;

use server::{Server, between};
use tempfile::TempDir;

/// A face with this name for each, percent-encoded, with images `1` and `2` near each other.
fn people(faces: &[&str]) -> (TempDir, Server) {
    let data = tempfile::tempdir().unwrap();
    let server = Server::start(data.path());
    ok(&server, "/action=CreateFaceDatabase&database=d");
    for face in faces {
        ok(&server, &format!("/action=NewFace&database=d&identifier={face}"));
        let parts: [(&str, &str, &[u8]); 2] =
            [("embedding", "text/plain", b"[1, 0.01, 0]"), ("embedding", "text/plain", b"[1, 0.02, 0]")];
        let answer =
            server.post(&format!("/action=AddFaceImages&database=d&identifier={face}&imagelabels=1,2"), &parts);
        assert!(answer.contains("SUCCESS"), "{answer}");
    }
    (data, server)
}

fn ok(server: &Server, target: &str) -> String {
    let answer = server.get(target);
    assert!(answer.contains("<response>SUCCESS</response>"), "{target}: {answer}");
    between(&answer, "<responsedata>", "</responsedata></autnresponse>").to_owned()
}

fn refused(server: &Server, target: &str, number: u16, says: &str) {
    let answer = server.get(target);
    assert!(
        answer.contains(&format!("<rawerrorid>{number:#X}</rawerrorid>").replace("0X", "0x")),
        "{target}: {answer}"
    );
    assert!(answer.contains(says), "{target}: {answer}");
}

#[test]
fn names_that_are_meant_to_break_something_come_back_as_they_were() {
    let long = "%C3%A9".repeat(127); // 254 bytes
    let names = ["%3Cscript%3E%26%27%22", "%E2%80%AEtxet", "a%2Fb%5C..%2F..", &long];
    let (_data, server) = people(&names);
    for other in &names[1..] {
        ok(
            &server,
            &format!("/action=AddDecision&decision=notsame&database=d&identifier={}&otheridentifier={other}", names[0]),
        );
    }
    let listed = ok(&server, "/action=ListDecisions");
    assert_eq!(listed.matches("&lt;script&gt;&amp;'\"").count(), 3, "{listed}");
    let before = ok(&server, "/action=ListFaces&database=d&imagestatus=true");
    let moved = ok(
        &server,
        &format!(
            "/action=MoveFaceImage&undoable=true&database=d&identifier={}&imagelabel=1&newidentifier={long}",
            names[0]
        ),
    );
    assert!(moved.contains("<newimagelabel>1~2</newimagelabel>"), "{moved}");
    let id = between(&moved, "<id>", "</id>").to_owned();
    refused(
        &server,
        &format!("/action=MergeFaces&database=d&identifier={}&intoidentifier={long}", names[0]),
        52,
        "are not the same person",
    );
    ok(&server, &format!("/action=MergeFaces&database=d&identifier={}&intoidentifier={long}", names[1]));
    let last = ok(&server, "/action=ListChanges&maxresults=1");
    ok(&server, &format!("/action=UndoChange&id={}", between(&last, "<id>", "</id>")));
    ok(&server, &format!("/action=UndoChange&id={id}"));
    assert_eq!(ok(&server, "/action=ListFaces&database=d&imagestatus=true"), before);
    assert_eq!(ok(&server, "/action=ListChanges&maxresults=0"), "");
    assert_eq!(ok(&server, "/action=ListDecisions&after=2&maxresults=1").matches("<decision>").count(), 1);
}

#[test]
fn every_refusal_has_its_code() {
    let (_data, server) = people(&["ann", "bob"]);
    let d = "database=d&identifier=ann";
    for (target, number, says) in [
        (format!("/action=AddDecision&decision=maybe&{d}"), 11, "maybe"),
        (format!("/action=AddDecision&decision=same&{d}"), 10, "otheridentifier"),
        (format!("/action=AddDecision&decision=labelright&{d}"), 10, "imagelabel"),
        (format!("/action=AddDecision&decision=labelright&{d}&imagelabel=1&otheridentifier=bob"), 14, "one image"),
        (format!("/action=AddDecision&decision=same&{d}&otheridentifier=ann"), 14, "both are the same"),
        (format!("/action=AddDecision&decision=same&{d}&otheridentifier=eve"), 41, "'identifier=eve'"),
        (format!("/action=AddDecision&decision=same&{d}&imagelabel=9&otheridentifier=bob"), 42, "'imagelabel=9'"),
        (format!("/action=AddDecision&decision=same&{d}&otherdatabase=x&otheridentifier=bob"), 40, "'database=x'"),
        (format!("/action=AddDecision&decision=labelright&{d}&imagelabel=1&comment={}", "x".repeat(1_001)), 11, "1000"),
        ("/action=RemoveDecision&id=7".to_owned(), 51, "'id=7' is no decision"),
        ("/action=UndoChange&id=7".to_owned(), 51, "'id=7' is no change"),
        ("/action=UndoChange&id=0".to_owned(), 11, "'id=0'"),
        (format!("/action=MergeFaces&{d}&intoidentifier=ann"), 46, "exists already"),
        (format!("/action=SplitFace&{d}&imagelabels=1,2&newidentifier=eve"), 52, "some must stay"),
        (format!("/action=SplitFace&{d}&imagelabels=1&newidentifier=bob"), 46, "'identifier=bob'"),
        (format!("/action=SplitFace&{d}&imagelabels=&newidentifier=eve"), 11, "imagelabels"),
        (format!("/action=SetAsideFaceImages&{d}&imagelabels=1,1"), 15, "twice"),
        (format!("/action=SetAsideFaceImages&{d}"), 10, "imagelabels"),
        (
            format!("/action=MoveFaceImage&{d}&imagelabel=1&newidentifier=bob&newdatabase=x&undoable=true"),
            14,
            "undoable",
        ),
    ] {
        refused(&server, &target, number, says);
    }
    assert_eq!(ok(&server, "/action=ListChanges"), "", "nothing was changed");
    assert_eq!(ok(&server, "/action=ListDecisions"), "");
}

#[test]
fn a_clustering_obeys_if_it_is_asked_to_and_says_so() {
    let (_data, server) = people(&["ann"]);
    let cluster = "/action=FaceClustering&database=d&synchronous=true";
    let clusters = |answer: String| answer.split("<token>").next().unwrap().to_owned();
    let plain = clusters(ok(&server, cluster));
    assert_eq!(plain.matches("<cluster>").count(), 1);
    ok(
        &server,
        "/action=AddDecision&decision=notsame&database=d&identifier=ann&imagelabel=1&otheridentifier=ann&otherimagelabel=2",
    );
    let obeyed = ok(&server, &format!("{cluster}&respectdecisions=true"));
    assert_eq!(obeyed.matches("<cluster>").count(), 2);
    assert!(obeyed.contains("<respectdecisions>true</respectdecisions><numdecisions>1</numdecisions>"), "{obeyed}");
    assert_eq!(clusters(ok(&server, cluster)), plain, "otherwise it is as ever");
}

#[test]
fn the_command_line_decides_and_undoes() {
    let (_data, server) = people(&["ann", "bob"]);
    let url = format!("http://{}", server.address);
    let run = |arguments: &[&str]| {
        let output = server::program(arguments).env("FACECLIQUE_SERVER", &url).output().unwrap();
        let (out, err) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
        (output.status.code().unwrap(), out, err)
    };
    let (code, out, err) = run(&["decide", "notsame", "--database", "d", "ann", "bob", "--comment", "sisters"]);
    assert_eq!((code, out.as_str()), (0, "decision 1\n"), "{err}");
    let (_, out, _) = run(&["decide"]);
    assert!(out.starts_with("1  ") && out.ends_with("  notsame  d/ann  d/bob  (sisters)\n"), "{out}");
    let (code, _, err) = run(&["decide", "same", "--database", "d", "ann"]);
    assert!(code == 1 && err.contains("otheridentifier"), "{err}");
    assert_eq!(run(&["decide", "forget", "1"]).1, "forgotten\n");
    ok(&server, "/action=MoveFaceImage&undoable=true&database=d&identifier=ann&imagelabel=2&newidentifier=bob");
    let (_, out, _) = run(&["undo"]);
    assert!(out.starts_with("2  ") && out.ends_with("  move  d  ann/2 -> bob/2~2\n"), "{out}");
    assert_eq!(run(&["undo", "2"]).1, "change 2 is undone by change 3\n");
    let (code, _, err) = run(&["undo", "2"]);
    assert!(code == 1 && err.contains("was undone by change 3"), "{err}");
}
