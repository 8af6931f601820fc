//! What is different from the run before over the same database.

use maud::{Markup, html};

use super::frame::{View, page as framed};
use super::parts::{Name, Paging, chip, count, face};
use super::result::{Tab, heading};
use super::route::Paged;
use crate::aci::{Change, Difference, Fate, Sheet};

/// Changes on a page, and clusters and images of each.
const CHANGES: usize = 12;
const CLUSTERS: usize = 4;
const IMAGES: usize = 6;

/// So many names of images that came or went are shown.
const NAMES: usize = 60;

pub(super) fn page(view: &View<'_>, token: &str) -> Paged {
    let job = view.desk.job(token)?;
    let later = view.desk.sheet(token)?;
    let before = view.desk.job_before(&job.token);
    let content = match before {
        None => html! { p.empty { "There is no earlier result of this database to compare with." } },
        Some(before) => {
            let earlier = view.desk.sheet(&before.token)?;
            let difference = Difference::between(&earlier, &later);
            let paging = Paging::of(difference.changes.len(), CHANGES, view.asked.number("page"));
            html! {
                p { "Compared with " a href={ "/review/result/" (before.token) } { "the run of " (before.times[0].as_deref().unwrap_or("before")) } "." }
                (summary(&difference))
                @for change in &difference.changes[paging.range.clone()] {
                    (shown(change, (&before.token, &earlier), (&job.token, &later)))
                }
                (paging.links(&format!("/review/result/{}/changes?", job.token)))
                (names("Images that came", &later, &difference.come))
                (names("Images that are gone", &earlier, &difference.gone))
            }
        }
    };
    let content = html! { (heading(view, &job, &later, Tab::Changes)) (content) };
    Ok(framed(view, "Changes", &content))
}

fn summary(difference: &Difference) -> Markup {
    let n = |fate| difference.changes.iter().filter(|change| change.fate == fate).count();
    html! {
        ul.figures {
            li { b { (difference.n_same) } " clusters as before" }
            @for (fate, word) in FATES { @if n(fate) > 0 { li { b { (n(fate)) } " " (word) } } }
            li { b { (difference.come.len()) } " images came" }
            li { b { (difference.gone.len()) } " images gone" }
        }
        @if difference.changes.is_empty() { p.empty { "No cluster of then is another one now." } }
    }
}

const FATES: [(Fate, &str); 5] = [
    (Fate::Joined, "joined"),
    (Fate::Split, "split"),
    (Fate::Rearranged, "rearranged"),
    (Fate::Grown, "grown"),
    (Fate::Shrunk, "shrunk"),
];

/// A result with its token.
type Told<'a> = (&'a str, &'a Sheet);

fn shown(change: &Change, then: Told<'_>, now: Told<'_>) -> Markup {
    let word = FATES.iter().find(|(fate, _)| *fate == change.fate).map_or("", |(_, word)| word);
    html! {
        article.cluster.change data-card {
            div.line { strong.badge { (word) } span.muted { (count(change.before.len(), "cluster", "clusters")) " then, " (count(change.after.len(), "cluster", "clusters")) " now" } }
            div.sides {
                div { h3 { "Then" } (side(then, &change.before)) }
                div { h3 { "Now" } (side(now, &change.after)) }
            }
        }
    }
}

fn side((token, sheet): Told<'_>, numbers: &[u32]) -> Markup {
    html! {
        @for &number in numbers.iter().take(CLUSTERS) {
            @let cluster = &sheet.clusters[number as usize];
            div.part {
                p { a href={ "/review/result/" (token) "/cluster/" (number + 1) } { "Cluster " (number + 1) } ", " (count(cluster.len(), "image", "images")) }
                p.chips { @for (first, n) in sheet.parts(cluster).into_iter().take(CLUSTERS) { (chip(&sheet.names[first as usize], Some(n))) } }
                div.faces { @for &member in sheet.members(cluster).iter().take(IMAGES) { (face(token, sheet, member, &html! {})) } }
            }
        }
        @if numbers.len() > CLUSTERS { p.muted { "and " (numbers.len() - CLUSTERS) " more" } }
    }
}

fn names(title: &str, sheet: &Sheet, faces: &[u32]) -> Markup {
    html! {
        @if !faces.is_empty() {
            details { summary { (title) span.n { (faces.len()) } }
                ul.names {
                    @for &face in faces.iter().take(NAMES) {
                        @let id = &sheet.names[face as usize];
                        li { (Name(id.identifier.as_str())) " / " (Name(id.label.as_str())) }
                    }
                    @if faces.len() > NAMES { li { "and " (faces.len() - NAMES) " more" } }
                }
            }
        }
    }
}
