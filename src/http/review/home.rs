//! The first page: databases with what is in them, jobs, and the form for a new one.

use maud::{Markup, html};

use super::frame::{View, live_page};
use super::job;
use super::parts::{Name, Paging, count, hidden, thousands};
use super::route::Paged;
use crate::aci::DatabaseFigures;

/// Jobs on a page.
const JOBS: usize = 25;

pub(super) fn page(view: &View<'_>) -> Paged {
    let databases = view.desk.databases()?;
    let asked = view.asked.number("page");
    let (n_jobs, jobs) = view.desk.jobs(|n| Paging::of(n, JOBS, asked).range);
    let paging = Paging::of(n_jobs, JOBS, asked);
    let content = html! {
        section aria-labelledby="databases" {
            h1 #databases { "Databases" }
            @if databases.is_empty() { (no_database(view)) } @else { (table(&databases)) }
        }
        @if view.desk.may_change() && !databases.is_empty() { (form(view, &databases)) }
        section aria-labelledby="jobs" {
            @if view.desk.may_change() { p.aside { a href="/review/decisions" { "Decisions and changes" } } }
            h2 #jobs { "Clusterings" @if !jobs.is_empty() { span.n { (thousands(n_jobs as u64)) } } }
            @if jobs.is_empty() {
                p.empty { "No clustering yet." @if view.desk.may_change() && !databases.is_empty() { " Start one above." } }
            }
            ul.jobs { @for job in &jobs { li { (job::card(view, job, "/review")) } } }
            (paging.links("/review?"))
        }
    };
    Ok(live_page(view, "Databases and jobs", &content))
}

fn no_database(view: &View<'_>) -> Markup {
    let server = view.asked.host.as_deref().unwrap_or("localhost");
    html! {
        div.empty {
            p { strong { "There is no face database yet." } }
            p { "Make one by importing a file of embeddings:" }
            pre { code { "curl \\\n  -F action=ImportFaceDatabase \\\n  -F database=people \\\n  -F dbdata=@people.jsonl \\\n  " (server) "/" } }
            p { "For pictures ask for the actions " code { "CreateFaceDatabase" } ", then " code { "TrainFace" } "; or stop the server and run" }
            pre { code { "faceclique import photos/ \\\n  --database people --pack PACK" } }
        }
    }
}

fn table(databases: &[DatabaseFigures]) -> Markup {
    html! {
        div.scroll tabindex="0" role="region" aria-labelledby="databases" {
            table.databases {
                thead { tr {
                    th scope="col" { "Database" }
                    th.number scope="col" { "Identities" }
                    th.number scope="col" { "Images" }
                    th scope="col" { "By status" }
                    th scope="col" { "Model" }
                } }
                tbody { @for database in databases { (row(database)) } }
            }
        }
    }
}

fn row(database: &DatabaseFigures) -> Markup {
    let DatabaseFigures { name, model, faces, untrained, trained, failed } = database;
    let all = untrained + trained + failed;
    html! {
        tr {
            th scope="row" { (Name(name.as_str())) }
            td.number data-label="Identities" { (thousands(*faces)) }
            td.number data-label="Images" { (thousands(all)) }
            td data-label="By status" {
                (bar([*trained, *untrained, *failed]))
                span.counts {
                    span.trained { (thousands(*trained)) " trained" }
                    @if *untrained > 0 { span.untrained { (thousands(*untrained)) " untrained" } }
                    @if *failed > 0 { span.failed { (thousands(*failed)) " failed" } }
                }
            }
            td data-label="Model" { @match model { Some(model) => (Name(model)), None => span.muted { "none yet" } } }
        }
    }
}

/// The shares as a bar; what it says is beside it in words.
fn bar(shares: [u64; 3]) -> Markup {
    let all = shares.iter().sum::<u64>().max(1) as f64;
    let ends = shares.iter().scan(0u64, |sum, share| {
        *sum += share;
        Some(*sum as f64 / all * 100.0)
    });
    let mut begin = 0.0;
    let pieces: Vec<(f64, f64)> = ends.map(|end| (std::mem::replace(&mut begin, end), end)).collect();
    html! {
        svg.bar viewBox="0 0 100 6" preserveAspectRatio="none" aria-hidden="true" {
            @for ((begin, end), class) in pieces.iter().zip(["trained", "untrained", "failed"]) {
                rect class=(class) x=(format!("{begin:.2}")) y="0" width=(format!("{:.2}", end - begin)) height="6" {}
            }
        }
    }
}

fn form(view: &View<'_>, databases: &[DatabaseFigures]) -> Markup {
    let wanted = view.asked.text("database");
    let threshold = |name| view.asked.text(name).filter(|text| text.trim().parse::<f64>().is_ok()).unwrap_or("50");
    let n_trained: u64 = databases.iter().map(|database| database.trained).sum();
    html! {
        section.panel aria-labelledby="new" {
            h2 #new { "New clustering" }
            form method="post" action="/review/act" {
                (hidden(view, "FaceClustering", "/review"))
                label { span { "Database" }
                    select name="database" {
                        @for database in databases {
                            option value=(database.name.as_str()) selected[wanted == Some(database.name.as_str())] {
                                (database.name.as_str()) " (" (count(database.trained as usize, "image", "images")) ")"
                            }
                        }
                        @if databases.len() > 1 { option value="" selected[wanted == Some("")] { "All together (" (thousands(n_trained)) " images)" } }
                    }
                }
                label { span { "Cluster threshold" }
                    input name="clusterthreshold" type="number" min="0" max="100" step="0.01" value=(threshold("clusterthreshold")) inputmode="decimal";
                }
                label { span { "Keep matches from" }
                    input name="outputthreshold" type="number" min="0" max="100" step="0.01" value=(threshold("outputthreshold")) inputmode="decimal";
                }
                label.check { input name="audit" type="checkbox" value="true" checked; span { "Audit the identities" } }
                button.primary type="submit" { "Start" }
            }
        }
    }
}
