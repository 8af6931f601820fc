//! Who may be told: public addresses, and what is allowed by name.
//!
//! **Promises.** Without a list every public address may be told, with one only what it names. An address that is not
//! public (of this machine, of a private network, of no single machine) may be told only if a listed address or network
//! holds it, never by the name it was found under: whoever answers for names would decide.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use thiserror::Error;

use crate::aci::access::Clients;

/// Who may be told.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Places {
    networks: Vec<Clients>,
    /// In lower case; with a leading full stop, all names that end so.
    names: Vec<String>,
}

/// Why a place may not be told, or a text names none.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum PlaceError {
    /// It is nothing of the kind.
    #[error("'{0}' is not a host name, *.domain, an address, a network such as 10.0.0.0/8 or localhost")]
    Unreadable(String),
    /// It is not in the list.
    #[error("names the host '{0}', which may not be told (callbacks.allowed_hosts)")]
    Unlisted(String),
    /// The address is one that has to be listed.
    #[error(
        "leads to the address {0}, which is not public and may not be told unless callbacks.allowed_hosts holds it"
    )]
    Internal(IpAddr),
}

impl Places {
    /// The places of a list of names, addresses and networks.
    pub fn of(list: &[String]) -> Result<Self, PlaceError> {
        let mut places = Self::default();
        for item in list {
            let unreadable = || PlaceError::Unreadable(item.clone());
            match item.parse() {
                Ok(Clients::Everybody) => return Err(unreadable()), // no list says that, of what is public
                Ok(network) => places.networks.push(network),
                Err(_) => places.names.push(name(item).ok_or_else(unreadable)?),
            }
        }
        Ok(places)
    }

    /// What can be said of a host before it is looked up.
    pub(super) fn check_host(&self, host: &str) -> Result<(), PlaceError> {
        if let Some(address) = literal(host) {
            return self.check(host, address);
        }
        let may_be = self.is_open() || self.is_named(host) || !self.networks.is_empty();
        if may_be { Ok(()) } else { Err(PlaceError::Unlisted(host.to_owned())) }
    }

    /// Whether this address may be connected to for that host.
    pub(super) fn check(&self, host: &str, address: IpAddr) -> Result<(), PlaceError> {
        let address = address.to_canonical();
        if self.networks.iter().any(|network| network.contains(address)) {
            return Ok(());
        }
        if !is_public(address) {
            return Err(PlaceError::Internal(address));
        }
        if self.is_open() || self.is_named(host) { Ok(()) } else { Err(PlaceError::Unlisted(host.to_owned())) }
    }

    /// There is no list.
    fn is_open(&self) -> bool {
        self.networks.is_empty() && self.names.is_empty()
    }

    fn is_named(&self, host: &str) -> bool {
        let host = host.trim_end_matches('.').to_ascii_lowercase();
        self.names.iter().any(|name| host == *name || (name.starts_with('.') && host.ends_with(name)))
    }
}

/// The address that a host is, if it is one.
fn literal(host: &str) -> Option<IpAddr> {
    let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    host.parse().ok()
}

/// A host name or `*.domain`, as it is kept.
fn name(item: &str) -> Option<String> {
    let kept = item.trim_end_matches('.').to_ascii_lowercase();
    let (kept, labels) = match kept.strip_prefix("*.") {
        Some(labels) => (format!(".{labels}"), labels.to_owned()),
        None => (kept.clone(), kept),
    };
    let is_label = |label: &str| {
        !label.is_empty() && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
    };
    // the last label of a name is no number: 10.0.0 and 1.2.3.4.5 are mistyped addresses
    let is_name =
        labels.split('.').all(is_label) && labels.rsplit('.').next()?.bytes().any(|b| b.is_ascii_alphabetic());
    is_name.then_some(kept)
}

