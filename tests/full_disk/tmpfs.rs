//! A disk that is truly full: a small tmpfs, where one may be mounted.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::disk::{is_success, skipped};
use crate::server::{Server, wait_for};

/// A file system of 24 MiB, until it is dropped.
struct Mounted(tempfile::TempDir);

impl Mounted {
    fn new() -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", "size=24m", "faceclique-test"]).arg(folder.path());
        let is_mounted = mount.output().is_ok_and(|output| output.status.success());
        if !is_mounted {
            skipped("no tmpfs may be mounted here, so no disk is truly full");
        }
        is_mounted.then_some(Self(folder))
    }

    fn path(&self) -> &Path {
        self.0.path()
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(self.0.path()).status();
    }
}

/// Fills a file system but for so many bytes.
fn fill(folder: &Path, but: usize) {
    let file = folder.join("filler");
    let mut size = 24 << 20;
    let _ = fs::remove_file(&file);
    while fs::write(&file, vec![1; size]).is_err() {
        size -= 64 << 10;
    }
    fs::write(&file, vec![1; size.saturating_sub(but)]).unwrap();
}

#[test]
fn below_the_reserve_what_needs_room_is_refused_and_a_full_disk_is_gone_on_with() {
    let Some(disk) = Mounted::new() else { return };
    let config = disk.path().join("faceclique.toml");
    fs::write(&config, "[limits]\nmin_free_space = 4194304\n").unwrap();
    let server = Server::start_with(&disk.path().join("data"), &["--config", config.to_str().unwrap()]);
    let face = |name: &str| server.get(&format!("/action=NewFace&database=a&identifier={name}"));
    assert!(is_success(&server.get("/action=CreateFaceDatabase&database=a")) && is_success(&face("kept")));
    fill(disk.path(), 2 << 20);
    // how much is free is asked again only after a moment
    let refused = wait_for(|| {
        let answer = server.get("/action=FaceClustering&database=a&clusterthreshold=60");
        if is_success(&answer) { Err(answer) } else { Ok(answer) }
    });
    assert!(refused.contains("the disk is nearly full") && refused.contains("4194304 are to stay so"), "{refused}");
    let health = server.get("/health");
    assert!(health.starts_with("ok, but the disk is nearly full"), "{health}");
    assert!(is_success(&server.get("/action=RemoveFace&database=a&identifier=kept")), "giving room back goes on");
    fs::remove_file(disk.path().join("filler")).unwrap();
    wait_for(|| {
        let health = server.get("/health");
        if health == "ok" { Ok(()) } else { Err(health) }
    });
    assert!(is_success(&face("more")));
}
