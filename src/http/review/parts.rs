//! The parts that pages have in common: names, chips, faces, numbers.
//!
//! **Promises.** A name from outside is never anything but text, cannot turn the text around it, and shows the characters
//! in it that nobody would see.

use maud::{Markup, Render, html};

use super::frame::View;
use crate::aci::{Job, Sheet};
use crate::confidence::Confidence;
use crate::face::FaceId;

/// Hues that identities are told apart by, and shapes beside them, for who does not see colours.
const HUES: u64 = 24;
const SHAPES: [&str; 6] = ["\u{25CF}", "\u{25A0}", "\u{25B2}", "\u{25C6}", "\u{2605}", "\u{25BC}"];

/// The same number for the same identity, whichever result it is in, and another for names that are nearly the same.
fn stable(id: &FaceId) -> u64 {
    let mut hasher = blake3::Hasher::new();
    hasher.update(id.database.as_str().as_bytes()).update(&[0]).update(id.identifier.as_str().as_bytes());
    let hash = *hasher.finalize().as_bytes();
    hash[..8].iter().fold(0, |number, &byte| number << 8 | u64::from(byte))
}

/// The hue of an identity, one of 24.
pub(super) fn hue(id: &FaceId) -> u8 {
    (stable(id) % HUES) as u8
}

/// The shape of an identity.
pub(super) fn shape(id: &FaceId) -> &'static str {
    SHAPES[(stable(id) / HUES % SHAPES.len() as u64) as usize]
}

/// A name from outside.
pub(super) struct Name<'a>(pub(super) &'a str);

impl Render for Name<'_> {
    fn render(&self) -> Markup {
        html! {
            bdi.name {
                @for piece in self.0.split_inclusive(is_unseen) {
                    @let end = piece.chars().next_back().filter(|&c| is_unseen(c));
                    (end.map_or(piece, |c| &piece[..piece.len() - c.len_utf8()]))
                    @if let Some(c) = end { span.odd { "U+" (format!("{:04X}", u32::from(c))) } }
                }
            }
        }
    }
}

/// Characters that show nothing but change what is beside them, or look like nothing.
fn is_unseen(c: char) -> bool {
    matches!(c, '\u{AD}' | '\u{61C}' | '\u{180E}' | '\u{200B}'..='\u{200F}' | '\u{2028}'..='\u{202E}'
        | '\u{2060}'..='\u{206F}' | '\u{FEFF}' | '\u{FFF9}'..='\u{FFFB}' | '\u{E0000}'..='\u{E007F}')
}

/// An identity in its colour, with how many images are meant.
pub(super) fn chip(id: &FaceId, n: Option<usize>) -> Markup {
    html! {
        span class=(format!("chip h{}", hue(id))) {
            span.shape aria-hidden="true" { (shape(id)) }
            (Name(id.identifier.as_str()))
            @if let Some(n) = n { span.n { (n) } }
        }
    }
}

/// The face of an image, with what is said below it.
pub(super) fn face(token: &str, sheet: &Sheet, face: u32, below: &Markup) -> Markup {
    let id = &sheet.names[face as usize];
    html! {
        figure class=(format!("face h{}", hue(id))) {
            img src=(format!("/review/image/{token}/{face}")) loading="lazy" decoding="async" width="96" height="96"
                alt={ (id.identifier.as_str()) ", image " (id.label.as_str()) }
                title={ (id.identifier.as_str()) " / " (id.label.as_str()) };
            figcaption { (below) }
        }
    }
}

/// A confidence, as it is in results.
pub(super) fn confidence(confidence: Confidence) -> Markup {
    html! { span.confidence { (confidence) } }
}

/// Hundredths as they are printed.
pub(super) fn hundredths(value: u16) -> String {
    if value.is_multiple_of(100) { (value / 100).to_string() } else { format!("{}.{:02}", value / 100, value % 100) }
}

/// A number with a word in the right form, thousands apart.
pub(super) fn count(n: usize, one: &str, several: &str) -> String {
    format!("{} {}", thousands(n as u64), if n == 1 { one } else { several })
}

