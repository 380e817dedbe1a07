//! A setting read by the name it has in the other layout, in that layout's words.

use super::settings::rule;
use crate::plan::cgroups::spelling::{Speller, THROTTLES, counterpart, is_unlimited};
use crate::plan::host::Version;
use crate::sys::cgroup;

/// What `file` would say if the cgroup in `dir` were of the other layout; `None` where there is nothing like it.
pub(super) fn read_translated(dir: &str, unified: bool, file: &str) -> Option<String> {
    let read = |file: &str| cgroup::read(dir, file).ok();
    if !unified && file == "io.max" {
        return Some(io_max(&THROTTLES.map(|(file, word)| (word, read(file).unwrap_or_default()))));
    }
    if unified && let Some(counted) = counted(file, &read) {
        return Some(format!("{counted}\n"));
    }
    if !unified && file == "cpu.max" {
        let (quota, period) = (read("cpu.cfs_quota_us")?, read("cpu.cfs_period_us")?);
        return Some(format!("{} {period}\n", if quota == "-1" { "max" } else { &quota }));
    }
    let there = counterpart(file)?;
    let value = read(&there)?;
    // v1 writes no limit as the largest one there is.
    let unlimited = !unified && there.starts_with("memory.") && value.parse::<u64>().is_ok_and(is_unlimited);
    let value = if unlimited { "-1".into() } else { value };
    let version = if unified { Version::V1 } else { Version::V2 };
    // Swap is counted together with memory in one layout, by itself in the other.
    let limit = read("memory.max").or_else(|| read("memory.limit_in_bytes"));
    let spelled = |value: &str| {
        let mut speller = Speller::knowing(None, limit.as_deref());
        let written = speller.spell(&rule(&there, value, unified), version).ok()?;
        written.into_iter().find(|one| one.file == file).map(|one| one.value)
    };
    let text = match there.as_str() {
        // What is counted is written alike.
        "memory.current" | "memory.peak" | "memory.usage_in_bytes" | "memory.max_usage_in_bytes" => value,
        // A line for each device; one without this limit has none on v1.
        "io.max" => {
            let lines = value.lines().filter_map(spelled).filter(|line| !line.ends_with(" 0"));
            lines.collect::<Vec<_>>().join("\n")
        }
        _ => spelled(&value)?,
    };
    Some(if text.is_empty() { text } else { text + "\n" })
}

/// A weight that BFQ has on a kernel without the usual file, in that one's numbers: where one is written, too
/// (`apply::weight_alias`).
pub(super) fn read_aliased(dir: &str, file: &str) -> Option<String> {
    let times = match file {
        "blkio.weight" => 5,
        "io.weight" => 1,
        _ => return None,
    };
    let text = cgroup::read(dir, &file.replace(".weight", ".bfq.weight")).ok()?;
    let number: u32 = text.lines().next()?.trim_start_matches("default ").trim().parse().ok()?;
    Some(format!("{}\n", number.saturating_mul(times)))
}

/// What v1 has in files of its own and v2 in its statistics: nanoseconds of cpu time, bytes read and written.
fn counted(file: &str, read: &dyn Fn(&str) -> Option<String>) -> Option<String> {
    match file {
        "cpuacct.usage" => {
            let text = read("cpu.stat")?;
            let usec = text.lines().find_map(|line| line.strip_prefix("usage_usec "))?;
            Some(usec.parse::<u64>().ok()?.saturating_mul(1000).to_string())
        }
        "blkio.throttle.io_service_bytes" => {
            let text = read("io.stat")?;
            let bytes = text.split_ascii_whitespace().filter_map(|word| {
                let value = word.strip_prefix("rbytes=").or_else(|| word.strip_prefix("wbytes="))?;
                value.parse::<u64>().ok()
            });
            Some(format!("Total {}", bytes.fold(0, u64::saturating_add)))
        }
        _ => None,
    }
}