/// Whether an address is one of a single machine in the public network (IANA's registries of special addresses).
fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    let is_special = match (a, b, c) {
        (0 | 10 | 127, ..) // this network, private, loopback
        | (100, 64..=127, _) // behind a provider's translation
        | (169, 254, _) // link-local
        | (172, 16..=31, _)
        | (192, 168, _) // private
        | (192, 0, 0 | 2) // protocols, documentation
        | (192, 88, 99) // relays to IPv6
        | (198, 18 | 19, _) // measurements
        | (198, 51, 100)
        | (203, 0, 113) => true, // documentation
        _ => a >= 224, // multicast, reserved, broadcast
    };
    !is_special
}

/// Of IPv6 only 2000::/3 is in use between networks, without the parts that carry addresses of IPv4 or none.
fn is_public_v6(address: Ipv6Addr) -> bool {
    let [a, b, ..] = address.segments();
    let is_special = match (a, b) {
        (0x2001, 0..0x200 | 0xdb8) | (0x2002, _) => true, // protocols and tunnels, documentation, 6to4
        (0x3fff, 0..0x1000) => true,                      // documentation
        _ => a & 0xe000 != 0x2000,
    };
    !is_special
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(list: &[&str]) -> Places {
        Places::of(&list.iter().map(|&item| item.to_owned()).collect::<Vec<_>>()).unwrap()
    }

    fn may(places: &Places, host: &str, address: &str) -> bool {
        places.check(host, address.parse().unwrap()).is_ok()
    }

    #[test]
    fn without_a_list_every_public_address_may_be_told_and_no_other() {
        let open = Places::default();
        for address in ["8.8.8.8", "172.32.0.1", "192.0.1.1", "223.255.255.255", "2606:4700::1111", "2a00::1"] {
            assert!(may(&open, "h.example", address), "{address}");
        }
        for address in [
            "0.0.0.0",
            "10.1.2.3",
            "100.64.0.1",
            "127.0.0.1",
            "127.9.9.9",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.168.0.1",
            "192.0.0.8",
            "192.0.2.1",
            "198.19.0.1",
            "198.51.100.1",
            "203.0.113.1",
            "224.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::ffff:127.0.0.1",
            "::7f00:1",
            "64:ff9b::7f00:1",
            "fc00::1",
            "fd00::1",
            "fe80::1",
            "fec0::1",
            "ff02::1",
            "2001::1",
            "2001:db8::1",
            "2002:7f00:1::",
            "3fff:1::1",
        ] {
            assert!(!may(&open, "h.example", address), "{address}");
        }
    }

    #[test]
    fn with_a_list_only_what_it_names_may_be_told() {
        let listed = places(&["hooks.example", "*.more.example", "10.0.0.0/8", "localhost"]);
        for (host, address) in [
            ("hooks.example", "8.8.8.8"),
            ("HOOKS.example.", "8.8.8.8"),
            ("a.b.more.example", "8.8.8.8"),
            ("any.example", "10.9.9.9"),
            ("any.example", "127.0.0.1"),
        ] {
            assert!(may(&listed, host, address), "{host} {address}");
        }
        for (host, address) in [
            ("other.example", "8.8.8.8"),
            ("nothooks.example", "8.8.8.8"),
            ("more.example", "8.8.8.8"),
            ("hooks.example", "192.168.0.1"), // a name is no licence
        ] {
            assert!(!may(&listed, host, address), "{host} {address}");
        }
    }

    #[test]
    fn what_is_known_of_a_host_is_said_at_once() {
        assert_eq!(
            Places::default().check_host("[::1]").unwrap_err().to_string(),
            "leads to the address ::1, which is not public and may not be told unless callbacks.allowed_hosts holds it"
        );
        assert!(places(&["hooks.example"]).check_host("other.example").is_err());
        assert!(places(&["10.0.0.0/8"]).check_host("other.example").is_ok(), "it may lead there");
        assert!(places(&["10.0.0.0/8"]).check_host("8.8.8.8").is_err());
    }

    #[test]
    fn a_list_holds_names_addresses_and_networks() {
        for item in ["*", "", "a b", "http://h", "h:80", "1.2.3", "1.2.3.4.5", "10.0.0.0/33", "*.", "a..b"] {
            assert_eq!(Places::of(&[item.to_owned()]), Err(PlaceError::Unreadable(item.to_owned())), "{item}");
        }
    }
}
