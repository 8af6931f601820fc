//! Clients by their address: one, a network, a pattern of octets, loopback, everybody.
//!
//! **Promises.** An IPv4 address that arrives in the form of IPv6 (`::ffff:10.0.0.1`) is the IPv4 address. Parsing
//! never guesses: what is not understood is refused, not taken for something near.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use thiserror::Error;

/// Some clients.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Clients {
    /// `*`: all, of either family.
    Everybody,
    /// `localhost`: 127.0.0.0/8 and ::1.
    Loopback,
    /// `10.1.*.*`: the octets that are given are equal.
    Octets([Option<u8>; 4]),
    /// `10.0.0.0/8` or one address.
    V4 {
        /// The network, its other bits 0.
        network: Ipv4Addr,
        /// How many bits it has.
        bits: u8,
    },
    /// `fd00::/8` or one address.
    V6 {
        /// The network, its other bits 0.
        network: Ipv6Addr,
        /// How many bits it has.
        bits: u8,
    },
}

/// Why a text names no clients.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ClientError {
    /// It may be the name of a machine, and names are not looked up: whoever answers for them would decide who may
    /// do what.
    #[error("'{0}' is not an address; the names of machines are not looked up (only localhost is known)")]
    Name(String),
    /// It is nothing of the kind.
    #[error("'{0}' is not an address, a network such as 10.0.0.0/8, a pattern such as 10.1.*.*, localhost or *")]
    Unreadable(String),
    /// The network has more bits than its address.
    #[error("'{text}' has more than {most} bits")]
    Bits {
        /// The text.
        text: String,
        /// How many bits an address of that family has.
        most: u8,
    },
}

impl Clients {
    /// Whether a client of this address is one of them.
    pub fn contains(&self, address: IpAddr) -> bool {
        match (*self, address.to_canonical()) {
            (Self::Everybody, _) => true,
            (Self::Loopback, address) => address.is_loopback(),
            (Self::Octets(pattern), IpAddr::V4(address)) => {
                pattern.iter().zip(address.octets()).all(|(wanted, octet)| wanted.is_none_or(|wanted| wanted == octet))
            }
            (Self::V4 { network, bits }, IpAddr::V4(address)) => cut4(address, bits) == network,
            (Self::V6 { network, bits }, IpAddr::V6(address)) => cut6(address, bits) == network,
            _ => false,
        }
    }

    /// Whether they are all on this machine.
    pub fn are_local(&self) -> bool {
        match *self {
            Self::Everybody => false,
            Self::Loopback => true,
            Self::Octets(pattern) => pattern[0] == Some(127),
            Self::V4 { network, bits } => bits >= 8 && network.is_loopback(),
            Self::V6 { network, bits } => bits == 128 && network.is_loopback(),
        }
    }

    fn network(address: IpAddr, bits: u8) -> Self {
        match address {
            // The whole of it means all of IPv4 in the form of IPv6.
            IpAddr::V6(address) if bits >= 96 && address.to_ipv4_mapped().is_some() => {
                let network = address.to_ipv4_mapped().expect("it was just found to be one");
                Self::V4 { network: cut4(network, bits - 96), bits: bits - 96 }
            }
            IpAddr::V6(address) => Self::V6 { network: cut6(address, bits), bits },
            IpAddr::V4(address) => Self::V4 { network: cut4(address, bits), bits },
        }
    }
}

/// The first bits of an address, the others 0.
fn cut4(address: Ipv4Addr, bits: u8) -> Ipv4Addr {
    let mask = u32::MAX.checked_shl(32 - u32::from(bits)).unwrap_or(0);
    Ipv4Addr::from_bits(address.to_bits() & mask)
}

fn cut6(address: Ipv6Addr, bits: u8) -> Ipv6Addr {
    let mask = u128::MAX.checked_shl(128 - u32::from(bits)).unwrap_or(0);
    Ipv6Addr::from_bits(address.to_bits() & mask)
}

impl FromStr for Clients {
    type Err = ClientError;

    fn from_str(text: &str) -> Result<Self, ClientError> {
        let unreadable = || ClientError::Unreadable(text.to_owned());
        if text == "*" {
            return Ok(Self::Everybody);
        }
        if text.eq_ignore_ascii_case("localhost") {
            return Ok(Self::Loopback);
        }
        if let Some((address, bits)) = text.split_once('/') {
            let address: IpAddr = address.parse().map_err(|_| unreadable())?;
            let most = if address.is_ipv4() { 32 } else { 128 };
            if bits.is_empty() || !bits.bytes().all(|byte| byte.is_ascii_digit()) {
                return Err(unreadable());
            }
            return match bits.parse::<u8>() {
                Ok(bits) if bits <= most => Ok(Self::network(address, bits)),
                _ => Err(ClientError::Bits { text: text.to_owned(), most }),
            };
        }
        if let Ok(address) = text.parse::<IpAddr>() {
            return Ok(Self::network(address, if address.is_ipv4() { 32 } else { 128 }));
        }
        if text.contains('*') {
            return octets(text).map(Self::Octets).ok_or_else(unreadable);
        }
        let is_name = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte))
            && text.bytes().any(|byte| byte.is_ascii_alphabetic());
        Err(if is_name { ClientError::Name(text.to_owned()) } else { unreadable() })
    }
}

fn octets(text: &str) -> Option<[Option<u8>; 4]> {
    let mut pattern = [None; 4];
    let mut pieces = text.split('.');
    for octet in &mut pattern {
        let piece = pieces.next()?;
        if piece != "*" {
            let is_number = !piece.is_empty() && piece.bytes().all(|byte| byte.is_ascii_digit());
            *octet = Some(is_number.then(|| piece.parse().ok()).flatten()?);
        }
    }
    pieces.next().is_none().then_some(pattern)
}

impl fmt::Display for Clients {
    /// In a form that is read back as the same.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Everybody => f.write_str("*"),
            Self::Loopback => f.write_str("localhost"),
            Self::Octets(pattern) => {
                let pieces = pattern.map(|octet| octet.map_or("*".to_owned(), |octet| octet.to_string()));
                f.write_str(&pieces.join("."))
            }
            Self::V4 { network, bits: 32 } => write!(f, "{network}"),
            Self::V4 { network, bits } => write!(f, "{network}/{bits}"),
            Self::V6 { network, bits: 128 } => write!(f, "{network}"),
            Self::V6 { network, bits } => write!(f, "{network}/{bits}"),
        }
    }
}
