//! The actions: what each asks of the engine, and what its answer holds.
//!
//! An action has two steps. *Prepare* reads the parameters and does the work; whatever is wrong shows there, and becomes
//! an ERROR answer. It returns the second step, *write*, which puts the elements into `responsedata`, streaming what is
//! long. So nothing is answered SUCCESS that can still fail, except by the disk in the middle of a long result: then the
//! connection is cut.
//!
//! **Not here.** What is done (`engine`); how a request became parameters and how elements become bytes (beside this
//! folder).

mod audit;
mod changes;
mod clustering;
mod databases;
mod decisions;
mod desk;
mod export;
mod face_image;
mod faces;
mod failures;
mod help;
mod images;
mod import;
mod metadata;
mod metrics;
mod offered;
mod process;
mod queue;
mod queued;
mod server;
mod service_port;
mod table;
mod training;

#[doc = include_str!("reference.md")]
pub mod reference {}

pub use audit::{About, Answered, Listed, element, write_audit};
pub use clustering::{Page, write_clusters};
pub use desk::{
    Agreement, Change, Cluster, DatabaseFigures, Desk, Difference, Fate, Fit, Job, NotShown, Obeyed, Order, Sheet, Show,
};
pub use help::{page, shown, summary};
pub use offered::{offered, offered_on_service_port};
pub use server::Facts;
pub use service_port::{ServicePort, Setting};
pub use table::{Action, Example, Needs, Way};

use std::cell::RefCell;
use std::fs::File;
use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::access::{Access, Reach, Roles};
use super::date;
use super::{
    Answer, Client, Code, Envelope, Fault, Health, Outcome, Parameters, Refused, Reply, Request, Role, Service, Traffic,
};
use crate::engine::Engine;
use crate::job;
use failures::{cut, fault};
use offered::Port;
use service_port::Stop;

/// The second step of an action.
type Write<'a> = Box<dyn FnOnce(&mut Answer<'_>) -> io::Result<()> + 'a>;

/// The first step of an action whose answer is elements.
type Elements = for<'a> fn(&'a Actions, &Caller, &mut Parameters) -> Result<Write<'a>, Fault>;

/// The first step of an action.
#[derive(Clone, Copy)]
enum Prepare {
    /// Its answer is elements.
    Elements(Elements),
    /// Its answer is bytes, and an ACI document only if it is ERROR (contract R177).
    Bytes(fn(&Actions, &mut Parameters) -> Result<Bytes, Fault>),
}

/// An answer that is bytes.
struct Bytes {
    /// What they are, such as `image/jpeg`.
    kind: &'static str,
    /// The first of them.
    head: Vec<u8>,
    /// The others, if there are any.
    content: Option<File>,
}

/// What was prepared.
enum Prepared<'a> {
    Elements(Write<'a>),
    Bytes(Bytes),
}

/// A client that waits hears after so long that the server lives, and then as often again (R83).
const SIGN_OF_LIFE: Duration = Duration::from_secs(5);

/// Who asks, what it may do, and how it is kept waiting.
pub(crate) struct Caller<'c> {
    address: IpAddr,
    roles: Roles,
    /// Shows it that the server lives; an error if it has gone.
    show_life: &'c dyn Fn() -> io::Result<()>,
    /// Runs what only waits, so that other requests can be answered meanwhile.
    aside: &'c dyn Fn(&mut dyn FnMut()),
}

impl Caller<'_> {
    fn has(&self, role: Role) -> bool {
        self.roles.contains(role)
    }

    /// Error 30 if it may not ask for this.
    fn check(&self, action: &Action, parameters: &Parameters) -> Result<(), Fault> {
        let role = action.needs.role(parameters);
        if self.has(role) {
            return Ok(());
        }
        let text = format!("'action={}' needs the role {role}, which the address {} lacks", action.name, self.address);
        Err(Fault::new(Code::NotAuthorised, text))
    }
}

