//! A model as a profile's sections. What a profile has by default is not said.

use super::no_equal;
use super::remarks::{Remarks, lines};
use super::words::{key, level, list, mode, quoted, size, time};
use crate::error::Error;
use crate::profile::board::{Board, Bridge, CgroupSetup, Layout, PORT_WAIT};
use crate::profile::container::{
    CgroupRule, Console, Container, CreateTarget, Dev, Mount, Nic, NicKind, Personality,
};
use crate::profile::startup::{Policy, Ready, Startup};
use crate::profile::toml::{STANDARD_DEVICES, bytes};
use crate::profile::value::{Capabilities, Ipv4Net};
use crate::profile::{field, fstab};

/// How long a line may be.
const WIDTH: usize = 110;

/// `[board]`, `[check]`, `[cgroup]` and `[[bridge]]`.
pub fn board(board: &Board, out: &mut String) {
    let mut part = Part::new(Remarks::default());
    part.key("name", quoted(&board.name));
    part.some(
        "description",
        Some(&board.description).filter(|text| !text.is_empty()).map(|text| quoted(text)),
    );
    part.words("compatible", &board.compatible);
    part.some("arch", Some(&board.arch).filter(|text| !text.is_empty()).map(|text| quoted(text)));
    part.some("cpus", board.cpus.map(|cpus| cpus.to_string()));
    part.some("memory", board.memory.map(size));
    part.write("[board]", out);
    if !board.allow.is_empty() {
        let mut part = Part::new(Remarks::default());
        part.key("allow", list(board.allow.iter().map(|(rule, _)| rule.as_str())));
        part.write("[check]", out);
    }
    if board.cgroup != CgroupSetup::default() {
        cgroup(&board.cgroup, out);
    }
    for one in &board.bridges {
        bridge(one, out);
    }
}

/// `[cgroup]`.
pub fn cgroup(setup: &CgroupSetup, out: &mut String) {
    let default = CgroupSetup::default();
    let mut part = Part::new(Remarks::default());
    match setup.layout {
        Layout::Auto => {}
        Layout::V1 => part.key("layout", quoted("v1")),
        Layout::V2 => part.key("layout", quoted("v2")),
    }
    if setup.mountpoint != default.mountpoint {
        part.key("mountpoint", quoted(&setup.mountpoint));
    }
    if setup.controllers != default.controllers {
        part.key("controllers", list(setup.controllers.iter().map(String::as_str)));
    }
    let groups: Vec<String> =
        setup.comount.iter().map(|group| list(group.iter().map(String::as_str))).collect();
    part.some("comount", (!groups.is_empty()).then(|| format!("[{}]", groups.join(", "))));
    part.truth("favordynmods", setup.favordynmods);
    part.write("[cgroup]", out);
}

fn bridge(bridge: &Bridge, out: &mut String) {
    let mut part = Part::new(Remarks::default());
    part.key("name", quoted(bridge.name.as_str()));
    let ports: Vec<String> = bridge.ports.iter().map(|port| port.as_str().into()).collect();
    part.words("ports", &ports);
    part.some("hwaddr", bridge.hwaddr.map(|mac| quoted(&mac.to_string())));
    part.some("mtu", bridge.mtu.map(|mtu| mtu.to_string()));
    part.words("ipv4", &bridge.ipv4.iter().map(address).collect::<Vec<_>>());
    part.words("ipv6", &bridge.ipv6.iter().map(ToString::to_string).collect::<Vec<_>>());
    part.some("wait", (bridge.wait != PORT_WAIT).then(|| time(bridge.wait)));
    part.truth("relay", bridge.relay);
    part.write("[[bridge]]", out);
}

/// A section as it grows: its keys, then the tables that are too long for a line.
struct Part {
    keys: String,
    tables: String,
    remarks: Remarks,
}

impl Part {
    fn new(remarks: Remarks) -> Self {
        Self { keys: String::new(), tables: String::new(), remarks }
    }

    /// `KEY = VALUE`, with the comments about it above.
    fn key(&mut self, key: &str, value: String) {
        lines(self.remarks.about(key), "", &mut self.keys);
        self.keys.push_str(&format!("{key} = {value}\n"));
    }

    fn some(&mut self, key: &str, value: Option<String>) {
        if let Some(value) = value {
            self.key(key, value);
        }
    }

    fn truth(&mut self, key: &str, value: bool) {
        if value {
            self.key(key, "true".into());
        }
    }

    /// A list of strings that is not said when it is empty.
    fn words(&mut self, key: &str, words: &[String]) {
        if !words.is_empty() {
            self.entries(key, words.iter().map(|word| quoted(word)).collect());
        }
    }

