//! Links: found, changed, deleted.

use super::ethtool::permanent_mac;
use super::message::{Attributes, Batch, Message, number_at, text_of};
use super::new_link::MACVLAN_MODE;
use super::{CHANGE, DUMP, Failure, LINGER, Netlink, Patience, Until, no_such_link};
use crate::error::Result;
use crate::sys::file;
use crate::sys::process::{self, Side};
use nix::errno::Errno;
use nix::sys::socket::MsgFlags;
use std::os::fd::AsRawFd;

/// The size of `struct ifinfomsg`.
const FIXED: usize = 16;
/// `RTEXT_FILTER_SKIP_STATS` of linux/rtnetlink.h (4.4+): no statistics, please.
const SKIP_STATISTICS: u32 = 1 << 3;
/// The longest name the kernel takes.
const LONGEST_NAME: usize = libc::IF_NAMESIZE - 1;

/// A link as the kernel tells it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Link {
    /// Its number in its network namespace.
    pub index: u32,
    /// Its name.
    pub name: String,
    /// Its address, where that is an Ethernet one.
    pub mac: Option<[u8; 6]>,
    /// The address its hardware was made with, where the kernel tells (5.6+) and there is one.
    pub permanent: Option<[u8; 6]>,
    /// Bytes.
    pub mtu: u32,
    /// The index of the bridge or bond whose port it is.
    pub master: Option<u32>,
    /// The index of its lower device (macvlan, vlan) or its peer (veth).
    pub lower: Option<u32>,
    /// Set up.
    pub up: bool,
    /// It works, as far as its driver can tell: up, and with a carrier.
    pub carrier: bool,
    /// `bridge`, `macvlan`, `veth` …; empty for hardware and the loopback.
    pub kind: String,
    /// Of a bridge's port: what is set on it. Kernels before 4.1 do not tell; see [`Link::flags_of_port`].
    pub port: Option<PortFlags>,
    /// A macvlan's mode (`enum macvlan_mode`).
    pub macvlan_mode: Option<u32>,
}

/// What is set on a bridge's port.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PortFlags {
    /// It sends frames back out of itself.
    pub hairpin: bool,
    /// The bridge learns addresses from what comes in there.
    pub learning: bool,
}

/// One of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PortFlag {
    /// `IFLA_BRPORT_MODE`.
    Hairpin = 4,
    /// `IFLA_BRPORT_LEARNING` (3.11+).
    Learning = 8,
}

impl PortFlag {
    /// The port's file in /sys: there since 2.6.31, for the network namespace that /sys was mounted in.
    fn file(self, port: &str) -> String {
        let file = match self {
            PortFlag::Hairpin => "hairpin_mode",
            PortFlag::Learning => "learning",
        };
        format!("/sys/class/net/{port}/brport/{file}")
    }

    /// Switches it by that file.
    pub fn write(self, port: &str, on: bool) -> Result<()> {
        file::write_value(&self.file(port), if on { "1" } else { "0" })
    }
}

/// The group that links are put into to be deleted together: a number that nobody else will have chosen.
const DELETION_GROUP: u32 = 0xbb0b_0b00;

/// `struct ifinfomsg`: of any family and type.
pub(super) fn fixed(index: u32, flags: u32, change: u32) -> [u8; FIXED] {
    let mut bytes = [0; FIXED];
    for (place, number) in bytes.chunks_exact_mut(4).zip([0, index, flags, change]) {
        place.copy_from_slice(&number.to_ne_bytes());
    }
    bytes
}

fn ask_for(batch: &mut Batch, flags: libc::c_int, sequence: u32, name: &str) {
    batch.begin(libc::RTM_GETLINK, flags, sequence, &fixed(0, 0, 0));
    if !name.is_empty() {
        batch.text(libc::IFLA_IFNAME, name);
    }
    batch.number(libc::IFLA_EXT_MASK, SKIP_STATISTICS);
    batch.end();
}

fn hardware_address(value: &[u8]) -> Option<[u8; 6]> {
    <[u8; 6]>::try_from(value).ok().filter(|mac| *mac != [0; 6])
}

