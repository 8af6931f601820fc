//! The command line as a client: asks a running server over the same HTTP interface as anybody.
//!
//! **Promises.** A request that the server refused and one that did not reach it are told apart ([`Trouble`]), because
//! scripts do different things then. An answer is limited in size and time; redirects are not followed, so that a
//! bearer token goes to the server named and to no other.
//!
//! **Not here.** What is asked and how it is shown (`queue`, `status`).

use std::path::PathBuf;
use std::time::Duration;

use serde_json::Value;
use thiserror::Error;
use ureq::http::Uri;
use ureq::tls::TlsConfig;
use ureq::{Agent, Body, http::Response};

use super::Failure;
use super::terminal::shown;
use crate::callback::roots_in;
use crate::config::read_pem;

/// The longest answer that is read.
const MAX_ANSWER: u64 = 64 << 20;

/// The server asked, and how.
#[derive(Debug, clap::Args)]
pub(super) struct ServerArguments {
    /// Where the server is: http:// or https://, host, port, and a path if it is behind one.
    #[arg(
        long,
        value_name = "URL",
        env = "FACECLIQUE_SERVER",
        default_value = "http://127.0.0.1:14000",
        global = true
    )]
    server: String,
    /// Sent as `Authorization: Bearer TOKEN`, for a server that asks for it; the variable keeps it out of the list of
    /// processes.
    #[arg(long, value_name = "TOKEN", env = "FACECLIQUE_BEARER_TOKEN", hide_env_values = true, global = true)]
    bearer_token: Option<String>,
    /// Certificates (PEM) of the authority to trust for https, instead of the public ones.
    #[arg(long, value_name = "FILE", global = true)]
    ca_file: Option<PathBuf>,
    /// How many seconds to wait for an answer.
    #[arg(long, value_name = "SECONDS", default_value = "30", value_parser = clap::value_parser!(u64).range(1..=3600), global = true)]
    timeout: u64,
    /// Print JSON, as the server says it, instead of a table.
    #[arg(long, global = true)]
    pub(super) json: bool,
}

/// Why there is no answer to work with.
#[derive(Debug, Error)]
pub(super) enum Trouble {
    /// The server answered ERROR.
    #[error("{}", shown(.description))]
    Refused {
        /// The number of the catalogue.
        number: u16,
        /// The errordescription.
        description: String,
    },
    /// Nobody answered, or not as FaceClique does.
    #[error("cannot reach {server}: {}", shown(.reason))]
    Unreachable {
        /// As it was given.
        server: String,
        /// Why not.
        reason: String,
    },
}

/// A server to ask.
#[derive(Debug)]
pub(super) struct Client {
    agent: Agent,
    server: String,
    authorization: Option<String>,
}

impl ServerArguments {
    /// The client that these arguments describe.
    pub(super) fn client(&self) -> Result<Client, Failure> {
        let server = self.server.trim_end_matches('/').to_owned();
        let refuse = |reason: &str| format!("--server {}: {reason}", shown(&self.server));
        let uri: Uri = server.parse().map_err(|_| refuse("it is not a URL"))?;
        if !matches!(uri.scheme_str(), Some("http" | "https")) {
            return Err(refuse("it begins with http:// or https://, as in http://127.0.0.1:14000").into());
        }
        if uri.query().is_some() {
            return Err(refuse("it ends with the port or a path, without '?'").into());
        }
        let mut config = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .timeout_global(Some(Duration::from_secs(self.timeout)))
            .user_agent(concat!("faceclique/", env!("CARGO_PKG_VERSION")));
        if is_loopback(uri.host().unwrap_or_default()) {
            config = config.proxy(None); // a proxy would look for the server on its own machine
        }
        if let Some(path) = &self.ca_file {
            let bytes = read_pem(path).map_err(|why| format!("--ca-file: {why}"))?;
            let at = |why: String| format!("--ca-file {}: {why}", path.display());
            config = config.tls_config(TlsConfig::builder().root_certs(roots_in(&bytes).map_err(at)?).build());
        }
        let authorization = self.bearer_token.as_deref().map(bearer).transpose()?;
        Ok(Client { agent: config.build().into(), server, authorization })
    }
}

/// The header's value; the token is not repeated in a message.
fn bearer(token: &str) -> Result<String, Failure> {
    if token.is_empty() || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err("--bearer-token: it is letters, digits and signs of ASCII, without blanks".into());
    }
    Ok(format!("Bearer {token}"))
}

fn is_loopback(host: &str) -> bool {
    let host = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || host.parse().is_ok_and(|address: std::net::IpAddr| address.is_loopback())
}

impl Client {
    /// A server on this machine, without a bearer token, asked in vain for a few seconds at most.
    pub(super) fn local(server: String) -> Self {
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .timeout_global(Some(Duration::from_secs(3)))
            .proxy(None);
        Self { agent: config.build().into(), server, authorization: None }
    }

    /// The server as it is shown.
    pub(super) fn server(&self) -> &str {
        &self.server
    }