    /// A list: in one line where it fits and has no comments inside.
    fn entries(&mut self, key: &str, entries: Vec<String>) {
        let value = self.list(key, 0, &entries, key.len() + 3);
        self.key(key, value);
    }

    /// The same as a value; the comments are those about `of` from its `first` entry on, `before` is what the line has.
    fn list(&self, of: &str, first: usize, entries: &[String], before: usize) -> String {
        let line = format!("[{}]", entries.join(", "));
        let numbers = first..first + entries.len();
        let commented =
            numbers.clone().any(|number| !self.remarks.about(&format!("{of}.{number}")).is_empty());
        if !commented && before + line.chars().count() <= WIDTH {
            return line;
        }
        let mut text = String::from("[\n");
        for (entry, number) in entries.iter().zip(numbers) {
            lines(self.remarks.about(&format!("{of}.{number}")), "    ", &mut text);
            text.push_str(&format!("    {entry},\n"));
        }
        text.push(']');
        text
    }

    /// A table: in one line where it fits.
    fn table(&mut self, name: &str, pairs: Vec<(String, String)>) {
        if pairs.is_empty() {
            return;
        }
        let line: Vec<String> = pairs.iter().map(|(key, value)| format!("{key} = {value}")).collect();
        let line = format!("{{ {} }}", line.join(", "));
        if !line.contains('\n') && name.len() + 3 + line.chars().count() <= WIDTH {
            self.key(name, line);
            return;
        }
        self.tables.push('\n');
        lines(self.remarks.about(name), "", &mut self.tables);
        self.tables.push_str(&format!("[container.{name}]\n"));
        for (key, value) in pairs {
            self.tables.push_str(&format!("{key} = {value}\n"));
        }
    }

    /// After a blank line.
    fn write(self, header: &str, out: &mut String) {
        if !out.is_empty() {
            out.push('\n');
        }
        self.write_under(header, out);
    }

    /// Right below what is there, its comments.
    fn write_under(self, header: &str, out: &mut String) {
        out.push_str(&format!("{header}\n{}{}", self.keys, self.tables));
    }
}

