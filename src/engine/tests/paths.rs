//! Files named by clients: what is read and written, and what is not, however it is named.

use std::io::Read as _;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use super::*;

/// An allowed folder with files and traps in it, beside a secret.
struct Trap {
    folder: TempDir,
    engine: Arc<Engine>,
}

impl Trap {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        for name in ["in", "in/sub", "in..", "data"] {
            std::fs::create_dir(at(name)).unwrap();
        }
        std::fs::write(at("in/plain"), "plain").unwrap();
        std::fs::write(at("in/sub/deep"), "deep").unwrap();
        std::fs::write(at("secret"), "secret").unwrap();
        std::fs::write(at("in../beside"), "secret").unwrap();
        symlink(at("in/sub"), at("in/inside")).unwrap();
        symlink(at("secret"), at("in/outside")).unwrap();
        symlink(folder.path(), at("in/up")).unwrap();
        symlink(at("nowhere"), at("in/dangling")).unwrap();
        symlink(at("in"), at("way_in")).unwrap();
        assert!(Command::new("mkfifo").arg(at("in/pipe")).status().unwrap().success());
        let mut settings = Settings::new(at("data"));
        (settings.allowed_input, settings.allowed_output) = (vec![at("in")], vec![at("in")]);
        Self { engine: open(&Mortal::with(Map::new(), u64::MAX), settings), folder }
    }

    fn path(&self, name: &str) -> String {
        self.folder.path().join(name).to_str().unwrap().to_owned()
    }

    /// What is read of a file, or why it is not.
    fn read(&self, path: &str) -> Result<String, ErrorKind> {
        let mut text = String::new();
        self.engine.allowed_input("imagepath", path).map_err(|error| {
            assert!(error.to_string().starts_with(&format!("'imagepath={path}'")), "{error}");
            error.kind()
        })?;
        let mut file = self.engine.allowed_input("imagepath", path).unwrap();
        file.read_to_string(&mut text).unwrap();
        Ok(text)
    }
}

#[test]
fn r158_files_below_the_allowed_folder_are_read_by_whatever_way_leads_there() {
    let trap = Trap::new();
    for (name, content) in [
        ("in/plain", "plain"),
        ("in/sub/deep", "deep"),
        ("in/inside/deep", "deep"),
        ("in/../in/./plain", "plain"),
        ("way_in/plain", "plain"),
        ("in/up/in/plain", "plain"),
    ] {
        assert_eq!(trap.read(&trap.path(name)), Ok(content.to_owned()), "{name}");
    }
    let program = std::env::current_exe().unwrap();
    let depth = program.components().count() - 2; // the root, and the program itself
    let relative = format!("{}{}", "../".repeat(depth), trap.path("in/plain").trim_start_matches('/'));
    assert_eq!(trap.read(&relative), Ok("plain".to_owned()), "relative paths start at the program's folder");
}

#[test]
fn r158_nothing_else_is_read_and_nothing_is_waited_for() {
    let trap = Trap::new();
    for name in [
        "secret",
        "in/../secret",
        "in/outside",
        "in/up/secret",
        "in/sub/../../secret",
        "in../beside",
        "in/dangling",
        "in/pipe",
        "in/sub",
        "in",
        "in/",
        "nothing",
        "in/../nothing",
        "nowhere/../in/nothing",
    ] {
        assert_eq!(trap.read(&trap.path(name)), Err(ErrorKind::PathNotAllowed), "{name}");
    }
    for path in ["/dev/zero", "/proc/self/mem", "/", "", ".", "in\0plain"] {
        assert!(trap.engine.allowed_input("imagepath", path).is_err(), "{path:?}");
    }
    assert_eq!(trap.read(&trap.path("in/nothing")), Err(ErrorKind::FileNotAccessible), "allowed and not there");
    assert_eq!(trap.read(&trap.path("in/no/such/folder")), Err(ErrorKind::FileNotAccessible));
    let none = fresh(&tempfile::tempdir().unwrap());
    let error = none.allowed_input("dbpath", &trap.path("in/plain")).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::PathNotAllowed, "by default nothing is readable");
}

#[test]
fn r158_a_folder_that_becomes_a_link_while_it_is_judged_leads_nowhere() {
    let trap = Trap::new();
    let (real, away, link) = (trap.path("in/turn"), trap.path("in/away"), trap.path("in/link"));
    std::fs::create_dir(&real).unwrap();
    std::fs::write(format!("{real}/secret"), "ours").unwrap();
    symlink(trap.folder.path(), &link).unwrap();
    std::thread::scope(|scope| {
        let swapping = scope.spawn(|| {
            for _ in 0..3_000 {
                std::fs::rename(&real, &away).unwrap();
                std::fs::rename(&link, &real).unwrap();
                std::fs::rename(&real, &link).unwrap();
                std::fs::rename(&away, &real).unwrap();
            }
        });
        while !swapping.is_finished() {
            let Ok(mut file) = trap.engine.allowed_input("imagepath", &format!("{real}/secret")) else { continue };
            let mut text = String::new();
            file.read_to_string(&mut text).unwrap();
            assert_eq!(text, "ours", "what was judged is what is read");
        }
    });
}

#[test]
fn r159_files_are_written_only_below_the_allowed_folder() {
    let trap = Trap::new();
    trap.engine.create_database(&name("a"), None).unwrap();
    let export = |path: &str| {
        let (database, path) = (name("a"), path.to_owned());
        let request = ExportRequest { database, path, format: Format::Jsonl, contents: Contents::default() };
        trap.engine.submit_export(Ticket::default(), request).map_err(|error| error.kind())
    };
    for name in ["out", "in/../out", "in/up/out", "in../out", "in/outside/out", "in/..", "nowhere/out", "in/dangling/x"]
    {
        assert_eq!(export(&trap.path(name)), Err(ErrorKind::PathNotAllowed), "{name}");
    }
    for name in ["in/plain", "in/sub", "in/dangling", "in/outside", "in/pipe", "in/nowhere/out"] {
        assert_eq!(export(&trap.path(name)), Err(ErrorKind::FileNotAccessible), "{name}");
    }
    for name in ["in/new", "in/inside/new", "way_in/other"] {
        export(&trap.path(name)).unwrap();
    }
    work_all(&trap.engine);
    assert_eq!(queues(&trap.engine), "ExportFaceDatabase Finished\n".repeat(3));
    for name in ["in/new", "in/sub/new", "in/other"] {
        assert!(Path::new(&trap.path(name)).is_file(), "{name}");
    }
}
