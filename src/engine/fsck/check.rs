//! One record after the other, in key order: is it what was written, and does it fit the others?

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::super::audit::AuditRecord;
use super::super::changes::ChangeRecord;
use super::super::decisions::RespectRecord;
use super::super::outbox::LetterRecord;
use super::super::pictures::{self, PictureRecord};
use super::super::records::{DatabaseRecord, ExportMark, FaceRecord, ImageRecord, JobRecord, Task};
use super::super::result;
use super::super::tally::Count;
use super::super::terms::{KeyRecord, TermsRecord};
use super::decisions::Decisions;
use super::rows::Rows;
use super::{Report, kind};
use crate::face::ImageStatus;
use crate::job::{Lived, Noted, Token};
use crate::store::{Batch, Entry, Salvage, StoreError, decode, keys, verify};

/// What a repair does with a record.
#[derive(Debug, PartialEq)]
pub(super) enum Fate {
    /// It stays.
    Keep,
    /// It is written anew by whoever writes the others.
    Remake,
    /// Another takes its place.
    Replace(Vec<u8>, &'static str),
    /// It goes.
    Drop(String),
    /// It is judged when all have passed by.
    Later,
}

/// What is known while the records pass by.
pub(super) struct Check<'a> {
    report: &'a mut Report,
    jobs: BTreeMap<Token, JobRecord>,
    /// Jobs whose results are to be cleared.
    forgotten: BTreeSet<Token>,
    /// Changes that may have set images aside.
    changes: BTreeSet<u64>,
    decisions: Decisions,
    rows: Rows<'a>,
    /// Records that there are about, as far as others tell of them.
    n_expected: u64,
    /// Pictures that records know.
    pictures: BTreeSet<String>,
    /// Counts as they are recorded.
    counts: BTreeMap<u64, Count>,
    /// Chunks that there are of each clustering.
    chunks: BTreeMap<Token, u32>,
}

/// A record in the words of its user, as far as its key says.
pub(super) fn shown(key: &[u8]) -> String {
    let token = || keys::token(key).map_or_else(|_| keys::printable(key), |token| token.to_string());
    match key.first() {
        Some(b'd') => {
            keys::database_name(key).map_or_else(|_| keys::printable(key), |name| format!("database '{name}'"))
        }
        Some(b'f') => match (keys::database_number(key), keys::face_identifier(key)) {
            (Ok(number), Ok(identifier)) => format!("face '{identifier}' of database number {number}"),
            _ => keys::printable(key),
        },
        Some(b'i') => match (keys::database_number(key), keys::image_names(key)) {
            (Ok(number), Ok((identifier, label))) => {
                format!("image '{label}' of face '{identifier}' of database number {number}")
            }
            _ => keys::printable(key),
        },
        Some(b'j') => format!("job {}", token()),
        Some(b'r') => format!("the result of job {}", token()),
        Some(b'b') => keys::database_number(key).map_or_else(|_| keys::printable(key), |id| format!("decision {id}")),
        Some(b'u') => keys::database_number(key).map_or_else(|_| keys::printable(key), |id| format!("change {id}")),
        Some(b'h') => match (keys::database_number(key), keys::image_names(key)) {
            (Ok(id), Ok((identifier, label))) => {
                format!("image '{label}' of face '{identifier}' that change {id} has set aside")
            }
            _ => keys::printable(key),
        },
        Some(b't') => format!("the time at which job {} ended", token()),
        Some(b'l') => "the time the store has lived".to_owned(),
        Some(b's' | b'm') => format!("a row of import {}", token()),
        Some(b'c') => format!("the terms of job {}", token()),
        Some(b'k') => keys::idempotency_names(key)
            .map_or_else(|_| keys::printable(key), |(queue, text)| format!("the key '{text}' of {queue}")),
        Some(b'o') => format!("the callback of job {}", token()),
        Some(b'z') => format!("where the audit of job {} is", token()),
        Some(b'y') => format!("that job {} respects decisions", token()),
        _ => format!("record {}", keys::printable(key)),
    }
}

