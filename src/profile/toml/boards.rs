//! `[board]`, `[cgroup]`, `[[bridge]]`, and what only the whole profile can tell.

use super::tree::{Node, Table, Text};
use super::{Profile, containers, limits, network};
use crate::error::{Error, Result};
use crate::profile::board::{Board, Bridge, CgroupSetup, Layout, PORT_WAIT, RelayNames};
use crate::profile::container::CgroupRule;
use crate::profile::field;
use crate::profile::startup;
use crate::profile::text::shown;
use crate::profile::value::{CpuList, IfName, MAX_CPU};
use ::toml::Spanned;

/// The whole profile.
pub fn board(profile: &Profile, root: Node) -> Board {
    let mut root =
        Table::open(profile, root, "", &["extends", "board", "check", "cgroup", "bridge", "container"]);
    let file = profile.sources.first().map(|source| source.file.clone());
    let mut board = Board { file, ..Board::default() };
    let section = root.take("board");
    if let Some(section) = root.need("board", section) {
        facts(profile, section, &mut board);
    }
    if let Some(section) = root.take("check") {
        let mut table = Table::open(profile, section, "", &["allow"]);
        let rules = table.words("allow").into_iter();
        board.allow = rules.map(|rule| (rule.get_ref().clone(), profile.origin(rule.span()))).collect();
    }
    if let Some(section) = root.take("cgroup") {
        board.cgroup = cgroup(profile, section);
    }
    for section in root.list("bridge") {
        let before = profile.count();
        if let Some(bridge) = bridge(profile, section, &board.bridges) {
            profile.about(before, &format!("bridge \"{}\"", bridge.name));
            board.bridges.push(bridge);
        }
    }
    let mut whole = true;
    for section in root.list("container") {
        let Some((container, named)) = containers::container(profile, section) else {
            whole = false;
            continue;
        };
        if let Some(before) = board.containers.iter().find(|before| before.name == container.name) {
            let error = Error::config(format!("container \"{}\" is declared twice", container.name))
                .hint(format!("the first one: {}", before.origin));
            profile.note(error.rule("duplicate"), named);
            continue;
        }
        let before = profile.count();
        if let Some(cpus) = board.cpus {
            within(profile, &container.cgroup, cpus);
        }
        profile.about(before, &format!("container \"{}\"", container.name));
        board.containers.push(container);
    }
    // With a container missing, names of nobody would be told that are none.
    if whole && let Err(error) = startup::check(&board.containers) {
        profile.note(error.rule("dependency"), 0..0);
    }
    board
}

/// `[board]`.
fn facts(profile: &Profile, section: Node, board: &mut Board) {
    let mut section =
        Table::open(profile, section, "", &["name", "description", "compatible", "arch", "cpus", "memory"]);
    let name = section.read("name", as_is);
    board.name = section.need("name", name).unwrap_or_default();
    board.description = section.read("description", as_is).unwrap_or_default();
    board.compatible = section.words("compatible").into_iter().map(Spanned::into_inner).collect();
    board.arch = section.read("arch", arch).unwrap_or_default();
    board.cpus = section.small("cpus", 1, u32::from(MAX_CPU) + 1);
    board.memory = limits::size(&mut section, "memory", 1 << 20).map(|(bytes, _)| bytes as u64);
    board.places = section.places;
}

/// Refuses cpus that the board does not have.
fn within(profile: &Profile, rules: &[CgroupRule], cpus: u32) {
    for rule in rules.iter().filter(|rule| rule.file == "cpuset.cpus") {
        if let Err(error) = rule.value.parse().and_then(|list: CpuList| list.within(cpus)) {
            let error = error.tried("cpuset.cpus").at(&rule.origin).rule("cpus-beyond-board");
            profile.note(error, 0..0);
        }
    }
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

fn cgroup(profile: &Profile, section: Node) -> CgroupSetup {
    let keys = &["layout", "mountpoint", "controllers", "comount", "favordynmods"];
    let mut table = Table::open(profile, section, "", keys);
    let mut setup = CgroupSetup { origin: profile.origin(table.span.clone()), ..CgroupSetup::default() };
    setup.layout = table.read("layout", layout).unwrap_or_default();
    if let Some(mountpoint) = table.read("mountpoint", field::absolute) {
        setup.mountpoint = mountpoint;
    }
    if let Some(list) = table.take("controllers") {
        setup.controllers.clear();
        for name in table.all_words("controllers", profile.to_list(list)) {
            if let Some(controller) = table.parse("controllers", &name, controller) {
                once(&table, "controllers", &name, setup.controllers.contains(&controller));
                setup.controllers.push(controller);
            }
        }
    }
    for list in table.list("comount") {
        let mut group = Vec::new();
        for name in table.all_words("comount", profile.to_list(list)) {
            let Some(controller) = table.parse("comount", &name, controller) else { continue };
            if !setup.controllers.contains(&controller) {
                let error = Error::config(format!("\"{controller}\" is not one of the controllers"))
                    .hint("name it in controllers, too");
                table.wrong(error, "comount", name.span());
            }
            let taken =
                group.contains(&controller) || setup.comount.iter().any(|group| group.contains(&controller));
            once(&table, "comount", &name, taken);
            group.push(controller);
        }
        setup.comount.push(group);
    }
    setup.favordynmods = table.flag("favordynmods").unwrap_or(false);
    setup.places = table.places;
    setup
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

/// Refuses what was there before.
pub fn once(table: &Table, key: &str, text: &Text, taken: bool) {
    if taken {
        let error = Error::config(format!("\"{}\" is named twice", shown(text.get_ref()))).rule("duplicate");
        table.wrong(error, key, text.span());
    }
}

/// `None` where its name is not known; the findings are noted.
fn bridge(profile: &Profile, section: Node, before: &[Bridge]) -> Option<Bridge> {
    let mut table = Table::open(
        profile,
        section,
        "",
        &["name", "ports", "hwaddr", "mtu", "ipv4", "ipv6", "wait", "relay"],
    );
    let text = table.word("name");
    let text = table.need("name", text)?;
    let name: IfName = table.parse("name", &text, str::parse)?;
    once(&table, "name", &text, before.iter().any(|bridge| bridge.name == name));
    let mut ports: Vec<IfName> = Vec::new();
    for text in table.words("ports") {
        let Some(port) = table.parse::<IfName>("ports", &text, str::parse) else { continue };
        if port == name {
            table.wrong(Error::config("a bridge is not its own port"), "ports", text.span());
        }
        let taken = ports.contains(&port) || before.iter().any(|bridge| bridge.ports.contains(&port));
        once(&table, "ports", &text, taken);
        ports.push(port);
    }
    let relay = table.flag("relay").unwrap_or(false);
    if relay && ports.is_empty() {
        let error = Error::config("there is no port to relay to").hint("ports = [\"eth0\"]");
        table.wrong(error, "relay", table.span.clone());
    }
    if relay && let Err(error) = RelayNames::of(&name) {
        table.wrong(error, "relay", text.span());
    }
    Some(Bridge {
        ports,
        hwaddr: table.read("hwaddr", str::parse),
        mtu: table.small("mtu", 68, 65535),
        ipv4: table.each("ipv4", network::ipv4),
        ipv6: table.each("ipv6", str::parse),
        wait: table.read("wait", field::duration).unwrap_or(PORT_WAIT),
        relay,
        origin: profile.origin(table.span.clone()),
        places: table.places,
        name,
    })
}