impl Link {
    /// The address that stays with the hardware behind a link: the one it was made with, where there is one. A bridge has
    /// none of its own, but `up` pins its first port's to it.
    pub fn lasting_mac(&self) -> Option<[u8; 6]> {
        // Kernels before 5.6 tell it by ethtool only; what is made of software has none.
        let hardware = || if self.kind.is_empty() { permanent_mac(&self.name) } else { None };
        self.permanent.or_else(hardware).or(self.mac)
    }

    /// What is set on a bridge's port, from /sys where netlink does not tell. All off for what is no port.
    pub fn flags_of_port(&self) -> PortFlags {
        let is = |flag: PortFlag| {
            file::read_value(&flag.file(&self.name)).is_ok_and(|value| value.trim_end() == "1")
        };
        match (self.port, self.master) {
            (Some(flags), _) => flags,
            (None, Some(_)) => PortFlags { hairpin: is(PortFlag::Hairpin), learning: is(PortFlag::Learning) },
            (None, None) => PortFlags::default(),
        }
    }

    fn read(message: &Message) -> Option<Link> {
        if message.kind != libc::RTM_NEWLINK {
            return None;
        }
        let flags = number_at(message.body, 8)?;
        let mut link = Link {
            index: number_at(message.body, 4)?,
            up: flags & libc::IFF_UP as u32 != 0,
            carrier: flags & libc::IFF_RUNNING as u32 != 0,
            ..Link::default()
        };
        for (kind, value) in Attributes::after(message.body, FIXED) {
            match kind {
                libc::IFLA_IFNAME => link.name = text_of(value).into(),
                libc::IFLA_ADDRESS => link.mac = <[u8; 6]>::try_from(value).ok(),
                libc::IFLA_PERM_ADDRESS => link.permanent = hardware_address(value),
                libc::IFLA_MTU => link.mtu = number_at(value, 0)?,
                libc::IFLA_MASTER => link.master = number_at(value, 0),
                libc::IFLA_LINK => link.lower = number_at(value, 0),
                libc::IFLA_LINKINFO => link.read_info(value),
                _ => {}
            }
        }
        Some(link)
    }

    fn read_info(&mut self, info: &[u8]) {
        let mut master_kind = "";
        for (kind, value) in Attributes(info) {
            match kind {
                libc::IFLA_INFO_KIND => self.kind = text_of(value).into(),
                libc::IFLA_INFO_SLAVE_KIND => master_kind = text_of(value),
                libc::IFLA_INFO_SLAVE_DATA if master_kind == "bridge" => {
                    let is = |flag: PortFlag| {
                        Attributes(value).any(|(kind, on)| kind == flag as u16 && on.first() == Some(&1))
                    };
                    self.port =
                        Some(PortFlags { hairpin: is(PortFlag::Hairpin), learning: is(PortFlag::Learning) });
                }
                libc::IFLA_INFO_DATA if self.kind == "macvlan" => {
                    self.macvlan_mode = Attributes(value)
                        .find(|(kind, _)| *kind == MACVLAN_MODE)
                        .and_then(|(_, mode)| number_at(mode, 0));
                }
                _ => {}
            }
        }
    }
}

impl Netlink {
    /// The link of that name; `None` where there is none.
    pub fn link(&mut self, name: &str) -> Result<Option<Link>> {
        let mut found = None;
        self.find(name, &mut |message| found = Link::read(message))?;
        Ok(found)
    }

    /// The same where it has to be there: the error says what to do.
    pub fn existing_link(&mut self, name: &str) -> Result<Link> {
        self.link(name)?.ok_or_else(|| no_such_link(name))
    }

    /// The index of the link of that name; `None` where there is none. Does not allocate.
    pub fn index(&mut self, name: &str) -> Result<Option<u32>> {
        let mut found = None;
        self.find(name, &mut |message| found = number_at(message.body, 4))?;
        Ok(found)
    }

