//! One setting, two spellings: what a rule written for cgroup v1 is on v2, and the other way round. Only where the meaning
//! is equal; everything else is an error that says why, never silence.

use crate::error::{Error, Origin, Result};
use crate::plan::host::Version;
use crate::profile::container::CgroupRule;

/// A setting in the words of the hierarchy it is written in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    /// The file.
    pub file: String,
    /// The value.
    pub value: String,
    /// Where the profile asks for it.
    pub origin: Origin,
}

/// What v2 calls a v1 controller.
pub fn unified_name(controller: &str) -> &str {
    match controller {
        "blkio" => "io",
        other => other,
    }
}

/// The v1 controller that a file of either spelling belongs to.
pub fn family(file: &str) -> &str {
    match file.split('.').next().unwrap_or_default() {
        "io" => "blkio",
        "cgroup" if file == "cgroup.freeze" => "freezer",
        other => other,
    }
}

/// v1's throttle files, and v2's words for them in `io.max`.
pub const THROTTLES: [(&str, &str); 4] = [
    ("blkio.throttle.read_bps_device", "rbps"),
    ("blkio.throttle.write_bps_device", "wbps"),
    ("blkio.throttle.read_iops_device", "riops"),
    ("blkio.throttle.write_iops_device", "wiops"),
];

/// The file of the other layout that tells the same.
pub fn counterpart(file: &str) -> Option<String> {
    const PAIRS: [(&str, &str); 11] = [
        ("cpu.shares", "cpu.weight"),
        ("cpu.cfs_quota_us", "cpu.max"),
        ("cpu.cfs_period_us", "cpu.max"),
        ("cpuset.cpu_exclusive", "cpuset.cpus.partition"),
        ("memory.limit_in_bytes", "memory.max"),
        ("memory.memsw.limit_in_bytes", "memory.swap.max"),
        ("memory.usage_in_bytes", "memory.current"),
        ("memory.max_usage_in_bytes", "memory.peak"),
        ("freezer.state", "cgroup.freeze"),
        ("blkio.weight", "io.weight"),
        ("blkio.bfq.weight", "io.bfq.weight"),
    ];
    let pair = PAIRS.into_iter().find_map(|(v1, v2)| match file {
        _ if file == v1 => Some(v2.to_string()),
        _ if file == v2 => Some(v1.to_string()),
        _ => None,
    });
    pair.or_else(|| THROTTLES.iter().any(|(v1, _)| *v1 == file).then(|| "io.max".to_string())).or_else(|| {
        let size = file.strip_prefix("hugetlb.")?;
        let v2 = |size: &str| format!("hugetlb.{size}.max");
        let v1 = |size: &str| format!("hugetlb.{size}.limit_in_bytes");
        size.strip_suffix(".limit_in_bytes").map(v2).or_else(|| size.strip_suffix(".max").map(v1))
    })
}

/// A file that goes by v2's name, whether a kernel has it or not. Some names are both layouts'; they are none of these.
pub fn is_v2s(file: &str) -> bool {
    matches!(
        file,
        "cpu.weight"
            | "cpu.max"
            | "cpuset.cpus.partition"
            | "cpuset.cpus.exclusive"
            | "cgroup.freeze"
            | "memory.max"
            | "memory.swap.max"
            | "memory.low"
            | "memory.min"
            | "memory.high"
    ) || file.starts_with("io.")
        || file.starts_with("hugetlb.") && file.ends_with(".max")
}

/// What a limit of memory with swap is in the other layout depends on that of memory, wherever that is said: it is spelled,
/// and written, after all others.
pub fn after_the_limit(file: &str) -> bool {
    matches!(file, "memory.memsw.limit_in_bytes" | "memory.swap.max")
}

/// What other rules of a container say of one that is not in the words of the hierarchy that it is written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Said {
    /// Nothing: it is translated.
    No,
    /// A part of it: it is translated, and written before them.
    Partly,
    /// The same, or what comes closest to it, in the hierarchy's words: they are meant, and it is for other hosts.
    Instead,
}

