//! A result as one file, to keep, to send and to print.
//!
//! **Promises.** The file asks for nothing from anywhere: its pictures and its style stand in it, and it forbids a browser
//! everything else. The same result gives the same bytes while pictures and audit stay. Its size is bounded, and it says
//! what it leaves out.

use std::cell::Cell;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::Oops;
use super::assets::STYLE;
use super::audit::question;
use super::finding::{Finding, KINDS, findings, searched_by};
use super::frame::View;
use super::made::{HTML, Made};
use super::parts::{Name, chip, confidence, count, database_of, duration, hue, hundredths, thousands};
use super::picture::drawn;
use super::result::{figures, fit};
use super::sides::sides;
use crate::aci::{Client, Cluster, Desk, Fault, Job, NotShown, Order, Service, Sheet, Show};

const OWN_STYLE: &str = include_str!("report.css");

/// So many bytes of pictures are put into a report at most; of further images it draws the identity's sign.
const PICTURES: usize = 32 << 20;

/// Of a cluster at most so many identities are shown, of an identity so many other clusters, of a finding so many images.
const IDENTITIES: usize = 8;
const ELSEWHERE: usize = 5;
const IMAGES: usize = 6;

/// How much a report shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReportLimits {
    /// Clusters.
    pub clusters: usize,
    /// Images of an identity within a cluster.
    pub images: usize,
    /// Findings of the audit.
    pub findings: usize,
}

impl Default for ReportLimits {
    fn default() -> Self {
        Self { clusters: 100, images: 8, findings: 100 }
    }
}

impl ReportLimits {
    fn asked(view: &View<'_>) -> Self {
        let usual = Self::default();
        let number = |name, usual| view.asked.number(name).unwrap_or(usual);
        Self {
            clusters: number("maxclusters", usual.clusters),
            images: number("maximages", usual.images),
            findings: number("maxfindings", usual.findings),
        }
    }
}

/// The report as a file for a browser to save.
pub(super) fn file(view: &View<'_>, token: &str) -> Result<Made, Oops> {
    let text = text(&view.desk, (view.service, &view.asked.client), token, ReportLimits::asked(view))?;
    Ok(Made::new(HTML, text).file(&format!("report-{token}.html")))
}

/// The report for a client without a socket; otherwise why there is none.
pub fn report(service: &dyn Service, client: &Client, token: &str, limits: ReportLimits) -> Result<String, String> {
    let desk = service.desk(client).map_err(|fault: Fault| fault.description)?;
    text(&desk, (service, client), token, limits).map_err(|oops| oops.text().to_owned())
}

/// What the parts of a report are made of.
struct Report<'a> {
    desk: &'a Desk<'a>,
    job: Job,
    sheet: &'a Sheet,
    limits: ReportLimits,
    /// Bytes that pictures may still take.
    left: Cell<usize>,
}

fn text(desk: &Desk<'_>, asked: (&dyn Service, &Client), token: &str, limits: ReportLimits) -> Result<String, Oops> {
    let (job, sheet) = (desk.job(token)?, desk.sheet(token)?);
    let method = searched_by(asked, &job.token)?;
    let found = findings(asked, &job.token).ok(); // most jobs have no audit
    let report = Report { desk, job, sheet: &sheet, limits, left: Cell::new(PICTURES) };
    Ok(report.document(&method, found.as_deref()).into_string())
}

