//! What is written comes back, bit for bit, in every format.

use proptest::prelude::*;

use super::*;

/// Names with everything a name may hold: commas, quotes, blanks at the ends, any script.
fn names() -> impl Strategy<Value = String> {
    let odd = prop_oneof![
        Just(','),
        Just('"'),
        Just('\''),
        Just(' '),
        Just('\\'),
        Just('='),
        Just('\u{FEFF}'),
        any::<char>()
    ];
    proptest::collection::vec(odd, 1..20)
        .prop_map(String::from_iter)
        .prop_filter("a name", |text| Identifier::new(text).is_ok())
}

fn embeddings(dimension: usize) -> impl Strategy<Value = Embedding> {
    proptest::collection::vec(-1.0f32..1.0, dimension).prop_filter_map("a direction", |v| Embedding::new(v).ok())
}

fn trained_records() -> impl Strategy<Value = Vec<Record>> {
    (1usize..6).prop_flat_map(|dimension| {
        let record = (names(), names(), embeddings(dimension)).prop_map(|(identifier, label, embedding)| Record {
            row: 0,
            identifier: Identifier::new(&identifier).unwrap(),
            label: ImageLabel::new(&label).unwrap(),
            status: ImageStatus::Trained,
            model: None,
            embedding: Some(embedding),
            reason: None,
            picture: None,
            metadata: Vec::new(),
        });
        proptest::collection::vec(record, 0..12)
    })
}

/// With everything JSON lines can say.
fn rich_records() -> impl Strategy<Value = Vec<Record>> {
    let pairs = proptest::collection::btree_map(names(), names(), 0..3);
    let picture = proptest::option::of(proptest::collection::vec(any::<u8>(), 0..9));
    let reason = proptest::option::of(proptest::sample::select(&FailReason::ALL[..]));
    let more = (any::<bool>(), proptest::option::of(names()), pairs, picture, reason);
    let more = proptest::collection::vec(more, 12);
    (trained_records(), more).prop_map(|(mut records, more)| {
        for (record, (is_failed, model, pairs, picture, reason)) in records.iter_mut().zip(more) {
            if is_failed {
                (record.status, record.embedding, record.reason) = (ImageStatus::Failed, None, reason);
            } else if record.identifier.as_str().len() % 3 == 0 {
                (record.status, record.embedding) = (ImageStatus::Untrained, None);
            }
            (record.model, record.picture, record.metadata) = (model, picture, pairs.into_iter().collect());
        }
        records
    })
}

fn bits(record: &Record) -> Vec<u32> {
    record.embedding.iter().flat_map(|embedding| embedding.values().iter().map(|v| v.to_bits())).collect()
}

fn assert_same(back: &[Record], sent: &[Record], format: Format) {
    assert_eq!(back.len(), sent.len(), "{format}");
    let mut row = 0;
    for (back, sent) in back.iter().zip(sent) {
        assert_eq!(bits(back), bits(sent), "{format}");
        assert!(back.row > row, "rows rise");
        row = back.row;
        assert_eq!(Record { row: 0, ..back.clone() }, *sent, "{format}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn trained_images_come_back_bit_for_bit_in_every_format(sent in trained_records()) {
        let folder = tempfile::tempdir().unwrap();
        for format in Format::ALL {
            let path = folder.path().join(format!("faces.{format}"));
            prop_assert_eq!(write(&path, format, &sent).unwrap(), sent.len() as u64);
            assert_same(&records(read_path(&path, format)), &sent, format);
        }
    }

    #[test]
    fn json_lines_carry_everything_and_the_others_the_trained_images(sent in rich_records()) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("faces.jsonl");
        write(&path, Format::Jsonl, &sent).unwrap();
        assert_same(&records(read_path(&path, Format::Jsonl)), &sent, Format::Jsonl);
        let trained = sent.iter().filter(|record| record.embedding.is_some()).cloned();
        let trained: Vec<_> = trained.map(|record| Record { model: None, picture: None, metadata: Vec::new(), ..record }).collect();
        for format in [Format::Csv, Format::Npy, Format::Npz] {
            let path = folder.path().join(format!("faces.{format}"));
            prop_assert_eq!(write(&path, format, &sent).unwrap(), trained.len() as u64);
            assert_same(&records(read_path(&path, format)), &trained, format);
        }
    }

    #[test]
    fn any_float32_comes_back_from_text_as_the_same_bits(bits in any::<u32>(), small in any::<bool>()) {
        let number = f32::from_bits(if small { bits & 0x80FF_FFFF } else { bits });
        prop_assume!(number.is_finite());
        // A second number keeps the length at one, so that the first is not scaled.
        if number.abs() < 1e-4 {
            let embedding = Embedding::new(vec![number, 1.0]).unwrap();
            let sent = Record::trained(0, "a", "b", embedding.values().to_vec()).unwrap();
            let folder = tempfile::tempdir().unwrap();
            for format in [Format::Csv, Format::Jsonl] {
                let path = folder.path().join(format!("faces.{format}"));
                write(&path, format, std::slice::from_ref(&sent)).unwrap();
                prop_assert_eq!(super::round_trip::bits(&records(read_path(&path, format))[0])[0], number.to_bits());
            }
        }
    }
}