impl<'a> Check<'a> {
    /// Reads first what says how the others are to be taken.
    pub(super) fn new(data: &'a Path, salvage: &Salvage, report: &'a mut Report) -> Self {
        let entries = |prefix: Vec<u8>| salvage.scan(&prefix).flatten().collect::<Vec<_>>();
        let jobs = entries(keys::jobs()).into_iter();
        let jobs = jobs.filter_map(|(key, value)| Some((keys::token(&key).ok()?, decode(&key, &value).ok()?)));
        let forgotten = entries(keys::forgotten()).into_iter().filter_map(|(key, _)| keys::token(&key).ok());
        let named = entries(keys::databases()).into_iter().filter_map(|(key, value)| {
            Some((decode::<DatabaseRecord>(&key, &value).ok()?, keys::database_name(&key).ok()?))
        });
        let cleared = entries(keys::clearances()).into_iter().filter_map(|(key, _)| keys::database_number(&key).ok());
        let rows = Rows::new(data, named, cleared.collect());
        let changes = entries(keys::changes()).into_iter();
        let changes = changes.filter(|(key, value)| decode::<ChangeRecord>(key, value).is_ok());
        let changes = changes.filter_map(|(key, _)| keys::database_number(&key).ok()).collect();
        let decisions = Decisions::new(entries(keys::decisions()).into_iter());
        let (jobs, forgotten): (BTreeMap<_, JobRecord>, _) = (jobs.collect(), forgotten.collect());
        let counts = entries(keys::counts()).into_iter();
        let counted = counts.filter_map(|(key, value)| decode::<Count>(&key, &value).ok());
        let n_rows: u64 = counted.map(|count| count.faces + count.images()).sum();
        let n_of_jobs: u64 = jobs.values().map(|job| 1 + u64::from(job.n_chunks().unwrap_or(0))).sum();
        let (n_expected, pictures) = (n_rows + n_of_jobs, BTreeSet::new());
        let (counts, chunks) = (BTreeMap::new(), BTreeMap::new());
        Self { report, jobs, forgotten, changes, decisions, rows, n_expected, pictures, counts, chunks }
    }

    /// About how many records there are; few are of kinds that nothing counts.
    pub(super) fn n_expected(&self) -> u64 {
        self.n_expected
    }

    /// The row of an image, whose picture is known from now on.
    fn image(&mut self, key: &[u8], value: &[u8]) -> Result<ImageRecord, StoreError> {
        let record: ImageRecord = decode(key, value)?;
        self.pictures.extend(record.picture.map(PictureRecord::path));
        Ok(record)
    }

    /// Looks at one record.
    pub(super) fn take(&mut self, key: &[u8], value: &[u8]) -> Fate {
        let fate = match self.judge(key, value) {
            Ok(fate) => fate,
            Err(error) => {
                let why = match error {
                    StoreError::Damaged { why, .. } => why,
                    error => error.to_string(),
                };
                self.report.give_up(shown(key), why)
            }
        };
        let (n, n_damaged) = self.report.kinds.entry(kind(key)).or_default();
        *n += 1;
        *n_damaged += u64::from(matches!(fate, Fate::Drop(_) | Fate::Replace(..)));
        if keys::is_image(key) && matches!(fate, Fate::Keep | Fate::Replace(..)) {
            self.decisions.stays(key);
        }
        fate
    }

    fn judge(&mut self, key: &[u8], value: &[u8]) -> Result<Fate, StoreError> {
        match key.first() {
            Some(b'v' | b'w') if key.len() == 1 => return Ok(Fate::Remake),
            Some(b'#') => {
                let count = decode(key, value)?;
                self.counts.insert(keys::database_number(key)?, count);
                return Ok(Fate::Remake);
            }
            Some(b'd') => {
                keys::database_name(key)?;
                decode::<DatabaseRecord>(key, value)?;
            }
            Some(b'f') => {
                keys::face_identifier(key)?;
                return self.rows.face(key, &decode::<FaceRecord>(key, value)?, self.report);
            }
            Some(b'i') => {
                let record = self.image(key, value)?;
                keys::image_names(key)?;
                return self.rows.image(key, record, self.report);
            }
            Some(b'j') => self.job(key, &decode(key, value)?)?,
            Some(b'r') => return self.result(key, value),
            Some(b's') => {
                self.image(key, value)?;
                keys::staged_names(key)?;
            }
            Some(b'm') => {
                keys::staged_metadata_identifier(key)?;
                decode::<FaceRecord>(key, value)?;
            }
            Some(b'b') => {
                keys::database_number(key)?;
                return Ok(self.decisions.hold(key, value, decode(key, value)?));
            }
            Some(b'u') => {
                let number = decode::<ChangeRecord>(key, value)?.number;
                keys::database_number(key)?;
                return Ok(self.of_database(key, number));
            }
            Some(b'h') => {
                let record = self.image(key, value)?;
                return self.aside(key, record);
            }
            Some(b'n') => drop(decode::<u64>(key, value)?),
            Some(b'z') => {
                keys::token(key)?;
                decode::<AuditRecord>(key, value)?;
            }
            Some(b'y') => {
                keys::token(key)?;
                decode::<RespectRecord>(key, value)?;
            }
            Some(b'a') => {
                keys::token(key)?;
                decode::<u64>(key, value)?;
            }
            Some(b'e') => {
                keys::token(key)?;
                decode::<ExportMark>(key, value)?;
            }
            Some(b'l') if key.len() == 1 => drop(decode::<Noted>(key, value)?),
            Some(b't') => {
                keys::token(key)?;
                decode::<Lived>(key, value)?;
            }
            Some(b'g') => drop(keys::database_number(key)?),
            Some(b'x') => drop(keys::token(key)?),
            Some(b'p') => drop(self.pictures.insert(pictures::path_of(keys::picture(key)?))),
            Some(b'q') => drop(keys::queue(key)?),
            Some(b'o') => {
                keys::token(key)?;
                decode::<LetterRecord>(key, value)?;
            }
            Some(b'c') => {
                decode::<TermsRecord>(key, value)?;
                return Ok(self.beside_job(key, keys::token(key)?));
            }
            Some(b'k') => {
                keys::idempotency_names(key)?;
                let known: KeyRecord = decode(key, value)?;
                return Ok(self.beside_job(key, Token::from_bytes(known.token)));
            }
            _ => verify(key, value)?,
        }
        Ok(Fate::Keep)
    }

