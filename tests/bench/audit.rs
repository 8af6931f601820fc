//! What the identity audit finds of errors planted in Labeled Faces in the Wild, in two embeddings.
//!
//! usage: cargo bench --bench audit -- [FIRST-SEED [SEEDS]]
//!
//! Planted are, for each seed: 1 % of the images moved to another identity, 1 % of the identities split in two, 20 merged,
//! 40 pictures copied (`planted.rs`). Likely is a score of at least 0.5. What is found in the untouched data as well counts
//! as wrong, though most of it is right (LFW has errors of its own), so beside each precision stands the one without it.
//! The scores were fitted on odd seeds below 9. In the end stand the first findings in the untouched data.

#![allow(clippy::print_stdout, clippy::unwrap_used, reason = "a benchmark prints its figures and fails by panicking")]
#![allow(missing_docs, reason = "a program")]

mod planted;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use faceclique::cluster::audit::{Audit, Decided, Identities, Kind, Score, Subject, audit};
use faceclique::cluster::{Clustering, NoShelf, Parameters, Resources, Unwatched, cluster};
use faceclique::confidence::ConfidenceScale;
use faceclique::exchange::{Format, Options, Reader, Source};
use planted::{Amount, Image, Planted, plant};

const FILES: [&str; 2] = ["lfw_mobilefacenet_y1.npz", "lfw_reid0095.npz"];
/// So many of the first findings of each kind in the untouched data are shown.
const SHOWN: usize = 50;

/// A finding judged: its score, whether it is true, the planted error that it is, whether the untouched data have it too.
struct Judged {
    score: f64,
    is_true: bool,
    found: Option<String>,
    is_natural: bool,
}

fn read(file: &Path) -> Vec<Image> {
    let source = Source::open(file, Format::Npz, None).unwrap();
    let rows = Reader::open(source, &Options::default()).unwrap().map(|row| {
        let row = row.unwrap();
        Image {
            identity: row.identifier.to_string(),
            label: row.label.to_string(),
            embedding: row.embedding.unwrap().values().to_vec(),
        }
    });
    rows.collect()
}

fn run(planted: &Planted, scale: &ConfidenceScale) -> (Clustering, Audit) {
    let threshold = "50".parse().unwrap();
    let parameters = Parameters {
        cluster_threshold: threshold,
        output_threshold: threshold,
        max_matches: Some(0),
        ..Parameters::default()
    };
    let resources = Resources::default();
    let clustering = cluster(&planted.faces, scale, &parameters, &resources, &Unwatched).unwrap();
    let (faces, decided) = (&planted.faces, &Decided::default());
    let subject = Subject { faces, scale, parameters: &parameters, clustering: &clustering, decided };
    let audit = audit(&subject, &resources, &Unwatched, &NoShelf).unwrap();
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
    print!("{kind:<15} {:>5} listed {:>5} likely, precision {:.3} (", judged.len(), likely.len(), precision(&likely));
    print!("{:.3} of what is not in the untouched data)", precision(&new));
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

fn show(planted: &Planted, audit: &Audit) {
    let (ids, identities) = (planted.faces.ids(), Identities::new(planted.faces.ids()));
    for kind in [Kind::Misfiled, Kind::SamePerson, Kind::SeveralPersons, Kind::Nobody] {
        let likely = audit.of(kind).iter().filter(|finding| finding.score >= Score::LIKELY);
        for finding in likely.take(SHOWN) {
            let pair = finding.evidence.first().map_or_else(String::new, |pair| {
                let [a, b] = [pair.first, pair.second].map(|face| &ids[face as usize].label);
                format!(" [{a} {b} {}]", pair.confidence)
            });
            println!("  {kind} {} {}{pair}", finding.score, finding.reason(ids, &identities));
        }
    }
}

fn measure(file: &Path, seeds: std::ops::Range<u64>) {
    println!("\n{}, seeds {} to {}", file.file_name().unwrap().to_string_lossy(), seeds.start, seeds.end - 1);
    let images = read(file);
    let scale = ConfidenceScale::new(vec![(-1.0, 0.0), (0.43, 50.0), (1.0, 100.0)]).unwrap();
    let untouched = plant(&images, &Amount { moved: 0, split: 0, merged: 0, copies: 0 }, 0);
    let (_, of_untouched) = run(&untouched, &scale);
    let natural: BTreeSet<String> =
        Kind::ALL.into_iter().flat_map(|kind| names(&untouched, &of_untouched, kind)).collect();
    let mut all: Vec<(Vec<Judged>, usize)> = Kind::ALL.iter().map(|_| (Vec::new(), 0)).collect();
    for seed in seeds {
        let planted = plant(&images, &Amount::usual(&images), seed);
        let (clustering, audit) = run(&planted, &scale);
        for (kind, (judged, n)) in Kind::ALL.into_iter().zip(&mut all) {
            let found = planted.judge(&audit, kind, clustering.clusters());
            judged.extend(found.into_iter().zip(names(&planted, &audit, kind)).map(|((score, is_true, found), id)| {
                Judged { score, is_true, found, is_natural: natural.contains(&id) }
            }));
            *n += planted.planted(kind).unwrap_or(0);
        }
    }
    for (kind, (judged, n)) in Kind::ALL.into_iter().zip(all) {
        report(kind, judged, n);
    }
    println!("untouched:");
    show(&untouched, &of_untouched);
}

fn main() {
    let numbers: Vec<u64> = std::env::args().skip(1).filter_map(|argument| argument.parse().ok()).collect();
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
