//! Interfaces: their names, links and mtu; the ports of bridges.

use super::network::{at, link, name};
use super::{Report, called};
use crate::profile::container::Nic;
use crate::profile::text::nearest;
use crate::profile::{Board, Bridge, Container};

/// The least mtu that IPv6 works with, in bytes (RFC 8200, section 5). Below it the kernel takes the protocol off the
/// interface, and refuses its addresses.
const IPV6_MTU: u32 = 1280;

pub fn check(board: &Board, report: &mut Report) {
    for bridge in &board.bridges {
        report.about = format!("bridge \"{}\"", bridge.name);
        ports(board, bridge, report);
    }
    for container in &board.containers {
        report.about = called(container);
        names(container, report);
        for (number, nic) in container.network.iter().enumerate() {
            let Some((link, _)) = link(nic) else { continue };
            on(board, nic, link, report);
            ipv6(board, nic, link, &name(nic, number), report);
        }
    }
    report.about.clear();
}

fn ports(board: &Board, bridge: &Bridge, report: &mut Report) {
    let at = |key: &str| bridge.places.get(key).unwrap_or(&bridge.origin);
    if bridge.name.as_str() == "lo" {
        report.tell("loopback", at("name"), "lo is the loopback, and no name for a bridge".into(), "");
    }
    for port in &bridge.ports {
        if port.as_str() == "lo" {
            let cause = "port lo is the loopback, which no bridge takes".into();
            report.tell("loopback", at("ports"), cause, "a port is an Ethernet interface");
        }
        if *port != bridge.name && board.bridges.iter().any(|other| other.name == *port) {
            let cause = format!("port {port} is a bridge itself, which no bridge takes");
            report.tell("port-is-a-bridge", at("ports"), cause, "its ports can be named here instead");
        }
    }
    if let Some(mtu) = bridge.mtu.filter(|mtu| *mtu < IPV6_MTU && !bridge.ipv6.is_empty()) {
        report.tell("mtu-below-ipv6", at("mtu"), below(mtu), "the kernel refuses its ipv6 addresses");
    }
}

fn below(mtu: u32) -> String {
    format!("an mtu of {mtu} is below the {IPV6_MTU} bytes that IPv6 needs")
}

/// An unnamed one is called by its number, as another one may be by its name.
fn names(container: &Container, report: &mut Report) {
    let mut seen: Vec<String> = Vec::new();
    for (number, nic) in container.network.iter().enumerate() {
        if link(nic).is_none() {
            continue;
        }
        let name = name(nic, number);
        let at = at(nic, "name");
        if name == "lo" {
            let cause = "name \"lo\" is the loopback's, which is there already".into();
            report.tell("loopback", at, cause, "eth0 is usual");
        }
        // Where both are written, a profile's reader has told it.
        let told = report.findings.iter().any(|told| {
            (told.origin.line, told.origin.column) == (at.line, at.column)
                && told.origin.file == at.file
                && told.rule == "duplicate"
        });
        if seen.contains(&name) && !told {
            let hint = "one without a name is called by its number; give each a name of its own";
            report.tell("duplicate", at, format!("two interfaces are called {name}"), hint);
        }
        seen.push(name);
    }
}

fn on(board: &Board, nic: &Nic, link: &str, report: &mut Report) {
    if link == "lo" {
        let cause = "link \"lo\" is the loopback: the kernel takes no macvlan on it".into();
        report.tell("loopback", at(nic, "link"), cause, "link = \"br0\", a bridge, or an Ethernet interface");
        return;
    }
    if let Some(bridge) = board.bridges.iter().find(|bridge| bridge.name.as_str() == link) {
        if let (Some(mtu), Some(most)) = (nic.mtu, bridge.mtu)
            && mtu > most
        {
            let cause = format!("an mtu of {mtu} is above that of {link}, {most}");
            report.tell("mtu-above-link", at(nic, "mtu"), cause, "the kernel refuses it");
        }
        return;
    }
    let port_of = |bridge: &&Bridge| bridge.ports.iter().any(|port| port.as_str() == link);
    if let Some(bridge) = board.bridges.iter().find(port_of) {
        let cause =
            format!("link \"{link}\" is a port of {}: the kernel takes no macvlan on it", bridge.name);
        report.tell("link-is-a-port", at(nic, "link"), cause, &format!("link = \"{}\"", bridge.name));
    } else if let Some(near) = nearest(link, board.bridges.iter().map(|bridge| bridge.name.as_str())) {
        let cause = format!("link \"{link}\": no [[bridge]] has this name");
        let hint = format!("did you mean {near}? Else it has to be there before up");
        report.tell("unknown-link", at(nic, "link"), cause, &hint);
    }
}

/// The mtu that it has, its bridge's where it says none, has to carry IPv6 where there is any.
fn ipv6(board: &Board, nic: &Nic, link: &str, who: &str, report: &mut Report) {
    let bridge = board.bridges.iter().find(|bridge| bridge.name.as_str() == link);
    let (mtu, at) = match (nic.mtu, bridge.and_then(|bridge| bridge.mtu)) {
        (Some(mtu), _) => (mtu, at(nic, "mtu")),
        (None, Some(mtu)) => (mtu, at(nic, "ipv6")),
        (None, None) => return,
    };
    if mtu < IPV6_MTU && (!nic.ipv6.is_empty() || nic.gateway6.is_some()) {
        let cause = format!("{who}: {}", below(mtu));
        report.tell("mtu-below-ipv6", at, cause, "the kernel refuses its ipv6 addresses");
    }
}
