//! The XML of an answer, written element by element (contract R31-R38, R50, R83).
//!
//! **Promises.** Byte for byte the form of R32: nothing between elements, an empty element is `<name/>` except
//! `responsedata`, in text only `&`, `<` and `>` are escaped. Nothing is kept: a result of any length needs no memory.
//!
//! **Why events.** An action says `open`, `text`, `close` and never `<`, so that JSON can be written behind the same
//! calls; which elements are arrays there is decided by their place (R45), not by the action.

use std::borrow::Cow;
use std::fmt::Display;
use std::io::{self, Write};

use quick_xml::Writer;
use quick_xml::escape::partial_escape;
use quick_xml::events::{BytesDecl, BytesEnd, BytesStart, BytesText, Event};

use super::fault::Fault;
use super::service::Outcome;
use super::text::is_xml;

const DECLARATION: &str = "xml version='1.0' encoding='UTF-8' ";
const ROOT: &str = "autnresponse";
const ROOT_WITH_NAMESPACE: &str = "autnresponse xmlns:autn='http://schemas.autonomy.com/aci/'";

/// So many characters of the action are echoed (R33).
const MAX_ACTION: usize = 64;

/// An answer of which it is not yet known whether it will be a success.
pub struct Envelope<'a> {
    xml: Writer<&'a mut dyn Write>,
    declared: bool,
}

impl<'a> Envelope<'a> {
    /// An answer to be written to `out`.
    pub fn new(out: &'a mut dyn Write) -> Self {
        Self { xml: Writer::new(out), declared: false }
    }

    /// Shows a waiting client that the server lives: the first time by the declaration, then by a space (R83).
    pub fn wait(&mut self) -> io::Result<()> {
        if self.declared {
            self.xml.get_mut().write_all(b" ")?;
        } else {
            self.declare()?;
        }
        self.xml.get_mut().flush()
    }

    /// Begins the answer SUCCESS; what follows stands in `responsedata`.
    pub fn begin(self, action: &str) -> io::Result<Answer<'a>> {
        self.open(action, "SUCCESS")
    }

    /// Writes the whole answer ERROR (R50), with the time as [`super::date::error_time`] prints it.
    pub fn refuse(self, action: &str, fault: &Fault, time: &str) -> io::Result<Outcome> {
        let mut answer = self.open(action, "ERROR")?;
        answer.open("error")?;
        answer.text("errorid", &fault.error_id(action))?;
        answer.text("rawerrorid", &fault.raw_error_id())?;
        answer.text("errorstring", fault.code.errorstring())?;
        answer.text("errordescription", &fault.description)?;
        answer.text("errorcode", fault.code.errorcode())?;
        answer.text("errortime", time)?;
        answer.close("error")?;
        answer.finish()?;
        Ok(Outcome::Error(fault.code))
    }

    fn declare(&mut self) -> io::Result<()> {
        self.declared = true;
        let declaration = BytesDecl::from_start(BytesStart::from_content(DECLARATION, "xml".len()));
        self.xml.write_event(Event::Decl(declaration))
    }

    fn open(mut self, action: &str, response: &str) -> io::Result<Answer<'a>> {
        if !self.declared {
            self.declare()?;
        }
        let root = BytesStart::from_content(ROOT_WITH_NAMESPACE, ROOT.len());
        self.xml.write_event(Event::Start(root))?;
        let mut answer = Answer { xml: self.xml, pending: None };
        let echo: String = action.chars().take(MAX_ACTION).map(|c| c.to_ascii_uppercase()).collect();
        answer.text("action", &echo)?;
        answer.text("response", response)?;
        answer.open("responsedata")?;
        answer.settle()?;
        Ok(answer)
    }
}

/// An answer SUCCESS being written, inside `responsedata`.
pub struct Answer<'a> {
    xml: Writer<&'a mut dyn Write>,
    /// An element that was opened and has no content yet.
    pending: Option<&'static str>,
}

impl<'a> Answer<'a> {
    /// Begins the answer SUCCESS to `action`.
    pub fn begin(out: &'a mut dyn Write, action: &str) -> io::Result<Self> {
        Envelope::new(out).begin(action)
    }

    /// Writes the whole answer ERROR to `action`.
    pub fn refuse(out: &'a mut dyn Write, action: &str, fault: &Fault, time: &str) -> io::Result<Outcome> {
        Envelope::new(out).refuse(action, fault, time)
    }

    /// Opens an element that holds elements.
    pub fn open(&mut self, name: &'static str) -> io::Result<()> {
        self.settle()?;
        self.pending = Some(name);
        Ok(())
    }

    /// Closes the element opened last.
    pub fn close(&mut self, name: &'static str) -> io::Result<()> {
        match self.pending.take() {
            Some(opened) => {
                debug_assert_eq!(opened, name, "the element opened last is closed first");
                self.xml.write_event(Event::Empty(BytesStart::new(name)))
            }
            None => self.xml.write_event(Event::End(BytesEnd::new(name))),
        }
    }

    /// An element without content.
    pub fn empty(&mut self, name: &'static str) -> io::Result<()> {
        self.open(name)?;
        self.close(name)
    }

