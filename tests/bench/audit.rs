//! What the identity audit finds of errors planted in Labeled Faces in the Wild, in two embeddings, what it finds in the
//! data as they are, and how long it takes.
//!
//! usage: cargo bench --no-default-features --bench audit -- [FIRST-SEED [SEEDS]]
//!        cargo bench --no-default-features --bench audit -- time (FILE | N) (exact | hnsw) (plain | audit)
//!
//! Planted are, for each seed: 1 % of the images moved to another identity, 1 % of the identities split in two, 20 merged,
//! 40 pictures copied (`planted.rs`). Likely is a score of at least 0.5. A finding is true if it is what was planted. What
//! is found in the untouched data as well cannot be told that way: it counts as wrong, and beside each precision stand the
//! one without it and the one where those of it that others have published (`published.rs`) count as right. How much of
//! the rest is right nobody here has seen, for the pictures are not part of the data.
//!
//! Errors planted at random are easier than real ones, which are made where people look alike or stand together in a
//! picture; and the curves were fitted on errors planted in the same data, with other seeds (`src/cluster/audit/score.rs`
//! says which). So this shows that the scores hold for errors of this kind, not that they hold anywhere.
//!
//! In the end stand which of the published errors are found in the untouched data, and the first findings in them.
//! With `time` one clustering is timed, of a file or of N invented faces of 128 numbers, with or without its audit.

#![allow(clippy::print_stdout, clippy::unwrap_used, reason = "a benchmark prints its figures and fails by panicking")]
#![allow(missing_docs, reason = "a program")]

#[allow(dead_code, reason = "every benchmark uses its part")]
mod invented;
mod npz;
mod planted;
mod published;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Instant;

use faceclique::cluster::audit::{Audit, Decided, Finding, Identities, Kind, Score, Subject, audit};
use faceclique::cluster::{Clustering, NoShelf, Parameters, Resources, Search, Unwatched, cluster};
use faceclique::confidence::{Confidence, ConfidenceScale};
use faceclique::face::{Embedding, FaceSet, face_id};
use faceclique::kernel;
use planted::{Amount, Planted, plant};
use published::{PUBLISHED, Published, is_published, known};

const FILES: [&str; 2] = ["lfw_mobilefacenet_y1.npz", "lfw_reid0095.npz"];
/// So many of the first findings in the untouched data are shown.
const SHOWN: usize = 50;
/// The kinds that say that a label is wrong, or that a picture is there twice.
const ERRORS: [Kind; 5] = [Kind::Misfiled, Kind::SamePerson, Kind::SeveralPersons, Kind::Duplicates, Kind::Nobody];

/// A finding judged: its score, whether it is true, the planted error that it is, whether the untouched data have it too,
/// and whether somebody has published it.
struct Judged {
    score: f64,
    is_true: bool,
    found: Option<String>,
    is_natural: bool,
    is_published: bool,
}

fn scale() -> ConfidenceScale {
    ConfidenceScale::new(vec![(-1.0, 0.0), (0.43, 50.0), (1.0, 100.0)]).unwrap()
}

fn parameters(search: Search) -> Parameters {
    let threshold = "50".parse().unwrap();
    Parameters {
        cluster_threshold: threshold,
        output_threshold: threshold,
        max_matches: Some(0),
        search,
        ..Parameters::default()
    }
}

fn clustered(faces: &FaceSet, parameters: &Parameters) -> Clustering {
    cluster(faces, &scale(), parameters, &Resources::default(), &Unwatched).unwrap()
}

fn audited(faces: &FaceSet, parameters: &Parameters, clustering: &Clustering) -> Audit {
    let (scale, decided) = (&scale(), &Decided::default());
    let subject = Subject { faces, scale, parameters, clustering, decided };
    audit(&subject, &Resources::default(), &Unwatched, &NoShelf).unwrap()
}

fn run(planted: &Planted) -> (Clustering, Audit) {
    let parameters = parameters(Search::Auto);
    let clustering = clustered(&planted.faces, &parameters);
    let audit = audited(&planted.faces, &parameters, &clustering);
    (clustering, audit)
}

fn names(planted: &Planted, audit: &Audit, kind: Kind) -> Vec<String> {
    let identities = Identities::new(planted.faces.ids());
    audit.of(kind).iter().map(|finding| finding.id(planted.faces.ids(), &identities)).collect()
}

fn share(part: usize, of: usize) -> f64 {
    part as f64 / of.max(1) as f64
}

/// The mean of the precisions at each true finding, over what was planted.
fn average_precision(judged: &[&Judged], planted: usize) -> f64 {
    let (mut sum, mut found) = (0.0, 0);
    for (at, finding) in judged.iter().enumerate() {
        if finding.found.is_some() {
            found += 1;
            sum += share(found, at + 1);
        }
    }
    sum / planted.max(1) as f64
}

