//! A secret that is compared or signed with, and never shown.

use std::fmt;

use subtle::ConstantTimeEq as _;
use thiserror::Error;

/// The least length of a secret, in bytes.
pub const MIN_SECRET: usize = 16;

/// The greatest, so that it fits into a header.
const MAX_SECRET: usize = 4_096;

/// A bearer token, or the key of a signature. Neither `Debug` nor `Display` shows it, nor its length.
#[derive(Clone)]
pub struct Secret(String);

/// Why a text cannot be a secret; it is not in the message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum SecretError {
    /// It is too easy to guess, or does not fit into a header.
    #[error("it has {0} characters; a token has from {MIN_SECRET} to {MAX_SECRET}")]
    Length(usize),
    /// It could not be sent in a header.
    #[error("it has a blank or a character outside of ASCII in it, which no client could send")]
    Characters,
}

impl Secret {
    /// A secret of this text.
    pub fn new(text: impl Into<String>) -> Result<Self, SecretError> {
        let text = text.into();
        if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(SecretError::Characters);
        }
        if !(MIN_SECRET..=MAX_SECRET).contains(&text.len()) {
            return Err(SecretError::Length(text.len()));
        }
        Ok(Self(text))
    }

    /// Whether it is this text. How long that takes tells nothing but whether the lengths are equal.
    pub fn is(&self, given: &str) -> bool {
        self.0.as_bytes().ct_eq(given.as_bytes()).into()
    }

    /// What is signed with it.
    pub fn key(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

impl PartialEq for Secret {
    fn eq(&self, other: &Self) -> bool {
        self.is(&other.0)
    }
}

impl Eq for Secret {}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("********")
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("********")
    }
}

/// The token of an `Authorization` header's value, if its scheme is Bearer (RFC 6750, any letter case).
pub fn bearer(header: &str) -> Option<&str> {
    let (scheme, token) = header.trim().split_once(' ')?;
    scheme.eq_ignore_ascii_case("Bearer").then(|| token.trim())
}
