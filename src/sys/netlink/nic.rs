//! A container's interface, made ready inside its network namespace by one batch.

use super::address::{hinted, new_address, new_route};
use super::link::{fixed, up_or_down};
use super::message::Batch;
use super::{CHANGE, Failure, LINGER, Netlink, Patience, Until};
use crate::error::{Error, Result};
use nix::errno::Errno;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// How many messages go out at once; each is far below a sixteenth of the buffer.
const AT_ONCE: usize = 16;

/// What an interface shall be.
#[derive(Clone, Copy)]
pub struct NicConfig<'a> {
    /// The name it was born under.
    pub born: &'a str,
    /// The name it gets.
    pub name: &'a str,
    /// It is set up.
    pub up: bool,
    /// Its addresses: prefix length, broadcast address.
    pub ipv4: &'a [(Ipv4Addr, u8, Option<Ipv4Addr>)],
    /// Its addresses: prefix length.
    pub ipv6: &'a [(Ipv6Addr, u8)],
    /// Where the default route leads. One outside the interface's networks gets a route of its own first.
    pub gateway4: Option<Ipv4Addr>,
    /// The same for IPv6.
    pub gateway6: Option<Ipv6Addr>,
}

/// One message of the batch. `Display` is what an error begins with.
#[derive(Clone, Copy)]
enum Change<'a> {
    Rename { from: &'a str, to: &'a str },
    Address { name: &'a str, address: IpAddr, prefix: u8, broadcast: Option<Ipv4Addr> },
    Up { name: &'a str },
    HostRoute { name: &'a str, host: IpAddr },
    DefaultRoute { name: &'a str, gateway: IpAddr },
}

impl fmt::Display for Change<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Change::Rename { from, to } => write!(f, "rename {from} to {to}"),
            Change::Address { name, address, prefix, .. } => {
                write!(f, "add address {address}/{prefix} to {name}")
            }
            Change::Up { name } => write!(f, "set {name} up"),
            Change::HostRoute { name, host } => write!(f, "add route to {host} on {name}"),
            Change::DefaultRoute { name, gateway } => write!(f, "add default route via {gateway} on {name}"),
        }
    }
}

impl Change<'_> {
    fn put(&self, batch: &mut Batch, sequence: u32, index: u32) {
        match *self {
            Change::Rename { to, .. } => {
                batch.begin(libc::RTM_NEWLINK, CHANGE, sequence, &fixed(index, 0, 0));
                batch.text(libc::IFLA_IFNAME, to);
                batch.end();
            }
            Change::Address { address, prefix, broadcast, .. } => {
                new_address(batch, sequence, index, (address, prefix), broadcast);
            }
            Change::Up { .. } => up_or_down(batch, sequence, index, true),
            Change::HostRoute { host, .. } => new_route(batch, sequence, index, host, false),
            Change::DefaultRoute { gateway, .. } => new_route(batch, sequence, index, gateway, true),
        }
    }

    fn error(&self, failure: &Failure) -> Error {
        let error = failure.error(self.to_string());
        match (self, failure.errno) {
            (Change::Rename { .. }, Errno::EEXIST) => {
                error.hint("two interfaces of a container have one name")
            }
            (Change::Up { .. }, Errno::EADDRINUSE | Errno::EBUSY) => {
                error.hint("another interface on the same link has this Ethernet address: see hwaddr")
            }
            (Change::Up { .. }, Errno::ENETDOWN) => {
                error.hint("its link on the host is down: run boardbox up, or ip link set LINK up")
            }
            (Change::DefaultRoute { .. }, Errno::EEXIST) => error.hint("there is a default route already"),
            (Change::Address { address: at, .. }, _)
            | (Change::HostRoute { host: at, .. }, _)
            | (Change::DefaultRoute { gateway: at, .. }, _) => hinted(error, failure, at.is_ipv6()),
            _ => error,
        }
    }
}

/// Whether a gateway is reached without a route of its own.
fn on_link(nic: &NicConfig, gateway: IpAddr) -> bool {
    // shr by the whole width is an overflow: then the prefix is 0 and everything is on the link.
    match gateway {
        IpAddr::V4(gateway) => nic.ipv4.iter().any(|(address, prefix, _)| {
            let differ = u32::from(*address) ^ u32::from(gateway);
            differ.checked_shr(32 - u32::from(*prefix).min(32)).unwrap_or(0) == 0
        }),
        IpAddr::V6(gateway) => {
            gateway.is_unicast_link_local()
                || nic.ipv6.iter().any(|(address, prefix)| {
                    let differ = u128::from(*address) ^ u128::from(gateway);
                    differ.checked_shr(128 - u32::from(*prefix).min(128)).unwrap_or(0) == 0
                })
        }
    }
}

/// All changes, in the order they are made: routes need the interface up.
fn changes<'a>(nic: &'a NicConfig<'a>) -> impl Iterator<Item = Change<'a>> {
    let name = nic.name;
    let rename = (nic.born != name).then_some(Change::Rename { from: nic.born, to: name });
    let ipv4 = nic.ipv4.iter().map(move |&(address, prefix, broadcast)| Change::Address {
        name,
        address: address.into(),
        prefix,
        broadcast,
    });
    let ipv6 = nic.ipv6.iter().map(move |&(address, prefix)| Change::Address {
        name,
        address: address.into(),
        prefix,
        broadcast: None,
    });
    let up = nic.up.then_some(Change::Up { name });
    let gateways = [nic.gateway4.map(IpAddr::from), nic.gateway6.map(IpAddr::from)];
    let routes = gateways.into_iter().flatten().flat_map(move |gateway| {
        let host = (!on_link(nic, gateway)).then_some(Change::HostRoute { name, host: gateway });
        host.into_iter().chain([Change::DefaultRoute { name, gateway }])
    });
    rename.into_iter().chain(ipv4).chain(ipv6).chain(up).chain(routes)
}

