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
            (false, Version::V1) | (true, Version::V2) => vec![(rule.file.clone(), rule.value.clone())],
            (false, Version::V2) => self.in_v2_words(&rule.file, rule.value.trim())?,
            (true, Version::V1) => self.in_v1_words(&rule.file, rule.value.trim())?,
        };
        let written = |(file, value)| Written { file, value, origin: rule.origin.clone() };
        Ok(spelled.into_iter().map(written).collect())
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
            "cpuset.cpus" | "cpuset.mems" | "pids.max" | "rdma.max" | "misc.max" => one(file, value.into()),
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

/// A size as the kernel's memparse reads it: a number and K, M or G.
/// Whether a limit of memory that v1 gives back is none: the largest number of pages there is, in bytes.
pub fn is_unlimited(limit: u64) -> bool {
    const LONG_MAX_32: u64 = 0x7fff_ffff;
    let page = limit / LONG_MAX_32;
    limit >= 1 << 62 || limit.is_multiple_of(LONG_MAX_32) && page >= 4096 && page.is_power_of_two()
}

/// A size in bytes, or with K, M or G.
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
mod tests {
    use super::*;

    fn spelled(rules: &[(&str, &str)], unified: bool, version: Version) -> String {
        let mut speller = Speller::default();
        let mut all = Vec::new();
        for (file, value) in rules {
            let rule = CgroupRule {
                file: file.to_string(),
                value: value.to_string(),
                unified,
                origin: Origin::default(),
            };
            match speller.spell(&rule, version) {
                Ok(written) => all.extend(written.iter().map(|one| format!("{}={}", one.file, one.value))),
                Err(error) => all.push(error.to_string()),
            }
        }
        all.join(" | ")
    }

    fn v2(rules: &[(&str, &str)]) -> String {
        spelled(rules, false, Version::V2)
    }

    fn v1(rules: &[(&str, &str)]) -> String {
        spelled(rules, true, Version::V1)
    }

    #[test]
    fn v1_on_v2() {
        assert_eq!(v2(&[("cpu.shares", "1234")]), "cpu.weight=121");
        assert_eq!(v2(&[("cpu.shares", "1024")]), "cpu.weight=100");
        assert_eq!(v2(&[("cpu.shares", "2")]), "cpu.weight=1");
        assert_eq!(v2(&[("cpu.shares", "99999999")]), "cpu.weight=10000");
        assert_eq!(
            v2(&[("cpu.cfs_quota_us", "20000"), ("cpu.cfs_period_us", "50000")]),
            "cpu.max=20000 | cpu.max=20000 50000"
        );
        assert_eq!(
            v2(&[("cpu.cfs_period_us", "50000"), ("cpu.cfs_quota_us", "-1")]),
            "cpu.max=max 50000 | cpu.max=max"
        );
        assert_eq!(
            v2(&[("memory.limit_in_bytes", "64M"), ("memory.memsw.limit_in_bytes", "96M")]),
            "memory.max=64M | memory.swap.max=33554432"
        );
        assert_eq!(v2(&[("memory.limit_in_bytes", "-1")]), "memory.max=max");
        assert_eq!(v2(&[("blkio.weight", "500"), ("blkio.weight", "1000")]), "io.weight=100 | io.weight=200");
        assert_eq!(v2(&[("blkio.throttle.read_bps_device", "8:0 1048576")]), "io.max=8:0 rbps=1048576");
        assert_eq!(v2(&[("freezer.state", "FROZEN"), ("pids.max", "max")]), "cgroup.freeze=1 | pids.max=max");
        assert_eq!(v2(&[("hugetlb.2MB.limit_in_bytes", "4M")]), "hugetlb.2MB.max=4M");
        assert_eq!(
            v2(&[("cpuset.cpus", "0,1"), ("cpuset.cpu_exclusive", "1")]),
            "cpuset.cpus=0,1 | cpuset.cpus.partition=root"
        );
    }

