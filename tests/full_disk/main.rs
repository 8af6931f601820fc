//! Disks that are full, broken or slow, under the real server: clear errors, nothing acknowledged lost, and it goes on.
//!
//! A few scenes by default; `FULL_DISK=all` for all of them and their table, as `make soak-full` does, or their numbers. The disk fails by a
//! library that is preloaded (`faults.c`), and once more truly, on a small tmpfs where that may be mounted.
#![cfg(all(feature = "server", feature = "vision", target_os = "linux"))]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod disk;
#[path = "../support/drawn.rs"]
mod drawn;
mod inside;
#[path = "../support/server.rs"]
mod server;
mod tmpfs;

use std::fmt::Write as _;
use std::io::Write as _;

use disk::{World, is_success, outcome};
use drawn::{encoded, portrait};
use image::ImageFormat;

/// What happens to a disk: the rule, but for the path.
const FAULTS: [(&str, &str); 4] =
    [("full", "grow ENOSPC"), ("EIO on write", "write EIO"), ("EIO on sync", "sync EIO"), ("sync of 2 s", "sync 2000")];

/// What is done meanwhile: its name, the part of the disk that fails, and how many calls pass first.
const SCENES: [(Act, &str, u32); 11] = [
    (Act::Submit, "-", 0),
    (Act::Pictures, "/pictures/", 0),
    (Act::Upload, "/spool/upload-", 0),
    (Act::Import, "/db/", 4),
    (Act::Build, "/db/", 6),
    (Act::Cluster, "/db/", 3),
    (Act::Pairs, "/pairs/", 0),
    (Act::Retention, "/db/", 3),
    (Act::Export, "/out/", 0),
    (Act::Spool, "/spool", 0),
    (Act::Log, "server.log", 0),
];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Act {
    Submit,
    Pictures,
    Upload,
    Import,
    Build,
    Cluster,
    Pairs,
    Retention,
    Export,
    Spool,
    Log,
}

/// A file of faces with random-looking embeddings.
fn faces(n: u32) -> Vec<u8> {
    let mut text = String::new();
    for at in 0..n {
        let values: Vec<String> = (0..8).map(|i| format!("{}", f64::from((at * 37 + i * 101) % 199) - 99.0)).collect();
        writeln!(text, "{{\"identifier\":\"p{at}\",\"imagelabel\":\"x\",\"embedding\":[{}]}}", values.join(","))
            .unwrap();
    }
    text.into_bytes()
}

impl Act {
    /// Does it, and says what came of it.
    fn run(self, world: &mut World, nth: u32) -> String {
        let mut picture = encoded(portrait(1), ImageFormat::Png);
        if self == Self::Spool {
            picture.resize(600_000, 0); // too large for memory
        }
        let add = |world: &World, label: u32| {
            let target = format!("/action=AddFaceImages&database=a&identifier=first&imagelabels=l{label}");
            world.server().post(&target, &[("imagedata", "image/png", &picture)])
        };
        let answer = match self {
            Self::Submit | Self::Pairs | Self::Cluster => {
                world.get("/action=FaceClustering&database=people&clusterthreshold=60")
            }
            Self::Retention => world.get("/action=FaceClustering&database=a&clusterthreshold=60"),
            Self::Pictures | Self::Spool => return outcome(&add(world, nth)),
            Self::Upload | Self::Import => {
                let target = format!("/action=ImportFaceDatabase&database=imported{nth}");
                let n = if self == Self::Import { 3_000 } else { 20 };
                world.server().post(&target, &[("dbdata", "", &faces(n))])
            }
            Self::Build => world.get("/action=BuildAllFaces"),
            Self::Export => {
                let path = format!("{}/{nth}.jsonl", world.out());
                world.get(&format!("/action=ExportFaceDatabase&database=people&dbpath={path}"))
            }
            Self::Log => {
                let is_made = world.new_face(&format!("logged{nth}"));
                return if is_made { "success".to_owned() } else { "refused".to_owned() };
            }
        };
        let queue = match self {
            Self::Submit | Self::Pairs | Self::Cluster | Self::Retention => "FaceClustering",
            Self::Build => "BuildAllFaces",
            Self::Export => "ExportFaceDatabase",
            _ => "ImportFaceDatabase",
        };
        match world.note_job(queue, &answer) {
            None => outcome(&answer),
            Some(token) => {
                // it ends, or the store fails, and then it is there when that is mended
                let state = server::wait_for(|| {
                    let answer = world.server().status(queue, &token);
                    let is_at_work =
                        ["Queued", "Processing"].iter().any(|word| answer.contains(&format!("<status>{word}<")));
                    if is_at_work && world.health().0 == 200 { Err(answer) } else { Ok(answer) }
                });
                format!("accepted, {}", outcome(&state))
            }
        }
    }
}

