//! A result: its clusters as contact sheets, the most interesting first.

use maud::{Markup, html};

use super::frame::{View, page as framed};
use super::made::Oops;
use super::parts::{Name, Paging, chip, confidence, count, database_of, encoded, face, thousands};
use super::route::Paged;
use crate::aci::{Cluster, Job, Order, Sheet, Show};

/// Clusters on a page, and faces where each is a cluster.
const CLUSTERS: usize = 12;
const SINGLES: usize = 96;

/// Of a cluster at most so many identities are shown, and so many images of each.
const IDENTITIES: usize = 4;
const IMAGES: usize = 8;

/// The pages about a result.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Tab {
    Clusters,
    Audit,
    Threshold,
    Sweep,
    Changes,
}

/// A result in figures.
pub(super) fn figures(sheet: &Sheet) -> Markup {
    let n_mixed = sheet.clusters.iter().filter(|cluster| cluster.n_identities > 1).count();
    let n_single = sheet.clusters.iter().filter(|cluster| cluster.len() == 1).count();
    html! {
        ul.figures {
            li { b { (thousands(sheet.names.len() as u64)) } " images" }
            li { b { (thousands(u64::from(sheet.identities()))) } " identities" }
            li { b { (thousands(sheet.clusters.len() as u64)) } " clusters" }
            li { b { (thousands(n_mixed as u64)) } " with several identities" }
            li { b { (thousands(sheet.n_split() as u64)) } " identities in several clusters" }
            li { b { (thousands(n_single as u64)) } " single images" }
        }
    }
}

/// What stands above every page about a result.
pub(super) fn heading(view: &View<'_>, job: &Job, sheet: &Sheet, tab: Tab) -> Markup {
    let base = format!("/review/result/{}", job.token);
    let tabs = [
        (Tab::Clusters, "", "Clusters"),
        (Tab::Audit, "/audit", "Audit"),
        (Tab::Threshold, "/threshold", "Threshold"),
        (Tab::Sweep, "/sweep", "Sweep"),
        (Tab::Changes, "/changes", "Changes"),
    ];
    html! {
        p.path { a href="/review" { "Databases and jobs" } }
        h1 { "Clustering of " (database_of(job)) }
        (figures(sheet))
        nav.tabs aria-label="Views of this result" {
            @for (own, path, word) in tabs {
                a href={ (base) (path) } aria-current=[(own == tab).then_some("page")] { (word) }
            }
        }
        @if !view.desk.may_change() {
            p.note { "Pictures are shown to the role Admin only; each identity has its colour and its shape." }
        }
    }
}

const SHOWS: [(&str, Show, &str); 4] = [
    ("several", Show::Several, "several images"),
    ("mixed", Show::Mixed, "several identities"),
    ("single", Show::Single, "single images"),
    ("all", Show::All, "all"),
];

const ORDERS: [(&str, Order, &str); 3] = [
    ("interest", Order::Interest, "most identities first"),
    ("size", Order::Size, "largest first"),
    ("weakest", Order::Weakest, "weakest fit first"),
];

/// What is asked to be shown, and the words for it.
pub(super) fn choice(view: &View<'_>) -> (Show, Order, &'static str, &'static str) {
    let show = SHOWS.into_iter().find(|(word, ..)| view.asked.text("show") == Some(word)).unwrap_or(SHOWS[0]);
    let order = ORDERS.into_iter().find(|(word, ..)| view.asked.text("order") == Some(word)).unwrap_or(ORDERS[0]);
    (show.1, order.1, show.0, order.0)
}

/// The clusters that are asked for.
pub(super) fn chosen<'s>(view: &View<'_>, sheet: &'s Sheet) -> Vec<&'s Cluster> {
    let (show, order, ..) = choice(view);
    let mut clusters = sheet.shown(show, order);
    if let Some(wanted) = view.asked.text("find") {
        let wanted = wanted.to_lowercase();
        clusters.retain(|cluster| {
            sheet
                .parts(cluster)
                .iter()
                .any(|&(first, _)| sheet.names[first as usize].identifier.as_str().to_lowercase().contains(&wanted))
        });
    }
    clusters
}

pub(super) fn page(view: &View<'_>, token: &str) -> Paged {
    let job = view.desk.job(token)?;
    if job.outcome.is_none() {
        return super::job::page(view, token);
    }
    let sheet = view.desk.sheet(token)?;
    let (show, _, show_word, order_word) = choice(view);
    let clusters = chosen(view, &sheet);
    let size = if show == Show::Single { SINGLES } else { CLUSTERS };
    let paging = Paging::of(clusters.len(), size, view.asked.number("page"));
    let address = format!("/review/result/{}?{}", job.token, query(view, show_word, order_word));
    let shown = &clusters[paging.range.clone()];
    let content = html! {
        (heading(view, &job, &sheet, Tab::Clusters))
        (controls(view, &job, show_word, order_word, clusters.len()))
        @if shown.is_empty() {
            p.empty { (nothing(show, view.asked.text("find").is_some())) }
        } @else if show == Show::Single {
            div.faces.wide { @for cluster in shown { (single(&job.token, &sheet, cluster)) } }
        } @else {
            @for cluster in shown { (card(&job.token, &sheet, cluster)) }
        }
        (paging.links(&address))
    };
    Ok(framed(view, "Result", &content))
}

