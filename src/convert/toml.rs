//! A model as a profile's sections. What a profile has by default is not said.

mod limits;
mod part;

#[cfg(test)]
pub use limits::rank;

use super::no_equal;
use super::remarks::{Remarks, lines};
use super::words::{key, level, list, mode, quoted, size, time};
use crate::error::Error;
use crate::profile::board::{Board, Bridge, CgroupSetup, Layout, PORT_WAIT};
use crate::profile::container::{Console, Container, CreateTarget, Dev, Mount, Nic, NicKind, Personality};
use crate::profile::startup::{Policy, Ready, Startup};
use crate::profile::value::{Capabilities, Ipv4Net};
use crate::profile::{field, fstab};
use limits::{devices, limits};
use part::Part;

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
        if without_effect(nic) {
            let what = format!("all but type of interface {number}, which is empty,");
            warnings.push(no_equal(what, "a profile", &nic.origin));
        }
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

fn network(nic: &Nic, out: &mut String) {
    let mut part = Part::new(Remarks::default());
    match &nic.kind {
        // It has nothing else.
        NicKind::Empty => {
            part.key("type", quoted("empty"));
            return part.write_under("[[container.network]]", out);
        }
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

/// An interface that is none, and has what only one would have, as LXC files may say it.
fn without_effect(nic: &Nic) -> bool {
    let addressed = !nic.ipv4.is_empty() || !nic.ipv6.is_empty();
    let routed = nic.gateway4.is_some() || nic.gateway6.is_some();
    let own = nic.name.is_some() || nic.hwaddr.is_some() || nic.mtu.is_some();
    nic.kind == NicKind::Empty && (addressed || routed || own)
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
