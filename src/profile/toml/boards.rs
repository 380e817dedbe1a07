//! `[board]`, `[cgroup]`, `[[bridge]]`, and what only the whole profile can tell.

use super::{Profile, containers, raw};
use crate::error::{Error, Origin, Result};
use crate::profile::board::{Board, Bridge, CgroupSetup, Layout};
use crate::profile::field;
use crate::profile::text::shown;
use crate::profile::value::{CpuList, IfName, Ipv4Net, MAX_CPU};
use ::toml::Spanned;

/// The whole profile.
pub fn board(profile: &Profile, raw: raw::Profile) -> Result<Board> {
    let section = raw.board;
    let mut board = Board {
        file: Some(profile.file.clone()),
        name: profile.text(&section.name, "name")?.into(),
        description: profile.maybe(&section.description, "description", as_is)?.unwrap_or_default(),
        compatible: profile.list(&section.compatible, "compatible")?,
        arch: profile.maybe(&section.arch, "arch", arch)?.unwrap_or_default(),
        cpus: profile.small(&section.cpus, "cpus", 1, u32::from(MAX_CPU) + 1)?,
        ..Board::default()
    };
    if let Some(section) = raw.cgroup {
        board.cgroup = cgroup(profile, section)?;
    }
    for section in raw.bridge {
        let bridge = bridge(profile, section, &board.bridges)?;
        board.bridges.push(bridge);
    }
    for (position, section) in raw.container.into_iter().enumerate() {
        let span = section.get_ref().name.as_ref().map_or(section.span(), |name| name.span());
        let container = containers::container(profile, section, position)?;
        if let Some(before) = board.containers.iter().find(|before| before.name == container.name) {
            return Err(Error::config(format!("container \"{}\" is declared twice", container.name))
                .hint(format!("the first one: {}", before.origin))
                .at(&profile.origin(span)));
        }
        if let Some(cpus) = board.cpus {
            within(&container.cgroup, cpus)
                .map_err(|error| error.tried(format!("container \"{}\"", container.name)))?;
        }
        board.containers.push(container);
    }
    Ok(board)
}

/// Cpus that the board does not have.
fn within(rules: &[crate::profile::container::CgroupRule], cpus: u32) -> Result<()> {
    for rule in rules.iter().filter(|rule| rule.file == "cpuset.cpus") {
        let list: CpuList = rule.value.parse()?;
        list.within(cpus).map_err(|error| error.tried("cpuset.cpus").at(&rule.origin))?;
    }
    Ok(())
}

pub fn as_is(text: &str) -> Result<String> {
    Ok(text.into())
}

/// The kernel's name of an architecture, from that or from a distribution's.
fn arch(text: &str) -> Result<String> {
    Ok(match text {
        "powerpc" => "ppc",
        "powerpc64" => "ppc64",
        "arm64" => "aarch64",
        "amd64" => "x86_64",
        "ppc" | "ppc64" | "ppc64le" | "aarch64" | "armv5l" | "armv6l" | "armv7l" | "armv8l" | "x86_64"
        | "i586" | "i686" | "mips" | "mips64" | "riscv32" | "riscv64" | "s390x" | "loongarch64" => text,
        _ => {
            return Err(Error::config(format!("architecture \"{}\" is unknown", shown(text)))
                .hint("as uname -m says it on the board: ppc, armv7l, aarch64, x86_64, riscv64, …"));
        }
    }
    .into())
}

