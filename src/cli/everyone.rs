//! Unsorted pictures into a database: every face that is found becomes an identity of its own, to be clustered.
//!
//! **Promises.** The faces of a picture come together. A run that is interrupted is gone on with by the next, which looks
//! at no picture of which a face is there. A picture without a usable face, and faces that are left out, are named with
//! the reason.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Instant;

use super::photos::{about, is_picture, sorted, unless};
use super::serve::with_cause;
use super::terminal::{self, Column};
use super::{Failure, counted, percent_bar};
use crate::engine::{Engine, ErrorKind, Everyone};
use crate::face::{DatabaseName, Identifier};

const COLUMNS: [Column; 2] = [Column::text("picture", 1, 12), Column::text("why", 2, 8)];

/// The highest number of a face in a picture that an identifier has room for.
const ROOM: &str = "#99999";

/// Pictures by their path below the folder, which is the name of their faces.
pub(super) type Pictures = BTreeMap<String, PathBuf>;

/// The pictures below a folder, however deep, by their names.
pub(super) fn find(from: &Path) -> Result<Pictures, Failure> {
    let mut pictures = Pictures::new();
    for path in pictures_below(from)? {
        let below = path.strip_prefix(from).map_err(|error| about(&path, error))?;
        let parts: Option<Vec<&str>> = below.iter().map(|part| part.to_str()).collect();
        let name = parts.ok_or_else(|| about(&path, "the name is not UTF-8"))?.join("/");
        Identifier::new(&format!("{name}{ROOM}")).map_err(|error| about(&path, error))?;
        pictures.insert(name, path);
    }
    Ok(pictures)
}

/// The pictures below a folder, however deep.
pub(super) fn pictures_below(from: &Path) -> Result<Vec<PathBuf>, Failure> {
    let mut pictures = Vec::new();
    let mut folders = vec![from.to_owned()];
    while let Some(folder) = folders.pop() {
        for path in sorted(&folder)? {
            // a link to a folder may lead back
            if path.is_dir() && !path.is_symlink() {
                folders.push(path);
            } else if is_picture(&path) {
                pictures.push(path);
            }
        }
    }
    Ok(pictures)
}

/// What came of all pictures.
#[derive(Default)]
struct Outcome {
    n_looked_at: usize,
    n_there: usize,
    n_faces: usize,
    left_out: Vec<Vec<String>>,
    broken: Option<String>,
}

/// Stores each face of the pictures, and says what came of them.
pub(super) fn import(engine: &Engine, database: &DatabaseName, pictures: &Pictures) -> Result<(), Failure> {
    let begun = Instant::now();
    unless(engine.create_database(database, None), ErrorKind::DatabaseExists)?;
    let outcome = look(engine, database, pictures, begun);
    let Outcome { n_looked_at, n_there, n_faces, mut left_out, broken } = outcome;
    let took = begun.elapsed().as_secs_f64();
    let (faces, looked_at) = (counted(n_faces, "face"), counted(n_looked_at, "picture"));
    let mut out = io::stdout().lock();
    if n_looked_at > 0 {
        let rate = n_faces as f64 / took.max(1e-9);
        writeln!(
            out,
            "'{database}': {faces} of {looked_at} in {took:.2} s ({rate:.1} faces/s), each an identity of its own"
        )?;
    }
    if n_there > 0 {
        writeln!(out, "'{database}': the faces of {} were there before", counted(n_there, "picture"))?;
    }
    if !left_out.is_empty() {
        left_out.sort();
        write!(out, "\n{}", terminal::table(&COLUMNS, &left_out, terminal::width()))?;
    }
    broken.map_or(Ok(()), |why| Err(why.into()))
}

/// Looks at the pictures, with as many threads as jobs may have.
fn look(engine: &Engine, database: &DatabaseName, pictures: &Pictures, begun: Instant) -> Outcome {
    let bar = percent_bar("finding faces");
    bar.set_length(pictures.len() as u64);
    let outcome = Mutex::new(Outcome::default());
    let left = Mutex::new(pictures.iter());
    let lane = || {
        while let Some((name, path)) = left.lock().unwrap_or_else(PoisonError::into_inner).next() {
            let looked = one(engine, database, name, path);
            let mut outcome = outcome.lock().unwrap_or_else(PoisonError::into_inner);
            match looked {
                Ok(looked) => outcome.note(name, looked),
                Err(error) => {
                    outcome.broken.get_or_insert(error.to_string());
                }
            }
            if outcome.broken.is_some() {
                break;
            }
            let rate = outcome.n_faces as f64 / begun.elapsed().as_secs_f64().max(1e-9);
            bar.set_message(format!("{}, {rate:.1} faces/s,", counted(outcome.n_faces, "face")));
            bar.inc(1);
        }
    };
    thread::scope(|scope| {
        for _ in 0..engine.settings().max_num_parallel.get().min(pictures.len()) {
            scope.spawn(lane);
        }
    });
    bar.finish_and_clear();
    outcome.into_inner().unwrap_or_else(PoisonError::into_inner)
}

/// What came of one picture.
enum Looked {
    Before,
    TooLarge(String),
    Now(Everyone),
}

fn one(engine: &Engine, database: &DatabaseName, name: &str, path: &Path) -> Result<Looked, Failure> {
    if engine.has_faces_of(database, name).map_err(with_cause)? {
        return Ok(Looked::Before);
    }
    let (bytes, most) = (fs::metadata(path).map_err(|error| about(path, error))?.len(), engine.settings().max_picture);
    if bytes > most {
        let why = format!("its file has {bytes} bytes, at most {most} are looked at (limits.max_file_upload_size)");
        return Ok(Looked::TooLarge(why));
    }
    let mut content = Vec::new();
    let file = File::open(path).map_err(|error| about(path, error))?;
    file.take(most).read_to_end(&mut content).map_err(|error| about(path, error))?;
    Ok(Looked::Now(engine.add_everyone(database, name, &content).map_err(|error| about(path, with_cause(error)))?))
}

impl Outcome {
    fn note(&mut self, name: &str, looked: Looked) {
        let mut leave_out = |why: String| self.left_out.push(vec![name.to_owned(), why]);
        match looked {
            Looked::Before => self.n_there += 1,
            Looked::TooLarge(why) => leave_out(why),
            Looked::Now(Everyone { n_added, left_out }) => {
                let n_found = n_added + left_out.len();
                for (reason, detail) in &left_out {
                    let of = if n_found > 1 { format!("one of {n_found} faces: ") } else { String::new() };
                    leave_out(format!("{of}{reason}: {detail}"));
                }
                if n_found == 0 {
                    leave_out("noface: no face was found in the picture".to_owned());
                }
                self.n_looked_at += 1;
                self.n_faces += n_added;
            }
        }
    }
}
