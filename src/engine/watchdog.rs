//! Jobs that are at work and get nowhere, told by name.
//!
//! **Promises.** A job is named once in the log when its progress has stood still for the time of the settings, and once when
//! it goes on. Nothing is done to it: whether it is stopped, or the process ended, is for people to say. Pauses do not count.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tracing::{info, warn};

use super::Engine;
use super::progress::{Control, Stage};
use crate::job::{Queue, State, Token};

/// Where a run was when it was last seen to have come further.
#[derive(Debug, Clone, Copy)]
struct Mark {
    at: Option<(Stage, u64)>,
    /// By the clock that does not jump.
    since: Duration,
    is_named: bool,
}

/// What is remembered of a run between two looks.
#[derive(Debug, Default)]
pub(super) struct Vigil(Mutex<Option<Mark>>);

impl Vigil {
    fn mark(&self) -> MutexGuard<'_, Option<Mark>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How long the run has stood still, by this look at it, and what it was when it was looked at before.
    fn look(&self, at: Option<(Stage, u64)>, is_resting: bool, now: Duration) -> (Duration, Option<Mark>) {
        let mut mark = self.mark();
        let before = *mark;
        match before {
            Some(Mark { at: last, since, .. }) if last == at && !is_resting => (now.saturating_sub(since), before),
            _ => {
                *mark = Some(Mark { at, since: now, is_named: false });
                (Duration::ZERO, before)
            }
        }
    }

    /// Notes that the job was named; false if it was before.
    fn name(&self) -> bool {
        self.mark().as_mut().is_some_and(|mark| !std::mem::replace(&mut mark.is_named, true))
    }

    fn is_named(&self) -> bool {
        self.mark().is_some_and(|mark| mark.is_named)
    }
}

/// What of a job is looked at, without the lock of the table.
struct AtWork {
    token: Token,
    queue: Queue,
    state: State,
    control: std::sync::Arc<Control>,
}

impl Engine {
    /// Looks at every job that a thread has, and names those that stand still.
    pub(super) fn watch_jobs(&self) {
        let Some(limit) = self.settings.stuck_after else { return };
        let now = self.clock.uptime();
        let at_work: Vec<AtWork> = {
            let jobs = self.lock_jobs();
            let view = |(token, entry): (Token, &super::jobs::Entry)| {
                let control = entry.control.clone()?;
                Some(AtWork { token, queue: entry.record.queue, state: entry.state(), control })
            };
            jobs.iter().filter_map(view).collect()
        };
        for AtWork { token, queue, state, control } in at_work {
            let at = control.mark();
            let (still, before) = control.vigil.look(at, state == State::Resting, now);
            if still >= limit && control.vigil.name() {
                let (stage, done) = at.map_or(("none", 0), |(stage, done)| (stage.name(), done));
                let seconds = still.as_secs();
                warn!(%token, %queue, %state, stage, done, seconds, "a job is at work and gets no further");
            } else if still.is_zero() && before.is_some_and(|before| before.is_named) {
                info!(%token, %queue, %state, "a job that had stood still goes on, or is paused");
            }
        }
    }

    /// How many jobs stand still, by the last look at them.
    pub(super) fn n_stuck(&self) -> u64 {
        let jobs = self.lock_jobs();
        let is_stuck = |control: &std::sync::Arc<Control>| control.vigil.is_named();
        jobs.iter().filter(|(_, entry)| entry.control.as_ref().is_some_and(is_stuck)).count() as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_at_one_mark_adds_up_and_progress_or_a_pause_begin_it_anew() {
        let vigil = Vigil::default();
        let look = |done, is_resting, second: u64| {
            let at = Some((Stage::Compare, done));
            vigil.look(at, is_resting, Duration::from_secs(second)).0.as_secs()
        };
        assert_eq!([look(1, false, 0), look(1, false, 60), look(1, false, 120)], [0, 60, 120]);
        assert!(vigil.name() && !vigil.name() && vigil.is_named(), "once");
        assert_eq!([look(2, false, 180), look(2, false, 200)], [0, 20]);
        assert!(!vigil.is_named());
        assert_eq!([look(2, true, 900), look(2, false, 910)], [0, 10]);
    }
}
