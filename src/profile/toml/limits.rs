//! A container's limits and device rules, as the cgroup v1 files they are written to.

use super::Profile;
use super::tree::{Node, Table, Text, Value};
use crate::error::{Error, Origin, Result};
use crate::profile::container::CgroupRule;
use crate::profile::field;
use crate::profile::text::shown;

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

/// The rules in the order they are written: what the tables say, the verbatim ones, devices last.
pub fn rules(container: &mut Table, origin: &Origin) -> Result<Vec<CgroupRule>> {
    let profile = container.profile;
    let mut rules = Rules { profile, list: Vec::new() };
    if let Some(node) = container.take("cpuset") {
        let table = &mut Table::open(profile, node, "cpuset.", &["cpus", "mems"])?;
        rules.text(table, "cpus", "cpuset.cpus")?;
        rules.text(table, "mems", "cpuset.mems")?;
    }
    if let Some(node) = container.take("cpu") {
        let keys = &["shares", "period", "quota", "rt-period", "rt-runtime"];
        let table = &mut Table::open(profile, node, "cpu.", keys)?;
        // The kernel's own bounds: kernel/sched/core.c. A period goes before what has to fit into it.
        rules.number(table, "shares", "cpu.shares", 2, 262_144)?;
        rules.number(table, "period", "cpu.cfs_period_us", 1_000, 1_000_000)?;
        rules.number(table, "quota", "cpu.cfs_quota_us", 1_000, i64::MAX / 1_000)?;
        rules.number(table, "rt-period", "cpu.rt_period_us", 1, i64::from(i32::MAX))?;
        rules.number(table, "rt-runtime", "cpu.rt_runtime_us", 0, i64::from(i32::MAX))?;
    }
    if let Some(node) = container.take("memory") {
        let keys = &["limit", "soft-limit", "limit-with-swap", "swappiness"];
        let table = &mut Table::open(profile, node, "memory.", keys)?;
        let limit = rules.size(table, "limit", "memory.limit_in_bytes", 4096)?;
        rules.size(table, "soft-limit", "memory.soft_limit_in_bytes", 4096)?;
        rules.size(table, "limit-with-swap", "memory.memsw.limit_in_bytes", limit)?;
        rules.number(table, "swappiness", "memory.swappiness", 0, 100)?;
    }
    if let Some(node) = container.take("pids") {
        let table = &mut Table::open(profile, node, "pids.", &["max"])?;
        // PID_MAX_LIMIT, include/linux/threads.h.
        rules.number(table, "max", "pids.max", 1, 4_194_304)?;
    }
    for pair in container.list("cgroup")? {
        let span = pair.span();
        let words = container.all_words("cgroup", profile.to_list(pair)?)?;
        let [file, value] = words.as_slice() else {
            return Err(profile.unexpected(span, "a pair of strings, file and value,"));
        };
        if file.get_ref().starts_with("devices.") {
            let error = Error::config(format!("\"{}\" has keys of its own", shown(file.get_ref())))
                .hint("devices = { deny = […], allow = […] }");
            return Err(container.wrong(error, "cgroup", file.span()));
        }
        rules.push(file.get_ref(), value, "cgroup")?;
    }
    match container.take("devices") {
        None => {
            rules.device("devices.deny", "a", origin)?;
            rules.standard_devices(origin)?;
        }
        Some(node) => {
            let table = &mut Table::open(profile, node, "devices.", &["deny", "allow"])?;
            match table.take("deny") {
                None => rules.device("devices.deny", "a", origin)?,
                Some(list) => rules.devices(table, "deny", "devices.deny", profile.to_list(list)?)?,
            }
            let list = table.list("allow")?;
            rules.devices(table, "allow", "devices.allow", list)?;
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
    fn text(&mut self, table: &mut Table, key: &str, file: &str) -> Result<()> {
        match table.word(key)? {
            Some(text) => self.push(file, &text, file),
            None => Ok(()),
        }
    }

    fn push(&mut self, file: &str, value: &Text, key: &str) -> Result<()> {
        let origin = self.profile.origin(value.span());
        self.device(file, value.get_ref(), &origin).map_err(|error| error.tried(key).at(&origin))
    }

    fn device(&mut self, file: &str, rule: &str, origin: &Origin) -> Result<()> {
        self.list.push(field::cgroup_rule(file, rule, origin)?);
        Ok(())
    }

    fn number(&mut self, table: &mut Table, key: &str, file: &str, least: i64, most: i64) -> Result<()> {
        let Some(number) = table.number(key, least, most)? else { return Ok(()) };
        let origin = self.profile.origin(number.span());
        self.device(file, &number.get_ref().to_string(), &origin)
    }

    /// A size that is not below `least`, which is what is returned where there is none.
    fn size(&mut self, table: &mut Table, key: &str, file: &str, least: i64) -> Result<i64> {
        let Some(node) = table.take(key) else { return Ok(least) };
        let bytes = match node.get_ref() {
            Value::Number(bytes) => *bytes,
            Value::Text(text) => bytes(text).ok_or_else(|| {
                let error = Error::config(format!("\"{}\" is not a size", shown(text)))
                    .hint("a number of bytes, or a string with K, M or G: \"64M\"");
                table.wrong(error, key, node.span())
            })?,
            _ => return Err(self.profile.unexpected(node.span(), "a size such as 65536 or \"64M\"")),
        };
        if bytes < least {
            // Less than a page is nothing; memory with swap is not less than memory.
            return Err(table.wrong(
                Error::config(format!("{bytes} bytes are less than {least}")),
                key,
                node.span(),
            ));
        }
        let origin = self.profile.origin(node.span());
        self.device(file, &bytes.to_string(), &origin)?;
        Ok(bytes)
    }

    fn standard_devices(&mut self, origin: &Origin) -> Result<()> {
        STANDARD_DEVICES.iter().try_for_each(|rule| self.device("devices.allow", rule, origin))
    }

    fn devices(&mut self, table: &Table, key: &str, file: &str, list: Vec<Node>) -> Result<()> {
        for rule in table.all_words(key, list)? {
            match (key, rule.get_ref().as_str()) {
                ("allow", "standard") => self.standard_devices(&self.profile.origin(rule.span()))?,
                _ => self.push(file, &rule, file)?,
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