    /// An element that holds text.
    pub fn text(&mut self, name: &'static str, text: &str) -> io::Result<()> {
        self.open(name)?;
        if !text.is_empty() {
            self.settle()?;
            let escaped = partial(text);
            self.xml.write_event(Event::Text(BytesText::from_escaped(escaped)))?;
        }
        self.close(name)
    }

    /// An element that holds a number, a name or the like.
    pub fn value(&mut self, name: &'static str, value: impl Display) -> io::Result<()> {
        self.text(name, &value.to_string())
    }

    /// Ends the answer.
    pub fn finish(mut self) -> io::Result<Outcome> {
        debug_assert!(self.pending.is_none(), "every element is closed");
        self.close("responsedata")?;
        self.xml.write_event(Event::End(BytesEnd::new(ROOT)))?;
        Ok(Outcome::Success)
    }

    /// Writes the start tag that was kept back.
    fn settle(&mut self) -> io::Result<()> {
        match self.pending.take() {
            Some(name) => self.xml.write_event(Event::Start(BytesStart::new(name))),
            None => Ok(()),
        }
    }
}

/// `text` as it stands in XML (R36). A carriage return becomes `&#13;`, because a reader makes a plain one a line feed.
fn partial(text: &str) -> Cow<'_, str> {
    if text.chars().all(is_xml) {
        return partial_escape(text);
    }
    let replaced: String = text.chars().map(|c| if is_xml(c) { c } else { '\u{FFFD}' }).collect();
    Cow::Owned(partial_escape(replaced.as_str()).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str = "<?xml version='1.0' encoding='UTF-8' ?>\
                        <autnresponse xmlns:autn='http://schemas.autonomy.com/aci/'>";

    fn written(write: impl FnOnce(&mut dyn Write) -> io::Result<Outcome>) -> String {
        let mut bytes = Vec::new();
        write(&mut bytes).unwrap();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn r31_r35_an_empty_success_is_a_pair_of_tags() {
        let text = written(|out| Answer::begin(out, "removeFace")?.finish());
        let body =
            "<action>REMOVEFACE</action><response>SUCCESS</response><responsedata></responsedata></autnresponse>";
        assert_eq!(text, format!("{HEAD}{body}"));
    }

    #[test]
    fn r32_r35_elements_follow_each_other_without_blanks() {
        let text = written(|out| {
            let mut answer = Answer::begin(out, "q")?;
            answer.open("actions")?;
            answer.open("action")?;
            answer.text("status", "Queued")?;
            answer.value("time_in_queue", 7)?;
            answer.empty("clusters")?;
            answer.text("value", "")?;
            answer.close("action")?;
            answer.close("actions")?;
            answer.open("none")?;
            answer.close("none")?;
            answer.value("autn:epoch", "1")?;
            answer.finish()
        });
        let data = "<actions><action><status>Queued</status><time_in_queue>7</time_in_queue><clusters/><value/></action>\
                    </actions><none/><autn:epoch>1</autn:epoch>";
        assert!(text.ends_with(&format!("<responsedata>{data}</responsedata></autnresponse>")), "{text}");
    }

    #[test]
    fn r36_only_three_characters_are_escaped_and_what_xml_cannot_carry_is_replaced() {
        let text = written(|out| {
            let mut answer = Answer::begin(out, "q")?;
            answer.text("t", "a'b\"c&d<e>f\u{1}g\u{FFFF}h\u{1F600}\t\né")?;
            answer.finish()
        });
        assert!(text.contains("<t>a'b\"c&amp;d&lt;e&gt;f\u{FFFD}g\u{FFFD}h\u{1F600}\t\né</t>"), "{text}");
    }

    #[test]
    fn r33_the_action_is_echoed_in_upper_case_up_to_64_characters() {
        let text = written(|out| Answer::begin(out, &"aé<".repeat(30))?.finish());
        assert!(text.contains(&format!("<action>{}A</action>", "Aé&lt;".repeat(21))), "{text}");
        assert!(written(|out| Answer::begin(out, "")?.finish()).contains("<action/>"));
    }

    #[test]
    fn r50_an_error_answer_is_byte_exact() {
        let fault = Fault::database_not_found("LFW");
        let text = written(|out| Answer::refuse(out, "RemoveFaceDatabase", &fault, "13 Jan 21 12:08:31"));
        let body = "<action>REMOVEFACEDATABASE</action><response>ERROR</response><responsedata><error>\
                    <errorid>FACECLIQUEREMOVEFACEDATABASE40</errorid><rawerrorid>0x28</rawerrorid>\
                    <errorstring>Database not found</errorstring>\
                    <errordescription>'database=LFW' does not exist</errordescription>\
                    <errorcode>ERRORNOTFOUND</errorcode><errortime>13 Jan 21 12:08:31</errortime>\
                    </error></responsedata></autnresponse>";
        assert_eq!(text, format!("{HEAD}{body}"));
    }

    #[test]
    fn r83_a_waiting_client_gets_the_declaration_and_then_spaces() {
        let text = written(|out| {
            let mut envelope = Envelope::new(out);
            for _ in 0..3 {
                envelope.wait()?;
            }
            envelope.begin("q")?.finish()
        });
        assert!(text.starts_with("<?xml version='1.0' encoding='UTF-8' ?>  <autnresponse "), "{text}");
    }
}
