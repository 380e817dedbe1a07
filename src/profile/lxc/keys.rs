//! The keys and what each does to the container.

use super::Reader;
use crate::error::{Error, Origin, Result};
use crate::profile::container::{CgroupMount, Console, Container, Dev};
use crate::profile::text::{nearest, shown};
use crate::profile::value::{CapSet, Capabilities, Signal};
use crate::profile::{field, fstab};

/// What a key sets; those of LXC 0.9.0 and of today that mean the same are one.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Key {
    Hostname,
    Pts,
    Tty,
    TtyDir,
    Autodev,
    Kmsg,
    Console,
    Profile,
    LogLevel,
    LogFile,
    Fstab,
    MountEntry,
    MountAuto,
    Rootfs,
    RootfsMount,
    RootfsOptions,
    CapDrop,
    CapKeep,
    StopSignal,
    HaltSignal,
    ForcedSignal,
    Arch,
    Environment,
    InitCommand,
    InitCwd,
    InitUid,
    InitGid,
    ExecuteCommand,
    NoNewPrivs,
    StartAuto,
    StartDelay,
    StartOrder,
    Group,
    /// All interfaces: it has no value, and takes back what there is.
    Network,
    /// Handled where lines are read; listed for the hint.
    Include,
    /// Accepted and of no effect, as in 0.9.0.
    Ignored,
    /// Known to LXC 0.9.0 or to today's, not applied yet: an error, but for an empty value.
    NotYet,
    /// The same, and 0 says that it is not wanted.
    NotYetSwitch,
}

/// Every key but those of the families below, without `lxc.`.
const KEYS: &[(&str, Key)] = &[
    ("utsname", Key::Hostname),
    ("uts.name", Key::Hostname),
    ("pts", Key::Pts),
    ("pty.max", Key::Pts),
    ("tty", Key::Tty),
    ("tty.max", Key::Tty),
    ("devttydir", Key::TtyDir),
    ("tty.dir", Key::TtyDir),
    ("autodev", Key::Autodev),
    ("kmsg", Key::Kmsg),
    ("console", Key::Console),
    ("console.path", Key::Console),
    ("aa_profile", Key::Profile),
    ("apparmor.profile", Key::Profile),
    ("loglevel", Key::LogLevel),
    ("log.level", Key::LogLevel),
    ("logfile", Key::LogFile),
    ("log.file", Key::LogFile),
    ("mount", Key::Fstab),
    ("mount.fstab", Key::Fstab),
    ("mount.entry", Key::MountEntry),
    ("mount.auto", Key::MountAuto),
    ("rootfs", Key::Rootfs),
    ("rootfs.path", Key::Rootfs),
    ("rootfs.mount", Key::RootfsMount),
    ("rootfs.options", Key::RootfsOptions),
    ("pivotdir", Key::Ignored),
    ("cap.drop", Key::CapDrop),
    ("cap.keep", Key::CapKeep),
    ("stopsignal", Key::StopSignal),
    ("haltsignal", Key::HaltSignal),
    ("signal.halt", Key::HaltSignal),
    ("signal.stop", Key::ForcedSignal),
    ("arch", Key::Arch),
    ("environment", Key::Environment),
    ("init.cmd", Key::InitCommand),
    ("init_cmd", Key::InitCommand),
    ("init.cwd", Key::InitCwd),
    ("init.uid", Key::InitUid),
    ("init_uid", Key::InitUid),
    ("init.gid", Key::InitGid),
    ("init_gid", Key::InitGid),
    ("execute.cmd", Key::ExecuteCommand),
    ("no_new_privs", Key::NoNewPrivs),
    ("include", Key::Include),
    ("id_map", Key::NotYet),
    ("idmap", Key::NotYet),
    ("seccomp", Key::NotYet),
    ("seccomp.profile", Key::NotYet),
    ("seccomp.allow_nesting", Key::NotYetSwitch),
    ("seccomp.notify.cookie", Key::NotYet),
    ("seccomp.notify.proxy", Key::NotYet),
    ("se_context", Key::NotYet),
    ("selinux.context", Key::NotYet),
    ("selinux.context.keyring", Key::NotYet),
    ("aa_allow_incomplete", Key::NotYetSwitch),
    ("apparmor.allow_incomplete", Key::NotYetSwitch),
    ("apparmor.allow_nesting", Key::NotYetSwitch),
    ("apparmor.raw", Key::NotYet),
    ("autodev.tmpfs.size", Key::NotYet),
    ("cgroup.dir", Key::NotYet),
    ("cgroup.dir.container", Key::NotYet),
    ("cgroup.dir.container.inner", Key::NotYet),
    ("cgroup.dir.monitor", Key::NotYet),
    ("cgroup.dir.monitor.pivot", Key::NotYet),
    ("cgroup.relative", Key::NotYetSwitch),
    ("cgroup.use", Key::NotYet),
    ("console.buffer.size", Key::NotYet),
    ("console.logfile", Key::NotYet),
    ("console.rotate", Key::NotYetSwitch),
    ("console.size", Key::NotYet),
    ("ephemeral", Key::NotYetSwitch),
    ("group", Key::Group),
    ("hook.pre-start", Key::NotYet),
    ("hook.pre-mount", Key::NotYet),
    ("hook.mount", Key::NotYet),
    ("hook.autodev", Key::NotYet),
    ("hook.start", Key::NotYet),
    ("hook.start-host", Key::NotYet),
    ("hook.stop", Key::NotYet),
    ("hook.post-stop", Key::NotYet),
    ("hook.clone", Key::NotYet),
    ("hook.destroy", Key::NotYet),
    ("hook.version", Key::NotYet),
    ("init.groups", Key::NotYet),
    ("keyring.session", Key::NotYetSwitch),
    ("log.syslog", Key::NotYet),
    ("syslog", Key::NotYet),
    ("monitor.signal.pdeath", Key::NotYet),
    ("monitor.unshare", Key::NotYetSwitch),
    ("namespace.clone", Key::NotYet),
    ("namespace.keep", Key::NotYet),
    ("rebootsignal", Key::NotYet),
    ("signal.reboot", Key::NotYet),
    ("rootfs.backend", Key::NotYet),
    ("rootfs.managed", Key::NotYetSwitch),
    ("sched.core", Key::NotYetSwitch),
    ("start.auto", Key::StartAuto),
    ("start.delay", Key::StartDelay),
    ("start.order", Key::StartOrder),
    ("time.offset.boot", Key::NotYet),
    ("time.offset.monotonic", Key::NotYet),
    ("network", Key::Network),
    ("net", Key::Network),
];

