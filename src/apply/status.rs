//! How the host stands to what a profile wants.

use super::host;
use super::record::Record;
use super::undo::Undo;
use crate::error::Result;
use crate::plan::host::{Host, Version};
use crate::profile::Board;
use crate::profile::board::RelayNames;
use std::fmt;

/// What `status` tells.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Status {
    /// The profile's controllers and those its containers' rules need.
    pub controllers: Vec<ControllerStatus>,
    /// The profile's bridges.
    pub bridges: Vec<BridgeStatus>,
}

/// One controller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ControllerStatus {
    /// Its name.
    pub name: String,
    /// How it is there.
    pub state: ControllerState,
    /// `up` mounted it.
    pub ours: bool,
}

/// How a controller is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ControllerState {
    /// In a v1 hierarchy, mounted here.
    Mounted(String),
    /// On cgroup v2, mounted here.
    Unified(String),
    /// In the kernel, but not mounted.
    NotMounted,
    /// Switched off on the kernel's command line.
    Disabled,
    /// Not in the kernel.
    Absent,
}

/// One bridge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BridgeStatus {
    /// Its name.
    pub name: String,
    /// `None`: there is no such interface; else whether it is set up.
    pub up: Option<bool>,
    /// The profile's ports, and whether they are the bridge's, or its relay's.
    pub ports: Vec<(String, bool)>,
    /// Where the profile has a relay: its name, and whether it is joined to the bridge and reflects.
    pub relay: Option<(String, bool)>,
    /// `up` made it.
    pub ours: bool,
}

/// Reads the host and `up`'s record.
pub fn read(board: &Board) -> Result<Status> {
    let host = host::read(!board.bridges.is_empty())?;
    let record = Record::load()?;
    Ok(compare(board, &host, &record.undos().collect::<Vec<_>>()))
}

