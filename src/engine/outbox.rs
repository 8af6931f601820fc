//! The outbox: whoever wants to be told of the end of a job is told, at least once.
//!
//! **Promises.** That somebody is to be told is written in the batch of the job's end, and stands until he was told or is
//! given up. A receiver that is slow or gone holds up neither jobs nor a shutdown, and other receivers only a little: each
//! place is told of one end at a time.
//!
//! **Not here.** How a receiver is told, and who may be one ([`Messenger`]).

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;
use tokio::task::spawn_blocking;
use tracing::{debug, error, warn};

use super::Engine;
use super::error::{EngineError, ErrorKind};
use super::jobs::Jobs;
use super::records::JobRecord;
use crate::job::{Queue, Run, Timestamp, Token};
use crate::store::{Batch, decode, keys};

/// The end of a job, to be told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// Names it for ever, so that a receiver knows what it was told already.
    pub id: String,
    /// Who is told.
    pub url: String,
    /// The job.
    pub token: Token,
    /// Its action.
    pub action: Queue,
    /// The status word it ended with (contract R71).
    pub status: String,
    /// When it ended.
    pub ended: Timestamp,
}

/// Tells receivers. Asked by several threads at a time.
pub trait Messenger: fmt::Debug + Send + Sync + 'static {
    /// Whether this URL may be told, or why not, as what follows it in a sentence.
    fn check(&self, url: &str) -> Result<(), String>;

    /// Tells it, or says why it could not be told. Must come to an end by itself.
    fn deliver(&self, delivery: &Delivery) -> Result<(), String>;
}

/// What is kept of an end that is still to be told, under the token of its job. It needs nothing of the job, which may be
/// forgotten before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct LetterRecord {
    url: String,
    action: Queue,
    status: String,
    ended: Timestamp,
    /// How often it was tried in vain.
    attempts: u32,
}

impl LetterRecord {
    /// What is to be told of a job that has ended.
    fn of(record: &JobRecord, url: &str) -> Option<Self> {
        let life = &record.life;
        let (status, ended) = (life.state(Run::Idle).word().to_owned(), life.ended?);
        Some(Self { url: url.to_owned(), action: record.queue, status, ended, attempts: 0 })
    }

    fn delivery(&self, token: Token) -> Delivery {
        let Self { url, action, status, ended, .. } = self.clone();
        // Made of what is told: a job of a restored backup may end once more, and otherwise.
        let mut hasher = blake3::Hasher::new();
        hasher.update(&token.to_bytes()).update(&ended.0.to_le_bytes()).update(status.as_bytes());
        let id = hasher.finalize().to_hex()[..32].to_owned();
        Delivery { id, url, token, action, status, ended }
    }
}

/// The place where the server of a URL is: of the rest, which may hold a secret, nothing is logged.
fn place(url: &str) -> &str {
    let begin = url.find("://").map_or(0, |at| at + 3);
    let end = url[begin..].find(['/', '?', '#']).map_or(url.len(), |at| begin + at);
    &url[..end]
}

/// An end that is still to be told.
#[derive(Debug)]
struct Letter {
    record: LetterRecord,
    /// When it is tried next, in uptime.
    due: Duration,
    is_under_way: bool,
}

/// What became of deliveries since the start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Posted {
    pub(super) delivered: u64,
    /// Attempts in vain.
    pub(super) failed: u64,
    /// Deliveries that are not tried any more.
    pub(super) given_up: u64,
}

/// All that is to be told now or will be.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    /// Jobs that have not ended.
    promised: BTreeSet<Token>,
    letters: BTreeMap<Token, Letter>,
    pub(super) posted: Posted,
}

/// The longest pause between two attempts.
const LONGEST_PAUSE: Duration = Duration::from_hours(1);

/// At most so many are told at a time.
const AT_A_TIME: usize = 4;

impl Outbox {
    /// How many ends are to be told, those of jobs included that have not ended.
    pub(super) fn len(&self) -> usize {
        self.promised.len() + self.letters.len()
    }

    /// How many wait.
    pub(super) fn waiting(&self) -> usize {
        self.letters.len()
    }

    /// A job that has not ended is to be told of.
    pub(super) fn promise(&mut self, token: Token) {
        self.promised.insert(token);
    }

    /// That job will not be.
    pub(super) fn take_back(&mut self, token: Token) {
        self.promised.remove(&token);
    }

    /// It has ended: what was written with its end is due.
    fn post(&mut self, token: Token, record: LetterRecord) {
        self.promised.remove(&token);
        self.letters.insert(token, Letter { record, due: Duration::ZERO, is_under_way: false });
    }

