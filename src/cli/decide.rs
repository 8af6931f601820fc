//! `faceclique decide` and `faceclique undo`: what a person has decided of faces, told to a running server, and a change
//! taken back.

use std::io::{self, Write as _};

use clap::ValueEnum;
use serde_json::Value;

use super::Failure;
use super::client::ServerArguments;
use super::terminal;

/// What was decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum What {
    /// The two are not the same person.
    Notsame,
    /// They are.
    Same,
    /// The image shows whom its identifier says.
    Labelright,
    /// An earlier decision, given by its number, does not hold any more.
    Forget,
}

/// Keep what was decided of two faces, or of images of theirs; without a word, list what was.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
A face is named by its identifier. An image is meant with --image and --other-image.

Examples:
  faceclique decide
  faceclique decide notsame --database people JohnSmith JamesBond --comment brothers
  faceclique decide same --database people JamesBond007 JamesBond
  faceclique decide labelright --database people JohnSmith --image D
  faceclique decide forget 17

Exit code: 0 done; 1 the server refused; 2 the server cannot be reached.")]
pub struct Decide {
    #[command(flatten)]
    server: ServerArguments,
    /// What was decided.
    what: Option<What>,
    /// The face, or with forget the number of the decision.
    first: Option<String>,
    /// The other face.
    second: Option<String>,
    /// The database.
    #[arg(long, value_name = "NAME")]
    database: Option<String>,
    /// The database of the other face, if it is another one.
    #[arg(long, value_name = "NAME")]
    other_database: Option<String>,
    /// One image of the face.
    #[arg(long, value_name = "LABEL")]
    image: Option<String>,
    /// One image of the other face.
    #[arg(long, value_name = "LABEL")]
    other_image: Option<String>,
    /// Why.
    #[arg(long, value_name = "TEXT")]
    comment: Option<String>,
}

/// Undo a change of faces, given by its number; without one, list the changes that can be undone.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  faceclique undo
  faceclique undo 23

To do the change again, undo the undoing, whose number is printed.

Exit code: 0 done; 1 the server refused; 2 the server cannot be reached.")]
pub struct Undo {
    #[command(flatten)]
    server: ServerArguments,
    /// The number of the change.
    id: Option<u64>,
    /// List at most so many.
    #[arg(long, value_name = "N", default_value_t = 20)]
    most: u64,
}

impl Decide {
    pub(super) fn run(self) -> Result<(), Failure> {
        let Some(what) = self.what else {
            let database = self.database.as_deref().map(|database| ("database", database));
            let parameters: Vec<_> = database.into_iter().collect();
            let answer = self.server.client()?.ask("ListDecisions", &parameters)?;
            return show(&answer, "decision", self.server.json, decision);
        };
        let first = self.first.as_deref().ok_or("what is it about? `faceclique decide --help` shows examples")?;
        if what == What::Forget {
            let answer = self.server.client()?.ask("RemoveDecision", &[("id", first)])?;
            return say(&answer, self.server.json, "forgotten");
        }
        let what = what.to_possible_value().ok_or("it has no name")?.get_name().to_owned();
        let given = [
            ("decision", Some(&what)),
            ("database", self.database.as_ref()),
            ("identifier", self.first.as_ref()),
            ("imagelabel", self.image.as_ref()),
            ("otherdatabase", self.other_database.as_ref()),
            ("otheridentifier", self.second.as_ref()),
            ("otherimagelabel", self.other_image.as_ref()),
            ("comment", self.comment.as_ref()),
        ];
        let parameters: Vec<_> = given.into_iter().filter_map(|(name, value)| Some((name, value?.as_str()))).collect();
        let answer = self.server.client()?.ask("AddDecision", &parameters)?;
        let replaced = answer["replaced"].as_str().map_or_else(String::new, |id| format!(", in the place of {id}"));
        say(&answer, self.server.json, &format!("decision {}{replaced}", text(&answer, "id")))
    }
}

impl Undo {
    pub(super) fn run(self) -> Result<(), Failure> {
        let client = self.server.client()?;
        let Some(id) = self.id else {
            let answer = client.ask("ListChanges", &[("maxresults", &self.most.to_string())])?;
            return show(&answer, "change", self.server.json, change);
        };
        let answer = client.ask("UndoChange", &[("id", &id.to_string())])?;
        say(&answer, self.server.json, &format!("change {id} is undone by change {}", text(&answer, "id")))
    }
}

fn text<'v>(value: &'v Value, name: &str) -> &'v str {
    value[name].as_str().unwrap_or_default()
}

/// One line, or the answer itself.
fn say(answer: &Value, is_json: bool, line: &str) -> Result<(), Failure> {
    let line = if is_json { terminal::json(answer) } else { terminal::shown(line).into_owned() };
    Ok(writeln!(io::stdout().lock(), "{line}")?)
}

/// A line for each, or the answer itself.
fn show(answer: &Value, name: &str, is_json: bool, line: fn(&Value) -> String) -> Result<(), Failure> {
    if is_json {
        return say(answer, true, "");
    }
    let mut out = io::stdout().lock();
    for entry in answer[name].as_array().map_or(&[][..], Vec::as_slice) {
        writeln!(out, "{}", terminal::shown(&line(entry)))?;
    }
    Ok(())
}

/// A face or an image, for people.
fn named(value: &Value, [database, identifier, label]: [&str; 3]) -> String {
    let names = [database, identifier, label].map(|name| text(value, name));
    names.into_iter().filter(|name| !name.is_empty()).collect::<Vec<_>>().join("/")
}

fn decision(value: &Value) -> String {
    let first = named(value, ["database", "identifier", "imagelabel"]);
    let second = named(value, ["otherdatabase", "otheridentifier", "otherimagelabel"]);
    let comment = match text(value, "comment") {
        "" => String::new(),
        comment => format!("({comment})"),
    };
    let words = [text(value, "id"), text(value, "time"), text(value, "kind"), &first, &second, &comment];
    words.into_iter().filter(|word| !word.is_empty()).collect::<Vec<_>>().join("  ")
}

fn change(value: &Value) -> String {
    let images = value["images"]["image"].as_array().map_or(&[][..], Vec::as_slice);
    let of = |image: &Value| {
        let (from, to) =
            (named(image, ["", "identifier", "imagelabel"]), named(image, ["", "newidentifier", "newimagelabel"]));
        format!("{from} -> {to}")
    };
    let first = images.first().map_or_else(String::new, of);
    let more = if images.len() > 1 { format!("and {} more", images.len() - 1) } else { String::new() };
    let undone = match text(value, "undoneby") {
        "" => String::new(),
        id => format!("(undone by {id})"),
    };
    let words =
        [text(value, "id"), text(value, "time"), text(value, "kind"), text(value, "database"), &first, &more, &undone];
    words.into_iter().filter(|word| !word.is_empty()).collect::<Vec<_>>().join("  ")
}
