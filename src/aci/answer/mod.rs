//! An answer, written element by element in the format asked for (contract R28, R31-R38, R44-R47, R50, R83).
//!
//! **Promises.** The same calls give the same document in every format: XML, JSON, and JSON in its simple form. Nothing
//! is kept: a result of any length needs no memory. A character that XML cannot carry is U+FFFD in JSON too, so that
//! all formats say the same (R36).
//!
//! **Why events.** An action says `open`, `text`, `close` and knows no format; which elements are arrays in JSON is
//! decided by their place ([`places`]), not by the action.

mod json;
mod places;
mod xml;

use std::borrow::Cow;
use std::fmt::Display;
use std::io::{self, Write};

use self::json::{Form, Json};
use self::xml::Xml;
use super::fault::Fault;
use super::service::{Media, Outcome, Reply};
use super::text::is_xml;

const ROOT: &str = "autnresponse";

/// The names of what stands in the root.
struct Frame {
    action: &'static str,
    response: &'static str,
    data: &'static str,
}

const FRAME: Frame = Frame { action: "action", response: "response", data: "responsedata" };

/// That of GetStatus on the service port (R154).
const CAPITALS: Frame = Frame { action: "ACTION", response: "RESPONSE", data: "RESPONSEDATA" };

/// So many characters of the action are echoed (R33).
const MAX_ACTION: usize = 64;

/// How an answer is written (R28).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ResponseFormat {
    /// As XML.
    #[default]
    Xml,
    /// As JSON in which a text is `{"$":"text"}` (R44).
    Json,
    /// As JSON in which a text is a string (R47).
    SimpleJson,
}

impl ResponseFormat {
    /// Each with the word that asks for it.
    pub const WORDS: [(&'static str, Self); 3] =
        [("xml", Self::Xml), ("json", Self::Json), ("simplejson", Self::SimpleJson)];

    /// The format of this word, in any letter case.
    pub fn parse(text: &str) -> Option<Self> {
        Self::WORDS.iter().find(|(word, _)| word.eq_ignore_ascii_case(text)).map(|&(_, format)| format)
    }

    /// What such an answer is (R40).
    pub fn media(self) -> Media {
        match self {
            Self::Xml => Media::Xml,
            Self::Json | Self::SimpleJson => Media::Json,
        }
    }
}

/// An answer of which it is not yet known what it will be.
pub struct Envelope<'a> {
    reply: &'a mut dyn Reply,
    format: ResponseFormat,
    /// Whether the client was shown that the server lives; then the format is said.
    has_waited: bool,
}

impl<'a> Envelope<'a> {
    /// An answer to be written to `reply` in this format.
    pub fn new(reply: &'a mut dyn Reply, format: ResponseFormat) -> Self {
        Self { reply, format, has_waited: false }
    }

    /// Shows a waiting client that the server lives: by a space, in XML the first time by the declaration (R83).
    pub fn wait(&mut self) -> io::Result<()> {
        match (self.format, self.has_waited) {
            (ResponseFormat::Xml, false) => self.begin_document()?,
            (_, false) => {
                self.begin_document()?;
                self.reply.write_all(b" ")?;
            }
            (_, true) => self.reply.write_all(b" ")?,
        }
        self.has_waited = true;
        self.reply.flush()
    }

    /// Runs `wait`, which does no work, so that other requests can be answered meanwhile.
    pub fn aside(&mut self, wait: &mut dyn FnMut()) {
        self.reply.aside(wait);
    }

    /// Begins the answer SUCCESS; what follows stands in `responsedata`.
    pub fn begin(mut self, action: &str) -> io::Result<Answer<'a>> {
        if !self.has_waited {
            self.begin_document()?;
        }
        Answer::open_response(self.reply, self.format, &FRAME, action, "SUCCESS")
    }

    /// Writes the whole answer of a server that runs, as the service port says it (R154).
    pub fn running(mut self, action: &str) -> io::Result<Outcome> {
        self.begin_document()?;
        Answer::open_response(self.reply, self.format, &CAPITALS, action, "Running")?.finish()
    }

    /// Writes the whole answer ERROR (R50), with the time as [`super::date::error_time`] prints it.
    pub fn refuse(mut self, action: &str, fault: &Fault, time: &str) -> io::Result<Outcome> {
        if !self.has_waited {
            self.begin_document()?;
        }
        Answer::open_response(self.reply, self.format, &FRAME, action, "ERROR")?.fail(action, fault, time)
    }