/// How names begin that were others before LXC 2.1, or none.
const TODAYS: &[&str] = &[
    "net.",
    "rootfs.path",
    "uts.",
    "tty.",
    "pty.",
    "console.",
    "log.",
    "mount.fstab",
    "apparmor.",
    "signal.",
    "cgroup2.",
];

/// Families whose names go on with the kernel's, none of them applied yet.
const FAMILIES: &[&str] = &["limit.", "prlimit.", "proc.", "sysctl.", "namespace.share.", "share."];

/// A known key, or a value of it, that LXC applies and boardbox does not yet.
pub fn not_yet() -> Error {
    Error::config("not supported yet")
        .rule("not-supported")
        .hint("boardbox does not ignore what it does not apply: remove it to go on without")
}

/// The value says nothing.
pub fn no_value() -> Error {
    Error::config("has no value")
}

impl Reader {
    /// Applies `key` (with its `lxc.`); `origin` is the place of `value`. An error without an origin is about the key.
    pub fn key(&mut self, key: &str, value: &str, origin: &Origin) -> Result<()> {
        let name = key.strip_prefix("lxc.").unwrap_or(key);
        self.todays |= TODAYS.iter().any(|today| name.starts_with(today));
        if let Some(rest) = name.strip_prefix("network.") {
            return self.nic(rest, true, value, origin);
        }
        if let Some(rest) = name.strip_prefix("net.") {
            return self.nic(rest, false, value, origin);
        }
        match KEYS.iter().find(|known| known.0 == name) {
            // LXC's switches that are off, and what an empty value has taken back, are what is done here anyway.
            Some((_, Key::NotYetSwitch)) if value == "0" => Ok(()),
            Some((_, Key::NotYet | Key::NotYetSwitch)) if !value.is_empty() => Err(not_yet()),
            Some((_, key)) => self.set(*key, value, origin).map_err(|error| error.at(origin)),
            None => match name.strip_prefix("cgroup.").or_else(|| name.strip_prefix("cgroup2.")) {
                Some(file) if value.is_empty() => {
                    let unified = name.starts_with("cgroup2.");
                    self.container.cgroup.retain(|rule| rule.file != file || rule.unified != unified);
                    Ok(())
                }
                Some(file) => {
                    let mut rule =
                        field::cgroup_rule(file, value, origin).map_err(|error| error.at(origin))?;
                    rule.unified = name.starts_with("cgroup2.");
                    self.container.cgroup.push(rule);
                    Ok(())
                }
                None if FAMILIES.iter().any(|family| name.starts_with(family)) => match value.is_empty() {
                    true => Ok(()),
                    false => Err(not_yet()),
                },
                None => Err(unknown(name)),
            },
        }
    }

