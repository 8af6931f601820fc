//! The sources together: precedence, every setting from every source, faults, prints that are read back.

mod media;
mod print;

use std::path::Path;

use proptest::prelude::*;

use super::settings::{SSL, Setting};
use super::value::{Kind, Value};
use super::*;
use crate::job::Queue;

const TOKEN: &str = "a-token-that-nobody-guesses";

fn no_files(_: &Path) -> std::io::Result<String> {
    Err(std::io::ErrorKind::NotFound.into())
}

/// What a file of this name and text, these variables and these flags say together.
fn read(name: &str, text: &str, environment: &[(&str, &str)], flags: &[Flag]) -> Result<Reading, ConfigError> {
    let (mut said, mut report) = (Said::defaults(), Report::default());
    file::read_text(text, Path::new(name), &no_files, &mut said, &mut report);
    let environment = environment.iter().map(|&(name, value)| (name.into(), value.into())).collect();
    Sources { file: None, environment, flags: flags.to_vec() }.finish(said, report)
}

fn toml(text: &str) -> Result<Reading, ConfigError> {
    read("a.toml", text, &[], &[])
}

fn faults(text: &str) -> Vec<String> {
    toml(text).unwrap_err().faults
}

fn shown(reading: &Reading) -> String {
    format!("{:?}", reading.config)
}

/// A value of the setting that is not its default, as text.
fn sample(setting: &Setting) -> String {
    match setting.kind {
        Kind::Boolean if setting.unsaid_is("true") => "false".to_owned(),
        Kind::Boolean => "true".to_owned(),
        Kind::Count { least, .. } | Kind::Bytes { least, .. } | Kind::Seconds { least, .. } => (least + 7).to_string(),
        Kind::Address | Kind::AddressOrOff => "127.0.0.1:777".to_owned(),
        Kind::Path => "some/path".to_owned(),
        Kind::Paths => "/some/path, /other".to_owned(),
        Kind::HostNames => "one.example, two".to_owned(),
        Kind::Hosts => "one.example, *.two.example, 10.0.0.0/8".to_owned(),
        Kind::Origins => "https://one.example:8443".to_owned(),
        Kind::OneOf(words) => (*words.last().unwrap()).to_owned(),
        Kind::Filter => "faceclique=debug".to_owned(),
        Kind::Secret => TOKEN.to_owned(),
    }
}

impl Setting {
    fn unsaid_is(&self, text: &str) -> bool {
        matches!(self.unsaid, settings::Unsaid::Is(is) if is == text)
    }
}

/// The same in TOML.
fn sample_in_toml(setting: &Setting) -> String {
    let text = sample(setting);
    match setting.kind.text(&text).unwrap() {
        Value::Boolean(value) => value.to_string(),
        Value::Integer(number) => number.to_string(),
        Value::Text(_) | Value::Secret(_) => format!("'{text}'"),
        Value::List(items) => format!("{items:?}"),
    }
}

/// The same in the words of a media server's file.
fn sample_in_ini(setting: &Setting) -> String {
    match setting.name().as_str() {
        "server.listen" | "server.service_listen" => "777".to_owned(),
        "server.tls_client_auth" => "True".to_owned(),
        "paths.data" => "some/path.db".to_owned(),
        "logging.level" => "full".to_owned(),
        _ => sample(setting),
    }
}

#[test]
fn what_is_said_later_wins() {
    let file = "[server]\nlisten = '127.0.0.1:1'\n[jobs]\nthreads = 1\nmax_attempts = 9";
    let variables = [("FACECLIQUE_SERVER_LISTEN", "127.0.0.1:2"), ("FACECLIQUE_JOBS_THREADS", "2")];
    let flags = [Flag { setting: "server.listen", flag: "--listen", value: "127.0.0.1:3".to_owned() }];
    let no_flags: &[Flag] = &[];
    let table = [
        ("", &variables[..0], no_flags, PORT, None, 3),
        (file, &variables[..0], no_flags, 1, Some(1), 9),
        (file, &variables[..], no_flags, 2, Some(2), 9),
        (file, &variables[..], &flags[..], 3, Some(2), 9),
    ];
    for (file, variables, flags, port, threads, attempts) in table {
        let config = read("a.toml", file, variables, flags).unwrap().config;
        assert_eq!(config.listen.port(), port);
        assert!(threads.is_none_or(|threads| config.engine.threads.get() == threads));
        assert_eq!(config.engine.max_attempts, attempts);
    }
}

