//! TLS over real sockets, with certificates made for each test.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use faceclique::http::{ClientAuth, Settings, Tls};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use tempfile::TempDir;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use crate::raw::Raw;
use crate::server::{PATIENCE, Server};

/// Short enough to be waited for, and long enough for a handshake on a busy machine.
const SHORT: Duration = Duration::from_secs(3);

/// A folder with a certificate of the server, and a client CA with a client.
struct Files(TempDir);

impl Files {
    fn new() -> Self {
        let files = Self(tempfile::tempdir().unwrap());
        let ca = issuer("client CA");
        fs::write(files.path("ca"), ca.pem()).unwrap();
        files.issue(&issuer("server CA"), "server", "localhost", Some("server-ca"));
        files.issue(&ca, "client", "Zoë & Co", None);
        files.issue(&issuer("another CA"), "stranger", "Zoë & Co", None);
        files
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.0.path().join(name)
    }

    /// Writes a certificate for `common_name` with its key, and its issuer's where that is named.
    fn issue(&self, issuer: &CertifiedIssuer<'_, KeyPair>, file: &str, common_name: &str, issuer_file: Option<&str>) {
        let dns_names = if file == "server" { vec!["localhost".to_owned()] } else { Vec::new() };
        let mut parameters = CertificateParams::new(dns_names).unwrap();
        parameters.distinguished_name.push(DnType::CommonName, common_name);
        let key = KeyPair::generate().unwrap();
        let certificate = parameters.signed_by(&key, issuer).unwrap();
        fs::write(self.path(file), certificate.pem()).unwrap();
        fs::write(self.path(&format!("{file}.key")), key.serialize_pem()).unwrap();
        if let Some(file) = issuer_file {
            fs::write(self.path(file), issuer.pem()).unwrap();
        }
    }

    fn server(&self, auth: ClientAuth) -> Server {
        self.server_with(auth, |_| ())
    }

    fn server_with(&self, auth: ClientAuth, change: impl FnOnce(&mut Settings)) -> Server {
        let ca = (auth != ClientAuth::None).then(|| self.path("ca"));
        let tls = Tls::from_files(&self.path("server"), &self.path("server.key"), ca.as_deref(), auth).unwrap();
        Server::start(|settings| {
            settings.tls = Some(tls);
            change(settings);
        })
    }

    /// A client of the server, with the certificate of that name.
    fn connect(&self, server: &Server, certificate: Option<&str>) -> Raw {
        let config = client(&self.path("server-ca"), certificate.map(|name| self.path(name)).as_deref());
        Raw::connect_through(server.address, |socket| {
            let name = ServerName::try_from("localhost").unwrap();
            Box::new(StreamOwned::new(ClientConnection::new(Arc::new(config), name).unwrap(), socket))
        })
    }
}

fn issuer(name: &str) -> CertifiedIssuer<'static, KeyPair> {
    let mut parameters = CertificateParams::default();
    parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    parameters.distinguished_name.push(DnType::CommonName, name);
    CertifiedIssuer::self_signed(parameters, KeyPair::generate().unwrap()).unwrap()
}

fn client(server_ca: &Path, certificate: Option<&Path>) -> ClientConfig {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(server_ca).unwrap()).unwrap();
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
    let builder = builder.with_safe_default_protocol_versions().unwrap().with_root_certificates(roots);
    match certificate {
        None => builder.with_no_client_auth(),
        Some(path) => {
            let key = PrivateKeyDer::from_pem_file(path.with_extension("key")).unwrap();
            builder.with_client_auth_cert(vec![CertificateDer::from_pem_file(path).unwrap()], key).unwrap()
        }
    }
}

const CLIENT: &str = "GET /a=client HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer t\r\n\r\n";

/// Whether the server closes without an answer.
fn is_refused(mut client: Raw) -> bool {
    client.try_send(CLIENT.as_bytes());
    client.try_rest().is_none_or(|bytes| bytes.is_empty())
}

#[test]
fn requests_are_answered_through_tls_one_after_the_other() {
    let files = Files::new();
    let server = files.server(ClientAuth::None);
    let mut client = files.connect(&server, None);
    assert_eq!(client.send(CLIENT).answer().echo(), ["t", "-"]);
    let body = format!("x={}", "y".repeat(60_000));
    assert_eq!(client.post("/a=q", "text/plain", &body).echo(), [body]);
    let long = client.get("/a=stream&bytes=20000000");
    assert_eq!((long.header("transfer-encoding"), long.body.len()), (Some("chunked"), 20_000_000));
    let own = "GET /a=q&x=1 HTTP/1.1\r\nHost: localhost\r\nOrigin: https://localhost\r\n\r\n";
    assert_eq!(client.send(own).answer().echo(), ["x=1"], "R161");
    let last = client.send("GET /a=q&x=2 HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").answer();
    assert_eq!(last.echo(), ["x=2"]);
    client.expect_end(); // with TLS's own last word, or rustls would say that the end is missing
}

