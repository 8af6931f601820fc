//! What was decided and changed: as a page, the last first, and beside the findings it answers.

use std::collections::{BTreeMap, BTreeSet};

use maud::{Markup, html};
use serde_json::Value;

use super::finding::{Finding, Who, ask, many, text, who};
use super::frame::{View, page as framed};
use super::made::Oops;
use super::parts::{Name, count, hidden};
use super::route::Paged;
use crate::aci::Sheet;

/// So many of each are on a page.
const PAGE: usize = 50;

/// So many changes are looked at beside findings, the last ones; the server forgets older ones unless it is told otherwise.
const CHANGES: &str = "1000";

/// What was done, in words, and what takes it back: the action and the number.
#[derive(Debug, Clone)]
pub(super) struct Undo {
    pub(super) words: &'static str,
    pub(super) action: &'static str,
    pub(super) id: String,
}

/// What was done about what.
#[derive(Debug, Default)]
pub(super) struct Done {
    /// By the names of the image or identity: what was done to it.
    changed: BTreeMap<[String; 3], Undo>,
    /// By the names of both, or of the one.
    decided: BTreeMap<[[String; 3]; 2], Undo>,
}

/// Names as a key.
fn key(who: &Who) -> [String; 3] {
    [who.database.clone(), who.identifier.clone(), who.label.clone().unwrap_or_default()]
}

fn pair_key(a: &Who, b: Option<&Who>) -> [[String; 3]; 2] {
    let (a, b) = (key(a), b.map_or_else(<[String; 3]>::default, key));
    if a <= b { [a, b] } else { [b, a] }
}

impl Done {
    /// What was done about what these findings of a result name, as far as the client may know; otherwise nothing. Of changes
    /// only those since the result: before it, a name may have been another's.
    pub(super) fn of(view: &View<'_>, sheet: &Sheet, findings: &[&Finding]) -> Self {
        let mut done = Self::default();
        if !view.desk.may_change() || findings.is_empty() {
            return done;
        }
        let Ok(last_before) = view.desk.last_change_before(sheet) else { return done };
        for change in list(view, "change", &[("action", "ListChanges"), ("maxresults", CHANGES)]).unwrap_or_default() {
            let (Some(id), Some(database)) = (text(&change, "id"), text(&change, "database")) else { continue };
            let is_before = id.parse::<u64>().is_ok_and(|id| id <= last_before);
            if is_before || change["undoneby"].is_string() || change["undoes"].is_string() {
                continue;
            }
            let undo = Undo { words: kind_of_change(&change), action: "UndoChange", id };
            for image in many(&change["images"]["image"]) {
                if let (Some(identifier), Some(label)) = (text(image, "identifier"), text(image, "imagelabel")) {
                    // the last one is listed first
                    done.changed.entry([database.clone(), identifier, label]).or_insert_with(|| undo.clone());
                }
            }
            if let Some(gone) = text(&change, "goneface") {
                done.changed.entry([database, gone, String::new()]).or_insert(undo);
            }
        }
        let faces = findings.iter().flat_map(|finding| finding.named()).map(|who| (&who.database, &who.identifier));
        for (database, identifier) in faces.collect::<BTreeSet<_>>() {
            let about = [("action", "ListDecisions"), ("database", database), ("identifier", identifier)];
            for decision in list(view, "decision", &about).unwrap_or_default() {
                if let (Some(id), Some(first)) = (text(&decision, "id"), who(&decision)) {
                    let undo = Undo { words: kind_of_decision(&decision), action: "RemoveDecision", id };
                    done.decided.insert(pair_key(&first, other(&decision).as_ref()), undo);
                }
            }
        }
        done
    }