#[test]
fn an_empty_variable_counts_as_not_set() {
    let reading = read("a.toml", "[jobs]\nmax_queue_size = 7", &[("FACECLIQUE_JOBS_MAX_QUEUE_SIZE", "")], &[]).unwrap();
    assert_eq!(reading.config.engine.max_queue, 7);
}

#[test]
fn every_setting_is_read_from_every_source() {
    for setting in settings::all() {
        let expected = setting.kind.text(&sample(setting)).unwrap();
        let (section, key, name) = (setting.section, setting.key, setting.name());
        let said = |source: &str, name_of_file: &str, text: &str, variables: &[(&str, &str)], flags: &[Flag]| {
            let (mut said, mut report) = (Said::defaults(), Report::default());
            file::read_text(text, Path::new(name_of_file), &no_files, &mut said, &mut report);
            let variables = variables.iter().map(|&(name, value)| (name.into(), value.into()));
            environment::read(variables, &mut said, &mut report);
            for flag in flags {
                said.take(setting, setting.kind.text(&flag.value), Place::Flag(flag.flag), &mut report);
            }
            assert_eq!(report.end(), Ok(Vec::new()), "{name} from {source}");
            let set = said.set(&name).unwrap().clone();
            assert_eq!(set.place.source(), source, "{name}");
            set.value
        };
        let text = format!("[{section}]\n{key} = {}", sample_in_toml(setting));
        assert_eq!(said("a.toml:2", "a.toml", &text, &[], &[]), expected, "{name}");
        let variable = setting.variable();
        let source = format!("environment {variable}");
        assert_eq!(said(&source, "a.toml", "", &[(&variable, &sample(setting))], &[]), expected, "{name}");
        let flag = Flag { setting: "", flag: "--flag", value: sample(setting) };
        assert_eq!(said("flag --flag", "a.toml", "", &[], &[flag]), expected, "{name}");
        for (section, key) in setting.ini {
            let text = if *section == SSL {
                format!("[Server]\nSSLConfig=Mine\n[mine]\n{}={}", key.to_uppercase(), sample_in_ini(setting))
            } else {
                format!("[{}]\n\n\n{}={}", section.to_uppercase(), key.to_lowercase(), sample_in_ini(setting))
            };
            let expected = match name.as_str() {
                "paths.data" => Value::Text("some/path.faceclique".to_owned()),
                "logging.level" => Value::Text("debug".to_owned()),
                _ => expected.clone(),
            };
            assert_eq!(said("a.cfg:4", "a.cfg", &text, &[], &[]), expected, "{name}");
        }
    }
}

#[test]
fn every_setting_has_an_effect() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("token");
    std::fs::write(&file, format!("{TOKEN}\n")).unwrap();
    let authority = folder.path().join("authority.pem");
    let made = rcgen::generate_simple_self_signed(["h.example".to_owned()]).unwrap();
    std::fs::write(&authority, made.cert.pem()).unwrap();
    let tls = [
        ("FACECLIQUE_SERVER_TLS_CERTIFICATE", "c"),
        ("FACECLIQUE_SERVER_TLS_KEY", "k"),
        ("FACECLIQUE_SERVER_TLS_CLIENT_CA", "a"),
        ("FACECLIQUE_SERVER_TLS_CLIENT_AUTH", "optional"),
    ];
    for setting in settings::all() {
        let (name, mut value) = (setting.variable(), sample(setting));
        match setting.name().as_str() {
            "security.bearer_token_file" | "callbacks.secret_file" => value = file.display().to_string(),
            "callbacks.ca_file" => value = authority.display().to_string(),
            _ => {}
        }
        let is_callback = setting.section == "callbacks" && setting.key != "enabled";
        let enabled = [("FACECLIQUE_CALLBACKS_ENABLED", "true")].into_iter().filter(|_| is_callback);
        let before: Vec<_> = tls.into_iter().filter(|_| setting.key.starts_with("tls_")).chain(enabled).collect();
        let after: Vec<_> =
            before.iter().copied().filter(|(other, _)| *other != name).chain([(&*name, &*value)]).collect();
        let (before, after) = (read("a.toml", "", &before, &[]).unwrap(), read("a.toml", "", &after, &[]).unwrap());
        assert_ne!(shown(&before), shown(&after), "{name}={value} changes nothing");
        assert!(!shown(&after).contains(TOKEN));
    }
}

