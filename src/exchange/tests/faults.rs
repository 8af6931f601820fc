//! Every fault names its place, the value and the limit.

use super::*;

const HEADER: &str = "identifier,imagelabel,e0,e1\n";

fn csv(rows: &str) -> Vec<String> {
    told(read(format!("{HEADER}{rows}").as_bytes(), Format::Csv))
}

fn json(line: &str) -> String {
    told(read(line.as_bytes(), Format::Jsonl)).remove(0)
}

/// A line with these fields beside the ids.
fn image(fields: &str) -> String {
    json(&format!("{{\"identifier\":\"a\",\"imagelabel\":\"b\"{fields}}}"))
}

fn npz(bytes: &[u8]) -> String {
    told(read(bytes, Format::Npz)).pop().unwrap()
}

#[test]
fn a_bad_line_does_not_hide_the_next_one() {
    let rows = "a,1,0.6,0.8\n\na,2,0.6\na,3,0.6,x\na,4,0,0\na,5,0.6,1e400\na,6,nan,1\n\"a,7,1,1\na\u{7},8,1,1\n,9,1,1\na,10,1,0\n";
    let name = "x".repeat(300);
    let told = csv(&format!("{rows}{name},11,1,0\n\"a\nb\",12,1,0\n\"q\"\"q, \", 13 , 1 ,0\r\n"));
    let expected = [
        "a/1",
        "line 4: 3 fields, expected 4 as in the header",
        "line 5: e1 is 'x', not a finite number of float32",
        "line 6: all 2 numbers of the embedding are zero, so it has no direction",
        "line 7: e1 is '1e400', not a finite number of float32",
        "line 8: e0 is 'nan', not a finite number of float32",
        "line 9: a quote is not closed in its line",
        "line 10: identifier 'a\\u{7}': a name holds no control characters, this one has U+0007 at byte 1",
        "line 11: identifier '': a name has at least 1 byte",
        "a/10",
        &format!("line 13: identifier '{}...': a name has at most 254 bytes, this one has 300", "x".repeat(254)),
        "line 14: a quote is not closed in its line",
        "line 15: field 1 has a quote inside, but not around it",
        "q\"q, / 13 ",
    ];
    assert_eq!(told, expected);
}

#[test]
fn broken_utf_8_is_a_bad_line() {
    let mut bytes = HEADER.as_bytes().to_vec();
    bytes.extend(b"a,1,1,0\na\xff,2,1,0\na,3,1,0\n");
    assert_eq!(told(read(&bytes, Format::Csv)), ["a/1", "line 3: not UTF-8 at byte 2 of the line", "a/3"]);
    let line = b"{\"identifier\":\"\xc3\x28\",\"imagelabel\":\"b\"}\n{\"identifier\":\"a\",\"imagelabel\":\"b\"}";
    assert_eq!(told(read(line, Format::Jsonl)), ["line 1: not UTF-8 at byte 16 of the line", "a/b"]);
}

#[test]
fn a_csv_without_its_header_is_refused() {
    let refused = |text: &str| told(read(text.as_bytes(), Format::Csv)).remove(0);
    let expected = "expected 'identifier,imagelabel,e0,e1,...'";
    assert_eq!(refused(""), format!("the header of the csv file is '', {expected}"));
    assert_eq!(refused("a,b,0.1\n"), format!("the header of the csv file is 'a,b,0.1', {expected}"));
    assert!(refused("identifier,imagelabel,e0,e2\n").contains("e0,e2"));
    assert!(refused("identifier\n").contains("'identifier',"));
}

#[test]
fn a_line_longer_than_the_limit_is_stepped_over() {
    let options = Options { limits: Limits { max_line_bytes: 60, ..Limits::default() }, ..Options::default() };
    let short = "{\"identifier\":\"a\",\"imagelabel\":\"b\"}\n";
    let text = format!("{{\"identifier\":\"{}\"}}\n{short}", "x".repeat(100));
    let told = told(read_with(source(text.as_bytes(), Format::Jsonl, None), &options));
    assert_eq!(told, ["line 1: longer than 60 bytes, the limit", "a/b"]);
}

