//! How fast every pair is compared: by 8-bit heads and by float32 products, on the same invented faces in one run.
//!
//! usage: cargo bench --bench pairs -- [N [DIMENSION [THREADS]]]
//!
//! `invented.rs` says what the faces are like.

#![allow(clippy::print_stdout, reason = "a benchmark prints its figures")]
#![allow(missing_docs, reason = "a program")]

#[allow(dead_code, reason = "every benchmark uses its part")]
mod invented;

use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use faceclique::kernel::{Heads, Screen, products};
use invented::{Faces, Kind};

/// Cosine of the threshold.
const FLOOR: f64 = 0.35;
const TILE: usize = 480;

/// Calls `tile(rows, columns)` for each tile of the upper triangle, on all threads.
fn for_each_tile(
    n: usize,
    threads: usize,
    tile: impl Fn(std::ops::Range<usize>, std::ops::Range<usize>) + Sync,
) -> Duration {
    let blocks = n.div_ceil(TILE);
    let block = |at: usize| at * TILE..n.min((at + 1) * TILE);
    let next = AtomicUsize::new(0);
    let begun = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let column = next.fetch_add(1, Ordering::Relaxed);
                    if column >= blocks {
                        break;
                    }
                    (0..=column).for_each(|row| tile(block(row), block(column)));
                }
            });
        }
    });
    begun.elapsed()
}

fn machine() -> String {
    let info = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let name = info.lines().find_map(|line| line.strip_prefix("model name")).unwrap_or(": unknown");
    name.trim_start_matches([' ', '\t', ':']).to_owned()
}

fn main() {
    let numbers: Vec<usize> = std::env::args().filter_map(|argument| argument.parse().ok()).collect();
    let n = numbers.first().copied().unwrap_or(50_000);
    let dimension = numbers.get(1).copied().unwrap_or(512);
    let threads = numbers.get(2).copied().unwrap_or(2);
    let pairs = n as f64 * (n as f64 - 1.0) / 2.0;
    println!("machine   {}, {threads} threads", machine());
    println!("faces     {n} x {dimension}, {pairs:.0} pairs, floor {FLOOR}");
    let values = Faces::new(Kind::People, n, dimension).values(threads);

    let begun = Instant::now();
    let heads = Heads::build(&values, dimension, FLOOR, NonZeroUsize::new(threads).expect("at least one thread"));
    let built = begun.elapsed();
    let row = |i: usize| &values[i * dimension..][..dimension];
    let found = [AtomicU64::new(0), AtomicU64::new(0)];
    let (survivors, true_pairs) = (&found[0], &found[1]);
    if let Some(heads) = &heads {
        let cuts = vec![heads.cut(FLOOR); TILE];
        let none = vec![i32::MAX; TILE];
        let bare = for_each_tile(n, threads, |rows, columns| {
            heads.survivors(rows.clone(), columns.clone(), (&none[..rows.len()], &none[..columns.len()]), |_, _| {});
        });
        let whole = for_each_tile(n, threads, |rows, columns| {
            let cuts = (&cuts[..rows.len()], &cuts[..columns.len()]);
            let (mut seen, mut reached) = (0, 0);
            heads.survivors(rows, columns, cuts, |a, b| {
                seen += u64::from(a < b);
                reached += u64::from(a < b && faceclique::kernel::dot(row(a), row(b)) >= FLOOR);
            });
            survivors.fetch_add(seen, Ordering::Relaxed);
            true_pairs.fetch_add(reached, Ordering::Relaxed);
        });
        let operations = 2.0 * pairs * heads.length() as f64 / bare.as_secs_f64() / 1e9;
        println!("heads     {} numbers, built in {:.2} s", heads.length(), built.as_secs_f64());
        println!("          products alone {:.2} s, {operations:.0} Gop/s", bare.as_secs_f64());
        println!(
            "          with survivors decided {:.2} s, {:.2} ns a pair; {} survivors of {} true pairs",
            whole.as_secs_f64(),
            whole.as_secs_f64() * 1e9 / pairs,
            survivors.load(Ordering::Relaxed),
            true_pairs.load(Ordering::Relaxed),
        );
    } else {
        println!("heads     not expected to be faster here ({:.2} s)", built.as_secs_f64());
    }

    let cut = Screen::new(dimension).cut(FLOOR);
    let plain = AtomicU64::new(0);
    let float = for_each_tile(n, threads, |rows, columns| {
        let block = |range: &std::ops::Range<usize>| &values[range.start * dimension..range.end * dimension];
        let mut out = vec![0.0; rows.len() * columns.len()];
        products(block(&rows), block(&columns), dimension, &mut out);
        let lines = rows.zip(out.chunks_exact(columns.len()));
        let reached: usize = lines
            .map(|(row, line)| {
                line.iter().zip(columns.clone()).filter(|&(&p, column)| row < column && p >= cut).count()
            })
            .sum();
        plain.fetch_add(reached as u64, Ordering::Relaxed);
    });
    let operations = 2.0 * pairs * dimension as f64 / float.as_secs_f64() / 1e9;
    println!(
        "float32   {:.2} s, {:.2} ns a pair, {operations:.0} GFLOP/s; {} survivors",
        float.as_secs_f64(),
        float.as_secs_f64() * 1e9 / pairs,
        plain.load(Ordering::Relaxed),
    );
}
