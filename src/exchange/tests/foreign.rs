//! Archives of other people: `x`, `y`, `names`, `files`.

use super::*;

#[test]
fn a_foreign_archive_gives_the_same_records_as_ours() {
    let expected = ["Ann/1", "Ann/2", "Bob/1"];
    for method in [CompressionMethod::Stored, CompressionMethod::Deflated] {
        assert_eq!(told(read(&zip_of(method, &ours()), Format::Npz)), expected);
        assert_eq!(told(read(&zip_of(method, &foreign()), Format::Npz)), expected);
        let embedding = |arrays| records(read(&zip_of(method, arrays), Format::Npz))[1].embedding.clone();
        assert_eq!(embedding(&ours()), embedding(&foreign()));
    }
}

#[test]
fn without_names_and_files_identities_and_images_go_by_number() {
    let bare = with(with_out(foreign(), "names"), "files", None);
    assert_eq!(told(read(&bare, Format::Npz)), ["0/1", "0/2", "1/3"]);
}

fn with_out(mut arrays: Vec<(&'static str, Vec<u8>)>, name: &str) -> Vec<(&'static str, Vec<u8>)> {
    arrays.retain(|(other, _)| *other != name);
    arrays
}

#[test]
fn doubles_are_rounded_to_float32() {
    let data: Vec<u8> = [0.6f64, 0.8, 1e-300, 1.0, 1e39, 0.0].iter().flat_map(|number| number.to_be_bytes()).collect();
    let bytes = with(foreign(), "x", Some(npy("'>f8'", "False", "(3, 2)", &data)));
    let mut read = read(&bytes, Format::Npz).unwrap();
    let error = read.pop().unwrap().unwrap_err().to_string();
    assert_eq!(error, "row 3: number 1 of the embedding is 1e39, beyond float32 (at most 3.4028235e38)");
    let values: Vec<_> = read.into_iter().map(|record| record.unwrap().embedding.unwrap().values().to_vec()).collect();
    assert_eq!(values, [[0.6, 0.8], [0.0, 1.0]]);
}

#[test]
fn a_number_without_a_name_is_a_bad_row() {
    for y in [-1, 2] {
        let bytes = with(foreign(), "y", Some(integers(&[0, y, 1])));
        let told = told(read(&bytes, Format::Npz));
        assert_eq!(
            told,
            ["Ann/1".to_owned(), format!("row 2: y is {y}, array 'names' has 2 rows"), "Bob/1".to_owned()]
        );
    }
}

#[test]
fn two_numbers_of_one_name_are_one_identity() {
    let arrays = with_out(foreign(), "names");
    let arrays = [
        with_out(arrays, "files"),
        vec![("names", texts(&["Ann", "Ann"])), ("files", texts(&["p/a.jpg", "q/b.jpg", "r/a.png"]))],
    ]
    .concat();
    assert_eq!(told(read(&zip_of(CompressionMethod::Stored, &arrays), Format::Npz)), ["Ann/a", "Ann/b", "Ann/a-2"]);
}

#[test]
fn other_arrays_are_not_touched() {
    let arrays = [foreign(), vec![("norm", b"not an array".to_vec())]].concat();
    assert_eq!(records(read(&zip_of(CompressionMethod::Deflated, &arrays), Format::Npz)).len(), 3);
}

#[test]
fn rows_are_known_beforehand_and_counted() {
    let bytes = zip_of(CompressionMethod::Deflated, &foreign());
    let mut reader = Reader::open(source(&bytes, Format::Npz, None), &Options::default()).unwrap();
    assert_eq!(reader.len_hint(), Some(3));
    reader.next().unwrap().unwrap();
    assert_eq!(reader.progress(), Progress { done: 1, total: 3, unit: Unit::Rows });
    let reader = Reader::open(source(b"", Format::Jsonl, None), &Options::default()).unwrap();
    assert_eq!(reader.len_hint(), None);
}
