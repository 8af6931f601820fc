//! Findings for people, as a table, and for spreadsheets, as CSV.

use std::collections::BTreeSet;
use std::io::Write;

use console::measure_text_width;

use super::super::Failure;
use super::super::colour::Paint;
use super::super::terminal::{self, Column};
use super::Most;
use super::finding::{Finding, Found, Who};
use crate::cluster::audit::{Kind, Score};

const COLUMNS: [Column; 4] = [
    Column::number("score").painted(weight),
    Column::text("kind", 2, 14),
    Column::text("who", 1, 16),
    Column::text("reason", 0, 12),
];

const HEADER: [&str; 13] = [
    "kind",
    "rank",
    "score",
    "id",
    "database",
    "identifier",
    "imagelabel",
    "otherdatabase",
    "otheridentifier",
    "otherimagelabel",
    "images",
    "decision",
    "reason",
];

/// A terminal has room for so many findings, however few lines it has.
pub(super) const LEAST_SHOWN: usize = 5;
/// Lines of a terminal besides those of the summary that no finding is on: an empty one, the titles, that there are more, and
/// the one to write on.
const OTHER_LINES: usize = 4;

/// The colour of a score.
fn weight(score: &str) -> Option<Paint> {
    let score: Score = score.parse().ok()?;
    match score.ten_thousandths() {
        9_000.. => Some(Paint::Bad),
        _ if score >= Score::LIKELY => Some(Paint::Warning),
        _ => None,
    }
}

/// What was audited and found in figures, and the findings as a table, within `width` if there is one.
pub(super) fn text(found: &Found, about: Option<&str>, most: Most, width: Option<usize>) -> String {
    let mut text = about.map_or_else(String::new, |about| format!("faces        {about}\n"));
    let counts = |count: fn(&(Kind, u64, u64)) -> u64| {
        let named = found.totals.iter().map(|total| (total.0, count(total))).filter(|(_, n)| *n > 0);
        let named: Vec<String> = named.map(|(kind, n)| format!("{n} {kind}")).collect();
        if named.is_empty() { "nothing".to_owned() } else { named.join(", ") }
    };
    text.push_str(&format!("found        {}\n", counts(|total| total.1)));
    if found.total() > 0 {
        text.push_str(&format!("likely       {} (score 0.5 or more)\n", counts(|total| total.2)));
    }
    let most = match most {
        Most::Screen(height) => room(&text, width, height),
        most => most.bound(),
    };
    let findings = &found.findings[..found.findings.len().min(most)];
    if !findings.is_empty() {
        let databases: BTreeSet<&str> =
            found.findings.iter().flat_map(|it| it.names().into_iter().flatten()).map(|who| who.database).collect();
        let row = |it: &Finding| {
            let [score, reason] = ["score", "reason"].map(|name| it.text(name).to_owned());
            let decided = it.decision().map(|(id, kind)| format!("Decision {id}: {kind}. "));
            let reason = decided.unwrap_or_default() + &reason;
            vec![score, it.kind.to_string(), it.who(databases.len() > 1), reason]
        };
        let rows: Vec<_> = findings.iter().map(row).collect();
        text.push('\n');
        text.push_str(&terminal::table(&COLUMNS, &rows, width));
    }
    let n_more = found.total().saturating_sub(findings.len() as u64); // some may be decided between two pages
    if n_more > 0 {
        text.push_str(&format!("… {n_more} more (--max 0 shows all)\n"));
    }
    text
}

/// How many findings fit below a summary on a terminal.
fn room(summary: &str, width: Option<usize>, height: usize) -> usize {
    let width = width.unwrap_or(usize::MAX).max(1);
    let lines: usize = summary.lines().map(|line| measure_text_width(line).div_ceil(width).max(1)).sum();
    height.saturating_sub(lines + OTHER_LINES).max(LEAST_SHOWN)
}

/// A row for each finding, at most so many.
pub(super) fn csv(out: &mut dyn Write, found: &Found, most: usize) -> Result<(), Failure> {
    let mut csv = csv::Writer::from_writer(out);
    csv.write_record(HEADER)?;
    for finding in found.findings.iter().take(most) {
        let none = Who { database: "", identifier: "", label: "" };
        let [first, second] = finding.names().map(|who| who.unwrap_or(none));
        let images = finding.n_images().to_string();
        let [rank, score, id, reason] = ["rank", "score", "id", "reason"].map(|name| finding.text(name));
        let [a, b] = [first, second].map(|who| [who.database, who.identifier, who.label]);
        let last = [&*images, finding.decision().map_or("", |(id, _)| id), reason];
        csv.write_record([finding.kind.name(), rank, score, id].into_iter().chain(a).chain(b).chain(last))?;
    }
    Ok(csv.flush()?)
}
