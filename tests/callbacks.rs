//! Callbacks over real sockets: who is told, with what, how often, and who never is.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[path = "support/receiver.rs"]
mod receiver;
#[path = "support/server.rs"]
mod server;

use std::fs;
use std::path::Path;
use std::time::Duration;

use faceclique::aci::access::Secret;
use faceclique::callback::{Callbacks, Places, Settings};
use faceclique::engine::{Delivery, Messenger as _};
use faceclique::job::{Queue, Timestamp, Token};
use hmac::{Hmac, Mac as _};
use receiver::{Away, Letter, Receiver};
use server::Server;
use sha2::Sha256;

const SECRET: &str = "a-secret-that-nobody-guesses";

fn callbacks(allowed: &[&str]) -> Callbacks {
    let allowed: Vec<String> = allowed.iter().map(|&item| item.to_owned()).collect();
    Callbacks::new(Settings {
        places: Places::of(&allowed).unwrap(),
        secret: Some(Secret::new(SECRET).unwrap()),
        timeout: Duration::from_secs(5),
        authorities: None,
    })
    .unwrap()
}

fn delivery(url: String) -> Delivery {
    Delivery {
        id: "0123".to_owned(),
        url,
        token: Token::generate(),
        action: Queue::FaceClustering,
        status: "Finished".to_owned(),
        ended: Timestamp(1_700_000_000_250_000),
    }
}

/// The signature is that of the timestamp, a full stop and the body.
fn assert_signed(letter: &Letter) {
    let mut mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).unwrap();
    mac.update(format!("{}.{}", letter.headers["x-faceclique-timestamp"], letter.body).as_bytes());
    let expected = format!("sha256={:x}", mac.finalize().into_bytes());
    assert_eq!(letter.headers["x-faceclique-signature"], expected);
}

#[test]
fn a_receiver_is_told_what_ended_and_how_under_a_signature() {
    let receiver = Receiver::start();
    let delivery = delivery(receiver.url());
    callbacks(&["127.0.0.1"]).deliver(&delivery).unwrap();
    let letter = receiver.next();
    assert_eq!(letter.line, "POST /told?secret=of-the-receiver HTTP/1.1");
    assert_eq!(letter.headers["content-type"], "application/json");
    assert_eq!(letter.headers["x-faceclique-delivery"], "0123");
    assert!(letter.headers["user-agent"].starts_with("faceclique/"));
    assert_eq!(
        letter.body,
        format!(
            r#"{{"action":"FaceClustering","delivery":"0123","ended":"2023-11-14T22:13:20.25Z","status":"Finished","token":"{}"}}"#,
            delivery.token
        )
    );
    assert_signed(&letter);
}

#[test]
fn only_an_answer_of_success_counts_and_a_redirect_is_not_followed() {
    let (receiver, other) = (Receiver::start(), Receiver::start());
    let callbacks = callbacks(&["127.0.0.0/8"]);
    for (head, why) in [
        ("500 No\r\n".to_owned(), "it answers with the HTTP status 500"),
        ("404 No\r\n".to_owned(), "it answers with the HTTP status 404"),
        (
            format!("307 There\r\nLocation: {}\r\n", other.url()),
            "it answers with the HTTP status 307, and redirects are not followed",
        ),
    ] {
        receiver.answers(&head);
        assert_eq!(callbacks.deliver(&delivery(receiver.url())).unwrap_err(), why);
        receiver.next();
    }
    for head in ["200 OK\r\n", "202 Later\r\n"] {
        receiver.answers(head);
        callbacks.deliver(&delivery(receiver.url())).unwrap();
    }
    assert!(other.is_idle());
}

