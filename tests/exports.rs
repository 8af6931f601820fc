//! Files that earlier programs exported: this one reads them, and writes the same bytes of what it read.
//!
//! `fixtures/export-v1` is made by `UPDATE_FIXTURES=1 cargo test --test exports`, and again only if the formats change on
//! purpose: then the old ones stay and are read, and the new ones come beside them.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[path = "support/appliance.rs"]
#[allow(dead_code, reason = "each test binary uses its part")]
mod appliance;

use std::fs;
use std::path::{Path, PathBuf};

use appliance::Appliance;
use faceclique::engine::{Contents, Settings};
use faceclique::exchange::{Format, ids_path_beside};
use faceclique::face::DatabaseName;

/// What is exported: every kind of row, names that need care, numbers that are not round.
const ROWS: &str = r#"{"identifier":"anna","imagelabel":"1","embedding":[0.6,0.8,0.0],"metadata":{"born":"1970","of":"Zürich, \"Enge\""},"imagedata":"aGVsbG8="}
{"identifier":"anna","imagelabel":"2","embedding":[0.1,0.2,0.3]}
{"identifier":"böse; name,","imagelabel":"a \"b\"","embedding":[1e-3,-7.25,3.3333333]}
{"identifier":"later","imagelabel":"untrained","status":"Untrained","imagedata":"AAEC/w=="}
{"identifier":"nobody","metadata":{"why":"has no images"}}
"#;

fn fixture(format: Format) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("fixtures/export-v1/people.{format}"))
}

/// Imports a file into a database of that name and exports that in its format.
fn through(appliance: &Appliance, name: &str, from: &Path, to: &Path) {
    appliance.import(name, from);
    let (name, format) = (DatabaseName::new(name).unwrap(), Format::from_path(to).unwrap());
    appliance.engine.export(&name, to, format, Contents::default(), &mut |_| {}).unwrap();
}

#[test]
fn an_export_of_an_earlier_program_is_read_and_gives_the_same_bytes_again() {
    let folder = tempfile::tempdir().unwrap();
    let appliance = Appliance::open(Settings::new(folder.path().join("data")));
    let rows = folder.path().join("rows.jsonl");
    fs::write(&rows, ROWS).unwrap();
    for format in [Format::Jsonl, Format::Csv, Format::Npz, Format::Npy] {
        let kept = fixture(format);
        if std::env::var_os("UPDATE_FIXTURES").is_some() && !kept.exists() {
            fs::create_dir_all(kept.parent().unwrap()).unwrap();
            through(&appliance, &format!("made {format}"), &rows, &kept);
        }
        let again = folder.path().join(format!("again.{format}"));
        through(&appliance, &format!("read {format}"), &kept, &again);
        assert_eq!(fs::read(&again).unwrap(), fs::read(&kept).unwrap(), "{format}");
        if format == Format::Npy {
            let [again, kept] = [&again, &kept].map(|file| fs::read(ids_path_beside(file)).unwrap());
            assert_eq!(again, kept, "the names of {format}");
        }
    }
}
