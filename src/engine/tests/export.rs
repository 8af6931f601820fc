//! Exports over a store that dies at every write, and while others change what is exported.

use std::path::{Path, PathBuf};

use super::pictures::jsonl;
use super::*;

/// Where exports go, and how it stood at some moment: the same files, not copies.
struct Output {
    folder: TempDir,
    saved: TempDir,
}

impl Output {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap(), saved: tempfile::tempdir().unwrap() }
    }

    fn path(&self, file: &str) -> PathBuf {
        self.folder.path().join(file)
    }

    fn link(from: &Path, to: &Path) {
        for file in std::fs::read_dir(to).unwrap() {
            std::fs::remove_file(file.unwrap().path()).unwrap();
        }
        for file in std::fs::read_dir(from).unwrap() {
            let file = file.unwrap();
            std::fs::hard_link(file.path(), to.join(file.file_name())).unwrap();
        }
    }

    fn save(&self) {
        Self::link(self.folder.path(), self.saved.path());
    }

    fn restore(&self) {
        Self::link(self.saved.path(), self.folder.path());
    }

    fn names(&self) -> Vec<String> {
        let files = std::fs::read_dir(self.folder.path()).unwrap();
        let mut names: Vec<String> = files.map(|file| file.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    fn settings(&self, data: &TempDir) -> Settings {
        Settings { allowed_output: vec![self.folder.path().to_owned()], ..settings(data) }
    }
}

fn export(engine: &Engine, database: &str, path: &Path, format: Format) -> Result<Token, EngineError> {
    let (database, path) = (name(database), path.to_str().unwrap().to_owned());
    engine.submit_export(Ticket::default(), ExportRequest { database, path, format, contents: Contents::default() })
}

fn filled(engine: &Engine) {
    engine.create_database(&name("a"), None).unwrap();
    engine.new_face(&name("a"), Some(&identifier("ann"))).unwrap();
    engine.new_face(&name("a"), Some(&identifier("nobody"))).unwrap();
    engine.add_metadata(&name("a"), &identifier("nobody"), "note", "no images").unwrap();
    add_pictures(engine, "a", "ann", &[("1", "one"), ("2", "two")]).unwrap();
    let images = vec![image("3", &[0.6, 0.8])];
    engine.add_embeddings(&name("a"), &identifier("ann"), images, None).unwrap();
}

#[test]
fn r175_an_export_killed_at_any_write_is_there_whole_or_not_at_all_and_ends_well() {
    for format in [Format::Jsonl, Format::Npy] {
        let (folder, output) = (tempfile::tempdir().unwrap(), Output::new());
        let store = Mortal::with(Map::new(), u64::MAX);
        let engine = open(&store, output.settings(&folder));
        filled(&engine);
        let path = output.path("out.file");
        export(&engine, "a", &path, format).unwrap();
        let accepted = store.map();
        work_all(&engine);
        let (expected, names) = (std::fs::read(&path).unwrap(), output.names());
        assert_eq!(names.len(), if format == Format::Npy { 2 } else { 1 });
        for at in 0.. {
            for name in output.names() {
                std::fs::remove_file(output.path(&name)).unwrap();
            }
            let mortal = Mortal::with(accepted.clone(), at);
            let is_alive =
                catch_unwind(AssertUnwindSafe(|| work_all(&open(&mortal, output.settings(&folder))))).is_ok();
            if path.exists() {
                assert_eq!(std::fs::read(&path).unwrap(), expected, "{format}, write {at}: whole");
            }
            output.save();
            for (remains, is_stopped) in mortal.remains().into_iter().zip([false, true]) {
                output.restore();
                let store = Mortal::with(remains, u64::MAX);
                let engine = open(&store, output.settings(&folder));
                let token = engine.jobs(Queue::ExportFaceDatabase)[0].token;
                if is_stopped && engine.stop(Queue::ExportFaceDatabase, token).is_ok() {
                    assert_eq!(
                        output.names(),
                        Vec::<String>::new(),
                        "{format}, write {at}: a stopped job leaves nothing"
                    );
                } else {
                    work_all(&engine);
                    assert_eq!(queues(&engine), "ExportFaceDatabase Finished\n", "{format}, write {at}");
                    assert_eq!(output.names(), names, "{format}, write {at}");
                    assert_eq!(std::fs::read(&path).unwrap(), expected, "{format}, write {at}");
                }
                assert!(store.map().keys().all(|key| key[0] != b'e'), "{format}, write {at}: a mark is left");
            }
            if is_alive {
                assert!(at > 3, "an export writes");
                break;
            }
        }
    }
}

#[test]
fn r159_an_export_replaces_no_file_and_says_so_at_once_or_in_the_job() {
    let (folder, output) = (tempfile::tempdir().unwrap(), Output::new());
    let engine = open(&Mortal::with(Map::new(), u64::MAX), output.settings(&folder));
    filled(&engine);
    let path = output.path("out.jsonl");
    export(&engine, "a", &path, Format::Jsonl).unwrap();
    std::fs::write(&path, "of somebody else").unwrap();
    work_all(&engine);
    let text = format!("'dbpath={}': the file is there already and is not overwritten", path.display());
    assert_eq!(queues(&engine), format!("ExportFaceDatabase Error ({text})\n"));
    let refused = export(&engine, "a", &path, Format::Jsonl).unwrap_err();
    assert_eq!((refused.kind(), refused.to_string()), (ErrorKind::FileNotAccessible, text));
    assert_eq!(std::fs::read(&path).unwrap(), b"of somebody else");
    assert_eq!(output.names(), ["out.jsonl"]);
    std::fs::write(output.path("x.ids.csv"), "").unwrap();
    let refused = export(&engine, "a", &output.path("x.npy"), Format::Npy).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::FileNotAccessible, "the ids file would be replaced");
    export(&engine, "nobody", &output.path("y.csv"), Format::Csv).unwrap();
    work_all(&engine);
    assert!(queues(&engine).ends_with("ExportFaceDatabase Error ('database=nobody' does not exist)\n"));
}

