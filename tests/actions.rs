//! The actions on databases, faces and the server itself, over the wire: what their answers hold, element by element.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[path = "support/server.rs"]
mod server;

use server::{Server, between, masked};
use tempfile::TempDir;

fn fresh() -> (TempDir, Server) {
    let data = tempfile::tempdir().unwrap();
    let server = Server::start(data.path());
    (data, server)
}

/// What stands in `responsedata`; the answer must be a success.
fn success(answer: &str) -> &str {
    assert!(answer.contains("<response>SUCCESS</response>"), "{answer}");
    between(answer, "<responsedata>", "</responsedata></autnresponse>")
}

#[test]
fn r123_databases_come_and_go() {
    let (_data, server) = fresh();
    assert_eq!(success(&server.get("/action=ListFaceDatabases")), "");
    for name in ["b", "Zo%C3%AB%20%26%20Co", "a"] {
        assert_eq!(success(&server.get(&format!("/action=CreateFaceDatabase&database={name}"))), "");
    }
    server.get("/action=NewFace&database=b&identifier=x");
    let list = "<database><database>Zoë &amp; Co</database><numentries>0</numentries></database>\
        <database><database>a</database><numentries>0</numentries></database>\
        <database><database>b</database><numentries>1</numentries></database>";
    assert_eq!(success(&server.get("/action=ListFaceDatabases")), list);
    assert_eq!(success(&server.get("/action=SyncFaces")), "");
    assert_eq!(success(&server.get("/action=SyncFaces&database=a")), "");
    assert_eq!(success(&server.get("/action=RemoveFaceDatabase&database=b")), "");
    assert!(!server.get("/action=ListFaceDatabases").contains("<database>b<"));
    // a new database of that name has nothing of the old one
    server.get("/action=CreateFaceDatabase&database=b");
    assert_eq!(success(&server.get("/action=ListFaces&database=b")), "");
}

