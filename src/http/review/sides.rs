//! What is seen side by side of a finding: the image in question, those it is filed under, those it looks like.

use maud::{Markup, html};

use super::finding::{Finding, Who};
use super::parts::{Name, chip, face};
use crate::aci::Sheet;
use crate::face::face_id;

/// Pairs that are shown of those a finding rests on.
const PAIRS: usize = 5;

/// Images that are seen together.
pub(super) struct Side {
    pub(super) title: Markup,
    /// Images of the result: those that the finding rests on first, and no more than are shown.
    pub(super) images: Vec<u32>,
    /// How many there are beside these.
    pub(super) n_more: usize,
    /// Whether it is the image in question, or one of two that are to be compared.
    pub(super) is_large: bool,
}

/// Finds the images of a finding in a result.
struct Finder<'a> {
    sheet: &'a Sheet,
    finding: &'a Finding,
    most: usize,
}

impl Finder<'_> {
    fn index(&self, who: &Who) -> Option<u32> {
        self.sheet.face(&who.database, &who.identifier, who.label.as_deref()?)
    }

    /// The place of the best pair with this image, among all that the finding rests on.
    fn pair(&self, image: u32) -> Option<usize> {
        let id = &self.sheet.names[image as usize];
        let names = (id.database.as_str(), id.identifier.as_str(), Some(id.label.as_str()));
        let is_it = |who: &Who| (&*who.database, &*who.identifier, who.label.as_deref()) == names;
        self.finding.pairs.iter().position(|pair| pair.images.iter().any(is_it))
    }

    fn of_identity(&self, who: &Who, except: Option<u32>) -> Vec<u32> {
        let Ok(id) = face_id(&who.database, &who.identifier, "x") else { return Vec::new() };
        self.sheet.images_of(&id.database, &id.identifier).filter(|&face| Some(face) != except).collect()
    }

    fn side(&self, title: Markup, mut images: Vec<u32>) -> Side {
        images.sort_by_key(|&image| self.pair(image).unwrap_or(usize::MAX));
        let n_more = images.len().saturating_sub(self.most);
        images.truncate(self.most);
        Side { title, images, n_more, is_large: false }
    }
}

/// The sides of a finding, with at most so many images of each.
pub(super) fn sides(sheet: &Sheet, finding: &Finding, most: usize) -> Vec<Side> {
    let finder = Finder { sheet, finding, most };
    let mut sides = Vec::new();
    let subject = finding.subject.as_ref().and_then(|who| finder.index(who));
    if let Some(subject) = subject {
        sides.push(Side { is_large: true, ..finder.side(html! { "This image" }, vec![subject]) });
    }
    if let Some(own) = finding.subject.as_ref().filter(|who| who.label.is_some()) {
        let others = finder.of_identity(own, subject);
        sides.push(finder.side(html! { "Filed under " (titled(own, others.len())) }, others));
    }
    for part in &finding.parts {
        let faces: Vec<u32> = part.iter().filter_map(|who| finder.index(who)).collect();
        let title = html! { @if let Some(who) = part.first() { (titled(who, faces.len())) } };
        sides.push(Side { is_large: finding.kind == "duplicates", ..finder.side(title, faces) });
    }
    for number in &finding.clusters {
        let Some(cluster) = number.checked_sub(1).and_then(|at| sheet.clusters.get(at)) else { continue };
        let title = html! { "Cluster " (number) " " @for (first, n) in sheet.parts(cluster).into_iter().take(1) { (chip(&sheet.names[first as usize], Some(n))) } };
        sides.push(finder.side(title, sheet.members(cluster).to_vec()));
    }
    if finding.parts.is_empty() {
        for who in &finding.identities {
            let faces = finder.of_identity(who, None);
            let words = if finding.kind == "misfiled" { "Looks like " } else { "" };
            sides.push(finder.side(html! { (words) (titled(who, faces.len())) }, faces));
        }
    }
    sides
}

/// An identity, with how many images are meant if there are several.
fn titled(who: &Who, n: usize) -> Markup {
    let id = face_id(&who.database, &who.identifier, "x").ok();
    html! { @match id { Some(id) => (chip(&id, Some(n).filter(|&n| n > 1))), None => (Name(&who.identifier)) } }
}

/// The sides as they stand on a card.
pub(super) fn shown_sides(token: &str, sheet: &Sheet, finding: &Finding, most: usize) -> Markup {
    let finder = Finder { sheet, finding, most };
    let below = |image: u32| {
        let label = Some(sheet.names[image as usize].label.as_str()).filter(|_| finding.kind == "duplicates");
        html! {
            @if let Some(label) = label { small.muted { (Name(label)) } }
            @else if let Some(at) = finder.pair(image) { span.confidence { (finding.pairs[at].confidence) } }
        }
    };
    let is_about_one = finding.subject.as_ref().is_some_and(|who| finder.index(who).is_some());
    html! {
        div.sides.about[is_about_one] {
            @for side in sides(sheet, finding, most) {
                div.large[side.is_large] {
                    h3 { (side.title) }
                    @if side.images.is_empty() { p.muted { "no other image" } }
                    div.faces {
                        @for &image in &side.images { (face(token, sheet, image, &below(image))) }
                        @if side.n_more > 0 { p.more { "+" (side.n_more) } }
                    }
                }
            }
        }
    }
}

/// The pairs it rests on.
pub(super) fn pairs(token: &str, sheet: &Sheet, finding: &Finding) -> Markup {
    let finder = Finder { sheet, finding, most: 0 };
    html! {
        details.evidence {
            summary { "The pairs it rests on" span.n { (finding.pairs.len()) } }
            ul.near {
                @for pair in finding.pairs.iter().take(PAIRS) {
                    li {
                        div.faces {
                            @let subject = finding.subject.as_ref().filter(|_| pair.images.len() == 1);
                            @for image in subject.into_iter().chain(&pair.images).filter_map(|who| finder.index(who)) { (face(token, sheet, image, &html! {})) }
                        }
                        p { span.confidence { (pair.confidence) } }
                    }
                }
            }
        }
    }
}
