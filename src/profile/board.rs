//! A board: what it is, which hierarchies and bridges it has, which containers it runs.

use super::container::Container;
use super::value::{IfName, Ipv4Net, Ipv6Net, Mac};
use crate::error::{Origin, Places, Result};
use std::rc::Rc;

/// A whole board profile.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Board {
    /// The profile's file as the user named it.
    pub file: Option<Rc<str>>,
    /// `board.name`.
    pub name: String,
    /// `board.description`.
    pub description: String,
    /// `board.compatible`: what /proc/device-tree/compatible has to list one of; empty means any board.
    pub compatible: Vec<String>,
    /// `board.arch`, as `uname -m` says it for the board's kernel (`ppc`, `aarch64`, `x86_64`); empty means any.
    pub arch: String,
    /// `board.cpus`: how many cpus the board has, 1..=1024.
    pub cpus: Option<u32>,
    /// `board.memory` in bytes, 1 MiB or more: for `check`, nothing else asks.
    pub memory: Option<u64>,
    /// `[cgroup]`.
    pub cgroup: CgroupSetup,
    /// `[[bridge]]`, in file order.
    pub bridges: Vec<Bridge>,
    /// `[[container]]`, in file order.
    pub containers: Vec<Container>,
    /// `check.allow`: rules of `check` that are not told here, and their places.
    pub allow: Vec<(String, Origin)>,
    /// Where the values of `[board]` stand.
    pub places: Places,
}

/// Which cgroup interface the profile wants.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Layout {
    /// Whatever is mounted; where nothing is, v1.
    #[default]
    Auto,
    /// One v1 hierarchy per controller (or per co-mounted group).
    V1,
    /// The unified hierarchy.
    V2,
}

/// `[cgroup]`: how the hierarchies are laid out.
#[derive(Clone, Debug, PartialEq)]
pub struct CgroupSetup {
    /// `layout`.
    pub layout: Layout,
    /// `mountpoint`: the directory that holds the hierarchies. Default `/sys/fs/cgroup`.
    pub mountpoint: String,
    /// `controllers`: the controllers that `up` makes sure are mounted and that containers join, kernel names.
    pub controllers: Vec<String>,
    /// `comount`: groups of controllers that share one hierarchy when `up` mounts them.
    pub comount: Vec<Vec<String>>,
    /// `favordynmods`: mount with that option where the kernel has it (6.0+); it makes moves cheap and taxes every fork.
    pub favordynmods: bool,
    /// Where the section starts.
    pub origin: Origin,
    /// Where its values stand.
    pub places: Places,
}

/// The controllers a container joins where its host has them, so that freezing, limits and statistics always work.
pub const DEFAULT_CONTROLLERS: [&str; 8] =
    ["cpuset", "cpu", "cpuacct", "memory", "devices", "freezer", "blkio", "pids"];

impl Default for CgroupSetup {
    fn default() -> Self {
        Self {
            layout: Layout::Auto,
            mountpoint: "/sys/fs/cgroup".into(),
            controllers: DEFAULT_CONTROLLERS.iter().map(|name| name.to_string()).collect(),
            comount: Vec::new(),
            favordynmods: false,
            origin: Origin::default(),
            places: Places::default(),
        }
    }
}

/// How long `up` waits for a bridge's port by default, in milliseconds: drivers and USB hubs take their time at boot.
pub const PORT_WAIT: u32 = 5000;

/// `[[bridge]]`: made by `up` with its ports where it does not exist.
#[derive(Clone, Debug, PartialEq)]
pub struct Bridge {
    /// `name`.
    pub name: IfName,
    /// `ports`: host interfaces to enslave, in order. The first one's MAC becomes br0's, pinned.
    pub ports: Vec<IfName>,
    /// `hwaddr`: a MAC other than the first port's, which gets it too: a bridge's address that no port has cuts macvlans
    /// on it off from the board.
    pub hwaddr: Option<Mac>,
    /// `mtu` in bytes, 68..=65535.
    pub mtu: Option<u32>,
    /// `ipv4`: the board's own addresses on the bridge.
    pub ipv4: Vec<Ipv4Net>,
    /// `ipv6`.
    pub ipv6: Vec<Ipv6Net>,
    /// `wait`: how long `up` waits for a port that is not there yet, in milliseconds.
    pub wait: u32,
    /// `relay`: a second bridge in front of the ports reflects frames, as a switch that does not should
    /// ([`RelayNames`]).
    pub relay: bool,
    /// Where the section starts.
    pub origin: Origin,
    /// Where its values stand.
    pub places: Places,
}

/// The interfaces that `relay = true` makes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RelayNames {
    /// `NAME-relay`: the bridge that has the ports.
    pub bridge: IfName,
    /// `NAME-up`: the one port of the bridge that the containers are on.
    pub up: IfName,
    /// `NAME-down`: its other end, the relay's port with hairpin on.
    pub down: IfName,
}

impl RelayNames {
    /// Those of the bridge `name`.
    pub fn of(name: &IfName) -> Result<Self> {
        let end = |end: &str| {
            format!("{name}-{end}")
                .parse::<IfName>()
                .map_err(|error| error.hint("with relay = true, a bridge's name has at most 9 bytes"))
        };
        Ok(Self { bridge: end("relay")?, up: end("up")?, down: end("down")? })
    }
}
