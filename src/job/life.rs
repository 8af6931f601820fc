//! The life of one job: what is stored of it, and how events change it.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::state::{Event, Refused, State, transition};

/// A moment: microseconds since 1970-01-01 UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Timestamp(pub i64);

impl Timestamp {
    /// In whole seconds, the fraction cut (contract R91).
    pub fn seconds(self) -> i64 {
        self.0.div_euclid(1_000_000)
    }
}

/// How a job ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum Ending {
    Finished,
    Error,
    Cancelled,
    Stopped,
}

/// Whether a job that has not ended is at work in this process. Never stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Run {
    /// Not at work.
    Idle,
    /// At work.
    Running,
}

/// What is stored of a job's life: waiting or ended, and what a crash must not make one forget.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Life {
    /// When it was accepted.
    pub queued: Timestamp,
    /// When it was last started; kept after it ended, gone when it was put back into the queue.
    pub started: Option<Timestamp>,
    /// When it ended.
    pub ended: Option<Timestamp>,
    /// Starts in a row that no orderly end followed, nor saved progress (contract R77); counted before the work begins.
    pub attempts: u32,
    stop_asked: bool,
    ending: Option<Ending>,
}

impl Life {
    /// A job accepted at `queued`.
    pub fn new(queued: Timestamp) -> Self {
        Self { queued, started: None, ended: None, attempts: 0, stop_asked: false, ending: None }
    }

    /// The state of a job of which this is stored and which is at work or not.
    pub fn state(&self, run: Run) -> State {
        match (self.ending, run) {
            (Some(Ending::Finished), _) => State::Finished,
            (Some(Ending::Error), _) => State::Error,
            (Some(Ending::Cancelled), _) => State::Cancelled,
            (Some(Ending::Stopped), _) => State::Stopped,
            (None, Run::Idle) => State::Queued,
            (None, Run::Running) if self.stop_asked => State::Stopping,
            (None, Run::Running) => State::Processing,
        }
    }

    /// Whether the last process ended while this job was at work; asked of what is stored, before anything starts.
    pub fn was_at_work(&self) -> bool {
        self.ending.is_none() && self.attempts > 0
    }

    /// How long a job that has ended took since its last start; none if it was never started.
    pub fn took(&self) -> Option<Duration> {
        let took = self.ended?.0.saturating_sub(self.started?.0);
        Some(Duration::from_micros(u64::try_from(took).unwrap_or(0)))
    }

    /// The life after `event` at `now`, and whether the job is then at work.
    pub fn after(&self, run: Run, event: Event, now: Timestamp) -> Result<(Self, Run), Refused> {
        let to = transition(self.state(run), event)?;
        let mut life = self.clone();
        let mut ends = |ending: Ending| {
            life.ending = Some(ending);
            life.ended = Some(now.max(life.started.unwrap_or(life.queued)));
            Run::Idle
        };
        let run = match to {
            State::Queued => {
                life.started = None;
                if event == Event::Release {
                    life.attempts = 0;
                }
                Run::Idle
            }
            State::Processing | State::Stopping if event == Event::Advance => {
                life.attempts = 1; // this start; those before it led somewhere
                Run::Running
            }
            State::Processing => {
                life.started = Some(now.max(life.queued));
                life.attempts += 1;
                Run::Running
            }
            State::Stopping => {
                life.stop_asked = true;
                Run::Running
            }
            State::Finished => ends(Ending::Finished),
            State::Error => ends(Ending::Error),
            State::Cancelled => ends(Ending::Cancelled),
            State::Stopped => ends(Ending::Stopped),
        };
        Ok((life, run))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lived(events: &[Event]) -> (Life, Run) {
        let mut now = Timestamp(0);
        events.iter().fold((Life::new(now), Run::Idle), |(life, run), &event| {
            now.0 += 1_000_000;
            life.after(run, event, now).unwrap()
        })
    }

    #[test]
    fn a_killed_job_is_queued_again_and_remembers_that_it_was_tried() {
        let (stored, _) = lived(&[Event::Start]);
        assert!(stored.was_at_work());
        let (life, run) = stored.after(Run::Running, Event::Crash, Timestamp(9)).unwrap();
        assert_eq!((life.state(run), life.started, life.attempts), (State::Queued, None, 1));
    }

    #[test]
    fn a_job_put_down_in_order_has_nothing_held_against_it() {
        let (life, run) = lived(&[Event::Start, Event::Crash, Event::Start, Event::Release]);
        assert_eq!((life.state(run), life.attempts), (State::Queued, 0));
    }

    #[test]
    fn r77_saved_progress_leaves_only_this_start_to_be_held_against_a_job() {
        let (life, run) = lived(&[Event::Start, Event::Crash, Event::Start, Event::Advance]);
        assert_eq!((life.state(run), life.attempts, life.started), (State::Processing, 1, Some(Timestamp(3_000_000))));
        assert!(life.was_at_work());
        let (life, run) = lived(&[Event::Start, Event::Stop, Event::Advance]);
        assert_eq!(life.state(run), State::Stopping);
    }

    #[test]
    fn r74_an_acknowledged_stop_survives_a_crash() {
        let (stored, _) = lived(&[Event::Start, Event::Stop]);
        let (life, run) = stored.after(Run::Running, Event::Crash, Timestamp(9_000_000)).unwrap();
        assert_eq!(life.state(run), State::Stopped);
        assert_eq!((life.started, life.ended), (Some(Timestamp(1_000_000)), Some(Timestamp(9_000_000))));
    }

    #[test]
    fn a_clock_that_goes_back_does_not_end_a_job_before_it_began() {
        let (life, run) = lived(&[Event::Start]);
        let (life, _) = life.after(run, Event::Finish, Timestamp(-5)).unwrap();
        assert_eq!(life.ended, life.started);
    }
}
