//! One cluster: its images, how similar each is to each, and what lies near it.

use std::collections::BTreeMap;

use maud::{Markup, html};

use super::frame::{View, page as framed};
use super::parts::{Name, Paging, chip, confidence, count, face};
use super::result::{cluster_numbered, fit};
use super::route::Paged;
use crate::aci::{Cluster, Sheet};
use crate::confidence::Confidence;

/// Images on a page, and in a matrix.
const IMAGES: usize = 96;
const MATRIX: usize = 32;

/// So many near clusters are shown.
const NEAR: usize = 6;

pub(super) fn page(view: &View<'_>, token: &str, number: &str) -> Paged {
    let job = view.desk.job(token)?;
    let sheet = view.desk.sheet(token)?;
    let cluster = cluster_numbered(&sheet, number)?;
    let members = by_identity(&sheet, cluster);
    let paging = Paging::of(members.len(), IMAGES, view.asked.number("page"));
    let n = sheet.clusters.len() as u32;
    let base = format!("/review/result/{}", job.token);
    let address = |number: u32| format!("{base}/cluster/{number}");
    let number = cluster.number + 1;
    let content = html! {
        p.path { a href="/review" { "Databases and jobs" } " / " a href=(base) { "Result" } }
        h1 { "Cluster " (number) }
        div.line {
            span { (count(cluster.len(), "image", "images")) }
            @if cluster.n_identities > 1 { strong.badge { (count(cluster.n_identities as usize, "identity", "identities")) } }
            @if let Some(lowest) = cluster.lowest { span.muted { "weakest pair " (confidence(lowest)) } }
            nav.pages aria-label="Clusters" {
                @if number > 1 { a rel="prev" href=(address(number - 1)) { "\u{2190} Cluster " (number - 1) } }
                @if number < n { a rel="next" href=(address(number + 1)) { "Cluster " (number + 1) " \u{2192}" } }
            }
        }
        p.chips { @for (first, n) in sheet.parts(cluster).into_iter().take(IMAGES) { (chip(&sheet.names[first as usize], Some(n))) } }
        section aria-label="Images" {
            div.faces.wide {
                @for &member in &members[paging.range.clone()] {
                    (face(&job.token, &sheet, member, &label(&sheet, member)))
                }
            }
            (paging.links(&format!("{}?", address(number))))
        }
        @if members.len() > 1 { (matrix(&job.token, &sheet, &members)) }
        (near(&job.token, &sheet, cluster))
    };
    Ok(framed(view, "Cluster", &content))
}

/// The images, those of the identity with most of them first.
fn by_identity(sheet: &Sheet, cluster: &Cluster) -> Vec<u32> {
    let mut place = BTreeMap::new();
    for (at, (first, _)) in sheet.parts(cluster).into_iter().enumerate() {
        place.insert(sheet.identity(first), at);
    }
    let mut members = sheet.members(cluster).to_vec();
    members.sort_by_key(|&member| place.get(&sheet.identity(member)).copied());
    members
}

fn label(sheet: &Sheet, member: u32) -> Markup {
    let id = &sheet.names[member as usize];
    html! {
        (fit(sheet, member))
        small.who { (Name(id.identifier.as_str())) }
        small.muted { (Name(id.label.as_str())) }
    }
}

/// Every pair of images: the darker the surer.
fn matrix(token: &str, sheet: &Sheet, members: &[u32]) -> Markup {
    let shown = &members[..members.len().min(MATRIX)];
    let least = Confidence::from_hundredths(sheet.cluster_threshold).unwrap_or(Confidence::MAX);
    let is_known = shown.iter().all(|&a| shown.iter().all(|&b| a == b || sheet.pair(a, b).is_some()));
    let name = |member: u32| {
        let id = &sheet.names[member as usize];
        format!("{} / {}", id.identifier, id.label)
    };
    html! {
        section aria-labelledby="matrix" {
            h2 #matrix { "How similar each is to each" }
            p.muted {
                "Confidence in per cent."
                @if members.len() > MATRIX { " The first " (MATRIX) " of " (members.len()) " images." }
                @if !is_known { " A dot is a pair that the result did not keep; within a cluster every pair has at least " (least) "." }
            }
            div.scroll tabindex="0" role="region" aria-labelledby="matrix" {
                table.matrix {
                    thead { tr { td {} @for (at, &member) in shown.iter().enumerate() { th scope="col" title=(name(member)) { (at + 1) } } } }
                    tbody {
                        @for (at, &row) in shown.iter().enumerate() {
                            tr {
                                th scope="row" title=(name(row)) {
                                    img src={ "/review/image/" (token) "/" (row) } alt=(name(row)) loading="lazy" width="28" height="28";
                                    span { (at + 1) }
                                }
                                @for &column in shown { (cell(sheet, row, column)) }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn cell(sheet: &Sheet, row: u32, column: u32) -> Markup {
    html! {
        @if row == column { td.same { "\u{2013}" } }
        @else if let Some(pair) = sheet.pair(row, column) {
            td class=(format!("c{}", pair.hundredths() / 1_000)) title=(pair) { (pair.hundredths() / 100) }
        } @else { td.unknown { "\u{b7}" } }
    }
}

/// Clusters with matches to this one, by the best of them: perhaps the same person.
fn near(token: &str, sheet: &Sheet, cluster: &Cluster) -> Markup {
    let mut best: BTreeMap<u32, (Confidence, u32, u32, usize)> = BTreeMap::new();
    for &member in sheet.members(cluster) {
        for &(other, confidence) in sheet.matches_of(member) {
            let there = sheet.cluster_of(other).number;
            if there != cluster.number {
                let entry = best.entry(there).or_insert((confidence, member, other, 0));
                *entry = if confidence > entry.0 {
                    (confidence, member, other, entry.3 + 1)
                } else {
                    (entry.0, entry.1, entry.2, entry.3 + 1)
                };
            }
        }
    }
    let mut near: Vec<_> = best.into_iter().collect();
    near.sort_by_key(|&(number, (confidence, ..))| (std::cmp::Reverse(confidence), number));
    html! {
        @if !near.is_empty() {
            section aria-labelledby="near" {
                h2 #near { "Near it" span.n { (near.len()) } }
                p.muted { "Clusters with images that match some of these, but not all of these." }
                ul.near {
                    @for &(number, (confidence, own, other, n)) in near.iter().take(NEAR) {
                        li {
                            div.faces { (face(token, sheet, own, &html! {})) (face(token, sheet, other, &html! {})) }
                            p { a href={ "/review/result/" (token) "/cluster/" (number + 1) } { "Cluster " (number + 1) } }
                            p { (chip(&sheet.names[other as usize], None)) }
                            p.muted { "best of " (count(n, "pair", "pairs")) " " (super::parts::confidence(confidence)) }
                        }
                    }
                }
            }
        }
    }
}