fn report(kind: Kind, mut judged: Vec<Judged>, planted: usize) {
    judged.sort_by(|a, b| b.score.total_cmp(&a.score));
    let likely: Vec<&Judged> = judged.iter().filter(|finding| finding.score >= 0.5).collect();
    let new: Vec<&Judged> = likely.iter().copied().filter(|finding| !finding.is_natural).collect();
    let precision = |list: &[&Judged]| share(list.iter().filter(|finding| finding.is_true).count(), list.len());
    let is_right = |f: &&&Judged| f.is_true || f.is_natural && f.is_published;
    let with_published = share(likely.iter().filter(is_right).count(), likely.len());
    print!("{kind:<15} {:>5} listed {:>5} likely, precision {:.3} (", judged.len(), likely.len(), precision(&likely));
    print!("{:.3} of what is not in the untouched data, ", precision(&new));
    print!("{with_published:.3} with the published errors as right)");
    if planted > 0 {
        let found = likely.iter().filter(|finding| finding.found.is_some()).count();
        let others: Vec<&Judged> =
            judged.iter().filter(|f| !f.is_natural && (!f.is_true || f.found.is_some())).collect();
        let average = average_precision(&others, planted);
        print!(", recall {:.3} ({found} of {planted}), average precision {average:.3}", share(found, planted));
    }
    println!();
    let tenth = |finding: &&Judged| (finding.score * 10.0).min(9.0) as usize;
    let table: Vec<String> = (0..10)
        .map(|at| {
            let those: Vec<&Judged> = judged.iter().filter(|f| !f.is_natural && tenth(f) == at).collect();
            format!("{}/{}", those.iter().filter(|finding| finding.is_true).count(), those.len())
        })
        .collect();
    println!("{:15} true of those with a score from 0.0, 0.1, ...: {}", "", table.join(" "));
}

/// The findings of all kinds of errors with their rank in their kind, the highest score first; copies of a picture under
/// one identifier last, for they are no wrong labels.
fn first(audit: &Audit) -> Vec<(usize, &Finding)> {
    let ranked = ERRORS.into_iter().flat_map(|kind| audit.of(kind).iter().enumerate().map(|(at, f)| (at + 1, f)));
    let mut ranked: Vec<(usize, &Finding)> = ranked.collect();
    ranked.sort_by_key(|(rank, finding)| (std::cmp::Reverse(finding.score), finding.case.kind(), *rank));
    ranked
}

/// Which of the published errors are found, by the likeliest finding about each, and what the confidences are where none is.
fn show_published(planted: &Planted, audit: &Audit) {
    let (faces, ids, identities) = (&planted.faces, planted.faces.ids(), Identities::new(planted.faces.ids()));
    let ranked = first(audit);
    let (mut n_likely, mut n_found) = (0, 0);
    for published in PUBLISHED {
        let name = match published {
            Published::Image(label) => label.to_owned(),
            Published::People(first, second) => format!("{first} = {second}"),
        };
        let of_it: Vec<&(usize, &Finding)> =
            ranked.iter().filter(|(_, f)| published.is_in(f, ids, &identities)).collect();
        n_likely += usize::from(of_it.iter().any(|(_, f)| f.score >= Score::LIKELY));
        n_found += usize::from(!of_it.is_empty());
        let told: Vec<String> =
            of_it.iter().map(|(rank, f)| format!("{} {rank}, score {}", f.case.kind(), f.score)).collect();
        let told = if told.is_empty() { format!("not found: {}", why_not(faces, published)) } else { told.join("; ") };
        println!("  {name}: {told}");
    }
    println!("  {n_likely} of {} are likely findings, {n_found} are findings at all", PUBLISHED.len());
}

/// The best confidences of an image with its own and with other identities, or of two people.
fn why_not(faces: &FaceSet, published: Published) -> String {
    let scale = scale();
    let confidence = |a: usize, b: usize| scale.confidence(kernel::dot(faces.row(a), faces.row(b)));
    let of = |name: &str| (0..faces.len()).filter(|&at| faces.id(at).identifier.as_str() == name).collect::<Vec<_>>();
    let told = |best: Option<(Confidence, usize)>| {
        best.map_or_else(|| "none".to_owned(), |(best, at)| format!("{best} with {}", faces.id(at).label))
    };
    match published {
        Published::Image(label) => {
            let Some(image) = (0..faces.len()).find(|&at| faces.id(at).label.as_str() == label) else {
                return "no such image".to_owned();
            };
            let identifier = &faces.id(image).identifier;
            let best = |is_own: bool| {
                let others =
                    (0..faces.len()).filter(|&at| at != image && (&faces.id(at).identifier == identifier) == is_own);
                others.map(|at| (confidence(image, at), at)).max()
            };
            format!("best of its own {}, of others {}", told(best(true)), told(best(false)))
        }
        Published::People(first, second) => {
            let others = of(second);
            let pairs = of(first).into_iter().flat_map(|a| others.iter().map(move |&b| (a, b)));
            format!("best pair {}", told(pairs.map(|(a, b)| (confidence(a, b), b)).max()))
        }
    }
}