fn nothing(show: Show, is_searched: bool) -> &'static str {
    match show {
        _ if is_searched => "No cluster holds an identity of that name.",
        Show::Mixed => "No cluster holds several identities: none of them seem to be one person.",
        Show::Several => "No two images match at this threshold.",
        Show::Single => "Every image matches another.",
        Show::All => "No image took part: the database holds no trained images.",
    }
}

/// The query of what is shown now, without the page, ready for more.
pub(super) fn query(view: &View<'_>, show: &str, order: &str) -> String {
    let find = view.asked.text("find").map_or_else(String::new, |find| format!("find={}&", encoded(find)));
    format!("show={show}&order={order}&{find}")
}

fn controls(view: &View<'_>, job: &Job, show: &str, order: &str, n: usize) -> Markup {
    let base = format!("/review/result/{}", job.token);
    let file = |kind: &str| format!("{base}/export.{kind}?{}", query(view, show, order));
    html! {
        form.controls method="get" action=(base) {
            label { span { "Show" }
                select name="show" data-submit { @for (word, _, text) in SHOWS { option value=(word) selected[word == show] { (text) } } }
            }
            label { span { "Order" }
                select name="order" data-submit { @for (word, _, text) in ORDERS { option value=(word) selected[word == order] { (text) } } }
            }
            label { span { "Identity" }
                input type="search" name="find" value=[view.asked.text("find")] placeholder="part of a name" maxlength="254" data-find;
            }
            button type="submit" { "Show" }
            p.count { (count(n, "cluster", "clusters")) ". Save as " a href=(file("csv")) { "CSV" } ", " a href=(file("json")) { "JSON" } ", or a " a href={ (base) "/report.html" } { "report" } }
        }
    }
}

/// One cluster, its images by identity.
pub(super) fn card(token: &str, sheet: &Sheet, cluster: &Cluster) -> Markup {
    let parts = sheet.parts(cluster);
    let n_more = parts.len().saturating_sub(IDENTITIES);
    let address = format!("/review/result/{token}/cluster/{}", cluster.number + 1);
    html! {
        article.cluster.mixed[cluster.n_identities > 1] data-card {
            div.line {
                h2 { a href=(address) { "Cluster " (cluster.number + 1) } }
                span { (count(cluster.len(), "image", "images")) }
                @if cluster.n_identities > 1 { strong.badge { (count(cluster.n_identities as usize, "identity", "identities")) } }
                @if let Some(lowest) = cluster.lowest { span.muted { "weakest pair " (confidence(lowest)) } }
            }
            div.parts { @for &(first, n) in parts.iter().take(IDENTITIES) { (part(token, sheet, cluster, first, n)) } }
            @if n_more > 0 { p { a href=(address) { "and " (count(n_more, "more identity", "more identities")) } } }
        }
    }
}

fn part(token: &str, sheet: &Sheet, cluster: &Cluster, first: u32, n: usize) -> Markup {
    let members = sheet.members(cluster);
    let at = members.iter().position(|&member| member == first).unwrap_or(0);
    let (own, n_more) = (&members[at..at + n.min(IMAGES)], n.saturating_sub(IMAGES));
    html! {
        div.part {
            p { (chip(&sheet.names[first as usize], Some(n))) }
            div.faces {
                @for &member in own { (face(token, sheet, member, &fit(sheet, member))) }
                @if n_more > 0 { p.more { "+" (thousands(n_more as u64)) } }
            }
        }
    }
}

/// How well an image fits, as it stands below its face.
pub(super) fn fit(sheet: &Sheet, face: u32) -> Markup {
    html! {
        @if let Some(fit) = sheet.fit(face) {
            span title={ "mean of " (fit.n) " kept pairs within the cluster, " (fit.lowest) " to " (fit.highest) } { (confidence(fit.mean)) }
        }
    }
}

/// An image that is a cluster, with its nearest other one.
fn single(token: &str, sheet: &Sheet, cluster: &Cluster) -> Markup {
    let member = sheet.members(cluster)[0];
    let name = html! { (Name(sheet.names[member as usize].identifier.as_str())) };
    html! { a.plain href={ "/review/result/" (token) "/cluster/" (cluster.number + 1) } data-card { (face(token, sheet, member, &name)) } }
}

/// The cluster of this number from 1.
pub(super) fn cluster_numbered<'s>(sheet: &'s Sheet, number: &str) -> Result<&'s Cluster, Oops> {
    let found = number.parse::<usize>().ok().and_then(|number| sheet.clusters.get(number.checked_sub(1)?));
    found.ok_or_else(|| {
        let text = format!("The result has {}, numbered from 1.", count(sheet.clusters.len(), "cluster", "clusters"));
        Oops::not_found(text)
    })
}