    #[test]
    fn v2_on_v1() {
        assert_eq!(v1(&[("cpu.weight", "121"), ("cpu.weight", "100")]), "cpu.shares=1239 | cpu.shares=1024");
        assert_eq!(v1(&[("cpu.max", "20000 50000")]), "cpu.cfs_period_us=50000 | cpu.cfs_quota_us=20000");
        assert_eq!(v1(&[("cpu.max", "max")]), "cpu.cfs_quota_us=-1");
        assert_eq!(
            v1(&[("memory.max", "64M"), ("memory.swap.max", "32M")]),
            "memory.limit_in_bytes=64M | memory.memsw.limit_in_bytes=100663296"
        );
        assert_eq!(
            v1(&[("io.max", "8:0 rbps=1 wiops=max")]),
            "blkio.throttle.read_bps_device=8:0 1 | blkio.throttle.write_iops_device=8:0 0"
        );
        assert_eq!(
            v1(&[("io.weight", "default 100"), ("cgroup.freeze", "1")]),
            "blkio.weight=500 | freezer.state=FROZEN"
        );
    }

    /// Each row of the table in docs/cgroups.md, both ways; a row that is not here, or not there, fails.
    #[test]
    fn every_row_of_the_documents_table() {
        type Rules = &'static [(&'static str, &'static str)];
        const LIMIT: (&str, &str) = ("memory.limit_in_bytes", "64M");
        const MAX: (&str, &str) = ("memory.max", "64M");
        let pairs: &[(&str, Rules, Rules)] = &[
            ("cpuset.cpus", &[("cpuset.cpus", "0,1")], &[("cpuset.cpus", "0,1")]),
            ("cpuset.mems", &[("cpuset.mems", "0")], &[("cpuset.mems", "0")]),
            ("cpuset.cpu_exclusive", &[("cpuset.cpu_exclusive", "1")], &[("cpuset.cpus.partition", "root")]),
            (
                "cpuset.cpu_exclusive",
                &[("cpuset.cpu_exclusive", "0")],
                &[("cpuset.cpus.partition", "member")],
            ),
            ("cpu.shares", &[("cpu.shares", "512")], &[("cpu.weight", "50")]),
            ("cpu.cfs_quota_us", &[("cpu.cfs_quota_us", "-1")], &[("cpu.max", "max")]),
            ("cpu.cfs_period_us", &[("cpu.cfs_quota_us", "20000")], &[("cpu.max", "20000")]),
            ("memory.limit_in_bytes", &[LIMIT], &[MAX]),
            ("memory.limit_in_bytes", &[("memory.limit_in_bytes", "-1")], &[("memory.max", "max")]),
            (
                "memory.memsw.limit_in_bytes",
                &[LIMIT, ("memory.memsw.limit_in_bytes", "100663296")],
                &[MAX, ("memory.swap.max", "33554432")],
            ),
            ("pids.max", &[("pids.max", "64")], &[("pids.max", "64")]),
            ("rdma.max", &[("rdma.max", "mlx4_0 hca_handle=2")], &[("rdma.max", "mlx4_0 hca_handle=2")]),
            ("misc.max", &[("misc.max", "res_a 3")], &[("misc.max", "res_a 3")]),
            (
                "hugetlb.SIZE.limit_in_bytes",
                &[("hugetlb.2MB.limit_in_bytes", "4M")],
                &[("hugetlb.2MB.max", "4M")],
            ),
            (
                "hugetlb.SIZE.limit_in_bytes",
                &[("hugetlb.2MB.limit_in_bytes", "-1")],
                &[("hugetlb.2MB.max", "max")],
            ),
            ("blkio.weight", &[("blkio.weight", "500")], &[("io.weight", "100")]),
            ("blkio.bfq.weight", &[("blkio.bfq.weight", "200")], &[("io.bfq.weight", "200")]),
            (
                "blkio.throttle.read_bps_device",
                &[("blkio.throttle.read_bps_device", "8:0 1048576")],
                &[("io.max", "8:0 rbps=1048576")],
            ),
            (
                "blkio.throttle.read_bps_device",
                &[("blkio.throttle.write_bps_device", "8:0 0")],
                &[("io.max", "8:0 wbps=max")],
            ),
            (
                "blkio.throttle.read_bps_device",
                &[("blkio.throttle.read_iops_device", "8:0 7")],
                &[("io.max", "8:0 riops=7")],
            ),
            (
                "blkio.throttle.read_bps_device",
                &[("blkio.throttle.write_iops_device", "8:0 7")],
                &[("io.max", "8:0 wiops=7")],
            ),
            ("freezer.state", &[("freezer.state", "FROZEN")], &[("cgroup.freeze", "1")]),
            ("freezer.state", &[("freezer.state", "THAWED")], &[("cgroup.freeze", "0")]),
        ];
        for (_, one, other) in pairs {
            let text = |rules: Rules| {
                rules.iter().map(|(file, value)| format!("{file}={value}")).collect::<Vec<_>>().join(" | ")
            };
            assert_eq!((v2(one), v1(other)), (text(other), text(one)));
        }
        let document = include_str!("../../../docs/cgroups.md");
        let rows = document.lines().skip_while(|line| !line.starts_with("| v1 | v2 |")).skip(2);
        let mut seen = Vec::new();
        for row in rows.take_while(|row| row.starts_with('|')) {
            let first = row.split('|').nth(1).unwrap();
            seen.extend(first.split('`').skip(1).step_by(2));
        }
        // A program, tested with its policy (src/apply/devices.rs).
        seen.retain(|name| !name.starts_with("devices."));
        for name in &seen {
            assert!(pairs.iter().any(|(row, ..)| row == name), "{name} has no test");
        }
        for (row, ..) in pairs {
            assert!(seen.contains(row), "{row} is in no row of the document");
        }
    }

