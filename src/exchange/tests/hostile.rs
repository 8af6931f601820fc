//! Whatever the bytes, an answer: no panic, no endless reading, no more than the limits.

use proptest::prelude::*;
use proptest::sample::Index;

use super::*;

const IDS: &[u8] = b"identifier,imagelabel\nAnn,1\nAnn,2\nBob,1\n";
const JSONL: &str = r#"{"identifier":"Ann","imagelabel":"1","embedding":[0.6,0.8],"metadata":{"a":"b"}}
{"identifier":"Ann","imagelabel":"2","status":"failed","model":"m","embedding":null}
"#;

fn tiny() -> Options {
    let limits = Limits { max_unpacked_bytes: 1 << 20, max_text_bytes: 1 << 16, max_rows: 1000, max_line_bytes: 4096 };
    Options { limits, ..Options::default() }
}

/// Reads to the end. At most one error ends it, and nothing comes after that.
fn read_to_the_end(bytes: &[u8], format: Format) {
    let ids = (format == Format::Npy).then_some(IDS);
    if let Ok(reader) = Reader::open(source(bytes, format, ids), &tiny()) {
        let all: Vec<_> = reader.collect();
        assert!(all.len() <= 1001);
        let last = all.len().saturating_sub(1);
        let ends = |record: &Result<Record, ExchangeError>| !matches!(record, Ok(_) | Err(ExchangeError::BadRow(_)));
        assert!(all.iter().take(last).all(|record| !ends(record)));
    }
}

fn valid_files() -> Vec<(Format, Vec<u8>)> {
    let csv = b"identifier,imagelabel,e0,e1\nAnn,1,0.6,0.8\n\"Bo,b\",1,-1,0\n".to_vec();
    vec![
        (Format::Jsonl, JSONL.as_bytes().to_vec()),
        (Format::Csv, csv),
        (Format::Npy, singles(3, &[1.0, 0.0, 0.6, 0.8, 0.0, -1.0])),
        (Format::Npz, zip_of(CompressionMethod::Stored, &ours())),
        (Format::Npz, zip_of(CompressionMethod::Deflated, &foreign())),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn arbitrary_bytes_are_answered(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        for format in Format::ALL {
            read_to_the_end(&bytes, format);
        }
    }

    #[test]
    fn damaged_files_are_answered(
        changes in proptest::collection::vec((any::<Index>(), any::<u8>()), 1..6), cut in proptest::option::of(any::<Index>()),
    ) {
        for (format, mut bytes) in valid_files() {
            for (at, byte) in &changes {
                let at = at.index(bytes.len());
                bytes[at] = *byte;
            }
            if let Some(cut) = &cut {
                bytes.truncate(cut.index(bytes.len()));
            }
            read_to_the_end(&bytes, format);
        }
    }

    #[test]
    fn arrays_that_say_anything_are_answered(
        descr in prop_oneof![Just("'<f4'"), Just("'<U0'"), Just("'|S0'"), Just("'<U99999999999999999999'"),
            Just("'<U4611686018427387904'"), Just("'|V0'"), Just("'<M8[s]'"), Just("'|b1'"), Just("'<c16'"), Just("'<f2'")],
        shape in prop_oneof![Just("(3, 2)"), Just("(18446744073709551615,)"), Just("(18446744073709551615, 4)"), Just("()"),
            Just("(1000000000000, 0)"), Just("(3,)"), Just("(0,)"), Just("(0, 4611686018427387904)")],
        fortran in prop_oneof![Just("True"), Just("False")],
        which in 0usize..7,
    ) {
        let array = npy(descr, fortran, shape, &[0; 24]);
        read_to_the_end(&array, Format::Npy);
        let name = ["embeddings", "identifiers", "imagelabels", "x", "y", "names", "files"][which];
        let arrays = if which < 3 { ours() } else { foreign() };
        read_to_the_end(&with(arrays, name, Some(array)), Format::Npz);
        read_to_the_end(&npy(descr, fortran, shape, &[]), Format::Npy);
    }
}

#[test]
fn an_archive_cut_anywhere_is_never_taken_for_whole() {
    for arrays in [ours(), foreign()] {
        let bytes = zip_of(CompressionMethod::Deflated, &arrays);
        for end in 0..bytes.len() {
            let whole = read(&bytes[..end], Format::Npz).is_ok_and(|all| all.iter().all(Result::is_ok));
            assert!(!whole, "cut at {end} of {}", bytes.len());
        }
    }
}

#[test]
fn a_changed_bit_in_the_data_is_always_noticed() {
    let original = zip_of(CompressionMethod::Stored, &ours());
    let expected = records(read(&original, Format::Npz));
    for at in 0..original.len() {
        let mut bytes = original.clone();
        bytes[at] ^= 0x10;
        let read = read(&bytes, Format::Npz).and_then(|all| all.into_iter().collect::<Result<Vec<_>, _>>());
        assert!(read.is_err() || read.is_ok_and(|all| all == expected), "byte {at}");
    }
}

#[test]
fn deep_nesting_is_answered_without_going_down() {
    for field in ["imagedata", "embedding", "metadata", "identifier"] {
        for open in ["[", "{\"a\":"] {
            let line = format!("{{\"{field}\":{}", open.repeat(1 << 18));
            assert!(told(read(line.as_bytes(), Format::Jsonl))[0].starts_with("line 1: column"));
        }
    }
}

#[test]
fn more_rows_than_allowed_are_refused() {
    let options = Options { limits: Limits { max_rows: 2, ..Limits::default() }, ..Options::default() };
    let message = "the file has more than 2 rows, the limit";
    for (format, bytes) in valid_files() {
        let ids = (format == Format::Npy).then_some(IDS);
        let three = if bytes.starts_with(b"{") { JSONL.repeat(2).into_bytes() } else { bytes };
        if format == Format::Csv {
            continue;
        }
        let told = told(read_with(source(&three, format, ids), &options));
        assert_eq!(told.last().map(String::as_str), Some(message), "{format}");
    }
}
