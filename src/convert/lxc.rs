//! A container as an LXC file. What LXC has by default is not said.

use super::no_equal;
use super::remarks::{Remarks, lines};
use super::toml::{address, hwaddr};
use super::words::{NAMES, command, level, mode, value as written};
use crate::error::Error;
use crate::profile::container::{AutoMounts, Console, Container, CreateTarget, Dev, NicKind, Personality};
use crate::profile::fstab;
use crate::profile::startup::{Ready, Restart, Startup};
use crate::profile::text::shown;
use crate::profile::value::{CAPABILITY_NAMES, CapSet, Capabilities};

/// A file as it grows.
struct Lines<'a> {
    out: &'a mut String,
    remarks: &'a Remarks,
    warnings: &'a mut Vec<Error>,
    container: &'a Container,
    old: bool,
    /// The key that was written last: comments stand before the first of several.
    last: String,
}

impl Lines<'_> {
    /// A setting by the profile's key.
    fn set(&mut self, key: &str, value: &str) {
        let Some(known) = NAMES.iter().find(|known| known.0 == key) else { return };
        match self.old && known.1.is_empty() {
            true => self.newer(known.2, value),
            false => self.line(key, if self.old { known.1 } else { known.2 }, value),
        }
    }

    /// A key that LXC 0.9.0 does not know, which refuses a file with one.
    fn newer(&mut self, name: &str, value: &str) {
        if self.old {
            let cause = "is newer than LXC 0.9.0: left out";
            self.warnings.push(Error::config(cause).tried(format!("lxc.{name}")).at(&self.container.origin));
            lines(&[format!("newer than 0.9.0: lxc.{name} = {}", shown(&written(value)))], "", self.out);
        } else {
            self.line(name, name, value);
        }
    }

    /// A setting by LXC's own name for it, `about` what the profile's comments about it belong to.
    fn line(&mut self, about: &str, name: &str, value: &str) {
        if self.last != about {
            lines(self.remarks.about(about), "", self.out);
            self.last = about.into();
        }
        // A value is a line's rest without the blanks around it.
        if value.trim() != value || value.chars().any(|c| c.is_control()) {
            let value = shown(value);
            return self.left_out(format!(
                "{about} \"{value}\", with blanks around it or a control character in it,"
            ));
        }
        self.out.push_str(&format!("lxc.{name} = {}\n", written(value)));
    }

    fn left_out(&mut self, what: String) {
        self.warnings.push(no_equal(what, "an LXC file", &self.container.origin));
    }

    fn gap(&mut self) {
        if !self.out.is_empty() && !self.out.ends_with("\n\n") {
            self.out.push('\n');
        }
    }
}

/// The names of a set, and the numbers of those that have none.
fn names(set: &CapSet) -> String {
    let mut text = set.to_string();
    for number in CAPABILITY_NAMES.len()..64 {
        if set.0 >> number & 1 == 1 {
            text.push_str(&format!(" {number}"));
        }
    }
    text.trim_start().into()
}

/// The whole file.
pub fn container(c: &Container, remarks: &Remarks, old: bool, out: &mut String, warnings: &mut Vec<Error>) {
    remarks.write_head(out);
    if !out.is_empty() {
        out.push('\n');
    }
    let file = &mut Lines { out, remarks, warnings, container: c, old, last: String::new() };
    if let Some(name) = &c.hostname {
        file.set("hostname", name);
    }
    if c.personality == Personality::Linux32 {
        file.set("arch", remarks.arch.as_deref().unwrap_or("i686"));
    }
    if !c.command.is_empty() {
        file.set("command", &command(&c.command));
    }
    if !c.execute_command.is_empty() {
        file.set("execute-command", &command(&c.execute_command));
    }
    for (name, value) in &c.environment {
        file.set("environment", &format!("{name}={value}"));
    }
    if let Some(cwd) = &c.cwd {
        file.set("cwd", cwd);
    }
    for (key, id) in [("user", c.uid), ("group", c.gid)] {
        if id != 0 {
            file.set(key, &id.to_string());
        }
    }
    files(file, c);
    if c.pts {
        file.set("pts", "1");
    }
    if c.tty != 0 {
        file.set("tty", &c.tty.to_string());
    }
    if !c.tty_dir.is_empty() {
        file.set("tty-dir", &c.tty_dir);
    }
    match &c.console {
        Console::Pty => {}
        Console::None => file.set("console", "none"),
        Console::Path(path) => file.set("console", path),
    }
    let mut device = 0;
    for rule in &c.cgroup {
        let about = match rule.controller() {
            "devices" if !rule.unified => {
                device += 1;
                // Those about the whole list stand before its first rule.
                if device == 1 {
                    lines(remarks.about("devices"), "", file.out);
                }
                format!("devices.{}", device - 1)
            }
            "blkio" => "io".into(),
            other => other.into(),
        };
        match rule.unified {
            true => file.newer(&format!("cgroup2.{}", rule.file), &rule.value),
            false => file.line(&about, &format!("cgroup.{}", rule.file), &rule.value),
        }
    }
    match &c.capabilities {
        Capabilities::All => {}
        Capabilities::Drop(set) if set.0 == 0 => {}
        Capabilities::Drop(set) => file.line("capabilities", "cap.drop", &names(set)),
        Capabilities::Keep(set) if set.0 == 0 => file.newer("cap.keep", "none"),
        Capabilities::Keep(set) => file.newer("cap.keep", &names(set)),
    }
    if c.no_new_privs {
        file.set("no-new-privs", "1");
    }
    network(file, c);
    if c.stop_signal != Container::lxc_defaults(c.name.clone()).stop_signal {
        let text = c.stop_signal.to_string();
        file.set("stop-signal", text.strip_prefix("signal ").unwrap_or(&text));
    }
    startup(file, &c.startup);
    if let Some(one) = c.log_level {
        file.set("log-level", &level(one));
    }
    if let Some(path) = &c.log_file {
        file.set("log-file", path);
    }
    remarks.write_tail(file.out);
}