/// `[[container]]` and its interfaces.
pub fn container(c: &Container, remarks: &Remarks, out: &mut String, warnings: &mut Vec<Error>) {
    let default = Container::toml_defaults(c.name.clone());
    let mut part = Part::new(remarks.clone());
    let absolute = |path: &Option<String>, key: &str, warnings: &mut Vec<Error>| match path {
        Some(path) if field::absolute(path).is_err() => {
            warnings.push(no_equal(format!("{key} \"{path}\", a relative path,"), "a profile", &c.origin));
            None
        }
        path => path.as_deref().map(quoted),
    };
    part.key("name", quoted(c.name.as_str()));
    if c.hostname != default.hostname {
        part.key("hostname", quoted(c.hostname.as_deref().unwrap_or("")));
    }
    part.some("rootfs", c.rootfs.as_deref().map(quoted));
    part.truth("rootfs-read-only", c.rootfs_read_only);
    part.some("rootfs-mount", c.rootfs_mount.as_deref().map(quoted));
    part.words("command", &c.command);
    part.words("execute-command", &c.execute_command);
    let mut environment: Vec<(String, String)> = Vec::new();
    for (name, value) in &c.environment {
        // The last one is what the program finds.
        environment.retain(|(other, _)| *other != key(name));
        environment.push((key(name), quoted(value)));
    }
    part.table("environment", environment);
    part.some("cwd", c.cwd.as_deref().map(quoted));
    part.some("user", (c.uid != 0).then(|| c.uid.to_string()));
    part.some("group", (c.gid != 0).then(|| c.gid.to_string()));
    if c.personality == Personality::Linux32 {
        part.key("arch", quoted(remarks.arch.as_deref().unwrap_or("i686")));
    }
    if !c.pts {
        part.key("pts", "false".into());
    }
    part.some("tty", (c.tty != 0).then(|| c.tty.to_string()));
    part.some("tty-dir", (!c.tty_dir.is_empty()).then(|| quoted(&c.tty_dir)));
    if c.dev == Dev::Rootfs {
        part.key("dev", quoted("rootfs"));
    }
    match &c.console {
        Console::Pty => {}
        Console::None => part.key("console", quoted("none")),
        Console::Path(path) => part.key("console", quoted(path)),
    }
    if c.auto_mounts.proc != default.auto_mounts.proc {
        part.key("proc", quoted(mode(c.auto_mounts.proc)));
    }
    if c.auto_mounts.sys != default.auto_mounts.sys {
        part.key("sys", quoted(mode(c.auto_mounts.sys)));
    }
    if let Some(mount) = c.auto_mounts.cgroup {
        let full = if mount.full { "full:" } else { "" };
        part.key("cgroup-mount", quoted(&format!("{full}{}", mode(Some(mount.mode)))));
    }
    let fstab = c.fstab.as_ref().map(|fstab| fstab.0.clone());
    part.some("fstab", absolute(&fstab, "fstab", warnings));
    let mut mounts = Vec::new();
    for one in &c.mounts {
        match mount(one) {
            Some(text) => mounts.push(text),
            None => warnings.push(no_equal(
                format!("mount target \"{}\", outside of the root file system,", one.target),
                "a profile",
                &one.origin,
            )),
        }
    }
    if !mounts.is_empty() {
        part.entries("mounts", mounts);
    }
    limits(c, &mut part);
    devices(c, &mut part);
    let names = |set: &crate::profile::value::CapSet| {
        let (text, mut all) = (set.to_string(), Vec::new());
        all.extend(text.split_ascii_whitespace().map(String::from));
        // Those that have no name yet.
        let named = crate::profile::value::CAPABILITY_NAMES.len();
        all.extend((named..64).filter(|number| set.0 >> number & 1 == 1).map(|number| number.to_string()));
        list(all.iter().map(String::as_str))
    };
    if c.capabilities != default.capabilities {
        let value = match &c.capabilities {
            Capabilities::All => quoted("all"),
            Capabilities::Keep(set) => names(set),
            Capabilities::Drop(set) => format!("{{ drop = {} }}", names(set)),
        };
        part.key("capabilities", value);
    }
    part.truth("no-new-privs", c.no_new_privs);
    if !c.own_network {
        part.key("network", quoted("host"));
    }
    part.some("stop-signal", (c.stop_signal != default.stop_signal).then(|| signal(c)));
    part.some("log-level", c.log_level.map(|one| quoted(&level(one))));
    part.some("log-file", absolute(&c.log_file, "log-file", warnings));
    startup(&c.startup, &mut part);
    remarks.write_head(out);
    part.write_under("[[container]]", out);
    for (number, nic) in c.network.iter().enumerate() {
        out.push('\n');
        lines(remarks.about(&format!("network.{number}")), "", out);
        network(nic, out);
    }
    remarks.write_tail(out);
}

fn signal(c: &Container) -> String {
    let text = c.stop_signal.to_string();
    // A number without a name is a number.
    quoted(text.strip_prefix("signal ").unwrap_or(&text))
}

fn startup(s: &Startup, part: &mut Part) {
    let default = Startup::default();
    part.some("autostart", s.autostart.map(|start| start.to_string()));
    let names = |of: &[crate::profile::startup::Dependency]| {
        of.iter().map(|one| one.name.to_string()).collect::<Vec<_>>()
    };
    part.words("requires", &names(&s.requires));
    part.words("after", &names(&s.after));
    part.some("order", (s.order != 0).then(|| s.order.to_string()));
    part.some("start-delay", (s.delay != 0).then(|| time(s.delay)));
    match &s.ready {
        Ready::Exec => {}
        Ready::File(path) => part.key("ready", quoted(&format!("file:{path}"))),
        Ready::Tcp(address) => part.key("ready", quoted(&format!("tcp:{address}"))),
        Ready::Delay(delay) => {
            part.key("ready", format!("\"delay:{}", &time(*delay).trim_start_matches('"')))
        }
    }
    part.some("ready-timeout", (s.ready_timeout != default.ready_timeout).then(|| time(s.ready_timeout)));
    part.words("groups", &s.groups);
    match s.restart.policy {
        Policy::No => {}
        Policy::OnFailure => part.key("restart", quoted("on-failure")),
        Policy::Always => part.key("restart", quoted("always")),
    }
    part.some("restart-delay", (s.restart.delay != default.restart.delay).then(|| time(s.restart.delay)));
    part.some("restart-limit", (s.restart.limit != 0).then(|| s.restart.limit.to_string()));
}

