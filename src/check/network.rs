//! Addresses, subnets, gateways, and who shares a link.

use super::{Report, called};
use crate::error::Origin;
use crate::plan::vepa::{Pair, pairs};
use crate::profile::container::{Nic, NicKind};
use crate::profile::value::{Gateway4, Gateway6, Mac, MacvlanMode};
use crate::profile::{Board, Container};
use std::net::{IpAddr, Ipv4Addr};

/// An address somewhere on a link.
struct Address<'a> {
    link: &'a str,
    /// Who has it: `container "foo23", eth0`, `bridge "br0"`.
    who: String,
    ip: IpAddr,
    prefix: u8,
    at: &'a Origin,
    /// The container's index; none for a bridge.
    container: Option<usize>,
}

/// The two addresses of an IPv4 subnet that are no host's.
#[derive(Clone, Copy, PartialEq)]
enum Edge {
    /// The subnet itself.
    First,
    /// Its broadcast address.
    Last,
}

impl Address<'_> {
    /// The address without its host part, of this length.
    fn subnet(&self, prefix: u8) -> u128 {
        bits(self.ip) & mask(self.ip, prefix)
    }

    /// What `ip` is in its subnet, if it is no host there; where there are two addresses both are hosts.
    fn edge(&self, ip: IpAddr) -> Option<Edge> {
        let all = !mask(ip, self.prefix) & (u128::MAX >> (128 - width(ip)));
        match bits(ip) & all {
            _ if !ip.is_ipv4() || self.prefix >= 31 => None,
            0 => Some(Edge::First),
            host => (host == all).then_some(Edge::Last),
        }
    }

    /// One that reaches `ip` without a gateway.
    fn reaches(&self, ip: IpAddr) -> bool {
        self.ip.is_ipv4() == ip.is_ipv4() && self.subnet(self.prefix) == bits(ip) & mask(ip, self.prefix)
    }
}

fn bits(ip: IpAddr) -> u128 {
    match ip {
        IpAddr::V4(ip) => u32::from(ip).into(),
        IpAddr::V6(ip) => ip.into(),
    }
}

fn link_local(ip: IpAddr) -> bool {
    matches!(ip, IpAddr::V6(ip) if ip.is_unicast_link_local())
}

fn width(ip: IpAddr) -> u8 {
    if ip.is_ipv4() { 32 } else { 128 }
}

fn mask(ip: IpAddr, prefix: u8) -> u128 {
    u128::MAX.checked_shl((width(ip) - prefix.min(width(ip))).into()).unwrap_or(0)
}

/// The place of a key of an interface, or of the interface.
pub fn at<'a>(nic: &'a Nic, key: &str) -> &'a Origin {
    nic.places.get(key).unwrap_or(&nic.origin)
}

/// Its name inside.
pub fn name(nic: &Nic, number: usize) -> String {
    nic.name.as_ref().map_or_else(|| format!("eth{number}"), |name| name.to_string())
}

/// What it is on, and how.
pub fn link(nic: &Nic) -> Option<(&str, MacvlanMode)> {
    match &nic.kind {
        NicKind::Macvlan { link, mode } => Some((link.as_str(), *mode)),
        NicKind::Empty => None,
    }
}

pub fn check(board: &Board, report: &mut Report) {
    let mut addresses = Vec::new();
    for bridge in &board.bridges {
        let key = |key: &str| bridge.places.get(key).unwrap_or(&bridge.origin);
        let v4 = bridge.ipv4.iter().map(|net| (IpAddr::V4(net.address), net.prefix, key("ipv4")));
        let v6 = bridge.ipv6.iter().map(|net| (IpAddr::V6(net.address), net.prefix, key("ipv6")));
        for (ip, prefix, at) in v4.chain(v6) {
            let who = format!("bridge \"{}\"", bridge.name);
            addresses.push(Address { link: bridge.name.as_str(), who, ip, prefix, at, container: None });
        }
    }
    for (index, container) in board.containers.iter().enumerate() {
        for (number, nic) in container.network.iter().enumerate() {
            let Some((link, _)) = link(nic) else { continue };
            let v4 = nic.ipv4.iter().map(|net| (IpAddr::V4(net.address), net.prefix, at(nic, "ipv4")));
            let v6 = nic.ipv6.iter().map(|net| (IpAddr::V6(net.address), net.prefix, at(nic, "ipv6")));
            for (ip, prefix, at) in v4.chain(v6) {
                let who = format!("{}, {}", called(container), name(nic, number));
                addresses.push(Address { link, who, ip, prefix, at, container: Some(index) });
            }
        }
    }
    twice(&addresses, report);
    subnets(&addresses, report);
    for address in &addresses {
        kind(address, report);
    }
    macs(board, report);
    passthru(board, report);
    for (index, container) in board.containers.iter().enumerate() {
        report.about = called(container);
        gateways(board, container, index, &addresses, report);
    }
    report.about.clear();
    vepa(board, report);
}

