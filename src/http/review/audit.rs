//! The audit as a queue of cards: a question each, answered by a key.
//!
//! What a card does is a form like all others; the script sends it without leaving the page, and can take it back.

use maud::{Markup, html};

use super::done::{Done, undo_form};
use super::finding::{Finding, KINDS, Pair, Who, findings};
use super::frame::{View, page as framed};
use super::made::Oops;
use super::parts::{Name, Paging, chip, face, hidden, hundredths, thousands};
use super::result::{Tab, heading};
use super::route::Paged;
use crate::aci::{Job, Sheet};
use crate::face::{FaceId, face_id};

/// Findings on a page, and images of each side.
const FINDINGS: usize = 10;
const IMAGES: usize = 6;
const PAIRS: usize = 5;

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
    let done = Done::of(view, &shown[paging.range.clone()]);
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
        @if view.desk.may_change() && !shown.is_empty() { (again(view, &job)) }
    };
    Ok(framed(view, "Audit", &content))
}

fn help(view: &View<'_>) -> Markup {
    html! {
        @if view.desk.may_change() {
            p.muted { a href="/review/decisions" { "All decisions and changes" } }
            p.muted.hint { kbd { "y" } " yes  " kbd { "n" } " no  " kbd { "s" } " skip  " kbd { "u" } " undo  " kbd { "j" } kbd { "k" } " move" }
        }
    }
}

/// The page of a job without an audit.
fn without(view: &View<'_>, job: &Job, sheet: &Sheet, oops: &Oops) -> Markup {
    html! {
        (heading(view, job, sheet, Tab::Audit))
        div.empty {
            p { strong { "This run has no audit." } }
            p { (oops.text()) }
            @if view.desk.may_change() { (again(view, job)) }
        }
    }
}

/// The same job once more, with an audit and with what was decided.
fn again(view: &View<'_>, job: &Job) -> Markup {
    html! {
        form.again method="post" action="/review/act" {
            (hidden(view, "FaceClustering", "/review"))
            @if let Some(database) = &job.database { input type="hidden" name="database" value=(database); }
            input type="hidden" name="clusterthreshold" value=(hundredths(job.cluster_threshold));
            input type="hidden" name="outputthreshold" value=(hundredths(job.output_threshold));
            @if let Some(n) = job.max_results { input type="hidden" name="maxresults" value=(n); }
            input type="hidden" name="audit" value="true";
            input type="hidden" name="respectdecisions" value="true";
            button.primary type="submit" { "Cluster again, with what was decided" }
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
                span.verdict data-verdict { @if let Some((words, _)) = done { (words) } }
            }
            h2 { (question(finding)) }
            @if let Some(reason) = &finding.reason { p.muted { (reason) } }
            div.sides { @for (title, images) in sides(sheet, finding) { (side(token, sheet, &title, &images, &finding.pairs)) } }
            @if !finding.pairs.is_empty() { (pairs(token, sheet, finding)) }
            @if view.desk.may_change() {
                div.buttons {
                    @for (key, answer) in [("y", yes), ("n", no)] { @if let Some(answer) = answer { (form(view, key, &answer, &back)) } }
                    button type="button" data-key="s" data-with-script { "Skip " kbd { "s" } }
                    @if let Some((_, undo)) = done { (undo_form(view, undo, &back)) }
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

/// What is seen side by side: titles, and images of the result.
pub(super) fn sides(sheet: &Sheet, finding: &Finding) -> Vec<(Markup, Vec<u32>)> {
    let index = |who: &Who| who.label.as_deref().and_then(|label| sheet.face(&who.database, &who.identifier, label));
    let of_identity = |who: &Who, except: Option<u32>| -> Vec<u32> {
        let Ok(id) = face_id(&who.database, &who.identifier, "x") else { return Vec::new() };
        sheet.images_of(&id.database, &id.identifier).filter(|&face| Some(face) != except).take(IMAGES + 1).collect()
    };
    let mut sides = Vec::new();
    let subject = finding.subject.as_ref().and_then(index);
    if let Some(subject) = subject {
        sides.push((html! { "This image" }, vec![subject]));
    }
    if let Some(own) = finding.subject.as_ref().filter(|who| who.label.is_some()) {
        sides.push((html! { "Filed under " (titled(own)) }, of_identity(own, subject)));
    }
    for part in &finding.parts {
        let faces: Vec<u32> = part.iter().filter_map(index).collect();
        sides.push((html! { @if let Some(who) = part.first() { (titled(who)) } }, faces));
    }
    if finding.parts.is_empty() {
        for who in &finding.identities {
            sides.push((
                html! { @if finding.kind == "misfiled" { "Looks like " } (titled(who)) },
                of_identity(who, None),
            ));
        }
    }
    sides
}

fn titled(who: &Who) -> Markup {
    let id: Option<FaceId> = face_id(&who.database, &who.identifier, "x").ok();
    html! { @match id { Some(id) => (chip(&id, None)), None => (Name(&who.identifier)) } }
}

fn side(token: &str, sheet: &Sheet, title: &Markup, images: &[u32], pairs: &[Pair]) -> Markup {
    let best = |image: u32| {
        let id = &sheet.names[image as usize];
        let is_it =
            |who: &Who| who.identifier == id.identifier.as_str() && who.label.as_deref() == Some(id.label.as_str());
        pairs.iter().find(|pair| pair.images.iter().any(is_it)).map(|pair| pair.confidence.clone())
    };
    html! {
        div {
            h3 { (title) }
            @if images.is_empty() { p.muted { "no other image" } }
            div.faces {
                @for &image in images.iter().take(IMAGES) { (face(token, sheet, image, &html! { @if let Some(best) = best(image) { span.confidence { (best) } } })) }
                @if images.len() > IMAGES { p.more { "and more" } }
            }
        }
    }
}

/// The pairs it rests on.
fn pairs(token: &str, sheet: &Sheet, finding: &Finding) -> Markup {
    let index = |who: &Who| who.label.as_deref().and_then(|label| sheet.face(&who.database, &who.identifier, label));
    html! {
        details.evidence {
            summary { "The pairs it rests on" span.n { (finding.pairs.len()) } }
            ul.near {
                @for pair in finding.pairs.iter().take(PAIRS) {
                    li {
                        div.faces {
                            @let subject = finding.subject.as_ref().filter(|_| pair.images.len() == 1);
                            @for image in subject.into_iter().chain(&pair.images).filter_map(index) { (face(token, sheet, image, &html! {})) }
                        }
                        p { span.confidence { (pair.confidence) } }
                    }
                }
            }
        }
    }
}
