//! The exchange judged from outside: files in, records out, and back.

mod faults;
mod foreign;
mod hostile;
mod real;
mod round_trip;

use std::io::{Cursor, Write as _};
use std::path::Path;

use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

use super::*;

/// A file in memory as one that can be opened.
fn file_of(bytes: &[u8]) -> std::fs::File {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(bytes).unwrap();
    file
}

fn source(bytes: &[u8], format: Format, ids: Option<&[u8]>) -> Source {
    Source { file: file_of(bytes), ids: ids.map(file_of), format }
}

type Read = Vec<Result<Record, ExchangeError>>;

fn read_with(source: Source, options: &Options) -> Result<Read, ExchangeError> {
    Ok(Reader::open(source, options)?.collect())
}

fn read(bytes: &[u8], format: Format) -> Result<Read, ExchangeError> {
    read_with(source(bytes, format, None), &Options::default())
}

/// What each record came to, as text: `a/b` or the message.
fn told(read: Result<Read, ExchangeError>) -> Vec<String> {
    let tell = |record: Result<Record, ExchangeError>| match record {
        Ok(record) => format!("{}/{}", record.identifier, record.label),
        Err(error) => error.to_string(),
    };
    match read {
        Ok(records) => records.into_iter().map(tell).collect(),
        Err(error) => vec![error.to_string()],
    }
}

fn records(read: Result<Read, ExchangeError>) -> Vec<Record> {
    read.unwrap().into_iter().map(Result::unwrap).collect()
}

fn write(path: &Path, format: Format, records: &[Record]) -> Result<u64, ExchangeError> {
    let mut writer = Writer::create(path, format, None)?;
    for record in records {
        writer.push(record)?;
    }
    writer.finish()
}

fn read_path(path: &Path, format: Format) -> Result<Read, ExchangeError> {
    read_with(Source::open(path, format, None)?, &Options::default())
}

/// An array file from the parts of its header.
fn npy(descr: &str, fortran: &str, shape: &str, data: &[u8]) -> Vec<u8> {
    let header = format!("{{'descr': {descr}, 'fortran_order': {fortran}, 'shape': {shape}, }}\n");
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend((header.len() as u16).to_le_bytes());
    bytes.extend(header.as_bytes());
    bytes.extend(data);
    bytes
}

/// An array of text with 4 bytes a character.
fn texts(all: &[&str]) -> Vec<u8> {
    let width = all.iter().map(|text| text.chars().count()).max().unwrap_or(1);
    let padded = all.iter().flat_map(|text| text.chars().chain(std::iter::repeat('\0')).take(width));
    let data: Vec<u8> = padded.flat_map(|character| u32::from(character).to_le_bytes()).collect();
    npy(&format!("'<U{width}'"), "False", &format!("({},)", all.len()), &data)
}

fn singles(rows: usize, numbers: &[f32]) -> Vec<u8> {
    let data: Vec<u8> = numbers.iter().flat_map(|number| number.to_le_bytes()).collect();
    let columns = numbers.len().checked_div(rows).unwrap_or(0);
    npy("'<f4'", "False", &format!("({rows}, {columns})"), &data)
}

fn integers(all: &[i32]) -> Vec<u8> {
    let data: Vec<u8> = all.iter().flat_map(|number| number.to_le_bytes()).collect();
    npy("'<i4'", "False", &format!("({},)", all.len()), &data)
}

fn zip_of(method: CompressionMethod, arrays: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, bytes) in arrays {
        zip.start_file(format!("{name}.npy"), SimpleFileOptions::default().compression_method(method)).unwrap();
        zip.write_all(bytes).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

/// Three images of two identities, in the form that is written.
fn ours() -> Vec<(&'static str, Vec<u8>)> {
    vec![
        ("embeddings", singles(3, &[1.0, 0.0, 0.6, 0.8, 0.0, -1.0])),
        ("identifiers", texts(&["Ann", "Ann", "Bob"])),
        ("imagelabels", texts(&["1", "2", "1"])),
    ]
}

/// The same three images as a stranger would have them.
fn foreign() -> Vec<(&'static str, Vec<u8>)> {
    vec![
        ("x", singles(3, &[1.0, 0.0, 0.6, 0.8, 0.0, -1.0])),
        ("y", integers(&[0, 0, 1])),
        ("names", texts(&["Ann", "Bob"])),
        ("files", texts(&["Ann/1.jpg", "Ann/2.jpg", "Bob/1.jpg"])),
    ]
}

/// The arrays with one of them changed; removed if `bytes` is none.
fn with(mut arrays: Vec<(&'static str, Vec<u8>)>, name: &'static str, bytes: Option<Vec<u8>>) -> Vec<u8> {
    arrays.retain(|(other, _)| *other != name);
    arrays.extend(bytes.map(|bytes| (name, bytes)));
    zip_of(CompressionMethod::Deflated, &arrays)
}