fn twice(addresses: &[Address<'_>], report: &mut Report) {
    for (index, address) in addresses.iter().enumerate() {
        let same = |other: &&Address<'_>| other.link == address.link && other.ip == address.ip;
        if let Some(first) = addresses.get(..index).unwrap_or_default().iter().find(same) {
            let cause = format!("{}: {} is the address of {}, too", address.who, address.ip, first.who);
            report.tell("duplicate-address", address.at, cause, "");
        }
    }
}

/// One subnet is a part of another one on the same link, or the board or a container has one twice.
fn subnets(addresses: &[Address<'_>], report: &mut Report) {
    for (index, address) in addresses.iter().enumerate() {
        for before in addresses.get(..index).unwrap_or_default() {
            let same_link = address.link == before.link;
            if address.ip.is_ipv4() != before.ip.is_ipv4() || address.ip == before.ip && same_link {
                continue;
            }
            // Of link-local addresses each link has its own, and one that is its whole subnet needs no other.
            if !same_link && (link_local(address.ip) || address.prefix == width(address.ip)) {
                continue;
            }
            let short = address.prefix.min(before.prefix);
            let overlap = address.subnet(short) == before.subnet(short);
            // On one network stack: the board's bridges, or the interfaces of a container.
            let own = address.container == before.container;
            if overlap && address.prefix != before.prefix && (own || same_link) {
                let cause = format!(
                    "{}: the subnet of {}/{} overlaps with that of {}/{}, {}",
                    address.who, address.ip, address.prefix, before.ip, before.prefix, before.who
                );
                report.tell(
                    "subnet-overlap",
                    address.at,
                    cause,
                    "is one of the prefix lengths meant to be the other?",
                );
                break;
            }
            if overlap && own && address.who != before.who {
                let cause = format!(
                    "{}: {}/{} is in the subnet of {}: replies take either interface",
                    address.who, address.ip, address.prefix, before.who
                );
                report.tell("subnet-overlap", address.at, cause, "an interface has a subnet of its own");
                break;
            }
        }
    }
}

fn kind(address: &Address<'_>, report: &mut Report) {
    let ip = address.ip;
    let what = if ip.is_unspecified() {
        "stands for no address"
    } else if ip.is_loopback() {
        "is the loopback's"
    } else if ip.is_multicast() {
        "is a multicast address"
    } else {
        match address.edge(ip) {
            Some(Edge::First) => "is the subnet itself, no host in it",
            Some(Edge::Last) => "is the subnet's broadcast address",
            None => return,
        }
    };
    let cause = format!("{}: {ip}/{} {what}", address.who, address.prefix);
    report.tell("not-a-host-address", address.at, cause, "");
}

fn macs(board: &Board, report: &mut Report) {
    let mut seen: Vec<(&str, Mac, String)> = Vec::new();
    for bridge in &board.bridges {
        if let Some(mac) = bridge.hwaddr {
            seen.push((bridge.name.as_str(), mac, format!("bridge \"{}\"", bridge.name)));
        }
    }
    for container in &board.containers {
        for (number, nic) in container.network.iter().enumerate() {
            let (Some((link, _)), Some(mac)) = (link(nic), nic.hwaddr) else { continue };
            let who = format!("{}, {}", called(container), name(nic, number));
            match seen.iter().find(|(other, known, _)| *other == link && *known == mac) {
                Some((_, _, first)) => {
                    let cause = format!("{who}: {mac} is the address of {first}, too");
                    let hint = "the kernel refuses the second one; without hwaddr each gets a stable address of its own";
                    report.tell("duplicate-mac", at(nic, "hwaddr"), cause, hint);
                }
                None => seen.push((link, mac, who)),
            }
        }
    }
}

fn passthru(board: &Board, report: &mut Report) {
    let mut seen: Vec<(&str, MacvlanMode, String)> = Vec::new();
    for container in &board.containers {
        for (number, nic) in container.network.iter().enumerate() {
            let Some((link, mode)) = link(nic) else { continue };
            let who = format!("{}, {}", called(container), name(nic, number));
            let clash = |(other, before, _): &&(&str, MacvlanMode, String)| {
                *other == link && (mode == MacvlanMode::Passthru || *before == MacvlanMode::Passthru)
            };
            if let Some((_, _, first)) = seen.iter().find(clash) {
                let cause = format!(
                    "{who}: {link} has another interface on it, {first}, and one of the two is passthru"
                );
                report.tell(
                    "passthru-not-alone",
                    at(nic, "mode"),
                    cause,
                    "mode = \"bridge\", \"vepa\" or \"private\" share a link",
                );
            }
            seen.push((link, mode, who));
        }
    }
}

fn gateways(
    board: &Board,
    container: &Container,
    index: usize,
    addresses: &[Address<'_>],
    report: &mut Report,
) {
    let (mut v4, mut v6) = (false, false);
    for (number, nic) in container.network.iter().enumerate() {
        // An empty one gets no route, whatever an LXC file says of it.
        let Some((link, _)) = link(nic) else { continue };
        let gateway4 = nic.gateway4.map(|gateway| match gateway {
            Gateway4::Auto => None,
            Gateway4::Address(ip) => Some(IpAddr::V4(ip)),
        });
        let gateway6 = nic.gateway6.map(|gateway| match gateway {
            Gateway6::Auto => None,
            Gateway6::Address(ip) => Some(IpAddr::V6(ip)),
        });
        for (key, gateway, before) in
            [("ipv4-gateway", gateway4, &mut v4), ("ipv6-gateway", gateway6, &mut v6)]
        {
            let Some(gateway) = gateway else { continue };
            let (who, at) = (name(nic, number), at(nic, key));
            if *before {
                let cause =
                    format!("{who}: another interface has an {key} already, and there is one default route");
                report.tell("gateway-twice", at, cause, "leave it to one of them");
            }
            *before = true;
            reachable(board, (nic, link), (key, gateway, at), &who, (index, addresses), report);
        }
    }
}

/// A gateway, none for `auto`, is in a subnet of its interface, which is up, and is somebody else's address.
fn reachable(
    board: &Board,
    (nic, link): (&Nic, &str),
    (key, gateway, at): (&str, Option<IpAddr>, &Origin),
    who: &str,
    (index, addresses): (usize, &[Address<'_>]),
    report: &mut Report,
) {
    if !nic.up {
        let cause = format!("{who}: it has a gateway and is not up");
        report.tell("gateway", at, cause, "the kernel takes no route by an interface that is down");
        return;
    }
    let mine = |address: &&Address<'_>| {
        address.container == Some(index) && address.who.ends_with(&format!(", {who}"))
    };
    let Some(ip) = gateway else {
        if let Some(bridge) = board.bridges.iter().find(|bridge| bridge.name.as_str() == link) {
            let none = if key == "ipv4-gateway" { bridge.ipv4.is_empty() } else { bridge.ipv6.is_empty() };
            if none {
                let cause =
                    format!("{who}: {key} is auto, the address of {link}, which has none in this profile");
                report.tell("gateway-auto", at, cause, "give the [[bridge]] one, or name the gateway");
            }
        }
        return;
    };
    if addresses.iter().filter(mine).any(|address| address.ip == ip) {
        report.tell("gateway", at, format!("{who}: the gateway {ip} is its own address"), "it leads nowhere");
        return;
    }
    let edge = |edge: Edge| {
        addresses.iter().filter(mine).any(|address| address.reaches(ip) && address.edge(ip) == Some(edge))
    };
    let everybody = nic.ipv4.iter().any(|net| net.broadcast.map(IpAddr::V4) == Some(ip));
    let what = match ip {
        _ if ip.is_unspecified() => "stands for no address",
        _ if ip.is_loopback() => "is the loopback's",
        _ if ip.is_multicast() => "is a multicast address",
        IpAddr::V4(Ipv4Addr::BROADCAST) => "is everybody's address",
        _ if everybody || edge(Edge::Last) => "is its subnet's broadcast address",
        _ => "",
    };
    if !what.is_empty() {
        report.tell("gateway", at, format!("{who}: the gateway {ip} {what}"), "a gateway is one host");
        return;
    }
    if edge(Edge::First) {
        let cause = format!("{who}: the gateway {ip} is the subnet itself, no host in it");
        report.tell("not-a-host-address", at, cause, "kernels before 5.14 refuse it");
        return;
    }
    if link_local(ip) || addresses.iter().filter(mine).any(|address| address.reaches(ip)) {
        return;
    }
    let subnets: Vec<String> = addresses
        .iter()
        .filter(mine)
        .filter(|address| address.ip.is_ipv4() == ip.is_ipv4())
        .map(|address| format!("{}/{}", address.ip, address.prefix))
        .collect();
    let cause = match subnets.is_empty() {
        true => format!("{who}: it has a gateway, {ip}, and no address of that family"),
        false => format!("{who}: the gateway {ip} is not in its subnet {}", subnets.join(", ")),
    };
    report.tell("gateway-off-subnet", at, cause, "it gets a route of its own; is that what was meant?");
}

/// Containers that reach each other by the switch alone. Told once for each link.
fn vepa(board: &Board, report: &mut Report) {
    for Pair { link, one, other, origin } in pairs(board) {
        // The board's own relay reflects.
        if board.bridges.iter().any(|bridge| bridge.relay && bridge.name == *link) {
            continue;
        }
        let cause = format!(
            "containers \"{one}\" and \"{other}\" are in one network on {link} in VEPA mode: they reach each other only by a \
             switch that reflects"
        );
        let hint = format!(
            "boardbox probe {link} finds out; mode = \"bridge\", or relay = true, needs no such switch"
        );
        report.tell("vepa-needs-reflection", origin, cause, &hint);
    }
}
