//! What is agreed on with a job besides its task: the key it is submitted with, when it starts, who is told of its end.
//!
//! **Promises.** Submitting with the same key again gives the same job, as long as that is kept: what is known of a key is
//! written in the batch of its job and removed in the batch that forgets it. A job starts no earlier than agreed while the
//! process lives, whatever the clock does.
//!
//! **Why a record of its own.** Most jobs have no terms, and nothing is kept of those.

use std::io::{self, Read};
use std::sync::{Arc, MutexGuard, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::Engine;
use super::accept::Ticket;
use super::error::{EngineError, ErrorKind};
use super::jobs::Jobs;
use crate::job::{Delay, Queue, Timestamp, Token};
use crate::store::{Batch, Failure, StoreError, decode, keys};

/// What a client wants agreed on with its job.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Terms {
    /// By what a repeated submission is known.
    pub key: Option<Key>,
    /// How long the job is not to start.
    pub delay: Option<Duration>,
    /// The URL that is told of its end.
    pub callback: Option<String>,
}

/// An idempotency key: a text, and what the request is that it stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    /// The text; a name (contract R13), which the caller has checked.
    pub text: String,
    /// What [`Sameness`] says of the request.
    pub sameness: [u8; 32],
}

/// What makes two requests the same: all that is put in, in its order.
#[derive(Debug, Default)]
pub struct Sameness(blake3::Hasher);

impl Sameness {
    /// Puts a text in.
    pub fn text(&mut self, text: &str) {
        self.0.update(&(text.len() as u64).to_le_bytes()).update(text.as_bytes());
    }

    /// Puts the content of an upload in, which has so many bytes.
    pub fn upload(&mut self, length: u64, content: impl Read) -> io::Result<()> {
        self.0.update(&length.to_le_bytes()).update_reader(content)?;
        Ok(())
    }

    /// What it comes to.
    pub fn finish(&self) -> [u8; 32] {
        *self.0.finalize().as_bytes()
    }
}

/// The terms of a job, as they are kept with it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct TermsRecord {
    /// The text of the key it was submitted with.
    pub key: Option<String>,
    /// Until its first start.
    pub delay: Option<Delay>,
    /// The URL that is told of its end.
    pub callback: Option<String>,
}

/// The job that was submitted with a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct KeyRecord {
    /// Its token.
    pub token: [u8; 16],
    /// What request it was.
    pub sameness: [u8; 32],
}

impl Terms {
    /// As they are kept with a job that is accepted now.
    pub(super) fn record(&self, now: Timestamp) -> TermsRecord {
        TermsRecord {
            key: self.key.as_ref().map(|key| key.text.clone()),
            delay: self.delay.filter(|delay| !delay.is_zero()).map(|delay| Delay::from(now, delay)),
            callback: self.callback.clone(),
        }
    }

    /// Adds all that is kept of them to the batch of the job.
    pub(super) fn put_into(&self, batch: &mut Batch, queue: Queue, token: Token, record: &TermsRecord) {
        if let Some(Key { text, sameness }) = &self.key {
            let known = KeyRecord { token: token.to_bytes(), sameness: *sameness };
            batch.record(&keys::idempotency(queue, text), &known);
        }
        record.put_into(batch, token);
    }
}

impl TermsRecord {
    /// Adds them to a batch; none leave no record.
    fn put_into(&self, batch: &mut Batch, token: Token) {
        if *self == Self::default() {
            batch.remove(keys::terms(token));
        } else {
            batch.record(&keys::terms(token), self);
        }
    }

    /// What a duplicate is given of them: a key names one job.
    pub(super) fn of_duplicate(&self, now: Timestamp) -> Terms {
        Terms { key: None, delay: self.delay.map(|delay| delay.left(now)), callback: self.callback.clone() }
    }
}

impl Jobs {
    /// The terms of a job, if it has any.
    pub(super) fn terms(&self, token: Token) -> Option<&Arc<TermsRecord>> {
        self.terms.get(&token)
    }

    /// Keeps the terms of a job; its delay ends so much later than `uptime`.
    pub(super) fn agree(&mut self, token: Token, terms: TermsRecord, uptime: Duration, delay: Duration) {
        if terms == TermsRecord::default() {
            return;
        }
        if !delay.is_zero() {
            self.delayed.insert(token, uptime.saturating_add(delay));
        }
        self.terms.insert(token, Arc::new(terms));
    }