/// One of `mounts`; `None` for a target that a profile can not name.
fn mount(mount: &Mount) -> Option<String> {
    let outside = mount.target.starts_with('/') || mount.target.split('/').any(|part| part == "..");
    if outside || mount.target.is_empty() {
        return None;
    }
    #[allow(clippy::useless_conversion)] // c_ulong has 32 bits on powerpc
    let (bind, recursive, read_only): (u64, u64, u64) =
        (libc::MS_BIND.into(), libc::MS_REC.into(), libc::MS_RDONLY.into());
    let mut flags = mount.flags;
    let mut pairs = Vec::new();
    if mount.fstype == "none" && flags.set & bind != 0 && mount.source.starts_with('/') {
        pairs.push(format!("bind = {}", quoted(&mount.source)));
        pairs.push(format!("to = {}", quoted(&mount.target)));
        if flags.set & recursive != 0 {
            pairs.push("recursive = true".into());
        }
        flags.set &= !(bind | recursive);
    } else {
        pairs.push(format!("type = {}", quoted(&mount.fstype)));
        if mount.source != mount.fstype {
            pairs.push(format!("source = {}", quoted(&mount.source)));
        }
        pairs.push(format!("to = {}", quoted(&mount.target)));
    }
    if flags.set & read_only != 0 {
        pairs.push("read-only = true".into());
    } else if flags.clear & read_only != 0 {
        pairs.push("read-only = false".into());
    }
    flags.set &= !read_only;
    flags.clear &= !read_only;
    let options = fstab::options(&flags, &mount.data);
    if !options.is_empty() {
        pairs.push(format!("options = {}", quoted(&options)));
    }
    match mount.create {
        None => {}
        Some(CreateTarget::Dir) => pairs.push("create = \"dir\"".into()),
        Some(CreateTarget::File) => pairs.push("create = \"file\"".into()),
    }
    if mount.optional {
        pairs.push("optional = true".into());
    }
    Some(format!("{{ {} }}", pairs.join(", ")))
}

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
fn limits(c: &Container, part: &mut Part) {
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
    let memory = rules.iter().find(|rule| rule.file == "memory.limit_in_bytes");
    let memory = memory.and_then(|rule| bytes(&rule.value)).unwrap_or(0);
    for rule in &rules {
        if rule.controller() == "devices" && !rule.unified {
            continue;
        }
        let at = LIMITS.iter().position(|limit| limit.2 == rule.file && unified(limit.2) == rule.unified);
        let value = at.and_then(|at| LIMITS.get(at)).and_then(|limit| limit.3.value(&rule.value));
        // The reader wants memory with swap not to be less than memory.
        let less =
            rule.file == "memory.memsw.limit_in_bytes" && bytes(&rule.value).is_some_and(|all| all < memory);
        if let (Some(at), Some(value), false) = (at, value, less) {
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
fn devices(c: &Container, part: &mut Part) {
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

fn network(nic: &Nic, out: &mut String) {
    let mut part = Part::new(Remarks::default());
    match &nic.kind {
        NicKind::Empty => part.key("type", quoted("empty")),
        NicKind::Macvlan { link, mode } => {
            part.key("type", quoted("macvlan"));
            part.key("mode", quoted(&mode.to_string()));
            part.key("link", quoted(link.as_str()));
        }
    }
    part.some("name", nic.name.as_ref().map(|name| quoted(name.as_str())));
    if !nic.up {
        part.key("up", "false".into());
    }
    part.some("hwaddr", hwaddr(nic).map(|text| quoted(&text)));
    part.some("mtu", nic.mtu.map(|mtu| mtu.to_string()));
    let addresses = |of: Vec<String>| match of.as_slice() {
        [] => None,
        [one] => Some(quoted(one)),
        all => Some(list(all.iter().map(String::as_str))),
    };
    part.some("ipv4", addresses(nic.ipv4.iter().map(address).collect()));
    part.some("ipv6", addresses(nic.ipv6.iter().map(ToString::to_string).collect()));
    part.some("ipv4-gateway", nic.gateway4.map(|gateway| quoted(&gateway.to_string())));
    part.some("ipv6-gateway", nic.gateway6.map(|gateway| quoted(&gateway.to_string())));
    part.write_under("[[container.network]]", out);
}

/// An Ethernet address as it was written: its digits are not drawn here.
pub fn hwaddr(nic: &Nic) -> Option<String> {
    nic.hwaddr.map(|mac| nic.hwaddr_pattern.as_deref().map_or_else(|| mac.to_string(), String::from))
}

/// An address, and its broadcast address where that is another one than it would have.
pub fn address(net: &Ipv4Net) -> String {
    let plain = net.to_string();
    match net.broadcast {
        Some(broadcast) if plain.parse::<Ipv4Net>().is_ok_and(|usual| usual.broadcast != net.broadcast) => {
            format!("{plain} {broadcast}")
        }
        _ => plain,
    }
}
