//! `[[container]]`.

use super::boards::once;
use super::tree::{Node, Table, Text, Value};
use super::{Profile, limits, mounts, network};
use crate::error::{Error, Result};
use crate::profile::container::{AutoMode, CgroupMount, Console, Container, Dev};
use crate::profile::startup::{Dependency, Startup};
use crate::profile::text::shown;
use crate::profile::value::{CapSet, Capabilities, ContainerName};
use crate::profile::{field, lxc};
use std::ops::Range;
use std::path::Path;

const KEYS: &[&str] = &[
    "name",
    "config",
    "settings",
    "autostart",
    "requires",
    "after",
    "order",
    "start-delay",
    "ready",
    "ready-timeout",
    "groups",
    "restart",
    "restart-delay",
    "restart-limit",
    // From here on an LXC file says it.
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
    "cgroup-mount",
    "fstab",
    "mounts",
    "cpuset",
    "cpu",
    "memory",
    "io",
    "pids",
    "cgroup",
    "cgroup2",
    "devices",
    "capabilities",
    "no-new-privs",
    "network",
    "stop-signal",
    "log-level",
    "log-file",
];

/// Those that an LXC file can not say, or that the profile says otherwise.
const BESIDE_CONFIG: &[&str] = KEYS.split_at(14).0;

/// One container, and the place of what gave it its name; `None` where that is not known. The findings are noted.
pub fn container(profile: &Profile, section: Node) -> Option<(Container, Range<usize>)> {
    let before = profile.count();
    let mut table = Table::open(profile, section, "", KEYS);
    if let Some(config) = table.word("config") {
        return from_lxc(table, config);
    }
    if let Some(setting) = table.words("settings").first() {
        let error = Error::config("has no effect without config")
            .hint("settings are lines for the LXC file of config");
        table.wrong(error, "settings", setting.span());
    }
    let (name, named) = name(&mut table);
    if name.is_none() {
        table.missing(Error::config("key \"name\" is missing").hint("a container has a name"));
    }
    // Without one, the rest is read for what is wrong with it.
    let known = name.is_some();
    let name = name.or_else(|| "unnamed".parse().ok())?;
    let mut container =
        Container { origin: profile.origin(table.span.clone()), ..Container::toml_defaults(name) };
    fill(&mut table, &mut container);
    container.places = table.places;
    if known {
        profile.about(before, &format!("container \"{}\"", container.name));
    }
    known.then_some((container, named))
}

/// The key `name`, if it is there, and its place.
fn name(table: &mut Table) -> (Option<ContainerName>, Range<usize>) {
    let text = table.word("name");
    let name = text.as_ref().and_then(|text| table.parse("name", text, str::parse));
    (name, text.map_or(0..0, |text| text.span()))
}

/// `config = "foo23.conf"`: an LXC file beside the profile, with LXC's defaults. It has the other keys' say.
fn from_lxc(mut table: Table, config: Text) -> Option<(Container, Range<usize>)> {
    let profile = table.profile;
    if let Some(key) = table.beside(BESIDE_CONFIG) {
        let error = Error::config(format!("key \"{}\" stands beside config", key.get_ref()))
            .hint("the LXC file says it; settings = [\"lxc.KEY = VALUE\"] says it otherwise");
        profile.note(error.rule("unknown-key"), key.span());
    }
    let path = profile.beside(&config);
    let (name, named) = match name(&mut table) {
        (Some(name), named) => (name, named),
        (None, span) if span.is_empty() => {
            let stem = Path::new(&path).file_stem().unwrap_or_default().to_string_lossy();
            match stem.parse() {
                Ok(name) => (name, config.span()),
                Err(error) => {
                    let error: Error = error;
                    let error = error.hint("name = \"…\" gives it another").tried("config");
                    profile.note(error, config.span());
                    return None;
                }
            }
        }
        (None, _) => return None,
    };
    let settings = table.words("settings");
    let settings = settings.iter().map(|text| (text.get_ref().as_str(), profile.origin(text.span())));
    let (mut container, findings) = lxc::survey(&path, &name, settings);
    let before = profile.count();
    for error in findings.wrong {
        profile.note(error, config.span());
    }
    startup(&mut table, &mut container.startup);
    profile.about(before, &format!("container \"{name}\""));
    profile.findings.borrow_mut().remarks.extend(findings.remarks);
    container.origin.file.is_some().then_some((container, named))
}

