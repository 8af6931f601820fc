//! Answers in JSON over a socket: what they are, errors included, and long ones in pieces (contract R39-R41, R47).

use serde_json::Value;

use crate::raw::Answer;
use crate::server::server;

const JSON: &str = "application/json; charset=UTF-8";

fn parsed(answer: &Answer) -> Value {
    assert_eq!((answer.status, answer.header("content-type")), (200, Some(JSON)), "{answer:?}");
    serde_json::from_str(&answer.body).unwrap()
}

#[test]
fn r40_the_content_type_is_that_of_the_format_asked_for() {
    let server = server();
    let mut client = server.connect();
    let answer = client.get("/a=q&x=1&responseformat=JSON");
    assert_eq!(parsed(&answer)["autnresponse"]["response"]["$"], "SUCCESS");
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
    let answer = client.post("/", "text/plain", "a=q&x=1&ResponseFormat=simplejson");
    assert_eq!(parsed(&answer)["autnresponse"]["response"], "SUCCESS");
    for target in ["/a=q&x=1", "/a=q&x=1&responseformat=xml", "/a=q&x=1&responseformat="] {
        assert_eq!(client.get(target).header("content-type"), Some("text/xml; charset=UTF-8"), "{target}");
    }
}

#[test]
fn r39_r47_an_error_has_status_200_and_the_format_asked_for() {
    let server = server();
    let mut client = server.connect();
    for (target, number) in [
        ("/a=panic&responseformat=json", "79"),
        ("/a=q&x=1&x=2&responseformat=json", "14"),
        ("/a=q&responseformat=json&responseformat=xml", "14"),
        ("/a=q&template=t&responseformat=json", "2"),
        ("/a=q&responseformat=json&x=%zz", "13"),
    ] {
        let answer = parsed(&client.get(target));
        let answer = &answer["autnresponse"];
        assert_eq!(answer["response"]["$"], "ERROR", "{target}");
        let id = answer["responsedata"]["error"]["errorid"]["$"].as_str().unwrap();
        assert!(id.ends_with(number), "{target}: {id}");
    }
}

#[test]
fn r28_an_error_found_before_the_format_was_decoded_and_an_unknown_format_are_answered_in_xml() {
    let server = server();
    let mut client = server.connect();
    for (target, number) in [("/a=q&x=%zz&responseformat=json", 13), ("/a=q&responseformat=yaml", 11)] {
        let answer = client.get(target);
        assert_eq!(answer.header("content-type"), Some("text/xml; charset=UTF-8"));
        assert_eq!(answer.error(), number);
    }
}

#[test]
fn r41_a_long_list_in_json_is_streamed_and_whole() {
    let server = server();
    let mut client = server.connect();
    let answer = client.get("/a=ListFaces&entries=20000&responseformat=json");
    assert_eq!(answer.header("transfer-encoding"), Some("chunked"));
    let list = parsed(&answer);
    let entries = list["autnresponse"]["responsedata"]["entry"].as_array().unwrap();
    assert_eq!(entries.len(), 20_000);
    assert_eq!(entries[19_999]["identifier"]["$"], "\"19999\" \\ \u{1F600}");
    let short = client.get("/a=ListFaces&entries=1&responseformat=simplejson");
    assert!(short.header("content-length").is_some());
    assert!(short.body.ends_with(r#""responsedata":{"entry":[{"identifier":"\"0\" \\ 😀"}]}}}"#), "{}", short.body);
}
