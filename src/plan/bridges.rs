//! The bridges a profile declares, against the links the host has: what is there already is left alone.

use super::host::{Host, HostLink};
use super::{Place, Planned, Step, relay};
use crate::error::{Error, Result};
use crate::profile::Container;
use crate::profile::board::Bridge;
use crate::profile::container::NicKind;
use crate::profile::value::{IfName, MacvlanMode};
use std::net::IpAddr;

/// The steps that make these bridges, in order; none where all of it is true. `host.links` must have been read.
pub fn steps(bridges: &[Bridge], host: &Host) -> Result<Vec<Planned>> {
    let mut steps = Vec::new();
    for (position, bridge) in bridges.iter().enumerate() {
        let earlier = bridges.get(..position).unwrap_or(&[]);
        let push = &mut |step| {
            steps.push(Planned { place: Place::Host, step, origin: bridge.origin.clone() });
        };
        match bridge.relay {
            true => relay::steps(bridge, earlier, host, push),
            false => one(bridge, earlier, host, push),
        }
        .map_err(|error| error.tried(format!("bridge \"{}\"", bridge.name)).at(&bridge.origin))?;
    }
    Ok(steps)
}

/// One bridge, in front of which there is no relay.
pub fn one(bridge: &Bridge, earlier: &[Bridge], host: &Host, push: &mut dyn FnMut(Step)) -> Result<()> {
    let name = &bridge.name;
    let existing = host.link(name.as_str());
    if earlier.iter().any(|other| other.name == *name) {
        return Err(Error::config("is declared twice"));
    }
    match existing {
        Some(link) if link.kind != "bridge" => {
            let kind = if link.kind.is_empty() { "hardware" } else { &link.kind };
            return Err(Error::host(format!(
                "there is an interface of that name, and it is no bridge ({kind})"
            ))
            .hint("rename the interface or the bridge"));
        }
        Some(_) => {}
        None => push(Step::MakeBridge { bridge: name.clone() }),
    }
    for (position, port) in bridge.ports.iter().enumerate() {
        let before = bridge.ports.get(..position).unwrap_or(&[]);
        self::port(bridge, port, before, earlier, existing, host, push)
            .map_err(|error| error.tried(format!("port \"{port}\"")))?;
    }
    // Whoever made it a port of this bridge.
    if let Some(port) = host.links.iter().find(|link| link.hairpin && is_port(link, existing)) {
        return Err(hairpin(&port.name));
    }
    pin(bridge, existing, host, push);
    let mtu = existing.map(|link| link.mtu);
    if let Some(wanted) = bridge.mtu.filter(|wanted| mtu != Some(*wanted)) {
        push(Step::SetMtu { link: name.clone(), mtu: wanted });
    }
    let has =
        |address: IpAddr, prefix| existing.is_some_and(|link| link.addresses.contains(&(address, prefix)));
    for net in bridge.ipv4.iter().filter(|net| !has(net.address.into(), net.prefix)) {
        push(Step::AddAddress4 { link: name.clone(), net: *net });
    }
    for net in bridge.ipv6.iter().filter(|net| !has(net.address.into(), net.prefix)) {
        push(Step::AddAddress6 { link: name.clone(), net: *net });
    }
    if !existing.is_some_and(|link| link.up) {
        push(Step::LinkUp { link: name.clone() });
    }
    Ok(())
}

/// Refuses interfaces in mode vepa on a bridge that has a port with hairpin on, also where no profile declares the bridge.
pub fn without_hairpin(containers: &[Container], host: &Host) -> Result<()> {
    for container in containers {
        for nic in &container.network {
            let NicKind::Macvlan { link, mode: MacvlanMode::Vepa } = &nic.kind else { continue };
            let bridge = host.link(link.as_str()).filter(|link| link.kind == "bridge");
            if let Some(port) = host.links.iter().find(|port| port.hairpin && is_port(port, bridge)) {
                let error = hairpin(&port.name).tried(format!("link \"{link}\""));
                return Err(error.tried(format!("container \"{}\"", container.name)).at(&nic.origin));
            }
        }
    }
    Ok(())
}

/// The error of a port that VEPA interfaces on its bridge can not do with.
pub fn hairpin(port: &str) -> Error {
    Error::host(
        "has hairpin on, which belongs on the switch's port: here VEPA interfaces on the bridge lose every frame, and \
         with a switch that reflects the frames circle",
    )
    .tried(format!("port \"{port}\""))
    .hint(format!("bridge link set dev {port} hairpin off"))
}

/// Whether the link is a port of this bridge.
fn is_port(link: &HostLink, bridge: Option<&HostLink>) -> bool {
    bridge.is_some_and(|bridge| link.master == Some(bridge.index))
}

