//! Links that are made: macvlans, bridges, pairs of veths.

use super::link::{Link, fixed};
use super::message::Batch;
use super::{CREATE, Failure, LINGER, Netlink, Patience};
use crate::error::{Error, Result};
use nix::errno::Errno;

/// `IFLA_MACVLAN_MODE` of linux/if_link.h.
pub(super) const MACVLAN_MODE: u16 = 1;
/// `VETH_INFO_PEER` of linux/veth.h.
const VETH_PEER: u16 = 1;

/// A macvlan to be made.
#[derive(Clone, Copy)]
pub struct NewMacvlan<'a> {
    /// A name that neither the caller's nor the target's network namespace has.
    pub name: &'a str,
    /// The lower device's index in the caller's network namespace.
    pub link: u32,
    /// `enum macvlan_mode`.
    pub mode: u32,
    /// Its address; the kernel invents one otherwise.
    pub mac: Option<[u8; 6]>,
    /// Its mtu; the lower device's otherwise.
    pub mtu: Option<u32>,
    /// A process in the network namespace it is born in.
    pub pid: i32,
}

fn macvlan(batch: &mut Batch, sequence: u32, new: &NewMacvlan) {
    batch.begin(libc::RTM_NEWLINK, CREATE, sequence, &fixed(0, 0, 0));
    batch.text(libc::IFLA_IFNAME, new.name);
    batch.number(libc::IFLA_LINK, new.link);
    batch.number(libc::IFLA_NET_NS_PID, new.pid as u32);
    if let Some(mac) = new.mac {
        batch.attribute(libc::IFLA_ADDRESS, &mac);
    }
    if let Some(mtu) = new.mtu {
        batch.number(libc::IFLA_MTU, mtu);
    }
    let info = batch.nest(libc::IFLA_LINKINFO);
    batch.text(libc::IFLA_INFO_KIND, "macvlan");
    let data = batch.nest(libc::IFLA_INFO_DATA);
    batch.number(MACVLAN_MODE, new.mode);
    batch.end_nest(data);
    batch.end_nest(info);
    batch.end();
}

impl Netlink {
    /// Makes a macvlan in the network namespace of `new.pid`; it is never seen in the caller's. What an ending network
    /// namespace still holds (its address) is waited for, 1 s at most.
    pub fn add_macvlan(&mut self, new: &NewMacvlan) -> Result<()> {
        let mut patience = Patience::new(LINGER);
        loop {
            let Err(failure) = self.change(|batch, sequence| macvlan(batch, sequence, new)) else {
                return Ok(());
            };
            // A port stays one: there is nothing to wait for.
            let lower = self.links()?.into_iter().find(|link| link.index == new.link);
            let port = lower.as_ref().is_some_and(|link| link.master.is_some());
            let passes = matches!(failure.errno, Errno::EADDRINUSE | Errno::EBUSY) && !port;
            if !passes || !patience.pause() {
                return Err(macvlan_error(new, &failure, lower));
            }
        }
    }

    /// Makes a bridge, down and without ports.
    pub fn add_bridge(&mut self, name: &str) -> Result<()> {
        let made = self.change(|batch, sequence| {
            batch.begin(libc::RTM_NEWLINK, CREATE, sequence, &fixed(0, 0, 0));
            batch.text(libc::IFLA_IFNAME, name);
            let info = batch.nest(libc::IFLA_LINKINFO);
            batch.text(libc::IFLA_INFO_KIND, "bridge");
            batch.end_nest(info);
            batch.end();
        });
        made.map_err(|failure| {
            let error = failure.error(format!("make bridge {name}"));
            match failure.errno {
                Errno::EOPNOTSUPP => {
                    error.hint("the kernel lacks CONFIG_BRIDGE, or its module bridge is not loaded")
                }
                Errno::EEXIST => error.hint("an interface of that name is there already"),
                _ => error,
            }
        })
    }

    /// Makes a pair of veths, both down. The first one's address is `mac`; the kernel invents its peer's.
    pub fn add_veth(&mut self, name: &str, peer: &str, mac: [u8; 6], mtu: u32) -> Result<()> {
        let made = self.change(|batch, sequence| {
            batch.begin(libc::RTM_NEWLINK, CREATE, sequence, &fixed(0, 0, 0));
            batch.text(libc::IFLA_IFNAME, name);
            batch.attribute(libc::IFLA_ADDRESS, &mac);
            batch.number(libc::IFLA_MTU, mtu);
            let info = batch.nest(libc::IFLA_LINKINFO);
            batch.text(libc::IFLA_INFO_KIND, "veth");
            let data = batch.nest(libc::IFLA_INFO_DATA);
            let other = batch.nest(VETH_PEER);
            batch.raw(&fixed(0, 0, 0));
            batch.text(libc::IFLA_IFNAME, peer);
            batch.number(libc::IFLA_MTU, mtu);
            batch.end_nest(other);
            batch.end_nest(data);
            batch.end_nest(info);
            batch.end();
        });
        made.map_err(|failure| {
            let error = failure.error(format!("make veths {name} and {peer}"));
            match failure.errno {
                Errno::EOPNOTSUPP => {
                    error.hint("the kernel lacks CONFIG_VETH, or its module veth is not loaded")
                }
                Errno::EEXIST => error.hint("an interface of one of these names is there already"),
                _ => error,
            }
        })
    }
}

fn macvlan_error(new: &NewMacvlan, failure: &Failure, lower: Option<Link>) -> Error {
    let Some(lower) = lower else {
        return Error::sys(format!("make macvlan {} on interface {}", new.name, new.link), failure.errno)
            .hint("its link is gone: declare it as a [[bridge]], or run boardbox up");
    };
    let name = &lower.name;
    let error = failure.error(format!("make macvlan {} on {name}", new.name));
    match failure.errno {
        Errno::ESRCH => error.hint("the process it was made for has ended"),
        Errno::EOPNOTSUPP => {
            error.hint("the kernel lacks CONFIG_MACVLAN, or its module macvlan is not loaded")
        }
        Errno::EADDRINUSE => error.hint(format!("another interface on {name} has this address: see hwaddr")),
        Errno::EBUSY if lower.master.is_some() => {
            error.hint(format!("{name} is a port of a bridge: put the macvlan on the bridge"))
        }
        Errno::EBUSY | Errno::EINVAL if new.mode == 8 => error.hint(format!(
            "mode passthru wants {name} for itself: no other macvlan on it, and it is no port"
        )),
        Errno::EBUSY => {
            error.hint(format!("something else has {name} for itself: a macvlan in mode passthru, a bond"))
        }
        Errno::EINVAL if new.mtu.is_some_and(|mtu| mtu > lower.mtu) => {
            error.hint(format!("its mtu is at most that of {name}: {}", lower.mtu))
        }
        Errno::EINVAL => error
            .hint(format!("{name} may have a macvlan in mode passthru already, or be no Ethernet interface")),
        Errno::EEXIST => error.hint("an interface of that name is there already"),
        _ => error,
    }
}
