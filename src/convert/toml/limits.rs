//! A container's cgroup settings as a profile's tables, and its device rules.

use super::super::words::{quoted, size};
use super::part::Part;
use crate::profile::container::{CgroupRule, Container};
use crate::profile::toml::{STANDARD_DEVICES, bytes};

/// What a key of one of the tables of limits may be.
#[derive(Clone, Copy)]
enum Limit {
    /// A text as it is.
    Text,
    /// The file's "1" is `true`.
    Truth,
    /// A number within bounds.
    Number(i64, i64),
    /// A size, 4096 or more.
    Size,
}

/// The tables, their keys in the order in which they are written, and the files they are: as the reader has them.
const LIMITS: &[(&str, &str, &str, Limit)] = &[
    ("cpuset", "cpus", "cpuset.cpus", Limit::Text),
    ("cpuset", "mems", "cpuset.mems", Limit::Text),
    ("cpuset", "exclusive", "cpuset.cpu_exclusive", Limit::Truth),
    ("cpu", "shares", "cpu.shares", Limit::Number(2, 262_144)),
    ("cpu", "weight", "cpu.weight", Limit::Number(1, 10_000)),
    ("cpu", "period", "cpu.cfs_period_us", Limit::Number(1_000, 1_000_000)),
    ("cpu", "quota", "cpu.cfs_quota_us", Limit::Number(1_000, i64::MAX / 1_000)),
    ("cpu", "rt-period", "cpu.rt_period_us", Limit::Number(1, i32::MAX as i64)),
    ("cpu", "rt-runtime", "cpu.rt_runtime_us", Limit::Number(0, i32::MAX as i64)),
    ("memory", "limit", "memory.limit_in_bytes", Limit::Size),
    ("memory", "low", "memory.low", Limit::Size),
    ("memory", "soft-limit", "memory.soft_limit_in_bytes", Limit::Size),
    ("memory", "limit-with-swap", "memory.memsw.limit_in_bytes", Limit::Size),
    ("memory", "swappiness", "memory.swappiness", Limit::Number(0, 100)),
    ("pids", "max", "pids.max", Limit::Number(1, 4_194_304)),
    ("io", "weight", "io.weight", Limit::Number(2, 200)),
];

const THROTTLES: [(&str, &str); 4] = [
    ("read-bps", "blkio.throttle.read_bps_device"),
    ("write-bps", "blkio.throttle.write_bps_device"),
    ("read-iops", "blkio.throttle.read_iops_device"),
    ("write-iops", "blkio.throttle.write_iops_device"),
];

impl Limit {
    /// The value as the key takes it; `None` for one that only the file takes.
    fn value(self, text: &str) -> Option<String> {
        match self {
            Limit::Text => Some(quoted(text)),
            Limit::Truth => (text == "1").then(|| "true".into()),
            Limit::Number(least, most) => {
                let number: i64 = text.parse().ok()?;
                ((least..=most).contains(&number) && number.to_string() == text).then(|| text.into())
            }
            Limit::Size => bytes(text).filter(|bytes| *bytes >= 4096).map(|bytes| size(bytes as u64)),
        }
    }
}

/// Where a file's rules come among the others of a profile: the tables' in their order, the rest behind.
#[cfg(test)]
pub fn rank(rule: &CgroupRule) -> usize {
    let at = LIMITS.iter().position(|limit| limit.2 == rule.file && unified(limit.2) == rule.unified);
    let last = LIMITS.len() + THROTTLES.len();
    let throttle = THROTTLES.iter().position(|throttle| throttle.1 == rule.file && !rule.unified);
    at.or(throttle.map(|at| LIMITS.len() + at)).unwrap_or(match (rule.unified, rule.controller()) {
        (true, _) => last + 1,
        (false, "devices") => last + 2,
        (false, _) => last,
    })
}

/// The two whose tables have v2's spelling.
fn unified(file: &str) -> bool {
    matches!(file, "cpu.weight" | "memory.low" | "io.weight")
}