fn port(
    bridge: &Bridge,
    port: &IfName,
    before: &[IfName],
    earlier: &[Bridge],
    existing: Option<&HostLink>,
    host: &Host,
    push: &mut dyn FnMut(Step),
) -> Result<()> {
    let link = host.link(port.as_str()).ok_or_else(|| missing(bridge, host))?;
    if before.contains(port) {
        return Err(Error::config("is declared twice"));
    }
    // The kernel would move it from one to the other without a word.
    if let Some(other) = earlier.iter().find(|other| other.ports.contains(port)) {
        return Err(Error::config(format!("is declared as a port of \"{}\" too", other.name)));
    }
    if port.as_str() == "lo" {
        return Err(Error::config("is the loopback, which no bridge takes"));
    }
    if link.kind == "bridge" {
        return Err(Error::host("is a bridge itself, which no bridge takes"));
    }
    if is_port(link, existing) {
        if let Some(mtu) = bridge.mtu.filter(|mtu| *mtu > link.mtu) {
            push(Step::SetMtu { link: port.clone(), mtu });
        }
        if !link.up {
            push(Step::LinkUp { link: port.clone() });
        }
        return Ok(());
    }
    if let Some(master) = link.master {
        let master = host.links.iter().find(|link| link.index == master);
        let (kind, name) =
            master.map_or(("bridge", "another network namespace"), |link| (&link.kind, &link.name));
        return Err(Error::host(format!("is a port of {kind} \"{name}\" already"))
            .hint(format!("ip link set {port} nomaster")));
    }
    // What arrives at a port goes to the bridge: an address of the port's own hears nothing any more.
    let heard = |address: &IpAddr| !matches!(address, IpAddr::V6(address) if address.is_unicast_link_local());
    if let Some((address, prefix)) = link.addresses.iter().find(|(address, _)| heard(address)) {
        let key = if address.is_ipv4() { "ipv4" } else { "ipv6" };
        return Err(Error::host(format!(
            "has the address {address}/{prefix}, which stops working on a port"
        ))
        .hint(format!(
            "give it to the bridge: {key} = [\"{address}/{prefix}\"], and take it off: \
                 ip addr del {address}/{prefix} dev {port}"
        )));
    }
    if let Some(mtu) = bridge.mtu.filter(|mtu| *mtu > link.mtu) {
        push(Step::SetMtu { link: port.clone(), mtu });
    }
    push(Step::EnslavePort { bridge: bridge.name.clone(), port: port.clone() });
    Ok(())
}

/// The bridge's address, after its ports: an unpinned one changes with the ports, and one that no port has, or that was
/// set before the first port came, cuts macvlans on the bridge off from the board (tried).
fn pin(bridge: &Bridge, existing: Option<&HostLink>, host: &Host, push: &mut dyn FnMut(Step)) {
    let current = existing.and_then(|link| link.mac);
    let ports = || bridge.ports.iter().filter_map(|port| host.link(port.as_str()));
    let comes = ports().any(|link| !is_port(link, existing));
    let had_ports = existing.is_some_and(|bridge| host.links.iter().any(|link| is_port(link, Some(bridge))));
    let first = bridge.ports.first();
    let (port, mac) = match bridge.hwaddr {
        Some(mac) => {
            let has_it = ports().any(|link| link.mac == Some(mac));
            if current == Some(mac) && !comes && (has_it || first.is_none()) {
                return;
            }
            (first.filter(|_| !has_it), Some(mac))
        }
        None if !comes => return,
        // A bridge that works already keeps its address, whatever ports are added.
        None if had_ports => (None, current),
        None => (first, None),
    };
    push(Step::PinBridgeAddress { bridge: bridge.name.clone(), port: port.cloned(), mac });
}