    fn set(&mut self, key: Key, value: &str, origin: &Origin) -> Result<()> {
        if value.is_empty() {
            return self.unset(key);
        }
        let container = &mut self.container;
        let place = match key {
            Key::Rootfs => "rootfs",
            Key::InitCommand => "command",
            Key::CapDrop | Key::CapKeep => "capabilities",
            Key::MountAuto => "sys",
            Key::Console => "console",
            Key::InitCwd => "cwd",
            Key::LogFile => "log-file",
            _ => "",
        };
        if !place.is_empty() {
            container.places.note(place, || origin.clone());
        }
        match key {
            Key::Hostname => container.hostname = Some(field::hostname(value)?),
            Key::Pts => container.pts = field::number(value, 0, u32::MAX)? != 0,
            Key::Tty => container.tty = field::number(value, 0, 32)?,
            Key::TtyDir => container.tty_dir = field::tty_dir(value)?,
            Key::Autodev => container.dev = if field::flag(value)? { Dev::Tmpfs } else { Dev::Rootfs },
            Key::Kmsg if field::flag(value)? => return Err(not_yet()),
            Key::Console => {
                container.console = match value {
                    "none" => Console::None,
                    path => Console::Path(field::absolute(path)?),
                }
            }
            Key::Profile if !matches!(value, "unconfined" | "unchanged") => return Err(not_yet()),
            Key::LogLevel => container.log_level = Some(field::log_level(value)?),
            Key::LogFile => container.log_file = Some(value.into()),
            Key::Fstab => container.fstab = Some((value.into(), origin.clone())),
            Key::MountEntry => {
                container.mounts.push(fstab::parse_entry(value, origin)?);
                self.entries.push((value.into(), origin.clone()));
            }
            Key::MountAuto => {
                value.split_ascii_whitespace().try_for_each(|word| auto_mount(container, word))?
            }
            Key::Rootfs => container.rootfs = Some(rootfs(value)?),
            Key::RootfsMount => container.rootfs_mount = Some(field::absolute(value)?),
            Key::RootfsOptions => {
                for option in value.split(',') {
                    match option {
                        "ro" => container.rootfs_read_only = true,
                        "rw" => container.rootfs_read_only = false,
                        "defaults" => {}
                        other => {
                            return Err(not_yet().tried(format!("lxc.rootfs.options: \"{}\"", shown(other))));
                        }
                    }
                }
            }
            Key::CapDrop => {
                let before = match container.capabilities {
                    Capabilities::All => CapSet(0),
                    Capabilities::Drop(set) => set,
                    Capabilities::Keep(_) => return Err(both_caps()),
                };
                container.capabilities = Capabilities::Drop(CapSet(before.0 | value.parse::<CapSet>()?.0));
            }
            Key::CapKeep => {
                let before = match container.capabilities {
                    Capabilities::All => CapSet(0),
                    Capabilities::Keep(set) => set,
                    Capabilities::Drop(_) => return Err(both_caps()),
                };
                let more = if value == "none" { CapSet(0) } else { value.parse()? };
                container.capabilities = Capabilities::Keep(CapSet(before.0 | more.0));
            }
            // 0.9.0's one signal. Since 1.0 it is the last resort where haltsignal is the polite one: SIGKILL, here.
            Key::StopSignal if self.halt => last_resort(value.parse()?)?,
            Key::StopSignal => {
                container.stop_signal = value.parse()?;
                self.stop = true;
            }
            Key::HaltSignal => {
                if self.stop && !self.halt {
                    last_resort(container.stop_signal).map_err(|error| error.tried("lxc.stopsignal"))?;
                }
                container.stop_signal = value.parse()?;
                self.halt = true;
            }
            Key::ForcedSignal => last_resort(value.parse()?)?,
            Key::Arch => container.personality = field::personality(value)?,
            Key::Environment => match value.split_once('=') {
                Some((name, text)) if !name.is_empty() => {
                    container.environment.push((name.into(), text.into()))
                }
                _ => {
                    return Err(Error::config(format!("\"{}\" is not NAME=VALUE", shown(value)))
                        .hint("a variable is not taken over from the calling environment"));
                }
            },
            Key::InitCommand => container.command = field::words(value)?,
            Key::InitCwd => container.cwd = Some(field::absolute(value)?),
            Key::InitUid => container.uid = field::number(value, 0, u32::MAX - 1)?,
            Key::InitGid => container.gid = field::number(value, 0, u32::MAX - 1)?,
            Key::ExecuteCommand => container.execute_command = field::words(value)?,
            Key::NoNewPrivs => container.no_new_privs = field::flag(value)?,
            Key::StartAuto => container.startup.autostart = Some(field::flag(value)?),
            // Seconds, up to the same day that a profile's may take.
            Key::StartDelay => container.startup.delay = field::number(value, 0, 86_400)? * 1000,
            Key::StartOrder => {
                container.startup.order = value
                    .parse()
                    .map_err(|_| Error::config(format!("\"{}\" is not a whole number", shown(value))))?
            }
            Key::Group => container.startup.groups.extend(value.split_ascii_whitespace().map(String::from)),
            Key::Network => {
                return Err(Error::config("the interfaces as a whole have no value")
                    .hint("lxc.net.0.type = macvlan begins one"));
            }
            Key::Kmsg | Key::Profile | Key::Include | Key::Ignored | Key::NotYet | Key::NotYetSwitch => {}
        }
        Ok(())
    }

