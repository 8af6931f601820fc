//! An HTTP server that gives answers from a list and remembers what it was asked.

#![allow(dead_code, reason = "each test binary uses its part")]

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

/// An answer to every request that holds all of `needles`.
struct Rule {
    needles: Vec<String>,
    /// The whole HTTP answer; none: the connection stays open and silent.
    answer: Option<String>,
    /// How often it is given; then the next rule that fits counts.
    times: usize,
}

/// The server; its thread ends with the test.
pub(crate) struct Canned {
    pub(crate) address: SocketAddr,
    rules: Arc<Mutex<Vec<Rule>>>,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Canned {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (rules, asked) = (Arc::<Mutex<Vec<Rule>>>::default(), Arc::<Mutex<Vec<String>>>::default());
        let (known, heard) = (Arc::clone(&rules), Arc::clone(&asked));
        std::thread::spawn(move || {
            let mut silent = Vec::new();
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let request = request(&stream);
                heard.lock().unwrap().push(request.clone());
                match answer(&mut known.lock().unwrap(), &request) {
                    Some(answer) => stream.write_all(answer.as_bytes()).unwrap(),
                    None => silent.push(stream),
                }
            }
        });
        Self { address, rules, asked }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    fn rule(&self, needles: &[&str], times: usize, answer: Option<String>) {
        let needles = needles.iter().map(|&needle| needle.to_owned()).collect();
        self.rules.lock().unwrap().push(Rule { needles, answer, times });
    }

    /// Requests with all of `needles` are answered SUCCESS with this `responsedata`.
    pub(crate) fn success(&self, needles: &[&str], data: &str) -> &Self {
        self.success_times(usize::MAX, needles, data)
    }

    /// The same, so many times.
    pub(crate) fn success_times(&self, times: usize, needles: &[&str], data: &str) -> &Self {
        let body = format!(r#"{{"autnresponse":{{"action":"X","response":"SUCCESS","responsedata":{data}}}}}"#);
        self.rule(needles, times, Some(http("200 OK", &body)));
        self
    }

    /// Requests with all of `needles` are answered ERROR.
    pub(crate) fn error(&self, needles: &[&str], raw: &str, description: &str) -> &Self {
        let error = serde_json::json!({"rawerrorid": raw, "errordescription": description});
        let body =
            format!(r#"{{"autnresponse":{{"action":"X","response":"ERROR","responsedata":{{"error":{error}}}}}}}"#);
        self.rule(needles, usize::MAX, Some(http("200 OK", &body)));
        self
    }

    /// Requests with all of `needles` are answered by this status and body, not as ACI.
    pub(crate) fn raw(&self, needles: &[&str], status: &str, body: &str) -> &Self {
        self.rule(needles, usize::MAX, Some(http(status, body)));
        self
    }

    /// Requests with all of `needles` are never answered.
    pub(crate) fn silence(&self, needles: &[&str]) -> &Self {
        self.rule(needles, usize::MAX, None);
        self
    }

    /// Every request so far, head and body.
    pub(crate) fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

fn http(status: &str, body: &str) -> String {
    format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}", body.len())
}

fn request(stream: &TcpStream) -> String {
    let mut reader = BufReader::new(stream);
    let mut text = String::new();
    while !text.ends_with("\r\n\r\n") {
        assert!(reader.read_line(&mut text).unwrap() > 0, "the request is cut off: {text}");
    }
    let length = text.lines().find_map(|line| {
        let (name, value) = line.split_once(": ")?;
        name.eq_ignore_ascii_case("content-length").then(|| value.parse::<u64>().unwrap())
    });
    reader.take(length.unwrap_or(0)).read_to_string(&mut text).unwrap();
    text
}

fn answer(rules: &mut [Rule], request: &str) -> Option<String> {
    let rule = rules
        .iter_mut()
        .find(|rule| rule.times > 0 && rule.needles.iter().all(|needle| request.contains(needle.as_str())));
    match rule {
        Some(rule) => {
            rule.times -= 1;
            rule.answer.clone()
        }
        None => Some(http("500 Internal Server Error", "no rule for this request")),
    }
}
