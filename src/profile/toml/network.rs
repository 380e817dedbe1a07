//! `[[container.network]]`.

use super::Profile;
use super::boards::once;
use super::tree::{Node, Table};
use crate::error::{Error, Places, Result};
use crate::profile::container::{Nic, NicKind};
use crate::profile::field;
use crate::profile::text::shown;
use crate::profile::value::{IfName, Ipv4Net, MacvlanMode};

const KEYS: &[&str] =
    &["type", "link", "mode", "name", "up", "hwaddr", "mtu", "ipv4", "ipv6", "ipv4-gateway", "ipv6-gateway"];

/// An IPv4 address of a profile: its prefix is written. (An LXC file's address without one gets its class's, a habit
/// that no new file should need to know.)
pub fn ipv4(text: &str) -> Result<Ipv4Net> {
    let net = text.parse()?;
    match text.contains('/') {
        true => Ok(net),
        false => Err(Error::config(format!("address \"{}\" has no prefix length", shown(text)))
            .hint(format!("probably meant: {net}"))),
    }
}

/// One interface; `before` are the container's others. What is wrong with it is noted with the profile.
pub fn nic(profile: &Profile, section: Node, before: &[Nic]) -> Option<Nic> {
    let mut table = Table::open(profile, section, "network.", KEYS);
    let others = table.others("type");
    let mut name: Option<IfName> = None;
    if let Some(text) = table.word("name") {
        name = table.parse("name", &text, str::parse);
        once(&table, "name", &text, name.is_some() && before.iter().any(|nic| nic.name == name));
    }
    let hwaddr = table.word("hwaddr");
    let nic = Nic {
        kind: NicKind::Empty,
        name,
        up: table.flag("up").unwrap_or(true),
        hwaddr: hwaddr.as_ref().and_then(|text| table.parse("hwaddr", text, field::mac)),
        hwaddr_pattern: hwaddr.and_then(|text| field::mac_pattern(text.get_ref())),
        mtu: table.small("mtu", 68, 65535),
        ipv4: table.each("ipv4", ipv4),
        ipv6: table.each("ipv6", str::parse),
        gateway4: table.read("ipv4-gateway", str::parse),
        gateway6: table.read("ipv6-gateway", str::parse),
        origin: profile.origin(table.span.clone()),
        places: Places::default(),
    };
    let kind = table.read("type", kind);
    let mode = table.read("mode", str::parse).unwrap_or(MacvlanMode::Private);
    let kind = match (kind, table.word("link")) {
        (Some(true), Some(link)) => NicKind::Macvlan { link: table.parse("link", &link, str::parse)?, mode },
        (Some(true), None) => {
            let error = Error::config("network: this macvlan has no link")
                .hint("link = \"br0\" names the host interface it goes on");
            table.missing(error);
            return None;
        }
        (Some(false), _) => {
            for (key, span) in others {
                let error =
                    Error::config(format!("an empty interface is the loopback alone: it has no {key}"));
                table.wrong(error, key, span);
            }
            NicKind::Empty
        }
        (None, _) => {
            table.missing(Error::config("network: key \"type\" is missing"));
            return None;
        }
    };
    Some(Nic { kind, places: table.places, ..nic })
}

/// True for a macvlan.
fn kind(text: &str) -> Result<bool> {
    match text {
        "macvlan" => Ok(true),
        "empty" => Ok(false),
        _ => {
            Err(Error::config(format!("interface type \"{}\" is unknown", shown(text)))
                .hint("macvlan or empty"))
        }
    }
}
