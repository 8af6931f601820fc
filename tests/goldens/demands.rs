//! What real clients demand of every answer (contract R182), whatever it says.

/// Fails if an answer would break a client.
pub(crate) fn check(name: &str, format: &str, answer: &str) {
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let has = |line: &str| head.split("\r\n").any(|other| other.eq_ignore_ascii_case(line));
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{name}: ERROR too has the status 200\n{head}");
    assert!(has("cache-control: no-store") && has("x-content-type-options: nosniff"), "{name}: R42\n{head}");
    if head.contains("content-type: image/") {
        return; // no document (R177)
    }
    if format == "xml" {
        assert!(has("content-type: text/xml; charset=UTF-8"), "{name}: streaming readers need it\n{head}");
        check_xml(name, body);
    } else {
        assert!(has("content-type: application/json; charset=UTF-8"), "{name}\n{head}");
        check_json(name, format, body);
    }
}

fn check_xml(name: &str, body: &str) {
    assert!(body.starts_with("<?xml version='1.0' encoding='UTF-8' ?><"), "{name}: R32\n{body}");
    assert!(!body.contains("<!DOCTYPE"), "{name}: a DOM reader refuses it\n{body}");
    let is_success = body.contains("<response>SUCCESS</response>") || body.contains("<RESPONSE>");
    let is_error = body.contains("<response>ERROR</response>");
    assert!(is_success != is_error, "{name}: in capitals, one of them\n{body}");
    assert!(!body.contains("&apos;") && !body.contains("&quot;"), "{name}: R36\n{body}");
    let is_polled = body.contains("<actions><action>");
    assert!(!is_polled || body.contains("<actions><action><status>"), "{name}: pollers never see the end\n{body}");
    let mut reader = quick_xml::Reader::from_str(body);
    reader.config_mut().check_end_names = true;
    loop {
        match reader.read_event() {
            Ok(quick_xml::events::Event::Eof) => break,
            Ok(_) => {}
            Err(error) => panic!("{name}: not well-formed: {error}\n{body}"),
        }
    }
    if is_error {
        for element in ["errorid", "rawerrorid", "errorstring", "errordescription", "errorcode", "errortime"] {
            assert!(body.contains(&format!("<{element}>")), "{name}: {element} is there and not empty\n{body}");
        }
        assert!(body.contains("<errortime>13 Jan 21 12:08:31</errortime>"), "{name}: DD Mon YY hh:mm:ss\n{body}");
    }
}

fn check_json(name: &str, format: &str, body: &str) {
    let value: serde_json::Value = serde_json::from_str(body).unwrap_or_else(|error| panic!("{name}: {error}\n{body}"));
    let root = &value["autnresponse"];
    let text = |name: &str| if format == "json" { root[name]["$"].clone() } else { root[name].clone() };
    let is_well = text("response") == "SUCCESS" || text("response") == "ERROR" || text("RESPONSE") == "Running";
    assert!(is_well, "{name}\n{body}");
    let actions = &root["responsedata"]["actions"];
    if let Some(action) = actions.get("action") {
        assert!(action.is_array(), "{name}: newer scripts index [0]\n{body}");
    }
}
