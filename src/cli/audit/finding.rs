//! Findings as GetIdentityAudit says them, put in one order: the most probable first, whatever the kind. Fragments come last,
//! for they speak of the clusters: nothing is filed wrongly for them.

use serde_json::{Map, Value, json};

use crate::aci::actions::element;
use crate::cluster::audit::{Kind, Score};

/// What was found.
pub(super) struct Found {
    /// Of each kind that was asked for, how many there are and how many of these are likely.
    pub(super) totals: Vec<(Kind, u64, u64)>,
    /// Those that were told, the most probable first.
    pub(super) findings: Vec<Finding>,
}

/// One of them.
pub(super) struct Finding {
    pub(super) kind: Kind,
    score: Score,
    /// Its place in the list of its kind.
    rank: u64,
    said: Value,
}

/// The names of an identity, or of an image of one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Who<'v> {
    pub(super) database: &'v str,
    pub(super) identifier: &'v str,
    /// Empty if the identity is meant.
    pub(super) label: &'v str,
}

/// The text of a member, empty if there is none.
fn text<'v>(value: &'v Value, name: &str) -> &'v str {
    value[name].as_str().unwrap_or_default()
}

fn number(value: &Value, name: &str) -> u64 {
    text(value, name).parse().unwrap_or(0)
}

fn items<'v>(value: &'v Value, name: &str) -> &'v [Value] {
    value[name].as_array().map_or(&[], Vec::as_slice)
}

/// The first two elements of a list, as far as they are there.
fn two<'v>(value: &'v Value, name: &str) -> [Option<&'v Value>; 2] {
    let items = items(value, name);
    [items.first(), items.get(1)]
}

impl Found {
    /// Of the answer.
    pub(super) fn read(mut said: Value) -> Self {
        let mut found = Self { totals: Vec::new(), findings: Vec::new() };
        for kind in Kind::ALL {
            let Some(mut list) = said["identityaudit"].get_mut(kind.name()).map(Value::take) else { continue };
            found.totals.push((kind, number(&list, "total"), number(&list, "likely")));
            let told = list[element(kind)].take();
            let told = if let Value::Array(told) = told { told } else { Vec::new() };
            found.findings.extend(told.into_iter().map(|said| Finding {
                kind,
                score: text(&said, "score").parse().unwrap_or_default(),
                rank: number(&said, "rank"),
                said,
            }));
        }
        found.findings.sort_by_key(|finding| {
            (finding.kind == Kind::Fragments, std::cmp::Reverse(finding.score), finding.kind, finding.rank)
        });
        found
    }

    /// How many there are, told or not.
    pub(super) fn total(&self) -> u64 {
        self.totals.iter().map(|(_, total, _)| total).sum()
    }

    /// The answer again, with at most so many findings.
    pub(super) fn json(&self, most: usize) -> Value {
        let mut lists = Map::new();
        for &(kind, total, likely) in &self.totals {
            let mut list = json!({ "total": total.to_string(), "likely": likely.to_string() });
            let shown = self.findings.iter().take(most).filter(|finding| finding.kind == kind);
            list[element(kind)] = shown.map(|finding| finding.said.clone()).collect();
            lists.insert(kind.name().to_owned(), list);
        }
        json!({ "identityaudit": lists })
    }
}

impl<'v> Who<'v> {
    fn of(value: &'v Value) -> Option<Self> {
        let [database, identifier, label] = ["database", "identifier", "imagelabel"].map(|name| text(value, name));
        (!identifier.is_empty()).then_some(Self { database, identifier, label })
    }
}

impl Finding {
    /// A text that it says of itself.
    pub(super) fn text(&self, name: &str) -> &str {
        text(&self.said, name)
    }

    /// The number of the decision upon it, and what that says, if there is one that is told.
    pub(super) fn decision(&self) -> Option<(&str, &str)> {
        let decision = self.said.get("decision")?;
        Some((text(decision, "id"), text(decision, "kind")))
    }

    /// Whom it is about, and the other one, if there is one.
    pub(super) fn names(&self) -> [Option<Who<'_>>; 2] {
        let said = &self.said;
        let [first, second] = match self.kind {
            Kind::Misfiled => [Some(said), said.get("suggested")],
            Kind::SamePerson => two(said, "identity"),
            Kind::Duplicates => two(said, "image"),
            Kind::Fragments => items(said, "link").first().map_or([None; 2], |link| two(link, "face")),
            Kind::SeveralPersons | Kind::Nobody | Kind::Unsupported => [Some(said), None],
        };
        [first.and_then(Who::of), second.and_then(Who::of)]
    }

    /// How many images it is about.
    pub(super) fn n_images(&self) -> u64 {
        match self.kind {
            Kind::Misfiled | Kind::Nobody | Kind::Unsupported => 1,
            Kind::SamePerson => items(&self.said, "identity").iter().map(|it| number(it, "numimages")).sum(),
            Kind::SeveralPersons | Kind::Fragments => number(&self.said, "numimages"),
            Kind::Duplicates => items(&self.said, "image").len() as u64,
        }
    }

    /// Whom it is about, in short; with the database where that is not clear.
    pub(super) fn who(&self, with_database: bool) -> String {
        let shown = |who: Option<Who<'_>>| {
            let Some(Who { database, identifier, label }) = who else { return String::new() };
            let names = [if with_database { database } else { "" }, identifier, label];
            names.into_iter().filter(|name| !name.is_empty()).collect::<Vec<_>>().join("/")
        };
        let [first, second] = self.names().map(shown);
        match self.kind {
            Kind::Misfiled => format!("{first} -> {second}"),
            Kind::SamePerson => format!("{first} = {second}"),
            Kind::SeveralPersons => {
                let sizes = items(&self.said, "part").iter().map(|part| items(part, "image").len().to_string());
                format!("{first} ({})", sizes.collect::<Vec<_>>().join(" + "))
            }
            Kind::Duplicates => match self.n_images() {
                ..=2 => format!("{first} = {second}"),
                n => format!("{first} = {second} and {} more", n - 2),
            },
            Kind::Fragments => {
                let clusters = items(&self.said, "cluster").iter().filter_map(Value::as_str);
                format!("clusters {}", clusters.collect::<Vec<_>>().join(" + "))
            }
            Kind::Nobody | Kind::Unsupported => first,
        }
    }
}