    /// What was done about a finding, and how it is taken back.
    pub(super) fn about(&self, finding: &Finding) -> Option<&Undo> {
        let named = finding.named();
        let changed = named.clone().find_map(|who| self.changed.get(&key(who)));
        changed.or_else(|| {
            let linked = finding.linked();
            if !linked.is_empty() {
                let ends = linked.iter().filter_map(|pair| pair.images.first().zip(pair.images.get(1)));
                return ends.map(|(a, b)| pair_key(a, Some(b))).find_map(|key| self.decided.get(&key));
            }
            let all: BTreeSet<[String; 3]> = named.map(key).collect();
            let alone = finding.subject.as_ref().and_then(|who| self.decided.get(&pair_key(who, None)));
            let pair = || self.decided.iter().find(|([a, b], _)| all.contains(a) && all.contains(b));
            alone.or_else(|| pair().map(|(_, undo)| undo))
        })
    }
}

fn other(decision: &Value) -> Option<Who> {
    Some(Who {
        database: text(decision, "otherdatabase")?,
        identifier: text(decision, "otheridentifier")?,
        label: text(decision, "otherimagelabel"),
    })
}

/// The elements of this name in the answer to an action that lists.
fn list(view: &View<'_>, name: &str, action: &[(&str, &str)]) -> Result<Vec<Value>, Oops> {
    let data = ask((view.service, &view.asked.client), action)?;
    Ok(many(&data[name]).filter(|element| element.is_object()).cloned().collect())
}

/// A form that takes something back.
pub(super) fn undo_form(view: &View<'_>, undo: &Undo, back: &str) -> Markup {
    html! {
        form method="post" action="/review/act" data-key="u" {
            (hidden(view, undo.action, back))
            input type="hidden" name="id" value=(undo.id);
            button type="submit" { "Undo" }
        }
    }
}

/// A list with its last entries first, of which a page begins below a number.
struct List {
    /// The parameter of the page that has this number.
    name: &'static str,
    before: Option<String>,
    entries: Vec<Value>,
    /// Where the next page begins.
    next: Option<String>,
}

impl List {
    fn of(view: &View<'_>, name: &'static str, element: &str, action: &[(&str, &str)]) -> Result<Self, Oops> {
        let before = view.asked.text(name).filter(|id| id.parse::<u64>().is_ok_and(|id| id > 0)).map(str::to_owned);
        let most = (PAGE + 1).to_string();
        let mut asked = [action, &[("maxresults", &most)]].concat();
        asked.extend(before.as_deref().map(|before| ("before", before)));
        let mut entries = list(view, element, &asked)?;
        let is_last = entries.len() <= PAGE;
        entries.truncate(PAGE);
        let next = entries.last().filter(|_| !is_last).and_then(|last| text(last, "id"));
        Ok(Self { name, before, entries, next })
    }

    /// Links to the pages of this list that leave the other where it is.
    fn links(&self, other: &Self) -> Markup {
        let place = |own: Option<&str>| {
            let both = [(self.name, own), (other.name, other.before.as_deref())];
            let query: Vec<String> = both.iter().filter_map(|(name, id)| Some(format!("{name}={}", (*id)?))).collect();
            format!("/review/decisions?{}#{}", query.join("&"), self.name)
        };
        html! {
            @if self.before.is_some() || self.next.is_some() {
                nav.pages aria-label=(format!("Pages of {}", self.name)) {
                    @if self.before.is_some() { a rel="prev" href=(place(None)) { "Latest" } }
                    @if let Some(next) = &self.next { a rel="next" href=(place(Some(next))) { "Earlier" } }
                }
            }
        }
    }
}

/// All that was decided and changed, each to be taken back.
pub(super) fn page(view: &View<'_>) -> Paged {
    let changes = List::of(view, "changes", "change", &[("action", "ListChanges")])?;
    let decisions = List::of(view, "decisions", "decision", &[("action", "ListDecisions"), ("lastfirst", "true")])?;
    let content = html! {
        p.path { a href="/review" { "Databases and jobs" } }
        h1 { "What was decided and changed" }
        section aria-labelledby="changes" {
            h2 #changes { "Changes" }
            @if changes.entries.is_empty() { p.empty { "Nothing was changed that could be undone." } }
            ul.jobs { @for change in &changes.entries { li { (changed(view, change)) } } }
            (changes.links(&decisions))
        }
        section aria-labelledby="decisions" {
            h2 #decisions { "Decisions" }
            @if decisions.entries.is_empty() { p.empty { "Nothing was decided." } }
            ul.jobs { @for decision in &decisions.entries { li { (decided(view, decision)) } } }
            (decisions.links(&changes))
        }
    };
    Ok(framed(view, "Decisions and changes", &content))
}

