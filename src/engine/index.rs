//! The graph of each database, kept in files beside the store from one approximate clustering to the next.
//!
//! ```text
//! data/index/NUMBER/head          what the two others are: recipe, sizes, checksums; a record like those of the store
//!                   a.hnsw.graph  links      } or b: a new graph is written under the other letter
//!                   a.hnsw.data   embeddings }
//! ```
//!
//! **Promises.** The head names files that are whole: they are synced before it, and it comes into being by renaming,
//! so that a crash leaves the graph before or the graph after. What does not fit (damage, another recipe, anything that
//! cannot be read) is as good as nothing: the next approximate clustering builds a new one. Nothing here can fail a job
//! or a start; what goes wrong is a warning in the log.
//!
//! **Not here.** Whether a graph is of use for a set of faces, and bringing it up to date (`cluster`), which goes by
//! embeddings: so the files need not know images, and a graph of the wrong database could only be slow.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::error::Error;
use std::fs::{self, File};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};
use thiserror::Error;
use tracing::{info, warn};

use super::Engine;
use super::files::{clear_folder, sync};
use crate::cluster::{Graph, GraphError, Shelf, Watch};
use crate::store::{StoreError, decode, encode};

/// The file that names the others.
const HEAD: &str = "head";
/// What it is before it is whole.
const NEW_HEAD: &str = "head.new";
/// The names under which graphs are written in turn.
const NAMES: [&str; 2] = ["a", "b"];

/// The content of the head.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Head {
    /// [`Graph::RECIPE`] of the program that built it.
    recipe: String,
    /// Which of the names its files have.
    name: u8,
    /// With how many points it was built at once.
    founded: u32,
    /// How many points it has.
    points: u64,
    /// The links and the embeddings.
    files: [Sum; 2],
}

/// What a file is known by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Sum {
    bytes: u64,
    crc: u32,
}

/// Why a kept graph is not used, or one is not kept.
#[derive(Debug, Error)]
enum Unfit {
    #[error("{0}")]
    Io(#[from] io::Error),
    #[error("{0}")]
    Graph(#[from] GraphError),
    #[error("{0}")]
    Head(#[from] StoreError),
    #[error("it was built as '{0}'")]
    Recipe(String),
    #[error("the file {0} is damaged")]
    Damaged(String),
    #[error("the run is to stop")]
    Stopped,
}

/// The folder of one database's graph.
#[derive(Debug)]
pub(super) struct DatabaseShelf {
    folder: PathBuf,
    /// A graph from here is at work.
    taken: Cell<bool>,
}

/// The databases whose graphs are in use; a graph is read and written by one run at a time.
#[derive(Debug, Default)]
pub(super) struct Borrowed(Mutex<BTreeSet<u64>>);

/// The graph of a database, as long as a run has it.
#[derive(Debug)]
pub(super) struct BorrowedShelf<'a> {
    shelf: DatabaseShelf,
    /// Given back when the shelf has been left, for it is dropped behind it.
    _lease: Lease<'a>,
}

#[derive(Debug)]
struct Lease<'a> {
    number: u64,
    borrowed: &'a Borrowed,
}

impl Borrowed {
    fn numbers(&self) -> MutexGuard<'_, BTreeSet<u64>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Shelf for BorrowedShelf<'_> {
    fn take(&self, watch: &dyn Watch) -> Option<Graph> {
        self.shelf.take(watch)
    }

    fn put(&self, graph: &Graph, watch: &dyn Watch) {
        self.shelf.put(graph, watch);
    }
}

impl Drop for Lease<'_> {
    fn drop(&mut self) {
        self.borrowed.numbers().remove(&self.number);
    }
}

impl Shelf for DatabaseShelf {
    fn take(&self, watch: &dyn Watch) -> Option<Graph> {
        match self.read(watch) {
            Ok(graph) => {
                self.taken.set(graph.is_some());
                graph
            }
            Err(Unfit::Stopped) => None,
            Err(why) => {
                warn!(folder = %self.folder.display(), error = &why as &dyn Error, "the kept graph is built anew");
                None
            }
        }
    }

    fn put(&self, graph: &Graph, watch: &dyn Watch) {
        match self.write(graph, watch).and_then(|head| self.publish(&head)) {
            Ok(()) => info!(folder = %self.folder.display(), points = graph.len(), "the graph is kept"),
            Err(Unfit::Stopped) => {} // the one before stays
            Err(why) => {
                warn!(folder = %self.folder.display(), error = &why as &dyn Error, "the graph cannot be kept");
            }
        }
    }
}

impl Drop for DatabaseShelf {
    /// A graph that a run has panicked over must not meet the next run.
    fn drop(&mut self) {
        if self.taken.get() && std::thread::panicking() {
            remove(&self.folder);
        }
    }
}

impl DatabaseShelf {
    fn at(folder: PathBuf) -> Self {
        Self { folder, taken: Cell::new(false) }
    }