    fn find(&mut self, name: &str, each: &mut dyn FnMut(&Message)) -> Result<()> {
        if name.is_empty() || name.len() > LONGEST_NAME {
            return Ok(());
        }
        let asked = self.ask(
            Until::Data,
            |batch, sequence| ask_for(batch, libc::NLM_F_REQUEST, sequence, name),
            each,
        );
        match asked {
            Err(failure) if failure.errno == Errno::ENODEV => Ok(()),
            // Kernels before 2.6.33 want an index: look through all.
            Err(failure) if failure.errno == Errno::EINVAL => self.each_link(&mut |message| {
                let mut attributes = Attributes::after(message.body, FIXED);
                if attributes.any(|(kind, value)| kind == libc::IFLA_IFNAME && text_of(value) == name) {
                    each(message);
                }
            }),
            asked => asked.map_err(|failure| failure.error(format!("look for interface {name}"))),
        }
    }

    /// All links of the network namespace.
    pub fn links(&mut self) -> Result<Vec<Link>> {
        let mut links = Vec::new();
        self.each_link(&mut |message| links.extend(Link::read(message)))?;
        Ok(links)
    }

    fn each_link(&mut self, each: &mut dyn FnMut(&Message)) -> Result<()> {
        self.ask(Until::Done, |batch, sequence| ask_for(batch, DUMP, sequence, ""), each)
            .map_err(|failure| failure.error("list the interfaces"))
    }

    /// Switches a flag of a bridge's port. Kernels that have not learnt it by netlink (4.1) ignore the message: where it has
    /// done nothing, the port's file in /sys is written.
    pub fn set_port_flag(&mut self, port: &str, flag: PortFlag, on: bool) -> Result<()> {
        let is = |link: &Link| match flag {
            PortFlag::Hairpin => link.flags_of_port().hairpin,
            PortFlag::Learning => link.flags_of_port().learning,
        };
        let link = self.existing_link(port)?;
        if is(&link) == on {
            return Ok(());
        }
        let set = self.set(link.index, |batch| {
            let info = batch.nest(libc::IFLA_LINKINFO);
            batch.text(libc::IFLA_INFO_SLAVE_KIND, "bridge");
            let data = batch.nest(libc::IFLA_INFO_SLAVE_DATA);
            batch.attribute(flag as u16, &[u8::from(on)]);
            batch.end_nest(data);
            batch.end_nest(info);
        });
        if set.is_ok() && is(&self.existing_link(port)?) == on {
            return Ok(());
        }
        flag.write(port, on)
    }

    /// Makes a link a port of a bridge, or of none. The kernel lets go of another master without a word: look first.
    pub fn set_master(&mut self, port: u32, master: Option<u32>) -> Result<()> {
        let set = self.set(port, |batch| batch.number(libc::IFLA_MASTER, master.unwrap_or(0)));
        set.map_err(|failure| {
            let error = failure.error(match master {
                Some(master) => format!("make interface {port} a port of interface {master}"),
                None => format!("free port {port} from its bridge"),
            });
            match failure.errno {
                Errno::EBUSY => error.hint("the port carries macvlans, or is a port already"),
                Errno::EINVAL | Errno::ELOOP => {
                    error.hint("a bridge takes Ethernet interfaces only, no loopback and no other bridge")
                }
                _ => error,
            }
        })
    }

    /// Sets a link's Ethernet address. On a bridge this pins it, even where it is the same already.
    pub fn set_address(&mut self, index: u32, mac: [u8; 6]) -> Result<()> {
        self.set(index, |batch| batch.attribute(libc::IFLA_ADDRESS, &mac))
            .map_err(|failure| failure.error(format!("set the Ethernet address of interface {index}")))
    }

    /// Sets a link's mtu, in bytes.
    pub fn set_mtu(&mut self, index: u32, mtu: u32) -> Result<()> {
        self.set(index, |batch| batch.number(libc::IFLA_MTU, mtu)).map_err(|failure| {
            let error = failure.error(format!("set mtu of interface {index} to {mtu}"));
            if failure.errno != Errno::EINVAL {
                return error;
            }
            error.hint("the hardware's limit, or that of the ports or the lower device, is lower")
        })
    }

