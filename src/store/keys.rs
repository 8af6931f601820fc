//! Where each kind of record is: the first byte says the kind, then the names. The order of keys is image order.
//!
//! | first byte | key | record |
//! |---|---|---|
//! | `v` | nothing | format version |
//! | `w` | nothing | the number of the last sync (`witness`) |
//! | `d` | database name | `DatabaseRecord` |
//! | `f` | database number, identifier | `FaceRecord` |
//! | `i` | database number, identifier, 0, label | `ImageRecord` |
//! | `j` | token | `JobRecord` |
//! | `r` | token, chunk number | a piece of a job's result |
//! | `r` | token, database name, 0, identifier, 0 | `Count`: a face that the job has built |
//! | `r` | token, database name, 0, identifier, 0, label | `ImageStatus`: an image that the job has tried |
//! | `s` | token, identifier, 0, label | an image of an import that is not committed yet |
//! | `m` | token, identifier | metadata of an identity of such an import |
//! | `a` | token | database number: an import is committed and to be applied |
//! | `g` | database number | rows without a name are to be cleared: with their pictures, or if it says so without |
//! | `q` | queue name | a queue is paused |
//! | `#` | database number | how many faces and images it has |
//! | `x` | token | a job is forgotten and its result is to be cleared |
//! | `p` | picture | no row refers to the file of this picture: it is being written, or to be removed |
//! | `c` | token | `TermsRecord`: what was agreed on with a job besides its task |
//! | `k` | queue name, 0, idempotency key | `KeyRecord`: the job that was submitted with it |
//! | `o` | token | `LetterRecord`: the end of a job is still to be told |
//! | `l` | nothing | `Noted`: the time the store has lived, and what the clock said then |
//! | `t` | token | `Lived`: when a job that has ended did so, in that time |
//! | `e` | token | `ExportMark`: the file of an export is whole and about to appear |
//! | `n` | nothing | the number given last to a decision or a change |
//! | `b` | number | `DecisionRecord`: what somebody has decided of faces or images |
//! | `u` | number | `ChangeRecord`: a change that can be undone |
//! | `h` | number of a change, identifier, 0, label | an image that the change has set aside |
//! | `y` | token | `RespectRecord`: a clustering respects decisions, and how many it did |
//! | `z` | token | `AuditRecord`: a clustering is audited, and where in its result the findings are |
//!
//! Numbers are big-endian, names are as they are: they hold no byte 0 (contract R13), so that the separator sorts
//! before every continuation and the order is that of (identifier, label), each byte by byte.

mod agreed;

use std::fmt::Write as _;

use super::StoreError;
use crate::face::{DatabaseName, Identifier, ImageLabel};
use crate::job::{Queue, Token};

pub use agreed::{all_terms, idempotency, idempotency_names, letter, letters, terms};

fn key(kind: u8, parts: &[&[u8]]) -> Vec<u8> {
    let mut key = Vec::with_capacity(1 + parts.iter().map(|p| p.len()).sum::<usize>());
    key.push(kind);
    for part in parts {
        key.extend_from_slice(part);
    }
    key
}

/// The format version.
pub fn version() -> Vec<u8> {
    key(b'v', &[])
}

/// The number of the last sync.
pub fn last_sync() -> Vec<u8> {
    key(b'w', &[])
}

/// All databases.
pub fn databases() -> Vec<u8> {
    key(b'd', &[])
}

/// One database.
pub fn database(name: &DatabaseName) -> Vec<u8> {
    key(b'd', &[name.as_str().as_bytes()])
}

/// The name in the key of a database.
pub fn database_name(key: &[u8]) -> Result<DatabaseName, StoreError> {
    key.get(1..).and_then(text).and_then(|name| DatabaseName::new(name).ok()).ok_or_else(|| damaged(key))
}

/// All faces of a database.
pub fn faces(database: u64) -> Vec<u8> {
    key(b'f', &[&database.to_be_bytes()])
}

/// One face.
pub fn face(database: u64, identifier: &Identifier) -> Vec<u8> {
    key(b'f', &[&database.to_be_bytes(), identifier.as_str().as_bytes()])
}

/// The identifier in the key of a face.
pub fn face_identifier(key: &[u8]) -> Result<Identifier, StoreError> {
    key.get(9..).and_then(text).and_then(|name| Identifier::new(name).ok()).ok_or_else(|| damaged(key))
}

/// All images of a database.
pub fn images(database: u64) -> Vec<u8> {
    key(b'i', &[&database.to_be_bytes()])
}

/// All images of a face.
pub fn images_of(database: u64, identifier: &Identifier) -> Vec<u8> {
    key(b'i', &[&database.to_be_bytes(), identifier.as_str().as_bytes(), b"\0"])
}

/// One image.
pub fn image(database: u64, identifier: &Identifier, label: &ImageLabel) -> Vec<u8> {
    key(b'i', &[&database.to_be_bytes(), identifier.as_str().as_bytes(), b"\0", label.as_str().as_bytes()])
}

