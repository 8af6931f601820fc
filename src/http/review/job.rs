//! Jobs: as cards, as a page, and as what the script asks for every second.

use maud::{Markup, html};
use serde_json::json;

use super::frame::{View, live_page};
use super::parts::{Name, count, database_of, duration, hidden, hundredths, status, thousands};
use super::route::Paged;
use crate::aci::Job;

/// A job in a list.
pub(super) fn card(view: &View<'_>, job: &Job, back: &str) -> Markup {
    html! {
        article.job data-job=(job.token) data-ended[job.has_ended] data-card {
            div.line {
                (status(job))
                h3 { a href=(address(job)) { (database_of(job)) } }
                span.muted { "at " (hundredths(job.cluster_threshold)) " % or more" }
                time.muted { (job.times[0].as_deref().unwrap_or_default()) }
            }
            (state(job))
            (steer(view, job, back))
        }
    }
}

/// Where a job is to be looked at.
fn address(job: &Job) -> String {
    let what = if job.outcome.is_some() { "result" } else { "job" };
    format!("/review/{what}/{}", job.token)
}

/// How far it is, or what came of it.
fn state(job: &Job) -> Markup {
    html! {
        @if let Some((n_faces, n_clusters)) = job.outcome {
            p.outcome {
                (count(n_faces as usize, "image", "images")) " in " (count(n_clusters as usize, "cluster", "clusters"))
                @match job.seconds {
                    Some(0) => " in less than a second",
                    Some(seconds) => { " after " (duration(seconds)) },
                    None => {}
                }
            }
        } @else if let Some(error) = &job.error {
            p.error { (error) }
        } @else if !job.has_ended {
            p.progress {
                progress max="100" value=(format!("{:.1}", job.percent)) aria-label="Progress" data-percent {}
                span data-told { (told(job)) }
            }
        }
    }
}

/// How far a job is, in words.
fn told(job: &Job) -> String {
    if job.status == "Queued" {
        return "waits for its turn".to_owned();
    }
    let mut told = format!("{:.0} %", job.percent.floor());
    if let Some(stage) = job.stage {
        told = format!("{told}, {}", stage_word(stage));
    }
    if let Some(remaining) = job.remaining {
        told = format!("{told}, about {} left", duration(remaining));
    }
    told
}

fn stage_word(stage: &str) -> &str {
    match stage {
        "load" => "loading images",
        "index" => "building the index",
        "compare" => "comparing pairs",
        "link" => "merging clusters",
        "rank" => "ordering matches",
        "keep" => "writing the result",
        other => other,
    }
}

fn steer(view: &View<'_>, job: &Job, back: &str) -> Markup {
    let button = |word: &str, what: &str| {
        html! {
            form method="post" action="/review/act" {
                (hidden(view, "QueueInfo", back))
                input type="hidden" name="queuename" value="FaceClustering";
                input type="hidden" name="queueaction" value=(what);
                input type="hidden" name="token" value=(job.token);
                button type="submit" { (word) }
            }
        }
    };
    html! {
        @if view.desk.may_change() && !job.has_ended {
            div.buttons data-steer {
                @if job.status == "Paused" { (button("Resume", "resume")) } @else { (button("Pause", "pause")) }
                (button("Cancel", "stop"))
            }
        }
    }
}

/// One job.
pub(super) fn page(view: &View<'_>, token: &str) -> Paged {
    let job = view.desk.job(token)?;
    let here = format!("/review/job/{}", job.token);
    let content = html! {
        p.path { a href="/review" { "Databases and jobs" } }
        h1 { "Clustering of " (database_of(&job)) }
        article.job.large data-job=(job.token) data-ended[job.has_ended] data-follow=(format!("/review/result/{}", job.token)) {
            div.line { (status(&job)) }
            (state(&job))
            @if job.outcome.is_some() {
                p {
                    a.button.primary href=(format!("/review/result/{}", job.token)) { "Look at the result" }
                    " "
                    a.button href=(format!("/review/result/{}/sweep", job.token)) { "Other thresholds" }
                }
            }
            (steer(view, &job, &here))
        }
        section aria-labelledby="facts" {
            h2 #facts { "What was asked" }
            (facts(&job))
        }
    };
    Ok(live_page(view, "Clustering", &content))
}

/// What is known of a job.
pub(super) fn facts(job: &Job) -> Markup {
    let [queued, started, ended] = &job.times;
    html! {
        dl.facts {
            div { dt { "Token" } dd { code { (job.token) } } }
            div { dt { "Cluster threshold" } dd { (hundredths(job.cluster_threshold)) } }
            div { dt { "Matches kept from" } dd { (hundredths(job.output_threshold)) } }
            @if let Some(n) = job.max_results { div { dt { "Matches of each image" } dd { "at most " (thousands(n)) } } }
            @for (name, at) in [("Accepted", queued), ("Started", started), ("Ended", ended)] {
                @if let Some(at) = at { div { dt { (name) } dd { (at) } } }
            }
            @for (name, value) in &job.parameters {
                @if let Some((_, words)) = OF_INTEREST.iter().find(|(known, _)| known == name) {
                    div { dt { (words) } dd { @if value.eq_ignore_ascii_case("true") { "yes" } @else { (Name(value)) } } }
                }
            }
        }
    }
}

/// Parameters of a request that say something the other facts do not, with the words for them.
const OF_INTEREST: [(&str, &str); 5] = [
    ("search", "Search"),
    ("matchscope", "Matches of each image"),
    ("audit", "Audit of the identities"),
    ("syncdatabase", "Database synchronised first"),
    ("respectdecisions", "Decisions respected"),
];

/// What the script asks for every second.
pub(super) fn live(view: &View<'_>) -> String {
    let jobs = view.desk.live_jobs();
    let live: Vec<_> = jobs
        .iter()
        .map(|job| {
            json!({
                "token": job.token, "status": job.status, "ended": job.has_ended,
                "percent": (job.percent * 10.0).round() / 10.0, "told": told(job),
            })
        })
        .collect();
    json!({ "jobs": live }).to_string()
}
