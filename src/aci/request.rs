//! What the parts of a request mean together (contract R4-R10, R27-R30).
//!
//! **Promises.** Faults come in the order of R58: [`Request::new`] refuses what concerns the action (error 2); a
//! contradiction (error 14) waits until [`Parameters::read`] has seen what is missing or malformed.
//!
//! **Not here.** Which actions there are, and which parameters they know.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};

use super::answer::ResponseFormat;
use super::fault::Fault;
use super::intake::Held;
use super::parameter::{COMMON, IDEMPOTENCY_KEY, Need, Parameter, QUEUED};
use super::upload::Upload;

/// One parameter as it was received, decoded.
#[derive(Debug)]
pub struct Part {
    /// Its name in lower case, short words written out: `a` is `action`, `sync` is `synchronous`.
    pub name: String,
    /// Its value.
    pub value: Value,
}

/// The value of a [`Part`].
#[derive(Debug)]
pub enum Value {
    /// Text, decoded.
    Text(String),
    /// Bytes.
    Upload(Upload),
}

/// What the value of a parameter is, which its name alone decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Text.
    Text,
    /// An image or an embedding: bytes, several in order, each limited by MaxFileUploadSize.
    Picture,
    /// A file to be imported: bytes, one, limited only by MaxRequestSize.
    File,
}

impl Kind {
    /// The kind of the parameter of this canonical name.
    pub fn of(name: &str) -> Self {
        match name {
            "imagedata" | "embedding" => Self::Picture,
            "dbdata" | "ids" => Self::File,
            _ => Self::Text,
        }
    }
}

/// The one name of a parameter: in lower case, short words written out (R5, R6, R30).
pub(crate) fn canonical(name: &str) -> String {
    let name = name.to_ascii_lowercase();
    match name.as_str() {
        "a" => "action".to_owned(),
        "sync" => "synchronous".to_owned(),
        _ => name,
    }
}

/// The first action named among `parts`, or nothing.
pub(crate) fn action(parts: &[Part]) -> &str {
    first(parts, "action").unwrap_or_default()
}

/// The format asked for in `parts`: of several the first, and XML if that is none (R28).
pub(crate) fn format(parts: &[Part]) -> ResponseFormat {
    first(parts, "responseformat").and_then(ResponseFormat::parse).unwrap_or_default()
}

/// The first text of this name that is not empty.
fn first<'p>(parts: &'p [Part], name: &str) -> Option<&'p str> {
    parts.iter().find_map(|part| match &part.value {
        Value::Text(text) if part.name == name && !text.is_empty() => Some(text.as_str()),
        _ => None,
    })
}

/// A decoded request.
#[derive(Debug)]
pub struct Request {
    /// The action as it was given; empty when none was.
    pub action: String,
    /// How it is answered. XML also when an unknown format was asked for, which [`Parameters::read`] refuses.
    pub format: ResponseFormat,
    /// Everything else.
    pub parameters: Parameters,
    /// What it has of the memory of all requests.
    #[expect(dead_code, reason = "held until the request is dropped, never read")]
    held: Option<Held>,
}

impl Request {
    /// The meaning of `parts`, in the order in which they stood; or error 2 for what is not offered whatever the
    /// action (R29).
    pub fn new(parts: Vec<Part>) -> Result<Self, Fault> {
        let (action, format) = (action(&parts).to_owned(), format(&parts));
        let parameters = Parameters::collect(parts);
        for name in ["template", "output", "filename"] {
            if let Some(value) = parameters.text(name) {
                return Err(Fault::not_offered(
                    name,
                    value,
                    "is not offered: answers are sent as XML or JSON, to the client only",
                ));
            }
        }
        if let Some(value) = parameters.text("encryptresponse").filter(|value| value.eq_ignore_ascii_case("true")) {
            return Err(Fault::not_offered("encryptresponse", value, "is not offered: answers are not encrypted"));
        }
        Ok(Self { action, format, parameters, held: None })
    }

