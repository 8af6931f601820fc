//! A result at another threshold, at once.
//!
//! **Promises.** It says what it is computed from, and where it may differ from a run.

use std::cmp::Reverse;

use maud::{Markup, html};
use serde_json::json;

use super::frame::{View, page as framed};
use super::made::{JSON, Made, Oops};
use super::parts::{Name, count, face, hundredths, thousands};
use super::result::{Tab, heading};
use super::route::Paged;
use crate::aci::{Agreement, Obeyed, Sheet};
use crate::confidence::Confidence;

/// The largest clusters that are shown, and images of each.
const CLUSTERS: usize = 8;
const IMAGES: usize = 8;

/// Points of the plot.
const POINTS: usize = 21;

/// What there is at a threshold.
struct Figures {
    threshold: Confidence,
    clusters: Vec<Vec<u32>>,
    n_single: usize,
    n_mixed: usize,
    n_split: usize,
}

impl Figures {
    fn at(sheet: &Sheet, threshold: Confidence) -> Self {
        let clusters = sheet.at(threshold);
        let n_single = clusters.iter().filter(|members| members.len() == 1).count();
        let (n_mixed, n_split) = sheet.mixed_and_split(&clusters);
        Self { threshold, clusters, n_single, n_mixed, n_split }
    }
}

/// The threshold asked for, no lower than what the result can answer.
fn asked(view: &View<'_>, sheet: &Sheet) -> Confidence {
    let text = view.asked.text("at").and_then(|at| at.trim().parse::<f64>().ok());
    let wanted = text.filter(|at| (0.0..=100.0).contains(at)).map(|at| (at * 100.0).round() as u16);
    let wanted = Confidence::from_hundredths(wanted.unwrap_or(sheet.cluster_threshold)).unwrap_or(Confidence::MAX);
    wanted.max(sheet.answers_from())
}

pub(super) fn page(view: &View<'_>, token: &str) -> Paged {
    let job = view.desk.job(token)?;
    let sheet = view.desk.sheet(token)?;
    let figures = Figures::at(&sheet, asked(view, &sheet));
    let least = sheet.answers_from();
    let content = html! {
        (heading(view, &job, &sheet, Tab::Threshold))
        form.panel.slider method="get" action={ "/review/result/" (job.token) "/threshold" } data-threshold={ "/review/result/" (job.token) "/threshold.json" } {
            label { span { "Every pair in a cluster has at least" }
                input type="range" name="at" min=(least) max="100" step="0.5" value=(figures.threshold) data-at;
            }
            output data-shown { (figures.threshold) " %" }
            button type="submit" data-without-script { "Show" }
        }
        div data-figures { (shown(&job.token, &sheet, &figures)) }
        (plot(&sheet, figures.threshold))
        (basis(&sheet))
    };
    Ok(framed(view, "Threshold", &content))
}

/// What the script asks for while the slider moves.
pub(super) fn live(view: &View<'_>, token: &str) -> Result<Made, Oops> {
    let sheet = view.desk.sheet(token)?;
    let figures = Figures::at(&sheet, asked(view, &sheet));
    let html = shown(token, &sheet, &figures).into_string();
    Ok(Made::new(JSON, json!({ "at": figures.threshold.to_string(), "html": html }).to_string()))
}

fn shown(token: &str, sheet: &Sheet, figures: &Figures) -> Markup {
    let Figures { clusters, n_single, n_mixed, n_split, .. } = figures;
    let mut largest: Vec<&Vec<u32>> = clusters.iter().filter(|members| members.len() > 1).collect();
    largest.sort_by_key(|members| Reverse((n_identities(sheet, members) > 1, members.len())));
    html! {
        ul.figures {
            li { b { (thousands(clusters.len() as u64)) } " clusters" }
            li { b { (thousands(*n_single as u64)) } " single images" }
            li { b { (thousands(clusters.iter().map(Vec::len).max().unwrap_or(0) as u64)) } " images in the largest" }
            li { b { (thousands(*n_mixed as u64)) } " with several identities" }
            li { b { (thousands(*n_split as u64)) } " identities in several clusters" }
        }
        @for members in largest.into_iter().take(CLUSTERS) {
            article.cluster.small {
                div.line {
                    span { (count(members.len(), "image", "images")) }
                    span.muted { (count(n_identities(sheet, members), "identity", "identities")) }
                }
                div.faces {
                    @for &member in members.iter().take(IMAGES) {
                        (face(token, sheet, member, &html! { small.who { (Name(sheet.names[member as usize].identifier.as_str())) } }))
                    }
                    @if members.len() > IMAGES { p.more { "+" (members.len() - IMAGES) } }
                }
            }
        }
    }
}