#[test]
fn the_defaults_are_those_of_the_rooms_that_use_them() {
    let config = toml("").unwrap().config;
    let mut http = http::Settings::default();
    http.limits.spool_directory = "data/spool".into();
    http.limits.spool_room = Settings::new("data").room();
    assert_eq!(format!("{:?}", config.http), format!("{http:?}"));
    assert_eq!(format!("{:?}", config.engine), format!("{:?}", Settings::new("data")));
    assert_eq!(
        (config.listen.to_string().as_str(), config.service_listen.unwrap().port()),
        ("127.0.0.1:14000", 14_001)
    );
    assert_eq!(config.access, Access::by_default(crate::aci::access::Reach::Loopback, None));
    assert_eq!((config.tls, config.sync_interval), (None, None));
}

#[test]
fn r67_a_queue_has_the_limits_of_all_unless_it_has_its_own() {
    let text = "[jobs]\nmaximum_threads = 2\nmax_queue_size = 30\n[jobs.queues.facECLUSTERING]\nmaximum_threads = 1";
    let config = toml(text).unwrap().config;
    let limits = |queue| (config.engine.max_jobs_of(queue), config.engine.max_queue_of(queue));
    assert_eq!((limits(Queue::FaceClustering), limits(Queue::ImportFaceDatabase)), ((1, 30), (2, 30)));
}

#[test]
fn an_unknown_key_is_refused_with_the_nearest_name() {
    assert_eq!(
        faults("[jobs]\n\nmax_queu_size = 3"),
        ["unknown key jobs.max_queu_size in a.toml line 3; did you mean jobs.max_queue_size?"]
    );
    let table = [
        ("[job]", "unknown section job in a.toml line 1; did you mean jobs?"),
        (
            "[jobs.queues.Clustering]\nx = 1",
            "unknown section jobs.queues.Clustering in a.toml line 1; did you mean jobs.queues.FaceClustering?",
        ),
        (
            "[server]\nmax_queue_size = 1",
            "unknown key server.max_queue_size in a.toml line 2; did you mean jobs.max_queue_size?",
        ),
        ("[server]\ncolour = 'blue'", "unknown key server.colour in a.toml line 2"),
        (
            "[[security.roles]]\nname = 'a'\nstandard_roles = ['Query']\nclient = ['*']\nidentities = ['a']",
            "unknown key security.roles.client in a.toml line 4; did you mean clients?",
        ),
        ("[[model]]", "unknown key model in a.toml line 1; did you mean models?"),
        ("jobs = 3", "jobs in a.toml line 1 is a section, not a key: write [jobs]"),
        ("[models]", "models in a.toml line 1 must be written as [[models]]"),
    ];
    for (text, expected) in table {
        assert_eq!(faults(text)[0], expected);
    }
}

#[test]
fn a_wrong_value_is_named_with_its_place_and_range_and_all_are() {
    let text = "[jobs]\nthreads = 0\nmax_queue_size = 'many'\nkeep_pairs = 1\n[server]\nlisten = '14000'\nidle_timeout = '1m1'\nhost_names = ['a', 1]";
    let flags = [Flag { setting: "jobs.max_attempts", flag: "--attempts", value: "x".to_owned() }];
    let error = read("a.toml", text, &[("FACECLIQUE_JOBS_CACHE_SIZE", "-1")], &flags).unwrap_err();
    assert_eq!(
        error.faults,
        [
            "jobs.keep_pairs is 1 in a.toml line 4; it must be true or false",
            "jobs.max_queue_size is 'many' in a.toml line 3; it must be a whole number from 1 to 1000000",
            "jobs.threads is 0 in a.toml line 2; it must be a whole number from 1 to 1024",
            "server.host_names is ['a', 1] in a.toml line 8; it must be a list of names of machines, without scheme and port",
            "server.idle_timeout is '1m1' in a.toml line 7; it must be a number of seconds from 60 to 86400, such as 90 or \"15m\"",
            "server.listen is '14000' in a.toml line 6; it must be an IP address with a port, such as \"127.0.0.1:14000\"",
            "jobs.cache_size is '-1' in FACECLIQUE_JOBS_CACHE_SIZE; it must be a number of bytes from 1048576 to 1125899906842624, such as 4096 or \"512MiB\"",
            "jobs.max_attempts is 'x' in --attempts; it must be a whole number from 1 to 1000",
        ]
    );
    assert_eq!(
        faults("[jobs]\nthreads = -3")[0],
        "jobs.threads is -3 in a.toml line 2; it must be a whole number from 1 to 1024"
    );
}

