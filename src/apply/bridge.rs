//! The bridge steps, performed and taken back. What is already true is skipped, so that `up` twice is `up` once.

use super::undo::{Journal, Undo, noted};
use crate::error::{Error, Result};
use crate::plan::Step;
use crate::plan::host::HostLink;
use crate::profile::value::{IfName, Mac};
use crate::sys::file;
use crate::sys::netlink::{Link, Netlink, PortFlag};
use nix::errno::Errno;
use std::net::{IpAddr, Ipv4Addr};

/// The host's network interfaces.
pub fn links() -> Result<Vec<HostLink>> {
    let mut netlink = Netlink::open()?;
    let host_link = |link: Link| {
        let flags = link.flags_of_port();
        HostLink {
            name: link.name,
            index: link.index,
            mac: link.mac.map(Mac),
            master: link.master,
            hairpin: flags.hairpin,
            learning: flags.learning,
            kind: link.kind,
            up: link.up,
            mtu: link.mtu,
            addresses: Vec::new(),
        }
    };
    let mut links: Vec<HostLink> = netlink.links()?.into_iter().map(host_link).collect();
    netlink.each_address(&mut |index, address, prefix| {
        if let Some(link) = links.iter_mut().find(|link| link.index == index) {
            link.addresses.push((address, prefix));
        }
    })?;
    Ok(links)
}

/// Performs a bridge's step.
pub fn perform(step: &Step, journal: &mut dyn Journal) -> Result<()> {
    let netlink = &mut Netlink::open()?;
    let done = match step {
        Step::MakeBridge { bridge } => make(netlink, bridge, journal),
        Step::EnslavePort { bridge, port } => enslave(netlink, bridge, port, journal),
        Step::MakeVeth { name, peer, mac, mtu } => make_veth(netlink, (name, peer), *mac, *mtu, journal),
        // What is switched is one of our veths: it goes with the pair.
        Step::HairpinOn { port } => netlink.set_port_flag(port.as_str(), PortFlag::Hairpin, true),
        Step::LearningOff { port } => netlink.set_port_flag(port.as_str(), PortFlag::Learning, false),
        Step::DisableIpv6 { link } => disable_ipv6(link),
        Step::PinBridgeAddress { bridge, port, mac } => pin(netlink, bridge, port.as_ref(), *mac, journal),
        Step::SetMtu { link, mtu } => set_mtu(netlink, link, *mtu, journal),
        Step::AddAddress4 { link, net } => {
            add_address(netlink, link, net.address.into(), net.prefix, net.broadcast, journal)
        }
        Step::AddAddress6 { link, net } => {
            add_address(netlink, link, net.address.into(), net.prefix, None, journal)
        }
        Step::LinkUp { link } => {
            let found = find(netlink, link)?;
            set_up(netlink, link, &found, journal)
        }
        other => Err(Error::host("is no step of a bridge").tried(other.to_string())),
    };
    done.map_err(|error| named(error, step.to_string()))
}

/// Takes a bridge's step back. What is gone already is no error.
pub fn undo(undo: &Undo) -> Result<()> {
    let netlink = &mut Netlink::open()?;
    let (Undo::DeleteLink { name: link }
    | Undo::ReleasePort { port: link }
    | Undo::RemoveAddress { link, .. }
    | Undo::LinkDown { link }
    | Undo::RestoreMtu { link, .. }
    | Undo::RestoreMac { link, .. }) = undo
    else {
        return Err(Error::host("is no step of a bridge").tried(undo.to_string()));
    };
    let Some(link) = netlink.link(link.as_str())? else { return Ok(()) };
    let index = link.index;
    let done = match undo {
        Undo::DeleteLink { .. } => netlink.delete_link(index),
        Undo::ReleasePort { .. } => netlink.set_master(index, None),
        Undo::RemoveAddress { address, prefix, .. } => netlink.delete_address(index, *address, *prefix),
        Undo::RestoreMtu { mtu, .. } => netlink.set_mtu(index, *mtu),
        Undo::RestoreMac { mac, .. } => set_mac(netlink, &link, mac.0),
        _ => netlink.set_up(index, false),
    };
    done.map_err(|error| named(error, undo.to_string()))
}

/// netlink knows interfaces by number; the operator by the step's words.
fn named(mut error: Error, tried: String) -> Error {
    error.tried = tried;
    error
}

fn find(netlink: &mut Netlink, name: &IfName) -> Result<Link> {
    netlink.link(name.as_str())?.ok_or_else(|| Error::host(format!("there is no interface {name} any more")))
}

fn make(netlink: &mut Netlink, bridge: &IfName, journal: &mut dyn Journal) -> Result<()> {
    match netlink.link(bridge.as_str())? {
        Some(link) if link.kind == "bridge" => Ok(()),
        Some(_) => Err(Error::host(format!("there is an interface {bridge}, and it is no bridge"))),
        None => {
            noted(journal, Undo::DeleteLink { name: bridge.clone() }, || netlink.add_bridge(bridge.as_str()))
        }
    }
}