    /// Adds to a batch that a job is at work, so that its delay is over for good: a start behind a crash, under another
    /// clock, must not begin it anew.
    pub(super) fn start_into(&self, batch: &mut Batch, token: Token) -> Option<TermsRecord> {
        let terms = self.terms(token).filter(|terms| terms.delay.is_some())?;
        let terms = TermsRecord { delay: None, ..terms.as_ref().clone() };
        terms.put_into(batch, token);
        Some(terms)
    }

    /// Adds to a batch that a job is forgotten, and with it what is known of its key.
    pub(super) fn forget_into(&self, batch: &mut Batch, token: Token) {
        batch.remove(keys::job(token));
        batch.remove(keys::respect(token));
        batch.remove(keys::end(token));
        let Some(terms) = self.terms(token) else { return };
        batch.remove(keys::terms(token));
        if let (Some(text), Some(entry)) = (&terms.key, self.get(token)) {
            batch.remove(keys::idempotency(entry.record.queue, text));
        }
    }

    /// Jobs whose delay is over are as others from now on.
    pub(super) fn end_delays(&mut self, uptime: impl FnOnce() -> Duration) {
        if !self.delayed.is_empty() {
            let now = uptime();
            self.delayed.retain(|_, until| *until > now);
        }
    }
}

impl Engine {
    /// The job that was submitted with the key of this ticket, if there is one; refused if it was another request.
    pub fn repeated(&self, queue: Queue, ticket: &Ticket) -> Result<Option<Token>, EngineError> {
        let Some(key) = &ticket.terms.key else { return Ok(None) };
        let jobs = self.lock_jobs();
        match self.known(&jobs, queue, key)? {
            Some(token) => self.arrival(jobs, token).map(Some),
            None => Ok(None),
        }
    }

    /// The same under the lock; the job may not be on the disk yet.
    pub(super) fn known(&self, jobs: &Jobs, queue: Queue, key: &Key) -> Result<Option<Token>, EngineError> {
        let place = keys::idempotency(queue, &key.text);
        let Some(value) = self.store.get(&place)? else { return Ok(None) };
        let known: KeyRecord = decode(&place, &value)?;
        let token = Token::from_bytes(known.token);
        if !jobs.is_taken(token) {
            return Ok(None); // the record of that job is damaged: nobody can be given it
        }
        if known.sameness != key.sameness {
            let text = format!(
                "'idempotencykey={}' was given with the job {token}, whose parameters or uploads are others; another \
                 request needs another key",
                key.text
            );
            return Err(EngineError::new(ErrorKind::KeyTaken, text));
        }
        Ok(Some(token))
    }

    /// The token of a job that another request submits, when it is on the disk.
    pub(super) fn arrival(&self, mut jobs: MutexGuard<'_, Jobs>, token: Token) -> Result<Token, EngineError> {
        while jobs.is_arriving(token) {
            jobs = self.arrived.wait(jobs).unwrap_or_else(PoisonError::into_inner);
        }
        if jobs.get(token).is_some() {
            return Ok(token);
        }
        let failure = self.store.failure().unwrap_or_else(|| Failure::of("the job could not be written"));
        Err(StoreError::Lost(failure).into())
    }

    /// How long it is until a job whose start is delayed may start; none if there is no such job.
    pub(super) fn next_delayed(&self) -> Option<Duration> {
        let jobs = self.lock_jobs();
        let next = *jobs.delayed.values().min()?;
        Some(next.saturating_sub(self.clock.uptime()))
    }

    /// Reads the terms of all jobs, before the jobs.
    pub(super) fn load_terms(&self, jobs: &mut Jobs) -> Result<(), EngineError> {
        for (key, value) in self.collect(&keys::all_terms())? {
            let read = || Ok((keys::token(&key)?, decode::<TermsRecord>(&key, &value)?));
            let Some((token, terms)) = self.unless_damaged(read())? else { continue };
            let left = terms.delay.map_or(Duration::ZERO, |delay| delay.left(self.clock.now()));
            jobs.agree(token, terms, self.clock.uptime(), left);
        }
        Ok(())
    }
}