    /// An answer that is no document, such as `image/jpeg` (R177): where its bytes are written.
    ///
    /// An error if the client was already told to wait, because then it was told another type too.
    pub fn bytes(self, kind: &str) -> io::Result<&'a mut dyn Write> {
        if self.has_waited {
            return Err(io::Error::other("the answer has begun as a document and cannot become bytes"));
        }
        self.reply.declare(Media::Other(kind.to_owned()));
        Ok(self.reply)
    }

    fn begin_document(&mut self) -> io::Result<()> {
        self.reply.declare(self.format.media());
        declare(&mut self.reply, self.format)
    }
}

/// Writes what stands before the root.
fn declare(out: &mut dyn Write, format: ResponseFormat) -> io::Result<()> {
    match format {
        ResponseFormat::Xml => xml::declare(out),
        ResponseFormat::Json | ResponseFormat::SimpleJson => Ok(()),
    }
}

/// An answer being written, inside `responsedata`.
pub struct Answer<'a> {
    elements: Elements<'a>,
    frame: &'static Frame,
}

/// The elements in their format.
enum Elements<'a> {
    Xml(Xml<'a>),
    Json(Json<'a>),
}

impl<'a> Answer<'a> {
    /// Begins the answer SUCCESS to `action` as a document of its own, without a client: into a file.
    pub fn begin(out: &'a mut dyn Write, format: ResponseFormat, action: &str) -> io::Result<Self> {
        declare(out, format)?;
        Self::open_response(out, format, &FRAME, action, "SUCCESS")
    }

    fn open_response(
        out: &'a mut dyn Write,
        format: ResponseFormat,
        frame: &'static Frame,
        action: &str,
        response: &str,
    ) -> io::Result<Self> {
        let elements = match format {
            ResponseFormat::Xml => Elements::Xml(Xml::begin(out)?),
            ResponseFormat::Json => Elements::Json(Json::begin(out, Form::Full, action)?),
            ResponseFormat::SimpleJson => Elements::Json(Json::begin(out, Form::Simple, action)?),
        };
        let mut answer = Self { elements, frame };
        let echo: String = action.chars().take(MAX_ACTION).map(|c| c.to_ascii_uppercase()).collect();
        answer.text(frame.action, &echo)?;
        answer.text(frame.response, response)?;
        answer.open(frame.data)?;
        Ok(answer)
    }

    /// Opens an element that holds elements. Elements of one repeatable name (R45) stand next to each other.
    pub fn open(&mut self, name: &'static str) -> io::Result<()> {
        match &mut self.elements {
            Elements::Xml(xml) => xml.open(name),
            Elements::Json(json) => json.open(name),
        }
    }

    /// Closes the element opened last.
    pub fn close(&mut self, name: &'static str) -> io::Result<()> {
        match &mut self.elements {
            Elements::Xml(xml) => xml.close(name),
            Elements::Json(json) => json.close(name),
        }
    }

    /// An element that holds elements, and has none.
    pub fn empty(&mut self, name: &'static str) -> io::Result<()> {
        self.open(name)?;
        self.close(name)
    }

    /// An element that holds text, which may be empty.
    pub fn text(&mut self, name: &'static str, text: &str) -> io::Result<()> {
        let text = carried(text);
        match &mut self.elements {
            Elements::Xml(xml) => xml.text(name, &text),
            Elements::Json(json) => json.text(name, &text),
        }
    }

    /// An element that holds a number, a name or the like.
    pub fn value(&mut self, name: &'static str, value: impl Display) -> io::Result<()> {
        self.text(name, &value.to_string())
    }

    /// Ends the answer.
    pub fn finish(self) -> io::Result<Outcome> {
        self.end()?;
        Ok(Outcome::Success)
    }

    /// Writes what went wrong and ends the answer.
    fn fail(mut self, action: &str, fault: &Fault, time: &str) -> io::Result<Outcome> {
        self.open("error")?;
        self.text("errorid", &fault.error_id(action))?;
        self.text("rawerrorid", &fault.raw_error_id())?;
        self.text("errorstring", fault.code.errorstring())?;
        self.text("errordescription", &fault.description)?;
        self.text("errorcode", fault.code.errorcode())?;
        self.text("errortime", time)?;
        self.close("error")?;
        self.end()?;
        Ok(Outcome::Error(fault.code))
    }

    fn end(mut self) -> io::Result<()> {
        self.close(self.frame.data)?;
        match self.elements {
            Elements::Xml(xml) => xml.finish(),
            Elements::Json(json) => json.finish(),
        }
    }
}

/// `text` with U+FFFD for every character that XML cannot carry (R36).
fn carried(text: &str) -> Cow<'_, str> {
    if text.chars().all(is_xml) {
        return Cow::Borrowed(text);
    }
    Cow::Owned(text.chars().map(|c| if is_xml(c) { c } else { '\u{FFFD}' }).collect())
}

#[cfg(test)]
mod tests;
