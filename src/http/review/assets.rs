//! The files of the page: style, script and icon, as they are in the program.

use super::made::Made;

pub(super) const STYLE: &str = include_str!("style.css");
const SCRIPT: &str = include_str!("script.js");
const ICON: &str = include_str!("icon.svg");

/// One of them, for who may have it already.
pub(super) fn asset(name: &str, known: Option<&str>) -> Option<Made> {
    let (kind, text) = match name {
        "style.css" => ("text/css; charset=UTF-8", STYLE),
        "script.js" => ("text/javascript; charset=UTF-8", SCRIPT),
        "icon.svg" => ("image/svg+xml", ICON),
        _ => return None,
    };
    let tag = format!("\"{}\"", &blake3::hash(text.as_bytes()).to_hex()[..32]);
    Some(Made::new(kind, text).kept("no-cache").tagged(&tag, known))
}
