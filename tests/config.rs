//! `faceclique config` and the settings of a real server, as somebody at a terminal meets them.

#![allow(clippy::unwrap_used, reason = "tests")]

#[path = "support/server.rs"]
mod server;

use std::fs;
use std::path::Path;
use std::process::Output;

use server::{Server, program};

const TOKEN: &str = "a-token-that-nobody-guesses";

fn run(arguments: &[&str], variables: &[(&str, &str)]) -> (bool, String, String) {
    let Output { status, stdout, stderr } = program(arguments).envs(variables.iter().copied()).output().unwrap();
    (status.success(), String::from_utf8(stdout).unwrap(), String::from_utf8(stderr).unwrap())
}

fn file(folder: &Path, name: &str, text: &str) -> String {
    let path = folder.join(name);
    fs::write(&path, text).unwrap();
    path.to_str().unwrap().to_owned()
}

#[test]
fn a_check_that_finds_nothing_says_ok_and_what_holds() {
    let folder = tempfile::tempdir().unwrap();
    let text =
        format!("[paths]\nallowed_input_directories = ['{}']\n[server]\nlisten = '0.0.0.0:0'", folder.path().display());
    let path = file(folder.path(), "a.toml", &text);
    let (ok, out, err) = run(&["config", "check", "--config", &path], &[("FACECLIQUE_SECURITY_BEARER_TOKEN", TOKEN)]);
    assert!(ok && err.is_empty(), "{err}");
    for line in ["ok", "ACI: 0.0.0.0:0", "bearer token: every client needs it", "  everybody: Query for *"] {
        assert!(out.lines().any(|found| found == line), "{line} in {out}");
    }
    assert!(!out.contains(TOKEN));
}

#[test]
fn a_check_reports_every_fault_of_the_text_and_then_of_the_machine() {
    let folder = tempfile::tempdir().unwrap();
    let path = file(folder.path(), "a.toml", "[jobs]\nmax_queu_size = 3\nthreads = 0\n[server]\nlisten = 'here'");
    let (ok, out, err) = run(&["config", "check"], &[("FACECLIQUE_CONFIG", &path)]);
    assert!(!ok && out.is_empty());
    assert_eq!(err.lines().count(), 4, "{err}");
    assert!(
        err.contains(&format!("unknown key jobs.max_queu_size in {path} line 2; did you mean jobs.max_queue_size?"))
    );

    let (pem, token) = (file(folder.path(), "x.pem", "nothing"), file(folder.path(), "token", &format!("{TOKEN}\n")));
    let text = format!(
        "[server]\ntls_certificate = '{pem}'\ntls_key = '/nowhere/key'\n[security]\nbearer_token_file = '{token}'\n\
         [paths]\ndata = '{pem}'\nallowed_input_directories = ['/nowhere/in', '{pem}']\nallowed_output_directories = ['/nowhere/out']"
    );
    let path = file(folder.path(), "b.toml", &text);
    let (ok, _, err) = run(&["config", "check", "--config", &path], &[]);
    assert!(!ok);
    for expected in [
        format!("paths.data: {pem} is not a folder"),
        "paths.allowed_input_directories: /nowhere/in: ".to_owned(),
        format!("paths.allowed_input_directories: {pem} is not a folder"),
        "paths.allowed_output_directories: /nowhere/out: ".to_owned(),
        format!("server.tls_certificate: {pem} has no block -----BEGIN ...CERTIFICATE-----"),
        "server.tls_key: cannot read /nowhere/key: ".to_owned(),
    ] {
        assert!(err.contains(&expected), "{expected} in {err}");
    }
}

/// A certificate for localhost with its key, as files.
fn certificate(folder: &Path, name: &str) -> (String, String) {
    let key = rcgen::KeyPair::generate().unwrap();
    let certificate = rcgen::CertificateParams::new(vec!["localhost".to_owned()]).unwrap().self_signed(&key).unwrap();
    let (pem, key) = (certificate.pem(), key.serialize_pem());
    (file(folder, &format!("{name}.pem"), &pem), file(folder, &format!("{name}.key"), &key))
}

