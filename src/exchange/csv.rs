//! CSV: `identifier,imagelabel,e0,e1,...`, and the ids file of an NPY.
//!
//! **Promises.** One record is one line: names hold no line breaks, so a quote that is not closed spoils its own line
//! and no other. Numbers are written in the shortest form that reads back to the same float32, and read as float32
//! directly, rounded once.
//!
//! **Why not the csv crate for reading.** It writes. Its reader lets a quoted field run over any number of lines, which
//! one stray quote makes the whole file, and as a reader of single lines drops a U+FEFF that a name begins with.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::fs::File;
use std::io::Write;

use ::csv::Writer;

use super::lines::{Line, Lines};
use super::read::{Limits, Progress, Records, Unit};
use super::{BadRow, Entry, ExchangeError, Format, Place, Record, shown};

const IDS: [&str; 2] = ["identifier", "imagelabel"];

/// The records of a CSV file.
pub(super) struct Csv {
    lines: Lines,
    dimension: usize,
}

impl Csv {
    /// Reads the header.
    pub(super) fn open(file: File, limits: &Limits) -> Result<Self, ExchangeError> {
        let mut lines = Lines::new(file, limits.max_line_bytes).map_err(ExchangeError::io("read the file"))?;
        let header = next_row(&mut lines)?;
        let fields = header.as_ref().map(|row| row.fields.as_ref());
        let Some(Ok(fields)) = fields else {
            return Err(wrong_header("csv file", fields, "identifier,imagelabel,e0,e1,..."));
        };
        let numbers = fields.iter().skip(2).enumerate().all(|(index, field)| *field == format!("e{index}"));
        if !starts_with_ids(fields) || !numbers {
            return Err(wrong_header("csv file", Some(Ok(fields)), "identifier,imagelabel,e0,e1,..."));
        }
        Ok(Self { dimension: fields.len() - IDS.len(), lines })
    }

    fn record(dimension: usize, row: u64, fields: &[Cow<'_, str>]) -> Result<Record, String> {
        let expected = IDS.len() + dimension;
        if fields.len() != expected {
            return Err(format!("{} fields, expected {expected} as in the header", fields.len()));
        }
        let numbers = fields.iter().skip(IDS.len()).enumerate().map(|(index, field)| number(index, field));
        let numbers = numbers.collect::<Result<Vec<f32>, String>>()?;
        Record::trained(row, &fields[0], &fields[1], numbers)
    }
}

impl Records for Csv {
    fn next_entry(&mut self) -> Option<Result<Entry, ExchangeError>> {
        let row = match next_row(&mut self.lines) {
            Ok(row) => row?,
            Err(error) => return Some(Err(error)),
        };
        let record = row.fields.and_then(|fields| Self::record(self.dimension, row.line, &fields));
        Some(record.map(Entry::Image).map_err(|reason| BadRow { place: Place::Line, row: row.line, reason }.into()))
    }

    fn progress(&self) -> Progress {
        let (done, total) = self.lines.progress();
        Progress { done, total, unit: Unit::Bytes }
    }
}

/// Identifier and label of each row of an NPY.
#[derive(Debug)]
pub(super) struct IdsFile {
    lines: Lines,
    /// How many rows it has ids for.
    pub(super) rows: u64,
}

impl IdsFile {
    /// Counts the rows and reads the header.
    pub(super) fn open(file: File, limits: &Limits) -> Result<Self, ExchangeError> {
        let failed = |error| ExchangeError::io("read the ids file")(error);
        let mut lines = Lines::new(file, limits.max_line_bytes).map_err(failed)?;
        let count = lines.count_and_rewind().map_err(failed)?;
        let header = next_row(&mut lines)?;
        match header.as_ref().map(|row| row.fields.as_ref()) {
            Some(Ok(fields)) if fields.len() == IDS.len() && starts_with_ids(fields) => {}
            other => return Err(wrong_header("ids file", other, "identifier,imagelabel")),
        }
        Ok(Self { lines, rows: count.saturating_sub(1) })
    }

    /// Identifier and label of the next row, as written.
    pub(super) fn next_ids(&mut self) -> Result<Option<Result<Fields<'_>, String>>, ExchangeError> {
        let Some(row) = next_row(&mut self.lines)? else { return Ok(None) };
        let in_line = |reason| format!("line {} of the ids file: {reason}", row.line);
        Ok(Some(row.fields.map_err(in_line).and_then(|fields| match fields.len() {
            2 => Ok(fields),
            fields => Err(in_line(format!("{fields} fields, expected 2"))),
        })))
    }
}