/// The cgroup settings but for devices: in the tables what fits, verbatim what does not. Of a file that is written twice the
/// last value counts.
pub fn limits(c: &Container, part: &mut Part) {
    let mut rules: Vec<&CgroupRule> = Vec::new();
    for rule in &c.cgroup {
        let throttle = THROTTLES.iter().any(|throttle| throttle.1 == rule.file);
        if !throttle && rule.controller() != "devices" {
            rules.retain(|other| other.file != rule.file || other.unified != rule.unified);
        }
        rules.push(rule);
    }
    let mut verbatim: Vec<&CgroupRule> = Vec::new();
    let mut throttles: Vec<(String, Vec<(&str, String)>)> = Vec::new();
    let mut tables: Vec<(usize, String)> = Vec::new();
    let memory = rules.iter().find(|rule| rule.file == "memory.limit_in_bytes" && !rule.unified);
    let memory = memory.and_then(|rule| bytes(&rule.value)).filter(|bytes| *bytes >= 4096);
    for rule in &rules {
        if rule.controller() == "devices" && !rule.unified {
            continue;
        }
        let at = LIMITS.iter().position(|limit| limit.2 == rule.file && unified(limit.2) == rule.unified);
        let value = at.and_then(|at| LIMITS.get(at)).and_then(|limit| limit.3.value(&rule.value));
        // The reader wants a limit of memory beside that of memory with swap, which is not to be less.
        let alone = rule.file == "memory.memsw.limit_in_bytes"
            && memory.is_none_or(|memory| bytes(&rule.value).is_some_and(|all| all < memory));
        if let (Some(at), Some(value), false) = (at, value, alone) {
            tables.push((at, value));
        } else if let Some((name, device, value)) = throttle(rule) {
            match throttles.last_mut() {
                Some((before, pairs)) if before == device && pairs.iter().all(|pair| pair.0 != name) => {
                    pairs.push((name, value));
                }
                _ => throttles.push((device.into(), vec![(name, value)])),
            }
        } else {
            verbatim.push(rule);
        }
    }
    tables.sort_by_key(|table| table.0);
    for name in ["cpuset", "cpu", "memory", "pids", "io"] {
        let mut pairs: Vec<(String, String)> = Vec::new();
        for (at, value) in &tables {
            if let Some(limit) = LIMITS.get(*at).filter(|limit| limit.0 == name) {
                pairs.push((limit.1.into(), value.clone()));
            }
        }
        if name == "io" && !throttles.is_empty() {
            let one = |(device, pairs): &(String, Vec<(&str, String)>)| {
                let pairs: Vec<String> =
                    pairs.iter().map(|(key, value)| format!(", {key} = {value}")).collect();
                format!("{{ device = {}{} }}", quoted(device), pairs.concat())
            };
            let all: Vec<String> = throttles.iter().map(one).collect();
            pairs.push(("throttle".into(), part.list("io", 0, &all, 20)));
        }
        part.table(name, pairs);
    }
    for (key, unified) in [("cgroup", false), ("cgroup2", true)] {
        let of = verbatim.iter().filter(|rule| rule.unified == unified);
        let pairs: Vec<String> =
            of.map(|rule| format!("[{}, {}]", quoted(&rule.file), quoted(&rule.value))).collect();
        if !pairs.is_empty() {
            part.entries(key, pairs);
        }
    }
}

/// A limit of one device: its key, the device, the value.
fn throttle(rule: &CgroupRule) -> Option<(&'static str, &str, String)> {
    let (key, _) = THROTTLES.iter().find(|throttle| throttle.1 == rule.file && !rule.unified)?;
    let (device, value) = rule.value.split_once(' ')?;
    let (major, minor) = device.split_once(':')?;
    let good = major.parse::<u32>().is_ok() && minor.parse::<u32>().is_ok();
    let bytes = bytes(value).filter(|bytes| good && *bytes >= 1)?;
    Some((key, device, if key.ends_with("bps") { size(bytes as u64) } else { bytes.to_string() }))
}

/// The device rules: what is denied and what is allowed, or both in their order where that is another one.
pub fn devices(c: &Container, part: &mut Part) {
    let rules: Vec<&CgroupRule> =
        c.cgroup.iter().filter(|rule| !rule.unified && rule.controller() == "devices").collect();
    let denies = |rule: &&&CgroupRule| rule.file == "devices.deny";
    let denied = rules.iter().take_while(denies).count();
    let (deny, allow) = rules.split_at_checked(denied).unwrap_or_default();
    let standard = |from: &[&CgroupRule]| {
        let from = from.get(..STANDARD_DEVICES.len())?;
        from.iter().map(|rule| rule.value.as_str()).eq(STANDARD_DEVICES).then_some(())
    };
    let plain = deny.len() == 1 && deny.iter().all(|rule| rule.value == "a") && !part.remarks.any("devices");
    if plain && allow.len() == STANDARD_DEVICES.len() && standard(allow).is_some() {
        return;
    }
    if allow.iter().any(|rule| rule.file != "devices.allow") {
        let word = |rule: &&CgroupRule| {
            quoted(&format!("{} {}", rule.file.trim_start_matches("devices."), rule.value))
        };
        return part.entries("devices", rules.iter().map(word).collect());
    }
    let mut words: Vec<String> = Vec::new();
    let mut rest = allow;
    while let Some((first, tail)) = rest.split_first() {
        match standard(rest).filter(|()| !part.remarks.any("devices")) {
            Some(()) => {
                words.push(quoted("standard"));
                rest = rest.get(STANDARD_DEVICES.len()..).unwrap_or_default();
            }
            None => {
                words.push(quoted(&first.value));
                rest = tail;
            }
        }
    }
    let denied: Vec<String> = deny.iter().map(|rule| quoted(&rule.value)).collect();
    let mut pairs = vec![("deny".to_string(), part.list("devices", 0, &denied, 40))];
    if !words.is_empty() {
        pairs.push(("allow".into(), part.list("devices", deny.len(), &words, 40)));
    }
    part.table("devices", pairs);
}