#[test]
fn a_json_line_says_what_it_lacks_or_has_too_much() {
    assert_eq!(json("{\"imagelabel\":\"b\"}"), "line 1: there is no identifier");
    assert_eq!(json("\n\n{\"identifier\":\"b\",\"model\":\"m\"}"), "line 3: there is no imagelabel, but a model");
    assert_eq!(
        image(",\"label\":1"),
        "line 1: column 42: unknown field 'label', the nearest known one is 'imagelabel'"
    );
    assert!(image(",\"Embeding\":[]").ends_with("unknown field 'Embeding', the nearest known one is 'embedding'"));
    assert!(image(",\"status\":\"failed\",\"status\":\"failed\"").ends_with("field 'status' is there twice"));
    assert_eq!(image(",\"status\":\"done\""), "line 1: status is 'done', expected untrained, trained or failed");
    assert_eq!(image(",\"status\":\"trained\""), "line 1: status is trained, but there is no embedding");
    assert_eq!(
        image(",\"status\":\"failed\",\"embedding\":[1]"),
        "line 1: status is failed, but there is an embedding"
    );
    assert_eq!(image(",\"embedding\":[]"), "line 1: an embedding has at least 1 number, this one has none");
    assert!(image(",\"metadata\":{\"k\":7}").contains("expected a text for metadata 'k'"));
    assert!(image(",\"metadata\":{\"k\":\"1\",\"k\":\"2\"}").ends_with("metadata 'k' is there twice"));
    assert!(image(",\"metadata\":{\"k\":\"\"}").ends_with("the value of metadata 'k' '': a name has at least 1 byte"));
    assert!(json("[1]").contains("expected an object"));
    assert!(json("{\"identifier\":\"a\",\"imagelabel\":\"b\"} x").contains("trailing characters"));
    assert!(json("{\"identifier\":\"a\\u0000\",\"imagelabel\":\"b\"}").contains("'a\\0': a name holds no control"));
}

#[test]
fn json_numbers_that_are_no_float32_are_bad_lines() {
    for number in ["1e400", "1e39", "-1e39", "NaN", "Infinity", "\"1\"", "null", "1e99999999999999999999"] {
        let told = image(&format!(",\"embedding\":[0.5,{number}]"));
        assert!(told.starts_with("line 1: "), "{number}: {told}");
    }
    assert_eq!(image(",\"embedding\":[1e-400,1,18446744073709551615]"), "a/b");
}

#[test]
fn the_status_follows_from_the_embedding_when_it_is_not_said() {
    let status = |fields: &str| {
        let line = format!("{{\"identifier\":\"a\",\"imagelabel\":\"b\"{fields}}}");
        records(read(line.as_bytes(), Format::Jsonl))[0].status
    };
    assert_eq!(status(",\"embedding\":[1,0]"), ImageStatus::Trained);
    assert_eq!(status(",\"embedding\":null,\"model\":null,\"metadata\":null"), ImageStatus::Untrained);
    assert_eq!(status(",\"status\":\"Failed\""), ImageStatus::Failed);
}

#[test]
fn r174_a_picture_is_taken_or_left_out() {
    let line = b"{\"identifier\":\"a\",\"imagelabel\":\"b\",\"imagedata\":\"aGVsbG8=\",\"embedding\":[1]}";
    assert_eq!(records(read(line, Format::Jsonl))[0].picture.as_deref(), Some(&b"hello"[..]));
    let options = Options { image_data: ImageData::LeaveOut, ..Options::default() };
    assert_eq!(records(read_with(source(line, Format::Jsonl, None), &options))[0].picture, None);
    let wrong = image(",\"imagedata\":\"a?b\"");
    assert!(wrong.contains("imagedata is not base64: Invalid symbol 63, offset 1"), "{wrong}");
    let unpadded = "{\"identifier\":\"a\",\"imagelabel\":\"b\",\"imagedata\":\"aGVsbG8\"}";
    assert_eq!(records(read(unpadded.as_bytes(), Format::Jsonl))[0].picture.as_deref(), Some(&b"hello"[..]));
    let torn = image(",\"status\":\"failed\",\"reason\":\"bored\"");
    assert_eq!(torn, "line 1: reason is 'bored', not a word for one");
    assert_eq!(image(",\"imagedata\":null"), "a/b");
}

#[test]
fn an_npy_goes_with_an_ids_file_of_as_many_rows() {
    let array = singles(2, &[1.0, 0.0, 0.0, 1.0]);
    let with_ids = |ids: &str| told(read_with(source(&array, Format::Npy, Some(ids.as_bytes())), &Options::default()));
    assert_eq!(with_ids("identifier,imagelabel\n\"a,b\",1\n\nc,1\n"), ["a,b/1", "c/1"]);
    assert_eq!(with_ids("identifier,imagelabel\na,1\n"), ["the npy file has 2 rows, the ids file has 1"]);
    assert_eq!(with_ids("identifier,imagelabel\na,1\na,2\na,3\n"), ["the npy file has 2 rows, the ids file has 3"]);
    let told = with_ids("identifier,imagelabel\na,1,x\na,\n");
    assert_eq!(told[0], "row 1: line 2 of the ids file: 3 fields, expected 2");
    assert_eq!(told[1], "row 2: imagelabel '': a name has at least 1 byte");
    assert!(with_ids("a,1\na,2\n")[0].starts_with("the header of the ids file is 'a,1'"));
    let without = super::told(read(&array, Format::Npy));
    assert_eq!(without, ["an ids file goes with npy and with nothing else; the format is npy and there is none"]);
}

