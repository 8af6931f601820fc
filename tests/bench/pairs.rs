//! How fast every pair is compared: by 8-bit heads and by float32 products, on the same invented faces in one run.
//!
//! usage: cargo bench --bench pairs -- [N [DIMENSION [THREADS]]] [--write FILE.npz]
//!
//! With a file the faces are only written into it, for `peers.py`.
//!
//! The faces have the statistics of real embeddings: identities of Zipf-like sizes up to 500, cosines of about .6 +- .1
//! within an identity and 0 +- .07 between two, a decaying spectrum, rotated at random.

#![allow(clippy::print_stdout, reason = "a benchmark prints its figures")]
#![allow(missing_docs, reason = "a program")]

use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use faceclique::exchange::{Format, Record, Writer};
use faceclique::face::{Embedding, Identifier, ImageLabel, ImageStatus};
use faceclique::kernel::{Heads, Instructions, Screen, products};

/// Cosine of the threshold.
const FLOOR: f64 = 0.35;
const TILE: usize = 480;

/// Numbers of a normal distribution, the same everywhere.
struct Random(u64);

impl Random {
    fn uniform(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ (z >> 31)) >> 11) as f64 / (1u64 << 53) as f64
    }

    /// By the central limit theorem, which is near enough.
    fn normal(&mut self) -> f64 {
        (0..12).map(|_| self.uniform()).sum::<f64>() - 6.0
    }

    /// A unit vector with a decaying spectrum.
    fn direction(&mut self, dimension: usize) -> Vec<f64> {
        let decay = 200.0 * dimension as f64 / 512.0;
        let numbers: Vec<f64> = (0..dimension).map(|k| self.normal() * (-(k as f64) / decay).exp()).collect();
        unit(numbers)
    }
}

fn unit(mut numbers: Vec<f64>) -> Vec<f64> {
    let length = numbers.iter().map(|v| v * v).sum::<f64>().sqrt();
    for value in &mut numbers {
        *value /= length;
    }
    numbers
}

/// Householder reflections: an orthogonal change of coordinates that leaves no spectrum to be seen.
fn reflect(row: &mut [f64], mirrors: &[Vec<f64>]) {
    for mirror in mirrors {
        let share: f64 = 2.0 * mirror.iter().zip(&*row).map(|(a, b)| a * b).sum::<f64>();
        row.iter_mut().zip(mirror).for_each(|(v, m)| *v -= share * m);
    }
}

fn faces(n: usize, dimension: usize) -> Vec<f32> {
    let mut random = Random(1);
    let mirrors: Vec<Vec<f64>> = (0..16).map(|_| unit((0..dimension).map(|_| random.normal()).collect())).collect();
    let mut rows: Vec<Vec<f32>> = Vec::with_capacity(n);
    while rows.len() < n {
        let size = ((1.0 / random.uniform().max(1e-9)) as usize).clamp(1, 500).min(n - rows.len());
        let centre = random.direction(dimension);
        for _ in 0..size {
            let weight = (0.6 + 0.12 * random.normal()).clamp(0.1, 0.95).sqrt();
            let own = random.direction(dimension);
            let rest = (1.0 - weight * weight).sqrt();
            let mut row = unit(centre.iter().zip(&own).map(|(c, o)| weight * c + rest * o).collect());
            reflect(&mut row, &mirrors);
            rows.push(row.iter().map(|&v| v as f32).collect());
        }
    }
    for i in (1..n).rev() {
        rows.swap(i, (random.uniform() * (i + 1) as f64) as usize);
    }
    rows.concat()
}

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

/// Writes the faces as images of one identity; who they are is not asked.
fn write(file: &Path, values: &[f32], dimension: usize) {
    let mut writer = Writer::create(file, Format::Npz, None).expect("the file can be made");
    for (row, values) in (1..).zip(values.chunks_exact(dimension)) {
        let record = Record {
            row,
            identifier: Identifier::new("somebody").expect("a name"),
            label: ImageLabel::new(&format!("{row:07}")).expect("a name"),
            status: ImageStatus::Trained,
            model: None,
            embedding: Some(Embedding::new(values).expect("of unit length")),
            metadata: Vec::new(),
        };
        writer.push(&record).expect("the disk has room");
    }
    writer.finish().expect("the disk has room");
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
    let values = faces(n, dimension);
    if let Some(file) = std::env::args().skip_while(|argument| argument != "--write").nth(1) {
        return write(Path::new(&file), &values, dimension);
    }

    let instructions = Instructions::best();
    let begun = Instant::now();
    let heads = Heads::build(
        &values,
        dimension,
        None,
        FLOOR,
        NonZeroUsize::new(threads).expect("at least one thread"),
        instructions,
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
            "          whole: {:.2} ns a pair; {} survivors of {} true pairs",
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