#[test]
fn text_that_is_no_toml_is_named_by_its_lines_and_never_repeated() {
    let faults = faults(&format!("[security]\nbearer_token = \"{TOKEN}\nx = = {TOKEN}\n"));
    assert!(faults.len() > 1 && faults[0].starts_with("a.toml line 2: "), "{faults:?}");
    assert!(!faults.concat().contains("nobody-guesses"), "{faults:?}");
}

#[test]
fn a_message_begins_no_line_of_its_own() {
    let faults = faults("[\"a\\nb\\u001b[2J\"]");
    assert_eq!(faults, ["unknown section a\\nb\\u{1b}[2J in a.toml line 1"]);
}

#[test]
fn settings_that_contradict_each_other_are_faults() {
    let table = [
        (
            "[server]\nlisten = '127.0.0.1:9'\nservice_listen = '127.0.0.1:9'",
            "server.listen and server.service_listen are both 127.0.0.1:9",
        ),
        ("[server]\ntls_key = 'k'", "server.tls_key needs server.tls_certificate"),
        ("[server]\ntls_certificate = 'c'", "server.tls_certificate needs server.tls_key"),
        (
            "[server]\ntls_certificate = 'c'\ntls_key = 'k'\ntls_client_auth = 'required'",
            "server.tls_client_ca must say by whom",
        ),
        ("[server]\ntls_client_auth = 'required'", "client certificates need TLS"),
        ("[security]\nbearer_token = 'a-token-that-nobody-guesses'\nbearer_token_file = 'x'", "are both given"),
        ("[callbacks]\nsecret = 'a-secret-that-nobody-guesses'\nsecret_file = 'x'", "are both given"),
        ("[callbacks]\nenabled = true\nca_file = '/nowhere/x'", "callbacks.ca_file: cannot read /nowhere/x"),
        ("[callbacks]\nenabled = true\nca_file = '/dev/null'", "callbacks.ca_file: it holds no certificate"),
        (
            "[callbacks]\nallowed_hosts = ['http://h.example']",
            "callbacks.allowed_hosts is ['http://h.example'] in a.toml line 2; it must be a list of host names",
        ),
        ("[security]\nbearer_token_file = '/nowhere/x'", "security.bearer_token_file: cannot read /nowhere/x"),
        (
            "[security]\nbearer_token = 'short'",
            "security.bearer_token is ******** in a.toml line 2; it must be a token of at least 16",
        ),
        (
            "[[security.roles]]\nname = 'r'\nstandard_roles = ['Quary']\nclients = ['*']",
            "'Quary' is no standard role; did you mean Query?",
        ),
        ("[[security.roles]]\nname = 'r'\nstandard_roles = ['Query']", "names neither clients nor identities"),
        ("[[security.roles]]\nname = 'r'\nclients = ['*']", "has no standard_roles"),
        (
            "[[security.roles]]\nname = 'r'\nstandard_roles = ['Query']\nclients = ['db.example']",
            "'db.example' is not an address",
        ),
        ("[[models]]\nname = 'cosine'\ndimension = 2\nknots = [[-1, 0], [1, 100]]", "belongs to the built-in model"),
        (
            "[[models]]\nname = 'm'\ndimension = 5000\nknots = [[-1, 0], [1, 100]]",
            "its dimension is 5000, it must be from 1 to 4096",
        ),
        ("[[models]]\nname = 'm'\ndimension = 2\nknots = [[-1, 0], [1, 99]]", "ends at cosine 1 with confidence 100"),
        (
            "[[models]]\nname = 'm'\ndimension = 2\nknots = [[-1, 0, 1]]",
            "models.knots in a.toml line 1 must be a list of pairs",
        ),
    ];
    for (text, expected) in table {
        assert!(faults(text)[0].contains(expected), "{:?} says {expected}", faults(text));
    }
    assert!(toml("[server]\nlisten = '127.0.0.1:0'\nservice_listen = '127.0.0.1:0'").is_ok());
}

