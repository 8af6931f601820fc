//! The time this store has lived (`job::lived`), over starts and ends of the process.
//!
//! **Promises.** Ended jobs are forgotten by this time alone. Each keeps the moment of its end in it beside its record, in a
//! record of its own that is written in the same step.
//!
//! **Not here.** Times that are shown: those are the clock's.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tracing::warn;

use super::Engine;
use super::error::EngineError;
use super::records::JobRecord;
use crate::job::{Lived, Noted, Timestamp, Token, micros};
use crate::store::{Batch, StoreError, decode, keys};

/// How often the time lived is written down, if the bound below does not ask for more: each time is a sync.
const NOTED_EVERY: Duration = Duration::from_hours(1);

impl Engine {
    /// The time the store has lived.
    pub(super) fn lived(&self) -> Lived {
        Lived(self.lived_before.load(Ordering::Relaxed)).after(self.clock.uptime())
    }

    /// For how much a time without a process counts: a quarter of the time for which ended jobs are kept. So one start with a
    /// clock that is ahead forgets little, and an appliance that is switched off every night forgets in time.
    fn counts_at_most(&self) -> Duration {
        self.settings.retention.age / 4
    }

    /// Goes on with the time that the store has lived. `ended` says when each job ended, as far as it is known; from the
    /// jobs it is seen where a store was that an earlier program has left, which wrote no such time down.
    pub(super) fn begin_to_live(
        &self,
        jobs: &[(Token, JobRecord)],
        ended: &BTreeMap<Token, Lived>,
    ) -> Result<(), EngineError> {
        let now = self.clock.now();
        let key = keys::lived();
        let read = || self.store.get(&key)?.map(|value| decode::<Noted>(&key, &value)).transpose();
        let noted = self.unless_damaged(read())?.flatten();
        let last_end = ended.values().copied().max();
        let lived = match (noted, last_end) {
            (Some(noted), _) => noted.goes_on(now, self.counts_at_most()),
            (None, Some(last_end)) => last_end, // the note is lost, or was not written yet
            (None, None) => {
                let newest = jobs.iter().map(|(_, record)| newest(record)).max().unwrap_or(now);
                Noted { lived: Lived(newest.0), clock: newest }.goes_on(now, self.counts_at_most())
            }
        };
        let lived = last_end.map_or(lived, |end| lived.max(end));
        self.lived_before.store(lived.0.saturating_sub(micros(self.clock.uptime())), Ordering::Relaxed);
        match noted {
            Some(noted) => self.lived_noted.store(noted.lived.0, Ordering::Relaxed),
            None => self.note_lived()?,
        }
        Ok(())
    }

    /// When each job ended in the time the store has lived, as far as that can be read.
    pub(super) fn read_ends(&self) -> Result<BTreeMap<Token, Lived>, EngineError> {
        let mut ends = BTreeMap::new();
        for entry in self.store.scan(&keys::all_ends()) {
            let (key, value) = entry?;
            let read = || Ok::<_, StoreError>((keys::token(&key)?, decode(&key, &value)?));
            ends.extend(self.unless_damaged(read())?);
        }
        Ok(ends)
    }

    /// The end of a job of which only the clock's time is known: not later than now, as far as the clock is believed.
    pub(super) fn end_by_the_clock(&self, record: &JobRecord) -> Lived {
        let lived = self.lived();
        record.life.ended.map_or(lived, |ended| Lived(ended.0).min(lived))
    }

    /// Writes the time lived down, if that is due.
    pub(super) fn note_lived_now_and_then(&self) {
        let every = NOTED_EVERY.min(self.counts_at_most() / 4);
        let last = Lived(self.lived_noted.load(Ordering::Relaxed));
        if self.lived().since(last) >= every
            && let Err(error) = self.note_lived()
        {
            warn!(error = &error as &dyn std::error::Error, "the time could not be written down");
        }
    }

    fn note_lived(&self) -> Result<(), EngineError> {
        let lived = self.lived();
        let mut batch = Batch::new();
        batch.record(&keys::lived(), &Noted { lived, clock: self.clock.now() });
        self.store.commit(batch)?;
        self.lived_noted.store(lived.0, Ordering::Relaxed);
        Ok(())
    }
}

/// The last moment that a job knows.
fn newest(record: &JobRecord) -> Timestamp {
    let life = &record.life;
    [life.started, life.ended].into_iter().flatten().fold(life.queued, Timestamp::max)
}
