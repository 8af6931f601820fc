//! Urlencoded text taken apart as it comes: request targets and bodies (contract R1, R2, R11, R12, R26).
//!
//! **Promises.** The same text gives the same parts however it is cut into pieces.
//!
//! **Why a stream.** A body may hold hundreds of images as base64; only the one being read is in memory.

use super::base64::{Alphabet, Base64, NotBase64};
use super::fault::Fault;
use super::intake::Intake;
use super::request::{Kind, canonical};
use super::text::cut;

/// Reads the parameters of a request target, path and query, into `intake`.
pub fn read_target(target: &str, intake: &mut Intake) -> Result<(), Fault> {
    let query = target.find('?');
    let path = &target[..query.unwrap_or(target.len())];
    if let Some(start) = path_form(path) {
        let mut form = Form { separators: b"&?", ..Form::new() };
        form.push(&target.as_bytes()[start..], intake)?;
        return form.finish(intake);
    }
    let mut form = Form::new();
    form.push(query.map_or("", |at| &target[at + 1..]).as_bytes(), intake)?;
    form.finish(intake)
}

/// Where the parameters of the path form begin: behind the slash of the first `/action=` or `/a=`.
fn path_form(path: &str) -> Option<usize> {
    let starts = |rest: &str, name: &str| rest.get(..name.len()).is_some_and(|start| start.eq_ignore_ascii_case(name));
    path.match_indices('/')
        .map(|(at, _)| at + 1)
        .find(|&at| starts(&path[at..], "action=") || starts(&path[at..], "a="))
}

/// Urlencoded text between two pieces of it.
#[derive(Debug)]
pub struct Form {
    separators: &'static [u8],
    place: Place,
    escape: Escape,
    /// Decoded bytes of the name, or of the value as far as they were not yet handed on.
    run: Vec<u8>,
}

