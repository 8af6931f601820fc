//! What a result is at many thresholds, in one pass over the pairs it has kept: plots, a table, and the way to a run at
//! one of them.
//!
//! **Promises.** Thresholds below what the result can answer are not shown, and the page says where that is.

use hyper::StatusCode;
use maud::{Markup, html};

use super::frame::{View, page as framed};
use super::made::Oops;
use super::parts::{encoded, hundredths, thousands};
use super::plot::{Curve, Panel, Scale, panel};
use super::result::{Tab, heading};
use super::route::Paged;
use super::threshold::basis;
use crate::aci::{Agreement, Job, Sheet};
use crate::confidence::Confidence;

/// The most thresholds that are shown, and about how many if nobody asks for others.
const MOST: u16 = 101;
const USUAL: u16 = 25;

/// Distances of two thresholds that are chosen from, in hundredths.
const STEPS: [u16; 8] = [1, 5, 10, 25, 50, 100, 250, 500];

/// A range of thresholds, in hundredths.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Range {
    from: u16,
    to: u16,
    step: u16,
}

type Row = (Confidence, Agreement);

impl Range {
    /// What is asked for, no lower than `least`.
    fn of(asked: [Option<&str>; 3], least: u16) -> Result<Self, Oops> {
        let number = |name: &str, text: Option<&str>| -> Result<Option<u16>, Oops> {
            let Some(text) = text.map(str::trim).filter(|text| !text.is_empty()) else { return Ok(None) };
            let value = text.parse::<f64>().ok().filter(|value| (0.0..=100.0).contains(value));
            let value = value.ok_or_else(|| refused(format!("'{name}={text}' is no confidence from 0 to 100")))?;
            Ok(Some((value * 100.0).round() as u16))
        };
        let to = number("to", asked[1])?.unwrap_or(10_000).max(least);
        let from = number("from", asked[0])?.unwrap_or(least).max(least);
        if from > to {
            return Err(refused(format!("from {} to {} is no range", hundredths(from), hundredths(to))));
        }
        let usual = STEPS.into_iter().find(|step| (to - from) / step <= USUAL).unwrap_or(STEPS[STEPS.len() - 1]);
        let step = number("step", asked[2])?.unwrap_or(usual);
        if step == 0 {
            return Err(refused("'step=0' leads nowhere; at least 0.01".to_owned()));
        }
        let n = (to - from) / step + 1;
        if n > MOST {
            let text = format!("from {} to {} by {}", hundredths(from), hundredths(to), hundredths(step));
            return Err(refused(format!("{text}: {n} thresholds, at most {MOST} are shown")));
        }
        Ok(Self { from, to, step })
    }

    /// Its thresholds, and this one if it is among them.
    fn thresholds(self, own: u16) -> Vec<Confidence> {
        let own = Some(own).filter(|own| (self.from..=self.to).contains(own));
        (self.from..=self.to).step_by(self.step.into()).chain(own).filter_map(Confidence::from_hundredths).collect()
    }
}

fn refused(text: String) -> Oops {
    Oops::new(StatusCode::BAD_REQUEST, "This is not possible", text)
}

pub(super) fn page(view: &View<'_>, token: &str) -> Paged {
    let job = view.desk.job(token)?;
    let sheet = view.desk.sheet(token)?;
    let range = Range::of(["from", "to", "step"].map(|name| view.asked.text(name)), sheet.answers_from().hundredths())?;
    let mut rows = sheet.sweep(&range.thresholds(sheet.cluster_threshold));
    rows.reverse();
    let content = html! {
        (heading(view, &job, &sheet, Tab::Sweep))
        (form(&job, &sheet, range))
        section aria-labelledby="curves" {
            h2 #curves { "Over thresholds" }
            @for one in panels(&rows, range, sheet.cluster_threshold) { (panel(&one)) }
        }
        section aria-labelledby="sweep" {
            h2 #sweep { "As numbers" }
            (table(view, &job, &sheet, &rows))
            p.muted {
                "Cross pairs are in one cluster under two identities, missed pairs under one identity but not in one cluster; \
                 precision, recall and F are BCubed. All count by the labels, which carry mistakes of their own."
            }
        }
        (basis(&sheet))
    };
    Ok(framed(view, "Sweep", &content))
}

fn form(job: &Job, sheet: &Sheet, range: Range) -> Markup {
    let least = sheet.answers_from();
    let fields = [("from", "From", range.from), ("to", "To", range.to), ("step", "In steps of", range.step)];
    html! {
        section.panel aria-label="Which thresholds" {
            form method="get" action={ "/review/result/" (job.token) "/sweep" } {
                @for (name, words, value) in fields {
                    label { span { (words) }
                        input name=(name) type="number" min=(if name == "step" { "0.01".to_owned() } else { least.to_string() })
                            max="100" step="0.01" inputmode="decimal" value=(hundredths(value));
                    }
                }
                button type="submit" { "Show" }
            }
            p.muted.bound {
                "Thresholds from " (least) " on: of lower pairs the result has kept "
                @if least.hundredths() > sheet.output_threshold { "more than is held here, or not all." } @else { "none." }
            }
        }
    }
}