    /// Those to be told now, and how long it is until there are others.
    fn take_due(&mut self, now: Duration) -> (Vec<Delivery>, Option<Duration>) {
        let mut places: BTreeSet<String> = BTreeSet::new();
        let under_way = self.letters.values().filter(|letter| letter.is_under_way);
        places.extend(under_way.map(|letter| place(&letter.record.url).to_owned()));
        let (mut due, mut next) = (Vec::new(), None::<Duration>);
        for (&token, letter) in self.letters.iter_mut().filter(|(_, letter)| !letter.is_under_way) {
            if letter.due > now {
                next = Some(next.map_or(letter.due, |next| next.min(letter.due)));
            } else if places.len() < AT_A_TIME && places.insert(place(&letter.record.url).to_owned()) {
                letter.is_under_way = true;
                due.push(letter.record.delivery(token));
            }
        }
        (due, next.map(|next| next.saturating_sub(now)))
    }
}

impl Jobs {
    /// Adds to the batch of a job's end that somebody is to be told of it.
    pub(super) fn post_into(&self, batch: &mut Batch, token: Token, record: &JobRecord) {
        if let Some(letter) = self.letter(token, record) {
            batch.record(&keys::letter(token), &letter);
        }
    }

    fn letter(&self, token: Token, record: &JobRecord) -> Option<LetterRecord> {
        LetterRecord::of(record, self.terms(token)?.callback.as_deref()?)
    }

    /// What was written is so now.
    pub(super) fn posted(&mut self, token: Token, record: &JobRecord) {
        if let Some(letter) = self.letter(token, record) {
            self.outbox.post(token, letter);
        }
    }
}

impl Engine {
    /// Refuses a URL that may not be told of the end of a job.
    pub fn check_callback(&self, url: &str) -> Result<(), EngineError> {
        let Some(messenger) = &self.settings.messenger else {
            let text = "'callbackurl' is not offered: this server tells nobody of the end of jobs (callbacks.enabled)";
            return Err(EngineError::new(ErrorKind::NotOffered, text));
        };
        messenger.check(url).map_err(|why| {
            // what is behind the question mark may be a secret of the receiver
            let shown: String = url.split('?').next().unwrap_or_default().chars().take(254).collect();
            EngineError::new(ErrorKind::Receiver, format!("'callbackurl={shown}' {why}"))
        })
    }

    /// Refuses one more job whose end is to be told if too many are.
    pub(super) fn check_outbox(&self, jobs: &Jobs) -> Result<(), EngineError> {
        let limit = self.settings.max_callbacks;
        if jobs.outbox.len() < limit {
            return Ok(());
        }
        let text = format!(
            "the ends of {limit} jobs are to be told already, the most that are (callbacks.max_outstanding); without \
             'callbackurl' the job is taken"
        );
        Err(EngineError::new(ErrorKind::QueueFull, text))
    }

    /// Reads what is still to be told, behind the jobs.
    pub(super) fn load_letters(&self, jobs: &mut Jobs) -> Result<(), EngineError> {
        for (key, value) in self.collect(&keys::letters())? {
            let read = || Ok((keys::token(&key)?, decode::<LetterRecord>(&key, &value)?));
            if let Some((token, letter)) = self.unless_damaged(read())? {
                jobs.outbox.post(token, letter);
            }
        }
        Ok(())
    }

    /// Those to be told now, which are under way from now on, and how long it is until there may be others.
    pub(super) fn due_deliveries(&self) -> (Vec<Delivery>, Option<Duration>) {
        let now = self.clock.uptime();
        self.lock_jobs().outbox.take_due(now)
    }

    /// Notes what became of an attempt. If that cannot be written it stays under way: the next start tries again.
    pub(super) fn delivered(&self, token: Token, outcome: Result<(), String>) {
        let Some(record) = self.lock_jobs().outbox.letters.get(&token).map(|letter| letter.record.clone()) else {
            return;
        };
        let attempts = record.attempts + 1;
        let is_last = attempts >= self.settings.callback_attempts;
        let record = LetterRecord { attempts, ..record };
        let mut batch = Batch::new();
        if outcome.is_ok() || is_last {
            batch.remove(keys::letter(token));
        } else {
            batch.record(&keys::letter(token), &record);
        }
        if let Err(error) = self.store.commit(batch) {
            error!(%token, error = &error as &dyn std::error::Error, "what became of a callback cannot be written");
            return;
        }
        let (place, pause) = (place(&record.url).to_owned(), self.pause_behind(attempts));
        let mut jobs = self.lock_jobs();
        let outbox = &mut jobs.outbox;
        match (&outcome, outbox.letters.get_mut(&token)) {
            (Err(_), Some(letter)) if !is_last => {
                *letter = Letter { record, due: self.clock.uptime().saturating_add(pause), is_under_way: false };
            }
            _ => drop(outbox.letters.remove(&token)),
        }
        outbox.posted.delivered += u64::from(outcome.is_ok());
        outbox.posted.failed += u64::from(outcome.is_err());
        outbox.posted.given_up += u64::from(outcome.is_err() && is_last);
        drop(jobs);
        match outcome {
            Ok(()) => debug!(%token, place, attempts, "callback delivered"),
            Err(why) if is_last => warn!(%token, place, attempts, why, "callback given up"),
            Err(why) => {
                warn!(%token, place, attempts, why, seconds = pause.as_secs_f64(), "callback failed; tried again")
            }
        }
    }

