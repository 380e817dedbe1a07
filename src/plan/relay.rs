//! `relay = true`: for a switch that does not reflect, a second bridge on this side of the uplink that does.
//!
//! ```text
//!  containers (VEPA) ─ br0 ─ br0-up ════ br0-down ─ br0-relay ─ eth0 ─ switch
//!                                        hairpin on
//! ```
//!
//! Each frame leaves br0 by the one port it has, as VEPA has it; br0-relay sends it back where its destination is on br0
//! too, and out of eth0 otherwise. The board keeps the address it is known by, that of the first port: br0 and br0-up have it.
//! The port itself gets another one, for a bridge keeps what comes in for its ports' own addresses.

use super::host::{Host, HostLink};
use super::{Step, bridges, mac};
use crate::error::{Error, Result};
use crate::profile::board::{Bridge, RelayNames};
use crate::profile::value::{IfName, Mac};

/// The steps that make the relay and the bridge itself. `host.links` must have been read.
pub fn steps(bridge: &Bridge, earlier: &[Bridge], host: &Host, push: &mut dyn FnMut(Step)) -> Result<()> {
    let names = RelayNames::of(&bridge.name)?;
    let first = bridge.ports.first().ok_or_else(|| Error::config("there is no port to relay to"))?;
    let first = host.link(first.as_str()).ok_or_else(|| {
        let missing = bridges::missing(bridge, host);
        missing.tried(format!("port \"{first}\""))
    })?;
    let up = veth(host, &names.up)?;
    // The pair remembers it, should `up` have ended in between.
    let address = bridge.hwaddr.or(up.and_then(|up| up.mac)).or(first.mac);
    let address = address.ok_or_else(|| Error::host(format!("{} has no Ethernet address", first.name)))?;
    let mut host = host.clone();
    let hairpin = up.is_some() && veth(&host, &names.down)?.is_some_and(|down| down.hairpin);
    let learning = up.is_none_or(|up| up.learning || up.master.is_none());
    if up.is_none() {
        let mtu = bridge.mtu.unwrap_or(first.mtu);
        push(Step::MakeVeth { name: names.up.clone(), peer: names.down.clone(), mac: address, mtu });
        pretend(&mut host, &names, address, mtu);
    }
    // On the relay's port it is right.
    host.links
        .iter_mut()
        .filter(|link| link.name == names.down.as_str())
        .for_each(|link| link.hairpin = false);

    let relay = outer(bridge, &names, address, &host);
    bridges::one(&relay, earlier, &host, &mut |step| {
        let made = matches!(step, Step::MakeBridge { .. });
        push(step);
        if made {
            // It is nobody's: it must not answer a router's advertisement.
            push(Step::DisableIpv6 { link: names.bridge.clone() });
        }
    })?;
    if !hairpin {
        push(Step::HairpinOn { port: names.down.clone() });
    }
    let inner = Bridge { ports: vec![names.up.clone()], hwaddr: Some(address), ..bridge.clone() };
    bridges::one(&inner, earlier, &host, push)?;
    if learning {
        // The board's own broadcasts come back: the kernel would complain of each.
        push(Step::LearningOff { port: names.up });
    }
    Ok(())
}

/// The bridge that has the ports. Whichever of them has the board's address gets one made from it.
fn outer(bridge: &Bridge, names: &RelayNames, address: Mac, host: &Host) -> Bridge {
    let has_it = |port: &IfName| host.link(port.as_str()).is_some_and(|link| link.mac == Some(address));
    let mut ports = bridge.ports.clone();
    ports.sort_by_key(|port| !has_it(port));
    let taken = ports.first().is_some_and(has_it);
    ports.push(names.down.clone());
    Bridge {
        name: names.bridge.clone(),
        ports,
        hwaddr: taken.then(|| Mac(mac::stable(Some(address.0), names.bridge.as_str(), 0))),
        mtu: bridge.mtu,
        ipv4: Vec::new(),
        ipv6: Vec::new(),
        wait: bridge.wait,
        relay: false,
        origin: bridge.origin.clone(),
        places: Default::default(),
    }
}

/// The veth of this name, where there is one.
fn veth<'a>(host: &'a Host, name: &IfName) -> Result<Option<&'a HostLink>> {
    match host.link(name.as_str()) {
        Some(link) if link.kind != "veth" => {
            Err(Error::host(format!("there is an interface {name} already, and it is no veth"))
                .hint("rename the interface or the bridge"))
        }
        link => Ok(link),
    }
}

