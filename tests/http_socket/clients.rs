//! What real clients send (contract R181).

use crate::raw::Answer;
use crate::sent;
use crate::server::server;

/// The answer of the service that echoes.
fn answer(request: &str) -> Answer {
    server().connect().send(request).answer()
}

fn action(answer: &Answer) -> &str {
    answer.body.split("<action>").nth(1).unwrap().split('<').next().unwrap()
}

#[test]
fn r181_java_get() {
    let answer = answer(&sent::java_get("/?Action=TrainFace&database=my%20db&identifier=Zo%C3%AB%20%26%20Co&n=3"));
    assert_eq!(answer.echo(), ["database=my db", "identifier=Zoë &amp; Co", "n=3"]);
    assert_eq!(action(&answer), "TRAINFACE");
    assert_eq!(answer.header("content-encoding"), None, "so short an answer is not packed");
}

#[test]
fn r181_java_post_of_a_form_as_text_plain() {
    let answer = answer(&sent::java_form("Action=TrainFace&database=my+db&identifier=Zo%C3%AB+%26+Co"));
    assert_eq!(answer.echo(), ["database=my db", "identifier=Zoë &amp; Co"]);
}

#[test]
fn r181_java_upload_chunked_multipart() {
    let texts = [("database", "my db"), ("identifier", "Zoë")];
    let server = server();
    let mut client = server.connect();
    for chunk in [7, 2_048] {
        let answer = client.send(sent::java_upload("/?Action=TrainFace", &texts, &["ONE", "TWO"], chunk)).answer();
        assert_eq!(answer.echo(), ["database=my db", "identifier=Zoë", "imagedata:3:ONE", "imagedata:3:TWO"]);
    }
    assert_eq!(client.get("/a=getpid").status, 200, "the connection goes on");
}

#[test]
fn r181_java_with_a_path() {
    let target = "/mediaserver/?Action=QueueInfo&QueueAction=GetStatus&QueueName=TrainFace";
    let answer = answer(&sent::java_get(target));
    assert_eq!(action(&answer), "QUEUEINFO");
    assert_eq!(answer.echo(), ["queueaction=GetStatus", "queuename=TrainFace"]);
}

/// Two files as curl names them.
const FILES: [(&str, &str); 2] = [("a.jpg", "AAA"), ("b.jpg", "BBBB")];

#[test]
fn r181_curl_one_file_and_several() {
    let answer = answer(&sent::curl_files("/", &[("action", "AddFaceImages")], &FILES));
    assert_eq!(action(&answer), "ADDFACEIMAGES");
    assert_eq!(answer.echo(), ["imagedata:3:AAA", "imagedata:4:BBBB"]);
}

#[test]
fn r181_curl_two_files_in_one_field() {
    let fields = [("database", "people")];
    let answer = answer(&sent::curl_files_in_one_field("/action=AddFaceImages", &fields, &FILES));
    assert_eq!(answer.echo(), ["database=people", "imagedata:3:AAA", "imagedata:4:BBBB"]);
}

#[test]
fn r181_curl_d_with_base64() {
    let answer = answer(&sent::curl_data("action=AddFaceImages&imagedata=aGVsbG8="));
    assert_eq!(answer.echo(), ["imagedata:5:hello"]);
}

#[test]
fn r181_python_requests_with_imagedata_in_capitals() {
    let target = "/action=AddFaceImages&database=d&identifier=i&imagelabels=l";
    let answer = answer(&sent::python_requests_file(target, "x.png", "PNG"));
    assert_eq!(answer.echo(), ["database=d", "identifier=i", "imagelabels=l", "imagedata:3:PNG"]);
}

#[test]
fn r181_scripts_on_queueinfo_find_the_first_action_in_json() {
    let target = "/?action=QueueInfo&QueueAction=GetStatus&maxResults=100&queueName=TRAINFACE&responseformat=json";
    let answer: serde_json::Value = serde_json::from_str(&answer(&sent::python_requests_get(target)).body).unwrap();
    assert_eq!(answer["autnresponse"]["responsedata"]["actions"]["action"][0]["echo"]["$"], "maxresults=100");
}

#[test]
fn ten_thousand_small_parts_and_large_ones_are_received() {
    let server = server();
    let large = "y".repeat(3_000_000);
    let mut files = vec![("tiny.jpg", "tiny"); 9_990];
    files.push(("large.jpg", &large));
    let request = sent::curl_files("/a=AddFaceImages", &[("dbdata", &large)], &files);
    let answer = server.connect().send(request).answer();
    let echo = answer.echo();
    assert_eq!(echo.len(), 9_992);
    assert_eq!(echo[0], format!("dbdata:3000000:{}", "y".repeat(20)));
    assert_eq!(echo[9_991], format!("imagedata:3000000:{}", "y".repeat(20)));
    assert_eq!(std::fs::read_dir(server.spool.path()).unwrap().count(), 0, "spool files vanish with the request");
}
