//! How the end of a job is told: one signed HTTP request to a place that may be told.
//!
//! **Promises.** An address that may not be told is never connected to: names are looked up once for each attempt, what
//! comes of it is filtered, and only what is left is connected to, so that a name that changes its address in between gains
//! nothing. No redirect is followed and no proxy asked. An attempt ends within its timeout. The secret is in no message.
//!
//! **Not here.** When and how often something is told, and what is kept of it (`engine`'s outbox).

mod authorities;
mod places;
mod signature;

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::json;
use ureq::config::Config;
use ureq::http::Uri;
use ureq::tls::TlsConfig;
use ureq::unversioned::resolver::{DefaultResolver, ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::{DefaultConnector, NextTimeout};
use ureq::{Agent, Error};

use crate::aci::access::Secret;
use crate::engine::{Delivery, Messenger};
pub(crate) use authorities::roots_in;
pub use places::{PlaceError, Places};

/// What a URL may have, in bytes.
const MAX_URL: usize = 2_048;

/// The headers of a delivery, besides the usual ones.
const DELIVERY: &str = "X-FaceClique-Delivery";
const TIMESTAMP: &str = "X-FaceClique-Timestamp";
const SIGNATURE: &str = "X-FaceClique-Signature";

/// What this is told at its start.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Who may be told.
    pub places: Places,
    /// What deliveries are signed with, if they are.
    pub secret: Option<Secret>,
    /// How long an attempt may take.
    pub timeout: Duration,
    /// Certificates (PEM) of the authorities to trust for https, instead of the public ones.
    pub authorities: Option<Vec<u8>>,
}

/// Tells receivers over HTTP.
#[derive(Debug)]
pub struct Callbacks {
    agent: Agent,
    places: Arc<Places>,
    secret: Option<Secret>,
}

impl Callbacks {
    /// Ready to tell; an error if the authorities are no certificates.
    pub fn new(settings: Settings) -> Result<Self, String> {
        let Settings { places, secret, timeout, authorities } = settings;
        let places = Arc::new(places);
        let mut config = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .max_idle_connections(0) // a connection belongs to the address that was looked at for it
            .proxy(None)
            .timeout_global(Some(timeout))
            .user_agent(concat!("faceclique/", env!("CARGO_PKG_VERSION")));
        if let Some(pem) = authorities {
            config = config.tls_config(TlsConfig::builder().root_certs(roots_in(&pem)?).build());
        }
        let resolver = Filtered { resolver: DefaultResolver::default(), places: Arc::clone(&places) };
        let agent = Agent::with_parts(config.build(), DefaultConnector::new(), resolver);
        Ok(Self { agent, places, secret })
    }
}

impl Messenger for Callbacks {
    fn check(&self, url: &str) -> Result<(), String> {
        if url.len() > MAX_URL {
            return Err(format!("has {} bytes, at most {MAX_URL} are allowed", url.len()));
        }
        if url.contains('#') {
            return Err("has a fragment (#), which no server is told".to_owned());
        }
        let uri: Uri = url.parse().map_err(|_| "is not a URL".to_owned())?;
        if !matches!(uri.scheme_str(), Some("http" | "https")) {
            return Err("does not begin with http:// or https://".to_owned());
        }
        let authority = uri.authority().ok_or("names no host")?;
        if authority.as_str().contains('@') {
            return Err("names a user, and no password is sent; a secret may stand behind a '?'".to_owned());
        }
        if authority.host().is_empty() {
            return Err("names no host".to_owned());
        }
        let has_port = !authority.as_str()[authority.host().len()..].is_empty();
        if has_port && authority.port_u16().is_none_or(|port| port == 0) {
            return Err("has a port that is not from 1 to 65535".to_owned());
        }
        self.places.check_host(authority.host()).map_err(|error| error.to_string())
    }

    fn deliver(&self, delivery: &Delivery) -> Result<(), String> {
        let body = body(delivery)?;
        // of the attempt and not of the end: a receiver may refuse what is old, and with it what somebody sends again
        let timestamp = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs()).to_string();
        let mut request = (self.agent.post(&delivery.url))
            .header("Content-Type", "application/json")
            .header(DELIVERY, &delivery.id)
            .header(TIMESTAMP, &timestamp);
        if let Some(secret) = &self.secret {
            request = request.header(SIGNATURE, signature::of(secret, &timestamp, &body));
        }
        let answer = request.send(body.as_str()).map_err(|error| reason(&error))?;
        let status = answer.status();
        if status.is_success() {
            Ok(())
        } else if status.is_redirection() {
            Err(format!("it answers with the HTTP status {}, and redirects are not followed", status.as_u16()))
        } else {
            Err(format!("it answers with the HTTP status {}", status.as_u16()))
        }
    }
}

/// What is told: no names of people, databases or files.
fn body(delivery: &Delivery) -> Result<String, String> {
    let Delivery { id, url: _, token, action, status, ended } = delivery;
    let ended = jiff::Timestamp::from_microsecond(ended.0).map_err(|error| error.to_string())?;
    let body = json!({
        "delivery": id,
        "token": token.to_string(),
        "action": action.to_string(),
        "status": status,
        "ended": ended.to_string(),
    });
    Ok(body.to_string())
}

/// Why it could not be told, without the URL, whose query may be a secret.
fn reason(error: &Error) -> String {
    match error {
        Error::Io(error) => error.to_string(),
        Error::HostNotFound => "the host name is not known".to_owned(),
        Error::Timeout(_) => "it did not answer in time (callbacks.timeout)".to_owned(),
        Error::Other(error) => error.to_string(),
        Error::BadUri(_) => "the URL cannot be used".to_owned(),
        other => other.to_string(),
    }
}

/// Looks names up, and leaves the addresses that may be told.
#[derive(Debug)]
struct Filtered {
    resolver: DefaultResolver,
    places: Arc<Places>,
}

impl Resolver for Filtered {
    fn resolve(&self, uri: &Uri, config: &Config, timeout: NextTimeout) -> Result<ResolvedSocketAddrs, Error> {
        let found = self.resolver.resolve(uri, config, timeout)?;
        let host = uri.host().unwrap_or_default();
        let (mut left, mut refused) = (self.empty(), None);
        for address in &found {
            match self.places.check(host, address.ip()) {
                Ok(()) => left.push(*address),
                Err(error) => refused = Some(error),
            }
        }
        match refused {
            Some(error) if left.is_empty() => Err(Error::Other(Box::new(error))),
            _ => Ok(left),
        }
    }
}
