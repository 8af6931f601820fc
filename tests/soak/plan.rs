//! Requests that make sense, from the table of the actions: what is mutated begins as one of these.

use std::path::PathBuf;
use std::sync::Mutex;

use faceclique::aci::actions::{Action, offered, offered_on_service_port};
use faceclique::aci::{Form, Need, Parameter};

use crate::random::Random;

/// Names that requests have in common, so that they meet each other's work.
pub(crate) const DATABASES: [&str; 5] = ["people", "staff", "Zoë & Co", "a'b\"c", "<none>"];
const IDENTIFIERS: [&str; 6] = ["JamesBond", "JamesBond007", "SeanConnery", "JohnSmith", "Smith, John", "<Ann>"];
const LABELS: [&str; 6] = ["A", "B", "C", "D", "E", "a,b"];
const KEYS: [&str; 4] = ["born", "note", "note, long", "k:v"];
pub(crate) const QUEUES: [&str; 3] = ["FaceClustering", "ImportFaceDatabase", "ExportFaceDatabase"];

/// Where a request is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Port {
    Aci,
    Service,
}

/// One parameter of a request.
#[derive(Debug, Clone)]
pub(crate) struct Given {
    pub(crate) name: Vec<u8>,
    pub(crate) value: Vec<u8>,
    /// Whether it is bytes: base64 where text is meant.
    pub(crate) is_upload: bool,
}

impl Given {
    pub(crate) fn text(name: &str, value: impl Into<Vec<u8>>) -> Self {
        Self { name: name.into(), value: value.into(), is_upload: false }
    }
}

/// A request before it has a form.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    pub(crate) port: Port,
    pub(crate) action: String,
    pub(crate) given: Vec<Given>,
    /// Whether it is still one that makes sense.
    pub(crate) is_sound: bool,
}

/// A file that is imported, and the names of its rows if it is an array.
#[derive(Debug)]
pub(crate) struct Faces {
    pub(crate) format: &'static str,
    pub(crate) path: PathBuf,
    pub(crate) bytes: Vec<u8>,
    pub(crate) ids: Option<(PathBuf, Vec<u8>)>,
}

/// What requests are made of.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) faces: Vec<Faces>,
    pub(crate) picture: (PathBuf, Vec<u8>),
    pub(crate) exports: PathBuf,
    /// Tokens the server has given.
    pub(crate) tokens: Mutex<Vec<String>>,
}

impl World {
    /// Keeps some of the tokens that were given.
    pub(crate) fn learn(&self, tokens: &[String]) {
        let mut known = self.tokens.lock().unwrap();
        for token in tokens.iter().filter(|token| token.len() == 36).take(4) {
            known.push(token.clone());
        }
        let n_old = known.len().saturating_sub(64);
        known.drain(..n_old);
    }

    /// A request of some action; never Stop, which the server obeys.
    pub(crate) fn plan(&self, random: &mut Random) -> Plan {
        let port = if random.one_in(8) { Port::Service } else { Port::Aci };
        let actions: Vec<&Action> = match port {
            Port::Aci => offered().collect(),
            Port::Service => offered_on_service_port().filter(|action| action.name != "Stop").collect(),
        };
        let mut action = random.choose(&actions);
        while ["RemoveFaceDatabase", "RenameFaceDatabase"].contains(&action.name) && !random.one_in(8) {
            action = random.choose(&actions);
        }
        let mut given = Vec::new();
        for parameter in action.parameters {
            let is_given = match parameter.need {
                Need::Required => true,
                Need::Default(_) => random.one_in(4),
                Need::Depends(_) => action.name == "QueueInfo" && random.one_in(2),
            };
            if is_given {
                given.push(self.given(action.name, parameter, random));
            }
        }
        self.depending(action.name, &mut given, random);
        if let Some(format) = [None, None, Some("xml"), Some("json"), Some("simplejson")][random.below(5)] {
            given.push(Given::text("responseformat", format));
        }
        if random.one_in(12) {
            given.push(Given::text("synchronous", random.choose(&["true", "false"])));
        }
        if random.one_in(12) {
            given.push(Given::text("ActionID", format!("soak {}", random.below(1000))));
        }
        Plan { port, action: action.name.to_owned(), given, is_sound: true }
    }