#[test]
fn an_npy_cut_short_is_refused_before_its_first_row() {
    let array = singles(2, &[1.0, 0.0, 0.0, 1.0]);
    let cut = |end: usize| {
        let ids = Some(&b"identifier,imagelabel\na,1\na,2\n"[..]);
        told(read_with(source(&array[..end], Format::Npy, ids), &Options::default())).remove(0)
    };
    let whole = array.len();
    let needs = format!("the npy file needs {whole} bytes for its header and shape, the file has {}", whole - 1);
    assert!(cut(whole - 1).starts_with(&needs), "{}", cut(whole - 1));
    assert_eq!(cut(30), "the npy file ends within its header");
    assert_eq!(cut(3), "the npy file ends within its header");
}

#[test]
fn an_archive_without_its_arrays_says_which() {
    let missing = |arrays, name| npz(&with(arrays, name, None));
    assert!(
        missing(ours(), "embeddings")
            .starts_with("the npz file has no array 'embeddings'; it has identifiers, imagelabels,")
    );
    assert!(missing(ours(), "imagelabels").starts_with("the npz file has no array 'imagelabels'"));
    assert!(missing(foreign(), "y").starts_with("the npz file has no array 'y'"));
    assert!(npz(&zip_of(CompressionMethod::Stored, &[])).contains("it has none"));
    assert!(npz(b"not a zip").starts_with("not a whole zip archive: "));
}

#[test]
fn arrays_of_another_kind_are_refused_by_name() {
    let embeddings = |bytes| npz(&with(ours(), "embeddings", Some(bytes)));
    let pickle = npy("'|O'", "False", "(3, 2)", b"\x80\x04cos\nsystem\n");
    assert_eq!(
        embeddings(pickle.clone()),
        "array 'embeddings' holds pickled Python objects, which are never read; save plain numbers or text"
    );
    assert!(npz(&with(ours(), "identifiers", Some(pickle))).starts_with("array 'identifiers' holds pickled"));
    assert!(embeddings(npy("'<f4'", "True", "(3, 2)", &[0; 24])).contains("is in Fortran order"));
    let halves = "array 'embeddings' holds elements of type '<f2', expected float32 or float64";
    assert_eq!(embeddings(npy("'<f2'", "False", "(3, 2)", &[0; 12])), halves);
    let flat = "array 'embeddings' has shape (6,), expected two axes: one row an image";
    assert_eq!(embeddings(npy("'<f4'", "False", "(6,)", &[0; 24])), flat);
    let wide = "array 'embeddings' has rows of 4097 numbers, an embedding has 1 to 4096";
    assert_eq!(embeddings(npy("'<f4'", "False", "(1, 4097)", &vec![0; 4 * 4097])), wide);
    let labels = npz(&with(foreign(), "y", Some(texts(&["a", "b", "c"]))));
    assert_eq!(labels, "array 'y' holds elements of type '<U1', expected integers");
    let names = npz(&with(foreign(), "names", Some(integers(&[1, 2]))));
    assert_eq!(names, "array 'names' holds elements of type '<i4', expected text (unicode or bytes)");
}

#[test]
fn arrays_that_do_not_go_row_by_row_are_both_named() {
    let labels = npz(&with(ours(), "imagelabels", Some(texts(&["1", "2"]))));
    assert_eq!(labels, "array 'embeddings' has 3 rows, array 'imagelabels' has 2");
    let files = npz(&with(foreign(), "files", Some(texts(&["1", "2", "3", "4"]))));
    assert_eq!(files, "array 'x' has 3 rows, array 'files' has 4");
}

#[test]
fn bad_embeddings_and_names_in_arrays_are_bad_rows() {
    let numbers = singles(3, &[f32::NAN, 0.0, 0.0, 0.0, f32::INFINITY, 1.0]);
    let told = told(read(&with(ours(), "embeddings", Some(numbers)), Format::Npz));
    assert_eq!(told[0], "row 1: number 1 of the embedding is NaN, not a finite number");
    assert_eq!(told[1], "row 2: all 2 numbers of the embedding are zero, so it has no direction");
    assert_eq!(told[2], "row 3: number 1 of the embedding is inf, not a finite number");
    let ids = texts(&["a\n", &"é".repeat(150), "Bob"]);
    let told = super::told(read(&with(ours(), "identifiers", Some(ids)), Format::Npz));
    assert_eq!(told[0], "row 1: identifier 'a\\n': a name holds no control characters, this one has U+000A at byte 1");
    assert!(told[1].ends_with("é...': a name has at most 254 bytes, this one has 300"), "{}", told[1]);
    assert_eq!(told[2], "Bob/1");
}