/// The identifier and label in the key of an image, be it set aside.
pub fn image_names(key: &[u8]) -> Result<(Identifier, ImageLabel), StoreError> {
    key.get(9..).and_then(names).ok_or_else(|| damaged(key))
}

fn names(bytes: &[u8]) -> Option<(Identifier, ImageLabel)> {
    let (identifier, label) = std::str::from_utf8(bytes).ok()?.split_once('\0')?;
    Some((Identifier::new(identifier).ok()?, ImageLabel::new(label).ok()?))
}

fn text(bytes: &[u8]) -> Option<&str> {
    std::str::from_utf8(bytes).ok()
}

fn damaged(key: &[u8]) -> StoreError {
    StoreError::Damaged { key: printable(key), why: "the key itself is not what was written".to_owned() }
}

/// Whether it is the key of a face.
pub fn is_face(key: &[u8]) -> bool {
    key.first() == Some(&b'f')
}

/// Whether it is the key of an image.
pub fn is_image(key: &[u8]) -> bool {
    key.first() == Some(&b'i')
}

/// The counts of all databases.
pub fn counts() -> Vec<u8> {
    key(b'#', &[])
}

/// The counts of one database.
pub fn count(database: u64) -> Vec<u8> {
    key(b'#', &[&database.to_be_bytes()])
}

/// All jobs.
pub fn jobs() -> Vec<u8> {
    key(b'j', &[])
}

/// One job.
pub fn job(token: Token) -> Vec<u8> {
    key(b'j', &[&token.to_bytes()])
}

/// The result of a job, all its chunks.
pub fn result(token: Token) -> Vec<u8> {
    key(b'r', &[&token.to_bytes()])
}

/// One chunk of a result.
pub fn result_chunk(token: Token, number: u32) -> Vec<u8> {
    key(b'r', &[&token.to_bytes(), &number.to_be_bytes()])
}

/// A face that a job has built.
pub fn built_face(token: Token, database: &DatabaseName, identifier: &Identifier) -> Vec<u8> {
    let (database, identifier) = (database.as_str().as_bytes(), identifier.as_str().as_bytes());
    key(b'r', &[&token.to_bytes(), database, b"\0", identifier, b"\0"])
}

/// An image that a job has tried; behind its face, in image order.
pub fn tried_image(token: Token, database: &DatabaseName, identifier: &Identifier, label: &ImageLabel) -> Vec<u8> {
    let mut key = built_face(token, database, identifier);
    key.extend_from_slice(label.as_str().as_bytes());
    key
}

/// The names in the key of a face that was built, or of an image that was tried.
pub fn built_names(key: &[u8]) -> Result<(DatabaseName, Identifier, Option<ImageLabel>), StoreError> {
    let names = || {
        let (database, rest) = text(key.get(17..)?)?.split_once('\0')?;
        let (identifier, label) = rest.split_once('\0')?;
        let label = if label.is_empty() { None } else { Some(ImageLabel::new(label).ok()?) };
        Some((DatabaseName::new(database).ok()?, Identifier::new(identifier).ok()?, label))
    };
    names().ok_or_else(|| damaged(key))
}

/// All staged images of an import.
pub fn staged(token: Token) -> Vec<u8> {
    key(b's', &[&token.to_bytes()])
}

/// All staged images of all imports.
pub fn all_staged() -> Vec<u8> {
    key(b's', &[])
}

/// One staged image.
pub fn staged_image(token: Token, identifier: &Identifier, label: &ImageLabel) -> Vec<u8> {
    key(b's', &[&token.to_bytes(), identifier.as_str().as_bytes(), b"\0", label.as_str().as_bytes()])
}

/// All staged images of one identity.
pub fn staged_images_of(token: Token, identifier: &Identifier) -> Vec<u8> {
    key(b's', &[&token.to_bytes(), identifier.as_str().as_bytes(), b"\0"])
}

/// The identifier and label in the key of a staged image.
pub fn staged_names(key: &[u8]) -> Result<(Identifier, ImageLabel), StoreError> {
    key.get(17..).and_then(names).ok_or_else(|| damaged(key))
}

/// All staged metadata of an import.
pub fn staged_metadata(token: Token) -> Vec<u8> {
    key(b'm', &[&token.to_bytes()])
}

/// All staged metadata of all imports.
pub fn all_staged_metadata() -> Vec<u8> {
    key(b'm', &[])
}

/// The staged metadata of one identity.
pub fn staged_metadata_of(token: Token, identifier: &Identifier) -> Vec<u8> {
    key(b'm', &[&token.to_bytes(), identifier.as_str().as_bytes()])
}

/// The identifier in the key of staged metadata.
pub fn staged_metadata_identifier(key: &[u8]) -> Result<Identifier, StoreError> {
    key.get(17..).and_then(text).and_then(|name| Identifier::new(name).ok()).ok_or_else(|| damaged(key))
}

