//! `lxc.network.KEY`, `lxc.network.N.KEY` and today's `lxc.net.N.KEY`.

use super::Reader;
use super::keys::{no_value, not_yet};
use crate::error::{Error, Origin, Places, Result};
use crate::profile::container::{Nic, NicKind};
use crate::profile::field;
use crate::profile::text::{nearest, shown};
use crate::profile::value::{IfName, MacvlanMode};

/// How many NICs a file may open: the index of `lxc.net.N` is below it.
const MAX_NICS: u32 = 64;

/// A NIC's section while its keys come in.
pub struct Section {
    /// N of `lxc.network.N.` or `lxc.net.N.`, where it was given.
    index: Option<u32>,
    kind: Option<Kind>,
    link: Option<IfName>,
    mode: MacvlanMode,
    nic: Nic,
    /// Something is wrong with it that was told: that it lacks something is no news.
    flawed: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Empty,
    Macvlan,
    /// The host's network, where no other interface is asked for.
    None,
}

#[derive(Clone, Copy)]
enum Key {
    Type,
    Flags,
    Link,
    Name,
    Hwaddr,
    Mtu,
    Mode,
    Ipv4,
    Ipv6,
    Gateway4,
    Gateway6,
    NotYet,
}

/// What follows `lxc.network.` or `lxc.net.N.`.
const KEYS: &[(&str, Key)] = &[
    ("type", Key::Type),
    ("flags", Key::Flags),
    ("link", Key::Link),
    ("name", Key::Name),
    ("hwaddr", Key::Hwaddr),
    ("mtu", Key::Mtu),
    ("macvlan.mode", Key::Mode),
    ("ipv4", Key::Ipv4),
    ("ipv4.address", Key::Ipv4),
    ("ipv6", Key::Ipv6),
    ("ipv6.address", Key::Ipv6),
    ("ipv4.gateway", Key::Gateway4),
    ("ipv6.gateway", Key::Gateway6),
    ("veth.pair", Key::NotYet),
    ("veth.mode", Key::NotYet),
    ("veth.ipv4.route", Key::NotYet),
    ("veth.ipv6.route", Key::NotYet),
    ("veth.vlan.id", Key::NotYet),
    ("veth.vlan.tagged.id", Key::NotYet),
    ("veth.n_rxqueues", Key::NotYet),
    ("veth.n_txqueues", Key::NotYet),
    ("vlan.id", Key::NotYet),
    ("ipvlan.mode", Key::NotYet),
    ("ipvlan.isolation", Key::NotYet),
    ("l2proxy", Key::NotYet),
    ("script.up", Key::NotYet),
    ("script.down", Key::NotYet),
];

impl Key {
    /// What a profile calls it: check finds the places of values by that.
    fn place(self) -> &'static str {
        match self {
            Key::Type | Key::NotYet => "type",
            Key::Flags => "up",
            Key::Link => "link",
            Key::Name => "name",
            Key::Hwaddr => "hwaddr",
            Key::Mtu => "mtu",
            Key::Mode => "mode",
            Key::Ipv4 => "ipv4",
            Key::Ipv6 => "ipv6",
            Key::Gateway4 => "ipv4-gateway",
            Key::Gateway6 => "ipv6-gateway",
        }
    }
}

impl Section {
    fn new(index: Option<u32>, origin: &Origin) -> Self {
        // Without a mode the documentation of LXC says private, which its 0.9.0 did not send: the kernel took vepa.
        // Private is what LXC 7 does, and what the user read.
        Self {
            index,
            kind: None,
            link: None,
            mode: MacvlanMode::Private,
            nic: Nic {
                kind: NicKind::Empty,
                name: None,
                up: false,
                hwaddr: None,
                hwaddr_pattern: None,
                mtu: None,
                ipv4: Vec::new(),
                ipv6: Vec::new(),
                gateway4: None,
                gateway6: None,
                origin: origin.clone(),
                places: Places::default(),
            },
            flawed: false,
        }
    }

    /// It asks for the host's network.
    pub fn is_none(&self) -> bool {
        self.kind == Some(Kind::None)
    }

    fn set(&mut self, key: Key, value: &str) -> Result<()> {
        let nic = &mut self.nic;
        match key {
            Key::Ipv4 if value.is_empty() => nic.ipv4.clear(),
            Key::Ipv6 if value.is_empty() => nic.ipv6.clear(),
            // Any word means up, as in 0.9.0.
            Key::Flags => nic.up = !value.is_empty(),
            _ if value.is_empty() => return self.unset(key),
            Key::Type => self.kind = Some(kind(value)?),
            Key::Link => self.link = Some(value.parse()?),
            Key::Name => nic.name = Some(value.parse()?),
            Key::Hwaddr => {
                nic.hwaddr = Some(field::mac(value)?);
                nic.hwaddr_pattern = field::mac_pattern(value);
            }
            Key::Mtu => nic.mtu = Some(field::mtu(value)?),
            Key::Mode => self.mode = value.parse()?,
            Key::Ipv4 => nic.ipv4.push(value.parse()?),
            Key::Ipv6 => nic.ipv6.push(value.parse()?),
            Key::Gateway4 => nic.gateway4 = Some(value.parse()?),
            Key::Gateway6 => nic.gateway6 = Some(value.parse()?),
            Key::NotYet => return Err(not_yet()),
        }
        Ok(())
    }

