//! Any sequence of calls says the same in every format.
//!
//! The oracle reads the XML into a tree and writes that tree by the rules of R44-R47, which the streaming writer has no
//! tree for.

use proptest::prelude::*;
use quick_xml::Reader;
use quick_xml::events::Event;

use super::super::places::Places;
use super::*;

const ACTIONS: [&str; 6] =
    ["QueueInfo", "ListFaceDatabases", "ListFaces", "BuildAllFaces", "GetIdentityAudit", "GetLicenseInfo"];

/// Elements of elements; every parent of the table is among them.
const PARENTS: [&str; 24] = [
    "actions",
    "action",
    "progress",
    "stage",
    "parameters",
    "parameter",
    "clusters",
    "cluster",
    "face",
    "match",
    "build",
    "image",
    "entry",
    "images",
    "metadata",
    "item",
    "misfiled",
    "pair",
    "identity",
    "link",
    "autn:actions",
    "autn:section",
    "permissions",
    "queues",
];
const TEXTS: [&str; 8] = ["database", "status", "label", "autn:name", "value", "number", "token", "reason"];

/// An element as an action writes it.
#[derive(Debug, Clone, PartialEq)]
enum Node {
    Text(&'static str, String),
    Parent(&'static str, Vec<Node>),
}

impl Node {
    fn name(&self) -> &'static str {
        match self {
            Self::Text(name, _) | Self::Parent(name, _) => name,
        }
    }

    fn write(&self, answer: &mut Answer<'_>) -> io::Result<()> {
        match self {
            Self::Text(name, text) => answer.text(name, text),
            Self::Parent(name, children) => {
                answer.open(name)?;
                children.iter().try_for_each(|child| child.write(answer))?;
                answer.close(name)
            }
        }
    }
}

/// The children as an action may write them: siblings of one repeatable name beside each other, others once.
fn lawful(places: &Places, parent: &str, children: Vec<Node>) -> Vec<Node> {
    let repeatable = places.below(parent);
    let mut kept: Vec<Node> = Vec::new();
    for child in children {
        let child = match child {
            Node::Parent(name, children) => Node::Parent(name, lawful(places, name, children)),
            text @ Node::Text(..) => text,
        };
        match kept.iter().rposition(|known| known.name() == child.name()) {
            Some(at) if repeatable.contains(&child.name()) => kept.insert(at + 1, child),
            Some(_) => {}
            None => kept.push(child),
        }
    }
    kept
}

fn nodes() -> impl Strategy<Value = Vec<Node>> {
    let text = prop_oneof![
        Just(String::new()),
        "[ -~]{0,8}",
        any::<String>(),
        Just("\"\\\u{1}\u{2028}\r\u{FFFF}\u{1F600}".to_owned()),
    ];
    let leaf = (prop::sample::select(&TEXTS[..]), text).prop_map(|(name, text)| Node::Text(name, text));
    let node = leaf.prop_recursive(5, 60, 6, |inner| {
        (prop::sample::select(&PARENTS[..]), prop::collection::vec(inner, 0..6))
            .prop_map(|(name, children)| Node::Parent(name, children))
    });
    prop::collection::vec(node, 0..8)
}

/// An element as a client reads it in the XML.
struct Element {
    name: String,
    text: String,
    children: Vec<Element>,
}

fn read(xml: &str) -> Element {
    let mut reader = Reader::from_str(xml);
    let element = |name: &str| Element { name: name.to_owned(), text: String::new(), children: Vec::new() };
    let mut open = vec![element("")];
    loop {
        match reader.read_event().unwrap() {
            Event::Start(tag) => open.push(element(tag.name().as_ref())),
            Event::Empty(tag) => open.last_mut().unwrap().children.push(element(tag.name().as_ref())),
            Event::End(_) => {
                let closed = open.pop().unwrap();
                open.last_mut().unwrap().children.push(closed);
            }
            Event::Text(text) => open.last_mut().unwrap().text += &text,
            Event::GeneralRef(name) => {
                let entity = match &*name {
                    "amp" => "&",
                    "lt" => "<",
                    "gt" => ">",
                    "#13" => "\r",
                    other => panic!("&{other}; is not written"),
                };
                open.last_mut().unwrap().text += entity;
            }
            Event::Eof => return open.pop().unwrap().children.pop().unwrap(),
            _ => {}
        }
    }
}

/// `element` by the rules of R44-R47; `parent` says what it stands in.
fn by_the_rules(element: &Element, form: Form, places: &Places, parent: &str) -> String {
    let name = element.name.as_str();
    let holds_elements = [ROOT, FRAME.data].contains(&name) || (PARENTS.contains(&name) && parent != ROOT);
    if !holds_elements {
        let text = serde_json::to_string(&element.text).unwrap();
        return if form == Form::Full { format!("{{\"$\":{text}}}") } else { text };
    }
    let mut members: Vec<(String, Vec<String>)> = Vec::new();
    for child in &element.children {
        let value = by_the_rules(child, form, places, name);
        match members.iter_mut().find(|(known, _)| *known == child.name) {
            Some((_, values)) => values.push(value),
            None => members.push((child.name.clone(), vec![value])),
        }
    }
    let repeatable = places.below(name);
    let members = members.into_iter().map(|(name, values)| {
        let shown = if form == Form::Simple { name.trim_start_matches("autn:") } else { &name };
        match (repeatable.contains(&name.as_str()), values.as_slice()) {
            (true, values) => format!("\"{shown}\":[{}]", values.join(",")),
            (false, [value]) => format!("\"{shown}\":{value}"),
            (false, _) => panic!("{name} is there twice"),
        }
    });
    format!("{{{}}}", members.collect::<Vec<_>>().join(","))
}

proptest! {
    #[test]
    fn r44_r47_json_is_what_the_rules_make_of_the_xml(
        action in prop::sample::select(&ACTIONS[..]),
        nodes in nodes(),
    ) {
        let places = Places::of(action);
        let nodes = lawful(&places, FRAME.data, nodes);
        let write = |format| answered(format, action, |answer| nodes.iter().try_for_each(|node| node.write(answer)));
        let root = read(&write(ResponseFormat::Xml));
        for (format, form) in [(ResponseFormat::Json, Form::Full), (ResponseFormat::SimpleJson, Form::Simple)] {
            let json = write(format);
            let expected = format!("{{\"autnresponse\":{}}}", by_the_rules(&root, form, &places, ""));
            prop_assert_eq!(&json, &expected);
            prop_assert!(serde_json::from_str::<serde_json::Value>(&json).is_ok(), "{}", json);
            prop_assert_eq!(write(format), json, "the same calls give the same bytes (R38)");
        }
    }
}
