//! curl and Python themselves, where they are installed, against a real server (contract R181).

use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Output};

use crate::clients::{stored, world};
use crate::sent::{PICTURE, PICTURE_IN_BASE64, other_picture};
use crate::world::World;

/// The program, unless it does not run here; then that is said.
fn installed(program: &str, trial: &[&str]) -> Option<Command> {
    if Command::new(program).args(trial).output().is_ok_and(|output| output.status.success()) {
        return Some(Command::new(program));
    }
    // not `eprintln!`, which the test harness swallows when the test passes
    let _ = writeln!(std::io::stderr(), "SKIPPED: {program} {} does not run on this machine", trial.join(" "));
    None
}

/// What the client said, if it was content.
fn said(output: &Output) -> String {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(output.status.success(), "{}\n{}", text(&output.stdout), text(&output.stderr));
    text(&output.stdout)
}

/// A folder with two pictures.
fn pictures() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("a.jpg"), PICTURE).unwrap();
    fs::write(folder.path().join("b.jpg"), other_picture()).unwrap();
    folder
}

/// Runs curl with these arguments and a path of the server.
fn curl(world: &World, folder: &Path, arguments: &[&str], target: &str) -> Option<String> {
    let mut curl = installed("curl", &["--version"])?;
    let url = format!("http://{}{target}", world.address);
    let common = ["--silent", "--show-error", "--noproxy", "*", "--max-time", "60"];
    Some(said(&curl.current_dir(folder).args(common).args(arguments).arg(url).output().unwrap()))
}

fn is_success(answer: &str) {
    assert!(answer.contains("<response>SUCCESS</response>"), "{answer}");
}

#[test]
fn r181_curl_sends_one_file_with_the_action_among_the_parts() {
    let (world, folder) = (world(), pictures());
    let fields = ["action=AddFaceImages", "database=my db", "identifier=Zoë", "imagelabels=F", "imagedata=@a.jpg"];
    let arguments: Vec<&str> = fields.iter().flat_map(|field| ["-F", field]).collect();
    let Some(answer) = curl(&world, folder.path(), &arguments, "/") else { return };
    is_success(&answer);
    assert_eq!(stored(&world, "F"), PICTURE);
}

#[test]
fn r181_curl_sends_several_files_in_several_fields_and_in_one() {
    for files in [&["imagedata=@a.jpg", "imagedata=@b.jpg"][..], &["imagedata=@a.jpg,b.jpg"]] {
        let (world, folder) = (world(), pictures());
        let fields = ["database=my db", "identifier=Zoë", "imagelabels=F,G"];
        let arguments: Vec<&str> = fields.iter().chain(files).flat_map(|field| ["-F", field]).collect();
        let Some(answer) = curl(&world, folder.path(), &arguments, "/action=AddFaceImages") else { return };
        is_success(&answer);
        assert_eq!((stored(&world, "F"), stored(&world, "G")), (PICTURE.to_owned(), other_picture()));
    }
}

#[test]
fn r181_curl_sends_a_picture_in_base64() {
    let (world, folder) = (world(), pictures());
    let form =
        format!("action=AddFaceImages&database=my+db&identifier=Zo%C3%AB&imagelabels=F&imagedata={PICTURE_IN_BASE64}");
    let Some(answer) = curl(&world, folder.path(), &["-d", &form], "/") else { return };
    is_success(&answer);
    assert_eq!(stored(&world, "F"), PICTURE);
}

#[test]
fn r181_curl_waits_for_a_continue_and_uploads_an_import() {
    let (world, folder) = (world(), pictures());
    let row = |i: usize| format!("{{\"identifier\":\"I{i}\",\"imagelabel\":\"x\",\"embedding\":[1,0,0,{i}]}}\n");
    fs::write(folder.path().join("many.jsonl"), (0..40_000).map(row).collect::<String>()).unwrap();
    let arguments = ["-H", "Expect: 100-continue", "-F", "database=many", "-F", "dbdata=@many.jsonl"];
    let target = "/action=ImportFaceDatabase&synchronous=true";
    let Some(answer) = curl(&world, folder.path(), &arguments, target) else { return };
    is_success(&answer);
    assert!(answer.contains("<numimages>40000</numimages>"), "{answer}");
}

