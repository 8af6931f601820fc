//! The time a store has lived: what ended jobs are kept by, whatever the clock of the machine does.
//!
//! **Promises.** It never goes back. While a process has the store it goes on as that process does; over a time without one it
//! goes on by what the clock says has passed, but by no more than a bound. So a clock that jumps, and is put right, ages
//! nothing.
//!
//! **Why.** A machine whose battery is empty wakes up in another year, and forgetting cannot be taken back. Keeping a
//! result a little longer harms nobody.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::life::Timestamp;

/// A moment in that time: microseconds that begin where the clock was when the store was new.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Lived(pub i64);

impl Lived {
    /// How long `earlier` is ago; nothing if it is yet to come.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_micros(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }

    /// So much later.
    #[must_use]
    pub fn after(self, time: Duration) -> Self {
        Self(self.0.saturating_add(micros(time)))
    }
}

/// What is written down now and then: the time lived, and what the clock said then.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Noted {
    /// The time lived.
    pub lived: Lived,
    /// What the clock said.
    pub clock: Timestamp,
}

impl Noted {
    /// The time lived when the clock says `now`, if what passed without a process counts for `at_most`.
    pub fn goes_on(self, now: Timestamp, at_most: Duration) -> Lived {
        let passed = now.0.saturating_sub(self.clock.0).clamp(0, micros(at_most));
        Lived(self.lived.0.saturating_add(passed))
    }
}

/// In microseconds, as far as they can be counted.
pub fn micros(time: Duration) -> i64 {
    i64::try_from(time.as_micros()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: Duration = Duration::from_hours(24);

    #[test]
    fn time_without_a_process_counts_as_the_clock_says_but_no_more_than_the_bound() {
        let noted = Noted { lived: Lived(100), clock: Timestamp(1_000) };
        assert_eq!(noted.goes_on(Timestamp(1_500), DAY), Lived(600));
        assert_eq!(noted.goes_on(Timestamp(i64::MAX), DAY), Lived(100).after(DAY));
        assert_eq!(noted.goes_on(Timestamp(i64::MIN), DAY), Lived(100), "it never goes back");
        assert_eq!(noted.goes_on(Timestamp(i64::MAX), Duration::MAX), Lived(i64::MAX - 900));
    }

    #[test]
    fn what_is_yet_to_come_is_no_time_ago() {
        assert_eq!(Lived(5).since(Lived(2)), Duration::from_micros(3));
        assert_eq!(Lived(2).since(Lived(5)), Duration::ZERO);
        assert_eq!(Lived(7).after(Duration::MAX), Lived(i64::MAX));
    }
}