#[test]
fn a_file_of_authorities_that_is_too_long_is_refused_and_not_cut() {
    let file = tempfile::NamedTempFile::new().unwrap();
    file.as_file().set_len(file::MAX_PEM + 1).unwrap();
    let path = file.path().display();
    let faults = faults(&format!("[callbacks]\nenabled = true\nca_file = '{path}'"));
    assert_eq!(faults, [format!("callbacks.ca_file: {path} has more than {} bytes", file::MAX_PEM)]);
}

#[test]
fn roles_that_reach_nobody_are_worth_a_warning() {
    let role = "[[security.roles]]\nname = 'r'\nstandard_roles = ['Query']\n";
    let warnings = toml(&format!("{role}clients = ['10.0.0.0/8']\nidentities = ['a.example']")).unwrap().warnings;
    assert_eq!(warnings.len(), 3, "{warnings:?}");
    let fine = format!(
        "[server]\nlisten = '0.0.0.0:1'\n{role}clients = ['*']\n[[security.roles]]\nname = 'a'\nstandard_roles = ['*']\nclients = ['localhost']"
    );
    assert_eq!(toml(&fine).unwrap().warnings, [""; 0]);
}

#[test]
fn an_unknown_variable_is_a_warning_and_those_of_the_program_are_none() {
    let variables = [
        ("FACECLIQUE_JOBS_MAX_QUEU_SIZE", "3"),
        ("FACECLIQUE_PORT_14000_TCP", "tcp://10.0.0.1:14000"),
        ("FACECLIQUE_LOG", "x"),
        ("FACECLIQUE_BEARER_TOKEN", "x"),
        ("OTHER", "x"),
    ];
    assert_eq!(
        read("a.toml", "", &variables, &[]).unwrap().warnings,
        [
            "the environment variable FACECLIQUE_JOBS_MAX_QUEU_SIZE is not known; did you mean FACECLIQUE_JOBS_MAX_QUEUE_SIZE?",
            "the environment variable FACECLIQUE_PORT_14000_TCP is not known",
        ]
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_text_makes_the_readers_panic(
        text in "(\\[[a-z.]{0,9}\\]|[a-z_]{1,9} ?= ?|\\[\\[models\\]\\]|\\[security\\]|'|\"|\n|,|[0-9.e_-]{0,5}|\\[|\\]|\\{|\\}|#|\\PC){0,40}",
    ) {
        for name in ["a.toml", "a.cfg", "a"] {
            if let Ok(reading) = read(name, &text, &[("FACECLIQUE_SERVER_ORIGINS", &text), ("FACECLIQUE_PATHS_DATA", &text)], &[]) {
                let _ = Print::Effective(&reading).write(Form::Toml);
            }
        }
    }

    #[test]
    fn no_value_makes_the_readers_panic_and_none_is_a_secret_in_a_message(
        value in "'[ -~&&[^']]{17,40}'|[0-9_]{1,30}|0x[0-9a-f]{1,40}|[0-9]{1,3}\\.[0-9e]{1,9}|\\[[0-9, ']{0,20}\\]|\\{ a = 1 \\}|true|1979-05-27",
    ) {
        for setting in settings::all() {
            let _ = toml(&format!("[{}]\n{} = {value}", setting.section, setting.key));
        }
        let _ = toml(&format!("[[models]]\nname = {value}\ndimension = {value}\nknots = {value}\n[[security.roles]]\nname = {value}\nclients = {value}"));
        if let Err(error) = toml(&format!("[security]\nbearer_token = {value}")) {
            let inside = value.trim_matches('\'');
            prop_assert!(inside.len() < 17 || !error.to_string().contains(inside));
        }
    }
}