#[test]
fn r175_exported_and_imported_again_everything_is_the_same() {
    let (folder, output) = (tempfile::tempdir().unwrap(), Output::new());
    let engine = open(&Mortal::with(Map::new(), u64::MAX), output.settings(&folder));
    filled(&engine);
    import(&engine, "a", "{\"identifier\":\"bad\",\"imagelabel\":\"1\",\"status\":\"failed\",\"reason\":\"noface\"}\n")
        .unwrap();
    work_all(&engine);
    let before = whole(&engine, &folder);
    assert!(before.contains("failed Some(NoFace)") && before.contains("pixels \"two\""), "{before}");
    let path = output.path("out.jsonl");
    export(&engine, "a", &path, Format::Jsonl).unwrap();
    work_all(&engine);
    let jobs = engine.jobs(Queue::ExportFaceDatabase);
    let Some(JobResult::Export(outcome)) = jobs[0].result().cloned() else { panic!() };
    assert_eq!(outcome, ExportOutcome { n_faces: 3, n_images: 4, n_skipped: 0 });
    let text = std::fs::read_to_string(&path).unwrap();
    engine.remove_database(&name("a")).unwrap();
    import(&engine, "a", &text).unwrap();
    work_all(&engine);
    assert_eq!(whole(&engine, &folder), before);
    // once more, into the database that is there: nothing is added, and no picture is there twice
    import(&engine, "a", &text).unwrap();
    work_all(&engine);
    assert_eq!(whole(&engine, &folder), before);
    let csv = output.path("out.csv");
    let outcome = engine.export(&name("a"), &csv, Format::Csv, Contents::default(), &mut |_| {}).unwrap();
    assert_eq!(outcome, ExportOutcome { n_faces: 1, n_images: 1, n_skipped: 3 });
    let bare = Contents { metadata: false, image_data: false };
    let path = output.path("bare.jsonl");
    engine.export(&name("a"), &path, Format::Jsonl, bare, &mut |_| {}).unwrap();
    let text = std::fs::read_to_string(&path).unwrap();
    assert!(!text.contains("imagedata") && !text.contains("metadata") && text.contains("nobody"), "{text}");
}

#[test]
fn r72_an_export_that_is_stopped_leaves_no_file_and_one_put_back_runs_again() {
    let (folder, output) = (tempfile::tempdir().unwrap(), Output::new());
    let store = Mortal::with(Map::new(), u64::MAX);
    let engine = open(&store, output.settings(&folder));
    filled(&engine);
    let token = export(&engine, "a", &output.path("a.npz"), Format::Npz).unwrap();
    let started = engine.start_next().unwrap().unwrap();
    engine.release_all();
    engine.work(&started);
    assert_eq!((queues(&engine), output.names()), ("ExportFaceDatabase Queued\n".to_owned(), Vec::new()));
    let engine = open(&store, output.settings(&folder));
    let started = engine.start_next().unwrap().unwrap();
    engine.stop(Queue::ExportFaceDatabase, token).unwrap();
    engine.work(&started);
    assert_eq!((queues(&engine), output.names()), ("ExportFaceDatabase Stopped\n".to_owned(), Vec::new()));
    export(&engine, "a", &output.path("a.npz"), Format::Npz).unwrap();
    work_all(&engine);
    assert_eq!(output.names(), ["a.npz"]);
}