/// Looks for it among `all` for a hierarchy of this version. Only a rule about the same setting stands for it: a file may have
/// one setting of a controller in v1's words and another in v2's.
pub fn said(rule: &CgroupRule, all: &[CgroupRule], version: Version) -> Said {
    let native = version == Version::V2;
    if rule.unified == native {
        return Said::No;
    }
    let by = |file: &str| all.iter().any(|other| other.unified == native && other.file == file);
    let throttled = || THROTTLES.iter().any(|(v1, _)| by(v1));
    let (instead, partly) = match rule.file.as_str() {
        // Rules for devices are a list, which is meant as a whole.
        "devices.allow" | "devices.deny" => (by("devices.allow") || by("devices.deny"), false),
        "io.max" => (false, throttled()),
        "cpu.max" => (false, by("cpu.cfs_quota_us") || by("cpu.cfs_period_us")),
        file if THROTTLES.iter().any(|(v1, _)| *v1 == file) => (false, by("io.max")),
        "memory.soft_limit_in_bytes" => (by("memory.low") || by("memory.high"), false),
        "memory.low" | "memory.min" | "memory.high" => (by("memory.soft_limit_in_bytes"), false),
        file if file.starts_with("memory.kmem.") => (by("memory.max"), false),
        file => (by(file) || counterpart(file).is_some_and(|file| by(&file)), false),
    };
    match (instead, partly) {
        (true, _) => Said::Instead,
        (false, true) => Said::Partly,
        (false, false) => Said::No,
    }
}

/// Translates rules one after the other: some need what an earlier one said.
#[derive(Default)]
pub struct Speller {
    /// Quota in microseconds as v2 writes it, `max` for none.
    quota: Option<String>,
    /// The memory limit in bytes; `None` when none was set, or it is unlimited.
    limit: Option<u64>,
}

impl Speller {
    /// For rules that change what a cgroup has already: what its cpu.max and its memory limit say.
    pub fn knowing(quota: Option<&str>, limit: Option<&str>) -> Self {
        let quota = quota.and_then(|text| text.split_ascii_whitespace().next()).map(String::from);
        // v1 writes no limit as the largest one there is.
        let limit = limit.and_then(|text| text.trim().parse().ok()).filter(|limit| !is_unlimited(*limit));
        Self { quota, limit }
    }

    /// The rule as it is written in a hierarchy of this version.
    pub fn spell(&mut self, rule: &CgroupRule, version: Version) -> Result<Vec<Written>> {
        let spelled = match (rule.unified, version) {
            (false, Version::V1) | (true, Version::V2) => {
                self.note(&rule.file, rule.value.trim());
                vec![(rule.file.clone(), rule.value.clone())]
            }
            (false, Version::V2) => self.in_v2_words(&rule.file, rule.value.trim())?,
            (true, Version::V1) => self.in_v1_words(&rule.file, rule.value.trim())?,
        };
        let written = |(file, value)| Written { file, value, origin: rule.origin.clone() };
        Ok(spelled.into_iter().map(written).collect())
    }

    /// What a rule in the hierarchy's own words says, for those that are not.
    fn note(&mut self, file: &str, value: &str) {
        match file {
            "memory.limit_in_bytes" | "memory.max" => self.limit = bytes(value).ok(),
            "cpu.max" => self.quota = value.split_ascii_whitespace().next().map(String::from),
            _ => {}
        }
    }

