//! Image labels from the file names of a foreign archive (contract R176).
//!
//! **Promises.** Every image of an identity gets another label. A file name that occurs once stays what it is; the
//! first of equal ones keeps it, later ones get `-2`, `-3` and so on, passing over what is taken. The result depends
//! on the order of the rows alone.

use std::collections::{HashMap, HashSet};

use super::array::Texts;

/// The labels of all rows, found by row.
pub(super) struct Labels {
    files: Texts,
    /// For the rows that do not keep their file name: the number behind it.
    numbers: HashMap<usize, u64>,
}

impl Labels {
    /// The labels of `files`, where `owner` gives the identity of a row as a number.
    pub(super) fn new(files: Texts, owner: impl Fn(usize) -> u64) -> Self {
        let mut kept: HashSet<(u64, &str)> = HashSet::with_capacity(files.len());
        let repeated: Vec<usize> =
            (0..files.len()).filter(|&row| !kept.insert((owner(row), stem(files.as_written(row))))).collect();
        let mut next: HashMap<(u64, &str), u64> = HashMap::new();
        let mut given: HashSet<(u64, String)> = HashSet::new();
        let mut numbers = HashMap::with_capacity(repeated.len());
        for row in repeated {
            let (owner, stem) = (owner(row), stem(files.as_written(row)));
            let number = next.entry((owner, stem)).or_insert(2);
            loop {
                let label = numbered(stem, *number);
                if !kept.contains(&(owner, label.as_str())) && given.insert((owner, label)) {
                    break;
                }
                *number += 1;
            }
            numbers.insert(row, *number);
            *number += 1;
        }
        Self { files, numbers }
    }

    /// The label of a row, from 0, or why there is none.
    pub(super) fn get(&self, row: usize) -> Result<String, String> {
        let stem = stem(self.files.get(row).map_err(|reason| format!("file name {reason}"))?);
        Ok(self.numbers.get(&row).map_or_else(|| stem.to_owned(), |&number| numbered(stem, number)))
    }
}

fn numbered(stem: &str, number: u64) -> String {
    format!("{stem}-{number}")
}

/// A file name without folder and ending. A name that is nothing but an ending, such as `.jpg`, stays.
fn stem(path: &str) -> &str {
    let name = path.rsplit(['/', '\\']).next().unwrap_or(path);
    match name.rsplit_once('.') {
        Some((stem, _)) if !stem.is_empty() => stem,
        _ => name,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exchange::header::Header;

    fn labels(rows: &[(u64, &str)]) -> Vec<String> {
        let width = 16;
        let header =
            Header { element: format!("|S{width}").parse().unwrap(), shape: vec![rows.len() as u64], own_bytes: 0 };
        let padded = rows.iter().flat_map(|(_, file)| {
            let mut bytes = file.as_bytes().to_vec();
            bytes.resize(width, 0);
            bytes
        });
        let bytes: Vec<u8> = padded.collect();
        let labels = Labels::new(Texts::read(&header, &mut &bytes[..], 1 << 20).unwrap(), |row| rows[row].0);
        (0..rows.len()).map(|row| labels.get(row).unwrap()).collect()
    }

    #[test]
    fn a_label_is_the_file_name_without_folder_and_ending() {
        assert_eq!(
            labels(&[(0, "Ann/Ann_1.jpg"), (0, "C:\\x\\b.c.png"), (0, ".jpg"), (0, "d")]),
            ["Ann_1", "b.c", ".jpg", "d"]
        );
    }

    #[test]
    fn repeated_names_are_numbered_within_their_identity() {
        assert_eq!(labels(&[(0, "a.jpg"), (1, "a.jpg"), (0, "b/a.png"), (0, "a")]), ["a", "a", "a-2", "a-3"]);
    }

    #[test]
    fn a_number_never_takes_the_name_of_another_file() {
        let rows = [(0, "a.jpg"), (0, "a.png"), (0, "a-2.jpg"), (0, "a-2.png"), (0, "a-2-2.x"), (0, "a.gif")];
        assert_eq!(labels(&rows), ["a", "a-3", "a-2", "a-2-3", "a-2-2", "a-4"]);
    }

    #[test]
    fn many_equal_names_are_numbered_in_one_pass() {
        let all = labels(&vec![(7, "same.jpg"); 20_000]);
        assert_eq!(all.last().map(String::as_str), Some("same-20000"));
        assert_eq!(all.iter().collect::<HashSet<_>>().len(), 20_000);
    }
}