    /// The same with the value of the header `Idempotency-Key`, unless it has the parameter that says so too.
    #[must_use]
    pub fn with_idempotency_key(mut self, key: &str) -> Self {
        if !key.is_empty() {
            self.parameters.texts.entry(IDEMPOTENCY_KEY.to_owned()).or_insert_with(|| key.to_owned());
        }
        self
    }

    /// The same, with its hold on the memory of all requests.
    pub(crate) fn holding(self, held: Held) -> Self {
        Self { held: Some(held), ..self }
    }
}

/// The parameters of a request, the action excepted, by canonical name.
#[derive(Debug, Default)]
pub struct Parameters {
    texts: BTreeMap<String, String>,
    uploads: BTreeMap<String, Vec<Upload>>,
    /// Given, but with an empty value (R10).
    empty: BTreeSet<String>,
    /// The first parameter given with two values (R8).
    twice: Option<String>,
    /// Those of the action, once it is known.
    known: Option<&'static [Parameter]>,
}

impl Parameters {
    fn collect(parts: Vec<Part>) -> Self {
        let mut parameters = Self::default();
        for Part { name, value } in parts {
            if name.is_empty() {
                continue;
            }
            match value {
                Value::Text(text) => parameters.add_text(name, text),
                Value::Upload(upload) => parameters.add_upload(name, upload),
            }
        }
        parameters.texts.remove("action");
        parameters
    }

    fn add_text(&mut self, name: String, text: String) {
        if text.is_empty() {
            self.empty.insert(name);
            return;
        }
        match self.texts.entry(name) {
            Entry::Vacant(entry) => drop(entry.insert(text)),
            Entry::Occupied(entry) if *entry.get() == text => {}
            Entry::Occupied(entry) => drop(self.twice.get_or_insert_with(|| entry.key().clone())),
        }
    }

    fn add_upload(&mut self, name: String, upload: Upload) {
        if upload.is_empty() {
            self.empty.insert(name);
            return;
        }
        let uploads = self.uploads.entry(name.clone()).or_default();
        if !uploads.is_empty() && Kind::of(&name) == Kind::File {
            self.twice.get_or_insert(name);
            return;
        }
        uploads.push(upload);
    }

    /// Says which parameters the action has. In a debug build, reading another one panics: it would be in no reference.
    pub(crate) fn know(&mut self, parameters: &'static [Parameter]) {
        self.known = Some(parameters);
    }

    /// Error 10 for the first of the action's required parameters that is not given.
    pub(crate) fn require(&self) -> Result<(), Fault> {
        let required = self.known.unwrap_or_default().iter().filter(|parameter| parameter.need == Need::Required);
        match required.map(|parameter| parameter.name).find(|name| !self.is_given(name)) {
            Some(name) => Err(Fault::missing(name)),
            None => Ok(()),
        }
    }

    /// Reads an action's parameters once none is missing, with the faults in the order of R58: what `read` finds
    /// malformed, then a parameter given with two values. Every action, also one without parameters of its own, goes
    /// through this door.
    ///
    /// `read` itself checks values (errors 11, 12) before it compares parameters with each other (errors 14, 15).
    pub fn read<T>(&self, read: impl FnOnce(&Self) -> Result<T, Fault>) -> Result<T, Fault> {
        self.choice("responseformat", &ResponseFormat::WORDS)?;
        self.boolean("encryptresponse")?;
        let arguments = read(self)?;
        match &self.twice {
            Some(name) => Err(Fault::given_twice(name)),
            None => Ok(arguments),
        }
    }

    fn is_known(&self, name: &str) -> bool {
        let has = |parameters: &[Parameter]| parameters.iter().any(|parameter| parameter.name == name);
        self.known.is_none_or(|known| has(known) || has(&COMMON) || has(&QUEUED))
    }

    /// Whether `name` is there with a value.
    pub fn is_given(&self, name: &str) -> bool {
        debug_assert!(self.is_known(name), "'{name}' is in the row of the action");
        self.texts.contains_key(name) || self.uploads.contains_key(name)
    }

    /// Whether `name` is there, but only with an empty value, so that it counts as not given (R10).
    pub fn is_given_empty(&self, name: &str) -> bool {
        self.empty.contains(name) && !self.is_given(name)
    }