fn fill(table: &mut Table, c: &mut Container) {
    let profile = table.profile;
    if let Some(hostname) = table.text("hostname") {
        // An empty one leaves the host's, as an LXC file without lxc.utsname does.
        let empty = hostname.get_ref().is_empty();
        c.hostname = if empty { None } else { table.parse("hostname", &hostname, field::hostname) };
    }
    c.rootfs = table.read("rootfs", field::absolute);
    c.rootfs_read_only = table.flag("rootfs-read-only").unwrap_or(false);
    c.rootfs_mount = table.read("rootfs-mount", field::absolute);
    c.command = command(table, "command");
    c.execute_command = command(table, "execute-command");
    if let Some(node) = table.take("environment") {
        c.environment = environment(table, node);
    }
    c.cwd = table.read("cwd", field::absolute);
    c.uid = table.small("user", 0, u32::MAX - 1).unwrap_or(0);
    c.gid = table.small("group", 0, u32::MAX - 1).unwrap_or(0);
    c.personality = table.read("arch", field::personality).unwrap_or_default();
    c.pts = table.flag("pts").unwrap_or(c.pts);
    c.tty = table.small("tty", 0, 32).unwrap_or(0);
    c.tty_dir = table.read("tty-dir", field::tty_dir).unwrap_or_default();
    c.dev = table.read("dev", dev).unwrap_or(c.dev);
    c.console = table.read("console", console).unwrap_or(Console::Pty);
    c.auto_mounts.proc = table.read("proc", auto_mode).unwrap_or(c.auto_mounts.proc);
    c.auto_mounts.sys = table.read("sys", auto_mode).unwrap_or(c.auto_mounts.sys);
    c.auto_mounts.cgroup = table.read("cgroup-mount", cgroup_mount).flatten();
    if let Some(fstab) = table.word("fstab") {
        let path = table.parse("fstab", &fstab, field::absolute);
        c.fstab = path.map(|path| (path, profile.origin(fstab.span())));
    }
    c.mounts = table.list("mounts").into_iter().map(|node| mounts::mount(profile, node)).collect();
    c.no_new_privs = table.flag("no-new-privs").unwrap_or(false);
    c.stop_signal = table.read("stop-signal", str::parse).unwrap_or(c.stop_signal);
    c.log_level = table.read("log-level", field::log_level);
    c.log_file = table.read("log-file", field::absolute);
    if let Some(node) = table.take("capabilities") {
        c.capabilities = capabilities(table, node).unwrap_or(c.capabilities);
    }
    if let Some(node) = table.take("network") {
        let span = node.span();
        match node.into_inner() {
            Value::Text(word) if word == "host" => c.own_network = false,
            Value::List(sections) => {
                for section in sections {
                    c.network.extend(network::nic(profile, section, &c.network));
                }
            }
            _ => profile.unexpected(span, "\"host\" or [[container.network]] sections"),
        }
    }
    c.cgroup = limits::rules(table, &c.origin);
    startup(table, &mut c.startup);
}

/// When it is started, and what happens when it ends; what the table does not say stays.
fn startup(table: &mut Table, startup: &mut Startup) {
    let s = startup;
    s.autostart = table.flag("autostart").or(s.autostart);
    s.requires = dependencies(table, "requires");
    s.after = dependencies(table, "after");
    if let Some(order) = table.number("order", i32::MIN.into(), i32::MAX.into()) {
        s.order = *order.get_ref() as i32;
    }
    s.delay = table.read("start-delay", field::duration).unwrap_or(s.delay);
    s.ready = table.read("ready", str::parse).unwrap_or_default();
    s.ready_timeout = table.read("ready-timeout", field::duration).unwrap_or(s.ready_timeout);
    let groups = table.words("groups");
    if !groups.is_empty() {
        s.groups = groups.into_iter().map(Text::into_inner).collect();
    }
    s.restart.policy = table.read("restart", str::parse).unwrap_or_default();
    s.restart.delay = table.read("restart-delay", field::duration).unwrap_or(s.restart.delay);
    s.restart.limit = table.small("restart-limit", 0, 1_000_000).unwrap_or(s.restart.limit);
}

