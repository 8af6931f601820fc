//! The states of a job, and the one table of what leads from one to the other (contract R72).

use std::fmt;

use thiserror::Error;

/// Where a job stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum State {
    /// Accepted, waiting for a thread.
    Queued,
    /// Waiting and told not to start; it has no thread.
    Held,
    /// At work.
    Processing,
    /// At work and told to pause; clients see it as Processing until its work waits.
    Pausing,
    /// Its work waits; it keeps its thread.
    Resting,
    /// At work and told to stop; clients see it as Processing until it has noticed.
    Stopping,
    /// Ended with a result.
    Finished,
    /// Ended with a fault.
    Error,
    /// Ended before it started, because a client said so.
    Cancelled,
    /// Ended after it started, because a client said so.
    Stopped,
}

impl State {
    /// Every state, in the order of a job's life.
    pub const ALL: [Self; 10] = [
        Self::Queued,
        Self::Held,
        Self::Processing,
        Self::Pausing,
        Self::Resting,
        Self::Stopping,
        Self::Finished,
        Self::Error,
        Self::Cancelled,
        Self::Stopped,
    ];

    /// Whether nothing can happen to the job any more.
    pub fn is_ended(self) -> bool {
        matches!(self, Self::Finished | Self::Error | Self::Cancelled | Self::Stopped)
    }

    /// Whether the job has neither started nor ended.
    pub fn is_waiting(self) -> bool {
        matches!(self, Self::Queued | Self::Held)
    }