    /// The kept graph, if there is one.
    fn read(&self, watch: &dyn Watch) -> Result<Option<Graph>, Unfit> {
        let Some(head) = self.head()? else { return Ok(None) };
        if head.recipe != Graph::RECIPE {
            return Err(Unfit::Recipe(head.recipe));
        }
        let name = NAMES[usize::from(head.name) % NAMES.len()];
        for (file, expected) in Graph::files(name).into_iter().zip(head.files) {
            if sum(&self.folder.join(&file), watch)? != expected {
                return Err(Unfit::Damaged(file));
            }
        }
        let points = usize::try_from(head.points).unwrap_or(usize::MAX);
        Ok(Some(Graph::load(&self.folder, name, head.founded, points)?))
    }

    fn head(&self) -> Result<Option<Head>, Unfit> {
        match fs::read(self.folder.join(HEAD)) {
            Ok(bytes) => Ok(Some(decode(HEAD.as_bytes(), &bytes)?)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Writes the files of a graph, synced, under the name that the head does not have.
    fn write(&self, graph: &Graph, watch: &dyn Watch) -> Result<Head, Unfit> {
        go_on(watch)?;
        let name = self.head().ok().flatten().map_or(0, |head| 1 - head.name % 2);
        fs::create_dir_all(&self.folder)?;
        // The folders themselves must be there after a power cut: this one's place is in the next, and so on.
        self.folder.ancestors().skip(1).take(2).try_for_each(sync)?;
        let prefix = NAMES[usize::from(name)];
        graph.dump(&self.folder, prefix)?;
        let mut files = [Sum { bytes: 0, crc: 0 }; 2];
        for (file, place) in Graph::files(prefix).iter().zip(&mut files) {
            let path = self.folder.join(file);
            go_on(watch)?;
            sync(&path)?;
            *place = sum(&path, watch)?;
        }
        sync(&self.folder)?;
        let (recipe, founded, points) = (Graph::RECIPE.to_owned(), graph.founded(), graph.len() as u64);
        Ok(Head { recipe, name, founded, points, files })
    }

    /// Makes the files of `head` the kept graph and removes the others.
    fn publish(&self, head: &Head) -> Result<(), Unfit> {
        let new = self.folder.join(NEW_HEAD);
        let mut file = File::create(&new)?;
        file.write_all(&encode(HEAD.as_bytes(), head))?;
        file.sync_all()?;
        fs::rename(new, self.folder.join(HEAD))?;
        sync(&self.folder)?;
        self.taken.set(false);
        Ok(self.sweep()?)
    }

    /// Removes what the head does not name.
    fn sweep(&self) -> io::Result<()> {
        let mut keep = BTreeSet::new();
        if let Ok(Some(head)) = self.head() {
            keep.insert(HEAD.to_owned());
            keep.extend(Graph::files(NAMES[usize::from(head.name) % NAMES.len()]));
        }
        clear_folder(&self.folder, &keep)
    }
}

impl Engine {
    fn index_folder(&self) -> PathBuf {
        self.settings.data.join("index")
    }

    /// Where the graph of the database with this number is kept.
    fn shelf(&self, number: u64) -> DatabaseShelf {
        DatabaseShelf::at(self.index_folder().join(number.to_string()))
    }

    /// The same for one run, unless another one on the database has it: then this run builds a graph of its own and
    /// leaves none.
    pub(super) fn borrow_shelf(&self, number: u64) -> Option<BorrowedShelf<'_>> {
        let is_free = self.borrowed.numbers().insert(number);
        is_free.then(|| {
            let lease = Lease { number, borrowed: &self.borrowed };
            BorrowedShelf { shelf: self.shelf(number), _lease: lease }
        })
    }

    /// Removes the graph of a database that is gone.
    pub(super) fn remove_index(&self, number: u64) {
        remove(&self.shelf(number).folder);
    }

    /// Removes graphs of databases that are gone, and what a crash left half written.
    pub(super) fn sweep_indexes(&self, numbers: &[u64]) {
        let keep: BTreeSet<String> = numbers.iter().map(u64::to_string).collect();
        let swept = clear_folder(&self.index_folder(), &keep).and_then(|()| {
            let folders = fs::read_dir(self.index_folder())?;
            folders.into_iter().try_for_each(|entry| DatabaseShelf::at(entry?.path()).sweep())
        });
        if let Err(error) = swept {
            warn!(error = &error as &dyn Error, "the kept graphs cannot be swept");
        }
    }
}

/// Removes a folder, if it is there.
fn remove(folder: &Path) {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            warn!(folder = %folder.display(), error = &error as &dyn Error, "a graph cannot be removed");
        }
        _ => {}
    }
}

/// An error if the run is to stop.
fn go_on(watch: &dyn Watch) -> Result<(), Unfit> {
    if watch.should_stop() { Err(Unfit::Stopped) } else { Ok(()) }
}

/// Reads a file through.
fn sum(path: &Path, watch: &dyn Watch) -> Result<Sum, Unfit> {
    let mut file = File::open(path)?;
    let (mut bytes, mut hasher) = (0, crc32fast::Hasher::new());
    let mut buffer = vec![0; 1 << 20];
    loop {
        go_on(watch)?;
        match file.read(&mut buffer)? {
            0 => return Ok(Sum { bytes, crc: hasher.finalize() }),
            n => {
                hasher.update(&buffer[..n]);
                bytes += n as u64;
            }
        }
    }
}

#[cfg(test)]
#[path = "index_tests.rs"]
mod tests;