/// The error of a port that is not there.
pub fn missing(bridge: &Bridge, host: &Host) -> Error {
    let there = host.links.iter().filter(|link| link.kind.is_empty() && link.name != "lo");
    let names = there.map(|link| link.name.as_str()).collect::<Vec<_>>().join(", ");
    let cause = match bridge.wait {
        0 => "no such interface".into(),
        wait => format!("no such interface, which up waits {wait} ms for"),
    };
    Error::host(cause).hint(match names.is_empty() {
        true => "this host has no network hardware: is its driver loaded?".to_owned(),
        false => format!("this host has {names}; --port PORT=INTERFACE takes another"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Origin;

    fn bridge(ports: &[&str]) -> Bridge {
        Bridge {
            name: "br0".parse().unwrap(),
            ports: ports.iter().map(|port| port.parse().unwrap()).collect(),
            hwaddr: None,
            mtu: None,
            ipv4: Vec::new(),
            ipv6: Vec::new(),
            wait: 0,
            relay: false,
            origin: Origin::default(),
            places: Default::default(),
        }
    }

    fn link(index: u32, name: &str, kind: &str, master: Option<u32>) -> HostLink {
        let mac = format!("02:00:00:00:00:{index:02x}").parse().ok();
        HostLink {
            name: name.into(),
            index,
            mac,
            master,
            kind: kind.into(),
            up: true,
            mtu: 1500,
            ..HostLink::default()
        }
    }

    fn host(links: &[HostLink]) -> Host {
        Host { links: [&[link(1, "lo", "", None)], links].concat(), ..Host::default() }
    }

    fn plan(bridges: &[Bridge], host: &Host) -> String {
        match steps(bridges, host) {
            Ok(steps) => steps.iter().map(|planned| planned.step.to_string()).collect::<Vec<_>>().join("; "),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn a_bridge_is_pinned_after_its_ports_and_before_it_is_up() {
        let wanted = Bridge {
            ipv4: vec!["192.168.0.1/24".parse().unwrap()],
            ipv6: vec!["fd00::1/64".parse().unwrap()],
            ..bridge(&["eth0", "eth1"])
        };
        let host = host(&[link(2, "eth0", "", None), link(3, "eth1", "", None)]);
        assert_eq!(
            plan(&[wanted], &host),
            "make bridge br0; enslave port eth0 to bridge br0; enslave port eth1 to bridge br0; \
             set address of bridge br0 to that of port eth0; add address 192.168.0.1/24 to br0; \
             add address fd00::1/64 to br0; set br0 up"
        );
    }

    #[test]
    fn what_is_true_is_not_planned() {
        let mut br0 = link(5, "br0", "bridge", None);
        br0.addresses = vec![("192.168.0.1".parse().unwrap(), 24), ("fe80::1".parse().unwrap(), 64)];
        let mut eth0 = HostLink { mac: br0.mac, ..link(2, "eth0", "", Some(5)) };
        let wanted = [Bridge {
            ipv4: vec!["192.168.0.1/24".parse().unwrap()],
            mtu: Some(1500),
            hwaddr: br0.mac,
            ..bridge(&["eth0"])
        }];
        assert_eq!(plan(&wanted, &host(&[eth0.clone(), br0.clone()])), "");
        // Addresses that a port has nonetheless are somebody's own doing by now.
        eth0.addresses = vec![("10.0.0.1".parse().unwrap(), 8)];
        assert_eq!(plan(&[bridge(&["eth0"])], &host(&[eth0.clone(), br0.clone()])), "");

        (br0.up, eth0.up, br0.mtu) = (false, false, 1400);
        br0.addresses[0].1 = 16;
        br0.mac = "02:00:00:00:00:77".parse().ok();
        assert_eq!(
            plan(&wanted, &host(&[eth0, br0])),
            "set eth0 up; set address of bridge br0 to 02:00:00:00:00:05; set mtu of br0 to 1500; \
             add address 192.168.0.1/24 to br0; set br0 up"
        );
    }

    #[test]
    fn a_bridge_that_works_already_keeps_its_address() {
        let br0 = link(5, "br0", "bridge", None);
        let (eth0, eth1) = (link(2, "eth0", "", None), link(3, "eth1", "", Some(5)));
        let wanted = [bridge(&["eth0", "eth1"])];
        assert_eq!(
            plan(&wanted, &host(&[br0.clone(), eth0.clone(), eth1])),
            "enslave port eth0 to bridge br0; set address of bridge br0 to 02:00:00:00:00:05"
        );
        let eth1 = link(3, "eth1", "", None);
        assert!(plan(&wanted, &host(&[br0, eth0, eth1])).ends_with("br0 to that of port eth0"));
    }

    #[test]
    fn an_address_of_its_own_is_a_ports_too() {
        let wanted = [Bridge { hwaddr: "02:00:00:00:00:99".parse().ok(), ..bridge(&["eth0", "eth1"]) }];
        let (eth0, mut eth1) = (link(2, "eth0", "", None), link(3, "eth1", "", None));
        let words = plan(&wanted, &host(&[eth0.clone(), eth1.clone()]));
        assert!(
            words.contains("; set address of bridge br0 and of port eth0 to 02:00:00:00:00:99; set"),
            "{words}"
        );
        eth1.mac = wanted[0].hwaddr;
        let words = plan(&wanted, &host(&[eth0.clone(), eth1]));
        assert!(words.contains("; set address of bridge br0 to 02:00:00:00:00:99; set"), "{words}");
        // Set by hand, as one must not: no port has it.
        let br0 = HostLink { mac: wanted[0].hwaddr, ..link(5, "br0", "bridge", None) };
        let eth1 = link(3, "eth1", "", Some(5));
        assert_eq!(
            plan(&wanted, &host(&[link(2, "eth0", "", Some(5)), eth1, br0])),
            "set address of bridge br0 and of port eth0 to 02:00:00:00:00:99"
        );
    }

    #[test]
    fn a_larger_mtu_is_the_ports_too() {
        let wanted = Bridge { mtu: Some(9000), ..bridge(&["eth0"]) };
        assert_eq!(
            plan(&[wanted], &host(&[link(2, "eth0", "", None)])),
            "make bridge br0; set mtu of eth0 to 9000; enslave port eth0 to bridge br0; \
             set address of bridge br0 to that of port eth0; set mtu of br0 to 9000; set br0 up"
        );
    }

    #[test]
    fn a_bridge_needs_no_port() {
        assert_eq!(plan(&[bridge(&[])], &host(&[])), "make bridge br0; set br0 up");
        let wanted = Bridge { hwaddr: "02:00:00:00:00:09".parse().ok(), ..bridge(&[]) };
        assert_eq!(
            plan(&[wanted], &host(&[])),
            "make bridge br0; set address of bridge br0 to 02:00:00:00:00:09; set br0 up"
        );
    }

    #[test]
    fn what_cannot_be_says_why() {
        let eth0 = link(2, "eth0", "", None);
        let wanted = [bridge(&["eth0"])];
        assert_eq!(
            plan(&[bridge(&["eth7"])], &host(&[eth0.clone(), link(3, "eth1", "", None)])),
            "bridge \"br0\": port \"eth7\": no such interface (this host has eth0, eth1; \
             --port PORT=INTERFACE takes another)"
        );
        assert!(plan(&wanted, &host(&[])).contains("is its driver loaded"));
        assert_eq!(
            plan(&wanted, &host(&[link(2, "eth0", "", Some(7)), link(7, "bond0", "bond", None)])),
            "bridge \"br0\": port \"eth0\": is a port of bond \"bond0\" already (ip link set eth0 nomaster)"
        );
        assert_eq!(
            plan(&wanted, &host(&[eth0.clone(), link(7, "br0", "dummy", None)])),
            "bridge \"br0\": there is an interface of that name, and it is no bridge (dummy) \
             (rename the interface or the bridge)"
        );
        let hairpin = HostLink { hairpin: true, ..link(2, "eth0", "", Some(5)) };
        let words = plan(&wanted, &host(&[hairpin, link(5, "br0", "bridge", None)]));
        assert!(words.starts_with("bridge \"br0\": port \"eth0\": has hairpin on, "), "{words}");
        assert!(words.ends_with(" (bridge link set dev eth0 hairpin off)"), "{words}");
        // On a bridge that is somebody else's, too, where a container has an interface in mode vepa on it.
        let container = |mode: &str| {
            let nic = format!("[[container.network]]\ntype = 'macvlan'\nmode = '{mode}'\nlink = 'br9'");
            let text = format!("board.name = 't'\n[[container]]\nname = 'c'\n{nic}");
            crate::profile::toml::parse(text.as_bytes(), &"p".into()).unwrap().containers
        };
        let hairpin = HostLink { hairpin: true, ..link(2, "tap0", "tun", Some(5)) };
        let host = host(&[hairpin, link(5, "br9", "bridge", None)]);
        let error = without_hairpin(&container("vepa"), &host).unwrap_err().to_string();
        let start = "p:4:1: container \"c\": link \"br9\": port \"tap0\": has hairpin on, ";
        assert!(error.starts_with(start), "{error}");
        assert!(without_hairpin(&container("bridge"), &host).is_ok());
    }

    #[test]
    fn a_port_with_an_address_of_its_own_says_where_it_goes() {
        let wanted = [bridge(&["eth0"])];
        let mut eth0 = link(2, "eth0", "", None);
        eth0.addresses = vec![("fe80::1".parse().unwrap(), 64), ("10.0.0.1".parse().unwrap(), 8)];
        assert_eq!(
            plan(&wanted, &host(&[eth0.clone()])),
            "bridge \"br0\": port \"eth0\": has the address 10.0.0.1/8, which stops working on a port \
             (give it to the bridge: ipv4 = [\"10.0.0.1/8\"], and take it off: ip addr del 10.0.0.1/8 dev eth0)"
        );
        eth0.addresses.pop();
        assert!(
            plan(&wanted, &host(&[eth0.clone()])).starts_with("make bridge"),
            "a link-local one is no loss"
        );
        let second = Bridge { name: "br1".parse().unwrap(), ..bridge(&["eth0"]) };
        assert_eq!(
            plan(&[bridge(&["eth0"]), second], &host(&[eth0.clone()])),
            "bridge \"br1\": port \"eth0\": is declared as a port of \"br0\" too"
        );
        assert!(plan(&[bridge(&["eth0", "eth0"])], &host(&[eth0.clone()])).contains("declared twice"));
        assert!(plan(&[bridge(&[]), bridge(&[])], &host(&[])).contains("declared twice"));
        let br1 = link(7, "br1", "bridge", None);
        assert!(plan(&[bridge(&["br1"])], &host(&[br1])).contains("is a bridge itself"));
    }
}