#[test]
fn a_number_is_rounded_once() {
    // A little above the middle between 0.5 and the next float32: first rounded to float64 it would be the middle
    // itself, and then 0.5, the even one.
    let text = "0.50000002980232238769531250001";
    let next = 0.5f32.next_up();
    assert_eq!((text.parse::<f64>().unwrap() as f32).to_bits(), 0.5f32.to_bits(), "the trap is one");
    // sqrt(0.75) keeps the length at one
    let csv = format!("identifier,imagelabel,e0,e1\na,b,{text},0.8660254\n");
    let json = format!("{{\"identifier\":\"a\",\"imagelabel\":\"b\",\"embedding\":[{text},0.8660254]}}");
    for (content, format) in [(csv, Format::Csv), (json, Format::Jsonl)] {
        let records = records(read(content.as_bytes(), format));
        assert_eq!(records[0].embedding.as_ref().unwrap().values()[0].to_bits(), next.to_bits(), "{format}");
    }
}

#[test]
fn r175_a_face_without_images_has_a_line_of_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("faces.jsonl");
    let face = |name: &str, metadata: &[(&str, &str)]| Face {
        row: 0,
        identifier: Identifier::new(name).unwrap(),
        metadata: metadata.iter().map(|&(key, value)| (key.to_owned(), value.to_owned())).collect(),
    };
    let (alone, known) = (face("alone", &[]), face("known", &[("born", "1930")]));
    let image = Record::trained(0, "b", "1", vec![0.6, 0.8]).unwrap();
    let mut writer = Writer::create(&path, Format::Jsonl, None).unwrap();
    writer.push_face(&alone).unwrap();
    writer.push(&image).unwrap();
    writer.push_face(&known).unwrap();
    assert_eq!(writer.finish().unwrap(), 1);
    let text = std::fs::read_to_string(&path).unwrap();
    assert!(text.starts_with("{\"identifier\":\"alone\"}\n"), "{text}");
    let mut reader = Reader::open(Source::open(&path, Format::Jsonl, None).unwrap(), &Options::default()).unwrap();
    let mut entries = Vec::new();
    while let Some(entry) = reader.next_entry() {
        entries.push(entry.unwrap());
    }
    let at = |row, face: Face| Entry::Face(Face { row, ..face });
    assert_eq!(entries, [at(1, alone), Entry::Image(Record { row: 2, ..image.clone() }), at(3, known)]);
    assert_eq!(records(read_path(&path, Format::Jsonl)), [Record { row: 2, ..image }], "an iterator gives images");
    let lost = told(read(b"{\"identifier\":\"a\",\"embedding\":[1]}", Format::Jsonl));
    assert_eq!(lost, ["line 1: there is no imagelabel, but an embedding"]);
}

#[test]
fn an_archive_is_put_together_only_as_long_as_it_is_wanted() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("faces.npz");
    let record = Record::trained(0, "a", "b", vec![0.6, 0.8]).unwrap();
    for asked in 0..4 {
        let mut writer = Writer::create(&path, Format::Npz, None).unwrap();
        writer.push(&record).unwrap();
        let mut left = asked;
        let mut go_on = || {
            left -= 1;
            if left < 0 { Err(std::io::Error::other("no more")) } else { Ok(()) }
        };
        let error = writer.complete_while(&mut go_on).unwrap_err();
        assert_eq!(error.to_string(), "cannot write the file: no more", "asked {asked} times");
    }
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "nothing is left behind");
}

