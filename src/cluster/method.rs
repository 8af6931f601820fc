//! Exact or approximate: the cost model behind `Search::Auto` (contract R164).
//!
//! **Promises.** The choice depends on the number of faces, their dimension and the setting only. Neither the processor
//! nor the number of threads is looked at, for then they could change a result (contract R114).

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

/// What was asked for, or the cost model's choice.
pub(super) fn choose(run: &Run<'_>) -> Method {
    match run.parameters.search {
        Search::Exact => Method::Exact,
        Search::Hnsw => Method::Hnsw,
        Search::Auto => {
            let (n, d) = (run.faces.len(), run.faces.dimension());
            let exact = exact_time(n, d);
            if exact <= run.resources.auto_exact || exact <= hnsw_time(n, d) { Method::Exact } else { Method::Hnsw }
        }
    }
}

/// Expected time of all pairs on one thread of a reference processor (AVX2): 1 ns for looking at a pair, and its
/// products at 32 a nanosecond.
fn exact_time(n: usize, d: usize) -> Duration {
    let pairs = n as f64 * n as f64 / 2.0;
    seconds(pairs * (1.0 + d as f64 / 32.0) * 1e-9)
}

/// Expected time of building the index and asking it, likewise: each face visits a number of others that grows with
/// about the cube root of their number (fitted between 10,000 and 100,000), and each visit costs its products, 4 a
/// nanosecond, and 100 ns for finding it.
fn hnsw_time(n: usize, d: usize) -> Duration {
    let visits = n as f64 * 600.0 * (n as f64).cbrt();
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
    fn exact_is_expected_to_be_faster_until_far_beyond_a_hundred_thousand_faces() {
        for d in [128, 512] {
            assert!(exact_time(500_000, d) < hnsw_time(500_000, d));
            assert!(exact_time(20_000_000, d) > hnsw_time(20_000_000, d));
        }
        assert_eq!(seconds(f64::INFINITY), Duration::MAX);
        assert_eq!(exact_time(0, 0), Duration::ZERO);
    }
}