#[test]
fn r174_without_image_data_pictures_are_left_out() {
    let folder = tempfile::tempdir().unwrap();
    let engine = fresh(&folder);
    let text = jsonl(&[("bob", "1", "pixels")]);
    engine
        .submit_import(
            Ticket::default(),
            ImportRequest {
                database: name("b"),
                data: Input::Received(Box::new(move |path| std::fs::write(path, text))),
                ids: None,
                format: Format::Jsonl,
                model: None,
                on_error: OnError::Stop,
                include_metadata: true,
                include_image_data: false,
            },
        )
        .unwrap();
    work_all(&engine);
    assert!(!shown(&engine, "b")[0].images[0].has_picture);
    assert_eq!(pictures(&folder), 0);
}

#[test]
fn r175_an_export_sees_one_moment_whatever_changes_meanwhile() {
    let folder = tempfile::tempdir().unwrap();
    let engine = fresh(&folder);
    engine.create_database(&name("a"), None).unwrap();
    engine.create_database(&name("other"), None).unwrap();
    for face in ["a", "b", "c", "d", "e"] {
        engine.new_face(&name("a"), Some(&identifier(face))).unwrap();
        let pixels: Vec<(String, String)> = (0..100).map(|i| (format!("{i:03}"), format!("{face}{i}"))).collect();
        let given: Vec<(&str, &str)> = pixels.iter().map(|(label, pixels)| (label.as_str(), pixels.as_str())).collect();
        add_pictures(&engine, "a", face, &given).unwrap();
    }
    let read = |path: &Path| std::fs::read_to_string(path).unwrap();
    let (quiet, busy) = (folder.path().join("quiet.jsonl"), folder.path().join("busy.jsonl"));
    engine.export(&name("a"), &quiet, Format::Jsonl, Contents::default(), &mut |_| {}).unwrap();
    let mut changes: Vec<Box<dyn FnOnce() + '_>> = vec![
        Box::new(|| engine.remove_face(&name("a"), &identifier("e")).unwrap()), // not read yet
        Box::new(|| engine.remove_face(&name("a"), &identifier("a")).unwrap()), // read already
        Box::new(|| engine.rename_face(&name("a"), &identifier("d"), &identifier("f")).unwrap()),
        Box::new(|| engine.move_face(&name("a"), &identifier("c"), &name("other")).unwrap()),
        Box::new(|| engine.null_images(&name("other"), &identifier("c"), None).unwrap()),
        Box::new(|| add_pictures(&engine, "a", "b", &[("zzz", "new")]).unwrap()),
        Box::new(|| engine.remove_images(&name("a"), &identifier("b"), &labels(&["001", "zzz"])).unwrap()),
        Box::new(|| engine.add_metadata(&name("a"), &identifier("f"), "k", "v").unwrap()),
        Box::new(|| engine.rename_database(&name("a"), &name("z")).unwrap()),
    ];
    changes.reverse();
    let mut observe = |Done { n: rows, .. }| {
        if rows > 0
            && rows.is_multiple_of(30)
            && let Some(change) = changes.pop()
        {
            change();
        }
    };
    engine.export(&name("a"), &busy, Format::Jsonl, Contents::default(), &mut observe).unwrap();
    drop(changes);
    assert!(read(&quiet) == read(&busy), "the same rows and pixels");
    whole(&engine, &folder); // no picture was kept for longer
    let gone = folder.path().join("gone.jsonl");
    let mut observe = |Done { n: rows, .. }| {
        if rows == 30 {
            engine.remove_database(&name("z")).unwrap();
        }
    };
    let error = engine.export(&name("z"), &gone, Format::Jsonl, Contents::default(), &mut observe).unwrap_err();
    assert_eq!((error.kind(), gone.exists()), (ErrorKind::DatabaseNotFound, false));
    whole(&engine, &folder);
}