#[test]
fn r182_curl_shows_an_error_as_it_is_and_does_not_fail() {
    let (world, folder) = (world(), pictures());
    let target = "/action=RemoveFaceDatabase&database=LFW";
    let Some(answer) = curl(&world, folder.path(), &["--fail"], target) else { return };
    assert!(answer.contains("'database=LFW' does not exist"), "{answer}");
}

/// Runs Python on a script; its first argument is the address of the server.
fn python(world: &World, folder: &Path, modules: &str, script: &str) -> Option<String> {
    let mut python = installed("python3", &["-c", &format!("import {modules}")])?;
    let url = format!("http://{}", world.address);
    python.current_dir(folder).env("NO_PROXY", "*").env("PYTHONUTF8", "1").args(["-c", script, &url]);
    Some(said(&python.output().unwrap()))
}

#[test]
fn r181_python_requests_sends_imagedata_in_capitals() {
    let (world, folder) = (world(), pictures());
    let script = "
import requests, sys
target = '/action=AddFaceImages&database=my%20db&identifier=Zo%C3%AB&imagelabels=F'
answer = requests.post(sys.argv[1] + target, files={'ImageData': open('a.jpg', 'rb')}, timeout=60)
answer.raise_for_status()
print(answer.headers['Content-Type'], answer.text)
";
    let Some(answer) = python(&world, folder.path(), "requests", script) else { return };
    assert!(answer.starts_with("text/xml; charset=UTF-8 <?xml"), "{answer}");
    is_success(&answer);
    assert_eq!(stored(&world, "F"), PICTURE);
}

#[test]
fn r181_python_requests_polls_over_one_connection_until_the_job_has_ended() {
    let (world, folder) = (world(), pictures());
    let script = "
import requests, sys
session = requests.Session()
ask = lambda parameters: session.get(sys.argv[1] + '/', params=parameters, timeout=60).json()['autnresponse']
begun = ask({'action': 'FaceClustering', 'database': 'people', 'responseformat': 'json'})
token = begun['responsedata']['token']['$']
poll = {'action': 'QueueInfo', 'QueueAction': 'GetStatus', 'maxResults': '100', 'queueName': 'FACECLUSTERING',
        'token': token, 'responseformat': 'json'}
while True:
    action = ask(poll)['responsedata']['actions']['action'][0]
    if action['status']['$'] not in ('Queued', 'Processing'):
        break
print(action['status']['$'], len(action['clusters']['cluster']))
";
    let Some(answer) = python(&world, folder.path(), "requests", script) else { return };
    assert_eq!(answer.trim(), "Finished 2");
}

#[test]
fn r181_r182_python_urllib_posts_a_form_and_reads_the_error_of_the_second() {
    let (world, folder) = (world(), pictures());
    let script = "
import sys, urllib.parse, urllib.request
import xml.etree.ElementTree as tree
form = urllib.parse.urlencode({'action': 'NewFace', 'database': 'my db', 'identifier': 'Zoë & Co'}).encode()
for _ in range(2):
    with urllib.request.urlopen(sys.argv[1] + '/', data=form, timeout=60) as answer:
        root = tree.fromstring(answer.read())
    print(answer.status, root.findtext('response'), root.findtext('responsedata/error/errordescription'))
";
    let Some(answer) = python(&world, folder.path(), "urllib.request", script) else { return };
    let expected = ["200 SUCCESS None", "200 ERROR 'identifier=Zoë & Co' exists already in 'database=my db'"];
    assert_eq!(answer.lines().collect::<Vec<_>>(), expected);
}
