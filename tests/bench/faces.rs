//! Writes invented faces into a file, for every benchmark and for trying things out.
//!
//! usage: cargo bench --bench faces -- N DIMENSION FILE.npz [--kind KIND] [--threads T]
//!
//! KIND is one of
//!   people           identities of Zipf-like sizes, 1 to 500 (the default)
//!   one-identity M   the same, but M images are of one identity
//!   alike            every face resembles every other, every pair is a match
//!   copies           half of them copies of one vector, half nearly so
//!
//! `invented.rs` says more of each. The file holds the same bytes with any number of threads; its images are all of one
//! identity, for who they are is not asked. A million faces of 512 numbers (2 GB) take about a minute and little memory,
//! and while they are written as much disk again.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program for the command line")]
#![allow(missing_docs, reason = "a program")]

#[allow(dead_code, reason = "every benchmark uses its part")]
mod invented;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::thread;
use std::time::Instant;

use faceclique::exchange::{ExchangeError, Format, Record, Writer};
use faceclique::face::{Embedding, Identifier, ImageLabel, ImageStatus};
use invented::{Faces, Kind};

const USAGE: &str = "usage: cargo bench --bench faces -- N DIMENSION FILE.npz \
                     [--kind people | one-identity M | alike | copies] [--threads T]";

struct Asked {
    n: usize,
    dimension: usize,
    file: PathBuf,
    kind: Kind,
    threads: usize,
}

/// What the arguments say; none if they make no sense.
fn asked(mut arguments: impl Iterator<Item = String>) -> Option<Asked> {
    let mut kind = Kind::People;
    let mut threads = thread::available_parallelism().map_or(1, usize::from);
    let mut plain = Vec::new();
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--bench" => {} // cargo says so
            "--threads" => threads = arguments.next()?.parse().ok().filter(|&threads| threads > 0)?,
            "--kind" => {
                kind = match arguments.next()?.as_str() {
                    "people" => Kind::People,
                    "one-identity" => Kind::OneIdentity(arguments.next()?.parse().ok()?),
                    "alike" => Kind::Alike,
                    "copies" => Kind::Copies,
                    _ => return None,
                }
            }
            _ => plain.push(argument),
        }
    }
    let [n, dimension, file] = plain.try_into().ok()?;
    let dimension = dimension.parse().ok().filter(|dimension| (1..=4096).contains(dimension))?;
    Some(Asked { n: n.parse().ok()?, dimension, file: file.into(), kind, threads })
}

fn write(asked: &Asked) -> Result<(), ExchangeError> {
    let mut writer = Writer::create(&asked.file, Format::Npz, None)?;
    let identifier = Identifier::new("somebody").expect("a name");
    let (mut row, mut failure) = (0, None);
    Faces::new(asked.kind, asked.n, asked.dimension).for_each(asked.threads, |face| {
        row += 1;
        let record = Record {
            row,
            identifier: identifier.clone(),
            label: ImageLabel::new(&format!("{row:07}")).expect("a name"),
            status: ImageStatus::Trained,
            model: None,
            embedding: Some(Embedding::new(face).expect("of unit length")),
            reason: None,
            picture: None,
            metadata: Vec::new(),
        };
        if failure.is_none() {
            failure = writer.push(&record).err();
        }
    });
    match failure {
        Some(error) => Err(error),
        None => writer.finish().map(|_| ()),
    }
}

fn size(file: &Path) -> u64 {
    file.metadata().map_or(0, |metadata| metadata.len())
}

fn main() -> ExitCode {
    let Some(asked) = asked(std::env::args().skip(1)) else {
        eprintln!("{USAGE}");
        return ExitCode::from(2);
    };
    let begun = Instant::now();
    if let Err(error) = write(&asked) {
        eprintln!("{}: {error}", asked.file.display());
        return ExitCode::FAILURE;
    }
    let (gigabytes, took) = (size(&asked.file) as f64 / 1e9, begun.elapsed().as_secs_f64());
    let Asked { n, dimension, kind, threads, file } = asked;
    println!("{}: {n} x {dimension}, {kind:?}, {gigabytes:.2} GB in {took:.1} s by {threads} threads", file.display());
    ExitCode::SUCCESS
}