    /// The status word that clients see (contract R71).
    pub fn word(self) -> &'static str {
        match self {
            Self::Queued => "Queued",
            Self::Held | Self::Resting => "Paused",
            Self::Processing | Self::Pausing | Self::Stopping => "Processing",
            Self::Finished => "Finished",
            Self::Error => "Error",
            Self::Cancelled => "Cancelled",
            Self::Stopped => "Stopped",
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// What can happen to a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Event {
    /// A thread took it up.
    Start,
    /// Its work is done.
    Finish,
    /// Its work met a fault.
    Fail,
    /// Its work has saved progress that an earlier run had not (contract R77).
    Advance,
    /// A client cancels it.
    Cancel,
    /// A client stops it.
    Stop,
    /// A client pauses it.
    Pause,
    /// A client resumes it.
    Resume,
    /// The work noticed that it was told to pause, and waits.
    Rest,
    /// The work noticed that it was told to stop.
    Halt,
    /// The server shuts down in order and the work was put down unfinished.
    Release,
    /// The process ended while it was at work.
    Crash,
    /// The process ended while it was at work, once too often.
    Condemn,
}

impl Event {
    /// Every event.
    pub const ALL: [Self; 13] = [
        Self::Start,
        Self::Finish,
        Self::Fail,
        Self::Advance,
        Self::Cancel,
        Self::Stop,
        Self::Pause,
        Self::Resume,
        Self::Rest,
        Self::Halt,
        Self::Release,
        Self::Crash,
        Self::Condemn,
    ];
}

/// An event that is not possible in a state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("{event:?} is not possible in the state {state}")]
pub struct Refused {
    /// The state.
    pub state: State,
    /// The event.
    pub event: Event,
}

/// The state that `event` leads to from `state`. Total: whatever is not written here is refused.
///
/// An acknowledged stop wins over work that was done meanwhile, so that a client who was told "it will stop" never
/// finds its effect. It wins over a pause too: the work ends where it would have waited. A job that is paused when the
/// process ends is held, as if it had not started; so it is never given up.
pub fn transition(state: State, event: Event) -> Result<State, Refused> {
    use {Event as E, State as S};
    match (state, event) {
        (S::Queued, E::Start) => Ok(S::Processing),
        (S::Queued | S::Held, E::Cancel | E::Stop) => Ok(S::Cancelled),
        (S::Queued | S::Held, E::Pause) => Ok(S::Held),
        (S::Queued | S::Held, E::Resume) => Ok(S::Queued),

        (S::Processing | S::Pausing | S::Resting, E::Finish) => Ok(S::Finished),
        (S::Processing | S::Pausing | S::Resting, E::Fail) => Ok(S::Error),
        (S::Processing | S::Pausing | S::Resting, E::Resume) => Ok(S::Processing),
        (S::Processing | S::Pausing | S::Resting, E::Advance) => Ok(state),
        (S::Processing, E::Condemn) => Ok(S::Error),
        (S::Processing, E::Release | E::Crash) => Ok(S::Queued),
        (S::Pausing | S::Resting, E::Release | E::Crash) => Ok(S::Held),

        (S::Processing | S::Pausing, E::Stop) => Ok(S::Stopping),
        (S::Processing | S::Pausing, E::Pause) => Ok(S::Pausing),
        (S::Pausing, E::Rest) => Ok(S::Resting),

        (S::Resting, E::Stop) => Ok(S::Stopped), // nothing is to be waited for
        (S::Resting, E::Pause) => Ok(S::Resting),

        (S::Stopping, E::Stop | E::Pause | E::Resume | E::Advance) => Ok(S::Stopping),
        (S::Stopping, E::Halt | E::Finish | E::Fail | E::Release | E::Crash | E::Condemn) => Ok(S::Stopped),

        (state, event) => Err(Refused { state, event }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The whole table as text: a row a state, a column an event.
    fn table() -> String {
        let mut text = String::from("            ");
        for event in Event::ALL {
            text += &format!("{:<11}", format!("{event:?}"));
        }
        for state in State::ALL {
            text = text.trim_end().to_owned() + &format!("\n{:<12}", format!("{state:?}"));
            for event in Event::ALL {
                let cell = transition(state, event).map_or("-".to_owned(), |to| format!("{to:?}"));
                text += &format!("{cell:<11}");
            }
        }
        text.trim_end().to_owned()
    }

    #[test]
    fn r72_every_event_in_every_state_does_what_the_table_says() {
        let expected = "\
            Start      Finish     Fail       Advance    Cancel     Stop       Pause      Resume     Rest       Halt       Release    Crash      Condemn
Queued      Processing -          -          -          Cancelled  Cancelled  Held       Queued     -          -          -          -          -
Held        -          -          -          -          Cancelled  Cancelled  Held       Queued     -          -          -          -          -
Processing  -          Finished   Error      Processing -          Stopping   Pausing    Processing -          -          Queued     Queued     Error
Pausing     -          Finished   Error      Pausing    -          Stopping   Pausing    Processing Resting    -          Held       Held       -
Resting     -          Finished   Error      Resting    -          Stopped    Resting    Processing -          -          Held       Held       -
Stopping    -          Stopped    Stopped    Stopping   -          Stopping   Stopping   Stopping   -          Stopped    Stopped    Stopped    Stopped
Finished    -          -          -          -          -          -          -          -          -          -          -          -          -
Error       -          -          -          -          -          -          -          -          -          -          -          -          -
Cancelled   -          -          -          -          -          -          -          -          -          -          -          -          -
Stopped     -          -          -          -          -          -          -          -          -          -          -          -          -";
        assert_eq!(table().trim_start(), expected);
    }

    #[test]
    fn r73_a_job_ends_once() {
        for state in State::ALL.into_iter().filter(|s| s.is_ended()) {
            for event in Event::ALL {
                assert_eq!(transition(state, event), Err(Refused { state, event }));
            }
        }
    }

    #[test]
    fn r72_what_a_client_asks_does_what_the_words_it_sees_promise() {
        use {Event as E, State as S};
        for state in State::ALL {
            let after = |event| transition(state, event).map(State::word).ok();
            let expected = match state {
                S::Queued | S::Held => [Some("Cancelled"), Some("Cancelled"), Some("Paused"), Some("Queued")],
                // as soon as the job notices; Processing until then
                S::Processing | S::Pausing | S::Stopping => {
                    [None, Some("Processing"), Some("Processing"), Some("Processing")]
                }
                S::Resting => [None, Some("Stopped"), Some("Paused"), Some("Processing")],
                _ => [None; 4],
            };
            assert_eq!([E::Cancel, E::Stop, E::Pause, E::Resume].map(after), expected, "{state:?}");
        }
    }
}
