//! Pictures of a folder into a database: each folder in it is an identity, each file in that an image.
//!
//! **Promises.** A run that is interrupted is gone on with by the next: what is stored is not stored again, and what is
//! trained is not trained again. A picture that gives no embedding stays, `failed`, and is named with the reason.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::everyone;
use super::progress::Counter;
use super::serve::with_cause;
use super::terminal::{self, Column};
use super::{Failure, counted, finished};
use crate::engine::{BuildAllTask, Done, Engine, ErrorKind, JobResult, ListFrom, Task, Ticket};
use crate::face::{DatabaseName, Identifier, ImageLabel, ImageStatus};
use crate::job::Queue;

/// Files that are taken for pictures. What they are is seen when they are trained.
const ENDINGS: [&str; 8] = ["jpg", "jpeg", "png", "webp", "bmp", "gif", "tif", "tiff"];

const COLUMNS: [Column; 3] =
    [Column::text("identity", 1, 12), Column::text("picture", 2, 12), Column::text("why", 3, 8)];

/// Faces listed at a time.
const PAGE: usize = 1_000;

/// Pictures by identity.
pub(super) type Photos = BTreeMap<Identifier, Vec<(ImageLabel, PathBuf)>>;

/// A picture that is not trained: of whom, which, and why.
pub(super) type Untrained = [String; 3];

/// What came of pictures that were looked at.
pub(super) struct Looked {
    pub(super) n_images: u64,
    pub(super) n_faces: u64,
    pub(super) n_trained: usize,
    pub(super) untrained: Vec<Untrained>,
}

/// The pictures below a folder.
pub(super) fn find(from: &Path) -> Result<Photos, Failure> {
    let mut photos = Photos::new();
    for folder in sorted(from)?.into_iter().filter(|path| path.is_dir()) {
        let files: Vec<PathBuf> = sorted(&folder)?.into_iter().filter(|path| is_picture(path)).collect();
        let mut images = Vec::new();
        for path in &files {
            // two files of one stem are told apart by their endings
            let is_alone = files.iter().filter(|other| other.file_stem() == path.file_stem()).count() == 1;
            let label = if is_alone { path.file_stem() } else { path.file_name() };
            images.push((ImageLabel::new(name(label, path)?).map_err(|error| about(path, error))?, path.clone()));
        }
        if !images.is_empty() {
            let identifier =
                Identifier::new(name(folder.file_name(), &folder)?).map_err(|error| about(&folder, error))?;
            photos.insert(identifier, images);
        }
    }
    Ok(photos)
}

/// Says which pictures below the folder are not those of an identity: beside the folders, or in folders in them. That is no
/// part of the import: where it cannot be seen that is said instead.
pub(super) fn report_strays(from: &Path, photos: &Photos) {
    let taken: BTreeSet<&PathBuf> = photos.values().flatten().map(|(_, path)| path).collect();
    let mut strays = match everyone::pictures_below(from) {
        Ok(pictures) => pictures,
        Err(error) => return told(&format!("not looked for pictures that were left out: {error}")),
    };
    strays.retain(|path| !taken.contains(path));
    let Some(first) = strays.iter().min() else { return };
    let (pictures, lie) = (counted(strays.len(), "picture"), if strays.len() == 1 { "is" } else { "are" });
    let text = "not directly in the folder of an identity, the first is";
    told(&format!("left out: {pictures} that {lie} {text} {}", first.display()));
}

fn told(text: &str) {
    let _ = writeln!(io::stdout().lock(), "{text}"); // whoever has closed it does not want to know
}

pub(super) fn sorted(folder: &Path) -> Result<Vec<PathBuf>, Failure> {
    let entries = fs::read_dir(folder).and_then(|entries| entries.map(|entry| Ok(entry?.path())).collect());
    let mut paths: Vec<PathBuf> = entries.map_err(|error: io::Error| about(folder, error))?;
    paths.sort();
    Ok(paths)
}

pub(super) fn is_picture(path: &Path) -> bool {
    let ending = path.extension().and_then(|ending| ending.to_str()).unwrap_or_default();
    ENDINGS.iter().any(|known| known.eq_ignore_ascii_case(ending)) && path.is_file()
}

fn name<'p>(part: Option<&'p std::ffi::OsStr>, path: &Path) -> Result<&'p str, Failure> {
    part.and_then(|part| part.to_str()).ok_or_else(|| about(path, "the name is not UTF-8"))
}

pub(super) fn about(path: &Path, error: impl std::fmt::Display) -> Failure {
    format!("{}: {error}", path.display()).into()
}

