//! Writing NPZ: `embeddings`, `identifiers`, `imagelabels`.
//!
//! **Promises.** Memory is one row. The same records give the same bytes: entries carry no time.
//!
//! **Why files on the side.** An array says before its first row how many rows it has and how wide its texts are, which
//! is known only after the last. So rows go to unnamed files beside the target, and from there into the archive.

use std::fs::File;
use std::io::{self, BufRead, BufReader, BufWriter, Read, Seek, SeekFrom, Write};
use std::path::Path;

use npyz::{DType, WriteOptions, WriterBuilder};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, DateTime, ZipWriter};

use super::csv::check_dimension;
use super::npy::single;
use super::write::GoOn;
use super::{ExchangeError, Format, Record};
use crate::face::Embedding;

/// An archive while its rows come in.
pub(super) struct NpzFile {
    target: File,
    numbers: BufWriter<File>,
    identifiers: TextColumn,
    labels: TextColumn,
    rows: u64,
    dimension: usize,
}

impl NpzFile {
    /// Will write to `target`; what it keeps meanwhile is in `directory`.
    pub(super) fn new(target: File, directory: &Path) -> Result<Self, ExchangeError> {
        let aside = || tempfile::tempfile_in(directory).map_err(ExchangeError::io("write beside the file"));
        Ok(Self {
            target,
            numbers: BufWriter::new(aside()?),
            identifiers: TextColumn::new(aside()?),
            labels: TextColumn::new(aside()?),
            rows: 0,
            dimension: 0,
        })
    }

    pub(super) fn push(&mut self, record: &Record, embedding: &Embedding) -> Result<(), ExchangeError> {
        let dimension = embedding.dimension();
        if self.rows == 0 {
            self.dimension = dimension;
        }
        check_dimension(record, Format::Npz, dimension, self.dimension)?;
        self.write(record, embedding).map_err(ExchangeError::io("write beside the file"))?;
        self.rows += 1;
        Ok(())
    }

    fn write(&mut self, record: &Record, embedding: &Embedding) -> io::Result<()> {
        for number in embedding.values() {
            self.numbers.write_all(&number.to_le_bytes())?;
        }
        self.identifiers.push(record.identifier.as_str())?;
        self.labels.push(record.label.as_str())
    }

    /// Puts the archive together; `go_on` is asked now and then, and its error ends it.
    pub(super) fn finish(self, go_on: &mut GoOn<'_>) -> Result<(), ExchangeError> {
        let rows = self.rows;
        let mut zip = ZipWriter::new(BufWriter::new(self.target));
        let shape = [rows, self.dimension as u64];
        let bytes = shape[0] * shape[1] * 4;
        begin(&mut zip, "embeddings", CompressionMethod::Stored, bytes, &single(), &shape)?;
        read_back(self.numbers)
            .and_then(|numbers| io::copy(&mut Asking { input: numbers, go_on: &mut *go_on }, &mut zip))
            .map_err(ExchangeError::io("write the file"))?;
        self.identifiers.copy("identifiers", rows, &mut zip, go_on)?;
        self.labels.copy("imagelabels", rows, &mut zip, go_on)?;
        let mut output = zip.finish().map_err(packing)?;
        output.flush().map_err(ExchangeError::io("write the file"))
    }
}

/// A text array while its rows come in: lines, since names hold no line breaks.
struct TextColumn {
    lines: BufWriter<File>,
    width: u64,
}

impl TextColumn {
    fn new(file: File) -> Self {
        // NumPy has no texts of width 0.
        Self { lines: BufWriter::new(file), width: 1 }
    }

    fn push(&mut self, text: &str) -> io::Result<()> {
        self.width = self.width.max(text.chars().count() as u64);
        self.lines.write_all(text.as_bytes())?;
        self.lines.write_all(b"\n")
    }

    fn copy(
        self,
        array: &str,
        rows: u64,
        zip: &mut ZipWriter<BufWriter<File>>,
        go_on: &mut GoOn<'_>,
    ) -> Result<(), ExchangeError> {
        let (width, failed) = (self.width, |error| ExchangeError::io("write the file")(error));
        let dtype = DType::new_scalar(format!("<U{width}").parse().expect("npyz knows unicode"));
        let element_bytes = 4 * width;
        begin(zip, array, CompressionMethod::Deflated, rows * element_bytes, &dtype, &[rows])?;
        let mut element = Vec::new();
        for line in read_back(self.lines).map_err(failed)?.lines() {
            go_on().map_err(failed)?;
            element.clear();
            element.extend(line.map_err(failed)?.chars().flat_map(|character| u32::from(character).to_le_bytes()));
            element.resize(element_bytes as usize, 0);
            zip.write_all(&element).map_err(failed)?;
        }
        Ok(())
    }
}

/// A reader that asks before every read whether to go on.
struct Asking<'a, 'b, R> {
    input: R,
    go_on: &'a mut GoOn<'b>,
}

impl<R: Read> Read for Asking<'_, '_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        (self.go_on)()?;
        self.input.read(buffer)
    }
}

fn packing(error: zip::result::ZipError) -> ExchangeError {
    ExchangeError::io("write the file")(io::Error::from(error))
}

fn read_back(written: BufWriter<File>) -> io::Result<BufReader<impl Read>> {
    let mut file = written.into_inner().map_err(io::IntoInnerError::into_error)?;
    file.seek(SeekFrom::Start(0))?;
    Ok(BufReader::with_capacity(1 << 16, file))
}

/// Begins an entry and writes the header of its array.
fn begin(
    zip: &mut ZipWriter<BufWriter<File>>,
    array: &str,
    method: CompressionMethod,
    bytes: u64,
    dtype: &DType,
    shape: &[u64],
) -> Result<(), ExchangeError> {
    let options = SimpleFileOptions::default()
        .compression_method(method)
        .last_modified_time(DateTime::default())
        // A packed entry can be a little larger than its content.
        .large_file(bytes > u64::from(u32::MAX) / 2);
    zip.start_file(format!("{array}.npy"), options).map_err(packing)?;
    let header = WriteOptions::new_header_only().dtype(dtype.clone()).shape(shape).writer(zip);
    header.write_header_only().map(|_| ()).map_err(ExchangeError::io("write the file"))
}
