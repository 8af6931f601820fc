//! What an identity audit found, as the action GetIdentityAudit says it.
//!
//! **Why it reads an answer.** The page asks as every client does, so that it shows what clients are told. What it does
//! not know in a finding it leaves out.

use serde_json::Value;

use super::made::{Oops, find};
use crate::aci::{Client, Outcome, Part, Request, Service, Value as Given};

/// The kinds, as their lists are called, with what a person is asked.
pub(super) const KINDS: [(&str, &str); 7] = [
    ("misfiled", "Wrong identity"),
    ("sameperson", "One person under two identities"),
    ("severalpersons", "Several people under one identity"),
    ("duplicates", "The same picture twice"),
    ("fragments", "One person in several clusters"),
    ("nobody", "Fits nobody"),
    ("unsupported", "Without support"),
];

/// An identity, or an image of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Who {
    pub(super) database: String,
    pub(super) identifier: String,
    pub(super) label: Option<String>,
}

/// Two images and their confidence; one where the other is the subject.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Pair {
    pub(super) confidence: String,
    pub(super) images: Vec<Who>,
}

/// A case to be looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Finding {
    pub(super) kind: &'static str,
    /// The same in the next run.
    pub(super) id: String,
    pub(super) score: Option<String>,
    pub(super) reason: Option<String>,
    /// The image or identity it is about, where that is one.
    pub(super) subject: Option<Who>,
    /// The identities it names, the suggested one first.
    pub(super) identities: Vec<Who>,
    /// The images it names, part by part.
    pub(super) parts: Vec<Vec<Who>>,
    /// The numbers of the clusters it names, from 1.
    pub(super) clusters: Vec<usize>,
    pub(super) pairs: Vec<Pair>,
}

impl Finding {
    /// The images and identities it is about; those of its pairs where it names no others.
    pub(super) fn named(&self) -> impl Iterator<Item = &Who> + Clone {
        let linked = self.linked().iter().flat_map(|pair| &pair.images);
        self.subject.iter().chain(self.parts.iter().flatten()).chain(&self.identities).chain(linked)
    }

    /// Its pairs, if there is nothing else that it is about.
    pub(super) fn linked(&self) -> &[Pair] {
        let is_alone = self.subject.is_none() && self.parts.is_empty() && self.identities.is_empty();
        if is_alone { &self.pairs } else { &[] }
    }
}

/// Asks for an action and gives what stands in `responsedata`, or what the action says against it.
pub(super) fn ask((service, client): (&dyn Service, &Client), parameters: &[(&str, &str)]) -> Result<Value, Oops> {
    let simple = ("responseformat", "simplejson");
    let parts = parameters
        .iter()
        .chain([&simple])
        .map(|&(name, value)| Part { name: name.to_owned(), value: Given::Text(value.to_owned()) });
    let request = Request::new(parts.collect())?;
    let mut answer = Vec::new();
    let outcome = service.answer(Ok(request), client, &mut answer);
    let mut told: Value = serde_json::from_slice(&answer).unwrap_or_default();
    let data = told["autnresponse"]["responsedata"].take();
    match outcome {
        Ok(Outcome::Success) => Ok(data),
        Ok(Outcome::Error(code)) => Err(Oops::refused(code, &data)),
        Err(_) => Err(Oops::of(&crate::aci::Fault::internal())),
    }
}

/// The findings of a job, kind by kind, as this service tells them to this client.
pub(super) fn findings(asked: (&dyn Service, &Client), token: &str) -> Result<Vec<Finding>, Oops> {
    let data = ask(asked, &[("action", "GetIdentityAudit"), ("token", token)])?;
    Ok(read(&data["identityaudit"]))
}

/// How the pairs of a finished clustering were found, in words.
pub(super) fn searched_by(asked: (&dyn Service, &Client), token: &str) -> Result<String, Oops> {
    let job =
        [("action", "QueueInfo"), ("queuename", "FaceClustering"), ("queueaction", "getStatus"), ("token", token)];
    let data = ask(asked, &[&job[..], &[("resultmaxclusters", "0")]].concat())?;
    let search = find(&data, "estimatedmissed").filter(|_| find(&data, "method") == Some("hnsw"));
    Ok(search.map_or_else(
        || "every pair was compared".to_owned(),
        |missed| format!("proposed by an index, each one proven; an estimated {missed} % were missed"),
    ))
}

fn read(audit: &Value) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (kind, _) in KINDS {
        for list in audit[kind].as_object().into_iter().flat_map(|members| members.values()) {
            findings.extend(many(list).filter_map(|value| finding(kind, value)));
        }
    }
    findings
}

/// The elements of a value that is a list, or one of it.
pub(super) fn many(value: &Value) -> impl Iterator<Item = &Value> {
    let (list, single) = match value {
        Value::Array(list) => (list.as_slice(), None),
        other => (&[][..], Some(other)),
    };
    list.iter().chain(single)
}