    /// An empty value: as if it had not been said.
    fn unset(&mut self, key: Key) -> Result<()> {
        let nic = &mut self.nic;
        match key {
            Key::Link => self.link = None,
            Key::Name => nic.name = None,
            Key::Hwaddr => (nic.hwaddr, nic.hwaddr_pattern) = (None, None),
            Key::Mtu => nic.mtu = None,
            Key::Mode => self.mode = MacvlanMode::Private,
            Key::Gateway4 => nic.gateway4 = None,
            Key::Gateway6 => nic.gateway6 = None,
            Key::Type | Key::Flags | Key::Ipv4 | Key::Ipv6 | Key::NotYet => return Err(no_value()),
        }
        Ok(())
    }
}

fn kind(value: &str) -> Result<Kind> {
    match value {
        "macvlan" => Ok(Kind::Macvlan),
        "empty" => Ok(Kind::Empty),
        "none" => Ok(Kind::None),
        "veth" | "vlan" | "phys" | "ipvlan" => {
            Err(not_yet().tried(format!("interface type \"{}\"", shown(value))))
        }
        _ => Err(Error::config(format!("interface type \"{}\" is unknown", shown(value)))
            .hint("macvlan, empty or none")),
    }
}

impl Reader {
    /// `rest` follows `lxc.network.` (`old`) or `lxc.net.`; `origin` is the place of `value`.
    pub fn nic(&mut self, rest: &str, old: bool, value: &str, origin: &Origin) -> Result<()> {
        let done = self.nic_key(rest, old, value, origin);
        if let (Err(_), Some(section)) = (&done, self.sections.last_mut()) {
            section.flawed = true;
        }
        done
    }

    fn nic_key(&mut self, rest: &str, old: bool, value: &str, origin: &Origin) -> Result<()> {
        let (index, name) = match rest.split_once('.') {
            Some((digits, name)) if !digits.is_empty() && digits.bytes().all(|c| c.is_ascii_digit()) => {
                (Some(field::number(digits, 0, MAX_NICS - 1)?), name)
            }
            _ => (None, rest),
        };
        let Some(&(_, key)) = KEYS.iter().find(|known| known.0 == name) else {
            let error = Error::config("unknown key").rule("unknown-key");
            return Err(match (nearest(name, KEYS.iter().map(|known| known.0)), index) {
                (Some(near), Some(index)) if old => {
                    error.hint(format!("did you mean lxc.network.{index}.{near}?"))
                }
                (Some(near), None) if old => error.hint(format!("did you mean lxc.network.{near}?")),
                (Some(near), index) => {
                    error.hint(format!("did you mean lxc.net.{}.{near}?", index.unwrap_or(0)))
                }
                (None, _) => error,
            });
        };
        if let Key::NotYet = key {
            return if value.is_empty() { Ok(()) } else { Err(not_yet()) };
        }
        if index.is_none() && !old {
            return Err(Error::config("has no index").hint(format!("which interface? lxc.net.0.{name}")));
        }
        let section = self.section(index, old, matches!(key, Key::Type), origin)?;
        section.nic.places.note(key.place(), || origin.clone());
        section.set(key, value).map_err(|error| error.at(origin))
    }

    /// The section that a key belongs to. Without an index: `type` opens a new one, others go to the latest. An index
    /// counts the interfaces from 0 for 0.9.0's names, and names one, made when first seen, for today's.
    fn section(
        &mut self,
        index: Option<u32>,
        old: bool,
        opens: bool,
        origin: &Origin,
    ) -> Result<&mut Section> {
        let found = match index {
            None if opens => None,
            None => self.sections.len().checked_sub(1),
            Some(index) => {
                self.sections.iter().position(|section| section.index == Some(index)).or_else(|| {
                    let at = index as usize;
                    self.sections.get(at).filter(|section| section.index.is_none()).map(|_| at)
                })
            }
        };
        let at = match found {
            Some(at) => at,
            None if old && !opens => {
                return Err(Error::config("there is no such interface yet")
                    .hint("lxc.network.type begins an interface, its other keys follow"));
            }
            None if self.sections.len() >= MAX_NICS as usize => {
                return Err(Error::config("there are more than 64 interfaces"));
            }
            None => {
                self.sections.push(Section::new(index, origin));
                self.sections.len() - 1
            }
        };
        self.sections.get_mut(at).ok_or_else(no_value)
    }
}

/// The NICs, in the order of their indices where all have one, else in the file's. One that lacks something is noted.
pub fn finish(mut sections: Vec<Section>, wrong: &mut Vec<Error>) -> Vec<Nic> {
    if sections.iter().all(|section| section.index.is_some()) {
        sections.sort_by_key(|section| section.index);
    }
    let mut nics = Vec::with_capacity(sections.len());
    for section in sections {
        let Section { kind, link, mode, mut nic, index, flawed } = section;
        let lacking = match (kind, link) {
            (Some(Kind::Macvlan), Some(link)) => {
                nic.kind = NicKind::Macvlan { link, mode };
                None
            }
            (Some(Kind::Empty), _) => None,
            (Some(Kind::None), _) => continue,
            (Some(Kind::Macvlan), None) => Some(
                Error::config("this macvlan has no link")
                    .hint("name the host interface it goes on: lxc.network.link = br0"),
            ),
            (None, _) => {
                let hint = format!("lxc.net.{}.type = macvlan", index.unwrap_or(0));
                Some(Error::config("this interface has no type").hint(hint))
            }
        };
        match lacking {
            None => nics.push(nic),
            Some(_) if flawed => {}
            Some(error) => wrong.push(error.rule("missing-key").at(&nic.origin)),
        }
    }
    nics
}

#[cfg(test)]
pub mod tests {
    use super::*;

    /// Every key of the table, without its prefix, and whether it is applied.
    pub fn all() -> impl Iterator<Item = (&'static str, bool)> {
        KEYS.iter().map(|(name, key)| (*name, !matches!(key, Key::NotYet)))
    }
}
