//! `[[container]]`.

use super::boards::{Net4, as_is};
use super::{Profile, limits, raw};
use crate::error::{Error, Origin, Result};
use crate::profile::container::{
    AutoMode, Console, Container, CreateTarget, Dev, Mount, MountFlags, Nic, NicKind,
};
use crate::profile::text::shown;
use crate::profile::value::{CapSet, Capabilities, ContainerName, IfName, MacvlanMode};
use crate::profile::{field, fstab, lxc};
use ::toml::Spanned;
use std::path::Path;

/// The container in section `position` of the profile.
pub fn container(profile: &Profile, section: Spanned<raw::Container>, position: usize) -> Result<Container> {
    let origin = profile.origin(section.span());
    let raw = section.into_inner();
    if let Some(config) = &raw.config {
        only_lxc_keys(profile, position)?;
        return from_lxc(profile, &raw, config);
    }
    if let Some(setting) = raw.settings.first() {
        let error = Error::config("has no effect without config")
            .hint("settings are lines for the LXC file of config");
        return Err(profile.wrong(error, "settings", setting.span()));
    }
    let Some(name) = &raw.name else {
        return Err(Error::config("key \"name\" is missing").hint("a container has a name").at(&origin));
    };
    let name: ContainerName = profile.value(name, "name")?;
    let context = format!("container \"{name}\"");
    inline(profile, raw, Container { origin, ..Container::toml_defaults(name) })
        .map_err(|error| error.tried(context))
}

/// The keys that may stand beside `config`: the LXC file has the others' say.
fn only_lxc_keys(profile: &Profile, position: usize) -> Result<()> {
    let table = ::toml::de::DeTable::parse(profile.text).map_err(|error| profile.refused(&error))?;
    let section = table.get_ref().get("container").and_then(|list| list.get_ref().as_array()?.get(position));
    let Some(section) = section.and_then(|section| section.get_ref().as_table()) else { return Ok(()) };
    for key in section.keys() {
        if !matches!(key.get_ref().as_ref(), "name" | "config" | "settings") {
            return Err(Error::config(format!("key \"{}\" stands beside config", key.get_ref()))
                .hint("the LXC file says it; settings = [\"lxc.KEY = VALUE\"] says it otherwise")
                .at(&profile.origin(key.span())));
        }
    }
    Ok(())
}

/// `config = "foo23.conf"`: an LXC file beside the profile, with LXC's defaults.
fn from_lxc(profile: &Profile, raw: &raw::Container, config: &raw::Text) -> Result<Container> {
    let beside = Path::new(profile.file.as_ref()).parent().unwrap_or(Path::new(""));
    let path = beside.join(profile.text(config, "config")?);
    let path = path.to_string_lossy();
    let name: ContainerName = match &raw.name {
        Some(name) => profile.value(name, "name")?,
        None => {
            let stem = Path::new(path.as_ref()).file_stem().unwrap_or_default().to_string_lossy();
            stem.parse().map_err(|error: Error| {
                profile.wrong(error.hint("name = \"…\" gives it another"), "config", config.span())
            })?
        }
    };
    let settings = raw.settings.iter().map(|text| (text.get_ref().as_str(), profile.origin(text.span())));
    lxc::read_with(&path, &name, settings)
        .map_err(|error| error.at(&profile.origin(config.span())).tried(format!("container \"{name}\"")))
}

