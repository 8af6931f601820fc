//! From what was said to what it means: the values in the places where they are used, and what must agree with what.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::callbacks;
use super::file::read_limited;
use super::report::{Report, did_you_mean};
use super::said::{Said, SaidModel, SaidRole};
use super::{Config, Log, LogForm, TlsFiles};
use crate::aci::access::{Access, Clients, Reach, Role, Roles, Rule, Secret};
use crate::aci::{Budget, Limits};
use crate::confidence::{ConfidenceScale, ScaleError};
use crate::engine::{COSINE, Model, Settings};
use crate::face::MAX_DIMENSION;
use crate::http::{self, ClientAuth};
use crate::job::Queue;

/// A token file has at most so many bytes.
const MAX_TOKEN_FILE: u64 = 8 << 10;

/// What it means; faults go to the report, and then the configuration is not used.
pub(super) fn config(said: &Said, report: &mut Report) -> Config {
    let listen = address(said, "server.listen").unwrap_or_else(|| SocketAddr::from(([127, 0, 0, 1], super::PORT)));
    let service_listen = address(said, "server.service_listen");
    if service_listen == Some(listen) && listen.port() != 0 {
        report.fault(format!("server.listen and server.service_listen are both {listen}; they must differ"));
    }
    let engine = engine(said, report);
    Config {
        listen,
        service_listen,
        tls: tls(said, report),
        utc: said.is("server.utc"),
        http: http(said, &engine),
        access: access(said, listen, service_listen, report),
        pack: said.text("vision.pack").map(|said| super::pack::folder(said, &engine.data)),
        sync_interval: Some(seconds(said, "database.sync_interval")).filter(|interval| !interval.is_zero()),
        log: Log {
            level: said.text("logging.level").map(str::to_owned),
            form: if said.text("logging.format") == Some("json") { LogForm::Json } else { LogForm::Text },
        },
        engine,
    }
}

fn address(said: &Said, name: &str) -> Option<SocketAddr> {
    said.text(name).and_then(|text| text.parse().ok())
}

fn seconds(said: &Said, name: &str) -> Duration {
    Duration::from_secs(said.count(name))
}

fn paths(said: &Said, name: &str) -> Vec<PathBuf> {
    said.list(name).iter().map(PathBuf::from).collect()
}

fn at_least_one(said: &Said, name: &str) -> NonZeroUsize {
    NonZeroUsize::new(said.size(name)).expect("its range begins at 1")
}

fn engine(said: &Said, report: &mut Report) -> Settings {
    let mut engine = Settings::new(said.text("paths.data").expect("it has a default"));
    engine.allowed_input = paths(said, "paths.allowed_input_directories");
    engine.base = said.text("paths.base").map(PathBuf::from);
    engine.allowed_output = paths(said, "paths.allowed_output_directories");
    // A limit so high that the request's is lower is no licence to read files of any size.
    engine.max_picture = said.count("limits.max_file_upload_size").min(said.count("limits.max_request_size"));
    engine.max_pictures = said.size("limits.max_parts");
    // What was stored can be exported and imported again: base64 makes four bytes of three.
    engine.exchange.max_line_bytes = engine.exchange.max_line_bytes.max(engine.max_picture.saturating_mul(2));
    engine.default_max_jobs = at_least_one(said, "jobs.maximum_threads");
    engine.max_jobs = of_queues(said, "maximum_threads");
    engine.max_queues = of_queues(said, "max_queue_size");
    engine.max_waiting = said.size("jobs.max_waiting");
    engine.models = models(&said.models, report);
    engine.max_pixels = said.count("limits.max_image_pixels");
    engine.max_num_parallel = at_least_one(said, "limits.max_num_parallel");
    engine.threads = at_least_one(said, "jobs.threads");
    engine.memory = said.count("jobs.max_job_memory");
    engine.max_result = said.count("jobs.max_result_size");
    engine.max_results = said.count("jobs.max_results_size");
    engine.stuck_after = Some(seconds(said, "jobs.stuck_after")).filter(|time| !time.is_zero());
    engine.auto_exact = seconds(said, "jobs.auto_exact_time");
    engine.max_queue = said.size("jobs.max_queue_size");
    engine.retention.age = seconds(said, "jobs.result_retention");
    engine.retention.count = said.size("jobs.max_ended_jobs");
    engine.max_changes = said.size("jobs.max_changes");
    engine.max_attempts = u32::try_from(said.count("jobs.max_attempts")).expect("its range ends at 1000");
    engine.keep_pairs = said.is("jobs.keep_pairs");
    engine.min_free = said.count("limits.min_free_space");
    engine.cache = said.count("jobs.cache_size");
    callbacks::tell(said, &mut engine, report);
    engine
}

