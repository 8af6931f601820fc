//! Elements as XML (contract R31-R36).
//!
//! **Promises.** Byte for byte the form of R32: nothing between elements, an empty element is `<name/>` except
//! `responsedata`, in text only `&`, `<` and `>` are escaped.

use std::io::{self, Write};

use quick_xml::Writer;
use quick_xml::escape::partial_escape;
use quick_xml::events::{BytesDecl, BytesEnd, BytesStart, BytesText, Event};

use super::{CAPITALS, FRAME, ROOT};

const DECLARATION: &str = "xml version='1.0' encoding='UTF-8' ";
const ROOT_WITH_NAMESPACE: &str = "autnresponse xmlns:autn='http://schemas.autonomy.com/aci/'";

/// Writes the declaration, with which a document begins.
pub(super) fn declare(out: &mut dyn Write) -> io::Result<()> {
    let declaration = BytesDecl::from_start(BytesStart::from_content(DECLARATION, "xml".len()));
    Writer::new(out).write_event(Event::Decl(declaration))
}

/// The elements of a document, behind its declaration.
pub(super) struct Xml<'a> {
    out: Writer<&'a mut dyn Write>,
    /// An element that was opened and has no content yet.
    pending: Option<&'static str>,
}

impl<'a> Xml<'a> {
    /// Writes the start tag of the root.
    pub(super) fn begin(out: &'a mut dyn Write) -> io::Result<Self> {
        let mut out = Writer::new(out);
        out.write_event(Event::Start(BytesStart::from_content(ROOT_WITH_NAMESPACE, ROOT.len())))?;
        Ok(Self { out, pending: None })
    }

    pub(super) fn open(&mut self, name: &'static str) -> io::Result<()> {
        self.settle()?;
        self.pending = Some(name);
        Ok(())
    }

    pub(super) fn close(&mut self, name: &'static str) -> io::Result<()> {
        if self.pending.is_none() || [FRAME.data, CAPITALS.data].contains(&name) {
            self.settle()?;
            return self.out.write_event(Event::End(BytesEnd::new(name)));
        }
        self.pending = None;
        self.out.write_event(Event::Empty(BytesStart::new(name)))
    }

    /// An element with this text, of characters that XML can carry. A carriage return is written `&#13;`, because a
    /// reader makes a plain one a line feed.
    pub(super) fn text(&mut self, name: &'static str, text: &str) -> io::Result<()> {
        self.open(name)?;
        if !text.is_empty() {
            self.settle()?;
            self.out.write_event(Event::Text(BytesText::from_escaped(partial_escape(text))))?;
        }
        self.close(name)
    }

    /// Writes the end tag of the root.
    pub(super) fn finish(mut self) -> io::Result<()> {
        self.close(ROOT)
    }

    /// Writes the start tag that was kept back.
    fn settle(&mut self) -> io::Result<()> {
        match self.pending.take() {
            Some(name) => self.out.write_event(Event::Start(BytesStart::new(name))),
            None => Ok(()),
        }
    }
}
