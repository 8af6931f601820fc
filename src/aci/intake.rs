//! Collecting the parts of a request under its limits, whatever form they come in.
//!
//! **Promises.** A limit is judged with every piece that arrives, not at the end; what is in memory is bounded by
//! [`Limits`], whatever the client sends.
//!
//! **Not here.** Taking a body apart: `form` for urlencoded text, `http` for multipart.

use std::io;
use std::sync::Arc;

use super::answer::ResponseFormat;
use super::budget::Share;
use super::fault::Fault;
use super::limits::Limits;
use super::request::{Kind, Part, Request, Value, canonical};
use super::text;
use super::upload::{Receiving, Spool};

/// Text of a request that does not count against the memory of all requests, so that small ones are always answered.
const FREE_TEXT: usize = 64 << 10;

/// What a part takes besides its name and value, at most.
const BYTES_PER_PART: usize = 128;

/// The parts received so far, and the one being received.
#[derive(Debug)]
pub struct Intake {
    limits: Arc<Limits>,
    spool: Spool,
    parts: Vec<Part>,
    /// Parts begun.
    count: usize,
    /// Bytes of all names, texts and types.
    text: usize,
    /// The same with what comes with each part.
    memory: usize,
    /// What they have of the memory of all requests.
    share: Share,
    current: Option<Current>,
}

