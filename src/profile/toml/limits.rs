//! A container's limits and device rules, as the cgroup v1 files they are written to.

use super::Profile;
use super::tree::{Node, Table, Value};
use crate::error::{Error, Origin};
use crate::profile::container::CgroupRule;
use crate::profile::field;
use crate::profile::text::shown;
use std::ops::Range;

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

const THROTTLE_KEYS: &[&str] = &["device", "read-bps", "write-bps", "read-iops", "write-iops"];

const THROTTLE_FILES: [&str; 4] = [
    "blkio.throttle.read_bps_device",
    "blkio.throttle.write_bps_device",
    "blkio.throttle.read_iops_device",
    "blkio.throttle.write_iops_device",
];

/// The rules in the order they are written: what the tables say, the verbatim ones, devices last. What is wrong with them
/// is noted with the profile.
pub fn rules(container: &mut Table, origin: &Origin) -> Vec<CgroupRule> {
    let profile = container.profile;
    let mut rules = Rules { profile, list: Vec::new() };
    if let Some(node) = container.take("cpuset") {
        let table = &mut Table::open(profile, node, "cpuset.", &["cpus", "mems", "exclusive"]);
        rules.text(table, "cpus", "cpuset.cpus");
        rules.text(table, "mems", "cpuset.mems");
        if table.flag("exclusive") == Some(true) {
            rules.rule("cpuset.cpu_exclusive", "1", &profile.origin(table.span.clone()));
        }
    }
    if let Some(node) = container.take("cpu") {
        let keys = &["shares", "weight", "period", "quota", "rt-period", "rt-runtime"];
        let table = &mut Table::open(profile, node, "cpu.", keys);
        // The kernel's own bounds: kernel/sched/core.c. A period goes before what has to fit into it.
        rules.number(table, "shares", "cpu.shares", 2, 262_144);
        rules.number(table, "weight", "cpu.weight", 1, 10_000);
        rules.number(table, "period", "cpu.cfs_period_us", 1_000, 1_000_000);
        rules.number(table, "quota", "cpu.cfs_quota_us", 1_000, i64::MAX / 1_000);
        rules.number(table, "rt-period", "cpu.rt_period_us", 1, i64::from(i32::MAX));
        rules.number(table, "rt-runtime", "cpu.rt_runtime_us", 0, i64::from(i32::MAX));
    }
    if let Some(node) = container.take("memory") {
        let keys = &["limit", "low", "soft-limit", "limit-with-swap", "swappiness"];
        let table = &mut Table::open(profile, node, "memory.", keys);
        let limit = rules.size(table, "limit", "memory.limit_in_bytes", 4096);
        rules.size(table, "low", "memory.low", 4096);
        rules.size(table, "soft-limit", "memory.soft_limit_in_bytes", 4096);
        rules.size(table, "limit-with-swap", "memory.memsw.limit_in_bytes", limit);
        // v1 refuses it below a limit that is none, and v2 can not tell what of it is swap.
        let has = |file: &str| rules.list.iter().any(|rule| rule.file == file);
        if has("memory.memsw.limit_in_bytes") && !has("memory.limit_in_bytes") {
            let error = Error::config("limit-with-swap is not taken without a limit of memory alone");
            table.missing(error.tried("memory").hint("limit = \"64M\" stands beside it"));
        }
        rules.number(table, "swappiness", "memory.swappiness", 0, 100);
    }
    if let Some(node) = container.take("pids") {
        let table = &mut Table::open(profile, node, "pids.", &["max"]);
        // PID_MAX_LIMIT, include/linux/threads.h.
        rules.number(table, "max", "pids.max", 1, 4_194_304);
    }
    if let Some(node) = container.take("io") {
        let table = &mut Table::open(profile, node, "io.", &["weight", "throttle"]);
        // What v1's 10..=1000 has room for, its default being 500.
        rules.number(table, "weight", "io.weight", 2, 200);
        for node in table.list("throttle") {
            rules.throttle(&mut Table::open(profile, node, "io.throttle.", THROTTLE_KEYS));
        }
    }
    for key in ["cgroup", "cgroup2"] {
        for pair in container.list(key) {
            let span = pair.span();
            let words = container.all_words(key, profile.to_list(pair));
            match words.as_slice() {
                [file, _] if key == "cgroup" && file.get_ref().starts_with("devices.") => {
                    let error = Error::config(format!("\"{}\" has keys of its own", shown(file.get_ref())))
                        .hint("devices = { deny = […], allow = […] }");
                    container.wrong(error, key, file.span());
                }
                [file, value] => {
                    rules.push(file.get_ref(), value.get_ref(), key, value.span());
                }
                _ => profile.unexpected(span, "a pair of strings, file and value,"),
            }
        }
    }
    match container.take("devices") {
        None => {
            rules.rule("devices.deny", "a", origin);
            rules.standard_devices(origin);
        }
        Some(node) if matches!(node.get_ref(), Value::List(_)) => {
            for rule in container.all_words("devices", profile.to_list(node)) {
                let file = match rule.get_ref().split_once(' ') {
                    Some(("deny", _)) => "devices.deny",
                    Some(("allow", _)) => "devices.allow",
                    _ => {
                        let error =
                            Error::config(format!("\"{}\" neither denies nor allows", shown(rule.get_ref())))
                                .hint("\"deny RULE\" or \"allow RULE\", as in \"allow c 1:3 rw\"");
                        container.wrong(error, "devices", rule.span());
                        continue;
                    }
                };
                rules.push(
                    file,
                    rule.get_ref().split_once(' ').map_or("", |words| words.1.trim_start()),
                    file,
                    rule.span(),
                );
            }
        }
        Some(node) => {
            let table = &mut Table::open(profile, node, "devices.", &["deny", "allow"]);
            match table.take("deny") {
                None => rules.rule("devices.deny", "a", origin),
                Some(list) => rules.devices(table, "deny", "devices.deny", profile.to_list(list)),
            }
            let list = table.list("allow");
            rules.devices(table, "allow", "devices.allow", list);
        }
    }
    rules.list
}

