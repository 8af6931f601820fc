//! What the system says of this process, by the names that exporters commonly use.
//!
//! **Not here.** Other systems than Linux: where there is no `/proc` these metrics are left out.

use std::fs;

use crate::aci::exposition::{Exposition, Kind};

/// Linux reports times to programs in hundredths of a second, whatever its own clock is.
const TICKS_A_SECOND: f64 = 100.0;

/// Writes what can be found out.
pub(super) fn write(text: &mut Exposition) {
    let stat = fs::read_to_string("/proc/self/stat").ok();
    let stat = stat.as_deref().and_then(Stat::parse);
    let status = fs::read_to_string("/proc/self/status").ok();
    let bytes = |name: &str| status.as_deref().and_then(|status| field(status, name)).map(|kib| kib * 1024.0);
    let boot = fs::read_to_string("/proc/stat").ok().and_then(|text| field(&text, "btime "));
    let started = stat.as_ref().zip(boot).map(|(stat, boot)| boot + stat.started / TICKS_A_SECOND);
    let files = fs::read_dir("/proc/self/fd").ok().map(|files| files.count().saturating_sub(1) as f64); // but this one
    let limits = fs::read_to_string("/proc/self/limits").ok();
    let most_files = limits.as_deref().and_then(|limits| field(limits, "Max open files"));
    let seconds = stat.map(|stat| stat.busy / TICKS_A_SECOND);
    text.single(Kind::Counter, "process_cpu_seconds_total", "Processor time, of user and system.", seconds);
    text.single(Kind::Gauge, "process_resident_memory_bytes", "Memory that is in use.", bytes("VmRSS:"));
    text.single(Kind::Gauge, "process_virtual_memory_bytes", "Addresses that are in use.", bytes("VmSize:"));
    text.single(Kind::Gauge, "process_start_time_seconds", "When the process began, since 1970.", started);
    text.single(Kind::Gauge, "process_open_fds", "Open files.", files);
    text.single(Kind::Gauge, "process_max_fds", "Files that may be open.", most_files);
}

/// Of `/proc/self/stat`, in ticks.
#[derive(Debug, PartialEq)]
struct Stat {
    /// Processor time.
    busy: f64,
    /// Since the system began.
    started: f64,
}

impl Stat {
    /// Fields 14, 15 and 22; the second, the name of the program, may hold blanks and brackets.
    fn parse(text: &str) -> Option<Self> {
        let (_, behind_name) = text.rsplit_once(')')?;
        let fields: Vec<&str> = behind_name.split_ascii_whitespace().collect();
        let number = |place: usize| fields.get(place - 3).and_then(|field| field.parse::<f64>().ok());
        Some(Self { busy: number(14)? + number(15)?, started: number(22)? })
    }
}

/// The first number of the line that begins so.
fn field(text: &str, begin: &str) -> Option<f64> {
    let line = text.lines().find_map(|line| line.strip_prefix(begin))?;
    line.split_ascii_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_numbers_are_found_behind_any_name() {
        let text = "77 (a) b (c) S 1 2 3 4 5 6 7 8 9 10 250 50 0 0 20 0 9 0 12345 1000 20";
        assert_eq!(Stat::parse(text), Some(Stat { busy: 300.0, started: 12_345.0 }));
        assert_eq!(Stat::parse("77 (x) S 1"), None);
        assert_eq!(field("a 1\nVmRSS:\t  2048 kB\n", "VmRSS:"), Some(2048.0));
        assert_eq!(field("Max open files            1024      4096   files", "Max open files"), Some(1024.0));
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn this_process_can_be_found_out_about() {
        let mut text = Exposition::default();
        write(&mut text);
        let text = text.finish();
        assert_eq!(text.matches("# TYPE process_").count(), 6, "{text}");
    }
}