fn inline(profile: &Profile, raw: raw::Container, mut container: Container) -> Result<Container> {
    let c = &mut container;
    if let Some(hostname) = &raw.hostname {
        // An empty one leaves the host's, as an LXC file without lxc.utsname does.
        let empty = hostname.get_ref().is_empty();
        c.hostname = if empty { None } else { Some(profile.by(hostname, "hostname", field::hostname)?) };
    }
    c.rootfs = profile.maybe(&raw.rootfs, "rootfs", field::absolute)?;
    c.rootfs_read_only = raw.rootfs_read_only.unwrap_or(false);
    c.rootfs_mount = profile.maybe(&raw.rootfs_mount, "rootfs-mount", field::absolute)?;
    c.command = words(profile, &raw.command, "command")?;
    c.execute_command = words(profile, &raw.execute_command, "execute-command")?;
    for (name, value) in &raw.environment {
        if profile.text(name, "environment")?.contains('=') {
            let error = Error::config(format!("variable name \"{}\" holds '='", shown(name.get_ref())));
            return Err(profile.wrong(error, "environment", name.span()));
        }
        c.environment.push((name.get_ref().clone(), word(profile, value, "environment")?));
    }
    c.cwd = profile.maybe(&raw.cwd, "cwd", field::absolute)?;
    c.uid = profile.small(&raw.user, "user", 0, u32::MAX - 1)?.unwrap_or(0);
    c.gid = profile.small(&raw.group, "group", 0, u32::MAX - 1)?.unwrap_or(0);
    c.personality = profile.maybe(&raw.arch, "arch", field::personality)?.unwrap_or_default();
    c.pts = raw.pts.unwrap_or(c.pts);
    c.tty = profile.small(&raw.tty, "tty", 0, 32)?.unwrap_or(0);
    c.tty_dir = profile.maybe(&raw.tty_dir, "tty-dir", field::tty_dir)?.unwrap_or_default();
    c.dev = profile.maybe(&raw.dev, "dev", dev)?.unwrap_or(c.dev);
    c.console = profile.maybe(&raw.console, "console", console)?.unwrap_or(Console::Pty);
    c.auto_mounts.proc = profile.maybe(&raw.proc, "proc", auto_mode)?.unwrap_or(c.auto_mounts.proc);
    c.auto_mounts.sys = profile.maybe(&raw.sys, "sys", auto_mode)?.unwrap_or(c.auto_mounts.sys);
    if let Some(fstab) = &raw.fstab {
        c.fstab = Some((profile.by(fstab, "fstab", field::absolute)?, profile.origin(fstab.span())));
    }
    for section in raw.mounts {
        let origin = profile.origin(section.span());
        let mount = mount(profile, section.into_inner(), &origin);
        c.mounts.push(mount.map_err(|error| error.tried("mounts").at(&origin))?);
    }
    c.no_new_privs = raw.no_new_privs.unwrap_or(false);
    c.stop_signal = profile.maybe(&raw.stop_signal, "stop-signal", str::parse)?.unwrap_or(c.stop_signal);
    c.log_level = profile.maybe(&raw.log_level, "log-level", field::log_level)?;
    c.log_file = profile.maybe(&raw.log_file, "log-file", field::absolute)?;
    if let Some(capabilities) = raw.capabilities {
        c.capabilities = self::capabilities(profile, capabilities)?;
    }
    if let Some(network) = raw.network {
        let span = network.span();
        match network.into_inner() {
            raw::Network::Word(word) if word == "host" => c.own_network = false,
            raw::Network::Word(word) => {
                let error = Error::config(format!("\"{}\" is unknown", shown(&word)))
                    .hint("\"host\", or [[container.network]] sections");
                return Err(profile.wrong(error, "network", span));
            }
            raw::Network::Nics(sections) => {
                for section in sections {
                    let nic = nic(profile, section, &c.network).map_err(|error| error.tried("network"))?;
                    c.network.push(nic);
                }
            }
        }
    }
    let limits = limits::Limits {
        cpuset: raw.cpuset,
        cpu: raw.cpu,
        memory: raw.memory,
        pids: raw.pids,
        cgroup: raw.cgroup,
        devices: raw.devices,
    };
    c.cgroup = limits::rules(profile, limits, &c.origin)?;
    Ok(container)
}

/// A word of a command or a variable's value: it may be empty and hold anything but NUL.
fn word(profile: &Profile, text: &raw::Text, key: &str) -> Result<String> {
    match text.get_ref().contains('\0') {
        true => Err(profile.wrong(Error::config("a NUL cannot be passed on"), key, text.span())),
        false => Ok(text.get_ref().clone()),
    }
}

fn words(profile: &Profile, texts: &[raw::Text], key: &str) -> Result<Vec<String>> {
    if let Some(first) = texts.first() {
        profile.text(first, key)?;
    }
    texts.iter().map(|text| word(profile, text, key)).collect()
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
        path => field::absolute(path)
            .map(Console::Path)
            .map_err(|error| error.hint("pty, none or an absolute path")),
    }
}

fn auto_mode(text: &str) -> Result<Option<AutoMode>> {
    match (text, field::auto_mode(text)) {
        ("none", _) => Ok(None),
        (_, Some(mode)) => Ok(Some(mode)),
        _ => Err(Error::config(format!("\"{}\" is unknown", shown(text))).hint("none, ro, rw or mixed")),
    }
}

fn create(text: &str) -> Result<CreateTarget> {
    match text {
        "dir" => Ok(CreateTarget::Dir),
        "file" => Ok(CreateTarget::File),
        _ => Err(Error::config(format!("\"{}\" is unknown", shown(text))).hint("dir or file")),
    }
}

/// A target is inside the rootfs, with or without a slash before it.
fn target(text: &str) -> Result<String> {
    let path = text.trim_start_matches('/');
    match path.is_empty() || path.split('/').any(|part| part == "..") {
        true => Err(Error::config(format!("\"{}\" is not a path below the root file system", shown(text)))
            .hint("as in \"lib\" or \"/lib\", without ..")),
        false => Ok(path.into()),
    }
}

