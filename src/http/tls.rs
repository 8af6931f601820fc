//! TLS: certificate and key from files, clients that show a certificate of their own.
//!
//! **Promises.** What cannot be used is found when the files are read, with an error that names file and reason. An
//! identity is given only for a certificate that was verified against the client CA. Neither key nor certificate is
//! ever printed.
//!
//! **Not here.** Handshakes and their time limit: `connection`.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use thiserror::Error;
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::{self, PemObject};
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::danger::ClientCertVerifier;
use tokio_rustls::rustls::server::{NoClientAuth, WebPkiClientVerifier};
use tokio_rustls::rustls::{self, InvalidMessage, RootCertStore, ServerConfig};
use tokio_rustls::server::TlsStream;
use webpki::EndEntityCert;

/// Whether clients show a certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ClientAuth {
    /// They are not asked for one.
    #[default]
    None,
    /// They may; one that is shown must be right.
    Optional,
    /// They must.
    Required,
}

/// Why TLS cannot be had.
#[derive(Debug, Error)]
pub enum TlsError {
    /// A file cannot be read.
    #[error("cannot read {path}: {source}")]
    Unreadable {
        /// Its path.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// A file does not hold what it should.
    #[error("{path} holds no {what} in PEM that can be read: {reason}")]
    Content {
        /// Its path.
        path: PathBuf,
        /// What was looked for.
        what: &'static str,
        /// Why it was not found.
        reason: String,
    },
    /// Certificate and key are readable, but of no use together.
    #[error("the certificate {certificate} cannot be used with the key {key}: {reason}")]
    Pair {
        /// The path of the certificate.
        certificate: PathBuf,
        /// The path of the key.
        key: PathBuf,
        /// Why.
        reason: String,
    },
    /// Clients cannot be verified with the certificates of this file.
    #[error("{path} cannot be used to verify clients: {reason}")]
    ClientCa {
        /// Its path.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// Client certificates are asked for, and nothing is there to verify them.
    #[error("client certificates are asked for, but no client CA is given to verify them")]
    NoClientCa,
    /// A client CA is given and would not be used.
    #[error("the client CA {path} is given, but client certificates are not asked for")]
    UnusedClientCa {
        /// Its path.
        path: PathBuf,
    },
}

/// A server's side of TLS, ready to be used.
#[derive(Clone)]
pub struct Tls {
    acceptor: TlsAcceptor,
    client_auth: ClientAuth,
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls").field("client_auth", &self.client_auth).finish_non_exhaustive()
    }
}

impl Tls {
    /// TLS 1.2 and 1.3 with the chain in `certificate` (the server's own first) and the private key in `key`, both in
    /// PEM. Clients are verified against the certificates in `client_ca`, which is needed unless `client_auth` is none.
    pub fn from_files(
        certificate: &Path,
        key: &Path,
        client_ca: Option<&Path>,
        client_auth: ClientAuth,
    ) -> Result<Self, TlsError> {
        let chain = certificates(certificate)?;
        let private = PrivateKeyDer::from_pem_file(key)
            .map_err(|error| unusable(key, "private key that is not encrypted", error))?;
        let verifier = match (client_auth, client_ca) {
            (ClientAuth::None, None) => Arc::new(NoClientAuth),
            (ClientAuth::None, Some(path)) => return Err(TlsError::UnusedClientCa { path: path.to_owned() }),
            (_, None) => return Err(TlsError::NoClientCa),
            (_, Some(path)) => verifier(path, client_auth)?,
        };
        let refuse = |error: rustls::Error| TlsError::Pair {
            certificate: certificate.to_owned(),
            key: key.to_owned(),
            reason: error.to_string(),
        };
        let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(refuse)?
            .with_client_cert_verifier(verifier)
            .with_single_cert(chain, private)
            .map_err(refuse)?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self { acceptor: TlsAcceptor::from(Arc::new(config)), client_auth })
    }

    /// Whether clients show a certificate.
    pub fn client_auth(&self) -> ClientAuth {
        self.client_auth
    }

    /// Takes up TLS with a client.
    pub(crate) async fn accept(&self, stream: TcpStream) -> io::Result<TlsStream<TcpStream>> {
        self.acceptor.accept(stream).await
    }
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    const WHAT: &str = "certificate";
    let found: Result<Vec<_>, _> = CertificateDer::pem_file_iter(path).and_then(Iterator::collect);
    match found {
        Ok(list) if list.is_empty() => Err(unusable(path, WHAT, pem::Error::NoItemsFound)),
        found => found.map_err(|error| unusable(path, WHAT, error)),
    }
}