#[test]
fn a_receiver_that_does_not_answer_costs_no_more_than_the_timeout() {
    let receiver = Receiver::start();
    receiver.answers("");
    let callbacks = Callbacks::new(Settings {
        places: Places::of(&["localhost".to_owned()]).unwrap(),
        secret: None,
        timeout: Duration::from_secs(1),
        authorities: None,
    })
    .unwrap();
    let why = callbacks.deliver(&delivery(receiver.url())).unwrap_err();
    assert_eq!(why, "it did not answer in time (callbacks.timeout)");
    assert!(!receiver.next().headers.contains_key("x-faceclique-signature"), "there is nothing to sign with");
}

#[test]
fn nobody_on_this_machine_or_in_a_private_network_is_told_unless_listed() {
    let receiver = Receiver::start();
    let port = receiver.address.port();
    for callbacks in [callbacks(&[]), callbacks(&["localhost.example", "10.0.0.0/8"])] {
        // written otherwise, or a name: what counts is the address that comes of it
        for host in ["127.0.0.1", "localhost", "2130706433", "0x7f.1", "127.1", "0.0.0.0", "[::ffff:127.0.0.1]"] {
            let why = callbacks.deliver(&delivery(format!("http://{host}:{port}/"))).unwrap_err();
            assert!(
                why.contains("is not public") || why.contains("not known") || why.contains("cannot be used"),
                "{host}: {why}"
            );
        }
        assert!(callbacks.check(&format!("http://127.0.0.1:{port}/")).unwrap_err().contains("is not public"));
    }
    assert!(receiver.is_idle());
}

#[test]
fn what_is_no_url_of_a_receiver_is_refused_at_once() {
    let callbacks = callbacks(&[]);
    let long = format!("http://h.example/{}", "x".repeat(2_048));
    for url in [
        "",
        "h.example",
        "/h",
        "ftp://h.example",
        "file:///etc/passwd",
        "http://",
        "http://user:pass@h.example/",
        "http://h.example/#f",
        "http://h.example/a b",
        "http://h.example:99999/",
        "http://h.example/\r\nX: y",
        &long,
        "http://169.254.169.254/latest",
    ] {
        assert!(callbacks.check(url).is_err(), "{url}");
    }
    for url in ["http://h.example", "HTTPS://h.example:8443/a?b=c", "http://8.8.8.8/"] {
        callbacks.check(url).unwrap();
    }
}

#[test]
fn over_https_only_who_has_a_certificate_of_a_trusted_authority_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let (certificate, key) = (folder.path().join("server.pem"), folder.path().join("server.key"));
    fs::write(&certificate, made.cert.pem()).unwrap();
    fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    let config = folder.path().join("config.toml");
    let text = format!("[server]\ntls_certificate = '{}'\ntls_key = '{}'\n", certificate.display(), key.display());
    fs::write(&config, text).unwrap();
    // a server of ours is a receiver too: it answers, although it does not know what it is told
    let server = Server::start_with(&folder.path().join("data"), &["--config", config.to_str().unwrap()]);
    let tell = |authorities| {
        let places = Places::of(&["localhost".to_owned()]).unwrap();
        let callbacks =
            Callbacks::new(Settings { places, secret: None, timeout: Duration::from_secs(30), authorities });
        callbacks.unwrap().deliver(&delivery(format!("https://localhost:{}/", server.address.port())))
    };
    let trusted = tell(Some(made.cert.pem().into_bytes()));
    assert!(trusted.is_ok() || trusted.as_ref().is_err_and(|why| why.contains("HTTP status")), "{trusted:?}");
    let why = tell(None).unwrap_err();
    assert!(why.to_lowercase().contains("certificate"), "{why}");
    assert!(server.terminate().success());
}

#[test]
fn the_secret_is_in_no_text() {
    assert!(!format!("{:?}", callbacks(&["127.0.0.1"])).contains(SECRET));
}