fn mount(profile: &Profile, raw: raw::Mount, origin: &Origin) -> Result<Mount> {
    #[allow(clippy::useless_conversion)] // c_ulong has 32 bits on powerpc
    let (bind, recursive, read_only): (u64, u64, u64) =
        (libc::MS_BIND.into(), libc::MS_REC.into(), libc::MS_RDONLY.into());
    let mut mount = Mount {
        source: String::new(),
        target: profile.by(&raw.to, "to", target)?,
        fstype: "none".into(),
        flags: MountFlags::default(),
        data: String::new(),
        optional: raw.optional.unwrap_or(false),
        create: profile.maybe(&raw.create, "create", create)?,
        origin: origin.clone(),
    };
    match (&raw.bind, &raw.r#type) {
        (Some(source), None) => {
            mount.source = profile.by(source, "bind", field::absolute)?;
            mount.flags.set = if raw.recursive.unwrap_or(false) { bind | recursive } else { bind };
            if let Some(source) = &raw.source {
                let error = Error::config("stands beside bind").hint("bind names the source");
                return Err(profile.wrong(error, "source", source.span()));
            }
        }
        (None, Some(fstype)) => {
            mount.fstype = profile.by(fstype, "type", as_is)?;
            let source = profile.maybe(&raw.source, "source", as_is)?;
            mount.source = source.unwrap_or_else(|| mount.fstype.clone());
            if raw.recursive.is_some() {
                return Err(Error::config("recursive is for a bind"));
            }
        }
        _ => {
            return Err(Error::config("either bind or type is needed")
                .hint("{ bind = \"/lib\", to = \"lib\" } or { type = \"tmpfs\", to = \"run\" }"));
        }
    }
    if let Some(options) = &raw.options {
        let text = profile.text(options, "options")?;
        fstab::apply_options(&mut mount, text)
            .map_err(|error| profile.wrong(error, "options", options.span()))?;
    }
    if let Some(wanted) = raw.read_only {
        let (to, from) = match wanted {
            true => (&mut mount.flags.set, &mut mount.flags.clear),
            false => (&mut mount.flags.clear, &mut mount.flags.set),
        };
        *to |= read_only;
        *from &= !read_only;
    }
    Ok(mount)
}

fn capabilities(profile: &Profile, raw: Spanned<raw::Capabilities>) -> Result<Capabilities> {
    let span = raw.span();
    let set = |names: &[raw::Text]| {
        names.iter().try_fold(CapSet(0), |set, name| {
            Ok(CapSet(set.0 | profile.value::<CapSet>(name, "capabilities")?.0))
        })
    };
    let wrong = |cause: String| {
        Err(profile.wrong(
            Error::config(cause).hint("\"all\", a list of those to keep, { keep = […] } or { drop = […] }"),
            "capabilities",
            span.clone(),
        ))
    };
    match raw.into_inner() {
        raw::Capabilities::Word(word) if word == "all" => Ok(Capabilities::All),
        raw::Capabilities::Word(word) => wrong(format!("\"{}\" is unknown", shown(&word))),
        raw::Capabilities::Keep(names) => Ok(Capabilities::Keep(set(&names)?)),
        raw::Capabilities::Table(raw::CapabilityTable { keep: Some(names), drop: None }) => {
            Ok(Capabilities::Keep(set(&names)?))
        }
        raw::Capabilities::Table(raw::CapabilityTable { keep: None, drop: Some(names) }) => {
            Ok(Capabilities::Drop(set(&names)?))
        }
        raw::Capabilities::Table(_) => wrong("one of keep and drop is needed".into()),
    }
}

fn nic(profile: &Profile, section: Spanned<raw::Nic>, before: &[Nic]) -> Result<Nic> {
    let origin = profile.origin(section.span());
    let raw = section.into_inner();
    let name: Option<IfName> = profile.maybe(&raw.name, "name", str::parse)?;
    if let (Some(text), Some(_)) = (&raw.name, &name)
        && before.iter().any(|nic| nic.name == name)
    {
        let error = Error::config(format!("\"{}\" is named twice", shown(text.get_ref())));
        return Err(profile.wrong(error, "name", text.span()));
    }
    let mode: Option<MacvlanMode> = profile.maybe(&raw.mode, "mode", str::parse)?;
    let kind = match (profile.text(&raw.r#type, "type")?, &raw.link) {
        ("macvlan", Some(link)) => NicKind::Macvlan {
            link: profile.value(link, "link")?,
            mode: mode.unwrap_or(MacvlanMode::Private),
        },
        ("macvlan", None) => {
            let error = Error::config("this macvlan has no link")
                .hint("link = \"br0\" names the host interface it goes on");
            return Err(error.at(&origin));
        }
        ("empty", None) => NicKind::Empty,
        ("empty", Some(link)) => {
            let error = Error::config("an empty interface is the loopback alone: it has no link");
            return Err(profile.wrong(error, "link", link.span()));
        }
        (other, _) => {
            let error = Error::config(format!("interface type \"{}\" is unknown", shown(other)))
                .hint("macvlan or empty");
            return Err(profile.wrong(error, "type", raw.r#type.span()));
        }
    };
    Ok(Nic {
        kind,
        name,
        up: raw.up.unwrap_or(true),
        hwaddr: profile.maybe(&raw.hwaddr, "hwaddr", field::mac)?,
        mtu: profile.small(&raw.mtu, "mtu", 68, 65535)?,
        ipv4: profile.each::<Net4>(raw.ipv4, "ipv4")?.into_iter().map(|net| net.0).collect(),
        ipv6: profile.each(raw.ipv6, "ipv6")?,
        gateway4: profile.maybe(&raw.ipv4_gateway, "ipv4-gateway", str::parse)?,
        gateway6: profile.maybe(&raw.ipv6_gateway, "ipv6-gateway", str::parse)?,
        origin,
    })
}