fn n_identities(sheet: &Sheet, members: &[u32]) -> usize {
    // in image order those of one stand together
    members.chunk_by(|&a, &b| sheet.identity(a) == sheet.identity(b)).count()
}

/// From what it is computed.
pub(super) fn basis(sheet: &Sheet) -> Markup {
    html! {
        section.note aria-label="What this is computed from" {
            p {
                "Computed from the matches that the result has kept, which are rounded to hundredths: where two are equal, \
                 a run may merge another one first."
            }
            @match sheet.complete_from {
                Some(from) if from.hundredths() > sheet.output_threshold => p {
                    "From " (from) " on every pair is at hand; "
                    @if sheet.is_cut_short { "those below were too many to be held here." }
                    @else { "below that the run kept matches within clusters only." }
                },
                Some(_) => p { "From " (hundredths(sheet.output_threshold)) " on the result has every pair; below, it can say nothing." },
                None => p {
                    "From " (hundredths(sheet.output_threshold)) " on. The result does not have every pair (there were too many, their \
                     number was limited, or an index may have missed some): clusters may come out smaller than in a run."
                },
            }
            @match sheet.obeyed {
                Obeyed::Nothing => {},
                Obeyed::Too(n) => p { "What was decided of its images counts here as it did in the run (" (of_decisions(n)) ")." },
                Obeyed::NotKept(n) => p { strong {
                    "The run obeyed " (of_decisions(n)) ", of which an earlier version of this program has kept nothing: other \
                     thresholds do not obey them. Cluster again to see them."
                } },
                Obeyed::TooMany(n) => p { strong {
                    "The run obeyed " (of_decisions(n)) ", which link more pairs than are held here: other thresholds do not obey them."
                } },
            }
        }
    }
}

fn of_decisions(n: u64) -> String {
    count(usize::try_from(n).unwrap_or(usize::MAX), "decision", "decisions")
}

/// A line of the plot: its class, its words, its values.
type Line = (&'static str, &'static str, fn(&Agreement) -> u64);

/// Clusters over thresholds.
fn plot(sheet: &Sheet, now: Confidence) -> Markup {
    let from = sheet.answers_from().hundredths();
    let step = |i: usize| from + ((10_000 - usize::from(from)) * i / (POINTS - 1)) as u16;
    let thresholds: Vec<Confidence> = (0..POINTS).filter_map(|i| Confidence::from_hundredths(step(i))).collect();
    let mut points = sheet.sweep(&thresholds);
    points.reverse();
    let most = points.iter().map(|(_, point)| point.clusters).max().unwrap_or(0).max(1);
    let x = |at: Confidence| f64::from(at.hundredths() - from) / f64::from((10_000 - from).max(1)) * 300.0 + 4.0;
    let line = |value: fn(&Agreement) -> u64| -> String {
        let place = |(at, point): &(Confidence, Agreement)| {
            format!("{:.1},{:.1} ", x(*at), 104.0 - value(point) as f64 / most as f64 * 100.0)
        };
        points.iter().map(place).collect()
    };
    let lines: [Line; 3] = [
        ("clusters", "clusters", |p| p.clusters),
        ("single", "single images", |p| p.singletons),
        ("mixed", "with several identities", |p| p.mixed),
    ];
    html! {
        section aria-labelledby="plot" {
            h2 #plot { "Over all thresholds" }
            svg.plot viewBox="0 0 308 108" role="img" aria-label="Clusters, single images and clusters with several identities over thresholds; the table below has the numbers" {
                @for (class, _, value) in lines { polyline class=(class) points=(line(value)) fill="none" {} }
                line.now data-now x1=(format!("{:.1}", x(now))) x2=(format!("{:.1}", x(now))) y1="2" y2="106" {}
            }
            p.legend { @for (class, word, _) in lines { span class=(class) { (word) } } }
            details { summary { "As numbers" }
                div.scroll tabindex="0" role="region" aria-label="Numbers of the plot" { table {
                    thead { tr { th scope="col" { "Threshold" } @for (_, word, _) in lines { th.number scope="col" { (word) } } } }
                    tbody { @for (threshold, point) in &points { tr {
                        th scope="row" { (threshold) }
                        @for (_, _, value) in lines { td.number { (thousands(value(point))) } }
                    } } }
                } }
            }
        }
    }
}
