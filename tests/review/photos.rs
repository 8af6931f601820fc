//! Real photos under names of which some are wrong, trained by the program.

use std::fs;
use std::path::Path;

use crate::World;
use crate::server::{Server, program};

const PACK: &str = "mobilefacenet-y1";

/// So many people, and photos of each.
const PEOPLE: usize = 8;
const PHOTOS: usize = 8;

/// The server of such a database; none where there are no photos.
pub(crate) fn world() -> Option<World> {
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data");
    if !data.join("photos").is_dir() {
        eprintln!("NOT TRIED: there are no photos: {} is absent", data.join("photos").display());
        return None;
    }
    let folder = tempfile::tempdir().unwrap();
    let (photos, served) = (folder.path().join("photos"), folder.path().join("data"));
    file(&data.join("photos"), &photos);
    let run = |arguments: &[&str]| {
        let done = program(arguments).arg("--data").arg(&served).output().unwrap();
        assert!(done.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&done.stderr));
    };
    run(&["models", "add", PACK, data.join("models").to_str().unwrap()]);
    run(&["import", "--database", "people", "--pack", PACK, photos.to_str().unwrap()]);
    Some(World { server: Server::start_with(&served, &["--pack", PACK]), _folder: folder })
}

/// Copies photos into folders of their people, and a few into wrong ones: one of each of the first three people is under
/// the next name, and half of the last two people's are under a second name.
fn file(from: &Path, to: &Path) {
    let sorted = |folder: &Path| {
        let mut names: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        names
    };
    let people: Vec<String> = sorted(from).into_iter().take(PEOPLE).map(|name| name.into_string().unwrap()).collect();
    for (person, name) in people.iter().enumerate() {
        for (at, photo) in sorted(&from.join(name)).into_iter().take(PHOTOS).enumerate() {
            let filed = match (person, at) {
                (0..3, 0) => people[person + 1].clone(),
                (6.., 0..4) => format!("{name} (2)"),
                _ => name.clone(),
            };
            fs::create_dir_all(to.join(&filed)).unwrap();
            fs::copy(from.join(name).join(&photo), to.join(&filed).join(&photo)).unwrap();
        }
    }
}
