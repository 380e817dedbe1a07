//! IP addresses of links, and routes.

use super::message::{Attributes, Batch, Message, number_at};
use super::{CHANGE, CREATE, DUMP, Failure, Netlink, Until};
use crate::error::{Error, Result};
use libc::c_int;
use nix::errno::Errno;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The size of `struct ifaddrmsg`.
const FIXED: usize = 8;

/// An address's octets, with the family they belong to.
struct Octets {
    family: u8,
    bytes: heapless::Vec<u8, 16>,
}

impl Octets {
    fn of(address: IpAddr) -> Self {
        let (family, bytes) = match address {
            IpAddr::V4(address) => (libc::AF_INET, heapless::Vec::from_slice(&address.octets())),
            IpAddr::V6(address) => (libc::AF_INET6, heapless::Vec::from_slice(&address.octets())),
        };
        // Both fit in 16 bytes.
        Self { family: family as u8, bytes: bytes.unwrap_or_default() }
    }
}

fn address_message(
    batch: &mut Batch,
    kind: u16,
    flags: c_int,
    sequence: u32,
    (index, address, prefix): (u32, IpAddr, u8),
    broadcast: Option<Ipv4Addr>,
) {
    let octets = Octets::of(address);
    // An address that somebody wrote down is used at once: duplicate detection would hold it back for a second or two,
    // and the container's first connection with it.
    let no_detection = if address.is_ipv6() { libc::IFA_F_NODAD as u8 } else { 0 };
    let mut fixed = [octets.family, prefix, no_detection, libc::RT_SCOPE_UNIVERSE, 0, 0, 0, 0];
    if let Some(place) = fixed.last_chunk_mut() {
        *place = index.to_ne_bytes();
    }
    batch.begin(kind, flags, sequence, &fixed);
    batch.attribute(libc::IFA_LOCAL, &octets.bytes);
    batch.attribute(libc::IFA_ADDRESS, &octets.bytes);
    if let Some(broadcast) = broadcast {
        batch.attribute(libc::IFA_BROADCAST, &broadcast.octets());
    }
    batch.end();
}

/// The message that gives a link an address.
pub(super) fn new_address(
    batch: &mut Batch,
    sequence: u32,
    index: u32,
    (address, prefix): (IpAddr, u8),
    broadcast: Option<Ipv4Addr>,
) {
    address_message(batch, libc::RTM_NEWADDR, CREATE, sequence, (index, address, prefix), broadcast);
}

/// The message that makes a route through a link: to one host, which is on the link, or to everywhere by way of one.
pub(super) fn new_route(batch: &mut Batch, sequence: u32, index: u32, host: IpAddr, default: bool) {
    let octets = Octets::of(host);
    let scope = if default || host.is_ipv6() { libc::RT_SCOPE_UNIVERSE } else { libc::RT_SCOPE_LINK };
    let length = if default { 0 } else { octets.bytes.len() as u8 * 8 };
    // struct rtmsg: family, length of destination and source, tos, table, protocol, scope, type, flags.
    let fixed = [
        octets.family,
        length,
        0,
        0,
        libc::RT_TABLE_MAIN,
        libc::RTPROT_BOOT,
        scope,
        libc::RTN_UNICAST,
        0,
        0,
        0,
        0,
    ];
    batch.begin(libc::RTM_NEWROUTE, CREATE, sequence, &fixed);
    batch.attribute(if default { libc::RTA_GATEWAY } else { libc::RTA_DST }, &octets.bytes);
    batch.number(libc::RTA_OIF, index);
    batch.end();
}

fn ip(value: &[u8]) -> Option<IpAddr> {
    match value.len() {
        4 => Some(Ipv4Addr::from(*value.first_chunk()?).into()),
        16 => Some(Ipv6Addr::from(*value.first_chunk()?).into()),
        _ => None,
    }
}

fn read(message: &Message) -> Option<(u32, IpAddr, u8)> {
    if message.kind != libc::RTM_NEWADDR {
        return None;
    }
    let attributes = Attributes::after(message.body, FIXED);
    // IFA_ADDRESS is the peer's on a point-to-point link; IFA_LOCAL, where there is one, is always our own.
    let own = attributes.clone().find(|(kind, _)| *kind == libc::IFA_LOCAL);
    let (_, value) = own.or_else(|| attributes.clone().find(|(kind, _)| *kind == libc::IFA_ADDRESS))?;
    Some((number_at(message.body, 4)?, ip(value)?, *message.body.get(1)?))
}

/// What to say of an address or a route that the kernel refused.
pub(super) fn hinted(error: Error, failure: &Failure, ipv6: bool) -> Error {
    match failure.errno {
        Errno::EOPNOTSUPP | Errno::EAFNOSUPPORT if ipv6 => error
            .hint("the kernel has no IPv6: CONFIG_IPV6 is not set, or ipv6.disable=1 is on its command line"),
        Errno::EACCES if ipv6 => error.hint("IPv6 is switched off here: sysctl net.ipv6.conf.*.disable_ipv6"),
        Errno::EEXIST => error.hint("it is there already: is it given twice?"),
        Errno::ENETUNREACH | Errno::EHOSTUNREACH => {
            error.hint("no address of the interface is in the gateway's network")
        }
        Errno::ENETDOWN => error.hint("the interface is down"),
        _ => error,
    }
}

impl Netlink {
    /// The addresses of a link with their prefix lengths.
    pub fn addresses(&mut self, index: u32) -> Result<Vec<(IpAddr, u8)>> {
        let mut addresses = Vec::new();
        self.each_address(&mut |of, address, prefix| {
            if of == index {
                addresses.push((address, prefix));
            }
        })?;
        Ok(addresses)
    }

    /// Hands every address of the network namespace to `each`: the link's index, the address, its prefix length.
    pub fn each_address(&mut self, each: &mut dyn FnMut(u32, IpAddr, u8)) -> Result<()> {
        let asked = self.ask(
            Until::Done,
            |batch, sequence| {
                batch.begin(libc::RTM_GETADDR, DUMP, sequence, &[0; FIXED]);
                batch.end();
            },
            &mut |message| {
                if let Some((index, address, prefix)) = read(message) {
                    each(index, address, prefix);
                }
            },
        );
        asked.map_err(|failure| failure.error("list the addresses"))
    }

    /// Gives a link an address. IPv6 addresses are used at once, without duplicate detection.
    pub fn add_address(
        &mut self,
        index: u32,
        address: IpAddr,
        prefix: u8,
        broadcast: Option<Ipv4Addr>,
    ) -> Result<()> {
        self.change(|batch, sequence| new_address(batch, sequence, index, (address, prefix), broadcast))
            .map_err(|failure| {
                let error = failure.error(format!("add address {address}/{prefix} to interface {index}"));
                hinted(error, &failure, address.is_ipv6())
            })
    }

    /// Takes an address off a link; one that is gone already is no error.
    pub fn delete_address(&mut self, index: u32, address: IpAddr, prefix: u8) -> Result<()> {
        let deleted = self.change(|batch, sequence| {
            address_message(batch, libc::RTM_DELADDR, CHANGE, sequence, (index, address, prefix), None);
        });
        match deleted {
            Err(failure) if !matches!(failure.errno, Errno::EADDRNOTAVAIL | Errno::ENODEV) => {
                Err(failure.error(format!("take address {address}/{prefix} off interface {index}")))
            }
            _ => Ok(()),
        }
    }
}