fn cgroup(profile: &Profile, section: Spanned<raw::Cgroup>) -> Result<CgroupSetup> {
    let origin = profile.origin(section.span());
    let raw = section.into_inner();
    let mut setup = CgroupSetup { origin, ..CgroupSetup::default() };
    if let Some(layout) = profile.maybe(&raw.layout, "layout", layout)? {
        setup.layout = layout;
    }
    if let Some(mountpoint) = profile.maybe(&raw.mountpoint, "mountpoint", field::absolute)? {
        setup.mountpoint = mountpoint;
    }
    if let Some(names) = &raw.controllers {
        setup.controllers.clear();
        for name in names {
            let controller = profile.by(name, "controllers", controller)?;
            once(profile, name, "controllers", setup.controllers.contains(&controller))?;
            setup.controllers.push(controller);
        }
    }
    for names in &raw.comount {
        let mut group = Vec::new();
        for name in names {
            let controller = profile.by(name, "comount", controller)?;
            if !setup.controllers.contains(&controller) {
                let error = Error::config(format!("\"{controller}\" is not one of the controllers"))
                    .hint("name it in controllers, too");
                return Err(profile.wrong(error, "comount", name.span()));
            }
            let taken =
                group.contains(&controller) || setup.comount.iter().any(|group| group.contains(&controller));
            once(profile, name, "comount", taken)?;
            group.push(controller);
        }
        setup.comount.push(group);
    }
    setup.favordynmods = raw.favordynmods.unwrap_or(false);
    Ok(setup)
}

fn layout(text: &str) -> Result<Layout> {
    match text {
        "auto" => Ok(Layout::Auto),
        "v1" => Ok(Layout::V1),
        "v2" => Ok(Layout::V2),
        _ => Err(Error::config(format!("layout \"{}\" is unknown", shown(text))).hint("auto, v1 or v2")),
    }
}

fn controller(text: &str) -> Result<String> {
    match text.bytes().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'_') && text.len() <= 32
    {
        true => Ok(text.into()),
        false => Err(Error::config(format!("\"{}\" is not a controller's name", shown(text)))
            .hint("as in /proc/cgroups: cpuset, cpu, memory, …")),
    }
}

fn once(profile: &Profile, text: &raw::Text, key: &str, taken: bool) -> Result<()> {
    match taken {
        false => Ok(()),
        true => {
            let error = Error::config(format!("\"{}\" is named twice", shown(text.get_ref())));
            Err(profile.wrong(error, key, text.span()))
        }
    }
}

fn bridge(profile: &Profile, section: Spanned<raw::Bridge>, before: &[Bridge]) -> Result<Bridge> {
    let origin: Origin = profile.origin(section.span());
    let raw = section.into_inner();
    let name: IfName = profile.value(&raw.name, "name")?;
    once(profile, &raw.name, "name", before.iter().any(|bridge| bridge.name == name))?;
    let read = || {
        let mut ports: Vec<IfName> = Vec::new();
        for text in &raw.ports {
            let port: IfName = profile.value(text, "ports")?;
            if port == name {
                let error = Error::config("a bridge is not its own port");
                return Err(profile.wrong(error, "ports", text.span()));
            }
            let taken = ports.contains(&port) || before.iter().any(|bridge| bridge.ports.contains(&port));
            once(profile, text, "ports", taken)?;
            ports.push(port);
        }
        Ok(Bridge {
            name: name.clone(),
            ports,
            hwaddr: profile.maybe(&raw.hwaddr, "hwaddr", str::parse)?,
            mtu: profile.small(&raw.mtu, "mtu", 68, 65535)?,
            ipv4: profile.each::<Net4>(raw.ipv4, "ipv4")?.into_iter().map(|net| net.0).collect(),
            ipv6: profile.each(raw.ipv6, "ipv6")?,
            origin,
        })
    };
    read().map_err(|error| error.tried(format!("bridge \"{name}\"")))
}

/// An IPv4 address of a profile: its prefix is written. (An LXC file's address without one gets its class's, a habit
/// that no new file should need to know.)
pub struct Net4(pub Ipv4Net);

impl std::str::FromStr for Net4 {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let net = text.parse()?;
        match text.contains('/') {
            true => Ok(Self(net)),
            false => Err(Error::config(format!("address \"{}\" has no prefix length", shown(text)))
                .hint(format!("probably meant: {net}"))),
        }
    }
}