#[test]
fn a_new_file_replaces_none_and_takes_over_what_a_killed_run_has_left() {
    let folder = tempfile::tempdir().unwrap();
    let record = Record::trained(0, "a", "b", vec![0.6, 0.8]).unwrap();
    for format in Format::ALL {
        let path = folder.path().join(format!("faces.{format}"));
        std::fs::write(folder.path().join(".left"), "by a killed run").unwrap();
        let mut writer = Writer::create_new(&path, format, ".left").unwrap();
        writer.push(&record).unwrap();
        assert_eq!(writer.finish().unwrap(), 1);
        assert_eq!(records(read_path(&path, format)).len(), 1, "{format}");
        let refused = Writer::create_new(&path, format, ".left").err().unwrap();
        assert!(refused.to_string().starts_with("cannot create the file"), "{refused}");
        let late = folder.path().join(format!("late.{format}"));
        let mut writer = Writer::create_new(&late, format, ".left").unwrap();
        writer.push(&record).unwrap();
        std::fs::write(&late, "of somebody else").unwrap();
        assert!(writer.finish().is_err(), "{format}");
        assert_eq!(std::fs::read(&late).unwrap(), b"of somebody else");
    }
    assert!(!folder.path().join(".left").exists());
}

#[test]
fn a_file_of_nothing_comes_back_as_nothing() {
    let folder = tempfile::tempdir().unwrap();
    for format in Format::ALL {
        let path = folder.path().join(format!("none.{format}"));
        assert_eq!(write(&path, format, &[]).unwrap(), 0);
        assert_eq!(records(read_path(&path, format)), []);
    }
}

#[test]
fn equal_records_make_equal_files() {
    let folder = tempfile::tempdir().unwrap();
    let sent = [Record::trained(0, "a", "b", vec![0.6, 0.8]).unwrap()];
    for format in Format::ALL {
        let paths = ["one", "two"].map(|name| folder.path().join(format!("{name}.{format}")));
        for path in &paths {
            write(path, format, &sent).unwrap();
        }
        assert_eq!(std::fs::read(&paths[0]).unwrap(), std::fs::read(&paths[1]).unwrap(), "{format}");
    }
}

#[test]
fn a_file_that_is_not_finished_never_appears() {
    let folder = tempfile::tempdir().unwrap();
    let record = Record::trained(0, "a", "b", vec![0.6, 0.8]).unwrap();
    for format in Format::ALL {
        let path = folder.path().join(format!("faces.{format}"));
        std::fs::write(&path, "before").unwrap();
        let mut writer = Writer::create(&path, format, None).unwrap();
        writer.push(&record).unwrap();
        drop(writer);
        assert_eq!(std::fs::read(&path).unwrap(), b"before");
        std::fs::remove_file(&path).unwrap();
    }
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "nothing is left behind");
}

#[test]
fn a_record_that_the_format_cannot_carry_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let two = Record::trained(0, "a", "b", vec![0.6, 0.8]).unwrap();
    let three = Record::trained(0, "a", "c", vec![0.0, 0.6, 0.8]).unwrap();
    for format in [Format::Csv, Format::Npy, Format::Npz] {
        let error = write(&folder.path().join("f"), format, &[two.clone(), three.clone()]).unwrap_err();
        let expected =
            format!("image a/c cannot be written as {format}: its embedding has dimension 3, the first one 2");
        assert_eq!(error.to_string(), expected);
    }
    let torn = Record { embedding: None, ..two };
    let error = write(&folder.path().join("f"), Format::Jsonl, &[torn]).unwrap_err();
    assert!(error.to_string().contains("its status is trained"), "{error}");
    let error = Writer::create(Path::new("f.csv"), Format::Csv, Some(Path::new("ids.csv"))).err().unwrap();
    assert_eq!(
        error.to_string(),
        "an ids file goes with npy and with nothing else; the format is csv and there is one"
    );
}

#[test]
fn a_format_is_told_by_its_name_or_the_ending_of_a_file() {
    for format in Format::ALL {
        assert_eq!(format.to_string().to_uppercase().parse(), Ok(format));
        assert_eq!(Format::from_path(Path::new(&format!("a.b/faces.{format}"))), Some(format));
    }
    assert_eq!(Format::from_path(Path::new("faces.NPZ")), Some(Format::Npz));
    assert_eq!(Format::from_path(Path::new("faces")), None);
    assert_eq!("xml".parse::<Format>().unwrap_err().to_string(), "'xml' is not a format: jsonl, csv, npy or npz");
    assert_eq!(ids_path_beside(Path::new("a/faces.npy")), Path::new("a/faces.ids.csv"));
}
