//! `[[container]]`.

use super::tree::{Node, Table, Text, Value};
use super::{Profile, limits, mounts, network};
use crate::error::{Error, Result};
use crate::profile::container::{AutoMode, Console, Container, Dev};
use crate::profile::text::shown;
use crate::profile::value::{CapSet, Capabilities, ContainerName};
use crate::profile::{field, lxc};
use std::ops::Range;
use std::path::Path;

const KEYS: &[&str] = &[
    "name",
    "config",
    "settings",
    "hostname",
    "rootfs",
    "rootfs-read-only",
    "rootfs-mount",
    "command",
    "execute-command",
    "environment",
    "cwd",
    "user",
    "group",
    "arch",
    "pts",
    "tty",
    "tty-dir",
    "dev",
    "console",
    "proc",
    "sys",
    "fstab",
    "mounts",
    "cpuset",
    "cpu",
    "memory",
    "pids",
    "cgroup",
    "devices",
    "capabilities",
    "no-new-privs",
    "network",
    "stop-signal",
    "log-level",
    "log-file",
];

/// One container, and the place of what gave it its name.
pub fn container(profile: &Profile, section: Node) -> Result<(Container, Range<usize>)> {
    let mut table = Table::open(profile, section, "", KEYS)?;
    let origin = profile.origin(table.span.clone());
    if let Some(config) = table.word("config")? {
        return from_lxc(table, config);
    }
    if let Some(setting) = table.words("settings")?.first() {
        let error = Error::config("has no effect without config")
            .hint("settings are lines for the LXC file of config");
        return Err(table.wrong(error, "settings", setting.span()));
    }
    let text = table.word("name")?;
    let text = table.need("name", text).map_err(|error| error.hint("a container has a name"))?;
    let name: ContainerName = table.parse("name", &text, str::parse)?;
    let context = format!("container \"{name}\"");
    let mut container = Container { origin, ..Container::toml_defaults(name) };
    match fill(&mut table, &mut container) {
        Ok(()) => Ok((container, text.span())),
        Err(error) => Err(error.tried(context)),
    }
}

/// `config = "foo23.conf"`: an LXC file beside the profile, with LXC's defaults. It has the other keys' say.
fn from_lxc(mut table: Table, config: Text) -> Result<(Container, Range<usize>)> {
    let profile = table.profile;
    if let Some(key) = table.beside(&["name", "settings"]) {
        return Err(Error::config(format!("key \"{}\" stands beside config", key.get_ref()))
            .hint("the LXC file says it; settings = [\"lxc.KEY = VALUE\"] says it otherwise")
            .at(&profile.origin(key.span())));
    }
    let beside = Path::new(profile.file.as_ref()).parent().unwrap_or(Path::new(""));
    let path = beside.join(config.get_ref());
    let path = path.to_string_lossy();
    let (name, named): (ContainerName, _) = match table.word("name")? {
        Some(name) => (table.parse("name", &name, str::parse)?, name.span()),
        None => {
            let stem = Path::new(path.as_ref()).file_stem().unwrap_or_default().to_string_lossy();
            let name = stem.parse().map_err(|error: Error| {
                table.wrong(error.hint("name = \"…\" gives it another"), "config", config.span())
            })?;
            (name, config.span())
        }
    };
    let settings = table.words("settings")?;
    let settings = settings.iter().map(|text| (text.get_ref().as_str(), profile.origin(text.span())));
    match lxc::read_with(&path, &name, settings) {
        Ok(container) => Ok((container, named)),
        Err(error) => Err(error.at(&profile.origin(config.span())).tried(format!("container \"{name}\""))),
    }
}

fn fill(table: &mut Table, c: &mut Container) -> Result<()> {
    let profile = table.profile;
    if let Some(hostname) = table.text("hostname")? {
        // An empty one leaves the host's, as an LXC file without lxc.utsname does.
        let empty = hostname.get_ref().is_empty();
        c.hostname = if empty { None } else { Some(table.parse("hostname", &hostname, field::hostname)?) };
    }
    c.rootfs = table.read("rootfs", field::absolute)?;
    c.rootfs_read_only = table.flag("rootfs-read-only")?.unwrap_or(false);
    c.rootfs_mount = table.read("rootfs-mount", field::absolute)?;
    c.command = command(table, "command")?;
    c.execute_command = command(table, "execute-command")?;
    if let Some(node) = table.take("environment") {
        c.environment = environment(table, node)?;
    }
    c.cwd = table.read("cwd", field::absolute)?;
    c.uid = table.small("user", 0, u32::MAX - 1)?.unwrap_or(0);
    c.gid = table.small("group", 0, u32::MAX - 1)?.unwrap_or(0);
    c.personality = table.read("arch", field::personality)?.unwrap_or_default();
    c.pts = table.flag("pts")?.unwrap_or(c.pts);
    c.tty = table.small("tty", 0, 32)?.unwrap_or(0);
    c.tty_dir = table.read("tty-dir", field::tty_dir)?.unwrap_or_default();
    c.dev = table.read("dev", dev)?.unwrap_or(c.dev);
    c.console = table.read("console", console)?.unwrap_or(Console::Pty);
    c.auto_mounts.proc = table.read("proc", auto_mode)?.unwrap_or(c.auto_mounts.proc);
    c.auto_mounts.sys = table.read("sys", auto_mode)?.unwrap_or(c.auto_mounts.sys);
    if let Some(fstab) = table.word("fstab")? {
        c.fstab = Some((table.parse("fstab", &fstab, field::absolute)?, profile.origin(fstab.span())));
    }
    for node in table.list("mounts")? {
        c.mounts.push(mounts::mount(profile, node)?);
    }
    c.no_new_privs = table.flag("no-new-privs")?.unwrap_or(false);
    c.stop_signal = table.read("stop-signal", str::parse)?.unwrap_or(c.stop_signal);
    c.log_level = table.read("log-level", field::log_level)?;
    c.log_file = table.read("log-file", field::absolute)?;
    if let Some(node) = table.take("capabilities") {
        c.capabilities = capabilities(table, node)?;
    }
    if let Some(node) = table.take("network") {
        let span = node.span();
        match node.into_inner() {
            Value::Text(word) if word == "host" => c.own_network = false,
            Value::List(sections) => {
                for section in sections {
                    let nic =
                        network::nic(profile, section, &c.network).map_err(|error| error.tried("network"))?;
                    c.network.push(nic);
                }
            }
            _ => return Err(profile.unexpected(span, "\"host\" or [[container.network]] sections")),
        }
    }
    c.cgroup = limits::rules(table, &c.origin)?;
    Ok(())
}

