//! What real clients send (contract R181).

use std::fmt::Write as _;

use crate::raw::Answer;
use crate::server::server;

/// A body as curl and Python write it.
fn multipart(parts: &[(&str, &str)]) -> String {
    let mut body = String::new();
    for (head, content) in parts {
        write!(body, "--b1\r\nContent-Disposition: form-data; {head}\r\n\r\n{content}\r\n").unwrap();
    }
    body + "--b1--\r\n"
}

const MULTIPART: &str = "multipart/form-data; boundary=b1";

fn action(answer: &Answer) -> &str {
    answer.body.split("<action>").nth(1).unwrap().split('<').next().unwrap()
}

#[test]
fn r181_java_get() {
    let server = server();
    let answer = server
        .connect()
        .send(
            "GET /?Action=TrainFace&database=my%20db&identifier=Zo%C3%AB%20%26%20Co&n=3 HTTP/1.1\r\n\
             Host: localhost:14000\r\nAccept-Encoding: gzip, x-gzip, deflate\r\nConnection: Keep-Alive\r\n\r\n",
        )
        .answer();
    assert_eq!(answer.echo(), ["database=my db", "identifier=Zoë &amp; Co", "n=3"]);
    assert_eq!(action(&answer), "TRAINFACE");
    assert_eq!(answer.header("content-encoding"), None, "so short an answer is not packed");
}

#[test]
fn r181_java_post_of_a_form_as_text_plain() {
    let body = "Action=TrainFace&database=my+db&identifier=Zo%C3%AB+%26+Co";
    let answer = server().connect().post("/", "text/plain; charset=ISO-8859-1", body);
    assert_eq!(answer.echo(), ["database=my db", "identifier=Zoë &amp; Co"]);
}

#[test]
fn r181_java_upload_chunked_multipart() {
    let text = "Content-Type: text/plain; charset=UTF-8\r\nContent-Transfer-Encoding: 8bit";
    let bytes = "Content-Type: application/octet-stream\r\nContent-Transfer-Encoding: binary";
    let mut body = String::new();
    for (name, head, content) in [
        ("database", text, "my db"),
        ("identifier", text, "Zoë"),
        ("imagedata", bytes, "ONE"),
        ("imagedata", bytes, "TWO"),
    ] {
        write!(body, "--Xyz_-\r\nContent-Disposition: form-data; name=\"{name}\"\r\n{head}\r\n\r\n{content}\r\n")
            .unwrap();
    }
    body += "--Xyz_---\r\n";
    let server = server();
    let mut client = server.connect();
    client.send(
        "POST /?Action=TrainFace HTTP/1.1\r\nHost: localhost:14000\r\nTransfer-Encoding: chunked\r\n\
         Content-Type: multipart/form-data; boundary=Xyz_-; charset=UTF-8\r\n\r\n",
    );
    for piece in body.as_bytes().chunks(7) {
        client.send(format!("{:x}\r\n", piece.len())).send(piece).send("\r\n");
    }
    let answer = client.send("0\r\n\r\n").answer();
    assert_eq!(answer.echo(), ["database=my db", "identifier=Zoë", "imagedata:3:ONE", "imagedata:3:TWO"]);
    assert_eq!(client.get("/a=getpid").status, 200, "the connection goes on");
}

#[test]
fn r181_java_with_a_path() {
    let answer = server().connect().get("/mediaserver/?Action=QueueInfo&QueueAction=GetStatus&QueueName=TrainFace");
    assert_eq!(action(&answer), "QUEUEINFO");
    assert_eq!(answer.echo(), ["queueaction=GetStatus", "queuename=TrainFace"]);
}

#[test]
fn r181_curl_one_file_and_several() {
    let picture = "name=\"imagedata\"; filename=\"a.jpg\"\r\nContent-Type: image/jpeg";
    let body = multipart(&[("name=\"action\"", "AddFaceImages"), (picture, "AAA"), (picture, "BBBB")]);
    let answer = server().connect().post("/", MULTIPART, body);
    assert_eq!(action(&answer), "ADDFACEIMAGES");
    assert_eq!(answer.echo(), ["imagedata:3:AAA", "imagedata:4:BBBB"]);
}

#[test]
fn r181_curl_two_files_in_one_field() {
    let inner = "--c2\r\nContent-Disposition: attachment; filename=\"a.jpg\"\r\nContent-Type: image/jpeg\r\n\r\nAAA\r\n\
                 --c2\r\nContent-Disposition: attachment; filename=\"b.jpg\"\r\nContent-Type: image/jpeg\r\n\r\nBBBB\r\n\
                 --c2--\r\n";
    let field = "name=\"imagedata\"\r\nContent-Type: multipart/mixed; boundary=c2";
    let body = multipart(&[(field, inner), ("name=\"database\"", "people")]);
    let answer = server().connect().post("/action=AddFaceImages", MULTIPART, body);
    assert_eq!(answer.echo(), ["database=people", "imagedata:3:AAA", "imagedata:4:BBBB"]);
}

#[test]
fn r181_curl_d_with_base64() {
    let body = "action=AddFaceImages&imagedata=aGVsbG8=";
    let answer = server().connect().post("/", "application/x-www-form-urlencoded", body);
    assert_eq!(answer.echo(), ["imagedata:5:hello"]);
}

#[test]
fn r181_python_requests_with_imagedata_in_capitals() {
    let body = multipart(&[("name=\"ImageData\"; filename=\"x.png\"", "PNG")]);
    let answer =
        server().connect().post("/action=AddFaceImages&database=d&identifier=i&imagelabels=l", MULTIPART, body);
    assert_eq!(answer.echo(), ["database=d", "identifier=i", "imagelabels=l", "imagedata:3:PNG"]);
}

#[test]
fn r181_scripts_on_queueinfo_find_the_first_action_in_json() {
    let target = "/?action=QueueInfo&QueueAction=GetStatus&maxResults=100&queueName=TRAINFACE&responseformat=json";
    let answer: serde_json::Value = serde_json::from_str(&server().connect().get(target).body).unwrap();
    assert_eq!(answer["autnresponse"]["responsedata"]["actions"]["action"][0]["echo"]["$"], "maxresults=100");
}

#[test]
fn ten_thousand_small_parts_and_large_ones_are_received() {
    let server = server();
    let small = vec![("name=\"imagedata\"", "tiny"); 9_990];
    let large = "y".repeat(3_000_000);
    let mut parts = small;
    parts.push(("name=\"imagedata\"", &large));
    parts.push(("name=\"dbdata\"", &large));
    let answer = server.connect().post("/a=AddFaceImages", MULTIPART, multipart(&parts));
    let echo = answer.echo();
    assert_eq!(echo.len(), 9_992);
    assert_eq!(echo[0], format!("dbdata:3000000:{}", "y".repeat(20)));
    assert_eq!(echo[9_991], format!("imagedata:3000000:{}", "y".repeat(20)));
    assert_eq!(std::fs::read_dir(server.spool.path()).unwrap().count(), 0, "spool files vanish with the request");
}
