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

use faceclique::kernel::{Heads, Instructions, Screen, products};
use invented::{Faces, Kind};

/// Cosine of the threshold.
const FLOOR: f64 = 0.35;
const TILE: usize = 480;

/// How long something took.
#[derive(Clone, Copy)]
struct Took {
    /// By the clock.
    clock: f64,
    /// By what the threads got of their processors, on average, in seconds; the clock, where the system does not say. It
    /// leaves out what others on the machine took.
    processor: f64,
}

/// What this thread got of its processor so far, in seconds, to a few milliseconds.
fn processor_time() -> Option<f64> {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    text.split(' ').next()?.parse::<f64>().ok().map(|nanoseconds| nanoseconds * 1e-9)
}

/// Does the same on all threads.
fn on_all_threads(threads: usize, work: impl Fn() + Sync) -> Took {
    let begun = Instant::now();
    let timed = || {
        let before = processor_time();
        work();
        Some(processor_time()? - before?)
    };
    let times: Option<Vec<f64>> = std::thread::scope(|scope| {
        let running: Vec<_> = (0..threads).map(|_| scope.spawn(timed)).collect();
        running.into_iter().map(|thread| thread.join().expect("no thread panics")).collect()
    });
    let clock = begun.elapsed().as_secs_f64();
    Took { clock, processor: times.map_or(clock, |times| times.iter().sum::<f64>() / threads as f64) }
}

/// The most multiplications and additions a second, in thousands of millions, on all threads: by clock, by processor.
fn peak(instructions: Instructions, threads: usize) -> (f64, f64) {
    let done = AtomicU64::new(0);
    let took = on_all_threads(threads, || {
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_millis(700) {
            done.fetch_add(instructions.exercise(100_000), Ordering::Relaxed);
        }
    });
    let done = done.into_inner() as f64 / 1e9;
    (done / took.clock, done / took.processor)
}

/// Calls `tile(rows, columns)` for each tile of the upper triangle, on all threads.
fn for_each_tile(
    n: usize,
    threads: usize,
    tile: impl Fn(std::ops::Range<usize>, std::ops::Range<usize>) + Sync,
) -> Took {
    let blocks = n.div_ceil(TILE);
    let block = |at: usize| at * TILE..n.min((at + 1) * TILE);
    let next = AtomicUsize::new(0);
    on_all_threads(threads, || {
        loop {
            let column = next.fetch_add(1, Ordering::Relaxed);
            if column >= blocks {
                break;
            }
            (0..=column).for_each(|row| tile(block(row), block(column)));
        }
    })
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

    let instructions = Instructions::best();
    let begun = Instant::now();
    let heads = Heads::build(
        &values,
        dimension,
        None,
        FLOOR,
        NonZeroUsize::new(threads).expect("at least one thread"),
        instructions,
        &|| false,
    );
    let built = begun.elapsed();
    let row = |i: usize| &values[i * dimension..][..dimension];
    let found = [AtomicU64::new(0), AtomicU64::new(0)];
    let (survivors, true_pairs) = (&found[0], &found[1]);
    if let Some(heads) = &heads {
        let cuts = vec![heads.cut(FLOOR); TILE];
        let none = vec![i32::MAX; TILE];
        let before = peak(instructions, threads);
        let bare = for_each_tile(n, threads, |rows, columns| {
            heads.survivors(rows.clone(), columns.clone(), (&none[..rows.len()], &none[..columns.len()]), |_, _| {});
        });
        let after = peak(instructions, threads);
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
        let peak = (before.0.max(after.0), before.1.max(after.1));
        let operations = 2.0 * pairs * heads.length() as f64 / 1e9;
        let speed = |what: &str, took: Took| {
            let (clock, processor) = (operations / took.clock, operations / took.processor);
            println!(
                "          {what:9} {:6.2} s, {clock:4.0} Gop/s; by processor time {processor:4.0} Gop/s, {:3.0} % of the peak",
                took.clock,
                100.0 * processor / peak.1,
            );
        };
        println!("heads     {} numbers, built in {:.2} s, {instructions}", heads.length(), built.as_secs_f64());
        println!("          peak in registers, {:4.0} Gop/s; by processor time {:4.0} Gop/s", peak.0, peak.1);
        speed("products", bare);
        speed("whole", whole);
        println!(
            "          with survivors decided {:.2} s, {:.2} ns a pair; {} survivors of {} true pairs",
            whole.clock,
            whole.clock * 1e9 / pairs,
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
    let operations = 2.0 * pairs * dimension as f64 / float.clock / 1e9;
    println!(
        "float32   {:.2} s, {:.2} ns a pair, {operations:.0} GFLOP/s; {} survivors",
        float.clock,
        float.clock * 1e9 / pairs,
        plain.load(Ordering::Relaxed),
    );
}
