//! A disk that is full in the middle of a backup, and of writing the store anew: in a process of its own, under the same
//! library, at every call that needs room in turn.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use faceclique::engine::{Engine, Settings, restore_backup, verify_backup};
use faceclique::face::{DatabaseName, Embedding, Identifier};
use faceclique::store::{Batch, Disk, Store as _};

/// Says that this is that process.
const PROBE: &str = "FULL_DISK_PROBE";

/// Runs this test once more, in a process of its own whose disk fails.
pub(crate) fn run(library: &Path, test: &str) {
    let folder = tempfile::tempdir().unwrap();
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", test, "--nocapture"]).env(PROBE, "1").env("LD_PRELOAD", library);
    command.env("FAULTS", folder.path().join("faults")).env("FAULTS_ROOT", folder.path());
    let output = command.output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&said));
}

/// The folder of this process, if it is one of those.
pub(crate) fn folder() -> Option<PathBuf> {
    std::env::var_os(PROBE).and_then(|_| std::env::var_os("FAULTS_ROOT")).map(PathBuf::from)
}

/// From now on calls fail as this rule says.
fn fail(folder: &Path, rule: &str) {
    fs::write(folder.join("faults.new"), format!("{rule}\n")).unwrap();
    fs::rename(folder.join("faults.new"), folder.join("faults")).unwrap();
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// Backups of an engine at work.
pub(crate) fn backups(folder: &Path) {
    let (data, out, again) = (folder.join("data"), folder.join("out"), folder.join("again"));
    fs::create_dir(&out).unwrap();
    let engine = Engine::open(Settings::new(&data)).unwrap();
    let people = DatabaseName::new("people").unwrap();
    let face = |nth: usize| Identifier::new(&format!("face {nth}")).unwrap();
    engine.create_database(&people, None).unwrap();
    let mut n_faces = 0;
    for skip in 0.. {
        fail(folder, &format!("grow ENOSPC {skip} /out/"));
        let made = engine.backup(&out.join("monday"), &mut |_| {});
        engine.new_face(&people, Some(&face(n_faces))).unwrap();
        let embedding = Embedding::new([1.0, n_faces as f32]).unwrap();
        engine.add_embeddings(&people, &face(n_faces), vec![(None, embedding)], None).unwrap();
        n_faces += 1;
        let Err(error) = made else { break };
        assert!(error.to_string().contains("No space left on device"), "{skip}: {error}");
        assert_eq!(names(&out), [""; 0], "{skip}: what was half written is gone");
    }
    assert!(n_faces > 8, "{n_faces}: too few calls have failed");
    fail(folder, "");
    assert_eq!(names(&out), ["monday"]);
    drop(engine);
    verify_backup(&out.join("monday"), &mut |_| {}).unwrap();
    restore_backup(&out.join("monday"), &again, &mut |_| {}).unwrap();
    for (data, n) in [(&data, n_faces), (&again, n_faces - 1)] {
        let list = Engine::open(Settings::new(data)).unwrap().list_databases().unwrap();
        assert_eq!(list[0].n_faces, n as u64, "{}", data.display());
    }
}

fn put(disk: &Disk, key: &str, value: Option<Vec<u8>>) {
    let mut batch = Batch::new();
    match value {
        Some(value) => batch.put(key, value),
        None => batch.remove(key),
    }
    disk.commit(batch).unwrap();
}

/// Has the files of a store take much more than its records.
fn waste(disk: &Disk) {
    (0..70).for_each(|nth| put(disk, "g", Some(vec![nth; 1 << 20])));
    put(disk, "g", None);
}

/// Writing a store anew that takes much more than its records.
pub(crate) fn rewrites(folder: &Path) {
    let data = folder.join("data");
    let open = || Disk::open(&data, 8 << 20).unwrap();
    let records = |disk: &Disk| disk.scan(b"k").map(Result::unwrap).collect::<Vec<_>>();
    let n_stores = || names(&data).iter().filter(|name| name.starts_with("db")).count();
    let disk = open();
    (0..70).for_each(|nth| put(&disk, &format!("k{nth:02}"), Some(vec![nth; 20_000])));
    let mut expected = records(&disk);
    drop(disk);
    let mut n_failed = [0; 2];
    // into the new store; and when it is to be named as the one that counts, where a failure leaves open which does
    for (step, part) in ["/db.1/", "/generation"].into_iter().enumerate() {
        waste(&open());
        for skip in 0.. {
            let _ = fs::remove_file(data.join("generation.new")); // else the next one makes no new file
            let disk = open();
            fail(folder, &format!("grow ENOSPC {skip} {part}"));
            let tidied = disk.tidy(&|| true);
            fail(folder, "");
            assert_eq!(records(&disk), expected, "{skip} {part}");
            if let Ok(tidied) = tidied {
                assert!(tidied.is_some(), "{skip} {part}: it was not tried");
                break;
            }
            n_failed[step] += 1;
            if disk.failure().is_none() {
                assert_eq!(n_stores(), 1, "{skip} {part}: what was half written is there");
                put(&disk, "kmore", Some(vec![skip; 10]));
                expected = records(&disk);
            } else {
                assert_eq!(step, 1, "{skip} {part}: a failure in the new store is none of the one that counts");
            }
            drop(disk);
            assert_eq!(records(&open()), expected, "{skip} {part}: after a start");
        }
    }
    assert!(n_failed[0] > 5 && n_failed[1] == 4, "{n_failed:?} calls have failed");
    let disk = open();
    put(&disk, "kend", Some(vec![1]));
    assert_eq!(records(&disk).len(), expected.len() + 1);
}