/// Answers requests by an engine.
#[derive(Debug)]
pub struct Actions {
    engine: Arc<Engine>,
    facts: Facts,
    zone: TimeZone,
    /// Requests since the start.
    n_requests: AtomicU64,
    /// What became of them.
    requests: metrics::Requests,
    /// How often a client that waits is shown that the server lives.
    sign_of_life: Duration,
    /// Who may do what.
    access: Access,
    /// Results that are being looked through.
    sheets: desk::Sheets,
    /// What ends the server, if clients of the service port may.
    stop: Option<Stop>,
}

impl Actions {
    /// The actions of this engine; dates are printed in `zone` (contract R49).
    pub fn new(engine: Arc<Engine>, facts: Facts, zone: TimeZone) -> Self {
        Self {
            engine,
            facts,
            zone,
            n_requests: AtomicU64::new(0),
            requests: metrics::Requests::default(),
            sign_of_life: SIGN_OF_LIFE,
            access: Access::by_default(Reach::Loopback, None),
            sheets: desk::Sheets::default(),
            stop: None,
        }
    }

    /// The same, showing clients that wait so often that the server lives, instead of every 5 s (R83).
    #[must_use]
    pub fn showing_life_every(self, sign_of_life: Duration) -> Self {
        Self { sign_of_life, ..self }
    }

    /// The same for clients with these roles; by default loopback has all and nobody else has any.
    #[must_use]
    pub fn allowing(self, access: Access) -> Self {
        Self { access, ..self }
    }

    /// The same, with what Stop on the service port does; it must return at once.
    #[must_use]
    pub fn stopped_by(self, stop: impl Fn() + Send + Sync + 'static) -> Self {
        Self { stop: Some(Stop(Box::new(stop))), ..self }
    }

    /// A date of a job, as printed (R48).
    fn date(&self, at: job::Timestamp) -> String {
        date::job_date(Timestamp::from_microsecond(at.0).unwrap_or(Timestamp::UNIX_EPOCH), &self.zone)
    }

    /// The first step of whatever action is asked for, with the faults in the order of R58.
    fn prepare(
        &self,
        port: Port,
        request: Result<Request, Refused>,
        caller: &Caller,
    ) -> (String, Result<Prepared<'_>, Fault>) {
        let mut request = match request {
            Ok(request) => request,
            Err(Refused { action, fault, .. }) => return (action, Err(fault)),
        };
        let prepared = port.find(&request.action).and_then(|action| {
            let parameters = &mut request.parameters;
            if let Some(token) = parameters.text("token").and_then(job::Token::parse) {
                tracing::Span::current().record("token", tracing::field::display(token)); // of the request
            }
            parameters.know(action.parameters);
            caller.check(action, parameters)?;
            parameters.require()?;
            match action.prepare {
                Prepare::Elements(prepare) => prepare(self, caller, parameters).map(Prepared::Elements),
                Prepare::Bytes(prepare) => prepare(self, parameters).map(Prepared::Bytes),
            }
        });
        (request.action, prepared)
    }

    /// The answer to a request on a port, counted.
    fn answer_on(
        &self,
        port: Port,
        request: Result<Request, Refused>,
        client: &Client,
        reply: &mut dyn Reply,
    ) -> io::Result<Outcome> {
        let begun = Instant::now();
        let action = match &request {
            Ok(request) => &request.action,
            Err(refused) => &refused.action,
        };
        let name = port.find(action).ok().map(|action| action.name);
        let outcome = self.write_on(port, request, client, reply);
        self.requests.count(name, outcome.as_ref().ok().copied(), begun.elapsed());
        outcome
    }

