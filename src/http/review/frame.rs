//! What stands around every page.

use maud::{DOCTYPE, Markup, html};

use super::{Asked, Held};
use crate::aci::{Desk, Service};

/// What a page is made of.
pub(super) struct View<'a> {
    /// What it tells.
    pub(super) desk: Desk<'a>,
    pub(super) asked: &'a Asked,
    /// Whom it asks for actions.
    pub(super) service: &'a dyn Service,
    /// What was read for it before.
    pub(super) held: &'a Held,
}

/// A page for who may look.
pub(super) fn page(view: &View<'_>, title: &str, content: &Markup) -> Markup {
    page_with(view, title, content, false)
}

/// The same, loaded again every few seconds where there is no script.
pub(super) fn live_page(view: &View<'_>, title: &str, content: &Markup) -> Markup {
    page_with(view, title, content, true)
}

fn page_with(view: &View<'_>, title: &str, content: &Markup, is_live: bool) -> Markup {
    let may_change = view.desk.may_change();
    let top = html! {
        span.role title=(if may_change { "You may look and change (role Admin)" } else { "You may look, not change (role Query)" }) {
            (if may_change { "Admin" } else { "Read only" })
        }
        a.help href="#help" data-help accesskey="h" { "Keys " kbd { "?" } }
    };
    let below = html! {
        (help())
        p #said role="status" aria-live="polite" {}
    };
    document(title, is_live, &top, content, &below)
}

/// A page for who may not look.
pub(super) fn bare(title: &str, content: &Markup) -> Markup {
    document(title, false, &html! {}, content, &html! {})
}

fn document(title: &str, is_live: bool, top: &Markup, content: &Markup, below: &Markup) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                title { (title) " \u{b7} FaceClique" }
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                link rel="stylesheet" href="/review/style.css";
                link rel="icon" href="/review/icon.svg" type="image/svg+xml";
                script src="/review/script.js" defer {}
                @if is_live { noscript { meta http-equiv="refresh" content="5"; } }
            }
            body {
                a.skip href="#main" { "Skip to the content" }
                header.top {
                    a.brand href="/review" { img src="/review/icon.svg" alt="" width="26" height="26"; span { "FaceClique" } }
                    (top)
                }
                main #main tabindex="-1" { (content) }
                (below)
            }
        }
    }
}

const KEYS: [(&str, &str); 10] = [
    ("?", "this help"),
    ("h", "databases and jobs"),
    ("j / k", "next, previous card"),
    ("Enter", "open the card"),
    ("[ / ]", "previous, next page"),
    ("/", "search"),
    ("y", "audit: yes, as the question says"),
    ("n", "audit: no"),
    ("s", "audit: skip for now"),
    ("u", "audit: undo the last decision"),
];

/// Works as a dialog with the script, and as the target of its link without.
fn help() -> Markup {
    html! {
        dialog #help aria-labelledby="help-title" {
            h2 #help-title { "Keys" }
            dl.keys { @for (key, what) in KEYS { div { dt { kbd { (key) } } dd { (what) } } } }
            p { a.button href="#" data-close { "Close" } }
        }
    }
}
