//! Whether an answer is what the contract says an answer is, whatever was asked (contract R31-R36, R39-R47, R50-R53).

#![allow(dead_code, reason = "each test binary uses its part")]

#[path = "tree.rs"]
mod tree;

use faceclique::aci::Code;

use super::answer::Answer;
use tree::Node;

/// What was answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// A status below ACI.
    Below(u16),
    /// Plain text or a picture.
    Bytes,
    Success {
        action: String,
        /// Tokens in the answer.
        tokens: Vec<String>,
    },
    Error {
        action: String,
        number: u16,
    },
}

/// Statuses of R39, and of the paths of R3.
const STATUSES: [u16; 8] = [200, 400, 403, 404, 405, 408, 431, 503];
/// A description has at most so many bytes: a few quoted values and the words between them.
const MAX_DESCRIPTION: usize = 4 << 10;
/// Errors that are defects wherever they occur: of the store, of jobs that crash, and unforeseen ones.
const DEFECTS: [Code; 3] = [Code::Storage, Code::JobCrashes, Code::Internal];

/// What an answer says, or what is wrong with it.
pub(crate) fn judge(answer: &Answer) -> Result<Verdict, String> {
    if !STATUSES.contains(&answer.status) {
        return Err(format!("status {}", answer.status));
    }
    if answer.status != 200 {
        return Ok(Verdict::Below(answer.status));
    }
    let kind = answer.header("content-type").ok_or("no Content-Type, or several")?;
    let root = match kind {
        "text/xml; charset=UTF-8" => tree::of_xml(&answer.body)?,
        "application/json; charset=UTF-8" => tree::of_json(&answer.body)?,
        "text/plain; version=0.0.4" | "text/plain; charset=UTF-8" => return plain(answer),
        // A stored image; what was uploaded as one may be none.
        kind if kind.starts_with("image/") || kind == "application/octet-stream" => {
            guarded(answer)?;
            return Ok(Verdict::Bytes);
        }
        other => return Err(format!("Content-Type '{other}'")),
    };
    guarded(answer)?;
    let verdict = envelope(&root)?;
    let mut defect = Ok(());
    root.visit(&mut |node| {
        // The fault of a job, as QueueInfo shows it.
        let ends = |code: &Code| node.text.ends_with(&format!("{})", code.number()));
        if node.name == "error" && node.text.contains("(FACECLIQUE") && DEFECTS.iter().any(ends) {
            defect = Err(format!("a job has met a defect: {}", node.text));
        }
    });
    defect.map(|()| verdict)
}

/// R42.
fn guarded(answer: &Answer) -> Result<(), String> {
    for (name, expected) in [("cache-control", "no-store"), ("x-content-type-options", "nosniff")] {
        if answer.header(name) != Some(expected) {
            return Err(format!("{name} is {:?}", answer.header(name)));
        }
    }
    Ok(())
}

fn plain(answer: &Answer) -> Result<Verdict, String> {
    match std::str::from_utf8(&answer.body) {
        Ok("ok" | "ready") => Ok(Verdict::Bytes),
        Ok(metrics) if metrics.starts_with("# ") && metrics.ends_with('\n') => Ok(Verdict::Bytes),
        _ => Err("plain text that is neither health nor metrics".to_owned()),
    }
}

fn names(node: &Node) -> Vec<&str> {
    node.children.iter().map(|child| child.name.as_str()).collect()
}

/// R31-R35, and R154 for the server's status on the service port.
fn envelope(root: &Node) -> Result<Verdict, String> {
    let found = names(root);
    let running = found == ["ACTION", "RESPONSE", "RESPONSEDATA"];
    if root.name != "autnresponse" || !(running || found == ["action", "response", "responsedata"]) {
        return Err(format!("the root is {} with {found:?}", root.name));
    }
    let [action, response, data] = root.children.as_slice() else { return Err("three elements".to_owned()) };
    let action = action.text.clone();
    if action.chars().count() > 64 || action.chars().any(|c| c.is_ascii_lowercase()) {
        return Err(format!("the action is echoed as '{action}'"));
    }
    match response.text.as_str() {
        "Running" if running && data.children.is_empty() => Ok(Verdict::Success { action, tokens: Vec::new() }),
        "SUCCESS" if !running => {
            let mut tokens = Vec::new();
            data.visit(&mut |node| {
                if node.name == "token" {
                    tokens.push(node.text.clone());
                }
            });
            Ok(Verdict::Success { action, tokens })
        }
        "ERROR" if !running => refusal(action, data),
        other => Err(format!("the response is '{other}'")),
    }
}

/// R50-R53, R59.
fn refusal(action: String, data: &Node) -> Result<Verdict, String> {
    let [error] = data.children.as_slice() else {
        return Err(format!("responsedata of ERROR holds {:?}", names(data)));
    };
    let expected = ["errorid", "rawerrorid", "errorstring", "errordescription", "errorcode", "errortime"];
    if error.name != "error" || names(error) != expected {
        return Err(format!("{} holds {:?}", error.name, names(error)));
    }
    let [id, raw, string, description, code, time] = [0, 1, 2, 3, 4, 5].map(|at| error.children[at].text.as_str());
    let number = raw.strip_prefix("0x").and_then(|digits| u16::from_str_radix(digits, 16).ok());
    let known = number.and_then(Code::from_number).ok_or_else(|| format!("rawerrorid is '{raw}'"))?;
    let number = known.number();
    let named = id.strip_prefix("FACECLIQUE").and_then(|rest| rest.strip_suffix(&number.to_string()));
    let is_name = |name: &str| name.len() <= 64 && name.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit());
    if !named.is_some_and(is_name) || raw != format!("0x{number:X}") {
        return Err(format!("errorid is '{id}' and rawerrorid '{raw}'"));
    }
    if string != known.errorstring() || code != known.errorcode() {
        return Err(format!("error {number} has '{string}' and '{code}'"));
    }
    if description.is_empty() || description.len() > MAX_DESCRIPTION || description.chars().any(char::is_control) {
        return Err(format!("the description is '{}'", description.escape_debug()));
    }
    if !is_error_time(time) {
        return Err(format!("errortime is '{time}'"));
    }
    if DEFECTS.contains(&known) {
        return Err(format!("error {number} is a defect: {description}"));
    }
    Ok(Verdict::Error { action, number })
}

/// `DD Mon YY hh:mm:ss` (R48).
fn is_error_time(text: &str) -> bool {
    let shape: String = text.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
    let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    months.iter().any(|month| shape == format!("00 {month} 00 00:00:00"))
}