fn starts_with_ids(fields: &[Cow<'_, str>]) -> bool {
    fields.len() >= IDS.len() && fields.iter().zip(IDS).all(|(field, expected)| field == expected)
}

fn wrong_header(
    file: &'static str,
    found: Option<Result<&Fields<'_>, &String>>,
    expected: &'static str,
) -> ExchangeError {
    let found = match found {
        Some(Ok(fields)) => shown(&fields[..fields.len().min(8)].join(",")),
        Some(Err(reason)) => reason.clone(),
        None => String::new(),
    };
    ExchangeError::Header { file, found, expected }
}

/// The fields of a line.
pub(super) type Fields<'a> = Vec<Cow<'a, str>>;

/// A line that is not blank.
struct Row<'a> {
    line: u64,
    fields: Result<Fields<'a>, String>,
}

fn next_row(lines: &mut Lines) -> Result<Option<Row<'_>>, ExchangeError> {
    let line = lines.next_line().map_err(ExchangeError::io("read the file"))?;
    Ok(line.map(|Line { number, text }| Row { line: number, fields: text.and_then(fields) }))
}

/// Splits a line at its commas (RFC 4180). A field in quotes ends with its quote; one without holds none.
fn fields(line: &str) -> Result<Fields<'_>, String> {
    let mut fields = Vec::new();
    let mut rest = line;
    loop {
        let (field, after) = if let Some(quoted) = rest.strip_prefix('"') {
            unquoted(quoted).map(|(field, after)| (Cow::Owned(field), after))?
        } else {
            let (field, after) = rest.split_at(rest.find(',').unwrap_or(rest.len()));
            if field.contains('"') {
                return Err(format!("field {} has a quote inside, but not around it", fields.len() + 1));
            }
            (Cow::Borrowed(field), after)
        };
        fields.push(field);
        match after.strip_prefix(',') {
            Some(next) => rest = next,
            None if after.is_empty() => return Ok(fields),
            None => return Err(format!("field {} goes on behind its closing quote", fields.len())),
        }
    }
}

/// The field before its closing quote, and what follows that; two quotes in it stand for one.
fn unquoted(quoted: &str) -> Result<(String, &str), String> {
    let mut field = String::new();
    let mut rest = quoted;
    loop {
        let (part, after) = rest.split_once('"').ok_or("a quote is not closed in its line")?;
        field.push_str(part);
        let Some(next) = after.strip_prefix('"') else { return Ok((field, after)) };
        field.push('"');
        rest = next;
    }
}

fn number(index: usize, field: &str) -> Result<f32, String> {
    match field.trim_matches(' ').parse::<f32>() {
        Ok(number) if number.is_finite() => Ok(number),
        _ => Err(format!("e{index} is '{}', not a finite number of float32", shown(field))),
    }
}

/// Writes the header of a CSV file.
pub(super) fn write_header(csv: &mut Writer<impl Write>, dimension: usize) -> Result<(), ExchangeError> {
    let row = || -> ::csv::Result<()> {
        let names = (0..dimension).map(|index| format!("e{index}"));
        csv.write_record(IDS.map(str::to_owned).into_iter().chain(names))
    };
    row_written(row)
}

/// Writes the row of a record; `numbers` is empty for an ids file.
pub(super) fn write_row(csv: &mut Writer<impl Write>, record: &Record, numbers: &[f32]) -> Result<(), ExchangeError> {
    let row = || -> ::csv::Result<()> {
        csv.write_field(record.identifier.as_str())?;
        csv.write_field(record.label.as_str())?;
        let mut text = String::new();
        for number in numbers {
            text.clear();
            // The shortest text that reads back to the same float32, with an exponent where that is shorter.
            let _ = write!(text, "{number:?}");
            csv.write_field(&text)?;
        }
        csv.write_record(None::<&[u8]>)
    };
    row_written(row)
}

fn row_written(row: impl FnOnce() -> ::csv::Result<()>) -> Result<(), ExchangeError> {
    row().map_err(|error| ExchangeError::io("write the file")(std::io::Error::other(error)))
}

/// That a record does not fit the dimension of those before it.
pub(super) fn check_dimension(
    record: &Record,
    format: Format,
    dimension: usize,
    expected: usize,
) -> Result<(), ExchangeError> {
    if dimension == expected {
        return Ok(());
    }
    Err(ExchangeError::Unwritable {
        image: format!("{}/{}", record.identifier, record.label),
        format,
        reason: format!("its embedding has dimension {dimension}, the first one {expected}"),
    })
}
