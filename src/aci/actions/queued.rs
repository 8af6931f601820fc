//! Actions that are worked as jobs: their token at once, or with `synchronous=true` their result in the end (contract
//! R61, R80-R83).
//!
//! **Promises.** Both go through the same queue. A client that waits is shown every few seconds that the server lives;
//! if that cannot be written, nobody waits any longer, and the job goes on. A request that is repeated with its
//! idempotency key is answered as the first one, or waits for the same job.

use std::io;
use std::time::Duration;

use tracing::debug;

use super::failures::code;
use super::{Actions, Caller, Write, fault, queue};
use crate::aci::parameter::{IDEMPOTENCY_KEY, MAX_DELAY};
use crate::aci::{Code, Fault, Parameters};
use crate::engine::{
    Attendance, Engine, EngineError, ErrorKind, JobResult, JobView, Key, Sameness, Terms, Ticket, Waited,
};
use crate::face::check_name;
use crate::job::{Queue, State, Token};

/// The parameter that says who is told of the end.
const CALLBACK_URL: &str = "callbackurl";

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
    pub(super) fn read(actions: &Actions, parameters: &Parameters) -> Result<Self, Fault> {
        let is_synchronous = parameters.boolean("synchronous")?.unwrap_or(false);
        let mut shown = parameters.own();
        for (_, url) in shown.iter_mut().filter(|(name, _)| name == CALLBACK_URL) {
            url.truncate(url.find('?').unwrap_or(url.len())); // what is behind it may be a secret of the receiver
        }
        let ticket = Ticket { parameters: shown, terms: terms(actions, parameters)?, ..Ticket::default() };
        Ok(Self { ticket, answered: if is_synchronous { Answered::Result } else { Answered::Token } })
    }

    /// The same of a clustering that obeys what was decided of its images.
    pub(super) fn respecting_decisions(mut self) -> Self {
        self.ticket.respects_decisions = true;
        self
    }

    /// Whether the request is one that was answered already, so that nothing more needs to be there for it.
    pub(super) fn is_repeated(&self, actions: &Actions, queue: Queue) -> Result<bool, Fault> {
        let earlier = actions.engine.repeated(queue, &self.ticket).map_err(|error| fault(&error))?;
        Ok(earlier.is_some())
    }

    /// Answers such a request.
    pub(super) fn repeat<'a>(self, actions: &'a Actions, caller: &Caller, queue: Queue) -> Result<Write<'a>, Fault> {
        self.submit(actions, caller, |engine, ticket| {
            let earlier = engine.repeated(queue, &ticket)?;
            earlier.ok_or_else(|| EngineError::new(ErrorKind::Internal, "the job was forgotten in this moment"))
        })
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
        let own = self.ticket.token;
        let mut attendance = engine.attend(own).map_err(|error| fault(&error))?;
        let token = submit(engine, self.ticket).map_err(|error| fault(&error))?;
        if token != own {
            drop(attendance);
            attendance = engine.attend(token).map_err(|error| fault(&error))?;
        }
        let job = end(actions, caller, &attendance)?;
        Ok(Box::new(move |answer| {
            let _attendance = attendance; // the result is not forgotten while it is written
            queue::write_result(actions, answer, &job, None)
        }))
    }
}

/// What is agreed on with the job.
fn terms(actions: &Actions, parameters: &Parameters) -> Result<Terms, Fault> {
    let text = parameters.text(IDEMPOTENCY_KEY);
    if let Some(Err(error)) = text.map(check_name) {
        return Err(Fault::name(IDEMPOTENCY_KEY, text.unwrap_or_default(), &error));
    }
    let delay = parameters.integer("delay", 0..=MAX_DELAY)?.map(Duration::from_secs);
    let callback = parameters.text(CALLBACK_URL).map(str::to_owned);
    if let Some(url) = &callback {
        actions.engine.check_callback(url).map_err(|error| fault(&error))?;
    }
    let key = |text: &str| Ok(Key { text: text.to_owned(), sameness: sameness(parameters)? });
    let key = text.map(key).transpose().map_err(|_: io::Error| Fault::storage())?;
    Ok(Terms { key, delay, callback })
}

/// All that makes the request the same as another: its parameters as they were given, and what its uploads hold.
fn sameness(parameters: &Parameters) -> io::Result<[u8; 32]> {
    let (texts, uploads) = parameters.own_content();
    let mut sameness = Sameness::default();
    for (name, text) in texts.filter(|&(name, _)| name != IDEMPOTENCY_KEY) {
        sameness.text(name);
        sameness.text(text);
    }
    for (name, uploads) in uploads {
        for upload in uploads {
            sameness.text(name);
            sameness.upload(upload.len(), upload.open()?)?;
        }
    }
    Ok(sameness.finish())
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
            // What is attended is not forgotten: only a job that another request has submitted can be gone.
            Waited::Unknown => {
                return Err(Fault::new(Code::UnknownToken, format!("the job {token} is kept no longer")));
            }
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