#[derive(Debug)]
enum Place {
    Name,
    /// Inside the text of the parameter `name`.
    Text {
        name: String,
    },
    /// Inside a base64 value of the parameter `name`.
    Base64 {
        name: String,
        decoder: Base64,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Escape {
    None,
    Percent,
    High(u8),
}

impl Form {
    /// At the beginning of a body.
    pub fn new() -> Self {
        Self { separators: b"&", place: Place::Name, escape: Escape::None, run: Vec::new() }
    }

    /// Reads a piece.
    pub fn push(&mut self, piece: &[u8], intake: &mut Intake) -> Result<(), Fault> {
        for &byte in piece {
            match (self.escape, byte) {
                (Escape::Percent, _) => self.escape = Escape::High(self.hex(byte)?),
                (Escape::High(high), _) => {
                    let low = self.hex(byte)?;
                    self.escape = Escape::None;
                    self.decoded(high << 4 | low, intake)?;
                }
                (Escape::None, b'%') => self.escape = Escape::Percent,
                (Escape::None, b'+') => self.decoded(b' ', intake)?,
                (Escape::None, b'=') if matches!(self.place, Place::Name) => self.begin_value(intake)?,
                (Escape::None, separator) if self.separators.contains(&separator) => self.end_pair(intake)?,
                (Escape::None, other) => self.decoded(other, intake)?,
            }
        }
        self.hand_on(intake)
    }

    /// Reads the end of the text.
    pub fn finish(mut self, intake: &mut Intake) -> Result<(), Fault> {
        if self.escape != Escape::None {
            return Err(self.bad_escape());
        }
        self.end_pair(intake)
    }

    fn decoded(&mut self, byte: u8, intake: &mut Intake) -> Result<(), Fault> {
        if byte == b',' && matches!(&self.place, Place::Base64 { name, .. } if Kind::of(name) == Kind::Picture) {
            return self.next_picture(intake);
        }
        self.run.push(byte);
        if matches!(self.place, Place::Name) && self.run.len() > intake.limits().max_input_string {
            let limit = intake.limits().max_input_string;
            return Err(Fault::too_large("the name of a parameter has too many bytes", limit, "MaxInputString"));
        }
        Ok(())
    }

    /// A name has ended at `=`.
    fn begin_value(&mut self, intake: &mut Intake) -> Result<(), Fault> {
        let name = std::mem::take(&mut self.run);
        let readable = canonical(&String::from_utf8_lossy(&name));
        intake.begin(name, None)?;
        self.place = match Kind::of(&readable) {
            Kind::Text => Place::Text { name: readable },
            Kind::Picture | Kind::File => Place::Base64 { name: readable, decoder: Base64::new(Alphabet::Form) },
        };
        Ok(())
    }

    /// A separator, or the end.
    fn end_pair(&mut self, intake: &mut Intake) -> Result<(), Fault> {
        if matches!(self.place, Place::Name) {
            if self.run.is_empty() {
                return Ok(());
            }
            self.begin_value(intake)?;
        }
        self.hand_on(intake)?;
        if let Place::Base64 { name, decoder } = std::mem::replace(&mut self.place, Place::Name) {
            intake.push(&decoder.finish().map_err(|error| not_base64(&name, error))?)?;
        }
        intake.end()
    }

    /// A comma between two pictures.
    fn next_picture(&mut self, intake: &mut Intake) -> Result<(), Fault> {
        let Place::Base64 { name, .. } = &self.place else { return Ok(()) };
        let name = name.clone();
        self.end_pair(intake)?;
        intake.begin(name.clone().into_bytes(), None)?;
        self.place = Place::Base64 { name, decoder: Base64::new(Alphabet::Form) };
        Ok(())
    }

    /// Hands the decoded bytes of a value on.
    fn hand_on(&mut self, intake: &mut Intake) -> Result<(), Fault> {
        match &mut self.place {
            Place::Name => return Ok(()),
            Place::Text { .. } => intake.push(&self.run)?,
            Place::Base64 { name, decoder } => {
                intake.push(&decoder.push(&self.run).map_err(|error| not_base64(name, error))?)?;
            }
        }
        self.run.clear();
        Ok(())
    }

    fn hex(&self, digit: u8) -> Result<u8, Fault> {
        let value = char::from(digit).to_digit(16).ok_or_else(|| self.bad_escape())?;
        Ok(value as u8)
    }

    fn bad_escape(&self) -> Fault {
        let place = match &self.place {
            Place::Name => format!("in the name of a parameter, after '{}',", cut(&String::from_utf8_lossy(&self.run))),
            Place::Text { name } | Place::Base64 { name, .. } => format!("in the value of '{}'", cut(name)),
        };
        Fault::undecodable(format!("a percent sign {place} is not followed by two hexadecimal digits"))
    }
}

impl Default for Form {
    fn default() -> Self {
        Self::new()
    }
}

fn not_base64(name: &str, _: NotBase64) -> Fault {
    Fault::undecodable(format!("the value of '{name}' is not base64"))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use proptest::prelude::*;

    use super::super::limits::Limits;
    use super::super::request::{Part, Value};
    use super::*;

    fn shown(parts: Vec<Part>) -> Vec<String> {
        let show = |part: Part| match part.value {
            Value::Text(text) => format!("{}={text}", part.name),
            Value::Upload(upload) => {
                format!("{}:{}", part.name, String::from_utf8_lossy(&upload.read_all().unwrap()))
            }
        };
        parts.into_iter().map(show).collect()
    }

    fn target(target: &str) -> Result<Vec<String>, Fault> {
        let mut intake = Intake::new(Arc::new(Limits::default()));
        read_target(target, &mut intake)?;
        Ok(shown(intake.finish()))
    }

    fn body(pieces: &[&[u8]]) -> Result<Vec<String>, Fault> {
        let mut intake = Intake::new(Arc::new(Limits::default()));
        let mut form = Form::new();
        pieces.iter().try_for_each(|piece| form.push(piece, &mut intake))?;
        form.finish(&mut intake)?;
        Ok(shown(intake.finish()))
    }

    #[test]
    fn r1_r2_path_form_and_query_form() {
        for (text, parts) in [
            ("/action=ListFaces&database=people", &["action=ListFaces", "database=people"][..]),
            ("/a=getpid", &["action=getpid"]),
            ("/?action=ListFaces&database=people", &["action=ListFaces", "database=people"]),
            ("/mediaserver/?Action=ListFaces", &["action=ListFaces"]),
            ("/mediaserver/A=getpid", &["action=getpid"]),
            ("/x/ACTION=q&path=/tmp/a=b?c=d", &["action=q", "path=/tmp/a=b", "c=d"]),
            ("/x?path=/a=b", &["path=/a=b"]),
            ("/x&b=1", &[]),
            ("/a", &[]),
            ("/é/a=x", &["action=x"]),
            ("*", &[]),
        ] {
            assert_eq!(target(text).unwrap(), parts, "{text}");
        }
    }

    #[test]
    fn r11_percent_and_plus_are_decoded_in_names_and_values() {
        let decoded = target("/?%44ata+x=my%20db+%2B%c3%AB%26&b&&=&c==").unwrap();
        assert_eq!(decoded, ["data x=my db +ë&", "b=", "=", "c=="]);
    }

    #[test]
    fn r12_bad_escapes_broken_utf8_and_control_characters_are_error_13() {
        for text in ["/?a=%", "/?a=%4", "/?a=%zz", "/?a=%4&b=1", "/?%=1", "/?a=%FF", "/?%FF=a", "/?a=%00", "/?a=%C3"] {
            assert_eq!(target(text).unwrap_err().code.number(), 13, "{text}");
        }
        let fault = target("/?database=ab%4g").unwrap_err();
        let text = "a percent sign in the value of 'database' is not followed by two hexadecimal digits";
        assert_eq!(fault.description, text);
    }

    #[test]
    fn r26_base64_pictures_are_separated_by_commas_or_repeated() {
        let parts = body(&[b"imagedata=aGk=,aG8&ImageData=aGE%3D%2CaGU&embedding=Pj4+"]).unwrap();
        assert_eq!(parts, ["imagedata:hi", "imagedata:ho", "imagedata:ha", "imagedata:he", "embedding:>>>"]);
        assert_eq!(body(&[b"imagedata=a"]).unwrap_err().description, "the value of 'imagedata' is not base64");
        assert!(body(&[b"dbdata=aGk,aGk"]).is_err());
    }

    proptest! {
        #[test]
        fn any_bytes_in_any_pieces_give_the_same_parts_or_fault(
            text in "(imagedata|a|%41|database|%|=|&|\\+|,|aGk=|é|%c3%a9|[ -~]){0,40}",
            at in 0usize..200,
        ) {
            let bytes = text.as_bytes();
            let at = at.min(bytes.len());
            prop_assert_eq!(body(&[bytes]).map_err(|f| f.code), body(&[&bytes[..at], &bytes[at..]]).map_err(|f| f.code));
        }

        #[test]
        fn no_bytes_at_all_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..300), text in "\\PC{0,100}") {
            let _ = body(&[&bytes]);
            let _ = target(&text);
        }
    }
}