/// A word of a command or a variable's value: it may be empty and hold anything but NUL.
fn argument(table: &Table, key: &str, text: Text) -> Result<String> {
    match text.get_ref().contains('\0') {
        true => Err(table.wrong(Error::config("a NUL cannot be passed on"), key, text.span())),
        false => Ok(text.into_inner()),
    }
}

fn command(table: &mut Table, key: &str) -> Result<Vec<String>> {
    let mut command = Vec::new();
    for node in table.list(key)? {
        let text = table.profile.to_text(node)?;
        if command.is_empty() {
            table.check(key, &text)?;
        }
        command.push(argument(table, key, text)?);
    }
    Ok(command)
}

fn environment(table: &Table, node: Node) -> Result<Vec<(String, String)>> {
    let span = node.span();
    let Value::Table(entries) = node.into_inner() else {
        return Err(table.profile.unexpected(span, "a table"));
    };
    let mut environment = Vec::new();
    for (name, value) in entries {
        table.check("environment", &name)?;
        if name.get_ref().contains('=') {
            let error = Error::config(format!("variable name \"{}\" holds '='", shown(name.get_ref())));
            return Err(table.wrong(error, "environment", name.span()));
        }
        let value = argument(table, "environment", table.profile.to_text(value)?)?;
        environment.push((name.into_inner(), value));
    }
    Ok(environment)
}

fn dev(text: &str) -> Result<Dev> {
    match text {
        "tmpfs" => Ok(Dev::Tmpfs),
        "rootfs" => Ok(Dev::Rootfs),
        _ => Err(Error::config(format!("\"{}\" is unknown", shown(text))).hint("tmpfs or rootfs")),
    }
}

fn console(text: &str) -> Result<Console> {
    match text {
        "pty" => Ok(Console::Pty),
        "none" => Ok(Console::None),
        path if path.starts_with('/') => Ok(Console::Path(path.into())),
        _ => {
            Err(Error::config(format!("\"{}\" is unknown", shown(text)))
                .hint("pty, none or an absolute path"))
        }
    }
}

fn auto_mode(text: &str) -> Result<Option<AutoMode>> {
    match (text, field::auto_mode(text)) {
        ("none", _) => Ok(None),
        (_, Some(mode)) => Ok(Some(mode)),
        _ => Err(Error::config(format!("\"{}\" is unknown", shown(text))).hint("none, ro, rw or mixed")),
    }
}

/// `"all"`, a list to keep, `{ keep = […] }` or `{ drop = […] }`.
fn capabilities(table: &Table, node: Node) -> Result<Capabilities> {
    let span = node.span();
    let set = |list: Vec<Node>| {
        let mut set = 0;
        for name in table.all_words("capabilities", list)? {
            set |= table.parse("capabilities", &name, str::parse::<CapSet>)?.0;
        }
        Ok(CapSet(set))
    };
    match node.get_ref() {
        Value::Text(word) if word == "all" => Ok(Capabilities::All),
        Value::List(_) => Ok(Capabilities::Keep(set(table.profile.to_list(node)?)?)),
        Value::Table(_) => {
            let mut inner = Table::open(table.profile, node, "capabilities.", &["keep", "drop"])?;
            match (inner.take("keep"), inner.take("drop")) {
                (Some(list), None) => Ok(Capabilities::Keep(set(table.profile.to_list(list)?)?)),
                (None, Some(list)) => Ok(Capabilities::Drop(set(table.profile.to_list(list)?)?)),
                _ => Err(table.wrong(Error::config("one of keep and drop is needed"), "capabilities", span)),
            }
        }
        _ => Err(table
            .profile
            .unexpected(span, "\"all\", a list of names to keep, { keep = […] } or { drop = […] }")),
    }
}