/// A server that may tell receivers on this machine, trying again after a second.
fn telling(folder: &Path) -> Server {
    let (secret, config) = (folder.join("secret"), folder.join("config.toml"));
    fs::write(&secret, format!("{SECRET}\n")).unwrap();
    let text = format!(
        "[callbacks]\nenabled = true\nallowed_hosts = ['127.0.0.1']\nretry_pause = 1\ntimeout = 120\nsecret_file = '{}'\n",
        secret.display()
    );
    fs::write(&config, text).unwrap();
    Server::start_with(&folder.join("data"), &["--config", config.to_str().unwrap()])
}

/// Submits a clustering whose end is told to this URL; its token.
fn submit(server: &Server, url: &str) -> String {
    let url = url.replace('?', "%3F").replace('=', "%3D");
    let answer = server.get(&format!("/?action=FaceClustering&responseformat=simplejson&callbackurl={url}"));
    let at = answer.find(r#""token":""#).unwrap_or_else(|| panic!("{answer}")) + 9;
    answer[at..].split('"').next().unwrap().to_owned()
}

#[test]
fn the_end_of_a_job_is_told_once_and_again_as_long_as_nobody_takes_it() {
    let folder = tempfile::tempdir().unwrap();
    let receiver = Receiver::start();
    let server = telling(folder.path());
    receiver.answers("500 Not now\r\n");
    let token = submit(&server, &receiver.url());
    let (first, second) = (receiver.next(), receiver.next());
    assert!(first.body.contains(&token) && first.body.contains(r#""status":"Finished""#), "{}", first.body);
    assert_eq!(first.headers["x-faceclique-delivery"], second.headers["x-faceclique-delivery"]);
    assert_eq!(first.body, second.body);
    assert_signed(&first);
    assert_signed(&second);
    let other = submit(&server, &receiver.url());
    let third = receiver.next();
    assert!(third.body.contains(&other), "{} is told once", second.body);
    let config = server.get("/?action=GetConfig");
    let shown = server.get(&format!("/?action=QueueInfo&queuename=FaceClustering&queueaction=getStatus&token={token}"));
    for text in [config, shown, server.said("").join("\n")] {
        assert!(!text.contains(SECRET) && !text.contains("of-the-receiver"), "{text}");
    }
    assert!(server.terminate().success());
    assert!(receiver.is_idle());
}

#[test]
fn a_receiver_that_is_away_at_the_end_of_a_job_is_told_after_a_kill_too() {
    let folder = tempfile::tempdir().unwrap();
    let receiver = Away::new();
    let server = telling(folder.path());
    let token = submit(&server, &format!("http://{}/", receiver.address));
    server.has_said(1, "callback failed");
    server.kill();
    let receiver = receiver.comes();
    let server = telling(folder.path());
    assert!(receiver.next().body.contains(&token));
    assert!(server.terminate().success());
}

#[test]
fn a_server_ends_in_time_while_a_receiver_does_not_answer() {
    let folder = tempfile::tempdir().unwrap();
    let receiver = Receiver::start();
    receiver.answers("");
    let server = telling(folder.path());
    let token = submit(&server, &receiver.url());
    receiver.next();
    assert!(server.terminate().success(), "it waits for no receiver, who has 120 s");
    let server = telling(folder.path());
    assert!(receiver.next().body.contains(&token), "and tells it at the next start");
    assert!(server.terminate().success());
}

#[test]
fn without_the_setting_and_with_a_url_that_may_not_be_told_a_job_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(&folder.path().join("off"));
    let answer = server.get("/?action=FaceClustering&callbackurl=http://h.example/");
    assert!(answer.contains("this server tells nobody of the end of jobs"), "{answer}");
    let telling = telling(folder.path());
    let answer = telling.get("/?action=FaceClustering&callbackurl=http://192.168.0.1/");
    assert!(answer.contains("leads to the address 192.168.0.1, which is not public"), "{answer}");
    let jobs = telling.get("/?action=QueueInfo&queuename=FaceClustering&queueaction=getStatus");
    assert!(!jobs.contains("<token>"), "{jobs}");
    for server in [server, telling] {
        assert!(server.terminate().success());
    }
}