    /// What is kept of a database goes with it.
    fn of_database(&mut self, key: &[u8], number: u64) -> Fate {
        if self.rows.knows(number) {
            return Fate::Keep;
        }
        self.report.give_up(shown(key), "its database is not there".to_owned())
    }

    fn aside(&mut self, key: &[u8], record: ImageRecord) -> Result<Fate, StoreError> {
        let change = keys::database_number(key)?;
        keys::image_names(key)?;
        if self.changes.contains(&change) {
            return Ok(self.rows.aside(key, &shown(key), record, self.report));
        }
        self.report.told.extend(record.picture.map(PictureRecord::path));
        Ok(self.report.give_up(shown(key), "the change that set it aside is not there".to_owned()))
    }

    fn job(&mut self, key: &[u8], record: &JobRecord) -> Result<(), StoreError> {
        let token = keys::token(key)?;
        if record.queue != record.task.queue() {
            let why = format!("its queue is {}, that of its task {}", record.queue, record.task.queue());
            return Err(StoreError::Damaged { key: keys::printable(key), why });
        }
        if !record.life.has_ended() {
            for upload in record.task.uploads() {
                if let Some(why) = self.rows.fault_of_upload(upload) {
                    let what = format!("uploads/{} of job {token}", upload.file);
                    self.report.find(what, why, "the job ends in Error when it runs; ask for it again");
                }
            }
        }
        Ok(())
    }

    /// What goes with a job goes on with it only.
    fn beside_job(&mut self, key: &[u8], token: Token) -> Fate {
        if self.jobs.contains_key(&token) {
            return Fate::Keep;
        }
        self.report.give_up(shown(key), format!("its job {token} is not there"))
    }

    fn result(&mut self, key: &[u8], value: &[u8]) -> Result<Fate, StoreError> {
        let token = keys::token(key)?;
        let Some(job) = self.jobs.get(&token) else {
            if self.forgotten.contains(&token) {
                return Ok(Fate::Keep);
            }
            return Ok(self.report.give_up(shown(key), "its job is not there".to_owned()));
        };
        match job.task {
            Task::Cluster(_) => {
                result::check(key, value)?;
                *self.chunks.entry(token).or_default() += 1;
            }
            _ => match keys::built_names(key)?.2 {
                None => drop(decode::<Count>(key, value)?),
                Some(_) => drop(decode::<ImageStatus>(key, value)?),
            },
        }
        Ok(Fate::Keep)
    }

    /// What was to be judged when all have passed by.
    pub(super) fn held(&mut self) -> Vec<(Entry, Fate)> {
        std::mem::take(&mut self.decisions).judge(&self.rows, self.report)
    }

    /// What can only be said when all have passed by. Faces that are missing and whose images are not are added to `batch`.
    /// Returns the pictures that records know.
    pub(super) fn finish(self, batch: Option<&mut Batch>) -> BTreeSet<String> {
        for (token, job) in &self.jobs {
            let Some(expected) = job.n_chunks() else { continue };
            let found = self.chunks.get(token).copied().unwrap_or(0);
            if found != expected {
                let why = format!("it has {found} of {expected} pieces: whoever asks for it is told so");
                self.report.find(format!("the result of job {token}"), why, "it stays as it is; ask for the job again");
            }
        }
        for (number, counted) in self.rows.finish(batch, self.report) {
            let recorded = self.counts.get(&number).copied().unwrap_or_default();
            if recorded != counted {
                let why = format!("{recorded:?} is recorded, {counted:?} is there");
                self.report.find(format!("the counts of database number {number}"), why, "they are made anew");
            }
        }
        self.pictures
    }
}
