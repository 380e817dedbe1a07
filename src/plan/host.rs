//! What the host has: a snapshot taken once per command, by `apply::host`, so that planning itself asks the kernel nothing.

use crate::profile::value::Mac;
use std::net::IpAddr;

/// The snapshot.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Host {
    /// The cgroup hierarchies that are mounted and visible, each once, in the kernel's order.
    pub hierarchies: Vec<Hierarchy>,
    /// The controllers of this kernel (/proc/cgroups).
    pub controllers: Vec<Controller>,
    /// The network interfaces; empty unless they were asked for.
    pub links: Vec<HostLink>,
    /// The highest possible cpu's number plus 1; 0 when it is not known.
    pub cpus: u32,
    /// Every mount one can see.
    pub mounts: Vec<Mounted>,
    /// The kernel has cgroup namespaces (Linux 4.6).
    pub cgroup_namespaces: bool,
}

/// Which cgroup interface a hierarchy has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Version {
    /// cgroup v1.
    #[default]
    V1,
    /// The unified hierarchy.
    V2,
}

impl std::fmt::Display for Version {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Version::V1 => "v1",
            Version::V2 => "v2",
        })
    }
}

/// A mounted hierarchy.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hierarchy {
    /// v1 or v2.
    pub version: Version,
    /// The controllers bound to it. None on a named v1 hierarchy.
    pub controllers: Vec<String>,
    /// `name=`: a v1 hierarchy without controllers has one (`systemd`).
    pub name: Option<String>,
    /// Where it is mounted.
    pub mountpoint: String,
    /// True where it can not be written.
    pub read_only: bool,
    /// Mounted with `noprefix`: cpuset's files are `cpus`, not `cpuset.cpus`.
    pub noprefix: bool,
}

impl Hierarchy {
    /// The name a control file has here.
    pub fn file<'a>(&self, file: &'a str) -> &'a str {
        match file.split_once('.') {
            Some((controller, rest)) if self.noprefix && controller != "cgroup" => rest,
            _ => file,
        }
    }
}

/// A controller the kernel has.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Controller {
    /// Its name.
    pub name: String,
    /// The id of the hierarchy it is bound to; 0 when that is v2's or none.
    pub hierarchy: u32,
    /// False when the kernel's command line disables it.
    pub enabled: bool,
}

/// A network interface of the host.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HostLink {
    /// Its name.
    pub name: String,
    /// Its index.
    pub index: u32,
    /// Its address, where it is an Ethernet one.
    pub mac: Option<Mac>,
    /// The index of the bridge it is a port of.
    pub master: Option<u32>,
    /// A bridge's port that sends frames back out of itself.
    pub hairpin: bool,
    /// A bridge's port from whose frames the bridge learns addresses.
    pub learning: bool,
    /// `bridge`, `macvlan`, …; empty for hardware.
    pub kind: String,
    /// Set up (administratively).
    pub up: bool,
    /// Its mtu in bytes.
    pub mtu: u32,
    /// Its IP addresses and their prefix lengths.
    pub addresses: Vec<(IpAddr, u8)>,
}

/// A mount one can see.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mounted {
    /// Where.
    pub target: String,
    /// File system type.
    pub fstype: String,
    /// True where it can not be written.
    pub read_only: bool,
}

impl Host {
    /// The hierarchy that has this controller.
    pub fn hierarchy(&self, controller: &str) -> Option<&Hierarchy> {
        self.hierarchies.iter().find(|hierarchy| hierarchy.controllers.iter().any(|name| name == controller))
    }

    /// What the kernel says of this controller.
    pub fn controller(&self, name: &str) -> Option<&Controller> {
        self.controllers.iter().find(|controller| controller.name == name)
    }

    /// What is mounted exactly there.
    pub fn mounted_at(&self, target: &str) -> Option<&Mounted> {
        self.mounts.iter().find(|mount| mount.target == target)
    }

    /// The interface of this name.
    pub fn link(&self, name: &str) -> Option<&HostLink> {
        self.links.iter().find(|link| link.name == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn noprefix_takes_the_controller_off_a_file() {
        let mut hierarchy = Hierarchy::default();
        assert_eq!(hierarchy.file("cpuset.cpus"), "cpuset.cpus");
        hierarchy.noprefix = true;
        assert_eq!(hierarchy.file("cpuset.cpus"), "cpus");
        assert_eq!(hierarchy.file("cgroup.clone_children"), "cgroup.clone_children");
        assert_eq!(hierarchy.file("tasks"), "tasks");
    }
}
