//! A disk that is full in the middle of a backup: in a process of its own, under the same library, at every call that needs
//! room in turn.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use faceclique::engine::{Engine, Settings, restore_backup, verify_backup};
use faceclique::face::{DatabaseName, Embedding, Identifier};

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