fn make_veth(
    netlink: &mut Netlink,
    (name, peer): (&IfName, &IfName),
    mac: Mac,
    mtu: u32,
    journal: &mut dyn Journal,
) -> Result<()> {
    if netlink.link(name.as_str())?.is_some_and(|link| link.kind == "veth") {
        return Ok(());
    }
    // One goes with the other.
    noted(journal, Undo::DeleteLink { name: name.clone() }, || {
        netlink.add_veth(name.as_str(), peer.as_str(), mac.0, mtu)
    })
}

/// A kernel without IPv6 has no such file. It goes with the interface.
fn disable_ipv6(link: &IfName) -> Result<()> {
    match file::write_value(&format!("/proc/sys/net/ipv6/conf/{link}/disable_ipv6"), "1") {
        Err(error) if error.is(Errno::ENOENT) => Ok(()),
        other => other,
    }
}

fn enslave(netlink: &mut Netlink, bridge: &IfName, port: &IfName, journal: &mut dyn Journal) -> Result<()> {
    let master = find(netlink, bridge)?.index;
    let link = find(netlink, port)?;
    match link.master {
        Some(other) if other == master => {}
        Some(_) => return Err(Error::host(format!("{port} is a port of another bridge or bond"))),
        None => noted(journal, Undo::ReleasePort { port: port.clone() }, || {
            netlink.set_master(link.index, Some(master))
        })?,
    }
    set_up(netlink, port, &link, journal)
}

fn pin(
    netlink: &mut Netlink,
    bridge: &IfName,
    port: Option<&IfName>,
    mac: Option<Mac>,
    journal: &mut dyn Journal,
) -> Result<()> {
    let wanted = match (mac, port) {
        (Some(mac), Some(port)) => {
            let link = find(netlink, port)?;
            if link.mac != Some(mac.0) {
                replace_mac(netlink, port, &link, mac.0, journal)?;
            }
            Some(mac.0)
        }
        (Some(mac), None) => Some(mac.0),
        (None, Some(port)) => find(netlink, port)?.mac,
        (None, None) => None,
    };
    let wanted = wanted.ok_or_else(|| Error::host("the port has no Ethernet address"))?;
    let link = find(netlink, bridge)?;
    if link.mac == Some(wanted) {
        // Set even though it is the same: from now on it does not change with the ports.
        return netlink.set_address(link.index, wanted);
    }
    replace_mac(netlink, bridge, &link, wanted, journal)
}

fn replace_mac(
    netlink: &mut Netlink,
    name: &IfName,
    link: &Link,
    mac: [u8; 6],
    journal: &mut dyn Journal,
) -> Result<()> {
    let had = link.mac.ok_or_else(|| Error::host(format!("{name} has no Ethernet address")))?;
    let undo = Undo::RestoreMac { link: name.clone(), mac: Mac(had) };
    noted(journal, undo, || set_mac(netlink, link, mac))
}

fn set_mac(netlink: &mut Netlink, link: &Link, mac: [u8; 6]) -> Result<()> {
    match netlink.set_address(link.index, mac) {
        // Many drivers, and all of the older ones, change it only while the interface is down.
        Err(error) if error.is(Errno::EBUSY) && link.up => {
            netlink.set_up(link.index, false)?;
            let done = netlink.set_address(link.index, mac);
            netlink.set_up(link.index, true)?;
            done
        }
        done => done,
    }
}

fn set_mtu(netlink: &mut Netlink, name: &IfName, mtu: u32, journal: &mut dyn Journal) -> Result<()> {
    let link = find(netlink, name)?;
    if link.mtu == mtu {
        return Ok(());
    }
    let undo = Undo::RestoreMtu { link: name.clone(), mtu: link.mtu };
    noted(journal, undo, || netlink.set_mtu(link.index, mtu))
}

fn add_address(
    netlink: &mut Netlink,
    name: &IfName,
    address: IpAddr,
    prefix: u8,
    broadcast: Option<Ipv4Addr>,
    journal: &mut dyn Journal,
) -> Result<()> {
    let index = find(netlink, name)?.index;
    if netlink.addresses(index)?.contains(&(address, prefix)) {
        return Ok(());
    }
    let undo = Undo::RemoveAddress { link: name.clone(), address, prefix };
    noted(journal, undo, || netlink.add_address(index, address, prefix, broadcast))
}

fn set_up(netlink: &mut Netlink, name: &IfName, link: &Link, journal: &mut dyn Journal) -> Result<()> {
    if link.up {
        return Ok(());
    }
    noted(journal, Undo::LinkDown { link: name.clone() }, || netlink.set_up(link.index, true))
}