    #[test]
    fn what_is_set_already_counts() {
        let mut speller = Speller::knowing(Some("20000 100000\n"), Some("67108864"));
        let mut v2 = |file: &str, value: &str| {
            let rule = CgroupRule {
                file: file.into(),
                value: value.into(),
                unified: false,
                origin: Origin::default(),
            };
            speller.spell(&rule, Version::V2).unwrap()[0].value.clone()
        };
        // A period alone must not lose the quota.
        assert_eq!(v2("cpu.cfs_period_us", "50000"), "20000 50000");
        assert_eq!(v2("memory.memsw.limit_in_bytes", "96M"), "33554432");
        assert_eq!(Speller::knowing(None, Some("9223372036854771712")).limit, None);
    }

    #[test]
    fn what_has_no_equal_is_an_error_with_the_reason() {
        for (file, value, why) in [
            ("memory.soft_limit_in_bytes", "1M", "protects what is below"),
            ("memory.kmem.limit_in_bytes", "1M", "counts the kernel's memory with the rest"),
            ("memory.memsw.limit_in_bytes", "1M", "memory.limit_in_bytes is not set before"),
            ("cpu.rt_runtime_us", "1000", "no real-time budget"),
            ("net_cls.classid", "1", "no such controller"),
            ("cpu.shares", "many", "\"many\" is not a number"),
            ("freezer.state", "FREEZING", "is not FROZEN or THAWED"),
            ("cpuset.memory_migrate", "1", "no such setting"),
        ] {
            assert!(v2(&[(file, value)]).contains(why), "{file}: {}", v2(&[(file, value)]));
        }
        for (file, value, why) in [
            ("memory.low", "1M", "limits and soft limits only"),
            ("memory.swap.max", "1M", "memory.max is not set before"),
            ("io.weight", "5000", "2..=200"),
            ("cpuset.cpus.partition", "isolated", "no isolated partitions"),
            ("io.max", "8:0 fast=1", "one of rbps="),
        ] {
            assert!(v1(&[(file, value)]).contains(why), "{file}: {}", v1(&[(file, value)]));
        }
    }

    #[test]
    fn the_native_spelling_stays_as_it_is() {
        assert_eq!(spelled(&[("cpu.shares", " x ")], false, Version::V1), "cpu.shares= x ");
        assert_eq!(spelled(&[("memory.high", "1M")], true, Version::V2), "memory.high=1M");
        assert_eq!(
            (family("io.max"), family("cgroup.freeze"), family("cpu.weight")),
            ("blkio", "freezer", "cpu")
        );
    }
}