/// Overwrites 4 bytes of every directory entry, at `local` in the local and `central` in the central form.
fn patched(mut bytes: Vec<u8>, local: usize, central: usize, value: u32) -> Vec<u8> {
    for at in 0..bytes.len() - 4 {
        let offset = match &bytes[at..at + 4] {
            b"PK\x03\x04" => local,
            b"PK\x01\x02" => central,
            _ => continue,
        };
        bytes[at + offset..at + offset + 4].copy_from_slice(&value.to_le_bytes());
    }
    bytes
}

#[test]
fn declared_sizes_are_limited_before_unpacking() {
    let options = Options { limits: Limits { max_unpacked_bytes: 300, ..Limits::default() }, ..Options::default() };
    let bomb = zip_of(CompressionMethod::Deflated, &[("embeddings", vec![0; 1 << 20])]);
    let told = told(read_with(source(&bomb, Format::Npz, None), &options));
    assert_eq!(told, ["the arrays of the file take 1048576 bytes unpacked, the limit is 300"]);
    let huge = patched(zip_of(CompressionMethod::Deflated, &ours()), 22, 24, 0xFFFF_FFF0);
    let told = super::told(read(&huge, Format::Npz));
    assert!(told[0].contains("the file has 4294967280"), "{told:?}");
}

#[test]
fn an_archive_that_lies_about_a_size_gains_nothing() {
    // The data unpack to a mebibyte; header, directory and checksum speak of the array before them alone.
    let array = singles(1, &[0.6, 0.8]);
    let mut padded = array.clone();
    padded.resize(1 << 20, 0);
    let arrays = [("embeddings", padded), ("identifiers", texts(&["a"])), ("imagelabels", texts(&["b"]))];
    let bytes = zip_of(CompressionMethod::Deflated, &arrays);
    let declared = array.len() as u32;
    let first_only = |mut bytes: Vec<u8>, value: u32, local: usize, central: usize| {
        bytes[local..local + 4].copy_from_slice(&value.to_le_bytes());
        let directory = bytes.windows(4).position(|four| four == b"PK\x01\x02").unwrap();
        bytes[directory + central..directory + central + 4].copy_from_slice(&value.to_le_bytes());
        bytes
    };
    let bytes = first_only(bytes, declared, 22, 24);
    let told = told(read(&bytes, Format::Npz));
    assert_eq!(
        told,
        [
            "a/b".to_owned(),
            format!("array 'embeddings' unpacks to more than the {declared} bytes that the archive declares")
        ]
    );
    // The other way round: more is declared than there is.
    let short = npy("'<f4'", "False", "(2, 2)", &[0x3F; 8]);
    let declared = short.len() as u32 + 8;
    let arrays = [("embeddings", short), ("identifiers", texts(&["a", "c"])), ("imagelabels", texts(&["b", "d"]))];
    let bytes = first_only(zip_of(CompressionMethod::Deflated, &arrays), declared, 22, 24);
    assert_eq!(super::told(read(&bytes, Format::Npz)), ["a/b", "array 'embeddings' ends within row 2 of 2"]);
}

#[test]
fn an_archive_with_a_wrong_checksum_is_damaged() {
    let bytes = patched(zip_of(CompressionMethod::Stored, &ours()), 14, 16, 7);
    assert_eq!(npz(&bytes), "array 'identifiers' does not match its checksum: the file is damaged");
    let mut bytes = zip_of(CompressionMethod::Stored, &ours());
    let one = bytes.windows(4).position(|four| four == 1f32.to_le_bytes()).unwrap();
    bytes[one] ^= 1;
    let told = told(read(&bytes, Format::Npz));
    assert_eq!(told.len(), 4);
    assert_eq!(told[3], "array 'embeddings' does not match its checksum: the file is damaged");
}

#[test]
fn a_packing_that_numpy_does_not_use_is_named() {
    let bytes = patched(zip_of(CompressionMethod::Stored, &ours()), 6, 8, 1);
    assert!(npz(&bytes).contains("is packed by encryption"), "{}", npz(&bytes));
    let bytes = patched(zip_of(CompressionMethod::Stored, &ours()), 6, 8, 12 << 16);
    assert!(npz(&bytes).contains("is packed by"), "{}", npz(&bytes));
}
