//! What keeps a foreign page from acting through the browser of somebody who may, and a foreign text from becoming part
//! of the page.
//!
//! **Promises.** A form is taken only with what this process gave to this browser: a cookie that no other site makes a
//! browser send, and in the form a value that only this process can make of it. This comes on top of the rules for
//! Host, Origin and Sec-Fetch-Site, which every request is judged by (contract R161).
//!
//! **Why no session.** The value is a keyed hash of the cookie, so that nothing is remembered; after a restart the key is
//! another one, and forms of before are refused.

use std::fmt;

use blake3::{Hash, keyed_hash};

use crate::http::origin::Scheme;

/// Headers of every answer.
pub(super) const HEADERS: [(&str, &str); 5] = [
    (
        "content-security-policy",
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
         form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    ),
    // no other site is told a referrer; with `no-referrer` a browser would hide the origin of our own forms from us, too
    ("referrer-policy", "same-origin"),
    ("x-frame-options", "DENY"),
    ("cross-origin-opener-policy", "same-origin"),
    ("cross-origin-resource-policy", "same-origin"),
];

const COOKIE: &str = "faceclique-review";

/// The key of this process.
pub(crate) struct Guard {
    /// None if the system had no random numbers; then no form is taken.
    key: Option<[u8; 32]>,
    scheme: Scheme,
}

impl fmt::Debug for Guard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Guard").finish_non_exhaustive()
    }
}

/// What a browser has to show to be taken for the one that was given the page.
#[derive(Debug)]
pub(super) struct Visit {
    /// The value in its forms; none if no form will be taken.
    value: Option<Hash>,
    /// The cookie to be set, if it has none yet.
    pub(super) cookie: Option<String>,
}

impl Guard {
    pub(crate) fn new(scheme: Scheme) -> Self {
        let mut key = [0; 32];
        let key = getrandom::fill(&mut key).is_ok().then_some(key);
        if key.is_none() {
            tracing::warn!("the system has no random numbers: nothing can be changed on the review page");
        }
        Self { key, scheme }
    }

    /// The visit that goes with the cookies of a request; a new one if there is none among them.
    pub(super) fn visit(&self, cookies: Option<&str>) -> Visit {
        let Some(key) = &self.key else { return Visit { value: None, cookie: None } };
        let shown = cookies.into_iter().flat_map(|cookies| cookies.split(';')).find_map(|cookie| {
            let (name, value) = cookie.trim().split_once('=')?;
            (name == COOKIE && value.len() == 32 && value.bytes().all(|byte| byte.is_ascii_hexdigit()))
                .then(|| value.to_owned())
        });
        if let Some(shown) = shown {
            return Visit { value: Some(keyed_hash(key, shown.as_bytes())), cookie: None };
        }
        let mut random = [0; 16];
        if getrandom::fill(&mut random).is_err() {
            return Visit { value: None, cookie: None };
        }
        let new = format!("{:032x}", u128::from_be_bytes(random));
        let secure = if self.scheme == Scheme::Https { "; Secure" } else { "" };
        Visit {
            value: Some(keyed_hash(key, new.as_bytes())),
            cookie: Some(format!("{COOKIE}={new}; Path=/review; HttpOnly; SameSite=Strict{secure}")),
        }
    }
}

impl Visit {
    /// What its forms carry.
    pub(super) fn value(&self) -> String {
        self.value.map_or_else(String::new, |value| value.to_hex().to_string())
    }

    /// Whether a form that carries this is its own; compared in constant time. A visit that begins with the form is
    /// nobody's.
    pub(super) fn knows(&self, given: &str) -> bool {
        let given = Hash::from_hex(given).ok();
        self.cookie.is_none() && given.is_some() && self.value == given
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name_and_value(cookie: &str) -> String {
        cookie.split(';').next().unwrap().to_owned()
    }

    #[test]
    fn a_form_is_known_only_with_the_cookie_it_was_given_with() {
        let guard = Guard::new(Scheme::Http);
        let first = guard.visit(None);
        let cookie = first.cookie.clone().unwrap();
        assert!(cookie.contains("HttpOnly") && cookie.contains("SameSite=Strict") && !cookie.contains("Secure"));
        assert!(!first.knows(&first.value()), "a visit that begins with the form");
        let again = guard.visit(Some(&format!("other=1; {}", name_and_value(&cookie))));
        assert!(again.cookie.is_none() && again.knows(&first.value()));
        for wrong in ["", "x", &"0".repeat(64), &guard.visit(None).value()] {
            assert!(!again.knows(wrong), "{wrong}");
        }
        let restarted = Guard::new(Scheme::Https);
        assert!(!restarted.visit(Some(&name_and_value(&cookie))).knows(&first.value()));
        assert!(restarted.visit(None).cookie.unwrap().ends_with("; Secure"));
        for odd in ["faceclique-review=", "faceclique-review=<script>", "faceclique-review", ";;="] {
            assert!(guard.visit(Some(odd)).cookie.is_some(), "{odd}");
        }
    }
}
