//! A container's limits and device rules, as the cgroup v1 files they are written to.

use super::{Profile, raw};
use crate::error::{Error, Origin, Result};
use crate::profile::container::CgroupRule;
use crate::profile::field;
use crate::profile::text::shown;
use ::toml::Spanned;

/// The sections that become cgroup rules.
pub struct Limits {
    pub cpuset: Option<raw::Cpuset>,
    pub cpu: Option<raw::Cpu>,
    pub memory: Option<raw::Memory>,
    pub pids: Option<raw::Pids>,
    pub cgroup: Vec<(raw::Text, raw::Text)>,
    pub devices: Option<raw::Devices>,
}

/// What a container may do with devices when its profile says nothing: make any node, and use null zero full random
/// urandom tty console ptmx and its own ptys.
pub const STANDARD_DEVICES: [&str; 11] = [
    "c *:* m",
    "b *:* m",
    "c 1:3 rwm",
    "c 1:5 rwm",
    "c 1:7 rwm",
    "c 1:8 rwm",
    "c 1:9 rwm",
    "c 5:0 rwm",
    "c 5:1 rwm",
    "c 5:2 rwm",
    "c 136:* rwm",
];

/// The rules in the order they are written: what the sections say, the verbatim ones, devices last.
pub fn rules(profile: &Profile, limits: Limits, container: &Origin) -> Result<Vec<CgroupRule>> {
    let mut rules = Rules { profile, list: Vec::new() };
    if let Some(cpuset) = &limits.cpuset {
        rules.text("cpuset.cpus", &cpuset.cpus, "cpuset.cpus")?;
        rules.text("cpuset.mems", &cpuset.mems, "cpuset.mems")?;
    }
    if let Some(cpu) = &limits.cpu {
        // The kernel's own bounds: kernel/sched/core.c. A period goes before what has to fit into it.
        rules.number("cpu.shares", &cpu.shares, "cpu.shares", 2, 262_144)?;
        rules.number("cpu.cfs_period_us", &cpu.period, "cpu.period", 1_000, 1_000_000)?;
        rules.number("cpu.cfs_quota_us", &cpu.quota, "cpu.quota", 1_000, i64::MAX / 1_000)?;
        rules.number("cpu.rt_period_us", &cpu.rt_period, "cpu.rt-period", 1, i64::from(i32::MAX))?;
        rules.number("cpu.rt_runtime_us", &cpu.rt_runtime, "cpu.rt-runtime", 0, i64::from(i32::MAX))?;
    }
    if let Some(memory) = &limits.memory {
        let limit = rules.size("memory.limit_in_bytes", &memory.limit, "memory.limit")?;
        rules.size("memory.soft_limit_in_bytes", &memory.soft_limit, "memory.soft-limit")?;
        let both =
            rules.size("memory.memsw.limit_in_bytes", &memory.limit_with_swap, "memory.limit-with-swap")?;
        if let (Some(both), Some(size)) = (both, &memory.limit_with_swap)
            && limit.is_none_or(|limit| both < limit)
        {
            let error =
                Error::config("is not memory.limit or more").hint("it counts memory and swap together");
            return Err(profile.wrong(error, "memory.limit-with-swap", size.span()));
        }
        rules.number("memory.swappiness", &memory.swappiness, "memory.swappiness", 0, 100)?;
    }
    if let Some(pids) = &limits.pids {
        // PID_MAX_LIMIT, include/linux/threads.h.
        rules.number("pids.max", &pids.max, "pids.max", 1, 4_194_304)?;
    }
    for (file, value) in &limits.cgroup {
        let name = profile.text(file, "cgroup")?;
        if name.starts_with("devices.") {
            let error = Error::config(format!("\"{name}\" has keys of its own"))
                .hint("devices = { deny = […], allow = […] }");
            return Err(profile.wrong(error, "cgroup", file.span()));
        }
        let origin = profile.origin(value.span());
        let rule = field::cgroup_rule(name, profile.text(value, "cgroup")?, &origin);
        rules.list.push(rule.map_err(|error| error.tried("cgroup").at(&origin))?);
    }
    match &limits.devices {
        None => {
            rules.device("devices.deny", "a", container)?;
            rules.standard_devices(container)?;
        }
        Some(devices) => {
            match &devices.deny {
                None => rules.device("devices.deny", "a", container)?,
                Some(list) => rules.devices("devices.deny", list)?,
            }
            rules.devices("devices.allow", devices.allow.as_deref().unwrap_or_default())?;
        }
    }
    Ok(rules.list)
}

