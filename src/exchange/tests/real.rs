//! The whole of Labeled Faces in the Wild, when it is there.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::time::Instant;

use super::*;

#[test]
fn labeled_faces_in_the_wild_is_read_whole_and_goes_through_every_format() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data");
    for (name, dimension) in [("lfw_mobilefacenet_y1", 128), ("lfw_reid0095", 256)] {
        let path = folder.join(format!("{name}.npz"));
        if !path.exists() {
            // not `eprintln!`, which the test harness swallows when the test passes
            let _ = writeln!(std::io::stderr(), "SKIPPED: {} is not there", path.display());
            continue;
        }
        let began = Instant::now();
        let faces = records(read_path(&path, Format::Npz));
        eprintln!("{name}: read in {:?}", began.elapsed());
        assert_eq!(faces.len(), 13_233);
        let identities: BTreeSet<_> = faces.iter().map(|face| &face.identifier).collect();
        assert_eq!(identities.len(), 5_749);
        let images: BTreeSet<_> = faces.iter().map(|face| (&face.identifier, &face.label)).collect();
        assert_eq!(images.len(), faces.len());
        assert!(faces.iter().all(|face| face.embedding.as_ref().unwrap().dimension() == dimension));
        let id = |face: &Record| format!("{}/{}", face.identifier, face.label);
        assert_eq!(id(&faces[0]), "AJ_Cook/AJ_Cook_0001");
        assert_eq!(id(&faces[13_232]), "Zydrunas_Ilgauskas/Zydrunas_Ilgauskas_0001");
        through_every_format(name, &faces);
    }
}

fn through_every_format(name: &str, faces: &[Record]) {
    let folder = tempfile::tempdir().unwrap();
    for format in Format::ALL {
        let path = folder.path().join(format!("faces.{format}"));
        let began = Instant::now();
        write(&path, format, faces).unwrap();
        let written = began.elapsed();
        let bytes = path.metadata().unwrap().len();
        let began = Instant::now();
        let back = records(read_path(&path, format));
        eprintln!("{name}: {format} of {bytes} bytes written in {written:?}, read in {:?}", began.elapsed());
        assert!(back.iter().zip(faces).all(|(a, b)| (&a.identifier, &a.label) == (&b.identifier, &b.label)));
        assert!(back.iter().zip(faces).all(|(a, b)| a.embedding == b.embedding), "{format}");
    }
}