fn panels(rows: &[Row], range: Range, own: u16) -> [Panel; 3] {
    let at = |threshold: u16| f64::from(threshold) / 100.0;
    let curve = |name, value: fn(&Agreement) -> f64| Curve {
        name,
        points: rows.iter().map(|(threshold, row)| (at(threshold.hundredths()), value(row))).collect(),
    };
    let mark = Some(at(own)).filter(|_| (range.from..=range.to).contains(&own));
    let panel = |title, scale, curves| Panel { title, scale, curves, range: (at(range.from), at(range.to)), mark };
    [
        panel(
            "Clusters and identities",
            Scale::Counts,
            vec![
                curve("clusters", |row| row.clusters as f64),
                curve("of one image", |row| row.singletons as f64),
                curve("of several identities", |row| row.mixed as f64),
                curve("identities in several clusters", |row| row.split as f64),
            ],
        ),
        panel(
            "Wrong pairs",
            Scale::Powers,
            vec![
                curve("cross-identity, in a cluster", |row| row.cross_pairs as f64),
                curve("one identity, missed", |row| row.missed_pairs as f64),
            ],
        ),
        panel(
            "Agreement with the labels",
            Scale::Shares,
            vec![curve("precision", |row| row.precision), curve("recall", |row| row.recall), curve("F", Agreement::f)],
        ),
    ]
}

const COLUMNS: [&str; 10] = [
    "Clusters",
    "Of one image",
    "Images in the largest",
    "Of several identities",
    "Identities in several clusters",
    "Cross pairs",
    "Missed pairs",
    "Precision",
    "Recall",
    "F",
];

fn cells(row: &Agreement) -> [String; 10] {
    let share = |value: f64| format!("{value:.3}");
    let counts = [row.clusters, row.singletons, row.largest, row.mixed, row.split, row.cross_pairs, row.missed_pairs];
    let [a, b, c, d, e, f, g] = counts.map(thousands);
    [a, b, c, d, e, f, g, share(row.precision), share(row.recall), share(row.f())]
}

fn table(view: &View<'_>, job: &Job, sheet: &Sheet, rows: &[Row]) -> Markup {
    let may_start = view.desk.may_change();
    html! {
        div.scroll tabindex="0" role="region" aria-labelledby="sweep" {
            table.sweep {
                thead { tr {
                    th scope="col" { "Threshold" }
                    @for name in COLUMNS { th.number scope="col" { (name) } }
                    @if may_start { th scope="col" { "New run" } }
                } }
                tbody { @for (threshold, row) in rows {
                    @let is_own = threshold.hundredths() == sheet.cluster_threshold;
                    tr.own[is_own] {
                        th scope="row" { (threshold) @if is_own { " (this run)" } }
                        @for cell in cells(row) { td.number { (cell) } }
                        @if may_start { td { a href=(start(job, *threshold)) aria-label=(format!("Use {threshold} for a new run")) { "Use" } } }
                    }
                } }
            }
        }
    }
}

/// Where a clustering at a threshold can be started.
fn start(job: &Job, threshold: Confidence) -> String {
    let database = encoded(job.database.as_deref().unwrap_or_default());
    let output = hundredths(job.output_threshold);
    format!("/review?database={database}&clusterthreshold={threshold}&outputthreshold={output}#new")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_is_what_is_asked_for_and_no_lower_than_there_are_pairs() {
        let range = |from, to, step| Range::of([from, to, step], 5_000).map(|r| (r.from, r.to, r.step));
        assert_eq!(range(None, None, None).unwrap(), (5_000, 10_000, 250));
        assert_eq!(range(Some("70"), Some("80"), Some("")).unwrap(), (7_000, 8_000, 50));
        assert_eq!(range(Some("0"), Some("60"), Some("5")).unwrap(), (5_000, 6_000, 500));
        assert_eq!(range(Some("0"), Some("10"), None).unwrap(), (5_000, 5_000, 1), "one is left");
        for (from, to, step, words) in [
            (Some("80"), Some("70"), None, "from 80 to 70 is no range"),
            (Some("x"), None, None, "'from=x' is no confidence"),
            (None, Some("101"), None, "'to=101' is no confidence"),
            (None, None, Some("0"), "'step=0'"),
            (None, None, Some("0.01"), "5001 thresholds, at most 101"),
        ] {
            let error = range(from, to, step).unwrap_err();
            assert!(error.text().contains(words), "{}", error.text());
        }
        let own = Range { from: 5_000, to: 6_000, step: 500 }.thresholds(5_750);
        assert_eq!(own.len(), 4, "its own is among them");
    }
}