    fn in_v2_words(&mut self, file: &str, value: &str) -> Result<Vec<(String, String)>> {
        let one = |file: &str, value: String| Ok(vec![(file.to_string(), value)]);
        let (controller, setting) = file.split_once('.').unwrap_or((file, ""));
        match (controller, setting) {
            ("cpuset", "cpus" | "mems") | ("pids" | "rdma" | "misc", "max") => one(file, value.into()),
            ("cpuset", "cpu_exclusive") => match value {
                "1" => one("cpuset.cpus.partition", "root".into()),
                "0" => one("cpuset.cpus.partition", "member".into()),
                _ => Err(bad(value, "0 or 1")),
            },
            ("cpu", "shares") => {
                let shares = number(value)?.max(2);
                one("cpu.weight", divided(shares.saturating_mul(100), 1024).clamp(1, 10000).to_string())
            }
            ("cpu", "cfs_quota_us") => {
                let quota = if value == "-1" { "max".into() } else { number(value)?.to_string() };
                self.quota = Some(quota.clone());
                // Without a second word the period stays as it is.
                one("cpu.max", quota)
            }
            ("cpu", "cfs_period_us") => {
                let quota = self.quota.as_deref().unwrap_or("max");
                one("cpu.max", format!("{quota} {}", number(value)?))
            }
            ("memory", "limit_in_bytes") => {
                self.limit = if value == "-1" { None } else { Some(bytes(value)?) };
                one("memory.max", if value == "-1" { "max".into() } else { value.into() })
            }
            ("memory", "memsw.limit_in_bytes") => match (value, self.limit) {
                ("-1", _) => one("memory.swap.max", "max".into()),
                (value, Some(limit)) => match bytes(value)?.checked_sub(limit) {
                    Some(swap) => one("memory.swap.max", swap.to_string()),
                    None => {
                        Err(bad(value, "at least memory.limit_in_bytes: it counts memory and swap together"))
                    }
                },
                (_, None) => Err(Error::config(
                    "v2 limits swap by itself, and memory.limit_in_bytes is not set before",
                )
                .hint("set memory.limit_in_bytes first, or lxc.cgroup2.memory.swap.max")),
            },
            ("memory", "soft_limit_in_bytes") => Err(no_equal(
                "v2's memory.low protects what is below it, a soft limit reclaims what is above",
                "lxc.cgroup2.memory.low or lxc.cgroup2.memory.high",
            )),
            ("memory", _) if setting.starts_with("kmem.") => {
                Err(no_equal("v2 counts the kernel's memory with the rest", "memory.limit_in_bytes"))
            }
            ("memory", _) => Err(no_equal("v2 has no such setting for a cgroup", "lxc.cgroup2.memory.…")),
            ("hugetlb", _) if setting.ends_with(".limit_in_bytes") => {
                let value = if value == "-1" { "max" } else { value };
                one(&file.replace(".limit_in_bytes", ".max"), value.into())
            }
            ("freezer", "state") => match value {
                "FROZEN" => one("cgroup.freeze", "1".into()),
                "THAWED" => one("cgroup.freeze", "0".into()),
                _ => Err(bad(value, "FROZEN or THAWED")),
            },
            ("blkio", "bfq.weight") => one("io.bfq.weight", value.into()),
            // Weights are ratios to the default: 500 of 10..1000 on v1, 100 of 1..10000 on v2.
            ("blkio", "weight") => one("io.weight", divided(number(value)?, 5).clamp(1, 10000).to_string()),
            ("blkio", _) => match THROTTLES.iter().find(|(v1, _)| *v1 == file).zip(value.split_once(' ')) {
                Some(((_, word), (device, limit))) => {
                    let limit = if limit.trim() == "0" { "max" } else { limit.trim() };
                    one("io.max", format!("{device} {word}={limit}"))
                }
                None => Err(no_equal("v2's io controller has no such setting", "lxc.cgroup2.io.…")),
            },
            ("cpu", _) if setting.starts_with("rt_") => Err(no_equal(
                "v2 has no real-time budget for a cgroup",
                "nothing; boot with the cpu controller on v1",
            )),
            ("net_cls" | "net_prio", _) => {
                Err(no_equal("v2 has no such controller", "a firewall rule that matches the cgroup's path"))
            }
            _ => Err(no_equal("v2 has no such setting", "lxc.cgroup2.…")),
        }
    }

