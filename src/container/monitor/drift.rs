//! Which of a profile's settings are not in force: what `Apply` would change, without changing it.

use super::Monitor;
use super::defaults::{PER_DEVICE, whole_quota};
use super::settings::Setting;
use crate::container::control::Settings;
use crate::error::Result;
use crate::plan::cgroups::device_rule;
use crate::plan::cgroups::spelling::{Speller, bytes, is_unlimited};
use crate::plan::devices;
use crate::profile::value::CpuList;
use crate::sys::cgroup;
use std::fmt::Write;

/// The largest page there is, in bytes: limits of memory are rounded to pages.
const PAGE: u64 = 64 * 1024;

/// Stands for all the numbers that are none.
const UNLIMITED: u64 = u64::MAX;

impl Monitor<'_> {
    /// A line for each setting that is not as it should be, in the words of `apply`.
    #[inline(never)]
    pub(super) fn compare(&mut self, settings: Settings<'_>) -> Result<String> {
        let (mut writes, rules) = self.spell_all(settings, Speller::default())?;
        whole_quota(&mut writes);
        let mut all = self.defaults(&writes);
        all.append(&mut writes);
        let mut text = String::new();
        for (index, setting) in all.iter().enumerate() {
            // Of several writes to one file the last one counts.
            let again = |other: &Setting| {
                (&other.dir, &other.file, other.device()) == (&setting.dir, &setting.file, setting.device())
            };
            if all.iter().skip(index + 1).any(again) {
                continue;
            }
            // What can not be read can not be told; a file that is not there at all was refused when it was written.
            let Ok(found) = cgroup::read(&setting.dir, &setting.file) else { continue };
            let found = setting.found_in(&found);
            if !is(&setting.file, found, setting.value.trim()) {
                let (file, wanted) = (&setting.file, setting.value.trim());
                // Writing to a String does not fail.
                let _ = writeln!(text, "{file}: {} -> {}", found.replace('\n', ", "), shown(wanted));
            }
        }
        if let Ok((dir, unified)) =
            self.dir_of("devices.list").map(|(dir, unified)| (dir.to_owned(), unified))
        {
            let rules = rules.iter().map(device_rule).collect::<Result<Vec<_>>>()?;
            let wanted = devices::evaluate(&rules);
            for (verb, rule) in self.policy(&dir, unified)?.towards(&wanted) {
                let _ = writeln!(text, "devices: {verb} {rule}");
            }
        }
        Ok(text)
    }
}

impl Setting {
    /// Whether its file says so already; not known of one that can not be read.
    pub(super) fn is_in_force(&self) -> bool {
        cgroup::read(&self.dir, &self.file)
            .is_ok_and(|found| is(&self.file, self.found_in(&found), self.value.trim()))
    }

    /// The device that a line of a file with many is about.
    fn device(&self) -> Option<&str> {
        self.value.split(' ').next().filter(|word| word.contains(':'))
    }

    /// What the file holds for this setting.
    fn found_in<'a>(&self, text: &'a str) -> &'a str {
        match self.device() {
            Some(device) => {
                text.lines().find(|line| line.split(' ').next() == Some(device)).unwrap_or_default().trim()
            }
            None if self.file == "memory.oom_control" => {
                text.lines().next().and_then(|line| line.rsplit(' ').next()).unwrap_or_default()
            }
            None => text.lines().next().unwrap_or_default().trim(),
        }
    }
}

fn shown(wanted: &str) -> &str {
    if wanted.is_empty() { "(none)" } else { wanted }
}

/// Whether what a file holds is what was written to it.
fn is(file: &str, found: &str, wanted: &str) -> bool {
    if file.starts_with("cpuset.") || matches!(file, "cpus" | "mems") {
        let list = |text: &str| text.parse::<CpuList>().ok();
        return found == wanted || list(found).is_some_and(|found| list(wanted) == Some(found));
    }
    // No line for a device is no limit for it.
    let none = PER_DEVICE.iter().find(|(name, _)| *name == file).map(|(_, none)| none);
    if found.is_empty()
        && none.is_some_and(|none| wanted.split_once(' ').is_some_and(|(_, rest)| rest == *none))
    {
        return true;
    }
    // The first weight is the default one.
    let found =
        if wanted.starts_with("default ") { found } else { found.strip_prefix("default ").unwrap_or(found) };
    let mut words = found.split_ascii_whitespace();
    match file {
        // In any order, and those that are not said have no limit.
        "io.max" => wanted.split(' ').all(|word| found.split(' ').any(|other| other == word)),
        // Without a second word the period stays as it is.
        _ => wanted
            .split_ascii_whitespace()
            .all(|word| words.next().is_some_and(|found| same(file, found, word))),
    }
}

fn same(file: &str, found: &str, wanted: &str) -> bool {
    if found == wanted {
        return true;
    }
    let number = |text: &str| match text {
        "max" | "-1" => Some(UNLIMITED),
        _ => bytes(text).ok().map(|number| if is_unlimited(number) { UNLIMITED } else { number }),
    };
    match (number(found), number(wanted)) {
        (Some(found), Some(wanted)) if file.starts_with("memory.") && file != "memory.swappiness" => {
            found == wanted || found < wanted && wanted < UNLIMITED && wanted - found < PAGE
        }
        (found, wanted) => found.is_some() && found == wanted,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_spelling_of_what_was_written_is_no_difference() {
        for (file, found, wanted) in [
            ("cpuset.cpus", "0-1", "0,1"),
            ("cpuset.cpus", "", ""),
            ("cpu.shares", "1024", "1024"),
            ("memory.limit_in_bytes", "67108864", "64M"),
            ("memory.limit_in_bytes", "9223372036854771712", "-1"),
            ("memory.limit_in_bytes", "9223372036854710272", "-1"),
            // On 32 bits, with pages of 4 and of 64 KiB.
            ("memory.limit_in_bytes", "8796093018112", "-1"),
            ("memory.soft_limit_in_bytes", "140737488289792", "-1"),
            ("memory.limit_in_bytes", "4096", "5000"),
            ("memory.max", "max", "max"),
            ("cpu.max", "50000 100000", "50000"),
            ("cpu.max", "max 100000", "max 100000"),
            ("pids.max", "max", "max"),
            ("io.weight", "default 50", "50"),
            ("io.weight", "default 50", "default 50"),
            ("blkio.throttle.read_bps_device", "8:0 1048576", "8:0 1048576"),
            ("blkio.throttle.read_bps_device", "", "8:0 0"),
            ("io.max", "8:0 rbps=1048576 wbps=max riops=max wiops=max", "8:0 rbps=1048576"),
            ("cpuset.cpus.partition", "member", "member"),
        ] {
            assert!(is(file, found, wanted), "{file}: {found} {wanted}");
        }
        for (file, found, wanted) in [
            ("cpuset.cpus", "0-1", "0"),
            ("cpuset.cpus", "0-1", ""),
            ("cpu.shares", "1024", "512"),
            ("memory.limit_in_bytes", "67108864", "32M"),
            ("memory.limit_in_bytes", "67108864", "-1"),
            ("memory.limit_in_bytes", "9223372036854771712", "64M"),
            ("cpu.max", "50000 100000", "50000 200000"),
            ("pids.max", "max", "64"),
            ("pids.max", "64", "max"),
            ("io.weight", "default 50", "default 100"),
            ("blkio.throttle.read_bps_device", "", "8:0 1048576"),
            ("io.max", "", "8:0 rbps=1048576"),
        ] {
            assert!(!is(file, found, wanted), "{file}: {found} {wanted}");
        }
    }
}
