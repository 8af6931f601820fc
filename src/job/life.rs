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
    /// At work, told to pause, and waiting.
    Resting,
}

/// With what a job was paused, and so with what it is resumed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum Pause {
    /// By its token.
    Alone,
    /// With its queue, which it did not hold up: it was at work then.
    WithQueue,
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
    paused: Option<Pause>,
    ending: Option<Ending>,
}

impl Life {
    /// A job accepted at `queued`.
    pub fn new(queued: Timestamp) -> Self {
        Self { queued, started: None, ended: None, attempts: 0, stop_asked: false, paused: None, ending: None }
    }

    /// The state of a job of which this is stored and which is at work or not.
    pub fn state(&self, run: Run) -> State {
        match (self.ending, run) {
            (Some(Ending::Finished), _) => State::Finished,
            (Some(Ending::Error), _) => State::Error,
            (Some(Ending::Cancelled), _) => State::Cancelled,
            (Some(Ending::Stopped), _) => State::Stopped,
            (None, Run::Idle) if self.paused.is_some() => State::Held,
            (None, Run::Idle) => State::Queued,
            (None, _) if self.stop_asked => State::Stopping,
            (None, _) if self.paused.is_none() => State::Processing,
            (None, Run::Running) => State::Pausing,
            (None, Run::Resting) => State::Resting,
        }
    }

    /// Whether nothing can happen to it any more.
    pub fn has_ended(&self) -> bool {
        self.ending.is_some()
    }

    /// Whether the last process ended while this job was at work; asked of what is stored, before anything starts.
    pub fn was_at_work(&self) -> bool {
        self.ending.is_none() && self.started.is_some()
    }

    /// Whether an unclean end may have been this job's doing: such jobs run alone (contract R78).
    pub fn is_suspect(&self) -> bool {
        self.ending.is_none() && self.attempts > 0
    }

    /// How long a job that has ended took since its last start; none if it was never started.
    pub fn took(&self) -> Option<Duration> {
        let took = self.ended?.0.saturating_sub(self.started?.0);
        Some(Duration::from_micros(u64::try_from(took).unwrap_or(0)))
    }

    /// What the unclean end of the process means for a job that was at work, if `max_attempts` of them are too many.
    pub fn event_of_crash(&self, max_attempts: u32) -> Event {
        let is_given_up = self.paused.is_none() && self.attempts >= max_attempts;
        if is_given_up { Event::Condemn } else { Event::Crash }
    }

    /// Whether it was paused with its queue, and is resumed with it.
    pub fn is_paused_with_queue(&self) -> bool {
        self.ending.is_none() && self.paused == Some(Pause::WithQueue)
    }

    /// The life after its queue was paused at `now`. A job that was paused by its token stays so.
    pub fn paused_with_queue(&self, run: Run, now: Timestamp) -> Result<(Self, Run), Refused> {
        let (mut life, run) = self.after(run, Event::Pause, now)?;
        life.paused = life.paused.and(Some(self.paused.unwrap_or(Pause::WithQueue)));
        Ok((life, run))
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
            State::Queued | State::Held => {
                life.started = None;
                match event {
                    Event::Release => life.attempts = 0,
                    Event::Crash if to == State::Held => life.attempts = life.attempts.saturating_sub(1),
                    Event::Pause => life.paused = Some(Pause::Alone),
                    Event::Resume => life.paused = None,
                    _ => {}
                }
                Run::Idle
            }
            State::Processing | State::Pausing | State::Resting | State::Stopping => {
                match event {
                    Event::Start => {
                        life.started = Some(now.max(life.queued));
                        life.attempts += 1;
                    }
                    Event::Advance => life.attempts = 1, // this start; those before it led somewhere
                    Event::Stop => (life.stop_asked, life.paused) = (true, None),
                    Event::Pause if to != State::Stopping => life.paused = Some(Pause::Alone),
                    Event::Resume => life.paused = None,
                    _ => {}
                }
                if to == State::Resting { Run::Resting } else { Run::Running }
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

    #[test]
    fn r72_a_job_that_is_paused_when_the_process_ends_is_paused_as_if_not_started() {
        for end in [Event::Crash, Event::Release] {
            for rest in [&[][..], &[Event::Rest]] {
                let (life, run) = lived(&[&[Event::Start, Event::Pause][..], rest, &[end]].concat());
                assert_eq!((life.state(run), life.started, life.attempts), (State::Held, None, 0));
                assert!(!life.was_at_work() && !life.is_suspect());
            }
        }
    }

    #[test]
    fn r77_only_starts_that_no_pause_followed_are_held_against_a_job() {
        let tried = [Event::Start, Event::Crash, Event::Start, Event::Crash, Event::Start];
        let (life, _) = lived(&tried);
        assert_eq!(life.event_of_crash(3), Event::Condemn);
        let (life, run) = lived(&[&tried[..], &[Event::Pause]].concat());
        assert_eq!(life.event_of_crash(3), Event::Crash);
        let (life, run) = life.after(run, Event::Crash, Timestamp(0)).unwrap();
        assert_eq!((life.state(run), life.attempts, life.is_suspect()), (State::Held, 2, true));
    }

    #[test]
    fn r74_a_stop_wins_over_a_pause_whichever_came_first() {
        for events in [[Event::Pause, Event::Stop], [Event::Stop, Event::Pause]] {
            let (life, run) = lived(&[&[Event::Start], &events[..]].concat());
            assert_eq!(life.state(run), State::Stopping);
            let (life, run) = life.after(run, Event::Crash, Timestamp(9)).unwrap();
            assert_eq!(life.state(run), State::Stopped);
        }
    }

    #[test]
    fn r86_a_job_remembers_whether_it_was_paused_with_its_queue() {
        let (life, run) = lived(&[Event::Start]);
        let (life, run) = life.paused_with_queue(run, Timestamp(0)).unwrap();
        assert!(life.is_paused_with_queue() && life.state(run) == State::Pausing);
        let (stored, idle) = life.after(run, Event::Crash, Timestamp(0)).unwrap();
        assert!(stored.is_paused_with_queue() && stored.state(idle) == State::Held);
        let (alone, run) = life.after(run, Event::Pause, Timestamp(0)).unwrap();
        let (alone, _) = alone.paused_with_queue(run, Timestamp(0)).unwrap();
        assert!(!alone.is_paused_with_queue(), "what was asked of the job itself is not undone with the queue");
        let (life, run) = lived(&[Event::Start, Event::Stop]);
        assert!(!life.paused_with_queue(run, Timestamp(0)).unwrap().0.is_paused_with_queue());
    }
}