fn http(said: &Said, engine: &Settings) -> http::Settings {
    http::Settings {
        limits: Limits {
            max_input_string: said.size("limits.max_input_string"),
            max_file_upload_size: said.count("limits.max_file_upload_size"),
            max_request_size: said.count("limits.max_request_size"),
            max_parts: said.size("limits.max_parts"),
            max_request_text: said.size("limits.max_request_text"),
            request_memory: Budget::new(said.size("limits.max_request_memory")),
            spool_directory: engine.spool_folder(),
            spool_room: engine.room(),
            ..Limits::default()
        },
        max_header_size: said.size("server.max_header_size"),
        max_connections: said.size("server.max_connections"),
        max_connections_per_address: said.size("server.max_connections_per_address"),
        request_threads: said.size("server.request_threads"),
        tls: None, // made of its files where the server starts
        handshake_timeout: seconds(said, "server.handshake_timeout"),
        request_timeout: seconds(said, "server.request_timeout"),
        header_timeout: seconds(said, "server.header_timeout"),
        body_timeout: seconds(said, "server.body_timeout"),
        idle_timeout: seconds(said, "server.idle_timeout"),
        answer_timeout: seconds(said, "server.answer_timeout"),
        linger_timeout: seconds(said, "server.linger_timeout"),
        shutdown_timeout: seconds(said, "server.shutdown_timeout"),
        host_names: said.list("server.host_names").to_vec(),
        origins: said.list("server.origins").to_vec(),
        ..http::Settings::default()
    }
}

/// A limit of queues that have one of their own.
fn of_queues(said: &Said, key: &str) -> BTreeMap<Queue, NonZeroUsize> {
    let own = |queue: Queue| {
        let number = said.number(&format!("jobs.queues.{queue}.{key}"))?;
        let number = NonZeroUsize::new(usize::try_from(number).unwrap_or(usize::MAX)).expect("its range begins at 1");
        Some((queue, number))
    };
    Queue::ALL.into_iter().filter_map(own).collect()
}

fn tls(said: &Said, report: &mut Report) -> Option<TlsFiles> {
    let path = |name: &str| said.text(name).map(PathBuf::from);
    let client_ca = path("server.tls_client_ca");
    let client_auth = match said.text("server.tls_client_auth") {
        Some("optional") => ClientAuth::Optional,
        Some("required") => ClientAuth::Required,
        _ => ClientAuth::None,
    };
    match (path("server.tls_certificate"), path("server.tls_key")) {
        (Some(certificate), Some(key)) => {
            match (&client_ca, client_auth) {
                (None, ClientAuth::Optional | ClientAuth::Required) => {
                    report.fault("server.tls_client_auth asks for certificates; server.tls_client_ca must say by whom");
                }
                (Some(_), ClientAuth::None) => {
                    report.warn("server.tls_client_ca has no effect as long as server.tls_client_auth is none");
                }
                _ => {}
            }
            let client_ca = client_ca.filter(|_| client_auth != ClientAuth::None);
            Some(TlsFiles { certificate, key, client_ca, client_auth })
        }
        (None, None) => {
            if client_ca.is_some() || client_auth != ClientAuth::None {
                report.fault("client certificates need TLS: server.tls_certificate and server.tls_key are missing");
            }
            None
        }
        (Some(_), None) => {
            report.fault("server.tls_certificate needs server.tls_key");
            None
        }
        (None, Some(_)) => {
            report.fault("server.tls_key needs server.tls_certificate");
            None
        }
    }
}