pub(super) fn text(value: &Value, name: &str) -> Option<String> {
    value[name].as_str().map(str::to_owned)
}

pub(super) fn who(value: &Value) -> Option<Who> {
    Some(Who {
        database: text(value, "database")?,
        identifier: text(value, "identifier")?,
        label: text(value, "imagelabel"),
    })
}

fn finding(kind: &'static str, value: &Value) -> Option<Finding> {
    let members = value.as_object()?;
    let subject = who(value);
    let (mut identities, mut parts, mut pairs) = (Vec::new(), Vec::new(), Vec::new());
    for member in members.values().flat_map(many).filter(|member| member.is_object()) {
        if let Some(pair) = pair(member) {
            pairs.push(pair);
            continue;
        }
        match who(member) {
            Some(who) if who.label.is_some() => parts.push(vec![who]),
            Some(who) => {
                identities.push(who);
                images_within(member, &mut parts);
            }
            None => images_within(member, &mut parts),
        }
    }
    let about = subject.iter().chain(&identities).chain(parts.iter().flatten());
    let names: Vec<[&str; 3]> =
        about.map(|who| [&*who.database, &*who.identifier, who.label.as_deref().unwrap_or_default()]).collect();
    let made = || blake3::hash(format!("{kind} {names:?}").as_bytes()).to_hex()[..16].to_owned();
    let id = text(value, "id").unwrap_or_else(made);
    Some(Finding {
        kind,
        id,
        score: text(value, "score"),
        reason: text(value, "reason"),
        subject,
        identities,
        parts,
        clusters: many(&value["cluster"]).filter_map(|number| number.as_str()?.parse().ok()).collect(),
        pairs,
    })
}

/// The images that an element holds, as one part.
fn images_within(value: &Value, parts: &mut Vec<Vec<Who>>) {
    let members = value.as_object().into_iter().flat_map(|members| members.values()).flat_map(many);
    let images: Vec<Who> = members.filter_map(who).filter(|who| who.label.is_some()).collect();
    if !images.is_empty() {
        parts.push(images);
    }
}

fn pair(value: &Value) -> Option<Pair> {
    let confidence = text(value, "confidence")?;
    let own = who(value).into_iter();
    let nested = value.as_object()?.values().flat_map(many).filter_map(who);
    Some(Pair { confidence, images: own.chain(nested).filter(|who| who.label.is_some()).collect() })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn image(identifier: &str, label: &str) -> Value {
        json!({ "database": "people", "identifier": identifier, "imagelabel": label })
    }

    #[test]
    fn r169_what_the_contract_shows_is_read() {
        let audit = json!({
            "misfiled": { "image": [{
                "rank": "1", "database": "people", "identifier": "JamesBond", "imagelabel": "C", "ownshare": "0.00",
                "suggested": { "database": "people", "identifier": "SeanConnery", "share": "100.00" },
                "match": [{ "confidence": "81.02", "database": "people", "identifier": "SeanConnery", "imagelabel": "A" }],
            }] },
            "sameperson": { "pair": { "rank": "1", "id": "abc", "score": "0.9310", "reason": "because",
                "identity": [{ "database": "people", "identifier": "a" }, { "database": "people", "identifier": "b" }],
                "link": [{ "confidence": "88.10", "face": [image("a", "1"), image("b", "2")] }],
            } },
            "severalpersons": { "identity": [{ "database": "people", "identifier": "c",
                "part": [{ "image": [image("c", "1"), image("c", "2")] }, { "image": [image("c", "3")] }],
            }] },
            "fragments": { "person": { "cluster": ["3", "5"] } },
            "unheard": "of",
        });
        let findings = read(&audit);
        assert_eq!(
            findings.iter().map(|finding| finding.kind).collect::<Vec<_>>(),
            ["misfiled", "sameperson", "severalpersons", "fragments"]
        );
        let [misfiled, same, several, fragments] = &findings[..] else { unreachable!() };
        assert_eq!((&*fragments.clusters, &*same.clusters), (&[3, 5][..], &[][..]));
        assert_eq!(misfiled.subject.as_ref().unwrap().label.as_deref(), Some("C"));
        assert_eq!((misfiled.identities[0].identifier.as_str(), misfiled.id.len()), ("SeanConnery", 16));
        assert_eq!((misfiled.pairs[0].confidence.as_str(), misfiled.pairs[0].images.len()), ("81.02", 1));
        assert_eq!((same.id.as_str(), same.score.as_deref(), same.identities.len()), ("abc", Some("0.9310"), 2));
        assert_eq!(same.pairs[0].images.len(), 2);
        assert_eq!(several.parts.iter().map(Vec::len).collect::<Vec<_>>(), [2, 1]);
        assert!(read(&Value::Null).is_empty() && read(&json!({ "misfiled": "x" })).is_empty());
    }
}