/// Rules as they gather.
struct Rules<'a> {
    profile: &'a Profile,
    list: Vec<CgroupRule>,
}

impl Rules<'_> {
    /// One rule as it is, known to be right.
    fn rule(&mut self, file: &str, value: &str, origin: &Origin) {
        let unified = matches!(file, "cpu.weight" | "memory.low" | "io.weight");
        let (file, value, origin) = (file.into(), value.into(), origin.clone());
        self.list.push(CgroupRule { file, value, unified, origin });
    }

    /// The limits of one device, each a file of blkio.
    fn throttle(&mut self, table: &mut Table) {
        let device = table.word("device");
        let Some(device) = table.need("device", device) else { return };
        let number = |text: &str| text.parse::<u32>().is_ok();
        if !device.get_ref().split_once(':').is_some_and(|(major, minor)| number(major) && number(minor)) {
            let error = Error::config(format!(
                "\"{}\" is not MAJOR:MINOR of a block device",
                shown(device.get_ref())
            ));
            table.wrong(error, "device", device.span());
            return;
        }
        let first = self.list.len();
        for (key, file) in THROTTLE_KEYS.iter().skip(1).zip(THROTTLE_FILES) {
            self.size(table, key, file, 1);
        }
        for rule in self.list.iter_mut().skip(first) {
            rule.value = format!("{} {}", device.get_ref(), rule.value);
        }
    }

    /// One that has to be checked.
    fn push(&mut self, file: &str, value: &str, key: &str, span: Range<usize>) {
        match field::cgroup_rule(file, value, &self.profile.origin(span.clone())) {
            Ok(mut rule) => {
                rule.unified = key == "cgroup2";
                self.list.push(rule);
            }
            Err(error) => self.profile.note(error.tried(key), span),
        }
    }

    fn text(&mut self, table: &mut Table, key: &str, file: &str) {
        if let Some(text) = table.word(key) {
            self.push(file, text.get_ref(), file, text.span());
        }
    }

    fn number(&mut self, table: &mut Table, key: &str, file: &str, least: i64, most: i64) {
        if let Some(number) = table.number(key, least, most) {
            let origin = self.profile.origin(number.span());
            self.rule(file, &number.get_ref().to_string(), &origin);
        }
    }

    /// A size that is not below `least`, which is what is returned where there is none.
    fn size(&mut self, table: &mut Table, key: &str, file: &str, least: i64) -> i64 {
        let Some((bytes, span)) = size(table, key, least) else { return least };
        let origin = self.profile.origin(span);
        self.rule(file, &bytes.to_string(), &origin);
        bytes
    }

    fn standard_devices(&mut self, origin: &Origin) {
        for rule in STANDARD_DEVICES {
            self.rule("devices.allow", rule, origin);
        }
    }

    fn devices(&mut self, table: &Table, key: &str, file: &str, list: Vec<Node>) {
        for rule in table.all_words(key, list) {
            match (key, rule.get_ref().as_str()) {
                ("allow", "standard") => self.standard_devices(&self.profile.origin(rule.span())),
                (_, text) => self.push(file, text, file, rule.span()),
            }
        }
    }
}

/// A size in bytes that is not below `least`, and its place.
pub fn size(table: &mut Table, key: &str, least: i64) -> Option<(i64, Range<usize>)> {
    let node = table.take(key)?;
    let span = node.span();
    let bytes = match node.get_ref() {
        Value::Number(bytes) => Some(*bytes),
        Value::Text(text) => bytes(text),
        _ => {
            table.profile.unexpected(span, "a size such as 65536 or \"64M\"");
            return None;
        }
    };
    match bytes {
        Some(bytes) if bytes >= least => return Some((bytes, span)),
        // Less than a page is nothing; memory with swap is not less than memory.
        Some(bytes) => {
            table.wrong(Error::config(format!("{bytes} bytes are less than {least}")), key, span);
        }
        None => {
            let text = if let Value::Text(text) = node.get_ref() { shown(text) } else { String::new() };
            let error = Error::config(format!("\"{text}\" is not a size"))
                .hint("a number of bytes, or a string with K, M or G: \"64M\"");
            table.wrong(error, key, span);
        }
    }
    None
}

/// `4096`, `64K`, `64M`, `1G`; the letters are powers of 1024.
pub fn bytes(text: &str) -> Option<i64> {
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
