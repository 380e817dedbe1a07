//! The container's NICs, made by its monitor: born in the container's network namespace, deleted there before the
//! container is said to have stopped.

use crate::error::{Error, Result};
use crate::plan::{Place, Planned, Step};
use crate::profile::value::{ContainerName, Gateway4, Gateway6, IfName, Ipv4Net, Ipv6Net, Mac};
use crate::sys::netlink::{Link, Netlink, NewMacvlan, NicConfig};
use crate::sys::process;
use nix::errno::Errno;
use nix::sched::CloneFlags;
use std::fs::File;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::fd::AsFd;

/// How many NICs a container has at most.
const MAX_NICS: usize = 32;

/// The addresses of the container whose pid 1 is process `init`, but for those every interface has.
pub fn addresses(init: i32) -> Result<Vec<IpAddr>> {
    let namespace = |pid: &str| {
        let path = format!("/proc/{pid}/ns/net");
        File::open(&path).map_err(|error| Error::io(format!("open {path}"), &error))
    };
    let enter = |file: &File| process::enter_namespace(file.as_fd(), CloneFlags::CLONE_NEWNET, "net");
    let (theirs, ours) = (namespace(&init.to_string())?, namespace("self")?);
    enter(&theirs)?;
    // It belongs to the namespace it is opened in.
    let inside = Netlink::open();
    enter(&ours)?;
    let mut addresses = Vec::new();
    inside?.each_address(&mut |_, address, _| {
        let own = match address {
            IpAddr::V4(address) => address.is_loopback(),
            IpAddr::V6(address) => address.is_loopback() || address.is_unicast_link_local(),
        };
        if !own {
            addresses.push(address);
        }
    })?;
    Ok(addresses)
}

/// The NICs of a running container.
pub struct Nics {
    inside: Netlink,
    indices: heapless::Vec<u32, MAX_NICS>,
    /// Those that were not born under their own name, by number.
    renamed: u32,
}

impl Nics {
    /// None yet. `inside` is a socket of the container's network namespace.
    pub fn new(inside: Netlink) -> Self {
        Self { inside, indices: heapless::Vec::new(), renamed: 0 }
    }

    /// Performs the plan's `Place::Parent` steps for the first process `pid`.
    pub fn make(&mut self, name: &ContainerName, steps: &[Planned], pid: i32) -> Result<()> {
        let mut host = None;
        for planned in steps.iter().filter(|planned| planned.place == Place::Parent) {
            log::info!("{}", planned.step);
            self.perform(name, &planned.step, pid, &mut host)
                .map_err(|error| error.tried(format!("container \"{name}\"")).at(&planned.origin))?;
        }
        Ok(())
    }

    fn perform(
        &mut self,
        container: &ContainerName,
        step: &Step,
        pid: i32,
        host: &mut Option<Uplink>,
    ) -> Result<()> {
        match step {
            Step::LoopbackUp => self.inside.set_up(1, true),
            Step::MakeMacvlan { number, link, mode, mac, name, mtu } => {
                let uplink = Uplink::find(host, link)?;
                let mac = match mac {
                    Some(Mac(mac)) => *mac,
                    None => uplink.stable_mac(container, *number),
                };
                let new = NewMacvlan {
                    name: &temporary(pid, *number),
                    link: uplink.link.index,
                    mode: *mode as u32,
                    mac: Some(mac),
                    mtu: *mtu,
                    pid,
                };
                self.bear(&mut uplink.socket, name.as_str(), *number, &new)
                    .map_err(|error| error.tried(format!("NIC {name}")))
            }
            Step::ConfigureNic { number, name, up, ipv4, ipv6, gateway4, gateway6 } => {
                let temporary = self.is_renamed(*number).then(|| temporary(pid, *number));
                let config = NicConfig {
                    born: temporary.as_deref().unwrap_or(name.as_str()),
                    name: name.as_str(),
                    up: *up,
                    ipv4: &ipv4.iter().map(address4).collect::<Vec<_>>(),
                    ipv6: &ipv6.iter().map(address6).collect::<Vec<_>>(),
                    gateway4: match gateway4 {
                        Some(Gateway4::Address(address)) => Some(*address),
                        Some(Gateway4::Auto) => Some(gateway(host, |address| match address {
                            IpAddr::V4(address) => Some(address),
                            IpAddr::V6(_) => None,
                        })?),
                        None => None,
                    },
                    gateway6: match gateway6 {
                        Some(Gateway6::Address(address)) => Some(*address),
                        Some(Gateway6::Auto) => Some(gateway(host, |address| match address {
                            IpAddr::V6(address) => Some(address),
                            IpAddr::V4(_) => None,
                        })?),
                        None => None,
                    },
                };
                let index = self.inside.configure(&config)?;
                self.indices
                    .push(index)
                    .map_err(|_| Error::config(format!("a container has at most {MAX_NICS} NICs")))
            }
            other => Err(Error::host(format!("\"{other}\" is no step of a monitor"))),
        }
    }

    /// Makes a NIC under its own name where that can be: to rename it takes a grace period of the kernel's, 10 ms and more.
    fn bear(&mut self, host: &mut Netlink, name: &str, number: usize, new: &NewMacvlan) -> Result<()> {
        if let Some(own) = own_name(name, &mut |name| host.index(name), &mut |name| self.inside.index(name))?
        {
            match host.add_macvlan(&NewMacvlan { name: &own, ..*new }) {
                // Another interface of the host has got this name since.
                Err(error) if error.is(Errno::EEXIST) => {}
                made => return made,
            }
        }
        self.renamed |= bit(number);
        host.add_macvlan(new)
    }