impl Report<'_> {
    fn document(&self, method: &str, found: Option<&[Finding]>) -> Markup {
        html! {
            (DOCTYPE)
            html lang="en" {
                head {
                    meta charset="utf-8";
                    meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:; style-src 'unsafe-inline'";
                    meta name="viewport" content="width=device-width, initial-scale=1";
                    meta name="color-scheme" content="light dark";
                    title { "Clustering of " (self.job.database.as_deref().unwrap_or("all databases")) " \u{b7} FaceClique" }
                    style { (PreEscaped(STYLE)) (PreEscaped(OWN_STYLE)) }
                }
                body.report {
                    main {
                        h1 { "Clustering of " (database_of(&self.job)) }
                        (figures(self.sheet))
                        (self.facts(method))
                        @if !self.desk.may_change() {
                            p.note { "Pictures are shown to the role Admin only; each identity has its colour and its shape." }
                        }
                        @if let Some(found) = found { (self.audit(found)) }
                        (self.clusters())
                    }
                    footer.muted { "FaceClique " (env!("CARGO_PKG_VERSION")) ", job " (self.job.token) }
                }
            }
        }
    }

    /// What was asked, how it was done, and when.
    fn facts(&self, method: &str) -> Markup {
        let job = &self.job;
        let matches = match job.max_results {
            Some(n) => format!("from {} on, the best {n} of each image", hundredths(job.output_threshold)),
            None => format!("from {} on", hundredths(job.output_threshold)),
        };
        let took = job.seconds.map_or_else(String::new, |seconds| format!(", in {}", duration(seconds)));
        html! {
            dl.facts {
                div { dt { "Every pair of a cluster" } dd { "has a confidence of " (hundredths(job.cluster_threshold)) " or more" } }
                div { dt { "Matches" } dd { (matches) } }
                div { dt { "Pairs" } dd { (method) } }
                div { dt { "Finished" } dd { (job.times[2].as_deref().unwrap_or("-")) (took) } }
            }
        }
    }

    fn audit(&self, found: &[Finding]) -> Markup {
        let shown = &found[..found.len().min(self.limits.findings)];
        html! {
            section.audit {
                h2 { "What looks wrong" span.n { (thousands(found.len() as u64)) } }
                @if found.is_empty() { p.empty { "Nothing was found." } }
                @for (kind, words) in KINDS {
                    @let of_kind: Vec<&Finding> = shown.iter().filter(|finding| finding.kind == kind).collect();
                    @if !of_kind.is_empty() {
                        h3 { (words) span.n { (thousands(of_kind.len() as u64)) } }
                        @for finding in of_kind { (self.finding(finding)) }
                    }
                }
                (left_out(shown.len(), found.len(), "finding", "findings", "those of each kind in its order"))
            }
        }
    }

    fn finding(&self, finding: &Finding) -> Markup {
        html! {
            article.finding {
                div.line {
                    h4 { (question(finding)) }
                    @if let Some(score) = &finding.score { span.muted { "score " (score) } }
                }
                @if let Some(reason) = &finding.reason { p.muted { (reason) } }
                div.sides {
                    @for side in sides(self.sheet, finding, IMAGES) {
                        div.large[side.is_large] {
                            h5 { (side.title) }
                            div.faces {
                                @for &image in &side.images { (self.face(image, &self.label(image))) }
                                @if side.images.is_empty() { p.muted { "no other image" } }
                                @if side.n_more > 0 { p.more { "+" (side.n_more) } }
                            }
                        }
                    }
                }
            }
        }
    }

    /// Those of several images as cards, the most interesting first, and those of one below them.
    fn clusters(&self) -> Markup {
        let cards = self.sheet.shown(Show::Several, Order::Interest);
        let singles = self.sheet.shown(Show::Single, Order::Size);
        let n_cards = cards.len().min(self.limits.clusters);
        let n_singles = singles.len().min(self.limits.clusters - n_cards);
        html! {
            section {
                h2 { "Clusters" span.n { (thousands(self.sheet.clusters.len() as u64)) } }
                @if self.sheet.clusters.is_empty() { p.empty { "No image took part: the database holds no trained images." } }
                @for cluster in &cards[..n_cards] { (self.card(cluster)) }
                (left_out(n_cards, cards.len(), "cluster of several images", "clusters of several images", "those of most identities first, then the largest"))
                @if !singles.is_empty() {
                    h3 { "Images that are a cluster alone" span.n { (thousands(singles.len() as u64)) } }
                    div.faces.wide {
                        @for cluster in &singles[..n_singles] {
                            @let image = self.sheet.members(cluster)[0];
                            (self.face(image, &html! { small.who { (Name(self.sheet.names[image as usize].identifier.as_str())) } (self.label(image)) }))
                        }
                    }
                    (left_out(n_singles, singles.len(), "of them", "of them", "in the order of the result"))
                }
            }
        }
    }

    fn card(&self, cluster: &Cluster) -> Markup {
        let parts = self.sheet.parts(cluster);
        html! {
            article.cluster.mixed[cluster.n_identities > 1] {
                div.line {
                    h3 { "Cluster " (cluster.number + 1) }
                    span { (count(cluster.len(), "image", "images")) }
                    @if cluster.n_identities > 1 { strong.badge { (count(cluster.n_identities as usize, "identity", "identities")) } }
                    @if let Some(lowest) = cluster.lowest { span.muted { "weakest pair " (confidence(lowest)) } }
                }
                div.parts { @for &(first, n) in parts.iter().take(IDENTITIES) { (self.part(cluster, first, n)) } }
                (left_out(parts.len().min(IDENTITIES), parts.len(), "identity", "identities", "those of most images"))
            }
        }
    }

    /// The images of one identity.
    fn part(&self, cluster: &Cluster, first: u32, n: usize) -> Markup {
        let members = self.sheet.members(cluster);
        let at = members.iter().position(|&member| member == first).unwrap_or(0);
        let n_shown = n.min(self.limits.images);
        let others = self.elsewhere(cluster, first);
        html! {
            div.part {
                p {
                    (chip(&self.sheet.names[first as usize], Some(n)))
                    @if !others.is_empty() {
                        " " span.muted {
                            (if others.len() == 1 { "also in cluster" } else { "also in clusters" })
                            @for (i, number) in others.iter().take(ELSEWHERE).enumerate() { @if i > 0 { "," } " " (number) }
                            @if others.len() > ELSEWHERE { ", \u{2026}" }
                        }
                    }
                }
                div.faces {
                    @for &member in &members[at..at + n_shown] {
                        (self.face(member, &html! { (fit(self.sheet, member)) (self.label(member)) }))
                    }
                    @if n > n_shown { p.more { "+" (thousands((n - n_shown) as u64)) } }
                }
            }
        }
    }

    /// The numbers of the other clusters with images of this identity.
    fn elsewhere(&self, cluster: &Cluster, face: u32) -> Vec<u32> {
        let id = &self.sheet.names[face as usize];
        let images = self.sheet.images_of(&id.database, &id.identifier);
        let mut numbers: Vec<u32> = images.map(|image| self.sheet.cluster_of(image).number).collect();
        numbers.sort_unstable();
        numbers.dedup();
        numbers.retain(|&number| number != cluster.number);
        numbers.into_iter().map(|number| number + 1).collect()
    }

    fn label(&self, image: u32) -> Markup {
        html! { small.muted { (Name(self.sheet.names[image as usize].label.as_str())) } }
    }

    fn face(&self, image: u32, below: &Markup) -> Markup {
        let id = &self.sheet.names[image as usize];
        html! {
            figure class=(format!("face h{}", hue(id))) {
                img src=(self.picture(image)) width="96" height="96" alt={ (id.identifier.as_str()) ", image " (id.label.as_str()) };
                figcaption { (below) }
            }
        }
    }

    /// The picture as the address of itself.
    fn picture(&self, image: u32) -> String {
        let taken = self.desk.picture(self.sheet, image);
        let why = match taken {
            Ok(bytes) if bytes.len() <= self.left.get() => {
                self.left.set(self.left.get() - bytes.len());
                return format!("data:image/jpeg;base64,{}", STANDARD.encode(bytes));
            }
            Ok(_) => NotShown::None,
            Err(why) => why,
        };
        format!("data:image/svg+xml;base64,{}", STANDARD.encode(drawn(self.sheet, image, why).into_string()))
    }
}

/// That not all are shown, and which.
fn left_out(n_shown: usize, n: usize, one: &str, several: &str, which: &str) -> Markup {
    html! {
        @if n_shown < n {
            p.note { "Shown: " (thousands(n_shown as u64)) " of " (count(n, one, several)) ", " (which) "." }
        }
    }
}
