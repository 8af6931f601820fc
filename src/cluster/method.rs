//! Exact or approximate: the cost model behind `Search::Auto` (contract R164).
//!
//! **Promises.** The choice depends on the number of faces, their dimension and the setting only. Neither the processor
//! nor the number of threads is looked at, for then they could change a result (contract R114); nor is a kept graph.

use std::fmt;
use std::time::Duration;

use super::{Run, Search};

/// How pairs were found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "server", derive(serde::Serialize, serde::Deserialize))]
pub enum Method {
    /// Every pair was compared.
    Exact,
    /// An approximate index proposed them; a pair may be missing.
    Hnsw,
}

impl Method {
    /// In lower case.
    pub fn name(self) -> &'static str {
        match self {
            Self::Exact => "exact",
            Self::Hnsw => "hnsw",
        }
    }
}

/// A method, and why it was taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "server", derive(serde::Serialize, serde::Deserialize))]
pub struct Choice {
    /// How pairs are found.
    pub method: Method,
    /// Why so.
    pub reason: Reason,
}

/// Why a method was taken. The times are the cost model's, not measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "server", derive(serde::Serialize, serde::Deserialize))]
pub enum Reason {
    /// The request named it.
    Asked,
    /// Exact is expected to take no longer than it may.
    WithinTime {
        /// The expected time of exact.
        exact: Duration,
        /// What it may take, [`Resources::auto_exact`](super::Resources::auto_exact).
        limit: Duration,
    },
    /// Exact is expected to take longer than it may, but no longer than hnsw.
    NoSlower {
        /// The expected time of exact.
        exact: Duration,
        /// The expected time of hnsw.
        hnsw: Duration,
    },
    /// Exact is expected to take longer than it may, and longer than hnsw.
    Faster {
        /// The expected time of exact.
        exact: Duration,
        /// The expected time of hnsw.
        hnsw: Duration,
    },
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let s = |time: Duration| time.as_secs_f64().ceil();
        match *self {
            Self::Asked => write!(f, "asked for"),
            Self::WithinTime { exact, limit } => {
                write!(f, "exact is expected to take {} s, and up to {} s are allowed", s(exact), s(limit))
            }
            Self::NoSlower { exact, hnsw } => {
                write!(f, "exact is expected to take {} s, no longer than hnsw with {} s", s(exact), s(hnsw))
            }
            Self::Faster { exact, hnsw } => {
                write!(f, "exact is expected to take {} s, longer than hnsw with {} s", s(exact), s(hnsw))
            }
        }
    }
}

impl Choice {
    /// The method that the request named.
    pub fn asked(method: Method) -> Self {
        Self { method, reason: Reason::Asked }
    }
}

/// What was asked for, or the cost model's choice.
pub(super) fn choose(run: &Run<'_>) -> Choice {
    match run.parameters.search {
        Search::Exact => Choice::asked(Method::Exact),
        Search::Hnsw => Choice::asked(Method::Hnsw),
        Search::Auto => auto(run.faces.len(), run.faces.dimension(), run.resources.auto_exact),
    }
}

fn auto(n: usize, d: usize, limit: Duration) -> Choice {
    let (exact, hnsw) = (exact_time(n), hnsw_time(n, d));
    let (method, reason) = if exact <= limit {
        (Method::Exact, Reason::WithinTime { exact, limit })
    } else if exact <= hnsw {
        (Method::Exact, Reason::NoSlower { exact, hnsw })
    } else {
        (Method::Hnsw, Reason::Faster { exact, hnsw })
    };
    Choice { method, reason }
}

/// Expected time of all pairs on one thread of a reference processor (AVX2): 5 ns a pair for everything. Measured on two
/// threads: 50,000 faces of dimension 512 in 3.2 s, 13,233 of dimension 128 in 0.25 s. The dimension hardly matters, for
/// all but a few pairs are decided by their 8-bit heads, which have at most 256 numbers.
pub(super) fn exact_time(n: usize) -> Duration {
    let pairs = n as f64 * n as f64 / 2.0;
    seconds(pairs * 5e-9)
}

/// Expected time of building the index and asking it, likewise: each face visits a number of others that grows with
/// about the cube root of their number, and each visit costs 100 ns for finding it and its product, 4 numbers a
/// nanosecond. Visits counted a face, building and asking: 7,700 with 10,000 faces of dimension 512, 9,400 with 20,000;
/// 5,600 with 10,000 of dimension 128. Measured on two threads, of which building uses one: 50,000 faces of dimension
/// 512 in 85 s, 100,000 in 245 s; what is here makes that 151 s and 381 s on one.
fn hnsw_time(n: usize, d: usize) -> Duration {
    let visits = n as f64 * 360.0 * (n as f64).cbrt();
    seconds(visits * (100.0 + d as f64 / 4.0) * 1e-9)
}

/// That long, or as long as can be said.
fn seconds(seconds: f64) -> Duration {
    Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exact_is_expected_to_be_faster_until_there_are_millions_of_faces() {
        for d in [128, 512] {
            assert!(exact_time(2_000_000) < hnsw_time(2_000_000, d));
            assert!(exact_time(8_000_000) > hnsw_time(8_000_000, d));
        }
        assert_eq!(seconds(f64::INFINITY), Duration::MAX);
        assert_eq!(exact_time(0), Duration::ZERO);
    }

    #[test]
    fn auto_says_why() {
        let told = |n, limit| {
            let Choice { method, reason } = auto(n, 512, Duration::from_secs(limit));
            format!("{}: {reason}", method.name())
        };
        assert_eq!(told(100_000, 900), "exact: exact is expected to take 25 s, and up to 900 s are allowed");
        assert_eq!(told(1_000_000, 900), "exact: exact is expected to take 2500 s, no longer than hnsw with 8208 s");
        assert_eq!(told(8_000_000, 900), "hnsw: exact is expected to take 160000 s, longer than hnsw with 131328 s");
        assert_eq!(Choice::asked(Method::Hnsw).reason.to_string(), "asked for");
    }
}
