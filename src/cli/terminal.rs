//! Tables for a terminal, and text from elsewhere made harmless for it.
//!
//! **Promises.** No text of a server moves the cursor, colours, hides or reorders what is shown ([`shown`]). On a
//! terminal a table is as wide as that at most; into a pipe nothing is cut.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::io::IsTerminal as _;

use console::{Term, measure_text_width, pad_str, truncate_str};
use serde_json::Value;

use super::colour::Paint;

/// What stands between two columns.
const GAP: &str = "  ";

/// Whether a terminal would act on this character instead of showing it.
fn is_unsafe(character: char) -> bool {
    let reorders =
        matches!(character, '\u{61C}' | '\u{200E}' | '\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}');
    let breaks = matches!(character, '\u{2028}' | '\u{2029}');
    character.is_control() || reorders || breaks
}

/// `text` with escapes for control characters, line breaks and what changes the direction of writing.
pub(super) fn shown(text: &str) -> Cow<'_, str> {
    if !text.contains(is_unsafe) {
        return Cow::Borrowed(text);
    }
    let mut safe = String::with_capacity(text.len());
    for character in text.chars() {
        if is_unsafe(character) { safe.extend(character.escape_default()) } else { safe.push(character) }
    }
    Cow::Owned(safe)
}

/// `value` as JSON in which such characters are escaped too; JSON itself escapes only some of them.
pub(super) fn json(value: &Value) -> String {
    escaped(&format!("{value:#}"))
}

/// The same in one line.
pub(super) fn json_line(value: &Value) -> String {
    escaped(&value.to_string())
}

fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for character in text.chars() {
        if is_unsafe(character) && character != '\n' {
            // writing to a String cannot fail; all of them are in the basic plane
            let _ = write!(safe, "\\u{:04x}", u32::from(character));
        } else {
            safe.push(character); // a raw line break is between members, never in a text
        }
    }
    safe
}

/// The width of the standard output; none if that is no terminal.
pub(super) fn width() -> Option<usize> {
    std::io::stdout().is_terminal().then(|| usize::from(Term::stdout().size().1).max(20))
}

/// How many lines the standard output shows; none if that is no terminal.
pub(super) fn height() -> Option<usize> {
    std::io::stdout().is_terminal().then(|| usize::from(Term::stdout().size().0))
}

/// The colour of a word for how something is: the status of a job, the state of a queue, a verdict.
pub(super) fn state(word: &str) -> Option<Paint> {
    match word {
        "Finished" | "ok" | "open" => Some(Paint::Good),
        "Processing" => Some(Paint::Strong),
        "Paused" | "Cancelled" | "Stopped" | "paused" | "warn" => Some(Paint::Warning),
        "Error" | "FAIL" => Some(Paint::Bad),
        _ => None,
    }
}

/// A column.
#[derive(Debug, Clone, Copy)]
pub(super) struct Column {
    title: &'static str,
    /// The lower, the sooner it is cut.
    rank: u8,
    /// It is not cut below this.
    least: usize,
    alignment: console::Alignment,
    /// The colour of a cell.
    paint: fn(&str) -> Option<Paint>,
}

impl Column {
    /// A column of text, which may be cut to `least` when others of higher rank still fit.
    pub(super) const fn text(title: &'static str, rank: u8, least: usize) -> Self {
        Self { title, rank, least, alignment: console::Alignment::Left, paint: |_| None }
    }

    /// What stands above it.
    pub(super) fn title(&self) -> &'static str {
        self.title
    }

    /// The same with a colour that follows the text.
    pub(super) const fn painted(self, paint: fn(&str) -> Option<Paint>) -> Self {
        Self { paint, ..self }
    }

    /// A column of numbers, which is cut last.
    pub(super) const fn number(title: &'static str) -> Self {
        Self { title, rank: u8::MAX, least: 4, alignment: console::Alignment::Right, paint: |_| None }
    }
}

