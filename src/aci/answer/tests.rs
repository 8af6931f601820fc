//! Answers byte by byte, in every format.

use super::*;

mod property;

const HEAD: &str = "<?xml version='1.0' encoding='UTF-8' ?>\
                    <autnresponse xmlns:autn='http://schemas.autonomy.com/aci/'>";

/// What is written to a client, and what it was said to be.
#[derive(Default)]
struct Client {
    bytes: Vec<u8>,
    media: Vec<Media>,
    /// What there was at every flush.
    flushed: Vec<String>,
}

impl Write for Client {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.bytes.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.flushed.push(String::from_utf8(self.bytes.clone()).unwrap());
        Ok(())
    }
}

impl Reply for Client {
    fn declare(&mut self, media: Media) {
        assert!(self.bytes.is_empty(), "what the answer is comes before its bytes");
        self.media.push(media);
    }
}

/// An answer to `action` in this format, with these elements.
fn answered(format: ResponseFormat, action: &str, write: impl FnOnce(&mut Answer<'_>) -> io::Result<()>) -> String {
    let mut client = Client::default();
    let mut answer = Envelope::new(&mut client, format).begin(action).unwrap();
    write(&mut answer).unwrap();
    assert_eq!(answer.finish().unwrap(), Outcome::Success);
    assert_eq!(client.media, [format.media()]);
    String::from_utf8(client.bytes).unwrap()
}

fn refused(format: ResponseFormat, action: &str, fault: &Fault) -> String {
    let mut client = Client::default();
    let outcome = Envelope::new(&mut client, format).refuse(action, fault, "13 Jan 21 12:08:31").unwrap();
    assert_eq!(outcome, Outcome::Error(fault.code));
    assert_eq!(client.media, [format.media()]);
    String::from_utf8(client.bytes).unwrap()
}

/// An element of elements.
fn within(
    answer: &mut Answer<'_>,
    name: &'static str,
    write: impl FnOnce(&mut Answer<'_>) -> io::Result<()>,
) -> io::Result<()> {
    answer.open(name)?;
    write(answer)?;
    answer.close(name)
}

/// What `elements` is in json and simplejson, inside `responsedata`.
fn data(action: &str, elements: fn(&mut Answer<'_>) -> io::Result<()>) -> [String; 2] {
    [ResponseFormat::Json, ResponseFormat::SimpleJson].map(|format| {
        let text = answered(format, action, elements);
        let (_, data) = text.split_once("\"responsedata\":").unwrap();
        data.strip_suffix("}}").unwrap().to_owned()
    })
}

#[test]
fn r31_r35_an_empty_success_is_a_pair_of_tags() {
    let text = answered(ResponseFormat::Xml, "removeFace", |_| Ok(()));
    let body = "<action>REMOVEFACE</action><response>SUCCESS</response><responsedata></responsedata></autnresponse>";
    assert_eq!(text, format!("{HEAD}{body}"));
}

#[test]
fn r32_r35_elements_follow_each_other_without_blanks() {
    let text = answered(ResponseFormat::Xml, "q", |answer| {
        answer.open("actions")?;
        answer.open("action")?;
        answer.text("status", "Queued")?;
        answer.value("time_in_queue", 7)?;
        answer.empty("clusters")?;
        answer.text("value", "")?;
        answer.close("action")?;
        answer.close("actions")?;
        answer.open("none")?;
        answer.close("none")?;
        answer.value("autn:epoch", "1")
    });
    let data = "<actions><action><status>Queued</status><time_in_queue>7</time_in_queue><clusters/><value/></action>\
                </actions><none/><autn:epoch>1</autn:epoch>";
    assert_eq!(
        text,
        format!(
            "{HEAD}<action>Q</action><response>SUCCESS</response><responsedata>{data}</responsedata></autnresponse>"
        )
    );
}

#[test]
fn r36_only_three_characters_are_escaped_and_what_xml_cannot_carry_is_replaced() {
    let text =
        answered(ResponseFormat::Xml, "q", |answer| answer.text("t", "a'b\"c&d<e>f\u{1}g\u{FFFF}h\u{1F600}\t\né\r"));
    assert!(text.contains("<t>a'b\"c&amp;d&lt;e&gt;f\u{FFFD}g\u{FFFD}h\u{1F600}\t\né&#13;</t>"), "{text}");
}

#[test]
fn r33_the_action_is_echoed_in_upper_case_up_to_64_characters() {
    let text = answered(ResponseFormat::Xml, &"aé<".repeat(30), |_| Ok(()));
    assert!(text.contains(&format!("<action>{}A</action>", "Aé&lt;".repeat(21))), "{text}");
    assert!(answered(ResponseFormat::Xml, "", |_| Ok(())).contains("<action/>"));
    let text = answered(ResponseFormat::SimpleJson, &"aé<".repeat(30), |_| Ok(()));
    assert!(text.contains(&format!("\"action\":\"{}A\"", "Aé<".repeat(21))), "{text}");
    assert!(answered(ResponseFormat::Json, "", |_| Ok(())).contains("\"action\":{\"$\":\"\"}"));
}

#[test]
fn r44_the_example_of_json_is_byte_exact() {
    let text = answered(ResponseFormat::Json, "getpid", |answer| answer.value("pid", 1234));
    let expected =
        r#"{"autnresponse":{"action":{"$":"GETPID"},"response":{"$":"SUCCESS"},"responsedata":{"pid":{"$":"1234"}}}}"#;
    assert_eq!(text, expected);
}

#[test]
fn r47_the_example_of_simplejson_is_byte_exact() {
    let text = answered(ResponseFormat::SimpleJson, "ListFaceDatabases", |answer| {
        within(answer, "database", |answer| {
            answer.text("database", "people")?;
            answer.value("numentries", 4)
        })
    });
    let expected = r#"{"autnresponse":{"action":"LISTFACEDATABASES","response":"SUCCESS","responsedata":{"database":[{"database":"people","numentries":"4"}]}}}"#;
    assert_eq!(text, expected);
}

#[test]
fn r44_r45_the_clusters_of_a_job_are_byte_exact_in_json() {
    let id = |answer: &mut Answer<'_>, label| {
        answer.text("database", "people")?;
        answer.text("identifier", "JamesBond")?;
        answer.text("imagelabel", label)
    };
    let text = answered(ResponseFormat::Json, "QueueInfo", |answer| {
        for name in ["actions", "action"] {
            answer.open(name)?;
        }
        answer.text("status", "Finished")?;
        within(answer, "clusters", |answer| {
            within(answer, "cluster", |answer| {
                within(answer, "face", |answer| {
                    id(answer, "A")?;
                    for (other, confidence) in [("B", "76.33"), ("C", "68.17")] {
                        within(answer, "match", |answer| {
                            answer.text("confidence", confidence)?;
                            id(answer, other)
                        })?;
                    }
                    Ok(())
                })?;
                within(answer, "face", |answer| id(answer, "B"))
            })?;
            within(answer, "cluster", |answer| within(answer, "face", |answer| id(answer, "C")))
        })?;
        answer.text("token", "t")?;
        answer.close("action")?;
        answer.close("actions")
    });
    let id = |label: &str| {
        format!(r#""database":{{"$":"people"}},"identifier":{{"$":"JamesBond"}},"imagelabel":{{"$":"{label}"}}"#)
    };
    let (a, b, c) = (id("A"), id("B"), id("C"));
    let matches = format!(r#""match":[{{"confidence":{{"$":"76.33"}},{b}}},{{"confidence":{{"$":"68.17"}},{c}}}]"#);
    let clusters = format!(r#"{{"cluster":[{{"face":[{{{a},{matches}}},{{{b}}}]}},{{"face":[{{{c}}}]}}]}}"#);
    let action = format!(r#"{{"status":{{"$":"Finished"}},"clusters":{clusters},"token":{{"$":"t"}}}}"#);
    let head = r#"{"action":{"$":"QUEUEINFO"},"response":{"$":"SUCCESS"},"#;
    let expected = format!(r#"{{"autnresponse":{head}"responsedata":{{"actions":{{"action":[{action}]}}}}}}}}"#);
    assert_eq!(text, expected);
}

#[test]
fn r45_an_array_ends_before_a_sibling_of_another_name() {
    let [json, simple] = data("GetIdentityAudit", |answer| {
        within(answer, "pair", |answer| {
            answer.text("rank", "1")?;
            for _ in 0..2 {
                answer.empty("identity")?;
            }
            within(answer, "link", |answer| answer.text("confidence", "88.10"))?;
            answer.text("best", "2")
        })
    });
    let link = r#"{"confidence":{"$":"88.10"}}"#;
    let expected =
        format!(r#"{{"pair":{{"rank":{{"$":"1"}},"identity":[{{}},{{}}],"link":[{link}],"best":{{"$":"2"}}}}}}"#);
    assert_eq!(json, expected);
    assert_eq!(simple, r#"{"pair":{"rank":"1","identity":[{},{}],"link":[{"confidence":"88.10"}],"best":"2"}}"#);
}

#[test]
fn r45_progress_lists_actions_and_stages_without_a_parent_of_their_own() {
    let [_, simple] = data("queueinfo", |answer| {
        for percent in ["41.000", "0.000"] {
            answer.open("action")?;
            within(answer, "progress", |answer| {
                answer.text("percent", percent)?;
                within(answer, "stage", |answer| answer.text("name", "compare"))
            })?;
            answer.close("action")?;
        }
        Ok(())
    });
    let action = |percent: &str| format!(r#"{{"progress":{{"percent":"{percent}","stage":[{{"name":"compare"}}]}}}}"#);
    assert_eq!(simple, format!(r#"{{"action":[{},{}]}}"#, action("41.000"), action("0.000")));
}

#[test]
fn r46_what_is_empty_says_whether_it_holds_elements_or_text() {
    assert_eq!(data("RemoveFace", |_| Ok(())), ["{}", "{}"]);
    let [json, simple] = data("QueueInfo", |answer| {
        answer.empty("actions")?;
        within(answer, "clusters", |_| Ok(()))?;
        answer.text("value", "")
    });
    assert_eq!(json, r#"{"actions":{},"clusters":{},"value":{"$":""}}"#);
    assert_eq!(simple, r#"{"actions":{},"clusters":{},"value":""}"#);
}

#[test]
fn r47_json_keeps_the_prefix_and_simplejson_drops_it() {
    let [json, simple] = data("GetLicenseInfo", |answer| {
        within(answer, "autn:actions", |answer| {
            within(answer, "autn:section", |answer| {
                answer.text("autn:name", "faces")?;
                within(answer, "autn:action", |answer| answer.text("autn:licensed", "true"))
            })
        })
    });
    let action = r#"[{"autn:licensed":{"$":"true"}}]"#;
    let section = format!(r#"{{"autn:name":{{"$":"faces"}},"autn:action":{action}}}"#);
    assert_eq!(json, format!(r#"{{"autn:actions":{{"autn:section":[{section}]}}}}"#));
    assert_eq!(simple, r#"{"actions":{"section":[{"name":"faces","action":[{"licensed":"true"}]}]}}"#);
}

#[test]
fn r36_r44_hostile_text_is_escaped_as_serde_json_does_and_replaced_as_in_xml() {
    let long = format!("é{}", "x".repeat(252));
    for text in [
        r#"a "quoted" \ name"#,
        "</t>{\"$\":\"\"}&amp;",
        "\u{0}\u{1}\u{8}\u{c}\u{1b}[31m\u{1f}\u{7f}\u{85}",
        "\t\r\n",
        "\u{2028}\u{2029}\u{feff}\u{fffe}\u{ffff}",
        "\u{1F9D1}\u{200D}\u{1F680}\u{10FFFF}",
        long.as_str(),
    ] {
        let carried: String = text.chars().map(|c| if is_xml(c) { c } else { '\u{FFFD}' }).collect();
        let escaped = serde_json::to_string(&carried).unwrap();
        let json = answered(ResponseFormat::Json, "q", |answer| answer.text("t", text));
        assert!(json.contains(&format!(r#""responsedata":{{"t":{{"$":{escaped}}}}}"#)), "{json}");
        let simple: serde_json::Value =
            serde_json::from_str(&answered(ResponseFormat::SimpleJson, "q", |answer| answer.text("t", text))).unwrap();
        assert_eq!(simple["autnresponse"]["responsedata"]["t"], carried.as_str());
    }
}

#[test]
fn r50_an_error_answer_is_byte_exact() {
    let text = refused(ResponseFormat::Xml, "RemoveFaceDatabase", &Fault::database_not_found("LFW"));
    let body = "<action>REMOVEFACEDATABASE</action><response>ERROR</response><responsedata><error>\
                <errorid>FACECLIQUEREMOVEFACEDATABASE40</errorid><rawerrorid>0x28</rawerrorid>\
                <errorstring>Database not found</errorstring>\
                <errordescription>'database=LFW' does not exist</errordescription>\
                <errorcode>ERRORNOTFOUND</errorcode><errortime>13 Jan 21 12:08:31</errortime>\
                </error></responsedata></autnresponse>";
    assert_eq!(text, format!("{HEAD}{body}"));
}

#[test]
fn r47_r50_an_error_answer_has_the_same_tree_in_json() {
    let fault = Fault::database_not_found("a \"b\"");
    let head = r#"{"autnresponse":{"action":"Q","response":"ERROR","responsedata":{"error":{"#;
    let error = r#""errorid":"FACECLIQUEQ40","rawerrorid":"0x28","errorstring":"Database not found","errordescription":"'database=a \"b\"' does not exist","errorcode":"ERRORNOTFOUND","errortime":"13 Jan 21 12:08:31""#;
    assert_eq!(refused(ResponseFormat::SimpleJson, "q", &fault), format!("{head}{error}}}}}}}}}"));
    let json = refused(ResponseFormat::Json, "q", &fault);
    assert!(json.contains(r#""responsedata":{"error":{"errorid":{"$":"FACECLIQUEQ40"},"rawerrorid":{"$":"0x28"},"#));
}

#[test]
fn r83_a_waiting_client_gets_the_declaration_and_then_spaces() {
    for (format, begin) in [
        (ResponseFormat::Xml, "<?xml version='1.0' encoding='UTF-8' ?>  <autnresponse "),
        (ResponseFormat::Json, "   {\"autnresponse\":"),
        (ResponseFormat::SimpleJson, "   {\"autnresponse\":"),
    ] {
        let mut client = Client::default();
        let mut envelope = Envelope::new(&mut client, format);
        for _ in 0..3 {
            envelope.wait().unwrap();
        }
        envelope.begin("q").unwrap().finish().unwrap();
        assert_eq!(client.media, [format.media()]);
        assert_eq!(client.flushed.len(), 3);
        assert!(client.flushed.iter().all(|sent| !sent.is_empty()), "each wait shows something");
        let text = String::from_utf8(client.bytes).unwrap();
        assert!(text.starts_with(begin), "{text}");
        assert!(format == ResponseFormat::Xml || serde_json::from_str::<serde_json::Value>(&text).is_ok());
    }
}

#[test]
fn r83_a_refusal_after_waiting_is_one_document() {
    let mut client = Client::default();
    let mut envelope = Envelope::new(&mut client, ResponseFormat::Xml);
    envelope.wait().unwrap();
    envelope.refuse("q", &Fault::storage(), "t").unwrap();
    let text = String::from_utf8(client.bytes).unwrap();
    assert_eq!(text.matches("<?xml").count(), 1, "{text}");
}

#[test]
fn r177_an_answer_may_be_bytes_unless_the_client_was_told_otherwise() {
    let mut client = Client::default();
    let envelope = Envelope::new(&mut client, ResponseFormat::Json);
    envelope.bytes("image/jpeg").unwrap().write_all(b"\xFF\xD8").unwrap();
    assert_eq!((client.media, client.bytes), (vec![Media::Other("image/jpeg".to_owned())], b"\xFF\xD8".to_vec()));
    let mut client = Client::default();
    let mut envelope = Envelope::new(&mut client, ResponseFormat::Json);
    envelope.wait().unwrap();
    assert!(envelope.bytes("image/jpeg").is_err());
}

#[test]
fn a_document_without_a_client_is_the_same() {
    for (_, format) in ResponseFormat::WORDS {
        let mut file = Vec::new();
        Answer::begin(&mut file, format, "q").unwrap().finish().unwrap();
        assert_eq!(String::from_utf8(file).unwrap(), answered(format, "q", |_| Ok(())));
    }
}