/// 1234567 as 1,234,567.
pub(super) fn thousands(n: u64) -> String {
    let digits = n.to_string();
    let mut text = String::with_capacity(digits.len() * 4 / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Seconds as a person says them.
pub(super) fn duration(seconds: u64) -> String {
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3_600 => format!("{} min {} s", seconds / 60, seconds % 60),
        _ => format!("{} h {} min", seconds / 3_600, seconds / 60 % 60),
    }
}

/// The status of a job.
pub(super) fn status(job: &Job) -> Markup {
    html! { span class={ "status " (job.status.to_lowercase()) } data-status { (job.status) } }
}

/// What a job is about, in a few words.
pub(super) fn database_of(job: &Job) -> Markup {
    html! {
        @match &job.database {
            Some(database) => (Name(database)),
            None => span { "all databases" },
        }
    }
}

/// What every form carries.
pub(super) fn hidden(view: &View<'_>, action: &str, back: &str) -> Markup {
    html! {
        input type="hidden" name="action" value=(action);
        input type="hidden" name="visit" value=(view.asked.visit.value());
        input type="hidden" name="back" value=(back);
    }
}

/// A text as it stands in an address.
pub(super) fn encoded(text: &str) -> String {
    let bytes: Vec<String> = text.bytes().map(|byte| format!("%{byte:02X}")).collect();
    bytes.concat()
}

/// A page of a list: which of its items are shown.
pub(super) struct Paging {
    /// From 1.
    pub(super) page: usize,
    pub(super) pages: usize,
    pub(super) range: std::ops::Range<usize>,
}

impl Paging {
    pub(super) fn of(n: usize, size: usize, asked: Option<usize>) -> Self {
        let pages = n.div_ceil(size).max(1);
        let page = asked.unwrap_or(1).clamp(1, pages);
        Self { page, pages, range: ((page - 1) * size).min(n)..(page * size).min(n) }
    }

    /// Links to the other pages; `address` is what stands before `page=`.
    pub(super) fn links(&self, address: &str) -> Markup {
        let Self { page, pages, .. } = *self;
        let mut shown: Vec<usize> =
            [1, page - 1, page, page + 1, pages].into_iter().filter(|n| (1..=pages).contains(n)).collect();
        shown.dedup();
        html! {
            @if pages > 1 {
                nav.pages aria-label="Pages" {
                    @if page > 1 { a rel="prev" href={ (address) "page=" (page - 1) } { "Previous" } }
                    @for (at, n) in shown.iter().enumerate() {
                        @if at > 0 && shown[at - 1] + 1 < *n { span { "\u{2026}" } }
                        @if *n == page { a href={ (address) "page=" (n) } aria-current="page" { (n) } }
                        @else { a href={ (address) "page=" (n) } { (n) } }
                    }
                    @if page < pages { a rel="next" href={ (address) "page=" (page + 1) } { "Next" } }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::face::face_id;

    #[test]
    fn a_name_is_text_whatever_it_is() {
        let shown = Name("<script>alert(1)</script>\u{202E}gpj\"'&").render().into_string();
        let script = "&lt;script&gt;alert(1)&lt;/script&gt;";
        assert_eq!(
            shown,
            format!("<bdi class=\"name\">{script}<span class=\"odd\">U+202E</span>gpj&quot;'&amp;</bdi>")
        );
    }

    #[test]
    fn an_identity_has_the_same_colour_everywhere_and_identities_have_many() {
        let id = |n: usize, label: &str| face_id("people", &format!("person {n}"), label).unwrap();
        assert_eq!((hue(&id(1, "a")), shape(&id(1, "a"))), (hue(&id(1, "b")), shape(&id(1, "b"))));
        let mut looks: Vec<_> = (0..2_000).map(|n| (hue(&id(n, "a")), shape(&id(n, "a")))).collect();
        looks.sort_unstable();
        looks.dedup();
        assert_eq!(looks.len(), 24 * 6);
    }

    #[test]
    fn numbers_are_written_for_people() {
        assert_eq!([0, 999, 1_000, 1_234_567].map(thousands), ["0", "999", "1,000", "1,234,567"]);
        assert_eq!([5, 65, 3_725].map(duration), ["5 s", "1 min 5 s", "1 h 2 min"]);
        assert_eq!([5_000, 6_255].map(hundredths), ["50", "62.55"]);
        assert_eq!(
            (count(1, "image", "images"), count(2_000, "image", "images")),
            ("1 image".into(), "2,000 images".into())
        );
    }

    #[test]
    fn a_page_that_is_not_there_is_the_nearest() {
        let range = |asked| Paging::of(25, 10, asked).range;
        assert_eq!([range(None), range(Some(0)), range(Some(3)), range(Some(99))], [0..10, 0..10, 20..25, 20..25]);
        assert_eq!(Paging::of(0, 10, None).range, 0..0);
    }
}