/// The table, a line a row, within `width` if there is one.
pub(super) fn table(columns: &[Column], rows: &[Vec<String>], width: Option<usize>) -> String {
    let safe: Vec<Vec<Cow<'_, str>>> = rows.iter().map(|row| row.iter().map(|cell| shown(cell)).collect()).collect();
    let natural = |(at, column): (usize, &Column)| {
        let cells = safe.iter().filter_map(|row| row.get(at)).map(|cell| measure_text_width(cell));
        cells.chain([column.title.len()]).max().unwrap_or(0)
    };
    let mut widths: Vec<usize> = columns.iter().enumerate().map(natural).collect();
    if let Some(width) = width {
        fit(columns, &mut widths, width);
    }
    let titles: Vec<Cow<'_, str>> = columns.iter().map(|column| Cow::Borrowed(column.title)).collect();
    let mut text = String::new();
    for (at, row) in std::iter::once(&titles).chain(&safe).enumerate() {
        let cells = columns.iter().zip(&widths).zip(row);
        let cells = cells.map(|((column, &wide), cell)| {
            let paint = if at == 0 { Some(Paint::Strong) } else { (column.paint)(cell) };
            let cell = paint.map_or_else(|| cell.clone(), |paint| paint.out(cell).into());
            pad_str(&cell, wide, column.alignment, Some("…")).into_owned()
        });
        let line = cells.collect::<Vec<_>>().join(GAP);
        let line = width.map_or(Cow::Borrowed(line.as_str()), |width| truncate_str(line.trim_end(), width, "…"));
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

/// Makes columns narrower, those of the lowest rank first, until they fit or nothing more can be cut.
fn fit(columns: &[Column], widths: &mut [usize], width: usize) {
    let gaps = GAP.len() * columns.len().saturating_sub(1);
    let mut order: Vec<usize> = (0..columns.len()).collect();
    order.sort_by_key(|&at| columns[at].rank);
    for at in order {
        let excess = (widths.iter().sum::<usize>() + gaps).saturating_sub(width);
        widths[at] -= excess.min(widths[at].saturating_sub(columns[at].least));
    }
}

/// Names with their values, one a line.
pub(super) fn list(pairs: &[(String, String)]) -> String {
    let pairs: Vec<_> = pairs.iter().map(|(name, value)| (shown(name), shown(value))).collect();
    let wide = pairs.iter().map(|(name, _)| measure_text_width(name)).max().unwrap_or(0);
    let lines = pairs.iter().map(|(name, value)| {
        let line = format!("{}{GAP}{value}", pad_str(name, wide, console::Alignment::Left, None));
        format!("{}\n", line.trim_end())
    });
    lines.collect()
}

/// Whole seconds as a person reads them: `7s`, `3m07s`, `2h05m`, `3d04h`.
pub(super) fn duration(seconds: u64) -> String {
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3_600 => format!("{}m{:02}s", seconds / 60, seconds % 60),
        3_600..86_400 => format!("{}h{:02}m", seconds / 3_600, seconds / 60 % 60),
        _ => format!("{}d{:02}h", seconds / 86_400, seconds / 3_600 % 24),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const COLUMNS: [Column; 3] = [Column::text("name", 1, 4), Column::number("n"), Column::text("error", 0, 6)];

    fn rows(rows: &[[&str; 3]]) -> Vec<Vec<String>> {
        rows.iter().map(|row| row.iter().map(|&cell| cell.to_owned()).collect()).collect()
    }

    #[test]
    fn a_table_is_as_wide_as_its_widest_cells() {
        let text = table(&COLUMNS, &rows(&[["a", "7", ""], ["long name", "1000", "broken"]]), None);
        assert_eq!(text, "name          n  error\na             7\nlong name  1000  broken\n");
    }

    #[test]
    fn a_terminal_cuts_the_lowest_rank_first_and_every_line_fits() {
        let wide = rows(&[["a long name of a face", "1000", "an error that nobody will read to its end"]]);
        let text = table(&COLUMNS, &wide, Some(40));
        assert_eq!(text.lines().last().unwrap(), "a long name of a face  1000  an error t…");
        for width in 20..80 {
            let text = table(&COLUMNS, &wide, Some(width));
            assert!(text.lines().all(|line| measure_text_width(line) <= width), "{width}: {text}");
        }
        assert!(table(&COLUMNS, &wide, Some(20)).contains('…'));
    }

    #[test]
    fn a_name_of_wide_characters_is_measured_as_a_terminal_shows_it() {
        let text = table(&COLUMNS, &rows(&[["名前名前", "1", ""], ["abcdefgh", "2", ""]]), None);
        assert_eq!(text, "name      n  error\n名前名前  1\nabcdefgh  2\n");
    }

    #[test]
    fn text_from_elsewhere_cannot_steer_the_terminal() {
        assert_eq!(shown("Zoë \u{1F600} a\\b"), "Zoë \u{1F600} a\\b");
        assert_eq!(shown("a\u{1b}[2J\r\n\u{9b}31m\u{7f}"), "a\\u{1b}[2J\\r\\n\\u{9b}31m\\u{7f}");
        assert_eq!(shown("\u{202e}gpj.exe\u{2028}"), "\\u{202e}gpj.exe\\u{2028}");
        let text = table(&COLUMNS, &rows(&[["\u{1b}]0;x\u{7}", "1", "a\nb"]]), Some(60));
        assert_eq!(text.lines().count(), 2, "{text}");
        assert!(!text.contains('\u{1b}') && !text.contains('\u{7}'), "{text:?}");
        assert!(!list(&[("a\u{1b}".to_owned(), "b\u{1b}".to_owned())]).contains('\u{1b}'));
    }

    #[test]
    fn json_for_a_terminal_is_still_the_same_json() {
        let value = serde_json::json!({"a\u{9b}": "\u{1b}\n\u{7f}\u{202e}\u{2028}é\u{1F600}\"\\", "b": [1, {}]});
        let text = json(&value);
        assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), value);
        assert!(!text.replace('\n', "").contains(is_unsafe), "{text:?}");
        let line = json_line(&value);
        assert_eq!(serde_json::from_str::<Value>(&line).unwrap(), value);
        assert!(!line.contains(is_unsafe), "{line:?}");
    }

    #[test]
    fn durations_are_short() {
        let shown: Vec<String> = [0, 59, 60, 187, 3_600, 7_500, 86_400, 273_600].map(duration).into();
        assert_eq!(shown, ["0s", "59s", "1m00s", "3m07s", "1h00m", "2h05m", "1d00h", "3d04h"]);
    }
}