    /// Sets a link up or down.
    pub fn set_up(&mut self, index: u32, up: bool) -> Result<()> {
        self.change(|batch, sequence| up_or_down(batch, sequence, index, up)).map_err(|failure| {
            failure.error(format!("set interface {index} {}", if up { "up" } else { "down" }))
        })
    }

    /// Deletes a link; one that is gone already is no error. Does not allocate.
    pub fn delete_link(&mut self, index: u32) -> Result<()> {
        let deleted = self.change(|batch, sequence| {
            batch.begin(libc::RTM_DELLINK, CHANGE, sequence, &fixed(index, 0, 0));
            batch.end();
        });
        match deleted {
            Err(failure) if failure.errno != Errno::ENODEV => {
                Err(failure.error(format!("delete interface {index}")))
            }
            _ => Ok(()),
        }
    }

    /// Deletes several links as one: each deletion of its own waits for a grace period of the kernel's, 10 to 30 ms, a
    /// group of them for one (kernels from 4.1; before, one by one). Does not allocate.
    pub fn delete_links(&mut self, indices: &[u32]) -> Result<()> {
        self.group(indices);
        match self.change(|batch, sequence| delete_group(batch, CHANGE, sequence)) {
            Ok(()) => Ok(()),
            Err(_) => indices.iter().try_for_each(|&index| self.delete_link(index)),
        }
    }

    /// The same without that wait: it is left to a child process, which ends some 20 ms later, and this returns when the
    /// links are gone, their names and addresses free. For a process without threads that is about to end.
    pub fn delete_links_ahead(&mut self, indices: &[u32]) -> Result<()> {
        self.group(indices);
        match process::fork() {
            Ok(Side::Child) => {
                // Without asking for an acknowledgement: the socket's replies are the parent's.
                let mut batch = Batch::new();
                delete_group(&mut batch, libc::NLM_F_REQUEST, 0);
                if let Some(bytes) = batch.bytes() {
                    let _ = nix::sys::socket::send(self.fd.as_raw_fd(), bytes, MsgFlags::empty());
                }
                process::exit(0)
            }
            Ok(Side::Parent(_)) => {
                let mut patience = Patience::new(LINGER);
                while indices.iter().any(|&index| self.is_there(index)) {
                    if !patience.pause() {
                        return self.delete_links(indices);
                    }
                }
                Ok(())
            }
            Err(_) => self.delete_links(indices),
        }
    }

    fn group(&mut self, indices: &[u32]) {
        for &index in indices {
            // One that is gone by now is not in the group, and needs no deletion.
            let _ = self.set(index, |batch| batch.number(libc::IFLA_GROUP, DELETION_GROUP));
        }
    }

    fn is_there(&mut self, index: u32) -> bool {
        let found = self.ask(
            Until::Data,
            |batch, sequence| {
                batch.begin(libc::RTM_GETLINK, libc::NLM_F_REQUEST, sequence, &fixed(index, 0, 0));
                batch.number(libc::IFLA_EXT_MASK, SKIP_STATISTICS);
                batch.end();
            },
            &mut |_| {},
        );
        found.is_ok()
    }

    fn set(&mut self, index: u32, attribute: impl FnOnce(&mut Batch)) -> std::result::Result<(), Failure> {
        self.change(|batch, sequence| {
            batch.begin(libc::RTM_NEWLINK, CHANGE, sequence, &fixed(index, 0, 0));
            attribute(batch);
            batch.end();
        })
    }
}

/// The message that deletes all links of the group.
fn delete_group(batch: &mut Batch, flags: libc::c_int, sequence: u32) {
    batch.begin(libc::RTM_DELLINK, flags, sequence, &fixed(0, 0, 0));
    batch.number(libc::IFLA_GROUP, DELETION_GROUP);
    batch.end();
}

/// The message that sets a link up or down.
pub(super) fn up_or_down(batch: &mut Batch, sequence: u32, index: u32, up: bool) {
    let bit = libc::IFF_UP as u32;
    batch.begin(libc::RTM_NEWLINK, CHANGE, sequence, &fixed(index, if up { bit } else { 0 }, bit));
    batch.end();
}