    /// An empty value: a list is empty again, anything else as if it had not been said; so it is with today's LXC.
    fn unset(&mut self, key: Key) -> Result<()> {
        let c = &mut self.container;
        let fresh = Container::lxc_defaults(c.name.clone());
        match key {
            Key::Hostname => c.hostname = fresh.hostname,
            Key::Pts => c.pts = fresh.pts,
            Key::Tty => c.tty = fresh.tty,
            Key::TtyDir => c.tty_dir.clear(),
            Key::Autodev => c.dev = fresh.dev,
            Key::Console => c.console = fresh.console,
            Key::LogLevel => c.log_level = fresh.log_level,
            Key::LogFile => c.log_file = fresh.log_file,
            Key::Fstab => c.fstab = fresh.fstab,
            Key::MountEntry => {
                c.mounts.clear();
                self.entries.clear();
            }
            Key::MountAuto => c.auto_mounts = fresh.auto_mounts,
            Key::Rootfs => {
                c.rootfs = fresh.rootfs;
                c.places.forget("rootfs");
            }
            Key::RootfsMount => c.rootfs_mount = fresh.rootfs_mount,
            Key::RootfsOptions => c.rootfs_read_only = fresh.rootfs_read_only,
            Key::CapDrop | Key::CapKeep => c.capabilities = fresh.capabilities,
            // The other one of the two may stand.
            Key::StopSignal => {
                if !self.halt {
                    c.stop_signal = fresh.stop_signal;
                }
                self.stop = false;
            }
            Key::HaltSignal => {
                if self.halt {
                    c.stop_signal = if self.stop { Signal::KILL } else { fresh.stop_signal };
                }
                self.halt = false;
            }
            // Of LXC's own, too.
            Key::Arch | Key::Include => return Err(no_value()),
            Key::Environment => c.environment.clear(),
            Key::InitCommand => c.command.clear(),
            Key::InitCwd => c.cwd = fresh.cwd,
            Key::InitUid => c.uid = fresh.uid,
            Key::InitGid => c.gid = fresh.gid,
            Key::ExecuteCommand => c.execute_command.clear(),
            Key::NoNewPrivs => c.no_new_privs = fresh.no_new_privs,
            Key::StartAuto => c.startup.autostart = fresh.startup.autostart,
            Key::StartDelay => c.startup.delay = fresh.startup.delay,
            Key::StartOrder => c.startup.order = fresh.startup.order,
            Key::Group => c.startup.groups.clear(),
            Key::Network => self.sections.clear(),
            Key::Kmsg | Key::Profile | Key::ForcedSignal | Key::Ignored | Key::NotYet | Key::NotYetSwitch => {
            }
        }
        Ok(())
    }
}