/// What a change did, in words.
fn kind_of_change(change: &Value) -> &'static str {
    match change["kind"].as_str() {
        Some("move") => "Moved",
        Some("merge") => "Merged",
        Some("split") => "Split",
        Some("undo") => "Taken back",
        _ => "Set aside",
    }
}

/// What was decided, in words.
fn kind_of_decision(decision: &Value) -> &'static str {
    match decision["kind"].as_str() {
        Some("notsame") => "Not the same person",
        Some("same") => "The same person",
        _ => "The label is right",
    }
}

fn changed(view: &View<'_>, change: &Value) -> Markup {
    let images: Vec<&Value> = many(&change["images"]["image"]).filter(|image| image.is_object()).collect();
    let part = |value: &Value, name: &str| html! { @if let Some(text) = value[name].as_str() { (Name(text)) } };
    // all images of a change come from one face and go to one
    let place = |image: &Value, names: [&str; 2]| {
        html! { (part(image, names[0])) @if images.len() == 1 { " / " (part(image, names[1])) } }
    };
    let (id, words) = (text(change, "id").unwrap_or_default(), kind_of_change(change));
    html! {
        article.job.brief data-card {
            div.line {
                span.status { (words) }
                @if let Some(first) = images.first() {
                    h3 {
                        @if first["identifier"].is_string() { (place(first, ["identifier", "imagelabel"])) }
                        @if first["newidentifier"].is_string() { " \u{2192} " (place(first, ["newidentifier", "newimagelabel"])) }
                    }
                    @if images.len() > 1 { span { (count(images.len(), "image", "images")) } }
                }
                span.muted { "in " (part(change, "database")) }
                time.muted { (part(change, "time")) }
            }
            @if change["undoneby"].is_string() { p.muted { "Undone." } }
            @else { div.buttons { (undo_form(view, &Undo { words, action: "UndoChange", id }, "/review/decisions")) } }
        }
    }
}

fn decided(view: &View<'_>, decision: &Value) -> Markup {
    let words = kind_of_decision(decision);
    let shown = |who: &Who| html! { (Name(&who.identifier)) @if let Some(label) = &who.label { " / " (Name(label)) } };
    let id = text(decision, "id").unwrap_or_default();
    html! {
        article.job.brief data-card {
            div.line {
                span.status { (words) }
                @if let Some(first) = who(decision) { h3 { (shown(&first)) } }
                @if let Some(second) = other(decision) { span.muted { "and" } h3 { (shown(&second)) } }
                @if let Some(comment) = decision["comment"].as_str() { span.muted { (Name(comment)) } }
                time.muted { (decision["time"].as_str().unwrap_or_default()) }
            }
            div.buttons { (undo_form(view, &Undo { words, action: "RemoveDecision", id }, "/review/decisions")) }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::finding::Pair;
    use super::*;

    #[test]
    fn what_rests_on_pairs_alone_is_answered_by_a_decision_on_one_of_them() {
        let image = |label: &str| Who {
            database: "people".to_owned(),
            identifier: "ann".to_owned(),
            label: Some(label.to_owned()),
        };
        let pair = |a, b| Pair { confidence: "71.00".to_owned(), images: vec![image(a), image(b)] };
        let fragments = Finding {
            kind: "fragments",
            id: "1".to_owned(),
            score: None,
            reason: None,
            subject: None,
            identities: Vec::new(),
            parts: Vec::new(),
            clusters: vec![1, 2],
            pairs: vec![pair("1", "2"), pair("3", "4")],
        };
        let decided = |a: &str, b: &str| {
            let undo = Undo { words: "The same person", action: "RemoveDecision", id: "7".to_owned() };
            let decided = [(pair_key(&image(a), Some(&image(b))), undo)].into();
            Done { decided, ..Done::default() }
        };
        assert!(decided("4", "3").about(&fragments).is_some());
        assert!(decided("1", "3").about(&fragments).is_none(), "they are on one side");
    }
}