/// The root file system and what is mounted there.
fn files(file: &mut Lines, c: &Container) {
    if let Some(rootfs) = &c.rootfs {
        file.set("rootfs", rootfs);
    }
    if c.rootfs_read_only {
        file.set("rootfs-read-only", "ro");
    }
    if let Some(mount) = &c.rootfs_mount {
        file.set("rootfs-mount", mount);
    }
    if c.dev == Dev::Tmpfs {
        file.set("dev", "1");
    }
    if c.auto_mounts != AutoMounts::default() {
        let word = |what: &str, how| match mode(how) {
            "none" => None,
            mode => Some(format!("{what}:{mode}")),
        };
        let cgroup = c
            .auto_mounts
            .cgroup
            .and_then(|mount| word(if mount.full { "cgroup-full" } else { "cgroup" }, Some(mount.mode)));
        let words = [word("proc", c.auto_mounts.proc), word("sys", c.auto_mounts.sys), cgroup];
        file.set("proc", &words.into_iter().flatten().collect::<Vec<_>>().join(" "));
    }
    if let Some((fstab, _)) = &c.fstab {
        file.set("fstab", fstab);
    }
    for (number, mount) in c.mounts.iter().enumerate() {
        let mut options = fstab::options(&mount.flags, &mount.data);
        for word in [
            mount.optional.then_some("optional"),
            mount.create.map(|create| match create {
                CreateTarget::Dir => "create=dir",
                CreateTarget::File => "create=file",
            }),
        ]
        .into_iter()
        .flatten()
        {
            options.push_str(if options.is_empty() { "" } else { "," });
            options.push_str(word);
        }
        if options.contains(char::is_whitespace) || mount.fstype.contains(char::is_whitespace) {
            file.left_out(format!("the blank in the options of the mount on \"{}\"", mount.target));
            continue;
        }
        let options = if options.is_empty() { "defaults" } else { &options };
        let (source, target) = (fstab::escape(&mount.source), fstab::escape(&mount.target));
        let entry = format!("{source} {target} {} {options} 0 0", mount.fstype);
        // The comments about the list stand before its first entry.
        if number == 0 {
            lines(file.remarks.about("mounts"), "", file.out);
        }
        file.line(&format!("mounts.{number}"), "mount.entry", &entry);
    }
}

fn network(file: &mut Lines, c: &Container) {
    // Without any interface it has the host's network to LXC 0.9.0, and is alone to today's.
    let kind = match (c.own_network, c.network.is_empty(), file.old) {
        (true, true, _) => Some("empty"),
        (false, _, false) => Some("none"),
        _ => None,
    };
    if let Some(kind) = kind {
        file.gap();
        file.line("network", if file.old { "network.type" } else { "net.0.type" }, kind);
    }
    for (number, nic) in c.network.iter().enumerate() {
        file.gap();
        let about = format!("network.{number}");
        let prefix = if file.old { "network".into() } else { format!("net.{number}") };
        let (v4, v6) = if file.old { ("ipv4", "ipv6") } else { ("ipv4.address", "ipv6.address") };
        let mut set = |key: &str, value: &str| file.line(&about, &format!("{prefix}.{key}"), value);
        match &nic.kind {
            NicKind::Empty => set("type", "empty"),
            NicKind::Macvlan { link, mode } => {
                set("type", "macvlan");
                set("macvlan.mode", &mode.to_string());
                set("link", link.as_str());
            }
        }
        if nic.up {
            set("flags", "up");
        }
        if let Some(name) = &nic.name {
            set("name", name.as_str());
        }
        if let Some(hwaddr) = hwaddr(nic) {
            set("hwaddr", &hwaddr);
        }
        if let Some(mtu) = nic.mtu {
            set("mtu", &mtu.to_string());
        }
        for net in &nic.ipv4 {
            set(v4, &address(net));
        }
        for net in &nic.ipv6 {
            set(v6, &net.to_string());
        }
        if let Some(gateway) = nic.gateway4 {
            set("ipv4.gateway", &gateway.to_string());
        }
        if let Some(gateway) = nic.gateway6 {
            set("ipv6.gateway", &gateway.to_string());
        }
    }
    let rest = c.stop_signal.to_string() != "SIGPWR" || c.log_level.is_some() || c.log_file.is_some();
    if rest || c.startup != Startup::default() {
        file.gap();
    }
}

/// When it is started and what happens at its end: LXC has no more than an order.
fn startup(file: &mut Lines, s: &Startup) {
    let default = Startup::default();
    if let Some(auto) = s.autostart {
        file.set("autostart", if auto { "1" } else { "0" });
    }
    if s.order != 0 {
        file.set("order", &s.order.to_string());
    }
    if s.delay.is_multiple_of(1000) && s.delay != 0 {
        file.set("start-delay", &(s.delay / 1000).to_string());
    }
    for group in &s.groups {
        file.set("groups", group);
    }
    for (key, said) in [
        ("start-delay, a part of a second,", !s.delay.is_multiple_of(1000)),
        ("requires", !s.requires.is_empty()),
        ("after", !s.after.is_empty()),
        ("ready", s.ready != Ready::Exec),
        ("ready-timeout", s.ready_timeout != default.ready_timeout),
        ("restart", s.restart != Restart::default()),
    ] {
        if said {
            file.left_out(key.into());
        }
    }
}