fn access(said: &Said, listen: SocketAddr, service: Option<SocketAddr>, report: &mut Report) -> Access {
    let token = secret("security.bearer_token", said, report);
    let reach = Reach::of([listen].into_iter().chain(service));
    let Some(roles) = &said.roles else { return Access::by_default(reach, token) };
    let rules: Vec<Rule> = roles.iter().map(|role| rule(role, report)).collect();
    let nobody_is = |role| !rules.iter().any(|rule| rule.roles.contains(role));
    if let Some(role) = [Role::Admin, Role::Query].into_iter().find(|&role| nobody_is(role)) {
        report.warn(format!("the roles give nobody {role}"));
    }
    if reach == Reach::Loopback && rules.iter().any(|rule| !rule.clients.iter().all(Clients::are_local)) {
        report.warn(format!(
            "the roles name clients of other machines, which cannot reach {listen}; server.listen says where they could"
        ));
    }
    if said.text("server.tls_client_auth") == Some("none") && rules.iter().any(|rule| !rule.identities.is_empty()) {
        report.warn("the roles name certificates, and server.tls_client_auth is none: nobody is asked for one");
    }
    Access::new(rules, token)
}

fn rule(said: &SaidRole, report: &mut Report) -> Rule {
    let SaidRole { name, standard_roles, clients, identities, place } = said;
    let what = format!("the role '{name}' in {place}");
    let mut roles = Roles::NONE;
    for text in standard_roles {
        match Role::parse(text) {
            Some(role) => roles = roles.union(Roles::from_iter([role])),
            None if text == "*" => roles = Roles::all(),
            None => {
                let near = did_you_mean(text, Role::ALL.map(Role::name));
                report.fault(format!("{what}: '{text}' is no standard role{near}"));
            }
        }
    }
    if standard_roles.is_empty() {
        report.fault(format!("{what} has no standard_roles"));
    }
    if clients.is_empty() && identities.is_empty() {
        report.fault(format!("{what} names neither clients nor identities"));
    }
    if identities.iter().any(String::is_empty) {
        report.fault(format!("{what} has an empty identity"));
    }
    let mut parsed = Vec::new();
    for client in clients {
        match client.parse::<Clients>() {
            Ok(client) => parsed.push(client),
            Err(error) => report.fault(format!("{what}: {error}")),
        }
    }
    Rule { name: name.clone(), roles, clients: parsed, identities: identities.clone() }
}

/// A secret that is said itself or stands in the file that the setting `<name>_file` names.
pub(super) fn secret(name: &str, said: &Said, report: &mut Report) -> Option<Secret> {
    let of_file = format!("{name}_file");
    match (said.secret(name), said.text(&of_file)) {
        (Some(_), Some(_)) => {
            report.fault(format!("{name} and {of_file} are both given; one is enough"));
            None
        }
        (Some(secret), None) => Some(secret.clone()),
        (None, Some(file)) => {
            secret_in(Path::new(file)).map_err(|fault| report.fault(format!("{of_file}: {fault}"))).ok()
        }
        (None, None) => None,
    }
}

fn secret_in(file: &Path) -> Result<Secret, String> {
    let text = read_limited(file, MAX_TOKEN_FILE)?;
    let secret = text.trim_end_matches(['\r', '\n']);
    Secret::new(secret).map_err(|why| format!("the token in {}: {why}", file.display()))
}

fn models(said: &[SaidModel], report: &mut Report) -> Vec<Model> {
    let mut models: Vec<Model> = Vec::new();
    for SaidModel { name, dimension, knots, place } in said {
        let mut refuse = |reason: String| {
            report.fault(format!("the model '{name}' in {place} cannot be used: {reason}"));
        };
        if name == COSINE {
            refuse("that name belongs to the built-in model".to_owned());
        } else if models.iter().any(|model| &model.name == name) {
            refuse("there is another one of that name".to_owned());
        }
        let dimension = usize::try_from(*dimension).unwrap_or(usize::MAX);
        if !(1..=MAX_DIMENSION).contains(&dimension) {
            refuse(format!("its dimension is {dimension}, it must be from 1 to {MAX_DIMENSION}"));
        }
        match ConfidenceScale::new(knots.clone()) {
            Ok(scale) => models.push(Model { name: name.clone(), dimension: Some(dimension), scale }),
            Err(error) => refuse(ScaleError::to_string(&error)),
        }
    }
    models
}
