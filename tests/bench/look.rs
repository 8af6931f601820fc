//! The pipeline from photos to embeddings alone, without server and store, and what its stages take.
//!
//! usage: cargo bench --bench look -- PACK.toml MODELS THREADS PHOTO...
//!
//! Every photo is looked at once, by as many threads as are said; then, on one thread, every fourth is decoded alone, and looked
//! at with the tiny pack's embedder, which takes next to no time: what is missing to the whole is the share of the embedder and
//! its crop. One line of JSON is printed. `photos.py` runs it beside another runtime.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program for the command line")]
#![allow(missing_docs, reason = "a program")]

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Instant;

use faceclique::vision::{LookError, MAX_IMAGE_PIXELS, Pack, Picture, Pipeline};

/// The part of a description that is the embedder's.
const EMBEDDER: &str = "\n[embedder]";
/// What follows it.
const CHOICE: &str = "\n[choice]";

fn main() -> Result<(), Box<dyn Error>> {
    let asked: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let [pack, models, n_threads, photos @ ..] = &asked[..] else {
        return Err("usage: cargo bench --bench look -- PACK.toml MODELS THREADS PHOTO...".into());
    };
    let (description, models) = (fs::read_to_string(pack)?, Path::new(models));
    let whole = Pipeline::open(Pack::read(&description, models)?, MAX_IMAGE_PIXELS)?;
    let photos = photos.iter().map(fs::read).collect::<Result<Vec<_>, _>>()?;
    let begun = Instant::now();
    let n_embedded = look(&whole, &photos, n_threads.parse()?);
    let seconds = begun.elapsed().as_secs_f64();

    let without = detecting(&description, models)?;
    let (mut decode, mut detect, mut all) = (Vec::new(), Vec::new(), Vec::new());
    for photo in photos.iter().step_by(4) {
        let took = |work: &mut dyn FnMut()| {
            let begun = Instant::now();
            work();
            begun.elapsed().as_secs_f64()
        };
        decode.push(took(&mut || drop(Picture::decode(photo, MAX_IMAGE_PIXELS))));
        detect.push(took(&mut || drop(without.look(photo))));
        all.push(took(&mut || drop(whole.look(photo))));
    }
    let (decode, detect, all) = (median(decode), median(detect), median(all));
    println!(
        "{{\"seconds\": {seconds:.4}, \"embeddings\": {n_embedded}, \"stages\": {{\"decode\": {decode:.5}, \
         \"detect\": {:.5}, \"embed\": {:.5}}}}}",
        detect - decode,
        all - detect
    );
    Ok(())
}

/// How many of the photos have a face, which is embedded.
fn look(pipeline: &Pipeline, photos: &[Vec<u8>], n_threads: usize) -> usize {
    let next = AtomicUsize::new(0);
    let work = || {
        let mut n_embedded = 0;
        while let Some(photo) = photos.get(next.fetch_add(1, Ordering::Relaxed)) {
            match pipeline.look(photo) {
                Ok(_) => n_embedded += 1,
                Err(LookError::Unusable(_)) => {}
                Err(broken) => eprintln!("{broken}"),
            }
        }
        n_embedded
    };
    thread::scope(|scope| {
        let threads: Vec<_> = (0..n_threads).map(|_| scope.spawn(work)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap_or(0)).sum()
    })
}

/// The same detector with the embedder of the tiny pack.
fn detecting(description: &str, models: &Path) -> Result<Pipeline, Box<dyn Error>> {
    let tiny = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fixtures/packs/tiny");
    let part = |text: &str| -> Option<(usize, usize)> { Some((text.find(EMBEDDER)?, text.find(CHOICE)?)) };
    let tiny_text = fs::read_to_string(tiny.join("pack.toml"))?;
    let (Some((from, to)), Some((tiny_from, tiny_to))) = (part(description), part(&tiny_text)) else {
        return Err("the pack has no [embedder] that is followed by [choice]".into());
    };
    let text = [&description[..from], &tiny_text[tiny_from..tiny_to], &description[to..]].concat();
    let folder = tempfile::tempdir()?;
    for from in [models, &tiny] {
        for file in fs::read_dir(from)? {
            let file = file?;
            fs::copy(file.path(), folder.path().join(file.file_name()))?;
        }
    }
    Ok(Pipeline::open(Pack::read(&text, folder.path())?, MAX_IMAGE_PIXELS)?)
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or_default()
}
