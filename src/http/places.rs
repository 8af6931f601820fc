//! Places that clients take, and the share that one address may have of them.
//!
//! **Promises.** There are never more taken than there are, nor more by one address beyond loopback than its share; a
//! place is free again when what was returned for it is dropped.
//!
//! **Why.** One machine that opens connection after connection must not lock out all others.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A number of places.
#[derive(Debug)]
pub(crate) struct Places {
    most: usize,
    /// Of one address that is not loopback.
    most_each: usize,
    taken: Mutex<Taken>,
    taken_total: AtomicU64,
    refused_total: AtomicU64,
}

#[derive(Debug, Default)]
struct Taken {
    all: usize,
    by: HashMap<IpAddr, usize>,
}

/// Why there is no place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Full {
    /// All are taken.
    All,
    /// This address has its share.
    Share,
}

impl Places {
    pub(crate) fn new(most: usize, most_each: usize) -> Arc<Self> {
        let (taken, taken_total, refused_total) = (Mutex::default(), AtomicU64::new(0), AtomicU64::new(0));
        Arc::new(Self { most, most_each, taken, taken_total, refused_total })
    }

    fn taken(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a place for a client at `address`.
    pub(crate) fn take(self: &Arc<Self>, address: IpAddr) -> Result<Place, Full> {
        let origin = origin(address);
        let mut taken = self.taken();
        let by_it = origin.and_then(|origin| taken.by.get(&origin).copied()).unwrap_or(0);
        let full = match () {
            () if taken.all >= self.most => Some(Full::All),
            () if by_it >= self.most_each => Some(Full::Share),
            () => None,
        };
        if let Some(full) = full {
            self.refused_total.fetch_add(1, Ordering::Relaxed);
            return Err(full);
        }
        taken.all += 1;
        if let Some(origin) = origin {
            taken.by.insert(origin, by_it + 1);
        }
        self.taken_total.fetch_add(1, Ordering::Relaxed);
        Ok(Place { places: Arc::clone(self), origin })
    }

    /// How many are taken.
    pub(crate) fn n_taken(&self) -> u64 {
        self.taken().all as u64
    }

    /// How many were ever taken.
    pub(crate) fn n_taken_total(&self) -> u64 {
        self.taken_total.load(Ordering::Relaxed)
    }

    /// How often there was none.
    pub(crate) fn n_refused_total(&self) -> u64 {
        self.refused_total.load(Ordering::Relaxed)
    }
}

/// Whose share an address counts against: nobody's for loopback, and for IPv6 that of its network of 64 bits, all of
/// which one machine commonly has.
fn origin(address: IpAddr) -> Option<IpAddr> {
    let address = address.to_canonical();
    if address.is_loopback() {
        return None;
    }
    match address {
        IpAddr::V6(address) => Some(IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & (u128::MAX << 64)))),
        IpAddr::V4(_) => Some(address),
    }
}

/// A place, taken until this is dropped.
#[derive(Debug)]
pub(crate) struct Place {
    places: Arc<Places>,
    origin: Option<IpAddr>,
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.places.taken();
        taken.all -= 1;
        let Some(origin) = self.origin else { return };
        if let Some(by_it) = taken.by.get_mut(&origin) {
            *by_it -= 1;
            if *by_it == 0 {
                taken.by.remove(&origin); // what has gone is not remembered
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn one_address_has_its_share_and_loopback_all() {
        let places = Places::new(5, 2);
        let take = |text: &str| places.take(address(text));
        let first = take("10.0.0.1").unwrap();
        let _second = take("::ffff:10.0.0.1").unwrap();
        assert_eq!(take("10.0.0.1").unwrap_err(), Full::Share);
        let _third = [take("127.0.0.1").unwrap(), take("::1").unwrap(), take("127.0.0.9").unwrap()];
        assert_eq!(take("10.0.0.2").unwrap_err(), Full::All);
        assert_eq!(take("127.0.0.1").unwrap_err(), Full::All);
        drop(first);
        let _fourth = take("10.0.0.1").unwrap();
        assert_eq!((places.n_taken(), places.n_taken_total(), places.n_refused_total()), (5, 6, 3));
    }

    #[test]
    fn a_network_of_64_bits_is_one_client_and_those_that_have_gone_are_forgotten() {
        let places = Places::new(100, 1);
        let one = places.take(address("2001:db8::1")).unwrap();
        assert_eq!(places.take(address("2001:db8::ffff:1")).unwrap_err(), Full::Share);
        let other = places.take(address("2001:db8:0:1::1")).unwrap();
        drop((one, other));
        assert!(places.taken().by.is_empty());
        assert_eq!(places.n_taken(), 0);
    }
}