/// All imports to be applied.
pub fn applications() -> Vec<u8> {
    key(b'a', &[])
}

/// The import to be applied.
pub fn application(token: Token) -> Vec<u8> {
    key(b'a', &[&token.to_bytes()])
}

/// All removed databases whose rows are to be cleared.
pub fn clearances() -> Vec<u8> {
    key(b'g', &[])
}

/// A removed database.
pub fn clearance(database: u64) -> Vec<u8> {
    key(b'g', &[&database.to_be_bytes()])
}

/// All paused queues.
pub fn paused_queues() -> Vec<u8> {
    key(b'q', &[])
}

/// A paused queue.
pub fn paused_queue(queue: Queue) -> Vec<u8> {
    key(b'q', &[queue.name().as_bytes()])
}

/// The queue in the key of a paused one.
pub fn queue(key: &[u8]) -> Result<Queue, StoreError> {
    key.get(1..).and_then(text).and_then(Queue::parse).ok_or_else(|| damaged(key))
}

/// All results to be cleared.
pub fn forgotten() -> Vec<u8> {
    key(b'x', &[])
}

/// The result to be cleared.
pub fn forgotten_job(token: Token) -> Vec<u8> {
    key(b'x', &[&token.to_bytes()])
}

/// All pictures that no row refers to.
pub fn loose_pictures() -> Vec<u8> {
    key(b'p', &[])
}

/// A picture that no row refers to.
pub fn loose_picture(picture: [u8; 16]) -> Vec<u8> {
    key(b'p', &[&picture])
}

/// The picture in such a key.
pub fn picture(key: &[u8]) -> Result<[u8; 16], StoreError> {
    key.get(1..17).filter(|_| key.len() == 17).and_then(|bytes| bytes.try_into().ok()).ok_or_else(|| damaged(key))
}

/// All exports whose file is about to appear.
pub fn exports() -> Vec<u8> {
    key(b'e', &[])
}

/// An export whose file is about to appear.
pub fn export(token: Token) -> Vec<u8> {
    key(b'e', &[&token.to_bytes()])
}

/// The number given last to a decision or a change.
pub fn last_number() -> Vec<u8> {
    key(b'n', &[])
}

/// All decisions.
pub fn decisions() -> Vec<u8> {
    key(b'b', &[])
}

/// One decision.
pub fn decision(number: u64) -> Vec<u8> {
    key(b'b', &[&number.to_be_bytes()])
}

/// All changes that can be undone.
pub fn changes() -> Vec<u8> {
    key(b'u', &[])
}

/// One of them.
pub fn change(number: u64) -> Vec<u8> {
    key(b'u', &[&number.to_be_bytes()])
}

/// An image that a change has set aside.
pub fn aside_image(change: u64, identifier: &Identifier, label: &ImageLabel) -> Vec<u8> {
    key(b'h', &[&change.to_be_bytes(), identifier.as_str().as_bytes(), b"\0", label.as_str().as_bytes()])
}

/// All images that a change has set aside.
pub fn aside_images(change: u64) -> Vec<u8> {
    key(b'h', &[&change.to_be_bytes()])
}

/// That a clustering is audited.
pub fn audit(token: Token) -> Vec<u8> {
    key(b'z', &[&token.to_bytes()])
}

/// That a clustering respects decisions.
pub fn respect(token: Token) -> Vec<u8> {
    key(b'y', &[&token.to_bytes()])
}

/// The time the store has lived.
pub fn lived() -> Vec<u8> {
    key(b'l', &[])
}

/// The ends of all jobs.
pub fn all_ends() -> Vec<u8> {
    key(b't', &[])
}

/// The end of a job.
pub fn end(token: Token) -> Vec<u8> {
    key(b't', &[&token.to_bytes()])
}

/// The token in the key of a job, result or staged record.
pub fn token(key: &[u8]) -> Result<Token, StoreError> {
    let bytes = key.get(1..17).and_then(|bytes| bytes.try_into().ok());
    bytes.map(Token::from_bytes).ok_or_else(|| damaged(key))
}

/// The number in the key of a database's row, counts or clearance, of a decision or of a change.
pub fn database_number(key: &[u8]) -> Result<u64, StoreError> {
    let bytes = key.get(1..9).and_then(|bytes| bytes.try_into().ok());
    bytes.map(u64::from_be_bytes).ok_or_else(|| damaged(key))
}

/// A key for a message: its kind, then printable bytes as they are and others in hexadecimal.
pub fn printable(key: &[u8]) -> String {
    key.iter().fold(String::new(), |mut text, &byte| {
        if byte.is_ascii_graphic() {
            text.push(char::from(byte));
        } else {
            let _ = write!(text, "\\x{byte:02x}"); // writing to a String cannot fail
        }
        text
    })
}

#[cfg(test)]
mod tests;
