//! The disk below the data directory: what file system it is, how much is free, and how long a sync takes.

use std::io::Write as _;
use std::path::Path;
use std::time::{Duration, Instant};

use super::{Finding, Verdict, data, size};

/// Syncs measured.
const N_SYNCS: usize = 32;

/// No disk is known to be so fast; its cache may be all that was written to.
const IMPLAUSIBLE: Duration = Duration::from_micros(50);

const SLOW: Duration = Duration::from_millis(50);

/// The numbers that `statfs` gives for file systems (Linux, magic.h).
const KINDS: [(u32, &str, Verdict); 17] = [
    (0xEF53, "ext4", Verdict::Ok),
    (0x5846_5342, "xfs", Verdict::Ok),
    (0x9123_683E, "btrfs", Verdict::Ok),
    (0x2FC1_2FC1, "zfs", Verdict::Ok),
    (0xF2F5_2010, "f2fs", Verdict::Ok),
    (0x6969, "nfs", Verdict::Warn),
    (0x517B, "smb", Verdict::Warn),
    (0xFF53_4D42, "cifs", Verdict::Warn),
    (0xFE53_4D42, "smb2", Verdict::Warn),
    (0x00C3_6400, "ceph", Verdict::Warn),
    (0x0102_1997, "9p", Verdict::Warn),
    (0x6573_5546, "fuse", Verdict::Warn),
    (0x0102_1994, "tmpfs", Verdict::Fail),
    (0x8584_58F6, "ramfs", Verdict::Fail),
    (0x794C_7630, "overlay", Verdict::Warn),
    (0x4D44, "fat", Verdict::Warn),
    (0x2011_BAB0, "exfat", Verdict::Warn),
];

/// Every check of the disk.
pub(super) fn all(folder: &Path) -> Vec<Finding> {
    let there = data::nearest(folder);
    let mut findings = vec![kind(there)];
    findings.extend(room(there));
    findings.push(syncs(there));
    findings
}

fn kind(there: &Path) -> Finding {
    const CHECK: &str = "file system";
    match rustix::fs::statfs(there) {
        Ok(about) => of_kind(about.f_type as u32), // the numbers have 32 bits; the field has as many as a word
        Err(error) => Finding::warn(CHECK, format!("not known: {error}"), ""),
    }
}

fn of_kind(number: u32) -> Finding {
    const CHECK: &str = "file system";
    match KINDS.into_iter().find(|&(known, ..)| known == number) {
        None => Finding::ok(CHECK, format!("0x{number:x}, which is none that is known here")),
        Some((_, name, Verdict::Ok)) => Finding::ok(CHECK, name),
        Some((_, name, Verdict::Fail)) => {
            Finding::fail(CHECK, format!("{name}: in memory, gone with the machine"), "set paths.data to a disk")
        }
        Some((_, "overlay", Verdict::Warn)) => {
            Finding::warn(CHECK, "overlay: of a container, gone with it", "mount a volume as data directory")
        }
        Some((_, name, Verdict::Warn)) => Finding::warn(
            CHECK,
            format!("{name}: locks and syncs may not be what they are on a local disk"),
            "set paths.data to a local disk (ext4, xfs)",
        ),
    }
}

fn room(there: &Path) -> Vec<Finding> {
    let about = match rustix::fs::statvfs(there) {
        Ok(about) => about,
        Err(error) => return vec![Finding::warn("free space", format!("not known: {error}"), "")],
    };
    let free = about.f_bavail.saturating_mul(about.f_frsize);
    let all = about.f_blocks.saturating_mul(about.f_frsize);
    let mut findings = vec![space(free, all)];
    if about.f_files > 0 {
        let found = format!("{} free of {}", about.f_favail, about.f_files);
        findings.push(match about.f_favail {
            0..1_000 => Finding::fail("inodes", found, "remove files: every picture is one"),
            1_000..20_000 => Finding::warn("inodes", found, "remove files: every picture is one"),
            _ => Finding::ok("inodes", found),
        });
    }
    findings
}

fn space(free: u64, all: u64) -> Finding {
    const CHECK: &str = "free space";
    let found = format!("{} of {}", size(free), size(all));
    if free < 256 << 20 {
        Finding::fail(CHECK, found, "free some: a store that cannot write takes no more changes until there is room")
    } else if free < 2 << 30 || free < all / 20 {
        Finding::warn(CHECK, found, "free some: a million images of 512 numbers take some 4 GB")
    } else {
        Finding::ok(CHECK, found)
    }
}

fn syncs(there: &Path) -> Finding {
    const CHECK: &str = "sync";
    match measured(there) {
        Ok(times) => of_times(times),
        Err(error) => Finding::fail(CHECK, format!("4 KiB cannot be written and synced: {error}"), "see the disk"),
    }
}

fn measured(there: &Path) -> std::io::Result<Vec<Duration>> {
    let mut file = tempfile::tempfile_in(there)?;
    let mut times = Vec::with_capacity(N_SYNCS);
    for _ in 0..N_SYNCS {
        let begun = Instant::now();
        file.write_all(&[0x5A; 4096])?;
        file.sync_data()?;
        times.push(begun.elapsed());
    }
    Ok(times)
}

fn of_times(mut times: Vec<Duration>) -> Finding {
    const CHECK: &str = "sync";
    times.sort_unstable();
    let (Some(&median), Some(&slowest)) = (times.get(times.len() / 2), times.last()) else {
        return Finding::warn(CHECK, "not measured", "");
    };
    let found = format!("4 KiB in {median:.1?}, the slowest of {} in {slowest:.1?}", times.len());
    if median < IMPLAUSIBLE {
        let advice = "see whether a cache without a battery confirms what is not on the disk; a power cut may take jobs that were acknowledged";
        Finding::warn(CHECK, format!("{found}: hardly a disk"), advice)
    } else if median > SLOW {
        Finding::warn(CHECK, format!("{found}: slow"), "every acknowledged change waits for one; use a faster disk")
    } else {
        Finding::ok(CHECK, found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_system_that_forgets_is_a_failure_and_a_distant_one_a_warning() {
        for (number, verdict) in
            [(0xEF53, Verdict::Ok), (0x6969, Verdict::Warn), (0x794C_7630, Verdict::Warn), (0x0102_1994, Verdict::Fail)]
        {
            assert_eq!(of_kind(number).verdict, verdict, "{number:x}");
        }
    }

    #[test]
    fn little_room_is_a_warning_and_none_a_failure() {
        let verdicts = [100 << 20, 1 << 30, 90 << 30].map(|free| space(free, 100 << 30).verdict);
        assert_eq!(verdicts, [Verdict::Fail, Verdict::Warn, Verdict::Ok]);
    }

    #[test]
    fn a_sync_that_takes_no_time_or_too_much_is_a_warning() {
        let of = |micros| of_times(vec![Duration::from_micros(micros); 5]).verdict;
        assert_eq!([of(3), of(2_000), of(90_000)], [Verdict::Warn, Verdict::Ok, Verdict::Warn]);
    }
}