/// The memory that a request has of that of all requests, until this is dropped.
#[derive(Debug)]
pub(crate) struct Held(#[expect(dead_code, reason = "held, never read")] [Share; 2]);

#[derive(Debug)]
struct Current {
    name: String,
    value: Incoming,
}

#[derive(Debug)]
enum Incoming {
    Text { bytes: Vec<u8>, characters: usize },
    Upload { receiving: Receiving, kind: Kind, content_type: Option<String> },
}

impl Intake {
    /// Nothing received yet.
    pub fn new(limits: Arc<Limits>) -> Self {
        let spool = Spool::new(Arc::clone(&limits));
        let share = limits.request_memory.share();
        Self { limits, spool, parts: Vec::new(), count: 0, text: 0, memory: 0, share, current: None }
    }

    /// The limits it works under.
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Begins a part; the one before it has ended.
    pub fn begin(&mut self, name: Vec<u8>, content_type: Option<String>) -> Result<(), Fault> {
        debug_assert!(self.current.is_none(), "the part before has ended");
        self.count += 1;
        if self.count > self.limits.max_parts {
            let what = "the request has more parameters or parts than are taken";
            return Err(Fault::too_large(what, self.limits.max_parts, "MaxParts"));
        }
        self.grow_text(name.len() + content_type.as_ref().map_or(0, String::len))?;
        self.grow_memory(BYTES_PER_PART)?;
        let name = canonical(&text::checked(name, "the name of a parameter")?);
        let value = match Kind::of(&name) {
            Kind::Text => Incoming::Text { bytes: Vec::new(), characters: 0 },
            kind => {
                let receiving = match kind {
                    Kind::File if self.parts.iter().any(|part| part.name == name) => {
                        // Refused here, not in its turn: each would be a file on disk.
                        return Err(Fault::given_twice(&name));
                    }
                    Kind::File => Receiving::File { file: None, len: 0 },
                    Kind::Text | Kind::Picture => Receiving::Memory(Vec::new()),
                };
                Incoming::Upload { receiving, kind, content_type }
            }
        };
        self.current = Some(Current { name, value });
        Ok(())
    }

    /// Adds decoded bytes to the part being received.
    ///
    /// # Panics
    /// If no part was begun.
    pub fn push(&mut self, piece: &[u8]) -> Result<(), Fault> {
        let Current { name, value } = self.current.as_mut().expect("a part was begun");
        match value {
            Incoming::Text { bytes, characters } => {
                bytes.extend_from_slice(piece);
                *characters += piece.iter().filter(|&&byte| byte & 0xC0 != 0x80).count();
                let limit = self.limits.max_input_string;
                if *characters > limit || bytes.len() > limit.saturating_mul(4) {
                    let what = format!("the value of '{}' has too many characters", text::cut(name));
                    return Err(Fault::too_large(&what, limit, "MaxInputString"));
                }
                self.grow_text(piece.len())
            }
            Incoming::Upload { receiving, kind, .. } => {
                let limit = self.limits.max_file_upload_size;
                if *kind == Kind::Picture && receiving.len() + piece.len() as u64 > limit {
                    let what = format!("an upload in '{name}' has too many bytes");
                    return Err(Fault::too_large(&what, limit, "MaxFileUploadSize"));
                }
                self.spool.write(receiving, piece).map_err(|error| storage(&error))
            }
        }
    }

    /// Ends the part being received.
    ///
    /// # Panics
    /// If no part was begun.
    pub fn end(&mut self) -> Result<(), Fault> {
        let Current { name, value } = self.current.take().expect("a part was begun");
        let value = match value {
            Incoming::Text { bytes, .. } => {
                let what = format!("the value of '{}'", text::cut(&name));
                Value::Text(text::checked(bytes, &what)?)
            }
            Incoming::Upload { receiving, content_type, .. } => {
                Value::Upload(self.spool.finish(receiving, content_type))
            }
        };
        self.parts.push(Part { name, value });
        Ok(())
    }

    /// Whether the part being received is written to disk, so that adding to it may take its time.
    pub fn is_on_disk(&self) -> bool {
        match &self.current {
            Some(Current { value: Incoming::Upload { receiving, .. }, .. }) => {
                !matches!(receiving, Receiving::Memory(_))
            }
            _ => false,
        }
    }

    /// The action as far as it is known: as given, empty if none was.
    pub fn action(&self) -> &str {
        super::request::action(&self.parts)
    }

    /// The format asked for as far as it is known; until then XML (R28).
    pub fn format(&self) -> ResponseFormat {
        super::request::format(&self.parts)
    }

    /// Everything received, without its hold on the memory of all requests.
    pub fn finish(self) -> Vec<Part> {
        self.parts
    }

    /// The request that was received; its memory counts until it is dropped.
    pub fn request(self) -> Result<Request, Fault> {
        let request = Request::new(self.parts)?;
        Ok(request.holding(Held([self.share, self.spool.into_share()])))
    }

    fn grow_text(&mut self, bytes: usize) -> Result<(), Fault> {
        self.text += bytes;
        if self.text > self.limits.max_request_text {
            let what = "the names and values of the request have too many bytes together";
            return Err(Fault::too_large(what, self.limits.max_request_text, "MaxRequestText"));
        }
        self.grow_memory(bytes)
    }

    fn grow_memory(&mut self, bytes: usize) -> Result<(), Fault> {
        self.memory += bytes;
        let counted = bytes.min(self.memory.saturating_sub(FREE_TEXT));
        if !self.share.take(counted) {
            let what = "the requests at hand have too many bytes in memory together; try again later";
            return Err(Fault::too_large(what, self.limits.request_memory.size(), "MaxRequestMemory"));
        }
        Ok(())
    }
}

/// Error 70, with the reason in the log.
fn storage(error: &io::Error) -> Fault {
    tracing::error!(%error, "an upload cannot be received");
    if error.kind() == io::ErrorKind::StorageFull || error.raw_os_error().is_some() {
        return Fault::new(super::Code::Storage, format!("the upload cannot be received: {error}"));
    }
    Fault::storage()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aci::budget::Budget;
    use crate::aci::upload::Content;

    fn intake(change: impl FnOnce(&mut Limits)) -> Intake {
        let mut limits = Limits { max_input_string: 5, max_file_upload_size: 8, max_parts: 3, ..Limits::default() };
        change(&mut limits);
        Intake::new(Arc::new(limits))
    }

    fn part(intake: &mut Intake, name: &str, pieces: &[&[u8]]) -> Result<(), Fault> {
        intake.begin(name.into(), None)?;
        pieces.iter().try_for_each(|piece| intake.push(piece))?;
        intake.end()
    }

    #[test]
    fn requests_at_hand_share_a_memory_and_beyond_it_uploads_go_to_disk_and_text_is_refused() {
        let limits = Arc::new(Limits { request_memory: Budget::new(20_000), ..Limits::default() });
        let [mut one, mut other, mut third] = [(); 3].map(|()| Intake::new(Arc::clone(&limits)));
        let text = vec![b'x'; 60_000];
        assert_eq!(part(&mut one, "x", &[&text]).and_then(|()| part(&mut one, "y", &[&text[..17_000]])), Ok(()));
        assert_eq!(part(&mut other, "imagedata", &[&[0; 8], &[1; 4]]), Ok(()), "less than half is left");
        let Value::Upload(upload) = &other.parts[0].value else { panic!("an upload") };
        assert!(matches!(upload.content(), Content::Spooled(_)), "{upload:?}");
        assert_eq!(part(&mut third, "x", &[&text]), Ok(()), "what every request may have");
        let fault = part(&mut third, "y", &[&text[..17_000]]).unwrap_err();
        assert!(fault.description.ends_with("more than the limit of 20000 (setting MaxRequestMemory)"), "{fault}");
        let request = one.request().unwrap();
        let mut fourth = Intake::new(Arc::clone(&limits));
        assert_eq!(part(&mut fourth, "x", &[&text]), Ok(()));
        assert!(part(&mut fourth, "y", &[&text[..17_000]]).is_err(), "held by the request");
        drop((request, other, third));
        let mut fifth = Intake::new(limits);
        assert_eq!(part(&mut fifth, "x", &[&text]).and_then(|()| part(&mut fifth, "y", &[&text[..17_000]])), Ok(()));
    }

    #[test]
    fn the_types_of_parts_count_as_text() {
        let mut intake = intake(|limits| limits.max_request_text = 1_000);
        let fault = intake.begin(b"imagedata".to_vec(), Some("x".repeat(1_000))).unwrap_err();
        assert!(fault.description.ends_with("(setting MaxRequestText)"), "{fault}");
    }

    #[test]
    fn r156_a_text_is_limited_in_characters_and_an_upload_in_bytes() {
        assert_eq!(part(&mut intake(|_| ()), "x", &["ééééé".as_bytes()]), Ok(()));
        let fault = part(&mut intake(|_| ()), "x", &[b"abc", b"def"]).unwrap_err();
        assert_eq!(
            fault.description,
            "the value of 'x' has too many characters, more than the limit of 5 (setting MaxInputString)"
        );
        assert_eq!(fault.code.number(), 20);
        assert!(part(&mut intake(|_| ()), "x", &[&[0x80; 21]]).unwrap_err().description.contains("MaxInputString"));
        assert_eq!(part(&mut intake(|_| ()), "ImageData", &[&[0; 8]]), Ok(()));
        let fault = part(&mut intake(|_| ()), "embedding", &[&[0; 8], &[0]]).unwrap_err();
        assert!(fault.description.ends_with("more than the limit of 8 (setting MaxFileUploadSize)"), "{fault}");
    }

    #[test]
    fn r156_parts_are_limited_and_so_is_their_text_together() {
        let mut some = intake(|_| ());
        for name in ["a", "b", "c"] {
            part(&mut some, name, &[b"x"]).unwrap();
        }
        assert!(part(&mut some, "d", &[]).unwrap_err().description.contains("MaxParts"));
        let mut long = intake(|limits| limits.max_request_text = 6);
        part(&mut long, "aa", &[b"xxx"]).unwrap();
        assert!(part(&mut long, "b", &[b"x"]).unwrap_err().description.contains("MaxRequestText"));
    }

    #[test]
    fn r156_an_import_file_is_not_limited_by_the_upload_size() {
        let directory = tempfile::tempdir().unwrap();
        let mut intake = intake(|limits| limits.spool_directory = directory.path().to_owned());
        part(&mut intake, "DBData", &[&[7; 100]]).unwrap();
        let parts = intake.finish();
        let Value::Upload(upload) = &parts[0].value else { panic!("not an upload") };
        assert_eq!((parts[0].name.as_str(), upload.len()), ("dbdata", 100));
    }

    #[test]
    fn r8_a_second_import_file_is_refused_before_it_is_written() {
        let directory = tempfile::tempdir().unwrap();
        let mut intake = intake(|limits| limits.spool_directory = directory.path().to_owned());
        part(&mut intake, "ids", &[b"x"]).unwrap();
        assert_eq!(part(&mut intake, "IDs", &[b"x"]), Err(Fault::given_twice("ids")));
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 1);
    }
}
