//! NPY: one array of embeddings, and an ids file that says row by row whose they are (contract R176).

use std::fs::File;
use std::io::{BufReader, BufWriter, Write};

use ::csv::Writer;
use npyz::{DType, NpyWriter, WriteOptions, WriterBuilder};

use super::array::{Rows, check_size};
use super::csv::{IdsFile, check_dimension, write_header, write_row};
use super::header::Header;
use super::read::{Limits, Progress, Records, Unit};
use super::{ArrayProblem, BadRow, Entry, ExchangeError, Format, Place, Record};
use crate::face::Embedding;

const WHAT: &str = "the npy file";

/// The records of an NPY file with its ids file.
pub(super) struct Npy {
    rows: Rows<BufReader<File>>,
    ids: IdsFile,
}

impl Npy {
    pub(super) fn open(file: File, ids: File, limits: &Limits) -> Result<Self, ExchangeError> {
        let in_file = |problem| ExchangeError::array(WHAT, problem);
        let bytes = file.metadata().map_err(ExchangeError::io("read the file"))?.len();
        let mut input = BufReader::with_capacity(1 << 16, file);
        let header = Header::read(&mut input).map_err(in_file)?;
        check_size(&header, bytes).map_err(in_file)?;
        let rows = Rows::new(&header, input).map_err(in_file)?;
        if rows.len() > limits.max_rows {
            return Err(ExchangeError::TooManyRows { limit: limits.max_rows });
        }
        let ids = IdsFile::open(ids, limits)?;
        if rows.len() != ids.rows {
            let (left, right) = (WHAT.to_owned(), "the ids file".to_owned());
            return Err(ExchangeError::Counts { left, left_rows: rows.len(), right, right_rows: ids.rows });
        }
        Ok(Self { rows, ids })
    }

    fn read(&mut self) -> Result<Option<Result<Record, String>>, ExchangeError> {
        let in_file = |problem| ExchangeError::array(WHAT, problem);
        let Some(numbers) = self.rows.next_row().map_err(in_file)? else { return Ok(None) };
        let row = self.rows.read();
        let Some(ids) = self.ids.next_ids()? else {
            // It was counted when it was opened, so it has changed since.
            let rows = self.rows.len();
            return Err(ExchangeError::array("the ids file", ArrayProblem::Truncated { row, rows }));
        };
        Ok(Some(ids.and_then(|ids| Record::trained(row, &ids[0], &ids[1], numbers?))))
    }
}

impl Records for Npy {
    fn next_entry(&mut self) -> Option<Result<Entry, ExchangeError>> {
        match self.read() {
            Ok(record) => {
                let bad = |reason| BadRow { place: Place::Row, row: self.rows.read(), reason }.into();
                record.map(|record| record.map(Entry::Image).map_err(bad))
            }
            Err(error) => Some(Err(error)),
        }
    }

    fn progress(&self) -> Progress {
        Progress { done: self.rows.read(), total: self.rows.len(), unit: Unit::Rows }
    }
}

/// The type of the arrays that are written: little-endian float32.
pub(super) fn single() -> DType {
    DType::new_scalar("<f4".parse().expect("npyz knows float32"))
}

/// The two files while they are written.
pub(super) struct NpyFiles {
    array: BufferedArray,
    ids: Writer<BufWriter<File>>,
}

/// The array has its dimension, and so its header, from the first embedding.
enum BufferedArray {
    Empty(File),
    Rows { numbers: NpyWriter<f32, BufWriter<File>>, dimension: usize },
    Failed,
}

impl NpyFiles {
    pub(super) fn new(array: File, ids: File) -> Result<Self, ExchangeError> {
        let mut ids = Writer::from_writer(BufWriter::new(ids));
        write_header(&mut ids, 0)?;
        Ok(Self { array: BufferedArray::Empty(array), ids })
    }

    pub(super) fn push(&mut self, record: &Record, embedding: &Embedding) -> Result<(), ExchangeError> {
        let failed = |error| ExchangeError::io("write the file")(error);
        self.array = match std::mem::replace(&mut self.array, BufferedArray::Failed) {
            BufferedArray::Empty(file) => {
                let (dimension, output) = (embedding.dimension(), BufWriter::new(file));
                let options = WriteOptions::new().dtype(single()).writer(output);
                BufferedArray::Rows { numbers: options.begin_2d(dimension as u64).map_err(failed)?, dimension }
            }
            begun => begun,
        };
        let BufferedArray::Rows { numbers, dimension } = &mut self.array else {
            return Err(failed(std::io::Error::other("writing failed before")));
        };
        check_dimension(record, Format::Npy, embedding.dimension(), *dimension)?;
        numbers.extend(embedding.values().iter().copied()).map_err(failed)?;
        write_row(&mut self.ids, record, &[])
    }

    pub(super) fn finish(mut self) -> Result<(), ExchangeError> {
        let failed = |error| ExchangeError::io("write the file")(error);
        match self.array {
            BufferedArray::Rows { numbers, .. } => numbers.finish().map_err(failed)?,
            BufferedArray::Empty(mut file) => {
                let empty = WriteOptions::new_header_only().dtype(single()).shape(&[0, 0]).writer(&mut file);
                empty.write_header_only().and_then(Write::flush).map_err(failed)?;
            }
            BufferedArray::Failed => return Err(failed(std::io::Error::other("writing failed before"))),
        }
        self.ids.flush().map_err(failed)
    }
}
