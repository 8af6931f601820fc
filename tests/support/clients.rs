//! The requests of real clients, byte for byte as they send them (contract R181).
//!
//! Those of curl 7.88, Python requests 2.34 and urllib are recorded, but for the boundaries; those of the Java client
//! are what Apache HttpClient 4.5 writes for it.
#![allow(dead_code, reason = "each test binary uses its part")]

use std::fmt::Write as _;

/// A picture of one pixel, which happens to be ASCII.
pub(crate) const PICTURE: &str = "BM:\0\0\0\0\0\0\0\u{36}\0\0\0\u{28}\0\0\0\u{1}\0\0\0\u{1}\0\0\0\u{1}\0\u{18}\0\0\0\0\0\u{4}\0\0\0\u{13}\u{b}\0\0\u{13}\u{b}\0\0\0\0\0\0\0\0\0\0\x20\x20\x20\0";

/// One of another colour.
pub(crate) fn other_picture() -> String {
    PICTURE.replace("\x20\x20\x20", "!!!")
}

/// `PICTURE` in base64.
pub(crate) const PICTURE_IN_BASE64: &str =
    "Qk06AAAAAAAAADYAAAAoAAAAAQAAAAEAAAABABgAAAAAAAQAAAATCwAAEwsAAAAAAAAAAAAAICAgAA==";

const JAVA: &str = "Host: localhost:14000\r\nConnection: Keep-Alive\r\n\
                    User-Agent: Apache-HttpClient/4.5.13 (Java/11.0.10)\r\nAccept-Encoding: gzip, x-gzip, deflate\r\n";
const CURL: &str = "Host: localhost:14000\r\nUser-Agent: curl/7.88.1\r\nAccept: */*\r\n";

/// The Java client asks with its parameters in the query, `Action` first.
pub(crate) fn java_get(target: &str) -> String {
    format!("GET {target} HTTP/1.1\r\n{JAVA}\r\n")
}

/// The Java client posts a form under a type that is not one.
pub(crate) fn java_form(form: &str) -> String {
    format!(
        "POST / HTTP/1.1\r\nContent-Length: {}\r\nContent-Type: text/plain; charset=ISO-8859-1\r\n{JAVA}\r\n{form}",
        form.len()
    )
}

/// The Java client uploads texts and pictures in chunks of so many bytes.
pub(crate) fn java_upload(target: &str, texts: &[(&str, &str)], pictures: &[&str], chunk: usize) -> String {
    const BOUNDARY: &str = "Zr5kXvT_b-8QmNf0uYl2Hc7wDsGp4Ea";
    let text = "text/plain; charset=UTF-8\r\nContent-Transfer-Encoding: 8bit";
    let bytes = "application/octet-stream\r\nContent-Transfer-Encoding: binary";
    let texts = texts.iter().map(|(name, content)| (*name, text, *content));
    let pictures = pictures.iter().map(|content| ("imagedata", bytes, *content));
    let mut body = String::new();
    for (name, kind, content) in texts.chain(pictures) {
        write!(
            body,
            "--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"{name}\"\r\nContent-Type: {kind}\r\n\r\n{content}\r\n"
        )
        .unwrap();
    }
    write!(body, "--{BOUNDARY}--\r\n").unwrap();
    let mut request = format!(
        "POST {target} HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\
         Content-Type: multipart/form-data; boundary={BOUNDARY}; charset=UTF-8\r\n{JAVA}\r\n"
    )
    .into_bytes();
    for piece in body.as_bytes().chunks(chunk) {
        request.extend(format!("{:x}\r\n", piece.len()).into_bytes());
        request.extend(piece);
        request.extend(b"\r\n");
    }
    request.extend(b"0\r\n\r\n");
    String::from_utf8(request).unwrap()
}

const CURL_BOUNDARY: &str = "------------------------6337e6393f3ce6fb";

fn curl_post(target: &str, kind: &str, body: &str) -> String {
    let length = body.len();
    format!("POST {target} HTTP/1.1\r\n{CURL}Content-Length: {length}\r\nContent-Type: {kind}\r\n\r\n{body}")
}

