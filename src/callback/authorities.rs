//! Whom to trust for https, as a file of certificates says: those who are told over HTTP and those who ask.

use ureq::tls::{PemItem, RootCerts};

/// The authorities of a file in PEM form, which must hold a certificate.
pub(crate) fn roots_in(pem: &[u8]) -> Result<RootCerts, String> {
    let mut certificates = Vec::new();
    for item in ureq::tls::parse_pem(pem) {
        if let PemItem::Certificate(certificate) = item.map_err(|error| error.to_string())? {
            certificates.push(certificate);
        }
    }
    if certificates.is_empty() {
        return Err("it holds no certificate in PEM form".to_owned());
    }
    Ok(RootCerts::new_with_certs(&certificates))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_without_certificates_is_refused() {
        assert!(roots_in(b"no certificate").unwrap_err().contains("no certificate"));
        assert!(roots_in(b"-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n").is_err());
    }
}
