//! The signature of a delivery, by which a receiver knows that it comes from here and is not an old one sent again.
//!
//! HMAC (RFC 2104) with SHA-256 over the timestamp, a full stop, and the body, in hexadecimal behind `sha256=`.

use std::fmt::Write as _;

use hmac::{Hmac, Mac as _};
use sha2::Sha256;

use crate::aci::access::Secret;

/// The value of the header.
pub(super) fn of(secret: &Secret, timestamp: &str, body: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.key()).expect("HMAC takes keys of any length");
    for part in [timestamp, ".", body] {
        mac.update(part.as_bytes());
    }
    mac.finalize().into_bytes().iter().fold("sha256=".to_owned(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}"); // writing to a String cannot fail
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_is_that_of_another_implementation() {
        // printf '1700000000.{"a":1}' | openssl dgst -sha256 -hmac 'sixteen-or-more.'
        let secret = Secret::new("sixteen-or-more.").unwrap();
        assert_eq!(
            of(&secret, "1700000000", r#"{"a":1}"#),
            "sha256=35ad28b7fd2e1b2f339917ed51c451927853283a6a97dd84be6da98c12c3a9c7"
        );
    }
}