/// One scene; its row of the table.
fn scene(fault: (&str, &str), (act, part, skip): (Act, &str, u32)) -> Option<String> {
    let more = if act == Act::Retention { "[jobs]\nmax_ended_jobs = 1\n" } else { "" };
    let mut world = World::new(more)?;
    world.server().import("people", &faces(200));
    for label in 100..103 {
        let picture = encoded(portrait(label), ImageFormat::Png);
        let target = format!("/action=AddFaceImages&database=a&identifier=second&imagelabels=b{label}");
        assert!(is_success(&world.server().post(&target, &[("imagedata", "image/png", &picture)])));
    }
    if act == Act::Retention {
        act.run(&mut world, 0);
        world.forget_jobs();
    }
    world.fail(&format!("{} {skip} {part}", fault.1));
    let answer = act.run(&mut world, 1);
    // the store may be opened again between the two questions
    let status = server::wait_for(|| {
        let ((status, line), has_failed) = (world.health(), world.figure("faceclique_store_failed") > 0.0);
        assert!(status == 200 || line.contains("the disk"), "{line}");
        if has_failed == (status == 503) { Ok(status) } else { Err(format!("{status}, and has failed: {has_failed}")) }
    });
    let list = world.get("/action=ListFaces&database=a");
    // the store may have to rearrange a page before it can be read, which it cannot then
    assert!(is_success(&list) || list.contains("<errorcode>ERRORSTORAGE<"), "reading goes on: {list}");
    world.new_face("late");
    world.mend();
    assert!(world.figure("faceclique_store_failed") < 0.5);
    if act == Act::Retention {
        world.forget_jobs(); // only the last of them is kept
    }
    world.audit("when the disk is well");
    let again = act.run(&mut world, 2);
    let is_well = ["success", "Finished", "Processing", "Queued"].iter().any(|end| again.ends_with(end));
    assert!(is_well, "{act:?} with {}: {again}", fault.0);
    assert!(world.new_face("after"));
    let reopened = world.figure("faceclique_store_reopened_total");
    world.kill_and_start();
    if act == Act::Retention {
        world.forget_jobs();
    }
    world.audit("behind a kill");
    Some(format!("{:<13} {:<10} {:<75} {status}  {reopened}", fault.0, format!("{act:?}"), answer))
}

fn play(scenes: impl Iterator<Item = ((&'static str, &'static str), (Act, &'static str, u32))>) {
    let say = |row: String| std::io::stdout().write_all(format!("{row}\n").as_bytes()).unwrap(); // past the harness
    say(format!("{:<13} {:<10} {:<75} health reopened", "disk", "at", "answer"));
    for (fault, what) in scenes {
        let Some(row) = scene(fault, what) else { return };
        say(row);
    }
}

#[test]
fn a_disk_that_fails_loses_nothing_acknowledged_and_the_server_goes_on_when_it_is_well() {
    let asked = std::env::var("FULL_DISK").unwrap_or_default();
    let is_asked = |nth: usize| match asked.as_str() {
        "" => [0, 8, 14, 22].contains(&nth),
        "all" => true,
        numbers => numbers.split(',').any(|number| number == nth.to_string()),
    };
    let all = FAULTS.into_iter().flat_map(|fault| SCENES.map(|scene| (fault, scene)));
    play(all.enumerate().filter(|&(nth, _)| is_asked(nth)).map(|(_, scene)| scene));
}

#[test]
fn a_sync_that_hangs_holds_up_nobody_who_asks_after_a_job() {
    let Some(mut world) = World::new("") else { return };
    world.server().import("people", &faces(20));
    let answer = world.get("/action=FaceClustering&database=people&clusterthreshold=60");
    let token = world.note_job("FaceClustering", &answer).unwrap();
    world.audit("before");
    let target = format!("/action=QueueInfo&QueueName=FaceClustering&QueueAction=getStatus&Token={token}");
    let submit = || {
        let token = world.server().submit("/action=FaceClustering&database=people&clusterthreshold=60");
        world.server().ended("FaceClustering", &token)
    };
    let ended = world.polled_during(&target, submit);
    assert!(ended.contains("<status>Finished<"), "{ended}");
}

#[test]
fn a_backup_on_a_full_disk_is_an_error_and_leaves_nothing_and_the_engine_goes_on() {
    if let Some(folder) = inside::folder() {
        return inside::backups(&folder);
    }
    let Some(library) = disk::library_or_skip() else { return };
    inside::run(library, "a_backup_on_a_full_disk_is_an_error_and_leaves_nothing_and_the_engine_goes_on");
}

#[test]
fn a_store_that_is_written_anew_on_a_full_disk_is_the_old_one_and_goes_on() {
    if let Some(folder) = inside::folder() {
        return inside::rewrites(&folder);
    }
    let Some(library) = disk::library_or_skip() else { return };
    inside::run(library, "a_store_that_is_written_anew_on_a_full_disk_is_the_old_one_and_goes_on");
}

#[test]
fn a_store_that_cannot_be_closed_ends_the_process_and_the_next_start_goes_on() {
    let Some(mut world) = World::new("") else { return };
    world.server().import("people", &faces(4_000));
    world.audit("before");
    // large pages of a result, which sled writes as files of their own
    world.fail("grow ENOSPC 0 /db/blobs/");
    let answer =
        world.get("/action=FaceClustering&database=people&clusterthreshold=90&outputthreshold=0&maxresults=100");
    assert!(world.note_job("FaceClustering", &answer).is_some(), "{answer}");
    assert_eq!(world.exit_code(), Some(75));
    world.fail("");
    world.start();
    world.audit("behind the next start");
    assert!(world.new_face("after"));
}