impl Netlink {
    /// Addresses and sets up an interface of this network namespace, renames it first where it was born under another name,
    /// and makes its default routes; returns its index, by which it can be deleted whatever it is called by then. Where
    /// another network namespace that is ending still holds its Ethernet address, that is waited for, 1 s at most.
    pub fn configure(&mut self, nic: &NicConfig) -> Result<u32> {
        if !nic.up && (nic.gateway4.is_some() || nic.gateway6.is_some()) {
            return Err(Error::config("a gateway needs the interface to be up")
                .tried(format!("set up {}", nic.name))
                .hint("flags = up"));
        }
        let index = self.index(nic.born)?.ok_or_else(|| {
            Error::sys(format!("find {}, to be {}", nic.born, nic.name), Errno::ENODEV)
                .hint("it was not made, or not in this network namespace")
        })?;
        let mut all = changes(nic);
        loop {
            let some: heapless::Vec<Change, AT_ONCE> = all.by_ref().take(AT_ONCE).collect();
            if some.is_empty() {
                return Ok(index);
            }
            self.perform(index, &some)?;
        }
    }

    fn perform(&mut self, index: u32, changes: &[Change]) -> Result<()> {
        let mut patience = Patience::new(LINGER);
        let mut left = changes;
        loop {
            let mut batch = Batch::new();
            let first = self.sequence.wrapping_add(1);
            for change in left {
                let sequence = self.next();
                change.put(&mut batch, sequence, index);
            }
            let mut failed: Option<(u32, Failure)> = None;
            let mut note = |position, failure| {
                if failed.as_ref().is_none_or(|(earlier, _)| position < *earlier) {
                    failed = Some((position, failure));
                }
            };
            self.exchange(&batch, first, Until::Acknowledged(left.len() as u32), &mut note, &mut |_| {})
                .map_err(|errno| Failure::from(errno).error("set up an interface"))?;
            let Some((position, failure)) = failed else { return Ok(()) };
            left = left.get(position as usize..).unwrap_or(&[]);
            let Some(change) = left.first() else { return Ok(()) };
            // What follows it are routes, which fail as long as the interface is down: nothing is made twice.
            let passes = matches!(change, Change::Up { .. })
                && matches!(failure.errno, Errno::EADDRINUSE | Errno::EBUSY);
            if !passes || !patience.pause() {
                return Err(change.error(&failure));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NIC: NicConfig = NicConfig {
        born: "bb12n0",
        name: "eth0",
        up: true,
        ipv4: &[(Ipv4Addr::new(192, 168, 0, 23), 24, Some(Ipv4Addr::new(192, 168, 0, 255)))],
        ipv6: &[(Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, 0x17), 64)],
        gateway4: None,
        gateway6: None,
    };

    fn words(nic: &NicConfig) -> String {
        changes(nic).map(|change| change.to_string()).collect::<Vec<_>>().join("; ")
    }

    #[test]
    fn the_batch_is_in_the_order_the_kernel_needs() {
        let nic = NicConfig {
            gateway4: Some(Ipv4Addr::new(192, 168, 0, 1)),
            gateway6: Some(Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 1)),
            ..NIC
        };
        assert_eq!(
            words(&nic),
            "rename bb12n0 to eth0; add address 192.168.0.23/24 to eth0; add address fd00::17/64 to eth0; set eth0 up; \
             add default route via 192.168.0.1 on eth0; add default route via fe80::1 on eth0"
        );
    }

    #[test]
    fn a_gateway_outside_gets_a_route_of_its_own_first() {
        let nic = NicConfig {
            gateway4: Some(Ipv4Addr::new(192, 168, 1, 1)),
            gateway6: Some(Ipv6Addr::new(0xfd00, 0, 0, 1, 0, 0, 0, 1)),
            ..NIC
        };
        let words = words(&nic);
        assert!(
            words.contains("up; add route to 192.168.1.1 on eth0; add default route via 192.168.1.1"),
            "{words}"
        );
        assert!(words.contains("add route to fd00:0:0:1::1 on eth0; add default route via fd00"), "{words}");
    }

    #[test]
    fn the_width_of_a_prefix_is_no_overflow() {
        let gateway = Ipv4Addr::new(10, 0, 0, 1);
        for (prefix, reached) in [(0, true), (8, false), (32, false), (255, false)] {
            let ipv4 = [(Ipv4Addr::new(192, 168, 0, 23), prefix, None)];
            assert_eq!(on_link(&NicConfig { ipv4: &ipv4, ..NIC }, gateway.into()), reached, "{prefix}");
        }
        let ipv6 = [(Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, 1), 0)];
        let far = Ipv6Addr::new(0x2001, 0, 0, 0, 0, 0, 0, 1);
        assert!(on_link(&NicConfig { ipv6: &ipv6, ..NIC }, far.into()));
        assert!(!on_link(&NIC, far.into()));
    }

    #[test]
    fn sixteen_of_the_largest_messages_fit() {
        let longest = "abcdefghijklmno";
        let address = IpAddr::from(Ipv6Addr::LOCALHOST);
        for change in [
            Change::Address { name: longest, address, prefix: 64, broadcast: Some(Ipv4Addr::BROADCAST) },
            Change::Rename { from: longest, to: longest },
            Change::HostRoute { name: longest, host: address },
        ] {
            let mut batch = Batch::new();
            for sequence in 0..AT_ONCE as u32 {
                change.put(&mut batch, sequence, 1);
            }
            assert!(batch.bytes().is_some(), "{change}");
        }
    }
}