fn compare(board: &Board, host: &Host, made: &[&Undo]) -> Status {
    let mut names: Vec<&str> = board.cgroup.controllers.iter().map(String::as_str).collect();
    let rules = board.containers.iter().flat_map(|container| &container.cgroup);
    for name in
        board.cgroup.comount.iter().flatten().map(String::as_str).chain(rules.map(|rule| rule.controller()))
    {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    let controllers = names.into_iter().map(|name| controller(name, host, made)).collect();
    let bridges = board.bridges.iter().map(|bridge| {
        let name = bridge.name.as_str();
        let link = host.link(name);
        let port = |port: &str, bridge: &str| {
            let bridge = host.link(bridge)?.index;
            host.link(port).filter(|link| link.master == Some(bridge))
        };
        // A name that is too long is up's to refuse.
        let relay = bridge.relay.then(|| RelayNames::of(&bridge.name).ok()).flatten();
        let master = relay.as_ref().map_or(name, |relay| relay.bridge.as_str());
        let whole = |relay: &RelayNames| {
            port(relay.up.as_str(), name).is_some_and(|link| link.up)
                && port(relay.down.as_str(), master).is_some_and(|link| link.up && link.hairpin)
                && host.link(master).is_some_and(|link| link.up)
        };
        let ports = bridge.ports.iter();
        BridgeStatus {
            name: name.to_owned(),
            up: link.map(|link| link.up),
            ports: ports.map(|name| (name.to_string(), port(name.as_str(), master).is_some())).collect(),
            relay: relay.as_ref().map(|relay| (relay.bridge.to_string(), whole(relay))),
            ours: made.iter().any(|undo| matches!(undo, Undo::DeleteLink { name } if *name == bridge.name)),
        }
    });
    Status { controllers, bridges: bridges.collect() }
}

fn controller(name: &str, host: &Host, made: &[&Undo]) -> ControllerStatus {
    let state = match (crate::plan::cgroups::home(name, host), host.controller(name)) {
        (Some(hierarchy), _) if hierarchy.version == Version::V2 => {
            ControllerState::Unified(hierarchy.mountpoint.clone())
        }
        (Some(hierarchy), _) => ControllerState::Mounted(hierarchy.mountpoint.clone()),
        (None, Some(controller)) if controller.enabled => ControllerState::NotMounted,
        (None, Some(_)) => ControllerState::Disabled,
        (None, None) => ControllerState::Absent,
    };
    let ours = match &state {
        ControllerState::Mounted(at) | ControllerState::Unified(at) => {
            made.iter().any(|undo| matches!(undo, Undo::UnmountHierarchy { target } if target == at))
        }
        _ => false,
    };
    ControllerStatus { name: name.to_owned(), state, ours }
}

impl fmt::Display for Status {
    /// One line each, in columns.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let controllers = self.controllers.iter().map(|controller| controller.name.len());
        let width = controllers.chain(self.bridges.iter().map(|bridge| bridge.name.len())).max().unwrap_or(0);
        for ControllerStatus { name, state, ours } in &self.controllers {
            write!(f, "cgroup  {name:width$}  ")?;
            match state {
                ControllerState::Mounted(at) => f.write_str(at)?,
                ControllerState::Unified(at) => write!(f, "{at} (cgroup v2)")?,
                ControllerState::NotMounted => f.write_str("not mounted")?,
                ControllerState::Disabled => f.write_str("disabled on the kernel's command line")?,
                ControllerState::Absent => f.write_str("not in the kernel")?,
            }
            f.write_str(if *ours { ", by up\n" } else { "\n" })?;
        }
        for BridgeStatus { name, up, ports, relay, ours } in &self.bridges {
            write!(f, "bridge  {name:width$}  ")?;
            f.write_str(match up {
                Some(true) => "up",
                Some(false) => "down",
                None => "not there",
            })?;
            for (port, enslaved) in ports {
                write!(f, ", port {port}{}", if *enslaved { "" } else { " missing" })?;
            }
            if let Some((relay, whole)) = relay {
                write!(f, ", relay {relay}{}", if *whole { "" } else { " missing" })?;
            }
            f.write_str(if *ours { ", by up\n" } else { "\n" })?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::host::{Controller, Hierarchy, HostLink};
    use crate::profile::Bridge;

    #[test]
    fn each_controller_and_bridge_is_told() {
        let mut board = Board::default();
        board.cgroup.controllers =
            ["cpu", "cpuset", "pids", "memory", "blkio", "hugetlb"].map(String::from).to_vec();
        let bridge = |name: &str| Bridge {
            name: name.parse().unwrap(),
            ports: vec!["eth0".parse().unwrap(), "eth1".parse().unwrap()],
            hwaddr: None,
            mtu: None,
            ipv4: Vec::new(),
            ipv6: Vec::new(),
            wait: 0,
            relay: false,
            origin: Default::default(),
            places: Default::default(),
        };
        board.bridges = vec![bridge("br0"), bridge("br1")];
        let hierarchy = |version, mountpoint: &str, controller: &str| Hierarchy {
            version,
            mountpoint: mountpoint.into(),
            controllers: vec![controller.into()],
            ..Hierarchy::default()
        };
        let controller = |name: &str, enabled| Controller { name: name.into(), hierarchy: 0, enabled };
        let link = |name: &str, index, master| HostLink {
            name: name.into(),
            index,
            master,
            up: true,
            ..HostLink::default()
        };
        let host = Host {
            hierarchies: vec![
                hierarchy(Version::V1, "/cg/cpu", "cpu"),
                hierarchy(Version::V1, "/cg/cpuset", "cpuset"),
                hierarchy(Version::V2, "/cg/unified", "pids"),
            ],
            controllers: vec![controller("memory", false), controller("blkio", true)],
            links: vec![link("br0", 5, None), link("eth0", 2, Some(5)), link("eth1", 3, None)],
            ..Host::default()
        };
        let made = [
            Undo::UnmountHierarchy { target: "/cg/cpuset".into() },
            Undo::DeleteLink { name: "br0".parse().unwrap() },
        ];
        let status = compare(&board, &host, &made.iter().collect::<Vec<_>>());
        assert_eq!(
            status.to_string(),
            "cgroup  cpu      /cg/cpu\n\
             cgroup  cpuset   /cg/cpuset, by up\n\
             cgroup  pids     /cg/unified (cgroup v2)\n\
             cgroup  memory   disabled on the kernel's command line\n\
             cgroup  blkio    not mounted\n\
             cgroup  hugetlb  not in the kernel\n\
             bridge  br0      up, port eth0, port eth1 missing, by up\n\
             bridge  br1      not there, port eth0 missing, port eth1 missing\n"
        );

        let unified = [&Undo::UnmountHierarchy { target: "/cg/unified".into() }];
        let text = compare(&board, &host, &unified).to_string();
        assert!(text.contains("pids     /cg/unified (cgroup v2), by up\n"), "{text}");

        // The same bridge behind a relay, to which eth0 belongs then.
        let (mut host, mut board) = (host, Board { bridges: vec![bridge("br0")], ..Board::default() });
        (board.bridges[0].relay, board.cgroup.controllers) = (true, Vec::new());
        let hairpin = |link| HostLink { hairpin: true, ..link };
        host.links.extend([link("br0-relay", 6, None), link("br0-up", 7, Some(5))]);
        host.links.extend([hairpin(link("br0-down", 8, Some(6))), link("eth2", 9, Some(6))]);
        board.bridges[0].ports[1] = "eth2".parse().unwrap();
        let text = |host: &Host| compare(&board, host, &[]).to_string();
        assert_eq!(text(&host), "bridge  br0  up, port eth0 missing, port eth2, relay br0-relay\n");
        host.links.iter_mut().for_each(|link| link.hairpin = false);
        assert_eq!(text(&host), "bridge  br0  up, port eth0 missing, port eth2, relay br0-relay missing\n");
    }
}