    /// What goes together or excludes each other.
    fn depending(&self, action: &str, given: &mut Vec<Given>, random: &mut Random) {
        match action {
            "AddFaceImages" => {
                given.retain(|one| one.name != b"imagelabels");
                given.push(Given::text("imagelabels", list(&[random.choose(&LABELS)])));
                given.push(match random.below(3) {
                    0 => upload("imagedata", self.picture.1.clone()),
                    1 => Given::text("imagepath", path(&self.picture.0)),
                    _ => upload("embedding", embedding(random)),
                });
            }
            "ImportFaceDatabase" => {
                given.retain(|one| one.name != b"format" && one.name != b"model");
                let faces = &self.faces[random.below(self.faces.len())];
                given.push(Given::text("format", faces.format));
                if random.one_in(2) {
                    given.push(Given::text("dbpath", path(&faces.path)));
                    given.extend(faces.ids.as_ref().map(|(ids, _)| Given::text("idspath", path(ids))));
                } else {
                    given.push(upload("dbdata", faces.bytes.clone()));
                    given.extend(faces.ids.as_ref().map(|(_, ids)| upload("ids", ids.clone())));
                }
            }
            "ExportFaceDatabase" => {
                given.retain(|one| one.name != b"format" && one.name != b"idspath");
                let ending = random.choose(&["jsonl", "csv", "npz"]);
                let file = self.exports.join(format!("{}.{ending}", random.below(50)));
                given.retain(|one| one.name != b"dbpath");
                given.push(Given::text("dbpath", path(&file)));
                given.push(Given::text("format", ending));
            }
            _ => {}
        }
    }

    fn given(&self, action: &str, parameter: &Parameter, random: &mut Random) -> Given {
        let name = parameter.name;
        let text = match (name, parameter.form) {
            (_, Form::Upload | Form::Uploads) => return upload(name, self.picture.1.clone()),
            ("database" | "newdatabase", _) => random.choose(&DATABASES).to_owned(),
            ("identifier", Form::Names) => list(&[random.choose(&IDENTIFIERS), random.choose(&IDENTIFIERS)]),
            ("identifier" | "newidentifier", _) => random.choose(&IDENTIFIERS).to_owned(),
            ("imagelabel" | "newimagelabel", _) => random.choose(&LABELS).to_owned(),
            ("imagelabels", _) => list(&[random.choose(&LABELS)]),
            ("key", _) => random.choose(&KEYS).to_owned(),
            ("queuename", _) => random.choose(&QUEUES).to_owned(),
            ("model", _) => random.choose(&["cosine", "tiny"]).to_owned(),
            ("helpaction", _) => action.to_owned(),
            (_, form) => self.value(form, random),
        };
        Given::text(name, text)
    }

    fn value(&self, form: Form, random: &mut Random) -> String {
        match form {
            Form::Boolean => random.choose(&["true", "false", "TRUE"]).to_owned(),
            Form::Integer(from, u64::MAX) => (from + random.next() % 5).to_string(),
            Form::Integer(from, to) => (from + random.next() % (to - from + 1)).to_string(),
            Form::Threshold => format!("{}.{:02}", random.below(100), random.below(100)),
            Form::Score => format!("0.{:04}", random.below(10_000)),
            Form::Choice(words) => random.choose(words).to_owned(),
            Form::Choices(words) => list(&[random.choose(words), random.choose(words)]),
            Form::Date => random.choose(&["2021-01-13 12:08:31 UTC", "00:00:00", "2031-Feb-03T00:00:00"]).to_owned(),
            Form::Token => {
                let at = random.next() as usize; // drawn in any case: what comes behind it is the same in every run
                let known = self.tokens.lock().unwrap();
                let token = at.checked_rem(known.len()).map(|at| known[at].clone());
                token.unwrap_or_else(|| "0176fba4-7e70-7a31-9c0e-5b2f86d1e7a9".to_owned())
            }
            Form::Pairs => r#"born:1930,"note, long":"says \"hi\"""#.to_owned(),
            Form::Path | Form::Paths => path(&self.picture.0),
            Form::Name | Form::Names | Form::Text | Form::Texts | Form::Upload | Form::Uploads => {
                format!("text {}", random.below(20))
            }
        }
    }
}

fn path(path: &std::path::Path) -> String {
    path.to_str().unwrap().to_owned()
}

fn upload(name: &str, value: Vec<u8>) -> Given {
    Given { name: name.into(), value, is_upload: true }
}

fn embedding(random: &mut Random) -> Vec<u8> {
    (0..4).flat_map(|_| (random.below(2001) as f32 - 1000.5).to_le_bytes()).collect()
}

/// A list of these texts (R16).
fn list(texts: &[&str]) -> String {
    let quoted = |text: &&str| format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""));
    texts.iter().map(quoted).collect::<Vec<_>>().join(",")
}