    /// The text of `name`.
    pub fn text(&self, name: &str) -> Option<&str> {
        debug_assert!(self.is_known(name), "'{name}' is in the row of the action");
        self.texts.get(name).map(String::as_str)
    }

    /// The action's own parameters as they were given, in the order of their names; uploads by their number and size
    /// (R97).
    pub fn own(&self) -> Vec<(String, String)> {
        let texts = self.texts.iter().map(|(name, text)| (name, text.clone()));
        let uploads = self.uploads.iter().map(|(name, uploads)| {
            let bytes: u64 = uploads.iter().map(Upload::len).sum();
            let noun = if uploads.len() == 1 { "upload" } else { "uploads" };
            (name, format!("{} {noun}, {bytes} bytes", uploads.len()))
        });
        let own = texts.chain(uploads).filter(|(name, _)| self.is_own(name));
        let mut own: Vec<(String, String)> = own.map(|(name, value)| (name.clone(), value)).collect();
        own.sort();
        own
    }

    /// Whether it is a parameter of the action: one of its row, or what a job is submitted with.
    fn is_own(&self, name: &str) -> bool {
        self.known.is_none_or(|known| known.iter().chain(&QUEUED[1..]).any(|own| own.name == name))
    }

    /// All texts in the order of their names (R97).
    pub fn texts(&self) -> impl Iterator<Item = (&str, &str)> {
        self.texts.iter().map(|(name, text)| (name.as_str(), text.as_str()))
    }

    /// The texts and uploads that are the action's own, in the order of their names, for whoever compares requests.
    pub fn own_content(&self) -> (impl Iterator<Item = (&str, &str)>, impl Iterator<Item = (&str, &[Upload])>) {
        let texts = self.texts().filter(|(name, _)| self.is_own(name));
        (texts, self.all_uploads().filter(|(name, _)| self.is_own(name)))
    }

    /// The uploads of `name`, in order.
    pub fn uploads(&self, name: &str) -> &[Upload] {
        self.uploads.get(name).map_or(&[], Vec::as_slice)
    }

    /// All uploads, by name.
    pub fn all_uploads(&self) -> impl Iterator<Item = (&str, &[Upload])> {
        self.uploads.iter().map(|(name, uploads)| (name.as_str(), uploads.as_slice()))
    }