/// Rules as they gather.
struct Rules<'a> {
    profile: &'a Profile<'a>,
    list: Vec<CgroupRule>,
}

impl Rules<'_> {
    fn text(&mut self, file: &str, text: &Option<raw::Text>, key: &str) -> Result<()> {
        let Some(text) = text else { return Ok(()) };
        let origin = self.profile.origin(text.span());
        let rule = field::cgroup_rule(file, self.profile.text(text, key)?, &origin);
        self.list.push(rule.map_err(|error| error.tried(key).at(&origin))?);
        Ok(())
    }

    fn push(&mut self, file: &str, value: i64, at: std::ops::Range<usize>) {
        let origin = self.profile.origin(at);
        self.list.push(CgroupRule { file: file.into(), value: value.to_string(), origin });
    }

    fn number(
        &mut self,
        file: &str,
        number: &Option<raw::Number>,
        key: &str,
        least: i64,
        most: i64,
    ) -> Result<()> {
        let Some(number) = number else { return Ok(()) };
        let value = self.profile.number(number, key, least, most)?;
        self.push(file, value, number.span());
        Ok(())
    }

    fn size(&mut self, file: &str, size: &Option<Spanned<raw::Size>>, key: &str) -> Result<Option<i64>> {
        let Some(size) = size else { return Ok(None) };
        let bytes = match size.get_ref() {
            raw::Size::Bytes(bytes) => Some(*bytes),
            raw::Size::Text(text) => bytes(text),
        };
        // Less than a page is nothing.
        let Some(bytes) = bytes.filter(|bytes| *bytes >= 4096) else {
            let shown = match size.get_ref() {
                raw::Size::Bytes(bytes) => bytes.to_string(),
                raw::Size::Text(text) => format!("\"{}\"", shown(text)),
            };
            let error = Error::config(format!("{shown} is not a size of 4096 bytes or more"))
                .hint("a number of bytes, or a string with K, M or G: \"64M\"");
            return Err(self.profile.wrong(error, key, size.span()));
        };
        self.push(file, bytes, size.span());
        Ok(Some(bytes))
    }

    fn device(&mut self, file: &str, rule: &str, origin: &Origin) -> Result<()> {
        self.list.push(field::cgroup_rule(file, rule, origin)?);
        Ok(())
    }

    fn standard_devices(&mut self, origin: &Origin) -> Result<()> {
        STANDARD_DEVICES.iter().try_for_each(|rule| self.device("devices.allow", rule, origin))
    }

    fn devices(&mut self, file: &str, rules: &[raw::Text]) -> Result<()> {
        for rule in rules {
            let origin = self.profile.origin(rule.span());
            let text = self.profile.text(rule, file)?;
            match (file, text) {
                ("devices.allow", "standard") => self.standard_devices(&origin)?,
                _ => self.device(file, text, &origin).map_err(|error| error.tried(file).at(&origin))?,
            }
        }
        Ok(())
    }
}

/// `4096`, `64K`, `64M`, `1G`; the letters are powers of 1024.
fn bytes(text: &str) -> Option<i64> {
    let (digits, unit) = match text.as_bytes().last()? {
        b'K' | b'k' => (text.get(..text.len() - 1)?, 1 << 10),
        b'M' | b'm' => (text.get(..text.len() - 1)?, 1 << 20),
        b'G' | b'g' => (text.get(..text.len() - 1)?, 1 << 30),
        _ => (text, 1),
    };
    if !digits.bytes().all(|c| c.is_ascii_digit()) {
        return None;
    }
    digits.parse::<i64>().ok()?.checked_mul(unit)
}

#[cfg(test)]
mod tests {
    use super::bytes;

    #[test]
    fn a_size_has_one_letter() {
        assert_eq!(bytes("64M"), Some(64 << 20));
        assert_eq!(bytes("1g"), Some(1 << 30));
        assert_eq!(bytes("4096"), Some(4096));
        for bad in ["", "M", "1MB", "-1", "1.5G", "9999999999G", "+1", "1ö"] {
            assert_eq!(bytes(bad), None, "{bad}");
        }
    }
}
