//! Reading NPZ: `embeddings`, `identifiers` and `imagelabels`, or the arrays of a stranger (contract R176).
//!
//! **Promises.** The rows of the large array are unpacked one at a time; the others are held whole, within limits.
//!
//! **Why these defaults.** Data sets often come as `x` and `y` alone. Without `names` an identity is called by its
//! number, without `files` an image by its row: both are what the file says, and reading it again gives the same.

use std::collections::HashMap;
use std::fs::File;

use super::archive::{Archive, Entry, what};
use super::array::{Rows, Texts, check_size, integers};
use super::header::Header;
use super::labels::Labels;
use super::read::{Limits, Progress, Records, Unit};
use super::{ArrayProblem, BadRow, ExchangeError, Place, Record};

/// The arrays that count.
const ARRAYS: [&str; 7] = ["embeddings", "identifiers", "imagelabels", "x", "y", "names", "files"];

/// The records of an NPZ file.
pub(super) struct Npz {
    what: String,
    rows: Rows<Entry>,
    ids: Ids,
}

/// Who the rows are.
enum Ids {
    Ours { identifiers: Texts, labels: Texts },
    Foreign { owners: Vec<i64>, names: Option<Texts>, labels: Option<Labels> },
}

impl Npz {
    /// Reads everything but the rows.
    pub(super) fn open(file: File, limits: &Limits) -> Result<Self, ExchangeError> {
        let archive = Archive::open(file, &ARRAYS)?;
        let (main, beside) = if archive.has("embeddings") || !archive.has("x") {
            ("embeddings", &ARRAYS[1..3])
        } else {
            ("x", &ARRAYS[4..])
        };
        let sizes = beside.iter().chain([&main]).map(|array| archive.unpacked_bytes(array));
        let bytes = sizes.fold(0u64, u64::saturating_add);
        if bytes > limits.max_unpacked_bytes {
            return Err(ExchangeError::TooLarge { bytes, limit: limits.max_unpacked_bytes });
        }
        let count = row_count(&archive, main)?;
        if count > limits.max_rows {
            return Err(ExchangeError::TooManyRows { limit: limits.max_rows });
        }
        let ids = if main == "x" {
            Ids::foreign(&archive, count, limits)?
        } else {
            let read = |header: &Header, entry: &mut Entry| Texts::read(header, entry, limits.max_text_bytes);
            let texts = |array| with_array(&archive, array, Some((main, count)), limits, read);
            Ids::Ours { identifiers: texts("identifiers")?, labels: texts("imagelabels")? }
        };
        // The entries share a place in the file, so the one that stays open is opened last.
        let mut entry = archive.entry(main)?;
        let in_main = |problem| ExchangeError::array(&what(main), problem);
        let header = Header::read(&mut entry).map_err(in_main)?;
        let rows = Rows::new(&header, entry).map_err(in_main)?;
        Ok(Self { what: what(main), rows, ids })
    }
}

/// How many rows the large array declares, after all that can be checked without unpacking it.
fn row_count(archive: &Archive, main: &'static str) -> Result<u64, ExchangeError> {
    let mut entry = archive.entry(main)?;
    let in_main = |problem| ExchangeError::array(&what(main), problem);
    let header = Header::read(&mut entry).map_err(in_main)?;
    check_size(&header, archive.unpacked_bytes(main)).map_err(in_main)?;
    Ok(Rows::new(&header, entry).map_err(in_main)?.len())
}

