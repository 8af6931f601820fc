//! A job that is not to start before some time has passed.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::life::Timestamp;
use super::lived::micros;

/// How long a job waits, and until when that is. The first is what was promised; the second lasts over restarts, as far
/// as the clock can be believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delay {
    /// From acceptance on.
    pub length: Duration,
    /// When it is over.
    pub until: Timestamp,
}

impl Delay {
    /// A delay that begins now.
    pub fn from(now: Timestamp, length: Duration) -> Self {
        Self { length, until: Timestamp(now.0.saturating_add(micros(length))) }
    }

    /// What is left of it. A clock that went back does not make it longer than it was.
    pub fn left(&self, now: Timestamp) -> Duration {
        let left = self.until.0.saturating_sub(now.0);
        Duration::from_micros(u64::try_from(left).unwrap_or(0)).min(self.length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_delay_runs_out_and_a_clock_that_goes_back_makes_it_no_longer() {
        let second = Duration::from_secs(1);
        let delay = Delay::from(Timestamp(5_000_000), 10 * second);
        assert_eq!(delay.until, Timestamp(15_000_000));
        assert_eq!(delay.left(Timestamp(8_000_000)), 7 * second);
        for late in [15_000_000, 99_000_000, i64::MAX] {
            assert_eq!(delay.left(Timestamp(late)), Duration::ZERO);
        }
        for early in [5_000_000, 0, i64::MIN] {
            assert_eq!(delay.left(Timestamp(early)), 10 * second);
        }
        assert_eq!(Delay::from(Timestamp(i64::MAX - 1), 10 * second).left(Timestamp(0)), 10 * second);
    }
}