fn dependencies(table: &mut Table, key: &str) -> Vec<Dependency> {
    let mut found: Vec<Dependency> = Vec::new();
    for text in table.words(key) {
        if let Some(name) = table.parse::<ContainerName>(key, &text, str::parse) {
            once(table, key, &text, found.iter().any(|before| before.name == name));
            found.push(Dependency { name, origin: table.profile.origin(text.span()) });
        }
    }
    found
}

/// A word of a command or a variable's value: it may be empty and hold anything but NUL.
fn argument(table: &Table, key: &str, node: Node) -> Option<String> {
    let text = table.profile.to_text(node)?;
    if text.get_ref().contains('\0') {
        table.wrong(Error::config("a NUL cannot be passed on"), key, text.span());
    }
    Some(text.into_inner())
}

fn command(table: &mut Table, key: &str) -> Vec<String> {
    let mut command = Vec::new();
    for node in table.list(key) {
        let span = node.span();
        if let Some(word) = argument(table, key, node) {
            if command.is_empty() && word.is_empty() {
                table.wrong(Error::config("the command is empty"), key, span);
            }
            command.push(word);
        }
    }
    command
}

fn environment(table: &Table, node: Node) -> Vec<(String, String)> {
    let span = node.span();
    let Value::Table(entries) = node.into_inner() else {
        table.profile.unexpected(span, "a table");
        return Vec::new();
    };
    let mut environment = Vec::new();
    for (name, value) in entries {
        if table.is_word("environment", &name) && name.get_ref().contains('=') {
            let error = Error::config(format!("variable name \"{}\" holds '='", shown(name.get_ref())));
            table.wrong(error, "environment", name.span());
        }
        environment.extend(argument(table, "environment", value).map(|value| (name.into_inner(), value)));
    }
    environment
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

fn cgroup_mount(text: &str) -> Result<Option<CgroupMount>> {
    let (full, how) = text.strip_prefix("full:").map_or((false, text), |how| (true, how));
    match field::auto_mode(how) {
        Some(mode) => Ok(Some(CgroupMount { mode, full })),
        None if text == "none" => Ok(None),
        None => Err(Error::config(format!("\"{}\" is unknown", shown(text)))
            .hint("none, ro, rw or mixed; the last three also after full:")),
    }
}

/// `"all"`, a list to keep, `{ keep = […] }` or `{ drop = […] }`.
fn capabilities(table: &Table, node: Node) -> Option<Capabilities> {
    let span = node.span();
    let set = |list: Node| {
        let names = table.all_words("capabilities", table.profile.to_list(list));
        let sets = names.iter().filter_map(|name| table.parse("capabilities", name, str::parse::<CapSet>));
        CapSet(sets.fold(0, |all, set| all | set.0))
    };
    match node.get_ref() {
        Value::Text(word) if word == "all" => Some(Capabilities::All),
        Value::List(_) => Some(Capabilities::Keep(set(node))),
        Value::Table(_) => {
            let mut inner = Table::open(table.profile, node, "capabilities.", &["keep", "drop"]);
            match (inner.take("keep"), inner.take("drop")) {
                (Some(list), None) => Some(Capabilities::Keep(set(list))),
                (None, Some(list)) => Some(Capabilities::Drop(set(list))),
                _ => {
                    table.wrong(Error::config("one of keep and drop is needed"), "capabilities", span);
                    None
                }
            }
        }
        _ => {
            table
                .profile
                .unexpected(span, "\"all\", a list of names to keep, { keep = […] } or { drop = […] }");
            None
        }
    }
}
