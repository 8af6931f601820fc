//! The elements of an answer, the same from XML and from both forms of JSON; whatever is not as R32, R44 or R47 say is
//! refused.

use std::fmt;

use quick_xml::Reader;
use quick_xml::escape::resolve_predefined_entity;
use quick_xml::events::{BytesStart, Event};
use serde::de::{self, Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};

/// An element.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Node {
    pub(crate) name: String,
    pub(crate) children: Vec<Node>,
    pub(crate) text: String,
}

impl Node {
    /// Shows `see` this element and all below it.
    pub(crate) fn visit(&self, see: &mut impl FnMut(&Self)) {
        see(self);
        for child in &self.children {
            child.visit(see);
        }
    }
}

const DECLARATION: &str = "<?xml version='1.0' encoding='UTF-8' ?>";
const ROOT: &str = "<autnresponse xmlns:autn='http://schemas.autonomy.com/aci/'>";

/// The root of an XML answer.
pub(crate) fn of_xml(bytes: &[u8]) -> Result<Node, String> {
    let text = std::str::from_utf8(bytes).map_err(|error| format!("XML that is not UTF-8: {error}"))?;
    let rest = text.strip_prefix(DECLARATION).ok_or("the declaration is missing")?.trim_start_matches(' '); // R83
    if !rest.starts_with(ROOT) || !rest.ends_with("</autnresponse>") {
        return Err("the root, or what stands around it, is not as it should be".to_owned());
    }
    let mut reader = Reader::from_str(rest);
    let mut open = vec![Node::default()];
    let named = |start: &BytesStart<'_>| Node { name: start.name().as_ref().to_owned(), ..Node::default() };
    loop {
        match reader.read_event().map_err(|error| format!("XML: {error}"))? {
            Event::Start(start) => {
                if open.len() > 1 && start.attributes().next().is_some() {
                    return Err("an element has attributes".to_owned());
                }
                open.push(named(&start));
            }
            Event::Empty(start) => close(&mut open, named(&start))?,
            Event::End(_) => {
                let ended = open.pop().ok_or("an end tag too many")?;
                close(&mut open, ended)?;
            }
            Event::Text(text) => {
                if text.contains(['\r', '>']) {
                    return Err("a carriage return or '>' in the text is not escaped".to_owned());
                }
                last(&mut open)?.text.push_str(&text);
            }
            Event::GeneralRef(reference) => {
                let character = reference.resolve_char_ref().map_err(|error| error.to_string())?;
                let text =
                    character.map(String::from).or_else(|| resolve_predefined_entity(&reference).map(str::to_owned));
                last(&mut open)?.text.push_str(&text.ok_or_else(|| format!("the entity {reference:?}"))?);
            }
            Event::Eof => break,
            other => return Err(format!("XML holds {other:?}")),
        }
    }
    single(open)
}

fn last(open: &mut [Node]) -> Result<&mut Node, String> {
    open.last_mut().ok_or_else(|| "nothing is open".to_owned())
}

fn close(open: &mut [Node], ended: Node) -> Result<(), String> {
    if !ended.children.is_empty() && !ended.text.is_empty() {
        return Err(format!("{} holds elements and '{}'", ended.name, ended.text));
    }
    let is_xml = |c: char| matches!(c, '\t' | '\n' | '\r' | ' '..='\u{D7FF}' | '\u{E000}'..='\u{FFFD}' | '\u{10000}'..);
    if let Some(character) = ended.text.chars().find(|&c| !is_xml(c)) {
        return Err(format!("{} holds {character:?}", ended.name));
    }
    last(open)?.children.push(ended);
    Ok(())
}

fn single(mut open: Vec<Node>) -> Result<Node, String> {
    let mut document = open.pop().filter(|_| open.is_empty()).ok_or("an element is not closed")?;
    if document.children.len() != 1 || !document.text.is_empty() {
        return Err("there is more, or less, than a root".to_owned());
    }
    document.children.pop().ok_or_else(|| "no root".to_owned())
}

/// The root of a JSON answer.
pub(crate) fn of_json(bytes: &[u8]) -> Result<Node, String> {
    let Json(value) = serde_json::from_slice(bytes).map_err(|error| format!("JSON: {error}"))?;
    let Value::Object(members) = value else { return Err("JSON that is no object".to_owned()) };
    let document = element(String::new(), Value::Object(members))?;
    single(vec![document])
}

enum Value {
    Text(String),
    Object(Vec<(String, Value)>),
    List(Vec<Value>),
}

/// The element of this name; an array is several children of one name.
fn element(name: String, value: Value) -> Result<Node, String> {
    let mut node = Node { name, ..Node::default() };
    match value {
        Value::Text(text) => node.text = text,
        Value::List(_) => return Err(format!("an array in an array, in {}", node.name)),
        Value::Object(members) => {
            for (name, value) in members {
                match value {
                    Value::Text(text) if name == "$" => node.text = text,
                    _ if name == "$" || name.starts_with('@') => return Err(format!("the member '{name}'")),
                    Value::List(items) if items.is_empty() => return Err(format!("'{name}' is an empty array")),
                    Value::List(items) => {
                        for item in items {
                            node.children.push(element(name.clone(), item)?);
                        }
                    }
                    single => node.children.push(element(name, single)?),
                }
            }
        }
    }
    Ok(node)
}

struct Json(Value);

impl<'de> Deserialize<'de> for Json {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Any).map(Json)
    }
}

/// Texts, objects without a member twice, and arrays; nothing else (R44).
struct Any;

impl<'de> Visitor<'de> for Any {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text, an object or an array")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Value, E> {
        Ok(Value::Text(text.to_owned()))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut members: Vec<(String, Value)> = Vec::new();
        while let Some((name, Json(value))) = map.next_entry::<String, Json>()? {
            if members.iter().any(|(known, _)| *known == name) {
                return Err(de::Error::custom(format!("the member '{name}' is there twice")));
            }
            members.push((name, value));
        }
        Ok(Value::Object(members))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        let mut items = Vec::new();
        while let Some(Json(item)) = seq.next_element()? {
            items.push(item);
        }
        Ok(Value::List(items))
    }
}