    /// How long after so many attempts in vain the next one is.
    fn pause_behind(&self, attempts: u32) -> Duration {
        let factor = 2u32.saturating_pow(attempts.saturating_sub(1).min(30));
        self.settings.callback_pause.saturating_mul(factor).min(LONGEST_PAUSE)
    }
}

/// Tells of ends, for as long as this is asked on.
///
/// Each attempt has a thread of its own that nobody waits for and that has nothing of the engine: a shutdown leaves it to
/// the end of the process, and what it has come to is not known then, so that the next start tells it once more.
pub(super) async fn run(engine: Arc<Engine>) {
    let Some(messenger) = engine.settings.messenger.clone() else { return };
    let (told, mut outcomes) = mpsc::channel(AT_A_TIME);
    loop {
        let (due, next) = engine.due_deliveries();
        for delivery in due {
            let (messenger, told, token) = (Arc::clone(&messenger), told.clone(), delivery.token);
            let attempt = move || {
                let deliver = std::panic::AssertUnwindSafe(|| messenger.deliver(&delivery));
                let outcome =
                    std::panic::catch_unwind(deliver).unwrap_or_else(|_| Err("telling it has panicked".into()));
                let _ = told.blocking_send((token, outcome)); // nobody listens behind a shutdown
            };
            if let Err(error) = thread::Builder::new().name("callback".to_owned()).spawn(attempt) {
                note(&engine, token, Err(format!("no thread: {error}"))).await;
            }
        }
        tokio::select! {
            Some((token, outcome)) = outcomes.recv() => note(&engine, token, outcome).await,
            () = engine.posted.notified() => {}
            () = tokio::time::sleep(next.unwrap_or_default()), if next.is_some() => {}
        }
    }
}

/// Notes an outcome off the async threads.
async fn note(engine: &Arc<Engine>, token: Token, outcome: Result<(), String>) {
    let engine = Arc::clone(engine);
    if let Err(error) = spawn_blocking(move || engine.delivered(token, outcome)).await {
        error!(%error, "noting what became of a callback failed");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_url_only_the_place_is_logged() {
        for (url, expected) in [
            ("https://hooks.example/a?token=s", "https://hooks.example"),
            ("http://10.0.0.1:8080?s", "http://10.0.0.1:8080"),
            ("http://h", "http://h"),
            ("no url/at all", "no url"),
        ] {
            assert_eq!(place(url), expected);
        }
    }

    #[test]
    fn each_place_is_told_of_one_end_at_a_time_and_late_ones_wait() {
        let tokens: Vec<Token> = (0..8).map(|_| Token::generate()).collect();
        let letter = |url: &str| LetterRecord {
            url: url.to_owned(),
            action: Queue::FaceClustering,
            status: "Finished".to_owned(),
            ended: Timestamp(0),
            attempts: 0,
        };
        let mut outbox = Outbox::default();
        for (at, url) in ["http://a/1", "http://a/2", "http://b", "http://c", "http://d", "http://e"].iter().enumerate()
        {
            outbox.post(tokens[at], letter(url));
        }
        outbox.letters.get_mut(&tokens[2]).unwrap().due = Duration::from_secs(9);
        let now = Duration::from_secs(2);
        let (due, next) = outbox.take_due(now);
        let due: Vec<&str> = due.iter().map(|delivery| delivery.url.as_str()).collect();
        assert_eq!(due, ["http://a/1", "http://c", "http://d", "http://e"], "four at a time");
        assert_eq!(next, Some(Duration::from_secs(7)));
        outbox.letters.remove(&tokens[0]);
        let (due, _) = outbox.take_due(now);
        assert_eq!(due.iter().map(|delivery| delivery.token).collect::<Vec<_>>(), [tokens[1]]);
    }
}