#[test]
fn r127_faces_are_made_listed_and_removed() {
    let (_data, server) = fresh();
    server.get("/action=CreateFaceDatabase&database=d");
    let made = server.get("/action=NewFace&database=d");
    let generated = between(success(&made), "<identifier>", "</identifier>");
    assert!(generated.len() == 32 && generated.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')), "{generated}");
    assert_eq!(
        success(&server.get("/action=NewFace&database=d&identifier=Smith,%20J")),
        "<identifier>Smith, J</identifier>"
    );
    let target = "/action=AddFaceImages&database=d&identifier=Smith,%20J&imagelabels=b,%22a,%20too%22";
    let parts: [(&str, &str, &[u8]); 2] = [
        ("embedding", "text/plain", b"[3, 4]"),
        ("embedding", "application/octet-stream", &[0, 0, 128, 63, 0, 0, 0, 0]), // 1.0, 0.0
    ];
    let added = "<images><image><index>1</index><label>b</label></image>\
        <image><index>2</index><label>a, too</label></image></images>";
    assert_eq!(success(&server.post(target, &parts)), added);
    let entry = "<entry><identifier>Smith, J</identifier><numimages>2</numimages><numtrained>2</numtrained>\
        <numfailed>0</numfailed><numuntrained>0</numuntrained>\
        <images><image><label>a, too</label><status>trained</status><hasimagedata>false</hasimagedata></image>\
        <image><label>b</label><status>trained</status><hasimagedata>false</hasimagedata></image></images>\
        <metadata/></entry>";
    let list = "/action=ListFaces&database=d&imagestatus=true&metadata=true";
    assert_eq!(success(&server.get(&format!("{list}&identifier=%22Smith,%20J%22"))), entry);
    assert_eq!(success(&server.get(&format!("{list}&start=2"))).matches("<entry>").count(), 1);
    assert_eq!(success(&server.get(&format!("{list}&maxresults=0"))), "");
    assert_eq!(success(&server.get(&format!("/action=RemoveFace&database=d&identifier={generated}"))), "");
    assert_eq!(success(&server.get(list)).matches("<entry>").count(), 1);
}

#[test]
fn r129_a_long_list_of_faces_is_whole_and_in_order() {
    let (_data, server) = fresh();
    let mut rows = String::new();
    for i in 0..700 {
        rows += &format!("{{\"identifier\":\"{i:03}\",\"imagelabel\":\"x\",\"embedding\":[1]}}\n");
    }
    server.import("d", rows.as_bytes());
    let listed = |parameters: &str| -> Vec<String> {
        let answer = server.get(&format!("/action=ListFaces&database=d{parameters}"));
        answer.split("<identifier>").skip(1).map(|text| text[..3].to_owned()).collect()
    };
    let numbers = |range: std::ops::Range<i32>| range.map(|i| format!("{i:03}")).collect::<Vec<_>>();
    assert_eq!(listed(""), numbers(0..700));
    assert_eq!(listed("&start=101&maxresults=300"), numbers(100..400));
    assert_eq!(listed("&start=690&maxresults=300"), numbers(689..700));
    assert_eq!(listed("&start=701"), numbers(0..0));
}

#[test]
fn metadata_of_an_imported_file_is_listed() {
    let (_data, server) = fresh();
    let rows = r#"{"identifier":"ann","imagelabel":"1","embedding":[1,0],"metadata":{"note":"a < b","born":"1930"}}"#;
    server.import("d", rows.as_bytes());
    let answer = server.get("/action=ListFaces&database=d&metadata=true");
    let metadata = "<metadata><item><key>born</key><value>1930</value></item>\
        <item><key>note</key><value>a &lt; b</value></item></metadata>";
    assert!(answer.contains(metadata), "{answer}");
}

#[test]
fn r150_the_server_says_what_it_is() {
    let (_data, server) = fresh();
    let version = server.get("/a=getversion");
    let mut at = 0;
    for name in [
        "version",
        "aciversion",
        "productname",
        "commonname",
        "producttypecsv",
        "productUID",
        "build",
        "wordsize",
        "operatingsystem",
        "compiler",
        "directory",
        "configpath",
        "servertime",
        "performance",
        "uptime",
    ] {
        let found =
            version[at..].find(&format!("<autn:{name}")).unwrap_or_else(|| panic!("{name} in its place in {version}"));
        at += found + 1;
    }
    assert!(version.contains("<autn:productname>FaceClique</autn:productname>"), "{version}");
    let pid = server.get("/a=getpid");
    assert!(between(success(&pid), "<pid>", "</pid>").parse::<u32>().is_ok());
    let status = server.get("/action=GetStatus");
    let queue = "<queue><name>FaceClustering</name><paused>false</paused><pending>0</pending><running>0</running>\
        <completed>0</completed></queue>";
    assert!(status.contains(queue) && status.contains(&format!("<aciport>{}</aciport>", server.address.port())));
    let (head, body) = server.raw(b"GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    assert!(head.starts_with("HTTP/1.1 200") && body.starts_with(b"ok"), "{head}");
}

#[test]
fn r95_progress_says_how_far_a_job_is() {
    let (_data, server) = fresh();
    let token = server.submit("/action=FaceClustering");
    server.ended("FaceClustering", &token);
    let progress = "/action=QueueInfo&QueueName=FaceClustering&QueueAction=progress";
    let expected = "<action><token>*</token><status>Finished</status><progress><building_mode>false</building_mode>\
        <percent>100.000</percent><time_processing>*</time_processing></progress></action>";
    assert_eq!(success(&masked(&server.get(&format!("{progress}&Token={token}")))), expected);
    assert_eq!(success(&server.get(progress)), "", "without a token only jobs that have not ended");
    let answer = server.get(&format!(
        "/action=QueueInfo&QueueName=FACECLUSTERING&QueueAction=getSTATUS&Token=%20{}",
        token.to_uppercase()
    ));
    assert!(answer.contains("<status>Finished</status>") && answer.contains("<clusters/>"), "{answer}");
}

#[test]
fn jobs_are_listed_the_newest_first() {
    let (_data, server) = fresh();
    let tokens: Vec<String> = (0..3).map(|_| server.submit("/action=FaceClustering")).collect();
    for token in &tokens {
        server.ended("FaceClustering", token);
    }
    let listed = |parameters: &str| {
        let target = format!("/action=QueueInfo&QueueName=FaceClustering&QueueAction=getStatus{parameters}");
        let answer = server.get(&target);
        answer.split("<token>").skip(1).map(|text| text[..36].to_owned()).collect::<Vec<_>>()
    };
    assert!(listed("").iter().eq(tokens.iter().rev()));
    assert_eq!(listed("&MaxResults=1"), tokens[2..]);
}