#[test]
fn a_client_certificate_that_is_required_is_verified_and_its_name_reaches_the_service() {
    let files = Files::new();
    let server = files.server(ClientAuth::Required);
    assert_eq!(files.connect(&server, Some("client")).send(CLIENT).answer().echo(), ["t", "Zoë &amp; Co"]);
    assert!(is_refused(files.connect(&server, None)), "none is shown");
    assert!(is_refused(files.connect(&server, Some("stranger"))), "one of another CA");
    assert_eq!(files.connect(&server, Some("client")).send(CLIENT).answer().status, 200);
}

#[test]
fn a_client_certificate_that_is_optional_is_verified_if_it_is_there() {
    let files = Files::new();
    let server = files.server(ClientAuth::Optional);
    assert_eq!(files.connect(&server, Some("client")).send(CLIENT).answer().echo()[1], "Zoë &amp; Co");
    assert_eq!(files.connect(&server, None).send(CLIENT).answer().echo()[1], "-");
    assert!(is_refused(files.connect(&server, Some("stranger"))));
}

#[test]
fn a_client_without_tls_or_without_a_handshake_is_closed_and_others_go_on() {
    let files = Files::new();
    let server = files.server_with(ClientAuth::None, |settings| settings.handshake_timeout = SHORT);
    let mut plain = server.connect();
    plain.send("GET /a=q HTTP/1.1\r\nHost: localhost\r\n\r\n");
    let said = plain.try_rest().unwrap_or_default();
    assert!(!said.starts_with(b"HTTP"), "{}", String::from_utf8_lossy(&said));
    let mut silent = TcpStream::connect(server.address).unwrap();
    silent.set_read_timeout(Some(PATIENCE)).unwrap();
    silent.write_all(&[22, 3, 1]).unwrap(); // TLS begins so
    let mut said = Vec::new();
    let _ = silent.read_to_end(&mut said); // ends with the time for handshakes, by whatever word
    assert_eq!(files.connect(&server, None).get("/a=q&x=1").echo(), ["x=1"]);
}

#[test]
fn shutdown_with_open_tls_connections_finishes_what_is_in_flight() {
    let files = Files::new();
    let mut server = files.server_with(ClientAuth::None, |settings| settings.handshake_timeout = SHORT);
    let (events, gate) = (server.service.events(), server.service.gate());
    let mut idle = files.connect(&server, None);
    assert_eq!(idle.get("/a=q&x=1").echo(), ["x=1"]);
    let _unshaken = TcpStream::connect(server.address).unwrap();
    let mut busy = files.connect(&server, None);
    busy.send("GET /a=wait&x=2 HTTP/1.1\r\nHost: localhost\r\n\r\n");
    events.recv_timeout(PATIENCE).unwrap();
    server.stop();
    idle.expect_end();
    gate.send(()).unwrap();
    assert_eq!(busy.answer().echo(), ["x=2"]);
    busy.expect_end();
    server.join();
}

#[test]
fn r157_a_client_that_does_not_read_through_tls_is_disconnected() {
    let files = Files::new();
    let tls = Tls::from_files(&files.path("server"), &files.path("server.key"), None, ClientAuth::None).unwrap();
    let server = Server::start(|settings| {
        settings.tls = Some(tls);
        settings.answer_timeout = Duration::from_millis(300);
    });
    let events = server.service.events();
    let mut client = files.connect(&server, None);
    client.send("GET /a=stream&bytes=1000000000 HTTP/1.1\r\nHost: localhost\r\n\r\n").head();
    let last =
        std::iter::from_fn(|| events.recv_timeout(PATIENCE).ok()).find(|event| event.starts_with("write failed"));
    assert_eq!(last.as_deref(), Some("write failed: BrokenPipe"));
}

#[test]
fn the_command_line_trusts_the_authority_it_is_given_and_no_other() {
    let files = Files::new();
    let server = files.server(ClientAuth::None);
    let url = format!("https://localhost:{}", server.address.port());
    let list = |ca: &str| {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_faceclique"));
        command.args(["queue", "list", "Q", "--json", "--server", &url, "--ca-file"]).arg(files.path(ca));
        command.output().unwrap()
    };
    let trusted = list("server-ca");
    let (out, err) = (String::from_utf8_lossy(&trusted.stdout), String::from_utf8_lossy(&trusted.stderr));
    assert!(trusted.status.success() && out.contains("queuename=Q"), "{out}{err}");
    let distrusted = list("ca");
    let err = String::from_utf8_lossy(&distrusted.stderr);
    assert_eq!(distrusted.status.code(), Some(2), "{err}");
    assert!(err.contains("cannot reach") && err.contains("certificate"), "{err}");
}
