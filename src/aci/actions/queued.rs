//! Actions that are worked as jobs: their token at once, or with `synchronous=true` their result in the end (contract
//! R61, R80-R83).
//!
//! **Promises.** Both go through the same queue. A client that waits is shown every few seconds that the server lives;
//! if that cannot be written, nobody waits any longer, and the job goes on.

use tracing::debug;

use super::{Actions, Caller, Write, code, fault, queue};
use crate::aci::{Code, Fault, Parameters};
use crate::engine::{Attendance, Engine, EngineError, JobResult, JobView, Ticket, Waited};
use crate::job::{State, Token};

/// What an action that is worked as a job is answered with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Answered {
    /// The token, at once.
    Token,
    /// The result, when the job has ended.
    Result,
}

/// What a client wants of such an action, besides its work.
#[derive(Debug)]
pub(super) struct Wanted {
    ticket: Ticket,
    answered: Answered,
}

impl Wanted {
    /// Reads it of the parameters; before an upload is taken from them, for what was given is kept with the job (R97).
    pub(super) fn read(parameters: &Parameters) -> Result<Self, Fault> {
        let is_synchronous = parameters.boolean("synchronous")?.unwrap_or(false);
        let ticket = Ticket { parameters: parameters.own(), ..Ticket::default() };
        Ok(Self { ticket, answered: if is_synchronous { Answered::Result } else { Answered::Token } })
    }

    /// The same, with an audit of the result or without.
    pub(super) fn auditing(mut self, audits: bool) -> Self {
        self.ticket.audits = audits;
        self
    }

    /// Submits the job, and waits for its end if that is wanted.
    pub(super) fn submit<'a>(
        self,
        actions: &'a Actions,
        caller: &Caller,
        submit: impl FnOnce(&Engine, Ticket) -> Result<Token, EngineError>,
    ) -> Result<Write<'a>, Fault> {
        let engine = &actions.engine;
        if self.answered == Answered::Token {
            let token = submit(engine, self.ticket).map_err(|error| fault(&error))?;
            return Ok(Box::new(move |answer| answer.value("token", token)));
        }
        // before the job is there: whoever cannot wait for it is refused, and changes nothing (R57)
        let attendance = engine.attend(self.ticket.token).map_err(|error| fault(&error))?;
        submit(engine, self.ticket).map_err(|error| fault(&error))?;
        let job = end(actions, caller, &attendance)?;
        Ok(Box::new(move |answer| {
            let _attendance = attendance; // the result is not forgotten while it is written
            queue::write_result(actions, answer, &job, None)
        }))
    }
}

/// The job when it has Finished; any other end is a fault (R81, R82).
fn end(actions: &Actions, caller: &Caller, attendance: &Attendance<'_>) -> Result<JobView, Fault> {
    let token = attendance.token();
    let job = loop {
        let mut waited = Waited::NotYet;
        (caller.aside)(&mut || waited = attendance.wait(actions.sign_of_life));
        match waited {
            Waited::Ended(job) => break *job,
            Waited::NotYet => (caller.show_life)().map_err(|error| {
                debug!(%token, %error, "the client that waited has gone; the job goes on");
                Fault::new(Code::ActionEnded, format!("nobody waits for the job {token} any longer"))
            })?,
            Waited::Stopping => {
                let text = format!("the server is stopping; the job {token} is kept and can be asked for later");
                return Err(Fault::new(Code::Stopping, text));
            }
            Waited::Unknown => return Err(Fault::internal()), // what is attended is not forgotten
        }
    };
    match (job.state, job.result()) {
        (State::Finished, _) => Ok(job),
        (_, Some(JobResult::Fault { kind, text })) => Err(Fault::new(code(*kind), text.clone())),
        (state, _) => {
            Err(Fault::new(Code::ActionEnded, format!("the job {token} did not finish: its status is {state}")))
        }
    }
}