fn show(planted: &Planted, audit: &Audit) {
    let (ids, identities) = (planted.faces.ids(), Identities::new(planted.faces.ids()));
    for kind in ERRORS {
        let likely: Vec<&Finding> = audit.of(kind).iter().filter(|finding| finding.score >= Score::LIKELY).collect();
        let published = likely.iter().filter(|finding| is_published(finding, ids, &identities)).count();
        println!("  {kind}: {} likely, {published} of them published", likely.len());
    }
    println!("  the first {SHOWN}, the likeliest first, and what is known of each from names and lists:");
    let mut count = std::collections::BTreeMap::<String, usize>::new();
    for (at, (_, finding)) in first(audit).into_iter().take(SHOWN).enumerate() {
        let pair = finding.evidence.first().map_or_else(String::new, |pair| {
            let [a, b] = [pair.first, pair.second].map(|face| &ids[face as usize].label);
            format!(" [{a} {b} {}]", pair.confidence)
        });
        let (kind, reason, known) =
            (finding.case.kind(), finding.reason(ids, &identities), known(finding, ids, &identities));
        println!("  {:>3} {kind} {} ({known}) {reason}{pair}", at + 1, finding.score);
        *count.entry(known).or_default() += 1;
    }
    for (known, n) in count {
        println!("  {n:>3} {known}");
    }
}

fn measure(file: &Path, seeds: std::ops::Range<u64>) {
    println!("\n{}, seeds {} to {}", file.file_name().unwrap().to_string_lossy(), seeds.start, seeds.end - 1);
    let images = npz::read(file);
    let untouched = plant(&images, &Amount { moved: 0, split: 0, merged: 0, copies: 0 }, 0);
    let (_, of_untouched) = run(&untouched);
    let natural: BTreeSet<String> =
        Kind::ALL.into_iter().flat_map(|kind| names(&untouched, &of_untouched, kind)).collect();
    let mut all: Vec<(Vec<Judged>, usize)> = Kind::ALL.iter().map(|_| (Vec::new(), 0)).collect();
    for seed in seeds {
        let planted = plant(&images, &Amount::usual(&images), seed);
        let (clustering, audit) = run(&planted);
        let (ids, identities) = (planted.faces.ids(), Identities::new(planted.faces.ids()));
        for (kind, (judged, n)) in Kind::ALL.into_iter().zip(&mut all) {
            let found = planted.judge(&audit, kind, clustering.clusters());
            let findings = audit.of(kind).iter().zip(names(&planted, &audit, kind));
            judged.extend(found.into_iter().zip(findings).map(|((score, is_true, found), (finding, id))| Judged {
                score,
                is_true,
                found,
                is_natural: natural.contains(&id),
                is_published: is_published(finding, ids, &identities),
            }));
            *n += planted.planted(kind).unwrap_or(0);
        }
    }
    for (kind, (judged, n)) in Kind::ALL.into_iter().zip(all) {
        report(kind, judged, n);
    }
    println!("untouched, published errors:");
    show_published(&untouched, &of_untouched);
    println!("untouched, findings:");
    show(&untouched, &of_untouched);
}

/// Invented people, of whom one image in a hundred is filed under the name of the next.
fn invented(n: usize) -> FaceSet {
    const DIMENSION: usize = 128;
    let faces = invented::Faces::new(invented::Kind::People, n, DIMENSION);
    let values = faces.values(2);
    let rows = values.chunks_exact(DIMENSION).enumerate().map(|(at, row)| {
        let whose = if at % 100 == 0 { (at + 1) % n } else { at };
        let id = face_id("d", &format!("{:016x}", faces.identity(whose)), &format!("{at:07}")).unwrap();
        (id, Embedding::new(row.to_vec()).unwrap())
    });
    FaceSet::new(rows).unwrap()
}

/// Times one clustering, alone or with its audit.
fn time(what: &str, method: &str, with: &str) {
    let faces = match what.parse() {
        Ok(n) => invented(n),
        Err(_) => plant(&npz::read(Path::new(what)), &Amount { moved: 0, split: 0, merged: 0, copies: 0 }, 0).faces,
    };
    let parameters = parameters(if method == "hnsw" { Search::Hnsw } else { Search::Exact });
    let begun = Instant::now();
    let clustering = clustered(&faces, &parameters);
    let took = begun.elapsed().as_secs_f64();
    println!(
        "{} {} {method} clustering {took:.3} s, {} clusters",
        faces.len(),
        faces.dimension(),
        clustering.clusters().len()
    );
    if with == "audit" {
        let begun = Instant::now();
        let audit = audited(&faces, &parameters, &clustering);
        let took = begun.elapsed().as_secs_f64();
        println!("{} {} {method} audit {took:.3} s, {} findings", faces.len(), faces.dimension(), audit.findings.len());
    }
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    if let [mode, what, method, with] = &arguments[..]
        && mode == "time"
    {
        return time(what, method, with);
    }
    let numbers: Vec<u64> = arguments.iter().map(|argument| argument.parse().expect("a seed, or how many")).collect();
    let first = numbers.first().copied().unwrap_or(9); // none that the scores were fitted on
    let seeds = first..first + numbers.get(1).copied().unwrap_or(5);
    let folder: PathBuf = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data");
    for file in FILES.map(|name| folder.join(name)) {
        if file.exists() {
            measure(&file, seeds.clone());
        } else {
            println!("SKIPPED: {} is not there", file.display());
        }
    }
}
