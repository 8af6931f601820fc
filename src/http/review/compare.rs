//! What is different from the run before over the same database.

use std::collections::BTreeSet;

use maud::{Markup, html};

use super::frame::{View, page as framed};
use super::parts::{Name, Paging, chip, count, face, thousands};
use super::result::{Tab, heading};
use super::route::Paged;
use crate::aci::{Change, Difference, Fate, Sheet};

/// Changes on a page, and clusters and images of each.
const CHANGES: usize = 12;
const CLUSTERS: usize = 4;
const IMAGES: usize = 5;

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
            let difference = view.desk.difference(&earlier, &later)?;
            let paging = Paging::of(difference.changes.len(), CHANGES, view.asked.number("page"));
            html! {
                p { "Compared with " a href={ "/review/result/" (before.token) } { "the run of " (before.times[0].as_deref().unwrap_or("before")) } "." }
                (summary(&difference))
                @let (then, now) = told(&difference, (&before.token, &earlier), (&job.token, &later));
                @for change in &difference.changes[paging.range.clone()] { (shown(change, &then, &now)) }
                (paging.links(&format!("/review/result/{}/changes?", job.token)))
                (moved(&earlier, &later, &difference.moved))
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
            li { b { (thousands(difference.n_same as u64)) } " " (if difference.n_same == 1 { "cluster" } else { "clusters" }) " as before" }
            @for (fate, word) in FATES { @if n(fate) > 0 { li { b { (n(fate)) } " " (word) } } }
            @for (n, words) in [(difference.moved.len(), "refiled"), (difference.come.len(), "new"), (difference.gone.len(), "gone")] {
                @if n > 0 { li { b { (n) } " " (if n == 1 { "image" } else { "images" }) " " (words) } }
            }
        }
        @if difference.changes.is_empty() { p.empty { "No cluster has changed since then." } }
    }
}

const FATES: [(Fate, &str); 6] = [
    (Fate::Joined, "joined"),
    (Fate::Split, "split"),
    (Fate::Rearranged, "rearranged"),
    (Fate::Grown, "grown"),
    (Fate::Shrunk, "shrunk"),
    (Fate::Refiled, "under other names"),
];

/// A result with its token, and the images of it that are told apart.
struct Told<'a> {
    token: &'a str,
    sheet: &'a Sheet,
    marked: BTreeSet<u32>,
}

/// Both results, and of each the images that went or came or were refiled.
fn told<'a>(difference: &Difference, then: (&'a str, &'a Sheet), now: (&'a str, &'a Sheet)) -> (Told<'a>, Told<'a>) {
    let Difference { come, gone, moved, .. } = difference;
    let told = |(token, sheet), marked| Told { token, sheet, marked };
    let left = gone.iter().copied().chain(moved.iter().map(|&(then, _)| then)).collect();
    let arrived = come.iter().copied().chain(moved.iter().map(|&(_, now)| now)).collect();
    (told(then, left), told(now, arrived))
}

fn shown(change: &Change, then: &Told<'_>, now: &Told<'_>) -> Markup {
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

fn side(told: &Told<'_>, numbers: &[u32]) -> Markup {
    let Told { token, sheet, marked } = told;
    html! {
        @for &number in numbers.iter().take(CLUSTERS) {
            @let cluster = &sheet.clusters[number as usize];
            div.part {
                p { a href={ "/review/result/" (token) "/cluster/" (number + 1) } { "Cluster " (number + 1) } ", " (count(cluster.len(), "image", "images")) }
                p.chips { @for (first, n) in sheet.parts(cluster).into_iter().take(CLUSTERS) { (chip(&sheet.names[first as usize], Some(n))) } }
                div.faces {
                    @let (first, others): (Vec<u32>, Vec<u32>) = sheet.members(cluster).iter().partition(|face| marked.contains(face));
                    @for &member in first.iter().chain(&others).take(IMAGES) { (face(token, sheet, member, &html! {})) }
                    @if cluster.len() > IMAGES { p.more { "+" (cluster.len() - IMAGES) } }
                }
            }
        }
        @if numbers.len() > CLUSTERS { p.muted { "and " (numbers.len() - CLUSTERS) " more" } }
    }
}

/// Images that were refiled: from where to where.
fn moved(earlier: &Sheet, later: &Sheet, moved: &[(u32, u32)]) -> Markup {
    let name = |sheet: &Sheet, face: u32| {
        let id = &sheet.names[face as usize];
        html! { (Name(id.identifier.as_str())) " / " (Name(id.label.as_str())) }
    };
    html! {
        @if !moved.is_empty() {
            details open { summary { "Images that were refiled" span.n { (moved.len()) } }
                ul.names {
                    @for &(then, now) in moved.iter().take(NAMES) { li { (name(earlier, then)) " \u{2192} " (name(later, now)) } }
                    @if moved.len() > NAMES { li { "and " (moved.len() - NAMES) " more" } }
                }
            }
        }
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