/// Reads a whole array, which has as many rows as `expected` says.
fn with_array<T>(
    archive: &Archive,
    array: &'static str,
    expected: Option<(&str, u64)>,
    limits: &Limits,
    read: impl FnOnce(&Header, &mut Entry) -> Result<T, ArrayProblem>,
) -> Result<T, ExchangeError> {
    let in_array = |problem| ExchangeError::array(&what(array), problem);
    let mut entry = archive.entry(array)?;
    let header = Header::read(&mut entry).map_err(in_array)?;
    check_size(&header, archive.unpacked_bytes(array)).map_err(in_array)?;
    if let (Some((main, left_rows)), [right_rows]) = (expected, &header.shape[..])
        && left_rows != *right_rows
    {
        let (left, right) = (what(main), what(array));
        return Err(ExchangeError::Counts { left, left_rows, right, right_rows: *right_rows });
    }
    // An element type of no bytes would make any number of rows fit.
    if header.shape.first().is_some_and(|&rows| rows > limits.max_rows) {
        return Err(ExchangeError::TooManyRows { limit: limits.max_rows });
    }
    let whole = read(&header, &mut entry).map_err(in_array)?;
    entry.finish().map_err(in_array)?;
    Ok(whole)
}

impl Ids {
    fn foreign(archive: &Archive, count: u64, limits: &Limits) -> Result<Self, ExchangeError> {
        let as_many = Some(("x", count));
        let texts = |array, expected| {
            let read = |header: &Header, entry: &mut Entry| Texts::read(header, entry, limits.max_text_bytes);
            archive.has(array).then(|| with_array(archive, array, expected, limits, read)).transpose()
        };
        let owners = with_array(archive, "y", as_many, limits, integers)?;
        let names = texts("names", None)?;
        let labels = texts("files", as_many)?.map(|files| {
            let first = names.as_ref().map(first_of_each_name);
            // Two numbers with one name are one identity. A number without a name is a bad row in any case.
            Labels::new(files, |row| {
                let named = usize::try_from(owners[row]).ok().and_then(|owner| first.as_ref()?.get(owner).copied());
                named.unwrap_or(owners[row].cast_unsigned())
            })
        });
        Ok(Self::Foreign { owners, names, labels })
    }

    fn record(&self, index: usize, row: u64, numbers: Vec<f32>) -> Result<Record, String> {
        match self {
            Self::Ours { identifiers, labels } => {
                let identifier = identifiers.get(index).map_err(|reason| format!("identifier {reason}"))?;
                let label = labels.get(index).map_err(|reason| format!("imagelabel {reason}"))?;
                Record::trained(row, identifier, label, numbers)
            }
            Self::Foreign { owners, names, labels } => {
                let owner = owners[index];
                let label = labels.as_ref().map_or_else(|| Ok(row.to_string()), |labels| labels.get(index))?;
                let Some(names) = names else {
                    return Record::trained(row, &owner.to_string(), &label, numbers);
                };
                let index = usize::try_from(owner).ok().filter(|&index| index < names.len());
                let index = index.ok_or_else(|| format!("y is {owner}, array 'names' has {} rows", names.len()))?;
                let identifier = names.get(index).map_err(|reason| format!("name {reason}"))?;
                Record::trained(row, identifier, &label, numbers)
            }
        }
    }
}

/// For each name the index of the first equal one.
fn first_of_each_name(names: &Texts) -> Vec<u64> {
    let mut first = HashMap::with_capacity(names.len());
    (0..names.len()).map(|index| *first.entry(names.as_written(index)).or_insert(index as u64)).collect()
}

impl Records for Npz {
    fn next_entry(&mut self) -> Option<Result<super::Entry, ExchangeError>> {
        let numbers = match self.rows.next_row() {
            Ok(Some(numbers)) => numbers,
            Ok(None) => {
                // Only now is it known that every row was what had been packed.
                let finished = self.rows.input().finish();
                return finished.err().map(|problem| Err(ExchangeError::array(&self.what, problem)));
            }
            Err(problem) => return Some(Err(ExchangeError::array(&self.what, problem))),
        };
        let row = self.rows.read();
        let record = numbers.and_then(|numbers| self.ids.record((row - 1) as usize, row, numbers));
        Some(record.map(super::Entry::Image).map_err(|reason| BadRow { place: Place::Row, row, reason }.into()))
    }

    fn progress(&self) -> Progress {
        Progress { done: self.rows.read(), total: self.rows.len(), unit: Unit::Rows }
    }
}