#[test]
fn a_check_knows_whether_certificate_and_key_match_and_who_may_read_the_key() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    let ((pem, key), (_, other)) = (certificate(folder.path(), "a"), certificate(folder.path(), "b"));
    let check = |key: &str, mode| {
        fs::set_permissions(key, fs::Permissions::from_mode(mode)).unwrap();
        let variables = [("FACECLIQUE_SERVER_TLS_CERTIFICATE", pem.as_str()), ("FACECLIQUE_SERVER_TLS_KEY", key)];
        run(&["config", "check"], &variables)
    };
    let (ok, out, err) = check(&key, 0o600);
    assert!(ok && out.starts_with("ok\n") && out.contains("ACI: 127.0.0.1:14000, TLS"), "{out}{err}");
    let (ok, out, _) = check(&key, 0o644);
    assert!(ok && out.starts_with("warning: server.tls_key: every user of this machine may read "), "{out}");
    let (ok, _, err) = check(&other, 0o600);
    assert!(!ok && err.contains(&format!("TLS: the certificate {pem} cannot be used with the key {other}")), "{err}");
}

#[test]
fn a_print_shows_flags_over_variables_over_the_file_and_no_secret() {
    let folder = tempfile::tempdir().unwrap();
    let text = format!(
        "[jobs]\nmax_queue_size = 7\nmax_attempts = 7\nmax_job_memory = 7\n[security]\nbearer_token = '{TOKEN}'"
    );
    let path = file(folder.path(), "a.toml", &text);
    let variables = [("FACECLIQUE_JOBS_MAX_ATTEMPTS", "8"), ("FACECLIQUE_JOBS_MAX_JOB_MEMORY", "8KiB")];
    let (ok, out, err) = run(&["config", "print", "--config", &path, "--memory", "9MiB"], &variables);
    assert!(ok && err.is_empty(), "{err}");
    for line in [
        &format!("max_queue_size = 7 # {path}:2"),
        "max_attempts = 8 # environment FACECLIQUE_JOBS_MAX_ATTEMPTS",
        "max_job_memory = 9437184 # flag --memory",
        &format!("# bearer_token = \"********\" # {path}:6"),
    ] {
        assert!(out.lines().any(|found| found == line), "{line} in {out}");
    }
    assert!(!out.contains(TOKEN));

    let again = file(folder.path(), "again.toml", &out);
    let (ok, out, err) = run(&["config", "print", "--json", "--config", &again], &[]);
    assert!(ok, "{err}");
    let json: serde_json::Value = serde_json::from_str(&out).unwrap();
    let memory = json["settings"].as_array().unwrap().iter().find(|one| one["name"] == "jobs.max_job_memory").unwrap();
    assert_eq!(memory["value"], 9_437_184);

    let (ok, out, _) = run(&["config", "print", "--defaults"], &[("FACECLIQUE_JOBS_MAX_ATTEMPTS", "nonsense")]);
    assert!(ok);
    assert_eq!(out, include_str!("../fixtures/faceclique.toml"));
}

#[test]
fn the_help_has_every_setting() {
    let (ok, out, _) = run(&["config", "print", "--help"], &[]);
    assert!(ok && out.contains("FACECLIQUE_SERVER_TLS_CLIENT_AUTH"), "{out}");
    assert!(out.contains("[Server] MaxInputString in a media server's file"));
}

#[test]
fn a_server_takes_its_settings_from_a_media_servers_file_and_says_what_it_ignores() {
    let folder = tempfile::tempdir().unwrap();
    let path = file(folder.path(), "mediaserver.cfg", "[Server]\nMaxInputString=10\n[Channels]\nVisualChannels=1\n");
    let server = Server::start_with(folder.path(), &["--config", &path]);
    let answer = server.get("/action=CreateFaceDatabase&database=elevenchars");
    assert!(answer.contains("<response>ERROR</response>") && answer.contains("MaxInputString"), "{answer}");
    assert!(server.terminate().success());
    let refused = program(&["serve", "--config", &file(folder.path(), "b.cfg", "[Server]\nPort=x")]).output().unwrap();
    assert!(!refused.status.success());
    assert!(String::from_utf8(refused.stderr).unwrap().contains("[Server] Port is 'x'"));
}
