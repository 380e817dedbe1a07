//! Which of a profile's containers reach each other by the switch alone: it has to reflect (IEEE 802.1Qbg), or they are
//! silent to each other.

use crate::error::Origin;
use crate::profile::container::{Nic, NicKind};
use crate::profile::value::{ContainerName, IfName, MacvlanMode};
use crate::profile::{Board, Container};
use std::net::IpAddr;

/// Two containers on one link, each with an address of one network, whose frames to each other go to the switch.
#[derive(Clone, Debug, PartialEq)]
pub struct Pair<'a> {
    /// The link both are on.
    pub link: &'a IfName,
    /// The first one.
    pub one: &'a ContainerName,
    /// The other one.
    pub other: &'a ContainerName,
    /// Where the first one's interface is declared.
    pub origin: &'a Origin,
}

/// The first such pair of each link.
pub fn pairs(board: &Board) -> Vec<Pair<'_>> {
    let mut pairs: Vec<Pair<'_>> = Vec::new();
    let mut seats: Vec<(&Container, &Nic, &IfName, MacvlanMode)> = Vec::new();
    for container in &board.containers {
        for nic in &container.network {
            let NicKind::Macvlan { link, mode } = &nic.kind else { continue };
            let before = seats.iter().find(|(other, theirs, on, their_mode)| {
                other.name != container.name
                    && *on == link
                    && by_switch(*their_mode, *mode)
                    && networks(theirs).any(|one| networks(nic).any(|other| overlap(one, other)))
            });
            if let Some((one, theirs, ..)) = before
                && !pairs.iter().any(|pair| pair.link == link)
            {
                let (one, other) = (&one.name, &container.name);
                pairs.push(Pair { link, one, other, origin: &theirs.origin });
            }
            seats.push((container, nic, link, *mode));
        }
    }
    pairs
}

/// Whether frames between interfaces in these modes take the way over the switch, and are taken when they come back. One in
/// mode vepa sends everything there; one in mode bridge hands straight over to its like alone.
fn by_switch(one: MacvlanMode, other: MacvlanMode) -> bool {
    let talks = |mode| matches!(mode, MacvlanMode::Vepa | MacvlanMode::Bridge);
    talks(one) && talks(other) && (one == MacvlanMode::Vepa || other == MacvlanMode::Vepa)
}

/// An interface's addresses and their prefixes' lengths.
fn networks(nic: &Nic) -> impl Iterator<Item = (IpAddr, u8)> {
    let four = nic.ipv4.iter().map(|net| (net.address.into(), net.prefix));
    four.chain(nic.ipv6.iter().map(|net| (net.address.into(), net.prefix)))
}

/// Whether one network holds the other.
fn overlap((one, prefix): (IpAddr, u8), (other, second): (IpAddr, u8)) -> bool {
    let same = match (one, other) {
        (IpAddr::V4(one), IpAddr::V4(other)) => (one.to_bits() ^ other.to_bits()).leading_zeros(),
        (IpAddr::V6(one), IpAddr::V6(other)) => (one.to_bits() ^ other.to_bits()).leading_zeros(),
        _ => return false,
    };
    same >= u32::from(prefix.min(second))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The pairs of a profile with containers a, b, …, each with interfaces of these modes, links and networks.
    fn found(containers: &[&[(&str, &str, &str)]]) -> String {
        let mut text = String::from("board.name = 't'\n");
        for (nics, name) in containers.iter().zip('a'..) {
            text.push_str(&format!("[[container]]\nname = '{name}'\n"));
            for (mode, link, net) in *nics {
                let key = if net.contains(':') { "ipv6" } else { "ipv4" };
                let net = if net.is_empty() { String::new() } else { format!("{key} = '{net}'") };
                text.push_str(&format!(
                    "[[container.network]]\ntype = 'macvlan'\nmode = '{mode}'\nlink = '{link}'\n{net}\n"
                ));
            }
        }
        let board = crate::profile::toml::parse(text.as_bytes(), &"p".into()).unwrap();
        let text = |pair: &Pair| format!("{}: {} {}", pair.link, pair.one, pair.other);
        pairs(&board).iter().map(text).collect::<Vec<_>>().join(", ")
    }

    #[test]
    fn one_network_on_one_link_in_mode_vepa_is_a_pair() {
        let (one, two) = (("vepa", "br0", "10.0.0.1/24"), ("vepa", "br0", "10.0.0.2/24"));
        assert_eq!(found(&[&[one], &[two]]), "br0: a b");
        assert_eq!(found(&[&[one], &[("bridge", "br0", "10.0.0.2/24")]]), "br0: a b");
        assert_eq!(found(&[&[one], &[("vepa", "br0", "10.0.9.2/8")]]), "br0: a b", "one holds the other");
        let (six, seven) = (("vepa", "eth1", "fd00::1/64"), ("vepa", "eth1", "fd00::2/64"));
        assert_eq!(found(&[&[one, six], &[seven], &[two]]), "eth1: a b, br0: a c");
        assert_eq!(found(&[&[one], &[two], &[two]]), "br0: a b", "once for a link");
    }

    #[test]
    fn whoever_does_not_need_the_switch_is_none() {
        let one = ("vepa", "br0", "10.0.0.1/24");
        for other in [
            ("vepa", "br0", "10.0.1.2/24"),
            ("vepa", "br0", ""),
            ("vepa", "br0", "fd00::1/64"),
            ("vepa", "br1", "10.0.0.2/24"),
            ("private", "br0", "10.0.0.2/24"),
        ] {
            assert_eq!(found(&[&[one], &[other]]), "", "{other:?}");
        }
        assert_eq!(found(&[&[one, ("vepa", "br0", "10.0.0.2/24")]]), "", "a container has its loopback");
        let straight = ("bridge", "br0", "10.0.0.1/24");
        assert_eq!(found(&[&[straight], &[straight]]), "");
    }
}