    /// What stands in `responsedata` of the answer to `action` with these parameters.
    pub(super) fn ask(&self, action: &str, parameters: &[(&str, &str)]) -> Result<Value, Trouble> {
        let form = [("action", action), ("responseformat", "simplejson")].into_iter().chain(parameters.iter().copied());
        let mut request = self.agent.post(format!("{}/", self.server));
        if let Some(authorization) = &self.authorization {
            request = request.header("Authorization", authorization);
        }
        let (status, text) = self.read(request.send_form(form))?;
        if status != 200 {
            return Err(self.unreachable(format!("it answers with the HTTP status {status}")));
        }
        answered(&text, &self.server)
    }

    /// HTTP status and text of `/health`.
    pub(super) fn health(&self) -> Result<(u16, String), Trouble> {
        self.get("/health")
    }

    /// The text behind a path that is there.
    pub(super) fn page(&self, path: &str) -> Result<String, Trouble> {
        match self.get(path)? {
            (200, text) => Ok(text),
            (status, _) => Err(self.unreachable(format!("it answers with the HTTP status {status}"))),
        }
    }

    fn get(&self, path: &str) -> Result<(u16, String), Trouble> {
        let mut request = self.agent.get(format!("{}{path}", self.server));
        if let Some(authorization) = &self.authorization {
            request = request.header("Authorization", authorization);
        }
        self.read(request.call())
    }

    fn read(&self, answer: Result<Response<Body>, ureq::Error>) -> Result<(u16, String), Trouble> {
        let mut answer = answer.map_err(|error| self.unreachable(reason(&error)))?;
        let text = answer.body_mut().with_config().limit(MAX_ANSWER).read_to_string();
        Ok((answer.status().as_u16(), text.map_err(|error| self.unreachable(reason(&error)))?))
    }

    fn unreachable(&self, reason: String) -> Trouble {
        Trouble::Unreachable { server: self.server.clone(), reason }
    }
}

/// What stands in `responsedata` of an answer as simplejson.
pub(super) fn answered(text: &str, server: &str) -> Result<Value, Trouble> {
    let strange = || Trouble::Unreachable {
        server: server.to_owned(),
        reason: "what answers there is no FaceClique server: its answer is not ACI".to_owned(),
    };
    let mut document: Value = serde_json::from_str(text).map_err(|_| strange())?;
    let root = document.get_mut("autnresponse").ok_or_else(strange)?;
    let response = root.get("response").and_then(Value::as_str).ok_or_else(strange)?.to_owned();
    let data = root.get_mut("responsedata").map(Value::take).ok_or_else(strange)?;
    match response.as_str() {
        "SUCCESS" => Ok(data),
        "ERROR" => Err(refusal(&data)),
        _ => Err(strange()),
    }
}

/// What an ERROR answer says.
fn refusal(data: &Value) -> Trouble {
    let text = |name: &str| data["error"][name].as_str().unwrap_or_default();
    let number = text("rawerrorid").strip_prefix("0x").and_then(|digits| u16::from_str_radix(digits, 16).ok());
    let description = match text("errordescription") {
        "" => "the server refuses and does not say why".to_owned(),
        description => description.to_owned(),
    };
    Trouble::Refused { number: number.unwrap_or(0), description }
}

/// Why there is no answer, for the person who asked.
fn reason(error: &ureq::Error) -> String {
    match error {
        ureq::Error::Io(error) => error.to_string(),
        ureq::Error::HostNotFound => "the host name is not known".to_owned(),
        ureq::Error::Timeout(_) => "it did not answer in time (--timeout)".to_owned(),
        ureq::Error::BodyExceedsLimit(limit) => {
            format!("the answer has more than {limit} bytes; ask for fewer jobs (--max)")
        }
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(server: &str) -> Result<Client, String> {
        let arguments =
            ServerArguments { server: server.to_owned(), bearer_token: None, ca_file: None, timeout: 1, json: false };
        arguments.client().map_err(|failure| failure.to_string())
    }

    #[test]
    fn a_server_is_a_url_with_or_without_a_path() {
        assert_eq!(client("http://127.0.0.1:14000/").unwrap().server(), "http://127.0.0.1:14000");
        assert_eq!(client("https://faces.example/mediaserver").unwrap().server(), "https://faces.example/mediaserver");
        for wrong in ["127.0.0.1:14000", "ftp://x", "http://x/?a=b", "http://", "", "\u{1b}[2J"] {
            let text = client(wrong).unwrap_err();
            assert!(text.starts_with("--server ") && !text.contains('\u{1b}'), "{text:?}");
        }
    }

    #[test]
    fn a_bearer_token_that_no_header_carries_is_refused_and_not_shown() {
        assert_eq!(bearer("s3cret.-_~+/=").unwrap(), "Bearer s3cret.-_~+/=");
        for wrong in ["", "two words", "line\nbreak", "é"] {
            let text = bearer(wrong).unwrap_err().to_string();
            assert!(wrong.is_empty() || !text.contains(wrong), "{text}");
        }
    }

    #[test]
    fn a_refusal_says_its_number_and_description_without_control_characters() {
        let data = serde_json::json!({"error": {"rawerrorid": "0x33", "errordescription": "'token=\u{1b}[2J' is not"}});
        let trouble = refusal(&data);
        assert!(matches!(trouble, Trouble::Refused { number: 51, .. }));
        assert_eq!(trouble.to_string(), "'token=\\u{1b}[2J' is not");
        assert_eq!(refusal(&serde_json::json!({})).to_string(), "the server refuses and does not say why");
    }
}
