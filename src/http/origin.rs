//! Requests that a foreign web page makes a browser send (contract R161).
//!
//! **Promises.** A client that sends none of Host, Origin and Sec-Fetch-Site is not affected.
//!
//! **Why Host.** A page can rebind its own name to 127.0.0.1; then the browser takes our answers for the page's own,
//! and only the name in Host tells.

use std::net::{IpAddr, Ipv6Addr};

use hyper::header::{HOST, HeaderMap, ORIGIN};

use crate::aci::Fault;

/// What the addresses of the server begin with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scheme {
    Http,
    Https,
}

impl Scheme {
    fn prefix(self) -> &'static str {
        match self {
            Self::Http => "http://",
            Self::Https => "https://",
        }
    }
}

/// The names and origins that are not foreign.
#[derive(Debug)]
pub(crate) struct Trust {
    scheme: Scheme,
    host_names: Vec<String>,
    origins: Vec<String>,
}

impl Trust {
    pub(crate) fn new(host_names: &[String], origins: &[String], scheme: Scheme) -> Self {
        let lower = |texts: &[String]| texts.iter().map(|text| text.to_ascii_lowercase()).collect();
        Self { scheme, host_names: lower(host_names), origins: lower(origins) }
    }

    /// Error 30 if `authority`, the host named in an absolute request target, or one of the headers is foreign.
    pub(crate) fn check(&self, headers: &HeaderMap, authority: Option<&str>) -> Result<(), Fault> {
        for host in values(headers, HOST.as_str()).chain(authority.map(str::to_owned)) {
            if !self.knows_host(&host) {
                return Err(Fault::foreign("Host", &host));
            }
        }
        let mut trusted = false;
        for origin in values(headers, ORIGIN.as_str()) {
            if !self.knows_origin(&origin, headers) {
                return Err(Fault::foreign("Origin", &origin));
            }
            trusted = true;
        }
        let site = values(headers, "sec-fetch-site")
            .find(|site| ["cross-site", "same-site"].iter().any(|foreign| site.eq_ignore_ascii_case(foreign)));
        match site {
            Some(site) if !trusted => Err(Fault::foreign("Sec-Fetch-Site", &site)),
            _ => Ok(()),
        }
    }

    fn knows_host(&self, host: &str) -> bool {
        let name = without_port(host).to_ascii_lowercase();
        let bracketed = name.strip_prefix('[').and_then(|name| name.strip_suffix(']'));
        name == "localhost"
            || name.parse::<IpAddr>().is_ok()
            || bracketed.is_some_and(|address| address.parse::<Ipv6Addr>().is_ok())
            || self.host_names.contains(&name)
    }

    /// Whether it is configured, or the server itself: the origin of a page loaded from the host that is addressed.
    fn knows_origin(&self, origin: &str, headers: &HeaderMap) -> bool {
        let origin = origin.to_ascii_lowercase();
        if self.origins.contains(&origin) {
            return true;
        }
        let Some(origin_host) = origin.strip_prefix(self.scheme.prefix()) else { return false };
        let mut hosts = values(headers, HOST.as_str());
        hosts.next().is_some_and(|host| host.eq_ignore_ascii_case(origin_host))
    }
}

/// The values of a header as text; one that is not UTF-8 is shown and matches nothing.
fn values<'h>(headers: &'h HeaderMap, name: &str) -> impl Iterator<Item = String> + use<'h> {
    headers.get_all(name).iter().map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned())
}

fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) && !name.ends_with(':') => {
            // A bare IPv6 address has colons of its own.
            if name.contains(':') && !name.ends_with(']') { host } else { name }
        }
        _ => host,
    }
}

#[cfg(test)]
mod tests {
    use hyper::header::{HeaderName, HeaderValue};

    use super::*;

    fn check(headers: &[(&str, &str)]) -> Result<(), Fault> {
        check_over(Scheme::Http, headers)
    }

    fn check_over(scheme: Scheme, headers: &[(&str, &str)]) -> Result<(), Fault> {
        let pair = |&(name, value): &(&str, &str)| {
            (name.parse::<HeaderName>().unwrap(), value.parse::<HeaderValue>().unwrap())
        };
        let headers: HeaderMap = headers.iter().map(pair).collect();
        let (names, origins) = (["Faces.example".to_owned()], ["https://app.example".to_owned()]);
        Trust::new(&names, &origins, scheme).check(&headers, None)
    }

    #[test]
    fn r161_hosts_that_are_addresses_or_known_names_are_served() {
        for host in ["127.0.0.1", "10.0.0.7:14000", "[::1]:14000", "[fe80::1]", "localhost", "LocalHost:14000"] {
            assert_eq!(check(&[("host", host)]), Ok(()), "{host}");
        }
        assert_eq!(check(&[("host", "faces.EXAMPLE:14000")]), Ok(()));
        assert_eq!(check(&[]), Ok(()));
        for host in ["evil.example", "localhost.evil.example", "127.0.0.1.evil.example:80", "", "[x]", "a:b:80"] {
            let fault = check(&[("host", host)]).unwrap_err();
            assert_eq!(fault.code.number(), 30);
            assert_eq!(fault.description, format!("requests with 'Host: {host}' are not served here"));
        }
        assert!(check(&[("host", "localhost"), ("host", "evil.example")]).is_err());
        assert!(Trust::new(&[], &[], Scheme::Http).check(&HeaderMap::new(), Some("evil.example")).is_err());
    }

    #[test]
    fn r161_an_origin_is_the_server_itself_or_configured() {
        let host = ("host", "localhost:14000");
        assert_eq!(check(&[host, ("origin", "http://localhost:14000")]), Ok(()));
        assert_eq!(check(&[host, ("origin", "https://APP.example")]), Ok(()));
        for origin in ["http://localhost:14001", "https://localhost:14000", "null", "http://evil.example", ""] {
            assert_eq!(check(&[host, ("origin", origin)]).unwrap_err().code.number(), 30, "{origin}");
        }
    }

    #[test]
    fn r161_with_tls_the_server_itself_is_https() {
        let host = ("host", "localhost:14000");
        assert_eq!(check_over(Scheme::Https, &[host, ("origin", "https://localhost:14000")]), Ok(()));
        assert!(check_over(Scheme::Https, &[host, ("origin", "http://localhost:14000")]).is_err());
    }

    #[test]
    fn r161_a_cross_site_fetch_needs_a_known_origin() {
        let host = ("host", "localhost");
        assert_eq!(check(&[host, ("sec-fetch-site", "none")]), Ok(()));
        assert_eq!(check(&[host, ("sec-fetch-site", "same-origin")]), Ok(()));
        assert_eq!(check(&[host, ("sec-fetch-site", "cross-site"), ("origin", "https://app.example")]), Ok(()));
        assert!(check(&[host, ("sec-fetch-site", "cross-site")]).is_err());
        assert!(check(&[host, ("sec-fetch-site", "Same-Site")]).is_err());
    }
}
