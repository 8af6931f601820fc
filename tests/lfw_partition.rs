//! Real faces: the partition is SciPy's, except where exact ties leave the choice.
#![allow(clippy::unwrap_used, clippy::print_stderr, reason = "a test that cannot go on panics, and says what it skips")]

mod support;

use std::num::NonZeroUsize;
use std::path::Path;

use faceclique::cluster::{Clustering, Parameters, Resources, Search, Unwatched, cluster};
use faceclique::confidence::ConfidenceScale;
use faceclique::face::FaceSet;
use faceclique::kernel::Instructions;
use support::{data, read_npz};

const THRESHOLDS: [&str; 4] = ["67.5", "71.5", "75", "80"];

fn run(
    faces: &FaceSet,
    threshold: &str,
    search: Search,
    instructions: Instructions,
    threads: usize,
) -> (Clustering, Parameters) {
    let parameters = Parameters {
        cluster_threshold: threshold.parse().unwrap(),
        output_threshold: threshold.parse().unwrap(),
        search,
        ..Parameters::default()
    };
    let resources = Resources { threads: NonZeroUsize::new(threads).unwrap(), instructions, ..Resources::default() };
    let start = std::time::Instant::now();
    let result = cluster(faces, &ConfidenceScale::cosine(), &parameters, &resources, &Unwatched).unwrap();
    eprintln!(
        "threshold {threshold} {search:?} {instructions} {threads} threads: {} clusters, {} pairs, {:?}, audit {:?}",
        result.clusters().len(),
        result.matches().total() / 2,
        start.elapsed(),
        result.audit()
    );
    (result, parameters)
}

/// For each column, for each face of the file the smallest face of its cluster.
fn expected(path: &Path) -> Vec<Vec<usize>> {
    let text = std::fs::read_to_string(path).unwrap();
    let lines: Vec<Vec<usize>> = text
        .lines()
        .skip(1)
        .map(|line| line.split(',').skip(1).map(|number| number.parse().unwrap()).collect())
        .collect();
    (0..4).map(|column| lines.iter().map(|line| line[column]).collect()).collect()
}

fn partition_is_scipys(name: &str, clusters: [usize; 4], pairs: [usize; 4]) {
    let Some(data) = data() else { return };
    let (faces, file_number) = read_npz(&data.join(format!("{name}.npz")));
    let expected = expected(&data.join(format!("expected/{name}.csv")));
    for (at, threshold) in THRESHOLDS.into_iter().enumerate() {
        // 1 thread, then 2, then 3, then 1
        let (result, parameters) = run(&faces, threshold, Search::Exact, Instructions::best(), 1 + at % 3);
        let mut ours = vec![0; faces.len()];
        for members in result.clusters() {
            let numbers: Vec<usize> = members.iter().map(|&face| file_number[face as usize]).collect();
            let smallest = *numbers.iter().min().unwrap();
            for number in numbers {
                ours[number] = smallest;
            }
        }
        let differing: Vec<usize> = (0..ours.len()).filter(|&i| ours[i] != expected[at][i]).collect();
        assert_eq!(differing, Vec::<usize>::new(), "{name} at {threshold}");
        assert_eq!(result.clusters().len(), clusters[at]);
        assert_eq!(result.matches().total(), 2 * pairs[at]);
        // With every set of instructions, and at one threshold with each number of threads too: the same to the last match.
        for &instructions in Instructions::available() {
            let threads = if at == 2 { 1..=3 } else { 2..=2 };
            for threads in threads {
                let (other, _) = run(&faces, threshold, Search::Exact, instructions, threads);
                assert!(other == result, "{name} at {threshold}: {instructions} with {threads} threads differs");
            }
        }
        if at == 0 {
            assert_eq!(result.verify(&faces, &ConfidenceScale::cosine(), &parameters), Ok(()));
        }
    }
}

#[test]
fn the_index_finds_nearly_every_pair_and_its_result_keeps_every_promise() {
    let Some(data) = data() else { return };
    let (faces, _) = read_npz(&data.join("lfw_mobilefacenet_y1.npz"));
    let (result, parameters) = run(&faces, "75", Search::Hnsw, Instructions::best(), 2);
    assert_eq!(result.verify(&faces, &ConfidenceScale::cosine(), &parameters), Ok(()));
    assert!(result.missed_hundredths() < 100, "the audit estimates less than 1 % missed");
    let (exact, _) = run(&faces, "75", Search::Exact, Instructions::best(), 2);
    let (found, all) = (result.matches().total() as f64, exact.matches().total() as f64);
    assert!(found / all > 0.99, "{found} of {all}");
}

#[test]
fn the_partition_of_128_dimensions_is_scipys() {
    let pairs = [341_960, 246_981, 231_213, 201_015];
    partition_is_scipys("lfw_mobilefacenet_y1", [4_304, 5_690, 6_455, 7_482], pairs);
}

#[test]
fn the_partition_of_256_dimensions_is_scipys() {
    let pairs = [358_052, 254_410, 235_160, 200_004];
    partition_is_scipys("lfw_reid0095", [4_126, 5_448, 6_266, 7_309], pairs);
}