/// Stores and trains the pictures, and says what came of them.
pub(super) async fn import(engine: &Engine, database: &DatabaseName, photos: &Photos) -> Result<(), Failure> {
    let begun = Instant::now();
    unless(engine.create_database(database, None), ErrorKind::DatabaseExists)?;
    let (n_untrained, left_out) = store(engine, database, photos)?;
    let token = engine.submit(
        Ticket::default(),
        Task::BuildAll(BuildAllTask { database: Some(database.as_str().to_owned()), parallel: u64::MAX }),
    );
    let built = |result: &JobResult| match result {
        JobResult::Build(outcome) => Some(*outcome),
        _ => None,
    };
    let outcome = finished(
        engine,
        (Queue::BuildAllFaces, token.map_err(with_cause)?),
        ("training", Some((n_untrained, "pictures"))),
        built,
    )
    .await?;
    let (n_trained, mut untrained) = count(engine, database, |identifier| photos.contains_key(identifier))?;
    untrained.extend(left_out);
    untrained.sort();
    let looked = Looked { n_images: outcome.n_images, n_faces: photos.len() as u64, n_trained, untrained };
    Ok(looked.report(database, begun.elapsed())?)
}

impl Looked {
    /// Says it, and names each picture that is not trained.
    pub(super) fn report(self, database: &DatabaseName, took: Duration) -> io::Result<()> {
        let mut out = io::stdout().lock();
        let Self { n_images, n_faces, n_trained, untrained } = self;
        let took = took.as_secs_f64();
        let (pictures, of) = (
            counted(usize::try_from(n_images).unwrap_or(usize::MAX), "picture"),
            if n_faces == 1 { "identity" } else { "identities" },
        );
        let rate = n_images as f64 / took.max(1e-9);
        writeln!(out, "'{database}': {pictures} of {n_faces} {of} looked at in {took:.2} s ({rate:.1} pictures/s)")?;
        writeln!(out, "trained: {n_trained}, not trained: {}", untrained.len())?;
        if !untrained.is_empty() {
            let rows: Vec<Vec<String>> = untrained.into_iter().map(Vec::from).collect();
            write!(out, "\n{}", terminal::table(&COLUMNS, &rows, terminal::width()))?;
        }
        Ok(())
    }
}

/// An error of this kind is none.
pub(super) fn unless<T>(done: Result<T, crate::engine::EngineError>, kind: ErrorKind) -> Result<(), Failure> {
    match done {
        Err(error) if error.kind() != kind => Err(with_cause(error)),
        _ => Ok(()),
    }
}

/// Stores what is not there yet; gives how many are to be trained, and what is too large to be stored.
fn store(engine: &Engine, database: &DatabaseName, photos: &Photos) -> Result<(usize, Vec<Untrained>), Failure> {
    let n_pictures = photos.values().map(|images| images.len() as u64).sum();
    let mut counter = Counter::new("storing", "pictures");
    let mut n_stored = 0;
    let (mut n_untrained, mut left_out, most) = (0, Vec::new(), engine.settings().max_picture);
    for (identifier, images) in photos {
        counter.show(Done { n: n_stored, total: Some(n_pictures) });
        n_stored += images.len() as u64;
        unless(engine.new_face(database, Some(identifier)), ErrorKind::FaceExists)?;
        let mut new = Vec::new();
        for (label, path) in images {
            let bytes = fs::metadata(path).map_err(|error| about(path, error))?.len();
            if bytes > most {
                let why =
                    format!("its file has {bytes} bytes, at most {most} are stored (limits.max_file_upload_size)");
                left_out.push([identifier.as_str().to_owned(), label.as_str().to_owned(), why]);
                continue;
            }
            match engine.image(database, identifier, label) {
                Ok((status, _)) => n_untrained += usize::from(status == ImageStatus::Untrained),
                Err(_) => new.push((label, path)),
            }
        }
        n_untrained += new.len();
        let mut staged = engine.stage_pictures(new.len()).map_err(with_cause)?;
        for (_, path) in &new {
            let mut file = File::open(path).map_err(|error| about(path, error))?;
            staged.add(&mut file).map_err(|error| about(path, with_cause(error)))?;
        }
        let labels = new.into_iter().map(|(label, _)| label.clone()).collect();
        engine.add_pictures(database, identifier, Some(labels), staged).map_err(with_cause)?;
    }
    Ok((n_untrained, left_out))
}

/// How many images of the identities that are meant are trained, and those that are not.
pub(super) fn count(
    engine: &Engine,
    database: &DatabaseName,
    is_meant: impl Fn(&Identifier) -> bool,
) -> Result<(usize, Vec<Untrained>), Failure> {
    let (mut n_trained, mut untrained) = (0, Vec::new());
    let mut page = engine.list_faces(database, ListFrom::Skip(0), PAGE).map_err(with_cause)?;
    while let Some(last) = page.faces.last().map(|face| face.identifier.clone()) {
        for face in page.faces.iter().filter(|face| is_meant(&face.identifier)) {
            n_trained += face.count(ImageStatus::Trained);
            for image in face.images.iter().filter(|image| image.status != ImageStatus::Trained) {
                let why = match (image.reason, &image.detail) {
                    (Some(reason), Some(detail)) => format!("{reason}: {detail}"),
                    (Some(reason), None) => reason.to_string(),
                    (None, _) => "untrained".to_owned(),
                };
                untrained.push([face.identifier.as_str().to_owned(), image.label.as_str().to_owned(), why]);
            }
        }
        page = engine.list_faces(database, ListFrom::After(&last), PAGE).map_err(with_cause)?;
    }
    Ok((n_trained, untrained))
}