    fn in_v1_words(&mut self, file: &str, value: &str) -> Result<Vec<(String, String)>> {
        let one = |file: &str, value: String| Ok(vec![(file.to_string(), value)]);
        match file {
            "cpuset.cpus" | "cpuset.mems" | "pids.max" | "rdma.max" | "misc.max" | "devices.allow"
            | "devices.deny" => one(file, value.into()),
            "cpuset.cpus.partition" => match value {
                "root" => one("cpuset.cpu_exclusive", "1".into()),
                "member" => one("cpuset.cpu_exclusive", "0".into()),
                _ => Err(no_equal("v1 has no isolated partitions", "isolcpus= on the kernel's command line")),
            },
            "cpu.weight" => {
                one("cpu.shares", divided(number(value)?.saturating_mul(1024), 100).max(2).to_string())
            }
            "cpu.max" => {
                let mut words = value.split_ascii_whitespace();
                let (quota, period) = (words.next().unwrap_or_default(), words.next());
                let quota = if quota == "max" { "-1".into() } else { number(quota)?.to_string() };
                let mut spelled = Vec::new();
                if let Some(period) = period {
                    spelled.push(("cpu.cfs_period_us".into(), number(period)?.to_string()));
                }
                spelled.push(("cpu.cfs_quota_us".into(), quota));
                Ok(spelled)
            }
            "memory.max" => {
                self.limit = if value == "max" { None } else { Some(bytes(value)?) };
                one("memory.limit_in_bytes", if value == "max" { "-1".into() } else { value.into() })
            }
            "memory.swap.max" => match (value, self.limit) {
                ("max", _) => one("memory.memsw.limit_in_bytes", "-1".into()),
                (value, Some(limit)) => {
                    one("memory.memsw.limit_in_bytes", limit.saturating_add(bytes(value)?).to_string())
                }
                (_, None) => {
                    Err(Error::config("v1 limits memory and swap together, and memory.max is not set before")
                        .hint("set memory.max first, or lxc.cgroup.memory.memsw.limit_in_bytes"))
                }
            },
            "memory.low" | "memory.min" | "memory.high" => {
                Err(no_equal("v1 has limits and soft limits only", "lxc.cgroup.memory.soft_limit_in_bytes"))
            }
            "cgroup.freeze" => match value {
                "1" => one("freezer.state", "FROZEN".into()),
                "0" => one("freezer.state", "THAWED".into()),
                _ => Err(bad(value, "0 or 1")),
            },
            "io.bfq.weight" => one("blkio.bfq.weight", value.trim_start_matches("default ").into()),
            "io.weight" => match number(value.trim_start_matches("default "))?.saturating_mul(5) {
                weight @ 10..=1000 => one("blkio.weight", weight.to_string()),
                _ => Err(bad(value, "2..=200: v1's weights are 10..=1000, and its default 500 is v2's 100")),
            },
            "io.max" => limits(value),
            _ => match file.strip_prefix("hugetlb.").and_then(|rest| rest.strip_suffix(".max")) {
                Some(size) => {
                    let value = if value == "max" { "-1" } else { value };
                    one(&format!("hugetlb.{size}.limit_in_bytes"), value.into())
                }
                None => Err(no_equal("v1 has no such setting", "lxc.cgroup.…")),
            },
        }
    }
}

/// `8:0 rbps=1048576 wiops=max` as throttle files.
fn limits(value: &str) -> Result<Vec<(String, String)>> {
    let mut words = value.split_ascii_whitespace();
    let device = words.next().ok_or_else(|| bad(value, "a device and limits, as in 8:0 rbps=1048576"))?;
    let limit = |word: &str| {
        let known = |(name, limit)| Some((THROTTLES.iter().find(|(_, word)| *word == name)?.0, limit));
        let (file, limit) = word
            .split_once('=')
            .and_then(known)
            .ok_or_else(|| bad(word, "one of rbps=, wbps=, riops=, wiops="))?;
        let limit = if limit == "max" { "0" } else { limit };
        Ok((file.to_string(), format!("{device} {limit}")))
    };
    words.map(limit).collect()
}

fn number(value: &str) -> Result<u64> {
    value.parse().map_err(|_| bad(value, "a number"))
}

/// Whether a limit of memory that v1 gives back is none: the largest number of pages there is, in bytes.
pub fn is_unlimited(limit: u64) -> bool {
    const LONG_MAX_32: u64 = 0x7fff_ffff;
    let page = limit / LONG_MAX_32;
    limit >= 1 << 62 || limit.is_multiple_of(LONG_MAX_32) && page >= 4096 && page.is_power_of_two()
}

/// A size as the kernel's memparse reads it: in bytes, or with K, M or G.
pub fn bytes(value: &str) -> Result<u64> {
    let (digits, unit) = match value.char_indices().last() {
        Some((at, 'k' | 'K')) => (value.get(..at), 10),
        Some((at, 'm' | 'M')) => (value.get(..at), 20),
        Some((at, 'g' | 'G')) => (value.get(..at), 30),
        _ => (Some(value), 0),
    };
    let number =
        digits.and_then(|digits| digits.parse::<u64>().ok()).and_then(|number| number.checked_mul(1 << unit));
    number.ok_or_else(|| bad(value, "a size in bytes, or with K, M or G"))
}

/// Rounded to the closest, as the kernel's DIV_ROUND_CLOSEST.
fn divided(number: u64, by: u64) -> u64 {
    number.saturating_add(by / 2) / by
}

fn bad(value: &str, wanted: &str) -> Error {
    Error::config(format!("\"{}\" is not {wanted}", value.escape_default()))
}

fn no_equal(why: &str, instead: &str) -> Error {
    Error::config(why.to_string()).hint(format!("what comes closest: {instead}"))
}

#[cfg(test)]
mod tests;
