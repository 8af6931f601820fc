//! Records into a file of faces, whatever its format.
//!
//! **Promises.** The file appears with [`Writer::finish`], whole, or not at all (contract R175). Embeddings are written
//! bit for bit. Memory is one record.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

use super::npy::NpyFiles;
use super::npz_write::NpzFile;
use super::whole::{WholeFile, directory};
use super::{ExchangeError, Face, Format, Record, csv, ids_path_beside, jsonl};
use crate::face::Embedding;

/// A file of faces being written.
pub struct Writer {
    output: Output,
    files: Vec<WholeFile>,
    written: u64,
    state: State,
}

/// Says whether to go on, by an error if not.
pub type GoOn<'a> = dyn FnMut() -> std::io::Result<()> + 'a;

/// Whether what was written so far is whole records.
#[derive(Debug, PartialEq)]
enum State {
    Whole,
    Torn,
}

enum Output {
    Jsonl(BufWriter<File>),
    Csv { rows: ::csv::Writer<BufWriter<File>>, dimension: Option<usize> },
    Npy(NpyFiles),
    Npz(NpzFile),
}

impl Writer {
    /// Begins a file. An NPY has a second one: `ids`, or else the one [beside](ids_path_beside) it.
    pub fn create(path: &Path, format: Format, ids: Option<&Path>) -> Result<Self, ExchangeError> {
        if ids.is_some() && format != Format::Npy {
            return Err(ExchangeError::Ids { format });
        }
        Self::with(path, format, ids, WholeFile::create)
    }

    /// Begins a file that replaces none, nor does the ids file beside an NPY. What is being written has names that begin
    /// with `temporary`, so that a later run can find and replace what this one leaves when it is killed.
    pub fn create_new(path: &Path, format: Format, temporary: &str) -> Result<Self, ExchangeError> {
        let mut names = ["", ".ids"].into_iter().map(|ending| format!("{temporary}{ending}"));
        Self::with(path, format, None, |path| WholeFile::create_new(path, &names.next().expect("there are two files")))
    }

    fn with(
        path: &Path,
        format: Format,
        ids: Option<&Path>,
        mut create: impl FnMut(&Path) -> std::io::Result<WholeFile>,
    ) -> Result<Self, ExchangeError> {
        let failed = |error| ExchangeError::io("create the file")(error);
        let main = create(path).map_err(failed)?;
        let handle = main.handle().map_err(failed)?;
        let mut files = vec![main];
        let output = match format {
            Format::Jsonl => Output::Jsonl(BufWriter::new(handle)),
            Format::Csv => Output::Csv { rows: ::csv::Writer::from_writer(BufWriter::new(handle)), dimension: None },
            Format::Npy => {
                let beside = ids_path_beside(path);
                let ids = create(ids.unwrap_or(&beside)).map_err(failed)?;
                let ids_handle = ids.handle().map_err(failed)?;
                // The ids come first to their place: an array is never there with nothing to say whose it is.
                files.insert(0, ids);
                Output::Npy(NpyFiles::new(handle, ids_handle)?)
            }
            Format::Npz => Output::Npz(NpzFile::new(handle, directory(path))?),
        };
        Ok(Self { output, files, written: 0, state: State::Whole })
    }

    /// Writes a record. The formats other than JSON lines carry only trained images and of these only the embedding:
    /// records without one are left out there.
    ///
    /// A record that is refused leaves the file as it was; after a failure of the disk it can only be given up.
    pub fn push(&mut self, record: &Record) -> Result<(), ExchangeError> {
        let pushed = match (&mut self.output, &record.embedding) {
            (Output::Jsonl(output), _) => jsonl::write_line(output, record),
            (_, None) => return Ok(()),
            (Output::Csv { rows, dimension }, Some(embedding)) => push_csv(rows, dimension, record, embedding),
            (Output::Npy(files), Some(embedding)) => files.push(record, embedding),
            (Output::Npz(file), Some(embedding)) => file.push(record, embedding),
        };
        match &pushed {
            Ok(()) => self.written += 1,
            Err(ExchangeError::Unwritable { .. }) => {}
            Err(_) => self.state = State::Torn,
        }
        pushed
    }

    /// Writes that there is a face, which has no images. The formats other than JSON lines cannot say it, and do not.
    pub fn push_face(&mut self, face: &Face) -> Result<(), ExchangeError> {
        let Output::Jsonl(output) = &mut self.output else { return Ok(()) };
        jsonl::write_face(output, face).inspect_err(|_| self.state = State::Torn)
    }

    /// Lets the file appear; how many records are in it.
    pub fn finish(self) -> Result<u64, ExchangeError> {
        self.complete()?.publish()
    }

    /// Writes the rest. The file is whole then and has not appeared yet.
    pub fn complete(self) -> Result<Complete, ExchangeError> {
        self.complete_while(&mut || Ok(()))
    }

    /// The same, asking now and then whether to go on: of an NPZ all that was written is copied once more. An error ends
    /// it and is the source of the one returned.
    pub fn complete_while(self, go_on: &mut GoOn<'_>) -> Result<Complete, ExchangeError> {
        let failed = |error| ExchangeError::io("write the file")(error);
        if self.state == State::Torn {
            return Err(failed(std::io::Error::other("a record before could not be written")));
        }
        match self.output {
            Output::Jsonl(mut output) => output.flush().map_err(failed)?,
            Output::Csv { mut rows, dimension } => {
                if dimension.is_none() {
                    csv::write_header(&mut rows, 0)?;
                }
                rows.flush().map_err(failed)?;
            }
            Output::Npy(files) => files.finish()?,
            Output::Npz(file) => file.finish(go_on)?,
        }
        Ok(Complete { files: self.files, written: self.written })
    }
}

/// A file that is whole and has not appeared yet.
#[derive(Debug)]
pub struct Complete {
    files: Vec<WholeFile>,
    written: u64,
}

impl Complete {
    /// How many records are in it.
    pub fn written(&self) -> u64 {
        self.written
    }

    /// The files in the order in which they will appear: of an NPY the ids file is the first.
    pub fn files(&self) -> impl Iterator<Item = &File> {
        self.files.iter().map(WholeFile::file)
    }

    /// Lets it appear; how many records are in it.
    pub fn publish(self) -> Result<u64, ExchangeError> {
        for file in self.files {
            file.publish().map_err(ExchangeError::io("write the file"))?;
        }
        Ok(self.written)
    }
}

fn push_csv(
    rows: &mut ::csv::Writer<BufWriter<File>>,
    dimension: &mut Option<usize>,
    record: &Record,
    embedding: &Embedding,
) -> Result<(), ExchangeError> {
    if dimension.is_none() {
        csv::write_header(rows, embedding.dimension())?;
    }
    let expected = *dimension.get_or_insert(embedding.dimension());
    csv::check_dimension(record, Format::Csv, embedding.dimension(), expected)?;
    csv::write_row(rows, record, embedding.values())
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_a_full_disk_has_torn_never_appears() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("faces.jsonl");
        let full = File::options().write(true).open("/dev/full").unwrap();
        let mut writer = Writer::create(&path, Format::Jsonl, None).unwrap();
        writer.output = Output::Jsonl(BufWriter::with_capacity(0, full));
        let record = Record::trained(0, "a", "b", vec![0.6, 0.8]).unwrap();
        let error = writer.push(&record).unwrap_err().to_string();
        assert!(error.starts_with("cannot write the file: "), "{error}");
        assert!(writer.finish().is_err());
        assert!(!path.exists());
    }
}
