//! Contract R114: the result depends on the faces and the parameters, not on the order of arrival or on threads.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[path = "support/appliance.rs"]
mod appliance;

use std::io::Write as _;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use appliance::Appliance;
use faceclique::engine::Settings;
use faceclique::exchange::{Format, Options, Reader, Record, Source, Writer};
use faceclique::face::{Embedding, Identifier, ImageLabel, ImageStatus};

const ORDERS: u64 = 20;

/// xorshift64: numbers that are the same everywhere.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn unit(&mut self) -> f32 {
        (self.next() >> 40) as f32 / (1u64 << 24) as f32 * 2.0 - 1.0
    }

    fn shuffle<T>(&mut self, list: &mut [T]) {
        for i in (1..list.len()).rev() {
            list.swap(i, usize::try_from(self.next() % (i as u64 + 1)).unwrap());
        }
    }
}

/// Images of people, some images twice under other names, so that there are exact ties.
fn invented() -> Vec<Record> {
    let mut random = Random(42);
    let mut records = Vec::new();
    for person in 0..60 {
        let centre: Vec<f32> = (0..16).map(|_| random.unit()).collect();
        for image in 0..=person % 9 {
            let noisy: Vec<f32> = centre.iter().map(|&c| c + 0.5 * random.unit()).collect();
            for copy in 0..=usize::from(image == 2) {
                records.push(Record {
                    row: 0,
                    identifier: Identifier::new(&format!("person {person}")).unwrap(),
                    label: ImageLabel::new(&format!("{image}-{copy}")).unwrap(),
                    status: ImageStatus::Trained,
                    model: None,
                    embedding: Some(Embedding::new(noisy.clone()).unwrap()),
                    reason: None,
                    picture: None,
                    metadata: Vec::new(),
                });
            }
        }
    }
    records
}

/// Imports the records in `ORDERS` random orders, with 1 and 2 threads in turn; every result must equal the first.
fn is_the_same_in_every_order(records: &mut [Record], threshold: &str, searches: &[&str]) {
    let mut random = Random(7);
    let mut first: Option<Vec<(String, String)>> = None;
    for order in 0..ORDERS {
        random.shuffle(records);
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("faces.npy");
        let mut writer = Writer::create(&file, Format::Npy, None).unwrap();
        for record in &*records {
            writer.push(record).unwrap();
        }
        writer.finish().unwrap();
        let mut settings = Settings::new(folder.path().join("data"));
        settings.threads = NonZeroUsize::new(1 + usize::try_from(order % 2).unwrap()).unwrap();
        let appliance = Appliance::open(settings);
        appliance.import("people", &file);
        let results: Vec<(String, String)> = searches
            .iter()
            .map(|search| {
                let thresholds = [("clusterthreshold", threshold), ("outputthreshold", threshold)];
                let (clusters, rest) = appliance.cluster(&[&thresholds[..], &[("search", search)]].concat());
                let (search, _) = rest.split_once("<token>").unwrap();
                (clusters, search.to_owned())
            })
            .collect();
        let first = first.get_or_insert_with(|| results.clone());
        assert!(*first == results, "order {order} gives another result");
    }
    let first = first.unwrap();
    assert!(first[0].0.matches("<cluster>").count() > 50, "there is something to compare");
}

#[test]
fn r114_invented_faces_give_the_same_bytes_in_20_orders_with_1_and_2_threads() {
    is_the_same_in_every_order(&mut invented(), "75", &["exact", "hnsw"]);
}

#[test]
fn r114_real_faces_give_the_same_bytes_in_20_orders_with_1_and_2_threads() {
    let file: PathBuf = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data/lfw_mobilefacenet_y1.npz");
    if !file.exists() {
        // not `eprintln!`, which the test harness swallows when the test passes
        let _ = writeln!(std::io::stderr(), "SKIPPED: {} is not there", file.display());
        return;
    }
    let source = Source::open(&file, Format::Npz, None).unwrap();
    let mut records: Vec<Record> = Reader::open(source, &Options::default()).unwrap().map(Result::unwrap).collect();
    is_the_same_in_every_order(&mut records, "71.5", &["exact"]);
}