    fn is_renamed(&self, number: usize) -> bool {
        self.renamed & bit(number) != 0
    }

    /// Deletes them: the namespace itself dies late, and until then its MACs are in use on the uplink. With `ahead`, the
    /// kernel's last word on it is not waited for.
    pub fn delete(&mut self, ahead: bool) {
        if self.indices.is_empty() {
            return;
        }
        let deleted = match ahead {
            true => self.inside.delete_links_ahead(&self.indices),
            false => self.inside.delete_links(&self.indices),
        };
        if let Err(error) = deleted {
            log::warn!("the container's NICs: {error}");
        }
    }
}

/// The lower device of the NIC at hand, and a socket of the host's.
struct Uplink {
    socket: Netlink,
    link: Link,
}

impl Uplink {
    /// Finds `name`, unless it is the one at hand.
    fn find<'a>(host: &'a mut Option<Uplink>, name: &IfName) -> Result<&'a mut Uplink> {
        let found = match host.take() {
            Some(uplink) if uplink.link.name == name.as_str() => uplink,
            other => {
                let mut socket = match other {
                    Some(uplink) => uplink.socket,
                    None => Netlink::open()?,
                };
                let link = socket.link(name.as_str())?.ok_or_else(|| {
                    Error::config("no such interface").tried(format!("link \"{name}\"")).hint(format!(
                        "declare [[bridge]] name = \"{name}\" in the board's profile, or run boardbox up"
                    ))
                })?;
                Uplink { socket, link }
            }
        };
        Ok(host.insert(found))
    }

    fn stable_mac(&self, container: &ContainerName, number: usize) -> [u8; 6] {
        crate::plan::mac::stable(self.link.lasting_mac(), container.as_str(), number)
    }
}

/// `gateway = "auto"`: the first address of the lower device on the host.
fn gateway<T>(host: &mut Option<Uplink>, pick: fn(IpAddr) -> Option<T>) -> Result<T> {
    let Some(uplink) = host else { return Err(Error::host("there is no uplink to take a gateway from")) };
    let addresses = uplink.socket.addresses(uplink.link.index)?;
    addresses.into_iter().find_map(|(address, _)| pick(address)).ok_or_else(|| {
        Error::config(format!("link \"{}\" has no address of this family", uplink.link.name))
            .tried("gateway auto")
            .hint("give br0 one in its [[bridge]] section, or name the gateway")
    })
}

fn address4(net: &Ipv4Net) -> (Ipv4Addr, u8, Option<Ipv4Addr>) {
    (net.address, net.prefix, net.broadcast)
}

fn address6(net: &Ipv6Net) -> (Ipv6Addr, u8) {
    (net.address, net.prefix)
}

/// Of the NIC of this number, if there are no more than `MAX_NICS`.
fn bit(number: usize) -> u32 {
    u32::try_from(number).ok().and_then(|number| 1u32.checked_shl(number)).unwrap_or(0)
}

/// What to ask for so that a NIC is born as `name`; `None` where it has to be renamed. Kernels before 6.13 look a new name up in
/// the caller's network namespace, too, and most boards have an eth0; but nobody has `eth%d`, to which the kernel gives the
/// lowest number that is free where the NIC is born.
fn own_name(
    name: &str,
    outside: &mut dyn FnMut(&str) -> Result<Option<u32>>,
    inside: &mut dyn FnMut(&str) -> Result<Option<u32>>,
) -> Result<Option<String>> {
    if outside(name)?.is_none() {
        return Ok(Some(name.to_owned()));
    }
    let stem = name.trim_end_matches(|letter: char| letter.is_ascii_digit());
    let Ok(number) = name.trim_start_matches(stem).parse::<usize>() else { return Ok(None) };
    // Not 007, and one that is worth looking for.
    if number >= MAX_NICS || format!("{stem}{number}") != name || inside(name)?.is_some() {
        return Ok(None);
    }
    for lower in 0..number {
        if inside(&format!("{stem}{lower}"))?.is_none() {
            return Ok(None);
        }
    }
    Ok(Some(format!("{stem}%d")))
}

/// A name that no other interface of the host has, for a while.
fn temporary(pid: i32, number: usize) -> String {
    format!("bb{pid}n{number}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_the_host_has_is_had_by_its_pattern_where_that_gives_it() {
        let own = |name: &str, outside: &[&str], inside: &[&str]| {
            let has = |all: &[&str], name: &str| Ok(all.contains(&name).then_some(7));
            own_name(name, &mut |name| has(outside, name), &mut |name| has(inside, name)).unwrap()
        };
        let board = ["lo", "eth0", "eth1", "eth2", "wan", "eth007", "eth", "7", "eth99999999999999999999"];
        assert_eq!(own("eth3", &board, &[]).as_deref(), Some("eth3"));
        assert_eq!(own("eth0", &board, &["lo"]).as_deref(), Some("eth%d"));
        assert_eq!(own("eth1", &board, &["lo", "eth0"]).as_deref(), Some("eth%d"));
        // The kernel would give another number, or none.
        for (name, inside) in [
            ("eth1", &["lo"][..]),
            ("eth2", &["eth0"]),
            ("eth0", &["eth0"]),
            ("wan", &[]),
            ("eth", &[]),
            ("eth007", &[]),
            ("eth99999999999999999999", &[]),
        ] {
            assert_eq!(own(name, &board, inside), None, "{name} {inside:?}");
        }
        // No letters before it.
        assert_eq!(own("7", &board, &[]), None);
        assert_eq!((bit(0), bit(31), bit(32), bit(usize::MAX)), (1, 1 << 31, 0, 0));
    }
}
