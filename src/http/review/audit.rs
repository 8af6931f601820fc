//! The audit as a queue of cards: a question each, answered by a key.
//!
//! What a card does is a form like all others; the script sends it without leaving the page, and can take it back.

use maud::{Markup, html};

use super::done::{Done, undo_form};
use super::finding::{Finding, KINDS, Who, findings};
use super::frame::{View, page as framed};
use super::made::Oops;
use super::parts::{Name, Paging, hidden, hundredths, thousands};
use super::result::{Tab, heading};
use super::route::Paged;
use super::sides::{pairs, shown_sides};
use crate::aci::{Job, Sheet};

/// Findings on a page, and images of each side.
const FINDINGS: usize = 10;
pub(super) const IMAGES: usize = 6;

/// What an answer to a card does: the action with its parameters, and the words for it.
struct Answer {
    words: &'static str,
    action: &'static str,
    parameters: Vec<(&'static str, String)>,
}

pub(super) fn page(view: &View<'_>, token: &str) -> Paged {
    let job = view.desk.job(token)?;
    let sheet = view.desk.sheet(token)?;
    let read = || findings((view.service, &view.asked.client), &job.token);
    let found = match view.held.findings(&job.token, read) {
        Ok(found) => found,
        Err(oops) => return Ok(framed(view, "Audit", &without(view, &job, &sheet, &oops))),
    };
    let kind = view.asked.text("kind").filter(|kind| KINDS.iter().any(|(known, _)| known == kind));
    let shown: Vec<&Finding> = found.iter().filter(|finding| kind.is_none_or(|kind| finding.kind == kind)).collect();
    let paging = Paging::of(shown.len(), FINDINGS, view.asked.number("page"));
    let done = Done::of(view, &sheet, &shown[paging.range.clone()]);
    let base = format!("/review/result/{}/audit", job.token);
    let back = format!("{base}?{}page={}", kind.map_or_else(String::new, |kind| format!("kind={kind}&")), paging.page);
    let content = html! {
        (heading(view, &job, &sheet, Tab::Audit))
        nav.kinds aria-label="Kinds of findings" {
            a href=(base) aria-current=[kind.is_none().then_some("page")] { "All" span.n { (found.len()) } }
            @for (name, words) in KINDS {
                @let n = found.iter().filter(|finding| finding.kind == name).count();
                @if n > 0 { a href={ (base) "?kind=" (name) } aria-current=[(kind == Some(name)).then_some("page")] { (words) span.n { (thousands(n as u64)) } } }
            }
        }
        @if shown.is_empty() { p.empty { "Nothing was found." } } @else { (help(view)) }
        div.findings data-findings=(job.token) {
            @for finding in &shown[paging.range.clone()] { (card(view, &job.token, &sheet, (finding, &done), &back)) }
        }
        (paging.links(&format!("{base}?{}", kind.map_or_else(String::new, |kind| format!("kind={kind}&")))))
        @if view.desk.may_change() && !shown.is_empty() { (again(view, &job, "Cluster again, with what was decided")) }
    };
    Ok(framed(view, "Audit", &content))
}

const HINTS: [(&str, &str); 6] =
    [("y", "yes"), ("n", "no"), ("s", "skip"), ("u", "undo"), ("j", "next"), ("k", "previous")];

fn help(view: &View<'_>) -> Markup {
    html! {
        @if view.desk.may_change() {
            div.hints {
                p.hint { @for (key, word) in HINTS { span { kbd { (key) } " " (word) } } }
                a href="/review/decisions" { "All decisions and changes" }
            }
        }
    }
}

/// The page of a job without an audit.
fn without(view: &View<'_>, job: &Job, sheet: &Sheet, oops: &Oops) -> Markup {
    let is_asked = job.parameters.iter().any(|(name, value)| name == "audit" && value.eq_ignore_ascii_case("true"));
    html! {
        (heading(view, job, sheet, Tab::Audit))
        div.empty {
            p { strong { "This run has no audit." } }
            @if is_asked { p { (oops.text()) } } @else { p { "It was not asked for one: the identities are judged if \u{201C}Audit the identities\u{201D} is chosen." } }
            @if view.desk.may_change() { (again(view, job, "Cluster again, with an audit")) }
        }
    }
}

/// The same job once more, with an audit and with what was decided.
fn again(view: &View<'_>, job: &Job, words: &str) -> Markup {
    html! {
        form.again method="post" action="/review/act" {
            (hidden(view, "FaceClustering", "/review"))
            @if let Some(database) = &job.database { input type="hidden" name="database" value=(database); }
            input type="hidden" name="clusterthreshold" value=(hundredths(job.cluster_threshold));
            input type="hidden" name="outputthreshold" value=(hundredths(job.output_threshold));
            @if let Some(n) = job.max_results { input type="hidden" name="maxresults" value=(n); }
            input type="hidden" name="audit" value="true";
            input type="hidden" name="respectdecisions" value="true";
            button.primary type="submit" { (words) }
        }
    }
}

fn card(view: &View<'_>, token: &str, sheet: &Sheet, (finding, done): (&Finding, &Done), back: &str) -> Markup {
    let ((yes, no), done) = (answers(finding), done.about(finding));
    let back = format!("{back}#f-{}", finding.id);
    html! {
        article.finding.decided[done.is_some()] id={ "f-" (finding.id) } data-card data-finding=(finding.id) tabindex="-1" {
            div.line {
                span.badge { (KINDS.iter().find(|(kind, _)| *kind == finding.kind).map_or("", |(_, words)| words)) }
                @if let Some(score) = &finding.score { span.muted { "score " (score) } }
                span.verdict data-verdict { @if let Some(done) = done { (done.words) } }
            }
            h2 { (question(finding)) }
            @if let Some(reason) = &finding.reason { p.muted { (reason) } }
            (shown_sides(token, sheet, finding, IMAGES))
            @if !finding.pairs.is_empty() { (pairs(token, sheet, finding)) }
            @if view.desk.may_change() {
                div.buttons {
                    @for (key, answer) in [("y", yes), ("n", no)] { @if let Some(answer) = answer { (form(view, key, &answer, &back)) } }
                    button type="button" data-key="s" data-with-script { "Skip " kbd { "s" } }
                    @if let Some(undo) = done { (undo_form(view, undo, &back)) }
                    button type="button" data-key="u" data-with-script hidden { "Undo " kbd { "u" } }
                }
            }
        }
    }
}

fn form(view: &View<'_>, key: &str, answer: &Answer, back: &str) -> Markup {
    html! {
        form method="post" action="/review/act" data-key=(key) {
            (hidden(view, answer.action, back))
            @for (name, value) in &answer.parameters { input type="hidden" name=(name) value=(value); }
            button type="submit" { (answer.words) " " kbd { (key) } }
        }
    }
}

pub(super) fn question(finding: &Finding) -> Markup {
    let name = |who: Option<&Who>| html! { @if let Some(who) = who { (Name(&who.identifier)) } };
    let (own, first, second) =
        (name(finding.subject.as_ref()), name(finding.identities.first()), name(finding.identities.get(1)));
    html! {
        @match finding.kind {
            "misfiled" => { "Is this " (first) ", not " (own) "?" },
            "sameperson" => { "Are " (first) " and " (second) " one person?" },
            "severalpersons" => { "Are these several people, all under " @if finding.subject.is_some() { (own) } @else { (first) } "?" },
            "duplicates" => { "Is this the same picture?" },
            "fragments" => { "Are these one person?" },
            "nobody" => { "Does this belong to nobody here, not even " (own) "?" },
            _ => { "Is the label of " (own) " wrong?" },
        }
    }
}

/// What yes and no do; none where nothing can be done.
fn answers(finding: &Finding) -> (Option<Answer>, Option<Answer>) {
    let (yes, no) = match (finding.kind, &finding.subject, finding.identities.as_slice()) {
        ("misfiled", Some(image), [to, ..]) => (Some(moved(image, to)), Some(right(image))),
        ("sameperson", _, [a, b, ..]) => (Some(merged(b, a)), Some(decided("No, two people", "notsame", a, b))),
        ("fragments" | "severalpersons", ..) => {
            let ends = finding
                .parts
                .first()
                .and_then(|part| part.first())
                .zip(finding.parts.get(1).and_then(|part| part.first()));
            let pair = finding.pairs.first().and_then(|pair| pair.images.first().zip(pair.images.get(1)));
            let Some((a, b)) = ends.or(pair) else { return (None, None) };
            let (same, not_same) = (decided("one person", "same", a, b), decided("several people", "notsame", a, b));
            if finding.kind == "fragments" {
                (Some(Answer { words: "Yes, one person", ..same }), Some(Answer { words: "No, several", ..not_same }))
            } else {
                (split(finding), Some(Answer { words: "No, one person", ..same }))
            }
        }
        ("nobody" | "unsupported", Some(image), _) => (set_aside("Yes, set it aside", image), Some(right(image))),
        ("duplicates", ..) => {
            let second = finding.parts.iter().flatten().nth(1);
            (second.and_then(|image| set_aside("Yes, set the second aside", image)), None)
        }
        _ => (None, None),
    };
    (yes, no)
}

fn image_of(who: &Who) -> Vec<(&'static str, String)> {
    let label = who.label.clone().map(|label| ("imagelabel", label));
    [("database", who.database.clone()), ("identifier", who.identifier.clone())].into_iter().chain(label).collect()
}

fn moved(image: &Who, to: &Who) -> Answer {
    let mut parameters = image_of(image);
    parameters.push(("newidentifier", to.identifier.clone()));
    parameters.push(if to.database == image.database {
        ("undoable", "true".to_owned())
    } else {
        ("newdatabase", to.database.clone())
    });
    Answer { words: "Yes, move it", action: "MoveFaceImage", parameters }
}

fn set_aside(words: &'static str, image: &Who) -> Option<Answer> {
    let labels = listed(image.label.as_deref()?);
    let names =
        [("database", image.database.clone()), ("identifier", image.identifier.clone()), ("imagelabels", labels)];
    Some(Answer { words, action: "SetAsideFaceImages", parameters: names.into() })
}

fn right(image: &Who) -> Answer {
    let mut parameters = image_of(image);
    parameters.push(("decision", "labelright".to_owned()));
    Answer { words: "No, the label is right", action: "AddDecision", parameters }
}

fn merged(from: &Who, into: &Who) -> Answer {
    if from.database != into.database {
        return decided("Yes, one person", "same", into, from);
    }
    let mut parameters = image_of(from);
    parameters.push(("intoidentifier", into.identifier.clone()));
    Answer { words: "Yes, merge them", action: "MergeFaces", parameters }
}

fn decided(words: &'static str, decision: &str, a: &Who, b: &Who) -> Answer {
    let mut parameters = image_of(a);
    parameters.push(("decision", decision.to_owned()));
    parameters.push(("otherdatabase", b.database.clone()));
    parameters.push(("otheridentifier", b.identifier.clone()));
    parameters.extend(b.label.clone().map(|label| ("otherimagelabel", label)));
    Answer { words, action: "AddDecision", parameters }
}

/// The second part becomes an identity of its own; none if its labels cannot be listed.
fn split(finding: &Finding) -> Option<Answer> {
    let part = finding.parts.get(1)?;
    let first = part.first()?;
    let labels: Vec<String> = part.iter().filter_map(|who| who.label.clone()).collect();
    let cut = &first.identifier[..first.identifier.floor_char_boundary(248)];
    let parameters = vec![
        ("database", first.database.clone()),
        ("identifier", first.identifier.clone()),
        ("imagelabels", labels.iter().map(|label| listed(label)).collect::<Vec<_>>().join(",")),
        ("newidentifier", format!("{cut} (2)")),
    ];
    Some(Answer { words: "Yes, split it", action: "SplitFace", parameters })
}

/// A name as it stands in a list (contract R16).
fn listed(name: &str) -> String {
    if !name.contains([',', '"', '\\']) && name.trim() == name {
        return name.to_owned();
    }
    format!("\"{}\"", name.replace('\\', "\\\\").replace('"', "\\\""))
}