/// The lines of `io.max`, from what v1 has in a file for each kind of limit.
fn io_max(throttles: &[(&str, String); 4]) -> String {
    let mut devices: Vec<&str> = Vec::new();
    let lines = || throttles.iter().flat_map(|(_, text)| text.lines());
    for device in lines().filter_map(|line| line.split(' ').next()) {
        if !devices.contains(&device) {
            devices.push(device);
        }
    }
    let mut text = String::new();
    for device in devices {
        text += device;
        for (word, lines) in throttles {
            let limit = lines.lines().find_map(|line| line.strip_prefix(device)?.strip_prefix(' '));
            text += " ";
            text += word;
            text += "=";
            text += limit.unwrap_or("max");
        }
        text += "\n";
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn read(files: &[(&str, &str)], unified: bool, file: &str) -> Option<String> {
        let dir =
            std::env::temp_dir().join(format!("boardbox-reading-{}-{file}-{unified}", std::process::id()));
        fs::create_dir_all(&dir).unwrap();
        for (name, text) in files {
            fs::write(dir.join(name), text).unwrap();
        }
        let said = read_translated(dir.to_str().unwrap(), unified, file);
        fs::remove_dir_all(&dir).unwrap();
        said
    }

    #[test]
    fn v1_names_on_v2() {
        let files = [
            ("cpu.weight", "121\n"),
            ("cpu.max", "max 50000\n"),
            ("memory.max", "67108864\n"),
            ("memory.swap.max", "33554432\n"),
            ("memory.current", "4096\n"),
            ("hugetlb.2MB.max", "max\n"),
            (
                "io.max",
                "7:0 rbps=1048576 wbps=max riops=max wiops=5\n8:0 rbps=1 wbps=max riops=max wiops=max\n",
            ),
            ("cgroup.freeze", "0\n"),
            ("cpu.stat", "usage_usec 1234\nuser_usec 1000\n"),
            ("io.stat", "7:0 rbytes=4096 wbytes=0 rios=1\n8:0 rbytes=1 wbytes=512 rios=1\n"),
        ];
        for (file, text) in [
            ("cpu.shares", "1239\n"),
            ("cpu.cfs_quota_us", "-1\n"),
            ("cpu.cfs_period_us", "50000\n"),
            ("memory.limit_in_bytes", "67108864\n"),
            ("memory.memsw.limit_in_bytes", "100663296\n"),
            ("memory.usage_in_bytes", "4096\n"),
            ("hugetlb.2MB.limit_in_bytes", "-1\n"),
            ("blkio.throttle.read_bps_device", "7:0 1048576\n8:0 1\n"),
            ("blkio.throttle.write_iops_device", "7:0 5\n"),
            ("blkio.throttle.write_bps_device", ""),
            ("freezer.state", "THAWED\n"),
            ("cpuacct.usage", "1234000\n"),
            ("blkio.throttle.io_service_bytes", "Total 4609\n"),
        ] {
            assert_eq!(read(&files, true, file).as_deref(), Some(text), "{file}");
        }
        let unlimited = [("memory.max", "max\n"), ("memory.swap.max", "33554432\n")];
        assert_eq!(read(&unlimited, true, "memory.memsw.limit_in_bytes"), None);
        assert_eq!(read(&files, true, "memory.soft_limit_in_bytes"), None);
    }

    #[test]
    fn v2_names_on_v1() {
        let files = [
            ("cpu.shares", "1024\n"),
            ("cpu.cfs_quota_us", "-1\n"),
            ("cpu.cfs_period_us", "100000\n"),
            ("memory.limit_in_bytes", "67108864\n"),
            ("memory.memsw.limit_in_bytes", "100663296\n"),
            ("blkio.throttle.read_bps_device", "7:0 1048576\n"),
            ("blkio.throttle.write_iops_device", "8:0 7\n7:0 5\n"),
            ("freezer.state", "FROZEN\n"),
        ];
        for (file, text) in [
            ("cpu.weight", "100\n"),
            ("cpu.max", "max 100000\n"),
            ("memory.max", "67108864\n"),
            ("memory.swap.max", "33554432\n"),
            (
                "io.max",
                "7:0 rbps=1048576 wbps=max riops=max wiops=5\n8:0 rbps=max wbps=max riops=max wiops=7\n",
            ),
            ("cgroup.freeze", "1\n"),
        ] {
            assert_eq!(read(&files, false, file).as_deref(), Some(text), "{file}");
        }
        let none = [
            ("memory.limit_in_bytes", "9223372036854771712\n"),
            ("memory.memsw.limit_in_bytes", "9223372036854771712\n"),
        ];
        assert_eq!(read(&none, false, "memory.max").as_deref(), Some("max\n"));
        assert_eq!(read(&none, false, "memory.swap.max").as_deref(), Some("max\n"));
        // 32 bits, pages of 4 KiB.
        let none = [
            ("memory.limit_in_bytes", "8796093018112\n"),
            ("memory.memsw.limit_in_bytes", "8796093018112\n"),
        ];
        assert_eq!(read(&none, false, "memory.max").as_deref(), Some("max\n"));
        assert_eq!(read(&none, false, "memory.swap.max").as_deref(), Some("max\n"));
    }
}