/// What is sent to a container that does not stop in time.
fn last_resort(signal: Signal) -> Result<()> {
    match signal == Signal::KILL {
        true => Ok(()),
        false => Err(Error::config("what does not stop in time is killed by SIGKILL")
            .hint("lxc.signal.halt is the signal that asks it to stop")),
    }
}

fn both_caps() -> Error {
    Error::config("lxc.cap.drop and lxc.cap.keep exclude each other")
        .hint("keep the one that says what you mean")
}

/// One word of `lxc.mount.auto`; without a mode each is `mixed`, as lxc.container.conf(5) says.
fn auto_mount(container: &mut Container, word: &str) -> Result<()> {
    let (what, mode) = word.split_once(':').unwrap_or((word, "mixed"));
    // LXC leaves the mount to an init that can do it; here it is done in any case.
    let mode = match (what, mode) {
        ("cgroup" | "cgroup-full", "force") => "mixed",
        ("cgroup" | "cgroup-full", mode) => mode.strip_suffix(":force").unwrap_or(mode),
        _ => mode,
    };
    let mode = field::auto_mode(mode);
    match (what, mode) {
        ("proc", Some(mode)) => container.auto_mounts.proc = Some(mode),
        ("sys", Some(mode)) => container.auto_mounts.sys = Some(mode),
        ("cgroup" | "cgroup-full", Some(mode)) => {
            container.auto_mounts.cgroup = Some(CgroupMount { mode, full: what == "cgroup-full" })
        }
        ("shmounts", _) => {
            return Err(not_yet().tried(format!("lxc.mount.auto: \"{}\"", shown(word))));
        }
        _ => {
            return Err(Error::config(format!("\"{}\" is unknown", shown(word)))
                .hint("proc, sys, cgroup or cgroup-full, and :ro, :rw or :mixed after it"));
        }
    }
    Ok(())
}

/// A directory; today's LXC writes `dir:` before it.
fn rootfs(value: &str) -> Result<String> {
    let path = value.strip_prefix("dir:").unwrap_or(value);
    match path.split_once(':') {
        Some((backend, _)) if !backend.contains('/') => {
            Err(not_yet().tried(format!("lxc.rootfs: storage \"{}\"", shown(backend))))
        }
        _ => field::absolute(path),
    }
}

/// The key is none of LXC's.
fn unknown(name: &str) -> Error {
    let names = KEYS.iter().map(|known| known.0).chain(["cgroup.FILE", "network.type"]);
    let error = Error::config("unknown key").rule("unknown-key");
    match nearest(name, names) {
        Some(near) => error.hint(format!("did you mean lxc.{near}?")),
        None => error,
    }
}

#[cfg(test)]
pub mod tests {
    use super::*;

    /// Every key of the table, and whether it is applied.
    pub fn all() -> impl Iterator<Item = (String, bool)> {
        KEYS.iter()
            .map(|(name, key)| (format!("lxc.{name}"), !matches!(key, Key::NotYet | Key::NotYetSwitch)))
    }
}