/// A form of curl, of these parts: what follows `form-data`, and the content.
fn curl_form(target: &str, parts: &[(String, String)]) -> String {
    let mut body = String::new();
    for (head, content) in parts {
        write!(body, "--{CURL_BOUNDARY}\r\nContent-Disposition: form-data; {head}\r\n\r\n{content}\r\n").unwrap();
    }
    write!(body, "--{CURL_BOUNDARY}--\r\n").unwrap();
    curl_post(target, &format!("multipart/form-data; boundary={CURL_BOUNDARY}"), &body)
}

fn curl_fields(fields: &[(&str, &str)]) -> Vec<(String, String)> {
    fields.iter().map(|(name, value)| (format!("name=\"{name}\""), (*value).to_owned())).collect()
}

/// `curl -F name=value ... -F imagedata=@a.jpg -F imagedata=@b.jpg ...`
pub(crate) fn curl_files(target: &str, fields: &[(&str, &str)], files: &[(&str, &str)]) -> String {
    let mut parts = curl_fields(fields);
    for (file, content) in files {
        let head = format!("name=\"imagedata\"; filename=\"{file}\"\r\nContent-Type: image/jpeg");
        parts.push((head, (*content).to_owned()));
    }
    curl_form(target, &parts)
}

/// `curl -F name=value ... -F imagedata=@a.jpg,b.jpg`
pub(crate) fn curl_files_in_one_field(target: &str, fields: &[(&str, &str)], files: &[(&str, &str)]) -> String {
    const INNER: &str = "------------------------465914af83d50771";
    let mut content = String::new();
    for (file, picture) in files {
        write!(
            content,
            "--{INNER}\r\nContent-Disposition: attachment; filename=\"{file}\"\r\nContent-Type: image/jpeg\r\n\r\n\
             {picture}\r\n"
        )
        .unwrap();
    }
    write!(content, "--{INNER}--\r\n").unwrap();
    let mut parts = curl_fields(fields);
    parts.push((format!("name=\"imagedata\"\r\nContent-Type: multipart/mixed; boundary={INNER}"), content));
    curl_form(target, &parts)
}

/// `curl -d form`
pub(crate) fn curl_data(form: &str) -> String {
    curl_post("/", "application/x-www-form-urlencoded", form)
}

/// `curl URL`
pub(crate) fn curl_get(target: &str) -> String {
    format!("GET {target} HTTP/1.1\r\n{CURL}\r\n")
}

/// `requests.post(url, files={"ImageData": open(file, "rb")})`
pub(crate) fn python_requests_file(target: &str, file: &str, content: &str) -> String {
    const BOUNDARY: &str = "806d324ceb89e6dcae6561a014a3526a";
    let body = format!(
        "--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"ImageData\"; filename=\"{file}\"\r\n\r\n{content}\r\n\
         --{BOUNDARY}--\r\n"
    );
    format!(
        "POST {target} HTTP/1.1\r\nHost: localhost:14000\r\nUser-Agent: python-requests/2.34.2\r\n\
         Accept-Encoding: gzip, deflate\r\nAccept: */*\r\nConnection: keep-alive\r\nContent-Length: {}\r\n\
         Content-Type: multipart/form-data; boundary={BOUNDARY}\r\n\r\n{body}",
        body.len()
    )
}

/// `requests.get(url)`
pub(crate) fn python_requests_get(target: &str) -> String {
    format!(
        "GET {target} HTTP/1.1\r\nHost: localhost:14000\r\nUser-Agent: python-requests/2.34.2\r\n\
         Accept-Encoding: gzip, deflate\r\nAccept: */*\r\nConnection: keep-alive\r\n\r\n"
    )
}

/// `urllib.request.urlopen(url)`
pub(crate) fn python_urllib_get(target: &str) -> String {
    format!(
        "GET {target} HTTP/1.1\r\nAccept-Encoding: identity\r\nHost: localhost:14000\r\n\
         User-Agent: Python-urllib/3.11\r\nConnection: close\r\n\r\n"
    )
}