    /// The uploads of `name`, in order, no longer among the parameters.
    pub fn take_uploads(&mut self, name: &str) -> Vec<Upload> {
        self.uploads.remove(name).unwrap_or_default()
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::aci::parameter::{Form, required};

    /// A request of these texts.
    pub(crate) fn request(texts: &[(&str, &str)]) -> Result<Request, Fault> {
        let part = |&(name, text): &(&str, &str)| Part { name: canonical(name), value: Value::Text(text.to_owned()) };
        Request::new(texts.iter().map(part).collect())
    }

    const X: [Parameter; 2] = [required("x", Form::Text, ""), required("y", Form::Text, "")];

    fn read(texts: &[(&str, &str)]) -> Result<(), Fault> {
        request(texts).unwrap().parameters.read(|_| Ok(()))
    }

    #[test]
    fn r5_r6_names_are_compared_without_case_and_a_is_action() {
        let request = request(&[("A", "trainFace"), ("DataBase", "Me"), ("SYNC", "true")]).unwrap();
        assert_eq!(request.action, "trainFace");
        let texts: Vec<_> = request.parameters.texts().collect();
        assert_eq!(texts, [("database", "Me"), ("synchronous", "true")]);
    }

    #[test]
    fn r8_a_parameter_given_twice_counts_once_or_contradicts() {
        assert_eq!(read(&[("x", "1"), ("X", "1"), ("a", "q"), ("action", "q")]), Ok(()));
        assert_eq!(read(&[("x", "1"), ("x", "2")]), Err(Fault::given_twice("x")));
        assert_eq!(read(&[("a", "q"), ("action", "r")]), Err(Fault::given_twice("action")));
        assert_eq!(read(&[("sync", "true"), ("synchronous", "false")]), Err(Fault::given_twice("synchronous")));
    }

    #[test]
    fn r8_pictures_are_collected_and_an_import_file_is_one() {
        let part = |name: &str, byte| Part {
            name: name.to_owned(),
            value: Value::Upload(Upload::from_bytes(vec![byte], None)),
        };
        let pictures = Request::new(vec![part("imagedata", 1), part("imagedata", 2), part("imagedata", 1)]).unwrap();
        let bytes: Vec<_> =
            pictures.parameters.uploads("imagedata").iter().map(|upload| upload.read_all().unwrap()).collect();
        assert_eq!(bytes, [[1], [2], [1]]);
        let files = Request::new(vec![part("dbdata", 1), part("dbdata", 1)]).unwrap();
        assert_eq!(files.parameters.read(|_| Ok(())), Err(Fault::given_twice("dbdata")));
    }

    #[test]
    fn r10_an_empty_value_counts_as_not_given() {
        let mut request = request(&[("database", ""), ("database", "x"), ("y", "")]).unwrap();
        assert_eq!(request.parameters.text("database"), Some("x"));
        assert!(request.parameters.is_given_empty("y"));
        assert!(!request.parameters.is_given_empty("database"));
        request.parameters.know(&X[1..]);
        assert_eq!(request.parameters.require(), Err(Fault::missing("y")));
    }

    #[test]
    fn r28_the_format_asked_for_is_known_before_anything_is_answered() {
        let format = |texts: &[(&str, &str)]| request(texts).unwrap().format;
        assert_eq!(format(&[]), ResponseFormat::Xml);
        assert_eq!(format(&[("responseformat", "XML")]), ResponseFormat::Xml);
        assert_eq!(format(&[("RESPONSEFORMAT", ""), ("ResponseFormat", "Json")]), ResponseFormat::Json);
        assert_eq!(format(&[("responseformat", "simpleJSON")]), ResponseFormat::SimpleJson);
        for given in [&[("responseformat", "xml")][..], &[("responseformat", "JSON")]] {
            assert_eq!(read(given), Ok(()));
        }
    }

    #[test]
    fn r28_an_unknown_format_is_error_11_in_xml_and_two_formats_are_error_14_in_the_first() {
        let unknown = [("responseformat", "yaml"), ("responseformat", "json")];
        assert_eq!(request(&unknown).unwrap().format, ResponseFormat::Xml);
        let fault = read(&unknown).unwrap_err();
        assert_eq!(fault.description, "'responseformat=yaml' is not one of xml, json, simplejson");
        assert_eq!(fault.code.number(), 11);
        let two = [("responseformat", "json"), ("responseformat", "xml")];
        assert_eq!(request(&two).unwrap().format, ResponseFormat::Json);
        assert_eq!(read(&two), Err(Fault::given_twice("responseformat")));
    }

    #[test]
    fn r29_what_would_mislead_is_not_offered() {
        for (name, value) in [("Template", "x"), ("Output", "f"), ("FileName", "f"), ("EncryptResponse", "TRUE")] {
            assert_eq!(request(&[(name, value)]).unwrap_err().code.number(), 2, "{name}");
        }
        let ignored =
            [("template", ""), ("encryptresponse", "false"), ("forcetemplaterefresh", "x"), ("actionid", "y")];
        assert_eq!(read(&ignored), Ok(()));
    }

    #[test]
    fn r58_malformed_before_contradictory() {
        let all = [("x", "1"), ("x", "2"), ("responseformat", "yaml")];
        assert_eq!(read(&all).unwrap_err().code.number(), 11);
        let malformed = request(&all[..2]).unwrap().parameters.read(|p| p.boolean("x")).unwrap_err();
        assert_eq!(malformed.code.number(), 11);
    }

    #[test]
    #[cfg_attr(not(debug_assertions), ignore = "debug builds only")]
    #[should_panic(expected = "'z' is in the row of the action")]
    fn a_parameter_that_no_row_names_is_not_read() {
        let mut request = request(&[("z", "1")]).unwrap();
        request.parameters.know(&X);
        let _ = request.parameters.text("z");
    }
}
