//! Where it is kept what was agreed on with a job besides its task.

use super::{damaged, key, text};
use crate::job::{Queue, Token};
use crate::store::StoreError;

/// What was agreed on with all jobs.
pub fn all_terms() -> Vec<u8> {
    key(b'c', &[])
}

/// What was agreed on with a job.
pub fn terms(token: Token) -> Vec<u8> {
    key(b'c', &[&token.to_bytes()])
}

/// The job that was submitted to a queue with this idempotency key.
pub fn idempotency(queue: Queue, text: &str) -> Vec<u8> {
    key(b'k', &[queue.name().as_bytes(), b"\0", text.as_bytes()])
}

/// The queue and the text in the key of such a job.
pub fn idempotency_names(key: &[u8]) -> Result<(Queue, &str), StoreError> {
    let names = key.get(1..).and_then(text).and_then(|names| names.split_once('\0'));
    names.and_then(|(queue, text)| Some((Queue::parse(queue)?, text))).ok_or_else(|| damaged(key))
}

/// All ends of jobs that are still to be told.
pub fn letters() -> Vec<u8> {
    key(b'o', &[])
}

/// The end of a job that is still to be told.
pub fn letter(token: Token) -> Vec<u8> {
    key(b'o', &[&token.to_bytes()])
}