fn unusable(path: &Path, what: &'static str, error: pem::Error) -> TlsError {
    let path = path.to_owned();
    match error {
        pem::Error::Io(source) => TlsError::Unreadable { path, source },
        pem::Error::NoItemsFound => TlsError::Content { path, what, reason: "there is none in it".to_owned() },
        error => TlsError::Content { path, what, reason: error.to_string() },
    }
}

fn verifier(path: &Path, client_auth: ClientAuth) -> Result<Arc<dyn ClientCertVerifier>, TlsError> {
    let refuse = |reason: String| TlsError::ClientCa { path: path.to_owned(), reason };
    let mut roots = RootCertStore::empty();
    for certificate in certificates(path)? {
        roots.add(certificate).map_err(|error| refuse(error.to_string()))?;
    }
    let provider = Arc::new(ring::default_provider());
    let builder = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
    let builder = if client_auth == ClientAuth::Optional { builder.allow_unauthenticated() } else { builder };
    builder.build().map_err(|error| refuse(error.to_string()))
}

/// Whom the verified certificate of a client names.
pub(crate) fn identity(stream: &TlsStream<TcpStream>) -> Option<String> {
    let (_, session) = stream.get_ref();
    name(session.peer_certificates()?.first()?)
}

/// The first DNS name, else the one common name of the subject: a certificate with DNS names is known by them (RFC 6125
/// section 6.4.4).
fn name(certificate: &CertificateDer<'_>) -> Option<String> {
    let certificate = EndEntityCert::try_from(certificate).ok()?;
    certificate.valid_dns_names().next().map(str::to_owned).or_else(|| common_name(certificate.subject()))
}

/// Whether a handshake has failed because what came was not TLS at all.
pub(crate) fn is_not_tls(error: &io::Error) -> bool {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    matches!(inner, Some(rustls::Error::InvalidMessage(InvalidMessage::InvalidContentType)))
}

/// The object identifier 2.5.4.3 in DER.
const COMMON_NAME: &[u8] = &[0x55, 0x04, 0x03];

/// The common name in the content of a distinguished name (X.501, RFC 5280 section 4.1.2.4): `SET OF SEQUENCE { type,
/// value }`, once for each part. None if there are several, which would be a matter of taste; none if it has characters
/// that do not belong into a name.
fn common_name(mut name: &[u8]) -> Option<String> {
    let mut found = None;
    while !name.is_empty() {
        let mut set = element(&mut name, 0x31)?;
        while !set.is_empty() {
            let mut attribute = element(&mut set, 0x30)?;
            if element(&mut attribute, 0x06)? != COMMON_NAME {
                continue;
            }
            let (tag, value) = any_element(&mut attribute)?;
            let text = match tag {
                0x0C | 0x13 | 0x16 => str::from_utf8(value).ok()?.to_owned(), // UTF-8, printable, IA5
                0x1E => {
                    let units = value.chunks_exact(2).map(|two| u16::from_be_bytes([two[0], two[1]])); // BMP
                    char::decode_utf16(units).collect::<Result<_, _>>().ok()?
                }
                _ => return None,
            };
            if found.replace(text).is_some() {
                return None;
            }
        }
    }
    found.filter(|text| !text.is_empty() && !text.chars().any(char::is_control))
}

/// The content of the next element, which must have this tag.
fn element<'d>(der: &mut &'d [u8], tag: u8) -> Option<&'d [u8]> {
    any_element(der).filter(|&(found, _)| found == tag).map(|(_, content)| content)
}