/// Puts the pair into the snapshot, so that what hangs on it can be planned.
fn pretend(host: &mut Host, names: &RelayNames, address: Mac, mtu: u32) {
    host.links.retain(|link| link.name != names.down.as_str());
    for (name, index, mac) in [(&names.up, u32::MAX, Some(address)), (&names.down, u32::MAX - 1, None)] {
        host.links.push(HostLink {
            name: name.to_string(),
            index,
            mac,
            kind: "veth".into(),
            mtu,
            ..HostLink::default()
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Origin;
    use crate::plan::Planned;

    const ETH0: &str = "02:00:00:00:00:02";

    fn br0() -> Bridge {
        Bridge {
            name: "br0".parse().unwrap(),
            ports: vec!["eth0".parse().unwrap()],
            hwaddr: None,
            mtu: None,
            ipv4: vec!["192.168.0.1/24".parse().unwrap()],
            ipv6: Vec::new(),
            wait: 0,
            relay: true,
            origin: Origin::default(),
            places: Default::default(),
        }
    }

    fn link(index: u32, name: &str, kind: &str, mac: &str, master: Option<u32>) -> HostLink {
        HostLink {
            name: name.into(),
            index,
            mac: mac.parse().ok(),
            master,
            kind: kind.into(),
            up: true,
            mtu: 1500,
            ..HostLink::default()
        }
    }

    fn eth0() -> HostLink {
        link(2, "eth0", "", ETH0, None)
    }

    /// What is there once `up` has done all of it.
    fn whole() -> Vec<HostLink> {
        let own = Mac(mac::stable(Some([2, 0, 0, 0, 0, 2]), "br0-relay", 0)).to_string();
        let mut links = vec![
            link(2, "eth0", "", &own, Some(6)),
            link(3, "br0-up", "veth", ETH0, Some(5)),
            link(4, "br0-down", "veth", "02:00:00:00:00:77", Some(6)),
            link(5, "br0", "bridge", ETH0, None),
            link(6, "br0-relay", "bridge", &own, None),
        ];
        links[2].hairpin = true;
        links[3].addresses = vec![("192.168.0.1".parse().unwrap(), 24)];
        links
    }

    fn plan(bridges: &[Bridge], links: Vec<HostLink>) -> String {
        let host = Host { links, ..Host::default() };
        match super::super::bridges::steps(bridges, &host) {
            Ok(steps) => {
                let text = |planned: &Planned| planned.step.to_string();
                steps.iter().map(text).collect::<Vec<_>>().join("; ")
            }
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn the_relay_is_made_first_and_the_board_keeps_its_address() {
        assert_eq!(
            plan(&[br0()], vec![eth0()]),
            "make veths br0-up and br0-down, address 02:00:00:00:00:02, mtu 1500; make bridge br0-relay; \
             disable IPv6 on br0-relay; enslave port eth0 to bridge br0-relay; \
             enslave port br0-down to bridge br0-relay; \
             set address of bridge br0-relay and of port eth0 to 36:a4:20:6a:3d:fd; set br0-relay up; \
             set hairpin on at port br0-down; make bridge br0; enslave port br0-up to bridge br0; \
             set address of bridge br0 to 02:00:00:00:00:02; add address 192.168.0.1/24 to br0; set br0 up; \
             set learning off at port br0-up"
        );
        assert_eq!(plan(&[br0()], whole()), "");
    }

    #[test]
    fn whatever_was_interrupted_is_gone_on_with() {
        // The uplink has its own address already: the pair still knows the board's.
        let links = whole().into_iter().filter(|link| link.name != "br0").map(|mut link| {
            link.master = link.master.filter(|master| *master != 5);
            link.hairpin = false;
            link
        });
        assert_eq!(
            plan(&[br0()], links.collect()),
            "set hairpin on at port br0-down; make bridge br0; enslave port br0-up to bridge br0; \
             set address of bridge br0 to 02:00:00:00:00:02; add address 192.168.0.1/24 to br0; set br0 up; \
             set learning off at port br0-up"
        );
        let mut links = whole();
        links[0].mac = ETH0.parse().ok();
        assert_eq!(
            plan(&[br0()], links),
            "set address of bridge br0-relay and of port eth0 to 36:a4:20:6a:3d:fd"
        );
    }

    #[test]
    fn an_address_of_the_bridges_own_leaves_the_ports_theirs() {
        let wanted = Bridge { hwaddr: "02:00:00:00:00:99".parse().ok(), mtu: Some(1400), ..br0() };
        let words = plan(&[wanted], vec![eth0()]);
        assert!(words.contains("address 02:00:00:00:00:99, mtu 1400; "), "{words}");
        assert!(words.contains("; set address of bridge br0-relay to that of port eth0; "), "{words}");
        assert!(words.contains("; set address of bridge br0 to 02:00:00:00:00:99; "), "{words}");
        // The second port's: it is that one which needs another.
        let ports = ["eth0", "eth1"].map(|port| port.parse().unwrap()).to_vec();
        let wanted = Bridge { hwaddr: "02:00:00:00:00:03".parse().ok(), ports, ..br0() };
        let words = plan(&[wanted], vec![eth0(), link(3, "eth1", "", "02:00:00:00:00:03", None)]);
        assert!(words.contains("; set address of bridge br0-relay and of port eth1 to "), "{words}");
    }

    #[test]
    fn what_cannot_be_says_why() {
        assert!(plan(&[br0()], Vec::new()).starts_with("bridge \"br0\": port \"eth0\": no such interface"));
        let named = Bridge { name: "br-network".parse().unwrap(), ..br0() };
        let words = plan(&[named], vec![eth0()]);
        assert!(words.ends_with("(with relay = true, a bridge's name has at most 9 bytes)"), "{words}");
        assert_eq!(
            plan(&[br0()], vec![eth0(), link(3, "br0-up", "dummy", ETH0, None)]),
            "bridge \"br0\": there is an interface br0-up already, and it is no veth \
             (rename the interface or the bridge)"
        );
        let mut links = whole();
        links[1].hairpin = true;
        let words = plan(&[br0()], links);
        assert!(words.starts_with("bridge \"br0\": port \"br0-up\": has hairpin on, "), "{words}");
        let words = plan(
            &[br0()],
            vec![HostLink { master: Some(9), ..eth0() }, link(9, "br1", "bridge", ETH0, None)],
        );
        assert!(words.contains("port \"eth0\": is a port of bridge \"br1\" already"), "{words}");
    }
}