    /// Both steps of the action asked for on a port.
    fn write_on(
        &self,
        port: Port,
        request: Result<Request, Refused>,
        client: &Client,
        reply: &mut dyn Reply,
    ) -> io::Result<Outcome> {
        self.n_requests.fetch_add(1, Ordering::Relaxed);
        let format = match &request {
            Ok(request) => request.format,
            Err(refused) => refused.format,
        };
        let envelope = RefCell::new(Envelope::new(reply, format));
        let show_life = || envelope.borrow_mut().wait();
        let aside = |wait: &mut dyn FnMut()| envelope.borrow_mut().aside(wait);
        let caller =
            Caller { address: address(client), roles: self.roles(client), show_life: &show_life, aside: &aside };
        let (action, prepared) = self.prepare(port, request, &caller);
        let envelope = envelope.into_inner();
        match prepared {
            Ok(_) if port == Port::Service && action.eq_ignore_ascii_case("GetStatus") => envelope.running(&action),
            Ok(Prepared::Bytes(Bytes { kind, head, content })) => {
                let mut out = envelope.bytes(kind)?;
                out.write_all(&head)?;
                if let Some(mut content) = content {
                    io::copy(&mut content, &mut out)?;
                }
                Ok(Outcome::Success)
            }
            Ok(Prepared::Elements(write)) => {
                let mut answer = envelope.begin(&action)?;
                write(&mut answer)?;
                answer.finish()
            }
            Err(fault) => envelope.refuse(&action, &fault, &date::error_time(Timestamp::now(), &self.zone)),
        }
    }

    /// What a client may do (contract R160).
    fn roles(&self, client: &Client) -> Roles {
        self.access.roles(address(client), client.bearer.as_deref(), client.identity.as_deref())
    }

    /// How the server is.
    fn wellness(&self) -> Health {
        if let Some(failure) = self.engine.failure() {
            return Health::Unwell(format!(
                "{failure}; the store takes no changes, and is opened again when the disk can be written"
            ));
        }
        match self.engine.store_bytes() {
            Ok(_) if self.engine.n_damaged() > 0 => {
                let n = self.engine.n_damaged();
                Health::Unwell(format!(
                    "{n} records of the store are damaged and left out; `faceclique fsck` says which"
                ))
            }
            Ok(_) if self.engine.is_worked() => self.engine.room().alarm().map_or(Health::Well, Health::Alarmed),
            Ok(_) => Health::Unwell("no worker works the queues".to_owned()),
            Err(error) => Health::Unwell(error.to_string()),
        }
    }
}

/// Who asks; an IPv4 address in an IPv6 one is itself.
fn address(client: &Client) -> IpAddr {
    client.address.ip().to_canonical()
}

impl Service for Actions {
    fn admit(&self, client: &Client) -> Result<(), Fault> {
        if !self.roles(client).is_empty() {
            return Ok(());
        }
        let who = if self.access.asks_for_token() && client.bearer.is_none() {
            "no bearer token was sent, and this server asks for one".to_owned()
        } else if self.access.asks_for_token() {
            format!("the address {} with this bearer token has no role here", address(client))
        } else {
            format!("the address {} has no role here", address(client))
        };
        Err(Fault::new(Code::NotAuthorised, who))
    }

    fn answer(&self, request: Result<Request, Refused>, client: &Client, reply: &mut dyn Reply) -> io::Result<Outcome> {
        self.answer_on(Port::Aci, request, client, reply)
    }

    fn health(&self, client: &Client) -> Health {
        if self.roles(client).contains(Role::Query) { self.wellness() } else { Health::NotAuthorised }
    }

    fn ready(&self, client: &Client) -> Health {
        match self.health(client) {
            Health::Well | Health::Alarmed(_) if self.engine.is_stopping() => {
                Health::Unwell("the server is stopping".to_owned())
            }
            health => health,
        }
    }

    fn desk(&self, client: &Client) -> Result<Desk<'_>, Fault> {
        self.desk_for(client)
    }

    fn metrics(&self, client: &Client, traffic: &Traffic) -> Result<String, Fault> {
        if !self.roles(client).contains(Role::Query) {
            let text = format!("the metrics need the role {}", Role::Query);
            return Err(Fault::new(Code::NotAuthorised, text));
        }
        metrics::page(self, traffic)
    }
}

/// An answer without elements (R35).
fn nothing<'a>() -> Write<'a> {
    Box::new(|_| Ok(()))
}