/// The tag and content of the next element; lengths up to 65,535.
fn any_element<'d>(der: &mut &'d [u8]) -> Option<(u8, &'d [u8])> {
    let (&tag, rest) = der.split_first()?;
    let (&first, rest) = rest.split_first()?;
    let (length, rest) = match first {
        0..=0x7F => (usize::from(first), rest),
        0x81 => (usize::from(*rest.first()?), &rest[1..]),
        0x82 => (usize::from(u16::from_be_bytes([*rest.first()?, *rest.get(1)?])), &rest[2..]),
        _ => return None,
    };
    let (content, rest) = rest.split_at_checked(length)?;
    *der = rest;
    Some((tag, content))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use proptest::prelude::*;
    use rcgen::{CertificateParams, DnType, KeyPair};

    use super::*;

    /// A certificate made of a common name and DNS names, with its key.
    fn certificate(common_names: &[&str], dns_names: &[&str]) -> (rcgen::Certificate, KeyPair) {
        let names: Vec<String> = dns_names.iter().map(|&name| name.to_owned()).collect();
        let mut parameters = CertificateParams::new(names).unwrap();
        parameters.distinguished_name = rcgen::DistinguishedName::new();
        parameters.distinguished_name.push(DnType::OrganizationName, "Faces, Inc.");
        for name in common_names {
            parameters.distinguished_name.push(DnType::CommonName, *name);
        }
        let key = KeyPair::generate().unwrap();
        (parameters.self_signed(&key).unwrap(), key)
    }

    #[test]
    fn a_certificate_names_its_first_dns_name_else_its_common_name() {
        let named = |common_names: &[&str], dns_names: &[&str]| name(certificate(common_names, dns_names).0.der());
        assert_eq!(named(&["Zoë & Co"], &["a.example"]).unwrap(), "a.example");
        assert_eq!(named(&["Zoë & Co"], &[]).unwrap(), "Zoë & Co");
        assert_eq!(named(&[&"x".repeat(300)], &[]).unwrap().len(), 300);
        assert_eq!(named(&[], &["b.example", "a.example"]).unwrap(), "b.example");
        assert_eq!(named(&["line\nbreak"], &["a.example"]).unwrap(), "a.example");
        assert_eq!(named(&[], &[]), None);
    }

    #[test]
    fn a_common_name_is_read_in_each_of_its_encodings_and_only_if_it_is_one() {
        let attribute = |tag: u8, value: &[u8]| {
            let inner = [&[0x06, 3, 0x55, 4, 3, tag, value.len() as u8][..], value].concat();
            [&[0x31, inner.len() as u8 + 2, 0x30, inner.len() as u8][..], &inner].concat()
        };
        assert_eq!(common_name(&attribute(0x13, b"printable")).unwrap(), "printable");
        assert_eq!(common_name(&attribute(0x1E, &[0, b'b', 0, 0xEB])).unwrap(), "bë");
        assert_eq!(common_name(&attribute(0x0C, b"\xFF")), None);
        assert_eq!(common_name(&attribute(0x0C, b"")), None);
        assert_eq!(common_name(&[attribute(0x0C, b"a"), attribute(0x0C, b"b")].concat()), None);
        assert_eq!(common_name(&attribute(0x0C, b"abc")[..9]), None);
    }

    proptest! {
        #[test]
        fn no_bytes_make_the_reader_of_names_panic(bytes in prop::collection::vec(
            prop::sample::select(vec![0x31, 0x30, 0x06, 0x0C, 3, 0x55, 4, 0, 0x81, 0x82, 0xFF, 9]), 0..40)) {
            let _ = common_name(&bytes);
        }
    }

    #[test]
    fn what_cannot_be_used_is_named_with_its_file_and_the_reason() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let (mine, key) = certificate(&["server"], &["localhost"]);
        let (_, other_key) = certificate(&["other"], &[]);
        fs::write(path("cert"), mine.pem()).unwrap();
        fs::write(path("key"), key.serialize_pem()).unwrap();
        fs::write(path("other"), other_key.serialize_pem()).unwrap();
        fs::write(path("text"), "no PEM").unwrap();
        fs::write(path("cut"), &mine.pem()[..100]).unwrap();
        let said = |certificate: &str, key: &str, ca: Option<&str>, auth: ClientAuth| {
            let ca = ca.map(path);
            let made = Tls::from_files(&path(certificate), &path(key), ca.as_deref(), auth);
            made.map(|_| ()).map_err(|error| error.to_string().replace(&path("").display().to_string(), ""))
        };
        let none = ClientAuth::None;
        assert_eq!(said("cert", "key", None, none), Ok(()));
        assert_eq!(said("cert", "key", Some("cert"), ClientAuth::Required), Ok(()));
        let refused = |wanted: &str, said: Result<(), String>| {
            let said = said.unwrap_err();
            assert!(said.contains(wanted), "{said:?} is not about {wanted:?}");
        };
        refused("cannot read gone: No such file", said("gone", "key", None, none));
        refused(
            "text holds no certificate in PEM that can be read: there is none in it",
            said("text", "key", None, none),
        );
        refused("cut holds no certificate in PEM", said("cut", "key", None, none));
        refused("cert holds no private key that is not encrypted in PEM", said("cert", "cert", None, none));
        refused("the certificate cert cannot be used with the key other: ", said("cert", "other", None, none));
        refused("text holds no certificate", said("cert", "key", Some("text"), ClientAuth::Optional));
        refused("no client CA is given", said("cert", "key", None, ClientAuth::Required));
        refused("the client CA cert is given, but", said("cert", "key", Some("cert"), none));
    }
}
